"""Work units: what is found in the cells that an engine leaves, put together, is what it finds alone, to the last
bit.
"""

from __future__ import annotations

import pickle
import time
from concurrent.futures import BrokenExecutor, Executor, Future

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import SPECIAL, quarter_net, random_net, sliver_nets, small_nets, zero_bias_net

from polylc import checker
from polylc.api.certify import certify
from polylc.api.neighbourhoods import make_tasks
from polylc.domains.box import Neighbourhood, box
from polylc.engines.choose import engine_class
from polylc.engines.contract import Exploration, Limits, Outcome, check_contract
from polylc.errors import ReplayError
from polylc.judge.by_node import Judge
from polylc.judge.verdict import Verdict
from polylc.network.form import Network
from polylc.network.patterns import unpack
from polylc.report.run import Run
from polylc.run.neighbourhood import answer
from polylc.search import crew as pool
from polylc.search.task import Settings
from polylc.search.units import Job, explore_together, explore_unit

ENGINES = ["vertex", "dictionary", "lp"]


class Here(Executor):
    """Does the work at once, with arguments and results sent as to another process; shares at the nth time it is
    asked.
    """

    def __init__(self, asked: int = 0, fail: dict[int, BaseException] | None = None) -> None:
        self.asked, self.fail, self.calls = asked, fail or {}, 0

    jobs = 2

    def wanted(self, lasted: float, done: float) -> bool:
        self.asked -= 1
        return self.asked < 0

    def submit(self, function, /, *arguments, **_):
        future: Future = Future()
        self.calls += 1
        if self.calls in self.fail:
            future.set_exception(self.fail[self.calls])
        else:
            left = function.__code__.co_argcount - len(arguments)  # `stop`, which crews add, but executors are given
            arguments = pickle.loads(pickle.dumps((*arguments, *[None] * left)))
            future.set_result(pickle.loads(pickle.dumps(function(*arguments))))
        return future

    def stop(self) -> None:
        pass

    def alive(self) -> bool:
        return True


class Never(Here):
    """Takes work and does not do it."""

    def submit(self, function, /, *arguments, **_):
        return Future()


def unit_box(network: Network) -> Neighbourhood:
    return box([-1] * network.inputs, [1] * network.inputs)


def together(engine: str, network: Network, crew: Here, judge: Judge | None = None, limits: Limits | None = None, progress=None) -> Exploration:
    return explore_together(network, unit_box(network), engine, limits or Limits(), progress, judge, crew)


def alone(engine: str, network: Network, judge: Judge | None = None, prefix=()) -> Exploration:
    return engine_class(engine)(network, unit_box(network), judge, prefix).explore()


def judged(network: Network, explore) -> Verdict:
    judge = Judge(network, unit_box(network), keep=True)
    return judge.verdict(explore(judge))


def assert_same_regions(one: Exploration, other: Exploration) -> None:
    """The same regions in the same order, with the same points and paths."""
    for a, b in zip((one.bits, one.unit, *one.paths()), (other.bits, other.unit, *other.paths()), strict=True):
        np.testing.assert_array_equal(a, b)


def assert_same(engine: str, network: Network, asked: int) -> int:
    """Shared or not, all is the same; the number of units."""
    shared = together(engine, network, Here(asked))
    check_contract(network, unit_box(network), shared)
    assert_same_regions(alone(engine, network), shared)
    whole = judged(network, lambda judge: alone(engine, network, judge))
    units = judged(network, lambda judge: together(engine, network, Here(asked), judge))
    assert_same_regions(whole.exploration, units.exploration)
    np.testing.assert_array_equal(whole.exploration.parent, units.exploration.parent)
    assert whole.kept == units.kept
    assert whole.points.exact == units.points.exact
    assert units.exploration.complete
    return shared.stats.get("units", 0)


@pytest.fixture(params=ENGINES)
def engine(request, monkeypatch):
    """An engine that leaves cells of depth 4, so that small networks have some."""
    monkeypatch.setattr(engine_class(request.param), "unit_depth", 4)
    return request.param


# ---- the same as alone -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("asked", [0, 1])
@pytest.mark.parametrize(
    "network",
    [random_net([2, 9, 8, 2], 0), random_net([3, 8, 6, 2], 1, negative_slope=0.25), quarter_net([3, 6, 5, 1], 3), zero_bias_net([3, 7, 5, 1], 0)],
    ids=["plain", "leaky", "ties", "cones"],
)
def test_units_find_what_one_engine_finds(engine, network, asked):
    assert assert_same(engine, network, asked) > (4 if asked == 0 else -1)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("name", SPECIAL)
