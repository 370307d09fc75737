"""A network as flat arrays for a kernel, and its forms on a cell, layer by layer.

Data in: a network and the bits of the layers before. Data out: the forms of a layer, with bounds on their rounding.

Forms are kept transposed, `z[coefficient, neuron]`, so that loops run over neurons; those of the inputs stand apart, in
`x`. What a layer reads of an earlier one is its slopes times its forms. Layers that read the input alone have the same
forms on all cells and are there from the start. Rounding is bounded as in `network/compose.py`.

Invariant: the columns of a layer in `Work` belong to the cell at which it was entered last, which is an ancestor of the
cell at hand.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.domains.domain import Domain
from polylc.jit.decorators import inlined, kernel
from polylc.jit.room import zeros
from polylc.network.compose import TINY, UNIT, absolute_sums, input_forms
from polylc.network.form import Network
from polylc.network.replay import flatten as flat_net

Array = np.ndarray

SMALL = 2.0**-400  # products of larger numbers do not underflow


class Flat(NamedTuple):
    """The hidden layers of a `FlatNet`, as this engine reads them. Source 0 is the input; source s > 0 the output of
    hidden layer s - 1.
    """

    offset: Array  # of each hidden layer's neurons, (L + 1,)
    terms: Array  # of hidden layer l: terms[l]:terms[l + 1] of the next three, (L + 1,)
    source: Array  # first unit of the source; units are inputs, then neurons
    width: Array  # units of the source
    start: Array  # where the transposed weights of a dense term begin, -1 for a sparse one
    weight: Array
    column: Array  # of a sparse term: where the non-zeros that multiply a unit begin, from place[t] on
    place: Array
    row: Array  # their rows in the layer
    value: Array
    bias: Array
    negative: Array
    positive: Array
    fixed: Array  # whether a layer reads the input alone
    normal: bool  # no weight is so small that products vanish
    leader: Array  # (neurons,) the first neuron with the same hyperplane (`network/twins.py`); only leaders have rows
    ratio: Array  # (neurons,) multiple of the leader's form
    begin_mate: Array  # (neurons + 1,) where a leader's mates begin
    mate: Array


class Work(NamedTuple):
    """Forms of the current path: each layer's belong to the cell at which it was entered."""

    z: Array  # (k + 1, neurons)
    noise: Array  # (neurons,)
    x: Array  # (k + 1, inputs), or no rows if no other layer reads the input
    slope: Array  # (inputs + neurons,): 1 for inputs
    error: Array  # (inputs + neurons,): of slope times form
    size: Array  # (inputs + neurons,): sums of absolute coefficients of the same
    high: Array  # (neurons,): over the whole neighbourhood
    low: Array
    length: Array  # (neurons,): of the gradient
    limit: Array  # (neurons,): distances from which a side counts as shown
    active: Array  # scratch: units whose forms are not zero
    plain: Array  # scratch


def flatten(network: Network, domain: Domain) -> tuple[Flat, Work]:
    """Flat arrays of the network, and room for its forms with those of the inputs filled in."""
    network, embedding, rounding = domain.start(network)
    net, layers = flat_net(network), len(network.layers)
    terms, hidden = int(net.term[layers]), slice(network.inputs, network.inputs + network.neurons)
    flat = Flat(
        network.offsets,
        net.term[: layers + 1],
        net.first[net.source[:terms]],
        np.diff(net.place)[:terms],
        net.begin[:terms],
        net.weight,
        net.column,
        net.place[:terms],
        net.row,
        net.value,
        net.bias[hidden],
        net.negative[hidden],
        net.positive[hidden],
        np.array([all(s == 0 for s, _ in layer.affine.terms) for layer in network.layers], dtype=np.bool_),
        bool(net.normal[:layers].all()),
        net.leader,
        net.ratio,
        net.begin_mate,
        net.mate,
    )
    k, neurons, inputs = domain.dimension, network.neurons, network.inputs
    read = any(any(s == 0 for s, _ in layer.affine.terms) for layer, fixed in zip(network.layers, flat.fixed, strict=True) if not fixed)
    work = Work(
        zeros((k + 1, neurons)),
        np.zeros(neurons),
        np.ascontiguousarray(embedding.T) if read else np.zeros((0, inputs)),
        np.ones(inputs + neurons),
        np.zeros(inputs + neurons),
        np.zeros(inputs + neurons),
        np.zeros(neurons),
        np.zeros(neurons),
        np.zeros(neurons),
        np.zeros(neurons),
        np.zeros(inputs + neurons, dtype=np.int64),
        np.zeros(max([0, *network.widths])),
    )
    work.error[:inputs] = rounding
    work.size[:inputs] = absolute_sums(embedding)
    for layer, begin, end, fixed in zip(network.layers, network.offsets[:-1], network.offsets[1:], flat.fixed, strict=True):
        if fixed:
            work.noise[begin:end] = input_forms(layer.affine, embedding, rounding, work.z[:, begin:end])
    return flat, work


