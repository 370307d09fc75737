"""The journal of Lipschitz constants: which neighbourhoods are done, and the open cells of the one at work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from polylc.network.form import Network
from polylc.report.lipschitz import LipschitzConstants
from polylc.report.lists import LipschitzRun
from polylc.report.record import Refusal
from polylc.run.entries import ANSWER, Entries, Entry, words_of_tasks
from polylc.run.journal import Journal, Reading
from polylc.search.task import Task


@contextmanager
def constants_kept(
    folder: Path, network: Network, tasks: Sequence[Task | Refusal], asked: Mapping[str, Any], proof: bool, timeout: float | None
) -> Iterator[Entries]:
    """The journal of Lipschitz constants, open while they are searched.

    Raises
    ------
    UsageError
        If the folder is of another run, or another process is at work on it.
    """
    words = {"command": "lipschitz", **words_of_tasks(network, tasks), **{name: _said(value) for name, value in asked.items()}, "proof": str(proof)}
    with Journal(folder, network, words, {"timeout": timeout}, len(tasks)) as journal:
        yield Entries(journal, (timeout,))


def take(kept: Entries, place: int, index: int, found: LipschitzConstants, stopped: bool, proof: bool) -> None:
    """Keep constants; their search is kept as well where a proof is written of them."""
    kept.put(place, (index, replace(found, proof=None, notes={})), found.exact or not stopped, found.exact, forget=not proof)


def constants_of(journal: Reading) -> tuple[LipschitzRun, int]:
    """The constants that are there, and the number of neighbourhoods."""
    asked = int(journal.table("state").get("pieces", "0"))
    entries = [journal.get(f"{place}/{ANSWER}") for place in range(asked)]
    return LipschitzRun(journal.network, [entry.found for entry in entries if isinstance(entry, Entry)]), asked


def _said(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
