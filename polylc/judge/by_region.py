"""The judge of whole regions: each is confirmed by itself, with the bounding box that its engine proves.

Where no certificate is asked for, claims need not be made at the nodes of the tree. A region's cell lies in a box,
which a few multipliers prove, and on a box the signs of all neurons are looked up at once; only those that the box
leaves open take multipliers of their own. The cells of all leaves cover the neighbourhood whatever the forms say, so
this is as much a proof as claims at nodes (docs/exactness.md, lemma 7a).

What this judge cannot confirm at little cost it gives up (`UnsettledError`); the neighbourhood is then explored anew
for `judge.Judge`.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from polylc.domains.domain import Domain
from polylc.engines.contract import Chunk, Exploration, Outcome
from polylc.errors import JudgeError
from polylc.judge import region_filter as kernels
from polylc.judge.columns import Columns, Points
from polylc.judge.door import admit
from polylc.judge.exact_decision import Proof, Refuted, holds, inside, sign_on_cell
from polylc.judge.node_filter import NOT_ON_PATH, ClaimColumns, Regions, Tree
from polylc.judge.node_sink import Doubt
from polylc.judge.proofs import Kept
from polylc.judge.verdict import Batch, Tally, Verdict, gather, in_order, no_regions, room_for_maps
from polylc.network.exact_forms import ExactForms
from polylc.network.form import Network
from polylc.network.patterns import unpack, words
from polylc.network.replay import begin, flatten

MOST_OPEN = 2**12  # entries of a chunk that are left to exact arithmetic


class UnsettledError(Exception):
    """Regions of this network are for the other judge."""


class RegionJudge:
    """A sink for chunks of an engine that claims by region; `verdict` then gives the confirmed exploration.

    Parameters
    ----------
    network : Network
    domain : Domain
    forms : ExactForms, optional
        Those of the network on the neighbourhood, if they are there already.
    maps : int
        How many bytes the affine maps of all regions may take; beyond that they are left out.
    """

    by_region = True
    keeps_regions = True

    def __init__(self, network: Network, domain: Domain, forms: ExactForms | None = None, maps: int = 0) -> None:
        self.network, self.domain, self._map_bytes = network, domain, maps
        self.tree = Columns(network.neurons, masks=False)
        self.tally = Tally()
        along, embedding, rounding = domain.start(network)
        self._net = flatten(along)
        self._replay = begin(along, self._net, embedding, rounding)
        self._room = kernels.room(domain.dimension, network.neurons, words(network.neurons))
        self._forms = forms
        self.regions: list[Batch] = []
        self.doubts: list[Doubt] = []  # none, but those who put judges together ask
        self.kept = None
        self.done = 0  # regions of chunks that were taken completely
        self._busy = False

    def __call__(self, chunk: Chunk) -> None:
        """Confirm a chunk.

        Raises
        ------
        UnsettledError
            If too much of it is for exact arithmetic, or something is refuted.
        """
        if self._busy:  # an interrupt fell into the chunk before
            return
        self._busy = True
        tree, k = self.tree, self.domain.dimension
        chunk = admit(chunk, self.network.neurons, k, tree.count, self.done, 2 * k)
        count = len(chunk.leaf)
        tree.extend(chunk.parent, chunk.neuron, chunk.side)
        self._make_room()
        points, near = np.empty((count, k)), np.zeros(chunk.bits.shape, dtype=np.uint64)
        left, counts = np.empty((MOST_OPEN + self.network.neurons, 3), dtype=np.int64), np.zeros(3, dtype=np.int64)
        claims = ClaimColumns(*vars(chunk.claims).values())
        maps = room_for_maps(self.network, k, self.regions, count, self._map_bytes)
        regions, found = Regions(chunk.leaf, chunk.bits, chunk.unit), kernels.Found(points, maps.map, maps.noise, near, left, counts)
        why = kernels.sift_regions(self._net, self._replay, self._nodes(), regions, claims, found, self._room)
        if why == kernels.WRONG:
            raise JudgeError("the engine's columns contradict each other")
        if why == kernels.CROWDED:
            raise UnsettledError
        left = left[: counts[kernels.OPEN]]
        for region, neuron, claim in left.tolist():
            self._settle(chunk, claims, points, region, neuron, claim)
        self.tally.claims_filter += int(counts[kernels.BY_BOX] + counts[kernels.BY_CLAIM])
        self.tally.regions_filter += count - int((left[:, kernels.NEURON] == kernels.NO_NEURON).sum())
        told = maps if len(maps.map) == count else None
        self.regions.append(Batch(chunk.bits.copy(), points, np.ones(count, dtype=bool), chunk.leaf.astype(np.int64), near, told))
        self.done += count
        self._busy = False
        gather(self.regions)

    def _nodes(self) -> Tree:
        return Tree(self.tree.parent, self.tree.neuron, self.tree.side)

    def _make_room(self) -> None:
        """Marks for all nodes."""
        old = self._room.mark
        if len(old) < self.tree.count:
            mark = np.full(2 * self.tree.count, NOT_ON_PATH, dtype=np.int64)
            mark[: len(old)] = old
            self._room = self._room._replace(mark=mark)

    def _settle(self, chunk: Chunk, claims: ClaimColumns, points: np.ndarray, region: int, neuron: int, claim: int) -> None:
        """Decide exactly whether a point is inside, or a neuron has the sign of the pattern on the cell of a region."""
        self._forms = forms = self._forms or ExactForms(self.network, self.domain.exact_embedding)
        pattern = unpack(chunk.bits[region : region + 1], self.network.neurons)[0]
        path = self.tree.path(int(chunk.leaf[region]))
        oriented = [(forms.neuron(int(self.tree.neuron[v]), pattern), self.tree.side[v] == 1) for v in path]
        rows = [form if above else tuple(-a for a in form) for form, above in oriented]
        if neuron < 0:
            points[region] = chunk.unit[region]
            if not inside(rows, [Fraction(v) for v in chunk.unit[region].tolist()]):
                raise UnsettledError
            self.tally.regions_integers += 1
            return
        form = forms.neuron(neuron, pattern)
        if not any(form):
            if pattern[neuron]:  # the bit of a form that vanishes is 0
                raise UnsettledError
            self.tally.claims_integers += 1
            return
        target = form if pattern[neuron] else tuple(-v for v in form)
        place = {v: e for e, v in enumerate(path)}
        part = slice(0, 0) if claim < 0 else slice(int(claims.starts[claim]), int(claims.starts[claim + 1]))
        pairs = zip(claims.constraint[part].tolist(), claims.multiplier[part].tolist(), strict=True)
        proposed = {place[v]: round(m * 2.0**30) for v, m in pairs if v in place and 0 < m < 2.0**60}
        if holds(target, rows, Proof(2**30, proposed)):
            self.tally.claims_integers += 1
        elif isinstance(sign_on_cell(target, rows, proposed), Refuted):
            raise UnsettledError
        else:
            self.tally.claims_simplex += 1

    def verdict(self, found: Exploration, go_on: Callable[[], bool] | None = None) -> Verdict:
        """What is confirmed of an exploration whose chunks were all taken; nothing is left to do, so nobody is asked
        whether to go on.

        Raises
        ------
        JudgeError
            If the engine's columns contradict each other.
        """
        tree, whole = self.tree, found.outcome is Outcome.COMPLETE and not self._busy
        batches = self.regions or [no_regions(self.network.neurons, self.domain.dimension, near=True)]
        if whole:
            leaf, bits = np.concatenate([b.leaf for b in batches]), np.concatenate([b.bits for b in batches])
            begins = self.network.offsets[self.network.layer_of]
            minus = [np.full(tree.count, v, dtype=np.int64) for v in (-1, 0, -1, 0)]
            if not kernels.tree_is_whole(self._nodes(), leaf, bits, begins, *minus):
                raise JudgeError("the engine's regions are not the leaves of a tree")
        exploration, _, near = in_order(tree, batches, found)
        return Verdict(exploration, Points(exploration.unit, {}), Kept(), self.tally, near)
