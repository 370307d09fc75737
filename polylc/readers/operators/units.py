"""Piecewise linear operators that act on each entry by itself."""

from __future__ import annotations

import math

import numpy as np

from polylc.network.builder import Value
from polylc.readers.operators.call import Call
from polylc.readers.operators.row import Kind, Operator, not_yet


def relu(call: Call) -> Value:
    """max(z, 0)."""
    return call.builder.relu(call.value, call.name)


def leaky_relu(call: Call) -> Value:
    """z above zero, slope * z below."""
    return call.builder.units(call.value, call.number("negative_slope", "alpha"), 1.0, call.name)


def relu6(call: Call) -> Value:
    """z between 0 and 6; the layer of torch keeps these as settings, so what they are is what it computes."""
    return _between(call, _bound(call, "min_val", -1, 0.0), _bound(call, "max_val", 1, 6.0))


def clip(call: Call) -> Value:
    """z between two constants, or on one side of one."""
    return _between(call, _bound(call, "min", -1), _bound(call, "max", 1))


def _bound(call: Call, name: str, side: int, default: float | None = None) -> float | None:
    """A bound from below (side -1) or above (side 1); None where there is none."""
    if call.setting(name) is None:
        return default
    bound = call.number(name)
    if side * bound >= _LARGEST_FLOAT32:  # how exporters say that there is no bound
        if math.isfinite(bound):
            call.builder.note(f"{call.name}: its {name} of {bound:.7g}, the end of float32 or beyond, is taken as no bound")
        return None
    if not math.isfinite(bound):
        raise call.error(f"has {bound} as its {name}; bounds have to be finite numbers")
    return bound


def _between(call: Call, lower: float | None, upper: float | None) -> Value:
    """max(z, lower), min(z, upper), or both in one layer: lower + ReLU(z - lower) - ReLU(z - upper)."""
    builder, value, name = call.builder, call.value, call.name
    if lower is None and upper is None:
        builder.note(f"{name}: has no bounds, so it makes no neuron")
        return value
    if upper is None:
        assert lower is not None
        return _shifted(call, builder.relu(_shifted(call, value, -lower), name), lower)
    if lower is None:
        return _shifted(call, builder.units(_shifted(call, value, -upper), 1.0, 0.0, name), upper)
    if lower > upper:
        raise call.error(f"has the bounds {lower} and {upper}, the lower one above the upper one; exchange them, or put the constant in its place")
    if lower == upper:
        builder.note(f"{name}: both bounds are equal, so it is constant and makes no neuron")
        return builder.scale_shift(builder.scale_shift(value, np.array(0.0), None, name), None, np.array(lower), name)
    both = builder.relu(builder.stack([_shifted(call, value, -lower), _shifted(call, value, -upper)], name), name)
    unit = np.eye(value.size)
    difference = builder.linear(builder.reshape(both, (-1,), name), np.hstack([unit, -unit]), None, name)
    return _shifted(call, builder.reshape(difference, value.shape, name), lower)


def _shifted(call: Call, value: Value, shift: float) -> Value:
    """z + shift; a shift by zero is no entry in the log."""
    return call.builder.scale_shift(value, None, np.array(shift), call.name) if shift else value


_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)

ROWS = (
    Operator(
        "ReLU",
        Kind.PIECEWISE_LINEAR,
        "on any value",
        onnx=("Relu(X)",),
        torch=(
            "torch.nn.ReLU",
            "torch.nn.functional.relu(input, inplace=False)",
            "torch.nn.functional.relu_(input)",
            "torch.relu(input)",
            "torch.relu_(input)",
            "torch.Tensor.relu(input)",
            "torch.Tensor.relu_(input)",
        ),
        lower=relu,
        family="ReLU",
    ),
    Operator(
        "LeakyReLU",
        Kind.PIECEWISE_LINEAR,
        "one slope below zero, any number; slope 1 makes no neuron",
        onnx=("LeakyRelu(X, alpha=0.01)",),
        torch=(
            "torch.nn.LeakyReLU",
            "torch.nn.functional.leaky_relu(input, negative_slope=0.01, inplace=False)",
            "torch.nn.functional.leaky_relu_(input, negative_slope=0.01)",
        ),
        lower=leaky_relu,
        family="LeakyReLU",
    ),
    Operator(
        "ReLU6",
        Kind.PIECEWISE_LINEAR,
        "on any value, two neurons for each entry; exporters to ONNX write it as Clip; shifts of biases round",
        torch=("torch.nn.ReLU6", "torch.nn.functional.relu6(input, inplace=False)"),
        lower=relu6,
        family="ReLU6",
    ),
    Operator(
        "Clip",
        Kind.PIECEWISE_LINEAR,
        "between constants `min` <= `max`, or with one of them; a neuron for each entry and bound; shifts of biases round",
        onnx=("Clip(input, min, max)",),
        lower=clip,
        family="Clip",
    ),
    not_yet("PReLU", ("PRelu",), ("torch.nn.PReLU", "torch.nn.functional.prelu")),
    not_yet("RReLU", (), ("torch.nn.RReLU", "torch.nn.functional.rrelu")),
    not_yet("HardTanh", (), ("torch.nn.Hardtanh", "torch.nn.functional.hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False)")),
    not_yet("HardSigmoid", ("HardSigmoid",), ("torch.nn.Hardsigmoid", "torch.nn.functional.hardsigmoid")),
    not_yet("Softshrink", ("Shrink",), ("torch.nn.Softshrink", "torch.nn.functional.softshrink")),
    not_yet("Threshold", ("ThresholdedRelu",), ("torch.nn.Threshold", "torch.nn.functional.threshold")),
    not_yet("Absolute value", ("Abs",), ("torch.abs", "torch.absolute", "torch.Tensor.abs", "operator.abs")),
    not_yet(
        "Clamp",
        (),
        (
            "torch.clip(input, min=None, max=None)",
            "torch.clamp(input, min=None, max=None)",
            "torch.clamp_min(input, min)",
            "torch.clamp_max(input, max)",
            "torch.Tensor.clamp(input, min=None, max=None)",
        ),
    ),
)
