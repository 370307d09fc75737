"""The tracker: the numbers are those of certify and estimate, training does not notice it, and its files survive."""

from __future__ import annotations

import csv
import json
import math
import os
import random
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import polylc
from polylc.api import track as tracking
from polylc.engines.contract import Outcome
from polylc.errors import PolylcError, UsageError
from polylc.exact.quantity import Kind, Quantity
from polylc.report.status import Status
from polylc.report.training.history import History, read_history, replace_file
from polylc.run import watch as watching

POINTS, LABELS = np.array([[0.1, 0.2], [-0.7, 0.4], [0.9, -0.3]]), [0, 1, 1]


def small(seed: int = 0, *layers: nn.Module) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 8), *layers, nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))


def steps_of(net: nn.Module, many: int, each=lambda step, loss: None, seed: int = 1) -> None:
    """A plain loop with random batches, whose dropout draws from the global random state."""
    torch.manual_seed(seed)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.3)
    for step in range(many):
        x = torch.rand(16, 2) * 2 - 1
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(net(x), (x[:, 0] > x[:, 1]).long())
        loss.backward()
        optimiser.step()
        each(step, loss.item())


def value(quantity) -> float:
    return quantity.value if isinstance(quantity, Quantity) else quantity


@pytest.mark.parametrize("certified", [True, False])
def test_values_are_those_of_certify(certified):
    net = small()
    tracker = polylc.track(net, POINTS, 0.5, labels=LABELS, every=3, measures="all", certified=certified)
    copies = []
    steps_of(net, 7, lambda step, loss: copies.append(polylc.load(net)) if tracker(step, loss=loss) else None)
    assert [row["step"] for row in tracker.rows] == [0, 0, 0, 3, 3, 3, 6, 6, 6]
    for copy, rows in zip(copies, [tracker.rows[i : i + 3] for i in (0, 3, 6)], strict=True):
        for result, row in zip(polylc.certify(copy, POINTS, radius=0.5, labels=LABELS, certified=certified), rows, strict=True):
            assert row["status"] == result.status
            assert row["estimated"] == ""
            assert [row[n] for n in ("regions", "pieces", "affine_functions", "adjacencies")] == [
                result.regions,
                result.pieces,
                result.affine_functions,
                result.adjacencies,
            ]
            for name in ("local_complexity", "total_variation"):
                assert {k: row[f"{name}_{k}"] for k in getattr(result, name)} == {k: value(v) for k, v in getattr(result, name).items()}
            assert row["kink_variation"] == value(result.kink_variation)
            for rank in result.local_rank:
                assert row[f"local_rank_{rank.layer}"] == pytest.approx(value(rank.mean), rel=1e-12)
            for constant in result.lipschitz:
                assert constant.target != "jacobian" or row[f"lipschitz_jacobian_{constant.norm}"] == constant.quantity.value
            assert (row["robust"], row["distance"]) == (int(result.robustness.robust), result.robustness.distance)
    # the weights moved, and the tracker saw it
    assert len({row["local_complexity_activation"] for row in tracker.rows}) > 6


def test_floating_point_finds_the_same_numbers():
    net = small()
    steps_of(net, 50)
    certified, floating = (polylc.track(net, POINTS, 0.8, measures="all", labels=LABELS, certified=c).record() for c in (True, False))
    for name, number in certified.items():
        margin = name.startswith("total_variation_f") and name != "total_variation_frobenius"  # certified runs only
        if isinstance(number, int | float) and name != "seconds" and not margin:
            assert floating[name] == pytest.approx(number, rel=1e-9), name


def test_training_does_not_notice():
    def state_after(watch: bool):
        net = small(0, nn.BatchNorm1d(8), nn.Dropout(0.3))
        random.seed(5)
        np.random.seed(5)  # noqa: NPY002 - the global state is what must not move
        tracker = polylc.track(net, POINTS, 0.2, every=2, sigma=0.1, max_regions=3)

        def each(step, loss):
            gradients = [p.grad.clone() for p in net.parameters()]
            if watch:
                tracker(step)
            assert net.training
            assert all(m.training for m in net.modules())
            assert all(torch.equal(p.grad, g) and p.requires_grad for p, g in zip(net.parameters(), gradients, strict=True))

        steps_of(net, 6, each)
        assert len(tracker.rows) == (9 if watch else 0)
        numpy_state = np.random.get_state()[1].tolist()  # noqa: NPY002
        return torch.cat([v.double().flatten() for v in net.state_dict().values()]), torch.get_rng_state(), random.getstate(), numpy_state

    (weights, *states), (unwatched, *others) = state_after(True), state_after(False)
    assert torch.equal(weights, unwatched)
    assert torch.equal(states[0], others[0])
    assert states[1:] == others[1:]


