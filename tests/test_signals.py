"""Ctrl-C, SIGTERM, and processes that die: what is finished is kept, nothing is left behind.

Programs are watched through a terminal of their own, and get their signal when that shows how far they are.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pytest
from nets import random_net

import polylc.search.crew as crew_module
from polylc import checker
from polylc.cli import signals
from polylc.cli.signals import ECHO, Stop
from polylc.domains.ball import ball
from polylc.domains.box import box
from polylc.engines.contract import Outcome
from polylc.errors import LimitReached, Stopped
from polylc.exact.checkpoint import checkpoint, until
from polylc.judge.by_node import Judge
from polylc.judge.verdict import Verdict
from polylc.report.schema import Report
from polylc.run.neighbourhood import answer
from polylc.run.proof_file import proof_blocks
from polylc.run.serial import run_serial
from polylc.search.crew import ProcessCrew
from polylc.search.task import Phase, Settings, make_task

PATIENCE = 100.0  # seconds until a test is given up: they wait for events, never for a time

SPREAD = "import polylc.search.crew as crew; crew.PATIENCE = crew.WORTH = crew.LARGE = -1.0"  # processes are started at once
FULL = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
"""


class Program:
    """A command of polylc in a session of its own, with a terminal for stderr."""

    def __init__(self, folder: Path, *arguments: object, before: str = "") -> None:
        self.said = ""
        self._terminal, end = pty.openpty()
        program = f"{before}\nfrom polylc.cli import command\ncommand()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=end,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "150"},
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # it may be ignored where the tests run
        )
        os.close(end)

    def read(self, enough: Callable[[str], object]) -> None:
        """Read the terminal until it shows enough."""
        late = time.monotonic() + PATIENCE
        while not enough(self.said):
            assert time.monotonic() < late, self.said
            if not select.select([self._terminal], [], [], 1.0)[0]:
                continue
            try:
                self.said += os.read(self._terminal, 1 << 16).decode(errors="replace")
            except OSError:  # its end
                assert enough(self.said), self.said
                return

    def end(self) -> int:
        """Read to the end; the exit code."""
        with contextlib.suppress(AssertionError):
            self.read(lambda _: False)
        code = self.process.wait(PATIENCE)
        os.close(self._terminal)
        return code

    def members(self) -> list[int]:
        """Processes of the session that live."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit():
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    if int(fields[3]) == self.process.pid and fields[0] != "Z":
                        found.append(int(entry.name))
        return found

    def workers(self) -> list[int]:
        """Worker processes."""
        return [pid for pid in self.members() if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def busiest_worker(self) -> int:
        """The worker process that has used most time."""

        def used(pid: int) -> int:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return int(fields[11]) + int(fields[12])

        return max(self.workers(), key=used)


@pytest.fixture
def launch(tmp_path) -> Iterator[Callable[..., Program]]:
    """Starts programs; none outlives the test."""
    started: list[Program] = []

    def start(*arguments: object, before: str = "") -> Program:
        started.append(Program(tmp_path, *arguments, before=before))
        return started[-1]

    yield start
    for program in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.process.pid, signal.SIGKILL)


@pytest.fixture
def three_rows(tmp_path, data) -> list[object]:
    """Two neighbourhoods that are done at once, and one that takes minutes; all files asked for."""
    points = np.zeros((3, 64))
    points[:2] = np.random.default_rng(0).normal(size=(2, 64)) * 50
    np.save(tmp_path / "x.npy", points)
    files = ["--json", "r.json", "--proof", "p.proof", "--graph", "g.graphml"]
    return ["certify", data / "digits64.npz", "--data", "x.npy", "--radius", "0.2", *files]


def assert_two_rows_survive(folder: Path, status: str) -> None:
    """The first two rows are whole in all files, the last one says at most what it is; nothing else is there."""
    report = Report.model_validate_json((folder / "r.json").read_text())
    whole, rest = report.neighbourhoods[:2], report.neighbourhoods[2:]
    assert [str(n.status) for n in whole] == ["certified"] * 2
    assert all(n.pieces == n.regions > 0 and n.lipschitz is not None for n in whole)
    assert [(n.index, str(n.status)) for n in rest] in ([], [(2, "partial")])
    assert all(status in n.notes["status"] for n in rest)
    proved = checker.check_file(folder / "p.proof")
    assert [n.index for n in proved] == [0, 1]
    for row in (0, 1):
        assert len(networkx.read_graphml(folder / f"g-{row}.graphml")) == whole[row].regions
    assert sorted(p.name for p in folder.iterdir()) == ["g-0.graphml", "g-1.graphml", "p.proof", "r.json", "x.npy"]


def assert_gone(program: Program) -> None:
    """No process is left, but for one that is about to see that its parent has ended."""
    late = time.monotonic() + PATIENCE
    while program.members():
        assert time.monotonic() < late, program.members()
        time.sleep(0.05)


def two_are_done(said: str) -> object:
    """Whether the terminal shows that, and a later line what the third row is at."""
    return re.search(r"2 of 3 neighbourhoods.*exploring, \d+ regions", said, re.DOTALL)


# ---- signals -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_keeps_what_is_finished(launch, three_rows, tmp_path, number, code):
    program = launch(*three_rows)
    program.read(two_are_done)
    program.process.send_signal(number)
    assert program.end() == code, program.said
    assert "Traceback" not in program.said
    assert "interrupted: what was found until then is shown" in program.said
    assert_two_rows_survive(tmp_path, "interrupted")
    assert_gone(program)


def test_a_signal_ends_all_processes(launch, three_rows, tmp_path):
    """Also where it comes to all processes of a job."""
    program = launch(*three_rows, "--jobs", "2", before=SPREAD)
    program.read(lambda said: "2 of 3 neighbourhoods" in said)
    os.killpg(program.process.pid, signal.SIGTERM)
    assert program.end() == 143, program.said
    assert "Traceback" not in program.said
    assert_two_rows_survive(tmp_path, "interrupted")
    assert_gone(program)


def test_a_signal_to_workers_that_have_just_begun(launch, three_rows, tmp_path):
    """However far they are, the command ends with 130, without a traceback, and what is not done is partial."""
    program = launch(*three_rows, "--engine", "lp", "--jobs", "2", before=SPREAD)
    program.read(lambda _: len(program.workers()) == 2)
    os.killpg(program.process.pid, signal.SIGINT)
    assert program.end() == 130, program.said
    assert "Traceback" not in program.said
    rows = Report.model_validate_json((tmp_path / "r.json").read_text()).neighbourhoods
    assert all(str(row.status) == ("certified" if row.index < 2 and row.pieces else "partial") for row in rows)
    assert_gone(program)


def test_a_worker_that_dies_costs_nothing_but_time(launch, three_rows, tmp_path):
    program = launch(*three_rows, "--jobs", "2", "--max-regions", "12000", before=SPREAD)
    program.read(lambda said: "1 of 3 neighbourhoods" in said or "2 of 3 neighbourhoods" in said)
    os.kill(program.busiest_worker(), signal.SIGKILL)
    assert program.end() == 3, program.said  # the third row met its limit, here
    assert "Traceback" not in program.said
    assert program.said.count("a worker process died") == 1
    assert_two_rows_survive(tmp_path, "the limit on regions was reached")
    assert json.loads((tmp_path / "r.json").read_text())["neighbourhoods"][2]["regions"] == 12000
    assert_gone(program)


def test_workers_do_not_outlive_a_command_that_is_killed(launch, three_rows):
    program = launch(*three_rows, "--jobs", "2", before=SPREAD)
    program.read(lambda _: len(program.workers()) == 2)
    program.process.kill()
    assert program.end() == -signal.SIGKILL
    assert_gone(program)


def test_a_full_disk_after_a_signal_leaves_nothing(launch, three_rows, tmp_path):
    program = launch(*three_rows, before=FULL)
    program.read(two_are_done)
    program.process.send_signal(signal.SIGTERM)
    assert program.end() == 2, program.said
    assert "Traceback" not in program.said
    for name in ("r.json", "p.proof", "g-0.graphml"):
        assert f"{name}: " in program.said
    assert [p.name for p in tmp_path.iterdir()] == ["x.npy"]


def test_two_signals_end_a_command_at_once(launch, three_rows, tmp_path):
    """Work that heeds nothing, here a search that takes for ever, is broken off by the second."""
    before = """
