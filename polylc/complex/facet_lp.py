"""The widest point of a facet, compiled: a small linear program by the primal simplex method, in doubles.

Of all points of a hyperplane in the box, the one farthest from a cell's other half-spaces: maximise s with g_r - s >= 0
for rows g_r of unit length. One coordinate is solved for; the others are variables between bounds, which need no rows.
Raising s at any vertex of the box until the first row is tight gives a feasible basis, so there is no first phase.

In: half-spaces and the hyperplane. Out: a point, or multipliers that there is none. Whatever comes out is checked by
the caller, so all constants below steer and prove nothing.

Invariant: row r of the tableau says what the variable `row[r]` is, as an affine function of the variables `column`,
which are all zero at the present vertex. Variables 0, ..., d - 1 are the distances of the d = k - 1 coordinates from a
bound (the upper one where `flipped`), variable d + r is the slack of half-space r, of which there are `count` and two
more: the bounds of the coordinate that is solved for.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.geometry.pivot import exchange
from polylc.jit.decorators import kernel

EDGE = 1.0 - 2.0**-30  # the variables' bounds, a little inside the box
ENOUGH = 2.0**-12  # a point that far from everything will do
FLAT = 1e-12  # reduced costs and pivots below this count as zero
FAR = 2.0**400  # the coordinate that is solved for has a coefficient between its inverse and itself
LONG = 2.0**200  # and rows lengths between its inverse and itself, so that nothing overflows
PIVOTS = 20  # for each row and column, after which the search is given up
FOUND, NONE, LOST = 1, 0, -1


class Program(NamedTuple):
    """Room for a tableau of so many rows: the half-spaces, the bounds of the coordinate that is solved for, and the
    goal s."""

    table: np.ndarray  # (count + 3 or more, k + 1 or more): coefficients, the constant behind them
    column: np.ndarray  # (k,) variables
    row: np.ndarray  # (count + 2 or more,) variables
    flipped: np.ndarray  # (k,) whether a coordinate is counted from its upper bound


def program(count: int, k: int) -> Program:
    """Room for so many half-spaces in dimension k."""
    column, flipped = np.zeros(k + 1, dtype=np.int64), np.zeros(k + 1, dtype=np.int64)
    return Program(np.zeros((count + 4, k + 3)), column, np.zeros(count + 4, dtype=np.int64), flipped)


@kernel
def widest(rows: np.ndarray, count: int, plane: np.ndarray, room: Program, point: np.ndarray, multiplier: np.ndarray) -> int:
    """Search a point of a hyperplane inside the half-spaces of `rows`, or multipliers that there is none.

    Parameters
    ----------
    rows : ndarray, shape (count or more, k + 1)
        The half-spaces, positive inside.
    plane : ndarray, shape (k + 1,)
    room
    point : ndarray, shape (k,)
        Receives the point, with every coordinate strictly inside the box.
    multiplier : ndarray, shape (count + 1 or more,)
        Receives the multipliers of the rows, and behind them the factor of the hyperplane: their sum is negative on the
        box.

    Returns
    -------
    int
        FOUND, NONE (with multipliers), or LOST.
    """
    k = len(plane) - 1
    gone = 0
    for j in range(1, k):
        if abs(plane[j]) > abs(plane[gone]):
            gone = j
    lead = plane[gone]
    if not (lead != 0.0 and abs(lead) > 1.0 / FAR and abs(lead) < FAR):
        return LOST
    if not _fill(rows, count, plane, gone, room):
        return LOST
    goal = _raise(room, count + 2, k - 1)
    if not _climb(room, goal, k - 1):
        return LOST
    if room.table[goal, k] > 0.0:
        _read_point(room, goal, plane, gone, point)
        return FOUND
    _read_multipliers(room, goal, rows, count, gone, lead, multiplier)
    return NONE


@kernel
def _length(row: np.ndarray, k: int) -> float:
    square = 0.0
    for j in range(k):
        square += row[j] * row[j]
    return float(np.sqrt(square))


@kernel
def _fill(rows: np.ndarray, count: int, plane: np.ndarray, gone: int, room: Program) -> bool:
    """The tableau at the vertex where all coordinates but `gone` are at their lower bounds and s = 0; False for rows
    without a length."""
    table, k = room.table, len(plane) - 1
    d, many, lead = k - 1, count + 2, plane[gone]
    for r in range(many):
        length = 1.0
        if r < count:
            length = _length(rows[r], k)
            if not (length > 1.0 / LONG and length < LONG):
                return False
            onto, constant = rows[r, gone] / (length * lead), rows[r, k] / length
        else:
            onto, constant = (1.0 if r == count else -1.0) / lead, EDGE
        constant -= onto * plane[k]
        c = 0
        for j in range(k):
            if j != gone:
                a = (rows[r, j] / length if r < count else 0.0) - onto * plane[j]
                table[r, c] = a
                constant -= a * EDGE
                c += 1
        table[r, d], table[r, k] = -1.0, constant
        room.row[r] = d + r
    for j in range(k):
        room.column[j] = j  # the last one is s, for which there is a row as well
        room.flipped[j] = 0
        table[many, j] = 0.0
    table[many, d], table[many, k] = 1.0, 0.0
    return True


@kernel
def _raise(room: Program, many: int, d: int) -> int:
    """Let s enter for the lowest row, and drop that row, since s is free; the row of s."""
    table, low = room.table, 0
    for r in range(1, many):
        if table[r, d + 1] < table[low, d + 1]:
            low = r
    _pivot(room, many, d, low, d)
    last = many - 1  # of the rows that stay, the last one moves to the place of the lowest, and s to that of the last
    for j in range(d + 2):
        table[low, j] = table[last, j]
    room.row[low] = room.row[last]
    for j in range(d + 2):
        table[last, j] = table[many, j]
    return last


@kernel
def _climb(room: Program, goal: int, d: int) -> bool:
    """Raise s to its maximum, or as high as is enough; False where the search is given up."""
    table, column, row, flipped = room.table, room.column, room.row, room.flipped
    for _ in range(PIVOTS * (goal + 1 + d)):
        if table[goal, d + 1] > ENOUGH:
            return True
        enter = -1
        best = FLAT
        for j in range(d + 1):
            if table[goal, j] > best:
                best = table[goal, j]
                enter = j
        if enter < 0:
            return True
        step = 2 * EDGE if column[enter] < d else np.inf
        leave = -1
        upper = False
        size = 0.0
        for r in range(goal):  # the row that is tight first; of several that with the largest pivot
            a = table[r, enter]
            if a < -FLAT:
                t = max(table[r, d + 1], 0.0) / -a
                if t < step or (t == step and -a > size):
                    step, leave, upper, size = t, r, False, -a
            elif a > FLAT and row[r] < d:
                t = max(2 * EDGE - table[r, d + 1], 0.0) / a
                if t < step or (t == step and a > size):
                    step, leave, upper, size = t, r, True, a
        if not step < np.inf:
            return False
        if leave < 0:  # from one bound to the other
            for r in range(goal + 1):
                table[r, d + 1] += table[r, enter] * step
                table[r, enter] = -table[r, enter]
            flipped[column[enter]] = 1 - flipped[column[enter]]
            continue
        if upper:  # count the leaving variable from its upper bound
            for j in range(d + 1):
                table[leave, j] = -table[leave, j]
            table[leave, d + 1] = 2 * EDGE - table[leave, d + 1]
            flipped[row[leave]] = 1 - flipped[row[leave]]
        _pivot(room, goal, d, leave, enter)
    return False


@kernel
def _pivot(room: Program, goal: int, d: int, leave: int, enter: int) -> None:
    """Exchange the variables of a row and a column, in all rows up to `goal`."""
    exchange(room.table, goal + 1, d + 2, leave, enter, -1.0)
    room.column[enter], room.row[leave] = room.row[leave], room.column[enter]


@kernel
def _read_point(room: Program, goal: int, plane: np.ndarray, gone: int, point: np.ndarray) -> None:
    """The point of the present vertex; the row behind `goal` is free to gather coordinates."""
    k = len(point)
    d, table, gathered = k - 1, room.table, room.table[goal + 1]
    for j in range(d + 1):
        if room.column[j] < d:
            gathered[room.column[j]] = EDGE if room.flipped[room.column[j]] else -EDGE
    for r in range(goal):
        if room.row[r] < d:
            x = table[r, d + 1] - EDGE
            gathered[room.row[r]] = -x if room.flipped[room.row[r]] else x
    value = plane[k]
    c = 0
    for j in range(k):
        if j != gone:
            point[j] = gathered[c]
            value += plane[j] * point[j]
            c += 1
    point[gone] = -value / plane[gone]


@kernel
def _read_multipliers(room: Program, goal: int, rows: np.ndarray, count: int, gone: int, lead: float, multiplier: np.ndarray) -> None:
    """The reduced costs of the present vertex, of rows that are not scaled, and the factor of the hyperplane that takes
    coordinate `gone` away."""
    k = rows.shape[1] - 1
    d = k - 1
    for r in range(count + 1):
        multiplier[r] = 0.0
    wall = 0.0
    for j in range(d + 1):
        v = room.column[j] - d
        if v >= 0 and room.table[goal, j] < 0.0:
            if v < count:
                multiplier[v] = -room.table[goal, j] / _length(rows[v], k)
                wall -= multiplier[v] * rows[v, gone]
            else:
                wall += room.table[goal, j] if v == count else -room.table[goal, j]
    multiplier[count] = wall / lead