def test_special_position(engine, name, depth, monkeypatch):
    monkeypatch.setattr(engine_class(engine), "unit_depth", depth)
    assert_same(engine, SPECIAL[name], 0)


@given(st.one_of(small_nets(), sliver_nets()), st.sampled_from(ENGINES), st.integers(0, 4), st.integers(0, 3))
def test_any_depth_and_any_moment(network, engine, depth, asked):
    kind = engine_class(engine)
    before = kind.unit_depth
    kind.unit_depth = depth
    try:
        assert_same(engine, network, asked)
    finally:
        kind.unit_depth = before


@given(st.one_of(small_nets(), sliver_nets()), st.sampled_from(ENGINES), st.randoms(use_true_random=False))
def test_cells_across_the_tree_hold_its_regions_once(network, engine, random):
    """Cut the tree anywhere: engines sent to the cells find its regions, each once, in the order of the tree."""
    whole = alone(engine, network)
    children: dict[int, list[int]] = {}
    for node, parent in enumerate(whole.parent.tolist()):
        children.setdefault(parent, []).append(node)
    below = {node: [] for node in range(len(whole.parent))}
    for region, leaf in enumerate(whole.leaf.tolist()):
        node = leaf
        while node >= 0:
            below[node].append(region)
            node = int(whole.parent[node])
    stack, found = [(0, ())], []
    while stack:
        node, prefix = stack.pop()
        if node in children and random.random() < 0.6:
            stack += [(c, (*prefix, (int(whole.neuron[c]), int(whole.side[c])))) for c in children[node]]
            continue
        cell = alone(engine, network, prefix=prefix)
        check_contract(network, unit_box(network), cell)
        np.testing.assert_array_equal(cell.bits, whole.bits[below[node]])
        np.testing.assert_array_equal(cell.unit, whole.unit[below[node]])
        found += below[node]
    assert sorted(found) == list(range(len(whole.leaf)))


@pytest.mark.parametrize("piece", [1, 7, 100])
def test_paths_are_the_same_in_pieces(engine, piece, monkeypatch):
    whole = alone(engine, random_net([2, 9, 8, 2], 0))
    at_once = whole.paths()
    monkeypatch.setattr("polylc.engines.contract.PIECE", piece)
    for a, b in zip(whole.paths(), at_once, strict=True):
        np.testing.assert_array_equal(a, b)
    # by the parents, leaf by leaf
    for region, leaf in enumerate(whole.leaf.tolist()):
        path, node = [], leaf
        while node > 0:
            path.append((int(whole.neuron[node]), int(whole.side[node])))
            node = int(whole.parent[node])
        here = slice(*at_once[0][region : region + 2].tolist())
        assert list(zip(at_once[1][here].tolist(), at_once[2][here].tolist(), strict=True)) == path[::-1]


def test_a_cell_that_is_not_there_is_not_found(engine):
    network = random_net([2, 9, 8, 2], 0)
    whole = alone(engine, network)
    with pytest.raises(ReplayError):
        alone(engine, network, prefix=((int(whole.neuron[1]) + 1, 0),))
    region = int(np.argmin(whole.paths()[0][1:] - whole.paths()[0][:-1]))
    starts, neuron, side = whole.paths()
    path = list(zip(neuron[starts[region] : starts[region + 1]].tolist(), side[starts[region] : starts[region + 1]].tolist(), strict=True))
    assert len(alone(engine, network, prefix=path).leaf) == 1
    with pytest.raises(ReplayError):
        alone(engine, network, prefix=[*path, (0, 0)])


# ---- through certify -------------------------------------------------------------------------------------------------
def reported(run) -> dict:
    report = run.report().model_dump(exclude={"summary"})
    for entry in report["neighbourhoods"]:
        entry["seconds"] = 0
    return report


@pytest.mark.parametrize("network", [random_net([2, 10, 8, 3], 4), quarter_net([2, 8, 6, 2], 2)], ids=["plain", "ties"])
def test_reports_and_proofs_are_the_same(engine, network, tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "PATIENCE", -1.0)
    monkeypatch.setattr(pool, "LARGE", -1.0)
    runs = [
        certify(network, [0.25, 0.0], radius=1, engine=engine, proof=tmp_path / f"{name}.proof", executor=executor)
        for name, executor in (("alone", None), ("units", Here()))
    ]
    assert runs[1][0].stats["units"] > 1
    assert reported(runs[0]) == reported(runs[1])
    assert (tmp_path / "alone.proof").read_bytes() == (tmp_path / "units.proof").read_bytes()
    checker.check_file(tmp_path / "units.proof")


