"""Networks for tests: random ones, and ones in special position."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from polylc.network.builder import Builder
from polylc.network.form import Affine, Layer, Network, chain


def random_net(widths: list[int], seed: int, *, negative_slope: float = 0.0) -> Network:
    """Gaussian weights, no special position."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=(b, a)) / np.sqrt(a) for a, b in itertools.pairwise(widths)]
    biases = [0.5 * rng.normal(size=b) for b in widths[1:]]
    return chain(weights, biases, negative_slope=negative_slope)


def residual_net(seed: int) -> Network:
    """x -> W2 (relu(W1 x) + x) with a LeakyReLU after it, and an output that reads both hidden layers."""
    rng = np.random.default_rng(seed)
    builder = Builder("residual", [3])
    one = builder.relu(builder.linear(builder.input, rng.normal(size=(3, 3)), rng.normal(size=3), "first"), "relu")
    two = builder.units(builder.linear(builder.add(one, builder.input, "skip"), rng.normal(size=(4, 3)), None, "second"), 0.25, 1.0, "leaky")
    out = builder.add(builder.linear(two, rng.normal(size=(2, 4)), None, "out"), builder.linear(one, rng.normal(size=(2, 3)), None, "side"), "sum")
    return builder.finish(out)


def quarter_net(widths: list[int], seed: int) -> Network:
    """Weights and biases in multiples of 1/4: ties are common."""
    rng = np.random.default_rng(seed)
    weights = [rng.integers(-4, 5, size=(b, a)) / 4 for a, b in itertools.pairwise(widths)]
    biases = [rng.integers(-4, 5, size=b) / 4 for b in widths[1:]]
    return chain(weights, biases)


def eighth_net(widths: list[int], seed: int) -> Network:
    """Weights from -1 to 1 in multiples of 1/8, biases from -1/2 to 1/2."""
    rng = np.random.default_rng(seed)
    weights = [rng.integers(-8, 9, (b, a)) / 8 for a, b in itertools.pairwise(widths)]
    return chain(weights, [rng.integers(-4, 5, b) / 8 for b in widths[1:]])


def sloped_net(widths: list[int], seed: int) -> Network:
    """Every unit has two slopes of its own, in multiples of 1/4 from -2 to 2."""
    rng = np.random.default_rng(seed)
    plain = quarter_net(widths, seed)
    slopes = [rng.integers(-8, 9, (2, width)) / 4 for width in plain.widths]
    layers = [replace(layer, negative=low, positive=high) for layer, (low, high) in zip(plain.layers, slopes, strict=True)]
    return replace(plain, layers=tuple(layers))


COPIES = 1 / 16  # of what a copied unit gives, what each of its copies but the first gives for a factor of 1


def multiplied(network: Network, factors: list[float], seed: int) -> tuple[Network, np.ndarray]:
    """The same function with several copies of each hidden unit, whose rows are multiples, in each layer in an order
    of chance; and where the copies of each neuron are, the first of which has the factor 1: shape (neurons, copies).

    All is exact for weights of at most 40 bits. A copy with a negative factor has slopes that make up for it.
    """
    rng = np.random.default_rng(seed)
    f = np.array([1.0, *factors])
    share = np.array([1.0 - COPIES * np.abs(f[1:]).sum(), *(COPIES for _ in factors)])
    order = [np.arange(network.inputs), *(rng.permutation(len(f) * width) for width in network.widths)]

    def read(affine: Affine) -> list[tuple[int, np.ndarray]]:
        return [(s, w if s == 0 else np.kron(w, share)[:, order[s]]) for s, w in affine.terms]

    layers = []
    for layer, place in zip(network.layers, order[1:], strict=True):
        terms = tuple((s, np.kron(w, f[:, None])[place]) for s, w in read(layer.affine))
        back = np.tile(f < 0, layer.width)
        low, high = np.repeat(layer.negative, len(f)), np.repeat(layer.positive, len(f))
        slopes = [np.where(back, -high, low)[place], np.where(back, -low, high)[place]]
        layers.append(Layer(Affine(terms, np.kron(layer.affine.bias, f)[place]), *slopes))
    where = [len(f) * at + np.argsort(place) for at, place in zip(network.offsets.tolist(), order[1:], strict=False)]
    output = Affine(tuple(read(network.output)), network.output.bias)
    return Network(network.inputs, tuple(layers), output), np.concatenate([np.zeros(0, dtype=np.int64), *where]).reshape(-1, len(f))


def zero_bias_net(widths: list[int], seed: int) -> Network:
    """Gaussian weights without biases: all hyperplanes of the first layer meet in one point, and cells are cones cut by
    the box.
    """
    rng = np.random.default_rng(seed)
    return chain([rng.normal(size=(b, a)) for a, b in itertools.pairwise(widths)], [np.zeros(b) for b in widths[1:]])


def braid_net(n: int) -> Network:
    """One neuron x_i - x_j for all i < j."""
    rows = [np.eye(n)[i] - np.eye(n)[j] for i in range(n) for j in range(i + 1, n)]
    return chain([np.array(rows), np.ones((1, len(rows)))], [np.zeros(len(rows)), np.zeros(1)])


def l1_net(n: int) -> Network:
    """The l1 norm on R^n: sum of ReLU(x_i) + ReLU(-x_i)."""
    return chain([np.vstack([np.eye(n), -np.eye(n)]), np.ones((1, 2 * n))], [np.zeros(2 * n), np.zeros(1)])


