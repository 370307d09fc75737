"""Sections and caps of the unit ball, as shares of it, enclosed with balls of arb (python-flint)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import flint

Pair = tuple[float, float]
BITS = 128


def section_area(n: int, distance: Pair) -> Pair:
    """Area of the section of the unit ball in dimension n by a hyperplane whose distance from the centre is known
    between two ends >= 0, over the volume of the ball.

    Notes
    -----
    A ball of dimension n - 1 and radius sqrt(1 - d^2): w_(n-1) (1 - d^2)^((n-1)/2) / w_n, w_(n-1) / w_n = Gamma(n/2 +
    1) / (sqrt(pi) Gamma((n+1)/2)).

    Examples
    --------
    >>> low, high = section_area(2, (0.0, 0.0))  # a diameter, 2, of an area of pi
    >>> low < 2 / 3.14159265358979 < high
    True
    """
    import flint

    with flint.ctx.workprec(BITS):
        half = flint.arb(n) / 2
        whole = (half + 1).gamma() / (flint.arb.pi().sqrt() * (half + 0.5).gamma())
        ends = []
        for d in distance:
            inside = 1 - flint.arb(d) ** 2
            ends.append(_outward(whole * inside ** (half - 0.5)) if d < 1.0 and n > 1 else (_outward(whole) if d < 1.0 else (0.0, 0.0)))
    return ends[1][0], ends[0][1]


def cap_share(n: int, height: Pair) -> Pair:
    """The share of the unit ball in dimension n where a coordinate exceeds a height that is known between two ends.

    Notes
    -----
    For 0 <= h < 1 it is I_(1 - h^2)((n + 1) / 2, 1 / 2) / 2, I the regularised incomplete beta function.

    Examples
    --------
    >>> low, high = cap_share(1, (0.5, 0.5))
    >>> low <= 0.25 <= high and high - low < 1e-15
    True
    """
    low, high = height
    return _cap(n, high)[0], _cap(n, low)[1]


def _cap(n: int, h: float) -> Pair:
    if h >= 1.0:
        return 0.0, 0.0
    if h <= -1.0:
        return 1.0, 1.0
    import flint

    with flint.ctx.workprec(BITS):
        upper = (1 - flint.arb(h) ** 2).beta_lower(flint.arb(n + 1) / 2, flint.arb(0.5), regularized=True) / 2
        low, high = _outward(upper if h >= 0 else 1 - upper)
    return max(low, 0.0), min(high, 1.0)


def _outward(value: flint.arb) -> Pair:
    """Doubles around a ball."""
    low, high = float(value.lower()), float(value.upper())
    if not (math.isfinite(low) and math.isfinite(high)):
        return 0.0, math.inf
    return math.nextafter(math.nextafter(low, -math.inf), -math.inf), math.nextafter(math.nextafter(high, math.inf), math.inf)


def ratio(numerator: Pair, root_of: Pair) -> Pair:
    """A number over the square root of a number > 0, each known as a middle and a radius; two ends."""
    import flint

    with flint.ctx.workprec(BITS):
        below: Any = flint.arb(*root_of)
        if not below > 0:
            return -math.inf, math.inf
        found = flint.arb(*numerator) / below.sqrt()
        low, high = float(found.lower()), float(found.upper())
    return math.nextafter(low, -math.inf), math.nextafter(high, math.inf)


def height_in_section(first: Pair, other: Pair, product: Pair, at: Pair, other_at: Pair) -> Pair:
    """Where the hyperplane b u + d = 0 meets the section a u + c = 0 of the unit ball: its signed distance from the
    middle of the section over the section's radius, positive if b u + d is positive in the middle; two ends.

    Parameters
    ----------
    first, other, product : pair of float
        |a|^2, |b|^2 and a b, each as a middle and a radius.
    at, other_at : pair of float
        c and d, likewise.
    """
    import flint

    with flint.ctx.workprec(BITS):
        q, w, p, c, d = (flint.arb(*pair) for pair in (first, other, product, at, other_at))
        below = (1 - c * c / q) * (w - p * p / q)
        if not (q > 0 and below > 0):
            return -math.inf, math.inf
        found = (d - c * p / q) / below.sqrt()
        low, high = float(found.lower()), float(found.upper())
    return math.nextafter(low, -math.inf), math.nextafter(high, math.inf)
