"""Norms of rows and matrices in doubles, against sums of squares in rationals, over the whole range of doubles."""

import math
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from polylc.measures.gradient.enclosed_norms import matrix_norms, scaled_row_norms


def holds(low: float, high: float, square: F) -> bool:
    """Whether [low, high] holds the root of a number; `high` may be infinite."""
    return F(low) ** 2 <= square and (high == math.inf or square <= F(high) ** 2)


@given(st.integers(1, 3), st.integers(1, 5), st.integers(-1080, 1015), st.integers(0, 60), st.integers(0, 10**6), st.booleans())
def test_matrix_norms_hold_the_exact_ones(m, k, exponent, spread, seed, exact):
    rng = np.random.default_rng(seed)
    matrices = np.ldexp(rng.normal(size=(4, m, k)), exponent - rng.integers(0, spread + 1, size=(4, m, k)))
    matrices[rng.random(size=matrices.shape) < 0.2] = 0.0
    error = np.zeros((4, m)) if exact else np.abs(matrices).max(axis=2) * 2.0**-45
    result = np.empty((4, 2))
    matrix_norms(matrices, error, result)
    for matrix, slip, (low, high) in zip(matrices, error, result, strict=True):
        row = matrix.ravel().tolist()
        assert holds(low, high, sum((F(v) ** 2 for v in row), F(0)))
        root = math.hypot(*row)
        if exact:
            assert any(row) or low == high == 0.0
            assert high - low <= 1e-13 * root + 2.0**-1070
        else:
            assert high - low <= (2 * slip.sum() + 1e-13 * root) * 1.01 + 2.0**-1070
            assert low <= max(root - slip.sum(), 0.0)
            assert high >= root + slip.sum()


@given(st.integers(1, 5), st.integers(-1080, 1015), st.integers(-390, 390), st.integers(0, 10**6))
@example(1, -682, -390, 1)
def test_scaled_row_norms_hold_the_exact_ones(k, exponent, scale, seed):
    rng = np.random.default_rng(seed)
    rows = np.ldexp(rng.normal(size=(4, k + 1)), exponent - rng.integers(0, 5, size=(4, k + 1)))
    rows[0, :k] = 0.0
    exact = [F(int(v), 3) * F(2) ** scale for v in rng.integers(1, 9, size=k)]
    result = np.empty((4, 2))
    scaled_row_norms(rows, np.zeros(4), np.array([float(v) for v in exact]), result)
    for row, (low, high) in zip(rows, result, strict=True):
        square = sum(((F(v) * f) ** 2 for v, f in zip(row[:k].tolist(), exact, strict=True)), F(0))
        assert holds(low, high, square)
        assert not math.isfinite(high) or high - low <= 1e-13 * high + 2.0**-990
    assert result[0].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_not_known(bad):
    result = np.empty((2, 2))
    matrix_norms(np.array([[[1.0, bad]], [[3.0, 4.0]]]), np.zeros((2, 1)), result)
    assert result[0].tolist() == [0.0, math.inf]
    assert result[1, 0] <= 5.0 <= result[1, 1]
    matrix_norms(np.array([[[1.0, 2.0]], [[3.0, 4.0]]]), np.array([[abs(bad)], [0.0]]), result)
    assert result[0].tolist() == [0.0, math.inf]
    scaled_row_norms(np.array([[bad, 1.0], [3.0, 1.0]]), np.zeros(2), np.ones(1), result)
    assert result[0].tolist() == [0.0, math.inf]
    assert result[1, 0] <= 3.0 <= result[1, 1]
