"""Affine maps from the cube [-1, 1]^k into the inputs of a network, x = E u + e, in integers over one number."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import cached_property

import numpy as np


class Embedding:
    """An embedding of any kind, as that of a plane.

    Parameters
    ----------
    middle : sequence of Fraction, length n
        e.
    columns : sequence of sequences of Fraction
        Those of E.

    Attributes
    ----------
    base : int
        x = integers / base.
    inputs, dimension : int
        Numbers of coordinates of x and of u.
    free : ndarray of int or None
        The coordinate of x along which each of u goes, where all go along one.

    Examples
    --------
    >>> found = Embedding([Fraction(1, 2), Fraction(0)], [[Fraction(1, 3), Fraction(1)]])
    >>> found.base, found.start.tolist()
    (6, [[2, 3], [6, 0]])
    """

    free: np.ndarray | None = None

    def __init__(self, middle: Sequence[Fraction], columns: Sequence[Sequence[Fraction]]) -> None:
        self.inputs, self.dimension = len(middle), len(columns)
        self.base = math.lcm(1, *(v.denominator for v in middle), *(v.denominator for column in columns for v in column))
        self._middle = self._whole(middle)
        self._columns = [self._whole(column) for column in columns]

    def _whole(self, values: Iterable[Fraction]) -> np.ndarray:
        return _column([v.numerator * (self.base // v.denominator) for v in values])

    @cached_property
    def start(self) -> np.ndarray:
        """[E, e] times the base; shape (n, k + 1), dtype object."""
        return self._placed(lambda values: values, object)

    def modulo(self, prime: int) -> np.ndarray:
        """[E, e] modulo a prime that does not divide the base, in [0, prime); shape (n, k + 1), doubles."""
        inverse = pow(self.base, -1, prime)
        return self._placed(lambda values: values * inverse % prime, float)

    def _placed(self, of: Callable[[np.ndarray], np.ndarray], kind: type) -> np.ndarray:
        result: np.ndarray = np.zeros((self.inputs, self.dimension + 1), dtype=kind)
        for i, column in enumerate([*self._columns, self._middle]):
            result[:, i] = of(column)
        return result

    def after(self, rows: np.ndarray) -> np.ndarray:
        """Rows of integers times [E, e] times the base; shapes (m, n) and (m, k + 1), dtype object."""
        result = np.zeros((len(rows), self.dimension + 1), dtype=object)
        for i, column in enumerate([*self._columns, self._middle]):
            result[:, i] = rows.dot(column)
        return result


def _column(values: Sequence[int]) -> np.ndarray:
    result = np.empty(len(values), dtype=object)
    result[:] = values
    return result


class BoxEmbedding(Embedding):
    """That of the box between two corners: coordinates with equal bounds are constants, and every other has a
    coordinate of the cube to itself.

    Attributes
    ----------
    middle, half : ndarray of int, dtype object
        The middle of the box, and half the sides of the free coordinates, times the base.

    Examples
    --------
    >>> found = BoxEmbedding([Fraction(0), Fraction(1, 3)], [Fraction(1), Fraction(1, 3)])
    >>> found.base, found.free.tolist(), found.middle.tolist(), found.half.tolist()
    (6, [0], [3, 2], [3])
    """

    free: np.ndarray

    def __init__(self, lower: Sequence[Fraction], upper: Sequence[Fraction]) -> None:
        self.inputs = len(lower)
        # in integers, as fractions look for common divisors at each step
        common = math.lcm(1, *(v.denominator for v in (*lower, *upper)))
        low, high = ([v.numerator * (common // v.denominator) for v in ends] for ends in (lower, upper))
        free = [j for j, (a, b) in enumerate(zip(low, high, strict=True)) if a < b]
        middle, half = [a + b for a, b in zip(low, high, strict=True)], [high[j] - low[j] for j in free]
        shared = math.gcd(2 * common, *middle, *half)
        self.base = 2 * common // shared
        self.middle, self.half = _column([v // shared for v in middle]), _column([v // shared for v in half])
        self.free, self.dimension = np.array(free, dtype=np.int64), len(free)

    def _placed(self, of: Callable[[np.ndarray], np.ndarray], kind: type) -> np.ndarray:
        result: np.ndarray = np.zeros((self.inputs, self.dimension + 1), dtype=kind)
        result[self.free, np.arange(self.dimension)] = of(self.half)
        result[:, -1] = of(self.middle)
        return result

    def after(self, rows: np.ndarray) -> np.ndarray:
        """As that of any, in as many products as there are entries."""
        result = np.zeros((len(rows), self.dimension + 1), dtype=object)
        result[:, :-1] = rows[:, self.free] * self.half
        result[:, -1] = rows.dot(self.middle)
        return result
