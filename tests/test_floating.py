"""What floating point evaluates: bounds against evaluations in many orders, verdicts against all points of grids."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction as F

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

import polylc
from polylc.bounds import floats, rules
from polylc.bounds.rounding import evaluated
from polylc.bounds.rules import RULES
from polylc.domains.question import And, Or, Row, row
from polylc.domains.representable import number_above, representable, surely, weakened
from polylc.errors import QueryError, RoundingError
from polylc.network.exact import ExactNetwork
from polylc.readers.load import load_model
from polylc.readers.supported import ONNX
from polylc.search.prove import Answer

KINDS = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}


def model(nodes, inputs, outputs, weights, element="float32", opset=17) -> bytes:
    """A graph; inputs and outputs by name with their shapes, weights by name."""
    infos = [[helper.make_tensor_value_info(n, KINDS[element], s) for n, s in group.items()] for group in (inputs, outputs)]
    constants = [onnx.numpy_helper.from_array(np.asarray(a), n) for n, a in weights.items()]
    graph = helper.make_graph(nodes, "g", *infos, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8).SerializeToString()


def saved(path, content) -> str:
    path.write_bytes(content)
    return str(path)


def chain(rng, widths, element="float32", spread=0, bias=1.0):
    """A chain of Gemm and Relu, its weights times powers of two up to 2^spread."""
    nodes, weights, before = [], {}, "x"
    last = len(widths) - 2
    for k, (n, m) in enumerate(itertools.pairwise(widths)):
        scale = 2.0 ** rng.integers(-spread, spread + 1, size=(m, n))
        weights[f"w{k}"] = (rng.normal(size=(m, n)) * scale).astype(element)
        weights[f"b{k}"] = (rng.normal(size=m) * bias).astype(element)
        name = "y" if k == last else f"z{k}"
        nodes.append(helper.make_node("Gemm", [before, f"w{k}", f"b{k}"], [name], transB=1))
        before = name
        if k < last:
            nodes.append(helper.make_node("Relu", [name], [f"h{k}"]))
            before = f"h{k}"
    return model(nodes, {"x": [1, widths[0]]}, {"y": [1, widths[-1]]}, weights, element), [
        (weights[f"w{k}"], weights[f"b{k}"]) for k in range(last + 1)
    ]


def dot(w, x, b, order, flush):
    """One sum of products in the arithmetic of w, in an order of summation."""
    kind = w.dtype.type
    tiny = np.finfo(kind).tiny

    def kept(v):
        return kind(0) if flush and abs(v) < tiny else v

    terms = [kept(kept(a) * kept(c)) for a, c in zip(w, x, strict=True)]
    if order == "tree":
        parts = [*terms, b]
        while len(parts) > 1:
            parts = [kept(p[0] + p[1]) if len(p) == 2 else p[0] for p in (parts[i : i + 2] for i in range(0, len(parts), 2))]
        return parts[0]
    if order == "fused":  # the product is exact in twice the digits, one rounding after the sum
        total = kind(0)
        for a, c in zip(w, x, strict=True):
            total = kept(kind(np.longdouble(a) * np.longdouble(c) + np.longdouble(total)))
        return kept(total + b)
    terms = {"first": [b, *terms], "last": [*terms, b], "back": [*terms[::-1], b]}[order]
    total = kind(0)
    for t in terms:
        total = kept(total + t)
    return total


ORDERS = list(itertools.product(["first", "last", "back", "tree", "fused"], [False, True]))


def run(layers, x, order, flush):
    """A chain evaluated in one order."""
    with np.errstate(all="ignore"):
        for k, (w, b) in enumerate(layers):
            x = np.array([dot(w[i], x, b[i], order, flush) for i in range(len(b))], dtype=w.dtype)
            if k < len(layers) - 1:
                x = np.maximum(x, w.dtype.type(0))
    return x


def exact(network, x) -> list[F]:
    return ExactNetwork(network).outputs([F(float(v)) for v in x])


def check(found, values, truth):
    """Evaluated values are inside of the bounds, and near the network over the rationals."""
    assert (found.low <= values).all(), (found, values)
    assert (values <= found.high).all(), (found, values)
    for value, real, bound in zip(values.tolist(), truth, found.error.tolist(), strict=True):
        assert abs(F(value) - real) <= F(bound), (value, float(real), bound)


# ---- bounds --------------------------------------------------------------------------------------------------------
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["float32", "float64"]), st.sampled_from([0, 0, 3, 12, 40]), st.sampled_from([0.0, 1e-3, 1.0, 1e3]))
def test_no_order_of_summation_leaves_the_bounds(tmp_path_factory, seed, element, spread, bias):
    rng = np.random.default_rng(seed)
    widths = [int(rng.integers(1, 5)), *rng.integers(1, 7, size=rng.integers(1, 3)).tolist(), 2]
    content, layers = chain(rng, widths, element, spread, bias)
    one = load_model(saved(tmp_path_factory.mktemp("m") / "m.onnx", content))
    tape = one.tape()
    x = (rng.normal(size=widths[0]) * 2.0 ** rng.integers(-spread, spread + 1)).astype(element)
    reach = np.abs(x).astype(float) * rng.choice([1e-6, 0.1, 3.0])
    try:
        point, box = (evaluated(tape, element, *ends) for ends in ((x.astype(float),) * 2, (x - reach, x + reach)))
    except RoundingError as error:
        if spread != 40 or element != "float32" or "may overflow" not in str(error):
            raise
        return
    truth = exact(one.network, x)
    for order, flush in ORDERS:
        if order == "fused" and element == "float64":
            continue
        values = run(layers, x, order, flush).astype(float)
        check(point, values, truth)
        check(box, values, truth)


HALF = np.float32(2.0**-24 * (1 + 2.0**-10))  # a little more than half of what follows 1: every sum with it rounds up


def test_roundings_that_all_go_one_way(tmp_path):
    """1 + h + h + ... in a product, and in as many additions, errs by nearly a rounding each time."""
    n = 40
    ones = {"w": np.ones((n + 1, 1), np.float32)}
    product = load_model(saved(tmp_path / "p.onnx", model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": [1, n + 1]}, {"y": [1, 1]}, ones)))
    x = np.array([1, *[HALF] * n], dtype=np.float32)
    value = run([(ones["w"].T.copy(), np.zeros(1, np.float32))], x, "last", False)
    found = evaluated(product.tape(), "float32", *[x.astype(float)] * 2)
    truth = exact(product.network, x)
    assert abs(F(float(value[0])) - truth[0]) > 0.9 * n * F(1, 2**24)
    check(found, value.astype(float), truth)
    names = ["x", *(f"s{k}" for k in range(n - 1)), "y"]
    nodes = [helper.make_node("Add", [a, "h"], [b]) for a, b in itertools.pairwise(names)]
    sums = load_model(saved(tmp_path / "s.onnx", model(nodes, {"x": [1, 1]}, {"y": [1, 1]}, {"h": np.array([HALF])})))
    check(evaluated(sums.tape(), "float32", np.ones(1), np.ones(1)), value.astype(float), exact(sums.network, [1.0]))


@pytest.mark.parametrize("most", [1024, 0])
def test_errors_are_carried_on(tmp_path, monkeypatch, most):
    """Through units, factors and products, with their signs or by their sizes."""
    for place in (floats, rules):
        monkeypatch.setattr(place, "MOST_PARTS", most)
    n = 40
    weights = {"w": np.ones((n + 1, 2), np.float32), "c": np.float32([8, -16]), "v": np.float32([[4], [-2]]), "s": np.float32([2.5])}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("Mul", ["r", "c"], ["m"]),
        helper.make_node("LeakyRelu", ["m"], ["l"], alpha=0.5),
        helper.make_node("MatMul", ["l", "v"], ["b"]),
        helper.make_node("Max", ["b", "s"], ["k"]),
        helper.make_node("Mul", ["k", "s"], ["y"]),
    ]
    one = load_model(saved(tmp_path / "m.onnx", model(nodes, {"x": [1, n + 1]}, {"y": [1, 1]}, weights)))
    x = np.array([1, *[HALF] * n], dtype=np.float32)
    total = run([(weights["w"].T.copy(), np.zeros(2, np.float32))], x, "last", False)[0]
    value = np.array([float(total) * (8 * 4 + 16 * 0.5 * 2) * 2.5])  # no more rounding: few digits
    found, truth = evaluated(one.tape(), "float32", *[x.astype(float)] * 2), exact(one.network, x)
    assert abs(F(value[0]) - truth[0]) > 0.9 * n * F(120, 2**24)
    check(found, value, truth)


@pytest.mark.parametrize(("left", "right"), [(2.0**-70, 2.0**-70), (3 * 2.0**-64, 2.0**-64), (2.0**-130, 2.0**20), (2.0**-20, 2.0**-130)])
def test_what_underflow_costs(tmp_path, left, right):
    """Products that are subnormal or less, and factors that are, kept or flushed to zero."""
    weight, n = np.full((1, 5), left, np.float32), 5
    content = model([helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)], {"x": [1, n]}, {"y": [1, 1]}, {"w": weight})
    one = load_model(saved(tmp_path / "m.onnx", content))
    x = np.full(n, right, np.float32)
    found, truth = evaluated(one.tape(), "float32", *[x.astype(float)] * 2), exact(one.network, x)
    for order, flush in ORDERS:
        value = run([(weight, np.zeros(1, np.float32))], x, order, flush)
        check(found, value.astype(float), truth)
    check(found, np.zeros(1), truth)  # subnormal inputs and weights are taken for zero


def test_factors_that_are_merged_may_underflow(tmp_path):
    """2^100 * 2^-80 * 2^-60 is no small number, but the product of the factors is flushed."""
    weights = {"w": np.float32([[2.0**100]]), "c": np.float32([2.0**-80]), "d": np.float32([2.0**-60])}
    nodes = [helper.make_node(kind, [a, b], [c]) for kind, a, b, c in (("MatMul", "x", "w", "s"), ("Mul", "s", "c", "t"), ("Mul", "t", "d", "y"))]
    one = load_model(saved(tmp_path / "m.onnx", model(nodes, {"x": [1, 1]}, {"y": [1, 1]}, weights)))
    found, truth = evaluated(one.tape(), "float32", np.ones(1), np.ones(1)), exact(one.network, [1.0])
    assert truth == [F(1, 2**40)]
    for value in (0.0, 2.0**-40):
        check(found, np.array([value]), truth)


def test_the_bound_is_that_of_a_sum(tmp_path):
    """For one row of n ones it is no more than a few roundings of n numbers: it would not do to claim too much."""
    content = model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": [1, 50]}, {"y": [1, 1]}, {"w": np.ones((50, 1), np.float32)})
    tape = load_model(saved(tmp_path / "m.onnx", content)).tape()
    found = evaluated(tape, "float32", np.full(50, 0.1), np.full(50, 0.3))
    assert 0 < found.error[0] <= 52 * 2.0**-24 * 50 * 0.3 * 1.001


def test_errors_that_cancel_are_known_to_cancel(tmp_path):
    """Two equal outputs of one rounded tensor differ by less than they err."""
    weights = {"w": np.full((3, 1), 0.1, np.float32), "v": np.array([[1.0, 1.0]], np.float32)}
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["r"]), helper.make_node("MatMul", ["r", "v"], ["y"])]
    tape = load_model(saved(tmp_path / "m.onnx", model(nodes, {"x": [1, 3]}, {"y": [1, 2]}, weights))).tape()
    found = evaluated(tape, "float32", np.ones(3), np.full(3, 2.0))
    assert found.of(np.array([1.0, -1.0])) < 0.8 * found.error.sum()


OPERATORS = {
    "Conv": ({"w": (3, 2, 2, 2), "b": (3,)}, ["x", "w", "b"], {"pads": [1, 0, 0, 1]}),
    "ConvTranspose": ({"w": (2, 3, 2, 2), "b": (3,)}, ["x", "w", "b"], {}),
    "AveragePool": ({}, ["x"], {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [1, 1, 1, 1]}),
    "GlobalAveragePool": ({}, ["x"], {}),
    "MaxPool": ({}, ["x"], {"kernel_shape": [2, 2], "strides": [1, 1]}),
    "GlobalMaxPool": ({}, ["x"], {}),
    "BatchNormalization": ({"s": (2,), "b": (2,), "m": (2,), "v+": (2,)}, ["x", "s", "b", "m", "v+"], {}),
    "Mul": ({"s": (2, 1, 1)}, ["x", "s"], {}),
    "Div": ({"s+": (2, 1, 1)}, ["x", "s+"], {}),
    "Add": ({"s": (2, 1, 1)}, ["x", "s"], {}),
    "Sub": ({"s": (2, 1, 1)}, ["s", "x"], {}),
    "Sum": ({"s": (2, 1, 1)}, ["x", "s", "x"], {}),
    "Mean": ({}, ["x", "x", "x"], {}),
    "Neg": ({}, ["x"], {}),
    "Abs": ({}, ["x"], {}),
    "Relu": ({}, ["x"], {}),
    "LeakyRelu": ({}, ["x"], {"alpha": 0.3}),
    "PRelu": ({"s": (2, 1, 1)}, ["x", "s"], {}),
    "Clip": ({"lo-": (), "hi+": ()}, ["x", "lo-", "hi+"], {}),
    "Max": ({"s": (2, 1, 1)}, ["x", "s"], {}),
    "Min": ({"s": (2, 1, 1)}, ["x", "s"], {}),
    "ReduceMax": ({}, ["x"], {"axes": [2], "keepdims": 1}),
    "ReduceMin": ({}, ["x"], {"axes": [3], "keepdims": 1}),
    "ReduceMean": ({}, ["x"], {"axes": [2, 3], "keepdims": 1}),
    "MatMul": ({"w": (4, 3)}, ["x", "w"], {}),
    "Einsum": ({"w": (4, 3)}, ["x", "w"], {"equation": "abcd,de->abce"}),
    "Concat": ({"w": (1, 1, 4, 4)}, ["x", "w", "x"], {"axis": 1}),
    "Transpose": ({}, ["x"], {"perm": [0, 3, 1, 2]}),
}


@pytest.mark.parametrize("kind", OPERATORS)
@pytest.mark.parametrize("element", ["float32", "float64"])
@pytest.mark.parametrize("alone", [True, False])
def test_operators_as_onnxruntime_evaluates_them(tmp_path, kind, element, alone):
    """By themselves, and between two products, where folding and fusing have something to do."""
    rng = np.random.default_rng(len(kind))
    shapes, arguments, attributes = OPERATORS[kind]
    weights = {}
    for name, shape in shapes.items():
        array = rng.normal(size=shape)
        weights[name] = np.asarray(abs(array) + 0.1 if "+" in name else -abs(array) if "-" in name else array, dtype=element)
    weights |= {"in": rng.normal(size=(2, 2, 1, 1)).astype(element), "out": rng.normal(size=(1, 5)).astype(element)}
    weights |= {"flat": np.array([1, -1, 1])}
    renamed = [{"x": "h"}.get(a, a) for a in arguments]
    nodes = [
        helper.make_node("Conv", ["x", "in"], ["h"]),
        helper.make_node(kind, renamed, ["k"], **attributes),
        helper.make_node("Relu", ["k"], ["r"]),
        helper.make_node("Reshape", ["r", "flat"], ["f"]),
        helper.make_node("ReduceMean", ["f"], ["g"], axes=[1], keepdims=1),
        helper.make_node("MatMul", ["g", "out"], ["y"]),
    ]
    content = model(nodes, {"x": [1, 2, 4, 4]}, {"y": [1, 1, 5]}, weights, element)
    if alone:
        nodes = [helper.make_node(kind, arguments, ["k"], **attributes), helper.make_node("Reshape", ["k", "line"], ["y"])]
        content = model(nodes, {"x": [1, 2, 4, 4]}, {"y": ["n"]}, weights | {"line": np.array([-1])}, element)
    one = load_model(saved(tmp_path / "m.onnx", content))
    tape = one.tape()
    sessions = []
    for level in (onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level, options.log_severity_level = level, 4
        try:
            sessions.append(onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"]))
        except Exception:  # it has not all operators for doubles
            assert element == "float64"
    middle = rng.normal(size=32)
    box = evaluated(tape, element, middle - 0.5, middle + 0.5)
    for _ in range(6):
        x = np.clip(middle + rng.uniform(-0.5, 0.5, size=32), middle - 0.49, middle + 0.49).astype(element)
        point, truth = evaluated(tape, element, *(x.astype(float),) * 2), exact(one.network, x)
        if element == "float32":
            assert point.error.max() < 1e-4 * (1 + np.abs(middle).max()), "far more than rounding"
        for session in sessions:
            values = session.run(None, {"x": x.reshape(1, 2, 4, 4)})[0].ravel().astype(float)
            check(point, values, truth)
            check(box, values, truth)


SQUARES = [41, 47, 55, 61, 82, 83, 97]  # n times the rounded reciprocal of n is not 1


@pytest.mark.parametrize("n", SQUARES)
def test_computed_factors_round_on_the_way(tmp_path, n):
    """scale / sqrt(variance) is 1, but scale times the rounded 1 / sqrt(variance) is not."""
    weights = {"s": np.float32([n]), "o": np.zeros(1, np.float32), "v": np.float32([n * n])}
    node = helper.make_node("BatchNormalization", ["x", "s", "o", "o", "v"], ["y"], epsilon=0.0)
    content = model([node], {"x": [1, 1, 1]}, {"y": [1, 1, 1]}, weights)
    one = load_model(saved(tmp_path / "m.onnx", content))
    found = evaluated(one.tape(), "float32", np.ones(1), np.ones(1))
    value = np.float32(n) * (np.float32(1) / np.sqrt(weights["v"]))
    assert value < 1
    check(found, value.astype(float), exact(one.network, [1.0]))
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    check(found, session.run(None, {"x": np.ones((1, 1, 1), np.float32)})[0].ravel().astype(float), exact(one.network, [1.0]))


def test_roundings_of_constants_far_below_others(tmp_path):
    """x - 2^100 - 2^-1000 is folded into x - 2^100, which is less than a relative change that doubles hold."""
    weights = {"a": np.array(-(2.0**100)), "b": np.array(2.0**-1000)}
    content = model([helper.make_node("Max", ["x", "a", "b"], ["y"])], {"x": [1]}, {"y": [1]}, weights, "float64")
    one = load_model(saved(tmp_path / "m.onnx", content))
    found = evaluated(one.tape(), "float64", np.zeros(1), np.zeros(1))
    check(found, weights["b"].reshape(1), exact(one.network, [0.0]))
    assert not any(line.endswith("exactly") for line in one.network.log)


def test_constants_that_are_asked_for_may_be_flushed(tmp_path):
    tiny = {"c": np.float32([1e-40])}
    nodes = [helper.make_node("Identity", ["c"], ["k"]), helper.make_node("Relu", ["x"], ["y"])]
    one = load_model(saved(tmp_path / "m.onnx", model(nodes, {"x": [1]}, {"y": [1], "k": [1]}, tiny)))
    found = evaluated(one.tape(), "float32", np.ones(1), np.ones(1))
    for k in (0.0, float(tiny["c"][0])):
        check(found, np.array([1.0, k]), [F(1), F(float(tiny["c"][0]))])


def test_every_rule_is_of_an_operator_that_is_read():
    assert set(RULES) <= set(ONNX)


# ---- what is refused -----------------------------------------------------------------------------------------------
def refused(tmp_path, nodes, weights, match, outputs=(1, 2), low=-1.0, high=1.0, element="float32"):
    content = model(nodes, {"x": [1, 2]}, {"y": list(outputs)}, weights, element)
    tape = load_model(saved(tmp_path / "m.onnx", content)).tape()
    with pytest.raises(RoundingError, match=match):
        evaluated(tape, element, np.full(2, low), np.full(2, high))


def test_what_may_overflow_is_refused(tmp_path):
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    refused(tmp_path, [node], {"w": np.full((2, 2), 3e38, np.float32)}, "may overflow float32", high=2.0)
    cancels = {"w": np.array([[3e38, 1], [-3e38, 1]], np.float32)}  # the sum is small, parts of it are not
    refused(tmp_path, [node], cancels, "may overflow float32", low=1.0, high=1.5)
    refused(tmp_path, [node], {"w": np.full((2, 2), 1e-30, np.float32)}, "larger than all numbers", high=1e39)
    refused(tmp_path, [node], {"w": np.full((2, 2), 1e308)}, "may overflow float64", high=2.0, element="float64")


def test_bounds_beyond_float32_are_no_bounds(tmp_path):
    """The reader takes them for none, as exporters mean them; in float64 something may pass them."""
    node = helper.make_node("Clip", ["x", "", "c"], ["y"])
    refused(tmp_path, [node], {"c": np.array(1e40)}, "may pass the largest number of float32", high=1e41, element="float64")
    content = model([node], {"x": [1, 2]}, {"y": [1, 2]}, {"c": np.array(1e40)}, "float64")
    tape = load_model(saved(tmp_path / "m.onnx", content)).tape()
    assert evaluated(tape, "float64", np.ones(2), np.full(2, 1e30)).error.max() == 0


def test_what_has_no_rule_is_refused(tmp_path):
    refused(tmp_path, [helper.make_node("HardSigmoid", ["x"], ["y"])], {}, r"HardSigmoid.*has no bound on its rounding")
    nodes = [helper.make_node("Mul", ["c", "c"], ["d"]), helper.make_node("Mul", ["x", "d"], ["y"])]
    refused(tmp_path, nodes, {"c": np.array([0.1], np.float32)}, "computes a constant, which may round")
    nodes = [helper.make_node("Div", ["x", "c"], ["y"])]
    refused(tmp_path, nodes, {"c": np.array([1e-39], np.float32)}, "inverse may underflow or overflow")


def test_sums_of_constants_are_refused(tmp_path):
    """2^24 - 2^24 is 0, but x + 2^24 - 2^24 is not x."""
    high = {"c": np.float32([2**24]), "d": np.float32([-(2**24)])}
    for kind in ("Sum", "Mean"):
        refused(tmp_path, [helper.make_node(kind, ["x", "c", "d"], ["y"])], high, "adds several constants")
    row = {"w": np.float32([[2**24, 1, -(2**24)]])}
    for equation in ("ab,dc->ab", "ab,dc->ba", "ab,cc"):
        nodes = [helper.make_node("Einsum", ["x", "w"], ["y"], equation=equation)]
        weights = row if "d" in equation else {"w": np.diag(row["w"][0])}
        refused(tmp_path, nodes, weights, "adds up constants before it multiplies", (2, 1) if equation.endswith("ba") else (1, 2))


def test_semantics_are_those_of_the_file(tmp_path):
    content, _ = chain(np.random.default_rng(0), [2, 3, 1])
    path = saved(tmp_path / "m.onnx", content)
    query = written(tmp_path, 2, 1, [(0, 0), (0, 0)], "(assert (>= Y_0 100.0))")
    assert polylc.verify(query, path, semantics="float32").result is Answer.UNSAT
    with pytest.raises(QueryError, match=r"semantics float64: x is float32 in .*; ask for float32, or real"):
        polylc.verify(query, path, semantics="float64")
    with pytest.raises(QueryError, match=r"verdicts in float32 are given for \.onnx files"):
        polylc.verify(query, load_model(path).network, semantics="float32")


# ---- numbers of a format -------------------------------------------------------------------------------------------
@given(
    st.fractions(-(10**6), 10**6) | st.floats(width=32, allow_nan=False, allow_infinity=False).map(F),
    st.sampled_from(["float32", "float64"]),
    st.booleans(),
)
def test_the_next_number_of_a_format(value, element, strict):
    found = number_above(value, element, strict)
    kind = np.dtype(element).type
    assert found is None or (F(float(kind(float(found)))) == found and (found > value if strict else found >= value))
    if found is not None:
        below = np.nextafter(kind(float(found)), kind(-math.inf))
        assert math.isinf(below) or (F(float(below)) <= value if strict else F(float(below)) < value)


def test_bounds_that_no_number_of_the_format_reaches():
    assert number_above(F(10) ** 39, "float32") is None
    assert number_above(-(F(10) ** 39), "float32") == F(float(np.finfo(np.float32).min))
    assert number_above(F(1, 2**200), "float32") == F(1, 2**149)
    formula = representable(And((row({0: F(3)}, F(-1), True), row({0: F(-1), 1: F(1)}, F(0)))), 1, "float32")
    assert formula.parts[0].terms == ((0, F(1)),)
    assert formula.parts[0].constant == -F(float(np.float32(1 / 3)))
    assert formula.parts[1] == row({0: F(-1), 1: F(1)}, F(0))


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.integers(-3, 3), st.booleans()), min_size=1, max_size=4), st.randoms())
def test_a_weakened_formula_follows_from_values_nearby(said, random):
    rows = tuple(row({0: F(a), 1: F(b)}, F(c), strict) for a, b, c, strict in said if a or b)
    formula = Or((And(rows[:2]), And(rows[2:]))) if len(rows) > 2 else And(rows)
    near = weakened(formula, 1, lambda r: sum((abs(c) * F(1, 2) for v, c in r.terms if v >= 1), F(0)))
    for _ in range(20):
        x, y, off = (F(random.randint(-8, 8), 4) for _ in range(3))
        off = min(max(off, F(-1, 2)), F(1, 2))
        if formula.holds((x, y)):
            assert near.holds((x, y + off))
        if surely(formula, (x, y - F(1, 2)), (x, y + F(1, 2))):
            assert formula.holds((x, y + off))


# ---- verdicts ------------------------------------------------------------------------------------------------------
def written(folder, inputs, outputs, box, assertions) -> str:
    """A query of VNN-LIB 1.0."""
    lines = [f"(declare-const X_{i} Real)" for i in range(inputs)] + [f"(declare-const Y_{k} Real)" for k in range(outputs)]
    for i, (a, b) in enumerate(box):
        lines += [f"(assert (>= X_{i} {decimal(a)}))", f"(assert (<= X_{i} {decimal(b)}))"]
    path = folder / "q.vnnlib"
    path.write_text("\n".join([*lines, assertions]))
    return str(path)


def decimal(value) -> str:
    """All digits of a double."""
    return (
        format(np.longdouble(value), ".1f")
        if value == int(value)
        else np.format_float_positional(float(value), unique=False, precision=120, trim="-")
    )


GRID_ORDERS = [o for o in ORDERS if o[0] in ("first", "back", "tree")]


@pytest.mark.parametrize("seed", range(24))
def test_verdicts_on_all_points_of_a_tiny_grid(tmp_path, seed):
    """sat: every evaluation at the point satisfies it. unsat: none does, anywhere, in any order."""
    rng = np.random.default_rng(seed)
    content, layers = chain(rng, [2, 3, 1], spread=2)
    start = rng.normal(size=2).astype(np.float32)
    sides = []
    for value in start:
        side = [value]
        for _ in range(4):
            side.append(np.nextafter(side[-1], np.float32(np.inf)))
        sides.append(side)
    points = [np.array(p, dtype=np.float32) for p in itertools.product(*sides)]
    values = np.array([[float(run(layers, p, *how)[0]) for how in GRID_ORDERS] for p in points])
    spread = np.ptp(values)
    threshold = [values.max() + 300 * spread, values.min() - 300 * spread, values.mean(), values.max(), values.min() + 0.1 * spread][seed % 5]
    strict = seed % 2
    query = written(tmp_path, 2, 1, [(s[0], s[-1]) for s in sides], f"(assert ({'>' if strict else '>='} Y_0 {decimal(threshold)}))")
    verdict = polylc.verify(query, saved(tmp_path / "m.onnx", content), semantics="float32")
    holds = values > threshold if strict else values >= threshold
    if verdict.result is Answer.SAT:
        x = np.array([float(v) for v in verdict.assignment.x], dtype=np.float32)
        assert [F(float(v)) for v in x] == list(verdict.assignment.x)
        at = next(i for i, p in enumerate(points) if (p == x).all())
        assert holds[at].all()
        assert "onnxruntime computes" in verdict.note
        assert "outside" not in verdict.note
    elif verdict.result is Answer.UNSAT:
        assert not holds.any()
    else:
        assert verdict.result is Answer.UNKNOWN
        assert verdict.note
    if seed % 5 < 2 and spread > 0:  # far enough from all values
        assert verdict.result is (Answer.UNSAT if seed % 5 == 0 else Answer.SAT)


def test_only_numbers_of_the_format_count(tmp_path):
    """Between two neighbours there is nothing to evaluate."""
    content, _ = chain(np.random.default_rng(1), [1, 2, 1])
    one = 1 + 2.0**-23
    query = written(tmp_path, 1, 1, [(1 + 2.0**-30, one - 2.0**-30)], "(assert (>= Y_0 -1000.0))")
    path = saved(tmp_path / "m.onnx", content)
    assert polylc.verify(query, path, semantics="float32").result is Answer.UNSAT
    assert polylc.verify(query, path, semantics="real").result is Answer.SAT


def test_sums_of_small_integers_are_exact_in_any_order(tmp_path):
    weights = {"w": np.array([[1, -2], [3, 4]], np.float32), "b": np.array([1, -2], np.float32)}
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Add", ["a", "b"], ["c"]), helper.make_node("Relu", ["c"], ["y"])]
    path = saved(tmp_path / "m.onnx", model(nodes, {"x": [1, 2]}, {"y": [1, 2]}, weights))
    found = evaluated(load_model(path).tape(), "float32", np.array([2.0, 5.0]), np.array([2.0, 5.0]))
    assert found.error.tolist() == [0, 0]
    assert found.low.tolist() == found.high.tolist() == [18, 14]
    query = written(tmp_path, 2, 2, [(2, 2), (5, 5)], "(assert (<= Y_0 18.0))(assert (>= Y_0 18.0))(assert (= Y_1 14.0))")
    verdict = polylc.verify(query, path, semantics="float32")
    assert verdict.result is Answer.SAT
    assert verdict.assignment.y == (18, 14)
    thirds = evaluated(load_model(path).tape(), "float32", *[np.float32([0.1, 0.3]).astype(float)] * 2)
    assert thirds.error[0] > 0


def test_what_holds_over_the_reals_may_fail_in_floats(tmp_path):
    """(x + 2^24) - 2^24 is x over the reals; in float32 it is even."""
    weights = {"w": np.array([[1.0]], np.float32), "b": np.array([2.0**24], np.float32), "c": np.array([2.0**24], np.float32)}
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["a"]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("Sub", ["r", "c"], ["y"]),
    ]
    path = saved(tmp_path / "m.onnx", model(nodes, {"x": [1, 1]}, {"y": [1, 1]}, weights))
    query = written(tmp_path, 1, 1, [(1, 1)], "(assert (or (and (<= Y_0 0.5)) (and (>= Y_0 1.5))))")
    assert polylc.verify(query, path, semantics="real").result is Answer.UNSAT
    verdict = polylc.verify(query, path, semantics="float32")
    assert verdict.result is Answer.UNKNOWN
    assert "rounding may" in verdict.note


def test_boxes_are_cut_where_the_bound_is_coarse(tmp_path):
    rng = np.random.default_rng(5)
    content, _layers = chain(rng, [2, 8, 8, 1])
    path = saved(tmp_path / "m.onnx", content)
    network = load_model(path).network
    top = max(float(exact(network, p)[0]) for p in rng.uniform(-1, 1, size=(400, 2)).astype(np.float32))
    whole = evaluated(load_model(path).tape(), "float32", -np.ones(2), np.ones(2)).error[0]
    query = written(tmp_path, 2, 1, [(-1, 1), (-1, 1)], f"(assert (>= Y_0 {decimal(top + 0.7)}))")
    verdict = polylc.verify(query, path, semantics="float32", proof=tmp_path / "p.polylc")
    assert polylc.verify(query, path, semantics="real").result is Answer.UNSAT
    assert verdict.result is Answer.UNSAT
    assert verdict.statistics["rounding"] <= whole
    assert "rounding bounds: not checked" in verdict.note
    report = polylc.check(tmp_path / "p.polylc")
    assert "rounding bounds: not checked" in str(report)


def test_hidden_tensors_and_two_networks_in_float32(tmp_path):
    content, _layers = chain(np.random.default_rng(3), [2, 3, 1])
    path = saved(tmp_path / "m.onnx", content)
    text = """(vnnlib-version <2.0>)
    (declare-network f (declare-input X float32 [1,2]) (declare-hidden H float32 [1,3] "z0") (declare-output Y float32 [1,1]))
    (declare-network g (equal-to f) (declare-input V float32 [1,2]) (declare-output W float32 [1,1]))
    (assert (and (>= X[0,0] 0.0) (<= X[0,0] 1.0) (>= X[0,1] 0.0) (<= X[0,1] 1.0)))
    (assert (and (== X[0,0] V[0,0]) (== X[0,1] V[0,1])))
    (assert (or (>= H[0,0] 100.0) (>= Y[0,0] (+ W[0,0] 0.001))))"""
    query = tmp_path / "q.vnnlib"
    query.write_text(text)
    pytest.importorskip("vnnlib")
    verdict = polylc.verify(query, path)
    assert (verdict.question.semantics, verdict.result) == ("float32", Answer.UNSAT)
    query.write_text(text.replace("100.0", "-100.0"))
    verdict = polylc.verify(query, path)
    assert verdict.result is Answer.SAT
    assert not isinstance(verdict.question.formula, Row)


def test_files_with_the_same_weights_may_round_otherwise(tmp_path):
    """(x + 2^24) - 2^24 and x are one network over the reals; in float32 the former is even."""
    pytest.importorskip("vnnlib")
    nodes = [helper.make_node("Add", ["x", "c"], ["t"]), helper.make_node("Sub", ["t", "c"], ["y"])]
    shapes = {"x": [1, 1]}, {"y": [1, 1]}
    one = saved(tmp_path / "f.onnx", model(nodes, *shapes, {"c": np.float32([2**24])}))
    two = saved(tmp_path / "g.onnx", model([helper.make_node("Identity", ["x"], ["y"])], *shapes, {}))
    query = tmp_path / "q.vnnlib"
    query.write_text("""(vnnlib-version <2.0>)
    (declare-network f (declare-input X float32 [1,1]) (declare-output Y float32 [1,1]))
    (declare-network g (declare-input V float32 [1,1]) (declare-output W float32 [1,1]))
    (assert (and (== X[0,0] 1.0) (== X[0,0] V[0,0]) (>= W[0,0] (+ Y[0,0] 0.5))))""")
    for models in ({"f": one, "g": two}, {"f": two, "g": one}):
        assert polylc.verify(query, models).result is Answer.UNKNOWN
        assert polylc.verify(query, models, semantics="real").result is Answer.UNSAT


def test_one_model_on_the_same_input_is_one_function(tmp_path):
    """A network that is declared equal to another gives what that one gives."""
    pytest.importorskip("vnnlib")
    content, _layers = chain(np.random.default_rng(3), [2, 3, 1])
    query = tmp_path / "q.vnnlib"
    query.write_text("""(vnnlib-version <2.0>)
    (declare-network f (declare-input X float32 [1,2]) (declare-output Y float32 [1,1]))
    (declare-network g (equal-to f) (declare-input V float32 [1,2]) (declare-output W float32 [1,1]))
    (assert (and (>= X[0,0] 0.0) (<= X[0,0] 1.0) (>= X[0,1] 0.0) (<= X[0,1] 1.0) (== X[0,0] V[0,0]) (== X[0,1] V[0,1])))
    (assert (> Y[0,0] W[0,0]))""")
    assert polylc.verify(query, saved(tmp_path / "m.onnx", content)).result is Answer.UNSAT


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # attacks in doubles get nowhere
@pytest.mark.parametrize("power", [400, -400])
def test_coefficients_beyond_doubles(tmp_path, power):
    content, _layers = chain(np.random.default_rng(1), [1, 2, 1])
    factor = "1" + "0" * power + ".0" if power > 0 else "0." + "0" * (-power - 1) + "1"
    query = written(tmp_path, 1, 1, [(0, 1)], f"(assert (>= (* {factor} Y_0) (* {factor} 100.0)))")
    assert polylc.verify(query, saved(tmp_path / "m.onnx", content), semantics="float32").result is Answer.UNSAT
