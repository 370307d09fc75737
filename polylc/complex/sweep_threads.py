"""The compiled sweep over all regions, slice by slice, in as many threads as asked for."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from contextvars import copy_context
from dataclasses import dataclass
from threading import Event

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.engine_facets import link
from polylc.complex.facet_sweep import Found, How, PairColumns, Room, room, sweep
from polylc.complex.hyperplanes import directions
from polylc.complex.split_tree import groups_of, settle
from polylc.exact.checkpoint import checkpoint
from polylc.exact.mapped import joined, zeros
from polylc.network.twins import twins

SWEPT = 2048  # regions between two looks at signals
SWEPT_BITS = 1 << 22  # and of their patterns: of large networks fewer regions take as long
SWEPT_PRODUCTS = 1 << 30  # and of what composing their forms takes at most, where these are far from one another
SLICE = 8 * SWEPT  # regions that are swept with one replay of the forms, in one thread
CHEAP = 8  # beyond that dimension regions cost so much that SWEPT of them are enough for a thread

SURE = 0.95  # an engine's facets are used if it is sure of those of so many regions


@dataclass(frozen=True)
class Pairs:
    """Pairs of regions that a hyperplane may join: region, its path entry, the region beyond, and its path entry or
    -1.
    """

    region: np.ndarray
    entry: np.ndarray
    beyond: np.ndarray
    beyond_entry: np.ndarray


@dataclass(frozen=True)
class Swept:
    """What doubles know of all facets.

    Attributes
    ----------
    odd, suspects : ndarray
        Entries on whose hyperplanes further neurons may vanish, and those neurons, packed.
    edges, open : Pairs
        Pairs with a facet, ordered, and pairs that doubles leave open.
    solved, point : ndarray
        The points that prove the edges, if they were to be kept.
    refuted : int
        Number of pairs without a facet.
    """

    odd: np.ndarray
    suspects: np.ndarray
    edges: Pairs
    open: Pairs
    solved: np.ndarray
    point: np.ndarray
    refuted: int


def sweep_all(complex_: Complex, programs: bool, keep: bool, threads: int = 1) -> Swept:
    """Sweep over all regions. Slices begin anew, so the result does not depend on the number of threads."""
    sweeps = _Sweeps(complex_, programs, keep)
    if threads > 1:
        sweeps.settle()
    columns: list[list[np.ndarray]] = [[] for _ in range(12)]
    with nullcontext() if threads <= 1 else ThreadPoolExecutor(threads) as pool:
        try:
            begins = sweeps.begins
            # the time limit holds in threads too
            each = (
                map(sweeps.slice, begins) if pool is None else pool.map(lambda c, b: c.run(sweeps.slice, b), [copy_context() for _ in begins], begins)
            )
            refuted = 0
            for parts, none in each:
                refuted += none
                for column, part in zip(columns, parts, strict=True):
                    column += part
        finally:
            sweeps.stop.set()
    whole = [_joined(column) for column in columns]
    edges, solved, point = sweeps.in_order(Pairs(*whole[2:6]), whole[10], whole[11])
    return Swept(whole[0], whole[1], edges, Pairs(*whole[6:10]), solved, point, refuted)


class _Sweeps:
    """The sweep over a complex, slice by slice."""

    def __init__(self, complex_: Complex, programs: bool, keep: bool) -> None:
        self._complex = complex_
        count, words, k = len(complex_), complex_.bits.shape[1], complex_.domain.dimension
        seen = complex_.seen.facets
        self._facets = None if keep or seen is None or seen.sure.mean() < SURE else seen
        proved = complex_.proved and not keep
        self._how = How(keep, programs, proved, proved and complex_.complete and not complex_.round)
        self._tree, self._groups = complex_.tree, groups_of(twins(complex_.network), words)
        self._net, self._start = complex_.flat, complex_.start  # derived once, before threads
        self._settled = zeros((count, words), np.uint64)
        self._lengths = np.diff(complex_.starts)[self._tree.order]
        composing = (k + 1) * sum(before * after for before, after in itertools.pairwise(complex_.network.widths))
        self._step = max(1, min(SWEPT, SWEPT_BITS // max(1, complex_.network.neurons), SWEPT_PRODUCTS // max(1, composing)))
        self._size = SLICE if k <= CHEAP else SWEPT
        self.begins = range(0, max(count, 1), self._size)  # once where there is no region, for empty columns
        self.stop = Event()

    def settle(self) -> None:
        """Enter all pairs, where that makes it needless to look at the entries that lead from one region to the other;
        in one go, since slices enter them at regions of others.
        """
        if not self._how.proved and self._facets is None:
            return
        c, count = self._complex, len(self._complex)
        work = self._room(0, count)[0].pairs
        for begin, end in self._steps(0, count):
            settle(c.bits, c.neuron, c.starts, self._tree, self._groups, begin, end, self._settled, work)

    def slice(self, first: int) -> tuple[list[list[np.ndarray]], int]:
        """Columns of what is found in one slice, in parts, and the number of pairs without a facet."""
        c, facets, last = self._complex, self._facets, min(first + self._size, len(self._complex))
        work, found = self._room(first, last)
        replay, seen = (None, None) if facets is not None else (c.replay(), directions(self._net, c.domain.dimension + 1))
        parts: list[list[np.ndarray]] = [[] for _ in range(12)]
        refuted = 0
        for begin, end in self._steps(first, last):
            where = c.columns, self._tree, self._groups, begin, end
            if facets is not None:
                odd, edges, open_ = link(where[0], facets.neurons, facets.sure, *where[1:], self._settled, work.pairs, found)
            else:
                odd, edges, open_, without = sweep(self._net, replay, seen, *where, self._how, self._settled, work, found)
                refuted += without
            proofs = edges if self._how.keep else 0
            new = [found.odd[:odd], found.suspects[:odd], *(column[:edges] for column in found.edges), *(column[:open_] for column in found.open)]
            for part, column in zip(parts, [*new, found.solved[:proofs], found.point[:proofs]], strict=True):
                part.append(column.copy())
        return parts, refuted

    def in_order(self, edges: Pairs, solved: np.ndarray, point: np.ndarray) -> tuple[Pairs, np.ndarray, np.ndarray]:
        """Edges in the order of their regions, the first before the second, as they are where regions are at their own
        places.
        """
        if (self._tree.order[1:] > self._tree.order[:-1]).all():
            return edges, solved, point
        turned = edges.region > edges.beyond
        first, second = np.where(turned, edges.beyond, edges.region), np.where(turned, edges.region, edges.beyond)
        entry, other = np.where(turned, edges.beyond_entry, edges.entry), np.where(turned, edges.entry, edges.beyond_entry)
        order = np.lexsort((second, first))
        proofs = order if self._how.keep else np.zeros(0, dtype=np.int64)
        return Pairs(first[order], entry[order], second[order], other[order]), solved[proofs], point[proofs]

    def _steps(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Between looks at limits and signals; one, if there is no region."""
        for begin in range(first, max(last, first + 1), self._step):
            if self.stop.is_set():
                return
            checkpoint()
            yield begin, min(begin + self._step, last)

    def _room(self, first: int, last: int) -> tuple[Room, Found]:
        """Room for a step."""
        c = self._complex
        words, k = c.bits.shape[1], c.domain.dimension
        most = max((int(self._lengths[begin : min(begin + self._step, last)].sum()) for begin in range(first, last, self._step)), default=0)
        longest = int(self._lengths.max(initial=0))
        work = room(longest, k, c.network.neurons, words, min(self._step, last - first), most)
        return work, _room_for(most, words, k if self._how.keep else 0, len(c.neuron))


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """One array of several, which are forgotten."""
    result = joined(parts)
    parts.clear()
    return result


def _room_for(pairs: int, words: int, k: int, entries: int) -> Found:
    entry = np.int32 if entries < 2**31 else np.int64

    def columns() -> PairColumns:
        region, beyond = (np.empty(pairs, dtype=np.int32) for _ in range(2))
        return PairColumns(region, np.empty(pairs, dtype=entry), beyond, np.empty(pairs, dtype=entry))

    odd, suspects = np.empty(pairs, dtype=np.int64), np.empty((pairs, words), dtype=np.uint64)
    return Found(odd, suspects, columns(), columns(), np.empty(pairs, dtype=np.int32), np.empty((pairs, k)))
