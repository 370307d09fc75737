"""Volumes in proof files: the checker recomputes them from vertices, agrees with the report, and refuses what is
damaged.
"""

from __future__ import annotations

import copy
import gzip
import json
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import SPECIAL, braid_net, l1_net, quarter_net, random_net, small_nets
from oracles import clip_regions

from polylc import checker
from polylc.api.certify import certify
from polylc.domains.box import box
from polylc.network.form import Network


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("volumes") / "one.proof"


def proof(network: Network, path: Path, **options) -> tuple[Any, list[Any]]:
    """A result and the lines of its proof."""
    n = network.inputs
    result = certify(network, box=([-1] * n, [1] * n), proof=path, exact_volumes=True, **options)[0]
    return result, [json.loads(line) for line in gzip.open(path)]


def check(lines: list[Any], path: Path) -> checker.Verified:
    path.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode(), 1))
    return checker.check_file(path)[0]


@settings(max_examples=20)
@given(small_nets())
def test_networks_with_ties_are_verified(path, network):
    result, lines = proof(network, path)
    found = check(lines, path)
    assert found.volumes is not None
    known = {
        "kink variation frobenius": result.kink_variation,
        "total variation frobenius": result.total_variation["frobenius"],
        **{f"local complexity {name}": result.local_complexity[name] for name in ("activation", "activation_set", "function")},
    }
    assert {w.name: (float(w.lower), float(w.upper)) for w in found.volumes} == {name: (q.lower, q.upper) for name, q in known.items()}


@pytest.mark.parametrize("network", [*SPECIAL.values(), l1_net(4), braid_net(4), random_net([4, 4, 3, 1], 0), random_net([3, 6, 3], 1)])
def test_other_networks_are_verified(path, network):
    assert check(proof(network, path)[1], path).volumes


def test_what_is_weighed_in_the_plane_equals_the_clipper(path):
    network = quarter_net([2, 5, 4, 1], 4)
    cells = clip_regions(network, box([-1, -1], [1, 1]))
    found = {w.name: w for w in check(proof(network, path)[1], path).volumes or ()}
    squares = [sum((v * v for v in c.output[0][:-1]), F(0)) for c in cells]
    roots = [F(low, 1 << bits) for low, _, bits in (checker._root(*square.as_integer_ratio()) for square in squares)]
    exact = sum((c.area() * root for c, root in zip(cells, roots, strict=True)), F(0)) / 4
    assert found["total variation frobenius"].lower <= exact + F(1, 2**60)
    assert exact <= found["total variation frobenius"].upper


@pytest.fixture(scope="module")
def lines(tmp_path_factory) -> list[Any]:
    return proof(random_net([3, 4, 3, 2], 5), tmp_path_factory.mktemp("lines") / "p")[1]


def regions(lines: list[Any]) -> list[Any]:
    return [line for line in lines if isinstance(line, list) and line[0] == "R"]


def refused(lines: list[Any], path: Path, match: str, error: type[Exception] = checker.Refused) -> None:
    with pytest.raises(error, match=match):
        check(lines, path)


def test_every_vertex_is_needed(lines, path):
    for r, region in enumerate(regions(lines)[:4]):
        for v in range(len(region[6])):
            damaged = copy.deepcopy(lines)
            del regions(damaged)[r][6][v]
            refused(damaged, path, "do not sum")


def test_moved_vertices_are_refused(lines, path):
    for r, region in enumerate(regions(lines)[:4]):
        for v, (den, *x) in enumerate(region[6]):
            for j in range(len(x)):
                damaged = copy.deepcopy(lines)
                regions(damaged)[r][6][v] = [den * 1024, *(1024 * a for a in x)]
                regions(damaged)[r][6][v][1 + j] += den
                refused(damaged, path, "outside its region|do not sum")
                regions(damaged)[r][6][v][1 + j] -= 2 * den
                refused(damaged, path, "outside its region|do not sum")


def test_vertices_of_another_region_are_refused(lines, path):
    damaged = copy.deepcopy(lines)
    first, second = regions(damaged)[:2]
    first[6], second[6] = second[6], first[6]
    refused(damaged, path, "outside its region")


