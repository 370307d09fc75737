"""One root of a question made ready for search: rows to refute as goals in doubles, and points checked exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from polylc.bounds.ascent import Goals
from polylc.bounds.ball import Ball
from polylc.bounds.tables import LOST, UNIT, Rows, Sizes, Tables, tables
from polylc.domains.alternatives import Alternative, Root, is_bound
from polylc.domains.question import And, Or, Row, rows
from polylc.network.exact import ExactNetwork
from polylc.network.form import Network
from polylc.network.weights import before


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
        self.ball = None if root.within is None else Ball.of(root.within)
        seen: dict[Row, int] = {}
        for alternative in root.alternatives:
            for row in (*alternative.rows, *(r for part in alternative.pending for r in rows(part))):
                if not is_bound(row, network.inputs):
                    seen.setdefault(row, len(seen))
        self.number = seen
        self._goals: dict[int, tuple[Alternative, list[int]]] = {}  # by the address of an alternative, which is kept
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
                (inputs if v < n else outputs)[r, v if v < n else v - n] = -_double(c)
        return outputs, inputs, np.array([-_double(row.constant) for row in self.rows]).reshape(len(self.rows))

    def make_goals(self, box: np.ndarray, sizes: Sizes) -> Goals:
        """The goals; `box` are the sizes of the inputs, `sizes` those of sums."""
        network = self.network
        outputs, inputs, constant = self.matrices
        terms = max((len(row.terms) for row in self.rows), default=0) + len(self.rows) + self.tables.depth
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
        found = self._columns.missed(values)
        return np.broadcast_to(found, len(values))

    @cached_property
    def _columns(self) -> _Part:
        """The formulas of all alternatives, as columns of goals: at many points, and often, they are looked at."""
        return _Part.of(Or(tuple(self.formulas)), self.number)

    def solution(self, point: np.ndarray) -> tuple[Fraction, ...] | None:
        """The point of the box nearest to this one, if it is in the ball and the formula holds there, in rationals."""
        if not np.isfinite(point).all():
            return None
        exact = tuple(min(max(Fraction(x), a), b) for x, a, b in zip(point.tolist(), self.root.lower, self.root.upper, strict=True))
        return exact if self.holds(exact) else None

    def holds(self, point: tuple[Fraction, ...]) -> bool:
        """Whether a rational point of this root's box is in its ball, and its formula holds there."""
        if self.root.within is not None and not self.root.within.contains(point):
            return False
        values = (*point, *self.exact.outputs(point))
        return any(formula.holds(values) for formula in self.formulas)

    @cached_property
    def exact(self) -> ExactNetwork:
        """The network in rationals."""
        return ExactNetwork(self.network)

    def goals_of(self, alternative: Alternative) -> list[int]:
        """Numbers of the goals that may refute an alternative."""
        known = self._goals.get(id(alternative))
        if known is None or known[0] is not alternative:
            known = self._goals[id(alternative)] = alternative, [self.number[row] for row in alternative.rows if row in self.number]
        return known[1]


@dataclass(frozen=True)
class _Part:
    """A formula over columns of goals: it is missed by the largest of its parts, or the least.

    Attributes
    ----------
    every : bool
        Whether all parts have to hold, or one.
    columns : ndarray of int
        Parts that are goals.
    parts : tuple of _Part
    """

    every: bool
    columns: np.ndarray
    parts: tuple[_Part, ...]

    @classmethod
    def of(cls, formula: And | Or, number: dict[Row, int]) -> _Part:
        """From a formula whose rows are goals with these numbers, or hold everywhere."""
        every = isinstance(formula, And)
        single = [part for part in formula.parts if isinstance(part, Row)]
        columns = np.array([number[row] for row in single if row in number], dtype=np.int64)
        parts = tuple(cls.of(part, number) for part in formula.parts if not isinstance(part, Row))
        if not every and len(columns) < len(single):  # one that holds everywhere
            return cls(True, columns[:0], ())
        return cls(every, columns, parts)

    def missed(self, values: np.ndarray) -> np.ndarray | np.float64:
        """By how much it is missed, where goals have these values; shapes (points, goals) and (points,)."""
        join = np.maximum if self.every else np.minimum
        start = -np.inf if self.every else np.inf
        found: np.ndarray | np.float64 = join.reduce(values[:, self.columns], axis=1, initial=start)
        for part in self.parts:
            found = join(found, part.missed(values))
        return found


def _double(value: Fraction) -> float:
    """The nearest double, or an infinity: goals with one bound nothing."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
