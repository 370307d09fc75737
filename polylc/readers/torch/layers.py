"""One torch.nn layer at a time: what each supported layer does to a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from polylc.errors import ModelError, UnsupportedLayerError
from polylc.network.builder import Builder, Value
from polylc.readers.arrays import tensor_float64
from polylc.readers.supported import unsupported

# Shape operations run on a batch of this many rows of entry numbers, so that the batch axis is told from the others.
PROBE_ROWS = 3


@dataclass(frozen=True)
class Stripped:
    """A value whose softmax was left out; only the end of the model may take it."""

    value: Value
    kind: str
    place: str


def lower_layer(builder: Builder, layer: nn.Module, value: Value, place: str) -> Value | Stripped:
    """The value after one layer.

    Raises
    ------
    UnsupportedLayerError
        If polylc does not know the layer, by name and place.
    ModelError
        If the layer is known but not with these settings.
    """
    kind = type(layer).__name__
    lower = _LOWERING.get(type(layer))
    if lower is None:
        raise unsupported(builder.source, place, kind)
    result: Value | Stripped = lower(builder, layer, value, f"{place} ({kind})")
    return result


def require_supported(source: str, layer: nn.Module, place: str) -> None:
    """Refuse an unknown layer before any shape is looked at."""
    if is_parametrized(layer):
        raise ModelError(f"{source}: {place} computes its weights from others; call torch.nn.utils.parametrize.remove_parametrizations first")
    if type(layer) not in _LOWERING:
        raise unsupported(source, place, type(layer).__name__)


def move_entries(builder: Builder, value: Value, name: str, move: Callable[[torch.Tensor], Any]) -> Any:
    """Apply an operation that should only change the shape of a value, and check by example that it does no more.

    `move` is run by torch on entry numbers. What is no tensor (such as a size) is returned as it is.
    """
    probe = torch.arange(PROBE_ROWS * value.size).reshape(PROBE_ROWS, *value.shape)
    try:
        moved = move(probe)
    except (RuntimeError, TypeError, IndexError, ValueError) as failure:
        raise ModelError(f"{builder.source}: {name} fails on a batch of inputs of shape {value.shape}: {str(failure).splitlines()[0]}") from None
    if not isinstance(moved, torch.Tensor):
        return moved
    if moved.numel() != probe.numel() or moved.dim() == 0 or moved.shape[0] != PROBE_ROWS or not torch.equal(moved.reshape(-1), probe.reshape(-1)):
        raise ModelError(
            f"{builder.source}: {name} reorders, drops or repeats entries, or changes the batch axis; "
            "polylc reads only changes of shape that keep both"
        )
    return builder.reshape(value, tuple(moved.shape[1:]), name)


def _tensor(builder: Builder, layer: Any, attribute: str, name: str) -> np.ndarray | None:
    tensor = getattr(layer, attribute)
    return None if tensor is None else tensor_float64(tensor, f"{builder.source}: the {attribute.replace('_', ' ')} of {name}")


def _weight(builder: Builder, layer: Any, name: str) -> np.ndarray:
    weight = _tensor(builder, layer, "weight", name)
    if weight is None:
        raise ModelError(f"{builder.source}: {name} has no weight; the model is damaged")
    return weight


def _linear(builder: Builder, layer: Any, value: Value, name: str) -> Value:
    return builder.linear(value, _weight(builder, layer, name), _tensor(builder, layer, "bias", name), name)


def _conv2d(builder: Builder, layer: Any, value: Value, name: str) -> Value:
    if layer.padding_mode != "zeros":
        raise ModelError(f"{builder.source}: {name} has padding mode {layer.padding_mode!r}; polylc reads only zero padding")
    weight, bias = _weight(builder, layer, name), _tensor(builder, layer, "bias", name)
    stride, dilation = pair(layer.stride), pair(layer.dilation)
    if layer.padding == "valid":
        pads = (0, 0, 0, 0)
    elif layer.padding == "same":
        # an odd total puts the extra row below and the extra column to the right, as torch does
        total = [dilation[axis] * (weight.shape[2 + axis] - 1) for axis in (0, 1)]
        pads = (total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2)
    else:
        vertical, horizontal = pair(layer.padding)
        pads = (vertical, horizontal, vertical, horizontal)
    return builder.conv2d(value, weight, bias, stride, pads, dilation, layer.groups, name)


def _avg_pool2d(builder: Builder, layer: Any, value: Value, name: str) -> Value:
    kernel, pad = pair(layer.kernel_size), pair(layer.padding)
    stride = kernel if layer.stride is None else pair(layer.stride)
    if layer.divisor_override is not None:
        raise ModelError(f"{builder.source}: {name} overrides its divisor, which is not supported; use the plain average")
    if layer.ceil_mode and len(value.shape) == 3 and any((value.shape[1 + a] + 2 * pad[a] - kernel[a]) % stride[a] for a in (0, 1)):
        raise ModelError(f"{builder.source}: {name} uses ceil_mode on {value.shape[1]} x {value.shape[2]} entries; polylc reads only full windows")
    return builder.avg_pool2d(value, kernel, stride, (*pad, *pad), name, layer.count_include_pad)


def _batch_norm(builder: Builder, layer: Any, value: Value, name: str) -> Value:
    if layer.running_mean is None or layer.running_var is None:
        raise ModelError(f"{builder.source}: {name} has track_running_stats=False, so it depends on the batch; train it with running statistics")
    mean, variance = _tensor(builder, layer, "running_mean", name), _tensor(builder, layer, "running_var", name)
    assert mean is not None
    assert variance is not None
    if (variance + layer.eps <= 0).any():
        raise ModelError(f"{builder.source}: {name} has a running variance that is not positive; the model is damaged")
    if len(value.shape) not in ((1, 2) if isinstance(layer, nn.BatchNorm1d) else (3,)):
        raise ModelError(f"{builder.source}: {name} gets a value of shape {value.shape}, which has the wrong number of axes")
    return builder.batch_norm(value, mean, variance, layer.eps, _tensor(builder, layer, "weight", name), _tensor(builder, layer, "bias", name), name)


def _move(builder: Builder, layer: Any, value: Value, name: str) -> Any:
    return move_entries(builder, value, name, layer)


def _identity(builder: Builder, layer: Any, value: Value, name: str) -> Value:
    return value


def _relu(builder: Builder, layer: Any, value: Value, name: str) -> Value:
    return builder.relu(value, name)


def _leaky_relu(builder: Builder, layer: Any, value: Value, name: str) -> Value:
    return builder.units(value, float(layer.negative_slope), 1.0, name)


def _softmax(builder: Builder, layer: Any, value: Value, name: str) -> Stripped:
    if len(value.shape) != 1 or layer.dim not in (None, 1, -1):
        raise UnsupportedLayerError(
            f"{builder.source}: {name} works over axis {layer.dim} of a value of shape {value.shape}; only a softmax over all outputs can be stripped"
        )
    return Stripped(value, type(layer).__name__, name)


def pair(setting: Any) -> tuple[int, int]:
    """A setting that torch allows as one number or as two."""
    if isinstance(setting, tuple | list):
        return (int(setting[0]), int(setting[-1]))
    return (int(setting), int(setting))


_LOWERING: dict[type[nn.Module], Callable[[Builder, Any, Value, str], Any]] = {
    nn.Linear: _linear,
    nn.Conv2d: _conv2d,
    nn.AvgPool2d: _avg_pool2d,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.Flatten: _move,
    nn.Unflatten: _move,
    nn.Identity: _identity,
    nn.Dropout: _identity,
    nn.Dropout1d: _identity,
    nn.Dropout2d: _identity,
    nn.Dropout3d: _identity,
    nn.AlphaDropout: _identity,
    nn.FeatureAlphaDropout: _identity,
    nn.ReLU: _relu,
    nn.LeakyReLU: _leaky_relu,
    nn.Softmax: _softmax,
    nn.LogSoftmax: _softmax,
}
SUPPORTED: tuple[type[nn.Module], ...] = tuple(_LOWERING)
