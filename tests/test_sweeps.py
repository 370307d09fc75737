"""Compiled sweeps over regions against plain references: forms along patterns, facets shown by points, the widest
point.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import SPECIAL, quarter_net, random_net, residual_net
from scipy.optimize import linprog

from polylc.complex import facet_lp
from polylc.complex.facet_lp import EDGE, ENOUGH, FOUND, LOST, NONE, widest
from polylc.complex.facet_search import FACET, NO_FACET, find_facet, proves_facet, room
from polylc.complex.hyperplanes import KEY_CLOSE, KEY_FINE, KEY_SMALL, directions, is_alone, refresh, stands_alone
from polylc.domains.ball import ball
from polylc.network import dense_terms
from polylc.network.compose import compose
from polylc.network.exact_forms import ExactForms, proportional
from polylc.network.form import Affine, Layer, Network, chain
from polylc.network.patterns import pack
from polylc.network.replay import MOST_FLIPS, begin, flatten, move, vanishes
from polylc.network.weights import Weight, sparse_copy


def nets(seed: int) -> Network:
    rng = np.random.default_rng(seed)
    widths = [int(rng.integers(1, 9)), *rng.integers(1, 9, int(rng.integers(1, 4))).tolist(), int(rng.integers(1, 4))]
    kind = seed % 4
    if kind == 0:
        return random_net(widths, seed)
    if kind == 1:
        return random_net(widths, seed, negative_slope=0.3)
    return quarter_net(widths, seed) if kind == 2 else residual_net(seed)


def walk(rng: np.random.Generator, neurons: int, steps: int) -> np.ndarray:
    """Patterns that differ from one another in few bits, and now and then in many."""
    bits = np.zeros((steps, neurons), dtype=bool)
    for i in range(1, steps):
        bits[i] = bits[i - 1]
        flip = rng.integers(0, neurons, rng.integers(0, 4)) if rng.random() < 0.9 else np.flatnonzero(rng.random(neurons) < 0.5)
        bits[i, flip] ^= True
    return bits


@given(st.integers(0, 10**6))
def test_forms_along_patterns_are_the_composed_ones_within_their_bounds(seed):
    """Against exact integers, and against composition anew: the bounds must cover the difference and stay small."""
    rng, network = np.random.default_rng(seed), nets(seed)
    domain = ball(rng.normal(size=network.inputs), F(1, 3))
    start = domain.embedding
    net = flatten(network)
    replay = begin(network, net, start, domain.rounding)
    bits = walk(rng, network.neurons, 40)
    forms = compose(network, bits, start, domain.rounding)
    exact = ExactForms(network, domain.exact_embedding)
    first, last = int(net.first[1]), int(net.first[-2])
    for i, packed in enumerate(pack(bits)):
        move(net, replay, packed, bool(rng.random() < 0.5) or i == len(bits) - 1)
        hidden, noise = replay.form.T[first:last], replay.noise[first:last]
        assert (np.abs(hidden - forms.hidden[i]).sum(axis=1) <= noise + forms.noise[i]).all()
        assert (noise <= 1e-9 * (1 + np.abs(forms.hidden[i]).sum())).all()
        if i % 8 == 7:
            for row, bound, own in zip(exact.hidden(bits[i]), noise.tolist(), hidden.tolist(), strict=True):
                assert sum(abs(F(v) - F(w, exact.scale)) for v, w in zip(own, row, strict=True)) <= F(bound)
    output, bound = replay.form.T[last:], replay.noise[last:]
    assert (np.abs(output - forms.output[-1]).sum(axis=1) <= bound + forms.output_noise[-1]).all()
    for row, limit, own in zip(exact.output(bits[-1]), bound.tolist(), output.tolist(), strict=True):
        assert sum(abs(F(v) - F(w, exact.scale)) for v, w in zip(own, row, strict=True)) <= F(limit)


@given(st.integers(0, 10**6))
def test_sums_of_inactive_units_alone_are_zero_whatever_came_before(seed):
    """After any updates; dense and sparse weights."""
    rng = np.random.default_rng(seed)
    first = Layer(Affine(((0, rng.standard_normal((6, 3))),), rng.standard_normal(6)), np.zeros(6), np.ones(6))
    mixed: Weight = rng.standard_normal((8, 6)) * (rng.random((8, 6)) < 0.3)
    network = Network(3, (first, Layer(Affine(((1, mixed),), np.zeros(8)), np.zeros(8), np.ones(8))), Affine(((2, np.ones((1, 8))),), np.zeros(1)))
    if seed % 2:
        network = replace(network, layers=(first, replace(network.layers[1], affine=Affine(((1, sparse_copy(mixed)),), np.zeros(8)))))
    domain = ball(rng.normal(size=3), 1)
    net = flatten(network)
    replay = begin(network, net, domain.embedding, domain.rounding)
    bits = walk(rng, network.neurons, 60)
    for own, packed in zip(bits, pack(bits), strict=True):
        move(net, replay, packed, False)
        dead = ~((mixed != 0) & own[:6]).any(axis=1)
        assert [bool(vanishes(replay.form, replay.noise, 9 + i)) for i in range(8)] == dead.tolist()


@pytest.mark.parametrize("slope", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_bounds_hold_where_small_forms_meet_large_weights(slope, seed):
    """The product of a form and the unit of rounding underflows, and a weight of 2^300 brings it back."""
    rng = np.random.default_rng(seed)
    weights = [np.zeros((6, 1)), np.ldexp(rng.normal(size=(4, 6)), 300), np.ldexp(rng.normal(size=(1, 4)), 200)]
    network = chain(weights, [np.ldexp(rng.normal(size=6), -1040), np.zeros(4), np.zeros(1)], negative_slope=slope)
    domain = ball([0], 1)
    start = domain.embedding
    net, exact = flatten(network), ExactForms(network, domain.exact_embedding)
    replay = begin(network, net, start, domain.rounding)
    bits = walk(rng, network.neurons, 12)
    forms = compose(network, bits, start, domain.rounding)
    for i, packed in enumerate(pack(bits)):
        move(net, replay, packed, True)
        rows = [*exact.hidden(bits[i]), *exact.output(bits[i])]
        ours = np.concatenate([forms.hidden[i], forms.output[i]]), np.concatenate([forms.noise[i], forms.output_noise[i]])
        for computed, bound in (ours, (replay.form.T[network.inputs :], replay.noise[network.inputs :])):
            for row, own, limit in zip(rows, computed.tolist(), bound.tolist(), strict=True):
                assert sum(abs(F(v) - F(w, exact.scale)) for v, w in zip(own, row, strict=True)) <= F(limit)


def test_rounding_does_not_pile_up_without_end():
    """After MOST_FLIPS changes forms are composed anew, so the bound comes back to what it was."""
    network = random_net([3, 40, 30, 1], 5)
    domain = ball([0.1] * 3, 1)
    net = flatten(network)
    replay = begin(network, net, domain.embedding, domain.rounding)
    bits = np.ones((8 * MOST_FLIPS, network.neurons), dtype=bool)
    bits[::2, 7] = False
    sizes = []
    for packed in pack(bits):
        move(net, replay, packed, False)
        sizes.append(replay.noise[-10])
    assert max(sizes[4 * MOST_FLIPS :]) <= 1.01 * max(sizes[: 4 * MOST_FLIPS])
    assert max(sizes) > 3 * sizes[0]


@given(st.integers(0, 10**6))
def test_a_form_that_is_called_alone_is_proportional_to_no_other(seed):
    rng, network = np.random.default_rng(seed), nets(seed)
    domain = ball(rng.integers(-2, 3, network.inputs), 2)
    net = flatten(network)
    replay = begin(network, net, domain.embedding, domain.rounding)
    seen, exact = directions(net, domain.dimension + 1), ExactForms(network, domain.exact_embedding)
    bits = walk(rng, network.neurons, 12)
    said = 0
    for pattern, packed in zip(bits, pack(bits), strict=True):
        move(net, replay, packed, False)
        refresh(net, replay, seen)
        rows = exact.hidden(pattern)
        for i in rng.integers(0, network.neurons, 6).tolist():
            if net.leader[i] == i:  # what is kept until forms change, those of one layer alone too
                assert stands_alone(net, replay, seen, i) == is_alone(net, replay, seen, i)
            if is_alone(net, replay, seen, i):
                said += 1
                assert any(rows[i])
                others = [row for j, row in enumerate(rows) if net.leader[j] != net.leader[i]]
                assert not any(proportional(row, rows[i]) is not None for row in others)
    assert said or seed % 4 or network.neurons < 3 or domain.dimension == 1


@given(st.integers(1, 3), st.integers(1, 5), st.integers(0, 9), st.integers(0, 10**6))
def test_few_rows_are_composed_as_many_are(m, n, sources, seed):
    """To the last bit: the loops differ in their order alone."""
    rng = np.random.default_rng(seed)
    form, noise = rng.normal(size=(n + 1, 12 + m)), rng.random(12 + m) * 1e-16
    weight = rng.normal(size=12 * m)
    results = []
    for add in (dense_terms.add_dense, dense_terms.add_narrow):
        new, doubt = form.copy(), noise.copy()
        live, factor = np.zeros(15, dtype=np.int64), np.zeros(15)
        live[:sources] = np.sort(np.random.default_rng(seed).choice(12, sources, replace=False))
        factor[:sources] = np.random.default_rng(seed).choice([1.0, -1.0, 0.3, 2.0**-500], sources)
        normal = add(new, doubt, weight, dense_terms.Sources(live, factor, sources, 0), 12, 12 + m, 1e-15)
        results.append((new.tolist(), doubt.tolist(), bool(normal)))
    assert results[0] == results[1]


@pytest.mark.parametrize("name", [name for name, network in SPECIAL.items() if network.neurons])
def test_forms_that_are_proportional_are_never_called_alone(name):
    network = SPECIAL[name]
    domain = ball([0] * network.inputs, 1)
    net = flatten(network)
    replay = begin(network, net, domain.embedding, domain.rounding)
    seen, exact = directions(net, domain.dimension + 1), ExactForms(network, domain.exact_embedding)
    for pattern in walk(np.random.default_rng(1), network.neurons, 30):
        move(net, replay, pack(pattern[None])[0], False)
        refresh(net, replay, seen)
        rows = exact.hidden(pattern)
        for i, row in enumerate(rows):
            others = [other for j, other in enumerate(rows) if net.leader[j] != net.leader[i]]
            if not any(row) or any(not any(other) or proportional(other, row) is not None for other in others):
                assert not is_alone(net, replay, seen, i)


@pytest.mark.parametrize("k", [1, 2, 3, 30])
def test_keys_of_proportional_forms_differ_by_no_more_than_the_lemma_says(k):
    """The worst there is: a denominator just not too small, and errors of the size allowed, in the directions that move
    the key most.
    """
    rng, network = np.random.default_rng(k), chain([np.ones((2, k)), np.ones((1, 2))], [np.arange(2.0), np.zeros(1)])
    net, worst = flatten(network), 0.0
    for _ in range(200):
        seen = directions(net, k + 1)
        p, q = seen.projection
        across = rng.normal(size=k + 1) if rng.random() < 0.5 else p.copy()
        across -= (across @ q) * q
        form = across / np.linalg.norm(across) + rng.choice([-1.0, 1.0]) * 1.0001 * KEY_SMALL * q
        toward = p - (p @ form) / (q @ form) * q
        wrong = KEY_FINE * np.linalg.norm(form) * toward / np.linalg.norm(toward)
        replay = begin(network, net, np.eye(k, k + 1), np.zeros(k))
        factor = float(rng.choice([1.0, -3.0, 2.0**-200]))
        replay.form[:, k : k + 2] = np.stack([form + wrong, factor * (form - wrong)], axis=1)
        replay.noise[k : k + 2] = 0.99999 * KEY_FINE * np.linalg.norm(replay.form[:, k : k + 2], axis=0)
        refresh(net, replay, seen)
        assert seen.blind.sum() == 0
        one, two = (float(v) for v in seen.key)
        worst = max(worst, abs(one - two) / (1 + min(abs(one), abs(two))))
        assert not is_alone(net, replay, seen, 0)
        assert not is_alone(net, replay, seen, 1)
    assert 1e-5 < worst < 2.1e-5 < KEY_CLOSE


def program(rows: np.ndarray, plane: np.ndarray) -> float | None:
    """The widest point's distance by scipy, or None if the hyperplane misses the box."""
    k = len(plane) - 1
    gone = int(np.abs(plane[:-1]).argmax())
    matrix, right = [], []
    for row in rows:
        length = np.linalg.norm(row[:-1])
        matrix.append([*(-row[:-1] / length), 1.0])
        right.append(row[-1] / length)
    for sign in (1.0, -1.0):
        matrix.append([*(-sign * (np.arange(k) == gone)), 1.0])
        right.append(EDGE)
    bounds = [(-EDGE, EDGE) if j != gone else (None, None) for j in range(k)] + [(None, None)]
    found = linprog(np.append(np.zeros(k), -1.0), matrix, right, [[*plane[:-1], 0.0]], [-plane[-1]], bounds)
    return -found.fun if found.status == 0 else None


