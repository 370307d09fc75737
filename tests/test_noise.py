"""Local complexity with bias noise: the B-spline kernel against other arithmetic, LC^dec against exact volumes, closed
forms and samples.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import SPECIAL, quarter_net, random_net, residual_net, sliver_nets, zero_bias_net
from scipy import stats

import polylc
from polylc.errors import UsageError
from polylc.exact.quantity import Kind
from polylc.geometry.exact_volume import rational_cell
from polylc.measures.by_volume.noise import Integrator, decoupled, decoupled_uniform, row_norms, simplices_of
from polylc.measures.by_volume.noise_integrals import BELOW, GAUSSIAN, MEAN, STRIP, Simplices, over_simplices
from polylc.measures.by_volume.spline_means import knots_for, quadrature
from polylc.network.form import chain, forward
from polylc.report.result import Result
from polylc.search.task import parse_sigmas


def over_one_simplex(t: list[float], kind: int, parameter: float = 1.0) -> tuple[float, float]:
    """Mean of a function over a simplex with vertex values t, by the kernel."""
    n = len(t) - 1
    simplex = Simplices(np.arange(n + 1)[None], np.array([[1.0, 0.0]]), np.ones(1, dtype=np.int64))
    return over_simplices(simplex, np.array(t), 0.0, (1.0, 0.0), kind, parameter, quadrature(n), knots_for(n))


def divided_difference(t: list[float], antiderivative) -> mpmath.mpf:
    """n! [t_0, ..., t_n] G, the mean of the n-th derivative of G over a simplex (Hermite, Genocchi), in 120 digits."""
    table = [antiderivative(mpmath.mpf(v)) for v in t]
    for step in range(1, len(t)):
        table = [(b - a) / (mpmath.mpf(t[i + step]) - mpmath.mpf(t[i])) for i, (a, b) in enumerate(itertools.pairwise(table))]
    return table[0] * mpmath.factorial(len(t) - 1)


def gaussian_antiderivative(n: int):
    """The n-fold integral of exp(-x^2 / 2) from -infinity: I_k = (x I_{k-1} + I_{k-2}) / k."""

    def value(x: mpmath.mpf) -> mpmath.mpf:
        before, now = mpmath.exp(-x * x / 2), mpmath.sqrt(mpmath.pi / 2) * mpmath.erfc(-x / mpmath.sqrt(2))
        for k in range(1, n):
            before, now = now, (x * now + before) / k
        return now

    return value


KNOTS = [
    [-1.0, 0.5],
    [0.3, 0.3 + 2.0**-20],
    [-12.0, 9.0],
    [0.0, 1.0, 3.0],
    [-7.0, 0.1, 40.0],
    [1.0, 1.0 + 1e-9, 1.5],
    [2.0, 2.0 + 1e-6, 2.0 + 3e-6],
    [-0.5, 0.25, 0.75, 4.0],
    [8.0, 8.5, 9.0, 11.0],
    [-3.0, -1.0, 0.0, 0.5, 6.0],
    [0.0, 1e-5, 2e-5, 1.0, 1.0 + 1e-7],
    [-2.0, -1.5, 0.0, 0.25, 1.0, 1.25],
    [-20.0, -2.0, -1.5, 0.0, 0.25, 1.0, 30.0],
]


@pytest.mark.parametrize("t", KNOTS, ids=str)
@pytest.mark.parametrize("sigma", [0.05, 1.0, 30.0])
def test_gaussian_means_are_the_divided_differences(t, sigma):
    with mpmath.workdps(120):
        exact = divided_difference([mpmath.mpf(v) / mpmath.mpf(sigma) for v in t], gaussian_antiderivative(len(t) - 1))
        value, error = over_one_simplex(t[::-1], GAUSSIAN, sigma)
        assert abs(mpmath.mpf(value) - exact) <= error
        assert error < 2e-12 * max(1.0, max(map(abs, t)) / sigma)


@pytest.mark.parametrize("t", [k for k in KNOTS if len(k) > 2], ids=str)
def test_shares_and_means_are_the_divided_differences(t):
    n = len(t) - 1
    with mpmath.workdps(120):
        for level in (t[0], 0.5 * (t[0] + t[1]), t[1], 0.25 * t[0] + 0.75 * t[-1]):
            cut = mpmath.mpf(level)
            exact = 1 - divided_difference(t, lambda x, cut=cut: max(x - cut, mpmath.mpf(0)) ** n / mpmath.factorial(n))
            value, error = over_one_simplex(t, BELOW, level)
            assert abs(mpmath.mpf(value) - exact) <= error + 1e-100  # of the divided differences
        strip, error = over_one_simplex(t, STRIP, 0.7)
        low, high = (divided_difference(t, lambda x, c=c: max(x - c, mpmath.mpf(0)) ** n / mpmath.factorial(n)) for c in (-0.7, 0.7))
        assert abs(mpmath.mpf(strip) - (low - high)) <= error + 1e-100
    mean, error = over_one_simplex(t, MEAN)
    assert abs(mean - math.fsum(t) / (n + 1)) <= error


def test_equal_values_need_no_knots():
    value, error = over_one_simplex([0.5] * 4, GAUSSIAN, 2.0)
    assert abs(value - math.exp(-0.03125)) <= error < 2e-14
    assert over_one_simplex([0.5] * 4, STRIP, 0.25) == (0.0, 0.0)
    assert over_one_simplex([0.5] * 4, STRIP, 0.75)[0] == 1.0


def complex_of(network, box=None, **more):
    low, high = box or ([-1] * network.inputs, [1] * network.inputs)
    return polylc.certify(network, box=(low, high), measures="counts", **more)[0].complex


def test_one_neuron_in_closed_form():
    complex_ = complex_of(chain([[[2.0]], [[1.0]]], [[0.25], [0.0]]))
    for sigma, found in zip((0.01, 0.5, 20.0), decoupled(complex_, [0.01, 0.5, 20.0]), strict=True):
        exact = (stats.norm.cdf(2.25 / sigma) - stats.norm.cdf(-1.75 / sigma)) / 2
        assert found.lower <= exact * (1 + 1e-14)
        assert found.upper >= exact * (1 - 1e-14)
        assert found.upper - found.lower < 1e-10
        assert found.kind is Kind.ENCLOSURE


def test_the_limit_of_little_noise_weighs_ties_by_half_a_boundary():
    """z_2 = |x|: a full boundary of z_1 = x, and for z_2, zero where it touches, half of both sides."""
    network = chain([[[1.0], [-1.0]], [[1.0, 1.0]], [[1.0]]], [[0.0, 0.0], [0.0], [0.0]])
    (found,) = decoupled(complex_of(network), [1e-6])
    assert found.value == pytest.approx((1 + 1 + 1) / 2, rel=1e-9)
    network = chain([[[1.0]], [[1.0]], [[1.0]]], [[0.0], [0.0], [0.0]])  # z_2 = ReLU(x)
    (found,) = decoupled(complex_of(network), [1e-6])
    assert found.value == pytest.approx((1 + 0.5) / 2, rel=1e-9)


def strip_mass(complex_, width: Fraction) -> list[tuple[Fraction, Fraction]]:
    """Terms (v, q) whose sum of v sqrt(q) is LC^dec for uniform noise on [-width, width]: one more rational cut for
    every neuron.
    """
    k = complex_.domain.dimension
    inverse = complex_.domain.inverse_sides
    terms = []
    for region in range(len(complex_)):
        hidden = complex_.exact_forms.hidden(complex_.patterns(slice(region, region + 1))[0])
        path = complex_.exact_half_spaces(region)
        scale = complex_.exact_forms.scale
        for row in hidden:
            square = sum((Fraction(a, scale) * h) ** 2 for a, h in zip(row, inverse, strict=False))
            if not square:
                continue
            a = scale * width
            whole = [tuple(v * a.denominator for v in row)]
            whole = [(*whole[0][:-1], whole[0][-1] + a.numerator), (*(-v for v in whole[0][:-1]), -whole[0][-1] + a.numerator)]
            cell = rational_cell([*path, *whole], k)
            if cell is not None:
                terms.append((cell.volume / 2**k / (2 * width), square))
    return terms


UNIFORM = {
    "random plane": random_net([2, 5, 4, 1], 0),
    "random space": random_net([3, 5, 3, 2], 1),
    "random line": random_net([1, 6, 5, 1], 2),
    "leaky": random_net([2, 5, 4, 1], 3, negative_slope=0.25),
    "residual": residual_net(4),
    "quarters": quarter_net([2, 4, 4, 1], 5),
    "four": random_net([4, 4, 2, 1], 6),
    **SPECIAL,
}


@pytest.mark.parametrize("name", UNIFORM)
def test_uniform_noise_by_rational_volumes(name):
    check_uniform(complex_of(UNIFORM[name]), Fraction(3, 8), 1e-9)


@settings(max_examples=30, deadline=None)
@given(sliver_nets(max_inputs=2, max_depth=2), st.sampled_from([Fraction(1, 4), Fraction(1, 1024), Fraction(1, 2**30)]))
def test_uniform_noise_on_slivers(network, width):
    check_uniform(complex_of(network), width, math.inf)


def check_uniform(complex_, width: Fraction, narrow: float) -> None:
    """The enclosure holds the exact sum of roots."""
    with mpmath.workdps(40):
        exact = mpmath.fsum(
            mpmath.mpf(v.numerator) / v.denominator * mpmath.sqrt(mpmath.mpf(q.numerator) / q.denominator) for v, q in strip_mass(complex_, width)
        )
        (found,) = decoupled_uniform(complex_, [float(width)])
        assert found.lower <= exact <= found.upper
        assert found.upper - found.lower <= narrow * max(exact, 1e-300) or not exact


@pytest.mark.parametrize(
    "network",
    [random_net([2, 6, 5, 1], 0), random_net([3, 5, 4, 2], 1), residual_net(2), zero_bias_net([2, 5, 4, 1], 3), random_net([5, 4, 3, 1], 4)],
    ids=["plane", "space", "residual", "zero biases", "five"],
)
def test_decoupled_against_samples(network):
    complex_ = complex_of(network)
    sigma = 0.3
    (found,) = decoupled(complex_, [sigma])
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, size=(40_000, network.inputs))
    total = np.zeros(len(points))
    values, slopes = [points], [np.broadcast_to(np.eye(network.inputs), (len(points), network.inputs, network.inputs))]
    for layer in network.layers:
        z = sum(values[s] @ w.T for s, w in layer.affine.terms) + layer.affine.bias
        jacobian = sum(np.einsum("ij,bjk->bik", w, slopes[s]) for s, w in layer.affine.terms)
        total += (stats.norm.pdf(z, scale=sigma) * np.linalg.norm(jacobian, axis=2)).sum(axis=1)
        slope = np.where(z > 0, layer.positive, layer.negative)
        values.append(z * slope)
        slopes.append(jacobian * slope[:, :, None])
    assert abs(total.mean() - found.value) < 4 * total.std() / math.sqrt(len(points))
    assert found.upper - found.lower < 1e-8 * found.lower
    assert np.isfinite(forward(network, points[:1])).all()


@pytest.mark.parametrize("network", [random_net([2, 6, 5, 1], 0), random_net([3, 5, 4, 2], 1), quarter_net([2, 4, 3, 1], 2)], ids=["2", "3", "ties"])
def test_cells_in_doubles_and_exact_cells_agree(network):
    """The two roads to a region's integrals, each within its own bounds."""
    complex_ = complex_of(network)
    rows = slice(0, len(complex_))
    forms = complex_.forms(rows)
    norms = row_norms(complex_, forms.hidden, forms.noise)
    functions = [(GAUSSIAN, 0.2), (STRIP, 0.4), (BELOW, 0.1)]
    integrator = Integrator(complex_)
    value, wrong = integrator.batch(rows, forms, functions, (forms.hidden, forms.noise), norms)
    middle, slip = norms.mean(axis=2), 0.5 * (norms[:, :, 1] - norms[:, :, 0])
    cube = 2.0**-complex_.domain.dimension
    for region in range(len(complex_)):
        exact, doubt = integrator._exactly(region, forms.hidden[region], forms.noise[region], middle[region], slip[region], functions)
        assert (np.abs(exact * cube - value[region]) <= doubt * cube + wrong[region]).all()
        vertices, simplices, sizes = simplices_of(complex_, region)
        edges = vertices[simplices[:, 1:]] - vertices[simplices[:, :1]]
        assert np.abs(np.linalg.det(edges)) / math.factorial(edges.shape[1]) == pytest.approx(sizes[:, 0], rel=1e-9)


