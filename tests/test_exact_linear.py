"""Exact linear algebra, enclosures by doubles, residues."""

from __future__ import annotations

import math
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import random_net, small_nets

from polylc.domains.box import box
from polylc.exact.embedding import BoxEmbedding
from polylc.exact.enclose import enclose, enclose_sqrt
from polylc.exact.linear import gram, is_positive_semidefinite, rank
from polylc.network.exact_forms import ExactForms
from polylc.network.residues import Residues, _modular_inverse, largest_coefficient, primes, ranks, reduce

small = st.integers(-3, 3)


def matrices(rows: int, columns: int) -> st.SearchStrategy[list[list[int]]]:
    return st.lists(st.lists(small, min_size=columns, max_size=columns), min_size=rows, max_size=rows)


def fraction_rank(matrix: list[list[int]]) -> int:
    rows, found = [[F(v) for v in row] for row in matrix], 0
    for j in range(len(rows[0]) if rows else 0):
        at = next((i for i in range(found, len(rows)) if rows[i][j]), None)
        if at is None:
            continue
        rows[found], rows[at] = rows[at], rows[found]
        for i in range(found + 1, len(rows)):
            ratio = rows[i][j] / rows[found][j]
            rows[i] = [a - ratio * b for a, b in zip(rows[i], rows[found], strict=True)]
        found += 1
    return found


# ---- enclosures ------------------------------------------------------------------------------------------------------
positive = st.fractions(min_value=0) | st.builds(lambda p, e: p * F(2) ** e, st.fractions(min_value=0), st.integers(-1200, 1100))


@given(positive, st.booleans())
def test_enclosures_of_rationals_are_the_tightest(value, negative):
    value = -value if negative else value
    low, high = enclose(value)
    assert math.isinf(low) or F(low) <= value
    assert math.isinf(high) or value <= F(high)
    assert high == low or high == math.nextafter(low, math.inf)
    assert (low == high) == (not math.isinf(low) and F(low) == value)


@given(positive)
def test_enclosures_of_roots_are_the_tightest(value):
    low, high = enclose_sqrt(value)
    assert F(low) ** 2 <= value
    assert math.isinf(high) or value <= F(high) ** 2
    assert high == low or high == math.nextafter(low, math.inf)
    assert (low == high) == (F(low) ** 2 == value)


@given(st.floats(min_value=1e-150, max_value=1e150))
def test_roots_of_squares_of_doubles_are_points(x):
    assert enclose_sqrt(F(x) ** 2) == (x, x)


def test_enclosures_beyond_the_doubles():
    assert enclose(F(10) ** 400) == (1.7976931348623157e308, math.inf)
    assert enclose(F(-1, 10**400)) == (-5e-324, 0.0)
    low, high = enclose_sqrt(F(10) ** 400)
    assert F(low) <= 10**200 <= F(high)
    with pytest.raises(ValueError, match="negative"):
        enclose_sqrt(F(-1))


# ---- matrices of integers --------------------------------------------------------------------------------------------
def ranks_by_columns(matrices: np.ndarray, prime: int, most: np.ndarray) -> np.ndarray:
    """The reference: elimination without division, one column of all matrices at a time."""
    rest = matrices if matrices.shape[1] >= matrices.shape[2] else matrices.swapaxes(1, 2)
    rest = rest.copy()
    found = np.zeros(len(rest), dtype=np.int64)
    every = np.arange(len(rest))
    while rest.shape[2] and (found < most).any():
        column = rest[:, :, 0]
        at = np.argmax(column != 0, axis=1)
        pivot = column[every, at]
        row = rest[every, at]
        found += pivot != 0
        factor = np.where(pivot != 0, pivot, 1.0)
        # the pivot's own row becomes zero
        rest = reduce(factor[:, None, None] * rest[:, :, 1:] - column[:, :, None] * row[:, None, 1:], prime)
    result: np.ndarray = np.minimum(found, most)
    return result


