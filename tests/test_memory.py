"""Limits on memory: what was found until then stands, as after any limit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from test_anytime import ends_of, inside

import polylc
from polylc.engines.contract import Outcome
from polylc.exact import memory
from polylc.exact.memory import Memory, either, share_of
from polylc.jit.heap import trim
from polylc.report.status import Status
from polylc.run.neighbourhood import answer
from polylc.search.task import Settings, make_task

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize("engine", ["vertex", "dictionary", "lp"])
def test_a_limit_on_memory_leaves_a_partial_result(engine, monkeypatch):
    """Memory is full when an engine first looks; its enclosures hold what the whole enumeration finds."""
    network = polylc.load(DATA / "moons2d.npz")
    task = make_task(network, 0, polylc.certify(network, [0.2, 0.1], radius=0.3)[0].domain, None, engine)
    settings = Settings(("counts", "total_variation", "local_complexity", "lipschitz"))
    whole = answer(network, task, settings)
    looks = iter(range(10**9))
    monkeypatch.setattr(memory, "LOOK", 0.0)
    monkeypatch.setattr(memory, "trim", lambda: False)
    monkeypatch.setattr(memory, "resident", lambda: 10**12 if next(looks) == 1 else 10**6)
    result = answer(network, task, Settings(settings.measures, memory=10**10))
    assert (result.status, result.outcome) == (Status.PARTIAL, Outcome.MEMORY_LIMIT)
    assert result.regions < whole.regions
    assert "memory limit" in result.notes["status"]
    inside(ends_of(whole), ends_of(result), engine)


def test_once_reached_it_stays_reached(monkeypatch):
    monkeypatch.setattr(memory, "LOOK", 0.0)
    sizes = iter([5, 11, 5, 5])
    monkeypatch.setattr(memory, "trim", lambda: False)
    monkeypatch.setattr(memory, "resident", lambda: next(sizes))
    full = Memory(10)
    assert [full(), full(), full()] == [False, True, True]


@pytest.mark.skipif(not trim(), reason="the C library keeps nothing, or does not say")
def test_what_was_freed_is_given_back_first(monkeypatch):
    """Small blocks between others that stay: a limit below them, and what the process had before, is not reached."""
    monkeypatch.setattr(memory, "LOOK", 0.0)
    memory.trim()
    before = memory.resident()
    blocks = [bytes(5000) for _ in range(20_000)]
    blocks = blocks[::500]  # the last ones stay, so that the heap does not shrink by itself
    kept = memory.resident()
    limit = Memory(before + (kept - before) // 2 + 2**20)
    assert kept > before + 50 * 2**20
    with monkeypatch.context() as without:
        without.setattr(memory, "trim", lambda: False)
        assert Memory(limit.most)()
    assert not limit()
    assert len(blocks) == 40


def test_what_is_free_is_shared():
    whole, half = share_of(None, 1), share_of(None, 2)
    assert whole is None or (half is not None and 0.3 * whole < half < 0.7 * whole)
    assert share_of(100, 2) == 50
    assert either(None, None) is None
    assert memory.resident() > 10**7


def test_a_cap_that_is_there_already_is_told(tmp_path):
    """A process that is larger than its cap to begin with says so, and exits with 3."""
    from typer.testing import CliRunner

    from polylc.cli.main import app

    np.savez(tmp_path / "net.npz", W0=np.eye(2), b0=np.zeros(2), W1=np.ones((1, 2)), b1=np.zeros(1))
    arguments = ["certify", str(tmp_path / "net.npz"), "--center", "0,0", "--radius", "1", "--memory", "1", "--json", str(tmp_path / "r.json")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 3, done.output
    assert json.loads((tmp_path / "r.json").read_text())["neighbourhoods"][0]["status"] == "partial"
