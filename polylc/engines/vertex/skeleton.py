"""Cells of the vertex engine: how skeletons of simple polytopes lie in memory, and how they are read.

Data: three columns that hold skeletons one behind the other, `Cells`, and where one of them lies, `Cell`.

Invariant: a cell is the skeleton of a simple polytope in [-1, 1]^n: every vertex lies on n facets and has n neighbours,
one along the edge that leaves each of its facets. Facets 0 .. 2 n - 1 are those of the box (facet 2 j is x_j = -1,
facet 2 j + 1 is x_j = 1), facet 2 n + i lies on the hyperplane of neuron i. Slot k of vertex v is entry v n + k of the
columns: the facet, and the half-edge that leaves it, given as the slot (u n + j, counted from the cell's first vertex)
of the same edge at its other end.

The dimension is the length of the tuple `dim`: a constant for the compiler, which builds one version of each kernel for
it and unrolls the loops over coordinates.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.jit.decorators import inlined

Array = np.ndarray


class Cells(NamedTuple):
    """Skeletons on a stack, one behind the other: n entries per vertex in each column."""

    x: Array  # coordinates
    facet: Array  # int32
    edge: Array  # uint32


class Cell(NamedTuple):
    """The cell that is worked on: where its skeleton lies, and its place in the tree."""

    begin: int  # its first vertex in the columns
    vertices: int  # how many it has
    node: int
    depth: int


def room_for_cells(n: int, vertices: int) -> Cells:
    """Columns for so many vertices in all."""
    return Cells(np.empty(vertices * n), np.empty(vertices * n, dtype=np.int32), np.empty(vertices * n, dtype=np.uint32))


def start_cells(n: int, cells: Cells) -> int:
    """Write the whole box as the first cell; the number of its vertices."""
    corner = np.arange(1 << n)[:, None]
    axis = np.arange(n)
    up = corner >> axis & 1
    cells.x[: up.size] = np.where(up, 1.0, -1.0).ravel()
    cells.facet[: up.size] = (2 * axis + up).ravel()
    cells.edge[: up.size] = ((corner ^ 1 << axis) * n + axis).ravel()
    return len(corner)


@inlined
def owner(slot: int, n: int) -> int:
    """The vertex of a slot."""
    return np.int64(np.uint64(slot) // np.uint64(n))  # type: ignore[return-value]  # unsigned division is faster


@inlined
def slot_of(dim: tuple, facets: Array, vertex: int, facet: int) -> int:
    """The slot of a vertex whose edge leaves a facet, or -1."""
    n = len(dim)
    slot = -1
    for k in range(n):  # to the end, for a loop that breaks off is not unrolled
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
