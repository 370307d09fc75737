"""Proofs about balls: they check, what they prove is what is printed, and damaged ones are refused."""

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
from nets import eighth_net, random_net
from sheets import by_cell

import polylc
from polylc import checker
from polylc.network.form import Network, chain

Lines_ = list[Any]


class Inapplicable(Exception):  # noqa: N818
    """A proof has nothing that could be damaged in this way."""


def cusp() -> Network:
    """Equal at one point, (1/2, 1/2), where half-spaces of neurons have to hold the nearest point."""
    first = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    return chain([first, np.array([[1.0] * 4, [0.0] * 4])], [np.array([-0.5, 0.5, -0.5, 0.5]), np.zeros(2)])


# a network, a centre, a cap, a clip box
QUESTIONS: dict[str, tuple[Network, list[float], float, tuple[float, float] | None]] = {
    "boxes": (random_net([2, 24, 24, 2], 22), [0.375, -0.25], 8, None),
    "neurons": (random_net([8, 24, 24, 5], 5), [0.0] * 8, 4, (-0.125, 0.25)),
    "cusp": (cusp(), [0.125, -0.25], 2, None),
    "capped": (eighth_net([3, 6, 5, 3], 4), [0.125, 0.25, -0.5], 0.0625, (-1, 1)),
}


@cache
def proofs() -> dict[str, Lines_]:
    found = {}
    with TemporaryDirectory() as folder:
        for norm in ("l2", "l1"):
            for name, (net, center, cap, clip) in QUESTIONS.items():
                path = Path(folder) / "p"
                (one,) = polylc.distance(net, [center], cap, clip=clip, norm=norm, proof=path)
                assert one.proof is not None, (norm, name)
                with gzip.open(path) as file:
                    found[f"{name} {norm}"] = by_cell([json.loads(line) for line in file])
    return found


NAMES = tuple(f"{name} {norm}" for norm in ("l2", "l1") for name in QUESTIONS)


def checked(lines: Lines_, folder: Path) -> Any:
    path = folder / "p.proof"
    path.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode()))
    (found,) = checker.check_file(path)
    return found


def cells(lines: Lines_) -> list[list[Any]]:
    return [line for line in lines if isinstance(line, list) and len(line) in (6, 7)]


def events(lines: Lines_, kind: str) -> list[list[Any]]:
    return [e for line in cells(lines) for e in line[3] if e[0] == kind]


def first(found: list[Any]) -> Any:
    if not found:
        raise Inapplicable
    return found[0]


@pytest.mark.parametrize("name", NAMES)
def test_true_proofs_are_verified(name, tmp_path):
    found = checked(proofs()[name], tmp_path)
    net, center, cap, _ = QUESTIONS[name.split()[0]]
    assert found.ball.norm == name.split()[1]
    assert found.ball.center == tuple(map(F, center))
    assert found.ball.open == (name.split()[0] != "capped")
    assert "no inputs nearer than" in checker._report([found]) or not found.ball.open
    assert found.inputs == net.inputs
    if not found.ball.open:
        assert found.ball.bound == (F(cap) ** 2 if found.ball.norm == "l2" else F(cap))


def test_the_proofs_have_all_there_is_to_damage():
    for norm in ("l2", "l1"):
        some = [lines for name, lines in proofs().items() if name.endswith(norm)]
        assert {line[4] for lines in some for line in cells(lines)} >= {-1, 0, 1}
        assert {e[0] for lines in some for line in cells(lines) for e in line[3]} == {"bound", "exact", "outside"}
        assert any(len(e) == 5 for lines in some for e in events(lines, "exact")), "no multiplier of the ball"
        assert any(line[2] for lines in some for line in cells(lines)), "no claims"


# ---- forgeries -------------------------------------------------------------------------------------------------------
def ball(lines: Lines_) -> dict[str, Any]:
    found: dict[str, Any] = lines[2]["ball"]
    return found


def size(lines: Lines_) -> str:
    return "square" if ball(lines)["norm"] == "l2" else "radius"


