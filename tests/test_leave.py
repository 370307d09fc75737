"""The end of a command's process: nothing that was written or asked for is lost, whatever is left to free."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from polylc import __version__

DATA = Path(__file__).parent / "data"
BEFORE = """
import atexit, sys, threading
class Freed:
    def __del__(self):
        sys.__stdout__.write("freed\\n")
freed = Freed()
atexit.register(lambda: print("called at the end"))
"""
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
AFTER = "\nfrom polylc.cli import command\ncommand()\n"


def ended(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [(["--version"], 0, __version__), (["info", str(DATA / "moons2d.npz")], 0, "moons2d"), (["info", "no such file.npz"], 2, ""), (["wrong"], 2, "")],
)
def test_it_ends_with_its_code_and_all_its_words_and_who_asked_is_called(arguments, code, told):
    done = ended(BEFORE + AFTER, *arguments)
    assert done.returncode == code, done.stderr
    assert told in done.stdout
    assert done.stdout.endswith("called at the end\n")  # and nothing is freed
    assert bool(done.stderr) == bool(code)


@pytest.mark.parametrize(
    "before",
    [
        "apart = {}; exec('def seen(*_): pass', apart); sys.setprofile(apart['seen'])",
        "apart = {}; exec('def seen(*_): pass', apart); sys.settrace(apart['seen'])",
        "threading.Thread(target=threading.main_thread().join).start()",
    ],
)
def test_python_itself_ends_what_somebody_measures_and_what_still_runs(before):
    done = ended(BEFORE + before + AFTER, "--version")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["called at the end", "freed"]


@pytest.mark.parametrize(("closed", "code"), [(">&-", 0), ("2>&-", 0), (">/dev/full", 120)])
def test_streams_that_are_closed_or_full(closed, code):
    done = subprocess.run(["bash", "-c", f"{sys.executable} -m polylc --version {closed}"], capture_output=True, text=True, env=BUFFERED, timeout=300)
    assert done.returncode == code, done.stderr
    assert "Error" not in done.stderr or code


def test_what_is_written_at_the_end_goes_out():
    done = subprocess.run([sys.executable, "-c", BEFORE + AFTER, "--version"], capture_output=True, text=True, env=BUFFERED, timeout=300)
    assert done.stdout.endswith("called at the end\n")


def test_a_program_that_runs_the_package_goes_on():
    code = "import runpy, sys\ntry:\n    runpy.run_module('polylc', run_name='__main__')\nexcept SystemExit:\n    print('goes on')"
    assert ended(code, "--version").stdout.endswith("goes on\n")


def test_a_profile_is_printed():
    done = subprocess.run([sys.executable, "-m", "cProfile", "-m", "polylc", "--version"], capture_output=True, text=True, timeout=300)
    assert "function calls" in done.stdout


def test_a_reader_that_goes_away_is_no_error():
    listing = f"{sys.executable} -m polylc supports --onnx-operators | head -1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {listing}"], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 1)
