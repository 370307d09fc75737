"""Tables of a network restricted to the neurons whose signs are open on a set; its weights are rounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from polylc.bounds.tables import Rows, Tables, magnitude
from polylc.bounds.tables import tables as tables_of
from polylc.network.form import Network
from polylc.network.restricted import Restricted
from polylc.network.weights import Weight, at_points, before

Array = np.ndarray


class Term(NamedTuple):
    """A part of an affine map: what it reads, its weights, their sizes, and those of all that was added up for them."""

    source: int
    weight: Weight
    absolute: Weight
    sized: Weight


class Restriction(Tables):
    """Tables of a restricted network, with a bound on the rounding in its weights.

    Attributes
    ----------
    neurons : ndarray of int
        Which neurons of the whole network it has.
    terms : list of list of Term
        By layer, the output map last.
    """

    def __init__(self, network: Network, small: Restricted) -> None:
        super().__init__(small.network)
        self.compact = False
        self.rounded = True
        self.gamma = 2 * tables_of(network).gamma  # once for the weights, once for what is computed with them
        self.numbers = small.neurons
        self.constants = small.constants
        self.terms = [
            [Term(s, w, magnitude(w), size) for (s, w), size in zip(affine.terms, sizes, strict=True)]
            for affine, sizes in zip(self.affines, small.sizes, strict=True)
        ]

    def _added_up(self, index: int, values: Sequence[Array]) -> Array:
        found: Array = self.constants[index] + sum(at_points(values[t.source], t.sized) for t in self.terms[index])
        return found

    def combined(self, outputs: Mapping[int, int]) -> tuple[list[Array | None], list[Array | None]]:
        """A combination of outputs as a row over the values, by source, and the sizes of all that was added up for
        it.
        """
        share = np.zeros((1, self.network.outputs))
        for output, coefficient in outputs.items():
            share[0, output] = coefficient
        rows: Rows = [None] * (self.depth + 1)
        sizes: Rows = [None] * (self.depth + 1)
        for term in self.terms[-1]:
            for found, part in ((rows, before(share, term.weight)[0]), (sizes, before(np.abs(share), term.sized)[0])):
                there = found[term.source]
                found[term.source] = part if there is None else there + part
        return rows, sizes
