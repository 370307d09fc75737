"""ONNX graphs built here: the network must compute what onnxruntime computes, or refuse by operator and node."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from polylc.errors import ModelError, UnsupportedLayerError
from polylc.network.form import Network
from polylc.readers import load as readers

DATA = Path(__file__).parents[1] / "data"
RANDOM = np.random.default_rng(7)


def floats(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


def node(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, list(inputs), [output], name=f"the_{output}", **attributes)


def model(
    nodes: Sequence[onnx.NodeProto], weights: dict[str, np.ndarray], shape: Sequence[int | str | None] | None, opset: int = 17
) -> onnx.ModelProto:
    """A graph from x to y."""
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def load(folder: Path, proto: onnx.ModelProto, **options: Any) -> Network:
    path = folder / "net.onnx"
    path.write_bytes(proto.SerializeToString())
    return readers.load(path, **options)


def assert_same(network: Network, content: bytes, shape: Sequence[int], scale: float = 1.0) -> None:
    """Agreement with onnxruntime up to its single precision."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    for _ in range(10):
        x = floats(*shape) * np.float32(scale)
        wanted = session.run(None, {name: x})[0].ravel()
        got = network(x.astype(np.float64).ravel())
        assert got.shape == wanted.shape
        assert np.abs(got - wanted).max() <= 2e-5 * max(1.0, np.abs(wanted).max())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("onnx")


def check(folder: Path, nodes: Sequence[onnx.NodeProto], weights: dict[str, np.ndarray], shape: Sequence[int], opset: int = 17) -> Network:
    proto = model(nodes, weights, shape, opset)
    network = load(folder, proto)
    assert_same(network, proto.SerializeToString(), shape)
    return network


# ---- real files ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("name", "shape"), [("acasxu_1_1.onnx", (1, 1, 1, 5)), ("moons2d.onnx", (1, 2))])
def test_real_files(name: str, shape: tuple[int, ...]) -> None:
    network = readers.load(DATA / name)
    assert_same(network, (DATA / name).read_bytes(), shape)
    assert network.widths == ((50,) * 6 if "acas" in name else (32, 32))
    assert network.log == ()  # every weight is taken as it is


# ---- affine operators ------------------------------------------------------------------------------------------
@settings(max_examples=25, deadline=None)
@given(
    trans_b=st.booleans(),
    alpha=st.sampled_from([1.0, 0.5, -3.0]),
    beta=st.sampled_from([1.0, 2.0]),
    bias=st.sampled_from([None, (4,), (1, 4), (1,), ()]),
    column=st.booleans(),
)
def test_gemm(folder: Path, trans_b: bool, alpha: float, beta: float, bias: tuple[int, ...] | None, column: bool) -> None:
    weights = {"w": floats(4, 3) if trans_b else floats(3, 4)} | ({} if bias is None else {"c": np.asarray(floats(*bias), dtype=np.float32)})
    gemm = node("Gemm", ["x", *weights], "y", transA=int(column), transB=int(trans_b), alpha=alpha, beta=beta)
    check(folder, [gemm], weights, (3, 1) if column else (1, 3))


def test_matmul_on_either_side(folder: Path) -> None:
    weights = {"a": floats(3, 5), "b": floats(5), "c": floats(5, 2)}
    left = [node("MatMul", ["x", "a"], "h"), node("Add", ["b", "h"], "i"), node("Relu", ["i"], "j"), node("MatMul", ["j", "c"], "y")]
    for shape in [(1, 3), (3,), (1, 1, 3)]:
        check(folder, left, weights, shape)
    weights = {"a": floats(5, 3), "b": floats(5, 1), "c": floats(2, 5)}
    right = [node("MatMul", ["a", "x"], "h"), node("Add", ["h", "b"], "i"), node("Relu", ["i"], "j"), node("MatMul", ["c", "j"], "y")]
    check(folder, right, weights, (3, 1))
    check(folder, [node("MatMul", ["a", "x"], "y")], weights, (3,))


