"""Shares of the cube and areas of its sections: every enclosure holds what rationals, other formulas and points say."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import quarter_net, random_net

import polylc
from polylc.geometry.tilted.aliases import Law, aliases, tilted_law
from polylc.geometry.tilted.cumulants import exponent
from polylc.geometry.tilted.frequencies import beyond
from polylc.geometry.tilted.known_sums import Sums
from polylc.geometry.tilted.lattice_sums import CELLS, Effort, _frequencies, _line, _sum, _tilted, joint
from polylc.geometry.tilted.parcels import Parcel
from polylc.geometry.tilted.tilting import argument_error, chernoff, forms_of, log_sinhc, tilt
from polylc.measures.by_volume.many_dimensions import ManyDimensions
from polylc.measures.by_volume.tilted_sampling import Weigher, betting, draw, sampled_sum, tilted_section
from polylc.measures.by_volume.weighed_parcels import extremes
from polylc.measures.gradient.norms import Gradients
from polylc.measures.scene import Scene


def forms(rows):
    rows = np.array(rows, dtype=np.float64)
    return forms_of(rows, np.zeros(len(rows)))


def enclosure(rows, dense):
    """`joint`, without the power of two by which forms are scaled."""
    found = joint(forms(rows), dense)
    power = int(np.frexp(np.abs(np.array(rows)[0, :-1]).max())[1]) if dense else 0
    return tuple(math.ldexp(v, -power) for v in found)


def simplices(row, power):
    """What the corners give by inclusion and exclusion, exactly: the sum of their signs times (a t + c)_+^power."""
    a, c = [Fraction(v) for v in row[:-1]], Fraction(row[-1])
    k = len(a)
    total = Fraction(0)
    for signs in itertools.product((1, -1), repeat=k):
        value = c + sum(s * v for s, v in zip(signs, a, strict=True))
        if value > 0:
            total += math.prod(signs) * value**power
    return total / (math.factorial(power) * 2**k * math.prod(a))


def density(row):
    """The density of a t + c at 0, no a_i zero: a piecewise polynomial of degree k - 1."""
    return simplices(row, len(row) - 2)


def share(row):
    """The share of the cube where a t + c > 0."""
    return simplices(row, len(row) - 1)


@pytest.mark.parametrize("seed", range(6))
def test_one_form_by_inclusion_and_exclusion(seed):
    rng = np.random.default_rng(seed)
    row = rng.integers(-64, 65, 9) / 64
    row[:-1][row[:-1] == 0] = 1
    row[-1] *= np.abs(row[:-1]).sum() * rng.random()
    for dense, exact in ((True, density(row)), (False, share(row))):
        low, high = enclosure([row], dense)
        assert Fraction(low) <= exact <= Fraction(high)
        assert high - low <= 1e-6 * high


def test_what_one_coordinate_decides():
    for s in (0.25, -0.5):
        assert enclosure([[0.0, 2.0, s]], True) == pytest.approx((0.25, 0.25), rel=1e-11)
        assert joint(forms([[0.0, 2.0, s]]), False) == pytest.approx([(1 + s / 2) / 2] * 2, rel=1e-11)
    assert joint(forms([[1.0, 0.0, 1.5]]), True) == (0.0, 0.0)
    assert joint(forms([[1.0, 2.0, -3.5]]), False) == (0.0, 0.0)
    assert joint(forms([[1.0, 2.0, 3.5]]), False) == (1.0, 1.0)
    low, high = enclosure([[1.0, 0.0, 1.0]], True)  # the plane of a face: nothing is said of which side counts
    assert low == 0.0
    assert high >= 0.5


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("m", [2, 3])
def test_blocks_that_know_nothing_of_each_other_multiply(m, dense):
    """Forms in coordinates of their own are independent, and each is known exactly."""
    rng = np.random.default_rng(m)
    rows, product = np.zeros((m, 8 * m + 1)), Fraction(1)
    for j in range(m):
        row = np.append(rng.integers(1, 65, 8) / 64 * rng.choice([-1, 1], 8), rng.integers(-64, 65) / 64)
        rows[j, 8 * j : 8 * j + 8], rows[j, -1] = row[:-1], row[-1]
        product *= density(row) if dense and j == 0 else share(row)
    low, high = enclosure(rows, dense)
    assert Fraction(low) <= product <= Fraction(high)
    assert high - low <= (1e-4 if m == 2 else 0.2) * high


@pytest.mark.parametrize("dense", [False, True])
def test_both_sides_of_a_half_space_make_the_whole(dense):
    rng = np.random.default_rng(5)
    for k in (12, 64, 200):
        rows = rng.standard_normal((3, k + 1))
        rows[:, -1] *= math.sqrt(k) / 3
        for m in (2, 3):
            one, other = joint(forms(rows[:m]), dense), joint(forms(rows[:m] * np.array([1.0] * (m - 1) + [-1.0])[:, None]), dense)
            whole = joint(forms(rows[: m - 1]), dense)
            assert one[0] + other[0] <= whole[1] * (1 + 1e-12)
            assert one[1] + other[1] >= whole[0] * (1 - 1e-12)
            assert one[1] - one[0] <= (0.2 if k == 12 else 1e-4) * whole[1]


def test_cumulants_are_within_their_bound():
    flint = pytest.importorskip("flint")
    for x in [*np.linspace(-3, 3, 101).tolist(), 1e-300, 1e-8, 0.2499999, 0.25, 40.0, 800.0]:
        if x:
            with flint.ctx.workprec(200):
                exact = (flint.arb(x).sinh() / flint.arb(x)).log()
            error = abs(float((exact - flint.arb(float(log_sinhc(np.array([x]))[0]))).mid()))
            assert error <= (64 + 20 * abs(x)) * 2.0**-53


entries = st.one_of(st.integers(-8, 8).map(lambda v: v / 8), st.sampled_from([1e-9, -1e-9, 1e-200, 1e150, -1e150, 1.0, -1.0]))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_nothing_is_ever_beside_what_points_say(data):
    """Tiny, huge, parallel, nearly parallel, tangent and infeasible forms, against points in the cube."""
    k, m = data.draw(st.integers(2, 12)), data.draw(st.integers(1, 3))
    rows = [data.draw(st.lists(entries, min_size=k + 1, max_size=k + 1)) for _ in range(m)]
    for j in range(1, m):
        kind = data.draw(st.sampled_from(["own", "parallel", "near", "tangent"]))
        if kind == "parallel":
            rows[j] = [-v for v in rows[0][:-1]] + [rows[j][-1]]
        if kind == "near":
            rows[j] = [v * (1 + 2.0**-40 * i) for i, v in enumerate(rows[0])]
        if kind == "tangent":
            rows[j][-1] = -sum(abs(v) for v in rows[j][:-1])
    low, high = joint(forms(rows), False)
    assert 0.0 <= low <= high
    points = np.random.default_rng(0).uniform(-1, 1, (4000, k))
    values = np.array(rows) @ np.append(points, np.ones((4000, 1)), axis=1).T
    seen = float((values > 0).all(axis=0).mean())
    slip = 5.5 * math.sqrt(max(seen * (1 - seen), 0.02 * 0.98) / 4000)
    assert low - slip <= seen <= high + slip
    dense = joint(forms(rows), True)
    assert 0.0 <= dense[0] <= dense[1]


@given(st.integers(0, 10**6), st.floats(0.0, 40.0))
@settings(max_examples=40, deadline=None)
def test_chernoff_bounds_the_sums(seed, far):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((2, 21))
    rows[:, -1] -= far / 4
    given_ = forms(rows)
    for dense in (False, True):
        low, high = joint(given_, dense)
        bound = chernoff(given_, tilt(given_, np.zeros(2), int(dense)), dense)
        assert low <= high <= bound * (1 + 1e-12) or high <= bound


@given(st.integers(1, 12), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_extremes_are_those_of_a_linear_program(count, seed):
    from scipy.optimize import linprog

    rng = np.random.default_rng(seed)
    low = rng.random(count) * rng.integers(0, 2, count)
    high = low + rng.random(count)
    weight = np.sort(rng.integers(0, 9, (count, 2)) / 4, axis=1)
    whole = low.sum() + (high - low).sum() * np.sort(rng.random(2))
    found = extremes(weight, np.stack([low, high], axis=1), whole)
    for end, sign in ((0, 1), (1, -1)):
        solved = linprog(sign * weight[:, end], A_eq=[[1.0] * count], b_eq=[whole[end]], bounds=list(zip(low, high, strict=True)))
        assert found[end] == pytest.approx(sign * solved.fun, abs=1e-9)


@pytest.mark.parametrize("weight", [[[0.0, 1.0], [0.0, 2.0]], [[0.0, 0.0], [1.0, 2.0]], [[1.0, 2.0], [1.0, 3.0]]])
def test_extremes_of_what_is_not_bounded(weight):
    assert extremes(np.array(weight), np.array([[0.0, math.inf]] * 2), np.array([0.0, math.inf])) == (0.0, math.inf)


def test_a_row_known_worse_elsewhere_is_enclosed_anew():
    """Two sections with one computed row, the second with more noise: its area holds all that the row may be."""
    result, many = enclosed(random_net([3, 3, 2], 0), ([-1.0] * 3, [1.0] * 3))
    row, noise, effort = np.array([[0.0, 0.75, 0.25]]), 2.0**-20, Effort(1e9)
    assert result.complete
    exact = many._parcel(row, np.zeros(1), effort)
    rough = many._parcel(row, np.array([noise]), effort)
    for slope in (0.75 - noise, 0.75 + noise):
        assert rough.whole[0] <= 0.5 / slope <= rough.whole[1]
    assert exact.whole[1] - exact.whole[0] < 1e-9 < rough.whole[1] - rough.whole[0]


def enclosed(network, box):
    result = polylc.certify(network, box=box, measures="local_complexity,total_variation,kink_variation")[0]
    scene = Scene(result.complex, (), 0 if network.outputs > 1 else None, certified=True)
    return result, ManyDimensions(result.complex, scene.graph, Gradients(result.complex))


def check_against_volumes(seed):
    """In four to six dimensions, others fixed, volumes are there to compare with."""
    rng = np.random.default_rng(seed)
    free, inputs = int(rng.integers(4, 7)), 8
    network = (quarter_net if seed % 3 == 0 else random_net)([inputs, 5, 4, 2], seed)
    middle = rng.uniform(-1, 1, inputs).round(3)
    half = np.where(rng.permutation(inputs) < free, rng.choice([0.25, 0.5, 1.0], inputs), 0.0)
    result, many = enclosed(network, ((middle - half).tolist(), (middle + half).tolist()))
    for name, exact in result.local_complexity.items():
        found = many.local_complexity[name]
        assert found.lower <= exact.upper
        assert found.upper >= exact.lower
    assert many.kink_variation.lower <= result.kink_variation.upper
    assert many.kink_variation.upper >= result.kink_variation.lower
    for name, found in many.total_variation(None).items():
        exact = result.total_variation[name]
        assert found.lower <= exact.upper
        assert found.upper >= exact.lower
    scene = Scene(result.complex, (), None, certified=True)
    shares = scene.volumes.value.share
    assert (many.shares[:, 0] <= shares[:, 1]).all()
    assert (many.shares[:, 1] >= shares[:, 0]).all()


@pytest.mark.parametrize("seed", range(6))
def test_volumes_lie_in_every_enclosure(seed):
    check_against_volumes(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6, 206))
def test_volumes_lie_in_every_enclosure_of_many(seed):
    check_against_volumes(seed)


def test_a_parcel_is_narrowed_in_stages():
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((4, 33))
    rows[1:, -1] = 6.0
    given_ = forms(rows)
    parcel, effort = Parcel(given_, True, joint(given_.rows([0]), True)), Effort(1e9)
    widths = [parcel.width]
    parcel.bound(effort)
    widths.append(parcel.width)
    for worth in (0.3, 1e-12):
        parcel.narrow(worth, effort)
        widths.append(parcel.width)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.05 * parcel.high
    points = rng.uniform(-1, 1, (200000, 32))
    values = np.append(points, np.ones((200000, 1)), axis=1) @ rows.T
    near = 0.1
    inside = (np.abs(values[:, 0]) < near) & (values[:, 1:] > 0).all(axis=1)
    scale = 2.0 ** -np.frexp(np.abs(rows[0, :-1]).max())[1]
    strip = inside.mean() / (2 * near * scale)
    assert parcel.low - 0.05 * strip <= strip <= parcel.high + 0.05 * strip


def test_tilted_samples_have_the_areas_as_their_mean():
    """The mean of Z W is the area of the section, which a lattice sum encloses."""
    rng = np.random.default_rng(4)
    for far in (0.0, 3.0, 9.0):
        rows = rng.standard_normal((2, 31))
        rows[:, -1] = [-far, 1.0]
        law = tilted_section(forms(rows))
        weight, points = draw(law, 40000, rng)
        assert weight.min() >= 0
        assert weight.max() <= 1 + 1e-12
        kept = weight > 0
        assert np.abs(points[kept] @ rows[0, :-1] - far).max() < 1e-9
        low, high = betting(weight, 1e-6)
        exact = joint(forms(rows), True)
        assert low * math.exp(law.size) <= exact[1]
        assert high * math.exp(law.size) >= exact[0]
        assert high - low < 0.2 * high


@pytest.mark.parametrize("size", [20, 200, 2000])
def test_betting_intervals_cover(size):
    """At most one in twenty miss; the tail of a binomial law says how many may by chance."""
    rng = np.random.default_rng(size)
    missed = 0
    for _ in range(200):
        values = rng.random(size) ** 8 * (rng.random(size) < 0.3)
        low, high = betting(values)
        assert 0 <= low <= high <= 1
        missed += not low <= 0.3 / 9 <= high
    assert missed <= 20


def check_coverage(seed, draws):
    network = random_net([8, 4, 3, 2], seed)
    complex_ = polylc.certify(network, np.zeros(8), radius=1, measures="counts")[0].complex
    scene = Scene(complex_, (), None, certified=True)
    many = ManyDimensions(complex_, scene.graph, Gradients(complex_))
    area = many.areas.sum(axis=0)
    listed = [forms_of(s.rows, s.noise) for s in many.sections]
    lengths = many._lengths.mean(axis=1)
    missed = 0
    for again in range(40):
        found = sampled_sum(listed, lengths, [Weigher(np.ones(1), None)] * len(listed), draws, again)
        missed += found.lower > area[1] or found.upper < area[0]
    assert missed <= 6


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_tilted_sampling_covers(seed):
    for draws in (50, 1000):
        check_coverage(seed, draws)


def tilted_terms(seed, m, dense, k=24, count=6):
    """Terms of a sum as the kernels take them, and forms and law that they belong to."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((m, k + 1)) * np.where(rng.random(k + 1) < 0.3, 1e-3, 1.0)
    given_ = forms(rows)
    error = argument_error(given_)
    law = Law(tilt(given_, np.full(m, 0.5), int(dense)), *np.empty((2, k)), *np.empty((2, m)))
    tilted_law.always_compiled(given_, law)
    step = 2 * math.pi / (8.0 * np.sqrt(law.square))
    return given_, error, law, _tilted(given_, error, law.theta, step)


