"""What many numbers add up to, and which of them are widest, against plain arithmetic on whole arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polylc.measures import sums
from polylc.measures.sums import widest

WIDTHS = st.one_of(st.sampled_from([0.0, 1.0, 2.0, 3.0]), st.floats(0, 10), st.floats(1e-300, 1e300))


def widest_of_all(width: np.ndarray, aim: float, most: int, worth: float) -> list[int]:
    """As `widest` says it: all in order, and what each of them leaves."""
    order = sorted(range(len(width)), key=lambda i: (-width[i], i))
    left = [0.0]
    for i in reversed(order):
        left.append(left[-1] + float(width[i]))
    left.reverse()
    if not left[min(most, len(order))] <= aim:
        aim = worth * left[min(most, len(order))]
    many = next(i for i, rest in enumerate(left) if rest <= aim) if aim < left[0] else 0
    return order[:many]


@given(st.lists(WIDTHS, max_size=40), st.floats(0, 1), st.integers(1, 50), st.sampled_from([3, 2**17]))
def test_the_widest_are_those_of_all_in_order(listed, part, most, together):
    width = np.array(listed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sums, "PART", together)
        for aim in (part * width.sum(), 0.0, part, *np.cumsum(np.sort(width))[:3].tolist()):
            assert widest(width, aim, most, 1.25).tolist() == widest_of_all(width, aim, most, 1.25)


def test_what_is_not_finite_is_not_narrowed_by_the_others():
    wide = np.array([1.0, np.inf, 2.0])
    assert widest(wide, 1.0, 10, 1.25).tolist() == [1, 2]
    assert widest(np.array([1.0, np.inf, np.inf]), 1.0, 1, 1.25).tolist() == []
    assert widest(np.array([1.0, np.nan]), 1.0, 10, 1.25).tolist() == []
