"""The bounding box of a region in the vertex engine, and multipliers that prove it."""

from __future__ import annotations

import numpy as np

from polylc.compiled import compiled
from polylc.engines.vertex_forms import Forms
from polylc.engines.vertex_skeleton import Cells, owner, value_at
from polylc.network.replay import FlatNet

Array = np.ndarray


@compiled(inline="always")
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
