"""Gradients along the axes of a neighbourhood: in floats with rigorous error bounds, and in integers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from operator import mul

import numpy as np

from polylc.complex.complex import Complex
from polylc.exact.gauge import Gauge
from polylc.exact.linear import gram
from polylc.network.compose import TINY, UNIT, batches
from polylc.network.exact_forms import MANY
from polylc.network.exact_jacobians import exact_jacobians

Rows = list[list[int]]
SLACK = 1.0 + 2.0**-40
KEPT = 2**19  # integers kept, some 80 bytes each


def bounded_gradients(complex_: Complex, regions: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Batches of `regions` with their Jacobians (r, m, k) and the error of each row (r, m), rigorous.

    Notes
    -----
    The error bounds sum_j |G_j - g_j| over a row, where g_j = a_j / h_j exactly, A and W are the computed a and 1 / h,
    and G = fl(A W). Each term is at most |a_j - A_j| / h_j + |A_j| |1 / h_j - W_j| + |A_j W_j - G_j|. The first terms
    sum to at most the row's noise times the largest 1 / h; the other two are at most 2.1 u |G_j| plus an underflow
    each. 4 u and the last factor cover the rounding of the bound.
    """
    inverse = complex_.domain.inverse_half
    known = in_range(inverse, 900)
    k = complex_.domain.dimension
    for part in batches(len(regions), (complex_.network.outputs + 1) * (k + 1), 500_000):
        rows = regions[part]
        maps = complex_.maps(rows)
        if not known:
            yield rows, np.zeros((*maps.map.shape[:2], k)), np.full(maps.noise.shape, np.inf)
            continue
        gradient = maps.map[:, :, :-1] * inverse
        error = maps.noise * inverse.max() + 4 * UNIT * np.abs(gradient).sum(axis=2)
        error = error * (1 + 4 * (k + 8) * UNIT) + 4 * (k + 1) * TINY
        finite = np.isfinite(error)
        yield rows, np.where(finite[:, :, None], gradient, 0.0), np.where(finite, error, np.inf)


def in_range(inverse: np.ndarray, exponent: int = 400) -> bool:
    """Whether 1 / half-side are numbers between 2^-exponent and 2^exponent."""
    return bool(((inverse > 2.0**-exponent) & (inverse < 2.0**exponent)).all())


class ExactGradients:
    """Jacobians of regions as integers over one denominator: derivatives along the axes, where the lengths of these are
    rational, else in unit coordinates. Squares of lengths are rational in either case.

    Attributes
    ----------
    denominator : int
        True entry = integer entry / denominator.
    square_denominator : int
        The same for `squared` and `gram`.
    evaluated : int
        How many regions were composed in integers.
    """

    def __init__(self, complex_: Complex) -> None:
        self._complex = complex_
        self._free = complex_.domain.exact_embedding.free
        self._products = exact_jacobians(complex_.network) if self._free is not None and complex_.domain.dimension >= MANY else None
        if self._products is None:
            inverse = complex_.domain.inverse_sides
            self._factors, common = _over_one(inverse or [Fraction(1)] * complex_.domain.dimension)
            self.denominator = complex_.exact_forms.scale * common
            self._gauge = Gauge(complex_.domain.squared_half) if inverse is None else None
        else:
            self.denominator, self._gauge = 1 << self._products.shift, None
        self._inverse = complex_.domain.inverse_half
        self.square_denominator = self.denominator**2 * (1 if self._gauge is None else self._gauge.unit)
        self.evaluated = 0
        self._kept: dict[int, Rows] = {}

    def jacobian(self, region: int) -> Rows:
        """The m rows of k integers of a region."""
        if region not in self._kept:
            self.compose([region])
        return self._kept[region]

    def compose(self, regions: Sequence[int]) -> None:
        """Have the Jacobians of some regions at hand, as far as they may be kept: several take less than one by one."""
        most = max(1, KEPT // (self._complex.network.outputs * self._complex.domain.dimension))
        new = [region for region in dict.fromkeys(regions) if region not in self._kept][:most]
        if len(self._kept) + len(new) > most:
            self._kept.clear()
        self._kept.update(zip(new, self._composed(new), strict=True))
        self.evaluated += len(new)

    def _composed(self, regions: Sequence[int]) -> Iterator[Rows]:
        patterns = self._complex.patterns(np.array(regions, dtype=np.int64))
        if self._products is not None and self._free is not None:
            yield from self._products.of(patterns, self._free).tolist()
            return
        for pattern in patterns:
            # the constants are left out
            yield [[a * f for a, f in zip(row, self._factors, strict=False)] for row in self._complex.exact_forms.output(pattern)]

    def squared(self, row: Sequence[int]) -> int:
        """The squared length of a row, as an integer."""
        return sum(map(mul, row, row)) if self._gauge is None else self._gauge.squared(row)

    def gram(self, rows: Rows) -> Rows:
        """Inner products of rows, as integers."""
        return gram(rows) if self._gauge is None else self._gauge.gram(rows)

    def lengthened(self, vector: Sequence[float]) -> list[float]:
        """Doubles in proportion to derivatives along the axes, from such in proportion to entries of `jacobian`."""
        if self._gauge is None:
            return list(vector)
        most = max(self._gauge.weights)
        return [a * math.sqrt(w / most) for a, w in zip(vector, self._gauge.weights, strict=True)]

    def rounded(self, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        """Doubles near derivatives along the axes, and bounds on the sum of the errors in each row."""
        near, error = rounded(rows, self.denominator)
        if self._gauge is None:
            return near, error
        with np.errstate(over="ignore", invalid="ignore"):  # 1 / h_j and the product round once more each
            near = near * self._inverse
            error = (error * self._inverse.max() + 4 * UNIT * np.abs(near).sum(axis=1)) * SLACK + len(rows[0]) * TINY
        known = np.isfinite(error) & np.isfinite(near).all(axis=1)
        return np.where(known[:, None], near, 0.0), np.where(known, error, np.inf)


def _over_one(values: Sequence[Fraction]) -> tuple[list[int], int]:
    """Rationals as integers over one denominator, the least."""
    common = math.lcm(*(v.denominator for v in values))
    factors = [v.numerator * (common // v.denominator) for v in values]
    shared = math.gcd(common, *factors)
    return [f // shared for f in factors], common // shared


def rounded(rows: Rows, denominator: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest doubles of integers over a denominator, and bounds on the sum of the errors in each row."""
    try:
        near = np.array([[v / denominator for v in row] for row in rows])
    except OverflowError:
        return np.zeros((len(rows), len(rows[0]))), np.full(len(rows), np.inf)
    error = UNIT * np.abs(near).sum(axis=1) * SLACK
    some = np.array([any(row) for row in rows])
    return near, np.where(some, error + TINY, 0.0)
