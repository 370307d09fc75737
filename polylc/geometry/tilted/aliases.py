"""What a lattice sum counts besides the number wanted, bounded: compiled; docs/exactness.md, lemmas 24 and 28."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from polylc.geometry.tilted.cumulants import LIBRARY, SLACK, Forms, cumulant, densest, doubt_of, log_moment, up_exp
from polylc.geometry.tilted.newton import moments
from polylc.jit.decorators import inlined, kernel
from polylc.network.compose import UNIT

Array = np.ndarray

TRIED = (1.0, 1.4, 0.7, 2.0, 0.4)  # tilts, in those of a Gaussian


class Law(NamedTuple):
    """The tilted law."""

    theta: Array  # (m,)
    x: Array  # (k,) theta a
    variance: Array  # (k,) of coordinates
    middle: Array  # (m,) means of the forms a t
    square: Array  # (m,) their variances


@kernel
def tilted_law(forms: Forms, law: Law) -> None:
    """Means and variances, in doubles: nothing rests on them."""
    m, k = forms.a.shape
    for j in range(m):
        law.middle[j], law.square[j] = 0.0, 0.0
    for i in range(k):
        x = 0.0
        for j in range(m):
            x += law.theta[j] * forms.a[j, i]
        _, _, mean, variance = moments(x)
        law.x[i], law.variance[i] = x, variance
        for j in range(m):
            law.middle[j] += forms.a[j, i] * mean
            law.square[j] += forms.a[j, i] * forms.a[j, i] * variance
    law.middle[0] += forms.soft * (forms.soft * law.theta[0])
    law.square[0] += forms.soft * forms.soft


class Known(NamedTuple):
    """What all aliases share."""

    base: float  # log M(x)
    doubt: float
    slip: float  # what noise may change it
    period: float  # of the density, infinite if there is none


@inlined
def _tail(forms: Forms, error: Array, law: Law, known: Known, x: Array, j: int, sign: float, beyond: float, period: float, enough: float) -> float:
    """Of sign g_j's form beyond a value: Chernoff, times the density of g_0 there if there is one; where a period is
    given (not 0), the sum over points that far apart. `x` is room.
    """
    k = len(law.x)
    reach = 0.0
    for i in range(k):
        reach += abs(forms.a[j, i])
    spaced, dense = period > 0.0, known.period < np.inf
    blur = forms.soft * forms.soft if spaced else 0.0
    if beyond > reach * SLACK + 2.0 * error[j] and blur == 0.0:
        return 0.0
    distance = beyond - sign * law.middle[j]
    if not distance > 0.0:
        return np.inf
    room = np.inf if spaced else known.period
    best = np.inf
    for t in TRIED:
        q = t * distance / law.square[j]
        for i in range(k):
            x[i] = law.x[i] + sign * q * forms.a[j, i]
        value, size = log_moment(x)
        moved = 2.0 * known.slip + 4.0 * q * error[j]  # noise, in both cumulants and in what is beyond
        top = value - known.base - q * beyond + doubt_of(size, k) + known.doubt + moved
        top += 16 * UNIT * (abs(value) + abs(known.base) + q * abs(beyond))
        if blur > 0.0:  # the noise is tilted too
            more, along = 0.5 * blur * q * q, blur * sign * q * law.theta[0]
            top += more + along + 16 * UNIT * (more + abs(along))
        if dense:
            top += math.log(densest(forms, error, x, room)) + 2.0 * (known.slip + q * error[j]) + 64 * UNIT
        if spaced:  # one term for each period
            top -= math.log(-math.expm1(-q * period * (1 - 4 * UNIT))) - 64 * UNIT
        best = min(best, top)
        if up_exp(best + 1e-12) <= enough:
            break
    result: float = up_exp(best + 1e-12)
    return result


@kernel
def aliases(forms: Forms, error: Array, law: Law, period: Array, dense: bool, enough: float, without: Law) -> float:
    """An upper bound of the aliases, relative to M(theta) e^(-theta s); no better one is looked for once it is
    `enough`.

    `period` is at most the true one. `without` is room.
    """
    m, k = forms.a.shape
    theta = law.theta
    base, size = log_moment(law.x)
    slip = 0.0
    every = 1 + 8 * LIBRARY
    for j in range(m):
        slip += abs(theta[j]) * error[j]
        if not (dense and j == 0):
            every *= -1.0 / math.expm1(-theta[j] * period[j] * (1 - 4 * UNIT))
    known = Known(base, doubt_of(size, k), slip, period[0] if dense else np.inf)
    part = enough / (2 * m * every)
    here = densest(forms, error, law.x, period[0]) * up_exp(2.0 * slip) if dense else 1.0
    total = 0.0
    for j in range(m):
        at, away = forms.s[j], period[j]
        if dense and j == 0:
            total += every * _tail(forms, error, law, known, without.x, 0, 1.0, at + away, away, part)
            total += every * _tail(forms, error, law, known, without.x, 0, -1.0, away - at, away, part)
            continue
        total += every * _tail(forms, error, law, known, without.x, j, 1.0, at + away, 0.0, part)
        # below: by the law without this tilt
        for i in range(m):
            without.theta[i] = 0.0 if i == j else theta[i]
        value, size = cumulant(forms, without.theta, without.x)
        top = value - base + doubt_of(size, k) + known.doubt + theta[j] * (at - away) + 2.0 * slip
        top += 16 * UNIT * (abs(value) + abs(base) + theta[j] * (abs(at) + away))
        if dense:
            top += math.log(densest(forms, error, without.x, period[0])) + 2.0 * slip
        below = up_exp(top + 1e-12)
        if below > part:  # or by the weight that is left there, after a cut between
            cut = min(max(0.5, 1.0 - 12.0 / (theta[j] * away)), 0.9)
            weight = up_exp(-theta[j] * away * (1.0 - cut) * (1 - 8 * UNIT) + theta[j] * error[j])
            below = min(below, weight * here + _tail(forms, error, law, known, without.x, j, -1.0, cut * away - at, 0.0, part))
        total += every * below
    return total * SLACK
