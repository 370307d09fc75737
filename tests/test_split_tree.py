"""Pairs of regions one flip apart: laws of the tree, against all pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import SPECIAL, multiplied, quarter_net, random_net, residual_net, small_nets
from test_complex import confirmed, pairs

from polylc.complex.complex import Complex
from polylc.complex.graph import build_graph
from polylc.complex.hyperplanes import directions, is_alone, refresh
from polylc.complex.split_tree import BEGIN, DEPTH, END, NEURON, SplitTree, groups_of, pairs_from, room, split_tree
from polylc.domains.box import box
from polylc.network.form import Network
from polylc.network.replay import move
from polylc.network.twins import twins
from polylc.search.enumerate import enumerate_regions

COPIED, _ = multiplied(quarter_net([2, 5, 4, 1], 1), [1.0, -0.5], 2)
NETWORKS = [
    random_net([2, 9, 8, 1], 0),
    random_net([3, 6, 6, 5, 1], 1),
    random_net([4, 7, 5, 1], 2),
    residual_net(3),
    COPIED,
    random_net([2, 70, 1], 4),
]


def unit_box(network: Network):
    return box([-1] * network.inputs, [1] * network.inputs)


def listed_pairs(complex_: Complex, tree: SplitTree, step: int) -> list[tuple[int, int, int]]:
    """Places of both regions, and the node that parts them, as the kernel lists them."""
    groups = groups_of(twins(complex_.network), complex_.bits.shape[1])
    longest = int(np.diff(complex_.starts).max(initial=0))
    work = room(longest, step, len(complex_.neuron))
    found = []
    for begin in range(0, len(complex_), step):
        end = min(begin + step, len(complex_))
        many = pairs_from(complex_.bits, tree, groups, begin, end, work)
        assert work.begins[end - begin] == many
        for place in range(begin, end):
            some = slice(work.begins[place - begin], work.begins[place - begin + 1])
            found += [(place, second, node) for second, node in zip(work.sorted_second[some].tolist(), work.sorted_node[some].tolist(), strict=True)]
    return found


def one_flip_apart(complex_: Complex) -> set[frozenset[int]]:
    """By a look-up of every pattern with every group flipped."""
    leader, bits = twins(complex_.network).leader, complex_.patterns()
    places = {row.tobytes(): r for r, row in enumerate(bits)}
    flipped = ((r, places.get((row ^ (leader == i)).tobytes())) for i in np.unique(leader) for r, row in enumerate(bits))
    return {frozenset((r, w)) for r, w in flipped if w is not None}


def check(complex_: Complex, step: int) -> SplitTree:
    tree = complex_.tree
    found = listed_pairs(complex_, tree, step)
    assert found == sorted(found)
    assert {frozenset((int(tree.order[a]), int(tree.order[b]))) for a, b, _ in found} == one_flip_apart(complex_)
    assert len(found) == len(one_flip_apart(complex_))
    for a, b, node in found:
        assert tree.node[node, BEGIN] <= a < node <= b < tree.node[node, END]
        entries = [int(complex_.starts[tree.order[p]] + tree.node[node, DEPTH]) for p in (a, b)]
        assert [complex_.neuron[e] for e in entries] == [tree.node[node, NEURON]] * 2
        assert {complex_.side[e] for e in entries} == {0, 1}
    return tree


def rearranged(complex_: Complex, order: np.ndarray) -> Complex:
    """Some regions, in another order."""
    spans = [slice(int(complex_.starts[r]), int(complex_.starts[r + 1])) for r in order.tolist()]
    starts = np.cumsum([0, *(s.stop - s.start for s in spans)])
    neuron, side = (np.concatenate([column[s] for s in spans]) for column in (complex_.neuron, complex_.side))
    return replace(complex_, bits=complex_.bits[order], unit=complex_.unit[order], starts=starts, neuron=neuron, side=side, near=None)


@pytest.mark.parametrize("engine", ["vertex", "dictionary"])
@pytest.mark.parametrize("network", NETWORKS)
def test_pairs_are_those_that_differ_in_one_group(network, engine):
    """Each once, in order, and parted by a node that both paths name at the same place; in steps of any size."""
    complex_ = enumerate_regions(network, unit_box(network), engine)[0]
    for step in (1, 7, len(complex_)):
        check(complex_, step)


@given(small_nets(max_inputs=2, max_depth=3), st.integers(0, 100))
def test_pairs_of_some_regions_in_any_order(network, seed):
    """Places are then not those of the list."""
    complex_ = enumerate_regions(network, unit_box(network), "dictionary")[0]
    rng = np.random.default_rng(seed)
    tree = check(rearranged(complex_, rng.permutation(len(complex_))[: 1 + len(complex_) // 2]), 5)
    assert sorted(tree.order.tolist()) == list(range(len(tree.order)))


@pytest.mark.parametrize("name", SPECIAL)
@pytest.mark.parametrize("keep", [False, True])
def test_the_graph_does_not_depend_on_the_order_of_the_regions(name, keep):
    network = SPECIAL[name]
    complex_ = Complex.of(network, unit_box(network), confirmed(network, unit_box(network)), proved=True)
    mixed = rearranged(complex_, np.random.default_rng(0).permutation(len(complex_)))
    graph = build_graph(mixed, keep=keep)
    assert pairs(mixed, graph) == pairs(complex_, build_graph(complex_))
    assert (graph.first < graph.second).all()
    if keep:
        assert graph.proofs is not None
        assert graph.candidates is not None
        assert len(graph.candidates.region) == len(graph.proofs.shown())


@pytest.mark.parametrize("wrong", ["twice", "side", "neuron", "prefix"])
def test_what_is_no_tree_is_refused(wrong):
    complex_ = enumerate_regions(NETWORKS[0], unit_box(NETWORKS[0]))[0]
    bits, starts, neuron, side = complex_.bits.copy(), complex_.starts, complex_.neuron.copy(), complex_.side.copy()
    if wrong == "twice":
        bits[1] = bits[0]
    elif wrong == "side":
        side[starts[3] : starts[4]] ^= 1
    elif wrong == "neuron":
        neuron[0] = (neuron[0] + 1) % complex_.network.neurons
    else:  # the second path is all of the first, and more
        starts = np.concatenate([[0, starts[1]], starts[1:] + starts[1]])[: len(bits) + 1]
        neuron, side = np.concatenate([neuron[: starts[1]], neuron]), np.concatenate([side[: starts[1]], side])
    with pytest.raises(ValueError, match="not the leaves of one tree"):
        split_tree(bits, starts, neuron, side)


@pytest.mark.parametrize("network", [*NETWORKS, *SPECIAL.values(), *(quarter_net([2, 5, 4, 3, 1], seed) for seed in range(6))])
def test_neurons_that_are_not_doubtful_stand_alone(network):
    """As forms themselves say, region after region; and of random networks hardly any is doubtful."""
    complex_ = enumerate_regions(network, unit_box(network), "dictionary")[0]
    net, replay = complex_.flat, complex_.replay()
    seen, table = directions(net, complex_.domain.dimension + 1), twins(network)
    doubtful = 0
    for row in complex_.bits:
        move(net, replay, row, False)
        refresh(net, replay, seen)
        for i in range(network.neurons):
            if seen.doubtful[i >> 6] >> np.uint64(i & 63) & np.uint64(1):
                doubtful += 1
            elif table.leader[i] == i:
                assert is_alone(net, replay, seen, i)
    if network is NETWORKS[0]:
        assert doubtful < 0.1 * network.neurons * len(complex_)


def test_half_spaces_without_a_listed_neighbour_have_no_part_in_a_region():
    """Lemma 6c: those beyond which a region is listed cut out the region alone."""
    network = random_net([3, 8, 7, 1], 5)
    domain = unit_box(network)
    complex_ = Complex.of(network, domain, confirmed(network, domain), proved=True)
    graph = build_graph(complex_)
    kept = np.zeros(len(complex_.neuron), dtype=bool)
    kept[graph.first_entry] = kept[graph.second_entry] = True
    rows, _ = complex_.half_spaces(slice(0, len(complex_)))
    points = np.random.default_rng(0).uniform(-1, 1, (2000, 3))
    dropped = 0
    for r in range(len(complex_)):
        entries = np.arange(complex_.starts[r], complex_.starts[r + 1])
        values = points @ rows[entries, :-1].T + rows[entries, -1]
        few = kept[entries]
        inside = (values[:, few] > 0).all(axis=1)
        assert (values[inside] > -1e-12).all()
        dropped += int((~few).sum())
    assert dropped > len(complex_)
