"""The internal form: evaluation, composition, exact evaluation, patterns, and the builder's room for more."""

from __future__ import annotations

from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import random_net, residual_net

from polylc.api.certify import certify
from polylc.errors import ModelError
from polylc.network import patterns
from polylc.network.compose import compose, enclosed_outputs
from polylc.network.exact import ExactNetwork
from polylc.network.form import Affine, Layer, Network, chain, pattern_at, preactivations
from polylc.network.patterns import PatternIndex, distinct, pack, runs, unpack, words


@pytest.mark.parametrize("make", [lambda s: random_net([3, 5, 70, 2], s), lambda s: random_net([3, 5, 4, 2], s, negative_slope=0.125), residual_net])
@pytest.mark.parametrize("seed", [0, 1])
def test_maps_along_the_pattern_of_a_point_give_its_value(make, seed):
    network = make(seed)
    x = np.random.default_rng(seed + 7).normal(size=(40, 3))
    middle, half = np.array([0.5, -1.0, 2.0]), np.array([1.0, 0.25, 3.0])
    forms = compose(network, pattern_at(network, x), np.column_stack([np.diag(half), middle]), np.zeros(len(half)))
    u = (x - middle) / half
    hidden, outputs = preactivations(network, x)
    np.testing.assert_allclose(np.einsum("rjk,rk->rj", forms.output[:, :, :-1], u) + forms.output[:, :, -1], outputs, atol=1e-12)
    np.testing.assert_allclose(np.einsum("rjk,rk->rj", forms.hidden[:, :, :-1], u) + forms.hidden[:, :, -1], np.hstack(hidden), atol=1e-12)


@pytest.mark.parametrize("make", [lambda s: random_net([3, 5, 4, 2], s), lambda s: random_net([3, 5, 4, 2], s, negative_slope=0.1), residual_net])
def test_exact_evaluation_agrees_with_fractions_and_floats(make):
    network = make(3)
    point = (F(1, 3), F(-5, 7), F(11, 10))
    values: list[list[F]] = [list(point)]
    for layer in [*network.layers, None]:
        affine = network.output if layer is None else layer.affine
        z = [F(float(b)) for b in affine.bias]
        for source, weight in affine.terms:
            z = [v + sum(F(float(w)) * h for w, h in zip(row, values[source], strict=True)) for v, row in zip(z, weight, strict=True)]
        if layer is None:
            assert ExactNetwork(network).outputs(point) == z
            break
        values.append([v * F(float(p if v > 0 else m)) for v, m, p in zip(z, layer.negative, layer.positive, strict=True)])
    np.testing.assert_allclose([float(v) for v in z], network(np.array([float(p) for p in point])), atol=1e-12)


def test_noise_bounds_the_rounding_of_forms():
    network = random_net([4, 30, 30, 3], 0)
    point = (F(1, 3), F(-1, 7), F(2, 3), F(1, 9))
    exact = ExactNetwork(network).preactivations(point)
    x = np.array([float(v) for v in point])
    forms = compose(network, pattern_at(network, x[None]), np.column_stack([np.eye(4), np.zeros(4)]), np.zeros(4))
    values = (forms.hidden[0] @ np.append(x, 1.0)).tolist()
    flat = [v for layer in exact[:-1] for v in layer]
    errors = [abs(float(F(v) - e)) for v, e in zip(values, flat, strict=True)]
    assert max(errors) > 0
    assert all(e <= n + 1e-15 * abs(v) * 8 for e, n, v in zip(errors, forms.noise[0], values, strict=True))


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_bound_that_overflows_is_never_zero():
    """The sum of a form's coefficients is out of range here, the form is not; then it is read with weight zero."""
    huge = chain([[[1.7e308, 1.7e308], [0.0, 0.0], [0.0, 0.0]], [[0.0, 1.0, -1.0]], [[1.0]]], [[0.0, 0.1, 0.7], [0.2], [0.0]])
    forms = compose(huge, np.ones((1, 4), dtype=bool), np.column_stack([np.eye(2), np.zeros(2)]), np.zeros(2))
    assert np.isfinite(forms.hidden).all()
    assert not forms.noise[0, 3] <= 0


