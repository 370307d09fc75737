"""Exponential tilts of the uniform law on the cube [-1, 1]^k, and the bounds of Chernoff that come with them.

Forms g_j = a_j t - s_j, j = 0..m-1, t uniform. The law with density e^{x t} / M(x), x = sum theta_j a_j, has
independent coordinates, and M(x) = prod sinh(x_i) / x_i. What is said of the cumulants holds for every tilt, so that a
tilt need only be good, not the best; docs/exactness.md, lemmas 21 and 22.
"""

from __future__ import annotations

import math

import numpy as np

from polylc.geometry.tilted.cumulants import COEFFICIENTS, SERIES, SLACK, Forms, chernoff_bound
from polylc.geometry.tilted.newton import descend, steps
from polylc.network.compose import UNIT

Array = np.ndarray

LARGEST = 1000  # constants and noise of forms that are scaled are at most 2^LARGEST


def exponents(rows: Array, soft: float = 0.0) -> Array:
    """Exponents of the powers of two by which `forms_of` divides rows: a has entries of size 1 then, or smaller ones
    where the constant, or the noise of the first, would be beyond all doubles.
    """
    size = np.abs(rows[:, :-1]).max(axis=1, initial=0.0)
    beside = np.abs(rows[:, -1])
    beside[:1] = np.maximum(beside[:1], soft)
    result: Array = np.maximum(np.frexp(np.where(size > 0, size, 1.0))[1], np.frexp(beside)[1] - LARGEST)
    return result


def forms_of(rows: Array, noise: Array, soft: float = 0.0) -> Forms:
    """Forms from rows [a, c] of g = a t + c, scaled by powers of two, and their noise likewise."""
    exponent = exponents(rows, soft)
    scaled = np.ldexp(rows, -exponent[:, None])
    known = np.ldexp(noise, -exponent) * SLACK + 2.0**-1000
    return Forms(np.ascontiguousarray(scaled[:, :-1]), -scaled[:, -1], known, math.ldexp(soft, -int(exponent[0])) if soft else 0.0)


def argument_error(forms: Forms) -> Array:
    """`noise` of each form, and what roundings of its products with a tilt or a frequency may add, relative to either;
    (m,).
    """
    m, k = forms.a.shape
    # fewer than 64 + m roundings (m where forms are summed up with their tilts) of terms that sum to at most
    # |a|_1 + |s|; the sum |a|_1 itself is k roundings off
    size = np.abs(forms.a).sum(axis=1) + np.abs(forms.s)
    result: Array = (forms.noise + (64 + m) * UNIT * size * (1 + (k + 4) * UNIT)) * SLACK
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


def tilt(forms: Forms, floor: Array, free: int) -> Array:
    """A tilt theta near the least of log M - theta s, theta_j >= floor_j for j >= free, by projected Newton steps."""
    theta = floor.copy()
    theta[:free] = 0.0
    descend.always_compiled(forms.a, forms.s, forms.soft, floor, free, theta, steps(*forms.a.shape))
    return theta


def chernoff(forms: Forms, theta: Array, dense: bool) -> float:
    """An upper bound of E[1(g_j > 0 for all j)], or of E[delta(g_0) 1(g_j > 0 for j > 0)] where `dense`; theta_j >= 0
    but for a density.
    """
    return float(chernoff_bound.always_compiled(forms, argument_error(forms), theta, dense, np.empty(forms.a.shape[1])))
