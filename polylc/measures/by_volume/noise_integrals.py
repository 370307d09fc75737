"""Integrals over cells of functions of affine forms, compiled: densities of noise, strips, half-spaces, means.

In: half-spaces of cells and affine forms on them, both known up to rounding. Out: integrals, each with a bound on its
error, or that a cell is not proved. A cell in doubles with proved vertices (`geometry/proved_vertices.py`) is cut into
simplices; the mean over each is that of `spline_means.py`.

Invariant: every bound takes up the errors of what it is made of, those of vertices, volumes, forms and weights
(docs/exactness.md, lemmas 8 to 12).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from polylc.geometry.cuts import CutStack, Skeleton, cut_along, top_of
from polylc.geometry.determinants import LOST, SLACK, Edges, determinant, edges_for, mistake, set_edges
from polylc.geometry.proved_vertices import meeting_in, proved_vertices
from polylc.geometry.triangulation import Walk, begin_cell, next_simplex, walk_for
from polylc.jit.decorators import rounded
from polylc.measures.by_volume.spline_means import CUT, TAIL, Knots, Quadrature, gaussian_mean, share_between, sort_knots, steepness
from polylc.network.compose import UNIT

Array = np.ndarray

GAUSSIAN, STRIP, BELOW, MEAN = 0, 1, 2, 3  # exp(-t^2 / 2 p^2); 1 where |t| <= p; 1 where t <= p; t itself
MOST_SIMPLICES = 1 << 15
VALUE, ERROR = 0, 1  # the two places of a size that is known up to a bound


class Simplices(NamedTuple):
    """A triangulation."""

    vertex: Array  # (most, n + 1)
    size: Array  # (most, 2) volumes and their errors
    many: Array  # (1,) how many there are


class Weighted(NamedTuple):
    """Affine forms on each cell, and the functions of them that are integrated."""

    form: Array  # (R, N, n + 1)
    noise: Array  # (R, N) bound on the errors of a form
    weight: Array  # (R, N) >= 0
    slip: Array  # (R, N) and their errors
    kind: Array  # (Q,) GAUSSIAN, ...
    parameter: Array  # (Q,)


@rounded
def _volume(simplices: Simplices) -> tuple[float, float]:
    volume, doubt = 0.0, 0.0
    count = simplices.many[0]
    for i in range(count):
        volume += simplices.size[i, VALUE]
        doubt += simplices.size[i, ERROR]
    return volume, doubt + (count + 2) * UNIT * volume


@rounded
def over_simplices(
    simplices: Simplices,
    values: Array,
    tau: float,
    weight: tuple[float, float],
    kind: int,
    parameter: float,
    rule: Quadrature,
    knots: Knots,
) -> tuple[float, float]:
    """The integral of one function of one form over simplices, times a weight, and a bound on its error.

    Parameters
    ----------
    values : ndarray, shape (vertices,)
        Of the form, each known up to `tau`.
    weight
        Value and bound on its error.
    """
    lowest, highest = values[0], values[0]
    for v in range(1, len(values)):
        lowest, highest = min(lowest, values[v]), max(highest, values[v])
    far = max(abs(lowest), abs(highest))
    tau = (tau + 8.0 * UNIT * far) * SLACK
    factor, slip = weight
    volume, volume_doubt = _volume(simplices)
    largest = volume + volume_doubt
    scale = parameter if kind == GAUSSIAN else 1.0
    if kind == GAUSSIAN and (lowest - tau > CUT * scale or highest + tau < -CUT * scale):
        return 0.0, (factor + slip) * largest * TAIL
    low, high = -parameter if kind == STRIP else -math.inf, parameter
    if kind in (STRIP, BELOW):
        if lowest - tau > high or highest + tau < low:
            return 0.0, 0.0
        if lowest - tau >= low and highest + tau <= high:
            return factor * volume, (factor * volume_doubt + slip * largest + 4.0 * UNIT * factor * volume) * SLACK
    n, count = len(knots.knot) - 1, simplices.many[0]
    value, error, sums = 0.0, 0.0, 0.0
    for i in range(count):
        sort_knots(simplices.vertex[i], values, scale, knots)
        if kind == GAUSSIAN:
            mean, wrong = gaussian_mean(knots, rule)
            wrong += tau / scale * steepness(n, knots.knot[n], tau / scale)
        elif kind == MEAN:
            mean, wrong = knots.value[0], tau + 4.0 * (n + 2) * UNIT * far
            for j in range(1, n + 1):
                mean += knots.knot[j] / (n + 1)
        else:
            mean, wrong = share_between(knots, low, high, tau, rule)
        size, doubt = simplices.size[i, VALUE], simplices.size[i, ERROR]
        value += size * mean
        sums += size * abs(mean)
        error += doubt * (abs(mean) + wrong) + size * wrong
    error = (error + (count + 4) * UNIT * sums) * SLACK
    return factor * value, (factor * error + slip * (sums + error) + 4.0 * UNIT * factor * sums) * SLACK


@rounded
def _triangulate(cell: Skeleton, D: Array, walk: Walk, edges: Edges, simplices: Simplices) -> bool:
    """The pulled triangulation of a proved cell; False if it has too many simplices."""
    n = cell.X.shape[1]
    factorial = 1.0
    for d in range(2, n + 1):
        factorial *= d
    count = 0
    begin_cell(cell.F, walk)
    while next_simplex(cell.F, walk, n):
        if count >= len(simplices.vertex):
            return False
        set_edges(cell.X, D, walk.apex, n, -1, edges)
        for r in range(n + 1):
            simplices.vertex[count, r] = walk.apex[r]
        value = abs(determinant(edges, n)) / factorial
        simplices.size[count, VALUE] = value
        simplices.size[count, ERROR] = (mistake(edges, n) / factorial + 4.0 * UNIT * value) * SLACK
        count += 1
    simplices.many[0] = count
    return True


@rounded
def _values(cell: Skeleton, D: Array, form: Array, noise: float, at: Array) -> float:
    """Values of a form at the vertices; how far those at the true vertices may be from them."""
    n = cell.X.shape[1]
    steep, tau = 0.0, 0.0
    for j in range(n):
        steep += abs(form[j])
    for v in range(len(cell.X)):
        z = form[n]
        for j in range(n):
            z += form[j] * cell.X[v, j]
        at[v] = z
        tau = max(tau, D[v] * steep)
    return float((tau + noise + 4.0 * (n + 2) * UNIT * (steep + abs(form[n]))) * SLACK + LOST)


@rounded
def integrals(
    starts: Array, rows: Array, noise: Array, functions: Weighted, rule: Quadrature, stack: CutStack, value: Array, error: Array, ok: Array
) -> None:
    """Sums over forms of weighted integrals over each cell, and bounds on their errors; shapes (R, Q).

    The cell r is cut from the cube by rows[starts[r]:starts[r + 1]], as in `bounded_cells`. `ok` is false where nothing
    is proved.
    """
    n, many = rows.shape[1] - 1, functions.form.shape[1]
    at, D = np.empty(len(stack.value)), np.empty(len(stack.value))
    edges, meeting, walk = edges_for(n), meeting_in(n), walk_for(n, len(stack.value), starts)
    simplices = Simplices(np.empty((MOST_SIMPLICES, n + 1), np.int64), np.empty((MOST_SIMPLICES, 2)), np.zeros(1, np.int64))
    knots = Knots(np.empty(n + 1), np.empty(n + 1), np.empty(n + 2))  # as `knots_for`, which is not compiled
    for r in range(len(starts) - 1):
        begin, end = starts[r], starts[r + 1]
        ok[r] = False
        if not cut_along(stack, rows, starts[max(r - 1, 0)], begin, end):
            continue
        cell = top_of(stack)
        if not (proved_vertices(cell, D, rows, noise, begin, end, meeting) and _triangulate(cell, D, walk, edges, simplices)):
            continue
        ok[r] = True
        values = at[: len(cell.X)]
        for f in range(many):
            weight = functions.weight[r, f], functions.slip[r, f]
            if weight[VALUE] == 0.0 and weight[ERROR] == 0.0:
                continue
            tau = _values(cell, D, functions.form[r, f], functions.noise[r, f], values)
            for q in range(len(functions.kind)):
                part, wrong = over_simplices(simplices, values, tau, weight, functions.kind[q], functions.parameter[q], rule, knots)
                value[r, q] += part
                error[r, q] += wrong
        for q in range(len(functions.kind)):
            error[r, q] = (error[r, q] + (many + 4) * UNIT * abs(value[r, q])) * SLACK
