"""The passes over ReLU layers in one go, for searches that last: what `backward` and `forward` do with whole arrays.

In: coefficients, or pre-activations, of rows; lines of their cells, found by number. Out: arrays that the caller has
made. Invariant: every sum and product is rounded once, in the order in which it is written.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.jit.decorators import kernel

Array = np.ndarray


class Chosen(NamedTuple):
    """Lower slopes, and upper lines, of all neurons on some cells; arrays of shape (cells, neurons)."""

    slope: Array
    chord: Array
    above: Array


class Weighing(NamedTuple):
    """Of a layer's neurons, biases and sizes of what is added up; arrays of shape (width,)."""

    bias: Array
    size: Array


@kernel
def through(v: Array, first: int, cell: Array, lines: Chosen, layer: Weighing, k: Array, value: Array, total: Array) -> None:
    """Coefficients of pre-activations in place of those of outputs.

    Parameters
    ----------
    v : ndarray, shape (rows, width)
    first : int
        The layer's first neuron.
    cell : ndarray of int, shape (rows,)
        The cell of each row.
    lines : Chosen
    layer : Weighing
    k : ndarray, shape (rows, width)
        Receives the coefficients.
    value, total : ndarray, shape (rows,)
        Receive what is added to bounds, and sizes of what was added up.
    """
    for r in range(v.shape[0]):
        c = cell[r]
        lost, constant, weight = 0.0, 0.0, 0.0
        for i in range(v.shape[1]):
            a = v[r, i]
            if a > 0.0:
                b = a * lines.slope[c, first + i]
            else:
                b = a * lines.chord[c, first + i]
                lost += a * lines.above[c, first + i]
            k[r, i] = b
            constant += b * layer.bias[i]
            weight += abs(b) * layer.size[i]
        value[r] += lost + constant
        total[r] += weight - 2.0 * lost


@kernel
def relaxed(v: Array, z: Array, first: int, lines: Chosen, h: Array) -> None:
    """Outputs of units replaced by the lines that a backward pass chose, from its coefficients v, for rows with lines
    of their own; v, z, h of shape (rows, width).
    """
    for r in range(v.shape[0]):
        for i in range(v.shape[1]):
            a = z[r, i]
            h[r, i] = lines.slope[r, first + i] * a if v[r, i] > 0.0 else lines.chord[r, first + i] * a + lines.above[r, first + i]
