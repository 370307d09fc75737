"""The search of the vertex engine: a depth-first walk over cells, all of whose state lies in arrays.

`advance` processes cells until the tree is done, an output column is full, an array is too short or its budget is spent; called
again it goes on. A cell whose neurons of the layer are all decided enters the next layer. Otherwise it is cut by the neuron
that shares its vertices out most evenly, and both parts come onto the stack.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.bounds.interval import clearance, not_clear
from polylc.engines.vertex.bounds import note_facets, write_side
from polylc.engines.vertex.claims import write_multipliers
from polylc.engines.vertex.forms import Forms, decide
from polylc.engines.vertex.measures import Gauge, measure_cell
from polylc.engines.vertex.skeleton import Cells, Scratch, cut_cell, extremes, sizes, value_at
from polylc.jit.decorators import inlined, kernel
from polylc.network.replay import MOST_FLIPS, FlatNet, compose

Array = np.ndarray

SLIVER = 1e-12  # sides thinner than this, relative to the neighbourhood, are not looked for
DONE, SPENT, FULL, SHORT, LEFT, LOST = range(6)  # why `advance` came back
NO_CLAIMS, BY_NODE, BY_REGION = range(3)  # where claims are made
FACETS, MAPS, SIZES = 1, 2, 4  # what is told of regions besides
HEIGHT, NODES, REGIONS, CLAIMS, ENTRIES, READY, READY_ENTRIES, TOTAL_NODES, TOTAL_REGIONS, PROCESSED, LARGEST, VALUES, AREAS = range(13)  # of `at`
COUNTERS = 13
BEGIN, COUNT, LAYER, OPEN, OPENS, COLUMN, SIDE, NODE, DEPTH = range(9)  # of a frame


class Stack(NamedTuple):
    """Cells that wait: where their skeletons and open neurons lie, and what was cut last."""

    frame: Array  # (height, 9)
    share: Array  # (height,) of the tree
    open: Array  # columns of open neurons; the two parts of a cell share a list
    path: Array  # (height,) columns of the neurons split on the way to the current cell


class Out(NamedTuple):
    """Columns of one chunk."""

    parent: Array
    neuron: Array
    side: Array
    bits: Array
    unit: Array
    leaf: Array
    facets: Array
    sure: Array
    map: Array
    map_noise: Array
    volume: Array
    box_area: Array
    closed: Array
    length: Array
    area: Array
    claim_node: Array
    claim_neuron: Array
    claim_sign: Array
    claim_end: Array  # entries up to and with this claim
    constraint: Array
    multiplier: Array


@inlined
def _claim(
    dim: tuple,
    net: FlatNet,
    forms: Forms,
    cells: Cells,
    scratch: Scratch,
    out: Out,
    at: Array,
    begin: int,
    count: int,
    node: int,
    column: int,
    sign: int,
) -> None:
    """Claim sign * z >= 0 on a cell."""
    at[ENTRIES] = write_multipliers(dim, net, forms, cells, scratch.system, out.constraint, out.multiplier, at[ENTRIES], begin, count, column, sign)
    _put_claim(net, out, at, node, column, sign)


@inlined
def _put_claim(net: FlatNet, out: Out, at: Array, node: int, column: int, sign: int) -> None:
    c = at[CLAIMS]
    out.claim_node[c] = node
    out.claim_neuron[c] = column - net.first[1]
    out.claim_sign[c] = sign
    out.claim_end[c] = at[ENTRIES]
    at[CLAIMS] = c + 1


@inlined
def _enter(
    dim: tuple,
    net: FlatNet,
    forms: Forms,
    cells: Cells,
    scratch: Scratch,
    out: Out,
    at: Array,
    claims: int,
    opens: Array,
    place: int,
    begin: int,
    count: int,
    layer: int,
    node: int,
) -> int:
    """Decide the neurons of a layer by intervals and at the vertices; the number left open, written to `opens` from `place` on."""
    n = len(dim)
    form, noise = forms.replay.form, forms.replay.noise
    first, end = net.first[layer + 1], net.first[layer + 2]
    compose(net, forms.replay, layer)
    low, high, spread, length = scratch.low, scratch.high, scratch.spread, scratch.length
    extremes(dim, form, first, end - first, cells.x, begin, count, low, high)
    sizes(dim, form, first, end - first, spread, length)
    many = 0
    for i in range(end - first):
        c = first + i
        most, least, doubt = form[n, c] + spread[i], form[n, c] - spread[i], noise[c]
        above = least >= -doubt and most > doubt
        if above or most <= doubt:
            decide(net, forms, c, above, -1)
            if claims == BY_NODE:
                _put_claim(net, out, at, node, c, 1 if above else -1)
            continue
        threshold = max(SLIVER * length[i], doubt)
        forms.threshold[c] = threshold
        if high[i] > threshold and low[i] < -threshold:
            opens[place + many] = c
            many += 1
            continue
        above = _side(low[i], high[i], threshold, doubt)
        decide(net, forms, c, above, -1)
        if claims == BY_NODE:
            _claim(dim, net, forms, cells, scratch, out, at, begin, count, node, c, 1 if above else -1)
    return many


@inlined
def _side(low: float, high: float, threshold: float, doubt: float) -> bool:
    """The sign of a neuron that does not show both; the larger side where both are thinner than what counts."""
    if high > threshold:
        return True
    if low < -threshold:
        return False
    return high > doubt and high + low > 0.0


@inlined
def _look(
    dim: tuple,
    net: FlatNet,
    forms: Forms,
    cells: Cells,
    scratch: Scratch,
    out: Out,
    at: Array,
    claims: int,
    opens: Array,
    place: int,
    many: int,
    begin: int,
    count: int,
    node: int,
) -> tuple[int, int]:
    """Decide open neurons at the vertices; those left are written behind the list.

    Returns
    -------
    left : int
        How many are left.
    best : int
        The one with vertices most evenly on both sides, or -1.
    """
    form, x = forms.replay.form, cells.x
    left, best, score = 0, -1, -1
    at[VALUES] += many * count
    for q in range(many):
        c = opens[place + q]
        low, high, over = np.inf, -np.inf, 0
        for v in range(begin, begin + count):
            t = value_at(dim, form, c, x, v)
            low = t if t < low else low
            high = t if t > high else high
            over += t >= 0.0
        threshold = forms.threshold[c]
        if high > threshold and low < -threshold:
            opens[place + many + left] = c
            left += 1
            even = min(over, count - over)
            if even > score:
                score = even
                best = c
            continue
        above = _side(low, high, threshold, forms.replay.noise[c])
        decide(net, forms, c, above, -1)
        if claims == BY_NODE:
            _claim(dim, net, forms, cells, scratch, out, at, begin, count, node, c, 1 if above else -1)
    return left, best


@inlined
def _region(
    dim: tuple, net: FlatNet, forms: Forms, cells: Cells, scratch: Scratch, gauge: Gauge, stack: Stack, out: Out, at: Array, frame: tuple, tell: int
) -> None:
    """A cell all of whose neurons are decided; `tell` says what is told of it besides."""
    n = len(dim)
    begin, count, node, depth = frame
    r = at[REGIONS]
    if tell & FACETS:
        s = scratch
        out.sure[r] = note_facets(dim, net, forms, cells, begin, count, out.facets[r], (s.local, s.place, s.number, s.middle, s.rows))
    if tell & MAPS:
        layer = len(net.length) - 1
        compose(net, forms.replay, layer)
        first = net.first[layer + 1]
        for i in range(net.first[layer + 2] - first):
            for k in range(n + 1):
                out.map[r, i, k] = forms.replay.form[k, first + i]
            out.map_noise[r, i] = forms.replay.noise[first + i]
    for w in range(len(forms.replay.words)):
        out.bits[r, w] = forms.replay.words[w]
    for k in range(n):
        t = 0.0
        for v in range(begin, begin + count):
            t += cells.x[v * n + k]
        t /= count
        out.unit[r, k] = min(max(t, -1.0 + 2.0**-53), 1.0 - 2.0**-53)
    out.leaf[r] = node
    if tell & SIZES:
        area = out.area[at[AREAS] : at[AREAS] + depth]
        out.closed[r] = measure_cell(
            dim, net, forms, cells, gauge, begin, count, out.unit[r], stack.path, depth, area, out.box_area[r], out.volume[r : r + 1]
        )
        out.length[r] = depth
        at[AREAS] += depth
    at[REGIONS] = r + 1
    at[READY] = at[CLAIMS]
    at[READY_ENTRIES] = at[ENTRIES]


@inlined
def _bound(dim: tuple, net: FlatNet, forms: Forms, cells: Cells, scratch: Scratch, stack: Stack, out: Out, at: Array, frame: tuple) -> None:
    """Claim the sides of a region's bounding box, and the signs of neurons off its path that the box does not show."""
    n = len(dim)
    begin, count, node, depth = frame
    first, end = net.first[1], net.first[-2]
    form, sign = forms.replay.form, forms.replay.sign
    for side in range(2 * n):
        at[ENTRIES] = write_side(dim, net, forms, cells, scratch.total, scratch.box, out.constraint, out.multiplier, at[ENTRIES], begin, count, side)
        _put_claim(net, out, at, node, first - 1 - side, 1)
    clearance(form, forms.replay.noise, sign, scratch.box, first, end, scratch.clear, scratch.reach)
    for d in range(depth):
        scratch.clear[stack.path[d] - first] = 1.0
    many = not_clear(scratch.clear, end - first, scratch.beside)
    for q in range(many):
        c = first + scratch.beside[q]
        _claim(dim, net, forms, cells, scratch, out, at, begin, count, node, c, 1 if sign[c] > 0 else -1)