def test_more_points_do_no_harm(lines, path):
    """Points of the closed region that are no vertices: an inner one, and the middle of an edge."""
    more = copy.deepcopy(lines)
    for region in regions(more):
        (den, *x), (other, *y) = region[6][0], region[6][1]
        region[6].insert(0, [2 * den * other, *(a * other + b * den for a, b in zip(x, y, strict=True))])
        region[6].insert(0, region[2])
    assert check(more, path).volumes == check(lines, path).volumes


def test_bounds_that_miss_are_refused(lines, path):
    (opening,) = [line for line in lines if isinstance(line, dict) and "neighbourhood" in line]
    for kind, bounds in opening["volumes"].items():
        assert bounds
        for name, (low, high) in bounds.items():
            for wrong in ([str(F(low) * F(999, 1000)), str(F(low) * F(9999, 10000))], [str(F(high) * F(1001, 1000)), str(F(high) * 2)]):
                damaged = copy.deepcopy(lines)
                next(line for line in damaged if isinstance(line, dict) and "volumes" in line)["volumes"][kind][name] = wrong
                refused(damaged, path, f"{name} is not between its bounds")
            wider = copy.deepcopy(lines)
            next(line for line in wider if isinstance(line, dict) and "volumes" in line)["volumes"][kind][name] = ["0", str(F(high) * 2)]
            assert check(wider, path).volumes


def test_malformed_parts_are_unreadable(lines, path):
    def opening(damaged: list[Any]) -> Any:
        return next(line for line in damaged if isinstance(line, dict) and "neighbourhood" in line)

    for change, match in (
        (lambda d: opening(d)["parts"].remove("volumes"), "only then"),
        (lambda d: opening(d).pop("volumes"), "only then"),
        (lambda d: opening(d)["volumes"]["total_variation"].update(spectral=["0", "9"]), "is not known"),
        (lambda d: opening(d)["volumes"]["total_variation"].update({"f0-f7": ["0", "9"]}), "no margin"),
        (lambda d: opening(d)["volumes"].pop("kink_variation"), "exactly the keys"),
        (lambda d: regions(d)[0].pop(), "a region R"),
        (lambda d: regions(d)[0][6][0].pop(), "a list of integers"),
        (lambda d: regions(d)[0][6][0].__setitem__(0, 0), "points"),
        (lambda d: opening(d)["volumes"].__setitem__("kink_variation", ["0", "1"]), "an object with bounds"),
    ):
        damaged = copy.deepcopy(lines)
        change(damaged)
        refused(damaged, path, match, checker.Unreadable)


@given(st.integers(0, 5), st.integers(0, 10**6))
def test_determinants(size, seed):
    import numpy as np

    matrix = np.random.default_rng(seed).integers(-3, 4, size=(size, size))
    assert checker._determinant(matrix.tolist()) == round(np.linalg.det(matrix))


def test_a_few_wide_terms_are_mended_and_an_even_spread_is_left():
    """The width of many equal terms is out of reach; a wide one among them is not."""
    from polylc.measures.by_volume.enclosures import MOST_ANEW, WIDTH, narrowed

    def run(wide: int, spread: float) -> tuple[int, float]:
        terms = np.ones((20 * MOST_ANEW, 2))
        terms[:, 1] += spread
        terms[:wide, 1] += 1e-3
        asked = []

        def anew(i: int) -> None:
            asked.append(i)
            terms[i] = 1.0

        found = narrowed(lambda: terms, anew)
        assert found.lower <= len(terms) <= found.upper
        return len(asked), (found.upper - found.lower) / found.lower

    assert run(0, 0.5 * WIDTH) == (0, pytest.approx(0.5 * WIDTH, rel=1e-3))
    assert run(0, 3 * WIDTH) == (0, pytest.approx(3 * WIDTH, rel=1e-3))
    assert run(5, 0.5 * WIDTH)[0] == 5
    asked, width = run(5, 3 * WIDTH)
    assert asked == 5
    assert width < 3.1 * WIDTH
    asked, width = run(MOST_ANEW // 2, 0.0)
    assert asked <= MOST_ANEW // 2
    assert width <= WIDTH
