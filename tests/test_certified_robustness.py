"""Robustness as a theorem: the exact distance against a polygon oracle, and every proof read again in plain
fractions.
"""

from __future__ import annotations

from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nets import l1_net, quarter_net, random_net, sliver_nets, small_nets
from oracles import clip_regions, value
from prover import Prover, prove, save
from test_known_networks import DISTANCES
from test_simplex import least, programs

from polylc import checker
from polylc.complex.complex import Complex
from polylc.domains.ball import ball
from polylc.domains.box import Neighbourhood, box
from polylc.engines.contract import Outcome
from polylc.engines.lp import LpEngine
from polylc.errors import SolverError, UsageError
from polylc.exact import simplex
from polylc.exact.basis import _whole, optimum_of_basis
from polylc.geometry import exact_program
from polylc.judge.by_node import Judge
from polylc.measures.margin import exact_robustness as module
from polylc.measures.margin.box import MarginBox
from polylc.measures.margin.exact_robustness import CertifiedRobustness, certified_robustness
from polylc.measures.margin.float_robustness import Candidate, robustness
from polylc.network.exact import ExactNetwork
from polylc.network.form import Affine, Network, chain
from polylc.network.patterns import pack
from polylc.readers.load import load

Form = tuple[F, ...]


def explore(network: Network, domain: Neighbourhood) -> Complex:
    judge = Judge(network, domain)
    return Complex.of(network, domain, judge.verdict(LpEngine(network, domain, judge).explore()).exploration)


def label_at(network: Network, point) -> int:
    values = ExactNetwork(network).outputs([F(v) for v in point])
    return values.index(max(values))


# ---- a second reading of the proof ----------------------------------------------------------------------------------
def apply(affine: Affine, sources: list[list[Form]]) -> list[Form]:
    result = []
    for i, b in enumerate(affine.bias):
        form = [F(0)] * len(sources[0][0])
        form[-1] = F(float(b))
        for source, weight in affine.terms:
            for w, s in zip(weight[i], sources[source], strict=True):
                form = [v + F(float(w)) * a for v, a in zip(form, s, strict=True)]
        result.append(tuple(form))
    return result


def region_forms(network: Network, bits: list[bool]) -> tuple[list[Form], list[Form]]:
    """Forms of the neurons and of the outputs in all coordinates x, by the definition of the network."""
    n = network.inputs
    sources = [[tuple(F(int(i == j)) for i in range(n + 1)) for j in range(n)]]
    hidden: list[Form] = []
    for layer in network.layers:
        z = apply(layer.affine, sources)
        own = bits[len(hidden) : len(hidden) + len(z)]
        slopes = [F(float(p if bit else q)) for bit, p, q in zip(own, layer.positive, layer.negative, strict=True)]
        sources.append([tuple(s * v for v in form) for s, form in zip(slopes, z, strict=True)])
        hidden += z
    return hidden, apply(network.output, sources)


def combine(terms: list[tuple[int, Form]], width: int) -> Form:
    return tuple(sum((m * form[i] for m, form in terms), F(0)) for i in range(width))


def covered(complex_: Complex, label: int, distance: F | None, entries: dict) -> bool:
    """Whether intervals and entries prove that no adversarial point is nearer than `distance` (None: that there is
    none).
    """
    network, domain, n = complex_.network, complex_.domain, complex_.network.inputs
    low, high, center = list(domain.lower), list(domain.upper), domain.center
    if distance is not None:
        gap = max((abs(low[q] - center[q]) for q in range(n) if low[q] == high[q]), default=F(0))
        if gap >= distance:
            return True
        for q in range(n):
            if low[q] < high[q]:
                low[q], high[q] = max(low[q], center[q] - distance), min(high[q], center[q] + distance)
    for r, bits in enumerate(complex_.patterns().tolist()):
        hidden, output = region_forms(network, bits)
        path = slice(complex_.starts[r], complex_.starts[r + 1])
        sides = zip(complex_.neuron[path].tolist(), complex_.side[path].tolist(), strict=True)
        walls = [hidden[i] if side == 1 else tuple(-v for v in hidden[i]) for i, side in sides]
        found = {entry[1]: entry for entry in entries.get(r, [])}
        assert len(found) == len(entries.get(r, []))
        misses = any(-least([-v for v in g], low, high) < 0 for g in walls)
        for j in range(network.outputs):
            if j == label:
                continue
            margin = tuple(a - b for a, b in zip(output[label], output[j], strict=True))
            if j not in found:
                if not (misses or least(margin, low, high) > 0):
                    return False
            elif not proves(found[j], margin, walls, (low, high), domain, distance):
                return False
    return True


