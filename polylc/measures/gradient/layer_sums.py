"""Sums over the neurons of layers, and what layers hand on to the output, region by region, compiled.

In: norms of neurons' gradients; the network read backwards (`layers.backwards`), and patterns one after the other.
Out: sums as they are rounded; matrices with a bound on the error of each (docs/exactness.md, lemma 2).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.jit.bits import lowest_bit
from polylc.jit.decorators import inlined, kernel
from polylc.measures.gradient.enclosed_norms import FAR, LOST, SLACK, VANISHED, enclosed, row_norm, scaled_row_norm
from polylc.network.compose import UNIT
from polylc.network.replay import FlatNet, Replay, move

Array = np.ndarray
BIG = 2.0**200  # lemma 13a: fourth powers of numbers between its inverse and itself neither overflow nor lose what counts
NARROW = 2.0**-36  # of the square of a singular value: a doubt that is asked for, where more work would make it less


@kernel
def passing_sums(values: Array, run: Array, bits: Array, first: int, negative: Array, positive: Array, result: Array) -> None:
    """Of intervals (q, m, 2) the sums over some entries: those of values[run[r]] where the unit's slope is not zero, as
    they are rounded, in result[r], (r, 2).

    Slopes (m,) are those of the neurons from `first` on, whose packed bits are in bits[r].
    """
    for r in range(len(run)):
        low = high = 0.0
        for i in range(len(positive)):
            on = bits[r, (first + i) >> 6] >> np.uint64((first + i) & 63) & np.uint64(1)
            passes = (positive[i] if on else negative[i]) != 0.0
            low += values[run[r], i, 0] if passes else 0.0
            high += values[run[r], i, 1] if passes else 0.0
        result[r, 0], result[r, 1] = low, high


class PlaneRoom(NamedTuple):
    """Room for one layer on a neighbourhood of dimension 2."""

    slip: Array  # (neurons,) what the gradients may be off
    row: Array  # (2,)


def plane_room(neurons: int) -> PlaneRoom:
    """Room for a layer of at most so many neurons."""
    return PlaneRoom(np.empty(neurons), np.empty(2))


@kernel
def plane_norms_along(
    net: FlatNet, replay: Replay, bits: Array, which: Array, layer: int, factor: Array, norms: Array, shared: Array, good: Array, room: PlaneRoom
) -> None:
    """`plane_norms` of hidden layer `layer`, the first one is 0, for those of the patterns (h, words) that `which`
    names, (q,): in norms (q, m, 2), shared (q, 5, 2) and good (q,).
    """
    begin, end = net.first[layer + 1], net.first[layer + 2]
    for q in range(len(which)):
        move(net, replay, bits[which[q]], False)
        xs, ys, noise = replay.form[0, begin:end], replay.form[1, begin:end], replay.noise[begin:end]
        good[q] = plane_norms(xs, ys, noise, factor, norms[q], shared[q], room)


@kernel
def plane_norms(xs: Array, ys: Array, noise: Array, factor: Array, norms: Array, shared: Array, room: PlaneRoom) -> bool:
    """What a layer has on a region of a neighbourhood of dimension 2: norms of its neurons' gradients and of its
    Jacobian J, m rows of two derivatives, enclosed (docs/exactness.md, lemma 13a).

    Parameters
    ----------
    xs, ys : ndarray, shape (m,)
        The coefficients of the neurons' forms.
    noise : ndarray, shape (m,)
        Their rounding.
    factor : ndarray, shape (2,)
        That derivatives are multiplied with.
    norms : ndarray, shape (m, 2)
        Filled with the rows' norms.
    shared : ndarray, shape (5, 2)
        Filled with the sum of these as it is rounded, the singular values, the larger one first, their sum, and the
        Frobenius norm; the last four where this is true:

    Returns
    -------
    bool
        Whether the singular values are enclosed narrowly.
    """
    _plane_rows(xs, ys, noise, factor, norms, room)
    low = high = slip = size = square = other = mixed = 0.0
    for i in range(len(xs)):
        low += norms[i, 0]
        high += norms[i, 1]
        x, y = xs[i] * factor[0], ys[i] * factor[1]
        slip += room.slip[i]
        size = max(size, abs(x), abs(y))
        square += x * x
        other += y * y
        mixed += x * y
    shared[0, 0], shared[0, 1] = low, high
    trace, half = square + other, 0.5 * (square - other)
    root = np.sqrt(half * half + mixed * mixed)
    doubt = 4.0 * (len(xs) + 8) * UNIT * trace
    large, small = 0.5 * trace + root, 0.5 * trace - root
    if not (size < BIG and size > 1.0 / BIG and slip < np.inf and doubt <= NARROW * small):
        return False
    shared[1, 0], shared[1, 1] = _root(large, doubt, slip * SLACK)
    shared[2, 0], shared[2, 1] = _root(small, doubt, slip * SLACK)
    shared[3, 0] = np.nextafter(shared[1, 0] + shared[2, 0], 0.0)
    shared[3, 1] = np.nextafter(shared[1, 1] + shared[2, 1], np.inf)
    shared[4, 0], shared[4, 1] = enclosed(np.sqrt(trace), slip * SLACK, 2 * len(xs), 1.0, True)
    return True


@inlined
def _plane_rows(xs: Array, ys: Array, noise: Array, factor: Array, norms: Array, room: PlaneRoom) -> None:
    """Norms of the gradients of forms in two coordinates, enclosed, (m, 2), and what the gradients may be off: as
    `scaled_row_norm` and `scaled_slip` have them, but that ends go outward by a factor rather than to the next double
    (lemma 14), so that there are no branches and lanes are used.
    """
    most, grown, slips, odd = max(factor[0], factor[1]), 1.0 + 4.0 * 10 * UNIT, room.slip, 0
    for i in range(len(xs)):
        x, y = abs(xs[i] * factor[0]), abs(ys[i] * factor[1])
        size, root = x if x > y else y, np.sqrt(x * x + y * y)
        lost = (LOST if (x < LOST) & (xs[i] != 0.0) else 0.0) + (LOST if (y < LOST) & (ys[i] != 0.0) else 0.0)
        slip = (noise[i] * most + 4.0 * UNIT * (x + y) + lost) * grown
        doubt = (20.0 * UNIT * root + VANISHED + slip * SLACK) * SLACK
        low = (root - doubt) * (1.0 - 4.0 * UNIT)
        odd += 1 - ((size < FAR) & (size > 1.0 / FAR) & (slip < FAR))
        norms[i, 0] = low if low > 0.0 else 0.0
        norms[i, 1] = (root + doubt) * (1.0 + 4.0 * UNIT)
        slips[i] = slip
    if odd > 0:
        for i in range(len(xs)):
            room.row[0], room.row[1] = xs[i], ys[i]
            norms[i, 0], norms[i, 1] = scaled_row_norm(room.row, noise[i], factor, most, grown)


@inlined
def _root(square: float, doubt: float, slip: float) -> tuple[float, float]:
    """The interval around the root of a square that is known up to a doubt, the root itself up to a slip."""
    low = np.sqrt(square - doubt) * (1.0 - 4.0 * UNIT) - slip
    high = np.sqrt(square + doubt) * (1.0 + 4.0 * UNIT) + slip
    return max(np.nextafter(low, -np.inf), 0.0), np.nextafter(high, np.inf)


class Turned(NamedTuple):
    """The pattern at hand, and the same in the order of the network read backwards."""

    place: Array  # (neurons,) where a neuron is there
    now: Array  # (words,) packed
    turned: Array


def turned(place: Array, words: int) -> Turned:
    """The pattern of no active neuron."""
    return Turned(place, np.zeros(words, dtype=np.uint64), np.zeros(words, dtype=np.uint64))


@inlined
def _turn(pattern: Array, order: Turned) -> None:
    """Go on to a pattern."""
    one = np.uint64(1)
    for w in range(len(pattern)):
        change = order.now[w] ^ pattern[w]
        order.now[w] = pattern[w]
        while change:
            at = order.place[64 * w + np.int64(lowest_bit(change))]
            order.turned[at >> 6] ^= one << np.uint64(at & 63)
            change &= change - one


@inlined
def _passed_norm(form: Array, slope: Array, noise: Array, row: Array) -> tuple[float, float]:
    """The norm of a form's entries times slopes, enclosed. Sums are taken in four parts, which do not wait for each
    other: the bounds hold for any order.
    """
    count = len(form)
    lost0 = lost1 = lost2 = lost3 = 0.0
    size0 = size1 = size2 = size3 = 0.0
    square0 = square1 = square2 = square3 = 0.0
    for i in range(0, count - 3, 4):
        row[i], row[i + 1] = form[i] * slope[i], form[i + 1] * slope[i + 1]
        row[i + 2], row[i + 3] = form[i + 2] * slope[i + 2], form[i + 3] * slope[i + 3]
        lost0 += noise[i] * abs(slope[i])
        lost1 += noise[i + 1] * abs(slope[i + 1])
        lost2 += noise[i + 2] * abs(slope[i + 2])
        lost3 += noise[i + 3] * abs(slope[i + 3])
        size0 += abs(row[i])
        size1 += abs(row[i + 1])
        size2 += abs(row[i + 2])
        size3 += abs(row[i + 3])
        square0 += row[i] * row[i]
        square1 += row[i + 1] * row[i + 1]
        square2 += row[i + 2] * row[i + 2]
        square3 += row[i + 3] * row[i + 3]
    for i in range(count - count % 4, count):
        row[i] = form[i] * slope[i]
        lost0 += noise[i] * abs(slope[i])
        size0 += abs(row[i])
        square0 += row[i] * row[i]
    size, square = (size0 + size1) + (size2 + size3), (square0 + square1) + (square2 + square3)
    error = ((lost0 + lost1) + (lost2 + lost3) + 2.0 * UNIT * size) * SLACK
    if size < FAR and size > 2.0 * count / FAR:  # then the largest entry is between 1 / FAR and FAR
        near: tuple[float, float] = enclosed(np.sqrt(square), error, count, 1.0, True)
        return near
    found: tuple[float, float] = row_norm(row[:count], error)
    return found


@kernel
def passed_norms(net: FlatNet, replay: Replay, bits: Array, order: Turned, row: Array, result: Array) -> None:
    """Norms of M_l D_l of all layers of a chain with one output, enclosed; (r, L, 2). `row` is room for a layer.

    Otherwise as `passed_on`.
    """
    layers = result.shape[1]
    for r in range(len(bits)):
        _turn(bits[r], order)
        move(net, replay, order.turned, False)
        for layer in range(layers):
            first, end = net.first[layer + 1], net.first[layer + 2]
            at = layers - 1 - layer
            result[r, at, 0], result[r, at, 1] = _passed_norm(replay.form[0, first:end], replay.slope[first:end], replay.noise[first:end], row)


@kernel
def passed_on(net: FlatNet, replay: Replay, bits: Array, order: Turned, columns: Array, slip: Array) -> None:
    """M_l D_l of all layers of a chain, from the network read backwards.

    Parameters
    ----------
    net, replay
        Of that network, whose input are the rows of the output's weight.
    bits : ndarray of uint64, shape (r, words)
        Patterns in the order of the chain.
    order : Turned
    columns : ndarray, shape (r, outputs, neurons)
        Filled with M_l D_l side by side, those of the last layer first.
    slip : ndarray, shape (r, L)
        Filled with bounds, but for rounding of their own, on the sum of the errors of each.
    """
    begin = net.first[1]
    for r in range(len(bits)):
        _turn(bits[r], order)
        move(net, replay, order.turned, False)
        for layer in range(slip.shape[1]):
            first, end = net.first[layer + 1], net.first[layer + 2]
            lost = size = 0.0
            for i in range(first, end):
                lost += replay.noise[i] * abs(replay.slope[i])
            for j in range(columns.shape[1]):
                for i in range(first, end):
                    value = replay.form[j, i] * replay.slope[i]
                    columns[r, j, i - begin] = value
                    size += abs(value)
            slip[r, layer] = lost + 2.0 * UNIT * size
