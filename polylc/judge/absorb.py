"""What judges of several work units have confirmed, put together in one judge.

A unit is a cell of the tree, and its judge knows the path to that cell as its nodes 0, 1, ..., so each of these nodes
is one that the absorbing judge has as well. All units below a node of the path make its claims anew; they are true
whoever makes them, but only one unit's are kept for a certificate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polylc.engines.contract import Exploration
from polylc.judge.by_node import Judge
from polylc.judge.by_region import RegionJudge
from polylc.judge.node_sink import Doubt
from polylc.judge.proofs import KeptClaim, KeptClaims
from polylc.judge.verdict import Batch, Tally, gather, no_regions


@dataclass(frozen=True)
class Confirmed:
    """The state of a judge, to be sent between processes.

    Attributes
    ----------
    nodes : tuple of ndarray
        Parent, neuron and side.
    known, ones : ndarray of uint64, shape (nodes, words)
    regions : Batch
    doubts : list of Doubt
    tally : Tally
    kept : KeptClaims or None
    exact : dict of int to list of KeptClaim
    """

    nodes: tuple[np.ndarray, np.ndarray, np.ndarray]
    known: np.ndarray
    ones: np.ndarray
    regions: Batch
    doubts: list[Doubt]
    tally: Tally
    kept: KeptClaims | None
    exact: dict[int, list[KeptClaim]]


def confirmed(judge: Judge | RegionJudge) -> Confirmed:
    """What a judge has confirmed so far."""
    tree, batches = judge.tree, judge.regions
    none = no_regions(judge.network.neurons, judge.domain.dimension, isinstance(judge, RegionJudge))
    columns = {name: np.concatenate([getattr(b, name) for b in (none, *batches)]) for name in ("bits", "unit", "good", "leaf", "near")}
    regions = Batch(columns["bits"], columns["unit"], columns["good"], columns["leaf"], columns["near"])
    nodes = tree.parent.astype(np.int32), tree.neuron.astype(np.int32), tree.side.astype(np.int8)
    return Confirmed(nodes, tree.known.copy(), tree.ones.copy(), regions, judge.doubts, judge.tally, judge.kept, tree.exact)


def take_nodes(judge: Judge | RegionJudge, found: Exploration) -> None:
    """Take the nodes of an engine that came after its last region, of which no chunk tells."""
    count = judge.tree.count
    judge.tree.extend(found.parent[count:], found.neuron[count:], found.side[count:])


def absorb(judge: Judge | RegionJudge, unit: Confirmed, path: Sequence[int], own: int) -> None:
    """Add what a unit's judge has confirmed.

    Parameters
    ----------
    judge : Judge or RegionJudge
        The one that knows the whole tree.
    unit : Confirmed
    path : sequence of int
        Nodes from the root to that of the unit, as `judge` numbers them; none if the judge knows nothing yet.
    own : int
        Depth from which on the claims at nodes of the path are kept; above, another unit's are.
    """
    tree, shared = judge.tree, len(path)
    parent, neuron, side = unit.nodes
    if len(parent) < shared:  # stopped on the way
        return
    place = np.concatenate([np.array(path, dtype=np.int64), tree.count + np.arange(len(parent) - shared)])
    tree.extend(np.where(parent[shared:] < 0, -1, place[parent[shared:]]), neuron[shared:], side[shared:])
    fresh = unit.known & ~tree.known[place]
    tree.ones[place] |= unit.ones & fresh
    tree.known[place] |= fresh
    for name, many in vars(unit.tally).items():
        setattr(judge.tally, name, getattr(judge.tally, name) + many)
    known = {(d.node, d.neuron, d.sign) for d in judge.doubts}
    doubts = [Doubt(int(place[d.node]), d.neuron, d.sign) for d in unit.doubts]
    judge.doubts += [d for d in doubts if (d.node, d.neuron, d.sign) not in known]
    if judge.kept is not None and unit.kept is not None:
        _keep(judge.kept, unit.kept, place, own)
        for node, claims in unit.exact.items():
            if node >= own:
                renamed = [KeptClaim(c.neuron, c.factor, [(int(place[v]), m) for v, m in c.multipliers]) for c in claims]
                tree.exact.setdefault(int(place[node]), []).extend(renamed)
    batch = unit.regions
    # last: an interrupt may come before
    judge.regions.append(Batch(batch.bits, batch.unit, batch.good, place[batch.leaf], batch.near))
    gather(judge.regions)
    judge.done += len(batch.leaf)


def _keep(kept: KeptClaims, unit: KeptClaims, place: np.ndarray, own: int) -> None:
    """Keep a unit's claims at the nodes from `own` on."""
    for node, neuron, sign, shift, length, constraint, whole in zip(
        unit.node, unit.neuron, unit.sign, unit.shift, unit.length, unit.constraint, unit.whole, strict=True
    ):
        some = node >= own
        entries = np.repeat(some, length)
        kept.node.append(place[node[some]])
        kept.constraint.append(place[constraint[entries]])
        kept.whole.append(whole[entries])
        for column, values in ((kept.neuron, neuron), (kept.sign, sign), (kept.shift, shift), (kept.length, length)):
            column.append(values[some])
