"""What the vertex engine tells of a whole region: its bounding box, with multipliers that prove it, and its facets."""

from __future__ import annotations

import numpy as np

from polylc.bounds.interval import MARGIN
from polylc.engines.vertex.forms import Forms
from polylc.engines.vertex.skeleton import Cells, owner, value_at
from polylc.jit.decorators import inlined, kernel
from polylc.network.replay import FlatNet

Array = np.ndarray


@inlined
def write_side(
    dim: tuple,
    net: FlatNet,
    forms: Forms,
    cells: Cells,
    total: Array,
    box: Array,
    constraint: Array,
    multiplier: Array,
    entry: int,
    begin: int,
    count: int,
    side: int,
) -> int:
    """Write multipliers that bound a coordinate on a cell, from `entry` on; the entry behind them.

    Side 2 j is the least value of coordinate j, side 2 j + 1 the largest; `box` receives what the multipliers prove of it. As in
    `write_multipliers`, the edge that leaves facet f of the outermost vertex gives the multiplier of f.
    """
    n = len(dim)
    x = cells.x
    j = side >> 1
    toward = -1.0 if side & 1 else 1.0
    least, where = np.inf, begin
    for v in range(begin, begin + count):
        t = toward * x[v * n + j]
        if t < least:
            least = t
            where = v
    for k in range(n + 1):
        total[k] = 0.0
    total[j] = toward
    end = entry
    for k in range(n):
        facet = cells.facet[where * n + k]
        if facet < 2 * n:
            continue
        u = begin + owner(cells.edge[where * n + k], n)
        wall = net.first[1] + facet - 2 * n
        sign = forms.replay.sign[wall]
        gain = toward * x[u * n + j] - least
        rise = sign * value_at(dim, forms.replay.form, wall, x, u)
        if gain > 0.0 and rise > 0.0:
            y = gain / rise
            constraint[end] = forms.node[wall]
            multiplier[end] = y
            end += 1
            for i in range(n + 1):
                total[i] -= y * sign * forms.replay.form[i, wall]
    bound = total[n]
    for k in range(n):
        bound -= abs(total[k])
    box[side & 1, j] = toward * max(bound, -1.0)
    return end


@kernel
def note_facets(
    dim: tuple, net: FlatNet, forms: Forms, cells: Cells, begin: int, count: int, facets: Array, room: tuple[Array, Array, Array, Array, Array]
) -> bool:
    """Enter the neurons on whose hyperplanes a cell has facets as packed bits; whether the middles of the facets' vertices show all of them.

    Parameters
    ----------
    facets : ndarray of uint64, shape (words,)
    room : tuple of ndarray
        Whole numbers, shape (neurons,), filled with -1 and left so; two lists of them, shape (vertices,); doubles, shape (vertices n,) and
        (n + 2, vertices n).
    """
    n = len(dim)
    local, listed, hits, middle, rows = room
    form, noise, sign = forms.replay.form, forms.replay.noise, forms.replay.sign
    first = net.first[1]
    many = 0
    for w in range(len(facets)):
        facets[w] = 0
    for v in range(begin, begin + count):
        for k in range(n):
            neuron = cells.facet[v * n + k] - 2 * n
            if neuron < 0:
                continue
            f = local[neuron]
            if f < 0:
                f = many
                local[neuron], listed[f], hits[f] = f, neuron, 0
                for j in range(n):
                    middle[f * n + j] = 0.0
                many += 1
            hits[f] += 1
            for j in range(n):
                middle[f * n + j] += cells.x[v * n + j]
    sure = True
    for f in range(many):
        neuron = listed[f]
        local[neuron] = -1
        facets[neuron >> 6] |= np.uint64(1) << np.uint64(neuron & 63)
        column, size = first + neuron, 0.0
        for j in range(n + 1):
            rows[j, f] = sign[column] * form[j, column]
            size += abs(rows[j, f])
        rows[n + 1, f] = noise[column] + MARGIN * size
    for f in range(many):
        share = 1.0 / hits[f]
        for j in range(n):
            middle[f * n + j] *= share
            sure = sure and abs(middle[f * n + j]) < 1.0 - MARGIN
        beyond = 0
        for g in range(many):
            value = rows[n, g]
            for j in range(n):
                value += rows[j, g] * middle[f * n + j]
            beyond += value > rows[n + 1, g]
        own = rows[n, f]
        for j in range(n):
            own += rows[j, f] * middle[f * n + j]
        sure = sure and beyond - (own > rows[n + 1, f]) >= many - 1
    return sure
