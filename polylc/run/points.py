"""The journal of distances: which points are done, and the balls searched and open cells of the one at work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from polylc.domains.within import as_norm
from polylc.measures.margin.distance import Distance
from polylc.network.form import Network
from polylc.report.distance import status_of
from polylc.report.lists import Distances, centers_of
from polylc.report.record import Refusal
from polylc.run.entries import ANSWER, Entries, Entry, words_of_tasks
from polylc.run.journal import Journal, Reading
from polylc.search.task import Task


@contextmanager
def points_kept(
    folder: Path, network: Network, tasks: Sequence[Task | Refusal], target: int | None, norm: str, proof: bool, timeout: float | None
) -> Iterator[Entries]:
    """The journal of distances, open while they are searched.

    Raises
    ------
    UsageError
        If the folder is of another run, or another process is at work on it.
    """
    words = {
        "command": "distance",
        **words_of_tasks(network, tasks),
        "target": str(target),
        "norm": norm,
        "proof": str(proof),
    }
    with Journal(folder, network, words, {"timeout": timeout}, len(tasks)) as journal:
        yield Entries(journal, (timeout,))


def take(kept: Entries, place: int, task: Task, found: Distance, stopped: bool, proof: bool) -> None:
    """Keep a distance, with its centre for reports; its searches are kept as well where a proof is written of them."""
    closed = status_of(found) != "open"
    center = tuple(centers_of([task]).get(task.index, ()))
    kept.put(place, (task.index, replace(found, proof=None), center), closed or not stopped, closed, forget=not proof)


def distances_of(journal: Reading) -> tuple[Distances, int]:
    """The distances that are there, and the number of points."""
    asked = int(journal.table("state").get("pieces", "0"))
    entries = [journal.get(f"{place}/{ANSWER}") for place in range(asked)]
    found = [entry.found for entry in entries if isinstance(entry, Entry)]
    centers = {index: center for index, _, *rest in found for center in rest if len(center)}  # older journals have none
    return Distances(journal.network, as_norm(journal.table("settings")["norm"]), [(index, one) for index, one, *_ in found], centers), asked
