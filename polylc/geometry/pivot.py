"""The pivot of all compiled simplex programs.

Data in: a dictionary x_B = T x_N as lines of a table, each along memory, either its rows or its columns. Data out: the
same with one basic and one non-basic variable exchanged. Invariant: the table stays the same linear map, solved for
other variables, up to rounding.
"""

from __future__ import annotations

import numpy as np

from polylc.jit.decorators import inlined


@inlined
def exchange(lines: np.ndarray, many: int, width: int, line: int, place: int, sign: float) -> None:
    """Exchange the variables of a line and of a place in it.

    With p = T[i, j] the entry of basic i and non-basic j, the new entries are 1 / p there, -T[i, l] / p in its row,
    T[k, j] / p in its column, and T[k, l] - T[k, j] T[i, l] / p elsewhere. Rows and columns differ in the sign alone,
    so one loop serves tables that are kept by rows and tables that are kept by columns.

    Parameters
    ----------
    lines : ndarray, shape (many or more, width or more)
    line, place : int
        Where the pivot stands.
    sign : float
        1 if lines are columns, -1 if they are rows.
    """
    own = lines[line]
    inverse = 1.0 / own[place]
    for k in range(many):
        if k != line:
            other = lines[k]
            factor = -other[place] * inverse
            if factor != 0.0:  # many are, of variables that bound nothing here
                for q in range(width):
                    other[q] += factor * own[q]
                other[place] = sign * factor
    for q in range(width):
        own[q] *= sign * inverse
    own[place] = inverse
