"""The first ends of neurons: passes from the inputs on decide nothing that backward passes from every neuron do not."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import random_net, residual_net, sloped_net, zero_bias_net

from polylc import checker
from polylc.bounds import first as first_module
from polylc.bounds.backward import Cells
from polylc.bounds.first import first_ends
from polylc.bounds.hidden import intervals, refine
from polylc.bounds.relaxation import largest_outputs
from polylc.bounds.tables import UNKNOWN, Tables
from polylc.network.exact import ExactNetwork
from polylc.network.form import Affine, Network
from polylc.network.weights import sparse_copy
from polylc.proof.refutation import compact_network


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


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.02, 0.2, 1.0]), st.sampled_from([1.0, 2.0**60, 2.0**-60, 2.0**900]))
@settings(max_examples=60, deadline=None)
def test_the_checker_takes_signs_from_them_that_are_true_and_that_its_rule_shows_too(seed, side, size):
    """Beyond what lanes hold it bounds all neurons by the rule."""
    rng = np.random.default_rng(seed)
    network = thinned([random_net, zero_bias_net, lambda _, s: residual_net(s)][seed % 3]([3, 9, 8, 7, 6, 2], seed), rng)
    first = network.layers[0]
    if size != 1.0:
        grown = Affine(tuple((s, w * size) for s, w in first.affine.terms), first.affine.bias * size)
        network = replace(network, layers=(replace(first, affine=grown), *network.layers[1:]), sha256="")
    low = rng.integers(-32, 33, network.inputs) / 32 + 2.0**-70  # no number of 2^-INPUT's grid is lost
    high = low + side * (rng.random(network.inputs) < 0.8) + (rng.random(network.inputs) < 0.3) * 2.0**-45
    read = checker._Network(json.loads(json.dumps(compact_network(network))))
    opening = {"query": 0, "source": "", "query_sha256": "", "semantics": "real", "roots": 1, "formula": ["and"]}
    names = [f"v{i}" for i in range(network.inputs + network.outputs)]
    query = checker._Query(read, checker._Bounds(read), {**opening, "names": names})
    most, cells, rows, all_rows = 1 << checker.UNIT + 6600, [], 0, checker._Bounds.neurons

    def counted(self, some, *rest):
        nonlocal rows
        rows += len(some)
        return all_rows(self, some, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checker._Bounds, "neurons", counted)
        for weights in (0, 10**9):
            patch.setattr(checker, "WEIGHED", weights)
            cell = checker._Searched(low.tolist(), high.tolist(), [-most] * network.neurons, [most] * network.neurons, [], [])
            query._refine(cell, 0, {})
            cells.append(cell)
    ours, rule = cells
    signs = [[low < 0 < high for low, high in zip(c.low, c.high, strict=True)] for c in cells]
    assert all(there for here, there in zip(*signs, strict=True) if here)
    if size == 1.0:  # where values are large the rule's rounding leaves open what forms decide; proofs give such ends
        assert signs[0] == signs[1]
        assert all((a, b) == (c, d) for a, b, c, d, free in zip(ours.low, ours.high, rule.low, rule.high, signs[0], strict=True) if free)
    exact = ExactNetwork(network)
    for _ in range(3):
        point = [F(a) + (F(b) - F(a)) * F(int(rng.integers(0, 9)), 8) for a, b in zip(low.tolist(), high.tolist(), strict=True)]
        z = [v * 2**checker.UNIT for values in exact.preactivations(point)[:-1] for v in values]
        assert all(a <= v <= b for a, v, b in zip(ours.low, z, ours.high, strict=True))
    if size > 2.0**800:
        assert rows == 2 * network.neurons  # no lane holds that
    elif side < 0.1 and seed % 3 == 0:
        assert rows < 2 * network.neurons - 2  # some signs were known without their rows
