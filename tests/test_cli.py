"""The command line: answers, exit codes, and one clear line for bad input."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from fractions import Fraction

import networkx as nx
import numpy as np
import pytest
import torch
from nets import SPECIAL, random_net
from torch import nn
from typer.testing import CliRunner

import polylc
from polylc.cli.main import app
from polylc.network.form import Affine, Layer, Network
from polylc.network.weights import sparse_copy
from polylc.report.model import idle_units

NEIGHBOURHOOD_KEYS = {
    "index", "center", "norm", "radius", "lower", "upper", "status", "regions", "pieces", "affine_functions", "adjacencies", "volume",
    "local_complexity", "kink_variation", "total_variation", "local_rank", "lipschitz", "robustness", "bounds", "notes", "seconds",
}  # fmt: skip


def run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def save(network: Network, path) -> str:
    arrays = {}
    for i, affine in enumerate([*(layer.affine for layer in network.layers), network.output]):
        arrays |= {f"W{i}": affine.terms[0][1], f"b{i}": affine.bias}
    np.savez(path, **arrays)
    return str(path)


@pytest.fixture
def net(tmp_path):
    return save(random_net([2, 8, 6, 2], 0), tmp_path / "net.npz")


@pytest.fixture
def slow_net(tmp_path):
    return save(random_net([5, 40, 40, 2], 0), tmp_path / "slow.npz")


def report(tmp_path, *arguments: object, code: int = 0) -> dict:
    out = tmp_path / "report.json"
    result = run("certify", *arguments, "--json", out)
    assert result.exit_code == code, result.output
    return json.loads(out.read_text())


# ---- answers --------------------------------------------------------------------------------------------------------
def test_the_report_keeps_its_schema(net, tmp_path):
    whole = report(tmp_path, net, "--center", "0.1,0.2", "--radius", "0.5")
    assert whole["schema"] == "polylc.report/1"
    assert {"source", "sha256", "inputs", "outputs", "neurons"} <= set(whole["network"])
    assert whole["network"]["neurons"] == [8, 6]
    (entry,) = whole["neighbourhoods"]
    assert set(entry) >= NEIGHBOURHOOD_KEYS
    assert (entry["status"], entry["norm"], entry["radius"], entry["center"]) == ("certified", "linf", 0.5, [0.1, 0.2])
    assert entry["volume"] == [1.0, 1.0]
    assert set(entry["local_complexity"]) == {"activation", "activation_set", "open", "function", "sigma"}
    assert set(entry["total_variation"]) == {"frobenius", "operator", "margins"}
    assert {r["target"] for r in entry["lipschitz"]} == {f"f{entry['robustness']['label']}-f{1 - entry['robustness']['label']}", "jacobian"}
    assert set(entry["robustness"]) >= {"label", "robust", "distance", "adversarial", "adversarial_exact"}
    assert [r["layer"] for r in entry["local_rank"]] == [1, 2]
    for value in (entry["kink_variation"], entry["total_variation"]["operator"]):
        assert 0 <= value[1] - value[0] <= 1e-9 * value[0]
    assert "the volumes sum to that of the neighbourhood within the enclosures" in entry["notes"]["volumes"]
    assert "floats" not in entry["notes"]
    for row in entry["lipschitz"]:
        low, high = row["value"]
        assert low <= high <= low * (1 + 1e-9)
    floats = report(tmp_path, net, "--center", "0.1,0.2", "--radius", "0.5", "--no-certify")["neighbourhoods"][0]
    assert floats["status"] == "enumerated"
    for row, proved in zip(floats["lipschitz"], entry["lipschitz"], strict=True):
        assert row["value"][0] == row["value"][1] == pytest.approx(proved["value"][0], rel=1e-9)
    assert {k: entry[k] for k in ("regions", "pieces", "adjacencies")} == {k: floats[k] for k in ("regions", "pieces", "adjacencies")}


def test_json_on_stdout_is_all_of_stdout(net):
    result = run("certify", net, "--center", "0,0", "--radius", "0.1", "--measures", "counts", "--json", "-")
    entry = json.loads(result.stdout)["neighbourhoods"][0]
    assert entry["lipschitz"] is None
    assert entry["notes"]["lipschitz"] == "not asked for"
    assert entry["adjacencies"] is not None


def test_decimals_are_exact(tmp_path):
    """0.1 is 1/10: the doubles around it enclose the volume 2/10, and three tenths cut to [-0.2, 0.1] leave exactly
    3/10.
    """
    path = save(random_net([1, 3, 1], 0), tmp_path / "one.npz")
    entry = report(tmp_path, path, "--center", "0", "--radius", "0.3", "--clip", "-0.2", "0.1")["neighbourhoods"][0]
    low, high = entry["volume"]
    assert low < high == np.nextafter(low, 1)  # 3/10 is no double
    assert Fraction(low) < Fraction(3, 10) < Fraction(high)


def test_many_rows_with_a_bad_one_and_label_column(net, tmp_path):
    table = tmp_path / "rows.csv"
    table.write_text("0,51,102\n1,nan,0\n1,0,255\n")
    whole = report(tmp_path, net, "--data", table, "--label-column", "0", "--scale", "1/255", "--radius", "0.1", code=2)
    statuses = [e["status"] for e in whole["neighbourhoods"]]
    assert statuses == ["certified", "refused", "certified"]
    assert "column 1 is NaN" in whole["neighbourhoods"][1]["notes"]["refused"]
    assert whole["neighbourhoods"][0]["center"] == [0.2, 0.4]
    assert [whole["neighbourhoods"][i]["robustness"]["label"] for i in (0, 2)] == [0, 1]
    assert whole["summary"]["refused"] == 1
    text = run("certify", net, "--data", table, "--label-column", "0", "--scale", "1/255", "--radius", "0.1").output
    assert "row 1 refused: column 1 is NaN" in text
    assert "3 neighbourhoods; 1 refused" in text


def test_a_narrow_terminal_cuts_no_number(net, tmp_path):
    np.save(tmp_path / "x.npy", [[0.1, 0.2], [0.3, 0.4]])
    arguments = ["certify", net, "--data", str(tmp_path / "x.npy"), "--radius", "0.3"]
    result = CliRunner().invoke(app, arguments, env={"FORCE_COLOR": "1", "COLUMNS": "80"})
    assert result.exit_code == 0
    assert "certified" in result.output
    assert "…" not in result.output


def test_a_wrong_label_has_distance_zero(net, tmp_path):
    points, labels = tmp_path / "x.npy", tmp_path / "y.csv"
    np.save(points, np.zeros((1, 2)))
    right = report(tmp_path, net, "--data", points, "--radius", "0.1")["neighbourhoods"][0]["robustness"]["label"]
    labels.write_text(f"{1 - right}\n")
    entry = report(tmp_path, net, "--data", points, "--radius", "0.1", "--labels", labels)["neighbourhoods"][0]["robustness"]
    assert (entry["robust"], entry["distance"]) == (False, [0.0, 0.0])


def test_boxes_have_no_centre(net, tmp_path):
    entry = report(tmp_path, net, "--box", "-1", "1,1")["neighbourhoods"][0]
    assert (entry["center"], entry["radius"], entry["robustness"]) == (None, None, None)
    assert "only a ball has a centre" in entry["notes"]["robustness"]


def test_fixed_coordinates_and_clip(net, tmp_path):
    slice_ = report(tmp_path, net, "--box", "-1,0.5", "1,0.5")["neighbourhoods"][0]
    assert slice_["volume"] == [2.0, 2.0]
    assert "x1 = 1/2" in slice_["notes"]["domain"]
    clipped = report(tmp_path, net, "--center", "0,0", "--radius", "1", "--clip", "0", "1")["neighbourhoods"][0]
    assert (clipped["lower"], clipped["upper"]) == ([0.0, 0.0], [1.0, 1.0])


def test_graph_files(net, tmp_path):
    entry = report(tmp_path, net, "--center", "0,0", "--radius", "1", "--graph", tmp_path / "g.graphml")["neighbourhoods"][0]
    graph = nx.read_graphml(tmp_path / "g.graphml")
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (entry["regions"], entry["adjacencies"])
    assert run("certify", net, "--center", "0,0", "--radius", "1", "--graph", tmp_path / "g.npz").exit_code == 0
    arrays = np.load(tmp_path / "g.npz")
    network = random_net([2, 8, 6, 2], 0)
    values = np.einsum("rij,rj->ri", arrays["maps"][:, :, :2], arrays["points"]) + arrays["maps"][:, :, 2]
    np.testing.assert_allclose(values, network(arrays["points"]), atol=1e-10)
    assert len(arrays["first"]) == entry["adjacencies"]


def test_info_lists_layers_and_rewrites(tmp_path):
    path = tmp_path / "m.pt"
    torch.save(nn.Sequential(nn.Linear(2, 3), nn.LeakyReLU(0.25), nn.Linear(3, 2), nn.Softmax(dim=1)), path)
    result = run("info", path)
    assert result.exit_code == 0
    assert "2-3-2, 3 hidden neurons in 1 layers" in result.output
    assert "0.25 | 1" in result.output
    assert "Softmax" in result.output


def test_info_lists_operators_and_how_they_became_neurons(tmp_path):
    path = tmp_path / "m.pt"
    layers = [nn.Unflatten(1, (1, 4, 4)), nn.Conv2d(1, 2, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Hardtanh(), nn.Linear(8, 2)]
    model = nn.Sequential(*layers)
    model[1].weight.data[:] = torch.tensor([0.0, 2.0])[:, None, None, None]
    torch.save(model, path)
    result = run("info", path)
    assert result.exit_code == 0, result.output
    text = " ".join(result.output.split())
    names = [f"layer {i} ({type(layer).__name__})" for i, layer in enumerate(layers)]
    assert sorted(names, key=text.index) == names
    assert "input 16, output 2" in text
    assert "layer 2 (ReLU) ReLU 2x4x4 its units come after the maximum that follows" in text
    assert "Max pooling 2x2x2 16 + 8 + 8 in layers 1, 2, 3; a tournament of 2 rounds, 16 + 8 matches" in text
    assert "layer 5 (Hardtanh) HardTanh 8 16 in layer 4; a neuron for each entry and bound" in text


def test_units_that_split_nothing_are_counted():
    rows = np.array([[1.0, 2, 0], [4, 8, 0], [-1, -2, 0], [0, 0, 0], [1, 2, 0], [3, 6, 0]])
    slopes = np.array([0, 0, 0, 0, 1.0, 0])
    for weight in (rows, sparse_copy(rows)):
        layer = Layer(Affine(((0, weight),), np.array([1.0, 4, -1, 2, 1, 3])), slopes, np.ones(6))
        assert idle_units(Network(3, (layer,), Affine(((1, np.ones((1, 6))),), np.zeros(1))), 0) == (1, 1, 4)


def test_plot_writes_pictures(net, tmp_path):
    assert run("plot", net, "--center", "0,0", "--radius", "1", "--out", tmp_path / "p.png").exit_code == 0
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert run("plot", net, "--box", "-1,0", "1,0", "--out", tmp_path / "c.svg").exit_code == 0
    assert "<svg" in (tmp_path / "c.svg").read_text()


@pytest.mark.parametrize("name", SPECIAL)
def test_special_networks_get_through(name, tmp_path):
    entry = report(tmp_path, save(SPECIAL[name], tmp_path / "n.npz"), "--box", "-1,-1", "1,1")["neighbourhoods"][0]
    assert entry["status"] == "certified"
    assert entry["local_complexity"] is not None


# ---- limits and interruption ---------------------------------------------------------------------------------------
def test_limits_exit_with_3(slow_net, tmp_path):
    entry = report(tmp_path, slow_net, "--center", "0", "--radius", "1", "--max-regions", "30", code=3)["neighbourhoods"][0]
    assert (entry["status"], entry["regions"], entry["pieces"]) == ("partial", 30, None)
    for low, high in (entry["local_complexity"]["activation"], entry["total_variation"]["frobenius"], entry["kink_variation"]):
        assert 0 < low < high
    assert "of the volume; the rest adds at most what bounds allow" in entry["notes"]["total_variation"]
    result = run("certify", slow_net, "--center", "0", "--radius", "1", "--time-limit", "0.3")
    assert result.exit_code == 3
    assert ">= " in result.output


def test_ctrl_c_keeps_what_was_found(slow_net, tmp_path):
    """The process interrupts itself when 50 regions are there, as a user would."""
    program = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored where the tests run
from polylc.cli import signals
from polylc.engines.lp import LpEngine
from polylc.judge import repair
signals.PATIENCE = repair.LAST_WORDS = 1e6  # however slow the machine is, nothing is broken off
process, sent = LpEngine._process, []
def interrupting(self, cell):
    if len(self._leaf) == 50 and not sent:
        sent.append(True)
        os.kill(os.getpid(), signal.SIGINT)
    return process(self, cell)
LpEngine._process = interrupting
from polylc.cli import command
command()
"""
    out = tmp_path / "r.json"
    arguments = ["certify", slow_net, "--center", "0", "--radius", "1", "--measures", "counts", "--engine", "lp", "--json", str(out)]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert "interrupted: what was found until then is shown" in done.stderr
    (entry,) = json.loads(out.read_text())["neighbourhoods"]
    assert (entry["status"], entry["regions"]) == ("partial", 50)
    assert entry["notes"]["status"].startswith("interrupted")


