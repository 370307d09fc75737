"""The state of the dictionary engine's search, all of it in arrays, so that its kernel can stop anywhere and go on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.engines.dictionary.forms import Flat, Work
from polylc.jit.decorators import kernel
from polylc.network.patterns import words

Array = np.ndarray

TOP, NODES, NEW_NODES, REGIONS, CLAIMS, ENTRIES, READY_CLAIMS, READY_ENTRIES, RECORD, BASE = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9  # places in Search.at


class Levels(NamedTuple):
    """The cell being worked on, at level `at[TOP]`, and the cells that wait, on the levels below it."""

    fixed: Array  # (D,)
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
    """The dictionaries of the levels that have been needed so far."""

    T: Array  # (levels, k, rows)
    value: Array  # (levels, rows)
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


class Search(NamedTuple):
    """All state of a search."""

    net: Flat
    work: Work
    lev: Levels
    arena: Arena
    path: Path
    out: Out
    bits: Array  # of the neurons decided on the present path
    at: Array  # counters, see TOP
    done: Array  # share of the tree that is explored
    stats: Array
    form: Array  # scratch
    point: Array
    place: Array
    toward: Array
    away: Array
    columns: Array
    basic: Array
    system: Array


def new_search(net: Flat, work: Work, regions: int, claims: int) -> Search:
    """The start of a search whose kernel can write `regions` regions and about as many claims as asked, none if `claims` is 0."""
    k, neurons = len(work.z) - 1, len(net.bias)
    width = int(np.diff(net.offset).max(initial=1))
    search = Search(
        net,
        work,
        _levels(neurons + 2, k, width),
        _arena(16, k, width + 24),
        Path(np.zeros((neurons, k + 1)), np.zeros(neurons, dtype=np.int32), np.zeros(neurons)),
        _out(k, neurons, regions, claims),
        np.zeros(neurons, dtype=np.bool_),
        np.zeros(10, dtype=np.int64),
        np.zeros(1),
        np.zeros(5, dtype=np.int64),
        np.zeros(k + 1),
        np.zeros(k),
        np.zeros(k, dtype=np.int64),
        np.zeros(neurons),
        np.zeros(neurons),
        np.zeros(k, dtype=np.int64),
        np.zeros(k, dtype=np.int64),
        np.zeros((min(k, neurons), 2 * min(k, neurons))),
    )
    search.at[NODES] = 1
    search.at[RECORD] = claims > 0
    return search


def grown(search: Search) -> Search:
    """The same search with room for more levels or longer dictionaries, whichever lacks."""
    levels, k, rows = search.arena.T.shape
    top = int(search.at[TOP])
    larger = _arena(2 * levels, k, rows) if top + 2 > levels else _arena(levels, k, 2 * rows)
    larger.T[:levels, :, :rows] = search.arena.T
    larger.value[:levels, :rows] = search.arena.value
    larger.name[:levels, :rows] = search.arena.name
    return search._replace(arena=larger)


def _levels(count: int, k: int, width: int) -> Levels:
    """Room for `count` levels, with the whole neighbourhood at level 0."""
    whole = np.zeros((9, count), dtype=np.int64)
    masks = np.zeros((2, count, width), dtype=np.int64)
    lev = Levels(
        whole[0],
        whole[1],
        whole[2],
        whole[3],
        whole[4],
        whole[5],
        whole[6],
        whole[7],
        whole[8],
        np.zeros(count),
        np.zeros((count, k), dtype=np.int64),
        np.zeros((count, k), dtype=np.bool_),
        np.zeros((count, k)),
        masks[0],
        masks[1],
    )
    lev.out[0] = np.arange(k)
    lev.layer[0] = lev.split[0] = -1
    lev.weight[0] = 1.0
    return lev


def _arena(levels: int, k: int, rows: int) -> Arena:
    """Room for that many dictionaries."""
    return Arena(np.zeros((levels, k, rows)), np.zeros((levels, rows)), np.zeros((levels, rows), dtype=np.int64))


def _out(k: int, neurons: int, regions: int, claims: int) -> Out:
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


@kernel
def claim(s: Search, node: int, neuron: int, sign: int) -> None:
    """A claim without multipliers."""
    c = s.at[CLAIMS]
    s.out.claim_node[c] = node
    s.out.claim_neuron[c] = neuron
    s.out.claim_sign[c] = sign
    s.out.claim_size[c] = 0
    s.at[CLAIMS] = c + 1


@kernel
def claim_by_row(s: Search, d: int, neuron: int, sign: int, row: Array) -> None:
    """A claim whose multipliers are the reduced costs of the neuron's row."""
    claim(s, s.lev.node[d], neuron, sign)
    names, length, k = s.lev.out[d], s.work.length[neuron], len(row)
    e = s.at[ENTRIES]
    for c in range(k):
        y = sign * row[c]
        if names[c] >= k and y > 0.0:
            p = names[c] - k
            s.out.constraint[e] = s.path.node[p]
            s.out.multiplier[e] = y * length / s.path.length[p]
            e += 1
    s.out.claim_size[s.at[CLAIMS] - 1] = e - s.at[ENTRIES]
    s.at[ENTRIES] = e