@pytest.mark.parametrize(
    ("name", "corners", "expected"),
    [("moons2d", ("-2", "3"), {"0.01": 14.1021, "0.1": 14.0697}), ("deep2d", ("-1", "1"), {"0.01": 95.7652, "0.1": 95.3046})],
)
def test_reference_networks(name, corners, expected, data):
    low, high = corners
    arguments = {"box": ([low] * 2, [high] * 2), "measures": "local_complexity", "sigma": list(expected)}
    result = polylc.certify(data / f"{name}.npz", certified=False, **arguments)[0]
    for sigma, value in expected.items():
        assert result.noisy_complexity[sigma].value == pytest.approx(value, abs=6e-5)
        assert result.noisy_complexity[sigma].kind is Kind.FLOAT


def test_noise_in_the_report():
    run = polylc.certify(random_net([2, 5, 4, 2], 0), [[0.0, 0.0], [0.5, 0.5]], radius=0.5, sigma="0.1,.5")
    report = run.report()
    pairs = [entry.local_complexity.sigma for entry in report.neighbourhoods]
    assert list(pairs[0]) == ["0.1", ".5"]
    for name, (low, high) in report.summary.mean_local_complexity_sigma.items():
        assert low <= np.mean([p[name][0] for p in pairs]) <= np.mean([p[name][1] for p in pairs]) <= high
    without = polylc.certify(random_net([2, 5, 4, 2], 0), [0.0, 0.0], radius=0.5).report()
    assert without.neighbourhoods[0].local_complexity.sigma is None
    assert without.summary.mean_local_complexity_sigma is None


