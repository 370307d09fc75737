"""Regions of the vertex engine as columns, and what it tells of them besides.

Data in: a cell all of whose neurons are decided. Data out: a row of `RegionColumns`, and one of `Told` as far as it was
wished.

Invariant: row r of every column that was wished belongs to region r of the chunk; areas lie behind each other in
`Told.area`, as many for each region as its path is long.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.engines.extras import Wishes
from polylc.engines.vertex.facets import FacetRoom, note_facets
from polylc.engines.vertex.forms import Forms
from polylc.engines.vertex.measures import Gauge, Sizes, measure_cell
from polylc.engines.vertex.skeleton import Cell, Cells
from polylc.jit.decorators import inlined
from polylc.network.patterns import words

Array = np.ndarray

FACETS, MAPS, SIZES = 1, 2, 4  # bits: what is told of regions besides
# places in `RegionColumns.at`: regions and areas of this chunk, regions of those before
REGIONS, TOTAL_REGIONS, AREAS = range(3)
EDGE = 1.0 - 2.0**-53  # the largest double inside the neighbourhood


class RegionColumns(NamedTuple):
    """Regions of one chunk."""

    bits: Array  # (regions, words)
    unit: Array  # (regions, n)
    leaf: Array
    at: Array  # how many there are, see REGIONS


class Told(NamedTuple):
    """What is told of the regions of one chunk besides; columns that were not wished have no rows."""

    facets: Array  # (regions, words) neurons on whose hyperplanes there are facets
    sure: Array  # (regions,) whether these certainly are all
    map: Array  # (regions, outputs, n + 1) affine map
    map_noise: Array  # (regions, outputs)
    volume: Array  # (regions,)
    box_area: Array  # (regions, 2 n) of faces on the box
    closed: Array  # (regions,) whether area-weighted normals sum to zero
    length: Array  # (regions,) of the path
    area: Array  # of the facets on the hyperplanes of each region's path


def region_columns(n: int, neurons: int, regions: int) -> RegionColumns:
    """Room for a chunk of so many regions."""
    bits = np.empty((regions, words(neurons)), dtype=np.uint64)
    return RegionColumns(bits, np.empty((regions, n)), np.empty(regions, dtype=np.int32), np.zeros(3, dtype=np.int64))


def told_columns(n: int, neurons: int, outputs: int, regions: int, wishes: Wishes) -> Told:
    """Room for what is wished of a chunk of so many regions."""
    seen, mapped, sized = (regions if wish else 0 for wish in (wishes.facets, wishes.maps, wishes.sizes))
    return Told(
        np.empty((seen, words(neurons)), dtype=np.uint64),
        np.empty(seen, dtype=np.bool_),
        np.empty((mapped, outputs, n + 1)),
        np.empty((mapped, outputs)),
        np.empty(sized),
        np.empty((sized, 2 * n)),
        np.empty(sized, dtype=np.bool_),
        np.empty(sized, dtype=np.int32),
        np.empty(32 * sized + neurons),  # paths are rarely longer; a chunk ends where the next one might not fit
    )


@inlined
def write_region(dim: tuple, forms: Forms, cells: Cells, cell: Cell, regions: RegionColumns) -> None:
    """Pattern, leaf and a point: the mean of the vertices, kept off the faces of the box against rounding."""
    n = len(dim)
    r = regions.at[REGIONS]
    for w in range(len(forms.words)):
        regions.bits[r, w] = forms.words[w]
    for k in range(n):
        t = 0.0
        for v in range(cell.begin, cell.begin + cell.vertices):
            t += cells.x[v * n + k]
        t /= cell.vertices
        regions.unit[r, k] = min(max(t, -EDGE), EDGE)
    regions.leaf[r] = cell.node


@inlined
def tell_facets(dim: tuple, forms: Forms, cells: Cells, room: FacetRoom, cell: Cell, told: Told, r: int) -> None:
    """The facets of region r."""
    told.sure[r] = note_facets(dim, forms, cells, room, cell, told.facets[r])


@inlined
def tell_map(dim: tuple, forms: Forms, told: Told, first: int, end: int, r: int) -> None:
    """The affine map of region r, which the columns first .. end of the outputs hold."""
    n = len(dim)
    for i in range(end - first):
        for k in range(n + 1):
            told.map[r, i, k] = forms.form[k, first + i]
        told.map_noise[r, i] = forms.noise[first + i]


@inlined
def tell_sizes(dim: tuple, forms: Forms, cells: Cells, gauge: Gauge, cell: Cell, regions: RegionColumns, told: Told, path: Array) -> None:
    """Volume and areas of the region just written."""
    r, first = regions.at[REGIONS], regions.at[AREAS]
    sizes = Sizes(told.area[first : first + cell.depth], told.box_area[r], told.volume[r : r + 1])
    told.closed[r] = measure_cell(dim, forms, cells, gauge, cell, regions.unit[r], path, sizes)
    told.length[r] = cell.depth
    regions.at[AREAS] = first + cell.depth
