"""Distances in l1 and l2: those of brute force, region by region; their proofs check; laws of symmetry."""

from __future__ import annotations

import json
import math
from fractions import Fraction as F
from pathlib import Path

import numpy as np
import pytest
from brute_force import BruteForce
from nets import quarter_net, random_net, sloped_net, zero_bias_net
from test_nearest_point import by_faces
from typer.testing import CliRunner

import polylc
from polylc.cli.main import app
from polylc.domains.ball import ball
from polylc.domains.within import measure
from polylc.errors import NeighbourhoodError, UsageError
from polylc.network.exact import ExactNetwork
from polylc.network.form import Network, chain, pattern_at
from polylc.run.ball_distance import nearest_of_region
from polylc.search import refute

KINDS = (quarter_net, zero_bias_net, sloped_net, random_net)
KNOWN = Path(__file__).resolve().parent / "data"


def drawn(seed: int) -> tuple[Network, list[F], F, tuple[list[F], list[F]] | None]:
    rng = np.random.default_rng(seed)
    n = 2 if seed % 3 else 3
    net = KINDS[seed % 4]([2, 4, 3, 3] if n == 2 else [3, 3, 1, 3], seed)
    center = [F(int(v), 4) for v in rng.integers(-4, 5, n)]
    clip = ([F(-1, 2)] * n, [F(3, 4)] * n) if rng.random() < 0.5 else None
    return net, center, F(int(rng.integers(2, 9)), 4), clip


def brute(net: Network, norm: str, center: list[F], cap: F, clip: tuple[list[F], list[F]] | None, label: int) -> F | None:
    """The least distance of all regions, in l2 its square, if it is not above the cap."""
    low, high = [c - cap for c in center], [c + cap for c in center]
    if clip is not None:
        low, high = [max(a, b) for a, b in zip(low, clip[0], strict=True)], [min(a, b) for a, b in zip(high, clip[1], strict=True)]
    n = len(center)

    def moved(form: tuple[F, ...]) -> tuple[F, ...]:
        return (*form[:-1], form[-1] + sum((a * c for a, c in zip(form, center, strict=False)), F(0)))

    one = [tuple(F(i == j) for j in range(n)) for i in range(n)]
    sides = [(*e, -a) for e, a in zip(one, low, strict=True)] + [(*(-v for v in e), b) for e, b in zip(one, high, strict=True)]
    best = None
    for walls, outputs in BruteForce(net, low, high).cells:
        for rival in range(net.outputs):
            if rival != label:
                margin = tuple(a - b for a, b in zip(outputs[rival], outputs[label], strict=True))
                far = by_faces(norm, [moved(w) for w in (*dict.fromkeys(walls), *sides, margin) if any(w[:-1]) or w[-1] < 0])
                if far is not None and (best is None or far < best):
                    best = far
    most = cap * cap if norm == "l2" else cap
    return best if best is not None and best <= most else None


