"""Sums over the neurons of layers, and what layers hand on to the output, region by region, compiled.

In: norms of neurons' gradients; the network read backwards (`layers.backwards`), and patterns one after the other.
Out: sums as they are rounded; matrices with a bound on the error of each (docs/exactness.md, lemma 2).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.jit.bits import lowest_bit
from polylc.jit.decorators import inlined, kernel
from polylc.measures.gradient.enclosed_norms import SLACK, row_norm
from polylc.network.compose import UNIT
from polylc.network.replay import FlatNet, Replay, move

Array = np.ndarray


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
            lost = size = 0.0
            for i in range(first, end):
                lost += replay.noise[i] * abs(replay.slope[i])
            for i in range(first, end):
                value = replay.form[0, i] * replay.slope[i]
                row[i - first] = value
                size += abs(value)
            at = layers - 1 - layer
            result[r, at, 0], result[r, at, 1] = row_norm(row[: end - first], (lost + 2.0 * UNIT * size) * SLACK)


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
