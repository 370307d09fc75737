"""Operators that take the larger or smaller of several entries."""

from __future__ import annotations

import numpy as np

from polylc.network.builder import Value
from polylc.readers.operators.call import Call
from polylc.readers.operators.row import Kind, Operator, not_yet


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
        difference = builder.add(left, right, name, -1.0)
    else:
        difference = builder.scale_shift(left, None, -right, name) if right.any() else left
    unit = builder.relu(difference if sign > 0 else builder.scale_shift(difference, np.array(-1.0), None, name), name)
    if isinstance(right, Value):
        return builder.add(right, unit, name, sign)
    signed = unit if sign > 0 else builder.scale_shift(unit, np.array(-1.0), None, name)
    return builder.scale_shift(signed, None, right, name) if right.any() else signed


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
    not_yet(
        "Max pooling",
        ("MaxPool",),
        (
            "torch.nn.MaxPool1d",
            "torch.nn.MaxPool2d",
            "torch.nn.MaxPool3d",
            "torch.nn.FractionalMaxPool2d",
        ),
    ),
    not_yet(
        "Global max pooling",
        ("GlobalMaxPool",),
        ("torch.nn.AdaptiveMaxPool1d", "torch.nn.AdaptiveMaxPool2d", "torch.nn.AdaptiveMaxPool3d"),
    ),
    not_yet("Maximum over axes", ("ReduceMax",), ("torch.max", "torch.Tensor.max", "torch.amax", "torch.Tensor.amax")),
    not_yet("Minimum over axes", ("ReduceMin",), ("torch.min", "torch.Tensor.min", "torch.amin", "torch.Tensor.amin")),
)
