"""Integrals over cells of functions of affine forms, compiled: densities of noise, strips, half-spaces, means.

A cell in doubles with proved vertices (`geometry/cell_kernel.py`) is cut into simplices. If an affine form has the values
t_0, ..., t_n at the vertices of a simplex D, then for any g

    integral over D of g(form(x)) dx = |D| integral of g(t) M(t | t_0, ..., t_n) dt,

M the B-spline with these knots and integral 1 (Curry and Schoenberg 1966). M is a polynomial between knots, found by a
recursion whose terms are all positive, so nothing cancels where the t_j nearly agree; the integral is taken by Gauss-Legendre
on pieces. Every value comes with a bound on its error: lemma 12 of docs/exactness.md.
"""

from __future__ import annotations

import math

import numpy as np

from polylc.geometry.cell_kernel import LOST, SLACK, expanded, mistake, proved_vertices
from polylc.geometry.cuts import CutStack, cut_along
from polylc.jit.decorators import rounded
from polylc.network.compose import UNIT

Array = np.ndarray

GAUSSIAN, STRIP, BELOW, MEAN = 0, 1, 2, 3  # exp(-t^2 / 2 p^2); 1 where |t| <= p; 1 where t <= p; t itself
CUT = 8.6  # standard deviations beyond which a density is only bounded
TAIL = 9e-17  # more than exp(-CUT^2 / 2)
QUADRATURE = 1e-14  # error of Gauss-Legendre on one piece, over the B-spline's mass there
MOST_NODES = 16
MOST_SIMPLICES = 1 << 15


def quadrature(n: int) -> tuple[Array, Array, Array]:
    """Nodes and weights by number of nodes, and the largest half width of a piece for which so many are enough.

    On a piece of half width r (in standard deviations) m nodes are exact for the spline, of degree n - 1, times a polynomial of degree
    d = 2 m - n; the density is that close to its Chebyshev interpolant, its derivatives being at most 1.09 sqrt((d + 1)!).
    """
    nodes, weights, reach = np.zeros((MOST_NODES + 1, MOST_NODES)), np.zeros((MOST_NODES + 1, MOST_NODES)), np.zeros(MOST_NODES + 1)
    for m in range(1, MOST_NODES + 1):
        nodes[m, :m], weights[m, :m] = np.polynomial.legendre.leggauss(m)
        d = 2 * m - n
        if d >= 0:
            reach[m] = 2.0 * (0.99 * QUADRATURE / (4.0 * 1.09) * math.sqrt(math.factorial(d + 1))) ** (1.0 / (d + 1))
    return nodes, weights, reach


@rounded
def _spline(n: int, k: Array, q: int, t: float, w: Array) -> float:
    """Density of the B-spline with knots k_0 <= ... <= k_n at t in [k_q, k_{q+1}], times the width of that piece."""
    for i in range(n + 1):
        w[i] = 0.0
    w[q] = 1.0
    for order in range(2, n + 1):
        for i in range(max(0, q - order + 1), min(q, n - order) + 1):
            up = (t - k[i]) * w[i] + (k[i + order] - t) * w[i + 1]
            w[i] = up * order / ((order - 1) * (k[i + order] - k[i]))
    return float(w[0])


@rounded
def _gaussian(n: int, s: Array, k: Array, w: Array, nodes: Array, weights: Array, reach: Array) -> tuple[float, float]:
    """Mean of exp(-x^2 / 2) over a simplex with sorted vertex values s, and a bound on its error; k = s - s_0."""
    base, spread = s[0], k[n]
    if spread <= 1e-7:  # the second derivative is at most 1 in size
        x = base + k[0]
        for i in range(1, n + 1):
            x += k[i] / (n + 1)
        return math.exp(-0.5 * x * x), 1e-14
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
        while reach[m] < r * 1.0000001:
            m += 1
        for p in range(many):
            middle = a + (p + 0.5) * step
            for g in range(m):
                t = middle + r * nodes[m, g]
                x = base + t
                value += weights[m, g] * (r / width) * _spline(n, k, q, t, w) * math.exp(-0.5 * x * x)
        parts += many
    error = QUADRATURE * min(1.0, 2.1 * CUT * n / spread) + TAIL  # the spline is at most n / spread
    shifted = 4.0 * (abs(base) + spread + 10.0) * UNIT
    error += shifted * _steepness(n, spread, shifted) + (parts * 8.0 * n * n + (8.0 * n + 60.0) * value) * UNIT
    return value, error


