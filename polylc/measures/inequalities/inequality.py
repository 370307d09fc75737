"""An inequality, and intervals as its two sides are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from polylc.exact.quantity import Kind, Quantity, enclosure
from polylc.measures.sums import between, product, total
from polylc.network.compose import UNIT

Array = np.ndarray


@dataclass(frozen=True)
class Inequality:
    """left <= right, both enclosed.

    Attributes
    ----------
    name : str
        Which one, as in docs/theory.md, with the noise, layer or margin that it is about.
    statement : str
        Both sides in words.
    left, right : Quantity
    decided : bool or None
        The answer where rationals gave it.
    """

    name: str
    statement: str
    left: Quantity
    right: Quantity
    decided: bool | None = None

    @property
    def holds(self) -> bool | None:
        """True or False where the enclosures decide it, None where they overlap or a side is no enclosure."""
        if self.decided is not None:
            return self.decided
        if not {self.left.kind, self.right.kind} <= {Kind.EXACT, Kind.ENCLOSURE}:
            return None
        if self.left.upper is not None and self.left.upper <= self.right.lower:
            return True
        return False if self.right.upper is not None and self.left.lower > self.right.upper else None

    @property
    def slack(self) -> float | None:
        """right - left, in floating point."""
        return None if self.left.upper is None or self.right.upper is None else self.right.value - self.left.value


def quantity(interval: Array | tuple[float, float]) -> Quantity:
    """A Quantity of an interval [lower, upper]."""
    return enclosure(interval[0], interval[1])


def interval(value: Quantity) -> Array:
    """The two ends of a quantity, infinity where there is no upper one."""
    return np.array([value.lower, math.inf if value.upper is None else value.upper])


def times(*factors: Array | float) -> Array:
    """Product of intervals, or doubles, that are >= 0."""
    result = np.ones((1, 2))
    for factor in factors:
        result = product(result, np.broadcast_to(np.asarray(factor, dtype=np.float64), (2,))[None])
    low, high = result[0]
    return np.array([low, high])


def plus(*terms: Array) -> Array:
    """Sum of intervals."""
    return np.array(total(np.array(terms)))


def difference(left: Array, error: Array, right: Array, other: Array) -> tuple[Array, Array]:
    """Matrices left - right that are known up to errors by row, and the error of the difference."""
    apart = left - right
    return apart, (error + other + 2 * UNIT * np.abs(apart).sum(axis=2)) * (1 + 2.0**-40)


def distance(left: Array, right: Array) -> Array:
    """|left - right| of two intervals."""
    low, high = left[0] - right[1], left[1] - right[0]
    least = max(low, -high, 0.0)
    return between(np.array(least), np.array(max(abs(low), abs(high))))


def gap(left: Array, right: Array) -> Array:
    """left - right of two intervals, not below zero at its upper end."""
    return np.array([max(np.nextafter(left[0] - right[1], -np.inf), 0.0), max(np.nextafter(left[1] - right[0], np.inf), 0.0)])
