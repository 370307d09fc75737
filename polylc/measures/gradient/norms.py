"""Frobenius and spectral norms of many Jacobians, enclosed."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.complex.pieces import edge_batches
from polylc.exact.mapped import joined, zeros
from polylc.measures.gradient.enclosed_norms import SLACK, matrix_norms
from polylc.measures.gradient.gradients import ExactGradients, Rows, bounded_gradients
from polylc.measures.sums import outward
from polylc.network.compose import UNIT

Array = np.ndarray


class Gradients:
    """Jacobians of regions in doubles with bounds on the errors of their rows; rounded anew from integers where that is
    not enough.
    """

    def __init__(self, complex_: Complex) -> None:
        self.complex = complex_
        self._exact = ExactGradients(complex_)
        self._rounded: dict[int, tuple[Array, Array]] = {}
        self._across: tuple[RegionGraph, Array] | None = None  # until one is rounded anew

    def of(self, regions: Array) -> tuple[Array, Array]:
        """Jacobians, shape (r, m, k), and the errors of their rows, (r, m)."""
        k, m = self.complex.domain.dimension, self.complex.network.outputs
        gradient, error = zeros((len(regions), m, k)), zeros((len(regions), m))
        begin = 0
        for rows, part, slip in bounded_gradients(self.complex, regions):
            gradient[begin : begin + len(rows)], error[begin : begin + len(rows)] = part, slip
            begin += len(rows)
        if self._rounded:
            known = np.fromiter(self._rounded, dtype=np.int64)
            for i in np.flatnonzero(np.isin(regions, known)).tolist():
                gradient[i], error[i] = self._rounded[int(regions[i])]
        return gradient, error

    def refine(self, region: int) -> None:
        """From now on the Jacobian of a region is the nearest double of each entry."""
        if region not in self._rounded:
            self._rounded[region], self._across = self._exact.rounded(self._exact.jacobian(region)), None

    def across(self, graph: RegionGraph, bends: Array) -> Array:
        """Enclosures of the Frobenius norms of the jumps of the Jacobian across edges, 0 where the function does not
        bend, as a graph's `bends` say; (E, 2).
        """
        if self._across is None or self._across[0] is not graph:
            self._across = graph, self._jumps(graph, bends)
        return joined([self._across[1]])  # a copy, since some are narrowed by who asks

    def _jumps(self, graph: RegionGraph, bends: Array) -> Array:
        """As `across`, computed."""
        jumps = zeros((len(graph), 2))
        for rows in edge_batches(self.complex, len(graph)):
            ends = np.concatenate([graph.first[rows], graph.second[rows]])
            regions, place = np.unique(ends, return_inverse=True)
            gradient, slip = self.of(regions)
            first, second = np.split(place, 2)
            jump = gradient[first] - gradient[second]
            error = (slip[first] + slip[second] + 2.0**-52 * np.abs(jump).sum(axis=2)) * (1 + 2.0**-50)
            jumps[rows] = np.where(bends[rows, None], frobenius(jump, error), 0.0)
        return jumps

    def jump(self, first: int, second: int) -> tuple[Array, Array]:
        """The difference of two regions' Jacobians, rounded from integers, and the errors of its rows."""
        return self._exact.rounded(self.exact_jump(first, second))

    def exact_jump(self, first: int, second: int) -> Rows:
        """The difference of two regions' Jacobians in integers, see `ExactGradients`."""
        left, right = self._exact.jacobian(first), self._exact.jacobian(second)
        return [[a - b for a, b in zip(p, q, strict=True)] for p, q in zip(left, right, strict=True)]

    def exact(self, region: int) -> Rows:
        """The Jacobian of a region in integers, see `ExactGradients`."""
        return self._exact.jacobian(region)

    def squared(self, rows: Rows) -> Fraction:
        """The squared Frobenius norm of what `exact` or `exact_jump` gives."""
        return Fraction(sum(self._exact.squared(row) for row in rows), self._exact.square_denominator)

    def gram(self, rows: Rows) -> tuple[Rows, int]:
        """Inner products of such rows, as integers over a denominator."""
        return self._exact.gram(rows), self._exact.square_denominator


