"""The parts of decision regions and of the decision boundary, in any dimension, from the region graph.

*Decision regions.* That of class c is open: the points inside the neighbourhood at which c is ahead of all others. It
meets each region in a convex set, and it stays connected without the faces of codimension two and more. So its parts
are those of a graph: regions in which c is ahead somewhere, joined across facets on which it is.

*The decision boundary* is the rest: the points inside the neighbourhood at which two classes are level, and no other is
ahead of them. On one closed region, for one pair of classes, these are convex. Two such sets that meet, meet at a point
of a face, and the regions around it are joined across facets that have that point. So the parts are those of a graph
again: sets for a region and a pair, joined in one region where they meet, and across facets on which the pair is level.
Facets are closed here, but for the boundary of the neighbourhood. (docs/exactness.md, "Topology".)
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.measures.decision.classes import class_count

Pair = tuple[int, int]


class Known(Protocol):
    """What is asked of closed regions and of facets; `ByPrograms` and `ByVertices` answer."""

    def leaders(self, region: int) -> tuple[list[int], bool]: ...

    def ahead(self, region: int, label: int) -> bool: ...

    def ahead_across(self, edge: int, label: int) -> bool: ...

    def level(self, region: int, classes: tuple[int, ...]) -> bool: ...

    def level_across(self, edge: int, classes: tuple[int, ...]) -> bool: ...


@dataclass(frozen=True)
class Parts:
    """What is connected to what.

    Attributes
    ----------
    part : ndarray of int, shape (R, classes)
        For each region and class the part of that class's decision region that it has a share of, counted from 0 in
        each class; -1 if the class is ahead nowhere in the region.
    boundary : int
        Parts of the decision boundary.
    """

    part: np.ndarray
    boundary: int

    def count(self, label: int) -> int:
        """Parts of a class's decision region."""
        return int(self.part[:, label].max(initial=-1)) + 1


def parts(complex_: Complex, graph: RegionGraph, known: Known) -> Parts:
    """Parts of all decision regions and of the decision boundary, exactly.

    Parameters
    ----------
    complex_ : Complex
        Complete.
    graph : RegionGraph
    known : Known
    """
    leaders, alone = zip(*(known.leaders(r) for r in range(len(complex_))), strict=True)
    return Parts(_decision_parts(class_count(complex_), graph, known, leaders, alone), _boundary_parts(graph, known, leaders, alone))


def _decision_parts(classes: int, graph: RegionGraph, known: Known, leaders: Sequence[list[int]], alone: Sequence[bool]) -> np.ndarray:
    """For each region and class the part that it has a share of."""
    some = np.zeros((len(leaders), classes), dtype=bool)
    for r, who in enumerate(leaders):
        for c in who:
            some[r, c] = alone[r] or known.ahead(r, c)
    result = np.full(some.shape, -1, dtype=np.int64)
    edges = list(zip(graph.first.tolist(), graph.second.tolist(), strict=True))
    across = []
    for e, (r, s) in enumerate(edges):
        across.append([c for c in np.flatnonzero(some[r] & some[s]).tolist() if alone[r] or alone[s] or known.ahead_across(e, c)])
    for c in range(classes):
        there = np.flatnonzero(some[:, c]).tolist()
        for number, members in enumerate(_connected(there, [edge for edge, who in zip(edges, across, strict=True) if c in who])):
            result[list(members), c] = number
    return result


def _boundary_parts(graph: RegionGraph, known: Known, leaders: Sequence[list[int]], alone: Sequence[bool]) -> int:
    """Of the points inside the neighbourhood at which no class is ahead."""
    pairs: list[list[Pair]] = []
    links: list[tuple[tuple[int, Pair], tuple[int, Pair]]] = []
    for r, who in enumerate(leaders):
        pairs.append([] if alone[r] else [pair for pair in itertools.combinations(who, 2) if known.level(r, pair)])
        for one, other in itertools.combinations(pairs[r], 2):
            if known.level(r, tuple(sorted({*one, *other}))):
                links.append(((r, one), (r, other)))
    for e, (r, s) in enumerate(zip(graph.first.tolist(), graph.second.tolist(), strict=True)):
        both = [pair for pair in pairs[r] if pair in pairs[s]]
        links += [((r, pair), (s, pair)) for pair in both if known.level_across(e, pair)]
    return len(_connected([(r, pair) for r, some in enumerate(pairs) for pair in some], links))


def _connected(nodes: Iterable[Hashable], links: Iterable[tuple[Hashable, Hashable]]) -> list[set[Any]]:
    """The connected components of a graph, in the order of their first nodes."""
    import networkx

    graph = networkx.Graph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(links)
    return list(networkx.connected_components(graph))
