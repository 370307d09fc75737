"""Regions of l1 and l2 balls, and which of them share a facet there: against brute force in rationals, against the
enumeration of boxes, against samples, and by their laws.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nasty import nasty_net
from nets import quarter_net, random_net

import polylc
from polylc.domains.ball import ball, open_ball
from polylc.engines.ball import BallEngine
from polylc.engines.contract import check_contract
from polylc.errors import NeighbourhoodError, UsageError
from polylc.exact.quantity import Kind
from polylc.exact.simplex import ExactMinimum, Infeasible, minimise
from polylc.geometry.nearest_point import nearest_point
from polylc.network.exact import ExactNetwork
from polylc.network.form import Affine, Network, chain

Form = tuple[F, ...]
NORMS = ("l2", "l1")
WAYS = ({"max_regions": 10**9}, {"engine": "lp"})  # what may be stopped by a limit on regions is a tree of the ball


# ---- brute force -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Cell:
    """The bits of a region, and all its half-spaces, positive inside."""

    bits: tuple[bool, ...]
    walls: list[Form]


class BruteBall:
    """All regions that meet the open ball, cut with the open box, and their common facets: exact programs alone."""

    def __init__(self, network: Network, norm: str, center: Sequence[F], radius: F, lower: Sequence[F], upper: Sequence[F]) -> None:
        self.network, self.norm, self.center = network, norm, center
        self.radius, self.lower, self.upper = radius, lower, upper
        n = len(center)
        unit = [(*(F(i == j) for j in range(n)), F(0)) for i in range(n)]
        self.cells = list(self._split(0, Cell((), []), [unit]))

    def _split(self, level: int, cell: Cell, sources: list[list[Form]]) -> Iterator[Cell]:
        if level == len(self.network.layers):
            yield cell
            return
        layer = self.network.layers[level]
        found: list[tuple[Cell, list[Form]]] = [(cell, [])]
        for form, low, high in zip(composed(layer.affine, sources), layer.negative.tolist(), layer.positive.tolist(), strict=True):
            following = []
            for held, units in found:
                for bit, slope in ((True, high), (False, low)):
                    if not any(form):
                        walls = held.walls
                        if bit:
                            continue
                    else:
                        walls = [*held.walls, form if bit else tuple(-v for v in form)]
                        if not self.meets(walls):
                            continue
                    following.append((Cell((*held.bits, bit), walls), [*units, tuple(F(slope) * v for v in form)]))
            found = following
        for held, units in found:
            yield from self._split(level + 1, held, [*sources, units])

    def meets(self, walls: list[Form], on: Form | None = None) -> bool:
        """Whether the set where all walls are positive, on a hyperplane perhaps, meets the open ball and box."""
        n = len(self.center)
        level = [on, tuple(-v for v in on)] if on is not None else []
        rows = [(*wall[:-1], F(-1), wall[-1]) for wall in walls] + [(*row[:-1], F(0), row[-1]) for row in level]
        for j, (a, b) in enumerate(zip(self.lower, self.upper, strict=True)):
            if a < b:
                rows += [(*(F(i == j) for i in range(n)), F(-1), -a), (*(-F(i == j) for i in range(n)), F(-1), b)]
        inner = minimise((*[F(0)] * n, F(-1), F(0)), rows, [*self.lower, F(-1)], [*self.upper, F(1)])
        if isinstance(inner, Infeasible) or inner.value >= 0:
            return False
        moved = [(*w[:-1], w[-1] + sum((a * c for a, c in zip(w, self.center, strict=False)), F(0))) for w in [*walls, *level]]
        least = [a - c for a, c in zip(self.lower, self.center, strict=True)]
        most = [b - c for b, c in zip(self.upper, self.center, strict=True)]
        near = nearest_point(self.norm, moved, least, most)
        assert isinstance(near, ExactMinimum)
        return near.value < (self.radius**2 / 2 if self.norm == "l2" else self.radius)

    def edges(self) -> set[frozenset[tuple[bool, ...]]]:
        """Pairs of regions with a common facet in the ball."""
        found = set()
        for one, other in itertools.combinations(self.cells, 2):
            for wall in one.walls:
                apart = [w for w in [*one.walls, *other.walls] if not parallel(w, wall)]
                if any(opposite(w, wall) for w in other.walls) and self.meets(apart, wall):
                    found.add(frozenset([one.bits, other.bits]))
        return found


def composed(affine: Affine, sources: list[list[Form]]) -> list[Form]:
    width = len(sources[0][0])
    found = [[F(0)] * (width - 1) + [F(b)] for b in affine.bias.tolist()]
    for source, weight in affine.terms:
        for total, row in zip(found, np.asarray(weight).tolist(), strict=True):
            for w, form in zip(row, sources[source], strict=True):
                for i, v in enumerate(form):
                    total[i] += F(w) * v
    return [tuple(row) for row in found]


def parallel(one: Form, other: Form) -> bool:
    return all(a * d == b * c for (a, c), (b, d) in itertools.combinations(list(zip(one, other, strict=True)), 2))


def opposite(one: Form, other: Form) -> bool:
    return parallel(one, other) and sum(a * b for a, b in zip(one, other, strict=True)) < 0


def hidden(network: Network, point: Sequence[F]) -> list[F]:
    return [v for layer in ExactNetwork(network).preactivations(point)[:-1] for v in layer]


def patterns(result) -> list[tuple[bool, ...]]:
    return [tuple(row) for row in result.complex.patterns().tolist()]


def edges(result) -> set[frozenset[tuple[bool, ...]]]:
    bits, graph = patterns(result), result.region_graph
    return {frozenset([bits[a], bits[b]]) for a, b in zip(graph.first.tolist(), graph.second.tolist(), strict=True)}


def certified(net, center, radius, norm, **more):
    """What `certify` answers; in l1 and l2 by the box around the ball and by a tree of the ball, which must agree."""
    (found,) = polylc.certify(net, [center], radius=radius, norm=norm, measures="counts", **more).results
    assert str(found.status) == "certified"
    if norm != "linf":
        ways = [polylc.certify(net, [center], radius=radius, norm=norm, measures="counts", **more, **way)[0] for way in WAYS]
        assert [way.engine for way in ways] == ["ball", "lp"]
        for way in ways:
            assert str(way.status) == "certified"
            assert sorted(patterns(way)) == sorted(patterns(found))
            assert edges(way) == edges(found)
            assert (way.pieces, way.affine_functions) == (found.pieces, found.affine_functions)
        return ways[0]
    return found


@pytest.mark.parametrize("norm", NORMS)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=12)
def test_regions_and_facets_are_those_of_brute_force(norm, seed):
    """Networks with ties, copies, slivers and dead layers; balls that are cut, and whose centre is cut off."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 4))
    net = nasty_net(rng, n, widest=4, deepest=2)
    center = [F(int(v), 4) for v in rng.integers(-4, 5, n)]
    radius = F(int(rng.integers(1, 9)), 4)
    clip = None
    lower, upper = [c - radius for c in center], [c + radius for c in center]
    if rng.random() < 0.5:
        clip = F(int(rng.integers(-4, 1)), 4), F(int(rng.integers(1, 6)), 4)
        lower, upper = [max(a, clip[0]) for a in lower], [min(b, clip[1]) for b in upper]
    outside = [max(a - c, c - b, F(0)) for c, a, b in zip(center, lower, upper, strict=True)]
    far = sum(v * v for v in outside) >= radius**2 if norm == "l2" else sum(outside) >= radius
    if far or any(a >= b for a, b in zip(lower, upper, strict=True)):
        with pytest.raises(NeighbourhoodError):
            certified(net, center, radius, norm, clip=clip)
        return
    known = BruteBall(net, norm, center, radius, lower, upper)
    found = certified(net, center, radius, norm, clip=clip)
    assert sorted(patterns(found)) == sorted(cell.bits for cell in known.cells)
    assert edges(found) == known.edges()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("widths", "slope"), [([2, 12, 10, 3], 0.0), ([3, 8, 6, 2], 0.0), ([4, 6, 5, 1], 0.25), ([6, 6, 4, 2], 0.0)])
