"""Integers as digits in doubles: what goes in, products and sums against Python's integers; Jacobians from them against
forms composed in integers.
"""

from __future__ import annotations

from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import quarter_net, random_net, residual_net, sloped_net
from scipy import sparse

from polylc.api.certify import certify
from polylc.domains.box import box
from polylc.exact import digits
from polylc.exact.embedding import BoxEmbedding
from polylc.exact.numbers import dyadic
from polylc.measures.gradient import gradients
from polylc.network.exact_forms import ExactForms
from polylc.network.exact_jacobians import ExactJacobians, exact_jacobians
from polylc.network.form import Affine, Layer, Network, chain
from polylc.network.weights import sparse_copy

EDGE = 2 ** (digits.BITS - 1)
edges = st.sampled_from([0, 1, EDGE - 1, EDGE, EDGE + 1, 2 * EDGE - 1, 2 * EDGE, EDGE**2, EDGE**3 - 1, 2**200])
whole = st.builds(lambda a, b, up, down: (a * b + up) * (1 if down else -1), edges, edges, st.integers(-3, 3), st.booleans())


def as_digits(values: np.ndarray) -> digits.Digits:
    """Digits of any integers, the plain way."""
    rest, found = values.copy(), []
    while rest.any() or not found:
        low = (rest + EDGE) % (2 * EDGE) - EDGE
        found.append(low.astype(float))
        rest = (rest - low) // (2 * EDGE)
    return found


def some_integers(rng: np.random.Generator, shape: tuple[int, ...], most: int = 4) -> np.ndarray:
    """Integers of several digits, among them those whose digits are the largest that there are."""
    found = np.zeros(shape, dtype=object)
    for place in range(int(rng.integers(1, most + 1))):
        digit = rng.choice([-EDGE, EDGE - 1, 0, int(rng.integers(-EDGE, EDGE))], size=shape)
        found += digit.astype(object) * (2 * EDGE) ** place
    return found


def are_digits(found: digits.Digits) -> bool:
    return all(np.array_equal(d, np.rint(d)) and np.abs(d).max(initial=0.0) <= EDGE for d in found)


@given(st.lists(whole, min_size=1, max_size=6))
def test_integers_come_back(values):
    array = np.array(values, dtype=object)
    found = as_digits(array)
    assert are_digits(found)
    assert digits.integers(found).tolist() == values


@given(st.lists(st.floats(-1e9, 1e9, width=32) | st.floats(-1e9, 1e9), min_size=1, max_size=6))
def test_digits_of_doubles_are_what_they_are(values):
    array = np.array(values)
    exact, shift = dyadic(array)
    for up in (0, 1, 22, 40):
        found = digits.digits_of(array, shift + up)
        if found is None:
            assert len(as_digits(exact * 2**up)) >= digits.MOST
            continue
        assert are_digits(found)
        assert digits.integers(found).tolist() == (exact * 2**up).tolist()


@pytest.mark.parametrize("values", [[1.0, 2.0**-400], [5e-324], [2.0**1000], [5e-324, 2.0**-1060], [0.0], [2.0**-30, 2.0**200]])
def test_doubles_of_all_sizes(values):
    array = np.array(values)
    exact, shift = dyadic(array)
    found = digits.digits_of(array, shift)
    if found is None:
        assert len(as_digits(exact)) >= digits.MOST
    else:
        assert digits.integers(found).tolist() == exact.tolist()


@given(
    st.integers(0, 10**9),
    st.integers(1, 4),
    st.integers(0, 9),
    st.integers(1, 5),
    st.sampled_from([1, 3, digits.CHAIN]),
    st.sampled_from([2, 5, digits.TOGETHER]),
)
def test_products_are_those_of_integers(seed, rows, inner, columns, chain_of, together):
    rng = np.random.default_rng(seed)
    left, right = some_integers(rng, (rows, inner)), some_integers(rng, (inner, columns)) * rng.integers(0, 2, (inner, columns))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digits, "CHAIN", chain_of)
        patch.setattr(digits, "TOGETHER", together)
        for kind in (lambda d: d, sparse_copy):
            found = digits.times(as_digits(left), [kind(d) for d in as_digits(right)])
            assert are_digits(found)
            assert (digits.integers(found) == left.dot(right)).all()


@pytest.mark.parametrize("inner", [digits.CHAIN, digits.CHAIN + 1, 3 * digits.CHAIN])
def test_the_longest_sums_of_the_largest_digits_are_exact(inner):
    for a, b in ((-EDGE, -EDGE), (-EDGE, EDGE), (EDGE - 1, EDGE - 1)):
        left, right = np.full((1, inner), float(a)), np.full((inner, 1), float(b))
        right[-1] += 1.0 if b < 0 else -1.0  # an odd number: half a unit would be lost
        found = digits.times([left, left], [right, right])
        one = a * (inner * b + (1 if b < 0 else -1))
        assert digits.integers(found).item() == one * (1 + 2 * EDGE) ** 2


