"""Regions that share an affine map: affine functions and pieces."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from polylc.complex.graph import RegionGraph
from polylc.complex.regions import Complex, Maps
from polylc.network.compose import batches


def equal_maps(left: Maps, right: Maps) -> np.ndarray:
    """Whether affine maps are equal up to the rounding in them; boolean, one per pair."""
    difference = np.abs(left.map - right.map).sum(axis=2)
    result: np.ndarray = (difference <= left.noise + right.noise).all(axis=1)
    return result


def joined(complex_: Complex, graph: RegionGraph) -> np.ndarray:
    """Whether the two regions of each edge have one affine map: the function does not bend there; boolean, (E,)."""
    result = np.zeros(len(graph), dtype=bool)
    for rows in edge_batches(complex_, len(graph)):
        result[rows] = equal_maps(complex_.maps(graph.first[rows]), complex_.maps(graph.second[rows]))
    return result


def edge_batches(complex_: Complex, count: int) -> Iterator[slice]:
    """Slices of range(count) edges whose regions' forms take a few million doubles."""
    return batches(count, 2 * (complex_.network.neurons + complex_.network.outputs) * (complex_.domain.dimension + 1), 4_000_000)


def affine_functions(complex_: Complex) -> np.ndarray:
    """A label per region, 0, 1, ...: equal labels where the affine maps agree; shape (R,)."""
    count = len(complex_)
    labels = np.full(count, -1, dtype=np.int64)
    key, slack = np.empty(count), np.empty(count)
    direction = np.random.default_rng(0).uniform(0.5, 1.0, (complex_.network.outputs, complex_.domain.dimension + 1))
    for rows in complex_.batches():
        maps = complex_.maps(rows)
        key[rows] = (maps.map * direction).sum(axis=(1, 2))
        slack[rows] = 2 * maps.noise.sum(axis=1) + direction.size * np.finfo(np.float64).eps * np.abs(maps.map).sum(axis=(1, 2))
    order = np.argsort(key, kind="stable")
    apart = np.diff(key[order]) > slack[order][1:] + slack[order][:-1]
    label = 0
    for run in np.split(order, np.flatnonzero(apart) + 1):
        waiting = run
        while len(waiting):
            same = np.ones(len(waiting), dtype=bool)
            one = complex_.maps(waiting[:1])
            for rows in edge_batches(complex_, len(waiting)) if len(waiting) > 1 else ():
                same[rows] = equal_maps(one, complex_.maps(waiting[rows]))
            same[0] = True
            labels[waiting[same]] = label
            label += 1
            waiting = waiting[~same]
    return labels


def pieces(complex_: Complex, graph: RegionGraph) -> np.ndarray:
    """A label per region, 0, 1, ...: equal labels where regions are joined across facets with one affine map; (R,)."""
    same = joined(complex_, graph)
    count = len(complex_)
    links = coo_array((np.ones(same.sum(), dtype=np.int8), (graph.first[same], graph.second[same])), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)
