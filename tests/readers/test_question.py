"""A query and its models as one question: which entry is which, and what does not fit."""

from __future__ import annotations

from fractions import Fraction as F

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import random_net, residual_net, small_nets
from onnx import TensorProto, helper

from polylc.domains.question import And, Or, rows
from polylc.errors import ModelError, QueryError
from polylc.network.builder import Builder
from polylc.network.convolutions import Window, convolution
from polylc.network.exact import ExactNetwork
from polylc.network.form import Network
from polylc.network.joined import joined
from polylc.readers.load import load, load_model
from polylc.readers.question import make_question
from polylc.readers.vnnlib.file import parse_query


def tensor(name: str, array) -> onnx.TensorProto:
    return onnx.numpy_helper.from_array(np.asarray(array, dtype=np.float32), name)


def info(name: str, shape, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def save(path, nodes, inputs, outputs, weights=()) -> str:
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(weights))
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return str(path)


@pytest.fixture
def two_by_two(tmp_path) -> str:
    """Inputs a (1,2) and b (3); outputs y (1,2) and z (3); hidden relu(a w) named h by node `inner`."""
    rng = np.random.default_rng(0)
    return save(
        tmp_path / "m.onnx",
        [
            helper.make_node("MatMul", ["a", "w"], ["before"], name="matmul"),
            helper.make_node("Relu", ["before"], ["h"], name="inner"),
            helper.make_node("Neg", ["h"], ["y"], name="neg"),
            helper.make_node("Add", ["b", "c"], ["shifted"], name="add"),
            helper.make_node("Relu", ["shifted"], ["z"], name="outer"),
        ],
        [info("a", [1, 2]), info("b", [3])],
        [info("y", [1, 2]), info("z", [3])],
        [tensor("w", rng.normal(size=(2, 2))), tensor("c", rng.normal(size=3))],
    )


HEAD = "(vnnlib-version <2.0>)\n"
DECLARED = """(declare-network f
    (declare-input A real [1,2]) (declare-input B real [3])
    (declare-hidden H real [1,2] "h") (declare-hidden G real [3] "add")
    (declare-output Y real [1,2]) (declare-output Z real [3]))
"""


def asked(text: str, networks, semantics=None):
    pytest.importorskip("vnnlib")
    return make_question(parse_query((HEAD + text).encode(), "q.vnnlib"), networks, semantics)


def first(inputs: int, outputs: int, assertions: str, networks, semantics=None):
    names = [f"X_{i}" for i in range(inputs)] + [f"Y_{i}" for i in range(outputs)]
    text = "".join(f"(declare-const {name} Real)\n" for name in names) + assertions
    return make_question(parse_query(text.encode(), "q.vnnlib"), networks, semantics)


# ---- several networks as one ---------------------------------------------------------------------------------------
@given(st.lists(small_nets(), min_size=1, max_size=3), st.integers(0, 10**6))
def test_networks_side_by_side_compute_what_each_does(networks, seed):
    rng = np.random.default_rng(seed)
    total = max(n.inputs for n in networks) + int(rng.integers(0, 3))
    columns = [rng.permutation(total)[: n.inputs] for n in networks]
    one = joined(networks, columns, total)
    point = [F(int(v), 4) for v in rng.integers(-8, 9, size=total)]
    apart = [v for n, c in zip(networks, columns, strict=True) for v in ExactNetwork(n).outputs([point[i] for i in c])]
    assert ExactNetwork(one).outputs(point) == apart
    assert one.neurons == sum(n.neurons for n in networks)


def test_sparse_networks_side_by_side():
    builder = Builder("conv", [1, 40, 40])
    kernel = np.random.default_rng(0).normal(size=(2, 1, 3, 3))
    image = builder.relu(convolution(builder, builder.input, kernel, None, Window((3, 3), (1, 1), (0, 0), (0, 0), (1, 1)), 1, "conv"), "relu")
    network = builder.finish(builder.linear(builder.reshape(image, (-1,), "flat"), np.ones((1, image.size)), None, "sum"))
    one = joined([network, residual_net(0)], [np.arange(1600), np.arange(3)], 1600)
    points = np.random.default_rng(1).normal(size=(2, 1600))
    np.testing.assert_allclose(one(points), np.hstack([network(points), residual_net(0)(points[:, :3])]), rtol=1e-12)
    assert not isinstance(one.layers[0].affine.terms[0][1], np.ndarray)


