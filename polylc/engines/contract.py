"""The engine contract: a decision tree over neurons, its regions and its claims, as columns.

Node 0 is the whole neighbourhood. Every other node is one side of a hyperplane in its parent: neuron `neuron`, whose
form depends on the layers before it (constant on the cell), has z > 0 on side 1 and z < 0 on side 0. Leaves are
regions. Neurons that do not change sign on a cell are not split there; each such statement is a claim at the node
where it was decided, and holds below it. A region is cut out by the half-spaces of its path alone; claims say that all
other neurons keep their sign there.

A sink may have an attribute `by_region` that is true. An engine that can (vertex) then makes claims at the leaves
alone: of each region, one after the other, first the sides of a bounding box, then the signs of neurons that the box
leaves open. The claim on "neuron" -1 - i, i = 2 j or 2 j + 1, is no sign: its multipliers prove how small, or how
large, coordinate j can be. With an attribute `keeps_regions` that is true the sink holds the patterns and points
itself; an engine may then forget them, and its exploration has none.

Work can be shared. An engine that is asked to leaves the cells of depth `UNIT_DEPTH` to others; one that is given their
paths as prefixes explores them. What an engine finds in such a cell must depend, to the last bit, on nothing but the
path to it: engines forget what they remember of other cells (warm starts, forms of the cell before) at each cell down
to that depth.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from polylc.domains.domain import Domain
from polylc.engines.extras import NOTHING, UNSEEN, Seen, Wishes
from polylc.exact.mapped import give_back
from polylc.jit.decorators import kernel
from polylc.network.form import Network
from polylc.network.patterns import unpack, words

PIECE = 2**20  # entries of paths that are written at once


class Outcome(enum.StrEnum):
    """How an exploration ended; as text it says so."""

    COMPLETE = "complete"
    REGION_LIMIT = "the limit on regions was reached"
    TIME_LIMIT = "the time limit was reached"
    MEMORY_LIMIT = "the memory limit was reached"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Claims:
    """A chunk of claims: on the cell of `node`, neuron `neuron` has z >= 0 (sign 1), z <= 0 (sign 0) or both.

    A claim on sign s = +1 or -1 is proved by multipliers y >= 0 on constraints of the path: with g_k >= 0 the
    half-space of path node k, the affine function s z - sum_k y_k g_k is non-negative on the whole box. Multipliers are
    floats; whether they do prove the claim is for the judge to say.

    Attributes
    ----------
    node, neuron : ndarray of int, shape (C,)
    sign : ndarray of int8, shape (C,)
        +1 for z >= 0, -1 for z <= 0.
    starts : ndarray of int, shape (C + 1,)
        Claim c has the entries starts[c]:starts[c + 1] of the two columns below.
    constraint : ndarray of int
        Path node whose half-space carries the multiplier.
    multiplier : ndarray of float
    """

    node: np.ndarray
    neuron: np.ndarray
    sign: np.ndarray
    starts: np.ndarray
    constraint: np.ndarray
    multiplier: np.ndarray

    def __len__(self) -> int:
        return len(self.node)

    def take(self, order: np.ndarray) -> Claims:
        """The claims in another order."""
        lengths = np.diff(self.starts)[order]
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        entries = np.repeat(self.starts[:-1][order] - starts[:-1], lengths) + np.arange(starts[-1])
        return Claims(self.node[order], self.neuron[order], self.sign[order], starts, self.constraint[entries], self.multiplier[entries])


@dataclass(frozen=True)
class Chunk:
    """What an engine found since its last chunk: the same columns as an `Exploration`, and the claims.

    Every node that a claim of the chunk speaks of has a region of the chunk below it, so that its forms can be read off
    that region's pattern.

    Attributes
    ----------
    first_node, first_region : int
        Indices of the first new node and region.
    """

    first_node: int
    parent: np.ndarray
    neuron: np.ndarray
    side: np.ndarray
    first_region: int
    bits: np.ndarray
    unit: np.ndarray
    leaf: np.ndarray
    claims: Claims


UNIT_DEPTH = 8  # of the cells that are left to others: up to 2^8 of them

ChunkSink = Callable[[Chunk], None]
Prefix = Sequence[tuple[int, int]]  # neuron and side of each split on the way to a cell
Progress = Callable[[int, float], None]


@dataclass(frozen=True)
class Limits:
    """When to stop before the end. `stop` is asked now and then; `deadline` is on the clock of time.monotonic.

    `full` says whether memory is, and `stop` says so then too: engines ask `stop` alone.
    `share` is asked now and then, too; once it says yes, cells of depth `UNIT_DEPTH` that are not begun yet are left.
    """

    regions: int | None = None
    deadline: float | None = None
    stop: Callable[[], bool] | None = None
    share: Callable[[], bool] | None = None
    full: Callable[[], bool] | None = None

    def ended(self, outcome: Outcome) -> Outcome:
        """An engine's outcome, where it could not tell that memory was full."""
        full = outcome is Outcome.INTERRUPTED and self.full is not None and self.full()
        return Outcome.MEMORY_LIMIT if full else outcome

    def over(self) -> bool:
        """Whether the deadline has passed, or the user wants the work to end."""
        return (self.deadline is not None and time.monotonic() > self.deadline) or (self.stop is not None and self.stop())


