"""The operating table: the judge's columns as lists and masks of Python, which can be cut and joined freely."""

from __future__ import annotations

from typing import Any

import numpy as np

from polylc.judge.exact_decision import Point
from polylc.judge.node_sink import NodeSink
from polylc.judge.proofs import KeptClaim
from polylc.network.patterns import unpack


class Table:
    """The tree, what is confirmed at its nodes, and its regions; takes the place of the judge's columns while it
    operates.

    Attributes
    ----------
    parent, neuron, side : list of int
    known, ones : list of int
        Masks of the neurons that confirmed claims at this very node decide, and those of them with bit 1.
    kept : dict of int to list of KeptClaim
    leaf : list of int
    pattern : list of ndarray of bool
    point : list of ndarray, tuple of Fraction, or None
        None where no point is confirmed.
    """

    def __init__(self, judge: NodeSink) -> None:
        columns = judge.tree
        self.parent: list[int] = columns.parent.tolist()
        self.neuron: list[int] = columns.neuron.tolist()
        self.side: list[int] = columns.side.tolist()
        self.known, self.ones = _masks(columns.known), _masks(columns.ones)
        self.kept: dict[int, list[KeptClaim]] = judge.gather(np.arange(len(self.parent))).by_node()
        self.leaf: list[int] = []
        self.pattern: list[np.ndarray] = []
        self.point: list[np.ndarray | Point | None] = []
        for batch in judge.regions:
            self.leaf += batch.leaf.tolist()
            self.pattern += list(unpack(batch.bits, judge.network.neurons))
            self.point += [point if good else None for point, good in zip(batch.unit, batch.good.tolist(), strict=True)]
        if not self.parent:  # stopped before anything was found
            self.add(-1, -1, -1)

    def add(self, parent: int, neuron: int, side: int) -> int:
        """A new node."""
        for column, value in ((self.parent, parent), (self.neuron, neuron), (self.side, side), (self.known, 0), (self.ones, 0)):
            column.append(value)
        return len(self.parent) - 1

    def trim(self) -> None:
        """Drop a last node, or last regions, that an interrupt left incomplete."""
        nodes: tuple[list[Any], ...] = (self.parent, self.neuron, self.side, self.known, self.ones)
        regions: tuple[list[Any], ...] = (self.leaf, self.pattern, self.point)
        for columns in (nodes, regions):
            count = min(map(len, columns))
            for column in columns:
                del column[count:]

    def path(self, node: int) -> list[int]:
        """Nodes from below the root down to `node`."""
        line = []
        while self.parent[node] >= 0:
            line.append(node)
            node = self.parent[node]
        return line[::-1]

    def confirm(self, node: int, neuron: int, bit: bool, claim: KeptClaim | None) -> None:
        """Record a proved claim."""
        self.known[node] |= 1 << neuron
        if bit:
            self.ones[node] |= 1 << neuron
        else:
            self.ones[node] &= ~(1 << neuron)
        if claim is not None and claim.multipliers:  # without multipliers intervals over the neighbourhood decide
            self.kept.setdefault(node, []).append(claim)


def _masks(packed: np.ndarray) -> list[int]:
    rows: list[Any] = np.ascontiguousarray(packed, dtype="<u8").view(np.uint8).reshape(len(packed), -1).tolist() if len(packed) else []
    return [int.from_bytes(bytes(row), "little") for row in rows]
