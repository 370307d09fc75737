"""Determinants of the edges of simplices, in doubles, with proved bounds on their errors (docs/exactness.md, lemma 10).

In: vertices known up to errors. Out: the determinant, a number of operations that is fixed by its size, and how far it
may be from that of the true vertices. Invariant: every product of the determinant's definition passes fewer than 32
roundings, whatever the size up to MOST_ROWS.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.jit.decorators import inlined, kernel
from polylc.network.compose import UNIT

Array = np.ndarray
MOST_ROWS = 6
SLACK = 1.0 + 2.0**-40  # lemma 10: more than the rounding of a bound whose terms pass at most 2^12 operations
ROUNDINGS = 64.0 * UNIT  # lemma 10: rounding in an expanded determinant, against the product of its rows' sums
LOST = 1e-300  # lemma 10: more than all underflows in one simplex
MOST_RELATIVE = 0.5  # lemma 10: tau from which on the sizes of both determinants bound their difference
LEAST = 1e-290  # of a product of lengths, from which on what is divided by it has not underflowed
CLOSE = 2.0**-41  # of a determinant: errors up to there need no cofactors


class Edges(NamedTuple):
    """Edges of a simplex from its first vertex, and room for minors."""

    M: Array  # (n, n) one row for each
    slip: Array  # (n,) bound on the errors of a row's entries
    length: Array  # (n,) sum of a row's absolute values and of their errors
    minor: Array  # (n, n)


def edges_for(n: int) -> Edges:
    """Room for simplices in dimension n."""
    return Edges(np.empty((n, n)), np.empty(n), np.empty(n), np.empty((n, n)))


@inlined
def set_edges(X: Array, D: Array, simplex: Array, top: int, drop: int, edges: Edges) -> float:
    """The edges of a simplex of dimension `top` with vertices X[simplex], which err by D at most; the largest of these
    errors.

    Coordinate `drop` is left out, none if it is -1.
    """
    base = simplex[0]
    far = D[base]
    for r in range(top):
        v, c = simplex[r + 1], 0
        largest, length = 0.0, 0.0
        for j in range(X.shape[1]):
            if j != drop:
                edges.M[r, c] = X[v, j] - X[base, j]
                largest = max(largest, abs(edges.M[r, c]))
                length += abs(edges.M[r, c])
                c += 1
        edges.slip[r] = D[base] + D[v] + 2.0 * UNIT * largest
        edges.length[r] = length + top * edges.slip[r]
        far = max(far, D[v])
    return float(far)


@inlined
def minors(M: Array, r: int, s: int) -> tuple[float, float, float, float, float, float]:
    """Determinants of rows r and s and two of the first four columns: 01, 02, 03, 12, 13, 23."""
    ab = M[r, 0] * M[s, 1] - M[r, 1] * M[s, 0]
    ac = M[r, 0] * M[s, 2] - M[r, 2] * M[s, 0]
    ad = M[r, 0] * M[s, 3] - M[r, 3] * M[s, 0]
    bc = M[r, 1] * M[s, 2] - M[r, 2] * M[s, 1]
    bd = M[r, 1] * M[s, 3] - M[r, 3] * M[s, 1]
    cd = M[r, 2] * M[s, 3] - M[r, 3] * M[s, 2]
    return ab, ac, ad, bc, bd, cd


@kernel
def _four(M: Array, r: int, a: int, b: int, c: int, d: int) -> float:
    """Determinant of rows r to r + 3 and four columns, by Laplace's expansion along pairs of rows."""
    q, s, t = r + 1, r + 2, r + 3
    total = (M[r, a] * M[q, b] - M[r, b] * M[q, a]) * (M[s, c] * M[t, d] - M[s, d] * M[t, c])
    total -= (M[r, a] * M[q, c] - M[r, c] * M[q, a]) * (M[s, b] * M[t, d] - M[s, d] * M[t, b])
    total += (M[r, a] * M[q, d] - M[r, d] * M[q, a]) * (M[s, b] * M[t, c] - M[s, c] * M[t, b])
    total += (M[r, b] * M[q, c] - M[r, c] * M[q, b]) * (M[s, a] * M[t, d] - M[s, d] * M[t, a])
    total -= (M[r, b] * M[q, d] - M[r, d] * M[q, b]) * (M[s, a] * M[t, c] - M[s, c] * M[t, a])
    total += (M[r, c] * M[q, d] - M[r, d] * M[q, c]) * (M[s, a] * M[t, b] - M[s, b] * M[t, a])
    return float(total)


