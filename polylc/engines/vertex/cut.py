"""A cell of the vertex engine cut in two by a hyperplane.

Data in: a skeleton and the values of a form at its vertices. Data out: the skeletons of both parts, written behind it.

Invariant: whatever signs rounding gives, both parts are skeletons again. Every edge that changes sign gets a new
vertex, and new vertices are joined in pairs, along the polygons that are cut: a closed walk changes sign an even number
of times. A vertex on the hyperplane counts as above it, so degenerate cells stay simple, with vertices that coincide.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.engines.vertex.skeleton import Cell, Cells, owner, slot_of
from polylc.jit.decorators import inlined, kernel

Array = np.ndarray


class CutRoom(NamedTuple):
    """Room for cutting one cell of at most len(value) vertices."""

    value: Array  # (vertices,) of the form, set by the caller
    place: Array  # (vertices,) new number of a vertex above, -1 - new number below
    number: Array  # (vertices n,) number of the cut edge of a slot
    cut: Array  # (vertices n,) slot of the upper end of each cut edge
    link: Array  # (vertices n n,) slots of new vertices: how they are joined; the slot of the cutting facet is not used


class Parts(NamedTuple):
    """Where the parts of a cell lie: first slots, and how many old vertices each has; new ones, as many as cut edges,
    come behind these.
    """

    upper: int
    lower: int
    above: int
    below: int
    cuts: int


def cut_room(n: int, vertices: int) -> CutRoom:
    """Room for cells of so many vertices."""
    place, number, cut, link = (np.empty(size, dtype=np.int64) for size in (vertices, vertices * n, vertices * n, vertices * n * n))
    return CutRoom(np.empty(vertices), place, number, cut, link)


@kernel
def cut_cell(dim: tuple, cells: Cells, room: CutRoom, cell: Cell, facet: int) -> tuple[int, int]:
    """Cut a cell by value >= 0; both parts are written behind it, the upper first.

    Returns
    -------
    above, below : int
        Numbers of vertices.
    """
    n = len(dim)
    above, below, cuts = _share_out(dim, cells, room, cell)
    upper = (cell.begin + cell.vertices) * n
    parts = Parts(upper, upper + (above + cuts) * n, above, below, cuts)
    _join_cuts(dim, cells, room, cell.begin, cuts)
    _write_new(dim, cells, room, cell.begin * n, parts, facet)
    _write_old(dim, cells, room, cell, parts)
    return above + cuts, below + cuts


@inlined
def _share_out(dim: tuple, cells: Cells, room: CutRoom, cell: Cell) -> tuple[int, int, int]:
    """Number the vertices of both sides and the edges between them; how many there are of each."""
    n = len(dim)
    value, place, edge, base = room.value, room.place, cells.edge, cell.begin * n
    above = below = cuts = 0
    for v in range(cell.vertices):
        if value[v] >= 0:
            place[v] = above
            above += 1
        else:
            place[v] = -1 - below
            below += 1
    for v in range(cell.vertices):
        if place[v] >= 0:
            for k in range(n):
                if place[owner(edge[base + v * n + k], n)] < 0:
                    room.number[v * n + k] = cuts
                    room.cut[cuts] = v * n + k
                    cuts += 1
    return above, below, cuts


@inlined
def _join_cuts(dim: tuple, cells: Cells, room: CutRoom, begin: int, cuts: int) -> None:
    """Walk around every polygon that is cut, from one cut to the next, whose new vertices are then neighbours."""
    n = len(dim)
    facets, edge, link, base = cells.facet, cells.edge, room.link, begin * n
    for e in range(cuts):
        for j in range(n):
            link[e * n + j] = -1
        link[e * n + room.cut[e] - owner(room.cut[e], n) * n] = 0  # of edge k itself: nothing to walk
    for e in range(cuts):
        slot = room.cut[e]
        v = owner(slot, n)
        k = slot - v * n
        for j in range(n):  # along the polygon that edges k and j of v span, to where it is cut again
            if link[e * n + j] >= 0:  # the walk came from the other end before
                continue
            here, out, other = v, j, k
            while True:
                far = int(edge[base + here * n + out])
                there = owner(far, n)
                if room.place[there] < 0:
                    break
                # the next edge leaves the facet that holds the edge before, but not this one; it is there in every
                # simple polytope
                turn = slot_of(dim, facets, begin + there, facets[base + here * n + other])
                here, out, other = there, max(turn, 0), far - there * n
            partner = room.number[here * n + out]
            link[e * n + j] = partner * n + other
            link[partner * n + other] = e * n + j


@inlined
def _write_new(dim: tuple, cells: Cells, room: CutRoom, base: int, parts: Parts, facet: int) -> None:
    """The new vertex of each cut edge, once for either part."""
    n = len(dim)
    x, facets, edge = cells.x, cells.facet, cells.edge
    value, place, link = room.value, room.place, room.link
    for e in range(parts.cuts):
        slot = room.cut[e]
        v = owner(slot, n)
        k = slot - v * n
        far = int(edge[base + slot])
        u = owner(far, n)
        t = value[v] / (value[v] - value[u])  # at least 0, at most 1: v is above, u below
        p, m = parts.upper + (parts.above + e) * n, parts.lower + (parts.below + e) * n
        for j in range(n):
            y = x[base + v * n + j]
            y += t * (x[base + u * n + j] - y)
            x[p + j] = y
            x[m + j] = y
            f = facets[base + v * n + j]
            facets[p + j] = f
            facets[m + j] = f
            edge[p + j] = link[e * n + j] + parts.above * n
            edge[m + j] = link[e * n + j] + parts.below * n
        # it leaves the cutting facet where the old edge left facet k, towards the old end on its side
        facets[p + k] = facet
        facets[m + k] = facet
        edge[p + k] = place[v] * n + k
        edge[m + k] = (-1 - place[u]) * n + (far - u * n)


@inlined
def _write_old(dim: tuple, cells: Cells, room: CutRoom, cell: Cell, parts: Parts) -> None:
    """The old vertices, each in its part; edges that are cut now lead to the new vertex."""
    n = len(dim)
    x, facets, edge = cells.x, cells.facet, cells.edge
    place, number, base = room.place, room.number, cell.begin * n
    for v in range(cell.vertices):
        q = base + v * n
        over = place[v] >= 0
        p = parts.upper + place[v] * n if over else parts.lower + (-1 - place[v]) * n
        for k in range(n):
            x[p + k] = x[q + k]
            facets[p + k] = facets[q + k]
            far = int(edge[q + k])
            u = owner(far, n)
            j = far - u * n
            if over:
                edge[p + k] = place[u] * n + j if place[u] >= 0 else (parts.above + number[v * n + k]) * n + k
            else:
                edge[p + k] = (-1 - place[u]) * n + j if place[u] < 0 else (parts.below + number[far]) * n + j
