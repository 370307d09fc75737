"""The engine contract, for every engine: regions against exact oracles and one another, claims in rationals, limits."""

from __future__ import annotations

import itertools
from fractions import Fraction as F
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nets import SOLVER_GIVES_UP, SPECIAL, quarter_net, random_net, residual_net, sliver_nets, small_nets, zero_bias_net
from oracles import brute_force_patterns, clip_regions, compose, exact_layers

from polylc.domains.ball import ball
from polylc.domains.box import Neighbourhood, box
from polylc.engines.contract import Claims, Exploration, Limits, Outcome, check_contract, join_claims
from polylc.engines.dictionary.engine import DictionaryEngine
from polylc.engines.lp import LpEngine
from polylc.engines.vertex.engine import VertexEngine
from polylc.judge.by_node import Judge
from polylc.judge.verdict import Verdict
from polylc.network.form import Affine, Layer, Network, pattern_at
from polylc.network.patterns import unpack

ENGINES: list[Any] = [LpEngine, DictionaryEngine, VertexEngine]
Patterns = set[tuple[bool, ...]]
every_engine = pytest.mark.parametrize("engine", ENGINES, ids=lambda e: e.name)


def explore(engine: Any, network: Network, domain: Neighbourhood) -> Exploration:
    found = engine(network, domain).explore()
    check_contract(network, domain, found)
    assert found.complete
    return found


def judged(engine: Any, network: Network, domain: Neighbourhood) -> Verdict:
    judge = Judge(network, domain)
    verdict = judge.verdict(engine(network, domain, judge).explore())
    check_contract(network, domain, verdict.exploration)
    return verdict


def patterns(network: Network, found: Exploration) -> Patterns:
    return {tuple(row) for row in unpack(found.bits, network.neurons).tolist()}


def unit_box(network: Network) -> Neighbourhood:
    return box([-1] * network.inputs, [1] * network.inputs)


# ---- regions ---------------------------------------------------------------------------------------------------------
@every_engine
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("make", [random_net, quarter_net])
def test_regions_equal_the_exact_clipper_in_two_dimensions(engine, make, seed):
    network = make([2, 7, 5, 1], seed)
    assert patterns(network, explore(engine, network, unit_box(network))) == {c.bits for c in clip_regions(network, unit_box(network))}


@every_engine
@pytest.mark.parametrize("name", SPECIAL)
def test_special_position_before_and_after_the_judge(engine, name):
    network, domain = SPECIAL[name], box([-1, -1], [1, 1])
    truth = {c.bits for c in clip_regions(network, domain)}
    assert patterns(network, explore(engine, network, domain)) == truth
    assert patterns(network, judged(engine, network, domain).exploration) == truth


@every_engine
@given(small_nets(max_inputs=3, max_depth=2))
@example(SOLVER_GIVES_UP)
def test_regions_equal_exact_brute_force(engine, network):
    truth = brute_force_patterns(network, unit_box(network))
    assert patterns(network, judged(engine, network, unit_box(network)).exploration) == truth


@every_engine
@given(sliver_nets())
def test_slivers_and_near_duplicates_are_right_after_the_judge(engine, network):
    assert patterns(network, judged(engine, network, unit_box(network)).exploration) == brute_force_patterns(network, unit_box(network))


def some_net(kind: str, n: int, seed: int) -> Network:
    if kind == "residual":
        return residual_net(seed)
    if kind == "leaky":
        return random_net([n, 6, 5, 2], seed, negative_slope=0.25)
    return {"random": random_net, "quarters": quarter_net, "central": zero_bias_net}[kind]([n, 7, 5, 2], seed)


@given(st.sampled_from(["random", "quarters", "central", "leaky", "residual"]), st.integers(1, 5), st.integers(0, 10**6))
def test_all_engines_agree_region_by_region(kind, n, seed):
    """Patterns, order after the judge, and that every engine's own point lies in its region."""
    network = some_net(kind, n, seed)
    domain = ball(np.random.default_rng(seed).integers(-1, 2, network.inputs) / 4, 1)
    verdicts = [judged(engine, network, domain) for engine in ENGINES]
    first = patterns(network, verdicts[0].exploration)
    for verdict in verdicts:
        found = verdict.exploration
        assert len(found.bits) == len(first)
        assert patterns(network, found) == first
        points = [verdict.points[r] for r in range(len(found.bits))]
        shown = pattern_at(network, domain.lift(np.array(points, dtype=np.float64) * domain.half))
        assert (shown == unpack(found.bits, network.neurons)).all() or kind != "random"


