"""Full ranks from doubles: what they say is so in integers, and they say it wherever rounding leaves no doubt."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import quarter_net, random_net

from polylc.complex.complex import Complex
from polylc.domains.box import box
from polylc.exact.linear import rank
from polylc.measures.full_rank import full_ranks, room
from polylc.measures.rank import region_ranks
from polylc.network.form import Network, chain
from polylc.network.patterns import pack
from polylc.search.enumerate import enumerate_regions


def regions_of(network: Network) -> Complex:
    return enumerate_regions(network, box([-1] * network.inputs, [1] * network.inputs))[0]


def exact_ranks(complex_: Complex, layer: int) -> np.ndarray:
    return np.array([rank([row[:-1] for row in complex_.exact_forms.layer(layer, bits)]) for bits in complex_.patterns()])


def certain(complex_: Complex, layer: int) -> np.ndarray:
    found = np.zeros(len(complex_), dtype=bool)
    k = complex_.domain.dimension
    full_ranks(complex_.flat, complex_.replay(), complex_.bits, layer, found, room(k, complex_.network.layers[layer].width))
    return found


@given(st.integers(1, 4), st.integers(0, 10**6), st.integers(0, 60), st.booleans())
def test_a_yes_is_so_in_integers(n, seed, small, same):
    """Weights in quarters, one input nearly or exactly without effect: a column that is zero, tiny, or like another."""
    rng = np.random.default_rng(seed)
    plain = quarter_net([n, 5, 5, 1], seed)
    weights, biases = [w.copy() for w in (layer.affine.terms[0][1] for layer in plain.layers)], [layer.affine.bias for layer in plain.layers]
    if same and n > 1:
        weights[0][:, 0] = weights[0][:, 1]
    weights[0][:, -1] = np.ldexp(weights[0][:, -1], -small) if rng.random() < 0.7 else 0.0
    network = chain([*weights, np.ones((1, 5))], [*biases, np.zeros(1)])
    complex_ = regions_of(network)
    for layer in (0, 1):
        yes, exact = certain(complex_, layer), exact_ranks(complex_, layer)
        assert (exact[yes] == n).all()
        assert (region_ranks(complex_)[:, layer] == exact).all()


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_generic_ranks_need_nothing_else(n):
    complex_ = regions_of(random_net([n, 9, 8, 1], n))
    full = exact_ranks(complex_, 1) == n
    assert full.any()
    assert (certain(complex_, 1) == full).all()


def test_rounding_that_may_have_made_a_column_is_no_rank():
    """Two columns whose difference is below the rounding of the forms are not certainly independent."""
    first = np.array([[1.0, 1.0], [3.0, 3.0], [1 / 3, 1 / 3]])
    second = np.array([[0.1, 0.2, 0.3], [0.7, 0.1, 0.9], [0.3, 0.3, 0.1]])
    network = chain([first, second, np.ones((1, 3))], [np.ones(3), np.zeros(3), np.zeros(1)])
    bits = pack(np.ones((1, 6), dtype=bool))
    complex_ = regions_of(network)
    found = np.ones(1, dtype=bool)
    full_ranks(complex_.flat, complex_.replay(), bits, 1, found, room(2, 3))
    assert not found[0]
