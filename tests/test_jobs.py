"""Processes: how many, how many threads each, and that what they estimate and compare is what one of them does."""

from __future__ import annotations

import os
from concurrent.futures import BrokenExecutor, Executor, Future

import numpy as np
import pytest
from nets import random_net
from test_journal import Killed, killed_after
from typer.testing import CliRunner

import polylc
from polylc.cli.main import app
from polylc.errors import UsageError
from polylc.run.entries import Entries
from polylc.run.journal import Reading
from polylc.search import cores, prove
from polylc.search import crew as pool
from polylc.search.cores import as_jobs, few_threads, usable_cores

POINTS = np.random.default_rng(0).integers(-8, 9, (4, 2)) / 16


@pytest.fixture
def at_once(monkeypatch):
    """Processes are started at once."""
    monkeypatch.setattr(pool, "PATIENCE", -1.0)


def told(run) -> dict:
    """A report without seconds."""

    def timeless(value):
        if isinstance(value, dict):
            return {k: timeless(v) for k, v in value.items() if "seconds" not in k and k != "rate"}
        return [timeless(v) for v in value] if isinstance(value, list) else value

    return timeless(run.report().model_dump())


def test_auto_is_what_may_be_used(tmp_path, monkeypatch):
    assert 1 <= as_jobs("auto") == usable_cores() <= (os.cpu_count() or 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    for text, many in (("150000 100000", 2), ("max 100000", 64), ("1000 100000", 1), ("", 64)):
        (tmp_path / "quota").write_text(text)
        monkeypatch.setattr(cores, "_QUOTA", tmp_path / "quota")
        assert usable_cores() == many
    assert as_jobs("3") == 3


@pytest.mark.parametrize("jobs", ["many", 0, -1, "0", 1.5, ""])
def test_what_is_no_number_of_processes_is_refused(jobs):
    with pytest.raises(UsageError, match=r"no number of processes; give 1, 2, \.\.\. or auto"):
        as_jobs(jobs)


def test_the_command_line_takes_auto_and_refuses_the_rest(data, tmp_path):
    model = str(next(data.glob("*.npz")))
    with np.load(model) as arrays:
        center = ",".join(["0.1"] * arrays["W0"].shape[1])
    command = ["certify", model, "--center", center, "--radius", "0.01", "--measures", "counts", "--jobs"]
    assert CliRunner().invoke(app, [*command, "auto"]).exit_code == 0
    refused = CliRunner().invoke(app, [*command, "some"])
    assert refused.exit_code == 2
    assert "give 1, 2, ... or auto" in refused.stderr


def threads(_) -> dict[str, str | None]:
    """What a process was given."""
    return {name: os.environ.get(name) for name in cores._THREADS}


def test_processes_share_the_cores_and_leave_what_the_user_set(monkeypatch):
    for name in cores._THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    monkeypatch.setattr(cores, "usable_cores", lambda: 8)
    with few_threads(3):
        assert os.environ["OMP_NUM_THREADS"] == "2"
        assert os.environ["MKL_NUM_THREADS"] == "7"
    assert "OMP_NUM_THREADS" not in os.environ
    with pool.ProcessCrew(3) as crew:
        given = crew.submit(threads).result()
    assert given == {name: "7" if name.startswith("MKL") else "2" for name in cores._THREADS}


def test_processes_are_spawned_not_forked():
    """A fork copies locks that threads hold, and has no clean start of the libraries' own threads."""
    assert pool._Starting().get_start_method() == "spawn"


@pytest.mark.parametrize("how", [{"jobs": 2}, {"jobs": 2, "run": "run"}], ids=["jobs", "journal"])
def test_estimates_are_the_same_in_processes(how, at_once, tmp_path):
    network = random_net([2, 8, 6, 2], 3)
    options = how | ({"run": tmp_path / "run"} if "run" in how else {})
    asked = {"methods": "coarea,lines,patterns,lipschitz", "samples": 64}
    one, two = polylc.estimate(network, POINTS, 0.5, **asked), polylc.estimate(network, POINTS, 0.5, **asked, **options)
    assert told(one) == told(two)


def test_comparisons_are_the_same_in_processes(at_once):
    network = random_net([2, 8, 6, 2], 3)
    asked = {"methods": "lines", "samples": 64, "draws": 0}
    assert told(polylc.compare(network, POINTS, 0.5, **asked)) == told(polylc.compare(network, POINTS, 0.5, **asked, jobs=2))


def distances(found) -> list:
    return [(d.lower, d.upper, d.point, d.rival, {k: v for k, v in d.statistics.items() if k != "seconds"}) for d in found]


def test_distances_are_the_same_in_processes(at_once, tmp_path):
    network, points = random_net([3, 8, 6, 2], 3), np.random.default_rng(0).integers(-8, 9, (4, 3)) / 8
    one = polylc.distance(network, points, 2)
    two = polylc.distance(network, points, 2, jobs=2, run=tmp_path / "run")
    assert distances(one) == distances(two)
    again = polylc.distance(network, points, 2, run=tmp_path / "run")
    assert [d.seconds for d in again] == [d.seconds for d in two]  # as they were kept


class Losing(Executor):
    """Does all but some of what it is given, which it says is lost; what was told to stop is cancelled."""

    jobs = 2

    def __init__(self, lost: set[int]) -> None:
        self.lost, self.given = lost, 0

    def submit(self, function, /, *arguments, **named):
        future: Future = Future()
        if self.given in self.lost:
            future.set_exception(BrokenExecutor("gone"))
        else:
            future.set_result(function(*arguments, **named))
        self.given += 1
        return future


@pytest.mark.parametrize("lost", [{0}, {1, 3}, {0, 1, 2, 3}])
def test_distances_that_are_lost_are_searched_here(lost, at_once, tmp_path, monkeypatch):
    monkeypatch.setattr(prove, "TOP", 10**6)  # searches of single points are not shared
    network, points = random_net([3, 8, 6, 2], 3), np.random.default_rng(0).integers(-8, 9, (4, 3)) / 8
    workers = Losing(lost)
    assert distances(polylc.distance(network, points, 2, executor=workers, run=tmp_path / "run")) == distances(polylc.distance(network, points, 2))
    assert workers.given == 4


def test_points_that_are_begun_are_not_given_away(at_once, tmp_path, monkeypatch):
    """Their open cells are in the journal, and searched on from there."""
    network, points = random_net([3, 8, 6, 2], 3), np.random.default_rng(0).integers(-8, 9, (4, 3)) / 8
    with monkeypatch.context() as patch:
        killed_after(patch, 1)  # of the first point, one ball
        with pytest.raises(Killed):
            polylc.distance(network, points, 2, run=tmp_path / "run")
    workers = Losing(set())
    found = polylc.distance(network, points, 2, executor=workers, run=tmp_path / "run")
    assert workers.given == 3
    assert distances(found)[1:] == distances(polylc.distance(network, points, 2))[1:]
    assert (found[0].lower, found[0].upper) == (found[0].upper, found[0].lower)


def test_estimates_go_on_where_they_ended(tmp_path, monkeypatch):
    network, asked = random_net([2, 8, 6, 2], 3), {"methods": "lines,patterns", "samples": 64}
    one = polylc.estimate(network, POINTS, 0.5, **asked)
    put, done = Entries.put, []

    def then(self, place, *values, **named):
        put(self, place, *values, **named)
        done.append(place)
        if len(done) == 2:
            raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(Entries, "put", then)
        with pytest.raises(SystemExit):
            polylc.estimate(network, POINTS, 0.5, **asked, run=tmp_path / "run")
    shown = CliRunner().invoke(app, ["show", str(tmp_path / "run")])
    assert "2 of 4 neighbourhoods" in shown.stderr
    with monkeypatch.context() as patch:
        patch.setattr(Entries, "put", lambda self, place, *values, **named: done.append(place) or put(self, place, *values, **named))
        assert told(polylc.estimate(network, POINTS, 0.5, **asked, run=tmp_path / "run")) == told(one)
    assert done == [0, 1, 2, 3]
    with pytest.raises(UsageError, match="samples: 64 then, 65 now"):
        polylc.estimate(network, POINTS, 0.5, **(asked | {"samples": 65}), run=tmp_path / "run")
    assert Reading(tmp_path / "run").table("settings")["command"] == "estimate"
