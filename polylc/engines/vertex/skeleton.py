"""Kernels on one cell of the vertex engine: its skeleton, values of neurons at its vertices, cutting it in two.

A cell is the skeleton of a simple polytope in [-1, 1]^n: every vertex lies on n facets and has n neighbours, one along
the edge that leaves each of its facets. Facets 0..2n-1 are those of the box, facet 2n + i lies on the hyperplane of neuron i.
Slot k of vertex v is entry v n + k of the columns: the facet, and the half-edge that leaves it, given as the slot
(u n + j, counted from the cell's first vertex) of the same edge at its other end.

A vertex on the cutting hyperplane counts as above it, so degenerate cells stay simple, with vertices that coincide. Whatever
signs rounding gives, new vertices are joined in pairs along the polygons that are cut, so both parts are skeletons again.

The dimension is the length of the tuple `dim`: a constant for the compiler, which builds one version for each. Kernels are compiled
without numba's reference counting (`_nrt=False`), which would take half the time: they own no arrays, only their caller does.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from polylc.jit.decorators import inlined, kernel

Array = np.ndarray


class Cells(NamedTuple):
    """Skeletons on a stack, one behind the other: n entries per vertex in each column."""

    x: Array  # coordinates
    facet: Array  # int32
    edge: Array  # uint32


class Scratch(NamedTuple):
    """Room for one cell of at most len(value) vertices and one layer."""

    value: Array  # (vertices,)
    place: Array  # (vertices,) new number of a vertex above, -1 - new number below
    number: Array  # (vertices n,) number of the cut edge of a slot
    cut: Array  # (vertices n,) slot of the upper end of each cut edge
    link: Array  # (vertices n n,) slots of new vertices: how they are joined
    low: Array  # (width,)
    high: Array  # (width,)
    spread: Array  # (width,)
    length: Array  # (width,)
    system: Array  # (n + 1, n + 1)
    total: Array  # (n + 1,)
    box: Array  # (2, n) lower and upper ends
    clear: Array  # (neurons,)
    reach: Array  # (neurons,)
    beside: Array  # (neurons,)
    local: Array  # (neurons,) -1 everywhere
    middle: Array  # (vertices n,)
    rows: Array  # (n + 2, vertices n)


@kernel
def extremes(dim: tuple, form: Array, first: int, many: int, x: Array, begin: int, count: int, low: Array, high: Array) -> None:
    """Least and largest value of forms first..first + many at the vertices of a cell.

    Spelt out for each dimension: the loops over neurons are what the compiler vectorises.
    """
    n = len(dim)
    c = form[n, first : first + many]
    low[:many] = np.inf
    high[:many] = -np.inf
    for p in range(begin * n, (begin + count) * n, n):
        if n == 1:
            a0, x0 = form[0, first : first + many], x[p]
            for i in range(many):
                t = c[i] + a0[i] * x0
                low[i] = t if t < low[i] else low[i]
                high[i] = t if t > high[i] else high[i]
        elif n == 2:
            a0, a1 = form[0, first : first + many], form[1, first : first + many]
            x0, x1 = x[p], x[p + 1]
            for i in range(many):
                t = c[i] + a0[i] * x0 + a1[i] * x1
                low[i] = t if t < low[i] else low[i]
                high[i] = t if t > high[i] else high[i]
        elif n == 3:
            a0, a1, a2 = form[0, first : first + many], form[1, first : first + many], form[2, first : first + many]
            x0, x1, x2 = x[p], x[p + 1], x[p + 2]
            for i in range(many):
                t = c[i] + a0[i] * x0 + a1[i] * x1 + a2[i] * x2
                low[i] = t if t < low[i] else low[i]
                high[i] = t if t > high[i] else high[i]
        else:
            a0, a1, a2, a3 = (
                form[0, first : first + many],
                form[1, first : first + many],
                form[2, first : first + many],
                form[3, first : first + many],
            )
            x0, x1, x2, x3 = x[p], x[p + 1], x[p + 2], x[p + 3]
            if n == 4:
                for i in range(many):
                    t = c[i] + a0[i] * x0 + a1[i] * x1 + a2[i] * x2 + a3[i] * x3
                    low[i] = t if t < low[i] else low[i]
                    high[i] = t if t > high[i] else high[i]
            else:
                a4, x4 = form[4, first : first + many], x[p + 4]
                for i in range(many):
                    t = c[i] + a0[i] * x0 + a1[i] * x1 + a2[i] * x2 + a3[i] * x3 + a4[i] * x4
                    low[i] = t if t < low[i] else low[i]
                    high[i] = t if t > high[i] else high[i]


@kernel
def sizes(dim: tuple, form: Array, first: int, many: int, spread: Array, length: Array) -> None:
    """For forms first..first + many, the sum of the sizes of their coefficients, and their Euclidean length."""
    n = len(dim)
    spread[:many] = 0.0
    length[:many] = 0.0
    for k in range(n):
        a = form[k, first : first + many]
        for i in range(many):
            spread[i] += abs(a[i])
            length[i] += a[i] * a[i]
    for i in range(many):
        length[i] = math.sqrt(length[i])


@inlined
def owner(slot: int, n: int) -> int:
    """The vertex of a slot."""
    return np.int64(np.uint64(slot) // np.uint64(n))  # type: ignore[return-value]  # unsigned division is faster


@inlined
def slot_of(dim: tuple, facets: Array, vertex: int, facet: int) -> int:
    """The slot of a vertex whose edge leaves a facet, or -1."""
    n = len(dim)
    slot = -1
    for k in range(n):
        if facets[vertex * n + k] == facet:
            slot = k
    return slot


@inlined
def value_at(dim: tuple, form: Array, column: int, x: Array, vertex: int) -> float:
    """Value of one form at one vertex."""
    n = len(dim)
    t: float = form[n, column]
    for k in range(n):
        t += form[k, column] * x[vertex * n + k]
    return t


@kernel
def cut_cell(
    dim: tuple,
    x: Array,
    facets: Array,
    edge: Array,
    value: Array,
    place: Array,
    number: Array,
    cut: Array,
    link: Array,
    begin: int,
    count: int,
    facet: int,
) -> tuple[int, int]:
    """Cut a cell by value >= 0; both parts are written behind it, the upper first.

    Returns
    -------
    above, below : int
        Numbers of vertices.
    """
    n = len(dim)
    base = begin * n
    above = below = cuts = 0
    for v in range(count):
        if value[v] >= 0:
            place[v] = above
            above += 1
        else:
            place[v] = -1 - below
            below += 1
    for v in range(count):
        if place[v] >= 0:
            for k in range(n):
                if place[owner(edge[base + v * n + k], n)] < 0:
                    number[v * n + k] = cuts
                    cut[cuts] = v * n + k
                    cuts += 1
    for q in range(cuts * n):
        link[q] = -1
    upper = (begin + count) * n
    lower = upper + (above + cuts) * n
    for e in range(cuts):
        slot = cut[e]
        v = owner(slot, n)
        k = slot - v * n
        for j in range(n):  # along the polygon that edges k and j of v span, to where it is cut again
            if j == k or link[e * n + j] >= 0:
                continue
            here, out, other = v, j, k
            while True:
                far = int(edge[base + here * n + out])
                there = owner(far, n)
                if place[there] < 0:
                    break
                turn = slot_of(dim, facets, begin + there, facets[base + here * n + other])
                here, out, other = there, max(turn, 0), far - there * n
            partner = number[here * n + out]
            link[e * n + j] = partner * n + other
            link[partner * n + other] = e * n + j
        far = int(edge[base + slot])
        u = owner(far, n)
        t = value[v] / (value[v] - value[u])
        p, m = upper + (above + e) * n, lower + (below + e) * n
        for j in range(n):
            y = x[base + v * n + j]
            y += t * (x[base + u * n + j] - y)
            x[p + j] = y
            x[m + j] = y
            f = facets[base + v * n + j]
            facets[p + j] = f
            facets[m + j] = f
        facets[p + k] = facet
        facets[m + k] = facet
        edge[p + k] = place[v] * n + k
        edge[m + k] = (-1 - place[u]) * n + (far - u * n)
    for e in range(cuts):
        slot = cut[e]
        v = owner(slot, n)
        p, m = upper + (above + e) * n, lower + (below + e) * n
        for j in range(n):
            if j != slot - v * n:
                edge[p + j] = link[e * n + j] + above * n
                edge[m + j] = link[e * n + j] + below * n
    for v in range(count):
        q = base + v * n
        over = place[v] >= 0
        p = upper + place[v] * n if over else lower + (-1 - place[v]) * n
        for k in range(n):
            x[p + k] = x[q + k]
            facets[p + k] = facets[q + k]
            far = int(edge[q + k])
            u = owner(far, n)
            j = far - u * n
            if over:
                edge[p + k] = place[u] * n + j if place[u] >= 0 else (above + number[v * n + k]) * n + k
            else:
                edge[p + k] = (-1 - place[u]) * n + j if place[u] < 0 else (below + number[far]) * n + j
    return above + cuts, below + cuts
