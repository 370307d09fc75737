"""The point of a polytope that is nearest to the origin, in exact arithmetic.

The dual active-set method of Goldfarb & Idnani (1983) in rationals: the point is always the nearest one of those on
some faces, with multipliers >= 0; a constraint that it violates is taken in, and those whose multiplier would become
negative are let go. Every constraint that is taken in brings the point farther away, so no set of faces comes twice,
and it ends, however degenerate. A floating solver's faces may be given: where they are right nothing is left to do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from polylc.exact.checkpoint import checkpoint
from polylc.exact.linear import solve
from polylc.exact.simplex import ExactMinimum, Form, Infeasible

Face = tuple[int, int]  # (row, 0), or (coordinate, 1) at its lower and (coordinate, -1) at its upper bound


@dataclass(frozen=True)
class Beyond:
    """All points are farther away than was asked: |u|^2 / 2 - sum_k y_k row_k(u) >= value on the box."""

    value: Fraction
    multipliers: dict[int, Fraction]


def project(
    rows: Sequence[Form], lower: Sequence[Fraction], upper: Sequence[Fraction], hint: Iterable[Face] = (), most: Fraction | None = None
) -> ExactMinimum | Infeasible | Beyond:
    """min |u|^2 / 2 over lower <= u <= upper and row(u) >= 0, exactly.

    Parameters
    ----------
    rows : sequence of forms (a_1, ..., a_k, c)
    lower, upper : sequence of k rationals
    hint : iterable of faces, optional
        (r, 0) for rows, (j, 1) for lower and (j, -1) for upper bounds that are believed to be tight.
    most : Fraction, optional
        A value of |u|^2 / 2 beyond which it need not be known how far the point is.

    Returns
    -------
    ExactMinimum, Infeasible or Beyond
        The multipliers are those of rows: |u|^2 / 2 - sum_k y_k row_k(u) >= value on the box.
    """
    return _Projection(rows, lower, upper).run(hint, most)


class _Projection:
    def __init__(self, rows: Sequence[Form], lower: Sequence[Fraction], upper: Sequence[Fraction]) -> None:
        self.k, self.lower, self.upper = len(lower), lower, upper
        self.factors = [math.lcm(1, *(Fraction(v).denominator for v in row)) for row in rows]
        self.rows = [[int(v * f) for v in row] for row, f in zip(rows, self.factors, strict=True)]
        self.sizes = [max(map(abs, row[:-1]), default=0) for row in self.rows]
        self.faces: dict[Face, Fraction] = {}
        self.point = [Fraction(0)] * self.k
        self.pivots = 0

    def run(self, hint: Iterable[Face], most: Fraction | None) -> ExactMinimum | Infeasible | Beyond:
        """Take constraints in until none is violated."""
        if any(a > b for a, b in zip(self.lower, self.upper, strict=True)):
            return Infeasible({}, 0)
        self._begin(list(dict.fromkeys(hint)))
        while True:
            checkpoint()
            value = sum((u * u for u in self.point), Fraction(0)) / 2
            if most is not None and value > most:
                return Beyond(value, self._multipliers(self.faces))
            worst = self._violated()
            if worst is None:
                return ExactMinimum(value, tuple(self.point), self._multipliers(self.faces), self.pivots)
            proof = self._take_in(worst)
            if proof is not None:
                return Infeasible(self._multipliers(proof), self.pivots)

    def _multipliers(self, faces: dict[Face, Fraction]) -> dict[int, Fraction]:
        return {r: y * self.factors[r] for (r, side), y in faces.items() if side == 0 and y}

    def _begin(self, faces: list[Face]) -> None:
        """The nearest point on the faces that a hint names, without those that it would leave."""
        while faces:
            found = self._on_faces(faces)
            if found is None:
                return
            point, multipliers = found
            if min(multipliers.values()) >= 0:
                self.point, self.faces = point, multipliers
                return
            faces = [face for face in faces if multipliers[face] >= 0]

    def _on_faces(self, faces: Sequence[Face]) -> tuple[list[Fraction], dict[Face, Fraction]] | None:
        """The nearest point where constraints hold with equality, and multipliers; None if these are dependent."""
        fixed = {j: (self.lower if side > 0 else self.upper)[j] for j, side in faces if side}
        active = [r for r, side in faces if not side]
        if len(fixed) + len(active) < len(faces):
            return None
        free = [j for j in range(self.k) if j not in fixed]
        right = [-self.rows[r][-1] - sum((self.rows[r][j] * v for j, v in fixed.items()), Fraction(0)) for r in active]
        y = self._solve(active, free, right)
        if y is None:
            return None
        pull = self._combined(active, y)
        point = [fixed.get(j, pull[j]) for j in range(self.k)]
        values = dict(zip(active, y, strict=True))
        return point, {(i, side): side * (point[i] - pull[i]) if side else values[i] for i, side in faces}

    def _solve(self, active: Sequence[int], free: Sequence[int], right: Sequence[Fraction | int]) -> list[Fraction] | None:
        """y with sum_r' <row_r, row_r'> y_r' = right_r, over the free coordinates."""
        if not active:
            return []
        parts = [[self.rows[r][j] for j in free] for r in active]
        gram = [[sum(map(int.__mul__, a, b)) for b in parts] for a in parts]
        scale = math.lcm(1, *(Fraction(v).denominator for v in right))
        found = solve(gram, [int(v * scale) for v in right])
        return None if found is None else [y / scale for y in found]

    def _combined(self, active: Sequence[int], y: Sequence[Fraction]) -> list[Fraction]:
        """The gradients of rows, with multipliers."""
        scale = math.lcm(1, *(v.denominator for v in y))
        total = [0] * self.k
        for r, v in zip(active, y, strict=True):
            whole = v.numerator * (scale // v.denominator)
            if whole:
                total = [t + whole * a for t, a in zip(total, self.rows[r], strict=False)]
        return [Fraction(t, scale) for t in total]

    def _violated(self) -> Face | None:
        """A constraint that the point violates by much."""
        scale = math.lcm(1, *(v.denominator for v in self.point))
        whole = [v.numerator * (scale // v.denominator) for v in self.point]
        worst: tuple[Fraction, Face] | None = None
        for r, row in enumerate(self.rows):
            value = sum(map(int.__mul__, row, whole)) + row[-1] * scale
            if value < 0:
                by = Fraction(value, scale * (self.sizes[r] or 1))
                worst = min(worst, (by, (r, 0))) if worst else (by, (r, 0))
        for j, (u, a, b) in enumerate(zip(self.point, self.lower, self.upper, strict=True)):
            if u < a or u > b:
                one = (u - a, (j, 1)) if u < a else (b - u, (j, -1))
                worst = min(worst, one) if worst else one
        return None if worst is None else worst[1]

    def _take_in(self, face: Face) -> dict[Face, Fraction] | None:
        """Move until a constraint holds; multipliers that show that it never does, if that is so."""
        i, side = face
        normal = [Fraction(side * (j == i)) for j in range(self.k)] if side else [Fraction(v) for v in self.rows[i][:-1]]
        own = Fraction(0)
        while True:
            checkpoint()
            self.pivots += 1
            fixed = {j for j, s in self.faces if s}
            active = [r for r, s in self.faces if not s]
            free = [j for j in range(self.k) if j not in fixed]
            right = [sum((self.rows[r][j] * normal[j] for j in free if normal[j]), Fraction(0)) for r in active]
            share = self._solve(active, free, right)
            assert share is not None, "faces of a nearest point are independent"
            pull = self._combined(active, share)
            values = dict(zip(active, share, strict=True))
            falls = {(j, s): s * (normal[j] - pull[j]) if s else values[j] for j, s in self.faces}
            ahead = {j: v for j in free if (v := normal[j] - pull[j])}
            steps = [(self.faces[one] / fall, one) for one, fall in falls.items() if fall > 0]
            least = min(steps, default=None)
            if side:
                miss = self.point[i] - self.lower[i] if side > 0 else self.upper[i] - self.point[i]
            else:
                miss = sum((a * u for a, u in zip(self.rows[i], self.point, strict=False) if a), Fraction(self.rows[i][-1]))
            speed = sum((v * normal[j] for j, v in ahead.items()), Fraction(0))
            if not speed and least is None:
                return {face: Fraction(1), **{one: -fall for one, fall in falls.items()}}
            whole = -miss / speed if speed else None
            length = whole if least is None or (whole is not None and whole <= least[0]) else least[0]
            assert length is not None
            for j, v in ahead.items():
                self.point[j] += length * v
            for one, fall in falls.items():
                self.faces[one] -= length * fall
            own += length
            if length == whole:
                self.faces[face] = own
                return None
            assert least is not None
            del self.faces[least[1]]