def proves(entry: list, margin: Form, walls: list[Form], bounds: tuple[list[F], list[F]], domain: Neighbourhood, distance: F | None) -> bool:
    kind, _, first, *rest = entry
    n = len(margin) - 1
    if kind == "D":
        y0, ball_terms, *rest = rest
        assert len({q for q, _ in ball_terms}) == len(ball_terms)
    assert all(type(v) is int for v in [first, *rest])
    pairs = list(zip(rest[::2], rest[1::2], strict=True))
    assert len({k for k, _ in pairs}) == len(pairs)
    assert all(m > 0 for _, m in pairs)
    minus = [(-m, walls[k]) for k, m in pairs]
    if kind == "A":
        return first >= 0 and least(combine([(first, margin), *minus], n + 1), *bounds) > 0
    assert kind == "D"
    assert type(y0) is int
    if distance is None or first <= 0 or y0 < 0 or sum(abs(w) for _, w in ball_terms) > first:
        return False
    away = [(w, tuple(F(int(i == q)) - domain.center[q] * int(i == n) for i in range(n + 1))) for q, w in ball_terms]
    whole = combine([(y0, margin), *minus, *away, (-first, (*[F(0)] * n, distance))], n + 1)
    return least(whole, domain.lower, domain.upper) >= 0


def checked(network: Network, domain: Neighbourhood, label: int, honest: bool = True) -> CertifiedRobustness:
    """The answer, its point and its proof verified; without `keep` it is the same; no larger distance can be proved.

    With random proposals (not honest) the point may be another one at the same distance.
    """
    complex_ = explore(network, domain)
    found = certified_robustness(complex_, label, keep=True)
    plain = certified_robustness(complex_, label)
    assert (plain.robust, plain.distance, plain.entries) == (found.robust, found.distance, None)
    assert plain.adversarial == found.adversarial or not honest
    counted = found.settled
    pairs = len(complex_) * (network.outputs - 1)
    assert counted.intervals + counted.floats + counted.integers + counted.simplex + counted.needless == pairs
    assert found.robust == (found.adversarial is None)
    assert found.entries is not None
    if found.robust:
        assert found.distance is None
        assert covered(complex_, label, None, found.entries)
        return found
    assert domain.contains(found.adversarial)
    values = ExactNetwork(network).outputs(found.adversarial)
    assert any(v >= values[label] for j, v in enumerate(values) if j != label)
    if domain.center is None:
        assert found.distance is None
        assert found.entries == {}
        return found
    assert found.distance == max(abs(x - c) for x, c in zip(found.adversarial, domain.center, strict=True))
    assert covered(complex_, label, found.distance, found.entries)
    gap = max((abs(a - c) for a, b, c in zip(domain.lower, domain.upper, domain.center, strict=True) if a == b), default=F(0))
    if found.distance >= gap:
        assert not covered(complex_, label, found.distance + F(1, 2**40), found.entries)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_the_checker_accepts_the_entries_and_refuses_a_larger_distance(seed, tmp_path):
    """The regions, paths and tree of the tests' own prover, with our entries on them."""
    network = quarter_net([2, 4, 3, 3], seed)
    center = np.random.default_rng(seed).integers(-4, 5, 2) / 4
    domain = ball(center, 1) if seed % 4 else box([-1, -1], [1, 1])
    label = label_at(network, center)
    prover = Prover(network, domain, (), label, seed)
    lengths = [len(r.path) for r in prover.regions]
    complex_ = Complex(
        network,
        domain,
        pack(np.array([r.bits for r in prover.regions], dtype=bool)),
        np.array([[float(v) for v in r.point] for r in prover.regions]),
        np.cumsum([0, *lengths]),
        np.array([n for r in prover.regions for n, _ in r.path], dtype=np.int32),
        np.array([s for r in prover.regions for _, s in r.path], dtype=np.int8),
        Outcome.COMPLETE,
    )
    found = certified_robustness(complex_, label, keep=True)

    def check(distance):
        point = None if found.robust else [str(v) for v in found.adversarial]
        header, *tree = prover.write()
        claim = {"label": label, "robust": found.robust, "distance": None if distance is None else str(distance), "point": point}
        header |= {"parts": ["robustness"], "robustness": claim}
        leaves = [line for line in tree if line[0] == "R"]
        for r, line in enumerate(leaves):
            line[5] = found.entries.get(r, [])
        prover.lines = [header, *tree]
        return checker.check_file(save(prove(network, [prover]), tmp_path / "proof"))

    (verified,) = check(found.distance)
    assert (verified.robustness.robust, verified.robustness.distance, verified.robustness.point) == (found.robust, found.distance, found.adversarial)
    if found.distance is not None:
        with pytest.raises(checker.Refused):
            check(found.distance + F(1, 2**40))


