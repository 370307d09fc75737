"""The journal of distances: which points are done, and the balls searched and open cells of the one at work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from polylc.measures.margin.distance import Distance
from polylc.network.form import Network
from polylc.report.distance import DistanceReport, PointReport, point_report, status_of
from polylc.report.record import Refusal
from polylc.report.schema import network_info
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


def take(kept: Entries, place: int, index: int, found: Distance, stopped: bool, proof: bool) -> None:
    """Keep a distance; its searches are kept as well where a proof is written of them."""
    closed = status_of(found) != "open"
    kept.put(place, (index, replace(found, proof=None)), closed or not stopped, closed, forget=not proof)


def reports_of(journal: Reading) -> tuple[DistanceReport, list[tuple[int, Distance]], int]:
    """The distances that are there, as data and as they were found, and the number of points."""
    asked = int(journal.table("state").get("pieces", "0"))
    words = journal.table("settings")
    entries = {place: journal.get(f"{place}/{ANSWER}") for place in range(asked)}
    found = [entry.found for entry in entries.values() if isinstance(entry, Entry)]
    points: list[PointReport] = [point_report(index, one) for index, one in found]
    return DistanceReport(norm=words["norm"], network=network_info(journal.network), points=points), found, asked  # type: ignore[arg-type]
