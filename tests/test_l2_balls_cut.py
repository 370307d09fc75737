"""Local complexity and variations in l2 balls that a box cuts: polygons in the plane, closed forms, uniform points."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from nets import quarter_net, random_net
from oracles import clip_regions
from scipy.integrate import quad

import polylc
from polylc.domains.ball import ball
from polylc.exact.quantity import Kind
from polylc.measures.by_volume.in_cut_balls import InCutBall
from polylc.measures.gradient.norms import Gradients
from polylc.measures.scene import Scene

SURE = 1e-6  # of a wrong interval


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
