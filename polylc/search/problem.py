"""A question made ready for search: its alternatives, each with a box, and rows to refute."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from polylc.bounds.ascent import Goals
from polylc.bounds.tables import LOST, UNIT, Rows, Sizes, Tables, tables
from polylc.domains.question import And, Formula, Or, Row, rows, simplified
from polylc.errors import NeighbourhoodError
from polylc.exact.numbers import to_floats
from polylc.network.exact import ExactNetwork
from polylc.network.form import Network
from polylc.network.weights import before

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
    if isinstance(part, Or):
        return Alternative(choices, held, (*pending, part))
    found = Alternative(choices, held, pending)
    for one in part.parts:
        found = _with(choices, found.rows, found.pending, one)
    return found


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
    """A box, and the alternatives that are asked in it."""

    lower: tuple[Fraction, ...]
    upper: tuple[Fraction, ...]
    alternatives: tuple[Alternative, ...]


def roots(formula: Formula, inputs: int, names: Sequence[str]) -> list[Root]:
    """Alternatives by box; those whose box is empty are left out.

    Where parts of an `Or` bound inputs themselves, it is chosen at once.

    Raises
    ------
    NeighbourhoodError
        If an input is not bounded.
    """
    found: dict[Bounds, list[Alternative]] = {}
    todo = [root_alternative(formula)] if simplified(formula) != Or(()) else []
    while todo:
        one = todo.pop(0)
        at = next((k for k, other in enumerate(one.pending) if any(is_bound(r, inputs) for r in rows(other))), None)
        if at is not None:
            todo = one.chosen(at) + todo
            continue
        low, high = input_box(one, inputs)
        box = tuple(_bounded(low, "lower", names)), tuple(_bounded(high, "upper", names))
        if all(a <= b for a, b in zip(*box, strict=True)):
            found.setdefault(box, []).append(one)
    result = []
    for (lower, upper), group in found.items():
        if len(group) == 1 and len(group[0].pending) >= 1:
            group = group[0].chosen()
        result.append(Root(lower, upper, tuple(group)))
    return result


def _bounded(ends: list[Fraction | None], side: str, names: Sequence[str]) -> list[Fraction]:
    found = []
    for end, name in zip(ends, names, strict=True):
        if end is None:
            raise NeighbourhoodError(f"query: input {name} has no {side} bound; state one, as search needs a box")
        found.append(end)
    return found


def outward(lower: Sequence[Fraction], upper: Sequence[Fraction]) -> tuple[np.ndarray, np.ndarray]:
    """The box in doubles, rounded outward."""
    low, high = to_floats(lower), to_floats(upper)
    low = np.array([f if Fraction(f) <= v else math.nextafter(f, -math.inf) for f, v in zip(low.tolist(), lower, strict=True)])
    high = np.array([f if Fraction(f) >= v else math.nextafter(f, math.inf) for f, v in zip(high.tolist(), upper, strict=True)])
    return low, high


class Problem:
    """Rows of one root, as goals in doubles.

    Attributes
    ----------
    rows : list of Row
        All rows that refute something, those that alternatives of any pending choice may have among them; bounds of
        single inputs are left out, since the box has them.
    goals : Goals
        Their left-hand sides with the sign changed, over the values of the network: an alternative has no solution
        where a non-negative combination of its goals is positive.
    """

    def __init__(self, network: Network, root: Root, low: np.ndarray, high: np.ndarray) -> None:
        self.network, self.root = network, root
        self.tables: Tables = tables(network)
        self.low, self.high = low, high
        seen: dict[Row, int] = {}
        for alternative in root.alternatives:
            for row in (*alternative.rows, *(r for part in alternative.pending for r in rows(part))):
                if not is_bound(row, network.inputs):
                    seen.setdefault(row, len(seen))
        self.number = seen
        self.rows = list(seen)
        # what is to be checked of a point of the box
        self.formulas = [And((*(r for r in a.rows if r.strict or not is_bound(r, network.inputs)), *a.pending)) for a in root.alternatives]

    @cached_property
    def matrices(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Goals over outputs and inputs, and their constants; shapes (goals, outputs), (goals, inputs), (goals,)."""
        n = self.network.inputs
        outputs, inputs = np.zeros((len(self.rows), self.network.outputs)), np.zeros((len(self.rows), n))
        for r, row in enumerate(self.rows):
            for v, c in row.terms:
                (inputs if v < n else outputs)[r, v if v < n else v - n] = -float(c)
        return outputs, inputs, np.array([-float(row.constant) for row in self.rows]).reshape(len(self.rows))

    def make_goals(self, box: np.ndarray, sizes: Sizes) -> Goals:
        """The goals; `box` are the sizes of the inputs, `sizes` those of sums."""
        network = self.network
        outputs, inputs, constant = self.matrices
        terms = max((len(row.terms) for row in self.rows), default=0)
        noise = 2 * (terms + 4) * UNIT * (np.abs(constant) + np.abs(inputs) @ box + np.abs(outputs) @ sizes.layers[-1]) + LOST
        found: Rows = [None] * (self.tables.depth + 1)
        for source, weight in network.output.terms:
            part = before(outputs, weight)
            there = found[source]
            found[source] = part if there is None else there + part
        if inputs.any():
            start = found[0]
            found[0] = inputs if start is None else start + inputs
        return Goals(found, constant + outputs @ network.output.bias, noise)

    def misses(self, points: np.ndarray) -> np.ndarray:
        """By how much points of shape (points, inputs) miss the formula of this root, in doubles; not positive where it
        seems to hold.
        """
        outputs, inputs, constant = self.matrices
        values = self.network(points) @ outputs.T + points @ inputs.T + constant
        return np.minimum.reduce([self._miss(formula, values) for formula in self.formulas])

    def _miss(self, formula: Formula, values: np.ndarray) -> np.ndarray:
        if isinstance(formula, Row):
            at = self.number.get(formula)
            return np.full(len(values), -np.inf) if at is None else values[:, at]
        parts = [self._miss(part, values) for part in formula.parts] or [np.full(len(values), -np.inf if isinstance(formula, And) else np.inf)]
        found: np.ndarray = (np.maximum if isinstance(formula, And) else np.minimum).reduce(parts)
        return found

    def solution(self, point: np.ndarray) -> tuple[Fraction, ...] | None:
        """The point of the box nearest to this one, if the formula holds there, in rationals."""
        exact = tuple(min(max(Fraction(x), a), b) for x, a, b in zip(point.tolist(), self.root.lower, self.root.upper, strict=True))
        return exact if self.holds(exact) else None

    def holds(self, point: tuple[Fraction, ...]) -> bool:
        """Whether the formula of this root holds at a rational point of its box."""
        values = (*point, *self.exact.outputs(point))
        return any(formula.holds(values) for formula in self.formulas)

    @cached_property
    def exact(self) -> ExactNetwork:
        """The network in rationals."""
        return ExactNetwork(self.network)

    def goals_of(self, alternative: Alternative) -> list[int]:
        """Numbers of the goals that may refute an alternative."""
        return [self.number[row] for row in alternative.rows if row in self.number]


def joined(parts: Sequence[Formula]) -> Formula:
    """All of them together."""
    return simplified(And(tuple(parts)))