@dataclass(frozen=True)
class Left:
    """A cell that was left to others.

    Attributes
    ----------
    node : int
    after : int
        Number of regions found before the search came to it.
    """

    node: int
    after: int


@dataclass(frozen=True)
class Exploration:
    """What an engine found, as columns.

    Attributes
    ----------
    parent, neuron : ndarray of int32, shape (nodes,)
        Parent node and split neuron; -1 at the root.
    side : ndarray of int8, shape (nodes,)
        1 where the neuron is positive on the node, 0 where negative; -1 at the root.
    bits : ndarray of uint64, shape (R, words)
        Packed patterns of the regions.
    unit : ndarray of float64, shape (R, dimension)
        A point inside each region, in the unit coordinates of the neighbourhood, |u| < 1.
    leaf : ndarray of int32, shape (R,)
        The leaf node of each region.
    outcome : Outcome
    stats : dict
        Counters of the engine (linear programs, iterations, ...), for logs and benchmarks.
    left : tuple of Left
        Cells left to others, in the order of the search; claims at nodes whose first find would have been in one of
        them are left to others as well.
    seen : Seen
        What the engine told of the regions beyond that, as it was wished.
    """

    parent: np.ndarray
    neuron: np.ndarray
    side: np.ndarray
    bits: np.ndarray
    unit: np.ndarray
    leaf: np.ndarray
    outcome: Outcome
    stats: dict[str, int] = field(default_factory=dict)
    left: tuple[Left, ...] = ()
    seen: Seen = UNSEEN

    @property
    def complete(self) -> bool:
        """Whether the whole tree was explored."""
        return self.outcome is Outcome.COMPLETE

    def paths(self, room: Callable[..., np.ndarray] = np.empty) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Path of every region from the root: starts (R + 1,), neurons and sides in the order of the splits; `room`
        makes the last two.
        """
        depth = np.zeros(len(self.parent), dtype=np.int32)
        _depths(self.parent, depth)
        starts = np.zeros(len(self.leaf) + 1, dtype=np.int64)
        np.cumsum(depth[self.leaf], out=starts[1:])
        neuron, side = room(int(starts[-1]), dtype=np.int32), room(int(starts[-1]), dtype=np.int8)
        line = np.zeros(1 + int(depth.max(initial=0)), dtype=np.int64)
        for rows in _in_pieces(starts):
            _write_paths(self.parent, self.neuron, self.side, self.leaf[rows], starts[rows.start :], neuron, side, line)
            give_back()
        return starts, neuron, side


def _in_pieces(starts: np.ndarray) -> Iterator[slice]:
    """Slices of regions whose paths have about PIECE entries."""
    first, regions = 0, len(starts) - 1
    while first < regions:
        last = max(first + 1, int(np.searchsorted(starts, starts[first] + PIECE, side="right")) - 1)
        yield slice(first, last)
        first = last


@kernel
def _depths(parent: np.ndarray, depth: np.ndarray) -> None:
    """Depth of every node; parents come before their children, depth[0] is given."""
    for node in range(1, len(parent)):
        depth[node] = depth[parent[node]] + 1


@kernel
def _write_paths(
    parent: np.ndarray,
    neuron: np.ndarray,
    side: np.ndarray,
    leaf: np.ndarray,
    starts: np.ndarray,
    neurons: np.ndarray,
    sides: np.ndarray,
    line: np.ndarray,
) -> None:
    """Paths of the regions one after the other: in the order of a search, most of each is that of the one before.

    `line` has room for the nodes of a path, by depth.
    """
    last = begin = 0
    for region in range(len(leaf)):
        node, depth = leaf[region], starts[region + 1] - starts[region]
        before, begin = begin, starts[region]
        while depth > 0 and (depth > last or line[depth] != node):
            line[depth] = node
            neurons[begin + depth - 1], sides[begin + depth - 1] = neuron[node], side[node]
            node = parent[node]
            depth -= 1
        for d in range(depth):
            neurons[begin + d], sides[begin + d] = neurons[before + d], sides[before + d]
        last = starts[region + 1] - begin


def nothing_found(network: Network, domain: Domain, outcome: Outcome) -> Exploration:
    """An exploration that ended before its first region."""
    root, side, leaf = np.full(1, -1, dtype=np.int32), np.full(1, -1, dtype=np.int8), np.zeros(0, dtype=np.int32)
    bits = np.zeros((0, words(network.neurons)), dtype=np.uint64)
    return Exploration(root, root, side, bits, np.zeros((0, domain.dimension)), leaf, outcome)


class Engine(Protocol):
    """What every engine offers."""

    name: str
    unit_depth: int

    def __init__(self, network: Network, domain: Domain, sink: ChunkSink | None = None, prefix: Prefix = (), wishes: Wishes = NOTHING) -> None:
        """Prepare to explore a neighbourhood, or its cell with the path `prefix`; `sink` receives chunks with claims.

        The nodes 0 ... len(prefix) are then those of the path; claims are made there as well.
        """

    def explore(self, limits: Limits | None = None, progress: Progress | None = None) -> Exploration:
        """Explore until the tree is complete, a limit is reached or the user interrupts.

        Raises
        ------
        ReplayError
            If the search does not come to the cell with the path `prefix`.
        """


def check_contract(network: Network, domain: Domain, found: Exploration) -> None:
    """Raise AssertionError unless `found` keeps the contract's structure (used by the tests of every engine)."""
    if not (found.parent[0] == -1 and (found.parent[1:] < np.arange(1, len(found.parent))).all()):
        raise AssertionError("a parent does not come before its children")
    starts, neuron, side = found.paths()
    bits = unpack(found.bits, network.neurons)
    rows = np.repeat(np.arange(len(found.leaf)), np.diff(starts))
    if not (bits[rows, neuron] == (side == 1)).all():
        raise AssertionError("a region's pattern contradicts its path")
    if len(np.unique(found.bits, axis=0)) != len(found.bits):
        raise AssertionError("a pattern is listed twice")
    if found.unit.shape != (len(found.leaf), domain.dimension) or not (np.abs(found.unit) < 1).all():
        raise AssertionError("a region's point is not inside the neighbourhood")


def join_claims(chunks: Sequence[Claims]) -> Claims:
    """One chunk of several."""
    starts = [np.zeros(1, dtype=np.int64)]
    total = 0
    for chunk in chunks:
        starts.append(chunk.starts[1:] + total)
        total += int(chunk.starts[-1])
    if not chunks:
        none = np.zeros(0, dtype=np.int32)
        return Claims(none, none, none.astype(np.int8), starts[0], none, np.zeros(0))
    return Claims(
        np.concatenate([c.node for c in chunks]),
        np.concatenate([c.neuron for c in chunks]),
        np.concatenate([c.sign for c in chunks]),
        np.concatenate(starts),
        np.concatenate([c.constraint for c in chunks]),
        np.concatenate([c.multiplier for c in chunks]),
    )
