"""The region graph: which regions share a facet, exactly.

A facet of a region lies on a hyperplane of its path, and beyond it only one pattern is possible (`crossing`). If the list
holds that pattern, the two regions touch in the hyperplane, and share a facet if the region has one there (`facets`).
Given the list of regions, every decision is exact: doubles propose, and decide only what they decide beyond doubt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polylc.complex.crossing import Candidates, candidates
from polylc.complex.facets import FacetProofs, facet_tests
from polylc.complex.kernels import FACET, NO_FACET, OPEN, Columns, Found, directions, room, sweep
from polylc.complex.regions import Complex
from polylc.network.patterns import unpack

SWEPT = 2048  # regions between two looks at signals


@dataclass(frozen=True)
class RegionGraph:
    """Edges as columns; the regions of an edge are first < second.

    Attributes
    ----------
    first, second : ndarray of int, shape (E,)
        Regions.
    first_entry, second_entry : ndarray of int, shape (E,)
        The path entry of each region whose hyperplane carries the facet; -1 where only the other region names it.
    flips : ndarray of int, shape (E,)
        Number of bits that differ.
    tested : dict
        How candidates were settled: edges shown by a point in doubles, in integers or by an exact program, and pairs without
        a common facet. "not settled" are pairs left out because no programs were asked for.
    proofs : FacetProofs, candidates : Candidates
        What proves each answer, by candidate, if it was asked for.
    """

    first: np.ndarray
    second: np.ndarray
    first_entry: np.ndarray
    second_entry: np.ndarray
    flips: np.ndarray
    tested: dict[str, int]
    proofs: FacetProofs | None = None
    candidates: Candidates | None = None

    def __len__(self) -> int:
        return len(self.first)

    def entry(self) -> np.ndarray:
        """A path entry that carries each edge's facet."""
        return np.where(self.first_entry >= 0, self.first_entry, self.second_entry)

    def neurons(self, complex_: Complex) -> np.ndarray:
        """A neuron that flips across each edge, on the path where possible."""
        result: np.ndarray = complex_.neuron[self.entry()].astype(np.int64)
        return result


def build_graph(complex_: Complex, programs: bool = True, keep: bool = False) -> RegionGraph:
    """The region graph of a complex.

    Parameters
    ----------
    complex_ : Complex
    programs : bool
        Whether pairs that no point at hand settles go to a linear program; without it they are left out.
    keep : bool
        Whether the proofs are kept, for a certificate.

    Returns
    -------
    RegionGraph
    """
    seen = sweep_all(complex_, programs, keep)
    odd = candidates(complex_, seen.odd, seen.suspects)
    edge = np.flatnonzero(seen.state == FACET)
    tested = {"by point": len(edge), "by integers": 0, "by exact simplex": 0, "no facet": int((seen.state == NO_FACET).sum()), "not settled": 0}
    asked, other = _asked(complex_, seen, odd, keep)
    is_edge, more, proofs = facet_tests(complex_, asked, programs, keep)
    tested = {how: many + more[how] for how, many in tested.items()}
    first, second, entries = seen.region[edge], seen.beyond[edge], np.stack([seen.entry[edge], seen.beyond_entry[edge]])
    if is_edge.any():
        turned = asked.region > asked.beyond
        ends = np.where(turned, [asked.beyond, asked.region], [asked.region, asked.beyond])[:, is_edge]
        names = np.where(turned, [other, asked.entry], [asked.entry, other])[:, is_edge]
        first, second, entries = np.append(first, ends[0]), np.append(second, ends[1]), np.append(entries, names, axis=1)
        order = np.lexsort((second, first))
        first, second, entries = first[order], second[order], entries[:, order]
    if keep:
        asked = _with_proofs(seen, edge, asked, proofs)
    return RegionGraph(first, second, entries[0], entries[1], _flips(complex_.bits, first, second), tested, *((proofs, asked) if keep else ()))


