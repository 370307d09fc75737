"""The judge of nodes: takes an engine's chunks, confirms every region and every claim, and has what it cannot confirm
repaired.

A claim that is false means that a region was missed: `repair` then splits that cell exactly.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from polylc.engines.contract import Exploration, Outcome
from polylc.judge import node_filter as kernels
from polylc.judge.columns import Points
from polylc.judge.node_sink import NodeSink
from polylc.judge.repair import repair
from polylc.judge.verdict import Verdict, in_order
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
        whole = found.outcome is Outcome.COMPLETE and not self.doubts and not self._busy and all(b.good.all() for b in self.regions)
        if not whole or not self.regions or not self._sound():
            return repair(self, found, go_on)
        exploration, place, _ = in_order(self.tree, self.regions, found)
        return Verdict(exploration, Points(exploration.unit, {}), self.gather(place), self.tally)

    def _sound(self) -> bool:
        """Whether the tree is complete and every region's pattern is the confirmed one."""
        tree = self.tree
        leaf, bits = np.concatenate([b.leaf for b in self.regions]), np.concatenate([b.bits for b in self.regions])
        begins = self.network.offsets[self.network.layer_of]
        assert bits.shape[1] == words(self.network.neurons)
        return bool(kernels.audit(tree.parent, tree.neuron, tree.side, tree.known, tree.ones, leaf, bits, begins))
