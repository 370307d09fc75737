"""Partial results state only what is proved: every number that is given holds against brute force over all patterns.

Work is stopped at random places: a number of regions, a stop asked for at some call, a deadline or Ctrl-C at some
checkpoint.
"""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction as F

import numpy as np
import pytest
from nasty import nasty_net
from oracles import Form, Region, box_forms, brute_force_adjacent, brute_force_regions, exact_volume, value
from scipy.optimize import linprog

from polylc.domains import box as shapes
from polylc.domains.ball import ball
from polylc.domains.box import Neighbourhood
from polylc.exact import checkpoint
from polylc.exact.quantity import Kind, Quantity
from polylc.measures.registry import ALL
from polylc.measures.rest import Rest
from polylc.network.form import Network, chain
from polylc.report.result import Result
from polylc.report.run import Run
from polylc.report.status import Status
from polylc.run.neighbourhood import answer
from polylc.search.task import Settings, make_task

NORMS = {"linf": 1, "l2": 2, "l1": math.inf}  # the dual norm of a gradient
INDUCED = {"linf": math.inf, "l2": 2, "l1": 1}
NEAR = 1e-9  # of floats computed here; what is counted or decided is compared exactly


def signed(region: Region) -> list[Form]:
    """The forms of its neurons, non-negative on the region."""
    return [f if on else tuple(-v for v in f) for f, on in zip(region.hidden, region.bits, strict=True)]


@dataclass
class Truth:
    """All regions of a chain on a box, and what follows from them, by brute force."""

    network: Network
    domain: Neighbourhood
    label: int | None

    def __post_init__(self) -> None:
        self.regions = brute_force_regions(self.network, self.domain)
        self.by_bits = {r.bits: i for i, r in enumerate(self.regions)}
        walls = box_forms(self.domain)
        self.cells = [signed(r) + walls for r in self.regions]
        self.pairs = brute_force_adjacent(self.regions, self.domain)
        self.functions = len({tuple(r.output) for r in self.regions})
        self.volumes = [float(exact_volume(cell)) for cell in self.cells]
        self.jacobians = [np.array([[float(v) for v in f[:-1]] for f in r.output]) for r in self.regions]
        self.volume = float(self.domain.volume)

    def mean(self, terms: list[float]) -> float:
        return sum(v * t for v, t in zip(self.volumes, terms, strict=True)) / self.volume

    def pieces(self) -> int:
        """Regions joined across facets on which the map is the same."""
        root = list(range(len(self.regions)))

        def find(i: int) -> int:
            return i if root[i] == i else find(root[i])

        for i, j in self.pairs:
            if self.regions[i].output == self.regions[j].output:
                root[find(i)] = find(j)
        return len({find(i) for i in root})

    def area(self, i: int, j: int) -> float:
        """Of the facet between two regions."""
        conditions = self.cells[i] + self.cells[j]
        n = self.domain.inputs
        largest = 0.0
        for h in self.regions[i].hidden:
            at = max(range(n), key=lambda k: abs(h[k]))
            if not h[at]:
                continue
            inside = [tuple(u - f[at] / h[at] * w for k, (u, w) in enumerate(zip(f, h, strict=True)) if k != at) for f in conditions]
            slant = math.sqrt(float(sum(v * v for v in h[:-1]) / h[at] ** 2))
            here = float(all(f[-1] >= 0 for f in inside)) if n == 1 else slant * float(exact_volume(inside))
            largest = max(largest, here)
        return largest

    def boundary(self, weight) -> float:
        return sum(weight(i, j) * self.area(i, j) for i, j in self.pairs) / self.volume

    def flips(self, i: int, j: int) -> int:
        return sum(a != b for a, b in zip(self.regions[i].bits, self.regions[j].bits, strict=True))

    def jump(self, i: int, j: int) -> float:
        return float(np.linalg.norm(self.jacobians[i] - self.jacobians[j]))

    def gradients(self, target: str) -> list[np.ndarray]:
        """Of an output f0 or a margin f1-f0, by region."""
        first, *second = (int(part[1:]) for part in target.split("-"))
        return [j[first] - (j[second[0]] if second else 0) for j in self.jacobians]

    def lipschitz(self, target: str, norm: str) -> float:
        if target == "jacobian":
            return max(float(np.linalg.norm(j, INDUCED[norm])) for j in self.jacobians)
        return max(float(np.linalg.norm(g, NORMS[norm])) for g in self.gradients(target))

    def ranks(self, layer: int) -> list[int]:
        begin, end = self.network.offsets[layer], self.network.offsets[layer + 1]
        return [np.linalg.matrix_rank(np.array([[float(v) for v in f[:-1]] for f in r.hidden[begin:end]])) for r in self.regions]

    def reach(self) -> tuple[float, float]:
        """The least margin of the label over U, and the linf distance from the centre to where it is <= 0."""
        least, nearest, n = math.inf, math.inf, self.domain.inputs
        for region, cell in zip(self.regions, self.cells, strict=True):
            rows = np.array([[-float(v) for v in f[:-1]] for f in cell if any(f[:-1])])
            right = np.array([float(f[-1]) for f in cell if any(f[:-1])])
            for j, form in enumerate(region.output):
                if j == self.label:
                    continue
                margin = [float(a - b) for a, b in zip(region.output[self.label], form, strict=True)]
                found = linprog(margin[:-1], rows, right, bounds=(None, None))
                least = min(least, found.fun + margin[-1])
                if self.domain.center is None:
                    continue
                centre = np.array([float(v) for v in self.domain.center])
                ball_rows = np.vstack([np.hstack([np.eye(n), -np.ones((n, 1))]), np.hstack([-np.eye(n), -np.ones((n, 1))])])
                system = np.vstack([np.hstack([rows, np.zeros((len(rows), 1))]), [[*margin[:-1], 0.0]], ball_rows])
                limits = np.concatenate([right, [-margin[-1]], centre, -centre])
                found = linprog([*[0.0] * n, 1.0], system, limits, bounds=(None, None))
                if found.status == 0:
                    nearest = min(nearest, found.fun)
        return least, nearest