# ---- the oracle: polygons --------------------------------------------------------------------------------------------
def polygon_distance(corners: list[tuple[F, F]], center: tuple[F, F]) -> F:
    """linf distance from a point to a convex polygon (perhaps flat), exactly."""
    shifted = [(x - center[0], y - center[1]) for x, y in corners]
    crosses = [p[0] * q[1] - p[1] * q[0] for p, q in zip(shifted, [*shifted[1:], shifted[0]], strict=True)]
    turning = any(crosses)
    if turning and (all(c >= 0 for c in crosses) or all(c <= 0 for c in crosses)):
        return F(0)
    best = []
    for p, q in zip(shifted, [*shifted[1:], shifted[0]], strict=True):
        d = (q[0] - p[0], q[1] - p[1])
        places = [F(0)]  # max(|x|, |y|) along the edge is piecewise linear, with kinks where x = +-y
        for a, b in ((1, -1), (1, 1), (1, 0), (0, 1)):
            slope = a * d[0] + b * d[1]
            if slope:
                places.append(-(a * p[0] + b * p[1]) / slope)
        best += [max(abs(p[0] + t * d[0]), abs(p[1] + t * d[1])) for t in places if 0 <= t <= 1]
    return min(best)


def below(corners: list[tuple[F, F]], form: Form) -> list[tuple[F, F]]:
    """The part of a polygon where a form is <= 0; single points and edges are kept."""
    kept = []
    for p, q in zip([corners[-1], *corners[:-1]], corners, strict=True):
        u, v = value(form, p), value(form, q)
        if u * v < 0:
            t = u / (u - v)
            kept.append((p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])))
        if v <= 0:
            kept.append(q)
    return kept


def oracle(network: Network, domain: Neighbourhood, label: int, center: tuple[F, F]) -> F | None:
    """The distance to the nearest adversarial point of a 2-D neighbourhood."""
    found = []
    for cell in clip_regions(network, domain):
        for j in range(network.outputs):
            if j != label:
                part = below(cell.corners, tuple(a - b for a, b in zip(cell.output[label], cell.output[j], strict=True)))
                found += [polygon_distance(part, center)] if part else []
    return min(found, default=None)