# ---- tensors of one model ------------------------------------------------------------------------------------------
def runtime(path: str, extra: list[str], feed: dict) -> dict:
    """What onnxruntime computes, hidden tensors too."""
    model = onnx.load(path)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in extra)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feed), strict=True))


def test_inputs_outputs_and_hidden_tensors_are_where_onnxruntime_has_them(two_by_two):
    question = asked(DECLARED + "(assert (<= A[0,0] 1.0))", two_by_two)
    rng = np.random.default_rng(3)
    for _ in range(5):
        a, b = rng.normal(size=(1, 2)).astype(np.float32), rng.normal(size=3).astype(np.float32)
        right = runtime(two_by_two, ["h", "shifted"], {"a": a, "b": b})
        everything = np.concatenate([a.ravel(), b, question.network(np.concatenate([a.ravel(), b]))])
        expected = {"A": a, "B": b, "H": right["h"], "G": right["shifted"], "Y": right["y"], "Z": right["z"]}
        assert [place.variable.name for place in question.places] == list(expected)
        for place in question.places:
            np.testing.assert_allclose(everything[list(place.columns)], expected[place.variable.name].ravel(), atol=1e-5)


def test_rows_speak_of_the_columns_of_their_entries(two_by_two):
    question = asked(DECLARED + "(assert (<= (+ B[2] (* 2.0 H[0,1])) (- Z[1] 0.5)))", two_by_two)
    columns = {place.variable.name: place.columns for place in question.places}
    (row,) = rows(question.formula)
    assert dict(row.terms) == {columns["B"][2]: -1, columns["H"][1]: -2, columns["Z"][1]: 1}
    assert row.constant == F(-1, 2)
    assert question.names == ("A[0,0]", "A[0,1]", "B[0]", "B[1]", "B[2]")


def test_the_first_version_counts_entries_of_all_tensors(two_by_two):
    question = first(5, 5, "(assert (<= X_2 Y_2))", two_by_two)
    (row,) = rows(question.formula)
    assert dict(row.terms) == {2: -1, 7: 1}
    assert question.semantics == "real"


def test_outputs_that_are_constant(tmp_path):
    path = save(tmp_path / "s.onnx", [helper.make_node("Shape", ["a"], ["y"])], [info("a", [2, 3])], [info("y", [2], TensorProto.INT64)])
    question = asked("(declare-network f (declare-input A float32 [2,3]) (declare-output Y int64 [2]))(assert (== Y[1] 3))", path, "real")
    assert ExactNetwork(question.network).outputs([F(0)] * 6) == [2, 3]
    with pytest.raises(ModelError, match="does not depend on the input"):
        load(path)


# ---- several networks of a query -----------------------------------------------------------------------------------
TWO = """(declare-network f (declare-input X real [2]) (declare-output Y real [2]))
(declare-network g {} (declare-input A real [2]) (declare-output B real [2]))
"""


@pytest.mark.parametrize("relation", ["", "(equal-to f)", "(isomorphic-to f)"])
def test_two_networks(relation):
    one, two = random_net([2, 3, 2], 0), random_net([2, 3, 2], 1)
    networks = {"f": one} if "equal" in relation else {"f": one, "g": two}
    question = asked(TWO.format(relation) + "(assert (<= (+ X[0] A[1]) (- Y[0] B[1])))", networks)
    x, a = [F(1, 3), F(-1, 4)], [F(2), F(1, 5)]
    values = [*x, *a, *ExactNetwork(question.network).outputs([*x, *a])]
    parts = {place.variable.name: [values[c] for c in place.columns] for place in question.places}
    assert parts == {"X": x, "A": a, "Y": ExactNetwork(one).outputs(x), "B": ExactNetwork(one if "equal" in relation else two).outputs(a)}
    assert question.formula.holds(values) == (x[0] + a[1] <= parts["Y"][0] - parts["B"][1])


