"""The state of the dictionary engine's search, all of it in arrays, so that its kernel can stop anywhere and go on.

Data: the cells that wait (`Levels`, with a dictionary each in `Arena`), the path to the one at hand, and columns of
what was found.

Invariant: between two calls of the kernel, levels `at[BASE]` .. `at[TOP]` hold the cells that wait, the deepest last.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.engines.dictionary.basis import BasisRoom
from polylc.engines.dictionary.forms import Flat, Work
from polylc.engines.dictionary.simplex import COUNTERS
from polylc.jit.decorators import kernel
from polylc.jit.room import zeros
from polylc.network.patterns import words

Array = np.ndarray

# places in `Search.at`
TOP, BASE = 0, 1  # levels of the cell at hand and of the first that waits
NODES = 2  # of the whole tree
NEW_NODES, REGIONS, CLAIMS, ENTRIES = 3, 4, 5, 6  # rows written since the caller last took the columns
READY_CLAIMS, READY_ENTRIES = 7, 8  # what CLAIMS and ENTRIES were when a region was last found
RECORD = 9  # whether claims are recorded
PLACES = 10
TAKEN = (NEW_NODES, REGIONS, CLAIMS, ENTRIES, READY_CLAIMS, READY_ENTRIES)  # back to 0 when the caller has the columns
SPARE_LEVELS, SPARE_ROWS = 16, 24  # room to begin with: levels of the arena, rows beyond the widest layer
MOST_ENTRIES = 2**22  # of the arena to begin with: most layers have far fewer open rows than neurons
ENTRIES_EACH = 8  # entries of a claim for which there is room, on the average


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
    told: Array  # the node for which the mates of its neuron were claimed last
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


class Found(NamedTuple):
    """Nodes and regions, to be taken over by the caller."""

    parent: Array
    neuron: Array
    side: Array
    bits: Array
    unit: Array
    leaf: Array


class ClaimColumns(NamedTuple):
    """Claims, to be taken over by the caller."""

    node: Array
    neuron: Array
    sign: Array
    size: Array  # number of entries
    constraint: Array
    multiplier: Array


class Room(NamedTuple):
    """Room for one cell."""

    form: Array  # (k + 1,) of a neuron, or an interior point
    point: Array  # (k,) a vertex
    toward: Array  # (rows,)
    away: Array  # (rows,)
    basis: BasisRoom


class Search(NamedTuple):
    """All state of a search."""

    net: Flat
    work: Work
    lev: Levels
    arena: Arena
    path: Path
    found: Found
    claims: ClaimColumns
    room: Room
    bits: Array  # of the neurons decided on the present path
    at: Array  # counters, see TOP
    done: Array  # (1,) share of the tree that is explored
    stats: Array  # counters, see `simplex.COUNTERS`


def new_search(net: Flat, work: Work, regions: int, claims: int) -> Search:
    """The start of a search whose kernel can write `regions` regions and about as many claims as asked, none if
    `claims` is 0.
    """
    k, neurons = len(work.z) - 1, len(net.bias)
    width = int(np.diff(net.offset).max(initial=1))
    place, columns, basic = (np.zeros(k, dtype=np.int64) for _ in range(3))
    basis = BasisRoom(place, columns, basic, np.zeros((min(k, neurons), 2 * min(k, neurons))))
    search = Search(
        net,
        work,
        _levels(neurons + 2, k, width),
        _arena(SPARE_LEVELS, k, min(width, MOST_ENTRIES // (SPARE_LEVELS * max(1, k))) + SPARE_ROWS),
        Path(np.zeros((neurons, k + 1)), np.zeros(neurons, dtype=np.int32), np.zeros(neurons)),
        _found(k, neurons, regions),
        _claims(k, neurons, claims),
        Room(np.zeros(k + 1), np.zeros(k), np.zeros(neurons), np.zeros(neurons), basis),
        np.zeros(neurons, dtype=np.bool_),
        np.zeros(PLACES, dtype=np.int64),
        np.zeros(1),
        np.zeros(len(COUNTERS), dtype=np.int64),
    )
    search.at[NODES] = 1
    search.at[RECORD] = claims > 0
    return search


def grown(search: Search) -> Search:
    """The same search with room for more levels or longer dictionaries, whichever lacks."""
    levels, k, rows = search.arena.T.shape
    top = int(search.at[TOP])
    larger = _arena(2 * levels, k, rows) if top + 2 > levels else _arena(levels, k, 2 * rows)
    last, used = min(top + 2, levels), int(search.lev.rows[: top + 2].max())  # beyond these there is nothing yet
    larger.T[:last, :, :used] = search.arena.T[:last, :, :used]
    larger.value[:last, :used] = search.arena.value[:last, :used]
    larger.name[:last, :used] = search.arena.name[:last, :used]
    return search._replace(arena=larger)


def _levels(count: int, k: int, width: int) -> Levels:
    """Room for `count` levels, with the whole neighbourhood at level 0."""
    whole = np.zeros((10, count), dtype=np.int64)
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
        whole[9],
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
    return Arena(zeros((levels, k, rows)), np.zeros((levels, rows)), np.zeros((levels, rows), dtype=np.int64))


def _found(k: int, neurons: int, regions: int) -> Found:
    """Room for so many regions, and for the nodes on the way to them."""
    nodes = 2 * regions + 2 * neurons + 2
    parent, neuron, leaf = (np.zeros(size, dtype=np.int32) for size in (nodes, nodes, regions))
    return Found(parent, neuron, np.zeros(nodes, dtype=np.int8), np.zeros((regions, words(neurons)), dtype=np.uint64), np.zeros((regions, k)), leaf)


def _claims(k: int, neurons: int, claims: int) -> ClaimColumns:
    """Room for about as many claims as asked, more than one cell gives, none if `claims` is 0."""
    most = max(claims, 2 * neurons) if claims else 0
    entries = max(ENTRIES_EACH * claims, 2 * neurons * min(k, neurons)) if claims else 0
    node, neuron, constraint = (np.zeros(size, dtype=np.int32) for size in (most, most, entries))
    return ClaimColumns(node, neuron, np.zeros(most, dtype=np.int8), np.zeros(most, dtype=np.int64), constraint, np.zeros(entries))


@kernel
def claim(claims: ClaimColumns, at: Array, node: int, neuron: int, sign: int) -> None:
    """A claim without multipliers."""
    c = at[CLAIMS]
    claims.node[c] = node
    claims.neuron[c] = neuron
    claims.sign[c] = sign
    claims.size[c] = 0
    at[CLAIMS] = c + 1


@kernel
def decide_mates(s: Search, node: int, leader: int, above: bool, zero: bool, entry: int) -> None:
    """Decide the mates of a neuron that has just been decided, and claim it with the entries from `entry` on, in
    proportion; none is positive where forms are zero.
    """
    net, claims, end = s.net, s.claims, s.at[ENTRIES]
    for q in range(net.begin_mate[leader], net.begin_mate[leader + 1]):
        i = net.mate[q]
        s.bits[i] = (above == (net.ratio[i] > 0.0)) and not zero
        if not s.at[RECORD]:
            continue
        claim(claims, s.at, node, i, 1 if s.bits[i] else -1)
        place = s.at[ENTRIES]
        for e in range(entry, end):
            claims.constraint[place] = claims.constraint[e]
            claims.multiplier[place] = abs(net.ratio[i]) * claims.multiplier[e]
            place += 1
        claims.size[s.at[CLAIMS] - 1] = end - entry
        s.at[ENTRIES] = place


@kernel
def follow_mates(s: Search, node: int, leader: int, above: bool) -> None:
    """Decide the mates of the neuron that cut off a node: what is left of their claims is zero."""
    net, claims = s.net, s.claims
    for q in range(net.begin_mate[leader], net.begin_mate[leader + 1]):
        i = net.mate[q]
        s.bits[i] = above == (net.ratio[i] > 0.0)
        if s.at[RECORD]:
            claim(claims, s.at, node, i, 1 if s.bits[i] else -1)
            place = s.at[ENTRIES]
            claims.constraint[place] = node
            claims.multiplier[place] = abs(net.ratio[i])
            claims.size[s.at[CLAIMS] - 1] = 1
            s.at[ENTRIES] = place + 1


@kernel
def claim_by_row(s: Search, d: int, neuron: int, sign: int, row: Array) -> None:
    """A claim whose multipliers are the reduced costs of the neuron's row.

    The row has unit length and so have the path's half-spaces; multipliers are those of the forms as they are.
    """
    claims, at = s.claims, s.at
    claim(claims, at, s.lev.node[d], neuron, sign)
    names, length, k = s.lev.out[d], s.work.length[neuron], len(row)
    e = at[ENTRIES]
    for c in range(k):
        y = sign * row[c]
        # bounds of the box need no multiplier, and slacks with the other sign have no part
        if names[c] >= k and y > 0.0:
            p = names[c] - k
            claims.constraint[e] = s.path.node[p]
            claims.multiplier[e] = y * length / s.path.length[p]
            e += 1
    claims.size[at[CLAIMS] - 1] = e - at[ENTRIES]
    at[ENTRIES] = e
