"""A time limit that long computations keep by looking at it now and then.

Whoever starts the work says until when; loops that may last call `checkpoint` once in a while. What they were about to
compute is then missing, with that reason; nothing half done is used.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from polylc.errors import LimitReached

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def until(deadline: float | None) -> Iterator[None]:
    """Have checkpoints within the block stop the work from `deadline` on, on the clock of time.monotonic; None for no
    limit.
    """
    token = _deadline.set(deadline)
    try:
        yield
    finally:
        _deadline.reset(token)


def checkpoint() -> None:
    """Go on, if there is time left.

    Raises
    ------
    LimitReached
        If there is none.
    """
    deadline = _deadline.get()
    if deadline is not None and time.monotonic() > deadline:
        raise LimitReached("the time limit was reached")
