"""The first ends of neurons: passes from the inputs on decide nothing that backward passes from every neuron do not."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import random_net, residual_net, sloped_net, zero_bias_net

from polylc.bounds import first as first_module
from polylc.bounds.backward import Cells
from polylc.bounds.first import first_ends
from polylc.bounds.hidden import intervals, refine
from polylc.bounds.relaxation import largest_outputs
from polylc.bounds.tables import UNKNOWN, Tables
from polylc.network.exact import ExactNetwork
from polylc.network.form import Affine, Network
from polylc.network.weights import sparse_copy


def thinned(network: Network, rng: np.random.Generator) -> Network:
    """The network with most of its weights zero, in sparse matrices."""

    def affine(one: Affine) -> Affine:
        terms = tuple((s, sparse_copy(np.where(rng.random(w.shape) < 0.4, w, 0.0))) for s, w in one.terms)
        return Affine(terms, one.bias)

    return replace(
        network, layers=tuple(replace(layer, affine=affine(layer.affine)) for layer in network.layers), output=affine(network.output), sha256=""
    )


def drawn(seed: int) -> Network:
    rng = np.random.default_rng(seed)
    widths = [3, 9, 8, 7, 6, 2]
    network = [random_net, zero_bias_net, sloped_net, lambda _, s: residual_net(s)][seed % 4](widths, seed)
    return thinned(network, rng) if seed % 3 else network


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.02, 0.2, 1.0]))
@settings(max_examples=60, deadline=None)
def test_the_open_neurons_and_their_ends_are_those_of_passes_from_every_neuron(seed, side):
    network = drawn(seed)
    tables, rng = Tables(network), np.random.default_rng(seed)
    middle = rng.integers(-32, 33, network.inputs) / 32
    half = side * (rng.random(network.inputs) < 0.8)
    cell = Cells((middle - half)[None], (middle + half)[None])
    box = np.maximum(np.abs(cell.low[0]), np.abs(cell.high[0]))
    sizes = tables.magnitudes(largest_outputs(tables, *intervals(tables, cell.low[0], cell.high[0]), box))
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(first_module, "packed", lambda *_: None)
        for way in (lambda *a: first_ends(*a[:5], a[5]), lambda *a: refine(*a[:5], 0, a[5])):
            lows, highs = np.full((1, tables.neurons), -UNKNOWN), np.full((1, tables.neurons), UNKNOWN)
            way(tables, lows, highs, cell, sizes, np.full((2, 1, tables.neurons), np.nan))
            found.append((lows[0], highs[0]))
    (low, high), (low2, high2) = found
    free = (low < 0) & (high > 0)
    assert (free == ((low2 < 0) & (high2 > 0))).all()
    assert (low[free] == low2[free]).all()
    assert (high[free] == high2[free]).all()
    exact = ExactNetwork(network)
    for _ in range(4):
        point = [F(m) + F(h) * F(int(rng.integers(-8, 9)), 8) for m, h in zip(middle.tolist(), half.tolist(), strict=True)]
        z = [v for layer in exact.preactivations(point)[:-1] for v in layer]
        assert all(F(a) <= v <= F(b) for a, v, b in zip(low.tolist(), z, high.tolist(), strict=True))


def test_most_neurons_of_a_small_box_need_no_pass_of_their_own(monkeypatch):
    network = thinned(random_net([4, 40, 40, 40, 2], 7), np.random.default_rng(7))
    tables, asked = Tables(network), []
    cell = Cells(np.full((1, 4), 0.29), np.full((1, 4), 0.3))
    sizes = tables.magnitudes(largest_outputs(tables, *intervals(tables, cell.low[0], cell.high[0]), np.full(4, 0.3)))

    def counted(tables_, lows, highs, *rest, only):
        asked.append(int((only & (lows < 0) & (highs > 0)).sum()))
        refine(tables_, lows, highs, *rest, only=only)

    monkeypatch.setattr(first_module, "refine", counted)
    lows, highs = np.full((1, tables.neurons), -UNKNOWN), np.full((1, tables.neurons), UNKNOWN)
    first_ends(tables, lows, highs, cell, sizes)
    assert len(asked) == 3
    assert sum(asked) < tables.neurons / 4
    assert (highs < UNKNOWN).all()
    assert (lows > -UNKNOWN).all()
