"""Compiled passes over dense chains come to what the passes over whole arrays come to; verdicts too."""

from __future__ import annotations

from fractions import Fraction as F
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import random_net, zero_bias_net
from test_verdicts import compare

import polylc
from polylc.bounds.ascent import Choice, Goals, ascend
from polylc.bounds.backward import Cells, backward
from polylc.bounds.dense import refined
from polylc.bounds.game import combine, combine_compiled
from polylc.bounds.hidden import Held, Kept, intervals, move, refine
from polylc.bounds.relaxation import Lines, largest_outputs
from polylc.bounds.sharpen import sharpen
from polylc.bounds.tables import Sizes, Tables
from polylc.search import refute
from polylc.search.shorten import shorten

WIDTHS = [3, 7, 5, 6, 2]


def both(seed: int) -> tuple[Tables, Tables, Sizes]:
    """The tables of one network, with kernels and without, and sizes on the box from -1 to 1."""
    net = (zero_bias_net if seed % 3 == 0 else random_net)(WIDTHS, seed)
    plain, compiled = Tables(net), Tables(net)
    assert compiled.compact
    compiled.fused = True
    box = np.ones(net.inputs)
    return plain, compiled, plain.magnitudes(largest_outputs(plain, *intervals(plain, -box, box), box))


def cells_of(rng: np.random.Generator, count: int) -> Cells:
    ends = np.sort(rng.integers(-64, 65, (2, count, WIDTHS[0])) / 64, axis=0)
    return Cells(ends[0], ends[1])