@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(0, 14))
def test_the_widest_point_and_the_multipliers_are_those_of_a_linear_program(seed, k, count):
    rng = np.random.default_rng(seed)
    rows, plane = rng.normal(size=(count, k + 1)), rng.normal(size=k + 1)
    rows[:, -1] += rng.choice([0.0, 0.5, 1.0])
    plane[-1] *= 0.3
    point, multiplier = np.zeros(k), np.zeros(count + 2)
    answer = widest(rows, count, plane, facet_lp.program(count, k), point, multiplier)
    best = program(rows, plane)
    assert answer != LOST
    if answer == FOUND:
        assert best is not None
        assert (np.abs(point) < 1).all()
        assert abs(plane[:-1] @ point + plane[-1]) < 1e-9
        slack = (rows[:, :-1] @ point + rows[:, -1]) / np.linalg.norm(rows[:, :-1], axis=1)
        assert slack.min(initial=np.inf) >= min(ENOUGH, best) - 1e-8
    else:
        assert answer == NONE
        assert best is None or best < 1e-9
        total = multiplier[:count] @ rows + multiplier[count] * plane
        assert (multiplier[:count] >= 0).all()
        assert total[-1] + np.abs(total[:-1]).sum() < 1e-9


@given(st.integers(0, 10**6), st.integers(1, 6), st.floats(0, 1e-6))
def test_points_that_prove_facets_do(seed, k, error):
    """In rationals: the point moved onto any hyperplane within the error is inside all other rows and the box."""
    rng = np.random.default_rng(seed)
    rows, point = rng.normal(size=(5, k + 1)), rng.uniform(-1, 1, k) * rng.choice([1.0, 0.999999])
    rows[0, -1] = -rows[0, :-1] @ point + rng.choice([0.0, 1e-12, 1e-3])
    rows[1:, -1] += np.abs(rows[1:, :-1]).sum(axis=1) * rng.choice([0.2, 1.0])
    if not proves_facet(np.ascontiguousarray(rows.T), np.full(5, error), 5, 0, rows[0], point, np.zeros(5), np.zeros(5)):
        return
    solved = int(np.abs(rows[0, :-1]).argmax())
    exact = [[F(v) for v in row] for row in rows.tolist()]
    for shift in (F(error), -F(error), F(0)):
        for lead in (F(error), -F(error), F(0)):
            if abs(shift) + abs(lead) > F(error):
                continue
            plane = exact[0].copy()
            plane[-1] += shift
            plane[solved] += lead
            q = [F(v) for v in point.tolist()]
            rest = plane[-1] + sum(a * x for j, (a, x) in enumerate(zip(plane, q, strict=False)) if j != solved)
            q[solved] = -rest / plane[solved]
            assert all(abs(x) < 1 for x in q)
            for row in exact[1:]:
                assert row[-1] + sum(a * x for a, x in zip(row, q, strict=False)) > F(error)


