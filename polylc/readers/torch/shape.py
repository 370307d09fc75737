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
from polylc.readers.operators.row import Kind
from polylc.readers.torch.names import look_up

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
        size = getattr(layer, "in_features", None)
        if size is None and type(layer).__name__.endswith("1d"):
            size = getattr(layer, "num_features", None)
        if size is not None:
            return (int(size),), ""
        if isinstance(layer, nn.Unflatten) and layer.dim == 1 and all(isinstance(d, int) and d > 0 for d in layer.unflattened_size):
            size = math.prod(int(d) for d in layer.unflattened_size)
            return (size,), ""
        if _takes_images(layer):
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


def _takes_images(layer: nn.Module) -> bool:
    """Whether a layer is one of torch's convolutions, poolings or normalisations of images; dropout says nothing."""
    row, _ = look_up(type(layer)) or (None, None)
    return type(layer).__name__.endswith("2d") and row is not None and row.kind in (Kind.AFFINE, Kind.PIECEWISE_LINEAR)


def _channels(layers: Sequence[nn.Module]) -> Iterator[int]:
    """The numbers of channels that the first layer with a say allows."""
    for layer in layers:
        for setting in ("in_channels", "num_features"):
            if _takes_images(layer) and hasattr(layer, setting):
                return iter((int(getattr(layer, setting)),))
    return iter((1, 3))
