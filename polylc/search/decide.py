"""A cell on which every neuron's sign is known, settled by an exact program: a linear one, in an l2 ball a quadratic
one.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from polylc.domains.alternatives import inside, is_bound
from polylc.domains.question import Row
from polylc.domains.within import Within
from polylc.exact.embedding import BoxEmbedding
from polylc.exact.projection import Beyond
from polylc.exact.simplex import Infeasible
from polylc.exact.unit_box import lifted
from polylc.geometry.exact_program import minimise_exactly
from polylc.geometry.nearest_point import Centred
from polylc.network.exact_forms import ExactForms
from polylc.proof.tree import Combination
from polylc.search.cells import Cell, Open
from polylc.search.problem import Problem

Form = tuple[Fraction, ...]
Solution = tuple[Fraction, ...] | Combination
SHORT = (8, 16, 24, 40)  # bits of multipliers that are tried in place of those of a program
INWARD = (10, 20, 40, 80)  # powers of 1/2, relative to the cell: from strict bounds, solutions are looked for so far inside


def decide(problem: Problem, cell: Cell, one: Open) -> Solution:
    """A solution of an alternative without choices on a cell without open neurons, or what refutes it.

    If it has bounds of inputs alone, neurons do not matter, and may be open.
    """
    lower, upper = inside(problem.root.lower, problem.root.upper, cell.low, cell.high)
    bits = (cell.lows >= 0) & (cell.highs > 0)
    if problem.root.within is not None:
        return _decide_within(problem.root.within, problem, cell, one, lower, upper, bits)
    forms = ExactForms(problem.network, BoxEmbedding(lower, upper))
    found = _decide_single(problem, cell, one, forms, bits, lower, upper)
    return _decide_all(problem, cell, one, forms, bits, lower, upper) if found is None else found


def _decide_single(
    problem: Problem, cell: Cell, one: Open, forms: ExactForms, bits: np.ndarray, lower: list[Fraction], upper: list[Fraction]
) -> Solution | None:
    """The same where one row says something of outputs, and is not strict, and the others bound inputs, some perhaps
    strictly: the program needs no rows for bounds. None if it does not tell.
    """
    n = problem.network.inputs
    others = [r for r, row in enumerate(one.alternative.rows) if not is_bound(row, n)]
    if len(others) != 1 or not one.goals:
        return None
    row = one.alternative.rows[others[0]]
    if row.strict or any(v < n for v, _ in row.terms):
        return None
    outputs = forms.output(bits)
    form = _form(row, [(), *outputs], forms.scale, forms.dimension, n - 1)
    signs = np.zeros(len(bits)) if cell.signs is None else cell.signs
    walls = [tuple(int(signs[i]) * v for v in wall) for i, wall in zip(cell.path, forms.neurons(cell.path, bits), strict=True)]
    cost = [-v * forms.scale for v in form]
    free = [q for q, (a, b) in enumerate(zip(lower, upper, strict=True)) if a < b]
    strict: dict[tuple[int, int], tuple[int, Fraction]] = {}  # free coordinate and side: the row, its slope
    for r, bound in enumerate(one.alternative.rows):
        if bound.strict and is_bound(bound, n):
            ((q, c),) = bound.terms
            side = -1 if c > 0 else 1
            if -bound.constant / c == (lower if c > 0 else upper)[q] and lower[q] < upper[q]:
                strict[q, side] = r, abs(c) * (upper[q] - lower[q]) / 2
    for inward in (Fraction(0), *(Fraction(1, 2**e) for e in INWARD)):
        low = [inward - 1 if (q, -1) in strict else Fraction(-1) for q in free]
        high = [1 - inward if (q, 1) in strict else Fraction(1) for q in free]
        found = minimise_exactly(cost, walls, low, high)
        if not inward:
            y = found.multipliers
            neurons = tuple((neuron, y[e]) for e, neuron in enumerate(cell.path) if y.get(e))
            if isinstance(found, Infeasible):
                return Combination((), neurons)
            if found.value > 0:
                return Combination(((others[0], Fraction(1)),), neurons)
            if found.value == 0:  # only where a bound is attained that excludes it, if the rest leans on one
                rest = list(cost)
                for e, m in y.items():
                    rest = [a - m * b for a, b in zip(rest, walls[e], strict=True)]
                for q, slope in zip(free, rest, strict=False):
                    there = strict.get((q, -1 if slope > 0 else 1)) if slope else None
                    if there is not None:
                        return Combination(((others[0], Fraction(1)), (there[0], abs(slope) / (forms.scale * there[1]))), neurons)
        if not isinstance(found, Infeasible) and found.value <= 0:
            point = lifted(lower, upper, found.point)
            if all(bound.holds(point) for bound in one.alternative.rows if bound.strict and is_bound(bound, n)):
                return point
    return None


def _decide_all(
    problem: Problem, cell: Cell, one: Open, forms: ExactForms, bits: np.ndarray, lower: list[Fraction], upper: list[Fraction]
) -> Solution:
    """A program with all rows, in which the least slack of the strict ones is to be large."""
    values = [*forms.input(), *forms.output(bits)]
    k = forms.dimension
    rows = [_form(row, values, forms.scale, k) for row in one.alternative.rows]
    path = cell.path if one.goals else ()
    walls = _walls(cell, path, forms, bits)
    strict = [row.strict for row in one.alternative.rows]
    table = [(*row[:-1], Fraction(-int(s)), row[-1]) for row, s in zip(rows, strict, strict=True)]
    table += [(*wall[:-1], Fraction(0), wall[-1]) for wall in walls]
    cost = [Fraction(0)] * k + [Fraction(-int(any(strict))), Fraction(0)]  # the least slack of a strict row, to be large
    found = minimise_exactly(cost, table, [Fraction(-1)] * k + [Fraction(0)], [Fraction(1)] * (k + 1))
    if not isinstance(found, Infeasible) and (found.value < 0 or not any(strict)):
        return lifted(lower, upper, found.point[:k])
    return _combination(short(found.multipliers, [*rows, *walls]), list(range(len(rows))), path)


def short(y: dict[int, Fraction], rows: Sequence[Form]) -> dict[int, Fraction]:
    """Multipliers of few bits with which the sum of rows is negative on the unit box, near those that are given; these
    if there are none, as where the sum vanishes somewhere.
    """
    total = sum(y.values())
    for bits in SHORT if total else ():
        found = {k: Fraction(round((v / total) * 2**bits), 2**bits) for k, v in y.items()}
        *slopes, constant = (sum((v * rows[k][j] for k, v in found.items()), Fraction(0)) for j in range(len(rows[0])))
        if constant + sum(map(abs, slopes)) < 0:
            return {k: v for k, v in found.items() if v}
    return y


def _combination(y: dict[int, Fraction], rows: Sequence[int], path: Sequence[int], ball: Fraction = Fraction(0)) -> Combination:
    """Multipliers of some rows of the alternative, then of the path."""
    return Combination(
        tuple((r, y[k]) for k, r in enumerate(rows) if y.get(k)),
        tuple((neuron, y[len(rows) + e]) for e, neuron in enumerate(path) if y.get(len(rows) + e)),
        ball,
    )


def _walls(cell: Cell, path: Sequence[int], forms: ExactForms, bits: np.ndarray) -> list[Form]:
    """The half-spaces s z >= 0 of neurons that were split."""
    signs = np.zeros(len(bits)) if cell.signs is None else cell.signs
    return [tuple(Fraction(int(signs[i]) * v, forms.scale) for v in form) for i, form in zip(path, forms.neurons(path, bits), strict=True)]


def _decide_within(
    within: Within, problem: Problem, cell: Cell, one: Open, lower: list[Fraction], upper: list[Fraction], bits: np.ndarray
) -> tuple[Fraction, ...] | Combination:
    """The same in a ball, where no row is strict: the nearest point to its centre of the rest of the cell, or why there
    is none nearer.
    """
    seen = Centred(within.center, lower, upper)
    forms = ExactForms(problem.network, BoxEmbedding(seen.lower, seen.upper))
    values = [*forms.input(), *forms.output(bits)]
    some = [r for r, row in enumerate(one.alternative.rows) if not is_bound(row, problem.network.inputs)]
    rows = [_form(one.alternative.rows[r], values, forms.scale, forms.dimension) for r in some]
    path = cell.path if one.goals else ()
    found = seen.nearest(within.norm, rows + _walls(cell, path, forms, bits), within.bound)
    if isinstance(found, Infeasible):
        return _combination(found.multipliers, some, path)
    if not isinstance(found, Beyond) and within.contains(found.point):
        return found.point
    return _combination(found.multipliers, some, path, Fraction(1))


def _form(row: Row, values: Sequence[Sequence[int]], scale: int, k: int, before: int = 0) -> Form:
    """A row in the unit coordinates of the cell; `values` begin with the variable numbered `before`."""
    total = [Fraction(0)] * (k + 1)
    for v, c in row.terms:
        total = [a + c * b for a, b in zip(total, values[v - before], strict=True)]
    total = [a / scale for a in total]
    total[-1] += row.constant
    return tuple(total)
