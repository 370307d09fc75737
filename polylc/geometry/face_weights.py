"""Volumes of a cell with proved vertices, of its facets and of all its faces, from what its half-spaces are worth at
its vertices (docs/exactness.md, lemma 10).

In: proved vertices. Out: weights of faces, each with a bound on its error. The weight of a face of dimension d is its
d-volume over the volume that the gradients of its half-spaces span: 1 / |det| for a vertex, the volume for the cell.
It is 1/d times the sum, over its facets that a vertex of it, its apex, does not lie on, of their weights, times what
the half-space that makes the facet is worth at the apex. All terms are positive, no coordinate is looked at, and a face
is looked at once, however many faces it is a facet of.

Invariant: faces of one dimension are known, and listed, before those of the next. A face is named by the facets that it
lies on: their numbers, from one on, in ascending order, in as many bits each as the last of them takes. So names are
places of a table. Facets on the cube come first; faces of these have integrals of the coordinates besides.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.geometry.cuts import Skeleton
from polylc.geometry.proved_vertices import ERROR, INDEX, SLACK, VALUE, Corners
from polylc.jit.decorators import inlined, kernel
from polylc.network.compose import UNIT

Array = np.ndarray
FACES = 16  # of 2 to n - 1 dimensions, at most, for each vertex: n <= 6
MOST_BITS = 24  # of a name


class Faces(NamedTuple):
    """What is found of one cell, and its faces of 2 to n - 1 dimensions, with a table that finds them."""

    facet: Array  # (columns, 2) weights of facets and bounds on their errors, 0 where there is none
    moment: Array  # (2 n, 2, n) integrals of the coordinates over those on the cube, weighted as they are, and errors
    name: Array  # (most,)
    apex: Array  # (most,)
    weight: Array  # (most, 2)
    mean: Array  # (most, n) integrals of the coordinates
    table: Array  # (2^bits,) number of a face, from one on, by its name; 0 where there is none
    number: Array  # (columns,) of each facet, from one on; 0 where there is none
    column: Array  # (columns + 1,) of each number
    own: Array  # (n,) edges that belong to one vertex
    edge: Array  # (n, 2) weights of these
    rank: Array  # (n,) of a vertex's facets among themselves
    of_cell: Array  # (2,) how many facets on the cube, bits of a number


def faces_in(n: int, vertices: int, columns: int) -> Faces:
    """Room in dimension n <= 6, for cells of so many vertices and half-spaces at most."""
    most, bits = (FACES * vertices + 1, int(columns).bit_length() * (n - 2)) if n > 2 else (0, 0)
    name, rank, of_cell = (np.empty(size, dtype=np.int64) for size in (most, n, 2))
    apex, own, column = (np.empty(size, dtype=INDEX) for size in (most, n, columns + 1))
    number = np.zeros(columns, dtype=np.int64)
    table = np.zeros(1 << min(bits, MOST_BITS), dtype=INDEX)
    facet, moment, edge = np.zeros((columns, 2)), np.zeros((2 * n, 2, n)), np.empty((n, 2))
    return Faces(facet, moment, name, apex, np.empty((most, 2)), np.empty((most, n)), table, number, column, own, edge, rank, of_cell)


@inlined
def _number(columns: Array, vertices: int, many: int, faces: Faces) -> bool:
    """Number the facets; False where there are too many for the table."""
    n, count, number = columns.shape[1], 0, faces.number
    for q in range(many):
        number[q] = 0
    for v in range(vertices):
        for k in range(n):
            number[columns[v, k]] = 1
    for q in range(many):
        if q == 2 * n:
            faces.of_cell[0] = count
        if number[q]:
            count += 1
            number[q], faces.column[count] = count, q
    if many == 2 * n:
        faces.of_cell[0] = count
    bits = 1
    while count >> bits:
        bits += 1
    faces.of_cell[1] = bits
    return bool(bits * (n - 2) <= MOST_BITS)


@inlined
def _find(faces: Faces, name: int, apex: int, count: int) -> int:
    """The number of a face; `count` if it is new, and listed now, with this apex."""
    at = faces.table[name]
    if at:
        return at  # type: ignore[no-any-return]
    at = INDEX(count)
    faces.table[name], faces.name[at], faces.apex[at] = at, name, apex
    faces.weight[at, VALUE] = faces.weight[at, ERROR] = 0.0
    if _on_cube(faces, name):
        for j in range(faces.mean.shape[1]):
            faces.mean[at, j] = 0.0
    return at  # type: ignore[return-value]


@inlined
def _on_cube(faces: Faces, name: int) -> bool:
    """Whether a face is one of a facet on the cube."""
    return bool(faces.of_cell[0]) and bool(name & ((1 << faces.of_cell[1]) - 1) <= faces.of_cell[0])


@inlined
def _without(name: int, i: int, bits: int) -> int:
    """A name without its i-th number."""
    low = (1 << (bits * i)) - 1
    return (name & low) | ((name >> bits) & ~low)


@inlined
def _edges(cell: Skeleton, corners: Corners, faces: Faces, w: int) -> int:
    """List the edges from a vertex that are its own, with their weights; how many there are. Of an edge's two ends, it
    belongs to that with the smaller weight, which is that of the larger determinant."""
    value, doubt, count = corners.weight[w, VALUE], corners.weight[w, ERROR], 0
    for k in range(cell.X.shape[1]):
        v, q = cell.NB[w, k], corners.columns[w, k]
        other, h = corners.weight[v, VALUE], corners.height[v, q]
        faces.own[count] = k
        faces.edge[count, VALUE] = h * value
        faces.edge[count, ERROR] = h * doubt + corners.doubt[v, q] * (value + doubt) + 2.0 * UNIT * h * value
        count += value < other or (value == other and w < v)
    return count


@inlined
def _in_order(columns: Array, w: int, faces: Faces) -> int:
    """Sort the half-spaces of a vertex; their numbers, packed as in a name."""
    n, packed = columns.shape[1], 0
    for k in range(n):
        rank = 0
        for j in range(n):
            rank += columns[w, j] < columns[w, k]
        faces.rank[k] = rank
        packed |= faces.number[columns[w, k]] << (faces.of_cell[1] * rank)
    return packed


@inlined
def _pyramid(corners: Corners, faces: Faces, face: int, q: int, value: float, doubt: float) -> float:
    """Add the pyramid from a face's apex over one of its facets, where column q is zero; what q is worth at the apex,
    which is 0 where the apex lies on it."""
    apex = faces.apex[face]
    h = corners.height[apex, q]
    faces.weight[face, VALUE] += h * value
    faces.weight[face, ERROR] += h * doubt + corners.doubt[apex, q] * (value + doubt)
    return h  # type: ignore[no-any-return]


@inlined
def _polygons(cell: Skeleton, corners: Corners, faces: Faces) -> int:
    """List the faces of dimension 2, and add their edges; their end. n >= 3."""
    X, columns, rank = cell.X, corners.columns, faces.rank
    n, count, bits = X.shape[1], 1, faces.of_cell[1]
    for w in range(len(X)):
        own = _edges(cell, corners, faces, w)
        packed = _in_order(columns, w, faces)
        for e in range(own):
            k, value, doubt = faces.own[e], faces.edge[e, VALUE], faces.edge[e, ERROR]
            rest = _without(packed, rank[k], bits)
            for j in range(n):
                if j == k:
                    continue
                face = _find(faces, _without(rest, rank[j] - (rank[j] > rank[k]), bits), w, count)
                count = max(count, face + 1)
                h = _pyramid(corners, faces, face, columns[w, j], value, doubt)
                if _on_cube(faces, faces.name[face]):
                    v, apex = cell.NB[w, k], faces.apex[face]
                    for c in range(n):
                        faces.mean[face, c] += h * value * (X[apex, c] + X[v, c] + X[w, c])
    return count


@inlined
def _rounded(weight: Array, d: int, columns: int) -> None:
    """A face's sum of at most so many pyramids, divided by its dimension."""
    value = weight[VALUE] / d
    weight[ERROR] = (weight[ERROR] / d + 2.0 * (columns + 4) * UNIT * value) * SLACK
    weight[VALUE] = value


