"""The search of the vertex engine: a depth-first walk over cells, all of whose state lies in arrays.

Data in: a network's replay and a stack with the root on it. Data out: nodes, regions and claims of a chunk, and what is
told of regions.

`advance` processes cells until the tree is done, an output column is full, an array is too short or its budget is
spent; called again it goes on. A cell whose neurons of the layer are all decided enters the next layer. Otherwise it is
cut by the neuron that shares its vertices out most evenly, and both parts come onto the stack.

Invariant: between two calls the stack holds whole cells, and the columns hold what was found before the first of them;
so an interrupt between two calls loses nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.engines.vertex.bounds import BoxRoom, box_room, claim_box
from polylc.engines.vertex.claims import CLAIMS, ENTRIES, READY_CLAIMS, READY_ENTRIES, ClaimColumns, follow_mates
from polylc.engines.vertex.cut import CutRoom, cut_cell, cut_room
from polylc.engines.vertex.facets import FacetRoom, facet_room
from polylc.engines.vertex.forms import Forms, decide
from polylc.engines.vertex.measures import Gauge, gauge
from polylc.engines.vertex.regions import (
    AREAS,
    FACETS,
    MAPS,
    REGIONS,
    SIZES,
    TOTAL_REGIONS,
    RegionColumns,
    Told,
    tell_facets,
    tell_map,
    tell_sizes,
    write_region,
)
from polylc.engines.vertex.signs import LayerRoom, enter, layer_room, look
from polylc.engines.vertex.skeleton import Cell, Cells, value_at
from polylc.engines.vertex.stack import (
    BEGIN,
    COLUMN,
    COUNT,
    DEPTH,
    LARGEST,
    LAYER,
    NODE,
    NODES,
    OPEN,
    OPENS,
    PROCESSED,
    SIDE,
    TOTAL_NODES,
    VALUES,
    Stack,
    Tree,
    keep_open,
    keep_side,
    push,
)
from polylc.jit.decorators import inlined, kernel
from polylc.network.replay import MOST_FLIPS, FlatNet, Replay, compose

Array = np.ndarray

DONE, SPENT, FULL, SHORT, LEFT, LOST = range(6)  # why `advance` came back
NO_CLAIMS, BY_NODE, BY_REGION = range(3)  # where claims are made


class Room(NamedTuple):
    """Room for one cell, whatever is done with it."""

    cut: CutRoom
    layer: LayerRoom
    box: BoxRoom
    facets: FacetRoom
    gauge: Gauge


class Columns(NamedTuple):
    """What is found, one chunk of it."""

    tree: Tree
    regions: RegionColumns
    told: Told
    claims: ClaimColumns


class Task(NamedTuple):
    """What a call of `advance` is to do."""

    claims: int  # NO_CLAIMS, BY_NODE or BY_REGION
    tell: int  # bits FACETS, MAPS, SIZES
    most_regions: int  # of the chunk
    budget: int  # cells
    unit_depth: int  # what is found in cells down to that depth must not depend on the cells before
    share: bool  # whether cells of that depth are left to others
    prefix: Array  # (depth, 2) neurons and sides on the way to the cell that is explored


def make_room(half: Array, vertices: int, neurons: int, width: int, sizes: bool) -> Room:
    """Room for cells of so many vertices in a neighbourhood with these half sides, and for layers of at most that
    width.
    """
    n = len(half)
    measured = gauge(half, neurons, vertices if sizes else 0)
    return Room(cut_room(n, vertices), layer_room(width), box_room(n, neurons), facet_room(n, vertices, neurons), measured)


@kernel
def advance(dim: tuple, net: FlatNet, replay: Replay, forms: Forms, cells: Cells, room: Room, stack: Stack, columns: Columns, task: Task) -> int:
    """Process cells, those on the way to the cell with the path `prefix` first; why it came back."""
    layers = len(net.length) - 1
    neurons = net.first[-2] - net.first[1]
    tree, regions, told, claims, prefix = columns.tree, columns.regions, columns.told, columns.claims, task.prefix
    by_node = task.claims == BY_NODE
    for _ in range(task.budget):
        top = stack.height[0] - 1
        if top < 0:
            return DONE
        if _full(dim, tree, regions, told.area, claims, task, neurons):
            return FULL
        frame = stack.frame[top]
        cell = Cell(frame[BEGIN], frame[COUNT], frame[NODE], frame[DEPTH])
        if task.share and cell.depth == task.unit_depth:
            stack.height[0] = top
            _forget_claims(claims)
            return LEFT
        if not _fits(dim, cells, room.cut, cell):
            return SHORT
        layer, start, many, share = frame[LAYER], frame[OPEN], frame[OPENS], stack.share[top]
        _take(forms, stack, claims, cell, top, by_node)
        if cell.depth <= task.unit_depth:
            _forget_forms(replay, layer)
        while True:
            best = -1
            if many > 0:
                stack.stats[VALUES] += many * cell.vertices
                left, best = look(dim, forms, cells, claims, cell, stack.open, start, many, by_node)
                start, many = start + many, left  # the list as it was may be that of the other part, too
            if best >= 0:
                sizes = _cut(dim, forms, cells, room.cut, cell, best)
                left = keep_open(stack, start, many, best)
                push(stack, tree, cell, best - forms.first, best, share, layer, (start, left), sizes)
                if cell.depth < len(prefix):
                    if prefix[cell.depth, 0] != best - forms.first:
                        return LOST
                    keep_side(stack, tree, prefix[cell.depth, 1])
                break
            layer += 1
            if layer == layers:
                if cell.depth < len(prefix):
                    return LOST
                if task.claims == BY_REGION:
                    claim_box(dim, forms, cells, claims, room.box, cell, stack.path, neurons)
                if task.tell & MAPS:
                    compose(net, replay, layer)
                _emit(dim, forms, cells, room.facets, room.gauge, cell, regions, told, claims, stack.path, net.first[layer + 1], task.tell)
                stack.done[0] += share
                break
            compose(net, replay, layer)
            first, end = net.first[layer + 1], net.first[layer + 2]
            many = enter(dim, forms, cells, claims, room.layer, cell, first, end, stack.open, start, by_node)
    return SPENT


@inlined
def _full(dim: tuple, tree: Tree, regions: RegionColumns, area: Array, claims: ClaimColumns, task: Task, neurons: int) -> bool:
    """Whether the columns might not hold what one more cell gives: two nodes, a region, claims on all neurons and on
    the sides of a box.
    """
    if regions.at[REGIONS] >= task.most_regions or tree.at[NODES] + 2 > len(tree.parent):
        return True
    if task.claims != NO_CLAIMS and claims.at[CLAIMS] + neurons + 2 * len(dim) > len(claims.node):
        return True
    return task.tell & SIZES != 0 and regions.at[AREAS] + neurons > len(area)


@inlined
def _fits(dim: tuple, cells: Cells, room: CutRoom, cell: Cell) -> bool:
    """Whether there is room to cut a cell: each edge of its vertices above may give one new vertex for either part."""
    n = len(dim)
    return cell.vertices <= len(room.value) and cell.begin + cell.vertices * (n + 2) <= len(cells.x) // n


@inlined
def _take(forms: Forms, stack: Stack, claims: ClaimColumns, cell: Cell, top: int, by_node: bool) -> None:
    """Take a cell off the stack, and note the sign of the neuron that was cut last, and of its mates."""
    column = stack.frame[top, COLUMN]
    stack.height[0] = top
    stack.stats[PROCESSED] += 1
    stack.stats[LARGEST] = max(stack.stats[LARGEST], cell.vertices)
    if column >= 0:
        decide(forms, column, stack.frame[top, SIDE] == 1, cell.node)
        if forms.several:
            follow_mates(forms, claims, cell.node, column, stack.frame[top, SIDE] == 1, by_node)
        stack.path[cell.depth - 1] = column


@inlined
def _forget_claims(claims: ClaimColumns) -> None:
    """Drop the claims below which no region is known: they are on the path to a cell that is left to others."""
    claims.at[CLAIMS], claims.at[ENTRIES] = claims.at[READY_CLAIMS], claims.at[READY_ENTRIES]


@inlined
def _forget_forms(replay: Replay, layer: int) -> None:
    """Have deeper layers composed anew: forms brought up to date round differently, depending on the cells before."""
    for deeper in range(layer + 1, len(replay.flips)):
        replay.flips[deeper] = MOST_FLIPS + 1


@inlined
def _cut(dim: tuple, forms: Forms, cells: Cells, room: CutRoom, cell: Cell, column: int) -> tuple[int, int]:
    """Cut a cell by a neuron; how many vertices the upper and the lower part have."""
    n = len(dim)
    for v in range(cell.vertices):
        room.value[v] = value_at(dim, forms.form, column, cells.x, cell.begin + v)
    sizes: tuple[int, int] = cut_cell(dim, cells, room, cell, 2 * n + column - forms.first)
    return sizes


@inlined
def _emit(
    dim: tuple,
    forms: Forms,
    cells: Cells,
    room: FacetRoom,
    gauge: Gauge,
    cell: Cell,
    regions: RegionColumns,
    told: Told,
    claims: ClaimColumns,
    path: Array,
    outputs: int,
    tell: int,
) -> None:
    """Write the region of a cell all of whose neurons are decided; `outputs` is the first column of the outputs."""
    r = regions.at[REGIONS]
    if tell & FACETS:
        tell_facets(dim, forms, cells, room, cell, told, r)
    if tell & MAPS:
        tell_map(dim, forms, told, outputs, forms.form.shape[1], r)
    write_region(dim, forms, cells, cell, regions)
    if tell & SIZES:
        tell_sizes(dim, forms, cells, gauge, cell, regions, told, path)
    regions.at[REGIONS] = r + 1
    claims.at[READY_CLAIMS] = claims.at[CLAIMS]
    claims.at[READY_ENTRIES] = claims.at[ENTRIES]


@kernel
def begin_chunk(tree: Tree, regions: RegionColumns, claims: ClaimColumns) -> None:
    """Forget what was handed over; claims that wait for a region below them stay."""
    first, entry = claims.at[READY_CLAIMS], claims.at[READY_ENTRIES]
    for c in range(first, claims.at[CLAIMS]):
        claims.node[c - first] = claims.node[c]
        claims.neuron[c - first] = claims.neuron[c]
        claims.sign[c - first] = claims.sign[c]
        claims.end[c - first] = claims.end[c] - entry
    for e in range(entry, claims.at[ENTRIES]):
        claims.constraint[e - entry] = claims.constraint[e]
        claims.multiplier[e - entry] = claims.multiplier[e]
    claims.at[CLAIMS] -= first
    claims.at[ENTRIES] -= entry
    tree.at[TOTAL_NODES] += tree.at[NODES]
    regions.at[TOTAL_REGIONS] += regions.at[REGIONS]
    claims.at[READY_CLAIMS] = claims.at[READY_ENTRIES] = tree.at[NODES] = regions.at[REGIONS] = regions.at[AREAS] = 0