def enlarged(factor: F) -> Callable[[Lines_], None]:
    def forge(lines: Lines_) -> None:
        ball(lines)[size(lines)] = str(F(ball(lines)[size(lines)]) * factor)

    return forge


def exact(lines: Lines_) -> list[Any]:
    """A refutation that leans on the ball."""
    return first([e for e in events(lines, "exact") if len(e) == 5])


def with_row(lines: Lines_) -> list[Any]:
    """One that leans on a goal besides."""
    return first([e for e in events(lines, "exact") if len(e) == 5 and e[2]])


def other_norm(lines: Lines_) -> None:
    norm, bound = ball(lines)["norm"], F(ball(lines).pop(size(lines)))
    ball(lines).update({"norm": "l1", "radius": str(bound)} if norm == "l2" else {"norm": "l2", "square": str(bound * bound)})
    if norm == "l2":  # the l1 ball of that radius lies within, so it has to be larger
        ball(lines)["radius"] = str(F(2) * max(bound, F(1)))


def moved_center(by: F) -> Callable[[Lines_], None]:
    def forge(lines: Lines_) -> None:
        ball(lines)["center"][0] = str(F(ball(lines)["center"][0]) + by)

    return forge


def closed(lines: Lines_) -> None:
    if not ball(lines)["open"]:
        raise Inapplicable
    ball(lines)["open"] = False


def root(lines: Lines_) -> dict[str, Any]:
    return first([line for line in lines if isinstance(line, dict) and "alternatives" in line])


def goals(lines: Lines_) -> list[Any]:
    found: list[Any] = []
    stack = [lines[2]["formula"]]
    while stack:
        one = stack.pop()
        if one[0] == "row":
            found += [one] if one[1][0][0] >= lines[1]["network"]["inputs"] else []
        else:
            stack += one[1:]
    return found


def bounds(lines: Lines_) -> list[Any]:
    """Rows of the clip box."""
    kind, *parts = lines[2]["formula"]
    rows = [part for part in parts if kind == "and" and part[0] == "row" and part[1][0][0] < lines[1]["network"]["inputs"]]
    first(rows)
    return rows


def outside(lines: Lines_) -> None:
    """A cell that has a point of the ball is said to have none."""
    line = first([line for line in cells(lines) if line[4] == -1 and any(e[0] != "outside" for e in line[3])])
    line[3] = [["outside"]]


def replaced(kind: str, change: Callable[[list[Any]], Any]) -> Callable[[Lines_], None]:
    def forge(lines: Lines_) -> None:
        first(events(lines, kind))
        for one in events(lines, kind):
            change(one)

    return forge


def put(at: Any, key: Any, value: Any) -> None:
    at[key] = value


def drop(lines: Lines_, key: str) -> None:
    del ball(lines)[key]