def sizes_of_factors(of, frequency):
    """Factors of one term by complex arithmetic, (k,)."""
    z = of.x + 1j * ((frequency * of.step) @ of.a)
    ratio = np.where(np.abs(z) < 1e-3, 1 + z**2 / 6, np.sinh(z) / np.where(z == 0, 1, z))
    return ratio * of.x / np.sinh(of.x)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("m", [1, 2, 3])
def test_terms_add_up_as_complex_numbers_do(m, dense):
    _, _, _, of = tilted_terms(m, m, dense)
    free, count = int(dense), 4
    expected = 0.0
    for n in itertools.product(range(-count, count + 1), repeat=m):
        frequency = np.array(n, dtype=np.float64)
        tau = frequency * of.step
        term = np.prod(sizes_of_factors(of, frequency)) * np.exp(-1j * tau @ of.s)
        expected += (term / np.prod((of.theta + 1j * tau)[free:])).real
    total, off = _sum(of, free, count, 0.0, Effort(math.inf))
    assert off < 1e-8
    assert abs(total - expected) <= off + 1e-12 * abs(expected)
    cut, lost = _sum(of, free, count, 1e-6, Effort(math.inf))
    assert abs(cut - expected) <= lost + 1e-12 * abs(expected)
    assert lost <= 3e-6


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("m", [1, 2])
def test_what_is_beyond_a_frequency_is_bounded(m, dense):
    """Sizes of the terms of some shells beyond are within the bound of all."""
    _, _, _, of = tilted_terms(m + 7, m, dense)
    free = int(dense)
    for count in (3, 6):
        seen = 0.0
        for n in itertools.product(range(-3 * count, 3 * count + 1), repeat=m):
            frequency = np.array(n, dtype=np.float64)
            if np.abs(frequency).max() > count:
                tau = frequency * of.step
                seen += np.prod(np.abs(sizes_of_factors(of, frequency))) / np.prod(np.abs(of.theta + 1j * tau)[free:])
        bound = beyond.always_compiled(of, free, count, CELLS[m], 1000, 0.0, _line(m, CELLS[m]))
        assert seen <= bound
        plain = beyond.plain(of, free, count, CELLS[m], 20, 1e-9, _line(m, CELLS[m])) if m == 1 else bound
        assert seen <= plain


