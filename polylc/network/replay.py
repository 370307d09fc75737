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

from polylc.jit.decorators import inlined, kernel
from polylc.jit.room import zeros
from polylc.network.compose import UNIT, input_forms
from polylc.network.form import Affine, Network, once
from polylc.network.patterns import words
from polylc.network.twins import twins
from polylc.network.weights import entries

Array = np.ndarray
MOST_KEPT = 2**21  # doubles (16 MB) of the forms at the start of a replay that are kept for the next one
MOST_FLIPS = 64  # lemma 2a: changes of slopes until a layer is composed anew; keeps the bound small, proves nothing
NARROW = 3  # layers of at most so many neurons are composed one neuron after the other
SMALL = 2.0**-400  # lemma 2: products of larger numbers do not underflow to zero
LOST = 2.0**-1000  # lemma 2: more than all underflows of a form together; not subnormal, which would be slow


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


class _Sources(NamedTuple):
    """What is added to a layer."""

    live: Array  # numbers j of sources
    factor: Array  # what each of them is multiplied with
    many: int  # how many there are; live and factor have room for three more
    start: int  # column of source 0


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


@kernel
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
                above = (pattern[w] >> bit) & one
                replay.slope[column + b] = net.positive[column + b] if above else net.negative[column + b]
                replay.sign[column + b] = 1.0 if above else -1.0
                replay.stale[net.layer[column + b] + 1] = True
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


