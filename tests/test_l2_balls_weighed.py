"""Local complexity and variations in l2 balls: closed forms, chords in the plane, and uniform points."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import quarter_net, random_net
from oracles import one_layer_in_a_ball
from scipy.special import betainc

import polylc
from polylc.exact.caps import cap_share, height_in_section, section_area
from polylc.exact.quantity import Kind
from polylc.measures.by_volume.in_l2_balls import InBall
from polylc.measures.by_volume.tilted_sampling import betting
from polylc.measures.gradient.norms import Gradients
from polylc.measures.scene import Scene
from polylc.network.form import chain, pattern_at


def uniform(count, n, rng):
    points = rng.standard_normal((count, n))
    return points * (rng.random(count) ** (1 / n) / np.linalg.norm(points, axis=1))[:, None]


def test_caps_that_are_known():
    for h in (-1.5, -1.0, -0.25, 0.0, 0.5, 1.0, 2.0):
        line = Fraction(max(min(1 - Fraction(h), 2), 0)) / 2
        ball = (1 - max(min(h, 1.0), -1.0)) ** 2 * (2 + max(min(h, 1.0), -1.0)) / 4  # of three dimensions
        for n, exact in ((1, float(line)), (3, ball)):
            low, high = cap_share(n, (h, h))
            assert low <= exact * (1 + 1e-15) + 1e-16
            assert high >= exact * (1 - 1e-15) - 1e-16
            assert high - low < 1e-14
    assert cap_share(5, (-math.inf, math.inf)) == (0.0, 1.0)
    low, high = cap_share(784, (0.25, 0.25))
    assert low == pytest.approx(0.5 * betainc(392.5, 0.5, 1 - 0.25**2), rel=1e-9)
    assert 0 < low <= high <= low * (1 + 1e-14)


@given(st.integers(1, 800), st.floats(0, 1.5), st.floats(0, 0.5))
@settings(max_examples=60, deadline=None)
def test_sections_are_those_of_the_closed_form(n, d, more):
    low, high = section_area(n, (d, d + more))
    for at in (d, d + more):
        exact = one_layer_in_a_ball([at], 1.0, n)
        assert low <= exact * (1 + 1e-9) + 1e-300
        assert high >= exact * (1 - 1e-9) - 1e-300


@given(st.integers(2, 40), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_heights_by_geometry(n, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, n))
    c, d = 0.5 * rng.standard_normal(2)
    low, high = height_in_section((a @ a, 1e-9), (b @ b, 1e-9), (a @ b, 1e-9), (c, 1e-12), (d, 1e-12))
    middle = -c / (a @ a) * a
    radius = math.sqrt(max(1 - middle @ middle, 0.0))
    across = b - (a @ b) / (a @ a) * a
    if radius == 0:
        assert (low, high) == (-math.inf, math.inf)
        return
    exact = (b @ middle + d) / (radius * np.linalg.norm(across))
    assert low <= exact + 1e-9 * abs(exact)
    assert high >= exact - 1e-9 * abs(exact)


@pytest.mark.parametrize("n", [2, 7, 64])
def test_one_layer_has_a_closed_form(n):
    rng = np.random.default_rng(n)
    weight, bias = rng.standard_normal((3, n)), 0.4 * rng.standard_normal(3)
    result = polylc.certify(chain([weight, [[1.0, 1.0, 1.0]]], [bias, [0.0]]), np.zeros(n), radius=0.75, norm="l2", measures="local_complexity")[0]
    exact = one_layer_in_a_ball((np.abs(bias) / np.linalg.norm(weight, axis=1)).tolist(), 0.75, n)
    for found in result.local_complexity.values():
        assert found.kind in (Kind.ENCLOSURE, Kind.EXACT)
        assert found.lower <= exact * (1 + 1e-12)
        assert found.upper >= exact * (1 - 1e-12)
        assert found.upper - found.lower <= 1e-9 * found.upper


def in_ball(network, radius=0.7):
    result = polylc.certify(network, np.zeros(network.inputs), radius=radius, norm="l2", measures="counts")[0]
    scene = Scene(result.complex, (), None, certified=True)
    return result.complex, InBall(result.complex, scene.graph, Gradients(result.complex))


@pytest.mark.parametrize("network", [random_net([2, 5, 4, 1], 0), quarter_net([2, 4, 3, 2], 2)])
def test_chords_in_the_plane(network):
    """Each section is a chord cut by lines: lengths from the ends of its parts."""
    _, many = in_ball(network)
    for section, (low, high) in zip(many.sections, many.areas, strict=True):
        a, c = section.rows[0, :-1], section.rows[0, -1]
        middle, radius = -c / (a @ a) * a, math.sqrt(1 - c * c / (a @ a))
        across = np.array([-a[1], a[0]]) / np.linalg.norm(a)
        ends = [-radius, radius]
        for row in section.rows[1:]:
            slope, value = row[:-1] @ across, row[:-1] @ middle + row[-1]
            at = -value / slope
            ends = [max(ends[0], at), ends[1]] if slope > 0 else [ends[0], min(ends[1], at)]
        exact = max(ends[1] - ends[0], 0.0) / math.pi / 0.7
        assert low <= exact * (1 + 1e-9) + 1e-12
        assert high >= exact * (1 - 1e-9) - 1e-12


@pytest.mark.parametrize("network", [random_net([8, 5, 4, 2], 0), random_net([4, 5, 4, 1], 3)])
def test_points_lie_as_shares_say(network):
    complex_, many = in_ball(network)
    n = network.inputs
    points = uniform(20000, n, np.random.default_rng(1))
    region = complex_.index.find(np.array([pattern_at(network, x) for x in 0.7 * points]))
    assert (region >= 0).all()
    for at, (low, high) in enumerate(many.shares):
        seen = betting((region == at).astype(float), 1e-6)
        assert low <= seen[1]
        assert high >= seen[0]


@pytest.mark.parametrize("network", [random_net([8, 5, 4, 2], 0), random_net([3, 5, 4, 1], 3)])
def test_sampled_areas_agree_with_points_near_the_planes(network):
    """Area by volume is the share of points within t of a facet's plane in its cell, over 2 t."""
    _, many = in_ball(network)
    found = many.sampled(np.ones(len(many.graph)))
    low, high = many.areas.sum(axis=0)
    assert found.lower <= high
    assert found.upper >= low
    kink = many.kink_variation  # whose weights vary within sections
    assert 0 < kink.lower <= kink.upper <= many.jumps.max() * high * (1 + 1e-9)
    points, t = uniform(400_000, network.inputs, np.random.default_rng(2)), 0.02
    near = np.zeros(len(points))
    for section in many.sections:
        values = points @ section.rows[:, :-1].T + section.rows[:, -1]
        near += (np.abs(values[:, 0]) < t * np.linalg.norm(section.rows[0, :-1])) & (values[:, 1:] > 0).all(axis=1)
    seen, slip = near.mean() / (2 * t) / 0.7, 5 * near.std() / math.sqrt(len(points)) / (2 * t) / 0.7
    assert found.lower - slip - 0.02 * seen <= seen <= found.upper + slip + 0.02 * seen
