"""Sums and products of enclosures: arrays of intervals [lower, upper], shape (..., 2), rounded outward."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

import numpy as np

from polylc.exact.checkpoint import checkpoint
from polylc.exact.enclose import enclose
from polylc.exact.mapped import zeros

Array = np.ndarray
MANY, MOST = 1000, 2**26  # numbers that are summed by their parts rather than by fsum
PART = 2**17  # numbers that are taken apart at a time, or multiplied: that takes several times their room
FAR = 990  # up to this exponent so many doubles do not overflow
HALF = 27  # bits of the lower part of a significand
INFINITE = int(np.array(np.inf).view(np.int64))  # and beyond: not finite, or below zero


def between(low: Array, high: Array) -> Array:
    """Intervals [low, high], each end one double outward: for ends that were rounded once; never below zero where low
    is not.
    """
    result = np.empty((*np.broadcast(low, high).shape, 2))
    result[..., 0], result[..., 1] = low, high
    bits = result.view(np.int64)  # of numbers >= 0 they are in the order of the numbers
    if bits.size and bits.min() >= 0 and bits.max() < INFINITE:
        bits[..., 0] -= bits[..., 0] > 0
        bits[..., 1] += bits[..., 1] > 0
        return result
    down = np.nextafter(low, -np.inf)
    result[..., 0] = np.where(low >= 0, np.maximum(down, 0.0), down)
    result[..., 1] = np.where(high == 0, 0.0, np.nextafter(high, np.inf))
    return result


def widest(width: Array, aim: float, most: int, worth: float) -> Array:
    """Which terms to compute anew, the widest first, so that the widths of the others add up to no more than `aim`;
    where that takes more than `most`, so many that the others have `worth` times what these would leave.
    """
    count = len(width)
    if np.isnan(width).any():
        return np.empty(0, dtype=np.int64)
    ascending = zeros(count)
    ascending[:] = width
    ascending.sort()
    left = _running(ascending)  # what the narrowest add up to, one more from place to place
    few = count - most
    reached = left[few - 1] if few > 0 else 0.0  # what stays if as many as may be are narrow
    if not reached <= aim:
        aim = worth * reached
    if not count or not aim < left[-1]:
        return np.empty(0, dtype=np.int64)
    many = count - int(np.searchsorted(left, aim, side="right"))
    least = ascending[count - many]
    chosen = np.flatnonzero(width >= least)  # no full order is needed, which takes several times the room
    return chosen[np.argsort(-width[chosen], kind="stable")][:many]


def _running(values: Array) -> Array:
    """As np.cumsum, a part at a time."""
    result, last = zeros(len(values)), 0.0
    for at in range(0, len(values), PART):
        part = values[at : at + PART].copy()
        part[0] += last
        np.cumsum(part, out=result[at : at + PART])
        last = result[at + len(part) - 1]
    return result


def outward(value: Array, error: Array) -> Array:
    """Intervals around sizes >= 0 that are known up to `error`; exactly zero where value and error are."""
    with np.errstate(invalid="ignore"):
        return between(np.maximum(value - error, 0.0), value + error)


def product(left: Array, right: Array) -> Array:
    """Products of intervals of numbers >= 0; zero times anything is zero."""
    if left.ndim == 2 and left.shape == right.shape and len(left) > PART:
        result = zeros(left.shape)
        for at in range(0, len(left), PART):
            checkpoint()
            result[at : at + PART] = product(left[at : at + PART], right[at : at + PART])
        return result
    with np.errstate(invalid="ignore", over="ignore"):
        low, high = left[..., 0] * right[..., 0], left[..., 1] * right[..., 1]
    zero = (left[..., 1] == 0) | (right[..., 1] == 0)
    low, high = np.where(zero | np.isnan(low), 0.0, low), np.where(zero, 0.0, np.where(np.isnan(high), np.inf, high))
    tiny = ~zero & (high == 0)
    return between(low, np.where(tiny, 5e-324, high))


def total(intervals: Array) -> tuple[float, float]:
    """The sum of intervals.

    Examples
    --------
    >>> total(np.array([[0.25, 0.25], [0.5, 1.0]]))
    (0.75, 1.25)
    """
    low, high = intervals[:, 0], intervals[:, 1]
    if not np.isfinite(high).all():
        return _sum(low, -math.inf), math.inf
    return _sum(low, -math.inf), _sum(high, math.inf)


def _sum(values: Array, toward: float) -> float:
    if len(values) >= MANY:
        found = _sum_by_parts(values, toward)
        if found is not None:
            return found
    listed = values.tolist()
    try:
        result = math.fsum(listed)  # correctly rounded
        whole = math.fsum([*listed, -result])
    except OverflowError:  # beyond the range of doubles, at least on the way
        if not np.isfinite(values).all():
            return toward
        low, high = enclose(sum(map(Fraction, listed), Fraction(0)))
        return low if toward < 0 else high
    exact = whole == 0
    return result if exact else math.nextafter(result, toward)


def _sum_by_parts(values: Array, toward: float) -> float | None:
    """The same, of many numbers; None where some are so large that it might overflow.

    A double is a whole number of 53 bits times a power of two. Of each power the whole numbers are added in two parts
    of at most 27 bits, whose sums in doubles are whole and below 2^53: the sum is known exactly, and rounded once.
    """
    if len(values) > MOST or not np.isfinite(values).all():
        return None
    parts = [values[at : at + PART] for at in range(0, len(values), PART)]
    ends = [(int(exponent.min()), int(exponent.max())) for exponent in (np.frexp(part)[1] for part in parts)]
    least, most = min(low for low, _ in ends), max(high for _, high in ends)
    if most > FAR:
        return None
    uppers, lowers = np.zeros(most - least + 1), np.zeros(most - least + 1)
    for part in parts:
        fraction, exponent = np.frexp(part)
        whole, place = np.ldexp(fraction, 53).astype(np.int64), exponent - least
        upper = whole >> HALF
        uppers += np.bincount(place, upper.astype(np.float64), len(uppers))
        lowers += np.bincount(place, (whole - (upper << HALF)).astype(np.float64), len(lowers))
    number = sum((int(h) << (HALF + e)) + (int(low) << e) for e, (h, low) in enumerate(zip(uppers.tolist(), lowers.tolist(), strict=True)))
    up, down = max(least - 53, 0), max(53 - least, 0)  # the sum is number 2^up / 2^down
    result = (number << up) / (1 << down)  # correctly rounded
    top, bottom = result.as_integer_ratio()
    return result if top << down == (number << up) * bottom else math.nextafter(result, toward)


def exact_total(terms: Iterable[Fraction], bits: int = 192) -> tuple[float, float]:
    """Doubles around a sum of rationals, or that double which it is.

    The sum is formed in steps of 2^-bits of its largest term, so that its denominator need not be found: the doubles
    are neighbours, unless one lies within so many steps of the sum as there are terms.
    """
    listed = [t for t in terms if t]
    if not listed:
        return 0.0, 0.0
    top = max(t.numerator.bit_length() - t.denominator.bit_length() for t in listed)
    step = Fraction(2) ** (top - bits)
    floors = [divmod(t.numerator * step.denominator, t.denominator * step.numerator) for t in listed]
    low = sum(q for q, _ in floors)
    high = low + sum(1 for _, r in floors if r)
    return enclose(low * step)[0], enclose(high * step)[1]