def holds(said: Quantity, true: float, what: str) -> None:
    """A number that is given as exact or an enclosure contains the truth; a float is near it."""
    slack = NEAR * (1 + abs(true))
    assert said.kind is not Kind.ESTIMATE, what
    if said.kind is Kind.FLOAT and said.lower == said.upper:
        assert said.lower == pytest.approx(true, rel=1e-7, abs=1e-9), what
    assert said.lower <= true + slack, (what, said, true)
    assert said.upper is None or said.upper >= true - slack, (what, said, true)
    if said.kind is Kind.EXACT and said.lower == said.upper:
        assert said.lower == pytest.approx(true, rel=1e-9, abs=1e-12), what


def check(result: Result, truth: Truth) -> Counter[str]:
    """Every number of a result, its JSON and its tables; what was seen."""
    seen: Counter[str] = Counter({str(result.status): 1})
    # an enumeration may be complete, and its measuring interrupted
    complete, whole = result.status is not Status.PARTIAL, result.complex.complete
    report = json.loads(Run(result.network, [result], 0.0).report().model_dump_json())
    entry, summary = report["neighbourhoods"][0], report["summary"]
    row = Run(result.network, [result], 0.0).to_frame().iloc[0].to_dict()
    for name in ALL:  # nothing is missing without a reason
        assert result.answers.value(name) is not None or name in result.notes, name
    count = len(truth.regions)
    assert entry["regions"] == row["regions"] == result.regions
    counted = {
        "regions": (result.regions, count),
        "affine_functions": (result.affine_functions, truth.functions),
        "adjacencies": (result.adjacencies, len(truth.pairs)),
        "pieces": (result.pieces, truth.pieces()),
    }
    for name, (said, true) in counted.items():
        if name != "regions":
            assert entry[name] == said
        if said is not None:
            seen[name] += 1
            assert said == true if whole else said <= true, (name, said, true)
    if not whole:
        assert result.pieces is None
        assert entry["pieces"] is None
    if not complete:
        assert summary["mean_regions"] is None
    check_regions(result, truth, whole)
    for name, quantity in {**(result.local_complexity or {})}.items():
        seen["local_complexity"] += 1
        weight = {
            "activation": truth.flips,
            "activation_set": lambda i, j: 1.0,
            "function": lambda i, j: float(truth.regions[i].output != truth.regions[j].output and truth.jump(i, j) > 0),
        }
        if name in weight:
            holds(quantity, truth.boundary(weight[name]), name)
    for name, quantity in {**(result.total_variation or {})}.items():
        seen["total_variation"] += 1
        if name in ("frobenius", "operator"):
            sizes = [float(np.linalg.norm(j, "fro" if name == "frobenius" else 2)) for j in truth.jacobians]
        else:
            sizes = [float(np.linalg.norm(g)) for g in truth.gradients(name)]
        holds(quantity, truth.mean(sizes), name)
    if result.kink_variation is not None:
        seen["kink_variation"] += 1
        holds(result.kink_variation, truth.boundary(truth.jump), "kink variation")
    for constant in result.lipschitz or ():
        seen["lipschitz"] += 1
        holds(constant.quantity, truth.lipschitz(constant.target, constant.norm), f"{constant.target} {constant.norm}")
    for rank in result.local_rank or ():
        seen["local_rank"] += 1
        every = truth.ranks(rank.layer - 1)
        (low, least), (most, high) = rank.least_between, rank.most_between
        assert low <= min(every) <= least <= most <= max(every) <= high
        if whole:
            assert (rank.least, rank.most) == (min(every), max(every))
        if rank.mean is not None:
            holds(rank.mean, truth.mean([float(r) for r in every]), "rank")
    for bound in result.bounds or ():
        assert bound.holds is not False or "not a theorem" in bound.name, bound
    if result.robustness is not None:
        check_robustness(result, truth, entry, row, summary, complete)
        known = result.robustness.distance_quantity
        seen["distance from above"] += known is not None and known.lower == 0.0 < (known.upper or 0.0)
        seen["distance by search"] += result.robustness.method == "search"
        seen[f"robust {result.robustness.robust}"] += 1
    return seen


