"""Depth-first search over the decision tree, with a dictionary for every cell that waits; all state in arrays.

`advance` works in slices: it returns after a number of cells, or when a buffer is full, and goes on from there when called again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from polylc.engines.dictionary_forms import Flat, Work, enter_layer, finish_layer
from polylc.engines.dictionary_simplex import (
    CROSSED,
    REBUILDS,
    STUCK,
    corner_mean,
    drift,
    drive,
    express,
    note_witness,
    places,
    rebuild,
    vertex,
)
from polylc.network.patterns import words

Array = np.ndarray

SLIVER = 1e-9  # sides thinner than this, relative to the neighbourhood, are not looked for
DEEP = 1e-4  # a split goes on to a vertex this far beyond the hyperplane, if there is one
DRIFT = 1e-10  # of slacks, from which a dictionary is computed anew
AGE = 64  # pivots between two checks of that
FINISHED, PAUSED, CROWDED = 0, 1, 2
TOP, NODES, NEW_NODES, REGIONS, CLAIMS, ENTRIES, READY_CLAIMS, READY_ENTRIES = 0, 1, 2, 3, 4, 5, 6, 7


class Levels(NamedTuple):
    """The cell being worked on, at level `at[TOP]`, and the cells that wait, on the levels below it."""

    first: Array  # first row in the arena, (D,)
    fixed: Array
    rows: Array
    layer: Array
    node: Array
    depth: Array  # length of the path
    split: Array  # neuron that cut the cell off, or -1
    side: Array
    alive: Array  # set of witnesses, as bits
    age: Array  # pivots since the last check of drift
    weight: Array  # share of the tree
    out: Array  # (D, k)
    up: Array  # (D, k)
    inner: Array  # (D, k)
    above: Array  # (D, largest width): witnesses at which a neuron is positive
    below: Array


class Arena(NamedTuple):
    """Rows of all dictionaries, one after the other."""

    T: Array
    value: Array
    name: Array


class Path(NamedTuple):
    """Half-spaces of the path, scaled to unit length."""

    row: Array  # (P, k + 1)
    node: Array
    length: Array


class Out(NamedTuple):
    """Columns to be taken over by the caller."""

    parent: Array
    neuron: Array
    side: Array
    bits: Array
    unit: Array
    leaf: Array
    claim_node: Array
    claim_neuron: Array
    claim_sign: Array
    claim_size: Array
    constraint: Array
    multiplier: Array


def new_levels(count: int, k: int, width: int) -> Levels:
    """Room for `count` levels, with the whole neighbourhood at level 0."""
    lev = Levels(
        *(np.zeros(count, dtype=np.int64) for _ in range(10)),
        np.zeros(count),
        np.zeros((count, k), dtype=np.int64),
        np.zeros((count, k), dtype=np.bool_),
        np.zeros((count, k)),
        np.zeros((count, width), dtype=np.int64),
        np.zeros((count, width), dtype=np.int64),
    )
    lev.out[0] = np.arange(k)
    lev.layer[0] = lev.split[0] = -1
    lev.weight[0] = 1.0
    return lev


def new_arena(rows: int, k: int) -> Arena:
    """Room for that many rows."""
    return Arena(np.zeros((rows, k)), np.zeros(rows), np.zeros(rows, dtype=np.int64))


def grown(arena: Arena) -> Arena:
    """The same rows in an arena of twice the size."""
    rows, k = arena.T.shape
    larger = new_arena(2 * rows, k)
    for new, old in zip(larger, arena, strict=True):
        new[:rows] = old
    return larger


def new_path(places: int, k: int) -> Path:
    """Room for a path of that length."""
    return Path(np.zeros((places, k + 1)), np.zeros(places, dtype=np.int32), np.zeros(places))


def new_out(k: int, neurons: int, regions: int, claims: int) -> Out:
    """Buffers for `regions` regions and about as many claims as asked, none if `claims` is 0."""
    nodes = 2 * regions + 2 * neurons + 2
    most = max(claims, 2 * neurons) if claims else 0
    entries = max(8 * claims, 2 * neurons * min(k, neurons)) if claims else 0
    return Out(
        np.zeros(nodes, dtype=np.int32),
        np.zeros(nodes, dtype=np.int32),
        np.zeros(nodes, dtype=np.int8),
        np.zeros((regions, words(neurons)), dtype=np.uint64),
        np.zeros((regions, k)),
        np.zeros(regions, dtype=np.int32),
        np.zeros(most, dtype=np.int32),
        np.zeros(most, dtype=np.int32),
        np.zeros(most, dtype=np.int8),
        np.zeros(most, dtype=np.int64),
        np.zeros(entries, dtype=np.int32),
        np.zeros(entries),
    )


@njit(cache=True)
def _members(mask: int) -> int:
    """Number of set bits."""
    mask = mask - ((mask >> 1) & 0x5555555555555555)
    mask = (mask & 0x3333333333333333) + ((mask >> 2) & 0x3333333333333333)
    mask = (mask + (mask >> 4)) & 0x0F0F0F0F0F0F0F0F
    mask = mask + (mask >> 8)
    mask = mask + (mask >> 16)
    return (mask + (mask >> 32)) & 0x7F


@njit(cache=True)
def _claim(out: Out, at: Array, node: int, neuron: int, sign: int) -> None:
    """A claim without multipliers."""
    c = at[CLAIMS]
    out.claim_node[c] = node
    out.claim_neuron[c] = neuron
    out.claim_sign[c] = sign
    out.claim_size[c] = 0
    at[CLAIMS] = c + 1


@njit(cache=True, error_model="numpy")
def _claim_by_row(out: Out, at: Array, path: Path, node: int, neuron: int, sign: int, length: float, row: Array, names: Array) -> None:
    """A claim whose multipliers are the reduced costs of the neuron's row."""
    _claim(out, at, node, neuron, sign)
    k = len(names)
    e = at[ENTRIES]
    for c in range(k):
        y = sign * row[c]
        if names[c] >= k and y > 0.0:
            p = names[c] - k
            out.constraint[e] = path.node[p]
            out.multiplier[e] = y * length / path.length[p]
            e += 1
    out.claim_size[at[CLAIMS] - 1] = e - at[ENTRIES]
    at[ENTRIES] = e


