"""Verdicts by brute force: every activation cell of a small network, and on it an exact linear program for every way to
choose a part of each `or`. In rationals throughout, and complete: ties lie in the closures of several cells.

Nothing of bounds or search is used.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction as F

from polylc.domains.question import Formula, Or, Row
from polylc.exact.simplex import Infeasible, minimise
from polylc.network.form import Affine, Network

Form = tuple[F, ...]


class BruteForce:
    """All closed activation cells of a network within a box.

    Parameters
    ----------
    network : Network
        Small: a linear program is solved for each side of each neuron of each cell.
    lower, upper : sequence of Fraction
        A box around all inputs that queries will ask about.
    """

    def __init__(self, network: Network, lower: Sequence[F], upper: Sequence[F]) -> None:
        self.network, self.lower, self.upper = network, list(lower), list(upper)
        n = network.inputs
        self.input = [(*(F(int(i == j)) for j in range(n)), F(0)) for i in range(n)]
        self.cells = list(self._split(0, [], [self.input]))

    def _split(self, level: int, walls: list[Form], sources: list[list[Form]]) -> Iterator[tuple[list[Form], list[Form]]]:
        """Half-spaces of each cell, and its outputs."""
        if level == len(self.network.layers):
            yield walls, _composed(self.network.output, sources)
            return
        layer = self.network.layers[level]
        forms = _composed(layer.affine, sources)
        cells: list[tuple[list[Form], list[Form]]] = [(walls, [])]
        for form, below, above in zip(forms, layer.negative.tolist(), layer.positive.tolist(), strict=True):
            following = []
            for held, units in cells:
                for sign, slope in ((1, above), (-1, below)):
                    wall = tuple(sign * v for v in form)
                    if not isinstance(minimise((F(0),) * len(form), [*held, wall], self.lower, self.upper), Infeasible):
                        following.append(([*held, wall], [*units, tuple(F(slope) * v for v in form)]))
            cells = following
        for held, units in cells:
            yield from self._split(level + 1, held, [*sources, units])

    def solve(self, formula: Formula) -> tuple[F, ...] | None:
        """An input in the box for which the formula holds, if there is one."""
        ways = list(conjunctions(formula))
        for walls, outputs in self.cells:
            values = [*self.input, *outputs]
            for rows in ways:
                found = self._feasible(walls, rows, values)
                if found is not None:
                    return found
        return None

    def _feasible(self, walls: list[Form], rows: Sequence[Row], values: list[Form]) -> tuple[F, ...] | None:
        """A point of a cell where all rows hold: the least slack of the strict ones is made as large as it can be."""
        strict = F(int(any(row.strict for row in rows)))
        table = []
        for row in rows:
            form = [sum((c * values[v][j] for v, c in row.terms), F(0)) for j in range(len(values[0]))]
            form[-1] += row.constant
            table.append((*form[:-1], F(-int(row.strict)), form[-1]))
        table += [(*wall[:-1], F(0), wall[-1]) for wall in walls]
        cost = [F(0)] * self.network.inputs + [-strict, F(0)]
        found = minimise(cost, table, [*self.lower, F(0)], [*self.upper, F(1)])
        if isinstance(found, Infeasible) or (strict and found.value == 0):
            return None
        return found.point[:-1]


def conjunctions(formula: Formula) -> Iterator[tuple[Row, ...]]:
    """All ways to choose a part of each `or`."""
    if isinstance(formula, Row):
        yield (formula,)
    elif isinstance(formula, Or):
        for part in formula.parts:
            yield from conjunctions(part)
    else:
        for ways in itertools.product(*(list(conjunctions(part)) for part in formula.parts)):
            yield tuple(row for way in ways for row in way)


def _composed(affine: Affine, sources: list[list[Form]]) -> list[Form]:
    """Forms of an affine map, from those of the layers that it reads."""
    forms = [[F(0)] * len(sources[0][0]) for _ in range(affine.size)]
    for source, weight in affine.terms:
        matrix = weight if not hasattr(weight, "toarray") else weight.toarray()
        for form, row in zip(forms, matrix.tolist(), strict=True):
            for w, other in zip(row, sources[source], strict=True):
                if w:
                    form[:] = [a + F(w) * b for a, b in zip(form, other, strict=True)]
    for form, b in zip(forms, affine.bias.tolist(), strict=True):
        form[-1] += F(b)
    return [tuple(form) for form in forms]
