"""The point of a polytope that is nearest to the origin in l1 or l2: floats propose, exact arithmetic decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from polylc.exact.projection import Beyond, Face, project
from polylc.exact.simplex import ExactMinimum, Form, Infeasible
from polylc.geometry.exact_program import minimise_exactly, unit_rows

Box = Sequence[Fraction]
TIGHT, FEW = 1e-12, 20  # by how much a row may be missed, and rounds, where floats propose


@dataclass(frozen=True)
class Near:
    """The point of a box, within rows, that is nearest to a centre, with the multipliers of the rows."""

    point: tuple[Fraction, ...]
    multipliers: dict[int, Fraction]


class Centred:
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

    def nearest(self, norm: str, rows: Sequence[Form], most: Fraction) -> Near | Infeasible | Beyond:
        """The point nearest to the centre, where it is not farther than a distance, in l2 given by its square; rows are
        forms in u.
        """
        free = [(c, a, b) for c, a, b in self._box if a < b]
        rest = most - sum(((a - c) ** 2 for c, a, b in self._box if a == b), Fraction(0)) if norm == "l2" else most
        found = nearest_point(norm, rows, [a - c for c, a, _ in free], [b - c for c, _, b in free], rest / 2)
        if not isinstance(found, ExactMinimum):
            return found
        point = iter(found.point)
        return Near(tuple(c + next(point) if a < b else a for c, a, b in self._box), found.multipliers)


def nearest_point(
    norm: str, rows: Sequence[Form], lower: Sequence[Fraction], upper: Sequence[Fraction], most: Fraction | None = None
) -> ExactMinimum | Infeasible | Beyond:
    """The least |u| in l1, or |u|^2 / 2 in l2, over lower <= u <= upper and row(u) >= 0, exactly.

    Parameters
    ----------
    norm : str
        "l2" or "l1".
    rows : sequence of forms (a_1, ..., a_k, c)
    lower, upper : sequence of k rationals
    most : Fraction, optional
        In l2 a value of |u|^2 / 2 beyond which it need not be known.

    Returns
    -------
    ExactMinimum, Infeasible or Beyond
        With multipliers of rows: what is minimised less sum_k y_k row_k(u) is >= value on the box.
    """
    if norm == "l2":
        return project(rows, lower, upper, _propose(rows, lower, upper), most)
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
    """Faces on which the nearest point may lie, in doubles: rows are taken as tight, the one that is missed most next,
    and let go where they push the wrong way.
    """
    forms = unit_rows(rows) if len(rows) else np.zeros((0, len(lower) + 1))
    norms = np.sqrt((forms[:, :-1] ** 2).sum(axis=1))
    forms = forms / np.where(norms > 0, norms, 1.0)[:, None]
    low, high = np.array([float(v) for v in lower]), np.array([float(v) for v in upper])
    tight: list[int] = []
    pull = np.zeros(len(low))  # the sum of rows with multipliers, which the box may stop
    point = np.clip(pull, low, high)
    for _ in range(3 * len(forms) + FEW):
        if tight:
            multipliers, pull = _on_rows(forms[tight], low, high, point)
            point = np.clip(pull, low, high)
            if multipliers.min() < 0:
                del tight[int(multipliers.argmin())]
                if not tight:
                    pull = np.zeros(len(low))
                    point = np.clip(pull, low, high)
                continue
        missed = np.where(norms > 0, forms[:, :-1] @ point + forms[:, -1], 0.0)
        worst = int(missed.argmin()) if len(missed) else -1
        if worst < 0 or worst in tight or not missed[worst] < -TIGHT * max(1.0, float(np.abs(point).max(initial=0.0))):
            break
        tight.append(worst)
    stopped = [(int(j), 1) for j in np.flatnonzero(pull < low)] + [(int(j), -1) for j in np.flatnonzero(pull > high)]
    return [(r, 0) for r in tight] + stopped


def _on_rows(forms: np.ndarray, low: np.ndarray, high: np.ndarray, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Multipliers of rows for which the nearest point of the box makes them zero, and where it would be without the box
    (semismooth Newton).
    """
    free = (low < point) & (point < high)
    multipliers, pull = np.zeros(len(forms)), point
    for _ in range(FEW):
        matrix = forms[:, :-1] * free
        right = -forms[:, -1] - forms[:, :-1] @ np.where(free, 0.0, point)
        multipliers = np.linalg.lstsq(matrix @ matrix.T, right, rcond=None)[0]
        pull = multipliers @ forms[:, :-1]
        point = np.clip(pull, low, high)
        now = (low < point) & (point < high)
        if (now == free).all():
            break
        free = now
    return multipliers, pull
