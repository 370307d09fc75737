"""Slopes of refutations made short, one row after the other: on the coarsest grid on which they still refute.

In: a network as padded arrays, lines of cells, rows that are refuted with slopes of their own. Out: those slopes, or
shorter ones. The formulas are those of `refute`, which the tests compare with.
"""

from __future__ import annotations

import math

import numpy as np

from polylc.bounds.dense import Dense, Goal, Room, at_box, descend
from polylc.bounds.fused import Chosen
from polylc.jit.decorators import inlined, kernel

Array = np.ndarray


@kernel
def shortened(net: Dense, low: Array, high: Array, lines: Chosen, goals: Goal, slopes: Array, grids: Array, room: Room) -> None:
    """Take the first grid on which a bound is certainly positive, if there is one.

    Parameters
    ----------
    low, high : ndarray, shape (rows, inputs)
    lines : Chosen
        One row for each row; the slopes are those of the rule.
    goals : Goal
        One for each row.
    slopes : ndarray, shape (rows, neurons)
        Slopes that refute, and receive others.
    grids : ndarray
        A grid of 0 has the slopes of the rule.
    room : Room
    """
    depth = net.first.shape[0] - 1
    neurons = net.first[depth]
    chosen = Chosen(room.slope, lines.chord, lines.above)
    for r in range(low.shape[0]):
        known = False
        for grid in grids:
            if grid > 0.0 and not known:
                known = True
                for j in range(neurons):
                    room.slope[0, j] = slopes[r, j]
                _bound(net, depth, low, high, chosen, goals, r, room)
                for layer in range(depth):
                    for i in range(net.width[layer + 1]):
                        room.z[layer, i] = room.kept[layer, i]
            for layer in range(depth):
                for i in range(net.width[layer + 1]):
                    j = net.first[layer] + i
                    matters = grid > 0.0 and lines.above[r, j] > 0.0 and room.z[layer, i] > 0.0
                    room.slope[0, j] = math.floor(slopes[r, j] * grid + 0.5) / grid if matters else lines.slope[r, j]
            if _bound(net, depth, low, high, chosen, goals, r, room) > goals.noise[r]:
                for j in range(neurons):
                    slopes[r, j] = room.slope[0, j]
                break


@inlined
def _bound(net: Dense, depth: int, low: Array, high: Array, chosen: Chosen, goals: Goal, r: int, room: Room) -> float:
    """Certainly not above the least value of a row."""
    for k in range(net.width[depth]):
        room.row[k] = goals.last[r, k]
    for k in range(net.width[0]):
        room.input[k] = goals.input[r, k]
    start = goals.constant[r]
    value, size = descend(net, depth, chosen, 0, r, room, start, abs(start))
    value, size = at_box(net, low, high, r, room, value, size)
    found: float = value - (size * net.gamma + net.extra[depth])
    return found
