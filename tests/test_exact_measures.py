"""Exact measures: equal maps, Lipschitz constants, ranks, against brute force in rationals."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import SPECIAL, l1_net, quarter_net, random_net, small_nets, tent_net
from oracles import Cell, clip_regions
from test_exact_linear import fraction_rank

import polylc.complex.pieces as pieces_module
from polylc.complex.complex import Complex
from polylc.complex.graph import build_graph
from polylc.complex.pieces import _apart_in_floats, affine_functions, joined, pieces
from polylc.domains.ball import ball
from polylc.domains.box import Neighbourhood, box
from polylc.domains.within import NORMS
from polylc.exact.linear import gram
from polylc.exact.quantity import Kind
from polylc.measures.gradient.gradients import ExactGradients, bounded_gradients
from polylc.measures.gradient.lipschitz import Lipschitz, certified_lipschitz, lipschitz, power_of
from polylc.measures.gradient.spectral import at_most, certainly_below, from_below
from polylc.measures.rank import local_rank, region_ranks
from polylc.network.form import Network, chain
from polylc.search.enumerate import enumerate_regions

UNEVEN = box([F(-1, 3), F(-5, 7)], [F(4, 5), F(2, 3)])


def explore(network: Network, domain: Neighbourhood) -> Complex:
    return enumerate_regions(network, domain)[0]


def by_key(found: list[Lipschitz]) -> dict[tuple[str, str], Lipschitz]:
    return {(c.target, c.norm): c for c in found}


# ---- equal maps ------------------------------------------------------------------------------------------------------
def almost_linear(epsilon: float, copies: int = 1) -> Network:
    """Slope 1 where x_0 > 0, slope 1 + epsilon elsewhere; `copies` further kinks that cancel."""
    rows = [[1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]]
    out = [1.0, -1.0, -epsilon]
    bias = [0.0, 0.0, 0.0]
    for i in range(copies):
        rows += [[0.0, 1.0], [0.0, 1.0]]
        bias += [-0.5 + (i + 1) / (copies + 1)] * 2
        out += [1.0, -1.0]
    return chain([np.array(rows), np.array([out])], [np.array(bias), np.array([1 / 3])])


@pytest.mark.parametrize("few", [64, 0])
@pytest.mark.parametrize("exponent", [-40, -44, -50, -54, -57, -120])
def test_maps_that_differ_by_less_than_rounding(exponent, few, monkeypatch):
    monkeypatch.setattr(pieces_module, "FEW", few)
    domain = box([F(-1, 3), F(-1, 3)], [F(1, 7), F(1, 3)])
    for epsilon, count in ((2.0**exponent, 2), (0.0, 1)):
        complex_ = explore(almost_linear(epsilon, 3), domain)
        graph = build_graph(complex_)
        assert len(complex_) == 8
        assert affine_functions(complex_).max() + 1 == count
        assert pieces(complex_, graph).max() + 1 == count
        assert joined(complex_, graph).sum() == (6 if count == 2 else 10)
    if exponent <= -54:
        assert _apart_in_floats(complex_).max() == 0


@pytest.mark.parametrize("size", [2.0**20, 2.0**45, 2.0**90])
def test_a_map_that_rounding_hides_is_still_the_same_map(size):
    """Slopes 3 + 2^-40, 3 and 3 with another constant; on the left of 0 large terms cancel, so the maps are known badly
    there.
    """
    rows, bias = [[1.0], [-1.0], [-1.0], [-1.0], [-1.0]], [0.0, 0.0, 0.0, 0.0, -0.125]
    out = [3.0, -3.0 - 2.0**-40, size / 3, -size / 3, 2.0**-40]
    complex_ = explore(chain([rows, [out]], [bias, [0.0]]), box([F(-1, 3)], [F(1, 3)]))
    assert len(complex_) == len(set(affine_functions(complex_).tolist())) == 3
    flat = explore(chain([rows[:4], [[3.0, -3.0, size / 3, -size / 3]]], [bias[:4], [0.0]]), box([F(-1, 3)], [F(1, 3)]))
    assert (len(flat), affine_functions(flat).max()) == (2, 0)


@given(small_nets(max_inputs=2).filter(lambda net: net.inputs == 2))
def test_residues_and_integers_tell_the_same_maps_apart(network):
    complex_ = explore(network, UNEVEN)
    expected = affine_functions(complex_)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces_module, "FEW", 0)
        found = affine_functions(complex_)
    assert len(set(zip(expected.tolist(), found.tolist(), strict=True))) == expected.max() + 1 == found.max() + 1
    assert expected.max() + 1 == len({tuple(c.output) for c in clip_regions(network, UNEVEN)})


# ---- Lipschitz constants ---------------------------------------------------------------------------------------------
def exact_constants(cells: list[Cell], outputs: int, label: int | None) -> dict[tuple[str, str], F]:
    """The constants' powers by definition, but for the spectral norm."""
    result: dict[tuple[str, str], F] = {}
    for cell in cells:
        jacobian = [form[:-1] for form in cell.output]
        if label is None or outputs == 1:
            gradients = {f"f{i}": row for i, row in enumerate(jacobian)}
        else:
            gradients = {
                f"f{label}-f{j}": tuple(a - b for a, b in zip(jacobian[label], jacobian[j], strict=True)) for j in range(outputs) if j != label
            }
        sizes = {}
        for name, g in gradients.items():
            sizes |= {(name, "linf"): sum(map(abs, g)), (name, "l1"): max(map(abs, g)), (name, "l2"): sum(v * v for v in g)}
        sizes["jacobian", "linf"] = max(sum(map(abs, row)) for row in jacobian)
        sizes["jacobian", "l1"] = max(sum(map(abs, column)) for column in zip(*jacobian, strict=True))
        for key, size in sizes.items():
            result[key] = max(result.get(key, F(0)), size)
    return result


