"""Depth-first search over the decision tree, with a dictionary for every cell that waits; all state in arrays.

Data in: a `Search` with the root at level 0. Data out: nodes, regions and claims in its columns.

`advance` works in slices: it returns after a number of cells, or when a buffer is full, and goes on from there when
called again.

Invariant: a cell's dictionary is at a vertex of the cell, `Levels.inner` is a point inside, and of every open neuron of
its layer there is a row; both sides of a neuron that is split have been reached by a dictionary.
"""

from __future__ import annotations

import numpy as np

from polylc.engines.dictionary.basis import places
from polylc.engines.dictionary.forms import enter_layer, finish_layer
from polylc.engines.dictionary.levels import check, copy, dictionary_of, drop, fill, fix, renew, signs_of
from polylc.engines.dictionary.points import corner_mean, vertex
from polylc.engines.dictionary.simplex import CROSSED, PIVOTS, STUCK, Dictionary, Goal, drive, members, note_witness
from polylc.engines.dictionary.state import (
    BASE,
    CLAIMS,
    ENTRIES,
    NEW_NODES,
    NODES,
    READY_CLAIMS,
    READY_ENTRIES,
    RECORD,
    REGIONS,
    TOP,
    Levels,
    Room,
    Search,
    claim,
    claim_by_row,
    decide_mates,
    follow_mates,
)
from polylc.jit.decorators import inlined, kernel

Array = np.ndarray

# sides thinner than this, relative to the neighbourhood, are not looked for: a dictionary may drift by a tenth of it
SLIVER = 1e-9
# a split goes on to a vertex this far beyond the hyperplane, if there is one: points close to it would be poor
# witnesses
DEEP = 1e-4
AGE = 64  # pivots between two checks of a dictionary's drift
VERTEX, INNER = 1, 2  # bits of the first two witnesses in a layer: the vertex and the interior point
EDGE = 1.0 - 2.0**-53  # the largest double inside the neighbourhood
FINISHED, PAUSED, CROWDED, LEFT, LOST = range(5)  # why `advance` came back


@kernel
def _decide(s: Search, d: int) -> None:
    """Find a witness of either sign for every open neuron, or decide it."""
    lev, fixed = s.lev, s.lev.fixed[d]
    begin = s.net.offset[lev.layer[d]]
    dic, signs = dictionary_of(lev, s.arena, d), signs_of(lev, s.work, d, begin)
    # backwards: a row that goes is replaced by the last, which has been looked at
    for q in range(lev.rows[d] - 1, fixed - 1, -1):
        i = dic.name[q]
        limit = signs.limit[i]
        for sign in (1, -1):
            shown = signs.above[i] if sign > 0 else signs.below[i]
            if shown & lev.alive[d] != 0:
                continue
            code = CROSSED
            if not sign * dic.value[q] > limit:
                before = s.stats[PIVOTS]
                goal = Goal(q, sign, limit, limit)
                code = drive(dic, signs, goal, fixed, lev.rows[d], lev.alive[d : d + 1], s.room.toward, s.stats)
                lev.age[d] += s.stats[PIVOTS] - before
                if code == STUCK:
                    renew(s, d)
                    code = drive(dic, signs, goal, fixed, lev.rows[d], lev.alive[d : d + 1], s.room.toward, s.stats)
            if code == CROSSED:
                lev.alive[d] = note_witness(dic, signs, fixed, lev.rows[d], lev.alive[d], True)
                continue
            s.bits[begin + i] = sign < 0
            entry = s.at[ENTRIES]
            if s.at[RECORD]:
                if code == STUCK:  # said without a proof; the judge will find one, or refute it
                    claim(s.claims, s.at, lev.node[d], begin + i, -sign)
                else:
                    claim_by_row(s, d, begin + i, -sign, dic.T[:, q])
            decide_mates(s, lev.node[d], begin + i, sign < 0, False, entry)
            drop(dic, lev, d, q)
            break


