"""What the judge knows, as growing columns: the tree, and masks of confirmed neurons."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol

import numpy as np

from polylc.errors import JudgeError
from polylc.exact.mapped import zeros
from polylc.judge.proofs import KeptClaim
from polylc.network.patterns import words


class Book(Protocol):
    """Where the judge looks paths up and enters what is proved: columns, or the operating table."""

    @property
    def neuron(self) -> Sequence[int] | np.ndarray:
        """Neuron whose half-space separates a node from its sibling."""

    @property
    def side(self) -> Sequence[int] | np.ndarray:
        """1 where that neuron is positive on the node, 0 where negative."""

    def path(self, node: int) -> list[int]:
        """Nodes from below the root down to `node`."""

    def confirm(self, node: int, neuron: int, bit: bool, claim: KeptClaim | None) -> None:
        """Record a proved claim."""


class Columns:
    """The tree of an exploration while it grows: parent, neuron and side of its nodes, and masks of what is confirmed
    there.

    Attributes
    ----------
    parent, neuron, side : ndarray of int32
    known, ones : ndarray of uint64, shape (nodes, words)
        Neurons that confirmed claims at this very node decide, and those of them with bit 1.
    """

    def __init__(self, neurons: int, masks: bool = True) -> None:
        self.count, self._neurons = 0, neurons
        self._words = words(neurons) if masks else 0
        self.exact: dict[int, list[KeptClaim]] = {}  # kept claims that integers or the exact simplex proved
        self._nodes = np.zeros((3, 0), dtype=np.int32)
        self._masks = np.zeros((2, 0, self._words), dtype=np.uint64)

    @property
    def parent(self) -> np.ndarray:
        """Parent of each node, -1 for the root."""
        return self._nodes[0, : self.count]

    @property
    def neuron(self) -> np.ndarray:
        """Neuron whose half-space separates a node from its sibling."""
        return self._nodes[1, : self.count]

    @property
    def side(self) -> np.ndarray:
        """1 where that neuron is positive on the node, 0 where negative."""
        return self._nodes[2, : self.count]

    @property
    def known(self) -> np.ndarray:
        """Masks of neurons decided at each node."""
        return self._masks[0, : self.count]

    @property
    def ones(self) -> np.ndarray:
        """Those of `known` with bit 1."""
        return self._masks[1, : self.count]

    def extend(self, parent: np.ndarray, neuron: np.ndarray, side: np.ndarray) -> None:
        """New nodes.

        Raises
        ------
        JudgeError
            If a parent does not come before its children, or there is no such neuron or side.
        """
        new = self.count + len(parent)
        at = np.arange(self.count, new)
        fits = (parent >= 0) & (parent < at) & (neuron >= 0) & (neuron < self._neurons) & ((side == 0) | (side == 1))
        if self.count == 0 and new > 0:
            fits[0] = parent[0] == -1
        if not fits.all():
            raise JudgeError("the engine's columns are not those of a tree")
        if new > self._nodes.shape[1]:
            room = max(new, 2 * self._nodes.shape[1], 1024)
            nodes, masks = zeros((3, room), np.int32), zeros((2, room, self._words), np.uint64)
            nodes[:, : self.count], masks[:, : self.count] = self._nodes[:, : self.count], self._masks[:, : self.count]
            self._nodes, self._masks = nodes, masks
        self._nodes[:, self.count : new] = parent, neuron, side
        self._nodes[:, :1] = -1  # of the root, which no neuron cut off
        self.count = new

    def path(self, node: int) -> list[int]:
        """Nodes from below the root down to `node`."""
        line = []
        while self._nodes[0, node] >= 0:
            line.append(node)
            node = int(self._nodes[0, node])
        return line[::-1]

    def confirm(self, node: int, neuron: int, bit: bool, claim: KeptClaim | None) -> None:
        """Record one proved claim."""
        if claim is not None and claim.multipliers:  # without multipliers intervals over the neighbourhood decide
            self.exact.setdefault(node, []).append(claim)
        word, mask = neuron >> 6, np.uint64(1) << np.uint64(neuron & 63)
        self._masks[0, node, word] |= mask
        if bit:
            self._masks[1, node, word] |= mask
        else:
            self._masks[1, node, word] &= ~mask


class Points:
    """Points of regions: doubles, and exact rationals where those are not enough."""

    def __init__(self, unit: np.ndarray, exact: dict[int, tuple[Fraction, ...]]) -> None:
        self.unit, self.exact = unit, exact

    def __len__(self) -> int:
        return len(self.unit)

    def __getitem__(self, region: int) -> np.ndarray | tuple[Fraction, ...]:
        if not 0 <= region < len(self.unit):
            raise IndexError(region)
        found = self.exact.get(region)
        return self.unit[region] if found is None else found
