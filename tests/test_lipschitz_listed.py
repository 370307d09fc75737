"""Searches of Lipschitz constants that list regions, of the whole or of boxes, find what brute force finds."""

from __future__ import annotations

import json
from fractions import Fraction as F

import numpy as np
import pytest
from nets import random_net
from test_lipschitz import NAMES, best_by_force, drawn, gradient_at, norm_of, regions_by_force
from typer.testing import CliRunner

import polylc
from polylc.cli.main import app
from polylc.domains.ball import ball, in_norm
from polylc.network.form import chain
from polylc.run.lipschitz import lipschitz_constants, targets_of
from polylc.search.listed import Lister


@pytest.fixture
def blind(monkeypatch):
    """Points are not looked at: what is listed, and what cells leave, is all that there is."""
    monkeypatch.setattr("polylc.search.attained.Record.look", lambda *_: None)
    monkeypatch.setattr("polylc.search.attained.Record.offer", lambda *_: None)
    monkeypatch.setattr("polylc.search.listed.FROM", 1)
    monkeypatch.setattr("polylc.run.lipschitz.missing_kernels", lambda *_: set())
    monkeypatch.setattr("polylc.jit.mode.mode.plain", True)  # there is little to do


def in_parts(monkeypatch):
    """Boxes are listed, and never the whole."""

    def never(self, cells):
        self._next = -1
        return False

    monkeypatch.setattr(Lister, "ends", never)


@pytest.mark.parametrize("parts", [False, True])
@pytest.mark.parametrize("seed", range(14))
def test_what_is_listed_is_what_brute_force_finds(seed, parts, blind, monkeypatch):
    if parts:
        in_parts(monkeypatch)
    net, domain = drawn(seed)
    jacobians = regions_by_force(net, domain)
    found = lipschitz_constants(net, domain, None, method="search")
    if found.statistics["cells"] > len(found.constants):  # roots were not enough
        assert found.statistics["listed"] > 0
    for name, targets in targets_of(net, None, None, False):
        for norm in NAMES:
            constant = found.of(name, norm)
            assert constant.exact
            assert constant.lower == best_by_force(jacobians, targets[0], norm)
            if constant.point is not None:
                gradient = gradient_at(net, targets[0], constant.point, domain.free.tolist())
                assert norm_of(gradient, norm) == constant.lower


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("seed", range(2))
def test_regions_of_boxes_are_listed_where_the_whole_has_too_many(seed, norm, blind, monkeypatch):
    """Few regions may be listed at a time; a tree without lists finds the same."""
    net, domain = random_net([2, 12, 10, 2], seed), in_norm(ball([F(1, 10), F(-1, 5)], F(3, 2)), norm)
    monkeypatch.setattr("polylc.search.listed.FROM", 10**9)
    by_tree = lipschitz_constants(net, domain, 0, method="search")
    assert "listed" not in by_tree.statistics
    monkeypatch.setattr("polylc.search.listed.FROM", 1)
    monkeypatch.setattr("polylc.search.listed.REGIONS", {"vertex": 1, "dictionary": 1})
    in_parts(monkeypatch)
    found = lipschitz_constants(net, domain, 0, method="search")
    assert found.statistics["listed"] > 0
    assert found.exact
    assert [c.lower for c in found.constants] == [c.lower for c in by_tree.constants]


def test_a_whole_that_was_listed_is_proved_by_its_list(tmp_path, blind):
    net, domain = random_net([3, 8, 7, 2], 1), ball([F(1, 10)] * 3, F(1))
    found = lipschitz_constants(net, domain, 0, method="search", proof=tmp_path / "p")
    listed = lipschitz_constants(net, domain, 0, method="enumeration")
    assert found.statistics["listed"] == 1
    assert [(c.lower, c.upper) for c in found.constants] == [(c.lower, c.upper) for c in listed.constants]
    assert found.proof is not None
    assert polylc.check(tmp_path / "p")


def test_a_limit_of_time_holds_while_regions_are_listed(blind, monkeypatch):
    """What is known at the limit is a bracket, though the list was not finished."""
    monkeypatch.setattr("polylc.search.listed.reached", lambda: lambda: True)
    net = random_net([6, 24, 24, 3], 5)
    (found,) = polylc.lipschitz(net, np.full(6, 0.1), radius=2, method="search", timeout=0.5)
    assert not found.exact
    assert all(c.upper is None or c.lower <= c.upper for c in found.constants)


@pytest.mark.parametrize("turned", [False, True])
def test_the_point_of_a_sliver_lies_in_it(turned, tmp_path):
    """A constant is attained between 1/3 and 1/3 + 2^-60/3 alone, where no double is: the point is the judge's."""
    steep = 2.0**60
    first, bias = ([[3.0]], [-1.0]) if not turned else ([[2.0, 1.0], [1.0, -1.0]], [-1.0, 0.0])
    weights = [first, [[steep, *[0.0] * turned]] * 2 + [[0.0, 1.0]] * turned, [[1.0, -1.0, *[1.0] * turned]]]
    net = chain(weights, [bias, [0.0, -1.0, *[0.0] * turned], [0.0]])
    (found,) = polylc.lipschitz(net, [0.0] * (1 + turned), radius=1, norm="linf", method="enumeration", proof=tmp_path / "p")
    (constant,) = found.constants
    assert constant.lower >= 3 * 2**60
    slope = gradient_at(net, targets_of(net, None, None, False)[0][1][0], constant.point, list(range(net.inputs)))
    assert norm_of(slope, "linf") == constant.lower
    height = sum(w * x for w, x in zip(map(F, first[0]), constant.point, strict=True)) - 1
    assert 0 < height < F(1, 2**60)
    assert polylc.check(tmp_path / "p")


def test_a_proof_that_does_not_check_is_told(data, tmp_path, monkeypatch):
    """A proof that claims more than its points attain is refused at once, and the reason is told."""
    monkeypatch.setattr("polylc.run.gradient_proof.LESS", -F(1, 2**30))
    proof, report = tmp_path / "p", tmp_path / "r.json"
    arguments = ["lipschitz", str(data / "moons2d.npz"), "--center", "0.5,0.25", "--radius", "0.01", "--method", "search"]
    monkeypatch.setattr("polylc.search.listed.FROM", 10**9)
    run = CliRunner().invoke(app, [*arguments, "--proof", str(proof), "--json", str(report)])
    (one,) = json.loads(report.read_text())["neighbourhoods"]
    assert one["status"] == "exact"
    assert one["proof"] is None
    assert one["notes"]["proof"].startswith("not kept: ")
    assert f"{proof}: refused" in one["notes"]["proof"]
    assert " ".join(one["notes"]["proof"].split()) in " ".join(run.output.split())
    assert not proof.exists()