@inlined
def _next_faces(X: Array, corners: Corners, faces: Faces, d: int, begin: int, end: int) -> int:
    """List the faces of dimension d + 1, behind those of dimension d from `begin` to `end`, and add these to them; the
    end of all.

    The integral of a coordinate over a pyramid is its weight times 1 / (d + 2) of the apex's and d + 1 times the
    base's mean.
    """
    n, count, mean, bits = X.shape[1], end, faces.mean, faces.of_cell[1]
    for t in range(begin, end):
        name, value, doubt = faces.name[t], faces.weight[t, VALUE], faces.weight[t, ERROR]
        for i in range(n - d):
            q = faces.column[(name >> (bits * i)) & ((1 << bits) - 1)]
            face = _find(faces, _without(name, i, bits), np.int64(faces.apex[t]), count)
            count = max(count, face + 1)
            h = _pyramid(corners, faces, face, q, value, doubt)
            if _on_cube(faces, faces.name[face]):
                for c in range(n):
                    mean[face, c] += h * (value * X[faces.apex[face], c] + (d + 1) * mean[t, c])
    return count


@inlined
def _points_or_edges(cell: Skeleton, corners: Corners, faces: Faces, far: float) -> None:
    """The facets of a cell in one or two dimensions."""
    X, columns = cell.X, corners.columns
    n = X.shape[1]
    for w in range(len(X)):
        for e in range(_edges(cell, corners, faces, w) if n == 2 else 1):
            k = faces.own[e] if n == 2 else 0
            # in the plane the edge that leaves one half-space of the vertex lies on the other
            q, v = (columns[w, 1 - k], cell.NB[w, k]) if n == 2 else (columns[w, 0], w)
            value, doubt = (faces.edge[e, VALUE], faces.edge[e, ERROR]) if n == 2 else (corners.weight[w, VALUE], corners.weight[w, ERROR])
            faces.facet[q, VALUE], faces.facet[q, ERROR] = value, doubt
            if q < 2 * n:
                for c in range(n):
                    faces.moment[q, VALUE, c] = value * 0.5 * (X[v, c] + X[w, c])
                    faces.moment[q, ERROR, c] = (doubt + (value + doubt) * far) * SLACK


