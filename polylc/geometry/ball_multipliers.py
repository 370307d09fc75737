"""Integers that show that half-spaces and an open ball have nothing in common: doubles propose, integers decide."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from polylc.geometry.open_ball import OpenBall
from polylc.network.exact_forms import Row

BITS = (20, 45)  # of multipliers that doubles propose


@dataclass(frozen=True)
class Combination:
    """Sum of multipliers times rows, and `ball` times what is positive in the open ball (r - |x - c| in l1, half of r^2
    - |x - c|^2 in l2), is nowhere positive on the box (docs/exactness.md, lemma 19a). Multipliers are not negative, but
    perhaps that of a hyperplane.
    """

    multipliers: dict[int, int]
    ball: int


def combination(ball: OpenBall, rows: Sequence[Row], scale: int, on: int | None = None) -> Combination:
    """Multipliers of rows that have no common point with each other and the open ball; with `on`, on the hyperplane of
    that row.

    Parameters
    ----------
    ball : OpenBall
    rows : sequence of integer forms
        In unit coordinates, times a scale.
    scale : int
    on : int, optional
        If given, the rows have common points without the ball.
    """
    proposal = ball.combination(np.array([[v / scale for v in row] for row in rows]), on)
    if proposal is not None:
        every = [*proposal[0].tolist(), proposal[1]]
        largest = max(map(abs, every))
        for bits in BITS if 0.0 < largest < math.inf else ():
            *shares, share = (round(v / largest * 2**bits) for v in every)
            found = {r: y for r, y in enumerate(shares) if y}
            if (found or share) and ball.worst(summed(rows, found, -1), scale, share) >= 0:
                return Combination(found, share)
    settled = ball.exactly(rows, on)
    assert settled.point is None, "what is to be shown to be empty is not"
    exact = {r: y * scale if settled.ball else y for r, y in settled.multipliers.items() if y}
    common = math.lcm(1, settled.ball.denominator, *(y.denominator for y in exact.values()))
    found = {r: int(y * common) for r, y in exact.items()}
    least = math.gcd(int(settled.ball * common), *found.values()) or 1
    return Combination({r: y // least for r, y in found.items()}, int(settled.ball * common) // least)


def summed(rows: Sequence[Row], multipliers: dict[int, int], sign: int = 1) -> list[int]:
    """A combination of rows."""
    total = [0] * len(rows[0])
    for r, y in multipliers.items():
        total = [a + sign * y * b for a, b in zip(total, rows[r], strict=True)]
    return total


def value(row: Sequence[int], point: Sequence[Fraction]) -> Fraction:
    """A form at a point."""
    return sum((a * x for a, x in zip(row, point, strict=False) if a), Fraction(row[-1]))
