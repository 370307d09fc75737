"""The sections that carry the facets of a complex, and the cells that carry them: convex sets with few half-spaces.

On the regions that agree in all layers before l, a neuron of layer l is one affine form. These regions fill a polytope,
and the facets between them across which that neuron is the first to flip fill a section of it. So facets are counted by
sections, and a section's half-spaces are those that facets of the polytope lie on, which the region graph knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.measures.by_volume.noise import row_norms
from polylc.network.patterns import distinct

Array = np.ndarray


@dataclass(frozen=True)
class Section:
    """A hyperplane within a cell.

    Attributes
    ----------
    rows : ndarray, shape (m, k + 1)
        The hyperplane's form, then the half-spaces of its cell, positive inside, in unit coordinates.
    noise : ndarray, shape (m,)
        Bounds on their errors anywhere in the cube.
    gradient : ndarray, shape (2,)
        Length of the first form's gradient in true coordinates, enclosed.
    edges : ndarray of int
        The facets that fill it: edges of the region graph.
    """

    rows: Array
    noise: Array
    gradient: Array
    edges: Array


def first_flips(complex_: Complex, graph: RegionGraph) -> Array:
    """The first neuron whose bit differs across each edge; shape (E,)."""
    result = np.full(len(graph), -1, dtype=np.int64)
    for place, word in enumerate(complex_.bits.T):
        differs = word[graph.first] ^ word[graph.second]
        lowest = np.bitwise_count((differs & (~differs + np.uint64(1))) - np.uint64(1)).astype(np.int64)
        result = np.where((result < 0) & (differs != 0), 64 * place + lowest, result)
    return result


def sides_of(graph: RegionGraph, flips: Array, which: Array) -> dict[int, list[int]]:
    """For every group of regions the neurons on whose hyperplanes the facets of their union lie."""
    first, second = which[graph.first], which[graph.second]
    apart = first != second
    pairs = np.concatenate([np.stack([side[apart], flips[apart]], axis=1) for side in (first, second)])
    sides: dict[int, list[int]] = {}
    for group, neuron in np.unique(pairs, axis=0).tolist():
        sides.setdefault(group, []).append(neuron)
    return sides


def sections(complex_: Complex, graph: RegionGraph) -> Iterator[Section]:
    """All sections of a complete complex; every facet is in one of them."""
    network = complex_.network
    flips = first_flips(complex_, graph)
    layer = np.searchsorted(network.offsets, flips, side="right") - 1
    for index in np.unique(layer).tolist():
        here = np.flatnonzero(layer == index)
        first, which = distinct(complex_.bits, int(network.offsets[index]))
        sides = sides_of(graph, flips, which) if index else {}
        group = which[graph.first[here]]
        order = np.lexsort((flips[here], group))
        edges, group = here[order], group[order]
        neuron = flips[edges]
        begin = np.flatnonzero(np.append(True, (np.diff(group) != 0) | (np.diff(neuron) != 0)))
        end = np.append(begin[1:], len(edges))
        named = [[int(n), *sides.get(int(g), [])] for n, g in zip(neuron[begin], group[begin], strict=True)]
        starts, rows, noise = complex_.half_spaces_at(first[group[begin]], named)
        for b in range(len(begin)):
            own = slice(int(starts[b]), int(starts[b + 1]))
            plane = slice(own.start, own.start + 1)
            yield Section(rows[own], noise[own], row_norms(complex_, rows[plane], noise[plane])[0], edges[begin[b] : end[b]])


@dataclass(frozen=True)
class Cell:
    """The half-spaces of a region that its facets lie on: neurons, (m,), forms positive inside, (m, k + 1), and bounds
    on their errors, (m,).
    """

    neurons: Array
    rows: Array
    noise: Array


def cells(complex_: Complex, graph: RegionGraph) -> Iterator[Cell]:
    """The half-spaces of all regions."""
    sides = sides_of(graph, first_flips(complex_, graph), np.arange(len(complex_)))
    named = [sides.get(region, []) for region in range(len(complex_))]
    starts, rows, noise = complex_.half_spaces_at(np.arange(len(complex_)), named)
    for names, begin, end in zip(named, starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        yield Cell(np.array(names, dtype=np.int64), rows[begin:end], noise[begin:end])
