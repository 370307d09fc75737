"""Robustness: whether the class is constant on the neighbourhood, and how far the nearest adversarial point is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from polylc.domains.box import ball_of
from polylc.errors import SolverError
from polylc.exact.enclose import enclose, nearest_sqrt
from polylc.exact.numbers import to_floats
from polylc.exact.quantity import Kind, Quantity, downward, floating, upward
from polylc.measures.answers import NOT_COMPLETE, Answer, missing
from polylc.measures.margin.distance import Distance
from polylc.measures.margin.float_robustness import Candidate, robustness
from polylc.measures.measure import Cost, Field, FormModel, Measure, Need, Number, Pair, Shown, SummaryField, pair
from polylc.measures.scene import Scene
from polylc.network.exact import ExactNetwork

Word = Literal["certified", "enumerated", "partial"]
SHOWN = 8  # coordinates of an adversarial point that are shown on screen


@dataclass(frozen=True)
class Robustness:
    """Answer for one label.

    Attributes
    ----------
    label : int
    robust : bool or None
        Whether no point of the closed neighbourhood is adversarial; None if the search was stopped before that was
        known.
    distance : float or None
        Distance from the centre to the nearest adversarial point, in the norm of the ball; None if there is none, no
        centre, or only a bound is known.
    adversarial : ndarray or None
        That point (any adversarial point, for a box without a centre or a search that was stopped), all coordinates.
    exact_distance, exact_point : Fraction, tuple of Fraction, or None
        The same without rounding, where it was decided exactly and is not in l2.
    exact_square : Fraction or None
        In l2 the square of the distance without rounding.
    distance_quantity : Quantity or None
        What is known of the distance: a robust ball has at least its radius, and of a search that was stopped an
        adversarial point that it met is a bound from above.
    method : str
        enumeration (of regions), or search (for adversarial points, without regions).
    status : str
        Of this answer, whatever else there is: certified, enumerated (not proved), or partial (a bracket, or less).
    """

    label: int
    robust: bool | None
    distance: float | None
    adversarial: np.ndarray | None
    exact_distance: Fraction | None = None
    exact_point: tuple[Fraction, ...] | None = None
    distance_quantity: Quantity | None = None
    method: Literal["enumeration", "search"] = "enumeration"
    status: Word = "certified"
    exact_square: Fraction | None = None


class RobustnessForm(FormModel):
    """Whether the label is constant, and the nearest adversarial point."""

    label: int
    robust: bool | None
    distance: Pair | None
    distance_exact: str | None = None
    distance_square: str | None = None
    adversarial: list[float] | None
    adversarial_exact: list[str] | None
    method: Literal["enumeration", "search"] = "enumeration"
    status: Word = "certified"


def _exact(scene: Scene) -> Answer[Robustness]:
    if scene.complex.round:  # regions reach beyond the ball
        return missing("null: in l1 and l2 balls a search answers it, which has not begun")
    proved = scene.robustness
    if proved.robust:
        return Answer(Robustness(proved.label, True, None, None, distance_quantity=_radius(scene, Kind.EXACT)))
    assert proved.adversarial is not None
    distance, known = None, None
    if proved.distance is not None:
        distance, known = float(proved.distance), Quantity(*enclose(proved.distance), Kind.EXACT)
    return Answer(Robustness(proved.label, False, distance, to_floats(proved.adversarial), proved.distance, proved.adversarial, known))


def _floating(scene: Scene) -> Answer[Robustness]:
    assert scene.label is not None
    try:
        found = robustness(scene.complex, scene.label)
    except SolverError as error:
        return missing(f"null: {error}")
    if found.robust:
        return Answer(Robustness(found.label, True, None, None, distance_quantity=_radius(scene, Kind.FLOAT), status="enumerated"))
    known = None if found.distance is None else floating(found.distance)
    return Answer(Robustness(found.label, False, found.distance, found.adversarial, distance_quantity=known, status="enumerated"))


def _radius(scene: Scene, kind: Kind) -> Quantity | None:
    """The distance of a robust ball is at least its radius."""
    domain = ball_of(scene.complex.domain)
    if domain is None or domain.radius is None:
        return None
    return Quantity(enclose(min(r for r in domain.radius if r > 0))[0], None, kind)


def _partial(scene: Scene) -> Answer[Robustness]:
    """An adversarial point that was met shows that the label is not constant; without one nothing is known."""
    assert scene.label is not None
    if scene.complex.round or not len(scene.complex):
        return missing(NOT_COMPLETE)
    try:
        found = robustness(scene.complex, scene.label)
    except SolverError as error:
        return missing(f"null: {error}")
    met = None if found.robust else _checked(scene, found) if scene.certified else _met(found)
    if met is None:
        return Answer(Robustness(found.label, None, None, None, status="partial"), "no adversarial point among the regions found")
    return Answer(met, "its distance is an upper bound")


def _met(found: Candidate) -> Robustness:
    bound = None if found.distance is None else Quantity(0.0, found.distance, Kind.FLOAT)
    return Robustness(found.label, False, None, found.adversarial, distance_quantity=bound, status="partial")


def _checked(scene: Scene, found: Candidate) -> Robustness | None:
    """The adversarial point of a search that was stopped, evaluated exactly; None if it is not one."""
    assert found.adversarial is not None
    domain = scene.complex.domain
    point = domain.moved_into([Fraction(x) for x in found.adversarial.tolist()])
    outputs = ExactNetwork(scene.complex.network).outputs(point)
    if max(v for j, v in enumerate(outputs) if j != found.label) < outputs[found.label]:
        return None
    bound = None
    if domain.center is not None:
        bound = Quantity(0.0, enclose(max(abs(a - b) for a, b in zip(point, domain.center, strict=True)))[1], Kind.EXACT)
    return Robustness(found.label, False, None, found.adversarial, exact_point=point, distance_quantity=bound, status="partial")


def _found(distance: Distance, _: Scene) -> Answer[Robustness]:
    """What a search says: all of it is proved, a bracket of the distance too."""
    exact, (lower, upper), square = distance.exact, distance.ends, distance.norm == "l2"
    settled = bool(exact or distance.robust)
    point = None if distance.point is None else to_floats(distance.point)
    known = None
    if distance.robust:
        known = Quantity(max(lower, enclose(distance.cap)[0]), None, Kind.EXACT)
    elif lower > 0 or upper is not None:
        known = Quantity(lower, upper, Kind.EXACT if exact else Kind.ENCLOSURE)
    value = Robustness(
        distance.label,
        distance.robust,
        (nearest_sqrt if square else float)(distance.lower) if exact else None,
        point,
        distance.lower if exact and not square else None,
        distance.point,
        known,
        "search",
        "certified" if settled else "partial",
        distance.lower if exact and square else None,
    )
    return Answer(value, None if settled else "the search was stopped: the distance is between a proved and an attained bound")


def _form(value: Robustness) -> RobustnessForm:
    return RobustnessForm(
        label=value.label,
        robust=value.robust,
        distance=pair(value.distance_quantity),
        distance_exact=None if value.exact_distance is None else str(value.exact_distance),
        distance_square=None if value.exact_square is None else str(value.exact_square),
        adversarial=None if value.adversarial is None else value.adversarial.tolist(),
        adversarial_exact=None if value.exact_point is None else [str(v) for v in value.exact_point],
        method=value.method,
        status=value.status,
    )


def _texts(value: Robustness) -> tuple[str, str]:
    """The answer and the distance."""
    answer, known = {True: "yes", False: "no", None: "not known"}[value.robust], value.distance_quantity
    if known is None:
        return answer, "-"
    if value.distance is not None or known.upper is None:
        return answer, known.show()
    return answer, f"in [{downward(known.lower, 7)}, {upward(known.upper, 7)}]" if known.lower > 0 else f"<= {upward(known.upper, 7)}"


def _lines(value: Robustness) -> list[tuple[str, str]]:
    answer, distance = _texts(value)
    where = ""
    if value.adversarial is not None and len(value.adversarial) <= SHOWN:
        where = ", at (" + ", ".join(f"{v:.6g}" for v in value.adversarial) + ")"
    return [(f"robust for class {value.label}", answer), ("adversarial distance", f"{distance}{where}")]


def _cells(value: Robustness) -> dict[str, str]:
    answer, distance = _texts(value)
    return {"robust": answer, "distance": distance}


def _numbers(value: Robustness) -> dict[str, Number]:
    return {"label": value.label, "robust": value.robust, "distance": value.distance_quantity}


def _smallest(shown: Sequence[Shown[Robustness]]) -> float | None:
    """Of the distances that are known: what a search that was stopped says is a bound."""
    known = [s.value.distance_quantity.lower for s in shown if s.value.distance is not None and s.value.distance_quantity is not None]
    return min(known, default=None)


def _totals(shown: Sequence[Shown[Robustness]]) -> list[str]:
    open_ = sum(s.value.robust is None for s in shown)
    rest = f" ({open_} not known)" if open_ else ""
    return [f"robust {sum(s.value.robust is True for s in shown)} of {len(shown)}{rest}"] if shown else []


ROBUSTNESS: Measure[Robustness] = Measure(
    name="robustness",
    about="whether the class is constant, and the nearest adversarial point with its distance",
    cost=Cost.LOW,
    needs=frozenset({Need.CLASS}),
    exact=_exact,
    floating=_floating,
    partial=_partial,
    found=_found,
    attributes={"robustness": lambda v: v},
    fields=(Field("robustness", RobustnessForm, _form),),
    summary=(
        SummaryField("robust", int, lambda shown: sum(s.value.robust is True for s in shown)),
        SummaryField("not_robust", int, lambda shown: sum(s.value.robust is False for s in shown)),
        SummaryField("smallest_distance", float, _smallest),
    ),
    numbers=_numbers,
    frame=("label", "robust", "distance"),
    tracked=lambda name: name != "label",
    lines=_lines,
    cells=_cells,
    left=frozenset({"robust"}),
    totals=_totals,
)
