"""Domains: support function, corners and membership, by the laws that tie them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polylc.domains.ball import ball
from polylc.domains.box import Neighbourhood, box, clip_bounds
from polylc.domains.domain import Domain

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


def unit_corners(domain: Neighbourhood) -> list[tuple[int, ...]]:
    """The corners of [-1, 1]^k, in the order of the domain's corners."""
    grid = np.indices([2] * domain.dimension).reshape(domain.dimension, -1).T
    return [tuple(2 * int(i) - 1 for i in row) for row in grid]


@given(boxes(), st.data())
def test_the_support_function_is_the_least_value_at_a_corner(domain, data):
    row = [data.draw(rationals) for _ in range(domain.dimension + 1)]
    values = [sum((a * u for a, u in zip(row[:-1], corner, strict=True)), row[-1]) for corner in unit_corners(domain)]
    assert domain.least(row) == min(values)
    whole = [int(12 * v) for v in row]
    assert domain.least(whole) == min(sum(a * u for a, u in zip(whole[:-1], c, strict=True)) + whole[-1] for c in unit_corners(domain))


@given(boxes())
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


@given(boxes(), st.data())
def test_gradients_undo_the_embedding(domain, data):
    gradient = np.array([float(data.draw(rationals)) for _ in range(domain.dimension)])
    form = np.append(gradient * domain.half, 0.5)
    np.testing.assert_allclose(domain.gradients(form), gradient, rtol=1e-15, atol=0)


@pytest.mark.parametrize("domain", [ball([0, 0], 1), box([0], [1])])
def test_they_keep_the_contract(domain):
    assert isinstance(domain, Domain)
