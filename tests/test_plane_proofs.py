"""Proof files of planes and lines: they check, say what they prove, and are refused when the frame is another one."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import quarter_net, random_net, residual_net
from typer.testing import CliRunner

import polylc
from polylc import checker
from polylc.api.certify import certify
from polylc.api.check import check
from polylc.cli.main import app
from polylc.domains.frame import Frame, through
from polylc.errors import ProofRefused, ProofUnreadable
from polylc.network.form import Network
from polylc.report.result import Result

POINTS = [[F(1, 4), F(-1, 8), 0], [1, F(1, 3), F(1, 2)], [F(-1, 2), 1, F(2, 7)]]
NETWORKS = {
    "random": random_net([3, 5, 4, 3], 1),
    "ties": quarter_net([3, 5, 4, 2], 4),
    "skips": residual_net(2),
    "one output": quarter_net([3, 6, 1], 2),
}


def proved(network: Network, frame: Frame, path: Path, label: int = 0) -> Result:
    labels = [label] if network.outputs > 1 else None
    return certify(network, frame, measures="all", labels=labels, exact_volumes=True, proof=path)[0]


@pytest.mark.parametrize("many", [2, 3])
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_proofs_of_frames_check(tmp_path, name, many):
    network, frame = NETWORKS[name], through(POINTS[:many], margin=F(1, 2))
    result = proved(network, frame, tmp_path / "x.proof")
    (found,) = check(tmp_path / "x.proof", network)
    assert isinstance(found, checker.Verified)
    assert found.frame == checker.Frame(frame.origin, frame.directions, frame.low, frame.high)
    assert found.lower == found.upper == ()
    assert found.center is None
    counted = result.regions, result.adjacencies, result.affine_functions, result.pieces
    assert (found.regions, found.adjacencies, found.affine_functions, found.pieces) == counted
    assert found.parts == tuple(part for part in checker.PARTS if part != "robustness" or network.outputs > 1)
    constants = {(c.target, c.norm): (c.lower, c.upper) for c in found.lipschitz}
    assert constants == {(c.target, c.norm): (c.lower, c.upper) for c in result.lipschitz}
    weighed = {w.name: w for w in found.volumes}
    assert F(result.kink_variation.lower) == weighed["kink variation frobenius"].lower
    assert weighed["local complexity activation"].upper == F(result.local_complexity["activation"].upper)
    if network.outputs > 1:
        assert found.robustness.robust is result.robustness.robust


@given(st.integers(0, 10**6))
def test_proofs_of_planes_with_many_digits_check(tmp_path_factory, seed):
    """Of doubles with all their digits, where squared lengths have hundreds of bits."""
    rng = np.random.default_rng(seed)
    network, path = random_net([4, 4, 3, 2], seed), tmp_path_factory.mktemp("proof") / "x.proof"
    frame = polylc.plane(network, *rng.normal(size=(3, 4)))
    result = proved(network, frame, path)
    (found,) = check(path, network)
    assert found.regions == result.regions


# ---- damaged ---------------------------------------------------------------------------------------------------------
def first(block: dict[str, Any], key: str, change: Callable[[F], F], at: int = 0) -> None:
    block["frame"][key][at] = str(change(F(block["frame"][key][at])))


def wider(block):
    first(block, "high", lambda v: v + 1)


def narrower(block):
    first(block, "low", lambda v: v + F(1, 64))


def moved(block):
    first(block, "origin", lambda v: v + F(1, 2**20), at=1)


def longer(block):
    block["frame"]["directions"][1] = [str(2 * F(v)) for v in block["frame"]["directions"][1]]


def turned(block):
    """Another plane: the second direction is turned about the first."""
    d = [F(v) for v in block["frame"]["directions"][0]]
    other = [-d[1], d[0], F(0)] if d[0] or d[1] else [F(1), F(0), F(0)]
    block["frame"]["directions"][1] = [str(v) for v in other]


def swapped(block):
    block["frame"]["directions"].reverse()


def a_box_instead(block):
    frame = block.pop("frame")
    block |= {"lower": frame["origin"], "upper": [str(F(v) + 1) for v in frame["origin"]], "center": None}


def on_a_line(block):
    for key in ("directions", "low", "high"):
        del block["frame"][key][1]


def oblique(block):
    one, other = block["frame"]["directions"]
    block["frame"]["directions"][1] = [str(F(a) + F(b) / 8) for a, b in zip(other, one, strict=True)]


def flattened(block):
    block["frame"]["directions"][1] = ["0"] * 3


def empty(block):
    block["frame"]["low"][0] = block["frame"]["high"][0]


def no_direction(block):
    block["frame"] |= {"directions": [], "low": [], "high": []}


def a_direction_too_many(block):
    one, other = ([F(v) for v in d] for d in block["frame"]["directions"])
    normal = [one[1] * other[2] - one[2] * other[1], one[2] * other[0] - one[0] * other[2], one[0] * other[1] - one[1] * other[0]]
    block["frame"]["directions"].append([str(v) for v in normal])
    block["frame"]["low"].append("0")
    block["frame"]["high"].append("1")


def too_short(block):
    block["frame"]["directions"][0].pop()


def with_corners(block):
    block |= {"lower": ["0"] * 3, "upper": ["1"] * 3, "center": None}


def with_a_centre(block):
    block["center"] = block["frame"]["origin"]


def another_norm(block):
    block["lipschitz"][0][1] = "linf"


def doubles(block):
    block["frame"]["origin"][0] = 0.5


def a_smaller_constant(block):
    block["lipschitz"][0][2] = block["lipschitz"][0][3] = str(F(block["lipschitz"][0][3]) * (1 - F(1, 10**30)))


def a_smaller_norm(block):
    row = next(row for row in block["lipschitz"] if row[0] == "jacobian")
    row[2:4] = [str(F(v) * (1 - F(1, 10**6))) for v in row[2:4]]


def a_smaller_variation(block):
    block["volumes"]["total_variation"]["frobenius"] = [str(F(v) * (1 - F(1, 10**6))) for v in block["volumes"]["total_variation"]["frobenius"]]


def a_larger_complexity(block):
    block["volumes"]["local_complexity"]["activation"] = [str(F(v) * (1 + F(1, 10**6))) for v in block["volumes"]["local_complexity"]["activation"]]


def a_larger_kink(block):
    block["volumes"]["kink_variation"]["frobenius"] = [str(F(v) * (1 + F(1, 10**6))) for v in block["volumes"]["kink_variation"]["frobenius"]]


def a_point_beside(block):
    block["robustness"]["point"][0] = str(F(block["robustness"]["point"][0]) + F(1, 10**9))


def a_point_beyond(block):
    frame = block["frame"]
    block["robustness"]["point"] = [
        str(F(x) + (F(frame["high"][0]) + 1) * F(d)) for x, d in zip(frame["origin"], frame["directions"][0], strict=True)
    ]


REFUSED = [wider, narrower, moved, longer, turned, swapped, a_box_instead, on_a_line, a_direction_too_many]
REFUSED += [a_smaller_constant, a_smaller_norm, a_smaller_variation, a_larger_complexity, a_larger_kink, a_point_beside, a_point_beyond]
UNREADABLE = [oblique, flattened, empty, no_direction, too_short, with_corners, with_a_centre, another_norm, doubles]


@pytest.fixture(scope="module")
def lines(tmp_path_factory) -> list[Any]:
    """A true proof, in a plane where class 0 does not win everywhere."""
    path = tmp_path_factory.mktemp("plane") / "x.proof"
    result = proved(NETWORKS["random"], through(POINTS, margin=1), path, label=1)
    assert result.robustness.robust is False
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


@pytest.mark.parametrize("damage", [*REFUSED, *UNREADABLE], ids=lambda f: f.__name__)
def test_another_frame_is_not_proved(tmp_path, lines, damage):
    path = tmp_path / "x.proof"
    other = copy.deepcopy(lines)
    path.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in other).encode()))
    check(path)  # as it was
    damage(other[2])
    path.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in other).encode()))
    with pytest.raises((ProofRefused, ProofUnreadable)) as found:
        check(path)
    if damage in UNREADABLE:
        assert isinstance(found.value, ProofUnreadable)


# ---- printed ---------------------------------------------------------------------------------------------------------
def test_the_report_names_the_frame(tmp_path):
    path = tmp_path / "x.proof"
    proved(NETWORKS["one output"], through([[0, 0, 0], [1, 0, 0], [F(1, 3), 2, 1]], margin=0), path)
    result = CliRunner().invoke(app, ["check", str(path)])
    assert result.exit_code == 0
    said = result.output.splitlines()
    at = next(i for i, line in enumerate(said) if line.startswith("neighbourhood 0"))
    assert said[at] == "neighbourhood 0: U = x0 + s1 d1 + s2 d2, s in [0, 1] x [0, 1]; all that follows is of s -> f(x), with l2 lengths of x"
    assert said[at + 1 : at + 4] == ["  x0 = 0 0 0", "  d1 = 1 0 0", "  d2 = 0 2 1"]
    assert said[at + 4] == "  centre: none"
