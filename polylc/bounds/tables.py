"""What a backward pass needs of a network, made once: weights by layer, and how large everything can become.

Values are numbered by *source*: 0 is the input, s >= 1 are the outputs of hidden layer s (layer s - 1 from zero). Rows
over the values are lists of arrays, one for each source, or None where nothing reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from polylc.bounds.ball import Ball
from polylc.network.form import Affine, Network, once
from polylc.network.weights import Weight, at_points, entries, with_entries

Rows = list[np.ndarray | None]
UNIT = 2.0**-53
COARSE = 8 * 2.0**-48  # the checker's unit, and a factor for how often a size is rounded
LOST = 2.0**-900  # more than all that underflows in a pass
UNKNOWN = 2.0**200  # ends of neurons of which nothing is known: where sizes are moderate no value is larger
WIDEST, MOST = 256, 2**20  # width of layers, and entries of padded weights, that compiled passes over cells take


@dataclass(frozen=True)
class Units:
    """Slopes of a layer's units: h = negative z + jump max(z, 0), where jump is rounded; plain are ReLU, 0 and 1
    throughout.
    """

    negative: np.ndarray
    positive: np.ndarray
    jump: np.ndarray
    plain: bool


@dataclass(frozen=True)
class Sizes:
    """How large sums become on a domain.

    Attributes
    ----------
    layers : list of ndarray
        For each hidden neuron, by layer, and each output, more than the sum of |weight| |value| and |bias|.
    values : list of ndarray
        Sizes that no input and no output of a layer exceeds, by source.
    loss : list of float
        For rows over sources up to each one, what is left for what rounding to multiples of 2^-48 costs a bound in the
        checker of proofs, which is to come to the same conclusion (docs/exactness.md, lemma 15b).
    ball : Ball or None
        Where the domain is in a ball, that.
    """

    layers: list[np.ndarray]
    values: Sequence[np.ndarray]
    loss: list[float]
    ball: Ball | None = None

    @property
    def moderate(self) -> bool:
        """Whether all are smaller than what ends begin with; not so if one is not a number."""
        return all(bool((size < UNKNOWN).all()) for size in self.layers)


class Tables:
    """Weights of a network by layer.

    Attributes
    ----------
    affines : list of Affine
        Of the hidden layers, and the output map.
    units : list of Units
    depth : int
        Hidden layers.
    fused : bool
        Whether passes use compiled kernels, which pays for searches that last.
    compact : bool
        Whether the network is a chain of narrow dense ReLU layers, for which kernels do whole cells (`packed`).
    packed : tuple or None
        Sizes, and the arrays that were made for them.
    rounded : bool
        Whether weights are rounded (`restriction`), and not those of the network itself.
    weights : int
        Entries of all matrices that may not be zero.
    span : list of slice
        Neurons of each hidden layer, among all.
    gamma : float
        Relative to the sum of sizes of all that is added up in a backward pass, a bound on its rounding in any order of
        summation, fused or not (docs/exactness.md, lemma 15).
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.affines: list[Affine] = [*(layer.affine for layer in network.layers), network.output]
        self.units = [_units(layer.negative, layer.positive) for layer in network.layers]
        self.depth = len(network.layers)
        self.inputs = network.inputs
        self.neurons = network.neurons
        ends = network.offsets.tolist()
        self.weights = sum(entries(w).size for affine in self.affines for _, w in affine.terms) or 1
        self.span = [slice(a, b) for a, b in pairwise(ends)]
        self.fused = False
        self.compact = self._is_compact()
        self.packed: tuple[Sizes, Any] | None = None
        self.rounded = False
        terms = network.inputs + sum(network.widths) + network.outputs
        self.gamma = 2 * (terms + 64) * UNIT

    def _added_up(self, index: int, values: Sequence[np.ndarray]) -> np.ndarray:
        """Sizes of all that is added up in the rows of an affine map."""
        affine = self.affines[index]
        found: np.ndarray = np.abs(affine.bias) + sum(at_points(values[source], magnitude(weight)) for source, weight in affine.terms)
        return found

    def _is_compact(self) -> bool:
        widths = [self.inputs, *self.network.widths]
        dense = all(isinstance(w, np.ndarray) for affine in self.affines for _, w in affine.terms)
        small = bool(self.depth) and max(widths) <= WIDEST and self.depth * max(widths) ** 2 <= MOST
        return small and dense and self.network.is_chain and all(units.plain for units in self.units)

    def magnitudes(self, values: Sequence[np.ndarray], ball: Ball | None = None) -> Sizes:
        """Sizes of what is added up, where no value is larger than those given, by source."""
        found = [self._added_up(index, values) * (1 + 2.0**-20) + LOST for index in range(len(self.affines))]
        steep = [*(max(1.0, np.abs(u.negative).max(initial=0.0), np.abs(u.positive).max(initial=0.0)) for u in self.units), 1.0]
        steps = 2 + self.depth + sum(len(affine.terms) for affine in self.affines)
        summed = [0.0, *accumulate(s * float(size.sum()) for s, size in zip(steep, found, strict=True))]
        loss = [COARSE * (steps + total) for total in (*summed[: self.depth], summed[-1])]
        return Sizes(found, values, loss, ball)


def magnitude(weight: Weight) -> Weight:
    """Sizes of all entries."""
    return with_entries(weight, np.abs(entries(weight)))


def _units(negative: np.ndarray, positive: np.ndarray) -> Units:
    jump = positive - negative
    return Units(negative, positive, jump, bool((negative == 0).all() and (positive == 1).all()))


@once
def tables(network: Network) -> Tables:
    """The tables of a network; the same object while the network lives."""
    return Tables(network)
