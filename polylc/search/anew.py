"""On which cells open neurons are bounded anew, where boxes are cut.

Rows that bounded neurons hold on all cells within. So at first a cell's ends are their least values there, which cost
little, here as in a proof. Where these ends do not refute all that is open, they are given up, and its open neurons are
bounded anew. So what a proof says of a cell is what was found there, and no more is bounded anew than the search did.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from polylc.bounds.backward import Cells
from polylc.bounds.hidden import Held, Kept, move, refine
from polylc.bounds.tables import Sizes
from polylc.proof.tree import End, stated_ends_of
from polylc.search.cells import Cell
from polylc.search.problem import Problem

HOPE = 2.0  # how many times what it grew by on the cell above a bound may grow by
MOST = 2**14  # numbers of all rows of a cell up to which they are kept


class Anew:
    """Ends of neurons on the cells of a batch, and how much inputs move them.

    Attributes
    ----------
    lows, highs : ndarray, shape (cells, neurons)
    reach : ndarray, shape (cells, neurons, inputs)
    moved : dict
        Cells whose ends are by rows from above; and those ends that other arithmetic might round otherwise.
    """

    def __init__(self, problem: Problem, sizes: Sizes, keep: bool, batch: Sequence[Cell], cells: Cells) -> None:
        self.tables, self.sizes, self.keep, self.batch, self.cells = problem.tables, sizes, keep, batch, cells
        self._hold = problem.ball is None and 2 * self.tables.neurons * (self.tables.inputs + 2) <= MOST
        self.lows, self.highs = np.stack([c.lows for c in batch]), np.stack([c.highs for c in batch])
        self.reach = np.zeros((*self.lows.shape, self.tables.inputs))
        self.moved: dict[int, list[End]] = {}
        some = [b for b, cell in enumerate(batch) if cell.first < self.tables.depth]
        moved = [b for b in some if self._hopeful(batch[b])]
        if moved:
            self._move(moved)
        self._refine([b for b in some if b not in self.moved])

    @staticmethod
    def _hopeful(cell: Cell) -> bool:
        """Whether rows from above may refute a cell: if its bound grows by about as much as that of the cell above."""
        whole = cell.held is not None and not any(one.alternative.pending for one in cell.open)
        return whole and cell.bound + HOPE * cell.rise > 0

    def _move(self, some: list[int]) -> None:
        at = np.array(some)
        low, high, reach = self.lows[at], self.highs[at], self.reach[at]
        held = [one for b in some if (one := self.batch[b].held) is not None]
        unsure = move(held, low, high, Cells(self.cells.low[at], self.cells.high[at]), reach)
        self.lows[at], self.highs[at], self.reach[at] = low, high, reach
        self.moved = dict(zip(some, stated_ends_of(unsure), strict=True))

    def settle(self, left: Iterable[int]) -> None:
        """Bound neurons anew on these of the moved cells, and have the others' ends be what is known there."""
        again = sorted(left)
        for b in again:
            del self.moved[b]
            self.lows[b], self.highs[b] = self.batch[b].lows, self.batch[b].highs
        for b, ends in self.moved.items():
            cell = self.batch[b]
            cell.lows, cell.highs, cell.node.moved = self.lows[b], self.highs[b], ends
        self._refine(again)

    def _refine(self, some: list[int]) -> None:
        if not some:
            return
        at = np.array(some)
        low, high, reach = self.lows[at], self.highs[at], np.zeros((len(some), *self.reach.shape[1:]))
        doubtful = np.full((2, *low.shape), np.nan) if self.keep else None
        kept = Kept.none(len(some), *reach.shape[1:]) if self._hold else None
        refine(self.tables, low, high, Cells(self.cells.low[at], self.cells.high[at]), self.sizes, 0, doubtful, reach, kept=kept)
        self.lows[at], self.highs[at], self.reach[at] = low, high, reach
        held = [None] * len(some) if kept is None else Held.of(kept, low, high)
        ends: list[list[End]] = [[]] * len(some) if doubtful is None else stated_ends_of(doubtful)
        for k, b in enumerate(some):
            cell = self.batch[b]
            cell.lows, cell.highs, cell.held = low[k], high[k], held[k]
            cell.node.refined, cell.node.ends = 0, [*cell.node.ends, *ends[k]]