# ---- bad input ------------------------------------------------------------------------------------------------------
BALL = ("--center", "0,0", "--radius", "0.1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--center", "0,0", "--radius", "0"), "radius: 0 is not positive"),
        (("--center", "0,0", "--radius", "-1"), "radius: -1 is not positive"),
        (("--center", "0,0", "--radius", "nan"), "'nan' is not a finite number"),
        (("--center", "0,0"), "--center needs --radius"),
        (("--center", "0,0,0", "--radius", "1"), "3 coordinates given, but the network has 2 inputs"),
        ((*BALL, "--clip", "1", "0"), "lower bound 1 is not below upper bound 0"),
        (("--box", "1,1", "0,0"), "swap the corners"),
        (("--box", "1,1", "1,1"), "every coordinate is fixed"),
        (("--box", "0,0", "1,1", *BALL), "exclude each other"),
        ((), "no neighbourhood"),
        (("--rows", "0:2", *BALL), "belong to --data"),
        ((*BALL, "--measures", "areas"), "'areas' is unknown"),
        ((*BALL, "--engine", "magic"), "'magic' is unknown"),
        ((*BALL, "--json", "/no/such/folder/x.json"), "the folder /no/such/folder does not exist"),
        ((*BALL, "--graph", "graph.txt"), "must end in .graphml or .npz"),
        (("--data", "DATA/wide.csv", "--radius", "1"), "row 0: it has 3 entries, expected 2"),
        (("--data", "DATA/words.csv", "--radius", "1"), "column 1 holds 'abc', which is not a number"),
        (("--data", "DATA/none.csv", "--radius", "1"), "there is no such file"),
        (("--data", "DATA/wide.csv", "--rows", "0:9", "--radius", "1"), "the data has only 1 row"),
        (("--data", "DATA/wide.csv", "--rows", "x", "--radius", "1"), "is not a row or a range"),
        ((*BALL, "--labels", "DATA/none.csv"), "there is no such file"),
        ((*BALL, "--radius"), "requires an argument"),
        ((*BALL, "--lattice"), "No such option: --lattice"),
        ((*BALL, "--jobs", "0"), "'--jobs'"),
        ((*BALL, "--max-regions", "1.5"), "certify --help"),
        ((*BALL, "other.pt"), "unexpected extra argument"),
        ((*BALL, "--graph", "-"), "must end in .graphml or .npz"),
        ((*BALL, "--input-shape", "²"), "is not a list of sizes"),
        (("--center", "1e400,0", "--radius", "1"), "--center, entry 0: the number is too large for a double"),
        (("--center", "0,0", "--radius", "1e400"), "--radius, entry 0: the number is too large for a double"),
        (("--box", "0", "0,1e999"), "upper corner, entry 1: the number is too large for a double"),
        ((*BALL, "--clip", "-1e400", "1"), "--clip, LO, entry 0: the number is too large for a double"),
        (("--center", "0,0", "--radius", "1e200"), "coordinate 0 is out of range"),
        (("--center", "0,0", "--radius", "1e-300"), "coordinate 0 is out of range"),
        (("--center", "0,0", "--radius", "9" * 5000), "a number of 5000 characters"),
        (("--data", "DATA/wide.csv", "--scale", "0", "--radius", "1"), "--scale: 0 makes all rows equal"),
        (("--data", "DATA/two\nlines.csv", "--radius", "1"), "two lines.csv: there is no such file"),
    ],
)
def test_bad_options_give_one_line(net, tmp_path, arguments, message):
    (tmp_path / "wide.csv").write_text("1,2,3\n")
    (tmp_path / "words.csv").write_text("0.5,abc\n")
    result = run("certify", net, *(a.replace("DATA", str(tmp_path)) for a in arguments))
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("rows", ["0,0", "0,1,0", "0:2,0:2"])
def test_a_row_chosen_twice_is_done_once_and_said_so(net, tmp_path, rows):
    table, proof = tmp_path / "x.csv", tmp_path / "x.proof"
    table.write_text("0.5,0.25\n1,1\n")
    arguments = (net, "--data", table, "--rows", rows, "--radius", "0.5", "--json", tmp_path / "r.json", "--proof", proof)
    done = run("certify", *arguments)
    assert done.exit_code == 0
    many = "row 0 is chosen more than once; it is done once" if rows != "0:2,0:2" else "rows 0, 1 are chosen more than once; each is done once"
    assert done.stderr.splitlines()[0] == many
    expected = [0] if rows == "0,0" else [0, 1]
    assert [entry["index"] for entry in json.loads((tmp_path / "r.json").read_text())["neighbourhoods"]] == expected
    assert [v.index for v in polylc.check(proof)] == expected


