"""A measure as one row: what it needs, how it is computed in each arithmetic, and what it looks like wherever it is
shown.

To add a measure, write a file like `kink_variation.py` with one `Measure`, and name it in `registry.py`.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

from polylc.exact.quantity import Kind, Quantity, floating
from polylc.measures.answers import NOT_COMPLETE, Answer, missing
from polylc.measures.scene import Scene

if TYPE_CHECKING:
    from polylc.measures.by_volume.in_cut_balls import InCutBall
    from polylc.measures.by_volume.many_dimensions import ManyDimensions

T = TypeVar("T")

Pair = tuple[float | None, float | None]
Number = Quantity | int | bool | None


class Need(enum.Enum):
    """What has to be there before a measure can be computed."""

    GRAPH = "the region graph"
    VOLUMES = "volumes of the regions"
    CLASS = "a class to keep: several outputs, and a label or a centre"


class Cost(enum.Enum):
    """What a measure costs beside the enumeration."""

    LOW = "no more than the enumeration"
    FEW_TIMES = "a few times the enumeration"
    HIGH = "possibly much more than the enumeration"
    BY_NAME = "so much more that it is computed only where it is named"


class FormModel(BaseModel):
    """A part of the JSON report; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")


class Field(NamedTuple):
    """One key of a neighbourhood in the JSON report, null where the measure has no value."""

    name: str
    type: Any
    make: Callable[[Any], Any]


class SummaryField(NamedTuple):
    """One key of the summary in the JSON report; `make` takes the values of all neighbourhoods that have one."""

    name: str
    type: Any
    make: Callable[[Sequence[Shown[Any]]], Any]


class Shown(NamedTuple, Generic[T]):
    """A value, and whether its neighbourhood was enumerated completely."""

    value: T
    complete: bool


@dataclass(frozen=True)
class Block:
    """A table of its own, shown below the rows of a neighbourhood.

    Attributes
    ----------
    title : str
    columns : tuple of (str, bool)
        Heading, and whether the column holds numbers.
    rows : sequence of tuple of str
    """

    title: str
    columns: tuple[tuple[str, bool], ...]
    rows: Sequence[tuple[str, ...]]


class Instead(NamedTuple):
    """What stands for a measure that is out of reach: the estimator to run, and which of its estimates to take."""

    run: str
    method: str
    target: str


def unknown(_: Scene) -> Answer[Any]:
    """Of an enumeration that is not complete, nothing."""
    return missing(NOT_COMPLETE)


def unweighed(scene: Scene) -> Answer[Any]:
    """Where volumes are not measured, nothing."""
    return missing(str(scene.out_of_reach))


def in_ball(scene: Scene, measured: Callable[[ManyDimensions | InCutBall], dict[str, Quantity]]) -> Answer[dict[str, Quantity]]:
    """What is measured by area and volume in an l2 ball: enclosed where no box cuts it, else estimated; nothing in
    others.
    """
    from polylc.measures.by_volume import in_cut_balls, in_l2_balls

    if scene.beyond_doubles is not None:
        return unweighed(scene)
    if scene.many is not None:
        found = measured(scene.many)
        how = in_l2_balls.how(found.values())
    elif scene.cut_ball is not None:
        if scene.cut_ball.reason is not None:
            return missing(scene.cut_ball.reason)
        found, how = measured(scene.cut_ball), in_cut_balls.HOW
    else:
        return unweighed(scene)
    return Answer({name: unless_proved(value, scene) for name, value in found.items()}, how)


def _nothing(_: Any) -> list[Any]:
    return []


def _everything(_: str) -> bool:
    return True