def test_nothing_happens_between_its_steps(monkeypatch, tmp_path):
    net = small()
    tracker = polylc.track(net, POINTS, 0.2, every=50, table=tmp_path / "run.csv", figure=tmp_path / "run.png")
    monkeypatch.setattr(tracking, "load", None)  # would raise if it were called
    assert [tracker(step, loss=0.0) for step in range(1, 50)] == [None] * 49
    assert not list(tmp_path.iterdir())


def test_estimates_take_the_place_of_what_is_out_of_reach():
    net, options = small(), {"samples": 3000, "seed": 3}
    whole = polylc.track(net, POINTS, 0.8, measures="all", labels=LABELS)
    exact = whole.record()
    rows = {}
    for name, how in {"limit": {"max_regions": 2}, "sampled": {"exact": False}}.items():
        tracker = polylc.track(net, POINTS, 0.8, measures="all", labels=LABELS, **how, **options)
        means, rows[name] = tracker.record(), tracker.rows
        for column in ("local_complexity_activation", "local_complexity_open", "total_variation_frobenius", "kink_variation"):
            assert abs(means[column] - exact[column]) < 4 * means[f"{column}_se"], column
            assert column in means["estimated"].split()
        assert 2 <= means["regions"] <= exact["regions"]
        assert means["lipschitz_jacobian_l2"] <= exact["lipschitz_jacobian_l2"] * (1 + 1e-12)
        assert means["local_rank_1"] == exact["local_rank_1"]
    assert {row["status"] for row in rows["limit"]} == {"partial"}
    assert {row["status"] for row in rows["sampled"]} == {"estimated"}
    found = polylc.estimate(net, POINTS, 0.8, methods="lines", **options)
    assert [row["local_complexity_activation"] for row in rows["sampled"]] == [e["lines"].value for e in found]
    assert [row["local_complexity_activation_se"] for row in rows["limit"]] == [e["lines"].standard_error for e in found]
    assert not any("robust" in row for row in rows["sampled"])  # no estimator decides that
    assert [row["robust"] for row in rows["limit"]] == [row["robust"] for row in whole.rows]  # by search, though regions are missing


def test_a_partial_result_says_only_what_holds_for_certain():
    """An adversarial point refutes robustness; its distance, and other counts than that of regions, are those of an
    unfinished search.
    """
    net = small()
    steps_of(net, 50)
    (result,) = polylc.certify(net, POINTS[:1], radius=0.8)
    assert not result.robustness.robust
    assert result.robustness.distance > 0
    row = watching.exact_values(replace(result, status=Status.PARTIAL))
    assert (row["regions"], row["robust"], row.get("distance")) == (result.regions, 0, None)
    assert "pieces" not in row
    assert "adjacencies" not in row
    assert watching.exact_values(result)["distance"] == result.robustness.distance


def test_regions_are_never_fewer_than_were_found():
    """Two samples put the number of regions at 3 at most."""
    tracker = polylc.track(small(), POINTS[:1], 2.0, max_regions=8, samples=2)
    found = tracker.record()["regions"]
    assert found == polylc.certify(small(), POINTS[:1], radius=2.0, max_regions=8)[0].regions >= 8
    assert "regions" in tracker.rows[0]["estimated"].split()
    assert "regions_se" not in tracker.rows[0]