@given(
    st.integers(0, 10**6),
    st.sampled_from(["1/2", "1", "3"]),
    st.sampled_from([([3, 4, 3], 0), ([4, 2], 1), ([5, 3, 2, 2], 2), ([3], 0)]),
    st.booleans(),
)
def test_distance_equals_that_of_polygons_with_ties(seed, radius, widths, clipped):
    network = quarter_net([2, *widths[0]], seed)
    rng = np.random.default_rng(seed)
    center = rng.integers(-4, 5, 2) / 4
    domain = ball(center, radius, ([F(-1, 4)], [F(3, 8)]) if clipped and np.abs(center).max() < 0.5 else None)
    label = int(rng.integers(network.outputs)) if seed % 3 == 0 else label_at(network, center)
    assert checked(network, domain, label).distance == oracle(network, domain, label, domain.center)


@given(
    st.one_of(small_nets(2, min_inputs=2, min_outputs=2), sliver_nets(2, min_inputs=2, min_outputs=2)),
    st.sampled_from(["1/2", "1", "2.7"]),
)
def test_distance_of_tiny_networks(network, radius):
    domain = ball(["0.1", "-1/3"], radius)
    label = label_at(network, domain.center)
    assert checked(network, domain, label).distance == oracle(network, domain, label, domain.center)


@given(small_nets(min_outputs=2), st.integers(0, 1))
def test_boxes_of_tiny_networks_in_any_dimension(network, label):
    found = checked(network, box([-1] * network.inputs, [1] * network.inputs), label)
    if network.inputs == 2:
        assert found.robust == (oracle(network, box([-1, -1], [1, 1]), label, (F(0), F(0))) is None)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("seed", range(3))
def test_agreement_with_the_floating_search(n, seed):
    network = random_net([n, 7, 5, 3], seed, negative_slope=0.1 * (seed == 1))
    center = np.random.default_rng(seed).normal(size=n) * 0.4
    domain = ball(center, [1.0, 0.3, 0.6][seed] / n**0.5, None if seed else ([F(-1)], [F(float(np.abs(center).max()))]))
    label = label_at(network, center)
    found, expected = checked(network, domain, label), robustness(explore(network, domain), label)
    assert found.robust == expected.robust
    if not found.robust:
        assert float(found.distance) == pytest.approx(expected.distance, rel=1e-8)


@pytest.mark.parametrize("row", DISTANCES)
def test_known_distances(row, data):
    network, center = load(data / "moons2d.npz"), np.load(data / "moons2d.npz")["centers"][row]
    label, distance = DISTANCES[row]
    complex_ = explore(network, ball(center, 1.1 * distance))
    found = certified_robustness(complex_, label, keep=True)
    assert float(found.distance) == pytest.approx(distance, rel=1e-12)
    assert oracle(network, ball(center, 1.001 * distance), label, complex_.domain.center) == found.distance
    assert certified_robustness(explore(network, ball(center, 0.99 * distance)), label).robust


# ---- special position ------------------------------------------------------------------------------------------------
def linear(*margins: list[float]) -> Network:
    """No hidden layer: f_0 = 0, the others minus the given margins."""
    rows = [[0.0] * len(margins[0]), *[[-v for v in m] for m in margins]]
    return chain([[r[:-1] for r in rows]], [[r[-1] for r in rows]])


def test_a_margin_that_touches_zero_at_a_vertex_is_not_robust():
    found = checked(linear([-1.0, -1.0, 2.0]), ball([0, 0], 1), 0)
    assert (found.distance, found.adversarial) == (1, (1, 1))
    assert not checked(linear([-1.0, -1.0, 2.0]), box([-1, -1], [1, 1]), 0).robust


