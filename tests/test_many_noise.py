"""LC^dec in many dimensions: means of densities of noise on cells, against closed forms, exact integrals and points."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import quarter_net, random_net
from test_tilted_sums import awkward_rows, density, share

import polylc
from polylc.exact.quantity import Kind
from polylc.geometry.tilted.lattice_sums import joint
from polylc.geometry.tilted.tilting import chernoff, exponents, forms_of, tilt
from polylc.measures.by_volume.many_noise import ManyNoise
from polylc.measures.by_volume.noise import noisy_terms
from polylc.measures.by_volume.tilted_sampling import betting, draw, tilted_section
from polylc.measures.scene import Scene
from polylc.network.form import chain


def enclosure(rows, sigma):
    """The mean of the density of N(0, sigma^2) at the first form where the others are positive."""
    rows = np.array(rows, dtype=np.float64)
    found = joint(forms_of(rows, np.zeros(len(rows)), sigma), True)
    power = int(np.frexp(np.abs(rows[0, :-1]).max())[1])
    return tuple(math.ldexp(v, -power) for v in found)


def by_integral(a, s, sigma):
    """The same of one form a t - s in two coordinates: one integral in closed form, the other by arb's quadrature."""
    flint = pytest.importorskip("flint")
    with flint.ctx.workprec(1000):
        root = flint.acb(2).sqrt() * sigma

        def inner(t, _):
            u = flint.acb(s) - a[1] * t
            return (((u + a[0]) / root).erf() - ((u - a[0]) / root).erf()) / (4 * flint.acb(a[0]))

        return float((flint.acb.integral(inner, -1, 1) / 2).real.mid())


@pytest.mark.parametrize("sigma", [0.03, 0.5, 4.0, 1e3])
@pytest.mark.parametrize(("a", "s"), [((1.0, 0.5), 0.25), ((1.0, -0.75), 2.5), ((3.0, 1e-3), 0.0), ((0.3, 0.2), -1.0)])
def test_one_form_by_quadrature(a, s, sigma):
    exact = by_integral(a, s, sigma)
    low, high = enclosure([[*a, -s]], sigma)
    assert low * (1 - 1e-14) <= exact <= high * (1 + 1e-14)
    assert high - low <= 1e-7 * high or exact < 1e-250


@pytest.mark.parametrize("sigma", [0.05, 0.5, 5.0])
def test_one_coordinate_is_a_difference_of_error_functions(sigma):
    for a, s in ((1.0, 0.0), (-0.7, 0.5), (2.0, 3.0)):
        exact = (math.erf((s + abs(a)) / (math.sqrt(2) * sigma)) - math.erf((s - abs(a)) / (math.sqrt(2) * sigma))) / (4 * abs(a))
        low, high = enclosure([[0.0, a, -s]], sigma)
        assert low <= exact * (1 + 1e-12) + 1e-17
        assert high >= exact * (1 - 1e-12) - 1e-17


@pytest.mark.parametrize("sigma", [0.1, 1.0])
def test_blocks_that_know_nothing_of_each_other_multiply(sigma):
    """A half-space in coordinates of its own takes its share of the mean."""
    rng = np.random.default_rng(3)
    rows = np.zeros((2, 17))
    rows[0, :8], rows[0, -1] = rng.standard_normal(8), 0.3
    rows[1, 8:16], rows[1, -1] = rng.integers(1, 65, 8) / 64, 0.25
    alone, part = enclosure(rows[:1], sigma), float(share(rows[1, 8:]))
    low, high = enclosure(rows, sigma)
    assert low <= alone[1] * part * (1 + 1e-12)
    assert high >= alone[0] * part * (1 - 1e-12)
    assert high - low <= 1e-4 * high


def test_little_noise_is_none():
    """The density is of bounded variation, so noise of deviation 1e-4 changes it by far less than one in a thousand."""
    rng = np.random.default_rng(1)
    row = rng.integers(16, 65, 9) / 64
    row[-1] = 0.5
    exact = float(density(row))
    low, high = enclosure([row], 1e-4)
    assert low * (1 - 1e-3) <= exact <= high * (1 + 1e-3)
    assert high - low < 1e-3 * high


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_nothing_is_ever_beside_what_points_say(data):
    """Tiny, huge, parallel, tangent and infeasible forms, with noise of every size."""
    rows = awkward_rows(data, 1)
    k, m = len(rows[0]) - 1, len(rows)
    sigma = data.draw(st.sampled_from([1e-3, 0.1, 1.0, 30.0, 1e100]))
    given_ = forms_of(np.array(rows), np.zeros(m), sigma)
    low, high = joint(given_, True)
    assert 0.0 <= low <= high
    values = np.random.default_rng(0).uniform(-1, 1, (4000, k)) @ given_.a.T - given_.s
    with np.errstate(over="ignore", under="ignore"):
        seen = np.exp(-0.5 * (values[:, 0] / given_.soft) ** 2) * (values[:, 1:] > 0).all(axis=1)
    top = 1 / (math.sqrt(2 * math.pi) * given_.soft)
    within = betting(seen, 1e-9)
    assert low <= within[1] * top * (1 + 1e-12)
    assert high >= within[0] * top * (1 - 1e-12)


