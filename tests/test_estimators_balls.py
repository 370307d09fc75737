"""Estimators in l2 and l1 balls: points against points of boxes drawn again, chords against their ends, attacks and
CLEVER against exact distances and closed forms.
"""

from __future__ import annotations

import json
import math
from fractions import Fraction as F

import numpy as np
import pytest
import torch
from nets import random_net
from scipy import stats
from test_comparing import POINTS, run, save

import polylc
from polylc.domains.ball import ball, in_norm
from polylc.errors import UsageError
from polylc.estimators import balls
from polylc.estimators.lines import chords, uniform_lines
from polylc.estimators.methods import METHODS, run_methods
from polylc.estimators.study import Sampling, Study
from polylc.exact.quantity import Kind
from polylc.network.form import Network, chain
from polylc.run.estimates import EVERY
from polylc.search.task import make_task

NORMS = ("linf", "l2", "l1")
BALLS = ("l2", "l1")
NET = random_net([3, 8, 6, 3], 0)


def study_of(norm: str, center: list, radius: object, clip: tuple | None = None, net: Network | None = None, label: int | None = None, **sampling):
    net = random_net([len(center), 5, 2], 1) if net is None else net
    bounds = None if clip is None else tuple([F(str(v)) for v in np.atleast_1d(side).tolist()] for side in clip)
    return Study(net, in_norm(ball(center, radius, bounds), norm), Sampling(**{"samples": 2000, **sampling}), label)


def apart(points: torch.Tensor, center: list, norm: str) -> np.ndarray:
    return np.linalg.norm(points.numpy() - np.array(center, dtype=float), ord={"linf": np.inf, "l2": 2, "l1": 1}[norm], axis=1)


# ---- points ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("norm", BALLS)
@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_points_of_a_ball_have_the_law_of_the_radius_and_no_direction(norm, n):
    center = [0.25 * (j % 3) for j in range(n)]
    study = study_of(norm, center, F(3, 2))
    points = study.uniform(4000, study.stream("test"))
    far = apart(points, center, norm)
    assert far.max() <= 1.5 * (1 + 1e-12)
    assert stats.kstest((far / 1.5) ** n, "uniform").pvalue > 1e-4
    mean = points.numpy().mean(axis=0) - center
    assert (np.abs(mean) < 5 * points.numpy().std(axis=0) / math.sqrt(4000)).all()
    order = np.argsort(np.abs(points.numpy() - center), axis=1)[:, 0]  # which coordinate is smallest
    assert n == 1 or stats.chisquare(np.bincount(order, minlength=n)).pvalue > 1e-4


CUTS = {
    "a corner": ([0.0, 0.0, 0.0], [-0.25, -1, -0.5], [0.5, 0.25, 1]),
    "through the centre": ([0.0, 0.0, 0.0], [0, -1, -1], [1, 0, 1]),
    "beside the centre": ([0.0, 0.0, 0.0], [0.25, -1, -1], [1, 0.5, 1]),
}


@pytest.mark.parametrize("chained", [False, True])
@pytest.mark.parametrize("norm", BALLS)
@pytest.mark.parametrize("cut", CUTS)
def test_points_of_a_clipped_ball_are_those_of_the_box_that_are_in_it(cut, norm, chained, monkeypatch):
    center, low, high = CUTS[cut]
    monkeypatch.setattr(balls, "LEAST", 2.0 if chained else 0.0)
    study = study_of(norm, center, F(3, 4), (low, high))
    assert study.ball.chained == chained
    assert bool(study.sampling) == chained
    points = study.uniform(6000, study.stream("test"))
    assert apart(points, center, norm).max() <= 0.75 * (1 + 1e-9)
    assert ((points.numpy() >= np.array(low) - 1e-12) & (points.numpy() <= np.array(high) + 1e-12)).all()
    rng = np.random.default_rng(3)
    drawn = rng.uniform(np.maximum(low, -0.75), np.minimum(high, 0.75), (200_000, 3))
    drawn = drawn[np.linalg.norm(drawn, ord=2 if norm == "l2" else 1, axis=1) <= 0.75]
    for j in range(3):
        assert stats.ks_2samp(points.numpy()[:, j], drawn[:, j]).pvalue > 1e-4
    assert stats.ks_2samp(apart(points, center, norm), np.linalg.norm(drawn, ord=2 if norm == "l2" else 1, axis=1)).pvalue > 1e-4


