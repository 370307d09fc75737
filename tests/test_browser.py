"""Reports in a real browser: no error in the console, nothing asked for beyond the file, tables sort and filter,
pictures tell what they show, and nothing is wider than the screen.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, installed
from nets import random_net

from polylc.api.certify import certify
from polylc.report.run import Run

pytestmark = [pytest.mark.browser, pytest.mark.skipif(installed() is None, reason="no Chromium")]

WIDTHS = (1280, 390)
SHOTS = os.environ.get("POLYLC_SHOTS")  # a folder for screenshots, to be looked at


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as found:
        yield found


def opened(browser: Browser, path: Path, name: str) -> None:
    """Open a page at both widths and hold it to what every page must be."""
    browser.errors.clear()
    browser.requests.clear()
    for width in WIDTHS:
        browser.resize(width, 900)
        browser.open(path)
        assert not browser.errors
        assert [request for request in browser.requests if not request.startswith("data:")] == [path.resolve().as_uri()]
        browser.requests.clear()
        assert browser.run("document.documentElement.scrollWidth") <= width, f"{name}: wider than {width}"
        for scheme in ("light", "dark"):
            browser.media(prefers_color_scheme=scheme)
            assert contrast(browser) >= 4.5
            if SHOTS is not None:
                browser.run("document.querySelectorAll('details').forEach((d, i) => { if (i < 3) d.open = true; })")
                browser.screenshot(Path(SHOTS) / f"{name}-{width}-{scheme}.png")
        browser.media()
    browser.resize(1280, 900)


def contrast(browser: Browser) -> float:
    """The least contrast of text on the page, as WCAG 2.1 defines it, of what stands on the page's own colour."""
    found = browser.run(
        """(() => {
            const parts = (c) => c.match(/[\\d.]+/g).slice(0, 3).map(Number);
            const light = (c) => parts(c).map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
                .reduce((s, v, j) => s + v * [0.2126, 0.7152, 0.0722][j], 0);
            const paper = light(getComputedStyle(document.body).backgroundColor);
            return [...document.querySelectorAll("h1, h2, p, dt, dd, td, th, figcaption, a, .status")].map((e) => {
                const ink = light(getComputedStyle(e).color);
                return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
            }).reduce((a, b) => Math.min(a, b), 99);
        })()"""
    )
    assert isinstance(found, int | float)
    return float(found)


def seen(browser: Browser, picture: str) -> None:
    """Scroll to a picture, which is then set up."""
    browser.run(f"document.querySelector({picture!r}).scrollIntoView()")
    for _ in range(100):
        if browser.run("[...document.querySelectorAll('.told')].some((told) => told.textContent)"):
            return
        browser.run("new Promise((done) => setTimeout(done, 20))")
    raise AssertionError("the picture was not set up")


def column(browser: Browser, at: int) -> list[str]:
    """The cells of a column of the first table, as they are shown."""
    script = f"[...document.querySelector('table.sortable').tBodies[0].rows].filter((r) => !r.hidden).map((r) => r.cells[{at}].textContent)"
    return browser.run(script)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def many() -> Run:
    points = np.random.default_rng(0).uniform(-1, 1, (12, 2))
    points[3] = np.nan
    return certify(random_net([2, 8, 6, 3], 3), points, radius=0.3)


