"""Linear programs over a box with many rows of which few matter: rows join the exact program only when they are
violated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from polylc.exact.simplex import ExactMinimum, Form, Infeasible, minimise


def minimise_lazily(
    cost: Form, rows: Sequence[Form], lower: Sequence[Fraction], upper: Sequence[Fraction], hint: Iterable[int] = ()
) -> ExactMinimum | Infeasible:
    """As `simplex.minimise`, exactly; `hint` names rows that are believed to be tight, such as a float basis's.

    Dropping rows only lowers the minimum and widens the feasible set, so an optimum that meets the dropped rows is that
    of the whole program, and its multipliers, or those of an infeasible part, prove the same for the whole.
    """
    used = sorted(set(hint))
    pivots = 0
    while True:
        found = minimise(cost, [rows[r] for r in used], lower, upper)
        pivots += found.pivots
        multipliers = {used[r]: y for r, y in found.multipliers.items()}
        if isinstance(found, Infeasible):
            return Infeasible(multipliers, pivots)
        worst = _violated(rows, found.point, used)
        if not worst:
            return ExactMinimum(found.value, found.point, multipliers, pivots)
        used = sorted({*used, *worst})


def _violated(rows: Sequence[Form], point: Sequence[Fraction], used: Sequence[int], most: int = 4) -> list[int]:
    """The `most` rows that the point violates most, relative to their size."""
    known = set(used)
    bad = []
    for r, row in enumerate(rows):
        if r in known:
            continue
        value = Fraction(row[-1]) + sum((Fraction(a) * x for a, x in zip(row, point, strict=False) if a), Fraction(0))
        if value < 0:
            size = sum((abs(Fraction(a)) for a in row[:-1]), Fraction(0))
            bad.append((value / size if size else Fraction(-1), r))
    return [r for _, r in sorted(bad)[:most]]
