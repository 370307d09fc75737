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
from polylc.geometry.determinants import SLACK, minors
from polylc.jit.decorators import inlined, kernel
from polylc.network.compose import UNIT

Array = np.ndarray
MOST_ALPHA = 0.25  # lemma 8 needs less than 1; what is farther off than this is better done in rationals
LEAST_PIVOT = 1e-100  # of an inverse that is only proposed; lemma 8 tests it, so this proves nothing


class Meeting(NamedTuple):
    """The n hyperplanes of a vertex and room for their common point; and all half-spaces of the cell."""

    A: Array  # (n, n + 1) half-spaces
    B: Array  # (n, n) an approximate inverse of their gradients
    W: Array  # (n, n) room
    noise: Array  # (n,) errors of the half-spaces
    length: Array  # (n,) sums of the absolute values of their gradients
    residual: Array  # (n,) their values at the vertex
    form: Array  # (n + 1, most half-spaces) those of the cell, one column for each
    least: Array  # (most half-spaces,) what their values have to exceed at a point, and ...
    steep: Array  # (most half-spaces,) ... for each unit of its error
    value: Array  # (most half-spaces,) room


def meeting_in(n: int, starts: Array) -> Meeting:
    """Room in dimension n, for cells of half-spaces starts[r]:starts[r + 1]."""
    many = int(np.diff(starts).max(initial=0))
    noise, length, residual = np.empty((3, n))
    least, steep, value = np.empty((3, many))
    return Meeting(np.empty((n, n + 1)), np.empty((n, n)), np.empty((n, n)), noise, length, residual, np.empty((n + 1, many)), least, steep, value)


@kernel
def _take(meeting: Meeting, rows: Array, noise: Array, begin: int, end: int) -> None:
    """Take the half-spaces of a cell.

    At a point of the cube that errs by at most d in each coordinate, a half-space whose computed value exceeds
    `least` + d `steep` is strict at the true point: |x_j| <= 1 in the bound on rounding.
    """
    n = rows.shape[1] - 1
    unit = 4.0 * (n + 2) * UNIT
    for e in range(begin, end):
        q, steep = e - begin, 0.0
        for j in range(n):
            meeting.form[j, q] = rows[e, j]
            steep += abs(rows[e, j])
        meeting.form[n, q] = rows[e, n]
        meeting.least[q] = (noise[e] + unit * (abs(rows[e, n]) + steep)) * SLACK
        meeting.steep[q] = steep * SLACK


@inlined
def _form(facet: int, meeting: Meeting, noise: Array, begin: int, i: int) -> None:
    """The half-space of a facet as the i-th of a vertex."""
    out = meeting.A[i]
    n, length = len(out) - 1, 0.0
    if facet >= 0:
        for j in range(n + 1):
            out[j] = meeting.form[j, facet]
        for j in range(n):
            length += abs(out[j])
        meeting.noise[i], meeting.length[i] = noise[begin + facet], length
        return
    for j in range(n):
        out[j] = 0.0
    at = -facet - 1
    out[at >> 1] = -1.0 if at & 1 else 1.0
    out[n] = 1.0
    meeting.noise[i], meeting.length[i] = 0.0, 1.0


@inlined
def _adjugate(n: int, A: Array, B: Array) -> bool:
    """B = approximate inverse of A by its cofactors, n = 2, 3 or 4: quicker than elimination, and as good where A is
    not nearly singular. False where there is none, and for other n."""
    if not 2 <= n <= 4:
        return False
    if n == 2:
        B[0, 0], B[0, 1], B[1, 0], B[1, 1] = A[1, 1], -A[0, 1], -A[1, 0], A[0, 0]
    elif n == 3:
        for i in range(3):
            s, t = (i + 1) % 3, (i + 2) % 3
            for j in range(3):
                p, q = (j + 1) % 3, (j + 2) % 3
                B[i, j] = A[p, s] * A[q, t] - A[p, t] * A[q, s]
    else:
        for half in range(2):  # minors of two rows, times those of the other two
            r, s, t, u = (0, 1, 2, 3) if half else (2, 3, 0, 1)
            ab, ac, ad, bc, bd, cd = minors(A, r, s)
            for k in range(2):
                o, sign = (u, 1.0) if k == 0 else (t, -1.0)
                c = t + k
                B[0, c] = sign * (A[o, 1] * cd - A[o, 2] * bd + A[o, 3] * bc)
                B[1, c] = -sign * (A[o, 0] * cd - A[o, 2] * ad + A[o, 3] * ac)
                B[2, c] = sign * (A[o, 0] * bd - A[o, 1] * ad + A[o, 3] * ab)
                B[3, c] = -sign * (A[o, 0] * bc - A[o, 1] * ac + A[o, 2] * ab)
    determinant = 0.0
    for i in range(n):
        determinant += A[0, i] * B[i, 0]
    if not abs(determinant) > LEAST_PIVOT:
        return False
    scale = 1.0 / determinant
    for i in range(n):
        for j in range(n):
            B[i, j] *= scale
    return True


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


