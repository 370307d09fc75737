"""Sweeps over the regions, compiled: what lies beyond each hyperplane of a path, and whether there is a facet.

In: the columns of a complex, a table of its patterns, and forms that are brought up to date from one region to the next
(network/replay.py). Out: pairs of regions with and without a common facet. What doubles do not decide beyond doubt is
handed back: entries on whose hyperplane further neurons may vanish (`odd`), and pairs of regions that are left `OPEN`.

Invariant: where no other form vanishes on a hyperplane (docs/exactness.md, lemmas 6 and 6a) but those of twins, which
are multiples of it everywhere, flipping one bit, or those of a group of twins, gives the only pattern that can lie
beyond it. Where the regions of a list are proved that is so as well wherever the list has that pattern, and if no layer
comes after, there is a facet (lemma 6b). Every such pair is decided once. A path names such a hyperplane once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.complex import facet_search
from polylc.complex.facet_search import FACET, NO_FACET, OPEN, find_facet, steepest
from polylc.complex.hyperplanes import CLOSE, FINE, SMALLEST, Directions, is_apart, refresh, stands_alone, suspects_of
from polylc.jit.bits import lowest_bit
from polylc.jit.decorators import inlined, kernel
from polylc.jit.prefetch import prefetch
from polylc.network.patterns import PatternTable, announced, find_flipped, first_with, flipped_key, is_flipped, may_hold
from polylc.network.replay import FlatNet, Replay, move, write_map

SINGLE, SEVERAL = -1, -2  # what is not looked up: nothing is listed beyond it, or a path names it by more than its leader


class Columns(NamedTuple):
    """The columns of a complex."""

    bits: np.ndarray
    unit: np.ndarray
    starts: np.ndarray
    neuron: np.ndarray
    side: np.ndarray
    near: np.ndarray  # (R, words) neurons that may vanish on the closed region, or (0, words) if that is not known


@inlined
def look_up(columns: Columns, table: PatternTable, r: int, asked: int, entry: np.ndarray, key: np.ndarray, beyond: np.ndarray) -> None:
    """The regions beyond the hyperplanes of path entries of region r, whose keys have been announced to the table; -1
    where none is listed.

    In two goes, so that what the second reads, and what the caller reads of the regions found, is there by then.
    """
    for q in range(asked):
        w = first_with(table, key[q])
        beyond[q] = w
        if w >= 0:
            prefetch(columns.bits, w)
            prefetch(columns.starts, w)
            prefetch(columns.unit, w)
    for q in range(asked):
        w, neuron = beyond[q], columns.neuron[entry[q]]
        if w >= 0 and not is_flipped(table, columns.bits, r, w, neuron):
            w = find_flipped(table, columns.bits, r, neuron)
        if w >= 0:
            prefetch(columns.neuron, columns.starts[w])
        beyond[q] = w


@inlined
def insert(regions: np.ndarray, names: np.ndarray, many: int, region: int, name: int) -> None:
    """Enter a region and what goes with it into the first `many`, which are in the order of the regions."""
    place = many
    while place > 0 and regions[place - 1] > region:
        regions[place], names[place] = regions[place - 1], names[place - 1]
        place -= 1
    regions[place], names[place] = region, name


class Found(NamedTuple):
    """Room for what a sweep finds."""

    odd: np.ndarray  # entries
    suspects: np.ndarray  # (., words) and the neurons that may vanish on their hyperplanes, packed
    region: np.ndarray
    entry: np.ndarray
    beyond: np.ndarray
    beyond_entry: np.ndarray  # of the other region's path, or -1
    state: np.ndarray  # NO_FACET, FACET, OPEN
    solved: np.ndarray  # coordinate that is solved for
    point: np.ndarray  # (., k) or (0, k) if points are not kept


class Room(NamedTuple):
    """Room to work in."""

    chosen: np.ndarray  # entries that may carry facets
    column: np.ndarray  # of their neurons; behind them those of all others that may vanish on the closed region
    left: np.ndarray  # (words,)
    square: np.ndarray  # of the lengths of their forms; -1 where rounding leaves no direction
    place: np.ndarray  # among the chosen entries: those that have not been settled at another region
    asked: np.ndarray  # those of them that are looked up
    entry: np.ndarray  # their entries
    key: np.ndarray  # of what lies beyond
    beyond: np.ndarray  # regions found, in order
    own: np.ndarray  # places of their entries; before that, number in `asked` of what is at a place, SINGLE or SEVERAL


def room(longest: int, k: int, neurons: int, words: int) -> tuple[Room, facet_search.Room]:
    """Room for paths of so many entries in dimension k."""
    many = longest + neurons + 4
    chosen, column, place, asked, entry, beyond, own = (np.zeros(many, dtype=np.int64) for _ in range(7))
    left, key = np.zeros(words, dtype=np.uint64), np.zeros(many, dtype=np.uint64)
    return Room(chosen, column, left, np.zeros(many), place, asked, entry, key, beyond, own), facet_search.room(many, k)


@kernel
def sweep(
    net: FlatNet,
    replay: Replay,
    seen: Directions,
    columns: Columns,
    table: PatternTable,
    begin: int,
    end: int,
    keep: bool,
    programs: bool,
    proved: bool,
    done: np.ndarray,
    room: Room,
    facets: facet_search.Room,
    found: Found,
) -> tuple[int, int]:
    """Everything that doubles know of the facets of regions begin..end; how many odd entries and pairs were found.

    A pair of regions is found at its first region; pairs that only the second names have no facet, and are handed back
    as OPEN for their proof if proofs are kept. `done` has the neurons, packed, across whose hyperplanes regions were
    found at another one; it is brought up to date for the regions that it has rows for, counted from `begin` on.
    """
    odd = pairs = 0
    known, listed_do = len(columns.near) > 0, proved and not keep
    last = net.first[-3] - net.first[1]  # the first neuron of the last layer
    for r in range(begin, end):
        chosen, neurons = _choose(net, columns, known, r, room)
        fresh = _not_done(columns, done[r - begin], chosen, room)
        if fresh == 0:
            continue
        move(net, replay, columns.bits[r], False)
        if known:
            _gather(replay, columns, chosen, neurons, room, facets)
        else:
            refresh(net, replay, seen)
        asked = 0
        for q in range(fresh):
            i = room.place[q]
            e = room.chosen[i]
            neuron = columns.neuron[e]
            room.own[q] = SINGLE
            if not leads_path(columns, table, r, neuron):
                room.own[q] = SEVERAL
            elif may_hold(table, flipped_key(table, r, neuron)):
                room.own[q], room.asked[asked], room.entry[asked] = asked, i, e
                room.key[asked] = announced(table, r, neuron)
                asked += 1
        look_up(columns, table, r, asked, room.entry, room.key, room.beyond)
        for q in range(fresh):
            i, place = room.place[q], room.own[q]
            if listed_do and place >= 0 and room.beyond[place] >= 0:
                continue
            e = room.chosen[i]
            neuron = columns.neuron[e]
            if place == SEVERAL:
                alone = False
            elif known:
                alone = _is_alone_near(facets.rows, room, neurons, i, _mates_near(net, columns, r, neuron))
            else:
                alone = stands_alone(net, replay, seen, neuron)
            if alone:
                continue
            if place >= 0:
                room.beyond[place] = -1
            found.odd[odd] = e
            if known:
                _suspects_near(net, replay, room, neurons, neuron, found.suspects[odd])
            else:
                suspects_of(net, replay, neuron, found.suspects[odd])
            odd += 1
        many = _beyond(r, asked, keep, room)
        if many > 0 and not known:
            _gather(replay, columns, chosen, 0, room, facets)
        for i in range(many):
            w, own = room.beyond[i], room.own[i]
            e = room.chosen[own]
            neuron = columns.neuron[e]
            other = entry_beyond(columns, table, r, e, w)
            if w < r and other >= 0:  # found at w
                continue
            found.region[pairs], found.entry[pairs], found.beyond[pairs], found.beyond_entry[pairs] = r, e, w, other
            by_pattern = listed_do and neuron >= last
            state = FACET if by_pattern else _decide(columns, r, w, own, other, chosen, keep, programs, facets)
            found.state[pairs] = state
            if state == FACET and not by_pattern:
                found.solved[pairs] = steepest(facets.plane)
                if keep:
                    for j in range(len(facets.rounded)):
                        found.point[pairs, j] = facets.rounded[j]
            if w > r and w - begin < len(done) and not keep and state != OPEN:
                done[w - begin, neuron >> 6] |= np.uint64(1) << np.uint64(neuron & 63)
            pairs += 1
    return odd, pairs


@inlined
def _decide(columns: Columns, r: int, w: int, own: int, other: int, count: int, keep: bool, programs: bool, facets: facet_search.Room) -> int:
    """Whether regions r and w have a common facet on the hyperplane of row `own`, which is entry `other` of the path of
    w, or -1."""
    if other < 0 and not keep:
        return NO_FACET
    if w < r:
        return OPEN
    state: int = find_facet(columns.unit[r], columns.unit[w], own, count, keep, programs, facets)
    return state


@inlined
def entry_beyond(columns: Columns, table: PatternTable, region: int, entry: int, beyond: int) -> int:
    """As `entry_of`, for the region beyond the hyperplane of an entry: in a tree their paths part there, so that it is
    at the same place of both, and the entries before it are the same."""
    at = columns.starts[beyond] + entry - columns.starts[region]
    if at < columns.starts[beyond + 1] and columns.neuron[at] == columns.neuron[entry]:
        return at  # type: ignore[no-any-return]
    return entry_of(columns, table, beyond, columns.neuron[entry])  # type: ignore[no-any-return]


@inlined
def entry_of(columns: Columns, table: PatternTable, region: int, leader: int) -> int:
    """The first path entry of a region that is split by a leader or one of its mates, or -1."""
    entry = -1
    for q in range(columns.starts[region], columns.starts[region + 1]):
        if entry < 0 and table.leader[columns.neuron[q]] == leader:
            entry = q
    return entry


@inlined
def leads_path(columns: Columns, table: PatternTable, region: int, neuron: int) -> bool:
    """Whether a neuron of a region's path is a leader, and none of its mates is on the path."""
    if table.leader[neuron] != neuron:
        return False
    if table.begin[neuron] == table.begin[neuron + 1]:
        return True
    named = 0
    for q in range(columns.starts[region], columns.starts[region + 1]):
        named += table.leader[columns.neuron[q]] == neuron
    return named == 1


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
def _not_done(columns: Columns, done: np.ndarray, chosen: int, room: Room) -> int:
    """List the places of the chosen entries that have not been settled at another region; how many there are."""
    fresh = 0
    for i in range(chosen):
        neuron = columns.neuron[room.chosen[i]]
        if not done[neuron >> 6] >> np.uint64(neuron & 63) & np.uint64(1):
            room.place[fresh] = i
            fresh += 1
    return fresh


