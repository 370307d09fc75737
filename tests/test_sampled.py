"""Many dimensions: sections of cubes, the l2 ball in closed form, and estimates where volumes are out of reach."""

from __future__ import annotations

import math

import numpy as np
import pytest
from nets import SPECIAL, quarter_net, random_net, residual_net
from oracles import one_layer_in_a_ball
from scipy import stats

import polylc
from polylc.exact.quantity import Kind
from polylc.measures.by_volume.crossings import cosine_lines
from polylc.measures.by_volume.noise import decoupled
from polylc.measures.by_volume.sampled import FEW, _interval, by_lines, total_variation
from polylc.measures.by_volume.sampled import decoupled as decoupled_at_points
from polylc.measures.by_volume.slicing import sliced
from polylc.measures.by_volume.unstable import UnstableNetwork
from polylc.network.form import chain, pattern_at, preactivations


def complex_of(network, box=None):
    low, high = box or ([-1] * network.inputs, [1] * network.inputs)
    return polylc.certify(network, box=(low, high), measures="counts")[0].complex


def test_sections_that_attain_the_bound():
    for n in (2, 3, 9):
        axis = complex_of(chain([np.eye(n)[:1], [[1.0]]], [[0.25], [0.0]]), ([-1] * n, [2] * n))
        assert sliced(axis) == pytest.approx([1 / 3] * 2, rel=1e-14)  # a section across an edge of length 3
        pair = np.eye(n)[:1] + np.eye(n)[1:2]
        diagonal = complex_of(chain([pair, [[1.0]]], [[0.0], [0.0]]))
        assert sliced(diagonal) == pytest.approx([math.sqrt(2) / 2] * 2, rel=1e-14)  # 2 sqrt 2 times 2^(n-2), over 2^n
    # thin: 1 / max D_j |a_j| is less
    half = complex_of(chain([[[1.0, 1.0]], [[1.0]]], [[0.0], [0.0]]), ([-1, -0.01], [1, 0.01]))
    exact = 0.02 * math.sqrt(2) / 0.04
    assert sliced(half) == pytest.approx([exact] * 2, rel=1e-13)


@pytest.mark.parametrize("network", [*SPECIAL.values(), random_net([3, 6, 5, 1], 0), quarter_net([2, 4, 4, 3, 1], 1)])
def test_sections_bound_the_local_complexity(network):
    result = polylc.certify(network, box=([-1] * network.inputs, [1] * network.inputs), measures="local_complexity,counts")[0]
    assert result.local_complexity["activation_set"].lower <= sliced(result.complex)[1]


def test_one_layer_in_a_ball_is_the_density_of_a_coordinate():
    """A coordinate of a uniform point of the ball has a beta law; its density at d is the area of the section over the
    volume.
    """
    for n in (1, 2, 3, 7, 40):
        for d in (0.0, 0.3, 0.9):
            density = stats.beta.pdf((1 + d) / 2, (n + 1) / 2, (n + 1) / 2) / 2 if n > 1 else 0.5
            assert one_layer_in_a_ball([2.5 * d], 2.5, n) == pytest.approx(density / 2.5, rel=1e-11)
    assert one_layer_in_a_ball([1.0, -3.0], 1.0, 4) == 0.0
    assert one_layer_in_a_ball([0.1, -0.2], 1.0, 4) == one_layer_in_a_ball([0.1], 1.0, 4) + one_layer_in_a_ball([0.2], 1.0, 4)
    with pytest.raises(ValueError, match="positive radius"):
        one_layer_in_a_ball([0.0], 0.0, 2)


def separable(n: int):
    """sum of ReLU(x_i - b_i) on [-1, 1]^n: each hyperplane has 1/2 of area by volume, and kinks of size one."""
    return chain([np.eye(n), np.ones((1, n))], [-np.linspace(-0.5, 0.5, n), [0.0]])


def test_estimates_of_a_network_whose_values_are_known():
    n = 8
    network = separable(n)
    result = polylc.certify(network, box=([-1] * n, [1] * n), sigma="0.1", measures="all")[0]
    assert (result.status, result.regions) == ("certified", 2**n)
    for value in (*result.local_complexity.values(), result.kink_variation):
        assert value.kind is Kind.ENCLOSURE
        assert value.lower <= n / 2 <= value.upper
        assert value.upper - value.lower < 1e-9
    assert set(result.local_complexity) == {"activation", "activation_set", "open", "function"}
    active = [0.5 * (1 - b) for b in np.linspace(-0.5, 0.5, n)]
    law = np.array([1.0])
    for p in active:
        law = np.convolve(law, [1 - p, p])
    mean = float(law @ np.sqrt(np.arange(n + 1)))
    assert result.total_variation["frobenius"].lower <= mean <= result.total_variation["frobenius"].upper
    assert result.total_variation["frobenius"].upper - result.total_variation["frobenius"].lower < 0.1
    shares = [stats.norm.cdf((1 - b) / 0.1) - stats.norm.cdf((-1 - b) / 0.1) for b in np.linspace(-0.5, 0.5, n)]
    dec = result.noisy_complexity["0.1"]
    assert dec.lower <= sum(shares) / 2 <= dec.upper
    assert [(r.least, r.most, r.mean.value) for r in result.local_rank] == [(n, n, float(n))]
    (eight,) = [b for b in result.bounds if b.name == "C8"]
    assert eight.holds is None
    assert eight.right.value == pytest.approx(n / 2, rel=1e-13)
    assert "enclosed" in result.notes["local_complexity"]
    assert "seed 0" in result.notes["total_variation"]


