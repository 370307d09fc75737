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
    try:
        near = float(value)
    except OverflowError:
        near = math.inf if value > 0 else -math.inf
    if math.isinf(near):
        return (LARGEST, math.inf) if value > 0 else (-math.inf, -LARGEST)
    exact = Fraction(near)
    if exact == value:
        return near, near
    return (near, math.nextafter(near, math.inf)) if exact < value else (math.nextafter(near, -math.inf), near)


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
    low = enclose(Fraction(root, 1 << shift))[0]
    while not math.isinf(above := math.nextafter(low, math.inf)) and Fraction(above) ** 2 <= value:
        low = above
    return (low, low) if Fraction(low) ** 2 == value else (low, math.nextafter(low, math.inf))
