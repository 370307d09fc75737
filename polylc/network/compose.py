"""Affine forms of the neurons on activation cells: the network composed along activation patterns.

A form is a row (a_1, ..., a_k, c) standing for u -> a.u + c, where u are coordinates of the domain, x = E u + e.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from polylc.network.form import Affine, Layer, Network


def embedding(basis: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """The form of the input itself, x = basis @ u + origin; shape (n, k + 1)."""
    return np.concatenate([basis, origin[:, None]], axis=1)


def apply_affine(affine: Affine, forms: list[np.ndarray]) -> np.ndarray:
    """Forms of `affine` from the forms of its sources; each source has shape (..., width, k + 1)."""
    z: np.ndarray | None = None
    for source, weight in affine.terms:
        term = weight @ forms[source]
        z = term if z is None else z + term
    if z is None:
        z = np.zeros((*forms[-1].shape[:-2], affine.size, forms[-1].shape[-1]))
    z[..., -1] += affine.bias
    return z


def rounding(affine: Affine, forms: list[np.ndarray], errors: list[np.ndarray]) -> np.ndarray:
    """How far rounding can move the values of `apply_affine` where |u_j| <= 1; shape (..., size).

    First-order running error analysis: a sum of m products errs by at most (m + 2) units of rounding of its absolute
    terms, plus what the sources' own errors (shape (..., width) each) contribute. It separates a form that is zero
    from one that is small; the exact judge does not rely on it.
    """
    fan_in = sum(weight.shape[1] for _, weight in affine.terms) + 2
    unit = fan_in * np.finfo(np.float64).eps
    total: np.ndarray = np.broadcast_to(unit * np.abs(affine.bias), (*forms[-1].shape[:-2], affine.size))
    for source, weight in affine.terms:
        size = np.abs(forms[source]).sum(axis=-1)
        total = total + (errors[source] + unit * size) @ np.abs(weight).T
    return total


@dataclass(frozen=True)
class Forms:
    """Affine forms on a batch of activation cells, in coordinates u with |u_j| <= 1.

    Attributes
    ----------
    hidden : ndarray, shape (R, neurons, k + 1)
        Pre-activations.
    noise : ndarray, shape (R, neurons)
        Rounding in their values.
    output : ndarray, shape (R, outputs, k + 1)
    output_noise : ndarray, shape (R, outputs)
    """

    hidden: np.ndarray
    noise: np.ndarray
    output: np.ndarray
    output_noise: np.ndarray


def unit_slopes(layer: Layer, bits: np.ndarray) -> np.ndarray:
    """Slopes of the units of a layer under activation bits of shape (..., width)."""
    return np.where(bits, layer.positive, layer.negative)


def compose(network: Network, patterns: np.ndarray, start: np.ndarray) -> Forms:
    """All forms of the network along activation patterns.

    Parameters
    ----------
    patterns : ndarray of bool, shape (R, neurons)
    start : ndarray, shape (n, k + 1)
        The embedding of the domain.
    """
    count, width = len(patterns), start.shape[1]
    hidden = np.empty((count, network.neurons, width))
    noise = np.empty((count, network.neurons))
    sources = [np.broadcast_to(start, (count, *start.shape))]
    errors = [np.broadcast_to(np.finfo(np.float64).eps * np.abs(start).sum(axis=1), (count, len(start)))]
    for index, layer in enumerate(network.layers):
        here = slice(network.offsets[index], network.offsets[index + 1])
        hidden[:, here] = apply_affine(layer.affine, sources)
        noise[:, here] = rounding(layer.affine, sources, errors)
        slopes = unit_slopes(layer, patterns[:, here])
        sources.append(hidden[:, here] * slopes[:, :, None])
        errors.append(noise[:, here] * np.abs(slopes))
    return Forms(hidden, noise, apply_affine(network.output, sources), rounding(network.output, sources, errors))


def batches(count: int, doubles_each: int, budget: int = 2_000_000) -> Iterator[slice]:
    """Slices of range(count) whose items together hold about `budget` doubles."""
    step = max(1, budget // max(1, doubles_each))
    for begin in range(0, count, step):
        yield slice(begin, min(count, begin + step))
