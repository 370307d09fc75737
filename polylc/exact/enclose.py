"""Doubles around exact numbers: the tightest interval of doubles that holds a rational or the root of one."""

from __future__ import annotations

import math
import sys
from fractions import Fraction

LARGEST = sys.float_info.max


def enclose(value: Fraction) -> tuple[float, float]:
    """The largest double <= value and the smallest double >= value.

    Examples
    --------
    >>> from fractions import Fraction
    >>> enclose(Fraction(3, 4))
    (0.75, 0.75)
    >>> low, high = enclose(Fraction(1, 3))
    >>> Fraction(low) < Fraction(1, 3) < Fraction(high), high == math.nextafter(low, 1)
    (True, True)
    """
    return _around(value.numerator, value.denominator)


def _around(p: int, q: int) -> tuple[float, float]:
    """As `enclose`, of p / q with q > 0; in integers, as fractions look for common divisors at each step."""
    try:
        near = p / q  # rounded correctly
    except OverflowError:
        near = math.inf if p > 0 else -math.inf
    if math.isinf(near):
        return (LARGEST, math.inf) if p > 0 else (-math.inf, -LARGEST)
    n, d = near.as_integer_ratio()
    over = n * q - p * d
    if not over:
        return near, near
    return (near, math.nextafter(near, math.inf)) if over < 0 else (math.nextafter(near, -math.inf), near)


def nearest_sqrt(value: Fraction) -> float:
    """The double nearest to sqrt(value), for value >= 0.

    Examples
    --------
    >>> from fractions import Fraction
    >>> nearest_sqrt(Fraction(2)), nearest_sqrt(Fraction(1, 4))
    (1.4142135623730951, 0.5)
    """
    low, high = enclose_sqrt(value)
    return high if 4 * value > (Fraction(low) + Fraction(high)) ** 2 else low


def enclose_sqrt(value: Fraction) -> tuple[float, float]:
    """The largest double <= sqrt(value) and the smallest double >= sqrt(value), for value >= 0.

    Examples
    --------
    >>> from fractions import Fraction
    >>> enclose_sqrt(Fraction(9, 4))
    (1.5, 1.5)
    >>> low, high = enclose_sqrt(Fraction(2))
    >>> low, high == math.nextafter(low, 2)
    (1.414213562373095, True)
    """
    if value < 0:
        raise ValueError("the square root of a negative number")
    if value == 0:
        return 0.0, 0.0
    p, q = value.numerator, value.denominator
    shift = max(0, 128 - p.bit_length() + q.bit_length()) // 2 + 1
    root = math.isqrt((p << 2 * shift) // q)  # at least 64 bits: root <= 2^shift sqrt(value) < root + 1
    low = _around(root, 1 << shift)[0]
    while not math.isinf(above := math.nextafter(low, math.inf)) and _square_against(above, p, q) <= 0:
        low = above
    return (low, low) if not _square_against(low, p, q) else (low, math.nextafter(low, math.inf))


def _square_against(x: float, p: int, q: int) -> int:
    """A number with the sign of x^2 - p / q."""
    n, d = x.as_integer_ratio()
    return n * n * q - p * d * d