@pytest.mark.parametrize(("row", "sigma"), [([1e-200, 1e150], 1e-3), ([1e-300, 1e-300], 1e100), ([1e-300, -1e300], 1e300)])
def test_forms_that_are_scaled_stay_doubles(row, sigma):
    """E density(g + sigma xi at 0) of a g that hardly varies is that of its constant; shares by the constant's sign."""
    given_ = forms_of(np.array([row]), np.zeros(1), sigma)
    assert np.isfinite([given_.s[0], given_.soft]).all()
    low, high = joint(given_, True)
    exact = math.exp(-0.5 * (row[1] / sigma) ** 2) / (math.sqrt(2 * math.pi) * given_.soft)
    assert low <= exact * (1 + 1e-9)
    assert high >= exact * (1 - 1e-9)
    assert exponents(np.array([row]), sigma)[0] == round(math.log2(sigma / given_.soft))
    low, high = joint(forms_of(np.array([row]), np.zeros(1)), False)
    assert low <= (row[1] > 0) <= high or row[0] == row[1]


@pytest.mark.parametrize("sigma", [0.05, 1.0, 20.0])
def test_tilted_samples_have_the_mean(sigma):
    """Whether a coordinate is solved for, or the noise."""
    rng = np.random.default_rng(4)
    for far in (0.0, 3.0, 9.0):
        rows = rng.standard_normal((2, 31))
        rows[:, -1] = [-far, 1.0]
        given_ = forms_of(rows, np.zeros(2), sigma)
        law = tilted_section(given_)
        weight, _ = draw(law, 40000, rng)
        assert weight.min() >= 0
        assert weight.max() <= 1 + 1e-12
        low, high = betting(weight, 1e-6)
        exact = joint(given_, True)
        assert low * math.exp(law.size) <= exact[1]
        assert high * math.exp(law.size) >= exact[0]
        assert exact[1] <= chernoff(given_, tilt(given_, np.zeros(2), 1), True) * (1 + 1e-9)
        assert high - low < 0.2 * high
    assert law.solved == -1 or sigma < 20


def check_against_exact_integrals(seed, sigmas):
    """In four to six dimensions, others fixed, LC^dec is integrated over vertices."""
    rng = np.random.default_rng(seed)
    free = int(rng.integers(4, 7))
    network = (quarter_net if seed % 3 == 0 else random_net)([8, 5, 4, 2], seed)
    middle = rng.uniform(-1, 1, 8).round(3)
    half = np.where(rng.permutation(8) < free, rng.choice([0.25, 0.5, 1.0], 8), 0.0)
    complex_ = polylc.certify(network, box=((middle - half).tolist(), (middle + half).tolist()), measures="counts")[0].complex
    many = ManyNoise(complex_, Scene(complex_, (), None, certified=True).graph, sigmas)
    for sigma, (exact, strip) in zip(sigmas, noisy_terms(complex_, sigmas), strict=True):
        for found, one in ((many.enclosure(sigma), (exact.lower, exact.upper)), (many.strip(sigma), strip)):
            assert found[0] <= one[1]
            assert found[1] >= one[0]


@pytest.mark.parametrize("seed", range(2))
def test_exact_integrals_lie_in_every_enclosure(seed):
    check_against_exact_integrals(seed, [0.3])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 42))
def test_exact_integrals_lie_in_every_enclosure_of_many(seed):
    check_against_exact_integrals(seed, [0.05, 2.0])


def test_one_layer_of_coordinates_is_known():
    """sum of ReLU(x_i - b_i): every neuron adds a difference of normal distribution functions."""
    n, sigma = 8, 0.3
    shifts = np.linspace(-0.5, 1.5, n)
    network = chain([np.eye(n), np.ones((1, n))], [-shifts, [0.0]])
    result = polylc.certify(network, box=([-1] * n, [1] * n), sigma=str(sigma), measures="local_complexity")[0]
    exact = sum(0.25 * (math.erf((1 + b) / (math.sqrt(2) * sigma)) + math.erf((1 - b) / (math.sqrt(2) * sigma))) for b in shifts)
    found = result.noisy_complexity[str(sigma)]
    assert found.kind is Kind.ENCLOSURE
    assert found.lower <= exact * (1 + 1e-13)
    assert found.upper >= exact * (1 - 1e-13)
    assert found.upper - found.lower < 1e-6