@pytest.mark.parametrize("lead", [2.0**-60, 2.0**-300, 0.0, -(2.0**-60)])
@pytest.mark.parametrize("domain", [ball([0, 0], 1), ball(["0.1", "0.3"], "0.7"), box([-1, -1], [1, 1])])
def test_margins_that_are_positive_by_next_to_nothing(lead, domain):
    """M = |3x - y| + lead, and M = 2 - x - y + lead composed of positive parts."""
    valley = chain([[[3.0, -1.0], [-3.0, 1.0]], [[1.0, 1.0], [0.0, 0.0]]], [[0.0, 0.0], [lead, 0.0]])
    corner = chain([[[-1.0, 0.0], [0.0, -1.0]], [[1.0, 1.0], [0.0, 0.0]]], [[1.0, 1.0], [lead, 0.0]])
    found = checked(valley, domain, 0)
    assert found.robust == (lead > 0)
    found = checked(corner, domain, 0)
    assert found.robust == (lead > 0 or sum(domain.upper) < 2)
    if domain.center == (0, 0) and lead <= 0:
        assert found.distance == 1 + F(lead) / 2


def test_a_margin_that_is_zero_on_a_whole_region():
    network = chain([[[1.0, 0.0]], [[1.0], [0.0]]], [[0.0], [0.0, 0.0]])
    found = checked(network, ball(["1/2", "0"], 1), 0)
    assert (found.distance, found.adversarial[0]) == (F(1, 2), 0)
    assert checked(network, ball(["1/2", "0"], "0.499999999999999999999"), 0).robust
    assert checked(network, ball(["1/2", "0"], "1/2"), 0).distance == F(1, 2)


def test_two_classes_that_are_the_same_everywhere():
    network = chain([[[1.0, 0.0]], [[1.0], [1.0]]], [[0.0], [0.0, 0.0]])
    assert checked(network, ball([0, 0], 1), 0).distance == 0
    assert not checked(network, box([0, 0], [1, 1]), 1).robust


@pytest.mark.parametrize("n", [1, 2, 3])
def test_nearest_points_tied_between_all_regions(n):
    norm = l1_net(n)
    (first,) = norm.layers
    network = chain([first.affine.terms[0][1], [[0.0] * 2 * n, [1.0] * 2 * n]], [first.affine.bias, [0.75, 0.0]])
    found = checked(network, ball([0] * n, 1), 0)
    assert found.distance == F(3, 4) / n
    assert sum(entry[0] == "D" for some in found.entries.values() for entry in some) == 2**n


def test_labels_that_are_wrong_or_tied_at_the_centre():
    network = linear([1.0, 0.0, -0.5], [0.0, 1.0, 0.25])
    assert checked(network, ball(["1/4", 0], 1), 0).distance == 0
    assert checked(network, ball(["1/2", 0], 1), 0).distance == 0
    assert checked(network, ball(["1/2", 0], 1), 1).distance == 0
    assert checked(network, ball(["3/4", 0], 1), 0).distance == F(1, 4)


def test_a_centre_outside_the_clip_box():
    network = linear([-1.0, 0.0, 0.625], [0.0, -1.0, 2.0])
    found = checked(network, ball([0, 0], 1, ([F(1, 2)], [1])), 0)
    assert found.distance == F(5, 8)
    found = checked(network, ball([1, 0], 1, ([F(-1)], [F(1, 2)])), 0)  # every point of the box is at least 1/2 away
    assert found.robust
    assert checked(network, ball([1, 0], 1, ([F(-1)], [F(3, 4)])), 0).distance == F(1, 4)


@given(st.integers(0, 10**6), st.sampled_from(["1/16", "1/4", "3/4"]), st.integers(0, 2))
def test_fixed_coordinates_count_in_the_distance(seed, gap, place):
    """The coordinate `place` is clipped to one value: the network with that value substituted, and the larger of both
    distances.
    """
    network = quarter_net([3, 4, 3, 2], seed)
    center = [F(v) / 4 for v in np.random.default_rng(seed).integers(-3, 4, 3).tolist()]
    lower, upper = [c - 1 for c in center], [c + 1 for c in center]
    lower[place] = upper[place] = center[place] + F(gap)
    domain = Neighbourhood(tuple(lower), tuple(upper), tuple(center))
    weights, bias = network.layers[0].affine.terms[0][1], network.layers[0].affine.bias
    rest = [q for q in range(3) if q != place]
    affines = [*(layer.affine for layer in network.layers[1:]), network.output]
    smaller = chain(
        [weights[:, rest], *(a.terms[0][1] for a in affines)], [bias + weights[:, place] * float(lower[place]), *(a.bias for a in affines)]
    )
    label = label_at(network, center)
    flat = ball([center[q] for q in rest], 1)
    expected = oracle(smaller, flat, label, flat.center)
    found = checked(network, domain, label)
    assert found.distance == (None if expected is None else max(expected, F(gap)))


