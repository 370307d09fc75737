"""Total variation: the mean norm of the Jacobian over the neighbourhood."""

from __future__ import annotations

from collections.abc import Sequence

from polylc.exact.quantity import Quantity, enclosure, floating
from polylc.measures.answers import Answer, missing
from polylc.measures.by_volume import enclosures
from polylc.measures.by_volume.variation import total_variation
from polylc.measures.measure import (
    Cost,
    Field,
    FormModel,
    Instead,
    Measure,
    Need,
    Number,
    Pair,
    Shown,
    SummaryField,
    in_ball,
    mean,
    mean_text,
    middle,
    pair,
    unless_proved,
)
from polylc.measures.scene import Scene

Variation = dict[str, Quantity]  # frobenius, operator, and the margins by name
NORMS = ("frobenius", "operator")


class TotalVariationForm(FormModel):
    """Mean norm of the Jacobian, and of the gradient of each margin fy-fj by name (l2)."""

    frobenius: Pair
    operator: Pair
    margins: dict[str, Pair] | None = None


def _exact(scene: Scene) -> Answer[Variation]:
    if scene.volumes.value is None:
        return missing(str(scene.volumes.reason))
    return Answer(enclosures.total_variation(scene.volumes.value, scene.gradients, scene.margins))


def _floating(scene: Scene) -> Answer[Variation]:
    if scene.sizes.value is None:
        return missing(str(scene.sizes.reason))
    return Answer({k: floating(v) for k, v in total_variation(scene.complex).items()})


def _sampled(scene: Scene) -> Answer[Variation]:
    if scene.beyond_doubles is not None:
        return missing(scene.beyond_doubles)
    from polylc.measures.by_volume import sampled
    from polylc.measures.by_volume.many_dimensions import is_narrow, within

    found = {} if scene.many is None else scene.many.total_variation(scene.margins)
    how = "shares of regions enclosed by tilted lattice sums"
    if not found:
        found, how = sampled.total_variation(scene.complex)
    elif not all(map(is_narrow, found.values())):
        estimates, note = sampled.total_variation(scene.complex)
        found = {k: within(estimates[k], v) if k in estimates else v for k, v in found.items()}
        how = f"{how}; within these {note}"
    return Answer({k: unless_proved(v, scene) for k, v in found.items()}, f"{scene.out_of_reach}; {how}")


def _partial(scene: Scene) -> Answer[Variation]:
    """Between what the regions found have, and that with as much in the rest as there can be."""
    rest, part = scene.rest.value, scene.found_part.value
    if rest is None:
        return missing(str(scene.rest.reason))
    if part is None:
        names = enclosures.variation_norms(scene.complex.network.outputs, scene.margins)
        return Answer({name: enclosure(0.0, rest.norm(name)) for name in names}, f"{scene.found_part.reason}; bounds of the gradient")
    terms = enclosures.variation_terms(part, scene.gradients, scene.margins)
    return Answer({name: rest.variation(part, found, name) for name, found in terms.items()}, part.note())


def _in_ball(scene: Scene) -> Answer[Variation]:
    return in_ball(scene, lambda ball: ball.total_variation(scene.margins))


def _form(value: Variation) -> TotalVariationForm:
    margins: dict[str, Pair] = {k: (v.lower, v.upper) for k, v in value.items() if k not in NORMS}
    return TotalVariationForm(**{k: pair(value[k]) for k in NORMS}, margins=margins or None)  # type: ignore[arg-type]


def _lines(value: Variation) -> list[tuple[str, str]]:
    margins = "".join(f", {v.show()} {k}" for k, v in value.items() if k not in NORMS)
    return [("total variation", f"{value['frobenius'].show()} Frobenius, {value['operator'].show()} operator{margins}")]


def _numbers(value: Variation) -> dict[str, Number]:
    return {f"total_variation.{name}": v for name, v in value.items()}


def _mean(shown: Sequence[Shown[Variation]]) -> float | None:
    return mean(middle((v.lower, v.upper)) for s in shown if s.complete for v in [s.value["frobenius"]])


TOTAL_VARIATION: Measure[Variation] = Measure(
    name="total_variation",
    about="mean norm of the Jacobian, and of the gradients of margins",
    cost=Cost.FEW_TIMES,
    needs=frozenset({Need.VOLUMES}),
    exact=_exact,
    floating=_floating,
    sampled=_sampled,
    partial=_partial,
    unmeasured=_in_ball,
    attributes={"total_variation": lambda v: v},
    fields=(Field("total_variation", TotalVariationForm, _form),),
    summary=(SummaryField("mean_total_variation", float, _mean),),
    numbers=_numbers,
    frame=("total_variation.frobenius", "total_variation.operator"),
    lines=_lines,
    cells=lambda v: {"TV": v["frobenius"].show(6)},
    totals=lambda shown: mean_text("TV", [s.value["frobenius"] for s in shown if s.complete]),
    instead=Instead("jacobian_norm", "jacobian_norm", "total_variation"),
)
