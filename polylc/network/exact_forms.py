"""Affine forms of the neurons on activation cells, without rounding.

A form is a row of integers (a_1, ..., a_k, c) standing for t -> (a.t + c) / scale, where t in [-1, 1]^k are the unit
coordinates of a domain: x = E t + e, with rationals, for a box x_j = (lower_j + upper_j) / 2 + t_i (upper_j -
lower_j) / 2 for its i-th free coordinate j. Weights are dyadic, so all forms of a network share one scale D * 2^E.

A layer is composed forward, all its neurons at once, from the forms of its sources, which are kept; or some of its rows
are composed backward, from the rows of its weights to the input. Backward costs as many products for a row as the
layers before hold weights, forward for each of the k + 1 columns: so a few rows in many dimensions go backward.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from polylc.exact.checkpoint import checkpoint
from polylc.exact.embedding import Embedding
from polylc.network.exact_weights import exact_weights
from polylc.network.form import Network

Row = tuple[int, ...]
MANY, CLEARLY = 8, 2  # dimensions, and times fewer products, from which rows go backward: what goes forward is kept
CACHED = 64  # composed layers kept; neighbours in a decision tree share all but the last


class ExactForms:
    """All forms of a network along activation bits, in integers on one scale.

    Parameters
    ----------
    network : Network
    embedding : Embedding
        Of the domain.

    Attributes
    ----------
    scale : int
        True value of a form = its integer value / scale.
    """

    def __init__(self, network: Network, embedding: Embedding) -> None:
        self.network, self._embedding = network, embedding
        self.dimension, self._base = embedding.dimension, embedding.base
        self._weights = exact_weights(network)
        self._top = max(self._weights.own)
        self.scale = self._base << self._top
        self._kept: OrderedDict[tuple[int, bytes], np.ndarray] = OrderedDict()

    def input(self) -> list[Row]:
        """Forms of the input coordinates."""
        return [tuple([v << self._top for v in row]) for row in self._embedding.start.tolist()]

    def layer(self, index: int, bits: np.ndarray) -> list[Row]:
        """Forms of hidden layer `index` (from 0; L stands for the output map) along the bits of all earlier layers.

        Parameters
        ----------
        index : int
        bits : ndarray of bool, shape (at least the neurons of the earlier layers,)
        """
        return self._rows(index, bits)

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
        for index in sorted(set(layers.tolist())):
            at = np.flatnonzero(layers == index)
            for place, row in zip(at.tolist(), self._rows(index, bits, which[at] - self.network.offsets[index]), strict=True):
                rows[place] = row
        return rows

    # ---- forward or backward -------------------------------------------------------------------------------------
    def _rows(self, index: int, bits: np.ndarray, some: np.ndarray | None = None) -> list[Row]:
        """All forms of a layer or some, on the common scale."""
        kept = self._kept.get(self._key(index, bits))
        if kept is not None:
            found = kept if some is None else kept[some]
        elif self._better_backward(index, bits, some):
            found = self._backward(index, bits, some)
        elif some is None:
            found = self._forward(index, bits)
        else:
            found = self._composed(index, bits, some)
        up = self._top - self._weights.own[index]
        return [tuple([v << up for v in row]) for row in found.tolist()]

    def _key(self, index: int, bits: np.ndarray) -> tuple[int, bytes]:
        """What the forms of a layer depend on."""
        return index, np.asarray(bits[: self.network.offsets[min(index, len(self.network.layers))]], dtype=bool).tobytes()

    def _better_backward(self, index: int, bits: np.ndarray, some: np.ndarray | None) -> bool:
        """Whether rows cost clearly fewer products from their weights to the input than forward by what is not kept."""
        if self.dimension < MANY:
            return False
        affines = self._weights.affines
        count = affines[index].size if some is None else len(some)
        each = affines[index].cost // max(1, affines[index].size)
        missing, ahead = {index}, count * each
        behind, back = {index}, each
        for layer in range(index, -1, -1):
            before = {source - 1 for source, _ in affines[layer].terms if source}
            if layer in missing:
                ahead += affines[layer].cost if layer < index else 0
                missing |= {source for source in before if self._key(source, bits) not in self._kept}
            if layer in behind:
                back += affines[layer].cost if layer < index else 0
                behind |= before
        return CLEARLY * count * back < (self.dimension + 1) * ahead

    def _forward(self, index: int, bits: np.ndarray) -> np.ndarray:
        """All forms of a layer on its own scale, kept."""
        key = self._key(index, bits)
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = self._composed(index, bits)
            if len(self._kept) > CACHED:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return found

    def _composed(self, index: int, bits: np.ndarray, some: np.ndarray | None = None) -> np.ndarray:
        """All forms of a layer on its own scale, or some, from those of its sources."""
        checkpoint()
        weights = self._weights
        affine, own = weights.affines[index], weights.own[index]
        bias = affine.bias if some is None else affine.bias[some]
        found = np.zeros((len(bias), self.dimension + 1), dtype=object)
        found[:, -1] = bias * (self._base << (own - affine.bias_shift))
        for source, matrix in affine.terms:
            forms = self._forward(source - 1, bits) * self._slopes(source - 1, bits)[:, None] if source else self._embedding.start
            found += matrix.after(forms, some) * (1 << weights.up(index, source, matrix.shift))
        return found

    def _backward(self, index: int, bits: np.ndarray, some: np.ndarray | None = None) -> np.ndarray:
        """All forms of a layer on its own scale, or some, from their weights back to the input."""
        weights = self._weights
        affine, own = weights.affines[index], weights.own[index]
        some = np.arange(affine.size) if some is None else some
        constant = affine.bias[some] * (self._base << (own - affine.bias_shift))
        pending: dict[int, np.ndarray] = {}  # coefficients of what a source gives, by source

        def give(source: int, rows: np.ndarray, up: int) -> None:
            rows = rows * (1 << up)
            pending[source] = pending[source] + rows if source in pending else rows

        for source, matrix in affine.terms:
            give(source, matrix.rows(some), weights.up(index, source, matrix.shift))
        for layer in range(index - 1, -1, -1):
            if layer + 1 not in pending:
                continue
            checkpoint()
            rows = pending.pop(layer + 1) * self._slopes(layer, bits)
            live = np.flatnonzero((rows != 0).any(axis=1))  # differences of values that are the same cancel soon
            if not len(live):
                continue
            affine, rows = weights.affines[layer], rows[live]
            constant[live] += rows.dot(affine.bias) * (self._base << (weights.own[layer] - affine.bias_shift))
            for source, matrix in affine.terms:
                before = np.zeros((len(some), matrix.shape[1]), dtype=object)
                before[live] = matrix.before(rows)
                give(source, before, weights.up(layer, source, matrix.shift))
        result = np.zeros((len(some), self.dimension + 1), dtype=object)
        if 0 in pending:
            result += self._embedding.after(pending[0])
        result[:, -1] += constant
        return result

    def _slopes(self, layer: int, bits: np.ndarray) -> np.ndarray:
        return self._weights.slopes[layer].of(bits[self.network.offsets[layer] : self.network.offsets[layer + 1]])


def proportional(row: Sequence[int], other: Sequence[int]) -> Fraction | None:
    """The number s with row = s * other, if there is one; `other` is not zero."""
    at = next(j for j, v in enumerate(other) if v)
    a, b = row[at], other[at]
    if any(v * b != w * a for v, w in zip(row, other, strict=True)):
        return None
    return Fraction(a, b)
