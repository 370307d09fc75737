"""Neurons that define one hyperplane: the table of them by brute force; whatever is computed of a network with copied
units against the network itself, and against exact oracles; engines that know nothing of twins.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import SPECIAL, l1_net, multiplied, quarter_net, random_net, sliver_nets, small_nets, zero_bias_net
from oracles import brute_force_adjacent, brute_force_regions, regions_of_any_network

from polylc import checker
from polylc.api.certify import certify
from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph, build_graph
from polylc.complex.sweep_threads import sweep_all
from polylc.domains.box import Neighbourhood, box
from polylc.engines.contract import check_contract
from polylc.engines.dictionary.engine import DictionaryEngine
from polylc.engines.extras import UNSEEN, Wishes
from polylc.engines.lp import LpEngine
from polylc.engines.vertex.engine import VertexEngine
from polylc.judge.by_node import Judge
from polylc.judge.by_region import RegionJudge
from polylc.network.form import Affine, Layer, Network, forward
from polylc.network.twins import Twins, twins
from polylc.network.weights import sparse_copy
from polylc.search.enumerate import enumerate_regions

ENGINES = [LpEngine, DictionaryEngine, VertexEngine]
COUNTS = ("regions", "adjacencies", "affine_functions", "pieces")
FACTORS = {"doubled": [1.0], "tripled": [2.0, 3.0], "turned": [-1.0], "mixed": [-0.5, 1.0, -3.0]}
copied = pytest.mark.parametrize("factors", FACTORS.values(), ids=FACTORS.keys())


def single(widths: list[int], seed: int) -> Network:
    """No special position."""
    return short_weights(random_net(widths, seed))


def short_weights(network: Network) -> Network:
    """Weights of 24 bits, so that their multiples are doubles."""

    def short(affine: Affine) -> Affine:
        return Affine(tuple((s, w.astype(np.float32).astype(float)) for s, w in affine.terms), affine.bias.astype(np.float32).astype(float))

    layers = tuple(Layer(short(layer.affine), layer.negative, layer.positive) for layer in network.layers)
    return Network(network.inputs, layers, short(network.output))


def unit_box(network: Network) -> Neighbourhood:
    return box([-1] * network.inputs, [1] * network.inputs)


def alone(network: Network) -> Twins:
    """A table that knows of no twins."""
    n = network.neurons
    return Twins(np.arange(n), np.ones(n), np.ones(n, dtype=bool), np.zeros(n + 1, dtype=np.int64), np.zeros(0, dtype=np.int64))


def patterns(complex_: Complex, where: np.ndarray | slice = slice(None)) -> list[tuple[bool, ...]]:
    return [tuple(row) for row in complex_.patterns()[:, where].tolist()]


def edges(complex_: Complex, graph: RegionGraph, where: np.ndarray | slice = slice(None)) -> set[frozenset[tuple[bool, ...]]]:
    bits = patterns(complex_, where)
    return {frozenset((bits[a], bits[b])) for a, b in zip(graph.first.tolist(), graph.second.tolist(), strict=True)}


# ---- the table -------------------------------------------------------------------------------------------------------
def ratio(row: list[F], other: list[F]) -> F | None:
    """s with row = s * other, s != 0, for rows with weights."""
    at = next((j for j, v in enumerate(other[:-1]) if v), None)
    if at is None or not row[at]:
        return None
    s = row[at] / other[at]
    return s if all(v == s * w for v, w in zip(row, other, strict=True)) else None


@given(sliver_nets(3, 3), st.booleans(), st.integers(0, 10**6))
def test_groups_are_those_of_rows_compared_in_pairs(network, sparse, seed):
    network, _ = multiplied(network, [[], [1.0], [-3.0, 0.5]][seed % 3], seed)
    if sparse:
        layers = tuple(replace(m, affine=Affine(tuple((s, sparse_copy(w)) for s, w in m.affine.terms), m.affine.bias)) for m in network.layers)
        found, network = twins(replace(network, layers=layers)), network
    else:
        found = twins(network)
    for layer, first in zip(network.layers, network.offsets.tolist(), strict=False):
        rows = [[F(v) for v in (*np.concatenate([w[i] for _, w in layer.affine.terms]).tolist(), layer.affine.bias[i])] for i in range(layer.width)]
        for i, row in enumerate(rows):
            leader, s = next(((j, ratio(row, rows[j])) for j in range(i) if ratio(row, rows[j]) is not None), (i, F(1)))
            assert found.leader[first + i] == first + leader
            assert found.ratio[first + i] == float(s)
            assert not found.short[first + i] or F(float(s)) == s
    for leader, (begin, end) in enumerate(itertools.pairwise(found.begin.tolist())):
        assert found.mate[begin:end].tolist() == [i for i in np.flatnonzero(found.leader == leader).tolist() if i != leader]


@given(st.integers(0, 10**6))
def test_a_row_that_a_last_bit_sets_apart_is_no_twin(seed):
    rng = np.random.default_rng(seed)
    row = rng.normal(size=4)
    other = row * 2.0
    at = int(rng.integers(4))
    other[at] = np.nextafter(other[at], np.inf)
    layer = Layer(Affine(((0, np.stack([row, other])),), np.array([1.0, 2.0])), np.zeros(2), np.ones(2))
    assert twins(Network(4, (layer,), Affine(((1, np.ones((1, 2))),), np.zeros(1)))).leader.tolist() == [0, 1]


def test_residual_terms_are_part_of_a_row():
    """The same weights in one term, others in the other."""
    one, two = np.array([[1.0], [2.0], [-4.0]]), np.array([[3.0, 0.0], [6.0, 0.0], [-12.0, 1.0]])
    first = Layer(Affine(((0, np.array([[1.0], [-1.0]])),), np.zeros(2)), np.zeros(2), np.ones(2))
    second = Layer(Affine(((0, one), (1, two)), np.array([0.5, 1.0, -2.0])), np.zeros(3), np.ones(3))
    network = Network(1, (first, second), Affine(((2, np.ones((1, 3))),), np.zeros(1)))
    assert twins(network).leader.tolist() == [0, 0, 2, 2, 4]
    assert twins(network).ratio.tolist() == [1.0, -1.0, 1.0, 2.0, 1.0]


# ---- regions ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("engine", ENGINES, ids=lambda e: e.name)
@copied
@pytest.mark.parametrize("widths", [[2, 5, 4, 1], [3, 4, 3, 1], [4, 3, 3, 1]])
def test_copies_change_no_region(engine, factors, widths):
    network = single(widths, sum(widths))
    larger, where = multiplied(network, factors, 1)
    points = np.random.default_rng(0).normal(size=(20, widths[0]))
    np.testing.assert_allclose(forward(larger, points), forward(network, points), rtol=1e-12, atol=1e-12)
    domain = unit_box(network)
    judge = Judge(larger, domain, keep=True)
    found = engine(larger, domain, judge).explore()
    check_contract(larger, domain, found if len(found.bits) else judge.verdict(found).exploration)
    verdict = judge.verdict(found)
    assert verdict.tally.claims_refuted == verdict.tally.regions_refuted == 0
    truth = patterns(enumerate_regions(network, domain)[0])
    complex_ = Complex.of(larger, domain, verdict.exploration)
    assert sorted(patterns(complex_, where[:, 0])) == sorted(truth)
    for node, neuron in zip(found.parent.tolist(), found.neuron.tolist(), strict=True):
        assert node < 0 or twins(larger).leader[neuron] == neuron  # each hyperplane was cut by once


@pytest.mark.parametrize("engine", ENGINES, ids=lambda e: e.name)
@given(small_nets(max_inputs=2, max_depth=2), st.sampled_from(list(FACTORS.values())), st.integers(0, 10**6))
def test_regions_of_copies_in_special_position_equal_brute_force(engine, network, factors, seed):
    larger, where = multiplied(network, factors, seed)
    domain = unit_box(network)
    truth = set()
    for region in brute_force_regions(network, domain):
        bits = np.zeros(larger.neurons, dtype=bool)
        for neuron, form in enumerate(region.hidden):
            for copy, factor in zip(where[neuron].tolist(), [1.0, *factors], strict=True):
                bits[copy] = any(form) and region.bits[neuron] == (factor > 0)
        truth.add(tuple(bits.tolist()))
    judge = Judge(larger, domain)
    assert set(patterns(Complex.of(larger, domain, judge.verdict(engine(larger, domain, judge).explore()).exploration))) == truth


@copied
def test_regions_of_copies_equal_brute_force_over_all_their_patterns(factors):
    larger, _ = multiplied(quarter_net([2, 2, 1, 1], 3), factors, 2)
    domain = box([-1, -1], [1, 1])
    truth = {bits for bits, _ in regions_of_any_network(larger, domain)}
    assert set(patterns(enumerate_regions(larger, domain)[0])) == truth


@copied
@pytest.mark.parametrize(
    "network", [single([2, 6, 5, 1], 0), single([3, 5, 4, 1], 1), quarter_net([2, 4, 3, 1], 2), short_weights(zero_bias_net([3, 4, 1], 0)), l1_net(3)]
)
def test_the_judge_of_regions_settles_copies(factors, network):
    """And it finds what the judge of nodes finds; what it says is near a region is not less than what is."""
    larger, _ = multiplied(network, factors, 4)
    domain = unit_box(network)
    one, two = RegionJudge(larger, domain), Judge(larger, domain)
    first, second = (judge.verdict(VertexEngine(larger, domain, judge).explore()) for judge in (one, two))
    assert (first.exploration.bits == second.exploration.bits).all()
    plain, *others = (Complex.of(larger, domain, first.exploration, known, proved) for known in (None, first.near) for proved in (False, True))
    for other in others:
        assert edges(plain, build_graph(plain)) == edges(other, build_graph(other))


# ---- the graph, and what is measured ---------------------------------------------------------------------------------
@copied
@pytest.mark.parametrize("widths", [[2, 6, 5, 1], [3, 5, 4, 1], [4, 4, 4, 1], [6, 4, 3, 1]])
def test_copies_change_no_edge(factors, widths):
    """Nor do they go the slow way: doubles see that their hyperplanes are those of others."""
    network = single(widths, sum(widths))
    larger, where = multiplied(network, factors, 2)
    domain = unit_box(network)
    small, large = (enumerate_regions(net, domain, wishes=Wishes(facets=True))[0] for net in (network, larger))
    truth = build_graph(small)
    for complex_ in (large, replace(large, seen=UNSEEN)):
        for keep in (False, True):
            graph = build_graph(complex_, keep=keep)
            assert edges(complex_, graph, where[:, 0]) == edges(small, truth)
            assert (graph.flips == (1 + len(factors))).all()
            assert (graph.flips == (complex_.patterns(graph.first) ^ complex_.patterns(graph.second)).sum(axis=1)).all()
        assert len(sweep_all(complex_, True, False).odd) == len(sweep_all(small, True, False).odd) == 0


@copied
@pytest.mark.parametrize("name", SPECIAL)
def test_edges_of_copies_in_special_position(factors, name):
    network = SPECIAL[name]
    larger, where = multiplied(network, factors, 3)
    domain = unit_box(network)
    regions = brute_force_regions(network, domain)
    truth = {frozenset((regions[a].bits, regions[b].bits)) for a, b in brute_force_adjacent(regions, domain)}
    complex_ = enumerate_regions(larger, domain)[0]
    assert edges(complex_, build_graph(complex_), where[:, 0]) == truth


@copied
@pytest.mark.parametrize("widths", [[2, 5, 4, 2], [3, 4, 4, 2], [4, 4, 3, 2]])
def test_copies_change_no_answer(tmp_path, factors, widths):
    network = single(widths, sum(widths))
    larger, _ = multiplied(network, factors, 5)
    center = [0.0] * widths[0]
    one, two = (certify(net, center, radius=1, measures="all", exact_volumes=True, proof=tmp_path / str(net.neurons))[0] for net in (network, larger))
    assert [getattr(one, name) for name in COUNTS] == [getattr(two, name) for name in COUNTS]
    (verified,) = checker.check_file(tmp_path / str(larger.neurons))
    assert (verified.regions, verified.parts) == (two.regions, checker.PARTS)
    assert [(r.least, r.most) for r in two.local_rank] == [(r.least, r.most) for r in one.local_rank]
    assert two.robustness.exact_distance == one.robustness.exact_distance
    near = functools.partial(pytest.approx, rel=1e-12)
    assert [q.lower for q in two.total_variation.values()] == near([q.lower for q in one.total_variation.values()])
    assert two.kink_variation.lower == near(one.kink_variation.lower)
    assert [c.quantity.lower for c in two.lipschitz] == near([c.quantity.lower for c in one.lipschitz])
    plain, copies = ({version: q.lower for version, q in r.local_complexity.items()} for r in (one, two))
    assert copies.pop("activation") == near((1 + len(factors)) * plain.pop("activation"))
    assert copies == near(plain)


# ---- those who know nothing of twins ---------------------------------------------------------------------------------
@copied
@pytest.mark.parametrize("widths", [[2, 5, 4, 1], [3, 4, 3, 1]])
def test_an_engine_may_know_nothing_of_twins(monkeypatch, factors, widths):
    """It claims of every copy by itself, and may split any of them."""
    network = single(widths, 7)
    larger, where = multiplied(network, factors, 6)
    domain = unit_box(network)
    monkeypatch.setattr("polylc.engines.layerwise.twins", alone)
    judge = Judge(larger, domain, keep=True)
    verdict = judge.verdict(LpEngine(larger, domain, judge).explore())
    assert verdict.tally.claims_refuted == 0
    small = enumerate_regions(network, domain)[0]
    complex_ = Complex.of(larger, domain, verdict.exploration)
    assert edges(complex_, build_graph(complex_), where[:, 0]) == edges(small, build_graph(small))


@copied
@pytest.mark.parametrize("seed", range(3))
def test_paths_may_name_any_neuron_of_a_group(factors, seed):
    """On every node another twin, with the side that fits it."""
    network = single([3, 5, 4, 1], seed)
    larger, _ = multiplied(network, factors, seed)
    complex_ = enumerate_regions(larger, unit_box(network))[0]
    truth = edges(complex_, build_graph(complex_))
    table, rng = twins(larger), np.random.default_rng(seed)
    groups = {i: [i, *table.mate[table.begin[i] : table.begin[i + 1]].tolist()] for i in range(larger.neurons)}
    named: dict[tuple[tuple[int, int], ...], int] = {}  # by the path to a node
    neuron = complex_.neuron.copy()
    for begin, end in itertools.pairwise(complex_.starts.tolist()):
        path = tuple(zip(complex_.neuron[begin:end].tolist(), complex_.side[begin:end].tolist(), strict=True))
        neuron[begin:end] = [named.setdefault(path[:e], rng.choice(groups[i])) for e, (i, _) in enumerate(path)]
    side = np.where(table.ratio[neuron] > 0, complex_.side, 1 - complex_.side).astype(complex_.side.dtype)
    for keep in (False, True):
        other = replace(complex_, neuron=neuron, side=side)
        assert edges(other, build_graph(other, keep=keep)) == truth
