"""Neighbourhoods side by side: spread over processes whole, or the last ones in units."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from dataclasses import replace
from typing import Any

from polylc.errors import PolylcError
from polylc.exact.memory import share_of
from polylc.network.form import Network
from polylc.report.record import Refusal
from polylc.report.result import Result
from polylc.report.run import Run
from polylc.run.beside import Teller, kernels_beside, to_stderr
from polylc.run.finished import Finished
from polylc.run.neighbourhood import RegionProgress, answer
from polylc.run.serial import answer_once, stopped
from polylc.search.crew import ProcessCrew
from polylc.search.task import PhaseWatch, Settings, Task
from polylc.search.units import LOOK


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
    on_phase: PhaseWatch | None = None,
    stop: Callable[[], bool] | None = None,
    tell: Teller = to_stderr,
    kept: Finished | None = None,
) -> Run:
    """Answer tasks in `jobs` processes; results come in the order of the tasks and equal the serial ones.

    The work begins in this process, so that little of it never waits for others. Later on, neighbourhoods are spread
    over the processes as long as there are enough of them, and the last ones are shared in units. Ctrl-C, or `stop`,
    stops the workers; what they have found until then is kept. What a process had begun that died is done again here.
    Tasks whose results are `kept` of an earlier run are not done again.
    """
    if executor is None and settings.memory is None:
        settings = replace(settings, memory=share_of(None, jobs + 1))
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

    try:
        with kernels_beside(network, tasks, settings, tell, max(jobs, 2)), ProcessCrew(jobs, executor) as crew:
            for done, task in enumerate(tasks):
                if crew.ready() and sum(isinstance(t, Task) for t in tasks[done:]) >= max(crew.jobs, 2):
                    spread = _Spread(network, dict(list(enumerate(tasks))[done:]), settings, crew, on_result, stop, kept)
                    try:
                        spread.run()
                    finally:
                        results += [spread.results[i] for i in sorted(spread.results)]
                    interrupted = spread.interrupted
                    break
                take(answer_once(network, done, task, settings, kept, on_start, on_regions, crew, on_phase, stop))
                interrupted = interrupted or (stop is not None and stop())
                if interrupted:
                    crew.stop()
                    break
    except KeyboardInterrupt:  # between two of them, or while processes end
        interrupted = True
    return Run(network, results, time.monotonic() - begin, interrupted, len(tasks))


class _Spread:
    """Whole neighbourhoods, each in a process."""

    def __init__(
        self,
        network: Network,
        tasks: dict[int, Task | Refusal],
        settings: Settings,
        crew: ProcessCrew,
        on_result: Callable[[Result], None] | None,
        stop: Callable[[], bool] | None,
        kept: Finished | None,
    ) -> None:
        self.network, self.settings, self.crew, self.on_result, self.stop, self.kept = network, settings, crew, on_result, stop, kept
        self.results: dict[int, Result | Refusal] = {i: t for i, t in tasks.items() if isinstance(t, Refusal)}
        self.todo = {i: t for i, t in tasks.items() if isinstance(t, Task)}
        self.interrupted = False
        for place in list(self.todo) if kept is not None else ():
            found = kept.get(place) if kept is not None else None
            if found is not None:
                del self.todo[place]
                self._show(place, found)

    def run(self) -> None:
        """Results by place; those of processes first, and then what processes have lost."""
        waiting = {self.crew.submit(_answer, self.network, task, self.settings): i for i, task in self.todo.items()}
        while waiting:
            try:
                if self.stop is not None and self.stop():
                    self._interrupt()
                done, _ = wait(waiting, LOOK, FIRST_COMPLETED)
                if not done and not self.crew.alive():
                    break
                for future in done:
                    self._take(waiting[future], future)
                    del waiting[future]
            except KeyboardInterrupt:
                self._interrupt()
        for place, task in list(self.todo.items()):
            if self.interrupted:
                break
            self._keep(place, answer_once(self.network, place, task, self.settings, self.kept, stop=self.stop))

    def _interrupt(self) -> None:
        self.interrupted = True
        self.crew.stop()

    def _take(self, place: int, future: Future[Any]) -> None:
        try:
            found = future.result()
        except BrokenExecutor:  # a process has died
            self.crew.alive()
            return
        except CancelledError:  # told to stop before it began
            found = None
            if not self.interrupted:
                return
        left = isinstance(found, Result) and stopped(found) and not self.interrupted and not (self.stop is not None and self.stop())
        if not left:  # by a process that was told to go by somebody else than this one
            if self.kept is not None:
                self.kept.take(place, found, self.interrupted)
            self._keep(place, found)

    def _keep(self, place: int, found: Result | Refusal | None) -> None:
        self.todo.pop(place, None)
        self.interrupted = self.interrupted or stopped(found) or (self.stop is not None and self.stop())
        if found is not None and place not in self.results:
            self._show(place, found)

    def _show(self, place: int, found: Result | Refusal) -> None:
        self.results[place] = replace(found, network=self.network) if isinstance(found, Result) else found
        if isinstance(found, Result) and self.on_result is not None:
            self.on_result(found)
