"""A network at points, in floating point: outputs, pre-activations, activation patterns."""

from __future__ import annotations

import numpy as np

from polylc.network.form import Affine, Network


def _apply(affine: Affine, values: list[np.ndarray]) -> np.ndarray:
    z: np.ndarray = affine.bias + sum((values[s] @ w.T for s, w in affine.terms), np.zeros(()))
    return z


def preactivations(network: Network, points: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Pre-activations of every hidden layer and the outputs, at points of shape (..., inputs).

    Returns
    -------
    hidden : list of ndarray, shape (..., width)
    outputs : ndarray, shape (..., outputs)
    """
    values = [np.asarray(points, dtype=np.float64)]
    hidden = []
    for layer in network.layers:
        z = _apply(layer.affine, values)
        hidden.append(z)
        values.append(np.where(z > 0, layer.positive * z, layer.negative * z))
    return hidden, np.broadcast_to(_apply(network.output, values), (*values[0].shape[:-1], network.outputs))


def forward(network: Network, points: np.ndarray) -> np.ndarray:
    """Outputs at points of shape (..., inputs)."""
    return preactivations(network, points)[1]


def pattern_at(network: Network, points: np.ndarray) -> np.ndarray:
    """Activation bits (z > 0) at points of shape (..., inputs); boolean, shape (..., neurons)."""
    shape = np.shape(points)[:-1]
    hidden, _ = preactivations(network, points)
    return np.concatenate([np.zeros((*shape, 0), dtype=bool), *(np.broadcast_to(z > 0, (*shape, z.shape[-1])) for z in hidden)], axis=-1)
