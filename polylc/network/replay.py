"""Forms along a path or a sequence of patterns, compiled: what changes is brought up to date, the rest stays.

Regions come in the order of a depth-first search, so that neighbours in the list differ in few bits, most of them deep.
Where the forms of its sources are those of before and few slopes have changed, a layer's forms take only the terms that
differ; else they are composed anew. The bound on rounding is that of `compose.rounding`, and every update adds to it
(docs/exactness.md, lemma 2).

In: a network (`FlatNet`) and packed patterns, one after the other. Out: all forms on the cell of the pattern, and
bounds on their rounding (`Replay`). Invariant: form and noise of a layer belong to the slopes in `used` and the
versions in `seen`; a layer whose sources are not of these has still to be composed, which `move` does before it
returns.

Forms are kept transposed, one row for each coefficient and one column for each input, neuron and output, so that loops
over the neurons of a layer run along memory.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.jit.bits import lowest_bit
from polylc.jit.decorators import inlined, kernel
from polylc.jit.room import zeros
from polylc.network.compose import UNIT, input_forms
from polylc.network.dense_terms import LOST, SMALL, Sources, add_dense, add_narrow, far, rounded, scaled_noise
from polylc.network.form import Affine, Network, once
from polylc.network.patterns import words
from polylc.network.twins import twins
from polylc.network.weights import entries

Array = np.ndarray
MOST_KEPT = 2**21  # doubles (16 MB) of the forms at the start of a replay that are kept for the next one
MOST_FLIPS = 64  # lemma 2a: changes of slopes until a layer is composed anew; keeps the bound small, proves nothing
NARROW = 3  # layers of at most so many neurons are composed one neuron after the other


class FlatNet(NamedTuple):
    """A network as flat arrays. Columns are numbered inputs first, then neurons, then outputs; the output is a last
    layer."""

    first: Array  # (L + 3,) first column of the input, of each layer and of the output, and the number of columns
    term: Array  # (L + 2,) layer l has the terms term[l]:term[l + 1]
    source: Array  # (terms,) 0 is the input, l + 1 the hidden layer l
    place: Array  # (terms + 1,) where the sources of a term begin in a list of all terms' sources
    begin: Array  # (terms,) where the weights of a dense term begin, -1 for a sparse one
    weight: Array  # transposed dense matrices, one behind the other
    column: Array  # (sources of all terms + 1,) where the non-zeros that multiply a source begin; none for dense terms
    row: Array  # their rows in the layer
    value: Array
    bias: Array  # (columns,) 0 for the input
    negative: Array  # (columns,) slopes; 1 for inputs and outputs
    positive: Array
    layer: Array  # (columns,) layer of a column, -1 for the input
    length: Array  # (L + 1,) terms of the sums that make up a form
    normal: Array  # (L + 1,) whether all weights are zero or far from underflow
    leader: Array  # (neurons,) the first neuron that defines the same hyperplane (`network/twins.py`)
    ratio: Array  # (neurons,) multiple of the leader's form
    begin_mate: Array  # (neurons + 1,) a leader's mates are mate[begin_mate[i]:begin_mate[i + 1]]
    mate: Array


class Replay(NamedTuple):
    """Forms on the cell that `slope` describes."""

    form: Array  # (k + 1, columns)
    noise: Array  # (columns,) bound on rounding
    slope: Array  # (columns,)
    sign: Array  # (columns,) +1 where the neuron's bit is set, else -1
    words: Array  # packed pattern
    version: Array  # (L + 2,) how often the forms of the input, of each layer and of the output have changed
    seen: Array  # (terms,) version of the source when its term was added
    used: Array  # (sources of all terms,) slopes with which it was added
    flips: Array  # (L + 1,) changes of slopes since the forms were composed anew
    stale: Array  # (L + 1,) whether slopes of the input (never) or of a layer have changed
    live: Array  # room: sources that have a part in a layer
    factor: Array
    size: Array


@once
def flatten(network: Network) -> FlatNet:
    """The network as the kernels read it; the same arrays while the network lives."""
    affines: list[Affine] = [*(layer.affine for layer in network.layers), network.output]
    widths = [network.inputs, *(a.size for a in affines)]
    first = np.concatenate([[0], np.cumsum(widths)]).astype(np.int64)
    flat = [term for a in affines for term in a.terms]
    full = [np.ascontiguousarray(w.T) if isinstance(w, np.ndarray) else np.zeros((0, 0)) for _, w in flat]
    spare = [None if isinstance(w, np.ndarray) else w.tocsc() for _, w in flat]
    counts = [np.zeros(w.shape[1], dtype=np.int64) if c is None else np.diff(c.indptr) for (_, w), c in zip(flat, spare, strict=True)]
    some = [c for c in spare if c is not None]
    begins = np.cumsum([0, *(w.size for w in full)]).astype(np.int64)
    none, zero, groups = np.zeros(0), np.zeros(network.inputs), twins(network)
    ones, last = np.ones(network.inputs), np.ones(network.outputs)
    return FlatNet(
        first,
        np.cumsum([0, *(len(a.terms) for a in affines)]).astype(np.int64),
        np.array([s for s, _ in flat], dtype=np.int64),
        np.cumsum([0, *(w.shape[1] for _, w in flat)]).astype(np.int64),
        np.array([at if c is None else -1 for at, c in zip(begins[:-1], spare, strict=True)], dtype=np.int64),
        np.concatenate([none, *(w.ravel() for w in full)]),
        np.cumsum(np.concatenate([[0], *counts])).astype(np.int64),
        np.concatenate([np.zeros(0, dtype=np.int64), *(c.indices for c in some)]),
        np.concatenate([none, *(c.data for c in some)]),
        np.concatenate([zero, *(a.bias for a in affines)]),
        np.concatenate([ones, network.slopes[0], last]),
        np.concatenate([ones, network.slopes[1], last]),
        np.repeat(np.arange(-1, len(affines)), widths),
        np.array([1 + sum(w.shape[1] for _, w in a.terms) for a in affines], dtype=np.int64),
        np.array([all(_far_or_zero(entries(w)) for _, w in a.terms) for a in affines], dtype=np.bool_),
        groups.leader,
        groups.ratio,
        groups.begin,
        groups.mate,
    )


def _far_or_zero(values: Array) -> bool:
    size = np.abs(values)
    return not ((size > 0) & (size < SMALL)).any()


def begin(network: Network, net: FlatNet, start: Array, start_error: Array) -> Replay:
    """A replay at the pattern of no active neuron; forms of layers that read the input alone are there, the others
    still to come.

    Parameters
    ----------
    start : ndarray, shape (n, k + 1)
        The embedding of the domain.
    start_error : ndarray, shape (n,)
        Bound on the rounding in its rows.
    """
    columns, layers, terms = int(net.first[-1]), len(net.length), len(net.source)
    kept = _kept_start(network)
    known = kept[0] if kept[0] is not None and kept[0].start is start and kept[0].start_error is start_error else None
    if known is None:
        form, noise = zeros((start.shape[1], columns)), np.zeros(columns)
        form[:, : network.inputs], noise[: network.inputs] = start.T, start_error
    else:
        form, noise = known.form.copy(), known.noise.copy()
    version, seen, flips = (np.zeros(size, dtype=np.int64) for size in (layers + 1, terms, layers))
    widest = int(np.diff(net.first).max()) + 3
    replay = Replay(
        form,
        noise,
        net.negative.copy(),
        np.full(columns, -1.0),
        np.zeros(words(network.neurons), dtype=np.uint64),
        version,
        seen,
        np.zeros(int(net.place[-1])),
        flips,
        np.zeros(layers, dtype=np.bool_),
        np.zeros(widest, dtype=np.int64),
        np.zeros(widest),
        np.zeros(widest),
    )
    for index, affine in enumerate([*(layer.affine for layer in network.layers), network.output]):
        if all(source == 0 for source, _ in affine.terms):
            here = slice(int(net.first[index + 1]), int(net.first[index + 2]))
            if known is None:
                noise[here] = input_forms(affine, start, start_error, form[:, here])
            replay.version[index + 1] = 1
            for t in range(net.term[index], net.term[index + 1]):
                replay.used[net.place[t] : net.place[t + 1]] = 1.0
    if known is None and form.size <= MOST_KEPT:
        kept[0] = _Start(start, start_error, form.copy(), noise.copy())
    return replay


class _Start(NamedTuple):
    """Forms of layers that read the input alone, for one embedding."""

    start: Array
    start_error: Array
    form: Array
    noise: Array


@once
def _kept_start(_: Network) -> list[_Start | None]:
    """Of a network's last embedding: a small job begins several replays at the same one."""
    return [None]


