"""Cell skeletons against independent geometry: the exact clipper, Qhull, and bodies of known volume."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import ConvexHull, HalfspaceIntersection

from polylc.geometry.skeleton import CellGeometry, polygons


def one_cell(half: np.ndarray, rows: np.ndarray) -> CellGeometry:
    return CellGeometry(half, np.array([0, len(rows)]), rows)


def halfspaces(half: np.ndarray, rows: np.ndarray) -> np.ndarray:
    eye = np.eye(len(half))
    return np.vstack([np.column_stack([-rows[:, :-1], -rows[:, -1]]), np.column_stack([eye, -half]), np.column_stack([-eye, -half])])


@given(st.integers(2, 5), st.integers(0, 10**6), st.integers(0, 8))
def test_volumes_and_areas_equal_qhull(n, seed, cuts):
    rng = np.random.default_rng(seed)
    half = rng.uniform(0.5, 2.0, n)
    inside = rng.uniform(-0.3, 0.3, n)
    rows = rng.normal(size=(cuts, n + 1))
    rows[:, -1] = rng.uniform(0.05, 0.6, cuts) * np.linalg.norm(rows[:, :-1], axis=1) - rows[:, :-1] @ inside
    geometry = one_cell(half, rows)
    hull = ConvexHull(HalfspaceIntersection(halfspaces(half, rows), inside).intersections, qhull_options="QJ" if n > 4 else "Qt")
    assert geometry.ok.all()
    assert geometry.volume[0] == pytest.approx(hull.volume, rel=1e-6)
    assert geometry.area.sum() + geometry.box_area.sum() == pytest.approx(hull.area, rel=1e-6)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6])
def test_simplex_cut_from_the_cube(n):
    """x_1 + ... + x_n <= 1 - n/2 in [-1/2, 1/2]^n is a unit corner simplex: volume 1/n!, slanted facet
    sqrt(n)/(n-1)!.
    """
    row = np.append(-np.ones(n), 1.0 - n / 2)
    geometry = one_cell(np.full(n, 0.5), row[None])
    assert geometry.volume[0] == pytest.approx(1 / math.factorial(n), rel=1e-12)
    if n > 1:
        assert geometry.area[0] == pytest.approx(math.sqrt(n) / math.factorial(n - 1), rel=1e-12)
        np.testing.assert_allclose(geometry.box_area[0, 0::2], 1 / math.factorial(n - 1), rtol=1e-12)
        np.testing.assert_allclose(geometry.box_area[0, 1::2], 0, atol=1e-12)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_cells_of_the_braid_arrangement_through_one_point(n):
    """x_1 >= x_2 >= ... >= x_n: every hyperplane passes through the corners of the box."""
    rows = np.array([np.append(np.eye(n)[i] - np.eye(n)[i + 1], 0.0) for i in range(n - 1)])
    assert one_cell(np.ones(n), rows).volume[0] == pytest.approx(2.0**n / math.factorial(n), rel=1e-12)


def test_hyperplanes_that_touch_or_repeat_change_nothing():
    square = np.ones(2)
    rows = np.array([[1.0, 1.0, 2.0], [1.0, 0.0, 1.0], [1.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    geometry = one_cell(square, rows)
    assert geometry.volume[0] == pytest.approx(2.0, rel=1e-14)
    assert geometry.area.tolist() == pytest.approx([0.0, 0.0, 2.0, 0.0], abs=1e-14)


def test_slivers_keep_their_relative_precision():
    thin = 2.0**-40
    rows = np.array([[1.0, 1.0, 0.0], [-1.0, -1.0, thin]])
    geometry = one_cell(np.ones(2), rows)
    assert geometry.volume[0] == pytest.approx(2 * thin - thin**2 / 2, rel=1e-3)  # between the diagonal and its shift


def test_polygons_go_around_the_cell():
    corners = polygons(np.array([1.0, 2.0]), np.array([0, 1]), np.array([[1.0, 0.0, 0.0]]))[0]
    x, y = corners[:, 0], corners[:, 1]
    assert 0.5 * np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) == pytest.approx(4.0)


def test_too_many_dimensions_are_refused():
    with pytest.raises(ValueError, match="too many vertices"):
        one_cell(np.ones(7), np.zeros((0, 8)))
