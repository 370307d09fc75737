"""The dictionaries of the cells that wait: taken from the arena, computed anew, copied, cut.

Data in: a level of the search. Data out: the dictionary of that level, or of the next.

Invariant: rows below `Levels.fixed` are half-spaces of the path and basic box variables, those from there to
`Levels.rows` the open neurons of the level's layer, in any order.
"""

from __future__ import annotations

import numpy as np

from polylc.engines.dictionary.basis import drift, express, rebuild
from polylc.engines.dictionary.forms import Work
from polylc.engines.dictionary.simplex import REBUILDS, Dictionary, Signs
from polylc.engines.dictionary.state import Arena, Levels, Search
from polylc.jit.decorators import kernel

Array = np.ndarray

DRIFT = 1e-10  # of slacks, from which a dictionary is computed anew


@kernel
def dictionary_of(lev: Levels, arena: Arena, d: int) -> Dictionary:
    """The dictionary of a level."""
    return Dictionary(arena.T[d], arena.value[d], arena.name[d], lev.out[d], lev.up[d])


@kernel
def signs_of(lev: Levels, work: Work, d: int, begin: int) -> Signs:
    return Signs(work.limit[begin : begin + lev.above.shape[1]], lev.above[d], lev.below[d])


@kernel
def fill(work: Work, dic: Dictionary, q: int, i: int, form: Array, place: Array) -> None:
    """Row q of neuron i, scaled to unit length."""
    scale = 1.0 / work.length[i]
    for j in range(len(form)):
        form[j] = work.z[j, i] * scale
    express(dic, q, form, place)


@kernel
def renew(s: Search, d: int) -> None:
    """Compute the dictionary of a level anew, if its basis allows."""
    fixed, rows = s.lev.fixed[d], s.lev.rows[d]
    dic = dictionary_of(s.lev, s.arena, d)
    s.stats[REBUILDS] += 1
    s.lev.age[d] = 0
    if rebuild(dic, fixed, s.path.row, s.room.basis) and rows > fixed:
        begin = s.net.offset[s.lev.layer[d]]
        for q in range(fixed, rows):
            fill(s.work, dic, q, begin + dic.name[q], s.room.form, s.room.basis.place)


@kernel
def check(s: Search, d: int) -> None:
    """Renew the dictionary of a level if it has drifted."""
    s.lev.age[d] = 0
    # or NaN
    if not drift(dictionary_of(s.lev, s.arena, d), s.lev.fixed[d], s.path.row, s.lev.depth[d], s.room.point, s.room.toward) <= DRIFT:
        renew(s, d)


@kernel
def drop(dic: Dictionary, lev: Levels, d: int, q: int) -> None:
    """Remove a free row; the last takes its place."""
    last = lev.rows[d] - 1
    if q != last:
        dic.value[q] = dic.value[last]
        dic.name[q] = dic.name[last]
        for c in range(len(dic.out)):
            dic.T[c, q] = dic.T[c, last]
    lev.rows[d] = last


@kernel
def copy(lev: Levels, arena: Arena, d: int) -> None:
    """Level d + 1 becomes a copy of level d."""
    e, rows, k = d + 1, lev.rows[d], lev.out.shape[1]
    for q in range(rows):
        arena.value[e, q] = arena.value[d, q]
        arena.name[e, q] = arena.name[d, q]
    for c in range(k):
        old, new = arena.T[d, c], arena.T[e, c]
        for q in range(rows):
            new[q] = old[q]
    for c in range(k):
        lev.out[e, c] = lev.out[d, c]
        lev.up[e, c] = lev.up[d, c]
    for q in range(lev.fixed[d], rows):
        i = arena.name[d, q]
        lev.above[e, i] = lev.above[d, i]
        lev.below[e, i] = lev.below[d, i]
    lev.fixed[e] = lev.fixed[d]
    lev.rows[e] = rows
    lev.layer[e] = lev.layer[d]
    lev.alive[e] = lev.alive[d]
    lev.age[e] = lev.age[d]
    lev.depth[e] = lev.depth[d]
    lev.weight[e] = lev.weight[d]


@kernel
def fix(lev: Levels, dic: Dictionary, d: int, q: int, sign: int) -> None:
    """The free row q becomes the slack of a half-space, the last of the path."""
    to, k, i = lev.fixed[d], len(dic.out), dic.name[q]
    lev.alive[d] &= lev.above[d, i] if sign > 0 else lev.below[d, i]
    if q != to:
        dic.value[to], dic.value[q] = dic.value[q], dic.value[to]
        dic.name[q] = dic.name[to]
        for c in range(k):
            dic.T[c, to], dic.T[c, q] = dic.T[c, q], dic.T[c, to]
    dic.name[to] = k + lev.depth[d]
    if sign < 0:
        dic.value[to] = -dic.value[to]
        for c in range(k):
            dic.T[c, to] = -dic.T[c, to]
    lev.fixed[d] = to + 1
    lev.depth[d] += 1
    lev.weight[d] *= 0.5
