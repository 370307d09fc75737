"""Volume and facet areas of a cell of the vertex engine, in floating point, from its skeleton alone.

Each polygon (2-face) is walked once, and its area summed up as a bivector. The cone over a polygon with a vertex of a facet as its tip,
in dimension 5 with a vertex of a face between them as well, is a piece of that facet; so facets are sums of pieces of one sign, which
is a pulled triangulation whose simplices are never listed. Areas are projected along the coordinate in which the facet's
form is largest (its shadow); the volume is a sum of pyramids over the facets.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from polylc.engines.vertex.forms import Forms
from polylc.engines.vertex.skeleton import Cells, owner, slot_of
from polylc.jit.decorators import inlined, kernel
from polylc.network.replay import FlatNet

Array = np.ndarray
CLOSED = 1e-11  # relative error in the sum of a cell's normals weighted by area, which is zero


class Gauge(NamedTuple):
    """What measuring needs, and room for one cell."""

    inverse: Array  # (n,) 1 over the half sides of the neighbourhood
    shadow: Array  # (2 n + neurons,) of each facet, all zero between calls
    tip: Array  # (2 n + neurons,) a vertex of each facet, -1 between calls
    drop: Array  # (2 n + neurons,)
    number: Array  # (2 n + neurons,) among the facets of the cell
    listed: Array  # (2 n + neurons,)
    between: Array  # (facets, facets) a vertex of each face between two facets, -1 between calls; dimension 5 only
    seen: Array  # (vertices n n,) polygons that were walked
    last: Array  # (vertices,) number of the polygon that came by last; numbers go on from cell to cell
    polygons: Array  # (1,) how many there were
    bivector: Array  # (n, n)
    sides: Array  # (2, n)


def gauge(half: Array, neurons: int, vertices: int) -> Gauge:
    """Room for cells of so many vertices in a neighbourhood with these half sides."""
    n = len(half)
    facets = 2 * n + neurons
    most = min(facets, vertices // 4 + 8) if n == 5 else 0  # a simple polytope with more facets has more vertices
    tip, drop, number, listed = (np.full(facets, v, dtype=np.int64) for v in (-1, 0, 0, 0))
    with np.errstate(over="ignore"):
        inverse = 1.0 / np.asarray(half, dtype=np.float64)
    between = np.full((most, most), -1, dtype=np.int64)
    seen = np.zeros(vertices * n * n, dtype=np.bool_)
    last, polygons = np.zeros(vertices, dtype=np.int64), np.zeros(1, dtype=np.int64)
    return Gauge(inverse, np.zeros(facets), tip, drop, number, listed, between, seen, last, polygons, np.zeros((n, n)), np.zeros((2, n)))


@inlined
def _slot(q: int, drop: int) -> int:
    """Coordinate q of those that are left without one."""
    return q + 1 if q >= drop else q


@inlined
def _piece(dim: tuple, gauge: Gauge, cells: Cells, begin: int, p: int, tip: int, second: int, drop: int) -> float:
    """The shadow of a cone over the polygon at vertex p whose bivector is at hand, times the factorial of its dimension."""
    n = len(dim)
    B, x = gauge.bivector, cells.x
    i, j = _slot(0, drop), _slot(1, drop)
    if n == 3:
        return float(abs(B[i, j]))
    k = _slot(2, drop)
    at, from_ = (begin + tip) * n, (begin + p) * n
    wi, wj, wk = x[at + i] - x[from_ + i], x[at + j] - x[from_ + j], x[at + k] - x[from_ + k]
    if n == 4:
        return float(abs(B[i, j] * wk - B[i, k] * wj + B[j, k] * wi))
    m = _slot(3, drop)
    wm = x[at + m] - x[from_ + m]
    at = (begin + second) * n
    ui, uj, uk, um = x[at + i] - x[from_ + i], x[at + j] - x[from_ + j], x[at + k] - x[from_ + k], x[at + m] - x[from_ + m]
    total = B[i, j] * (wk * um - wm * uk) - B[i, k] * (wj * um - wm * uj) + B[i, m] * (wj * uk - wk * uj)
    total += B[j, k] * (wi * um - wm * ui) - B[j, m] * (wi * uk - wk * ui) + B[k, m] * (wi * uj - wj * ui)
    return float(abs(total))


@inlined
def _walk(dim: tuple, gauge: Gauge, cells: Cells, begin: int, count: int, v: int, j: int, k: int) -> bool:
    """Around the polygon that edges j and k of vertex v span: marks it, sums up its bivector; False if there is no way around."""
    n = len(dim)
    B, side, x, base = gauge.bivector, gauge.sides, cells.x, begin * n
    for a in range(n):
        for b in range(a + 1, n):
            B[a, b] = 0.0
    here, out, other = v, j, k
    gauge.polygons[0] += 1
    for step in range(count):
        gauge.last[here] = gauge.polygons[0]
        gauge.seen[(here * n + min(out, other)) * n + max(out, other)] = True
        far = int(cells.edge[base + here * n + out])
        there = owner(far, n)
        if there == v:
            return True
        new, old = step & 1, 1 - (step & 1)
        for a in range(n):
            side[new, a] = x[base + there * n + a] - x[base + v * n + a]
        if step > 0:
            for a in range(n):
                for b in range(a + 1, n):
                    B[a, b] += side[old, a] * side[new, b] - side[old, b] * side[new, a]
        turn = slot_of(dim, cells.facet, begin + there, cells.facet[base + here * n + other])
        if turn < 0:
            return False
        here, out, other = there, turn, far - there * n
    return False


@kernel
def measure_cell(
    dim: tuple,
    net: FlatNet,
    forms: Forms,
    cells: Cells,
    gauge: Gauge,
    begin: int,
    count: int,
    centre: Array,
    path: Array,
    depth: int,
    area: Array,
    box_area: Array,
    volume: Array,
) -> bool:
    """Measure a cell; whether it closes.

    Parameters
    ----------
    centre : ndarray, shape (n,)
        A point inside.
    path : ndarray
        Columns of the neurons of the path, `depth` of them.
    area : ndarray, shape (depth,)
        Receives, for each neuron of the path, the area of its facet over the volume of a box with the neighbourhood's half sides; 0 without facet.
    box_area : ndarray, shape (2 n,)
        Receives the areas of faces of the cube, in unit coordinates.
    volume : ndarray, shape (1,)
        Receives the volume, in unit coordinates.
    """
    n = len(dim)
    first, form, base = net.first[1], forms.replay.form, begin * n
    shadow, tip, drop, listed, facet = gauge.shadow, gauge.tip, gauge.drop, gauge.listed, cells.facet
    many = 0
    for v in range(count):
        for k in range(n):
            f = facet[base + v * n + k]
            if tip[f] < 0:
                tip[f] = v
                gauge.number[f] = many
                listed[many] = f
                many += 1
                at = f >> 1
                if f >= 2 * n:
                    at = 0
                    column = first + f - 2 * n
                    for j in range(1, n):
                        if abs(form[j, column]) > abs(form[at, column]):
                            at = j
                drop[f] = at
    good = n < 5 or many <= len(gauge.between)
    if n == 1:
        for q in range(many):
            shadow[listed[q]] = 1.0
    elif n == 2:
        for v in range(count):
            for k in range(n):
                u = owner(cells.edge[base + v * n + k], n)
                if u > v:
                    f = facet[base + v * n + 1 - k]
                    j = 1 - drop[f]
                    shadow[f] += abs(cells.x[base + u * n + j] - cells.x[base + v * n + j])
    elif good:
        if n == 5:
            _tips(dim, cells, gauge, begin, count, True)
        for q in range(count * n * n):
            gauge.seen[q] = False
        for v in range(count):
            for j in range(n):
                for k in range(j + 1, n):
                    if not good or gauge.seen[(v * n + j) * n + k]:
                        continue
                    good = _walk(dim, gauge, cells, begin, count, v, j, k)
                    around = gauge.polygons[0]
                    for a in range(n):
                        f = facet[base + v * n + a]
                        if a in (j, k) or (n > 3 and gauge.last[tip[f]] == around):
                            continue  # no cone
                        if n < 5:
                            shadow[f] += _piece(dim, gauge, cells, begin, v, tip[f], 0, drop[f])
                            continue
                        for b in range(n):
                            if b in (a, j, k):
                                continue
                            one, two = gauge.number[f], gauge.number[facet[base + v * n + b]]
                            second = gauge.between[min(one, two), max(one, two)]
                            if gauge.last[second] != around:
                                shadow[f] += _piece(dim, gauge, cells, begin, v, tip[f], second, drop[f])
        if n == 5:
            _tips(dim, cells, gauge, begin, count, False)
    share = 1.0
    for k in range(2, n):
        share /= k
    total = 0.0
    for q in range(many):
        f = listed[q]
        shadow[f] *= share
        if f < 2 * n:
            total += shadow[f] * (1.0 - centre[f >> 1] if f & 1 else 1.0 + centre[f >> 1])
        else:
            column = first + f - 2 * n
            height = form[n, column]
            for j in range(n):
                height += form[j, column] * centre[j]
            total += shadow[f] * abs(height / form[drop[f], column])
    volume[0] = total / n
    for j in range(n):
        gap = box_area[2 * j] = shadow[2 * j]
        box_area[2 * j + 1] = shadow[2 * j + 1]
        size = gap + shadow[2 * j + 1]
        gap -= shadow[2 * j + 1]
        for q in range(many):
            f = listed[q]
            if f >= 2 * n:
                column = first + f - 2 * n
                part = shadow[f] * forms.replay.sign[column] * form[j, column] / abs(form[drop[f], column])
                gap += part
                size += abs(part)
        good = good and abs(gap) <= CLOSED * size
    for d in range(depth):
        f = path[d] - first + 2 * n
        area[d] = 0.0
        if tip[f] >= 0:
            lead = form[drop[f], path[d]]
            square = 0.0
            for j in range(n):
                slope = form[j, path[d]] / lead * gauge.inverse[j]
                square += slope * slope
            area[d] = shadow[f] * math.sqrt(square)
    for q in range(many):
        shadow[listed[q]] = 0.0
        tip[listed[q]] = -1
    return good


@inlined
def _tips(dim: tuple, cells: Cells, gauge: Gauge, begin: int, count: int, enter: bool) -> None:
    """Enter a vertex for each face between two facets, or forget them."""
    n = len(dim)
    for v in range(count):
        for j in range(n):
            for k in range(j):
                one, two = gauge.number[cells.facet[(begin + v) * n + j]], gauge.number[cells.facet[(begin + v) * n + k]]
                low, high = min(one, two), max(one, two)
                if not enter:
                    gauge.between[low, high] = -1
                elif gauge.between[low, high] < 0:
                    gauge.between[low, high] = v