def test_labels_of_rows_chosen_twice(net, tmp_path):
    """A label for each row as it was typed; two labels of one row are refused."""
    table, labels = tmp_path / "x.csv", tmp_path / "labels.txt"
    table.write_text("0.5,0.25\n1,1\n")
    ball = ("certify", net, "--data", table, "--radius", "0.5", "--measures", "robustness", "--labels", labels)
    labels.write_text("1\n0\n1\n")
    found = run(*ball, "--rows", "0,1,0", "--json", "-")
    assert [entry["robustness"]["label"] for entry in json.loads(found.stdout)["neighbourhoods"]] == [1, 0]
    labels.write_text("1\n0\n0\n")
    refused = run(*ball, "--rows", "0,1,0")
    assert (refused.exit_code, refused.stderr) == (
        2,
        "polylc: row 0 is chosen twice, with the labels 1 and 0; choose it once in each run\n",
    )


class Foreign:
    """Pickles as a call that leaves a trace."""

    def __init__(self, trace: str) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (self.trace,)


def test_bad_models_give_one_line_and_run_nothing(tmp_path, data):
    trace = tmp_path / "trace"
    whole = (data / "moons2d.pt").read_bytes()
    with_nan = nn.Sequential(nn.Linear(2, 2))
    nn.init.constant_(with_nan[0].weight, float("nan"))
    torch.save(Foreign(str(trace)), tmp_path / "foreign.pt")
    torch.save(nn.Sequential(nn.Linear(2, 2), nn.Sigmoid(), nn.Linear(2, 2)), tmp_path / "sigmoid.pt")
    torch.save(nn.Sequential(nn.Linear(2, 2), nn.GELU(), nn.Linear(2, 2)), tmp_path / "gelu.pt")
    torch.save(with_nan, tmp_path / "nan.pt")
    (tmp_path / "empty.pt").touch()
    (tmp_path / "text.onnx").write_text("no model")
    (tmp_path / "short.pt").write_bytes(whole[: len(whole) // 2])
    shutil.copy(data / "moons2d.pt", tmp_path / "model.xyz")
    cases = {
        "missing.pt": "there is no such file",
        "empty.pt": "the file is empty",
        "text.onnx": "not an ONNX model",
        "short.pt": "truncated or damaged",
        "model.xyz": "unknown kind of model file",
        "sigmoid.pt": "layer 1 (Sigmoid) is not piecewise linear",
        "gelu.pt": "layer 1 (GELU) is not piecewise linear",
        "nan.pt": "contains NaN",
        "foreign.pt": "mkdir, which is not on the list",
    }
    for name, message in cases.items():
        result = run("certify", tmp_path / name, *BALL)
        assert result.exit_code == 2, name
        assert len(result.stderr.splitlines()) == 1, result.stderr
        assert message in result.stderr
        assert name in result.stderr
    assert not trace.exists()


def test_commands_that_are_none(net):
    for arguments in ((), ("certify",), ("plot", net), ("verify", net)):
        result = run(*arguments)
        assert result.exit_code == 2
        assert len(result.stderr.splitlines()) == (1 if arguments else 0)
    assert "certify" in run().output  # the help
    assert run("--version").exit_code == run("--help").exit_code == 0


def test_plot_draws_the_rows_chosen_and_refuses_what_it_cannot_draw(net, tmp_path):
    points, out = tmp_path / "points.csv", tmp_path / "p.png"
    points.write_text("0,0\nnan,1\n0.5,0.5\n")
    box = ("plot", net, "--box", "-1", "1", "--out", out)
    done = run(*box, "--data", points)
    assert done.exit_code == 0
    assert "1 of 3 rows of" in done.stderr
    assert len(run(*box, "--data", points, "--rows", "0").stderr.splitlines()) == 1
    (tmp_path / "wide.csv").write_text("1,2,3\n")
    for arguments, message in {
        ("--data", points, "--rows", "1"): "row 1: column 0 is NaN",
        ("--data", points, "--rows", "7"): "the data has only 3 rows",
        ("--data", tmp_path / "wide.csv"): "row 0: it has 3 entries, expected 2",
        ("--data", points, "--radius", "1"): "--radius belongs to --data or --center",
        ("--data", points, "--center", "0,0"): "exclude each other",
        ("--rows", "0"): "belong to --data",
    }.items():
        result = run(*box, *arguments)
        assert result.exit_code == 2
        assert len(result.stderr.splitlines()) == 1
        assert message in result.stderr
    result = run("plot", net, "--box", "-1", "1", "--out", "-")
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_partial_curve_says_so(net):
    result = polylc.certify(net, box=([-1, 0], [1, 0]), max_regions=2)[0]
    assert result.plot().axes[0].get_title() == "2 regions (partial)"


def test_plot_needs_one_or_two_free_coordinates(tmp_path):
    three = save(random_net([3, 4, 2], 0), tmp_path / "three.npz")
    result = run("plot", three, "--center", "0", "--radius", "1", "--out", tmp_path / "p.png")
    assert result.exit_code == 2
    assert "3 coordinates are free" in result.stderr


@pytest.mark.parametrize("engine", ["vertex", "dictionary", "lp"])
def test_every_engine_gives_the_same_answers(net, tmp_path, engine):
    default = report(tmp_path, net, "--center", "0.1,0.2", "--radius", "0.5")["neighbourhoods"][0]
    chosen = report(tmp_path, net, "--center", "0.1,0.2", "--radius", "0.5", "--engine", engine)["neighbourhoods"][0]
    assert (default["engine"], chosen["engine"]) == ("vertex", engine)
    for key in ("status", "regions", "pieces", "affine_functions", "adjacencies", "robustness"):
        assert chosen[key] == default[key]
    for one, other in zip(chosen["lipschitz"], default["lipschitz"], strict=True):
        assert one["exact"] == other["exact"]
        assert one["value"] == pytest.approx(other["value"], rel=1e-9)
