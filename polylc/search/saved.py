"""What was saved of a piece of work, so that it need not be done again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from polylc.errors import LimitReached
from polylc.exact.checkpoint import later, reached

PATIENCE = 2.0  # seconds of work before a part of it is worth saving
GRACE = 1.0  # seconds in which a step that a limit finds going on may come to its end, so that it is saved


class Saved(Protocol):
    """Values by name; those of a part of the work are below it."""

    def get(self, name: str) -> Any:
        """The value of this name, or None."""

    def put(self, name: str, value: Any) -> None:
        """Save a value; it takes the place of one of the same name."""

    def below(self, name: str) -> Saved:
        """What was saved of a part."""

    def due(self) -> bool:
        """Whether a snapshot of work that goes on is worth its cost now."""


@contextmanager
def saving(saved: Saved | None, name: str) -> Iterator[Callable[[Callable[[], Any]], None]]:
    """Give what work within the block calls between two steps, with a function that makes a snapshot: it is saved under
    this name when that is due, and when a limit is reached, which ends the work then (LimitReached) and not within a
    step.
    """
    if saved is None:
        yield lambda _: None
        return
    over = reached()

    def between(snapshot: Callable[[], Any]) -> None:
        ended = over()
        if ended or saved.due():
            saved.put(name, snapshot())
        if ended:
            raise LimitReached("the limit was reached, and what is open is saved")

    with later(GRACE):
        yield between
