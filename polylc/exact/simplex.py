"""Linear programs over a box in exact arithmetic: a bounded dual simplex on integers.

The dictionary is kept integral (fraction-free pivoting, Edmonds 1967 / Bareiss 1968): true entries are entries / `den`,
and every division is exact. The start is a corner of the box, where the objective's signs say which: it is dual
feasible, so no first phase is needed. Bland's smallest-index rule on both choices makes it finite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from polylc.exact.checkpoint import checkpoint


@dataclass(frozen=True)
class ExactMinimum:
    """An optimum, proved by its multipliers: cost.x - sum_k y_k row_k(x) >= value on the box, with equality at
    `point`.
    """

    value: Fraction
    point: tuple[Fraction, ...]
    multipliers: dict[int, Fraction]
    pivots: int


@dataclass(frozen=True)
class Infeasible:
    """No point of the box has all rows >= 0: sum_k y_k row_k(x) < 0 on the whole box."""

    multipliers: dict[int, Fraction]
    pivots: int


Form = Sequence[int | Fraction]


def minimise(cost: Form, rows: Sequence[Form], lower: Sequence[Fraction], upper: Sequence[Fraction]) -> ExactMinimum | Infeasible:
    """min cost(x) over lower <= x <= upper and row(x) >= 0, exactly.

    Parameters
    ----------
    cost : sequence of k + 1 rationals
        An affine form (a_1, ..., a_k, c).
    rows : sequence of forms
    lower, upper : sequence of k rationals

    Returns
    -------
    ExactMinimum or Infeasible
    """
    k = len(lower)
    scale = math.lcm(1, *(Fraction(v).denominator for v in (*lower, *upper)))
    low, high = [int(v * scale) for v in lower], [int(v * scale) for v in upper]  # x = X / scale, X between integers
    table = np.zeros((len(rows) + 1, k + 1), dtype=object)
    factors = []
    for r, form in enumerate([*rows, cost]):
        factor = math.lcm(1, *(Fraction(v).denominator for v in form))
        whole = [int(v * factor) for v in form]
        whole[-1] *= scale
        common = math.gcd(*whole) or 1
        table[r] = [v // common for v in whole]
        factors.append(Fraction(factor * scale, common))  # true form in x = entry / factor
    state = _Dictionary(table, low, high)
    leaving = state.run()
    if leaving is not None:
        row, sign = leaving
        found = {}
        for j in range(k):
            name = state.nonbasic[j]
            if name >= k and state.table[row, j] != 0:
                found[name - k] = Fraction(-sign * int(state.table[row, j]), state.den)
        own = state.basic[row]
        if own >= k:
            found[own - k] = found.get(own - k, Fraction(0)) + 1
        return Infeasible({r: abs(y) * factors[r] for r, y in found.items() if y}, state.pivots)
    values = state.values()
    x = [Fraction(0)] * k
    for j, name in enumerate(state.nonbasic):
        if name < k:
            x[name] = Fraction(state.at(j), scale)
    for r, name in enumerate(state.basic):
        if name < k:
            x[name] = Fraction(int(values[r]), state.den * scale)
    multipliers = {}
    for j, name in enumerate(state.nonbasic):
        if name >= k and state.table[-1, j] != 0:
            multipliers[name - k] = Fraction(int(state.table[-1, j]), state.den) / factors[-1] * factors[name - k]
    return ExactMinimum(Fraction(int(values[-1]), state.den) / factors[-1], tuple(x), multipliers, state.pivots)


class _Dictionary:
    """basic = table @ (nonbasic, 1) / den; names 0..k-1 are coordinates, k.. are rows; the last table row is the
    cost.
    """

    def __init__(self, table: np.ndarray, low: list[int], high: list[int]) -> None:
        self.table, self.den = table, 1
        self.k = len(low)
        self.low, self.high = low, high
        self.nonbasic = list(range(self.k))
        self.basic = [self.k + r for r in range(len(table) - 1)]
        self.upper = [int(v) < 0 for v in table[-1, :-1]]  # nonbasic at its upper bound: dual feasible
        self.pivots = 0

    def at(self, j: int) -> int:
        """Value of nonbasic j: rows stay at 0."""
        name = self.nonbasic[j]
        return 0 if name >= self.k else self.high[name] if self.upper[j] else self.low[name]

    def values(self) -> np.ndarray:
        """den times the values of the basic variables, then of the cost."""
        point = np.array([*(self.at(j) for j in range(self.k)), 1], dtype=object)
        result: np.ndarray = self.table.dot(point)
        return result

    def run(self) -> tuple[int, int] | None:
        """Pivot until all bounds hold (None) or some basic variable cannot reach its bound (its row, and the side)."""
        while True:
            checkpoint()
            values = self.values()
            leaving = None
            for r, name in sorted(enumerate(self.basic), key=lambda item: item[1]):
                if name >= self.k:
                    if values[r] < 0:
                        leaving = (r, 1)
                elif values[r] < self.low[name] * self.den:
                    leaving = (r, 1)
                elif values[r] > self.high[name] * self.den:
                    leaving = (r, -1)
                if leaving is not None:
                    break
            if leaving is None:
                return None
            row, sign = leaving
            best: tuple[Fraction, int, int] | None = None
            for j in range(self.k):
                slope = sign * int(self.table[row, j])
                if slope == 0 or (slope < 0) != self.upper[j]:
                    continue  # it must move off its bound and push the leaving variable the right way
                ratio = Fraction(abs(int(self.table[-1, j])), abs(slope))
                if best is None or (ratio, self.nonbasic[j]) < best[:2]:
                    best = (ratio, self.nonbasic[j], j)
            if best is None:
                return leaving
            self._pivot(row, best[2], sign < 0)

    def _pivot(self, row: int, column: int, at_upper: bool) -> None:
        table = self.table
        pivot = table[row, column]
        old = table[row].copy()
        side = table[:, column].copy()
        # solve the row for the entering variable, substitute: entries stay integral over the new den |pivot|
        table[:] = (table * pivot - np.multiply.outer(side, old)) // self.den
        table[:, column] = side
        table[row] = -old
        table[row, column] = self.den
        if pivot < 0:
            table[:] = -table
            pivot = -pivot
        self.den = int(pivot)
        self.basic[row], self.nonbasic[column] = self.nonbasic[column], self.basic[row]
        self.upper[column] = at_upper
        self.pivots += 1
