"""Sums over the neurons of layers, and what layers hand on to the output, region by region, compiled.

In: norms of neurons' gradients; the network read backwards (`layers.backwards`), and patterns one after the other.
Out: sums as they are rounded; matrices with a bound on the error of each (docs/exactness.md, lemma 2).
"""

from __future__ import annotations

import numpy as np

from polylc.jit.decorators import kernel
from polylc.network.compose import UNIT
from polylc.network.replay import FlatNet, Replay, move

Array = np.ndarray


@kernel
def passing_sums(values: Array, run: Array, passing: Array, result: Array) -> None:
    """Of intervals (q, m, 2) the sums over some entries: those of values[run[r]] where passing[r], as they are rounded,
    in result[r], (r, 2)."""
    for r in range(len(run)):
        low = high = 0.0
        for i in range(passing.shape[1]):
            low += values[run[r], i, 0] if passing[r, i] else 0.0
            high += values[run[r], i, 1] if passing[r, i] else 0.0
        result[r, 0], result[r, 1] = low, high


@kernel
def passed_on(net: FlatNet, replay: Replay, bits: Array, columns: Array, slip: Array) -> None:
    """M_l D_l of all layers of a chain, from the network read backwards.

    Parameters
    ----------
    net, replay
        Of that network, whose input are the rows of the output's weight.
    bits : ndarray of uint64, shape (r, words)
        Patterns in its order.
    columns : ndarray, shape (r, outputs, neurons)
        Filled with M_l D_l side by side, those of the last layer first.
    slip : ndarray, shape (r, L)
        Filled with bounds, but for rounding of their own, on the sum of the errors of each.
    """
    begin = net.first[1]
    for r in range(len(bits)):
        move(net, replay, bits[r], False)
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