def test_estimates_agree_with_volumes_where_both_are_there():
    network = random_net([4, 6, 5, 2], 3)
    result = polylc.certify(network, box=([-1] * 4, [1] * 4), measures="all")[0]
    found = by_lines(result.complex)
    for name, value in found.local_complexity.items():
        assert value.lower <= result.local_complexity[name].value <= value.upper
    assert found.kink_variation.lower <= result.kink_variation.value <= found.kink_variation.upper
    variation, _ = total_variation(result.complex)
    for name, value in variation.items():
        assert value.lower <= result.total_variation[name].value <= value.upper
    (near,), _ = decoupled_at_points(result.complex, [0.3])
    (exact,) = decoupled(result.complex, [0.3])
    assert near.lower <= exact.value <= near.upper


def test_one_region_needs_no_samples():
    network = random_net([9, 5, 4, 2], 0)
    result = polylc.certify(network, np.full(9, 0.3), radius=1e-6, measures="all")[0]
    assert result.regions == 1
    assert {v.kind for v in result.local_complexity.values()} == {Kind.EXACT}
    assert set(result.local_complexity) == {"activation", "activation_set", "open", "function"}
    assert result.kink_variation.upper == 0
    assert result.total_variation["frobenius"].kind is not Kind.ESTIMATE
    floats = polylc.certify(network, np.full(9, 0.3), radius=1e-6, certified=False, measures="all")[0]
    assert {v.kind for v in floats.local_complexity.values()} == {Kind.FLOAT}
    assert floats.total_variation["operator"].kind is Kind.FLOAT


def test_few_crossings_make_a_wide_interval_not_none():
    counts = np.zeros(1000)
    value = _interval(counts, 2.0, 3.0, math.inf)
    assert value.lower == 0
    assert value.upper == pytest.approx(6 * (1 - 0.05 ** (1 / 1000)), rel=1e-9)  # the rule of three
    counts[: FEW - 1] = 1.0
    value = _interval(counts, 2.0, 3.0, math.inf)
    assert value.lower == 0
    assert 2 * 3 * (FEW - 1) / 1000 < value.upper < 0.2
    assert _interval(counts, 2.0, 3.0, 0.01).upper == 0.01
    assert _interval(np.tile([0.0, 2.0], 500), 2.0, 3.0, 10.0).value == pytest.approx(2.0)


def test_estimates_are_the_same_every_time_and_no_truth():
    network = random_net([7, 5, 3, 2], 1)
    first, second = (polylc.certify(network, np.zeros(7), radius=1, measures="local_complexity,kink_variation")[0] for _ in range(2))
    assert first.local_complexity == second.local_complexity
    compared = polylc.compare(network, np.zeros(7), radius=1, methods="lines,coarea,jacobian_norm", samples=200)[0]
    assert all(p.truth is None or p.truth.quantity.kind is not Kind.ESTIMATE for p in compared.pairings)
    report = polylc.certify(network, np.zeros(7), radius=1, measures="all").report()
    entry = report.neighbourhoods[0].local_complexity
    assert entry.function[0] <= entry.activation[1]  # pieces are no more than regions
    assert report.summary.mean_local_complexity == pytest.approx(0.5 * sum(entry.activation))


@pytest.mark.parametrize(
    "network", [random_net([3, 7, 6, 2], 0), random_net([3, 6, 2], 1, negative_slope=-0.5), residual_net(3), quarter_net([3, 6, 5, 2], 2)], ids=str
)
@pytest.mark.parametrize("width", [0.05, 1.0])
def test_points_find_their_regions_through_the_neurons_that_change_sign(network, width):
    complex_ = polylc.certify(network, box=([-width] * 3, [width] * 3), measures="counts")[0].complex
    some = UnstableNetwork(complex_)
    unit = np.random.default_rng(0).uniform(-1, 1, (500, 3))
    patterns = pattern_at(network, complex_.domain.points(unit))
    np.testing.assert_array_equal(some.regions(some.linear(unit)), complex_.index.find(patterns))
    every = complex_.patterns()
    assert sum(len(layer.neuron) for layer in some.layers) == some.unstable.sum() == ((every.any(axis=0)) & ~every.all(axis=0)).sum()
    hidden = np.concatenate(preactivations(network, complex_.domain.points(unit))[0], axis=1)
    for layer, z in zip(some.layers, some.preactivations(some.linear(unit)), strict=True):
        np.testing.assert_allclose(z, hidden[:, layer.neuron], atol=1e-12)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_lines_have_the_cosine_law(k):
    """Of the invariant measure: the mean length of a chord is the volume over the mean area of a shadow."""
    half = np.linspace(0.5, 2.0, k)
    faces = 1.0 / half
    lines = cosine_lines(half, 40_000, faces / faces.sum(), np.random.default_rng(0))
    assert (np.abs(lines.entry).max(axis=1) == 1.0).all()
    np.testing.assert_allclose(np.abs(lines.exit).max(axis=1), 1.0, atol=1e-12)
    length = np.sqrt((((lines.exit - lines.entry) * half) ** 2).sum(axis=1))
    volume = np.prod(2 * half)
    boundary = 2 * sum(volume / (2 * h) for h in half)
    # Crofton: |U| = (boundary / 2) * E[length] * Gamma(k/2) / (sqrt(pi) Gamma((k+1)/2))
    constant = math.exp(math.lgamma(0.5 * k) - math.lgamma(0.5 * (k + 1))) / math.sqrt(math.pi)
    assert length.mean() * constant * boundary / 2 == pytest.approx(volume, rel=0.02)