@inlined
def _beyond(r: int, asked: int, keep: bool, room: Room) -> int:
    """Of the regions found beyond hyperplanes those that are listed, in their order; those before r only if proofs are
    kept. How many there are."""
    many = 0
    for q in range(asked):
        w, i = room.beyond[q], room.asked[q]
        if w < 0 or (w < r and not keep):
            continue
        insert(room.beyond, room.own, many, w, i)  # not beyond q
        many += 1
    return many


@inlined
def _choose(net: FlatNet, columns: Columns, known: bool, r: int, room: Room) -> tuple[int, int]:
    """The path entries whose hyperplanes may meet a closed region, and behind their neurons all others that may vanish
    on it, if that is known.

    Returns
    -------
    chosen, neurons : int
        How many entries, and how many neurons.
    """
    one = np.uint64(1)
    first = columns.starts[r]
    if not known:
        for e in range(first, columns.starts[r + 1]):
            room.chosen[e - first], room.column[e - first] = e, net.first[1] + columns.neuron[e]
        return columns.starts[r + 1] - first, columns.starts[r + 1] - first
    for w in range(len(room.left)):
        room.left[w] = columns.near[r, w]
    chosen = 0
    for e in range(first, columns.starts[r + 1]):
        i = columns.neuron[e]
        bit = one << np.uint64(i & 63)
        if room.left[i >> 6] & bit:
            room.left[i >> 6] ^= bit
            room.chosen[chosen], room.column[chosen] = e, net.first[1] + i
            chosen += 1
    neurons = chosen
    for w in range(len(room.left)):
        while room.left[w]:
            room.column[neurons] = net.first[1] + 64 * w + np.int64(lowest_bit(room.left[w]))
            room.left[w] &= room.left[w] - one
            neurons += 1
    return chosen, neurons


