"""From a proposed basis to the exact optimum of a linear program: two square systems, then every condition checked.

A floating solver says which bounds and rows are tight. Exactly one point and one vector of multipliers belong to such a
basis; if the point is feasible and the multipliers have the right signs, both are optimal, whatever the solver believed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

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
    whole = [_whole(row) for row in rows]  # integer rows and what they were multiplied by
    aim, aim_factor = _whole(cost)
    point = [(upper[j] if side > 0 else lower[j]) for j, side in enumerate(sides)]
    multipliers: list[Fraction] = []
    if basic:
        square = [[whole[r][0][j] for j in basic] for r in tight]
        for j in basic:
            point[j] = Fraction(0)
        den, fixed = _common(point)
        right = [-_dot(whole[r][0], fixed, den) for r in tight]
        inside = solve(square, right)
        outside = solve([list(column) for column in zip(*square, strict=True)], [aim[j] for j in basic])
        if inside is None or outside is None:
            return None
        for j, v in zip(basic, inside, strict=True):
            point[j] = v / den
        multipliers = outside
    if any(y < 0 for y in multipliers) or any(not a <= x <= b for a, x, b in zip(lower, point, upper, strict=True)):
        return None
    den, at = _common(point)
    known = set(tight)
    if any(_dot(row, at, den) < 0 for r, (row, _) in enumerate(whole) if r not in known):
        return None
    scale, weights = _common(multipliers)
    for j, side in enumerate(sides):
        if side and lower[j] < upper[j]:
            reduced = scale * aim[j] - sum(y * whole[r][0][j] for y, r in zip(weights, tight, strict=True))
            if reduced * side > 0:
                return None
    proved = {r: y * whole[r][1] / aim_factor for y, r in zip(multipliers, tight, strict=True) if y}
    return ExactMinimum(Fraction(_dot(aim, at, den), den * aim_factor), tuple(point), proved, 0)


def _whole(form: Form) -> tuple[list[int], int]:
    """A form in integers, and the number it was multiplied by."""
    factor = math.lcm(1, *(v.denominator for v in form))
    return [int(v * factor) for v in form], factor


def _common(values: Sequence[Fraction]) -> tuple[int, list[int]]:
    """Common denominator and numerators."""
    den = math.lcm(1, *(v.denominator for v in values))
    return den, [v.numerator * (den // v.denominator) for v in values]


def _dot(row: Sequence[int], at: Sequence[int], den: int) -> int:
    """den times the value of an integer form at the point at / den."""
    return sum(map(int.__mul__, row, at)) + row[-1] * den