def test_arithmetic_with_constants(folder: Path) -> None:
    nodes = [
        node("Sub", ["x", "mean"], "a"),
        node("Div", ["a", "range"], "b"),
        node("Neg", ["b"], "c"),
        node("Mul", ["two", "c"], "d"),
        node("Sub", ["one", "d"], "e"),
        node("Relu", ["e"], "f"),
        node("Add", ["f", "f"], "g"),
        node("Sub", ["g", "b"], "y"),
    ]
    constants = {"mean": floats(4), "range": np.abs(floats(1, 4)) + 1, "two": np.float32(2).reshape(()), "one": np.ones((1, 1, 4), np.float32)}
    network = check(folder, nodes, constants, (1, 4))
    assert any("the_b (Div): folded as a constant factor or shift in float64" in line for line in network.log)


def test_constants_are_computed(folder: Path) -> None:
    """The chain of shape operators that exporters write for x.view(x.size(0), -1), and a transposed weight."""
    nodes = [
        helper.make_node("Constant", [], ["zero"], value=numpy_helper.from_array(np.array(0))),
        helper.make_node("Constant", [], ["minus"], value_ints=[-1]),
        node("Shape", ["x"], "s"),
        node("Gather", ["s", "zero"], "n", axis=0),
        node("Unsqueeze", ["n", "axes"], "u"),
        node("Concat", ["u", "minus"], "t", axis=0),
        node("Reshape", ["x", "t"], "flat"),
        node("Transpose", ["w"], "wt"),
        node("MatMul", ["flat", "wt"], "h"),
        node("LeakyRelu", ["h"], "i"),
        node("LeakyRelu", ["i"], "y", alpha=0.3),
    ]
    check(folder, nodes, {"w": floats(3, 4), "axes": np.array([0])}, (1, 1, 2, 2))


WEIGHT = floats(3, 4)
WHOLE = RANDOM.integers(-128, 127, (3, 4)).astype(np.int8)
SCALES = np.array([0.1, 0.3, 0.5], np.float32)


def arrays(constants: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.asarray(constant) for name, constant in constants.items()}


UNBOUNDED = "with no bound on the relative change"


@pytest.mark.parametrize(
    ("nodes", "wanted", "logged"),
    [
        ([node("Relu", ["w"], "c")], np.maximum(WEIGHT, 0), None),
        ([node("Abs", ["w"], "n"), node("Pow", ["n", "half"], "c")], np.abs(WEIGHT.astype(np.float64)) ** 0.5, UNBOUNDED),
        ([node("ReduceSum", ["w", "zero"], "c", keepdims=0)], WEIGHT.astype(np.float64).sum(axis=0), UNBOUNDED),
        ([node("Exp", ["w"], "c")], np.exp(WEIGHT.astype(np.float64)), UNBOUNDED),
        ([node("Mul", ["w", "w"], "c")], WEIGHT.astype(np.float64) ** 2, None),  # 48 bits
        ([node("Div", ["w", "three"], "c")], WEIGHT.astype(np.float64) / 3, "largest relative change at most 2.3e-16"),
        ([helper.make_node("Split", ["w"], ["u", "v"], axis=1), node("Concat", ["v", "u"], "c", axis=1)], np.roll(WEIGHT, 2, axis=1), None),
        ([node("Cast", ["w"], "n", to=TensorProto.FLOAT16), node("Neg", ["n"], "c")], -WEIGHT.astype(np.float16), None),
        ([node("Cast", ["w"], "n", to=TensorProto.DOUBLE), node("Add", ["n", "half"], "c")], WEIGHT.astype(np.float64) + 0.5, None),
        ([node("DequantizeLinear", ["q", "scale", "shift"], "c")], (WHOLE - 3.0) * np.float64(np.float32(0.1)), None),
        ([node("DequantizeLinear", ["q", "scales"], "c", axis=0)], WHOLE * SCALES.astype(np.float64)[:, None], None),
        (
            [node("DequantizeLinear", ["long", "scale"], "c")],
            WHOLE * 2.0**20 * np.float64(np.float32(0.1)),
            "largest relative change at most 2.3e-16",
        ),
    ],
    ids=lambda nodes: nodes[-1].op_type if isinstance(nodes, list) else None,
)
def test_constants_are_computed_in_doubles(folder: Path, nodes: list[onnx.NodeProto], wanted: np.ndarray, logged: str | None) -> None:
    constants = {"w": WEIGHT, "half": np.float32(0.5), "zero": np.array([0]), "q": WHOLE, "scale": np.float32(0.1), "shift": np.int8(3)}
    constants |= {"three": np.float32(3), "scales": SCALES, "long": WHOLE.astype(np.int32) * 2**20}
    matrix = np.atleast_2d(wanted.astype(np.float64))
    network = load(
        folder, model([*nodes, node("Gemm", ["x", "c" if wanted.ndim == 2 else "row"], "y", transB=1), *rows_of(wanted)], arrays(constants), (1, 4))
    )
    assert (network.output.terms[0][1] == matrix).all()
    lines = [
        line.partition("float64, ")[2].partition("; the network analysed has the result")[0] for line in network.log if "constant computed" in line
    ]
    assert lines == ([] if logged is None else [logged])


