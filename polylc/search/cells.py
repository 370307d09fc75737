"""Open cells of a search: boxes with what is known there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
        self.cells = list(cells)

    def take(self, many: int) -> list[Cell]:
        """Up to so many cells."""
        newest = many if len(self.cells) > self.MOST else max(1, many // 2)
        taken = self.cells[len(self.cells) - newest :] if newest < len(self.cells) else self.cells
        rest = self.cells[: len(self.cells) - len(taken)]
        lowest = min(many - len(taken), len(rest))
        if lowest > 0:
            bounds = np.array([cell.bound for cell in rest])
            chosen = np.argpartition(bounds, lowest - 1)[:lowest] if lowest < len(rest) else np.arange(len(rest))
            which = set(chosen.tolist())
            taken = taken + [rest[i] for i in sorted(which)]
            rest = [cell for i, cell in enumerate(rest) if i not in which]
        self.cells = rest
        return taken

    def put(self, cells: Sequence[Cell]) -> None:
        """Add cells, the one to be taken first last."""
        self.cells += cells

    def __len__(self) -> int:
        return len(self.cells)
