"""Cells from exact vertices: against skeletons, the exact clipper, a recursion in rationals, and bodies of known
volume.
"""

from __future__ import annotations

import math
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import SPECIAL, quarter_net, zero_bias_net
from oracles import clip_regions, exact_volume

import polylc.complex.complex
import polylc.geometry.exact_cell
from polylc.api.certify import certify
from polylc.complex.complex import Complex
from polylc.domains.box import box
from polylc.geometry.exact_cell import ExactCell, exact_cell
from polylc.geometry.skeleton import CellGeometry
from polylc.network.form import Network
from polylc.search.enumerate import enumerate_regions


def found(rows: list[tuple[int, ...]], half: np.ndarray) -> ExactCell:
    cell = exact_cell(rows, half)
    assert cell is not None
    return cell


def unit_rows(complex_: Complex, region: int) -> list[tuple[int, ...]]:
    hidden = complex_.exact_forms.hidden(complex_.patterns(slice(region, region + 1))[0])
    entries = range(complex_.starts[region], complex_.starts[region + 1])
    return [tuple((1 if complex_.side[e] == 1 else -1) * v for v in hidden[complex_.neuron[e]]) for e in entries]


@given(st.integers(1, 5), st.integers(0, 10**6), st.integers(0, 8))
def test_volumes_areas_and_points_equal_the_skeleton(n, seed, cuts):
    rng = np.random.default_rng(seed)
    half = rng.uniform(0.5, 2.0, n)
    rows = rng.integers(-1000, 1000, size=(cuts, n + 1))
    rows[:, -1] = rng.integers(100, 900, cuts)
    geometry = CellGeometry(half, np.array([0, cuts]), np.column_stack([rows[:, :-1] / half, rows[:, -1]]))
    cell = found(list(map(tuple, rows.tolist())), half)
    assert geometry.ok.all()
    assert cell.volume == pytest.approx(geometry.volume[0], rel=1e-11)
    np.testing.assert_allclose(cell.area, geometry.area, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(cell.box_area, geometry.box_area[0], rtol=1e-9, atol=1e-12)
    metric = np.column_stack([rows[:, :-1] / half, rows[:, -1]])
    # means of vertices, which differ where several coincide: inside the facet all the same
    for point in (cell.point, geometry.point):
        for e in np.flatnonzero(cell.area > 0):
            values = metric[:, :-1] @ point[e] + metric[:, -1]
            assert abs(values[e]) < 1e-8 * np.abs(metric[e]).sum()
            assert (np.delete(values, e) > 0).all()
            assert (np.abs(point[e]) < half).all()


@given(st.integers(2, 4), st.integers(0, 10**6), st.integers(1, 7), st.integers(0, 3))
def test_volumes_equal_a_recursion_in_rationals(n, seed, cuts, through):
    """Small coefficients: many hyperplanes through one point, parallel and equal ones, and such as touch the cell."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(-2, 3, size=(cuts, n + 1))
    rows[:through, -1] = 0
    rows = rows[(rows[:, :-1] != 0).any(axis=1)].tolist()
    walls = [[*(s * (i == j) for i in range(n)), 1] for j in range(n) for s in (-1, 1)]
    exact = exact_volume([tuple(map(F, r)) for r in [*rows, *walls]])
    cell = exact_cell(rows, np.ones(n))
    assert (cell is None) == (exact == 0)
    assert cell is None or cell.volume == pytest.approx(float(exact), rel=1e-14)


@pytest.mark.parametrize("make", [zero_bias_net, quarter_net])
def test_volumes_of_regions_equal_a_recursion_in_rationals(make):
    complex_, _ = enumerate_regions(make([3, 8, 8, 1], 0), box([-1] * 3, [1] * 3))
    walls = [(*(F(s * (i == j)) for i in range(3)), F(1)) for j in range(3) for s in (-1, 1)]
    for region in range(0, len(complex_), 10):
        exact = exact_volume([*(tuple(map(F, row)) for row in unit_rows(complex_, region)), *walls])
        assert complex_.geometry.volume[region] == pytest.approx(float(exact), rel=1e-9)
        assert found(unit_rows(complex_, region), complex_.domain.half).volume == pytest.approx(float(exact), rel=1e-14)


def without_skeletons(network: Network, monkeypatch: pytest.MonkeyPatch) -> Complex:
    """The complex on [-1, 1]^2 whose geometry is that of exact cells alone."""

    class NoSkeletons(CellGeometry):
        def __init__(self, half: np.ndarray, starts: np.ndarray, rows: np.ndarray) -> None:
            super().__init__(half, starts, rows)
            for column in (self.volume, self.area, self.point, self.box_area):
                column[:] = np.nan
            self.ok[:] = False

    monkeypatch.setattr(polylc.complex.complex, "CellGeometry", NoSkeletons)
    monkeypatch.setattr(polylc.complex.complex, "polygons", lambda half, starts, rows: [np.zeros((0, 2))] * (len(starts) - 1))
    return enumerate_regions(network, box([-1, -1], [1, 1]))[0]


@pytest.mark.parametrize("network", [*SPECIAL.values(), quarter_net([2, 6, 5, 1], 1)], ids=[*SPECIAL, "quarters"])
def test_volumes_and_polygons_equal_the_exact_clipper(network, monkeypatch):
    complex_ = without_skeletons(network, monkeypatch)
    cells = {c.bits: float(c.area()) for c in clip_regions(network, complex_.domain)}
    exact = [cells[tuple(bits)] for bits in complex_.patterns().tolist()]
    assert complex_.geometry.ok.all()
    np.testing.assert_allclose(complex_.geometry.volume, exact, rtol=1e-14)
    around = [0.5 * float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) for x, y in (p.T for p in complex_.polygons())]
    np.testing.assert_allclose(around, exact, rtol=1e-8)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_a_cell_of_the_braid_arrangement(n):
    """x_1 >= x_2 >= ... >= x_n from all pairs, so most half-spaces are redundant but touch the cell."""
    rows = [tuple(int(t == i) - int(t == j) for t in range(n + 1)) for i in range(n) for j in range(i + 1, n)]
    cell = found(rows, np.ones(n))
    assert cell.volume == pytest.approx(2.0**n / math.factorial(n), rel=1e-14)
    assert [a > 0 for a in cell.area] == [sum(row[:k]) == 1 and row[k] == -1 and row[k - 1] == 1 for row in rows for k in [row.index(-1)]]


def test_the_first_of_equal_half_spaces_carries_the_facet():
    cell = found([(1, 1, 2), (1, 0, 1), (1, 0, 0), (2, 0, 0), (0, 3, 3)], np.array([1.0, 3.0]))
    assert cell.volume == pytest.approx(6.0, rel=1e-15)
    assert cell.area.tolist() == [0.0, 0.0, 6.0, 0.0, 0.0]
    assert cell.box_area.tolist() == [0.0, 6.0, 1.0, 1.0]
    assert cell.point[2].tolist() == [0.0, 0.0]
    assert np.isnan(cell.point[[0, 1, 3, 4]]).all()


@pytest.mark.parametrize("thin", [2**-40, 2**-200])
def test_slivers_keep_their_relative_precision(thin):
    factor = round(1 / thin)
    cell = found([(1, 1, 0), (-factor, -factor, 1)], np.ones(2))
    assert cell.volume == pytest.approx(2 * thin - thin**2 / 2, rel=1e-14)
    assert cell.box_area.tolist() == [0.0, thin, 0.0, thin]


@pytest.mark.parametrize("rows", [[(1, 0, -1)], [(1, 0, 0), (-1, 0, 0)], [(1, 1, -3)], [(0, 0, -1)]])
def test_a_cell_without_inner_points_is_refused(rows):
    assert exact_cell(rows, np.ones(2)) is None


def test_too_many_vertices_are_refused(monkeypatch):
    monkeypatch.setattr(polylc.geometry.exact_cell, "MOST_VERTICES", 4)
    assert exact_cell([(1, 1, -1)], np.ones(2)) is not None
    assert exact_cell([(-1, -1, 1)], np.ones(2)) is None


def test_a_region_beyond_all_means_is_named_in_the_notes(monkeypatch):
    monkeypatch.setattr(polylc.complex.complex, "exact_cell", lambda rows, half: None)
    network = zero_bias_net([4, 8, 6, 1], 5)
    run = certify(network, box=([-1] * 4, [1] * 4), measures=["local_complexity"], certified=False)
    assert run[0].local_complexity is None
    assert "rounding left no consistent vertices for" in run[0].notes["local_complexity"]
