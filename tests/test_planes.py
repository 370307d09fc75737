"""Planes and lines of input space: the frame itself, and what is counted and measured in it, against enumerations of
the same set by other ways.
"""

from __future__ import annotations

import itertools
import math
import pickle
from dataclasses import replace
from fractions import Fraction as F
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import quarter_net, random_net, residual_net

import polylc
from polylc.api.certify import certify
from polylc.domains.box import box
from polylc.domains.frame import Frame, inner, through
from polylc.errors import NeighbourhoodError, UsageError
from polylc.exact.quantity import Kind
from polylc.network.compose import compose
from polylc.network.exact import ExactNetwork
from polylc.network.exact_forms import ExactForms
from polylc.network.form import Affine, Network, pattern_at
from polylc.report.schema import Report

numbers = st.fractions(min_value=-3, max_value=3, max_denominator=12)


@st.composite
def frames(draw: st.DrawFn, inputs: int | None = None) -> Frame:
    """Lines and planes through rational points, of two to five inputs."""
    n = draw(st.integers(2, 5)) if inputs is None else inputs
    many = draw(st.sampled_from([2, 3]))
    points = [[draw(numbers) for _ in range(n)] for _ in range(many)]
    points[1] = [a + (F(1, 7) if j == 0 else 0) if points[0] == points[1] else b for j, (a, b) in enumerate(zip(points[0], points[1], strict=True))]
    try:
        return through(points, margin=draw(st.sampled_from([0, F(1, 3), 1])))
    except NeighbourhoodError:  # three points on a line
        return through(points[:2])


# ---- the frame -------------------------------------------------------------------------------------------------------
@given(frames())
def test_axes_are_orthogonal_and_hold_the_points(frame):
    assert all(inner(d, e) == 0 for d, e in itertools.combinations(frame.directions, 2))
    places = [frame.foot(point) for point in frame.marks]
    assert places[0] == (0,) * frame.dimension
    assert places[1][0] == 1
    assert all(place[j] == 1 for j, place in enumerate(places[1:]))
    for point, place in zip(frame.marks, places, strict=True):
        assert frame.at(place) == point
        assert frame.contains(point)


@given(frames(), st.data())
def test_what_is_beside_it_or_beyond_its_bounds_is_not_in_it(frame, data):
    unit = [data.draw(st.fractions(-1, 1, max_denominator=9)) for _ in range(frame.dimension)]
    point = frame.lifted(unit)
    assert frame.contains(point)
    assert frame.moved_into(point) == point
    beyond = frame.at([s + (high - low) for s, low, high in zip(frame.foot(point), frame.low, frame.high, strict=True)])
    assert frame.contains(beyond) is all(u == -1 for u in unit)
    assert frame.contains(frame.moved_into(beyond))
    other = [data.draw(numbers) for _ in range(frame.inputs)]
    normal = [x - y for x, y in zip(other, frame.at(frame.foot(other)), strict=True)]  # at right angles to it
    assert all(inner(normal, d) == 0 for d in frame.directions)
    beside = [x + v / 10**12 for x, v in zip(point, normal, strict=True)]
    assert frame.contains(beside) is not any(normal)
    assert frame.moved_into(beside) == point


@given(frames(), st.data())
def test_lengths_are_those_of_the_inputs(frame, data):
    """Between points of the frame, by their coordinates along the axes and by all their coordinates."""
    one, other = ([data.draw(st.fractions(-1, 1, max_denominator=9)) for _ in range(frame.dimension)] for _ in range(2))
    away = [x - y for x, y in zip(frame.lifted(one), frame.lifted(other), strict=True)]
    squared = sum((u - v) ** 2 * q for u, v, q in zip(one, other, frame.squared_half, strict=True))
    assert squared == inner(away, away)
    doubles = [frame.measured_middle + np.array([float(v) for v in unit]) * frame.half for unit in (one, other)]
    assert np.linalg.norm(doubles[0] - doubles[1]) == pytest.approx(math.sqrt(float(squared)), rel=1e-12, abs=1e-14)
    first = frame.measured_middle + frame.unit(np.array([float(v) for v in frame.origin])) * frame.half
    np.testing.assert_allclose(first, 0.0, atol=1e-12)  # lengths are measured from the first point
    corners = list(frame.corners())
    sides = [inner([x - y for x, y in zip(corners[0], c, strict=True)], [x - y for x, y in zip(corners[0], c, strict=True)]) for c in corners]
    assert frame.squared_volume == math.prod(sorted(sides)[1 : 1 + frame.dimension])
    assert frame.size == pytest.approx(math.sqrt(float(frame.squared_volume)), rel=1e-15)


