"""Gradients of a network in integers: where a pattern is known, or all that some open neurons leave possible."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from polylc.exact.checkpoint import checkpoint
from polylc.exact.matrix import Dense, Sparse, exact_matrix
from polylc.network.exact_weights import exact_weights
from polylc.network.form import Network, once
from polylc.network.weights import entries, with_entries


class GradientEnds(NamedTuple):
    """The entries of a gradient lie between low / scale and high / scale; arrays of integers, shape (inputs,)."""

    low: np.ndarray
    high: np.ndarray
    scale: int


@once
def _magnitudes(network: Network) -> list[list[Dense | Sparse]]:
    """Sizes of all weights, by affine map and term."""
    affines = [*(layer.affine for layer in network.layers), network.output]
    return [[exact_matrix(with_entries(weight, np.abs(entries(weight)))) for _, weight in affine.terms] for affine in affines]


def gradient_ends(network: Network, outputs: Mapping[int, int], bits: np.ndarray, free: np.ndarray) -> GradientEnds:
    """Ends of the gradient of a combination of outputs, exact where no neuron is free.

    Parameters
    ----------
    outputs : mapping of int to int
        Coefficients by output.
    bits : ndarray of bool, shape (neurons,)
    free : ndarray of bool, shape (neurons,)
        Neurons that may have either slope, whatever their bit.

    Notes
    -----
    Intervals (M - R) / 2, (M + R) / 2 of coefficients go back through the layers; M and R are both even or both odd.
    """
    weights, sizes = exact_weights(network), _magnitudes(network)
    last = len(weights.affines) - 1
    which = np.array(sorted(outputs), dtype=np.int64)
    share = np.empty(len(which), dtype=object)
    share[:] = [2 * outputs[i] for i in which.tolist()]
    middles: dict[int, np.ndarray] = {}
    radii: dict[int, np.ndarray] = {}

    def give(source: int, middle: np.ndarray, radius: np.ndarray) -> None:
        if source in middles:
            middle, radius = middles[source] + middle, radii[source] + radius
        middles[source], radii[source] = middle, radius

    for source, matrix in weights.affines[last].terms:
        row = share.dot(matrix.rows(which)) * (1 << weights.up(last, source, matrix.shift))
        give(source, row, np.zeros(len(row), dtype=object))
    for layer in range(last - 1, -1, -1):
        if layer + 1 not in middles:
            continue
        checkpoint()
        span = slice(int(network.offsets[layer]), int(network.offsets[layer + 1]))
        middle, radius = _through(middles.pop(layer + 1), radii.pop(layer + 1), layer, network, bits[span], free[span])
        for (source, matrix), size in zip(weights.affines[layer].terms, sizes[layer], strict=True):
            up = 1 << weights.up(layer, source, matrix.shift)
            give(source, matrix.before(middle[None])[0] * up, size.before(radius[None])[0] * up)
    nothing = np.zeros(network.inputs, dtype=object)
    middle, radius = middles.get(0, nothing), radii.get(0, nothing)
    return GradientEnds(middle - radius, middle + radius, 2 << weights.own[last])


def _through(
    middle: np.ndarray, radius: np.ndarray, layer: int, network: Network, bits: np.ndarray, free: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Intervals times the slopes of a layer."""
    slopes = exact_weights(network).slopes[layer]
    known = slopes.of(bits)
    low, high = (middle - radius) // 2, (middle + radius) // 2
    ends = [low * slopes.negative, low * slopes.positive, high * slopes.negative, high * slopes.positive]
    least, most = np.minimum.reduce(ends), np.maximum.reduce(ends)
    return np.where(free, least + most, middle * known), np.where(free, most - least, radius * np.abs(known))