@kernel
def _step_inside(room: Room, dic: Dictionary, fixed: int, at_inner: float, at_vertex: float, result: Array) -> None:
    """An interior point of the side where values are positive, from one of the whole cell, room.form: see
    `lp._step_inside`.
    """
    k = len(result)
    if at_inner > 0.0:
        for j in range(k):
            result[j] = room.form[j]
        return
    vertex(dic, fixed, room.point)
    turn = at_inner / (at_inner - at_vertex)
    share = turn + 0.5 * (1.0 - turn)
    for j in range(k):
        result[j] = room.form[j] + share * (room.point[j] - room.form[j])
    corner_mean(dic, fixed, room.point, room.toward, room.away)
    for j in range(k):
        result[j] = 0.5 * (result[j] + room.point[j])


@kernel
def _choose(lev: Levels, name: Array, d: int) -> int:
    """The open row whose witnesses are divided most evenly."""
    best: int = lev.fixed[d]
    most = -1
    for q in range(lev.fixed[d], lev.rows[d]):
        i = name[q]
        score = min(members(lev.above[d, i] & lev.alive[d]), members(lev.below[d, i] & lev.alive[d]))
        if score > most:
            best, most = q, score
    return best


@kernel
def _drive_deep(s: Search, d: int, q: int, sign: int) -> bool:
    """Drive a row of a level well beyond zero, if possible; whether it gets there at all."""
    lev, rows = s.lev, s.lev.rows[d]
    begin = s.net.offset[lev.layer[d]]
    dic, signs = dictionary_of(lev, s.arena, d), signs_of(lev, s.work, d, begin)
    limit = signs.limit[dic.name[q]]
    code = STUCK
    for _ in range(2):  # the second time with a dictionary computed anew
        before = s.stats[PIVOTS]
        goal = Goal(q, sign, limit, max(limit, DEEP))
        code = drive(dic, signs, goal, lev.fixed[d], rows, lev.alive[d : d + 1], s.room.toward, s.stats)
        lev.age[d] += s.stats[PIVOTS] - before
        if code != STUCK:
            break
        renew(s, d)
    return code == CROSSED


@kernel
def _split(s: Search, d: int) -> bool:
    """Split the cell by an open row: level d + 1 takes the side of the present vertex, level d the other. False if a
    side is not reached.
    """
    lev, work, e = s.lev, s.work, d + 1
    dic = dictionary_of(lev, s.arena, d)
    q = _choose(lev, dic.name, d)
    i = s.net.offset[lev.layer[d]] + dic.name[q]
    here = dic.value[q]
    sign = 1 if here >= 0.0 else -1
    copy(lev, s.arena, d)
    lost = 0
    if sign * here <= work.limit[i] and not _drive_deep(s, e, q, sign):
        lost = sign
    elif not _drive_deep(s, d, q, -sign):
        lost = -sign
    if lost != 0:  # a witness has shown this side, yet now it is not found: the judge decides
        s.bits[i] = lost < 0
        if s.at[RECORD]:
            claim(s.claims, s.at, lev.node[d], i, -lost)
        decide_mates(s, lev.node[d], i, lost < 0, False, s.at[ENTRIES])
        drop(dic, lev, d, q)
        return False
    _put_sides(s, d, q, sign)
    s.at[TOP] = e
    return True


@inlined
def _put_sides(s: Search, d: int, q: int, sign: int) -> None:
    """Both sides of a split by row q become cells: half-spaces, interior points, nodes; level d + 1 is the side `sign`,
    and comes first.
    """
    lev, work, found = s.lev, s.work, s.found
    i = s.net.offset[lev.layer[d]] + dictionary_of(lev, s.arena, d).name[q]
    k = lev.out.shape[1]
    at_inner = work.z[k, i]
    for j in range(k):
        at_inner += work.z[j, i] * lev.inner[d, j]
        s.room.form[j] = lev.inner[d, j]  # kept, for the side of level d overwrites it
    at_inner /= work.length[i]
    parent, depth = lev.node[d], lev.depth[d]
    for level in (d + 1, d):
        side = -sign if level == d else sign
        own = dictionary_of(lev, s.arena, level)
        at_vertex = side * own.value[q]
        fix(lev, own, level, q, side)
        _step_inside(s.room, own, depth + 1, side * at_inner, at_vertex, lev.inner[level])
        n = s.at[NEW_NODES]
        found.parent[n] = parent
        found.neuron[n] = i
        found.side[n] = side > 0
        lev.node[level] = s.at[NODES]
        lev.split[level] = i
        lev.side[level] = side
        s.at[NEW_NODES] = n + 1
        s.at[NODES] += 1


