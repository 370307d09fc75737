"""The answers for one neighbourhood."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph, build_graph
from polylc.domains.box import Neighbourhood
from polylc.errors import UsageError
from polylc.exact.quantity import Quantity
from polylc.measures.by_volume.volumes import Volumes
from polylc.measures.gradient.lipschitz import Lipschitz
from polylc.measures.inequalities import Inequality
from polylc.measures.margin.float_robustness import Robustness
from polylc.measures.rank import LocalRank
from polylc.network.form import Network

if TYPE_CHECKING:
    import networkx

    from polylc.report.symbolic import Symbolic


@dataclass(frozen=True)
class Refusal:
    """A data row that could not be used, and why."""

    index: int
    reason: str

    @property
    def status(self) -> str:
        """Always "refused"."""
        return "refused"


@dataclass(frozen=True)
class Answers:
    """Values of the measures; None where not asked for or out of reach, with the reason in the result's notes."""

    pieces: int | None = None
    affine_functions: int | None = None
    adjacencies: int | None = None
    local_complexity: dict[str, Quantity] | None = None
    noisy_complexity: dict[str, Quantity] | None = None  # LC^dec by the name of sigma
    kink_variation: Quantity | None = None
    total_variation: dict[str, Quantity] | None = None
    local_rank: list[LocalRank] | None = None
    lipschitz: list[Lipschitz] | None = None
    robustness: Robustness | None = None
    bounds: list[Inequality] | None = None


@dataclass(frozen=True, eq=False)
class Result:
    """The answers for one neighbourhood.

    Attributes
    ----------
    index : int
        Position of the neighbourhood in the run (its data row).
    status : str
        "certified" (complete, and proved in exact arithmetic), "enumerated" (complete, in floating point) or "partial" (a limit was
        reached: counts are lower bounds).
    regions : int
        Number of activation regions.
    volume : Quantity
        Exact volume of the neighbourhood in its free coordinates, outward rounded.
    label : int or None
        The class whose robustness was asked.
    answers : Answers
        The measures; also readable as attributes of the result (``result.pieces``).
    notes : dict
        Why something is null, what was substituted, what the status means.
    outcome : str
        How the enumeration ended, in words.
    stats : dict
        Counters of the engine and the facet tests.
    complex : Complex or None
        Columns of regions; None if the run was told not to keep them.
    volumes : Volumes or None
        Proved volumes and areas of a certified result.
    block : (Path, str) or None
        Block of a proof file and its hash.
    """

    index: int
    network: Network
    domain: Neighbourhood
    status: str
    outcome: str
    engine: str
    regions: int
    volume: Quantity
    label: int | None
    answers: Answers
    notes: dict[str, str]
    seconds: float
    stats: dict[str, int] = field(default_factory=dict)
    complex: Complex | None = None
    region_graph: RegionGraph | None = None
    volumes: Volumes | None = None
    block: tuple[Path, str] | None = None

    def __getattr__(self, name: str) -> Any:
        if name in Answers.__dataclass_fields__:
            return getattr(self.answers, name)
        raise AttributeError(f"a result has no attribute {name!r}")

    @property
    def complete(self) -> bool:
        """Whether all regions were found."""
        return self.status != "partial"

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
        """Index of the region that contains the point `x` (all coordinates).

        Raises
        ------
        UsageError
            If `x` is outside the neighbourhood, or its pattern is not listed (it lies on a boundary, or was not
            reached before a limit).
        """
        point = np.asarray(x, dtype=np.float64)
        if point.shape != (self.network.inputs,):
            raise UsageError(f"region_at: a point of {self.network.inputs} coordinates is needed, not one of shape {point.shape}")
        lower = np.array([float(v) for v in self.domain.lower])
        upper = np.array([float(v) for v in self.domain.upper])
        if not ((point >= lower) & (point <= upper)).all():
            raise UsageError("region_at: the point is outside the neighbourhood")
        found = self._kept().region_at(point)
        if found < 0:
            raise UsageError("region_at: no listed region has this point's pattern; it lies on a boundary or was not reached")
        return found

    def graph(self) -> networkx.Graph:
        """The region graph with the attributes of `to_frame` on nodes, and neuron, flips, area, jump on edges."""
        from polylc.report.export import to_networkx

        return to_networkx(self._kept(), self._graph())

    def write_graph(self, path: str | Path) -> None:
        """Write the region graph as .graphml or .npz."""
        from polylc.report.export import write_graph

        write_graph(Path(path), self._kept(), self._graph())

    def to_frame(self) -> Any:
        """A pandas DataFrame with one row per region: pattern, point, gradient norm, volume, neighbours, piece.

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

        if self.status != "certified":
            raise UsageError(f"symbolic: the result is {self.status}, and closed forms are exact; only certified results have them")
        complex_ = self._kept()
        if not complex_.has_geometry:
            raise UsageError(f"symbolic: volumes are out of reach in dimension {complex_.domain.dimension}")
        return Symbolic(Volumes(complex_) if self.volumes is None else self.volumes, self._graph())

    def plot(self, path: str | Path | None = None, points: Any = None, labels: Any = None) -> Any:
        """A matplotlib figure of the regions (one or two free coordinates); saved to `path` if one is given."""
        from polylc.report.figures import figure

        drawn = figure(self._kept(), points, labels)
        if path is not None:
            drawn.savefig(path, dpi=150, bbox_inches="tight")
        return drawn

    def __repr__(self) -> str:
        return f"Result(index={self.index}, status={self.status!r}, regions={self.regions}, dimension={self.domain.dimension})"

    def _repr_html_(self) -> str:
        from polylc.report.table import result_rows

        cells = "".join(f"<tr><th style='text-align:left'>{name}</th><td>{escape(text)}</td></tr>" for name, text in result_rows(self))
        return f"<table>{cells}</table>"