def frobenius(gradient: Array, error: Array) -> Array:
    """Enclosures of the Frobenius norms of Jacobians known up to row errors; shape (r, 2).

    The norm changes by at most the error's norm, which is at most the sum of the rows' errors.
    """
    result = np.empty((len(gradient), 2))
    matrix_norms(np.ascontiguousarray(gradient), np.ascontiguousarray(error), result)
    return result


def spectral(gradient: Array, error: Array) -> Array:
    """Enclosures of the largest singular values; shape (r, 2). docs/exactness.md, lemma 11."""
    m, k = gradient.shape[1:]
    if min(m, k) == 1:
        return frobenius(gradient, error)
    size = np.abs(gradient).max(axis=(1, 2), initial=0.0)
    exponent = np.frexp(np.where(size > 0, size, 1.0))[1]
    sized = np.ldexp(gradient, -exponent[:, None, None])
    turned = sized if m <= k else sized.swapaxes(1, 2)
    large = max(m, k)
    bottom, top = _of_two(turned) if min(m, k) == 2 else _of_many(turned)
    square = np.abs(sized).sum(axis=(1, 2)) ** 2  # more than the squared Frobenius norm
    off = 2.0 * (large + 4) * UNIT * square
    good = np.isfinite(top)
    top, bottom = np.where(good, top + off, square), np.where(good, np.maximum(bottom - off, 0.0), 0.0)
    upper, lower = np.sqrt(top) * (1 + 4 * UNIT), np.sqrt(bottom) * (1 - 4 * UNIT)
    zero = size == 0
    slip = error.sum(axis=1) * SLACK
    with np.errstate(over="ignore"):
        upper, lower = np.where(zero, 0.0, np.ldexp(upper, exponent)), np.where(zero, 0.0, np.ldexp(lower, exponent))
    return np.stack([outward(lower, slip)[:, 0], outward(upper, slip)[:, 1]], axis=1)


def _of_two(rows: Array) -> tuple[Array, Array]:
    """Bounds on the largest eigenvalue of the computed products of two rows (r, 2, k): it has a formula, no term of
    which is negative."""
    first, second = rows[:, 0], rows[:, 1]
    a, b, c = (np.einsum("rj,rj->r", x, y) for x, y in ((first, first), (first, second), (second, second)))
    found = 0.5 * ((a + c) + np.sqrt((a - c) ** 2 + (2.0 * b) ** 2))
    return found * (1 - 8 * UNIT), found * (1 + 8 * UNIT)


def _of_many(rows: Array) -> tuple[Array, Array]:
    """The same for any number of rows, by lemma 11; infinite where it says nothing."""
    small = rows.shape[1]
    gram = rows @ rows.swapaxes(1, 2)
    gram = np.tril(gram) + np.tril(gram, -1).swapaxes(1, 2)
    vectors = np.linalg.eigh(gram)[1]
    inner = vectors.swapaxes(1, 2) @ gram @ vectors
    units = vectors.swapaxes(1, 2) @ vectors - np.eye(small)
    lengths = (vectors**2).sum(axis=(1, 2))
    lost = 4.0 * (small + 4) * UNIT * (np.abs(gram).sum(axis=(1, 2)) + 1.0) * (lengths + 1.0) * small
    skew = np.abs(units).sum(axis=2).max(axis=1) + 4.0 * (small + 4) * UNIT * (lengths + 1.0) * small
    diagonal = np.diagonal(inner, axis1=1, axis2=2)
    radius = np.abs(inner).sum(axis=2) - np.abs(diagonal)
    high = ((diagonal + radius).max(axis=1) + lost) * SLACK
    low = diagonal.max(axis=1) - lost
    good = (skew < 0.5) & np.isfinite(high)
    return low / (1.0 + skew), np.where(good, np.maximum(high, 0.0) / (1.0 - np.where(good, skew, 0.0)), np.inf)
