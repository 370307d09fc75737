"""The dictionary engine: the layer-wise decision tree of `lp`, with a small simplex dictionary of its own for every
cell.

Numba kernels over flat arrays do the work (`search.py`); this class runs them in slices, so that limits, progress and
interrupts are seen to between two slices, and hands over their columns. What floating point decides wrongly, and the
claims that a kernel could not prove, are for the exact judge.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from polylc.domains.domain import Domain
from polylc.engines.contract import UNIT_DEPTH, Chunk, ChunkSink, Claims, Exploration, Left, Limits, Outcome, Prefix, Progress
from polylc.engines.dictionary.forms import flatten
from polylc.engines.dictionary.search import CROWDED, FINISHED, LEFT, LOST, advance
from polylc.engines.dictionary.simplex import COUNTERS
from polylc.engines.dictionary.state import CLAIMS, ENTRIES, NEW_NODES, READY_CLAIMS, READY_ENTRIES, REGIONS, TAKEN, TOP, grown, new_search
from polylc.engines.extras import NOTHING, Wishes
from polylc.errors import ReplayError
from polylc.exact.checkpoint import unbroken
from polylc.jit.mode import mode
from polylc.network.form import Network

CHUNK_REGIONS, CHUNK_CLAIMS = 1024, 20000
SLICE = 0.05  # seconds that the kernel works, about, before it is asked to pause
FORMS_EACH = 2**22  # forms that the cells of a first slice may compose


class _Part(NamedTuple):
    """Columns of one slice, and how many of its claims and entries come before its last region."""

    nodes: tuple[np.ndarray, ...]  # parent, neuron, side
    regions: tuple[np.ndarray, ...]  # bits, unit, leaf
    claims: tuple[np.ndarray, ...]  # node, neuron, sign, number of entries
    entries: tuple[np.ndarray, ...]  # constraint, multiplier
    ready: tuple[int, int]

    @property
    def found(self) -> int:
        """Number of regions."""
        return len(self.regions[2])


class DictionaryEngine:
    """Explores one neighbourhood of one network.

    Parameters
    ----------
    network : Network
    domain : Domain
    sink : callable, optional
        Receives chunks of nodes, regions and claims; without it claims are not recorded.
    prefix : sequence of (neuron, side)
        Path of the cell to explore, by default the whole neighbourhood.
    """

    name = "dictionary"
    unit_depth = UNIT_DEPTH

    def __init__(self, network: Network, domain: Domain, sink: ChunkSink | None = None, prefix: Prefix = (), wishes: Wishes = NOTHING) -> None:
        self.network, self.domain, self._sink = network, domain, sink
        self._search = new_search(*flatten(network, domain), CHUNK_REGIONS, CHUNK_CLAIMS if sink is not None else 0)
        self._prefix = np.array(prefix, dtype=np.int64).reshape(-1, 2)
        self._left_cells: list[Left] = []
        self._nothing = self._copy()
        root = np.array([-1], dtype=np.int32)
        self._parts = [self._nothing._replace(nodes=(root, root, root.astype(np.int8)))]
        self._sent = 0  # parts that the sink has
        self._left = self._nothing  # claims of sent parts whose nodes had no region yet

    def explore(self, limits: Limits | None = None, progress: Progress | None = None) -> Exploration:
        """Explore until the tree is complete, a limit is reached or the user interrupts (KeyboardInterrupt)."""
        try:
            outcome = self._run(limits or Limits(), progress)
        except KeyboardInterrupt:
            outcome = Outcome.INTERRUPTED
        self._flush()
        parent, neuron, side = _join([p.nodes for p in self._parts])
        bits, unit, leaf = _join([p.regions for p in self._parts])
        stats = dict(zip(COUNTERS, self._search.stats.tolist(), strict=True)) | {"nodes": len(parent)}
        return Exploration(parent, neuron, side, bits, unit, leaf, outcome, stats, tuple(self._left_cells))

    def _run(self, limits: Limits, progress: Progress | None) -> Outcome:
        forms = self._search.work.z.size  # a cell may compose all of them
        cells, found, waiting, share = max(1, min(16, FORMS_EACH // max(1, forms))), 0, 0, False
        while True:
            if limits.regions is not None and found >= limits.regions:
                return Outcome.REGION_LIMIT
            if limits.deadline is not None and time.monotonic() > limits.deadline:
                return Outcome.TIME_LIMIT
            if limits.stop is not None and limits.stop():
                return Outcome.INTERRUPTED
            share = share or (limits.share is not None and limits.share())
            mode.settle(limits.over)
            begin = time.monotonic()
            room = CHUNK_REGIONS if limits.regions is None else min(CHUNK_REGIONS, limits.regions - found)
            with unbroken(False):
                status: int = advance(self._search, room, cells, self._prefix, self.unit_depth if share else -1)
            if status == LOST:
                raise ReplayError("the search does not come to the cell it was sent to")
            if status != LEFT:
                cells = min(2 * cells, 1 << 16) if time.monotonic() - begin < SLICE else max(cells // 2, 1)
            part = self._copy()
            self._parts.append(part)  # all of it or nothing: an interrupt may fall before or after
            self._search.at[list(TAKEN)] = 0
            found += part.found
            waiting += len(part.claims[0])
            if status == LEFT:
                self._left_cells.append(Left(int(self._search.lev.node[self._search.at[TOP] + 1]), found))
                self._drop_waiting()
            if progress is not None:
                progress(found, 1.0 if status == FINISHED and not self._left_cells else float(self._search.done[0]))
            if status == FINISHED:
                return Outcome.COMPLETE
            if status == CROWDED:
                self._search = grown(self._search)
            if waiting > CHUNK_CLAIMS or sum(p.found for p in self._parts[self._sent :]) >= CHUNK_REGIONS:
                self._flush()
                waiting = len(self._left.claims[0])

    def _drop_waiting(self) -> None:
        """Forget the claims below which no region is known yet: they are on the path to a cell that is left."""
        for p in range(len(self._parts) - 1, self._sent - 1, -1):
            part = self._parts[p]
            claims, entries = part.ready if part.found else (0, 0)
            self._parts[p] = part._replace(claims=tuple(c[:claims] for c in part.claims), entries=tuple(c[:entries] for c in part.entries))
            if part.found:
                return
        self._left = self._nothing

    def _copy(self) -> _Part:
        """What the kernel has written since it was last asked."""
        at, found, claims = self._search.at, self._search.found, self._search.claims
        return _Part(
            tuple(c[: at[NEW_NODES]].copy() for c in (found.parent, found.neuron, found.side)),
            tuple(c[: at[REGIONS]].copy() for c in (found.bits, found.unit, found.leaf)),
            tuple(c[: at[CLAIMS]].copy() for c in (claims.node, claims.neuron, claims.sign, claims.size)),
            tuple(c[: at[ENTRIES]].copy() for c in (claims.constraint, claims.multiplier)),
            (int(at[READY_CLAIMS]), int(at[READY_ENTRIES])),
        )

    def _flush(self) -> None:
        """Hand over what is new; claims below which no region is known yet wait."""
        fresh = self._parts[self._sent :]
        if self._sink is None or not any(p.found for p in fresh):
            return
        old = self._parts[: self._sent]
        first_node, first_region = sum(len(p.nodes[0]) for p in old), sum(p.found for p in old)
        claims = entries = ready = used = 0
        for part in (self._left, *fresh):
            if part.found:
                ready, used = claims + part.ready[0], entries + part.ready[1]
            claims += len(part.claims[0])
            entries += len(part.entries[0])
        claim_columns = _join([p.claims for p in (self._left, *fresh)])
        entry_columns = _join([p.entries for p in (self._left, *fresh)])
        node, neuron, sign, size = (c[:ready] for c in claim_columns)
        starts = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
        constraint, multiplier = (c[:used] for c in entry_columns)
        parent, split, side = _join([p.nodes for p in fresh])
        bits, unit, leaf = _join([p.regions for p in fresh])
        chunk = Chunk(
            first_node,
            parent,
            split,
            side,
            first_region,
            bits,
            unit,
            leaf,
            Claims(node, neuron, sign, starts, constraint, multiplier),
        )
        self._left = self._nothing._replace(claims=tuple(c[ready:] for c in claim_columns), entries=tuple(c[used:] for c in entry_columns))
        first, self._sent = self._sent, len(self._parts)
        self._sink(chunk)
        forget = getattr(self._sink, "keeps_regions", False)
        for p in range(first, self._sent):  # claims are not hoarded
            regions = (*self._nothing.regions[:2], self._parts[p].regions[2]) if forget else self._parts[p].regions
            self._parts[p] = self._parts[p]._replace(regions=regions, claims=self._nothing.claims, entries=self._nothing.entries)


def _join(parts: Sequence[tuple[np.ndarray, ...]]) -> list[np.ndarray]:
    """Columns of several parts, each in one array."""
    return [np.concatenate(columns) for columns in zip(*parts, strict=True)]
