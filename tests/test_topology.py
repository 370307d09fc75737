"""Topology of decision regions: known shapes, Alexander duality, grids, and programs against vertices."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import quarter_net, random_net, residual_net, zero_bias_net
from scipy import ndimage

from polylc import certify
from polylc.complex.complex import Complex
from polylc.complex.graph import build_graph
from polylc.domains.box import box
from polylc.errors import ConsistencyError
from polylc.measures.decision.by_programs import ByPrograms
from polylc.measures.decision.by_vertices import ByVertices
from polylc.measures.decision.classes import margin_of
from polylc.measures.decision.faces import faces_of
from polylc.measures.decision.parts import Parts, parts
from polylc.measures.decision.peaks import Peaks, corner_values
from polylc.measures.decision.persistence import persistence
from polylc.measures.decision.whole import Topology, topology
from polylc.network.form import Affine, Layer, Network, chain
from polylc.search.enumerate import enumerate_regions


def complex_of(network: Network, half: float = 3.0) -> Complex:
    n = network.inputs
    return enumerate_regions(network, box([-half] * n, [half] * n))[0]


def topology_of(network: Network, half: float = 3.0) -> Topology:
    complex_ = complex_of(network, half)
    return topology(complex_, build_graph(complex_))


def betti(found: Topology) -> list[tuple[int, ...] | None]:
    return [one.betti for one in found.classes]


# ---- known shapes ----------------------------------------------------------------------------------------------------
def sizes(n: int, radius: float, width: float) -> Network:
    """width - | |x|_1 - radius |: positive around the sphere of l1."""
    first = np.concatenate([np.eye(n), -np.eye(n)])
    second = np.stack([np.ones(2 * n), -np.ones(2 * n)])
    return chain([first, second, np.array([[-1.0, -1.0]])], [np.zeros(2 * n), np.array([-radius, radius]), np.array([width])])


def torus(width: float) -> Network:
    """width - | |x| + |y| - 1 | - |z|: positive around a circle of l1."""
    first = np.concatenate([np.eye(3), -np.eye(3)])
    ring = np.array([1.0, 1.0, 0.0, 1.0, 1.0, 0.0])
    second = np.stack([ring, -ring, [0.0, 0.0, 1.0, 0.0, 0.0, 1.0]])
    return chain([first, second, -np.ones((1, 3))], [np.zeros(6), np.array([-1.0, 1.0, 0.0]), np.array([width])])


def waves(n: int, folds: int, level: float) -> Network:
    """The sum of t(x_i), less level, where t goes up and down between -1 and 1 at the whole numbers 0 to folds."""
    first = np.concatenate([np.tile(np.eye(n)[i], (folds + 1, 1)) for i in range(n)])
    slopes = np.array([2.0, *(4.0 * (-1) ** k for k in range(1, folds + 1))])
    return chain([first, np.tile(slopes, n)[None]], [np.tile(-np.arange(folds + 1.0), n), np.array([-n - level])])


def test_an_annulus():
    found = topology_of(sizes(2, 1.0, 0.5))
    assert betti(found) == [(2, 1), (1, 1)]
    assert [one.euler for one in found.classes] == [1, 0]
    assert found.boundary == 2
    # the ring holds until the margin reaches its crest, the disc inside it until its least, 1/2 - 1
    assert [one.stability for one in found.classes] == [Fraction(1, 2), Fraction(1, 2)]


def test_a_shell():
    found = topology_of(sizes(3, 1.0, 0.5))
    assert betti(found) == [(2, 0, 1), (1, 0, 1)]
    assert found.boundary == 2


def test_a_torus():
    found = topology_of(torus(0.5))
    assert betti(found) == [(1, 1, 1), (1, 1, 0)]
    assert [one.euler for one in found.classes] == [1, 0]
    assert found.boundary == 1
    (ring,) = (bar for bar in found.classes[1].bars if bar.dimension == 1)
    assert (ring.birth, ring.death) == (Fraction(1, 2), Fraction(-1, 2))  # its hole closes where |x| + |y| = 0


def test_a_shell_in_four_dimensions():
    found = topology_of(sizes(4, 1.0, 0.5), 2.0)
    assert betti(found) == [(2, 0, 0, 1), (1, 0, 0, 1)]
    assert [one.euler for one in found.classes] == [1, 0]


@pytest.mark.parametrize(("n", "folds"), [(1, 4), (2, 2), (2, 4), (3, 2)])
def test_blobs(n, folds):
    """Around each point with odd coordinates one blob; all else is one part."""
    complex_ = enumerate_regions(waves(n, folds, n - 1.0), box([0] * n, [folds] * n))[0]
    found = topology(complex_, build_graph(complex_))
    blobs = (folds // 2) ** n
    assert found.classes[1].betti == (blobs, *[0] * (n - 1))
    assert found.boundary == (2 * blobs if n == 1 else blobs)
    assert found.classes[0].components == (blobs + 1 if n == 1 else 1)
    assert n == 1 or found.classes[0].betti == (1, *[0] * (n - 2), blobs)


@pytest.mark.parametrize("folds", [2, 3, 4])
def test_a_checkerboard_whose_fields_touch_at_corners(folds):
    """{t(x) + t(y) > 0}: squares on their corners, open, so those that meet in a point are apart."""
    complex_ = enumerate_regions(waves(2, folds, 0.0), box([0, 0], [folds, folds]))[0]
    found = topology(complex_, build_graph(complex_))
    high, low = (folds + 1) // 2, folds // 2 + 1  # where t is 1, and where it is -1
    assert [one.components for one in found.classes] == [low**2, high**2]
    assert [one.betti[1] for one in found.classes] == [0, 0]
    assert [one.stability for one in found.classes] == [0, 2 if folds == 2 else 0]  # a single field meets none of its own
    # the lines x + y = 1, 3, ... and x - y = 1, -1, 3, ..., joined where they cross inside
    lines = networkx.Graph()
    odd = [d for d in range(-folds, 2 * folds) if d % 2]
    lines.add_nodes_from([("sum", d) for d in odd if d > 0] + [("difference", d) for d in odd if abs(d) < folds])
    both = [(a, b) for a in odd for b in odd if abs(b) < folds and abs(b) < a < 2 * folds - abs(b)]
    lines.add_edges_from((("sum", a), ("difference", b)) for a, b in both)
    assert found.boundary == networkx.number_connected_components(lines)


def test_a_tie_on_a_region_belongs_to_no_class():
    """relu(x) - relu(-x - 1): zero between -1 and 0."""
    network = chain([np.array([[1.0], [-1.0]]), np.array([[1.0, -1.0]])], [np.array([0.0, -1.0]), np.zeros(1)])
    found = topology_of(network)
    assert [one.components for one in found.classes] == [1, 1]
    assert found.boundary == 1


def test_a_class_that_is_ahead_nowhere():
    network = chain([np.eye(2), np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])], [np.zeros(2), np.array([1.0, 0.0, -2.0])])
    found = topology_of(network)
    assert [one.components for one in found.classes] == [1, 0, 0]
    assert [one.stability for one in found.classes] == [4, 1, 3]  # 4: where it is ahead by most, at x = 3
    assert found.boundary == 0


# ---- a second way: the complement, cut along all walls -------------------------------------------------------------
def with_walls(network: Network) -> Network:
    """The same function with neurons that bend nothing, on all walls between classes."""
    out = network.output
    pairs = [(0, None)] if network.outputs == 1 else list(itertools.combinations(range(network.outputs), 2))

    def rows(values: np.ndarray) -> np.ndarray:
        return np.stack([values[i] if j is None else values[i] - values[j] for i, j in pairs])

    walls = Affine(tuple((s, rows(w)) for s, w in out.terms), rows(out.bias))
    layer = Layer(walls, np.zeros(len(pairs)), np.ones(len(pairs)))
    return replace(network, layers=(*network.layers, layer))


def short(network: Network) -> Network:
    """Outputs with short weights, whose differences are exact."""
    affine = network.output

    def rounded(values: np.ndarray) -> np.ndarray:
        return np.rint(values * 2.0**12) / 2.0**12

    return replace(network, output=Affine(tuple((s, rounded(w)) for s, w in affine.terms), rounded(affine.bias)))


def rank_over_two(rows: list[set[int]]) -> int:
    """By elimination, one row after the other."""
    lead: dict[int, set[int]] = {}
    for row in rows:
        while row:
            at = min(row)
            if at not in lead:
                lead[at] = row
                break
            row = row ^ lead[at]
    return len(lead)


class Cut:
    """The faces of a network's regions, cut along all walls: on each face the same classes are ahead."""

    def __init__(self, network: Network, half: float) -> None:
        complex_ = complex_of(with_walls(network), half)
        self.faces = faces_of(complex_)
        values = corner_values(complex_, self.faces)
        means = [[sum(v) / len(c) for v in zip(*(values[p] for p in c), strict=True)] for c in self.faces.corners]
        self.margins = [[margin_of(mean, c) for c in range(len(values[0]))] for mean in means]

    def betti_of_complement(self, label: int) -> list[int]:
        """Of the neighbourhood without the class's decision region, modulo its boundary."""
        faces, n = self.faces, self.faces.dimension
        out = [f for f in range(len(faces)) if self.margins[f][label] <= 0]
        there = set(out)
        count = [sum(faces.dimensions[f] == d for f in out) for d in range(n + 1)]
        ranks = [rank_over_two([set(faces.around[f]) & there for f in out if faces.dimensions[f] == d]) for d in range(n)] + [0]
        return [count[d] - ranks[d] - (ranks[d - 1] if d else 0) for d in range(n + 1)]

    def boundary(self) -> int:
        """Parts of the decision boundary."""
        graph = networkx.Graph()
        level = [f for f in range(len(self.faces)) if max(self.margins[f]) <= 0]
        graph.add_nodes_from(level)
        graph.add_edges_from((f, g) for f in level for g in self.faces.around[f] if max(self.margins[g]) <= 0)
        return networkx.number_connected_components(graph)


