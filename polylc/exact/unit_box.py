"""Affine forms on the box [-1, 1]^k, in integers or rationals, and where its points lie in other boxes."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TypeVar

Number = TypeVar("Number", int, Fraction)


def least(row: Sequence[Number]) -> Number:
    """The least value of u -> row[:-1] u + row[-1] on [-1, 1]^k, on the row's scale.

    Examples
    --------
    >>> least([2, -3, 1])
    -4
    """
    return row[-1] - reach(row)


def reach(row: Sequence[Number]) -> Number:
    """How far a form moves from its value at 0 on [-1, 1]^k."""
    return sum(map(abs, row[:-1]), start=0 * row[-1])


def lifted(lower: Sequence[Fraction], upper: Sequence[Fraction], unit: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """The point of a box whose free coordinates, those with a width, are given in [-1, 1] from side to side.

    Examples
    --------
    >>> lifted([Fraction(0), Fraction(5)], [Fraction(2), Fraction(5)], [Fraction(1, 2)])
    (Fraction(3, 2), Fraction(5, 1))
    """
    rest = iter(unit)
    return tuple(a if a == b else a + (1 + next(rest)) * (b - a) / 2 for a, b in zip(lower, upper, strict=True))
