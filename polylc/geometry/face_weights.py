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
from polylc.geometry.proved_vertices import ERROR, INDEX, VALUE, Corners
from polylc.geometry.vertex_lanes import SLACK
from polylc.jit.decorators import inlined, kernel
from polylc.network.compose import UNIT

Array = np.ndarray
FACES = 16  # of 2 to n - 1 dimensions, at most, for each vertex: n <= 6
MOST_BITS = 24  # of a name
ONE = INDEX(1)


class Faces(NamedTuple):
    """What is found of one cell, and its faces of 2 to n - 1 dimensions, with a table that finds them."""

    facet: Array  # (columns, 2) weights of facets and bounds on their errors, 0 where there is none
    moment: Array  # (2 n, 2, n) integrals of the coordinates over those on the cube, weighted as they are, and errors
    # (2 most,) of the face that begins at an even place: where the apex's values begin in `height`, and the name
    of: Array
    weight: Array  # (2 most,) of the same face, and a bound on its error
    mean: Array  # (most, n) integrals of the coordinates
    table: Array  # (2^bits,) the place of a face, from 2 on, by its name; 0 where there is none
    number: Array  # (columns,) of each facet, from one on; 0 where there is none
    column: Array  # (columns + 1,) of each number
    own: Array  # (n,) edges that belong to one vertex
    edge: Array  # (2 n,) weights of these and bounds on their errors
    rank: Array  # (n,) of a vertex's facets among themselves
    of_cell: Array  # (3,) how many facets on the cube, bits of a number, half-spaces


def faces_in(n: int, vertices: int, columns: int) -> Faces:
    """Room in dimension n <= 6, for cells of so many vertices and half-spaces at most."""
    most, bits = (FACES * vertices + 1, int(columns).bit_length() * (n - 2)) if n > 2 else (0, 0)
    number, rank, of_cell = (np.empty(size, dtype=np.int64) for size in (columns, n, 3))
    of, own, column = (np.empty(size, dtype=INDEX) for size in (2 * most, n, columns + 1))
    table = np.zeros(1 << min(bits, MOST_BITS), dtype=INDEX)
    facet, moment, edge = np.zeros((columns, 2)), np.zeros((2 * n, 2, n)), np.empty(2 * n)
    return Faces(facet, moment, of, np.empty(2 * most), np.empty((most, n)), table, number, column, own, edge, rank, of_cell)


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
    faces.of_cell[1], faces.of_cell[2] = bits, many
    return bool(bits * (n - 2) <= MOST_BITS)


@inlined
def _find(faces: Faces, name: int, apex: int, end: int) -> int:
    """The place of a face; `end` if it is new, and listed now, with this apex."""
    at = faces.table[INDEX(name)]
    if at:
        return at  # type: ignore[no-any-return]
    at = INDEX(end)
    faces.table[INDEX(name)], faces.of[at], faces.of[at + ONE] = at, apex, name
    faces.weight[at], faces.weight[at + ONE] = 0.0, 0.0
    if _on_cube(faces, name):
        for j in range(faces.mean.shape[1]):
            faces.mean[at >> ONE, j] = 0.0
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
def _edges(cell: Skeleton, corners: Corners, many: int, faces: Faces, w: int) -> int:
    """List the edges from a vertex that are its own, with their weights; how many there are. Of an edge's two ends, it
    belongs to that with the smaller weight, which is that of the larger determinant."""
    value, doubt, count = corners.weight[w, VALUE], corners.weight[w, ERROR], 0
    for k in range(cell.X.shape[1]):
        v = cell.NB[w, k]
        other, at = corners.weight[v, VALUE], v * many + corners.columns[w, k]
        h = corners.height[at]
        faces.own[count] = k
        faces.edge[2 * count] = h * value
        faces.edge[2 * count + 1] = h * doubt + corners.doubt[at] * (value + doubt) + 2.0 * UNIT * h * value
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
    at = faces.of[face] + q
    h = corners.height[at]
    faces.weight[face] += h * value
    faces.weight[face + ONE] += h * doubt + corners.doubt[at] * (value + doubt)
    return h  # type: ignore[no-any-return]


@inlined
def _polygons(cell: Skeleton, corners: Corners, many: int, faces: Faces) -> int:
    """List the faces of dimension 2, and add their edges; their end. n >= 3."""
    X, columns, rank = cell.X, corners.columns, faces.rank
    n, end, bits = X.shape[1], 2, faces.of_cell[1]
    for w in range(len(X)):
        own = _edges(cell, corners, many, faces, w)
        packed = _in_order(columns, w, faces)
        for e in range(own):
            k, value, doubt = faces.own[e], faces.edge[2 * e], faces.edge[2 * e + 1]
            rest = _without(packed, rank[k], bits)
            for j in range(n):
                if j == k:
                    continue
                name = _without(rest, rank[j] - (rank[j] > rank[k]), bits)
                face = _find(faces, name, w * many, end)
                end = max(end, face + 2)
                h = _pyramid(corners, faces, face, columns[w, j], value, doubt)
                if _on_cube(faces, name):
                    v, apex = cell.NB[w, k], faces.of[face] // many
                    for c in range(n):
                        faces.mean[face >> ONE, c] += h * value * (X[apex, c] + X[v, c] + X[w, c])
    return end


