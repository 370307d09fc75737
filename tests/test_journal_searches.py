"""Searches that keep a journal: whatever ends them, they go on from their open cells, and end as in one go."""

from __future__ import annotations

import itertools
import json
import pickle
import re
from fractions import Fraction as F

import numpy as np
import pytest
from nets import random_net
from random_queries import network_of, questions
from test_html import check_page
from test_journal import Killed, killed_after
from typer.testing import CliRunner

import polylc
from polylc.cli.main import app
from polylc.domains.question import And, row
from polylc.errors import UsageError
from polylc.network.exact import ExactNetwork
from polylc.readers.question import Question
from polylc.run import journal as journals
from polylc.run.journal import Journal, Reading
from polylc.run.verification import answer
from polylc.search import listed, prove, refute, saved, steepest, units


@pytest.fixture
def often(monkeypatch):
    """Searches are cut finely, and saved at every chance."""
    for module, values in ((prove, {"TOP": 8, "UNIT": 3, "BUDGET": 6}), (refute, {"BATCH": 2}), (journals, {"SNAPSHOTS": -1.0, "COST": 0.0})):
        for name, value in values.items():
            monkeypatch.setattr(module, name, value)


def said(verdict) -> dict:
    report = verdict.report().model_dump()
    report["seconds"] = report["statistics"]["seconds"] = report["proof"] = 0
    return report


def until_it_ends(monkeypatch, call, step: int):
    """What a call gives that dies at every so manieth value it saves; and how often it died."""
    put, deaths = Journal.put, 0
    while True:
        killed_after(monkeypatch, step)
        try:
            return call(), deaths
        except Killed:
            deaths += 1
        finally:
            monkeypatch.setattr(Journal, "put", put)


@pytest.mark.parametrize("few", [16, -1], ids=["boxes", "neurons"])
@pytest.mark.parametrize("seed", [0, 3, 5, 8])
def test_a_question_that_dies_again_and_again_ends_as_in_one_go(seed, few, often, tmp_path, monkeypatch):
    monkeypatch.setattr(refute, "FEW", few)
    deaths = 0
    for k, question in enumerate(questions(network_of(seed), seed, 6, 2)):
        one = polylc.verify(question, proof=tmp_path / "one.proof")
        folder = tmp_path / f"run{k}"
        found, many = until_it_ends(monkeypatch, lambda q=question, f=folder: polylc.verify(q, proof=tmp_path / "run.proof", run=f), 2)
        deaths += many
        assert said(found) == said(one)
        if one.result == "unsat":
            assert (tmp_path / "one.proof").read_bytes() == (tmp_path / "run.proof").read_bytes()
    assert deaths > 3


def test_cells_that_were_treated_are_not_treated_again(often, tmp_path, monkeypatch):
    """What is lost is what came after the last snapshot."""
    network = random_net([3, 12, 12, 1], 0)
    exact, points = ExactNetwork(network), np.random.default_rng(0).integers(-8, 9, (200, 3)).tolist()
    highest = max(exact.outputs([F(v, 8) for v in point])[0] for point in points)
    inside = [row({q: F(s)}, F(1)) for q in range(3) for s in (1, -1)]
    question = Question(network, And((*inside, row({3: F(1)}, -highest - F(1, 10)))), ("a", "b", "c"))
    assert polylc.verify(question).result == "unsat"
    whole = polylc.verify(question).statistics["cells"]
    treated = 0
    treat = refute.Search._treat

    def counted(self, batch):
        nonlocal treated
        treated += len(batch)
        return treat(self, batch)

    monkeypatch.setattr(refute.Search, "_treat", counted)
    _, deaths = until_it_ends(monkeypatch, lambda: polylc.verify(question, run=tmp_path / "run"), 2)
    assert deaths > 2
    assert treated <= whole + deaths * prove.BUDGET


def test_distances_go_on(often, tmp_path, monkeypatch):
    network = random_net([3, 9, 8, 3], 5)
    points = [[F(1, 8), F(1, 4), F(0)], [F(-1, 2), F(1, 2), F(1, 8)], [F(1), F(-1), F(1, 4)]]
    for norm in ("linf", "l1"):
        one = polylc.distance(network, points, 2, norm=norm)
        found, deaths = until_it_ends(monkeypatch, lambda n=norm: polylc.distance(network, points, 2, norm=n, run=tmp_path / n), 3)
        assert deaths
        assert [(d.lower, d.upper, d.point, d.rival) for d in one] == [(d.lower, d.upper, d.point, d.rival) for d in found]
        assert polylc.distance(network, points, 2, norm=norm, run=tmp_path / norm)[0].seconds == found[0].seconds  # as it was kept
        with pytest.raises(UsageError, match=r"norm: .* then, l2 now"):
            polylc.distance(network, points, 2, norm="l2", run=tmp_path / norm)


