"""Kink variation: the area of all facets, weighed by how far the Jacobian jumps there, by volume."""

from __future__ import annotations

import math

from polylc.complex.pieces import joined
from polylc.exact.quantity import Quantity, floating
from polylc.measures.answers import Answer, missing
from polylc.measures.by_volume import enclosures
from polylc.measures.by_volume.variation import kink_variation
from polylc.measures.measure import Cost, Field, Instead, Measure, Need, Pair, in_ball, pair, unless_proved
from polylc.measures.rest import aside, plus_up, times_up
from polylc.measures.scene import Scene
from polylc.measures.sums import product, total


def _exact(scene: Scene) -> Answer[Quantity]:
    if scene.volumes.value is None:
        return missing(str(scene.volumes.reason))
    return Answer(enclosures.kink_variation(scene.volumes.value, scene.gradients, scene.graph))


def _floating(scene: Scene) -> Answer[Quantity]:
    if scene.sizes.value is None:
        return missing(str(scene.sizes.reason))
    found = kink_variation(scene.complex, scene.graph)
    return Answer(floating(found)) if math.isfinite(found) else missing("null: it is beyond the range of doubles")


def _sampled(scene: Scene) -> Answer[Quantity]:
    if scene.beyond_doubles is not None:
        return missing(scene.beyond_doubles)
    from polylc.measures.by_volume.many_dimensions import how

    if scene.many is None:
        found, note = scene.lines.kink_variation, scene.lines.note
    else:
        found, note = scene.many.kink_variation, how([scene.many.kink_variation])
    return Answer(unless_proved(found, scene), f"{scene.out_of_reach}; {note}")


def _partial(scene: Scene) -> Answer[Quantity]:
    """Between the facets found, and these with the largest jump that there can be on all others."""
    rest, part = scene.rest.value, scene.found_part.value
    if part is None or rest is None:
        return missing(str(scene.found_part.reason if part is None else scene.rest.reason))
    complex_, graph = scene.complex, scene.graph
    areas = part.facets(graph)
    jumps = scene.gradients.across(graph, ~joined(complex_, graph))
    (low, high), least = total(product(areas, jumps)), total(areas)[0]
    left = math.nextafter(max(0.0, rest.boundary(part) - least), math.inf)
    return Answer(aside(low, plus_up(high, times_up(2.0 * rest.norm("frobenius"), left))), part.note())


def _in_ball(scene: Scene) -> Answer[Quantity]:
    found = in_ball(scene, lambda ball: {"kink_variation": ball.kink_variation})
    return missing(str(found.reason)) if found.value is None else Answer(found.value["kink_variation"], found.reason)


KINK_VARIATION: Measure[Quantity] = Measure(
    name="kink_variation",
    about="jumps of the Jacobian across facets, by area",
    cost=Cost.FEW_TIMES,
    needs=frozenset({Need.GRAPH, Need.VOLUMES}),
    exact=_exact,
    floating=_floating,
    sampled=_sampled,
    partial=_partial,
    unmeasured=_in_ball,
    attributes={"kink_variation": lambda v: v},
    fields=(Field("kink_variation", Pair, pair),),
    numbers=lambda v: {"kink_variation": v},
    frame=("kink_variation",),
    lines=lambda v: [("kink variation", v.show())],
    instead=Instead("lines", "lines", "kink_variation"),
)
