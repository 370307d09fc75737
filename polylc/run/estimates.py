"""Estimates of neighbourhoods, one after another; the methods that only sample, and those that enumerate as well."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, wait
from functools import partial
from pathlib import Path
from typing import Any

from polylc.domains.box import as_box
from polylc.errors import PolylcError, needs
from polylc.estimators.methods import METHODS, ON_REQUEST, Estimated, Method, choose, run_methods
from polylc.estimators.study import Sampling, Study
from polylc.network.form import Network
from polylc.report.estimates.entries import Entry, Estimates
from polylc.report.record import Refusal
from polylc.run.entries import ANSWER, Entries, words_of_tasks
from polylc.run.entries import Entry as JournalEntry
from polylc.run.exact_draws import exact_draws, rao_blackwell
from polylc.run.journal import Journal, Reading
from polylc.run.neighbourhood import label_of
from polylc.run.plane_slices import slices
from polylc.run.tilted import tilted
from polylc.search.crew import ProcessCrew
from polylc.search.task import Task
from polylc.search.units import LOOK

EXTRA: dict[str, Method] = {**ON_REQUEST, "exact_draws": exact_draws, "rao_blackwell": rao_blackwell, "slices": slices, "tilted": tilted}
EVERY: dict[str, Method] = {**METHODS, **EXTRA}


def parse_methods(methods: str | Iterable[str]) -> tuple[str, ...]:
    """Names of methods: "all" for those that only sample, or names, separated by commas.

    Raises
    ------
    UsageError
        If a name is unknown, or torch is not installed.
    """
    needs("torch", "torch", "estimates: sampling")
    return choose(methods, METHODS, EXTRA)


def run_estimates(
    network: Network,
    tasks: Sequence[Task | Refusal],
    names: Sequence[str],
    sampling: Sampling,
    on_result: Callable[[Estimated], None] | None = None,
    on_method: Callable[[str], None] | None = None,
    jobs: int = 1,
    executor: Executor | None = None,
    kept: Entries | None = None,
) -> Estimates:
    """Run the named methods on every neighbourhood, in `jobs` processes; what cannot be sampled becomes a refusal.

    Ctrl-C ends the run with what was done. Estimates that are `kept` are not made again.
    """
    begin = time.monotonic()
    here = partial(estimate_one, network, names=names, sampling=sampling, on_method=on_method)
    apart = partial(estimate_one, network, names=names, sampling=sampling)
    entries = each_task(tasks, here, on_result, apart, jobs, executor, kept)
    return Estimates(network, sampling, entries, time.monotonic() - begin, len(tasks))


def each_task(
    tasks: Sequence[Task | Refusal],
    work: Callable[[Task], Entry],
    on_result: Callable[[Entry], None] | None,
    apart: Callable[[Task], Entry] | None = None,
    jobs: int = 1,
    executor: Executor | None = None,
    kept: Entries | None = None,
    final: Callable[[Entry], bool] = lambda _: True,
) -> list[Entry | Refusal]:
    """`work` done on every task; what it refuses becomes a refusal, and Ctrl-C ends the list early.

    Parameters
    ----------
    apart : callable, optional
        The same work, for other processes.
    jobs, executor
        These processes; they are started once the work has lasted two seconds.
    kept : Entries, optional
        What was found before, and is not done again.
    final : callable, optional
        Whether no larger limit can add to an entry; by default none can.
    """
    found: dict[int, Entry | Refusal] = {place: task for place, task in enumerate(tasks) if isinstance(task, Refusal)}

    def take(place: int, entry: Entry | Refusal, new: bool = True) -> None:
        found[place] = entry
        if isinstance(entry, Refusal):
            return
        if kept is not None and new:
            kept.put(place, entry, True, final(entry))
        if on_result is not None:
            on_result(entry)

    with contextlib.suppress(KeyboardInterrupt):
        for place in range(len(tasks)) if kept is not None else ():
            known = kept.get(place) if kept is not None else None
            if known is not None:
                take(place, known, False)
        shared = apart is not None and (jobs > 1 or executor is not None)
        with ProcessCrew(jobs, executor) if shared else contextlib.nullcontext() as crew:
            for place, task in enumerate(tasks):
                if crew is not None and crew.ready():
                    assert apart is not None
                    _apart(crew, {p: t for p, t in enumerate(tasks) if p not in found and isinstance(t, Task)}, apart, take)
                if place not in found and isinstance(task, Task):
                    take(place, _done(work, task))
    return [found[place] for place in sorted(found)]


def _done(work: Callable[[Task], Entry], task: Task, stop: Callable[[], bool] | None = None) -> Entry | Refusal:
    """What work finds, or why it refuses."""
    try:
        return work(task)
    except PolylcError as error:
        return Refusal(task.index, str(error))


def _apart(crew: ProcessCrew, tasks: dict[int, Task], work: Callable[[Task], Entry], take: Callable[[int, Entry | Refusal], None]) -> None:
    """Have tasks done by a crew; what it loses is left."""
    waiting = {crew.submit(_done, work, task): place for place, task in tasks.items()}
    while waiting:
        done, _ = wait(waiting, LOOK, FIRST_COMPLETED)
        if not done and not crew.alive():
            return
        for future in done:
            place = waiting.pop(future)
            with contextlib.suppress(BrokenExecutor, CancelledError):
                take(place, future.result())


@contextlib.contextmanager
def estimates_kept(
    folder: Path,
    command: str,
    network: Network,
    tasks: Sequence[Task | Refusal],
    asked: Mapping[str, object],
    sampling: Sampling,
    limits: Mapping[str, float | None] | None = None,
) -> Iterator[Entries]:
    """The journal of estimates, or of comparisons, whose truths may have limits.

    Raises
    ------
    UsageError
        If the folder is of another run, or another process is at work on it.
    """
    words = {"command": command, **words_of_tasks(network, tasks), **{name: str(value) for name, value in asked.items()}}
    words |= {name: str(value) for name, value in vars(sampling).items()}
    limits = limits or {}
    with Journal(folder, network, words, limits, len(tasks)) as journal:
        journal.put("sampling", sampling)
        yield Entries(journal, tuple(limits.values()))


def estimates_of(journal: Reading) -> Estimates:
    """The estimates that are there."""
    found, asked = entries_of(journal)
    return Estimates(journal.network, journal.get("sampling"), found, sum(one.seconds for one in found), asked)


def entries_of(journal: Reading) -> tuple[list[Any], int]:
    """Estimates or comparisons that are there, and the number of neighbourhoods."""
    asked = int(journal.table("state").get("pieces", "0"))
    entries = [journal.get(f"{place}/{ANSWER}") for place in range(asked)]
    return [entry.found for entry in entries if isinstance(entry, JournalEntry)], asked


def largest_dimension(tasks: Sequence[Task | Refusal]) -> int:
    """Of the neighbourhoods that are sampled; 1 if there are none."""
    return max([1, *(task.domain.dimension for task in tasks if isinstance(task, Task))])


def estimate_one(network: Network, task: Task, names: Sequence[str], sampling: Sampling, on_method: Callable[[str], None] | None = None) -> Estimated:
    """Run the named methods on one neighbourhood; `on_method` is told the name of each before it begins."""
    begin = time.monotonic()
    label, _ = label_of(network, task)
    domain = as_box(task.domain, "estimate")
    study = Study(network, domain, sampling, label, task.index)
    found, skipped = run_methods(study, names, EVERY, on_method)
    return Estimated(task.index, domain, label, found, skipped, time.monotonic() - begin)
