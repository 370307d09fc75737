"""An answer: a value, or the reason why there is none. The two travel together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")

NOT_COMPLETE = "null: the enumeration is not complete"
NOT_ASKED = "not asked for"


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What is said of one measure.

    Attributes
    ----------
    value : T or None
    reason : str or None
        Why there is no value; how it was found, where that is worth saying.
    notes : mapping
        What else is to be said, by topic: of a part of the value that is missing, say.

    Raises
    ------
    ValueError
        If there is neither a value nor a reason.
    """

    value: T | None
    reason: str | None = None
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.value is None and not self.reason:
            raise ValueError("an answer without a value needs a reason")


def missing(reason: str) -> Answer[Any]:
    """No value, and why."""
    return Answer(None, reason)


class Answers(Mapping[str, Answer[Any]]):
    """The answers of one neighbourhood, by the name of the measure; one of which nothing was said was not asked for."""

    def __init__(self, answers: Mapping[str, Answer[Any]]) -> None:
        self._answers = dict(answers)

    def __getitem__(self, name: str) -> Answer[Any]:
        return self._answers.get(name) or missing(NOT_ASKED)

    def __iter__(self) -> Iterator[str]:
        return iter(self._answers)

    def __len__(self) -> int:
        return len(self._answers)

    def value(self, name: str) -> Any:
        """The value of a measure, or None."""
        return self[name].value

    def notes(self) -> dict[str, str]:
        """Reasons by the names of measures, and other remarks by topic."""
        said: dict[str, str] = {}
        for name, answer in self._answers.items():
            said |= answer.notes
            if answer.reason is not None:
                said[name] = answer.reason
        return said
