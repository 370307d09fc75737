"""Pictures: what their colours stand for, where they are drawn, what they are saved as; films."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from nets import random_net, small_nets
from test_html import EXAMPLES
from typer.testing import CliRunner

import polylc
from polylc.api.certify import certify
from polylc.cli.main import app
from polylc.complex.graph import build_graph
from polylc.errors import UsageError
from polylc.measures.by_volume.variation import facet_areas
from polylc.report.figures import Style, figure
from polylc.report.shading import COLOURS, boundaries, shading

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def result():
    return certify(random_net([2, 8, 6, 3], 3), box=([-1, -1], [1, 2]))[0]


@given(small_nets())
def test_sides_are_those_of_the_graph(network):
    """By layer, the lines that are drawn are as long as the facets of the region graph."""
    if network.inputs != 2:
        return
    complex_ = certify(network, box=([-1, -1], [1, 1]), certified=False, measures="counts")[0].complex
    graph = build_graph(complex_)
    segments, layers = boundaries(complex_, complex_.polygons())
    lengths = np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1)
    drawn, known = np.zeros(len(network.layers)), np.zeros(len(network.layers))
    np.add.at(drawn, layers - 1, lengths)
    np.add.at(known, network.layer_of[graph.neurons(complex_)], facet_areas(complex_, graph))
    assert drawn.sum() == pytest.approx(known.sum(), abs=1e-6)
    if graph.flips.max(initial=1) == 1:
        np.testing.assert_allclose(drawn, known, atol=1e-6)


def test_what_colours_stand_for(result):
    frame = result.to_frame()
    gradients = shading(result.complex, "gradient")
    np.testing.assert_allclose(gradients.values, frame["gradient"])
    np.testing.assert_allclose(shading(result.complex, "full").values, frame["gradient"])  # all inputs are free
    ranks = shading(result.complex, "rank").values
    last = result.local_rank[-1]
    assert (ranks.min(), ranks.max()) == (last.least, last.most)
    assert len(set(shading(result.complex, "piece").values)) == min(len(frame["piece"].unique()), 20)
    assert shading(result.complex, "class") is None
    assert shading(result.complex, "depth") is None


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_all_colours_are_drawn_in_all_formats(result, colour, suffix, tmp_path):
    path = tmp_path / f"p{suffix}"
    result.plot(path, colour=colour, colormap="cividis", size=(4, 3))
    content = path.read_bytes()
    assert content.startswith({".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix])
    if suffix == ".svg":
        ElementTree.fromstring(content)


def test_sizes_and_axes_are_those_that_were_given(result):
    assert tuple(result.plot(size=(5, 4)).get_size_inches()) == (5, 4)
    from matplotlib.figure import Figure

    drawn = Figure()
    one, two = drawn.subplots(1, 2)
    assert result.plot(ax=one) is drawn
    result.plot(ax=two, colour="depth")
    assert one.collections
    assert two.collections
    line = certify(random_net([1, 4, 2], 0), box=([-1], [1]))[0]
    line.plot(ax=one)
    assert one.lines


@pytest.mark.parametrize(
    ("style", "said"),
    [(Style("heat"), "heat"), (Style(colormap="none"), "none"), (Style(size=(0.0, 3.0)), "0 x 3"), (Style(size=(float("nan"), 3.0)), "nan")],
)
def test_what_cannot_be_drawn_is_refused(result, style, said):
    with pytest.raises(UsageError, match=said):
        figure(result.complex, style=style)


def test_the_command_takes_colours_and_sizes(tmp_path):
    from PIL import Image

    moons = EXAMPLES / "moons" / "moons.pt"
    words = ["plot", str(moons), "--box", "0,0", "0.2,0.2", "--out", str(tmp_path / "p.png")]
    found = CliRunner().invoke(app, [*words, "--colour", "depth", "--size", "5,4", "--colormap", "magma"])
    assert found.exit_code == 0, found.output
    assert Image.open(tmp_path / "p.png").size[0] < 6 * 150
    for bad in (["--size", "5"], ["--size", "5,x"], ["--size", "0,1"], ["--colormap", "none"], ["--colour", "heat"]):
        found = CliRunner().invoke(app, [*words, *bad])
        assert found.exit_code == 2
        assert bad[0].removeprefix("--")[:5] in found.output


def test_films_have_a_frame_for_every_measurement(tmp_path):
    torch = pytest.importorskip("torch")
    from PIL import Image

    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(2, 6), torch.nn.ReLU(), torch.nn.Linear(6, 2))
    tracker = polylc.track(module, box=([-1, -1], [1, 1]), every=2, frames="class", measures="counts")
    with pytest.raises(UsageError, match="no frames"):
        tracker.film(tmp_path / "f.gif")
    for step in range(5):
        tracker(step)
        with torch.no_grad():
            module[0].bias += 0.2
    tracker.film(tmp_path / "f.gif", 0.1)
    film = Image.open(tmp_path / "f.gif")
    assert film.n_frames == 3
    assert film.info["duration"] == 100
    pictures = []
    for at in range(3):
        film.seek(at)
        pictures.append(np.array(film.convert("L")))
    assert (pictures[0] != pictures[2]).any()
    with pytest.raises(UsageError, match="ending"):
        tracker.film(tmp_path / "f.avi")
    with pytest.raises(UsageError, match="frames=True"):
        polylc.track(module, box=([-1, -1], [1, 1])).film(tmp_path / "f.gif")
    with pytest.raises(UsageError, match="one or two"):
        polylc.track(torch.nn.Linear(3, 1), [[0.0] * 3], radius=1, frames=True)
    with pytest.raises(UsageError, match="heat"):
        polylc.track(module, box=([-1, -1], [1, 1]), frames="heat")


def test_a_film_without_ffmpeg_is_refused(tmp_path, monkeypatch):
    from matplotlib.animation import FFMpegWriter

    from polylc.report.training.film import Film

    monkeypatch.setattr(FFMpegWriter, "isAvailable", classmethod(lambda cls: False))
    film = Film()
    film.add(certify(random_net([1, 3, 1], 0), box=([-1], [1]))[0].plot(), "one")
    with pytest.raises(UsageError, match="ffmpeg"):
        film.write(tmp_path / "f.mp4", 0.1)
    assert not (tmp_path / "f.mp4").exists()
    assert io.BytesIO(film.frames[0]).read(4) == b"\x89PNG"


def test_pictures_of_training_leave_no_place_empty():
    from polylc.report.training.figure import _columns, history_figure
    from polylc.report.training.history import History

    assert [_columns(n) for n in range(1, 10)] == [1, 2, 3, 2, 3, 3, 2, 2, 3]
    history = History(2, [{"step": s, "neighbourhood": n, "status": "certified", "regions": s + n, "loss": 1.0} for s in range(3) for n in range(2)])
    drawn = history_figure(history)
    assert len(drawn.axes) == 2
    assert "quartile" in drawn.get_supxlabel()