@given(frames())
def test_a_frame_is_handed_to_other_processes(frame):
    frame.start(random_net([frame.inputs, 3, 1], 0))
    again = pickle.loads(pickle.dumps(frame))
    assert again == frame
    assert (again.embedding == frame.embedding).all()


@pytest.mark.parametrize(
    ("points", "margin", "said"),
    [
        ([[0, 0], [1, 1], [2, 2]], None, "plane: a, b, c lie on a line; choose others"),
        ([[0, 0], [1, 1], [0, 0]], None, "plane: a and c are the same point; choose others"),
        ([[0, 0], [0, 0], [1, 0]], None, "plane: a and b are the same point; choose others"),
        ([[0, 1], [1, 1], [1, 1]], None, "plane: b and c are the same point; choose others"),
        ([[F(1, 3)], [F(1, 3)]], None, "line: a and b are the same point; choose others"),
        ([[0, 0], [1]], None, "line: its points have 2, 1 coordinates; give points of one length"),
        ([[0], [1]], -1, "line: margin -1 is out of range; give a share between 0 and 1000"),
        ([[0], [F(1, 2**600)]], None, "line: distances between its points are out of range; they must lie between 2^-500 and 2^500"),
    ],
)
def test_points_without_a_frame_are_refused(points, margin, said):
    with pytest.raises(NeighbourhoodError) as refused:
        through(points, margin=margin)
    assert str(refused.value) == said


# ---- the network along it --------------------------------------------------------------------------------------------
NETWORKS = {
    "random": random_net([4, 6, 5, 3], 1),
    "leaky": random_net([4, 5, 4, 2], 2, negative_slope=0.1),
    "ties": quarter_net([4, 5, 4, 3], 3),
}


@given(st.sampled_from(sorted(NETWORKS)), frames(4), st.integers(0, 10**6))
def test_forms_along_a_frame_are_as_near_as_they_say(name, frame, seed):
    network = NETWORKS[name]
    start = frame.start(network)
    assert start.network.inputs == frame.dimension + 1
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (3, network.neurons)).astype(bool)
    found = compose(start.network, bits, start.embedding, start.rounding)
    exact = ExactForms(network, frame.exact_embedding)
    for r, pattern in enumerate(bits):
        near, bounds = np.concatenate([found.hidden[r], found.output[r]]), np.concatenate([found.noise[r], found.output_noise[r]])
        for row, form, bound in zip(near.tolist(), [*exact.hidden(pattern), *exact.output(pattern)], bounds.tolist(), strict=True):
            assert sum(abs(F(v) - F(w, exact.scale)) for v, w in zip(row, form, strict=True)) <= F(bound)
            assert bound < 1e-12


def test_coefficients_beyond_doubles_are_left_to_the_plain_embedding():
    network = random_net([2, 3, 1], 0)
    huge = replace(network, layers=(replace(network.layers[0], affine=Affine(((0, network.layers[0].affine.terms[0][1] * 2.0**520),), np.zeros(3))),))
    frame = through([[0, 0], [2**400, 1]])
    assert frame.start(huge).network is huge
    assert certify(huge, frame)[0].status == "certified"


# ---- against the same plane as a network of two inputs ---------------------------------------------------------------
# orthogonal and of length 1, with entries 1/2 and -1/2: the network in the plane has dyadic weights, and lengths agree
SQUARE = [[F(1, 2), F(1, 2), F(1, 2), F(1, 2)], [F(1, 2), F(-1, 2), F(1, 2), F(-1, 2)]]
ORIGIN = [F(1, 4), F(-1, 8), F(0), F(3, 8)]


def shortened(network: Network) -> Network:
    """Weights of the same sizes in multiples of 1/1024: what is composed from them with SQUARE is exact."""

    def short(affine: Affine) -> Affine:
        return Affine(tuple((s, np.rint(w * 1024) / 1024) for s, w in affine.terms), np.rint(affine.bias * 1024) / 1024)

    layers = tuple(replace(layer, affine=short(layer.affine)) for layer in network.layers)
    return Network(network.inputs, layers, short(network.output))