def rows_of(wanted: np.ndarray) -> list[onnx.NodeProto]:
    return [] if wanted.ndim == 2 else [node("Unsqueeze", ["c", "zero"], "row")]


@pytest.mark.parametrize(
    ("making", "constants"),
    [
        (node("ConstantOfShape", ["s"], "c"), {"s": np.array([10**6, 10**6])}),
        (node("Expand", ["w", "s"], "c"), {"s": np.array([10**9, 4])}),
        (node("Range", ["from", "to", "by"], "c"), {"from": np.array(0.0), "to": np.array(1e12), "by": np.array(1.0)}),
        (node("Tile", ["w", "s"], "c"), {"s": np.array([10**5, 10**5])}),
        (node("Pad", ["w", "s"], "c"), {"s": np.array([0, 0, 10**9, 0])}),
        (node("MatMul", ["s", "t"], "c"), {"s": np.ones((10**4, 1)), "t": np.ones((1, 10**4))}),
    ],
    ids=lambda making: making.op_type if isinstance(making, onnx.NodeProto) else None,
)
def test_constants_too_large_for_memory(folder: Path, making: onnx.NodeProto, constants: dict[str, np.ndarray]) -> None:
    nodes = [making, node("ReduceSum", ["c"], "d", keepdims=0), node("Add", ["x", "d"], "y")]
    with pytest.raises(ModelError, match=rf"node the_c \({making.op_type}\) makes a constant too large for memory"):
        load(folder, model(nodes, constants | {"w": WEIGHT[:1]}, (1, 4)))


def test_constants_that_are_refused(folder: Path) -> None:
    branch = helper.make_graph([node("Neg", ["w"], "b")], "branch", [], [helper.make_tensor_value_info("b", TensorProto.FLOAT, None)])
    for making, wording in [
        (node("Bernoulli", ["w"], "c"), r"the_c \(Bernoulli\) is random, so the model is no function of its input"),
        (node("Dropout", ["w", "half", "yes"], "c"), r"the_c \(Dropout\) is random"),
        (node("Nonsense", ["w"], "c"), r"the_c \(Nonsense\) is not known to polylc"),
        (node("If", ["yes"], "c", then_branch=branch, else_branch=branch), r"the_c \(If\) has a graph of its own inside, which is not supported"),
        (node("MatMul", ["w", "w"], "c"), r"the_c \(MatMul\) cannot be computed from its constants \(\w+: .*\); fold constants"),
        (node("SplitToSequence", ["w"], "c"), r"the_c \(SplitToSequence\) makes something else than arrays"),
    ]:
        constants = {"w": WEIGHT, "half": np.float32(0.5), "yes": np.array(True)}
        with pytest.raises(ModelError, match=r"net\.onnx: node " + wording) as refusal:
            load(folder, model([making, node("Add", ["x", "c"], "y")], arrays(constants), (1, 4)))
        assert "\n" not in str(refusal.value)


