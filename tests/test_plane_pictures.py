"""The commands on planes and lines, and their pictures: cells by class, marks, images beside them."""

from __future__ import annotations

import json
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nets import quarter_net, random_net, residual_net
from test_cli import run

import polylc
from polylc.api.certify import certify
from polylc.domains.frame import through
from polylc.errors import UsageError
from polylc.network.backward import full_jacobians
from polylc.network.compose import compose
from polylc.network.form import Network
from polylc.report.decisions import class_cells, decision_boundary
from polylc.report.export import affine_maps
from polylc.report.figures import Style, figure
from polylc.report.images import image_shape


def saved(network: Network, path) -> str:
    weights = [layer.affine for layer in network.layers] + [network.output]
    arrays = {f"{name}{i}": part for i, affine in enumerate(weights) for name, part in (("W", affine.terms[0][1]), ("b", affine.bias))}
    np.savez(path, **arrays)
    return str(path)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[str, str]:
    """A model of 64 inputs, and four images for it."""
    folder = tmp_path_factory.mktemp("plane")
    np.save(folder / "images.npy", np.random.default_rng(1).integers(0, 17, (5, 64)) / 16)
    data = np.load(folder / "images.npy")
    data[4] = 2 * data[1] - data[0]
    np.save(folder / "images.npy", data)
    return saved(random_net([64, 10, 8, 3], 2), folder / "net.npz"), str(folder / "images.npy")


# ---- commands --------------------------------------------------------------------------------------------------------
def test_a_plane_through_rows_is_that_of_the_points(files, tmp_path):
    model, data = files
    out = tmp_path / "r.json"
    assert run("certify", model, "--data", data, "--plane", "2,0,3", "--margin", "1/2", "--json", out).exit_code == 0
    (entry,) = json.loads(out.read_text())["neighbourhoods"]
    net, rows = polylc.load(model), np.load(data)
    expected = certify(net, polylc.plane(net, rows[2], rows[0], rows[3], margin="0.5"))[0]
    assert entry["status"] == "certified"
    assert (entry["regions"], entry["adjacencies"], entry["pieces"]) == (expected.regions, expected.adjacencies, expected.pieces)
    assert entry["frame"]["points"] == rows[[2, 0, 3]].tolist()
    assert entry["line"] is None


def test_a_line_through_rows_has_breakpoints_and_classes(files, tmp_path):
    model, data = files
    out = tmp_path / "r.json"
    result = run("certify", model, "--data", data, "--line", "0,1", "--json", out, "--proof", tmp_path / "x.proof")
    assert result.exit_code == 0
    assert "line through row 0, row 1 in 64 dimensions" in " ".join(result.output.split())
    (entry,) = json.loads(out.read_text())["neighbourhoods"]
    found = entry["line"]
    assert len(found["breakpoints"]) == entry["regions"] + 1
    assert [F(found["breakpoints"][i]["exact"]) for i in (0, -1)] == [0, 1]
    net, rows = polylc.load(model), np.load(data)
    for place in found["breakpoints"]:
        np.testing.assert_allclose(place["outputs"], net(rows[0] + place["s"] * (rows[1] - rows[0])), rtol=0, atol=1e-9)
    for piece in found["classes"]:
        middle = (piece["low"] + piece["high"]) / 2
        assert net(rows[0] + middle * (rows[1] - rows[0])).argmax() == piece["label"]
    assert run("check", tmp_path / "x.proof", "--model", model).exit_code == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--plane", "0,1"), "--plane: 2 rows; give 3, such as 0,1,2"),
        (("--line", "0:3"), "--line: 3 rows; give 2, such as 0,1"),
        (("--plane", "0,1,0"), "plane: row 0 and row 0 are the same point; choose others"),
        (("--plane", "0,1,4"), "plane: row 0, row 1, row 4 lie on a line; choose others"),
        (("--plane", "0,1,9"), "the data has only 5 rows"),
        (("--plane", "0,1,2", "--radius", "1"), "--plane and --radius exclude each other"),
        (("--line", "0,1", "--rows", "0", "--clip", "0", "1"), "--line and --rows and --clip exclude each other"),
        (("--plane", "0,1,2", "--line", "0,1"), "--plane and --line exclude each other"),
        (("--plane", "0,1,2", "--margin", "-1"), "plane: margin -1 is out of range"),
        (("--rows", "0", "--radius", "1", "--margin", "1"), "--margin belongs to --plane or --line"),
    ],
)
def test_wrong_options_are_one_line(files, options, said):
    model, data = files
    result = run("certify", model, "--data", data, *options)
    assert result.exit_code == 2
    (line,) = [text for text in result.output.splitlines() if text]
    assert said in line


def test_a_plane_needs_a_file(files):
    result = run("certify", files[0], "--plane", "0,1,2")
    assert result.exit_code == 2
    assert "--plane names rows of --data FILE, which is missing" in result.output


def test_plot_draws_planes_and_lines(files, tmp_path):
    model, data = files
    for name, options in {
        "a": ("--plane", "0,1,2"),
        "b": ("--plane", "0,1,2", "--colour", "class"),
        "c": ("--line", "1,3", "--no-certify"),
        "e": ("--plane", "0,1,3", "--colour", "full"),
    }.items():
        result = run("plot", model, "--data", data, *options, "--out", tmp_path / f"{name}.png")
        assert result.exit_code == 0
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
        assert f"({'enumerated' if name == 'c' else 'certified'})" in result.output
    result = run("plot", model, "--data", data, "--plane", "0,1,2", "--colour", "red", "--out", tmp_path / "d.png")
    assert result.exit_code == 2
    assert "--colour: 'red' is unknown; choose gradient, full, class, component" in result.output


