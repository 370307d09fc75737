"""Balls around a centre, in linf, l2 and l1."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

from polylc.domains.box import Bounds, Neighbourhood, clipped, show
from polylc.domains.domain import Domain
from polylc.domains.within import Within, as_norm, scaled
from polylc.errors import NeighbourhoodError, UsageError
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


def in_norm(domain: Domain, norm: str) -> Domain:
    """The ball of the same centre and radius in another norm, cut with the same box; a box for linf as it is.

    Raises
    ------
    UsageError
        If the norm is none; if in l2 or l1 the domain is no ball, or has radii that differ.
    NeighbourhoodError
        If the clip box leaves nothing of the inside of the ball.
    """
    norm = as_norm(norm)
    if norm == "linf":
        return domain
    if not isinstance(domain, Neighbourhood) or domain.center is None or domain.radius is None:
        kind = "box" if isinstance(domain, Neighbourhood) else {1: "line", 2: "plane"}.get(domain.dimension, "frame")
        raise UsageError(f"norm: a {kind} is no {norm} ball; give points and a radius")
    if not set(domain.radius) <= {Fraction(0), max(domain.radius)}:
        raise UsageError(f"norm: radii that differ go with linf only; in {norm} give one, or 0 for inputs that are fixed")
    found = replace(domain, norm=norm)
    inside = within(found)
    assert inside is not None
    if inside.misses(domain.lower, domain.upper):
        raise NeighbourhoodError(f"neighbourhood: the {norm} ball and the clip box have no inner points in common; take a larger radius")
    return found


def within(domain: Neighbourhood, strict: bool = True) -> Within | None:
    """The ball that a neighbourhood in l2 or l1 is the box around, open or closed; None for a box."""
    if domain.norm == "linf":
        return None
    assert domain.center is not None
    assert domain.radius is not None
    return Within(domain.norm, domain.center, scaled(domain.norm, Fraction(1), max(domain.radius)), strict)


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
