"""A time limit, and the user's wish to stop, that long computations heed by looking at them now and then.

Whoever starts the work says until when; loops that may last call `checkpoint` once in a while. What they were about to
compute is then missing, with that reason; nothing half done is used.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from polylc.errors import LimitReached, Stopped


class _Until(NamedTuple):
    """When to stop; `stopped` if the deadline is the time that is left after the user's wish to stop, `full` says
    whether memory is.
    """

    deadline: float | None
    stop: Callable[[], bool] | None
    stopped: bool
    full: Callable[[], bool] | None = None


_until: ContextVar[_Until | None] = ContextVar("until", default=None)
_kept: ContextVar[bool] = ContextVar("kept", default=False)


@contextmanager
def until(
    deadline: float | None, stop: Callable[[], bool] | None = None, stopped: bool = False, full: Callable[[], bool] | None = None
) -> Iterator[None]:
    """Have checkpoints within the block stop the work from `deadline` on, on the clock of time.monotonic, or once
    `stop` says so; None for no limit.

    `stopped` says that the user has stopped the work already, and the deadline is what is left to say what was found.
    """
    token = _until.set(_Until(deadline, stop, stopped, full))
    try:
        yield
    finally:
        _until.reset(token)


def checkpoint() -> None:
    """Go on, if there is time left.

    Raises
    ------
    LimitReached
        If there is none; Stopped if the user stopped the work.
    """
    found = _until.get()
    if found is None:
        return
    if found.stop is not None and found.stop():
        raise Stopped("the run was interrupted")
    if found.deadline is not None and time.monotonic() > found.deadline:
        raise Stopped("the run was interrupted") if found.stopped else LimitReached("the time limit was reached")
    if found.full is not None and found.full():
        raise LimitReached("the memory limit was reached")


def reached() -> Callable[[], bool]:
    """A function that says whether the limit that holds now is reached, wherever it is called."""
    found = _until.get()

    def over() -> bool:
        if found is None:
            return False
        late = found.deadline is not None and time.monotonic() > found.deadline
        return late or (found.stop is not None and found.stop())

    return over


@contextmanager
def unbroken(yes: bool = True) -> Iterator[None]:
    """Have work within the block end by itself after an interrupt, since it looks at its limits and keeps what was
    found; where that may take long, as in compiled code, it says `unbroken(False)`, and takes KeyboardInterrupt for the
    end. A second interrupt is not waited for.
    """
    token = _kept.set(yes)
    try:
        yield
    finally:
        _kept.reset(token)


def is_unbroken() -> bool:
    """Whether the work that goes on now is to end by itself."""
    return _kept.get()


@contextmanager
def half_of_the_time() -> Iterator[None]:
    """Have checkpoints within the block stop the work when half of what is left of the time is over, if there is a
    limit: for what may be broken off and is of use then.
    """
    found = _until.get()
    if found is None or found.deadline is None:
        yield
        return
    now = time.monotonic()
    with until(now + 0.5 * max(0.0, found.deadline - now), found.stop, found.stopped, found.full):
        yield
