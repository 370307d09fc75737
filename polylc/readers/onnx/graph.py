"""One operator of an ONNX graph at a time: looked up in the table, then computed, lowered or refused."""

from __future__ import annotations

import numpy as np

from polylc.network.builder import Value
from polylc.readers.onnx.evaluate import is_folded
from polylc.readers.onnx.node import Node
from polylc.readers.operators.call import Stripped
from polylc.readers.supported import ONNX, not_folded, softmax_inside, unsupported

Result = Value | Stripped | np.ndarray


def lower_node(node: Node) -> Result:
    """The first output of an operator: a value if any argument is one, else a constant.

    Raises
    ------
    UnsupportedLayerError
        If the operator is not piecewise linear or not supported.
    """
    source = node.builder.source
    if not node.depends_on_input:
        if is_folded(node.kind):
            return node.compute()
        raise not_folded(source, node.name, node.kind)
    row = ONNX[node.kind][0] if node.kind in ONNX else None
    if row is None or row.lower is None:
        raise unsupported(source, node.name, node.kind, "onnx")
    stripped = next((a for a in node.inputs if isinstance(a, Stripped)), None)
    if stripped and not row.after_softmax:
        raise softmax_inside(source, stripped.name)
    result = row.lower(node)
    assert isinstance(result, Result)
    return Stripped(result, stripped.kind, stripped.name) if stripped and isinstance(result, Value) else result