NETS = [
    random_net([2, 6, 5, 1], 3),
    random_net([2, 8, 6, 3], 1),
    random_net([2, 6, 6, 4], 8),
    quarter_net([2, 4, 3, 2], 5),
    quarter_net([2, 4, 3, 3], 7),
    zero_bias_net([2, 5, 4, 3], 2),
    random_net([3, 4, 3, 1], 4),
    random_net([3, 4, 3, 3], 6),
    quarter_net([3, 3, 2, 2], 1),
    residual_net(2),
]


@pytest.mark.parametrize("network", NETS, ids=range(len(NETS)))
def test_alexander_duality(network):
    """The reduced Betti numbers of a decision region are those of what it leaves, the other way round; the Euler
    characteristic follows.
    """
    check_against_complement(network)


@settings(max_examples=12)
@given(st.sampled_from([(1, 3), (2, 1), (2, 2), (2, 3), (3, 2)]), st.integers(0, 10**6), st.sampled_from([random_net, quarter_net]))
def test_alexander_duality_of_drawn_networks(shape, seed, make):
    check_against_complement(make([shape[0], 4, 3 if shape[0] < 3 else 2, shape[1]], seed))


def check_against_complement(network: Network) -> None:
    network = short(network)
    found, cut, n = topology_of(network, 2.0), Cut(network, 2.0), network.inputs
    for one in found.classes:
        rest = cut.betti_of_complement(one.label)
        if not one.components:
            assert rest == [0] * n + [1]  # all of the neighbourhood, modulo its boundary
            continue
        assert [b - (k == 0) for k, b in enumerate(one.betti)] == rest[n - 1 :: -1]
        assert rest[n] == 0
        assert one.euler == 1 + sum((-1) ** (n - 1 - d) * b for d, b in enumerate(rest))
    assert found.boundary == cut.boundary()