def known_of(found) -> list:
    return [(c.target, c.norm, c.lower, c.upper, c.point, c.attained, c.method) for one in found for c in one.constants]


@pytest.mark.parametrize("few", [16, -1], ids=["boxes", "neurons"])
def test_constants_go_on(few, often, tmp_path, monkeypatch):
    for name, value in (("BATCH", 3), ("FEW_INPUTS", few)):
        monkeypatch.setattr(steepest, name, value)
    monkeypatch.setattr(listed, "FROM", 10**9)
    network, points = random_net([3, 7, 6, 3], 5), [[F(1, 8), F(1, 4), F(0)], [F(-1, 2), F(1, 2), F(1, 8)]]
    for ball in ("linf", "l2"):
        asked = {"radius": F(1, 4), "ball": ball, "method": "search"}
        one = polylc.lipschitz(network, points, **asked)
        folder = tmp_path / ball
        found, deaths = until_it_ends(monkeypatch, lambda a=asked, f=folder: polylc.lipschitz(network, points, **a, run=f), 3)
        assert deaths > 3
        assert known_of(one) == known_of(found)
        assert [c.statistics for c in one] == [c.statistics for c in found]
        assert polylc.lipschitz(network, points, **asked, run=folder)[0].seconds == found[0].seconds  # as it was kept
        assert Reading(folder).names("0/") == ["0/result"]
        with pytest.raises(UsageError, match=r"norms: linf,l2,l1 then, l2 now"):
            polylc.lipschitz(network, points, **asked, norm="l2", run=folder)


def test_what_a_list_of_regions_closed_stays_closed(often, tmp_path, monkeypatch):
    monkeypatch.setattr(steepest, "BATCH", 2)
    monkeypatch.setattr(listed, "FROM", 4)
    network, point = random_net([2, 12, 12, 3], 2), [[F(1, 8), F(1, 4)]]
    one = polylc.lipschitz(network, point, radius=F(1, 2), method="search")
    assert one[0].statistics["listed"] > 0
    found, deaths = until_it_ends(monkeypatch, lambda: polylc.lipschitz(network, point, radius=F(1, 2), method="search", run=tmp_path / "run"), 2)
    assert deaths
    assert known_of(one) == known_of(found)
    assert one[0].statistics == found[0].statistics


def test_constants_by_enumeration_go_on(often, tmp_path, monkeypatch):
    monkeypatch.setattr(units, "PATIENCE", -1.0)
    network, point = random_net([2, 12, 12, 3], 2), [[F(1, 8), F(1, 4)]]
    one = polylc.lipschitz(network, point, radius=1, method="enumeration")
    found, deaths = until_it_ends(monkeypatch, lambda: polylc.lipschitz(network, point, radius=1, method="enumeration", run=tmp_path / "run"), 2)
    assert deaths
    assert known_of(one) == known_of(found)


def test_a_limit_that_is_larger_goes_on_with_constants(often, tmp_path):
    network, point = random_net([3, 9, 8, 3], 5), [[F(1, 8), F(1, 4), F(0)]]
    assert not polylc.lipschitz(network, point, radius=1, timeout=0, run=tmp_path / "run")[0].exact
    assert not polylc.lipschitz(network, point, radius=1, timeout=0, run=tmp_path / "run")[0].exact
    assert known_of(polylc.lipschitz(network, point, radius=1, run=tmp_path / "run")) == known_of(polylc.lipschitz(network, point, radius=1))


@pytest.mark.parametrize("method", ["search", "enumeration"])
def test_a_proof_of_constants_is_written_by_the_call_that_asks(method, often, tmp_path):
    network, point = random_net([2, 9, 8, 3], 5), [[F(1, 8), F(1, 4)]]
    for name in ("one", "two"):
        polylc.lipschitz(network, point, radius=1, norm="l2", method=method, proof=tmp_path / name, run=tmp_path / "run")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    polylc.check(tmp_path / "two")


