"""Nearest points of polytopes in l1 and l2: optimal by their multipliers, and by enumeration of faces."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction as F

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polylc.exact.projection import Beyond, project
from polylc.exact.simplex import Infeasible
from polylc.geometry.nearest_point import Centred, nearest_point

Form = tuple[F, ...]
QUARTERS = st.integers(-6, 6).map(lambda v: F(v, 4))


@st.composite
def programs(draw: st.DrawFn) -> tuple[list[Form], list[F], list[F]]:
    n = draw(st.integers(1, 4))
    rows = draw(st.lists(st.tuples(*[QUARTERS] * (n + 1)), max_size=6))
    lower = draw(st.lists(QUARTERS, min_size=n, max_size=n))
    return rows, lower, [a + F(draw(st.integers(0, 9)), 4) for a in lower]


def value(form: Sequence[F], u: Sequence[F]) -> F:
    return sum((a * x for a, x in zip(form, u, strict=False)), F(form[-1]))


def size(norm: str, u: Sequence[F]) -> F:
    return sum((x * x for x in u), F(0)) / 2 if norm == "l2" else sum(map(abs, u), F(0))


def relaxed_least(norm: str, rows: list[Form], y: dict[int, F], lower: list[F], upper: list[F]) -> F:
    """The least value on the box of what is minimised less rows times multipliers."""
    total = -sum((v * rows[r][-1] for r, v in y.items()), F(0))
    for j, (a, b) in enumerate(zip(lower, upper, strict=True)):
        g = sum((v * rows[r][j] for r, v in y.items()), F(0))
        total += min(size(norm, [x]) - g * x for x in (a, b, min(max(g if norm == "l2" else F(0), a), b)))
    return total


@pytest.mark.parametrize("norm", ["l2", "l1"])
@given(program=programs())
@settings(max_examples=150, deadline=None)
def test_a_nearest_point_is_feasible_and_its_multipliers_prove_that_none_is_nearer(norm, program):
    rows, lower, upper = program
    found = nearest_point(norm, rows, lower, upper)
    y = found.multipliers
    assert all(v >= 0 for v in y.values())
    if isinstance(found, Infeasible):
        combined = [sum((v * rows[r][j] for r, v in y.items()), F(0)) for j in range(len(lower) + 1)]
        assert combined[-1] + sum(max(g * a, g * b) for g, a, b in zip(combined, lower, upper, strict=False)) < 0
        return
    u = found.point
    assert all(a <= x <= b for a, x, b in zip(lower, u, upper, strict=True))
    assert all(value(row, u) >= 0 for row in rows)
    assert size(norm, u) == found.value == relaxed_least(norm, rows, y, lower, upper)


@given(program=programs())
@settings(max_examples=100, deadline=None)
def test_the_exact_method_needs_no_proposal_and_survives_a_wrong_one(program):
    rows, lower, upper = program
    with_hint = nearest_point("l2", rows, lower, upper)
    wrong = [(r, 0) for r in range(len(rows))] + [(j, side) for j in range(len(lower)) for side in (1, -1)]
    for one in (project(rows, lower, upper), project(rows, lower, upper, wrong)):
        assert type(one) is type(with_hint)
        if not isinstance(with_hint, Infeasible):
            assert one.point == with_hint.point


def test_coordinates_that_do_not_vary_stay_where_they_are():
    frame = Centred([F(0), F(1), F(0)], [F(-1), F(3), F(-1)], [F(1), F(3), F(1)])
    rows = [(F(1), F(1), F(-1))]
    assert frame.nearest("l2", rows, F(10)).point == (F(1, 2), F(3), F(1, 2))
    assert frame.nearest("l2", rows, F(9, 2)).point == (F(1, 2), F(3), F(1, 2))
    assert isinstance(frame.nearest("l2", rows, F(4)), Beyond)


@given(program=programs(), most=st.integers(0, 12).map(lambda v: F(v, 8)))
@settings(max_examples=100, deadline=None)
def test_beyond_a_distance_multipliers_are_enough(program, most):
    rows, lower, upper = program
    whole, found = project(rows, lower, upper), project(rows, lower, upper, (), most)
    if isinstance(found, Beyond):
        assert all(v >= 0 for v in found.multipliers.values())
        assert relaxed_least("l2", rows, found.multipliers, lower, upper) >= found.value > most
        assert isinstance(whole, Infeasible) or whole.value >= found.value
    else:
        assert type(found) is type(whole)
        assert isinstance(found, Infeasible) or found.point == whole.point


def solved(rows: list[list[F]]) -> list[F] | None:
    """The solution of a square system [A | b], A x = b; None if it is singular."""
    table, n = [row[:] for row in rows], len(rows)
    for k in range(n):
        at = next((i for i in range(k, n) if table[i][k]), None)
        if at is None:
            return None
        table[k], table[at] = table[at], table[k]
        table[k] = [v / table[k][k] for v in table[k]]
        for i in range(n):
            if i != k and table[i][k]:
                table[i] = [a - table[i][k] * b for a, b in zip(table[i], table[k], strict=True)]
    return [row[-1] for row in table]


def by_faces(norm: str, walls: list[Form]) -> F | None:
    """The least distance to zero of all points where walls are >= 0, in l2 its square, from every set of tight ones."""
    n = len(walls[0]) - 1
    turns = [] if norm == "l2" else [(*(F(i == j) for j in range(n)), F(0)) for i in range(n)]
    best = None
    for many in range(n + 1) if norm == "l2" else (n,):
        for tight in itertools.combinations([*walls, *turns], many):
            if norm == "l2":
                y = solved([[sum((a * b for a, b in zip(f[:-1], g[:-1], strict=True)), F(0)) for g in tight] + [-f[-1]] for f in tight])
                u = None if y is None else [sum((v * f[j] for v, f in zip(y, tight, strict=True)), F(0)) for j in range(n)]
            else:
                u = solved([[*f[:-1], -f[-1]] for f in tight])
            if u is None:
                continue
            far = sum((x * x for x in u), F(0)) if norm == "l2" else sum(map(abs, u), F(0))
            if (best is None or far < best) and all(value(w, u) >= 0 for w in walls):
                best = far
    return best


@pytest.mark.parametrize("norm", ["l2", "l1"])
@given(program=programs())
@settings(max_examples=60, deadline=None)
def test_the_nearest_point_is_that_of_an_enumeration_of_faces(norm, program):
    rows, lower, upper = program
    if len(lower) > 3:
        rows, lower, upper = [(*row[:3], row[-1]) for row in rows], lower[:3], upper[:3]
    n = len(lower)
    one = [tuple(F(i == j) for j in range(n)) for i in range(n)]
    walls = [*rows, *((*e, -a) for e, a in zip(one, lower, strict=True)), *((*(-v for v in e), b) for e, b in zip(one, upper, strict=True))]
    found = nearest_point(norm, rows, lower, upper)
    least = by_faces(norm, walls)
    assert (least is None) == isinstance(found, Infeasible)
    if least is not None:
        assert least == found.value * (2 if norm == "l2" else 1)