@dataclass(frozen=True)
class Measure(Generic[T]):
    """One measure.

    Attributes
    ----------
    name : str
        In `--measures`, in reports, and of the answer.
    about : str
        One line for help and docs.
    cost : Cost
    needs : frozenset of Need
        Volumes are needed by `exact` and `floating`; where they are out of reach `sampled` is called.
    exact, floating : callable
        From a complete scene to an answer: of regions that are proved, and of regions in floating point.
    sampled : callable, optional
        The same where volumes are out of reach; without it there is no value then.
    unmeasured : callable
        What holds of the regions of l1 and l2 balls where their volumes are out of reach.
    partial : callable
        What holds whatever else there is, of an enumeration that was stopped.
    found : callable, optional
        The answer from what a search found, where no enumeration was needed or it was not finished, and the scene.
    attributes : mapping
        The attributes of a result under which parts of the value are read, with the functions that read them.
    fields : tuple of Field
        Keys of a neighbourhood in the JSON report.
    summary : tuple of SummaryField
        Keys of the report's summary.
    numbers : callable
        The value as numbers by dotted names: what `compare` holds estimates against, `track` and `to_frame` put in
        columns.
    frame : tuple of str
        The numbers that have a column in `Run.to_frame`, whether they are there or not.
    tracked : callable
        Whether a number has a column in `track`.
    lines : callable
        Rows (name, text) in the table of one neighbourhood.
    block : callable, optional
        A table of its own below them.
    cells : callable
        Cells by column in the table of many neighbourhoods.
    left : frozenset of str
        The columns that are aligned to the left.
    totals : callable
        Parts of the line of totals over many neighbourhoods.
    footer : callable
        Lines below it.
    instead : Instead, optional
        The estimator that stands for it in `track`.
    """

    name: str
    about: str
    cost: Cost
    exact: Callable[[Scene], Answer[T]]
    floating: Callable[[Scene], Answer[T]]
    attributes: Mapping[str, Callable[[T], Any]]
    fields: tuple[Field, ...]
    lines: Callable[[T], list[tuple[str, str]]]
    needs: frozenset[Need] = frozenset()
    sampled: Callable[[Scene], Answer[T]] | None = None
    unmeasured: Callable[[Scene], Answer[T]] = unweighed
    partial: Callable[[Scene], Answer[T]] = unknown
    found: Callable[[Any, Scene], Answer[T]] | None = None
    summary: tuple[SummaryField, ...] = ()
    numbers: Callable[[T], dict[str, Number]] = field(default=lambda _: {})
    frame: tuple[str, ...] = ()
    tracked: Callable[[str], bool] = _everything
    block: Callable[[T], Block | None] = field(default=lambda _: None)
    cells: Callable[[T], dict[str, str]] = field(default=lambda _: {})
    left: frozenset[str] = frozenset()
    totals: Callable[[Sequence[Shown[T]]], list[str]] = _nothing
    footer: Callable[[Sequence[T]], list[str]] = _nothing
    instead: Instead | None = None


def pair(value: Quantity | None) -> Pair | None:
    """The two ends of a quantity, the form of the JSON report."""
    return None if value is None else (value.lower, value.upper)


def middle(value: Pair) -> float:
    """The middle of an interval: near the lower end of a tight enclosure, the value of an estimate."""
    low, high = value[0] or 0.0, value[1]
    return low if high is None else 0.5 * (low + high)


def mean(values: Iterable[float]) -> float | None:
    """The mean of numbers; None of none."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else None


def mean_text(name: str, values: Sequence[Quantity]) -> list[str]:
    """A mean for the line of totals, marked as the least certain of its terms."""
    return [f"mean {name} {mean_quantity(values).show(6)}"] if values else []


def mean_quantity(values: Sequence[Quantity]) -> Quantity:
    """The mean of quantities, of the kind of the least certain: of enclosures an enclosure, rounded outward.

    Notes
    -----
    Of estimates the mean of their intervals: where errors are normal it covers as each of them does, however they
    depend on each other, for the deviation of a sum is at most the sum of the deviations.
    """
    kinds = {v.kind for v in values}
    low, uppers = math.fsum(v.lower for v in values) / len(values), [v.upper for v in values if v.upper is not None]
    high = math.fsum(uppers) / len(values) if len(uppers) == len(values) else None
    if Kind.FLOAT in kinds:
        middle = math.fsum(v.value for v in values) / len(values)
        return Quantity(low, None, Kind.FLOAT) if high is None else floating(middle)
    if kinds == {Kind.EXACT} and low == high == values[0].lower and len({v.lower for v in values}) == 1:
        return Quantity(low, high, Kind.EXACT)
    low, high = math.nextafter(low, -math.inf), None if high is None else math.nextafter(high, math.inf)
    low = max(low, 0.0) if all(v.lower >= 0 for v in values) else low
    return Quantity(low, high, Kind.ESTIMATE if Kind.ESTIMATE in kinds else Kind.ENCLOSURE)


def unless_proved(value: Quantity, scene: Scene) -> Quantity:
    """A value that would be proved if the regions were: a float if they are not. Estimates stay what they are."""
    return value if scene.certified or value.kind is Kind.ESTIMATE else floating(value.value)
