"""Local complexity and variations in l2 balls that a box cuts: polygons in the plane, closed forms, uniform points."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from nets import quarter_net, random_net
from oracles import clip_regions, one_layer_in_a_ball
from scipy.integrate import quad

import polylc
from polylc.domains.ball import ball
from polylc.errors import NeighbourhoodError
from polylc.exact.quantity import Kind
from polylc.geometry.tilted.in_ball import Ball, law_of, weights
from polylc.geometry.tilted.tilting import forms_of
from polylc.measures.by_volume.in_cut_balls import TOO_LITTLE, InCutBall
from polylc.measures.by_volume.tilted_sampling import betting
from polylc.measures.gradient.norms import Gradients
from polylc.measures.scene import Scene
from polylc.network.form import chain, pattern_at


def cut(network, center, radius, clip, **settings):
    """The measurer of a ball, and its domain."""
    found = polylc.certify(network, [center], radius=radius, clip=clip, norm="l2", measures="counts")[0]
    scene = Scene(found.complex, (), None, certified=True)
    return InCutBall(found.complex, scene.graph, Gradients(found.complex), **settings)


def within_disc(p, q, center, radius):
    """Length of a segment in a disc."""
    start, along = np.array(p, dtype=float) - center, np.array(q, dtype=float) - np.array(p, dtype=float)
    a, b, c = along @ along, start @ along, start @ start - radius**2
    if a == 0 or b * b - a * c <= 0:
        return 0.0
    root = math.sqrt(b * b - a * c)
    low, high = max((-b - root) / a, 0.0), min((-b + root) / a, 1.0)
    return max(high - low, 0.0) * math.sqrt(a)


def disc_in_box(center, radius, lower, upper):
    """Area, by quadrature over one coordinate."""

    def height(x):
        half = math.sqrt(max(radius**2 - (x - center[0]) ** 2, 0.0))
        return max(min(center[1] + half, upper[1]) - max(center[1] - half, lower[1]), 0.0)

    ends = [lower[0], upper[0]]
    for y in (lower[1], upper[1]):
        if abs(y - center[1]) < radius:
            reach = math.sqrt(radius**2 - (y - center[1]) ** 2)
            ends += [x for x in (center[0] - reach, center[0] + reach) if lower[0] < x < upper[0]]
    ends.sort()
    return sum(quad(height, a, b)[0] for a, b in itertools.pairwise(ends))


def in_the_plane(network, center, radius, clip):
    """Local complexity that counts every facet once, from polygons."""
    domain = ball(center, radius, ((Fraction(clip[0]),), (Fraction(clip[1]),)))
    lower, upper = [[float(v) for v in end] for end in (domain.lower, domain.upper)]
    middle, length = np.array(center, dtype=float), 0.0
    for cell in clip_regions(network, domain):
        corners = cell.corners
        for p, q in zip(corners, corners[1:] + corners[:1], strict=True):
            on_side = any(p[j] == q[j] == side for j in (0, 1) for side in (domain.lower[j], domain.upper[j]))
            length += 0.0 if on_side else 0.5 * within_disc(p, q, middle, float(radius))
    return length / disc_in_box([float(v) for v in center], float(radius), lower, upper)


PLANE = [
    ((0.0, 0.0), 0.75, (-0.5, 0.25)),  # four sides cut
    ((0.0, 0.25), 0.5, (0.0, 1.0)),  # one through the centre
    ((0.0, 0.0), 0.75, (0.0, 2.0)),  # a corner at the centre
    ((-0.25, 0.5), 0.5, (0.0, 2.0)),  # the centre is outside
    ((-0.4921875, 0.25), 0.5, (0.0, 2.0)),  # little is left
]


@pytest.mark.parametrize("where", PLANE)
@pytest.mark.parametrize("make", [random_net, quarter_net])
def test_polygons_in_the_plane(make, where):
    network = make([2, 6, 5, 1], 3)
    found = cut(network, *where)
    exact = in_the_plane(network, *where)
    value = found.local_complexity["activation_set"]
    if exact == 0:
        assert value.upper == 0
        return
    assert value.kind is Kind.ESTIMATE
    assert value.upper - value.lower < 0.1 * exact
    slack = 0.5 * (value.upper - value.lower)  # one interval in twenty may miss the truth
    assert value.lower - slack <= exact <= value.upper + slack


def halved(n, cuts, weight, bias, radius=0.5, **settings):
    """One neuron whose hyperplane is its own mirror image in the sides that cut the ball through its centre: the local
    complexity is that of the whole ball.
    """
    weight = np.where(np.arange(n) < cuts, 0.0, weight)
    clip = [0.0] * cuts + [-1.0] * (n - cuts), [1.0] * n
    exact = one_layer_in_a_ball([abs(bias) / float(np.linalg.norm(weight))], radius, n)
    return cut(chain([[weight], [[1.0]]], [[bias], [0.0]]), [0.0] * n, radius, clip, **settings), exact


@pytest.mark.parametrize(("n", "cuts"), [(2, 1), (3, 2), (8, 0), (8, 5), (64, 40), (400, 300)])
def test_mirror_images_in_any_dimension(n, cuts):
    rng = np.random.default_rng(n)
    weight = rng.standard_normal(n)
    many, exact = halved(n, cuts, weight, 0.1 * math.sqrt((weight[cuts:] ** 2).sum()))
    value = many.local_complexity["activation"]
    slack = 0.5 * (value.upper - value.lower)
    assert slack < 0.15 * exact
    assert value.lower - slack <= exact <= value.upper + slack


@pytest.mark.parametrize("n", [2, 3, 9, 120])
def test_balls_that_are_not_cut_agree_with_enclosures(n):
    network = random_net([n, 4, 3, 2], 2)
    found = polylc.certify(network, [np.zeros(n)], radius=0.75, norm="l2", measures="local_complexity,kink_variation,total_variation")[0]
    many = cut(network, [0.0] * n, 0.75, None)
    pairs = [(found.local_complexity["function"], many.local_complexity["function"]), (found.kink_variation, many.kink_variation)]
    pairs += [(known, many.total_variation(None)[name]) for name, known in found.total_variation.items() if name in ("frobenius", "operator")]
    assert many.local_complexity["function"].upper > 0
    for known, value in pairs:
        slack = 0.5 * (value.upper - value.lower)
        assert slack <= 0.1 * known.upper
        assert value.lower - slack <= known.upper
        assert value.upper + slack >= known.lower


def uniform_points(count, center, radius, lower, upper, rng):
    """Of a cut ball, by rejection from its box."""
    points = rng.uniform(lower, upper, (count, len(lower)))
    return points[((points - center) ** 2).sum(axis=1) < radius**2]


@pytest.mark.parametrize(
    ("center", "lower"), [((0.0, 0.0, 0.0), -1.0), ((0.125, -0.25, 0.5), 0.0), ((-0.25, 0.5, 0.25), 0.0), ((-0.4375, -0.4375, 0.0), -0.125)]
)
def test_uniform_points_in_space(center, lower):
    """Areas are shares of points near the sections' planes; means of norms are means over points."""
    network, radius = random_net([3, 5, 4, 2], 5), 0.75
    many = cut(network, center, radius, ([lower], [0.625]))
    domain = many.complex.domain
    ends = [np.array([float(v) for v in end]) for end in (domain.lower, domain.upper)]
    points = uniform_points(1_000_000, np.array(center), radius, *ends, np.random.default_rng(3))
    seen = len(points) / 1_000_000
    low, high = share_of_box(many)
    assert low - 0.003 <= seen <= high + 0.003
    unit, width = domain.unit(points), 0.01
    near = np.zeros(len(points))
    for section in many._facets.sections:
        rows = section.rows
        values = unit @ rows[:, :-1].T + rows[:, -1]
        near += (np.abs(values[:, 0]) < width * section.gradient[0]) & (values[:, 1:] > 0).all(axis=1)
    area, slip = near.mean() / (2 * width), 5 * near.std() / math.sqrt(len(points)) / (2 * width)
    value = many.local_complexity["activation_set"]
    assert value.lower - slip - 0.03 * area <= area <= value.upper + slip + 0.03 * area
    found = many.total_variation(None)["frobenius"]
    norms = np.concatenate([np.sqrt((jacobian**2).sum(axis=(1, 2))) for _, jacobian in many.complex.jacobians()])
    region = many.complex.index.find(pattern_at(network, points[:20_000]))
    mean, error = norms[region].mean(), 5 * norms[region].std() / math.sqrt(20_000)
    assert found.lower - error <= mean <= found.upper + error


