"""Matrices of dyadic numbers, as integers on one scale: dense ones by FLINT where they are large, sparse ones by their
non-zeros.

A float array becomes integers when they are first needed: its scale is known before, from the bits of the doubles. In:
arrays of doubles (numpy, or scipy's compressed rows) and arrays of Python's integers (dtype object). Out: products,
exactly, of the same kind.
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
# Python's integers take some 50 ns a product, FLINT's 3, but 500 for a number on its way in or out
_PRODUCTS_EACH = 16
_FEW = 2**12  # products that Python's integers take by themselves, so that small commands need not load FLINT


class Dense:
    """A dense matrix times 2^shift."""

    def __init__(self, array: np.ndarray) -> None:
        self.shape = array.shape
        self.shift = dyadic_shift(array)
        self.cost = array.size
        self._array = array
        self._large = array.size > _PRODUCTS_EACH * sum(array.shape)
        self._asked = 0  # rows

    @cached_property
    def _objects(self) -> np.ndarray:
        return dyadic(self._array)[0]

    @cached_property
    def _flint(self) -> fmpz_mat:
        return _for_flint(dyadic(self._array)[0])

    def rows(self, some: np.ndarray) -> np.ndarray:
        """Some of its rows; only these are turned into integers, as long as they are few."""
        self._asked += len(some)
        if "_objects" in vars(self) or self._asked > self.shape[0] // 4:
            known: np.ndarray = self._objects[some]
            return known
        return _on_scale(self._array[some], self.shift)

    def after(self, columns: np.ndarray, some: np.ndarray | None = None) -> np.ndarray:
        """The matrix, or some of its rows, times columns."""
        if some is None and self._large and self._array.size * columns.shape[1] > _FEW:
            return _from_flint(self._flint * _for_flint(columns))
        live = np.flatnonzero((columns != 0).any(axis=1))
        rows = self._objects if some is None else self.rows(some)
        result: np.ndarray = rows[:, live].dot(columns[live]) if len(live) else _nothing(len(rows), columns.shape[1])
        return result

    def before(self, rows: np.ndarray) -> np.ndarray:
        """Rows times the matrix."""
        live = np.flatnonzero((rows != 0).any(axis=0))
        products, numbers = len(live) * self.shape[1], len(live) + self.shape[1]
        if products > _PRODUCTS_EACH * numbers and len(rows) * products > _FEW:
            return _from_flint(_for_flint(rows) * self._flint)
        result: np.ndarray = rows[:, live].dot(self._objects[live]) if len(live) else _nothing(len(rows), self.shape[1])
        return result


class Sparse:
    """A matrix in compressed rows, times 2^shift."""

    def __init__(self, array: csr_array) -> None:
        self.shape = array.shape
        self.shift = dyadic_shift(array.data)
        self.cost = len(array.data)
        self._array = array

    @cached_property
    def _values(self) -> np.ndarray:
        return dyadic(self._array.data)[0]

    def rows(self, some: np.ndarray) -> np.ndarray:
        """Some of its rows; only these are turned into integers."""
        return _on_scale(self._array[some].toarray(), self.shift)

    def after(self, columns: np.ndarray, some: np.ndarray | None = None) -> np.ndarray:
        """The matrix, or some of its rows, times columns."""
        place, index, values = self._array.indptr, self._array.indices, self._values
        if some is not None:
            entry, place = _ranges(place, some)
            index, values = index[entry], values[entry]
        result = _nothing(len(place) - 1, columns.shape[1])
        step = max(1, _FEW_PRODUCTS * len(result) // max(1, len(values) * columns.shape[1]))
        for begin in range(0, len(result), step):
            checkpoint()
            end = min(begin + step, len(result))
            here = slice(place[begin], place[end])
            filled = np.flatnonzero(np.diff(place[begin : end + 1]))
            if len(filled):
                products = values[here, None] * columns[index[here]]
                result[begin + filled] = np.add.reduceat(products, place[begin + filled] - place[begin], axis=0)
        return result

    def before(self, rows: np.ndarray) -> np.ndarray:
        """Rows times the matrix; costs what the rows of the matrix at their non-zeros hold."""
        result = _nothing(len(rows), self.shape[1])
        for row, target in zip(rows, result, strict=True):
            checkpoint()
            live = np.flatnonzero(row != 0)
            entry, place = _ranges(self._array.indptr, live)
            if not len(entry):
                continue
            order = np.argsort(self._array.indices[entry], kind="stable")
            column = self._array.indices[entry][order]
            first = np.flatnonzero(np.diff(column, prepend=-1))
            target[column[first]] = np.add.reduceat((np.repeat(row[live], np.diff(place)) * self._values[entry])[order], first)
        return result


def exact_matrix(array: Any) -> Dense | Sparse:
    """A matrix of doubles, dense or in compressed rows, as integers on a scale of its own."""
    return Dense(array) if isinstance(array, np.ndarray) else Sparse(array)


def _on_scale(array: np.ndarray, shift: int) -> np.ndarray:
    """Doubles times 2^shift, which is at least their own."""
    found, own = dyadic(array)
    return found * (1 << (shift - own))


def _ranges(place: np.ndarray, some: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The entries of some rows, one row after the other, and where each row begins among them."""
    count = np.diff(place)[some]
    begin = np.concatenate([[0], np.cumsum(count)])
    return np.repeat(place[some] - begin[:-1], count) + np.arange(begin[-1]), begin


def _nothing(rows: int, columns: int) -> np.ndarray:
    return np.zeros((rows, columns), dtype=object)


def _for_flint(array: np.ndarray) -> fmpz_mat:
    from flint import fmpz_mat

    checkpoint()
    return fmpz_mat(*array.shape, array.ravel().tolist())


def _from_flint(matrix: fmpz_mat) -> np.ndarray:
    result = _nothing(matrix.nrows(), matrix.ncols())
    result.ravel()[:] = [int(v) for v in matrix.entries()]
    return result
