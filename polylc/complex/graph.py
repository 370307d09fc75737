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
from polylc.complex.regions import Complex
from polylc.network.compose import batches
from polylc.network.patterns import unpack


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
    seen = candidates(complex_)
    low, high = np.minimum(seen.region, seen.beyond), np.maximum(seen.region, seen.beyond)
    order = np.lexsort((seen.region, high, low))
    low, high = low[order], high[order]
    new = np.ones(len(low), dtype=bool)
    new[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    pair = np.cumsum(new) - 1
    first, second = low[new], high[new]
    entries = np.full((2, len(first)), -1, dtype=np.int64)
    entries[(seen.region[order] == high).astype(int), pair] = seen.entry[order]
    tried = order[new]  # one candidate of each pair: that of its first region, where both name it
    asked = Candidates(seen.region[tried], seen.entry[tried], seen.beyond[tried], seen.groups)
    is_edge, tested, proofs = facet_tests(complex_, asked, programs, keep)
    first, second, entries = first[is_edge], second[is_edge], entries[:, is_edge]
    flips = np.zeros(len(first), dtype=np.int64)
    for rows in batches(len(first), complex_.network.neurons + 1, 16_000_000):
        flips[rows] = np.bitwise_count(complex_.bits[first[rows]] ^ complex_.bits[second[rows]]).sum(axis=1)
    return RegionGraph(first, second, entries[0], entries[1], flips, tested, *((proofs, asked) if keep else ()))


def edge_patterns(complex_: Complex, graph: RegionGraph, rows: slice) -> tuple[np.ndarray, np.ndarray]:
    """Bits of the two regions of some edges; boolean, shape (len(rows), neurons) each."""
    neurons = complex_.network.neurons
    return unpack(complex_.bits[graph.first[rows]], neurons), unpack(complex_.bits[graph.second[rows]], neurons)
