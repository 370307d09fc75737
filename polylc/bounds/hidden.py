"""Ends of all pre-activations on cells: by intervals, and by backward passes from every neuron whose sign is open."""

from __future__ import annotations

import numpy as np

from polylc.bounds.backward import Cells, backward
from polylc.bounds.packed import packed
from polylc.bounds.relaxation import Lines, down, up
from polylc.bounds.tables import LOST, Rows, Sizes, Tables, magnitude
from polylc.exact.checkpoint import checkpoint
from polylc.network.form import Affine
from polylc.network.weights import at_points

BATCH = 2**21  # numbers of the largest array of a backward pass


def intervals(tables: Tables, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of all pre-activations on a box by interval arithmetic, outward; two arrays of shape (neurons,)."""
    middles, halves = _middle(low, high)
    lows, highs = np.zeros(tables.neurons), np.zeros(tables.neurons)
    for layer, span in enumerate(tables.span):
        affine, units = tables.affines[layer], tables.units[layer]
        middle, half, size = affine.bias, np.zeros(affine.size), np.abs(affine.bias)
        for s, w in affine.terms:
            sizes = magnitude(w)
            middle = middle + at_points(middles[s], w)
            half = half + at_points(halves[s], sizes)
            size = size + at_points(np.abs(middles[s]), sizes)
        half = half * (1 + 2.0**-30) + tables.gamma * size + LOST
        a, b = down(middle - half), up(middle + half)
        lows[span], highs[span] = a, b
        ends = [units.negative * np.minimum(z, 0) + units.positive * np.maximum(z, 0) for z in (a, b)]
        ends.append(np.where((a < 0) & (b > 0), 0.0, ends[0]))
        m, h = _middle(np.minimum.reduce(ends), np.maximum.reduce(ends))
        middles += m
        halves += h
    return lows, highs


def _middle(low: np.ndarray, high: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    return [(low + high) / 2], [(high - low) / 2 * (1 + 2.0**-40) + np.maximum(np.abs(low), np.abs(high)) * 2.0**-50]


def rows_of(affine: Affine, neurons: np.ndarray, sign: np.ndarray | float, top: int) -> Rows:
    """Rows of the pre-activations of some neurons of a layer, times signs, over the sources that it reads."""
    rows: Rows = [None] * (top + 1)
    for source, weight in affine.terms:
        part = weight[neurons]
        block = (part if isinstance(part, np.ndarray) else part.toarray()) * np.reshape(sign, (-1, 1))
        there = rows[source]
        rows[source] = block if there is None else there + block
    return rows


def refine(
    tables: Tables,
    lows: np.ndarray,
    highs: np.ndarray,
    cells: Cells,
    sizes: Sizes,
    first: int = 0,
    doubtful: np.ndarray | None = None,
    reach: np.ndarray | None = None,
) -> None:
    """Bring the ends of open neurons closer together, layer by layer, with the slopes of the rule.

    Parameters
    ----------
    tables : Tables
    lows, highs : ndarray, shape (cells, neurons)
        Ends that are known; receive better ones, on the grid.
    cells : Cells
    sizes : Sizes
    first : int
        Layer to begin with.
    doubtful : ndarray, shape (2, cells, neurons), optional
        Receives those lower ends, of z and of -z, that other arithmetic might round to a neighbour on the grid.
    reach : ndarray, shape (cells, neurons, inputs), optional
        Receives by how much each input moves the ends of the neurons that were open.
    """
    kernels = packed(tables, sizes)
    if kernels is not None and first == 0:
        unsure = np.full((2, *lows.shape), np.nan) if doubtful is None else doubtful
        spread = np.zeros((*lows.shape, tables.inputs)) if reach is None else reach
        kernels.refine(cells.low, cells.high, lows, highs, unsure, spread)
        return
    for layer in range(first, tables.depth):
        span = tables.span[layer]
        free = (lows[:, span] < 0) & (highs[:, span] > 0)
        cell, neuron = np.nonzero(free)
        if not len(cell):
            continue
        lines = Lines.of(lows[:, : span.start], highs[:, : span.start]) if layer else None
        step = max(1, BATCH // (2 * max(tables.inputs, span.start, 1)))
        for at in range(0, len(cell), step):
            checkpoint()
            _refine_some(tables, lows, highs, cells, sizes, layer, lines, cell[at : at + step], neuron[at : at + step], doubtful, reach)


def _refine_some(
    tables: Tables,
    lows: np.ndarray,
    highs: np.ndarray,
    cells: Cells,
    sizes: Sizes,
    layer: int,
    lines: Lines | None,
    cell: np.ndarray,
    neuron: np.ndarray,
    doubtful: np.ndarray | None,
    reach: np.ndarray | None,
) -> None:
    affine = tables.affines[layer]
    both = np.concatenate([cell, cell])
    sign = np.repeat([1.0, -1.0], len(cell))
    rows = rows_of(affine, np.concatenate([neuron, neuron]), sign, layer)
    some = Cells(cells.low[both], cells.high[both])
    constant = sign * np.concatenate([affine.bias[neuron]] * 2)
    nothing = Lines(*([np.zeros((1, 0))] * 4))
    found = backward(tables, rows, constant, layer, lines or nothing, some, sizes, numbers=both if lines else None)
    least = down(found.value - 2 * found.error)
    at = neuron + tables.span[layer].start
    many = len(cell)
    lows[cell, at] = np.fmax(lows[cell, at], least[:many])  # what is not a number says nothing
    highs[cell, at] = np.fmin(highs[cell, at], -least[many:])
    if doubtful is not None:
        unsure = least != down(found.value + found.error)
        doubtful[0, cell, at] = np.where(unsure[:many], least[:many], np.nan)
        doubtful[1, cell, at] = np.where(unsure[many:], least[many:], np.nan)
    if reach is not None:
        spread = np.abs(found.gradient) * (some.high - some.low)
        reach[cell, at] = spread[:many] + spread[many:]
