"""A cell on which every neuron's sign is known, settled by an exact linear program."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from polylc.domains.question import Row
from polylc.exact.embedding import BoxEmbedding
from polylc.exact.simplex import Infeasible
from polylc.geometry.exact_program import minimise_exactly
from polylc.network.exact_forms import ExactForms
from polylc.proof.tree import Combination
from polylc.search.cells import Cell, Open
from polylc.search.problem import Problem

Form = tuple[Fraction, ...]


def decide(problem: Problem, cell: Cell, one: Open) -> tuple[Fraction, ...] | Combination:
    """A solution of an alternative without choices on a cell without open neurons, or what refutes it.

    If it has bounds of inputs alone, neurons do not matter, and may be open.
    """
    lower = [max(a, Fraction(f)) for a, f in zip(problem.root.lower, cell.low.tolist(), strict=True)]
    upper = [min(b, Fraction(f)) for b, f in zip(problem.root.upper, cell.high.tolist(), strict=True)]
    forms = ExactForms(problem.network, BoxEmbedding(lower, upper))
    bits = (cell.lows >= 0) & (cell.highs > 0)
    values = [*forms.input(), *forms.output(bits)]
    k = forms.dimension
    rows = [_form(row, values, forms.scale, k) for row in one.alternative.rows]
    signs = np.zeros(len(bits)) if cell.signs is None else cell.signs
    path = cell.path if one.goals else ()
    walls = [tuple(Fraction(int(signs[i]) * v, forms.scale) for v in form) for i, form in zip(path, forms.neurons(path, bits), strict=True)]
    strict = [row.strict for row in one.alternative.rows]
    table = [(*row[:-1], Fraction(-int(s)), row[-1]) for row, s in zip(rows, strict, strict=True)]
    table += [(*wall[:-1], Fraction(0), wall[-1]) for wall in walls]
    cost = [Fraction(0)] * k + [Fraction(-int(any(strict))), Fraction(0)]  # the least slack of a strict row, to be large
    found = minimise_exactly(cost, table, [Fraction(-1)] * k + [Fraction(0)], [Fraction(1)] * (k + 1))
    if not isinstance(found, Infeasible) and (found.value < 0 or not any(strict)):
        return _point(lower, upper, found.point[:k])
    y = found.multipliers
    return Combination(
        tuple((r, y[r]) for r in range(len(rows)) if y.get(r)),
        tuple((neuron, y[len(rows) + e]) for e, neuron in enumerate(path) if y.get(len(rows) + e)),
    )


def _form(row: Row, values: Sequence[Sequence[int]], scale: int, k: int) -> Form:
    """A row in the unit coordinates of the cell."""
    total = [Fraction(0)] * (k + 1)
    for v, c in row.terms:
        total = [a + c * b for a, b in zip(total, values[v], strict=True)]
    total = [a / scale for a in total]
    total[-1] += row.constant
    return tuple(total)


def _point(lower: Sequence[Fraction], upper: Sequence[Fraction], unit: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """The input at unit coordinates of the free inputs."""
    rest = iter(unit)
    return tuple(a if a == b else (a + b) / 2 + next(rest) * (b - a) / 2 for a, b in zip(lower, upper, strict=True))