FORGERIES: dict[str, Callable[[Lines_], Any]] = {
    "a larger ball": enlarged(F(4)),
    "a ball larger by a millionth": lambda p: exact(p) and enlarged(1 + F(1, 10**6))(p),
    "a ball larger by next to nothing": lambda p: exact(p) and enlarged(1 + F(1, 10**60))(p),
    "a radius below 0": lambda p: put(ball(p), size(p), "-1"),
    "a radius that is no number": lambda p: put(ball(p), size(p), "x"),
    "a radius as a number": lambda p: put(ball(p), size(p), 1),
    "no radius": lambda p: drop(p, size(p)),
    "the radius of another norm": lambda p: put(ball(p), "radius" if size(p) == "square" else "square", "1"),
    "another norm": lambda p: exact(p) and other_norm(p),
    "an unknown norm": lambda p: put(ball(p), "norm", "linf"),
    "a norm that is no text": lambda p: put(ball(p), "norm", ["l2"]),
    "the norm left out": lambda p: drop(p, "norm"),
    "a closed ball": closed,
    "open as a number": lambda p: put(ball(p), "open", 1),
    "no word whether it is open": lambda p: drop(p, "open"),
    "a center far away": moved_center(F(100)),
    "a center moved": lambda p: exact(p) and moved_center(F(1, 1000))(p),
    "a center with a coordinate less": lambda p: ball(p)["center"].pop(),
    "a center with a coordinate more": lambda p: ball(p)["center"].append("0"),
    "a center that is no list": lambda p: put(ball(p), "center", "0"),
    "a center of floats": lambda p: put(ball(p)["center"], 0, 0.5),
    "a ball that is null": lambda p: put(p[2], "ball", None),
    "a ball that is a list": lambda p: put(p[2], "ball", ["l2"]),
    "the ball left out": lambda p: p[2].pop("ball"),
    "a key more of the ball": lambda p: put(ball(p), "box", []),
    "a multiplier of the ball below 0": lambda p: put(exact(p), 4, "-" + exact(p)[4]),
    "a multiplier of the ball that is 0": lambda p: put(exact(p), 4, "0"),
    "a smaller multiplier of the ball": lambda p: put(exact(p), 4, str(F(exact(p)[4]) / 2)),
    "a larger multiplier of the ball": lambda p: put(exact(p), 4, str(F(exact(p)[4]) * 2)),
    "a multiplier of the ball that is no number": lambda p: put(exact(p), 4, None),
    "no multiplier of the ball": lambda p: exact(p).pop(),
    "one multiplier more": lambda p: exact(p).append("1"),
    "another multiplier of a row": lambda p: put(with_row(p)[2][0], 1, str(F(with_row(p)[2][0][1]) * 2)),
    "multipliers of rows below 0": lambda p: put(with_row(p)[2][0], 1, str(-F(with_row(p)[2][0][1]))),
    "half-spaces left out": lambda p: put(first([e for e in events(p, "exact") if len(e) == 5 and e[3]]), 3, []),
    "a cell outside that is not": outside,
    "more behind outside": replaced("outside", lambda e: e.append(0)),
    "outside of no ball": lambda p: (first(events(p, "outside")), p[2].pop("ball")),
    "a narrower root": lambda p: put(root(p)["lower"], 0, (root(p)["lower"][0] + root(p)["upper"][0]) / 2),
    "a root narrower from above": lambda p: put(root(p)["upper"], 0, (root(p)["lower"][0] + root(p)["upper"][0]) / 2),
    "an alternative left out": lambda p: root(p)["alternatives"].pop(),
    "a goal that holds everywhere": lambda p: [put(g, 2, "1000") for g in goals(p)],
    "a goal a little weaker": lambda p: exact(p) and [put(g, 2, "1/1000000000") for g in goals(p)],
    "the clip box left out": lambda p: exact(p) and [p[2]["formula"].remove(one) for one in bounds(p)],
    "a tighter claim": lambda p: [put(c, 2, c[2] + (1 - 2 * c[1]) * 2.0) for c in first([line[2] for line in cells(p) if line[2]])[:1]],
    "nothing bounded anywhere": lambda p: (
        first([line for line in cells(p) if line[0] < len(p[1]["network"]["layers"]) and (line[1] or line[3])]),
        [line.__setitem__(slice(0, 3), [len(p[1]["network"]["layers"]), [], []]) for line in cells(p)],
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forgeries_are_refused(forgery, tmp_path):
    tried = dict.fromkeys(("l2", "l1"), 0)
    for name, lines in proofs().items():
        forged = copy.deepcopy(lines)
        try:
            FORGERIES[forgery](forged)
        except Inapplicable:
            continue
        if forged == lines:
            continue
        tried[name.split()[1]] += 1
        with pytest.raises((checker.Refused, checker.Unreadable)):
            checked(forged, tmp_path)
    assert all(tried.values()), "nothing was damaged"


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_a_smaller_ball_is_proved_as_well(norm, tmp_path):
    """The checker finds its own bounds: what holds in a ball holds in one within."""
    lines = copy.deepcopy(proofs()[f"capped {norm}"])
    enlarged(F(1, 2))(lines)
    assert checked(lines, tmp_path).ball.bound == F(ball(lines)[size(lines)])


def test_several_processes_come_to_the_same(tmp_path):
    path = tmp_path / "p"
    path.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in proofs()["boxes l2"]).encode()))
    assert checker.main([str(path), "--jobs", "2"]) == 0
