"""Operators that take the larger or smaller of several entries."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from polylc.network.builder import Value
from polylc.network.convolutions import cuts, places
from polylc.readers.operators.call import Call
from polylc.readers.operators.row import Kind, Operator, not_yet
from polylc.readers.operators.tournament import extreme, larger
from polylc.readers.operators.windows import adaptive, pooling


def maximum(call: Call) -> Value:
    """max(u, v) = v + ReLU(u - v), with one neuron for each entry."""
    return _larger(call, 1.0)


def minimum(call: Call) -> Value:
    """min(u, v) = v - ReLU(v - u)."""
    return _larger(call, -1.0)


def _larger(call: Call, sign: float) -> Value:
    """v + sign * ReLU(sign * (u - v)), where u depends on the input."""
    builder, name = call.builder, call.name
    left, right = call.aligned()
    if not isinstance(left, Value):
        left, right = right, left
    assert isinstance(left, Value)
    if isinstance(right, Value):
        return larger(builder, left, right, sign, name)
    difference = builder.scale_shift(left, None, -right, name) if right.any() else left
    unit = builder.relu(difference if sign > 0 else builder.scale_shift(difference, np.array(-1.0), None, name), name)
    signed = unit if sign > 0 else builder.scale_shift(unit, np.array(-1.0), None, name)
    return builder.scale_shift(signed, None, right, name) if right.any() else signed


def max_pool(call: Call) -> Value:
    """Maxima over windows, along one axis after the other: windows that overlap share what they have in common."""
    if call.flag("return_indices"):
        raise call.error("returns indices, which are no continuous function of the input; leave them out")
    image, window = pooling(call, partial=True)
    where = f"{call.builder.source}: {call.name}"
    return _along_axes(call, image, [places([size], window.along(axis), where)[1] for axis, size in enumerate(image.shape[1:])])


def adaptive_max(call: Call) -> Value:
    """Maxima over windows that cover the image, of as many as asked for."""
    if call.flag("return_indices"):
        raise call.error("returns indices, which are no continuous function of the input; leave them out")
    image, wanted = adaptive(call)
    entries = []
    for size, many in zip(image.shape[1:], wanted, strict=True):
        ends = cuts(size, many)
        entry = np.array([a for a, _ in ends])[:, None] + np.arange(max(b - a for a, b in ends))
        entries.append(np.where(entry < np.array([b for _, b in ends])[:, None], entry, -1))
    return _along_axes(call, image, entries)


def _along_axes(call: Call, image: Value, entries: Sequence[np.ndarray]) -> Value:
    """Maxima along one axis after the other, each over windows whose entries stand in the rows of a table; -1 is no
    entry.
    """
    shape, tables = list(image.shape), []
    for axis, entry in enumerate(entries, start=1):
        lines = np.moveaxis(np.arange(math.prod(shape)).reshape(shape), axis, -1)
        picked = np.where(entry < 0, -1, lines[..., np.maximum(entry, 0)])  # (..., windows, kernel)
        shape[axis] = len(entry)
        tables.append(np.moveaxis(picked, -2, axis).reshape(-1, entry.shape[1]))
    return call.of_image(call.builder.reshape(extreme(call, image, tables, 1.0), shape, call.name))


def global_max(call: Call) -> Value:
    """The maximum of each channel."""
    image = call.image()
    table = np.arange(image.size).reshape(image.shape[0], -1)
    return call.of_image(call.builder.reshape(extreme(call, image, [table], 1.0), (image.shape[0], *[1] * (len(image.shape) - 1)), call.name))


ROWS = (
    Operator(
        "Maximum of several",
        Kind.PIECEWISE_LINEAR,
        "of values of one shape and constants that broadcast to it, one after another; a neuron for each entry and pair; shifts of biases round",
        onnx=("Max(data_0)",),
        torch=("torch.maximum(input, other)",),
        lower=maximum,
        family="maxima and minima of several values",
    ),
    Operator(
        "Minimum of several",
        Kind.PIECEWISE_LINEAR,
        "as Maximum",
        onnx=("Min(data_0)",),
        torch=("torch.minimum(input, other)",),
        lower=minimum,
    ),
    Operator(
        "Max pooling",
        Kind.PIECEWISE_LINEAR,
        "1-D to 3-D, with stride, dilation, padding and ceil_mode; a tournament along one axis after the other, each pair once",
        onnx=("MaxPool(X, auto_pad='NOTSET', ceil_mode=0, dilations=None, kernel_shape=None, pads=None, storage_order=0, strides=None)",),
        torch=(
            "torch.nn.MaxPool1d",
            "torch.nn.MaxPool2d",
            "torch.nn.MaxPool3d",
            *(
                f"torch.nn.functional.max_pool{d}d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False)"
                for d in (1, 2, 3)
            ),
            *(f"torch.ops.aten.max_pool{d}d_with_indices" for d in (2, 3)),
        ),
        lower=max_pool,
        family="max pooling",
    ),
    Operator("Global max pooling", Kind.PIECEWISE_LINEAR, "of any number of axes", onnx=("GlobalMaxPool(X)",), lower=global_max),
    Operator(
        "Adaptive max pooling",
        Kind.PIECEWISE_LINEAR,
        "to any size, as Max pooling",
        torch=(
            *(f"torch.nn.AdaptiveMaxPool{d}d" for d in (1, 2, 3)),
            *(f"torch.nn.functional.adaptive_max_pool{d}d(input, output_size, return_indices=False)" for d in (1, 2, 3)),
        ),
        lower=adaptive_max,
    ),
    not_yet("Fractional max pooling", (), ("torch.nn.FractionalMaxPool2d",)),
)
