"""Measures: known answers, independent ways to compute them, and invariance."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import l1_net, quarter_net, random_net, tent_net
from oracles import clip_regions
from scipy.optimize import linprog

from polylc.api.certify import certify
from polylc.complex.complex import Complex
from polylc.complex.graph import build_graph
from polylc.domains.ball import ball
from polylc.domains.box import Neighbourhood, box
from polylc.measures.by_volume.local_complexity import good_neurons, local_complexity, weights
from polylc.measures.by_volume.variation import kink_variation, total_variation
from polylc.measures.gradient.lipschitz import lipschitz
from polylc.measures.margin.float_robustness import robustness
from polylc.measures.rank import local_rank
from polylc.network.form import Network, chain, pattern_at
from polylc.search.enumerate import enumerate_regions


def explore(network: Network, domain: Neighbourhood) -> Complex:
    return enumerate_regions(network, domain)[0]


def function_values(network: Network, domain: Neighbourhood) -> dict[str, float]:
    """All measures that belong to the function, not to its weights."""
    complex_ = explore(network, domain)
    graph = build_graph(complex_)
    values = {f"TV {k}": v for k, v in total_variation(complex_).items()}
    values["LC function"] = local_complexity(complex_, graph)["function"]
    values["kink"] = kink_variation(complex_, graph)
    values |= {f"Lip {c.target} {c.norm}": c.value for c in lipschitz(complex_, None)}
    return values


# ---- known answers ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_the_l1_norm(n):
    """f = ||x||_1 on [-1, 1]^n: gradient (+-1, ..., +-1), n hyperplanes of area 2^(n-1), each crossed by two
    neurons.
    """
    complex_ = explore(l1_net(n), box([-1] * n, [1] * n))
    graph = build_graph(complex_)
    assert total_variation(complex_)["frobenius"] == pytest.approx(math.sqrt(n), rel=1e-12)
    values = local_complexity(complex_, graph)
    assert values["activation"] == pytest.approx(n, rel=1e-12)
    assert values["activation_set"] == values["open"] == values["function"] == pytest.approx(n / 2, rel=1e-12)
    assert kink_variation(complex_, graph) == pytest.approx(n, rel=1e-12)  # the derivative jumps by 2
    constants = {c.norm: c.value for c in lipschitz(complex_, None) if c.target == "f0"}
    assert constants == pytest.approx({"linf": n, "l2": math.sqrt(n), "l1": 1.0})


@pytest.mark.parametrize("folds", [1, 2, 3, 4, 5, 6])
def test_folded_tent_maps(folds):
    """2^L regions of slope +-2^L on [0, 1] (Telgarsky 2015); with 2^L - 1 kinks of size 2^(L+1)."""
    complex_ = explore(tent_net(folds), box([0], [1]))
    graph = build_graph(complex_)
    assert len(complex_) == 2**folds
    assert total_variation(complex_)["frobenius"] == pytest.approx(2**folds)
    assert local_complexity(complex_, graph)["function"] == pytest.approx(2**folds - 1)
    assert kink_variation(complex_, graph) == pytest.approx((2**folds - 1) * 2 ** (folds + 1))


def test_versions_of_local_complexity_differ_where_they_should():
    """One kink that the function shows, one behind a dead layer, one that cancels: ReLU(y) - ReLU(y)."""
    first = [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    cancels = chain([first, [[1.0, 1.0, -1.0]]], [[0.0] * 3, [0.0]])
    complex_ = explore(cancels, box([-1, -1], [1, 1]))
    values = local_complexity(complex_, build_graph(complex_))
    assert values == pytest.approx({"activation": 1.5, "activation_set": 1.0, "open": 1.0, "function": 0.5})
    dead = chain([[[1.0, 0.0]], [[1.0]], [[1.0]]], [[0.0], [-5.0], [0.0]])
    complex_ = explore(dead, box([-1, -1], [1, 1]))
    values = local_complexity(complex_, build_graph(complex_))
    assert values == pytest.approx({"activation": 0.5, "activation_set": 0.5, "open": 0.0, "function": 0.0})


def test_touching_hyperplanes_are_no_boundary():
    """z_2 = |x| is zero at x = 0 without a flip."""
    network = chain([[[1.0], [-1.0]], [[1.0, 1.0]], [[1.0]]], [[0.0, 0.0], [0.0], [0.0]])
    complex_ = explore(network, box([-1], [1]))
    values = local_complexity(complex_, build_graph(complex_))
    assert len(complex_) == 2
    assert values["activation"] == pytest.approx(1.0)  # two neurons of layer 1 flip at one point, |U| = 2
    assert values["activation_set"] == pytest.approx(0.5)


# ---- a second way to compute --------------------------------------------------------------------------------------
@pytest.mark.parametrize("make", [random_net, quarter_net])
@pytest.mark.parametrize("seed", range(3))
def test_variation_and_lipschitz_from_the_exact_clipper(make, seed):
    network, domain = make([2, 6, 5, 2], seed), box([-1, -1], [1, 1])
    complex_ = explore(network, domain)
    cells = clip_regions(network, domain)
    jacobians = np.array([[[float(v) for v in form[:-1]] for form in c.output] for c in cells])
    shares = np.array([float(c.area() / domain.volume) for c in cells])
    values = total_variation(complex_)
    assert values["frobenius"] == pytest.approx(shares @ np.sqrt((jacobians**2).sum(axis=(1, 2))), rel=1e-9)
    assert values["operator"] == pytest.approx(shares @ np.array([np.linalg.norm(j, 2) for j in jacobians]), rel=1e-9)
    constants = {(c.target, c.norm): c.value for c in lipschitz(complex_, 1)}
    margins = np.abs(jacobians[:, 1] - jacobians[:, 0])
    assert constants["f1-f0", "linf"] == pytest.approx(margins.sum(axis=1).max())
    assert constants["f1-f0", "l2"] == pytest.approx(np.sqrt((margins**2).sum(axis=1)).max())
    assert constants["f1-f0", "l1"] == pytest.approx(margins.max())
    assert constants["jacobian", "l1"] == pytest.approx(np.abs(jacobians).sum(axis=1).max())
    assert constants["jacobian", "linf"] == pytest.approx(np.abs(jacobians).sum(axis=2).max())


@given(st.integers(0, 10**6), st.integers(1, 4))
def test_lipschitz_bounds_secants_and_is_attained_by_a_gradient(seed, n):
    network, domain = random_net([n, 6, 5, 3], seed), ball([0.0] * n, 1)
    complex_ = explore(network, domain)
    x, y = domain.lift(np.random.default_rng(seed).uniform(-1, 1, (2, 300, n)))
    difference = network(x) - network(y)
    orders = {"linf": np.inf, "l2": 2, "l1": 1}
    for found in lipschitz(complex_, None):
        order = orders[found.norm]
        gap = np.linalg.norm(x - y, ord=order, axis=1)
        rise = np.linalg.norm(difference, ord=order, axis=1) if found.target == "jacobian" else np.abs(difference[:, int(found.target[1:])])
        assert (rise <= found.value * gap * (1 + 1e-9)).all()
        jacobian = complex_.maps(np.array([found.region])).map[0, :, :-1] / domain.half
        dual = {"linf": 1, "l2": 2, "l1": np.inf}[found.norm]
        value = np.linalg.norm(jacobian, ord) if found.target == "jacobian" and (ord := order) else None
        value = np.linalg.norm(jacobian[int(found.target[1:])], dual) if value is None else value
        assert value == pytest.approx(found.value, rel=1e-9)


def nearest_by_brute_force(network: Network, domain: Neighbourhood, label: int) -> float:
    """linf distance to the nearest adversarial point: scipy's LP over every activation pattern of a chain."""
    best, n = math.inf, network.inputs
    center = np.array([float(c) for c in domain.center or ()])
    lower, upper = np.array([float(v) for v in domain.lower]), np.array([float(v) for v in domain.upper])
    affines = [layer.affine for layer in network.layers] + [network.output]
    for bits in itertools.product((0.0, 1.0), repeat=network.neurons):
        rows, limits, matrix, shift, at = [], [], np.eye(n), np.zeros(n), 0
        for affine in affines:
            matrix, shift = affine.terms[0][1] @ matrix, affine.terms[0][1] @ shift + affine.bias
            if affine is not network.output:
                own = np.array(bits[at : at + affine.size])
                at += affine.size
                rows += list(np.where(own[:, None] > 0, -matrix, matrix))
                limits += list(np.where(own > 0, shift, -shift))
                matrix, shift = matrix * own[:, None], shift * own
        for j in range(network.outputs):
            if j == label:
                continue
            system = [np.append(r, 0.0) for r in rows] + [np.append(matrix[label] - matrix[j], 0.0)]
            bounds = [*limits, shift[j] - shift[label]]
            for i in range(n):
                for sign in (1.0, -1.0):
                    unit = np.zeros(n + 1)
                    unit[i], unit[-1] = sign, -1.0
                    system.append(unit)
                    bounds.append(sign * center[i])
            answer = linprog(np.append(np.zeros(n), 1.0), np.array(system), np.array(bounds), bounds=[*zip(lower, upper, strict=True), (0, None)])
            if answer.status == 0:
                best = min(best, answer.fun)
    return best


