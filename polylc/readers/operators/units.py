"""Piecewise linear operators that act on each entry by itself."""

from __future__ import annotations

from polylc.network.builder import Value
from polylc.readers.operators.call import Call
from polylc.readers.operators.row import Kind, Operator, not_yet


def relu(call: Call) -> Value:
    """max(z, 0)."""
    return call.builder.relu(call.value, call.name)


def leaky_relu(call: Call) -> Value:
    """z above zero, slope * z below."""
    return call.builder.units(call.value, call.number("negative_slope", "alpha"), 1.0, call.name)


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
    not_yet("ReLU6", (), ("torch.nn.ReLU6", "torch.nn.functional.relu6(input, inplace=False)")),
    not_yet("PReLU", ("PRelu",), ("torch.nn.PReLU", "torch.nn.functional.prelu")),
    not_yet("RReLU", (), ("torch.nn.RReLU", "torch.nn.functional.rrelu")),
    not_yet("HardTanh", (), ("torch.nn.Hardtanh", "torch.nn.functional.hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False)")),
    not_yet("HardSigmoid", ("HardSigmoid",), ("torch.nn.Hardsigmoid", "torch.nn.functional.hardsigmoid")),
    not_yet("Softshrink", ("Shrink",), ("torch.nn.Softshrink", "torch.nn.functional.softshrink")),
    not_yet("Threshold", ("ThresholdedRelu",), ("torch.nn.Threshold", "torch.nn.functional.threshold")),
    not_yet("Absolute value", ("Abs",), ("torch.abs", "torch.absolute", "torch.Tensor.abs", "operator.abs")),
    not_yet(
        "Clip",
        ("Clip(input, min, max)",),
        (
            "torch.clip(input, min=None, max=None)",
            "torch.clamp(input, min=None, max=None)",
            "torch.clamp_min(input, min)",
            "torch.clamp_max(input, max)",
            "torch.Tensor.clamp(input, min=None, max=None)",
        ),
    ),
)