@pytest.mark.parametrize("seed", range(40))
def test_a_facet_is_found_where_there_is_one_and_refuted_where_there_is_none(seed):
    """Against a linear program, for cells and points of which many miss the facet at first; all ways to find one are
    taken.
    """
    rng = np.random.default_rng(seed)
    k, count = int(rng.integers(2, 7)), int(rng.integers(2, 16))
    found = 0
    for _ in range(60):
        u = rng.uniform(-0.5, 0.5, k)
        rows = rng.normal(size=(count, k + 1))
        rows[:, k] = -rows[:, :k] @ u + rng.uniform(0.01, 0.4, count)  # u is inside
        own = int(rng.integers(count))
        v = u - rows[own, :k] * rng.uniform(0.3, 1.5) + 0.3 * rng.normal(size=k)
        if rows[own, :k] @ v + rows[own, k] >= 0:
            continue
        half, work = np.delete(rows, own, axis=0), room(count + 4, k)
        work.rows[:, :count], work.error[:] = rows.T, 1e-14
        best = program(half, rows[own])
        state = find_facet(u, v, own, count, False, True, work)
        if state == FACET:
            assert best is not None
            assert best > 0
            assert (half[:, :k] @ work.rounded + half[:, k] > 0).all()
            assert abs(rows[own, :k] @ work.rounded + rows[own, k]) < 1e-9
            found += 1
        elif state == NO_FACET:
            assert best is None or best < 1e-9
        else:
            assert best is None or abs(best) < 1e-6
    assert found > 5
