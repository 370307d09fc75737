"""Vertices, facet areas and volumes of cells, in floating point.

A cell is a box cut by half-spaces. Its skeleton is that of a simple polytope: every vertex lies on n facets and has n
neighbours, one along the edge that leaves each of its facets. A vertex on the cutting hyperplane counts as inside, as
if the hyperplane stood a little further out, so degenerate cells stay simple (with vertices that coincide).

Areas come from a pulled triangulation of each facet, projected along the largest entry of its normal; all terms are
positive. Volumes are sums of pyramids over the facets. Cells that this cannot do are left to `exact_cell`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from polylc.geometry.cuts import CutStack, cut_along, cut_stack, has
from polylc.geometry.exact_cell import ExactCell
from polylc.jit.decorators import rounded

Array = np.ndarray

MOST_DIMENSION = 6
CLOSED = 1e-11  # relative error in the sum of a cell's normals weighted by area, which is zero


@rounded
def _determinant(M: Array, size: int) -> float:
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


@rounded
def _face_measure(
    n: int,
    X: Array,
    F: Array,
    nv: int,
    facet: int,
    drop: int,
    members: Array,
    size: Array,
    apex: Array,
    todo: Array,
    many: Array,
    M: Array,
) -> float:
    """(n - 1)-volume of a facet projected along coordinate `drop`: pulled triangulation over its faces."""
    top = n - 1  # dimension of the facet
    total = 0.0
    size[0] = 0
    for v in range(nv):
        if has(n, F, v, facet):
            members[0, size[0]] = v
            size[0] += 1
    if size[0] == 0:
        return 0.0
    level = 0
    entering = True
    while level >= 0:
        if entering:
            apex[level] = members[level, 0]
            many[level] = 0
            if level == top:
                for r in range(top):
                    c = 0
                    for j in range(n):
                        if j != drop:
                            M[r, c] = X[apex[r + 1], j] - X[apex[0], j]
                            c += 1
                total += _determinant(M, top)
                level -= 1
                entering = False
                continue
            for q in range(1, size[level]):
                v = members[level, q]
                for j in range(n):
                    g = F[v, j]
                    if has(n, F, apex[level], g):
                        continue
                    seen = False
                    for i in range(many[level]):
                        if todo[level, i] == g:
                            seen = True
                            break
                    if not seen:
                        todo[level, many[level]] = g
                        many[level] += 1
            entering = False
        if many[level] == 0:
            level -= 1
            continue
        many[level] -= 1
        g = todo[level, many[level]]
        size[level + 1] = 0
        for q in range(size[level]):
            v = members[level, q]
            if has(n, F, v, g):
                members[level + 1, size[level + 1]] = v
                size[level + 1] += 1
        if size[level + 1] > 0:
            level += 1
            entering = True
    for d in range(2, top + 1):
        total /= d
    return total


@rounded
def _cells(
    n: int,
    half: Array,
    starts: Array,
    rows: Array,
    stack: CutStack,
    volume: Array,
    area: Array,
    point: Array,
    box_area: Array,
    ok: Array,
    vertices: Array,
    counts: Array,
) -> None:
    """All cells: volumes, facet areas and facet points; vertices too where `vertices` has room."""
    cap = len(stack.value)
    members, size, apex = np.empty((n + 1, cap), np.int64), np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64)
    M, centre = np.empty((n, n)), np.empty(n)
    most = 2 * n
    for r in range(len(starts) - 1):
        most = max(most, 2 * n + starts[r + 1] - starts[r])
    todo, many = np.empty((n + 1, most), np.int64), np.zeros(n + 1, np.int64)
    for r in range(len(starts) - 1):
        good = cut_along(n, stack, rows, starts[max(r - 1, 0)], starts[r], starts[r + 1])
        ok[r] = good
        if not good:
            continue
        first, nv = stack.at[stack.level[0]], stack.size[stack.level[0]]
        X, F = stack.X[first : first + nv], stack.F[first : first + nv]
        for j in range(n):
            centre[j] = 0.0
            for v in range(nv):
                centre[j] += X[v, j]
            centre[j] /= nv
        if len(vertices) > 0:
            counts[r] = nv
            for v in range(min(nv, vertices.shape[1])):
                for j in range(n):
                    vertices[r, v, j] = X[v, j]
        total = 0.0
        for e in range(starts[r], starts[r + 1]):
            facet = e - starts[r]
            touched = 0
            for j in range(n):
                point[e, j] = 0.0
            for v in range(nv):
                if has(n, F, v, facet):
                    touched += 1
                    for j in range(n):
                        point[e, j] += X[v, j]
            area[e] = 0.0
            if touched == 0:
                for j in range(n):
                    point[e, j] = np.nan
                continue
            drop, norm, height = 0, 0.0, rows[e, n]
            for j in range(n):
                point[e, j] /= touched
                norm += rows[e, j] * rows[e, j]
                height += rows[e, j] * centre[j]
                if abs(rows[e, j]) > abs(rows[e, drop]):
                    drop = j
            norm = math.sqrt(norm)
            shadow = _face_measure(n, X, F, nv, facet, drop, members, size, apex, todo, many, M)
            area[e] = shadow * norm / abs(rows[e, drop])
            total += area[e] * height / norm
        for j in range(n):
            for side in range(2):
                facet = -2 * j - 1 - side
                shadow = _face_measure(n, X, F, nv, facet, j, members, size, apex, todo, many, M)
                box_area[r, 2 * j + side] = shadow
                total += shadow * (half[j] - centre[j] if side else half[j] + centre[j])
        volume[r] = total / n


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
        False where rounding left no consistent skeleton, or one that does not close; `replace` puts an exact cell there.
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
        self.point = np.zeros((entries, n))
        self.counts = np.zeros(count, dtype=np.int64)
        room = int(np.diff(starts).max(initial=0)) + 4 if n == 2 else 1024
        self.vertices = np.zeros((count if vertices else 0, room, n))
        sizes = np.abs(rows[:, :n]).max(axis=1, initial=0.0)
        sized = rows / np.where(sizes > 0, sizes, 1.0)[:, None]  # so that no square leaves the range of doubles
        lengths = np.sqrt(np.einsum("ij,ij->i", sized[:, :n], sized[:, :n]))
        unit = np.ascontiguousarray(sized / np.where(lengths > 0, lengths, 1.0)[:, None])
        arguments = (self.volume, self.area, self.point, self.box_area, self.ok, self.vertices, self.counts)
        _cells(
            n,
            np.ascontiguousarray(half),
            np.ascontiguousarray(starts, dtype=np.int64),
            unit,
            cut_stack(n, half, int(np.diff(starts).max(initial=0))),
            *arguments,
        )
        self.ok &= self._closed(np.repeat(np.arange(count), np.diff(starts)), unit)
        self.volume[~self.ok] = np.nan

    def _closed(self, owner: Array, unit: Array) -> Array:
        """Whether each cell's outward normals, weighted by area, sum to zero, as far as doubles can say.

        Of hyperplanes through one point, rounding can make a consistent skeleton of the wrong cell, with facets that do not meet.
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
        """Take the measures of a cell, whose half-spaces begin at row `begin`, and points of its facets from its exact vertices."""
        super().replace(cell, begin, exact)
        self.point[begin : begin + len(exact.area)] = exact.point


def polygons(half: Array, starts: Array, rows: Array) -> list[np.ndarray]:
    """Vertices of 2-D cells in counter-clockwise order, one array of shape (v, 2) per cell; v = 0 where rounding left none."""
    geometry = CellGeometry(half, starts, rows, vertices=True)
    return [counter_clockwise(points[:count]) for points, count in zip(geometry.vertices, geometry.counts, strict=True)]


def counter_clockwise(corners: Array) -> Array:
    """The vertices of a convex polygon in counter-clockwise order."""
    if not len(corners):
        return corners
    spread = corners - corners.mean(axis=0)
    result: Array = corners[np.argsort(np.arctan2(spread[:, 1], spread[:, 0]))]
    return result
