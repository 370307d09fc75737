"""The region graph: which regions share a facet, exactly.

A facet of a region lies on a hyperplane of its path, and beyond it only one pattern is possible (`crossing`). If the
list holds that pattern, the two regions touch in the hyperplane, and share a facet if the region has one there
(`facets`). Given the list of regions, every decision is exact: doubles propose, and decide only what they decide beyond
doubt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.crossing import Candidates, candidates
from polylc.complex.exact_facets import FacetProofs, facet_tests
from polylc.complex.sweep_threads import Pairs, Swept, sweep_all
from polylc.network.twins import twins


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
        How candidates were settled: edges that follow from the patterns (lemma 6b), those shown by a point in doubles,
        in integers or by an exact program, and pairs without a common facet. "not settled" are pairs left out because
        no programs were asked for.
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


def build_graph(complex_: Complex, programs: bool = True, keep: bool = False, threads: int = 1) -> RegionGraph:
    """The region graph of a complex.

    Parameters
    ----------
    complex_ : Complex
    programs : bool
        Whether pairs that no point at hand settles go to a linear program; without it they are left out.
    keep : bool
        Whether the proofs are kept, for a certificate.
    threads : int
        How many threads share the sweep over regions; the result does not depend on it.

    Returns
    -------
    RegionGraph
    """
    seen = sweep_all(complex_, programs, keep, threads)
    odd = candidates(complex_, seen.odd, seen.suspects, not keep)
    asked, other = _asked(complex_, seen, odd, keep)
    is_edge, tested, proofs = facet_tests(complex_, asked, programs, keep)
    by_engine = complex_.seen.facets is not None and not keep
    by_patterns = 0
    if complex_.proved and not keep and not by_engine:
        by_patterns = int((complex_.neuron[seen.edges.entry] >= sum(complex_.network.widths[:-1])).sum())
    tested["by patterns"] += by_patterns
    tested["by engine" if by_engine else "by point"] += len(seen.edges.region) - by_patterns
    tested["no facet"] += seen.refuted
    first, second, entries = seen.edges.region, seen.edges.beyond, (seen.edges.entry, seen.edges.beyond_entry)
    # what doubles settle is beyond the hyperplane of one neuron and its mates
    flips = twins(complex_.network).sizes.astype(np.int32)[complex_.neuron[seen.edges.entry]]
    if keep:
        proofs.solved, proofs.point = np.append(proofs.solved, seen.solved), np.concatenate([proofs.point, seen.point])
        asked = _behind(asked, seen.edges)
    if is_edge.any():
        some = slice(0, len(is_edge))
        ends, names = (asked.region[some], asked.beyond[some]), (asked.entry[some], other)
        turned = ends[0] > ends[1]
        flips = np.append(flips, _flips(complex_.bits, ends[0][is_edge], ends[1][is_edge]))
        first = np.append(first, np.where(turned, ends[1], ends[0])[is_edge])
        second = np.append(second, np.where(turned, ends[0], ends[1])[is_edge])
        swapped = np.where(turned, names[1], names[0]), np.where(turned, names[0], names[1])
        entries = np.append(entries[0], swapped[0][is_edge]), np.append(entries[1], swapped[1][is_edge])
        order = np.lexsort((second, first))
        first, second, flips, entries = first[order], second[order], flips[order], (entries[0][order], entries[1][order])
    return RegionGraph(first, second, *entries, flips, tested, *((proofs, asked) if keep else ()))


def _asked(complex_: Complex, seen: Swept, odd: Candidates, keep: bool) -> tuple[Candidates, np.ndarray]:
    """The pairs that are left to exact arithmetic, and the entry of the other region that names the same hyperplane, or
    -1.

    A facet is named by both of its regions. So the first decides; what only the second names is asked if proofs are
    kept.
    """
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
        plain = np.isin(back, np.append(*(p.region.astype(np.int64) * count + p.beyond for p in (seen.edges, seen.open))))
        tried |= ~known & ~plain
    pick = np.flatnonzero(tried)
    left = seen.open
    asked = Candidates(
        _append(left.region, odd.region[pick]), _append(left.entry, odd.entry[pick]), _append(left.beyond, odd.beyond[pick]), odd.groups
    )
    return asked, _append(left.beyond_entry, other[pick])


def _append(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Two columns of indices, one behind the other."""
    return np.concatenate([first, second], dtype=np.int64)


def _behind(asked: Candidates, more: Pairs) -> Candidates:
    """Candidates with further pairs behind them."""
    return Candidates(_append(asked.region, more.region), _append(asked.entry, more.entry), _append(asked.beyond, more.beyond), asked.groups)


def _named(complex_: Complex, region: int, entry: int, groups: dict[int, np.ndarray]) -> int:
    """The first entry of a region's path on the hyperplane that `entry` of its neighbour names, or -1."""
    begin, end = int(complex_.starts[region]), int(complex_.starts[region + 1])
    path = complex_.neuron[begin:end]
    group = groups.get(entry)
    on = path == complex_.neuron[entry] if group is None else group[path]
    return begin + int(on.argmax()) if on.any() else -1


def _flips(bits: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Number of bits that differ across each edge."""
    flips = np.zeros(len(first), dtype=np.int32)
    for word in bits.T:
        flips += np.bitwise_count(word[first] ^ word[second])
    return flips
