"""Lengths of gradients in unit coordinates whose axes are orthogonal, with lengths that are roots of rationals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

Row = Sequence[int]


class Gauge:
    """The squared length of a gradient a in unit coordinates, sum of a_j^2 / q_j, in integers.

    Parameters
    ----------
    squares : sequence of Fraction
        q_j, the squared lengths of half the axes.

    Attributes
    ----------
    weights : tuple of int
    unit : int
        1 / q_j = weights[j] / unit.

    Examples
    --------
    >>> gauge = Gauge([Fraction(2), Fraction(1, 3)])
    >>> gauge.weights, gauge.unit, gauge.squared([2, 1])
    ((1, 6), 2, 10)
    """

    def __init__(self, squares: Sequence[Fraction]) -> None:
        inverse = [1 / q for q in squares]
        self.unit = math.lcm(1, *(v.denominator for v in inverse))
        self.weights = tuple(v.numerator * (self.unit // v.denominator) for v in inverse)

    def squared(self, row: Row) -> int:
        """The squared length times the unit; what follows the coefficients in the row is left out."""
        return sum(w * a * a for w, a in zip(self.weights, row, strict=False))

    def gram(self, rows: Sequence[Row]) -> list[list[int]]:
        """Inner products of rows times the unit."""
        weighed = [[w * a for w, a in zip(self.weights, row, strict=False)] for row in rows]
        return [[sum(a * b for a, b in zip(one, other, strict=False)) for other in rows] for one in weighed]
