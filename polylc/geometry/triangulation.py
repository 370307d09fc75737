"""The pulled triangulation of a simple polytope or of one of its facets, one simplex after the other.

In: which facets every vertex lies on (`cuts.Skeleton.F`). Out: the simplices, as the numbers of their vertices. This is
combinatorics: no coordinate is looked at, so the triangulation is one of the true polytope wherever the incidences are
the true ones (docs/exactness.md, lemma 9), and a thin face costs no more than a thick one.

A face is the union of the pyramids over its facets that its first vertex, the apex, does not lie on; these are
triangulated in the same way. A set of vertices is one of bits, packed in words, so the facets of a face are found by
meeting it with those of the polytope. Invariant: at level l of the walk is a face of codimension l of the polytope that
was begun with, given by its vertices; apex[0], ..., apex[l] are vertices of one simplex, and the facets of the polytope
from `to_come[l]` on are still to be met with that face.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.jit.bits import lowest_bit
from polylc.jit.decorators import inlined, kernel

Array = np.ndarray
ENTERED = -1  # in place of the facet to come: the face's apex is still to be chosen


class Walk(NamedTuple):
    """Where a triangulation stands, and the facets of the polytope."""

    number: Array  # (facets,) of the half-spaces of those that have vertices, as the skeleton has them
    vertices: Array  # (facets, words) packed vertices of each
    many: Array  # (2,) how many facets, and words of a set of vertices
    place: Array  # (2 n + most half-spaces,) of facet f in these, at f + 2 n; -1 between two polytopes
    member: Array  # (levels, words) packed vertices of the face at each level
    apex: Array  # (levels,) vertices of the simplex
    to_come: Array  # (levels,) first facet that is still to come, or ENTERED
    level: Array  # (1,) of the walk; -1 at its end


def walk_for(n: int, vertices: int, starts: Array) -> Walk:
    """Room for the cells of half-spaces starts[r]:starts[r + 1] in dimension n, of so many vertices at most."""
    facets, words = 2 * n + int(np.diff(starts).max(initial=0)), (vertices + 63) // 64
    member, met = np.zeros((n + 2, words), dtype=np.uint64), np.zeros((facets, words), dtype=np.uint64)
    apex, to_come = np.zeros(n + 2, dtype=np.int64), np.zeros(n + 2, dtype=np.int64)
    place = np.full(facets, -1, dtype=np.int64)
    return Walk(np.zeros(facets, dtype=np.int64), met, np.zeros(2, dtype=np.int64), place, member, apex, to_come, np.zeros(1, dtype=np.int64))


@kernel
def list_facets(F: Array, walk: Walk) -> int:
    """List the facets of a polytope, in the order in which its vertices name them; how many there are."""
    n, count, one = F.shape[1], 0, np.uint64(1)
    words = (len(F) + 63) >> 6
    for v in range(len(F)):
        for j in range(n):
            f = F[v, j] + 2 * n
            at = walk.place[f]
            if at < 0:
                at = count
                walk.place[f], walk.number[at] = at, F[v, j]
                for w in range(words):
                    walk.vertices[at, w] = 0
                count += 1
            walk.vertices[at, v >> 6] |= one << np.uint64(v & 63)
    for q in range(count):
        walk.place[walk.number[q] + 2 * n] = -1
    walk.many[0], walk.many[1] = count, words
    return count


@kernel
def begin_cell(F: Array, walk: Walk) -> None:
    """Begin with a whole polytope."""
    list_facets(F, walk)
    for w in range(walk.many[1]):
        walk.member[0, w] = 0
    for v in range(len(F)):
        walk.member[0, v >> 6] |= np.uint64(1) << np.uint64(v & 63)
    walk.to_come[0], walk.level[0] = ENTERED, 0


@inlined
def begin_facet(walk: Walk, q: int) -> None:
    """Begin with one of the facets that were listed."""
    for w in range(walk.many[1]):
        walk.member[0, w] = walk.vertices[q, w]
    walk.to_come[0], walk.level[0] = ENTERED, 0


@inlined
def next_simplex(walk: Walk, top: int) -> bool:
    """Go on to the next simplex of a polytope of dimension `top`, whose vertices are then apex[:top + 1]; False at the
    end."""
    level = walk.level[0]
    while level >= 0:
        if walk.to_come[level] == ENTERED:
            walk.apex[level] = _first(walk, level)
            if level == top or (level == top - 1 and _other_end(walk, level)):
                walk.level[0] = level - 1
                return True
            walk.to_come[level] = 0
        if _go_down(walk, level):
            level += 1
        else:
            level -= 1
    walk.level[0] = level
    return False


@inlined
def _first(walk: Walk, level: int) -> int:
    """The first vertex of the face at a level."""
    w = 0
    while walk.member[level, w] == np.uint64(0):
        w += 1
    return 64 * w + np.int64(lowest_bit(walk.member[level, w]))  # type: ignore[return-value]


@inlined
def _other_end(walk: Walk, level: int) -> bool:
    """Make the other of two vertices the last of the simplex; False where there are not two, in one word: then an edge
    is looked at as other faces are. (In a skeleton that rounding has made there may be more, or one.)
    """
    if walk.many[1] > 1:
        return False
    apex = np.uint64(1) << np.uint64(walk.apex[level] & 63)
    rest = walk.member[level, 0] ^ apex
    if rest == np.uint64(0) or rest & (rest - np.uint64(1)):
        return False
    walk.apex[level + 1] = np.int64(lowest_bit(rest))
    return True


@inlined
def _go_down(walk: Walk, level: int) -> bool:
    """Enter the next facet of the face at a level that its apex does not lie on; False if there is none."""
    apex = walk.apex[level]
    at, bit = apex >> 6, np.uint64(1) << np.uint64(apex & 63)
    if walk.many[1] == 1:  # nearly always
        face = walk.member[level, 0]
        for q in range(walk.to_come[level], walk.many[0]):
            if not walk.vertices[q, 0] & bit and walk.vertices[q, 0] & face:
                walk.member[level + 1, 0] = walk.vertices[q, 0] & face
                walk.to_come[level], walk.to_come[level + 1] = q + 1, ENTERED
                return True
        return False
    for q in range(walk.to_come[level], walk.many[0]):
        if walk.vertices[q, at] & bit:
            continue
        some = np.uint64(0)
        for w in range(walk.many[1]):
            walk.member[level + 1, w] = walk.member[level, w] & walk.vertices[q, w]
            some |= walk.member[level + 1, w]
        if some:
            walk.to_come[level], walk.to_come[level + 1] = q + 1, ENTERED
            return True
    return False
