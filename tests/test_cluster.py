"""A cluster of dask finds what one process finds, to the last bit, also when workers die."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest
from nets import random_net
from random_queries import network_of, questions
from test_jobs import distances, told
from test_journal import reported
from typer.testing import CliRunner

import polylc
from polylc.cli.main import app
from polylc.engines.choose import engine_class
from polylc.errors import UsageError
from polylc.network.form import Network
from polylc.search import crew as pool
from polylc.search import prove, refute
from polylc.search.cluster import ClusterExecutor

distributed = pytest.importorskip("distributed")

POINTS = np.random.default_rng(0).integers(-8, 9, (6, 2)) / 16


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as found:
        yield found


@pytest.fixture
def early(monkeypatch):
    """Work is shared at once."""
    for name in ("PATIENCE", "WORTH", "LARGE"):
        monkeypatch.setattr(pool, name, -1.0)


@pytest.fixture
def at_once(early, monkeypatch):
    """In small units, too; workers that are given whole searches know nothing of this."""
    for module, values in ((prove, {"TOP": 8, "UNIT": 3, "BUDGET": 6}), (refute, {"BATCH": 2})):
        for name, value in values.items():
            monkeypatch.setattr(module, name, value)


def test_one_tree_and_many_neighbourhoods(cluster, at_once, tmp_path):
    network = random_net([2, 20, 16, 3], 0)
    with ClusterExecutor(cluster.scheduler_address) as workers:
        assert workers.jobs == 2
        for points in (POINTS[:1], POINTS):
            one = polylc.certify(network, points, radius=1, proof=tmp_path / "one")
            two = polylc.certify(network, points, radius=1, proof=tmp_path / "two", executor=workers)
            assert len(points) > 1 or two[0].stats["units"] > 8
            assert reported(one) == reported(two)
            assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_search_and_estimates(cluster, at_once):
    with ClusterExecutor(cluster.scheduler_address) as workers:
        for question in questions(network_of(3), 3, 4, 2):
            one, two = polylc.verify(question), polylc.verify(question, executor=workers)
            assert (one.result, one.assignment) == (two.result, two.assignment)
            assert one.statistics.get("cells") == two.statistics.get("cells")
        asked = {"methods": "lines,patterns", "samples": 64}
        one, two = (polylc.estimate(random_net([2, 8, 2], 1), POINTS, 1, **asked, executor=e) for e in (None, workers))
        assert [[(e.value, e.lower, e.upper) for e in one_.estimates] for one_ in one] == [
            [(e.value, e.lower, e.upper) for e in two_.estimates] for two_ in two
        ]


def test_distances_of_many_points(cluster, early, tmp_path):
    network, points = random_net([3, 9, 8, 3], 5), np.random.default_rng(0).integers(-8, 9, (4, 3)) / 8
    with ClusterExecutor(cluster.scheduler_address) as workers:
        one, two = polylc.distance(network, points, 2), polylc.distance(network, points, 2, executor=workers, run=tmp_path / "run")
    again = polylc.distance(network, points, 2, run=tmp_path / "run")
    assert distances(one) == distances(two) == distances(again)
    assert [d.seconds for d in two] == [d.seconds for d in again]  # as it was kept


def test_a_distance_in_units(cluster, at_once):
    network, point = random_net([3, 9, 8, 3], 5), [[1, 0, -1]]
    with ClusterExecutor(cluster.scheduler_address) as workers:
        assert distances(polylc.distance(network, point, 2)) == distances(polylc.distance(network, point, 2, executor=workers))


def test_comparisons(cluster, at_once, tmp_path):
    pytest.importorskip("torch")
    asked = {"methods": "lines,patterns", "samples": 64, "draws": 2}
    with ClusterExecutor(cluster.scheduler_address) as workers:
        one, two = (polylc.compare(random_net([2, 8, 2], 1), POINTS, 1, **asked, executor=e) for e in (None, workers))
    assert told(one) == told(two)


def test_a_journal_on_a_cluster_goes_on_without_it(cluster, at_once, tmp_path):
    network = random_net([2, 20, 16, 3], 0)
    with ClusterExecutor(cluster.scheduler_address) as workers:
        one = polylc.certify(network, POINTS, radius=1, executor=workers, run=tmp_path / "run")
    assert reported(polylc.certify(network, POINTS, radius=1, run=tmp_path / "run")) == reported(one)


def test_a_network_is_sent_once(cluster):
    with ClusterExecutor(cluster.scheduler_address) as workers:
        network = random_net([2, 200, 200, 2], 1)
        futures = [workers.submit(_neurons, network) for _ in range(8)]
        assert {future.result() for future in futures} == {400}
        assert len(workers._sent) == 1


def _neurons(network: Network) -> int:
    return network.neurons


def test_a_worker_that_is_killed_costs_time_only(at_once, monkeypatch):
    monkeypatch.setattr(engine_class("vertex"), "unit_depth", 8)
    network = random_net([3, 24, 20, 2], 0)
    one = polylc.certify(network, [0, 0, 0], radius=1, measures="counts")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as own,
        ClusterExecutor(own.scheduler_address) as workers,
    ):
        pids = [worker.process.pid for worker in own.workers.values()]

        def kill() -> None:
            time.sleep(1.0)
            os.kill(pids[0], signal.SIGKILL)

        threading.Thread(target=kill, daemon=True).start()
        two = polylc.certify(network, [0, 0, 0], radius=1, measures="counts", executor=workers)
    assert reported(one) == reported(two)


def test_a_cluster_that_is_not_there_is_one_line(data, monkeypatch):
    from polylc.search import cluster as module

    monkeypatch.setattr(module, "SECONDS", 0.5)
    with pytest.raises(UsageError, match=r"cluster: no scheduler at tcp://127\.0\.0\.1:9"):
        ClusterExecutor("tcp://127.0.0.1:9")
    model = str(next(data.glob("*.npz")))
    with np.load(model) as arrays:
        center = ",".join(["0.1"] * arrays["W0"].shape[1])
    shown = CliRunner().invoke(app, ["certify", model, "--center", center, "--radius", "0.01", "--cluster", "nowhere"])
    assert shown.exit_code == 2
    assert "no scheduler at nowhere" in shown.stderr


def test_a_cluster_on_the_command_line(cluster, data):
    model = str(data / "moons2d.npz")
    command = ["certify", model, "--center", "0.1,0.1", "--radius", "0.1", "--measures", "counts", "--json", "-"]
    outputs = [CliRunner().invoke(app, [*command, *more]).stdout for more in ([], ["--cluster", cluster.scheduler_address])]
    assert outputs[0].split('"seconds"')[0] == outputs[1].split('"seconds"')[0]