# ---- a third way: grids ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(6))
def test_grids(seed):
    """Parts and holes of pixels, finer ones where coarse ones differ."""
    network = random_net([2, 8, 8, 3], seed)
    found = topology_of(network)
    wanted = [one.betti for one in found.classes]
    for size in (100, 400, 1600):
        ticks = (np.arange(size) + 0.5) / size * 6 - 3
        points = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
        best = network(points).argmax(axis=1).reshape(size, size)
        seen = []
        for label in range(3):
            inside = best == label
            outside = ndimage.label(np.pad(~inside, 1, constant_values=True), np.ones((3, 3)))[1]
            seen.append((ndimage.label(inside)[1], outside - 1))
        if seen == wanted:
            return
    assert seen == wanted


# ---- the parts by themselves -----------------------------------------------------------------------------------------
def both_ways(network: Network, half: float = 2.0) -> tuple[Parts, Parts]:
    complex_ = complex_of(network, half)
    graph = build_graph(complex_)
    faces = faces_of(complex_)
    values = corner_values(complex_, faces)
    peaks = [Peaks(faces, values, c) for c in range(len(values[0]))]
    return parts(complex_, graph, ByPrograms(complex_, graph)), parts(complex_, graph, ByVertices(complex_, graph, faces, values, peaks))


