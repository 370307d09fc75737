"""Proved vertices and the weights of faces, against rationals: within the bounds, whatever the half-spaces are that the
noise allows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_triangulation import absolute, cell_of, cuts

from polylc.geometry import face_weights
from polylc.geometry import vertex_lanes as lanes
from polylc.geometry.cell_bounds import CellBounds
from polylc.geometry.exact_volume import rational_cell
from polylc.geometry.face_weights import MOST_BITS, _number, faces_in, weigh
from polylc.geometry.proved_sizes import Sizes, _sizes, room
from polylc.geometry.proved_vertices import INDEX, _one, _place, _several, _take, meeting_in, proved_vertices
from polylc.geometry.small_inverse import by_elimination
from polylc.geometry.triangulation import walk_for
from polylc.jit.mode import mode
from polylc.measures.by_volume.noise_integrals import Simplices, _triangulate

FLAT = st.sampled_from([1.0, 1e-3, 1e-7])


def matrix(n: int, seed: int, flat: float) -> np.ndarray:
    """Rows of which two are nearly the same where `flat` is small."""
    found = np.random.default_rng(seed).uniform(-1, 1, (n, n))
    if n > 1:
        found[1] = found[0] + flat * found[1]
    return found


def exactly(rows: np.ndarray) -> list[list[F]]:
    return [[F(x) for x in row] for row in rows.tolist()]


@contextmanager
def as_plain() -> Iterator[None]:
    """Kernels that run as plain Python."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mode, "plain", True)
        yield


def inverted(n: int, A: np.ndarray) -> tuple[float, float, bool, np.ndarray]:
    """The determinant of A, expanded along its first row; what a lane makes of it: one over its size, whether that is
    good enough, and the inverse."""
    W, none = lanes.lanes_in(n), np.zeros(3 * n)
    row = np.column_stack([np.vstack([np.zeros((2 * n, n)), A]), none])
    table = W.reshape(-1, lanes.LANES)[:, 0]
    inverse = table[n * (n + 1) :][: n * n].reshape(n, n)
    with as_plain():
        lanes.fill(n, W, 0, np.zeros(n), np.arange(2 * n, 3 * n, dtype=INDEX), lanes.HalfSpaces(row, none, none, np.abs(row).sum(axis=1)))
        lanes._cofactors(n, W, 0)
        found = sum((a * c for a, c in zip(A[0].tolist(), inverse[:, 0].tolist(), strict=True)), 0.0)
        lanes._invert(n, W, 0)
        return found, lanes.result(n, W, 0, lanes.WEIGHT), lanes.result(n, W, 0, lanes.OFF) < 1.0, inverse


@given(st.integers(1, 6), st.integers(0, 10**6), FLAT)
def test_determinants_err_by_no_more_than_is_said(n, seed, flat):
    A, B, W = matrix(n, seed, flat), np.empty((n, n)), np.empty((n, n))
    true = absolute(exactly(A))
    if n <= lanes.MOST:
        found, value, good, inverse = inverted(n, A)
        rounding = F((4 * n - 2) * 2.0**-53 * np.abs(A).sum(axis=1).prod())
        assert abs(abs(F(found)) - true) <= rounding
        if value != 1.0:  # else there is none
            assert abs(F(value) * abs(F(found)) - 1) <= F(2.0**-52)
            rows = exactly(A)
            sums = [
                sum(abs(sum(b * row[j] for b, row in zip(line, rows, strict=True)) - (i == j)) for j in range(n))
                for i, line in enumerate(exactly(inverse))
            ]
            assert max(sums) <= 2 * rounding / abs(F(found))  # lemma 8a
            assert good == (2 * rounding / abs(F(found)) < 0.25)
    found, backward = by_elimination.plain(n, A, B, W)
    assert np.abs(B @ A - np.eye(n)).max() < 1e-13 * np.linalg.cond(A) ** 2
    # a matrix whose rows differ by so much: relative to the determinant, the inverse says how much that can be
    moved = n * np.abs(B).sum(axis=1).max() * backward
    assert moved < 1e-12 * np.linalg.cond(A)
    if moved > 1 / 16:
        return
    assert abs(F(found) - true) <= F(2 * moved + (n + 1) * 2.0**-53) * true


