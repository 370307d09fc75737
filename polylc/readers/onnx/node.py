"""What lowering an ONNX graph works on: values, operators, shape operations, and constants computed on the way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from polylc.errors import ModelError, UnsupportedLayerError
from polylc.network.builder import Value
from polylc.readers.arrays import exact_float64
from polylc.readers.supported import unsupported

MOVES = frozenset(["Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze"])
_FOLDED = "Add Cast Concat Constant ConstantOfShape Div Expand Floor Gather Identity MatMul Mul Neg Range ReduceProd Shape Slice Sqrt Sub"


@dataclass(frozen=True)
class Tensor:
    """A value that depends on the input, with its ONNX shape (batch of one included); `softmax` names one left out on the way."""

    value: Value
    shape: tuple[int, ...]
    softmax: str = ""


@dataclass(frozen=True)
class Node:
    """One operator of the graph."""

    proto: Any
    kind: str
    place: str
    attributes: dict[str, Any]
    opset: int
    source: str

    @classmethod
    def of(cls, proto: Any, opset: int, source: str) -> Node:
        """Read the operator's attributes; refuse other operator sets than the standard one."""
        import onnx

        kind = str(proto.op_type)
        place = f"node {proto.name or proto.output[0]} ({kind})"
        if proto.domain not in ("", "ai.onnx"):
            raise UnsupportedLayerError(f"{source}: {place} belongs to the operator set {proto.domain}; polylc reads only standard ONNX")
        return cls(proto, kind, place, {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute}, opset, source)

    def get(self, name: str, default: Any) -> Any:
        """An attribute, or its default."""
        return self.attributes.get(name, default)

    def error(self, what: str) -> ModelError:
        """An error at this operator."""
        return ModelError(f"{self.source}: {self.place} {what}")

    def not_linear(self, what: str) -> UnsupportedLayerError:
        """The error for an operator that acts on the input in a way that is not piecewise linear."""
        return UnsupportedLayerError(f"{self.source}: {self.place} {what}, which is not piecewise linear")


Argument = Tensor | np.ndarray | None


def move(array: np.ndarray, node: Node, extra: Sequence[Argument]) -> np.ndarray:
    """Run a shape operator; `extra` are its further arguments (a target shape or axes)."""
    target = None
    if extra and extra[0] is not None:
        if isinstance(extra[0], Tensor):
            raise node.error("takes its shape from the data, which is not supported; export the model with fixed shapes")
        target = [int(d) for d in extra[0].ravel()]
    if node.kind == "Flatten":
        axis = node.get("axis", 1)
        axis = axis + array.ndim if axis < 0 else axis
        return array.reshape(math.prod(array.shape[:axis]), -1)
    if node.kind == "Reshape":
        wanted = target if target is not None else list(node.get("shape", []))
        if not node.get("allowzero", 0):
            wanted = [array.shape[i] if d == 0 else d for i, d in enumerate(wanted)]
        return array.reshape(wanted)
    if node.kind == "Transpose":
        return array.transpose(node.get("perm", None))
    axes = target if target is not None else node.get("axes", None)
    if node.kind == "Squeeze":
        return array.squeeze(None if axes is None else tuple(int(a) for a in axes))
    return np.expand_dims(array, tuple(int(a) for a in axes))


def value_of(node: Node, argument: Argument) -> Tensor:
    if not isinstance(argument, Tensor):
        raise node.error("has a constant where its input should be; the graph is not one that polylc reads")
    return argument


def weight_of(node: Node, arguments: Sequence[Argument], index: int) -> np.ndarray:
    argument = arguments[index] if index < len(arguments) else None
    if not isinstance(argument, np.ndarray):
        raise node.error(f"needs a constant as its argument {index}; weights that depend on the input are not supported")
    return exact_float64(argument, f"{node.source}: {node.place}, its argument {node.proto.input[index]!r}")


def broadcast(node: Node, left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    """The common shape of two arguments, of which those that depend on the input may not be repeated."""
    try:
        shape = np.broadcast_shapes(left, right)
    except ValueError:
        shape = ()
    if math.prod(shape) != math.prod(left):
        raise node.error(f"combines shapes {show(left)} and {show(right)}, which repeats entries; polylc reads only equal shapes")
    return shape


def spread(node: Node, constant: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    try:
        return np.broadcast_to(constant, shape).ravel()
    except ValueError:
        raise node.error(f"has a constant of shape {show(constant.shape)} where {show(shape)} is needed") from None


def show(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "()"


def constant(node: Node, arguments: Sequence[Argument]) -> np.ndarray:
    """Compute an operator whose arguments are all constants."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    arrays = [a for a in arguments if isinstance(a, np.ndarray)]
    if node.kind in MOVES:
        return move(arrays[0], node, arrays[1:])
    if node.kind not in _FOLDED.split():
        raise unsupported(node.source, node.place.rpartition(" (")[0], node.kind)
    graph = onnx.helper.make_graph([node.proto], "constant", [], [onnx.ValueInfoProto(name=node.proto.output[0])])
    graph.input.extend(onnx.ValueInfoProto(name=name) for name in node.proto.input if name)
    evaluator = ReferenceEvaluator(graph, opsets={"": node.opset})
    feeds = {name: a for name, a in zip(node.proto.input, arguments, strict=True) if name}
    return np.asarray(evaluator.run(None, feeds)[0])
