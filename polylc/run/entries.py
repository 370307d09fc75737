"""Answers in a journal, one for each neighbourhood, point or question, and whether they are the last word."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polylc.network.form import Network
from polylc.report.record import Refusal
from polylc.run.journal import Journal
from polylc.search.saved import Saved
from polylc.search.task import Task

ANSWER = "result"


@dataclass(frozen=True)
class Entry:
    """An answer in a journal.

    Attributes
    ----------
    found : object
    done : bool
        Whether there is nothing left to do within its limits; else the run was interrupted.
    final : bool
        Whether no larger limit can add to it.
    limits : tuple of float or None
        Within which it was found.
    """

    found: Any
    done: bool
    final: bool
    limits: tuple[float | None, ...]


class Entries:
    """The answers of a run, by place.

    Parameters
    ----------
    journal : Journal
    limits : tuple of float or None
        Those of this call.
    """

    def __init__(self, journal: Journal, limits: tuple[float | None, ...]) -> None:
        self.folder, self._journal, self._limits = journal.folder, journal, limits

    def get(self, place: int) -> Any:
        """The answer in this place, if there is nothing left to do for it within the limits."""
        entry = self._journal.get(f"{place}/{ANSWER}")
        if not isinstance(entry, Entry) or not entry.done:
            return None
        if not entry.final and any(_larger(now, then) for now, then in zip(self._limits, entry.limits, strict=True)):
            return None
        return entry.found

    def put(self, place: int, found: Any, done: bool, final: bool, forget: bool = True) -> None:
        """Keep an answer; with a final one, forget what was saved on the way to it."""
        self._journal.put(f"{place}/{ANSWER}", Entry(found, done, final, self._limits), f"{place}/" if done and final and forget else None)

    def begun(self, place: int) -> bool:
        """Whether anything was saved on the way to the answer in this place."""
        return bool(set(self._journal.names(f"{place}/")) - {f"{place}/{ANSWER}"})

    def saved(self, place: int) -> Saved:
        """What was saved on the way to the answer in this place."""
        return self._journal.below(str(place))


def words_of_tasks(network: Network, tasks: Sequence[Task | Refusal]) -> dict[str, str]:
    """Network and neighbourhoods in words, for a journal's settings."""
    digest = hashlib.sha256()
    for task in tasks:
        digest.update(repr(task).encode() + b"\n")
    first = tasks[0].index if tasks else 0
    return {
        "model": f"{Path(network.source).name}, {network.sha256[:16]}, weights {network.weights_sha256[:16]}",
        "neighbourhoods": f"{len(tasks)} from row {first} on, {digest.hexdigest()[:16]}",
    }


def _larger(now: float | None, then: float | None) -> bool:
    return then is not None and (now is None or now > then)