def spectral_below(cell: Cell, bound: F) -> bool:
    """Whether both eigenvalues of the 2 x 2 matrix J^T J are at most `bound`: (trace +- root) / 2."""
    jacobian = [form[:-1] for form in cell.output]
    p, q, r = (sum(row[i] * row[j] for row in jacobian) for i, j in ((0, 0), (0, 1), (1, 1)))
    return 2 * bound >= p + r and (2 * bound - p - r) ** 2 >= (p + r) ** 2 - 4 * (p * r - q * q)


def check(network: Network, domain: Neighbourhood, label: int | None) -> None:
    complex_, cells = explore(network, domain), clip_regions(network, domain)
    maps = {c.bits: c for c in cells}
    bits = [tuple(row) for row in complex_.patterns().tolist()]
    found = by_key(certified_lipschitz(complex_, label))
    for key, power in exact_constants(cells, network.outputs, label).items():
        row = found.pop(key)
        assert row.lower == row.upper == power
        assert exact_constants([maps[bits[row.region]]], network.outputs, label)[key] == power
        assert row.quantity.kind is Kind.EXACT
        assert F(row.quantity.lower) ** power_of(row.norm) <= power <= F(row.quantity.upper) ** power_of(row.norm)
        assert row.quantity.upper in (row.quantity.lower, math.nextafter(row.quantity.lower, math.inf))
    (spectral,) = found.values()
    assert (spectral.target, spectral.norm) == ("jacobian", "l2")
    assert all(spectral_below(c, spectral.upper) for c in cells)
    assert spectral.upper <= spectral.lower * (1 + F(2, 10**9))
    assert spectral.quantity.kind is (Kind.ENCLOSURE if network.outputs > 1 else Kind.EXACT)
    assert F(spectral.quantity.lower) ** 2 <= spectral.lower <= spectral.upper <= F(spectral.quantity.upper) ** 2
    image = [
        sum(v * a for v, a in zip(spectral.witness, column, strict=True))
        for column in zip(*(form[:-1] for form in maps[bits[spectral.region]].output), strict=True)
    ]
    assert any(spectral.witness)
    assert sum(a * a for a in image) >= spectral.lower * sum(v * v for v in spectral.witness)


@given(small_nets(max_inputs=2).filter(lambda net: net.inputs == 2), st.sampled_from([None, 0]), st.booleans())
def test_constants_of_nets_with_ties_equal_brute_force(network, label, uneven):
    check(network, UNEVEN if uneven else box([-1, -1], [1, 1]), label)


@pytest.mark.parametrize("make", [random_net, quarter_net])
@pytest.mark.parametrize(("widths", "label"), [([2, 6, 5, 3], 1), ([2, 6, 5, 2], None), ([2, 6, 1], None)])
def test_constants_equal_brute_force(make, widths, label):
    for seed in range(3):
        check(make(widths, seed), UNEVEN, label)


@pytest.mark.parametrize("name", SPECIAL)
def test_constants_in_special_position(name):
    check(SPECIAL[name], box([-1, -1], [1, 1]), None)


