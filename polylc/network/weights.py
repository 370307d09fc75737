"""Weight matrices: dense arrays, or rows of non-zeros where an unrolled convolution is mostly zeros.

In: matrices and what they are multiplied with. Out: dense arrays. A matrix is kept sparse only where that pays
(`settled`), so that small networks are computed as dense ones throughout, in the same order of sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, Union

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Weight: TypeAlias = Union[np.ndarray, "csr_array"]  # scipy is imported where a matrix is sparse

LARGE = 2**18  # entries from which a matrix may be sparse: 2 MB of doubles
FILLED = 1 / 8  # share of non-zeros from which a dense matrix is quicker


def settled(weight: Weight) -> Weight:
    """The matrix in the form in which it is quicker: sparse if it is large and mostly zeros."""
    if weight.shape[0] * weight.shape[1] < LARGE:
        return dense(weight)
    filled = np.count_nonzero(entries(weight))
    if filled > FILLED * weight.shape[0] * weight.shape[1]:
        return dense(weight)
    if isinstance(weight, np.ndarray):
        return sparse_copy(weight)
    if filled < len(weight.data):
        weight = weight.copy()
        weight.eliminate_zeros()
    weight.sort_indices()
    return weight


def sparse_copy(matrix: np.ndarray) -> csr_array:
    """The non-zeros of a dense matrix."""
    from scipy.sparse import csr_array

    return csr_array(matrix)


def dense(weight: Weight) -> np.ndarray:
    """The matrix with its zeros, contiguous."""
    return np.ascontiguousarray(weight if isinstance(weight, np.ndarray) else weight.toarray())


def entries(weight: Weight) -> np.ndarray:
    """All entries that may not be zero, in any shape."""
    return weight if isinstance(weight, np.ndarray) else weight.data


def with_entries(weight: Weight, values: np.ndarray) -> Weight:
    """A matrix with zeros where `weight` has them, and other entries, in the order of `entries(weight)`."""
    if isinstance(weight, np.ndarray):
        return values
    from scipy.sparse import csr_array

    return csr_array((values, weight.indices, weight.indptr), shape=weight.shape)


def nonzero(weight: Weight) -> Weight:
    """1 where the matrix is not zero, in single precision."""
    return with_entries(weight, (entries(weight) != 0).astype(np.float32))


def times(weight: Weight, forms: np.ndarray) -> np.ndarray:
    """weight @ forms, for forms of shape (..., n, c)."""
    if isinstance(weight, np.ndarray):
        return weight @ forms  # type: ignore[no-any-return]
    *batch, n, c = forms.shape
    columns = np.moveaxis(forms, -2, 0).reshape(n, -1)
    return np.ascontiguousarray(np.moveaxis((weight @ columns).reshape(weight.shape[0], *batch, c), 0, -2))


def at_points(values: np.ndarray, weight: Weight) -> np.ndarray:
    """values @ weight.T, for values of shape (..., n)."""
    if isinstance(weight, np.ndarray):
        return values @ weight.T  # type: ignore[no-any-return]
    flat = values.reshape(-1, values.shape[-1])
    return np.ascontiguousarray((weight @ flat.T).T).reshape(*values.shape[:-1], weight.shape[0])


def before(rows: np.ndarray, weight: Weight) -> np.ndarray:
    """rows @ weight, for rows of shape (..., m)."""
    if isinstance(weight, np.ndarray):
        return rows @ weight  # type: ignore[no-any-return]
    flat = rows.reshape(-1, rows.shape[-1])
    return np.ascontiguousarray((weight.T @ flat.T).T).reshape(*rows.shape[:-1], weight.shape[1])


def identity(size: int) -> Weight:
    """The identity, in the form in which it is quicker."""
    if size * size < LARGE:
        return np.eye(size)
    from scipy.sparse import eye_array

    return settled(eye_array(size, format="csr"))


def sparse_rows(weight: csr_array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entries of each row, their columns one row after the other, and the entries, as hashes and proof files have
    them.
    """
    return np.diff(weight.indptr), weight.indices, weight.data
