"""A network as flat arrays for a kernel, and its forms on a cell, layer by layer.

Data in: a network and the bits of the layers before. Data out: the forms of a layer, with bounds on their rounding.

The forms of pre-activations are kept transposed, `z[coefficient, neuron]`, so that loops run over neurons; those of the
sources (inputs and outputs of hidden layers) as rows, `h[unit, coefficient]`. Rounding is bounded as in
`network/compose.py`.

Invariant: the columns of a layer in `Work` belong to the cell at which it was entered last, which is an ancestor of the
cell at hand.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.domains.box import Neighbourhood
from polylc.jit.decorators import inlined, kernel
from polylc.network.compose import TINY, UNIT
from polylc.network.form import Network

Array = np.ndarray

SMALL = 2.0**-400  # products of larger numbers do not underflow


class Flat(NamedTuple):
    """A network on a neighbourhood. Source 0 is the input; source s > 0 the output of hidden layer s - 1."""

    offset: Array  # of each hidden layer's neurons, (L + 1,)
    terms: Array  # of hidden layer l: terms[l]:terms[l + 1] of the next three, (L + 1,)
    source: Array  # first unit of the source in h
    width: Array  # units of the source
    start: Array  # where the transposed weights begin
    weight: Array
    bias: Array
    negative: Array
    positive: Array
    normal: bool  # no weight is so small that products vanish


class Work(NamedTuple):
    """Forms of the current path: each layer's belong to the cell at which it was entered."""

    z: Array  # (k + 1, neurons)
    noise: Array  # (neurons,)
    h: Array  # (inputs + neurons, k + 1)
    error: Array  # (inputs + neurons,)
    size: Array  # (inputs + neurons,): sums of absolute coefficients
    high: Array  # (neurons,): over the whole neighbourhood
    low: Array
    length: Array  # (neurons,): of the gradient
    limit: Array  # (neurons,): distances from which a side counts as shown
    active: Array  # scratch: units whose forms are not zero


def flatten(network: Network, domain: Neighbourhood) -> tuple[Flat, Work]:
    """Flat arrays of the network, and room for its forms with those of the inputs filled in."""
    terms, source, width, start, blocks = [0], [], [], [], [np.zeros(0)]
    units = [0, *(network.inputs + network.offsets[:-1]).tolist()]
    at = 0
    for layer in network.layers:
        for s, weight in layer.affine.terms:
            source.append(units[s])
            width.append(weight.shape[1])
            start.append(at)
            blocks.append(np.ascontiguousarray(weight.T).ravel())
            at += weight.size
        terms.append(len(source))
    weights = np.concatenate(blocks)
    flat = Flat(
        network.offsets,
        np.array(terms, dtype=np.int64),
        np.array(source, dtype=np.int64),
        np.array(width, dtype=np.int64),
        np.array(start, dtype=np.int64),
        weights,
        np.concatenate([np.zeros(0), *(layer.affine.bias for layer in network.layers)]),
        network.slopes[0],
        network.slopes[1],
        bool(((weights == 0) | (np.abs(weights) >= SMALL)).all()),
    )
    k, neurons, inputs = domain.dimension, network.neurons, network.inputs
    work = Work(
        np.zeros((k + 1, neurons)),
        np.zeros(neurons),
        np.zeros((inputs + neurons, k + 1)),
        np.zeros(inputs + neurons),
        np.zeros(inputs + neurons),
        np.zeros(neurons),
        np.zeros(neurons),
        np.zeros(neurons),
        np.zeros(neurons),
        np.zeros(inputs + neurons, dtype=np.int64),
    )
    work.h[:inputs] = domain.embedding
    work.error[:inputs] = domain.rounding
    work.size[:inputs] = np.abs(work.h[:inputs]).sum(axis=1)
    return flat, work


