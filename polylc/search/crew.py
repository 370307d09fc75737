"""Who does the work: processes that are started when they are worth it, or an executor that is there."""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from types import TracebackType
from typing import Any, Protocol

from polylc.search.cores import few_threads

PATIENCE = 2.0  # seconds of work before processes are started; a process takes about as long to start
WORTH = 5.0  # seconds of work left for which they are started
LARGE = 1.0  # seconds of work left from which on a neighbourhood is shared, once processes are there
LEAVE = 1.2  # seconds that processes have to report what they found, once they are told to stop

_log = logging.getLogger(__name__)
_stop = threading.Event()  # of a worker process


class Crew(Protocol):
    """Who does the work."""

    jobs: int

    def wanted(self, lasted: float, done: float) -> bool:
        """Whether an exploration should be shared that has lasted so many seconds and done so much, from 0 to 1."""

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Have function(*arguments, stop) called; `stop` tells the function whether to stop, or is None."""

    def stop(self) -> None:
        """Have running functions told to stop."""

    def alive(self) -> bool:
        """Whether there is sense in waiting for functions that were submitted: not if a process has died, for then all
        are lost, nor if they were told to stop and had their time.
        """


def _start(told: Connection) -> None:
    """Begin as a worker: the parent says when to stop, and none outlives it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    threading.Thread(target=_listen, args=(told,), daemon=True).start()


def _listen(told: Connection) -> None:
    """Hand on the parent's word, which is the end of the pipe, and end with the parent.

    A pipe, since whatever has a lock stays locked if a process is killed that holds it.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    if parent.sentinel not in wait([told, parent.sentinel]):
        _stop.set()
        wait([parent.sentinel])
    os._exit(1)


def _leave(number: int, _: object) -> None:
    """SIGTERM, which may have been sent to all processes of a job: report what is there, and go."""
    _stop.set()
    last = threading.Timer(LEAVE, os._exit, (128 + number,))
    last.daemon = True
    last.start()


def _warm(_: Callable[[], bool] | None) -> None:
    """Load what the work needs."""
    from polylc.complex import facet_sweep as kernels
    from polylc.engines.dictionary import engine as dictionary
    from polylc.engines.vertex import engine as vertex

    del kernels, dictionary, vertex


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a worker process."""
    if _stop.is_set():
        raise CancelledError
    return function(*arguments, _stop.is_set)


class _Starting(SpawnContext):
    """How processes are started; it knows those that were."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[SpawnProcess] = []

    def Process(self, *arguments: Any, **named: Any) -> SpawnProcess:  # type: ignore[override]
        process = SpawnProcess(*arguments, **named)
        self.started.append(process)
        return process


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
        self.jobs, self._executor, self._begin = max(jobs, getattr(executor, "jobs", 1)), executor, time.monotonic()
        self._pool: ProcessPoolExecutor | None = None
        self._context = _Starting()
        self._pipe: tuple[Connection, Connection] | None = None  # its end tells the processes to stop
        self._last: float | None = None  # until when they may report
        self._lost = False
        self._warming: list[Future[Any]] = []

    def __enter__(self) -> ProcessCrew:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._pool is None:
            return
        if kind is not None:
            self.stop()
        try:
            if self._last is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)
                left = [process.sentinel for process in self._running()]
                while left and self.alive():
                    left = [sentinel for sentinel in left if sentinel not in wait(left, 0.05)]
        finally:  # whatever happens, none is left that would be waited for
            if self._last is not None:
                self._kill()
            self._pool.shutdown(cancel_futures=True)

    def ready(self) -> bool:
        """Whether the work has lasted long enough for processes to be worth their start."""
        return self._pool is not None or time.monotonic() - self._begin > PATIENCE

    def wanted(self, lasted: float, done: float) -> bool:
        """Whether an exploration should be shared; while processes are being started, it goes on alone."""
        if self._pool is not None and not self.alive():
            return False
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
            self._pipe = self._context.Pipe(duplex=False)
            self._pool = ProcessPoolExecutor(self.jobs, mp_context=self._context, initializer=_start, initargs=(self._pipe[0],))
        # a process begun here inherits it: signals are for the parent until the process has its own handlers
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            with few_threads(self.jobs):
                return self._pool.submit(_call, function, *arguments)
        except BrokenExecutor as error:
            broken: Future[Any] = Future()
            broken.set_exception(error)
            return broken
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def stop(self) -> None:
        """Have the processes stop what they do; they report what they have found, if that does not take long."""
        if self._pipe is not None and self._last is None:
            self._last = time.monotonic() + LEAVE
            self._pipe[1].close()

    def alive(self) -> bool:
        """Whether there is sense in waiting for functions that were submitted.

        If a process has died, the others go too: one that was killed half way through a report would have them all
        waited for, and for ever.
        """
        if self._last is not None:
            return time.monotonic() < self._last
        started = [process.sentinel for process in self._context.started if process.pid is not None]
        if not self._lost and started and wait(started, 0.0):
            self._lost = True
            _log.warning("polylc: a worker process died (killed, or out of memory?); all that is not finished is done in one process")
            self._kill()
        return not self._lost

    def _running(self) -> list[SpawnProcess]:
        return [process for process in self._context.started if process.pid is not None and not wait([process.sentinel], 0.0)]

    def _kill(self) -> None:
        for process in self._running():
            process.kill()
