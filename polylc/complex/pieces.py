"""Regions that share an affine map: affine functions and pieces. Equality is exact: floats tell maps apart, integers
decide the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.exact.mapped import zeros
from polylc.jit.decorators import kernel
from polylc.network.compose import TINY, UNIT, batches
from polylc.network.form import once
from polylc.network.residues import Residues, largest_coefficient, primes

FEW = 64  # so many maps are compared in integers; more of them modulo primes


@once
def affine_functions(complex_: Complex) -> np.ndarray:
    """A label per region, 0, 1, ...: equal labels exactly where the affine maps are equal; shape (R,)."""
    labels = _apart_in_floats(complex_)
    groups = np.bincount(labels, minlength=1)
    if groups.max(initial=0) <= 1:  # as nearly everywhere
        return labels
    rows = np.flatnonzero(groups[labels] > 1)
    labels[rows] = len(groups) + _equal(complex_, rows, labels[rows])
    return np.unique(labels, return_inverse=True)[1].astype(np.int64).reshape(-1)


def joined(complex_: Complex, graph: RegionGraph, labels: np.ndarray | None = None) -> np.ndarray:
    """Whether the two regions of each edge have one affine map: the function does not bend there; boolean, (E,).

    `labels` are the `affine_functions`, if they are known.
    """
    labels = affine_functions(complex_) if labels is None else labels
    if labels.max(initial=-1) + 1 == len(labels):  # no two regions have one
        return np.zeros(len(graph), dtype=bool)
    result = np.empty(len(graph), dtype=bool)
    for rows in batches(len(graph), 1, 1_000_000):
        result[rows] = labels[graph.first[rows]] == labels[graph.second[rows]]
    return result


def pieces(complex_: Complex, graph: RegionGraph, labels: np.ndarray | None = None) -> np.ndarray:
    """A label per region, 0, 1, ...: equal labels where regions are joined across facets with one affine map; (R,)."""
    same = joined(complex_, graph, labels)
    count = len(complex_)
    if not same.any():
        return np.arange(count)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components  # takes long to import, and is seldom needed

    links = coo_array((np.ones(same.sum(), dtype=np.int8), (graph.first[same], graph.second[same])), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)


def edge_batches(complex_: Complex, count: int) -> Iterator[slice]:
    """Slices of range(count) edges whose regions' affine maps take a million doubles."""
    return batches(count, 2 * (complex_.network.outputs + 1) * (complex_.domain.dimension + 1), 1_000_000)


def _apart_in_floats(complex_: Complex) -> np.ndarray:
    """A label per region; regions with different labels certainly have different maps.

    The key of a map is a sum of its N coefficients with weights in [1/2, 1]. The computed key differs from the exact
    map's by at most the rounding in the coefficients, `noise`, plus gamma_(N+1) times the sum of their absolute values,
    plus N underflows, plus the rounding of key - slack and key + slack. `slack` is more than their sum; the last factor
    covers the rounding of its own computation. So keys of equal maps lie in intervals [key - slack, key + slack] that
    meet.
    """
    count = len(complex_)
    low, high = zeros(count), zeros(count)
    direction = _direction(complex_.network.outputs, complex_.domain.dimension + 1)
    for rows in complex_.map_batches():
        maps = complex_.maps(rows)
        _keys(maps.map, maps.noise, direction, low[rows], high[rows])
    order = np.argsort(low)
    labels = zeros(count, np.int64)
    _number(low, high, order, labels)
    return labels


@lru_cache(maxsize=16)
def _direction(outputs: int, width: int) -> np.ndarray:
    """Weights of the coefficients in a key."""
    return np.random.default_rng(0).uniform(0.5, 1.0, (outputs, width))


@kernel
def _keys(maps: np.ndarray, noise: np.ndarray, direction: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """Ends of the intervals in which the keys of maps lie."""
    outputs, width = direction.shape
    terms = outputs * width
    for r in range(len(maps)):
        key = size = doubt = 0.0
        for i in range(outputs):
            for j in range(width):
                key += maps[r, i, j] * direction[i, j]
                size += abs(maps[r, i, j])
            doubt += noise[r, i]
        slack = (doubt + 2 * (terms + 8) * UNIT * size) * (1 + 8 * (terms + 8) * UNIT) + 4 * terms * TINY
        known = abs(key) < np.inf and slack < np.inf
        low[r], high[r] = (key - slack, key + slack) if known else (-np.inf, np.inf)


@kernel
def _number(low: np.ndarray, high: np.ndarray, order: np.ndarray, labels: np.ndarray) -> None:
    """Number the groups of intervals that meet, in the order of their lower ends."""
    group, reach = -1, -np.inf
    for r in order:
        if group < 0 or low[r] > reach:
            group += 1
        reach = max(reach, high[r])
        labels[r] = group


def _equal(complex_: Complex, regions: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Labels 0, 1, ... of `regions`: equal where the groups are equal and the maps are."""
    if len(regions) <= FEW:
        seen: dict[object, int] = {}
        exact = complex_.exact_forms
        patterns = complex_.patterns(regions)
        return np.array([seen.setdefault((g, tuple(exact.output(p))), len(seen)) for g, p in zip(groups.tolist(), patterns, strict=True)])
    # coefficients are integers / scale; differences below the product of the primes vanish if they do modulo each of
    # them
    domain = complex_.domain
    size = largest_coefficient(complex_.network, (np.abs(domain.embedding).sum(axis=1) + domain.rounding) * (1 + 2.0**-20))
    open_ = 2 * Fraction(size) * complex_.exact_forms.scale
    labels = groups
    for prime in primes(complex_.network, domain.exact_embedding):
        residues = Residues(complex_.network, domain.exact_embedding, prime)
        labels = _refined(complex_, regions, labels, residues)
        open_ /= prime
        if open_ < 1 or np.bincount(labels).max() == 1:
            return labels
    raise ArithmeticError("the primes below 2^26 are not enough for the size of this network's forms")


def _refined(complex_: Complex, regions: np.ndarray, labels: np.ndarray, residues: Residues) -> np.ndarray:
    """Labels split further, by the maps modulo one prime; regions alone in their class need no more."""
    seen: dict[tuple[int, bytes], int] = {}
    result = np.empty(len(regions), dtype=np.int64)
    for rows in batches(len(regions), (complex_.network.neurons + complex_.network.outputs) * (complex_.domain.dimension + 1)):
        values = residues.output(complex_.patterns(regions[rows])).astype(np.int32)
        keys = zip(labels[rows].tolist(), values, strict=True)
        result[rows] = [seen.setdefault((label, value.tobytes()), len(seen)) for label, value in keys]
    return result
