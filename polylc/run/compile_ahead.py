"""Kernels compiled ahead of their use, side by side in processes of their own: those of an engine, and everything
else.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from polylc.complex.facet_sweep import sweep
from polylc.domains.ball import ball
from polylc.engines.contract import Limits
from polylc.engines.dictionary import search as dictionary_kernels
from polylc.engines.vertex import search as vertex_kernels
from polylc.jit.cache import folder, stamp
from polylc.jit.decorators import is_kept
from polylc.judge.node_filter import sift
from polylc.judge.region_filter import sift_regions
from polylc.network.form import chain
from polylc.run.neighbourhood import answer
from polylc.search.enumerate import explore_judged
from polylc.search.task import Settings, Task, make_task

LOOK = 0.02  # seconds between looks at processes
SMALL = 7  # kernels beyond that dimension are those of this one


def pieces(needed: Collection[tuple[str, int]], measures: Collection[str], certify: bool) -> list[list[str]]:
    """Pieces of work, as arguments of `do_piece`: the longest first, and those last that share most of its kernels."""
    flag = str(int(certify))
    rest = sorted({min(dimension, SMALL) for _, dimension in needed})
    # vertex: for each dimension
    engines = sorted({(name, d if name == "vertex" else min(d, SMALL)) for name, d in needed if name != "lp"})
    others = [["rest", "lp", str(d), flag, *measures] for d in rest]
    return [*others[:1], *(["engine", name, str(d), flag, "counts"] for name, d in engines), *others[1:]]


def run_all(work: list[list[str]], most: int, on_done: Callable[[int], None] | None = None) -> None:
    """Do pieces of work in processes, `most` of them at a time, none of which outlives this call."""
    running: list[subprocess.Popen[bytes]] = []
    waiting, done = list(work), 0
    try:
        while waiting or running:
            if waiting and len(running) < most:
                command = [*_command("do_piece"), *waiting.pop(0)]
                running.append(_started(command))
                continue
            ended = [process for process in running if process.poll() is not None]
            if not ended:
                time.sleep(LOOK)
            for process in ended:
                running.remove(process)
                done += 1
                if on_done is not None:
                    on_done(done)
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()


class Making:
    """Kernels that a process of its own makes, which does not end with this one; or another that was begun before."""

    def __init__(self, lock: Path, process: subprocess.Popen[bytes] | None, parts: int) -> None:
        self._lock, self._process, self._parts = lock, process, parts

    @classmethod
    def begun(cls, work: list[list[str]]) -> Making | None:
        """Have pieces of work done, unless somebody does them already; None if no process can be started."""
        name = hashlib.sha256(json.dumps([stamp(Path(__file__)), work]).encode()).hexdigest()[:32]
        lock = folder() / f"making-{name}"
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            if not _is_free(lock):
                return cls(lock, None, len(work))
            command = [*_command("drive"), str(lock), json.dumps(work)]
            return cls(lock, _started(command, alone=True), len(work))
        except OSError:
            return None

    def done(self) -> bool:
        """Whether nothing more is to be expected: all is made, or somebody failed."""
        return (self._process is None or self._process.poll() is not None) and _is_free(self._lock)

    def progress(self) -> str:
        """How far they are, in words."""
        try:
            done = self._lock.read_text()
        except OSError:
            done = ""
        return f"{done or 0} of {self._parts} parts are made"


def _command(function: str) -> list[str]:
    """A process of Python that calls a function of this file with the arguments that follow."""
    code = f"import sys; sys.path.append(sys.argv[1]); from polylc.run.compile_ahead import {function}; {function}(*sys.argv[2:])"
    return [sys.executable or "python", "-P", "-c", code, str(Path(__file__).parent.parent.parent)]


def _started(command: list[str], alone: bool = False) -> subprocess.Popen[bytes]:
    """A process without input and output; `alone` if signals to this one are not for it."""
    nothing = subprocess.DEVNULL
    return subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=alone)


def _is_free(lock: Path) -> bool:
    """Whether no process holds a lock; it goes with the process."""
    try:
        with lock.open("ab") as file:
            return _locked(file)
    except OSError:
        return True


def _locked(file: IO[bytes]) -> bool:
    """Lock an open file, if nobody else has; where there are no such locks, always."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def drive(lock: str, work: str) -> None:
    """Do pieces of work, given as JSON, unless another process is at them; at low priority, for nobody needs them
    yet.
    """
    with Path(lock).open("ab") as file:
        if not _locked(file):
            return
        if hasattr(os, "nice"):
            os.nice(10)
        pieces = json.loads(work)

        def tell(done: int) -> None:
            file.truncate(0)
            file.write(str(done).encode())
            file.flush()

        run_all(pieces, processors(), tell)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def missing_kernels(tasks: Sequence[Task], settings: Settings) -> set[tuple[str, int]]:
    """Pairs (engine, dimension) of which some kernel that these tasks need is not in the cache."""
    examples = {(task.engine, task.domain.dimension): task for task in tasks}
    return {pair for pair, task in examples.items() if not _compiled_before(task, settings)}


def _compiled_before(task: Task, settings: Settings) -> bool:
    """Whether the largest kernels of the judge, the graph and an engine are in numba's cache."""
    kernels: list[tuple[Any, str]] = []
    if settings.certify:
        kernels += [(sift_regions if settings.judges_regions(task) else sift, ""), (sweep, "")]
    if task.engine == "dictionary":
        kernels.append((dictionary_kernels.advance, ""))
    elif task.engine == "vertex":  # one version for each dimension
        kernels.append((vertex_kernels.advance, f"UniTuple(int64 x {task.domain.dimension})"))
    return all(is_kept(kernel, part) for kernel, part in kernels)


def do_piece(kind: str, engine: str, dimension: str, flag: str, *measures: str) -> None:
    """Have kernels compiled by a small network's neighbourhood: an engine's with what is compiled for it alone, or all
    others.
    """
    rng = np.random.default_rng(0)
    sizes = (int(dimension), 4, 3, 2)
    weights = [rng.normal(size=(m, n)) / 2 for n, m in itertools.pairwise(sizes)]
    network = chain(weights, [rng.normal(size=m) / 4 for m in sizes[1:]])
    task = make_task(network, 0, ball(np.zeros(sizes[0]), 1), None, engine)
    settings = Settings(measures, certify=flag == "1")
    if kind == "engine" and settings.certify:
        explore_judged(network, task, settings, Limits())
    else:
        answer(network, task, settings)