@pytest.mark.parametrize("seed", range(8))
def test_distance_equals_brute_force(seed):
    n = 2 + seed % 2
    network = random_net([n, 4, 3, 3], seed)
    center = np.random.default_rng(seed).normal(size=n) * 0.5
    domain = ball(center, 1.5)
    label = int(np.argmax(network(center)))
    found = robustness(explore(network, domain), label)
    expected = nearest_by_brute_force(network, domain, label)
    if math.isinf(expected):
        assert found.robust
        assert found.distance is None
    else:
        assert found.distance == pytest.approx(expected, abs=1e-7)
        assert found.adversarial is not None
        values = network(found.adversarial)
        assert np.delete(values, label).max() >= values[label] - 1e-7
        assert np.abs(found.adversarial - center).max() == pytest.approx(expected, abs=1e-7)


@given(st.integers(0, 10**6))
def test_no_sampled_point_is_nearer_than_the_adversarial_distance(seed):
    network = random_net([3, 8, 6, 3], seed)
    center = np.random.default_rng(seed).normal(size=3) * 0.3
    domain = ball(center, 1)
    label = int(np.argmax(network(center)))
    found = robustness(explore(network, domain), label)
    x = domain.lift(np.random.default_rng(seed + 1).uniform(-1, 1, (3000, 3)))
    wrong = np.abs(x - center).max(axis=1)[np.argmax(network(x), axis=1) != label]
    if found.robust:
        assert not len(wrong)
    elif len(wrong):
        assert found.distance is not None
        assert found.distance <= wrong.min() + 1e-9


