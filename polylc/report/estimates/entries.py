"""What one call of `estimate` or `compare` says, neighbourhood by neighbourhood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from polylc.estimators.methods import Estimated
from polylc.estimators.study import Sampling
from polylc.network.form import Network
from polylc.report.estimates.comparison import Compared, CompareReport, SummaryRow, build_compare_report, summarise
from polylc.report.estimates.schema import EstimateReport, build_estimate_report
from polylc.report.files import written_beside
from polylc.report.record import Refusal

if TYPE_CHECKING:
    from polylc.report.html.view import Page

Entry = TypeVar("Entry", Estimated, Compared)


@dataclass(frozen=True, repr=False)
class Entries(Sequence[Entry | Refusal], Generic[Entry]):
    """What one call says of each neighbourhood, in order; refused rows are in their places.

    Attributes
    ----------
    network : Network
    sampling : Sampling
    entries : list
    seconds : float
    asked : int
        Number of neighbourhoods asked for; more than there are entries if the user stopped the run.
    """

    network: Network
    sampling: Sampling
    entries: list[Entry | Refusal]
    seconds: float
    asked: int

    def __getitem__(self, index: Any) -> Any:
        return self.entries[index]

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        refused = f", {len(self.refused)} refused" if self.refused else ""
        return f"{type(self).__name__}({len(self)} neighbourhoods{refused}, {self.seconds:.2f} s)"

    @property
    def interrupted(self) -> bool:
        """Whether the user stopped the run; entries hold what was done until then."""
        return len(self.entries) < self.asked

    @property
    def refused(self) -> list[Refusal]:
        """The refused rows."""
        return [e for e in self.entries if isinstance(e, Refusal)]


class Estimates(Entries[Estimated]):
    """Estimates of one call: a sequence of `Estimated` and `Refusal`."""

    def report(self) -> EstimateReport:
        """The report as a pydantic model, schema `polylc.estimate/1`."""
        return build_estimate_report(self.network, self.sampling, self.entries, self.seconds)

    def page(self) -> Page:
        """What the report to look at shows."""
        from polylc.report.html.estimates import estimate_page

        return estimate_page(self.report())

    def write_report(self, path: str | Path) -> None:
        """Write a report to look at: one HTML file that opens from disk."""
        from polylc.report.html.page import write_page

        write_page(self.page(), Path(path))

    def _repr_html_(self) -> str:
        from polylc.report.html.page import cell_of

        return cell_of(self.page(), ("summary",))


class Comparison(Entries[Compared]):
    """Comparisons of one call: a sequence of `Compared` and `Refusal`."""

    @property
    def complete(self) -> bool:
        """Whether all neighbourhoods were enumerated completely."""
        return all(e.result.complete for e in self.entries if isinstance(e, Compared))

    def summary(self) -> list[SummaryRow]:
        """Bias, errors, coverage, correlation and cost of each method."""
        return summarise(self.entries)

    def report(self) -> CompareReport:
        """The report as a pydantic model, schema `polylc.compare/1`."""
        return build_compare_report(self.network, self.sampling, self.entries, self.seconds)

    def page(self) -> Page:
        """What the report to look at shows."""
        from polylc.report.html.estimates import compare_page

        return compare_page(self.report())

    def write_report(self, path: str | Path) -> None:
        """Write a report to look at: one HTML file that opens from disk."""
        from polylc.report.html.page import write_page

        write_page(self.page(), Path(path))

    def _repr_html_(self) -> str:
        from polylc.report.html.page import cell_of

        return cell_of(self.page(), ("methods",))

    def plot(self, path: Any = None) -> Any:
        """A matplotlib figure of estimates against the truth; saved to `path` if one is given."""
        from polylc.report.estimates.comparison_figure import comparison_figure

        drawn = comparison_figure(self.entries)
        if path is not None:
            with written_beside(Path(path)) as beside:
                drawn.savefig(beside, dpi=200, bbox_inches="tight")
        return drawn
