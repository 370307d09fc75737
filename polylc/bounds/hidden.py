"""Ends of all pre-activations on cells: by intervals, and by backward passes from every neuron whose sign is open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polylc.bounds.backward import Cells, backward
from polylc.bounds.packed import packed
from polylc.bounds.relaxation import Lines, down, lower, steps, up
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
        m, h = _middle(*kinked(a, b, units.negative, units.positive))
        middles += m
        halves += h
    return lows, highs


def kinked(low: np.ndarray, high: np.ndarray, below: np.ndarray, above: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of below * min(z, 0) + above * max(z, 0) for z between ends."""
    ends = [below * np.minimum(z, 0) + above * np.maximum(z, 0) for z in (low, high)]
    ends.append(np.where((low < 0) & (high > 0), 0.0, ends[0]))
    return np.minimum.reduce(ends), np.maximum.reduce(ends)


def _middle(low: np.ndarray, high: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    return [(low + high) / 2], [(high - low) / 2 * (1 + 2.0**-40) + np.maximum(np.abs(low), np.abs(high)) * 2.0**-50]


@dataclass
class Kept:
    """Rows over the inputs that bounded neurons from below on cells, and so do on all cells within.

    Attributes
    ----------
    gradient : ndarray, shape (cells, 2, neurons, inputs)
        Of z, and of -z.
    constant, error : ndarray, shape (cells, 2, neurons)
        The constant is minus infinity where there is no row; the error bounds the rounding of the least value.
    """

    gradient: np.ndarray
    constant: np.ndarray
    error: np.ndarray

    @classmethod
    def none(cls, cells: int, neurons: int, inputs: int) -> Kept:
        """No rows at all."""
        return cls(np.zeros((cells, 2, neurons, inputs)), np.full((cells, 2, neurons), -np.inf), np.zeros((cells, 2, neurons)))


@dataclass
class Held:
    """Of the rows that were kept of one cell, those of neurons that were open then.

    Attributes
    ----------
    neurons : ndarray of int, shape (rows,)
    gradient : ndarray, shape (rows, 2, inputs)
    constant, error : ndarray, shape (rows, 2)
    """

    neurons: np.ndarray
    gradient: np.ndarray
    constant: np.ndarray
    error: np.ndarray

    @classmethod
    def of(cls, kept: Kept, lows: np.ndarray, highs: np.ndarray) -> list[Held]:
        """Of each cell, with ends of shape (cells, neurons)."""
        found = []
        for k, free in enumerate((lows < 0) & (highs > 0)):
            at = np.flatnonzero(free)
            found.append(cls(at, kept.gradient[k][:, at].transpose(1, 0, 2), kept.constant[k][:, at].T, kept.error[k][:, at].T))
        return found


def move(held: Sequence[Held], lows: np.ndarray, highs: np.ndarray, cells: Cells, reach: np.ndarray) -> np.ndarray:
    """Bring ends of open neurons closer together by rows that hold on cells farther up, and so on these.

    Parameters
    ----------
    held : sequence of Held
        Of each cell.
    lows, highs : ndarray, shape (cells, neurons)
        Ends that are known; receive better ones, on the grid.
    cells : Cells
    reach : ndarray, shape (cells, neurons, inputs)
        Receives by how much each input moves the ends of these neurons.

    Returns
    -------
    ndarray, shape (2, cells, neurons)
        Those lower ends, of z and of -z, that other arithmetic might round to a neighbour on the grid, infinite where a
        quarter of a step less is rounded, and elsewhere not a number.
    """
    cell, neuron = np.repeat(np.arange(len(held)), [len(one.neurons) for one in held]), np.concatenate([one.neurons for one in held])
    still = np.flatnonzero((lows[cell, neuron] < 0) & (highs[cell, neuron] > 0))
    cell, neuron = cell[still], neuron[still]
    gradient, value, error = (np.concatenate([getattr(one, name) for one in held])[still] for name in ("gradient", "constant", "error"))
    for k in range(cells.low.shape[1]):
        g = gradient[..., k]
        value += np.where(g > 0, g * cells.low[cell, k, None], g * cells.high[cell, k, None])
    reach[cell, neuron] = np.abs(gradient).sum(axis=1) * (cells.high - cells.low)[cell]
    there = np.isfinite(value)
    value = np.where(there, value, 0.0)
    before = np.stack([lows[cell, neuron], -highs[cell, neuron]], axis=1)
    better = there & (value + 2 * error > before)
    least, unsure, near = _rounded(value, 4 * error, 2 * error)
    lower = np.where(better, np.maximum(least, before), before)
    lows[cell, neuron], highs[cell, neuron] = lower[:, 0], -lower[:, 1]
    found = np.full((2, *lows.shape), np.nan)
    found[:, cell, neuron] = np.where(unsure & better, np.where(near, np.inf, lower), np.nan).T
    return found


def _rounded(value: np.ndarray, below: np.ndarray, above: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers between value - below and value + above rounded down to the grid; whether they may round to several; and
    where it is certain what a quarter of a step less rounds to, in which case it is that.
    """
    least = down(value - below)
    unsure = least != down(value + above)
    near = unsure & (8 * (below + above) < steps(value))
    low, high = lower(value - below), lower(value + above)
    near &= low == high
    return np.where(near, low, least), unsure, near


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
    only: np.ndarray | None = None,
    kept: Kept | None = None,
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
        Receives those lower ends, of z and of -z, that other arithmetic might round to a neighbour on the grid, or
        infinity where a quarter of a step less was rounded, which is certain.
    reach : ndarray, shape (cells, neurons, inputs), optional
        Receives by how much each input moves the ends of the neurons that were open.
    only : ndarray of bool, shape (cells, neurons), optional
        Neurons to bound; by default all that are open.
    kept : Kept, optional
        Receives the rows that were found.
    """
    kernels = packed(tables, sizes)
    if kernels is not None and first == 0:
        unsure = np.full((2, *lows.shape), np.nan) if doubtful is None else doubtful
        spread = np.zeros((*lows.shape, tables.inputs)) if reach is None else reach
        kernels.refine(cells.low, cells.high, lows, highs, unsure, spread, only, None if kept is None else (kept.gradient, kept.constant, kept.error))
        return
    for layer in range(first, tables.depth):
        span = tables.span[layer]
        free = (lows[:, span] < 0) & (highs[:, span] > 0)
        cell, neuron = np.nonzero(free if only is None else free & only[:, span])
        if not len(cell):
            continue
        lines = Lines.of(lows[:, : span.start], highs[:, : span.start]) if layer else None
        step = max(1, BATCH // (2 * max(tables.inputs, span.start, 1)))
        for at in range(0, len(cell), step):
            checkpoint()
            _refine_some(tables, lows, highs, cells, sizes, layer, lines, cell[at : at + step], neuron[at : at + step], doubtful, reach, kept)


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
    kept: Kept | None,
) -> None:
    affine = tables.affines[layer]
    both = np.concatenate([cell, cell])
    sign = np.repeat([1.0, -1.0], len(cell))
    rows = rows_of(affine, np.concatenate([neuron, neuron]), sign, layer)
    some = Cells(cells.low[both], cells.high[both])
    constant = sign * np.concatenate([affine.bias[neuron]] * 2)
    nothing = Lines(*([np.zeros((1, 0))] * 4))
    found = backward(tables, rows, constant, layer, lines or nothing, some, sizes, numbers=both if lines else None)
    if tables.rounded:
        found.error = found.error + tables.gamma * sizes.layers[layer][np.concatenate([neuron, neuron])]
    if doubtful is None:
        least = down(found.value - 2 * found.error)
    else:
        least, unsure, near = _rounded(found.value, 2 * found.error, found.error)
    at = neuron + tables.span[layer].start
    many = len(cell)
    better = found.value + found.error > np.concatenate([lows[cell, at], -highs[cell, at]])
    lows[cell, at] = np.fmax(lows[cell, at], least[:many])  # what is not a number says nothing
    highs[cell, at] = np.fmin(highs[cell, at], -least[many:])
    if doubtful is not None:
        noted = np.where(better & unsure, np.where(near, np.inf, least), np.nan)
        doubtful[0, cell, at], doubtful[1, cell, at] = noted[:many], noted[many:]
    if reach is not None:
        spread = np.abs(found.gradient) * (some.high - some.low)
        reach[cell, at] = spread[:many] + spread[many:]
    if kept is not None:
        side = np.repeat([0, 1], many)
        kept.gradient[both, side, np.concatenate([at, at])] = found.gradient
        kept.constant[both, side, np.concatenate([at, at])] = found.value - np.einsum("rn,rn->r", found.gradient, found.point)
        kept.error[both, side, np.concatenate([at, at])] = found.error
