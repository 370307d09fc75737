"""Truth beside estimates: the records, their statistics, and the JSON report of `polylc compare`, schema
`polylc.compare/1`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import ConfigDict, Field

from polylc._version import __version__
from polylc.estimators.estimate import Estimate
from polylc.estimators.methods import Skipped
from polylc.estimators.study import Sampling
from polylc.exact.quantity import Kind, Quantity
from polylc.measures.measure import FormModel, Number, Pair
from polylc.measures.registry import ROWS
from polylc.network.form import Network
from polylc.report.estimates.schema import EstimateRow, SkippedRow, estimate_row, family
from polylc.report.record import Record, Refusal
from polylc.report.schema import NetworkInfo, Place, network_info, place_of
from polylc.report.setting import Setting, setting
from polylc.report.status import Status

NARROW = 0.01  # the relative width up to which an enclosure is a truth that errors can be measured against


@dataclass(frozen=True)
class Truth:
    """What an estimate is held against.

    Attributes
    ----------
    quantity : Quantity
        Its kind says how far it may be trusted; of a partial enumeration it has a lower end only.
    meaning : str
        Where it comes from.
    standard_error : float
        0 unless the truth is itself an average over exact draws.
    """

    quantity: Quantity
    meaning: str
    standard_error: float = 0.0


@dataclass(frozen=True)
class Pairing:
    """An estimate beside the truth, if that is known."""

    estimate: Estimate
    truth: Truth | None

    @property
    def known(self) -> float | None:
        """The true value; None where there is none, only a bound, or an enclosure too wide to measure against."""
        q = None if self.truth is None else self.truth.quantity
        if q is None or q.upper is None:
            return None
        wide = q.kind is Kind.ENCLOSURE and not q.upper - q.lower <= NARROW * max(abs(q.lower), abs(q.upper))
        return None if wide else q.value

    @property
    def error(self) -> float | None:
        """Estimate minus truth."""
        return None if self.known is None else self.estimate.value - self.known

    @property
    def in_standard_errors(self) -> float | None:
        """The error in standard errors, those of an averaged truth included; None where there are none."""
        if self.error is None or self.truth is None or self.estimate.standard_error is None:
            return None
        spread = math.hypot(self.estimate.standard_error, self.truth.standard_error)
        return self.error / spread if spread > 0 else None

    @property
    def covered(self) -> bool | None:
        """Whether the interval contains the truth; None where either is missing, or the truth has an error of its
        own.
        """
        e = self.estimate
        if self.known is None or self.truth is None or self.truth.standard_error or (e.lower is None and e.upper is None):
            return None
        slack = 1e-9 * abs(self.known)  # float truths are rounded
        return (e.lower is None or e.lower <= self.known + slack) and (e.upper is None or self.known <= e.upper + slack)


@dataclass(frozen=True, repr=False)
class Compared:
    """One neighbourhood: the exact result, and the estimates beside it."""

    result: Record
    pairings: list[Pairing]
    skipped: list[Skipped]
    draw_seconds: float

    def __repr__(self) -> str:
        return f"Compared({self.result!r}, {len(self.pairings)} estimates, {len(self.skipped)} skipped)"


def truths(record: Record) -> dict[str, Truth]:
    """What `certify` says of a neighbourhood, by the targets of estimates."""
    found: dict[str, Number] = {}
    if record.regions is not None:  # else searches answered
        count = float(record.regions)
        kind = Kind.EXACT if record.status is Status.CERTIFIED else Kind.FLOAT
        found["regions"] = Quantity(count, count if record.complete else None, kind)
    for row in ROWS:
        value = record.answers.value(row.name)
        if value is not None:
            found |= row.numbers(value)
    known = {name: v for name, v in found.items() if isinstance(v, Quantity) and v.kind is not Kind.ESTIMATE}
    return {name: Truth(value, str(record.status)) for name, value in known.items()}


class TruthRow(FormModel):
    """The truth: its interval, how far to trust it, and where it comes from."""

    value: Pair
    kind: Literal["exact", "enclosure", "estimate", "float"]
    meaning: str
    standard_error: float


class PairingRow(FormModel):
    """An estimate beside the truth."""

    estimate: EstimateRow
    truth: TruthRow | None
    error: float | None
    in_standard_errors: float | None
    covered: bool | None


class ComparedNeighbourhood(FormModel):
    """One neighbourhood; of a refused row only the reason."""

    index: int
    status: Status
    place: Place | None = None
    label: int | None = None
    regions: int | None = None
    comparisons: list[PairingRow] = Field(default_factory=list)
    skipped: list[SkippedRow] = Field(default_factory=list)
    reason: str | None = None
    exact_seconds: float = 0.0
    draw_seconds: float = 0.0


class SummaryRow(FormModel):
    """A method over all numbers of a kind, those with a known truth if there are any; `target` puts all margins, or all
    outputs, together.

    `bias` is the mean of estimate minus truth, `relative_bias` that over the mean truth; `rms_standard_errors` the root
    mean square of errors in standard errors (1 for an unbiased estimator with honest errors); `coverage` the share of
    intervals that contain the truth; `correlation` Pearson's with the truth; `seconds` the mean cost of the
    computation, which methods of one family share.
    """

    method: str
    target: str
    numbers: int
    mean: float
    mean_truth: float | None
    bias: float | None
    relative_bias: float | None
    rms_standard_errors: float | None
    coverage: float | None
    correlation: float | None
    seconds: float


class CompareReport(FormModel):
    """The whole report."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)

    format: Literal["polylc.compare/1"] = Field(default="polylc.compare/1", alias="schema")
    version: str
    setting: Setting | None = None
    network: NetworkInfo
    sampling: dict[str, float | int | str | None]
    neighbourhoods: list[ComparedNeighbourhood]
    summary: list[SummaryRow]
    exact_seconds: float
    seconds: float


