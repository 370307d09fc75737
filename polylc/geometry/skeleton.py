"""Vertices, facet areas and volumes of cells, in floating point.

In: a box cut by half-spaces, for each cell. Out: volumes, areas, points inside facets, and for which cells they can be
relied on. Skeletons are those of simple polytopes (`cuts.py`), so degenerate cells have vertices that coincide.

Areas come from a pulled triangulation of each facet, projected along the largest entry of its normal; all terms are
positive. Volumes are sums of pyramids over the facets. Cells that this cannot do are left to `exact_cell`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from polylc.geometry.cuts import CutStack, Skeleton, cut_along, cut_stack, has, top_of
from polylc.geometry.exact_cell import ExactCell
from polylc.geometry.triangulation import Walk, begin_facet, list_facets, next_simplex, walk_for
from polylc.jit.decorators import kernel

Array = np.ndarray

MOST_DIMENSION = 6
CLOSED = 1e-11  # relative error in the sum of a cell's normals weighted by area, which is zero; proves nothing


class _Sizes(NamedTuple):
    """What is found of all cells."""

    volume: Array  # (R,)
    area: Array  # (E,)
    point: Array  # (E, n) a point inside each facet, NaN where there is none
    box_area: Array  # (R, 2 n)
    ok: Array  # (R,)
    vertices: Array  # (R, most, n) or (0, most, n) if they are not asked for
    counts: Array  # (R,) how many vertices, if they are


class _Room(NamedTuple):
    """Room to work in."""

    centre: Array  # (n,)
    M: Array  # (n, n)
    walk: Walk


@kernel
def _determinant(M: Array, size: int) -> float:
    """Of the leading block, in absolute value; by elimination, in its place."""
    result = 1.0
    for c in range(size):
        pivot = c
        for r in range(c + 1, size):
            if abs(M[r, c]) > abs(M[pivot, c]):
                pivot = r
        if M[pivot, c] == 0.0:
            return 0.0
        if pivot != c:
            for k in range(size):
                M[c, k], M[pivot, k] = M[pivot, k], M[c, k]
        result *= M[c, c]
        for r in range(c + 1, size):
            f = M[r, c] / M[c, c]
            for k in range(c, size):
                M[r, k] -= f * M[c, k]
    return abs(result)


@kernel
def _face_measure(cell: Skeleton, q: int, drop: int, room: _Room) -> float:
    """(n - 1)-volume of the q-th facet projected along coordinate `drop`: pulled triangulation over its faces."""
    X, M, apex = cell.X, room.M, room.walk.apex
    top = X.shape[1] - 1  # dimension of the facet
    total = 0.0
    begin_facet(room.walk, q)
    while next_simplex(room.walk, top):
        for r in range(top):
            c = 0
            for j in range(top + 1):
                if j != drop:
                    M[r, c] = X[apex[r + 1], j] - X[apex[0], j]
                    c += 1
        total += _determinant(M, top)
    for d in range(2, top + 1):
        total /= d
    return total


@kernel
def _facet(cell: Skeleton, row: Array, q: int, point: Array, room: _Room) -> tuple[float, float]:
    """Area of the q-th facet, which is on a half-space, and n times the volume of the pyramid from the centre over it.

    `point` receives a point inside.
    """
    n, touched, facet = len(point), 0, room.walk.number[q]
    for j in range(n):
        point[j] = 0.0
    for v in range(len(cell.X)):
        if has(cell.F, v, facet):
            touched += 1
            for j in range(n):
                point[j] += cell.X[v, j]
    drop, norm, height = 0, 0.0, row[n]
    for j in range(n):
        point[j] /= touched
        norm += row[j] * row[j]
        height += row[j] * room.centre[j]
        if abs(row[j]) > abs(row[drop]):
            drop = j
    norm = math.sqrt(norm)
    area = _face_measure(cell, q, drop, room) * norm / abs(row[drop])
    return area, area * height / norm


@kernel
def _cells(half: Array, starts: Array, rows: Array, stack: CutStack, sizes: _Sizes, room: _Room) -> None:
    """All cells: volumes, and areas and points where there are facets; vertices too where `vertices` has room."""
    n = len(half)
    for r in range(len(starts) - 1):
        good = cut_along(stack, rows, starts[max(r - 1, 0)], starts[r], starts[r + 1])
        sizes.ok[r] = good
        if not good:
            continue
        cell = top_of(stack)
        many = len(cell.X)
        for j in range(n):
            room.centre[j] = 0.0
            for v in range(many):
                room.centre[j] += cell.X[v, j]
            room.centre[j] /= many
        if len(sizes.vertices) > 0:
            sizes.counts[r] = many
            for v in range(min(many, sizes.vertices.shape[1])):
                for j in range(n):
                    sizes.vertices[r, v, j] = cell.X[v, j]
        total = 0.0
        for q in range(list_facets(cell.F, room.walk)):
            facet = room.walk.number[q]
            if facet >= 0:
                e = starts[r] + facet
                sizes.area[e], pyramid = _facet(cell, rows[e], q, sizes.point[e], room)
                total += pyramid
                continue
            face = -1 - facet
            j = face >> 1
            shadow = _face_measure(cell, q, j, room)
            sizes.box_area[r, face] = shadow
            total += shadow * (half[j] - room.centre[j] if face & 1 else half[j] + room.centre[j])
        sizes.volume[r] = total / n


@dataclass
class CellSizes:
    """Float volumes and areas of many cells of a box [-half, half].

    Attributes
    ----------
    volume : ndarray, shape (R,)
        NaN where `ok` is false.
    area : ndarray, shape (E,)
        Per half-space: area of its facet, 0 if it is none.
    box_area : ndarray, shape (R, 2 n)
        Areas on the faces x_j = -half_j (even) and x_j = half_j (odd) of the box.
    ok : ndarray of bool, shape (R,)
        False where rounding left no consistent skeleton, or one that does not close; `replace` puts an exact cell
        there.
    """

    volume: Array
    area: Array
    box_area: Array
    ok: Array

    def __post_init__(self) -> None:
        self.volume[~self.ok] = np.nan

    def replace(self, cell: int, begin: int, exact: ExactCell) -> None:
        """Take the measures of a cell, whose half-spaces begin at row `begin`, from its exact vertices."""
        self.volume[cell], self.area[begin : begin + len(exact.area)] = exact.volume, exact.area
        self.box_area[cell], self.ok[cell] = exact.box_area, True


class CellGeometry(CellSizes):
    """Cells cut anew: their sizes, and points inside their facets.

    Attributes
    ----------
    point : ndarray, shape (E, n)
        Per half-space, a point inside its facet (NaN if it is none).
    """

    def __init__(self, half: Array, starts: Array, rows: Array, vertices: bool = False) -> None:
        """Compute. Cell r is cut by rows[starts[r]:starts[r + 1]], each a.x + c >= 0 as (a, c)."""
        n, count, entries = len(half), len(starts) - 1, len(rows)
        if n > MOST_DIMENSION:
            raise ValueError(f"cells of dimension {n} > {MOST_DIMENSION} have too many vertices")
        super().__init__(np.full(count, np.nan), np.zeros(entries), np.zeros((count, 2 * n)), np.zeros(count, dtype=np.bool_))
        self.point = np.full((entries, n), np.nan)
        self.counts = np.zeros(count, dtype=np.int64)
        room = int(np.diff(starts).max(initial=0)) + 4 if n == 2 else 1024
        self.vertices = np.zeros((count if vertices else 0, room, n))
        largest = np.abs(rows[:, :n]).max(axis=1, initial=0.0)
        sized = rows / np.where(largest > 0, largest, 1.0)[:, None]  # so that no square leaves the range of doubles
        lengths = np.sqrt(np.einsum("ij,ij->i", sized[:, :n], sized[:, :n]))
        unit = np.ascontiguousarray(sized / np.where(lengths > 0, lengths, 1.0)[:, None])
        sizes = _Sizes(self.volume, self.area, self.point, self.box_area, self.ok, self.vertices, self.counts)
        stack = cut_stack(n, half, int(np.diff(starts).max(initial=0)))
        work = _Room(np.empty(n), np.empty((n, n)), walk_for(n, len(stack.value), starts))
        _cells(np.ascontiguousarray(half, dtype=np.float64), np.ascontiguousarray(starts, dtype=np.int64), unit, stack, sizes, work)
        self.ok &= self._closed(np.repeat(np.arange(count), np.diff(starts)), unit)
        self.volume[~self.ok] = np.nan

    def _closed(self, owner: Array, unit: Array) -> Array:
        """Whether each cell's outward normals, weighted by area, sum to zero, as far as doubles can say.

        Of hyperplanes through one point, rounding can make a consistent skeleton of the wrong cell, with facets that do
        not meet.
        """
        result = np.ones(len(self.ok), dtype=np.bool_)
        with np.errstate(over="ignore", invalid="ignore"):
            for j in range(self.box_area.shape[1] // 2):
                inward = unit[:, j] * self.area
                low, high = self.box_area[:, 2 * j], self.box_area[:, 2 * j + 1]
                error = high - low - np.bincount(owner, inward, len(result))
                result &= ~(np.abs(error) > CLOSED * (high + low + np.bincount(owner, np.abs(inward), len(result))))
        return result

    def replace(self, cell: int, begin: int, exact: ExactCell) -> None:
        """Take the measures of a cell, whose half-spaces begin at row `begin`, and points of its facets from its exact
        vertices."""
        super().replace(cell, begin, exact)
        self.point[begin : begin + len(exact.area)] = exact.point


def polygons(half: Array, starts: Array, rows: Array) -> list[np.ndarray]:
    """Vertices of 2-D cells in counter-clockwise order, one array of shape (v, 2) per cell; v = 0 where rounding left
    none."""
    geometry = CellGeometry(half, starts, rows, vertices=True)
    return [counter_clockwise(points[:count]) for points, count in zip(geometry.vertices, geometry.counts, strict=True)]


def counter_clockwise(corners: Array) -> Array:
    """The vertices of a convex polygon in counter-clockwise order."""
    if not len(corners):
        return corners
    spread = corners - corners.mean(axis=0)
    result: Array = corners[np.argsort(np.arctan2(spread[:, 1], spread[:, 0]))]
    return result
