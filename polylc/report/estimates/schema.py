"""The JSON report of `polylc estimate`, schema `polylc.estimate/1`. Keys may be added, none of these renamed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import ConfigDict, Field

from polylc._version import __version__
from polylc.estimators.estimate import Estimate
from polylc.estimators.methods import Estimated
from polylc.estimators.study import Sampling
from polylc.measures.measure import FormModel, Pair
from polylc.network.form import Network
from polylc.report.record import Refusal
from polylc.report.schema import NetworkInfo, Place, network_info, place_of
from polylc.report.setting import Setting, setting


class EstimateRow(FormModel):
    """One estimated number; `interval` is a nominal 95 % interval around the estimator's own expectation, an end that
    is not known is null.
    """

    method: str
    target: str
    value: float
    standard_error: float | None
    interval: Pair
    samples: int
    bias: str
    assumptions: str
    parameters: dict[str, float | int | str]
    seconds: float


class SkippedRow(FormModel):
    """A method that does not apply, and why."""

    method: str
    reason: str


class EstimatedNeighbourhood(FormModel):
    """All estimates for one neighbourhood; of a refused row only the reason."""

    index: int
    status: Literal["estimated", "refused"]
    place: Place | None = None
    label: int | None = None
    estimates: list[EstimateRow] = Field(default_factory=list)
    skipped: list[SkippedRow] = Field(default_factory=list)
    reason: str | None = None
    seconds: float = 0.0


class MeanRow(FormModel):
    """The mean of an estimate over all numbers of its kind; `target` puts all margins, or all outputs, together."""

    method: str
    target: str
    numbers: int
    mean: float
    seconds: float


class EstimateReport(FormModel):
    """The whole report."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)

    format: Literal["polylc.estimate/1"] = Field(default="polylc.estimate/1", alias="schema")
    version: str
    setting: Setting | None = None
    network: NetworkInfo
    sampling: dict[str, float | int | str | None]
    neighbourhoods: list[EstimatedNeighbourhood]
    summary: list[MeanRow]
    seconds: float


def estimate_row(estimate: Estimate) -> EstimateRow:
    """One estimate."""
    return EstimateRow(
        method=estimate.method,
        target=estimate.target,
        value=estimate.value,
        standard_error=estimate.standard_error,
        interval=(estimate.lower, estimate.upper),
        samples=estimate.samples,
        bias=estimate.bias,
        assumptions=estimate.assumptions,
        parameters=estimate.parameters,
        seconds=round(estimate.seconds, 6),
    )


def _neighbourhood(entry: Estimated | Refusal) -> EstimatedNeighbourhood:
    if isinstance(entry, Refusal):
        return EstimatedNeighbourhood(index=entry.index, status="refused", reason=entry.reason)
    return EstimatedNeighbourhood(
        index=entry.index,
        status="estimated",
        place=Place(**place_of(entry.domain)),
        label=entry.label,
        estimates=[estimate_row(e) for e in entry.estimates],
        skipped=[SkippedRow(method=s.method, reason=s.reason) for s in entry.skipped],
        seconds=round(entry.seconds, 6),
    )


def family(target: str) -> str:
    """A target, with "margins" for every margin and "outputs" for every output: lipschitz.f3-f5.l2 is
    lipschitz.margins.l2.
    """
    words = target.split(".")
    if words[0] == "lipschitz" and words[1] != "jacobian":
        words[1] = "margins" if "-" in words[1] else "outputs"
    return ".".join(words)


def means(entries: Sequence[Estimated | Refusal]) -> list[MeanRow]:
    """Means by method and family of targets, in the order in which they appear."""
    groups: dict[tuple[str, str], list[Estimate]] = {}
    for entry in entries:
        if isinstance(entry, Estimated):
            for e in entry.estimates:
                groups.setdefault((e.method, family(e.target)), []).append(e)
    return [
        MeanRow(
            method=method,
            target=target,
            numbers=len(group),
            mean=sum(e.value for e in group) / len(group),
            seconds=round(sum(e.seconds for e in group), 6),
        )
        for (method, target), group in groups.items()
    ]


def build_estimate_report(network: Network, sampling: Sampling, entries: Sequence[Estimated | Refusal], seconds: float) -> EstimateReport:
    """The report of a run."""
    return EstimateReport(
        version=__version__,
        setting=setting(),
        network=network_info(network),
        sampling=sampling.as_dict(),
        neighbourhoods=[_neighbourhood(e) for e in entries],
        summary=means(entries),
        seconds=round(seconds, 6),
    )
