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
LITTLE = 1e-8  # of the same, as Newton's step promises it
FAR = -800.0  # of the exponent: what is smaller is nothing
TINY = 1e-150  # of a product that goes on


@inlined
def moments(x: float) -> tuple[float, float, float, float]:
    """log(sinh x / x) as the sum of a number and the logarithm of another one, which is at most 1; its slope and its
    curvature.
    """
    size = abs(x)
    if size < 0.01:
        square = x * x
        return square / 6.0, 1.0, x / 3.0, (1.0 - square / 5.0) / 3.0
    inverse = 1.0 / size
    if size > 20.0:
        return size, 0.5 * inverse, (1.0 - inverse) if x > 0 else inverse - 1.0, inverse * inverse
    decay = math.exp(-2.0 * size)
    lost = 1.0 / (1.0 - decay)
    slope = (1.0 + decay) * lost - inverse
    return size, 0.5 * (1.0 - decay) * inverse, slope if x > 0 else -slope, inverse * inverse - 4.0 * decay * lost * lost


class Steps(NamedTuple):
    """Room to work in."""

    new: Array  # (m,)
    slope: Array  # (m,)
    step: Array  # (m,)
    curve: Array  # (m, m)
    x: Array  # (k,)
    first: Array  # (k,)
    second: Array  # (k,)


def steps(m: int, k: int) -> Steps:
    """Room for m forms in k coordinates."""
    new, slope, step = np.empty((3, m))
    x, first, second = np.empty((3, k))
    return Steps(new, slope, step, np.empty((m, m)), x, first, second)


@inlined
def _dot(left: Array, right: Array) -> float:
    """In four sums, that processors add up side by side."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = len(left) - len(left) % 4
    for i in range(0, whole, 4):
        a += left[i] * right[i]
        b += left[i + 1] * right[i + 1]
        c += left[i + 2] * right[i + 2]
        d += left[i + 3] * right[i + 3]
    for i in range(whole, len(left)):
        a += left[i] * right[i]
    return (a + b) + (c + d)


@inlined
def _expand(a: Array, s: Array, soft: float, theta: Array, deep: bool, room: Steps) -> float:
    """log M(theta a) - theta s; where `deep`, with its slope and the lower triangle of its curvature."""
    m, k = a.shape
    x, first, second = room.x, room.first, room.second
    value = 0.5 * (soft * theta[0]) ** 2
    x[:] = 0.0
    for j in range(m):
        value -= theta[j] * s[j]
        for i in range(k):
            x[i] += theta[j] * a[j, i]
    product = 1.0  # of what the logarithms are taken of: one for many coordinates
    for i in range(k):
        v, factor, first[i], second[i] = moments(x[i])
        value += v
        product *= factor
        if product < TINY:
            value += math.log(product)
            product = 1.0
    for j in range(m if deep else 0):
        room.slope[j] = _dot(a[j], first) - s[j]
        for i in range(k):
            x[i] = a[j, i] * second[i]
        for q in range(j + 1):
            room.curve[j, q] = _dot(x, a[q])
    if deep:
        room.slope[0] += soft * (soft * theta[0])
        room.curve[0, 0] += soft * soft
    total: float = value + math.log(product)
    return total


@inlined
def _newton(theta: Array, floor: Array, free: int, room: Steps) -> float:
    """Newton's step, by Cholesky's factor of the part that may move, which takes the place of the curvature; those at
    their floor that would go below it stay. What the step gains, were the curvature the same on the way.
    """
    slope, step, curve = room.slope, room.step, room.curve
    m = len(theta)
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
    gain = 0.0
    for j in range(m):
        for r in range(j):
            step[j] -= curve[j, r] * step[r]
        step[j] /= curve[j, j]
        gain += 0.5 * step[j] * step[j]
    for j in range(m - 1, -1, -1):
        for r in range(j + 1, m):
            step[j] -= curve[r, j] * step[r]
        step[j] /= curve[j, j]
    return gain


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
    new, step = room.new, room.step
    m = len(s)
    value = _expand(a, s, soft, theta, True, room)
    for _ in range(MOST_STEPS):
        gain = _newton(theta, floor, free, room)
        size, there = 1.0, np.inf
        while size > 1e-4:
            for j in range(m):
                new[j] = theta[j] + size * step[j]
                if j >= free:
                    new[j] = max(new[j], floor[j])
            if gain < LITTLE:  # so near that it need not be seen
                for j in range(m):
                    theta[j] = new[j]
                return
            # the first step is mostly taken, and then goes on from there
            there = _expand(a, s, soft, new, size == 1.0, room)
            if there < value:
                break
            size *= 0.5
        if not there < value:
            return
        for j in range(m):
            theta[j] = new[j]
        if value - there < ENOUGH or there < FAR:
            return
        value = there if size == 1.0 else _expand(a, s, soft, theta, True, room)