def test_usage_errors():
    complex_ = explore(l1_net(2), box([-1, -1], [1, 1]))
    with pytest.raises(UsageError, match="label 0 needs a network with more outputs than 1, this one has 1"):
        certified_robustness(complex_, 0)
    with pytest.raises(UsageError, match="label 3"):
        certified_robustness(explore(linear([1.0, 1.0]), box([0], [1])), 3)


# ---- whatever floating point says ------------------------------------------------------------------------------------
@given(st.integers(0, 10**6), st.integers(0, 3))
@example(10468, 2)  # two points at the same distance
def test_nothing_rests_on_floating_proposals(seed, lie):
    """The floating search gives up, sees nothing, or points at any region; multipliers and bases are noise."""
    network = quarter_net([2, 4, 3, 3], seed)
    rng = np.random.default_rng(seed)
    domain = ball(rng.integers(-4, 5, 2) / 4, 1)
    label = label_at(network, domain.center)

    def search(complex_, label, known=None):
        if lie == 0:
            raise SolverError("gave up")
        if lie == 1:
            return Candidate(label, True, None, None, 0)
        rival = next(j for j in rng.permutation(3).tolist() if j != label)
        return Candidate(label, False, 0.0, None, 0, int(rng.integers(len(complex_))), rival)

    def noise(path, margin, bounds):
        return rng.exponential(size=len(path) + 1) if rng.random() < 0.5 else None

    def propose(cost, rows, lower, upper):
        count = int(rng.integers(0, 1 + min(len(rows), len(lower))))
        sides = rng.choice([-1, 1], size=len(lower))
        sides[rng.permutation(len(lower))[:count]] = 0
        return rng.permutation(len(rows))[:count].tolist(), sides.tolist()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "robustness", search)
        patch.setattr(module, "elastic", noise)
        patch.setattr(exact_program, "_propose", propose)
        assert checked(network, domain, label, honest=False).distance == oracle(network, domain, label, domain.center)


@given(programs())
def test_exact_programs_through_a_basis(program):
    cost, rows, lower, upper = program
    found, expected = exact_program.minimise_exactly(cost, rows, lower, upper), simplex.minimise(cost, rows, lower, upper)
    assert type(found) is type(expected)
    assert all(y > 0 for y in found.multipliers.values())
    combined = [sum((y * rows[r][i] for r, y in found.multipliers.items()), F(0)) for i in range(len(cost))]
    if isinstance(found, simplex.Infeasible):
        assert least([-c for c in combined], lower, upper) > 0
        return
    assert found.value == expected.value == value(cost, found.point)
    assert all(a <= x <= b for a, x, b in zip(lower, found.point, upper, strict=True))
    assert all(value(row, found.point) >= 0 for row in rows)
    assert least([c - d for c, d in zip(cost, combined, strict=True)], lower, upper) == found.value


@given(programs(), st.data())
def test_a_basis_that_is_not_optimal_is_refused(program, data):
    cost, rows, lower, upper = program
    sides = data.draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=len(lower), max_size=len(lower)))
    tight = data.draw(st.lists(st.integers(0, len(rows) - 1), unique=True, max_size=len(lower))) if rows else []
    found = optimum_of_basis(cost, rows, lower, upper, tight, sides)
    if found is not None:
        expected = simplex.minimise(cost, rows, lower, upper)
        assert isinstance(expected, simplex.ExactMinimum)
        assert (found.value, value(cost, found.point)) == (expected.value, expected.value)