def flat(network: Network, directions: list[list[F]], origin: list[F]) -> Network:
    """The network of s -> f(origin + sum s_j d_j), composed in doubles, which is exact for short weights."""
    E, e = np.array(directions, dtype=np.float64).T, np.array(origin, dtype=np.float64)

    def along(affine: Affine) -> Affine:
        terms = tuple((s, w @ E if s == 0 else w) for s, w in affine.terms)
        return Affine(terms, affine.bias + sum(w @ e for s, w in affine.terms if s == 0))

    layers = tuple(replace(layer, affine=along(layer.affine)) for layer in network.layers)
    return Network(len(directions), layers, along(network.output))


def padded(network: Network) -> Network:
    """The residual network with a fourth input."""

    def wide(affine: Affine) -> Affine:
        return Affine(tuple((s, np.column_stack([w, w[:, 0] / 2]) if s == 0 else w) for s, w in affine.terms), affine.bias)

    layers = tuple(replace(layer, affine=wide(layer.affine)) for layer in network.layers)
    return Network(4, layers, wide(network.output))


SAME = {
    "random": shortened(random_net([4, 7, 6, 3], 4)),
    "leaky": shortened(random_net([4, 5, 5, 2], 5, negative_slope=0.25)),
    "ties": quarter_net([4, 6, 5, 3], 6),
    "more ties": quarter_net([4, 6, 5, 1], 8),
    "skips": shortened(padded(residual_net(3))),
}


def in_square(dimension: int) -> Frame:
    b, c = ([o + d for o, d in zip(ORIGIN, direction, strict=True)] for direction in SQUARE)
    return through([ORIGIN, b, c][: dimension + 1], margin=F(3, 2))


@pytest.mark.parametrize("engine", ["vertex", "dictionary", "lp"])
@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("name", sorted(SAME))
def test_a_plane_is_the_network_of_two_inputs_in_it(name, dimension, engine):
    """Counts, ranks, constants and areas agree exactly, and what is weighed with norms within its narrow bounds."""
    network, frame = SAME[name], in_square(dimension)
    assert frame.squares == (1,) * dimension
    label = 1 if network.outputs > 1 else None
    asked: dict[str, Any] = {"measures": "default", "exact_volumes": True, "engine": engine, "labels": None if label is None else [label]}
    one = certify(network, frame, **asked)[0]
    other = certify(flat(network, SQUARE[:dimension], ORIGIN), box=(frame.low, frame.high), **asked)[0]
    assert one.status == other.status == "certified"
    assert one.regions > 2
    for attribute in ("regions", "adjacencies", "affine_functions", "pieces", "volume", "local_complexity"):
        assert getattr(one, attribute) == getattr(other, attribute), attribute
    assert [(rank.least, rank.most) for rank in one.local_rank] == [(rank.least, rank.most) for rank in other.local_rank]
    constants = {c.target: (c.lower, c.upper) for c in other.lipschitz if c.norm == "l2"}
    for c in one.lipschitz:
        assert c.norm == "l2"
        low, high = constants[c.target]
        assert c.lower == low if c.lower == c.upper else c.lower <= high and low <= c.upper
    weighed = [(value, other.total_variation[kind]) for kind, value in one.total_variation.items()]
    for here, there in [(one.kink_variation, other.kink_variation), *weighed]:
        assert here.lower <= there.upper
        assert there.lower <= here.upper
        assert here.upper - here.lower <= 1e-9 * here.upper
    if label is not None:
        assert one.robustness.robust is other.robustness.robust
        if not one.robustness.robust:
            values = ExactNetwork(network).outputs(one.robustness.exact_point)
            assert frame.contains(one.robustness.exact_point)
            assert max(v for j, v in enumerate(values) if j != label) >= values[label]


@pytest.mark.parametrize("name", sorted(SAME))
def test_without_certification_it_is_the_same(name):
    network, frame = SAME[name], in_square(2)
    one, other = certify(network, frame, certified=False)[0], certify(network, frame)[0]
    assert (one.regions, one.adjacencies, one.pieces) == (other.regions, other.adjacencies, other.pieces)
    assert one.kink_variation.value == pytest.approx(other.kink_variation.value, rel=1e-9)
    for version, value in one.local_complexity.items():
        assert value.value == pytest.approx(other.local_complexity[version].value, rel=1e-9)
    found = {c.target: c.value for c in other.lipschitz}
    assert all(c.value == pytest.approx(found[c.target], rel=1e-9) for c in one.lipschitz)


