"""Sweeps over the regions, compiled: whether regions one flip apart have a common facet, and on which hyperplanes of a
path further neurons may vanish.

In: the columns of a complex, pairs of regions (`split_tree.py`), and forms that are brought up to date from one region
to the next (network/replay.py). Out: pairs with and without a common facet. What doubles do not decide beyond doubt is
handed back: entries on whose hyperplane further neurons may vanish (`odd`), and pairs of regions that are left open.

Invariant: where no other form vanishes on a hyperplane (docs/exactness.md, lemmas 6 and 6a) but those of twins, which
are multiples of it everywhere, flipping one bit, or those of a group of twins, gives the only pattern that can lie
beyond it. Where the regions of a list are proved that is so as well wherever the list has that pattern, and if no layer
comes after, there is a facet (lemma 6b). A path names such a hyperplane once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.complex import facet_search, split_tree
from polylc.complex.columns import Columns
from polylc.complex.facet_search import FACET, OPEN, find_facet, steepest
from polylc.complex.hyperplanes import CLOSE, FINE, SMALLEST, Directions, is_apart, refresh, stands_alone, suspects_of
from polylc.complex.split_tree import DEPTH, NEURON, Groups, SplitTree, has, is_in, is_leading, pairs_from, settle_pairs
from polylc.jit.bits import lowest_bit
from polylc.jit.decorators import inlined, kernel
from polylc.network.replay import FlatNet, Replay, move


class PairColumns(NamedTuple):
    """Room for pairs of regions."""

    region: np.ndarray
    entry: np.ndarray
    beyond: np.ndarray
    beyond_entry: np.ndarray  # of the other region's path


class Found(NamedTuple):
    """Room for what sweeps find."""

    odd: np.ndarray  # entries
    suspects: np.ndarray  # (., words) and the neurons that may vanish on their hyperplanes, packed
    edges: PairColumns
    open: PairColumns
    solved: np.ndarray  # coordinate that is solved for, of each edge
    point: np.ndarray  # (., k) or (0, k) if points are not kept


class Room(NamedTuple):
    """Room to work in."""

    path: np.ndarray  # (words,) neurons of a region's path
    odd: np.ndarray  # (words,) those of them on whose hyperplanes further ones may vanish
    neuron: np.ndarray  # those that may carry facets; behind them all others that may vanish on the closed region
    square: np.ndarray  # of the lengths of their forms; -1 where rounding leaves no direction
    pairs: split_tree.Room
    facets: facet_search.Room


def room(longest: int, k: int, neurons: int, words: int, places: int, pairs: int) -> Room:
    """Room for paths of so many entries in dimension k, and for so many pairs of regions at so many places."""
    many = neurons + 4
    path, odd = np.zeros((2, words), dtype=np.uint64)
    listed = split_tree.room(longest, places, pairs)
    return Room(path, odd, np.zeros(many, dtype=np.int64), np.zeros(many), listed, facet_search.room(many, k))


class How(NamedTuple):
    """What is to be found, and what is known.

    `keep`: whether points are kept. `programs`: whether linear programs may be solved. `proved`: whether all regions
    are, and no proof is to be kept. `whole`: whether they are besides all regions of a box.
    """

    keep: bool
    programs: bool
    proved: bool
    whole: bool


@kernel
def sweep(
    net: FlatNet,
    replay: Replay,
    seen: Directions,
    columns: Columns,
    tree: SplitTree,
    groups: Groups,
    begin: int,
    end: int,
    how: How,
    settled: np.ndarray,
    room: Room,
    found: Found,
) -> tuple[int, int, int, int]:
    """Everything that doubles know of the facets of the regions at places begin..end, and of those of pairs one flip
    apart whose first regions these are.

    Parameters
    ----------
    settled : ndarray of uint64, shape (R, words)
        Neurons beyond whose hyperplanes another region is listed, as pairs with earlier first regions tell; it is
        brought up to date, if regions are proved.

    Returns
    -------
    odd, edges, open, without : int
        How many entries are odd, and how many pairs have a facet, are left open, have none.
    """
    odd = edges = open_ = without = 0
    pairs_from(columns.bits, tree, groups, begin, end, room.pairs)
    for place in range(begin, end):
        r = tree.order[place]
        pair, behind = room.pairs.begins[place - begin], room.pairs.begins[place - begin + 1]
        _follow_path(columns, tree, place, place == begin, room.path)
        if how.proved:
            settle_pairs(columns.bits, columns.neuron, columns.starts, tree, groups, place, pair, behind, settled, room.pairs)
        before = odd
        moved = not how.proved or _is_left(columns, r, settled, room)
        if moved:
            odd = _put_odd(net, replay, seen, columns, groups, r, how, settled, room, found, odd)
        rows = -1  # at hand
        for q in range(pair, behind):
            node = room.pairs.sorted_node[q]
            w, i = tree.order[room.pairs.sorted_second[q]], tree.node[node, NEURON]
            passed = not has(settled, r, i) if how.proved else is_in(room.odd, i)
            if passed or (len(columns.near) > 0 and not has(columns.near, r, i)):
                continue
            state = FACET
            if not how.proved or i < net.first[-3] - net.first[1]:  # else the last layer's
                if rows < 0:
                    rows = _put_rows(net, replay, columns, r, moved, how.whole and odd == before, settled, room)
                state = _state(columns, r, w, i, rows, how, edges, room, found)
            depth = tree.node[node, DEPTH]
            if state == FACET:
                put_pair(found.edges, edges, r, columns.starts[r] + depth, w, columns.starts[w] + depth)
                edges += 1
            elif state == OPEN:
                put_pair(found.open, open_, r, columns.starts[r] + depth, w, columns.starts[w] + depth)
                open_ += 1
            else:
                without += 1
        for word in range(len(room.odd)):
            room.odd[word] = np.uint64(0)
    return odd, edges, open_, without


@inlined
def _put_odd(
    net: FlatNet,
    replay: Replay,
    seen: Directions,
    columns: Columns,
    groups: Groups,
    r: int,
    how: How,
    settled: np.ndarray,
    room: Room,
    found: Found,
    odd: int,
) -> int:
    """Add the entries of a region's path on whose hyperplanes further neurons may vanish, those left out that are
    settled; how many odd ones there are then.
    """
    move(net, replay, columns.bits[r], False)
    known = len(columns.near) > 0
    if known:
        chosen, neurons = _choose(columns, r, room)
        _gather(net, replay, columns, r, chosen, neurons, room)
    else:
        refresh(net, replay, seen)
        chosen, neurons = _doubtful(seen, groups, r, how.proved, settled, room), 0
    for at in range(chosen):
        neuron = room.neuron[at]
        if (how.proved and has(settled, r, neuron)) or _is_alone(net, replay, seen, columns, groups, r, at, neurons, room):
            continue
        if known:
            _suspects_near(net, replay, room, neurons, neuron, found.suspects[odd])
        else:
            suspects_of(net, replay, neuron, found.suspects[odd])
        found.odd[odd] = columns.starts[r]
        while columns.neuron[found.odd[odd]] != neuron:
            found.odd[odd] += 1
        odd += 1
        room.odd[neuron >> 6] |= np.uint64(1) << np.uint64(neuron & 63)
    return odd


@inlined
def _put_rows(net: FlatNet, replay: Replay, columns: Columns, r: int, moved: bool, settled_only: bool, settled: np.ndarray, room: Room) -> int:
    """Have the half-spaces of a region at hand, those alone that are settled where the others carry no facet (lemma
    6c); how many there are.
    """
    if not moved:
        move(net, replay, columns.bits[r], False)
    chosen = 0
    for word in range(len(room.path)):
        some = settled[r, word] if settled_only else room.path[word]
        chosen = _list_bits(some & columns.near[r, word] if len(columns.near) > 0 else some, word, chosen, room.neuron)
    _gather(net, replay, columns, r, chosen, 0, room)
    return chosen


@inlined
def _state(columns: Columns, r: int, w: int, neuron: int, rows: int, how: How, edges: int, room: Room, found: Found) -> int:
    """Whether two regions have a common facet; its point is the next edge's."""
    own = 0
    while room.neuron[own] != neuron:
        own += 1
    state: int = find_facet(columns.unit[r], columns.unit[w], own, rows, how.keep, how.programs, room.facets)
    if state == FACET:
        found.solved[edges] = steepest(room.facets.plane)
        if how.keep:
            for j in range(len(room.facets.rounded)):
                found.point[edges, j] = room.facets.rounded[j]
    return state


