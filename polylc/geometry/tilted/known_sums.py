"""Lattice sums that many parcels share: each is computed once, and what lies beyond a half-space follows from what lies
within it (docs/exactness.md, lemma 27).
"""

from __future__ import annotations

import math

import numpy as np

from polylc.errors import ConsistencyError
from polylc.geometry.tilted.cumulants import Forms
from polylc.geometry.tilted.lattice_sums import Effort, joint

Pair = tuple[float, float]
Key = tuple[int, ...]  # the density's form or 0, then half-spaces: numbers of forms, negative for the other side
WIDTH = 1e-9  # of one number, relative


def less(left: Pair, right: Pair) -> Pair:
    """The difference of two enclosed numbers, which is not negative."""
    return max(math.nextafter(left[0] - right[1], -math.inf), 0.0), max(math.nextafter(left[1] - right[0], math.inf), 0.0)


def meet(left: Pair, right: Pair) -> Pair:
    """What two enclosures of one number say together."""
    low, high = max(left[0], right[0]), min(left[1], right[1])
    if low > high:
        raise ConsistencyError("two enclosures of one share or area have nothing in common")
    return low, high


class Sums:
    """What is known of the forms of one neighbourhood."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._known: dict[Key, Pair] = {(0,): (1.0, 1.0)}
        self._asked: dict[Key, float] = {}

    def numbers(self, forms: Forms) -> list[int]:
        """A number for each form; a form and the same one with the other sign have opposite ones."""
        rows = np.concatenate([forms.a, forms.s[:, None]], axis=1)
        first = rows[:, 0]
        if not first.all():
            first = rows[np.arange(len(rows)), (rows != 0).argmax(axis=1)]
        sides = np.where(first < 0, -1, 1)
        rows *= sides[:, None]
        rows += 0.0  # no zero has a sign
        found = []
        for j, side in enumerate(sides.tolist()):
            key = rows[j].tobytes() + np.array([forms.noise[j], forms.soft if j == 0 else 0.0]).tobytes()
            found.append(side * self._numbers.setdefault(key, len(self._numbers) + 1))
        return found

    def joint(self, forms: Forms, numbers: list[int], dense: bool, worth: float, effort: Effort) -> Pair:
        """As `lattice_sums.joint`, of forms that have these numbers: narrower than `worth`, if a sum can be."""
        head, sides = (abs(numbers[0]), numbers[1:]) if dense else (0, numbers)
        key = (head, *sorted(sides, key=abs))
        known = self._look(key, len(sides))
        if known is None or (known[1] - known[0] > worth and worth < self._asked.get(key, math.inf)):
            self._asked[key] = worth  # what was summed for that is not summed again for more
            found = joint(forms, dense, WIDTH, worth, effort)
            known = found if known is None else meet(known, found)
        self._known[key] = known
        return known

    def _look(self, key: Key, depth: int) -> Pair | None:
        """What is known of a number, or follows from others: the whole less the part on the other side."""
        best = self._known.get(key)
        if depth == 0:
            return best
        for i in range(1, len(key)):
            rest = self._known.get((*key[:i], *key[i + 1 :]))
            if rest is None:
                continue
            other = self._look((*key[:i], -key[i], *key[i + 1 :]), depth - 1)
            if other is not None:
                best = less(rest, other) if best is None else meet(best, less(rest, other))
        return best