@kernel
def _enter(s: Search, d: int) -> bool:
    """Move a cell to its next layer: intervals over the neighbourhood decide, the other neurons become open rows.

    Returns
    -------
    bool
        False if there is no room for so many rows: then the cell is left as it was.
    """
    lev, work = s.lev, s.work
    layer = lev.layer[d]
    if layer >= 0:
        finish_layer(s.net, work, layer, s.bits)
    layer += 1
    if layer == len(s.net.offset) - 1:
        lev.layer[d] = layer
        return True
    begin, end = s.net.offset[layer], s.net.offset[layer + 1]
    enter_layer(s.net, work, layer, SLIVER)
    fixed, open_ = lev.fixed[d], 0
    for i in range(begin, end):
        open_ += s.net.leader[i] == i and not (work.low[i] >= -work.noise[i] or work.high[i] <= work.noise[i])
    if fixed + open_ + 1 > s.arena.value.shape[1]:
        return False
    lev.layer[d] = layer
    check(s, d)
    dic = dictionary_of(lev, s.arena, d)
    places(dic, fixed, s.room.basis.place)
    rows = fixed
    lev.alive[d] = VERTEX | INNER
    for i in range(begin, end):
        if s.net.leader[i] != i:  # decided with its leader
            continue
        noise, high, low = work.noise[i], work.high[i], work.low[i]
        positive = low >= -noise and high > noise
        if positive or high <= noise or not work.length[i] < np.inf:
            s.bits[i] = positive
            if s.at[RECORD]:
                claim(s.claims, s.at, lev.node[d], i, 1 if positive else -1)
            decide_mates(s, lev.node[d], i, positive, not positive and low >= -noise, s.at[ENTRIES])
            continue
        fill(work, dic, rows, i, s.room.form, s.room.basis.place)
        dic.name[rows] = i - begin
        _note_first(lev, d, i - begin, dic.value[rows], s.room.form, work.limit[i])
        rows += 1
    lev.rows[d] = rows
    return True


@inlined
def _note_first(lev: Levels, d: int, i: int, at_vertex: float, form: Array, limit: float) -> None:
    """What the first two witnesses show of an open neuron, i in the layer, of that value at the vertex and with that
    form.
    """
    k = lev.out.shape[1]
    inside = form[k]
    for j in range(k):
        inside += form[j] * lev.inner[d, j]
    above, below = 0, 0
    if at_vertex > limit:
        above |= VERTEX
    elif at_vertex < -limit:
        below |= VERTEX
    if inside > limit:
        above |= INNER
    elif inside < -limit:
        below |= INNER
    lev.above[d, i] = above
    lev.below[d, i] = below


@kernel
def _follow(s: Search, d: int) -> None:
    """Take the half-space that cut a cell off into the path."""
    lev, i = s.lev, s.lev.split[d]
    s.bits[i] = lev.side[d] > 0
    if lev.told[d] != lev.node[d]:  # else the cell is taken up again
        lev.told[d] = lev.node[d]
        follow_mates(s, lev.node[d], i, lev.side[d] > 0)
    p = lev.depth[d] - 1
    length = s.work.length[i]
    for j in range(len(s.room.form)):
        s.path.row[p, j] = lev.side[d] * s.work.z[j, i] / length
    s.path.node[p] = lev.node[d]
    s.path.length[p] = length
    if lev.age[d] > AGE:
        check(s, d)