@pytest.mark.parametrize("n", range(1, 7))
def test_no_inverse_is_said(n):
    A, B, W = np.ones((n, n)) * (n > 1), np.empty((n, n)), np.empty((n, n))
    assert n > lanes.MOST or not inverted(n, A)[2]
    assert by_elimination.plain(n, A, B, W) == (0.0, 0.0)


@given(st.integers(1, 6), st.integers(0, 10**6), FLAT, st.sampled_from([0.0, 1e-12, 1e-9]), st.booleans())
def test_vertices_are_as_close_to_the_true_ones_as_is_said(n, seed, flat, noise, alone):
    """Common points of hyperplanes, and their weights, in rationals; the kernel sees others, within the noise. In lanes
    or by elimination."""
    rng = np.random.default_rng(seed)
    rows = np.column_stack([matrix(n, seed, flat), rng.uniform(-0.2, 0.2, n) * flat])
    moved = rows + rng.dirichlet(np.ones(n + 1), n) * rng.choice([-1, 1], rows.shape) * noise
    meeting, weight, x = meeting_in(n, np.array([0, n])), np.empty(2), np.zeros(n)
    _take(meeting, moved, np.full(n, noise * (1 + 1e-9) + 1e-15 * (noise > 0)), 0, n)
    gradients, at = exactly(rows[:, :-1]), [F(v) for v in rows[:, -1].tolist()]
    determinant = absolute(gradients)
    if not determinant:
        return
    true = solved(gradients, at)
    if max(map(abs, true)) > F(9, 10):
        return
    x[:] = [float(v) + 1e-7 * r for v, r in zip(true, rng.uniform(-1, 1, n), strict=True)]
    columns = np.arange(2 * n, 3 * n, dtype=INDEX)
    with as_plain():
        if alone:
            error = _one(x, columns, meeting, weight)
        else:
            found = np.empty(1)
            _place(x[None], columns[None], meeting, found, weight[None])
            error = found[0]
    if error < 0:
        assert noise or flat < 1e-3
        return
    assert max(abs(t - F(v)) for t, v in zip(true, x.tolist(), strict=True)) <= F(error)
    assert abs(F(weight[0]) - 1 / determinant) <= F(weight[1])


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_lanes_do_not_see_each_other(n):
    """Many vertices at once, some on faces of the cube, some on nearly parallel hyperplanes: each as it is alone, to
    the last bit, compiled and as plain Python; what is not proved stays where it was."""
    rng, many = np.random.default_rng(n), 2 * lanes.LANES + 3
    rows = np.concatenate([np.column_stack([matrix(n, s, f), rng.uniform(-0.1, 0.1, n)]) for s, f in enumerate([1.0, 1.0, 1e-9, 1e-16])])
    meeting, start = meeting_in(n, np.array([0, len(rows)])), rng.uniform(-0.5, 0.5, (many, n))
    _take(meeting, rows, np.full(len(rows), 1e-15), 0, len(rows))
    columns = (2 * n + n * rng.integers(0, 4, many)[:, None] + np.arange(n)).astype(INDEX)
    columns[::3, 0] = rng.integers(0, 2 * n, len(columns[::3]))

    def placed(which: slice) -> list[np.ndarray]:
        at, error, weight = start[which].copy(), np.empty(len(start[which])), np.ones((len(start[which]), 2))
        _several(n, at, columns[which], meeting, error, weight)
        return [at, error, weight]

    together, alone = placed(slice(None)), [placed(slice(v, v + 1)) for v in range(many)]
    with as_plain():
        again = placed(slice(None))
    for one, two, several in zip(together, again, zip(*alone, strict=True), strict=True):
        assert (one == two).all()
        assert (one == np.concatenate(several)).all()
    at, error, weight = together
    proved = error >= 0
    assert proved.sum() > many // 3
    assert proved.all() == (n == 1)
    assert (at[~proved] == start[~proved]).all()
    assert (weight[~proved] == 1).all()
    assert (error[~proved] == -1).all()


