"""Operators that pass all entries on: changes of shape; sizes and other constants."""

from __future__ import annotations

from polylc.network.builder import Value
from polylc.readers.operators.call import Call, Condition
from polylc.readers.operators.picks import picked
from polylc.readers.operators.row import Kind, Operator


def sizes(call: Call) -> object:
    """What an operator says of a value's shape, a constant."""
    return call.run()


def unchanged(call: Call) -> Value:
    """The value itself."""
    return call.value


def dropout(call: Call) -> Value:
    """The value itself, unless the model is told to drop entries even in evaluation mode."""
    rate = call.setting("p", "ratio")
    if call.flag("training", "training_mode") and rate != 0:
        raise call.error(
            "is random even in evaluation mode, since it is in training mode; call it with training=self.training, or export the model "
            "in evaluation mode"
        )
    return call.value


def same_format(call: Call) -> Value:
    """The value itself, in another floating format or on another device."""
    wanted = str(call.setting("dtype"))
    if wanted.startswith("torch."):
        if wanted not in [f"torch.{name}" for name in ("float64", "float32", "float16", "bfloat16")]:
            raise call.not_continuous(f"changes to the format {wanted}")
        call.builder.note(f"{call.name}: taken as the identity; a change of format is the identity on real numbers")
    return call.value


def cast(call: Call) -> Value | Condition:
    """The value itself: networks are computed in real numbers, whatever their format."""
    if isinstance(call.arguments[0], Condition) and call.setting("to") == _TRUTH:
        return call.arguments[0]
    if call.setting("to") not in _FLOATING:
        raise call.error("casts to whole numbers or truth values, which is discontinuous; leave it out")
    return call.value


_TRUTH = 9
_FLOATING = frozenset([1, 10, 11, 16])  # float32, float16, double, bfloat16, as ONNX numbers them


ROWS = (
    Operator(
        "Flatten",
        Kind.SHAPE,
        "all axes but the batch",
        onnx=("Flatten(input, axis=1)",),
        torch=("torch.nn.Flatten", "torch.flatten", "torch.Tensor.flatten"),
        lower=picked,
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
            "torch.ops.aten._unsafe_view",
        ),
        lower=picked,
        after_softmax=True,
    ),
    Operator(
        "Squeeze",
        Kind.SHAPE,
        "axes of size one left out",
        onnx=("Squeeze(data, axes)",),
        torch=("torch.squeeze", "torch.Tensor.squeeze"),
        lower=picked,
        after_softmax=True,
    ),
    Operator(
        "Unsqueeze",
        Kind.SHAPE,
        "axes of size one put in",
        onnx=("Unsqueeze(data, axes)",),
        torch=("torch.unsqueeze", "torch.Tensor.unsqueeze"),
        lower=picked,
        after_softmax=True,
    ),
    Operator(
        "Transpose",
        Kind.SHAPE,
        "any axes but the batch",
        onnx=("Transpose(data, perm=None)",),
        torch=(
            "torch.permute",
            "torch.transpose",
            "torch.t",
            "torch.Tensor.permute",
            "torch.Tensor.transpose",
            "torch.Tensor.t",
            "torch.ops.aten.numpy_T",
        ),
        lower=picked,
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
            "torch.Tensor.float",
            "torch.Tensor.double",
            "torch.Tensor.cpu",
            *(f"torch.ops.aten.{name}" for name in ("alias", "lift_fresh_copy")),
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
            *(f"torch.nn.functional.{kind}(input, p=0.5, training=False, inplace=False)" for kind in ("alpha_dropout", "feature_alpha_dropout")),
            *(f"torch.nn.functional.dropout{axes}d(input, p=0.5, training=True, inplace=False)" for axes in (1, 2, 3)),
            "torch.ops.aten.feature_dropout",
        ),
        lower=dropout,
        after_softmax=True,
    ),
    Operator(
        "Format",
        Kind.SHAPE,
        "floating formats, between which it does nothing, and devices",
        torch=("torch.Tensor.to(input, dtype=None)", "torch.ops.aten._to_copy"),
        lower=same_format,
        after_softmax=True,
    ),
    Operator(
        "Attribute",
        Kind.SHAPE,
        "`x.shape`, `x.ndim` and other attributes of a tensor that leave its entries in their order",
        torch=("builtins.getattr",),
        lower=picked,
        after_softmax=True,
    ),
    Operator(
        "Size",
        Kind.CONSTANT,
        "the shape of a value, for reshaping",
        onnx=("Shape(data, start=0, end=None)",),
        torch=("torch.Tensor.size", "torch.Tensor.dim", "torch.ops.aten.sym_size"),
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
        takes_conditions=True,
    ),
)
