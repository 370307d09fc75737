"""Whether half-spaces and a box have a common interior, decided exactly: floats propose a point inside, or multipliers
that show that there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from polylc.errors import SolverError
from polylc.exact.simplex import Infeasible
from polylc.exact.unit_box import least, reach
from polylc.geometry.exact_program import minimise_exactly, unit_rows
from polylc.geometry.lp import infinity, minimise
from polylc.network.exact_forms import Row

INWARD = 1.0 - 2.0**-20  # points are looked for that far inside the box first
BITS = 30  # of multipliers


def strictly_inside(rows: Sequence[Row], k: int) -> tuple[Fraction, ...] | dict[int, Fraction]:
    """A point with all rows > 0 and |t| < 1 in all k coordinates; if there is none, multipliers of a combination of the
    rows that is nowhere positive on the box.

    Parameters
    ----------
    rows : sequence of k + 1 integers each
        Affine forms; none is zero.
    """
    if not rows:
        return (Fraction(0),) * k
    proposal = _propose(unit_rows(rows), k)
    if proposal is not None:
        point, multipliers = proposal
        exact = tuple(Fraction(round(v * 2**BITS), 2**BITS) for v in point.tolist())
        if all(abs(v) < 1 for v in exact) and all(_value(row, exact) > 0 for row in rows):
            return exact
        excluded = _excluding(rows, multipliers)
        if excluded:
            return excluded
    wide = [(*row[:-1], -(reach(row) + abs(row[-1])), row[-1]) for row in rows]
    walls = [(*(sign * (i == j) for i in range(k)), -1, 1) for j in range(k) for sign in (-1, 1)]
    found = minimise_exactly([*[0] * k, -1, 0], wide + walls, [Fraction(-1)] * k + [Fraction(0)], [Fraction(1)] * (k + 1))
    if isinstance(found, Infeasible) or found.value >= 0:  # the walls' parts are not negative on the box
        return {r: y for r, y in found.multipliers.items() if r < len(rows)}
    return found.point[:k]


def _value(row: Row, point: Sequence[Fraction]) -> Fraction:
    return sum((a * x for a, x in zip(row, point, strict=False) if a), Fraction(row[-1]))


def _propose(forms: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray] | None:
    """A point far from all rows, in their own units, and multipliers of the rows; None if the solver gives up."""
    size = np.abs(forms).sum(axis=1)
    matrix = np.concatenate([forms[:, :-1] / size[:, None], -np.ones((len(forms), 1))], axis=1)
    most = np.full(len(forms), infinity())
    low, high = np.full(k + 1, -INWARD), np.full(k + 1, INWARD)
    low[-1], high[-1] = -2.0, 2.0
    try:
        found = minimise(np.append(np.zeros(k), -1.0), matrix, -forms[:, -1] / size, most, low, high)
    except SolverError:
        return None
    return None if found is None else (found.point[:k], found.multipliers / size)


def _excluding(rows: Sequence[Row], multipliers: np.ndarray) -> dict[int, Fraction]:
    """A combination of the rows, with these multipliers, if it is nowhere positive on the box; else nothing."""
    sizes = [float(max(map(abs, row[:-1]), default=0) or 1) for row in rows]
    found = {r: Fraction(m / size) for r, (m, size) in enumerate(zip(multipliers.tolist(), sizes, strict=True)) if m > 0 and np.isfinite(m / size)}
    total = [sum((y * rows[r][j] for r, y in found.items()), Fraction(0)) for j in range(len(rows[0]))]
    return found if least([-v for v in total]) >= 0 else {}
