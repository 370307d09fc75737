"""Volumes of cells and of their facets, in doubles, with proved bounds on their errors (docs/exactness.md, lemmas 8 to
10).

In: half-spaces known up to rounding, which cut cells from the cube [-1, 1]^n. Out: volumes and areas, or that a cell is
not proved.

Invariant: what is computed of a cell rests on `proved_vertices` alone. Its faces are then combinatorics, and only their
weights are rounded.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from polylc.geometry.cuts import CutStack, cut_along, top_of
from polylc.geometry.face_weights import Faces, faces_in, weigh
from polylc.geometry.proved_vertices import ERROR, VALUE, Corners, Meeting, columns_in, corners_in, meeting_in, proved_vertices
from polylc.geometry.vertex_lanes import SLACK
from polylc.jit.decorators import inlined, kernel
from polylc.network.compose import UNIT

Array = np.ndarray


class Sizes(NamedTuple):
    """What is found; each value with a bound on its error."""

    volume: Array  # (R, 2)
    # (E, 2) (n - 1)-volume of each row's facet over the length of its gradient, times that of the gradient scaled
    area: Array
    box: Array  # (R, 2 n, 2) the same for the cube's faces, u_j = -1 at 2 j and u_j = 1 at 2 j + 1, not scaled
    moment: Array  # (R, 2 n, 2, n) integrals of the coordinates over the cube's faces
    ok: Array  # (R,) where all this is proved
    closed: Array  # (R,) whether the outward normals, weighted by area, sum to zero, as they must: within the bounds


class Room(NamedTuple):
    """Room to work in."""

    corners: Corners
    meeting: Meeting
    faces: Faces


def room(n: int, vertices: int, starts: Array) -> Room:
    """Room for cells of half-spaces starts[r]:starts[r + 1] in dimension n, of so many vertices at most."""
    return Room(corners_in(n, vertices, starts), meeting_in(n, starts), faces_in(n, vertices, columns_in(n, starts)))


@inlined
def _sizes(faces: Faces, rows: Array, noise: Array, scale: Array, begin: int, end: int, r: int, sizes: Sizes) -> None:
    """Areas and moments of one cell; the weight of a facet is its area over the length of its gradient."""
    n, most = rows.shape[1] - 1, 0.0
    for j in range(n):
        most = max(most, scale[j])
    for face in range(2 * n):
        if faces.facet[face, VALUE] > 0.0:
            for k in range(2):
                sizes.box[r, face, k] = faces.facet[face, k]
                for j in range(n):
                    sizes.moment[r, face, k, j] = faces.moment[face, k, j]
    for e in range(begin, end):
        value, doubt, squares = faces.facet[2 * n + e - begin, VALUE], faces.facet[2 * n + e - begin, ERROR], 0.0
        if value > 0.0:
            for j in range(n):
                squares += (rows[e, j] * scale[j]) ** 2
            norm = math.sqrt(squares)
            slip = noise[e] * most + 2.0 * (n + 6) * UNIT * norm
            sizes.area[e, VALUE] = value * norm
            sizes.area[e, ERROR] = (doubt * (norm + slip) + value * (slip + UNIT * norm)) * SLACK


@inlined
def _closes(faces: Faces, rows: Array, noise: Array, begin: int, end: int) -> bool:
    """Whether the gradients of a cell's half-spaces, times their facets' weights, sum to zero within the bounds."""
    n = rows.shape[1] - 1
    for j in range(n):
        gap, size, bound = 0.0, 0.0, 0.0
        for side in range(2):
            value, doubt = faces.facet[2 * j + side, VALUE], faces.facet[2 * j + side, ERROR]
            gap += -value if side else value
            size, bound = size + value, bound + doubt
        for e in range(begin, end):
            value, doubt, steep = faces.facet[2 * n + e - begin, VALUE], faces.facet[2 * n + e - begin, ERROR], abs(rows[e, j])
            gap += value * rows[e, j]
            size += value * steep
            bound += doubt * (steep + noise[e]) + value * noise[e]
        if not abs(gap) <= (bound + 4.0 * (end - begin + 8) * UNIT * size) * SLACK:
            return False
    return True


@kernel
def bounded_cells(starts: Array, rows: Array, noise: Array, scale: Array, stack: CutStack, sizes: Sizes, room: Room) -> None:
    """Volumes of cells, areas of their facets, and where all this is proved; all zero before.

    The cell r is cut from the cube by rows[starts[r]:starts[r + 1]], each a.u + c >= 0 as (a, c) with the largest |a_j|
    between 1/4 and 1, whose coefficients err by at most `noise` in sum.
    """
    n = rows.shape[1] - 1
    for r in range(len(starts) - 1):
        begin, end = starts[r], starts[r + 1]
        sizes.ok[r] = False
        if not cut_along(stack, rows, starts[max(r - 1, 0)], begin, end):
            continue
        cell = top_of(stack)
        if not proved_vertices(cell, room.corners, rows, noise, begin, end, room.meeting):
            continue
        volume, error = weigh(cell, room.corners, 2 * n + end - begin, room.faces)
        if error < 0.0:
            continue
        sizes.volume[r, VALUE], sizes.volume[r, ERROR], sizes.ok[r] = volume, error, True
        sizes.closed[r] = _closes(room.faces, rows, noise, begin, end)
        _sizes(room.faces, rows, noise, scale, begin, end, r, sizes)
