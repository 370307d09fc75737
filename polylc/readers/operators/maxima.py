"""Operators that take the larger or smaller of several entries."""

from __future__ import annotations

from polylc.readers.operators.row import not_yet

ROWS = (
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
    not_yet("Maximum of several", ("Max",), ("torch.maximum", "torch.max", "torch.Tensor.max")),
    not_yet("Minimum of several", ("Min",), ("torch.minimum", "torch.min", "torch.Tensor.min")),
    not_yet("Maximum over axes", ("ReduceMax",), ("torch.amax", "torch.Tensor.amax")),
    not_yet("Minimum over axes", ("ReduceMin",), ("torch.amin", "torch.Tensor.amin")),
)