def check_regions(result: Result, truth: Truth, whole: bool) -> None:
    """The regions that are listed are regions, each once; so are their volumes, gradients, and neighbours."""
    assert result.complex is not None
    patterns = [tuple(map(bool, row)) for row in result.complex.patterns()]
    places = [truth.by_bits.get(bits) for bits in patterns]
    assert None not in places, "a region that is none"
    assert len(set(places)) == len(places), "a region twice"
    if not places:
        return
    for point, place in zip(result.complex.points, places, strict=True):
        x = tuple(F(float(v)) for v in point)
        assert all(value(f, x) >= -F(1, 10**9) for f in truth.cells[place])
    frame = result.to_frame()
    for place, (_, row) in zip(places, frame.iterrows(), strict=True):
        assert row["gradient"] == pytest.approx(np.linalg.norm(truth.jacobians[place], 2), rel=1e-6, abs=1e-9)
        assert math.isnan(row["volume"]) or row["volume"] == pytest.approx(truth.volumes[place], rel=1e-6, abs=1e-9 * truth.volume)
        if "neighbours" in row:
            assert row["neighbours"] == sum(place in pair for pair in truth.pairs)
    graph = result.graph()
    edges = {tuple(sorted((places[a], places[b]))) for a, b in graph.edges}
    assert edges == truth.pairs if whole else edges <= truth.pairs
    for a, b, data in graph.edges(data=True):
        assert data["area"] == pytest.approx(truth.area(places[a], places[b]), rel=1e-6, abs=1e-9)
        assert data["jump"] == pytest.approx(truth.jump(places[a], places[b]), rel=1e-6, abs=1e-9)
        assert data["flips"] == truth.flips(places[a], places[b])
    listed = {"piece", "neighbours"} & {*frame, *(name for _, data in graph.nodes(data=True) for name in data)}
    assert listed == ({"piece", "neighbours"} if whole else set()), "regions that were not reached may change them"


def check_robustness(result: Result, truth: Truth, entry: dict, row: dict, summary: dict, complete: bool) -> None:
    said = result.robustness
    least, nearest = truth.reach()
    assert (said.label, entry["robustness"]["robust"]) == (truth.label, said.robust)
    assert (summary["robust"], summary["not_robust"]) == (said.robust is True, said.robust is False)
    if said.robust is True:
        assert least > -NEAR
        assert said.adversarial is None
    if said.robust is False:
        assert least < NEAR
        exact = said.exact_point or tuple(F(float(v)) for v in said.adversarial)
        home = next(r for r, cell in zip(truth.regions, truth.cells, strict=True) if all(value(f, exact) >= -F(1, 10**9) for f in cell))
        outputs = [float(value(f, exact)) for f in home.output]
        assert max(v for j, v in enumerate(outputs) if j != truth.label) >= outputs[truth.label] - 1e-7
    if complete:
        assert said.robust is not None
    known, given = said.distance_quantity, entry["robustness"]["distance"]
    assert given == (None if known is None else [known.lower, known.upper])
    if said.distance is not None:
        assert said.distance == pytest.approx(nearest, rel=1e-7, abs=1e-9)
        assert summary["smallest_distance"] == pytest.approx(nearest, rel=1e-7, abs=1e-9)
        assert row["distance"] == pytest.approx(nearest, rel=1e-7, abs=1e-9)
        return
    assert summary["smallest_distance"] is None, "a bound is no distance"
    if known is not None:
        assert known.lower <= nearest + NEAR or 0 < least < 1e-6, "linprog does not tell such a margin from none"
        assert known.upper is None or known.upper >= nearest - NEAR
        # tables have lower ends: that of a distance which is known from above says nothing
        assert row["distance"] == known.lower if known.upper in (None, known.lower) else row["distance"] is None


