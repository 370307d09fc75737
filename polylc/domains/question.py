"""What is asked of a network: is there an input for which a formula holds?

A formula is made of linear rows over the inputs x and outputs y of one network, joined by `And` and `Or`; negations
have been moved to the rows, where they are other rows. All coefficients are rational, as they stand in the query.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias


@dataclass(frozen=True)
class Row:
    """sum of coefficient * variable, plus a constant, is >= 0, or > 0 if strict.

    Attributes
    ----------
    terms : tuple of (int, Fraction)
        Variables, increasing, with coefficients other than zero. Variables 0, ..., n-1 are the inputs of the network,
        n, ..., n+m-1 its outputs.
    constant : Fraction
    strict : bool
    """

    terms: tuple[tuple[int, Fraction], ...]
    constant: Fraction
    strict: bool = False

    def value(self, values: Sequence[Fraction]) -> Fraction:
        """The left-hand side, for values of all variables."""
        return sum((c * values[v] for v, c in self.terms), self.constant)

    def holds(self, values: Sequence[Fraction]) -> bool:
        """Whether it holds for values of all variables."""
        value = self.value(values)
        return value > 0 if self.strict else value >= 0

    @property
    def decided(self) -> bool | None:
        """Whether it holds, where no variable is in it; else None."""
        if self.terms:
            return None
        return self.constant > 0 if self.strict else self.constant >= 0


@dataclass(frozen=True)
class And:
    """All parts hold; true without parts."""

    parts: tuple[Formula, ...]

    def holds(self, values: Sequence[Fraction]) -> bool:
        """Whether it holds for values of all variables."""
        return all(part.holds(values) for part in self.parts)


@dataclass(frozen=True)
class Or:
    """Some part holds; false without parts."""

    parts: tuple[Formula, ...]

    def holds(self, values: Sequence[Fraction]) -> bool:
        """Whether it holds for values of all variables."""
        return any(part.holds(values) for part in self.parts)


Formula: TypeAlias = Row | And | Or
TRUE, FALSE = And(()), Or(())


def row(terms: dict[int, Fraction], constant: Fraction, strict: bool = False) -> Row:
    """A row from coefficients by variable; zeros are left out."""
    return Row(tuple(sorted((v, c) for v, c in terms.items() if c)), constant, strict)


def negated(formula: Formula) -> Formula:
    """The formula that holds exactly where this one does not."""
    if isinstance(formula, Row):
        return Row(tuple((v, -c) for v, c in formula.terms), -formula.constant, not formula.strict)
    other = Or if isinstance(formula, And) else And
    return other(tuple(negated(part) for part in formula.parts))


def simplified(formula: Formula) -> Formula:
    """The same formula, parts of the same kind joined, without what is decided or occurs twice."""
    if isinstance(formula, Row):
        return formula if formula.decided is None else TRUE if formula.decided else FALSE
    kind = type(formula)
    neutral, absorbing = (TRUE, FALSE) if kind is And else (FALSE, TRUE)
    parts: dict[Formula, None] = {}
    for part in formula.parts:
        simple = simplified(part)
        if simple == absorbing:
            return absorbing
        for one in simple.parts if isinstance(simple, kind) else (simple,):
            parts[one] = None
    if not parts:
        return neutral
    return next(iter(parts)) if len(parts) == 1 else kind(tuple(parts))


def rows(formula: Formula) -> Iterator[Row]:
    """All rows of a formula, from left to right."""
    if isinstance(formula, Row):
        yield formula
        return
    for part in formula.parts:
        yield from rows(part)