@pytest.mark.parametrize("norm", ["l2", "l1"])
@pytest.mark.parametrize("seed", range(24))
def test_the_distance_is_that_of_brute_force_and_its_proof_checks(seed, norm, tmp_path, monkeypatch):
    monkeypatch.setattr(refute, "FEW_IN_BALL", 6 if seed % 2 else 1)  # boxes are cut, or neurons split
    net, center, cap, clip = drawn(seed // 2)
    proof = tmp_path / "p"
    try:
        (found,) = polylc.distance(net, [center], cap, clip=clip, norm=norm, proof=proof)
    except NeighbourhoodError:
        pytest.skip("the centre is far outside the clip box")
    least = brute(net, norm, center, cap, clip, found.label)
    assert found.norm == norm
    if least is None:
        assert found.robust
        assert found.upper is None
    else:
        assert found.exact
        assert found.upper == least == measure(norm, found.point, center)
        values = ExactNetwork(net).outputs(found.point)
        assert values[found.rival] >= values[found.label]
        assert clip is None or all(a <= x <= b for a, x, b in zip(clip[0], found.point, clip[1], strict=True))
    if found.proof is not None:
        (claim,) = polylc.check(proof)
        assert claim.ball.norm == norm
        assert claim.ball.open == found.exact
        assert claim.ball.bound == found.proved
        assert claim.ball.center == tuple(center)
    else:
        assert found.upper is not None
        assert found.lower == found.upper  # at the centre, or at the point of the clip box that is nearest to it


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_norms_are_ordered(norm):
    """|x| in linf <= in l2 <= in l1 <= root n in l2."""
    net = random_net([4, 8, 8, 3], 7)
    x = [[0.25, -0.5, 0.125, 0.0]]
    near = {one: polylc.distance(net, x, 8, norm=one)[0] for one in ("linf", "l2", "l1")}
    assert all(one.exact for one in near.values())
    assert near["linf"].upper ** 2 <= near["l2"].upper <= near["l1"].upper ** 2 <= 4 * near["l2"].upper


@pytest.mark.parametrize("norm", ["l2", "l1"])
@pytest.mark.parametrize("seed", [3, 11, 13])
def test_scaling_order_and_translation_of_inputs(seed, norm):
    net = quarter_net([3, 6, 5, 3], seed)
    x = np.array([0.25, -0.5, 0.125])
    (a,) = polylc.distance(net, [x], 4, norm=norm)
    affines = [*(layer.affine for layer in net.layers), net.output]
    weights, biases = [affine.terms[0][1] for affine in affines], [affine.bias for affine in affines]
    factor = 16 if norm == "l2" else 4
    (b,) = polylc.distance(chain([weights[0][:, [2, 0, 1]] / 4, *weights[1:]], biases), [4 * x[[2, 0, 1]]], 16, norm=norm)
    shift = np.array([0.5, 1.0, -2.0])
    (c,) = polylc.distance(chain(weights, [biases[0] - weights[0] @ shift, *biases[1:]]), [x + shift], 4, norm=norm)
    assert a.exact == b.exact == c.exact
    assert a.robust == b.robust == c.robust
    if a.exact:
        assert b.upper == factor * a.upper
        assert c.upper == a.upper


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_a_tie_that_only_touches_is_found(norm):
    """|x - 1/2| + |y - 1/2| is zero at one point; both classes are equal there."""
    first = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    net = chain([first, np.array([[1.0] * 4, [0.0] * 4])], [np.array([-0.5, 0.5, -0.5, 0.5]), np.zeros(2)])
    (found,) = polylc.distance(net, [[0.0, 0.0]], 2, norm=norm)
    assert found.exact
    assert found.upper == (F(1, 2) if norm == "l2" else F(1))
    assert found.point == (F(1, 2), F(1, 2))
    just = F(1)
    (at,) = polylc.distance(net, [[0.0, 0.0]], just, norm="l1")
    assert at.upper == 1
    (short,) = polylc.distance(net, [[0.0, 0.0]], just - F(1, 10**9), norm="l1")
    assert short.robust


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_a_plane_is_as_far_as_the_formula_says(norm):
    """One region, one margin 3 x - 4 y + 2 z - 1 at zero: its value over the dual norm of its slope."""
    net = chain([np.zeros((1, 3)), np.zeros((2, 1))], [np.zeros(1), np.array([0.0, -1.0])])
    net = Network(3, net.layers, type(net.output)(((0, np.array([[0.0] * 3, [3.0, -4.0, 2.0]])),), np.array([0.0, -1.0])))
    (found,) = polylc.distance(net, [[0, 0, 0]], 2, norm=norm)
    assert found.upper == (F(1, 29) if norm == "l2" else F(1, 4))
    low, high = found.ends
    true = math.sqrt(1 / 29) if norm == "l2" else 0.25
    assert low <= true <= high <= math.nextafter(low, 1)


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_a_limit_leaves_a_bracket_that_is_true(norm):
    net = random_net([8, 24, 24, 5], 5)
    x = [np.zeros(8)]
    (whole,) = polylc.distance(net, x, 4, norm=norm)
    assert whole.exact
    for seconds in (0.0, 0.05, 0.2):
        (part,) = polylc.distance(net, x, 4, norm=norm, timeout=seconds)
        assert part.lower <= whole.upper
        assert part.upper is None or part.upper >= whole.upper


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_the_nearest_target_is_no_nearer_and_one_of_them_is_the_nearest(norm):
    net = random_net([3, 8, 6, 4], 3)
    x = [[0.1, -0.2, 0.3]]
    (whole,) = polylc.distance(net, x, 4, norm=norm)
    each = [polylc.distance(net, x, 4, norm=norm, target=j)[0] for j in range(4) if j != whole.label]
    assert whole.exact
    assert min(one.upper for one in each if one.upper is not None) == whole.upper
    assert all(one.exact or one.robust for one in each)


def test_inputs_that_are_fixed_stay_fixed():
    net = random_net([3, 8, 6, 3], 2)
    x = [[0.1, -0.2, 0.3]]
    (free,) = polylc.distance(net, x, 8, norm="l2")
    (fixed,) = polylc.distance(net, x, [8, 0, 8], norm="l2")
    assert fixed.point is None or fixed.point[1] == F(-0.2)
    assert fixed.upper is None or fixed.upper >= free.upper
    with pytest.raises(UsageError, match="radii that differ go with linf only"):
        polylc.distance(net, x, [8, 1, 8], norm="l2")
    with pytest.raises(UsageError, match="'l3' is not one; give linf, l2 or l1"):
        polylc.distance(net, x, 8, norm="l3")


REFERENCE = {  # computed in rationals elsewhere, by enumeration of all regions
    "l2": [0.5209832527452476, 0.3534664924848135, 0.11308990740982043, 0.21005263678680608],
    "l1": [0.5211395730559173, 0.47361176267018423, 0.15688707292258933, 0.22979675380412343],
}


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_moons_are_as_far_as_known(norm, tmp_path):
    centers = np.load(KNOWN / "moons2d.npz")["centers"]
    for at, known in enumerate(REFERENCE[norm]):
        (found,) = polylc.distance(KNOWN / "moons2d.npz", [centers[at]], 10, norm=norm, proof=tmp_path / "p")
        low, high = found.ends
        assert found.exact
        assert low * (1 - 1e-12) <= known <= high * (1 + 1e-12)
        polylc.check(tmp_path / "p")


def test_the_command(tmp_path):
    root = Path(__file__).resolve().parent.parent / "examples" / "moons"
    run = CliRunner()
    given = ["distance", str(root / "moons.pt"), "--data", str(root / "moons.npz"), "--rows", "0", "--norm", "l2"]
    out = run.invoke(app, [*given, "--json", str(tmp_path / "d.json"), "--proof", str(tmp_path / "p")])
    assert out.exit_code == 0, out.output
    report = json.loads((tmp_path / "d.json").read_text())
    (point,) = report["points"]
    assert report["norm"] == "l2"
    assert point["lower_square"] == point["upper_square"]
    assert point["lower_exact"] is None
    assert point["lower"] <= math.sqrt(F(point["upper_square"])) <= point["upper"]
    shown = run.invoke(app, ["check", str(tmp_path / "p")])
    assert "no inputs nearer than the root of " in shown.stdout
    assert run.invoke(app, [*given, "--norm", "l7"]).exit_code == 2


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_the_nearest_point_of_a_region_is_one_or_there_is_none(norm):
    """Rows that hold within a distance are left out; what the others give beyond it is no point of the region."""
    seen = set()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        net = random_net([5, 8, 3], 300 + seed)
        center = rng.uniform(-0.5, 0.5, 5)
        bits = pattern_at(net, (center + rng.uniform(-0.5, 0.5, 5))[None])[0]
        label = int(net(center[None])[0].argmax())
        for rival in {0, 1, 2} - {label}:
            for most in (F(1, 16), F(1, 4), F(1)):
                point = nearest_of_region(net, ball(center, 4), bits, label, rival, norm, most)
                seen.add(point is None)
                if point is not None:
                    outputs = ExactNetwork(net).outputs(point)
                    assert outputs[rival] >= outputs[label]
                    assert measure(norm, point, [F(v) for v in center.tolist()]) <= most
    assert seen == {True, False}
