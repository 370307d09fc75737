"""The judge: whatever the engine says, the confirmed regions are the right ones, decided without tolerances."""

from __future__ import annotations

import itertools
import math
from contextlib import suppress
from fractions import Fraction as F

import numpy as np
import pytest
import reference_filter as reference
from hypothesis import example, given
from hypothesis import strategies as st
from nets import SOLVER_GIVES_UP, SPECIAL, l1_net, quarter_net, random_net, sliver_nets, small_nets, tent_net
from oracles import brute_force_patterns, clip_regions

from polylc.domains.ball import ball
from polylc.domains.box import Neighbourhood, box
from polylc.engines import lp
from polylc.engines.contract import Chunk, Claims, Exploration, Limits, Outcome, check_contract
from polylc.engines.lp import LpEngine
from polylc.errors import JudgeError
from polylc.exact.unit_box import least
from polylc.judge import node_filter as kernels
from polylc.judge import repair
from polylc.judge.by_node import Judge
from polylc.judge.exact_decision import Refuted, holds, inner_point, inside, sign_on_cell
from polylc.judge.repair import _Surgeon
from polylc.judge.verdict import Verdict
from polylc.network.compose import compose
from polylc.network.exact import ExactNetwork
from polylc.network.exact_forms import ExactForms
from polylc.network.form import Network, chain, pattern_at
from polylc.network.patterns import unpack

Patterns = set[tuple[bool, ...]]


def judged(network: Network, domain: Neighbourhood, keep: bool = False) -> Verdict:
    judge = Judge(network, domain, keep)
    verdict = judge.verdict(LpEngine(network, domain, judge).explore())
    check_contract(network, domain, verdict.exploration)
    assert verdict.exploration.outcome is Outcome.COMPLETE
    return verdict


def patterns(network: Network, verdict: Verdict) -> Patterns:
    return {tuple(row) for row in unpack(verdict.exploration.bits, network.neurons).tolist()}


def unit_box(network: Network) -> Neighbourhood:
    return box([-1] * network.inputs, [1] * network.inputs)


def check_points(network: Network, domain: Neighbourhood, verdict: Verdict) -> None:
    """Every point is strictly inside the neighbourhood and shows exactly its region's pattern (zero forms: bit 0)."""
    exact = ExactNetwork(network)
    bits = unpack(verdict.exploration.bits, network.neurons)
    forms = ExactForms(network, domain.exact_embedding)
    for pattern, point in zip(bits, verdict.points, strict=True):
        t = [F(v) for v in (point.tolist() if isinstance(point, np.ndarray) else point)]
        assert all(abs(v) < 1 for v in t)
        x = list(domain.lower)
        for j, v in zip(domain.free.tolist(), t, strict=True):
            x[j] = (domain.lower[j] + domain.upper[j]) / 2 + v * (domain.upper[j] - domain.lower[j]) / 2
        values = [v for layer in exact.preactivations(x)[:-1] for v in layer]
        for neuron, (value, bit) in enumerate(zip(values, pattern.tolist(), strict=True)):
            assert value > 0 if bit else value < 0 or not any(forms.neuron(neuron, pattern))


# ---- against exact oracles -------------------------------------------------------------------------------------------
@given(small_nets())
@example(SOLVER_GIVES_UP)
def test_regions_equal_brute_force_over_all_patterns(network):
    domain = unit_box(network)
    verdict = judged(network, domain)
    assert patterns(network, verdict) == brute_force_patterns(network, domain)
    check_points(network, domain, verdict)


@given(sliver_nets())
def test_slivers_and_near_duplicates_equal_brute_force(network):
    domain = unit_box(network)
    verdict = judged(network, domain)
    assert patterns(network, verdict) == brute_force_patterns(network, domain)
    check_points(network, domain, verdict)


@pytest.mark.parametrize("name", SPECIAL)
def test_special_position(name):
    network = SPECIAL[name]
    verdict = judged(network, unit_box(network))
    assert patterns(network, verdict) == brute_force_patterns(network, unit_box(network))
    check_points(network, unit_box(network), verdict)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("make", [random_net, quarter_net])
def test_regions_equal_the_exact_clipper(make, seed):
    network = make([2, 8, 6, 1], seed)
    assert patterns(network, judged(network, unit_box(network))) == {c.bits for c in clip_regions(network, unit_box(network))}


