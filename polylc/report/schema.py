"""The JSON report, schema `polylc.report/1` (docs/quickstart.md). Keys may be added, none of these renamed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from polylc._version import __version__
from polylc.exact.enclose import enclose
from polylc.exact.quantity import Kind, Quantity
from polylc.measures.gradient.lipschitz import Lipschitz
from polylc.measures.inequalities import Inequality
from polylc.network.form import Network
from polylc.report.result import Answers, Refusal, Result

Pair = tuple[float | None, float | None]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NetworkInfo(_Model):
    """The network as it was read."""

    source: str
    sha256: str
    weights_sha256: str
    inputs: int
    outputs: int
    neurons: list[int]
    rewrites: list[str]


class LocalComplexity(_Model):
    """LC_0 in its versions, and LC^dec by noise level; `function` is null where lines estimate the others."""

    activation: Pair
    activation_set: Pair
    open: Pair
    function: Pair | None = None
    sigma: dict[str, Pair] | None = None


class TotalVariation(_Model):
    """Mean norm of the Jacobian, and of the gradient of each margin fy-fj by name (l2)."""

    frobenius: Pair
    operator: Pair
    margins: dict[str, Pair] | None = None


class LocalRankRow(_Model):
    """Rank of one layer's Jacobian."""

    layer: int
    min: int
    max: int
    mean: Pair | None


class LipschitzRow(_Model):
    """One Lipschitz constant; `exact` is the rational itself, for l2 "sqrt(p/q)", where it is known exactly."""

    target: str
    norm: Literal["linf", "l2", "l1"]
    value: Pair
    exact: str | None = None


class RobustnessRow(_Model):
    """Whether the label is constant, and the nearest adversarial point."""

    label: int
    robust: bool | None
    distance: Pair | None
    distance_exact: str | None = None
    adversarial: list[float] | None
    adversarial_exact: list[str] | None


class Bound(_Model):
    """An inequality with both sides; `holds` is null where the enclosures do not decide it."""

    name: str
    statement: str
    left: Pair
    right: Pair
    holds: bool | None


class NeighbourhoodReport(_Model):
    """Answers for one neighbourhood; for a refused row all but index, status and notes are null."""

    index: int
    center: list[float] | None = None
    norm: Literal["linf", "l2", "l1"] | None = None
    radius: float | list[float] | None = None
    lower: list[float] | None = None
    upper: list[float] | None = None
    status: Literal["certified", "enumerated", "partial", "refused"]
    engine: str | None = None
    regions: int | None = None
    pieces: int | None = None
    affine_functions: int | None = None
    adjacencies: int | None = None
    volume: Pair | None = None
    local_complexity: LocalComplexity | None = None
    kink_variation: Pair | None = None
    total_variation: TotalVariation | None = None
    local_rank: list[LocalRankRow] | None = None
    lipschitz: list[LipschitzRow] | None = None
    robustness: RobustnessRow | None = None
    bounds: list[Bound] | None = None
    notes: dict[str, str]
    seconds: float = 0.0


class Summary(_Model):
    """Over all neighbourhoods of the run. Means are over those that have the value."""

    neighbourhoods: int
    certified: int
    enumerated: int
    partial: int
    refused: int
    robust: int
    not_robust: int
    mean_regions: float | None
    mean_local_complexity: float | None
    mean_local_complexity_sigma: dict[str, Pair] | None = None
    mean_total_variation: float | None
    mean_lipschitz_jacobian_l2: float | None
    smallest_distance: float | None
    seconds: float


