"""The largest spectral norm of a family of Jacobians, as a proved enclosure. docs/exactness.md, "Spectral norms"."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from polylc.exact.enclose import enclose_sqrt
from polylc.exact.linear import is_positive_semidefinite
from polylc.measures.by_volume.variation import spectral_norms
from polylc.measures.gradient.gradients import ExactGradients, Rows
from polylc.network.compose import UNIT

WIDTH = Fraction(1, 2**46)  # of the enclosure of the square, relative: the square of a vector's error is less
MORE = 1.0 + 2.0**-20  # a norm that is smaller by that, relative, is not the largest; steers only
SMALL, LARGE = 2.0**-200, 2.0**200  # norms in between are tested in floats
Batches = Callable[[], Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]]


@dataclass(frozen=True)
class Spectral:
    """lower <= max over the regions of sigma_max(J)^2 <= upper; |J^T witness|^2 >= lower |witness|^2 in `region`."""

    lower: Fraction
    upper: Fraction
    region: int
    witness: tuple[int, ...]


def largest_spectral_norm(batches: Batches, exact: ExactGradients, counters: Counter[str]) -> Spectral:
    """Enclose the largest squared singular value over all regions that `batches` lists.

    Parameters
    ----------
    batches : callable
        Gives an iterator over regions, Jacobians and row errors, see `bounded_gradients`.
    exact : ExactGradients
    counters : Counter
        Receives how many regions which test settled.
    """
    region, top = -1, -1.0
    for rows, gradient, _ in batches():
        some = _candidates(gradient, top)
        sizes = spectral_norms(gradient[some])
        at = int(np.argmax(sizes))
        if sizes[at] > top:
            region, top = int(rows[some[at]]), float(sizes[at])
    best = from_below(exact, region)
    open_: list[int] = []
    root = enclose_sqrt(best.upper)[0]
    for rows, gradient, error in batches():
        below = certainly_below(gradient, error, root)
        counters["spectral norms bounded in floats"] += int(below.sum())
        open_ += rows[~below].tolist()
    for region in open_:
        counters["spectral norms bounded in integers"] += 1
        width = WIDTH
        while not at_most(exact.gram(exact.jacobian(region)), exact.square_denominator, best.upper):
            found = from_below(exact, region, width)
            upper = max(best.upper, found.upper)
            best = replace(found if found.lower > best.lower else best, upper=upper)
            width *= 2  # only if the approximate singular vector was a poor one
    return best


def _candidates(gradient: np.ndarray, top: float) -> np.ndarray:
    """Places of the Jacobians that may have the largest norm, and one above `top`; at least one. Those with a smaller
    Frobenius norm than the spectral norm of the one whose Frobenius norm is largest do not. In floats: they say where
    to look, and prove nothing.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        frobenius = np.sqrt(np.einsum("rij,rij->r", gradient, gradient))
        longest = int(np.argmax(frobenius))
        below = frobenius * MORE < max(top, float(spectral_norms(gradient[longest : longest + 1])[0]))
    below[longest] = False
    return np.flatnonzero(~below)


def from_below(exact: ExactGradients, region: int, width: Fraction = WIDTH) -> Spectral:
    """A lower bound from an approximate singular vector, exact, and an upper bound still to be proved, `width` above
    it.
    """
    rows = exact.jacobian(region)
    largest = max(abs(a) for row in rows for a in row)
    if largest == 0:
        return Spectral(Fraction(0), Fraction(0), region, (1, *[0] * (len(rows) - 1)))
    left = np.linalg.svd(np.array([exact.lengthened([a / largest for a in row]) for row in rows]), full_matrices=False)[0][:, 0]
    witness = [int(v) for v in np.rint(left * 2.0**30)]
    common = math.gcd(*witness)
    witness = [v // common for v in witness]
    image = [sum(v * a for v, a in zip(witness, column, strict=True)) for column in zip(*rows, strict=True)]
    quotient = Fraction(exact.squared(image), sum(v * v for v in witness) * exact.square_denominator)
    return Spectral(_short(quotient, up=False), _short(quotient * (1 + width), up=True), region, tuple(witness))


def _short(value: Fraction, *, up: bool, bits: int = 64) -> Fraction:
    """A dyadic number of about `bits` bits next to a positive one, below it or above it."""
    shift = bits - value.numerator.bit_length() + value.denominator.bit_length()
    scaled = value * Fraction(2) ** shift
    return Fraction(math.ceil(scaled) if up else math.floor(scaled)) / Fraction(2) ** shift


def at_most(products: Rows, denominator: int, bound: Fraction) -> bool:
    """Whether sigma_max(J)^2 <= bound, exactly, for J J^T = products / denominator: bound I - J J^T is positive
    semidefinite.
    """
    square = bound * denominator
    matrix = [[-square.denominator * v for v in row] for row in products]
    for i, row in enumerate(matrix):
        row[i] += square.numerator
    return is_positive_semidefinite(matrix)


def certainly_below(gradient: np.ndarray, error: np.ndarray, root: float) -> np.ndarray:
    """Whether sigma_max <= root is certain for Jacobians known up to row errors; boolean, shape (R,).

    Parameters
    ----------
    gradient : ndarray, shape (R, m, k)
    error : ndarray, shape (R, m)
        Bounds on the sum of |computed - exact| over each row.
    root : float
    """
    if not SMALL <= root <= LARGE:
        return np.zeros(len(gradient), dtype=bool)
    m, k = gradient.shape[1:]
    small, large = min(m, k), max(m, k)
    with np.errstate(over="ignore", invalid="ignore"):
        left = (root - error.sum(axis=1) * (1 + 2 * (m + 2) * UNIT)) * (1 - 4 * UNIT)
        frobenius = (gradient**2).sum(axis=(1, 2)) * (1 + 2 * (m * k + 4) * UNIT) + 2.0**-900
        square = left * left * (1 - 4 * UNIT)
        result: np.ndarray = (left >= root / 2) & (frobenius <= square)
        rows = np.flatnonzero((left >= root / 2) & ~result & np.isfinite(frobenius))
    if len(rows):
        some = gradient[rows]
        product = some @ some.swapaxes(1, 2) if m <= k else some.swapaxes(1, 2) @ some
        shift = 2 * (small + 1) * (small + 2) * UNIT * square[rows] + 2 * (large + 4) * UNIT * frobenius[rows]
        result[rows] = _cholesky_runs((square[rows] - shift)[:, None, None] * np.eye(small) - product)
    return result


def _cholesky_runs(matrices: np.ndarray) -> np.ndarray:
    """Whether Cholesky's algorithm in floats runs to completion, of the lower triangles; overwrites; boolean, shape
    (R,).
    """
    result = np.ones(len(matrices), dtype=bool)
    with np.errstate(over="ignore", invalid="ignore"):
        for j in range(matrices.shape[1]):
            pivot = matrices[:, j, j]
            result &= pivot > 0
            column = matrices[:, j + 1 :, j] / np.sqrt(np.where(result, pivot, 1.0))[:, None]
            matrices[:, j + 1 :, j + 1 :] -= column[:, :, None] * column[:, None, :]
    return result
