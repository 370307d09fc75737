"""Matrices of dyadic numbers, as integers on one scale: dense ones by FLINT, sparse ones by their non-zeros.

A float array becomes integers when they are first needed: its scale is known before, from the bits of the doubles. In:
arrays of doubles (numpy, or scipy's compressed rows) and integer matrices of FLINT. Out: their products, exactly.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from polylc.exact.checkpoint import checkpoint
from polylc.exact.numbers import dyadic, dyadic_shift

if TYPE_CHECKING:
    from flint import fmpz_mat
    from scipy.sparse import csr_array

_FEW_PRODUCTS = 2**18  # of a sparse matrix, in memory at once


class Dense:
    """A dense matrix times 2^shift."""

    def __init__(self, array: np.ndarray) -> None:
        self.shape = array.shape
        self.shift = dyadic_shift(array)
        self._array = array

    @cached_property
    def whole(self) -> fmpz_mat:
        """All of it."""
        return integers(dyadic(self._array)[0])

    def rows(self, some: np.ndarray) -> fmpz_mat:
        """Some of its rows; only these are turned into integers."""
        found, shift = dyadic(self._array[some])
        return integers(found) * (1 << (self.shift - shift))

    def after(self, columns: fmpz_mat) -> fmpz_mat:
        """The matrix times columns."""
        return self.whole * columns

    def before(self, rows: fmpz_mat) -> fmpz_mat:
        """Rows times the matrix."""
        return rows * self.whole


class Sparse:
    """A matrix in compressed rows, times 2^shift."""

    def __init__(self, array: csr_array) -> None:
        self.shape = array.shape
        self.shift = dyadic_shift(array.data)
        self._array = array

    @cached_property
    def _values(self) -> np.ndarray:
        found, shift = dyadic(self._array.data)
        return found * (1 << (self.shift - shift)) if self.shift > shift else found

    @property
    def nonzeros(self) -> int:
        """Number of entries."""
        return len(self._array.data)

    def rows(self, some: np.ndarray) -> fmpz_mat:
        """Some of its rows; only these are turned into integers."""
        found, shift = dyadic(self._array[some].toarray())
        return integers(found) * (1 << (self.shift - shift))

    def after(self, columns: fmpz_mat) -> fmpz_mat:
        """The matrix times columns."""
        values = objects(columns)
        result = np.zeros((self.shape[0], values.shape[1]), dtype=object)
        place, index = self._array.indptr, self._array.indices
        step = max(1, _FEW_PRODUCTS * self.shape[0] // max(1, self.nonzeros * values.shape[1]))
        for begin in range(0, self.shape[0], step):
            checkpoint()
            end = min(begin + step, self.shape[0])
            here = slice(place[begin], place[end])
            products = self._values[here, None] * values[index[here]]
            filled = np.flatnonzero(np.diff(place[begin : end + 1]))
            if len(filled):
                result[begin + filled] = np.add.reduceat(products, place[begin + filled] - place[begin], axis=0)
        return integers(result)

    def before(self, rows: fmpz_mat) -> fmpz_mat:
        """Rows times the matrix; costs what the rows of the matrix at their non-zeros hold."""
        factors = objects(rows)
        result = np.zeros((len(factors), self.shape[1]), dtype=object)
        place, index = self._array.indptr, self._array.indices
        for row, target in zip(factors, result, strict=True):
            checkpoint()
            live = np.flatnonzero(row != 0)
            if not len(live):
                continue
            count = np.diff(place)[live]
            entry = np.repeat(place[live] - np.cumsum(count) + count, count) + np.arange(count.sum())
            order = np.argsort(index[entry], kind="stable")
            column = index[entry][order]
            first = np.flatnonzero(np.diff(column, prepend=-1))
            if len(first):
                target[column[first]] = np.add.reduceat((np.repeat(row[live], count) * self._values[entry])[order], first)
        return integers(result)


def exact_matrix(array: Any) -> Dense | Sparse:
    """A matrix of doubles, dense or in compressed rows, as integers on a scale of its own."""
    return Dense(array) if isinstance(array, np.ndarray) else Sparse(array)


def integers(array: np.ndarray) -> fmpz_mat:
    """A two-dimensional array of Python's integers for FLINT."""
    from flint import fmpz_mat

    return fmpz_mat(*array.shape, array.ravel().tolist())


def objects(matrix: fmpz_mat) -> np.ndarray:
    """FLINT's integers as an array of Python's."""
    result = np.empty((matrix.nrows(), matrix.ncols()), dtype=object)
    result.ravel()[:] = [int(v) for v in matrix.entries()]
    return result


def python_rows(matrix: fmpz_mat, up: int = 0) -> list[tuple[int, ...]]:
    """The rows of a matrix times 2^up, in Python's integers."""
    return [tuple([int(v) << up for v in row]) for row in matrix.tolist()]
