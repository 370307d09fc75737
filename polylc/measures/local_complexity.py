"""Local complexity, in four versions, and averaged over noise on the biases."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polylc.exact.quantity import Quantity, floating
from polylc.measures.answers import NOT_COMPLETE, Answer, missing
from polylc.measures.by_volume import enclosures
from polylc.measures.by_volume.local_complexity import local_complexity, weights
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
from polylc.measures.rest import aside
from polylc.measures.scene import Scene
from polylc.measures.sums import product, total

SIGMA = "local_complexity.sigma"  # the topic of remarks about noise


@dataclass(frozen=True)
class LocalComplexity:
    """The density of linear regions of one neighbourhood.

    Attributes
    ----------
    versions : dict
        LC_0 by version: activation, activation_set, open, function.
    noisy : dict or None
        LC^dec by the name of sigma.
    """

    versions: dict[str, Quantity]
    noisy: dict[str, Quantity] | None = None


class LocalComplexityForm(FormModel):
    """LC_0 in its versions, and LC^dec by noise level; `function` is null where lines estimate the others."""

    activation: Pair
    activation_set: Pair
    open: Pair
    function: Pair | None = None
    sigma: dict[str, Pair] | None = None


def _exact(scene: Scene) -> Answer[LocalComplexity]:
    if scene.volumes.value is None:
        return missing(str(scene.volumes.reason))
    return _with_noise(scene, enclosures.local_complexity(scene.volumes.value, scene.graph))


def _floating(scene: Scene) -> Answer[LocalComplexity]:
    if scene.sizes.value is None:
        return missing(str(scene.sizes.reason))
    return _with_noise(scene, {k: floating(v) for k, v in local_complexity(scene.complex, scene.graph).items()})


def _with_noise(scene: Scene, versions: dict[str, Quantity]) -> Answer[LocalComplexity]:
    if not scene.sigmas:
        return Answer(LocalComplexity(versions))
    if scene.noise.value is None:
        return Answer(LocalComplexity(versions), notes={SIGMA: str(scene.noise.reason)})
    return Answer(LocalComplexity(versions, scene.noise.value.complexity))


def _sampled(scene: Scene) -> Answer[LocalComplexity]:
    if scene.beyond_doubles is not None:
        return missing(scene.beyond_doubles)
    versions, how = _enclosed(scene)
    reason = f"{scene.out_of_reach}; {how}"
    if not scene.sigmas:
        return Answer(LocalComplexity(versions), reason)
    by_name, how = _noisy(scene)
    return Answer(LocalComplexity(versions, by_name), reason, {SIGMA: f"{scene.out_of_reach}; {how}"})


def _in_ball(scene: Scene) -> Answer[LocalComplexity]:
    found = in_ball(scene, lambda ball: ball.local_complexity)
    if found.value is None:
        return missing(str(found.reason))
    notes = {SIGMA: "noise is not averaged in balls"} if scene.sigmas else {}
    return Answer(LocalComplexity(found.value), found.reason, notes)


def _noisy(scene: Scene) -> tuple[dict[str, Quantity], str]:
    """LC^dec by the name of sigma, enclosed or estimated, and how it was found."""
    from polylc.measures.by_volume import many_noise, sampled
    from polylc.measures.by_volume.many_dimensions import within

    if scene.many_noise is None:
        found, how = sampled.decoupled(scene.complex, [sigma for _, sigma in scene.sigmas])
        return dict(zip([name for name, _ in scene.sigmas], found, strict=True)), how
    named = {name: scene.many_noise.complexity(sigma) for name, sigma in scene.sigmas}
    told = many_noise.how(named.values())
    if wide := [(name, sigma) for name, sigma in scene.sigmas if many_noise.needs_points(named[name])]:
        found, how = sampled.decoupled(scene.complex, [sigma for _, sigma in wide])
        named |= {name: within(estimate, named[name]) for (name, _), estimate in zip(wide, found, strict=True)}
        told = f"{told}; within that, where it is wide, {how}"
    return {name: unless_proved(v, scene) for name, v in named.items()}, told


def _enclosed(scene: Scene) -> tuple[dict[str, Quantity], str]:
    """Enclosures, or where they are wide, estimates within them; and how they were found."""
    from polylc.measures.by_volume.many_dimensions import how

    if scene.many is None:
        return {k: unless_proved(v, scene) for k, v in scene.lines.local_complexity.items()}, scene.lines.note
    found = scene.many.local_complexity
    return {k: unless_proved(v, scene) for k, v in found.items()}, how(found.values())


def _partial(scene: Scene) -> Answer[LocalComplexity]:
    """Between the facets found, and all that hyperplanes, and lines that cross them, allow."""
    rest, part = scene.rest.value, scene.found_part.value
    if part is None or rest is None:
        return missing(str(scene.found_part.reason if part is None else scene.rest.reason))
    areas, most = part.facets(scene.graph), rest.boundary(part)
    versions = {}
    for name, weight in weights(scene.complex, scene.graph).items():
        low = total(product(areas, np.stack([weight, weight], axis=1)))[0]
        versions[name] = aside(low, max(most, low))
    said = {SIGMA: NOT_COMPLETE} if scene.sigmas else {}
    return Answer(LocalComplexity(versions), part.note(), said)


def _form(value: LocalComplexity) -> LocalComplexityForm:
    sigma = None if value.noisy is None else {name: (v.lower, v.upper) for name, v in value.noisy.items()}
    return LocalComplexityForm(**{k: pair(v) for k, v in value.versions.items()}, sigma=sigma)  # type: ignore[arg-type]


def _lines(value: LocalComplexity) -> list[tuple[str, str]]:
    main = value.versions["activation"]
    others = ", ".join(f"{k.replace('_', ' ')} {v.show()}" for k, v in value.versions.items() if k != "activation")
    same = all(np.isclose(v.value, main.value, rtol=1e-12, atol=0) for v in value.versions.values())
    rows = [("local complexity", main.show() + (" (all versions agree)" if same else f" ({others})"))]
    return rows + [(f"  with noise {name}", v.show()) for name, v in (value.noisy or {}).items()]


def _numbers(value: LocalComplexity) -> dict[str, Number]:
    return {f"local_complexity.{version}": v for version, v in value.versions.items()}


def _totals(shown: Sequence[Shown[LocalComplexity]]) -> list[str]:
    complete = [s.value for s in shown if s.complete]
    parts = mean_text("LC", [v.versions["activation"] for v in complete])
    noisy = [v.noisy or {} for v in complete]
    for name in dict.fromkeys(name for n in noisy for name in n):
        parts += mean_text(f"LC {name}", [n[name] for n in noisy if name in n])
    return parts


def _mean(shown: Sequence[Shown[LocalComplexity]]) -> float | None:
    return mean(middle((v.lower, v.upper)) for s in shown if s.complete for v in [s.value.versions["activation"]])


def _mean_sigma(shown: Sequence[Shown[LocalComplexity]]) -> dict[str, Pair] | None:
    """Means of LC^dec over neighbourhoods, by sigma, rounded outward."""
    values: dict[str, list[Quantity]] = {}
    for found, complete in shown:
        for name, v in (found.noisy or {}).items() if complete else ():
            values.setdefault(name, []).append(v)
    result: dict[str, Pair] = {}
    for name, listed in values.items():
        low, high = (math.fsum(v.lower for v in listed) / len(listed), math.fsum(v.upper or 0.0 for v in listed) / len(listed))
        result[name] = (math.nextafter(low, 0.0), math.nextafter(high, math.inf)) if low != high else (low, high)
    return result or None


LOCAL_COMPLEXITY: Measure[LocalComplexity] = Measure(
    name="local_complexity",
    about="local complexity in four versions; with --sigma also averaged over noise on the biases",
    cost=Cost.FEW_TIMES,
    needs=frozenset({Need.GRAPH, Need.VOLUMES}),
    exact=_exact,
    floating=_floating,
    sampled=_sampled,
    partial=_partial,
    unmeasured=_in_ball,
    attributes={"local_complexity": lambda v: v.versions, "noisy_complexity": lambda v: v.noisy},
    fields=(Field("local_complexity", LocalComplexityForm, _form),),
    summary=(
        SummaryField("mean_local_complexity", float, _mean),
        SummaryField("mean_local_complexity_sigma", dict[str, Pair], _mean_sigma),
    ),
    numbers=_numbers,
    frame=tuple(f"local_complexity.{version}" for version in ("activation", "activation_set", "open", "function")),
    lines=_lines,
    cells=lambda v: {"LC": v.versions["activation"].show(6), **{f"LC {name}": q.show(6) for name, q in (v.noisy or {}).items()}},
    totals=_totals,
    instead=Instead("lines", "lines", "local_complexity"),
)