@rounded
def _steepness(n: int, spread: float, tau: float) -> float:
    """How far the mean of exp(-x^2 / 2) moves at most, over tau, if x moves by at most tau everywhere.

    |g'| is at most exp(-1/2), and its integral 2; the spline's density is at most n / spread.
    """
    return min(0.61, (2.0 + 3.0 * tau) * n / spread) if spread > 0.0 else 0.61


@rounded
def _below(n: int, k: Array, y: float, w: Array, nodes: Array, weights: Array) -> float:
    """Mass of the B-spline below y; Gauss-Legendre is exact, up to rounding of at most 32 n^2 units."""
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
            value += weights[m, g] * (r / (k[q + 1] - k[q])) * _spline(n, k, q, middle + r * nodes[m, g], w)
    return min(value, 1.0)


@rounded
def _share(n: int, s: Array, k: Array, w: Array, low: float, high: float, tau: float, nodes: Array, weights: Array) -> tuple[float, float]:
    """Share of a simplex on which a form, known up to tau, lies in [low, high], and a bound on its error."""
    spread = k[n]
    if s[0] - tau > high or s[n] + tau < low:
        return 0.0, 0.0
    if s[0] - tau >= low and s[n] + tau <= high:
        return 1.0, 0.0
    if not spread > 8.0 * tau:
        return 0.5, 0.5
    value, error = 0.0, 0.0
    slip = 2.0 * tau * n / spread + 64.0 * n * n * UNIT  # the density is at most n / spread
    if s[n] + tau > high:
        value += _below(n, k, high - s[0], w, nodes, weights)
        error += slip
    else:
        value += 1.0
    if s[0] - tau < low:
        value -= _below(n, k, low - s[0], w, nodes, weights)
        error += slip
    value = max(value, 0.0)
    return value, min(error, 1.0)


@rounded
def over_simplices(
    n: int,
    simplices: Array,
    sizes: Array,
    count: int,
    values: Array,
    nv: int,
    tau: float,
    weight: float,
    slip: float,
    kind: int,
    parameter: float,
    nodes: Array,
    weights: Array,
    reach: Array,
    s: Array,
    k: Array,
    w: Array,
) -> tuple[float, float]:
    """The integral of one function of one form over simplices, times a weight known up to `slip`, and a bound on its error.

    ``simplices`` (S, n + 1) are numbers of vertices, ``sizes`` (S, 2) their volumes and errors, ``values`` those of the form at the nv
    vertices, each known up to ``tau``.
    """
    lowest, highest, volume, doubt = values[0], values[0], 0.0, 0.0
    for v in range(1, nv):
        lowest, highest = min(lowest, values[v]), max(highest, values[v])
    far = max(abs(lowest), abs(highest))
    tau = (tau + 8.0 * UNIT * far) * SLACK
    for i in range(count):
        volume += sizes[i, 0]
        doubt += sizes[i, 1]
    volume_doubt = doubt + (count + 2) * UNIT * volume
    largest = volume + volume_doubt
    scale = parameter if kind == GAUSSIAN else 1.0
    if kind == GAUSSIAN and (lowest - tau > CUT * scale or highest + tau < -CUT * scale):
        return 0.0, (weight + slip) * largest * TAIL
    low, high = -math.inf, parameter
    if kind == STRIP:
        low = -parameter
    if kind in (STRIP, BELOW):
        if lowest - tau > high or highest + tau < low:
            return 0.0, 0.0
        if lowest - tau >= low and highest + tau <= high:
            return weight * volume, (weight * volume_doubt + slip * largest + 4.0 * UNIT * weight * volume) * SLACK
    value, error, sums = 0.0, 0.0, 0.0
    for i in range(count):
        for j in range(n + 1):
            t = values[simplices[i, j]] / scale
            at = j
            while at > 0 and s[at - 1] > t:
                s[at] = s[at - 1]
                at -= 1
            s[at] = t
        for j in range(n + 1):
            k[j] = s[j] - s[0]
        if kind == GAUSSIAN:
            mean, wrong = _gaussian(n, s, k, w, nodes, weights, reach)
            wrong += tau / scale * _steepness(n, k[n], tau / scale)
        elif kind == MEAN:
            mean, wrong = s[0], tau + 4.0 * (n + 2) * UNIT * far
            for j in range(1, n + 1):
                mean += k[j] / (n + 1)
        else:
            mean, wrong = _share(n, s, k, w, low, high, tau, nodes, weights)
        value += sizes[i, 0] * mean
        sums += sizes[i, 0] * abs(mean)
        error += sizes[i, 1] * (abs(mean) + wrong) + sizes[i, 0] * wrong
    error = (error + (count + 4) * UNIT * sums) * SLACK
    return weight * value, (weight * error + slip * (sums + error) + 4.0 * UNIT * weight * sums) * SLACK


