"""The results of one call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from polylc.exact.numbers import long_numbers
from polylc.network.form import Network
from polylc.report.export import data_frame, summary_rows, write_table
from polylc.report.files import written_beside
from polylc.report.record import Refusal
from polylc.report.result import Result
from polylc.report.schema import Report, build_report

if TYPE_CHECKING:
    from polylc.report.html.view import Page


class Run(Sequence[Result | Refusal]):
    """The results of one call, in the order of the neighbourhoods; refused rows are in their places.

    Attributes
    ----------
    network : Network
    interrupted : bool
        Whether the user stopped the run; results hold what was found until then.
    asked : int
        Number of neighbourhoods asked for; more than there are results if the run was stopped.
    seconds : float
    """

    def __init__(
        self, network: Network, results: list[Result | Refusal], seconds: float, interrupted: bool = False, asked: int | None = None
    ) -> None:
        self.network, self.seconds, self.interrupted = network, seconds, interrupted
        self.asked = len(results) if asked is None else asked
        self._results = results

    @overload
    def __getitem__(self, index: int) -> Result | Refusal: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Result | Refusal]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return self._results[index]

    def __len__(self) -> int:
        return len(self._results)

    def __repr__(self) -> str:
        if len(self) <= 3:
            return f"Run({self._results!r})"
        counts = Counter(str(entry.status) for entry in self)
        return f"Run({len(self)} neighbourhoods: {', '.join(f'{count} {status}' for status, count in counts.items())})"

    def _repr_html_(self) -> str:
        from polylc.report.html.certify import certify_cell

        return certify_cell(self.network, self._results, self.seconds)

    @property
    def results(self) -> list[Result]:
        """The results, without refused rows."""
        return [r for r in self._results if isinstance(r, Result)]

    @property
    def refused(self) -> list[Refusal]:
        """The refused rows."""
        return [r for r in self._results if isinstance(r, Refusal)]

    def to_frame(self) -> Any:
        """A pandas DataFrame with one row per neighbourhood: status, counts, measures, robustness.

        Raises
        ------
        UsageError
            If pandas is not installed (``pip install 'polylc[frame]'``).
        """
        return data_frame(summary_rows(self._results))

    def write_table(self, path: str | Path) -> None:
        """Write the columns of `to_frame` as .csv or .parquet.

        Raises
        ------
        UsageError
            If the ending is another, or pyarrow is not installed (``pip install 'polylc[parquet]'``).
        """
        with written_beside(Path(path)) as beside:
            write_table(beside, summary_rows(self._results))

    def write_report(self, path: str | Path, proof: str | Path | None = None, model: str | None = None) -> None:
        """Write a report to look at: one HTML file that opens from disk, with pictures of the regions that were kept.

        Parameters
        ----------
        path : path
        proof : path, optional
            The proof file that was written of this run; the report says what it covers.
        model : str, optional
            The model's file, for the command that checks the proof.
        """
        from polylc.report.html.page import write_page

        write_page(self.page(proof, model), Path(path))

    def page(self, proof: str | Path | None = None, model: str | None = None) -> Page:
        """What the report to look at shows."""
        from polylc.report.html.certify import certify_page

        return certify_page(self.network, self._results, self.seconds, None if proof is None else Path(proof), model or self.network.source)

    def report(self) -> Report:
        """The report as a pydantic model; ``report().model_dump_json()`` is the JSON file."""
        with long_numbers():
            return build_report(self.network, self._results, self.seconds)
