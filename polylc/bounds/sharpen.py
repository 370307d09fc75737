"""Ends of pre-activations with slopes of their own: for one cell, below which neurons are split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polylc.bounds.ascent import SLOPES, on_grid
from polylc.bounds.backward import Cells, backward, forward
from polylc.bounds.hidden import BATCH, rows_of
from polylc.bounds.relaxation import Lines, down
from polylc.bounds.tables import Sizes, Tables
from polylc.exact.checkpoint import checkpoint

STEPS = 10
REACH, NEARER = 0.3, 0.7  # first target above the first bound, relative to it; and its factor where a step fails


@dataclass
class Claims:
    """Ends of the neurons of one layer, and the slopes that prove them.

    Attributes
    ----------
    neurons, sides : ndarray, shape (claims,)
        Which neuron, and 0 for its lower, 1 for its upper end.
    ends : ndarray, shape (claims,)
    slopes : ndarray, shape (claims, open neurons of earlier layers)
    rule : ndarray, shape (open neurons of earlier layers,)
        The rule's.
    """

    neurons: np.ndarray
    sides: np.ndarray
    ends: np.ndarray
    slopes: np.ndarray
    rule: np.ndarray


def sharpen(tables: Tables, lows: np.ndarray, highs: np.ndarray, low: np.ndarray, high: np.ndarray, sizes: Sizes) -> list[Claims]:
    """Bring the ends of open neurons on one cell closer together, layer by layer from the second on.

    Parameters
    ----------
    lows, highs : ndarray, shape (neurons,)
        Ends that are known; receive better ones, on the grid.
    low, high : ndarray, shape (inputs,)
        The box.

    Returns
    -------
    list of Claims
        One for each layer with ends that became better.
    """
    found = []
    for layer in range(1, tables.depth):
        span = tables.span[layer]
        free = np.flatnonzero((lows[span] < 0) & (highs[span] > 0))
        if not len(free) or not ((lows[: span.start] < 0) & (highs[: span.start] > 0)).any():
            continue
        lines = Lines.of(lows[None, : span.start], highs[None, : span.start])
        step = max(1, BATCH // max(tables.inputs, span.start))
        neuron, side = np.tile(free, 2), np.repeat([0, 1], len(free))
        ends, slopes = [], []
        for at in range(0, len(neuron), step):
            e, s = _ascend(tables, layer, neuron[at : at + step], side[at : at + step], lines, low, high, sizes)
            ends.append(e)
            slopes.append(s)
        least, best = np.concatenate(ends), np.concatenate(slopes)
        at_neuron = neuron + span.start
        before = np.where(side == 0, lows[at_neuron], -highs[at_neuron])
        better = least > before
        lower, upper = better & (side == 0), better & (side == 1)
        lows[at_neuron[lower]], highs[at_neuron[upper]] = least[lower], -least[upper]
        found.append(
            Claims(
                at_neuron[better],
                side[better],
                np.where(side == 0, least, -least)[better],
                best[better][:, lines.open[0]],
                lines.rule[0, lines.open[0]],
            )
        )
    return found


def _ascend(
    tables: Tables, layer: int, neuron: np.ndarray, side: np.ndarray, lines: Lines, low: np.ndarray, high: np.ndarray, sizes: Sizes
) -> tuple[np.ndarray, np.ndarray]:
    """The best lower bounds of z, or -z, with their slopes."""
    many = len(neuron)
    sign = np.where(side == 0, 1.0, -1.0)
    affine = tables.affines[layer]
    cells = Cells(np.broadcast_to(low, (many, len(low))), np.broadcast_to(high, (many, len(high))))
    slopes = np.repeat(lines.rule, many, axis=0)
    best, kept = np.full(many, -np.inf), slopes.copy()
    reach = np.zeros(many)
    for step in range(STEPS):
        checkpoint()
        rows = rows_of(affine, neuron, sign, layer)
        bound = backward(tables, rows, sign * affine.bias[neuron], layer, lines, cells, sizes, slopes, keep=True)
        least = bound.value - 2 * bound.error
        better = least > best
        best[better], kept[better] = least[better], slopes[better]
        if step == STEPS - 1:
            break
        reach = np.maximum(REACH * np.abs(bound.value), 1e-6) if step == 0 else np.where(better, reach, reach * NEARER)
        z, _ = forward(tables, bound.point, bound.coefficients, lines, slopes)
        gradient = np.zeros_like(slopes)
        for earlier, span in enumerate(tables.span[:layer]):
            v = bound.coefficients[earlier]
            if v is not None:
                jump = v * tables.units[earlier].jump
                gradient[:, span] = np.where(lines.open[:, span] & (jump > 0), jump * z[:, span], 0.0)
        gradient *= ((gradient > 0) & (slopes < 1)) | ((gradient < 0) & (slopes > 0))
        norm = np.einsum("rm,rm->r", gradient, gradient)
        length = np.where(norm > 1e-30, (best + reach - bound.value) / np.maximum(norm, 1e-30), 0.0)
        slopes = np.where(lines.open, on_grid(np.clip(slopes + length[:, None] * gradient, 0.0, 1.0), SLOPES), lines.rule)
    return down(best), kept