# ---- what floating point gets wrong ----------------------------------------------------------------------------------
@pytest.mark.parametrize("gap", [1e-13, 2.0**-40, 2.0**-50, 2.0**-60])
def test_two_lines_close_together_are_three_regions(gap):
    """The float engine alone sees two regions; a layer behind them sees the strip as well."""
    network = chain([[[1.0, 1.0], [1.0, 1.0], [1.0, -1.0]], [[1.0, -1.0, 0.5]], [[1.0]]], [[0.0, gap, 0.25], [-0.125], [0.0]])
    domain = unit_box(network)
    truth = {c.bits for c in clip_regions(network, domain)}
    alone = LpEngine(network, domain).explore()
    verdict = judged(network, domain)
    assert len(alone.leaf) < len(truth)
    assert patterns(network, verdict) == truth
    assert verdict.tally.regions_found > 0


def test_a_neuron_that_is_tiny_but_not_zero_has_its_sign():
    """z = 2^-70 everywhere: doubles call it zero at this scale, its bit is 1."""
    network = chain([[[1.0], [1.0]], [[1.0, -1.0]], [[1.0]]], [[2.0, 2.0 + 2.0**-51], [2.0**-51 + 2.0**-70], [0.0]])
    verdict = judged(network, unit_box(network))
    assert patterns(network, verdict) == {(True, True, True)} == brute_force_patterns(network, unit_box(network))


@pytest.mark.parametrize("sliver", [0.5, 0.1, 1e-3])
@pytest.mark.parametrize("seed", range(3))
def test_an_engine_that_loses_regions_is_mended(monkeypatch, sliver, seed):
    network = random_net([2, 6, 5, 1], seed)
    domain = unit_box(network)
    monkeypatch.setattr(lp, "SLIVER", sliver)
    lost = LpEngine(network, domain).explore()
    verdict = judged(network, domain, keep=True)
    truth = {c.bits for c in clip_regions(network, domain)}
    assert patterns(network, verdict) == truth
    check_points(network, domain, verdict)
    if sliver == 0.5:
        assert len(lost.leaf) < len(truth)
        assert verdict.tally.claims_refuted > 0


@pytest.mark.parametrize("columns", [("parent",), ("parent", "neuron"), ("leaf",), ("leaf", "pattern")])
def test_an_interrupt_in_the_middle_of_a_column_leaves_what_was_whole(columns):
    network, domain = random_net([2, 5, 4, 1], 3), box([-1, -1], [1, 1])
    judge = Judge(network, domain)
    found = LpEngine(network, domain, judge).explore()
    surgeon = _Surgeon(judge, None)
    surgeon.complete_claims()
    for name in columns:
        column = getattr(surgeon.tree, name)
        column.append(column[-1])
    verdict = surgeon.verdict(found, Outcome.INTERRUPTED)
    assert verdict.exploration.outcome is Outcome.INTERRUPTED
    assert len(verdict.points) == len(verdict.exploration.leaf) == len(found.leaf)


def test_an_engine_that_breaks_its_contract_is_refused():
    network, domain = random_net([2, 4, 1], 0), box([-1, -1], [1, 1])
    chunks = []
    found = LpEngine(network, domain, chunks.append).explore()
    judge = Judge(network, domain)
    judge(chunks[0])
    with pytest.raises(JudgeError, match="chunk"):
        judge(chunks[0])
    found.side[1] = 1 - found.side[1]
    chunks[0].side[1] = 1 - chunks[0].side[1]
    judge = Judge(network, domain)
    judge(chunks[0])
    with pytest.raises(JudgeError):
        judge.verdict(found)


def by_hand(
    network: Network,
    nodes: list[tuple[int, int, int]],
    regions: list[tuple[int, int, float]],
    claims: list[tuple],
    outcome: Outcome = Outcome.COMPLETE,
) -> Verdict:
    """Verdict on a tree of (parent, neuron, side), regions (leaf, bits, point) and claims (node, neuron, sign,
    constraint, multiplier).
    """
    parent, neuron, side = (np.array(c, dtype=np.int32) for c in zip(*nodes, strict=True))
    leaf, bits, unit = (np.array(c) for c in zip(*regions, strict=True))
    packed = bits.astype(np.uint64)[:, None]
    node, who, sign, constraint, multiplier = (np.array(c) for c in zip(*claims, strict=True))
    entries = Claims(node, who, sign.astype(np.int8), np.arange(len(node) + 1), constraint, multiplier)
    judge = Judge(network, box([-1], [1]))
    judge(Chunk(0, parent, neuron, side.astype(np.int8), 0, packed, unit[:, None], leaf, entries))
    return judge.verdict(Exploration(parent, neuron, side.astype(np.int8), packed, unit[:, None], leaf, Outcome.COMPLETE, {}))


