"""What random lines cross: facets of known regions, found through the unstable neurons.

Lines of the invariant measure: a uniform point of the boundary, a direction by the cosine law; crossings times
H(dU) / 2|U| have the density of facets as their mean (Crofton, docs/theory.md).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.complex.complex import Complex
from polylc.measures.by_volume.local_complexity import good_neurons
from polylc.measures.by_volume.unstable import UnstableNetwork
from polylc.network.compose import batches

_DOUBLES = 2**22  # of a batch of points


class Lines(NamedTuple):
    """Where lines enter the neighbourhood and where they leave it: in unit coordinates, (B, k) each, or as the linear
    parts of unstable neurons there.
    """

    entry: np.ndarray
    exit: np.ndarray


def crossings_of_lines(complex_: Complex, count: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Crossings of independent lines of the invariant measure, and the factor that makes of their mean a density.

    Returns
    -------
    counts : ndarray, shape (lines, 4)
        Bits that flip, facets, open facets, and the sum of the jumps of the Jacobian (Frobenius norm).
    factor : float
        H(dU) / 2|U|.
    """
    faces = 0.5 / complex_.domain.half  # areas of the pairs of opposite faces, over 2|U|
    factor = float(faces.sum())
    network, parts = UnstableNetwork(complex_), []
    for rows in batches(count, complex_.domain.dimension, _DOUBLES):
        lines = cosine_lines(complex_.domain.half, rows.stop - rows.start, faces / factor, rng)
        line, first, second = region_changes(network, Lines(network.linear(lines.entry), network.linear(lines.exit)))
        total = np.zeros((rows.stop - rows.start, 4))
        np.add.at(total, line, _passages(complex_, first, second))
        parts.append(total)
    return np.concatenate(parts), factor


def cosine_lines(half: np.ndarray, count: int, shares: np.ndarray, rng: np.random.Generator) -> Lines:
    """Lines through uniform points of the boundary of a box with these half sides, inward directions u with density
    proportional to the cosine with the inward normal.

    A uniform point of the unit ball of the tangent space, lifted to the hemisphere above it, has the cosine law.
    """
    k, every = len(half), np.arange(count)
    axis = rng.choice(k, size=count, p=shares)
    sign = np.where(rng.random(count) < 0.5, 1.0, -1.0)
    start = rng.uniform(-1.0, 1.0, (count, k))
    start[every, axis] = sign
    direction = rng.standard_normal((count, k))
    direction[every, axis] = 0.0
    size = np.sqrt(np.einsum("ij,ij->i", direction, direction))[:, None]
    radius = rng.random((count, 1)) ** (1.0 / max(1, k - 1)) if k > 1 else np.zeros((count, 1))
    direction *= radius / np.where(size > 0, size, 1.0)
    direction[every, axis] = -sign * np.sqrt(np.maximum(1.0 - np.where(size > 0, radius, 0.0)[:, 0] ** 2, 0.0))
    direction /= half  # into unit coordinates
    far = np.copysign(1.0, direction)
    far -= start
    with np.errstate(divide="ignore", invalid="ignore"):
        far /= direction
    length = np.fmin.reduce(far, axis=1)  # where a direction is zero, so are no steps: infinity, or no number
    return Lines(start, np.clip(start + np.maximum(length, 0.0)[:, None] * direction, -1.0, 1.0))


def breakpoints(network: UnstableNetwork, lines: Lines) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the way, from 0 to 1, at which the pattern can change along each line, both ends included; lines by
    their linear parts.

    Layer by layer: between breakpoints of the earlier layers a pre-activation is affine, so a change of sign gives one
    crossing.

    Returns
    -------
    line, at : ndarray, shape (points,)
        Sorted by line, then by share.
    """
    line, at = np.repeat(np.arange(len(lines.entry)), 2), np.tile([0.0, 1.0], len(lines.entry))
    for index in range(len(network.layers)):
        z = network.preactivations(_points(lines, line, at), index + 1)[index]
        inner = (line[1:] == line[:-1])[:, None]
        before, neuron = np.nonzero(inner & (z[:-1] * z[1:] < 0))
        left, right = z[before, neuron], z[before + 1, neuron]
        new = at[before] + left / (left - right) * (at[before + 1] - at[before])
        line, at = np.concatenate([line, line[before]]), np.concatenate([at, new])
        order = np.lexsort((at, line))
        line, at = line[order], at[order]
    return line, at


def _points(lines: Lines, line: np.ndarray, at: np.ndarray) -> np.ndarray:
    points: np.ndarray = lines.entry[line] + at[:, None] * (lines.exit[line] - lines.entry[line])
    return points


def region_changes(network: UnstableNetwork, lines: Lines) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where lines pass from one region to another: line, region before, region after; shape (changes,) each.

    Read off in the middle of the intervals between breakpoints, so that a breakpoint that only touches counts nothing.
    """
    line, at = breakpoints(network, lines)
    # what rounding makes of breakpoints that agree
    inside = np.flatnonzero((line[1:] == line[:-1]) & (np.diff(at) > 64 * np.finfo(float).eps))
    where = line[inside]
    region = network.regions(_points(lines, where, 0.5 * (at[inside] + at[inside + 1])))
    known = region >= 0
    where, region = where[known], region[known]
    changed = np.flatnonzero((where[1:] == where[:-1]) & (region[1:] != region[:-1]))
    return where[changed], region[changed], region[changed + 1]


def _passages(complex_: Complex, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """What passing from one region to another counts: bits that flip, 1, whether a flipping neuron is good on either
    side, and the jump; computed once for each pair, shape (passages, 4).
    """
    pairs, place = np.unique(np.stack([np.minimum(first, second), np.maximum(first, second)], axis=1), axis=0, return_inverse=True)
    found = np.zeros((len(pairs), 4))
    for rows in batches(len(pairs), 4 * complex_.network.neurons + 2 * complex_.network.outputs * (complex_.domain.dimension + 1), _DOUBLES):
        one, other = pairs[rows].T
        bits, beyond = complex_.patterns(one), complex_.patterns(other)
        flips = bits != beyond
        good = good_neurons(complex_.network, bits) | good_neurons(complex_.network, beyond)
        jump = complex_.domain.gradients(complex_.maps(one).map) - complex_.domain.gradients(complex_.maps(other).map)
        found[rows, 0], found[rows, 1] = flips.sum(axis=1), 1.0
        found[rows, 2], found[rows, 3] = (flips & good).any(axis=1), np.sqrt((jump**2).sum(axis=(1, 2)))
    values: np.ndarray = found[place.reshape(-1)]
    return values