def _finite(values: Sequence[float | None]) -> list[float]:
    return [v for v in values if v is not None and math.isfinite(v)]


def _mean(values: Sequence[float | None]) -> float | None:
    kept = _finite(values)
    return math.fsum(kept) / len(kept) if kept else None


def correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Pearson's correlation; None for fewer than three pairs or a constant side."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if len(a) < 3:
        return None
    a, b = a - a.mean(), b - b.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size > 1e-12 * len(a) * (np.abs(first).max() * np.abs(second).max() + 1e-300) else None


def summarise(entries: Sequence[Compared | Refusal]) -> list[SummaryRow]:
    """Statistics by method and family of targets, in the order in which they appear."""
    groups: dict[tuple[str, str], list[Pairing]] = {}
    for entry in entries:
        if isinstance(entry, Compared):
            for pairing in entry.pairings:
                groups.setdefault((pairing.estimate.method, family(pairing.estimate.target)), []).append(pairing)
    return [_summary(method, target, group) for (method, target), group in groups.items()]


def _summary(method: str, target: str, group: list[Pairing]) -> SummaryRow:
    known = [(p, p.known) for p in group if p.known is not None]
    shown = [p.estimate.value for p, _ in known] or [p.estimate.value for p in group]
    bias, mean_truth = _mean([p.error for p, _ in known]), _mean([v for _, v in known])
    squares = _mean([z**2 for p, _ in known if (z := p.in_standard_errors) is not None])
    covered = [c for p, _ in known if (c := p.covered) is not None]
    return SummaryRow(
        method=method,
        target=target,
        numbers=len(shown),
        mean=math.fsum(shown) / len(shown),
        mean_truth=mean_truth,
        bias=bias,
        relative_bias=bias / abs(mean_truth) if bias is not None and mean_truth else None,
        rms_standard_errors=None if squares is None else math.sqrt(squares),
        coverage=sum(covered) / len(covered) if covered else None,
        correlation=correlation(shown, [v for _, v in known]) if known else None,
        seconds=math.fsum(p.estimate.seconds for p in group) / len(group),
    )


def _truth_row(truth: Truth) -> TruthRow:
    known = truth.quantity
    return TruthRow(value=(known.lower, known.upper), kind=known.kind.value, meaning=truth.meaning, standard_error=truth.standard_error)


def _pairing_row(pairing: Pairing) -> PairingRow:
    return PairingRow(
        estimate=estimate_row(pairing.estimate),
        truth=None if pairing.truth is None else _truth_row(pairing.truth),
        error=pairing.error,
        in_standard_errors=pairing.in_standard_errors,
        covered=pairing.covered,
    )


def _neighbourhood(entry: Compared | Refusal) -> ComparedNeighbourhood:
    if isinstance(entry, Refusal):
        return ComparedNeighbourhood(index=entry.index, status=entry.status, reason=entry.reason)
    result = entry.result
    return ComparedNeighbourhood(
        index=result.index,
        status=result.status,
        place=Place(**place_of(result.domain)),
        label=result.label,
        regions=result.regions,
        comparisons=[_pairing_row(p) for p in entry.pairings],
        skipped=[SkippedRow(method=s.method, reason=s.reason) for s in entry.skipped],
        exact_seconds=round(result.seconds, 6),
        draw_seconds=round(entry.draw_seconds, 6),
    )


def build_compare_report(network: Network, sampling: Sampling, entries: Sequence[Compared | Refusal], seconds: float) -> CompareReport:
    """The report of a run."""
    return CompareReport(
        version=__version__,
        setting=setting(),
        network=network_info(network),
        sampling=sampling.as_dict(),
        neighbourhoods=[_neighbourhood(e) for e in entries],
        summary=summarise(entries),
        exact_seconds=round(math.fsum(e.result.seconds for e in entries if isinstance(e, Compared)), 6),
        seconds=round(seconds, 6),
    )
