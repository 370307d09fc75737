"""What may only stand at the end of a model, and is left out there: a softmax keeps the order of the outputs."""

from __future__ import annotations

from polylc.errors import UnsupportedLayerError
from polylc.network.builder import Builder, Value
from polylc.network.form import Network
from polylc.readers.operators.call import Call, Stripped, show
from polylc.readers.operators.row import Kind, Operator


def softmax(call: Call) -> Stripped:
    """The value that goes into a softmax over all outputs."""
    value = call.value
    setting = call.setting("dim", "axis")
    # before opset 13 a softmax of ONNX ran over all axes from `axis` on, the second one if it did not say
    old = call.opset is not None and call.opset < 13
    axis = call.whole("dim", "axis") if setting is not None else None if call.in_torch else 1 if old else -1
    if call.entries_along(axis) != value.size:
        raise UnsupportedLayerError(
            f"{call.builder.source}: {call.name} works over axis {axis} of a value of shape {show(value.shape)}; "
            "only a softmax over all outputs can be stripped"
        )
    return Stripped(value, call.kind, call.name)


def finish(builder: Builder, result: Value | Stripped, sha256: str) -> Network:
    """The network of a model's result, without its softmax."""
    if isinstance(result, Stripped):
        builder.note(f"{result.name}: final softmax stripped, the outputs are what goes into it")
        result = result.value
    return builder.finish(result, sha256)


ROWS = (
    Operator(
        "Softmax",
        Kind.STRIPPED,
        "over all outputs at the end of the model, where it is left out",
        onnx=("Softmax(input, axis=None)",),
        torch=(
            "torch.nn.Softmax",
            "torch.softmax(input, dim, dtype=None)",
            "torch.nn.functional.softmax(input, dim=None, _stacklevel=3, dtype=None)",
            "torch.Tensor.softmax(input, dim, dtype=None)",
            "torch.ops.aten._softmax",
        ),
        lower=softmax,
    ),
    Operator(
        "LogSoftmax",
        Kind.STRIPPED,
        "as Softmax",
        onnx=("LogSoftmax(input, axis=None)",),
        torch=(
            "torch.nn.LogSoftmax",
            "torch.log_softmax(input, dim, dtype=None)",
            "torch.nn.functional.log_softmax(input, dim=None, _stacklevel=3, dtype=None)",
            "torch.Tensor.log_softmax(input, dim, dtype=None)",
            "torch.ops.aten._log_softmax",
        ),
        lower=softmax,
    ),
)
