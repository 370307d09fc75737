"""The compiled sweep over all regions, slice by slice, in as many threads as asked for."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from contextvars import copy_context
from dataclasses import dataclass
from threading import Event

import numpy as np

from polylc.complex import engine_facets as links
from polylc.complex.complex import Complex
from polylc.complex.facet_search import FACET, OPEN
from polylc.complex.facet_sweep import Found, room, sweep
from polylc.complex.hyperplanes import directions
from polylc.exact.checkpoint import checkpoint
from polylc.exact.mapped import joined

SWEPT = 2048  # regions between two looks at signals
SWEPT_BITS = 1 << 22  # and of their patterns: of large networks fewer regions take as long
SWEPT_PRODUCTS = 1 << 30  # and of what composing their forms takes at most, where these are far from one another
SLICE = 8 * SWEPT  # regions that are swept with one replay of the forms, in one thread
CHEAP = 8  # beyond that dimension regions cost so much that SWEPT of them are enough for a thread

SURE = 0.95  # an engine's facets are used if it is sure of those of so many regions

Columns = tuple[list[list[np.ndarray]], int]


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
    size = SLICE if complex_.domain.dimension <= CHEAP else SWEPT
    begins = range(0, max(len(complex_), 1), size)  # once where there is no region, for empty columns
    _ = complex_.flat, complex_.index, complex_.start  # derived once, before threads
    stop = Event()
    columns: list[list[np.ndarray]] = [[] for _ in range(12)]
    refuted = 0
    with nullcontext() if threads <= 1 else ThreadPoolExecutor(threads) as pool:

        def one(begin: int) -> Columns:
            return _slice(complex_, begin, min(begin + size, len(complex_)), programs, keep, stop)

        try:
            # the time limit holds in threads too
            each = map(one, begins) if pool is None else pool.map(lambda c, b: c.run(one, b), [copy_context() for _ in begins], begins)
            for parts, none in each:
                refuted += none
                for column, part in zip(columns, parts, strict=True):
                    column += part
        finally:
            stop.set()
    whole = [_joined(column) for column in columns]
    return Swept(whole[0], whole[1], Pairs(*whole[2:6]), Pairs(*whole[6:10]), whole[10], whole[11], refuted)


def _slice(complex_: Complex, first: int, last: int, programs: bool, keep: bool, stop: Event) -> Columns:
    """Columns of what is found in one slice, in parts, and the number of pairs without a facet."""
    net, replay, k = complex_.flat, complex_.replay(), complex_.domain.dimension
    seen, starts = directions(net, k + 1), complex_.starts
    facets = None if keep or complex_.seen.facets is None or complex_.seen.facets.sure.mean() < SURE else complex_.seen.facets
    table = complex_.index.table
    longest = int(np.diff(starts[first : last + 1]).max(initial=0))
    links_room = links.room(longest)
    work, facet_room = room(longest, k, complex_.network.neurons, complex_.bits.shape[1])
    composing = (k + 1) * sum(before * after for before, after in itertools.pairwise(complex_.network.widths))
    step = max(1, min(SWEPT, SWEPT_BITS // max(1, complex_.network.neurons), SWEPT_PRODUCTS // max(1, composing)))
    most = max((int(starts[min(b + step, last)] - starts[b]) for b in range(first, last, step)), default=0)
    found = _room_for(most, complex_.bits.shape[1], k if keep else 0, len(complex_.neuron))
    done = np.zeros((last - first, complex_.bits.shape[1]), dtype=np.uint64)
    parts: list[list[np.ndarray]] = [[] for _ in range(12)]
    refuted = 0
    for begin in range(first, max(last, first + 1), step):
        if stop.is_set():
            break
        checkpoint()
        end = min(begin + step, last)
        if facets is not None:
            odd, pairs = links.link(complex_.columns, facets.neurons, facets.sure, table, begin, end, links_room, found)
        else:
            settled = done[begin - first :]
            odd, pairs = sweep(
                net, replay, seen, complex_.columns, table, begin, end, keep, programs, complex_.proved, settled, work, facet_room, found
            )
        edge, left = (np.flatnonzero(found.state[:pairs] == state) for state in (FACET, OPEN))
        refuted += pairs - len(edge) - len(left)
        pair = (found.region, found.entry, found.beyond, found.beyond_entry)
        points = (found.solved[edge], found.point[edge]) if keep else (found.solved[:0], found.point[:0])
        new = (found.odd[:odd].copy(), found.suspects[:odd].copy(), *(c[edge] for c in pair), *(c[left] for c in pair), *points)
        for part, column in zip(parts, new, strict=True):
            part.append(column)
    return parts, refuted


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """One array of several, which are forgotten."""
    result = joined(parts)
    parts.clear()
    return result


def _room_for(pairs: int, words: int, k: int, entries: int) -> Found:
    entry = np.int32 if entries < 2**31 else np.int64
    odd, suspects = np.empty(pairs, dtype=np.int64), np.empty((pairs, words), dtype=np.uint64)
    region, beyond = (np.empty(pairs, dtype=np.int32) for _ in range(2))
    own, other = (np.empty(pairs, dtype=entry) for _ in range(2))
    small = np.empty(pairs, dtype=np.int8), np.empty(pairs, dtype=np.int32)
    return Found(odd, suspects, region, own, beyond, other, *small, np.empty((pairs, k)))