@pytest.mark.parametrize("constraint", [0, 1, 2])
def test_multipliers_on_half_spaces_of_other_cells_prove_nothing(constraint):
    """On the whole of [-1, 1], x + 1/2 is not positive, though it is where x > 0."""
    network = chain([[[1.0], [1.0]], [[1.0, 1.0]]], [[0.0, 0.5], [0.0]])
    nodes = [(-1, -1, -1), (0, 0, 0), (0, 0, 1)]
    verdict = by_hand(network, nodes, [(1, 2, -0.25), (2, 3, 0.5)], [(0, 1, 1, constraint, 1.0)])
    assert patterns(network, verdict) == {(False, False), (False, True), (True, True)}


def test_half_spaces_of_cells_of_the_chunk_before_prove_nothing():
    """What is said of x > 0 in the first chunk, and is true there, is said in the second of x < 0."""
    network = chain([[[1.0], [1.0]], [[1.0, 1.0]]], [[0.0, 0.5], [0.0]])
    tree = [np.array(c, dtype=t) for c, t in (([-1, 0, 0], np.int32), ([-1, 0, 0], np.int32), ([-1, 1, 0], np.int8))]
    bits, unit, leaf = np.array([[3], [2]], dtype=np.uint64), np.array([[0.5], [-0.25]]), np.array([1, 2])
    judge = Judge(network, box([-1], [1]))
    for r, new in ((0, slice(0, 3)), (1, slice(3, 3))):
        said = Claims(leaf[r : r + 1], np.array([1]), np.array([1], dtype=np.int8), np.array([0, 1]), np.array([1]), np.array([1.0]))
        judge(Chunk(3 * r, *(c[new] for c in tree), r, bits[r : r + 1], unit[r : r + 1], leaf[r : r + 1], said))
    verdict = judge.verdict(Exploration(*tree, bits, unit, leaf, Outcome.COMPLETE, {}))
    assert patterns(network, verdict) == {(False, False), (False, True), (True, True)}


@pytest.mark.parametrize("nodes", [[(-1, -1, -1), (0, 0, 0), (0, 1, 1)], [(-1, -1, -1), (0, 0, 1), (0, 0, 1)], [(-2, -1, -1), (0, 0, 0), (0, 0, 1)]])
def test_children_that_are_not_the_two_sides_of_one_neuron_are_refused(nodes):
    """They need not make up the cell, so that a region could be missing, or lie on both."""
    network = chain([[[1.0], [1.0]], [[1.0, 1.0]]], [[0.0, 0.25], [0.0]])
    claims = [(1, 1, -1, 1, 0.0), (2, 0, 1, 2, 0.0)]
    with pytest.raises(JudgeError):
        by_hand(network, nodes, [(1, 0, -0.5), (2, 3, 0.5)], claims)


def test_a_neuron_split_before_its_sources_are_known_is_refused():
    """Its form is not one on the cell, so that the two sides need not make up the cell."""
    network = chain([[[1.0]], [[1.0]], [[1.0]]], [[0.0], [-0.25], [0.0]])
    nodes = [(-1, -1, -1), (0, 1, 0), (0, 1, 1), (1, 0, 0), (1, 0, 1)]
    regions = [(3, 0, -0.5), (4, 1, 0.125), (2, 3, 0.5)]
    with pytest.raises(JudgeError, match="earlier layer"):
        by_hand(network, nodes, regions, [(2, 0, 1, 2, 1.0)])