def sweep_all(complex_: Complex, programs: bool, keep: bool) -> Found:
    """What doubles know of all facets; columns of the length of what was found."""
    net, replay, k = complex_.flat, complex_.replay(), complex_.domain.dimension
    seen, columns = directions(net, k + 1), Columns(complex_.bits, complex_.unit, complex_.starts, complex_.neuron, complex_.side)
    work = room(int(np.diff(complex_.starts).max(initial=0)), k)
    parts = []
    for begin in range(0, len(complex_), SWEPT):
        end = min(begin + SWEPT, len(complex_))
        found = _room_for(int(complex_.starts[end] - complex_.starts[begin]), complex_.bits.shape[1], k if keep else 0)
        odd, pairs = sweep(net, replay, seen, columns, complex_.index.table, begin, end, keep, programs, work, found)
        parts.append(Found(*(column[:odd].copy() for column in found[:2]), *(column[:pairs].copy() for column in found[2:])))
    return Found(*(np.concatenate(column) for column in zip(*parts, strict=True))) if parts else _room_for(0, complex_.bits.shape[1], k)


def _room_for(entries: int, words: int, k: int) -> Found:
    whole = [np.empty(entries, dtype=np.int32) for _ in range(2)]
    long = [np.empty(entries, dtype=np.int64) for _ in range(3)]
    odd, suspects = long[0], np.empty((entries, words), dtype=np.uint64)
    small = np.empty(entries, dtype=np.int8), np.empty(entries, dtype=np.int16)
    return Found(odd, suspects, whole[0], long[1], whole[1], long[2], *small, np.empty((entries, k)))


def _asked(complex_: Complex, seen: Found, odd: Candidates, keep: bool) -> tuple[Candidates, np.ndarray]:
    """The pairs that are left to exact arithmetic, and the entry of the other region that names the same hyperplane, or -1.

    A facet is named by both of its regions. So the first decides; what only the second names is asked if proofs are kept.
    """
    open_ = np.flatnonzero(seen.state == OPEN)
    count = np.int64(len(complex_))
    key = odd.region * count + odd.beyond
    back = odd.beyond * count + odd.region
    place = np.argsort(key, kind="stable")
    at = np.searchsorted(key[place], back)
    known = at < len(key)
    known[known] = key[place[at[known]]] == back[known]
    other = np.full(len(key), -1, dtype=np.int64)
    other[known] = odd.entry[place[at[known]]]
    for i in np.flatnonzero(~known).tolist():
        other[i] = _named(complex_, int(odd.beyond[i]), int(odd.entry[i]), odd.groups)
    tried = odd.region < odd.beyond
    if keep:
        plain = np.isin(back, seen.region.astype(np.int64) * count + seen.beyond)
        tried |= ~known & ~plain
    pick = np.flatnonzero(tried)
    asked = Candidates(
        np.append(seen.region[open_].astype(np.int64), odd.region[pick]),
        np.append(seen.entry[open_], odd.entry[pick]),
        np.append(seen.beyond[open_].astype(np.int64), odd.beyond[pick]),
        odd.groups,
    )
    return asked, np.append(seen.beyond_entry[open_], other[pick])


def _named(complex_: Complex, region: int, entry: int, groups: dict[int, np.ndarray]) -> int:
    """The first entry of a region's path on the hyperplane that `entry` of its neighbour names, or -1."""
    begin, end = int(complex_.starts[region]), int(complex_.starts[region + 1])
    path = complex_.neuron[begin:end]
    group = groups.get(entry)
    on = path == complex_.neuron[entry] if group is None else group[path]
    return begin + int(on.argmax()) if on.any() else -1


def _with_proofs(seen: Found, edge: np.ndarray, asked: Candidates, proofs: FacetProofs) -> Candidates:
    """All pairs that have a proof: behind those of `asked`, the edges that doubles settled, whose points join the proofs."""
    count = len(asked.region)
    proofs.points.update(enumerate(zip(seen.solved[edge].tolist(), seen.point[edge], strict=True), count))
    return Candidates(
        np.append(asked.region, seen.region[edge]), np.append(asked.entry, seen.entry[edge]), np.append(asked.beyond, seen.beyond[edge]), asked.groups
    )


def _flips(bits: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Number of bits that differ across each edge."""
    flips = np.zeros(len(first), dtype=np.int32)
    for word in bits.T:
        flips += np.bitwise_count(word[first] ^ word[second])
    return flips


def edge_patterns(complex_: Complex, graph: RegionGraph, rows: slice) -> tuple[np.ndarray, np.ndarray]:
    """Bits of the two regions of some edges; boolean, shape (len(rows), neurons) each."""
    neurons = complex_.network.neurons
    return unpack(complex_.bits[graph.first[rows]], neurons), unpack(complex_.bits[graph.second[rows]], neurons)