@inlined
def _follow_path(columns: Columns, tree: SplitTree, place: int, anew: bool, path: np.ndarray) -> None:
    """The neurons of the path of the region at a place, packed, from those at the place before."""
    r, depth = tree.order[place], 0
    if anew:
        for word in range(len(path)):
            path[word] = np.uint64(0)
    else:
        before, depth = tree.order[place - 1], tree.node[place, DEPTH] + 1  # the entry where they part names one neuron
        for e in range(columns.starts[before] + depth, columns.starts[before + 1]):
            path[columns.neuron[e] >> 6] &= ~(np.uint64(1) << np.uint64(columns.neuron[e] & 63))
    for e in range(columns.starts[r] + depth, columns.starts[r + 1]):
        path[columns.neuron[e] >> 6] |= np.uint64(1) << np.uint64(columns.neuron[e] & 63)


@inlined
def put_pair(pairs: PairColumns, at: int, region: int, entry: int, beyond: int, beyond_entry: int) -> None:
    """Enter a pair."""
    pairs.region[at], pairs.entry[at], pairs.beyond[at], pairs.beyond_entry[at] = region, entry, beyond, beyond_entry


@inlined
def _is_left(columns: Columns, r: int, settled: np.ndarray, room: Room) -> bool:
    """Whether a region's path may have a facet beyond which no region is listed."""
    for w in range(len(room.path)):
        some = room.path[w] & ~settled[r, w]
        if some & columns.near[r, w] if len(columns.near) > 0 else some:
            return True
    return False