@pytest.mark.parametrize("slope", [20.0, 0.5])
def test_what_is_said_above_an_undecided_layer_is_not_believed_of_other_regions(slope, monkeypatch):
    """The engine says of the whole neighbourhood what is true with the bits of its second region: x + 2 > 0. On the
    first, given before, that neuron is slope x + 2; an interrupt falls when it is to be decided whether x > 0.
    """
    network = chain([[[1.0], [1.0]], [[1.0, 0.0]], [[1.0]]], [[0.0, 0.25], [2.0], [0.0]], negative_slope=slope)
    tree = [np.array(c, dtype=np.int32) for c in ([-1, 0, 0], [-1, 1, 1], [-1, 0, 1])]
    tree[2] = tree[2].astype(np.int8)
    bits, unit, leaf = np.array([[0b100], [0b111]], dtype=np.uint64), np.array([[-0.75], [0.5]]), np.array([1, 2])
    none = Claims(*(np.zeros(0, dtype=t) for t in (int, int, np.int8)), np.zeros(1, dtype=int), np.zeros(0, dtype=int), np.zeros(0))
    said = Claims(np.array([0, 0]), np.array([2, 0]), np.array([1, 1], dtype=np.int8), np.zeros(3, dtype=int), np.zeros(0, dtype=int), np.zeros(0))
    judge = Judge(network, box([-1], [1]))
    judge(Chunk(0, *tree, 0, bits[:1], unit[:1], leaf[:1], none))
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(Judge, "settle", interrupt)
        judge(Chunk(3, *(c[:0] for c in tree), 1, bits[1:], unit[1:], leaf[1:], said))
    verdict = judge.verdict(Exploration(*tree, bits, unit, leaf, Outcome.INTERRUPTED, {}))
    assert patterns(network, verdict) == ({(False, False, True)} if slope < 1 else set())
    check_points(network, box([-1], [1]), verdict)


def interrupt(*_, **__):
    raise KeyboardInterrupt


# ---- laws ------------------------------------------------------------------------------------------------------------
@given(small_nets(max_inputs=2), st.randoms(use_true_random=False))
def test_order_and_scale_of_neurons_do_not_matter(network, random):
    weights = [a.terms[0][1] for a in [*(layer.affine for layer in network.layers), network.output]]
    biases = [a.bias for a in [*(layer.affine for layer in network.layers), network.output]]
    orders = []
    for layer, bias in enumerate(biases[:-1]):
        order = list(range(len(bias)))
        random.shuffle(order)
        factor = np.array([2.0 ** random.randint(-30, 30) for _ in order])
        weights[layer], biases[layer] = weights[layer][order] * factor[:, None], bias[order] * factor
        weights[layer + 1] = weights[layer + 1][:, order] / factor
        orders += [int(network.offsets[layer]) + i for i in order]
    other = chain(weights, biases)
    domain = unit_box(network)
    expected = {tuple(p[i] for i in orders) for p in patterns(network, judged(network, domain))}
    assert patterns(other, judged(other, domain)) == expected


def generic_arrangement(n: int, m: int) -> Network:
    """m hyperplanes in general position, all cells meeting the box [-1, 1]^n scaled up."""
    rng = np.random.default_rng(n * 100 + m)
    return chain([rng.normal(size=(m, n)), np.ones((1, m))], [0.01 * rng.normal(size=m), np.zeros(1)])


def difference_arrangement(n: int, shifts: tuple[int, ...]) -> Network:
    """x_i - x_j = s for all i < j and s in shifts."""
    rows = [(i, j, s) for i in range(n) for j in range(i + 1, n) for s in shifts]
    weight = np.array([np.eye(n)[i] - np.eye(n)[j] for i, j, _ in rows])
    return chain([weight, np.ones((1, len(rows)))], [np.array([-float(s) for *_, s in rows]), np.zeros(1)])


def catalan(n: int) -> int:
    return math.comb(2 * n, n) // (n + 1)


@pytest.mark.parametrize(
    ("network", "count"),
    [
        *((l1_net(n), 2**n) for n in (1, 2, 3, 4, 5)),  # the coordinate hyperplanes, each twice
        *((difference_arrangement(n, (0,)), math.factorial(n)) for n in (2, 3, 4, 5)),  # braid
        *((difference_arrangement(n, (0, 1)), (n + 1) ** (n - 1)) for n in (2, 3, 4)),  # Shi
        *((difference_arrangement(n, (-1, 0, 1)), math.factorial(n) * catalan(n)) for n in (2, 3, 4)),  # Catalan
        *((difference_arrangement(n, (1,)), c) for n, c in ((2, 2), (3, 7), (4, 36), (5, 246))),  # Linial
        *((generic_arrangement(n, m), sum(math.comb(m, i) for i in range(n + 1))) for n, m in ((2, 8), (3, 7), (4, 6), (5, 6))),
    ],
)
def test_known_arrangements(network, count):
    """Region counts of arrangements (Stanley 2007, An introduction to hyperplane arrangements, lectures 1, 2 and 5)."""
    n = network.inputs
    assert len(judged(network, box([-50] * n, [50] * n)).points) == count


