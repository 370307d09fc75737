"""Frames of any number of directions: those of axes are boxes with fixed coordinates, and turning one turns what it
holds.
"""

from __future__ import annotations

import json
from fractions import Fraction as F

import numpy as np
import pytest
from nets import quarter_net, random_net, residual_net
from typer.testing import CliRunner

import polylc
from polylc.cli.main import app
from polylc.domains.frame import inner
from polylc.errors import NeighbourhoodError, UsageError
from polylc.exact.quantity import Kind
from polylc.network.form import chain

TURNED = {  # integer matrices whose rows are orthogonal and all as long as the number says
    2: ([[3, 4], [-4, 3]], 5),
    3: ([[1, 2, 2], [2, 1, -2], [2, -2, 1]], 3),
    4: ([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], 2),
}


def counted(result):
    assert result.status == "certified"
    return result.regions, result.adjacencies, result.pieces, result.affine_functions


def near(one, other, scale=1.0):
    """Whether two enclosures, one times a factor, may be of one number."""
    if one is None or other is None:
        assert one is None
        assert other is None
        return
    low, high = scale * one.lower * (1 - 1e-12), scale * one.upper * (1 + 1e-12)
    assert low <= other.upper
    assert other.lower <= high
    assert other.value == pytest.approx(scale * one.value, rel=1e-6)


@pytest.mark.parametrize("free", [[0], [2, 0], [3, 1, 2], [0, 1, 2, 3]])
@pytest.mark.parametrize("make", [random_net, quarter_net])
def test_a_frame_of_axes_is_a_box_with_fixed_coordinates(make, free):
    net = make([4, 5, 4, 2], len(free))
    origin = [F(1, 4), F(-1, 8), F(1, 2), F(0)]
    axes = [[F(int(j == axis), 2) for j in range(4)] for axis in free]  # half as long as one
    low, high = [-2] * len(free), [F(3 + j, 2) for j in range(len(free))]
    view = polylc.frame(net, origin, axes, low=low, high=high)
    in_frame = polylc.certify(net, view)[0]
    lower, upper = list(origin), list(origin)
    for axis, a, b in zip(free, low, high, strict=True):
        lower[axis], upper[axis] = origin[axis] + F(a) / 2, origin[axis] + b / 2
    in_box = polylc.certify(net, box=(lower, upper))[0]
    assert counted(in_frame) == counted(in_box)
    near(in_box.volume, in_frame.volume)
    assert sorted(map(bytes, in_frame.complex.patterns())) == sorted(map(bytes, in_box.complex.patterns()))
    for version, value in (in_box.answers.value("local_complexity").versions).items():
        near(value, in_frame.answers.value("local_complexity").versions[version])
    for name, value in in_box.answers.value("total_variation").items():
        near(value, in_frame.answers.value("total_variation")[name])
    by_norm = {(c.target, c.norm): (c.lower, c.upper) for c in in_box.answers.value("lipschitz")}
    for c in in_frame.answers.value("lipschitz"):
        assert by_norm[c.target, c.norm] == (c.lower, c.upper)


@pytest.mark.parametrize("n", sorted(TURNED))
def test_a_turned_frame_of_a_network_is_the_box_of_the_turned_network(n):
    """x = Q s, Q / size orthonormal: f(Q s) has the weights W Q, and volumes are size^n times as large."""
    rows, size = TURNED[n]
    net = quarter_net([n, 5, 4, 2], n)
    view = polylc.frame(net, [0] * n, rows)
    assert view.directions == tuple(tuple(map(F, row)) for row in rows)
    weights = [affine.terms[0][1] for affine in (*(layer.affine for layer in net.layers), net.output)]
    biases = [affine.bias for affine in (*(layer.affine for layer in net.layers), net.output)]
    turned = chain([weights[0] @ np.array(rows, dtype=float).T, *weights[1:]], biases)
    in_frame, in_box = polylc.certify(net, view)[0], polylc.certify(turned, box=([-1] * n, [1] * n))[0]
    assert counted(in_frame) == counted(in_box)
    assert in_frame.volume.lower <= (2 * size) ** n <= in_frame.volume.upper
    near(in_box.volume, in_frame.volume, size**n)
    if in_box.volumes is not None and in_box.volumes.rational and in_frame.volumes.rational:
        index = {bytes(p): r for r, p in enumerate(in_box.complex.patterns())}
        for r, pattern in enumerate(in_frame.complex.patterns()):
            assert in_frame.volumes.exact_share(r) == in_box.volumes.exact_share(index[bytes(pattern)])
    squares = {c.target: c for c in in_box.answers.value("lipschitz") if c.norm == "l2"}
    for c in in_frame.answers.value("lipschitz"):
        other = squares[c.target]
        assert c.norm == "l2"
        assert c.lower <= other.upper / size**2
        assert other.lower / size**2 <= c.upper
        assert (c.lower == c.upper) == (other.lower == other.upper)  # the norm of a matrix is no rational