@inlined
def move(net: FlatNet, replay: Replay, pattern: Array, output: bool) -> None:
    """Bring the forms to another pattern, those of the output only if they are asked for."""
    one = np.uint64(1)
    for w in range(len(pattern)):
        change = replay.words[w] ^ pattern[w]
        if change == np.uint64(0):
            continue
        replay.words[w] = pattern[w]
        column = net.first[1] + 64 * w
        while change:
            at = column + np.int64(lowest_bit(change))
            above = pattern[w] & change & (~change + one)
            replay.slope[at] = net.positive[at] if above else net.negative[at]
            replay.sign[at] = 1.0 if above else -1.0
            replay.stale[net.layer[at] + 1] = True
            change &= change - one
    layers = len(net.length)
    for layer in range(layers if output else layers - 1):
        needed = layer == layers - 1 or replay.version[layer + 1] == 0
        for t in range(net.term[layer], net.term[layer + 1]):
            source = net.source[t]
            needed = needed or replay.stale[source] or replay.seen[t] != replay.version[source]
        if needed:
            compose(net, replay, layer)
    for layer in range(layers):
        replay.stale[layer] = False


@inlined
def compose(net: FlatNet, replay: Replay, layer: int) -> None:
    """Forms of a layer from those of its sources, by what has changed or anew."""
    form, noise = replay.form, replay.noise
    width = form.shape[0]
    first, end = net.first[layer + 1], net.first[layer + 2]
    flips = active = 0
    same = replay.version[layer + 1] > 0
    for t in range(net.term[layer], net.term[layer + 1]):
        source = net.source[t]
        same = same and replay.seen[t] == replay.version[source]
        used = replay.used[net.place[t] : net.place[t + 1]]
        slope = replay.slope[net.first[source] : net.first[source + 1]]
        for j in range(len(used)):
            flips += used[j] != slope[j]
            active += slope[j] != 0.0
    if same and flips == 0 and replay.flips[layer] <= MOST_FLIPS:
        return
    update = same and 2 * flips < active + 2 and replay.flips[layer] + flips <= MOST_FLIPS
    unit = 2.0 * ((2 * flips + 4 if update else net.length[layer]) + 2) * UNIT  # lemmas 2 and 2a
    doubt, bias = noise[first:end], net.bias[first:end]
    if update:
        replay.flips[layer] += flips
        for k in range(width):
            row = form[k, first:end]
            for i in range(len(row)):
                doubt[i] += unit * abs(row[i])
    else:
        replay.flips[layer] = 0
        for k in range(width - 1):
            row = form[k, first:end]
            for i in range(len(row)):
                row[i] = 0.0
        row = form[width - 1, first:end]
        for i in range(len(row)):
            row[i] = bias[i]
            doubt[i] = unit * abs(bias[i])
    normal = net.normal[layer]
    for t in range(net.term[layer], net.term[layer + 1]):
        source = net.source[t]
        used = replay.used[net.place[t] : net.place[t + 1]]
        slope = replay.slope[net.first[source] : net.first[source + 1]]
        many = 0
        if update:
            for begin in range(0, len(used), 32):  # by counting, without branches: seldom is there one
                before, now = used[begin : min(begin + 32, len(used))], slope[begin : min(begin + 32, len(used))]
                apart = 0
                for j in range(len(now)):
                    apart += now[j] != before[j]
                if apart > 0:
                    for j in range(len(now)):
                        replay.live[many] = begin + j
                        replay.factor[many] = now[j] - before[j]
                        many += now[j] != before[j]
        else:
            for j in range(len(used)):  # without branches: half of the units are active
                replay.live[many] = j
                replay.factor[many] = slope[j]
                many += slope[j] != 0.0
        for j in range(len(used)):
            used[j] = slope[j]
        replay.seen[t] = replay.version[source]
        sources = Sources(replay.live, replay.factor, many, net.first[source])
        if net.begin[t] >= 0 and end - first <= NARROW:
            normal = add_narrow(form, noise, net.weight[net.begin[t] :], sources, first, end, unit) and normal
        elif net.begin[t] >= 0:
            normal = add_dense(form, noise, net.weight[net.begin[t] :], sources, first, end, unit) and normal
        else:
            normal = _add_sparse(net, replay, t, sources, first, unit) and normal
    replay.version[layer + 1] += 1
    scale = 1.0 + 8.0 * (net.length[layer] + width + 8) * UNIT  # lemma 2: for the rounding of the bound itself
    for i in range(len(doubt)):
        doubt[i] = doubt[i] * scale + LOST if doubt[i] > 0 or not normal else 0.0 * doubt[i]  # NaN stays
    row, many = form[width - 1, first:end], 0
    for i in range(len(doubt)):  # that of the constant is seldom small; no branches, so that lanes are used
        many += (bias[i] == 0.0) & (doubt[i] > 0.0) & (abs(row[i]) <= doubt[i])
    if many > 0:
        _clear_dead(net, replay, layer)


