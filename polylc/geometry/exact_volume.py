"""Volumes of cells and of their facets as rational numbers.

In unit coordinates a cell is the cube [-1, 1]^k cut by integer half-spaces; its vertices are rational, and so are its
volume and its facets' shadows: their (k - 1)-volumes projected along one coordinate. A shadow of the facet on a.u + c =
0, along j, times |a| / |a_j| is its area.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from polylc.exact.linear import determinant, sum_of_quotients
from polylc.geometry.exact_cell import Corners, Row, cube_and, vertices_of


@dataclass(frozen=True)
class RationalCell:
    """Exact measures of one cell in unit coordinates.

    Attributes
    ----------
    volume : Fraction
    shadow : tuple of Fraction
        Per half-space, that of its facet along `drop(row)`; 0 if it is none. Half-spaces of one hyperplane all have it.
    carrier : tuple of int
        Per half-space, the first one with the same facet (itself if it has none); -1 if that is a face of the cube.
    box : tuple of Fraction
        The same of the faces u_j = -1 (even) and u_j = 1 (odd) of the cube.
    moment : tuple of tuple of Fraction
        Integrals of the coordinates over those faces.
    vertices : tuple of (x_1, ..., x_k, w)
        Integers that stand for x / w.
    """

    volume: Fraction
    shadow: tuple[Fraction, ...]
    carrier: tuple[int, ...]
    box: tuple[Fraction, ...]
    moment: tuple[tuple[Fraction, ...], ...]
    vertices: tuple[tuple[int, ...], ...]


def drop(row: Row) -> int:
    """The coordinate along which a hyperplane's facet is projected: that of its largest entry."""
    sizes = [abs(a) for a in row[:-1]]
    return sizes.index(max(sizes))


def rational_cell(rows: Sequence[Row], k: int) -> RationalCell | None:
    """The cell of the cube [-1, 1]^k on which all rows are positive; None if it has no inner point, or too many
    vertices.

    Examples
    --------
    >>> cell = rational_cell([(1, 1, 0), (-1, 0, 0)], 2)
    >>> cell.volume, cell.shadow, cell.box
    (Fraction(1, 2), (Fraction(1, 1), Fraction(1, 1)), (Fraction(0, 1), Fraction(0, 1), Fraction(0, 1), Fraction(1, 1)))
    """
    forms = cube_and(rows, k)
    found = vertices_of(k, forms)
    if found is None:
        return None
    corners = Corners(k, *found)
    faces = corners.facets(len(forms))
    first = {face: f for f, face in faces.items()}
    apex = corners.places[0]
    shadows = [Fraction(0)] * len(forms)
    moments: list[tuple[Fraction, ...]] = [(Fraction(0),) * k] * (2 * k)
    parts: list[tuple[int, int]] = []
    for f, face in faces.items():
        row, along = forms[f], drop(forms[f])
        simplices = corners.triangulated(face, k - 1)
        sizes = [_projected(corners, s, along) for s in simplices]
        shadows[f] = sum_of_quotients([s[0] for s in sizes], [s[1] * math.factorial(k - 1) for s in sizes])
        if f < 2 * k and shadows[f]:
            moments[f] = _moment(corners, simplices, sizes, k)
        height = sum(map(operator.mul, row, apex))
        if height:
            parts.append((shadows[f].numerator * height, shadows[f].denominator * apex[-1] * abs(row[along]) * k))
    volume = sum_of_quotients([p for p, _ in parts], [q for _, q in parts])
    carrier = [f if f in faces else first.get(corners.on[f], f) for f in range(len(forms))]
    for f, first_one in enumerate(carrier):
        shadows[f] = shadows[first_one]
    carriers = tuple(max(c - 2 * k, -1) for c in carrier[2 * k :])
    return RationalCell(volume, tuple(shadows[2 * k :]), carriers, tuple(shadows[: 2 * k]), tuple(moments), tuple(corners.places))


def _projected(corners: Corners, simplex: tuple[int, ...], along: int) -> tuple[int, int]:
    """(k - 1)! times the volume of a projected simplex, as a quotient."""
    places = [corners.places[v] for v in simplex]
    return abs(determinant([[x for j, x in enumerate(v) if j != along] for v in places])), math.prod(v[-1] for v in places)


def _moment(corners: Corners, simplices: Sequence[tuple[int, ...]], sizes: Sequence[tuple[int, int]], k: int) -> tuple[Fraction, ...]:
    result = []
    for j in range(k):
        over = [(p * corners.places[v][j], q * corners.places[v][-1]) for s, (p, q) in zip(simplices, sizes, strict=True) for v in s]
        result.append(sum_of_quotients([p for p, _ in over], [q * math.factorial(k) for _, q in over]))
    return tuple(result)