def test_wrong_labels_and_ties_have_distance_zero():
    network = chain([[[1.0, 0.0], [0.0, 1.0]]], [[0.0, 0.0]])
    assert robustness(explore(network, ball([0.5, 0.25], 0.1)), 1).distance == 0
    assert robustness(explore(network, ball([0.5, 0.5], 0.1)), 0).distance == 0
    assert robustness(explore(network, ball([0.5, 0.25], 0.1)), 0).robust
    run = certify(network, [0.5, 0.5], radius=0.1)
    assert "tie at the centre" in run[0].notes["label"]


def test_rank_of_a_bottleneck():
    """Two inputs squeezed through one neuron: later layers have rank at most 1, and 0 where it is off."""
    network = chain([[[1.0, 1.0]], [[1.0], [2.0]], [[1.0, 1.0]]], [[0.0], [0.0, -0.5], [0.0]])
    complex_ = explore(network, box([-1, -1], [1, 1]))
    first, second = local_rank(complex_)
    assert (first.layer, first.least, first.most, first.mean.value) == (1, 1, 1, pytest.approx(1.0))
    assert (second.layer, second.least, second.most, second.mean.value) == (2, 0, 1, pytest.approx(0.5))


def test_good_neurons_need_an_active_path():
    network = random_net([2, 3, 3, 2, 1], 0)
    patterns = np.array(list(itertools.product([False, True], repeat=8)))
    good = good_neurons(network, patterns)
    blocks = [patterns[:, :3], patterns[:, 3:6], patterns[:, 6:]]
    alive = [blocks[1].any(axis=1) & blocks[2].any(axis=1), blocks[2].any(axis=1), np.ones(len(patterns), dtype=bool)]
    assert (good == np.repeat(np.array(alive).T, [3, 3, 2], axis=1)).all()


