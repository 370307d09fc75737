"""Proofs of Lipschitz constants in l2 and l1 balls: they check, in balls that only touch regions too, and damaged ones
are refused.
"""

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

import pytest
from nets import random_net
from test_ball_proofs import drop, put
from test_lipschitz import KINDS, best_by_force
from test_lipschitz_balls import drawn, jacobians_by_force

import polylc
from polylc import checker
from polylc.network.form import Network, chain
from polylc.run.lipschitz import targets_of

BALLS = ("l2", "l1")
ENOUGH = 2  # proofs in each norm that a forgery damages
Lines_ = list[Any]


class Inapplicable(Exception):  # noqa: N818
    """A proof has nothing that could be damaged in this way."""


def tangent(norm: str) -> Network:
    """f = max(a x + b y - 5, 0) + (x + y) / 8: beyond a wall that touches the ball of radius 5/4."""
    a, b = (3.0, 4.0) if norm == "l2" else (4.0, 4.0)
    return chain([[[a, b], [1.0, 1.0]], [[1.0, 0.125]]], [[-5.0 * 5 / 4 if norm == "l2" else -5.0, 8.0], [-1.0]])


def questions(norm: str) -> dict[str, tuple[Network, list[float], F, tuple[int, int] | None]]:
    """A network, a centre, a radius, a clip box."""
    return {
        "plane": (KINDS[0]([2, 8, 6, 2], 22), [0.375, -0.25], F(2), None),
        "clipped": (random_net([3, 5, 4, 2], 4), [0.125, 0.25, 0.5], F(1), (0, 1)),
        "ties": (KINDS[1]([2, 5, 4, 1], 4), [0.25, -0.5], F(3, 4), None),
        "tangent": (tangent(norm), [0.0, 0.0], F(5, 4), None),
    }


@cache
def proofs() -> dict[str, Lines_]:
    found = {}
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for norm in BALLS:
            for name, (net, center, radius, clip) in questions(norm).items():
                patch.setattr("polylc.search.steepest.FEW_OPEN", 5)
                for few in (16, 0):  # boxes are cut, or neurons alone
                    patch.setattr("polylc.search.steepest.FEW_INPUTS", few)
                    path = Path(folder) / "p"
                    (one,) = polylc.lipschitz(net, [center], radius=radius, clip=clip, ball=norm, output=0, proof=path)
                    assert one.proof is not None, (norm, name)
                    with gzip.open(path) as file:
                        found[f"{name} {few} {norm}"] = [json.loads(line) for line in file]
    return found


NAMES = tuple(f"{name} {few} {norm}" for norm in BALLS for name in questions(norm) for few in (16, 0))


def checked(lines: Lines_, folder: Path) -> list[checker.Bounded]:
    path = folder / "p.proof"
    path.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode()))
    return checker.check_file(path)  # type: ignore[return-value]


def openings(lines: Lines_) -> list[dict[str, Any]]:
    return [line for line in lines if isinstance(line, dict) and "gradient" in line]


def balls(lines: Lines_) -> list[dict[str, Any]]:
    return [line["ball"] for line in openings(lines)]


def cells(lines: Lines_) -> list[list[Any]]:
    return [line for line in lines if isinstance(line, list) and len(line) == 6]


def events(lines: Lines_, kind: str) -> list[list[Any]]:
    return [e for line in cells(lines) for e in line[3] if e[0] == kind]


def tied(lines: Lines_) -> list[list[Any]]:
    """Refutations that lean on the ball."""
    found = [e for e in events(lines, "thin") if len(e) == 3]
    if not found:
        raise Inapplicable
    return found


@pytest.mark.parametrize("name", NAMES)
def test_true_proofs_are_verified(name, tmp_path):
    kind, _, norm = name.split()
    _, center, radius, _ = questions(norm)[kind]
    found = checked(proofs()[name], tmp_path)
    assert len(found) == 3
    for one in found:
        assert one.ball is not None
        assert (one.ball.norm, one.ball.center, one.ball.open) == (norm, tuple(map(F, center)), True)
        assert one.ball.bound == (radius**2 if norm == "l2" else radius)
    assert f"within {'the root of ' if norm == 'l2' else ''}" in checker._report(found)