@pytest.mark.parametrize("norm", BALLS)
def test_chains_in_many_dimensions_find_what_folding_finds(norm, monkeypatch):
    """Where the box cuts through the centre alone, points are drawn directly, and by chains."""
    n = 60
    direct = study_of(norm, [0.0] * n, 1, ([0] * n, [1] * n))
    assert not direct.ball.chained
    monkeypatch.setattr(balls, "LEAST", 2.0)
    chained = study_of(norm, [0.0] * n, 1, ([0] * (n - 1) + [-0.999], [1] * n))
    assert chained.ball.chained
    one, other = direct.uniform(3000, direct.stream("a")), chained.uniform(3000, chained.stream("b"))
    assert stats.ks_2samp(one[:, 0].numpy(), other[:, 0].numpy()).pvalue > 1e-4
    assert stats.ks_2samp(apart(one, [0] * n, norm), apart(other, [0] * n, norm)).pvalue > 1e-4


def test_the_share_of_points_that_are_kept_decides_how_they_are_drawn():
    """Twelve coordinates near the edge of the box: a part of 2^-12 or so of the ball."""
    study = study_of("l2", [0.01] * 12, 1, ([0] * 12, [1] * 12))
    assert study.ball.chained
    assert "chains" in run_methods(study, ["patterns"], METHODS)[0][0].assumptions
    assert not study_of("l2", [0.5] * 12, 1, ([0] * 12, [1] * 12)).ball.chained


def test_inputs_that_are_fixed_are_no_coordinates():
    study = study_of("l1", [0.5, 0.25, 0.75], [0, 1, 1])
    points = study.uniform(500, study.stream("test"))
    assert points.shape == (500, 2)
    assert apart(points, [0.25, 0.75], "l1").max() <= 1


# ---- chords ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("norm", BALLS)
@pytest.mark.parametrize("clip", [None, ([-0.25, -0.5, -1], [0.5, 1, 0.25])])
def test_chords_end_on_the_boundary(norm, clip):
    study = study_of(norm, [0.0, 0.125, 0.0], F(3, 4), clip)
    start, direction = uniform_lines(study, 300, study.stream("test"))
    entry, length = chords(study, start, direction)
    low, high = study.net.lower.numpy(), study.net.upper.numpy()
    for points in (entry, entry + length[:, None] * direction):
        p = points.numpy()
        room = np.concatenate([0.75 - apart(points, [0, 0.125, 0], norm)[:, None], p - low, high - p], axis=1).min(axis=1)
        assert np.abs(room).max() < 1e-9  # on one face, beyond none


@pytest.mark.parametrize("norm", BALLS)
def test_lines_and_tubes_find_the_density_of_a_line_across_a_disc(norm):
    """x = 1/4 in the unit disc has the length 2 sqrt(15/16), in the square 2 (1 - 1/4); areas pi and 2."""
    net = chain([[[1.0, 0.0]], [[1.0]]], [[-0.25], [0.0]])
    study = study_of(norm, [0.0, 0.0], 1, None, net, samples=40_000, tube=0.01)
    true = 2 * math.sqrt(15 / 16) / math.pi if norm == "l2" else 2 * 0.75 / 2
    for estimate in run_methods(study, ["lines", "tube"], METHODS)[0]:
        if estimate.target == "local_complexity.activation":
            assert abs(estimate.value - true) < 4.5 * estimate.standard_error + 1e-3


