"""The facets of a region, as the vertex engine sees them.

Data in: a cell all of whose neurons are decided. Data out: the neurons on whose hyperplanes it has facets, as packed
bits, and whether the engine is sure of them.

Invariant: `FacetRoom.local` is -1 everywhere between two calls.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.bounds.interval import MARGIN
from polylc.engines.vertex.forms import Forms
from polylc.engines.vertex.skeleton import Cell, Cells
from polylc.jit.decorators import inlined, kernel

Array = np.ndarray


class FacetRoom(NamedTuple):
    """Room for the facets of one cell. Facets are numbered as they come by."""

    local: Array  # (neurons,) number of a neuron's facet, -1 if it has none
    listed: Array  # (vertices,) the neurons that have one
    hits: Array  # (vertices,) vertices of each facet
    middle: Array  # (vertices n,) sum of the vertices of each facet, then their mean
    rows: Array  # (n + 2, vertices n) half-spaces of the facets, positive inside, and below them bounds on rounding


def facet_room(n: int, vertices: int, neurons: int) -> FacetRoom:
    """Room for cells of so many vertices; every vertex lies on n facets, so there may be n times as many."""
    listed, hits = np.empty(vertices * n, dtype=np.int64), np.empty(vertices * n, dtype=np.int64)
    return FacetRoom(np.full(neurons, -1, dtype=np.int64), listed, hits, np.empty(vertices * n * n), np.empty((n + 2, vertices * n)))


@kernel
def note_facets(dim: tuple, forms: Forms, cells: Cells, room: FacetRoom, cell: Cell, facets: Array) -> bool:
    """Enter the neurons on whose hyperplanes a cell has facets as packed bits; whether the middles of the facets'
    vertices show all of them.

    Parameters
    ----------
    facets : ndarray of uint64, shape (words,)
    """
    many = _collect(dim, cells, room, cell)
    for w in range(len(facets)):
        facets[w] = 0
    for f in range(many):
        neuron = room.listed[f]
        room.local[neuron] = -1
        facets[neuron >> 6] |= np.uint64(1) << np.uint64(neuron & 63)
        _write_row(dim, forms, room, f, forms.first + neuron)
    sure = True
    for f in range(many):
        sure = sure and _shown(dim, room, many, f)
    return sure


@inlined
def _collect(dim: tuple, cells: Cells, room: FacetRoom, cell: Cell) -> int:
    """List the neurons that have facets, with the sums and numbers of the facets' vertices; how many there are."""
    n = len(dim)
    local, listed, hits, middle = room.local, room.listed, room.hits, room.middle
    many = 0
    for v in range(cell.begin, cell.begin + cell.vertices):
        for k in range(n):
            neuron = cells.facet[v * n + k] - 2 * n
            if neuron < 0:  # a facet of the box
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
    return many


@inlined
def _write_row(dim: tuple, forms: Forms, room: FacetRoom, f: int, column: int) -> None:
    """The half-space of facet f, and from which value on rounding cannot hide that it is positive."""
    n = len(dim)
    size = 0.0
    for j in range(n + 1):
        room.rows[j, f] = forms.sign[column] * forms.form[j, column]
        size += abs(room.rows[j, f])
    room.rows[n + 1, f] = forms.noise[column] + MARGIN * size


@inlined
def _shown(dim: tuple, room: FacetRoom, many: int, f: int) -> bool:
    """Whether the middle of facet f is certainly inside the box and all other half-spaces, so that the facet is
    there.
    """
    n = len(dim)
    middle, rows = room.middle, room.rows
    share = 1.0 / room.hits[f]
    inside = True
    for j in range(n):
        middle[f * n + j] *= share
        inside = inside and abs(middle[f * n + j]) < 1.0 - MARGIN
    beyond = 0
    for g in range(many):  # without branches; f itself is taken out below
        value = rows[n, g]
        for j in range(n):
            value += rows[j, g] * middle[f * n + j]
        beyond += value > rows[n + 1, g]
    own = rows[n, f]
    for j in range(n):
        own += rows[j, f] * middle[f * n + j]
    return inside and beyond - (own > rows[n + 1, f]) >= many - 1
