"""Every ONNX operator that is read, drawn with random shapes, attributes, operator sets and weights: what onnxruntime
computes, exactly where all numbers are small integers, and the regions that brute force finds.

A line of DRAWN says how one operator is drawn; an operator without a line fails.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction as F
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from oracles import regions_of_any_network

from polylc.api.certify import certify
from polylc.domains.box import box
from polylc.network.form import Network
from polylc.readers.load import load
from polylc.readers.operators.row import Kind
from polylc.readers.supported import OPERATORS


class Drawn(NamedTuple):
    """One node: its constants after the input x (`left` before it), attributes, the shape of x, and whether results
    are whole numbers.
    """

    constants: dict[str, np.ndarray]
    attributes: dict[str, Any]
    shape: tuple[int, ...]
    whole: bool = True


class Draw:
    """What a line of DRAWN asks for."""

    def __init__(self, data: st.DataObject, opset: int) -> None:
        self.data, self.opset = data, opset

    def int(self, low: int, high: int) -> int:
        return self.data.draw(st.integers(low, high))

    def of(self, *values: Any) -> Any:
        return self.data.draw(st.sampled_from(values))

    def shape(self, low: int = 2, high: int = 4, first: int = 3) -> tuple[int, ...]:
        return tuple(self.int(1, first if i == 0 else 3) for i in range(self.int(low, high)))

    def weights(self, *shape: int, low: int = -4) -> np.ndarray:
        return np.random.default_rng(self.int(0, 2**16)).integers(low, 5, shape).astype(np.float32)

    def ints(self, *values: int) -> np.ndarray:
        return np.array(values, dtype=np.int64)

    def part(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """A shape that broadcasts to another."""
        return tuple(d if self.of(True, False) else 1 for d in shape)[self.int(0, len(shape)) :]

    def axis(self, shape: tuple[int, ...]) -> int:
        return self.int(-len(shape), len(shape) - 1)

    def axes(self, shape: tuple[int, ...]) -> list[int]:
        return self.data.draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, unique=True))


def either(d: Draw, name: str, value: list[int], since: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """A list of numbers, an attribute before an operator set and an input from then on."""
    return ({name: d.ints(*value)}, {}) if d.opset >= since else ({}, {name: value})


def arithmetic(d: Draw) -> Drawn:
    shape = d.shape()
    return Drawn({d.of("left", "b"): d.weights(*d.part(shape))}, {}, shape)


def division(d: Draw) -> Drawn:
    shape = d.shape()
    return Drawn({"b": np.float32(2) ** d.weights(*d.part(shape))}, {}, shape)


def several(d: Draw) -> Drawn:
    shape = d.shape()
    return Drawn({name: d.weights(*d.part(shape)) for name in ("b", "c", "e")[: d.int(0, 3)]}, {}, shape)


def gemm(d: Draw) -> Drawn:
    (rows, inner, columns), a, b = (d.int(1, 4) for _ in range(3)), d.int(0, 1), d.int(0, 1)
    constants = {"b": d.weights(*((columns, inner) if b else (inner, columns)))}
    if (d.opset >= 11 and d.of(True, False)) or d.opset < 11:
        constants["c"] = d.weights(*d.of((), (columns,), (rows, 1), (rows, columns), (1, columns)))
    settings = {"transA": a, "transB": b, "alpha": d.of(1.0, 0.5, -2.0), "beta": d.of(1.0, 2.0, 0.0)}
    return Drawn(constants, settings, (inner, rows) if a else (rows, inner))


def matmul(d: Draw) -> Drawn:
    rows, inner, columns, batch = d.int(1, 3), d.int(1, 3), d.int(1, 3), d.int(1, 2)
    left = d.of((inner,), (rows, inner), (batch, rows, inner), (2, 1, rows, inner))
    right = d.of((inner,), (inner, columns), (batch, inner, columns))
    return Drawn({"b": d.weights(*right)}, {}, left) if d.of(True, False) else Drawn({"left": d.weights(*left)}, {}, right)


def einsum(d: Draw) -> Drawn:
    i, j, k = d.int(1, 3), d.int(1, 3), d.int(1, 3)
    equation, shape, constant = d.of(
        ("ij,jk->ik", (i, j), (j, k)),
        ("bij,jk->bki", (k, i, j), (j, k)),
        ("ij,ij->i", (i, j), (i, j)),
        ("ij,k->kij", (i, j), (k,)),
        ("ij->ji", (i, j), None),
    )
    return Drawn({} if constant is None else {"b": d.weights(*constant)}, {"equation": equation}, shape)


def clip(d: Draw) -> Drawn:
    low, high = sorted((d.int(-9, 9), d.int(-9, 9)))
    if d.opset < 11:
        return Drawn({}, dict(d.of((), (("min", float(low)),), (("min", float(low)), ("max", float(high))))), d.shape())
    bounds = d.of({}, {"low": np.float32(low)}, {"": np.float32(0), "high": np.float32(high)}, {"low": np.float32(low), "high": np.float32(high)})
    return Drawn(bounds, {}, d.shape())


def normalisation(d: Draw) -> Drawn:
    shape = d.shape(2, 4, first=1)
    channels = shape[1]
    statistics = {"s": d.weights(channels), "o": d.weights(channels), "m": d.weights(channels), "v": d.weights(channels, low=1)}
    return Drawn(statistics, {"epsilon": d.of(1e-5, 0.5)}, shape, whole=False)


def prelu(d: Draw) -> Drawn:
    shape = d.shape()
    return Drawn({"s": d.weights(*d.part(shape))}, {}, shape)


def reduction(since: int) -> Callable[[Draw], Drawn]:
    def draw(d: Draw) -> Drawn:
        shape = d.shape()
        constants, settings = either(d, "axes", d.axes(shape), since) if d.of(True, True, False) else ({}, {})
        return Drawn(constants, settings | {"keepdims": d.int(0, 1)}, shape)

    return draw


def cumulative(d: Draw) -> Drawn:
    shape = d.shape()
    return Drawn({"a": np.array(d.axis(shape), np.int64)}, {"exclusive": d.int(0, 1), "reverse": d.int(0, 1)}, shape)


def reshape(d: Draw) -> Drawn:
    shape = d.shape()
    at, keep = d.int(0, len(shape) - 1), d.of(True, False)
    rest = [d_ if d.of(True, False) or not keep else 0 for d_ in shape[:at]]
    return Drawn({"s": d.ints(*rest, -1)}, {}, shape)


def squeeze(d: Draw) -> Drawn:
    shape = (*d.shape(1, 2), 1, *d.shape(0, 1), 1)
    ones = [i for i, size in enumerate(shape) if size == 1]
    some = d.data.draw(st.lists(st.sampled_from(ones), min_size=1, unique=True))
    return Drawn(*either(d, "axes", some, 13), shape)


def unsqueeze(d: Draw) -> Drawn:
    shape = d.shape(1, 3)
    return Drawn(*either(d, "axes", sorted(d.data.draw(st.lists(st.integers(0, len(shape)), min_size=1, max_size=2, unique=True))), 13), shape)


def transpose(d: Draw) -> Drawn:
    shape = d.shape()
    return Drawn({}, {"perm": d.data.draw(st.permutations(range(len(shape))))} if d.of(True, False) else {}, shape)


def concat(d: Draw) -> Drawn:
    shape = d.shape()
    axis = d.axis(shape)
    other = [d.int(1, 3) if i == axis % len(shape) else size for i, size in enumerate(shape)]
    return Drawn({d.of("left", "b"): d.weights(*other)}, {"axis": axis}, shape)


def slices(d: Draw) -> Drawn:
    shape = d.shape()
    axes = d.axes(shape)
    if d.opset < 10:
        starts = [d.int(-shape[a], shape[a] - 1) for a in axes]
        return Drawn({}, {"starts": starts, "ends": [d.of(100, s + 1 or 100) for s in starts], "axes": axes}, shape)
    steps = [d.of(1, 2, -1, -2) for _ in axes]
    starts = [d.of(0, -shape[a]) if t > 0 else d.of(-1, 100) for a, t in zip(axes, steps, strict=True)]
    ends = [d.of(shape[a], 100) if t > 0 else -100 for a, t in zip(axes, steps, strict=True)]
    return Drawn({"b": d.ints(*starts), "e": d.ints(*ends), "a": d.ints(*axes), "t": d.ints(*steps)}, {}, shape)


def gather(d: Draw) -> Drawn:
    shape = d.shape()
    axis = d.axis(shape)
    places = np.random.default_rng(d.int(0, 99)).integers(-shape[axis] if d.opset >= 11 else 0, shape[axis], d.shape(0, 2))
    return Drawn({"i": places}, {"axis": axis}, shape)


def gather_elements(d: Draw) -> Drawn:
    shape = d.shape()
    axis = d.axis(shape)
    return Drawn({"i": np.random.default_rng(d.int(0, 99)).integers(-shape[axis], shape[axis], shape)}, {"axis": axis}, shape)


def gather_points(d: Draw) -> Drawn:
    shape = d.shape(2, 3)
    depth = d.int(1, len(shape))
    rows = np.stack([np.random.default_rng(d.int(0, 99)).integers(0, size, d.int(1, 1) + 2) for size in shape[:depth]], axis=1)
    return Drawn({"i": rows}, {}, shape)


def expand(d: Draw) -> Drawn:
    shape = d.shape(2, 3)
    return Drawn({"s": d.ints(*([2] * d.int(0, 1)), *(d.int(1, 3) if size == 1 else size for size in shape))}, {}, shape)


def tile(d: Draw) -> Drawn:
    shape = d.shape()
    return Drawn({"n": d.ints(*(d.int(1, 3) for _ in shape))}, {}, shape)


def choice(d: Draw) -> Drawn:
    shape = d.shape()
    return Drawn({"left": d.weights(*d.part(shape)) > 0, "b": d.weights(*d.part(shape))}, {}, shape)


def padding(d: Draw) -> Drawn:
    shape = d.shape(2, 4)
    mode = d.of("constant", "reflect", "edge", *(["wrap"] if d.opset >= 19 else []))
    least = {"constant": 0, "edge": 0, "reflect": 0, "wrap": 0}[mode]
    pads = [d.int(least, min(2, size - 1) if mode in ("reflect", "wrap") else 2) for size in (*shape, *shape)]
    if d.opset < 11:
        return Drawn({}, {"mode": mode, "pads": pads} | ({"value": float(d.int(-3, 3))} if mode == "constant" else {}), shape)
    return Drawn({"p": d.ints(*pads)} | ({"v": np.float32(d.int(-3, 3))} if mode == "constant" and d.of(True, False) else {}), {"mode": mode}, shape)


def resize(d: Draw) -> Drawn:
    shape = (1, d.int(1, 2), d.int(1, 4), d.int(1, 4))
    factors = [d.of(1, 2, 3, 1.5, *([0.5] if size > 1 else [])) for size in shape[2:]]
    scales = np.array([1, 1, *factors], np.float32)
    if d.opset < 11:
        return Drawn({"f": scales}, {"mode": "nearest"}, shape)
    how = {"coordinate_transformation_mode": d.of("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel")}
    nearest = {"nearest_mode": d.of("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")}
    if d.of(True, False):
        sizes = d.ints(*shape[:2], d.int(1, 6), d.int(1, 6))
        return Drawn({"r": np.zeros(0, np.float32), "f": np.zeros(0, np.float32), "z": sizes}, {"mode": "nearest"} | how | nearest, shape)
    return Drawn({"r": np.zeros(0, np.float32), "f": scales}, {"mode": "nearest"} | how | nearest, shape)


def depth(d: Draw) -> Drawn:
    return Drawn({}, {"blocksize": 2} | ({"mode": d.of("DCR", "CRD")} if d.opset >= 11 else {}), (1, 4 * d.int(1, 2), d.int(1, 3), d.int(1, 3)))


def split(d: Draw) -> Drawn:
    shape = d.shape()
    axis = d.axis(shape) if d.opset >= 11 else d.int(0, len(shape) - 1)
    constants, settings = either(d, "split", [shape[axis]], 13)
    return Drawn(constants, settings | {"axis": axis}, shape)


def plain(**attributes: Callable[[Draw], Any]) -> Callable[[Draw], Drawn]:
    return lambda d: Drawn({}, {name: value(d) for name, value in attributes.items()}, d.shape())


def image(pool: bool, window: bool = True) -> Callable[[Draw], Drawn]:
    def draw(d: Draw) -> Drawn:
        sizes = (d.int(2, 5), d.int(2, 5))
        kernel = [d.int(1, min(3, s)) for s in sizes]
        settings = {"kernel_shape": kernel, "strides": [d.int(1, 2), d.int(1, 2)], "pads": [d.int(0, k // 2) for k in (*kernel, *kernel)]}
        channels = d.int(1, 2)
        constants = {} if pool else {"w": d.weights(*((d.int(1, 2), channels, *kernel)))}
        return Drawn(constants, settings if window else {}, (1, channels, *sizes), whole=not pool)

    return draw


def transposed(d: Draw) -> Drawn:
    kernel, stride = [d.int(1, 3), d.int(1, 3)], [d.int(1, 2), d.int(1, 2)]
    pads = [d.int(0, k // 2) for k in (*kernel, *kernel)]
    return Drawn({"w": d.weights(2, d.int(1, 2), *kernel)}, {"strides": stride, "pads": pads}, (1, 2, d.int(2, 4), d.int(2, 4)))


# the operator type, how it is drawn, the operator sets in which onnxruntime has it
DRAWN: dict[str, tuple[Callable[[Draw], Drawn], int, int]] = {
    "Gemm": (gemm, 7, 21),
    "MatMul": (matmul, 7, 21),
    **dict.fromkeys(("Add", "Sub", "Mul"), (arithmetic, 7, 21)),
    "Div": (division, 7, 21),
    "Neg": (plain(), 7, 21),
    **dict.fromkeys(("Sum", "Max", "Min"), (several, 8, 21)),
    "Mean": (lambda d: several(d)._replace(whole=False), 8, 21),
    "Einsum": (einsum, 12, 21),
    "Conv": (image(pool=False), 7, 21),
    "ConvTranspose": (transposed, 7, 21),
    "AveragePool": (image(pool=True), 7, 18),
    "MaxPool": (image(pool=True), 7, 21),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), (image(pool=True, window=False), 7, 21)),
    "BatchNormalization": (normalisation, 7, 21),
    **dict.fromkeys(("Relu", "Abs", "Identity", "Flatten"), (plain(), 7, 21)),
    "LeakyRelu": (plain(alpha=lambda d: d.of(0.5, -1.0, 2.0)), 7, 21),
    "HardSigmoid": (plain(alpha=lambda d: d.of(0.25, 1.0), beta=lambda d: d.of(0.5, 0.0)), 7, 21),
    "Shrink": (lambda d: Drawn({}, dict.fromkeys(("lambd", "bias"), float(d.int(0, 3))), d.shape()), 9, 21),
    "ThresholdedRelu": (plain(alpha=lambda _: 0.0), 10, 21),
    "Clip": (clip, 7, 21),
    "PRelu": (prelu, 7, 21),
    "ReduceSum": (reduction(13), 7, 21),
    **dict.fromkeys(("ReduceMax", "ReduceMin"), (reduction(18), 7, 17)),
    "ReduceMean": (lambda d: reduction(18)(d)._replace(whole=False), 7, 21),
    "CumSum": (cumulative, 11, 21),
    "Reshape": (reshape, 7, 21),
    "Squeeze": (squeeze, 7, 21),
    "Unsqueeze": (unsqueeze, 7, 21),
    "Transpose": (transpose, 7, 21),
    "Dropout": (plain(), 7, 21),
    "Cast": (plain(to=lambda _: TensorProto.FLOAT), 7, 21),
    "Concat": (concat, 7, 21),
    "Split": (split, 7, 17),
    "Slice": (slices, 7, 21),
    "Gather": (gather, 7, 21),
    "GatherElements": (gather_elements, 11, 21),
    "GatherND": (gather_points, 12, 21),
    "Expand": (expand, 8, 21),
    "Tile": (tile, 7, 21),
    "Where": (choice, 9, 21),
    "Pad": (padding, 7, 21),
    "Resize": (resize, 10, 18),
    "Upsample": (lambda d: resize(d)._replace(constants={"f": np.array([1, 1, 2, d.of(1, 3)], np.float32)}, attributes={"mode": "nearest"}), 9, 9),
    "DepthToSpace": (depth, 7, 21),
    "SpaceToDepth": (lambda d: Drawn({}, {"blocksize": 2}, (1, d.int(1, 2), 2 * d.int(1, 2), 2 * d.int(1, 2))), 7, 21),
}
ALONE = {"Softmax", "LogSoftmax"}  # stripped at the end: test_operators.py


def test_every_operator_is_drawn() -> None:
    rows = [row for row in OPERATORS if row.lower is not None and row.kind not in (Kind.CONSTANT, Kind.CONDITION)]  # test_choices.py
    names = {spelling.name for row in rows for spelling in row.spellings("onnx")}
    assert names - set(DRAWN) <= ALONE


def model_of(kind: str, drawn: Drawn, opset: int, before: np.ndarray | None = None) -> onnx.ModelProto:
    """The node alone, or after x @ before."""
    first = "h" if before is not None else "x"
    constants = drawn.constants
    names = ["left", first, *(n for n in constants if n != "left")] if "left" in constants else [first, *constants]
    nodes, weights = [helper.make_node(kind, names, ["y"], **drawn.attributes)], {n: np.asarray(a) for n, a in constants.items() if n}
    shape = drawn.shape
    if before is not None:
        nodes = [helper.make_node("MatMul", ["x", "before"], ["m"]), helper.make_node("Reshape", ["m", "shape"], ["h"]), *nodes]
        weights |= {"before": before, "shape": np.array(shape, np.int64)}
        shape = (1, len(before))
    values = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape), helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "graph", values[:1], values[1:], [numpy_helper.from_array(a, n) for n, a in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def read(model: onnx.ModelProto, folder: Any) -> Network:
    onnx.save(model, folder / "net.onnx")
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    return load(folder / "net.onnx", input_shape=tuple(shape))


def outputs(model: onnx.ModelProto, points: np.ndarray, plain: bool = False) -> np.ndarray:
    """By onnxruntime, or without its rewriting of graphs, which rounds the input of quantised products to integers."""
    options = onnxruntime.SessionOptions()
    if plain:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.stack([session.run(None, {"x": point})[0].ravel() for point in points])


@pytest.mark.parametrize("kind", DRAWN)
@settings(max_examples=12, derandomize=True)
@given(data=st.data())
def test_what_onnxruntime_computes(kind: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    how, first, last = DRAWN[kind]
    d = Draw(data, data.draw(st.integers(first, last)))
    drawn = how(d)
    model = model_of(kind, drawn, d.opset)
    points = np.random.default_rng(d.int(0, 2**16)).integers(-9, 10, (4, *drawn.shape)).astype(np.float32)
    wanted = outputs(model, points)
    got = read(model, tmp_path_factory.getbasetemp())(points.reshape(4, -1).astype(np.float64))
    if drawn.whole:
        np.testing.assert_array_equal(got, wanted)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-6 * max(1.0, float(np.abs(wanted).max(initial=0))))


@settings(max_examples=40, derandomize=True)
@given(data=st.data())
def test_dequantised_weights(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Integers with a scale and a zero point for all, for each index of an axis, or for each block along one."""
    d = Draw(data, data.draw(st.integers(10, 21)))
    kind = d.of(np.int8, np.uint8)
    shape, rng = (d.int(1, 4), d.of(2, 4)), np.random.default_rng(d.int(0, 2**16))
    axis = d.int(-2, 1)
    how = d.of("one", *(["each"] if d.opset >= 13 else []), *(["block"] if d.opset >= 21 else []))
    sizes = {"one": (), "each": (shape[axis],), "block": (shape[0], shape[1] // 2)}[how]
    settings_ = {"one": {}, "each": {"axis": axis}, "block": {"axis": 1, "block_size": 2}}[how]
    weights = {"q": rng.integers(-9, 10, shape).astype(kind) if kind is np.int8 else rng.integers(0, 20, shape).astype(kind)}
    weights["scale"] = (2.0 ** rng.integers(-3, 4, sizes)).astype(np.float32)
    if d.of(True, False):
        weights["zero"] = rng.integers(0, 9, sizes).astype(kind)
    nodes = [helper.make_node("DequantizeLinear", list(weights), ["w"], **settings_), helper.make_node("MatMul", ["x", "w"], ["y"])]
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", (1, shape[0])), ("y", None))]
    graph = helper.make_graph(nodes, "graph", values[:1], values[1:], [numpy_helper.from_array(np.asarray(a), n) for n, a in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", d.opset)], ir_version=10)
    points = rng.integers(-9, 10, (4, 1, shape[0])).astype(np.float32)
    network = read(model, tmp_path_factory.getbasetemp())
    np.testing.assert_array_equal(network(points.reshape(4, -1).astype(np.float64)), outputs(model, points, plain=True))
    assert not any("constant computed" in line for line in network.log)


BENT = {spelling.name for row in OPERATORS if row.kind is Kind.PIECEWISE_LINEAR for spelling in row.spellings("onnx")}


@pytest.mark.parametrize("kind", sorted(BENT & set(DRAWN)))
@settings(max_examples=3, derandomize=True)
@given(data=st.data())
def test_regions_are_those_of_brute_force(kind: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    how, first, last = DRAWN[kind]
    d = Draw(data, data.draw(st.integers(first, last)))
    drawn = how(d)
    size = math.prod(drawn.shape)
    before = np.random.default_rng(d.int(0, 2**16)).integers(-3, 4, (2, size)).astype(np.float32)
    network = read(model_of(kind, drawn, d.opset, before), tmp_path_factory.getbasetemp())
    if network.neurons > 7:  # too many patterns
        return
    run = certify(network, box=([F(-3, 2), -1], [1, F(5, 4)]), measures="counts", engine="lp")
    assert run[0].regions == len(regions_of_any_network(network, box([F(-3, 2), -1], [1, F(5, 4)])))
