"""Neighbourhoods side by side: spread over processes whole, or the last ones in units."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, wait
from dataclasses import replace

from polylc.errors import PolylcError
from polylc.network.form import Network
from polylc.report.record import Refusal
from polylc.report.result import Result
from polylc.report.run import Run
from polylc.run.neighbourhood import RegionProgress, answer
from polylc.run.serial import answer_or_refuse, stopped
from polylc.search.crew import ProcessCrew
from polylc.search.task import Settings, Task


def _answer(network: Network, task: Task, settings: Settings, stop: Callable[[], bool] | None) -> Result | Refusal | None:
    """A whole neighbourhood, in another process."""
    if stop is not None and stop():
        return None
    try:
        return answer(network, task, settings, stop=stop)
    except PolylcError as error:
        return Refusal(task.index, str(error))


def run_parallel(
    network: Network,
    tasks: Sequence[Task | Refusal],
    settings: Settings,
    jobs: int,
    executor: Executor | None = None,
    on_start: Callable[[Task], None] | None = None,
    on_regions: RegionProgress | None = None,
    on_result: Callable[[Result], None] | None = None,
) -> Run:
    """Answer tasks in `jobs` processes; results come in the order of the tasks and equal the serial ones.

    The work begins in this process, so that little of it never waits for others. Later on, neighbourhoods are spread
    over the processes as long as there are enough of them, and the last ones are shared in units. Ctrl-C stops the
    workers; what they have found until then is kept.
    """
    begin = time.monotonic()
    results: list[Result | Refusal] = []
    interrupted = False

    def take(found: Result | Refusal | None) -> None:
        nonlocal interrupted
        interrupted = interrupted or stopped(found)
        if found is not None:
            results.append(found)
        if isinstance(found, Result) and on_result is not None:
            on_result(found)

    with ProcessCrew(jobs, executor) as crew:
        for done, task in enumerate(tasks):
            if crew.ready() and sum(isinstance(t, Task) for t in tasks[done:]) >= max(jobs, 2):
                places, stop = _spread(network, tasks[done:], settings, crew, on_result)
                results += [places[i] for i in sorted(places)]
                interrupted = stop or any(stopped(r) for r in places.values())
                break
            take(answer_or_refuse(network, task, settings, on_start, on_regions, crew))
            if interrupted:
                break
    return Run(network, results, time.monotonic() - begin, interrupted, len(tasks))


def _spread(
    network: Network, tasks: Sequence[Task | Refusal], settings: Settings, crew: ProcessCrew, on_result: Callable[[Result], None] | None
) -> tuple[dict[int, Result | Refusal], bool]:
    """Whole neighbourhoods, each in a process; results by place, and whether Ctrl-C came."""
    results: dict[int, Result | Refusal] = {i: t for i, t in enumerate(tasks) if isinstance(t, Refusal)}
    waiting = {crew.submit(_answer, network, task, settings): i for i, task in enumerate(tasks) if isinstance(task, Task)}
    interrupted = False
    while waiting:
        try:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                place = waiting.pop(future)
                try:
                    found = future.result()
                except BrokenExecutor:  # a process has died
                    found = None if interrupted else answer_or_refuse(network, tasks[place], settings)
                    interrupted = interrupted or stopped(found)
                if isinstance(found, Result):
                    found = replace(found, network=network)
                    if on_result is not None:
                        on_result(found)
                if found is not None:
                    results[place] = found
        except KeyboardInterrupt:
            interrupted = True
            crew.stop()
    return results, interrupted
