"""Domains: support function, corners and membership, by the laws that tie them."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polylc.domains.ball import ball
from polylc.domains.box import Neighbourhood, box, clip_bounds
from polylc.domains.domain import Domain
from polylc.domains.frame import Frame, through
from polylc.errors import NeighbourhoodError

rationals = st.fractions(min_value=-3, max_value=3, max_denominator=12)


@st.composite
def boxes(draw: st.DrawFn) -> Neighbourhood:
    """Boxes with rational corners, some coordinates fixed; or balls, some of them clipped."""
    n = draw(st.integers(1, 4))
    if draw(st.booleans()):
        radius = draw(st.fractions(min_value=Fraction(1, 8), max_value=2, max_denominator=8))
        centre = [draw(rationals) for _ in range(n)]
        clip = clip_bounds([min(centre) - radius / 2], [max(centre) + radius / 2]) if draw(st.booleans()) else None
        return ball(centre, radius, clip)
    lower = [draw(rationals) for _ in range(n)]
    widths = [draw(st.sampled_from([Fraction(0), Fraction(1, 3), Fraction(2)])) for _ in range(n - 1)] + [Fraction(1)]
    return box(lower, [a + w for a, w in zip(lower, widths, strict=True)])


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    """Lines and planes through rational points, which are rarely on one line."""
    n = draw(st.integers(2, 4))
    points = [[draw(rationals) for _ in range(n)] for _ in range(draw(st.integers(2, 3)))]
    try:
        return through(points, margin=draw(st.sampled_from([0, Fraction(1, 3), 2])))
    except NeighbourhoodError:
        return through([points[0], [x + 1 for x in points[0]]])


domains = st.one_of(boxes(), frames())


def unit_corners(domain: Domain) -> list[tuple[int, ...]]:
    """The corners of [-1, 1]^k, in the order of the domain's corners."""
    grid = np.indices([2] * domain.dimension).reshape(domain.dimension, -1).T
    return [tuple(2 * int(i) - 1 for i in row) for row in grid]


@given(domains, st.data())
def test_the_support_function_is_the_least_value_at_a_corner(domain, data):
    row = [data.draw(rationals) for _ in range(domain.dimension + 1)]
    values = [sum((a * u for a, u in zip(row[:-1], corner, strict=True)), row[-1]) for corner in unit_corners(domain)]
    assert domain.least(row) == min(values)
    whole = [int(12 * v) for v in row]
    assert domain.least(whole) == min(sum(a * u for a, u in zip(whole[:-1], c, strict=True)) + whole[-1] for c in unit_corners(domain))


@given(domains)
def test_corners_lie_in_the_domain_and_are_where_the_embedding_puts_them(domain):
    corners = list(domain.corners())
    assert len(set(corners)) == len(corners) == 2**domain.dimension
    assert all(domain.contains(corner) for corner in corners)
    placed = domain.points(np.array(unit_corners(domain), dtype=np.float64))
    exact = np.array([[float(x) for x in corner] for corner in corners])
    np.testing.assert_allclose(placed, exact, rtol=0, atol=4 * (domain.rounding.max() + 2.0**-50))
    embedded = np.array([[*corner, 1] for corner in unit_corners(domain)]) @ domain.embedding.T
    np.testing.assert_allclose(embedded, exact, rtol=0, atol=4 * (domain.rounding.max() + 2.0**-50))


@given(boxes(), st.data())
def test_nothing_beyond_the_corners_is_contained(domain, data):
    corner = list(data.draw(st.sampled_from(list(domain.corners()))))
    at = data.draw(st.integers(0, domain.inputs - 1))
    outward = 1 if corner[at] == domain.upper[at] else -1
    corner[at] += outward * Fraction(1, 10**9)
    assert not domain.contains(corner)