@njit(cache=True, error_model="numpy")
def _fill(work: Work, T: Array, value: Array, q: int, i: int, form: Array, place: Array, out: Array, up: Array) -> None:
    """Row q of neuron i, scaled to unit length."""
    scale = 1.0 / work.length[i]
    for j in range(len(form)):
        form[j] = work.z[j, i] * scale
    express(T, value, q, form, place, out, up)


@njit(cache=True, error_model="numpy")
def _renew(work: Work, lev: Levels, arena: Arena, path: Path, d: int, begin: int, form: Array, place: Array, stats: Array) -> None:
    """Compute the dictionary of a level anew, if its basis allows."""
    first, fixed, rows = lev.first[d], lev.fixed[d], lev.rows[d]
    T, value, name = arena.T[first : first + rows], arena.value[first : first + rows], arena.name[first : first + rows]
    stats[REBUILDS] += 1
    lev.age[d] = 0
    if rebuild(T, value, name, fixed, lev.out[d], lev.up[d], path.row, place):
        for q in range(fixed, rows):
            _fill(work, T, value, q, begin + name[q], form, place, lev.out[d], lev.up[d])


@njit(cache=True, error_model="numpy")
def _check(work: Work, lev: Levels, arena: Arena, path: Path, d: int, begin: int, form: Array, place: Array, point: Array, stats: Array) -> None:
    """Renew the dictionary of a level if it has drifted."""
    first, fixed, rows = lev.first[d], lev.fixed[d], lev.rows[d]
    T, value, name = arena.T[first : first + rows], arena.value[first : first + rows], arena.name[first : first + rows]
    lev.age[d] = 0
    if not drift(T, value, name, fixed, lev.out[d], lev.up[d], path.row, lev.depth[d], point, np.empty(lev.depth[d])) <= DRIFT:
        _renew(work, lev, arena, path, d, begin, form, place, stats)


@njit(cache=True, error_model="numpy")
def _drive(
    work: Work,
    lev: Levels,
    arena: Arena,
    path: Path,
    d: int,
    begin: int,
    q: int,
    sign: int,
    deep: bool,
    form: Array,
    place: Array,
    stats: Array,
) -> int:
    """Drive row q of a level; once more on a dictionary computed anew, if need be."""
    first, fixed, rows = lev.first[d], lev.fixed[d], lev.rows[d]
    T, value, name = arena.T[first : first + rows], arena.value[first : first + rows], arena.name[first : first + rows]
    limit = work.limit[begin : begin + lev.above.shape[1]]
    least = limit[name[q]]
    aim = max(least, DEEP) if deep else least
    code = STUCK
    for _ in range(2):
        before = stats[1]
        code = drive(
            T, value, name, fixed, rows, lev.out[d], lev.up[d], q, sign, least, aim, limit, lev.above[d], lev.below[d], lev.alive[d : d + 1], form, stats
        )
        lev.age[d] += stats[1] - before
        if code != STUCK:
            break
        _renew(work, lev, arena, path, d, begin, form, place, stats)
    return code


