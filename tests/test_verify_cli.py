"""The solver interface of VNN-LIB 2.0: words, assignments, errors, exit codes."""

from __future__ import annotations

import json
import re
from fractions import Fraction as F

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from typer.testing import CliRunner

import polylc
from polylc.cli.main import app
from polylc.errors import UsageError
from polylc.network.exact import ExactNetwork
from polylc.readers.capabilities import capabilities
from polylc.readers.question import make_question
from polylc.readers.supported import ONNX, is_read
from polylc.readers.vnnlib.file import read_query
from polylc.report.assignment import DIGITS, decimal, is_rounded
from polylc.report.verification import VerifyReport
from polylc.run.verification import Verdict
from polylc.search.prove import Answer


def run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def model(tmp_path) -> str:
    """y = relu(x) of shape (1, 2), and z, the sum of its entries, of shape ()."""
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("ReduceSum", ["y"], ["z"], keepdims=0)],
        "g",
        [info("x", TensorProto.FLOAT, [1, 2])],
        [info("y", TensorProto.FLOAT, [1, 2]), info("z", TensorProto.FLOAT, [])],
    )
    path = tmp_path / "relu.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return str(path)


BOX = "".join(f"(assert (and (>= X[0,{i}] -1.0) (<= X[0,{i}] 1.0)))\n" for i in range(2))
HEAD = "(vnnlib-version <2.0>)\n(declare-network f (declare-input X {0} [1,2]) (declare-output Y {0} [1,2]) (declare-output Z {0} []))\n" + BOX


@pytest.fixture
def query(tmp_path):
    """A function that writes a query of VNN-LIB 2.0."""
    pytest.importorskip("vnnlib")

    def write(assertions: str, head: str = HEAD.format("real")) -> str:
        path = tmp_path / f"q{len(list(tmp_path.iterdir()))}.vnnlib"
        path.write_text(head + assertions)
        return str(path)

    return write


@pytest.fixture
def old(tmp_path):
    """A function that writes a query of VNN-LIB 1.0 about the model."""

    def write(assertions: str) -> str:
        path = tmp_path / f"o{len(list(tmp_path.iterdir()))}.vnnlib"
        names = ["X_0", "X_1", "Y_0", "Y_1", "Y_2"]
        box = "".join(f"(assert (and (>= {x} -1) (<= {x} 1)))" for x in names[:2])
        path.write_text("".join(f"(declare-const {name} Real)" for name in names) + box + assertions)
        return str(path)

    return write


def parsed(lines: list[str]) -> dict[str, tuple[str, list[int], list[F]]]:
    """An assignment as it was printed: element type, shape and values by name."""
    found: dict[str, tuple[str, list[int], list[F]]] = {}
    rest = iter(lines)
    for line in rest:
        name, element, shape = re.fullmatch(r"(\w+) (\w+) \[([\d,]*)\]", line).groups()
        sizes = [int(size) for size in shape.split(",") if size]
        found[name] = (element, sizes, [F(next(rest)) for _ in range(int(np.prod(sizes)))])
    return found


# ---- words ---------------------------------------------------------------------------------------------------------
def test_sat_comes_with_an_assignment_in_the_order_of_declaration(model, query):
    done = run("verify", query("(assert (>= Z 1.75))"), "--network", f"f={model}", "--timeout", "60")
    assert done.exit_code == 0
    word, *lines = done.stdout.splitlines()
    assert word == "sat"
    found = parsed(lines)
    assert [(name, element, shape) for name, (element, shape, _) in found.items()] == [
        ("X", "real", [1, 2]),
        ("Y", "real", [1, 2]),
        ("Z", "real", []),
    ]
    x, y, z = (values for *_, values in found.values())
    assert all(-1 <= v <= 1 for v in x)
    assert y == [max(v, F(0)) for v in x]
    assert z == [sum(y)]
    assert z[0] >= F(7, 4)


@pytest.mark.parametrize("named", ["", "f=", "anything="])
def test_unsat_and_a_network_without_a_name(model, old, named):
    done = run("verify", old("(assert (> Y_2 2))"), "--network", f"{named}{model}")
    assert (done.exit_code, done.stdout) == (0, "unsat\n")


def test_the_first_version_prints_every_entry(model, old):
    done = run("verify", old("(assert (>= Y_0 0.25))"), "--network", model)
    word, *lines = done.stdout.splitlines()
    found = parsed(lines)
    assert word == "sat"
    assert list(found) == ["X_0", "X_1", "Y_0", "Y_1", "Y_2"]
    assert found["Y_0"][2][0] == max(found["X_0"][2][0], F(0)) >= F(1, 4)


def test_timed_out_is_said_and_has_an_exit_code(model, old):
    done = run("verify", old("(assert (> Y_2 1.99))"), "--network", model, "--timeout", "0")
    assert (done.exit_code, done.stdout) == (3, "timed-out\n")


def test_unknown_is_no_failure(model, old, monkeypatch):
    def unknown(query, networks, **settings):
        return Verdict(Answer.UNKNOWN, make_question(read_query(query), networks))

    monkeypatch.setattr("polylc.api.verify.verify", unknown)
    done = run("verify", old("(assert (> Y_2 1.99))"), "--network", model)
    assert (done.exit_code, done.stdout) == (0, "unknown\n")


