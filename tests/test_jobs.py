"""Processes: how many, how many threads each, and that what they estimate and compare is what one of them does."""

from __future__ import annotations

import os

import numpy as np
import pytest
from nets import random_net
from typer.testing import CliRunner

import polylc
from polylc.cli.main import app
from polylc.errors import UsageError
from polylc.run.entries import Entries
from polylc.run.journal import Reading
from polylc.search import cores
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
