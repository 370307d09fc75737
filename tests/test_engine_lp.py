"""The lp engine: its contract, its regions against exact oracles, its claims in rationals."""

from __future__ import annotations

import itertools
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nets import SOLVER_GIVES_UP, SPECIAL, quarter_net, random_net, small_nets
from oracles import brute_force_patterns, clip_regions, compose, exact_layers

from polylc.engines.lp import LpEngine
from polylc.engines.tree import Exploration, Limits, Outcome, check_contract, join_claims
from polylc.geometry.neighbourhood import Neighbourhood, ball, box
from polylc.network.evaluate import pattern_at
from polylc.network.form import Network
from polylc.network.patterns import unpack


def explore(network: Network, domain: Neighbourhood) -> Exploration:
    found = LpEngine(network, domain).explore()
    check_contract(network, domain, found)
    assert found.complete
    return found


def patterns(network: Network, found: Exploration) -> set[tuple[bool, ...]]:
    return {tuple(row) for row in unpack(found.bits, network.neurons).tolist()}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("make", [random_net, quarter_net])
def test_regions_equal_the_exact_clipper_in_two_dimensions(make, seed):
    network = make([2, 7, 5, 1], seed)
    domain = box([-1, -1], [1, 1])
    assert patterns(network, explore(network, domain)) == {c.bits for c in clip_regions(network, domain)}


@pytest.mark.parametrize("name", SPECIAL)
def test_special_position_in_two_dimensions(name):
    network, domain = SPECIAL[name], box([-1, -1], [1, 1])
    assert patterns(network, explore(network, domain)) == {c.bits for c in clip_regions(network, domain)}


@given(small_nets(max_inputs=3, max_depth=2))
@example(SOLVER_GIVES_UP)
def test_regions_equal_exact_brute_force(network):
    domain = box([-1] * network.inputs, [1] * network.inputs)
    assert patterns(network, explore(network, domain)) == brute_force_patterns(network, domain)


@given(st.integers(0, 10**6), st.integers(1, 6), st.sampled_from(["0.05", "0.5", "2"]))
def test_patterns_of_sampled_points_are_listed(seed, n, radius):
    network = random_net([n, 6, 5, 2], seed)
    rng = np.random.default_rng(seed)
    domain = ball(rng.normal(size=n), radius)
    found = explore(network, domain)
    sample = domain.lift(rng.uniform(-1, 1, (400, domain.dimension)) * domain.half)
    assert {tuple(row) for row in pattern_at(network, sample).tolist()} <= patterns(network, found)
    inside = domain.lift(found.unit * domain.half)
    assert (pattern_at(network, inside) == unpack(found.bits, network.neurons)).all()


def exact_bound(network: Network, domain: Neighbourhood, found: Exploration, leaf_bits: np.ndarray, claims, c: int) -> F:
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


@pytest.mark.parametrize(("widths", "seed"), [([2, 8, 6, 1], 0), ([3, 6, 6, 2], 1), ([4, 5, 5, 1], 2), ([1, 6, 6, 1], 3)])
def test_claims_are_complete_and_their_multipliers_prove_them(widths, seed):
    network = random_net(widths, seed)
    domain = box([-1] * widths[0], [1] * widths[0])
    chunks = []
    found = LpEngine(network, domain, chunks.append).explore()
    claims = join_claims([c.claims for c in chunks])
    bits = unpack(found.bits, network.neurons)
    ancestors = []
    for node in found.leaf:
        line = []
        while node >= 0:
            line.append(int(node))
            node = found.parent[node]
        ancestors.append(line)
    for r, line in enumerate(ancestors):  # every neuron is split on the path, or claimed on it with the bit's sign
        split = {int(found.neuron[node]) for node in line if node}
        here = np.flatnonzero(np.isin(claims.node, line))
        claimed = set(claims.neuron[here].tolist())
        assert split | claimed == set(range(network.neurons))
        assert all((claims.sign[c] > 0) == bits[r, claims.neuron[c]] for c in here)
    for c in range(len(claims)):
        below = next(r for r, line in enumerate(ancestors) if claims.node[c] in line)
        path = set(ancestors[below])
        assert all(int(node) in path for node in claims.constraint[claims.starts[c] : claims.starts[c + 1]])
        assert exact_bound(network, domain, found, bits[below], claims, c) > -F(1, 10**9)


def test_limits_stop_with_what_was_found():
    network, domain = random_net([3, 12, 12, 1], 0), box([-1] * 3, [1] * 3)
    whole = patterns(network, explore(network, domain))
    found = LpEngine(network, domain).explore(Limits(regions=10))
    assert found.outcome is Outcome.REGION_LIMIT
    assert len(found.leaf) == 10
    assert patterns(network, found) < whole
    check_contract(network, domain, found)
    assert LpEngine(network, domain).explore(Limits(deadline=0.0)).outcome is Outcome.TIME_LIMIT
    assert LpEngine(network, domain).explore(Limits(stop=lambda: True)).outcome is Outcome.INTERRUPTED


def test_progress_reaches_one_and_counts_regions():
    network, domain = random_net([2, 8, 8, 1], 0), box([-1, -1], [1, 1])
    seen = []
    found = LpEngine(network, domain).explore(progress=lambda regions, share: seen.append((regions, share)))
    assert seen[-1] == (len(found.leaf), 1.0)
    assert all(a[1] <= b[1] for a, b in itertools.pairwise(seen))


def test_tiny_and_far_neighbourhoods_are_seen_at_their_own_scale():
    network = random_net([2, 7, 5, 1], 3)
    cells = clip_regions(network, box([-1, -1], [1, 1]))
    corner = max((p for c in cells for p in c.corners if max(abs(p[0]), abs(p[1])) < 1), key=lambda p: p[0])
    for exponent in (4, 10, 20):
        domain = ball(corner, F(1, 2**exponent))
        assert patterns(network, explore(network, domain)) == {c.bits for c in clip_regions(network, domain)}
