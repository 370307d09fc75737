"""A formula as alternatives: conjunctions, with what is still to be chosen, by the boxes that they bound.

An `Or` is never multiplied out: its parts are chosen one `Or` at a time, where that is needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from polylc.domains.question import Formula, Or, Row, rows, simplified
from polylc.domains.within import Within
from polylc.errors import NeighbourhoodError
from polylc.exact.numbers import to_floats

Bounds = tuple[tuple[Fraction, ...], tuple[Fraction, ...]]


@dataclass(frozen=True)
class Alternative:
    """A conjunction that an input may satisfy, with what is still to be chosen.

    Attributes
    ----------
    choices : tuple of (int, int)
        Of every choice before, which pending `Or` it was, and the part.
    rows : tuple of Row
    pending : tuple of Or
    """

    choices: tuple[tuple[int, int], ...]
    rows: tuple[Row, ...]
    pending: tuple[Or, ...]

    def chosen(self, at: int = 0) -> list[Alternative]:
        """One alternative for each part of a pending `Or`."""
        rest = self.pending[:at] + self.pending[at + 1 :]
        return [_with((*self.choices, (at, i)), self.rows, rest, part) for i, part in enumerate(self.pending[at].parts)]


def _with(choices: tuple[tuple[int, int], ...], held: tuple[Row, ...], pending: tuple[Or, ...], part: Formula) -> Alternative:
    if isinstance(part, Row):
        return Alternative(choices, held if part in held else (*held, part), pending)
    taken, left = dict.fromkeys(held), list(pending)
    stack: list[Formula] = [part]
    while stack:
        one = stack.pop()
        if isinstance(one, Row):
            taken.setdefault(one)
        elif isinstance(one, Or):
            left.append(one)
        else:
            stack += reversed(one.parts)
    return Alternative(choices, tuple(taken), tuple(left))


def root_alternative(formula: Formula) -> Alternative:
    """What a formula says before anything is chosen."""
    return _with((), (), (), simplified(formula))


def input_box(alternative: Alternative, inputs: int) -> tuple[list[Fraction | None], list[Fraction | None]]:
    """Bounds of the inputs that rows with a single input give; None where there is none."""
    low: list[Fraction | None] = [None] * inputs
    high: list[Fraction | None] = [None] * inputs
    for row in alternative.rows:
        if is_bound(row, inputs):
            ((v, c),) = row.terms
            end = -row.constant / c
            if c > 0:
                low[v] = end if (a := low[v]) is None else max(a, end)
            else:
                high[v] = end if (b := high[v]) is None else min(b, end)
    return low, high


def is_bound(row: Row, inputs: int) -> bool:
    """Whether a row bounds a single input."""
    return len(row.terms) == 1 and row.terms[0][0] < inputs


@dataclass(frozen=True)
class Root:
    """A box, perhaps cut with a ball, and the alternatives that are asked in it."""

    lower: tuple[Fraction, ...]
    upper: tuple[Fraction, ...]
    alternatives: tuple[Alternative, ...]
    within: Within | None = None


def roots(formula: Formula, inputs: int, names: Sequence[str], within: Within | None = None) -> list[Root]:
    """Alternatives by box; those whose box is empty are left out.

    Where parts of an `Or` bound inputs themselves, it is chosen at once. A ball bounds all inputs.

    Raises
    ------
    NeighbourhoodError
        If an input is not bounded, or a row is strict where there is a ball.
    """
    if within is not None and any(r.strict for r in rows(formula)):
        raise NeighbourhoodError("query: a strict row within a ball; state rows with >= there")
    around = None if within is None else within.box()
    found: dict[Bounds, list[Alternative]] = {}
    todo = [root_alternative(formula)] if simplified(formula) != Or(()) else []
    while todo:
        one = todo.pop(0)
        at = next((k for k, other in enumerate(one.pending) if any(is_bound(r, inputs) for r in rows(other))), None)
        if at is not None:
            todo = one.chosen(at) + todo
            continue
        low, high = input_box(one, inputs)
        if around is not None:
            low = [b if a is None else max(a, b) for a, b in zip(low, around[0], strict=True)]
            high = [b if a is None else min(a, b) for a, b in zip(high, around[1], strict=True)]
        box = tuple(_bounded(low, "lower", names)), tuple(_bounded(high, "upper", names))
        if all(a <= b for a, b in zip(*box, strict=True)) and not _excluded(one, low, high):
            found.setdefault(box, []).append(one)
    result = []
    for (lower, upper), group in found.items():
        if len(group) == 1 and len(group[0].pending) >= 1:
            group = group[0].chosen()
        result.append(Root(lower, upper, tuple(group), within))
    return result


def _excluded(one: Alternative, low: Sequence[Fraction | None], high: Sequence[Fraction | None]) -> bool:
    """Whether a side is a point that a strict bound excludes."""
    for row in one.rows:
        if row.strict and is_bound(row, len(low)):
            ((v, c),) = row.terms
            if low[v] == high[v] == -row.constant / c:
                return True
    return False


def _bounded(ends: list[Fraction | None], side: str, names: Sequence[str]) -> list[Fraction]:
    found = []
    for end, name in zip(ends, names, strict=True):
        if end is None:
            raise NeighbourhoodError(f"query: input {name} has no {side} bound; state one, as search needs a box")
        found.append(end)
    return found


def outward(lower: Sequence[Fraction], upper: Sequence[Fraction]) -> tuple[np.ndarray, np.ndarray]:
    """The box in doubles, rounded outward.

    Raises
    ------
    NeighbourhoodError
        If it reaches beyond all doubles.
    """
    try:
        low, high = to_floats(lower), to_floats(upper)
    except OverflowError:
        raise NeighbourhoodError("query: an input is bounded by a number beyond all doubles; state a nearer bound") from None
    low = np.array([f if Fraction(f) <= v else math.nextafter(f, -math.inf) for f, v in zip(low.tolist(), lower, strict=True)])
    high = np.array([f if Fraction(f) >= v else math.nextafter(f, math.inf) for f, v in zip(high.tolist(), upper, strict=True)])
    return low, high


def inside(lower: Sequence[Fraction], upper: Sequence[Fraction], low: np.ndarray, high: np.ndarray) -> tuple[list[Fraction], list[Fraction]]:
    """The part of a box that lies between corners in doubles, such as those of `outward` or of parts of them."""
    least = [max(a, Fraction(f)) for a, f in zip(lower, low.tolist(), strict=True)]
    return least, [min(b, Fraction(f)) for b, f in zip(upper, high.tolist(), strict=True)]
