"""Means over a simplex of functions of an affine form, compiled, each with a bound on its error (docs/exactness.md,
lemma 12).

If the form has the values s_0 <= ... <= s_n at the vertices, the mean of g(form(x)) is the integral of g(t) M(t | s_0,
..., s_n), M the B-spline with these knots and integral 1 (Curry and Schoenberg 1966). M is a polynomial between knots,
found by a recursion whose terms are all positive, so nothing cancels where the s_j nearly agree; the integral is taken
by Gauss-Legendre on pieces.

In: `Knots`, in which `sort_knots` has put the values. Out: mean and bound.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from polylc.jit.decorators import kernel
from polylc.network.compose import UNIT

Array = np.ndarray

CUT = 8.6  # lemma 12.4: standard deviations beyond which a density is only bounded
TAIL = 9e-17  # lemma 12.4: more than exp(-CUT^2 / 2)
QUADRATURE = 1e-14  # lemma 12.1: error of Gauss-Legendre on one piece, over the B-spline's mass there
CRAMER = 1.09  # lemma 12.1: |He_k(x)| exp(-x^2 / 2) is at most this times sqrt(k!)
STEEPEST = 0.61  # lemma 12.2: more than exp(-1/2), the steepest slope of exp(-x^2 / 2)
SLOPE, SLOPE_GROWTH = 2.0, 3.0  # lemma 12.2: bound on the integral of the largest |g'| within tau
NARROW, NARROW_ERROR = 1e-7, 1e-14  # lemma 12.5: spread up to which the density at the mean is taken, and its error
NODE_ROUNDING, EXP_ROUNDING = 8.0, 60.0  # lemma 12.3: units of a part, times n^2, and of what is relative
MASS_ROUNDING = 64.0  # lemma 12.3: the same of the mass of the spline on an interval
MOST_NODES = 16


class Quadrature(NamedTuple):
    """Gauss-Legendre on [-1, 1], by number of nodes."""

    node: Array  # (MOST_NODES + 1, MOST_NODES)
    weight: Array
    reach: Array  # (MOST_NODES + 1,) largest half width of a piece for which so many nodes are enough


class Knots(NamedTuple):
    """Values of a form at the vertices of a simplex."""

    value: Array  # (n + 1,) sorted
    knot: Array  # (n + 1,) the same, counted from the least
    spline: Array  # (n + 2,) room for the recursion


def quadrature(n: int) -> Quadrature:
    """Rules for splines of degree n - 1.

    On a piece of half width r (in standard deviations) m nodes are exact for the spline times a polynomial of degree d
    = 2 m - n; the density is that close to its Chebyshev interpolant, its derivatives being at most CRAMER sqrt((d +
    1)!).
    """
    nodes, weights, reach = np.zeros((MOST_NODES + 1, MOST_NODES)), np.zeros((MOST_NODES + 1, MOST_NODES)), np.zeros(MOST_NODES + 1)
    for m in range(1, MOST_NODES + 1):
        nodes[m, :m], weights[m, :m] = np.polynomial.legendre.leggauss(m)
        d = 2 * m - n
        if d >= 0:
            reach[m] = 2.0 * (0.99 * QUADRATURE / (4.0 * CRAMER) * math.sqrt(math.factorial(d + 1))) ** (1.0 / (d + 1))
    return Quadrature(nodes, weights, reach)


def knots_for(n: int) -> Knots:
    """Room for simplices of dimension n."""
    return Knots(np.empty(n + 1), np.empty(n + 1), np.empty(n + 2))


@kernel
def sort_knots(simplex: Array, values: Array, scale: float, knots: Knots) -> None:
    """Take the values of a form, over `scale`, at the vertices of a simplex."""
    s = knots.value
    for j in range(len(simplex)):
        t = values[simplex[j]] / scale
        place = j
        while place > 0 and s[place - 1] > t:
            s[place] = s[place - 1]
            place -= 1
        s[place] = t
    for j in range(len(simplex)):
        knots.knot[j] = s[j] - s[0]


@kernel
def _spline(knots: Knots, q: int, t: float) -> float:
    """Density of the B-spline with knots k_0 <= ... <= k_n at t in [k_q, k_{q+1}], times the width of that piece."""
    k, w = knots.knot, knots.spline
    n = len(k) - 1
    for i in range(n + 1):
        w[i] = 0.0
    w[q] = 1.0
    for order in range(2, n + 1):
        for i in range(max(0, q - order + 1), min(q, n - order) + 1):
            up = (t - k[i]) * w[i] + (k[i + order] - t) * w[i + 1]
            w[i] = up * order / ((order - 1) * (k[i + order] - k[i]))
    return float(w[0])


@kernel
def gaussian_mean(knots: Knots, rule: Quadrature) -> tuple[float, float]:
    """Mean of exp(-x^2 / 2), and a bound on its error."""
    k, base = knots.knot, knots.value[0]
    n = len(k) - 1
    spread = k[n]
    if spread <= NARROW:
        x = base + k[0]
        for i in range(1, n + 1):
            x += k[i] / (n + 1)
        return math.exp(-0.5 * x * x), NARROW_ERROR
    value, parts = 0.0, 0
    for q in range(n):
        a, b = max(k[q], -CUT - base), min(k[q + 1], CUT - base)
        if not b > a:
            continue
        width = k[q + 1] - k[q]
        many = math.ceil(0.5 * (b - a))
        step = (b - a) / many
        r = 0.5 * step
        m = 1
        while rule.reach[m] < r * 1.0000001:  # room for the rounding of r
            m += 1
        for p in range(many):
            middle = a + (p + 0.5) * step
            for g in range(m):
                t = middle + r * rule.node[m, g]
                x = base + t
                value += rule.weight[m, g] * (r / width) * _spline(knots, q, t) * math.exp(-0.5 * x * x)
        parts += many
    error = QUADRATURE * min(1.0, 2.1 * CUT * n / spread) + TAIL  # the mass within CUT: at most n / spread each
    shifted = 4.0 * (abs(base) + spread + 10.0) * UNIT  # of nodes, by rounding
    error += shifted * steepness(n, spread, shifted) + (parts * NODE_ROUNDING * n * n + (8.0 * n + EXP_ROUNDING) * value) * UNIT
    return value, error


@kernel
def steepness(n: int, spread: float, tau: float) -> float:
    """How far the mean of exp(-x^2 / 2) moves at most, over tau, if x moves by at most tau everywhere (lemma 12.2)."""
    return min(STEEPEST, (SLOPE + SLOPE_GROWTH * tau) * n / spread) if spread > 0.0 else STEEPEST


@kernel
def _below(knots: Knots, y: float, rule: Quadrature) -> float:
    """Mass of the B-spline below y; Gauss-Legendre is exact, up to rounding of at most 32 n^2 units."""
    k = knots.knot
    n = len(k) - 1
    if y <= 0.0:
        return 0.0
    if y >= k[n]:
        return 1.0
    m = (n + 1) // 2
    value = 0.0
    for q in range(n):
        a, b = k[q], min(k[q + 1], y)
        if not b > a:
            continue
        r, middle = 0.5 * (b - a), 0.5 * (a + b)
        for g in range(m):
            value += rule.weight[m, g] * (r / (k[q + 1] - k[q])) * _spline(knots, q, middle + r * rule.node[m, g])
    return min(value, 1.0)


@kernel
def share_between(knots: Knots, low: float, high: float, tau: float, rule: Quadrature) -> tuple[float, float]:
    """Share of a simplex on which a form, known up to tau, lies in [low, high], and a bound on its error."""
    s = knots.value
    n = len(s) - 1
    spread = knots.knot[n]
    if s[0] - tau > high or s[n] + tau < low:
        return 0.0, 0.0
    if s[0] - tau >= low and s[n] + tau <= high:
        return 1.0, 0.0
    if not spread > 8.0 * tau:  # nothing is known, and any share is within 1/2 of 1/2
        return 0.5, 0.5
    value, error = 0.0, 0.0
    slip = 2.0 * tau * n / spread + MASS_ROUNDING * n * n * UNIT  # the density is at most n / spread
    if s[n] + tau > high:
        value += _below(knots, high - s[0], rule)
        error += slip
    else:
        value += 1.0
    if s[0] - tau < low:
        value -= _below(knots, low - s[0], rule)
        error += slip
    value = max(value, 0.0)
    return value, min(error, 1.0)