@njit(cache=True, error_model="numpy")
def _decide(
    net: Flat,
    work: Work,
    lev: Levels,
    arena: Arena,
    path: Path,
    bits: Array,
    out: Out,
    at: Array,
    d: int,
    form: Array,
    place: Array,
    stats: Array,
    record: bool,
) -> None:
    """Find a witness of either sign for every open neuron, or decide it."""
    begin = net.offset[lev.layer[d]]
    first, fixed = lev.first[d], lev.fixed[d]
    value, name = arena.value[first:], arena.name[first:]
    for q in range(lev.rows[d] - 1, fixed - 1, -1):
        i = name[q]
        limit = work.limit[begin + i]
        for sign in (1, -1):
            shown = lev.above[d, i] if sign > 0 else lev.below[d, i]
            if shown & lev.alive[d] != 0:
                continue
            code = CROSSED if sign * value[q] > limit else _drive(work, lev, arena, path, d, begin, q, sign, False, form, place, stats)
            if code == CROSSED:
                lev.alive[d] = note_witness(
                    value, name, fixed, lev.rows[d], work.limit[begin : begin + lev.above.shape[1]], lev.above[d], lev.below[d], lev.alive[d], True
                )
                continue
            bits[begin + i] = sign < 0
            if record:
                if code == STUCK:
                    _claim(out, at, lev.node[d], begin + i, -sign)
                else:
                    _claim_by_row(out, at, path, lev.node[d], begin + i, -sign, work.length[begin + i], arena.T[first + q], lev.out[d])
            last = lev.rows[d] - 1
            if q != last:
                value[q] = value[last]
                name[q] = name[last]
                for c in range(lev.out.shape[1]):
                    arena.T[first + q, c] = arena.T[first + last, c]
            lev.rows[d] = last
            break


@njit(cache=True, error_model="numpy")
def _copy(lev: Levels, arena: Arena, d: int) -> None:
    """Level d + 1 becomes a copy of level d."""
    e = d + 1
    first, rows = lev.first[d], lev.rows[d]
    to = first + rows
    k = lev.out.shape[1]
    for q in range(rows):
        arena.value[to + q] = arena.value[first + q]
        arena.name[to + q] = arena.name[first + q]
        for c in range(k):
            arena.T[to + q, c] = arena.T[first + q, c]
    for c in range(k):
        lev.out[e, c] = lev.out[d, c]
        lev.up[e, c] = lev.up[d, c]
    for q in range(lev.fixed[d], rows):
        i = arena.name[first + q]
        lev.above[e, i] = lev.above[d, i]
        lev.below[e, i] = lev.below[d, i]
    lev.first[e] = to
    lev.fixed[e] = lev.fixed[d]
    lev.rows[e] = rows
    lev.layer[e] = lev.layer[d]
    lev.alive[e] = lev.alive[d]
    lev.age[e] = lev.age[d]
    lev.depth[e] = lev.depth[d]
    lev.weight[e] = lev.weight[d]


@njit(cache=True, error_model="numpy")
def _fix(lev: Levels, arena: Arena, d: int, q: int, sign: int) -> None:
    """The free row q becomes the slack of a half-space, the last of the path."""
    first, to = lev.first[d], lev.fixed[d]
    k = lev.out.shape[1]
    T, value, name = arena.T[first : first + lev.rows[d]], arena.value[first:], arena.name[first:]
    i = name[q]
    lev.alive[d] &= lev.above[d, i] if sign > 0 else lev.below[d, i]
    if q != to:
        value[to], value[q] = value[q], value[to]
        name[q] = name[to]
        for c in range(k):
            T[to, c], T[q, c] = T[q, c], T[to, c]
    name[to] = k + lev.depth[d]
    if sign < 0:
        value[to] = -value[to]
        for c in range(k):
            T[to, c] = -T[to, c]
    lev.fixed[d] = to + 1
    lev.depth[d] += 1
    lev.weight[d] *= 0.5


@njit(cache=True, error_model="numpy")
def _step_inside(lev: Levels, arena: Arena, d: int, inner: Array, at_inner: float, at_vertex: float, point: Array) -> None:
    """An interior point of the side where values are positive, from one of the whole cell: see `lp._step_inside`; then towards the middle."""
    first = lev.first[d]
    rows = lev.rows[d]
    T, value, name = arena.T[first : first + rows], arena.value[first : first + rows], arena.name[first : first + rows]
    k = len(inner)
    share = 0.0
    if not at_inner > 0.0:
        vertex(value, name, lev.fixed[d], lev.out[d], lev.up[d], point)
        turn = at_inner / (at_inner - at_vertex)
        share = turn + 0.5 * (1.0 - turn)
    for j in range(k):
        lev.inner[d, j] = inner[j] if share == 0.0 else inner[j] + share * (point[j] - inner[j])
    corner_mean(T, value, name, lev.fixed[d], lev.out[d], lev.up[d], point)
    for j in range(k):
        lev.inner[d, j] = 0.5 * (lev.inner[d, j] + point[j])


