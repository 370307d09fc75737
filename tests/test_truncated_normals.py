"""Normal laws cut to an interval: sizes by quadrature in many digits, draws by their distribution function."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import flint
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from polylc.geometry.tilted.truncated import draw, log_beyond, log_power, log_size, moments


def integral(f, low, high):
    """Enclosed."""
    return flint.acb.integral(lambda u, _: f(u), low, high).real


def logarithm(value):
    """Of a rational."""
    with flint.ctx.workprec(128):
        return float(flint.arb(flint.fmpq(value.numerator, value.denominator)).log())


WIDE = st.floats(-1e4, 1e4) | st.floats(-3, 3)
CURVES = st.floats(-6, 5).map(lambda e: 10.0**e)


@given(WIDE, CURVES)
@example(0.0, 1e-6)
@example(-1e4, 1e-6)
@example(2e5, 1e5)
@settings(max_examples=60, deadline=None)
def test_sizes(b, h):
    peak = min(max(b / (2 * h), -1.0), 1.0)
    reach = 60 / (abs(b - 2 * h * peak) + math.sqrt(h))
    ends = sorted({-1.0, 1.0, peak, *(min(max(peak + s * reach, -1.0), 1.0) for s in (-1, 1))})
    with flint.ctx.workprec(128):
        total = sum((integral(lambda u: ((u - peak) * (b - h * (u + peak))).exp(), u, v) for u, v in itertools.pairwise(ends)), flint.arb(0))
        exact = float((total / 2).log()) + peak * (b - h * peak)
    (found,) = log_size(np.array([b]), np.array([h]))
    assert found == pytest.approx(exact, rel=1e-13, abs=1e-11)
    (near,) = moments(np.array([b]), np.array([h]), np.ones(1), np.zeros(1)).size
    assert near == pytest.approx(exact, rel=1e-6, abs=0.05)


@given(st.integers(0, 10**6), WIDE, CURVES)
@example(0, 1e4, 1e-6)  # far beyond an end
@example(0, -1e4, 1e3)
@example(0, 0.0, 1e5)  # well inside
@example(0, 2.5, 1.0)  # a little beyond
@example(0, 0.01, 1e-3)  # nearly uniform
@settings(max_examples=60, deadline=None)
def test_draws_have_the_law(seed, b, h):
    found = draw(np.array([b]), np.array([h]), 2000, np.random.default_rng(seed))[:, 0]
    assert (np.abs(found) <= 1).all()
    whole = log_size(np.array([b]), np.array([h]))[0]

    def share(t):  # below t: the same law on [-1, t], by a change of variables
        half, middle = 0.5 * (t + 1), 0.5 * (t - 1)
        size = log_size(half * (b - 2 * h * middle), h * half * half + 1e-12) + b * middle - h * middle * middle
        return np.where(half > 0, half * np.exp(size - whole), 0.0)

    # distances between distribution functions beyond 0.055 have a chance of 1e-5
    assert stats.kstest(found, share).statistic < 0.055


@example(0, 1.0, 0.0, 5e-324)  # as short as can be
@given(st.integers(0, 900), st.floats(0.01, 1e4), st.floats(-1, 2), st.floats(0, 2))
@settings(max_examples=60, deadline=None)
def test_integrals_along_rays(m, rate, low, more):
    high = low + more
    (whole,), (power,) = log_beyond(m, *(np.array([v]) for v in (rate, low, high))), log_power(m, np.array([low]), np.array([high]))
    if not high > low:
        assert whole == power == -math.inf
        return
    a, b = 1 + Fraction(low), 1 + Fraction(high)
    assert power == pytest.approx(logarithm((b ** (m + 1) - a ** (m + 1)) / (m + 1)), rel=1e-9, abs=1e-9)
    peak = min(max(math.sqrt(0.5 * m / rate) - 1, low), high)
    reach = 12 / math.sqrt(rate)
    ends = sorted({low, high, peak, *(min(max(peak + s * reach, low), high) for s in (-1, 1))})
    with flint.ctx.workprec(128):
        top = m * flint.arb(1 + peak).log() - rate * flint.arb(peak) * (2 + peak)
        exact = sum((integral(lambda t: (1 + t) ** m * (-rate * t * (2 + t) - top).exp(), u, v) for u, v in itertools.pairwise(ends)), flint.arb(0))
        assert whole == pytest.approx(float(exact.log() + top), rel=1e-9, abs=1e-8)
