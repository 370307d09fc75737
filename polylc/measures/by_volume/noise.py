"""Local complexity with bias noise, every neuron's own noise averaged (LC^dec), and what else is integrated over
regions.

LC^dec(U) = (1 / |U|) sum over regions R and neurons i of ||grad z_i|| times the integral over R of the density of the
noise at z_i: the mean area per volume of the locus of each neuron under its own noise, all earlier biases as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from polylc.complex.complex import Complex
from polylc.errors import SolverError
from polylc.exact.linear import determinant
from polylc.exact.quantity import Kind, Quantity
from polylc.geometry.cell_bounds import scaled
from polylc.geometry.cuts import cut_stack
from polylc.geometry.exact_cell import Corners, cube_and, vertices_of
from polylc.measures.by_volume.noise_integrals import GAUSSIAN, STRIP, Simplices, Sums, Weighted, integrals, over_simplices, room
from polylc.measures.by_volume.spline_means import knots_for, quadrature
from polylc.measures.gradient.enclosed_norms import SLACK, scaled_row_norms
from polylc.measures.gradient.gradients import in_range
from polylc.measures.sums import between, product, total
from polylc.network.compose import TINY, UNIT, Forms

Array = np.ndarray
Function = tuple[int, float]  # kind and parameter, see `noise_integrals`


class Integrator:
    """Integrals of functions of affine forms over the regions of a complex of dimension <= 6, over |U|, enclosed.

    Notes
    -----
    Cells in doubles with proved vertices; those that are not proved (several hyperplanes through a vertex) in integers.
    """

    def __init__(self, complex_: Complex) -> None:
        self.complex = complex_
        self._n = complex_.domain.dimension
        self._rule = quadrature(self._n)

    def batch(self, rows: slice, forms: Forms, functions: Sequence[Function], many: tuple[Array, Array], weights: Array) -> tuple[Array, Array]:
        """Integrals over the regions `rows`, summed over affine functions, and bounds on their errors; two arrays (r,
        len(functions)).

        Parameters
        ----------
        forms : Forms
            All forms of these regions.
        many : (ndarray (r, N, n + 1), ndarray (r, N))
            Affine functions in unit coordinates, and the rounding in them.
        weights : ndarray, shape (r, N, 2)
            Their weights, enclosed.
        """
        complex_, n = self.complex, self._n
        entries = slice(int(complex_.starts[rows.start]), int(complex_.starts[rows.stop]))
        sized, error = scaled(*complex_.half_spaces(rows))
        starts = np.ascontiguousarray(complex_.starts[rows.start : rows.stop + 1] - entries.start, dtype=np.int64)
        count = rows.stop - rows.start
        value, wrong, ok = np.zeros((count, len(functions))), np.zeros((count, len(functions))), np.zeros(count, dtype=np.bool_)
        middle, slip = _balls(weights)
        kinds, parameters = np.array([f[0] for f in functions]), np.array([f[1] for f in functions])
        weighted = Weighted(np.ascontiguousarray(many[0]), np.ascontiguousarray(many[1]), middle, slip, kinds, parameters)
        stack = cut_stack(n, np.ones(n), int(np.diff(starts).max(initial=0)))
        work = room(n, len(stack.value), starts)
        integrals(starts, sized, error, weighted, self._rule, stack, Sums(value, wrong, ok), work)
        for at in np.flatnonzero(~ok).tolist():
            here = weighted.form[at], weighted.noise[at], middle[at], slip[at]
            value[at], wrong[at] = self._exactly(rows.start + at, *here, functions)
        cube = 2.0**-n
        return value * cube, wrong * cube

    def _exactly(self, region: int, forms: Array, noise: Array, weight: Array, slip: Array, functions: Sequence[Function]) -> tuple[Array, Array]:
        """The same for one region from its exact vertices."""
        n = self._n
        vertices, places, sizes = simplices_of(self.complex, region)
        simplices, knots = Simplices(places, sizes, np.array([len(sizes)])), knots_for(n)
        value, wrong = np.zeros(len(functions)), np.zeros(len(functions))
        steep = np.abs(forms[:, :-1]).sum(axis=1)
        tau = (noise + (4 * (n + 2) + 2) * UNIT * (steep + np.abs(forms[:, -1]))) * SLACK + TINY
        at = forms[:, :-1] @ vertices.T + forms[:, -1:]
        for f in np.flatnonzero((weight > 0) | (slip > 0)).tolist():
            for q, (kind, parameter) in enumerate(functions):
                mass = float(weight[f]), float(slip[f])
                part, doubt = over_simplices(simplices, at[f], float(tau[f]), mass, kind, parameter, self._rule, knots)
                value[q] += part
                wrong[q] += doubt
        return value, (wrong + (len(forms) + 4) * UNIT * np.abs(value)) * SLACK


def simplices_of(complex_: Complex, region: int) -> tuple[Array, Array, Array]:
    """A triangulation of a region, exact and then rounded: vertices (V, n), simplices (S, n + 1), volumes and errors
    (S, 2).
    """
    n = complex_.domain.dimension
    forms = cube_and(complex_.exact_half_spaces(region), n)
    found = vertices_of(n, forms)
    if found is None:
        raise SolverError(f"region {region} has too many vertices for exact volumes")
    corners = Corners(n, *found)
    corners.facets(len(forms))
    simplices = corners.triangulated((1 << len(corners.places)) - 1, n)
    sizes = np.empty((len(simplices), 2))
    for i, simplex in enumerate(simplices):
        places = [corners.places[v] for v in simplex]
        size = Fraction(abs(determinant(places)), math.prod(v[-1] for v in places) * math.factorial(n))
        sizes[i] = float(size), float(size) * 2.0**-52 + TINY
    vertices = np.array([[x / v[-1] for x in v[:-1]] for v in corners.places])
    return vertices, np.array(simplices, dtype=np.int64), sizes


def _balls(intervals: Array) -> tuple[Array, Array]:
    """Middles and half widths of intervals."""
    low, high = intervals[..., 0], intervals[..., 1]
    known = np.isfinite(high)
    middle = np.where(known, 0.5 * low + 0.5 * np.where(known, high, 0.0), low)
    slip = np.maximum(high - middle, middle - low) * SLACK
    return np.ascontiguousarray(middle), np.ascontiguousarray(slip)


def row_norms(complex_: Complex, rows: Array, noise: Array) -> Array:
    """Enclosures of the l2 norms of gradients, for forms (..., n + 1) in unit coordinates with their rounding (...);
    shape (..., 2).
    """
    inverse = complex_.domain.inverse_half
    if not in_range(inverse):
        return np.broadcast_to(np.array([0.0, np.inf]), (*noise.shape, 2))
    result = np.empty((noise.size, 2))
    scaled_row_norms(np.ascontiguousarray(rows.reshape(noise.size, rows.shape[-1])), np.ascontiguousarray(noise.ravel()), inverse, result)
    return result.reshape(*noise.shape, 2)


def peak(sigma: float) -> Array:
    """Enclosure of C_sigma, the largest value of the density of N(0, sigma^2)."""
    near = 1.0 / (math.sqrt(2.0 * math.pi) * sigma)
    return np.array([near * (1 - 8 * UNIT), near * (1 + 8 * UNIT)])


def noisy_sums(complex_: Complex, functions: Sequence[Function], shift: Array | None = None) -> Array:
    """(1 / |U|) sum over regions and neurons of ||grad z_i|| times the integrals of functions of z_i - shift_i; shape
    (len(functions), 2).
    """
    sums: list[list[Array]] = [[] for _ in functions]
    for rows, forms in _forms(complex_):
        hidden, noise = forms.hidden, forms.noise
        norms = row_norms(complex_, hidden, noise)
        if shift is not None:
            hidden = hidden.copy()
            hidden[:, :, -1] -= shift
            noise = noise + 2 * UNIT * np.abs(hidden[:, :, -1])
        value, wrong = Integrator(complex_).batch(rows, forms, functions, (hidden, noise), norms)
        for q in range(len(functions)):
            sums[q].append(between(np.maximum(value[:, q] - wrong[:, q], 0.0), value[:, q] + wrong[:, q]))
    return np.array([total(np.concatenate(parts)) for parts in sums])


def _forms(complex_: Complex) -> Iterator[tuple[slice, Forms]]:
    for rows in complex_.batches():
        yield rows, complex_.forms(rows)


def noisy_terms(complex_: Complex, sigmas: Sequence[float]) -> list[tuple[Quantity, Array]]:
    """For each sigma LC^dec as in `decoupled`, and E sum ||grad z|| 1{|z| <= sigma}, shape (2,)."""
    if not sigmas:
        return []
    found = noisy_sums(complex_, [(kind, sigma) for sigma in sigmas for kind in (GAUSSIAN, STRIP)])
    return [(_quantity(product(found[2 * i][None], peak(sigma)[None])[0]), found[2 * i + 1]) for i, sigma in enumerate(sigmas)]


def decoupled(complex_: Complex, sigmas: Sequence[float], shift: Array | None = None) -> list[Quantity]:
    """LC^dec for N(0, sigma^2) noise on the bias of every hidden neuron, enclosed.

    Parameters
    ----------
    shift : ndarray, shape (neurons,), optional
        Subtracted from the pre-activations before the density is taken: the own noise that biases already carry.

    Raises
    ------
    SolverError
        If a region has too many vertices.
    """
    found = noisy_sums(complex_, [(GAUSSIAN, sigma) for sigma in sigmas], shift)
    return [_quantity(product(sums[None], peak(sigma)[None])[0]) for sums, sigma in zip(found, sigmas, strict=True)]


def decoupled_uniform(complex_: Complex, widths: Sequence[float]) -> list[Quantity]:
    """The same for noise that is uniform on [-a, a], enclosed."""
    found = noisy_sums(complex_, [(STRIP, a) for a in widths])
    return [_quantity(between(sums[0] / (2 * a), sums[1] / (2 * a))) for sums, a in zip(found, widths, strict=True)]


def _quantity(interval: Array) -> Quantity:
    low, high = float(interval[0]), float(interval[1])
    return Quantity(low, high, Kind.EXACT if low == high else Kind.ENCLOSURE)
