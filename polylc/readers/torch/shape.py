"""The shape of one input of a module that does not say it: from its first layer, or by trying square images."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from polylc.errors import ModelError
from polylc.readers.files import first_line

_LARGEST_IMAGE = 64
_ASK = "pass the shape of one input (--input-shape C,H,W)"


def input_shape_of(module: nn.Module, layers: Sequence[nn.Module], source: str) -> tuple[tuple[int, ...], str]:
    """The input shape, and the line for the log if it was inferred by trying.

    Parameters
    ----------
    module : nn.Module
        The whole model, in evaluation mode.
    layers : sequence of nn.Module
        Its layers in the order in which they act on the input.
    source : str
        The model's name, for messages.
    """
    for layer in layers:
        if isinstance(layer, nn.Linear | nn.BatchNorm1d):
            size = layer.in_features if isinstance(layer, nn.Linear) else layer.num_features
            return (int(size),), ""
        if isinstance(layer, nn.Unflatten) and layer.dim == 1 and all(isinstance(d, int) and d > 0 for d in layer.unflattened_size):
            size = math.prod(int(d) for d in layer.unflattened_size)
            return (size,), ""
        if isinstance(layer, nn.Conv2d | nn.BatchNorm2d | nn.AvgPool2d):
            return _square_image(module, layers, source)
    raise ModelError(f"{source}: the size of its input cannot be read off its layers; {_ASK}")


def _square_image(module: nn.Module, layers: Sequence[nn.Module], source: str) -> tuple[tuple[int, ...], str]:
    fitting = []
    bare = copy.deepcopy(module).to("meta")  # the meta device computes shapes only
    reason = ""
    for channels in _channels(layers):
        for size in range(1, _LARGEST_IMAGE + 1):
            shape = (channels, size, size)
            try:
                with torch.no_grad():
                    result: Any = bare(torch.empty(2, *shape, device="meta", dtype=torch.float64))
                if result.shape[0] == 2:
                    fitting.append(shape)
            except Exception as failure:
                reason = first_line(failure)
    if len(fitting) == 1:
        return fitting[0], f"input shape {fitting[0]} inferred: the only square image up to {_LARGEST_IMAGE} x {_LARGEST_IMAGE} that fits all layers"
    if not fitting:
        raise ModelError(f"{source}: no square image up to {_LARGEST_IMAGE} x {_LARGEST_IMAGE} fits its layers ({reason}); {_ASK}")
    some = ", ".join("x".join(map(str, s)) for s in fitting[:3]) + (", ..." if len(fitting) > 3 else "")
    raise ModelError(f"{source}: images of several shapes fit its layers ({some}); {_ASK}")


def _channels(layers: Sequence[nn.Module]) -> Iterator[int]:
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            return iter((layer.in_channels,))
        if isinstance(layer, nn.BatchNorm2d):
            return iter((layer.num_features,))
    return iter((1, 3))
