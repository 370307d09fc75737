"""The result for one neighbourhood, as users hold it: a record that can be drawn, tabulated, exported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from polylc.complex.along import Breakpoints, breakpoints
from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph, build_graph
from polylc.domains.box import as_box
from polylc.domains.frame import Frame
from polylc.errors import UsageError
from polylc.exact.numbers import to_floats
from polylc.measures.by_volume.volumes import Volumes
from polylc.report.files import written_beside
from polylc.report.record import Record
from polylc.report.status import Status

if TYPE_CHECKING:
    import networkx

    from polylc.report.shading import Colour
    from polylc.report.symbolic import Symbolic


@dataclass(frozen=True, eq=False)
class Result(Record):
    """The answers for one neighbourhood: a `Record`, and what can be made of it."""

    def _kept(self) -> Complex:
        if self.complex is None:
            raise UsageError("the regions of this result were not kept; call certify with keep=True")
        return self.complex

    def _graph(self) -> RegionGraph:
        if self.region_graph is None:
            object.__setattr__(self, "region_graph", build_graph(self._kept()))
        assert self.region_graph is not None
        return self.region_graph

    def region_at(self, x: Any) -> int:
        """Index of the region that contains the point `x` (all coordinates); in a plane, the foot of `x`.

        Raises
        ------
        UsageError
            If `x` is outside the neighbourhood, or its pattern is not listed (it lies on a boundary, or was not
            reached before a limit).
        """
        point = np.asarray(x, dtype=np.float64)
        if point.shape != (self.network.inputs,):
            raise UsageError(f"region_at: a point of {self.network.inputs} coordinates is needed, not one of shape {point.shape}")
        if isinstance(self.domain, Frame):
            unit = self.domain.unit(point)
            inside, point = bool((np.abs(unit) <= 1).all()), self.domain.points(unit)
        else:
            box = as_box(self.domain, "region_at")
            lower, upper = to_floats(box.lower), to_floats(box.upper)
            inside = bool(((point >= lower) & (point <= upper)).all())
        if not inside:
            raise UsageError("region_at: the point is outside the neighbourhood")
        found = self._kept().region_at(point)
        if found < 0:
            raise UsageError("region_at: no listed region has this point's pattern; it lies on a boundary or was not reached")
        return found

    def breakpoints(self) -> Breakpoints:
        """Of a neighbourhood with one free coordinate, or a line: where the pattern changes, the outputs there and the
        classes between, all exact.

        Raises
        ------
        UsageError
            If the dimension is not 1, or the result is partial.
        """
        return self.line or breakpoints(self._kept())

    def graph(self) -> networkx.Graph:
        """The region graph with the attributes of `to_frame` on nodes, and neuron, flips, area, jump on edges."""
        from polylc.report.export import to_networkx

        return to_networkx(self._kept(), self._graph())

    def write_graph(self, path: str | Path) -> None:
        """Write the region graph as .graphml or .npz."""
        from polylc.report.export import write_graph

        with written_beside(Path(path)) as beside:
            write_graph(beside, self._kept(), self._graph())

    def write_regions(self, path: str | Path) -> None:
        """Write the columns of `to_frame` as .csv, .parquet or .npz (an array of each column).

        Raises
        ------
        UsageError
            If the ending is another, or pyarrow is not installed (``pip install 'polylc[parquet]'``).
        """
        from polylc.report.export import region_table, write_table

        with written_beside(Path(path)) as beside:
            write_table(beside, region_table(self._kept(), self._graph()))

    def to_frame(self) -> Any:
        """A pandas DataFrame with one row per region: pattern, point, gradient norm, volume, neighbours, piece.

        Of a partial result without the last two, which regions that were not reached may change.

        Raises
        ------
        UsageError
            If pandas is not installed (``pip install polylc[frame]``).
        """
        from polylc.report.export import data_frame, region_table

        return data_frame(region_table(self._kept(), self._graph()))

    def symbolic(self) -> Symbolic:
        """The network on the neighbourhood in closed form (sympy): pieces, maps, measures as sums of radicals, LaTeX.

        Raises
        ------
        UsageError
            If the result is not certified, or has too many regions or dimensions.
        """
        from polylc.report.symbolic import Symbolic

        if self.status is not Status.CERTIFIED:
            raise UsageError(f"symbolic: the result is {self.status}, and closed forms are exact; only certified results have them")
        complex_ = self._kept()
        if complex_.round:
            raise UsageError("symbolic: closed forms are of boxes, lines and planes, not of l1 and l2 balls; leave out the norm")
        if not complex_.has_geometry:
            raise UsageError(f"symbolic: volumes are out of reach in dimension {complex_.domain.dimension}")
        return Symbolic(Volumes(complex_) if self.volumes is None else self.volumes, self._graph())

    def plot(
        self,
        path: str | Path | None = None,
        points: Any = None,
        labels: Any = None,
        colour: Colour = "gradient",
        *,
        colormap: str = "viridis",
        size: tuple[float, float] | None = None,
        ax: Any = None,
    ) -> Any:
        """A matplotlib figure of the regions (one or two free coordinates, a line or a plane).

        Parameters
        ----------
        path : path, optional
            File to save it to: .png, or .svg and .pdf, which have lines that stay sharp.
        points, labels : array_like, optional
            Data points to draw, shape (N, n), and their classes.
        colour : str
            What the colours stand for: "gradient", the norm of the gradient along the picture; "full", by all inputs;
            "class"; "component", parts of decision regions; "piece"; "rank", of the last hidden layer's Jacobian; or
            "depth", the layer of each line's neuron.
        colormap : str
            Of matplotlib.
        size : (float, float), optional
            Inches.
        ax : matplotlib axes, optional
            To draw into, in place of a figure of its own.
        """
        from polylc.report.figures import Style, figure

        drawn = figure(self._kept(), points, labels, Style(colour, colormap, size), ax, self.region_graph)
        if path is not None:
            with written_beside(Path(path)) as beside:
                drawn.savefig(beside, dpi=150, bbox_inches="tight")
        return drawn

    def __repr__(self) -> str:
        return f"Result(index={self.index}, status={str(self.status)!r}, regions={self.regions}, dimension={self.domain.dimension})"

    def _repr_html_(self) -> str:
        from polylc.report.html.certify import certify_cell

        return certify_cell(self.network, [self], self.seconds)
