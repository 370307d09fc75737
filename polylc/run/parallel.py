"""Work spread over processes: neighbourhoods, or the units of one."""

from __future__ import annotations

import math
import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from multiprocessing.synchronize import Event
from types import TracebackType
from typing import Any

from polylc.api.certify import Run, answer_or_refuse, stopped
from polylc.errors import PolylcError
from polylc.network.form import Network
from polylc.report.result import Refusal, Result
from polylc.run.neighbourhood import RegionProgress, Settings, Task, answer

PATIENCE = 2.0  # seconds of work before processes are started; a process takes about as long to start
WORTH = 5.0  # seconds of work left for which they are started
LARGE = 1.0  # seconds of work left from which on a neighbourhood is shared, once processes are there

_stop: list[Event] = []  # of a worker process


def _start(stop: Event) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells workers to stop
    _stop.append(stop)


def _warm(_: Callable[[], bool] | None) -> None:
    """Load what the work needs."""
    from polylc.complex import facet_sweep as kernels
    from polylc.engines.dictionary import engine as dictionary
    from polylc.engines.vertex import engine as vertex

    del kernels, dictionary, vertex


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a worker process."""
    return function(*arguments, _stop[0].is_set)


class ProcessCrew:
    """Processes that are started when they are worth it, or an executor that is there.

    Parameters
    ----------
    jobs : int
        Number of processes.
    executor : Executor, optional
        Used in their place, and left open.
    """

    def __init__(self, jobs: int, executor: Executor | None = None) -> None:
        self.jobs, self._executor, self._begin = jobs, executor, time.monotonic()
        self._pool: ProcessPoolExecutor | None = None
        self._event: Event | None = None
        self._warming: list[Future[Any]] = []

    def __enter__(self) -> ProcessCrew:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._pool is not None:
            if kind is not None:
                self.stop()
            self._pool.shutdown(cancel_futures=True)

    def ready(self) -> bool:
        """Whether the work has lasted long enough for processes to be worth their start."""
        return self._pool is not None or time.monotonic() - self._begin > PATIENCE

    def wanted(self, lasted: float, done: float) -> bool:
        """Whether an exploration should be shared; while processes are being started, it goes on alone."""
        left = lasted * (1.0 - done) / done if done > 0.0 else math.inf
        if self._executor is None and self._pool is None and self.ready() and left > WORTH:
            self._warming = [self.submit(_warm) for _ in range(self.jobs)]
        if self._executor is None and self._pool is None:
            return False
        there = all(future.done() and future.exception() is None for future in self._warming)
        return there and self.ready() and left > LARGE and lasted > LARGE

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Have function(*arguments, stop) called somewhere; if the processes have died, the future says so."""
        if self._executor is not None:
            return self._executor.submit(function, *arguments, None)
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._event = context.Event()
            self._pool = ProcessPoolExecutor(self.jobs, mp_context=context, initializer=_start, initargs=(self._event,))
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a process begun here inherits it: Ctrl-C is for the parent
        try:
            return self._pool.submit(_call, function, *arguments)
        except BrokenExecutor as error:
            broken: Future[Any] = Future()
            broken.set_exception(error)
            return broken
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def stop(self) -> None:
        """Have the processes stop what they do; they report what they have found."""
        if self._event is not None:
            self._event.set()


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

    The work begins in this process, so that little of it never waits for others. Later on, neighbourhoods are spread over the
    processes as long as there are enough of them, and the last ones are shared in units. Ctrl-C stops the workers; what they have
    found until then is kept.
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