@inlined
def _gather(replay: Replay, columns: Columns, chosen: int, neurons: int, room: Room, facets: facet_search.Room) -> None:
    """The half-spaces of the chosen entries, positive inside; for `neurons` neurons, the first of which are theirs, the
    squares as well."""
    width = replay.form.shape[0]
    for i in range(max(chosen, neurons)):
        column = room.column[i]
        sign = 1.0 if i >= chosen or columns.side[room.chosen[i]] == 1 else -1.0
        square = 0.0
        for j in range(width):
            value = replay.form[j, column]
            facets.rows[j, i] = sign * value
            square += value * value
        facets.error[i] = replay.noise[column]
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
        i = room.column[q] - offset
        if i == neuron or not is_apart(replay, offset + neuron, offset + i):
            mask[i >> 6] |= np.uint64(1) << np.uint64(i & 63)


@kernel
def half_spaces_of(net: FlatNet, replay: Replay, columns: Columns, begin: int, end: int, rows: np.ndarray, noise: np.ndarray) -> None:
    """Path half-spaces of regions begin..end, positive inside, and bounds on their rounding; shape (entries, k + 1) and
    (entries,)."""
    first = columns.starts[begin]
    for r in range(begin, end):
        move(net, replay, columns.bits[r], False)
        for e in range(columns.starts[r], columns.starts[r + 1]):
            column = net.first[1] + columns.neuron[e]
            sign = 1.0 if columns.side[e] == 1 else -1.0
            for j in range(rows.shape[1]):
                rows[e - first, j] = sign * replay.form[j, column]
            noise[e - first] = replay.noise[column]


@kernel
def maps_of(net: FlatNet, replay: Replay, bits: np.ndarray, maps: np.ndarray, noise: np.ndarray) -> None:
    """Affine maps of regions one after the other; maps has shape (R, outputs, k + 1), noise (R, outputs)."""
    for r in range(len(bits)):
        move(net, replay, bits[r], True)
        write_map(net, replay, maps, noise, r)


@kernel
def forms_of(net: FlatNet, replay: Replay, bits: np.ndarray, hidden: np.ndarray, noise: np.ndarray, maps: np.ndarray, doubt: np.ndarray) -> None:
    """All forms of regions one after the other: those of hidden neurons, (R, neurons, k + 1) and (R, neurons), and the
    maps."""
    first, last = net.first[1], net.first[-2]
    for r in range(len(bits)):
        move(net, replay, bits[r], True)
        for j in range(hidden.shape[2]):
            for i in range(hidden.shape[1]):
                hidden[r, i, j] = replay.form[j, first + i]
            for i in range(maps.shape[1]):
                maps[r, i, j] = replay.form[j, last + i]
        for i in range(hidden.shape[1]):
            noise[r, i] = replay.noise[first + i]
        for i in range(maps.shape[1]):
            doubt[r, i] = replay.noise[last + i]
