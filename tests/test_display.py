"""What notebooks and consoles show of results: short, without scripts, and what the results say."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from nets import random_net
from test_html import EXAMPLES, Tags

import polylc
from polylc.api.certify import certify
from polylc.api.notebook import in_notebook, told
from polylc.api.plane import plane

NET = random_net([2, 6, 4, 3], 0)


def check_cell(text: str) -> None:
    """No scripts, no addresses that another cell has too, one table or list that is not folded."""
    Tags(text)
    assert "<script" not in text
    assert " id=" not in text
    assert "href=" not in text
    assert "<button" not in text
    assert "<details" in text
    assert len(re.findall("<table|<dl", text[: text.index("<details")] + "<dl")) <= 3


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(0, 1, (3, 100)), random_net([100, 5, 3], 0)


def shown() -> list[object]:
    moons = EXAMPLES / "moons"
    run = certify(NET, [[0.0, 0.0], [0.5, 0.5]], radius=0.3)
    found = [run, run[0], polylc.verify(moons / "class_kept.vnnlib", moons / "moons.pt")]
    found.append(polylc.estimate(NET, [[0.0, 0.0]] * 2, radius=0.3, samples=32))
    found.append(polylc.compare(NET, [[0.0, 0.0]] * 2, radius=0.3, samples=32, draws=2))
    found.append(polylc.distance(NET, [[0.0, 0.0], [0.2, 0.1]], 1))
    found.append(polylc.lipschitz(NET, [[0.0, 0.0], [0.2, 0.1]], radius=0.1, norm="linf"))
    return found


def test_cells_are_compact_and_reprs_are_short():
    for one in shown():
        check_cell(one._repr_html_())
        assert len(repr(one)) < 300, type(one)
        for part in one if hasattr(one, "__len__") else ():
            assert len(repr(part)) < 300


def test_reprs_of_many_and_of_images_are_short(images):
    points, network = images
    run = certify(network, points, radius=0.001)
    many = certify(NET, np.random.default_rng(1).uniform(-1, 1, (60, 2)), radius=0.1)
    estimates = polylc.estimate(network, points, radius=0.001, samples=16, methods="lines,lipschitz")
    for one in (run, many, estimates, estimates[0]):
        assert len(repr(one)) < 400
    assert "60 neighbourhoods: 60 certified" in repr(many)
    assert len(many._repr_html_()) < 60_000  # the table, without details
    assert many._repr_html_().count("<tr>") == 61


def test_what_a_cell_says_is_what_the_result_says():
    run = certify(NET, [[0.0, 0.0], [np.nan, 0.5]], radius=0.3)
    text = run._repr_html_()
    assert f'<td class="number">{run[0].regions}</td>' in text
    assert run.refused[0].reason in text


def test_lists_of_distances_and_constants_are_lists_that_show_themselves(tmp_path):
    distances = polylc.distance(NET, [[0.0, 0.0], [np.nan, 0.5], [0.2, 0.1]], 1)
    constants = polylc.lipschitz(NET, [[0.0, 0.0], [np.nan, 0.5], [0.2, 0.1]], radius=0.1, norm="linf")
    assert isinstance(distances, list)
    assert repr(distances) == "Distances(3 rows: 2 exact, 1 refused)"
    assert repr(constants) == "LipschitzRun(3 rows: 2 exact, 1 refused)"
    for one in (distances[0], distances[2]):
        assert f"{float(one.lower):.10g}" in distances._repr_html_()
    for one in constants[2].constants:
        assert f"{float(one.lower):.10g}" in constants._repr_html_()
    for found in (distances, constants):
        assert found[1].reason in found._repr_html_()
        found.write_report(tmp_path / "r.html")
        assert found[1].reason in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_figures_are_shown_where_they_are_the_value_of_a_cell():
    pytest.importorskip("matplotlib")
    view = plane(NET3, [1, 0, 0], [0, 1, 0], [0, 0, 1])
    for drawn in (certify(NET, box=([-1, -1], [1, 1]))[0].plot(), certify(NET3, view)[0].plot()):
        assert drawn._repr_png_().startswith(b"\x89PNG")


NET3 = random_net([3, 5, 2], 0)


def test_a_tracker_shows_its_curves():
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    tracker = polylc.track(module, [[0.0, 0.0], [0.5, 0.5]], radius=0.2)
    for step in range(2):
        tracker(step)
    text = tracker._repr_html_()
    check_cell(text)
    assert text.count("<polyline") >= 4
    assert tracker.plot()._repr_png_().startswith(b"\x89PNG")


class _Handle:
    def __init__(self) -> None:
        self.said: list[str] = []

    def update(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def handle(monkeypatch):
    """A notebook, and what it shows under a cell."""
    found = _Handle()
    shell = type("ZMQInteractiveShell", (), {})()
    display = types.ModuleType("IPython.display")
    display.HTML, display.display = (lambda text: text), (lambda _, display_id: found)
    fake = types.ModuleType("IPython")
    fake.get_ipython, fake.display = (lambda: shell), display
    monkeypatch.setitem(sys.modules, "IPython", fake)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr("polylc.api.notebook.EVERY", 0.0)
    return found


def test_progress_is_not_shown_elsewhere():
    assert not in_notebook()
    with told([], True) as calls:
        assert calls == {}


def test_progress_is_shown_in_notebooks(handle):
    assert in_notebook()
    run = certify(NET, [[0.0, 0.0], [0.5, 0.5]], radius=0.3)
    assert len(run) == 2
    assert any("1 of 2 neighbourhoods done; row 1" in text for text in handle.said)
    assert any("regions" in text for text in handle.said)
    assert handle.said[-1] == ""  # it goes when the work is done
    handle.said.clear()
    certify(NET, [0.0, 0.0], radius=0.3, progress=False)
    assert not handle.said


POINTS = [[0.0, 0.0], [0.2, 0.1]]
CALLS = {
    "verify": (lambda **more: polylc.verify(EXAMPLES / "moons" / "class_kept.vnnlib", EXAMPLES / "moons" / "moons.pt", **more), "searching"),
    "distance": (lambda **more: polylc.distance(NET, POINTS, 1, **more), "1 of 2 done; searching"),
    "lipschitz": (lambda **more: polylc.lipschitz(NET, POINTS, radius=0.1, **more), "1 of 2 done; searching"),
    "estimate": (lambda **more: polylc.estimate(NET, POINTS, radius=0.1, samples=16, methods="lines", **more), "1 of 2 neighbourhoods done; lines"),
    "compare": (lambda **more: polylc.compare(NET, POINTS, radius=0.1, samples=16, methods="lines", draws=0, **more), "2 of 2 neighbourhoods done"),
}


@pytest.mark.parametrize("name", CALLS)
def test_progress_of_all_that_may_take_long(handle, name):
    call, said = CALLS[name]
    call()
    assert any(said in text for text in handle.said)
    assert handle.said[-1] == ""
    handle.said.clear()
    call(progress=False)
    assert not handle.said


@pytest.mark.parametrize("name", ["verify", "distance", "lipschitz"])
def test_whoever_watches_is_told_in_place_of_the_notebook(handle, name):
    CALLS[name][0](watch=lambda counts: None)
    assert not handle.said


def test_names_are_listed():
    assert {"certify", "plane", "lipschitz"} <= set(dir(polylc))
    result = certify(NET, [0.0, 0.0], radius=0.3)[0]
    assert {"regions", "robustness", "local_complexity", "plot", "to_frame"} <= set(dir(result))
    assert (Path(polylc.__file__).parent / "py.typed").exists()
