"""Exact linear programs, solved by HiGHS first: its basis is verified in integers, and the exact simplex is the last
resort.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from polylc.errors import SolverError
from polylc.exact.basis import optimum_of_basis
from polylc.exact.lazy import minimise_lazily
from polylc.exact.simplex import ExactMinimum, Form, Infeasible
from polylc.geometry.lp import infinity, minimise

LARGEST = 1e18  # HiGHS takes larger numbers for infinite


def minimise_exactly(cost: Form, rows: Sequence[Form], lower: Sequence[Fraction], upper: Sequence[Fraction]) -> ExactMinimum | Infeasible:
    """As `exact.simplex.minimise`: the exact optimum with multipliers that prove it, whatever the floating solver
    says.
    """
    hint: list[int] = []
    try:
        proposal = _propose(cost, rows, lower, upper)
    except SolverError:
        proposal = None
    if proposal is not None:
        hint, sides = proposal
        found = optimum_of_basis(cost, rows, lower, upper, hint, sides)
        if found is not None:
            return found
    return minimise_lazily(cost, rows, lower, upper, hint)


def _propose(cost: Form, rows: Sequence[Form], lower: Sequence[Fraction], upper: Sequence[Fraction]) -> tuple[list[int], list[int]] | None:
    """Tight rows and sides of the coordinates at the optimum that HiGHS finds; None if it finds no point."""
    forms = unit_rows([cost, *rows])
    low, high = np.array([float(v) for v in lower]), np.array([float(v) for v in upper])
    found = minimise(forms[0, :-1], forms[1:, :-1], -forms[1:, -1], np.full(len(rows), infinity()), low, high)
    if found is None or found.basis is None:
        return None
    return found.basis.tight.tolist(), found.basis.sides.tolist()


def unit_rows(forms: Sequence[Form]) -> np.ndarray:
    """Floating copies of forms, scaled so that the largest gradient entry is 1 (constants: to 1 or 0 themselves)."""
    result = np.zeros((len(forms), len(forms[0])))
    for r, form in enumerate(forms):
        some = [(j, Fraction(v)) for j, v in enumerate(form) if v]  # in high dimension most rows are nearly empty
        gradient = some[:-1] if some and some[-1][0] == len(form) - 1 else some
        size = max((abs(v) for _, v in gradient or some), default=Fraction(1))
        for j, v in some:
            result[r, j] = _clipped(v / size)
    return result


def _clipped(value: Fraction) -> float:
    return float(value) if abs(value) < LARGEST else math.copysign(LARGEST, 1 if value > 0 else -1)
