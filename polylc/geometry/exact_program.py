"""Exact linear programs, solved by HiGHS first: its basis is verified in integers, and the exact simplex is the last
resort.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

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
        some = [j for j, v in enumerate(form) if v]  # in high dimension most rows are nearly empty
        gradient = some[:-1] if some and some[-1] == len(form) - 1 else some
        sizes: list[Any] = [abs(form[j]) for j in gradient or some]
        size: int | Fraction = max(sizes, default=1)
        result[r, some] = [_quotient(form[j], size) for j in some]
    return result


def _quotient(value: int | Fraction, size: int | Fraction) -> float:
    """value / size as a double (of whole numbers without a fraction in between, which takes ten times as long)."""
    try:
        found = float(value / size)
    except OverflowError:
        found = math.inf if value > 0 else -math.inf
    return min(max(found, -LARGEST), LARGEST)
