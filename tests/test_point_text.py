"""Points of certificates as text: what `json.dumps` writes of the rationals that they are."""

from __future__ import annotations

import itertools
import json
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from polylc.complex.crossing import Candidates
from polylc.complex.exact_facets import FacetProofs, NoFacet
from polylc.judge.columns import Points
from polylc.proof.integer_text import lists
from polylc.proof.point_text import FacetText, point_columns, point_integers, region_points

NUMBERS = st.one_of(
    st.floats(-1, 1),
    st.integers(-(2**24), 2**24).map(lambda n: n / 2**24),
    st.sampled_from([0.0, -0.0, 5e-324, -(2.0**-61), 2.0**-60, 1 - 2.0**-53, 2.0**61, 1e300]),
)
POINTS = st.integers(1, 4).flatmap(lambda k: st.lists(st.lists(NUMBERS, min_size=k, max_size=k), min_size=1, max_size=6)).map(np.array)


@given(st.lists(st.lists(st.integers(-(2**63) + 1, 2**63 - 1), min_size=3, max_size=3), max_size=5))
def test_rows_of_integers(rows):
    text, place = lists(np.array(rows, dtype=np.int64).reshape(-1, 3))
    assert [json.loads(text[a : b - 1]) for a, b in itertools.pairwise(place)] == rows
    assert len(text) == place[-1]


@given(POINTS)
def test_columns_are_the_points_in_lowest_terms(points):
    numbers, fits = point_columns(points)
    for point, row, fit in zip(points, numbers.tolist(), fits.tolist(), strict=True):
        exact = point_integers(point)
        assert [Fraction(n, exact[0]) for n in exact[1:]] == [Fraction(v) for v in point.tolist()]
        assert row == (exact if fit else [0] * len(exact))
        assert fit or max(map(abs, exact)) >= 2**60


@given(POINTS, st.sets(st.integers(0, 5)))
def test_points_of_regions(points, rational):
    exact = {r: tuple(Fraction(v) / 3 for v in points[r].tolist()) for r in rational if r < len(points)}
    known = Points(points, exact)
    order = np.arange(len(points))[::-1]
    assert [json.loads(text) for text in region_points(known, order)] == [point_integers(known[r]) for r in order.tolist()]


@given(POINTS, st.randoms(use_true_random=False))
def test_entries_of_facets(points, chance):
    """In columns or not, each region has all of its entries, and nothing of another."""
    count, k = points.shape
    regions = 4
    region = np.array([chance.randrange(regions) for _ in range(count)])
    starts = 10 * np.arange(regions + 1)
    asked = Candidates(region, starts[region] + np.arange(count), region, {})
    proofs, expected = FacetProofs.none(count, k), [list[list[int]]() for _ in range(regions)]
    for c in range(count):
        kind, solved = chance.choice(["double", "rational", "none", "open"]), chance.randrange(k)
        if kind == "open":
            continue
        if kind == "none":
            proofs.refuted[c] = NoFacet(-(3**50), {2: 1, 0: 7})
            expected[region[c]].append([-1 - c, -(3**50), 0, 7, 2, 1])
            continue
        point = points[c] if kind == "double" else tuple(Fraction(v) / 3 for v in points[c].tolist())
        proofs.show(c, solved, point)
        numbers = point_integers(point)
        numbers[1 + solved] = 0
        expected[region[c]].append([c, solved, *numbers])
    text = FacetText(_Sized(starts), SimpleNamespace(proofs=proofs, candidates=asked))
    order = np.array([2, 0, 3, 1])
    assert [json.loads(entries) for entries in text.of(order)] == [expected[r] for r in order.tolist()]
    assert text.of(order[:0]) == []


class _Sized:
    """What is asked of a complex: its size, and where paths begin."""

    def __init__(self, starts):
        self.starts = starts

    def __len__(self):
        return len(self.starts) - 1
