"""Sweeps over the regions, compiled: what lies beyond each hyperplane of a path, and whether there is a facet.

Regions are taken in their order, forms brought up to date from one to the next (network/replay.py). What doubles do not decide beyond
doubt is handed back: entries on whose hyperplane further neurons may vanish (`odd`), and pairs of regions that are left `OPEN`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from polylc.complex.widest import FOUND, NONE, widest
from polylc.network.compose import TINY, UNIT
from polylc.network.patterns import PatternTable, find_flipped
from polylc.network.replay import FlatNet, Replay, move

SMALLEST = 2.0**-900
CLOSE = 1e-9  # forms whose cosine is below 1 - CLOSE are not proportional, if they are known to FINE relative to their size
FINE = 1e-7
PROJECTED = 6  # forms of more coefficients are compared by so many projections
POINT_BITS = 24
NO_FACET, FACET, OPEN = 0, 1, 2

_compiled: Any = numba.njit(cache=True, nogil=True, error_model="numpy")


class Directions(NamedTuple):
    """Which forms are not proportional to any other of a layer, as far as it was asked since they last changed."""

    projection: np.ndarray  # (k + 1, PROJECTED) or, for few coefficients, empty
    unit: np.ndarray  # (PROJECTED, columns) forms, projected, of length 1
    sharp: np.ndarray  # (columns,) whether rounding leaves the direction
    blurred: np.ndarray  # (L + 1,) how many of a layer are not sharp
    version: np.ndarray  # (L + 1,) of the replay's forms
    stamp: np.ndarray  # (L + 1,) when they changed
    asked: np.ndarray  # (columns, L + 1) when a form was compared with a layer
    alone: np.ndarray  # (columns, L + 1) and whether it is proportional to none
    clock: np.ndarray  # (1,)


class Columns(NamedTuple):
    """The columns of a complex."""

    bits: np.ndarray
    unit: np.ndarray
    starts: np.ndarray
    neuron: np.ndarray
    side: np.ndarray


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

    rows: np.ndarray  # (longest path, k + 1)
    error: np.ndarray
    others: np.ndarray
    table: np.ndarray
    basis: np.ndarray
    point: np.ndarray
    rounded: np.ndarray
    multiplier: np.ndarray
    total: np.ndarray
    beyond: np.ndarray
    entry: np.ndarray


def room(longest: int, k: int) -> Room:
    """Room for paths of so many entries in dimension k."""
    many = longest + 4
    rows = [np.zeros((many, k + 1)) for _ in range(2)]
    whole = [np.zeros(many, dtype=np.int64) for _ in range(2)]
    table, basis = np.zeros((many, k + 3)), np.zeros((3, many + k + 4), dtype=np.int64)
    return Room(rows[0], np.zeros(many), rows[1], table, basis, np.zeros(k), np.zeros(k), np.zeros(many), np.zeros(k + 1), *whole)


def directions(net: FlatNet, width: int) -> Directions:
    """Nothing asked yet, for forms of `width` coefficients."""
    columns, layers = int(net.first[-1]), len(net.length)
    projection = np.zeros((0, PROJECTED)) if width <= PROJECTED else np.random.default_rng(0).uniform(-1, 1, (width, PROJECTED))
    sharp, alone = np.zeros(columns, dtype=np.bool_), np.zeros((columns, layers), dtype=np.bool_)
    blurred, version, stamp = (np.zeros(layers, dtype=np.int64) for _ in range(3))
    asked = np.zeros((columns, layers), dtype=np.int64)
    return Directions(projection, np.zeros((PROJECTED, columns)), sharp, blurred, version, stamp, asked, alone, np.zeros(1, dtype=np.int64))


@_compiled
def _refresh(net: FlatNet, replay: Replay, seen: Directions) -> None:
    """Directions of the forms that have changed."""
    width = replay.form.shape[1]
    many = len(seen.projection)
    for layer in range(len(net.length) - 1):
        if seen.version[layer] == replay.version[layer + 1]:
            continue
        seen.version[layer] = replay.version[layer + 1]
        seen.clock[0] += 1
        seen.stamp[layer] = seen.clock[0]
        seen.blurred[layer] = 0
        for i in range(net.first[layer + 1], net.first[layer + 2]):
            error = replay.noise[i]
            square = size = 0.0
            for p in range(PROJECTED):
                value = 0.0
                if many == 0:
                    value = replay.form[i, p] if p < width else 0.0
                else:
                    for j in range(width):
                        value += seen.projection[j, p] * replay.form[i, j]
                seen.unit[p, i] = value
                square += value * value
            if many > 0:  # projections have entries of at most 1, so PROJECTED of them err by little more than the form
                for j in range(width):
                    size += abs(replay.form[i, j])
                error = PROJECTED * (error + 4 * (width + 2) * UNIT * size)
            length = np.sqrt(square)
            sharp = square > SMALLEST and square < 1 / SMALLEST and error <= FINE * length
            seen.sharp[i] = sharp
            if not sharp:
                seen.blurred[layer] += 1
            for p in range(PROJECTED):
                seen.unit[p, i] = seen.unit[p, i] / length if sharp else 0.0


@numba.njit(cache=True, nogil=True, fastmath=True)
def _nearest(unit: np.ndarray, column: int, begin: int, end: int) -> float:
    """Largest size of a cosine between a form and those of columns begin..end."""
    worst = 0.0
    a, b, c = unit[0, column], unit[1, column], unit[2, column]
    d, e, f = unit[3, column], unit[4, column], unit[5, column]
    u0, u1, u2, u3, u4, u5 = unit[0], unit[1], unit[2], unit[3], unit[4], unit[5]
    if d == 0.0 and e == 0.0 and f == 0.0:
        for i in range(begin, end):
            worst = max(worst, abs(a * u0[i] + b * u1[i] + c * u2[i]))
    else:
        for i in range(begin, end):
            worst = max(worst, abs(a * u0[i] + b * u1[i] + c * u2[i] + d * u3[i] + e * u4[i] + f * u5[i]))
    return worst


@_compiled
def _is_alone(net: FlatNet, seen: Directions, column: int) -> bool:
    """Whether a neuron's form is certainly proportional to that of no other neuron (lemma 6)."""
    own = net.layer[column]
    for layer in range(len(net.length) - 1):
        if seen.asked[column, layer] < max(seen.stamp[own], seen.stamp[layer]):
            seen.asked[column, layer] = seen.clock[0]
            alone = seen.sharp[column] and seen.blurred[layer] == 0
            if alone:
                begin, end = net.first[layer + 1], net.first[layer + 2]
                if layer == own:
                    worst = max(_nearest(seen.unit, column, begin, column), _nearest(seen.unit, column, column + 1, end))
                else:
                    worst = _nearest(seen.unit, column, begin, end)
                alone = worst < 1.0 - CLOSE
            seen.alone[column, layer] = alone
        if not seen.alone[column, layer]:
            return False
    return True


