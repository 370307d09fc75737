"""From an input that nearly satisfies a conjunction to one that does: linear programs in its region and the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from polylc.errors import SolverError
from polylc.geometry.lp import infinity, minimise
from polylc.network.form import pattern_at
from polylc.search.descent import region_forms
from polylc.search.problem import Problem

LARGEST = 2**22  # numbers in the forms of a region
REGIONS = 4


def polish(problem: Problem, goals: Sequence[int], point: np.ndarray, low: np.ndarray, high: np.ndarray) -> list[np.ndarray]:
    """Points that miss the goals less and less: the best ones of the region of `point`, of the region of that, ...

    Parameters
    ----------
    goals : sequence of int
        To become non-positive together.
    low, high : ndarray, shape (inputs,)
        The box.
    """
    network = problem.network
    free = np.flatnonzero(high > low)
    if (len(free) + 1) * (network.neurons + network.inputs) > LARGEST or not len(free):
        return []
    found = []
    best = np.inf
    for _ in range(REGIONS):
        half, middle = (high - low)[free] / 2, (low + high) / 2
        bits = pattern_at(network, point)
        start = np.zeros((network.inputs, len(free) + 1))
        start[free, np.arange(len(free))] = half
        start[:, -1] = middle
        walls, outputs = region_forms(network, bits, start)
        over_outputs, over_inputs, constant = problem.matrices
        rows = over_outputs[goals] @ outputs + over_inputs[goals] @ start
        rows[:, -1] += constant[goals]
        unit = _best_in_region(rows, walls)
        if unit is None:
            break
        point = np.clip(middle.copy(), low, high)
        point[free] += half * np.clip(unit, -1.0, 1.0)
        point = np.clip(point, low, high)
        miss = float((rows[:, :-1] @ unit + rows[:, -1]).max())
        found.append(point)
        if miss <= 0 or miss >= best:
            break
        best = miss
    return found


def _best_in_region(rows: np.ndarray, walls: np.ndarray) -> np.ndarray | None:
    """Where in the region the largest row is least, in unit coordinates."""
    k = rows.shape[1] - 1
    scale = np.maximum(np.abs(rows).sum(axis=1, keepdims=True), 1e-300)
    size = np.abs(walls[:, :-1]).sum(axis=1)
    near = np.abs(walls[:, -1]) <= size  # the others hold on all of the box
    walls = walls[near] / np.maximum(size[near], 1e-300)[:, None]
    rows = rows / scale.max()
    matrix = np.vstack([np.column_stack([-rows[:, :-1], np.ones(len(rows))]), np.column_stack([walls[:, :-1], np.zeros(len(walls))])])
    least = np.concatenate([rows[:, -1], -walls[:, -1]])
    box = np.append(np.ones(k), 1e6)
    try:
        found = minimise(np.append(np.zeros(k), 1.0), matrix, least, np.full(len(least), infinity()), -box, box)
    except SolverError:
        return None
    return None if found is None else found.point[:k]
