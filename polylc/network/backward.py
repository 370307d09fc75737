"""Jacobians of the outputs by all inputs along patterns, from the outputs back to the inputs, in doubles."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from polylc.network.compose import batches, unit_slopes
from polylc.network.form import Affine, Network
from polylc.network.weights import before

DOUBLES = 4_000_000  # of a batch


def full_jacobians(network: Network, patterns: np.ndarray) -> Iterator[np.ndarray]:
    """Jacobians by all inputs, a batch of patterns (R, neurons) at a time; (r, outputs, inputs)."""
    for part in batches(len(patterns), network.outputs * (network.inputs + network.neurons), DOUBLES):
        some = patterns[part]
        handed: dict[int, np.ndarray] = {}
        _hand_back(network.output, np.broadcast_to(np.eye(network.outputs), (len(some), network.outputs, network.outputs)), handed)
        for index in range(len(network.layers) - 1, -1, -1):
            if index + 1 in handed:
                layer, here = network.layers[index], slice(network.offsets[index], network.offsets[index + 1])
                _hand_back(layer.affine, handed.pop(index + 1) * unit_slopes(layer, some[:, here])[:, None], handed)
        yield handed.get(0, np.zeros((len(some), network.outputs, network.inputs)))


def _hand_back(affine: Affine, rows: np.ndarray, handed: dict[int, np.ndarray]) -> None:
    """Derivatives (r, m, size) by an affine map, added to those by what it reads."""
    for source, weight in affine.terms:
        found = before(rows.reshape(-1, affine.size), weight).reshape(*rows.shape[:2], -1)
        handed[source] = handed[source] + found if source in handed else found