@kernel
def _emit(s: Search, d: int) -> None:
    """Write the region of a cell whose neurons all are decided."""
    r, found, point = s.at[REGIONS], s.found, s.room.point
    corner_mean(dictionary_of(s.lev, s.arena, d), s.lev.fixed[d], point, s.room.toward, s.room.away)
    for j in range(len(point)):  # the mean of two points inside is inside, unless the vertex is degenerate
        found.unit[r, j] = min(max(0.5 * (s.lev.inner[d, j] + point[j]), -EDGE), EDGE)
    for w in range(found.bits.shape[1]):
        word = np.uint64(0)
        for b in range(min(64, len(s.bits) - 64 * w)):
            if s.bits[64 * w + b]:
                word |= np.uint64(1) << np.uint64(b)
        found.bits[r, w] = word
    found.leaf[r] = s.lev.node[d]
    s.done[0] += s.lev.weight[d]
    s.at[REGIONS] = r + 1
    s.at[READY_CLAIMS] = s.at[CLAIMS]
    s.at[READY_ENTRIES] = s.at[ENTRIES]


@kernel
def _keep(s: Search, d: int, side: int) -> None:
    """Forget the part of the cell just split, at the levels d and d + 1, that is not on `side`."""
    last = s.at[NEW_NODES] - 1
    if (s.lev.side[d] > 0) == (side > 0):
        s.at[TOP] = d
        s.lev.node[d] -= 1
        s.found.side[last - 1] = s.found.side[last]
    else:
        s.at[BASE] = d + 1
    s.at[NEW_NODES] = last
    s.at[NODES] -= 1


@kernel
def advance(s: Search, most_regions: int, most_cells: int, prefix: Array, unit_depth: int) -> int:
    """Go on with the search until it ends, `most_regions` are found, `most_cells` are processed, or the room does not
    suffice for another cell.

    Parameters
    ----------
    prefix : ndarray of int, shape (depth, 2)
        Neurons and sides of the path to the cell that is explored.
    unit_depth : int
        Depth of the cells that are left to others, or -1.

    Returns
    -------
    int
        FINISHED, PAUSED, CROWDED if the arena is too small, LEFT if the cell of level at[TOP] + 1 is left, LOST if
        there is no cell with that path.
    """
    at, lev = s.at, s.lev
    layers = len(s.net.offset) - 1
    for _ in range(most_cells):
        if at[TOP] < at[BASE]:
            return FINISHED
        if at[REGIONS] >= most_regions or _full(s):
            return PAUSED
        d = at[TOP]
        if lev.depth[d] == unit_depth:
            at[TOP] = d - 1
            return LEFT
        if d + 2 > s.arena.value.shape[0] or lev.fixed[d] + 2 > s.arena.value.shape[1]:
            return CROWDED
        if lev.split[d] >= 0:
            _follow(s, d)
        while lev.layer[d] < layers:
            if lev.rows[d] > lev.fixed[d]:
                _decide(s, d)
            if lev.rows[d] == lev.fixed[d]:
                if not _enter(s, d):
                    return CROWDED  # with more room, the cell is taken up again where it is
            elif _split(s, d):
                break
        depth = lev.depth[d]
        if at[TOP] != d:
            if depth > len(prefix):
                continue
            if lev.split[d] != prefix[depth - 1, 0]:
                return LOST
            _keep(s, d, prefix[depth - 1, 1])
        elif depth < len(prefix):
            return LOST
        else:
            _emit(s, d)
            at[TOP] = d - 1
    return FINISHED if at[TOP] < at[BASE] else PAUSED


@inlined
def _full(s: Search) -> bool:
    """Whether the columns might not hold what one more cell gives: two nodes, and a claim on every neuron."""
    claims = len(s.bits)
    if s.at[NEW_NODES] + 2 > len(s.found.parent):
        return True
    if not s.at[RECORD]:
        return False
    # a claim has as many entries as its path has half-spaces, at most k
    entries = claims * min(len(s.room.point), claims)
    return bool(s.at[CLAIMS] + claims > len(s.claims.node) or s.at[ENTRIES] + entries > len(s.claims.constraint))