# ---- formats ---------------------------------------------------------------------------------------------------
def test_a_cast_that_narrows_is_logged(folder: Path) -> None:
    casts = [node("Cast", ["x"], "a", to=TensorProto.DOUBLE), node("Cast", ["a"], "y", to=TensorProto.FLOAT)]
    assert load(folder, model([casts[0], node("Relu", ["a"], "y")], {}, (1, 4))).log == ()
    line = "node the_y (Cast): taken as the identity; the model rounds there, the network analysed does not"
    assert load(folder, model(casts, {}, (1, 4))).log == (line,)
    with pytest.raises(ModelError, match=r"node the_y \(Cast\) casts to whole numbers or truth values, which is discontinuous"):
        load(folder, model([node("Cast", ["x"], "y", to=TensorProto.INT64)], {}, (1, 4)))


def test_padding_that_does_not_fit_is_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"node the_y \(Pad\) has 3 widths for 2 axes; the model is damaged"):
        load(folder, model([node("Pad", ["x", "p"], "y")], {"p": np.array([0, 0, 2])}, (1, 4)))
    with pytest.raises(ModelError, match=r"node the_y \(Pad\) pads in the mode 'mirror'; polylc reads constant, reflect"):
        load(folder, model([node("Pad", ["x", "p"], "y", mode="mirror")], {"p": np.array([0, 0, 0, 2])}, (1, 4)))


def test_what_can_never_be_read_is_named_first(folder: Path) -> None:
    nodes = [
        node("Shape", ["x"], "s"),
        node("Cast", ["s"], "f", to=TensorProto.FLOAT),
        node("Sqrt", ["f"], "root"),
        node("Slice", ["x", "zero", "two"], "a"),
        node("Sin", ["a"], "b"),
        node("ArgMax", ["b"], "y"),
    ]
    with pytest.raises(UnsupportedLayerError, match=r"node the_b \(Sin\) is not piecewise linear"):
        load(folder, model(nodes, {"zero": np.array([0]), "two": np.array([2])}, (1, 4)))


# ---- shapes ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("moves", "weights", "shape", "opset"),
    [
        ([node("Flatten", ["x"], "h", axis=-1)], {}, (1, 1, 4), 17),
        ([node("Reshape", ["x", "s"], "h")], {"s": np.array([0, -1])}, (1, 2, 2), 17),
        ([node("Squeeze", ["x"], "s", axes=[1, 2]), node("Unsqueeze", ["s"], "h", axes=[0])], {}, (1, 1, 1, 4), 11),
        ([node("Squeeze", ["x", "a"], "h")], {"a": np.array([1])}, (1, 1, 4), 13),
        ([node("Transpose", ["x"], "s", perm=[0, 2, 1, 3]), node("Flatten", ["s"], "h")], {}, (1, 2, 1, 2), 17),
        ([node("Identity", ["x"], "s"), node("Dropout", ["s"], "h")], {}, (1, 4), 17),
    ],
)
def test_changes_of_shape(folder: Path, moves: list[onnx.NodeProto], weights: dict[str, np.ndarray], shape: tuple[int, ...], opset: int) -> None:
    check(folder, [*moves, node("MatMul", ["h", "w"], "i"), node("Relu", ["i"], "y")], weights | {"w": floats(4, 3)}, shape, opset)


@pytest.mark.parametrize(
    ("declared", "wanted", "full"),
    [
        (("batch", 1, 2, 2), None, (1, 1, 2, 2)),
        ((None, 1, 2, 2), (1, 2, 2), (1, 1, 2, 2)),
        (("n", "c", "h", "w"), (1, 2, 2), (1, 1, 2, 2)),
        (None, (1, 2, 2), (1, 1, 2, 2)),
        ((1, 1, 2, 2), (4,), (1, 1, 2, 2)),
        ((1, 1, 2, 2), (1, 1, 2, 2), (1, 1, 2, 2)),
        ((0, 4), None, (1, 4)),
    ],
)
def test_input_shapes(folder: Path, declared: Any, wanted: tuple[int, ...] | None, full: tuple[int, ...]) -> None:
    proto = model([node("Flatten", ["x"], "h"), node("Gemm", ["h", "w"], "y")], {"w": floats(4, 2)}, declared)
    network = load(folder, proto, input_shape=wanted)
    assert network.inputs == 4
    assert_same(network, model(proto.graph.node, {"w": numpy_helper.to_array(proto.graph.initializer[0])}, None).SerializeToString(), full)