@_compiled
def _suspects(net: FlatNet, seen: Directions, column: int, mask: np.ndarray) -> None:
    """The neurons whose forms may be proportional to that of a neuron, itself among them, as packed bits."""
    offset = net.first[1]
    mask[:] = 0
    for i in range(offset, net.first[-2]):
        if i == column or not (seen.sharp[column] and seen.sharp[i]) or not _nearest(seen.unit, column, i, i + 1) < 1.0 - CLOSE:
            mask[(i - offset) >> 6] |= np.uint64(1) << np.uint64((i - offset) & 63)


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
    room: Room,
    found: Found,
) -> tuple[int, int]:
    """Everything that doubles know of the facets of regions begin..end; how many odd entries and pairs were found.

    A pair of regions is found at its first region; pairs that only the second names have no facet, and are handed back as OPEN for
    their proof if proofs are kept.
    """
    odd = pairs = 0
    offset = net.first[1]
    for r in range(begin, end):
        move(net, replay, columns.bits[r], False)
        _refresh(net, replay, seen)
        many = 0
        for e in range(columns.starts[r], columns.starts[r + 1]):
            neuron = columns.neuron[e]
            if not _is_alone(net, seen, offset + neuron):
                found.odd[odd] = e
                _suspects(net, seen, offset + neuron, found.suspects[odd])
                odd += 1
                continue
            w = find_flipped(table, columns.bits, r, neuron)
            if w < 0 or (w < r and not keep):
                continue
            place = many
            while place > 0 and room.beyond[place - 1] > w:
                room.beyond[place], room.entry[place] = room.beyond[place - 1], room.entry[place - 1]
                place -= 1
            room.beyond[place], room.entry[place] = w, e
            many += 1
        gathered = False
        for i in range(many):
            w, e = room.beyond[i], room.entry[i]
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
                    _gather(net, replay, columns, r, room)
                    gathered = True
                state = _facet(columns, r, w, e, keep, programs, room)
                if state == FACET:
                    found.solved[pairs] = _steepest(room.rows[e - columns.starts[r]])
                    if keep:
                        found.point[pairs] = room.rounded
            found.state[pairs] = state
            pairs += 1
    return odd, pairs


