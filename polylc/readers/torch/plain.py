"""Chains of torch's plainest layers, and state dicts of such chains, out of files of torch.save, without torch.

To import torch takes longer than most of what polylc is asked about such networks. What is read here is what torch and
`polylc.readers.torch.module` would make of it, to the last line of the log; a file that holds anything else is left to
them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from polylc.errors import ModelError
from polylc.network.builder import Builder, Value
from polylc.network.form import Network
from polylc.readers.arrays import exact_float64
from polylc.readers.torch.agree import require_agreement
from polylc.readers.torch.pickled import NotPlainError, Thing, saved
from polylc.readers.torch.state_dict import from_chain, parse_activation, refusal

_SEQUENTIAL = "torch.nn.modules.container.Sequential"
# the settings of each layer that is read here, and their types
_LAYERS: dict[str, dict[str, tuple[type, ...]]] = {
    "torch.nn.modules.linear.Linear": {"in_features": (int,), "out_features": (int,)},
    "torch.nn.modules.linear.Identity": {},
    "torch.nn.modules.activation.ReLU": {"inplace": (bool,)},
    "torch.nn.modules.activation.LeakyReLU": {"negative_slope": (int, float), "inplace": (bool,)},
    "torch.nn.modules.flatten.Flatten": {"start_dim": (int,), "end_dim": (int,)},
    "torch.nn.modules.dropout.Dropout": {"p": (int, float), "inplace": (bool,)},
}
_LARGEST = 2**31  # of whole numbers
_PLACES = re.compile(r"\d{1,9}|(?!bfloat16)[a-z]+_?\d{1,9}")  # names of layers that are none of torch's own
_DEEPEST = 20  # Sequentials in Sequentials
_HOOKS = frozenset(
    [
        "_forward_hooks",
        "_forward_hooks_with_kwargs",
        "_forward_hooks_always_called",
        "_forward_pre_hooks",
        "_forward_pre_hooks_with_kwargs",
        "_backward_hooks",
        "_backward_pre_hooks",
        "_state_dict_hooks",
        "_state_dict_pre_hooks",
        "_load_state_dict_pre_hooks",
        "_load_state_dict_post_hooks",
    ]
)
_WEIGHTS = {"Linear": ("weight", "bias")}


def from_plain_file(content: bytes, *, source: str, sha256: str, input_shape: tuple[int, ...] | None, activation: object = None) -> Network | None:
    """The network in the bytes of a file of torch.save, or None if it takes torch to read it.

    Raises
    ------
    ModelError
        If the weights are none of a network, or the file is a state dict of which the user says nothing.
    UsageError
        If `activation` makes no sense.
    """
    try:
        held = saved(content)
    except NotPlainError:
        return None
    if isinstance(held, dict) and held and all(isinstance(v, np.ndarray) for v in held.values()):
        if activation is None:
            raise refusal(held, source)
        stated = parse_activation(activation)
        network = from_chain(held, stated, source=source, sha256=sha256, input_shape=input_shape)
        return replace(network, log=(stated.note, *network.log), stated=(stated.note,))
    if activation is not None or not isinstance(held, Thing):
        return None
    try:
        layers = list(_chain(held, "", set(), 1)) if held.kind == _SEQUENTIAL else [_layer(held, "0")]
        shape = next((layer.settings["in_features"],) for layer in layers if layer.kind == "Linear") if input_shape is None else input_shape
        return _network(layers, shape, source, sha256)
    except ModelError:
        raise
    except Exception:  # a damaged file can lack anything, which torch's reader says
        return None


@dataclass(frozen=True)
class _Layer:
    """A layer by its place in the module, its class, and its settings and weights."""

    place: str
    kind: str
    settings: dict[str, Any]
    training: bool

    @property
    def name(self) -> str:
        """As messages and the list of steps call it."""
        return f"layer {self.place} ({self.kind})"


def _chain(module: Thing, place: str, seen: set[Thing], depth: int) -> Iterator[_Layer]:
    """The layers of a Sequential, those of inner ones among them."""
    state = dict(module.state or {})
    inner = state.pop("_modules")
    if state.pop("_parameters") != {} or depth > _DEEPEST:
        raise NotPlainError
    _require_plain(state)
    for name, part in inner.items():
        if not isinstance(part, Thing) or part in seen or not _PLACES.fullmatch(name):  # torch.fx calls a layer that comes twice by its first name
            raise NotPlainError
        seen.add(part)
        if part.kind == _SEQUENTIAL:
            yield from _chain(part, f"{place}{name}.", seen, depth + 1)
        else:
            yield _layer(part, f"{place}{name}")


def _layer(thing: Thing, place: str) -> _Layer:
    kind, types = thing.kind.rpartition(".")[2], _LAYERS[thing.kind]
    state = dict(thing.state or {})
    weights, settings = state.pop("_parameters"), {name: state.pop(name) for name in types}
    if state.pop("_modules") != {} or tuple(weights) != _WEIGHTS.get(kind, ()):
        raise NotPlainError
    _require_plain(state)
    if not all(type(setting) in types[name] and (type(setting) is float or abs(setting) < _LARGEST) for name, setting in settings.items()):
        raise NotPlainError
    if not 0 <= settings.get("p", 0) <= 1:
        raise NotPlainError
    return _Layer(place, kind, {**settings, **weights}, bool(state["training"]))


def _require_plain(state: dict[str, Any]) -> None:
    """Refuse what could change what a module computes, such as hooks, buffers and attributes of unknown names, and what
    lacks a part that torch needs.
    """
    if not state.keys() >= {"training", "_buffers", "_forward_hooks", "_backward_hooks"}:
        raise NotPlainError
    for name, value in state.items():
        if name == "_buffers" or name in _HOOKS:
            plain = value == {}
        elif name == "_non_persistent_buffers_set":
            plain = value == frozenset()
        else:
            plain = (name == "training" and type(value) is bool) or (name == "_is_full_backward_hook" and value is None)
        if not plain:
            raise NotPlainError


def _network(layers: Sequence[_Layer], shape: tuple[int, ...], source: str, sha256: str) -> Network:
    builder = Builder(source, shape)
    noisy = any(layer.kind == "Dropout" and layer.training for layer in layers)
    if noisy:
        builder.log.append("the model was in training mode; Dropout taken in evaluation mode")
    value = builder.input
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow is found and named by the network itself
        for layer in layers:
            begin = len(builder.layers)
            value = _lowered(builder, layer, value)
            builder.step(layer.name, layer.kind, value.shape, begin)
        network = builder.finish(value, sha256)
    require_agreement(network, lambda points: _computed(layers, points.reshape(-1, *shape)), value, source)
    return network


def _lowered(builder: Builder, layer: _Layer, value: Value) -> Value:
    if layer.kind == "Linear":
        if len(value.shape) != 1:
            raise NotPlainError
        weight, bias = (
            None if array is None else exact_float64(array, f"{builder.source}: the {what} of {layer.name}")
            for what, array in ((what, layer.settings[what]) for what in _WEIGHTS["Linear"])
        )
        assert weight is not None
        return builder.linear(value, weight, bias, layer.name)
    if layer.kind == "ReLU":
        return builder.relu(value, layer.name)
    if layer.kind == "LeakyReLU":
        return builder.units(value, float(layer.settings["negative_slope"]), 1.0, layer.name)
    if layer.kind == "Flatten":
        if (layer.settings["start_dim"], layer.settings["end_dim"]) != (1, -1):
            raise NotPlainError
        return builder.reshape(value, (value.size,), layer.name)
    return value


def _computed(layers: Sequence[_Layer], points: np.ndarray) -> np.ndarray:
    """What the layers compute, by their definitions; shape (points, outputs)."""
    with np.errstate(over="ignore", invalid="ignore"):  # as in torch
        for layer in layers:
            settings = layer.settings
            if layer.kind == "Linear":
                bias = 0.0 if settings["bias"] is None else settings["bias"].astype(float)
                points = points @ settings["weight"].astype(float).T + bias
            elif layer.kind == "LeakyReLU":
                points = np.where(points > 0, points, settings["negative_slope"] * points)
            elif layer.kind == "ReLU":
                points = np.maximum(points, 0)
            elif layer.kind == "Flatten":
                points = points.reshape(len(points), -1)
    return points.reshape(len(points), -1)
