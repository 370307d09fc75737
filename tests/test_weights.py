"""Sparse weights: the same networks as dense ones, from the reader to the exact forms; and exact forms composed forward
and backward.
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import replace
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import SPECIAL, quarter_net, random_net, residual_net
from scipy import sparse

from polylc.api.certify import certify
from polylc.api.check import check
from polylc.domains.box import box
from polylc.engines.dictionary import state
from polylc.engines.dictionary.engine import DictionaryEngine
from polylc.errors import ProofRefused, ProofUnreadable
from polylc.exact.embedding import BoxEmbedding
from polylc.exact.matrix import Dense, Sparse
from polylc.network import exact_forms, weights
from polylc.network.builder import Builder
from polylc.network.convolutions import Window, average, convolution
from polylc.network.exact import ExactNetwork
from polylc.network.exact_forms import ExactForms
from polylc.network.form import Affine, Network, forward, pattern_at
from polylc.network.residues import Residues, primes

NETWORKS = [*(random_net([3, 6, 5, 2], s) for s in range(2)), random_net([2, 5, 4, 3], 5, negative_slope=0.1), quarter_net([3, 5, 4, 2], 1)]
NETWORKS += [residual_net(2), *SPECIAL.values()]


def thinned(network: Network, sparsely: bool, seed: int = 0) -> Network:
    """The network with about a third of its weights set to zero, as sparse or as dense matrices."""
    rng = np.random.default_rng(seed)

    def of(affine: Affine) -> Affine:
        full = [(source, np.where(rng.random(weight.shape) < 0.35, 0.0, weight)) for source, weight in affine.terms]
        return Affine(tuple((source, sparse.csr_array(weight) if sparsely else weight) for source, weight in full), affine.bias)

    layers = tuple(replace(layer, affine=of(layer.affine)) for layer in network.layers)
    return Network(network.inputs, layers, of(network.output))


def entries_of(network: Network) -> list[np.ndarray]:
    return [weight for affine in (*(layer.affine for layer in network.layers), network.output) for _, weight in affine.terms]


@given(st.integers(0, 10**6), st.integers(1, 7), st.integers(1, 7))
def test_products_are_those_of_the_dense_matrix(seed, rows, columns):
    rng = np.random.default_rng(seed)
    full = rng.integers(-3, 4, size=(rows, columns)) * rng.integers(0, 2, size=(rows, columns)) / 4
    thin = sparse.csr_array(full)
    forms, points, before = (rng.integers(-9, 9, size=shape) / 8 for shape in ((2, 3, columns, 4), (3, columns), (2, rows)))
    for weight in (full, thin):
        np.testing.assert_array_equal(weights.times(weight, forms), full @ forms)
        np.testing.assert_array_equal(weights.at_points(points, weight), points @ full.T)
        np.testing.assert_array_equal(weights.before(before, weight), before @ full)
        np.testing.assert_array_equal(weights.dense(weights.nonzero(weight)), full != 0)


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 6))
def test_integer_products_are_those_of_fractions(seed, rows, columns):
    rng = np.random.default_rng(seed)
    full = np.ldexp(rng.normal(size=(rows, columns)), rng.integers(-30, 30, size=(rows, columns))) * rng.integers(0, 2, size=(rows, columns))
    left, right = (rng.integers(-99, 99, size=shape).astype(object) * 3**40 for shape in ((2, rows), (columns, 3)))
    large = Dense(full)
    large._large = True
    for matrix in (Dense(full), large, Sparse(sparse.csr_array(full))):
        exact = [[F(float(v)) * 2**matrix.shift for v in row] for row in full]
        assert all(v.denominator == 1 for row in exact for v in row)
        product = np.array(exact, dtype=object).reshape(rows, columns).dot(right)
        some = rng.permutation(rows)[: 1 + rows // 2]
        with pytest.MonkeyPatch.context() as patch:
            if matrix is large:  # by FLINT
                patch.setattr("polylc.exact.matrix._FEW", 0)
                patch.setattr("polylc.exact.matrix._PRODUCTS_EACH", 0)
            assert (matrix.before(left) == left.dot(np.array(exact, dtype=object).reshape(rows, columns))).all()
            assert (matrix.after(right) == product).all()
            assert (matrix.after(right, some) == product[some]).all()
        assert matrix.rows(some).tolist() == [exact[i] for i in some]


@pytest.mark.parametrize("number", range(len(NETWORKS)))
def test_a_sparse_network_is_the_dense_one(number):
    full, thin = thinned(NETWORKS[number], False), thinned(NETWORKS[number], True)
    assert not any((weight != 0).any() for weight in entries_of(full)) or full.sha256 != thin.sha256
    x = np.random.default_rng(1).normal(size=(3, 4, full.inputs))
    np.testing.assert_allclose(forward(thin, x), forward(full, x), atol=1e-13)
    point = tuple(F(int(v), 7) for v in range(full.inputs))
    assert ExactNetwork(thin).preactivations(point) == ExactNetwork(full).preactivations(point)
    lower, upper = (F(-1),) * full.inputs, (F(2, 3),) * full.inputs
    patterns = pattern_at(full, x[0])
    for prime, _ in zip(primes(full, BoxEmbedding(lower, upper)), range(2), strict=False):
        one, other = (Residues(network, BoxEmbedding(lower, upper), prime).output(patterns) for network in (full, thin))
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("engine", ["vertex", "dictionary", "lp"])
@pytest.mark.parametrize("number", range(0, len(NETWORKS), 2))
def test_all_measures_are_those_of_the_dense_network(number, engine):
    found = []
    for sparsely in (False, True):
        network = thinned(NETWORKS[number], sparsely, seed=3)
        run = certify(network, box=([F(-1)] * network.inputs, [F(2, 3)] * network.inputs), engine=engine, measures="all")
        found.append(run)
    one, other = (run[0] for run in found)
    assert (one.status, one.regions, one.adjacencies) == (other.status, other.regions, other.adjacencies)
    for name, value in one.answers.items():
        assert type(value) is type(other.answers[name])
    assert one.answers["lipschitz"].value == other.answers["lipschitz"].value


@pytest.mark.parametrize("number", range(len(NETWORKS)))
@pytest.mark.parametrize("sparsely", [False, True])
def test_forms_are_the_same_backward_and_forward(number, sparsely, monkeypatch):
    network = thinned(NETWORKS[number], sparsely)
    lower = [F(-1, 3)] * network.inputs
    upper = [F(1, 2 + i) if i != 1 else F(-1, 3) for i in range(network.inputs)]  # the second coordinate is fixed
    middle, half = [(a + b) / 2 for a, b in zip(lower, upper, strict=True)], [(b - a) / 2 for a, b in zip(lower, upper, strict=True) if a < b]
    for pattern in np.random.default_rng(0).integers(0, 2, size=(4, network.neurons)).astype(bool):
        found = []
        for backward in (True, False):
            monkeypatch.setattr(exact_forms.ExactForms, "_better_backward", lambda *_, backward=backward: backward)
            forms = ExactForms(network, BoxEmbedding(lower, upper))
            found.append([forms.hidden(pattern), forms.output(pattern), forms.neurons(range(network.neurons), pattern)])
        assert found[0] == found[1]
        assert found[0][0] == found[0][2]
        assert [[F(v, forms.scale) for v in row] for row in [*found[0][0], *found[0][1]]] == by_fractions(network, pattern, middle, half)


def by_fractions(network, pattern, middle, half):
    """The forms of all neurons and outputs, by rational matrices."""
    free = iter(range(len(half)))
    start = []
    for j, m in enumerate(middle):
        row = [F(0)] * len(half) + [m]
        if j != 1:
            at = next(free)
            row[at] = half[at]
        start.append(row)
    values, result, begin = [start], [], 0
    for layer in [*network.layers, None]:
        affine = network.output if layer is None else layer.affine
        z = [[F(0)] * len(half) + [F(float(b))] for b in affine.bias]
        for source, weight in affine.terms:
            for row, line in zip(z, weights.dense(weight).tolist(), strict=True):
                for w, form in zip(line, values[source], strict=True):
                    row[:] = [a + F(w) * b for a, b in zip(row, form, strict=True)]
        result += z
        if layer is not None:
            bits = pattern[begin : begin + layer.width]
            begin += layer.width
            slopes = [F(float(p if bit else n)) for bit, n, p in zip(bits, layer.negative, layer.positive, strict=True)]
            values.append([[s * v for v in row] for s, row in zip(slopes, z, strict=True)])
    return result


@pytest.mark.parametrize("large", [1, 2**18])
@pytest.mark.parametrize(("groups", "stride", "dilation", "pads"), [(1, 1, 1, 0), (2, 2, 1, 1), (1, 2, 2, 2), (4, 1, 2, 1)])
def test_convolutions_are_those_of_torch(groups, stride, dilation, pads, large, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(weights, "LARGE", large)
    monkeypatch.setattr(weights, "FILLED", 1.0)
    rng = np.random.default_rng(0)
    kernel, bias, image = rng.normal(size=(8, 4 // groups, 3, 2)), rng.normal(size=8), rng.normal(size=(5, 4, 9, 7))
    builder = Builder("conv", [4, 9, 7])
    value = convolution(builder, builder.input, kernel, bias, Window((3, 2), (stride, 1), (pads, pads), (pads, pads), (dilation, 1)), groups, "conv")
    value = average(builder, builder.add(builder.relu(value, "relu"), value, "skip"), Window((2, 2), (2, 1), (1, 1), (0, 1), (1, 1)), False, "pool")
    network = builder.finish(builder.reshape(value, [-1], "flat"))
    padded = torch.nn.functional.pad(torch.tensor(image), (pads, pads, pads, pads))
    x = torch.nn.functional.conv2d(padded, torch.tensor(kernel), torch.tensor(bias), (stride, 1), 0, (dilation, 1), groups)
    x = torch.relu(x) + x
    ones = torch.nn.functional.pad(torch.ones_like(x), (1, 1, 1, 0))
    x = torch.nn.functional.avg_pool2d(torch.nn.functional.pad(x, (1, 1, 1, 0)), 2, (2, 1)) / torch.nn.functional.avg_pool2d(ones, 2, (2, 1))
    np.testing.assert_allclose(network(image.reshape(5, -1)), x.flatten(1).numpy(), atol=1e-12)
    assert isinstance(network.layers[0].affine.terms[0][1], np.ndarray) == (large > 1)


@pytest.mark.parametrize("number", [0, 1, 4])
def test_a_crowded_arena_makes_room_in_the_midst_of_a_cell(number, monkeypatch):
    network = NETWORKS[number]
    domain = box([F(-1)] * network.inputs, [F(1)] * network.inputs)
    roomy = DictionaryEngine(network, domain, sink=lambda chunk: None).explore()
    monkeypatch.setattr(state, "MOST_ENTRIES", 0)
    monkeypatch.setattr(state, "SPARE_ROWS", 1)
    monkeypatch.setattr(state, "SPARE_LEVELS", 1)
    chunks = []
    tight = DictionaryEngine(network, domain, sink=chunks.append).explore()
    for name in ("parent", "neuron", "side", "bits", "unit", "leaf"):
        np.testing.assert_array_equal(getattr(roomy, name), getattr(tight, name))
    assert sum(len(chunk.claims.node) for chunk in chunks) > 0


def test_a_convolution_takes_room_for_its_weights_and_integers_only_where_they_are_asked_for():
    rng = np.random.default_rng(0)
    builder = Builder("conv", [3, 32, 32])
    one, two = (Window((3, 3), (stride, stride), (1, 1), (1, 1), (1, 1)) for stride in (1, 2))
    value = builder.relu(convolution(builder, builder.input, rng.normal(size=(16, 3, 3, 3)), None, one, 1, "one"), "relu")
    value = builder.relu(convolution(builder, value, rng.normal(size=(8, 16, 3, 3)), None, two, 1, "two"), "relu")
    network = builder.finish(builder.linear(builder.reshape(value, [-1], "flat"), rng.normal(size=(2, 2048)), None, "out"))
    assert network.neurons == 18432
    weight = [layer.affine.terms[0][1] for layer in network.layers]
    assert [w.size for w in weight] == [16 * 3 * 94 * 94, 8 * 16 * 47 * 47]  # a window of 3 in a line of 32: 94 places inside, or 47
    forms = ExactForms(network, BoxEmbedding([F(-1)] * 3072, [F(1)] * 3072))
    exact = [matrix for affine in forms._weights.affines for _, matrix in affine.terms]
    row = forms.neuron(17, np.zeros(network.neurons, dtype=bool))
    assert sum(v != 0 for v in row) == sum(w != 0 for w in weight[0][[17]].toarray()[0])
    assert not any(set(vars(matrix)) & {"_values", "_objects", "_flint"} for matrix in exact)
    bits = rng.random(network.neurons) < 0.5
    deep = forms.neuron(16384 + 300, bits)
    x = rng.integers(-8, 8, size=3072) / 8
    value = sum((a * F(v) for a, v in zip(deep[:-1], x.tolist(), strict=True)), F(deep[-1])) / forms.scale
    assert float(value) == pytest.approx((weight[1][[300]] @ ((weight[0] @ x) * bits[:16384])).item(), rel=1e-12)


@pytest.fixture
def sparse_proof(tmp_path):
    """A proof of a network with sparse weights, its lines."""
    network = thinned(random_net([3, 6, 5, 2], 0), True)
    certify(network, [[0, 0, 0]], radius="0.5", proof=tmp_path / "proof.gz")
    return gzip.decompress((tmp_path / "proof.gz").read_bytes()).splitlines()


def verdict_on(lines, path) -> str:
    path.write_bytes(gzip.compress(b"\n".join(lines) + b"\n"))
    try:
        check(path)
    except (ProofRefused, ProofUnreadable) as error:
        return str(error)
    return "verified"


def test_proofs_of_sparse_networks_check(sparse_proof, tmp_path):
    assert set(json.loads(sparse_proof[1])["network"]["layers"][0]["terms"][0][1]) == {"lengths", "columns", "weights"}
    assert verdict_on(sparse_proof, tmp_path / "again.gz") == "verified"


@pytest.mark.parametrize(
    ("forge", "why"),
    [
        (lambda m: m["weights"].__setitem__(0, m["weights"][0] * 2), "hash"),
        (lambda m: m["columns"].__setitem__(0, (m["columns"][0] + 1) % 3), "hash|column once"),
        (lambda m: m["columns"].__setitem__(0, 3), "below the width"),
        (lambda m: m["columns"].__setitem__(0, -1), "below the width"),
        (lambda m: m["columns"].__setitem__(1, m["columns"][0]), "column once|hash"),
        (lambda m: m["columns"].__setitem__(0, 1.0), "integers"),
        (lambda m: m["lengths"].__setitem__(0, -1), "lengths"),
        (lambda m: m["lengths"].__setitem__(0, m["lengths"][0] + 1), "lengths"),
        (lambda m: m["lengths"].append(0), "list"),
        (lambda m: m["weights"].append(1.0), "list"),
        (lambda m: m["weights"].__setitem__(0, 1), "floats"),
        (lambda m: m.__setitem__("more", []), "keys"),
    ],
)
def test_forged_sparse_weights_are_refused(sparse_proof, tmp_path, forge, why):
    line = json.loads(sparse_proof[1])
    forge(line["network"]["layers"][0]["terms"][0][1])
    sparse_proof[1] = json.dumps(line).encode()
    assert re.search(why, verdict_on(sparse_proof, tmp_path / "forged.gz"))


def test_a_matrix_that_would_fill_the_memory_is_refused(sparse_proof, tmp_path):
    line = json.loads(sparse_proof[1])
    line["network"]["inputs"] = 2**40
    sparse_proof[1] = json.dumps(line).encode()
    assert "at most" in verdict_on(sparse_proof, tmp_path / "forged.gz")
