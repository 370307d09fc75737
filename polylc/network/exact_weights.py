"""The weights of a network in integers, made when they are needed and once for all its neighbourhoods."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from polylc.exact.matrix import Dense, Sparse, exact_matrix
from polylc.exact.numbers import dyadic, dyadic_shift
from polylc.network.form import Affine, Layer, Network, once


class ExactAffine:
    """An affine map: every weight matrix and the bias as integers on a scale of their own.

    Attributes
    ----------
    terms : list of (int, Dense or Sparse)
        Source layer and matrix.
    bias_shift : int
        bias == integers / 2^bias_shift.
    cost : int
        Products that one column or row takes.
    """

    def __init__(self, affine: Affine) -> None:
        self.terms: list[tuple[int, Dense | Sparse]] = [(source, exact_matrix(weight)) for source, weight in affine.terms]
        self.bias_shift = dyadic_shift(affine.bias)
        self.size = affine.size
        self.cost = sum(matrix.cost for _, matrix in self.terms)
        self._bias = affine.bias

    @cached_property
    def bias(self) -> np.ndarray:
        """Integers; shape (size,), dtype object."""
        return dyadic(self._bias)[0]


class ExactSlopes:
    """Slopes of a layer's units as integers on one scale."""

    def __init__(self, layer: Layer) -> None:
        below, above = dyadic(layer.negative), dyadic(layer.positive)
        self.shift = max(below[1], above[1])
        self.negative = below[0] * (1 << (self.shift - below[1]))
        self.positive = above[0] * (1 << (self.shift - above[1]))

    def of(self, bits: np.ndarray) -> np.ndarray:
        """Slopes under activation bits; shape (width,), dtype object."""
        return np.where(np.asarray(bits, dtype=bool), self.positive, self.negative)


class ExactWeights:
    """All of them.

    Attributes
    ----------
    affines : list of ExactAffine
        Of the hidden layers, the output map last.
    slopes : list of ExactSlopes
    own : list of int
        The forms of layer l along a pattern are integers / (D * 2^own[l]), where D belongs to the domain.
    sources : list of int
        The same for what layers read: the input, then the outputs of the hidden layers.
    """

    def __init__(self, network: Network) -> None:
        self.affines = [ExactAffine(layer.affine) for layer in network.layers] + [ExactAffine(network.output)]
        self.slopes = [ExactSlopes(layer) for layer in network.layers]
        self.own: list[int] = []
        self.sources = [0]
        for index, affine in enumerate(self.affines):
            shift = max([affine.bias_shift, *(m.shift + self.sources[source] for source, m in affine.terms)])
            self.own.append(shift)
            if index < len(self.slopes):
                self.sources.append(shift + self.slopes[index].shift)

    def up(self, index: int, source: int, shift: int) -> int:
        """How far the part of a term with matrix on scale 2^shift is from its layer's scale, in bits."""
        return self.own[index] - shift - self.sources[source]


@once
def exact_weights(network: Network) -> ExactWeights:
    """The integers of a network; the same object while the network lives."""
    return ExactWeights(network)
