"""Lipschitz constants of the outputs or margins, and of the whole map, for three norms of the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Literal

from polylc.domains.within import NORMS
from polylc.exact.enclose import enclose, enclose_sqrt
from polylc.exact.quantity import Kind, enclosure
from polylc.measures.answers import Answer, missing
from polylc.measures.gradient.lipschitz import Lipschitz, certified_lipschitz, lipschitz
from polylc.measures.measure import Block, Cost, Field, FormModel, Instead, Measure, Number, Pair, Shown, SummaryField, mean
from polylc.measures.rest import Rest
from polylc.measures.scene import Scene

Constants = list[Lipschitz]
WHOLE = "jacobian"  # the target that is the whole map


SEARCHED = "by search, since the enumeration is not complete: brackets where that was stopped too"


class LipschitzForm(FormModel):
    """One Lipschitz constant; `exact` is the rational itself, for l2 "sqrt(p/q)", where it is known exactly."""

    target: str
    norm: Literal["linf", "l2", "l1"]
    value: Pair
    exact: str | None = None
    method: Literal["enumeration", "search"] = "enumeration"


def _form(value: Constants) -> list[LipschitzForm]:
    return [
        LipschitzForm(
            target=c.target,
            norm=c.norm,  # type: ignore[arg-type]
            value=(c.quantity.lower, c.quantity.upper),
            exact=_closed_form(c),
            method=c.method,  # type: ignore[arg-type]
        )
        for c in value
    ]


def _closed_form(constant: Lipschitz) -> str | None:
    if constant.lower is None or constant.lower != constant.upper:
        return None
    return f"sqrt({constant.lower})" if constant.power == 2 else str(constant.lower)


def _block(value: Constants) -> Block:
    by_name = {(c.target, c.norm): c for c in value}
    targets = dict.fromkeys(c.target for c in value)
    norms = [norm for norm in NORMS if any(c.norm == norm for c in value)]
    columns = (("of", False), *((norm, True) for norm in norms))
    return Block("Lipschitz constants", columns, [(t, *(_shown(by_name.get((t, norm))) for norm in norms)) for t in targets])


def _shown(constant: Lipschitz | None) -> str:
    if constant is None:
        return ""
    return constant.quantity.show()


def _numbers(value: Constants) -> dict[str, Number]:
    return {f"lipschitz.{c.target}.{c.norm}": c.quantity for c in value if c.method == "enumeration" or c.quantity.kind is Kind.EXACT}


def _cells(value: Constants) -> dict[str, str]:
    whole = {c.norm: c.quantity for c in value if c.target == WHOLE}
    return {f"Lip {norm}": whole[norm].show(6) for norm in ("linf", "l2") if norm in whole}


def _mean(shown: Sequence[Shown[Constants]]) -> float | None:
    return mean(c.quantity.lower for s in shown if s.complete for c in s.value if c.target == WHOLE and c.norm == "l2")


def _answer(scene: Scene, value: Constants, how: str | None = None) -> Answer[Constants]:
    left = [norm for norm in NORMS if norm not in scene.complex.domain.norms]
    said = [how] if how is not None else []
    said += [f"in a plane or on a line lengths are l2; none for {' and '.join(left)}"] if left else []
    return Answer(value, "; ".join(said) or None)


def _partial(scene: Scene) -> Answer[Constants]:
    """Between the largest gradient found, and a bound that holds everywhere."""
    if scene.rest.value is None:
        return missing(str(scene.rest.reason))
    return _answer(scene, _between(scene, scene.rest.value), "between the largest gradient found and a bound of all")


def _between(scene: Scene, rest: Rest) -> Constants:
    found = []
    for constant in certified_lipschitz(scene.complex, scene.label):
        assert constant.lower is not None
        bound = rest.constant(constant.target, constant.norm)
        high = max(bound, (enclose_sqrt if constant.power == 2 else enclose)(constant.lower)[1])
        quantity = enclosure(constant.quantity.lower, high)
        upper = None if quantity.upper is None else max(Fraction(bound) ** constant.power, constant.lower)
        found.append(replace(constant, quantity=quantity, value=quantity.value, upper=upper, witness=None))
    return found


def _found(constants: Constants, scene: Scene) -> Answer[Constants]:
    """What a search found of outputs or margins; what regions, and bounds, tell of the whole map."""
    if scene.rest.value is None:
        return Answer(constants, f"{SEARCHED}; those of the whole map are left out")
    whole = [c for c in _between(scene, scene.rest.value) if c.target == WHOLE]
    return Answer([*constants, *whole], f"{SEARCHED}; those of the whole map between the largest found and a bound of all")


LIPSCHITZ: Measure[Constants] = Measure(
    name="lipschitz",
    about="Lipschitz constants for linf, l2 and l1, of every output or margin and of the whole map",
    cost=Cost.LOW,
    exact=lambda scene: _answer(scene, certified_lipschitz(scene.complex, scene.label)),
    floating=lambda scene: _answer(scene, lipschitz(scene.complex, scene.label)),
    partial=_partial,
    found=_found,
    attributes={"lipschitz": lambda v: v},
    fields=(Field("lipschitz", list[LipschitzForm], _form),),
    summary=(SummaryField("mean_lipschitz_jacobian_l2", float, _mean),),
    numbers=_numbers,
    frame=tuple(f"lipschitz.{WHOLE}.{norm}" for norm in NORMS),
    tracked=lambda name: name.startswith(f"lipschitz.{WHOLE}."),
    lines=lambda _: [],
    block=_block,
    cells=_cells,
    instead=Instead("lipschitz", "sampled_lipschitz", f"lipschitz.{WHOLE}"),
)
