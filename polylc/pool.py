"""Neighbourhoods spread over processes."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import replace
from multiprocessing.synchronize import Event
from typing import Any

from polylc.answer import Settings, Task, answer
from polylc.engines.tree import Outcome
from polylc.errors import PolylcError
from polylc.network.form import Network
from polylc.report.result import Refusal, Result
from polylc.run import Run

_worker: dict[str, Any] = {}


def _start(network: Network, settings: Settings, stop: Event) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells workers to stop
    _worker.update(network=network, settings=settings, stop=stop)


def _work(task: Task) -> Result | Refusal | None:
    if _worker["stop"].is_set():
        return None
    try:
        return answer(_worker["network"], task, _worker["settings"], stop=_worker["stop"].is_set)
    except PolylcError as error:
        return Refusal(task.index, str(error))


def run_parallel(
    network: Network, tasks: Sequence[Task | Refusal], settings: Settings, jobs: int, on_result: Callable[[Result], None] | None = None
) -> Run:
    """Answer tasks in `jobs` processes; results come in the order of the tasks and equal the serial ones.

    Ctrl-C stops the workers; what they have found until then is kept.
    """
    begin = time.monotonic()
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    results: dict[int, Result | Refusal] = {i: t for i, t in enumerate(tasks) if isinstance(t, Refusal)}
    interrupted = False
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(network, settings, stop)) as pool:
        waiting = {pool.submit(_work, task): i for i, task in enumerate(tasks) if isinstance(task, Task)}
        while waiting:
            try:
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            except KeyboardInterrupt:
                interrupted = True
                stop.set()
                continue
            for future in done:
                place = waiting.pop(future)
                found = future.result()
                if found is None:
                    continue
                if isinstance(found, Result):
                    found = replace(found, network=network)
                    if on_result is not None:
                        on_result(found)
                results[place] = found
    stopped = any(isinstance(r, Result) and r.outcome == Outcome.INTERRUPTED.value for r in results.values())
    return Run(network, [results[i] for i in sorted(results)], time.monotonic() - begin, interrupted or stopped, len(tasks))
