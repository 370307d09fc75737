"""The network on a neighbourhood whose regions are known, as its unstable neurons alone.

A neuron that has one side in all regions is linear there, so what it hands on is affine in the input and in the outputs
of unstable neurons of earlier layers. Of large networks on small neighbourhoods few neurons are left, and points of the
neighbourhood find their regions for little. In floats: for sampling.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.complex.complex import Complex
from polylc.network.compose import unit_slopes
from polylc.network.form import Affine
from polylc.network.weights import times


class _Layer(NamedTuple):
    neuron: np.ndarray  # numbers of its unstable neurons, (u,)
    linear: np.ndarray  # (u, k + 1), in unit coordinates
    reads: list[tuple[int, np.ndarray]]  # places of earlier ones among these layers, and matrices
    negative: np.ndarray
    positive: np.ndarray


class _Handed(NamedTuple):
    """What a layer hands on: linear part, and by place of a layer of unstable neurons a matrix."""

    linear: np.ndarray
    of: dict[int, np.ndarray]


class UnstableNetwork:
    """Pre-activations of the unstable neurons, and the regions of points.

    Parameters
    ----------
    complex_ : Complex
        Complete.
    """

    def __init__(self, complex_: Complex) -> None:
        self.complex = complex_
        (network, embedding, _), patterns = complex_.start, complex_.patterns()
        count = patterns.sum(axis=0)
        self.unstable: np.ndarray = (count > 0) & (count < len(patterns))
        self._stable_bits = patterns[0] & ~self.unstable
        self.layers: list[_Layer] = []
        handed = [_Handed(embedding, {})]
        for index, layer in enumerate(network.layers):
            here = slice(int(network.offsets[index]), int(network.offsets[index + 1]))
            linear, of = _through(layer.affine, handed)
            some = np.flatnonzero(self.unstable[here])
            slopes = unit_slopes(layer, patterns[0, here])
            slopes[some] = 0.0
            on = {place: slopes[:, None] * matrix for place, matrix in of.items()}
            if len(some):
                reads = [(place, matrix[some]) for place, matrix in of.items() if matrix[some].any()]
                self.layers.append(_Layer(some + here.start, linear[some], reads, layer.negative[some], layer.positive[some]))
                picked = np.zeros((layer.width, len(some)))
                picked[some, np.arange(len(some))] = 1.0
                on[len(self.layers) - 1] = picked
            handed.append(_Handed(slopes[:, None] * linear, on))

        self._rows = np.concatenate([embedding[:0], *(layer.linear for layer in self.layers)])
        self._ends = np.cumsum([len(layer.neuron) for layer in self.layers])

    def linear(self, unit: np.ndarray) -> np.ndarray:
        """The part of each pre-activation that is affine in the input, at points in unit coordinates; (B, unstable)."""
        result: np.ndarray = unit @ self._rows[:, :-1].T + self._rows[:, -1]
        return result

    def preactivations(self, linear: np.ndarray, layers: int | None = None) -> list[np.ndarray]:
        """Of the layers that have unstable neurons, or of the first ones, at points whose `linear` parts are given; (B,
        u) each.
        """
        z: list[np.ndarray] = []
        h: list[np.ndarray] = []
        for layer, end in zip(self.layers[:layers], self._ends.tolist(), strict=False):
            value = linear[:, end - len(layer.neuron) : end].copy()
            for place, matrix in layer.reads:
                value += h[place] @ matrix.T
            z.append(value)
            h.append(np.where(value > 0, layer.positive, layer.negative) * value)
        return z

    def regions(self, linear: np.ndarray) -> np.ndarray:
        """The region of each point whose `linear` parts are given, or -1 where rounding gives a pattern of none; shape
        (B,).
        """
        bits = np.broadcast_to(self._stable_bits, (len(linear), len(self._stable_bits))).copy()
        for layer, z in zip(self.layers, self.preactivations(linear), strict=True):
            bits[:, layer.neuron] = z > 0
        return self.complex.index.find(bits)


def _through(affine: Affine, handed: list[_Handed]) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    linear = np.zeros((affine.size, handed[0].linear.shape[1]))
    linear[:, -1] = affine.bias
    of: dict[int, np.ndarray] = {}
    for source, weight in affine.terms:
        linear += times(weight, handed[source].linear)
        for place, matrix in handed[source].of.items():
            term = times(weight, matrix)
            of[place] = of[place] + term if place in of else term
    return linear, of
