"""The inequalities, one row each: what it rests on, and both of its sides on a neighbourhood.

To add one, write a function from a `Case` to `Inequality` objects, and name it in `RULES` with what it needs.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from polylc.exact.quantity import Kind, Quantity
from polylc.measures.answers import Answers
from polylc.measures.by_volume import enclosures
from polylc.measures.by_volume.many_dimensions import ManyDimensions
from polylc.measures.inequalities.distances import certified_distances
from polylc.measures.inequalities.inequality import Array, Inequality, quantity
from polylc.measures.inequalities.means import ByShares, ByVolumes, Means
from polylc.measures.inequalities.sections import slicing_bound
from polylc.measures.inequalities.sides import Sides
from polylc.measures.inequalities.with_noise import noisy
from polylc.measures.inequalities.without_noise import gain_bound, kinks, margins, rank_chain
from polylc.measures.scene import Scene


class Given(enum.Enum):
    """What an inequality takes as known."""

    MEANS = "volumes, or enclosed shares and sections, of all regions"
    NOISE = "standard deviations of bias noise (--sigma)"
    MARGINS = "several outputs, and a class"
    CENTRE = "a ball with its centre inside the neighbourhood, and no coordinate fixed"
    DISTANCE = "robustness and Lipschitz constants, asked for as well"


class Case:
    """One neighbourhood whose regions are proved, as the inequalities see it; `answers` are those of the measures
    before.
    """

    def __init__(self, scene: Scene, answers: Answers) -> None:
        self.scene, self.answers = scene, answers

    @cached_property
    def given(self) -> frozenset[Given]:
        """What is known here."""
        scene, answers, domain = self.scene, self.answers, self.scene.complex.domain
        known = {
            Given.MEANS: scene.volumes.value is not None or self.many is not None,
            Given.NOISE: bool(scene.sigmas) and (self.many is not None or (scene.volumes.value is not None and scene.noise.value is not None)),
            Given.MARGINS: scene.margins is not None,
            # a clip box may cut the centre off, and fixed coordinates may keep a ball from its points
            Given.CENTRE: domain.center is not None and domain.dimension == domain.inputs and domain.contains(domain.center),
            Given.DISTANCE: answers.value("robustness") is not None and answers.value("lipschitz") is not None,
        }
        return frozenset(name for name, there in known.items() if there)

    @cached_property
    def many(self) -> ManyDimensions | None:
        """Shares and sections, where volumes are out of reach."""
        scene = self.scene
        return None if scene.volumes.value is not None or scene.beyond_doubles is not None or not scene.complex.complete else scene.many

    @cached_property
    def sides(self) -> Sides:
        """Means that several inequalities are made of; needs volumes or shares."""
        scene = self.scene
        if scene.volumes.value is not None:
            means: Means = ByVolumes(scene.volumes.value, scene.graph)
        else:
            assert self.many is not None
            means = ByShares(self.many)
        return Sides(means, scene.graph, scene.ranks, scene.gradients)

    def noise(self) -> Iterable[tuple[str, float, Quantity, Array]]:
        """For every sigma its name, LC^dec, enclosed, and G restricted to |z| <= sigma."""
        scene = self.scene
        if self.many is None:
            assert scene.noise.value is not None
            for (name, sigma), strip in zip(scene.sigmas, scene.noise.value.strips, strict=True):
                yield name, sigma, scene.noise.value.complexity[name], strip
            return
        assert scene.many_noise is not None
        for name, sigma in scene.sigmas:
            yield name, sigma, quantity(scene.many_noise.enclosure(sigma)), scene.many_noise.strip(sigma)

    @cached_property
    def complexity(self) -> dict[str, Quantity]:
        """The local complexity by version, enclosed; without volumes and shares what is known of it, from below."""
        if self.many is not None:
            return self.many.enclosures
        found = self.answers.value("local_complexity")
        if found is not None:
            versions: dict[str, Quantity] = found.versions
            return versions
        if self.scene.volumes.value is not None:
            return enclosures.local_complexity(self.scene.volumes.value, self.scene.graph)
        return {"activation_set": Quantity(0.0, None, Kind.ENCLOSURE)}


@dataclass(frozen=True)
class Rule:
    """One inequality, or a family.

    Attributes
    ----------
    names : str
        As in docs/theory.md.
    needs : frozenset of Given
        Its hypotheses: it is listed only where all of them hold.
    sides : callable
        Both sides on a neighbourhood.
    """

    names: str
    needs: frozenset[Given]
    sides: Callable[[Case], Iterable[Inequality]]


def _margins(case: Case) -> Iterable[Inequality]:
    assert case.scene.margins is not None
    return margins(case.sides, case.scene.margins)


def _noisy(case: Case) -> Iterable[Inequality]:
    for name, sigma, complexity, strip in case.noise():
        yield from noisy(case.sides, name, sigma, complexity, strip)


def _distances(case: Case) -> Iterable[Inequality]:
    assert case.scene.margins is not None
    robust, constants = case.answers.value("robustness"), case.answers.value("lipschitz")
    return certified_distances(case.scene.complex, case.scene.margins, robust.exact_distance, constants)


RULES = (
    Rule("C2", frozenset({Given.MEANS}), lambda case: gain_bound(case.sides)),
    Rule("T3", frozenset({Given.MEANS}), lambda case: rank_chain(case.sides)),
    Rule("T5, C3", frozenset({Given.MEANS}), lambda case: kinks(case.sides, case.complexity["function"])),
    Rule("C8", frozenset(), lambda case: [slicing_bound(case.scene.complex, case.complexity["activation_set"])]),
    Rule("T6b", frozenset({Given.MEANS, Given.MARGINS}), _margins),
    Rule("T2, T3, T4, T7 with noise", frozenset({Given.MEANS, Given.NOISE}), _noisy),
    Rule("T6a, T6c", frozenset({Given.MARGINS, Given.CENTRE, Given.DISTANCE}), _distances),
)


def inequalities(case: Case) -> list[Inequality]:
    """All that are listed here, in the order of the rows."""
    return [found for rule in RULES if rule.needs <= case.given for found in rule.sides(case)]
