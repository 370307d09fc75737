"""The widest point of a facet, compiled: a small linear program by the primal simplex method, in doubles.

Of all points of a hyperplane in the box, the one farthest from a cell's other half-spaces: maximise s with g_r - s >= 0 for rows g_r of
unit length. One coordinate is solved for; the others are variables between bounds, which need no rows. Raising s at any vertex of the
box until the first row is tight gives a feasible basis, so there is no first phase. Whatever comes out is checked by the caller.
"""

from __future__ import annotations

import numpy as np

from polylc.jit.decorators import kernel

EDGE = 1.0 - 2.0**-30  # the variables' bounds, a little inside the box
ENOUGH = 2.0**-12  # a point that far from everything will do
FLAT = 1e-12  # reduced costs and pivots below this count as zero
FOUND, NONE, LOST = 1, 0, -1


@kernel
def widest(rows: np.ndarray, count: int, plane: np.ndarray, table: np.ndarray, basis: np.ndarray, point: np.ndarray, multiplier: np.ndarray) -> int:
    """Search a point of a hyperplane inside the half-spaces of `rows`, or multipliers that there is none.

    Parameters
    ----------
    rows : ndarray, shape (count or more, k + 1)
        The half-spaces, positive inside.
    plane : ndarray, shape (k + 1,)
    table : ndarray, shape (count + 3 or more, k + 2 or more)
        Room for the tableau.
    basis : ndarray of int64, shape (3, count + k + 3 or more)
        Room for the variables of rows and columns, and whether a variable is counted from its upper bound.
    point : ndarray, shape (k,)
        Receives the point, with every coordinate strictly inside the box.
    multiplier : ndarray, shape (count + 1 or more,)
        Receives the multipliers of the rows, and behind them the factor of the hyperplane: their sum is negative on the box.

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
    if not (lead != 0.0 and abs(lead) > 2.0**-400 and abs(lead) < 2.0**400):
        return LOST
    d, many = k - 1, count + 2
    column, row, flipped = basis[0], basis[1], basis[2]
    # table[r, :d] coefficients of the distances x_j from the bounds -EDGE, table[r, d + 1] the constant; table[many] is s
    length = 0.0
    for r in range(many):
        if r < count:
            length = 0.0
            for j in range(k):
                length += rows[r, j] * rows[r, j]
            length = np.sqrt(length)
            if not (length > 2.0**-200 and length < 2.0**200):
                return LOST
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
        table[r, d + 1] = constant
        row[r] = d + r
    for j in range(d):
        column[j] = j
        flipped[j] = 0
    low = 0
    for r in range(1, many):
        if table[r, d + 1] < table[low, d + 1]:
            low = r
    # s enters for the lowest row: s = row_low - slack_low
    for j in range(d + 2):
        table[many, j] = table[low, j] if j != d else -1.0
    for r in range(many):
        if r != low:
            for j in range(d):
                table[r, j] -= table[many, j]
            table[r, d] = 1.0
            table[r, d + 1] -= table[many, d + 1]
    column[d] = row[low]
    last = many - 1  # rows that stay: the last one moves to the place of the lowest
    for j in range(d + 2):
        table[low, j] = table[last, j]
    row[low] = row[last]
    for j in range(d + 2):
        table[last, j] = table[many, j]
    goal = last
    done = False
    for _ in range(20 * (many + d)):
        if table[goal, d + 1] > ENOUGH:
            done = True
            break
        enter = -1
        best = FLAT
        for j in range(d + 1):
            if table[goal, j] > best:
                best = table[goal, j]
                enter = j
        if enter < 0:
            done = True
            break
        step = 2 * EDGE if column[enter] < d else np.inf
        leave = -1
        upper = False
        size = 0.0
        for r in range(goal):
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
            return LOST
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
        pivot = table[leave, enter]
        for j in range(d + 2):
            if j != enter:
                table[leave, j] /= -pivot
        table[leave, enter] = 1.0 / pivot
        for r in range(goal + 1):
            a = table[r, enter]
            if r != leave and a != 0.0:
                table[r, enter] = 0.0
                for j in range(d + 2):
                    table[r, j] += a * table[leave, j]
        column[enter], row[leave] = row[leave], column[enter]
    if not done:
        return LOST
    s = table[goal, d + 1]
    if s > 0.0:
        for j in range(d + 1):
            if column[j] < d:
                table[many, column[j]] = EDGE if flipped[column[j]] else -EDGE
        for r in range(goal):
            if row[r] < d:
                x = table[r, d + 1] - EDGE
                table[many, row[r]] = -x if flipped[row[r]] else x
        value = plane[k]
        c = 0
        for j in range(k):
            if j != gone:
                point[j] = table[many, c]
                value += plane[j] * point[j]
                c += 1
        point[gone] = -value / lead
        return FOUND
    for r in range(count + 1):
        multiplier[r] = 0.0
    wall = 0.0
    for j in range(d + 1):
        v = column[j] - d
        if v >= 0 and table[goal, j] < 0.0:
            if v < count:
                length = 0.0
                for i in range(k):
                    length += rows[v, i] * rows[v, i]
                multiplier[v] = -table[goal, j] / np.sqrt(length)
                wall -= multiplier[v] * rows[v, gone]
            else:
                wall += table[goal, j] if v == count else -table[goal, j]
    multiplier[count] = wall / lead
    return NONE