@pytest.mark.parametrize("dense", [False, True])
def test_aliases_bound_the_sum_less_the_number(dense):
    """What short periods count besides is what they are bounded by, at most."""
    for seed in range(4):
        given_, error, law, _ = tilted_terms(seed, 1, dense)
        low, high = joint(given_, dense)
        for periods in (4.0, 6.0):
            period = periods * np.sqrt(law.square)
            of = _tilted(given_, error, law.theta, 2 * math.pi / period)
            count, tail = _frequencies(of, int(dense), 10, 1e-12, Effort(math.inf))
            total, off = _sum(of, int(dense), count, 0.0, Effort(math.inf))
            scale = math.exp(exponent.always_compiled(given_, error, law.theta, law.x)[0])
            without = Law(np.empty(1), *np.empty((2, len(law.x))), *np.empty((2, 1)))
            bound = aliases.always_compiled(given_, error, law, period * (1 - 1e-14), dense, 0.0, without)
            found = total * float(of.step[0]) / (2 * math.pi)
            slack = (off + tail) * float(of.step[0]) / (2 * math.pi)
            assert (found + slack) * scale * (1 + 1e-9) >= low
            assert (found - slack - bound) * scale * (1 - 1e-9) <= high


def test_compiled_cumulants_are_those_of_arrays():
    rng = np.random.default_rng(3)
    given_ = forms(rng.standard_normal((2, 41)) * 10.0 ** rng.integers(-4, 2, 41))
    theta = rng.random(2)
    x, error = np.empty(40), argument_error(given_)
    value, doubt = exponent.always_compiled(given_, error, theta, x)
    expected = math.fsum(log_sinhc(theta @ given_.a).tolist()) - float(theta @ given_.s)
    assert x == pytest.approx(theta @ given_.a, abs=1e-12)
    assert abs(value - expected) <= 2 * doubt


