"""Bounds of rows on boxes within balls: below all points, the same compiled and not, and the checker comes to them."""

from __future__ import annotations

import math
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from nets import quarter_net, random_net

from polylc import checker
from polylc.bounds.ascent import Choice, Goals, ascend
from polylc.bounds.backward import Cells, backward
from polylc.bounds.ball import Ball
from polylc.bounds.ball_fused import least_in_balls
from polylc.bounds.hidden import intervals, refine
from polylc.bounds.relaxation import Lines, largest_outputs
from polylc.bounds.tables import Tables
from polylc.domains.within import Within, measure, scaled
from polylc.network.exact import ExactNetwork

EIGHTHS = st.integers(-16, 16).map(lambda v: v / 8)
NORMS = pytest.mark.parametrize("norm", ["l2", "l1"])


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[float], list[F], float, list[float], list[float]]:
    n = draw(st.integers(1, 5))
    entries = st.one_of(EIGHTHS, st.floats(-4, 4, allow_subnormal=False))
    row = draw(st.lists(entries, min_size=n, max_size=n))
    center = [F(v) + draw(st.sampled_from([F(0), F(1, 3)])) for v in draw(st.lists(EIGHTHS, min_size=n, max_size=n))]
    low = draw(st.lists(EIGHTHS, min_size=n, max_size=n))
    high = [a + draw(st.integers(0, 16)) / 8 for a in low]
    return row, center, draw(st.integers(1, 24)) / 8, low, high


def ball_of(norm: str, center: list[F], radius: float, strict: bool = False) -> Within:
    return Within(norm, tuple(center), scaled(norm, F(1), F(radius)), strict)


def some_points(within: Within, low: list[float], high: list[float], rng: np.random.Generator) -> list[list[F]]:
    """Rational points of the box in the ball, many of them next to its border."""
    found = []
    near = [min(max(c, F(a)), F(b)) for c, a, b in zip(within.center, low, high, strict=True)]
    for _ in range(12):
        target = [F(float(v)) for v in np.where(rng.random(len(low)) < 0.3, low, np.where(rng.random(len(low)) < 0.4, high, rng.uniform(low, high)))]
        reach, step = F(0), F(1)
        for _ in range(10):  # from the nearest point of the box as far as the ball goes
            point = [a + (reach + step) * (b - a) for a, b in zip(near, target, strict=True)]
            if reach + step <= 1 and within.contains(point):
                reach += step
            step /= 2
        found.append([a + reach * (b - a) for a, b in zip(near, target, strict=True)])
    return [point for point in found if within.contains(point)]


