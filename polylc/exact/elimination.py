"""Sparse systems of equations made small: unknowns that stand in two equations, and equations with two unknowns, are
eliminated in rationals, which fills in next to nothing; what is left is for a dense method.

In a program for the nearest point of a region nearly all equations say that one coordinate is as far off as the
distance: six hundred unknowns, of which four are left.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

Row = dict[int, Fraction]
FEW = 2  # entries of a row or column that is eliminated
SPARSE = 1 / 8  # share of entries up to which it is tried


def is_sparse(matrix: Sequence[Sequence[int]]) -> bool:
    """Whether elimination is worth a try."""
    size = len(matrix)
    return size > 8 and sum(size - row.count(0) for row in map(list, matrix)) <= SPARSE * size * size


def solve_sparse(
    matrix: Sequence[Sequence[int]], right: Sequence[int], dense: Callable[[list[list[int]], list[int]], list[Fraction] | None]
) -> list[Fraction] | None:
    """The solution of a square system of integers, None if it is singular; `dense` solves what elimination leaves."""
    system = _System(matrix, right)
    system.eliminate()
    return system.solution(dense)


class _System:
    """Equations by row, and the rows of each column."""

    def __init__(self, matrix: Sequence[Sequence[int]], right: Sequence[int]) -> None:
        self.rows: dict[int, Row] = {r: {j: Fraction(v) for j, v in enumerate(row) if v} for r, row in enumerate(matrix)}
        self.right = [Fraction(v) for v in right]
        self.columns: dict[int, set[int]] = {j: set() for j in range(len(matrix))}
        for r, row in self.rows.items():
            for j in row:
                self.columns[j].add(r)
        self.done: list[tuple[int, Row, Fraction]] = []  # unknown, its equation, right side

    def eliminate(self) -> None:
        """Eliminate while some row or column has few entries."""
        rows, columns = list(self.rows), list(self.columns)
        while rows or columns:
            if rows:
                r = rows.pop()
                if r not in self.rows or not 0 < len(self.rows[r]) <= FEW:
                    continue
                j = min(self.rows[r], key=lambda j: (len(self.columns[j]), j))
            else:
                j = columns.pop()
                if j not in self.columns or not 0 < len(self.columns[j]) <= FEW:
                    continue
                r = min(self.columns[j], key=lambda r: (len(self.rows[r]), r))
            for touched in self._pivot(r, j):
                rows.append(touched)
                columns += self.rows[touched]

    def _pivot(self, r: int, j: int) -> list[int]:
        """Have equation r give unknown j; the rows that change."""
        pivot, constant = self.rows.pop(r), self.right[r]
        for k in pivot:
            self.columns[k].discard(r)
        changed = sorted(self.columns.pop(j))
        for other in changed:
            row = self.rows[other]
            factor = row.pop(j) / pivot[j]
            self.right[other] -= factor * constant
            for k, v in pivot.items():
                if k == j:
                    continue
                new = row.get(k, 0) - factor * v
                if new:
                    row[k] = Fraction(new)
                    self.columns[k].add(other)
                elif k in row:
                    del row[k]
                    self.columns[k].discard(other)
        self.done.append((j, pivot, constant))
        return changed

    def solution(self, dense: Callable[[list[list[int]], list[int]], list[Fraction] | None]) -> list[Fraction] | None:
        """The unknowns, those that are left first, then back through the others."""
        unknowns, found = sorted(self.columns), {}
        if unknowns:
            lines, goal = [], []
            for r, row in self.rows.items():
                scale = math.lcm(self.right[r].denominator, *(v.denominator for v in row.values()))
                lines.append([int(row.get(j, 0) * scale) for j in unknowns])
                goal.append(int(self.right[r] * scale))
            rest = dense(lines, goal)
            if rest is None:
                return None
            found = dict(zip(unknowns, rest, strict=True))
        for j, row, constant in reversed(self.done):
            found[j] = (constant - sum((v * found[k] for k, v in row.items() if k != j), Fraction(0))) / row[j]
        return [found[j] for j in range(len(found))]
