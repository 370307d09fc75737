"""The pulled triangulation of a simple polytope or of one of its facets, one simplex after the other.

In: which facets every vertex lies on (`cuts.Skeleton.F`). Out: the simplices, as the numbers of their vertices. This is
combinatorics: no coordinate is looked at, so the triangulation is one of the true polytope wherever the incidences are
the true ones (docs/exactness.md, lemma 9), and a thin face costs no more than a thick one.

A face is the union of the pyramids over its facets that its first vertex, the apex, does not lie on; these are
triangulated in the same way. Invariant: at level l of the walk is a face of codimension l of the polytope that was
begun with, given by its vertices; apex[0], ..., apex[l] are vertices of one simplex, and todo[l, :many[l]] are the
facets of that face that are still to come.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.geometry.cuts import has
from polylc.jit.decorators import kernel

Array = np.ndarray
ENTERED = -1  # in place of the number of facets to come: they have not been listed yet


class Walk(NamedTuple):
    """Where a triangulation stands."""

    member: Array  # (levels, most vertices) vertices of the face at each level
    size: Array  # (levels,) and how many it has
    apex: Array  # (levels,) vertices of the simplex
    todo: Array  # (levels, most facets)
    many: Array  # (levels,) facets to come, or ENTERED
    level: Array  # (1,) of the walk; -1 at its end


def walk_for(n: int, vertices: int, starts: Array) -> Walk:
    """Room for the cells of half-spaces starts[r]:starts[r + 1] in dimension n, of so many vertices at most."""
    facets = 2 * n + int(np.diff(starts).max(initial=0))
    member, todo = np.empty((n + 2, vertices), dtype=np.int64), np.empty((n + 2, facets), dtype=np.int64)
    size, apex, many = (np.zeros(n + 2, dtype=np.int64) for _ in range(3))
    return Walk(member, size, apex, todo, many, np.zeros(1, dtype=np.int64))


@kernel
def begin_cell(F: Array, walk: Walk) -> None:
    """Begin with a whole polytope."""
    for v in range(len(F)):
        walk.member[0, v] = v
    walk.size[0], walk.many[0], walk.level[0] = len(F), ENTERED, 0


@kernel
def begin_facet(F: Array, facet: int, walk: Walk) -> None:
    """Begin with one of its facets, which may be empty."""
    count = 0
    for v in range(len(F)):
        if has(F, v, facet):
            walk.member[0, count] = v
            count += 1
    walk.size[0], walk.many[0], walk.level[0] = count, ENTERED, 0 if count else -1


@kernel
def next_simplex(F: Array, walk: Walk, top: int) -> bool:
    """Go on to the next simplex of a polytope of dimension `top`, whose vertices are then apex[:top + 1]; False at the
    end."""
    level = walk.level[0]
    while level >= 0:
        if walk.many[level] == ENTERED:
            walk.apex[level] = walk.member[level, 0]
            if level == top:
                walk.level[0] = level - 1
                return True
            _list_facets(F, walk, level)
        if walk.many[level] == 0:
            level -= 1
            continue
        walk.many[level] -= 1
        facet = walk.todo[level, walk.many[level]]
        count = 0
        for q in range(walk.size[level]):
            v = walk.member[level, q]
            if has(F, v, facet):
                walk.member[level + 1, count] = v
                count += 1
        if count > 0:
            level += 1
            walk.size[level], walk.many[level] = count, ENTERED
    walk.level[0] = level
    return False


@kernel
def _list_facets(F: Array, walk: Walk, level: int) -> None:
    """List the facets of the face at a level that its apex does not lie on, each once."""
    apex, count = walk.apex[level], 0
    for q in range(1, walk.size[level]):
        v = walk.member[level, q]
        for j in range(F.shape[1]):
            facet = F[v, j]
            if has(F, apex, facet):
                continue
            seen = False
            for i in range(count):
                if walk.todo[level, i] == facet:
                    seen = True
                    break
            if not seen:
                walk.todo[level, count] = facet
                count += 1
    walk.many[level] = count
