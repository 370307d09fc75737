"""The journal of a run: whatever ends it, the same call goes on, and ends with what one go finds, to the last bit."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import pickle
import zlib
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import quarter_net, random_net
from typer.testing import CliRunner

from polylc import checker
from polylc.api.certify import certify
from polylc.cli.main import app
from polylc.engines.choose import engine_class
from polylc.errors import DataError, UsageError
from polylc.network.form import Network
from polylc.report.run import Run
from polylc.run import journal as journals
from polylc.run import packed
from polylc.run.finished import run_of
from polylc.run.journal import Journal, Reading
from polylc.run.packed import pack, unpack
from polylc.search import units

POINTS = [[0.25, 0.0], [0.0, -0.5], [0.5, 0.5], [-0.25, 0.125]]


class Killed(BaseException):
    """What ends the process, as it were."""


@pytest.fixture
def cut(monkeypatch):
    """Trees are cut at once, and finely."""
    monkeypatch.setattr(units, "PATIENCE", -1.0)
    for engine in ("vertex", "dictionary", "lp"):
        monkeypatch.setattr(engine_class(engine), "unit_depth", 3)


def reported(run: Run) -> dict:
    """All of a report but seconds."""
    report = run.report().model_dump()
    report["summary"]["seconds"] = 0
    for entry in report["neighbourhoods"]:
        entry["seconds"] = 0
    return report


def killed_after(monkeypatch, many: int):
    """Have the process die when so many values have been saved."""
    put, count = Journal.put, 0

    def then(self, name, value, instead_of=None):
        nonlocal count
        if count == many:
            raise Killed
        count += 1
        put(self, name, value, instead_of)

    monkeypatch.setattr(Journal, "put", then)
    return put


# ---- going on --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("engine", ["vertex", "dictionary", "lp"])
@pytest.mark.parametrize("network", [random_net([2, 9, 7, 3], 4), quarter_net([2, 8, 6, 2], 2)], ids=["plain", "ties"])
def test_a_run_that_dies_again_and_again_ends_as_one_go(network, engine, cut, tmp_path, monkeypatch):
    one = certify(network, POINTS, radius="0.5", engine=engine, proof=tmp_path / "one.proof")
    put, deaths = Journal.put, 0
    while True:
        killed_after(monkeypatch, 2)  # the value that it dies at is lost
        try:
            found = certify(network, POINTS, radius="0.5", engine=engine, proof=tmp_path / "run.proof", run=tmp_path / "run")
        except Killed:
            deaths += 1
            continue
        finally:
            monkeypatch.setattr(Journal, "put", put)
        break
    assert deaths > 5
    assert reported(one) == reported(found)
    assert (tmp_path / "one.proof").read_bytes() == (tmp_path / "run.proof").read_bytes()
    checker.check_file(tmp_path / "run.proof")
    again = certify(network, POINTS, radius="0.5", engine=engine, proof=tmp_path / "again.proof", run=tmp_path / "run")
    assert reported(again) == reported(one)
    assert (tmp_path / "again.proof").read_bytes() == (tmp_path / "run.proof").read_bytes()


@pytest.mark.parametrize("certified", [True, False])
def test_units_that_were_saved_are_not_explored_again(certified, cut, tmp_path, monkeypatch):
    network = random_net([3, 9, 8, 2], 2)
    one = certify(network, [0, 0, 0], radius=1, certified=certified)
    put = killed_after(monkeypatch, 4)
    with pytest.raises(Killed):
        certify(network, [0, 0, 0], radius=1, certified=certified, run=tmp_path / "run")
    monkeypatch.setattr(Journal, "put", put)
    names = Reading(tmp_path / "run").names("0/")
    assert len(names) == 4
    done = {name.rsplit(" ")[-1] for name in names if "unit" in name}
    explored = []
    explore = units.explore_unit
    monkeypatch.setattr(units, "explore_unit", lambda job, prefix, limits: explored.append(prefix) or explore(job, prefix, limits))
    found = certify(network, [0, 0, 0], radius=1, certified=certified, run=tmp_path / "run")
    assert len(explored) == found[0].stats["units"] - len(done)
    assert reported(found) == reported(one)
    for name in ("bits", "unit", "starts", "neuron", "side"):
        np.testing.assert_array_equal(getattr(found[0].complex, name), getattr(one[0].complex, name))
    assert Reading(tmp_path / "run").names("0/") == ["0/result"]


@given(st.integers(0, 2**20), st.integers(0, 12))
def test_any_network_killed_at_any_value(tmp_path_factory, seed, many):
    folder, network = tmp_path_factory.mktemp("any"), random_net([2, 7, 6, 2], seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(units, "PATIENCE", -1.0)
        patch.setattr(engine_class("vertex"), "unit_depth", 3)
        one = certify(network, POINTS[:2], radius=1)
        put = killed_after(patch, many)
        with contextlib.suppress(Killed):
            certify(network, POINTS[:2], radius=1, run=folder / "run")
        patch.setattr(Journal, "put", put)
        assert reported(certify(network, POINTS[:2], radius=1, run=folder / "run")) == reported(one)


@pytest.mark.parametrize("then", [1, 2])
def test_another_number_of_processes_goes_on(then, cut, tmp_path, monkeypatch):
    network = random_net([2, 9, 7, 3], 4)
    one = certify(network, POINTS, radius="0.5")
    put = killed_after(monkeypatch, 3)
    with pytest.raises(Killed):
        certify(network, POINTS, radius="0.5", run=tmp_path / "run", jobs=then)
    monkeypatch.setattr(Journal, "put", put)
    assert reported(certify(network, POINTS, radius="0.5", run=tmp_path / "run", jobs=3 - then)) == reported(one)


def test_a_larger_limit_goes_on_and_a_smaller_one_keeps_what_is_there(tmp_path):
    network = random_net([2, 12, 9, 2], 1)
    whole = certify(network, POINTS, radius=1)
    assert min(r.regions for r in whole) > 8
    few = certify(network, POINTS, radius=1, max_regions=8, run=tmp_path / "run")
    assert [r.status for r in few] == ["partial"] * 4
    assert reported(certify(network, POINTS, radius=1, max_regions=5, run=tmp_path / "run")) == reported(few)
    assert reported(certify(network, POINTS, radius=1, run=tmp_path / "run")) == reported(whole)
    assert reported(certify(network, POINTS, radius=1, max_regions=8, run=tmp_path / "run")) == reported(whole)


def test_a_time_limit_of_nothing_and_then_none(tmp_path):
    network = random_net([2, 12, 9, 2], 1)
    assert certify(network, POINTS, radius=1, time_limit=0.0, run=tmp_path / "run")[0].status == "partial"
    assert reported(certify(network, POINTS, radius=1, run=tmp_path / "run")) == reported(certify(network, POINTS, radius=1))


# ---- refusals --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"measures": "counts"}, "measures: counts,.* then, counts now"),
        ({"radius": "0.25"}, "neighbourhoods: 4 from row 0 on, .* then, 4 from row 0 on, .* now"),
        ({"points": POINTS[:3]}, "neighbourhoods: 4 .* then, 3 "),
        ({"certified": False}, "certify: True then, False now"),
        ({"network": random_net([2, 6, 2], 1)}, "model: .* then, .* now"),
        ({"sigma": "0.1"}, "sigma: none then, 0.1 now"),
        ({"engine": "lp"}, "neighbourhoods: "),
        ({"keep": False}, "regions kept, as --report, .* or keep want: True then, False now"),
    ],
    ids=["measures", "radius", "points", "certify", "model", "sigma", "engine", "keep"],
)
def test_other_settings_are_refused_with_the_difference(other, said, tmp_path):
    given = {"network": random_net([2, 6, 2], 0), "points": POINTS, "radius": "0.5"}
    certify(**given, run=tmp_path / "run")
    with pytest.raises(UsageError, match=f"begun with other settings.*{said}"):
        certify(**(given | other), run=tmp_path / "run")


def test_other_code_is_refused(tmp_path, monkeypatch):
    certify(random_net([2, 6, 2], 0), POINTS, radius=1, run=tmp_path / "run")
    monkeypatch.setattr(journals, "code_stamp", lambda: "polylc 9.9, abc")
    with pytest.raises(UsageError, match=r"code of polylc has changed .*begun by polylc .*, and this is polylc 9\.9, abc\); go on with that code"):
        certify(random_net([2, 6, 2], 0), POINTS, radius=1, run=tmp_path / "run")


def test_two_writers_cannot(tmp_path):
    network = random_net([2, 6, 2], 0)
    with Journal(tmp_path / "run", network, {"command": "certify"}, {}, 1):
        with pytest.raises(UsageError, match=rf"process {os.getpid()} on .* is at work on this run"):
            certify(network, POINTS, radius=1, run=tmp_path / "run")
        assert Reading(tmp_path / "run").writer() is not None
    assert Reading(tmp_path / "run").writer() is None


def test_folders_of_other_things_are_refused(tmp_path):
    network = random_net([2, 6, 2], 0)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years")
    for folder, said in (("mine", "holds other things"), ("mine/thesis.tex", "is a file"), ("a/b", "cannot be made")):
        with pytest.raises(UsageError, match=said):
            certify(network, POINTS, radius=1, run=tmp_path / folder)
    with pytest.raises(UsageError, match=r"no run folder, it has no journal\.sqlite"):
        Reading(tmp_path / "mine")


# ---- accidents -------------------------------------------------------------------------------------------------------
def test_a_full_disk_costs_the_journal_and_no_answer(tmp_path, monkeypatch, capsys):
    network = random_net([2, 9, 7, 3], 4)
    one = certify(network, POINTS, radius="0.5")
    begin = Journal._begin

    def small(self, settings, pieces):
        begin(self, settings, pieces)
        pages = self._connection.execute("PRAGMA page_count").fetchone()[0]
        self._connection.execute(f"PRAGMA max_page_count={pages + 2}")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_begin", small)
        assert reported(certify(network, POINTS, radius="0.5", run=tmp_path / "run")) == reported(one)
    assert capsys.readouterr().err.count("database or disk is full") == 1
    assert len(run_of(Reading(tmp_path / "run"))) < 4
    assert reported(certify(network, POINTS, radius="0.5", run=tmp_path / "run")) == reported(one)
    assert len(run_of(Reading(tmp_path / "run"))) == 4


def test_a_lost_proof_block_is_made_again(tmp_path):
    network = random_net([2, 9, 7, 3], 4)
    certify(network, POINTS, radius="0.5", proof=tmp_path / "one.proof", run=tmp_path / "run")
    blocks = sorted((tmp_path / "run" / "blocks").iterdir())
    assert len(blocks) == 4
    blocks[0].unlink()
    blocks[1].write_bytes(blocks[1].read_bytes()[:-9])
    certify(network, POINTS, radius="0.5", proof=tmp_path / "two.proof", run=tmp_path / "run")
    assert (tmp_path / "one.proof").read_bytes() == (tmp_path / "two.proof").read_bytes()


def test_a_damaged_value_is_found_again(tmp_path, capsys):
    network = random_net([2, 9, 7, 3], 4)
    one = certify(network, POINTS, radius="0.5", run=tmp_path / "run")
    with Journal(tmp_path / "run", network, Reading(tmp_path / "run").table("settings"), {}, 4) as journal:
        journal._connection.execute("UPDATE saved SET value = ? WHERE name = '1/result'", (b"noise",))
    assert reported(certify(network, POINTS, radius="0.5", run=tmp_path / "run")) == reported(one)
    assert "1/result is done again, a saved value is damaged" in capsys.readouterr().err


def test_volumes_are_had_again_to_the_last_bit(tmp_path):
    """Of a box whose volumes are rational, of one where a few are, and of an l1 ball."""
    for name, how in (("few", {"radius": "0.5"}), ("box", {"box": ([-1, -1], [1, 1])}), ("ball", {"radius": "0.5", "norm": "l1"})):
        network = random_net([2, 9, 7, 3], 4)
        points = None if "box" in how else POINTS[:2]
        one = certify(network, points, run=tmp_path / name, **how)
        for result, again in zip(one, certify(network, points, run=tmp_path / name, **how), strict=True):
            then, now = result.volumes, again.volumes
            assert now is again.volumes is not then
            assert type(now) is type(then)
            assert then.exact.keys() == now.exact.keys()
            for column in ("share", "density", "carrier", "proved"):
                assert (getattr(then, column) == getattr(now, column)).all()
            assert [then.exact[r] for r in then.exact] == [now.exact[r] for r in then.exact]
            assert then.summary() == now.summary()


def test_names_are_those_of_the_file(tmp_path):
    """Whatever was put, replaced and forgotten, now or by an earlier writer."""
    random, settings = np.random.default_rng(0), {"command": "none"}
    for _ in range(4):
        with Journal(tmp_path / "run", None, settings, {}, 3) as journal:
            for _ in range(40):
                place, unit = random.integers(0, 3), random.integers(0, 5)
                if random.random() < 0.2:
                    journal.put(f"{place}/result", int(unit), f"{place}/")
                else:
                    journal.below(str(place)).put(f"nodes/unit {unit}", (int(place), int(unit)))
                there = Reading(tmp_path / "run")
                for below in ("", "1/", "1/nodes/", "1/n", "2", "net"):
                    assert journal.names(below) == sorted(there.names(below))
                assert journal.get(f"{place}/nodes/unit {unit}") == there.get(f"{place}/nodes/unit {unit}")
                there.close()


def test_the_folder_may_be_moved(tmp_path):
    network = random_net([2, 9, 7, 3], 4)
    certify(network, POINTS, radius="0.5", proof=tmp_path / "one.proof", run=tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "moved")
    certify(network, POINTS, radius="0.5", proof=tmp_path / "two.proof", run=tmp_path / "moved")
    assert (tmp_path / "one.proof").read_bytes() == (tmp_path / "two.proof").read_bytes()


# ---- what is saved ---------------------------------------------------------------------------------------------------
def test_the_network_is_not_saved_with_every_value():
    network = random_net([2, 200, 200, 2], 0)
    copy = pickle.loads(pickle.dumps(network))
    for value in ((network, 1), (copy, 1)):
        data = pack(value, network)
        assert len(data) < 200
        assert unpack(data, network)[0] is network
    assert isinstance(unpack(pack(network)), Network)
    with pytest.raises(DataError):
        unpack(pack((network, 1), network))


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_a_changed_byte_is_seen(place, change):
    value = {"column": np.arange(12.0).reshape(3, 4), "known": Fraction(1, 3), "words": "what was found"}
    data = bytearray(pack(value))
    assert (unpack(bytes(data))["column"] == value["column"]).all()
    data[place % len(data)] ^= change
    with pytest.raises(DataError):
        unpack(bytes(data))


@pytest.mark.parametrize("kind", ["f8", "i4", "i1", "u8", "?", "c16", "O", "S3"])
@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (5,), (3, 4), (100, 100)])
def test_arrays_come_back_as_they_were(kind, shape):
    array = np.random.default_rng(0).integers(0, 2, shape).astype(kind)
    for value in (array, array[::-1] if shape else array, array.T):
        found = unpack(pack(value))
        assert found.dtype == value.dtype
        assert found.shape == value.shape
        assert (found == value).all()
        assert found.flags.writeable


def test_no_array_of_pointers_is_made_of_bytes():
    for maker in (np.ndarray, packed._array):

        class Forged:
            def __reduce__(self, maker=maker):
                return maker, ((1,), np.dtype("O"), bytearray(8))

        with pytest.raises(DataError, match="damaged"):
            unpack(zlib.compress(pickle.dumps(Forged())))


@pytest.mark.parametrize(
    "value", [os.system, pickle.loads, certify, np.load, Fraction, {1, 2}, Fraction(1, 3)], ids=lambda v: getattr(v, "__name__", str(v))
)
def test_saved_values_name_nothing_but_data(value):
    data = zlib.compress(pickle.dumps(value))
    if callable(value) and value is not Fraction:
        with pytest.raises(DataError, match="which is no data"):
            unpack(data)
    else:
        assert unpack(data) == value


# ---- shown -----------------------------------------------------------------------------------------------------------
def test_show_prints_what_is_there_at_any_time(data, tmp_path):
    model, runner, folder = str(next(data.glob("*.npz"))), CliRunner(), tmp_path / "run"
    with np.load(model) as arrays:
        inputs = arrays["W0"].shape[1]
    command = ["certify", model, "--center", ",".join(["0.1"] * inputs), "--radius", "0.05", "--measures", "counts"]
    files = ["--json", str(tmp_path / "one.json"), "--proof", str(tmp_path / "one.proof")]
    assert runner.invoke(app, [*command, *files, "--run", str(folder)]).exit_code == 0
    files = ["--json", str(tmp_path / "two.json"), "--proof", str(tmp_path / "two.proof")]
    shown = runner.invoke(app, ["show", str(folder), *files])
    assert shown.exit_code == 0
    assert "regions" in shown.stdout
    assert "1 of 1 neighbourhoods; nobody is at work on it" in shown.stderr
    one, two = (json.loads((tmp_path / name).read_text())["neighbourhoods"] for name in ("one.json", "two.json"))
    assert one == two
    assert (tmp_path / "one.proof").read_bytes() == (tmp_path / "two.proof").read_bytes()
    more = ["--report", str(tmp_path / "r.html"), "--table", str(tmp_path / "t.csv")]
    assert runner.invoke(app, ["show", str(folder), *more]).exit_code == 0
    assert f"<dt>regions</dt><dd>{one[0]['regions']}</dd>" in (tmp_path / "r.html").read_text(encoding="utf-8")
    with (tmp_path / "t.csv").open(newline="") as file:
        assert [int(row["regions"]) for row in csv.DictReader(file)] == [one[0]["regions"]]
    refused = runner.invoke(app, ["show", str(folder), "--graph", str(tmp_path / "g.npz")])
    assert refused.exit_code == 2
    assert "the run is none of certify with --graph" in refused.stderr


def test_an_empty_journal_is_told_in_one_line(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "journal.sqlite").touch()
    shown = CliRunner().invoke(app, ["show", str(tmp_path / "run")])
    assert shown.exit_code == 2
    assert "the journal is empty" in " ".join(shown.stderr.split())
    with Journal(tmp_path / "run", random_net([2, 3, 1], 0), {"command": "certify"}, {}, 1):  # begun again, it is one
        pass
    assert Reading(tmp_path / "run").table("settings")["command"] == "certify"


def test_show_reads_while_another_process_writes(tmp_path):
    network = random_net([2, 6, 2], 0)
    settings = {"command": "certify", "model": "m"}
    with Journal(tmp_path / "run", network, settings, {}, 3) as journal:
        journal.put("x", np.arange(5))
        reading = Reading(tmp_path / "run")
        journal.put("y", 7)
        assert reading.get("y") == 7
        np.testing.assert_array_equal(reading.get("x"), np.arange(5))
        assert CliRunner().invoke(app, ["show", str(tmp_path / "run")]).exit_code == 0