@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_arrangement_of_type_b(n):
    """x_i = 0 and x_i = +-x_j: 2^n n! regions, through one point."""
    rows = [np.eye(n)[i] for i in range(n)]
    rows += [np.eye(n)[i] + s * np.eye(n)[j] for i, j in itertools.combinations(range(n), 2) for s in (1, -1)]
    network = chain([np.array(rows), np.ones((1, len(rows)))], [np.zeros(len(rows)), np.zeros(1)])
    assert len(judged(network, unit_box(network)).points) == 2**n * math.factorial(n)


@pytest.mark.parametrize("folds", [1, 3, 6, 9])
def test_folded_tent_maps_have_a_power_of_two_of_regions(folds):
    """With breakpoints at dyadic points, some of them at 0 and in the boundary."""
    assert len(judged(tent_net(folds), box([0], [1])).points) == 2**folds
    assert len(judged(tent_net(folds), box([0], ["1/2"])).points) == 2 ** (folds - 1)


# ---- the parts -------------------------------------------------------------------------------------------------------
@given(st.integers(0, 10**6), st.integers(1, 5), st.floats(1e-3, 10))
def test_what_the_filter_accepts_is_true(seed, k, size):
    """Claims with random multipliers, near and far from the border, against integers and the reference."""
    rng = np.random.default_rng(seed)
    network = random_net([k, 6, 5, 1], seed)
    domain = ball(rng.normal(size=k), F(size))
    exact = ExactForms(network, domain.exact_embedding)
    bits = pattern_at(network, domain.middle[None])
    forms = compose(network, bits, domain.embedding, domain.rounding)
    rows = exact.hidden(bits[0])
    target, at = rng.integers(0, network.neurons, 40), rng.integers(0, network.neurons, 80)
    sign, side = rng.choice([-1, 1], 40), rng.integers(0, 2, 80)
    starts = np.arange(0, 81, 2)
    given = rng.random(80) * rng.choice([0.0, 1.0, 1e-3, 1e9], 80)
    whole, shift = np.zeros(80, dtype=np.int64), np.zeros(40, dtype=np.int64)
    claims = kernels.ClaimColumns(np.zeros(40, dtype=np.int64), target, sign, starts, np.arange(80), given)
    rounded = np.zeros(80)
    kernels.round_multipliers(claims, shift, whole, rounded)
    claims = claims._replace(multiplier=rounded, node=np.full(40, 80), constraint=np.arange(1, 81))
    # the half-space of entry e is that of node e + 1
    tree = kernels.Tree(np.arange(-1, 80), np.append(-1, at), np.append(-1, side))
    place = (np.ascontiguousarray(forms.hidden[0].T), forms.noise[0], 0, tree)
    held = np.array([kernels.claim_holds(*place, claims, c, np.zeros(81, dtype=np.int64), 0, np.empty(k + 1)) for c in range(40)])
    assert not kernels.claim_holds(*place, claims, int(held.argmax()), np.full(81, -1), 0, np.empty(k + 1))
    expected, q = reference.whole_multipliers(starts, given)
    assert (expected == whole).all()
    assert (q == shift).all()
    y = whole * 2.0 ** -np.repeat(shift, 2).astype(float)
    oriented = forms.hidden[0, at] * np.where(side == 1, 1.0, -1.0)[:, None]
    again = reference.claims_hold(forms.hidden[0, target] * sign[:, None], forms.noise[0, target], starts, oriented, forms.noise[0, at], y)
    assert (held == again).all()
    for c in np.flatnonzero(held):
        total = [int(sign[c]) * v << 1000 for v in rows[target[c]]]
        for e in (2 * c, 2 * c + 1):
            toward = 1 if side[e] else -1
            total = [v - toward * (int(whole[e]) * w << (1000 - int(shift[c]))) for v, w in zip(total, rows[at[e]], strict=True)]
        assert least(total) > 0


