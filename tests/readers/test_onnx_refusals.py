"""What is refused of ONNX: each line names the operator, the node, the reason, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from polylc.errors import ModelError
from polylc.readers.load import load

SMOOTH, JUMPS, LATER = "is not piecewise linear", "discontinuous", "is not supported"
ONE = np.float32(1)
W = np.ones((1, 1, 2, 2), np.float32)
# operator, constants and values after x ("x" is the value again), attributes, shape of x, the reason
REFUSED: list[tuple[str, list[Any], dict[str, Any], tuple[int, ...], str]] = [
    ("Sigmoid", [], {}, (1, 4), SMOOTH),
    ("Tanh", [], {}, (1, 4), SMOOTH),
    ("Exp", [], {}, (1, 4), SMOOTH),
    ("Sqrt", [], {}, (1, 4), SMOOTH),
    ("Pow", [np.float32(2)], {}, (1, 4), SMOOTH),
    ("Elu", [], {}, (1, 4), SMOOTH),
    ("HardSwish", [], {}, (1, 4), SMOOTH),
    ("LayerNormalization", [np.ones(4, np.float32)], {}, (1, 4), SMOOTH),
    ("LRN", [], {"size": 3}, (1, 2, 4, 4), SMOOTH),
    ("ReduceL2", [], {}, (1, 4), SMOOTH),
    ("ReduceProd", [], {}, (1, 4), SMOOTH),
    ("Mul", ["x"], {}, (1, 4), SMOOTH),
    ("Div", ["x"], {}, (1, 4), SMOOTH),
    ("MatMul", ["x"], {}, (2, 2), SMOOTH),
    ("Sign", [], {}, (1, 4), JUMPS),
    ("Floor", [], {}, (1, 4), JUMPS),
    ("Round", [], {}, (1, 4), JUMPS),
    ("Greater", [ONE], {}, (1, 4), JUMPS),
    ("ArgMax", [], {}, (1, 4), JUMPS),
    ("Shrink", [], {"lambd": 1.0, "bias": 0.5}, (1, 4), JUMPS),
    ("ThresholdedRelu", [], {"alpha": 1.0}, (1, 4), JUMPS),
    ("Resize", [np.zeros(0, np.float32), np.array([1, 1, 2, 2], np.float32)], {"mode": "cubic"}, (1, 1, 2, 2), LATER),
    ("AveragePool", [], {"kernel_shape": [2, 2], "ceil_mode": 1, "strides": [2, 2]}, (1, 1, 3, 3), "only full windows"),
    ("Conv", [W], {}, (1, 3, 4, 4), "expects 1 channels but gets 3"),
    ("Gather", ["x"], {}, (1, 4), "takes a shape, indices or a condition from the data, which is not supported; fix them in the model"),
    ("Reshape", ["x"], {}, (1, 4), "takes a shape, indices or a condition from the data, which is not supported; fix them in the model"),
    ("Clip", [np.float32(2), np.float32(1)], {}, (1, 4), "the lower one above the upper one; exchange them"),
    ("Add", [np.ones((3, 5), np.float32)], {}, (1, 4), "combines shapes 1x4 and 3x5, which do not fit"),
    ("Div", [np.zeros(4, np.float32)], {}, (1, 4), "divides by zero"),
    ("Gemm", [np.ones((5, 2), np.float32)], {}, (1, 4), "which do not fit"),
]


@pytest.mark.parametrize(("kind", "others", "attributes", "shape", "reason"), REFUSED, ids=lambda v: v if isinstance(v, str) else "")
def test_refusals_name_operator_node_and_reason_in_one_line(
    kind: str, others: list[Any], attributes: dict[str, Any], shape: tuple[int, ...], reason: str, tmp_path: Path
) -> None:
    names = ["x", *(o if isinstance(o, str) else f"c{i}" for i, o in enumerate(others))]
    weights = [numpy_helper.from_array(np.asarray(o), f"c{i}") for i, o in enumerate(others) if not isinstance(o, str)]
    values = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape), helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph([helper.make_node(kind, names, ["y"], name="here", **attributes)], "graph", values[:1], values[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "net.onnx")
    with pytest.raises(ModelError) as error:
        load(tmp_path / "net.onnx", input_shape=shape)
    line = str(error.value)
    assert "\n" not in line
    assert f"net.onnx: node here ({kind}) " in line
    assert reason in line
    if reason in (SMOOTH, JUMPS, LATER) and not others and not attributes:
        assert ";" in line  # and what to do