@given(st.integers(1, 200), st.integers(1, 40), st.integers(0, 10**6))
def test_patterns_pack_and_unpack(neurons, count, seed):
    bits = np.random.default_rng(seed).random((count, neurons)) < 0.5
    packed = pack(bits)
    assert packed.shape == (count, words(neurons))
    assert (unpack(packed, neurons) == bits).all()
    assert all((int(packed[r, i // 64]) >> (i % 64)) & 1 == bits[r, i] for r in range(count) for i in range(0, neurons, 7))


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=40),
    st.sampled_from([0, 1, 3, 63, 64, 65, 70]),
    st.integers(0, 5),
    st.sampled_from([1, 4, 2**17]),
)
def test_patterns_are_told_apart_by_their_first_bits(kinds, neurons, seed, together):
    """Beside a dictionary of tuples."""
    bits = (np.random.default_rng(seed).random((4, 70)) < 0.5)[kinds]
    bits[:, neurons:] = np.random.default_rng(seed).random((len(kinds), 70 - neurons)) < 0.5  # say nothing
    rows = [tuple(row) for row in bits[:, :neurons].tolist()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patterns, "PART", together)
        first, which = distinct(pack(bits), neurons)
        heads, run = runs(pack(bits), neurons)
    places: dict[tuple[bool, ...], int] = {}
    for at, row in enumerate(rows):
        places.setdefault(row, at)
    assert first.tolist() == list(places.values())
    assert first[which].tolist() == [places[row] for row in rows]
    assert heads.tolist() == [i for i, row in enumerate(rows) if i == 0 or row != rows[i - 1]]
    assert heads[run].tolist() == [max(h for h in heads.tolist() if h <= i) for i in range(len(rows))]


@given(st.integers(1, 130), st.integers(0, 10**6))
def test_pattern_index_finds_exactly_what_is_listed(neurons, seed):
    rng = np.random.default_rng(seed)
    bits = np.unique(rng.random((50, neurons)) < 0.5, axis=0)
    index = PatternIndex(pack(bits), neurons)
    assert (index.find(bits) == np.arange(len(bits))).all()
    rows, flips = np.repeat(np.arange(len(bits)), 3), rng.integers(0, neurons, 3 * len(bits))
    flipped = bits[rows].copy()
    flipped[np.arange(len(rows)), flips] ^= True
    listed = {tuple(b): i for i, b in enumerate(bits.tolist())}
    want = [listed.get(tuple(b), -1) for b in flipped.tolist()]
    assert index.find(flipped).tolist() == want


def test_pattern_index_refuses_a_list_with_duplicates():
    with pytest.raises(ValueError, match="holds a pattern twice"):
        PatternIndex(pack(np.ones((2, 5), dtype=bool)), 5)


def test_a_bias_alone_is_checked_too():
    with pytest.raises(ModelError, match="float64"):
        Network(1, (), Affine((), np.array([1, 2])))


def test_networks_check_their_weights():
    with pytest.raises(ModelError, match="bias of hidden layer 1 contain NaN"):
        chain([[[1.0]], [[1.0]]], [[np.nan], [0.0]])
    with pytest.raises(ModelError, match="weights of the output map contain infinity"):
        chain([[[1.0]], [[np.inf]]], [[0.0], [0.0]])
    with pytest.raises(ModelError, match=r"shape \(1, 2\), expected \(1, 1\)"):
        chain([[[1.0]], [[1.0, 2.0]]], [[0.0], [0.0]])
    one = np.ones((1, 1))
    with pytest.raises(ModelError, match="reads layer 2, which is not before it"):
        Network(1, (Layer(Affine(((2, one),), np.zeros(1)), np.zeros(1), np.ones(1)),), Affine(((1, one),), np.zeros(1)))


def test_hash_depends_on_every_part_of_the_form():
    base = random_net([2, 3, 1], 0)
    others = [random_net([2, 3, 1], 1), random_net([2, 3, 1], 0, negative_slope=0.5), residual_net(0)]
    assert len({n.weights_sha256 for n in [base, *others]}) == 4
    assert base.weights_sha256 == random_net([2, 3, 1], 0).weights_sha256
    assert random_net([2, 3, 1], 0).is_chain
    assert not residual_net(0).is_chain


@given(st.integers(0, 10**6), st.integers(-30, 30))
def test_enclosed_outputs_hold_the_exact_ones(seed, exponent):
    network = (random_net([3, 6, 5, 2], seed), random_net([3, 5, 4, 2], seed, negative_slope=0.1), residual_net(seed))[seed % 3]
    rng = np.random.default_rng(seed)
    point = [F(int(v), 3 * 2**30) * F(2) ** exponent for v in rng.integers(-(2**30), 2**30, size=3)]
    floats = np.array([float(v) for v in point])
    error = np.array([float(abs(v - F(x))) * (1 + 1e-9) for v, x in zip(point, floats.tolist(), strict=True)])
    values, noise = enclosed_outputs(network, floats, error)
    for value, doubt, exact in zip(values.tolist(), noise.tolist(), ExactNetwork(network).outputs(point), strict=True):
        assert abs(F(value) - exact) <= F(doubt)
        assert doubt <= 1e-11 * (1 + 2.0**exponent)


@pytest.mark.parametrize("scale", [0, 1])
def test_the_label_is_decided_exactly_where_rounding_leaves_it_open(scale):
    weight = np.array([[1.0, 1.0], [1.0, 1.0 + scale * 2.0**-52]])
    network = chain([np.eye(2), weight], [np.zeros(2), np.zeros(2)])
    run = certify(network, [[1, F(1, 3)]], radius="0.1", measures="counts")
    assert (run[0].label, "tie" in run[0].remarks.get("label", "")) == ((1, False) if scale else (0, True))