@given(st.integers(0, 10**6), st.integers(1, 5))
def test_points_that_the_filter_accepts_are_inside(seed, k):
    rng = np.random.default_rng(seed)
    network = random_net([k, 6, 5, 1], seed)
    domain = ball(rng.normal(size=k), 1)
    exact = ExactForms(network, domain.exact_embedding)
    unit = np.clip(rng.normal(size=(30, k)), -1, 1) * rng.choice([1.0, 1e-3], (30, 1))
    bits = pattern_at(network, domain.lift(unit * domain.half))
    forms = compose(network, bits, domain.embedding, domain.rounding)
    parent = np.arange(-1, network.neurons)  # one path through all neurons
    good = np.zeros(30, dtype=bool)
    points = np.rint(unit * 2.0**20) / 2.0**20
    for r in range(30):
        path = kernels.Tree(parent, parent, np.append(-1, bits[r]).astype(np.int64)), network.neurons
        good[r] = kernels.point_inside(np.ascontiguousarray(forms.hidden[r].T), forms.noise[r], 0, *path, points[r])
        if not good[r]:
            points[r] = unit[r]
            good[r] = kernels.point_inside(np.ascontiguousarray(forms.hidden[r].T), forms.noise[r], 0, *path, points[r])
    inner = (np.abs(unit) < 1).all(axis=1)  # the others are on the boundary, and may not pass
    assert good[inner].sum() >= 0.9 * inner.sum()
    for r in np.flatnonzero(good):
        rows = [v if on else tuple(-a for a in v) for v, on in zip(exact.hidden(bits[r]), bits[r], strict=True)]
        assert inside(rows, [F(v) for v in points[r].tolist()])
        assert np.abs(points[r] - unit[r]).max() <= 2.0**-20
    oriented = forms.hidden * np.where(bits, 1.0, -1.0)[:, :, None]
    for r in range(30):
        assert bool(good[r]) >= bool(
            (np.abs(unit[r]) < 1).all() and reference.positive_at(oriented[r], forms.noise[r], np.tile(unit[r], (11, 1))).all()
        )


def test_multipliers_keep_their_sign_and_size():
    given_ = np.array([1e308, 3e300, 1.0, 1e-308, -1.0, np.inf, np.nan])
    whole, shift = reference.whole_multipliers(np.arange(8), given_)
    assert (whole[:3] > 2**28).all()
    assert (whole <= 2**30).all()
    assert (whole[3:] >= 0).all()
    assert (whole[4:] == 0).all()
    assert [F(int(m)) * F(2) ** -int(q) == F(v) for m, q, v in zip(whole, shift, given_[:3], strict=False)][2]


def test_the_filter_is_not_idle():
    """On a network in general position it settles all claims and points."""
    tally = judged(random_net([3, 8, 8, 1], 0), box([-1] * 3, [1] * 3)).tally
    assert tally.claims_filter > 0
    assert (tally.claims_integers, tally.claims_simplex, tally.claims_refuted, tally.regions_integers, tally.regions_simplex) == (0, 0, 0, 0, 0)


def test_exact_decisions_on_one_cell():
    rows = [(1, 0, 0), (0, 1, 0)]  # the positive quadrant of the square
    proof = sign_on_cell((1, 1, 0), rows)
    assert not isinstance(proof, Refuted)
    assert holds((1, 1, 0), rows, proof)
    assert not holds((1, 1, -1), rows, proof)
    refuted = sign_on_cell((1, 1, -1), rows)
    assert isinstance(refuted, Refuted)
    assert sum(refuted.point) < 1
    assert inside(rows, inner_point(rows, 2))
    assert inner_point([*rows, (-1, -1, 0)], 2) is None  # only the corner is left
    empty = sign_on_cell((0, 0, -7), [(1, 0, -2)])
    assert not isinstance(empty, Refuted)
    assert holds((0, 0, -7), [(1, 0, -2)], empty)