def share_of_box(many):
    """The ball's share of its box."""
    volume = many._volume
    return volume.low * math.exp(volume.size), volume.high * math.exp(volume.size)


@pytest.mark.parametrize("height", [2.0**-8, 2.0**-20, 2.0**-24])
def test_caps_that_are_nearly_nothing(height):
    """What is left is a cap of this height; a plane through its axis cuts it in a segment of a disc."""
    n, radius = 3, 1.0
    network = chain([[[0.0, 1.0, 0.0]], [[1.0]]], [[0.0], [0.0]])
    many = cut(network, [0.0] * n, radius, ([1 - Fraction(height), -2, -2], [2, 2, 2]))
    assert many.reason is None
    volume = math.pi * height**2 * (3 - height) / 3
    segment = quad(lambda t: 2 * math.sqrt(t * (2 - t)), 0, height)[0]
    value = many.local_complexity["activation"]
    slack = 0.5 * (value.upper - value.lower)
    assert slack < 0.1 * segment / volume
    assert value.lower - slack <= segment / volume <= value.upper + slack


def test_what_doubles_do_not_resolve_is_null():
    network = chain([[[0.0, 1.0, 0.0]], [[1.0]]], [[0.0], [0.0]])
    height = Fraction(1, 2**45)
    found = polylc.certify(network, [[0, 0, 0]], radius=1, clip=([1 - height, -2, -2], [2, 2, 2]), norm="l2", measures="default")[0]
    assert found.local_complexity is None
    assert found.notes["local_complexity"] == found.notes["kink_variation"] == found.notes["total_variation"] == TOO_LITTLE
    with pytest.raises(NeighbourhoodError, match="no inner points in common"):
        polylc.certify(network, [[0, 0, 0]], radius=1, clip=([1, -2, -2], [2, 2, 2]), norm="l2")[0]


