"""Proofs of the regions of l2 and l1 balls: they check, count what brute force counts, and damaged ones are refused."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable
from fractions import Fraction as F
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from nasty import nasty_net
from nets import random_net
from test_ball_proofs import drop, put
from test_lipschitz import KINDS
from test_open_balls import BruteBall
from typer.testing import CliRunner

import polylc
from polylc import checker
from polylc.cli.main import app
from polylc.geometry import ball_multipliers
from polylc.network.form import Network, chain

BALLS = ("l2", "l1")
WAYS: dict[str, dict[str, Any]] = {"ball": {"max_regions": 10**6}, "lp": {"engine": "lp"}}  # by a tree of the ball, and of the box
ENOUGH = 2  # proofs in each norm that a forgery damages
Lines_ = list[Any]


class Inapplicable(Exception):  # noqa: N818
    """A proof has nothing that could be damaged in this way."""


def tangent(norm: str) -> Network:
    """Three walls: one touches the ball of radius 5/4, two cross beyond it, on the boundary in l2."""
    a, b = (3.0, 4.0) if norm == "l2" else (4.0, 4.0)
    first = [[a, b], [1.0, 0.0], [0.0, 1.0]]
    return chain([first, [[1.0, 1.0, -1.0]]], [[-6.25 if norm == "l2" else -5.0, -0.75, -1.0], [0.0]])


def apart() -> Network:
    """Beyond the unit ball alone a facet joins what lies on both sides of x = 4/5: 20 |x - 4/5| + y > 3/4."""
    first = [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]
    return chain([first, [[20.0, 20.0, 1.0]], [[1.0]]], [[-0.8, 0.8, 2.0], [-2.75], [0.0]])


# a network, a centre, a radius, a clip box, an engine
Question = tuple[Network, list[float], F, tuple[float, float] | None, str]


def questions(norm: str) -> dict[str, Question]:
    return {
        "tree": (random_net([3, 7, 6, 2], 3), [0.125, -0.25, 0.5], F(1), None, "ball"),
        "box": (random_net([2, 8, 7, 2], 5), [0.125, -0.25], F(3, 2), None, "lp"),
        "clipped": (random_net([2, 8, 7, 2], 1), [0.125, 0.25], F(1), (-0.125, 0.75), "ball"),
        "ties": (KINDS[1]([2, 6, 5, 2], 5), [0.25, -0.5], F(3, 4), None, "ball"),
        "tangent": (tangent(norm), [0.0, 0.0], F(5, 4), None, "ball"),
        "apart": (apart(), [0.0, 0.0], F(1), None, "ball"),
        "cut": (apart(), [0.0, 0.0], F(1), None, "lp"),
    }


def certified(question: Question, norm: str, proof: Path) -> polylc.Result:
    net, center, radius, clip, engine = question
    (found,) = polylc.certify(net, [center], radius=radius, clip=clip, norm=norm, measures="counts,lipschitz", proof=proof, **WAYS[engine])
    assert (found.engine == "ball") == (engine == "ball")
    return found


@cache
def proofs() -> dict[str, tuple[Lines_, polylc.Result]]:
    found = {}
    with TemporaryDirectory() as folder:
        for norm in BALLS:
            for name, question in questions(norm).items():
                path = Path(folder) / "p"
                result = certified(question, norm, path)
                with gzip.open(path) as file:
                    found[f"{name} {norm}"] = [json.loads(line) for line in file], result
    return found


NAMES = tuple(f"{name} {norm}" for norm in BALLS for name in questions(norm))


def checked(lines: Lines_, folder: Path) -> checker.Verified:
    path = folder / "p.proof"
    path.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode()))
    (found,) = checker.check_file(path)
    assert isinstance(found, checker.Verified)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_true_proofs_are_verified(name, tmp_path):
    lines, result = proofs()[name]
    _, center, radius, _, _ = questions(name.split()[1])[name.split()[0]]
    found, counts = checked(lines, tmp_path), result.answers.value("counts")
    assert found.ball == checker.Ball(name.split()[1], tuple(map(F, center)), radius**2 if name.endswith("l2") else radius, True)
    assert (found.regions, found.adjacencies) == (result.regions, counts.adjacencies)
    assert (found.affine_functions, found.pieces) == (counts.affine_functions, counts.pieces)
    assert found.parts == ("graph", "maps", "lipschitz")
    assert "within" in checker._report([found])


@pytest.mark.parametrize("norm", BALLS)
@pytest.mark.parametrize("seed", range(10))
def test_what_is_proved_is_what_brute_force_finds(seed, norm, tmp_path, monkeypatch):
    """Of networks with ties, copies, slivers and dead layers: by a tree of the ball, and by one of the box around it;
    with multipliers that doubles propose, and with those of programs in rationals alone.
    """
    rng = np.random.default_rng(seed)
    n = 1 + seed % 3
    net = nasty_net(rng, n, widest=4, deepest=2)
    center, radius = [F(int(v), 4) for v in rng.integers(-3, 4, n)], F(int(rng.integers(2, 9)), 4)
    clip = (F(-3, 4), F(1)) if seed % 2 else None
    lower, upper = [c - radius for c in center], [c + radius for c in center]
    if clip:
        lower, upper = [max(a, clip[0]) for a in lower], [min(b, clip[1]) for b in upper]
    known = BruteBall(net, norm, center, radius, lower, upper)
    if seed % 4 > 1:
        monkeypatch.setattr(ball_multipliers, "BITS", ())
    for way in WAYS.values():
        (found,) = polylc.certify(net, [center], radius=radius, clip=clip, norm=norm, measures="counts", proof=tmp_path / "p", **way)
        (one,) = checker.check_file(tmp_path / "p")
        assert one.regions == found.regions == len(known.cells)
        assert one.adjacencies == len(known.edges())
        assert one.affine_functions == found.affine_functions


def test_the_proofs_have_all_there_is_to_damage():
    for norm in BALLS:
        some = [lines for name, (lines, _) in proofs().items() if name.endswith(norm)]
        claims = [c for lines in some for c in claims_of(lines)]
        assert any(c[2:3] == [-1] and len(c) == 4 for c in claims), "no claim by the ball alone"
        assert any(c[2:3] == [-1] and len(c) > 4 for c in claims), "no claim by half-spaces and the ball"
        assert any(c[2:3] != [-1] for c in claims), "no claim by half-spaces alone"
        assert any(e[0] < 0 and e[2:3] == [-1] for lines in some for e in facets_of(lines)), "no pair that the ball parts"
        assert any(e[0] >= 0 for lines in some for e in facets_of(lines)), "no facet"


@pytest.mark.parametrize("norm", BALLS)
def test_a_proof_does_not_change_what_is_found(norm, tmp_path):
    for name, question in questions(norm).items():
        net, center, radius, clip, engine = question
        (plain,) = polylc.certify(net, [center], radius=radius, clip=clip, norm=norm, measures="counts,lipschitz", **WAYS[engine])
        _, proved = proofs()[f"{name} {norm}"]
        assert plain.answers.value("counts") == proved.answers.value("counts")
        assert [c.lower for c in plain.answers.value("lipschitz")] == [c.lower for c in proved.answers.value("lipschitz")]


# ---- forgeries -------------------------------------------------------------------------------------------------------
def ball(lines: Lines_) -> dict[str, Any]:
    found: dict[str, Any] = lines[2]["ball"]
    return found


def size(lines: Lines_) -> str:
    return "square" if ball(lines)["norm"] == "l2" else "radius"


def nodes(lines: Lines_) -> list[list[Any]]:
    return [line for line in lines if isinstance(line, list) and line[0] in ("S", "R")]


def regions(lines: Lines_) -> list[list[Any]]:
    return [line for line in nodes(lines) if line[0] == "R"]


def claims_of(lines: Lines_) -> list[list[int]]:
    return [claim for line in nodes(lines) for claim in line[3]]


def facets_of(lines: Lines_) -> list[list[int]]:
    return [entry for line in regions(lines) for entry in line[4]]


def first(found: list[Any]) -> Any:
    if not found:
        raise Inapplicable
    return found[0]


def tied(lines: Lines_) -> list[int]:
    """A claim that leans on the ball."""
    found: list[int] = first([c for c in claims_of(lines) if c[2:3] == [-1]])
    return found


def with_walls(lines: Lines_) -> list[int]:
    """And on half-spaces besides."""
    found: list[int] = first([c for c in claims_of(lines) if c[2:3] == [-1] and len(c) > 4])
    return found


def parted(lines: Lines_) -> list[int]:
    """A pair whose facet misses the ball."""
    found: list[int] = first([e for e in facets_of(lines) if e[0] < 0 and e[2:3] == [-1]])
    return found


def enlarged(factor: F) -> Callable[[Lines_], None]:
    def forge(lines: Lines_) -> None:
        tied(lines)
        ball(lines)[size(lines)] = str(F(ball(lines)[size(lines)]) * factor)

    return forge


def other_norm(lines: Lines_) -> None:
    norm, bound = ball(lines)["norm"], F(ball(lines).pop(size(lines)))
    ball(lines).update({"norm": "l1", "radius": str(2 * max(bound, F(1)))} if norm == "l2" else {"norm": "l2", "square": str(bound * bound)})


def moved(lines: Lines_) -> None:
    """The point of a region, to a corner of the box."""
    k = len(first(regions(lines))[2]) - 1
    first(regions(lines))[2][:] = [1000, *[999] * k]


def removed(place: int, which: Callable[[Lines_], list[int]]) -> Callable[[Lines_], None]:
    """A claim or a facet is left out."""

    def forge(lines: Lines_) -> None:
        entry = which(lines)
        for line in nodes(lines):
            if place < len(line):
                line[place] = [one for one in line[place] if one is not entry]

    return forge


def facet_outside(lines: Lines_) -> None:
    """x = 4/5, y = 9/10: in the box and inside the half-spaces, but not in the ball."""
    entry = parted(lines)
    entry[:] = [-1 - entry[0], 0, 10, 0, 9]


def without(lines: Lines_, region: list[Any]) -> None:
    """A region and the split that leads to it are left out."""
    at = lines.index(region)
    if lines[at - 1][0] != "S":
        raise Inapplicable
    del lines[at - 1 : at + 1]
    lines[2]["counts"]["regions"] -= 1


FORGERIES: dict[str, Callable[[Lines_], Any]] = {
    "a larger ball": enlarged(F(9)),
    "a smaller ball": lambda p: put(ball(p), size(p), "1/1000000"),
    "a radius of 0": lambda p: put(ball(p), size(p), "0"),
    "a radius below 0": lambda p: put(ball(p), size(p), "-1"),
    "no radius": lambda p: drop(p, size(p)),
    "another norm": lambda p: (tied(p), other_norm(p)),
    "an unknown norm": lambda p: put(ball(p), "norm", "linf"),
    "a closed ball": lambda p: put(ball(p), "open", False),
    "a center far away": lambda p: put(ball(p)["center"], 0, "100"),
    "a center moved": lambda p: (tied(p), put(ball(p)["center"], 0, str(F(ball(p)["center"][0]) + F(1, 2)))),
    "a center with a coordinate less": lambda p: ball(p)["center"].pop(),
    "the ball left out": lambda p: (tied(p), p[2].pop("ball")),
    "a ball that is null": lambda p: put(p[2], "ball", None),
    "a ball in a plane": lambda p: (
        p[2].update(frame={"origin": ["0"] * len(p[2]["lower"]), "directions": [], "low": [], "high": []}),
        [p[2].pop(key) for key in ("lower", "upper", "center")],
    ),
    "robustness in a ball": lambda p: p[2].update(parts=["graph", "maps", "robustness"], lipschitz=None, robustness={"label": 0}),
    "a point outside the ball": moved,
    "no multiplier of the ball": lambda p: tied(p).__delitem__(slice(2, 4)),
    "a multiplier of the ball that is 0": lambda p: put(tied(p), 3, 0),
    "a multiplier of the ball below 0": lambda p: put(tied(p), 3, -tied(p)[3]),
    "a large multiplier of the ball": lambda p: put(tied(p), 3, tied(p)[3] * 10**6),
    "a small multiplier of the ball": lambda p: put(tied(p), 3, 1),
    "the ball behind the half-spaces": lambda p: with_walls(p).extend([with_walls(p).pop(2), with_walls(p).pop(2)]),
    "the ball twice": lambda p: tied(p).extend([-1, 1]),
    "the ball without a multiplier": lambda p: tied(p).__setitem__(slice(2, None), [-1]),
    "another entry below 0": lambda p: put(tied(p), 2, -2),
    "half-spaces left out": lambda p: with_walls(p).__delitem__(slice(4, None)),
    "multipliers of half-spaces below 0": lambda p: put(with_walls(p), 5, -with_walls(p)[5]),
    "a claim of the other side": lambda p: put(tied(p), 1, -tied(p)[1]),
    "a claim left out": removed(3, tied),
    "a region left out": lambda p: without(p, first(regions(p))),
    "a leaf left out": lambda p: p.remove(first(regions(p))),
    "a region more": lambda p: put(p[2]["counts"], "regions", p[2]["counts"]["regions"] + 1),
    "an adjacency more": lambda p: put(p[2]["counts"], "adjacencies", p[2]["counts"]["adjacencies"] + 1),
    "a pair that is parted is left out": removed(4, parted),
    "a pair that is parted without the ball": lambda p: parted(p).__delitem__(slice(2, 4)),
    "a pair that is parted by another multiplier": lambda p: put(parted(p), 3, parted(p)[3] * 10**9),
    "a facet at a point outside": facet_outside,
    "a facet left out": removed(4, lambda p: first([f for f in facets_of(p) if f[0] >= 0])),
    "a larger constant": lambda p: p[2]["lipschitz"].__setitem__(0, [*p[2]["lipschitz"][0][:2], "1000", "1000"]),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forgeries_are_refused(forgery, tmp_path):
    tried = dict.fromkeys(BALLS, 0)
    for name, (lines, _) in proofs().items():
        forged, norm = copy.deepcopy(lines), name.split()[1]
        try:
            FORGERIES[forgery](forged)
        except Inapplicable:
            continue
        if forged == lines or tried[norm] == ENOUGH:
            continue
        tried[norm] += 1
        with pytest.raises((checker.Refused, checker.Unreadable)):
            checked(forged, tmp_path)
    assert all(tried.values()), "nothing was damaged"


@pytest.mark.parametrize("norm", BALLS)
def test_a_wall_that_touches_is_no_wall_and_in_a_larger_ball_is_one(norm, tmp_path):
    lines, result = proofs()[f"tangent {norm}"]
    forged = copy.deepcopy(lines)
    put(ball(forged), size(forged), str(F(ball(forged)[size(forged)]) * (1 + F(1, 10**40))))
    with pytest.raises(checker.Refused):
        checked(forged, tmp_path)
    net, center, radius, _, _ = questions(norm)["tangent"]
    (more,) = polylc.certify(net, [center], radius=radius + F(1, 2**20), norm=norm, measures="counts", proof=tmp_path / "p")
    assert checker.check_file(tmp_path / "p")[0].regions == more.regions > result.regions


def test_the_command_writes_a_proof_that_the_command_checks(tmp_path, data):
    given = ["certify", str(data / "moons2d.npz"), "--center", "0.5,0.25", "--radius", "0.0625", "--norm", "l2", "--proof", str(tmp_path / "p")]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output
    seen = CliRunner().invoke(app, ["check", str(tmp_path / "p")])
    assert seen.exit_code == 0, seen.output
    assert "in the l2 norm" in seen.output
    assert "verified" in seen.output


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_constants_above_six_dimensions_have_a_proof_where_it_is_asked_for(norm, tmp_path):
    """Without a proof a search answers them; what proves them is a list of regions."""
    net, asked = random_net([8, 6, 3], 1), {"radius": 0.4, "norm": norm, "measures": "lipschitz"}
    (proved,) = polylc.certify(net, [[0.1] * 8], proof=tmp_path / "p", **asked).results
    (searched,) = polylc.certify(net, [[0.1] * 8], **asked).results
    (checked,) = polylc.check(tmp_path / "p", model=net)
    assert checked.regions == proved.regions
    known = {(c.target, c.norm): c.quantity for c in proved.lipschitz}
    assert all(c.quantity.lower <= known[c.target, c.norm].upper and known[c.target, c.norm].lower <= c.quantity.upper for c in searched.lipschitz)
    assert searched.lipschitz
