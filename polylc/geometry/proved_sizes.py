"""Volumes of cells and of their facets, in doubles, with proved bounds on their errors (docs/exactness.md, lemmas 8 to
10).

In: half-spaces known up to rounding, which cut cells from the cube [-1, 1]^n. Out: volumes and shadows, or that a cell
is not proved.

Invariant: what is computed of a cell rests on `proved_vertices` alone. Its faces are then combinatorics, and only their
weights are rounded.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.geometry.cuts import CutStack, cut_along, top_of
from polylc.geometry.face_weights import Faces, faces_in, weigh
from polylc.geometry.proved_vertices import ERROR, SLACK, VALUE, Corners, Meeting, columns_in, corners_in, meeting_in, proved_vertices
from polylc.jit.decorators import kernel
from polylc.network.compose import UNIT

Array = np.ndarray


class Sizes(NamedTuple):
    """What is found; each value with a bound on its error."""

    volume: Array  # (R, 2)
    # (E, 2) (n - 1)-volume of each row's facet, projected along the coordinate in which the row is largest
    shadow: Array
    box: Array  # (R, 2 n, 2) the same for the cube's faces, u_j = -1 at 2 j and u_j = 1 at 2 j + 1
    moment: Array  # (R, 2 n, 2, n) integrals of the coordinates over the cube's faces
    ok: Array  # (R,) where all this is proved


class Room(NamedTuple):
    """Room to work in."""

    corners: Corners
    meeting: Meeting
    faces: Faces


def room(n: int, vertices: int, starts: Array) -> Room:
    """Room for cells of half-spaces starts[r]:starts[r + 1] in dimension n, of so many vertices at most."""
    return Room(corners_in(n, vertices, starts), meeting_in(n, starts), faces_in(n, vertices, columns_in(n, starts)))


@kernel
def _sizes(faces: Faces, rows: Array, noise: Array, begin: int, end: int, r: int, sizes: Sizes) -> None:
    """Shadows and moments of one cell: the weight of a facet is its area over the length of its gradient."""
    n = rows.shape[1] - 1
    for face in range(2 * n):
        if faces.facet[face, VALUE] > 0.0:
            for k in range(2):
                sizes.box[r, face, k] = faces.facet[face, k]
                for j in range(n):
                    sizes.moment[r, face, k, j] = faces.moment[face, k, j]
    for e in range(begin, end):
        value, doubt, lead = faces.facet[2 * n + e - begin, VALUE], faces.facet[2 * n + e - begin, ERROR], 0.0
        if value > 0.0:
            for j in range(n):
                lead = max(lead, abs(rows[e, j]))
            sizes.shadow[e, VALUE] = value * lead
            sizes.shadow[e, ERROR] = (doubt * (lead + noise[e]) + value * (noise[e] + UNIT * lead)) * SLACK


@kernel
def bounded_cells(starts: Array, rows: Array, noise: Array, stack: CutStack, sizes: Sizes, room: Room) -> None:
    """Volumes of cells, shadows of their facets, and where all this is proved; all zero before.

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
        _sizes(room.faces, rows, noise, begin, end, r, sizes)
