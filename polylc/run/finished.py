"""The neighbourhoods of a run that keeps a journal: which are finished, and what was saved of the others."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from polylc.engines.contract import Outcome
from polylc.network.form import Network
from polylc.report.record import Refusal
from polylc.report.result import Result
from polylc.report.run import Run
from polylc.report.status import Status
from polylc.run.journal import BLOCKS, Journal, Reading, Teller, to_stderr
from polylc.search.saved import Saved
from polylc.search.task import Settings, Task

RESULT = "result"


@dataclass(frozen=True)
class Entry:
    """A result in a journal.

    Attributes
    ----------
    found : Result or Refusal
    done : bool
        Whether there is nothing left to do within its limits; else the run was interrupted.
    limits : tuple of float or None
        Seconds and regions.
    """

    found: Result | Refusal
    done: bool
    limits: tuple[float | None, float | None]


class Finished:
    """Results that are kept from call to call.

    Parameters
    ----------
    journal : Journal
    settings : Settings
    """

    def __init__(self, journal: Journal, settings: Settings) -> None:
        self._journal, self._settings = journal, settings

    def get(self, place: int) -> Result | Refusal | None:
        """The result of the neighbourhood in this place, if there is nothing left to do for it."""
        entry = self._journal.get(f"{place}/{RESULT}")
        if not isinstance(entry, Entry) or not entry.done:
            return None
        found = _at(entry.found, self._journal.folder)
        if isinstance(found, Refusal):
            return None  # said again for nothing
        limited = found.outcome is not Outcome.COMPLETE or found.late
        if limited and any(_larger(now, then) for now, then in zip(_limits(self._settings), entry.limits, strict=True)):
            return None
        if found.block is not None and not _is_whole(*found.block):
            return None
        return found

    def take(self, place: int, found: Result | Refusal | None, interrupted: bool) -> None:
        """Keep a result; one that an interrupt cut short is shown, but not taken for finished."""
        if found is None:
            return
        done = True
        if isinstance(found, Result):
            cut = found.outcome is Outcome.INTERRUPTED or (interrupted and bool(found.late))
            lost = self._settings.proves and found.status is Status.CERTIFIED and found.block is None and "proof" not in found.late
            done = not cut and not lost
        name = f"{place}/{RESULT}"
        self._journal.put(name, Entry(found, done, _limits(self._settings)), f"{place}/" if done and _is_final(found) else None)

    def saved(self, place: int) -> Saved:
        """What was saved of a neighbourhood that is not finished."""
        return self._journal.below(str(place))


@contextmanager
def finished(folder: Path, network: Network, tasks: Sequence[Task | Refusal], settings: Settings, tell: Teller = to_stderr) -> Iterator[Finished]:
    """The journal of a run, open while it goes on.

    Raises
    ------
    UsageError
        If the folder is of another run, or another process is at work on it.
    """
    limits = {"time limit": settings.time_limit, "regions": settings.max_regions}
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
        entry = journal.get(f"{place}/{RESULT}")
        if isinstance(entry, Entry):
            results.append(_at(entry.found, journal.folder))
            done += entry.done
    return Run(journal.network, results, sum(r.seconds for r in results if isinstance(r, Result)), done < pieces, pieces)


def _words(network: Network, tasks: Sequence[Task | Refusal], settings: Settings) -> dict[str, str]:
    """What is asked, in words, by name."""
    digest = hashlib.sha256()
    for task in tasks:
        digest.update(repr(task).encode() + b"\n")
    first = tasks[0].index if tasks else 0
    return {
        "command": "certify",
        "model": f"{Path(network.source).name}, {network.sha256[:16]}, weights {network.weights_sha256[:16]}",
        "neighbourhoods": f"{len(tasks)} from row {first} on, {digest.hexdigest()[:16]}",
        "measures": ",".join(settings.measures),
        "certify": str(settings.certify),
        "exact volumes": str(settings.exact_volumes),
        "sigma": ",".join(name for name, _ in settings.sigmas) or "none",
        "regions kept": str(settings.keep),
        "graph": str(settings.graph),
        "proof": str(settings.proves),
    }


def _limits(settings: Settings) -> tuple[float | None, float | None]:
    return settings.time_limit, settings.max_regions


def _larger(now: float | None, then: float | None) -> bool:
    return then is not None and (now is None or now > then)


def _is_final(found: Result | Refusal) -> bool:
    """Whether no larger limit can add to it."""
    return isinstance(found, Refusal) or (found.outcome is Outcome.COMPLETE and not found.late)


def _at(found: Result | Refusal, folder: Path) -> Result | Refusal:
    """The same with its proof block where the folder is now."""
    if isinstance(found, Refusal) or found.block is None:
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
