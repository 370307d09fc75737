"""Small jobs begin in plain Python and change over to compiled kernels: the result is the same, wherever they do."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import random_net

from polylc.api.certify import certify
from polylc.jit.mode import Mode, mode
from polylc.readers.load import load
from polylc.run import beside, compile_ahead
from polylc.run.compile_ahead import Making

DATA = Path(__file__).parent / "data"


class Calls:
    """Kernels that are made once somebody has asked so often."""

    def __init__(self, after: int) -> None:
        self.after, self.asked = after, 0

    def done(self) -> bool:
        self.asked += 1
        return self.asked > self.after

    def progress(self) -> str:
        return "some parts are made"


@pytest.fixture
def cold(monkeypatch):
    """A machine on which kernels are found missing, and made as the test says."""

    def start(after: int, patience: float = 1e6) -> list[Calls]:
        made: list[Calls] = []

        def begun(_: object) -> Calls:
            made.append(Calls(after))
            return made[-1]

        monkeypatch.setenv("POLYLC_KERNELS", "beside")
        monkeypatch.setattr(beside, "_told", set())
        monkeypatch.setattr(beside, "missing_kernels", lambda *_: {("vertex", 2)})
        monkeypatch.setattr(Making, "begun", begun)
        monkeypatch.setattr(beside, "PATIENCE", patience)
        return made

    return start


def told(run: object) -> dict:
    found = json.loads(run.report().model_dump_json())

    def clean(part: object) -> object:
        if isinstance(part, dict):
            return {k: clean(v) for k, v in part.items() if k != "seconds"}
        return [clean(v) for v in part] if isinstance(part, list) else part

    return clean(found)


def small_job(engine: str):
    network = random_net([2, 7, 6, 2], 3)
    return certify(network, box=([-1, -1], [1, 1]), engine=engine)


@pytest.mark.parametrize("engine", ["vertex", "dictionary"])
@pytest.mark.parametrize("after", [0, 1, 3, 4, 5, 6, 8, 11, 10**9])
def test_the_result_is_the_same_wherever_the_change_falls(cold, engine, after):
    compiled = told(small_job(engine))
    cold(after)
    run = small_job(engine)
    assert told(run) == compiled
    assert not mode.plain


def test_all_kernels_are_plain_until_then(cold, monkeypatch):
    made, seen = cold(10**9), []
    real = beside.mode.begin_plain
    monkeypatch.setattr(type(mode), "begin_plain", lambda self, ready: (seen.append(self.plain), real(ready))[-1])
    small_job("vertex")
    assert seen == [False]
    assert made[0].asked > 3


def test_a_job_that_lasts_waits_and_says_so(cold, capsys):
    cold(5, patience=0.0)
    assert small_job("vertex")[0].complete
    said = capsys.readouterr().err
    assert "in plain Python while kernels are compiled beside" in said
    assert "waiting for compiled kernels: some parts are made" in said


def test_a_time_limit_ends_the_waiting(cold):
    cold(10**9, patience=0.0)
    network = load(DATA / "moons2d.npz")
    run = certify(network, box=([-2, -2], [3, 3]), time_limit=0.2)
    assert not run[0].complete
    assert not mode.plain


def test_large_networks_do_not_begin_in_plain_python(cold):
    made = cold(0)
    network = random_net([2, 300, 300, 1], 0)
    assert network.neurons * 300 * 2 > beside.SMALL
    run = certify(network, [0.0, 0.0], radius="1e-6", measures="counts")
    assert run[0].complete
    assert made[0].asked == 1  # before anything begins


@given(st.lists(st.booleans(), max_size=6))
def test_a_mode_changes_once(answers):
    given_mode, asked = Mode(), iter(answers)
    given_mode.begin_plain(lambda _: next(asked))
    for many in range(1, len(answers) + 1):
        given_mode.settle(lambda: False)
        assert given_mode.plain == (not any(answers[:many]))


def test_where_no_process_can_be_started_kernels_are_compiled_here(cold, monkeypatch, capsys):
    cold(0)
    monkeypatch.setattr(Making, "begun", lambda _: None)
    assert small_job("vertex")[0].complete
    assert "compiling kernels" in capsys.readouterr().err


# ---- the process that makes kernels
def test_nothing_is_made_twice_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr(compile_ahead, "folder", lambda: tmp_path)
    started = []

    def wait(command, alone=False):
        code = "import fcntl, sys, time; f = open(sys.argv[1], 'ab'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
        process = subprocess.Popen([sys.executable, "-c", code, command[-2]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()  # it has the lock
        started.append(process)
        return process

    monkeypatch.setattr(compile_ahead, "_started", wait)
    first, second = Making.begun([["a"]]), Making.begun([["a"]])
    other = Making.begun([["b"]])
    assert first is not None
    assert second is not None
    assert other is not None
    assert len(started) == 2
    assert not first.done()
    assert not second.done()
    assert first.progress() == "0 of 1 parts are made"
    for process in started:
        process.communicate()
    assert first.done()
    assert second.done()
    assert other.done()


def test_a_killed_maker_is_no_harm(monkeypatch, tmp_path):
    monkeypatch.setattr(compile_ahead, "folder", lambda: tmp_path)
    making = Making.begun([["no such piece"]])
    assert making is not None
    assert making._process is not None
    making._process.kill()
    making._process.wait()
    assert making.done()


def test_parts_are_counted(monkeypatch, tmp_path):
    told = []
    monkeypatch.setattr(compile_ahead, "run_all", lambda work, most, tell: told.extend(tell(k) or (tmp_path / "lock").read_text() for k in (1, 2)))
    monkeypatch.setattr(os, "nice", lambda _: 0)
    compile_ahead.drive(str(tmp_path / "lock"), '[["a"], ["b"]]')
    assert told == ["1", "2"]


def test_a_folder_that_cannot_be_written_is_no_harm(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(compile_ahead, "folder", lambda: tmp_path / "file" / "below")
    assert Making.begun([["a"]]) is None


@pytest.mark.slow
def test_a_first_command_answers_before_its_kernels_are_made_and_a_later_one_has_them(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "POLYLC_KERNELS": "beside"}
    command = [sys.executable, "-m", "polylc", "certify", str(DATA / "moons2d.npz"), "--box", "0,0", ".1,.1", "--json", "-"]
    first = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "in the background" in first.stderr
    done = threading.Event()
    for _ in itertools.count():
        second = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        if "compiled" not in second.stderr:
            break
        assert not done.wait(2.0)
    without = [{k: v for k, v in json.loads(r.stdout)["neighbourhoods"][0].items() if k != "seconds"} for r in (first, second)]
    assert without[0] == without[1]
