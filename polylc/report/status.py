"""How far the answers for a neighbourhood go."""

from __future__ import annotations

import enum


class Status(enum.StrEnum):
    """Of a neighbourhood; as text it is the word of the reports."""

    CERTIFIED = "certified"
    ENUMERATED = "enumerated"
    PARTIAL = "partial"
    REFUSED = "refused"

    @property
    def meaning(self) -> str:
        """One line for people."""
        return _MEANINGS[self]

    @property
    def complete(self) -> bool:
        """Whether all regions are known."""
        return self in (Status.CERTIFIED, Status.ENUMERATED)


_MEANINGS = {
    Status.CERTIFIED: "complete, proved in exact arithmetic",
    Status.ENUMERATED: "complete in floating point; numbers marked ~ are not proved",
    Status.PARTIAL: "stopped early; counts are lower bounds (>=)",
    Status.REFUSED: "the row cannot be used",
}
