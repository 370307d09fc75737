"""From a proposed basis to the exact optimum of a linear program: two square systems, then every condition checked.

A floating solver says which bounds and rows are tight. Exactly one point and one vector of multipliers belong to such a
basis; if the point is feasible and the multipliers have the right signs, both are optimal, whatever the solver
believed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from polylc.exact.linear import solve
from polylc.exact.simplex import ExactMinimum, Form


def optimum_of_basis(
    cost: Form, rows: Sequence[Form], lower: Sequence[Fraction], upper: Sequence[Fraction], tight: Sequence[int], sides: Sequence[int]
) -> ExactMinimum | None:
    """The optimum of min cost(x) over lower <= x <= upper, row(x) >= 0, if it belongs to the given basis, else None.

    Parameters
    ----------
    cost, rows, lower, upper
        As for `simplex.minimise`.
    tight : sequence of int
        Rows that are zero at the optimum.
    sides : sequence of int, one per coordinate
        -1 at its lower bound, 1 at its upper bound, 0 for the others, as many as there are tight rows.
    """
    basic = [j for j, side in enumerate(sides) if side == 0]
    if len(basic) != len(tight):
        return None
    whole = [_whole(row) for row in rows]
    aim = _whole(cost)
    point = [(upper[j] if side > 0 else lower[j]) for j, side in enumerate(sides)]
    multipliers: list[Fraction] = []
    if basic:
        place = {j: b for b, j in enumerate(basic)}
        square = [[0] * len(basic) for _ in tight]
        for line, r in zip(square, tight, strict=True):
            for j, a in whole[r].entries:
                if j in place:
                    line[place[j]] = a
        goal = [0] * len(basic)
        for j, a in aim.entries:
            if j in place:
                goal[place[j]] = a
        for j in basic:
            point[j] = Fraction(0)
        den, fixed = _common(point)
        inside = solve(square, [-whole[r].at(fixed, den) for r in tight])
        outside = solve([list(column) for column in zip(*square, strict=True)], goal)
        if inside is None or outside is None:
            return None
        for j, v in zip(basic, inside, strict=True):
            point[j] = v / den
        multipliers = outside
    if any(y < 0 for y in multipliers) or any(not a <= x <= b for a, x, b in zip(lower, point, upper, strict=True)):
        return None
    den, at = _common(point)
    known = set(tight)
    if any(row.at(at, den) < 0 for r, row in enumerate(whole) if r not in known):
        return None
    scale, weights = _common(multipliers)
    reduced = [0] * len(sides)
    for j, a in aim.entries:
        reduced[j] = scale * a
    for y, r in zip(weights, tight, strict=True):
        for j, a in whole[r].entries:
            reduced[j] -= y * a
    if any(side and d * side > 0 and low < high for side, d, low, high in zip(sides, reduced, lower, upper, strict=True)):
        return None
    proved = {r: y * whole[r].factor / aim.factor for y, r in zip(multipliers, tight, strict=True) if y}
    return ExactMinimum(Fraction(aim.at(at, den), den * aim.factor), tuple(point), proved, 0)


class _Whole(NamedTuple):
    """A form in integers, without its zeros: in high dimension most rows are bounds of single coordinates."""

    entries: list[tuple[int, int]]  # coordinate, coefficient
    constant: int
    factor: int  # what the form was multiplied by

    def at(self, point: Sequence[int], den: int) -> int:
        """den times the value at the point point / den."""
        return sum(v * point[j] for j, v in self.entries) + self.constant * den


def _whole(form: Form) -> _Whole:
    some = [(j, v) for j, v in enumerate(form) if v]
    factor = math.lcm(1, *(v.denominator for _, v in some))
    entries = [(j, v.numerator * (factor // v.denominator)) for j, v in some]
    constant = entries.pop()[1] if entries and entries[-1][0] == len(form) - 1 else 0
    return _Whole(entries, constant, factor)


def _common(values: Sequence[Fraction]) -> tuple[int, list[int]]:
    """Common denominator and numerators."""
    den = math.lcm(1, *(v.denominator for v in values))
    return den, [v.numerator * (den // v.denominator) for v in values]
