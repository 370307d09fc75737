"""Cumulants of exponential tilts and the bounds of Chernoff, compiled; docs/exactness.md, lemmas 21 and 22.

In: forms, tilts. Out: log M(x), exponents and bounds, with what rounding and noise may do to them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from polylc.jit.decorators import inlined, kernel
from polylc.network.compose import UNIT

Array = np.ndarray

LIBRARY = 16 * UNIT  # exp, log, log1p, expm1, sin and cos are taken to err by less, relative to their value or to 1
SERIES = 0.25  # below it log(sinh x / x) is summed, lemma 21
# of x^2, x^4, ...: alternating
COEFFICIENTS = (1 / 6, -1 / 180, 1 / 2835, -1 / 37800, 1 / 467775, -691 / 3831077250, 2 / 127702575)
C1, C2, C3, C4, C5, C6, C7 = COEFFICIENTS
SLACK = 1 + 2.0**-40
LEAST, FAR = 1e-150, 1e100  # of products of factors; a tilt beyond which they would be too small
PEAK = 0.3989422804014327  # of the normal density, rounded


class Forms(NamedTuple):
    """Affine forms a t - s on the cube, each known up to `noise` everywhere on it; normal noise of standard deviation
    `soft` is added to the first.
    """

    a: Array  # (m, k)
    s: Array  # (m,)
    noise: Array  # (m,)
    soft: float = 0.0

    def rows(self, which: list[int], signs: list[float] | None = None) -> Forms:
        """Some of the forms, in this order, times signs; only where the first stays the first is there noise."""
        sign = np.ones(len(which)) if signs is None else np.array(signs)
        return Forms(self.a[which] * sign[:, None], self.s[which] * sign, self.noise[which], self.soft if which[:1] == [0] else 0.0)

    def and_then(self, others: Forms) -> Forms:
        """These forms, and others after them."""
        a, s, noise = (np.concatenate([one, other]) for one, other in zip(self[:3], others[:3], strict=True))
        return Forms(a, s, noise, self.soft)


@inlined
def up_exp(value: float) -> float:
    """More than e^value."""
    if not value < 700.0:
        return np.inf
    return math.exp(value) * (1 + 2 * LIBRARY) + 5e-324


@inlined
def parts(x: float) -> tuple[float, float]:
    """log(sinh x / x) as the sum of a number and the logarithm of another one, at most 1: one logarithm serves many
    coordinates. Lemma 21.
    """
    size = abs(x)
    if size < SERIES:
        y = x * x
        return ((((((C7 * y + C6) * y + C5) * y + C4) * y + C3) * y + C2) * y + C1) * y, 1.0
    if size > FAR:
        return size - math.log(2.0 * size), 1.0
    return size, (1.0 - math.exp(-2.0 * size)) / (2.0 * size)


@inlined
def doubt_of(size: float, k: int) -> float:
    """What log M may be off, for tilts whose sizes sum to `size`."""
    return ((2 * k + 24) * size + 64 * k) * UNIT * SLACK


@inlined
def width_of(size: float, noise: float, period: float) -> float:
    """A lower bound of |a_0i|, or 0 where it says nothing of points a period apart."""
    size -= noise
    return size if size > 0 and 2.0 * (size + 2.0 * noise) < period * (1 - 8 * UNIT) else 0.0


@inlined
def blurred(soft: float, period: float) -> float:
    """The same for noise alone."""
    return (PEAK / soft + 1.0 / period) * SLACK if soft > 0.0 else np.inf


@inlined
def densest(forms: Forms, error: Array, x: Array, period: float) -> float:
    """An upper bound of the density of a_0 t, and noise, under tilts x, wherever it is taken, or its sum over points a
    period apart. Lemmas 22 and 28.
    """
    best = np.inf
    for i in range(len(x)):
        width = width_of(abs(forms.a[0, i]), error[0], period)
        if width > 0.0:  # the tilt of a coordinate is known up to its relative rounding; 1 + 2 |x| takes twice that
            best = min(best, (1.0 + 2.0 * abs(x[i]) * SLACK) / (2.0 * width))
    result: float = min(best * SLACK, blurred(forms.soft, period))
    return result


@inlined
def log_moment(x: Array) -> tuple[float, float]:
    """log M(x), and the sum of the sizes of x, by which its error is told."""
    value, size, product = 0.0, 0.0, 1.0
    for i in range(len(x)):
        part, factor = parts(x[i])
        value += part
        size += abs(x[i])
        product *= factor
        if product < LEAST:
            value += math.log(product)
            product = 1.0
    return value + math.log(product), size


@inlined
def cumulant(forms: Forms, theta: Array, x: Array) -> tuple[float, float]:
    """x = theta a; log M(x), and the sum of the sizes of x, by which its error is told."""
    m, k = forms.a.shape
    for i in range(k):
        x[i] = 0.0
    for j in range(m):
        for i in range(k):
            x[i] += theta[j] * forms.a[j, i]
    value, size = log_moment(x)
    return value, size


@kernel
def exponent(forms: Forms, error: Array, theta: Array, x: Array) -> tuple[float, float]:
    """log M(x) - theta s, and a bound on its error for the true forms; lemmas 21 and 28. x becomes theta a."""
    value, size = cumulant(forms, theta, x)
    product, sizes, moved = 0.0, 0.0, 0.0
    for j in range(len(theta)):
        product += theta[j] * forms.s[j]
        sizes += abs(theta[j] * forms.s[j])
        moved += abs(theta[j]) * error[j]
    calm = 0.5 * (forms.soft * theta[0]) ** 2
    doubt = doubt_of(size, len(x)) + moved + (4 * len(theta) + 8) * UNIT * (sizes + abs(value) + calm)
    return value - product + calm, doubt * SLACK


@kernel
def chernoff_bound(forms: Forms, error: Array, theta: Array, dense: bool, x: Array) -> float:
    """An upper bound of E[1(g_j > 0 for all j)], or of E[delta(g_0) 1(g_j > 0 for j > 0)] where `dense`; theta_j >= 0
    but for a density. x becomes the tilts.
    """
    value, doubt = exponent(forms, error, theta, x)
    if dense:
        value += math.log(densest(forms, error, x, np.inf))
        for j in range(len(theta)):  # what noise does to the tilt of one coordinate
            value += 2.0 * abs(theta[j]) * error[j]
    top = value + doubt + 64 * UNIT * (1 + abs(value))
    if not dense:
        top = min(top, 0.0)
    result: float = up_exp(top)
    return result
