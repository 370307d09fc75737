"""Operators that pass entries on: changes of shape, and those that pick, repeat or join entries; sizes and other
constants.
"""

from __future__ import annotations

import numpy as np

from polylc.network.builder import Value
from polylc.readers.operators.call import Call
from polylc.readers.operators.row import Kind, Operator, not_yet


def moved(call: Call) -> object:
    """A change of shape: run on the numbers of the entries, and checked by that example to do no more."""
    if any(isinstance(argument, Value) for argument in call.arguments[1:]):
        raise call.error("takes its shape from the data, which is not supported; fix the shapes in the model")
    numbers = call.run()
    if not isinstance(numbers, np.ndarray):
        return numbers
    if not np.array_equal(numbers.ravel(), np.arange(call.value.size)):
        raise call.error("reorders the entries of a value, which is not supported; only changes of shape are")
    return call.builder.reshape(call.value, numbers.shape, call.name)


def sizes(call: Call) -> object:
    """What an operator says of a value's shape, a constant."""
    return call.run()


def unchanged(call: Call) -> Value:
    """The value itself."""
    return call.value


def dropout(call: Call) -> Value:
    """The value itself, unless the model is told to drop entries even in evaluation mode."""
    if call.flag("training", "training_mode") and call.setting("p", "ratio") != 0:
        raise call.error(
            "is random even in evaluation mode, since it is in training mode; call it with training=self.training, or export the model "
            "in evaluation mode"
        )
    return call.value


def cast(call: Call) -> Value:
    """The value itself: networks are computed in real numbers, whatever their format."""
    if call.setting("to") not in _FLOATING:
        raise call.error("casts to whole numbers or truth values, which is discontinuous; leave it out")
    return call.value


_FLOATING = frozenset([1, 10, 11, 16])  # float32, float16, double, bfloat16, as ONNX numbers them


def pad(call: Call) -> Value:
    """The value itself, if no entries are added or taken."""
    told = call.setting("pads")  # in older operator sets an attribute
    widths = np.array(told) if isinstance(told, list) else call.weight("pads")
    if widths.any():
        raise call.error(f"pads by {', '.join(f'{w:g}' for w in widths.ravel())}, which is not supported yet; give the padding to the convolution")
    return call.value


