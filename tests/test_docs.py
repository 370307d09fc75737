"""The commands and programs that README, docs and examples show do run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from polylc.cli.main import app

ROOT = Path(__file__).parent.parent
PAGES = [
    "README.md",
    "docs/quickstart.md",
    "docs/theory.md",
    "docs/estimators.md",
    "docs/verify.md",
    "docs/planes.md",
    "docs/reports.md",
    "docs/gallery.md",
    "examples/README.md",
]


PROSE = sorted(str(p.relative_to(ROOT)) for p in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "examples" / "README.md"])
WIDTH = 120


def commands() -> list[str]:
    found = []
    for page in PAGES:
        for line in (ROOT / page).read_text().splitlines():
            command = line.strip().removeprefix("$ ")
            if re.match(r"polylc (certify|plot|info|estimate|compare|verify|lipschitz) examples/|polylc check ", command):
                found.append(command)
    return list(dict.fromkeys(found))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", commands())
def test_commands_run(command, folder):
    if command.startswith("polylc check"):  # of the proof that the command before it writes
        before = next(c for c in commands() if f"--proof {shlex.split(command)[2]}" in c)
        assert CliRunner().invoke(app, shlex.split(before)[1:]).exit_code == 0
    if "two_inputs.vnnlib" in command:
        pytest.importorskip("vnnlib")
    result = CliRunner().invoke(app, shlex.split(command)[1:])
    assert result.exit_code == 0, result.output
    for option in ("--out", "--json", "--graph", "--proof", "--symbolic", "--report", "--table"):
        words = shlex.split(command)
        if option in words and words[words.index(option) + 1] != "-":
            assert (folder / words[words.index(option) + 1]).stat().st_size > 0


def test_there_are_commands_on_every_page():
    assert all(any(c in (ROOT / page).read_text() for c in commands()) for page in PAGES)
    assert len(commands()) >= 5


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/quickstart.md",
        "docs/theory.md",
        "docs/estimators.md",
        "docs/training.md",
        "docs/verify.md",
        "docs/distance.md",
        "docs/lipschitz.md",
        "docs/planes.md",
        "docs/topology.md",
    ],
)
def test_python_blocks_run(page, folder):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), {})


def prose(page: str) -> list[tuple[int, str]]:
    """Lines with their numbers, without blocks of code."""
    found, fence = [], ""
    for number, line in enumerate((ROOT / page).read_text().splitlines(), start=1):
        mark = re.match(r"\s*(`{3,})", line)
        if mark and (not fence or mark[1] == fence):
            fence = "" if fence else mark[1]
        elif not fence and not line.startswith("    "):
            found.append((number, line))
    return found


@pytest.mark.parametrize("page", PROSE)
def test_prose_is_wrapped(page):
    """Tables, headings, pictures, displayed formulas and formulas that fill a line alone are as long as they are."""
    for number, line in prose(page):
        whole = re.match(r"\s*(\||#|!\[|\$)", line)
        assert whole or len(line) <= WIDTH, f"{page}, line {number}: {len(line)} columns"


@pytest.mark.parametrize("page", PROSE)
def test_links_and_paths_exist(page):
    """Relative links, and files and folders of the repository or the package that are named in backticks."""
    folder = (ROOT / page).parent
    for number, line in prose(page):
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", line):
            assert (folder / target).exists(), f"{page}, line {number}: no {target}"
        for name in re.findall(r"`([\w./-]+(?:\.(?:py|sh|md|toml|cff|yml|yaml)|/))`", line):
            there = any((place / name).exists() for place in (ROOT, ROOT / "polylc", folder))
            # the text around it says where
            alone = "/" not in name.rstrip("/") and any((ROOT / "polylc").rglob(name.rstrip("/")))
            assert there or alone, f"{page}, line {number}: no {name}"


def test_the_example_program_runs():
    done = subprocess.run([sys.executable, "examples/python_api.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.search(r"\d+ activation regions", done.stdout)


ESTIMATORS = ["polylc.api.track", "polylc.api.estimate", "polylc.estimators.humayun", "polylc.estimators.lines", "polylc.run.plane_slices"]


@pytest.mark.parametrize(
    "module",
    [
        "polylc.exact.linear",
        "polylc.exact.numbers",
        "polylc.geometry.exact_cell",
        "polylc.network.patterns",
        "polylc.api.certify",
        *ESTIMATORS,
    ],
)
def test_docstring_examples(module):
    import doctest
    import importlib

    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted > 0
    assert result.failed == 0