def test_a_proof_of_a_distance_is_written_by_the_call_that_asks(often, tmp_path):
    network, point = random_net([3, 9, 8, 3], 5), [[F(1, 8), F(1, 4), F(0)]]
    for name in ("one", "two"):
        polylc.distance(network, point, 2, proof=tmp_path / name, run=tmp_path / "run")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    polylc.check(tmp_path / "two")


def test_a_timeout_that_is_larger_goes_on(often, tmp_path):
    question = next(q for q in questions(network_of(3), 3, 12, 2) if polylc.verify(q).result == "unsat")
    assert polylc.verify(question, timeout=0, run=tmp_path / "run").result == "timed-out"
    assert polylc.verify(question, run=tmp_path / "run").result == "unsat"
    assert said(polylc.verify(question, timeout=0.5, run=tmp_path / "run")) == said(polylc.verify(question))


class Kept:
    """Values by name, that nothing but a limit saves."""

    def __init__(self, values: dict[str, bytes] | None = None, name: str = "") -> None:
        self._values, self._name = {} if values is None else values, name

    def get(self, name):
        found = self._values.get(self._name + name)
        return None if found is None else pickle.loads(found)

    def put(self, name, value):
        self._values[self._name + name] = pickle.dumps(value)

    def below(self, name):
        return Kept(self._values, f"{self._name}{name}/")

    def due(self):
        return False


@pytest.mark.parametrize("few", [16, -1], ids=["boxes", "neurons"])
def test_limits_again_and_again_lose_nothing(few, often, tmp_path, monkeypatch):
    """Though each go is stopped after a few steps, and is given no time for snapshots before."""
    monkeypatch.setattr(refute, "FEW", few)
    monkeypatch.setattr(saved, "GRACE", 1e9)
    treated, stops = 0, 0
    treat = refute.Search._treat

    def counted(self, batch):
        nonlocal treated
        treated += len(batch)
        return treat(self, batch)

    for seed in (0, 3):
        for question in questions(network_of(seed), seed, 6, 2):
            one = answer(question, proof=tmp_path / "one.proof")
            kept = Kept()
            with monkeypatch.context() as patch:
                patch.setattr(refute.Search, "_treat", counted)
                before = treated, stops
                while True:
                    calls = itertools.count(before[1] - stops)  # a little later each time, since an attack comes first
                    found = answer(question, proof=tmp_path / "run.proof", stop=lambda c=calls: next(c) > 12, saved=kept)
                    if found.result != "timed-out":
                        break
                    stops += 1
                assert treated - before[0] <= one.statistics["cells"] + (stops - before[1]) * prove.BUDGET
            assert said(found) == said(one)
            if one.result == "unsat":
                assert (tmp_path / "one.proof").read_bytes() == (tmp_path / "run.proof").read_bytes()
    assert stops > 3


def test_another_question_is_refused(tmp_path):
    one, other = questions(network_of(0), 0, 2)
    polylc.verify(one, run=tmp_path / "run")
    with pytest.raises(UsageError, match=r"query: .* then, .* now"):
        polylc.verify(other, run=tmp_path / "run")
    with pytest.raises(UsageError, match="proof: False then, True now"):
        polylc.verify(one, run=tmp_path / "run", proof=tmp_path / "proof")


def test_show_prints_answers_and_distances(tmp_path):
    (question,) = questions(network_of(0), 0, 1)
    verdict = polylc.verify(question, run=tmp_path / "verdict")
    shown = CliRunner().invoke(app, ["show", str(tmp_path / "verdict"), "--json", str(tmp_path / "v.json")])
    assert shown.stdout.split() == [verdict.result]
    assert json.loads((tmp_path / "v.json").read_text())["results"][0]["result"] == verdict.result
    (found,) = polylc.distance(random_net([2, 6, 3], 1), [[0, 0]], 2, run=tmp_path / "distance")
    shown = CliRunner().invoke(app, ["show", str(tmp_path / "distance"), "--json", "-"])
    assert json.loads(shown.stdout)["points"][0]["lower_exact"] == str(found.lower)
    assert "1 of 1 points" in shown.stderr
    assert Reading(tmp_path / "distance").names("0/") == ["0/result"]


def report_of(folder, path) -> str:
    """The report that `polylc show` writes of a folder."""
    shown = CliRunner().invoke(app, ["show", str(folder), "--report", str(path)])
    assert shown.exit_code == 0, shown.output
    text = path.read_text(encoding="utf-8")
    check_page(text)
    assert "The run that is shown" in text
    return text