def test_inputs_that_are_equal_become_one():
    text = TWO.format("(equal-to f)") + "(assert (== X[0] A[0]))(assert (<= X[1] A[1]))(assert (>= X[1] A[1]))(assert (< Y[0] B[1]))"
    question = asked(text, random_net([2, 3, 2], 0))
    assert question.network.inputs == 2
    assert question.names == ("X[0]", "X[1]")
    (row,) = rows(question.formula)
    assert [c for _, c in row.terms] == [-1, 1]
    assert question.network.neurons == 3  # one network on the same inputs is one
    partly = asked(TWO.format("(equal-to f)") + "(assert (== X[0] A[0]))(assert (< Y[0] B[1]))", random_net([2, 3, 2], 0))
    assert (partly.network.inputs, partly.network.neurons) == (3, 6)
    assert question.places[0].columns == question.places[2].columns
    crossed = asked(TWO.format("(equal-to f)") + "(assert (and (== X[0] A[1]) (== A[1] X[1])))", random_net([2, 3, 2], 0))
    assert crossed.network.inputs == 3  # two inputs of one network stay apart
    assert len(list(rows(crossed.formula))) == 2
    either = asked(TWO.format("(equal-to f)") + "(assert (or (== X[0] A[0]) (== X[1] A[1])))", random_net([2, 3, 2], 0))
    assert either.network.inputs == 4


# ---- softmax -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["Softmax", "LogSoftmax"])
def test_outputs_of_a_softmax_can_only_be_compared(tmp_path, kind):
    path = save(tmp_path / "s.onnx", [helper.make_node(kind, ["a"], ["y"], axis=-1)], [info("a", [1, 3])], [info("y", [1, 3])])
    question = first(3, 3, "(assert (< Y_0 Y_2))", path)
    assert question.places[1].softmax == kind
    for assertion in ("(<= Y_0 0.5)", "(<= (+ Y_0 Y_1) Y_2)", "(<= (+ Y_0 Y_1) (* 1.5 Y_2))"):
        with pytest.raises(QueryError, match=f"comes out of a {kind}"):
            first(3, 3, f"(assert {assertion})", path)
    for shifted in ("(assert (<= (+ Y_0 0.25) Y_1))", "(assert (<= (+ Y_0 X_0) Y_1))"):
        if kind == "LogSoftmax":  # differences of its outputs are those of its inputs
            first(3, 3, shifted, path)
            continue
        with pytest.raises(QueryError, match="comes out of"):
            first(3, 3, shifted, path)


# ---- what does not fit ---------------------------------------------------------------------------------------------
NET = random_net([2, 3, 2], 0)
ONE = "(declare-network f (declare-input X {} [{}]) (declare-output Y {} [2]))(assert (<= X[0] 1.0))"


@pytest.mark.parametrize(
    ("text", "networks", "message"),
    [
        (TWO.format(""), {"f": NET}, "no model for network g: .* declares f, g"),
        (TWO.format(""), NET, "no model for network f, g"),
        (TWO.format(""), {"f": NET, "g": NET, "h": NET}, "no network needs, h"),
        (TWO.format("(equal-to f)"), {"f": NET, "g": NET}, "g is equal to f and has its model"),
        (TWO.format(""), {"f": NET, "g": random_net([3, 2], 0)}, r"input A has shape \[2\], but memory has \[3\]"),
        (TWO.format("(isomorphic-to f)"), {"f": NET, "g": random_net([2, 3, 1], 0)}, r"output B has shape \[2\]"),
    ],
)
def test_networks_that_do_not_fit(text, networks, message):
    with pytest.raises(QueryError, match=message) as raised:
        asked(text + "(assert (<= X[0] 1.0))", networks)
    assert "\n" not in str(raised.value)


