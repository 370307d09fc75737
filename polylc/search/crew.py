"""Who does the work: processes that are started when they are worth it, or an executor that is there."""

from __future__ import annotations

import math
import multiprocessing
import signal
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from multiprocessing.synchronize import Event
from types import TracebackType
from typing import Any, Protocol

PATIENCE = 2.0  # seconds of work before processes are started; a process takes about as long to start
WORTH = 5.0  # seconds of work left for which they are started
LARGE = 1.0  # seconds of work left from which on a neighbourhood is shared, once processes are there

_stop: list[Event] = []  # of a worker process


class Crew(Protocol):
    """Who does the work."""

    jobs: int

    def wanted(self, lasted: float, done: float) -> bool:
        """Whether an exploration should be shared that has lasted so many seconds and done so much, from 0 to 1."""

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Have function(*arguments, stop) called; `stop` tells the function whether to stop, or is None."""

    def stop(self) -> None:
        """Have running functions told to stop."""


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
        # a process begun here inherits it: Ctrl-C is for the parent
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
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
