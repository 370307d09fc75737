"""Balls around a centre."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

from polylc.domains.box import Bounds, Neighbourhood, clipped, show
from polylc.domains.domain import Domain
from polylc.errors import NeighbourhoodError
from polylc.exact.numbers import as_fraction, as_fractions
from polylc.geometry.open_ball import OpenBall


def ball(center: Iterable[object], radius: object, clip: Bounds | None = None) -> Neighbourhood:
    """The linf ball around `center`, intersected with the box `clip` if one is given.

    Parameters
    ----------
    center : iterable of numbers, length n
    radius : number, or iterable of n numbers
        Positive; in a list, 0 keeps that coordinate fixed.
    clip : pair of sequences, optional
        Bounds of the clip box, each of length 1 (for every coordinate) or n.

    Raises
    ------
    NeighbourhoodError
        If the radius is not positive, or nothing but a single point is left.
    """
    middle = as_fractions(center, "center")
    many = isinstance(radius, Iterable) and not isinstance(radius, str)
    radii = as_fractions(radius, "radius") if many else (as_fraction(radius, "radius"),)  # type: ignore[arg-type]
    if len(radii) not in (1, len(middle)):
        raise NeighbourhoodError(f"radius: {len(radii)} numbers for {len(middle)} coordinates; give one number, or one for each")
    if min(radii) < 0 or max(radii) == 0:
        raise NeighbourhoodError(f"radius: {show(min(radii))} is not positive; a neighbourhood needs an interior")
    each = radii * len(middle) if len(radii) == 1 else radii
    lower = tuple(c - r for c, r in zip(middle, each, strict=True))
    upper = tuple(c + r for c, r in zip(middle, each, strict=True))
    return clipped(lower, upper, clip, middle, radii)


def ball_volume(domain: Neighbourhood) -> tuple[Fraction, Fraction]:
    """Bounds of the volume of an l1 or l2 ball in its free coordinates: equal for an l1 ball that no box cuts, that of
    the box around it where one does.
    """
    assert domain.center is not None
    assert domain.radius is not None
    n, radius = domain.dimension, max(domain.radius)
    if any((domain.center[j] - radius, domain.center[j] + radius) != (domain.lower[j], domain.upper[j]) for j in domain.free.tolist()):
        return Fraction(0), domain.volume
    if domain.norm == "l1":
        whole = (2 * radius) ** n / math.factorial(n)
        return whole, whole
    share = radius**n * Fraction(1 + n % 2, math.prod(range(n, 0, -2)))  # times a power of 2 pi
    low, high = (share * (2 * Fraction(pi)) ** (n // 2) for pi in (math.pi, math.nextafter(math.pi, 4.0)))  # the first is less than pi
    return low, high


def open_ball(domain: Domain) -> OpenBall:
    """The interior of an l1 or l2 ball, cut with the box around it."""
    assert isinstance(domain, Neighbourhood)
    assert domain.center is not None
    assert domain.radius is not None
    return OpenBall(domain.norm, domain.center, domain.lower, domain.upper, max(domain.radius))