def wide(count: int, neurons: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full((count, neurons), -(2.0**40)), np.full((count, neurons), 2.0**40)


@pytest.mark.parametrize("seed", range(12))
def test_ends_of_neurons_are_the_same(seed):
    plain, compiled, sizes = both(seed)
    rng = np.random.default_rng(seed)
    cells = cells_of(rng, 20)
    found = []
    for one in (plain, compiled):
        lows, highs = wide(20, one.neurons)
        unsure, reach = np.full((2, 20, one.neurons), np.nan), np.zeros((20, one.neurons, one.inputs))
        refine(one, lows, highs, cells, sizes, 0, unsure, reach)
        found.append((lows, highs, reach, unsure))
    (low, high, reach, _), (low2, high2, reach2, unsure) = found
    free = (low < 0) & (high > 0)
    assert (free == ((low2 < 0) & (high2 > 0))).all()
    assert free.any()
    step = 2.0**-10 * np.maximum(np.abs(low), np.abs(high))[free] + 2.0**-30
    assert (np.abs(low - low2)[free] <= step).all()
    assert (np.abs(high - high2)[free] <= step).all()
    np.testing.assert_allclose(reach[free], reach2[free], rtol=1e-9, atol=1e-12)
    assert ((low2 >= 0) == (low >= 0)).all()
    differs = ((low != low2) | (high != high2)) & free
    assert (~np.isnan(unsure[:, differs])).any(axis=0).all()  # what other arithmetic may round otherwise is known
    points = cells.low + (cells.high - cells.low) * rng.random((50, 20, WIDTHS[0]))
    for x in points:
        z = hidden(plain, x)
        assert (z >= low2 - 1e-9).all()
        assert (z <= high2 + 1e-9).all()


@pytest.mark.parametrize("seed", range(12))
def test_rows_that_are_kept_are_the_same_and_hold(seed):
    """Of some neurons, on cells within others whose ends are known."""
    plain, compiled, sizes = both(seed)
    rng = np.random.default_rng(seed)
    cells = cells_of(rng, 20)
    lows, highs = wide(20, plain.neurons)
    refine(plain, lows, highs, cells, sizes)
    within = Cells(cells.low, (cells.low + cells.high) / 2)
    for only in (None, rng.random(lows.shape) < 0.5):
        found = []
        for one in (plain, compiled):
            low, high, kept = lows.copy(), highs.copy(), Kept.none(20, one.neurons, one.inputs)
            refine(one, low, high, within, sizes, 0, np.full((2, *low.shape), np.nan), only=only, kept=kept)
            found.append((low, high, kept))
        (low, high, kept), (low2, high2, kept2) = found
        free = (low < 0) & (high > 0)
        assert (free == ((low2 < 0) & (high2 > 0))).all()
        open_ = np.broadcast_to(free[:, None], kept.constant.shape)
        there = np.isfinite(kept.constant) & open_
        assert (there == (np.isfinite(kept2.constant) & open_)).all()
        assert there.any()
        assert only is None or not there[:, 0][~only].any()
        # ends may differ by a step of the grid, lines with them
        np.testing.assert_allclose(kept2.constant[there], kept.constant[there], atol=0.02)
        np.testing.assert_allclose(kept2.gradient[there], kept.gradient[there], atol=0.02)
        for x in within.low + (within.high - within.low) * rng.random((50, 20, WIDTHS[0])):
            z = hidden(plain, x)
            value = np.einsum("csmn,cn->csm", kept2.gradient, x) + kept2.constant - kept2.error - 1e-9
            assert (value <= np.stack([z, -z], axis=1)).all()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kernels", [False, True])
def test_rows_from_above_hold_on_cells_within(seed, kernels):
    """In rationals, at corners and other points; some ends become better, none worse, and reach is that of the rows."""
    one, sizes = both(seed)[kernels], both(seed)[2]
    rng = np.random.default_rng(300 + seed)
    cells = cells_of(rng, 12)
    lows, highs = wide(12, one.neurons)
    kept = Kept.none(12, one.neurons, one.inputs)
    refine(one, lows, highs, cells, sizes, 0, kept=kept)
    held = Held.of(kept, lows, highs)
    assert [len(rows.neurons) for rows in held] == ((lows < 0) & (highs > 0)).sum(axis=1).tolist()
    ends = cells.low + (cells.high - cells.low) * np.sort(rng.integers(0, 9, (2, *cells.low.shape)) / 8, axis=0)
    low, high, reach = lows.copy(), highs.copy(), np.zeros((*lows.shape, one.inputs))
    unsure = move(held, low, high, Cells(ends[0], ends[1]), reach)
    assert (low >= lows).all()
    assert (high <= highs).all()
    assert (low > lows).any()
    assert (~np.isnan(unsure)).mean() < 0.5
    np.testing.assert_array_equal(reach.any(axis=2) & (lows >= 0), False)
    for c in range(12):
        for _ in range(6):
            x = np.where(rng.random(one.inputs) < 0.5, ends[0, c], ends[1, c])
            for i, z in enumerate(in_rationals(one, [F(float(v)) for v in x])):
                assert F(low[c, i]) <= z <= F(high[c, i])


def in_rationals(tables: Tables, x: list[F]) -> list[F]:
    found: list[F] = []
    for affine in tables.affines[:-1]:
        ((_, weight),) = affine.terms
        z = [F(float(b)) + sum((F(float(w)) * v for w, v in zip(row, x, strict=True)), F(0)) for row, b in zip(weight, affine.bias, strict=True)]
        found += z
        x = [max(v, F(0)) for v in z]
    return found


@pytest.mark.parametrize("seed", range(12))
def test_slopes_that_refute_are_made_short_alike(seed):
    plain, compiled, sizes = both(seed)
    rng = np.random.default_rng(400 + seed)
    rows = 30
    cells, goals = cells_of(rng, rows), goals_of(plain, rng, 2)
    lows, highs = wide(rows, plain.neurons)
    refine(plain, lows, highs, cells, sizes)
    lines = Lines.of(lows, highs)
    start = Choice(np.tile([0.5, 0.5], (rows, 1)), np.where(lines.open, rng.integers(0, 129, lows.shape) / 128, lines.rule), None)
    value = backward(plain, *goals.combined(start.shares), plain.depth, lines, cells, sizes, start.slopes).value
    goals.constant = goals.constant - np.median(value)  # about half of them refute
    sure = backward(plain, *goals.combined(start.shares), plain.depth, lines, cells, sizes, start.slopes).value > 1e-6
    assert sure.any()
    found = []
    for one in (plain, compiled):
        some = start.rows(np.flatnonzero(sure))
        line, there = lines.of_cells(np.flatnonzero(sure)), Cells(cells.low[sure], cells.high[sure])
        shorten(one, sizes, goals, some, None, line, there)
        again = backward(plain, *goals.combined(some.shares), plain.depth, line, there, sizes, some.slopes)
        assert (again.value - again.error - some.shares @ goals.noise > 0).all()
        assert ((some.slopes == line.rule) | line.open).all()
        found.append((some.slopes != line.rule).sum(axis=1))
    assert (found[0] == found[1]).mean() >= 0.9
    assert (found[0] < ((start.slopes != lines.rule) & lines.open).sum(axis=1)[sure]).any() or not lines.open[sure].any()


def hidden(tables: Tables, x: np.ndarray) -> np.ndarray:
    found = []
    for layer in range(tables.depth):
        ((_, weight),) = tables.affines[layer].terms
        z = x @ weight.T + tables.affines[layer].bias
        found.append(z)
        x = np.maximum(z, 0)
    return np.concatenate(found, axis=1)


def goals_of(tables: Tables, rng: np.random.Generator, many: int) -> Goals:
    last = rng.normal(size=(many, WIDTHS[-2]))
    inputs = rng.normal(size=(many, WIDTHS[0])) * (rng.random() < 0.5)
    return Goals([inputs, *[None] * (tables.depth - 1), last], rng.normal(size=many), np.full(many, 1e-12))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("many", [1, 4])
def test_slopes_and_multipliers_climb_alike(seed, many):
    plain, compiled, sizes = both(seed)
    rng = np.random.default_rng(100 + seed)
    rows = 10
    cells, goals = cells_of(rng, rows), goals_of(plain, rng, many)
    lows, highs = wide(rows, plain.neurons)
    refine(plain, lows, highs, cells, sizes)
    lines = Lines.of(lows, highs)
    member = rng.random((rows, many)) < 0.8
    member[:, 0] = True
    shares = np.where(np.arange(many) == 0, 1.0, np.zeros((rows, many)))
    start = Choice(shares, lines.rule.copy(), None)
    aim, first = np.full(rows, 1e-4), np.zeros(rows)
    for steps in (1, 2, 8):
        a = ascend(plain, goals, member, start, lines, None, cells, sizes, steps, aim)
        b = ascend(compiled, goals, member, start, lines, None, cells, sizes, steps, aim)
        near = np.isclose(a.sure, b.sure, rtol=1e-7, atol=1e-9)
        assert near.all() if steps == 1 else near.mean() >= 0.8  # a slope that is rounded otherwise leads elsewhere
        first = b.sure if steps == 1 else first
        assert (b.sure >= first - 1e-9).all()
        again = backward(plain, *goals.combined(b.choice.shares), plain.depth, lines, cells, sizes, b.choice.slopes)
        value = again.value - again.error - b.choice.shares @ goals.noise
        np.testing.assert_allclose(b.sure, value, rtol=1e-9, atol=1e-11)  # what it says is what its choice gives
        np.testing.assert_allclose(b.choice.shares.sum(axis=1), 1.0)
        assert (b.choice.shares[~member] == 0).all()
        assert ((b.choice.slopes == lines.rule) | lines.open).all()
        if steps == 1:
            missing = b.sure <= 0
            np.testing.assert_allclose(a.worst[missing], b.worst[missing], rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(a.gaps[missing], b.gaps[missing], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_ends_with_slopes_of_their_own_are_the_same(seed):
    """One cell, whose lines all rows share, each with its slopes."""
    plain, compiled, sizes = both(seed)
    found = []
    for one in (plain, compiled):
        lows, highs = wide(1, one.neurons)
        low, high = -np.ones(one.inputs), np.ones(one.inputs)
        refine(one, lows, highs, Cells(low[None], high[None]), sizes)
        claims = sharpen(one, lows[0], highs[0], low, high, sizes)
        found.append((lows, highs, sum(len(c.ends) for c in claims)))
    (low, high, many), (low2, high2, many2) = found
    assert many
    assert abs(many - many2) <= 1
    free = (low < 0) & (high > 0)
    assert (free == ((low2 < 0) & (high2 > 0))).all()
    np.testing.assert_allclose(low[free], low2[free], rtol=2.0**-9, atol=2.0**-30)
    np.testing.assert_allclose(high[free], high2[free], rtol=2.0**-9, atol=2.0**-30)


@pytest.mark.parametrize("seed", range(6))
def test_a_sure_bound_is_below_every_value(seed):
    _, compiled, sizes = both(seed)
    rng = np.random.default_rng(200 + seed)
    cells, goals = cells_of(rng, 10), goals_of(compiled, rng, 3)
    lows, highs = wide(10, compiled.neurons)
    refine(compiled, lows, highs, cells, sizes)
    lines = Lines.of(lows, highs)
    start = Choice(np.tile([0.5, 0.25, 0.25], (10, 1)), lines.rule.copy(), None)
    found = ascend(compiled, goals, np.ones((10, 3), dtype=bool), start, lines, None, cells, sizes, 8, np.full(10, 1e-4))
    for x in cells.low + (cells.high - cells.low) * rng.random((200, 10, WIDTHS[0])):
        h = np.maximum(hidden(compiled, x)[:, -WIDTHS[-2] :], 0)
        values = h @ goals.coefficients[-1].T + x @ goals.coefficients[0].T + goals.constant
        assert (np.einsum("rg,rg->r", values, found.choice.shares) >= found.sure - 1e-9).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 4))
def test_games_have_the_same_value(seed, rows, inputs):
    rng = np.random.default_rng(seed)
    games = 5
    gradient, constant = rng.normal(size=(games, rows, inputs)), rng.normal(size=(games, rows)) - 0.5
    member = rng.random((games, rows)) < 0.7
    member[:, 0] = True
    low = rng.normal(size=(games, inputs))
    high = low + rng.random((games, inputs))

    def least(shares: np.ndarray) -> np.ndarray:
        row = np.einsum("gr,grn->gn", shares, gradient)
        return np.einsum("gr,gr->g", shares, constant) + np.where(row > 0, row * low, row * high).sum(axis=1)

    for found in (combine(gradient, constant, member, low, high), combine_compiled(gradient, constant, member, low, high)):
        np.testing.assert_allclose(found.sum(axis=1), 1.0)
        assert (found >= 0).all()
        assert (found[~member] == 0).all()
        single = [np.where(member[:, r], least(np.eye(rows)[[r] * games]), -np.inf) for r in range(rows)]
        assert (least(found) >= np.max(single, axis=0) - 1e-9).all()
    a, b = least(combine(gradient, constant, member, low, high)), least(combine_compiled(gradient, constant, member, low, high))
    assert ((np.abs(a - b) <= 1e-6 * (1 + np.abs(a))) | ((a > 0) & (b > 0))).all()


@pytest.mark.parametrize("seed", range(500, 512))
def test_verdicts_of_compiled_searches_are_those_of_brute_force(seed, tmp_path, monkeypatch):
    monkeypatch.setattr(refute, "COMPILED", 0)
    compare(seed, 6, tmp_path / "proof")


def test_searches_that_begin_compiled_find_combinations_that_tie():
    """Bounds of single goals go into the game as they are, not less their errors: else it misses exact multipliers."""
    pytest.importorskip("vnnlib")
    moons = Path(__file__).resolve().parent.parent / "examples" / "moons"
    assert callable(refined.compiled)  # so that the search uses kernels from its root on
    verdict = polylc.verify(moons / "two_inputs.vnnlib", {"moons": moons / "moons.pt"}, timeout=60)
    assert verdict.result == "unsat"
    assert verdict.statistics["cells"] < 4000