@kernel
def finish_layer(net: Flat, work: Work, layer: int, bits: Array) -> None:
    """Forms of the outputs of a layer whose bits are known."""
    k = len(work.z) - 1
    begin, end = net.offset[layer], net.offset[layer + 1]
    base = len(work.slope) - len(bits)
    size, plain = work.size[base + begin : base + end], work.plain[: end - begin]
    for i in range(end - begin):
        work.slope[base + begin + i] = net.positive[begin + i] if bits[begin + i] else net.negative[begin + i]
        size[i] = 0.0
        plain[i] = 0.0
    slope = work.slope[base + begin : base + end]
    for j in range(k + 1):
        z = work.z[j, begin:end]
        for i in range(end - begin):
            plain[i] += abs(z[i])
            size[i] += abs(slope[i] * z[i])
    for i in range(end - begin):
        steep, noise = abs(slope[i]), work.noise[begin + i]
        if steep == 0.0:
            size[i] = 0.0  # whatever the form
            work.error[base + begin + i] = 0.0
        elif steep == 1.0:
            work.error[base + begin + i] = noise
        else:
            error = steep * (noise * (1.0 + 4.0 * UNIT) + 2.0 * UNIT * plain[i])
            work.error[base + begin + i] = error * (1.0 + 4.0 * (k + 9) * UNIT) + 4.0 * (k + 3) * TINY


@kernel
def enter_layer(net: Flat, work: Work, layer: int, sliver: float) -> None:
    """Forms of a layer's pre-activations, their rounding, their bounds over the neighbourhood, their lengths."""
    begin, end = net.offset[layer], net.offset[layer + 1]
    if not net.fixed[layer]:
        _compose(net, work, layer)
    _measure(work, begin, end, sliver)


@inlined
def _compose(net: Flat, work: Work, layer: int) -> None:
    """Forms of a layer and bounds on their rounding."""
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
    if start < 0:
        _add_sparse(net, work, t, begin, some, unit)
        return normal
    for e in range(some):
        u = active[e]
        w = net.weight[start + (u - first) * m : start + (u - first + 1) * m]
        factor = work.error[u] + unit * work.size[u]
        for i in range(m):
            noise[i] += factor * abs(w[i])
    inputs = work.x.shape[1]
    for j in range(len(work.z)):  # one coefficient of all neurons at a time, which stays in the nearest cache
        z = work.z[j, begin:end]
        read = work.x[j] if first < inputs else work.z[j, first - inputs :]
        for e in range(some):
            u = active[e]
            a = work.slope[u] * read[u - first]
            if a != 0.0:
                w = net.weight[start + (u - first) * m : start + (u - first + 1) * m]
                for i in range(m):
                    z[i] += a * w[i]
    return normal


@inlined
def _add_sparse(net: Flat, work: Work, t: int, begin: int, some: int, unit: float) -> None:
    """As `_add_term` for a sparse term, for the first `some` of the active units."""
    noise, active, first, inputs = work.noise[begin:], work.active, net.source[t], work.x.shape[1]
    column = net.column[net.place[t] :]
    for e in range(some):
        u = active[e]
        factor = work.error[u] + unit * work.size[u]
        for p in range(column[u - first], column[u - first + 1]):
            noise[net.row[p]] += factor * abs(net.value[p])
    for j in range(len(work.z)):
        z = work.z[j, begin:]
        read = work.x[j] if first < inputs else work.z[j, first - inputs :]
        for e in range(some):
            u = active[e]
            a = work.slope[u] * read[u - first]
            if a != 0.0:
                for p in range(column[u - first], column[u - first + 1]):
                    z[net.row[p]] += a * net.value[p]


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
