"""Kernels of the vertex engine on forms: the network composed along the current path of the search.

Forms are kept transposed, one row for each coefficient and one column for each input and each neuron, so that loops over the
neurons of a layer run along memory. The columns of a layer hold its forms on the cell where the search last entered it,
which is the right cell for every neuron of the current path.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from polylc.network.compose import TINY, UNIT, embedding
from polylc.network.form import Network

Array = np.ndarray
SMALL = 2.0**-400  # products of larger numbers do not underflow to zero


class Net(NamedTuple):
    """A network as flat arrays; columns are numbered inputs first, then neurons."""

    first: Array  # (L + 2,) first column of the input and of each layer, and the number of columns
    term: Array  # (L + 1,) layer l has the terms term[l]:term[l + 1]
    source: Array  # (terms,) 0 is the input, l + 1 the hidden layer l
    begin: Array  # (terms,) where the weights of a term begin
    weight: Array  # transposed matrices, one behind the other
    bias: Array  # (columns,) 0 for the input
    negative: Array  # (columns,) slopes
    positive: Array
    length: Array  # (L,) terms of the sums that make up a form
    normal: Array  # (L,) whether all weights are zero or far from underflow


class Forms(NamedTuple):
    """The current path: forms, what rounding did to them, and what is decided."""

    form: Array  # (n + 1, columns)
    noise: Array  # (columns,) bound on rounding, as `compose.rounding`
    threshold: Array  # (columns,) values below this do not count as a sign
    slope: Array  # (columns,)
    sign: Array  # (columns,) +1 or -1
    node: Array  # (columns,) node of the path whose half-space the neuron is
    words: Array  # packed pattern


def flatten(network: Network) -> Net:
    """The network as the kernel reads it."""
    first = np.concatenate([[0, network.inputs], network.inputs + network.offsets[1:]]).astype(np.int64)
    terms = [[(s, np.ascontiguousarray(w.T)) for s, w in layer.affine.terms] for layer in network.layers]
    flat = [t for each in terms for t in each]
    none, zero, one = np.zeros(0), np.zeros(network.inputs), np.ones(network.inputs)
    length = [1 + sum(w.shape[0] for _, w in each) for each in terms]
    normal = [all(not ((np.abs(w) > 0) & (np.abs(w) < SMALL)).any() for _, w in each) for each in terms]
    return Net(
        first,
        np.cumsum([0, *(len(each) for each in terms)]).astype(np.int64),
        np.array([s for s, _ in flat], dtype=np.int64),
        np.cumsum([0, *(w.size for _, w in flat)]).astype(np.int64),
        np.concatenate([none, *(w.ravel() for _, w in flat)]),
        np.concatenate([zero, *(layer.affine.bias for layer in network.layers)]),
        np.concatenate([one, network.slopes[0]]),
        np.concatenate([one, network.slopes[1]]),
        np.array(length, dtype=np.int64),
        np.array(normal, dtype=np.bool_),
    )


def start_forms(net: Net, basis: Array, middle: Array, rounding: Array, words: int) -> Forms:
    """Forms of the inputs; those of the neurons are still to come."""
    columns, inputs = int(net.first[-1]), len(middle)
    form, noise = np.zeros((basis.shape[1] + 1, columns)), np.zeros(columns)
    form[:, :inputs] = embedding(basis, middle).T
    noise[:inputs] = rounding
    whole = [np.zeros(columns, dtype=np.int64) for _ in range(2)]
    return Forms(form, noise, np.zeros(columns), np.ones(columns), whole[0], whole[1], np.zeros(words, dtype=np.uint64))


@njit(cache=True, error_model="numpy")
def decide(net: Net, forms: Forms, column: int, above: bool) -> None:
    """Note the sign of a neuron on the current cell."""
    neuron = column - net.first[1]
    bit = np.uint64(1) << np.uint64(neuron & 63)
    if above:
        forms.slope[column] = net.positive[column]
        forms.sign[column] = 1
        forms.words[neuron >> 6] |= bit
    else:
        forms.slope[column] = net.negative[column]
        forms.sign[column] = -1
        forms.words[neuron >> 6] &= ~bit


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def compose(dim: tuple, net: Net, forms: Forms, live: Array, layer: int) -> None:
    """Forms of a layer from those of its sources, with the bound on rounding of `network.compose.rounding`."""
    n = len(dim)
    form, noise, slope, weight = forms.form, forms.noise, forms.slope, net.weight
    first, end = net.first[layer + 1], net.first[layer + 2]
    m = end - first
    unit = 2.0 * (net.length[layer] + 2) * UNIT
    for k in range(n):
        form[k, first:end] = 0.0
    for i in range(first, end):
        form[n, i] = net.bias[i]
        noise[i] = unit * abs(net.bias[i])
    normal = net.normal[layer]
    doubt = noise[first:end]
    for t in range(net.term[layer], net.term[layer + 1]):
        source = net.source[t]
        start = net.first[source]
        many = 0
        for j in range(start, net.first[source + 1]):
            if slope[j] != 0.0:
                live[many] = j
                many += 1
        for q in range(0, many, 4):
            last = min(4, many - q)
            j0 = live[q]
            j1, j2, j3 = live[q + min(1, last - 1)], live[q + min(2, last - 1)], live[q + min(3, last - 1)]
            s0 = slope[j0]
            s1 = slope[j1] if last > 1 else 0.0
            s2 = slope[j2] if last > 2 else 0.0
            s3 = slope[j3] if last > 3 else 0.0
            b0, b1 = net.begin[t] + (j0 - start) * m, net.begin[t] + (j1 - start) * m
            b2, b3 = net.begin[t] + (j2 - start) * m, net.begin[t] + (j3 - start) * m
            w0, w1, w2, w3 = weight[b0 : b0 + m], weight[b1 : b1 + m], weight[b2 : b2 + m], weight[b3 : b3 + m]
            z0 = z1 = z2 = z3 = 0.0
            for k in range(n + 1):
                p0, p1, p2, p3 = s0 * form[k, j0], s1 * form[k, j1], s2 * form[k, j2], s3 * form[k, j3]
                z0 += abs(p0)
                z1 += abs(p1)
                z2 += abs(p2)
                z3 += abs(p3)
                row = form[k, first:end]
                for i in range(m):
                    row[i] += w0[i] * p0 + w1[i] * p1 + w2[i] * p2 + w3[i] * p3
            e0, e1 = _scaled_noise(n, noise[j0], z0, s0), _scaled_noise(n, noise[j1], z1, s1)
            e2, e3 = _scaled_noise(n, noise[j2], z2, s2), _scaled_noise(n, noise[j3], z3, s3)
            normal = normal and _far(z0) and _far(z1) and _far(z2) and _far(z3) and _far(e0) and _far(e1) and _far(e2) and _far(e3)
            p0, p1, p2, p3 = e0 + unit * z0, e1 + unit * z1, e2 + unit * z2, e3 + unit * z3
            for i in range(m):
                doubt[i] += abs(w0[i]) * p0 + abs(w1[i]) * p1 + abs(w2[i]) * p2 + abs(w3[i]) * p3
    factor = 1.0 + 8.0 * (net.length[layer] + n + 9) * UNIT
    lost = 16.0 * (net.length[layer] + 2) * (n + 3) * TINY
    for i in range(m):
        doubt[i] *= factor
        if doubt[i] > 0 or not normal:
            doubt[i] += lost


@njit(cache=True, error_model="numpy")
def _far(size: float) -> bool:
    return size == 0.0 or size >= SMALL


@njit(cache=True, error_model="numpy")
def _scaled_noise(n: int, noise: float, size: float, slope: float) -> float:
    """As `compose.scaled_error`; `size` is the length of the form that is scaled already."""
    if slope == 0.0:
        return 0.0
    if abs(slope) == 1.0:
        return noise
    product = abs(slope) * (noise * (1 + 4 * UNIT)) + 2 * UNIT * size * (1 + 4 * UNIT)
    return product * (1 + 4 * (n + 9) * UNIT) + 4 * (n + 3) * TINY
