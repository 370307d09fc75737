"""Where to cut a cell: the input, or the neuron, that a bound suffers from most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polylc.bounds.ascent import Ascent, Choice, Goals, ascend
from polylc.bounds.backward import Cells
from polylc.bounds.relaxation import Lines
from polylc.bounds.tables import Sizes, Tables
from polylc.search.cells import Cell

TRIED, TRIAL_STEPS = 12, 3  # neurons that are tried (filtered strong branching), and passes for each side


@dataclass
class Branching:
    """A cell to be split by a neuron, and the row of its bound."""

    cell: Cell
    row: int


def box_scores(result: Ascent, rows: list[int], reach: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """For each input, its share in the widths of open neurons, weighed by what these cost the bounds, and half the
    slopes of the bounds themselves; shape (inputs,).
    """
    total = reach.sum(axis=1)
    share = np.divide(result.worst[rows].sum(axis=0), total, out=np.zeros_like(total), where=total > 0)
    found: np.ndarray = share @ reach + 0.5 * np.abs(result.gradient[rows]).sum(axis=0) * (high - low)
    return found


def best_neurons(tables: Tables, goals: Goals, sizes: Sizes, branching: list[Branching], result: Ascent) -> list[tuple[Cell, int]]:
    """For each cell the neuron to split: of those whose lines miss most at the minimiser, the one whose two sides have
    the best bounds after a few steps.
    """
    found: list[tuple[Cell, int]] = []
    if not branching:
        return found
    trials: list[tuple[int, int]] = []  # place in `branching`, neuron
    for k, (_, row) in enumerate((one.cell, one.row) for one in branching):
        score = result.gaps[row] + 0.2 * result.worst[row]
        free = branching[k].cell.free
        order = free[np.argsort(-score[free], kind="stable")]
        chosen = [int(i) for i in order[:TRIED] if score[i] > 0] or [int(order[0])]
        trials += [(k, i) for i in chosen]
    scores = _tried(tables, goals, sizes, branching, trials, result)
    for k, one in enumerate(branching):
        mine = [t for t, (at, _) in enumerate(trials) if at == k]
        found.append((one.cell, trials[max(mine, key=lambda t: scores[t])][1]))
    return found


def _tried(tables: Tables, goals: Goals, sizes: Sizes, branching: list[Branching], trials: list[tuple[int, int]], result: Ascent) -> np.ndarray:
    """Both sides of every trial bounded with the slopes and multipliers of the cell; the worse one counts, and some of
    the other.
    """
    if len(trials) == len(branching):
        return np.zeros(len(trials))
    at = np.repeat([k for k, _ in trials], 2)
    neuron = np.repeat([i for _, i in trials], 2)
    sign = np.tile([-1.0, 1.0], len(trials))
    every = np.arange(len(at))
    lows = np.stack([branching[k].cell.lows for k in at])
    highs = np.stack([branching[k].cell.highs for k in at])
    lows[every[1::2], neuron[1::2]] = 0.0
    highs[every[::2], neuron[::2]] = 0.0
    line = Lines.of(lows, highs)
    rows = np.array([branching[k].row for k in at])
    start = result.choice.rows(rows)
    signs = np.stack([np.zeros(lows.shape[1]) if (s := branching[k].cell.signs) is None else s.astype(float) for k in at])
    signs[every, neuron] = sign
    betas = np.zeros(signs.shape) if start.betas is None else start.betas
    slopes = np.where(line.open, start.slopes, line.rule)
    low = np.stack([branching[k].cell.low for k in at])
    high = np.stack([branching[k].cell.high for k in at])
    member = start.shares > 0
    begin, aim = Choice(start.shares, slopes, betas), np.full(len(at), 1e-9)
    found = ascend(tables, goals, member, begin, line, signs, Cells(low, high), sizes, TRIAL_STEPS, aim, trace=False)
    bound = np.minimum(found.sure, 0.0)
    one, other = bound[::2], bound[1::2]
    scores: np.ndarray = np.minimum(one, other) + 0.3 * np.maximum(one, other)
    return scores
