"""The method `tilted` of estimates: against known areas, truths of `compare`, and the widths that are asked for."""

from __future__ import annotations

import numpy as np
import pytest
from nets import random_net

import polylc
from polylc.network.form import chain
from polylc.run.tilted import MOST_TIMES, PILOT, _enough

pytest.importorskip("torch")


def separable(n):
    """sum of ReLU(x_i - b_i) on [-1, 1]^n: each hyperplane has 1/2 of area by volume, and kinks of size one."""
    return chain([np.eye(n), np.ones((1, n))], [-np.linspace(-0.5, 0.5, n), [0.0]])


def test_areas_that_are_known():
    found = polylc.estimate(separable(8), np.zeros(8), radius=1, methods="tilted", samples=2000)[0]
    assert {e.target for e in found.estimates} >= {"local_complexity.activation", "local_complexity.function", "kink_variation"}
    for e in found.estimates:
        assert e.lower <= 4.0 <= e.upper
        assert e.unbiased
    again = polylc.estimate(separable(8), np.zeros(8), radius=1, methods="tilted", samples=2000)[0]
    assert [e.value for e in again.estimates] == [e.value for e in found.estimates]


def test_one_region_has_no_facets():
    found = polylc.estimate(separable(3), np.full(3, 5.0), radius=1, methods="tilted")[0]
    assert {(e.value, e.lower, e.upper) for e in found.estimates} == {(0.0, 0.0, 0.0)}


@pytest.mark.parametrize("network", [random_net([3, 4, 3, 2], 1), separable(8)])
def test_truths_are_covered(network):
    compared = polylc.compare(network, np.zeros(network.inputs), radius=0.7, methods="tilted", samples=4000, draws=0)[0]
    known = [pairing for pairing in compared.pairings if pairing.truth is not None]  # what is estimated is no truth
    assert len(known) >= 4
    for pairing in known:
        e, truth = pairing.estimate, pairing.truth.quantity
        assert e.lower <= truth.upper
        assert e.upper >= truth.lower
        assert e.upper - e.lower <= 0.5 * e.value


@pytest.mark.parametrize("width", [0.3, 0.05])
def test_a_width_asked_for_is_had(width):
    found = polylc.estimate(random_net([8, 4, 3, 2], 0), np.zeros(8), radius=0.7, methods="tilted", samples=500, width=width)[0]
    for e in found.estimates:
        assert e.upper - e.lower <= 1.25 * width * e.value


def test_a_pilot_asks_for_no_more_than_can_be_had():
    assert _enough(np.zeros(PILOT), 1e-6, 100) == MOST_TIMES * PILOT
    assert _enough(np.ones(PILOT), 1.0, 100) == 100


def test_balls_are_refused():
    found = polylc.estimate(separable(3), np.zeros(3), radius=1, norm="l2", methods="tilted")[0]
    assert "linf" in found.skipped[0].reason
