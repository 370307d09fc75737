"""Numbers as floating point evaluates them: an enclosure, and how far they are from those of the network analysed.

In: exact linear maps of what was evaluated before. Out: bounds that hold in any order of summation, fused or not, with
subnormal numbers kept or flushed to zero (docs/exactness.md, "What floating point evaluates"). All bounds are computed
in doubles and rounded up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from polylc.errors import RoundingError
from polylc.network.weights import Weight, at_points, entries, times, with_entries

UP = 1 + 2.0**-30  # more than what a bound loses in doubles, for sums of up to 2^20 terms
LOST = 2.0**-900  # more than all underflows of doubles together
DOUBLE = 2.0**-53
SMALLEST = 2.0**-100  # what smaller entries of matrices count as, in bounds
COARSE = -(2**20)  # exponent of a grid of which nothing is known


@dataclass(frozen=True)
class Format:
    """A binary format of IEEE 754, rounding to nearest.

    Attributes
    ----------
    name : str
        As ONNX calls it.
    digits : int
    lowest : int
        Exponent of the smallest normal number.
    largest : float
        The largest finite number.
    """

    name: str
    digits: int
    lowest: int
    largest: float

    @property
    def normal(self) -> float:
        """The smallest normal number: more than what an underflow loses, gradual or not."""
        return 2.0**self.lowest

    @property
    def unit(self) -> float:
        """More than the relative error of one rounding, also of one by way of a format of 11 digits more."""
        return 2.0**-self.digits * (1 + 2.0**-10)

    def gamma(self, terms: np.ndarray) -> np.ndarray:
        """The relative error of so many roundings, at most."""
        some = terms * self.unit
        if (some > 0.25).any():
            raise RoundingError(f"sums of {int(terms.max())} terms")
        found: np.ndarray = some / (1 - some) * UP
        return found

    @property
    def dtype(self) -> np.dtype:
        """That of numpy."""
        return np.dtype(self.name)


FORMATS = {
    "float32": Format("float32", 24, -126, float(np.finfo(np.float32).max)),
    "float64": Format("float64", 53, -1022, float(np.finfo(np.float64).max)),
}


@dataclass(frozen=True)
class Evaluated:
    """Entries of a tensor as floating point evaluates them, for every input of a box; arrays of shape (size,).

    What follows a product and only adds, subtracts or scales is taken together with it: runtimes may do so.

    Attributes
    ----------
    low, high : ndarray
        Ends of the sum without its rounding, of terms as they were evaluated.
    total : ndarray
        No less than the sum of the terms' sizes.
    terms : ndarray
        Roundings that a term may go through.
    reads : ndarray
        No less than the sum of the sizes of what the terms are products with, at any factor.
    lost : ndarray
        What underflow may have cost.
    grid : ndarray of int
        An exponent e such that all terms are multiples of 2^e; COARSE where none is known.
    base : ndarray
        With `parts`, how far the sum without its rounding is from the value in the network analysed: that is at most
        `base`, plus what the parts make of errors of size 1.
    parts : dict of ndarray, shape (size, errors)
        By where the errors arose; signed.
    """

    low: np.ndarray
    high: np.ndarray
    total: np.ndarray
    terms: np.ndarray
    reads: np.ndarray
    lost: np.ndarray
    grid: np.ndarray
    base: np.ndarray
    parts: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def carried(self) -> np.ndarray:
        """How far the sum without its rounding is from the value in the network analysed."""
        return self.base + sum((np.abs(p).sum(axis=1) for p in self.parts.values()), np.zeros(1)) * UP

    def exact(self, form: Format) -> np.ndarray:
        """Where every partial sum is a number of the format, so that nothing rounds in any order."""
        inside = self.total < np.ldexp(1.0, np.clip(self.grid + form.digits, -1000, 1000))
        found: np.ndarray = (self.total == 0) | ((self.terms == 0) & (self.lost == 0)) | (inside & (self.grid >= form.lowest))
        return found

    def rounding(self, form: Format) -> np.ndarray:
        """How far evaluating the sum is from the sum."""
        gamma = form.gamma(self.terms)
        found: np.ndarray = np.where(self.exact(form), 0.0, (gamma * self.total + (1 + gamma) * self.lost) * UP)
        return found

    def off(self, form: Format) -> np.ndarray:
        """How far what is evaluated is from the value in the network analysed."""
        found: np.ndarray = (self.carried + self.rounding(form)) * UP
        return found

    def ends(self, form: Format) -> tuple[np.ndarray, np.ndarray]:
        """An enclosure of what is evaluated."""
        rounding = self.rounding(form)
        low, high = self.low - rounding, self.high + rounding
        return np.where(rounding > 0, low - np.abs(low) * 4 * DOUBLE, low), np.where(rounding > 0, high + np.abs(high) * 4 * DOUBLE, high)


def plain(low: np.ndarray, high: np.ndarray, base: np.ndarray, form: Format, parts: dict[int, np.ndarray] | None = None) -> Evaluated:
    """Numbers of the format between these ends, which may be flushed to zero where they are subnormal."""
    near = (low < form.normal) & (high > -form.normal) & ((low != 0) | (high != 0))
    base = np.where(near, (base + form.normal) * UP, base)
    low, high = np.where(near, np.minimum(low, 0.0), low), np.where(near, np.maximum(high, 0.0), high)
    size = np.maximum(np.abs(low), np.abs(high))
    size = np.where(size > 0, np.maximum(size, SMALLEST**5), 0.0)  # nothing that they are multiplied with underflows
    nothing = np.zeros(len(low))
    point = low == high
    grid = np.where(point & ~near, lowest_bits(low), COARSE)
    return Evaluated(low, high, size, nothing, size, nothing, grid, base, parts or {})


_ARRAYS = ("low", "high", "total", "terms", "reads", "lost", "grid", "base")


def _made(arrays: Sequence[np.ndarray], parts: dict[int, np.ndarray]) -> Evaluated:
    low, high, total, terms, reads, lost, grid, base = arrays
    return Evaluated(low, high, total, terms, reads, lost, grid, base, parts)


def joined(several: Sequence[Evaluated]) -> Evaluated:
    """The entries of several, one after the other."""
    if len(several) == 1:
        return several[0]
    sizes = [len(one.low) for one in several]
    parts: dict[int, np.ndarray] = {}
    for key in dict.fromkeys(key for one in several for key in one.parts):
        width = next(one.parts[key].shape[1] for one in several if key in one.parts)
        parts[key] = np.concatenate([one.parts.get(key, np.zeros((size, width))) for one, size in zip(several, sizes, strict=True)])
    return _made([np.concatenate([getattr(one, name) for one in several]) for name in _ARRAYS], parts)


def taken(one: Evaluated, index: np.ndarray, constants: np.ndarray, form: Format) -> Evaluated:
    """Entries by number; constants where that is negative."""
    fixed = index < 0
    there = np.where(fixed, 0, index)
    known = plain(constants, constants, np.zeros(len(index)), form)
    found = [np.where(fixed, getattr(known, name), getattr(one, name)[there]) for name in _ARRAYS]
    return _made(found, {key: np.where(fixed[:, None], 0.0, part[there]) for key, part in one.parts.items()})


def added(one: Evaluated, matrix: Weight | None, bias: np.ndarray, form: Format) -> Evaluated:
    """Sums of entries times 1 or -1, and a bias."""
    sizes = magnitude(matrix)
    terms = _by(sizes, one.terms + 1) + 1
    total = (_by(sizes, one.total) + np.abs(bias)) * UP
    grid = np.minimum(_finest(one.grid, np.zeros_like(one.grid), matrix), _grid_of(bias, form))
    lost = (_by(sizes, one.lost) + form.normal * (terms + 1)) * UP
    return Evaluated(
        *_interval(one.low, one.high, matrix, bias, total, grid),
        total,
        terms,
        (_by(sizes, one.reads) + np.abs(bias)) * UP,
        lost,
        grid,
        *_carried(one, matrix),
    )


def scaled(
    one: Evaluated, factor: np.ndarray, roundings: int, form: Format, mean: np.ndarray, bias: np.ndarray, slack: np.ndarray | float = 0.0
) -> Evaluated:
    """Entries less a mean, times factors, and a bias; `factor` itself errs relatively by `slack`, at most.

    Factors may have been multiplied into the weights of the products before, and the mean into the bias. A factor with
    a slack is computed, and rounds on the way, even if what comes out is a power of two.
    """
    size = np.abs(factor)
    moved = size * np.abs(mean) + np.abs(bias)
    total = (np.maximum(size, SMALLEST) * one.total + moved) * UP
    powers = np.abs(np.frexp(factor)[0]) == 0.5
    alone = (one.terms == 0) & (mean == 0) & (bias == 0)
    known = (alone | ((size == 1) & (moved == 0))) & (np.asarray(slack) == 0)
    grid = np.where(known & (one.grid > COARSE), one.grid + _grid_of(factor, form), COARSE)
    around = one.reads + one.total + np.abs(mean)  # also of the product of this factor and a later one
    lost = size * one.lost + form.normal * (one.terms + roundings + 2 + size + around + total) + slack * total
    shift = bias - factor * mean
    ends = factor * one.low + shift, factor * one.high + shift
    sure = known & (total < np.ldexp(1.0, np.clip(grid + 53, -1000, 1000)))
    wide = np.where(sure, 0.0, total * 8 * DOUBLE + LOST)
    spread = np.where((size == 1) | powers, 0.0, 2.0**-36) * one.carried
    return Evaluated(
        np.minimum(*ends) - wide,
        np.maximum(*ends) + wide,
        total,
        one.terms + roundings,
        around * UP,
        lost * UP,
        np.where(alone & (factor == 0), NOTHING, grid),
        (size * (one.base + spread)) * UP,
        {key: factor[:, None] * part for key, part in one.parts.items()},
    )


def product(one: Evaluated, matrix: Weight | None, bias: np.ndarray, roundings: int, form: Format, slack: float = 0.0) -> Evaluated:
    """A matrix times entries that are evaluated, and a bias; entries of the matrix err relatively by `slack`."""
    sizes = magnitude(matrix)
    there = None if matrix is None else with_entries(matrix, (entries(matrix) != 0).astype(float))
    ones = np.ones(len(one.low))
    many = _by(there, ones)
    total = (_by(sizes, one.total) + np.abs(bias)) * UP
    weights = _by(sizes, ones)
    grid = np.full(len(bias), COARSE)
    if not roundings and not slack and (one.grid > COARSE).any():
        grid = np.minimum(_finest(one.grid, one.grid, matrix, form), _grid_of(bias, form))
    around = _by(there, one.total) + np.abs(bias)
    lost = form.normal * (4 * many + 4 + weights + around) * 2.0 ** (20 if roundings else 0) + (slack * total if slack else 0.0)
    return Evaluated(
        *_interval(one.low, one.high, matrix, bias, total, grid),
        total,
        many + 1 + roundings,
        around * UP,
        lost * UP,
        grid,
        *_carried(one, matrix),
    )


def magnitude(matrix: Weight | None) -> Weight | None:
    """Sizes of entries, those of small ones rounded up; None is the identity."""
    if matrix is None:
        return None
    size = np.abs(entries(matrix))
    return with_entries(matrix, np.where(size > 0, np.maximum(size, SMALLEST), 0.0))


def lowest_bits(values: np.ndarray) -> np.ndarray:
    """The exponent of the lowest bit of each number that is set; 0 for zeros, which are multiples of anything."""
    mantissa, exponent = np.frexp(values)
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    found: np.ndarray = np.where(whole == 0, NOTHING, exponent - 53 + np.frexp((whole & -whole).astype(float))[1] - 1)
    return found


NOTHING = 2**20
"""Exponent of the grid of zero alone."""


def _grid_of(values: np.ndarray, form: Format) -> np.ndarray:
    """The grid of each number; none for subnormal ones, which may be flushed."""
    found: np.ndarray = np.where((values != 0) & (np.abs(values) < form.normal), COARSE, lowest_bits(values))
    return found


def _finest(own: np.ndarray, grid: np.ndarray, matrix: Weight | None, form: Format | None = None) -> np.ndarray:
    """The grid of rows of products: with a format of entries and numbers, else of numbers alone."""
    if matrix is None:
        return own
    from scipy import sparse

    rows = sparse.coo_array(matrix)
    found = np.full(matrix.shape[0], NOTHING)
    own_bits = own[rows.col] if form is None else grid[rows.col] + _grid_of(rows.data, form)
    own_bits = np.where(rows.data == 0, NOTHING, np.where((own[rows.col] >= NOTHING), NOTHING, np.maximum(own_bits, COARSE)))
    np.minimum.at(found, rows.row, own_bits)
    return found


def _by(matrix: Weight | None, values: np.ndarray) -> np.ndarray:
    return values if matrix is None else at_points(values, matrix)


def _interval(
    low: np.ndarray, high: np.ndarray, matrix: Weight | None, bias: np.ndarray, total: np.ndarray, grid: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of matrix @ x + bias, outward; without rounding where all terms are on a grid that doubles hold."""
    middle = np.where(low == high, low, (low + high) / 2)
    half = np.where(low == high, 0.0, np.maximum(high - middle, middle - low) * UP)
    centre, reach = _by(matrix, middle) + bias, _by(magnitude(matrix), half) * UP
    wide = total * (len(low) + 4) * 2 * DOUBLE + LOST
    if matrix is not None and not isinstance(matrix, np.ndarray):
        wide = total * (int(np.diff(matrix.indptr).max(initial=0)) + 4) * 2 * DOUBLE + LOST
    elif matrix is None:
        wide = total * 8 * DOUBLE + LOST
    sure = (total == 0) | (total < np.ldexp(1.0, np.clip(grid + 53, -1000, 1000)))
    reach = np.where(sure & (reach == 0), 0.0, reach + wide)
    return centre - reach, centre + reach


