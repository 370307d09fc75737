"""Rows bounded from below on cells: from the outputs of a layer back to the input, through lines in place of units.

The one rule (docs/exactness.md, lemma 15): with the coefficient v on h = m z + d max(z, 0), the row gets K z less a
loss, where K = m v + a d v for any a in [0, 1] if d v >= 0 (no loss), and K = m v + s d v with the loss -d v t if
d v < 0, for the chord s z + t; a half-space s z >= 0 that the cell is known to lie in gives K - s beta, for any
beta >= 0. Then z = W h + b. At the input the box ends it, or the box and the ball.

Every bound comes with a bound on its rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polylc.bounds.ball_fused import least_in_balls
from polylc.bounds.fused import Chosen, Weighing, relaxed, through
from polylc.bounds.packed import packed
from polylc.bounds.relaxation import Lines
from polylc.bounds.tables import LOST, Rows, Sizes, Tables
from polylc.network.form import Affine
from polylc.network.weights import at_points, before


@dataclass
class Bound:
    """What a backward pass gives, for each row.

    Attributes
    ----------
    value : ndarray, shape (rows,)
        The least value of the relaxed row on the box, or on its part in the ball, rounded.
    error : ndarray, shape (rows,)
        value - error is certainly not above the least value of the row on the cell.
    gradient, point : ndarray, shape (rows, inputs)
        Of the relaxed row, and where it is least.
    coefficients : list of ndarray
        The coefficients on the outputs of each hidden layer, where they were to be kept.
    """

    value: np.ndarray
    error: np.ndarray
    gradient: np.ndarray
    point: np.ndarray
    coefficients: list[np.ndarray | None]


@dataclass
class Cells:
    """A batch of boxes, by row.

    Attributes
    ----------
    low, high : ndarray, shape (rows, inputs)
    """

    low: np.ndarray
    high: np.ndarray

    def least(self, gradient: np.ndarray) -> np.ndarray:
        """Where each row is least."""
        found: np.ndarray = np.where(gradient > 0, self.low, self.high)
        return found


def backward(
    tables: Tables,
    rows: Rows,
    constant: np.ndarray,
    top: int,
    lines: Lines,
    cells: Cells,
    sizes: Sizes,
    slopes: np.ndarray | None = None,
    pulls: np.ndarray | None = None,
    numbers: np.ndarray | None = None,
    keep: bool = False,
) -> Bound:
    """Lower bounds of rows over values.

    Parameters
    ----------
    tables : Tables
    rows : list of ndarray, shape (rows, width), or None
        Coefficients by source, up to source `top`; the list is used up.
    constant : ndarray, shape (rows,)
    top : int
        Last source that the rows read.
    lines : Lines
        One row of each array for each row of the batch, or one for all.
    cells : Cells
    sizes : Sizes
        For a domain that holds all cells.
    slopes : ndarray, shape (rows, neurons), optional
        Lower slopes, those of the rule where the sign is known; by default all are those of the rule.
    pulls : ndarray, shape (rows, neurons), optional
        s beta of each neuron, where half-spaces s z >= 0 are known.
    numbers : ndarray of int, shape (rows,), optional
        The cell of each row, where lines have one row for each cell; without slopes and multipliers of its own.
    keep : bool
        Whether coefficients are wanted.
    """
    kernels = packed(tables, sizes) if top == tables.depth and pulls is None and not keep and numbers is None else None
    whole = rows[top]
    if kernels is not None and whole is not None:
        first = rows[0]
        given = np.zeros((len(constant), tables.inputs)) if first is None else first
        chosen = Chosen(lines.rule if slopes is None else slopes, lines.chord, lines.above)
        found, error = kernels.bound(whole, given, constant, chosen, cells.low, cells.high)
        return Bound(found.sure, error, found.gradient, found.point, [])
    if numbers is not None and not (tables.fused and all(units.plain for units in tables.units)):
        lines, numbers = lines.of_cells(numbers), None
    if tables.fused and slopes is not None and len(lines.chord) != len(slopes):
        lines = lines.of_cells(np.zeros(len(slopes), dtype=np.int64))  # kernels find slopes and lines by one number
    value = np.array(constant, dtype=float)
    size = np.abs(value)
    if not tables.network.is_chain:  # coefficients of several layers are added up
        size = size + sum(np.abs(v) @ sizes.values[source] for source, v in enumerate(rows) if v is not None)
    kept: list[np.ndarray | None] = [None] * top
    for source in range(top, 0, -1):
        v = rows[source]
        layer = source - 1
        if v is None:
            continue
        if keep:
            kept[layer] = v
        span, units = tables.span[layer], tables.units[layer]
        affine = tables.affines[layer]
        if tables.fused and pulls is None and units.plain:
            k = np.empty_like(v)
            low = lines.rule if slopes is None else slopes
            through(
                v,
                span.start,
                _numbers(numbers, lines, len(v)),
                Chosen(low, lines.chord, lines.above),
                Weighing(affine.bias, sizes.layers[layer]),
                k,
                value,
                size,
            )
            hand_on(rows, affine, k)
            continue
        slope = (lines.rule if slopes is None else slopes)[:, span]
        jump = v if units.plain else v * units.jump
        k = jump * np.where(jump > 0, slope, lines.chord[:, span])
        if not units.plain:
            k += v * units.negative
        pull = None if pulls is None else pulls[:, span]
        if pull is not None:
            k = k - pull
        lost = np.einsum("rm,rm->r", np.minimum(jump, 0.0), np.broadcast_to(lines.above[:, span], jump.shape))
        value += lost + k @ affine.bias
        weighed = np.abs(k)
        if pull is not None:
            weighed += 2 * np.abs(pull)
        if not units.plain:
            weighed += np.abs(v * units.negative) + np.abs(jump)
        size += weighed @ sizes.layers[layer] - 2 * lost
        hand_on(rows, affine, k)
    gradient = rows[0]
    if gradient is None:
        gradient = np.zeros((len(value), cells.low.shape[-1]))
    size += np.abs(gradient) @ np.maximum(np.abs(cells.low), np.abs(cells.high)).max(axis=0)
    if sizes.ball is None:
        point = cells.least(gradient)
        value += np.einsum("rn,rn->r", gradient, point)
    elif tables.fused:
        point = np.empty_like(gradient)
        low, high = (np.broadcast_to(ends, gradient.shape) for ends in (cells.low, cells.high))
        least_in_balls(sizes.ball.round, np.ascontiguousarray(low), np.ascontiguousarray(high), np.ascontiguousarray(gradient), point, value, size)
    else:
        point, least, more = sizes.ball.least(gradient, cells.low, cells.high)
        value += least
        size += more
    return Bound(value, size * tables.gamma + (sizes.loss[top] + LOST), gradient, point, kept)


def _numbers(numbers: np.ndarray | None, lines: Lines, rows: int) -> np.ndarray:
    """The cell of each row, whose lines it uses."""
    if numbers is not None:
        return numbers
    return np.arange(rows) if len(lines.chord) == rows else np.zeros(rows, dtype=np.int64)


def hand_on(rows: Rows, affine: Affine, k: np.ndarray) -> None:
    """Coefficients of pre-activations to what these read."""
    for reads, weight in affine.terms:
        part = before(k, weight)
        there = rows[reads]
        rows[reads] = part if there is None else there + part


def forward(
    tables: Tables,
    point: np.ndarray,
    coefficients: Sequence[np.ndarray | None],
    lines: Lines,
    slopes: np.ndarray,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Values at points of the relaxed network that a backward pass was of: pre-activations, of shape (rows, neurons),
    and outputs by source.
    """
    values = [point]
    hidden = np.zeros((len(point), lines.rule.shape[1]))
    for layer, v in enumerate(coefficients):
        affine, units, span = tables.affines[layer], tables.units[layer], tables.span[layer]
        z = affine.bias + sum(at_points(values[s], w) for s, w in affine.terms)
        hidden[:, span] = z
        if v is None:  # nothing reads it
            values.append(np.zeros_like(z))
            continue
        if tables.fused and units.plain and len(lines.chord) == len(v):
            h = np.empty_like(z)
            relaxed(v, z, span.start, Chosen(slopes, lines.chord, lines.above), h)
            values.append(h)
            continue
        jump = v if units.plain else v * units.jump
        h = np.where(jump > 0, slopes[:, span] * z, lines.chord[:, span] * z + lines.above[:, span])
        values.append(h if units.plain else units.jump * h + units.negative * z)
    return hidden, values