def test_other_processes_find_the_same(monkeypatch):
    for limit in ("PATIENCE", "WORTH", "LARGE"):
        monkeypatch.setattr(pool, limit, -1.0)
    network = random_net([2, 24, 16, 2], 0)
    with pool.ProcessCrew(2) as crew:
        while not crew.wanted(1.0, 0.5):  # they start
            time.sleep(0.05)
        for engine in ENGINES:
            settings = Settings()
            (task,) = make_tasks(network, [0.0, 0.0], 1, None, None, None, engine)
            one, two = answer(network, task, settings), answer(network, task, settings, crew=crew)
            assert two.stats["units"] > 8
            assert reported(Run(network, [one], 0.0)) == reported(Run(network, [two], 0.0))
            assert_same_columns(one.complex, two.complex)


def assert_same_columns(one, two) -> None:
    for name in ("bits", "unit", "starts", "neuron", "side"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_little_work_never_waits_for_processes(monkeypatch):
    def never(*_, **__):
        raise AssertionError("a process was started")

    monkeypatch.setattr(pool, "ProcessPoolExecutor", never)
    run = certify(random_net([2, 8, 6, 2], 0), np.zeros((5, 2)), radius=1, jobs=2)
    assert [r.status for r in run] == ["certified"] * 5


# ---- limits, interrupts, accidents -----------------------------------------------------------------------------------
NETWORK = random_net([3, 9, 8, 2], 2)


def assert_part(verdict: Verdict, outcome: Outcome, least: int) -> None:
    """A verdict on some of NETWORK's regions, all of them true."""
    everything = {tuple(p) for p in unpack(alone("lp", NETWORK).bits, NETWORK.neurons).tolist()}
    found = [tuple(p) for p in unpack(verdict.exploration.bits, NETWORK.neurons).tolist()]
    assert verdict.exploration.outcome is outcome
    assert len(set(found)) == len(found)
    assert set(found) <= everything
    assert least <= len(found) < len(everything)


def test_time_runs_out(engine):
    limits = Limits(deadline=time.monotonic() + 1.0)
    verdict = judged(NETWORK, lambda judge: together(engine, NETWORK, Never(), judge, limits))
    assert_part(verdict, Outcome.TIME_LIMIT, 0)


def test_ctrl_c_keeps_what_was_found(engine):
    units: list[int] = []
    reports: list[int] = []

    def progress(regions: int, share: float) -> None:
        if units:  # the top is done
            reports.append(regions)
        if len(reports) >= 4:
            raise KeyboardInterrupt

    class Few(Here):
        def submit(self, function, /, *arguments, **_):
            units.append(1)
            return super().submit(function, *arguments) if len(units) <= 5 else Future()

    verdict = judged(NETWORK, lambda judge: together(engine, NETWORK, Few(), judge, None, progress))
    assert_part(verdict, Outcome.INTERRUPTED, 4)


def test_a_limit_on_regions_counts_in_the_order_of_the_search(engine):
    crew = Here()
    found = together(engine, NETWORK, crew, limits=Limits(regions=25))
    assert crew.calls == 0
    assert (len(found.leaf), found.outcome) == (25, Outcome.REGION_LIMIT)


@pytest.mark.parametrize("error", [ReplayError("elsewhere"), BrokenExecutor("gone")])
def test_units_that_fail_elsewhere_are_done_here(engine, error):
    whole = alone(engine, NETWORK)
    crew = Here(fail={1: error, 3: error})
    assert_same_regions(whole, together(engine, NETWORK, crew))
    assert crew.calls > 3


def test_dead_processes_cost_nothing_but_time(monkeypatch):
    class Dead:
        def __init__(self, *_, **__):
            pass

        def submit(self, *_):
            raise BrokenExecutor("dead")

        def shutdown(self, **_):
            pass

    for limit in ("PATIENCE", "WORTH", "LARGE"):
        monkeypatch.setattr(pool, limit, -1.0)
    monkeypatch.setattr(pool, "ProcessPoolExecutor", Dead)
    for points in ([[0.0, 0.0, 0.0]], np.eye(3)):  # shared in units, and spread
        runs = [certify(NETWORK, points, radius=1, jobs=jobs) for jobs in (1, 2)]
        assert reported(runs[0]) == reported(runs[1])


def test_a_unit_reports_how_it_ended(engine):
    """A limit inside a unit makes the whole partial."""
    whole = alone(engine, NETWORK)
    prefix = ((int(whole.neuron[1]), int(whole.side[1])),)
    job = Job(NETWORK, unit_box(NETWORK), engine, True, False)
    assert explore_unit(job, prefix, Limits(stop=lambda: True)).exploration.outcome is Outcome.INTERRUPTED
    assert explore_unit(job, prefix).exploration.complete
