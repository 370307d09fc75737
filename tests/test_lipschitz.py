"""Lipschitz constants by search are those of brute force and of an enumeration; what is not closed is a bracket."""

from __future__ import annotations

import copy
import gzip
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brute_force import BruteForce
from nasty import nasty_net
from nets import multiplied, quarter_net, random_net, residual_net, sloped_net, zero_bias_net
from typer.testing import CliRunner

import polylc
from polylc.bounds.gradients import Masks
from polylc.checker import Bounded
from polylc.cli.main import app
from polylc.domains.ball import ball
from polylc.domains.box import Neighbourhood, box
from polylc.errors import ProofRefused, ProofUnreadable, SolverError, UsageError
from polylc.exact.simplex import Infeasible, minimise
from polylc.geometry.interior import strictly_inside
from polylc.network.exact import ExactNetwork
from polylc.network.exact_slopes import gradient_ends
from polylc.network.form import Network, chain
from polylc.network.restricted import restricted
from polylc.run.lipschitz import lipschitz_constants, targets_of
from polylc.search.gradient_bounds import Cell
from polylc.search.gradient_goals import NORMS, Goal, Target
from polylc.search.steepest import Steepest

KINDS = (random_net, quarter_net, zero_bias_net, sloped_net)
NAMES = ("linf", "l2", "l1")