@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 4))
def test_floats_lie_in_the_enclosures(seed, n, m):
    complex_ = explore(random_net([n, 6, 5, m], seed), ball([F(1, 3)] * n, F(7, 10)))
    for label in (None, 0):
        exact = by_key(certified_lipschitz(complex_, label))
        for row in lipschitz(complex_, label):
            assert row.quantity.kind is Kind.FLOAT
            assert (row.lower, row.upper, row.witness) == (None, None, None)
            proved = exact[row.target, row.norm].quantity
            assert proved.lower * (1 - 1e-12) <= row.value <= proved.upper * (1 + 1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_the_l1_norm(n):
    found = by_key(certified_lipschitz(explore(l1_net(n), box([-1] * n, [F(1, 3)] * n)), None))
    assert {key: (row.lower, row.upper) for key, row in found.items() if key[0] == "f0"} == {
        ("f0", "linf"): (n, n), ("f0", "l2"): (n, n), ("f0", "l1"): (1, 1),
    }  # fmt: skip
    assert found["jacobian", "l2"].upper == n
    assert found["jacobian", "l2"].witness == (1,)
    assert all(row.quantity.kind is Kind.EXACT for row in found.values())
    assert found["f0", "l2"].quantity.lower <= math.sqrt(n) <= found["f0", "l2"].quantity.upper


def test_the_folded_tent_map():
    found = certified_lipschitz(explore(tent_net(5), box([0], [1])), None)
    assert {row.lower for row in found if row.power == 1} == {row.upper for row in found if row.power == 1} == {32}
    assert {row.upper for row in found if row.power == 2} == {1024}
    assert {row.quantity.upper for row in found} == {32.0}


def test_a_curve_has_a_vector_for_its_jacobian():
    """One input, three outputs: the Jacobian is a column, its spectral norm the root of a rational."""
    network = chain([[[1.0], [1.0]], [[3.0, 0.0], [0.0, -4.0], [0.0, 0.0]]], [[1.0, -0.25], [0.0] * 3])
    found = by_key(certified_lipschitz(explore(network, box([-2], [2])), None))["jacobian", "l2"]
    assert (found.lower, found.upper, found.quantity.lower, found.quantity.upper) == (25, 25, 5.0, 5.0)
    assert found.witness in ((3, -4, 0), (-3, 4, 0))
    assert found.quantity.kind is Kind.EXACT


def test_ties_are_evaluated_once_for_each_map():
    counters: Counter[str] = Counter()
    complex_ = explore(almost_linear(2.0**-70, 3), box([-1, -1], [1, 1]))
    found = by_key(certified_lipschitz(complex_, None, counters))
    assert len(complex_) == 8
    assert counters["gradients in integers"] == 2
    assert found["f0", "linf"].upper == 1 + F(2) ** -70
    assert found["f0", "l2"].quantity.upper == math.nextafter(1.0, 2.0)


def test_a_constant_network_has_constant_zero():
    found = certified_lipschitz(explore(SPECIAL["constant"], box([-1, -1], [1, 1])), None)
    assert {(row.lower, row.upper, row.quantity.upper) for row in found} == {(0, 0, 0.0)}
    twin = chain([[[1.0, 0.0], [1.0, 0.0]], [[1.0, -1.0], [2.0, -2.0]]], [[0.0, 0.0], [1.0, 1 / 3]])
    found = certified_lipschitz(explore(twin, box([-1, -1], [1, 1])), None)
    assert {(row.lower, row.upper) for row in found} == {(0, 0)}


@pytest.mark.parametrize("scale", [2.0**-300, 2.0**300])
def test_constants_far_from_one(scale):
    network = quarter_net([2, 5, 2], 3)
    first = network.layers[0].affine
    large = chain([first.terms[0][1], network.output.terms[0][1] * scale], [first.bias, np.zeros(2)])
    plain, found = (by_key(certified_lipschitz(explore(net, UNEVEN), None)) for net in (network, large))
    for key, row in found.items():
        factor = F(scale) ** row.power
        assert row.lower <= plain[key].upper * factor
        assert row.upper >= plain[key].lower * factor


# ---- the spectral test -----------------------------------------------------------------------------------------------
def test_a_bound_one_part_in_a_billion_too_low_is_refused():
    complex_ = explore(random_net([4, 8, 8, 3], 5), ball([0.0] * 4, F(1, 2)))
    exact = ExactGradients(complex_)
    row = by_key(certified_lipschitz(complex_, None))["jacobian", "l2"]
    jacobian = exact.jacobian(row.region)
    assert row.lower is not None
    assert row.upper is not None
    assert at_most(exact.gram(jacobian), exact.square_denominator, row.upper)
    assert not at_most(exact.gram(jacobian), exact.square_denominator, row.upper * (1 - F(1, 10**9)))
    assert not at_most(exact.gram(jacobian), exact.square_denominator, row.lower * (1 - F(1, 10**9)))
    for _, gradient, error in bounded_gradients(complex_, np.array([row.region])):
        assert certainly_below(gradient, error, row.quantity.upper * (1 + 2.0**-34)).all()
        assert row.quantity.upper - row.quantity.lower < 2.0**-46 * row.quantity.upper
        assert not certainly_below(gradient, error, row.quantity.upper * (1 - 1e-9)).any()


def test_the_spectral_test_is_sharp_in_integers():
    rows = [[3, 0, 0], [0, 2, 0]]
    assert at_most(gram(rows), 1, F(9))
    assert not at_most(gram(rows), 1, 9 - F(1, 2**90))
    assert at_most(gram(rows), 9, F(1))
    assert at_most(gram([[0, 0]]), 1, F(0))
    assert not at_most(gram([[0, 1]]), 1, F(0))


OFF = [sign * size for sign in (1, -1) for size in (1e-16, 1e-13, 1e-10)]


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 6), st.sampled_from(OFF), st.integers(-150, 150))
def test_what_floats_call_certain_is_true(seed, m, k, off, exponent):
    rng = np.random.default_rng(seed)
    jacobian = rng.normal(size=(m, k)) * 2.0 ** rng.integers(-20, 20) * 2.0**exponent
    root = float(np.linalg.norm(jacobian, 2)) * (1 + off)
    certain = certainly_below(jacobian[None], np.zeros((1, m)), root)[0]
    integers = [[int(F(v) * 2**300) for v in row] for row in jacobian.tolist()]
    assert all(F(a, 2**300) == F(v) for row, exact in zip(jacobian.tolist(), integers, strict=True) for v, a in zip(row, exact, strict=True))
    if certain:
        assert at_most(gram(integers), 2**600, F(root) ** 2)
    if off == 1e-10 and min(m, k) > 1:
        assert certain
    if off < -1e-15:
        assert not certain
    assert not certainly_below(jacobian[None], np.full((1, m), root * 1e-3), root * (1 + 1e-4)).any()


