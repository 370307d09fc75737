"""The largest margin of a class on a closed face, and whether it is positive: exactly.

The margin of class c is the least of the forms f_c - f_j, j != c: concave on a face. At some vertex it is m, say, and
each of the forms is at most its largest value at a vertex. Where these bounds leave it open, a linear program in the
weights of the vertices decides, in integers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from polylc.complex.complex import Complex
from polylc.errors import ConsistencyError
from polylc.exact.checkpoint import checkpoint
from polylc.exact.simplex import Infeasible
from polylc.geometry.exact_program import minimise_exactly
from polylc.measures.decision.classes import class_forms, value_at
from polylc.measures.decision.faces import Faces

Leads = list[list[Fraction]]  # f_label - f_j at each vertex of a face, for one j after the other


def corner_values(complex_: Complex, faces: Faces) -> list[list[Fraction]]:
    """What the classes have at each vertex, on the scale of `exact_forms`."""
    rows = {region: class_forms(complex_, region) for region in sorted(set(faces.seen_from))}
    return [[value_at(row, place) for row in rows[region]] for place, region in zip(faces.places, faces.seen_from, strict=True)]


class Peaks:
    """The largest margins of one class on faces.

    Parameters
    ----------
    faces : Faces
    values : list of list of Fraction
        As `corner_values` has them.
    label : int
        The class.
    """

    def __init__(self, faces: Faces, values: Sequence[Sequence[Fraction]], label: int) -> None:
        self.faces = faces
        self.leads = [[v[label] - w for j, w in enumerate(v) if j != label] for v in values]
        self.margins = [min(lead) for lead in self.leads]
        self._bounds: dict[int, tuple[Fraction, Fraction]] = {}

    def bounds(self, face: int) -> tuple[Fraction, Fraction]:
        """Between which the largest margin is."""
        found = self._bounds.get(face)
        if found is None:
            corners = self.faces.corners[face]
            low = max(self.margins[v] for v in corners)
            if len(self.leads[0]) == 1:
                found = low, low
            else:
                found = low, min(map(max, zip(*(self.leads[v] for v in corners), strict=True)))
            self._bounds[face] = found
        return found

    def is_positive(self, face: int) -> bool:
        """Whether the class is ahead of all others somewhere inside the face."""
        low, high = self.bounds(face)
        return low > 0 or (high > 0 and self.of(face) > 0)

    def of(self, face: int) -> Fraction:
        """The largest margin on the face."""
        low, high = self.bounds(face)
        if low < high:
            low = high = largest_of_least([self.leads[v] for v in self.faces.corners[face]], low, high)
            self._bounds[face] = low, high
        return low

    def largest(self) -> Fraction:
        """The largest margin in the neighbourhood; on few regions the bounds leave it open."""
        best = max(self.margins)
        for face in self.faces.of_region:
            if self.bounds(face)[1] > best:
                best = max(best, self.of(face))
        return best


def largest_of_least(leads: Sequence[Sequence[Fraction]], low: Fraction, high: Fraction) -> Fraction:
    """The largest value that all coordinates of some weighted mean of the points have at least.

    Parameters
    ----------
    leads : sequence of points
    low, high : Fraction
        Between which it is.

    Examples
    --------
    >>> largest_of_least([[Fraction(0), Fraction(3)], [Fraction(6), Fraction(0)]], Fraction(0), Fraction(3))
    Fraction(2, 1)
    """
    checkpoint()
    count, rivals = len(leads), len(leads[0])
    # weights in [0, 1] with sum 1, and t = (s - low) / (high - low) in [0, 1]: all leads, s taken off, stay positive
    step = high - low
    rows: list[list[Fraction]] = []
    for j in range(rivals):
        rows.append([*(lead[j] - low for lead in leads), -step, Fraction(0)])
    one = [Fraction(1)] * count
    rows += [[*one, Fraction(0), Fraction(-1)], [*(-v for v in one), Fraction(0), Fraction(1)]]
    cost = [*[0] * count, -1, 0]
    found = minimise_exactly(cost, [_whole(row) for row in rows], [Fraction(0)] * (count + 1), [Fraction(1)] * (count + 1))
    if isinstance(found, Infeasible):
        raise ConsistencyError("the largest margin of a face is beyond its bounds")
    return low + found.point[-1] * step


def _whole(row: Sequence[Fraction]) -> list[int]:
    den = math.lcm(1, *(v.denominator for v in row))
    return [v.numerator * (den // v.denominator) for v in row]
