"""Skeletons of cells, cut by hyperplanes, of many cells one after the other: what a cell shares with the one before is
not cut again.

In: cells as lists of half-spaces, those of neighbours in a decision tree with a common beginning. Out: their skeletons,
in floating point and unproved. The skeleton after each half-space is kept on a stack, so a cell costs only the cuts in
which it differs.

Invariant: every skeleton is that of a simple polytope, whatever signs rounding gives. A vertex lies on n facets and
has n neighbours, one along the edge that leaves each of its facets; neighbours share all facets but one, and are each
other's neighbours. New vertices are joined along the polygons that are cut: a closed walk changes sign an even number
of times.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.jit.decorators import inlined, kernel

Array = np.ndarray
MOST_VERTICES = 4096
ROOM = 32  # largest cells that the stack holds
LARGEST = 1e300  # values of forms at vertices beyond this are not cut by; steers only, nothing rests on it


class Skeleton(NamedTuple):
    """A simple polytope, one row for each vertex."""

    X: Array  # (vertices, n)
    # (vertices, n) facets: half-spaces by number; -1 - 2 j and -2 - 2 j are the lower and upper face of the box in x_j
    F: Array
    NB: Array  # (vertices, n) neighbours, the k-th along the edge that leaves the k-th facet
    BACK: Array  # (vertices, n) the place of the same edge at the neighbour


class CutStack(NamedTuple):
    """Skeletons after 0, 1, 2, ... half-spaces, one behind the other."""

    rows: Skeleton  # of all of them; neighbours are counted from the skeleton's first vertex
    at: Array  # (levels,) first vertex of each skeleton
    size: Array  # (levels,) and how many it has
    level: Array  # (1,) skeletons 0..level are those of the last cell
    value: Array  # (largest cell,) of a half-space at the vertices
    place: Array  # (largest cell,) new number of each vertex, -1 where it is cut off
    number: Array  # (largest cell, n) the new vertex on each edge that is cut, at the end that stays
    cut: Array  # (largest cell, 2) and the other way round: vertex and place of the edge that a new vertex is on


def cut_stack(n: int, half: Array, longest: int) -> CutStack:
    """A stack for cells of the box [-half, half] and at most `longest` half-spaces."""
    room, cap = ROOM * MOST_VERTICES, MOST_VERTICES
    F, NB, BACK = (np.empty((room, n), dtype=np.int64) for _ in range(3))
    rows = Skeleton(np.empty((room, n)), F, NB, BACK)
    at, count = np.zeros(longest + 1, dtype=np.int64), np.zeros(longest + 1, dtype=np.int64)
    count[0] = _start_box(np.ascontiguousarray(half, dtype=np.float64), rows)
    place, number, cut = (np.empty(shape, dtype=np.int64) for shape in (cap, (cap, n), (cap, 2)))
    return CutStack(rows, at, count, np.zeros(1, dtype=np.int64), np.empty(cap), place, number, cut)


@kernel
def _start_box(half: Array, cell: Skeleton) -> int:
    """The box itself: vertex `mask` is at the upper end of the coordinates whose bits are set."""
    n = len(half)
    for mask in range(1 << n):
        for j in range(n):
            up = (mask >> j) & 1
            cell.X[mask, j] = half[j] if up else -half[j]
            cell.F[mask, j] = -2 * j - 2 if up else -2 * j - 1
            cell.NB[mask, j], cell.BACK[mask, j] = mask ^ (1 << j), j
    return 1 << n


@kernel
def slice_of(cells: Skeleton, begin: int, end: int) -> Skeleton:
    """Some of the rows."""
    return Skeleton(cells.X[begin:end], cells.F[begin:end], cells.NB[begin:end], cells.BACK[begin:end])


@kernel
def top_of(stack: CutStack) -> Skeleton:
    """The last skeleton of a stack."""
    begin = stack.at[stack.level[0]]
    return slice_of(stack.rows, begin, begin + stack.size[stack.level[0]])  # type: ignore[no-any-return]


@kernel
def has(F: Array, v: int, facet: int) -> bool:
    """Whether a vertex lies on a facet."""
    for j in range(F.shape[1]):
        if F[v, j] == facet:
            return True
    return False


@kernel
def cut(old: Skeleton, facet: int, new: Skeleton, stack: CutStack) -> int:
    """Cut a skeleton by value >= 0 at its vertices; how many vertices are left, -1 where there are none or too many.

    A vertex with value 0 stays: it counts as inside, as if the hyperplane stood a little further out, so the result is
    simple.
    """
    value, place, number = stack.value, stack.place, stack.number
    n, kept = old.X.shape[1], 0
    for v in range(len(old.X)):
        place[v] = -1
        if value[v] >= 0:
            place[v] = kept
            kept += 1
    if kept == 0:
        return -1
    count = kept
    for v in range(len(old.X)):
        here = place[v]
        if here < 0:
            continue
        for j in range(n):
            new.X[here, j], new.F[here, j] = old.X[v, j], old.F[v, j]
        for k in range(n):
            u = old.NB[v, k]
            if place[u] >= 0:
                new.NB[here, k], new.BACK[here, k] = place[u], old.BACK[v, k]
                continue
            if count >= len(new.X):
                return -1
            # the edge to u is cut: a new vertex on it, which has left the facet k for the new one
            t = value[v] / (value[v] - value[u])
            for j in range(n):
                new.X[count, j] = old.X[v, j] + t * (old.X[u, j] - old.X[v, j])
                new.F[count, j] = old.F[v, j]
                new.NB[count, j] = -1
            new.F[count, k] = facet
            new.NB[count, k], new.NB[here, k] = here, count
            new.BACK[count, k] = new.BACK[here, k] = k
            number[v, k], stack.cut[count, 0], stack.cut[count, 1] = count, v, k
            count += 1
    return count if _join(old, new, stack, kept, count) else -1


@inlined
def _join(old: Skeleton, new: Skeleton, stack: CutStack, first: int, end: int) -> bool:
    """Walk around every polygon that is cut, from one cut to the next, whose new vertices are then neighbours; False
    where a walk does not end, which no simple polytope has."""
    n, place = old.X.shape[1], stack.place
    for e in range(first, end):
        v, k = stack.cut[e, 0], stack.cut[e, 1]
        for j in range(n):
            if new.NB[e, j] >= 0:  # edge k itself, or the walk came from the other end before
                continue
            here, out, other, steps = v, j, k, 0
            there = old.NB[here, out]
            while place[there] >= 0 and steps < len(old.X):
                # the next edge leaves the facet that holds the edge before, but not this one
                facet, turn = old.F[here, other], 0
                for i in range(n):
                    if old.F[there, i] == facet:
                        turn = i
                here, out, other = there, turn, old.BACK[here, out]
                there = old.NB[here, out]
                steps += 1
            if place[there] >= 0:
                return False
            partner = stack.number[here, out]
            new.NB[e, j], new.BACK[e, j] = partner, other
            new.NB[partner, other], new.BACK[partner, other] = e, j
    return True


@kernel
def cut_along(stack: CutStack, rows: Array, before: int, begin: int, end: int) -> bool:
    """Bring the stack to the cell of rows[begin:end]; the last one was that of rows[before:...]. Whether it has a
    skeleton.

    The cell is then the last skeleton of the stack, at level end - begin; its facets are numbered by half-space, -1 - i
    for the faces of the box. False where rounding left no consistent skeleton, or one that is too large.
    """
    n, cap, room = rows.shape[1] - 1, len(stack.value), len(stack.rows.X)
    shared = 0
    same = True
    while same and shared < min(stack.level[0], end - begin):
        for j in range(n + 1):
            same = same and rows[begin + shared, j] == rows[before + shared, j]
        if same:
            shared += 1
    stack.level[0] = shared
    for d in range(shared, end - begin):
        a, many = stack.at[d], stack.size[d]
        outside = False
        for v in range(many):
            z = rows[begin + d, n]
            for j in range(n):
                z += rows[begin + d, j] * stack.rows.X[a + v, j]
            stack.value[v] = z
            outside = outside or z < 0
            if not abs(z) < LARGEST:
                return False
        if not outside:
            stack.at[d + 1], stack.size[d + 1] = a, many
        else:
            to = a + many
            if to + cap > room:
                return False
            left = cut(slice_of(stack.rows, a, to), d, slice_of(stack.rows, to, to + cap), stack)
            if left < 0:
                return False
            stack.at[d + 1], stack.size[d + 1] = to, left
        stack.level[0] = d + 1
    return True