def test_fixed_coordinates_leave_the_ball_of_the_others():
    network = random_net([4, 5, 3, 1], 1)
    many = cut(network, [0.125, 0.25, 0.5, 0.0], [0.5, 0, 0.5, 0.5], ([0], [1]))
    layers = [layer.affine for layer in network.layers] + [network.output]
    weights = [np.asarray(affine.terms[0][1]) for affine in layers]
    biases = [affine.bias for affine in layers]
    biases[0] = biases[0] + 0.25 * weights[0][:, 1]
    weights[0] = np.delete(weights[0], 1, axis=1)
    other = cut(chain(weights, biases), [0.125, 0.5, 0.0], 0.5, ([0], [1]))
    assert len(many.complex) == len(other.complex) > 1
    for name, value in many.local_complexity.items():
        assert value.lower == pytest.approx(other.local_complexity[name].lower, rel=1e-6)
        assert value.upper == pytest.approx(other.local_complexity[name].upper, rel=1e-6)


def test_what_certify_says():
    network = random_net([2, 6, 5, 2], 0)
    found = polylc.certify(network, [[0.25, 0.5]], radius=0.5, clip=(0, 1), norm="l2", measures="default")[0]
    again = polylc.certify(network, [[0.25, 0.5]], radius=0.5, clip=(0, 1), norm="l2", measures="local_complexity")[0]
    assert found.local_complexity == again.local_complexity
    assert all(value.kind is Kind.ESTIMATE for value in (*found.local_complexity.values(), found.kink_variation, *found.total_variation.values()))
    assert "95%" in found.notes["local_complexity"]
    assert "rays" in found.notes["total_variation"]
    one = polylc.certify(network, [[4, 4]], radius=0.5, clip=(0, 4), norm="l2", measures="default")[0]
    if len(one.complex) == 1:
        assert one.local_complexity["activation"].kind is Kind.EXACT
        assert one.local_complexity["activation"].upper == one.kink_variation.upper == 0