@every_engine
@given(st.integers(0, 10**6), st.integers(1, 5), st.sampled_from(["0.05", "0.5", "2"]))
def test_patterns_of_sampled_points_are_listed(engine, seed, n, radius):
    network = random_net([n, 6, 5, 2], seed)
    rng = np.random.default_rng(seed)
    domain = ball(rng.normal(size=n), radius)
    found = explore(engine, network, domain)
    sample = domain.lift(rng.uniform(-1, 1, (400, domain.dimension)) * domain.half)
    assert {tuple(row) for row in pattern_at(network, sample).tolist()} <= patterns(network, found)
    inside = domain.lift(found.unit * domain.half)
    assert (pattern_at(network, inside) == unpack(found.bits, network.neurons)).all()


@every_engine
def test_tiny_and_far_neighbourhoods_are_seen_at_their_own_scale(engine):
    network = random_net([2, 7, 5, 1], 3)
    cells = clip_regions(network, box([-1, -1], [1, 1]))
    corner = max((p for c in cells for p in c.corners if max(abs(p[0]), abs(p[1])) < 1), key=lambda p: p[0])
    for exponent in (4, 10, 20):
        domain = ball(corner, F(1, 2**exponent))
        assert patterns(network, explore(engine, network, domain)) == {c.bits for c in clip_regions(network, domain)}


@every_engine
@pytest.mark.parametrize("seed", range(2))
def test_other_units_skip_connections_fixed_coordinates_and_clipped_balls(engine, seed):
    for network in (random_net([3, 6, 5, 2], seed, negative_slope=0.125), residual_net(seed)):
        for domain in (unit_box(network), box(["-0.5", "0.25", -2], ["0.5", "0.25", 1]), ball([0, "0.1", 1], "0.75", ((F(0),), (F(1),)))):
            found = explore(engine, network, domain)
            assert patterns(network, found) == patterns(network, LpEngine(network, domain).explore())
            verdict = judged(engine, network, domain)
            assert patterns(network, verdict.exploration) == patterns(network, found)
            assert verdict.tally.claims_refuted == verdict.tally.regions_found == 0


# ---- claims ----------------------------------------------------------------------------------------------------------
def exact_bound(network: Network, domain: Neighbourhood, found: Exploration, leaf_bits: np.ndarray, claims: Claims, c: int) -> F:
    """Lower bound that a claim's multipliers prove, in rationals: min over the box of s z - sum y g."""
    layers, n = exact_layers(network), network.inputs
    forms, sources, at = [], [tuple(F(int(i == j)) for i in range(n + 1)) for j in range(n)], 0
    for weights, bias in layers[:-1]:
        z = compose(weights, bias, sources)
        forms += z
        sources = [f if on else (F(0),) * (n + 1) for f, on in zip(z, leaf_bits[at : at + len(z)], strict=True)]
        at += len(z)
    total = [int(claims.sign[c]) * v for v in forms[claims.neuron[c]]]
    for e in range(claims.starts[c], claims.starts[c + 1]):
        node = claims.constraint[e]
        sign = 1 if found.side[node] == 1 else -1
        y = F(float(claims.multiplier[e]))
        assert y >= 0
        total = [t - y * sign * v for t, v in zip(total, forms[found.neuron[node]], strict=True)]
    return total[-1] + sum((min(t * a, t * b) for t, a, b in zip(total, domain.lower, domain.upper, strict=False)), F(0))


@every_engine
@pytest.mark.parametrize(("widths", "seed"), [([2, 8, 6, 1], 0), ([3, 6, 6, 2], 1), ([4, 5, 5, 1], 2), ([1, 6, 6, 1], 3)])
def test_claims_are_complete_and_their_multipliers_prove_them(engine, widths, seed):
    """Every neuron is split on a region's path, or claimed on it with the bit's sign; in rationals the bounds are at
    most rounding below 0.
    """
    network = random_net(widths, seed)
    domain = unit_box(network)
    chunks: list[Any] = []
    found = engine(network, domain, chunks.append).explore()
    claims = join_claims([c.claims for c in chunks])
    bits = unpack(found.bits, network.neurons)
    ancestors = []
    for node in found.leaf:
        line = []
        while node >= 0:
            line.append(int(node))
            node = found.parent[node]
        ancestors.append(line)
    for r, line in enumerate(ancestors):
        split = {int(found.neuron[node]) for node in line if node}
        here = np.flatnonzero(np.isin(claims.node, line))
        assert split | set(claims.neuron[here].tolist()) == set(range(network.neurons))
        assert all((claims.sign[c] > 0) == bits[r, claims.neuron[c]] for c in here)
    for c in range(len(claims)):
        below = next(r for r, line in enumerate(ancestors) if claims.node[c] in line)
        path = set(ancestors[below])
        assert all(int(node) in path for node in claims.constraint[claims.starts[c] : claims.starts[c + 1]])
        assert exact_bound(network, domain, found, bits[below], claims, c) > -F(1, 10**9)