def drawn(seed: int) -> tuple[Network, Neighbourhood]:
    """Small networks, in special position more often than not, and a box, at times with fixed coordinates."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 4))
    if seed % 7 == 6:
        net = residual_net(seed)
    elif seed % 7 == 5:
        net = nasty_net(rng, n, widest=4)
    else:
        net = KINDS[seed % 4]([n, 4, 3, 2], seed)
    center = [F(int(v), 4) for v in rng.integers(-4, 5, net.inputs)]
    radius = [F(int(v), 4) for v in rng.integers(1, 9, net.inputs)]
    if net.inputs > 1 and rng.random() < 0.3:
        radius[0] = F(0)
    return net, box([c - r for c, r in zip(center, radius, strict=True)], [c + r for c, r in zip(center, radius, strict=True)])


def norm_of(gradient: list[F], name: str) -> F:
    """The dual norm, or its square for l2."""
    sizes = [abs(v) for v in gradient]
    return {"linf": sum(sizes), "l1": max(sizes, default=F(0)), "l2": sum(v * v for v in sizes)}[name]


def regions_by_force(net: Network, domain: Neighbourhood) -> list[list[list[F]]]:
    """Jacobians of all full-dimensional regions, from all closed cells with an interior."""
    free = domain.free.tolist()
    found = []
    for walls, outputs in BruteForce(net, domain.lower, domain.upper).cells:
        lower, upper = [domain.lower[q] for q in free], [domain.upper[q] for q in free]
        rows = [(*(w[q] for q in free), w[-1] + sum(w[q] * domain.lower[q] for q in range(net.inputs) if q not in free)) for w in walls]
        if has_interior([r for r in rows if any(r)], lower, upper):
            found.append([[form[q] for q in free] for form in outputs])
    return found


def has_interior(rows: list[tuple[F, ...]], lower: list[F], upper: list[F]) -> bool:
    """The largest s with all rows >= s and the box s away is positive."""
    k = len(lower)
    walls = [(*(F(int(i == j)) * sign for i in range(k)), F(-1), -sign * (lower[j] if sign > 0 else upper[j])) for j in range(k) for sign in (1, -1)]
    found = minimise([F(0)] * k + [F(-1), F(0)], [*((*r[:-1], F(-1), r[-1]) for r in rows), *walls], [*lower, F(0)], [*upper, F(1)])
    return not isinstance(found, Infeasible) and found.value < 0


def best_by_force(jacobians: list[list[list[F]]], target: Target, name: str) -> F:
    def row(jacobian: list[list[F]]) -> list[F]:
        first = jacobian[target.first]
        return first if target.second is None else [a - b for a, b in zip(first, jacobian[target.second], strict=True)]

    return max(norm_of(row(j), name) for j in jacobians)


def gradient_at(net: Network, target: Target, point: tuple[F, ...], free: list[int]) -> list[F] | None:
    """The exact gradient at a point where no neuron vanishes, but for those that do so all around; else None."""
    hidden = [v for layer in ExactNetwork(net).preactivations(point)[:-1] for v in layer]
    bits = np.array([v > 0 for v in hidden], dtype=bool)
    ends = gradient_ends(net, target.outputs, bits, np.zeros(len(bits), dtype=bool))
    assert (ends.low == ends.high).all()
    return [F(int(v), ends.scale) for v in ends.low[free].tolist()]


@pytest.mark.parametrize("seed", range(42))
def test_search_finds_what_brute_force_finds(seed):
    net, domain = drawn(seed)
    label = seed % net.outputs if seed % 2 and net.outputs > 1 else None
    jacobians = regions_by_force(net, domain)
    found = lipschitz_constants(net, domain, label, method="search")
    assert found.exact
    for name, targets in targets_of(net, label, None, False):
        for norm in NAMES:
            constant = found.of(name, norm)
            assert constant.lower == best_by_force(jacobians, targets[0], norm)
            assert constant.point is not None
            assert domain.contains(constant.point)
            gradient = gradient_at(net, targets[0], constant.point, domain.free.tolist())
            assert norm_of(gradient, norm) == constant.lower


@pytest.mark.parametrize("seed", range(28))
def test_the_tree_finds_it_without_looking_at_points(seed, monkeypatch):
    """What cells leave is then all that there is: a region that is lost shows."""
    monkeypatch.setattr("polylc.search.attained.Record.look", lambda *_: None)
    monkeypatch.setattr("polylc.search.attained.Record.offer", lambda *_: None)
    if seed % 2:
        monkeypatch.setattr("polylc.search.steepest.FEW_INPUTS", 0)
    net, domain = drawn(seed)
    jacobians = regions_by_force(net, domain)
    found = lipschitz_constants(net, domain, None, method="search")
    for name, targets in targets_of(net, None, None, False):
        for norm in NAMES:
            assert found.of(name, norm).exact
            assert found.of(name, norm).lower == best_by_force(jacobians, targets[0], norm)


def test_neurons_that_vanish_on_a_cell_lose_no_region(monkeypatch, tmp_path):
    """relu(x) - relu(2 x) / 2 is zero everywhere, which bounds do not see: both sides of it are the whole cell."""
    monkeypatch.setattr("polylc.search.attained.Record.look", lambda *_: None)
    monkeypatch.setattr("polylc.search.attained.Record.offer", lambda *_: None)
    monkeypatch.setattr("polylc.run.lipschitz.missing_kernels", lambda *_: True)  # so that its trees go first, not lists
    net = chain(
        [[[1.0], [2.0], [1.0]], [[1.0, -0.5, 0.0], [3.0, 0.0, 1.0], [1.0, 0.0, -1.0]], [[5.0, 1.0, 2.0]]], [[0.0, 0.0, 0.25], [0.0] * 3, [0.0]]
    )
    domain = ball([0], 1)
    (best,) = {best_by_force(regions_by_force(net, domain), Target(0), norm) for norm in ("linf", "l1")}
    found = lipschitz_constants(net, domain, None, method="search", proof=tmp_path / "p")
    assert [c.lower for c in found.constants] == [best, best**2, best]
    assert len(polylc.check(tmp_path / "p")) == 3


@pytest.mark.parametrize("seed", range(6))
def test_neurons_alone_are_split_in_many_dimensions(seed, monkeypatch):
    monkeypatch.setattr("polylc.search.steepest.FEW_INPUTS", 0)
    net, domain = drawn(7 * seed + seed % 4)
    jacobians = regions_by_force(net, domain)
    found = lipschitz_constants(net, domain, None, method="search")
    for name, targets in targets_of(net, None, None, False):
        for norm in NAMES:
            assert found.of(name, norm).exact
            assert found.of(name, norm).lower == best_by_force(jacobians, targets[0], norm)


@pytest.mark.parametrize("seed", range(8))
def test_search_finds_what_an_enumeration_finds(seed):
    rng = np.random.default_rng(seed)
    net = (random_net, sloped_net)[seed % 2]([3 + seed % 3, 8, 7, 3], seed)
    center = rng.normal(size=net.inputs).tolist()
    (found,) = polylc.lipschitz(net, center, radius="0.5", method="search")
    (listed,) = polylc.lipschitz(net, center, radius="0.5", method="enumeration")
    assert found.exact
    assert listed.exact
    assert found.label == listed.label
    for one, other in zip(found.constants, listed.constants, strict=True):
        assert (one.target, one.norm, one.lower, one.upper) == (other.target, other.norm, other.lower, other.upper)
        assert (one.method, other.method) == ("search", "enumeration")
        for constant in (one, other):
            first, _, second = constant.target.partition("-")
            target = Target(int(first[1:]), int(second[1:]) if second else None)
            assert norm_of(gradient_at(net, target, constant.point, list(range(net.inputs))), one.norm) == one.lower


def test_the_largest_of_the_margins_is_the_largest_of_them():
    net = random_net([4, 7, 6, 4], 3)
    (each,) = polylc.lipschitz(net, [0.1] * 4, radius="0.7", method="search")
    (largest,) = polylc.lipschitz(net, [0.1] * 4, radius="0.7", method="search", largest=True)
    assert [c.target for c in largest.constants] == ["margins"] * 3
    for constant in largest.constants:
        others = {c.target: c.lower for c in each.constants if c.norm == constant.norm}
        assert constant.exact
        assert constant.lower == max(others.values()) == others[constant.attained]


@pytest.mark.parametrize("seed", range(4))
def test_constants_move_with_the_network(seed):
    """Copies of neurons change nothing; factors of the outputs and of the inputs do what they should."""
    net = quarter_net([2, 4, 3, 2], seed)
    domain = ball([F(1, 4), F(-1, 2)], 1)
    base = lipschitz_constants(net, domain, 0, method="search")
    copies, _ = multiplied(net, [2.0, -0.5], seed)
    same = lipschitz_constants(copies, domain, 0, method="search")
    tripled = replace(net, output=replace(net.output, terms=tuple((s, 3 * w) for s, w in net.output.terms)), sha256="")
    thrice = lipschitz_constants(tripled, domain, 0, method="search")
    halved = [
        replace(layer, affine=replace(layer.affine, terms=tuple((s, w / 2 if s == 0 else w) for s, w in layer.affine.terms))) for layer in net.layers
    ]
    wide = lipschitz_constants(replace(net, layers=tuple(halved), sha256=""), ball([F(1, 2), F(-1)], 2), 0, method="search")
    for one, two, three, half in zip(base.constants, same.constants, thrice.constants, wide.constants, strict=True):
        assert one.exact
        assert one.lower == two.lower
        assert three.lower == one.lower * 3**one.power
        assert half.lower * 2**one.power == one.lower


def test_a_cell_without_interior_does_not_count():
    """relu(x) - relu(-x) - x has slope 0; a third neuron is open at 0 alone, where four slopes seem possible."""
    net = chain([[[1.0], [-1.0], [1.0]], [[1.0, -1.0, 0.0], [1.0, 1.0, 5.0]]], [[0.0, 0.0, 0.0], [0.0, 0.0]])
    found = lipschitz_constants(net, ball([0], 1), None, method="search")
    assert [c.lower for c in found.constants if c.target == "f0"] == [1, 1, 1]
    assert [c.lower for c in found.constants if c.target == "f1"] == [6, 36, 6]  # not 7: both units on is a point


def test_a_network_without_open_neurons_has_one_region():
    net = chain([[[1.0, 2.0]], [[3.0]]], [[10.0], [0.0]])
    found = lipschitz_constants(net, ball([0, 0], 1), None, method="search")
    assert [c.lower for c in found.constants] == [9, 45, 6]
    flat = chain([[[0.0, 0.0]], [[3.0]]], [[0.0], [0.0]])
    found = lipschitz_constants(flat, ball([0, 0], 1), None, method="search")
    assert [(c.lower, c.upper) for c in found.constants] == [(0, 0)] * 3


# ---- the parts -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(12))
def test_bounds_hold_at_every_point_of_a_cell(seed):
    """With any numbers: gradients at points of a cell do not exceed its bounds, in rationals."""
    rng = np.random.default_rng(seed)
    net = residual_net(seed) if seed % 3 == 2 else (random_net, sloped_net)[seed % 3]([3, 5, 4, 2], seed)
    domain = ball([F(int(v), 8) for v in rng.integers(-4, 5, 3)], 1)
    target = Target(0, 1)
    goals = [Goal(target, NORMS[name], k) for k, name in enumerate(("linf", "l2"))] + [Goal(target, NORMS["l1"], 2, entry=1, sign=-1)]
    goals.append(Goal(target, NORMS["l1"], 2))
    search = Steepest(net, domain, goals, 3)
    points = [domain.lifted([F(int(v), 64) for v in rng.integers(-63, 64, 3)]) for _ in range(60)]
    exact = ExactNetwork(net)
    patterns = [np.array([v > 0 for layer in exact.preactivations(p)[:-1] for v in layer]) for p in points]
    for _ in range(4):
        split = rng.choice(len(search.numbers), min(2, len(search.numbers)), replace=False).tolist()
        cells = [Cell(g, search.low, search.high, search.lows, search.highs, np.zeros(len(search.numbers), dtype=np.int8), ()) for g in goals]
        signs = rng.choice([-1, 1], len(split)).tolist()
        for i, sign in zip(split, signs, strict=True):
            cells = [search.side(cell, i, sign) for cell in cells]
        found = search.bounds.of(cells, [None] * 4, np.zeros(4), int(rng.integers(1, 12)))
        again = search.bounds.of(cells, [found.choice.row(r) for r in range(4)], np.zeros(4), 3)
        for p, bits in zip(points, patterns, strict=True):
            if all(bits[search.numbers[i]] == (sign > 0) for i, sign in zip(split, signs, strict=True)):
                gradient = gradient_at(net, target, p, [0, 1, 2])
                for r, value in enumerate((norm_of(gradient, "linf"), norm_of(gradient, "l2"), -gradient[1], norm_of(gradient, "l1"))):
                    assert value <= F(float(found.value[r]))
                    assert value <= F(float(again.value[r]))


@pytest.mark.parametrize("seed", range(6))
def test_a_restricted_network_is_the_network_where_signs_are_known(seed):
    rng = np.random.default_rng(seed)
    net = residual_net(seed) if seed % 2 else sloped_net([3, 6, 5, 4, 2], seed)
    point = rng.normal(size=3)
    bits = polylc.network.form.pattern_at(net, point)
    small = restricted(net, rng.random(net.neurons) < 0.4, bits)
    assert np.allclose(small.network(point), net(point), rtol=1e-12, atol=1e-12)
    for affine, sizes in zip([*(layer.affine for layer in small.network.layers), small.network.output], small.sizes, strict=True):
        for (_, weight), size in zip(affine.terms, sizes, strict=True):
            assert (np.abs(weight) <= size * (1 + 1e-12)).all()


@pytest.mark.parametrize("seed", range(4))
def test_ends_in_integers_hold_all_patterns_and_one_exactly(seed):
    rng = np.random.default_rng(seed)
    net = residual_net(seed) if seed % 2 else sloped_net([2, 3, 2, 2], seed)
    bits, free = rng.random(net.neurons) < 0.5, rng.random(net.neurons) < 0.5
    ends = gradient_ends(net, {0: 1, 1: -1}, bits, free)
    at = np.flatnonzero(free)
    for choice in itertools.product([False, True], repeat=len(at)):
        other = bits.copy()
        other[at] = choice
        one = gradient_ends(net, {0: 1, 1: -1}, other, np.zeros(net.neurons, dtype=bool))
        assert (one.low == one.high).all()
        assert all(F(a, ends.scale) <= F(v, one.scale) <= F(b, ends.scale) for a, v, b in zip(ends.low, one.low, ends.high, strict=True))


@pytest.mark.parametrize("seed", range(30))
def test_interiors_are_found_where_there_are_any(seed):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, 4))
    rows = [tuple(int(v) for v in rng.integers(-2, 3, k + 1)) for _ in range(int(rng.integers(1, 6)))]
    rows = [row for row in rows if any(row)]
    found = strictly_inside(rows, k)
    assert isinstance(found, tuple) == has_interior([tuple(map(F, row)) for row in rows], [F(-1)] * k, [F(1)] * k)
    if isinstance(found, dict):
        assert found
        assert all(y > 0 for y in found.values())
        total = [sum(y * rows[r][j] for r, y in found.items()) for j in range(k + 1)]
        assert total[-1] + sum(map(abs, total[:-1])) <= 0
    else:
        assert all(abs(v) < 1 for v in found)
        assert all(sum(a * x for a, x in zip(row, found, strict=False)) + row[-1] > 0 for row in rows)


# ---- limits, and what users see ----------------------------------------------------------------------------------
def test_what_is_not_closed_is_a_bracket_that_holds():
    net = random_net([6, 24, 24, 3], 5)
    center = np.full(6, 0.1)
    begin = time.monotonic()
    (found,) = polylc.lipschitz(net, center, radius=2, method="search", timeout=0.5)
    assert time.monotonic() - begin < 20
    assert not found.exact
    rng = np.random.default_rng(0)
    for constant in found.constants:
        assert constant.upper is None or constant.lower <= constant.upper
        first, _, second = constant.target.partition("-")
        target = Target(int(first[1:]), int(second[1:]))
        for point in 0.1 + rng.uniform(-2, 2, (20, 6)):
            value = norm_of(gradient_at(net, target, tuple(map(F, point.tolist())), list(range(6))), constant.norm)
            assert constant.upper is None or value <= constant.upper
        if constant.point is not None:
            assert norm_of(gradient_at(net, target, constant.point, list(range(6))), constant.norm) == constant.lower


def test_values_that_doubles_do_not_bound_are_left_to_an_enumeration():
    """Only in a corner that no drawn point hits is anything steep; an end of 2^200 would hide it."""
    large = 2.0**210
    net = chain(
        [[[large, 0.0], [0.0, large]], [[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0]]],
        [[0.0, 0.0], [-large * (1 - 2.0**-30), -large * (1 - 2.0**-31)], [0.0]],
    )
    (found,) = polylc.lipschitz(net, [0.0, 0.0], radius=1, norm="linf")
    (constant,) = found.constants
    assert constant.lower == constant.upper == F(2) ** 211
    assert constant.method == "enumeration"
    with pytest.raises(SolverError, match="larger than 2\\^200"):
        polylc.lipschitz(net, [0.0, 0.0], radius=1, method="search")
    cut = polylc.certify(net, [0.0, 0.0], radius=1, measures="lipschitz", max_regions=2)[0]
    assert not any(c.method == "search" for c in cut.answers.value("lipschitz") or ())


def test_stopping_keeps_what_is_known():
    net = random_net([6, 24, 24, 3], 5)
    asked = itertools.count()
    (found,) = polylc.lipschitz(net, np.full(6, 0.1), radius=2, method="search", norm="l2", stop=lambda: next(asked) > 200)
    assert not found.exact


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"norm": "l3"}, "norm: 'l3' is unknown; choose all, or some of linf, l2, l1"),
        ({"method": "guess"}, "method 'guess' is unknown"),
        ({"output": 2}, "output 2 is not one of the network's 2"),
        ({"labels": [2]}, "label 2 is not one of the network's 2 classes"),
    ],
)
def test_bad_questions_are_refused_in_a_line(arguments, message):
    with pytest.raises(UsageError, match=message.replace("'", ".")):
        polylc.lipschitz(quarter_net([2, 3, 2], 0), [0, 0], radius=1, **arguments)
    with pytest.raises(UsageError, match="largest of the margins needs"):
        polylc.lipschitz(quarter_net([2, 3, 2], 0), box=([0, 0], [1, 1]), largest=True)


def test_the_command_says_what_the_function_finds(tmp_path: Path, data: Path):
    report = tmp_path / "r.json"
    center = "0.5,0.25"
    run = CliRunner().invoke(app, ["lipschitz", str(data / "moons2d.npz"), "--center", center, "--radius", "0.1", "--json", str(report)])
    assert run.exit_code == 0, run.output
    (found,) = polylc.lipschitz(data / "moons2d.npz", [F(1, 2), F(1, 4)], radius="0.1")
    written = json.loads(report.read_text())
    assert written["schema"] == "polylc.lipschitz/1"
    (one,) = written["neighbourhoods"]
    assert one["status"] == "exact"
    assert f"{len(found.constants)} of {len(found.constants)} constants exact" in run.output
    for constant, said in zip(found.constants, one["constants"], strict=True):
        assert (said["target"], said["norm"], said["exact"]) == (constant.target, constant.norm, constant.closed_form)
        assert said["value"] == [constant.quantity.lower, constant.quantity.upper]
        root = float(constant.lower) ** (1 / constant.power)
        assert said["value"][0] <= root * (1 + 1e-15)
        assert f"{said['value'][0]:.10g}" in run.output


@pytest.mark.parametrize("options", [[], ["--largest"], ["--output", "1"]])
def test_a_proof_is_written_and_checks(options, data: Path, tmp_path: Path):
    proof, report = tmp_path / "p", tmp_path / "r.json"
    arguments = ["lipschitz", str(data / "moons2d.npz"), "--center", "0.5,0.25", "--radius", "0.3", "--proof", str(proof), "--json", str(report)]
    arguments += ["--method", "enumeration"]
    run = CliRunner().invoke(app, [*arguments, *options])
    assert run.exit_code == 0, run.output
    (one,) = json.loads(report.read_text())["neighbourhoods"]
    assert one["proof"] == str(proof)
    assert {c["method"] for c in one["constants"]} == {"enumeration"}
    searched = polylc.lipschitz(
        data / "moons2d.npz", [F(1, 2), F(1, 4)], radius="0.3", method="search", largest="--largest" in options, output=1 if "1" in options else None
    )
    assert [c["exact"] for c in one["constants"]] == [c.closed_form for c in searched[0].constants]
    (claim,) = polylc.check(proof)
    proved = {(c.target, c.norm): c for c in claim.lipschitz}
    for constant in one["constants"]:
        assert (constant["attained"], constant["norm"]) in proved


# ---- proofs by search ------------------------------------------------------------------------------------------------
@pytest.fixture
def trees(monkeypatch):
    """Searches by trees of bounds, whichever kernels are at hand: where regions are listed proofs are of regions."""
    monkeypatch.setattr("polylc.run.lipschitz.missing_kernels", lambda *_: True)
    monkeypatch.setattr("polylc.search.listed.FROM", 10**9)


def proved(net: Network, domain: Neighbourhood, label: int | None, path: Path, **how: object) -> list[Bounded]:
    """The constants of a proof by search, checked."""
    found = lipschitz_constants(net, domain, label, method="search", proof=path, **how)
    assert found.exact
    assert found.proof == str(path)
    checked = polylc.check(path, net)
    assert all(isinstance(one, Bounded) for one in checked)
    for constant in found.constants:
        mine = [one for one in checked if one.source == f"{constant.attained} {constant.norm}"]
        assert any(one.least <= constant.lower <= one.most <= max(constant.lower * (1 + F(1, 2**19)), F(1, 2**40)) for one in mine)
        assert any(one.least >= constant.lower * (1 - F(1, 2**49)) for one in mine)
    return checked


@pytest.mark.usefixtures("trees")
@pytest.mark.parametrize("seed", range(28))
def test_proofs_by_search_check(seed, tmp_path):
    net, domain = drawn(seed)
    proved(net, domain, seed % net.outputs if seed % 2 and net.outputs > 1 else None, tmp_path / "p")


@pytest.mark.usefixtures("trees")
@pytest.mark.parametrize("seed", range(6))
def test_proofs_that_split_neurons_check(seed, tmp_path, monkeypatch):
    monkeypatch.setattr("polylc.search.steepest.FEW_INPUTS", 0)
    net = random_net([3, 6, 5, 3], seed) if seed % 2 else residual_net(seed)
    domain = ball([F(1, 8)] * 3, 1)
    checked = proved(net, domain, 0, tmp_path / "p", largest=True)
    assert len(checked) == 3 * (net.outputs - 1)
    assert sum(one.cells for one in checked) > len(checked)


@pytest.mark.usefixtures("trees")
def test_ends_that_are_found_better_elsewhere_are_told(tmp_path, monkeypatch):
    """Where an end is on the grid the checker finds it, and polylc the next one; the rule takes another slope then."""
    monkeypatch.setattr("polylc.search.steepest.FEW_OPEN", 5)
    proved(KINDS[1]([2, 5, 4, 1], 4), ball([F(1, 4), F(-1, 2)], F(3, 4)), None, tmp_path / "p")


def lines_of(path: Path) -> list[object]:
    return [json.loads(line) for line in gzip.open(path)]


def put_lines(path: Path, lines: list[object]) -> None:
    with gzip.open(path, "wb") as file:
        file.writelines(json.dumps(line).encode() + b"\n" for line in lines)


@pytest.mark.usefixtures("trees")
def test_forged_proofs_are_refused(tmp_path, monkeypatch):
    """Claims made stronger, evidence made weaker: each is refused, or proves what is true all the same."""
    monkeypatch.setattr("polylc.search.steepest.FEW_INPUTS", 0)
    net, domain, path = random_net([3, 7, 6, 2], 4), ball([F(1, 8)] * 3, 1), tmp_path / "p"
    checked = proved(net, domain, 0, path)
    lines = lines_of(path)
    openings = [i for i, line in enumerate(lines) if isinstance(line, dict) and "gradient" in line]
    assert len(openings) == 3

    def refused(change: Callable[[list[Any]], object]) -> bool:
        forged = copy.deepcopy(lines)
        change(forged)
        put_lines(path, forged)
        try:
            polylc.check(path)
        except (ProofRefused, ProofUnreadable):
            return True
        return False

    for at, one in zip(openings, checked, strict=True):
        half = str((one.least + one.most) / 4)
        assert refused(lambda forged, at=at, half=half: forged[at].update(most=half, least="0"))
        assert refused(lambda forged, at=at, one=one: forged[at].update(least=str(one.most)))
        assert refused(lambda forged, at=at: forged[at].update(point=[str(v + 9) for v in map(F, forged[at]["point"])]))
        assert refused(lambda forged, at=at: forged[at].update(point=None))
        assert refused(lambda forged, at=at: forged[at].update(upper=[str(v + 1) for v in map(F, forged[at]["upper"])]))
        assert refused(lambda forged, at=at: forged[at].update(neurons=forged[at]["neurons"][1:]))
        assert refused(lambda forged, at=at: forged[at].update(outputs=[[0, 2]]))
        assert refused(lambda forged, at=at: forged[at].update(norm={"linf": "l2", "l2": "linf", "l1": "linf"}[forged[at]["norm"]]))
    trees = [i for i, line in enumerate(lines) if isinstance(line, list) and len(line) == 6]
    leaves = [i for i in trees if lines[i][3] and lines[i][4] == -1]
    assert refused(lambda forged: forged.pop(leaves[0]))
    assert refused(lambda forged: forged[leaves[0]].__setitem__(3, []))
    kinds = {lines[i][3][-1][0] for i in leaves}
    assert "steep" in kinds
    truth = {norm: max(one.least for one in checked if one.norm == norm) for norm in NAMES}
    rng = np.random.default_rng(0)
    caught = 0
    for i in rng.choice(leaves, min(12, len(leaves)), replace=False).tolist():
        event = lines[i][3][-1]
        if event[0] == "steep":
            weaker = [[], [0] * len(event[2]), [0] * len(event[3]), event[4], [0.0] * len(event[5])]
            weaker[0] = [-a for a in event[1]]
            caught += refused(lambda forged, i=i, weaker=weaker: forged[i].__setitem__(3, [["steep", *weaker]]))
        caught += refused(lambda forged, i=i: forged[i].__setitem__(3, [["ends", [0]]]))
        assert refused(lambda forged, i=i: forged[i].__setitem__(3, [["empty"]])) or event[0] == "empty"
        neuron = [[e[0], e[1], e[2] + (1 if e[1] == 0 else -1)] for e in lines[i][1]]
        if neuron:
            assert refused(lambda forged, i=i, neuron=neuron: forged[i].__setitem__(1, neuron))
    assert caught
    assert all(one.most >= truth[one.norm] for one in checked)


def test_what_is_not_known_is_not_proved(data: Path, tmp_path: Path):
    proof = tmp_path / "p"
    arguments = ["lipschitz", str(data / "rand8d.npz"), "--center", "0", "--radius", "1", "--timeout", "0", "--proof", str(proof)]
    run = CliRunner().invoke(app, [*arguments, "--method", "search"])
    assert run.exit_code == 3
    assert "not written" in run.output
    assert not proof.exists()


def test_the_command_ends_with_3_at_a_limit(data: Path):
    arguments = ["lipschitz", str(data / "rand8d.npz"), "--center", "0", "--radius", "1", "--timeout", "0", "--norm", "l2"]
    run = CliRunner().invoke(app, arguments)
    assert run.exit_code == 3
    assert "inf]" in run.output


def test_known_values_by_search_alone(data: Path):
    """Largest gradients on balls of the digits, proved in rationals by others; here by search alone."""
    file = data / "digits64.npz"
    center = np.load(file)["centers"][0]
    (found,) = polylc.lipschitz(file, center, radius="0.02", norm="linf,l2", method="search")
    expected = {
        ("f2-f0", "l2"): 39.57806490702997,
        ("f2-f1", "l2"): 53.32311480458858,
        ("f2-f8", "l2"): 33.56614437394207,
        ("f2-f1", "linf"): 322.42761089007365,
        ("f2-f9", "linf"): 301.13620966319934,
    }
    assert found.exact
    for (target, norm), value in expected.items():
        assert found.of(target, norm).quantity.value == pytest.approx(value, rel=1e-9)


def test_masks_say_what_is_known():
    net = sloped_net([2, 3, 2], 1)
    search = Steepest(net, ball([0, 0], 1), [Goal(Target(0), NORMS["l2"], 0)], 1)
    masks = Masks.of(search.tables, search.lows[None], search.highs[None])
    assert masks.open.all()
    assert not masks.slope.any()