@inlined
def _split(
    dim: tuple, net: FlatNet, forms: Forms, cells: Cells, scratch: Scratch, stack: Stack, out: Out, at: Array, frame: tuple, share: float, best: int
) -> None:
    """Cut a cell by an open neuron and push both parts."""
    n = len(dim)
    begin, count, layer, start, many, node, depth = frame
    for v in range(count):
        scratch.value[v] = value_at(dim, forms.replay.form, best, cells.x, begin + v)
    above, below = cut_cell(
        dim,
        cells.x,
        cells.facet,
        cells.edge,
        scratch.value,
        scratch.place,
        scratch.number,
        scratch.cut,
        scratch.link,
        begin,
        count,
        2 * n + best - net.first[1],
    )
    left = 0
    for q in range(start, start + many):
        if stack.open[q] != best:
            stack.open[start + left] = stack.open[q]
            left += 1
    height, new, place = at[HEIGHT], at[TOTAL_NODES] + at[NODES], begin + count
    for upper in range(2):  # the lower part comes first, and lies on top of the stack
        row = height + 1 - upper
        side = upper
        out.parent[at[NODES]] = node
        out.neuron[at[NODES]] = best - net.first[1]
        out.side[at[NODES]] = side
        at[NODES] += 1
        f = stack.frame[row]
        f[BEGIN] = place if upper else place + above
        f[COUNT] = above if upper else below
        f[LAYER], f[OPEN], f[OPENS], f[COLUMN], f[SIDE], f[NODE], f[DEPTH] = layer, start, left, best, side, new + upper, depth + 1
        stack.share[row] = 0.5 * share
    at[HEIGHT] = height + 2


