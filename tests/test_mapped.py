"""Large arrays in mapped files: what is in them stays, what is found is the same, and room is given back."""

from __future__ import annotations

import errno
import os
import pickle
from fractions import Fraction as F
from pathlib import Path

import numpy as np
import pytest
from nets import quarter_net, random_net

import polylc
from polylc.domains.ball import ball
from polylc.exact import mapped as files
from polylc.exact import memory
from polylc.exact.mapped import give_back, joined, mapped, put, zeros
from polylc.exact.memory import Memory, resident
from polylc.judge import verdict
from polylc.measures import sums
from polylc.network import patterns
from polylc.report.schema import build_report
from polylc.run.neighbourhood import answer
from polylc.search.task import Settings, make_task, parse_measures

DATA = Path(__file__).parent / "data"


@pytest.fixture
def all_mapped(monkeypatch):
    """Every array that may be mapped is, many are taken some at a time, and pages are given back at every look."""
    monkeypatch.setattr(files, "LARGE", 2**9)
    monkeypatch.setattr(verdict, "TOGETHER", 2**12)
    monkeypatch.setattr(sums, "PART", 30)
    monkeypatch.setattr(patterns, "PART", 7)
    monkeypatch.setattr(memory, "LOOK", 0.0)
    large = True  # too large, but for a moment after pages were given back

    def back() -> bool:
        nonlocal large
        give_back()
        large = False
        return True

    def size() -> int:
        nonlocal large
        before, large = large, True
        return 10**12 if before else 10**6

    monkeypatch.setattr(memory, "give_back", back)
    monkeypatch.setattr(memory, "resident", size)


def test_what_is_in_an_array_stays_and_its_room_is_given_back():
    rng = np.random.default_rng(0)
    with mapped():
        found = zeros((2**22, 2))
        assert not found.any()
        found[:] = values = rng.integers(-9, 9, found.shape)
        before = resident()
        assert give_back()
        assert before - resident() > 0.9 * found.nbytes
        assert np.array_equal(found, values)
        found[5] = 100.5
        assert give_back()
        assert found[5].tolist() == [100.5, 100.5]
        assert np.array_equal(pickle.loads(pickle.dumps(found)), found)
        assert found.flags.writeable
        assert type(found) is np.ndarray


def test_only_what_is_large_and_wanted_is_mapped():
    for wanted, size, there in ((False, 2**18, False), (True, 10, False), (True, 2**18, True)):
        with mapped(wanted):
            kept = zeros(size)
            assert give_back() == there, (wanted, size)
            del kept
            assert not give_back()  # with the array goes the file
    assert not give_back()


@pytest.mark.parametrize("wanted", [False, True])
def test_parts_are_put_as_ever_and_never_much_of_them_is_in_memory(wanted, monkeypatch):
    rng = np.random.default_rng(1)
    part, order = rng.integers(-9, 9, (3000, 5)), rng.permutation(6000)[:3000]
    with mapped(wanted):
        monkeypatch.setattr(files, "HUGE", 2**12)
        there, there_too = zeros((6000, 5), np.int64), zeros((6000, 5), np.int64)
        put(there, order, part)
        put(there_too, slice(1234, 4234), part)
        assert np.array_equal(there[order], part)
        assert np.array_equal(there_too[1234:4234], part)
        assert not np.delete(there, order, axis=0).any()
        assert not np.delete(there_too, slice(1234, 4234), axis=0).any()
    monkeypatch.undo()
    with mapped(wanted):
        large, before = zeros((2**22, 4)), resident()
        source = zeros(large.shape)
        put(large, slice(0, len(large)), source)
        assert (resident() - before < 0.3 * large.nbytes) == wanted


def test_parts_are_joined_as_ever():
    parts = [np.arange(6, dtype=np.int32).reshape(3, 2), np.zeros((0, 2), dtype=np.int32), np.ones((2**18, 2), dtype=np.int64)]
    for wanted in (False, True):
        with mapped(wanted):
            found = joined(parts)
            assert np.array_equal(found, np.concatenate(parts))
            assert found.dtype == np.int64


def test_where_the_disk_is_full_arrays_are_ordinary(monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with mapped():
        kept = zeros(2**18)
        assert not give_back()
        assert kept.sum() == 0


def test_a_limit_counts_what_is_left_when_room_was_given_back(monkeypatch):
    monkeypatch.setattr(memory, "LOOK", 0.0)
    sizes = iter([11, 5, 11, 12, 0])
    monkeypatch.setattr(memory, "trim", lambda: False)
    monkeypatch.setattr(memory, "resident", lambda: next(sizes))
    with mapped():
        kept = zeros(2**18)
        full = Memory(10)
        assert [full(), full(), full()] == [False, True, True]
        del kept


CASES = [
    (random_net([2, 9, 7, 3], 4), ball([F(1, 8), F(1, 4)], 1)),
    (quarter_net([2, 8, 6, 2], 2), ball([0, 0], 1)),
    (random_net([3, 8, 2], 1), ball([0, 0, 0], 1)),
]


@pytest.mark.parametrize(("case", "engine", "proof"), [(0, "vertex", False), (1, "lp", False), (2, "vertex", False), (1, "dictionary", True)])
def test_what_is_found_is_the_same(case, engine, proof, all_mapped, tmp_path, monkeypatch):
    network, domain = CASES[case]
    task = make_task(network, 0, domain, None, engine)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    settings = Settings(parse_measures("default"), blocks=tmp_path / "one" if proof else None, graph=True)
    with monkeypatch.context() as patch:
        patch.setattr(memory, "resident", lambda: 0)
        patch.setattr(sums, "PART", 2**17)
        patch.setattr(patterns, "PART", 2**17)
        one = answer(network, task, settings)
    two = answer(network, task, Settings(parse_measures("default"), blocks=tmp_path / "two" if proof else None, graph=True, memory=10**10))
    assert one.complete
    reports = [build_report(network, [found], 0.0).neighbourhoods[0].model_dump() for found in (one, two)]
    for report in reports:
        report["seconds"] = 0
    assert reports[0] == reports[1]
    for name in ("bits", "unit", "starts", "neuron", "side"):
        assert np.array_equal(getattr(one.complex, name), getattr(two.complex, name)), name
    if proof:
        first, second = ((tmp_path / name / "block-0.gz").read_bytes() for name in ("one", "two"))
        assert first == second


def test_the_command_line_finds_the_same_with_a_limit(all_mapped, tmp_path):
    network = polylc.load(DATA / "moons2d.npz")
    one, two = (polylc.certify(network, [[0.1, 0.1], [0.2, -0.1]], radius=0.3, memory=limit) for limit in (None, 10**6))
    assert [r.regions for r in one] == [r.regions for r in two]
    assert [r.answers.value("local_complexity") for r in one] == [r.answers.value("local_complexity") for r in two]
