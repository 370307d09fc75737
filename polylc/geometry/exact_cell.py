"""Cells in special position: exact vertices, and volumes and areas that are right to the last few bits.

A cell is the cube [-1, 1]^k cut by half-spaces with integer coefficients. Its vertices are found by the double
description method (Motzkin et al. 1953; Fukuda and Prodon 1996) in integers, so that a hyperplane through a vertex is
known to pass through it, however many do, and half-spaces that coincide with others or touch the cell are no matter. A
face is the set of its vertices, written as the bits of an integer.

Measures come from a pulled triangulation of each facet: exact determinants, all terms positive, rounded only when
summed. Volumes are sums of pyramids over the facets.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polylc.exact.checkpoint import checkpoint
from polylc.exact.linear import determinant

MOST_VERTICES = 512  # of a cell, at any time: the work grows with their square

Row = Sequence[int]


@dataclass(frozen=True)
class ExactCell:
    """Measures of one cell, in the coordinates in which the cube is the box [-half, half].

    Attributes
    ----------
    volume : float
    area, point : ndarray, shape (E,) and (E, k)
        Per half-space: area of its facet (0 if it is none, or if an earlier one carries it) and a point inside that
        facet (NaN if it is none).
    box_area : ndarray, shape (2 k,)
        Areas on the faces x_j = -half_j (even) and x_j = half_j (odd) of the box.
    vertices : ndarray, shape (V, k)
    """

    volume: float
    area: np.ndarray
    point: np.ndarray
    box_area: np.ndarray
    vertices: np.ndarray


def exact_cell(rows: Sequence[Row], half: np.ndarray) -> ExactCell | None:
    """The cell of the cube [-1, 1]^k on which all rows are positive.

    Parameters
    ----------
    rows : sequence of integer forms (a_1, ..., a_k, c)
        Half-spaces a.u + c >= 0.
    half : ndarray, shape (k,)
        Half the side lengths of the box that the cube stands for.

    Returns
    -------
    ExactCell or None
        None if the cell has no inner point, or too many vertices.

    Examples
    --------
    >>> cell = exact_cell([(1, 1, 0), (2, 2, 0), (-1, 0, 0)], np.ones(2))
    >>> cell.volume, cell.box_area.tolist()
    (0.5, [0.0, 0.0, 0.0, 1.0])
    >>> [round(v, 3) for v in cell.area.tolist()]
    [1.414, 0.0, 1.0]
    """
    k = len(half)
    forms = cube_and(rows, k)
    found = vertices_of(k, forms)
    if found is None:
        return None
    corners = Corners(k, *found)
    apex, sides = corners.places[0], half.tolist()
    vertices = np.array([[x / v[-1] for x in v[:-1]] for v in corners.places]) * half
    volume, area, point = 0.0, np.zeros(len(forms)), np.full((len(forms), k), np.nan)
    for f, face in corners.facets(len(forms)).items():
        row = forms[f]
        drop = max(range(k), key=lambda j: abs(row[j]))
        lead = abs(row[drop])
        shadow = corners.shadow(face, drop)
        volume += shadow * (sum(map(operator.mul, row, apex)) / (apex[-1] * lead)) / k
        slant = math.hypot(*(a / lead * (sides[drop] / h) for a, h in zip(row, sides, strict=False)))
        area[f] = shadow * math.prod(h for j, h in enumerate(sides) if j != drop) * slant
        point[f] = vertices[members(face)].mean(axis=0)
    return ExactCell(volume * math.prod(sides), area[2 * k :], point[2 * k :], area[: 2 * k], vertices)


def cube_and(rows: Sequence[Row], k: int) -> list[Row]:
    """The half-spaces u_j >= -1 and u_j <= 1 of the cube, j = 1, ..., k, and then `rows` without common divisors."""
    return [*((*(sign * (i == j) for i in range(k)), 1) for j in range(k) for sign in (1, -1)), *map(primitive, rows)]


def primitive(row: Row) -> tuple[int, ...]:
    divisor = math.gcd(*row)
    return tuple(v // divisor for v in row) if divisor > 1 else tuple(row)


def members(face: int) -> list[int]:
    """The places of the bits that are set."""
    result = []
    while face:
        low = face & -face
        result.append(low.bit_length() - 1)
        face ^= low
    return result


def vertices_of(k: int, forms: Sequence[Row]) -> tuple[list[tuple[int, ...]], list[int]] | None:
    """Vertices (x, w) of a cell, standing for x / w, and for each the forms that vanish there, as bits; the first 2 k
    forms are the cube's.

    Two vertices are the ends of an edge if no third one lies on all hyperplanes that they share.
    """
    checkpoint()
    places: list[tuple[int, ...]] = [(*corner, 1) for corner in itertools.product((-1, 1), repeat=k)]
    tight = [sum(1 << (2 * j + (x > 0)) for j, x in enumerate(v[:-1])) for v in places]
    for f, row in enumerate(forms[2 * k :], start=2 * k):
        values = [sum(map(operator.mul, row, v)) for v in places]
        kept = [i for i, z in enumerate(values) if z >= 0]
        cut = [i for i, z in enumerate(values) if z < 0]
        if not any(values[i] for i in kept):
            return None
        new_places = [places[i] for i in kept]
        new_tight = [tight[i] | (1 << f if not values[i] else 0) for i in kept]
        for i in kept:
            if not values[i]:
                continue
            for j in cut:
                shared = tight[i] & tight[j]
                if shared.bit_count() < k - 1 or sum(1 for t in tight if t & shared == shared) > 2:
                    continue
                p, q = values[i], -values[j]
                new_places.append(primitive([p * y + q * x for x, y in zip(places[i], places[j], strict=True)]))
                new_tight.append(shared | 1 << f)
        places, tight = new_places, new_tight
        if len(places) > MOST_VERTICES:
            return None
    return places, tight


class Corners:
    """The vertices of a cell and the faces they make."""

    def __init__(self, k: int, places: list[tuple[int, ...]], tight: list[int]) -> None:
        self.k, self.places, self.tight = k, places, tight
        self.on: list[int] = []  # vertices on each form
        self._maximal: list[int] = []
        self._kept: dict[int, list[tuple[int, ...]]] = {}

    def facets(self, forms: int) -> dict[int, int]:
        """Vertices of each facet, by the first form that carries it."""
        self.on = [sum(1 << v for v, t in enumerate(self.tight) if t >> f & 1) for f in range(forms)]
        result: dict[int, int] = {}
        for f, face in enumerate(self.on):
            if face.bit_count() >= self.k and face not in result.values():
                result[f] = face
        self._maximal = _maximal(list(result.values()))
        return {f: face for f, face in result.items() if face in self._maximal}

    def shadow(self, face: int, drop: int) -> float:
        """(k - 1)-volume of a facet projected along coordinate `drop`."""
        total = 0.0
        for simplex in self.triangulated(face, self.k - 1):
            corners = [self.places[v] for v in simplex]
            size = determinant([[x for j, x in enumerate(v) if j != drop] for v in corners])
            total += abs(size) / math.prod(v[-1] for v in corners)
        return total / math.factorial(self.k - 1)

    def triangulated(self, face: int, dimension: int) -> list[tuple[int, ...]]:
        """Simplices of a face, pulled from its first vertex."""
        if face.bit_count() == dimension + 1:
            return [tuple(members(face))]
        found = self._kept.get(face)
        if found is None:
            apex = face & -face
            parts = _maximal([p for p in {face & f for f in self._maximal} if p != face and p.bit_count() >= dimension])
            found = [(apex.bit_length() - 1, *s) for p in parts if not p & apex for s in self.triangulated(p, dimension - 1)]
            self._kept[face] = found
        return found


def _maximal(faces: list[int]) -> list[int]:
    """Those sets that no other contains."""
    return [f for f in faces if not any(f & g == f and f != g for g in faces)]
