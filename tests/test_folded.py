"""How much folding rounds: what the log says is true of every weight, in rationals, and exact folds say so."""

from __future__ import annotations

import math
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polylc.network.builder import Builder, Value
from polylc.network.folded import largest_change, matrix_error, product_error, reciprocal, reciprocal_root, said, sum_error
from polylc.network.weights import Weight, dense, sparse_copy

ANY = st.floats(allow_nan=False, allow_infinity=False)
SMALL = st.floats(-1e150, 1e150)


@given(ANY, ANY)
def test_errors_of_one_product_and_one_sum(a: float, b: float) -> None:
    with np.errstate(all="ignore"):
        product, total = np.array(a) * np.array(b), np.array(a) + np.array(b)
        errors = [float(f(np.array([a]), np.array([b]))[0]) for f in (product_error, sum_error)]
    for computed, exact, error in ((product, F(a) * F(b), errors[0]), (total, F(a) + F(b), errors[1])):
        if np.isfinite(computed):
            change = abs(F(float(computed)) - exact)
            assert change <= F(error)
            if exact == 0 or 2.0**-900 < abs(exact) < 2.0**900:
                assert F(error) <= change or max(abs(a), abs(b)) > 2.0**990


def matrices(seed: int) -> tuple[Weight, Weight]:
    """Matrices of whole numbers, of single precision or of doubles, full or with few entries, dense or sparse."""
    rng = np.random.default_rng(seed)
    rows, inner, columns = rng.integers(1, 7, 3)

    def one(shape: tuple[int, int]) -> Weight:
        kind = rng.integers(4)
        values = rng.integers(-9, 10, shape).astype(float) if kind == 0 else rng.standard_normal(shape) * 10.0 ** rng.integers(-3, 4, shape)
        values = values.astype(np.float32).astype(float) if kind == 1 else values
        values = values * (rng.random(shape) < 0.3) if rng.random() < 0.5 else values
        if kind == 3:
            values = np.zeros(shape)
            values[rng.integers(0, shape[0], shape[1]), np.arange(shape[1])] = rng.choice([1.0, 3.0, 0.1], shape[1])
        return sparse_copy(values) if rng.random() < 0.5 else values

    return one((rows, inner)), one((inner, columns))


@given(st.integers(0, 10**6))
def test_errors_of_matrix_products(seed: int) -> None:
    weight, matrix = matrices(seed)
    product, bound = dense(weight @ matrix), dense(matrix_error(weight, matrix))
    left, right = dense(weight), dense(matrix)
    for i, j in np.ndindex(*product.shape):
        terms = [F(float(v)) * F(float(w)) for v, w in zip(left[i], right[:, j], strict=True)]
        assert abs(F(float(product[i, j])) - sum(terms)) <= F(float(bound[i, j]))
        assert F(float(bound[i, j])) <= 40 * F(2) ** -53 * sum(map(abs, terms))
    if (left == np.rint(left)).all() and (right == np.rint(right)).all():
        assert not bound.any()


@given(st.lists(st.floats(0.25, 64), min_size=1, max_size=5), st.sampled_from([0.0, 1e-5, 2.0**-10]))
def test_reciprocals_and_their_roots(values: list[float], eps: float) -> None:
    given_ = np.array(values)
    one, doubt = reciprocal(given_)
    for v, found, d in zip(values, one.tolist(), doubt.tolist(), strict=True):
        assert abs(F(found) * F(v) - 1) <= F(d)
    root, doubt = reciprocal_root(given_, eps)
    for v, found, d in zip(values, root.tolist(), doubt.tolist(), strict=True):
        square = F(found) ** 2 * (F(v) + F(eps))  # (1 + d)^2 at most
        assert (1 - F(d)) ** 2 <= square <= (1 + F(d)) ** 2
    assert not reciprocal_root(np.array([4.0, 0.25, 1.0]), 0.0)[1].any()
    assert reciprocal(np.array([3.0]))[1].all()


