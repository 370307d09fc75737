"""A search for the steepest region between two batches: what of it is saved, so that it can go on from there.

What a batch does depends on the queue, on what is attained, and on what the lister remembers; all else is made anew
from the network and the neighbourhood. So a search that goes on treats the cells that it would have treated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from polylc.search.attained import Attained
from polylc.search.gradient_bounds import Cell
from polylc.search.steepest import Steepest


@dataclass
class Snapshot:
    """What a search has that is begun.

    Attributes
    ----------
    queue : list of (float, int, Cell)
        Open cells, as a heap.
    put : int
        How many cells were put there.
    best : list of Attained
    seen : set
        Regions whose values are known.
    counts : dict
    listed : tuple
        What the lister remembers.
    """

    queue: list[tuple[float, int, Cell]]
    put: int
    best: list[Attained]
    seen: set[Any]
    counts: dict[str, float]
    listed: tuple[Any, ...]


def snapshot(search: Steepest) -> Snapshot:
    """A search as it is; not while a batch is treated."""
    record = search.record
    return Snapshot(search.queue, search.put, record.best, record.seen, search.counts, search.lister.memory)


def restore(search: Steepest, was: Snapshot) -> None:
    """Have a search that is not started go on from there."""
    search.queue, search.put, search.counts = was.queue, was.put, was.counts
    search.record.best, search.record.seen = was.best, was.seen
    search.lister.memory = was.listed