import time
from polylc.cli import signals
from polylc.search import enumerate as enumeration
signals.PATIENCE = 1e6  # nothing breaks it off before
def deaf(*_):
    while True:
        time.sleep(0.01)
enumeration.explore = deaf
"""
    program = launch(*three_rows, before=before)
    program.read(lambda said: "exploring" in said)
    program.process.send_signal(signal.SIGINT)
    time.sleep(2 * ECHO)  # not taken for one signal that came twice
    program.process.send_signal(signal.SIGINT)
    assert program.end() == 130, program.said
    assert "interrupted before a result was there" in program.said
    assert [p.name for p in tmp_path.iterdir()] == ["x.npy"]


WAITING = """
import sys, time
from polylc.run import estimates
run_methods, rows = estimates.run_methods, []
def third_waits(study, *arguments):
    rows.append(1)
    while len(rows) == 3:
        print("the third row waits", file=sys.stderr, flush=True)
        time.sleep(0.05)
    return run_methods(study, *arguments)
"""


@pytest.mark.parametrize(
    ("command", "module", "number", "code"),
    [("estimate", "estimates", signal.SIGTERM, 143), ("compare", "comparison", signal.SIGINT, 130)],
)
def test_estimates_and_comparisons_keep_finished_rows(launch, data, tmp_path, command, module, number, code):
    np.save(tmp_path / "x.npy", np.full((3, 2), 0.1))
    hook = WAITING + f"from polylc.run import {module}\n{module}.run_methods = third_waits\n"
    options = ["--methods", "lines", "--samples", "64", *(["--draws", "0"] if command == "compare" else [])]
    program = launch(command, data / "moons2d.npz", "--data", "x.npy", "--radius", "0.1", *options, "--json", "r.json", before=hook)
    program.read(lambda said: "the third row waits" in said)
    program.process.send_signal(number)
    assert program.end() == code, program.said
    assert "1 of 3 neighbourhoods were not done" in program.said
    assert len(json.loads((tmp_path / "r.json").read_text())["neighbourhoods"]) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r.json", "x.npy"]


# ---- what the programs do --------------------------------------------------------------------------------------------
def test_phases_are_told_in_their_order(tmp_path):
    network = random_net([2, 6, 6, 2], 0)
    told: list[Phase] = []
    with proof_blocks(tmp_path / "p.proof") as blocks:
        task = make_task(network, 0, ball([0, 0], 1), None)
        run_serial(network, [task], Settings(blocks=blocks), on_phase=told.append)
    once = [phase for place, phase in enumerate(told) if phase not in told[:place]]
    assert once == [Phase.SET_UP, Phase.EXPLORING, Phase.JUDGING, Phase.MEASURES, Phase.GRAPH, Phase.PROOF]


@pytest.mark.parametrize("phase", list(Phase))
def test_a_stop_in_any_phase_leaves_a_result(tmp_path, phase):
    """Rows that are done stay, the one that is stopped says what it is, the last is not begun."""
    network = random_net([2, 6, 6, 2], 0)
    tasks = [make_task(network, row, ball([row, 0], 1), None) for row in range(3)]
    begun: list[int] = []
    asked: list[Phase] = []

    def on_phase(now: Phase) -> None:
        if len(begun) == 2 and now is phase:
            asked.append(now)

    with proof_blocks(tmp_path / "p.proof") as blocks:
        settings = Settings(blocks=blocks, graph=True)
        run = run_serial(network, tasks, settings, on_start=lambda t: begun.append(t.index), on_phase=on_phase, stop=lambda: bool(asked))
        whole = run_serial(network, tasks, settings)
    assert run.interrupted
    assert begun == [0, 1]
    first, second = run.results
    assert first.complete
    assert first.block is not None
    assert first.regions == whole[0].regions
    assert second.regions <= whole[1].regions
    if second.complete:
        assert second.regions == whole[1].regions
        assert "the interrupt left out" in second.notes["status"]
    else:
        assert str(second.status) == "partial"
    assert second.block is None
    assert not second.complete or phase not in (Phase.SET_UP, Phase.EXPLORING)


def test_a_checkpoint_tells_a_wish_from_a_limit():
    with until(None, lambda: True), pytest.raises(Stopped):
        checkpoint()
    with until(time.monotonic() - 1.0), pytest.raises(LimitReached, match="time limit") as reached:
        checkpoint()
    assert not isinstance(reached.value, Stopped)
    with until(time.monotonic() - 1.0, None, True), pytest.raises(Stopped):
        checkpoint()
    with until(time.monotonic() + 100.0, lambda: False):
        checkpoint()


def test_one_signal_that_comes_twice_is_one(monkeypatch):
    stop = Stop()
    stop.signalled(signal.SIGINT, None)
    stop.signalled(signal.SIGINT, None)
    assert stop()
    assert not stop.at_once
    monkeypatch.setattr(stop, "asked", time.monotonic() - 2 * ECHO)
    with pytest.raises(KeyboardInterrupt):
        stop.signalled(signal.SIGTERM, None)
    assert stop.at_once


def test_a_break_that_is_lost_on_its_way_is_one_still(monkeypatch):
    """Callbacks from compiled code swallow exceptions; what called them then fails with one of its own."""
    monkeypatch.setattr(signals, "_alarm", lambda seconds: True)
    stop = Stop()

    def work() -> None:
        stop.signalled(signal.SIGINT, None)
        with contextlib.suppress(KeyboardInterrupt):
            stop.rung()
        raise RuntimeError("no compiled object yet")

    with pytest.raises(KeyboardInterrupt), stop.breaking_off():
        work()
    with pytest.raises(RuntimeError), Stop().breaking_off():
        raise RuntimeError("a fault of its own")


@pytest.mark.parametrize("jobs", [1, 2])
def test_putting_together_what_was_found_is_not_broken_off(monkeypatch, jobs):
    """However long that takes, which here is many times the patience; what was told on the way is in the result."""
    network = random_net([3, 24, 24, 2], 0)
    monkeypatch.setattr(signals, "AGAIN", 0.01)
    for name in ("PATIENCE", "WORTH", "LARGE"):  # processes are started at once
        monkeypatch.setattr(crew_module, name, -1.0)
    told: list[int] = []

    def slowly(judge: Judge, *arguments: Any) -> Verdict:
        time.sleep(0.3)
        return judged(judge, *arguments)

    def on_regions(_: int, regions: int, share: float) -> None:
        told.append(regions)
        if regions > 200 and not stop():
            os.kill(os.getpid(), signal.SIGINT)

    judged = Judge.verdict
    monkeypatch.setattr(Judge, "verdict", slowly)
    task = make_task(network, 0, box([-3] * 3, [3] * 3), None)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored in the background of a shell
    try:
        with ProcessCrew(jobs) as crew, signals.heeded() as stop, stop.breaking_off(0.001):
            result = answer(network, task, Settings(("counts",)), stop, on_regions, crew if jobs > 1 else None)
    finally:
        signal.signal(signal.SIGINT, before)
    assert stop.asked is not None
    assert result.outcome is Outcome.INTERRUPTED
    assert result.regions is not None
    assert result.regions >= min(n for n in told if n > 200) > 0