def exact_fold(rng: np.random.Generator, builder: Builder, value: Value, steps: int) -> tuple[Value, list[list[F]], list[F], float]:
    """A value after random affine steps, the same step by step in rationals from what each step was given, and the
    largest change of a step that the log names.
    """
    for step in range(steps):
        rows, bias = exactly(value)
        before = len(builder.log)
        kind = rng.integers(4)
        if kind == 0:
            weight, shift = rng.standard_normal((4, len(bias))), rng.standard_normal(4)
            value = builder.linear(value, weight, shift, f"step {step}")
            left = [[F(v) for v in row] for row in weight.tolist()]
            rows, bias = times(left, rows), [b + F(s) for b, s in zip(column(left, bias), shift.tolist(), strict=True)]
        elif kind == 1:
            scale, shift = rng.standard_normal(len(bias)), rng.standard_normal(len(bias))
            value = builder.scale_shift(value, scale, shift, f"step {step}")
            rows = [[F(s) * v for v in row] for s, row in zip(scale.tolist(), rows, strict=True)]
            bias = [F(s) * b + F(t) for s, b, t in zip(scale.tolist(), bias, shift.tolist(), strict=True)]
        elif kind == 2:
            sign = float(rng.choice([1, -1]))
            value, factor = builder.add(value, value, f"step {step}", sign), 1 + F(sign)
            rows, bias = [[factor * v for v in row] for row in rows], [factor * b for b in bias]
        else:
            mean, variance, gamma, beta = rng.standard_normal(len(bias)), rng.random(len(bias)) + 0.5, *rng.standard_normal((2, len(bias)))
            value = builder.batch_norm(value, mean, variance, 1e-5, gamma, beta, f"step {step}")
            factors = [F(g) / root(F(v) + F(1e-5)) for g, v in zip(gamma.tolist(), variance.tolist(), strict=True)]
            rows = [[f * v for v in row] for f, row in zip(factors, rows, strict=True)]
            bias = [f * (b - F(m)) + F(t) for f, b, m, t in zip(factors, bias, mean.tolist(), beta.tolist(), strict=True)]
        limit = max((float(line.split("at most ")[1].split(";")[0]) for line in builder.log[before:] if "at most" in line), default=0.0)
        check(value, rows, bias, limit)
    return value, rows, bias, limit


def exactly(value: Value) -> tuple[list[list[F]], list[F]]:
    (term,) = value.terms
    matrix = np.eye(value.size) if term[1] is None else dense(term[1])
    return [[F(v) for v in row] for row in matrix.tolist()], [F(b) for b in value.bias.tolist()]


def times(left: list[list[F]], right: list[list[F]]) -> list[list[F]]:
    return [[sum(v * w for v, w in zip(row, line, strict=True)) for line in zip(*right, strict=True)] for row in left]


def column(left: list[list[F]], right: list[F]) -> list[F]:
    return [sum(v * w for v, w in zip(row, right, strict=True)) for row in left]


def root(value: F) -> F:
    """The square root to 200 bits."""
    return F(math.isqrt(int(value * 4**200)), 2**200)


def check(value: Value, rows: list[list[F]], bias: list[F], limit: float) -> None:
    found, shift = exactly(value)
    for i in range(len(bias)):
        exact, near = [*rows[i], bias[i]], [*found[i], shift[i]]
        assert max(abs(v - w) for v, w in zip(exact, near, strict=True)) <= F(limit) * max(map(abs, exact)) + F(1, 2**190)


@given(st.integers(0, 10**6))
def test_what_the_log_says_of_a_fold_is_true(seed: int) -> None:
    rng = np.random.default_rng(seed)
    builder = Builder("net", (4,))
    exact_fold(rng, builder, builder.input, 4)


def test_exact_folds_say_so() -> None:
    builder = Builder("net", (2,))
    value = builder.linear(builder.input, np.array([[1.0, 2], [3, 4]]), np.array([1.0, 0]), "a")
    value = builder.linear(value, np.array([[5.0, 0.5]]), np.array([0.25]), "b")
    value = builder.scale_shift(value, np.array(0.5), np.array(3.0), "c")
    value = builder.batch_norm(value, np.array([1.0]), np.array([3.0]), 1.0, None, None, "d")
    builder.add(value, value, "e")
    assert builder.log == [
        "b: folded with the affine map before it, exactly",
        "c: folded as a constant factor or shift, exactly",
        "d: batch normalisation (evaluation mode) folded, exactly",
    ]


@pytest.mark.parametrize("change", [1e-16, 9.99e-16, 1.0000001e-7, 3.0, 2.0**-53])
def test_numbers_are_rounded_up(change: float) -> None:
    text = said(change)
    shown = float(text.removeprefix("largest relative change at most "))
    assert change <= shown <= 1.11 * change


def test_a_row_that_cancels_has_no_bound() -> None:
    assert largest_change([np.array([1e-17])], [np.zeros(1)]) == math.inf
    assert "no bound" in said(math.inf)
