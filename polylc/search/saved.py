"""What was saved of a piece of work, so that it need not be done again."""

from __future__ import annotations

from typing import Any, Protocol

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
