"""One row over the inputs bounded from below on a box cut with a ball: what `ball` does with whole arrays, compiled.

In: a row, a box, a ball; out: its least value, rounded, and where. The formulas are those of `ball`, which the tests
compare with.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from polylc.jit.decorators import inlined, kernel

Array = np.ndarray
ROUNDS = 60  # of the search for lambda; nearly always a few do
CLOSE = 1e-11  # relative to r^2, how near |x - c|^2 comes to it


class Round(NamedTuple):
    """A ball: its norm, 1 or 2, or 0 where there is none; its radius, and its centre of shape (inputs,)."""

    norm: int
    radius: float
    center: Array


@inlined
def _nearest(p: float, q: float) -> float:
    """The number between two ends that is nearest to zero."""
    return min(max(0.0, p), q)


@inlined
def _end(g: float, p: float, q: float) -> float:
    """Where g v is least between two ends."""
    return p if g > 0.0 else q if g < 0.0 else _nearest(p, q)


@kernel
def least_in_ball(ball: Round, low: Array, high: Array, row: Array, point: Array) -> tuple[float, float]:
    """The least value of a row, and sizes of what was added up for it besides |row| times the largest coordinates.

    Parameters
    ----------
    ball : Round
    low, high, row : ndarray, shape (inputs,)
    point : ndarray, shape (inputs,)
        Receives where it is least.
    """
    n, share = ball.center.shape[0], 0.0
    if ball.norm == 2:
        share = _multiplier_l2(ball, low, high, row)
    elif ball.norm == 1:
        share = _move_l1(ball, low, high, row, point)
    value, size, far = 0.0, 0.0, 0.0
    if share > 0.0:
        for k in range(n):
            p, q = low[k] - ball.center[k], high[k] - ball.center[k]
            g = row[k]
            v = min(max(-g / share, p), q) if ball.norm == 2 else point[k]
            far += v * v if ball.norm == 2 else abs(v)
            value += g * ball.center[k] + g * v
            size += abs(g) * (abs(ball.center[k]) + abs(v))
            point[k] = min(max(ball.center[k] + v, low[k]), high[k])
        most = ball.radius * ball.radius if ball.norm == 2 else ball.radius
        share = share / 2.0 if ball.norm == 2 else share
        value += share * (far - most)
        size += 2.0 * share * (far + most)
        return value, size
    for k in range(n):
        g = row[k]
        x = low[k] if g > 0.0 else high[k]
        if ball.norm and g == 0.0:
            x = min(max(ball.center[k], low[k]), high[k])
        value += g * x
        point[k] = x
    return value, size


@kernel
def _multiplier_l2(ball: Round, low: Array, high: Array, row: Array) -> float:
    """As `ball._l2`: zero where the box alone does as well."""
    n, square = ball.center.shape[0], ball.radius * ball.radius
    steepest = 0.0
    for k in range(n):
        steepest = max(steepest, abs(row[k]))
    if steepest == 0.0:
        return 0.0
    far, base, length, reach = 0.0, 0.0, 0.0, 1e-300
    for k in range(n):
        p, q = low[k] - ball.center[k], high[k] - ball.center[k]
        g = row[k] / steepest  # so that no square underflows
        far += _end(g, p, q) ** 2
        base += _nearest(p, q) ** 2
        length += g * g
        reach += abs(g) * max(abs(p), abs(q))
    if not far > square:
        return 0.0
    if base >= square * (1.0 - CLOSE):
        return 4.0 * reach / max(base - square, CLOSE * square) * steepest
    now, least, most = math.sqrt(length) / ball.radius, 0.0, math.inf
    for _ in range(ROUNDS):
        inner, outer = 0.0, 0.0
        for k in range(n):
            p, q = low[k] - ball.center[k], high[k] - ball.center[k]
            g = row[k] / steepest
            v = -g / now
            if v < p:
                outer += p * p
            elif v > q:
                outer += q * q
            else:
                inner += g * g
        far = inner / (now * now) + outer
        if abs(far - square) <= CLOSE * square:
            break
        if far > square:
            least = now
        else:
            most = now
        guess = math.sqrt(inner / (square - outer)) if square > outer else 0.0
        if not least < guess < most:
            guess = 2.0 * least if most == math.inf else math.sqrt(least) * math.sqrt(most) if least > 0.0 else most / 2.0
        if not 0.0 < guess < math.inf or guess == now:
            break
        now = guess
    return now * steepest


@kernel
def _move_l1(ball: Round, low: Array, high: Array, row: Array, point: Array) -> float:
    """As `ball._l1`; `point` receives offsets from the centre."""
    n = ball.center.shape[0]
    left, steepest, reach = ball.radius, 0.0, 1e-300
    for k in range(n):
        p, q = low[k] - ball.center[k], high[k] - ball.center[k]
        point[k] = _nearest(p, q)
        left -= abs(point[k])
        steepest = max(steepest, abs(row[k]))
        reach += abs(row[k]) * max(abs(p), abs(q))
    if left < 0.0:
        return max(steepest, 4.0 * reach / max(-left, CLOSE * ball.radius))
    last, place = math.inf, -1
    while True:
        next_, at = -1.0, -1  # the next in the order of slopes, then of places
        for k in range(n):
            size = abs(row[k])
            if size > next_ and (size < last or (size == last and k > place)):
                next_, at = size, k
        if at < 0 or next_ == 0.0:
            return 0.0
        last, place = next_, at
        end = _end(row[at], low[at] - ball.center[at], high[at] - ball.center[at])
        cost = abs(end) - abs(point[at])
        if cost > left:
            point[at] += left if end > point[at] else -left
            return last
        left -= cost
        point[at] = end


@kernel
def least_in_balls(ball: Round, low: Array, high: Array, rows: Array, point: Array, value: Array, size: Array) -> None:
    """The same of many rows; `value` and `size`, of shape (rows,), are added to."""
    for r in range(rows.shape[0]):
        v, s = least_in_ball(ball, low[r], high[r], rows[r], point[r])
        value[r] += v
        size[r] += s
