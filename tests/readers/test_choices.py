"""Choices by a comparison of data: units that models write by hand, beside onnxruntime and torch, and jumps refused."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from oracles import regions_of_any_network
from torch import nn
from torch.nn import functional

import polylc
from polylc.api.certify import certify
from polylc.domains.box import box
from polylc.errors import ModelError, UnsupportedLayerError
from polylc.network.form import Network
from polylc.readers.load import load
from polylc.search.prove import Answer

Nodes = list[onnx.NodeProto]
node = helper.make_node


def model(nodes: Nodes, constants: dict[str, Any], shape: tuple[int, ...], opset: int = 17) -> onnx.ModelProto:
    """A graph from x to y."""
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", shape), ("y", None))]
    weights = [numpy_helper.from_array(np.asarray(a), n) for n, a in constants.items()]
    graph = helper.make_graph(nodes, "graph", values[:1], values[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def read(graph: onnx.ModelProto, folder: Path) -> Network:
    onnx.save(graph, folder / "net.onnx")
    return load(folder / "net.onnx")


def outputs(graph: onnx.ModelProto, points: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"x": point[None]})[0] for point in points])


def drawn(data: st.DataObject, width: int, before: np.ndarray) -> onnx.ModelProto:
    """x @ before, then slopes and a threshold of chance, in one of the ways in which graphs are written: the two sides
    meet at the threshold, exactly.
    """
    opset = data.draw(st.integers(9, 21))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    whole = data.draw(st.booleans())
    slopes = rng.integers(-3, 4, (2, width)).astype(np.float32) if whole else rng.normal(size=(2, width)).astype(np.float32)
    at = data.draw(st.sampled_from([0.0, 1.0, -0.5]))
    kinds = ["Greater", "Less", *(["GreaterOrEqual", "LessOrEqual"] if opset >= 12 else [])]
    kind = data.draw(st.sampled_from(kinds))
    nodes, constants = [node("MatMul", ["x", "before"], ["h"])], {"before": before, "at": np.float32(at), "a": slopes[0], "b": slopes[1]}
    shifted = "h"
    if at:  # multiples of h - at
        nodes.append(node("Sub", ["h", "at"], ["d"]))
        shifted = "d"
    compare = data.draw(st.sampled_from(["threshold", "turned round", "zero"]))
    if compare == "zero":
        constants["zero"] = np.float32(0)
        nodes.append(node(kind, [shifted, "zero"], ["c"]))
    else:
        nodes.append(node(kind, ["h", "at"] if compare == "threshold" else ["at", "h"], ["c"]))
    condition = "c"
    if data.draw(st.booleans()):
        nodes.append(node("Cast", ["c"], ["truth"], to=TensorProto.BOOL))
        condition = "truth"
    if data.draw(st.booleans()):
        nodes.append(node("Not", [condition], ["other"]))
        condition = "other"
    nodes += [node("Mul", [shifted, "a"], ["u"]), node("Mul", ["b", shifted], ["v"]), node("Where", [condition, "u", "v"], ["y"])]
    return model(nodes, constants, (1, len(before)), opset)


@settings(max_examples=60, derandomize=True)
@given(data=st.data())
def test_units_written_by_hand_are_what_onnxruntime_computes(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    width = data.draw(st.integers(1, 4))
    before = np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=(3, width)).astype(np.float32)
    graph = drawn(data, width, before)
    points = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    wanted = outputs(graph, points)
    network = read(graph, tmp_path_factory.getbasetemp())
    np.testing.assert_allclose(network(points.astype(np.float64)), wanted, rtol=0, atol=2e-6 * max(1.0, float(np.abs(wanted).max())))
    assert network.neurons <= width


@settings(max_examples=15, derandomize=True)
@given(data=st.data())
def test_regions_are_those_of_brute_force(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    before = np.random.default_rng(data.draw(st.integers(0, 99))).integers(-3, 4, (2, 3)).astype(np.float32)
    network = read(drawn(data, 3, before), tmp_path_factory.getbasetemp())
    domain = ([F(-3, 2), -1], [1, F(5, 4)])
    assert certify(network, box=domain, measures="counts")[0].regions == len(regions_of_any_network(network, box(*domain)))


ZERO, TWO, HALF = np.float32(0), np.float32(2), np.float32(0.5)
CONSTANTS = {"zero": ZERO, "two": TWO, "half": HALF, "three": np.float32(3), "one": np.float32(1), "four": np.full((4, 3), 2, np.float32)}
GREATER = node("Greater", ["x", "zero"], ["c"], name="compared")


@pytest.mark.parametrize(
    ("nodes", "wanted", "neurons"),
    [
        ([GREATER, node("Where", ["c", "x", "zero"], ["y"])], lambda x: np.maximum(x, 0), 3),
        ([node("Neg", ["x"], ["n"]), node("Greater", ["n", "x"], ["c"]), node("Where", ["c", "n", "x"], ["y"])], np.abs, 3),
        ([node("Less", ["x", "two"], ["c"]), node("Where", ["c", "x", "two"], ["y"])], lambda x: np.minimum(x, 2), 3),
        ([node("Neg", ["x"], ["n"]), node("Less", ["n", "x"], ["c"]), node("Where", ["c", "n", "x"], ["y"])], lambda x: -np.abs(x), 3),
        (  # written twice
            [
                *(node("Mul", ["x", "half"], [name]) for name in ("one_", "two_")),
                node("Greater", ["one_", "zero"], ["c"]),
                node("Where", ["c", "two_", "x"], ["y"]),
            ],
            lambda x: np.where(x > 0, 0.5 * x, x),
            3,
        ),
        (  # a third is no double
            [node("Div", ["x", "three"], ["d"]), node("Greater", ["x", "three"], ["c"]), node("Where", ["c", "d", "one"], ["y"])],
            lambda x: np.maximum(x / 3, 1),
            3,
        ),
        ([GREATER, node("Where", ["c", "x", "x"], ["y"])], lambda x: x, 0),
        ([GREATER, node("Where", ["c", "x", "zero"], ["h"]), node("Where", ["c", "h", "x"], ["y"])], None, 0),
    ],
)
def test_sides_that_meet(nodes: Nodes, wanted: Callable[[np.ndarray], np.ndarray] | None, neurons: int, tmp_path: Path) -> None:
    if wanted is None:  # a unit of x, and x: not seen to meet
        with pytest.raises(ModelError, match=r"between values of which polylc cannot see that they meet .*; write it with ReLU units or maxima"):
            read(model(nodes, CONSTANTS, (1, 3)), tmp_path)
        return
    network = read(model(nodes, CONSTANTS, (1, 3)), tmp_path)
    points = np.random.default_rng(1).normal(size=(9, 3))
    np.testing.assert_allclose(network(points), wanted(points), rtol=0, atol=1e-15)
    assert network.neurons == neurons


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        (
            [GREATER, node("Where", ["c", "x", "two"], ["y"], name="w")],
            "node w (Where) jumps from 2 to 0 where the outcome of node compared (Greater)",
        ),
        ([GREATER, node("Cast", ["c"], ["t"], to=TensorProto.FLOAT), node("Mul", ["t", "x"], ["y"])], "node compared (Greater) is discontinuous; "),
        ([GREATER, node("Where", ["c", "two", "x"], ["h"]), node("Cast", ["c"], ["y"], to=TensorProto.FLOAT)], "(Greater) is discontinuous; "),
        ([GREATER, node("Identity", ["c"], ["y"])], "node compared (Greater) is discontinuous; compare the outputs outside the model"),
        ([node("Equal", ["x", "zero"], ["c"], name="e"), node("Where", ["c", "x", "zero"], ["y"])], "node e (Equal) is discontinuous; "),
        ([node("Greater", ["x", "four"], ["c"]), node("Where", ["c", "x", "four"], ["y"])], "combines shapes 4x3 and 1x3 in a choice by the data"),
        (
            [node("Mul", ["x", "zero"], ["o"]), node("Greater", ["o", "zero"], ["c"], name="g"), node("Where", ["c", "x", "o"], ["y"])],
            "chooses by node g (Greater), which compares constants in some entries",
        ),
    ],
)
def test_jumps_and_what_is_not_seen_to_meet_are_refused(nodes: Nodes, said: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as error:
        read(model(nodes, CONSTANTS, (1, 3)), tmp_path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@given(at=st.floats(0.125, 8.0, width=32), steps=st.sampled_from([0, 1, -1]))
def test_a_last_bit_is_a_jump(at: float, steps: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """x > t ? x : t', read only if t' is t."""
    other = np.nextafter(np.float32(at), np.float32(np.inf * steps)) if steps else np.float32(at)
    nodes = [node("Greater", ["x", "t"], ["c"]), node("Where", ["c", "x", "u"], ["y"])]
    graph = model(nodes, {"t": np.float32(at), "u": other}, (1, 2))
    if steps:
        with pytest.raises(UnsupportedLayerError, match="which is discontinuous"):
            read(graph, tmp_path_factory.getbasetemp())
    else:
        points = np.random.default_rng(0).normal(size=(9, 2)) * 9
        np.testing.assert_allclose(read(graph, tmp_path_factory.getbasetemp())(points), np.maximum(points, at), rtol=0, atol=1e-14)


class Applied(nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.first, self.function = nn.Linear(3, 4), function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(self.first(x))


BY_HAND: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "leaky": lambda x: torch.where(x > 0, x, 0.1 * x),
    "steeper": lambda x: torch.where(x > 0, 2 * x, x),
    "from below": lambda x: torch.where(x <= 1, x, 1.0),
    "a method": lambda x: x.where(x.ge(0), -0.3 * x),
    "the opposite": lambda x: torch.where(torch.logical_not(x.lt(0)), x, 0.25 * x),
    "absolute": lambda x: torch.where(torch.gt(x, -x), x, -x),
    "hinge": lambda x: torch.where(x - 1 >= 0, 2 * x - 2, 0.5 * x - 0.5),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_what_torch_computes(name: str) -> None:
    module = Applied(BY_HAND[name]).double()
    points = torch.randn(30, 3, dtype=torch.float64)
    program = torch.export.export(module, (points[:1],))
    for network in (load(module, input_shape=(3,)), load(program)):
        np.testing.assert_allclose(network(points.numpy()), module(points).detach().numpy(), rtol=0, atol=1e-14)
        assert network.neurons == 4


@pytest.mark.parametrize(
    ("function", "wording"),
    [
        (lambda x: torch.where(x > 1, x, 2 * x), r"\(where\) jumps from 2 to 1 where the outcome of step gt \(gt\) changes, which is discontinuous"),
        (lambda x: (x > 0) * x, r"step gt \(gt\) is discontinuous, and step mul \(mul\) takes its outcome; compare the outputs outside"),
        (lambda x: x > 0, r"step gt \(gt\) is discontinuous"),
        (lambda x: torch.where(x > 0, x, functional.relu(x) + x.flip(-1)), "cannot see that they meet"),
    ],
)
def test_what_jumps_in_torch_is_refused(function: Callable[[torch.Tensor], torch.Tensor], wording: str) -> None:
    with pytest.raises(ModelError, match=wording):
        load(Applied(function), input_shape=(3,))


@pytest.mark.parametrize("opset", [11, 13, 17])
def test_what_torch_exports(opset: int, tmp_path: Path) -> None:
    module = nn.Sequential(Applied(BY_HAND["leaky"]), nn.Linear(4, 2))
    torch.onnx.export(module, (torch.zeros(1, 3),), tmp_path / "net.onnx", opset_version=opset, dynamo=False)
    points = torch.randn(30, 3)
    network = load(tmp_path / "net.onnx")
    np.testing.assert_allclose(network(points.double().numpy()), module(points).detach().numpy(), rtol=0, atol=1e-5)
    assert network.widths == (4,)


def test_nothing_is_said_of_choices_in_floating_point(tmp_path: Path) -> None:
    """Rounding may turn the comparison round; over the real numbers the answer stands."""
    onnx.save(model([GREATER, node("Where", ["c", "x", "zero"], ["y"])], CONSTANTS, (1, 3)), tmp_path / "net.onnx")
    rows = "".join(f"(declare-const X_{i} Real)(declare-const Y_{i} Real)(assert (>= X_{i} -1.0))(assert (<= X_{i} 1.0))" for i in range(3))
    (tmp_path / "q.vnnlib").write_text(f"{rows}(assert (<= Y_0 -1.0))")
    found = {how: polylc.verify(tmp_path / "q.vnnlib", tmp_path / "net.onnx", semantics=how) for how in ("real", "float32")}
    assert found["real"].result is Answer.UNSAT
    assert found["float32"].result is Answer.UNKNOWN
    assert "chooses by a comparison of data" in found["float32"].note
