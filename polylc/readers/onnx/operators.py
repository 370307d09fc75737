"""One ONNX operator at a time: what each supported operator does to a value."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from polylc.errors import UnsupportedLayerError
from polylc.network.builder import Builder, Value
from polylc.readers.onnx.node import MOVES, Argument, Node, Tensor, broadcast, constant, move, show, spread, value_of, weight_of
from polylc.readers.supported import softmax_inside, unsupported


def lower_node(builder: Builder, node: Node, arguments: Sequence[Argument]) -> Tensor | np.ndarray:
    """The first output of an operator: a value if any argument is one, else a constant.

    Raises
    ------
    UnsupportedLayerError
        If the operator is not piecewise linear or not supported.
    """
    values = [a for a in arguments if isinstance(a, Tensor)]
    if node.kind == "Shape" and values:
        return np.array(values[0].shape, dtype=np.int64)[node.get("start", 0) : node.get("end", None)]
    if not values:
        return constant(node, arguments)
    lower = _LOWERING.get(node.kind)
    if lower is None:
        raise unsupported(node.source, node.place.rpartition(" (")[0], node.kind)
    stripped = next((v.softmax for v in values if v.softmax), "")
    if stripped and node.kind not in _KEEP_ENTRIES:
        raise softmax_inside(node.source, *stripped.removesuffix(")").rsplit(" (", 1))
    return lower(builder, node, arguments)


# ---- operators that move entries about -------------------------------------------------------------------------
def _moved(builder: Builder, node: Node, arguments: Sequence[Argument]) -> Tensor:
    tensor = value_of(node, arguments[0])
    probe = np.arange(tensor.value.size).reshape(tensor.shape)
    try:
        moved = move(probe, node, arguments[1:])
    except (ValueError, IndexError, TypeError):
        raise node.error(f"does not fit a value of shape {show(tensor.shape)}; give the input shape the model was exported for") from None
    if moved.size != probe.size or (moved.ravel() != probe.ravel()).any():
        raise node.error("reorders the entries of a value, which is not supported; only changes of shape are")
    return replace(tensor, shape=moved.shape)


def _same(builder: Builder, node: Node, arguments: Sequence[Argument]) -> Tensor:
    if node.kind == "Dropout" and len(arguments) > 2 and isinstance(arguments[2], np.ndarray) and arguments[2].any():
        raise node.error("is in training mode; export the model in evaluation mode")
    return value_of(node, arguments[0])


# ---- affine operators ------------------------------------------------------------------------------------------
def _gemm(builder: Builder, node: Node, arguments: Sequence[Argument]) -> Tensor:
    tensor, weight = value_of(node, arguments[0]), weight_of(node, arguments, 1)
    if weight.ndim != 2 or len(tensor.shape) != 2:
        raise node.error(f"multiplies values of {len(tensor.shape)} and {weight.ndim} axes; a Gemm takes two")
    # op(A) must be one row: a column can only be the batch of one transposed
    if (tensor.shape[1] if node.get("transA", 0) else tensor.shape[0]) != 1:
        raise node.error(f"gets a value of shape {show(tensor.shape)}, several rows at once; polylc reads models for one input at a time")
    matrix = weight if node.get("transB", 0) else weight.T
    alpha, beta = float(node.get("alpha", 1.0)), float(node.get("beta", 1.0))
    if alpha != 1.0:
        builder.note(f"{node.place}: factor alpha multiplied into the weight in float64")
        matrix = alpha * matrix
    bias = None
    if len(arguments) > 2 and arguments[2] is not None:
        bias = spread(node, beta * weight_of(node, arguments, 2), (1, len(matrix)))
    return Tensor(_linear(builder, tensor, matrix, bias, node), (1, len(matrix)))


def _matmul(builder: Builder, node: Node, arguments: Sequence[Argument]) -> Tensor:
    left, right = arguments[0], arguments[1]
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        raise node.not_linear("multiplies two values that depend on the input")
    if isinstance(left, Tensor):
        weight = weight_of(node, arguments, 1)
        if weight.ndim == 2 and left.value.size == left.shape[-1]:
            return Tensor(_linear(builder, left, weight.T, None, node), (*left.shape[:-1], weight.shape[1]))
        shapes = f"{show(left.shape)} by a weight of shape {show(weight.shape)}"
        raise node.error(f"multiplies a value of shape {shapes}; polylc reads one row times a matrix")
    tensor, weight = value_of(node, right), weight_of(node, arguments, 0)
    rows = tensor.shape[-1] if len(tensor.shape) == 1 else tensor.shape[-2]
    if weight.ndim == 2 and tensor.value.size == rows:
        shape = (len(weight),) if len(tensor.shape) == 1 else (*tensor.shape[:-2], len(weight), 1)
        return Tensor(_linear(builder, tensor, weight, None, node), shape)
    shapes = f"{show(weight.shape)} by a value of shape {show(tensor.shape)}"
    raise node.error(f"multiplies a weight of shape {shapes}; polylc reads a matrix times one column")


def _linear(builder: Builder, tensor: Tensor, matrix: np.ndarray, bias: np.ndarray | None, node: Node) -> Value:
    return builder.linear(builder.reshape(tensor.value, (tensor.value.size,), node.place), matrix, bias, node.place)


def _arithmetic(builder: Builder, node: Node, arguments: Sequence[Argument]) -> Tensor:
    left, right = arguments[0], arguments[1]
    additive = node.kind in ("Add", "Sub")
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        if not additive:
            raise node.not_linear("combines two values that depend on the input")
        shape = broadcast(node, left.shape, right.shape)
        return Tensor(builder.add(left.value, right.value, node.place, 1.0 if node.kind == "Add" else -1.0), shape)
    tensor = value_of(node, left if isinstance(left, Tensor) else right)
    operand = weight_of(node, arguments, 1 if isinstance(left, Tensor) else 0)
    shape = broadcast(node, tensor.shape, operand.shape)
    operand = spread(node, operand, shape).reshape(tensor.value.shape)
    if node.kind == "Add":
        return Tensor(builder.scale_shift(tensor.value, None, operand, node.place), shape)
    if node.kind == "Mul":
        return Tensor(builder.scale_shift(tensor.value, operand, None, node.place), shape)
    if node.kind == "Sub":
        negated = isinstance(right, Tensor)
        return Tensor(builder.scale_shift(tensor.value, np.array(-1.0) if negated else None, operand if negated else -operand, node.place), shape)
    if isinstance(right, Tensor):
        raise node.not_linear("divides by a value that depends on the input")
    if not operand.all():
        raise node.error("divides by zero")
    return Tensor(builder.scale_shift(tensor.value, 1.0 / operand, None, node.place), shape)


def _negative(builder: Builder, node: Node, arguments: Sequence[Argument]) -> Tensor:
    tensor = value_of(node, arguments[0])
    return replace(tensor, value=builder.scale_shift(tensor.value, np.array(-1.0), None, node.place))


def _conv(builder: Builder, node: Node, arguments: Sequence[Argument]) -> Tensor:
    weight = weight_of(node, arguments, 1)
    if weight.ndim != 4:
        raise node.error(f"has a weight of {weight.ndim} axes; polylc reads 2-D convolutions")
    bias = weight_of(node, arguments, 2) if len(arguments) > 2 and arguments[2] is not None else None
    image, strides, dilations, pads = _window(builder, node, value_of(node, arguments[0]), weight.shape[2:])
    result = builder.conv2d(image, weight, bias, strides, pads, dilations, node.get("group", 1), node.place)
    return Tensor(result, (1, *result.shape))


def _average_pool(builder: Builder, node: Node, arguments: Sequence[Argument]) -> Tensor:
    kernel = tuple(node.get("kernel_shape", ()))
    if len(kernel) != 2:
        raise node.error(f"has a window of {len(kernel)} axes; polylc reads 2-D pooling")
    image, strides, dilations, pads = _window(builder, node, value_of(node, arguments[0]), kernel)
    if dilations != (1, 1):
        raise node.error("is dilated, which is not supported")
    if max(pads[0], pads[2]) >= kernel[0] or max(pads[1], pads[3]) >= kernel[1]:
        raise node.error("has more padding than its window is large; the model is damaged")
    sizes = [image.shape[1 + a] + pads[a] + pads[2 + a] - kernel[a] for a in (0, 1)]
    if node.get("ceil_mode", 0) and any(sizes[a] % strides[a] for a in (0, 1)):
        raise node.error("uses ceil_mode on a size that its stride does not divide; polylc reads only full windows")
    result = builder.avg_pool2d(image, (kernel[0], kernel[1]), strides, pads, node.place, bool(node.get("count_include_pad", 0)))
    return Tensor(result, (1, *result.shape))


def _window(
    builder: Builder, node: Node, tensor: Tensor, kernel: Sequence[int]
) -> tuple[Value, tuple[int, int], tuple[int, int], tuple[int, int, int, int]]:
    """The image, strides, dilations and pads (top, left, bottom, right) of a convolution or pooling."""
    if len(tensor.shape) != 4 or tensor.shape[0] != 1:
        raise node.error(f"gets a value of shape {show(tensor.shape)}; it needs one image (1, channels, height, width)")
    image = builder.reshape(tensor.value, tensor.shape[1:], node.place)
    strides, dilations = (tuple(node.get(name, (1, 1))) for name in ("strides", "dilations"))
    pads = tuple(node.get("pads", (0, 0, 0, 0)))
    if len(strides) != 2 or len(dilations) != 2 or len(pads) != 4 or min(pads) < 0:
        raise node.error("has strides, dilations or pads that do not fit two axes; the model is damaged")
    auto = node.get("auto_pad", b"NOTSET")
    mode = auto.decode() if isinstance(auto, bytes) else str(auto)
    if mode == "VALID":
        pads = (0, 0, 0, 0)
    elif mode in ("SAME_UPPER", "SAME_LOWER"):
        begin, end = [0, 0], [0, 0]
        for axis in (0, 1):
            size, reach = image.shape[1 + axis], dilations[axis] * (kernel[axis] - 1) + 1
            total = max((-(-size // strides[axis]) - 1) * strides[axis] + reach - size, 0)
            small, large = total // 2, total - total // 2
            begin[axis], end[axis] = (small, large) if mode == "SAME_UPPER" else (large, small)
        pads = (*begin, *end)
    elif mode != "NOTSET":
        raise node.error(f"has auto_pad {mode!r}, which is not known")
    return image, (strides[0], strides[1]), (dilations[0], dilations[1]), (pads[0], pads[1], pads[2], pads[3])


def _batch_norm(builder: Builder, node: Node, arguments: Sequence[Argument]) -> Tensor:
    tensor = value_of(node, arguments[0])
    if node.get("training_mode", 0) or not node.get("spatial", 1):
        raise node.error("normalises over the batch (training mode); export the model in evaluation mode")
    if len(tensor.shape) < 2 or tensor.shape[0] != 1:
        raise node.error(f"gets a value of shape {show(tensor.shape)}; its second axis must be the channels")
    gamma, beta, mean, variance = (weight_of(node, arguments, i) for i in range(1, 5))
    eps = float(node.get("epsilon", np.float32(1e-5)))
    if (variance + eps <= 0).any():
        raise node.error("has a variance that is not positive; the model is damaged")
    value = builder.batch_norm(builder.reshape(tensor.value, tensor.shape[1:], node.place), mean, variance, eps, gamma, beta, node.place)
    return Tensor(value, tensor.shape)


# ---- units -----------------------------------------------------------------------------------------------------
def _relu(builder: Builder, node: Node, arguments: Sequence[Argument]) -> Tensor:
    tensor = value_of(node, arguments[0])
    return replace(tensor, value=builder.relu(tensor.value, node.place))


def _leaky_relu(builder: Builder, node: Node, arguments: Sequence[Argument]) -> Tensor:
    tensor = value_of(node, arguments[0])
    return replace(tensor, value=builder.units(tensor.value, float(node.get("alpha", np.float32(0.01))), 1.0, node.place))


def _softmax(builder: Builder, node: Node, arguments: Sequence[Argument]) -> Tensor:
    tensor = value_of(node, arguments[0])
    axis = node.get("axis", -1 if node.opset >= 13 else 1)
    # before opset 13 a softmax ran over all axes from `axis` on
    over = tensor.shape[axis] if node.opset >= 13 else math.prod(tensor.shape[axis:])
    if over != tensor.value.size:
        raise UnsupportedLayerError(
            f"{node.source}: {node.place} works over axis {axis} of a value of shape {show(tensor.shape)}; "
            "only a softmax over all outputs can be stripped"
        )
    return replace(tensor, softmax=node.place)


_KEEP_ENTRIES = MOVES | {"Identity", "Dropout"}
_LOWERING: dict[str, Callable[[Builder, Node, Sequence[Argument]], Tensor]] = {
    **dict.fromkeys(MOVES, _moved),
    **dict.fromkeys(["Identity", "Dropout"], _same),
    **dict.fromkeys(["Add", "Sub", "Mul", "Div"], _arithmetic),
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Neg": _negative,
    "Conv": _conv,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Relu": _relu,
    "LeakyRelu": _leaky_relu,
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
}
