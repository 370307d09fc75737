"""Volumes of cells and of their facets, in doubles, with proved bounds on their errors (docs/exactness.md, lemmas 8 to
10).

In: half-spaces known up to rounding, which cut cells from the cube [-1, 1]^n. Out: volumes and shadows, or that a cell
is not proved.

Invariant: what is computed of a cell rests on `proved_vertices` alone. Its facets and their triangulations are then
combinatorics, and only determinants and the sums of them are rounded.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.geometry.cuts import CutStack, Skeleton, cut_along, top_of
from polylc.geometry.determinants import LOST, SLACK, Edges, edges_for, expanded, mistake, set_edges
from polylc.geometry.proved_vertices import Meeting, meeting_in, proved_vertices
from polylc.geometry.triangulation import Walk, begin_facet, list_facets, next_simplex, walk_for
from polylc.jit.decorators import kernel
from polylc.network.compose import UNIT

Array = np.ndarray
VALUE, ERROR = 0, 1  # the two places of what is known up to a bound


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

    D: Array  # (most vertices,) errors
    centre: Array  # (n,)
    meeting: Meeting
    walk: Walk
    edges: Edges


def room(n: int, vertices: int, starts: Array) -> Room:
    """Room for cells of half-spaces starts[r]:starts[r + 1] in dimension n, of so many vertices at most."""
    return Room(np.empty(vertices), np.empty(n), meeting_in(n, starts), walk_for(n, vertices, starts), edges_for(n))


class _Proved(NamedTuple):
    """A cell with proved vertices, and room for its triangulations."""

    cell: Skeleton
    D: Array  # errors of the vertices
    centre: Array  # (n,) a point of the cube
    walk: Walk
    edges: Edges


@kernel
def _factorial(n: int) -> float:
    result = 1.0
    for d in range(2, n + 1):
        result *= d
    return result


@kernel
def _shadow(proved: _Proved, q: int, drop: int) -> tuple[float, float]:
    """(n - 1)-volume of the q-th facet projected along coordinate `drop`, and a bound on its error."""
    cell, edges = proved.cell, proved.edges
    top = cell.X.shape[1] - 1
    total, error, simplices = 0.0, 0.0, 0
    begin_facet(proved.walk, q)
    while next_simplex(proved.walk, top):
        set_edges(cell.X, proved.D, proved.walk.apex, top, drop, edges)
        value = abs(expanded(edges.M, top))
        total += value
        error += mistake(edges, top, value)
        simplices += 1
    factorial = _factorial(top)
    return total / factorial, (error + (simplices + 8) * 2.0 * UNIT * total) / factorial * SLACK


@kernel
def _face(proved: _Proved, q: int, face: int, moment: Array) -> tuple[float, float]:
    """The same of the q-th facet, a face of the cube, and in `moment` (2, n) the integral of the coordinates over it
    and a bound on its error."""
    cell, edges, apex = proved.cell, proved.edges, proved.walk.apex
    n = cell.X.shape[1]
    top, drop = n - 1, face >> 1
    total, error, simplices = 0.0, 0.0, 0
    for j in range(n):
        moment[VALUE, j] = moment[ERROR, j] = 0.0
    begin_facet(proved.walk, q)
    while next_simplex(proved.walk, top):
        far = set_edges(cell.X, proved.D, apex, top, drop, edges)
        value = abs(expanded(edges.M, top))
        wrong = mistake(edges, top, value)
        total += value
        error += wrong
        simplices += 1
        for j in range(n):  # the integral over a simplex is its volume times the mean of its vertices
            middle = 0.0
            for r in range(n):
                middle += cell.X[apex[r], j]
            middle /= n
            moment[VALUE, j] += value * middle
            moment[ERROR, j] += wrong + (value + wrong) * (far + 4.0 * (n + 2) * UNIT)
    factorial, added = _factorial(top), (simplices + 8) * 2.0 * UNIT
    for j in range(n):
        moment[VALUE, j] /= factorial
        moment[ERROR, j] = (moment[ERROR, j] / factorial + added * (total / factorial)) * SLACK
    return total / factorial, (error + added * total) / factorial * SLACK


@kernel
def _height(row: Array, noise: float, drop: int, centre: Array) -> tuple[float, float]:
    """g(p) / |a_j| for a half-space g, a point p and j = `drop`, and a bound on its error; the bound is -1 if rounding
    leaves no a_j."""
    n = len(centre)
    z, size = row[n], abs(row[n])
    for j in range(n):
        z += row[j] * centre[j]
        size += abs(row[j] * centre[j])
    lead = abs(row[drop])
    if not lead > 2.0 * noise:
        return 0.0, -1.0
    height = z / lead
    steep = abs(height)
    return height, (noise + 4.0 * (n + 2) * UNIT * size + steep * noise) / (lead - noise) + 4.0 * UNIT * steep


@kernel
def _sizes(proved: _Proved, rows: Array, noise: Array, begin: int, end: int, r: int, sizes: Sizes) -> bool:
    """Shadows, moments and volume of one cell, where they are not zero; False where it is not proved after all."""
    n = len(proved.centre)
    total, size, error = 0.0, 0.0, 0.0  # of pyramids from the centre over the facets, and their absolute values
    for q in range(list_facets(proved.cell.F, proved.walk)):
        facet = proved.walk.number[q]
        if facet < 0:
            face = -1 - facet
            s, ds = _face(proved, q, face, sizes.moment[r, face])
            sizes.box[r, face, VALUE], sizes.box[r, face, ERROR] = s, ds
            height = 1.0 - proved.centre[face >> 1] if face & 1 else 1.0 + proved.centre[face >> 1]
            total += s * height
            size += s * height
            error += ds * height + 4.0 * UNIT * s
            continue
        e, drop = begin + facet, 0
        for j in range(n):
            if abs(rows[e, j]) > abs(rows[e, drop]):
                drop = j
        s, ds = _shadow(proved, q, drop)
        sizes.shadow[e, VALUE], sizes.shadow[e, ERROR] = s, ds
        height, doubt = _height(rows[e], noise[e], drop, proved.centre)
        if doubt < 0.0:
            return False
        steep = abs(height)
        total += s * height
        size += s * steep
        error += s * doubt + ds * (steep + doubt)
    sizes.volume[r, VALUE] = total / n
    sizes.volume[r, ERROR] = (error + 4.0 * (end - begin + 2 * n + 8) * UNIT * size) / n * SLACK + LOST
    return True


@kernel
def bounded_cells(starts: Array, rows: Array, noise: Array, stack: CutStack, sizes: Sizes, room: Room) -> None:
    """Volumes of cells, shadows of their facets, and where all this is proved; all zero before.

    The cell r is cut from the cube by rows[starts[r]:starts[r + 1]], each a.u + c >= 0 as (a, c) with the largest |a_j|
    between 1/4 and 1, whose coefficients err by at most `noise` in sum.
    """
    n, D, centre = rows.shape[1] - 1, room.D, room.centre
    for r in range(len(starts) - 1):
        begin, end = starts[r], starts[r + 1]
        sizes.ok[r] = False
        if not cut_along(stack, rows, starts[max(r - 1, 0)], begin, end):
            continue
        cell = top_of(stack)
        if not proved_vertices(cell, D, rows, noise, begin, end, room.meeting):
            continue
        for j in range(n):
            centre[j] = 0.0
            for v in range(len(cell.X)):
                centre[j] += cell.X[v, j]
            centre[j] = min(1.0, max(-1.0, centre[j] / len(cell.X)))
        sizes.ok[r] = _sizes(_Proved(cell, D, centre, room.walk, room.edges), rows, noise, begin, end, r, sizes)
