"""State dicts: bare weights without a graph.

A state dict records neither activations nor strides, padding, pooling, order or reuse. It is read only with what the
user states: the code of its module (`arch`), or, for a plain chain of Linear layers, the activation between them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from polylc.errors import ModelError, UsageError
from polylc.exact.numbers import parse_number
from polylc.network.builder import Builder
from polylc.network.form import Network
from polylc.readers.arrays import tensor_float64

if TYPE_CHECKING:
    import torch

Tensor: TypeAlias = "torch.Tensor | np.ndarray"
_ARCH = "pass the code of its module instead: --arch FILE.py:NAME"
_WRAPPERS = ("module.", "_orig_mod.")  # left by DataParallel and torch.compile
_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True)
class Activation:
    """What the user says stands between the layers: the slope below zero, and how to say it."""

    slope: float
    text: str

    @property
    def note(self) -> str:
        """The line for the log."""
        return f"the user states: {self.text} between the linear layers, in the order of the file"


def parse_activation(text: object) -> Activation:
    """Read ``relu`` or ``leaky_relu:A``.

    Raises
    ------
    UsageError
        If it is neither.
    """
    name, colon, number = str(text).strip().partition(":")
    if name == "relu" and not colon:
        return Activation(0.0, "ReLU")
    if name != "leaky_relu" or not number.strip():
        raise UsageError(f"--activation: {text!r} is not known; give relu, or leaky_relu:A with the slope A below zero, such as leaky_relu:0.01")
    slope = parse_number(number, "--activation, slope")
    if abs(slope) > _LARGEST:
        raise UsageError("--activation, slope: the number is too large for a double")
    rounded = "" if slope == float(slope) else " (rounded to a double)"
    return Activation(float(slope), f"LeakyReLU with slope {number.strip()} below zero{rounded}")


def refusal(tensors: Mapping[str, Tensor], source: str) -> ModelError:
    """The error for a state dict of which the user says nothing, with the ways out."""
    chain = ""
    try:
        _require_chain(tensors, source)
        chain = "; if it is a plain chain of linear layers with ReLU between them, say so with --activation relu"
    except ModelError:
        pass
    return ModelError(
        f"{source}: a state dict holds weights, not what joins its layers (activations, strides, padding, order), and polylc certifies no guess; "
        "pass the code of its module with --arch FILE.py:NAME (in Python polylc.load(..., arch=...)), export the module with torch.onnx.export, "
        f"or give the module itself to polylc.load in Python{chain}"
    )


def from_chain(
    tensors: Mapping[str, Tensor], activation: Activation, *, source: str, sha256: str = "", input_shape: tuple[int, ...] | None = None
) -> Network:
    """The network of a state dict that is a chain of Linear layers, with the activation that the user states.

    Raises
    ------
    ModelError
        If the tensors are more than weights and biases of Linear layers, or do not fit one after another.
    """
    layers = _require_chain(tensors, source)
    try:
        return _chained(layers, activation, source, sha256, input_shape)
    except (MemoryError, RuntimeError) as failure:  # torch says so when memory is short
        raise ModelError(f"{source}: its weights do not fit into memory ({type(failure).__name__}); polylc is made for small networks") from None


def _chained(
    layers: Mapping[str, Mapping[str, Tensor]], activation: Activation, source: str, sha256: str, input_shape: tuple[int, ...] | None
) -> Network:
    arrays = {n: {leaf: tensor_float64(t, f"{source}: {n}.{leaf}".replace(": .", ": ")) for leaf, t in layer.items()} for n, layer in layers.items()}
    builder = Builder(source, input_shape or (next(iter(arrays.values()))["weight"].shape[1],))
    value = builder.reshape(builder.input, (builder.input.size,), "the input")
    for index, (name, layer) in enumerate(arrays.items()):
        value = builder.linear(value, layer["weight"], layer.get("bias"), f"{name or 'the layer'} (Linear)")
        if index < len(arrays) - 1:
            value = builder.units(value, activation.slope, 1.0, f"{name or 'the layer'} ({activation.text})")
    return builder.finish(value, sha256)


def _require_chain(tensors: Mapping[str, Tensor], source: str) -> dict[str, dict[str, Tensor]]:
    """Weights and biases by layer, in the order of the keys; only shapes are looked at."""
    layers: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        name, leaf = _split(str(key))
        if leaf not in ("weight", "bias"):
            raise ModelError(f"{source}: --activation is for chains of linear layers, and {key} is no weight or bias of one; {_ARCH}")
        if leaf == "weight" and len(tensor.shape) != 2:
            shape = tuple(tensor.shape)
            raise ModelError(f"{source}: --activation is for chains of linear layers, and {key} of shape {shape} is no weight of one; {_ARCH}")
        layers.setdefault(name, {})[leaf] = tensor
    for name, layer in layers.items():
        if "weight" not in layer:
            raise ModelError(f"{source}: {name or 'the layer'} has a bias but no weight; {_ARCH}")
        weight = tuple(layer["weight"].shape)
        if "bias" in layer and tuple(layer["bias"].shape) != weight[:1]:
            raise ModelError(
                f"{source}: {name or 'the layer'} has a weight of shape {weight} and a bias of shape {tuple(layer['bias'].shape)}; {_ARCH}"
            )
    for before, after in itertools.pairwise(layers):
        gives, takes = layers[before]["weight"].shape[0], layers[after]["weight"].shape[1]
        if gives != takes:
            raise ModelError(f"{source}: the layers do not chain: {after} takes {takes} inputs but gets {gives} values from {before}; {_ARCH}")
        # at the top level, 0.weight and 1.weight are neighbours in an nn.Sequential
        if re.fullmatch(r"\d{1,9}", before) and re.fullmatch(r"\d{1,9}", after) and int(after) == int(before) + 1:
            raise ModelError(f"{source}: layers {before} and {after} follow each other without an activation between them; {_ARCH}")
    return layers


def _split(key: str) -> tuple[str, str]:
    for prefix in _WRAPPERS:
        key = key.removeprefix(prefix)
    name, _, leaf = key.rpartition(".")
    return name, leaf
