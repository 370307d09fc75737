"""Regions judged one by one: what is confirmed is true, what is near is all that touches, and what does not fit is
refused.
"""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import SPECIAL, quarter_net, random_net, residual_net, sliver_nets, small_nets, zero_bias_net
from oracles import brute_force_adjacent, brute_force_patterns, brute_force_regions

from polylc.api.certify import certify
from polylc.bounds.interval import clearance, not_clear
from polylc.complex.complex import Complex
from polylc.complex.graph import build_graph
from polylc.domains.box import Neighbourhood, box
from polylc.engines.contract import Chunk
from polylc.engines.extras import UNSEEN
from polylc.engines.vertex.engine import VertexEngine
from polylc.errors import JudgeError
from polylc.exact.lazy import minimise_lazily
from polylc.exact.simplex import ExactMinimum
from polylc.judge import by_region
from polylc.judge import region_filter as region_kernels
from polylc.judge.by_node import Judge
from polylc.judge.by_region import RegionJudge, UnsettledError
from polylc.judge.node_filter import Tree
from polylc.judge.verdict import Verdict
from polylc.network.exact_forms import ExactForms
from polylc.network.form import Network
from polylc.network.patterns import unpack

GENERAL = [
    random_net([1, 6, 5, 1], 0),
    random_net([2, 12, 8, 1], 1),
    random_net([2, 40, 40, 2], 2),  # two words
    random_net([3, 8, 8, 1], 3),
    random_net([4, 7, 5, 1], 4),
    random_net([5, 6, 4, 1], 5),
    random_net([2, 9, 9, 1], 6, negative_slope=0.1),
    residual_net(7),
]


def unit_box(network: Network) -> Neighbourhood:
    return box([-1] * network.inputs, [1] * network.inputs)


def judged(network: Network, change=lambda chunk: chunk) -> Verdict:
    """The verdict on what the vertex engine finds, chunks changed on the way."""
    judge = RegionJudge(network, unit_box(network))

    def sink(chunk: Chunk) -> None:
        judge(change(chunk))

    sink.by_region = True
    return judge.verdict(VertexEngine(network, unit_box(network), sink).explore())


def near_is_right(network: Network, verdict: Verdict) -> None:
    """Neurons that are not near certainly have a strict sign on the closed cell, by the exact simplex."""
    domain, found = unit_box(network), verdict.exploration
    forms = ExactForms(network, domain.exact_embedding)
    starts, neuron, side = found.paths()
    bits, near = unpack(found.bits, network.neurons), unpack(verdict.near, network.neurons)
    k = domain.dimension
    for r in range(len(bits)):
        hidden = forms.hidden(bits[r])
        path = range(starts[r], starts[r + 1])
        rows = [hidden[neuron[e]] if side[e] == 1 else tuple(-v for v in hidden[neuron[e]]) for e in path]
        for i in np.flatnonzero(~near[r]).tolist():
            target = hidden[i] if bits[r, i] else tuple(-v for v in hidden[i])
            least = minimise_lazily(target, rows, [Fraction(-1)] * k, [Fraction(1)] * k)
            assert isinstance(least, ExactMinimum)
            assert least.value > 0


def same_graphs(network: Network, verdict: Verdict) -> None:
    """Whether or not it is known what is near, and whether or not regions are proved (lemma 6b)."""
    found = verdict.exploration
    one, *others = (
        build_graph(Complex.of(network, unit_box(network), found, near, proved)) for near in (verdict.near, None) for proved in (False, True)
    )
    for two in others:
        for name in ("first", "second", "first_entry", "second_entry", "flips"):
            assert (getattr(one, name) == getattr(two, name)).all()


@pytest.mark.parametrize("network", GENERAL, ids=lambda net: "-".join(map(str, (net.inputs, *net.widths))))
def test_it_finds_what_the_judge_of_nodes_finds(network):
    domain, verdict = unit_box(network), judged(network)
    judge = Judge(network, domain)
    other = judge.verdict(VertexEngine(network, domain, judge).explore())
    for name in ("parent", "neuron", "side", "bits", "unit", "leaf"):
        assert (getattr(verdict.exploration, name) == getattr(other.exploration, name)).all()
    assert verdict.tally.claims_filter > 0
    assert verdict.tally.claims_refuted == 0
    same_graphs(network, verdict)


@pytest.mark.parametrize("network", [GENERAL[0], GENERAL[1], GENERAL[3]], ids=["1", "2", "3"])
def test_neurons_that_are_not_near_do_not_touch_the_region(network):
    verdict = judged(network)
    near_is_right(network, verdict)
    assert unpack(verdict.near, network.neurons).mean() < 0.7  # it says something


