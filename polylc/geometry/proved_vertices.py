"""Vertices that are certainly those of a cell: a proof, in doubles, that a skeleton in floating point is the true one.

In: a cell of the cube [-1, 1]^n, cut by half-spaces known up to rounding, and a skeleton that proposes n half-spaces
for each vertex. Out: the vertices moved onto those, and how far each may still be from the true one. Lemmas 8 and 9 of
docs/exactness.md.

Invariant: where `proved_vertices` says yes, these are all vertices of the cell, each on its own n half-spaces and on no
other; from then on facets and triangulations are combinatorics.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.geometry.cuts import Skeleton
from polylc.geometry.small_inverse import by_elimination
from polylc.geometry.vertex_lanes import (
    LANES,
    MOST,
    MOST_ALPHA,
    MOST_DOUBT,
    OFF,
    SLACK,
    TOGETHER,
    WEIGHT,
    WRONG,
    HalfSpaces,
    coordinate,
    fill,
    lanes_in,
    meet,
    result,
)
from polylc.jit.decorators import inlined, kernel
from polylc.network.compose import UNIT
from polylc.network.patterns import words

Array = np.ndarray
INDEX = np.uint32  # numba does not look whether an unsigned index counts from the end
VALUE, ERROR = 0, 1  # the two places of what is known up to a bound


class Meeting(NamedTuple):
    """The n hyperplanes of a vertex and room for their common point; and all half-spaces of the cell."""

    A: Array  # (n, n + 1) half-spaces
    B: Array  # (n, n) an approximate inverse of their gradients
    W: Array  # (n, n) room
    lanes: Array  # room for several vertices at once
    noise: Array  # (n,) errors of the half-spaces
    length: Array  # (n,) sums of the absolute values of their gradients, or a little more
    doubt: Array  # (n,) what their computed values may err by
    residual: Array  # (n,) their values at the vertex
    of: HalfSpaces  # all of the cell
    form: Array  # (n + 1, columns) their rows, one coefficient behind the other


class Corners(NamedTuple):
    """What is known of proved vertices."""

    columns: Array  # (vertices, n) the half-spaces each lies on
    error: Array  # (vertices,) of their coordinates
    # (vertices columns,) values of all half-spaces of the cell at one vertex after the other; 0 for a vertex's own n
    height: Array
    doubt: Array  # (vertices columns,) bounds on their errors
    own: Array  # (vertices, words) its own n, packed
    weight: Array  # (vertices, 2) 1 / |det| of the gradients of its own n, and a bound on its error


def meeting_in(n: int, starts: Array) -> Meeting:
    """Room in dimension n, for cells of half-spaces starts[r]:starts[r + 1]."""
    columns = columns_in(n, starts)
    noise, length, doubt, residual = np.empty((4, n))
    error, least, steep = np.zeros(columns), np.full(columns, 4.0 * UNIT), np.ones(columns)
    form = np.zeros((n + 1, columns))
    for j in range(n):
        form[j, 2 * j], form[j, 2 * j + 1] = 1.0, -1.0
    form[n, : 2 * n] = 1.0
    A, B, W = np.empty((n, n + 1)), np.empty((n, n)), np.empty((n, n))
    return Meeting(A, B, W, lanes_in(n), noise, length, doubt, residual, HalfSpaces(np.ascontiguousarray(form.T), error, least, steep), form)


def columns_in(n: int, starts: Array) -> int:
    """How many half-spaces the largest of these cells has, faces of the cube among them."""
    return 2 * n + int(np.diff(starts).max(initial=0))


def corners_in(n: int, vertices: int, starts: Array) -> Corners:
    """Room for so many vertices of such cells."""
    columns = columns_in(n, starts)
    height, doubt = np.empty((2, vertices * columns))
    own = np.empty((vertices, words(columns)), dtype=np.uint64)
    return Corners(np.empty((vertices, n), dtype=INDEX), np.empty(vertices), height, doubt, own, np.empty((vertices, 2)))


@kernel
def _take(meeting: Meeting, rows: Array, noise: Array, begin: int, end: int) -> None:
    """Take the half-spaces of a cell.

    At a point of the cube that errs by at most d in each coordinate, a half-space whose computed value exceeds
    `least` + d `steep` is strict at the true point: |x_j| <= 1 in the bound on rounding.
    """
    n = rows.shape[1] - 1
    unit = 2.0 * (n + 2) * UNIT
    for e in range(begin, end):
        q, steep = 2 * n + e - begin, 0.0
        for j in range(n):
            meeting.form[j, q] = meeting.of.row[q, j] = rows[e, j]
            steep += abs(rows[e, j])
        meeting.form[n, q] = meeting.of.row[q, n] = rows[e, n]
        meeting.of.error[q] = noise[e]
        meeting.of.least[q] = (noise[e] + unit * (abs(rows[e, n]) + steep)) * SLACK
        meeting.of.steep[q] = steep * SLACK


@inlined
def _contraction(n: int, meeting: Meeting) -> float:
    """The alpha of lemma 8, from above, for any B."""
    A, B = meeting.A, meeting.B
    unit = 2.0 * (n + 2) * UNIT  # lemma 1, and for the rounding of what it is multiplied by
    alpha = 0.0
    for i in range(n):
        total, size = 0.0, 1.0 * n
        for j in range(n):
            s = 0.0
            for p in range(n):
                s += B[i, p] * A[p, j]
            total += abs(s - 1.0 if i == j else s)
        for p in range(n):
            size += abs(B[i, p]) * meeting.length[p]
            total += abs(B[i, p]) * meeting.noise[p]
        alpha = max(alpha, total + unit * size)
    return alpha


@inlined
def _newton(n: int, x: Array, columns: Array, meeting: Meeting) -> None:
    """Move a vertex by one Newton step toward the common point of its hyperplanes, and exactly onto the faces of the
    cube among them."""
    A, B, residual = meeting.A, meeting.B, meeting.residual
    for i in range(n):
        z = A[i, n]
        for j in range(n):
            z += A[i, j] * x[j]
        residual[i] = z
    for i in range(n):
        step = 0.0
        for p in range(n):
            step += B[i, p] * residual[p]
        x[i] = min(1.0, max(-1.0, x[i] - step))
    for i in range(n):
        if columns[i] < 2 * n:
            x[columns[i] >> 1] = 1.0 if columns[i] & 1 else -1.0


@inlined
def _one(x: Array, columns: Array, meeting: Meeting, weight: Array) -> float:
    """Move a vertex next to the common point of its hyperplanes; how far it may still be from there in any coordinate,
    or -1 (lemma 8). Its weight (lemma 10). By elimination, for any n.
    """
    n, A, B, residual = len(x), meeting.A, meeting.B, meeting.residual
    for i in range(n):
        q = columns[i]
        for j in range(n + 1):
            A[i, j] = meeting.of.row[q, j]
        meeting.noise[i], meeting.length[i], meeting.doubt[i] = meeting.of.error[q], meeting.of.steep[q], meeting.of.least[q]
    determinant, backward = by_elimination(n, A, B, meeting.W)
    if determinant == 0.0:
        return -1.0
    alpha, doubt, moved = _contraction(n, meeting), 2.0 * (n + 1) * UNIT, 0.0
    for p in range(n):  # the beta of lemma 10: no less than any sum over p of |B_ip| times what row p may err by
        largest = 0.0
        for i in range(n):
            largest = max(largest, abs(B[i, p]))
        moved += largest * (meeting.noise[p] + backward)
    if not (alpha < MOST_ALPHA and 2.0 * moved + doubt < MOST_DOUBT):
        return -1.0
    value = 1.0 / determinant
    weight[VALUE], weight[ERROR] = value, value * (2.0 * (moved + doubt + UNIT)) * SLACK
    _newton(n, x, columns, meeting)
    for i in range(n):
        z = A[i, n]
        for j in range(n):
            z += A[i, j] * x[j]
        residual[i] = 0.0 if columns[i] < 2 * n else abs(z) + meeting.doubt[i]
    worst = 0.0
    for i in range(n):
        total = 0.0
        for p in range(n):
            total += abs(B[i, p]) * residual[p]
        worst = max(worst, total)
    return float(worst / (1.0 - alpha * SLACK) * SLACK)


@inlined
def _several(n: int, X: Array, columns: Array, meeting: Meeting, error: Array, weight: Array) -> None:
    """As `_one`, of many vertices in dimension n, which callers write as a constant. What lanes do not prove is left as
    it was, with an error of -1."""
    W, count = meeting.lanes, len(X)
    for begin in range(0, count, LANES):
        many = min(LANES, count - begin)
        for v in range(many):
            fill(n, W, v, X[begin + v], columns[begin + v], meeting.of)
        meet(n, W, (many + TOGETHER - 1) // TOGETHER)
        for v in range(many):
            error[begin + v] = result(n, W, v, OFF)
            if error[begin + v] >= 0.0:
                weight[begin + v, VALUE], weight[begin + v, ERROR] = result(n, W, v, WEIGHT), result(n, W, v, WRONG)
                for j in range(n):
                    X[begin + v, j] = coordinate(n, W, v, j)


@inlined
def _place(X: Array, columns: Array, meeting: Meeting, error: Array, weight: Array) -> bool:
    """Move all vertices; whether all are proved."""
    n = X.shape[1]
    if n == 1:
        _several(1, X, columns, meeting, error, weight)
    elif n == 2:
        _several(2, X, columns, meeting, error, weight)
    elif n == 3:
        _several(3, X, columns, meeting, error, weight)
    elif n == 4:
        _several(4, X, columns, meeting, error, weight)
    elif n == 5:
        _several(5, X, columns, meeting, error, weight)
    for v in range(len(X)):
        if n > MOST or not error[v] >= 0.0:
            error[v] = _one(X[v], columns[v], meeting, weight[v])
            if not error[v] >= 0.0:
                return False
    return True


@inlined
def _is_alone(x: Array, columns: Array, error: float, many: int, meeting: Meeting, height: Array, doubt: Array) -> bool:
    """Whether a vertex is certainly inside all half-spaces of the cell but those it was placed on; its values in them,
    and their errors."""
    n, strict = len(x), 0
    for q in range(many):
        height[q] = meeting.form[n, q]
    for j in range(n):
        row, at = meeting.form[j], x[j]
        for q in range(many):
            height[q] += at * row[q]
    for q in range(many):
        doubt[q] = meeting.of.least[q] + error * meeting.of.steep[q]
    for i in range(n):  # its own are exactly zero
        height[columns[i]], doubt[columns[i]] = 1.0, 0.0
    for q in range(many):
        strict += height[q] > doubt[q]
    for i in range(n):
        height[columns[i]] = 0.0
    return bool(strict == many)


@kernel
def proved_vertices(cell: Skeleton, corners: Corners, rows: Array, noise: Array, begin: int, end: int, meeting: Meeting) -> bool:
    """Whether the proposed vertices are certainly all vertices of the cell of rows[begin:end], each on its n
    half-spaces alone (lemma 9).

    Moves the vertices, and fills `corners`.
    """
    X, F, NB, columns, own = cell.X, cell.F, cell.NB, corners.columns, corners.own
    n, one = X.shape[1], np.uint64(1)
    many = 2 * n + end - begin
    _take(meeting, rows, noise, begin, end)
    for v in range(len(X)):
        for w in range(own.shape[1]):
            own[v, w] = 0
        for k in range(n):
            q = F[v, k] + 2 * n if F[v, k] >= 0 else -1 - F[v, k]
            columns[v, k] = q
            own[v, q >> 6] |= one << np.uint64(q & 63)
    if not _place(X, columns[: len(X)], meeting, corners.error, corners.weight):
        return False
    for v in range(len(X)):
        here = slice(v * many, (v + 1) * many)
        if not _is_alone(X[v], columns[v], corners.error[v], many, meeting, corners.height[here], corners.doubt[here]):
            return False
    for v in range(len(X)):
        for k in range(n):
            q, other = np.int64(columns[v, k]), NB[v, k]
            for w in range(own.shape[1]):
                left = one << np.uint64(q & 63) if w == q >> 6 else np.uint64(0)
                if own[v, w] & ~own[other, w] != left:  # the neighbour has all but the one that is left
                    return False
    return True