def tent_net(folds: int) -> Network:
    """The tent map on [0, 1] folded `folds` times: 2^folds regions of slope +-2^folds."""
    first = np.array([[1.0], [1.0]])
    fold = np.array([[2.0, -4.0], [2.0, -4.0]])
    bias = np.array([0.0, -0.5])
    return chain([first, *[fold] * (folds - 1), fold[:1]], [bias, *[bias] * (folds - 1), np.zeros(1)])


SPECIAL: dict[str, Network] = {
    "zero biases": chain(
        [[[1.0, 2.0], [-1.0, 0.5], [0.5, -3.0]], [[1.0, -1.0, 0.5], [0.25, 1.0, -2.0]], [[1.0, 1.0]]], [[0.0] * 3, [0.0] * 2, [0.0]]
    ),
    "duplicates and negatives": chain(
        [[[1.0, 0.5], [1.0, 0.5], [-1.0, -0.5], [2.0, 1.0]], [[1.0, -1.0, 1.0, 1.0]]], [[0.25, 0.25, -0.25, 0.5], [0.0]]
    ),
    "dead layer": chain([[[1.0, 0.0], [0.0, 1.0]], [[-1.0, -1.0], [-2.0, -1.0]], [[1.0, 1.0]]], [[0.0, 0.0], [-1.0, -3.0], [2.0]]),
    "constant": chain([[[0.0, 0.0], [0.0, 0.0]], [[1.0, 2.0]]], [[0.0, -1.0], [3.0]]),
    "one neuron": chain([[[1.0, -1.0]], [[1.0]]], [[0.125], [0.0]]),
    "no hidden layer": chain([[[1.0, -1.0], [0.0, 2.0]]], [[0.125, 0.0]]),
    "pruned": chain([[[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]], [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]], [[1.0, 1.0]]], [[0.0, 0.0, 0.0], [-0.5, 0.0], [0.0]]),
    "through the corners": chain([[[1.0, 1.0], [1.0, -1.0]], [[1.0, 1.0]]], [[0.0, 0.0], [0.0]]),
    "in the boundary": chain([[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [[1.0, 1.0, 1.0]]], [[1.0, -1.0, -0.5], [0.0]]),
    "touching a vertex": chain([[[1.0, 1.0], [1.0, 0.0]], [[1.0, 1.0]]], [[2.0, 0.0], [0.0]]),
    "parallel": chain([[[1.0, 1.0], [1.0, 1.0], [2.0, 2.0]], [[1.0, 1.0, -1.0]]], [[0.0, 2.0**-20, 0.5], [0.0]]),
    "absolute value of relu": chain([[[1.0, 0.0]], [[1.0], [-1.0]], [[1.0, 1.0]]], [[0.0], [0.0, 0.0], [0.0]]),
}

# HiGHS 1.16 ends one of the linear programs of this network with status "unknown", warm and cold
SOLVER_GIVES_UP = chain(
    [
        np.array([[0.25, 0.25, -0.25], [0.25, 0.0, 0.0], [-0.25, 0.25, -1.5]]),
        np.array([[0.0, 0.0, -0.25], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]),
        np.zeros((1, 3)),
    ],
    [np.array([0.0, 0.0, -0.25]), np.array([0.25, 0.0, 0.0]), np.zeros(1)],
)


def small_nets(max_inputs: int = 3, max_depth: int = 3, *, min_inputs: int = 1, min_outputs: int = 1) -> st.SearchStrategy[Network]:
    """Tiny networks with weights in multiples of 1/4, so that ties are common."""
    quarter = st.integers(-8, 8).map(lambda k: k / 4)

    @st.composite
    def draw(pick: st.DrawFn) -> Network:
        inputs, hidden = pick(st.integers(min_inputs, max_inputs)), pick(st.lists(st.integers(1, 3), min_size=1, max_size=max_depth))
        widths = [inputs, *hidden, pick(st.integers(min_outputs, 2))]
        weights, biases = [], []
        for a, b in itertools.pairwise(widths):
            weights.append(np.array(pick(st.lists(quarter, min_size=a * b, max_size=a * b))).reshape(b, a))
            biases.append(np.array(pick(st.lists(quarter, min_size=b, max_size=b))))
        return chain(weights, biases)

    return draw()


def sliver_nets(max_inputs: int = 3, max_depth: int = 3, *, min_inputs: int = 1, min_outputs: int = 1) -> st.SearchStrategy[Network]:
    """Tiny networks in which neurons are often multiples of others, exactly or but for 2^-20 ... 2^-50."""

    @st.composite
    def draw(pick: st.DrawFn) -> Network:
        network = pick(small_nets(max_inputs, max_depth, min_inputs=min_inputs, min_outputs=min_outputs))
        affines = [*(layer.affine for layer in network.layers), network.output]
        weights, biases = [a.terms[0][1].copy() for a in affines], [a.bias.copy() for a in affines]
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            for i in range(1, len(b)):
                if not pick(st.booleans()):
                    continue
                j, factor = pick(st.integers(0, i - 1)), pick(st.sampled_from([1.0, -1.0, 2.0, -0.5]))
                w[i], b[i] = factor * w[j], factor * b[j]
                nudge = pick(st.sampled_from([0.0, 2.0**-20, -(2.0**-30), 2.0**-40, -(2.0**-45), 2.0**-50]))
                place = pick(st.integers(0, w.shape[1]))
                if place == w.shape[1]:
                    b[i] += nudge
                else:
                    w[i, place] += nudge
        return chain(weights, biases)

    return draw()
