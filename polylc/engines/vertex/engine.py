"""The vertex engine: cells as skeletons of simple polytopes, cut by hyperplanes, for neighbourhoods of low dimension.

Where the lp engine solves a linear program, this one looks at the vertices of the cell: a neuron is decided if it has one sign
at all of them, and the edges at its least vertex give the multipliers of the claim. The search runs compiled, on flat arrays
(search.py); what is here feeds it and takes its columns.

As in every engine, tolerances only steer the search. Vertices that coincide, hyperplanes through vertices and neurons that
vanish are cut as rounding has it; whatever goes wrong so is for the exact judge to find.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from polylc.domains.box import Neighbourhood
from polylc.engines.contract import UNIT_DEPTH, Chunk, ChunkSink, Claims, Exploration, Left, Limits, Outcome, Prefix, Progress
from polylc.engines.extras import NOTHING, Facets, Maps, Seen, Sizes, Wishes, join
from polylc.engines.vertex import search as kernel
from polylc.engines.vertex.forms import Forms, start_forms
from polylc.engines.vertex.measures import gauge
from polylc.engines.vertex.skeleton import Cells, Scratch
from polylc.errors import ReplayError
from polylc.network.form import Network
from polylc.network.patterns import words
from polylc.network.replay import FlatNet, begin, flatten

MOST_DIMENSION = 5
CHUNK_REGIONS, CHUNK_CLAIMS = 8192, 1 << 17
CELL_ROOM, CUT_ROOM = 4096, 256  # vertices to begin with, on the stack and of one cell
SLICE = 0.03  # seconds that the compiled search runs between two looks at limits and signals


class VertexEngine:
    """Explores one neighbourhood, of dimension at most `MOST_DIMENSION`, of one network.

    Parameters
    ----------
    network : Network
    domain : Neighbourhood
    sink : callable, optional
        Receives chunks of nodes, regions and claims; without it claims are not recorded. They are made of regions instead of nodes for a sink with
        an attribute `by_region` that is true.
    prefix : sequence of (neuron, side)
        Path of the cell to explore, by default the whole neighbourhood.
    wishes : Wishes
        What to tell besides.
    """

    name = "vertex"
    unit_depth = UNIT_DEPTH

    def __init__(self, network: Network, domain: Neighbourhood, sink: ChunkSink | None = None, prefix: Prefix = (), wishes: Wishes = NOTHING) -> None:
        if domain.dimension > MOST_DIMENSION:
            raise ValueError(f"cells of dimension {domain.dimension} > {MOST_DIMENSION} have too many vertices")
        self.network, self.domain, self._sink = network, domain, sink
        self._claims = kernel.NO_CLAIMS if sink is None else kernel.BY_REGION if getattr(sink, "by_region", False) else kernel.BY_NODE
        self._dim = (0,) * domain.dimension
        self._net: FlatNet = flatten(network)
        start = domain.embedding
        self._forms: Forms = start_forms(begin(network, self._net, start, domain.rounding))
        k, claims = domain.dimension, 0 if sink is None else max(CHUNK_CLAIMS, 4 * (network.neurons + 2 * domain.dimension))
        widest = max(network.inputs, *network.widths, 0)
        self._cells, self._scratch = _room_for_cells(k, CELL_ROOM), _room_for_cut(k, CUT_ROOM, network.neurons, widest)
        self._wishes, self._map_bytes = wishes, 0
        self._stack, self._out = _room_for_stack(network), _room_for_columns(network, k, claims, wishes)
        self._gauge = gauge(domain.half, network.neurons, CUT_ROOM if wishes.sizes else 0)
        self._at, self._share = np.zeros(kernel.COUNTERS, dtype=np.int64), np.zeros(1)
        self._prefix = np.array(prefix, dtype=np.int64).reshape(-1, 2)
        self._chunks: list[tuple[tuple[np.ndarray, ...], Seen]] = []
        self._left: list[Left] = []
        self._sending = False
        self.done = 0.0
        self._start()

    def explore(self, limits: Limits | None = None, progress: Progress | None = None) -> Exploration:
        """Explore until the tree is complete, a limit is reached or the user interrupts (KeyboardInterrupt)."""
        try:
            outcome = self._explore(limits or Limits(), progress)
            self._flush()
        except KeyboardInterrupt:
            outcome = Outcome.INTERRUPTED
            self._flush()
        parent, neuron, side, bits, unit, leaf = (np.concatenate(column) for column in zip(*(c for c, _ in self._chunks), strict=True))
        at = self._at
        stats = {
            "cells": int(at[kernel.PROCESSED]),
            "largest_cell": int(at[kernel.LARGEST]),
            "vertex_values": int(at[kernel.VALUES]),
            "nodes": len(parent),
        }
        return Exploration(parent, neuron, side, bits, unit, leaf, outcome, stats, tuple(self._left), join([seen for _, seen in self._chunks]))

    def _start(self) -> None:
        """The whole neighbourhood as the first cell, and node 0."""
        n, cells, stack, at = len(self._dim), self._cells, self._stack, self._at
        corner = np.arange(1 << n)[:, None]
        axis = np.arange(n)
        up = corner >> axis & 1
        cells.x[: up.size] = np.where(up, 1.0, -1.0).ravel()
        cells.facet[: up.size] = (2 * axis + up).ravel()
        cells.edge[: up.size] = ((corner ^ 1 << axis) * n + axis).ravel()
        stack.frame[0] = (0, len(corner), -1, 0, 0, -1, -1, 0, 0)
        stack.share[0] = 1.0
        self._out.parent[0] = self._out.neuron[0] = self._out.side[0] = -1
        at[kernel.HEIGHT] = at[kernel.NODES] = 1

    def _explore(self, limits: Limits, progress: Progress | None) -> Outcome:
        at, out = self._at, self._out
        budget, share = 64, False
        while at[kernel.HEIGHT] > 0:
            reached = self._reached(limits)
            if reached is not None:
                return reached
            share = share or (limits.share is not None and limits.share())
            most = len(out.leaf)
            if limits.regions is not None:
                most = min(most, limits.regions - int(at[kernel.TOTAL_REGIONS]))
            begin = time.monotonic()
            state = (self._dim, self._net, self._forms, self._cells, self._scratch, self._gauge, self._stack, out, at, self._share)
            why = kernel.advance(*state, self._claims, self._tell(), most, budget, self._prefix, self.unit_depth, share)
            if why == kernel.LOST:
                raise ReplayError("the search does not come to the cell it was sent to")
            if why == kernel.LEFT:
                node = int(self._stack.frame[at[kernel.HEIGHT], kernel.NODE])
                self._left.append(Left(node, int(at[kernel.TOTAL_REGIONS] + at[kernel.REGIONS])))
            elif why == kernel.SHORT:
                self._grow()
            elif why == kernel.FULL:
                self._flush()
            elif time.monotonic() - begin < SLICE:
                budget = min(2 * budget, 1 << 20)
            else:
                budget = max(budget // 2, 1)
            self.done = 1.0 if at[kernel.HEIGHT] == 0 and not self._left else min(float(self._share[0]), 1.0)
            if progress is not None:
                progress(int(at[kernel.TOTAL_REGIONS] + at[kernel.REGIONS]), self.done)
        return Outcome.COMPLETE

    def _reached(self, limits: Limits) -> Outcome | None:
        """The limit that was reached."""
        if limits.regions is not None and self._at[kernel.TOTAL_REGIONS] + self._at[kernel.REGIONS] >= limits.regions:
            return Outcome.REGION_LIMIT
        if limits.deadline is not None and time.monotonic() > limits.deadline:
            return Outcome.TIME_LIMIT
        if limits.stop is not None and limits.stop():
            return Outcome.INTERRUPTED
        return None

    def _grow(self) -> None:
        """Twice the room for skeletons, with what is there."""
        n, old, cut = len(self._dim), self._cells, self._scratch
        cells = _room_for_cells(n, 2 * len(old.x) // n)
        for new, column in zip(cells, old, strict=True):
            new[: len(column)] = column
        self._cells, self._scratch = cells, _room_for_cut(n, 2 * len(cut.value), len(cut.clear), len(cut.low))
        if self._wishes.sizes:
            self._gauge = gauge(self.domain.half, len(cut.clear), 2 * len(cut.value))

    def _tell(self) -> int:
        """What the kernel tells of regions."""
        return self._wishes.facets * kernel.FACETS + (self._wishes.maps > 0) * kernel.MAPS + self._wishes.sizes * kernel.SIZES

    def _flush(self) -> None:
        """Take the columns that are new, and hand them over; claims below which no region is known yet wait."""
        at, out = self._at, self._out
        first, done, claims = int(at[kernel.TOTAL_NODES]), int(at[kernel.TOTAL_REGIONS]), int(at[kernel.READY])
        if first != sum(len(columns[0]) for columns, _ in self._chunks):  # taken before, and then came an interrupt
            return
        nodes, regions = int(at[kernel.NODES]), int(at[kernel.REGIONS])
        columns = tuple(c[:nodes].copy() for c in (out.parent, out.neuron, out.side)) + tuple(
            c[:regions].copy() for c in (out.bits, out.unit, out.leaf)
        )
        entries = int(at[kernel.READY_ENTRIES])
        said = Claims(
            out.claim_node[:claims].copy(),
            out.claim_neuron[:claims].copy(),
            out.claim_sign[:claims].copy(),
            np.concatenate([[0], out.claim_end[:claims]]),
            out.constraint[:entries].copy(),
            out.multiplier[:entries].copy(),
        )
        told = self._told(regions)
        self._chunks.append((columns, told))
        kernel.begin_chunk(out, at)
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
        out, wishes = self._out, self._wishes
        facets = Facets(out.facets[:regions].copy(), out.sure[:regions].copy()) if wishes.facets else None
        maps = Maps(out.map[:regions].copy(), out.map_noise[:regions].copy()) if wishes.maps else None
        self._map_bytes += 0 if maps is None else maps.map.nbytes + maps.noise.nbytes
        if self._map_bytes > wishes.maps:  # then of no region
            self._wishes = replace(wishes, maps=0)
            self._chunks, maps = [(columns, replace(seen, maps=None)) for columns, seen in self._chunks], None
        sizes = None
        if wishes.sizes:
            volume, box_area, closed, length = (c[:regions].copy() for c in (out.volume, out.box_area, out.closed, out.length))
            sizes = Sizes(volume, box_area, closed, length, out.area[: self._at[kernel.AREAS]].copy())
        return Seen(facets, maps, sizes)


def _room_for_cells(n: int, vertices: int) -> Cells:
    return Cells(np.empty(vertices * n), np.empty(vertices * n, dtype=np.int32), np.empty(vertices * n, dtype=np.uint32))


def _room_for_cut(n: int, vertices: int, neurons: int, width: int) -> Scratch:
    numbers = [np.empty(size, dtype=np.int64) for size in (vertices, vertices * n, vertices * n, vertices * n * n)]
    place, number, cut, link = numbers
    low, high, spread, length = (np.empty(width) for _ in range(4))
    region = np.empty((n + 1, n + 1)), np.empty(n + 1), np.empty((2, n)), np.empty(neurons), np.empty(neurons)
    beside, local = np.empty(neurons, dtype=np.int64), np.full(neurons, -1, dtype=np.int64)
    value, middle, rows = np.empty(vertices), np.empty(vertices * n), np.empty((n + 2, vertices * n))
    return Scratch(value, place, number, cut, link, low, high, spread, length, *region, beside, local, middle, rows)


def _room_for_stack(network: Network) -> kernel.Stack:
    height = network.neurons + 2
    lists = sum(w * (w + 3) // 2 for w in network.widths) + 1
    frames, opens, path = (np.zeros(shape, dtype=np.int64) for shape in ((height, kernel.DEPTH + 1), lists, height))
    return kernel.Stack(frames, np.zeros(height), opens, path)


def _room_for_columns(network: Network, n: int, claims: int, wishes: Wishes) -> kernel.Out:
    regions = CHUNK_REGIONS
    seen, mapped, sized = (regions if wish else 0 for wish in (wishes.facets, wishes.maps, wishes.sizes))
    nodes = 2 * (regions + network.neurons) + 16

    def whole(count: int) -> np.ndarray:
        return np.empty(count, dtype=np.int32)

    return kernel.Out(
        whole(nodes),
        whole(nodes),
        np.empty(nodes, dtype=np.int8),
        np.empty((regions, words(network.neurons)), dtype=np.uint64),
        np.empty((regions, n)),
        whole(regions),
        np.empty((seen, words(network.neurons)), dtype=np.uint64),
        np.empty(seen, dtype=np.bool_),
        np.empty((mapped, network.outputs, n + 1)),
        np.empty((mapped, network.outputs)),
        np.empty(sized),
        np.empty((sized, 2 * n)),
        np.empty(sized, dtype=np.bool_),
        whole(sized),
        np.empty(32 * sized + network.neurons),
        whole(claims),
        whole(claims),
        np.empty(claims, dtype=np.int8),
        np.empty(claims, dtype=np.int64),
        whole(claims * n),
        np.empty(claims * n),
    )