def test_a_poor_start_still_gives_a_proved_bound(monkeypatch):
    """A float singular vector that misses the largest value: the integer test refuses until the bound is raised."""
    complex_ = explore(random_net([3, 6, 3], 2), ball([0.0] * 3, 1))
    expected = by_key(certified_lipschitz(complex_, None))["jacobian", "l2"]
    svd = np.linalg.svd
    monkeypatch.setattr(np.linalg, "svd", lambda a, **_: tuple(x[..., ::-1] if i == 0 else x for i, x in enumerate(svd(a, full_matrices=False))))
    exact = ExactGradients(complex_)
    assert from_below(exact, expected.region).lower < expected.lower
    found = by_key(certified_lipschitz(complex_, None))["jacobian", "l2"]
    assert found.lower <= expected.upper
    assert found.upper >= expected.lower


@given(st.integers(0, 10**6), st.integers(1, 4))
def test_float_gradients_are_as_near_as_they_say(seed, n):
    rng = np.random.default_rng(seed)
    lower = [F(int(v), 977) for v in rng.integers(-900, 0, n)]
    complex_ = explore(
        random_net([n, 6, 5, 2], seed, negative_slope=0.01),
        box(lower, [v + F(1, int(d)) for v, d in zip(lower, rng.integers(1, 99, n), strict=True)]),
    )
    exact = ExactGradients(complex_)
    for rows, gradient, error in bounded_gradients(complex_, np.arange(len(complex_))):
        for region, some, bounds in zip(rows.tolist(), gradient.tolist(), error.tolist(), strict=True):
            for row, computed, bound in zip(exact.jacobian(region), some, bounds, strict=True):
                assert sum(abs(F(a, exact.denominator) - F(v)) for a, v in zip(row, computed, strict=True)) <= F(bound)
                assert bound < 1e-10 * max(1.0, *map(abs, computed))


# ---- invariance ------------------------------------------------------------------------------------------------------
def parts(network: Network) -> tuple[list[np.ndarray], list[np.ndarray]]:
    affines = [*(layer.affine for layer in network.layers), network.output]
    return [a.terms[0][1] for a in affines], [a.bias for a in affines]