@pytest.mark.parametrize("seed", range(30))
def test_weights_lie_between_zero_and_one(seed):
    """However odd the forms, and points lie where they are said to."""
    rng = np.random.default_rng(seed)
    k, m = int(rng.integers(2, 12)), int(rng.integers(1, 6))
    low = -rng.random(k) * rng.choice([0, 1e-9, 0.01, 1], k)
    high = rng.random(k) * rng.choice([1e-9, 0.01, 1], k)
    shift = rng.choice([0.0, 0.5], k) * rng.random() / math.sqrt(k)
    size = math.sqrt(float(np.maximum(np.abs(low + shift), np.abs(high + shift)).max() ** 2))
    ball_ = Ball((high - low) / 2 / size, ((high + low) / 2 + shift) / size)
    rows = rng.standard_normal((m, k + 1)) * 10.0 ** rng.integers(-3, 4, (m, 1))
    rows[:, -1] *= rng.choice([0, 0.1, 1, 10])
    for forms in (None, forms_of(rows, np.zeros(m))):
        law = law_of(ball_, forms, 0.5 * k)
        weight, points = weights(law, 500, np.random.default_rng(seed))
        assert ((weight >= 0) & (weight <= 1)).all()
        kept = points[weight > 0]
        assert (((kept * ball_.sigma + ball_.mu) ** 2).sum(axis=1) < 1 + 1e-9).all()
        if forms is not None and len(kept):
            values = kept @ rows[:, :-1].T + rows[:, -1]
            size = np.abs(rows).sum(axis=1)
            assert (np.abs(values[:, 0]) <= 1e-6 * size[0]).all()
            assert (values[:, 1:] >= -1e-6 * size[1:]).all()


@pytest.mark.parametrize("count", [20, 400])
def test_bets_on_weighed_means(count):
    """At most one interval in twenty misses the truth, and they close in."""
    held, width = 0, 0.0
    exact = quad(lambda x: math.exp(-11 * x), 0, 1)[0] / quad(lambda x: math.exp(-10 * x), 0, 1)[0]
    for seed in range(200):
        rng = np.random.default_rng([seed, count])
        at = rng.random(count)
        low, high = betting(np.exp(-at), 0.05, np.exp(-10 * at))
        held += low <= exact <= high
        width += (high - low) / 200
    assert held >= 190
    assert width < (1.0 if count == 20 else 0.25)
    values = np.random.default_rng(0).random(50)
    assert betting(values, 0.05, np.ones(50)) == betting(values, 0.05)
    assert betting(values, 0.05, np.zeros(50)) == (0.0, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("draws", [60, 1000])
@pytest.mark.parametrize("place", PLANE[:4])
def test_coverage(place, draws):
    """At every size of the sample at least the nominal share of intervals holds the truth, over 200 seeds."""
    network = random_net([2, 6, 5, 1], 3)
    exact = in_the_plane(network, *place)
    many = cut(network, *place)
    weight = np.ones(len(many.graph))
    held = 0
    for seed in range(200):
        value = InCutBall(many.complex, many.graph, Gradients(many.complex), draws, seed).estimated(weight)
        held += value.lower <= exact <= value.upper
    assert held >= 190


@pytest.mark.slow
@pytest.mark.parametrize("draws", [60, 1000])
@pytest.mark.parametrize("n", [8, 64])
def test_coverage_in_many_dimensions(n, draws):
    weight = np.random.default_rng(n).standard_normal(n)
    held = 0
    many, exact = halved(n, n // 2, weight, 0.1 * math.sqrt((weight[n // 2 :] ** 2).sum()))
    for seed in range(200):
        value = InCutBall(many.complex, many.graph, Gradients(many.complex), draws, seed).estimated(np.ones(len(many.graph)))
        held += value.lower <= exact <= value.upper
    assert held >= 190