def test_the_proofs_have_all_there_is_to_damage():
    for norm in BALLS:
        some = [lines for name, lines in proofs().items() if name.endswith(norm)]
        assert {line[4] for lines in some for line in cells(lines)} >= {-1, 0, 1}
        assert {e[0] for lines in some for line in cells(lines) for e in line[3]} >= {"ends", "steep", "thin"}
        assert any(len(e) == 3 and e[1] for lines in some for e in events(lines, "thin"))
        assert norm == "l2" or any(events(lines, "outside") for lines in some), "corners of boxes are farther out in l1"


@pytest.mark.parametrize("norm", BALLS)
@pytest.mark.parametrize("seed", range(8))
def test_what_is_proved_is_what_brute_force_finds(seed, norm, tmp_path, monkeypatch):
    if seed % 2:
        monkeypatch.setattr("polylc.search.steepest.FEW_INPUTS", 0)
    net, domain = drawn(seed, norm)
    jacobians = jacobians_by_force(net, domain)
    found = polylc.run.lipschitz.lipschitz_constants(net, domain, None, proof=tmp_path / "p")
    assert found.proof
    proved = {one.source: one for one in checker.check_file(found.proof)}
    for name, targets in targets_of(net, None, None, False):
        for dual in ("linf", "l2", "l1"):
            true, one = best_by_force(jacobians, targets[0], dual), proved[f"{name} {dual}"]
            assert one.least <= true <= one.most
            assert one.least >= true * (1 - F(1, 2**49))
            assert one.most <= max(true * (1 + F(1, 2**19)), F(1, 2**40))


# ---- forgeries -------------------------------------------------------------------------------------------------------
def each(change: Callable[[dict[str, Any]], Any]) -> Callable[[Lines_], None]:
    """Of every ball."""

    def forge(lines: Lines_) -> None:
        for one in balls(lines):
            change(one)

    return forge


def size(one: dict[str, Any]) -> str:
    return "square" if one["norm"] == "l2" else "radius"


def larger(factor: F) -> Callable[[Lines_], None]:
    return each(lambda one: put(one, size(one), str(F(one[size(one)]) * factor)))


def shaken(change: Callable[[list[Any]], Any]) -> Callable[[Lines_], None]:
    def forge(lines: Lines_) -> None:
        change(tied(lines)[0])

    return forge


def other_norm(one: dict[str, Any]) -> None:
    norm, bound = one["norm"], F(one.pop(size(one)))
    one.update({"norm": "l1", "radius": str(2 * max(bound, F(1)))} if norm == "l2" else {"norm": "l2", "square": str(bound * bound)})


def outside(lines: Lines_) -> None:
    line = next(line for line in cells(lines) if line[4] == -1 and line[3][-1][0] in ("steep", "ends"))
    line[3] = [["outside"]]


def first(found: list[Any]) -> Any:
    if not found:
        raise Inapplicable
    return found[0]


def without_leaf(lines: Lines_) -> None:
    lines.remove(first([line for line in cells(lines) if line[4] == -1 and any(e[0] == "outside" or len(e) == 3 for e in line[3])]))


