"""Gradients in the free coordinates of a neighbourhood: in floats with rigorous error bounds, and in integers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from polylc.complex.complex import Complex
from polylc.domains.box import Neighbourhood
from polylc.network.compose import TINY, UNIT, batches

Rows = list[list[int]]
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
    inverse = _inverse_half(complex_.domain)
    k = complex_.domain.dimension
    for part in batches(len(regions), (complex_.network.neurons + complex_.network.outputs + 1) * (k + 1)):
        rows = regions[part]
        maps = complex_.maps(rows)
        if inverse is None:
            yield rows, np.zeros((*maps.map.shape[:2], k)), np.full(maps.noise.shape, np.inf)
            continue
        gradient = maps.map[:, :, :-1] * inverse
        error = maps.noise * inverse.max() + 4 * UNIT * np.abs(gradient).sum(axis=2)
        error = error * (1 + 4 * (k + 8) * UNIT) + 4 * (k + 1) * TINY
        known = np.isfinite(error)
        yield rows, np.where(known[:, :, None], gradient, 0.0), np.where(known, error, np.inf)


def _inverse_half(domain: Neighbourhood) -> np.ndarray | None:
    """The nearest doubles of 1 / half-side, or None where doubles are out of range."""
    exact = domain.inverse_sides
    if not all(Fraction(1, 2**900) < v < 2**900 for v in exact):
        return None
    return np.array([float(v) for v in exact])


class ExactGradients:
    """Jacobians of regions as integers over one denominator.

    Attributes
    ----------
    denominator : int
        True entry = integer entry / denominator.
    evaluated : int
        How many regions were composed in integers.
    """

    def __init__(self, complex_: Complex) -> None:
        self._complex = complex_
        inverse = complex_.domain.inverse_sides
        common = math.lcm(*(v.denominator for v in inverse))
        factors = [int(v * common) for v in inverse]
        shared = math.gcd(common, *factors)
        self._factors = [f // shared for f in factors]
        self.denominator = complex_.exact_forms.scale * (common // shared)
        self.evaluated = 0
        self._kept: dict[int, Rows] = {}

    def jacobian(self, region: int) -> Rows:
        """The m rows of k integers of a region."""
        found = self._kept.get(region)
        if found is None:
            forms = self._complex.exact_forms.output(self._complex.patterns(np.array([region]))[0])
            # the constant is left out
            found = [[a * f for a, f in zip(row, self._factors, strict=False)] for row in forms]
            self.evaluated += 1
            if (len(self._kept) + 1) * len(found) * len(found[0]) > KEPT:
                self._kept.clear()
            self._kept[region] = found
        return found
