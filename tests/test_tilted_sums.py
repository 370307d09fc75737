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
from polylc.geometry.tilted.cumulants import Forms, cumulant, doubt_of
from polylc.geometry.tilted.lattice_sums import Effort, joint
from polylc.geometry.tilted.parcels import Parcel
from polylc.geometry.tilted.tilting import chernoff, forms_of, log_sinhc, tilt
from polylc.measures.by_volume import many_dimensions
from polylc.measures.by_volume.many_dimensions import ManyDimensions
from polylc.measures.by_volume.tilted_sampling import betting, draw, tilted_section
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


@given(st.integers(0, 10**6), st.integers(1, 900), st.sampled_from([-8.0, -1.0, 0.0, 1.0, 3.0, 90.0, 99.9, 101.0, 150.0]))
@settings(max_examples=60, deadline=None)
def test_sums_of_cumulants_are_within_their_bound(seed, count, power):
    """Factors multiplied before the logarithm is taken: many near 1, or so small that a few more would vanish."""
    flint = pytest.importorskip("flint")
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(count) * 10.0 ** rng.uniform(min(power, 0.0), power, count)
    value, size = cumulant(Forms(x[None], np.zeros(1), np.zeros(1)), np.ones(1), np.empty(len(x)))
    with flint.ctx.workprec(1200):
        # sinh x / x = e^|x| (1 - e^(-2 |x|)) / (2 |x|)
        terms = [(abs(v), flint.arb(abs(v))) for v in x.tolist() if v]
        exact = sum((v + ((1 - (-2 * v).exp()) / (2 * v)).log() for _, v in terms), flint.arb(0))
        error = abs(float((exact - flint.arb(value)).mid()))
    assert size == pytest.approx(np.abs(x).sum())
    assert error <= doubt_of(size, count)


entries = st.one_of(st.integers(-8, 8).map(lambda v: v / 8), st.sampled_from([1e-9, -1e-9, 1e-200, 1e150, -1e150, 1.0, -1.0]))


def awkward_rows(data, least):
    """Up to three forms over `least` to 12 coordinates: tiny, huge, parallel, nearly parallel, tangent, infeasible."""
    k, m = data.draw(st.integers(least, 12)), data.draw(st.integers(1, 3))
    rows = [data.draw(st.lists(entries, min_size=k + 1, max_size=k + 1)) for _ in range(m)]
    for j in range(1, m):
        kind = data.draw(st.sampled_from(["own", "parallel", "near", "tangent"]))
        if kind == "parallel":
            rows[j] = [-v for v in rows[0][:-1]] + [rows[j][-1]]
        if kind == "near":
            rows[j] = [v * (1 + 2.0**-40 * i) for i, v in enumerate(rows[0])]
        if kind == "tangent":
            rows[j][-1] = -sum(abs(v) for v in rows[j][:-1])
    return rows


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_nothing_is_ever_beside_what_points_say(data):
    """Tiny, huge, parallel, nearly parallel, tangent and infeasible forms, against points in the cube."""
    rows = awkward_rows(data, 2)
    k = len(rows[0]) - 1
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
    exact = many._parcel(*many._numbered(row, np.zeros(1)), effort)
    rough = many._parcel(*many._numbered(row, np.array([noise])), effort)
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
        found = many.enclosures[name]
        assert found.lower <= exact.upper
        assert found.upper >= exact.lower
    kink = many.enclosed(many.jumps)
    assert kink.lower <= result.kink_variation.upper
    assert kink.upper >= result.kink_variation.lower
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
def test_volumes_lie_in_every_enclosure_of_many(seed, monkeypatch):
    for effort in ("SECTIONS", "SHARES", "FACETS"):  # narrow enough to be wrong, if they were
        monkeypatch.setattr(many_dimensions, effort, 4e6)
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


def test_what_three_half_spaces_leave_is_one_sum():
    """Where each overlaps with both others, what lies beyond each or two of them says little."""
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((3, 21))
    rows[:, -1] = [0.5, -0.5, 0.2]
    parcel, effort = Parcel(forms(rows), False, (1.0, 1.0)), Effort(1e9)
    parcel.narrow(1e-6, effort, 2)
    assert parcel.width > 1e-2
    parcel.narrow(1e-6, effort)
    assert 0 < parcel.width < 1e-4  # what so few frequencies give
    values = rng.uniform(-1, 1, (400000, 20)) @ rows[:, :-1].T + rows[:, -1]
    share = (values > 0).all(axis=1).mean()
    assert abs(share - parcel.low) < 5 * np.sqrt(share / len(values))


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
    """Of 200 intervals at most one in twenty misses what sections enclose."""
    network = random_net([8, 4, 3, 2], seed)
    complex_ = polylc.certify(network, np.zeros(8), radius=1, measures="counts")[0].complex
    many = ManyDimensions(complex_, Scene(complex_, (), None, certified=True).graph, Gradients(complex_))
    area = many.areas.sum(axis=0)
    mixture = many.mixture(np.ones(len(many.graph)))
    missed = 0
    for again in range(200):
        low, high = betting(mixture.draw(draws, np.random.default_rng(again)))
        missed += mixture.scale * low > area[1] or mixture.scale * high < area[0]
    assert missed <= 10


@pytest.mark.slow
@pytest.mark.parametrize("draws", [50, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_tilted_sampling_covers(seed, draws):
    check_coverage(seed, draws)