@pytest.mark.parametrize(
    ("declared", "wanted", "wording"),
    [
        ((1, "c", 2), None, r"the shape of its input 'x' is left open; pass the shape of one input \(--input-shape C,H,W\)"),
        (None, None, "the graph does not say the shape of its input 'x'; pass the shape"),
        ((1, 4), (1, 28, 28), "its input has shape 1,4, which 1,28,28 does not fit; give the shape without the batch dimension"),
    ],
)
def test_input_shapes_that_do_not_fit(folder: Path, declared: Any, wanted: tuple[int, ...] | None, wording: str) -> None:
    with pytest.raises(ModelError, match=wording):
        load(folder, model([node("Gemm", ["x", "w"], "y")], {"w": floats(4, 2)}, declared), input_shape=wanted)


def test_several_rows_are_one_input_and_the_log_says_so(folder: Path) -> None:
    network = load(folder, model([node("Gemm", ["x", "w"], "y")], {"w": floats(4, 2)}, (3, 4)))
    assert (network.inputs, network.outputs) == (12, 6)
    assert "the input of shape 3,4 is taken as one; if it is a batch, give --input-shape 4" in network.log


def test_several_inputs_and_outputs_stand_one_after_the_other(folder: Path) -> None:
    weights = {"w": floats(4, 2), "v": floats(3, 2)}
    nodes = [node("MatMul", ["x", "w"], "a"), node("MatMul", ["z", "v"], "b"), node("Add", ["a", "b"], "c"), node("Relu", ["c"], "y")]
    made = model(nodes, weights, (1, 4))
    made.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, (1, 3)))
    made.graph.output.append(helper.make_tensor_value_info("a", TensorProto.FLOAT, (1, 2)))
    network = load(folder, made)
    point = floats(7).astype(np.float64)
    a = point[:4] @ weights["w"]
    np.testing.assert_allclose(network(point[None])[0], [*np.maximum(a + point[4:] @ weights["v"], 0), *a], rtol=1e-12)
    assert "input 'z' of shape 1,3 is entries 4 to 6" in network.log
    assert "output 'a' of shape 1,2 is entries 2 to 3" in network.log


def test_fixed_batch_is_dropped_where_the_shape_is_given(folder: Path) -> None:
    assert load(folder, model([node("Gemm", ["x", "w"], "y")], {"w": floats(4, 2)}, (64, 4)), input_shape=(4,)).inputs == 4


