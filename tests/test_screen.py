"""What is shown on screen: tables that fit, nothing cut, quiet and talkative runs, logs, completion."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import random_net
from rich.console import Console
from test_html import EXAMPLES
from typer.testing import CliRunner

import polylc
from polylc.api.certify import certify
from polylc.cli.main import app
from polylc.report.estimates.table import show_comparison, show_estimates
from polylc.report.table import GAP, broken, fitting, many_rows, show_fitting, show_many

MOONS = EXAMPLES / "moons"
DRAWN = ("plot", str(MOONS / "moons.pt"), "--center", "0,0", "--radius", "0.05")
BALLS = ("certify", str(MOONS / "moons.pt"), "--data", str(MOONS / "moons.npz"), "--rows", "0:3", "--radius", "0.05")


def printed(show, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    show(console)
    return console.file.getvalue().splitlines()


tables = st.integers(1, 6).flatmap(
    lambda n: st.tuples(
        st.lists(st.tuples(st.text("abc xyz", min_size=1, max_size=12), st.booleans()), min_size=n, max_size=n, unique_by=lambda c: c[0]),
        st.lists(st.lists(st.text("0123456789.-[]~", max_size=20), min_size=n, max_size=n), max_size=4),
    )
)


@given(tables, st.integers(1, 100), st.integers(0, 5))
def test_columns_that_fit_are_shown_and_no_others(table, width, first):
    columns, rows = table
    always = [columns[first % len(columns)][0]]
    chosen = fitting(columns, rows, width, always)
    assert {always[0]} <= {columns[at][0] for at in chosen}
    widths = [max([len(name), *(len(row[at]) for row in rows)]) for at, (name, _) in enumerate(columns)]
    taken = sum(widths[at] for at in chosen) + GAP * (len(chosen) - 1)
    assert taken <= width or len(chosen) == 1
    for at in set(range(len(columns))) - set(chosen):
        assert taken + GAP + widths[at] > width


@given(tables, st.integers(1, 100))
def test_no_cell_is_cut(table, width):
    columns, rows = table
    for wide in (True, False):
        lines = printed(lambda console: show_fitting(console, columns, rows, [columns[0][0]], wide), width)  # noqa: B023
        shown = range(len(columns)) if wide else fitting(columns, rows, width, [columns[0][0]])
        for row, line in zip(rows, lines[1:], strict=False):
            assert all(row[at] in line for at in shown)


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_tables_fit_the_terminal(width):
    network = random_net([2, 8, 6, 3], 3)
    points = np.random.default_rng(0).uniform(-1, 1, (3, 2))
    run = certify(network, points, radius=0.3)
    estimates = polylc.estimate(network, points[:1], radius=0.3, samples=64, methods="lines,coarea,patterns,tube")
    beside = polylc.compare(network, points, radius=0.3, samples=64, draws=0, methods="lines,patterns")
    shows = [
        lambda console: show_many(console, list(run), wide=False),
        lambda console: show_estimates(console, estimates.entries, wide=False),
        lambda console: show_comparison(console, beside.summary(), beside.entries, wide=False),
    ]
    for show in shows:
        lines = printed(show, width)
        assert max(map(len, lines)) <= width
        assert not any("…" in line for line in lines)
    columns, rows = many_rows(list(run))
    first = printed(shows[0], width)[0].split()
    assert {"row", "regions", "robust", "distance", "status"} <= set(first)
    if width == 200:
        assert " ".join(first) == " ".join(name for name, _ in columns)
    biased = [e for e in estimates[0].estimates if not e.unbiased]
    text = re.sub(r"\s+", " ", " ".join(printed(shows[1], width)))
    assert biased
    assert all(e.bias in text for e in biased)  # how they err is said at any width
    assert len(rows) == 3


@given(st.lists(st.text("abc 12", min_size=1, max_size=12).filter(str.strip), min_size=1, max_size=8), st.integers(1, 60))
def test_lines_of_means_are_broken_between_their_parts(parts, width):
    lines = broken("; ".join(parts), width)
    assert [part for line in lines for part in line.removesuffix(";").split("; ")] == parts
    for line in lines:
        assert len(line) <= width or "; " not in line


def test_a_file_gets_all_columns_in_plain_text():
    found = CliRunner().invoke(app, BALLS, env={"COLUMNS": "40"})
    head = next(line for line in found.stdout.splitlines() if line.startswith("row"))
    assert head.split()[-2:] == ["status", "s"]
    assert "\x1b" not in found.stdout


def test_quiet_runs_write_files_and_say_nothing(tmp_path):
    path = tmp_path / "r.json"
    found = CliRunner().invoke(app, [*BALLS, "--quiet", "--json", str(path)])
    assert found.exit_code == 0
    assert found.stdout == ""
    assert path.exists()
    for command in (
        ["distance", str(MOONS / "moons.pt"), "--center", "0,0"],
        ["lipschitz", str(MOONS / "moons.pt"), "--center", "0,0", "--radius", "0.1"],
    ):
        loud = CliRunner().invoke(app, command)
        assert loud.stdout
        assert CliRunner().invoke(app, [*command, "-q"]).stdout == ""
    query = ["verify", str(MOONS / "class_kept.vnnlib"), "--network", str(MOONS / "moons.pt")]
    assert CliRunner().invoke(app, query).stdout == "unsat\n"  # what was set for one command is not for the next
    assert CliRunner().invoke(app, [*query, "-q"]).stdout == ""


def test_quiet_runs_do_not_tell_what_they_wrote(tmp_path):
    page, proof, picture = tmp_path / "r.html", tmp_path / "r.proof", tmp_path / "r.png"
    balls = [*BALLS, "--labels", str(MOONS / "moons.npz"), "--report", str(page), "--proof", str(proof)]
    for command in (balls, [*DRAWN, "--out", str(picture)]):
        assert CliRunner().invoke(app, command).stderr
        found = CliRunner().invoke(app, [*command, "--quiet"])
        assert (found.exit_code, found.stdout, found.stderr) == (0, "", "")
    assert all(path.exists() for path in (page, proof, picture))


@pytest.mark.parametrize("rows", [1, 2])
def test_what_was_named_and_is_not_measured_is_told_with_its_reason(rows):
    given = ["certify", str(MOONS / "moons.pt"), "--data", str(MOONS / "moons.npz"), "--rows", f"0:{rows}", "--radius", "0.05"]
    asked = CliRunner().invoke(app, [*given, "--norm", "l2", "--measures", "counts,bounds,topology"])
    assert asked.exit_code == 0
    lines = [line.split() for line in asked.stdout.splitlines()]
    told = [" ".join(line) for line in lines]
    for reason in ("topology: topology is of boxes and planes, not of l1 and l2 balls", "bounds: inequalities are of boxes, not of l2 balls"):
        assert len([line for line in told if line.endswith(reason)]) == 1
    plain = CliRunner().invoke(app, [*given, "--measures", "counts"])
    assert "not measured" not in plain.stdout
    assert "volumes" not in plain.stdout


def test_topology_of_many_neighbourhoods_has_columns(tmp_path):
    path = tmp_path / "r.json"
    asked = CliRunner().invoke(app, [*BALLS, "--measures", "topology", "--json", str(path)])
    head, *rows = [re.split(r"  +", line.strip()) for line in asked.stdout.splitlines()[1:5]]
    found = [place["topology"] for place in json.loads(path.read_text())["neighbourhoods"]]
    assert [row[head.index("parts")] for row in rows] == [f"{sum(c['components'] for c in one['classes'])}" for one in found]
    assert [row[head.index("boundary parts")] for row in rows] == [f"{one['boundary_components']}" for one in found]


def test_what_is_done_is_told_and_logged(tmp_path):
    log = tmp_path / "polylc.log"
    loud = CliRunner().invoke(app, [*BALLS, "-v", "--log", str(log)])
    assert loud.exit_code == 0
    for row in range(3):
        assert re.search(rf"row {row}: certified, \d+ regions, \d+\.\d\d s", loud.stderr)
    text = log.read_text()
    assert all(re.match(r"\d{4}-\d\d-\d\dT[\d:.]+[+-]\d\d:\d\d ", line) for line in text.splitlines())
    assert [line.partition(" ")[2] for line in text.splitlines() if "regions," in line] == [
        line for line in loud.stderr.splitlines() if "regions," in line
    ]
    bad = CliRunner().invoke(app, ["certify", "no.onnx", "--box", "0", "1", "--log", str(log)])
    assert bad.exit_code == 2
    assert log.read_text().startswith(text)  # it is appended to
    assert "error: no.onnx" in log.read_text()
    nowhere = CliRunner().invoke(app, [*BALLS, "--log", str(tmp_path / "no" / "l")])
    assert nowhere.exit_code == 2
    assert "--log" in nowhere.stderr


def test_shells_complete_commands_and_options():
    code = "import sys; sys.argv = ['polylc']; from polylc.cli import command; command()"

    def completed(words: str) -> list[str]:
        environment = os.environ | {"_POLYLC_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment).stdout.split()

    assert completed("polylc c") == ["certify", "check", "compare"]
    assert completed("polylc certify --rep") == ["--report"]


def test_helps_have_examples_that_are_commands():
    for command in app.registered_commands:
        if command.epilog:
            words = command.epilog.removeprefix("Example: ").split()
            assert words[:2] == ["polylc", command.callback.__name__]
            shown = CliRunner().invoke(app, [words[1], "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
            assert all(option in shown for option in words if option.startswith("--"))
