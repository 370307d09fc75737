"""What is known of a distance; on screen, and as a JSON report, schema `polylc.distance/1`. Keys may be added."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from polylc._version import __version__
from polylc.domains.within import Norm
from polylc.exact.numbers import long_numbers
from polylc.exact.quantity import downward, upward
from polylc.measures.margin.distance import Distance
from polylc.report.schema import NetworkInfo
from polylc.report.setting import Setting, setting


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)


class PointReport(_Model):
    """What is known of one point. `status` is exact (the distance is `lower` and `upper`), robust (farther than the
    cap), or open (between `lower`, proved, and `upper`, attained, if that is known); of a refused row there is only the
    reason.
    """

    index: int
    status: Literal["exact", "robust", "open", "refused"]
    reason: str | None = None
    label: int | None = None
    target: int | None = None
    rival: int | None = None
    cap: str | None = None
    lower: float | None = Field(default=None, description="rounded down")
    lower_exact: str | None = None
    lower_square: str | None = Field(default=None, description="in l2, in place of lower_exact")
    upper: float | None = Field(default=None, description="rounded up")
    upper_exact: str | None = None
    upper_square: str | None = Field(default=None, description="in l2, in place of upper_exact")
    adversarial: list[float] | None = None
    adversarial_exact: list[str] | None = None
    proof: str | None = None
    seconds: float = 0.0
    statistics: dict[str, float] = {}


class DistanceReport(_Model):
    """All points of a run."""

    format: Literal["polylc.distance/1"] = Field(default="polylc.distance/1", alias="schema")
    version: str = __version__
    setting: Setting | None = Field(default_factory=setting)
    norm: Norm = "linf"
    network: NetworkInfo
    points: list[PointReport]


def status_of(found: Distance) -> Literal["exact", "robust", "open"]:
    """exact, robust or open."""
    return "exact" if found.exact else "robust" if found.robust else "open"


def point_report(index: int, found: Distance) -> PointReport:
    """The answer for a point, as data."""

    def text(value: Fraction | None) -> str | None:
        return None if value is None else str(value)

    square = found.norm == "l2"
    low, high = found.ends
    with long_numbers():
        return PointReport(
            index=index,
            status=status_of(found),
            label=found.label,
            target=found.target,
            rival=found.rival,
            cap=text(found.cap),
            lower=low,
            lower_exact=None if square else text(found.lower),
            lower_square=text(found.lower) if square else None,
            upper=high,
            upper_exact=None if square else text(found.upper),
            upper_square=text(found.upper) if square else None,
            adversarial=None if found.point is None else [float(v) for v in found.point],
            adversarial_exact=None if found.point is None else [str(v) for v in found.point],
            proof=found.proof,
            seconds=found.seconds,
            statistics=found.statistics,
        )


def distance_line(index: int, found: Distance) -> str:
    """The answer for a point, in a line."""
    low, high = found.ends
    if found.exact:
        near = math.sqrt(found.lower) if found.norm == "l2" else float(found.lower)
        what = f"distance {near:.12g}, to class {found.rival}"
    elif found.robust:
        what = f"no adversarial point within {float(found.cap):.6g}"
    elif high is None:
        what = f"distance > {downward(low, 12)}, no adversarial point known"
    else:
        what = f"distance in [{downward(low, 12)}, {upward(high, 12)}], to class {found.rival}"
    return f"row {index}  class {found.label}  {what}  ({status_of(found)}, {found.seconds:.1f} s)"