def test_regions_are_those_of_the_box_that_are_near_enough(norm, widths, slope):
    """The engines for boxes, their judge and exact nearest points share nothing with the tree of the ball."""
    net = random_net(widths, sum(widths), negative_slope=slope)
    n = widths[0]
    center, radius = [F(k, 10) for k in range(n)], F(9, 10)
    clip = (F(-1, 2), F(3, 5)) if n % 2 else None
    (box,) = polylc.certify(net, [center], radius=radius, clip=clip, measures="counts").results
    whole, graph = box.complex, box.region_graph
    scale = whole.domain.inverse_sides
    shift = [(a + b) / 2 - c for a, b, c in zip(whole.domain.lower, whole.domain.upper, center, strict=True)]
    least, most = [a - c for a, c in zip(whole.domain.lower, center, strict=True)], [b - c for b, c in zip(whole.domain.upper, center, strict=True)]

    def near(region: int, on: int | None = None) -> bool:
        rows = []
        for e, row in enumerate(whole.exact_half_spaces(region), start=int(whole.starts[region])):
            turned = [a * s for a, s in zip(row, scale, strict=False)]
            form = [*turned, row[-1] - sum(a * o for a, o in zip(turned, shift, strict=True))]
            rows += [form, [-v for v in form]] if e == on else [form]
        found = nearest_point(norm, rows, least, most)
        return found.value < (radius**2 / 2 if norm == "l2" else radius)

    bits = patterns(box)
    inside = [near(r) for r in range(len(bits))]
    assert 0 < sum(inside) < len(inside)
    found = certified(net, center, radius, norm, clip=clip)
    assert sorted(patterns(found)) == sorted(b for b, keep in zip(bits, inside, strict=True) if keep)
    kept = set()
    for a, b, first, second in zip(graph.first.tolist(), graph.second.tolist(), graph.first_entry.tolist(), graph.second_entry.tolist(), strict=True):
        if inside[a] and inside[b] and (near(a, first) if first >= 0 else near(b, second)):
            kept.add(frozenset([bits[a], bits[b]]))
    assert edges(found) == kept