def answers(network: Network, domain: Neighbourhood) -> dict[object, object]:
    complex_ = explore(network, domain)
    result: dict[object, object] = {}
    for row in certified_lipschitz(complex_, 0):
        if row.quantity.kind is Kind.EXACT:
            result[row.target, row.norm] = row.lower
        else:
            result[row.target, row.norm] = pytest.approx(row.value, rel=1e-9)
    result["functions"] = affine_functions(complex_).max()
    result["ranks"] = [(r.least, r.most) for r in local_rank(complex_)]
    return result


@given(st.integers(0, 10**6), st.integers(1, 3), st.booleans())
def test_permuting_rescaling_and_duplicating_neurons_changes_nothing(seed, n, ties):
    rng = np.random.default_rng(seed)
    network = (quarter_net if ties else random_net)([n, 5, 4, 2], seed)
    weights, biases = parts(network)
    for layer in range(2):
        order = np.append(rng.permutation(len(biases[layer])), 0)  # neuron 0 twice
        factor = 2.0 ** rng.integers(-3, 4, len(order))
        shared = np.where(order == 0, 0.5, 1.0)
        weights[layer], biases[layer] = weights[layer][order] * factor[:, None], biases[layer][order] * factor
        weights[layer + 1] = weights[layer + 1][:, order] * shared / factor
    domain = ball([F(1, 3)] * n, 1)
    assert answers(chain(weights, biases), domain) == answers(network, domain)


@pytest.mark.parametrize("seed", range(4))
def test_fixed_coordinates_are_constants(seed):
    network = quarter_net([3, 6, 5, 2], seed)
    weights, biases = parts(network)
    reduced = chain([weights[0][:, [0, 2]], *weights[1:]], [biases[0] + weights[0][:, 1] / 4, *biases[1:]])
    whole = answers(network, box([F(-1, 3), F(1, 4), -1], [1, F(1, 4), F(2, 7)]))
    assert whole == answers(reduced, box([F(-1, 3), -1], [1, F(2, 7)]))


@pytest.mark.parametrize("exponent", [-140, -150])
def test_neighbourhoods_at_the_end_of_the_doubles(exponent):
    """Where floats are of no use, integers decide everything."""
    counters: Counter[str] = Counter()
    network, center = quarter_net([2, 5, 3, 2], 3), [F(1, 3), F(1, 7)]
    tiny = certified_lipschitz(explore(network, ball(center, F(10) ** exponent)), None, counters)
    small = certified_lipschitz(explore(network, ball(center, F(1, 10**6))), None)
    assert counters["spectral norms bounded in integers"] == 1
    assert [(row.lower, row.upper) for row in tiny] == [(row.lower, row.upper) for row in small]


# ---- rank ------------------------------------------------------------------------------------------------------------
@given(small_nets(), st.integers(0, 3))
def test_ranks_equal_elimination_in_rationals(network, seed):
    network = quarter_net([network.inputs, *network.widths, network.outputs], seed) if seed else network
    complex_ = explore(network, box([F(-1, 3)] * network.inputs, [1] * network.inputs))
    found = region_ranks(complex_)
    for region, bits in enumerate(complex_.patterns()):
        expected = [fraction_rank([list(row[:-1]) for row in complex_.exact_forms.layer(index, bits)]) for index in range(len(network.layers))]
        assert found[region].tolist() == expected


@pytest.mark.parametrize("gap", [0.0, 2.0**-52, 2.0**-30])
def test_rank_of_rows_that_differ_by_less_than_rounding(gap):
    """dz_2/dx = [[3, 1], [3 + gap', 1]] with a gap far below the rounding of 1/3 and its multiples."""
    network = chain(
        [[[1 / 3, 0.0], [0.0, 1.0], [1 / 3, 0.0]], [[1.0, 1.0, 0.0], [1.0, 1.0, gap * 2.0**-30]], [[1.0, 1.0]]],
        [[1.0, 1.0, 1.0], [0.0, 0.0], [0.0]],
    )
    (first, second) = local_rank(explore(network, ball([0.0, 0.0], F(1, 10))))
    assert (first.least, first.most) == (2, 2)
    assert (second.least, second.most) == ((2, 2) if gap else (1, 1))


def test_norms_have_their_powers():
    assert [power_of(norm) for norm in NORMS] == [1, 2, 1]