def test_sums_that_are_known_tell_of_the_other_sides():
    """Shares of the four quadrants of two forms: one sum of both, and the others follow; all are those of `joint`."""
    rng = np.random.default_rng(11)
    given_ = forms(rng.standard_normal((3, 33)))
    for dense in (False, True):
        sums, effort = Sums(), Effort(1e12)
        numbers = sums.numbers(given_)
        head = [0] if dense else []
        for j in (1, 2):
            for signs in ((1.0,), (-1.0,)):
                rows = given_.rows([*head, j], [*[1.0 for _ in head], *signs])
                sums.joint(rows, sums.numbers(rows), dense, 0.0, effort)
        if dense:
            plane = given_.rows([0])
            sums.joint(plane, sums.numbers(plane), True, 0.0, effort)
        for first, second in itertools.product((1, -1), repeat=2):
            rows = given_.rows([*head, 1, 2], [*[1.0 for _ in head], float(first), float(second)])
            turned = [*([numbers[0]] if dense else []), first * numbers[1], second * numbers[2]]
            left = effort.left
            found = sums.joint(rows, turned, dense, 1e-4, effort)
            assert (effort.left == left) == ((first, second) != (1, 1))
            exact = joint(rows, dense)
            assert found[0] <= exact[1]
            assert found[1] >= exact[0]