# ---- what must not count ---------------------------------------------------------------------------------------------
def one_neuron(weights: Sequence[float], bias: float) -> Network:
    return chain([np.array([weights]), np.ones((1, 1))], [np.array([bias]), np.zeros(1)])


@pytest.mark.parametrize(
    ("norm", "weights", "bias"),
    [("l2", [3.0, 4.0], -5.0), ("l2", [2.0, -3.0, 6.0], -7.0), ("l1", [1.0, 1.0], -1.0), ("l1", [1.0, -1.0, 1.0], -1.0), ("l1", [2.0, 1.0], -2.0)],
)
def test_a_hyperplane_that_only_touches_the_ball_does_not_count(norm, weights, bias):
    """In l2 at a point, in l1 along a face or at a corner."""
    center = np.zeros(len(weights))
    for sign in (1.0, -1.0):
        net = one_neuron([sign * w for w in weights], sign * bias)
        assert certified(net, center, 1, norm).regions == 1
        assert certified(net, center, F(1) + F(1, 2**70), norm).regions == 2
        assert certified(net, center, F(1) - F(1, 2**70), norm).regions == 1


def test_a_corner_that_only_touches_the_ball_does_not_count():
    """Of four regions around a point of the sphere three meet the ball, with two facets; beyond it all four do."""
    net = chain([np.array([[1.0, 2.0], [2.0, 1.0]]), np.ones((1, 2))], [np.array([-2.0, -2.0]), np.zeros(1)])  # they cross in (2/3, 2/3)
    square = F(8, 9)
    assert certified(net, [0, 0], F(2, 3) * F(1414213562, 10**9), "l2").regions == 3
    assert (F(2, 3) * F(1414213562, 10**9)) ** 2 < square < (F(2, 3) * F(1414213563, 10**9)) ** 2
    both = certified(net, [0, 0], F(2, 3) * F(1414213563, 10**9), "l2")
    assert (both.regions, both.adjacencies) == (4, 4)
    assert certified(net, [0, 0], F(4, 3), "l1").adjacencies == 2
    assert certified(net, [0, 0], F(4, 3) + F(1, 2**70), "l1").adjacencies == 4