def test_a_plane_with_the_axes_of_the_inputs_is_a_box():
    network = random_net([2, 8, 6, 2], 9)
    frame = through([[0, 0], [1, 0], [0, 1]], margin=1)
    one, other = certify(network, frame, sigma=0.2)[0], certify(network, box=(frame.low, frame.high), sigma=0.2)[0]
    assert (one.regions, one.adjacencies, one.pieces) == (other.regions, other.adjacencies, other.pieces)
    for name, value in one.noisy_complexity.items():
        assert value.lower <= other.noisy_complexity[name].upper
        assert other.noisy_complexity[name].lower <= value.upper


# ---- against arithmetic by hand, in planes whose sides are no rational numbers ---------------------------------------
def lines_in(network: Network, frame: Frame) -> list[tuple[F, F, F]]:
    """The first layer's lines (a, b, c), a s + b r + c = 0, in the oblique coordinates of b - a and c - a."""
    a, b, c = frame.marks
    rows = [[F(v) for v in row] for row in network.layers[0].affine.terms[0][1].tolist()]
    found = []
    for row, bias in zip(rows, network.layers[0].affine.bias.tolist(), strict=True):
        at = [sum((w * x for w, x in zip(row, p, strict=True)), F(bias)) for p in (a, b, c)]
        found.append((at[1] - at[0], at[2] - at[0], at[0]))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_one_layer_is_an_arrangement_of_lines(seed):
    """Regions are 1 + lines + crossings; the local complexity is the length of the lines over the area; constants are
    projected gradients: all by oblique coordinates and all coordinates of the inputs.
    """
    rng = np.random.default_rng(seed)
    network = random_net([5, 6, 1], seed) if seed < 3 else quarter_net([5, 6, 1], seed)
    points = rng.integers(-8, 9, (3, 5)) / 8
    frame = through(points)
    found = certify(network, frame, exact_volumes=True)[0]
    a, b, c = frame.marks
    corners = []  # of the frame, in oblique coordinates: x = a + s (b - a) + r (c - a)
    t = inner([x - y for x, y in zip(c, a, strict=True)], frame.directions[0]) / frame.squares[0]
    for s1, s2 in itertools.product(*zip(frame.low, frame.high, strict=True)):
        corners.append((s1 - s2 * t, s2))
    corners = [corners[i] for i in (0, 1, 3, 2)]
    edges = list(zip(corners, corners[1:] + corners[:1], strict=True))

    def chord(line: tuple[F, F, F]) -> list[tuple[F, F]]:
        """Where a line meets the boundary of the frame, if it meets the inside."""
        p, q, r = line
        ends = set()
        for (s, u), (v, w) in edges:
            one, other = p * s + q * u + r, p * v + q * w + r
            if one == 0:
                ends.add((s, u))
            elif one * other < 0:
                share = one / (one - other)
                ends.add((s + share * (v - s), u + share * (w - u)))
        values = [p * s + q * u + r for s, u in corners]
        return sorted(ends) if min(values) < 0 < max(values) else []

    def point(at: tuple[F, F]) -> list[F]:
        return [x + at[0] * (y - x) + at[1] * (z - x) for x, y, z in zip(a, b, c, strict=True)]

    distinct: dict[tuple[F, ...], tuple[F, F, F]] = {}
    for line in lines_in(network, frame):
        lead = next((v for v in line[:2] if v), None)
        if lead is not None and chord(line):
            distinct.setdefault(tuple(v / lead for v in line), line)
    crossings: dict[tuple[F, F], int] = {}
    lines = list(distinct.values())
    for (p, q, r), (v, w, z) in itertools.combinations(lines, 2):
        if (det := p * w - q * v) != 0:
            at = (q * z - r * w) / det, (r * v - p * z) / det
            inside = frame.contains(point(at)) and all(
                low < s < high for low, s, high in zip(frame.low, frame.foot(point(at)), frame.high, strict=True)
            )
            if inside:
                crossings[at] = crossings.get(at, 0) + 1
    through_one = [(1 + math.isqrt(1 + 8 * pairs)) // 2 for pairs in crossings.values()]  # lines through each crossing
    assert found.regions == 1 + len(lines) + sum(many - 1 for many in through_one)
    length = 0.0
    for line in lines:
        one, other = map(point, chord(line))
        away = [x - y for x, y in zip(one, other, strict=True)]
        length += math.sqrt(inner(away, away))
    assert found.local_complexity["activation_set"].value == pytest.approx(length / frame.size, rel=1e-12)
    # gradients by x, projected: a^T G^-1 a with the oblique basis
    F1, F2 = ([x - y for x, y in zip(p, a, strict=True)] for p in (b, c))
    gram = inner(F1, F1), inner(F1, F2), inner(F2, F2)
    largest = F(0)
    for bits in {bytes(row): row for row in found.complex.patterns()}.values():
        first, last = (
            np.array([[F(v) for v in row] for row in w.tolist()]) for w in (network.layers[0].affine.terms[0][1], network.output.terms[0][1])
        )
        gradient = (last * bits) @ first
        u, v = inner(gradient[0], F1), inner(gradient[0], F2)
        largest = max(largest, (gram[2] * u * u - 2 * gram[1] * u * v + gram[0] * v * v) / (gram[0] * gram[2] - gram[1] ** 2))
    constant = next(c for c in found.lipschitz if c.target == "f0")
    assert constant.lower == constant.upper == largest
    assert constant.quantity.kind is Kind.EXACT


@pytest.mark.parametrize("engine", ["vertex", "dictionary", "lp"])
def test_patterns_at_points_of_a_plane_are_listed(engine):
    network = random_net([6, 12, 10, 3], 12)
    points = np.random.default_rng(3).normal(size=(3, 6))
    frame = through(points)
    found = certify(network, frame, engine=engine)[0]
    unit = np.random.default_rng(4).uniform(-1, 1, (2000, 2))
    listed = {bytes(row) for row in found.complex.patterns().astype(np.uint8)}
    shown = {bytes(row) for row in pattern_at(network, frame.points(unit)).astype(np.uint8)}
    assert shown <= listed
    assert len(listed) == found.regions
    assert [found.region_at(x) for x in found.complex.points] == list(range(found.regions))
    with pytest.raises(UsageError, match="outside the neighbourhood"):
        found.region_at(np.full(6, 50.0))


# ---- lines -----------------------------------------------------------------------------------------------------------
def breaks_by_hand(network: Network, a: list[F], b: list[F]) -> list[F]:
    """Where some neuron's sign changes along a segment, layer by layer: between the breakpoints of the earlier layers a
    pre-activation is affine.
    """
    exact = ExactNetwork(network)

    def values(s: F, layer: int) -> list[F]:
        return exact.preactivations([x + s * (y - x) for x, y in zip(a, b, strict=True)])[layer]

    at = [F(0), F(1)]
    for layer in range(len(network.layers)):
        new = set(at)
        for low, high in itertools.pairwise(at):
            new |= {low + u / (u - v) * (high - low) for u, v in zip(values(low, layer), values(high, layer), strict=True) if u * v < 0}
        at = sorted(new)
    patterns = [
        [z > 0 for part in exact.preactivations([x + s * (y - x) for x, y in zip(a, b, strict=True)])[:-1] for z in part]
        for s in [(low + high) / 2 for low, high in itertools.pairwise(at)]
    ]
    return [F(0), *(s for s, one, other in zip(at[1:], patterns, patterns[1:], strict=False) if one != other), F(1)]


@given(st.integers(0, 10**6), st.booleans())
def test_breakpoints_of_a_line_are_those_found_by_hand(seed, ties):
    network = (quarter_net if ties else random_net)([3, 5, 4, 3], seed)
    ends = np.random.default_rng(seed).integers(-16, 17, (2, 3)) / 8
    if (ends[0] == ends[1]).all():
        ends[1, 0] += 1
    a, b = ([F(v) for v in end] for end in ends.tolist())
    found = certify(network, polylc.line(network, *ends), measures="counts")[0].breakpoints()
    assert list(found.at) == breaks_by_hand(network, a, b)
    exact = ExactNetwork(network)

    def outputs(s: F) -> tuple[F, ...]:
        return tuple(exact.outputs([x + s * (y - x) for x, y in zip(a, b, strict=True)]))

    assert [outputs(s) for s in found.at] == list(found.outputs)
    assert [low for low, _, _ in found.classes] == [F(0), *(high for _, high, _ in found.classes[:-1])]
    assert found.classes[-1][1] == 1
    for low, high, best in found.classes:
        assert low < high
        for share in (F(0), F(1, 3), F(1, 2), F(9, 10), F(1)):
            values = outputs(low + share * (high - low))
            assert values[best] == max(values)
    for (_, at, one), (_, _, other) in itertools.pairwise(found.classes):
        assert one != other
        assert outputs(at)[one] == outputs(at)[other]


def test_breakpoints_need_all_of_a_line():
    network = random_net([3, 8, 2], 1)
    with pytest.raises(UsageError, match="has dimension 2"):
        certify(network, [0, 0, 0], radius=[1, 1, 0])[0].breakpoints()
    with pytest.raises(UsageError, match="regions are missing"):
        certify(network, polylc.line(network, [-3, 0, 1], [3, 0, 1]), max_regions=1)[0].breakpoints()


# ---- what is asked of it, and told -----------------------------------------------------------------------------------
def test_what_does_not_belong_to_a_frame_is_refused():
    network = random_net([3, 4, 2], 0)
    frame = polylc.plane(network, [0, 0, 0], [1, 0, 0], [0, 1, 0])
    with pytest.raises(UsageError, match="radius, box and clip do not belong to it"):
        certify(network, frame, radius=1)
    with pytest.raises(UsageError, match="labels: 2 labels for 1 neighbourhood"):
        certify(network, frame, labels=[0, 1])
    with pytest.raises(NeighbourhoodError, match="it has 3 coordinates, but the network has 2 inputs"):
        certify(random_net([2, 3, 1], 0), frame)
    for call in (polylc.estimate, polylc.compare):
        with pytest.raises(UsageError, match="planes and lines belong to certify"):
            call(network, frame)
    with pytest.raises(UsageError, match="point b: one input is needed, not 2"):
        polylc.plane(network, [0, 0, 0], [[1, 0, 0], [1, 1, 0]], [0, 1, 0])


def test_a_report_names_the_frame():
    network = random_net([3, 4, 2], 0)
    run = certify(network, polylc.plane(network, [0, 0, 0], [1, 0, 0], [1, 2, 2]))
    report = Report.model_validate_json(run.report().model_dump_json()).neighbourhoods[0]
    assert report.lower is report.upper is report.center is report.radius is None
    assert report.frame.origin == [0, 0, 0]
    assert report.frame.directions == [[1, 0, 0], [0, 2, 2]]
    assert report.frame.points == [[0, 0, 0], [1, 0, 0], [1, 2, 2]]
    assert (report.frame.low, report.frame.high) == ([-0.25, -0.25], [1.25, 1.25])
    assert report.notes["lipschitz"] == "in a plane or on a line lengths are l2; none for linf and l1"
    assert {c.norm for c in report.lipschitz} == {"l2"}
    assert "plane through a, b, c in 3 dimensions, 1.5 x 4.242641, area 6.363961" in run[0]._repr_html_()


def test_measures_that_were_stopped_say_what_is_known():
    network = random_net([5, 20, 20, 3], 2)
    frame = polylc.plane(network, *np.random.default_rng(0).normal(size=(3, 5)) * 3)
    found = certify(network, frame, labels=[0], max_regions=20)[0]
    assert found.status == "partial"
    if found.robustness.exact_point is not None:
        assert frame.contains(found.robustness.exact_point)


def test_closed_forms_in_a_plane():
    pytest.importorskip("sympy")
    network, frame = SAME["ties"], through([ORIGIN, [1, 0, 0, 1], [0, 1, F(1, 2), 0]])
    result = certify(network, frame, exact_volumes=True)[0]
    closed = result.symbolic()
    assert [str(v) for v in closed.variables] == ["s1", "s2"]
    assert float(closed.kink_variation) == pytest.approx(result.kink_variation.value, rel=1e-12)
    assert float(closed.total_variation["operator"]) == pytest.approx(result.total_variation["operator"].value, rel=1e-9)
    assert float(sum(region.volume for region in closed.regions)) == pytest.approx(frame.size, rel=1e-14)
    at = (F(1, 3), F(1, 5))
    assert closed.value(at) == ExactNetwork(network).outputs(frame.at(at))


def test_bounds_hold_in_a_plane():
    network = random_net([4, 6, 5, 3], 4)
    found = certify(network, in_square(2), measures="all", labels=[0], sigma=0.3)[0]
    assert {bound.name for bound in found.bounds} >= {"C2", "T5", "C8", "T7, sigma 0.3"}
    assert all(bound.holds is not False for bound in found.bounds if not bound.name.startswith("not a theorem"))


def test_a_box_is_untouched_by_frames():
    """Its start is the network itself."""
    network, domain = random_net([3, 4, 2], 0), box([0] * 3, [1] * 3)
    assert domain.start(network).network is network
