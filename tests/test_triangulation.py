"""Triangulations of simple polytopes against exact geometry."""

from __future__ import annotations

import math
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polylc.exact.linear import determinant as exact_determinant
from polylc.geometry.cuts import Skeleton, cut_along, cut_stack
from polylc.geometry.exact_cell import Corners, cube_and, vertices_of
from polylc.geometry.triangulation import begin_cell, begin_facet, list_facets, next_simplex, walk_for


def cell_of(rows: np.ndarray, n: int) -> Skeleton:
    stack = cut_stack(n, np.ones(n), len(rows))
    assert cut_along(stack, rows, 0, 0, len(rows))
    level = stack.level[0]
    return Skeleton(*(column[stack.at[level] : stack.at[level] + stack.size[level]] for column in stack.rows))


def simplices(walk, top: int) -> list[tuple[int, ...]]:
    found = []
    while next_simplex(walk, top):
        found.append(tuple(walk.apex[: top + 1].tolist()))
    return found


def size(points: list[list[F]], simplex: tuple[int, ...], drop: int | None = None) -> F:
    """The determinant of a simplex's edges, all coordinates or all but one."""
    first, *others = (points[v] for v in simplex)
    return absolute([[x - y for j, (x, y) in enumerate(zip(p, first, strict=True)) if j != drop] for p in others])


def absolute(rows: list[list[F]]) -> F:
    """The absolute value of a determinant."""
    common = math.lcm(*(x.denominator for row in rows for x in row))
    return abs(F(exact_determinant([[int(x * common) for x in row] for row in rows]), common ** len(rows)))


def cuts(n: int, many: int, seed: int) -> np.ndarray:
    """Integer half-spaces around the origin, in general position with each other and the cube's faces, mostly."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(-997, 998, (many, n)).astype(float)
    return np.column_stack([rows, rng.integers(200, 1500, many)])


@settings(max_examples=30)
@given(st.integers(1, 5), st.integers(0, 6), st.integers(0, 10**6))
def test_simplices_are_those_of_the_exact_cell(n, many, seed):
    """Volumes of the cell and of its facets, in rationals, from the vertices' exact places; every facet once."""
    rows = cuts(n, many, seed)
    exact = vertices_of(n, cube_and(rows.astype(int).tolist(), n))
    assert exact is not None
    places, tight = exact
    if any(t.bit_count() != n for t in tight):
        return  # not simple
    cell = cell_of(rows, n)
    bit = {f: 2 * n + f if f >= 0 else -f - 1 for f in range(-2 * n, many)}
    own = [sum(1 << bit[f] for f in facets) for facets in cell.F.tolist()]
    assert sorted(own) == sorted(tight)
    place = dict(zip(tight, places, strict=True))
    points = [[F(x, place[t][-1]) for x in place[t][:-1]] for t in own]

    walk = walk_for(n, len(cell.F), np.array([0, many]))
    begin_cell(cell.F, walk)
    whole = simplices(walk, n)
    assert len(set(whole)) == len(whole)
    corners = Corners(n, places, tight)
    faces = corners.facets(2 * n + many)
    full = (1 << len(places)) - 1
    reference = corners.triangulated(full, n)

    named = [[F(x, p[-1]) for x in p[:-1]] for p in places]
    assert sum(size(points, s) for s in whole) == sum(size(named, s) for s in reference)
    assert list_facets(cell.F, walk) == len(faces)
    for q in range(len(faces)):
        facet = int(walk.number[q])
        begin_facet(walk, q)
        parts = simplices(walk, n - 1)
        row = rows[facet] if facet >= 0 else np.eye(n)[(-facet - 1) >> 1]
        drop = int(np.abs(row[:n]).argmax())
        assert all(facet in cell.F[v] for s in parts for v in s)
        mine = float(sum(size(points, s, drop) for s in parts) / math.factorial(n - 1))
        assert mine == pytest.approx(corners.shadow(faces[bit[facet]], drop), rel=1e-12)


def test_a_cell_of_more_vertices_than_a_word_has_bits():
    n, rows = 6, cuts(6, 5, 1)
    cell = cell_of(rows, n)
    assert len(cell.F) > 64
    walk = walk_for(n, len(cell.F), np.array([0, len(rows)]))
    begin_cell(cell.F, walk)
    volume = 0.0
    for s in simplices(walk, n):
        first, *others = cell.X[list(s)]
        volume += abs(np.linalg.det(np.array(others) - first))
    scipy = pytest.importorskip("scipy.spatial")
    assert volume / math.factorial(n) == pytest.approx(scipy.ConvexHull(cell.X).volume, rel=1e-9)