FORGERIES: dict[str, Callable[[Lines_], Any]] = {
    "a larger ball": larger(F(16)),
    "a radius of 0": each(lambda one: put(one, size(one), "0")),
    "a radius below 0": each(lambda one: put(one, size(one), "-1")),
    "no radius": each(lambda one: drop({0: 0, 2: {"ball": one}}, size(one))),
    "another norm": lambda p: tied(p) and each(other_norm)(p),
    "an unknown norm": each(lambda one: put(one, "norm", "linf")),
    "a closed ball": each(lambda one: put(one, "open", False)),
    "open as a text": each(lambda one: put(one, "open", "true")),
    "a center far away": each(lambda one: put(one["center"], 0, str(F(one["center"][0]) + 100))),
    "a center moved": lambda p: tied(p) and each(lambda one: put(one["center"], 0, str(F(one["center"][0]) + F(1, 100))))(p),
    "a center with a coordinate less": each(lambda one: one["center"].pop()),
    "the ball left out": lambda p: (tied(p), [one.pop("ball") for one in openings(p)]),
    "a ball that is null": lambda p: put(openings(p)[0], "ball", None),
    "a key more": each(lambda one: put(one, "box", [])),
    "a multiplier of the ball below 0": shaken(lambda e: put(e, 2, "-1")),
    "a multiplier of the ball that is 0": shaken(lambda e: put(e, 2, "0")),
    "a multiplier of the ball that is no number": shaken(lambda e: put(e, 2, None)),
    "no multiplier of the ball": shaken(lambda e: e.pop()),
    "another multiplier of the ball": shaken(lambda e: put(e, 2, "64")),
    "half-spaces left out": shaken(lambda e: put(e, 1, [])),
    "a multiplier of a half-space below 0": shaken(lambda e: put(e[1][0], 1, "-" + e[1][0][1])),
    "another multiplier of a half-space": shaken(lambda e: put(e[1][0], 1, str(F(e[1][0][1]) * 64))),
    "a neuron that is not on the path": shaken(lambda e: put(e[1][0], 0, 10**6)),
    "a cell outside that is not": outside,
    "outside of no ball": lambda p: (first(events(p, "outside")), [one.pop("ball") for one in openings(p)]),
    "more behind outside": lambda p: first(events(p, "outside")).append(0),
    "a leaf left out": without_leaf,
    "a point on the boundary of the ball": each(lambda _: None),
    "a point outside": lambda p: [put(line, "point", line["upper"]) for line in openings(p) if line["point"]],
    "a smaller constant": lambda p: [line.update(most=str((F(line["least"]) + F(line["most"])) / 4), least="0", point=None) for line in openings(p)],
    "a larger gradient": lambda p: [put(line, "least", line["most"]) for line in openings(p) if line["point"]],
}


def on_the_boundary(lines: Lines_) -> None:
    """The ball is made so small that the point is on its boundary."""
    line = first([line for line in openings(lines) if line["point"]])
    apart = [abs(F(x) - F(c)) for x, c in zip(line["point"], line["ball"]["center"], strict=True)]
    far = sum((d * d for d in apart), F(0)) if line["ball"]["norm"] == "l2" else sum(apart, F(0))
    if not far:
        raise Inapplicable
    put(line["ball"], size(line["ball"]), str(far))


FORGERIES["a point on the boundary of the ball"] = on_the_boundary


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forgeries_are_refused(forgery, tmp_path):
    tried = dict.fromkeys(BALLS, 0)
    for name, lines in proofs().items():
        forged = copy.deepcopy(lines)
        try:
            FORGERIES[forgery](forged)
        except Inapplicable:
            continue
        if forged == lines or tried[name.split()[2]] == ENOUGH:
            continue
        tried[name.split()[2]] += 1
        with pytest.raises((checker.Refused, checker.Unreadable)):
            checked(forged, tmp_path)
    assert tried["l1"], "nothing was damaged"
    assert tried["l2"] or "outside of" in forgery or "behind outside" in forgery


@pytest.mark.parametrize("norm", BALLS)
def test_a_wall_that_touches_is_left_out_and_one_that_enters_is_not(norm, tmp_path):
    """The proof for the ball that a wall touches does not hold for a larger one, in which the constant is larger."""
    lines = copy.deepcopy(proofs()[f"tangent 0 {norm}"])
    found = checked(lines, tmp_path)
    assert max(one.most for one in found) < 1
    larger(1 + F(1, 10**40))(lines)
    with pytest.raises(checker.Refused):
        checked(lines, tmp_path)
    net, center, radius, _ = questions(norm)["tangent"]
    (more,) = polylc.lipschitz(net, [center], radius=radius + F(1, 2**20), ball=norm)
    assert min(c.lower for c in more.constants) > 1
