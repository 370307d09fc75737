"""Singular values of many matrices, enclosed: doubles propose a decomposition, and what it leaves over says how far its
values may be off (docs/exactness.md, lemma 13).

In: matrices known up to errors of their rows, or one that is a product with few terms, whose factors take less time to
decompose. Out: singular values, largest first, and a bound on the error of each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.network.compose import UNIT

Array = np.ndarray
SLACK = 1.0 + 2.0**-40
MOST_SHIFT = 1000  # of an exponent, so that the power of two by which matrices are scaled is a double


def singular_values(matrices: Array, error: Array) -> tuple[Array, Array]:
    """Singular values (r, min(m, k)), largest first, and a bound (r,) on the error of each, for matrices (r, m, k)
    known up to row errors (r, m).
    """
    some = _sized(matrices)
    return _bounded(some, error, *np.linalg.svd(some.matrices, full_matrices=False))


def values_of_product(matrix: Array, error: Array, left: Array, right: Array) -> tuple[Array, Array]:
    """The same, (min(m, k),) and a bound, of one matrix (m, k) with row errors (m,) that is left (m, a) times right (a,
    k) but for rounding; a is at most m and at most k.

    Notes
    -----
    With left = P L and right = R Q, P of orthonormal columns and Q of orthonormal rows, singular vectors are those of
    the square matrix L R, turned by P and Q. That is a proposal like any other: what it leaves over of the matrix
    bounds its errors, and the values behind the first a, for which it has zeros.
    """
    some = _sized(matrix[None])
    first, inner = np.linalg.qr(np.where(np.isfinite(left), left, 0.0))
    second, outer = np.linalg.qr(np.where(np.isfinite(right), right, 0.0).T)
    core = _sized((inner @ outer.T)[None])
    u, s, vt = np.linalg.svd(core.matrices)
    with np.errstate(over="ignore", invalid="ignore"):
        values, slip = _bounded(some, error[None], first @ u, np.ldexp(s, (core.exponent - some.exponent)[:, None]), vt @ second.T)
    found = np.zeros(min(matrix.shape))
    found[: values.shape[1]] = values[0]
    return found, slip[0]


class _Sized(NamedTuple):
    """Matrices over powers of two, their largest entries between 1/2 and 1; zero in the place of those that are not
    finite.
    """

    matrices: Array  # (r, m, k)
    exponent: Array  # (r,)
    size: Array  # (r,) of the largest entry; infinite or NaN where one is not finite


def _sized(matrices: Array) -> _Sized:
    size = np.maximum(matrices.max(axis=(1, 2), initial=0.0), -matrices.min(axis=(1, 2), initial=0.0))
    finite = np.isfinite(size)
    exponent = np.frexp(np.where((size > 0) & finite, size, 1.0))[1]
    known = matrices if finite.all() else np.where(finite[:, None, None], matrices, 0.0)
    if np.abs(exponent).max(initial=0) < MOST_SHIFT:
        return _Sized(known * np.ldexp(1.0, -exponent)[:, None, None], exponent, size)
    return _Sized(np.ldexp(known, -exponent[:, None, None]), exponent, size)


def _bounded(some: _Sized, error: Array, u: Array, s: Array, vt: Array) -> tuple[Array, Array]:
    """Values s (r, p) scaled back, and bounds on their errors, of u (r, m, p) and vt (r, p, k) that belong to them.

    Notes
    -----
    With the computed U, s, V the matrix is U diag(s) V^T + E. The singular values of that product differ from s by at
    most the factors that |U^T U - 1| and |V^T V - 1| allow, and those of a sum by at most |E| (Weyl): lemma 13 of
    docs/exactness.md.
    """
    p, (m, k) = s.shape[1], some.matrices.shape[1:]
    longest = max(m, k)

    def skew(q: Array) -> Array:  # q^T q - 1
        gram = q.swapaxes(1, 2) @ q
        off = gram - np.eye(p)
        result: Array = np.sqrt((off**2).sum(axis=(1, 2))) + 4.0 * (longest + 4) * UNIT * (np.abs(gram).sum(axis=(1, 2)) + p)
        return result

    turned = skew(u) + skew(vt.swapaxes(1, 2))
    rest = (u * s[:, None, :]) @ vt
    rest -= some.matrices
    top = s.max(axis=1, initial=0.0)
    left = np.sqrt(np.einsum("rmk,rmk->r", rest, rest)) * (1.0 + 2.0 * (m * k + 8) * UNIT)  # summed in any order
    slip = top * turned + left + 8.0 * (p + 8) * p * UNIT * top
    with np.errstate(over="ignore", invalid="ignore"):
        doubt = np.ldexp(slip * SLACK + np.where(some.size != 0, 2.0**-500, 0.0), some.exponent) + error.sum(axis=1)
        values = np.ldexp(s, some.exponent[:, None])
        known = (turned < 0.5) & np.isfinite(some.size) & (doubt < np.inf) & np.isfinite(values).all(axis=1)
        return np.where(known[:, None], values, 0.0), np.where(known, doubt * SLACK, np.inf)