@pytest.mark.parametrize("many", [1, 3, 5, 7])
def test_proofs_in_frames_check(many, tmp_path):
    net = random_net([8, 4, 3, 2], many)
    rng = np.random.default_rng(many)
    view = polylc.frame(net, rng.normal(size=8), rng.integers(-3, 4, size=(many, 8)), low=-0.25, high=[F(1, 8 + j) for j in range(many)])
    assert all(inner(a, b) == 0 for i, a in enumerate(view.directions) for b in view.directions[:i])
    result = polylc.certify(net, view, proof=tmp_path / "p", measures="counts,lipschitz")[0]
    assert result.status == "certified"
    (claim,) = polylc.check(tmp_path / "p")
    assert claim.regions == result.regions
    assert result.volume.kind is Kind.EXACT


def test_three_directions_are_drawn_and_written(tmp_path):
    net = residual_net(3)
    view = polylc.frame(net, [F(1, 3)] * net.inputs, np.eye(net.inputs)[: min(3, net.inputs)])
    run = polylc.certify(net, view)
    run.write_report(tmp_path / "r.html")
    assert view.kind in (tmp_path / "r.html").read_text()
    assert str(run)


@pytest.mark.parametrize(
    ("directions", "how", "said"),
    [
        ([], {}, "0 directions for 2 inputs"),
        ([[1, 0], [0, 1], [1, 1]], {}, "3 directions for 2 inputs"),
        ([[0, 0]], {}, "direction 1 is zero"),
        ([[F(1, 3), 1], [1, 3]], {}, "direction 2 lies in the span"),
        ([[1, 0, 0]], {}, "direction 1 has 3 coordinates, the origin 2"),
        ([[1, 0]], {"low": 1}, "leave nothing between them"),
        ([[1, 0]], {"low": [0, 0]}, "low has 2 bounds for 1 directions"),
        ([[F(1, 2**600), 0]], {}, "lengths are out of range"),
    ],
)
def test_what_is_no_frame_is_refused(directions, how, said):
    net = random_net([2, 3, 1], 0)
    with pytest.raises(NeighbourhoodError, match=said):
        polylc.frame(net, [0, 0], directions, **how)
    with pytest.raises(UsageError, match="planes and lines"):
        polylc.estimate(net, polylc.frame(net, [0, 0], [[1, 0]]))


# ---- on the command line: rows of a data file ------------------------------------------------------------------------
@pytest.fixture
def files(tmp_path):
    np.savez(tmp_path / "net.npz", **{f"{name}{layer}": value for layer, (w, b) in enumerate(LAYERS) for name, value in (("W", w), ("b", b))})
    (tmp_path / "frame.csv").write_text("0.1,0.2,0.3\n1,1,0\n-1,2,0.5\n0,0,0\n1,1\n")
    return str(tmp_path / "net.npz"), str(tmp_path / "frame.csv")


LAYERS = [
    (np.random.default_rng(3).normal(size=(6, 3)), np.random.default_rng(4).normal(size=6) / 2),
    (np.random.default_rng(5).normal(size=(2, 6)), np.zeros(2)),
]


def test_rows_of_a_file_are_origin_and_directions(files, tmp_path):
    model, data = files
    out = tmp_path / "out.json"
    found = CliRunner().invoke(app, ["certify", model, "--data", data, "--rows", "0:3", "--frame=-1", "2,3/2", "--json", str(out)])
    assert found.exit_code == 0, found.output
    view = polylc.frame(model, ["0.1", "0.2", "0.3"], [[1, 1, 0], ["-1", "2", "0.5"]], low=-1, high=[2, F(3, 2)])
    same = polylc.certify(model, view)
    (told,), (known,) = json.loads(out.read_text())["neighbourhoods"], json.loads(same.report().model_dump_json())["neighbourhoods"]
    assert told["status"] == "certified"
    assert same[0].regions > 1
    for key in ("regions", "pieces", "adjacencies", "local_complexity", "total_variation", "volume"):
        assert told[key] == known[key]
    drawn = CliRunner().invoke(app, ["plot", model, "--data", data, "--rows", "0:3", "--frame", "0", "1", "--out", str(tmp_path / "f.svg")])
    assert drawn.exit_code == 0, drawn.output
    constants = CliRunner().invoke(app, ["lipschitz", model, "--data", data, "--rows", "0,1", "--frame", "0", "1", "--norm", "l2"])
    assert constants.exit_code == 0, constants.output
    assert "2 of 2 constants exact" in constants.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--frame", "0", "1"), "frame.csv: row 4"),
        (("--frame", "0", "1", "--rows", "0"), "--frame: 1 rows; its origin and its directions are 2 to 4 rows"),
        (("--frame", "0", "1", "--rows", "0,1,1"), "frame: direction 2 lies in the span"),
        (("--frame", "0", "1", "--rows", "0,3"), "frame: direction 1 is zero"),
        (("--frame", "0", "1,1,1", "--rows", "0:3"), "frame: high has 3 bounds for 2 directions"),
        (("--frame", "1", "0", "--rows", "0:3"), "leave nothing between them"),
        (("--frame", "0", "x", "--rows", "0:3"), "--frame, HI"),
        (("--frame", "0", "1", "--radius", "1", "--margin", "1"), "--frame and --margin and --radius exclude each other"),
        (("--frame", "0", "1", "--plane", "0,1,2"), "--plane and --frame exclude each other"),
    ],
)
def test_wrong_options_are_one_line(files, options, said):
    model, data = files
    result = CliRunner().invoke(app, ["certify", model, "--data", data, *options])
    assert result.exit_code == 2
    (line,) = [text for text in result.output.splitlines() if text]
    assert said in line
