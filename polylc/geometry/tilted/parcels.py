"""Parcels: the cube cut by half-spaces, or a section of it, with lower and upper bounds that are narrowed in the order
of what that costs (docs/exactness.md, lemma 27).

First a bound of Chernoff over all half-spaces; then the whole less what lies beyond each half-space (Bonferroni); then
the same within the half-space beyond which most lies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from polylc.errors import ConsistencyError
from polylc.geometry.tilted.lattice_sums import joint
from polylc.geometry.tilted.tilting import Forms, chernoff, tilt

Pair = tuple[float, float]
WIDTH = 1e-9  # of one number, relative


def less(left: Pair, right: Pair) -> Pair:
    """The difference of two enclosed numbers, which is not negative."""
    return max(math.nextafter(left[0] - right[1], -math.inf), 0.0), max(math.nextafter(left[1] - right[0], math.inf), 0.0)


@dataclass
class Effort:
    """What may still be spent, in thousandths of a second of a usual processor, roughly: a count, so that results do
    not depend on the clock.
    """

    left: float

    def spend(self, many: int, coordinates: int) -> None:
        """One sum over so many forms."""
        self.left -= _COST[many] * (20 + coordinates)

    @property
    def over(self) -> bool:
        """Whether there is none left."""
        return self.left <= 0


_COST = {1: 0.02, 2: 0.1, 3: 1.2}


class Parcel:
    """A convex part of the cube (`dense` false), or of the section g_0 = 0, where the other forms are positive.

    Attributes
    ----------
    low, high : float
        Around its share of the cube, or the density of g_0 at 0 there.
    stage : int
        How much was tried: 0 nothing, 1 Chernoff, 2 one half-space at a time, 3 two at a time.
    """

    def __init__(self, forms: Forms, dense: bool, whole: Pair) -> None:
        self.forms, self.dense, self.whole = forms, dense, whole
        self.low, self.high, self.stage = 0.0, whole[1], 0
        self._sides = list(range(int(dense), len(forms.s)))
        self._beyond: dict[int, Pair] = {}
        if not self._sides:
            (self.low, self.high), self.stage = whole, 3

    @property
    def width(self) -> float:
        """Of the enclosure."""
        return self.high - self.low

    def narrow(self, worth: float, effort: Effort) -> None:
        """The next stage; half-spaces beyond which less than `worth` lies are bounded in the cheapest way."""
        self.stage += 1
        low, high = (self._bounded, self._one_by_one, self._two_by_two)[self.stage - 1](worth, effort)
        if low > self.high or self.low > high:
            raise ConsistencyError("two enclosures of one share or area have nothing in common")
        self.low, self.high = max(self.low, low), min(self.high, high)

    def _bounded(self, _: float, effort: Effort) -> Pair:
        effort.spend(1, self.forms.a.shape[1])
        if not np.isfinite(self.forms.a).all():
            return 0.0, math.inf
        theta = tilt(self.forms, np.zeros(len(self.forms.s)), int(self.dense))
        return 0.0, chernoff(self.forms, theta, self.dense)

    def _rows(self, inside: list[int], outside: list[int]) -> Forms:
        head = [0] if self.dense else []
        return self.forms.rows([*head, *inside, *outside], [1.0] * (len(head) + len(inside)) + [-1.0] * len(outside))

    def _joint(self, inside: list[int], outside: list[int], worth: float, effort: Effort) -> Pair:
        effort.spend(int(self.dense) + len(inside) + len(outside), self.forms.a.shape[1])
        return joint(self._rows(inside, outside), self.dense, WIDTH, worth)

    def _one_by_one(self, worth: float, effort: Effort) -> Pair:
        share = worth / len(self._sides)
        for j in self._sides:
            self._beyond[j] = self._joint([], [j], share, effort)
        if len(self._sides) == 1 and self._beyond[self._sides[0]][0] > 0.5 * self.whole[1]:
            return self._joint(self._sides, [], worth, effort)
        return self._without(self.whole, self._beyond)

    def _two_by_two(self, worth: float, effort: Effort) -> Pair:
        share = worth / len(self._sides)
        order = sorted(self._sides, key=lambda j: -self._beyond[j][1])
        core = order[0]
        base = less(self.whole, self._beyond[core])
        if base[0] < 0.5 * self.whole[1]:
            base = self._joint([core], [], share, effort)
        beyond = {}
        for j in order[1:]:
            beyond[j] = 0.0, min(self._beyond[j][1], base[1])
            if beyond[j][1] > share and not effort.over:
                found = self._joint([core], [j], share, effort)
                beyond[j] = found[0], min(found[1], beyond[j][1])
        return self._without(base, beyond)

    @staticmethod
    def _without(base: Pair, beyond: dict[int, Pair]) -> Pair:
        """What is left of a base after what lies beyond each half-space, which may overlap."""
        lost = math.fsum(v[1] for v in beyond.values())
        most = max((v[0] for v in beyond.values()), default=0.0)
        return less(base, (most, lost * (1 + 1e-15)))