@given(boxes())
def test_a_box_in_integers_and_in_doubles_is_the_box_in_fractions(domain):
    found, free = domain.exact_embedding, [j for j, (a, b) in enumerate(zip(domain.lower, domain.upper, strict=True)) if a < b]
    middle = [(a + b) / 2 for a, b in zip(domain.lower, domain.upper, strict=True)]
    half = [(domain.upper[j] - domain.lower[j]) / 2 for j in free]
    assert domain.free.tolist() == free
    assert found.base == math.lcm(*(v.denominator for v in middle + half))  # no larger than it has to be
    assert ([Fraction(v, found.base) for v in found.middle], [Fraction(v, found.base) for v in found.half]) == (middle, half)
    assert (domain.middle.tolist(), domain.half.tolist()) == ([float(v) for v in middle], [float(v) for v in half])
    assert (domain.inverse_sides, domain.squared_half) == (tuple(1 / h for h in half), tuple(h * h for h in half))
    for j, lost in enumerate(domain.rounding.tolist()):
        exact = abs(middle[j] - Fraction(float(domain.middle[j])))
        if j in free:
            exact += abs(half[free.index(j)] - Fraction(float(domain.half[free.index(j)])))
        assert exact <= Fraction(lost)
        assert lost == 0 or Fraction(math.nextafter(lost, 0)) < exact


@given(domains, st.data())
def test_gradients_undo_the_embedding(domain, data):
    gradient = np.array([float(data.draw(rationals)) for _ in range(domain.dimension)])
    form = np.append(gradient * domain.half, 0.5)
    np.testing.assert_allclose(domain.gradients(form), gradient, rtol=1e-15, atol=0)


@pytest.mark.parametrize("domain", [ball([0, 0], 1), box([0], [1]), through([[0, 1], [2, 3]])])
def test_they_keep_the_contract(domain):
    assert isinstance(domain, Domain)


@given(domains, st.data())
def test_all_coordinates_agree(domain, data):
    """Exact points, points in doubles, lengths along the axes, parameters: each leads to the others."""
    unit = [data.draw(st.fractions(-1, 1, max_denominator=8)) for _ in range(domain.dimension)]
    exact, near = domain.lifted(unit), np.array([float(u) for u in unit])
    assert domain.contains(exact)
    assert domain.moved_into(exact) == exact
    whole = domain.exact_embedding
    rows = [sum(a * u for a, u in zip(row, [*unit, 1], strict=True)) / Fraction(whole.base) for row in whole.start.tolist()]
    assert rows == list(exact)
    floats = np.array([float(x) for x in exact])
    slack = 1e-12 * (1 + np.abs(floats).max())
    np.testing.assert_allclose(domain.points(near), floats, rtol=0, atol=slack)
    np.testing.assert_allclose(domain.lift(near * domain.half), floats, rtol=0, atol=slack)
    np.testing.assert_allclose(domain.middle + domain.basis @ (near * domain.half), floats, rtol=0, atol=slack)
    np.testing.assert_allclose(domain.unit(floats), near, rtol=0, atol=1e-10)
    assert len(domain.parameters) == len(domain.axes) == len(domain.measured_middle) == domain.dimension


@given(domains)
def test_lengths_are_one_number_in_every_form(domain):
    for squared, half, inverse in zip(domain.squared_half, domain.half.tolist(), domain.inverse_half.tolist(), strict=True):
        assert half == pytest.approx(float(squared) ** 0.5, rel=1e-15)
        assert inverse == pytest.approx(1 / half, rel=4e-16)
    columns = domain.exact_embedding.start[:, :-1].T.tolist()
    base = domain.exact_embedding.base
    for i, one in enumerate(columns):
        for j, other in enumerate(columns):
            product = Fraction(sum(a * b for a, b in zip(one, other, strict=True)), base**2)
            assert product == (domain.squared_half[i] if i == j else 0)
    assert domain.squared_volume == 4**domain.dimension * math.prod(domain.squared_half)
    assert domain.size == pytest.approx(2**domain.dimension * math.prod(domain.half.tolist()), rel=1e-14)
    if domain.inverse_sides is not None:
        assert [1 / v**2 for v in domain.inverse_sides] == list(domain.squared_half)


@given(domains, st.sampled_from([101, 1009, 65521]), st.integers(0, 10**6))
def test_embeddings_agree_modulo_primes_and_after_rows(domain, prime, seed):
    embedding = domain.exact_embedding
    if embedding.base % prime:
        residues = embedding.modulo(prime).astype(np.int64).astype(object)  # times the base they are beyond doubles
        assert ((residues * embedding.base - embedding.start) % prime == 0).all()
    rows = np.random.default_rng(seed).integers(-9, 10, (3, domain.inputs)).astype(object)
    assert (embedding.after(rows) == rows.dot(embedding.start)).all()