@kernel
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
            for j in range(len(used)):
                change = slope[j] - used[j]
                if change != 0.0:  # seldom
                    replay.live[many] = j
                    replay.factor[many] = change
                    many += 1
        else:
            for j in range(len(used)):  # without branches: half of the units are active
                replay.live[many] = j
                replay.factor[many] = slope[j]
                many += slope[j] != 0.0
        for j in range(len(used)):
            used[j] = slope[j]
        replay.seen[t] = replay.version[source]
        sources = _Sources(replay.live, replay.factor, many, net.first[source])
        if net.begin[t] >= 0 and end - first <= NARROW:
            normal = _add_narrow(form, noise, net.weight[net.begin[t] :], sources, first, end, unit) and normal
        elif net.begin[t] >= 0:
            normal = _add(form, noise, net.weight[net.begin[t] :], sources, first, end, unit) and normal
        else:
            normal = _add_sparse(net, replay, t, sources, first, unit) and normal
    replay.version[layer + 1] += 1
    scale = 1.0 + 8.0 * (net.length[layer] + width + 8) * UNIT  # lemma 2: for the rounding of the bound itself
    for i in range(len(doubt)):
        doubt[i] = doubt[i] * scale + LOST if doubt[i] > 0 or not normal else 0.0 * doubt[i]  # NaN stays
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

    Only forms that cannot be told from zero are looked at, so that in a layer without them this costs next to nothing.
    """
    form, noise, dead = replay.form, replay.noise, replay.size
    first, end, last = net.first[layer + 1], net.first[layer + 2], form.shape[0] - 1
    many = 0
    for i in range(end - first):
        dead[i] = 0.0
        if noise[first + i] > 0.0 and net.bias[first + i] == 0.0 and abs(form[last, first + i]) <= noise[first + i]:
            small = True
            for k in range(last):
                small = small and abs(form[k, first + i]) <= noise[first + i]
            if small:
                dead[i] = 1.0
                many += 1
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
def _add(form: Array, noise: Array, weight: Array, sources: _Sources, first: int, end: int, unit: float) -> bool:
    """Add weight[:, j] * factor * form of source j to the forms of columns first..end, over some sources j, four at a
    time.

    `weight` begins with the row of source 0; `unit` bounds the rounding in a form, relative to the size of what is
    added up (lemma 2).

    Returns
    -------
    bool
        Whether all products are zero or far from underflow.
    """
    live, factor, many, start = sources.live, sources.factor, sources.many, sources.start
    n = form.shape[0] - 1
    m = end - first
    doubt = noise[first:end]
    normal = True
    for q in range(many, many + 3):  # fill the last four up with nothing
        live[q] = live[max(many - 1, 0)]
        factor[q] = 0.0
    for q in range(0, many, 4):
        j0, j1, j2, j3 = live[q], live[q + 1], live[q + 2], live[q + 3]
        s0, s1, s2, s3 = factor[q], factor[q + 1], factor[q + 2], factor[q + 3]
        b0, b1, b2, b3 = j0 * m, j1 * m, j2 * m, j3 * m
        w0, w1, w2, w3 = weight[b0 : b0 + m], weight[b1 : b1 + m], weight[b2 : b2 + m], weight[b3 : b3 + m]
        j0, j1, j2, j3 = start + j0, start + j1, start + j2, start + j3
        z0 = z1 = z2 = z3 = 0.0
        for k in range(n + 1):
            z0 += abs(s0 * form[k, j0])
            z1 += abs(s1 * form[k, j1])
            z2 += abs(s2 * form[k, j2])
            z3 += abs(s3 * form[k, j3])
        for k in range(0, n, 2):  # two rows at a time, for the sake of loads
            p0, p1, p2, p3 = s0 * form[k, j0], s1 * form[k, j1], s2 * form[k, j2], s3 * form[k, j3]
            q0, q1, q2, q3 = s0 * form[k + 1, j0], s1 * form[k + 1, j1], s2 * form[k + 1, j2], s3 * form[k + 1, j3]
            row, other = form[k, first:end], form[k + 1, first:end]
            for i in range(m):
                x0, x1, x2, x3 = w0[i], w1[i], w2[i], w3[i]
                row[i] += x0 * p0 + x1 * p1 + x2 * p2 + x3 * p3
                other[i] += x0 * q0 + x1 * q1 + x2 * q2 + x3 * q3
        if n % 2 == 0:
            p0, p1, p2, p3 = s0 * form[n, j0], s1 * form[n, j1], s2 * form[n, j2], s3 * form[n, j3]
            row = form[n, first:end]
            for i in range(m):
                row[i] += w0[i] * p0 + w1[i] * p1 + w2[i] * p2 + w3[i] * p3
        e0, e1 = _scaled_noise(n, noise[j0], z0, s0), _scaled_noise(n, noise[j1], z1, s1)
        e2, e3 = _scaled_noise(n, noise[j2], z2, s2), _scaled_noise(n, noise[j3], z3, s3)
        normal = normal and _far(z0) and _far(z1) and _far(z2) and _far(z3) and _far(e0) and _far(e1) and _far(e2) and _far(e3)
        p0, p1, p2, p3 = e0 + _rounded(unit, z0), e1 + _rounded(unit, z1), e2 + _rounded(unit, z2), e3 + _rounded(unit, z3)
        for i in range(m):
            doubt[i] += abs(w0[i]) * p0 + abs(w1[i]) * p1 + abs(w2[i]) * p2 + abs(w3[i]) * p3
    return normal


@kernel
def _add_narrow(form: Array, noise: Array, weight: Array, sources: _Sources, first: int, end: int, unit: float) -> bool:
    """As `_add`, to the last bit, for a layer of so few neurons, such as an output, that loops over them do not pay:
    one after the other."""
    live, factor, many, start = sources.live, sources.factor, sources.many, sources.start
    n = form.shape[0] - 1
    m = end - first
    normal = True
    for q in range(many, many + 3):
        live[q] = live[max(many - 1, 0)]
        factor[q] = 0.0
    for q in range(0, many, 4):
        j0, j1, j2, j3 = live[q], live[q + 1], live[q + 2], live[q + 3]
        s0, s1, s2, s3 = factor[q], factor[q + 1], factor[q + 2], factor[q + 3]
        c0, c1, c2, c3 = start + j0, start + j1, start + j2, start + j3
        e0 = e1 = e2 = e3 = 0.0
        for i in range(m):
            x0, x1, x2, x3 = weight[j0 * m + i], weight[j1 * m + i], weight[j2 * m + i], weight[j3 * m + i]
            z0 = z1 = z2 = z3 = 0.0
            for k in range(n + 1):
                p0, p1, p2, p3 = s0 * form[k, c0], s1 * form[k, c1], s2 * form[k, c2], s3 * form[k, c3]
                z0 += abs(p0)
                z1 += abs(p1)
                z2 += abs(p2)
                z3 += abs(p3)
                form[k, first + i] += x0 * p0 + x1 * p1 + x2 * p2 + x3 * p3
            if i == 0:
                e0, e1 = _scaled_noise(n, noise[c0], z0, s0), _scaled_noise(n, noise[c1], z1, s1)
                e2, e3 = _scaled_noise(n, noise[c2], z2, s2), _scaled_noise(n, noise[c3], z3, s3)
                normal = normal and _far(z0) and _far(z1) and _far(z2) and _far(z3) and _far(e0) and _far(e1) and _far(e2) and _far(e3)
                e0, e1, e2, e3 = e0 + _rounded(unit, z0), e1 + _rounded(unit, z1), e2 + _rounded(unit, z2), e3 + _rounded(unit, z3)
            noise[first + i] += abs(x0) * e0 + abs(x1) * e1 + abs(x2) * e2 + abs(x3) * e3
    return normal


@kernel
def _add_sparse(net: FlatNet, replay: Replay, t: int, sources: _Sources, first: int, unit: float) -> bool:
    """As `_add` for a sparse term: one coefficient of all sources at a time, and of it what is not zero."""
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
        doubt = _scaled_noise(form.shape[0] - 1, noise[start + j], size[q], factor[q])
        normal = normal and _far(size[q]) and _far(doubt)
        doubt += _rounded(unit, size[q])
        for e in range(column[j], column[j + 1]):
            noise[first + row[e]] += abs(value[e]) * doubt
    return normal


@kernel
def _far(size: float) -> bool:
    return size == 0.0 or size >= SMALL


@kernel
def _rounded(unit: float, size: float) -> float:
    """What rounding may do to a product; it may have underflowed, and weights may be large."""
    return unit * size + (LOST if 0.0 < size < SMALL else 0.0)


@kernel
def _scaled_noise(n: int, noise: float, size: float, slope: float) -> float:
    """As `compose.scaled_error`; `size` is the length of the form that is scaled already."""
    if slope == 0.0:
        return 0.0
    if abs(slope) == 1.0:
        return noise
    product = abs(slope) * (noise * (1 + 4 * UNIT)) + 2 * UNIT * size * (1 + 4 * UNIT)
    return product * (1 + 4 * (n + 9) * UNIT) + LOST
