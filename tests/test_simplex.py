"""The exact simplex: its answers prove themselves, and agree with a floating solver and with elimination."""

from __future__ import annotations

from fractions import Fraction as F

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from oracles import strictly_feasible, value
from scipy.optimize import linprog

from polylc.exact.simplex import ExactMinimum, Infeasible, minimise


def least(form, lower, upper):
    return form[-1] + sum(min(a * p, a * q) for a, p, q in zip(form, lower, upper, strict=False))


@st.composite
def programs(draw, top=3):
    k = draw(st.integers(1, 4))
    number = st.integers(-top, top).map(F) if draw(st.booleans()) else st.fractions(-3, 3, max_denominator=7)
    forms = draw(st.lists(st.lists(number, min_size=k + 1, max_size=k + 1).map(tuple), min_size=1, max_size=9))
    lower = draw(st.lists(st.fractions(-2, 0, max_denominator=3), min_size=k, max_size=k))
    sides = draw(st.lists(st.fractions(F(1, 3), 2, max_denominator=3), min_size=k, max_size=k))
    return forms[0], forms[1:], lower, [a + d for a, d in zip(lower, sides, strict=True)]


@given(programs())
def test_answers_prove_themselves(program):
    cost, rows, lower, upper = program
    found = minimise(cost, rows, lower, upper)
    assert all(y > 0 for y in found.multipliers.values())
    combined = [F(0)] * len(cost)
    for r, y in found.multipliers.items():
        combined = [c + y * v for c, v in zip(combined, rows[r], strict=True)]
    if isinstance(found, Infeasible):
        assert -least([-c for c in combined], lower, upper) < 0  # the combination is negative on the whole box
        return
    assert all(a <= x <= b for a, x, b in zip(lower, found.point, upper, strict=True))
    assert all(value(row, found.point) >= 0 for row in rows)
    assert value(cost, found.point) == found.value
    assert least([c - d for c, d in zip(cost, combined, strict=True)], lower, upper) == found.value


@given(programs())
def test_agreement_with_a_floating_solver(program):
    cost, rows, lower, upper = program
    found = minimise(cost, rows, lower, upper)
    matrix = -np.array([[float(v) for v in r[:-1]] for r in rows]) if rows else None
    limits = np.array([float(r[-1]) for r in rows]) if rows else None
    answer = linprog([float(v) for v in cost[:-1]], matrix, limits, bounds=list(zip(map(float, lower), map(float, upper), strict=True)))
    if isinstance(found, ExactMinimum):
        assert answer.status == 0
        assert abs(answer.fun + float(cost[-1]) - float(found.value)) < 1e-7


@given(programs(top=1))
def test_infeasibility_agrees_with_elimination(program):
    _, rows, lower, upper = program
    k = len(lower)
    wider = [(*r[:-1], r[-1] + F(1, 10**6)) for r in rows]  # closed systems by open ones, slightly wider
    box = [(*(F(int(i == j)) for i in range(k)), F(1, 10**6) - lower[j]) for j in range(k)]
    box += [(*(F(-int(i == j)) for i in range(k)), F(1, 10**6) + upper[j]) for j in range(k)]
    if not strictly_feasible(wider + box):
        assert isinstance(minimise((F(0),) * (k + 1), rows, lower, upper), Infeasible)


def test_degenerate_corners_do_not_cycle():
    """Many hyperplanes through one point, with ties everywhere."""
    rng = np.random.default_rng(0)
    for _ in range(40):
        k = int(rng.integers(2, 6))
        rows = [(*tuple(F(int(v)) for v in rng.integers(-2, 3, k)), F(0)) for _ in range(25)]
        found = minimise(tuple(F(int(v)) for v in rng.integers(-2, 3, k + 1)), rows, [F(-1)] * k, [F(1)] * k)
        assert isinstance(found, ExactMinimum)
        assert all(value(row, found.point) >= 0 for row in rows)