@njit(cache=True, error_model="numpy")
def _choose(lev: Levels, arena: Arena, d: int) -> int:
    """The open row whose witnesses are divided most evenly."""
    first = lev.first[d]
    best, most = lev.fixed[d], -1
    for q in range(lev.fixed[d], lev.rows[d]):
        i = arena.name[first + q]
        score = min(_members(lev.above[d, i] & lev.alive[d]), _members(lev.below[d, i] & lev.alive[d]))
        if score > most:
            best, most = q, score
    return best


@njit(cache=True, error_model="numpy")
def _split(
    work: Work,
    lev: Levels,
    arena: Arena,
    path: Path,
    bits: Array,
    out: Out,
    at: Array,
    d: int,
    begin: int,
    q: int,
    form: Array,
    place: Array,
    point: Array,
    stats: Array,
    record: bool,
) -> bool:
    """Split the cell by row q: level d + 1 takes the side of the present vertex, level d the other. False if a side is not reached."""
    e = d + 1
    i = arena.name[lev.first[d] + q]
    limit = work.limit[begin + i]
    here = arena.value[lev.first[d] + q]
    sign = 1 if here >= 0.0 else -1
    _copy(lev, arena, d)
    lost = 0
    if sign * here <= limit and _drive(work, lev, arena, path, e, begin, q, sign, True, form, place, stats) != CROSSED:
        lost = sign
    elif _drive(work, lev, arena, path, d, begin, q, -sign, True, form, place, stats) != CROSSED:
        lost = -sign
    if lost != 0:  # a witness has shown this side, yet now it is not found: the judge decides
        bits[begin + i] = lost < 0
        if record:
            _claim(out, at, lev.node[d], begin + i, -lost)
        last = lev.rows[d] - 1
        first = lev.first[d]
        arena.value[first + q] = arena.value[first + last]
        arena.name[first + q] = arena.name[first + last]
        for c in range(lev.out.shape[1]):
            arena.T[first + q, c] = arena.T[first + last, c]
        lev.rows[d] = last
        return False
    k = lev.out.shape[1]
    scale = 1.0 / work.length[begin + i]
    at_inner = work.z[k, begin + i] * scale
    for j in range(k):
        at_inner += work.z[j, begin + i] * scale * lev.inner[d, j]
        form[j] = lev.inner[d, j]
    inner = form[:k]
    parent = lev.node[d]
    for level in (e, d):
        side = sign if level == e else -sign
        at_vertex = side * arena.value[lev.first[level] + q]
        _fix(lev, arena, level, q, side)
        _step_inside(lev, arena, level, inner, side * at_inner, at_vertex, point)
        n = at[NEW_NODES]
        out.parent[n] = parent
        out.neuron[n] = begin + i
        out.side[n] = side > 0
        lev.node[level] = at[NODES]
        lev.split[level] = begin + i
        lev.side[level] = side
        at[NEW_NODES] = n + 1
        at[NODES] += 1
    at[TOP] = e
    return True


@njit(cache=True, error_model="numpy")
def _enter(
    net: Flat,
    work: Work,
    lev: Levels,
    arena: Arena,
    path: Path,
    bits: Array,
    out: Out,
    at: Array,
    d: int,
    form: Array,
    place: Array,
    point: Array,
    stats: Array,
    record: bool,
) -> None:
    """Move a cell to its next layer: intervals over the neighbourhood decide, the other neurons become open rows."""
    layer = lev.layer[d]
    if layer >= 0:
        finish_layer(net, work, layer, bits)
    layer += 1
    lev.layer[d] = layer
    if layer == len(net.offset) - 1:
        return
    begin = net.offset[layer]
    enter_layer(net, work, layer, SLIVER)
    _check(work, lev, arena, path, d, begin, form, place, point, stats)
    k = lev.out.shape[1]
    first, fixed = lev.first[d], lev.fixed[d]
    T, value, name = arena.T[first:], arena.value[first:], arena.name[first:]
    places(name, fixed, lev.out[d], place)
    rows = fixed
    lev.alive[d] = 3  # the vertex and the interior point
    for i in range(begin, net.offset[layer + 1]):
        noise, high, low = work.noise[i], work.high[i], work.low[i]
        positive = low >= -noise and high > noise
        if positive or high <= noise or not work.length[i] < np.inf:
            bits[i] = positive
            if record:
                _claim(out, at, lev.node[d], i, 1 if positive else -1)
            continue
        _fill(work, T, value, rows, i, form, place, lev.out[d], lev.up[d])
        name[rows] = i - begin
        inside = form[k]
        for j in range(k):
            inside += form[j] * lev.inner[d, j]
        above, below, limit = 0, 0, work.limit[i]
        if value[rows] > limit:
            above |= 1
        elif value[rows] < -limit:
            below |= 1
        if inside > limit:
            above |= 2
        elif inside < -limit:
            below |= 2
        lev.above[d, i - begin] = above
        lev.below[d, i - begin] = below
        rows += 1
    lev.rows[d] = rows


