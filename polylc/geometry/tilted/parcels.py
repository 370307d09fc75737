"""Parcels: the cube cut by half-spaces, or a section of it, with lower and upper bounds that are narrowed in the order
of what that costs (docs/exactness.md, lemma 27).

First a bound of Chernoff over all half-spaces; then the whole less what lies beyond each half-space (Bonferroni); then
the same within the half-space beyond which most lies; then, of three forms, one sum of all.
"""

from __future__ import annotations

import math

import numpy as np

from polylc.geometry.tilted.cumulants import Forms
from polylc.geometry.tilted.known_sums import Pair, Sums, less, meet
from polylc.geometry.tilted.lattice_sums import Effort
from polylc.geometry.tilted.tilting import chernoff, tilt

MOST = 3  # forms of one sum
BOUND = 2_000  # what a bound of Chernoff costs, in factors, for each form


class Parcel:
    """A convex part of the cube (`dense` false), or of the section g_0 = 0, where the other forms are positive.

    Parameters
    ----------
    forms : Forms
    dense : bool
    whole : pair of float
        The number without half-spaces, enclosed.
    sums : Sums, optional
        What is known of forms of the same neighbourhood.
    numbers : list of int, optional
        Those that the forms have there.

    Attributes
    ----------
    low, high : float
        Around its share of the cube, or the density of g_0 at 0 there.
    """

    def __init__(self, forms: Forms, dense: bool, whole: Pair, sums: Sums | None = None, numbers: list[int] | None = None) -> None:
        self.forms, self.dense, self.whole = forms, dense, whole
        self.low, self.high = 0.0, whole[1]
        self._sides = list(range(int(dense), len(forms.s)))
        self._sums = Sums() if sums is None else sums
        self._numbers = self._sums.numbers(forms) if numbers is None else numbers
        self._bounded = False
        if not self._sides:
            self.low = whole[0]

    @property
    def width(self) -> float:
        """Of the enclosure."""
        return self.high - self.low

    def bound(self, effort: Effort) -> None:
        """Bound it by Chernoff over all half-spaces, once."""
        if self._bounded or not self._sides:
            return
        self._bounded = True
        effort.spend(BOUND * len(self.forms.s))
        if np.isfinite(self.forms.a).all():
            self._meet(0.0, chernoff(self.forms, tilt(self.forms, np.zeros(len(self.forms.s)), int(self.dense)), self.dense))

    def narrow(self, worth: float, effort: Effort, depth: int = 3) -> None:
        """Narrow it to a width of `worth`, if that can be had by looking beyond one half-space at a time, or two, or at
        once at all of them, if one sum can.
        """
        if not self._sides:
            return
        self.bound(effort)
        for step in (self._one_by_one, self._two_by_two, self._at_once)[:depth]:
            if self.width <= worth or effort.over:
                return
            self._meet(*step(0.25 * worth / len(self._sides), effort))

    def _meet(self, low: float, high: float) -> None:
        self.low, self.high = meet((self.low, self.high), (low, high))

    def _joint(self, inside: list[int], outside: list[int], worth: float, effort: Effort) -> Pair:
        which, signs = [0] * self.dense + inside + outside, [1] * (self.dense + len(inside)) + [-1] * len(outside)
        numbers = [sign * self._numbers[j] for j, sign in zip(which, signs, strict=True)]
        return self._sums.joint(self.forms.rows(which, [float(s) for s in signs]), numbers, self.dense, worth, effort)

    def _one_by_one(self, worth: float, effort: Effort) -> Pair:
        beyond = {j: self._joint([], [j], worth, effort) for j in self._sides}
        if len(self._sides) == 1 and beyond[self._sides[0]][0] > 0.5 * self.whole[1]:
            return self._joint(self._sides, [], worth, effort)
        return self._without(self.whole, beyond)

    def _two_by_two(self, worth: float, effort: Effort) -> Pair:
        first = {j: self._joint([], [j], worth, effort) for j in self._sides}
        core = max(self._sides, key=lambda j: first[j][1])
        base = less(self.whole, first[core])
        if base[0] < 0.5 * self.whole[1]:
            base = self._joint([core], [], worth, effort)
        beyond = {}
        for j in sorted(self._sides, key=lambda j: -first[j][1]):
            if j == core:
                continue
            beyond[j] = 0.0, min(first[j][1], base[1])
            if beyond[j][1] > worth and not effort.over:
                found = self._joint([core], [j], worth, effort)
                beyond[j] = found[0], min(found[1], beyond[j][1])
        return self._without(base, beyond)

    def _at_once(self, worth: float, effort: Effort) -> Pair:
        if len(self.forms.s) > MOST:
            return self.low, self.high
        return self._joint(self._sides, [], worth, effort)

    @staticmethod
    def _without(base: Pair, beyond: dict[int, Pair]) -> Pair:
        """What is left of a base after what lies beyond each half-space, which may overlap."""
        lost = math.fsum(v[1] for v in beyond.values())
        most = max((v[0] for v in beyond.values()), default=0.0)
        return less(base, (most, lost * (1 + 1e-15)))
