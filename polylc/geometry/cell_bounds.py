"""Enclosures of the volumes of many cells and of their facets, in unit coordinates."""

from __future__ import annotations

import numpy as np

from polylc.geometry.cuts import cut_stack
from polylc.geometry.proved_sizes import Sizes, bounded_cells, room

Array = np.ndarray


class CellBounds:
    """Volumes and facets of cells of the cube [-1, 1]^n, each value with a proved bound on its error.

    Attributes
    ----------
    volume : ndarray, shape (R, 2)
        Value, bound on its error.
    area : ndarray, shape (E, 2)
        (n - 1)-volume of each half-space's facet, times |a scaled| / |a| for its gradient a; 0, 0 where it has none.
    box : ndarray, shape (R, 2 n, 2)
        The (n - 1)-volumes of the cell's facets on the faces u_j = -1 (even) and u_j = 1 (odd) of the cube.
    moment : ndarray, shape (R, 2 n, 2, n)
        Integrals of the coordinates over those faces, and their errors.
    ok : ndarray of bool, shape (R,)
        Where all this is proved; vertices on more than n hyperplanes, or nearly so, are not.
    closed : ndarray of bool, shape (R,)
        Where the outward normals of such a cell, weighted by area, sum to zero within the bounds, as they must.
    """

    def __init__(self, starts: Array, rows: Array, noise: Array, scale: Array | None = None) -> None:
        """Compute.

        Parameters
        ----------
        starts : ndarray of int, shape (R + 1,)
            Cell r is cut by rows[starts[r]:starts[r + 1]].
        rows : ndarray, shape (E, n + 1)
            Half-spaces a.u + c >= 0 as (a, c).
        noise : ndarray, shape (E,)
            Bound on the sum of the errors of a row's coefficients.
        scale : ndarray, shape (n,), optional
            What gradients are scaled by, in each coordinate, for areas in other coordinates; 1 by default.
        """
        count, n = len(starts) - 1, rows.shape[1] - 1
        self.volume, self.area = np.zeros((count, 2)), np.zeros((len(rows), 2))
        self.box, self.moment = np.zeros((count, 2 * n, 2)), np.zeros((count, 2 * n, 2, n))
        self.ok, self.closed = np.zeros((2, count), dtype=np.bool_)
        rows, noise = scaled(rows, noise)
        stack = cut_stack(n, np.ones(n), int(np.diff(starts).max(initial=0)))
        sizes = Sizes(self.volume, self.area, self.box, self.moment, self.ok, self.closed)
        work, scale = room(n, len(stack.value), starts), np.ones(n) if scale is None else np.ascontiguousarray(scale, dtype=np.float64)
        bounded_cells(np.ascontiguousarray(starts, dtype=np.int64), rows, noise, scale, stack, sizes, work)


def scaled(rows: Array, noise: Array) -> tuple[Array, Array]:
    """Rows times powers of two that bring their largest |a_j| to between 1/2 and 1, and their errors."""
    size = largest(rows[:, :-1])
    exponent = np.frexp(np.where(np.isfinite(size), size, 1.0))[1]
    with np.errstate(over="ignore"):  # what leaves the range of doubles is not proved
        if np.abs(exponent).max(initial=0) < 1000:  # a product with a power of two is what ldexp gives, in a tenth of its time
            power = np.ldexp(1.0, -exponent)
            return rows * power[:, None], noise * power + 2.0**-900
        return np.ldexp(rows, -exponent[:, None]), np.ldexp(noise, -exponent) + 2.0**-900


def largest(rows: Array) -> Array:
    """The largest |a_j| of each row: column by column, quicker than a maximum over a short axis."""
    size = np.zeros(len(rows))
    for column in rows.T:
        np.maximum(size, np.abs(column), out=size)
    return size