# ---- laws ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(4))
def test_balls_inside_one_another_have_regions_inside_one_another(seed):
    n = 2 + seed % 3
    net = random_net([n, 9, 7, 2], seed)
    center, radius = [F(1, 8)] * n, F(3, 4)
    small = set(patterns(certified(net, center, radius / n, "linf")))
    one, two = (set(patterns(certified(net, center, radius, norm))) for norm in ("l1", "l2"))
    large = set(patterns(certified(net, center, radius, "linf")))
    assert small <= one <= two <= large
    assert one < large
    for norm, found in (("l1", one), ("l2", two)):
        assert set(patterns(certified(net, center, radius / 2, norm))) <= found


@pytest.mark.parametrize("norm", NORMS)
def test_samples_are_in_listed_regions_and_points_of_regions_in_the_ball(norm):
    rng = np.random.default_rng(3)
    for net in (random_net([5, 8, 6, 2], 1), quarter_net([5, 6, 5, 2], 2)):
        center, radius = rng.integers(-8, 9, 5) / 16, 1
        found = certified(net, center, radius, norm)
        listed = set(patterns(found))
        for _ in range(300):
            step = rng.normal(size=5) if norm == "l2" else rng.laplace(size=5)
            point = center + step / (np.linalg.norm(step, 2 if norm == "l2" else 1)) * (1 - 2**-20) * rng.random() ** 0.2
            values = hidden(net, [F(v) for v in point.tolist()])
            if all(values):
                assert tuple(v > 0 for v in values) in listed
        within = open_ball(found.domain)
        for bits, unit, point in zip(patterns(found), found.complex.unit, found.complex.points.tolist(), strict=True):
            assert within.holds(unit)
            assert tuple(v > 0 for v in hidden(net, found.domain.lifted([F(v) for v in unit.tolist()]))) == bits
            assert found.region_at(np.array(point)) >= 0


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("seed", range(3))
def test_counts_do_not_change_with_coordinates(norm, seed):
    """Order and signs of inputs, their scale, and where the origin lies: all exact in doubles here."""
    net = quarter_net([3, 7, 6, 2], seed)
    center, radius = np.array([0.25, -0.5, 0.125]), F(7, 8)

    def counts(other: Network, at: np.ndarray, size: F) -> tuple[object, ...]:
        (one,) = polylc.certify(other, [at], radius=size, norm=norm, measures="counts,local_rank").results
        return one.regions, one.adjacencies, one.pieces, one.affine_functions, [(r.least, r.most) for r in one.local_rank]

    (weight, *rest), biases = [layer.affine.terms[0][1] for layer in net.layers], [layer.affine.bias for layer in net.layers]
    out, last = net.output.terms[0][1], net.output.bias

    def first(matrix: np.ndarray, bias: np.ndarray) -> Network:
        return chain([matrix, *rest, out], [bias, *biases[1:], last])

    known = counts(net, center, radius)
    turn, signs = [2, 0, 1], np.array([1.0, -1.0, -1.0])
    assert counts(first(weight[:, turn], biases[0]), center[turn], radius) == known
    assert counts(first(weight * signs, biases[0]), center * signs, radius) == known
    assert counts(first(weight * 8.0, biases[0]), center / 8.0, radius / 8) == known
    assert counts(first(weight, biases[0] - weight @ np.array([2.0, -3.0, 1.0])), center + np.array([2.0, -3.0, 1.0]), radius) == known


@pytest.mark.parametrize("norm", NORMS)
def test_fixed_inputs_are_constants(norm):
    net = random_net([4, 8, 6, 2], 5)
    center = [F(1, 4), F(-1, 8), F(1, 2), F(0)]
    found = certified(net, center, [F(3, 4), F(0), F(3, 4), F(0)], norm)
    weights = [layer.affine.terms[0][1] for layer in net.layers]
    held = net.layers[0].affine.bias + weights[0] @ np.array([0.0, -0.125, 0.0, 0.0])
    plane = chain([weights[0][:, [0, 2]], weights[1], net.output.terms[0][1]], [held, net.layers[1].affine.bias, net.output.bias])
    known = certified(plane, [center[0], center[2]], F(3, 4), norm)
    assert sorted(patterns(found)) == sorted(patterns(known))
    assert edges(found) == edges(known)