def test_show_writes_reports_of_searches(tmp_path):
    asked = questions(network_of(0), 0, 2)
    verdicts = [polylc.verify(question, run=tmp_path / str(at)) for at, question in enumerate(asked)]
    text = report_of(tmp_path, tmp_path / "v.html")  # the folders of a list of questions
    assert [text.count(f'class="word {answer}"') > 0 for answer in ("sat", "unsat")] == [
        any(v.result == answer for v in verdicts) for answer in ("sat", "unsat")
    ]
    net = random_net([64, 6, 3], 1)
    points = np.random.default_rng(0).uniform(0, 1, (2, 64))
    found = polylc.distance(net, points, 2, run=tmp_path / "distance")
    text = report_of(tmp_path / "distance", tmp_path / "d.html")
    assert all(str(one.lower) in text for one in found)
    found.write_report(tmp_path / "e.html")
    images = [re.findall(r'src="(data:[^"]*)"', page) for page in (text, (tmp_path / "e.html").read_text(encoding="utf-8"))]
    assert images[0] == images[1]
    assert len(images[0]) == 3 * len(found)
    refused = CliRunner().invoke(app, ["show", str(tmp_path / "distance"), "--table", str(tmp_path / "t.csv")])
    assert refused.exit_code == 2
    assert "tables have the neighbourhoods of certify" in refused.stderr


def test_show_prints_constants(tmp_path):
    found = polylc.lipschitz(random_net([2, 6, 3], 1), [[0, 0], [1, 0]], radius=1, run=tmp_path / "run")
    shown = CliRunner().invoke(app, ["show", str(tmp_path / "run"), "--json", "-"])
    assert json.loads(shown.stdout)["neighbourhoods"] == found.report().model_dump(mode="json")["neighbourhoods"]
    assert "2 of 2 neighbourhoods" in shown.stderr
    text = report_of(tmp_path / "run", tmp_path / "l.html")
    assert all(f"{c.quantity.lower:.5g}"[:6] in text for one in found for c in one.constants)


def test_comparisons_go_on(often, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr(units, "PATIENCE", -1.0)
    network, points = random_net([2, 10, 8, 3], 1), [[0, 0], [1, 0], [F(1, 2), F(1, 2)]]
    asked = {"methods": "lines,patterns", "samples": 32, "draws": 2}
    one = polylc.compare(network, points, 1, **asked)
    found, deaths = until_it_ends(monkeypatch, lambda: polylc.compare(network, points, 1, **asked, run=tmp_path / "run"), 2)
    assert deaths > 2
    assert timeless(one.report().model_dump(mode="json")) == timeless(found.report().model_dump(mode="json"))
    shown = CliRunner().invoke(app, ["show", str(tmp_path / "run"), "--json", "-"])
    assert timeless(json.loads(shown.stdout)) == timeless(found.report().model_dump(mode="json"))
    assert "3 of 3 neighbourhoods" in shown.stderr
    report_of(tmp_path / "run", tmp_path / "c.html")
    with pytest.raises(UsageError, match=r"draws compared with: 2 then, 3 now"):
        polylc.compare(network, points, 1, **(asked | {"draws": 3}), run=tmp_path / "run")


def test_a_truth_that_a_limit_stopped_goes_on(tmp_path):
    pytest.importorskip("torch")
    network, asked = random_net([2, 10, 8, 3], 1), {"methods": "lines", "samples": 32, "draws": 0}
    few = polylc.compare(network, [[0, 0]], 1, **asked, max_regions=3, run=tmp_path / "run")
    assert not few.complete
    more = polylc.compare(network, [[0, 0]], 1, **asked, run=tmp_path / "run")
    assert more.complete
    assert timeless(more.report().model_dump(mode="json")) == timeless(polylc.compare(network, [[0, 0]], 1, **asked).report().model_dump(mode="json"))


def timeless(value):
    """A report without what time and the command line put there."""
    if isinstance(value, dict):
        return {name: timeless(v) for name, v in value.items() if "second" not in name and name not in ("cost", "setting", "speed")}
    return [timeless(v) for v in value] if isinstance(value, list) else value


def test_show_writes_reports_of_estimates(tmp_path):
    pytest.importorskip("torch")
    found = polylc.estimate(random_net([2, 6, 3], 1), [[0, 0]], 1, methods="lines", samples=32, run=tmp_path / "estimate")
    assert f"{found[0].estimates[0].value:.6g}" in report_of(tmp_path / "estimate", tmp_path / "e.html")
