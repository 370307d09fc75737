"""Regions of l1 and l2 balls are drawn as what the ball leaves of them."""

from __future__ import annotations

import math
import re
from fractions import Fraction as F
from pathlib import Path

import numpy as np
import pytest
from nets import quarter_net, random_net
from typer.testing import CliRunner

import polylc
from polylc.cli.main import app
from polylc.network.form import chain
from polylc.report.in_ball import STEPS, drawn_cells, in_ball, outline

DISC = math.pi * math.sin(2 * math.pi / STEPS) / (2 * math.pi / STEPS)  # area of the polygon that a unit circle is drawn as


def area(corners: np.ndarray) -> float:
    """Of a polygon, positive where it is counter-clockwise."""
    following = np.roll(corners, -1, axis=0)
    return 0.5 * float(np.sum(corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0]))


def enumerated(seed: int, norm: str, clip: tuple[float, float] | None, center=(0.25, -0.125), radius="1.5"):
    net = (random_net if seed % 2 else quarter_net)([2, 7, 5, 2], seed)
    return polylc.certify(net, list(center), radius=radius, norm=norm, clip=clip, measures="counts")[0]


@pytest.mark.parametrize("clip", [None, (-0.5, 1.25), (-1.125, 9)])
@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("seed", range(6))
def test_cells_are_convex_hold_their_points_and_fill_the_ball(seed, norm, clip):
    result = enumerated(seed, norm, clip)
    complex_ = result.complex
    cells = drawn_cells(complex_)
    assert len(cells) == result.regions
    domain = complex_.domain
    for corners, unit in zip(cells, complex_.unit, strict=True):
        assert len(corners) >= 3
        sides = np.roll(corners, -1, axis=0) - corners
        ahead = np.roll(sides, -1, axis=0)
        assert (sides[:, 0] * ahead[:, 1] - sides[:, 1] * ahead[:, 0] > -1e-12).all()
        point = domain.measured_middle + unit * domain.half
        apart = point - corners
        long = np.linalg.norm(sides, axis=1)
        depth = (sides[:, 0] * apart[:, 1] - sides[:, 1] * apart[:, 0])[long > 1e-9] / long[long > 1e-9]
        assert depth.min() > -3e-5 * 1.5  # an arc of a degree is so much beyond its chord
    whole = outline(domain)
    # lines cut corners off where arcs of neighbours meet on a chord: less than the disc lacks, and nothing of a diamond
    total = sum(map(area, cells))
    assert total == pytest.approx(area(whole), rel=1e-9 if norm == "l1" else 1e-4)
    if clip is None:
        assert area(whole) == pytest.approx(2 * 1.5**2 if norm == "l1" else DISC * 1.5**2, rel=1e-12)
    assert in_ball(domain, np.concatenate(cells) * (1 - 1e-9) + 1e-9 * np.array([0.25, -0.125])).all()


@pytest.mark.parametrize("clip", [None, (-0.5, 1.25)])
@pytest.mark.parametrize("seed", range(4))
def test_cells_of_a_diamond_have_their_rational_areas(seed, clip):
    net = (random_net if seed % 2 else quarter_net)([2, 5, 4, 2], seed)
    result = polylc.certify(net, [0.25, -0.125], radius="1.5", norm="l1", clip=clip, exact_volumes=True)[0]
    assert result.volumes is not None
    for region, corners in enumerate(drawn_cells(result.complex)):
        assert area(corners) == pytest.approx(float(result.volumes.exact[region].volume) * result.domain.half.prod(), rel=1e-9)


@pytest.mark.parametrize("far", [-0.99, -0.5, 0.0, 0.3, 0.95])
@pytest.mark.parametrize("slope", [(1, 0), (3, 4), (-5, 12)])
def test_a_line_cuts_a_disc_in_two_segments(slope, far):
    """Areas are r^2 acos(d/r) - d sqrt(r^2 - d^2), within what lines in place of arcs leave out."""
    size = math.hypot(*slope)
    net = chain([[[slope[0] / size, slope[1] / size]], [[1.0]]], [[-far], [0.0]])
    result = polylc.certify(net, [0, 0], radius=1, norm="l2", measures="counts")[0]
    assert result.regions == 2
    areas = sorted(map(area, drawn_cells(result.complex)))
    smaller = math.acos(abs(far)) - abs(far) * math.sqrt(1 - far**2)
    lost = math.pi - DISC
    assert smaller - lost <= areas[0] <= smaller + 1e-12
    assert math.pi - smaller - lost <= areas[1] <= math.pi - smaller + 1e-12


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_what_is_beyond_the_ball_is_not_drawn(norm):
    """Of a corner of the box nothing is left, and points there are not shown."""
    net = chain([[[1.0, 1.0]], [[1.0]]], [[-1.75], [0.0]])
    result = polylc.certify(net, [0, 0], radius=1, norm=norm, measures="counts")[0]
    assert result.regions == 1
    figure = result.plot(points=[[0.95, 0.95], [0.1, 0.2], [0.0, 1.5]])
    (dots,) = [c for c in figure.axes[0].collections if c.get_label() == "data"]
    assert dots.get_offsets().tolist() == [[0.1, 0.2]]


@pytest.mark.parametrize("colour", ["gradient", "full", "class", "piece", "rank", "depth"])
@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_every_colour_is_drawn(norm, colour, tmp_path: Path):
    result = enumerated(1, norm, (-0.5, 1.25))
    result.plot(tmp_path / "p.png", colour=colour)
    assert (tmp_path / "p.png").stat().st_size > 1000


@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
def test_the_command_draws_balls(norm, data: Path, tmp_path: Path):
    where = ["--center", "0.5,0.25", "--radius", "0.3", "--norm", norm]
    model = str(data / "moons2d.npz")
    drawn = CliRunner().invoke(app, ["plot", model, *where, "--out", str(tmp_path / "p.svg")])
    assert drawn.exit_code == 0, drawn.output
    run = CliRunner().invoke(app, ["certify", model, *where, "--measures", "counts", "--report", str(tmp_path / "r.html")])
    assert run.exit_code == 0, run.output
    result = polylc.certify(model, [F(1, 2), F(1, 4)], radius="0.3", norm=norm, measures="counts")[0]
    assert f"{result.regions} regions" in drawn.output
    page = (tmp_path / "r.html").read_text()
    assert len(re.findall(r'<path data-r="', page)) == result.regions
    assert ('<path class="ball"' in page) == (norm != "linf")


def test_regions_of_balls_are_decided_exactly(data: Path, tmp_path: Path):
    arguments = ["plot", str(data / "moons2d.npz"), "--center", "0,0", "--radius", "1", "--norm", "l2", "--no-certify"]
    run = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "p.png")])
    assert run.exit_code != 0
    assert "--no-certify" in run.output