@inlined
def _keep(stack: Stack, out: Out, at: Array, side: int) -> None:
    """Forget the part of the cell just split that is not on `side`."""
    row, last = at[HEIGHT] - 2, at[NODES] - 1
    if side == 0:
        for entry in range(DEPTH + 1):
            stack.frame[row, entry] = stack.frame[row + 1, entry]
    else:
        stack.frame[row, NODE] -= 1
        out.side[last - 1] = 1
    at[HEIGHT] -= 1
    at[NODES] = last


@kernel
def advance(
    dim: tuple,
    net: FlatNet,
    forms: Forms,
    cells: Cells,
    scratch: Scratch,
    gauge: Gauge,
    stack: Stack,
    out: Out,
    at: Array,
    done: Array,
    claims: int,
    tell: int,
    most_regions: int,
    budget: int,
    prefix: Array,
    unit_depth: int,
    share: bool,
) -> int:
    """Process cells, those on the way to the cell with the path `prefix` first; why it came back.

    With `share`, cells of depth `unit_depth` are left.
    """
    n = len(dim)
    layers = len(net.length) - 1
    neurons = net.first[-2] - net.first[1]
    room = len(cells.x) // n
    for _ in range(budget):
        top = at[HEIGHT] - 1
        if top < 0:
            return DONE
        if at[REGIONS] >= most_regions or at[NODES] + 2 > len(out.parent):
            return FULL
        if claims and at[CLAIMS] + neurons + 2 * n > len(out.claim_node):
            return FULL
        if tell & SIZES and at[AREAS] + neurons > len(out.area):
            return FULL
        f = stack.frame[top]
        begin, count, layer, start, many, column, node = f[BEGIN], f[COUNT], f[LAYER], f[OPEN], f[OPENS], f[COLUMN], f[NODE]
        depth = f[DEPTH]
        if share and depth == unit_depth:
            at[HEIGHT] = top
            at[CLAIMS], at[ENTRIES] = at[READY], at[READY_ENTRIES]  # the claims since then are on the path to this cell
            return LEFT
        if count > len(scratch.value) or begin + count * (n + 2) > room:
            return SHORT
        at[HEIGHT] = top
        at[PROCESSED] += 1
        at[LARGEST] = max(at[LARGEST], count)
        if column >= 0:
            decide(net, forms, column, f[SIDE] == 1, node)
            stack.path[depth - 1] = column
        if depth <= unit_depth:  # what is found here must not depend on the cells before
            for deeper in range(layer + 1, layers + 1):
                forms.replay.flips[deeper] = MOST_FLIPS + 1
        weight = stack.share[top]
        while True:
            best = -1
            if many > 0:
                left, best = _look(dim, net, forms, cells, scratch, out, at, claims, stack.open, start, many, begin, count, node)
                start, many = start + many, left
            if best >= 0:
                _split(dim, net, forms, cells, scratch, stack, out, at, (begin, count, layer, start, many, node, depth), weight, best)
                if depth < len(prefix):
                    if prefix[depth, 0] != best - net.first[1]:
                        return LOST
                    _keep(stack, out, at, prefix[depth, 1])
                break
            layer += 1
            if layer == layers:
                if depth < len(prefix):
                    return LOST
                if claims == BY_REGION:
                    _bound(dim, net, forms, cells, scratch, stack, out, at, (begin, count, node, depth))
                _region(dim, net, forms, cells, scratch, gauge, stack, out, at, (begin, count, node, depth), tell)
                done[0] += weight
                break
            many = _enter(dim, net, forms, cells, scratch, out, at, claims, stack.open, start, begin, count, layer, node)
    return SPENT


@kernel
def begin_chunk(out: Out, at: Array) -> None:
    """Forget what was handed over; claims that wait for a region below them stay."""
    first, entry = at[READY], at[READY_ENTRIES]
    for c in range(first, at[CLAIMS]):
        out.claim_node[c - first] = out.claim_node[c]
        out.claim_neuron[c - first] = out.claim_neuron[c]
        out.claim_sign[c - first] = out.claim_sign[c]
        out.claim_end[c - first] = out.claim_end[c] - entry
    for e in range(entry, at[ENTRIES]):
        out.constraint[e - entry] = out.constraint[e]
        out.multiplier[e - entry] = out.multiplier[e]
    at[CLAIMS] -= first
    at[ENTRIES] -= entry
    at[TOTAL_NODES] += at[NODES]
    at[TOTAL_REGIONS] += at[REGIONS]
    at[READY] = at[READY_ENTRIES] = at[NODES] = at[REGIONS] = at[AREAS] = 0
