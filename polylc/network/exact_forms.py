"""Affine forms of the neurons on activation cells, without rounding.

A form is a row of integers (a_1, ..., a_k, c) standing for t -> (a.t + c) / scale, where t in [-1, 1]^k are the unit
coordinates of a box with rational corners: x_j = (lower_j + upper_j) / 2 + t_i (upper_j - lower_j) / 2 for its i-th
free coordinate j. Weights are dyadic, so all forms of a network share one scale D * 2^E.

A layer is composed forward, all its neurons at once, from the forms of its sources, which are kept; or some of its rows
are composed backward, from the rows of its weights to the input. Backward costs as many products for a row as the
layers before hold weights, forward for each of the k + 1 columns: so a few rows in many dimensions go backward.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from polylc.exact.checkpoint import checkpoint
from polylc.exact.matrix import integers, objects, python_rows
from polylc.network.exact_weights import exact_weights
from polylc.network.form import Network

if TYPE_CHECKING:
    from flint import fmpz_mat

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
        self._free = [j for j, (a, b) in enumerate(zip(lower, upper, strict=True)) if a < b]
        self.dimension = len(self._free)
        middle = [(a + b) / 2 for a, b in zip(lower, upper, strict=True)]
        half = [(upper[j] - lower[j]) / 2 for j in self._free]
        self._base = math.lcm(1, *(v.denominator for v in [*middle, *half]))
        self._middle = [int(v * self._base) for v in middle]
        self._half = [int(v * self._base) for v in half]
        self._weights = exact_weights(network)
        self._top = max(self._weights.own)
        self.scale = self._base << self._top
        self._kept: OrderedDict[tuple[int, bytes], fmpz_mat] = OrderedDict()

    def input(self) -> list[Row]:
        """Forms of the input coordinates."""
        return python_rows(self._start(), self._top)

    def layer(self, index: int, bits: np.ndarray) -> list[Row]:
        """Forms of hidden layer `index` (from 0; L stands for the output map) along the bits of all earlier layers.

        Parameters
        ----------
        index : int
        bits : ndarray of bool, shape (at least the neurons of the earlier layers,)
        """
        return self._rows(index, bits, np.arange(self._weights.affines[index].size))

    def hidden(self, bits: np.ndarray) -> list[Row]:
        """Forms of all hidden neurons along a pattern."""
        return [row for index in range(len(self.network.layers)) for row in self.layer(index, bits)]

    def output(self, bits: np.ndarray) -> list[Row]:
        """Forms of the outputs along a pattern."""
        return self.layer(len(self.network.layers), bits)

    def neuron(self, neuron: int, bits: np.ndarray) -> Row:
        """Form of one hidden neuron along the bits of the layers before its own."""
        return self.neurons([neuron], bits)[0]

    def neurons(self, some: Sequence[int], bits: np.ndarray) -> list[Row]:
        """Forms of some hidden neurons along the bits of the layers before their own."""
        which = np.asarray(some, dtype=np.int64)
        layers = self.network.layer_of[which]
        rows: list[Row] = [()] * len(which)
        for index in np.unique(layers).tolist():
            at = np.flatnonzero(layers == index)
            for place, row in zip(at.tolist(), self._rows(index, bits, which[at] - self.network.offsets[index]), strict=True):
                rows[place] = row
        return rows

    # ---- forward or backward -------------------------------------------------------------------------------------
    def _rows(self, index: int, bits: np.ndarray, some: np.ndarray) -> list[Row]:
        """Some forms of a layer, on the common scale."""
        up = self._top - self._weights.own[index]
        kept = self._kept.get(self._key(index, bits))
        if kept is None:
            ahead, back = self._costs(index, bits)
            if len(some) * back < (self.dimension + 1) * ahead:
                return python_rows(self._backward(index, bits, some), up)
            kept = self._forward(index, bits)
        return [tuple([int(kept[i, q]) << up for q in range(self.dimension + 1)]) for i in some.tolist()]

    def _key(self, index: int, bits: np.ndarray) -> tuple[int, bytes]:
        """What the forms of a layer depend on."""
        return index, np.asarray(bits[: self.network.offsets[min(index, len(self.network.layers))]], dtype=bool).tobytes()

    def _costs(self, index: int, bits: np.ndarray) -> tuple[int, int]:
        """Products for each column of a layer's forms, by what is not kept, and for each row from it to the input."""
        affines = self._weights.affines
        missing, ahead = {index}, 0
        behind, back = {index}, affines[index].cost // max(1, affines[index].size)
        for layer in range(index, -1, -1):
            before = {source - 1 for source, _ in affines[layer].terms if source}
            if layer in missing:
                ahead += affines[layer].cost
                missing |= {source for source in before if self._key(source, bits) not in self._kept}
            if layer in behind:
                back += affines[layer].cost if layer < index else 0
                behind |= before
        return ahead, back

    def _forward(self, index: int, bits: np.ndarray) -> fmpz_mat:
        """All forms of a layer on its own scale."""
        key = self._key(index, bits)
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        checkpoint()
        weights = self._weights
        affine, own = weights.affines[index], weights.own[index]
        constant = np.zeros((affine.size, self.dimension + 1), dtype=object)
        constant[:, -1] = affine.bias * (self._base << (own - affine.bias_shift))
        found = integers(constant)
        for source, matrix in affine.terms:
            forms = self._start() if source == 0 else self._units(source - 1, bits)
            found += matrix.after(forms) * (1 << weights.up(index, source, matrix.shift))
        self._kept[key] = found
        if len(self._kept) > CACHED:
            self._kept.popitem(last=False)
        return found

    def _units(self, layer: int, bits: np.ndarray) -> fmpz_mat:
        """Forms of the outputs of a hidden layer."""
        return integers(objects(self._forward(layer, bits)) * self._slopes(layer, bits)[:, None])

    def _backward(self, index: int, bits: np.ndarray, some: np.ndarray) -> fmpz_mat:
        """Some forms of a layer on its own scale, from their weights back to the input."""
        weights = self._weights
        affine, own = weights.affines[index], weights.own[index]
        constant = affine.bias[some] * (self._base << (own - affine.bias_shift))
        pending: dict[int, fmpz_mat] = {}  # coefficients of what a source gives, by source
        for source, matrix in affine.terms:
            _add(pending, source, matrix.rows(some) * (1 << weights.up(index, source, matrix.shift)))
        for layer in range(index - 1, -1, -1):
            if layer + 1 not in pending:
                continue
            checkpoint()
            rows = objects(pending.pop(layer + 1)) * self._slopes(layer, bits)
            affine = weights.affines[layer]
            constant = constant + rows.dot(affine.bias) * (self._base << (weights.own[layer] - affine.bias_shift))
            for source, matrix in affine.terms:
                _add(pending, source, matrix.before(integers(rows)) * (1 << weights.up(layer, source, matrix.shift)))
        result = np.zeros((len(some), self.dimension + 1), dtype=object)
        if 0 in pending:
            rows = objects(pending[0])
            result[:, :-1] = rows[:, self._free] * _objects(self._half)
            constant = constant + rows.dot(_objects(self._middle))
        result[:, -1] = constant
        return integers(result)

    def _slopes(self, layer: int, bits: np.ndarray) -> np.ndarray:
        return self._weights.slopes[layer].of(bits[self.network.offsets[layer] : self.network.offsets[layer + 1]])

    def _start(self) -> fmpz_mat:
        """Forms of the input coordinates times the base."""
        start = np.zeros((self.network.inputs, self.dimension + 1), dtype=object)
        start[:, -1] = self._middle
        start[self._free, np.arange(self.dimension)] = self._half
        return integers(start)


def _add(pending: dict[int, fmpz_mat], source: int, rows: fmpz_mat) -> None:
    pending[source] = pending[source] + rows if source in pending else rows


def _objects(values: Sequence[int]) -> np.ndarray:
    result = np.empty(len(values), dtype=object)
    result[:] = values
    return result


def proportional(row: Sequence[int], other: Sequence[int]) -> Fraction | None:
    """The number s with row = s * other, if there is one; `other` is not zero."""
    at = next(j for j, v in enumerate(other) if v)
    a, b = row[at], other[at]
    if any(v * b != w * a for v, w in zip(row, other, strict=True)):
        return None
    return Fraction(a, b)
