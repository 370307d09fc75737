"""The judge of nodes: takes an engine's chunks, confirms every region and every claim, and has what it cannot confirm
repaired.

A claim that is false means that a region was missed: `repair` then splits that cell exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from polylc.engines.contract import Exploration, Outcome
from polylc.errors import LimitReached
from polylc.exact.mapped import joined
from polylc.judge import node_filter as kernels
from polylc.judge.columns import Points
from polylc.judge.node_sink import NodeSink
from polylc.judge.proofs import Kept
from polylc.judge.repair import repair
from polylc.judge.verdict import Batch, Verdict, in_order
from polylc.network.patterns import words


class Judge(NodeSink):
    """A sink for chunks; `verdict` then gives the confirmed exploration."""

    def verdict(self, found: Exploration, go_on: Callable[[], bool] | None = None) -> Verdict:
        """What is confirmed of an exploration whose chunks were all taken; missed regions are found.

        Parameters
        ----------
        found : Exploration
        go_on : callable, optional
            Asked between exact decisions; False stops them, and the verdict is then partial.

        Raises
        ------
        JudgeError
            If the engine's columns contradict each other.
        """
        if self.left_open and found.outcome is Outcome.COMPLETE:
            found = replace(found, outcome=Outcome.TIME_LIMIT)
        clear = not self.left_open and not self.doubts and not self._busy and all(b.good.all() for b in self.regions)
        batches = self._confirmed(found.outcome is Outcome.COMPLETE) if clear and self.regions else None
        if batches is None:
            return repair(self, found, go_on)
        exploration, place, _ = in_order(self.tree, batches, found)
        kept: Kept | None = Kept()
        if exploration.complete:  # of a part there is no certificate
            try:
                kept = self.gather(place, go_on)
            except LimitReached:
                kept = None
        return Verdict(exploration, Points(exploration.unit, {}), kept, self.tally)

    def _confirmed(self, whole: bool) -> list[Batch] | None:
        """The regions that the tree proves as it stands: all of a complete one, or those that a stopped search had come
        to; None where there is something to decide.
        """
        tree = self.tree
        leaf, bits = joined([b.leaf for b in self.regions]), joined([b.bits for b in self.regions])
        begins = self.network.offsets[self.network.layer_of]
        assert bits.shape[1] == words(self.network.neurons)
        held = np.zeros(len(leaf), dtype=bool)
        nodes = kernels.Tree(tree.parent, tree.neuron, tree.side)
        sound, complete = kernels.audit(nodes, tree.known, tree.ones, leaf, bits, begins, held)
        if not sound or (whole and not complete):
            return None
        ends = np.cumsum([len(b.leaf) for b in self.regions])[:-1]
        parts = zip(self.regions, np.split(held, ends), strict=True)
        return [batch.take(some) for batch, some in parts]
