"""Local complexity without volumes: an upper bound by sections of a cube."""

from __future__ import annotations

import math

import numpy as np

from polylc.complex.complex import Complex, forms_along
from polylc.measures.by_volume.noise import row_norms
from polylc.measures.by_volume.variation import lengths
from polylc.measures.sums import between, product, total
from polylc.network.compose import UNIT, batches
from polylc.network.patterns import distinct, unpack

Array = np.ndarray


def sliced(complex_: Complex) -> Array:
    """C8, an upper bound of LC_0, enclosed; shape (2,); each facet counted once, for a complete complex of any
    dimension.

    Notes
    -----
    On the regions with one pattern in the layers before it, a neuron is one affine form; if it takes both signs there,
    its facets lie on that hyperplane. A hyperplane with unit normal a meets a box with sides D_j in an area of at most
    |U| min(sqrt 2 / ||D a||, 1 / max_j D_j |a_j|) (K. Ball 1986, scaled). Of the neurons that flip across a facet those
    of the earliest layer see one such pattern on both sides, so every facet is counted. If all layers but one are
    stable there is one term for each unstable neuron.
    """
    network, domain = complex_.network, complex_.domain
    terms: list[Array] = []
    for index in range(len(network.layers)):
        begin, end = int(network.offsets[index]), int(network.offsets[index + 1])
        first, which = distinct(complex_.bits, begin)
        order = np.argsort(which, kind="stable")
        starts = np.searchsorted(which[order], np.arange(len(first)))
        own = complex_.bits[order, begin // 64 : (end + 63) // 64]
        both = np.bitwise_or.reduceat(own, starts) & ~np.bitwise_and.reduceat(own, starts)
        crossed = unpack(both, end - begin // 64 * 64)[:, begin % 64 :]
        groups = np.flatnonzero(crossed.any(axis=1))
        for part in batches(len(groups), (network.neurons + network.outputs) * (domain.dimension + 1)):
            forms, seen = forms_along(complex_.start, complex_.bits[first[groups[part]]]), crossed[groups[part]]
            terms.append(_sections(complex_, forms.hidden[:, begin:end][seen], forms.noise[:, begin:end][seen]))
    return np.array(total(np.concatenate(terms))) if terms else np.zeros(2)


def _sections(complex_: Complex, rows: Array, noise: Array) -> Array:
    """The bounds of area / |U| for the hyperplanes of forms in unit coordinates, enclosed; (N, 2).

    There D_j a_j = 2 b_j / ||grad||, for the form's coefficients b.
    """
    norm = row_norms(complex_, rows, noise)
    slip = (noise + 8 * rows.shape[1] * UNIT * np.abs(rows).max(axis=1)) * (1 + 2.0**-40)
    size, largest = lengths(rows[:, :-1]), np.abs(rows[:, :-1]).max(axis=1)
    half, root = np.full((len(rows), 2), 0.5), np.full((len(rows), 2), math.sqrt(0.5)) * np.array([1 - 2 * UNIT, 1 + 2 * UNIT])
    diagonal = product(product(norm, root), _inverse(size, slip + 8 * rows.shape[1] * UNIT * size))
    straight = product(product(norm, half), _inverse(largest, slip))
    result: Array = np.minimum(diagonal, straight)
    return result


def _inverse(size: Array, slip: Array) -> Array:
    """Enclosures of one over numbers > 0 that are known up to `slip`."""
    with np.errstate(divide="ignore", over="ignore"):
        low = size - slip
        return between(1.0 / (size + slip), np.where(low > 0, 1.0 / np.where(low > 0, low, 1.0), np.inf))
