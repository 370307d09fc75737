"""Inverses and determinants of small matrices by elimination, in doubles: the inverses proposed, the determinants with
what bounds their rounding (docs/exactness.md, lemma 10). What lanes do not prove, and any dimension.
"""

from __future__ import annotations

import numpy as np

from polylc.jit.decorators import inlined
from polylc.network.compose import UNIT

Array = np.ndarray
LEAST = 1e-100  # of a determinant or a pivot; below there is no inverse


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
