"""ONNX operators carried out on arrays: constants on the way, and changes of shape on the numbers of entries.

Constants are computed with doubles: single precision is widened first, which is exact, so that what rounds, rounds far
less than in the model's own arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polylc.network.folded import UNIT, largest_change, matrix_error, product_error, sum_error

MOST_ENTRIES = 2**26
"""Of one computed constant: 512 MB."""

RANDOM = frozenset(["Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"])
"""Operators that give something else each time."""

# fmt: off
_EXACT = frozenset([
    "Abs", "And", "ArgMax", "ArgMin", "BitShift", "Cast", "CastLike", "Ceil", "Clip", "Compress", "Concat", "Constant", "ConstantOfShape",
    "DepthToSpace", "Dropout", "Equal", "Expand", "EyeLike", "Flatten", "Floor", "Gather", "GatherElements", "GatherND", "Greater",
    "GreaterOrEqual", "Identity", "Less", "LessOrEqual", "Max", "MaxPool", "Min", "Neg", "Not", "OneHot", "Or", "Pad", "ReduceMax",
    "ReduceMin", "Relu", "Reshape", "ReverseSequence", "Round", "ScatterElements", "ScatterND", "Shape", "Sign", "Size", "Slice",
    "SpaceToDepth", "Split", "Squeeze", "Tile", "TopK", "Transpose", "Trilu", "Unsqueeze", "Where", "Xor",
])
# fmt: on
# what they do depends on the format of their arguments
_BY_FORMAT = frozenset(["Cast", "CastLike", "BitCast", "QuantizeLinear", "DynamicQuantizeLinear", "DequantizeLinear"])


def rounds(kind: str, arrays: Sequence[np.ndarray | None], results: Sequence[object]) -> bool:
    """Whether computing constants may have rounded; what picks, moves or compares entries does not."""
    if kind == "DequantizeLinear":  # 17 digits times 24
        return any(a is not None and a.dtype.itemsize > (4 if a.dtype.kind == "f" else 2) for a in arrays)
    return kind not in _EXACT and any(isinstance(a, np.ndarray | np.generic) and a.dtype.kind == "f" for a in results)


def rounding(kind: str, arrays: Sequence[np.ndarray | None], results: Sequence[Any]) -> float:
    """A bound on the largest relative change of an entry that computing constants made, infinity where none is known.

    Of matrix products it is relative to the largest entry of the row.
    """
    result = np.atleast_1d(np.asarray(results[0], dtype=np.float64))
    if kind == "DequantizeLinear" and all(a is None or a.dtype.itemsize <= 4 or a.dtype.kind == "f" for a in arrays):
        return 2 * UNIT  # one product of a difference that is exact
    given = [np.asarray(a, dtype=np.float64) for a in arrays if a is not None and a.dtype.kind == "f" and a.dtype.itemsize <= 8]
    if len(given) != len(arrays) or not (np.isfinite(result).all() and all(np.isfinite(a).all() for a in given)):
        return math.inf
    error = _ERRORS[kind](result, *given) if kind in _ERRORS and len(given) == (1 if kind in _OF_ONE else 2) else None
    if error is None:
        return math.inf
    return largest_change([error], [result]) if kind == "MatMul" else largest_change([error.ravel()], [result.ravel()])


def _of_quotient(result: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    exact = (result * right == left) & (product_error(result, right) == 0)
    bound: np.ndarray = np.where(exact, 0.0, 2 * UNIT * np.abs(result))
    return bound


def _of_root(result: np.ndarray, square: np.ndarray) -> np.ndarray:
    exact = (result * result == square) & (product_error(result, result) == 0)
    bound: np.ndarray = np.where(exact, 0.0, 2 * UNIT * result)
    return bound


# bounds on the rounding of each entry
_ERRORS: dict[str, Callable[..., np.ndarray | None]] = {
    "Add": lambda _, left, right: sum_error(left, right),
    "Sub": lambda _, left, right: sum_error(left, -right),
    "Mul": lambda _, left, right: product_error(left, right),
    "Div": _of_quotient,
    "Sqrt": _of_root,
    "Reciprocal": lambda result, value: _of_quotient(result, np.ones(()), value),
    "MatMul": lambda result, left, right: np.asarray(matrix_error(left, right)) if left.ndim == right.ndim == result.ndim == 2 else None,
}
_OF_ONE = frozenset(["Sqrt", "Reciprocal"])


def compute(proto: Any, attributes: dict[str, Any], arrays: Sequence[np.ndarray | None], opset: int) -> list[Any]:
    """All outputs of an operator on constants.

    Raises
    ------
    MemoryError
        If a result would be larger than MOST_ENTRIES.
    Exception
        Whatever the operator makes of constants that do not fit it.
    """
    kind = str(proto.op_type)
    if kind == "DequantizeLinear":
        return [_dequantised(attributes, *(a for a in arrays if a is not None))]
    if kind not in _BY_FORMAT:
        arrays = [a if a is None or a.dtype.kind != "f" or a.dtype.itemsize > 8 else a.astype(np.float64, copy=False) for a in arrays]
    if kind in _AT_ONCE:
        return [_AT_ONCE[kind](attributes, [a for a in arrays if a is not None])]
    _require_room(proto, arrays, opset)
    return _by_reference(proto, arrays, opset)


def evaluate(proto: Any, attributes: dict[str, Any], arrays: Sequence[np.ndarray | None], opset: int) -> list[np.ndarray]:
    """The outputs of an operator that picks, moves and joins entries, on their numbers.

    Raises
    ------
    MemoryError
        If a result would be larger than MOST_ENTRIES.
    """
    kind = str(proto.op_type)
    if kind in _AT_ONCE:
        return [_AT_ONCE[kind](attributes, [a for a in arrays if a is not None])]
    if kind == "Resize" and opset < 11:
        proto, arrays, opset = _since_11(proto), [arrays[0], None, *arrays[1:]], 11
    _require_room(proto, arrays, opset)
    if kind == "Resize" and arrays[0] is not None:  # numbers below 2^26 are exact
        resized = _by_reference(proto, [arrays[0].astype(np.float64), *arrays[1:]], opset)[0]
        return [np.rint(resized).astype(np.int64)]
    return [np.asarray(a) for a in _by_reference(proto, arrays, opset) if a is not None]


def _since_11(proto: Any) -> Any:
    """A `Resize` of operator set 10 as later sets write it."""
    import onnx

    data, scales = proto.input
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return onnx.helper.make_node("Resize", [data, "", scales], list(proto.output), name=proto.name, **how)


def _by_reference(proto: Any, arrays: Sequence[np.ndarray | None], opset: int) -> list[Any]:
    import onnx
    from onnx.reference import ReferenceEvaluator

    graph = onnx.helper.make_graph([proto], "constant", [], [onnx.ValueInfoProto(name=name) for name in proto.output if name])
    graph.input.extend(onnx.ValueInfoProto(name=name) for name in dict.fromkeys(proto.input) if name)
    evaluator = ReferenceEvaluator(graph, opsets={"": opset})
    found = iter(evaluator.run(None, {name: a for name, a in zip(proto.input, arrays, strict=True) if name}))
    return [next(found) if name else None for name in proto.output]


def _require_room(proto: Any, arrays: Sequence[np.ndarray | None], opset: int) -> None:
    """Ask for the shape of the result before it is computed: a few bytes can say how large it is to be."""
    import onnx

    given = {name: a for name, a in zip(proto.input, arrays, strict=True) if name and a is not None and a.dtype.kind in "fiub"}
    inputs = [onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for name, a in given.items()]
    known = [onnx.numpy_helper.from_array(a, name) for name, a in given.items() if a.size <= _FEW]
    outputs = [onnx.ValueInfoProto(name=name) for name in proto.output if name]
    graph = onnx.helper.make_graph([proto], "constant", inputs, outputs, known)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    for output in onnx.shape_inference.infer_shapes(model, data_prop=True).graph.output:
        entries = math.prod(d.dim_value for d in output.type.tensor_type.shape.dim if d.HasField("dim_value"))
        if entries > MOST_ENTRIES:
            raise MemoryError(f"{entries} entries")


_FEW = 64  # entries of an argument that says a shape


def _dequantised(attributes: dict[str, Any], quantised: np.ndarray, scale: np.ndarray, zero: np.ndarray | None = None) -> np.ndarray:
    """(quantised - zero) * scale; exact for integers of 16 bits and scales of single precision."""
    scale = scale.astype(np.float64)
    shift = np.zeros(scale.shape) if zero is None else zero.astype(np.float64)
    if scale.size > 1:
        axis = attributes.get("axis", 1)
        axis = axis + quantised.ndim if axis < 0 else axis
        if attributes.get("block_size"):
            scale, shift = (np.repeat(a, attributes["block_size"], axis=axis) for a in (scale, shift))
        elif scale.ndim == 1:
            shape = [-1 if a == axis else 1 for a in range(quantised.ndim)]
            scale, shift = scale.reshape(shape), shift.reshape(shape)
    result: np.ndarray = (quantised.astype(np.float64) - shift) * scale
    return result.reshape(quantised.shape)


# most models have these, and the reference evaluator takes a third of a second to import
def _shape(attributes: dict[str, Any], arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.array(arrays[0].shape, dtype=np.int64)[attributes.get("start", 0) : attributes.get("end")]


def _flatten(attributes: dict[str, Any], arrays: Sequence[np.ndarray]) -> np.ndarray:
    array = arrays[0]
    axis = attributes.get("axis", 1)
    axis = axis + array.ndim if axis < 0 else axis
    return array.reshape(math.prod(array.shape[:axis]), -1)


def _reshape(attributes: dict[str, Any], arrays: Sequence[np.ndarray]) -> np.ndarray:
    array, wanted = arrays[0], list(_told(attributes, arrays, "shape") or [])
    if not attributes.get("allowzero", 0):
        wanted = [array.shape[i] if d == 0 else d for i, d in enumerate(wanted)]
    return array.reshape(wanted)


def _squeeze(attributes: dict[str, Any], arrays: Sequence[np.ndarray]) -> np.ndarray:
    return arrays[0].squeeze(_told(attributes, arrays, "axes"))


def _unsqueeze(attributes: dict[str, Any], arrays: Sequence[np.ndarray]) -> np.ndarray:
    axes = _told(attributes, arrays, "axes")
    if axes is None:
        raise ValueError("Unsqueeze needs axes")
    return np.expand_dims(arrays[0], axes)


def _constant(attributes: dict[str, Any], _: Sequence[np.ndarray]) -> np.ndarray:
    import onnx

    name, said = next(iter(attributes.items()))
    if name == "value":
        return np.asarray(onnx.numpy_helper.to_array(said))
    kinds = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    if name not in kinds:
        raise ValueError(f"{name} is no array of numbers")
    return np.array(said, dtype=kinds[name])


def _told(attributes: dict[str, Any], arrays: Sequence[np.ndarray], name: str) -> tuple[int, ...] | None:
    """A target shape or axes: an argument, in older operator sets an attribute."""
    target = arrays[1].ravel() if len(arrays) > 1 else attributes.get(name)
    return None if target is None else tuple(int(d) for d in target)


_AT_ONCE: dict[str, Callable[[dict[str, Any], Sequence[np.ndarray]], np.ndarray]] = {
    "Constant": _constant,
    "Flatten": _flatten,
    "Identity": lambda _, arrays: arrays[0],
    "Reshape": _reshape,
    "Shape": _shape,
    "Squeeze": _squeeze,
    "Transpose": lambda attributes, arrays: arrays[0].transpose(attributes.get("perm")),
    "Unsqueeze": _unsqueeze,
}
