"""State dicts: bare weights without a graph, read only where their shapes leave one answer.

A state dict does not record activations, strides, padding or pooling. What is read is a chain of Linear layers, or of
Conv2d and then Linear layers on an input of known shape, with ReLU between them; both assumptions go into the log.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping

import numpy as np
import torch

from polylc.errors import ModelError
from polylc.network.builder import Builder
from polylc.network.form import Network
from polylc.readers.arrays import tensor_float64

_WHOLE = "save the whole module with torch.save(model, path) instead"
_WRAPPERS = ("module.", "_orig_mod.")  # left by DataParallel and torch.compile


def from_state_dict(tensors: Mapping[str, torch.Tensor], *, source: str, sha256: str = "", input_shape: tuple[int, ...] | None = None) -> Network:
    """The network of a state dict that is an unambiguous chain.

    Raises
    ------
    ModelError
        If the tensors are more than weights and biases, or their shapes do not fit one after another.
    """
    layers = _grouped(tensors, source)
    _refuse_neighbours(list(layers), source)
    names = list(layers)
    first = layers[names[0]]["weight"]
    if input_shape is None:
        if first.ndim == 4:
            raise ModelError(
                f"{source}: a state dict does not say how large the images are; pass the shape of one input (--input-shape C,H,W), or {_WHOLE}"
            )
        input_shape = (first.shape[1],)
    if layers[names[-1]]["weight"].ndim == 4:
        raise ModelError(f"{source}: the state dict ends with a convolution, so nothing confirms its strides and padding; {_WHOLE}")
    builder = Builder(source, input_shape)
    value = builder.input
    for index, (name, layer) in enumerate(layers.items()):
        weight, bias = layer["weight"], layer.get("bias")
        if weight.ndim == 4:
            if len(value.shape) != 3 or value.shape[0] != weight.shape[1]:
                raise _broken_chain(source, name, f"takes {weight.shape[1]} channels", value.shape)
            value = builder.conv2d(value, weight, bias, (1, 1), (0, 0, 0, 0), (1, 1), 1, f"{name} (Conv2d)")
            builder.note(f"{name}: stride 1 and no padding assumed, which the shapes after it confirm")
        else:
            if value.size != weight.shape[1]:
                raise _broken_chain(source, name, f"takes {weight.shape[1]} inputs", value.shape)
            value = builder.linear(builder.reshape(value, (value.size,), name), weight, bias, f"{name} (Linear)")
        if index < len(layers) - 1:
            value = builder.relu(value, f"{name} (ReLU)")
    builder.note("a state dict names no activations: ReLU assumed between all layers and none after the last")
    return builder.finish(value, sha256)


def _grouped(tensors: Mapping[str, torch.Tensor], source: str) -> dict[str, dict[str, np.ndarray]]:
    """Weights and biases by layer, in the order of the keys."""
    layers: dict[str, dict[str, np.ndarray]] = {}
    for key, tensor in tensors.items():
        name, leaf = _split(str(key))
        if leaf in ("running_mean", "running_var", "num_batches_tracked"):
            raise ModelError(f"{source}: {name} is a batch norm layer, whose place a state dict does not tell; {_WHOLE}")
        if leaf not in ("weight", "bias"):
            raise ModelError(f"{source}: the state dict holds {key}, which is no weight or bias of a Linear or Conv2d layer; {_WHOLE}")
        array = tensor_float64(tensor, f"{source}: {key}")
        if leaf == "weight" and array.ndim not in (2, 4):
            what = "probably a normalisation layer" if array.ndim == 1 else "no Linear or Conv2d layer"
            raise ModelError(f"{source}: {key} has shape {array.shape}, {what}; {_WHOLE}")
        layers.setdefault(name, {})[leaf] = array
    for name, layer in layers.items():
        if "weight" not in layer:
            raise ModelError(f"{source}: {name} has a bias but no weight; {_WHOLE}")
        if "bias" in layer and layer["bias"].shape != layer["weight"].shape[:1]:
            raise ModelError(f"{source}: {name} has a weight of shape {layer['weight'].shape} and a bias of shape {layer['bias'].shape}; {_WHOLE}")
    return layers


def _split(key: str) -> tuple[str, str]:
    for prefix in _WRAPPERS:
        key = key.removeprefix(prefix)
    name, _, leaf = key.rpartition(".")
    return name or "the layer", leaf


def _refuse_neighbours(names: list[str], source: str) -> None:
    """At the top level, 0.weight and 1.weight are neighbours in an nn.Sequential: there is no ReLU between them."""
    for before, after in itertools.pairwise(names):
        if re.fullmatch(r"\d+", before) and re.fullmatch(r"\d+", after) and int(after) == int(before) + 1:
            raise ModelError(f"{source}: layers {before} and {after} follow each other without an activation between them; {_WHOLE}")


def _broken_chain(source: str, name: str, takes: str, shape: tuple[int, ...]) -> ModelError:
    gets = f"{shape[0]} values" if len(shape) == 1 else "a value of shape " + "x".join(map(str, shape))
    return ModelError(f"{source}: the layers do not chain: {name} {takes} but gets {gets}; {_WHOLE}")