@inlined
def _next_faces(X: Array, corners: Corners, faces: Faces, d: int, begin: int, end: int) -> int:
    """List the faces of dimension d + 1, behind those of dimension d from `begin` to `end`, and add these to them; the
    end of all.

    The integral of a coordinate over a pyramid is its weight times 1 / (d + 2) of the apex's and d + 1 times the
    base's mean.
    """
    n, mean, bits, many, last = X.shape[1], faces.mean, faces.of_cell[1], faces.of_cell[2], end
    for t in range(begin, last, 2):
        apex, name, value, doubt = np.int64(faces.of[t]), np.int64(faces.of[t + 1]), faces.weight[t], faces.weight[t + 1]
        for i in range(n - d):
            q = faces.column[(name >> (bits * i)) & ((1 << bits) - 1)]
            wider = _without(name, i, bits)
            face = _find(faces, wider, apex, end)
            end = max(end, face + 2)
            h = _pyramid(corners, faces, face, q, value, doubt)
            if _on_cube(faces, wider):
                for c in range(n):
                    mean[face >> ONE, c] += h * (value * X[faces.of[face] // many, c] + (d + 1) * mean[t >> 1, c])
    return end


@inlined
def _round(faces: Faces, d: int, begin: int, end: int) -> None:
    """Divide the sums of pyramids of faces of dimension d, of which each has at most one for each half-space."""
    weight, doubt = faces.weight, 2.0 * (faces.of_cell[2] + 4) * UNIT
    for t in range(begin, end, 2):
        value = weight[t] / d
        weight[t], weight[t + 1] = value, (weight[t + 1] / d + doubt * value) * SLACK
        if _on_cube(faces, np.int64(faces.of[t + 1])):
            for c in range(faces.mean.shape[1]):
                faces.mean[t >> 1, c] /= d * (d + 1)


@inlined
def _facets(cell: Skeleton, corners: Corners, many: int, faces: Faces, far: float) -> bool:
    """The facets of a cell in three or more dimensions; False where there are too many."""
    n, weight = cell.X.shape[1], faces.weight
    if not _number(corners.columns, len(cell.X), many, faces):
        return False
    begin, end = 2, _polygons(cell, corners, many, faces)
    _round(faces, 2, begin, end)
    for d in range(2, n - 1):
        begin, end = end, _next_faces(cell.X, corners, faces, d, begin, end)
        _round(faces, d + 1, begin, end)
    for t in range(begin, end, 2):
        q = np.int64(faces.column[faces.of[t + 1]])
        faces.facet[q, VALUE], faces.facet[q, ERROR] = weight[t], weight[t + 1]
        if q < 2 * n:
            for c in range(n):
                faces.moment[q, VALUE, c] = faces.mean[t >> 1, c]
                faces.moment[q, ERROR, c] = (weight[t + 1] + (weight[t] + weight[t + 1]) * far) * SLACK
    for t in range(2, end, 2):
        faces.table[faces.of[t + 1]] = 0
    return True


@inlined
def _points_or_edges(cell: Skeleton, corners: Corners, many: int, faces: Faces, far: float) -> None:
    """The facets of a cell in one or two dimensions."""
    X, columns = cell.X, corners.columns
    n = X.shape[1]
    for w in range(len(X)):
        for e in range(_edges(cell, corners, many, faces, w) if n == 2 else 1):
            k = faces.own[e] if n == 2 else 0
            # in the plane the edge that leaves one half-space of the vertex lies on the other
            q, v = (columns[w, 1 - k], cell.NB[w, k]) if n == 2 else (columns[w, 0], w)
            value, doubt = (faces.edge[2 * e], faces.edge[2 * e + 1]) if n == 2 else (corners.weight[w, VALUE], corners.weight[w, ERROR])
            faces.facet[q, VALUE], faces.facet[q, ERROR] = value, doubt
            if q < 2 * n:
                for c in range(n):
                    faces.moment[q, VALUE, c] = value * 0.5 * (X[v, c] + X[w, c])
                    faces.moment[q, ERROR, c] = (doubt + (value + doubt) * far) * SLACK


@kernel
def weigh(cell: Skeleton, corners: Corners, many: int, faces: Faces) -> tuple[float, float]:
    """The volume of a proved cell of so many half-spaces, and a bound on its error, negative where there are too many
    facets; fills what `faces` holds of them."""
    n, facet = cell.X.shape[1], faces.facet
    for q in range(many):
        facet[q, VALUE] = facet[q, ERROR] = 0.0
    far = 0.0
    for v in range(len(cell.X)):
        far = max(far, corners.error[v])
    far += 4.0 * (n + 2) * (many + 8) * UNIT
    if n <= 2:
        _points_or_edges(cell, corners, many, faces, far)
    elif not _facets(cell, corners, many, faces, far):
        return 0.0, -1.0
    total, error = 0.0, 0.0  # of pyramids from the first vertex
    for q in range(many):
        value, doubt, h = facet[q, VALUE], facet[q, ERROR], corners.height[q]
        total += h * value
        error += h * doubt + corners.doubt[q] * (value + doubt)
    total /= n
    return total, (error / n + 2.0 * (many + 4) * UNIT * total) * SLACK
