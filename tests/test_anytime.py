"""Enclosures of enumerations that were stopped: each contains what the whole enumeration finds, and a larger limit
never widens it.

That what the whole enumeration finds is the truth, `test_partial_results.py` and others check by brute force.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from nasty import nasty_net

import polylc
from polylc.bounds.derivatives import everywhere
from polylc.domains import box as shapes
from polylc.domains.domain import Domain
from polylc.exact.quantity import Kind, Quantity
from polylc.network.form import Network
from polylc.report.result import Result
from polylc.run.neighbourhood import answer
from polylc.search.task import Settings, make_task

Ends = dict[str, tuple[float, float]]
SLACK = 1e-12  # of sums in doubles, each rounded outward by itself
MEASURES = ("counts", "local_complexity", "total_variation", "kink_variation", "local_rank", "lipschitz")


def ends_of(result: Result) -> Ends:
    """Both ends of every number that is enclosed, by name."""

    def pair(q: Quantity) -> tuple[float, float]:
        assert q.kind in (Kind.EXACT, Kind.ENCLOSURE)
        return q.lower, math.inf if q.upper is None else q.upper

    found = {f"lc {name}": pair(q) for name, q in (result.local_complexity or {}).items()}
    found |= {f"tv {name}": pair(q) for name, q in (result.total_variation or {}).items()}
    found |= {"kink": pair(result.kink_variation)} if result.kink_variation is not None else {}
    found |= {f"{c.target} {c.norm}": pair(c.quantity) for c in result.lipschitz or ()}
    for rank in result.local_rank or ():
        found[f"least rank {rank.layer}"], found[f"largest rank {rank.layer}"] = rank.least_between, rank.most_between
        if rank.mean is not None:
            found[f"mean rank {rank.layer}"] = pair(rank.mean)
    for name in ("regions", "affine_functions", "adjacencies"):
        value = getattr(result, name)
        if value is not None:
            found[name] = (value, value if result.complete else math.inf)
    return found


def inside(inner: Ends, outer: Ends, what: str) -> None:
    """Whether intervals lie in others of the same names, up to rounding."""
    for name, (low, high) in outer.items():
        assert name in inner, (what, name)
        slack = SLACK * (1 + abs(low) + (abs(high) if math.isfinite(high) else 0.0))
        assert inner[name][0] >= low - slack, (what, name, inner[name], (low, high))
        assert inner[name][1] <= high + slack, (what, name, inner[name], (low, high))


def drawn(rng: np.random.Generator) -> tuple[Network, Domain]:
    """A small awkward network, and a box or a plane."""
    n = int(rng.choice([1, 2, 2, 3]))
    network = nasty_net(rng, n, widest=5, deepest=3, slivers=True)
    if n == 3 and rng.random() < 0.5:
        return network, polylc.plane(network, *rng.normal(size=(3, 3)))
    radius = float(rng.choice([0.5, 1.0, 2.0]))
    return network, shapes.box([-radius] * n, [radius] * n)


def stops(seed: int) -> Counter[str]:
    """One network, stopped at several places; how many there were."""
    rng = np.random.default_rng(seed)
    while True:
        network, domain = drawn(rng)
        if (answer(network, make_task(network, 0, domain, None), Settings(("counts",))).regions or 0) > 5:
            break
    task = make_task(network, 0, domain, int(rng.integers(network.outputs)) if network.outputs > 1 and rng.random() < 0.5 else None)
    whole = answer(network, task, Settings(MEASURES))
    assert whole.regions is not None
    truth, before, seen = ends_of(whole), Ends(), Counter[str]()
    how = str(rng.choice(["regions", "stop"]))
    places = rng.integers(1, max(2, whole.regions), size=6) if how == "regions" else rng.integers(1, 20, size=5)
    for many in sorted({*places.tolist()}):
        calls = itertools.count()
        if how == "regions":
            result = answer(network, task, Settings(MEASURES, max_regions=many))
        else:
            result = answer(network, task, Settings(MEASURES), stop=lambda: next(calls) >= many)  # noqa: B023
        found = ends_of(result)
        inside(truth, found, f"stop {many}")
        if how == "regions":  # a stop that comes later may fall into work that is begun anew
            inside(found, before, f"stop {many} after a sooner one")
        before = found
        seen[str(result.status)] += 1
        seen["enclosed"] += any(low < high < math.inf for low, high in found.values())
    return seen


def some_stops(seeds: range) -> Counter[str]:
    seen = Counter[str]()
    for seed in seeds:
        try:
            seen += stops(seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    return seen


def test_enclosures_contain_the_whole_and_shrink():
    seen = some_stops(range(12))
    assert seen["partial"] > 10
    assert seen["enclosed"] > 10


@pytest.mark.parametrize("seed", [137, 208, 292, 341])
def test_stops_that_once_widened(seed):
    """Spectral norms to 1e-10 where bounds were exact, slivers enclosed in doubles, claims that are false of a part."""
    assert stops(seed)["partial"]


@pytest.mark.slow
def test_enclosures_contain_the_whole_and_shrink_500_times():
    assert some_stops(range(100, 320))["partial"] > 500


@pytest.mark.parametrize("seed", range(20))
def test_what_holds_everywhere_holds_in_every_region(seed):
    rng = np.random.default_rng(seed)
    network, domain = drawn(rng)
    margins = [(i, j) for i in range(network.outputs) for j in range(network.outputs) if i != j]
    bound = everywhere(network, domain, margins)
    assert bound is not None
    complex_ = answer(network, make_task(network, 0, domain, None), Settings(("counts",))).complex
    assert complex_ is not None
    patterns = complex_.patterns()
    assert not (~bound.open & (patterns != patterns[0])).any(), "a neuron that is not open has both signs"
    for _, jacobians in complex_.jacobians():
        for (first, second), most in bound.sizes.items():
            found = jacobians[:, first] - (jacobians[:, second] if second is not None else 0)
            assert (np.abs(found) <= most * (1 + 1e-9) + 1e-9).all()