def test_a_model_with_other_operators_is_not_isomorphic(tmp_path):
    paths = {
        name: save(tmp_path / f"{name}.onnx", [helper.make_node(kind, ["a"], ["y"])], [info("a", [2])], [info("y", [2])])
        for name, kind in (("f", "Relu"), ("g", "Neg"))
    }
    with pytest.raises(QueryError, match="other operators"):
        asked(TWO.format("(isomorphic-to f)") + "(assert (<= X[0] 1.0))", paths)
    assert asked(TWO.format("") + "(assert (<= X[0] 1.0))", paths).network.inputs == 4


def test_wrong_counts_in_the_first_version():
    with pytest.raises(QueryError, match=r"declares 3 inputs \(X_0 to X_2\), but memory has 2"):
        first(3, 2, "(assert (<= X_0 1))", NET)
    with pytest.raises(QueryError, match=r"declares 1 outputs .*, but memory has 2"):
        first(2, 1, "(assert (<= X_0 1))", NET)


def test_hidden_tensors_that_are_not_there(two_by_two):
    with pytest.raises(ModelError, match="no node of the graph makes a tensor 'nowhere'"):
        asked(DECLARED.replace('"h"', '"nowhere"') + "(assert (<= A[0,0] 1.0))", two_by_two)
    with pytest.raises(ModelError, match=r"in \.onnx files only"):
        load_model(NET, hidden=("h",))
    by_node = asked(DECLARED.replace('"h"', '"inner"') + "(assert (<= H[0,0] 1.0))", two_by_two)
    assert by_node.formula == asked(DECLARED + "(assert (<= H[0,0] 1.0))", two_by_two).formula


def test_other_numbers_of_tensors(two_by_two):
    with pytest.raises(QueryError, match=r"network f declares 1 inputs, but .* has 2"):
        asked(ONE.format("real", 5, "real"), two_by_two)


# ---- element types: the error conditions of VNN-LIB 2.0, section 5.3.2 -----------------------------------------------
@pytest.fixture
def relu(tmp_path) -> str:
    return save(tmp_path / "r.onnx", [helper.make_node("Relu", ["a"], ["y"])], [info("a", [2])], [info("y", [2])])


def test_element_types_have_to_be_those_of_the_model(relu):
    with pytest.raises(QueryError, match="input X is declared float64, but is float32 in"):
        asked(ONE.format("float64", 2, "float64"), relu)
    with pytest.raises(QueryError, match="says no element types"):
        asked(ONE.format("float32", 2, "float32"), NET)
    assert asked(ONE.format("real", 2, "real"), relu).semantics == "real"
    assert asked(ONE.format("float64", 2, "float64"), relu, "real").semantics == "real"


def test_element_types_without_proofs_are_refused(tmp_path):
    half = TensorProto.FLOAT16
    path = save(tmp_path / "h.onnx", [helper.make_node("Relu", ["a"], ["y"])], [info("a", [2], half)], [info("y", [2], half)])
    with pytest.raises(QueryError, match="X is declared float16, in which polylc proves nothing"):
        asked(ONE.format("float16", 2, "float16"), path)
    with pytest.raises(QueryError, match="semantics float16"):
        asked(ONE.format("real", 2, "real"), path, "float16")


def test_shapes_that_the_file_leaves_open_come_from_the_query(tmp_path):
    nodes = [helper.make_node("Flatten", ["a"], ["y"])]
    path = save(tmp_path / "o.onnx", nodes, [info("a", ["batch", "length"])], [info("y", ["batch", "length"])])
    assert first(4, 4, "(assert (<= X_0 Y_3))", path).network.inputs == 4
    text = "(declare-network f (declare-input X float32 [1,3]) (declare-output Y float32 [1,3]))(assert (<= X[0,0] 1.0))"
    assert asked(text, path, "real").network.outputs == 3


def test_a_query_that_is_decided_by_its_numbers():
    assert first(2, 2, "(assert (<= 1 0))", NET).formula == Or(())
    assert first(2, 2, "(assert (<= 0 1))", NET).formula == And(())
    assert isinstance(first(2, 2, "(assert (<= X_0 1))", NET).network, Network)
