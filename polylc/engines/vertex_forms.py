"""Kernels of the vertex engine on forms: the network composed along the current path of the search.

Forms are kept transposed, one row for each coefficient and one column for each input and each neuron, so that loops over the
neurons of a layer run along memory. The columns of a layer hold its forms on the cell where the search last entered it,
which is the right cell for every neuron of the current path.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.compiled import compiled
from polylc.network.compose import UNIT, embedding
from polylc.network.form import Network

Array = np.ndarray
MOST_FLIPS = 64
SMALL = 2.0**-400  # products of larger numbers do not underflow to zero
LOST = 2.0**-1000  # more than all underflows of a form together; not subnormal, which would be slow


class Net(NamedTuple):
    """A network as flat arrays; columns are numbered inputs first, then neurons."""

    first: Array  # (L + 2,) first column of the input and of each layer, and the number of columns
    term: Array  # (L + 1,) layer l has the terms term[l]:term[l + 1]
    source: Array  # (terms,) 0 is the input, l + 1 the hidden layer l
    place: Array  # (terms + 1,) where the sources of a term begin in a list of all terms' sources
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
    version: Array  # (L + 1,) how often the forms of the input and of each layer have changed
    seen: Array  # (terms,) version of the source when its term was added
    used: Array  # (sources of all terms,) slopes with which it was added
    flips: Array  # (L,) changes of bits since the forms were composed anew


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
        np.cumsum([0, *(len(w) for _, w in flat)]).astype(np.int64),
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
    layers, terms = len(net.length), len(net.source)
    whole = [np.zeros(size, dtype=np.int64) for size in (columns, columns, layers + 1, terms, layers)]
    sign, node, version, seen, flips = whole
    pattern, used = np.zeros(words, dtype=np.uint64), np.zeros(int(net.place[-1]))
    return Forms(form, noise, np.zeros(columns), np.ones(columns), sign, node, pattern, version, seen, used, flips)


@compiled(inline="always")
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


@compiled(fastmath={"contract"}, error_model="numpy", _nrt=False)
def compose(dim: tuple, net: Net, forms: Forms, live: Array, factor: Array, layer: int) -> None:
    """Forms of a layer from those of its sources, with a bound on rounding as that of `network.compose.rounding`.

    Where the sources' forms are those of the last time and few of their bits have changed, the forms are updated. Each update
    adds to the bound on rounding; after `MOST_FLIPS` changes the forms are composed anew.
    """
    n = len(dim)
    form, noise = forms.form, forms.noise
    first, end = net.first[layer + 1], net.first[layer + 2]
    doubt, bias = noise[first:end], net.bias[first:end]
    flips = active = 0
    same = forms.version[layer + 1] > 0
    for t in range(net.term[layer], net.term[layer + 1]):
        source = net.source[t]
        same = same and forms.seen[t] == forms.version[source]
        used = forms.used[net.place[t] : net.place[t + 1]]
        slope = forms.slope[net.first[source] : net.first[source + 1]]
        for j in range(len(used)):
            flips += used[j] != slope[j]
            active += slope[j] != 0.0
    update = same and 2 * flips < active and forms.flips[layer] + flips <= MOST_FLIPS
    unit = 2.0 * ((2 * flips + 4 if update else net.length[layer]) + 2) * UNIT
    if update:
        forms.flips[layer] += flips
        for k in range(n + 1):
            row = form[k, first:end]
            for i in range(len(row)):
                doubt[i] += unit * abs(row[i])
    else:
        forms.flips[layer] = 0
        for k in range(n):
            form[k, first:end] = 0.0
        row = form[n, first:end]
        for i in range(len(row)):
            row[i] = bias[i]
            doubt[i] = unit * abs(bias[i])
    normal = net.normal[layer]
    for t in range(net.term[layer], net.term[layer + 1]):
        source = net.source[t]
        start = net.first[source]
        used = forms.used[net.place[t] : net.place[t + 1]]
        slope = forms.slope[start : net.first[source + 1]]
        many = 0
        for j in range(len(used)):
            change = slope[j] - (used[j] if update else 0.0)
            if change != 0.0:
                live[many] = j
                factor[many] = change
                many += 1
            used[j] = slope[j]
        forms.seen[t] = forms.version[source]
        normal = _add_term(dim, form, noise, net.weight, net.begin[t], live, factor, many, start, first, end, unit) and normal
    forms.version[layer + 1] += 1
    scale = 1.0 + 8.0 * (net.length[layer] + n + 9) * UNIT
    never = 0.0 if normal else LOST
    for i in range(len(doubt)):
        doubt[i] = doubt[i] * scale + LOST if doubt[i] > 0 else never


@compiled(fastmath={"contract"}, error_model="numpy", _nrt=False)
def _add_term(
    dim: tuple,
    form: Array,
    noise: Array,
    weight: Array,
    begin: int,
    live: Array,
    factor: Array,
    many: int,
    start: int,
    first: int,
    end: int,
    unit: float,
) -> bool:
    """Add weight[:, j] * factor * form of source j to the forms of a layer, over `live` sources j, four at a time.

    Returns
    -------
    bool
        Whether all products are zero or far from underflow.
    """
    n = len(dim)
    m = end - first
    doubt = noise[first:end]
    normal = True
    for q in range(many, many + 3):  # fill the last four up with nothing
        live[q] = live[max(many - 1, 0)]
        factor[q] = 0.0
    for q in range(0, many, 4):
        j0, j1, j2, j3 = live[q], live[q + 1], live[q + 2], live[q + 3]
        s0, s1, s2, s3 = factor[q], factor[q + 1], factor[q + 2], factor[q + 3]
        b0, b1, b2, b3 = begin + j0 * m, begin + j1 * m, begin + j2 * m, begin + j3 * m
        w0, w1, w2, w3 = weight[b0 : b0 + m], weight[b1 : b1 + m], weight[b2 : b2 + m], weight[b3 : b3 + m]
        z0 = z1 = z2 = z3 = 0.0
        for k in range(n + 1):
            z0 += abs(s0 * form[k, start + j0])
            z1 += abs(s1 * form[k, start + j1])
            z2 += abs(s2 * form[k, start + j2])
            z3 += abs(s3 * form[k, start + j3])
        for k in range(0, n, 2):  # two rows at a time, for the sake of loads
            p0, p1, p2, p3 = s0 * form[k, start + j0], s1 * form[k, start + j1], s2 * form[k, start + j2], s3 * form[k, start + j3]
            q0, q1, q2, q3 = s0 * form[k + 1, start + j0], s1 * form[k + 1, start + j1], s2 * form[k + 1, start + j2], s3 * form[k + 1, start + j3]
            row, other = form[k, first:end], form[k + 1, first:end]
            for i in range(m):
                x0, x1, x2, x3 = w0[i], w1[i], w2[i], w3[i]
                row[i] += x0 * p0 + x1 * p1 + x2 * p2 + x3 * p3
                other[i] += x0 * q0 + x1 * q1 + x2 * q2 + x3 * q3
        if n % 2 == 0:
            p0, p1, p2, p3 = s0 * form[n, start + j0], s1 * form[n, start + j1], s2 * form[n, start + j2], s3 * form[n, start + j3]
            row = form[n, first:end]
            for i in range(m):
                row[i] += w0[i] * p0 + w1[i] * p1 + w2[i] * p2 + w3[i] * p3
        e0, e1 = _scaled_noise(n, noise[start + j0], z0, s0), _scaled_noise(n, noise[start + j1], z1, s1)
        e2, e3 = _scaled_noise(n, noise[start + j2], z2, s2), _scaled_noise(n, noise[start + j3], z3, s3)
        normal = normal and _far(z0) and _far(z1) and _far(z2) and _far(z3) and _far(e0) and _far(e1) and _far(e2) and _far(e3)
        p0, p1, p2, p3 = e0 + unit * z0, e1 + unit * z1, e2 + unit * z2, e3 + unit * z3
        for i in range(m):
            doubt[i] += abs(w0[i]) * p0 + abs(w1[i]) * p1 + abs(w2[i]) * p2 + abs(w3[i]) * p3
    return normal


@compiled(error_model="numpy", _nrt=False)
def _far(size: float) -> bool:
    return size == 0.0 or size >= SMALL


@compiled(error_model="numpy", _nrt=False)
def _scaled_noise(n: int, noise: float, size: float, slope: float) -> float:
    """As `compose.scaled_error`; `size` is the length of the form that is scaled already."""
    if slope == 0.0:
        return 0.0
    if abs(slope) == 1.0:
        return noise
    product = abs(slope) * (noise * (1 + 4 * UNIT)) + 2 * UNIT * size * (1 + 4 * UNIT)
    return product * (1 + 4 * (n + 9) * UNIT) + LOST
