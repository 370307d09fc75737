"""The vertex engine: cells as skeletons of simple polytopes, cut by hyperplanes, for neighbourhoods of low dimension.

Where the lp engine solves a linear program, this one looks at the vertices of the cell: a neuron is decided if it has
one sign at all of them, and the edges at its least vertex give the multipliers of the claim. The search runs compiled,
on flat arrays (search.py); what is here feeds it and takes its columns.

As in every engine, tolerances only steer the search. Vertices that coincide, hyperplanes through vertices and neurons
that vanish are cut as rounding has it; whatever goes wrong so is for the exact judge to find.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from polylc.domains.domain import Domain
from polylc.engines.contract import UNIT_DEPTH, Chunk, ChunkSink, Claims, Exploration, Left, Limits, Outcome, Prefix, Progress
from polylc.engines.extras import NOTHING, Facets, Maps, Seen, Sizes, Wishes, join
from polylc.engines.vertex import search as kernel
from polylc.engines.vertex.claims import READY_CLAIMS, READY_ENTRIES, claim_columns
from polylc.engines.vertex.forms import start_forms
from polylc.engines.vertex.regions import AREAS, FACETS, MAPS, REGIONS, SIZES, TOTAL_REGIONS, region_columns, told_columns
from polylc.engines.vertex.skeleton import room_for_cells, start_cells
from polylc.engines.vertex.stack import LARGEST, NODE, NODES, PROCESSED, TOTAL_NODES, VALUES, start_stack, start_tree
from polylc.errors import ReplayError
from polylc.exact.checkpoint import unbroken
from polylc.jit.mode import mode
from polylc.network.form import Network
from polylc.network.replay import begin, flatten

MOST_DIMENSION = 5
CHUNK_REGIONS, CHUNK_CLAIMS = 8192, 1 << 17
CHUNK_BITS = 1 << 23  # of the patterns of a chunk: more would keep a judge busy for seconds, beyond a time limit
CELL_ROOM, CUT_ROOM = 4096, 256  # vertices to begin with, on the stack and of one cell
# budgets of cells: the search looks at limits at least after each cell, at most as long as a few seconds
SHORTEST, LONGEST = 1, 1 << 20
SLICE = 0.03  # seconds that the compiled search runs between two looks at limits and signals


class VertexEngine:
    """Explores one neighbourhood, of dimension at most `MOST_DIMENSION`, of one network.

    Parameters
    ----------
    network : Network
    domain : Domain
    sink : callable, optional
        Receives chunks of nodes, regions and claims; without it claims are not recorded. They are made of regions
        instead of nodes for a sink with an attribute `by_region` that is true.
    prefix : sequence of (neuron, side)
        Path of the cell to explore, by default the whole neighbourhood.
    wishes : Wishes
        What to tell besides.
    """

    name = "vertex"
    unit_depth = UNIT_DEPTH

    def __init__(self, network: Network, domain: Domain, sink: ChunkSink | None = None, prefix: Prefix = (), wishes: Wishes = NOTHING) -> None:
        if domain.dimension > MOST_DIMENSION:
            raise ValueError(f"cells of dimension {domain.dimension} > {MOST_DIMENSION} have too many vertices")
        network, embedding, rounding = domain.start(network)
        self.network, self.domain, self._sink = network, domain, sink
        self._claims = kernel.NO_CLAIMS if sink is None else kernel.BY_REGION if getattr(sink, "by_region", False) else kernel.BY_NODE
        self._wishes, self._map_bytes = wishes, 0
        self._left: list[Left] = []
        self._chunks: list[tuple[tuple[np.ndarray, ...], Seen]] = []
        self._sending = False
        self._prefix = np.array(prefix, dtype=np.int64).reshape(-1, 2)
        self.done = 0.0
        n, neurons = domain.dimension, network.neurons
        regions = max(1, min(CHUNK_REGIONS, CHUNK_BITS // max(1, neurons)))
        self._dim = (0,) * n
        self._net = flatten(network)
        self._replay = begin(network, self._net, embedding, rounding)
        self._forms = start_forms(self._net, self._replay)
        self._cells, self._room = room_for_cells(n, CELL_ROOM), self._room_for_one(CUT_ROOM)
        self._stack = start_stack(list(network.widths), start_cells(n, self._cells))
        self._columns = kernel.Columns(
            start_tree(2 * (regions + neurons) + 16),
            region_columns(n, neurons, regions),
            told_columns(n, neurons, network.outputs, regions, wishes),
            claim_columns(n, 0 if sink is None else max(CHUNK_CLAIMS, 4 * (neurons + 2 * n))),
        )

    def explore(self, limits: Limits | None = None, progress: Progress | None = None) -> Exploration:
        """Explore until the tree is complete, a limit is reached or the user interrupts (KeyboardInterrupt)."""
        try:
            outcome = self._explore(limits or Limits(), progress)
            self._flush()
        except KeyboardInterrupt:
            outcome = Outcome.INTERRUPTED
            self._flush()
        parent, neuron, side, bits, unit, leaf = (np.concatenate(column) for column in zip(*(c for c, _ in self._chunks), strict=True))
        stats = dict(zip(("cells", "largest_cell", "vertex_values"), self._stack.stats[[PROCESSED, LARGEST, VALUES]].tolist(), strict=True))
        stats["nodes"] = len(parent)
        return Exploration(parent, neuron, side, bits, unit, leaf, outcome, stats, tuple(self._left), join([seen for _, seen in self._chunks]))

    def _explore(self, limits: Limits, progress: Progress | None) -> Outcome:
        stack, regions = self._stack, self._columns.regions
        budget, share = 64, False
        while stack.height[0] > 0:
            reached = self._reached(limits)
            if reached is not None:
                return reached
            share = share or (limits.share is not None and limits.share())
            most = len(regions.leaf)
            if limits.regions is not None:
                most = min(most, limits.regions - int(regions.at[TOTAL_REGIONS]))
            mode.settle(limits.over)
            time_before = time.monotonic()
            todo = kernel.Task(self._claims, self._tell(), most, budget, self.unit_depth, share, self._prefix)
            with unbroken(False):
                why = self._advance(todo)
            if why == kernel.LOST:
                raise ReplayError("the search does not come to the cell it was sent to")
            if why == kernel.LEFT:
                self._left.append(Left(int(stack.frame[stack.height[0], NODE]), self._found()))
            elif why == kernel.SHORT:
                self._grow()
            elif why == kernel.FULL:
                self._flush()
            elif time.monotonic() - time_before < SLICE:
                budget = min(2 * budget, LONGEST)
            else:
                budget = max(budget // 2, SHORTEST)
            self.done = 1.0 if stack.height[0] == 0 and not self._left else min(float(stack.done[0]), 1.0)
            if progress is not None:
                progress(self._found(), self.done)
        return Outcome.COMPLETE

    def _advance(self, task: kernel.Task) -> int:
        """Go on with the search; why the kernel came back."""
        state = (self._dim, self._net, self._replay, self._forms, self._cells, self._room, self._stack, self._columns)
        why: int = kernel.advance(*state, task)
        return why

    def _found(self) -> int:
        """Number of regions so far."""
        at = self._columns.regions.at
        return int(at[TOTAL_REGIONS] + at[REGIONS])

    def _reached(self, limits: Limits) -> Outcome | None:
        """The limit that was reached."""
        if limits.regions is not None and self._found() >= limits.regions:
            return Outcome.REGION_LIMIT
        if limits.deadline is not None and time.monotonic() > limits.deadline:
            return Outcome.TIME_LIMIT
        if limits.stop is not None and limits.stop():
            return Outcome.INTERRUPTED
        return None

    def _grow(self) -> None:
        """Twice the room for skeletons, with what is there."""
        n, old = len(self._dim), self._cells
        cells = room_for_cells(n, 2 * len(old.x) // n)
        for new, column in zip(cells, old, strict=True):
            new[: len(column)] = column
        self._cells, self._room = cells, self._room_for_one(2 * len(self._room.cut.value))

    def _room_for_one(self, vertices: int) -> kernel.Room:
        """Room for one cell of at most so many vertices."""
        widest = max(self.network.inputs, *self.network.widths, 0)
        return kernel.make_room(self.domain.half, vertices, self.network.neurons, widest, self._wishes.sizes)

    def _tell(self) -> int:
        """What the kernel tells of regions."""
        return self._wishes.facets * FACETS + (self._wishes.maps > 0) * MAPS + self._wishes.sizes * SIZES

    def _flush(self) -> None:
        """Take the columns that are new, and hand them over; claims below which no region is known yet wait."""
        tree, new, _, out = self._columns
        first, done, claims = int(tree.at[TOTAL_NODES]), int(new.at[TOTAL_REGIONS]), int(out.at[READY_CLAIMS])
        if first != sum(len(columns[0]) for columns, _ in self._chunks):  # taken before, and then came an interrupt
            return
        nodes, regions, entries = int(tree.at[NODES]), int(new.at[REGIONS]), int(out.at[READY_ENTRIES])
        columns = tuple(c[:nodes].copy() for c in (tree.parent, tree.neuron, tree.side)) + tuple(
            c[:regions].copy() for c in (new.bits, new.unit, new.leaf)
        )
        said = Claims(
            out.node[:claims].copy(),
            out.neuron[:claims].copy(),
            out.sign[:claims].copy(),
            np.concatenate([[0], out.end[:claims]]),
            out.constraint[:entries].copy(),
            out.multiplier[:entries].copy(),
        )
        told = self._told(regions)
        self._chunks.append((columns, told))
        kernel.begin_chunk(tree, new, out)
        if self._sink is None or not regions or self._sending:  # still sending: an interrupt fell into the chunk before
            return
        self._sending = True
        parent, neuron, side, bits, unit, leaf = columns
        if getattr(self._sink, "keeps_regions", False):
            self._chunks[-1] = (parent, neuron, side, bits[:0].copy(), unit[:0].copy(), leaf), told
        self._sink(Chunk(first, parent, neuron, side, done, bits, unit, leaf, said))
        self._sending = False

    def _told(self, regions: int) -> Seen:
        """What was told of the first regions of the chunk."""
        out, wishes = self._columns.told, self._wishes
        facets = Facets(out.facets[:regions].copy(), out.sure[:regions].copy()) if wishes.facets else None
        maps = Maps(out.map[:regions].copy(), out.map_noise[:regions].copy()) if wishes.maps else None
        self._map_bytes += 0 if maps is None else maps.map.nbytes + maps.noise.nbytes
        if self._map_bytes > wishes.maps:  # then of no region
            self._wishes = replace(wishes, maps=0)
            self._chunks, maps = [(columns, replace(seen, maps=None)) for columns, seen in self._chunks], None
        sizes = None
        if wishes.sizes:
            volume, box_area, closed, length = (c[:regions].copy() for c in (out.volume, out.box_area, out.closed, out.length))
            sizes = Sizes(volume, box_area, closed, length, out.area[: self._columns.regions.at[AREAS]].copy())
        return Seen(facets, maps, sizes)
