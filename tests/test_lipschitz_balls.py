"""Lipschitz constants in l2 and l1 balls, clipped or not: those of brute force over all regions that meet the open
ball.
"""

from __future__ import annotations

import json
from fractions import Fraction as F
from pathlib import Path

import numpy as np
import pytest
from brute_force import BruteForce
from test_lipschitz import KINDS, NAMES, best_by_force, gradient_at, has_interior, norm_of
from test_nearest_point import by_faces
from typer.testing import CliRunner

import polylc
from polylc.cli.main import app
from polylc.domains.ball import ball, in_norm, within
from polylc.domains.box import Neighbourhood, box
from polylc.errors import NeighbourhoodError, UsageError
from polylc.network.form import Network, chain
from polylc.run.lipschitz import lipschitz_constants, targets_of

BALLS = ("l2", "l1")


def drawn(seed: int, norm: str) -> tuple[Network, Neighbourhood]:
    """Small networks, most in special position, and a ball; at times an input is fixed, or the ball clipped."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 4))
    net = KINDS[seed % 4]([n, 4, 3, 2], seed)
    center = [F(int(v), 4) for v in rng.integers(-3, 4, n)]
    r = F(int(rng.integers(1, 9)), 4)
    clip = ([F(-1, 2)], [F(3, 4)]) if rng.random() < 0.4 and all(2 * c > -1 and 4 * c < 3 for c in center) else None
    radius = [F(0) if n > 1 and j == 0 and seed % 5 == 4 else r for j in range(n)]
    return net, in_norm(ball(center, radius, clip), norm)


def jacobians_by_force(net: Network, domain: Neighbourhood) -> list[list[list[F]]]:
    """Of all regions whose interior meets that of the neighbourhood: the cell has an interior, and a point nearer than
    the radius, which is found among those of all sets of faces.
    """
    free, inside = domain.free.tolist(), within(domain)
    lower, upper = [domain.lower[q] for q in free], [domain.upper[q] for q in free]
    found = []
    for walls, outputs in BruteForce(net, domain.lower, domain.upper).cells:
        rows = [(*(w[q] for q in free), w[-1] + sum(w[q] * domain.lower[q] for q in range(net.inputs) if q not in free)) for w in walls]
        rows = [r for r in rows if any(r)]
        if not has_interior(rows, lower, upper):
            continue
        k = len(free)
        sides = [(*(F(s * (i == j)) for i in range(k)), -s * end[j]) for j in range(k) for s, end in ((1, lower), (-1, upper))]
        c = [domain.center[q] for q in free]
        moved = [(*r[:-1], r[-1] + sum(a * x for a, x in zip(r, c, strict=False))) for r in [*rows, *sides]]
        near = by_faces(domain.norm, moved)
        assert near is not None
        if near < inside.bound:
            found.append([[form[q] for q in free] for form in outputs])
    return found


@pytest.mark.parametrize("norm", BALLS)
@pytest.mark.parametrize("seed", range(16))
def test_search_finds_what_brute_force_finds(seed, norm, monkeypatch):
    if seed % 3:  # what cells leave is then all that there is
        monkeypatch.setattr("polylc.search.attained.Record.look", lambda *_: None)
        monkeypatch.setattr("polylc.search.attained.Record.offer", lambda *_: None)
    if seed % 2:
        monkeypatch.setattr("polylc.search.steepest.FEW_INPUTS", 0)
    net, domain = drawn(seed, norm)
    label = seed % 2 if seed % 4 == 1 else None
    jacobians = jacobians_by_force(net, domain)
    found = lipschitz_constants(net, domain, label)
    assert found.exact
    assert found.ball == norm
    for name, targets in targets_of(net, label, None, False):
        for dual in NAMES:
            constant = found.of(name, dual)
            assert constant.lower == best_by_force(jacobians, targets[0], dual)
            if constant.point is None:  # nothing was looked at
                assert seed % 3
                assert constant.lower == 0
                continue
            assert within(domain).contains(constant.point)
            assert all(a < x < b or a == x == b for a, x, b in zip(domain.lower, constant.point, domain.upper, strict=True))
            assert norm_of(gradient_at(net, targets[0], constant.point, domain.free.tolist()), dual) == constant.lower


@pytest.mark.parametrize(("norm", "reach"), [("l2", F(5, 4)), ("l1", F(3, 2))])
def test_a_region_that_the_ball_only_touches_does_not_count(norm, reach):
    """f = |3 x + 4 y - 5 R| / 5, tangent to the l2 ball at (3, 4) R / 5; in l1 the wall x + y = R holds a face."""
    a, b, c = (F(3), F(4), 5 * reach) if norm == "l2" else (F(1), F(1), reach)
    net = chain([[[float(a), float(b)]], [[1.0]]], [[-float(c)], [0.0]])
    (touched,) = polylc.lipschitz(net, [0, 0], radius=reach, ball=norm, norm="l2")
    (crossed,) = polylc.lipschitz(net, [0, 0], radius=reach + F(1, 2**30), ball=norm, norm="l2")
    assert touched.exact
    assert (touched.constants[0].lower, crossed.constants[0].lower) == (0, a * a + b * b)


@pytest.mark.parametrize("seed", range(6))
def test_balls_within_balls(seed):
    """linf(R / n) in l1(R) in l2(R) in linf(R), and so their constants."""
    net = KINDS[seed % 4]([3, 6, 5, 1], seed)
    center, r = [F(1, 4), F(0), F(-1, 2)], F(3, 4)
    shapes = [("linf", r / 3), ("l1", r), ("l2", r), ("linf", r)]
    found = [polylc.lipschitz(net, [center], radius=size, ball=norm, method="search")[0] for norm, size in shapes]
    for dual in NAMES:
        values = [one.of("f0", dual).lower for one in found]
        assert values == sorted(values)


@pytest.mark.parametrize("norm", BALLS)
def test_constants_move_with_the_network(norm):
    """Turned by a right angle and mirrored, scaled and shifted by powers of two, constants are the same but for the
    scale.
    """
    net = KINDS[1]([2, 5, 4, 1], 3)
    first = net.layers[0].affine.terms[0][1]
    turned = chain([2.0 * first @ np.array([[0.0, 1.0], [-1.0, 0.0]]), *(a.terms[0][1] for a in (net.layers[1].affine, net.output))],
                   [net.layers[0].affine.bias, net.layers[1].affine.bias, net.output.bias])  # fmt: skip
    (one,) = polylc.lipschitz(net, [F(1, 2), F(-1, 4)], radius=F(3, 4), ball=norm)
    (other,) = polylc.lipschitz(turned, [F(1, 8), F(1, 4)], radius=F(3, 8), ball=norm)
    for dual in NAMES:
        assert other.of("f0", dual).lower == one.of("f0", dual).lower * (4 if dual == "l2" else 2)


def test_a_limit_leaves_a_bracket_that_holds():
    net = KINDS[0]([4, 24, 24, 24, 2], 5)
    (short,) = polylc.lipschitz(net, np.zeros(net.inputs), radius=F(3, 4), ball="l2", norm="l2", timeout=0.3)
    (ended,) = polylc.lipschitz(net, np.zeros(net.inputs), radius=F(1, 8), ball="l2", norm="l2")
    for small, wide in zip(ended.constants, short.constants, strict=True):
        assert wide.upper is None or small.lower <= wide.upper


def test_balls_that_are_none_are_refused_in_a_line():
    with pytest.raises(UsageError, match="a box is no l2 ball"):
        in_norm(box([0, 0], [1, 1]), "l2")
    with pytest.raises(UsageError, match="radii that differ"):
        in_norm(ball([0, 0], [1, 2]), "l1")
    with pytest.raises(NeighbourhoodError, match="no inner points in common"):
        in_norm(ball([0, 0], 1, ([F(3, 4)], [F(2)])), "l2")
    assert in_norm(ball([0, 0], 1, ([F(1, 2)], [F(2)])), "l2").norm == "l2"
    net = KINDS[0]([2, 3, 2], 0)
    with pytest.raises(UsageError, match="give method search"):
        polylc.lipschitz(net, [0, 0], radius=1, ball="l2", method="enumeration")


def test_a_plane_or_line_is_not_taken_for_a_ball(tmp_path: Path):
    net = KINDS[0]([2, 3, 2], 0)
    with pytest.raises(UsageError, match="a line is no l1 ball"):
        polylc.lipschitz(net, polylc.line(net, [0, 0], [1, 1]), ball="l1")
    np.savez(tmp_path / "net.npz", W0=np.eye(2), b0=np.zeros(2), W1=np.eye(2), b1=np.zeros(2))
    np.save(tmp_path / "x.npy", np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    given = ["lipschitz", str(tmp_path / "net.npz"), "--data", str(tmp_path / "x.npy"), "--ball", "l2"]
    for option, rows, shape in (("--plane", "0,1,2", "plane"), ("--line", "0,1", "line")):
        refused = CliRunner().invoke(app, [*given, option, rows])
        assert refused.exit_code == 2
        assert f"a {shape} is no l2 ball" in refused.stderr


def test_the_command_says_what_the_function_finds(tmp_path: Path):
    net = KINDS[0]([2, 5, 4, 2], 1)
    arrays = {}
    for i, affine in enumerate([*(layer.affine for layer in net.layers), net.output]):
        arrays |= {f"W{i}": affine.terms[0][1], f"b{i}": affine.bias}
    np.savez(tmp_path / "net.npz", **arrays)
    given = ["lipschitz", str(tmp_path / "net.npz"), "--center", "0.25,0.5", "--radius", "0.75", "--clip", "0", "1"]
    done = CliRunner().invoke(app, [*given, "--ball", "l2", "--norm", "l2", "--json", str(tmp_path / "r.json")])
    assert done.exit_code == 0
    (found,) = polylc.lipschitz(net, [0.25, 0.5], radius="0.75", clip=(0, 1), ball="l2", norm="l2")
    (row,) = json.loads((tmp_path / "r.json").read_text())["neighbourhoods"]
    assert row["ball"] == "l2"
    assert [c["exact"] for c in row["constants"]] == [c.closed_form for c in found.constants]
    assert "l2 ball" in done.stdout
    proved = CliRunner().invoke(app, [*given, "--ball", "l2", "--proof", str(tmp_path / "p")])
    assert proved.exit_code == 0
    assert len(polylc.check(tmp_path / "p")) == 3


# ---- the whole map, planes -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", ["search", "enumeration"])
@pytest.mark.parametrize("seed", range(4))
def test_the_norm_of_the_whole_map_is_that_of_its_largest_row(seed, method):
    net = KINDS[seed % 4]([2, 4, 3, 3], seed)
    center, radius = [F(1, 4), F(-1, 2)], F(3, 4)
    (found,) = polylc.lipschitz(net, [center], radius=radius, jacobian="linf", method=method)
    assert found.label is None
    rows = [row for cell in jacobians_by_cells(net, center, radius) for row in cell]
    for dual in NAMES:
        constant = found.of("jacobian->linf", dual)
        assert constant.lower == constant.upper == max(norm_of(row, dual) for row in rows)
    listed = polylc.certify(net, [center], radius=radius, measures="lipschitz")[0].lipschitz
    (whole,) = [c.lower for c in listed if (c.target, c.norm) == ("jacobian", "linf")]
    assert whole == found.of("jacobian->linf", "linf").lower


def jacobians_by_cells(net: Network, center: list[F], radius: F) -> list[list[list[F]]]:
    """Of all regions of a box with interior."""
    lower, upper = [c - radius for c in center], [c + radius for c in center]
    cells = BruteForce(net, lower, upper).cells
    return [[list(form[:-1]) for form in outputs] for walls, outputs in cells if has_interior([w for w in walls if any(w)], lower, upper)]


def test_the_norm_of_the_whole_map_has_a_proof(tmp_path: Path):
    net = KINDS[0]([2, 4, 3, 3], 1)
    (found,) = polylc.lipschitz(net, [0, 0], radius=1, norm="l2", jacobian="linf", method="search", proof=tmp_path / "p")
    checked = polylc.check(found.proof)
    assert len(checked) == net.outputs
    assert max(one.least for one in checked) <= found.constants[0].lower <= min(one.most for one in checked if one.least)


def test_norms_that_mix_rows_are_refused_with_a_reason():
    net = KINDS[0]([2, 3, 2], 0)
    for other in ("l2", "l1"):
        with pytest.raises(UsageError, match="row by row, so outputs are measured in linf"):
            polylc.lipschitz(net, [0, 0], radius=1, jacobian=other)
    with pytest.raises(UsageError, match="that of all outputs"):
        polylc.lipschitz(net, [0, 0], radius=1, jacobian="linf", output=1)


def test_in_a_plane_constants_are_those_of_its_regions():
    net = KINDS[0]([4, 6, 5, 2], 2)
    points = [[0, 0, 0, 0], [1, 0.5, 0, 0], [0, 1, 1, 0.25]]
    view = polylc.plane(net, *points)
    (found,) = polylc.lipschitz(net, view)
    listed = {(c.target, c.norm): c.lower for c in polylc.certify(net, view, measures="lipschitz")[0].lipschitz}
    assert {(c.target, c.norm) for c in found.constants} == {("f0", "l2"), ("f1", "l2")}
    assert all(c.exact and c.lower == listed[c.target, c.norm] and view.contains(c.point) for c in found.constants)
    for wrong in ({"norm": "linf"}, {"method": "search"}):
        with pytest.raises(UsageError, match="in a plane or on a line"):
            polylc.lipschitz(net, view, **wrong)