def test_two_models_of_one_query(model, query):
    text = "(vnnlib-version <2.0>)\n" + "".join(
        f"(declare-network {n} {same} (declare-input X{n} real [1,2]) (declare-output Y{n} real [1,2]) (declare-output Z{n} real []))\n"
        for n, same in (("f", ""), ("g", "(equal-to f)"), ("h", ""))
    )
    boxes = "".join(BOX.replace("X[", f"X{n}[") for n in "fgh")
    apart = query(boxes + "(assert (>= (- Zf Zg) 1.5))(assert (<= Zh Zg))", text)
    done = run("verify", apart, "--network", f"f={model}", "--network", f"h={model}")
    assert done.exit_code == 0
    found = parsed(done.stdout.splitlines()[1:])
    assert list(found) == ["Xf", "Yf", "Zf", "Xg", "Yg", "Zg", "Xh", "Yh", "Zh"]
    assert found["Zf"][2][0] - found["Zg"][2][0] >= F(3, 2)
    equal = query(boxes + "(assert (== Xf[0,0] Xg[0,0]))(assert (== Xf[0,1] Xg[0,1]))(assert (!= Zf Zg))", text)
    done = run("verify", equal, "--network", f"f={model}", "--network", f"h={model}", "--timeout", "60")
    assert (done.exit_code, done.stdout) == (0, "unsat\n")


# ---- files ---------------------------------------------------------------------------------------------------------
def test_assignments_are_written_as_tensors(model, query, tmp_path):
    folder = tmp_path / "new" / "out"
    done = run("verify", query("(assert (>= Z 1.75))"), "--network", model, "--serialise-assignments", folder)
    assert (done.exit_code, done.stdout) == (0, "sat\n")
    arrays = {}
    for path in folder.iterdir():
        tensor = onnx.TensorProto.FromString(path.read_bytes())
        assert (tensor.name, tensor.data_type) == (path.stem, TensorProto.DOUBLE)
        arrays[path.name] = onnx.numpy_helper.to_array(tensor)
    assert {name: array.shape for name, array in arrays.items()} == {"X.pb": (1, 2), "Y.pb": (1, 2), "Z.pb": ()}
    np.testing.assert_allclose(arrays["Y.pb"], np.maximum(arrays["X.pb"], 0), rtol=1e-15)
    assert arrays["Z.pb"] >= 1.75


def test_nothing_is_written_where_there_is_no_assignment(model, old, tmp_path):
    run("verify", old("(assert (> Y_2 2))"), "--network", model, "--serialise-assignments", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_report_has_everything_exactly(model, query, tmp_path):
    path = query("(assert (== (* 3.0 Z) 1.0))")
    done = run("verify", path, "--network", f"f={model}", "--json", tmp_path / "r.json")
    assert done.exit_code == 0
    report = json.loads((tmp_path / "r.json").read_text())
    VerifyReport.model_validate(report)
    assert report["schema"] == "polylc.verify/1"
    (one,) = report["results"]
    assert (one["query"], one["result"], one["semantics"], one["vnnlib"]) == (path, "sat", "real", "2.0")
    assert [m["name"] for m in one["models"]] == ["f"]
    values = {v["name"]: [F(text) for text in v["values"]] for v in one["assignment"]}
    assert values["Z"] == [F(1, 3)] == [sum(values["Y"])]
    assert "no finite decimals" in done.stderr
    alone = run("verify", path, "--network", f"f={model}", "--json", "-")
    assert json.loads(alone.stdout)["results"][0]["result"] == "sat"


def test_many_queries(model, old, tmp_path):
    yes, no = old("(assert (>= Y_2 1.75))"), old("(assert (> Y_2 2))")
    names = [p.rpartition("/")[2] for p in (yes, no)]
    (tmp_path / "list.csv").write_text(
        f"model,query,timeout\nrelu.onnx,{names[0]},60\nrelu.onnx,{names[1]}\n\nrelu.onnx,nowhere.vnnlib,60\nf=relu.onnx,{names[0]},0\n"
    )
    done = run("verify", "--instances", tmp_path / "list.csv", "--json", tmp_path / "r.json")
    assert [line.split()[:3] for line in done.stdout.splitlines()] == [
        ["relu.onnx", names[0], "sat"],
        ["relu.onnx", names[1], "unsat"],
        ["relu.onnx", "nowhere.vnnlib", "error"],
        ["f=relu.onnx", names[0], "timed-out"],
    ]
    assert done.exit_code == 2
    results = VerifyReport.model_validate_json((tmp_path / "r.json").read_text()).results
    assert [r.result for r in results] == ["sat", "unsat", None, "timed-out"]
    assert "no such file" in results[2].error


@pytest.mark.parametrize(
    ("text", "message"), [("", "empty"), ("\n", "no rows"), ("a.onnx\n", "line 1: 1 cells"), ("a.onnx,q,1\na.onnx,q,soon\n", "line 2: the timeout")]
)
def test_lists_that_cannot_be_read(tmp_path, text, message):
    (tmp_path / "list.csv").write_text(text)
    done = run("verify", "--instances", tmp_path / "list.csv")
    assert done.exit_code == 2
    assert re.search(message, done.stderr)


# ---- errors --------------------------------------------------------------------------------------------------------
def refused(*arguments: object) -> str:
    """The one line on standard error."""
    done = run("verify", *arguments)
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


def test_the_three_conditions_of_the_standard(model, query):
    path = query("(assert (>= Z 1.75))")
    assert "no network" in refused(path)
    assert "no model for network f" in refused(path, "--network", f"g={model}")
    assert "no network needs, g" in refused(path, "--network", f"f={model}", "--network", f"g={model}")
    assert "is declared float64, but is float32" in refused(query("(assert (>= Z 1.75))", HEAD.format("float64")), "--network", model)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no query"),
        (("MODEL", "--network", "a.onnx", "--network", "b.onnx"), "two models without a name"),
        (("MODEL", "--network", "f=a.onnx", "--network", "f=b.onnx"), "two models for f"),
        (("MODEL", "--network", "MODEL", "--proof", "MODEL"), "--proof"),
        (("MODEL", "--network", "MODEL", "--serialise-assignments", "MODEL"), "is a file"),
        (("MODEL", "--instances", "list.csv"), "leave QUERY"),
        (("--instances", "list.csv", "--proof", "p"), "for one query"),
    ],
)
def test_options_that_do_not_fit(model, arguments, message):
    assert message in refused(*(model if a == "MODEL" else a for a in arguments))