class Report(_Model):
    """The whole report."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)

    format: Literal["polylc.report/1"] = Field(default="polylc.report/1", alias="schema")
    version: str
    network: NetworkInfo
    neighbourhoods: list[NeighbourhoodReport]
    summary: Summary


def _pair(value: Quantity | None) -> Pair | None:
    return None if value is None else (value.lower, value.upper)


def _floats(values: Sequence[Fraction]) -> list[float]:
    return [float(v) for v in values]


def robustness_row(result: Result) -> RobustnessRow | None:
    """The robustness entry of a result."""
    found = result.answers.robustness
    if found is None:
        return None
    robust: bool | None = found.robust
    if found.robust and not result.complete:
        robust = None
    return RobustnessRow(
        label=found.label,
        robust=robust,
        distance=_pair(distance_quantity(result)),
        distance_exact=str(found.exact_distance) if found.exact_distance is not None and result.complete else None,
        adversarial=None if found.adversarial is None else found.adversarial.tolist(),
        adversarial_exact=None if found.exact_point is None else [str(v) for v in found.exact_point],
    )


def distance_quantity(result: Result) -> Quantity | None:
    """What is known of the distance to the nearest adversarial point; None for a box, and where nothing is known.

    A robust ball has at least its radius; of a search that was stopped only an adversarial point that it met gives a bound.
    """
    found, domain = result.answers.robustness, result.domain
    if found is None or domain.center is None or domain.radius is None:
        return None
    if found.robust:
        if not result.complete:
            return None
        least, _ = enclose(min(r for r in domain.radius if r > 0))
        return Quantity(least, None, Kind.EXACT if result.status == "certified" else Kind.FLOAT)
    known = found.distance_quantity
    if known is None or result.complete:
        return known
    return Quantity(0.0, known.upper, known.kind)


def neighbourhood_report(result: Result | Refusal) -> NeighbourhoodReport:
    """The report entry of one result."""
    if isinstance(result, Refusal):
        return NeighbourhoodReport(index=result.index, status="refused", notes={"refused": result.reason})
    domain, answers = result.domain, result.answers
    radius: float | list[float] | None = None
    if domain.radius is not None:
        radius = float(domain.radius[0]) if len(domain.radius) == 1 else _floats(domain.radius)
    variation = answers.total_variation
    return NeighbourhoodReport(
        index=result.index,
        center=None if domain.center is None else _floats(domain.center),
        norm=domain.norm if domain.center is not None else None,  # type: ignore[arg-type]
        radius=radius,
        lower=_floats(domain.lower),
        upper=_floats(domain.upper),
        status=result.status,  # type: ignore[arg-type]
        engine=result.engine,
        regions=result.regions,
        pieces=answers.pieces,
        affine_functions=answers.affine_functions,
        adjacencies=answers.adjacencies,
        volume=_pair(result.volume),
        local_complexity=_local_complexity(answers),
        kink_variation=_pair(answers.kink_variation),
        total_variation=None if variation is None else _total_variation(variation),
        local_rank=None
        if answers.local_rank is None
        else [LocalRankRow(layer=r.layer, min=r.least, max=r.most, mean=_pair(r.mean)) for r in answers.local_rank],
        lipschitz=None if answers.lipschitz is None else [_lipschitz_row(c) for c in answers.lipschitz],
        robustness=robustness_row(result),
        bounds=None if answers.bounds is None else [_bound(b) for b in answers.bounds],
        notes=result.notes,
        seconds=round(result.seconds, 6),
    )


def _local_complexity(answers: Answers) -> LocalComplexity | None:
    values, noisy = answers.local_complexity, answers.noisy_complexity
    if values is None:
        return None  # LC^dec that only inequalities needed is in those
    sigma = None if noisy is None else {name: (v.lower, v.upper) for name, v in noisy.items()}
    return LocalComplexity(**{k: _pair(v) for k, v in values.items()}, sigma=sigma)  # type: ignore[arg-type]


def _total_variation(values: dict[str, Quantity]) -> TotalVariation:
    margins: dict[str, Pair] = {k: (v.lower, v.upper) for k, v in values.items() if k not in ("frobenius", "operator")}
    norms = {k: (v.lower, v.upper) for k, v in values.items() if k in ("frobenius", "operator")}
    return TotalVariation(**norms, margins=margins or None)


def _bound(found: Inequality) -> Bound:
    left, right = (found.left.lower, found.left.upper), (found.right.lower, found.right.upper)
    return Bound(name=found.name, statement=found.statement, left=left, right=right, holds=found.holds)


def _lipschitz_row(constant: Lipschitz) -> LipschitzRow:
    value = constant.quantity.lower, constant.quantity.upper
    return LipschitzRow(target=constant.target, norm=constant.norm, value=value, exact=_closed_form(constant))  # type: ignore[arg-type]


def _closed_form(constant: Lipschitz) -> str | None:
    if constant.lower is None or constant.lower != constant.upper:
        return None
    return f"sqrt({constant.lower})" if constant.power == 2 else str(constant.lower)


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _middle(pair: Pair) -> float:
    """The middle of an interval: near the lower end of a tight enclosure, the value of an estimate."""
    low, high = pair[0] or 0.0, pair[1]
    return low if high is None else 0.5 * (low + high)


def _mean_sigma(entries: list[NeighbourhoodReport]) -> dict[str, Pair] | None:
    """Means of LC^dec over neighbourhoods, by sigma, rounded outward."""
    values: dict[str, list[Pair]] = {}
    for entry in entries:
        for name, pair in ((entry.local_complexity and entry.local_complexity.sigma) or {}).items():
            values.setdefault(name, []).append(pair)
    result: dict[str, Pair] = {}
    for name, pairs in values.items():
        low, high = (math.fsum(p[end] or 0.0 for p in pairs) / len(pairs) for end in (0, 1))
        result[name] = (math.nextafter(low, 0.0), math.nextafter(high, math.inf)) if low != high else (low, high)
    return result or None


def build_report(network: Network, results: Sequence[Result | Refusal], seconds: float) -> Report:
    """The report of a run."""
    entries = [neighbourhood_report(r) for r in results]
    done = [e for e in entries if e.status in ("certified", "enumerated")]
    answers = [e.robustness for e in entries if e.robustness is not None]
    distances = [a.distance[0] for a in answers if a.robust is False and a.distance is not None and a.distance[0] is not None]
    jacobian = [row.value[0] for e in done for row in e.lipschitz or [] if row.target == "jacobian" and row.norm == "l2"]
    count = {status: sum(e.status == status for e in entries) for status in ("certified", "enumerated", "partial", "refused")}
    return Report(
        version=__version__,
        network=NetworkInfo(
            source=network.source,
            sha256=network.sha256,
            weights_sha256=network.weights_sha256,
            inputs=network.inputs,
            outputs=network.outputs,
            neurons=list(network.widths),
            rewrites=list(network.log),
        ),
        neighbourhoods=entries,
        summary=Summary(
            neighbourhoods=len(entries),
            **count,
            robust=sum(a.robust is True for a in answers),
            not_robust=sum(a.robust is False for a in answers),
            mean_regions=_mean([float(e.regions) for e in done if e.regions is not None]),
            mean_local_complexity=_mean([_middle(e.local_complexity.activation) for e in done if e.local_complexity]),
            mean_local_complexity_sigma=_mean_sigma(done),
            mean_total_variation=_mean([_middle(e.total_variation.frobenius) for e in done if e.total_variation]),
            mean_lipschitz_jacobian_l2=_mean([v for v in jacobian if v is not None]),
            smallest_distance=min(distances, default=None),
            seconds=round(seconds, 6),
        ),
    )