@rounded
def _determinant(M: Array, size: int, Q: Array) -> float:
    if size <= 5:
        return float(expanded(M, size))
    total = 0.0
    for c in range(size):
        for i in range(size - 1):
            for j in range(size - 1):
                Q[i, j] = M[i + 1, j if j < c else j + 1]
        term = M[0, c] * expanded(Q, size - 1)
        total += -term if c & 1 else term
    return total


@rounded
def _on(n: int, F: Array, v: int, facet: int) -> bool:
    for j in range(n):
        if F[v, j] == facet:
            return True
    return False


@rounded
def _triangulate(
    n: int,
    X: Array,
    F: Array,
    nv: int,
    D: Array,
    members: Array,
    size: Array,
    apex: Array,
    todo: Array,
    many: Array,
    M: Array,
    Q: Array,
    slips: Array,
    lengths: Array,
    simplices: Array,
    sizes: Array,
) -> int:
    """The pulled triangulation of a simple cell: vertices, volumes and their errors; the number of simplices, or -1."""
    factorial = 1.0
    for d in range(2, n + 1):
        factorial *= d
    count = 0
    size[0] = nv
    for v in range(nv):
        members[0, v] = v
    level = 0
    entering = True
    while level >= 0:
        if entering:
            apex[level] = members[level, 0]
            many[level] = 0
            if level == n:
                if count >= len(simplices):
                    return -1
                for r in range(n):
                    largest, length = 0.0, 0.0
                    for j in range(n):
                        M[r, j] = X[apex[r + 1], j] - X[apex[0], j]
                        largest = max(largest, abs(M[r, j]))
                        length += abs(M[r, j])
                    slips[r] = D[apex[0]] + D[apex[r + 1]] + 2.0 * UNIT * largest
                    lengths[r] = length + n * slips[r]
                for r in range(n + 1):
                    simplices[count, r] = apex[r]
                value = abs(_determinant(M, n, Q)) / factorial
                sizes[count, 0] = value
                sizes[count, 1] = (mistake(M, n, slips, lengths, Q) / factorial + 4.0 * UNIT * value) * SLACK
                count += 1
                level -= 1
                entering = False
                continue
            for q in range(1, size[level]):
                v = members[level, q]
                for j in range(n):
                    g = F[v, j]
                    if _on(n, F, apex[level], g):
                        continue
                    seen = False
                    for i in range(many[level]):
                        if todo[level, i] == g:
                            seen = True
                            break
                    if not seen:
                        todo[level, many[level]] = g
                        many[level] += 1
            entering = False
        if many[level] == 0:
            level -= 1
            continue
        many[level] -= 1
        g = todo[level, many[level]]
        size[level + 1] = 0
        for q in range(size[level]):
            v = members[level, q]
            if _on(n, F, v, g):
                members[level + 1, size[level + 1]] = v
                size[level + 1] += 1
        if size[level + 1] > 0:
            level += 1
            entering = True
    return count