def test_sigmas_are_read_exactly_and_refused_in_one_line():
    assert parse_sigmas(0.1) == (("0.1", 0.1),)
    assert parse_sigmas(("1/4", "1e-3")) == (("1/4", 0.25), ("1e-3", 1e-3))
    assert parse_sigmas(None) == ()
    for bad in ("0", -1, "x", "1e-200", ""):
        with pytest.raises(UsageError, match="sigma"):
            parse_sigmas(bad)


def test_sigma_belongs_to_measures_that_use_it():
    with pytest.raises(UsageError, match="neither is asked for"):
        polylc.certify(random_net([2, 3, 1], 0), [0.0, 0.0], radius=1, sigma=0.1, measures="counts")
    only = polylc.certify(random_net([2, 3, 1], 0), [0.0, 0.0], radius=1, sigma=0.1, measures="bounds")[0]
    assert only.local_complexity is None
    assert any("sigma 0.1" in b.name for b in only.bounds)


def test_noise_out_of_reach_is_estimated_and_said(monkeypatch):
    def asked() -> Result:
        return polylc.certify(random_net([8, 4, 1], 0), np.zeros(8), radius=1, sigma=0.1)[0]

    enclosed = asked().noisy_complexity["0.1"]
    assert enclosed.kind is Kind.ENCLOSURE
    monkeypatch.setattr("polylc.measures.by_volume.many_noise.MOST_PARTS", 1)
    result = asked()
    estimate = result.noisy_complexity["0.1"]
    assert estimate.kind is Kind.ESTIMATE
    assert "random points" in result.notes["local_complexity.sigma"]
    assert estimate.lower < enclosed.value < estimate.upper  # nominal 95 %, at a fixed seed


