"""Normal laws cut to [-1, 1], of density e^(b u - h u^2): their sizes, moments and draws, for many coordinates at once.

In doubles, for estimates: docs/exactness.md, lemma 29a, has what they are for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Array = np.ndarray

DROP = 45.0  # beyond where the density is e^-45 of its peak it counts as nothing
FAR, THIN = 5.0, 0.1  # in standard deviations: an end that is far from the mean, and an interval that is short
_FINE, _FINE_WEIGHTS = np.polynomial.legendre.leggauss(24)
_COARSE, _COARSE_WEIGHTS = np.polynomial.legendre.leggauss(16)


class Moments(NamedTuple):
    """Logarithms of the mean of e^(b u - h u^2) over [-1, 1], and moments of u and v^2 with v = sigma u + mu; (k,)."""

    size: Array
    mean: Array
    square: Array  # mean of v^2
    spread: Array  # variance of u
    joint: Array  # covariance of u and v^2
    square_spread: Array  # variance of v^2


def _support(b: Array, h: Array) -> tuple[Array, Array, Array]:
    """The peak, and the ends of what counts; (k,) each."""
    peak = np.clip(b / (2.0 * h), -1.0, 1.0)
    slope = b - 2.0 * h * peak
    reach = 2.0 * DROP / (np.abs(slope) + np.sqrt(slope * slope + 4.0 * h * DROP))
    return peak, np.maximum(peak - reach, -1.0), np.minimum(peak + reach, 1.0)


def log_size(b: Array, h: Array) -> Array:
    """log of the mean of e^(b u - h u^2) over [-1, 1]; (k,)."""
    peak, low, high = _support(b, h)
    found = np.zeros(len(b))
    for end, other in ((low, peak), (peak, high)):
        half = 0.5 * (other - end)
        u = end[:, None] + half[:, None] * (1.0 + _FINE)
        away = u - peak[:, None]
        found += half * (np.exp(away * (b[:, None] - h[:, None] * (u + peak[:, None]))) @ _FINE_WEIGHTS)
    result: Array = np.log(0.5 * found) + peak * (b - h * peak)
    return result


def moments(b: Array, h: Array, sigma: Array, mu: Array) -> Moments:
    """Moments, to the few digits that a search for a tilt needs."""
    peak, low, high = _support(b, h)
    half = 0.5 * (high - low)
    u = low[:, None] + half[:, None] * (1.0 + _COARSE)
    weight = np.exp((u - peak[:, None]) * (b[:, None] - h[:, None] * (u + peak[:, None]))) * _COARSE_WEIGHTS
    size = weight.sum(axis=1)
    weight /= size[:, None]
    square = (sigma[:, None] * u + mu[:, None]) ** 2
    mean, mean_square = (weight * u).sum(axis=1), (weight * square).sum(axis=1)
    u -= mean[:, None]
    square -= mean_square[:, None]
    return Moments(
        np.log(0.5 * half * size) + peak * (b - h * peak),
        mean,
        mean_square,
        (weight * u * u).sum(axis=1),
        (weight * u * square).sum(axis=1),
        (weight * square * square).sum(axis=1),
    )


def draw(b: Array, h: Array, count: int, rng: np.random.Generator) -> Array:
    """Independent draws, (count, k): from the exponential law by rejection where the mean is far beyond an end, from
    the uniform law where the interval is short, else by inversion.
    """
    from scipy.special import ndtr, ndtri

    scale = 1.0 / np.sqrt(2.0 * h)
    mean = b / (2.0 * h)
    side = np.where(mean > 0, 1.0, -1.0)  # turned so that the mean is at 0 or above it
    low, high = (-1.0 - side * mean) / scale, (1.0 - side * mean) / scale  # the end nearest to the mean is `high`
    far, thin = high < -FAR, 2.0 / scale < THIN
    result = np.empty((count, len(b)))
    plain = np.flatnonzero(~far & ~thin)
    if len(plain):
        below, above = ndtr(low[plain]), ndtr(high[plain])
        result[:, plain] = ndtri(below + rng.random((count, len(plain))) * (above - below))
    for which, law in ((np.flatnonzero(far), _tail), (np.flatnonzero(thin & ~far), _short)):
        if len(which):
            result[:, which] = law(low[which], high[which], count, rng)
    result *= scale
    result += side * mean
    result *= side
    found: Array = np.clip(result, -1.0, 1.0)
    return found


def _tail(low: Array, high: Array, count: int, rng: np.random.Generator) -> Array:
    """The normal law on [low, high], high far below 0: high less what is nearly exponential."""
    rate, whole = -high, -np.expm1(high * (high - low))

    def proposed(place: Array) -> tuple[Array, Array]:
        away = -np.log1p(-rng.random(len(place)) * whole[place]) / rate[place]
        return high[place] - away, -0.5 * away * away

    return _kept(proposed, count, len(high), rng)


def _short(low: Array, high: Array, count: int, rng: np.random.Generator) -> Array:
    """The normal law on a short interval with `high` at or above -FAR, from the uniform one."""
    top = np.clip(0.0, low, high)

    def proposed(place: Array) -> tuple[Array, Array]:
        at = low[place] + rng.random(len(place)) * (high - low)[place]
        return at, -0.5 * (at - top[place]) * (at + top[place])

    return _kept(proposed, count, len(high), rng)


def _kept(proposed: Callable[[Array], tuple[Array, Array]], count: int, width: int, rng: np.random.Generator) -> Array:
    """Draws again until every one is taken, with the probability whose logarithm comes with it."""
    place = np.tile(np.arange(width), count)
    result, open_ = np.empty(count * width), np.arange(count * width)
    while len(open_):
        at, logarithm = proposed(place[open_])
        taken = -rng.standard_exponential(len(open_)) <= logarithm
        result[open_[taken]] = at[taken]
        open_ = open_[~taken]
    return result.reshape(count, width)


def log_beyond(m: float, rate: Array, low: Array, high: Array) -> Array:
    """log of the integral of (1 + t)^m e^(-rate (2 t + t^2)) over low <= t <= high, low >= -1; (N,), -inf where that is
    empty.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        peak = np.clip(np.sqrt(0.5 * m / rate) - 1.0, low, high)

        def density(t: Array, at: Array = rate) -> Array:
            found: Array = np.where(t > -1.0, m * np.log1p(t), -math.inf if m > 0 else 0.0) - at * t * (2.0 + t)
            return found

        top = density(peak)
        ends = []
        for end in (low, high):  # density is concave in its logarithm: one crossing on each side
            near, away = peak.copy(), end.copy()
            beyond = density(away) < top - DROP
            for _ in range(50):
                middle = 0.5 * (near + away)
                out = density(middle) < top - DROP
                near, away = np.where(beyond & ~out, middle, near), np.where(beyond & out, middle, away)
            ends.append(away)
        found = np.zeros(len(peak))
        for end, other in ((ends[0], peak), (peak, ends[1])):
            width = other - end  # its half is 0 where it is the least of doubles
            t = end[:, None] + (0.5 * width)[:, None] * (1.0 + _FINE)
            found += width * (0.5 * (np.exp(density(t, rate[:, None]) - top[:, None]) @ _FINE_WEIGHTS))
        result: Array = np.where(high > low, np.log(found) + top, -math.inf)
    return result


def log_power(m: float, low: Array, high: Array) -> Array:
    """log of the integral of (1 + t)^m over low <= t <= high, low >= -1; (N,), -inf where that is empty."""
    with np.errstate(divide="ignore", invalid="ignore"):
        most = (m + 1.0) * np.log1p(high)
        rest = np.log(-np.expm1((m + 1.0) * np.log1p((low - high) / (1.0 + high))))
        result: Array = np.where(high > low, most + rest - math.log(m + 1.0), -math.inf)
    return result
