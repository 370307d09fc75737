"""ONNX operators carried out on arrays: constants on the way, and changes of shape on the numbers of entries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from polylc.readers.supported import ONNX


def evaluate(proto: Any, attributes: dict[str, Any], arrays: Sequence[np.ndarray | None], opset: int) -> np.ndarray:
    """The first output of an operator whose arguments are all arrays."""
    kind = str(proto.op_type)
    if kind in _AT_ONCE:
        return _at_once(kind, attributes, [a for a in arrays if a is not None])
    import onnx
    from onnx.reference import ReferenceEvaluator

    graph = onnx.helper.make_graph([proto], "constant", [], [onnx.ValueInfoProto(name=proto.output[0])])
    graph.input.extend(onnx.ValueInfoProto(name=name) for name in proto.input if name)
    evaluator = ReferenceEvaluator(graph, opsets={"": opset})
    feeds = {name: a for name, a in zip(proto.input, arrays, strict=True) if name}
    return np.asarray(evaluator.run(None, feeds)[0])


def is_folded(kind: str) -> bool:
    """Whether an operator on constants is computed."""
    return kind in ONNX and ONNX[kind][0].folded


# most models have these, and the reference evaluator takes a third of a second to import
_AT_ONCE = frozenset(["Flatten", "Reshape", "Shape", "Squeeze", "Transpose", "Unsqueeze"])


def _at_once(kind: str, attributes: dict[str, Any], arrays: Sequence[np.ndarray]) -> np.ndarray:
    array = arrays[0]
    if kind == "Shape":
        return np.array(array.shape, dtype=np.int64)[attributes.get("start", 0) : attributes.get("end")]
    if kind == "Flatten":
        axis = attributes.get("axis", 1)
        axis = axis + array.ndim if axis < 0 else axis
        return array.reshape(math.prod(array.shape[:axis]), -1)
    if kind == "Transpose":
        return array.transpose(attributes.get("perm"))
    # a target shape or axes: an argument, in older operator sets an attribute
    target = [int(d) for d in arrays[1].ravel()] if len(arrays) > 1 else attributes.get("shape" if kind == "Reshape" else "axes")
    if kind == "Reshape":
        wanted = list(target or [])
        if not attributes.get("allowzero", 0):
            wanted = [array.shape[i] if d == 0 else d for i, d in enumerate(wanted)]
        return array.reshape(wanted)
    axes = None if target is None else tuple(int(a) for a in target)
    if kind == "Squeeze":
        return array.squeeze(axes)
    if axes is None:
        raise ValueError("Unsqueeze needs axes")
    return np.expand_dims(array, axes)