# ---- random cases ------------------------------------------------------------------------------------------------
class Trip:
    """Stands for the module `time` in `checkpoint`: late from some checkpoint on, or Ctrl-C there, once."""

    def __init__(self, after: int, error: type[BaseException] | None) -> None:
        self.left, self.error = after, error

    def monotonic(self) -> float:
        self.left -= 1
        if self.error is not None:
            if self.left == -1:
                raise self.error
            return 0.0
        return math.inf if self.left < 0 else 0.0


def tried(seed: int, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """One case, checked; what was seen."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice([1, 2, 2, 2, 3]))
    certify = bool(rng.random() < 0.75)
    network = nasty_net(rng, n, widest=4, deepest=2, slivers=certify)
    while network.neurons > (8 if n < 3 else 5) or any((layer.negative != 0).any() for layer in network.layers):  # the oracle reads ReLU
        network = nasty_net(rng, n, widest=4, deepest=2, slivers=certify)
    centre = [F(int(v), 4) for v in rng.integers(-4, 5, size=n)]
    radius = F(int(rng.integers(1, 9)), 4)
    if rng.random() < 0.25:
        domain = shapes.box([c - radius for c in centre], [c + radius for c in centre])
        label = int(rng.integers(network.outputs)) if network.outputs > 1 else None
    else:
        domain = ball(centre, radius)
        label = None
    how = str(rng.choice(["regions", "stop", "late", "ctrl-c"]))
    many = int(rng.integers(1, 8)) if how == "regions" else int(rng.integers(0, 60))
    settings = Settings(
        time_limit=None if how == "regions" else 1e6,
        max_regions=many if how == "regions" else None,
        certify=certify,
        sigmas=(("0.1", 0.1),),
    )
    task = make_task(network, 0, domain, label, str(rng.choice(["auto", "lp", "dictionary"])))
    calls = itertools.count()
    with monkeypatch.context() as patched:
        if how in ("late", "ctrl-c"):
            patched.setattr(checkpoint, "time", Trip(many, KeyboardInterrupt if how == "ctrl-c" else None))
        try:
            result = answer(network, task, settings, stop=(lambda: next(calls) >= many // 6) if how == "stop" else None)
        except KeyboardInterrupt:  # before anything was found: nothing is said
            return Counter({"nothing": 1})
    seen = check(result, Truth(network, domain, result.label))
    seen["measures left out"] += any("limit" in result.notes.get(name, "") or "interrupted" in result.notes.get(name, "") for name in ALL)
    return seen


def try_all(seeds, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    seen: Counter[str] = Counter()
    for seed in seeds:
        try:
            seen += tried(seed, monkeypatch)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    return seen


def test_what_is_said_of_stopped_work_is_true(monkeypatch):
    seen = try_all((*range(32), 66, 169, 1018, 1038, 1261, 1267), monkeypatch)
    assert seen["partial"] > 8
    assert seen["distance from above"] > 2
    assert seen["distance by search"] > 2
    assert seen["certified"] > 8
    assert seen["measures left out"] > 5
    assert min(seen[f"robust {r}"] for r in (True, False, None)) > 0
    assert min(seen[name] for name in ("adjacencies", "total_variation", "local_complexity", "lipschitz", "local_rank")) > 5


@pytest.mark.slow
def test_what_is_said_of_stopped_work_is_true_many_times(monkeypatch):
    seen = try_all(range(1000, 4000), monkeypatch)
    assert seen["partial"] > 800


def test_an_operator_norm_bounds_no_frobenius_norm():
    """Of two outputs that are the inputs, where they are positive: the largest operator norm is 1, the other sqrt 2."""
    net = chain([np.eye(2), np.eye(2)], [np.zeros(2), np.zeros(2)])
    found = answer(net, make_task(net, 0, ball([0, 0], 1), None), Settings(("lipschitz",), keep=True))
    rest = Rest.of(found.complex, None, found.lipschitz)
    assert rest is not None
    assert rest.constant("jacobian", "l2") == rest.norm("operator") == pytest.approx(1.0)
    assert rest.norm("frobenius") == pytest.approx(math.sqrt(2.0))
