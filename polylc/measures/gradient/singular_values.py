"""Singular values of many matrices, enclosed: doubles propose a decomposition, and what it leaves over says how far its
values may be off (docs/exactness.md, lemma 13).

In: matrices known up to errors of their rows, or one that is a product with few terms, whose factors take less time to
decompose. Out: singular values, largest first, and a bound on the error of each.
"""

from __future__ import annotations

import numpy as np

from polylc.network.compose import UNIT

Array = np.ndarray
SLACK = 1.0 + 2.0**-40


def singular_values(matrices: Array, error: Array) -> tuple[Array, Array]:
    """Singular values (r, min(m, k)), largest first, and a bound (r,) on the error of each, for matrices (r, m, k)
    known up to row errors (r, m).
    """
    sized, exponent = _sized(matrices)
    u, s, vt = np.linalg.svd(sized, full_matrices=False)
    return _bounded(matrices, error, u, s, vt, sized, exponent)


def values_of_product(matrix: Array, error: Array, left: Array, right: Array) -> tuple[Array, Array]:
    """The same, (min(m, k),) and a bound, of one matrix (m, k) with row errors (m,) that is left (m, a) times right (a,
    k) but for rounding; a is at most m and at most k.

    Notes
    -----
    With left = P L and right = R Q, P of orthonormal columns and Q of orthonormal rows, singular vectors are those of
    the square matrix L R, turned by P and Q. That is a proposal like any other: what it leaves over of the matrix
    bounds its errors, and the values behind the first a, for which it has zeros.
    """
    sized, exponent = _sized(matrix[None])
    first, inner = np.linalg.qr(np.where(np.isfinite(left), left, 0.0))
    second, outer = np.linalg.qr(np.where(np.isfinite(right), right, 0.0).T)
    core, power = _sized((inner @ outer.T)[None])
    u, s, vt = np.linalg.svd(core)
    with np.errstate(over="ignore", invalid="ignore"):
        values, slip = _bounded(matrix[None], error[None], first @ u, np.ldexp(s, (power - exponent)[:, None]), vt @ second.T, sized, exponent)
    found = np.zeros(min(matrix.shape))
    found[: values.shape[1]] = values[0]
    return found, slip[0]


def _sized(matrices: Array) -> tuple[Array, Array]:
    """Matrices over powers of two, their largest entries between 1/2 and 1, and the exponents; zero in the place of
    what is not finite.
    """
    size = np.abs(matrices).max(axis=(1, 2), initial=0.0)
    exponent = np.frexp(np.where((size > 0) & np.isfinite(size), size, 1.0))[1]
    return np.ldexp(np.where(np.isfinite(matrices), matrices, 0.0), -exponent[:, None, None]), exponent


def _bounded(matrices: Array, error: Array, u: Array, s: Array, vt: Array, sized: Array, exponent: Array) -> tuple[Array, Array]:
    """Values s (r, p) scaled back, and bounds on their errors, of u (r, m, p) and vt (r, p, k) that belong to them.

    Notes
    -----
    With the computed U, s, V the matrix is U diag(s) V^T + E. The singular values of that product differ from s by at
    most the factors that |U^T U - 1| and |V^T V - 1| allow, and those of a sum by at most |E| (Weyl): lemma 13 of
    docs/exactness.md.
    """
    p, longest = s.shape[1], max(matrices.shape[1:])

    def skew(q: Array) -> Array:  # q^T q - 1
        gram = q.swapaxes(1, 2) @ q
        off = gram - np.eye(p)
        result: Array = np.sqrt((off**2).sum(axis=(1, 2))) + 4.0 * (longest + 4) * UNIT * (np.abs(gram).sum(axis=(1, 2)) + p)
        return result

    turned = skew(u) + skew(vt.swapaxes(1, 2))
    rest = sized - (u * s[:, None, :]) @ vt
    top = s.max(axis=1, initial=0.0)
    slip = top * turned + np.sqrt((rest**2).sum(axis=(1, 2))) + 8.0 * (p + 8) * p * UNIT * top
    finite = np.isfinite(matrices).all(axis=(1, 2))
    some = (matrices != 0).any(axis=(1, 2))
    with np.errstate(over="ignore", invalid="ignore"):
        doubt = np.ldexp(slip * SLACK + np.where(some, 2.0**-500, 0.0), exponent) + error.sum(axis=1)
        values = np.ldexp(s, exponent[:, None])
        known = (turned < 0.5) & finite & (doubt < np.inf) & np.isfinite(values).all(axis=1)
        return np.where(known[:, None], values, 0.0), np.where(known, doubt * SLACK, np.inf)