@given(st.integers(0, 10**6), st.integers(1, 70), st.sampled_from([1.0, 1e-3, 1e-150, 1e-310, 1e150]))
def test_the_error_bound_of_ends_holds(seed, k, size):
    rng = np.random.default_rng(seed)
    corners = np.sort(rng.uniform(-1, 1, (2, k)), axis=0)
    exact_corners = [[F(v) + F(1, 3**40) * (i == 0) * (v < 0.99) for v in side] for i, side in enumerate(corners.tolist())]
    bounds = MarginBox.of(*[[min(p, q) for p, q in zip(*exact_corners, strict=True)], [max(p, q) for p, q in zip(*exact_corners, strict=True)]])
    true = [[F(v) for v in row] for row in (size * rng.normal(size=(5, k + 1)) * 2.0 ** rng.integers(-40, 40, (5, 1))).tolist()]
    shaken = [[v * (1 + F(int(rng.integers(-9, 10)), 10**15)) for v in row] for row in true]
    forms = np.array([[float(v) for v in row] for row in shaken])
    noise = np.array(
        [
            float(sum(abs(a - F(b)) for a, b in zip(row, copy, strict=True))) * (1 + 2**-50) + 2.0**-1074
            for row, copy in zip(true, forms.tolist(), strict=True)
        ]
    )
    low, high, error = bounds.ends(forms, noise)
    for r, row in enumerate(true):
        assert abs(F(low[r]) - least(row, bounds.lower, bounds.upper)) <= F(error[r])
        assert abs(F(high[r]) + least([-v for v in row], bounds.lower, bounds.upper)) <= F(error[r])
    weights = np.rint(rng.exponential(1000, 5)) * [1, -1, -1, -1, -1]
    combined = [sum((F(w) * row[i] for w, row in zip(weights.tolist(), true, strict=True)), F(0)) for i in range(k + 1)]
    value_, bound = bounds.combination(weights, forms, noise)
    assert abs(F(value_) - least(combined, bounds.lower, bounds.upper)) <= F(bound)


@given(st.lists(st.lists(st.one_of(st.just(0), st.integers(-9, 9), st.fractions(-9, 9, max_denominator=20)), min_size=4, max_size=4), min_size=1))
def test_rows_scaled_without_their_zeros_are_the_scaled_rows(rows):
    floats = exact_program.unit_rows(rows)
    for row, copy in zip(rows, floats.tolist(), strict=True):
        exact = [F(v) for v in row]
        size = max((abs(v) for v in exact[:-1] if v), default=abs(exact[-1])) or F(1)
        assert copy == [float(v / size) for v in exact]
        whole = _whole(row)
        dense = [0] * len(row)
        for j, v in [*whole.entries, (len(row) - 1, whole.constant)]:
            dense[j] = v
        assert dense == [v * whole.factor for v in exact]
        assert whole.at([2, -3, 5], 7) == sum(a * b for a, b in zip(dense, [2, -3, 5, 7], strict=True))


def test_the_distance_in_many_dimensions_goes_through_a_basis(monkeypatch):
    """The nearest point of a half-space in a linf ball: |c| / |a|_1, where every coordinate has two bounds of its
    own.
    """
    rng = np.random.default_rng(3)
    k = 40
    a = [F(v) for v in rng.normal(size=k).tolist()]
    rows = [(*a, 0, -F(1))]  # a . t >= 1
    for j in range(k):
        for sign in (1, -1):
            row = [0] * (k + 2)
            row[j], row[k] = -sign, 1
            rows.append(tuple(row))
    cost = [*[0] * k, 1, 0]
    monkeypatch.setattr(exact_program, "minimise_lazily", lambda *_: pytest.fail("the basis was not enough"))
    found = exact_program.minimise_exactly(cost, rows, [F(-1)] * k + [F(0)], [F(1)] * k + [F(2)])
    assert found.value == 1 / sum(abs(v) for v in a)
