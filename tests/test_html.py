"""Reports to look at: what is in them is what the results say, and they ask for nothing beyond themselves."""

from __future__ import annotations

import base64
import html
import io
import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import random_net

from polylc.api.certify import certify
from polylc.api.plane import plane
from polylc.errors import UsageError
from polylc.network.form import Network
from polylc.report.html.certify import certify_page
from polylc.report.html.estimates import compare_page, estimate_page
from polylc.report.html.page import as_json, html_of
from polylc.report.html.raster import edges, filled, numbered
from polylc.report.html.regions import _faces, pictures
from polylc.report.html.svg import COLOURS, Curve, Strip, chart, ends_text, interval_drawing, shade, strip_of, ticks
from polylc.report.images import data_uri, grey, png, signed
from polylc.report.run import Run

VOID = {"meta", "link", "img", "input", "br"}  # elements of SVG are closed by their own tags


class Tags(HTMLParser):
    """The tags of a page, checked to be nested; ids, links and text by tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.all.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.all.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def of(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.all if tag in names]


def page_of(run: Run, **more: object) -> str:
    return html_of(certify_page(run.network, list(run), run.seconds, **more))


def check_page(text: str) -> Tags:
    """What holds of every page."""
    tags = Tags(text)
    ids = [attributes["id"] for _, attributes in tags.all if "id" in attributes]
    assert len(ids) == len(set(ids))
    for attributes in tags.of("a"):
        assert attributes["href"][0] == "#"
        assert attributes["href"][1:] in ids
    levels = [int(tag[1]) for tag, _ in tags.all if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))  # no level is skipped
    assert all(attributes.get("alt") for attributes in tags.of("img"))
    for attributes in tags.of("svg", "canvas"):
        assert attributes.get("aria-hidden") == "true" or attributes.get("aria-label")
    sources = [value for _, attributes in tags.all for name, value in attributes.items() if name in ("src", "href")]
    assert all(value.startswith(("#", "data:")) for value in sources)
    assert "url(" not in text
    assert "@import" not in text
    return tags


@pytest.fixture(scope="module")
def network() -> Network:
    return random_net([2, 8, 6, 3], 3)


def test_a_page_of_many_rows_has_them_all_in_order(network):
    points = np.random.default_rng(0).uniform(-1, 1, (7, 2))
    points[4] = np.nan
    run = certify(network, points, radius=0.2)
    text = page_of(run)
    check_page(text)
    cells = re.search(r'<table class="sortable">(.*?)</table>', text, re.DOTALL)[1]
    rows = re.findall(r'<a href="#row-(\d+)">', cells)
    assert [int(row) for row in rows] == [entry.index for entry in run]
    for result in run.results:
        assert re.search(rf'id="row-{result.index}".*?<dt>regions</dt><dd>{result.regions}</dd>', text, re.DOTALL)
    assert run.refused[0].reason in text


def test_every_region_is_drawn_and_told(network):
    run = certify(network, box=([-1, -1], [1, 1]), measures="all", sigma="0.1")
    text = page_of(run)
    check_page(text)
    drawn = [int(r) for r in re.findall(r'<path data-r="(\d+)"', text)]
    assert drawn == list(range(run[0].regions))
    told = json.loads(re.search(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)[1])
    frame = run[0].to_frame()
    assert [p.replace(" ", "") for p in told["pattern"]] == list(frame["pattern"])
    np.testing.assert_allclose(told["norm"], frame["gradient"], rtol=1e-5)
    points = run[0].complex.points
    maps = np.array(told["map"])
    values = np.einsum("rjk,rk->rj", maps[:, :, :-1], points) + maps[:, :, -1]
    np.testing.assert_allclose(values, network(points), atol=1e-4)
    for one in run[0].bounds:
        assert one.statement in text or html_escape(one.statement) in text


def html_escape(text: str) -> str:
    from markupsafe import escape

    return str(escape(text))


@given(st.text(min_size=1))
def test_what_others_wrote_is_text(name):
    """A file's name, or anything else, cannot bring tags or scripts into a page."""
    network = random_net([1, 2, 1], 0)
    object.__setattr__(network, "source", f"<script>alert(1)</script>{name}")
    text = html_of(certify_page(network, [], 0.0, model='"><img src=x>'))
    assert "<script>alert" not in text
    assert "<img" not in text
    assert json.loads(as_json({"name": f"</script>{name}"})) == {"name": f"</script>{name}"}
    assert "</" not in as_json({"name": f"</script>{name}"})


