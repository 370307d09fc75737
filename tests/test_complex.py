"""The complex: laws of regions, facets and the region graph."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import SPECIAL, braid_net, l1_net, quarter_net, random_net, residual_net, small_nets, tent_net, zero_bias_net
from oracles import adjacent_pairs, brute_force_adjacent, brute_force_regions, clip_regions

import polylc.complex.sweep_threads
from polylc.api.certify import certify
from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph, build_graph
from polylc.complex.pieces import affine_functions, pieces
from polylc.domains.ball import ball
from polylc.domains.box import Neighbourhood, box
from polylc.engines.choose import engine_class
from polylc.engines.contract import Exploration
from polylc.engines.extras import UNSEEN, Wishes
from polylc.judge.by_node import Judge
from polylc.network.form import Network, chain
from polylc.network.twins import twins
from polylc.search.enumerate import enumerate_regions

ALL = Wishes(facets=True, sizes=True, maps=2**28)


def same_edges(one: RegionGraph, two: RegionGraph) -> bool:
    return all((getattr(one, name) == getattr(two, name)).all() for name in ("first", "second", "first_entry", "second_entry", "flips"))


def build(network: Network, domain: Neighbourhood) -> tuple[Complex, RegionGraph]:
    """The graph must not depend on what the engine saw of the facets; volumes and areas are the engine's as far as
    there are any.
    """
    complex_, _ = enumerate_regions(network, domain, wishes=ALL)
    graph = build_graph(complex_)
    assert same_edges(graph, build_graph(replace(complex_, seen=UNSEEN)))
    return complex_, graph


def pairs(complex_: Complex, graph: RegionGraph) -> set[frozenset[tuple[bool, ...]]]:
    bits = [tuple(row) for row in complex_.patterns().tolist()]
    return {frozenset((bits[a], bits[b])) for a, b in zip(graph.first, graph.second, strict=True)}


def oracle(network: Network, domain: Neighbourhood) -> tuple[list, set[frozenset[tuple[bool, ...]]]]:
    cells = clip_regions(network, domain)
    return cells, {frozenset((cells[a].bits, cells[b].bits)) for a, b in adjacent_pairs(cells)}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("make", [random_net, quarter_net])
def test_edges_equal_the_exact_clipper(make, seed):
    network, domain = make([2, 6, 5, 1], seed), box([-1, -1], [1, 1])
    assert pairs(*build(network, domain)) == oracle(network, domain)[1]


@pytest.mark.parametrize("name", SPECIAL)
def test_edges_in_special_position(name):
    network, domain = SPECIAL[name], box([-1, -1], [1, 1])
    assert pairs(*build(network, domain)) == oracle(network, domain)[1]


@given(small_nets(max_inputs=2).filter(lambda net: net.inputs == 2))
def test_edges_volumes_and_maps_equal_the_exact_clipper_on_nets_with_ties(network):
    domain = box([-1, -1], [1, 1])
    complex_, graph = build(network, domain)
    cells, edges = oracle(network, domain)
    assert pairs(complex_, graph) == edges
    exact = {c.bits: float(c.area()) for c in cells}
    bits = [tuple(row) for row in complex_.patterns().tolist()]
    np.testing.assert_allclose(complex_.geometry.volume, [exact[b] for b in bits], rtol=1e-9)
    assert affine_functions(complex_).max() + 1 == len({tuple(c.output) for c in cells})
    assert pieces(complex_, graph).max() + 1 == count_pieces(cells)


def count_pieces(cells: list) -> int:
    parent = list(range(len(cells)))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    for a, b in adjacent_pairs(cells):
        if cells[a].output == cells[b].output:
            parent[root(a)] = root(b)
    return len({root(i) for i in range(len(cells))})


@given(st.integers(0, 10**6), st.integers(1, 5))
def test_laws_of_facets(seed, n):
    network, domain = random_net([n, 6, 5, 2], seed), ball([0.1] * n, 1)
    complex_, graph = build(network, domain)
    assert (graph.first_entry >= 0).all()
    assert (graph.second_entry >= 0).all()
    facet_laws(complex_, graph)


@pytest.mark.parametrize("widths", [[2, 8, 8, 1], [3, 8, 1], [3, 8, 8, 2], [4, 7, 5, 1], [5, 7, 1]])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [zero_bias_net, quarter_net])
def test_laws_of_facets_in_special_position(make, widths, seed):
    """Of the zero-bias networks some cells have no simple skeleton that rounding leaves whole, in dimension 4 also
    wrong ones.
    """
    facet_laws(*build(make(widths, seed), box([-1] * widths[0], [1] * widths[0])))


@pytest.mark.parametrize("seed", [2, 4, 10])
def test_a_skeleton_of_the_wrong_cell_is_noticed(seed):
    """With these weights rounding made consistent skeletons with missing facets; volumes were off by up to 1e-5."""
    complex_, _ = build(zero_bias_net([4, 8, 6, 1], seed), box([-1] * 4, [1] * 4))
    assert complex_.geometry.volume.sum() == pytest.approx(16, rel=1e-13)


@pytest.mark.parametrize("name", SPECIAL)
def test_laws_of_facets_of_networks_with_ties(name):
    facet_laws(*build(SPECIAL[name], box([-1, -1], [1, 1])))


@pytest.mark.parametrize("make", [zero_bias_net, quarter_net])
@pytest.mark.parametrize("seed", range(4))
def test_no_measure_is_missing_in_special_position(make, seed):
    result = certify(make([3, 8, 8, 2], seed), box=([-1] * 3, [1] * 3), measures=["counts", "local_complexity", "total_variation", "kink_variation"])[
        0
    ]
    assert result.local_complexity is not None
    assert result.total_variation is not None
    assert result.kink_variation is not None


def facet_laws(complex_: Complex, graph: RegionGraph) -> None:
    geometry, domain, n = complex_.geometry, complex_.domain, complex_.domain.dimension
    assert geometry.ok.all()
    assert geometry.volume.sum() == pytest.approx(float(domain.volume), rel=1e-9)
    # C1: every inner facet is seen from exactly two regions, with equal area
    scale = max(1.0, geometry.area.max(initial=0.0))
    both = (graph.first_entry >= 0) & (graph.second_entry >= 0)
    np.testing.assert_allclose(geometry.area[graph.first_entry[both]], geometry.area[graph.second_entry[both]], atol=1e-9 * scale)
    assert (geometry.area[graph.entry()] > 0).all()
    seen = np.zeros(len(geometry.area) + 1)
    seen[graph.first_entry] = seen[graph.second_entry] = 1
    seen = seen[:-1]
    assert (geometry.area[seen == 0] <= 1e-9 * scale).all()
    # C0: the outward normals of a region, weighted by area, sum to zero
    closed = np.zeros((len(complex_), n))
    for rows in complex_.batches():
        normals = complex_.half_spaces(rows)[0][:, :-1] / domain.half
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        entries = slice(complex_.starts[rows.start], complex_.starts[rows.stop])
        np.add.at(closed, complex_.regions_of_entries(rows) + rows.start, -normals * geometry.area[entries][:, None])
    closed += geometry.box_area[:, 1::2] - geometry.box_area[:, 0::2]
    assert np.abs(closed).max() <= 1e-9 * scale * n
    # C1: the two maps agree on the facet, so the jump of the Jacobian has rank one along the normal
    for a, b, entry in zip(graph.first, graph.second, graph.entry(), strict=True):
        left, right = complex_.maps(np.array([a])).map[0], complex_.maps(np.array([b])).map[0]
        at = np.append(complex_.cut_geometry.point[entry] / domain.half, 1.0)
        np.testing.assert_allclose(left @ at, right @ at, atol=1e-9)


@given(st.integers(0, 10**6), st.integers(1, 8))
def test_the_graph_is_connected_and_flips_match(seed, n):
    network, domain = random_net([n, 5, 4, 1], seed), ball([0.0] * n, 1)
    complex_, graph = build(network, domain)
    bits = complex_.patterns()
    assert (graph.flips == (bits[graph.first] ^ bits[graph.second]).sum(axis=1)).all()
    assert bits[graph.first, graph.neurons(complex_)].tolist() != [] or len(complex_) == 1
    assert (bits[graph.first, graph.neurons(complex_)] != bits[graph.second, graph.neurons(complex_)]).all()
    reached, frontier = {0}, [0]
    neighbours: dict[int, list[int]] = {}
    for a, b in zip(graph.first.tolist(), graph.second.tolist(), strict=True):
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    while frontier:
        for other in neighbours.get(frontier.pop(), []):
            if other not in reached:
                reached.add(other)
                frontier.append(other)
    assert len(reached) == len(complex_)


@given(st.integers(0, 10**6))
def test_edges_do_not_depend_on_linear_programs_in_low_dimension(seed):
    network, domain = random_net([3, 6, 6, 1], seed), box([-1] * 3, [1] * 3)
    complex_, graph = build(network, domain)
    assert pairs(complex_, graph) == pairs(complex_, build_graph(complex_, programs=False))


def test_a_redundant_half_space_makes_no_edge():
    """A path half-space that a later one makes redundant has no facet, also where the region contains the centre."""
    complex_, graph = build(random_net([1, 6, 5, 2], 2), ball([0.1], 1))
    assert len(graph) == len(complex_) - 1
    assert (complex_.geometry.area[graph.first_entry] == 1).all()


def test_in_one_dimension_the_graph_is_a_path():
    complex_, graph = build(tent_net(5), box([0], [1]))
    assert len(complex_) == 32
    degree = np.bincount(np.concatenate([graph.first, graph.second]))
    assert sorted(degree.tolist()) == [1, 1] + [2] * 30


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_coordinate_hyperplanes_with_duplicates_make_the_graph_of_the_cube(n):
    complex_, graph = build(l1_net(n), box([-1] * n, [1] * n))
    assert (len(complex_), len(graph)) == (2**n, n * 2 ** (n - 1))
    assert (graph.flips == 2).all()  # x_i and -x_i flip together


@pytest.mark.parametrize(("n", "count", "adjacencies"), [(3, 6, 6), (4, 24, 36), (5, 120, 240)])
def test_braid_arrangement(n, count, adjacencies):
    """x_i = x_j for all i < j: n! regions, each with n - 1 facets (Stanley 2004, Introduction to hyperplane
    arrangements).
    """
    complex_, graph = build(braid_net(n), box([-1] * n, [1] * n))
    assert (len(complex_), len(graph)) == (count, adjacencies)
    np.testing.assert_allclose(complex_.geometry.volume, 2.0**n / count, rtol=1e-12)


CHANGING = {  # neurons that vanish identically on one side of a hyperplane, and the number of regions
    "one on each side": (chain([[[1.0], [-1.0]], [[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0]]], [[0.0] * 2, [0.0] * 2, [0.0]]), 2),
    "two layers on": (chain([[[1.0], [-1.0]], np.eye(2), np.eye(2), [[1.0, -1.0]]], [[0.0] * 2] * 3 + [[0.0]]), 2),
    "in a plane": (chain([[[1.0, 0.5], [-1.0, -0.5], [0.0, 1.0]], np.eye(3), np.ones((1, 3))], [[0.0] * 3, [0.0, 0.0, -0.25], [0.0]]), 6),
}


@pytest.mark.parametrize("name", CHANGING)
def test_neurons_that_vanish_on_one_side_may_flip(name):
    network, count = CHANGING[name]
    complex_, graph = build(network, box([-1] * network.inputs, [1] * network.inputs))
    assert len(complex_) == count
    assert len(graph) == (1 if network.inputs == 1 else len(oracle(network, box([-1, -1], [1, 1]))[1]))


def test_a_wrong_edge_would_be_noticed():
    """One-flip neighbours are not always adjacent in a deep network; the facet test must refuse some."""
    network, domain = random_net([3, 10, 10, 10, 1], 1), box([-1] * 3, [1] * 3)
    complex_, graph = build(network, domain)
    assert graph.tested["by engine"] == len(graph)
    assert build_graph(replace(complex_, seen=UNSEEN)).tested["no facet"] > 0


# ---- regions that are proved (lemma 6b) ------------------------------------------------------------------------------
def confirmed(network: Network, domain: Neighbourhood) -> Exploration:
    judge = Judge(network, domain)
    return judge.verdict(engine_class("dictionary")(network, domain, judge).explore()).exploration


def equal_brute_force(network: Network) -> None:
    domain = box([-1] * network.inputs, [1] * network.inputs)
    complex_ = Complex.of(network, domain, confirmed(network, domain), proved=True)
    regions = brute_force_regions(network, domain)
    truth = {frozenset((regions[a].bits, regions[b].bits)) for a, b in brute_force_adjacent(regions, domain)}
    assert pairs(complex_, build_graph(complex_)) == truth


@given(small_nets(max_inputs=2, max_depth=3))
def test_edges_of_proved_regions_equal_brute_force_on_nets_with_ties(network):
    equal_brute_force(network)


@pytest.mark.parametrize("name", SPECIAL)
def test_edges_of_proved_regions_equal_brute_force_in_special_position(name):
    equal_brute_force(SPECIAL[name])


@pytest.mark.parametrize("network", [random_net([3, 10, 10, 10, 1], 1), random_net([2, 9, 9, 9, 1], 2, negative_slope=0.2), residual_net(5)])
def test_patterns_say_where_facets_are_in_the_last_layer_alone(network):
    """Most facets of the last layer need no point, and of earlier layers a listed neighbour may share none."""
    domain = box([-1] * network.inputs, [1] * network.inputs)
    plain = Complex.of(network, domain, confirmed(network, domain))
    one, two = build_graph(plain), build_graph(replace(plain, proved=True))
    assert same_edges(one, two)
    last = int((one.neurons(plain) >= network.neurons - network.widths[-1]).sum())
    assert (one.tested["by patterns"], two.tested["by patterns"]) == (0, last)
    assert two.tested["by patterns"] + two.tested["by point"] == len(two)
    assert last > 0
    kept = build_graph(replace(plain, proved=True), keep=True)  # a certificate has points for all of them
    assert kept.tested["by patterns"] == 0
    assert same_edges(one, kept)


@pytest.mark.parametrize("name", SPECIAL)
def test_edges_name_the_entries_of_both_paths_that_are_on_their_hyperplane(name):
    """The first that a neuron of the same group splits, at whatever depth: found here by looking at all of them."""
    network = SPECIAL[name]
    domain = box([-1] * network.inputs, [1] * network.inputs)
    complex_ = Complex.of(network, domain, confirmed(network, domain), proved=True)
    graph, leader = build_graph(complex_), twins(network).leader
    for first, second, one, two, flips in zip(graph.first, graph.second, graph.first_entry, graph.second_entry, graph.flips, strict=True):
        if one < 0 or flips != twins(network).sizes[complex_.neuron[one]]:
            continue
        begin, end = complex_.starts[second], complex_.starts[second + 1]
        on = np.flatnonzero(leader[complex_.neuron[begin:end]] == leader[complex_.neuron[one]])
        assert complex_.starts[first] <= one < complex_.starts[first + 1]
        assert two == begin + on[0]


@pytest.mark.parametrize(("measure", "most"), [("SWEPT_BITS", 1 << 22), ("SWEPT_BITS", 100), ("SWEPT_PRODUCTS", 1000)])
def test_the_graph_does_not_depend_on_threads(monkeypatch, measure, most):
    """Slices of few regions, so that there are many; proofs as well; and steps of few regions, as of large networks."""
    monkeypatch.setattr(polylc.complex.sweep_threads, measure, most)
    monkeypatch.setattr(polylc.complex.sweep_threads, "SLICE", 64)
    monkeypatch.setattr(polylc.complex.sweep_threads, "SWEPT", 16)
    found = (
        enumerate_regions(random_net([3, 8, 8, 8, 1], 3), box([-1] * 3, [1] * 3))[0],
        enumerate_regions(quarter_net([2, 12, 8, 1], 1), box([-1] * 2, [1] * 2))[0],
    )
    seen = enumerate_regions(random_net([3, 8, 8, 8, 1], 3), box([-1] * 3, [1] * 3), wishes=ALL)[0]
    for complex_ in (*(replace(complex_, proved=True) for complex_ in found), seen):
        one, three = build_graph(complex_), build_graph(complex_, threads=3)
        assert same_edges(one, three)
        assert one.tested == three.tested
    for complex_ in found:
        one, three = build_graph(complex_, keep=True), build_graph(complex_, keep=True, threads=3)
        for name in ("first", "second", "first_entry", "second_entry", "flips"):
            assert (getattr(one, name) == getattr(three, name)).all()
        assert one.tested == three.tested
        assert one.proofs is not None
        assert three.proofs is not None
        assert one.proofs.shown() == three.proofs.shown()


@pytest.mark.parametrize("network", [*SPECIAL.values(), random_net([3, 8, 6, 2], 3)])
def test_forms_of_a_slice_are_those_of_its_regions(network):
    """Brought up to date from region to region or composed anew: they differ by no more than both bounds allow."""
    complex_, _ = enumerate_regions(network, ball(np.zeros(network.inputs), 1))
    some = slice(len(complex_) // 3, len(complex_))
    along, anew = complex_.forms(some), complex_.forms(np.arange(some.start, some.stop))
    for one, two, doubt, wrong in (
        (along.hidden, anew.hidden, along.noise, anew.noise),
        (along.output, anew.output, along.output_noise, anew.output_noise),
    ):
        assert one.shape == two.shape == (*doubt.shape, complex_.domain.dimension + 1)
        assert (np.abs(one - two).sum(axis=2) <= doubt + wrong).all()
        assert (doubt <= 1e-12 * (1 + np.abs(two).sum(axis=2))).all()
