"""Local complexity: the density of facets in a neighbourhood, in its several versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.complex.pieces import joined
from polylc.exact.mapped import zeros
from polylc.measures.by_volume.variation import facet_areas
from polylc.network.compose import batches, unit_slopes
from polylc.network.form import Network
from polylc.network.patterns import pack
from polylc.network.weights import Weight, before, nonzero

Found = TypeVar("Found")


def good_neurons(network: Network, patterns: np.ndarray) -> np.ndarray:
    """Which neurons have an active path to the output, given activation bits; boolean, shape (R, neurons).

    A path goes along non-zero weights through units whose slope is not zero; the neuron itself need not be active.
    """
    good = np.zeros(patterns.shape, dtype=bool)
    readers = [(index, layer.affine) for index, layer in enumerate(network.layers)]
    for source, weight in network.output.terms:
        if source > 0:
            good[:, _columns(network, source - 1)] |= abs(weight).sum(axis=0) > 0
    for index, affine in reversed(readers):
        here = _columns(network, index)
        layer = network.layers[index]
        passing = good[:, here] & (unit_slopes(layer, patterns[:, here]) != 0)
        for source, weight in affine.terms:
            if source > 0:
                good[:, _columns(network, source - 1)] |= _before(passing, weight)
    return good


def _before(passing: np.ndarray, weight: Weight) -> np.ndarray:
    """What units that pass on read with weights that are not zero; boolean, (R, m) and (R, n), or (R, 1) for all."""
    if isinstance(weight, np.ndarray) and weight.all():
        return np.asarray(passing.any(axis=1, keepdims=True))
    return before(passing.astype(np.float32), nonzero(weight)) > 0


def _columns(network: Network, layer: int) -> slice:
    return slice(int(network.offsets[layer]), int(network.offsets[layer + 1]))


def local_complexity(complex_: Complex, graph: RegionGraph) -> dict[str, float]:
    """Facet area per volume: `activation` counts a facet once per flipping bit, `activation_set` once, `open` only
    facets with a flipping neuron that is good on either side, `function` only facets where the function bends.

    Notes
    -----
    LC_0(U) = H^{n-1}(B within U) / |U| of Patel & Montufar (ICML 2025), for B the facets just named.
    """
    areas = facet_areas(complex_, graph)
    volume = complex_.domain.size
    return {name: float(areas @ weight) / volume for name, weight in weights(complex_, graph).items()}


def weights(complex_: Complex, graph: RegionGraph) -> dict[str, np.ndarray]:
    """How often each version of the local complexity counts each facet; shape (E,) each."""
    network, bits = complex_.network, complex_.bits
    good = np.empty_like(bits)
    for rows in batches(len(bits), network.neurons + 1, 1_000_000):
        good[rows] = pack(good_neurons(network, complex_.patterns(rows)))
    same = joined(complex_, graph)
    found = {name: zeros(len(graph)) for name in ("activation", "activation_set", "open", "function")}
    for rows in batches(len(graph), 4 * bits.shape[1], 1_000_000):
        left, right = graph.first[rows], graph.second[rows]
        found["activation"][rows], found["activation_set"][rows], found["function"][rows] = graph.flips[rows], 1.0, ~same[rows]
        found["open"][rows] = ((bits[left] ^ bits[right]) & (good[left] | good[right])).any(axis=1)
    return found


def once_each(weights: Mapping[str, np.ndarray], value: Callable[[np.ndarray], Found]) -> dict[str, Found]:
    """A value of each version's weights, computed once of those that count alike, as they mostly do."""
    known: list[tuple[np.ndarray, Found]] = []
    result = {}
    for name, weight in weights.items():
        same = [found for other, found in known if np.array_equal(other, weight)]
        if not same:
            same = [value(weight)]
            known.append((weight, same[0]))
        result[name] = same[0]
    return result
