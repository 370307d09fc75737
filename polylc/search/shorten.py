"""Refutations as they are kept: their slopes as short as may be."""

from __future__ import annotations

import numpy as np

from polylc.bounds.ascent import SLOPES, Choice, Goals, on_grid
from polylc.bounds.backward import Cells, backward
from polylc.bounds.dense import Goal
from polylc.bounds.fused import Chosen
from polylc.bounds.packed import packed
from polylc.bounds.relaxation import Lines
from polylc.bounds.tables import Sizes, Tables

COARSER = (0.0, 1.0, 2.0, 8.0, SLOPES)  # grids on which slopes are tried; 0: the slopes of the rule


def shorten(tables: Tables, sizes: Sizes, goals: Goals, choice: Choice, signs: np.ndarray | None, lines: Lines, cells: Cells) -> None:
    """Slopes of refutations on the coarsest grid on which they still refute, and those of the rule where others do not
    matter.

    Parameters
    ----------
    choice : Choice
        What refutes each row; its slopes receive others.
    signs : ndarray, shape (rows, neurons), or None
        As in `ascent.ascend`.
    lines : Lines
        One row of each array for each row.
    cells : Cells
        One for each row.
    """
    kernels = packed(tables, sizes) if signs is None else None
    noise = choice.shares @ goals.noise * (1.0 + 2.0**-40)
    if kernels is not None:
        rows, constant = goals.combined(choice.shares)
        last, first = (np.zeros((len(noise), w)) if c is None else c for c, w in ((rows[-1], kernels.net.width[-1]), (rows[0], tables.inputs)))
        goal = Goal(last, first, constant, noise)
        kernels.shorten(goal, choice.slopes, Chosen(lines.rule, lines.chord, lines.above), cells.low, cells.high, np.array(COARSER))
        return
    pulls = None if signs is None or choice.betas is None else signs * choice.betas
    rows, constant = goals.combined(choice.shares)
    bound = backward(tables, rows, constant, tables.depth, lines, cells, sizes, choice.slopes, pulls, keep=True)
    matters = np.zeros(choice.slopes.shape, dtype=bool)
    for span, v, units in zip(tables.span, bound.coefficients, tables.units, strict=True):
        if v is not None:
            matters[:, span] = v * units.jump > 0
    left = np.ones(len(noise), dtype=bool)
    for grid in COARSER:
        rows, constant = goals.combined(choice.shares)
        slopes = np.where(lines.open & matters, on_grid(choice.slopes, grid), lines.rule) if grid else lines.rule
        bound = backward(tables, rows, constant, tables.depth, lines, cells, sizes, slopes, pulls)
        good = left & (bound.value - bound.error - noise > 0)
        choice.slopes[good] = slopes[good]
        left &= ~good
        if not left.any():
            break