@rounded
def integrals(
    n: int,
    starts: Array,
    rows: Array,
    noise: Array,
    forms: Array,
    forms_noise: Array,
    weight: Array,
    slip: Array,
    kinds: Array,
    parameters: Array,
    nodes: Array,
    weights: Array,
    reach: Array,
    stack: CutStack,
    value: Array,
    error: Array,
    ok: Array,
) -> None:
    """Sums over forms of weighted integrals over each cell, and bounds on their errors; shapes (R, Q).

    The cell r is cut from the cube by rows[starts[r]:starts[r + 1]], as in `bounded_cells`; ``forms`` (R, N, n + 1) are functions on it
    that err by ``forms_noise`` (R, N) at most, with weights (R, N) >= 0 that err by ``slip``. ``ok`` is false where nothing is proved.
    """
    cap = len(stack.value)
    at, D = np.empty(cap), np.empty(cap)
    members, size, apex = np.empty((n + 2, cap), np.int64), np.zeros(n + 2, np.int64), np.zeros(n + 2, np.int64)
    M, A, W, B, far = np.empty((n, n)), np.empty((n, n + 1)), np.empty((n, n)), np.empty((n, n)), np.empty((3, n + 1))
    Q, slips, lengths = np.empty((n, n)), np.empty(n), np.empty(n)
    simplices, sizes = np.empty((MOST_SIMPLICES, n + 1), np.int64), np.empty((MOST_SIMPLICES, 2))
    s, k, w = np.empty(n + 1), np.empty(n + 1), np.empty(n + 2)
    most = 2 * n
    for r in range(len(starts) - 1):
        most = max(most, 2 * n + starts[r + 1] - starts[r])
    todo, many = np.empty((n + 2, most), np.int64), np.zeros(n + 2, np.int64)
    unit = 4.0 * (n + 2) * UNIT
    for r in range(len(starts) - 1):
        begin, end = starts[r], starts[r + 1]
        ok[r] = False
        if not cut_along(n, stack, rows, starts[max(r - 1, 0)], begin, end):
            continue
        top, nv = stack.at[stack.level[0]], stack.size[stack.level[0]]
        X, F, NB = stack.X[top : top + nv], stack.F[top : top + nv], stack.NB[top : top + nv]
        if not proved_vertices(n, X, F, NB, nv, D, rows, noise, begin, end, A, W, B, far):
            continue
        count = _triangulate(n, X, F, nv, D, members, size, apex, todo, many, M, Q, slips, lengths, simplices, sizes)
        if count < 0:
            continue
        ok[r] = True
        for f in range(forms.shape[1]):
            if weight[r, f] == 0.0 and slip[r, f] == 0.0:
                continue
            steep, tau = 0.0, 0.0
            for j in range(n):
                steep += abs(forms[r, f, j])
            for v in range(nv):
                z = forms[r, f, n]
                for j in range(n):
                    z += forms[r, f, j] * X[v, j]
                at[v] = z
                tau = max(tau, D[v] * steep)
            tau = (tau + forms_noise[r, f] + unit * (steep + abs(forms[r, f, n]))) * SLACK + LOST
            for q in range(len(kinds)):
                part, wrong = over_simplices(
                    n,
                    simplices,
                    sizes,
                    count,
                    at,
                    nv,
                    tau,
                    weight[r, f],
                    slip[r, f],
                    kinds[q],
                    parameters[q],
                    nodes,
                    weights,
                    reach,
                    s,
                    k,
                    w,
                )
                value[r, q] += part
                error[r, q] += wrong
        for q in range(len(kinds)):
            error[r, q] = (error[r, q] + (forms.shape[1] + 4) * UNIT * abs(value[r, q])) * SLACK