# ---- images ----------------------------------------------------------------------------------------------------
@st.composite
def windows(draw: st.DrawFn) -> dict[str, Any]:
    attributes: dict[str, Any] = {"strides": [draw(st.integers(1, 2)), draw(st.integers(1, 2))]}
    mode = draw(st.sampled_from(["NOTSET", "pads", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    if mode == "pads":
        attributes["pads"] = [draw(st.integers(0, 1)) for _ in range(4)]
    else:
        attributes["auto_pad"] = mode
    return attributes


@settings(max_examples=30, deadline=None)
@given(attributes=windows(), kernel=st.tuples(st.integers(2, 3), st.integers(2, 3)), groups=st.sampled_from([1, 2]), bias=st.booleans())
def test_convolution(folder: Path, attributes: dict[str, Any], kernel: tuple[int, int], groups: int, bias: bool) -> None:
    weights = {"w": floats(4, 2 // groups, *kernel)} | ({"b": floats(4)} if bias else {})
    if "auto_pad" not in attributes or attributes["auto_pad"] in ("NOTSET", "VALID"):
        attributes = attributes | {"dilations": [1, 2]}
    check(folder, [node("Conv", ["x", *weights], "h", group=groups, **attributes), node("Relu", ["h"], "y")], weights, (1, 2, 6, 7))


@settings(max_examples=20, deadline=None)
@given(attributes=windows(), kernel=st.tuples(st.integers(2, 3), st.integers(2, 3)), include=st.integers(0, 1))
def test_average_pool(folder: Path, attributes: dict[str, Any], kernel: tuple[int, int], include: int) -> None:
    check(folder, [node("AveragePool", ["x"], "y", kernel_shape=list(kernel), count_include_pad=include, **attributes)], {}, (1, 2, 6, 7))


def test_batch_norm_on_images_and_vectors(folder: Path) -> None:
    statistics = {"s": floats(3), "b": floats(3), "m": floats(3), "v": np.abs(floats(3)) + 0.1}
    for shape in [(1, 3, 2, 2), (1, 3)]:
        network = check(folder, [node("BatchNormalization", ["x", *statistics], "y", epsilon=1e-3)], statistics, shape)
        assert any("batch normalisation (evaluation mode) folded" in line for line in network.log)


def test_residual_block(folder: Path) -> None:
    weights = {"w": floats(2, 2, 3, 3), "g": floats(18, 2)}
    nodes = [
        node("Conv", ["x", "w"], "a", pads=[1, 1, 1, 1]),
        node("Relu", ["a"], "b"),
        node("Add", ["x", "b"], "c"),
        node("Flatten", ["c"], "d"),
        node("Gemm", ["d", "g"], "y"),
    ]
    assert not check(folder, nodes, weights, (1, 2, 3, 3)).is_chain


# ---- softmax ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("kind", "attributes", "opset"), [("Softmax", {}, 17), ("LogSoftmax", {"axis": 1}, 13), ("Softmax", {}, 11)])
def test_final_softmax_is_stripped(folder: Path, kind: str, attributes: dict[str, Any], opset: int) -> None:
    nodes = [node("Gemm", ["x", "w"], "h"), node(kind, ["h"], "p", **attributes), node("Identity", ["p"], "y")]
    weights = {"w": floats(3, 2)}
    network = load(folder, model(nodes, weights, (1, 3), opset))
    assert f"node the_p ({kind}): final softmax stripped, the outputs are what goes into it" in network.log
    assert_same(network, model([node("Gemm", ["x", "w"], "y")], weights, (1, 3)).SerializeToString(), (1, 3))


def test_softmax_elsewhere_is_refused(folder: Path) -> None:
    with pytest.raises(UnsupportedLayerError, match=r"node the_p \(Softmax\) is not the last layer; only a final softmax"):
        load(folder, model([node("Softmax", ["x"], "p"), node("Relu", ["p"], "y")], {}, (1, 3)))
    with pytest.raises(UnsupportedLayerError, match=r"node the_y \(Softmax\) works over axis -1 of a value of shape 1x2x3"):
        load(folder, model([node("Softmax", ["x"], "y")], {}, (1, 2, 3)))


# ---- refusals --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("nodes", "weights", "wording"),
    [
        ([node("Sigmoid", ["x"], "y")], {}, r"node the_y \(Sigmoid\) is not piecewise linear"),
        ([node("ArgMax", ["x"], "y")], {}, r"node the_y \(ArgMax\) is discontinuous; leave it out"),
        ([node("NonZero", ["x"], "y")], {}, r"node the_y \(NonZero\) is not known to polylc"),
        (
            [node("RandomNormal", [], "r", shape=[1, 4]), node("Add", ["x", "r"], "y")],
            {},
            r"node the_r \(RandomNormal\) is random, so the model is no function",
        ),
        ([node("Mul", ["x", "x"], "y")], {}, r"the_y \(Mul\) combines two values that depend on the input, which is not piecewise linear"),
        ([node("MatMul", ["x", "x"], "y")], {}, r"the_y \(MatMul\) multiplies two values that depend on the input"),
        ([node("Div", ["w", "x"], "y")], {"w": floats(4)}, "divides by a value that depends on the input"),
        ([node("Div", ["x", "w"], "y")], {"w": np.zeros(4, np.float32)}, "divides by zero"),
        ([node("Add", ["x", "w"], "y")], {"w": floats(3)}, "combines shapes 1x4 and 3, which do not fit"),
        ([node("Gemm", ["x", "w"], "y")], {"w": np.full((4, 2), np.nan, np.float32)}, r"the_y \(Gemm\), its argument 'w' contains NaN"),
        ([node("Gemm", ["x", "x"], "y")], {}, "needs a constant as its argument 1; weights that depend on the input are not supported"),
        (
            [node("Gemm", ["x", "w"], "y")],
            {"w": floats(5, 2)},
            r"the_y \(Gemm\) multiplies a value of shape 1x4 by a weight of shape 5x2",
        ),
        ([node("MatMul", ["x", "w"], "y")], {"w": floats(1, 3, 2)}, "multiplies shapes 1x4 and 1x3x2, which do not fit"),
        ([node("MatMul", ["w", "x"], "y")], {"w": floats(2, 3)}, "multiplies shapes 2x3 and 1x4, which do not fit"),
        ([node("Reshape", ["x", "s"], "y")], {"s": np.array([3, 2])}, r"node the_y \(Reshape\) does not fit a value of shape 1x4"),
        ([node("Transpose", ["x"], "y", perm=[0, 2])], {}, r"the_y \(Transpose\) does not fit a value of shape 1x4"),
        ([node("Slice", ["w", "x", "x"], "y")], {"w": floats(4)}, "takes a shape, indices or a condition from the data"),
        ([node("Conv", ["x", "w"], "y")], {"w": floats(1, 1, 2, 2)}, "it needs one image"),
        ([node("Conv", ["x", "w"], "y")], {"w": floats(1, 4)}, "has a weight of 2 axes; polylc reads 1-D to 3-D convolutions"),
        ([node("Dropout", ["x", "r", "t"], "y")], {"r": np.float32(0.5), "t": np.array(True)}, "is in training mode"),
        ([node("Relu", ["unknown"], "y")], {}, "reads 'unknown', which nothing computes; the graph is damaged"),
        ([node("Relu", ["x"], "z")], {}, "the output 'y' does not depend on the input"),
        ([helper.make_node("Relu", ["x"], ["y"], name="own", domain="com.example")], {}, "belongs to the operator set com.example"),
    ],
)
def test_operators_are_refused_by_name(folder: Path, nodes: list[onnx.NodeProto], weights: dict[str, Any], wording: str) -> None:
    with pytest.raises(ModelError, match=r"net\.onnx: .*" + wording):
        load(folder, model(nodes, {name: np.asarray(a) for name, a in weights.items()}, (1, 4)))


def test_other_graphs_are_refused(folder: Path) -> None:
    two = model([node("Add", ["x", "z"], "y")], {}, (1, 4))
    two.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, (1, 4)))
    with pytest.raises(ModelError, match="the graph has 2 inputs, whose shapes one --input-shape cannot give"):
        load(folder, two, input_shape=(4,))
    del two.graph.output[:]
    with pytest.raises(ModelError, match="the graph has 2 inputs and 0 outputs; the file is damaged"):
        load(folder, two)
    with pytest.raises(ModelError, match=r"opset 6 is too old; convert the model with onnx.version_converter to opset 13"):
        load(folder, model([node("Relu", ["x"], "y")], {}, (1, 4), opset=6))


def test_files_that_are_no_models(tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    for content in (b"hello", b"\x08\x07", b"<html>"):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"other\.onnx: not an ONNX model"):
            readers.load(path)
    whole = (DATA / "moons2d.onnx").read_bytes()
    for length in range(1, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError, match=r"other\.onnx: "):
            readers.load(path)
    damaged = bytearray(whole)
    for place in range(0, len(whole), 41):
        damaged[place] ^= 0x3C
        path.write_bytes(damaged)
        try:
            readers.load(path)
        except ModelError as refusal:
            assert str(refusal).startswith(f"{path}: ")  # noqa: PT017
        damaged[place] ^= 0x3C


def test_weights_in_a_file_beside(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    proto = model([node("Gemm", ["x", "w"], "y")], {"w": floats(40, 30)}, (1, 40))
    whole = proto.SerializeToString()
    onnx.save_model(proto, path, save_as_external_data=True, location="net.onnx.data", size_threshold=0)
    network = readers.load(path)
    assert_same(network, whole, (1, 40))
    assert any(line.startswith("weights read from net.onnx.data (sha256 ") for line in network.log)
    (tmp_path / "net.onnx.data").unlink()
    with pytest.raises(ModelError, match=r"net\.onnx\.data: there is no such file"):
        readers.load(path)


def beside(path: Path, **entries: str) -> None:
    """A model at a path with one weight of 16 bytes in another file."""
    proto = model([node("MatMul", ["x", "w"], "y")], {"w": np.eye(2, dtype=np.float32)}, (1, 2))
    weight = proto.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        weight.external_data.add(key=key, value=value)
    path.write_bytes(proto.SerializeToString())


def test_weights_beside_are_looked_at_before_they_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "net.onnx"
    (tmp_path / "secret").write_bytes(bytes(16))
    (folder / "zeros").write_bytes(bytes(20))
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "device").symlink_to("/dev/zero")
    (folder / "circle").symlink_to(folder / "circle")
    (folder / "sub").mkdir()
    os.mkfifo(folder / "pipe")
    for entries, wording in [
        ({"location": "/dev/zero"}, "lies in '/dev/zero', which is no relative path; weights are read only from files in the model's folder"),
        ({"location": "../secret"}, r"lies in '\.\./secret', outside of the model's folder"),
        ({"location": "link"}, "lies in 'link', outside of the model's folder"),
        ({"location": "device"}, "lies in 'device', outside of the model's folder"),
        ({"location": "pipe"}, "lies in 'pipe', which is no regular file"),
        ({"location": "sub"}, "lies in 'sub', which is no regular file"),
        ({"location": "circle"}, "circle"),
        ({"location": "n" * 5000}, "which is no path of this system"),
        ({}, "lies in '', which is no relative path"),
        ({"location": "zeros", "offset": "-1"}, "gives offset '-1', which is no number of bytes"),
        ({"location": "zeros", "offset": "8"}, "takes 16 bytes, but zeros has 12 for it; copy both files"),
        ({"location": "zeros", "length": "20"}, "takes 16 bytes, but zeros has 20 for it"),
    ]:
        beside(path, **entries)
        with pytest.raises(ModelError, match=r"net\.onnx: the weight 'w' .*" + wording if wording != "circle" else "circle") as refusal:
            readers.load(path)
        assert "\n" not in str(refusal.value)
    beside(path, location="zeros", offset="4", length="16")
    assert not readers.load(path)(np.ones(2)).any()


# ---- the order of nodes, and names given twice -------------------------------------------------------------------
def test_nodes_in_any_order(folder: Path) -> None:
    nodes = [
        node("MatMul", ["h", "v"], "y"),
        node("Relu", ["g"], "h"),
        node("Gemm", ["x", "w", "b"], "g"),
        helper.make_node("Constant", [], ["b"], value=numpy_helper.from_array(floats(5))),
    ]
    weights = {"w": floats(4, 5), "v": floats(5, 2)}
    network = load(folder, model(nodes, weights, (1, 4)))
    assert_same(network, model(nodes, weights, (1, 4)).SerializeToString(), (1, 4))
    assert_same(network, model(nodes[::-1], weights, (1, 4)).SerializeToString(), (1, 4))


def test_circles_and_names_given_twice(folder: Path) -> None:
    for nodes, wording in [
        ([node("Add", ["x", "b"], "a"), node("Relu", ["a"], "b"), node("Relu", ["b"], "y")], r"circle \(node the_a \(Add\), node the_b \(Relu\)\)"),
        ([node("Add", ["x", "y"], "y")], r"nodes read each other in a circle \(node the_y \(Add\)\)"),
        ([node("Relu", ["x"], "y"), node("Neg", ["x"], "y")], r"node the_y \(Neg\) computes 'y', and so does node the_y \(Relu\)"),
        ([node("Relu", ["x"], "w"), node("Relu", ["w"], "y")], r"node the_w \(Relu\) computes 'w', and an input or initializer has that name"),
        ([node("Relu", ["y"], "x")], r"node the_x \(Relu\) computes 'x', and an input or initializer has that name"),
    ]:
        with pytest.raises(ModelError, match=r"net\.onnx: .*" + wording):
            load(folder, model(nodes, {"w": floats(4)}, (1, 4)))
    twice = model([node("Add", ["x", "w"], "y")], {"w": floats(4)}, (1, 4))
    twice.graph.initializer.append(numpy_helper.from_array(floats(4), "w"))
    with pytest.raises(ModelError, match="there are two initializers named 'w'; the graph is damaged"):
        load(folder, twice)
