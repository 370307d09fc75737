"""The JSON report, schema `polylc.report/1`: what is fixed here, and one or more keys for each measure of the registry.

Keys may be added, none renamed.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, create_model

from polylc._version import __version__
from polylc.complex.along import Breakpoints
from polylc.domains.box import as_box
from polylc.domains.domain import Domain
from polylc.domains.frame import Frame
from polylc.measures.measure import FormModel, Pair, Shown, mean, pair
from polylc.measures.registry import ROWS
from polylc.network.form import Network
from polylc.report.record import Record, Refusal
from polylc.report.setting import Setting, setting
from polylc.report.status import Status


class NetworkInfo(FormModel):
    """The network as it was read."""

    source: str
    sha256: str
    weights_sha256: str
    inputs: int
    outputs: int
    neurons: list[int]
    rewrites: list[str]


class FrameInfo(FormModel):
    """A plane or a line: x = origin + s_1 d_1 + ..., low <= s <= high, with orthogonal directions d_j; and the inputs
    that it was laid through.
    """

    origin: list[float]
    directions: list[list[float]]
    low: list[float]
    high: list[float]
    points: list[list[float]]


class BreakpointInfo(FormModel):
    """A place on a line, x = origin + s d_1, where the pattern changes, or an end; `exact` is s itself."""

    s: float
    exact: str
    outputs: list[float]


class ClassInfo(FormModel):
    """An interval of s on which one output is the largest; `exact` has its two ends."""

    low: float
    high: float
    exact: tuple[str, str]
    label: int


class LineInfo(FormModel):
    """What a network does along a line: between two breakpoints all outputs are affine."""

    breakpoints: list[BreakpointInfo]
    classes: list[ClassInfo]


class Place(FormModel):
    """Where a neighbourhood is: a ball around a centre, a box, or a plane or line."""

    center: list[float] | None = None
    norm: Literal["linf", "l2", "l1"] | None = None
    radius: float | list[float] | None = None
    lower: list[float] | None = None
    upper: list[float] | None = None
    frame: FrameInfo | None = None


class _Neighbourhood(Place):
    """Answers for one neighbourhood; for a refused row all but index, status and notes are null."""

    index: int
    status: Status
    engine: str | None = None
    regions: int | None = None
    volume: Pair | None = None
    line: LineInfo | None = None
    notes: dict[str, str]
    seconds: float = 0.0


class _Summary(FormModel):
    """Over all neighbourhoods of the run. Means are over those that have the value."""

    neighbourhoods: int
    certified: int
    enumerated: int
    partial: int
    refused: int
    mean_regions: float | None
    seconds: float


def _with_measures(base: type[FormModel], name: str, keys: Sequence[Any]) -> Any:
    fields: dict[str, Any] = {key.name: (key.type | None, None) for key in keys}
    return create_model(name, __base__=base, __doc__=base.__doc__, **fields)


if TYPE_CHECKING:  # what the registry adds is not known to a type checker
    NeighbourhoodReport: TypeAlias = _Neighbourhood
    Summary: TypeAlias = _Summary
else:
    NeighbourhoodReport = _with_measures(_Neighbourhood, "NeighbourhoodReport", [f for row in ROWS for f in row.fields])
    Summary = _with_measures(_Summary, "Summary", [f for row in ROWS for f in row.summary])


class Report(BaseModel):
    """The whole report."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)

    format: Literal["polylc.report/1"] = Field(default="polylc.report/1", alias="schema")
    version: str
    setting: Setting | None = None
    network: NetworkInfo
    neighbourhoods: list[NeighbourhoodReport]
    summary: Summary


def _floats(values: Sequence[Fraction]) -> list[float]:
    return [float(v) for v in values]


def network_info(network: Network) -> NetworkInfo:
    """The network as it was read."""
    return NetworkInfo(
        source=network.source,
        sha256=network.sha256,
        weights_sha256=network.weights_sha256,
        inputs=network.inputs,
        outputs=network.outputs,
        neurons=list(network.widths),
        rewrites=list(network.log),
    )


def place_of(domain: Domain) -> dict[str, Any]:
    """The fields of a `Place`, in floats."""
    if isinstance(domain, Frame):
        return {
            "frame": FrameInfo(
                origin=_floats(domain.origin),
                directions=[_floats(d) for d in domain.directions],
                low=_floats(domain.low),
                high=_floats(domain.high),
                points=[_floats(point) for point in domain.marks],
            )
        }
    domain = as_box(domain, "report")
    radius: float | list[float] | None = None
    if domain.radius is not None:
        radius = float(domain.radius[0]) if len(domain.radius) == 1 else _floats(domain.radius)
    return {
        "center": None if domain.center is None else _floats(domain.center),
        "norm": None if domain.center is None else domain.norm,
        "radius": radius,
        "lower": _floats(domain.lower),
        "upper": _floats(domain.upper),
    }


def _line(found: Breakpoints | None) -> LineInfo | None:
    if found is None:
        return None
    at = zip(found.at, found.outputs, strict=True)
    classes = [ClassInfo(low=float(a), high=float(b), exact=(str(a), str(b)), label=label) for a, b, label in found.classes]
    return LineInfo(breakpoints=[BreakpointInfo(s=float(s), exact=str(s), outputs=_floats(values)) for s, values in at], classes=classes)


def neighbourhood_report(record: Record | Refusal) -> Any:
    """The report entry of one neighbourhood."""
    if isinstance(record, Refusal):
        return NeighbourhoodReport(index=record.index, status=record.status, notes={"refused": record.reason})
    values = [(key, record.answers.value(row.name)) for row in ROWS for key in row.fields]
    return NeighbourhoodReport(
        index=record.index,
        **place_of(record.domain),
        status=record.status,
        engine=record.engine,
        regions=record.regions,
        volume=pair(record.volume),
        line=_line(record.line),
        **{key.name: None if value is None else key.make(value) for key, value in values},
        notes=record.notes,
        seconds=round(record.seconds, 6),
    )


def shown(name: str, records: Sequence[Record]) -> list[Shown[Any]]:
    """The values of one measure, of all neighbourhoods that have one."""
    found = [(record.answers.value(name), record.complete) for record in records]
    return [Shown(value, complete) for value, complete in found if value is not None]


def build_report(network: Network, records: Sequence[Record | Refusal], seconds: float) -> Report:
    """The report of a run."""
    answered = [r for r in records if isinstance(r, Record)]
    count = {status.value: sum(r.status is status for r in records) for status in Status}
    over_all = {row.name: shown(row.name, answered) for row in ROWS}
    return Report(
        version=__version__,
        setting=setting(),
        network=network_info(network),
        neighbourhoods=[neighbourhood_report(r) for r in records],
        summary=Summary(
            neighbourhoods=len(records),
            **count,
            mean_regions=mean(float(r.regions) for r in answered if r.complete and r.regions is not None),
            **{key.name: key.make(over_all[row.name]) for row in ROWS for key in row.summary},
            seconds=round(seconds, 6),
        ),
    )