def solved(rows: list[list[F]], constants: list[F]) -> list[F]:
    """Where all of row . x + constant are zero, by elimination."""
    work = [[*row, -c] for row, c in zip(rows, constants, strict=True)]
    for c in range(len(work)):
        pivot = next(r for r in range(c, len(work)) if work[r][c])
        work[c], work[pivot] = work[pivot], work[c]
        work[c] = [v / work[c][c] for v in work[c]]
        work = [row if r == c else [v - row[c] * w for v, w in zip(row, work[c], strict=True)] for r, row in enumerate(work)]
    return [row[-1] for row in work]


def test_a_vertex_next_to_a_fourth_line_is_not_proved():
    """Three lines that meet but for less than the noise: the skeleton may be the wrong one."""
    rows = np.array([[1.0, 1.0, 0.0], [1.0, -0.5, 0.0], [0.5, 1.0, 1e-13]])
    cell, work = cell_of(rows, 2), room(2, 16, np.array([0, 3]))
    for noise, proved in ((0.0, True), (1e-12, False)):
        assert proved_vertices(cell, work.corners, rows, np.full(3, noise), 0, 3, work.meeting) is proved


def test_neighbours_that_are_none_are_not_proved():
    """Lemma 9: a neighbour shares all half-spaces but the one that is left, and is not on that."""
    for n in (2, 3, 4):
        rows = cuts(n, 3, 1) / 1024
        noise = np.full(3, 1e-15)
        for v, k in itertools.product(range(3), range(n)):
            cell, work = cell_of(rows, n), room(n, 64, np.array([0, 3]))
            assert proved_vertices(cell, work.corners, rows, noise, 0, 3, work.meeting)
            cell.NB[v, k] = (cell.NB[v, k] + 1) % len(cell.X)
            assert not proved_vertices(cell, work.corners, rows, noise, 0, 3, work.meeting)


@settings(max_examples=25)
@given(st.integers(3, 5), st.integers(0, 4), st.integers(0, 10**6))
def test_every_face_has_the_weight_of_the_exact_one(n, many, seed):
    """Faces of all dimensions, listed once: their weights from rational vertices, by the same law with every vertex for
    an apex, which must not matter."""
    rows = cuts(n, many, seed) / 1024
    cell, starts, columns = cell_of(rows, n), np.array([0, len(rows)]), 2 * n + many
    work = room(n, len(cell.X), starts)
    if not proved_vertices(cell, work.corners, rows, np.zeros(many), 0, many, work.meeting):
        return
    volume, error = weigh(cell, work.corners, columns, work.faces)
    half_spaces = [*([F((j == k) * s) for k in range(n)] + [F(1)] for j in range(n) for s in (1, -1)), *exactly(rows)]
    lies_on = [frozenset(c) for c in work.corners.columns[: len(cell.X)].tolist()]
    places = [solved([half_spaces[q][:-1] for q in sorted(on)], [half_spaces[q][-1] for q in sorted(on)]) for on in lies_on]
    exact = {on: 1 / absolute([half_spaces[q][:-1] for q in on]) for on in lies_on}
    for d in range(1, n + 1):
        for face in {frozenset(c) for on in lies_on for c in itertools.combinations(on, n - d)}:
            facets = [f for f in exact if len(f) == n - d + 1 and f > face]
            sums = set()
            for v, on in enumerate(lies_on):
                if on >= face:
                    values = [(worth(half_spaces[next(iter(f - face))], places[v]), exact[f]) for f in facets]
                    sums.add(sum((h * w for h, w in values), F(0)) / d)
            assert len(sums) == 1
            exact[face] = sums.pop()
    assert abs(F(volume) - exact[frozenset()]) <= F(error)
    for q in range(columns):
        value, wrong = work.faces.facet[q].tolist()
        assert abs(F(value) - exact.get(frozenset([q]), F(0))) <= F(wrong)
    assert not work.faces.table.any()  # as it was