@pytest.mark.parametrize("n", [1, 2, 3])
def test_pictures_of_all_dimensions(n):
    run = certify(random_net([n, 6, 4, 2], 1), box=([-1] * n, [1] * n))
    text = page_of(run)
    tags = check_page(text)
    assert bool(tags.of("canvas")) == (n == 3)
    assert not pictures(run[0].complex, None, run[0].regions - 1)


def test_the_faces_of_cells_enclose_their_volumes():
    """The divergence theorem on the faces that are drawn: the sum of pyramids over them is the volume."""
    complex_ = certify(random_net([3, 5, 3, 1], 2), box=([-1] * 3, [1] * 3))[0].complex
    for region in range(len(complex_)):
        inner, total = complex_.unit[region], 0.0
        for face in _faces(complex_, region):
            for b, c in itertools.pairwise(face[1:]):
                total += abs(np.linalg.det(np.array([face[0], b, c]) - inner)) / 6
        assert total == pytest.approx(complex_.geometry.volume[region], abs=1e-4)


def test_a_region_graph_is_drawn_beyond_three_dimensions():
    run = certify(random_net([4, 5, 3, 1], 2), box=([-1] * 4, [1] * 4))
    drawn = pictures(run[0].complex, run[0]._graph(), 10_000)
    assert str(drawn[0].content).count("<circle") == run[0].regions
    assert str(drawn[0].content).count("M") == run[0].adjacencies
    check_page(page_of(run))


def test_images_of_a_plane_are_those_it_was_laid_through():
    from PIL import Image

    network = random_net([64, 6, 3], 0)
    a, b, c = np.random.default_rng(1).uniform(0, 1, (3, 64))
    run = certify(network, plane(network, a, b, c))
    text = page_of(run)
    tags = check_page(text)
    images = tags.of("img")
    assert len(images) == 3
    pixels = np.array(Image.open(io.BytesIO(base64.b64decode(images[1]["src"].partition(",")[2]))))
    low, high = np.min([a, b, c]), np.max([a, b, c])
    np.testing.assert_allclose(pixels, (255 * (b.reshape(8, 8) - low) / (high - low)).round(), atol=1)


@given(st.integers(1, 9), st.integers(1, 9), st.booleans(), st.integers(0, 2**32 - 1))
def test_png_files_are_read_by_others(height, width, coloured, seed):
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3) if coloured else (height, width)).astype(np.uint8)
    assert (np.array(Image.open(io.BytesIO(png(pixels)))) == pixels).all()


def test_changes_are_red_up_and_blue_down():
    found = signed(np.array([1.0, -1.0, 0.0, 0.5]), (2, 2))
    assert found[0, 0].tolist() == [255, 0, 0]
    assert found[0, 1].tolist() == [0, 0, 255]
    assert found[1, 0].tolist() == [255, 255, 255]
    assert grey(np.array([0.0, 1.0]), (1, 2), 0.0, 1.0).tolist() == [[0, 255]]