@pytest.mark.parametrize("network", [*NETS, random_net([4, 4, 3, 2], 1)], ids=range(len(NETS) + 1))
def test_programs_and_vertices_agree(network):
    programs, vertices = both_ways(network)
    assert np.array_equal(programs.part, vertices.part)
    assert programs.boundary == vertices.boundary


def test_two_balls_in_five_dimensions():
    """1 - | |x_1| - 2 | - |x_2| - |x_3 + x_4 + x_5|: two parts, unbounded but for the box; one part is left."""
    first = np.zeros((6, 5))
    first[[0, 2, 4], [0, 1, 2]] = 1.0
    first[4, 2:] = 1.0
    first[1::2] = -first[::2]
    second = np.array([[1.0, 1, 0, 0, 0, 0], [-1.0, -1, 0, 0, 0, 0], [0.0, 0, 1, 1, 1, 1]])
    network = chain([first, second, -np.ones((1, 3))], [np.zeros(6), np.array([-2.0, 2.0, 0.0]), np.ones(1)])
    found = topology_of(network, 4.0)
    assert [one.components for one in found.classes] == [1, 2]
    assert found.boundary == 2
    assert betti(found) == [None, None]


# ---- persistence -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", [0, 3])
def test_bars_count_what_a_shifted_network_has(seed):
    """At every level between two ends, the Betti numbers are those of the network with the level taken off."""
    network = random_net([2, 5, 4, 1], seed)
    (one,) = (c for c in topology_of(network).classes if c.label == 1)
    ends = sorted({end for bar in one.bars for end in bar[1:] if end is not None})
    for low, high in itertools.pairwise(ends):
        level = Fraction(float((low + high) / 2))
        if not low < level < high:
            continue
        shifted = replace(network, output=replace(network.output, bias=network.output.bias - float(level)))
        if Fraction(float(shifted.output.bias[0])) != Fraction(float(network.output.bias[0])) - level:
            continue
        there = [bar.dimension for bar in one.bars if bar.holds(level)]
        assert topology_of(shifted).classes[1].betti == (there.count(0), there.count(1))


def test_levels_of_a_missing_cell_are_refused():
    with pytest.raises(ConsistencyError, match="do not fill"):
        persistence([0, 0], [[], []], [Fraction(1), Fraction(2)])


# ---- on every face ---------------------------------------------------------------------------------------------------
def test_what_is_reported():
    run = certify(random_net([2, 5, 4, 3], 1), [0.0, 0.0], radius=2, measures="topology")
    (result,) = run
    (entry,) = run.report().neighbourhoods
    assert [one.components for one in entry.topology.classes] == [one.components for one in result.topology.classes]
    for form, one in zip(entry.topology.classes, result.topology.classes, strict=True):
        if one.bars is not None:
            assert all(Fraction(b.birth[0]) <= bar.birth <= Fraction(b.birth[1]) for b, bar in zip(form.persistence, one.bars, strict=True))


def test_without_proof_there_is_no_topology():
    (result,) = certify(random_net([2, 5, 3], 1), [0.0, 0.0], radius=2, measures="topology", certified=False)
    assert result.topology is None
    assert "exact or not given" in result.notes["topology"]


def test_without_regions_of_a_box_there_is_no_topology():
    (result,) = certify(random_net([2, 5, 3], 1), [0.0, 0.0], radius=2, norm="l2", measures="counts,topology")
    assert result.topology is None
    assert "not of l1 and l2 balls" in result.notes["topology"]


def test_parts_in_a_picture():
    """Two fields of one class, all around them one of the other."""
    network = waves(2, 4, 1.0)
    (result,) = certify(network, box=([0, 0], [4, 2]), measures="topology")
    drawn = result.plot(colour="component")
    names = [text.get_text() for text in drawn.axes[0].get_legend().get_texts()]
    assert [name for name in names if name.startswith("class")] == ["class 0, part 1", "class 1, part 1", "class 1, part 2"]
