"""Numbers far from 1: a network and a neighbourhood times powers of two have the same regions, and measures times
powers of two. What doubles cannot hold is missing with a reason; nothing is wrong, and nothing is said on stderr.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest
from nets import quarter_net, random_net, zero_bias_net

import polylc
from polylc.domains.ball import ball
from polylc.errors import NeighbourhoodError
from polylc.exact.quantity import Kind, Quantity
from polylc.network.form import Network, chain
from polylc.report.result import Result
from polylc.search.enumerate import enumerate_regions


def shifted(array: np.ndarray, power: int) -> np.ndarray:
    """2^power times an array.

    Raises
    ------
    OverflowError
        If that is no array of doubles.
    """
    with np.errstate(all="ignore"):
        result = np.ldexp(array, power)
        if not (np.isfinite(result).all() and (np.ldexp(result, -power) == array).all()):
            raise OverflowError
    return result


def scaled(network: Network, by: int, outer: int, hidden: list[int]) -> Network:
    """x -> 2^outer f(x / 2^by), where layer l's outputs are 2^hidden[l] times what they were."""
    sizes = [by, *hidden, outer]
    affines = [*(layer.affine for layer in network.layers), network.output]
    weights = [shifted(a.terms[0][1], to - of) for a, (of, to) in zip(affines, itertools.pairwise(sizes), strict=True)]
    return chain(weights, [shifted(a.bias, to) for a, to in zip(affines, sizes[1:], strict=True)])


def numbers(result: Result) -> Iterable[tuple[str, Quantity, int, int]]:
    """Quantities, and by which powers of the scales of outputs and inputs they grow."""
    for name, q in (result.local_complexity or {}).items():
        yield f"local complexity {name}", q, 0, -1
    for name, q in (result.total_variation or {}).items():
        yield f"total variation {name}", q, 1, -1
    if result.kink_variation is not None:
        yield "kink variation", result.kink_variation, 1, -2
    for c in result.lipschitz or ():
        yield f"lipschitz {c.target} {c.norm}", c.quantity, 1, -1
    for r in result.local_rank or ():
        if r.mean is not None:
            yield f"rank {r.layer}", r.mean, 0, 0
    if result.robustness is not None and result.robustness.distance_quantity is not None:
        yield "distance", result.robustness.distance_quantity, 0, 1


def same(plain: Result, far: Result, outer: int, by: int) -> Counter[str]:
    """Whether two results agree up to the scales; what was there, and what was missing."""
    seen: Counter[str] = Counter()
    assert (far.status, far.regions, far.label) == (plain.status, plain.regions, plain.label)
    assert (far.pieces, far.affine_functions, far.adjacencies) == (plain.pieces, plain.affine_functions, plain.adjacencies)
    for found in (plain, far):
        assert [(r.least, r.most) for r in found.local_rank or ()] == [(r.least, r.most) for r in plain.local_rank]
    if far.robustness is not None:
        assert far.robustness.robust == plain.robustness.robust
    expected = {name: (q, power * outer + inner * by) for name, q, power, inner in numbers(plain)}
    for name, q, _, _ in numbers(far):
        before, power = expected.pop(name)
        with np.errstate(over="ignore", under="ignore"):
            low, high = np.ldexp([before.lower, np.inf if before.upper is None else before.upper], power)
        seen["there"] += 1
        assert not np.isnan(q.lower), name
        if q.kind is Kind.FLOAT:
            assert q.lower == pytest.approx(low, rel=1e-6, abs=1e-290), (name, q, low)
            continue
        assert q.lower <= high, (name, q, low, high)
        assert q.upper is None or q.upper >= low, (name, q, low, high)
        wide = q.upper is None or (q.upper - q.lower > 1e-6 * q.upper and q.upper > 1e-290)
        seen["wide"] += wide and before.upper is not None
    for name in expected:
        assert far.notes, name
        seen["missing"] += 1
    return seen


def tried(seed: int) -> Counter[str]:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 4))
    widths = [n, *rng.integers(2, 5, size=int(rng.integers(1, 3))).tolist(), int(rng.integers(1, 4))]
    network = (random_net, quarter_net, zero_bias_net)[seed % 3](widths, seed)
    most = int(rng.choice([30, 200, 480, 700]))
    by, outer, *hidden = (int(v) for v in rng.integers(-most, most + 1, size=len(widths)))
    if rng.random() < 0.5:
        by = 0
    centre, radius = rng.integers(-8, 9, size=n) / 8, float(rng.integers(1, 9)) / 4
    certified = bool(rng.random() < 0.6)
    results = []
    try:
        far_net = scaled(network, by, outer, hidden)
    except OverflowError:
        return Counter({"no network": 1})
    for net, size in ((network, 0), (far_net, by)):
        try:
            run = polylc.certify(net, [np.ldexp(centre, size).tolist()], radius=float(np.ldexp(radius, size)), certified=certified)
        except NeighbourhoodError:
            assert abs(size) > 490  # beyond what neighbourhoods may be
            return Counter({"refused": 1})
        run.report().model_dump_json()
        run._repr_html_()
        run.to_frame()
        run[0].to_frame()
        run[0].graph()
        results.append(run[0])
    return same(*results, outer, by)


def try_all(seeds: Iterable[int]) -> Counter[str]:
    seen: Counter[str] = Counter()
    for seed in seeds:
        try:
            seen += tried(seed)
        except (AssertionError, RuntimeWarning) as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    return seen


def test_scales_change_nothing_else():
    seen = try_all((*range(24), 53, 96, 373))
    assert seen["there"] > 200
    assert seen["wide"] == 0


@pytest.mark.parametrize("engine", ["vertex", "dictionary", "lp"])
@pytest.mark.parametrize("power", [-900, -600, 520, 900])
def test_engines_lose_nothing_to_squares_that_are_no_doubles(engine, power):
    network, domain = random_net([3, 4, 3], 5), ball([0, 0, 0], 1)
    far = scaled(network, 0, 0, [power])
    assert len(enumerate_regions(far, domain, engine)[0]) == len(enumerate_regions(network, domain, engine)[0]) == 8


@pytest.mark.slow
def test_scales_change_nothing_else_many_times():
    assert try_all(range(1000, 4000))["there"] > 20_000
