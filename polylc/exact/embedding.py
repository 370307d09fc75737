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

    Examples
    --------
    >>> found = Embedding([Fraction(1, 2), Fraction(0)], [[Fraction(1, 3), Fraction(1)]])
    >>> found.base, found.start.tolist()
    (6, [[2, 3], [6, 0]])
    """

    def __init__(self, middle: Sequence[Fraction], columns: Sequence[Sequence[Fraction]]) -> None:
        self.inputs, self.dimension = len(middle), len(columns)
        self.base = math.lcm(1, *(v.denominator for v in middle), *(v.denominator for column in columns for v in column))
        self._middle = self._whole(middle)
        self._columns = [self._whole(column) for column in columns]

    def _whole(self, values: Iterable[Fraction]) -> np.ndarray:
        found = [v.numerator * (self.base // v.denominator) for v in values]
        result = np.empty(len(found), dtype=object)
        result[:] = found
        return result

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


class BoxEmbedding(Embedding):
    """That of the box between two corners: coordinates with equal bounds are constants, and every other has a
    coordinate of the cube to itself.
    """

    def __init__(self, lower: Sequence[Fraction], upper: Sequence[Fraction]) -> None:
        self._free = np.array([j for j, (a, b) in enumerate(zip(lower, upper, strict=True)) if a < b], dtype=np.int64)
        self.inputs, self.dimension = len(lower), len(self._free)
        middle = [(a + b) / 2 for a, b in zip(lower, upper, strict=True)]
        half = [(upper[j] - lower[j]) / 2 for j in self._free.tolist()]
        self.base = math.lcm(1, *(v.denominator for v in middle), *(v.denominator for v in half))
        self._middle, self._half = self._whole(middle), self._whole(half)

    def _placed(self, of: Callable[[np.ndarray], np.ndarray], kind: type) -> np.ndarray:
        result: np.ndarray = np.zeros((self.inputs, self.dimension + 1), dtype=kind)
        result[self._free, np.arange(self.dimension)] = of(self._half)
        result[:, -1] = of(self._middle)
        return result

    def after(self, rows: np.ndarray) -> np.ndarray:
        """As that of any, in as many products as there are entries."""
        result = np.zeros((len(rows), self.dimension + 1), dtype=object)
        result[:, :-1] = rows[:, self._free] * self._half
        result[:, -1] = rows.dot(self._middle)
        return result
