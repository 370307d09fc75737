"""Inverses and determinants of small matrices, in doubles: the inverses proposed, the determinants with what bounds
their rounding (docs/exactness.md, lemma 10).

In: n x n matrices, and the sums of the absolute values of their rows. Out: an approximate inverse, which proves nothing
by itself, and a determinant.
"""

from __future__ import annotations

import numpy as np

from polylc.jit.decorators import inlined
from polylc.network.compose import UNIT

Array = np.ndarray
Minors = tuple[float, float, float, float, float, float, float, float, float, float]
LEAST = 1e-100  # of a determinant or a pivot; below there is no inverse


@inlined
def _minors(A: Array, r: int, s: int) -> Minors:
    """Determinants of rows r and s, five entries each, and two columns: 01, 02, 03, 04, 12, 13, 14, 23, 24, 34."""
    a, b, c, d, e = A[r, 0], A[r, 1], A[r, 2], A[r, 3], A[r, 4]
    v, w, x, y, z = A[s, 0], A[s, 1], A[s, 2], A[s, 3], A[s, 4]
    return (
        a * w - b * v,
        a * x - c * v,
        a * y - d * v,
        a * z - e * v,
        b * x - c * w,
        b * y - d * w,
        b * z - e * w,
        c * y - d * x,
        c * z - e * x,
        d * z - e * y,
    )


@inlined
def _cofactors(P: Minors, Q: Minors, B: Array, o: int) -> None:
    """Column o of B = cofactors of row o of five, by Laplace's expansion along two pairs of the others."""
    s = -1.0 if o & 1 else 1.0
    ab, ac, ad, ae, bc, bd, be, cd, ce, de = P
    vw, vx, vy, vz, wx, wy, wz, xy, xz, yz = Q
    B[0, o] = s * (bc * yz - bd * xz + be * xy + cd * wz - ce * wy + de * wx)
    B[1, o] = -s * (ac * yz - ad * xz + ae * xy + cd * vz - ce * vy + de * vx)
    B[2, o] = s * (ab * yz - ad * wz + ae * wy + bd * vz - be * vy + de * vw)
    B[3, o] = -s * (ab * xz - ac * wz + ae * wx + bc * vz - be * vx + ce * vw)
    B[4, o] = s * (ab * xy - ac * wy + ad * wx + bc * vy - bd * vx + cd * vw)


@inlined
def by_cofactors(n: int, A: Array, length: Array, B: Array) -> tuple[float, float]:
    """B = approximate inverse of A by its cofactors, n = 1, ..., 5: quicker than elimination, and as good where A is
    not nearly singular.

    Returns
    -------
    determinant : float
        0 where there is no inverse, and for other n.
    rounding : float
        How far it may be from that of A. Each product of its definition passes 2, 5, 9, 13 roundings for n = 2, ..., 5,
        and all of them sum to no more than the product of the rows' sums, in absolute values.
    """
    if n == 1:
        B[0, 0] = 1.0
    elif n == 2:
        B[0, 0], B[0, 1], B[1, 0], B[1, 1] = A[1, 1], -A[0, 1], -A[1, 0], A[0, 0]
    elif n == 3:
        for i in range(3):
            s, t = (i + 1) % 3, (i + 2) % 3
            for j in range(3):
                p, q = (j + 1) % 3, (j + 2) % 3
                B[i, j] = A[p, s] * A[q, t] - A[p, t] * A[q, s]
    elif n == 4:
        for half in range(2):  # minors of two rows, times those of the other two
            r, s, t, u = (0, 1, 2, 3) if half else (2, 3, 0, 1)
            ab = A[r, 0] * A[s, 1] - A[r, 1] * A[s, 0]
            ac = A[r, 0] * A[s, 2] - A[r, 2] * A[s, 0]
            ad = A[r, 0] * A[s, 3] - A[r, 3] * A[s, 0]
            bc = A[r, 1] * A[s, 2] - A[r, 2] * A[s, 1]
            bd = A[r, 1] * A[s, 3] - A[r, 3] * A[s, 1]
            cd = A[r, 2] * A[s, 3] - A[r, 3] * A[s, 2]
            for k in range(2):
                o, sign = (u, 1.0) if k == 0 else (t, -1.0)
                c = t + k
                B[0, c] = sign * (A[o, 1] * cd - A[o, 2] * bd + A[o, 3] * bc)
                B[1, c] = -sign * (A[o, 0] * cd - A[o, 2] * ad + A[o, 3] * ac)
                B[2, c] = sign * (A[o, 0] * bd - A[o, 1] * ad + A[o, 3] * ab)
                B[3, c] = -sign * (A[o, 0] * bc - A[o, 1] * ac + A[o, 2] * ab)
    elif n == 5:
        first, last = _minors(A, 0, 1), _minors(A, 3, 4)
        _cofactors(_minors(A, 1, 2), last, B, 0)
        _cofactors(_minors(A, 0, 2), last, B, 1)
        _cofactors(first, last, B, 2)
        _cofactors(first, _minors(A, 2, 4), B, 3)
        _cofactors(first, _minors(A, 2, 3), B, 4)
    else:
        return 0.0, 0.0
    determinant, rounding = 0.0, (4.0 * n - 2.0) * UNIT
    for i in range(n):
        determinant += A[0, i] * B[i, 0]
        rounding *= length[i]
    if not abs(determinant) > LEAST:
        return 0.0, 0.0
    scale = 1.0 / determinant
    for i in range(n):
        for j in range(n):
            B[i, j] *= scale
    return determinant, rounding


@inlined
def by_elimination(n: int, A: Array, B: Array, W: Array) -> tuple[float, float]:
    """B = approximate inverse of A by Gauss-Jordan elimination with row exchanges; W is scratch.

    Returns
    -------
    determinant : float
        Absolute value; 0 where there is no inverse.
    backward : float
        It is, but for n + 1 roundings, that of a matrix whose rows differ from those of A by at most this, in sum:
        what elimination finds below the diagonal, and pivots, factor such a matrix, whose errors are at most
        gamma_{n+2} |L| |U| (Higham 2002, theorem 9.3; two roundings more, since rows are scaled first), and multipliers
        are at most 1 in size.
    """
    for i in range(n):
        for j in range(n):
            W[i, j] = A[i, j]
            B[i, j] = 1.0 if i == j else 0.0
    determinant, above = 1.0, 0.0
    for c in range(n):
        pivot = c
        for r in range(c + 1, n):
            if abs(W[r, c]) > abs(W[pivot, c]):
                pivot = r
        if not abs(W[pivot, c]) > LEAST:
            return 0.0, 0.0
        if pivot != c:
            for k in range(n):
                W[c, k], W[pivot, k] = W[pivot, k], W[c, k]
                B[c, k], B[pivot, k] = B[pivot, k], B[c, k]
        determinant *= W[c, c]
        for k in range(c, n):
            above += abs(W[c, k])
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
    return abs(determinant), 2.0 * (n + 4) * UNIT * above
