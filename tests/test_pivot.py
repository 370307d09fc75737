"""The pivot of compiled programs, against the definition in rationals, kept by rows and by columns."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from polylc.geometry.pivot import exchange


def exchanged(table: list[list[Fraction]], i: int, j: int) -> list[list[Fraction]]:
    """x_i = sum_l T[i, l] x_l solved for x_j, and put into the other rows."""
    pivot = table[i][j]
    row = [1 / pivot if c == j else -v / pivot for c, v in enumerate(table[i])]
    rest = [[r[j] * row[c] + (0 if c == j else r[c]) for c in range(len(row))] for r in table]
    return [row if k == i else r for k, r in enumerate(rest)]


@given(st.data())
def test_both_ways_of_keeping_a_table_give_the_dictionary_solved_for_the_other_variable(data):
    m, n = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    entries = st.integers(-4, 4)
    table = [[data.draw(entries) for _ in range(n)] for _ in range(m)]
    i, j = data.draw(st.integers(0, m - 1)), data.draw(st.integers(0, n - 1))
    table[i][j] = data.draw(st.sampled_from([-4, -2, -1, 1, 2, 4]))  # quotients are exact
    wanted = np.array([[float(v) for v in row] for row in exchanged([[Fraction(v) for v in row] for row in table], i, j)])
    rows, columns = np.full((m + 1, n + 2), 7.0), np.full((n + 1, m + 2), 7.0)  # more room than is used
    rows[:m, :n] = table
    columns[:n, :m] = np.array(table).T
    exchange(rows, m, n, i, j, -1.0)
    exchange(columns, n, m, j, i, 1.0)
    np.testing.assert_array_equal(rows[:m, :n], wanted)
    np.testing.assert_array_equal(columns[:n, :m], wanted.T)
    assert (rows[m:] == 7).all()
    assert (columns[:, m:] == 7).all()