def test_only_what_is_out_of_reach_is_estimated():
    """In seven dimensions regions and ranks are exact, sections are enclosed, and what is not is estimated."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(7, 3), nn.ReLU(), nn.Linear(3, 2))
    tracker = polylc.track(net, [[0.0] * 7], 0.3, samples=500)
    row = tracker.record() and tracker.rows[0]
    result = polylc.certify(net, [[0.0] * 7], radius=0.3)[0]
    assert result.local_complexity["activation"].kind is Kind.ENCLOSURE
    assert (row["status"], row["regions"], row["local_rank_1"]) == ("certified", result.regions, 3)
    variation = result.total_variation["frobenius"].kind is Kind.ESTIMATE
    assert ("total_variation_frobenius" in row["estimated"].split()) is variation
    assert not {"regions", "local_rank_1", "local_complexity_activation"} & set(row["estimated"].split())


@pytest.mark.parametrize(("draws", "method"), [(0, "coarea"), (5, "exact_draws")])
def test_bias_noise(draws, method):
    net = small()
    tracker = polylc.track(net, POINTS, 0.3, sigma=0.2, draws=draws, samples=500, measures="local_complexity")
    tracker.record()
    more = {"draws": draws} if draws else {}
    for row, estimates in zip(tracker.rows, polylc.estimate(net, POINTS, 0.3, methods=method, sigma=0.2, samples=500, **more), strict=True):
        wanted = estimates[f"{method}/local_complexity.activation"]
        assert (row["local_complexity_sigma"], row["local_complexity_sigma_se"]) == (wanted.value, wanted.standard_error)
        assert row["estimated"] == "local_complexity_sigma"


def test_means_over_neighbourhoods():
    rows = [
        {"step": 0, "neighbourhood": 0, "status": "certified", "a": 1, "a_se": None, "b": None, "estimated": "", "note": ""},
        {"step": 0, "neighbourhood": 1, "status": "partial", "a": 4.0, "a_se": 3.0, "b": 7.0, "estimated": "a", "note": ""},
        # interrupted there
        {"step": 5, "neighbourhood": 0, "status": "certified", "a": 1, "estimated": "", "note": ""},
    ]
    (mean,) = History(2, rows).means()
    assert History(2, rows[:2]).last_mean() == mean
    assert mean == {"step": 0, "status": "certified 1, partial 1", "estimated": "a", "a": 2.5, "a_se": 1.5, "b": 7.0}


@pytest.mark.parametrize("ending", ["csv", "json"])
@pytest.mark.parametrize("how", [{"certified": False}, {"max_regions": 2}])
def test_tables_keep_every_digit(tmp_path, ending, how):
    path = tmp_path / f"run.{ending}"
    tracker = polylc.track(small(), POINTS, 0.5, labels=LABELS, measures="all", sigma=0.1, samples=50, table=path, **how)
    tracker(0, loss=1 / 3)
    tracker(1, other=-1e-300)  # a column that earlier rows do not have
    names = {name for row in tracker.rows for name in row}
    assert [{n: row[n] for n in names} for row in read_history(path, 3).rows] == [{n: row.get(n) for n in names} for row in tracker.rows]


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_a_run_that_is_taken_up_again_gives_the_same_table(tmp_path, ending):
    def untimed(path):
        return [{k: v for k, v in row.items() if k != "seconds"} for row in read_history(path, 3).rows]

    def run(path, first, last, **options):
        net = small()
        tracker = polylc.track(net, POINTS, 0.2, every=2, sigma=0.1, samples=50, table=path, **options)
        steps_of(net, last, lambda step, loss: tracker(step, loss=loss) if step >= first else None)
        return tracker

    whole, parts = tmp_path / f"whole.{ending}", tmp_path / f"parts.{ending}"
    tracker = run(whole, 0, 9)
    run(parts, 0, 7)  # was at step 6; the checkpoint is from step 4
    again = run(parts, 4, 9, append=True)
    assert untimed(parts) == untimed(whole)
    assert len(again.rows) == len(tracker.rows) == 15
    assert [m["loss"] for m in again.means()] == [m["loss"] for m in tracker.means()]
    run(parts, 0, 1)  # without append the table starts anew
    assert {row["step"] for row in untimed(parts)} == {0}
    assert os.listdir(tmp_path).count(parts.name) == 1
    assert len(os.listdir(tmp_path)) == 2  # no temporary file is left


def test_tables_are_for_others_to_read(tmp_path):
    pandas = pytest.importorskip("pandas")
    net = small()
    trackers = [polylc.track(net, POINTS, 0.2, table=tmp_path / f"run.{ending}", every=2) for ending in ("csv", "json")]
    for tracker in trackers:
        for step in range(3):
            tracker(step, loss=math.nan if step else 0.5)
    frame = pandas.read_csv(tmp_path / "run.csv")
    assert frame.columns[:2].tolist() == ["step", "neighbourhood"]
    assert frame["regions"].tolist() == [row["regions"] for row in trackers[0].rows]
    assert frame.groupby("step")["local_complexity_activation"].mean().tolist() == pytest.approx(
        [m["local_complexity_activation"] for m in trackers[0].means()], rel=1e-12
    )
    assert trackers[0].to_frame(each=True)["status"].tolist() == ["certified"] * 6
    assert len(trackers[0].to_frame()) == 2
    content = json.loads((tmp_path / "run.json").read_text(), parse_constant=pytest.fail)  # NaN is no JSON
    assert content["schema"] == "polylc.track/1"
    assert content["rows"][-1]["loss"] is None
    assert content["settings"]["neighbourhoods"][0]["lower"] == pytest.approx([-0.1, 0.0])


def test_the_figure_keeps_up(tmp_path):
    net, path = small(), tmp_path / "run.png"
    tracker = polylc.track(net, POINTS, 0.2, figure=path, labels=LABELS, measures="all", max_regions=3, samples=50)
    pictures = []
    for step in range(3):
        tracker(step, loss=1.0 / (1 + step))
        pictures.append(path.read_bytes())
    assert all(p.startswith(b"\x89PNG") and p.endswith(b"IEND\xaeB`\x82") for p in pictures)
    assert len(set(pictures)) == 3
    axes = {a.get_title(): a for a in tracker.plot().axes}
    assert {"regions", "local complexity", "total variation", "local rank", "loss"} <= set(axes)
    line = axes["loss"].lines[0]
    assert line.get_xdata().tolist() == [0, 1, 2]
    assert line.get_ydata().tolist() == [1.0, 0.5, 1 / 3]
    tracker.plot(tmp_path / "other.pdf")
    assert (tmp_path / "other.pdf").read_bytes().startswith(b"%PDF")


def test_matplotlib_is_imported_for_a_figure_only():
    code = (
        "import sys, torch, polylc; net = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.ReLU());"
        "polylc.track(net, [[0.0]], 1.0, exact=False, samples=10)(0); assert not {'matplotlib', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("how", ["raised", "noticed"])
def test_interrupted(monkeypatch, tmp_path, how):
    """What was found is in the table, the user's Ctrl-C reaches the user's loop, and a later step is whole again."""
    answer, table, asked = watching.answer, tmp_path / "run.csv", []

    def stopped(network, task, settings):
        asked.append(task.index)
        if len(asked) == 6:
            if how == "raised":
                raise KeyboardInterrupt
            return replace(answer(network, task, settings), status=Status.PARTIAL, outcome=Outcome.INTERRUPTED)
        return answer(network, task, settings)

    monkeypatch.setattr(watching, "answer", stopped)
    tracker = polylc.track(small(), POINTS, 0.2, table=table, figure=tmp_path / "run.svg")
    tracker(0)
    with pytest.raises(KeyboardInterrupt):
        tracker(1)
    with table.open() as file:
        assert [(row["step"], row["neighbourhood"]) for row in csv.DictReader(file)] == [("0", "0"), ("0", "1"), ("0", "2"), ("1", "0"), ("1", "1")]
    assert [m["step"] for m in tracker.means()] == [0]
    tracker(2)
    assert [m["step"] for m in tracker.means()] == [0, 2]


def test_weights_that_are_no_longer_finite_do_not_end_the_training(tmp_path):
    net = small()
    tracker = polylc.track(net, POINTS, 0.2, table=tmp_path / "run.csv", figure=tmp_path / "run.png")
    tracker(0, loss=1.0)
    with torch.no_grad():
        net[0].weight[0, 0] = math.nan
    means = tracker(1, loss=math.nan)
    assert means["status"] == "refused 3"
    assert "regions" not in means
    assert "NaN" in tracker.rows[-1]["note"]
    assert len(read_history(tmp_path / "run.csv", 3).rows) == 6


def test_a_full_disk_does_not_end_the_training(monkeypatch, tmp_path):
    tracker = polylc.track(small(), POINTS, 0.2, table=tmp_path / "run.csv")
    tracker(0)
    before = (tmp_path / "run.csv").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(UserWarning, match="No space left on device"):
        tracker(1)
    assert (tmp_path / "run.csv").read_bytes() == before
    assert os.listdir(tmp_path) == ["run.csv"]
    assert len(tracker.rows) == 6
    with pytest.raises(OSError, match="No space"):
        replace_file(tmp_path / "run.csv", b"")


def test_steps():
    tracker = polylc.track(small(), POINTS[:1], 0.2, every=2)
    assert [tracker() is not None for _ in range(3)] == [True, False, True]
    assert tracker(np.int64(4))["step"] == 4
    assert tracker.record(5)["step"] == 5
    with pytest.raises(UsageError, match=r"step: 0 comes after 5; steps must increase \(leave the step out, and calls are counted\)"):
        tracker(0)
    with pytest.raises(UsageError, match=r"step: 6\.5 is not a whole number"):
        tracker(6.5)
    assert tracker(loss=torch.tensor(2.0))["loss"] == 2.0  # that was step 6


def test_bad_values_to_log():
    tracker = polylc.track(small(), POINTS[:1], 0.2)
    with pytest.raises(UsageError, match="regions: the table has a column of this name; give the value another"):
        tracker(regions=3)
    with pytest.raises(UsageError, match="loss_se: the table has a column of this name"):
        tracker(loss_se=0.1)
    with pytest.raises(UsageError, match=r"loss: 'low' is not a number; log numbers, such as loss.item\(\)"):
        tracker(loss="low")
    assert not tracker.rows


TABLE = "step,neighbourhood,status,seconds,note\n"
BAD = [
    ({"every": 0}, "every: 0 is not a number of steps"),
    ({"measures": "volume"}, "measures: 'volume' is unknown"),
    ({"draws": 5}, "draws: 5 draws of the bias noise are not possible; give sigma"),
    ({"sigma": 0.1, "draws": 1}, "draws: 1 draws"),
    ({"sigma": -1.0}, "sigma: -1.0 is not a positive number"),
    ({"points": [[0.0, math.inf]]}, "infinite|finite"),
    ({"points": [[0.0, 0.0], [0.0]]}, "points: row 1: "),
    ({"labels": [0, 1]}, "labels: 2 labels for 3 neighbourhoods"),
    ({"radius": None}, "give points and a radius, or a box"),
    ({"table": "run.txt"}, "table: run.txt has an ending that is not known; choose .csv or .json"),
    ({"table": "nowhere/run.csv"}, "table: nowhere/run.csv cannot be written; is its folder there"),
    ({"figure": "folder.png"}, "figure: folder.png is a folder; name a file"),
    ({"append": True}, "append: there is no table to go on with; give one"),
    ({"append": True, "table": "other.csv"}, "other.csv: this is not a table that polylc.track wrote"),
    ({"append": True, "table": "other.json"}, "other.json: this is not a table that polylc.track wrote"),
    ({"append": True, "table": "unordered.csv"}, "unordered.csv: its steps are not in order"),
    ({"append": True, "table": "large.csv"}, "large.csv: it has rows of neighbourhood 3, but 3 are given"),
    ({"model": nn.Sequential(nn.Linear(2, 2), nn.Tanh())}, "Tanh"),
    ({"engine": "fast"}, "engine: 'fast' is unknown"),
]


@pytest.mark.parametrize(("change", "message"), BAD, ids=lambda v: v if isinstance(v, str) else None)
def test_bad_input_is_one_clear_line(change, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "other.json").write_text("[1]")
    (tmp_path / "unordered.csv").write_text(TABLE + "3,0,certified,1.0,\n2,0,certified,1.0,\n")
    (tmp_path / "large.csv").write_text(TABLE + "3,3,certified,1.0,\n")
    arguments = {"model": small(), "points": POINTS, "radius": 0.2} | change
    with pytest.raises(PolylcError, match=message) as caught:
        polylc.track(**arguments)
    assert "\n" not in str(caught.value)
