"""The one internal form: affine maps of earlier outputs, and units with one breakpoint at zero.

Every network that polylc reads becomes hidden layers 1..L and an output map. Layer l computes

    z_l = sum_s W_{l,s} h_s + b_l,      h_l = positive_l * z_l where z_l > 0, else negative_l * z_l,

where h_0 = x is the input and s runs over any earlier layers. A chain has the one term s = l - 1; a residual sum or a
concatenation has several. ReLU has slopes (0, 1), LeakyReLU (a, 1), the absolute value (-1, 1). A unit with several
breakpoints is several neurons with shifted biases, recombined by the next affine map; a maximum is
max(u, v) = v + ReLU(u - v). So engines only ever know "a neuron is one hyperplane in its cell".

Weights are doubles taken as the exact rationals that they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from polylc.errors import ModelError
from polylc.network.weights import Weight, at_points, entries, sparse_rows


@dataclass(frozen=True)
class Affine:
    """z = sum of weight @ h_source over `terms`, plus `bias`.

    Attributes
    ----------
    terms : tuple of (int, ndarray or csr_array)
        Source layer (0 is the input) and weight matrix of shape (size, width of the source); large matrices that are
        mostly zeros are sparse (`network/weights.py`).
    bias : ndarray
        Shape (size,).
    """

    terms: tuple[tuple[int, Weight], ...]
    bias: np.ndarray

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.bias)


@dataclass(frozen=True)
class Layer:
    """One hidden layer: an affine map and the slopes of its units on either side of zero."""

    affine: Affine
    negative: np.ndarray
    positive: np.ndarray

    @property
    def width(self) -> int:
        """Number of neurons."""
        return self.affine.size


@dataclass(frozen=True)
class Step:
    """One operator of the model, as it was read.

    Attributes
    ----------
    name : str
        Its place in the model and what the format calls it: ``layer 3 (Conv2d)``, ``node /conv/Conv (Conv)``.
    operator : str
        What polylc calls it.
    shape : tuple of int
        Shape of its result; empty where that is no single value.
    layers : tuple of int
        The hidden layers that it became, from 1.
    how : str
        How, where that does not go without saying.
    """

    name: str
    operator: str
    shape: tuple[int, ...]
    layers: tuple[int, ...] = ()
    how: str = ""


@dataclass(frozen=True, eq=False)
class Network:
    """A continuous piecewise linear function R^inputs -> R^outputs.

    Attributes
    ----------
    inputs : int
        Dimension of the input.
    layers : tuple of Layer
        Hidden layers 1..L, each reading only earlier ones.
    output : Affine
        The output map; it may read any hidden layer and the input.
    source : str
        Where the network came from: a file name or a class name.
    sha256 : str
        Hash of the model file, or of the weights if there was no file.
    log : tuple of str
        Every rewrite made on the way from the model to this form, in words.
    stated : tuple of str
        Those lines of the log that the user stated, where the file does not say it: they are printed with the result.
    input_shape : tuple of int
        Shape of one input of the model, as far as it is known; empty if it is not.
    steps : tuple of Step
        The operators of the model in the order in which they were read, where a reader tells.
    whole : Network or None
        The network with the same neurons that this one is along an affine map of its inputs (`network/along.py`).
    """

    inputs: int
    layers: tuple[Layer, ...]
    output: Affine
    source: str = "memory"
    sha256: str = ""
    log: tuple[str, ...] = field(default=())
    stated: tuple[str, ...] = field(default=())
    input_shape: tuple[int, ...] = field(default=())
    steps: tuple[Step, ...] = field(default=())
    whole: Network | None = None

    def __post_init__(self) -> None:
        widths = [self.inputs, *(layer.width for layer in self.layers)]
        if self.inputs < 1 or self.output.size < 1:
            raise ModelError(f"{self.source}: a network needs at least one input and one output")
        for index, (name, affine) in enumerate(self._named_affines()):
            for source, weight in affine.terms:
                if not 0 <= source <= index:
                    raise ModelError(f"{self.source}: {name} reads layer {source}, which is not before it")
                if weight.shape != (affine.size, widths[source]):
                    raise ModelError(f"{self.source}: {name} has a weight of shape {weight.shape}, expected {(affine.size, widths[source])}")
                if weight.dtype != np.float64:
                    raise ModelError(f"{self.source}: {name} has weights that are not float64")
                _require_finite(entries(weight), f"{self.source}: weights of {name}")
            if affine.bias.dtype != np.float64:
                raise ModelError(f"{self.source}: {name} has weights that are not float64")
            _require_finite(affine.bias, f"{self.source}: bias of {name}")
        for index, layer in enumerate(self.layers, start=1):
            _require_finite(np.concatenate([layer.negative, layer.positive]), f"{self.source}: slopes of hidden layer {index}")
        if not self.sha256:
            object.__setattr__(self, "sha256", self.weights_sha256)

    def _named_affines(self) -> Iterator[tuple[str, Affine]]:
        for index, layer in enumerate(self.layers, start=1):
            yield f"hidden layer {index}", layer.affine
        yield "the output map", self.output

    @property
    def outputs(self) -> int:
        """Dimension of the output."""
        return self.output.size

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Number of neurons of each hidden layer."""
        return tuple(layer.width for layer in self.layers)

    @cached_property
    def offsets(self) -> np.ndarray:
        """Index of each hidden layer's first neuron in a pattern, and the number of neurons last; shape (L + 1,)."""
        return np.concatenate([[0], np.cumsum(self.widths)]).astype(np.int64)

    @cached_property
    def neurons(self) -> int:
        """Number of hidden neurons, the length of an activation pattern."""
        return int(sum(self.widths))

    @cached_property
    def layer_of(self) -> np.ndarray:
        """Layer (from 0) of each neuron; shape (neurons,)."""
        return np.repeat(np.arange(len(self.layers)), self.widths)

    @cached_property
    def slopes(self) -> tuple[np.ndarray, np.ndarray]:
        """Slopes of all neurons below and above zero; two arrays of shape (neurons,)."""
        empty = np.zeros(0)
        return (
            np.concatenate([empty, *(layer.negative for layer in self.layers)]),
            np.concatenate([empty, *(layer.positive for layer in self.layers)]),
        )

    @cached_property
    def is_chain(self) -> bool:
        """Whether every affine map reads only the layer before it."""
        return all([s for s, _ in affine.terms] == [index] for index, (_, affine) in enumerate(self._named_affines()))

    @cached_property
    def weights_sha256(self) -> str:
        """SHA-256 of the internal form: shapes, sources, weights, biases and slopes as little-endian doubles; of sparse
        weights what is not zero (docs/certificate-format.md, "Header").
        """
        digest = hashlib.sha256(b"polylc.network/1")

        def put(array: np.ndarray) -> None:
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())

        def put_weight(weight: Weight) -> None:
            if isinstance(weight, np.ndarray):
                put(weight)
                return
            digest.update(repr(weight.shape).encode() + b"sparse")
            for column, kind in zip(sparse_rows(weight), ("<i8", "<i8", "<f8"), strict=True):
                digest.update(column.astype(kind).tobytes())

        for _, affine in self._named_affines():
            for source, weight in affine.terms:
                digest.update(f"term {source}".encode())
                put_weight(weight)
            put(affine.bias)
        for layer in self.layers:
            put(layer.negative)
            put(layer.positive)
        return digest.hexdigest()

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Outputs at points of shape (..., inputs), in floating point."""
        return preactivations(self, points)[1]

    def __repr__(self) -> str:
        shape = "-".join(str(w) for w in (self.inputs, *self.widths, self.outputs))
        return f"Network({shape}, source={self.source!r})"


Owner = TypeVar("Owner")
T = TypeVar("T")


def once(make: Callable[[Owner], T]) -> Callable[[Owner], T]:
    """Have a function of a network, or of what else does not change, make its result once, and keep it while that
    lives.
    """
    kept: WeakKeyDictionary[Owner, T] = WeakKeyDictionary()

    @wraps(make)
    def found(owner: Owner) -> T:
        if owner not in kept:
            kept[owner] = make(owner)
        return kept[owner]

    return found


def _require_finite(array: np.ndarray, what: str) -> None:
    if not np.isfinite(array).all():
        kind = "NaN" if np.isnan(array).any() else "infinity"
        raise ModelError(f"{what} contain {kind}; polylc needs finite weights")


def chain(weights: list[np.ndarray], biases: list[np.ndarray], *, negative_slope: float = 0.0, source: str = "memory") -> Network:
    """A fully connected ReLU (or LeakyReLU) chain from its weight matrices and biases.

    Parameters
    ----------
    weights : list of array_like, shape (n_out, n_in)
        One matrix per affine map; the last is the output map.
    biases : list of array_like, shape (n_out,)
    negative_slope : float
        Slope of the units below zero.
    """
    affines = [
        Affine(((index, np.array(w, dtype=np.float64, ndmin=2)),), np.array(b, dtype=np.float64, ndmin=1))
        for index, (w, b) in enumerate(zip(weights, biases, strict=True))
    ]
    layers = tuple(Layer(a, np.full(a.size, float(negative_slope)), np.ones(a.size)) for a in affines[:-1])
    return Network(affines[0].terms[0][1].shape[1], layers, affines[-1], source=source)


# ---- values at points, in floating point ---------------------------------------------------------------------------
def _apply(affine: Affine, values: list[np.ndarray]) -> np.ndarray:
    z: np.ndarray = affine.bias + sum((at_points(values[s], w) for s, w in affine.terms), np.zeros(()))
    return z


def preactivations(network: Network, points: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Pre-activations of every hidden layer and the outputs, at points of shape (..., inputs).

    Returns
    -------
    hidden : list of ndarray, shape (..., width)
    outputs : ndarray, shape (..., outputs)
    """
    values = [np.asarray(points, dtype=np.float64)]
    hidden = []
    for layer in network.layers:
        z = _apply(layer.affine, values)
        hidden.append(z)
        values.append(np.where(z > 0, layer.positive * z, layer.negative * z))
    return hidden, np.broadcast_to(_apply(network.output, values), (*values[0].shape[:-1], network.outputs))


def forward(network: Network, points: np.ndarray) -> np.ndarray:
    """Outputs at points of shape (..., inputs)."""
    return preactivations(network, points)[1]


def pattern_at(network: Network, points: np.ndarray) -> np.ndarray:
    """Activation bits (z > 0) at points of shape (..., inputs); boolean, shape (..., neurons)."""
    shape = np.shape(points)[:-1]
    hidden, _ = preactivations(network, points)
    return np.concatenate([np.zeros((*shape, 0), dtype=bool), *(np.broadcast_to(z > 0, (*shape, z.shape[-1])) for z in hidden)], axis=-1)