ROWS = (
    Operator(
        "Flatten",
        Kind.SHAPE,
        "all axes but the batch",
        onnx=("Flatten(input, axis=1)",),
        torch=("torch.nn.Flatten", "torch.flatten", "torch.Tensor.flatten"),
        lower=moved,
        after_softmax=True,
    ),
    Operator(
        "Reshape",
        Kind.SHAPE,
        "to a fixed shape, the batch kept",
        onnx=("Reshape(data, shape, allowzero=0)",),
        torch=(
            "torch.reshape",
            "torch.unflatten",
            "torch.nn.Unflatten",
            "torch.Tensor.reshape",
            "torch.Tensor.view",
            "torch.Tensor.unflatten",
        ),
        lower=moved,
        after_softmax=True,
    ),
    Operator(
        "Squeeze",
        Kind.SHAPE,
        "axes of size one left out",
        onnx=("Squeeze(data, axes)",),
        torch=("torch.squeeze", "torch.Tensor.squeeze"),
        lower=moved,
        after_softmax=True,
    ),
    Operator(
        "Unsqueeze",
        Kind.SHAPE,
        "axes of size one put in",
        onnx=("Unsqueeze(data, axes)",),
        torch=("torch.unsqueeze", "torch.Tensor.unsqueeze"),
        lower=moved,
        after_softmax=True,
    ),
    Operator(
        "Transpose",
        Kind.SHAPE,
        "where entries keep their order, as with axes of size one",
        onnx=("Transpose(data, perm=None)",),
        torch=("torch.permute", "torch.transpose", "torch.Tensor.permute", "torch.Tensor.transpose"),
        lower=moved,
        after_softmax=True,
    ),
    Operator(
        "Identity",
        Kind.SHAPE,
        "anything",
        onnx=("Identity(input)",),
        torch=(
            "torch.nn.Identity",
            "torch.clone",
            "torch.Tensor.clone",
            "torch.Tensor.contiguous",
            "torch.Tensor.detach",
        ),
        lower=unchanged,
        after_softmax=True,
    ),
    Operator(
        "Dropout",
        Kind.SHAPE,
        "in evaluation mode, where it does nothing",
        onnx=("Dropout(data, ratio, training_mode)",),
        torch=(
            "torch.nn.Dropout",
            "torch.nn.Dropout1d",
            "torch.nn.Dropout2d",
            "torch.nn.Dropout3d",
            "torch.nn.AlphaDropout",
            "torch.nn.FeatureAlphaDropout",
            "torch.nn.functional.dropout(input, p=0.5, training=True, inplace=False)",
        ),
        lower=dropout,
        after_softmax=True,
    ),
    Operator(
        "Attribute",
        Kind.SHAPE,
        "`x.shape`, `x.ndim` and other attributes of a tensor that leave its entries in their order",
        torch=("builtins.getattr",),
        lower=moved,
        after_softmax=True,
    ),
    Operator(
        "Size",
        Kind.CONSTANT,
        "the shape of a value, for reshaping",
        onnx=("Shape(data, start=0, end=None)",),
        torch=("torch.Tensor.size", "torch.Tensor.dim"),
        lower=sizes,
        after_softmax=True,
    ),
    Operator("Constant", Kind.CONSTANT, "as it is", onnx=("Constant",)),
    Operator("Constant of a shape", Kind.CONSTANT, "of a known shape", onnx=("ConstantOfShape",)),
    Operator("Range", Kind.CONSTANT, "between constants", onnx=("Range",)),
    Operator(
        "Cast",
        Kind.SHAPE,
        "between floating formats, where it does nothing: networks are computed in real numbers",
        onnx=("Cast(input, to=None)",),
        lower=cast,
        after_softmax=True,
    ),
    Operator(
        "Padding by nothing",
        Kind.SHAPE,
        "of widths that are all zero, as exporters write it before poolings",
        onnx=("Pad(data, pads)",),
        lower=pad,
        after_softmax=True,
    ),
    not_yet("Concatenate", ("Concat",), ("torch.cat", "torch.concat", "torch.concatenate", "torch.stack")),
    not_yet("Split", ("Split",), ("torch.split", "torch.chunk", "torch.Tensor.split", "torch.Tensor.chunk")),
    not_yet("Slice", ("Slice",), ("operator.getitem",)),
    not_yet("Gather", ("Gather",), ("torch.gather", "torch.Tensor.gather")),
    not_yet("Expand", ("Expand",), ("torch.Tensor.expand",)),
    not_yet("Tile", ("Tile",), ("torch.tile", "torch.Tensor.tile")),
    not_yet("Choice by a condition", ("Where",), ("torch.where", "torch.Tensor.where")),
    not_yet(
        "Padding",
        (),
        (
            "torch.nn.functional.pad",
            *(f"torch.nn.ZeroPad{axes}d" for axes in (1, 2)),
            *(f"torch.nn.ConstantPad{axes}d" for axes in (1, 2, 3)),
            *(f"torch.nn.{how}Pad{axes}d" for how in ("Reflection", "Replication", "Circular") for axes in (1, 2)),
        ),
    ),
    not_yet(
        "Resizing",
        ("Resize", "Upsample"),
        ("torch.nn.Upsample", "torch.nn.UpsamplingNearest2d", "torch.nn.UpsamplingBilinear2d"),
    ),
    not_yet(
        "Shuffling of channels",
        ("DepthToSpace", "SpaceToDepth"),
        ("torch.nn.PixelShuffle", "torch.nn.PixelUnshuffle", "torch.nn.ChannelShuffle"),
    ),
    not_yet("Folding of windows", (), ("torch.nn.Fold", "torch.nn.Unfold")),
)
