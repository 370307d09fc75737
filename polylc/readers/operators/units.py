"""Piecewise linear operators that act on each entry by itself."""

from __future__ import annotations

import math

import numpy as np

from polylc.network.builder import Value
from polylc.network.folded import UNIT, largest_change, sum_error
from polylc.readers.operators.call import Call, show
from polylc.readers.operators.row import Kind, Operator


def relu(call: Call) -> Value:
    """max(z, 0)."""
    return call.builder.relu(call.value, call.name)


def leaky_relu(call: Call) -> Value:
    """z above zero, slope * z below."""
    return call.builder.units(call.value, call.number("negative_slope", "alpha"), 1.0, call.name)


def relu6(call: Call) -> Value:
    """z between 0 and 6; the layer of torch keeps these as settings, so what they are is what it computes."""
    return _clipped(call, call.value, _bound(call, "min_val", -1, 0.0), _bound(call, "max_val", 1, 6.0))


def clip(call: Call) -> Value:
    """z between two constants, or on one side of one."""
    return _clipped(call, call.value, _bound(call, "min", -1), _bound(call, "max", 1))


def hardtanh(call: Call) -> Value:
    """z between -1 and 1, or other bounds."""
    return _clipped(call, call.value, _bound(call, "min_val", -1, -1.0), _bound(call, "max_val", 1, 1.0))


def prelu(call: Call) -> Value:
    """z above zero, below it times a slope of its own."""
    value, slope = call.value, call.weight("weight", "slope")
    if call.in_torch and slope.size > 1 and call.kind != "_prelu_kernel":  # one for each channel, the axis after the batch
        slope = slope.reshape(-1, *[1] * (len(value.shape) - (1 if call.batched or len(value.shape) == 1 else 2)))
    try:
        below = np.broadcast_to(slope, value.shape).ravel()
    except ValueError:
        raise call.error(f"has {slope.size} slopes, which do not fit a value of shape {show(value.shape)}") from None
    return call.builder.units(value, below, 1.0, call.name)


def rrelu(call: Call) -> Value:
    """A LeakyReLU whose slope is the mean of two."""
    call.setting("noise")  # for training alone
    if call.flag("training"):
        raise call.error("is random, since it is in training mode; call it in evaluation mode")
    lower, upper = np.array(call.number("lower")), np.array(call.number("upper"))
    change = largest_change([np.atleast_1d(sum_error(lower, upper))], [np.atleast_1d(lower + upper)])
    call.builder.note_folding(f"{call.name}: the mean of its bounds taken for its slope", change)
    return call.builder.units(call.value, 0.5 * float(lower + upper), 1.0, call.name)


def hardsigmoid(call: Call) -> Value:
    """alpha z + beta between 0 and 1; torch's alpha is 1/6 and its beta 1/2."""
    alpha, beta = (1 / 6, 0.5) if call.in_torch else (call.number("alpha"), call.number("beta"))
    doubt = 2 * UNIT if call.in_torch else 0.0  # of torch's 1/6
    scaled = call.builder.scale_shift(call.value, np.array(alpha), np.array(beta), call.name, doubt)
    return _clipped(call, scaled, 0.0, 1.0)


def softshrink(call: Call) -> Value:
    """z nearer to zero by a constant: z less what it is between -lambd and lambd."""
    bound = call.number("lambd")
    if not call.in_torch and call.number("bias") != bound:
        raise call.not_continuous("has a bias other than its lambd, so it jumps")
    return call.builder.add(call.value, _clipped(call, call.value, -bound, bound), call.name, -1.0) if bound else call.value


def threshold(call: Call) -> Value:
    """z above a threshold, a constant below; continuous if that is the threshold itself."""
    at, below = (call.number("threshold"), call.number("value")) if call.in_torch else (call.number("alpha"), 0.0)
    if at != below:
        raise call.not_continuous(f"jumps from {below:g} to {at:g}")
    return _clipped(call, call.value, at, None)


def absolute(call: Call) -> Value:
    """|z|, a unit with slopes -1 and 1."""
    return call.builder.units(call.value, -1.0, 1.0, call.name)


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


def _clipped(call: Call, value: Value, lower: float | None, upper: float | None) -> Value:
    """max(z, lower), min(z, upper), or both in one layer: lower + ReLU(z - lower) - ReLU(z - upper)."""
    builder, name = call.builder, call.name
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
    builder.explain("a neuron for each entry and bound")
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
    Operator(
        "PReLU",
        Kind.PIECEWISE_LINEAR,
        "any constant slopes below zero",
        onnx=("PRelu(X, slope)",),
        torch=("torch.nn.PReLU", "torch.nn.functional.prelu(input, weight)", "torch.ops.aten._prelu_kernel"),
        lower=prelu,
        family="PReLU",
    ),
    Operator(
        "RReLU",
        Kind.PIECEWISE_LINEAR,
        "in evaluation mode, where its slope is the mean of its bounds",
        torch=(
            "torch.nn.RReLU",
            f"torch.nn.functional.rrelu(input, lower={1 / 8}, upper={1 / 3}, training=False, inplace=False)",
            "torch.ops.aten.rrelu_with_noise_functional",
        ),
        lower=rrelu,
    ),
    Operator(
        "HardTanh",
        Kind.PIECEWISE_LINEAR,
        "as Clip",
        torch=("torch.nn.Hardtanh", "torch.nn.functional.hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False)"),
        lower=hardtanh,
        family="HardTanh",
    ),
    Operator(
        "HardSigmoid",
        Kind.PIECEWISE_LINEAR,
        "two neurons for each entry; torch's slope 1/6 is rounded to float64",
        onnx=("HardSigmoid(X, alpha=0.2, beta=0.5)",),
        torch=("torch.nn.Hardsigmoid", "torch.nn.functional.hardsigmoid(input, inplace=False)"),
        lower=hardsigmoid,
        family="HardSigmoid",
    ),
    Operator(
        "Softshrink",
        Kind.PIECEWISE_LINEAR,
        "where it is continuous (`bias` equal to `lambd`); two neurons for each entry",
        onnx=("Shrink(input, bias=0.0, lambd=0.5)",),
        torch=("torch.nn.Softshrink", "torch.nn.functional.softshrink(input, lambd=0.5)"),
        lower=softshrink,
    ),
    Operator(
        "Threshold",
        Kind.PIECEWISE_LINEAR,
        "where it is continuous: the value below equals the threshold (ONNX: `alpha` 0)",
        onnx=("ThresholdedRelu(X, alpha=1.0)",),
        torch=("torch.nn.Threshold", "torch.nn.functional.threshold(input, threshold, value, inplace=False)"),
        lower=threshold,
    ),
    Operator(
        "Absolute value",
        Kind.PIECEWISE_LINEAR,
        "a neuron for each entry, with slopes -1 and 1",
        onnx=("Abs(X)",),
        torch=("torch.abs(input)", "torch.absolute(input)", "torch.Tensor.abs(input)", "operator.abs(input)", "builtins.abs(input)"),
        lower=absolute,
        family="absolute values",
    ),
    Operator(
        "Clamp",
        Kind.PIECEWISE_LINEAR,
        "as Clip",
        torch=(
            "torch.clip(input, min=None, max=None)",
            "torch.clamp(input, min=None, max=None)",
            "torch.clamp_min(input, min)",
            "torch.clamp_max(input, max)",
            "torch.Tensor.clamp(input, min=None, max=None)",
            "torch.Tensor.clip(input, min=None, max=None)",
            "torch.Tensor.clamp_min(input, min)",
            "torch.Tensor.clamp_max(input, max)",
        ),
        lower=clip,
    ),
)