def test_rao_blackwell_agrees_with_exact_draws_and_varies_less():
    network = random_net([2, 6, 5, 1], 8)
    found = polylc.estimate(network, [0.0, 0.0], radius=1, methods="exact_draws,rao_blackwell,coarea", draws=60, sigma=0.3, samples=20_000)[0]
    draws, blackwell, coarea = found["exact_draws"], found["rao_blackwell"], found["coarea"]
    for other in (draws, coarea):
        assert abs(blackwell.value - other.value) < 4 * math.hypot(blackwell.standard_error, other.standard_error)
    assert blackwell.standard_error < draws.standard_error
    (dec,) = decoupled(complex_of(network), [0.3])
    assert abs(dec.value - blackwell.value) > 0  # LC^dec is another number


def test_rao_blackwell_of_one_layer_has_no_variance():
    network = random_net([2, 6, 1], 8)
    found = polylc.estimate(network, [0.0, 0.0], radius=1, methods="rao_blackwell", draws=5, sigma=0.3)[0]["rao_blackwell"]
    (dec,) = decoupled(complex_of(network), [0.3])
    assert found.value == pytest.approx(dec.value, rel=1e-10)
    assert found.standard_error < 1e-10


def test_noise_between_layers_makes_another_number():
    """A dead first neuron, eight neurons that read it; LC^dec misses what noise in the first layer brings to life."""
    sigma = 0.1
    network = chain([[[1.0]], [[1.0]] * 8, [[1.0] * 8]], [[-0.01 * sigma], [0.0] * 8, [0.0]])
    box = ([-1e-6], [1e-6])
    (dec,) = decoupled(complex_of(network, box), [sigma])
    found = polylc.estimate(network, box=box, methods="coarea", sigma=sigma, samples=20_000)[0]["coarea"]
    one = stats.norm.pdf(0.01 * sigma, scale=sigma)
    assert dec.value == pytest.approx(one, rel=1e-4)  # the first neuron alone
    assert found.value > 2 * one