# ---- limits and interrupts -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(3))
def test_partial_verdicts_hold_only_real_regions(monkeypatch, seed):
    """Also where the engine loses regions, and whenever an interrupt falls."""
    network, domain = random_net([2, 8, 6, 1], seed), box([-1, -1], [1, 1])
    truth = {c.bits for c in clip_regions(network, domain)}
    monkeypatch.setattr(lp, "SLIVER", 0.1)
    monkeypatch.setattr(lp, "CHUNK_REGIONS", 3)
    for most in (1, 5, 9):
        judge = Judge(network, domain)
        verdict = judge.verdict(LpEngine(network, domain, judge).explore(Limits(regions=most)))
        assert verdict.exploration.outcome is not Outcome.COMPLETE
        assert patterns(network, verdict) <= truth
    for moment in range(1, 400, 13):
        judge = Judge(network, domain)
        left = [moment]

        def interrupt(*arguments, decide=Judge.settle, left=left, **more):
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
            return decide(*arguments, **more)

        monkeypatch.setattr(Judge, "settle", interrupt)
        verdict = judge.verdict(LpEngine(network, domain, judge).explore())
        monkeypatch.undo()
        monkeypatch.setattr(lp, "SLIVER", 0.1)
        monkeypatch.setattr(lp, "CHUNK_REGIONS", 3)
        if verdict.exploration.outcome is Outcome.COMPLETE:
            assert left[0] > 0
            assert patterns(network, verdict) == truth
        else:
            assert patterns(network, verdict) <= truth


def test_a_time_limit_during_mending_is_a_partial_verdict():
    network = chain([[[1.0, 1.0], [1.0, 1.0]], [[1.0, -1.0]]], [[0.0, 2.0**-40], [0.0]])
    domain = unit_box(network)
    judge = Judge(network, domain)
    verdict = judge.verdict(LpEngine(network, domain, judge).explore(), lambda: False)
    assert verdict.exploration.outcome is Outcome.TIME_LIMIT
    assert patterns(network, verdict) < {c.bits for c in clip_regions(network, domain)}


def test_a_part_is_completed_as_far_as_there_is_time(monkeypatch):
    """Regions whose claims are missing need exact decisions; without time for these they are left out."""
    network, domain = random_net([2, 8, 6, 1], 0), box([-1, -1], [1, 1])
    truth = {c.bits for c in clip_regions(network, domain)}
    monkeypatch.setattr(lp, "CHUNK_REGIONS", 3)
    found = []
    for words in (1e6, -1.0):
        monkeypatch.setattr(repair, "LAST_WORDS", words)
        judge = Judge(network, domain, keep=True)
        part = LpEngine(network, domain, judge).explore(Limits(regions=9))
        judge.tree.known[:] = 0  # as if nothing had been claimed
        judge.tree.ones[:] = 0
        judge.regions[0].good[0] = False  # so that it is looked at
        verdict = judge.verdict(part, lambda: False)
        assert verdict.exploration.outcome is Outcome.REGION_LIMIT
        assert patterns(network, verdict) <= truth
        found.append(len(patterns(network, verdict)))
    assert found[0] > found[1] == 0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("asked", [0, 3])
def test_claims_that_there_is_no_time_to_decide_make_a_part(seed, asked, monkeypatch):
    monkeypatch.setattr(repair, "LAST_WORDS", -1.0)
    network = quarter_net([2, 6, 5, 1], seed)
    domain, left = unit_box(network), [asked]
    truth = {c.bits for c in clip_regions(network, domain)}

    def go_on() -> bool:
        left[0] -= 1
        return left[0] >= 0

    judge = Judge(network, domain, go_on=go_on)
    verdict = judge.verdict(LpEngine(network, domain, judge).explore(), go_on)
    assert patterns(network, verdict) <= truth
    check_points(network, domain, verdict)
    assert judge.left_open == (left[0] < 0)
    if judge.left_open:
        assert verdict.exploration.outcome is Outcome.TIME_LIMIT
    else:
        assert patterns(network, verdict) == truth


def test_claims_that_there_is_no_time_to_gather_are_none():
    network, domain = random_net([2, 8, 6, 1], 0), box([-1, -1], [1, 1])
    judge = Judge(network, domain, keep=True)
    verdict = judge.verdict(LpEngine(network, domain, judge).explore(), lambda: False)
    assert verdict.exploration.outcome is Outcome.COMPLETE
    assert verdict.kept is None
    assert len(verdict.exploration.leaf) == len(clip_regions(network, domain))
