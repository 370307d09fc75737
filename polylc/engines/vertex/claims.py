"""Kernels of the vertex engine on claims: the multipliers that the least vertex of a cell gives."""

from __future__ import annotations

import numpy as np

from polylc.engines.vertex.forms import Forms
from polylc.engines.vertex.skeleton import Cells, owner, value_at
from polylc.jit.decorators import inlined, kernel
from polylc.network.replay import FlatNet

Array = np.ndarray
NEGATIVE = 1e-9  # multipliers above minus this, in units of the claim's form, count as non-negative


@inlined
def write_multipliers(
    dim: tuple,
    net: FlatNet,
    forms: Forms,
    cells: Cells,
    system: Array,
    constraint: Array,
    multiplier: Array,
    entry: int,
    begin: int,
    count: int,
    column: int,
    sign: int,
) -> int:
    """Write multipliers for sign * z >= 0 on a cell, from `entry` on; the entry behind them.

    The edge that leaves facet f of the least vertex stays on its other facets, so along it only the multiplier of f has an
    effect. Facets of the box need none. Where another end of an edge is as low, vertices may coincide, and `solve` decides.
    """
    n = len(dim)
    form, x = forms.replay.form, cells.x
    least, where = np.inf, begin
    for v in range(begin, begin + count):
        t = sign * value_at(dim, form, column, x, v)
        if t < least:
            least = t
            where = v
    threshold = forms.threshold[column]
    tied = False
    end = entry
    for k in range(n):
        u = begin + owner(cells.edge[where * n + k], n)
        gain = sign * value_at(dim, form, column, x, u) - least
        tied = tied or gain <= threshold
        facet = cells.facet[where * n + k]
        if facet < 2 * n:
            continue
        wall = net.first[1] + facet - 2 * n
        rise = forms.replay.sign[wall] * value_at(dim, form, wall, x, u)
        if gain > 0.0 and rise > 0.0:
            constraint[end] = forms.node[wall]
            multiplier[end] = gain / rise
            end += 1
    if tied:
        best, where = -np.inf, -1
        for v in range(begin, begin + count):
            if best < -NEGATIVE and sign * value_at(dim, form, column, x, v) <= least + threshold:
                t = solve(dim, form, forms.replay.sign, cells.facet, system, v, net.first[1], column, sign)
                if t > best:
                    best = t
                    where = v
        if best >= -NEGATIVE:
            solve(dim, form, forms.replay.sign, cells.facet, system, where, net.first[1], column, sign)
            end = entry
            for k in range(n):
                facet = cells.facet[where * n + k]
                if facet >= 2 * n and system[k, n] > 0.0:
                    constraint[end] = forms.node[net.first[1] + facet - 2 * n]
                    multiplier[end] = system[k, n]
                    end += 1
    return end


@kernel
def solve(dim: tuple, form: Array, signs: Array, facets: Array, system: Array, vertex: int, first: int, column: int, sign: int) -> float:
    """Multipliers of all facets of a vertex, the box's included, whose normals add up to that of sign * z; into system[:, n].

    Returns
    -------
    float
        The least multiplier times the length of its normal, as a multiple of the claim's; -inf if the normals are dependent.
    """
    n = len(dim)
    size = 0.0
    for r in range(n):
        system[r, n] = sign * form[r, column]
        size += form[r, column] * form[r, column]
        for k in range(n):
            facet = facets[vertex * n + k]
            if facet >= 2 * n:
                wall = first + facet - 2 * n
                system[r, k] = signs[wall] * form[r, wall]
            elif facet >> 1 == r:
                system[r, k] = 1.0 - 2.0 * (facet & 1)
            else:
                system[r, k] = 0.0
    for k in range(n):
        length = 0.0
        for r in range(n):
            length += system[r, k] * system[r, k]
        system[n, k] = np.sqrt(length)
    for c in range(n):
        pivot = c
        for r in range(c + 1, n):
            if abs(system[r, c]) > abs(system[pivot, c]):
                pivot = r
        if abs(system[pivot, c]) <= 1e-12 * system[n, c]:
            return -np.inf
        for k in range(c, n + 1):
            system[c, k], system[pivot, k] = system[pivot, k], system[c, k]
        for r in range(n):
            if r != c:
                ratio = system[r, c] / system[c, c]
                for k in range(c, n + 1):
                    system[r, k] -= ratio * system[c, k]
    least = np.inf
    for k in range(n):
        system[k, n] /= system[k, k]
        least = min(least, system[k, n] * system[n, k])
    return least / np.sqrt(size) if size > 0.0 else -np.inf