# ---- pictures in pixels ----------------------------------------------------------------------------------------------
def read_uri(address: str) -> np.ndarray:
    from PIL import Image

    return np.array(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGB"))


@given(st.lists(st.tuples(st.floats(-2, 12), st.floats(-2, 12), st.floats(0.1, 6), st.integers(3, 7), st.booleans()), max_size=4))
def test_pixels_are_filled_where_their_middle_is_inside(shapes):
    """Against the crossing number of a ray; the last of several polygons is on top."""
    cells = []
    for x, y, radius, corners, turned in shapes:
        turn = 0.3 + np.arange(corners) * 2 * np.pi / corners
        cells.append(np.column_stack([x + radius * np.cos(turn), y + radius * np.sin(turn)])[:: -1 if turned else 1])
    found = filled(cells, 9, 10)
    for row in range(9):
        for column in range(10):
            px, py = column + 0.5, row + 0.5
            inside, near = [], False
            for cell in cells:
                after = np.roll(cell, -1, axis=0)
                crosses = 0
                for (ax, ay), (bx, by) in zip(cell, after, strict=True):
                    near |= abs((bx - ax) * (py - ay) - (by - ay) * (px - ax)) < 1e-9
                    crosses += (ay > py) != (by > py) and px < ax + (py - ay) * (bx - ax) / (by - ay)
                inside.append(crosses % 2 == 1)
            assert near or found[row, column] == max((k for k, one in enumerate(inside) if one), default=-1)


def test_edges_are_where_neighbours_differ_and_fade_where_they_crowd():
    covered = np.zeros((40, 40), dtype=np.int32)
    covered[:, 20:] = 1
    line = edges(covered)
    assert (line[:, 19] > 0.5).all()
    assert line.sum() == line[:, 19].sum()
    noise = np.random.default_rng(0).integers(0, 1000, (40, 40)).astype(np.int32)
    assert edges(noise)[10:30, 10:30].max() == 0.0


def test_numbers_of_regions_come_back_from_colours():
    covered = np.array([[-1, 0, 255, 256], [65535, 65536, 199_999, 7]], dtype=np.int32)
    pixels = read_uri(data_uri(numbered(covered))).astype(int)
    assert (pixels[..., 0] + 256 * pixels[..., 1] + 65536 * pixels[..., 2] - 1 == covered).all()


def test_many_regions_are_drawn_in_pixels(network, monkeypatch):
    """Each pixel has the colour of the region that the network's own pattern names, but for edges."""
    run = certify(network, box=([-1, -1], [1, 1]))
    monkeypatch.setattr("polylc.report.html.regions.MOST_CELLS", 5)
    text = page_of(run)
    check_page(text)
    assert "data-r=" not in text
    told = json.loads(re.search(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)[1])
    pixels = read_uri(told["ids"]).astype(int)
    number = pixels[..., 0] + 256 * pixels[..., 1] + 65536 * pixels[..., 2] - 1
    size = number.shape[0]
    assert number.shape == (size, size)
    by_norm, by_class = (read_uri(address) for address in re.findall(r'<image [^>]*href="([^"]*)"', text))
    span = run[0].to_frame()["gradient"].to_numpy()
    shares = (span - span.min()) / (span.max() - span.min())
    compared = 0
    for row, column in np.random.default_rng(0).integers(0, size, (300, 2)).tolist():
        x = np.array([-1 + 2 * (column + 0.5) / size, 1 - 2 * (row + 0.5) / size])
        r = number[row, column]
        if r != run[0].complex.region_at(x):
            continue  # on an edge
        compared += 1
        lit = by_norm[row, column] / np.array([int(shade(round(shares[r] * 125) / 125)[k : k + 2], 16) for k in (1, 3, 5)])
        assert np.allclose(lit, 1.0, atol=0.05) or np.allclose(lit, 0.65, atol=0.05)
        chosen = COLOURS[int(np.argmax(network(x[None])[0]))]
        lit = by_class[row, column] / np.array([int(chosen[k : k + 2], 16) for k in (1, 3, 5)])
        assert np.allclose(lit, 1.0, atol=0.05) or np.allclose(lit, 0.65, atol=0.05)
    assert compared > 290
    monkeypatch.setattr("polylc.report.html.regions.MOST_TOLD", 5)
    assert '"ids"' not in page_of(run)


# ---- light drawings --------------------------------------------------------------------------------------------------
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_ticks_are_round_and_within(a, b):
    low, high = min(a, b), max(a, b)
    found = ticks(low, high)
    assert 1 <= len(found) <= 11
    slack = 1e-6 * (high - low)
    assert all(low - slack <= t <= high + slack for t in found) or low == high
    assert sorted(found) == found


@given(st.lists(st.none() | st.floats(allow_nan=True), max_size=6), st.floats(allow_nan=False))
def test_places_on_a_strip_are_within_it(values, value):
    strip = strip_of(values)
    if strip is None:
        assert not any(v is not None and np.isfinite(v) for v in values)
        return
    assert strip.low <= 0.0 <= strip.high
    if np.isfinite(strip.high - strip.low) and np.isfinite(value - strip.low):
        assert 2.0 <= strip.at(value, 120) <= 118.0


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(None, None, "-"), (None, 2.0, "<= 2"), (1.0, None, ">= 1"), (1.0, 1.0, "1"), (1.0, 2.0, "[1, 2]"), (1.0, np.inf, ">= 1")],
)
def test_ends_in_words(low, high, said):
    assert ends_text(low, high) == said


