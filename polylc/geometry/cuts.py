"""Skeletons of cells, cut by hyperplanes, of many cells one after the other: what a cell shares with the one before is not cut again.

Cells come as lists of half-spaces, those of neighbours in a decision tree with a common beginning. The skeleton after each half-space
is kept on a stack, so a cell costs only the cuts in which it differs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.jit.decorators import rounded

Array = np.ndarray
MOST_VERTICES = 4096
ROOM = 32  # largest cells that the stack holds


class CutStack(NamedTuple):
    """Skeletons after 0, 1, 2, ... half-spaces, one behind the other."""

    X: Array  # (room, n) vertices
    F: Array  # (room, n) their facets
    NB: Array  # (room, n) and neighbours, counted from the skeleton's first vertex
    at: Array  # (levels,) first vertex of each skeleton
    size: Array  # (levels,) and how many it has
    level: Array  # (1,) skeletons 0..level are those of the last cell
    value: Array  # (largest cell,)
    place: Array


def cut_stack(n: int, half: Array, longest: int) -> CutStack:
    """A stack for cells of the box [-half, half] and at most `longest` half-spaces."""
    room, cap = ROOM * MOST_VERTICES, MOST_VERTICES
    X, F, NB = np.empty((room, n)), np.empty((room, n), dtype=np.int64), np.empty((room, n), dtype=np.int64)
    at, count = np.zeros(longest + 1, dtype=np.int64), np.zeros(longest + 1, dtype=np.int64)
    count[0] = start_box(n, np.ascontiguousarray(half, dtype=np.float64), X, F, NB)
    return CutStack(X, F, NB, at, count, np.zeros(1, dtype=np.int64), np.empty(cap), np.empty(cap, dtype=np.int64))


@rounded
def start_box(n: int, half: Array, X: Array, F: Array, NB: Array) -> int:
    for mask in range(1 << n):
        for j in range(n):
            up = (mask >> j) & 1
            X[mask, j] = half[j] if up else -half[j]
            F[mask, j] = -2 * j - 2 if up else -2 * j - 1
            NB[mask, j] = mask ^ (1 << j)
    return 1 << n


@rounded
def cut(
    n: int,
    X: Array,
    F: Array,
    NB: Array,
    nv: int,
    value: Array,
    facet: int,
    X2: Array,
    F2: Array,
    NB2: Array,
    place: Array,
) -> int:
    """Cut the skeleton by value >= 0 into the second set of arrays; the new number of vertices, or -1."""
    kept = 0
    for v in range(nv):
        if value[v] >= 0:
            place[v] = kept
            kept += 1
        else:
            place[v] = -1
    if kept == 0:
        return -1
    count = kept
    for v in range(nv):
        here = place[v]
        if here < 0:
            continue
        for j in range(n):
            X2[here, j] = X[v, j]
            F2[here, j] = F[v, j]
        for k in range(n):
            u = NB[v, k]
            if place[u] >= 0:
                NB2[here, k] = place[u]
                continue
            if count >= len(X2):
                return -1
            t = value[v] / (value[v] - value[u])
            for j in range(n):
                X2[count, j] = X[v, j] + t * (X[u, j] - X[v, j])
                F2[count, j] = F[v, j]
                NB2[count, j] = -1
            F2[count, k] = facet
            NB2[count, k] = here
            NB2[here, k] = count
            count += 1
    for e in range(kept, count):  # new vertices are neighbours if they share all but one facet
        for g in range(e + 1, count):
            alone = -1
            differ = 0
            for j in range(n):
                shared = False
                for i in range(n):
                    if F2[g, i] == F2[e, j]:
                        shared = True
                        break
                if not shared:
                    differ += 1
                    alone = j
                    if differ > 1:
                        break
            if differ != 1:
                continue
            for i in range(n):
                shared = False
                for j in range(n):
                    if F2[e, j] == F2[g, i]:
                        shared = True
                        break
                if not shared:
                    if NB2[e, alone] >= 0 or NB2[g, i] >= 0:
                        return -1
                    NB2[e, alone] = g
                    NB2[g, i] = e
                    break
    for e in range(kept, count):
        for j in range(n):
            if NB2[e, j] < 0:
                return -1
    return count


@rounded
def has(n: int, F: Array, v: int, facet: int) -> bool:
    for j in range(n):
        if F[v, j] == facet:
            return True
    return False


@rounded
def cut_along(n: int, stack: CutStack, rows: Array, before: int, begin: int, end: int) -> bool:
    """Bring the stack to the cell of rows[begin:end]; the last one was that of rows[before:...]. Whether it has a skeleton.

    The cell is then the last skeleton of the stack, at level end - begin; its facets are numbered by half-space, -1 - i for the
    faces of the box. False where rounding left no consistent skeleton, or one that is too large.
    """
    cap, room = len(stack.value), len(stack.X)
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
                z += rows[begin + d, j] * stack.X[a + v, j]
            stack.value[v] = z
            outside = outside or z < 0
            if not abs(z) < 1e300:
                return False
        if not outside:
            stack.at[d + 1], stack.size[d + 1] = a, many
        else:
            to = a + many
            if to + cap > room:
                return False
            old, new = slice(a, a + many), slice(to, to + cap)
            left = cut(n, stack.X[old], stack.F[old], stack.NB[old], many, stack.value, d, stack.X[new], stack.F[new], stack.NB[new], stack.place)
            if left < 0:
                return False
            stack.at[d + 1], stack.size[d + 1] = to, left
        stack.level[0] = d + 1
    return True