# ---- distances -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("norm", NORMS)
def test_attacks_and_clever_know_how_far_a_plane_is(norm):
    """f0 - f1 = 3 x - 4 y + 2 is linear: |w|_dual times the distance is 2."""
    net = chain([[[3.0, -4.0]], [[1.0], [-1.0]], [[1.0, -1.0], [0.0, 0.0]]], [[2.0], [0.0, 0.0], [0.0, 0.0]])
    study = study_of(norm, [0.0, 0.0], 1, None, net, 0)
    found = {e.method: e for e in run_methods(study, ["lipschitz", "pgd", "deepfool"], METHODS)[0] if e.target == "distance"}
    true = 2 / {"linf": 7, "l2": 5, "l1": 4}[norm]
    assert found["deepfool"].value == pytest.approx(true, rel=1e-9)
    assert found["clever_distance"].value == pytest.approx(true, rel=1e-9)
    assert true * (1 - 1e-12) <= found["pgd"].value <= 1.03 * true
    assert found["pgd"].parameters["norm"] == norm


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_rounding_does_not_hide_points_of_the_sphere(norm):
    """In many inputs some coordinate of a point at the full radius is beyond it by rounding."""
    n = 50
    weights = np.linspace(1.0, 2.0, n)
    net = chain([weights[None], [[1.0], [0.0]]], [[-float(weights.sum()) * 0.1 + 1.0], [0.0, 0.0]])
    true = 1.0 / {"linf": weights.sum(), "l2": np.linalg.norm(weights)}[norm]
    found, _ = run_methods(study_of(norm, [0.1] * n, round(1.05 * true, 6), None, net, 0), ["pgd"], METHODS)
    assert true * (1 - 1e-9) <= found[0].value < 1.01 * true


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("clip", [None, ([-0.25] * 3, [0.5] * 3)])
@pytest.mark.parametrize("seed", range(4))
def test_attacks_are_no_nearer_than_the_exact_distance(seed, clip, norm):
    net = random_net([3, 8, 6, 3], seed)
    center = [0.125, 0.25, -0.125]
    label = make_label(net, center)
    study = study_of(norm, center, 2, clip, net, label)
    found, skipped = run_methods(study, ["pgd", "deepfool"], METHODS)
    (exact,) = polylc.distance(net, [center], 2, norm=norm, clip=None if clip is None else (clip[0][0], clip[1][0]))
    if exact.robust:
        assert not found
        assert all("no adversarial point was found" in s.reason for s in skipped)
    for estimate in found:
        assert estimate.value >= exact.ends[0] * (1 - 1e-9)
        assert estimate.upper == estimate.value


def make_label(net: Network, center: list) -> int:
    return polylc.lipschitz(net, [center], radius=F(1, 2**20), norm="l2")[0].label


def test_a_centre_that_is_adversarial_is_no_distance_away():
    net = chain([[[1.0, 0.0]], [[1.0], [-1.0]]], [[0.5], [0.0, 0.0]])
    found, _ = run_methods(study_of("l2", [1.0, 0.0], 1, None, net, 1), ["pgd", "deepfool"], METHODS)
    assert [e.value for e in found] == [0.0, 0.0]


@pytest.mark.parametrize("method", ["pgd", "deepfool"])
def test_attacks_need_a_centre_and_a_class(method):
    study = study_of("l2", [0.0, 0.0], 1)
    (skipped,) = run_methods(study, [method], METHODS)[1]
    assert "need a ball around a point, and a class" in skipped.reason