@kernel
def weigh(cell: Skeleton, corners: Corners, many: int, faces: Faces) -> tuple[float, float]:
    """The volume of a proved cell of so many half-spaces, and a bound on its error; fills what `faces` holds of its
    facets."""
    X, weight, mean, columns = cell.X, faces.weight, faces.mean, corners.columns
    n = X.shape[1]
    for q in range(many):
        faces.facet[q, VALUE] = faces.facet[q, ERROR] = 0.0
    far = 0.0
    for v in range(len(X)):
        far = max(far, corners.error[v])
    far += 4.0 * (n + 2) * (many + 8) * UNIT
    if n <= 2:
        _points_or_edges(cell, corners, faces, far)
    else:
        if not _number(columns, len(X), many, faces):
            return 0.0, -1.0
        begin, end = 1, _polygons(cell, corners, faces)
        for d in range(2, n):
            for t in range(begin, end):
                _rounded(weight[t], d, many)
                if _on_cube(faces, faces.name[t]):
                    for c in range(n):
                        mean[t, c] /= d * (d + 1)
            if d < n - 1:
                begin, end = end, _next_faces(X, corners, faces, d, begin, end)
        for t in range(begin, end):
            q = faces.column[faces.name[t]]
            faces.facet[q, VALUE], faces.facet[q, ERROR] = weight[t, VALUE], weight[t, ERROR]
            if q < 2 * n:
                for c in range(n):
                    faces.moment[q, VALUE, c] = mean[t, c]
                    faces.moment[q, ERROR, c] = (weight[t, ERROR] + (weight[t, VALUE] + weight[t, ERROR]) * far) * SLACK
        for t in range(1, end):
            faces.table[faces.name[t]] = 0
    return _volume(corners, faces, many, n)  # type: ignore[no-any-return]


@inlined
def _volume(corners: Corners, faces: Faces, many: int, n: int) -> tuple[float, float]:
    """Pyramids from the first vertex over the facets."""
    total, error = 0.0, 0.0
    for q in range(many):
        value, doubt, h = faces.facet[q, VALUE], faces.facet[q, ERROR], corners.height[0, q]
        total += h * value
        error += h * doubt + corners.doubt[0, q] * (value + doubt)
    total /= n
    return total, (error / n + 2.0 * (many + 4) * UNIT * total) * SLACK