# ---- invariance -----------------------------------------------------------------------------------------------------
@given(st.integers(0, 10**6), st.integers(1, 3))
def test_permuting_and_rescaling_neurons_changes_nothing(seed, n):
    rng = np.random.default_rng(seed)
    network = random_net([n, 6, 5, 2], seed)
    weights = [a.terms[0][1] for a in [*(layer.affine for layer in network.layers), network.output]]
    biases = [a.bias for a in [*(layer.affine for layer in network.layers), network.output]]
    for layer in range(2):
        order = rng.permutation(len(biases[layer]))
        factor = 2.0 ** rng.integers(-3, 4, len(order))
        weights[layer], biases[layer] = weights[layer][order] * factor[:, None], biases[layer][order] * factor
        weights[layer + 1] = weights[layer + 1][:, order] / factor
    domain = ball([0.0] * n, 1)
    assert function_values(chain(weights, biases), domain) == pytest.approx(function_values(network, domain), rel=1e-9)


@given(st.integers(0, 10**6))
def test_duplicating_a_neuron_changes_only_the_activation_count(seed):
    network = random_net([2, 5, 4, 1], seed)
    (w0, b0), (w1, b1) = ((layer.affine.terms[0][1], layer.affine.bias) for layer in network.layers)
    twice = chain(
        [np.vstack([w0, 2 * w0[:1]]), np.hstack([w1[:, :1] / 2, w1[:, 1:], w1[:, :1] / 4]), network.output.terms[0][1]],
        [np.append(b0, 2 * b0[0]), b1, network.output.bias],
    )
    domain = box([-1, -1], [1, 1])
    assert len(explore(twice, domain)) == len(explore(network, domain))
    assert function_values(twice, domain) == pytest.approx(function_values(network, domain), rel=1e-9)


def test_a_hidden_pattern_is_that_of_its_point():
    network, domain = random_net([2, 6, 6, 1], 5), box([-1, -1], [1, 1])
    complex_ = explore(network, domain)
    assert [complex_.region_at(p) for p in complex_.points] == list(range(len(complex_)))
    assert (pattern_at(network, complex_.points) == complex_.patterns()).all()


def test_facets_are_open_where_a_neuron_that_flips_is_good_on_either_side():
    """Edge by edge, on networks some of whose weights and units pass nothing on."""
    seen = set()
    for seed in range(4):
        rng = np.random.default_rng(seed)
        sizes = [2, 5, 4, 2]
        matrices = [rng.normal(size=(b, a)) * (rng.random((b, a)) < 0.6) for a, b in itertools.pairwise(sizes)]
        network = chain(matrices, [rng.normal(size=b) for b in sizes[1:]])
        complex_, _ = enumerate_regions(network, box([-2, -2], [2, 2]))
        graph = build_graph(complex_)
        left, right = complex_.patterns(graph.first), complex_.patterns(graph.second)
        good = good_neurons(network, left) | good_neurons(network, right)
        expected = ((left ^ right) & good).any(axis=1)
        np.testing.assert_array_equal(weights(complex_, graph)["open"], expected)
        seen |= set(expected.tolist())
    assert seen == {False, True}
