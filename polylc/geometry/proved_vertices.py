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

from polylc.geometry.cuts import Skeleton, has
from polylc.geometry.determinants import SLACK
from polylc.jit.decorators import kernel
from polylc.network.compose import UNIT

Array = np.ndarray
MOST_ALPHA = 0.25  # lemma 8 needs less than 1; what is farther off than this is better done in rationals
LEAST_PIVOT = 1e-100  # of an inverse that is only proposed; lemma 8 tests it, so this proves nothing


class Meeting(NamedTuple):
    """The n hyperplanes of a vertex, and room for their common point."""

    A: Array  # (n, n + 1) half-spaces
    B: Array  # (n, n) an approximate inverse of their gradients
    W: Array  # (n, n) room
    noise: Array  # (n,) errors of the half-spaces
    residual: Array  # (n,) their values at the vertex


def meeting_in(n: int) -> Meeting:
    """Room in dimension n."""
    return Meeting(np.empty((n, n + 1)), np.empty((n, n)), np.empty((n, n)), np.empty(n), np.empty(n))


@kernel
def _form(facet: int, rows: Array, begin: int, out: Array) -> int:
    """The half-space of a facet as (a, c), and its path entry or -1 for a face of the cube."""
    n = rows.shape[1] - 1
    if facet >= 0:
        for j in range(n + 1):
            out[j] = rows[begin + facet, j]
        return begin + facet
    for j in range(n):
        out[j] = 0.0
    at = -facet - 1
    out[at >> 1] = -1.0 if at & 1 else 1.0
    out[n] = 1.0
    return -1


@kernel
def _invert(meeting: Meeting) -> bool:
    """B = approximate inverse of A by Gauss-Jordan elimination; W is scratch."""
    A, B, W = meeting.A, meeting.B, meeting.W
    n = len(A)
    for i in range(n):
        for j in range(n):
            W[i, j] = A[i, j]
            B[i, j] = 1.0 if i == j else 0.0
    for c in range(n):
        pivot = c
        for r in range(c + 1, n):
            if abs(W[r, c]) > abs(W[pivot, c]):
                pivot = r
        if not abs(W[pivot, c]) > LEAST_PIVOT:
            return False
        if pivot != c:
            for k in range(n):
                W[c, k], W[pivot, k] = W[pivot, k], W[c, k]
                B[c, k], B[pivot, k] = B[pivot, k], B[c, k]
        scale = 1.0 / W[c, c]
        for k in range(n):
            W[c, k] *= scale
            B[c, k] *= scale
        for r in range(n):
            factor = W[r, c]
            if r != c and factor != 0.0:
                for k in range(n):
                    W[r, k] -= factor * W[c, k]
                    B[r, k] -= factor * B[c, k]
    return True


@kernel
def _contraction(meeting: Meeting, unit: float) -> float:
    """The alpha of lemma 8, from above."""
    A, B = meeting.A, meeting.B
    n = len(A)
    alpha = 0.0
    for i in range(n):
        total = 0.0
        for j in range(n):
            s, size = 0.0, 0.0
            for p in range(n):
                s += B[i, p] * A[p, j]
                size += abs(B[i, p] * A[p, j])
            total += abs(s - 1.0 if i == j else s) + unit * (size + 1.0)
        for p in range(n):
            total += abs(B[i, p]) * meeting.noise[p]
        alpha = max(alpha, total)
    return alpha


@kernel
def _newton(x: Array, facets: Array, meeting: Meeting) -> None:
    """Move a vertex by one Newton step toward the common point of its hyperplanes, and exactly onto the faces of the
    cube among them."""
    A, B, residual = meeting.A, meeting.B, meeting.residual
    n = len(x)
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
        if facets[i] < 0:
            at = -facets[i] - 1
            x[at >> 1] = 1.0 if at & 1 else -1.0


@kernel
def _vertex(x: Array, facets: Array, rows: Array, noise: Array, begin: int, meeting: Meeting) -> float:
    """Move a vertex next to the common point of its hyperplanes; how far it may still be from there in any coordinate,
    or -1 (lemma 8)."""
    A, B, residual = meeting.A, meeting.B, meeting.residual
    n = len(x)
    for i in range(n):
        entry = _form(facets[i], rows, begin, A[i])
        meeting.noise[i] = 0.0 if entry < 0 else noise[entry]
    if not _invert(meeting):
        return -1.0
    unit = 4.0 * (n + 2) * UNIT  # lemma 1, twice
    alpha = _contraction(meeting, unit)
    if not alpha < MOST_ALPHA:
        return -1.0
    _newton(x, facets, meeting)
    for i in range(n):
        z, size = A[i, n], abs(A[i, n])
        for j in range(n):
            z += A[i, j] * x[j]
            size += abs(A[i, j] * x[j])
        exact = facets[i] < 0
        residual[i] = 0.0 if exact else abs(z) + unit * size + meeting.noise[i]
    worst = 0.0
    for i in range(n):
        total = 0.0
        for p in range(n):
            total += abs(B[i, p]) * residual[p]
        worst = max(worst, total)
    return float(worst / (1.0 - alpha) * SLACK)


@kernel
def proved_vertices(cell: Skeleton, D: Array, rows: Array, noise: Array, begin: int, end: int, meeting: Meeting) -> bool:
    """Whether the proposed vertices are certainly all vertices of the cell of rows[begin:end], each on its n
    half-spaces alone (lemma 9).

    Moves the vertices, and fills their errors D.
    """
    X, F, NB = cell.X, cell.F, cell.NB
    n = X.shape[1]
    unit = 4.0 * (n + 2) * UNIT
    for v in range(len(X)):
        D[v] = _vertex(X[v], F[v], rows, noise, begin, meeting)
        if not D[v] >= 0.0:
            return False
        for j in range(n):
            for side in range(2):
                if has(F, v, -2 * j - 1 - side):
                    continue
                if not (1.0 - X[v, j] if side else 1.0 + X[v, j]) > D[v] + 4.0 * UNIT:
                    return False
        for e in range(begin, end):
            z, size, steep = rows[e, n], abs(rows[e, n]), 0.0
            for j in range(n):
                z += rows[e, j] * X[v, j]
                size += abs(rows[e, j] * X[v, j])
                steep += abs(rows[e, j])
            if not z > (noise[e] + unit * size + D[v] * steep) * SLACK and not has(F, v, e - begin):
                return False
    for v in range(len(X)):
        for k in range(n):
            u = NB[v, k]
            if has(F, u, F[v, k]):
                return False
            for j in range(n):
                if j != k and not has(F, u, F[v, j]):
                    return False
    return True