@kernel
def finish_layer(net: Flat, work: Work, layer: int, bits: Array) -> None:
    """Forms of the outputs of a layer whose bits are known."""
    k = len(work.z) - 1
    begin, end = net.offset[layer], net.offset[layer + 1]
    base = len(work.h) - len(bits)
    for i in range(begin, end):
        slope = net.positive[i] if bits[i] else net.negative[i]
        u = base + i
        if slope == 0.0:
            if work.size[u] != 0.0:
                for j in range(k + 1):
                    work.h[u, j] = 0.0
            work.size[u] = 0.0
            work.error[u] = 0.0
            continue
        size = 0.0
        plain = 0.0
        for j in range(k + 1):
            v = work.z[j, i]
            plain += abs(v)
            v *= slope
            work.h[u, j] = v
            size += abs(v)
        work.size[u] = size
        if abs(slope) == 1.0:
            work.error[u] = work.noise[i]
        else:
            error = abs(slope) * (work.noise[i] * (1.0 + 4.0 * UNIT) + 2.0 * UNIT * plain)
            work.error[u] = error * (1.0 + 4.0 * (k + 9) * UNIT) + 4.0 * (k + 3) * TINY


@kernel
def enter_layer(net: Flat, work: Work, layer: int, sliver: float) -> None:
    """Forms of a layer's pre-activations, their rounding, their bounds over the neighbourhood, their lengths."""
    k = len(work.z) - 1
    begin, end = net.offset[layer], net.offset[layer + 1]
    noise = work.noise[begin:end]
    count = 1
    for t in range(net.terms[layer], net.terms[layer + 1]):
        count += net.width[t]
    unit = 2.0 * (count + 2) * UNIT  # of a sum of so many products, each rounded twice
    for i in range(end - begin):
        noise[i] = unit * abs(net.bias[begin + i])
    for j in range(k + 1):
        z = work.z[j, begin:end]
        for i in range(end - begin):
            z[i] = 0.0
    normal = net.normal
    for t in range(net.terms[layer], net.terms[layer + 1]):
        normal = _add_term(net, work, t, begin, end, unit) and normal
    lost = 16.0 * (count + 2) * (k + 3) * TINY
    grow = 1.0 + 8.0 * (count + k + 9) * UNIT  # what rounding does to the bound itself
    for i in range(end - begin):
        work.z[k, begin + i] += net.bias[begin + i]
        noise[i] *= grow
        if not normal or noise[i] > 0.0:
            noise[i] += lost
    _measure(work, begin, end, sliver)


@inlined
def _add_term(net: Flat, work: Work, t: int, begin: int, end: int, unit: float) -> bool:
    """Add one source's part to the forms of a layer and to their rounding; whether none of it is so small that products
    vanish.
    """
    m = end - begin
    noise, active = work.noise[begin:end], work.active
    first, start = net.source[t], net.start[t]
    normal = True
    some = 0
    for u in range(first, first + net.width[t]):
        size, error = work.size[u], work.error[u]
        if size != 0.0 or error != 0.0:  # about half of the units are off
            active[some] = u
            some += 1
        if 0.0 < size < SMALL or 0.0 < error < SMALL:
            normal = False
    for e in range(some):
        u = active[e]
        w = net.weight[start + (u - first) * m : start + (u - first + 1) * m]
        factor = work.error[u] + unit * work.size[u]
        for i in range(m):
            noise[i] += factor * abs(w[i])
    for j in range(len(work.z)):  # one coefficient of all neurons at a time, which stays in the nearest cache
        z = work.z[j, begin:end]
        for e in range(some):
            u = active[e]
            a = work.h[u, j]
            if a != 0.0:
                w = net.weight[start + (u - first) * m : start + (u - first + 1) * m]
                for i in range(m):
                    z[i] += a * w[i]
    return normal


@inlined
def _measure(work: Work, begin: int, end: int, sliver: float) -> None:
    """Bounds of a layer's forms over the neighbourhood, their lengths, and from which distance on a side counts as
    shown.
    """
    k, m = len(work.z) - 1, end - begin
    noise, high, low, length = work.noise[begin:end], work.high[begin:end], work.low[begin:end], work.length[begin:end]
    for i in range(m):
        high[i] = 0.0
        length[i] = 0.0
    for j in range(k):
        z = work.z[j, begin:end]
        for i in range(m):
            high[i] += abs(z[i])
            length[i] = max(length[i], abs(z[i]))
    for i in range(m):
        c = work.z[k, begin + i]
        low[i] = c - high[i]
        high[i] += c
        largest = length[i]
        if largest > 0.0:
            total = 0.0
            for j in range(k):  # over the largest, so that squares neither overflow nor vanish
                a = work.z[j, begin + i] / largest
                total += a * a
            length[i] = largest * np.sqrt(total)
            work.limit[begin + i] = max(sliver, noise[i] / length[i])
