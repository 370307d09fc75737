"""Neighbourhoods one after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from polylc.engines.contract import Outcome
from polylc.errors import PolylcError
from polylc.network.form import Network
from polylc.report.record import Refusal
from polylc.report.result import Result
from polylc.report.run import Run
from polylc.run.beside import Teller, kernels_beside, to_stderr
from polylc.run.neighbourhood import RegionProgress, answer
from polylc.search.crew import Crew
from polylc.search.saved import Saved
from polylc.search.task import PhaseWatch, Settings, Task

if TYPE_CHECKING:
    from polylc.run.finished import Finished  # a run folder takes long to import


def run_serial(
    network: Network,
    tasks: Sequence[Task | Refusal],
    settings: Settings,
    on_start: Callable[[Task], None] | None = None,
    on_regions: RegionProgress | None = None,
    on_result: Callable[[Result], None] | None = None,
    on_phase: PhaseWatch | None = None,
    stop: Callable[[], bool] | None = None,
    tell: Teller = to_stderr,
    kept: Finished | None = None,
) -> Run:
    """Answer tasks one after another, but those whose results are `kept`; Ctrl-C, or `stop`, ends the run with what was
    found.
    """
    begin = time.monotonic()
    results: list[Result | Refusal] = []
    interrupted = False
    try:
        with kernels_beside(network, tasks, settings, tell):
            for place, task in enumerate(tasks):
                found = answer_once(network, place, task, settings, kept, on_start, on_regions, None, on_phase, stop)
                if found is not None:
                    results.append(found)
                if isinstance(found, Result) and on_result is not None:
                    on_result(found)
                interrupted = stopped(found) or (stop is not None and stop())
                if interrupted:
                    break
    except KeyboardInterrupt:  # between two of them
        interrupted = True
    return Run(network, results, time.monotonic() - begin, interrupted, len(tasks))


def answer_once(
    network: Network,
    place: int,
    task: Task | Refusal,
    settings: Settings,
    kept: Finished | None,
    on_start: Callable[[Task], None] | None = None,
    on_regions: RegionProgress | None = None,
    crew: Crew | None = None,
    on_phase: PhaseWatch | None = None,
    stop: Callable[[], bool] | None = None,
) -> Result | Refusal | None:
    """The result that is kept of the task in this place, or an answer, which is kept then; as `answer_or_refuse`."""
    if kept is None:
        return answer_or_refuse(network, task, settings, on_start, on_regions, crew, on_phase, stop)
    known = kept.get(place)
    if known is not None:
        return known
    found = answer_or_refuse(network, task, settings, on_start, on_regions, crew, on_phase, stop, kept.saved(place))
    kept.take(place, found, stop is not None and stop())
    return found


def answer_or_refuse(
    network: Network,
    task: Task | Refusal,
    settings: Settings,
    on_start: Callable[[Task], None] | None = None,
    on_regions: RegionProgress | None = None,
    crew: Crew | None = None,
    on_phase: PhaseWatch | None = None,
    stop: Callable[[], bool] | None = None,
    saved: Saved | None = None,
) -> Result | Refusal | None:
    """Answer one task; None if Ctrl-C came before anything was found."""
    if isinstance(task, Refusal):
        return task
    try:
        if on_start is not None:
            on_start(task)
        return answer(network, task, settings, stop, on_regions, crew, on_phase, saved)
    except PolylcError as error:
        return Refusal(task.index, str(error))
    except KeyboardInterrupt:
        return None


def stopped(found: Result | Refusal | None) -> bool:
    """Whether the user has stopped the run."""
    return found is None or (isinstance(found, Result) and found.outcome is Outcome.INTERRUPTED)
