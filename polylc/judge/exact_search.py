"""Exact exploration of one cell: the tree search of the engines, every decision in integers. Slow, and never wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from polylc.exact.unit_box import least
from polylc.judge.decision_tree import Table
from polylc.judge.exact_decision import Point, Refuted, inner_point, sign_on_cell
from polylc.judge.node_sink import NodeSink
from polylc.judge.proofs import KeptClaim
from polylc.network.exact_forms import Row


@dataclass
class _Cell:
    node: int
    bits: np.ndarray
    known: int  # mask of decided neurons
    rows: list[Row]
    points: list[Point]  # known to lie in the closed cell


def explore_exactly(judge: NodeSink, table: Table, node: int, bits: np.ndarray, known: int, go_on: Callable[[], bool] | None) -> bool:
    """Explore the cell of a node of the table's tree; new nodes, regions and proved claims join the table.

    Parameters
    ----------
    bits : ndarray of bool, shape (neurons,)
        The bits of the neurons in the mask `known`; those of all layers before the node's own are in it.
    go_on : callable, optional
        Asked at every cell; False ends the exploration.

    Returns
    -------
    bool
        Whether the cell was explored completely.
    """
    rows = judge.rows(node, bits)
    inner = inner_point(rows, judge.forms.dimension)
    if inner is None:  # no interior: a leaf that pruning removes
        _leaf(judge, table, node, bits, None)
        return True
    stack = [_Cell(node, bits.copy(), known, rows, [inner])]
    while stack:
        if go_on is not None and not go_on():
            return False
        stack += _process(judge, table, stack.pop())
    return True


def _process(judge: NodeSink, table: Table, cell: _Cell) -> list[_Cell]:
    """Decide the open neurons of a cell, layer by layer, until one splits it or it is a region."""
    offsets = judge.network.offsets.tolist()
    for layer in range(len(judge.network.layers)):
        waiting = [i for i in range(offsets[layer], offsets[layer + 1]) if not cell.known >> i & 1]
        if not waiting:
            continue
        forms = judge.forms.layer(layer, cell.bits)
        crossing = None
        for neuron in waiting:
            form = forms[neuron - offsets[layer]]
            if not _decide(judge, table, cell, neuron, form) and crossing is None:
                crossing = neuron, form
        if crossing is not None:
            return _split(table, cell, *crossing)
    _leaf(judge, table, cell.node, cell.bits, inner_point(cell.rows, judge.forms.dimension))
    return []


def _decide(judge: NodeSink, table: Table, cell: _Cell, neuron: int, form: Row) -> bool:
    """Whether a neuron keeps its sign on the cell; if so the claim is recorded, otherwise points of both signs are
    kept.
    """
    if not any(form) or least(form) >= 0 or least([-v for v in form]) >= 0:
        _confirm(table, cell, neuron, any(form) and form[-1] > 0, None)
        return True
    values = [_value(form, point) for point in cell.points]
    for sign in (1, -1):
        if any(v * sign < 0 for v in values):
            continue
        answer = sign_on_cell(form if sign > 0 else [-v for v in form], cell.rows)
        if isinstance(answer, Refuted):
            cell.points.append(answer.point)
            continue
        path = table.path(cell.node)
        kept = KeptClaim(neuron, sign * answer.factor, [(path[e], m) for e, m in answer.multipliers.items()]) if judge.kept is not None else None
        _confirm(table, cell, neuron, sign > 0, kept)
        judge.tally.claims_simplex += 1
        return True
    return False


def _confirm(table: Table, cell: _Cell, neuron: int, bit: bool, kept: KeptClaim | None) -> None:
    table.confirm(cell.node, neuron, bit, kept)
    cell.known |= 1 << neuron
    cell.bits[neuron] = bit


def _split(table: Table, cell: _Cell, neuron: int, form: Row) -> list[_Cell]:
    children = []
    for side, sign in ((0, -1), (1, 1)):
        node = table.add(cell.node, neuron, side)
        bits = cell.bits.copy()
        bits[neuron] = side == 1
        row = tuple(sign * v for v in form)
        points = [p for p in cell.points if _value(row, p) >= 0]
        children.append(_Cell(node, bits, cell.known | 1 << neuron, [*cell.rows, row], points))
    return children


def _leaf(judge: NodeSink, table: Table, node: int, bits: np.ndarray, point: Point | None) -> None:
    table.leaf.append(node)
    table.pattern.append(bits)
    table.point.append(point)
    if point is not None:
        judge.tally.regions_found += 1


def _value(form: Row, point: Point) -> Fraction:
    return sum((a * t for a, t in zip(form, point, strict=False)), Fraction(form[-1]))