@settings(max_examples=25)
@given(st.integers(2, 5), st.integers(0, 4), st.integers(0, 10**6))
def test_what_heights_err_by_is_in_the_bounds(n, many, seed):
    """Heights moved by all that they may err by, and weights of vertices that err by nothing: of faces, simplices and
    the cell."""
    rows = cuts(n, many, seed) / 1024
    cell, starts, columns = cell_of(rows, n), np.array([0, many]), 2 * n + many
    work = room(n, len(cell.X), starts)
    if not proved_vertices(cell, work.corners, rows, np.zeros(many), 0, many, work.meeting):
        return
    volume, _ = weigh(cell, work.corners, columns, work.faces)
    facets = work.faces.facet.copy()
    height = work.corners.height[: len(cell.X) * columns]
    work.corners.weight[:, 1] = 0.0
    for sign in (-1, 1):
        moved = work.corners._replace(height=height * (1 + sign * 1e-6), doubt=height * 1.1e-6)
        found, error = weigh(cell, moved, columns, work.faces)
        assert abs(found - volume) <= error <= 100 * abs(found - volume)
        assert (np.abs(work.faces.facet[:, 0] - facets[:, 0]) <= work.faces.facet[:, 1]).all()
        simplices = Simplices(np.empty((2048, n + 1), dtype=np.int64), np.empty((2048, 2)), np.zeros(1, dtype=np.int64))
        assert _triangulate(cell, moved, columns, walk_for(n, len(cell.X), starts), simplices)
        sizes = simplices.size[: simplices.many[0]]
        assert abs(sizes[:, 0].sum() - volume) <= sizes[:, 1].sum() <= 100 * abs(found - volume)


def test_what_gradients_err_by_is_in_the_areas():
    rows, scale = np.array([[0.5, -0.25, 0.1], [1.0, 0.0, 0.3]]), np.array([2.0, 3.0])
    work, sizes = room(2, 8, np.array([0, 2])), Sizes(*(np.zeros(shape) for shape in ((1, 2), (2, 2), (1, 4, 2), (1, 4, 2, 2), 1, 1)))
    work.faces.facet[4:] = [[1.5, 0.0], [0.5, 0.0]]
    noise = np.array([1e-3, 1e-4])
    _sizes.plain(work.faces, rows, noise, scale, 0, 2, 0, sizes)
    for e, j, sign in itertools.product(range(2), range(2), (-1, 1)):
        moved = rows[e, :2] + sign * noise[e] * np.eye(2)[j]
        assert abs(work.faces.facet[4 + e, 0] * np.linalg.norm(moved * scale) - sizes.area[e, 0]) <= sizes.area[e, 1] < 0.01


def worth(form: list[F], x: list[F]) -> F:
    return sum((a * v for a, v in zip(form, x, strict=False)), form[-1])


@pytest.mark.parametrize(("n", "many"), [(3, 70), (4, 40)])
def test_cells_of_many_facets(n, many):
    """More facets than a word has bits, and more vertices: a ball's tangent planes."""
    normals = np.random.default_rng(2).normal(size=(many, n))
    rows = np.column_stack([np.round(normals / np.linalg.norm(normals, axis=1)[:, None] * 512), np.full(many, 400)])
    found = CellBounds(np.array([0, many]), rows, np.zeros(many))
    exact = rational_cell([tuple(map(int, row)) for row in rows.tolist()], n)
    assert found.ok.all()
    assert exact is not None
    assert (found.area[:, 0] > 0).sum() >= 0.9 * many
    assert abs(F(found.volume[0, 0]) - exact.volume) <= F(found.volume[0, 1])
    assert found.volume[0, 1] < 1e-11


def test_a_cell_with_more_facets_than_names_have_room_for_is_not_proved():
    """In six dimensions 64 facets take seven bits each, 28 in all; what is not proved is done in rationals."""
    for facets in (63, 64):
        faces = faces_in(6, 64, 80)
        columns = np.resize(np.arange(facets, dtype=INDEX), (11, 6))
        assert _number.plain(columns, len(columns), 80, faces) == (facets == 63)
    rows = cuts(3, 4, 3)
    for bits, proved in ((MOST_BITS, True), (2, False)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(face_weights, "MOST_BITS", bits)
            patch.setattr(mode, "plain", True)
            found = CellBounds(np.array([0, 4]), rows, np.zeros(4))
        assert found.ok[0] == proved
        assert bool(found.volume.any() or found.area.any() or found.box.any()) == proved