@inlined
def _contraction(n: int, meeting: Meeting, unit: float) -> float:
    """The alpha of lemma 8, from above."""
    A, B = meeting.A, meeting.B
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
def _newton(n: int, x: Array, facets: Array, meeting: Meeting) -> None:
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
        if facets[i] < 0:
            at = -facets[i] - 1
            x[at >> 1] = 1.0 if at & 1 else -1.0


@inlined
def _vertex(n: int, x: Array, facets: Array, noise: Array, begin: int, meeting: Meeting) -> float:
    """Move a vertex next to the common point of its hyperplanes; how far it may still be from there in any coordinate,
    or -1 (lemma 8).

    `n` is their number; where the caller writes it as a constant, loops are spelt out.
    """
    A, B, residual = meeting.A, meeting.B, meeting.residual
    for i in range(n):
        _form(facets[i], meeting, noise, begin, i)
    unit = 4.0 * (n + 2) * UNIT  # lemma 1, twice
    alpha = 1.0
    for attempt in range(2):
        if _adjugate(n, A, B) if attempt == 0 else _invert(meeting):
            alpha = _contraction(n, meeting, unit)
        if alpha < MOST_ALPHA:
            break
    if not alpha < MOST_ALPHA:
        return -1.0
    _newton(n, x, facets, meeting)
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


@inlined
def _placed(x: Array, facets: Array, noise: Array, begin: int, meeting: Meeting) -> float:
    """As `_vertex`."""
    n = len(x)
    if n == 2:
        return float(_vertex(2, x, facets, noise, begin, meeting))
    if n == 3:
        return float(_vertex(3, x, facets, noise, begin, meeting))
    if n == 4:
        return float(_vertex(4, x, facets, noise, begin, meeting))
    return float(_vertex(n, x, facets, noise, begin, meeting))


@inlined
def _is_alone(x: Array, facets: Array, error: float, many: int, meeting: Meeting) -> bool:
    """Whether a vertex is certainly inside all half-spaces of the cell and the cube but those it was placed on."""
    n, value, strict = len(x), meeting.value, 0
    for q in range(many):
        value[q] = meeting.form[n, q]
    for j in range(n):
        row, at = meeting.form[j], x[j]
        for q in range(many):
            value[q] += at * row[q]
    for q in range(many):
        strict += value[q] > meeting.least[q] + error * meeting.steep[q]
    limit = error + 4.0 * UNIT
    for j in range(n):
        strict += 1.0 + x[j] > limit
        strict += 1.0 - x[j] > limit
    for i in range(n):  # its own need not be strict
        facet = facets[i]
        if facet >= 0:
            strict += not value[facet] > meeting.least[facet] + error * meeting.steep[facet]
        else:
            at = -facet - 1
            strict += not (1.0 - x[at >> 1] if at & 1 else 1.0 + x[at >> 1]) > limit
    return bool(strict == many + 2 * n)


@kernel
def proved_vertices(cell: Skeleton, D: Array, rows: Array, noise: Array, begin: int, end: int, meeting: Meeting) -> bool:
    """Whether the proposed vertices are certainly all vertices of the cell of rows[begin:end], each on its n
    half-spaces alone (lemma 9).

    Moves the vertices, and fills their errors D.
    """
    X, F, NB = cell.X, cell.F, cell.NB
    n = X.shape[1]
    _take(meeting, rows, noise, begin, end)
    for v in range(len(X)):
        D[v] = _placed(X[v], F[v], noise, begin, meeting)
        if not D[v] >= 0.0 or not _is_alone(X[v], F[v], D[v], end - begin, meeting):
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