@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 9), st.sampled_from([101, 10007, 1048573]))
def test_ranks_modulo_a_prime_are_those_of_the_reference(seed, rows, columns, prime):
    rng = np.random.default_rng(seed)
    inner = rng.integers(1, min(rows, columns) + 1)
    some = rng.integers(-(prime // 2), prime // 2 + 1, size=(4, rows, inner)).astype(float)
    other = rng.integers(-1, 2, size=(4, inner, columns)).astype(float)
    product = reduce(some @ other, prime)
    before = product.copy()
    most = np.array([rows + columns, rows, 1, 0])
    np.testing.assert_array_equal(ranks(product, prime, most), ranks_by_columns(product, prime, most))
    np.testing.assert_array_equal(product, before)


@given(st.integers(0, 10**6), st.sampled_from([3, 101, 1048573]))
def test_inverses_modulo_a_prime(seed, prime):
    values = np.random.default_rng(seed).integers(1, prime, size=50)
    for value in values.tolist():
        near = value - prime if value > prime // 2 else value
        found = int(_modular_inverse(float(near), float(prime)))
        assert found * near % prime == 1
        assert abs(found) <= prime // 2


@given(st.integers(1, 5).flatmap(lambda r: st.integers(1, 5).flatmap(lambda c: matrices(r, c))))
def test_rank_is_that_of_elimination(matrix):
    assert rank(matrix) == fraction_rank(matrix)
    some = np.array([matrix, matrix], dtype=float)
    assert ranks(some, 1000003, np.array([9, 9])).tolist() == [rank(matrix)] * 2  # minors are smaller than the prime
    assert ranks(some, 1000003, np.array([0, 1])).tolist() == [0, min(1, rank(matrix))]


def test_rank_sees_what_floats_do_not():
    assert rank([[2**80, 2**80], [2**80, 2**80 + 1]]) == 2
    assert rank([]) == 0


@given(st.integers(1, 4).flatmap(lambda n: matrices(n, n)), st.integers(-4, 12))
def test_semidefiniteness_is_that_of_all_principal_minors(matrix, shift):
    n = len(matrix)
    symmetric = [[matrix[i][j] + matrix[j][i] + (shift if i == j else 0) for j in range(n)] for i in range(n)]
    minors = []
    for mask in range(1, 2**n):
        chosen = [i for i in range(n) if mask >> i & 1]
        minors.append(round(np.linalg.det(np.array([[symmetric[i][j] for j in chosen] for i in chosen], dtype=float))))
    assert is_positive_semidefinite(symmetric) == all(v >= 0 for v in minors)


@given(st.integers(1, 4).flatmap(lambda r: st.integers(1, 4).flatmap(lambda c: matrices(r, c))))
def test_gram_matrices_are_semidefinite(matrix):
    product = gram(matrix)
    assert len(product) == min(len(matrix), len(matrix[0]))
    assert is_positive_semidefinite(product)
    assert rank(product) == rank(matrix)
    product[0][0] -= product[0][0] + 1
    assert not is_positive_semidefinite(product)


# ---- residues --------------------------------------------------------------------------------------------------------
@given(st.integers(-(2**50), 2**50), st.integers(0, 20))
def test_reduction_is_canonical(value, at):
    prime = [p for p, _ in zip(primes(random_net([2, 3, 1], 0), BoxEmbedding((F(0),), (F(1),))), range(21), strict=False)][at]
    found = reduce(np.array([float(value)]), prime)[0]
    assert abs(found) <= prime // 2
    assert (value - int(found)) % prime == 0


@given(small_nets(), st.integers(0, 10**6), st.booleans())
def test_residues_are_those_of_the_integer_forms(network, seed, gaussian):
    if gaussian:
        network = random_net([network.inputs, 5, 4, 2], seed, negative_slope=0.01)
    domain = box([F(-1, 3)] * network.inputs, [F(2, 7)] * network.inputs)
    exact = ExactForms(network, domain.exact_embedding)
    patterns = np.random.default_rng(seed).random((3, network.neurons)) < 0.5
    start = np.abs(domain.middle) + np.abs(domain.basis @ domain.half) + 1e-15
    largest = largest_coefficient(network, start)
    for prime, _ in zip(primes(network, domain.exact_embedding), range(2), strict=False):
        assert exact.scale % prime
        residues = Residues(network, domain.exact_embedding, prime)
        for index in range(len(network.layers) + 1):
            found = residues.layer(index, patterns)
            for r, bits in enumerate(patterns):
                rows = exact.layer(index, bits)
                assert [[int(v) * exact.scale % prime for v in row] for row in found[r].tolist()] == [[v % prime for v in row] for row in rows]
                if index == len(network.layers):
                    assert max(sum(map(abs, row)) for row in rows) <= F(largest) * exact.scale


# ---- sparse systems
@st.composite
def sparse_systems(draw):
    """Square systems most of whose rows, or columns, have two entries; some singular."""
    size = draw(st.integers(9, 24))
    entry = st.integers(-4, 4)
    hub = draw(st.integers(0, size - 1))
    matrix = [[0] * size for _ in range(size)]
    for r in range(size):
        matrix[r][r] = draw(entry)
        matrix[r][hub] = draw(entry)
    for _ in range(draw(st.integers(0, 3))):
        matrix[draw(st.integers(0, size - 1))] = draw(st.lists(entry, min_size=size, max_size=size))
    if draw(st.booleans()):
        matrix = [list(column) for column in zip(*matrix, strict=True)]
    order = draw(st.permutations(range(size)))
    return [matrix[r] for r in order], draw(st.lists(st.integers(-9, 9), min_size=size, max_size=size))


@given(sparse_systems())
def test_elimination_agrees_with_a_dense_method(system):
    from polylc.exact.elimination import solve_sparse
    from polylc.exact.linear import _solve_dense

    assert solve_sparse(*system, _solve_dense) == _solve_dense(*system)


def test_elimination_leaves_little_of_a_nearest_point_s_program():
    from polylc.exact.elimination import _System

    rng = np.random.default_rng(0)
    size = 200
    matrix = np.zeros((size, size), dtype=int)
    matrix[: size - 3, :-4] = np.diag(rng.integers(1, 9, size - 3))[:, : size - 4]
    matrix[: size - 3, -1] = rng.integers(1, 9, size - 3)
    matrix[size - 3 :] = rng.integers(-9, 9, (3, size))
    for some in (matrix, matrix.T):
        system = _System(some.tolist(), [1] * size)
        system.eliminate()
        assert len(system.columns) <= 5