def test_arrows_are_where_an_end_is_not_known():
    strip = Strip(0.0, 10.0)
    assert str(interval_drawing(strip, 1.0, 2.0, 1.5)).count("<path") == 0
    assert str(interval_drawing(strip, 1.0, None, None)).count("<path") == 1
    assert str(interval_drawing(strip, None, np.inf, None)).count("<path") == 2


def test_charts_show_every_curve():
    text = str(chart("t<itle", [Curve("a<b", [0, 1], [1, 2]), Curve("c", [0, 1], [3, np.nan], [2, 1], [4, 2])], "step", bars=[0.5]))
    Tags(text)
    assert text.count("<polyline") == 2
    assert "a&lt;b" in text
    assert "t&lt;itle" in text


@given(st.floats(0, 1))
def test_shades_are_colours(share):
    assert re.fullmatch("#[0-9a-f]{6}", shade(share))
    assert shade(-1.0) == shade(0.0) == "#440154"
    assert shade(2.0) == shade(1.0)


def test_a_report_is_written_whole_or_not_at_all(network, tmp_path: Path):
    run = certify(network, [0.0, 0.0], radius=0.5)
    path = tmp_path / "r.html"
    run.write_report(path)
    assert path.read_text().startswith("<!DOCTYPE html>")
    with pytest.raises(UsageError, match="no folder"):
        run.write_report(tmp_path / "no" / "r.html")


# ---- the other commands ----------------------------------------------------------------------------------------------
EXAMPLES = Path(__file__).parent.parent / "examples"


def rows_of(text: str) -> list[str]:
    """Rows of the first table that can be sorted, without tags."""
    body = re.search(r'<table class="sortable">.*?<tbody>(.*?)</tbody>', text, re.DOTALL)[1]
    return [html.unescape(re.sub("<[^>]*>", " ", row)) for row in re.findall("<tr>(.*?)</tr>", body, re.DOTALL)]


def command(*arguments: object) -> str:
    """The report that a command writes."""
    from typer.testing import CliRunner

    from polylc.cli.main import app

    path = Path(str(arguments[-1]))
    found = CliRunner().invoke(app, [str(a) for a in arguments])
    assert found.exit_code == 0, found.output
    text = path.read_text(encoding="utf-8")
    check_page(text)
    return text


@pytest.mark.parametrize("extra", [[], ["--jobs", "2"]])
def test_the_command_writes_what_the_function_writes(tmp_path, extra):
    moons = EXAMPLES / "moons"
    where = ["--data", moons / "moons.npz", "--rows", "0:4", "--radius", "0.05"]
    text = command("certify", moons / "moons.pt", *where, *extra, "--proof", tmp_path / "p.proof", "--report", tmp_path / "r.html")
    rows = np.load(moons / "moons.npz")["X"][:4]
    run = certify(str(moons / "moons.pt"), [[str(v) for v in row] for row in rows.tolist()], radius="0.05")
    assert [int(row.split()[2]) for row in rows_of(text)] == [r.regions for r in run.results]
    assert f"polylc check {tmp_path / 'p.proof'}" in text
    assert text.count("data-r=") == sum(r.regions for r in run.results)


