"""Forms along a sequence of patterns, compiled: what the next pattern changes is brought up to date, the rest stays.

Regions come in the order of a depth-first search, so that neighbours in the list differ in few bits, most of them deep. Where the
forms of its sources are those of before and few slopes have changed, a layer's forms take only the terms that differ; else they are
composed anew. The bound on rounding is that of `compose.rounding`, and every update adds to it (docs/exactness.md, lemma 2).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from polylc.compiled import compiled
from polylc.network.compose import UNIT, apply_affine, rounding
from polylc.network.form import Affine, Network
from polylc.network.patterns import words

Array = np.ndarray
MOST_FLIPS = 64  # changes of slopes until a layer is composed anew
SMALL = 2.0**-400  # products of larger numbers do not underflow to zero
LOST = 2.0**-1000  # more than all underflows of a form together; not subnormal, which would be slow

_compiled: Any = compiled(nogil=True, fastmath={"contract"}, error_model="numpy", _nrt=False)
inlined: Any = compiled(inline="always")


class FlatNet(NamedTuple):
    """A network as flat arrays. Columns are numbered inputs first, then neurons, then outputs; the output is a last layer."""

    first: Array  # (L + 3,) first column of the input, of each layer and of the output, and the number of columns
    term: Array  # (L + 2,) layer l has the terms term[l]:term[l + 1]
    source: Array  # (terms,) 0 is the input, l + 1 the hidden layer l
    place: Array  # (terms + 1,) where the sources of a term begin in a list of all terms' sources
    begin: Array  # (terms,) where the weights of a term begin
    weight: Array  # transposed matrices, one behind the other
    bias: Array  # (columns,) 0 for the input
    negative: Array  # (columns,) slopes; 1 for inputs and outputs
    positive: Array
    layer: Array  # (columns,) layer of a column, -1 for the input
    length: Array  # (L + 1,) terms of the sums that make up a form
    normal: Array  # (L + 1,) whether all weights are zero or far from underflow


class Replay(NamedTuple):
    """Forms on the region whose pattern `words` are."""

    form: Array  # (columns, k + 1)
    noise: Array  # (columns,) bound on rounding
    slope: Array  # (columns,)
    words: Array  # packed pattern
    version: Array  # (L + 2,) how often the forms of the input, of each layer and of the output have changed
    seen: Array  # (terms,) version of the source when its term was added
    used: Array  # (sources of all terms,) slopes with which it was added
    flips: Array  # (L + 1,) changes of slopes since the forms were composed anew
    stale: Array  # (L + 1,) whether slopes of the input (never) or of a layer have changed
    scaled: Array  # (k + 1,)


def flatten(network: Network) -> FlatNet:
    """The network as the kernels read it."""
    affines: list[Affine] = [*(layer.affine for layer in network.layers), network.output]
    widths = [network.inputs, *(a.size for a in affines)]
    first = np.concatenate([[0], np.cumsum(widths)]).astype(np.int64)
    terms = [[(s, np.ascontiguousarray(w.T)) for s, w in a.terms] for a in affines]
    flat = [t for each in terms for t in each]
    none, zero = np.zeros(0), np.zeros(network.inputs)
    ones, last = np.ones(network.inputs), np.ones(network.outputs)
    return FlatNet(
        first,
        np.cumsum([0, *(len(each) for each in terms)]).astype(np.int64),
        np.array([s for s, _ in flat], dtype=np.int64),
        np.cumsum([0, *(len(w) for _, w in flat)]).astype(np.int64),
        np.cumsum([0, *(w.size for _, w in flat)]).astype(np.int64),
        np.concatenate([none, *(w.ravel() for _, w in flat)]),
        np.concatenate([zero, *(a.bias for a in affines)]),
        np.concatenate([ones, network.slopes[0], last]),
        np.concatenate([ones, network.slopes[1], last]),
        np.repeat(np.arange(-1, len(affines)), widths),
        np.array([1 + sum(w.shape[0] for _, w in each) for each in terms], dtype=np.int64),
        np.array([all(not ((np.abs(w) > 0) & (np.abs(w) < SMALL)).any() for _, w in each) for each in terms], dtype=np.bool_),
    )


def begin(network: Network, net: FlatNet, start: Array, start_error: Array) -> Replay:
    """A replay at the pattern of no active neuron; forms of layers that read the input alone are there, the others still to come.

    Parameters
    ----------
    start : ndarray, shape (n, k + 1)
        The embedding of the domain.
    start_error : ndarray, shape (n,)
        Bound on the rounding in its rows.
    """
    columns, layers, terms = int(net.first[-1]), len(net.length), len(net.source)
    form, noise = np.zeros((columns, start.shape[1])), np.zeros(columns)
    form[: network.inputs], noise[: network.inputs] = start, start_error
    version, seen, flips = (np.zeros(size, dtype=np.int64) for size in (layers + 1, terms, layers))
    replay = Replay(
        form,
        noise,
        net.negative.copy(),
        np.zeros(words(network.neurons), dtype=np.uint64),
        version,
        seen,
        np.zeros(int(net.place[-1])),
        flips,
        np.zeros(layers, dtype=np.bool_),
        np.zeros(start.shape[1]),
    )
    for index, affine in enumerate([*(layer.affine for layer in network.layers), network.output]):
        if all(source == 0 for source, _ in affine.terms):
            here = slice(int(net.first[index + 1]), int(net.first[index + 2]))
            form[here], noise[here] = apply_affine(affine, [start]), rounding(affine, [start], [np.asarray(start_error, dtype=np.float64)])
            replay.version[index + 1] = 1
            for t in range(net.term[index], net.term[index + 1]):
                replay.used[net.place[t] : net.place[t + 1]] = 1.0
    return replay


@_compiled
def move(net: FlatNet, replay: Replay, pattern: Array, output: bool) -> None:
    """Bring the forms to another pattern, those of the output only if they are asked for."""
    one = np.uint64(1)
    for w in range(len(pattern)):
        change = replay.words[w] ^ pattern[w]
        if change == np.uint64(0):
            continue
        replay.words[w] = pattern[w]
        column = net.first[1] + 64 * w
        for b in range(64):
            bit = np.uint64(b)
            if (change >> bit) & one:
                replay.slope[column + b] = net.positive[column + b] if (pattern[w] >> bit) & one else net.negative[column + b]
                replay.stale[net.layer[column + b] + 1] = True
    layers = len(net.length)
    for layer in range(layers if output else layers - 1):
        needed = layer == layers - 1 or replay.version[layer + 1] == 0
        for t in range(net.term[layer], net.term[layer + 1]):
            source = net.source[t]
            needed = needed or replay.stale[source] or replay.seen[t] != replay.version[source]
        if needed:
            _compose(net, replay, layer)
    for layer in range(layers):
        replay.stale[layer] = False


@_compiled
def _compose(net: FlatNet, replay: Replay, layer: int) -> None:
    """Forms of a layer from those of its sources, by what has changed or anew."""
    form, noise = replay.form, replay.noise
    width = form.shape[1]
    first, end = net.first[layer + 1], net.first[layer + 2]
    flips = active = 0
    same = replay.version[layer + 1] > 0
    for t in range(net.term[layer], net.term[layer + 1]):
        source = net.source[t]
        same = same and replay.seen[t] == replay.version[source]
        start, place = net.first[source], net.place[t]
        for j in range(net.place[t + 1] - place):
            flips += replay.used[place + j] != replay.slope[start + j]
            active += replay.slope[start + j] != 0.0
    if same and flips == 0:
        return
    update = same and 2 * flips < active + 2 and replay.flips[layer] + flips <= MOST_FLIPS
    unit = 2.0 * ((2 * flips + 4 if update else net.length[layer]) + 2) * UNIT
    replay.flips[layer] = replay.flips[layer] + flips if update else 0
    for i in range(first, end):
        if update:
            size = 0.0
            for k in range(width):
                size += abs(form[i, k])
            noise[i] += unit * size
        else:
            for k in range(width - 1):
                form[i, k] = 0.0
            form[i, width - 1] = net.bias[i]
            noise[i] = unit * abs(net.bias[i])
    normal = net.normal[layer]
    for t in range(net.term[layer], net.term[layer + 1]):
        source = net.source[t]
        start, place = net.first[source], net.place[t]
        for j in range(net.place[t + 1] - place):
            slope = replay.slope[start + j]
            change = slope - replay.used[place + j] if update else slope
            replay.used[place + j] = slope
            if change != 0.0:
                normal = _add(net.weight, replay, net.begin[t] + j * (end - first), start + j, first, end, change, unit) and normal
        replay.seen[t] = replay.version[source]
    replay.version[layer + 1] += 1
    scale = 1.0 + 8.0 * (net.length[layer] + width + 8) * UNIT
    for i in range(first, end):
        noise[i] = noise[i] * scale + LOST if noise[i] > 0 or not normal else 0.0 * noise[i]  # NaN stays


@_compiled
def _add(weight: Array, replay: Replay, begin: int, source: int, first: int, end: int, factor: float, unit: float) -> bool:
    """Add weight * factor * form of a source to the forms of a layer; whether products are zero or far from underflow."""
    form, noise, scaled = replay.form, replay.noise, replay.scaled
    width = form.shape[1]
    size = 0.0
    for k in range(width):
        scaled[k] = factor * form[source, k]
        size += abs(scaled[k])
    error = noise[source]
    if abs(factor) != 1.0:
        error = abs(factor) * (error * (1 + 4 * UNIT)) + 2 * UNIT * size * (1 + 4 * UNIT)
        error = error * (1 + 4 * (width + 8) * UNIT) + LOST
    doubt = error + unit * size
    if 0.0 < size < SMALL:  # the product may have underflowed, and weights may be large
        doubt += LOST
    if width == 3:  # spelt out: a loop over few coefficients costs more than what it does
        a, b, c = scaled[0], scaled[1], scaled[2]
        for i in range(first, end):
            w = weight[begin + i - first]
            form[i, 0] += w * a
            form[i, 1] += w * b
            form[i, 2] += w * c
            noise[i] += abs(w) * doubt
    elif width == 4:
        a, b, c, d = scaled[0], scaled[1], scaled[2], scaled[3]
        for i in range(first, end):
            w = weight[begin + i - first]
            form[i, 0] += w * a
            form[i, 1] += w * b
            form[i, 2] += w * c
            form[i, 3] += w * d
            noise[i] += abs(w) * doubt
    else:
        for i in range(first, end):
            w = weight[begin + i - first]
            if w != 0.0:
                noise[i] += abs(w) * doubt
                for k in range(width):
                    form[i, k] += w * scaled[k]
    return (size == 0.0 or size >= SMALL) and (error == 0.0 or error >= SMALL)