@inlined
def _doubtful(seen: Directions, groups: Groups, r: int, proved: bool, settled: np.ndarray, room: Room) -> int:
    """List the neurons of a path of which keys alone do not say that they stand alone, and that are not settled."""
    many = 0
    for word in range(len(room.path)):
        some = room.path[word] & (seen.doubtful[word] | groups.several[word])
        many = _list_bits(some & ~settled[r, word] if proved else some, word, many, room.neuron)
    return many


@inlined
def _is_alone(net: FlatNet, replay: Replay, seen: Directions, columns: Columns, groups: Groups, r: int, at: int, neurons: int, room: Room) -> bool:
    """Whether certainly no further neuron vanishes on the hyperplane of a neuron at hand, but mates."""
    neuron = room.neuron[at]
    if not is_leading(groups, columns.neuron, columns.starts[r], columns.starts[r + 1], neuron):
        return False
    if len(columns.near) > 0:
        return _is_alone_near(room.facets.rows, room, neurons, at, _mates_near(net, columns, r, neuron))  # type: ignore[no-any-return]
    return stands_alone(net, replay, seen, neuron)  # type: ignore[no-any-return]


@inlined
def _mates_near(net: FlatNet, columns: Columns, region: int, neuron: int) -> int:
    """How many mates of a neuron may vanish on a closed region, where that is known."""
    many = 0
    for q in range(net.begin_mate[neuron], net.begin_mate[neuron + 1]):
        i = net.mate[q]
        if columns.near[region, i >> 6] >> np.uint64(i & 63) & np.uint64(1):
            many += 1
    return many


