"""Affine forms of the neurons on activation cells, without rounding.

A form is a row of integers (a_1, ..., a_k, c) standing for t -> (a.t + c) / scale, where t in [-1, 1]^k are the unit
coordinates of a box with rational corners: x_j = (lower_j + upper_j) / 2 + t_i (upper_j - lower_j) / 2 for its i-th
free coordinate j. Weights are dyadic, so all forms of a network share one scale D * 2^E.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from polylc.exact.checkpoint import checkpoint
from polylc.exact.numbers import dyadic
from polylc.network.form import Affine, Network

Row = tuple[int, ...]
CACHED = 64  # composed layers kept; neighbours in a decision tree share all but the last


class ExactForms:
    """All forms of a network along activation bits, in integers on one scale.

    Parameters
    ----------
    network : Network
    lower, upper : sequence of n Fractions
        Corners of the box; coordinates with equal bounds are constants.

    Attributes
    ----------
    scale : int
        True value of a form = its integer value / scale.
    """

    def __init__(self, network: Network, lower: Sequence[Fraction], upper: Sequence[Fraction]) -> None:
        self.network = network
        free = [j for j, (a, b) in enumerate(zip(lower, upper, strict=True)) if a < b]
        self.dimension = len(free)
        middle = [(a + b) / 2 for a, b in zip(lower, upper, strict=True)]
        half = [(upper[j] - lower[j]) / 2 for j in free]
        self._base = math.lcm(1, *(v.denominator for v in [*middle, *half]))
        start = np.zeros((network.inputs, self.dimension + 1), dtype=object)
        start[:, -1] = [int(v * self._base) for v in middle]
        for i, (j, h) in enumerate(zip(free, half, strict=True)):
            start[j, i] = int(h * self._base)
        self._start = start
        self._affines = [_Affine(layer.affine) for layer in network.layers] + [_Affine(network.output)]
        self._slopes = [_slopes(layer.negative, layer.positive) for layer in network.layers]
        self._shifts = [0]  # of the sources: the input, then the hidden layers' outputs
        self._own = []  # of the forms of each layer, the output map last
        for index, affine in enumerate(self._affines):
            shift = max([affine.bias_shift, *(s + self._shifts[source] for source, _, s in affine.terms)])
            self._own.append(shift)
            if index < len(self._slopes):
                self._shifts.append(shift + self._slopes[index][2])
        self._top = max(self._own)
        self.scale = self._base << self._top
        self._kept: OrderedDict[tuple[int, bytes], np.ndarray] = OrderedDict()

    def input(self) -> list[Row]:
        """Forms of the input coordinates."""
        return [tuple(int(v) << self._top for v in row) for row in self._start]

    def layer(self, index: int, bits: np.ndarray) -> list[Row]:
        """Forms of hidden layer `index` (from 0; L stands for the output map) along the bits of all earlier layers.

        Parameters
        ----------
        index : int
        bits : ndarray of bool, shape (at least the neurons of the earlier layers,)
        """
        up = self._top - self._own[index]
        return [tuple(v << up for v in row) for row in self._compose(index, bits).tolist()]

    def hidden(self, bits: np.ndarray) -> list[Row]:
        """Forms of all hidden neurons along a pattern."""
        return [row for index in range(len(self._slopes)) for row in self.layer(index, bits)]

    def output(self, bits: np.ndarray) -> list[Row]:
        """Forms of the outputs along a pattern."""
        return self.layer(len(self._slopes), bits)

    def neuron(self, neuron: int, bits: np.ndarray) -> Row:
        """Form of one hidden neuron along the bits of the layers before its own."""
        index = int(self.network.layer_of[neuron])
        up = self._top - self._own[index]
        row = self._compose(index, bits)[neuron - int(self.network.offsets[index])].tolist()
        return tuple(v << up for v in row)

    def neurons(self, some: Sequence[int], bits: np.ndarray) -> list[Row]:
        """Forms of some hidden neurons along the bits of the layers before their own; their layers are not composed as
        a whole.
        """
        which = np.asarray(some, dtype=np.int64)
        layers = self.network.layer_of[which]
        rows: list[Row] = [()] * len(which)
        for index in np.unique(layers).tolist():
            at = np.flatnonzero(layers == index)
            up = self._top - self._own[index]
            found = self._compose(index, bits, which[at] - self.network.offsets[index]).tolist()
            for place, row in zip(at.tolist(), found, strict=True):
                rows[place] = tuple(v << up for v in row)
        return rows

    def _compose(self, index: int, bits: np.ndarray, some: np.ndarray | None = None) -> np.ndarray:
        """Forms of a layer on its own scale, all of them or some."""
        key = (index, np.asarray(bits[: self.network.offsets[index] if index < len(self._slopes) else self.network.neurons], dtype=bool).tobytes())
        found = self._kept.get(key)
        if found is None:
            checkpoint()
            affine, shift = self._affines[index], self._own[index]
            wanted = slice(None) if some is None else some
            bias = affine.bias[wanted]
            found = np.zeros((len(bias), self.dimension + 1), dtype=object)
            found[:, -1] = bias * (self._base << (shift - affine.bias_shift))
            for source, weight, own in affine.terms:
                rows, factor = self._source(source, bits)
                active = np.flatnonzero(factor != 0)
                if len(active):
                    sources = rows[active] if (factor[active] == 1).all() else rows[active] * factor[active][:, None]
                    found += weight[wanted][:, active].dot(sources) * (1 << (shift - own - self._shifts[source]))
            if some is not None:
                return found
            self._kept[key] = found
            if len(self._kept) > CACHED:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return found if some is None else found[some]

    def _source(self, source: int, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows of a source's pre-activations and the integer slopes of its units."""
        if source == 0:
            return self._start, np.ones(len(self._start), dtype=object)
        begin, end = self.network.offsets[source - 1], self.network.offsets[source]
        negative, positive, _ = self._slopes[source - 1]
        return self._compose(source - 1, bits), np.where(np.asarray(bits[begin:end], dtype=bool), positive, negative)


class _Affine:
    def __init__(self, affine: Affine) -> None:
        self.terms = [(source, *dyadic(weight)) for source, weight in affine.terms]
        self.bias, self.bias_shift = dyadic(affine.bias)


def _slopes(negative: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    below, above = dyadic(negative), dyadic(positive)
    shift = max(below[1], above[1])
    return below[0] * (1 << (shift - below[1])), above[0] * (1 << (shift - above[1])), shift


def proportional(row: Sequence[int], other: Sequence[int]) -> Fraction | None:
    """The number s with row = s * other, if there is one; `other` is not zero."""
    at = next(j for j, v in enumerate(other) if v)
    a, b = row[at], other[at]
    if any(v * b != w * a for v, w in zip(row, other, strict=True)):
        return None
    return Fraction(a, b)
