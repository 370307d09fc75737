"""The neighbourhoods of a run that keeps a journal: which are finished, and what was saved of the others."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from polylc.engines.contract import Outcome
from polylc.network.form import Network
from polylc.report.record import Refusal
from polylc.report.result import Result
from polylc.report.run import Run
from polylc.report.status import Status
from polylc.run.entries import ANSWER, Entries, Entry, words_of_tasks
from polylc.run.journal import BLOCKS, Journal, Reading, Teller, to_stderr
from polylc.search.saved import Saved
from polylc.search.task import Settings, Task


class Finished:
    """Results that are kept from call to call.

    Parameters
    ----------
    journal : Journal
    settings : Settings
    """

    def __init__(self, journal: Journal, settings: Settings) -> None:
        self._entries, self._settings = Entries(journal, (settings.time_limit, settings.max_regions, settings.memory)), settings

    def get(self, place: int) -> Result | None:
        """The result of the neighbourhood in this place, if there is nothing left to do for it."""
        found = self._entries.get(place)
        if not isinstance(found, Result):  # a refusal is said again for nothing
            return None
        found = _at(found, self._entries.folder)
        return None if found.block is not None and not _is_whole(*found.block) else found

    def take(self, place: int, found: Result | Refusal | None, interrupted: bool) -> None:
        """Keep a result; one that an interrupt cut short is shown, but not taken for finished."""
        if isinstance(found, Result):
            cut = found.outcome is Outcome.INTERRUPTED or (interrupted and bool(found.late))
            lost = self._settings.proves and found.status is Status.CERTIFIED and found.block is None and "proof" not in found.late
            self._entries.put(place, found, not cut and not lost, found.outcome is Outcome.COMPLETE and not found.late)
        elif found is not None:
            self._entries.put(place, found, True, True)

    def saved(self, place: int) -> Saved:
        """What was saved of a neighbourhood that is not finished."""
        return self._entries.saved(place)


@contextmanager
def finished(folder: Path, network: Network, tasks: Sequence[Task | Refusal], settings: Settings, tell: Teller = to_stderr) -> Iterator[Finished]:
    """The journal of a run, open while it goes on.

    Raises
    ------
    UsageError
        If the folder is of another run, or another process is at work on it.
    """
    limits = {"time limit": settings.time_limit, "regions": settings.max_regions, "memory": settings.memory}
    with Journal(folder, network, _words(network, tasks, settings), limits, len(tasks), tell) as journal:
        yield Finished(journal, settings)


def blocks_of(folder: Path) -> Path:
    """Where the proof blocks of a run are, which the journal makes when it begins."""
    return folder / BLOCKS


def run_of(journal: Reading) -> Run:
    """What a journal has of a run: results in the order of the neighbourhoods, those that were interrupted as well."""
    pieces = int(journal.table("state").get("pieces", "0"))
    results: list[Result | Refusal] = []
    done = 0
    for place in range(pieces):
        entry = journal.get(f"{place}/{ANSWER}")
        if isinstance(entry, Entry):
            results.append(_at(entry.found, journal.folder) if isinstance(entry.found, Result) else entry.found)
            done += entry.done
    return Run(journal.network, results, sum(r.seconds for r in results if isinstance(r, Result)), done < pieces, pieces)


def _words(network: Network, tasks: Sequence[Task | Refusal], settings: Settings) -> dict[str, str]:
    """What is asked, in words, by name."""
    return {
        "command": "certify",
        **words_of_tasks(network, tasks),
        "measures": ",".join(settings.measures),
        "certify": str(settings.certify),
        "exact volumes": str(settings.exact_volumes),
        "sigma": ",".join(name for name, _ in settings.sigmas) or "none",
        "regions kept, as --report, --regions, --graph or keep want": str(settings.keep),
        "graph": str(settings.graph),
        "proof": str(settings.proves),
    }


def _at(found: Result, folder: Path) -> Result:
    """The same with its proof block where the folder is now."""
    if found.block is None:
        return found
    path, digest = found.block
    return replace(found, block=(folder / BLOCKS / path.name, digest))


def _is_whole(path: Path, digest: str) -> bool:
    """Whether a proof block is there as it was written."""
    try:
        with gzip.open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == digest
    except (OSError, EOFError):
        return False
