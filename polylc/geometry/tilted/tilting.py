"""Exponential tilts of the uniform law on the cube [-1, 1]^k, and the bounds of Chernoff that come with them.

Forms g_j = a_j t - s_j, j = 0..m-1, t uniform. The law with density e^{x t} / M(x), x = sum theta_j a_j, has
independent coordinates, and M(x) = prod sinh(x_i) / x_i. What is said of the cumulants holds for every tilt, so that a
tilt need only be good, not the best; docs/exactness.md, lemmas 21 and 22.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from polylc.geometry.tilted.newton import Steps, descend
from polylc.network.compose import UNIT

Array = np.ndarray

LIBRARY = 16 * UNIT  # exp, log, log1p, expm1, sin and cos are taken to err by less, relative to their value or to 1
SERIES = 0.25  # below it log(sinh x / x) is summed, lemma 21
# of x^2, x^4, ...: alternating
COEFFICIENTS = (1 / 6, -1 / 180, 1 / 2835, -1 / 37800, 1 / 467775, -691 / 3831077250, 2 / 127702575)
SLACK = 1 + 2.0**-40
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
        return Forms(self.a[which] * sign[:, None], self.s[which] * sign, self.noise[which], self.soft if which[0] == 0 else 0.0)


def forms_of(rows: Array, noise: Array, soft: float = 0.0) -> Forms:
    """Forms from rows [a, c] of g = a t + c, scaled by powers of two to entries of size 1, and their noise likewise."""
    size = np.abs(rows[:, :-1]).max(axis=1, initial=0.0)
    exponent = np.frexp(np.where(size > 0, size, 1.0))[1]
    scaled = np.ldexp(rows, -exponent[:, None])
    known = np.ldexp(noise, -exponent) * SLACK + 2.0**-1000
    return Forms(np.ascontiguousarray(scaled[:, :-1]), -scaled[:, -1], known, math.ldexp(soft, -int(exponent[0])) if soft else 0.0)


def argument_error(forms: Forms) -> Array:
    """`noise` of each form, and what roundings of its products with a tilt or a frequency may add, relative to either;
    (m,).
    """
    k = forms.a.shape[1]
    # fewer than 64 roundings of terms that sum to at most |a|_1 + |s|; the sum |a|_1 itself is k roundings off
    size = np.abs(forms.a).sum(axis=1) + np.abs(forms.s)
    result: Array = (forms.noise + 64 * UNIT * size * (1 + (k + 4) * UNIT)) * SLACK
    return result


def log_sinhc(x: Array) -> Array:
    """log(sinh x / x), each entry within (64 + 20 |x|) u; lemma 21."""
    size = np.abs(x)
    small = size < SERIES
    big = np.where(small, 1.0, size)
    y = np.where(small, x, 0.0) ** 2
    series = np.zeros_like(y)
    for c in reversed(COEFFICIENTS):
        series = (series + c) * y
    result: Array = np.where(small, series, big - np.log(2.0 * big) + np.log1p(-np.exp(-2.0 * big)))
    return result


def cumulant(x: Array) -> tuple[Array, Array]:
    """log M(x) = sum_i log(sinh x_i / x_i) along the last axis, and a bound on its error."""
    terms, k = log_sinhc(x), x.shape[-1]
    size = np.abs(x).sum(axis=-1)
    return terms.sum(axis=-1), (((k + 24) * size + 64 * k) * UNIT) * SLACK


def langevin(x: Array) -> tuple[Array, Array]:
    """Mean and variance of a coordinate under the tilt x, in doubles."""
    size = np.abs(x)
    small = size < 0.01
    big = np.where(small, 1.0, np.minimum(size, 1e150))
    inverse = 1.0 / big
    tanh = np.tanh(big)
    mean = np.where(small, x / 3.0, np.sign(x) * (1.0 / tanh - inverse))
    sinh = np.sinh(np.minimum(big, 300.0))
    return mean, np.where(small, (1.0 - x * x / 5.0) / 3.0, inverse * inverse - 1.0 / (sinh * sinh))


def tilt(forms: Forms, floor: Array, free: int) -> Array:
    """A tilt theta near the least of log M - theta s, theta_j >= floor_j for j >= free, by projected Newton steps."""
    m = len(forms.s)
    theta = floor.copy()
    theta[:free] = 0.0
    new, slope, step = np.empty((3, m))
    descend.always_compiled(forms.a, forms.s, forms.soft, floor, free, theta, Steps(new, slope, step, np.empty((m, m))))
    return theta


def exponent(forms: Forms, theta: Array, error: Array) -> tuple[float, float]:
    """log M(theta) - theta s, and a bound on its error for the true forms; lemmas 21 and 28."""
    x = theta @ forms.a
    value, slip = cumulant(x)
    product = theta * forms.s
    calm = 0.5 * (forms.soft * float(theta[0])) ** 2
    size = float(np.abs(product).sum()) + abs(float(value)) + calm
    doubt = float(slip) + float(np.abs(theta) @ error) + (4 * len(theta) + 8) * UNIT * size
    return float(value) - float(product.sum()) + calm, doubt * SLACK


def densest(forms: Forms, x: Array, error: Array, period: float = math.inf) -> Array:
    """An upper bound of the density of a_0 t, and noise, under tilts x, wherever it is taken, or its sum over points a
    period apart; shape of x without the last axis. Lemmas 22 and 28.
    """
    size = np.abs(forms.a[0]) - error[0]
    good = (size > 0) & (2.0 * (size + 2.0 * error[0]) < period * (1 - 8 * UNIT))
    blurred = (PEAK / forms.soft + 1.0 / period) * SLACK if forms.soft else math.inf
    if not good.any():
        return np.full(x.shape[:-1], blurred)
    # the tilt of a coordinate is known up to its relative rounding; 1 + 2 |x| takes twice that
    bound = (1.0 + 2.0 * np.abs(x[..., good]) * SLACK) / (2.0 * size[good])
    result: Array = np.minimum(bound.min(axis=-1) * SLACK, blurred)
    return result


def chernoff(forms: Forms, theta: Array, dense: bool) -> float:
    """An upper bound of E[1(g_j > 0 for all j)], or of E[delta(g_0) 1(g_j > 0 for j > 0)] where `dense`; theta_j >= 0
    but for a density.
    """
    error = argument_error(forms)
    value, doubt = exponent(forms, theta, error)
    if dense:
        value += math.log(d) if (d := float(densest(forms, theta @ forms.a, error))) < math.inf else math.inf
        # what noise does to the tilt of one coordinate
        value += 2.0 * float(np.abs(theta) @ error)
    top = value + doubt + 64 * UNIT * (1 + abs(value))
    if not dense:
        top = min(top, 0.0)
    return up_exp(top)


def up_exp(value: float) -> float:
    """More than e^value."""
    if not value < 700.0:
        return math.inf
    return math.exp(value) * (1 + 2 * LIBRARY) + 5e-324