@njit(cache=True, error_model="numpy")
def _emit(lev: Levels, arena: Arena, bits: Array, out: Out, at: Array, d: int, point: Array) -> None:
    """Write the region of a cell whose neurons all are decided."""
    r = at[REGIONS]
    first, rows = lev.first[d], lev.rows[d]
    k = lev.out.shape[1]
    corner_mean(arena.T[first : first + rows], arena.value[first:], arena.name[first:], lev.fixed[d], lev.out[d], lev.up[d], point)
    edge = 1.0 - 2.0**-53
    for j in range(k):
        out.unit[r, j] = min(max(0.5 * (lev.inner[d, j] + point[j]), -edge), edge)
    for w in range(out.bits.shape[1]):
        word = np.uint64(0)
        for b in range(min(64, len(bits) - 64 * w)):
            if bits[64 * w + b]:
                word |= np.uint64(1) << np.uint64(b)
        out.bits[r, w] = word
    out.leaf[r] = lev.node[d]
    at[REGIONS] = r + 1
    at[READY_CLAIMS] = at[CLAIMS]
    at[READY_ENTRIES] = at[ENTRIES]


@njit(cache=True, error_model="numpy")
def advance(
    net: Flat,
    work: Work,
    lev: Levels,
    arena: Arena,
    path: Path,
    bits: Array,
    out: Out,
    at: Array,
    done: Array,
    stats: Array,
    most_regions: int,
    most_cells: int,
    record: bool,
) -> int:
    """Go on with the search until it ends, `most_regions` are found, `most_cells` are processed, or the room does not suffice for another cell.

    Returns
    -------
    int
        FINISHED, PAUSED, or CROWDED if the arena is too small.
    """
    k = lev.out.shape[1]
    layers, width, depth = len(net.offset) - 1, lev.above.shape[1], len(path.node)
    form, point, place = np.empty(k + 1), np.empty(k), np.empty(k, dtype=np.int64)
    claims = len(bits)
    entries = claims * min(k, depth)
    cells = 0
    while at[TOP] >= 0:
        if at[REGIONS] >= most_regions or cells >= most_cells or at[NEW_NODES] + 2 > len(out.parent):
            return PAUSED
        if record and (at[CLAIMS] + claims > len(out.claim_node) or at[ENTRIES] + entries > len(out.constraint)):
            return PAUSED
        d = at[TOP]
        if lev.first[d] + 2 * (lev.fixed[d] + width + 1) > len(arena.value):
            return CROWDED
        cells += 1
        i = lev.split[d]
        if i >= 0:
            bits[i] = lev.side[d] > 0
            p = lev.depth[d] - 1
            scale = lev.side[d] / work.length[i]
            for j in range(k + 1):
                path.row[p, j] = work.z[j, i] * scale
            path.node[p] = lev.node[d]
            path.length[p] = work.length[i]
            if lev.age[d] > AGE:
                _check(work, lev, arena, path, d, net.offset[lev.layer[d]], form, place, point, stats)
        while lev.layer[d] < layers:
            if lev.rows[d] > lev.fixed[d]:
                _decide(net, work, lev, arena, path, bits, out, at, d, form, place, stats, record)
            if lev.rows[d] == lev.fixed[d]:
                _enter(net, work, lev, arena, path, bits, out, at, d, form, place, point, stats, record)
                continue
            begin = net.offset[lev.layer[d]]
            if _split(work, lev, arena, path, bits, out, at, d, begin, _choose(lev, arena, d), form, place, point, stats, record):
                break
        if at[TOP] == d:
            _emit(lev, arena, bits, out, at, d, point)
            done[0] += lev.weight[d]
            at[TOP] = d - 1
    return FINISHED