@kernel
def expanded(M: Array, size: int) -> float:
    """Determinant of the leading block, size <= 5, by expansion: a sum of the products of its definition, each rounded
    a few times."""
    if size == 0:
        return 1.0
    if size == 1:
        return float(M[0, 0])
    if size == 2:
        return float(M[0, 0] * M[1, 1] - M[0, 1] * M[1, 0])
    if size == 3:
        a = M[1, 1] * M[2, 2] - M[1, 2] * M[2, 1]
        b = M[1, 0] * M[2, 2] - M[1, 2] * M[2, 0]
        c = M[1, 0] * M[2, 1] - M[1, 1] * M[2, 0]
        return float(M[0, 0] * a - M[0, 1] * b + M[0, 2] * c)
    if size == 4:
        return float(_four(M, 0, 0, 1, 2, 3))
    total = M[0, 0] * _four(M, 1, 1, 2, 3, 4) - M[0, 1] * _four(M, 1, 0, 2, 3, 4) + M[0, 2] * _four(M, 1, 0, 1, 3, 4)
    return float(total - M[0, 3] * _four(M, 1, 0, 1, 2, 4) + M[0, 4] * _four(M, 1, 0, 1, 2, 3))


@kernel
def _set_minor(edges: Edges, size: int, r: int, c: int) -> None:
    """All but row r and column c."""
    for i in range(size - 1):
        for j in range(size - 1):
            edges.minor[i, j] = edges.M[i if i < r else i + 1, j if j < c else j + 1]


@kernel
def determinant(edges: Edges, size: int) -> float:
    """Determinant of the leading block, size <= MOST_ROWS, by expansion."""
    if size < MOST_ROWS:
        return float(expanded(edges.M, size))
    total = 0.0
    for c in range(size):
        _set_minor(edges, size, 0, c)
        term = edges.M[0, c] * expanded(edges.minor, size - 1)
        total += -term if c & 1 else term
    return total


@kernel
def _cofactors_of_four(edges: Edges) -> float:
    """As `_cofactors`, size 4: entries of two rows times minors of the other two."""
    first, M, slip = 0.0, edges.M, edges.slip
    for half in range(2):
        r, s, t, u = (0, 1, 2, 3) if half else (2, 3, 0, 1)
        ab, ac, ad, bc, bd, cd = minors(M, r, s)
        for k in range(2):
            own, other = (t, u) if k else (u, t)
            a, b, c, d = M[other, 0], M[other, 1], M[other, 2], M[other, 3]
            sizes = abs(b * cd - c * bd + d * bc) + abs(a * cd - c * ad + d * ac)
            first += slip[own] * (sizes + abs(a * bd - b * ad + d * ab) + abs(a * bc - b * ac + c * ab))
    return first


@kernel
def _cofactors(edges: Edges, size: int) -> float:
    """The sum over rows of their errors times their cofactors, in absolute values."""
    first, M = 0.0, edges.M
    if size == 4:
        return float(_cofactors_of_four(edges))
    if size == 3:
        for r in range(3):
            s, t = (r + 1) % 3, (r + 2) % 3
            a = abs(M[s, 1] * M[t, 2] - M[s, 2] * M[t, 1])
            b = abs(M[s, 0] * M[t, 2] - M[s, 2] * M[t, 0])
            c = abs(M[s, 0] * M[t, 1] - M[s, 1] * M[t, 0])
            first += edges.slip[r] * (a + b + c)
        return first
    for r in range(size):
        if edges.slip[r] == 0.0:
            continue
        sizes = 0.0
        for c in range(size):
            _set_minor(edges, size, r, c)
            sizes += abs(expanded(edges.minor, size - 1))
        first += edges.slip[r] * sizes
    return first


@kernel
def mistake(edges: Edges, size: int, value: float) -> float:
    """Bound on the error of `determinant`, which has the absolute value `value`, for entries of row r that err by at
    most slip[r] (lemma 10).

    To first order the entries' errors times their cofactors; the terms with errors in several rows sum to less than the
    square of the sum of relative errors times the product of the lengths. The cofactors of a row sum to less than the
    product of the other rows' lengths, which is all that is looked at where that is close enough.
    """
    product, first = 1.0, 0.0  # of the rows so far, the second with the error in place of the length of each in turn
    for r in range(size):
        first = first * edges.length[r] + product * edges.slip[r]
        product *= edges.length[r]
    if not (size * first < MOST_RELATIVE * product and product > LEAST):
        return (2.0 * product + LOST) * SLACK
    relative = size * first / product
    if not (size <= 2 or first <= CLOSE * value):
        first = _cofactors(edges, size)
    return (first + (relative * relative + ROUNDINGS * (1.0 + relative)) * product) * SLACK + LOST
