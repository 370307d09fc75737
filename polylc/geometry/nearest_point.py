"""The point of a polytope that is nearest to the origin in l1 or l2: floats propose, exact arithmetic decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from polylc.exact.projection import Face, project
from polylc.exact.simplex import ExactMinimum, Form, Infeasible
from polylc.geometry.exact_program import minimise_exactly, unit_rows

Box = Sequence[Fraction]
TIGHT = 1e-12  # multipliers, relative to the largest, of faces that are proposed


@dataclass(frozen=True)
class Near:
    """The point of a box, within rows, that is nearest to a centre, with the multipliers of the rows."""

    point: tuple[Fraction, ...]
    multipliers: dict[int, Fraction]


class Frame:
    """A box seen from a centre: coordinates u = x - c of those inputs that vary.

    Attributes
    ----------
    lower, upper : list of Fraction
        A box whose unit coordinates (`network.exact_forms`) are u; inputs that do not vary are as in the box given.
    """

    def __init__(self, center: Box, lower: Box, upper: Box) -> None:
        self._box = list(zip(center, lower, upper, strict=True))
        self.lower = [c - 1 if a < b else a for c, a, b in self._box]
        self.upper = [c + 1 if a < b else b for c, a, b in self._box]

    def nearest(self, norm: str, rows: Sequence[Form]) -> Near | Infeasible:
        """The point nearest to the centre; rows are forms in u."""
        free = [(c, a, b) for c, a, b in self._box if a < b]
        found = nearest_point(norm, rows, [a - c for c, a, _ in free], [b - c for c, _, b in free])
        if isinstance(found, Infeasible):
            return found
        rest = iter(found.point)
        return Near(tuple(c + next(rest) if a < b else a for c, a, b in self._box), found.multipliers)


def nearest_point(norm: str, rows: Sequence[Form], lower: Sequence[Fraction], upper: Sequence[Fraction]) -> ExactMinimum | Infeasible:
    """The least |u| in l1, or |u|^2 / 2 in l2, over lower <= u <= upper and row(u) >= 0, exactly.

    Parameters
    ----------
    norm : str
        "l2" or "l1".
    rows : sequence of forms (a_1, ..., a_k, c)
    lower, upper : sequence of k rationals

    Returns
    -------
    ExactMinimum or Infeasible
        With multipliers of rows: what is minimised less sum_k y_k row_k(u) is >= value on the box.
    """
    if norm == "l2":
        return project(rows, lower, upper, _propose(rows, lower, upper))
    # u = p - q with p, q >= 0, and |u| = p + q where one of them is zero, which is so where their sum is least
    cost = [Fraction(1)] * (2 * len(lower)) + [Fraction(0)]
    both = [(*row[:-1], *(-a for a in row[:-1]), row[-1]) for row in rows]
    zero = Fraction(0)
    low = [max(a, zero) for a in lower] + [max(-b, zero) for b in upper]
    high = [max(b, zero) for b in upper] + [max(-a, zero) for a in lower]
    if any(a > b for a, b in zip(lower, upper, strict=True)):
        return Infeasible({}, 0)
    found = minimise_exactly(cost, both, low, high)
    if isinstance(found, Infeasible):
        return found
    k = len(lower)
    return replace(found, point=tuple(p - q for p, q in zip(found.point[:k], found.point[k:], strict=True)))


def _propose(rows: Sequence[Form], lower: Sequence[Fraction], upper: Sequence[Fraction]) -> list[Face]:
    """Faces on which the nearest point may lie, in doubles: least-distance programming by non-negative least squares
    (Lawson & Hanson 1974, chapter 23).
    """
    from scipy.optimize import nnls

    k = len(lower)
    forms = unit_rows(rows) if len(rows) else np.zeros((0, k + 1))
    norms = np.sqrt((forms[:, :-1] ** 2).sum(axis=1))
    usable = np.flatnonzero(norms > 0)
    forms = forms[usable] / norms[usable, None]
    low, high = np.array([float(v) for v in lower]), np.array([float(v) for v in upper])
    one = np.eye(k)
    every = np.vstack([forms, np.column_stack([one, -low]), np.column_stack([-one, high])])
    scale = -every[:, -1].min(initial=0.0)  # some constraint is violated by that, so the point is no nearer
    if not scale > 0 or not np.isfinite(every).all():
        return []
    matrix = np.vstack([every[:, :-1].T, -every[:, -1] / scale])
    right = np.append(np.zeros(k), 1.0)
    try:
        found, _ = nnls(matrix, right)
    except RuntimeError:  # too many steps
        return []
    tight = np.flatnonzero(found > TIGHT * found.max(initial=0.0)).tolist()
    many = len(usable)
    return [(int(usable[i]), 0) if i < many else (i - many, 1) if i < many + k else (i - many - k, -1) for i in tight]
