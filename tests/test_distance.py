"""Adversarial distances by search are those of enumeration; their proofs check; what is not closed is a bracket."""

from __future__ import annotations

import json
from fractions import Fraction as F
from pathlib import Path

import numpy as np
import pytest
from nets import quarter_net, random_net, residual_net, sloped_net, zero_bias_net
from typer.testing import CliRunner

import polylc
from polylc.cli.main import app
from polylc.domains.ball import ball
from polylc.domains.box import box
from polylc.errors import UsageError
from polylc.network.exact import ExactNetwork
from polylc.network.form import Network, chain
from polylc.run.distance import nearest_adversarial

KINDS = (random_net, quarter_net, zero_bias_net, sloped_net)


def drawn(seed: int) -> tuple[Network, list[F], F, tuple[list[int], list[int]] | None]:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 4))
    net = residual_net(seed) if seed % 7 == 6 else KINDS[seed % 4]([n, 5, 4, 3], seed)
    center = [F(int(v), 4) for v in rng.integers(-4, 5, net.inputs)]
    clip = ([-1] * net.inputs, [1] * net.inputs) if rng.random() < 0.5 else None
    return net, center, F(int(rng.integers(1, 9)), 4), clip


@pytest.mark.parametrize("seed", range(24))
def test_the_distance_is_that_of_an_enumeration(seed, tmp_path):
    net, center, cap, clip = drawn(seed)
    proof = tmp_path / "p"
    (found,) = polylc.distance(net, [center], cap, clip=clip, proof=proof)
    oracle = polylc.certify(net, [center], radius=cap, clip=clip, measures="robustness")[0].robustness
    assert found.label == oracle.label
    if oracle.robust:
        assert found.robust
        assert found.upper is None
        assert found.proved == cap
    else:
        assert found.exact
        assert found.upper == oracle.exact_distance
        values = ExactNetwork(net).outputs(found.point)
        assert values[found.rival] >= values[found.label]
        assert found.rival != found.label
        assert ball(center, cap, clip).contains(found.point)
        assert max(abs(a - b) for a, b in zip(found.point, center, strict=True)) == found.upper
    if found.proof is not None:
        (claim,) = polylc.check(proof)
        assert "nearer than" in claim.source if found.exact else "within" in claim.source
    else:
        assert found.upper == 0


def test_the_nearest_target_is_no_nearer_and_one_of_them_is_the_nearest():
    net = random_net([2, 8, 6, 4], 3)
    x = [[0.1, -0.2]]
    (whole,) = polylc.distance(net, x, 4)
    each = [polylc.distance(net, x, 4, target=j)[0] for j in range(4) if j != whole.label]
    known = [one.upper for one in each if one.upper is not None]
    assert whole.exact
    assert min(known) == whole.upper
    assert all(one.exact or one.robust for one in each)
    assert all(one.rival == one.target for one in each if one.exact)


def test_a_tie_that_only_touches_is_found():
    """|x - 1/2| is zero at one point; both classes are equal there."""
    net = chain([np.array([[1.0], [-1.0]]), np.array([[1.0, 1.0], [0.0, 0.0]])], [np.array([-0.5, 0.5]), np.zeros(2)])
    (found,) = polylc.distance(net, [[0.0]], 2)
    assert found.exact
    assert found.upper == F(1, 2)
    assert found.point == (F(1, 2),)
    (short,) = polylc.distance(net, [[0.0]], F(1, 2) - F(1, 10**9))
    assert short.robust
    (just,) = polylc.distance(net, [[0.0]], F(1, 2))
    assert just.upper == F(1, 2)


def test_scaling_and_order_of_inputs():
    net = random_net([3, 6, 5, 3], 11)
    x = np.array([0.25, -0.5, 0.125])
    (a,) = polylc.distance(net, [x], 2)
    affines = [*(layer.affine for layer in net.layers), net.output]
    weights, biases = [affine.terms[0][1] for affine in affines], [affine.bias for affine in affines]
    (b,) = polylc.distance(chain([weights[0][:, [2, 0, 1]] / 4, *weights[1:]], biases), [4 * x[[2, 0, 1]]], 8)
    assert b.upper == 4 * a.upper


def test_a_limit_leaves_a_bracket_that_is_true():
    net = random_net([8, 24, 24, 5], 5)
    x = [np.zeros(8)]
    (whole,) = polylc.distance(net, x, 4)
    assert whole.exact
    for seconds in (0.0, 0.05, 0.2):
        (part,) = polylc.distance(net, x, 4, timeout=seconds)
        assert part.lower <= whole.upper
        assert part.upper is None or part.upper >= whole.upper


def test_the_stop_is_heeded():
    net = random_net([8, 24, 24, 5], 5)
    found = polylc.distance(net, np.zeros((2, 8)), 4, stop=lambda: True)
    assert len(found) == 1
    assert found[0].lower == 0 or found[0].exact


def test_what_has_no_meaning_is_refused_in_one_line(tmp_path):
    net = random_net([2, 4, 3], 1)
    with pytest.raises(UsageError, match="label 7 is not one of the network's 3 classes"):
        polylc.distance(net, [[0, 0]], labels=[7])
    with pytest.raises(UsageError, match="more outputs than 1"):
        polylc.distance(random_net([2, 4, 1], 1), [[0, 0]])
    with pytest.raises(UsageError, match="the target is the label itself"):
        polylc.distance(net, [[0, 0]], labels=[1], target=1)
    with pytest.raises(UsageError, match="one point, 2 are given"):
        polylc.distance(net, [[0, 0], [1, 1]], proof=tmp_path / "p")
    with pytest.raises(UsageError, match="no centre"):
        nearest_adversarial(net, box([0, 0], [1, 1]), None)


def test_a_center_that_is_adversarial_has_distance_zero():
    net = random_net([2, 4, 3], 1)
    values = ExactNetwork(net).outputs((F(0), F(0)))
    lowest = min(range(3), key=lambda j: values[j])
    (found,) = polylc.distance(net, [[0, 0]], labels=[lowest])
    assert (found.lower, found.upper, found.exact) == (0, 0, True)


def test_the_command(tmp_path):
    root = Path(__file__).resolve().parent.parent / "examples" / "moons"
    run = CliRunner()
    given = ["distance", str(root / "moons.pt"), "--data", str(root / "moons.npz")]
    out = run.invoke(app, [*given, "--rows", "0:2", "--json", str(tmp_path / "d.json")])
    assert out.exit_code == 0, out.output
    assert out.stdout.splitlines()[0].startswith("row 0  class 1  distance 0.0923699208874, to class 0  (exact, ")
    report = json.loads((tmp_path / "d.json").read_text())
    assert report["schema"] == "polylc.distance/1"
    assert [p["status"] for p in report["points"]] == ["exact", "exact"]
    assert report["points"][0]["lower_exact"] == report["points"][0]["upper_exact"]
    short = run.invoke(app, [*given, "--rows", "0", "--radius", "0.09", "--proof", str(tmp_path / "p")])
    assert "no adversarial point within 0.09  (robust, " in short.stdout
    polylc.check(tmp_path / "p")
    bad = run.invoke(app, [*given, "--rows", "0:2", "--proof", str(tmp_path / "p")])
    assert bad.exit_code == 2
    assert "a proof file is for one point, 2 are given" in bad.stderr
