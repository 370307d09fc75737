"""What `distance` and `lipschitz` return: lists that notebooks show as one table, and reports are written of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from polylc.domains.within import Norm
from polylc.measures.margin.distance import Distance
from polylc.network.form import Network
from polylc.report.lipschitz import LipschitzConstants
from polylc.report.record import Refusal

if TYPE_CHECKING:
    from polylc.report.distance import DistanceReport
    from polylc.report.html.view import Page
    from polylc.report.lipschitz import LipschitzReport

Found = TypeVar("Found")


class _Answers(list[Found | Refusal], ABC, Generic[Found]):
    """Answers in the order of the tasks, and their rows."""

    def __init__(self, network: Network, found: Iterable[tuple[int, Found | Refusal]]) -> None:
        rows = list(found)
        super().__init__(one for _, one in rows)
        self.network, self.rows = network, [row for row, _ in rows]

    def __repr__(self) -> str:
        if len(self) <= 1:
            return super().__repr__()
        refused = sum(isinstance(one, Refusal) for one in self)
        exact = sum(bool(one.exact) for one in self if not isinstance(one, Refusal))  # type: ignore[attr-defined]
        return f"{type(self).__name__}({len(self)} rows: {exact} exact{f', {refused} refused' if refused else ''})"

    def write_report(self, path: str | Path) -> None:
        """Write a report to look at: one HTML file that opens from disk."""
        from polylc.report.html.page import write_page

        write_page(self.page(), Path(path))

    @abstractmethod
    def page(self) -> Page:
        """What the report shows."""

    def _shown(self, table: str) -> str:
        """As a notebook shows it: one answer whole, of several the table."""
        from polylc.report.html.page import cell_of

        return cell_of(self.page(), (table if len(self) > 1 else "detail",))


class Distances(_Answers[Distance]):
    """The distances that one call found: a list of `Distance` and `Refusal`, in the order of the points.

    Attributes
    ----------
    network : Network
    rows : list of int
        The row of data that each is of.
    norm : str
    centers : dict
        The points, by their rows, in doubles.
    """

    def __init__(self, network: Network, norm: Norm, found: Iterable[tuple[int, Distance | Refusal]], centers: Mapping[int, Sequence[float]]) -> None:
        super().__init__(network, found)
        self.norm, self.centers = norm, dict(centers)

    def report(self) -> DistanceReport:
        """The report as a pydantic model, schema `polylc.distance/1`."""
        from polylc.report.distance import DistanceReport, PointReport, point_report
        from polylc.report.schema import network_info

        points = [
            PointReport(index=row, status="refused", reason=one.reason) if isinstance(one, Refusal) else point_report(row, one)
            for row, one in zip(self.rows, self, strict=True)
        ]
        return DistanceReport(norm=self.norm, network=network_info(self.network), points=points)

    def page(self) -> Page:
        """What the report shows."""
        from polylc.report.html.distance import distance_page

        return distance_page(self.report(), self.network.input_shape, self.centers)

    def _repr_html_(self) -> str:
        return self._shown("points")


class LipschitzRun(_Answers[LipschitzConstants]):
    """The constants that one call found: a list of `LipschitzConstants` and `Refusal`, in the order of the
    neighbourhoods.

    Attributes
    ----------
    network : Network
    rows : list of int
        The row of data that each is of.
    """

    def report(self) -> LipschitzReport:
        """The report as a pydantic model, schema `polylc.lipschitz/1`."""
        from polylc.report.lipschitz import LipschitzReport, NeighbourhoodReport, neighbourhood_report
        from polylc.report.schema import network_info

        found = [
            NeighbourhoodReport(index=row, status="refused", reason=one.reason) if isinstance(one, Refusal) else neighbourhood_report(row, one)
            for row, one in zip(self.rows, self, strict=True)
        ]
        return LipschitzReport(network=network_info(self.network), neighbourhoods=found)

    def page(self) -> Page:
        """What the report shows."""
        from polylc.report.html.lipschitz import lipschitz_page

        return lipschitz_page(self.report())

    def _repr_html_(self) -> str:
        return self._shown("constants")


def centers_of(tasks: Iterable[Any]) -> dict[int, list[float]]:
    """The centres of tasks, by their rows."""
    return {t.index: [float(v) for v in t.domain.center] for t in tasks if not isinstance(t, Refusal) and t.domain.center is not None}
