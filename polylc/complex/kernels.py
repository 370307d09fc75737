"""Sweeps over the regions, compiled: what lies beyond each hyperplane of a path, and whether there is a facet.

Regions are taken in their order, forms brought up to date from one to the next (network/replay.py). What doubles do not decide beyond
doubt is handed back: entries on whose hyperplane further neurons may vanish (`odd`), and pairs of regions that are left `OPEN`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from polylc.compiled import compiled
from polylc.complex.directions import CLOSE, FINE, KEY_CLOSE, SMALLEST, Directions, is_alone, is_apart, near_keys, refresh, suspects_of
from polylc.complex.widest import FOUND, NONE, widest
from polylc.network.compose import TINY, UNIT
from polylc.network.patterns import PatternTable, find_flipped
from polylc.network.replay import FlatNet, Replay, move

POINT_BITS = 24
NO_FACET, FACET, OPEN = 0, 1, 2

_compiled: Any = compiled(nogil=True, error_model="numpy", _nrt=False)


class Columns(NamedTuple):
    """The columns of a complex."""

    bits: np.ndarray
    unit: np.ndarray
    starts: np.ndarray
    neuron: np.ndarray
    side: np.ndarray
    near: np.ndarray  # (R, words) neurons that may vanish on the closed region, or (0, words) if that is not known


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

    rows: np.ndarray  # (k + 1, longest path) half-spaces, transposed, so that loops over them run along memory
    error: np.ndarray
    value: np.ndarray
    size: np.ndarray
    plane: np.ndarray  # (k + 1,)
    others: np.ndarray  # (longest path, k + 1)
    table: np.ndarray
    basis: np.ndarray
    point: np.ndarray
    rounded: np.ndarray
    multiplier: np.ndarray
    total: np.ndarray
    beyond: np.ndarray
    own: np.ndarray  # place of that entry among the chosen ones
    chosen: np.ndarray  # entries that may carry facets
    column: np.ndarray  # neurons that may vanish on the closed region, if that is known
    square: np.ndarray  # of the lengths of their forms; -1 where rounding leaves no direction


def room(longest: int, k: int, neurons: int) -> Room:
    """Room for paths of so many entries in dimension k."""
    many = longest + 4
    error, value, size, multiplier = (np.zeros(many) for _ in range(4))
    plane, total = np.zeros(k + 1), np.zeros(k + 1)
    beyond, own, chosen = (np.zeros(many, dtype=np.int64) for _ in range(3))
    table, basis = np.zeros((many, k + 3)), np.zeros((3, many + k + 4), dtype=np.int64)
    rows, others, (point, rounded) = np.zeros((k + 1, many)), np.zeros((many, k + 1)), np.zeros((2, k))
    column, square = np.zeros(neurons, dtype=np.int64), np.zeros(neurons)
    return Room(rows, error, value, size, plane, others, table, basis, point, rounded, multiplier, total, beyond, own, chosen, column, square)


@_compiled
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
    done: np.ndarray,
    room: Room,
    found: Found,
) -> tuple[int, int]:
    """Everything that doubles know of the facets of regions begin..end; how many odd entries and pairs were found.

    A pair of regions is found at its first region; pairs that only the second names have no facet, and are handed back as OPEN for
    their proof if proofs are kept. `done` has the neurons, packed, across whose hyperplanes regions were found at another one; it is
    brought up to date for the regions that it has rows for, counted from `begin` on.
    """
    odd = pairs = 0
    known = len(columns.near) > 0
    one = np.uint64(1)
    for r in range(begin, end):
        move(net, replay, columns.bits[r], False)
        blind = 1
        if known:
            chosen, neurons = _choose(net, replay, columns, r, room)
        else:
            chosen, neurons = columns.starts[r + 1] - columns.starts[r], 0
            for i in range(chosen):
                room.chosen[i] = columns.starts[r] + i
            refresh(net, replay, seen)
            blind = seen.blind.sum()
        many = 0
        for i in range(chosen):
            e = room.chosen[i]
            neuron = columns.neuron[e]
            word, bit = neuron >> 6, one << np.uint64(neuron & 63)
            if done[r - begin, word] & bit:
                continue
            if known:
                alone = _is_alone_near(replay, room, neurons, i)
            else:
                own = seen.key[neuron]
                alone = blind == 0 and near_keys(seen.key, own, np.float32(KEY_CLOSE) * (np.float32(1) + abs(own))) == 1
                alone = alone or is_alone(net, replay, seen, neuron)
            if not alone:
                found.odd[odd] = e
                if known:
                    _suspects_near(net, replay, room, neurons, neuron, found.suspects[odd])
                else:
                    suspects_of(net, replay, neuron, found.suspects[odd])
                odd += 1
                continue
            w = find_flipped(table, columns.bits, r, neuron)
            if w < 0 or (w < r and not keep):
                continue
            place = many
            while place > 0 and room.beyond[place - 1] > w:
                room.beyond[place], room.own[place] = room.beyond[place - 1], room.own[place - 1]
                place -= 1
            room.beyond[place], room.own[place] = w, i
            many += 1
        gathered = False
        for i in range(many):
            w, own = room.beyond[i], room.own[i]
            e = room.chosen[own]
            neuron = columns.neuron[e]
            other = -1
            for q in range(columns.starts[w], columns.starts[w + 1]):
                if columns.neuron[q] == neuron:
                    other = q
            if w < r and other >= 0:  # found at w
                continue
            found.region[pairs], found.entry[pairs], found.beyond[pairs], found.beyond_entry[pairs] = r, e, w, other
            state = OPEN
            if other < 0 and not keep:
                state = NO_FACET
            elif w > r:
                if not gathered:
                    _gather(net, replay, columns, chosen, room)
                    gathered = True
                state = _facet(columns, r, w, own, chosen, keep, programs, room)
                if state == FACET:
                    found.solved[pairs] = _steepest(room.plane)
                    if keep:
                        for j in range(len(room.rounded)):
                            found.point[pairs, j] = room.rounded[j]
            if w > r and w - begin < len(done) and not keep and state != OPEN:
                done[w - begin, neuron >> 6] |= one << np.uint64(neuron & 63)
            found.state[pairs] = state
            pairs += 1
    return odd, pairs


@_compiled
def _choose(net: FlatNet, replay: Replay, columns: Columns, r: int, room: Room) -> tuple[int, int]:
    """The path entries whose hyperplanes may meet a closed region, and behind their neurons all others that may vanish on it.

    Returns
    -------
    chosen, neurons : int
        How many entries, and how many neurons.
    """
    one = np.uint64(1)
    chosen = left = 0
    for w in range(columns.near.shape[1]):
        mask = columns.near[r, w]
        while mask:
            mask &= mask - one
            left += 1
    for e in range(columns.starts[r], columns.starts[r + 1]):
        i = columns.neuron[e]
        if columns.near[r, i >> 6] >> np.uint64(i & 63) & one:
            room.chosen[chosen], room.column[chosen] = e, net.first[1] + i
            chosen += 1
    neurons = chosen
    if left > chosen:
        for i in range(net.first[-2] - net.first[1]):
            if columns.near[r, i >> 6] >> np.uint64(i & 63) & one:
                is_chosen = False
                for q in range(chosen):
                    is_chosen = is_chosen or room.column[q] == net.first[1] + i
                if not is_chosen:
                    room.column[neurons] = net.first[1] + i
                    neurons += 1
    for q in range(neurons):
        column = room.column[q]
        square = 0.0
        for j in range(replay.form.shape[0]):
            square += replay.form[j, column] * replay.form[j, column]
        sharp = square > SMALLEST and square < 1 / SMALLEST and replay.noise[column] <= FINE * np.sqrt(square)
        room.square[q] = square if sharp else -1.0
    return chosen, neurons


@_compiled
def _is_alone_near(replay: Replay, room: Room, neurons: int, place: int) -> bool:
    """Whether the form at a place is certainly proportional to no other of those that may vanish on the region (lemma 6)."""
    column, square = room.column[place], room.square[place]
    if square < 0.0:
        return False
    for q in range(neurons):
        if q == place:
            continue
        product = 0.0
        for j in range(replay.form.shape[0]):
            product += replay.form[j, column] * replay.form[j, room.column[q]]
        if not product * product < (1.0 - 2.0 * CLOSE) * (square * room.square[q]):
            return False
    return True


@_compiled
def _suspects_near(net: FlatNet, replay: Replay, room: Room, neurons: int, neuron: int, mask: np.ndarray) -> None:
    """As `_suspects`, among the neurons that may vanish on the region."""
    offset = net.first[1]
    for w in range(len(mask)):
        mask[w] = 0
    for q in range(neurons):
        i = room.column[q] - offset
        if i == neuron or not is_apart(replay, offset + neuron, offset + i):
            mask[i >> 6] |= np.uint64(1) << np.uint64(i & 63)


@_compiled
def _gather(net: FlatNet, replay: Replay, columns: Columns, chosen: int, room: Room) -> None:
    """The half-spaces of the chosen entries, positive inside."""
    width = replay.form.shape[0]
    for i in range(chosen):
        e = room.chosen[i]
        column = net.first[1] + columns.neuron[e]
        sign = 1.0 if columns.side[e] == 1 else -1.0
        for j in range(width):
            room.rows[j, i] = sign * replay.form[j, column]
        room.error[i] = replay.noise[column]


@_compiled
def _steepest(plane: np.ndarray) -> int:
    best = 0
    for j in range(1, len(plane) - 1):
        if abs(plane[j]) > abs(plane[best]):
            best = j
    return best


@_compiled
def _facet(columns: Columns, r: int, w: int, own: int, count: int, keep: bool, programs: bool, room: Room) -> int:
    """Whether a region has a facet on the hyperplane of row `own`, whose other side region w holds; the point is left in `rounded`."""
    plane, point = room.plane, room.point
    for j in range(len(plane)):
        plane[j] = room.rows[j, own]
    k = len(point)
    u, v = columns.unit[r], columns.unit[w]
    at_u = at_v = plane[k]
    square = 0.0
    for j in range(k):
        at_u += plane[j] * u[j]
        at_v += plane[j] * v[j]
        square += plane[j] * plane[j]
    if square > SMALLEST:
        for attempt in range(3):  # between the points of the regions; below each of them
            for j in range(k):
                if attempt == 0:
                    point[j] = u[j] + at_u / (at_u - at_v) * (v[j] - u[j])
                elif attempt == 1:
                    point[j] = u[j] - at_u / square * plane[j]
                else:
                    point[j] = v[j] - at_v / square * plane[j]
            if _either(own, count, keep, room):
                return FACET
    if not programs:
        return OPEN
    many = 0
    for i in range(count):
        if i != own:
            for j in range(k + 1):
                room.others[many, j] = room.rows[j, i]
            many += 1
    answer = widest(room.others, many, plane, room.table, room.basis, point, room.multiplier)
    if answer == FOUND and _either(own, count, keep, room):
        return FACET
    if answer == NONE and not keep and _refuted(own, count, room):
        return NO_FACET
    return OPEN


@_compiled
def _either(own: int, count: int, keep: bool, room: Room) -> bool:
    """Whether the point, rounded if it is to be kept, or else as it is, proves a facet."""
    for attempt in range(0 if keep else 1, 2):
        for j in range(len(room.point)):
            room.rounded[j] = room.point[j] if attempt else np.rint(room.point[j] * 2.0**POINT_BITS) / 2.0**POINT_BITS
        if proves_facet(room.rows, room.error, count, own, room.plane, room.rounded, room.value, room.size):
            return True
    return False


@_compiled
def proves_facet(
    rows: np.ndarray, error: np.ndarray, count: int, own: int, plane: np.ndarray, point: np.ndarray, value: np.ndarray, size: np.ndarray
) -> bool:
    """Whether a point, moved along one coordinate onto the hyperplane of row `own`, is certainly inside all other rows and the box.

    docs/exactness.md, lemma 5.

    Parameters
    ----------
    rows, error
        Half-spaces, positive inside, as the first `count` columns, and bounds on their rounding.
    plane
        The hyperplane: row `own` again.
    value, size
        Room to work in.
    """
    k = len(point)
    slack = 2 * (k + 5) * UNIT
    for j in range(k):
        if not abs(point[j]) < 1.0:
            return False
    for i in range(count):
        value[i] = rows[k, i]
        size[i] = abs(rows[k, i])
    for j in range(k):
        x = point[j]
        for i in range(count):
            product = rows[j, i] * x
            value[i] += product
            size[i] += abs(product)
    solved = _steepest(plane)
    lead = abs(plane[solved]) - error[own]
    if not lead > 0:
        return False
    move = (abs(value[own]) + error[own] + slack * size[own]) / lead * (1 + 2 * slack) + 64 * (k + 1) * TINY
    if not abs(point[solved]) + move < 1 - 4 * UNIT:
        return False
    positive = 0
    for i in range(count):
        doubt = error[i] + slack * size[i] + (abs(rows[solved, i]) + error[i]) * move
        positive += i != own and value[i] > doubt * (1 + 8 * slack) + 64 * (k + 1) * TINY
    return positive == count - 1


@_compiled
def _refuted(own: int, count: int, room: Room) -> bool:
    """Whether the multipliers certainly prove that there is no facet: the sum of multiplied rows is negative on the box."""
    rows, total = room.rows, room.total
    width = len(total)
    for j in range(width):
        total[j] = 0.0
    size = doubt = 0.0
    used = 0
    for i in range(count):
        used += 1
        y = room.multiplier[count - 1] if i == own else room.multiplier[i if i < own else i - 1]
        if i != own and not y >= 0.0:
            return False
        for j in range(width):
            product = y * rows[j, i]
            total[j] += product
            size += abs(product)
        doubt += abs(y) * room.error[i]
    spread = 0.0
    for j in range(width - 1):
        spread += abs(total[j])
    terms = used + width + 8.0
    doubt = (doubt + 4 * terms * UNIT * (size + spread + abs(total[width - 1]))) * (1 + 16 * terms * UNIT) + 16 * terms * width * TINY
    return bool(total[width - 1] + spread < -doubt)


@_compiled
def half_spaces_of(net: FlatNet, replay: Replay, columns: Columns, begin: int, end: int, rows: np.ndarray, noise: np.ndarray) -> None:
    """Path half-spaces of regions begin..end, positive inside, and bounds on their rounding; shape (entries, k + 1) and (entries,)."""
    first = columns.starts[begin]
    for r in range(begin, end):
        move(net, replay, columns.bits[r], False)
        for e in range(columns.starts[r], columns.starts[r + 1]):
            column = net.first[1] + columns.neuron[e]
            sign = 1.0 if columns.side[e] == 1 else -1.0
            for j in range(rows.shape[1]):
                rows[e - first, j] = sign * replay.form[j, column]
            noise[e - first] = replay.noise[column]


@_compiled
def maps_of(net: FlatNet, replay: Replay, bits: np.ndarray, maps: np.ndarray, noise: np.ndarray) -> None:
    """Affine maps of regions one after the other; maps has shape (R, outputs, k + 1), noise (R, outputs)."""
    first = net.first[-2]
    for r in range(len(bits)):
        move(net, replay, bits[r], True)
        for i in range(maps.shape[1]):
            for j in range(maps.shape[2]):
                maps[r, i, j] = replay.form[j, first + i]
            noise[r, i] = replay.noise[first + i]


@_compiled
def forms_of(net: FlatNet, replay: Replay, bits: np.ndarray, hidden: np.ndarray, noise: np.ndarray, maps: np.ndarray, doubt: np.ndarray) -> None:
    """All forms of regions one after the other: those of hidden neurons, (R, neurons, k + 1) and (R, neurons), and the maps."""
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