@inlined
def write_map(net: FlatNet, replay: Replay, maps: Array, noise: Array, r: int) -> None:
    """The affine map of the network on the cell at hand, whose output has been brought up to date, into row r of
    columns of shape (R, outputs, k + 1) and (R, outputs)."""
    first = net.first[-2]
    for i in range(maps.shape[1]):
        for j in range(maps.shape[2]):
            maps[r, i, j] = replay.form[j, first + i]
        noise[r, i] = replay.noise[first + i]


@kernel
def vanishes(form: Array, noise: Array, column: int) -> bool:
    """Whether a form is zero beyond doubt."""
    if noise[column] != 0.0:
        return False
    for k in range(form.shape[0]):
        if form[k, column] != 0.0:
            return False
    return True


@kernel
def _clear_dead(net: FlatNet, replay: Replay, layer: int) -> None:
    """Forms of a layer that are sums of nothing but zeros become zero without doubt, whatever updates have left of them
    (lemma 2b): such are those of a maximum of units that are all inactive.

    Only forms that cannot be told from zero are looked at.
    """
    form, noise, dead = replay.form, replay.noise, replay.size
    first, end, last = net.first[layer + 1], net.first[layer + 2], form.shape[0] - 1
    bias, doubt = net.bias[first:end], noise[first:end]
    for i in range(end - first):  # without branches, here and below, so that lanes are used
        dead[i] = 1.0 if (bias[i] == 0.0) & (doubt[i] > 0.0) else 0.0
    for k in range(last + 1):
        row = form[k, first:end]
        for i in range(end - first):
            dead[i] = dead[i] if abs(row[i]) <= doubt[i] else 0.0
    many = 0
    for i in range(end - first):
        many += dead[i] != 0.0
    if many == 0:
        return
    for t in range(net.term[layer], net.term[layer + 1]):
        start = net.first[net.source[t]]
        for j in range(net.place[t + 1] - net.place[t]):
            if replay.slope[start + j] == 0.0 or vanishes(form, noise, start + j):
                continue
            if net.begin[t] >= 0:
                weight = net.weight[net.begin[t] + j * (end - first) :]
                for i in range(end - first):
                    if weight[i] != 0.0:
                        dead[i] = 0.0
            else:
                for e in range(net.column[net.place[t] + j], net.column[net.place[t] + j + 1]):
                    dead[net.row[e]] = 0.0
    for i in range(end - first):
        if dead[i] != 0.0:
            noise[first + i] = 0.0
            for k in range(last + 1):
                form[k, first + i] = 0.0


@kernel
def _add_sparse(net: FlatNet, replay: Replay, t: int, sources: Sources, first: int, unit: float) -> bool:
    """As `add_dense` for a sparse term: one coefficient of all sources at a time, and of it what is not zero."""
    live, factor, many, start = sources.live, sources.factor, sources.many, sources.start
    form, noise, size, row, value = replay.form, replay.noise, replay.size, net.row, net.value
    column = net.column[net.place[t] :]
    for q in range(many):
        size[q] = 0.0
    for k in range(form.shape[0]):
        old, new = form[k, start:], form[k, first:]
        for q in range(many):
            a = factor[q] * old[live[q]]
            if a != 0.0:
                size[q] += abs(a)
                for e in range(column[live[q]], column[live[q] + 1]):
                    new[row[e]] += value[e] * a
    normal = True
    for q in range(many):
        j = live[q]
        doubt = scaled_noise(form.shape[0] - 1, noise[start + j], size[q], factor[q])
        normal = normal and far(size[q]) and far(doubt)
        doubt += rounded(unit, size[q])
        for e in range(column[j], column[j + 1]):
            noise[first + row[e]] += abs(value[e]) * doubt
    return normal