@inlined
def _choose(columns: Columns, r: int, room: Room) -> tuple[int, int]:
    """The neurons of a path that may vanish on the closed region, and behind them all others that may.

    Returns
    -------
    chosen, neurons : int
        How many of the path, and how many in all.
    """
    chosen = 0
    for word in range(len(room.path)):
        chosen = _list_bits(columns.near[r, word] & room.path[word], word, chosen, room.neuron)
    neurons = chosen
    for word in range(len(room.path)):
        neurons = _list_bits(columns.near[r, word] & ~room.path[word], word, neurons, room.neuron)
    return chosen, neurons


@inlined
def _list_bits(bits: np.uint64, word: int, many: int, neuron: np.ndarray) -> int:
    """Put the neurons of one word of packed ones behind the first `many`; how many there are then."""
    while bits:
        neuron[many] = 64 * word + np.int64(lowest_bit(bits))
        bits &= bits - np.uint64(1)
        many += 1
    return many


@inlined
def _gather(net: FlatNet, replay: Replay, columns: Columns, r: int, chosen: int, neurons: int, room: Room) -> None:
    """The half-spaces of the chosen neurons, positive inside; for `neurons` of them, the first of which are these, the
    squares as well."""
    width, facets, offset = replay.form.shape[0], room.facets, net.first[1]
    for i in range(max(chosen, neurons)):
        column = offset + room.neuron[i]
        sign = 1.0 if i >= chosen or has(columns.bits, r, room.neuron[i]) else -1.0
        for j in range(width):
            facets.rows[j, i] = sign * replay.form[j, column]
        facets.error[i] = replay.noise[column]
    for i in range(neurons):
        square = 0.0
        for j in range(width):
            square += facets.rows[j, i] * facets.rows[j, i]
        sharp = square > SMALLEST and square < 1 / SMALLEST and facets.error[i] <= FINE * np.sqrt(square)
        room.square[i] = square if sharp else -1.0
    for i in range(neurons, (neurons + 3) & ~3):
        room.square[i] = np.inf
        for j in range(width):
            facets.rows[j, i] = 0.0


@inlined
def _is_alone_near(rows: np.ndarray, room: Room, neurons: int, place: int, mates: int) -> bool:
    """Whether the form at a place is certainly proportional to no other of those that may vanish on the region (lemma
    6) but so many mates, which are never apart."""
    square = (1.0 - 2.0 * CLOSE) * room.square[place]  # lemma 6 with both sides squared: (1 - CLOSE)^2 is more
    if square < 0.0:
        return False
    apart = 0
    for i in range(0, neurons, 4):  # four at a time; zeros behind the last count as apart
        p0 = p1 = p2 = p3 = 0.0
        for j in range(rows.shape[0]):
            own = rows[j, place]
            p0 += own * rows[j, i]
            p1 += own * rows[j, i + 1]
            p2 += own * rows[j, i + 2]
            p3 += own * rows[j, i + 3]
        apart += p0 * p0 < square * room.square[i]
        apart += p1 * p1 < square * room.square[i + 1]
        apart += p2 * p2 < square * room.square[i + 2]
        apart += p3 * p3 < square * room.square[i + 3]
    return apart == ((neurons + 3) & ~3) - 1 - mates


@kernel
def _suspects_near(net: FlatNet, replay: Replay, room: Room, neurons: int, neuron: int, mask: np.ndarray) -> None:
    """As `suspects_of`, among the neurons that may vanish on the region."""
    offset = net.first[1]
    for w in range(len(mask)):
        mask[w] = 0
    for q in range(neurons):
        i = room.neuron[q]
        if i == neuron or not is_apart(replay, offset + neuron, offset + i):
            mask[i >> 6] |= np.uint64(1) << np.uint64(i & 63)
