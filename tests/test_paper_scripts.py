"""The scripts behind docs/paper.md run, on less, and what they rest on holds."""

from __future__ import annotations

import importlib
import json
import math
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import polylc

FOLDER = Path(__file__).parent.parent / "scripts" / "paper"
LESS = {
    "rank": {"SEEDS": range(1), "WIDTH": 6},
    "variation": {"SEEDS": range(2), "BALLS": 8},
    "decay": {"SEEDS": range(2), "DECAYS": np.array([1e-4, 1e-2]), "LEARNED": 0.0},
    "late": {"SEEDS": range(1)},
    "scale": {"SEEDS": range(1), "POINTS": 1, "WIDTHS": (16, 6, 6, 10), "images": lambda: drawn_images(100, 4)},
}


def drawn_images(count: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Grey squares, and labels that they know nothing of."""
    rng = np.random.default_rng(0)
    return rng.random((count, side * side)), rng.integers(0, 10, count)


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    yield importlib.import_module
    for name in ("common", *LESS):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", LESS)
def test_they_run(name, script, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(script("common"), "IMAGES", tmp_path)
    module = script(name)
    for constant, value in (LESS[name] | {"STEPS": 5}).items():
        monkeypatch.setattr(module, constant, value)
    threads = torch.get_num_threads()
    with torch.random.fork_rng():
        module.main()
    torch.set_num_threads(threads)
    assert json.loads(capsys.readouterr().out)
    assert (tmp_path / f"paper-{name}.png").stat().st_size > 10_000


def test_every_script_is_run_and_every_figure_is_shown():
    assert {p.stem for p in FOLDER.glob("*.py")} == {*LESS, "common"}
    page = (FOLDER.parent.parent / "docs" / "paper.md").read_text()
    assert all(f"images/paper-{name}.png" in page and f"scripts/paper/{name}.py" in page for name in LESS)


def test_forced_ranks_are_exact(script):
    """The product of the rounded factors is the exact one, so that the rank that was forced is the exact local rank."""
    rank = script("rank")
    points = rank.rotated(3, 5)[0]
    for forced in (1, 2, 3, 4):
        net = rank.rounded(rank.factored(forced, 0))
        down, up = net[0].weight.tolist(), net[1].weight.tolist()
        ((_, weights),) = polylc.load(net).layers[0].affine.terms
        for i, row in enumerate(up):
            for j in range(4):
                assert Fraction(weights[i, j].item()) == sum(Fraction(row[k]) * Fraction(down[k][j]) for k in range(forced))
        found = polylc.track(net, points, 0.05, measures="local_rank").record()
        assert found["local_rank_1"] == found["local_rank_2"] == forced


def test_effective_rank(script):
    """Of an orthogonal map it is the dimension, of a map of rank one it is 1, of singular values 3 and 1 it is 16 /
    10.
    """
    effective_ranks, points = script("rank").effective_ranks, np.ones((2, 3))
    for singular, wanted in (([2.0, 2.0, 2.0], 3.0), ([5.0, 0.0, 0.0], 1.0), ([3.0, 1.0, 0.0], 1.6)):
        net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))
        left, right = (torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(s)))[0] for s in (0, 1))
        with torch.no_grad():
            net[0].weight.copy_(left @ torch.diag(torch.tensor(singular)) @ right)
        assert effective_ranks(net, points) == pytest.approx([wanted], rel=1e-5)


def test_the_scale_of_total_variation(script):
    """A of a network whose layers after the first have norms 2 and 3, and after the second 3: the larger product
    counts.
    """
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    with torch.no_grad():
        for layer, norm in ((net[0], 7.0), (net[2], 2.0), (net[4], 3.0)):
            layer.weight.copy_(norm * torch.eye(2))
    variation = script("variation")
    assert variation.scale_of(net) == pytest.approx(2 * math.exp(-0.5) / (math.sqrt(2 * math.pi) * variation.SIGMA) / 6)


def test_data_and_training(script):
    common = script("common")
    points, labels = common.moons(400, 0.0, 3)
    assert np.array_equal(points, common.moons(400, 0.0, 3)[0])
    assert labels.mean() == 0.5
    centres = np.array([[0.0, 0.0], [1.0, 0.5]])[labels]
    assert np.allclose(np.linalg.norm(points - centres, axis=1), 1)
    assert ((points[:, 1] >= centres[:, 1]) == (labels == 0)).all()
    net = common.mlp([2, 16, 2], 0)
    data = common.moons(200, 0.05, 0)
    seen = []
    loss = common.train(net, data, 300, rate=2e-2, watch=lambda step, loss: seen.append((step, loss)))
    assert common.accuracy(net, data) == 1.0
    assert seen[-1] == (300, loss)
    assert len(seen) == 301
    decayed = common.mlp([2, 16, 2], 0)
    common.train(decayed, data, 300, rate=2e-2, decay=0.1)
    assert sum((w**2).sum() for w in decayed.parameters()) < 0.1 * sum((w**2).sum() for w in net.parameters())


def test_deformed_images(script):
    """Each is there so many times, with its label; a disc in the middle only changes its size, by up to 15 %."""
    scale, middle = script("scale"), np.arange(28) - 13.5
    disc = (middle[:, None] ** 2 + middle**2 < 36).astype(float).reshape(1, -1)
    images, labels = scale.deformed((np.concatenate([disc, 0 * disc]), np.array([3, 5])), 20, 1)
    assert labels.tolist() == [3, 5] * 20
    assert not images[1::2].any()
    size = images[::2].sum(axis=1) / disc.sum()
    assert (size > 0.99 / 1.15**2).all()
    assert (size < 1.01 / 0.85**2).all()
    assert len({image.tobytes() for image in images[::2]}) == 20


def test_rows_are_measured_once(script, monkeypatch, tmp_path):
    scale, measured = script("scale"), []
    monkeypatch.setattr(scale, "enumerated", lambda net, point: {})
    monkeypatch.setattr(scale, "estimated", lambda net, point, label: measured.append(label) or {"TV": [1.0, 2.0]})
    for _ in range(2):
        rows = scale.Rows(tmp_path / "rows.jsonl")
        for point in (0, 1):
            rows.add({"seed": 0, "decay": 0.0, "step": 3, "point": point}, None, [0.0], point)
    assert measured == [0, 1]
    assert [scale.middle(row, "TV") for row in rows.all.values()] == [1.5, 1.5]
    assert math.isnan(scale.middle(rows.all[0, 0.0, 3, 1], "LC"))
