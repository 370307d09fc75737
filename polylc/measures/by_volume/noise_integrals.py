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
from polylc.geometry.proved_vertices import ERROR, VALUE, Corners, Meeting, corners_in, meeting_in, proved_vertices
from polylc.geometry.triangulation import Walk, begin_cell, next_simplex, walk_for
from polylc.geometry.vertex_lanes import SLACK
from polylc.jit.decorators import inlined, kernel
from polylc.measures.by_volume.spline_means import (
    CUT,
    TAIL,
    Knots,
    Quadrature,
    gaussian_mean,
    knots_for,
    share_between,
    sort_knots,
    steepness,
)
from polylc.network.compose import UNIT

Array = np.ndarray

GAUSSIAN, STRIP, BELOW, MEAN = 0, 1, 2, 3  # exp(-t^2 / 2 p^2); 1 where |t| <= p; 1 where t <= p; t itself
MOST_SIMPLICES = 1 << 15
LOST = 1e-300  # more than all underflows of a form's value


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


class Room(NamedTuple):
    """Room to work in."""

    at: Array  # (most vertices,) values of a form
    corners: Corners
    meeting: Meeting
    walk: Walk
    simplices: Simplices
    knots: Knots


def room(n: int, vertices: int, starts: Array) -> Room:
    """Room for cells of half-spaces starts[r]:starts[r + 1] in dimension n, of so many vertices at most."""
    vertex, size = np.empty((MOST_SIMPLICES, n + 1), dtype=np.int64), np.empty((MOST_SIMPLICES, 2))
    simplices = Simplices(vertex, size, np.zeros(1, dtype=np.int64))
    corners, meeting, walk = corners_in(n, vertices, starts), meeting_in(n, starts), walk_for(n, vertices, starts)
    return Room(np.empty(vertices), corners, meeting, walk, simplices, knots_for(n))


class Sums(NamedTuple):
    """What is found of each cell."""

    value: Array  # (R, Q)
    error: Array  # (R, Q)
    ok: Array  # (R,) false where nothing is proved


@kernel
def _volume(simplices: Simplices) -> tuple[float, float]:
    volume, doubt = 0.0, 0.0
    count = simplices.many[0]
    for i in range(count):
        volume += simplices.size[i, VALUE]
        doubt += simplices.size[i, ERROR]
    return volume, doubt + (count + 2) * UNIT * volume


@kernel
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


@inlined
def _size(corners: Corners, many: int, walk: Walk, n: int) -> tuple[float, float]:
    """The volume of the simplex at which a walk stands, and a bound on its error: the weight of its last vertex times
    what the half-space of each face on the way is worth at the apex before it, over n! (lemma 10)."""
    value, error = corners.weight[walk.apex[n], VALUE], corners.weight[walk.apex[n], ERROR]
    for d in range(1, n + 1):
        apex, h, wrong = walk.apex[n - d], 0.0, 0.0
        if d == 1:  # of the last vertex's half-spaces, the one that the other end of the edge is not on
            for j in range(n):
                q = apex * many + corners.columns[walk.apex[n], j]
                h, wrong = max(h, corners.height[q]), max(wrong, corners.doubt[q])
        else:
            facet = walk.number[walk.to_come[n - d] - 1]
            q = apex * many + (facet + 2 * n if facet >= 0 else -1 - facet)
            h, wrong = corners.height[q], corners.doubt[q]
        error = (h * error + wrong * (value + error)) / d
        value *= h / d
    return value, (error + 4.0 * (n + 1) * UNIT * value) * SLACK


@kernel
def _triangulate(cell: Skeleton, corners: Corners, many: int, walk: Walk, simplices: Simplices) -> bool:
    """The pulled triangulation of a proved cell; False if it has too many simplices."""
    n, count = cell.X.shape[1], 0
    begin_cell(cell.F, walk)
    while next_simplex(walk, n):
        if count >= len(simplices.vertex):
            return False
        for r in range(n + 1):
            simplices.vertex[count, r] = walk.apex[r]
        simplices.size[count, VALUE], simplices.size[count, ERROR] = _size(corners, many, walk, n)
        count += 1
    simplices.many[0] = count
    return True


@kernel
def _values(cell: Skeleton, errors: Array, form: Array, noise: float, at: Array) -> float:
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
        tau = max(tau, errors[v] * steep)
    return float((tau + noise + 4.0 * (n + 2) * UNIT * (steep + abs(form[n]))) * SLACK + LOST)


@kernel
def integrals(starts: Array, rows: Array, noise: Array, functions: Weighted, rule: Quadrature, stack: CutStack, sums: Sums, room: Room) -> None:
    """Sums over forms of weighted integrals over each cell, and bounds on their errors; all zero before.

    The cell r is cut from the cube by rows[starts[r]:starts[r + 1]], as in `bounded_cells`.
    """
    value, error, corners = sums.value, sums.error, room.corners
    n, many, kinds = rows.shape[1] - 1, functions.form.shape[1], len(functions.kind)
    for r in range(len(starts) - 1):
        begin, end = starts[r], starts[r + 1]
        sums.ok[r] = False
        if not cut_along(stack, rows, starts[max(r - 1, 0)], begin, end):
            continue
        cell = top_of(stack)
        if not proved_vertices(cell, corners, rows, noise, begin, end, room.meeting):
            continue
        if not _triangulate(cell, corners, 2 * n + end - begin, room.walk, room.simplices):
            continue
        sums.ok[r] = True
        values = room.at[: len(cell.X)]
        for f in range(many):
            weight = functions.weight[r, f], functions.slip[r, f]
            if weight[VALUE] == 0.0 and weight[ERROR] == 0.0:
                continue
            tau = _values(cell, corners.error, functions.form[r, f], functions.noise[r, f], values)
            for q in range(kinds):
                kind, parameter = functions.kind[q], functions.parameter[q]
                part, wrong = over_simplices(room.simplices, values, tau, weight, kind, parameter, rule, room.knots)
                value[r, q] += part
                error[r, q] += wrong
        for q in range(kinds):
            error[r, q] = (error[r, q] + (many + 4) * UNIT * abs(value[r, q])) * SLACK