def _carried(one: Evaluated, matrix: Weight | None) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """What differences become behind a matrix."""
    sizes = magnitude(matrix)
    base = _by(sizes, one.base) * UP
    if one.parts and matrix is not None:
        base = base + _by(sizes, one.carried) * 2.0**-36
        return base, {key: times(matrix, part) for key, part in one.parts.items()}
    return base, one.parts


def settled(one: Evaluated, form: Format, key: int, value: tuple[np.ndarray, np.ndarray] | None = None) -> Evaluated:
    """What is evaluated as numbers of the format, the rounding so far as a part of its own.

    Parameters
    ----------
    value : two ndarrays, optional
        Ends of these values in the network analysed.
    """
    low, high = within(one, form, value)
    rounding = one.rounding(form)
    parts, base = dict(one.parts), one.base
    if rounding.any() and len(low) <= MOST_PARTS:
        parts[key] = np.diag(rounding)
    else:
        base = (base + rounding) * UP
    return plain(low, high, base, form, parts)


MOST_PARTS = 1024


def within(one: Evaluated, form: Format, value: tuple[np.ndarray, np.ndarray] | None) -> tuple[np.ndarray, np.ndarray]:
    """An enclosure of what is evaluated, also by the values in the network analysed."""
    low, high = one.ends(form)
    if value is not None:
        off = one.off(form)
        near = off + np.maximum(np.abs(value[0]), np.abs(value[1])) * 4 * DOUBLE
        fixed = low == high
        low = np.where(fixed, low, np.maximum(low, value[0] - near))
        high = np.where(fixed, high, np.minimum(high, value[1] + near))
    return low, high
