"""Sums over the neurons of layers, and what layers hand on to the output, region by region, compiled.

In: norms of neurons' gradients; the network read backwards (`layers.backwards`), and patterns one after the other.
Out: sums as they are rounded; matrices with a bound on the error of each (docs/exactness.md, lemma 2).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.jit.bits import lowest_bit
from polylc.jit.decorators import inlined, kernel
from polylc.measures.gradient.enclosed_norms import FAR, SLACK, enclosed, row_norm, scaled_row_norm, scaled_slip
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


@kernel
def plane_norms(forms: Array, noise: Array, which: Array, first: int, factor: Array, norms: Array, shared: Array, good: Array) -> None:
    """What a layer has on a neighbourhood of dimension 2: norms of its neurons' gradients and of its Jacobian J, m rows
    of two derivatives, enclosed (docs/exactness.md, lemma 13a).

    Parameters
    ----------
    forms : ndarray, shape (h, neurons, 3)
    noise : ndarray, shape (h, neurons)
        Their rounding.
    which : ndarray of int, shape (q,)
        Which of the h to take.
    first : int
        The first neuron of the layer.
    factor : ndarray, shape (2,)
        That derivatives are multiplied with.
    norms : ndarray, shape (q, m, 2)
        Filled with the rows' norms.
    shared : ndarray, shape (q, 5, 2)
        Filled with the sum of these as it is rounded, the singular values, the larger one first, their sum, and the
        Frobenius norm; the last four where `good` says so.
    good : ndarray of bool, shape (q,)
        Whether the singular values are enclosed narrowly.
    """
    count = norms.shape[1]
    most, grown = max(factor[0], factor[1]), 1.0 + 4.0 * 10 * UNIT
    for q in range(len(which)):
        low = high = slip = size = square = other = mixed = 0.0
        for i in range(count):
            row, rounding = forms[which[q], first + i], noise[which[q], first + i]
            norms[q, i, 0], norms[q, i, 1] = scaled_row_norm(row, rounding, factor, most, grown)
            low += norms[q, i, 0]
            high += norms[q, i, 1]
            x, y = row[0] * factor[0], row[1] * factor[1]
            slip += scaled_slip(row, rounding, factor, most, grown)
            size = max(size, abs(x), abs(y))
            square += x * x
            other += y * y
            mixed += x * y
        shared[q, 0, 0], shared[q, 0, 1] = low, high
        trace, half = square + other, 0.5 * (square - other)
        root = np.sqrt(half * half + mixed * mixed)
        doubt = 4.0 * (count + 8) * UNIT * trace
        large, small = 0.5 * trace + root, 0.5 * trace - root
        good[q] = size < BIG and size > 1.0 / BIG and slip < np.inf and doubt <= NARROW * small
        if good[q]:
            shared[q, 1, 0], shared[q, 1, 1] = _root(large, doubt, slip * SLACK)
            shared[q, 2, 0], shared[q, 2, 1] = _root(small, doubt, slip * SLACK)
            shared[q, 3, 0] = np.nextafter(shared[q, 1, 0] + shared[q, 2, 0], 0.0)
            shared[q, 3, 1] = np.nextafter(shared[q, 1, 1] + shared[q, 2, 1], np.inf)
            shared[q, 4, 0], shared[q, 4, 1] = enclosed(np.sqrt(trace), slip * SLACK, 2 * count, 1.0, True)


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