@pytest.mark.parametrize("norm", NORMS)
def test_lipschitz_constants_are_the_largest_of_the_regions(norm):
    net = random_net([3, 8, 6, 2], 9)
    (one,) = polylc.certify(net, [[0.1, 0.2, -0.1]], radius=0.7, norm=norm, measures="lipschitz", labels=[0]).results
    rows = one.complex.jacobians()
    gradients = np.concatenate([jacobian[:, 1] - jacobian[:, 0] for _, jacobian in rows])
    largest = {"linf": np.abs(gradients).sum(axis=1).max(), "l2": np.linalg.norm(gradients, axis=1).max(), "l1": np.abs(gradients).max()}
    for constant in one.lipschitz:
        if constant.target == "f1-f0":
            assert constant.quantity.lower == pytest.approx(largest[constant.norm], rel=1e-12)


def test_an_l1_ball_in_the_plane_is_a_box_turned_by_45_degrees():
    """With p = x + y and q = x - y: lengths are sqrt 2 times those along x and y, areas twice, gradients 1 / sqrt 2."""
    for net, center, radius in (
        (quarter_net([2, 7, 6, 3], 1), (F(1, 4), F(-3, 8)), F(9, 8)),
        (random_net([2, 9, 7, 2], 3), (F(1, 8), F(1, 2)), F(2)),
    ):
        weight = net.layers[0].affine.terms[0][1]
        turned = np.stack([weight[:, 0] + weight[:, 1], weight[:, 0] - weight[:, 1]], axis=1) / 2
        rest = [net.layers[1].affine.terms[0][1], net.output.terms[0][1]]
        box_net = chain([turned, *rest], [net.layers[0].affine.bias, net.layers[1].affine.bias, net.output.bias])
        (one,) = polylc.certify(net, [center], radius=radius, norm="l1", measures="all", labels=[0]).results
        (box,) = polylc.certify(box_net, [(center[0] + center[1], center[0] - center[1])], radius=radius, measures="all", labels=[0]).results
        if all(w == v for w, v in zip((2 * turned).sum(axis=1), 2 * weight[:, 0], strict=True)):  # the turn is exact in doubles
            assert sorted(patterns(one)) == sorted(patterns(box))
            assert edges(one) == edges(box)
        assert (one.regions, one.adjacencies, one.pieces, one.affine_functions) == (box.regions, box.adjacencies, box.pieces, box.affine_functions)
        near = {"rel": 1e-8}
        for name, value in one.local_complexity.items():
            assert value.value == pytest.approx(math.sqrt(2) * box.local_complexity[name].value, **near)
        for name, value in one.total_variation.items():
            assert value.value == pytest.approx(math.sqrt(2) * box.total_variation[name].value, **near)
        assert one.kink_variation.value == pytest.approx(2 * box.kink_variation.value, **near)
        for ours, theirs in zip(one.local_rank, box.local_rank, strict=True):
            assert (ours.least, ours.most) == (theirs.least, theirs.most)
            assert ours.mean.value == pytest.approx(theirs.mean.value, **near)
        assert one.volume.value == pytest.approx(2 * float(radius) ** 2, rel=1e-15)


@pytest.mark.parametrize("norm", NORMS)
def test_on_a_line_all_norms_are_one(norm):
    net, center, clip = quarter_net([1, 8, 7, 2], 3), [F(1, 3)], (-2, F(1, 2))
    (box,) = polylc.certify(net, [center], radius=3, clip=clip, measures="all").results
    (one,) = polylc.certify(net, [center], radius=3, clip=clip, norm=norm, measures="all").results
    assert sorted(patterns(one)) == sorted(patterns(box))
    assert edges(one) == edges(box)
    assert [(c.target, c.norm, c.quantity) for c in one.lipschitz] == [(c.target, c.norm, c.quantity) for c in box.lipschitz]
    if norm == "l1":
        assert one.local_complexity == box.local_complexity
        assert one.total_variation == box.total_variation
        assert one.kink_variation == box.kink_variation


