"""Balls in l1 and l2: the points that are near a centre, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

from polylc.errors import UsageError
from polylc.exact.enclose import enclose, enclose_sqrt

Norm = Literal["linf", "l2", "l1"]
NORMS: tuple[Norm, ...] = get_args(Norm)


def as_norm(name: str) -> Norm:
    """One of `NORMS`.

    Raises
    ------
    UsageError
        If it is none.
    """
    for norm in NORMS:
        if norm == name:
            return norm
    raise UsageError(f"norm: {name!r} is not one; give {', '.join(NORMS[:-1])} or {NORMS[-1]}")


def measure(norm: str, point: Sequence[Fraction], center: Sequence[Fraction]) -> Fraction:
    """The distance of two rational points in l1 or linf; in l2 its square, which is rational."""
    apart = [abs(x - c) for x, c in zip(point, center, strict=True)]
    return sum((d * d for d in apart), Fraction(0)) if norm == "l2" else sum(apart, Fraction(0)) if norm == "l1" else max(apart)


def scaled(norm: str, bound: Fraction, factor: Fraction) -> Fraction:
    """A distance times a factor, where those in l2 are given by their squares."""
    return bound * factor * factor if norm == "l2" else bound * factor


@dataclass(frozen=True)
class Within:
    """The points no farther from a centre than a radius, or nearer than it.

    Attributes
    ----------
    norm : str
        "l2" or "l1".
    center : tuple of Fraction, length n
    bound : Fraction
        The radius in l1; in l2 its square.
    strict : bool
        Whether they are to be nearer.
    """

    norm: str
    center: tuple[Fraction, ...]
    bound: Fraction
    strict: bool

    def contains(self, point: Sequence[Fraction]) -> bool:
        """Whether a rational point is one of them."""
        far = measure(self.norm, point, self.center)
        return far < self.bound or (far == self.bound and not self.strict)

    def misses(self, lower: Sequence[Fraction], upper: Sequence[Fraction]) -> bool:
        """Whether a box has none of them."""
        return not self.contains([min(max(c, a), b) for c, a, b in zip(self.center, lower, upper, strict=True)])

    @property
    def radius(self) -> float:
        """The least double that is not below the radius."""
        return (enclose_sqrt if self.norm == "l2" else enclose)(self.bound)[1]

    def box(self) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
        """A box around all of them whose corners are doubles."""
        radius = Fraction(self.radius)
        return tuple(Fraction(enclose(c - radius)[0]) for c in self.center), tuple(Fraction(enclose(c + radius)[1]) for c in self.center)