@NORMS
@given(case=cases(), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_a_bound_is_below_all_points_and_nearly_attained(norm, case, seed):
    row, center, radius, low, high = case
    within = ball_of(norm, center, radius)
    assume(not within.misses([F(v) for v in low], [F(v) for v in high]))
    ball = Ball.of(within)
    g, a, b = (np.array([v]) for v in (row, low, high))
    point, least, size = ball.least(g, a, b)
    error = 1e-13 * (size[0] + np.abs(g).sum() * 8 + 1e-30)
    for x in some_points(within, low, high, np.random.default_rng(seed)):
        assert sum((F(v) * c for v, c in zip(row, x, strict=True)), F(0)) >= F(least[0]) - F(error)
    assert (point >= a).all()
    assert (point <= b).all()
    nearest = math.sqrt(measure(norm, [min(max(c, F(p)), F(q)) for c, p, q in zip(center, low, high, strict=True)], center)) if norm == "l2" else 0
    if norm == "l1" or nearest < radius * (1 - 1e-3):  # where the ball only touches the box multipliers have no bound
        assert g[0] @ point[0] <= least[0] + 1e-7 * (1 + size[0])
        far = math.dist(point[0], ball.center) if norm == "l2" else np.abs(point[0] - ball.center).sum()
        assert far <= radius * (1 + 1e-9) + 1e-12


@NORMS
@given(case=cases())
@settings(max_examples=60, deadline=None)
def test_compiled_and_whole_arrays_agree(norm, case):
    row, center, radius, low, high = case
    within = ball_of(norm, center, radius)
    assume(not within.misses([F(v) for v in low], [F(v) for v in high]))
    ball = Ball.of(within)
    g, a, b = (np.array([v], dtype=float) for v in (row, low, high))
    _, least, size = ball.least(g, a, b)
    other, value, sizes = np.zeros_like(g), np.ones(1), np.zeros(1)
    least_in_balls(ball.round, a, b, g, other, value, sizes)
    assert abs(value[0] - 1 - least[0]) <= 1e-8 * (1 + size[0] + sizes[0])


@NORMS
@given(case=cases(), constant=st.integers(-8, 8))
@settings(max_examples=60, deadline=None)
def test_the_checker_bounds_from_below_and_as_well(norm, case, constant):
    row, center, radius, low, high = case
    within = ball_of(norm, center, radius)
    assume(not within.misses([F(v) for v in low], [F(v) for v in high]))
    unit, scale = 60, 1 << checker.INPUT
    whole = [math.floor(F(v) * (1 << unit)) for v in row]
    exact = [F(a, 1 << unit) for a in whole]
    box = [(math.floor(F(a) * scale), math.ceil(F(b) * scale)) for a, b in zip(low, high, strict=True)]
    judge = checker.Ball(norm, tuple(center), within.bound, False)
    found = F(judge.least(constant << unit, whole, box), 1 << unit + checker.INPUT)
    for x in some_points(within, low, high, np.random.default_rng(constant + 8)):
        assert constant + sum((v * c for v, c in zip(exact, x, strict=True)), F(0)) >= found
    ball = Ball.of(within)
    _, least, size = ball.least(np.array([row], dtype=float), np.array([low]), np.array([high]))
    nearest = measure(norm, [min(max(c, F(p)), F(q)) for c, p, q in zip(center, low, high, strict=True)], center)
    if nearest < within.bound * F(999, 1000):
        assert abs(float(found) - constant - least[0]) <= 1e-9 * (1 + size[0])


@NORMS
def test_the_exact_least_value_is_that_of_its_parts(norm):
    """What `least_exactly` says, on a fine grid of one coordinate after the other."""
    rng = np.random.default_rng(4)
    for _ in range(50):
        n = 2
        center = tuple(F(int(v), 4) for v in rng.integers(-4, 5, n))
        row = [F(int(v), 4) for v in rng.integers(-8, 9, n)]
        box = [(c - F(int(a), 4), c + F(int(b), 4)) for c, a, b in zip(center, rng.integers(-2, 5, n), rng.integers(2, 7, n), strict=True)]
        share, bound = F(int(rng.integers(1, 9)), 4), F(int(rng.integers(1, 9)), 4)
        found = checker.Ball(norm, center, bound, True).least_exactly(row, share, box)
        total = -share * bound / (2 if norm == "l2" else 1)
        for a, c, (p, q) in zip(row, center, box, strict=True):
            grid = [p + (q - p) * F(i, 840) for i in range(841)]
            total += min(a * x + (share * (x - c) ** 2 / 2 if norm == "l2" else share * abs(x - c)) for x in grid)
        assert found <= total <= found + F(1, 100)


@NORMS
@pytest.mark.parametrize("seed", range(8))
def test_passes_in_a_ball_hold_at_its_points_and_kernels_agree(norm, seed):
    """Ends of neurons and bounds of goals are true at rational points of the ball."""
    widths = [3, 7, 5, 6, 2]
    net = (quarter_net if seed % 2 else random_net)(widths, seed)
    rng = np.random.default_rng(seed)
    within = ball_of(norm, [F(int(v), 8) for v in rng.integers(-4, 5, 3)], 0.75)
    ball = Ball.of(within)
    low, high = (np.array([float(v) for v in ends]) for ends in within.box())
    halves = np.sort(np.stack([rng.uniform(low, high), rng.uniform(low, high)]), axis=0)
    cells = Cells(np.stack([low, halves[0]]), np.stack([high, halves[1]]))
    found, last = [], rng.normal(size=(1, widths[-2]))
    for fused in (False, True):
        tables = Tables(net)
        tables.fused = fused
        sizes = tables.magnitudes(largest_outputs(tables, *intervals(tables, low, high), np.maximum(np.abs(low), np.abs(high))), ball)
        lows, highs = np.full((2, tables.neurons), -1e9), np.full((2, tables.neurons), 1e9)
        refine(tables, lows, highs, cells, sizes)
        lines = Lines.of(lows, highs)
        goals = Goals([None, None, None, last], np.zeros(1), np.full(1, 1e-12))
        start = Choice(np.ones((2, 1)), lines.rule.copy(), None)
        best = ascend(tables, goals, np.ones((2, 1), dtype=bool), start, lines, None, cells, sizes, 6, np.full(2, 1e3))
        row, constant = goals.combined(np.ones((2, 1)))
        plain = backward(tables, row, constant, tables.depth, lines, cells, sizes)
        found.append((lows, highs, best.sure, plain.value - plain.error))
    (lows, highs, sure, first), (lows2, highs2, sure2, first2) = found
    free = (lows < 0) & (highs > 0)
    step = 2.0**-9 * np.maximum(np.abs(lows), np.abs(highs)) + 2.0**-29
    assert (np.abs(lows - lows2)[free] <= step[free]).all()
    assert (np.abs(highs - highs2)[free] <= step[free]).all()
    met = ~ball.misses(cells.low, cells.high)  # elsewhere bounds are anything
    np.testing.assert_allclose(first[met], first2[met], rtol=1e-2, atol=1e-2)
    assert (sure >= first - 1e-9).all()
    exact = ExactNetwork(net)
    for which in range(2):
        for x in some_points(within, cells.low[which].tolist(), cells.high[which].tolist(), rng)[:20]:
            *hidden, _ = exact.preactivations(x)
            z = np.array([float(v) for layer in hidden for v in layer])
            for a, b in ((lows, highs), (lows2, highs2)):
                assert (a[which] <= z + 1e-12).all()
                assert (z <= b[which] + 1e-12).all()
            value = sum(w * max(float(v), 0.0) for w, v in zip(last[0].tolist(), hidden[-1], strict=True))
            assert max(sure[which], sure2[which]) <= value + 1e-9
