"""Small jobs begin in plain Python, while compiled kernels are loaded or made beside.

Three cases, of a run in this process:

* The kernels are kept from before: plain Python for `SOON`, then they are loaded.
* They are not: a process of its own makes them, which outlives the run if that ends first, so that they are there at
  the next one. Until then plain Python goes on; a job that has lasted for `PATIENCE` waits, and says so.
* The network is so large that plain Python would not come to an end: the job waits at once.

POLYLC_KERNELS=first leaves all that out: kernels are compiled, or loaded, when they are first called.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from polylc.jit.mode import DISABLED, Ready, mode
from polylc.network.form import Network
from polylc.run.compile_ahead import Making, missing_kernels, pieces
from polylc.search.task import Settings, Task

SOON = 0.1  # seconds of plain Python that a job may lose before it loads compiled kernels, which takes as long or twice as long
PATIENCE = 8.0  # seconds of plain Python until a job waits for kernels that are being made
SMALL = 10**5  # neurons x widest layer x dimension, up to which plain Python may begin
LOOK = 0.05  # seconds between two looks at kernels that are being made

Teller = Callable[[str], None]
_told: set[str] = set()


def to_stderr(line: str) -> None:
    """A line on standard error."""
    print(f"polylc: {line}", file=sys.stderr, flush=True)


@contextmanager
def kernels_beside(network: Network, tasks: Sequence[object], settings: Settings, tell: Teller = to_stderr, jobs: int = 1) -> Iterator[None]:
    """Have kernels run as plain Python within the block as long as that is quicker.

    Parameters
    ----------
    network, tasks, settings
        What is to be done; what is no `Task` is passed over.
    tell : callable, optional
        Receives lines about what is waited for.
    jobs : int
        Several processes all wait for compiled kernels: their work is large, and they would each make their own.
    """
    real = [task for task in tasks if isinstance(task, Task)]
    if DISABLED or os.environ.get("POLYLC_KERNELS", "beside") == "first" or mode.plain or not real:
        yield
        return
    small = jobs == 1 and max(_cost(network, task) for task in real) <= SMALL
    missing = missing_kernels(real, settings)
    if not missing:
        if small and not mode.loaded:
            mode.begin_plain(_after(SOON))
        try:
            yield
        finally:
            mode.end_plain()
        return
    making = Making.begun(pieces(missing, settings.measures, settings.certify))
    if making is None:  # then they are compiled here, on first use
        tell("compiling kernels, once for this installation and dimension (about a minute)")
        yield
        return
    tell = _once(tell)
    if not small:  # before the clock of a time limit starts
        _once_made(making, 0.0, tell)(lambda: False)
        yield
        return
    tell("in plain Python while kernels are compiled beside, once for this installation and dimension (about a minute)")
    mode.begin_plain(_once_made(making, PATIENCE, tell))
    try:
        yield
    finally:
        mode.end_plain()
        if not making.done():
            tell("kernels are still being compiled in the background, for later runs")


def _once(tell: Teller) -> Teller:
    """Lines that this process has not told yet."""

    def tell_new(line: str) -> None:
        if line not in _told:
            _told.add(line)
            tell(line)

    return tell_new


def _cost(network: Network, task: Task) -> int:
    return network.neurons * max(network.inputs, *network.widths, 1) * task.domain.dimension


def _after(seconds: float) -> Ready:
    begin = time.monotonic()
    return lambda _: time.monotonic() - begin > seconds


def _once_made(making: Making, patience: float, tell: Teller) -> Ready:
    """Whether kernels are made; from `patience` seconds on it waits for them."""
    begin, said = time.monotonic(), ""

    def ready(reached: Callable[[], bool]) -> bool:
        nonlocal said
        while not making.done():
            if time.monotonic() - begin < patience or reached():
                return False
            now = f"waiting for compiled kernels: {making.progress()}"
            if now != said:
                tell(now)
                said = now
            time.sleep(LOOK)
        return True

    return ready
