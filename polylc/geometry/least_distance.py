"""The point nearest to the origin where rows are >= 0, in l1 or l2, in doubles: proposals with multipliers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

CONTRADICTION = 1e-9  # what is left of one where rows contradict each other
PIVOTS, PLAIN = 200, 60  # at most, and from which on the first choice is taken, which cannot cycle
SMALL = 1e-11
ENOUGH = 1.0 + 1e-6  # multipliers that prove such a distance need not be improved


class Nearest(NamedTuple):
    """The point, None if there seems to be none or it is farther than 1; and multipliers of the rows: combined, they
    show how far it is at least.
    """

    point: np.ndarray | None
    multipliers: np.ndarray


def nearest_l2(rows: np.ndarray) -> Nearest | None:
    """Least distance programming by non-negative least squares (Lawson & Hanson 1974, chapter 23); None if that fails.

    Parameters
    ----------
    rows : ndarray, shape (m, k + 1)
        Forms, with gradients of unit length.
    """
    from scipy.optimize import nnls  # takes long to import

    k = rows.shape[1] - 1
    if not len(rows):
        return Nearest(np.zeros(k), np.zeros(0))
    matrix = rows.T.copy()
    matrix[-1] *= -1.0
    try:
        y, _ = nnls(matrix, np.append(np.zeros(k), 1.0))
    except (RuntimeError, ValueError):
        return None
    rest = 1.0 - float(matrix[-1] @ y)
    if rest < CONTRADICTION:
        return Nearest(None, y)
    return Nearest((matrix[:-1] @ y) / rest, y / rest)


def nearest_l1(rows: np.ndarray) -> Nearest | None:
    """The same in l1, by the simplex method on the dual: the largest -sum_r y_r c_r where y >= 0 and |sum_r y_r a_r|
    <= 1 in every coordinate, from y = 0 on.
    """
    k, m = rows.shape[1] - 1, len(rows)
    gradients = rows[:, :-1].T
    table = np.zeros((2 * k + 1, m + 1))  # basic = last column - table nonbasic; the last row is the objective
    table[:k, :m], table[k : 2 * k, :m] = gradients, -gradients
    table[:-1, -1] = 1.0
    table[-1, :m] = -rows[:, -1]
    nonbasic, basic = np.arange(m), m + np.arange(2 * k)  # names: multipliers, then slacks
    for step in range(PIVOTS):
        cost = table[-1, :-1]
        better = cost > SMALL
        if not better.any() or -table[-1, -1] > ENOUGH:
            break
        column = int(better.argmax()) if step > PLAIN else int(cost.argmax())
        limits = table[:-1, column]
        if not (limits > SMALL).any():  # the rows contradict each other: along this ray
            ray = np.zeros(m + 2 * k)
            ray[nonbasic[column]] = 1.0
            ray[basic] = np.maximum(-limits, 0.0)
            return Nearest(None, ray[:m])
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(limits > SMALL, table[:-1, -1] / limits, np.inf)
        row = int(ratio.argmin())
        pivot, side, top = table[row, column], table[:, column].copy(), table[row] / table[row, column]
        table -= np.multiply.outer(side, top)
        table[:, column], table[row] = -side / pivot, top
        table[row, column] = 1.0 / pivot
        nonbasic[column], basic[row] = basic[row], nonbasic[column]
    else:
        return None
    y = np.zeros(m + 2 * k)
    y[basic] = np.maximum(table[:-1, -1], 0.0)
    if -table[-1, -1] > ENOUGH:
        return Nearest(None, y[:m])
    price = np.zeros(m + 2 * k)
    price[nonbasic] = -table[-1, :-1]
    return Nearest(price[m : m + k] - price[m + k :], y[:m])
