"""The results of one call."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, overload

from polylc.exact.numbers import long_numbers
from polylc.network.form import Network
from polylc.report.export import data_frame, summary_rows
from polylc.report.record import Refusal
from polylc.report.result import Result
from polylc.report.schema import Report, build_report


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
        return f"Run({self._results!r})"

    def _repr_html_(self) -> str:
        return "".join(r._repr_html_() for r in self.results) + "".join(f"<p>row {r.index} refused: {escape(r.reason)}</p>" for r in self.refused)

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

    def report(self) -> Report:
        """The report as a pydantic model; ``report().model_dump_json()`` is the JSON file."""
        with long_numbers():
            return build_report(self.network, self._results, self.seconds)