def test_a_report_of_distances_has_them_and_the_images(tmp_path):
    import polylc

    digits = EXAMPLES / "digits"
    text = command("distance", digits / "digits.pt", "--data", digits / "digits.npz", "--rows", "0:2", "--report", tmp_path / "r.html")
    found = polylc.distance(str(digits / "digits.pt"), np.load(digits / "digits.npz")["X"][:2])
    for row, one in zip(rows_of(text), found, strict=True):
        assert f"{float(one.lower):.10g}" in row
        assert str(one.lower) in text
    assert len(Tags(text).of("img")) == 6


def test_a_report_of_constants_has_them(tmp_path):
    moons = EXAMPLES / "moons"
    text = command("lipschitz", moons / "moons.pt", "--center", "0,0", "--radius", "0.1", "--report", tmp_path / "r.html")
    import polylc

    found = polylc.lipschitz(str(moons / "moons.pt"), [0.0, 0.0], radius="0.1")[0]
    for constant in found.constants:
        assert ends_text(*constant.quantity.as_pair(), 10) in text


def test_a_report_of_queries_says_what_was_answered(tmp_path):
    moons = EXAMPLES / "moons"
    query = tmp_path / "again.vnnlib"
    query.write_text((moons / "class_kept.vnnlib").read_text())
    listed = tmp_path / "list.csv"
    listed.write_text(f"{moons / 'moons.pt'},{moons / 'class_kept.vnnlib'},60\n{moons / 'moons.pt'},{query},60\n")
    text = command("verify", "--instances", listed, "--report", tmp_path / "r.html")
    assert [row.split()[3] for row in rows_of(text)] == ["unsat", "unsat"]
    (tmp_path / "hit.vnnlib").write_text("(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)(declare-const Y_1 Real)"
        "(assert (>= X_0 0.25))(assert (<= X_0 0.25))(assert (>= X_1 0.5))(assert (<= X_1 0.5))(assert (<= Y_0 1000.0))")  # fmt: skip
    text = command("verify", tmp_path / "hit.vnnlib", "--network", moons / "moons.pt", "--report", tmp_path / "s.html")
    assert 'class="word sat"' in text
    assert '<td class="number">0.25</td><td>1/4</td>' in text


def test_reports_of_estimates_and_comparisons_have_every_row():
    import polylc

    network = random_net([2, 6, 4, 2], 0)
    found = polylc.estimate(network, [[0.0, 0.0], [np.nan, 0.0]], radius=0.5, samples=64)
    text = html_of(estimate_page(found.report()))
    check_page(text)
    assert len(rows_of(text)) == len(found.report().summary)
    for one in found[0].estimates:
        assert f"{one.value:.6g}" in text
    assert found.refused[0].reason in text
    beside = polylc.compare(network, [[0.0, 0.0]], radius=0.5, samples=64, draws=2)
    text = html_of(compare_page(beside.report()))
    check_page(text)
    assert len(rows_of(text)) == len(beside.summary())
    for pairing in beside[0].pairings:
        assert f"{pairing.estimate.value:.6g}" in text
    assert text.count('class="word no"') == sum(p.covered is False for p in beside[0].pairings)


def test_a_report_of_a_training_has_its_steps(tmp_path):
    torch = pytest.importorskip("torch")
    import polylc

    module = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    path = tmp_path / "t.html"
    tracker = polylc.track(module, [[0.0, 0.0], [0.5, 0.5]], radius=0.2, report=path)
    for step in range(3):
        tracker(step, loss=1.0 / (1 + step))
    text = path.read_text()
    check_page(text)
    assert [int(row.split()[0]) for row in rows_of(text)] == [0, 1, 2]
    assert text.count("<polyline") >= 5
    with pytest.raises(UsageError, match="report"):
        polylc.track(module, [[0.0, 0.0]], radius=0.2, report=tmp_path / "t.txt")


@pytest.mark.parametrize(("name", "said"), [("run.pdf", r"one \.html file"), ("none/run.html", "there is no folder")])
def test_a_report_with_another_name_or_in_no_folder_is_refused(tmp_path, name, said):
    run = certify(random_net([2, 3, 2], 0), [0.0, 0.0], radius=1)
    with pytest.raises(UsageError, match=said):
        run.write_report(tmp_path / name)
    assert not list(tmp_path.iterdir())