@_compiled
def _gather(net: FlatNet, replay: Replay, columns: Columns, r: int, room: Room) -> None:
    """Path half-spaces of a region, positive inside."""
    width = replay.form.shape[1]
    begin = columns.starts[r]
    for e in range(begin, columns.starts[r + 1]):
        column = net.first[1] + columns.neuron[e]
        sign = 1.0 if columns.side[e] == 1 else -1.0
        for j in range(width):
            room.rows[e - begin, j] = sign * replay.form[column, j]
        room.error[e - begin] = replay.noise[column]


@_compiled
def _steepest(plane: np.ndarray) -> int:
    best = 0
    for j in range(1, len(plane) - 1):
        if abs(plane[j]) > abs(plane[best]):
            best = j
    return best


@_compiled
def _facet(columns: Columns, r: int, w: int, e: int, keep: bool, programs: bool, room: Room) -> int:
    """Whether a region has a facet on the hyperplane of entry e, whose other side region w holds; the point is left in `rounded`."""
    own, count = e - columns.starts[r], columns.starts[r + 1] - columns.starts[r]
    plane, point = room.rows[own], room.point
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
            room.others[many] = room.rows[i]
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
        if proves_facet(room.rows, room.error, count, own, room.rounded):
            return True
    return False


@_compiled
def proves_facet(rows: np.ndarray, error: np.ndarray, count: int, own: int, point: np.ndarray) -> bool:
    """Whether a point, moved along one coordinate onto the hyperplane of row `own`, is certainly inside all other rows and the box.

    docs/exactness.md, lemma 5.

    Parameters
    ----------
    rows, error
        Half-spaces, positive inside, and bounds on their rounding; the first `count`.
    """
    k = len(point)
    slack = 2 * (k + 5) * UNIT
    plane = rows[own]
    solved = _steepest(plane)
    value = plane[k]
    size = abs(value)
    for j in range(k):
        if not abs(point[j]) < 1.0:
            return False
        product = plane[j] * point[j]
        value += product
        size += abs(product)
    lead = abs(plane[solved]) - error[own]
    if not lead > 0:
        return False
    move = (abs(value) + error[own] + slack * size) / lead * (1 + 2 * slack) + 64 * (k + 1) * TINY
    if not abs(point[solved]) + move < 1 - 4 * UNIT:
        return False
    for i in range(count):
        if i == own:
            continue
        value = rows[i, k]
        size = abs(value)
        for j in range(k):
            product = rows[i, j] * point[j]
            value += product
            size += abs(product)
        steep = abs(rows[i, solved]) + error[i]
        if not value > (error[i] + slack * size + steep * move) * (1 + 8 * slack) + 64 * (k + 1) * TINY:
            return False
    return True


@_compiled
def _refuted(own: int, count: int, room: Room) -> bool:
    """Whether the multipliers certainly prove that there is no facet: the sum of multiplied rows is negative on the box."""
    rows, total = room.rows, room.total
    width = rows.shape[1]
    total[:] = 0.0
    size = doubt = 0.0
    used = 0
    for i in range(count):
        used += 1
        y = room.multiplier[count - 1] if i == own else room.multiplier[i if i < own else i - 1]
        if i != own and not y >= 0.0:
            return False
        for j in range(width):
            product = y * rows[i, j]
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
def maps_of(net: FlatNet, replay: Replay, bits: np.ndarray, maps: np.ndarray, noise: np.ndarray) -> None:
    """Affine maps of regions one after the other; maps has shape (R, outputs, k + 1), noise (R, outputs)."""
    first = net.first[-2]
    for r in range(len(bits)):
        move(net, replay, bits[r], True)
        for i in range(maps.shape[1]):
            maps[r, i] = replay.form[first + i]
            noise[r, i] = replay.noise[first + i]