@given(small_nets(max_inputs=2))
def test_on_nets_with_ties_it_is_right_or_gives_up(network):
    try:
        verdict = judged(network)
    except UnsettledError:
        return
    patterns = {tuple(row) for row in unpack(verdict.exploration.bits, network.neurons).tolist()}
    assert patterns == brute_force_patterns(network, unit_box(network))
    near_is_right(network, verdict)
    same_graphs(network, verdict)


@given(sliver_nets(max_inputs=2))
def test_slivers_that_floats_lose_are_never_lost(network):
    try:
        verdict = judged(network)
    except UnsettledError:
        return
    assert {tuple(row) for row in unpack(verdict.exploration.bits, network.neurons).tolist()} == brute_force_patterns(network, unit_box(network))


@pytest.mark.parametrize("name", SPECIAL)
def test_certify_is_right_in_special_position_whichever_judge_it_takes(name):
    network = SPECIAL[name]
    domain = unit_box(network)
    regions = brute_force_regions(network, domain)
    result = certify(network, box=(domain.lower, domain.upper), engine="vertex", measures="counts")[0]
    assert result.status == "certified"
    assert (result.regions, result.adjacencies) == (len(regions), len(brute_force_adjacent(regions, domain)))


@given(st.integers(0, 10**6), st.sampled_from(["bits", "side", "unit", "leaf", "neuron", "multiplier", "constraint", "sign", "claim neuron", "all"]))
def test_what_was_changed_is_refused_or_does_not_matter(seed, what):
    """One entry of a column is wrong: then nothing false is confirmed."""
    rng = np.random.default_rng(seed)
    network = random_net([2, 6, 4, 1], seed % 7)
    right = judged(network)

    def change(chunk: Chunk) -> Chunk:
        columns = {name: getattr(chunk, name).copy() for name in ("bits", "side", "unit", "leaf", "neuron")}
        claims = {name: getattr(chunk.claims, name).copy() for name in ("multiplier", "constraint", "sign", "neuron")}
        r, v = rng.integers(len(chunk.leaf)), rng.integers(1, len(chunk.parent))
        c, e = rng.integers(len(chunk.claims)), rng.integers(len(chunk.claims.multiplier))
        if what == "bits":
            columns["bits"][r, 0] ^= np.uint64(1 << int(rng.integers(network.neurons)))
        elif what == "side":
            columns["side"][v] ^= 1
        elif what == "unit":
            columns["unit"][r] = rng.uniform(-1, 1, 2)
        elif what == "leaf":
            columns["leaf"][r] = rng.choice(chunk.leaf)
        elif what == "neuron":
            columns["neuron"][v] = rng.integers(network.neurons)
        elif what == "multiplier":
            claims["multiplier"][e] *= rng.choice([0.0, 0.5, 2.0, -1.0, np.inf, np.nan])
        elif what == "constraint":
            claims["constraint"][e] = rng.integers(len(chunk.parent))
        elif what == "sign":
            claims["sign"][c] *= -1
        elif what == "claim neuron":
            claims["neuron"][c] = rng.integers(-4, network.neurons)
        else:
            claims["multiplier"][:] = 0.0
        return dataclasses.replace(chunk, **columns, claims=dataclasses.replace(chunk.claims, **claims))

    try:
        verdict = judged(network, change)
    except (UnsettledError, JudgeError):
        return
    assert (verdict.exploration.bits == right.exploration.bits).all()
    assert (verdict.exploration.leaf == right.exploration.leaf).all()
    near_is_right(network, verdict)


def test_a_crowd_of_open_questions_is_for_the_other_judge(monkeypatch):
    monkeypatch.setattr(by_region, "MOST_OPEN", 1)
    with pytest.raises(UnsettledError):
        judged(quarter_net([2, 8, 6, 1], 0))
    assert len(judged(random_net([2, 8, 6, 1], 0)).points) > 0


@pytest.mark.parametrize("make", [quarter_net, zero_bias_net])
def test_giving_up_leads_to_the_other_judge(make):
    network = make([2, 5, 4, 1], 1)
    domain = unit_box(network)
    result = certify(network, box=(domain.lower, domain.upper), engine="vertex", measures="counts")[0]
    assert result.regions == len(brute_force_patterns(network, domain))