# ---- truth beside estimates ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("norm", NORMS)
def test_the_truth_in_a_ball_is_what_searches_find(norm):
    radius, center = 0.75, [0.125, 0.25, -0.125]
    (entry,) = polylc.compare(NET, [center], radius=radius, norm=norm, methods="lipschitz,pgd,deepfool,patterns", draws=0, samples=2000)
    (constants,) = polylc.lipschitz(NET, [center], radius=radius, ball=norm, method="search")
    (distance,) = polylc.distance(NET, [center], radius, norm=norm)
    beside = {(p.estimate.method, p.estimate.target): p for p in entry.pairings}
    for c in constants.constants:
        pairing = beside["sampled_lipschitz", f"lipschitz.{c.target}.{c.norm}"]
        assert pairing.truth.quantity == c.quantity
        assert pairing.estimate.value <= c.quantity.upper * (1 + 1e-12)
    for method in ("clever_distance", "pgd"):
        if (method, "distance") in beside and distance.exact:
            assert (beside[method, "distance"].truth.quantity.lower, beside[method, "distance"].truth.quantity.upper) == distance.ends
    assert entry.result.complete


@pytest.mark.parametrize("norm", BALLS)
def test_the_truth_in_a_ball_is_what_its_regions_are(norm):
    radius, center = 0.75, [0.125, 0.25, -0.125]
    (entry,) = polylc.compare(NET, [center], radius=radius, norm=norm, methods="lines,patterns,local_rank", draws=0, samples=2000)
    exact = polylc.certify(NET, [center], radius=radius, norm=norm)[0]
    beside = {p.estimate.target: p for p in entry.pairings}
    assert beside["regions"].truth.quantity.value == exact.regions > beside["regions"].estimate.value / 2
    known = exact.answers.value("local_complexity").versions["activation"]
    found = beside["local_complexity.activation"]
    assert (found.truth is None) == (known.kind is Kind.ESTIMATE) == (norm == "l2")  # bent neurons cut the caps of an l2 ball
    if norm == "l1":
        assert found.truth.quantity == known
        assert abs(found.estimate.value - known.value) < 5 * found.estimate.standard_error
        assert beside["local_rank.2"].truth is not None


@pytest.mark.parametrize("norm", BALLS)
def test_every_method_samples_balls_or_says_why_not(norm):
    study = study_of(norm, [0.125, 0.25, -0.125], F(3, 4), ([-0.5] * 3, [0.5] * 3), NET, 0, samples=200, draws=2, planes=2)
    found, skipped = run_methods(study, [name for name in EVERY if name != "lipsdp"], EVERY)
    assert {s.method for s in skipped} - {"pgd", "deepfool"} == {"boundary_lines", "exact_draws", "rao_blackwell", "slices", "tilted"}
    assert all(f"not an {norm} ball" in s.reason for s in skipped if s.method not in ("pgd", "deepfool"))
    assert all(math.isfinite(e.value) for e in found)


@pytest.mark.parametrize("command", ["estimate", "compare"])
def test_commands_know_norms(command, tmp_path):
    net = save(random_net([2, 8, 6, 2], 0), tmp_path / "net.npz")
    np.savez(tmp_path / "points.npz", X=np.array(POINTS))
    given = [command, net, "--data", tmp_path / "points.npz", "--rows", "0:2", "--radius", "0.5", "--clip", "-1", "1"]
    given += ["--methods", "lipschitz,lines", "--samples", "200", "--json", tmp_path / "r.json"]
    done = run(*given, "--norm", "l1")
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "r.json").read_text())
    assert [n["place"]["norm"] for n in report["neighbourhoods"]] == ["l1", "l1"]
    for wrong, message in (("l3", "norm: 'l3' is not one"), ("", "norm: '' is not one")):
        refused = run(*given, "--norm", wrong)
        assert refused.exit_code == 2
        assert message in refused.stderr
    refused = run(command, net, "--box", "0", "1", "--norm", "l2")
    assert refused.exit_code == 2
    assert "a box is no l2 ball" in refused.stderr


def test_a_norm_that_is_none_is_told():
    with pytest.raises(UsageError, match="norm: 'l7' is not one"):
        polylc.estimate(NET, [[0, 0, 0]], radius=1, norm="l7")
    assert make_task(NET, 0, in_norm(ball([0, 0, 0], 1), "linf"), None).domain.norm == "linf"