def test_inputs_without_bounds(model, tmp_path):
    """What is found counts; what is not found near zero is unknown, and the input is named."""
    declared = "".join(f"(declare-const {n} Real)" for n in ("X_0", "X_1", "Y_0", "Y_1", "Y_2"))
    path = tmp_path / "q.vnnlib"
    for assertions, word in (
        ("(assert (>= X_0 100))(assert (<= Y_2 101))", "sat"),
        ("(assert (<= X_0 -100))(assert (>= Y_1 3))", "sat"),
        ("(assert (<= X_0 1))(assert (> X_0 Y_0))", "unknown"),
        ("(assert (<= Y_0 1000))(assert (>= Y_0 999))", "unknown"),
    ):
        path.write_text(declared + assertions)
        done = run("verify", path, "--network", model, "--timeout", "60")
        assert (done.exit_code, done.stdout.split()[0]) == (0, word)
        assert ("is not bounded" in done.stderr) == (word == "unknown")
    path.write_text(declared + "(assert (or (<= 0 X_0 1) (<= 2 X_1 3)))(assert (<= -1 X_1))(assert (>= Y_0 X_0))")
    assert re.search("X_[01] has no (lower|upper) bound", refused(path, "--network", model))


# ---- capabilities --------------------------------------------------------------------------------------------------
def test_capabilities():
    for name, lines in capabilities().items():
        done = run("supports", f"--{name}")
        assert (done.exit_code, done.stdout.splitlines()) == (0, lines)
    assert run("supports").exit_code == run("supports", "--vnnlib-versions", "--onnx-operators").exit_code == 2
    assert (run("--name").stdout, run("--version").stdout) == ("polylc\n", f"{polylc.__version__}\n")


def test_operators_that_are_reported_are_read():
    named = capabilities()["onnx-operators"]
    assert named == sorted(set(named))
    assert all(is_read(ONNX[name][0]) for name in named)
    assert {"Gemm", "Relu", "Conv", "MatMul", "Add", "Constant"} <= set(named)
    assert {"Sigmoid", "Pow", "Where", "Cast", "Mul"}.isdisjoint(named)


# ---- decimals ------------------------------------------------------------------------------------------------------
@given(st.integers(-(10**30), 10**30), st.integers(0, 70), st.integers(0, 30))
def test_finite_decimals_are_exact(whole, twos, fives):
    value = F(whole, 2**twos * 5**fives)
    assert F(decimal(value)) == value
    assert "e" not in decimal(value).lower()
    assert not is_rounded(value)


@given(st.fractions())
def test_other_decimals_are_near(value):
    text = decimal(value)
    assert re.fullmatch(r"-?\d+\.\d+", text)
    assert abs(F(text) - value) <= abs(value) * F(1, 10 ** (DIGITS - 1))
    assert is_rounded(value) == (F(text) != value)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_floats_are_written_so_that_they_are_read_back(value):
    assert np.float32(decimal(F(value), "float32")) == np.float32(value)
    assert float(decimal(F(value), "float64")) == value


# ---- in Python -----------------------------------------------------------------------------------------------------
def test_verify_in_python(model, old):
    verdict = polylc.verify(old("(assert (>= Y_2 1.75))"), model)
    assert verdict.result == "sat"
    assert tuple(ExactNetwork(verdict.question.network).outputs(verdict.assignment.x)) == verdict.assignment.y
    assert str(verdict).startswith("sat\nX_0 Real []\n")
    with pytest.raises(UsageError, match="no network"):
        polylc.verify(old("(assert (>= Y_2 1.75))"))
