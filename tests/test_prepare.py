"""Kernels compiled ahead in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from polylc.measures.registry import ALL
from polylc.run import compile_ahead as prepare

COUNT_MISSES = """
import sys
import numba.core.event as event
from polylc import certify
from polylc.network.form import chain
import numpy as np

class Compilations(event.Listener):
    def __init__(self):
        self.names = []
    def on_start(self, event):
        self.names.append(event.data["dispatcher"].py_func.__name__)
    def on_end(self, event):
        pass

seen = Compilations()
event.register("numba:compile", seen)
rng = np.random.default_rng(1)
weights = [rng.normal(size=(6, 3)), rng.normal(size=(5, 6)), rng.normal(size=(2, 5))]
run = certify(chain(weights, [rng.normal(size=len(w)) for w in weights]), np.zeros(3), radius="1/2", measures=sys.argv[1:])
assert run[0].status == "certified"
print(*seen.names)
"""


def test_pieces_cover_every_engine_and_dimension_once():
    work = prepare.pieces({("vertex", 2), ("vertex", 3), ("dictionary", 64), ("dictionary", 784), ("lp", 3)}, ["counts"], True)
    assert [p for p in work if p[0] == "rest"] == [["rest", "lp", d, "1", "counts"] for d in ("2", "3", "7")]
    assert [(p[1], p[2]) for p in work if p[0] == "engine"] == [("dictionary", "7"), ("vertex", "2"), ("vertex", "3")]


@pytest.mark.parametrize("piece", ["engine vertex 2 1 counts", "engine dictionary 6 0 counts", f"rest lp 2 1 {' '.join(ALL)}"])
def test_pieces_of_work_run(piece):
    prepare.do_piece(*piece.split())


def test_processes_take_turns_and_a_failure_is_no_harm():
    """Pieces that do not exist fail, one after the other, and nobody hears of it."""
    begin = time.monotonic()
    prepare.run_all([["engine", "none", "2", "1"], ["no such piece"], ["engine", "vertex", "0", "1"]], 1)
    assert time.monotonic() - begin < 120


def test_a_stop_leaves_no_process_behind(monkeypatch):
    started = []
    real = subprocess.Popen

    def start(*arguments, **options):
        started.append(real([sys.executable, "-c", "import time; time.sleep(600)"], **options))
        if len(started) == 2:
            raise KeyboardInterrupt
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(KeyboardInterrupt):
        prepare.run_all([["engine"], ["rest"]], 2)
    assert started[0].wait(5) != 0
    started[1].kill()
    started[1].wait()


def test_the_program_says_what_it_wants():
    for arguments in ([], ["two"], ["0"]):
        found = subprocess.run([sys.executable, "-m", "polylc", "prepare", *arguments], capture_output=True, text=True, check=False)
        assert found.returncode == 2
        assert "dimensions" in found.stderr.lower()
        assert len(found.stderr.splitlines()) == 1


@pytest.mark.slow
def test_nothing_is_left_to_compile(tmp_path: Path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-m", "polylc", "prepare", "3"], check=True, env=environment)
    found = subprocess.run([sys.executable, "-c", COUNT_MISSES, *ALL], check=True, env=environment, capture_output=True, text=True)
    assert len(found.stdout.split()) <= 3
