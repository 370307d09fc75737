"""The float filter in plain numpy, the reference of polylc/judge/node_filter.py (docs/exactness.md, lemmas 1 to 4).

Each function computes in doubles and subtracts a rigorous bound on everything that rounding, and the rounding of the
forms themselves, can have done. True is a proof; False only means that doubles do not decide.
"""

from __future__ import annotations

import numpy as np

from polylc.network.compose import TINY, UNIT

MULTIPLIER_BITS = 30


def positive_at(rows: np.ndarray, error: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether forms are certainly positive at points of [-1, 1]^k; boolean, shape (E,).

    Parameters
    ----------
    rows : ndarray, shape (E, k + 1)
    error : ndarray, shape (E,)
        Bound on the rounding in each row (`compose.rounding`).
    points : ndarray, shape (E, k)
        Doubles, taken as the rationals that they are.
    """
    width = rows.shape[-1]
    products = rows[:, :-1] * points
    value = products.sum(axis=1) + rows[:, -1]
    size = np.abs(products).sum(axis=1) + np.abs(rows[:, -1])
    doubt = (error + 2 * (width + 2) * UNIT * size) * (1 + 16 * (width + 4) * UNIT) + 16 * (width + 2) * TINY
    result: np.ndarray = value > doubt
    return result


def whole_multipliers(starts: np.ndarray, multiplier: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Multipliers of claims rounded to integers m / 2^q of at most MULTIPLIER_BITS bits; negative ones become 0.

    Returns
    -------
    whole : ndarray of int64, shape (entries,)
    shift : ndarray of int64, shape (claims,)
        q of each claim.
    """
    count = len(starts) - 1
    owner = np.repeat(np.arange(count), np.diff(starts))
    clean = np.where(np.isfinite(multiplier) & (multiplier > 0), multiplier, 0.0)
    largest = np.zeros(count)
    np.maximum.at(largest, owner, clean)
    _, exponent = np.frexp(largest)
    shift = np.where(largest > 0, np.clip(MULTIPLIER_BITS - exponent, -1000, 900), 0).astype(np.int64)
    return np.rint(np.ldexp(clean, shift[owner])).astype(np.int64), shift


def claims_hold(
    target: np.ndarray, target_error: np.ndarray, starts: np.ndarray, rows: np.ndarray, error: np.ndarray, multiplier: np.ndarray
) -> np.ndarray:
    """Whether target - sum of multiplier * row is certainly positive on all of [-1, 1]^k; boolean, shape (C,).

    Parameters
    ----------
    target : ndarray, shape (C, k + 1)
    target_error : ndarray, shape (C,)
    starts : ndarray of int, shape (C + 1,)
        Claim c has the entries starts[c]:starts[c + 1] of the arrays below.
    rows : ndarray, shape (entries, k + 1)
    error : ndarray, shape (entries,)
    multiplier : ndarray, shape (entries,)
        Non-negative doubles, taken as the rationals that they are.
    """
    width, count = target.shape[-1], np.diff(starts)
    some = count > 0
    total, size, doubt = target.copy(), np.abs(target).sum(axis=1), target_error.copy()
    if len(rows):
        at = starts[:-1][some]
        product = multiplier[:, None] * rows
        total[some] -= np.add.reduceat(product, at, axis=0)
        size[some] += np.add.reduceat(np.abs(product).sum(axis=1), at)
        doubt[some] += np.add.reduceat(multiplier * error, at)
    spread = np.abs(total[:, :-1]).sum(axis=1)
    bound = total[:, -1] - spread
    terms = count + width + 8.0
    doubt = (doubt + 4 * terms * UNIT * (size + spread + np.abs(total[:, -1]))) * (1 + 16 * terms * UNIT) + 16 * terms * width * TINY
    result: np.ndarray = bound > doubt
    return result