@every_engine
@pytest.mark.parametrize("widths", [[2, 16, 16, 1], [3, 10, 8, 8, 1], [5, 8, 8, 1]])
def test_in_general_position_doubles_confirm_everything(engine, widths):
    network = random_net(widths, 4)
    tally = judged(engine, network, unit_box(network)).tally
    assert tally.claims_filter > 0
    assert tally.claims_integers + tally.claims_simplex + tally.claims_refuted == 0
    assert tally.regions_integers + tally.regions_simplex + tally.regions_refuted + tally.regions_found == 0


# ---- limits ----------------------------------------------------------------------------------------------------------
@every_engine
def test_limits_stop_with_what_was_found(engine):
    network, domain = random_net([3, 12, 12, 1], 0), box([-1] * 3, [1] * 3)
    whole = patterns(network, explore(engine, network, domain))
    found = engine(network, domain).explore(Limits(regions=10))
    assert found.outcome is Outcome.REGION_LIMIT
    assert len(found.leaf) == 10
    assert patterns(network, found) < whole
    check_contract(network, domain, found)
    assert engine(network, domain).explore(Limits(deadline=0.0)).outcome is Outcome.TIME_LIMIT
    assert engine(network, domain).explore(Limits(stop=lambda: True)).outcome is Outcome.INTERRUPTED


@every_engine
def test_progress_reaches_one_and_counts_regions(engine):
    network, domain = random_net([2, 8, 8, 1], 0), box([-1, -1], [1, 1])
    seen: list[tuple[int, float]] = []
    found = engine(network, domain).explore(progress=lambda regions, share: seen.append((regions, share)))
    assert seen[-1] == (len(found.leaf), 1.0)
    assert all(a[1] <= b[1] for a, b in itertools.pairwise(seen))


# ---- neurons that cost nothing ---------------------------------------------------------------------------------------
def splits(engine, network, domain):
    """Neurons by which some cell is split, and how many cells there are."""
    found = explore(engine, network, domain)
    return set(found.neuron[1:].tolist()), len(found.parent)


@every_engine
def test_maxima_with_one_winner_and_clips_inside_one_piece_split_nothing(engine):
    """max(x, y) where x > y, a clip to [-8, 8], and a unit with a fold outside: only the last neuron folds inside."""
    rows, bias = np.array([[1.0, -1], [1, 0], [1, 0], [0, 1], [1, 1]]), np.array([0.0, 8, -8, 5, 0])
    network = Network(2, (Layer(Affine(((0, rows),), bias), np.zeros(5), np.ones(5)),), Affine(((1, np.ones((1, 5))),), np.zeros(1)))
    assert splits(engine, network, box([F(1, 2), -2], [2, F(-1, 2)])) == ({4}, 3)


@every_engine
@pytest.mark.parametrize("seed", range(3))
def test_neurons_on_one_hyperplane_split_each_cell_once(engine, seed):
    """Repeated, scaled and opposite rows are decided by the split of the first: as many cells as without them."""
    alone = random_net([2, 6, 3, 1], seed)
    (_, weight), bias = alone.layers[0].affine.terms[0], alone.layers[0].affine.bias
    times = np.repeat([1.0, 2.0, -0.5], 6)
    first = Layer(Affine(((0, np.vstack([weight] * 3) * times[:, None]),), np.tile(bias, 3) * times), np.zeros(18), np.ones(18))
    second = alone.layers[1].affine.terms[0][1]
    layers = (first, Layer(Affine(((1, np.hstack([second, np.zeros((3, 12))])),), alone.layers[1].affine.bias), np.zeros(3), np.ones(3)))
    many = Network(2, layers, alone.output)
    assert splits(engine, many, unit_box(many))[1] == splits(engine, alone, unit_box(alone))[1]