@given(st.integers(0, 10**9), st.integers(0, 70))
def test_products_of_entries_and_sums(seed, up):
    rng = np.random.default_rng(seed)
    left, right, mask = some_integers(rng, (3, 4)), some_integers(rng, (3, 4)), rng.integers(-1, 2, (3, 1))
    assert (digits.integers(digits.times_each(as_digits(left), as_digits(right))) == left * right).all()
    assert (digits.integers(digits.times_each(as_digits(left), [mask.astype(float)])) == left * mask).all()
    found = digits.plus(as_digits(left), as_digits(right), up)
    assert are_digits(found)
    assert (digits.integers(found) == left + right * 2**up).all()


# ---- Jacobians -------------------------------------------------------------------------------------------------------
def skipping(seed: int) -> Network:
    """An output that reads the input besides, on another scale."""
    rng = np.random.default_rng(seed)
    network = random_net([3, 4, 2], seed)
    wide = ((0, np.ldexp(rng.normal(size=(2, 3)), 40)), *network.output.terms)
    return Network(3, network.layers, type(network.output)(wide, network.output.bias))


NETWORKS = [
    random_net([3, 6, 5, 2], 0),
    random_net([2, 5, 4, 3], 5, negative_slope=0.1),
    quarter_net([3, 5, 4, 2], 1),
    sloped_net([3, 5, 4, 2], 3),
    residual_net(2),
    skipping(1),
    chain([np.zeros((2, 3))], [np.ones(2)]),
    chain([np.ones((1, 3)), np.zeros((2, 1))], [np.ones(1), np.ones(2)]),
]


@pytest.mark.parametrize("thin", [False, True])
@pytest.mark.parametrize("number", range(len(NETWORKS)))
def test_jacobians_are_those_of_forms(number, thin, monkeypatch):
    monkeypatch.setattr("polylc.network.exact_jacobians.ROWS", 40)
    network = NETWORKS[number]
    if thin:
        of = lambda affine: type(affine)(tuple((s, sparse.csr_array(w)) for s, w in affine.terms), affine.bias)  # noqa: E731
        layers = tuple(type(layer)(of(layer.affine), layer.negative, layer.positive) for layer in network.layers)
        network = Network(network.inputs, layers, of(network.output))
    patterns = np.random.default_rng(number).integers(0, 2, (7, network.neurons)).astype(bool)
    found = ExactJacobians(network)
    forms = ExactForms(network, BoxEmbedding([F(-1)] * network.inputs, [F(1)] * network.inputs))
    for pattern, jacobian in zip(patterns, found.of(patterns, np.arange(network.inputs)), strict=True):
        exact = [[F(v, forms.scale) for v in row[:-1]] for row in forms.output(pattern)]
        assert [[F(v, 2**found.shift) for v in row] for row in jacobian.tolist()] == exact


def test_networks_of_too_many_digits_go_without():
    assert exact_jacobians(chain([np.array([[1.0, 2.0**-300]])], [np.zeros(1)])) is None
    slopes = sloped_net([2, 3, 1], 1)
    slopes.layers[0].negative[0] = 2.0**-400
    assert exact_jacobians(slopes) is None
    assert exact_jacobians(NETWORKS[0]) is exact_jacobians(NETWORKS[0])


@pytest.mark.parametrize("seed", range(3))
def test_constants_are_the_same_with_and_without(seed):
    network = random_net([9, 5, 4, 3], seed)
    low = np.random.default_rng(seed).integers(-8, 9, 9) / 8
    high = low + np.where(np.arange(9) == seed, 0.0, 0.25)
    assert (low < high).sum() == gradients.MANY
    found = []
    for without in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            if without:
                patch.setattr(gradients, "exact_jacobians", lambda _: None)
            run = certify(network, box=(low, high), measures="lipschitz")
            found.append([(c.target, c.norm, c.lower, c.upper, c.region) for c in run[0].lipschitz])
    assert found[0] == found[1]
    assert box(low, high).exact_embedding.free.tolist() == np.flatnonzero(low < high).tolist()


def test_zeros_have_digits_on_any_scale():
    assert digits.integers(digits.digits_of(np.zeros(2), 300)).tolist() == [0, 0]
    layer = Layer(Affine(((0, np.full((1, 3), 2.0**120)),), np.zeros(1)), np.zeros(1), np.full(1, 2.0**-280))
    found = ExactJacobians(Network(3, (layer,), Affine(((0, np.ones((1, 3))), (1, np.array([[-(2.0**160)]]))), np.zeros(1))))
    off, on = found.of(np.array([[False], [True]]), np.arange(3)).tolist()
    assert [F(v, 2**found.shift) for v in off[0] + on[0]] == [1, 1, 1, 0, 0, 0]
    assert found.of(np.array([[False]]), np.zeros(0, dtype=np.int64)).shape == (1, 1, 0)
    assert found.of(np.zeros((0, 1), dtype=bool), np.arange(3)).shape == (0, 1, 3)
