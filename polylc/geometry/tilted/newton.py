"""Tilts near the least of log M(theta a) - theta s, by projected Newton steps; compiled. In doubles: nothing rests on
how near they are.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from polylc.jit.decorators import inlined, kernel

Array = np.ndarray

MOST_STEPS = 40
ENOUGH = 1e-6  # of a gain in the exponent
FAR = -800.0  # of the exponent: what is smaller is nothing


@inlined
def moments(x: float) -> tuple[float, float, float]:
    """log(sinh x / x), its slope and its curvature."""
    size = abs(x)
    if size < 0.01:
        square = x * x
        return square / 6.0, x / 3.0, (1.0 - square / 5.0) / 3.0
    inverse = 1.0 / size
    if size > 20.0:
        return size - math.log(2.0 * size), (1.0 - inverse) if x > 0 else inverse - 1.0, inverse * inverse
    decay = math.exp(-2.0 * size)
    slope = (1.0 + decay) / (1.0 - decay) - inverse
    return size - math.log(2.0 * size) + math.log(1.0 - decay), slope if x > 0 else -slope, inverse * inverse - 4.0 * decay / (1.0 - decay) ** 2


class Steps(NamedTuple):
    """Room to work in."""

    new: Array  # (m,)
    slope: Array  # (m,)
    step: Array  # (m,)
    curve: Array  # (m, m)


@kernel
def descend(a: Array, s: Array, soft: float, floor: Array, free: int, theta: Array, room: Steps) -> None:
    """Move theta, which starts at or above its floor (but for the first `free`), down to where it pays no more.

    Parameters
    ----------
    a : ndarray, shape (m, k)
    s, floor, theta : ndarray, shape (m,)
    soft : float
        Standard deviation of the noise in the first form.
    """
    new, slope, step, curve = room.new, room.slope, room.step, room.curve
    m, k = a.shape
    value = np.inf
    for _ in range(MOST_STEPS):
        value = 0.0
        for j in range(m):
            slope[j] = -s[j]
            value -= theta[j] * s[j]
            for q in range(m):
                curve[j, q] = 0.0
        value += 0.5 * (soft * theta[0]) ** 2
        slope[0] += soft * (soft * theta[0])
        curve[0, 0] = soft * soft
        for i in range(k):
            x = 0.0
            for j in range(m):
                x += theta[j] * a[j, i]
            v, first, second = moments(x)
            value += v
            for j in range(m):
                slope[j] += a[j, i] * first
                w = a[j, i] * second
                for q in range(j + 1):
                    curve[j, q] += w * a[q, i]
        # Cholesky's factor of the part that may move; those at their floor that would go below it stay
        for j in range(m):
            step[j] = -slope[j]
            curve[j, j] = curve[j, j] * (1.0 + 1e-12) + 1e-300
            held = j >= free and theta[j] <= floor[j] * (1 + 1e-12) and slope[j] > 0.0
            if held:
                step[j] = 0.0
                for q in range(m):
                    curve[j, q] = 0.0
                    if q > j:
                        curve[q, j] = 0.0
                curve[j, j] = 1.0
        for j in range(m):
            for q in range(j):
                w = curve[j, q]
                for r in range(q):
                    w -= curve[j, r] * curve[q, r]
                curve[j, q] = w / curve[q, q]
            w = curve[j, j]
            for r in range(j):
                w -= curve[j, r] * curve[j, r]
            curve[j, j] = math.sqrt(w) if w > 0.0 else 1e150
        for j in range(m):
            for r in range(j):
                step[j] -= curve[j, r] * step[r]
            step[j] /= curve[j, j]
        for j in range(m - 1, -1, -1):
            for r in range(j + 1, m):
                step[j] -= curve[r, j] * step[r]
            step[j] /= curve[j, j]
        size, there = 1.0, np.inf
        while size > 1e-4:
            there = 0.0
            for j in range(m):
                new[j] = theta[j] + size * step[j]
                if j >= free:
                    new[j] = max(new[j], floor[j])
                there -= new[j] * s[j]
            there += 0.5 * (soft * new[0]) ** 2
            for i in range(k):
                x = 0.0
                for j in range(m):
                    x += new[j] * a[j, i]
                there += moments(x)[0]
            if there < value:
                break
            size *= 0.5
        if not there < value:
            return
        for j in range(m):
            theta[j] = new[j]
        if value - there < ENOUGH or there < FAR:
            return
