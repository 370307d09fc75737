"""Volume and facet areas of a cell of the vertex engine, in floating point, from its skeleton alone.

Data in: a cell all of whose neurons are decided, and a point inside. Data out: `Sizes`, and whether the cell closes.

Each polygon (2-face) is walked once, and its area summed up as a bivector. The cone over a polygon with a vertex of a
facet as its tip, in dimension 5 with a vertex of a face between them as well, is a piece of that facet; so facets are
sums of pieces of one sign, which is a pulled triangulation whose simplices are never listed. Areas are projected along
the coordinate in which the facet's form is largest (its shadow); the volume is a sum of pyramids over the facets.

Invariant: `Gauge.shadow` is 0, `Gauge.tip` and `Gauge.between` are -1 everywhere between two calls.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from polylc.engines.vertex.forms import Forms
from polylc.engines.vertex.skeleton import Cell, Cells, owner, slot_of
from polylc.jit.decorators import inlined, kernel

Array = np.ndarray
# relative error in the sum of a cell's normals weighted by area, which is zero: rounding of hundreds of pieces stays
# below
CLOSED = 1e-11


class Gauge(NamedTuple):
    """What measuring needs, and room for one cell."""

    inverse: Array  # (n,) 1 over the half sides of the neighbourhood
    shadow: Array  # (2 n + neurons,) of each facet
    tip: Array  # (2 n + neurons,) a vertex of each facet
    drop: Array  # (2 n + neurons,) coordinate along which the facet is projected
    number: Array  # (2 n + neurons,) among the facets of the cell
    listed: Array  # (2 n + neurons,) facets of the cell
    between: Array  # (facets, facets) a vertex of each face between two facets; dimension 5 only
    seen: Array  # (vertices n n,) polygons that were walked
    last: Array  # (vertices,) number of the polygon that came by last; numbers go on from cell to cell
    polygons: Array  # (1,) how many there were
    bivector: Array  # (n, n) twice the area of the polygon at hand, above the diagonal
    sides: Array  # (2, n) from the polygon's first vertex to the last two


class Sizes(NamedTuple):
    """Where the sizes of one cell go."""

    # (depth,) of the facet of each neuron of the path over the volume of a box with the neighbourhood's half sides; 0
    # without facet
    area: Array
    box_area: Array  # (2 n,) of faces of the cube, in unit coordinates
    volume: Array  # (1,) in unit coordinates


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


@kernel
def measure_cell(dim: tuple, forms: Forms, cells: Cells, gauge: Gauge, cell: Cell, centre: Array, path: Array, sizes: Sizes) -> bool:
    """Measure a cell; whether it closes.

    Parameters
    ----------
    centre : ndarray, shape (n,)
        A point inside.
    path : ndarray
        Columns of the neurons of the path.
    """
    n = len(dim)
    many = _list_facets(dim, forms, cells, gauge, cell)
    good = n < 5 or many <= len(gauge.between)
    if n == 1:  # facets are points
        for q in range(many):
            gauge.shadow[gauge.listed[q]] = 1.0
    elif n == 2:
        _add_edges(dim, cells, gauge, cell)
    elif good:
        if n == 5:
            _tips(dim, cells, gauge, cell, True)
        good = _add_polygons(dim, cells, gauge, cell)
        if n == 5:
            _tips(dim, cells, gauge, cell, False)
    sizes.volume[0] = _volume(dim, forms, gauge, many, centre)
    for j in range(n):
        sizes.box_area[2 * j], sizes.box_area[2 * j + 1] = gauge.shadow[2 * j], gauge.shadow[2 * j + 1]
        good = good and _closes(dim, forms, gauge, many, j)
    _write_areas(dim, forms, gauge, path, sizes.area)
    for q in range(many):
        gauge.shadow[gauge.listed[q]] = 0.0
        gauge.tip[gauge.listed[q]] = -1
    return good


@inlined
def _list_facets(dim: tuple, forms: Forms, cells: Cells, gauge: Gauge, cell: Cell) -> int:
    """Number the facets of a cell, each with its first vertex as tip and the coordinate to project along; how many
    there are.
    """
    n = len(dim)
    form, base = forms.form, cell.begin * n
    many = 0
    for v in range(cell.vertices):
        for k in range(n):
            f = cells.facet[base + v * n + k]
            if gauge.tip[f] < 0:
                gauge.tip[f] = v
                gauge.number[f] = many
                gauge.listed[many] = f
                many += 1
                at = f >> 1
                if f >= 2 * n:
                    at = 0
                    column = forms.first + f - 2 * n
                    for j in range(1, n):
                        if abs(form[j, column]) > abs(form[at, column]):
                            at = j
                gauge.drop[f] = at
    return many


@inlined
def _add_edges(dim: tuple, cells: Cells, gauge: Gauge, cell: Cell) -> None:
    """The shadows of a polygon's edges, which are its facets: the edge that leaves one facet of a vertex lies on the
    other.
    """
    n = len(dim)
    x, base = cells.x, cell.begin * n
    for v in range(cell.vertices):
        for k in range(n):
            u = owner(cells.edge[base + v * n + k], n)
            if u > v:
                f = cells.facet[base + v * n + 1 - k]
                j = 1 - gauge.drop[f]
                gauge.shadow[f] += abs(x[base + u * n + j] - x[base + v * n + j])


@inlined
def _add_polygons(dim: tuple, cells: Cells, gauge: Gauge, cell: Cell) -> bool:
    """Walk every polygon once and add the cones over it to the shadows of its facets; False if there is no way around
    one.
    """
    n = len(dim)
    seen = gauge.seen
    good = True
    for q in range(cell.vertices * n * n):
        seen[q] = False
    for v in range(cell.vertices):
        for j in range(n):
            for k in range(j + 1, n):
                if not good or seen[(v * n + j) * n + k]:
                    continue
                good = _walk(dim, cells, gauge, cell, v, j, k)
                _add_cones(dim, cells, gauge, cell, v, j, k)
    return good


@inlined
def _add_cones(dim: tuple, cells: Cells, gauge: Gauge, cell: Cell, v: int, j: int, k: int) -> None:
    """Add the polygon just walked, that of edges j and k of vertex v, to the facets that it lies on: all of v but those
    that j and k leave.
    """
    n = len(dim)
    facet, shadow, last, base = cells.facet, gauge.shadow, gauge.last, cell.begin * n
    around = gauge.polygons[0]
    for a in range(n):
        f = facet[base + v * n + a]
        if a in (j, k) or (n > 3 and last[gauge.tip[f]] == around):
            continue  # the tip is on the polygon: no cone
        if n < 5:
            shadow[f] += _piece(dim, cells, gauge, cell, v, gauge.tip[f], 0, gauge.drop[f])
            continue
        for b in range(n):  # the 3-face between, which lies on facet b of v as well
            if b in (a, j, k):
                continue
            one, two = gauge.number[f], gauge.number[facet[base + v * n + b]]
            second = gauge.between[min(one, two), max(one, two)]
            if last[second] != around:
                shadow[f] += _piece(dim, cells, gauge, cell, v, gauge.tip[f], second, gauge.drop[f])


@inlined
def _walk(dim: tuple, cells: Cells, gauge: Gauge, cell: Cell, v: int, j: int, k: int) -> bool:
    """Around the polygon that edges j and k of vertex v span: marks it, sums up its bivector; False if there is no way
    around.
    """
    n = len(dim)
    B, side, x, base = gauge.bivector, gauge.sides, cells.x, cell.begin * n
    for a in range(n):
        for b in range(a + 1, n):
            B[a, b] = 0.0
    here, out, other = v, j, k
    gauge.polygons[0] += 1
    for step in range(cell.vertices):
        gauge.last[here] = gauge.polygons[0]
        gauge.seen[(here * n + min(out, other)) * n + max(out, other)] = True
        far = int(cells.edge[base + here * n + out])
        there = owner(far, n)
        if there == v:
            return True
        new, old = step & 1, 1 - (step & 1)  # rows of `sides` take turns
        for a in range(n):
            side[new, a] = x[base + there * n + a] - x[base + v * n + a]
        if step > 0:
            for a in range(n):
                for b in range(a + 1, n):
                    B[a, b] += side[old, a] * side[new, b] - side[old, b] * side[new, a]
        turn = slot_of(dim, cells.facet, cell.begin + there, cells.facet[base + here * n + other])
        if turn < 0:
            return False
        here, out, other = there, turn, far - there * n
    return False


@inlined
def _left(q: int, drop: int) -> int:
    """Coordinate q of those that are left without one."""
    return q + 1 if q >= drop else q


@inlined
def _piece(dim: tuple, cells: Cells, gauge: Gauge, cell: Cell, v: int, tip: int, second: int, drop: int) -> float:
    """The shadow of a cone over the polygon at vertex v whose bivector is at hand, times the factorial of its
    dimension.
    """
    n = len(dim)
    B, x = gauge.bivector, cells.x
    i, j = _left(0, drop), _left(1, drop)
    if n == 3:
        return float(abs(B[i, j]))
    k = _left(2, drop)
    at, from_ = (cell.begin + tip) * n, (cell.begin + v) * n
    wi, wj, wk = x[at + i] - x[from_ + i], x[at + j] - x[from_ + j], x[at + k] - x[from_ + k]
    if n == 4:
        return float(abs(B[i, j] * wk - B[i, k] * wj + B[j, k] * wi))
    m = _left(3, drop)
    wm = x[at + m] - x[from_ + m]
    at = (cell.begin + second) * n
    ui, uj, uk, um = x[at + i] - x[from_ + i], x[at + j] - x[from_ + j], x[at + k] - x[from_ + k], x[at + m] - x[from_ + m]
    total = B[i, j] * (wk * um - wm * uk) - B[i, k] * (wj * um - wm * uj) + B[i, m] * (wj * uk - wk * uj)
    total += B[j, k] * (wi * um - wm * ui) - B[j, m] * (wi * uk - wk * ui) + B[k, m] * (wi * uj - wj * ui)
    return float(abs(total))


@inlined
def _tips(dim: tuple, cells: Cells, gauge: Gauge, cell: Cell, enter: bool) -> None:
    """Enter a vertex for each face between two facets, or forget them."""
    n = len(dim)
    for v in range(cell.vertices):
        for j in range(n):
            for k in range(j):
                one, two = gauge.number[cells.facet[(cell.begin + v) * n + j]], gauge.number[cells.facet[(cell.begin + v) * n + k]]
                low, high = min(one, two), max(one, two)
                if not enter:
                    gauge.between[low, high] = -1
                elif gauge.between[low, high] < 0:
                    gauge.between[low, high] = v


@inlined
def _volume(dim: tuple, forms: Forms, gauge: Gauge, many: int, centre: Array) -> float:
    """Bring the shadows to their true size; the sum of the pyramids over the facets with their tip at `centre`."""
    n = len(dim)
    form, shadow = forms.form, gauge.shadow
    share = 1.0  # pieces of a facet are simplices times the factorial of its dimension
    for k in range(2, n):
        share /= k
    total = 0.0
    for q in range(many):
        f = gauge.listed[q]
        shadow[f] *= share
        if f < 2 * n:
            total += shadow[f] * (1.0 - centre[f >> 1] if f & 1 else 1.0 + centre[f >> 1])
        else:
            column = forms.first + f - 2 * n
            height = form[n, column]
            for j in range(n):
                height += form[j, column] * centre[j]
            total += shadow[f] * abs(height / form[gauge.drop[f], column])
    return total / n


@inlined
def _closes(dim: tuple, forms: Forms, gauge: Gauge, many: int, j: int) -> bool:
    """Whether coordinate j of the normals weighted by area sums to zero."""
    n = len(dim)
    form, shadow = forms.form, gauge.shadow
    gap = shadow[2 * j]
    size = gap + shadow[2 * j + 1]
    gap -= shadow[2 * j + 1]
    for q in range(many):
        f = gauge.listed[q]
        if f >= 2 * n:
            column = forms.first + f - 2 * n
            part = shadow[f] * forms.sign[column] * form[j, column] / abs(form[gauge.drop[f], column])
            gap += part
            size += abs(part)
    return bool(abs(gap) <= CLOSED * size)


@inlined
def _write_areas(dim: tuple, forms: Forms, gauge: Gauge, path: Array, area: Array) -> None:
    """The areas of the facets on hyperplanes of the path, in the coordinates of the network's input."""
    n = len(dim)
    form = forms.form
    for d in range(len(area)):
        f = path[d] - forms.first + 2 * n
        area[d] = 0.0
        if gauge.tip[f] >= 0:
            lead = form[gauge.drop[f], path[d]]
            square = 0.0
            for j in range(n):
                slope = form[j, path[d]] / lead * gauge.inverse[j]
                square += slope * slope
            area[d] = gauge.shadow[f] * math.sqrt(square)
