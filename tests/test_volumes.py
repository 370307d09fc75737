"""Proved volumes and areas, and what they weigh: against rationals found in other ways, known bodies, and identities
that must hold.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nets import SPECIAL, braid_net, l1_net, quarter_net, random_net, small_nets, tent_net
from oracles import Form, box_forms, brute_force_regions, clip_regions, exact_volume
from scipy.spatial import ConvexHull, HalfspaceIntersection

import polylc.measures.by_volume.volumes
from polylc.api.certify import certify
from polylc.complex.complex import Complex
from polylc.complex.graph import build_graph
from polylc.domains.ball import ball
from polylc.domains.box import Neighbourhood, box
from polylc.engines.contract import Limits
from polylc.errors import ConsistencyError
from polylc.exact.linear import gram, is_positive_semidefinite
from polylc.exact.quantity import Kind, Quantity
from polylc.geometry import proved_sizes
from polylc.geometry.cell_bounds import CellBounds
from polylc.geometry.exact_volume import rational_cell
from polylc.jit.mode import mode
from polylc.measures import sums
from polylc.measures.by_volume import enclosures
from polylc.measures.by_volume.volumes import Volumes
from polylc.measures.gradient.gradients import rounded
from polylc.measures.gradient.norms import Gradients, frobenius, spectral
from polylc.measures.sums import exact_total, total
from polylc.network.form import Network, chain
from polylc.search.enumerate import enumerate_regions


def explore(network: Network, domain: Neighbourhood) -> Complex:
    _, found = enumerate_regions(network, domain, "auto", Limits(None, None, None), None, None)
    return Complex.of(network, domain, found)


def cut_cells(n: int, seed: int, cuts: int, many: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.integers(-1000, 1000, size=(many * cuts, n + 1))
    rows[:, -1] = rng.integers(100, 900, many * cuts)
    return np.arange(many + 1) * cuts, rows


def lawrence(forms: list[Form]) -> F:
    """Volume of a simple polytope from its vertices alone: sum of (c v)^n / (n! |det A_v| prod gamma). Lawrence (1991),
    theorem 1.
    """
    n = len(forms[0]) - 1
    c = [F(7 * j * j + 3 * j + 1, 11) for j in range(n)]
    result = F(0)
    for chosen in itertools.combinations(forms, n):
        inverse = _inverse([list(f[:-1]) for f in chosen])
        if inverse is None:
            continue
        det, rows = inverse
        x = [sum((rows[i][j] * -chosen[j][-1] for j in range(n)), F(0)) for i in range(n)]
        values = [sum((a * v for a, v in zip(f, x, strict=False)), F(0)) + f[-1] for f in forms]
        if min(values) < 0:
            continue
        assert sum(v == 0 for v in values) == n, "not simple"
        # c as a combination of the outward normals
        gamma = [-sum((c[i] * rows[i][j] for i in range(n)), F(0)) for j in range(n)]
        result += sum((a * b for a, b in zip(c, x, strict=True)), F(0)) ** n / (math.factorial(n) * abs(det) * math.prod(gamma))
    return result


def _inverse(matrix: list[list[F]]) -> tuple[F, list[list[F]]] | None:
    n = len(matrix)
    rows = [[*row, *(F(int(i == j)) for j in range(n))] for i, row in enumerate(matrix)]
    det = F(1)
    for c in range(n):
        at = next((r for r in range(c, n) if rows[r][c]), None)
        if at is None:
            return None
        det *= rows[at][c] * (-1 if at != c else 1)
        rows[c], rows[at] = rows[at], rows[c]
        rows[c] = [v / rows[c][c] for v in rows[c]]
        rows = [row if r == c else [v - row[c] * w for v, w in zip(row, rows[c], strict=True)] for r, row in enumerate(rows)]
    return det, [row[n:] for row in rows]


# ---- bounds in doubles ---------------------------------------------------------------------------------------------
@example(1, 3489, 4, 0.0)
@given(st.integers(1, 4), st.integers(0, 10**6), st.integers(1, 7), st.sampled_from([0.0, 1e-9, 1e-4]))
def test_bounds_hold_for_all_half_spaces_within_the_noise(n, seed, cuts, noise):
    """The kernel sees perturbed rows; the rational cell of the true ones must lie within its bounds."""
    starts, rows = cut_cells(n, seed, cuts, 2)
    rng = np.random.default_rng(seed)
    shift = rng.dirichlet(np.ones(n + 1), len(rows)) * rng.choice([-1, 1], size=rows.shape) * noise
    found = CellBounds(starts, rows + shift, np.full(len(rows), noise * (1 + 1e-9) + 1e-12))
    for r in np.flatnonzero(found.ok).tolist():
        entries = slice(starts[r], starts[r + 1])
        cell = rational_cell(list(map(tuple, rows[entries].tolist())), n)
        assert cell is not None
        assert abs(F(found.volume[r, 0]) - cell.volume) <= F(found.volume[r, 1])
        for row, shadow, (value, error) in zip(rows[entries].tolist(), cell.shadow, found.area[entries].tolist(), strict=True):
            area = shadow**2 * sum(a * a for a in row[:-1]) / (F(max(map(abs, row[:-1]))) ** 2 or 1)  # a form may be constant
            assert max(F(value) - F(error), 0) ** 2 <= area <= (F(value) + F(error)) ** 2
            assert (value > 0) == (shadow > 0)
        assert found.closed[r]
        for face in range(2 * n):
            assert abs(F(found.box[r, face, 0]) - cell.box[face]) <= F(found.box[r, face, 1])
            for j in range(n):
                assert abs(F(found.moment[r, face, 0, j]) - cell.moment[face][j]) <= F(found.moment[r, face, 1, j])


def test_bounds_are_narrow():
    for n in (2, 3, 4, 5, 6):
        starts, rows = cut_cells(n, 1, 4 if n == 6 else 6)
        found = CellBounds(starts, rows, np.zeros(len(rows)))
        assert found.ok.all()
        assert (found.volume[:, 1] < 1e-10 * found.volume[:, 0]).all()


def test_what_touches_or_repeats_is_not_proved():
    """A vertex on three lines, a line through a corner, a line twice: doubles must not pretend to know."""
    cells = [[(1, 1, 0), (1, -1, 0), (1, 0, 0)], [(1, 1, 2)], [(1, 2, 0.5), (2, 4, 1)]]
    for rows in cells:
        found = CellBounds(np.array([0, len(rows)]), np.array(rows, dtype=float), np.zeros(len(rows)))
        assert not found.ok[0]
    found = CellBounds(np.array([0, 1]), np.array([[1.0, 1.0, -2.0 + 2.0**-30]]), np.full(1, 2.0**-29))
    assert not found.ok[0]  # the noise may close the cell


# ---- rationals -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("widths", "seed"), [([3, 3, 3, 1], 0), ([3, 5, 1], 1), ([4, 3, 1], 2)])
def test_volumes_equal_those_of_two_other_exact_methods(widths, seed):
    """Lawrence's sum over vertices, and Lasserre's recursion over facets, on regions found by brute force."""
    network = random_net(widths, seed)
    domain = box([-1] * widths[0], [1] * widths[0])
    volumes = Volumes(explore(network, domain), exact=True)
    mine = sorted(volumes.exact_share(r) * domain.volume for r in volumes.exact)
    regions = brute_force_regions(network, domain)
    bodies = [
        [*box_forms(domain), *(f if on else tuple(-v for v in f) for f, on in zip(r.hidden, r.bits, strict=True) if any(f[:-1]))] for r in regions
    ]
    assert mine == sorted(lawrence(forms) for forms in bodies)
    assert mine == sorted(exact_volume(forms) for forms in bodies)


@pytest.mark.parametrize("network", [random_net([2, 6, 5, 2], 3), quarter_net([2, 5, 4, 1], 4), *(n for n in SPECIAL.values() if n.inputs == 2)])
def test_everything_in_the_plane_equals_the_exact_clipper(network):
    """Areas, lengths, jumps and gradients of an independent exact program, to fifty digits."""
    domain = box([F(-1, 2), -1], [1, F(3, 4)])
    result = certify(network, box=(domain.lower, domain.upper), exact_volumes=True)[0]
    cells = clip_regions(network, domain)
    assert sorted(result.volumes.exact_share(r) * domain.volume for r in range(result.regions)) == sorted(c.area() for c in cells)
    tv = sum((c.area() * root(sum((v * v for f in c.output for v in f[:-1]), F(0))) for c in cells), F(0)) / domain.volume
    assert holds(result.total_variation["frobenius"], tv)
    lc = kink = F(0)
    for a, b in itertools.combinations(cells, 2):
        length = common_length(a.corners, b.corners)
        lc += length * sum(p != q for p, q in zip(a.bits, b.bits, strict=True))
        kink += length * root(sum(((u - v) ** 2 for f, g in zip(a.output, b.output, strict=True) for u, v in zip(f[:-1], g[:-1], strict=True)), F(0)))
    assert holds(result.local_complexity["activation"], lc / domain.volume)
    assert holds(result.kink_variation, kink / domain.volume)
    if network.outputs == 1:
        assert result.kink_variation.kind is Kind.EXACT


def root(square: F) -> F:
    return F(math.isqrt(square.numerator * square.denominator << 400), square.denominator << 200)


def common_length(p: list[tuple[F, F]], q: list[tuple[F, F]]) -> F:
    best = F(0)
    for (a, b), (c, d) in itertools.product(zip(p, p[1:] + p[:1], strict=True), zip(q, q[1:] + q[:1], strict=True)):
        along = (b[0] - a[0], b[1] - a[1])
        if not any(along) or c == d or any(along[0] * (x[1] - a[1]) != along[1] * (x[0] - a[0]) for x in (c, d)):
            continue
        t = [(along[0] * (x[0] - a[0]) + along[1] * (x[1] - a[1])) / (along[0] ** 2 + along[1] ** 2) for x in (c, d)]
        best = max(best, (min(F(1), max(t)) - max(F(0), min(t))) * root(along[0] ** 2 + along[1] ** 2))
    return best


def holds(value: Quantity, exact: F, width: float = 1e-9) -> bool:
    assert value.upper is not None
    slack = F(1, 10**40)  # of the oracle's roots
    return F(value.lower) - slack <= exact <= F(value.upper) + slack and value.upper - value.lower <= width * value.lower


# ---- known answers -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_the_l1_norm(n):
    result = certify(l1_net(n), box=([-1] * n, [1] * n), exact_volumes=True)[0]
    assert holds(result.total_variation["frobenius"], root(F(n)), 1e-12)
    # x_i = 0 has area 1/2 of the volume, and two bits change there
    assert holds(result.local_complexity["activation"], F(n))
    assert holds(result.local_complexity["activation_set"], F(n, 2))
    assert holds(result.kink_variation, F(n))
    assert [r.mean.as_pair() for r in result.local_rank] == [[n, n]]


@pytest.mark.parametrize("folds", [1, 3, 5])
def test_folded_intervals(folds):
    result = certify(tent_net(folds), box=([0], [1]), exact_volumes=True)[0]
    assert result.regions == 2**folds
    assert set(result.volumes.share.ravel()) == {2.0**-folds}
    assert result.total_variation["frobenius"].as_pair() == [2**folds, 2**folds]
    assert result.kink_variation.as_pair() == [(2**folds - 1) * 2 ** (folds + 1)] * 2


def test_folded_squares():
    """Two tents side by side: 4^L equal squares."""
    one = tent_net(3)
    weights = [layer.affine.terms[0][1] for layer in one.layers] + [one.output.terms[0][1]]
    biases = [layer.affine.bias for layer in one.layers] + [one.output.bias]
    both = chain([np.kron(np.eye(2), w) for w in weights], [np.tile(b, 2) for b in biases])
    result = certify(both, box=([0, 0], [1, 1]), exact_volumes=True)[0]
    assert result.regions == 64
    assert {result.volumes.exact_share(r) for r in range(64)} == {F(1, 64)}
    assert holds(result.local_complexity["function"], F(14))
    assert holds(result.total_variation["frobenius"], 8 * root(F(2)))
    assert holds(result.total_variation["operator"], F(8))


@pytest.mark.parametrize("n", [2, 3, 4])
def test_arrangements_of_equal_cells(n):
    """Braid arrangement: n! cells. With x_i = -x_j and x_i = 0 besides (type B): 2^n n! cells."""
    result = certify(braid_net(n), box=([-1] * n, [1] * n), measures="total_variation", exact_volumes=True)[0]
    assert {result.volumes.exact_share(r) for r in range(result.regions)} == {F(1, math.factorial(n))}
    rows = [np.eye(n)[i] + s * np.eye(n)[j] for i, j in itertools.combinations(range(n), 2) for s in (-1, 1)] + list(np.eye(n))
    network = chain([np.array(rows), np.ones((1, len(rows)))], [np.zeros(len(rows)), np.zeros(1)])
    result = certify(network, box=([-1] * n, [1] * n), measures="total_variation", exact_volumes=True)[0]
    assert {result.volumes.exact_share(r) for r in range(result.regions)} == {F(1, 2**n * math.factorial(n))}


def test_qhull_agrees():
    network = random_net([3, 8, 8, 1], 5)
    complex_ = explore(network, box([-1] * 3, [1] * 3))
    volumes = Volumes(complex_)
    assert not volumes.exact
    rows, _ = complex_.half_spaces(slice(0, len(complex_)))
    walls = np.array([[*(s * np.eye(3)[j]), 1.0] for j in range(3) for s in (-1, 1)])
    for r in range(0, len(complex_), 7):
        own = np.vstack([rows[complex_.starts[r] : complex_.starts[r + 1]], walls])
        hull = ConvexHull(HalfspaceIntersection(-own, complex_.unit[r]).intersections)
        assert hull.volume / 8 == pytest.approx(volumes.share[r].mean(), rel=1e-7)


# ---- identities, and what breaks them ------------------------------------------------------------------------------
@given(small_nets())
def test_identities_hold_exactly_in_special_position(network):
    complex_ = explore(network, box([-1] * network.inputs, [1] * network.inputs))
    volumes = Volumes(complex_, exact=True)
    assert volumes.rational
    assert sum((volumes.exact_share(r) for r in range(len(complex_))), F(0)) == 1
    volumes.facets(build_graph(complex_))
    enclosed = Volumes(complex_)
    assert (enclosed.share[:, 0] <= volumes.share[:, 1]).all()
    assert (enclosed.share[:, 1] >= volumes.share[:, 0]).all()
    assert (enclosed.density[:, 0] <= volumes.density[:, 1]).all()
    assert (enclosed.density[:, 1] >= volumes.density[:, 0]).all()


@pytest.mark.parametrize("exact", [False, True])
def test_a_missing_region_is_noticed(exact):
    complex_ = explore(random_net([2, 6, 5, 1], 0), box([-1, -1], [1, 1]))
    kept = np.arange(len(complex_) - 1)
    cut = int(complex_.starts[len(kept)])
    bits, unit = complex_.bits[kept], complex_.unit[kept]
    fewer = Complex(complex_.network, complex_.domain, bits, unit, complex_.starts[:-1], complex_.neuron[:cut], complex_.side[:cut], complex_.outcome)
    with pytest.raises(ConsistencyError, match=r"do not sum"):
        Volumes(fewer, exact)


def test_a_missing_edge_is_noticed():
    complex_ = explore(random_net([2, 6, 5, 1], 0), box([-1, -1], [1, 1]))
    graph = build_graph(complex_)
    columns = (graph.first, graph.second, graph.first_entry, graph.second_entry, graph.flips)
    fewer = type(graph)(*(c[1:] for c in columns), graph.tested)
    with pytest.raises(ConsistencyError, match="no edge of the region graph"):
        Volumes(complex_).facets(fewer)


def test_wrong_gradients_are_noticed(monkeypatch):
    complex_ = explore(random_net([2, 6, 5, 1], 0), box([-1, -1], [1, 1]))
    add = polylc.measures.by_volume.volumes._Balance.add
    monkeypatch.setattr(
        polylc.measures.by_volume.volumes._Balance, "add", lambda self, found, maps, noise: add(self, found, maps * (1 + 1e-6 * (maps > 0)), noise)
    )
    with pytest.raises(ConsistencyError, match="integral over the boundary"):
        Volumes(complex_)


def test_a_wrong_area_is_noticed(monkeypatch):
    complex_ = explore(random_net([2, 6, 5, 1], 0), box([-1, -1], [1, 1]))

    right = proved_sizes.weigh.plain

    def wrong(cell, corners, many, faces):
        result = right(cell, corners, many, faces)
        faces.facet[np.flatnonzero(faces.facet[:, 0])[0], 0] *= 1 + 1e-6
        return result

    monkeypatch.setattr(mode, "plain", True)
    Volumes(complex_)
    monkeypatch.setattr(proved_sizes, "weigh", wrong)
    with pytest.raises(ConsistencyError, match="do not close"):
        Volumes(complex_)


def test_a_cell_beyond_rationals_is_named_in_the_notes(monkeypatch):
    monkeypatch.setattr(polylc.measures.by_volume.volumes, "rational_cell", lambda rows, k: None)
    result = certify(SPECIAL["through the corners"], box=([-1, -1], [1, 1]), measures=["local_complexity", "local_rank"])[0]
    assert result.local_complexity is None
    assert "too many vertices" in result.notes["local_complexity"]
    assert result.local_rank[0].mean.value == 2  # the same everywhere, which needs no volumes


# ---- sums and norms ------------------------------------------------------------------------------------------------
@given(st.lists(st.floats(0, 1e300), min_size=1, max_size=20))
def test_sums_are_rounded_outward(values):
    low, high = total(np.stack([values, values], axis=1))
    exact = sum(map(F, values), F(0))
    assert F(low) <= exact <= F(high)
    assert high <= np.nextafter(np.nextafter(low, np.inf), np.inf)


@given(st.lists(st.fractions(max_denominator=10**6), max_size=10))
@example([F(1, 3), F(-1, 3)])
@example([F(1, 3), F(2, 3)])
def test_sums_of_rationals_are_between_neighbouring_doubles(values):
    """But where they cancel, or nearly are a double: then no farther out than the steps in which they are summed."""
    low, high = exact_total(values)
    exact, steps = sum(values, F(0)), len(values) * 2 * max(map(abs, values), default=F(0)) / 2**191
    assert F(low) <= exact <= F(high)
    assert F(np.nextafter(low, np.inf)) >= exact - steps
    assert F(np.nextafter(high, -np.inf)) <= exact + steps


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 10**6), st.sampled_from([1, 3, 2**80]))
def test_norms_are_enclosed(m, k, seed, scale):
    """By the exact test of semidefiniteness, and the exact sum of squares; matrices of low rank among them."""
    rng = np.random.default_rng(seed)
    thin = rng.integers(1, min(m, k) + 1)
    rows = (rng.integers(-9, 10, size=(m, thin)) @ rng.integers(-9, 10, size=(thin, k))).tolist()
    near, error = rounded(rows, scale)
    ((low, high),) = frobenius(near[None], error[None])
    square = F(sum(v * v for row in rows for v in row), scale**2)
    assert F(low) ** 2 <= square <= F(high) ** 2
    ((low, high),) = spectral(near[None], error[None])

    def at_most(bound: float) -> bool:
        limit = F(bound) ** 2 * scale**2
        matrix = [[-limit.denominator * v for v in row] for row in gram(rows)]
        for i, row in enumerate(matrix):
            row[i] += limit.numerator
        return is_positive_semidefinite(matrix)

    assert at_most(high)
    assert low == 0 or not at_most(np.nextafter(low, 0))
    assert high - low <= 1e-11 * high


def test_small_kinks_of_steep_functions_are_computed_anew():
    """f = 2^30 x + ReLU(x + y / 3) / 2^20: in doubles the jump drowns."""
    network = chain([[[1.0, 0.0], [-1.0, 0.0], [1.0, 1 / 3]], [[2.0**30, -(2.0**30), 2.0**-20]]], [[0.0, 0.0, 0.0], [0.0]])
    complex_ = explore(network, ball([F(1, 3), F(1, 7)], 1))
    graph, volumes = build_graph(complex_), Volumes(complex_)
    value = enclosures.kink_variation(volumes, Gradients(complex_), graph)
    exact = enclosures.kink_variation(Volumes(complex_, exact=True), Gradients(complex_), graph)
    assert value.upper - value.lower <= 1e-9 * value.lower
    assert value.lower <= exact.upper
    assert exact.lower <= value.upper


def test_products_of_many_intervals_are_those_of_single_ones(monkeypatch):
    random = np.random.default_rng(0)
    left, right = (np.sort(np.where(random.random((50, 2)) < 0.2, 0.0, random.exponential(size=(50, 2))), axis=1) for _ in range(2))
    left[3], right[4] = (0.0, np.inf), (1.0, np.inf)
    whole = sums.product(left, right)
    monkeypatch.setattr(sums, "PART", 7)
    assert np.array_equal(sums.product(left, right), whole)
    assert all(np.array_equal(sums.product(a[None], b[None])[0], c) for a, b, c in zip(left, right, whole, strict=True))


@pytest.mark.parametrize("spread", [0, 30, 500, 950])
@pytest.mark.parametrize("part", [7, 2**17])
def test_sums_of_many_numbers_are_rounded_once(spread, part, monkeypatch):
    """Against rationals: of both signs, far apart in size, subnormal, too large for parts, and exact in the end."""
    monkeypatch.setattr(sums, "PART", part)  # numbers that are taken apart at a time
    random = np.random.default_rng(spread)
    size = 3000
    low = np.ldexp(random.uniform(-1, 1, size), random.integers(-spread - 60, spread + 1, size))
    for values in (low, np.append(low, -low), np.append(low, 5e-324), np.rint(low * 2.0**20), np.append(low, 1e308), np.zeros(size)):
        found, true = total(np.stack([values, values], axis=1)), sum(map(F, values.tolist()))
        near = float(true)
        exact = F(near) == true
        assert found == ((near, near) if exact else (math.nextafter(near, -math.inf), math.nextafter(near, math.inf)))
        assert F(found[0]) <= true <= F(found[1])
