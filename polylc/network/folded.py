"""How much folding rounds: proved bounds on the change of weights that are computed in doubles.

A change is that of one entry of a row, weights and bias, relative to the largest entry of the row. Products and sums of
two doubles err by doubles that can be computed (Veltkamp, Dekker 1971; Knuth 1969); sums of several are exact where no
partial sum needs more than 53 bits, and else bounded by lemma 1 of docs/exactness.md.
"""

from __future__ import annotations

import math

import numpy as np

from polylc.network.weights import Weight, entries, with_entries

UNIT = 2.0**-53  # unit of rounding of doubles
_BITS = 53
_LOST = 2.0**-1070  # more than an underflow loses, and than the error of a product that is near it
_NEAR = 2.0**-960  # products below have errors that may underflow
_LEAST = 2.0**-1000  # what smaller changes are said to be: they are not nothing
_LARGE = 2.0**996  # halves of larger numbers may overflow


def product_error(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Bound on |left * right - fl(left * right)|, entry by entry; exact where nothing is near the ends of the range."""
    product = left * right
    one, two = _halves(left), _halves(right)
    error = np.abs(((one[0] * two[0] - product) + one[0] * two[1] + one[1] * two[0]) + one[1] * two[1])
    size = np.abs(product)
    nothing = (left == 0) | (right == 0)
    error = np.where((size < _NEAR) & ~nothing, error + _LOST, error)
    far = (np.abs(left) > _LARGE) | (np.abs(right) > _LARGE) | ~np.isfinite(error)
    bound: np.ndarray = np.where(far & ~nothing, UNIT * size, np.where(nothing, 0.0, error))
    return bound


def sum_error(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """|left + right - fl(left + right)|, entry by entry, exactly."""
    total = left + right
    back = total - left
    error = np.abs((left - (total - back)) + (right - back))
    bound: np.ndarray = np.where(np.isfinite(error), error, UNIT * np.abs(total))
    return bound


def _halves(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two doubles of 26 bits whose sum is a double."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = 134217729.0 * values
        high = scaled - (scaled - values)
        return high, values - high


def matrix_error(weight: Weight, matrix: Weight) -> Weight:
    """Bound on the rounding in each entry of weight @ matrix, in the form of that product."""
    sizes = abs(weight) @ abs(matrix)
    size, terms = entries(sizes), min(_most(weight, 0), _most(matrix, 1))
    if terms <= 1:  # a product alone, and zeros
        short = _significant(weight) + _significant(matrix) <= _BITS
        bound = np.where((size > 0) & (size < _NEAR), _LOST, 0.0 if short else 2.0 * UNIT * size)
    elif _sums_are_exact(weight, matrix, sizes):
        bound = np.zeros_like(size)
    else:
        bound = 2.0 * (terms + 2) * UNIT * size + np.where(size > 0, (terms + 2) * _LOST, 0.0)
    return with_entries(sizes, bound)


def _most(weight: Weight, axis: int) -> int:
    """The most entries that are not zero in a row (axis 0) or column (axis 1)."""
    if isinstance(weight, np.ndarray):
        return int(np.count_nonzero(weight, axis=1 - axis).max(initial=0))
    return int(np.diff(weight.indptr).max(initial=0)) if axis == 0 else int(np.bincount(weight.indices, minlength=1).max())


def _significant(weight: Weight) -> int:
    """The most significant bits of an entry."""
    mantissa, _ = np.frexp(entries(weight))
    whole = np.ldexp(mantissa, _BITS).astype(np.int64)
    return _BITS - int((np.frexp((whole & -whole).astype(np.float64))[1] - 1)[whole != 0].min(initial=_BITS))


def _sums_are_exact(weight: Weight, matrix: Weight, sizes: Weight) -> bool:
    """Whether every partial sum of every entry is a whole multiple of some power of two, and below 2^53 times it."""
    rows, columns = _lowest_bits(weight, 0), _lowest_bits(matrix, 1)
    if isinstance(sizes, np.ndarray):
        exponent = rows[:, None] + columns[None, :]
        size = sizes
    else:
        row = np.repeat(np.arange(sizes.shape[0]), np.diff(sizes.indptr))
        exponent, size = rows[row] + columns[sizes.indices], sizes.data
    some = size > 0
    top = np.frexp(size)[1]  # size < 2^top
    return bool((~some | ((top < exponent + _BITS) & (exponent > -1000))).all())


def _lowest_bits(weight: Weight, axis: int) -> np.ndarray:
    """The exponent of the lowest bit that is set in each row (axis 0) or column (axis 1); 2^20 in empty ones."""
    values = entries(weight)
    mantissa, exponent = np.frexp(values)
    whole = np.ldexp(mantissa, _BITS).astype(np.int64)
    low = exponent - _BITS + np.frexp((whole & -whole).astype(np.float64))[1] - 1
    low = np.where(whole == 0, 2**20, low)
    result = np.full(weight.shape[axis], 2**20, dtype=np.int64)
    if isinstance(weight, np.ndarray):
        return low.min(axis=1 - axis, initial=2**20)  # type: ignore[no-any-return]
    place = np.repeat(np.arange(weight.shape[0]), np.diff(weight.indptr)) if axis == 0 else weight.indices
    np.minimum.at(result, place, low)
    return result


def largest_change(errors: list[Weight | np.ndarray], rows: list[Weight | np.ndarray]) -> float:
    """The largest error relative to the largest entry of its row, over parts of the same rows; rounded up.

    Parameters
    ----------
    errors, rows : list of matrices, shape (size, any), and vectors, shape (size,)
        Bounds on the rounding, and what was computed.
    """
    error = np.maximum.reduce([_largest(part) for part in errors])
    if not error.any():
        return 0.0
    size = np.maximum(np.maximum.reduce([_largest(part) for part in rows]) - error, 0.0)  # of the exact row
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.where(error > 0, error / size, 0.0)
    return max(float(change.max() * (1 + 2.0**-20)), _LEAST)


def _largest(part: Weight | np.ndarray) -> np.ndarray:
    """The largest entry of each row in size."""
    if isinstance(part, np.ndarray):
        size = np.abs(part)
        return size if part.ndim == 1 else size.max(axis=1, initial=0.0)
    return np.asarray(abs(part).max(axis=1).todense()).ravel() if part.shape[1] else np.zeros(part.shape[0])


def said(change: float) -> str:
    """How the log says a largest relative change, rounded up to two digits."""
    if not change < math.inf:
        return "with no bound on the relative change"
    exponent = math.floor(math.log10(change))
    digits = math.ceil(change / 10.0**exponent * 10 * (1 + 1e-9)) / 10
    return f"largest relative change at most {digits:.1f}e{exponent:+03d}"


def reciprocal(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 / values in doubles, and bounds on their relative errors: 0 where it is exact."""
    result = 1.0 / values
    exact = (result * values == 1) & (product_error(result, values) == 0)
    return result, np.where(exact, 0.0, 2 * UNIT)


def reciprocal_root(variance: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """1 / sqrt(variance + eps) in doubles, and bounds on their relative errors: 0 where it is exact."""
    total = variance + eps
    root = np.sqrt(total)
    result, doubt = reciprocal(root)
    exact = (sum_error(variance, np.array(eps)) == 0) & (root * root == total) & (product_error(root, root) == 0) & (doubt == 0)
    return result, np.where(exact, 0.0, 4 * UNIT)
