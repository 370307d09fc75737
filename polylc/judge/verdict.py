"""What a judge says: a confirmed exploration, how its parts were settled, and its regions put in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np

from polylc.engines.contract import Exploration
from polylc.engines.extras import UNSEEN, Maps, Seen
from polylc.errors import JudgeError
from polylc.exact.mapped import is_mapping, joined, put, zeros
from polylc.judge import node_filter as kernels
from polylc.judge.columns import Columns, Points
from polylc.judge.proofs import Kept
from polylc.network.form import Network
from polylc.network.patterns import words

TOGETHER = 2**23  # bytes of batches that are put together in mapped arrays


@dataclass
class Tally:
    """How claims and regions were settled, for reports."""

    claims_filter: int = 0
    claims_integers: int = 0
    claims_simplex: int = 0
    claims_refuted: int = 0
    regions_filter: int = 0
    regions_integers: int = 0
    regions_simplex: int = 0
    regions_refuted: int = 0
    regions_found: int = 0

    def as_dict(self) -> dict[str, int]:
        """The counters by name."""
        return dict(vars(self))


@dataclass
class Batch:
    """Regions of one chunk: packed patterns, points, whether the points are confirmed, leaves.

    `near` holds the packed neurons that may vanish somewhere on the closed region; it has no words where that is not
    known. `maps` are the affine maps, if they were wanted.
    """

    bits: np.ndarray
    unit: np.ndarray
    good: np.ndarray
    leaf: np.ndarray
    near: np.ndarray
    maps: Maps | None = None

    @property
    def size(self) -> int:
        """Bytes of all columns."""
        columns = [self.bits, self.unit, self.good, self.leaf, self.near]
        return sum(column.nbytes for column in (columns if self.maps is None else [*columns, self.maps.map, self.maps.noise]))

    def take(self, some: np.ndarray) -> Batch:
        """Those of its regions of which a boolean column says so."""
        if some.all():
            return self
        maps = None if self.maps is None else Maps(self.maps.map[some], self.maps.noise[some])
        return Batch(self.bits[some], self.unit[some], self.good[some], self.leaf[some], self.near[some], maps)


def room_for_maps(network: Network, dimension: int, batches: Sequence[Batch], regions: int, most: int) -> Maps:
    """Room for the affine maps of so many regions behind those of some batches; none, and none is kept of those before,
    where all of them would take more than `most` bytes.
    """
    size = 8 * network.outputs * (dimension + 2)
    if size * (regions + sum(len(b.leaf) for b in batches)) > most or any(len(b.leaf) and b.maps is None for b in batches):
        regions = 0
        for batch in batches:
            batch.maps = None
    return Maps(np.empty((regions, network.outputs, dimension + 1)), np.empty((regions, network.outputs)))


def no_regions(neurons: int, dimension: int, near: bool) -> Batch:
    """A batch without regions."""
    bits = np.zeros((0, words(neurons)), dtype=np.uint64)
    return Batch(bits, np.zeros((0, dimension)), np.zeros(0, dtype=bool), np.zeros(0, dtype=np.int64), bits if near else bits[:, :0])


def gather(batches: list[Batch]) -> None:
    """Put the last batches together in arrays that are mapped, where that is done, once there are enough of them."""
    if not is_mapping():
        return
    first = len(batches)
    while first and batches[first - 1].size < TOGETHER:
        first -= 1
    some = batches[first:]
    if sum(b.size for b in some) < TOGETHER:
        return
    bits, unit, good, leaf, near = (joined([getattr(b, name) for b in some]) for name in ("bits", "unit", "good", "leaf", "near"))
    told = [b.maps for b in some if b.maps is not None]
    maps = Maps(*(joined([getattr(m, name) for m in told]) for name in ("map", "noise"))) if len(told) == len(some) else None
    batches[first:] = [Batch(bits, unit, good, leaf, near, maps)]


def in_order(tree: Columns, batches: Sequence[Batch], found: Exploration) -> tuple[Exploration, np.ndarray, np.ndarray]:
    """The regions of all batches as one exploration: nodes in preorder, regions in the order of their leaves.

    Returns
    -------
    exploration : Exploration
    place : ndarray
        New number of each node.
    near : ndarray of uint64
        The batches' columns of this name.
    """
    order = kernels.preorder(tree.parent, tree.side)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    leaf = place[joined([b.leaf for b in batches])]
    is_leaf = np.zeros(len(order), dtype=bool)
    is_leaf[leaf] = True
    leaves = np.flatnonzero(is_leaf)
    if len(leaves) != len(leaf):
        raise JudgeError("two of the engine's regions are one leaf")
    number = np.cumsum(is_leaf) - 1
    rank = number[leaf]

    ordered = bool((rank[1:] > rank[:-1]).all())  # as the engines that search depth first have them

    def column(read: Callable[[Batch], np.ndarray]) -> np.ndarray:
        first = read(batches[0])
        result = zeros((len(leaf), *first.shape[1:]), first.dtype)
        at = 0
        for batch in batches:  # never all of it twice
            part = read(batch)
            put(result, slice(at, at + len(part)) if ordered else rank[at : at + len(part)], part)
            at += len(part)
        return result

    parent = np.where(tree.parent[order] < 0, -1, place[tree.parent[order]]).astype(np.int32)
    neuron, side = tree.neuron[order].astype(np.int32), tree.side[order].astype(np.int8)
    seen = UNSEEN
    if all(b.maps is not None for b in batches):
        seen = Seen(maps=Maps(*(column(attrgetter(f"maps.{name}")) for name in ("map", "noise"))))
    bits, unit = column(attrgetter("bits")), column(attrgetter("unit"))
    exploration = Exploration(parent, neuron, side, bits, unit, leaves.astype(np.int32), found.outcome, found.stats, seen=seen)
    return exploration, place, column(attrgetter("near"))


@dataclass(frozen=True)
class Verdict:
    """A confirmed exploration.

    Attributes
    ----------
    exploration : Exploration
        Nodes in preorder, regions in the order of their leaves; `unit` holds nearest doubles.
    points : Points
        The exact point of each region: doubles (an array) or a tuple of Fractions.
    kept : Kept or None
        Claims by node, for the certificate; None if there was no time to gather them.
    tally : Tally
    near : ndarray of uint64, shape (R, words), optional
        For each region, the neurons that may vanish somewhere on its closure; all others certainly do not.
    """

    exploration: Exploration
    points: Points
    kept: Kept | None
    tally: Tally
    near: np.ndarray | None = None