# ---- pictures --------------------------------------------------------------------------------------------------------
def area(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return 0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1))


@example(0, 3, True)  # two outputs are equal on all of a cell, and a third is larger on a part of it
@given(st.integers(0, 10**6), st.integers(1, 4), st.booleans())
def test_cells_by_class_are_the_cells_cut_up(seed, outputs, ties):
    """Their areas sum to that of the plane, and every point of one has its class."""
    network = (quarter_net if ties else random_net)([3, 6, outputs], seed)
    points = np.random.default_rng(seed).integers(-8, 9, (3, 3)) / 4
    points[2] = points[0] + np.cross(points[1] - points[0] + [0.25, 0, 0], [1, 2, 4]) + [0, 0, 0.125]
    points[1] += (points[1] == points[0]).all() * 0.5
    frame = through(points)
    complex_ = certify(network, frame)[0].complex
    cells, maps = complex_.polygons(), affine_maps(complex_)
    parts, classes = class_cells(cells, maps)
    assert sum(map(area, parts)) == pytest.approx(frame.size, rel=1e-6)
    for part, best in zip(parts, classes, strict=True):
        if area(part) < 1e-9 * frame.size:
            continue
        values = network(frame.lift(part.mean(axis=0) - frame.measured_middle))
        ahead = values[best] if outputs > 1 else (values[0] if best else -values[0])
        assert ahead >= (values.max() if outputs > 1 else 0.0) - 1e-9 * (1 + np.abs(values).max())
    for segment in decision_boundary(cells, maps):
        values = np.sort(network(frame.lift(segment.mean(axis=0) - frame.measured_middle)))
        assert abs(values[-1] - (values[-2] if outputs > 1 else 0.0)) < 1e-7 * (1 + np.abs(values).max())


def test_marks_have_names_classes_and_images(files):
    model, data = files
    network, rows = polylc.load(model), np.load(data)
    drawn = certify(network, through(rows[:3], ("row 0", "row 1", "row 2")))[0].plot(colour="class")
    labels = network(rows[:3]).argmax(axis=1)
    axes = drawn.axes
    assert sorted(text.get_text() for text in axes[0].texts) == [f"row {i}: {label}" for i, label in enumerate(labels)]
    assert [small.get_title() for small in axes[1:]] == [f"row {i}: class {label}" for i, label in enumerate(labels)]
    for small, row in zip(axes[1:], rows, strict=False):
        shown = small.images[0].get_array()
        np.testing.assert_allclose(shown * (rows[:3].max() - rows[:3].min()) + rows[:3].min(), row.reshape(8, 8), atol=1e-12)
    where = np.array([[*line.get_xdata(), *line.get_ydata()] for line in axes[0].lines])
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.linalg.norm(where[i] - where[j]) == pytest.approx(np.linalg.norm(rows[i] - rows[j]), rel=1e-12)


def test_lines_show_the_margins_of_the_class_they_begin_in(files):
    model, data = files
    network, rows = polylc.load(model), np.load(data)
    drawn = certify(network, polylc.line(network, rows[0], rows[1]))[0].plot()
    first = int(network(rows[0]).argmax())
    curves = {line.get_label(): line for line in drawn.axes[0].lines if line.get_label().startswith("$f")}
    assert len(curves) == 2
    for name, curve in curves.items():
        other = int(name.split("f_{")[2][0])
        x, y = np.array(curve.get_xdata()), np.array(curve.get_ydata())
        points = rows[0] + (x / np.linalg.norm(rows[1] - rows[0]))[:, None] * (rows[1] - rows[0])
        values = network(points)
        np.testing.assert_allclose(y, values[:, first] - values[:, other], atol=1e-9)
    assert drawn.axes[0].get_xlim()[1] == pytest.approx(np.linalg.norm(rows[1] - rows[0]))


@given(st.integers(0, 10**6), st.sampled_from(["chain", "residual", "ties"]))
def test_full_gradients_are_those_along_all_inputs(seed, kind):
    """By composing forward from the identity; and along a plane they are the projected ones."""
    network = {"chain": random_net([3, 5, 4, 2], seed), "residual": residual_net(seed), "ties": quarter_net([3, 5, 4, 3], seed)}[kind]
    bits = np.random.default_rng(seed).integers(0, 2, (7, network.neurons)).astype(bool)
    found = np.concatenate(list(full_jacobians(network, bits)))
    np.testing.assert_allclose(found, compose(network, bits, np.eye(3, 4), np.zeros(3)).output[:, :, :-1], atol=1e-12)
    frame = through([[0, 0, 1], [1, -1, 0], [1, 1, 1]])
    complex_ = certify(network, frame)[0].complex
    projected = np.concatenate([jacobian for _, jacobian in complex_.jacobians()])
    np.testing.assert_allclose(np.concatenate(list(full_jacobians(network, complex_.patterns()))) @ frame.basis, projected, atol=1e-12)


@pytest.mark.parametrize(
    ("known", "inputs", "shape"),
    [
        ((1, 28, 28), 784, (28, 28)),
        ((3, 4, 5), 60, (3, 4, 5)),
        ((1, 784, 1), 784, (28, 28)),
        ((784,), 784, (28, 28)),
        ((), 64, (8, 8)),
        ((), 49, None),
        ((), 65, None),
        ((4, 8, 8), 256, None),
        ((28, 28), 784, (28, 28)),
    ],
)
def test_what_is_taken_for_an_image(known, inputs, shape):
    assert image_shape(known, inputs) == shape


def test_a_colour_that_is_none_is_refused():
    network = random_net([3, 4, 2], 0)
    with pytest.raises(UsageError, match="colour 'heat' is unknown; choose gradient, full, class, component"):
        figure(certify(network, through(np.eye(3)))[0].complex, style=Style("heat"))
