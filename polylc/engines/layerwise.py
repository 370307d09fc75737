"""What engines share that search a tree cell by cell and layer by layer, in numpy: its columns, and the forms of a
cell's next layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from polylc.domains.domain import Domain
from polylc.engines.contract import Exploration, Left, Outcome
from polylc.network.compose import apply_affine, rounding, scaled_error, unit_slopes
from polylc.network.form import Network
from polylc.network.patterns import pack, words
from polylc.network.twins import twins


@dataclass
class LayerCell:
    """A cell whose neurons are decided up to some of one layer."""

    node: int
    layer: int
    bits: np.ndarray  # the whole pattern; entries of layers before `layer` are final
    open: np.ndarray  # undecided neurons of `layer`
    sources: list[np.ndarray]  # forms of h_0 .. h_{layer - 1}
    errors: list[np.ndarray]  # error bounds of the same
    forms: np.ndarray  # forms of z in `layer`
    noise: np.ndarray  # error bounds of the same: values of z below are rounding
    points: np.ndarray  # points of the cell that are known, shape (p, k)
    inner: np.ndarray  # a point of the interior
    weight: float  # share of the tree below this cell, for progress


class LayerwiseTree:
    """The nodes and regions found so far, as columns.

    Parameters
    ----------
    network : Network
    domain : Domain
    """

    def __init__(self, network: Network, domain: Domain) -> None:
        self.domain = domain
        self.network, self._embedding, self._rounding = domain.start(network)
        self._twins = twins(network)
        self._parent, self._neuron, self._side = [-1], [-1], [-1]
        self._bits: list[np.ndarray] = []
        self._unit: list[np.ndarray] = []
        self._leaf: list[int] = []
        self.done = 0.0

    def _add_node(self, parent: int, neuron: int, side: int) -> int:
        """Add a child; its number."""
        self._parent.append(parent)
        self._neuron.append(neuron)
        self._side.append(side)
        return len(self._side) - 1

    def _add_region(self, cell: LayerCell) -> None:
        """Add the region that a cell is."""
        self._bits.append(pack(cell.bits[None]))
        self._unit.append(cell.inner)
        self._leaf.append(cell.node)  # last: an interrupt may fall between the columns
        self.done += cell.weight

    def _found(self, outcome: Outcome, stats: Mapping[str, int], left: tuple[Left, ...] = ()) -> Exploration:
        count, nodes = len(self._leaf), min(len(self._parent), len(self._neuron), len(self._side))
        return Exploration(
            np.array(self._parent[:nodes], dtype=np.int32),
            np.array(self._neuron[:nodes], dtype=np.int32),
            np.array(self._side[:nodes], dtype=np.int8),
            np.concatenate(self._bits[:count]) if count else np.zeros((0, words(self.network.neurons)), dtype=np.uint64),
            np.array(self._unit[:count]).reshape(count, self.domain.dimension),
            np.array(self._leaf, dtype=np.int32),
            outcome,
            {**stats, "nodes": nodes},
            left,
        )

    def _compose(self, cell: LayerCell) -> bool:
        """Move a cell whose layer is decided on to the forms of the next one; whether there is one."""
        network = self.network
        if cell.layer >= 0:
            layer, begin = network.layers[cell.layer], int(network.offsets[cell.layer])
            slope = unit_slopes(layer, cell.bits[begin : begin + layer.width])
            cell.sources = [*cell.sources, cell.forms * slope[:, None]]
            cell.errors = [*cell.errors, scaled_error(cell.forms, cell.noise, slope)]
        cell.layer += 1
        if cell.layer == len(network.layers):
            return False
        affine = network.layers[cell.layer].affine
        cell.forms = apply_affine(affine, cell.sources)
        cell.noise = rounding(affine, cell.sources, cell.errors)
        cell.bits = cell.bits.copy()
        return True

    def _leads(self, begin: int, many: int) -> np.ndarray:
        """Which of so many neurons from `begin` on are the first of their mates."""
        leads: np.ndarray = self._twins.leader[begin : begin + many] == begin + np.arange(many)
        return leads

    def _mates(self, neuron: int, above: bool) -> Iterator[tuple[int, bool, float]]:
        """The mates of a neuron, their signs, and by how much their forms are larger."""
        begin, end = self._twins.begin[neuron : neuron + 2].tolist()
        for mate in self._twins.mate[begin:end].tolist():
            ratio = float(self._twins.ratio[mate])
            yield mate, above == (ratio > 0), abs(ratio)
