"""What is noted of facets, against the same in plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polylc.measures.by_volume.facet_columns import AGREE, APART, NO_FACET, all_named, meet_areas, note_densities
from polylc.measures.sums import between, outward


@given(st.integers(0, 10**6), st.sampled_from([0.25, 1.0, 32.0]))
def test_densities_are_areas_over_the_volume_rounded_outward(seed, volume):
    rng = np.random.default_rng(seed)
    starts = np.concatenate([[0], np.cumsum(rng.integers(0, 5, 6))])
    count = int(starts[-1])
    value = rng.choice([0.0, 5e-324, 1e-300, 1.0, np.inf, rng.uniform()], count)
    area = np.stack([value, rng.choice([0.0, 5e-324, 1e-16, 2.0, np.inf], count)], axis=1)
    proved = rng.random(6) < 0.8
    density, carrier = np.full((count, 2), 7.0), np.full(count, 7)
    note_densities(starts, proved, area, volume, 100, density, carrier)
    carries = np.repeat(proved, np.diff(starts)) & (area[:, 1] > 0)
    with np.errstate(over="ignore"):
        low, high = outward(*area[carries].T).T / volume
    np.testing.assert_array_equal(density[carries], between(low, high))
    np.testing.assert_array_equal(density[~carries], 0.0)
    np.testing.assert_array_equal(carrier, np.where(carries, 100 + np.arange(count), -1))


def columns() -> tuple[np.ndarray, ...]:
    """Two edges: of entries 0 and 2, and of entry 1 alone; entry 3 has the facet of entry 2."""
    first, second = np.array([0, 1]), np.array([2, -1])
    density = np.array([[1.0, 2.0], [3.0, 4.0], [1.5, 3.0], [0.0, 0.0]])
    return first, second, density, np.array([0, 1, 2, 2])


def met(first: np.ndarray, second: np.ndarray, density: np.ndarray, carrier: np.ndarray) -> tuple[int, bool, np.ndarray]:
    named, result = np.zeros(len(carrier), dtype=bool), np.zeros((len(first), 2))
    return meet_areas(first, second, density, carrier, named, result), all_named(carrier, named, 0), result


def test_an_edge_has_the_area_that_both_sides_allow():
    found, whole, result = met(*columns())
    assert (found, whole) == (AGREE, True)
    np.testing.assert_array_equal(result, [[1.5, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize(
    ("carrier", "found", "whole"),
    [([0, -1, 2, 2], NO_FACET, None), ([0, 1, 2, 3], AGREE, False), ([0, 1, 3, 3], AGREE, True), ([0, 1, 2, -1], AGREE, True)],
)
def test_facets_and_edges_that_do_not_match_are_seen(carrier, found, whole):
    first, second, density, _ = columns()
    seen, named, _ = met(first, second, density, np.array(carrier))
    assert seen == found
    assert whole is None or named == whole


def test_sides_that_differ_are_seen():
    first, second, density, carrier = columns()
    density[2] = 2.5, 3.0
    assert met(first, second, density, carrier)[0] == APART


def test_a_side_that_knows_nothing_leaves_it_to_the_other():
    first, second, density, carrier = columns()
    density[2] = np.nan
    found, _, result = met(first, second, density, carrier)
    assert found == AGREE
    np.testing.assert_array_equal(result, [[1.0, 2.0], [3.0, 4.0]])