def test_volumes_of_many_regions_of_an_l1_ball_are_measured_on_request():
    net = random_net([4, 8, 6, 2], 2)
    (few,) = polylc.certify(net, [[0.1] * 4], radius=1, norm="l1").results
    assert few.regions > 20
    assert "--exact-volumes" in few.notes["local_complexity"]
    assert few.local_rank
    (one,) = polylc.certify(net, [[0.1] * 4], radius=1, norm="l1", clip=(F(-1, 2), F(3, 5)), exact_volumes=True).results
    assert "sum to that of the neighbourhood exactly" in one.notes["volumes"]
    assert one.local_complexity["activation"].lower > 0
    with pytest.raises(UsageError, match="in l2 balls"):
        polylc.certify(net, [[0.1] * 4], radius=1, norm="l2", exact_volumes=True)


@pytest.mark.parametrize("norm", NORMS)
def test_lipschitz_constants_are_those_of_the_search(norm):
    net, clip = random_net([4, 9, 6, 3], 12), (F(-1, 2), F(7, 8))
    (known,) = polylc.lipschitz(net, [[0.1, 0.2, -0.1, 0.3]], radius=F(3, 4), clip=clip, ball=norm, labels=[1])
    (found,) = polylc.certify(net, [[0.1, 0.2, -0.1, 0.3]], radius=F(3, 4), clip=clip, norm=norm, measures="counts,lipschitz", labels=[1]).results
    listed = {(c.target, c.norm): c for c in found.lipschitz}
    compared = 0
    for one in known.constants:
        if one.exact and (one.target, one.norm) in listed:
            assert listed[one.target, one.norm].lower == listed[one.target, one.norm].upper == one.lower
            compared += 1
    assert compared == 6


# ---- the tree, and what is not answered ------------------------------------------------------------------------------
@pytest.mark.parametrize("norm", NORMS)
def test_the_tree_keeps_the_contract_and_limits(norm):
    net = random_net([3, 10, 8, 2], 4)
    found = certified(net, [0, 0, 0], 1, norm)
    engine = BallEngine(net, found.domain)
    whole = engine.explore()
    check_contract(net, found.domain, whole)
    assert engine.done == 1.0
    assert whole.complete
    (part,) = polylc.certify(net, [[0, 0, 0]], radius=1, norm=norm, max_regions=5).results
    assert (str(part.status), part.regions, part.pieces) == ("partial", 5, None)
    assert set(patterns(part)) < set(patterns(found))
    (late,) = polylc.certify(net, [[0, 0, 0]], radius=1, norm=norm, time_limit=1e-9).results
    assert str(late.status) == "partial"


def test_what_is_not_answered_says_so(tmp_path):
    net, x = random_net([2, 6, 3], 1), [[0.1, 0.2]]
    (cut,) = polylc.certify(net, x, radius=1, norm="l2", clip=(-0.5, 2), measures="all").results
    assert "l2 ball" in cut.notes["bounds"]
    assert cut.answers.value("bounds") is None
    for value in (*cut.local_complexity.values(), *cut.total_variation.values(), cut.kink_variation):
        assert value.kind is Kind.ESTIMATE
        assert 0 <= value.lower <= value.upper < math.inf
    (one,) = polylc.certify(net, x, radius=1, norm="l2", measures="all").results
    assert one.answers.value("bounds") is None
    for value in (*one.local_complexity.values(), *one.total_variation.values(), one.kink_variation):
        assert 0 <= value.lower <= value.upper < math.inf
    assert one.volume.lower <= math.pi < one.volume.upper
    assert one.volume.upper == pytest.approx(math.pi, rel=1e-15)
    with pytest.raises(UsageError, match="balls"):
        one.plot(colour="component")
    for more, why in (({"certified": False}, "decided exactly"), ({"sigma": 0.1}, "noise")):
        with pytest.raises(UsageError, match=why):
            polylc.certify(net, x, radius=1, norm="l1", **more)
    run = polylc.certify(net, [[0.1, 0.2], [5.0, 0.0]], radius=1, norm="l1", clip=(-1, 4.5), measures="counts")
    assert [str(r.status) for r in run] == ["certified", "certified"]
    run = polylc.certify(net, [[0.1, 0.2], [5.0, 5.0]], radius=1, norm="l1", clip=(-1, 4.5), measures="counts")
    assert [str(r.status) for r in run] == ["certified", "refused"]
    assert ball([0, 0], 1).norm == "linf"