@pytest.mark.parametrize("damage", ["lost region", "other parent", "same side", "region twice"])
def test_damaged_trees_are_not_whole(damage):
    network = random_net([2, 5, 4, 1], 1)
    found = judged(network).exploration
    parent, neuron, side, leaf, bits = (getattr(found, name).copy() for name in ("parent", "neuron", "side", "leaf", "bits"))
    begins = network.offsets[network.layer_of]

    def whole() -> bool:
        room = [np.full(len(parent), v, dtype=np.int64) for v in (-1, 0, -1, 0)]
        return region_kernels.tree_is_whole(Tree(parent, neuron, side), leaf, bits, begins, *room)

    assert whole()
    if damage == "lost region":
        leaf, bits = leaf[1:], bits[1:]
    elif damage == "other parent":
        parent[-1] = 0
    elif damage == "same side":
        side[-1] ^= 1
    else:
        leaf[0] = leaf[1]
    assert not whole()


def test_neurons_are_split_only_where_earlier_layers_are_decided():
    """A tree that splits the second layer first has no one hyperplane there."""
    network = random_net([1, 1, 1, 1], 0)
    tree = Tree(np.array([-1, 0, 0, 1, 1]), np.array([-1, 1, 1, 0, 0]), np.array([-1, 0, 1, 0, 1], dtype=np.int8))
    leaf, bits = np.array([2, 3, 4]), np.array([[2], [0], [1]], dtype=np.uint64)
    begins = network.offsets[network.layer_of]
    room = [np.full(5, v, dtype=np.int64) for v in (-1, 0, -1, 0)]
    assert not region_kernels.tree_is_whole(tree, leaf, bits, begins, *room)


@given(st.integers(0, 10**6), st.integers(1, 6), st.sampled_from([1.0, 2.0**-300, 2.0**-1060, 2.0**500]))
def test_what_is_clear_of_a_box_is_positive_there(seed, k, scale):
    """Against rationals, with forms close to touching; and most of what is far is seen to be."""
    rng = np.random.default_rng(seed)
    low, high = np.sort(rng.uniform(-1, 1, (2, k)), axis=0)
    many = 40
    form = rng.normal(size=(k + 1, many))
    sign = rng.choice([-1.0, 1.0], many)
    near = rng.random(many) < 0.7
    for i in np.flatnonzero(near):  # the least value on the box is a few units in the last place
        a = sign[i] * form[:k, i]
        least = sum((Fraction(x) * Fraction(lo if x > 0 else hi) for x, lo, hi in zip(a, low, high, strict=True)), Fraction(0))
        form[k, i] = sign[i] * (float(-least) * (1 + rng.integers(-9, 10) * 2.0**-52))
    form *= scale
    noise = rng.choice([0.0, 1e-13, 1e-3], many) * scale
    clear, reach, beside = np.empty(many), np.empty(many), np.empty(many, dtype=np.int64)
    clearance(form, noise, sign, np.stack([low, high]), 0, many, clear, reach)
    left = not_clear(clear, many, beside)
    assert beside[:left].tolist() == np.flatnonzero(~(clear > 0)).tolist()
    for i in range(many):
        a = [Fraction(float(sign[i] * v)) for v in form[:, i]]
        least = sum((x * Fraction(float(lo if x > 0 else hi)) for x, lo, hi in zip(a[:k], low, high, strict=True)), a[k]) - Fraction(float(noise[i]))
        if clear[i] > 0:
            assert least > 0
        elif scale == 1.0:
            assert float(least) < 1e-10


@pytest.mark.parametrize("network", [*GENERAL, *SPECIAL.values()], ids=repr)
@pytest.mark.parametrize("kind", [Judge, RegionJudge])
def test_maps_told_are_those_that_are_composed_afterwards(network, kind):
    """To the last bit, in the order of the regions; none where there is no room for all of them."""
    domain = unit_box(network)
    size = 8 * network.outputs * (domain.dimension + 2)
    for room in (2**28, 0, size * 5):
        judge = kind(network, domain, maps=room)
        engine = VertexEngine(network, domain, judge)
        engine._columns = engine._columns._replace(regions=engine._columns.regions._replace(leaf=engine._columns.regions.leaf[:3]))  # many chunks
        try:
            verdict = judge.verdict(engine.explore())
        except UnsettledError:
            return
        found = verdict.exploration
        told, after = found.seen.maps, Complex.of(network, domain, dataclasses.replace(found, seen=UNSEEN)).maps(slice(None))
        if told is None:
            assert len(found.leaf) * size > room or kind is Judge  # which may have repaired something
            continue
        assert len(found.leaf) * size <= room
        assert told.map.tobytes() == after.map.tobytes()
        assert told.noise.tobytes() == after.noise.tobytes()
