"""Open cells of a search: boxes with what is known there."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polylc.bounds.hidden import Held
from polylc.domains.alternatives import Alternative
from polylc.proof.tree import Node


@dataclass
class Open:
    """An alternative that is open at a cell, with the numbers that bounded it best so far."""

    alternative: Alternative
    goals: list[int]
    shares: np.ndarray | None = None
    slopes: np.ndarray | None = None
    betas: np.ndarray | None = None
    bound: float = -np.inf


@dataclass
class Cell:
    """A part of the box, cut by neurons perhaps.

    Attributes
    ----------
    low, high : ndarray, shape (inputs,)
    lows, highs : ndarray, shape (neurons,)
        Ends of pre-activations, proved.
    signs : ndarray of int8, shape (neurons,), or None
        Sides of neurons that were split; None before the first.
    path : tuple of int
        Those neurons, in order.
    open : list of Open
    depth : int
    first : int
        Layer from which bounds are worth finding anew.
    node : Node
    share : float
        Of the root, were every split one into halves.
    held : Held or None
        Rows that bounded neurons on the last cell above where all were bounded anew, or on this one.
    rise : float
        By how much the least bound grew from the cell above to this one.
    waiting : bool
        Whether it is in a queue.
    """

    low: np.ndarray
    high: np.ndarray
    lows: np.ndarray
    highs: np.ndarray
    signs: np.ndarray | None
    path: tuple[int, ...]
    open: list[Open]
    depth: int
    first: int
    node: Node
    share: float = 1.0
    held: Held | None = None
    rise: float = np.inf
    waiting: bool = False

    @property
    def bound(self) -> float:
        """The least bound of an open alternative."""
        return min((one.bound for one in self.open), default=0.0)

    @property
    def free(self) -> np.ndarray:
        """Neurons whose sign is open."""
        found: np.ndarray = np.flatnonzero((self.lows < 0) & (self.highs > 0))
        return found


class Queue:
    """Open cells: by turns the newest ones, and those with the lowest bounds."""

    MOST = 20000  # cells from which only the newest are taken, which needs little memory

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._newest: list[Cell] = []
        self._lowest: list[tuple[float, int, Cell]] = []
        self._count = self._put = 0
        self.put(cells)

    def take(self, many: int) -> list[Cell]:
        """Up to so many cells."""
        taken: list[Cell] = []
        newest = many if len(self) > self.MOST else max(1, many // 2)
        while len(taken) < many and self._count:
            by_age = len(taken) < newest
            cell = self._newest.pop() if by_age else heapq.heappop(self._lowest)[2]
            if cell.waiting:
                cell.waiting = False
                self._count -= 1
                taken.append(cell)
        if len(self._lowest) > 2 * self._count + 64:  # those that were taken by age
            self._lowest = [entry for entry in self._lowest if entry[2].waiting]
            heapq.heapify(self._lowest)
        if len(self._newest) > 2 * self._count + 64:
            self._newest = [cell for cell in self._newest if cell.waiting]
        return taken

    def put(self, cells: Sequence[Cell]) -> None:
        """Add cells, the one to be taken first last."""
        for cell in cells:
            self._put += 1
            cell.waiting = True
            self._newest.append(cell)
            heapq.heappush(self._lowest, (cell.bound, self._put, cell))
        self._count += len(cells)

    def waiting(self) -> list[Cell]:
        """All cells, the newest last."""
        return [cell for cell in self._newest if cell.waiting]

    def lowest(self) -> float:
        """The lowest bound of an open alternative of a cell, or one lower."""
        return self._lowest[0][0] if self._lowest else 0.0

    def __len__(self) -> int:
        return self._count