def test_tables_sort_and_filter(browser, many, tmp_path):
    path = tmp_path / "many.html"
    many.write_report(path)
    opened(browser, path, "many")
    counts = [str(r.regions) for r in many.results]
    assert column(browser, 2) == [*counts[:3], "", *counts[3:]]
    head = "document.querySelectorAll('table.sortable thead th')[2]"
    browser.run(f"{head}.querySelector('button').click()")
    assert browser.run(f"{head}.getAttribute('aria-sort')") == "ascending"
    assert column(browser, 2) == [*sorted(counts, key=int), ""]  # what is not known comes last
    browser.run(f"{head}.querySelector('button').click()")
    assert browser.run(f"{head}.getAttribute('aria-sort')") == "descending"
    assert column(browser, 2) == [*sorted(counts, key=int, reverse=True), ""]

    def typed(text: str) -> list[int]:
        browser.run(f"(() => {{ const i = document.querySelector('.filter input'); i.value = {text!r}; i.dispatchEvent(new Event('input')); }})()")
        return sorted(int(row) for row in column(browser, 0))

    middle = sorted(map(int, counts))[len(counts) // 2]
    assert typed(f"regions>{middle}") == [r.index for r in many.results if r.regions > middle]
    assert typed("refused") == [3]
    assert typed("certified robust=yes") == [r.index for r in many.results if r.robustness.robust]
    assert typed("") == list(range(12))


def test_links_open_what_is_folded(browser, many, tmp_path):
    path = tmp_path / "many.html"
    many.write_report(path)
    browser.open(path)
    assert not browser.run("document.getElementById('row-5').open")
    browser.run("document.querySelector('a[href=\"#row-5\"]').click()")
    browser.run("new Promise((done) => setTimeout(done, 50))")
    assert browser.run("document.getElementById('row-5').open")
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run("[...document.querySelectorAll('details')].every((d) => d.open)")
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert browser.run("[...document.querySelectorAll('details')].some((d) => !d.open)")


def test_pages_of_very_many_make_what_is_folded_when_it_is_opened(browser, many, tmp_path, monkeypatch):
    plain, lazy = tmp_path / "plain.html", tmp_path / "lazy.html"
    many.write_report(plain)
    monkeypatch.setattr("polylc.report.html.certify.MANY", 3)
    many.write_report(lazy)
    opened(browser, lazy, "lazy")
    inside = "document.getElementById('detail').innerText.replace(/\\s+/g, ' ')"
    texts = []
    for path in (plain, lazy):
        browser.open(path)
        if path == lazy:
            assert browser.run("document.querySelectorAll('script.later').length") == len(many.results)
            assert browser.run("document.querySelectorAll('svg.regions').length") == 0
            browser.run("document.querySelector('a[href=\"#row-5\"]').click()")
            browser.run("new Promise((done) => setTimeout(done, 50))")
            assert browser.run("document.querySelectorAll('#row-5 svg.regions').length") == 1
            seen(browser, "#row-5 .regions")
        browser.run("dispatchEvent(new Event('beforeprint'))")
        assert browser.run("document.querySelectorAll('script.later').length") == 0
        browser.run("document.querySelectorAll('.told').forEach((told) => { told.style.display = 'none'; })")
        texts.append(browser.run(inside))
    assert texts[0] == texts[1]


def test_pictures_tell_what_they_show(browser, tmp_path):
    run = certify(random_net([2, 8, 6, 3], 3), box=([-1, -1], [1, 1]), measures="all")
    path = tmp_path / "map.html"
    run.write_report(path)
    opened(browser, path, "map")
    seen(browser, ".regions")
    key = "document.querySelector('.regions').dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' }))"
    for region in range(3):
        browser.run(key)
        told = browser.run("document.querySelector('.told').textContent")
        assert told.startswith(f"region {region};")
        assert run[0].to_frame()["pattern"][region] in told.replace(" ", "")
    browser.run("document.querySelector('button[data-layer=\"class\"]').click()")
    assert browser.run("getComputedStyle(document.querySelector('.layer[data-layer=\"class\"]')).display") != "none"


def test_pictures_in_pixels_tell_what_they_show(browser, tmp_path, monkeypatch):
    monkeypatch.setattr("polylc.report.html.regions.MOST_CELLS", 5)
    run = certify(random_net([2, 8, 6, 3], 3), box=([-1, -1], [1, 1]))
    path = tmp_path / "pixels.html"
    run.write_report(path)
    opened(browser, path, "pixels")
    seen(browser, ".regions")
    browser.run("new Promise((done) => setTimeout(done, 200))")  # the image of numbers is read
    for region in range(3):
        browser.run("document.querySelector('.regions').dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' }))")
        assert browser.run("document.querySelector('.told').textContent").startswith(f"region {region};")
    for x in run[0].complex.points[:6].tolist():  # pointed at
        browser.run(
            f"""(() => {{ const svg = document.querySelector('.regions'), box = svg.getBoundingClientRect();
            svg.dispatchEvent(new PointerEvent('pointermove', {{ clientX: box.left + box.width * {(1 + x[0]) / 2},
            clientY: box.top + box.height * {(1 - x[1]) / 2} }})); }})()"""
        )
        assert browser.run("document.querySelector('.told').textContent").startswith(f"region {run[0].region_at(x)};")


def test_three_dimensions_turn(browser, tmp_path):
    run = certify(random_net([3, 5, 3, 2], 2), box=([-1] * 3, [1] * 3))
    path = tmp_path / "solid.html"
    run.write_report(path)
    opened(browser, path, "solid")
    seen(browser, "canvas")
    images = []
    for _ in range(2):
        images.append(browser.run("document.querySelector('canvas').toDataURL()"))
        browser.run("document.querySelector('canvas').dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowLeft' }))")
    assert images[0] != images[1]
