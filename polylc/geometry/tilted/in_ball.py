"""Sections and cells of an l2 ball that a box cuts, by sampling along rays (docs/exactness.md, lemma 29a).

Forms g_j = a_j u - s_j on the cube, and the ball |sigma u + mu| < 1. E[delta(g_0) 1(g_j > 0) 1(ball)] over uniform u,
and the ball's own share of the cube, are e^size E[W] with W in [0, 1].
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from polylc.geometry.tilted.cumulants import Forms
from polylc.geometry.tilted.truncated import draw, log_beyond, log_power, log_size, moments
from polylc.network.compose import UNIT

Array = np.ndarray

CURVED = 1e-6  # the least h of a coordinate, so that rays begin somewhere
LEAST = 1e-3  # of lambda
MOST_STEPS = 60
ENOUGH = 1e-3  # of a gain in the exponent
FAR = 800.0  # of a gain: what is smaller is nothing
STEEP = 1e15  # a tilt that doubles do not hold


class Ball(NamedTuple):
    """The unit ball of v = sigma u + mu, by coordinate."""

    sigma: Array  # (k,)
    mu: Array  # (k,)


class Law(NamedTuple):
    """What is drawn from: normal laws of density e^(b u - h u^2) on [-1, 1], all coordinates independent but one, that
    is solved for; -1 for none.
    """

    ball: Ball
    forms: Forms | None
    b: Array  # (k,)
    h: Array  # (k,)
    solved: int
    limit: float  # of -log(density), on the target
    size: float  # log Z

    @property
    def slip(self) -> float:
        """What roundings may do to log Z, and to the logarithm of the density."""
        return (len(self.b) + 64) * UNIT * float(np.abs(self.b).sum() + self.h.sum() + 1.0)


def law_of(ball: Ball, forms: Forms | None, around: float) -> Law:
    """The law near that of Chernoff's bound, and the coordinate to solve for with which Z is least.

    Parameters
    ----------
    around : float
        What lambda is taken to be near, as it is for the ball itself.
    """
    dense = forms is not None
    a = forms.a if forms is not None else np.zeros((0, len(ball.sigma)))
    s = forms.s if forms is not None else np.zeros(0)
    weight, theta = _tilt(ball, a, s, around)
    x = theta @ a
    b = x - 2.0 * weight * ball.sigma * ball.mu
    plain = weight * ball.sigma * ball.sigma
    h = np.maximum(plain, CURVED)
    sizes = log_size(b, h)
    # on the target sum (h u^2 - b u) over the drawn coordinates is at most this, less what the solved one adds
    limit = weight * (1.0 - float(ball.mu @ ball.mu)) - float(theta @ s) + float((h - plain).sum())
    if not dense:
        return Law(ball, None, b, h, -1, limit, float(sizes.sum()) + limit)
    # the solved one's largest x u - lambda (2 sigma mu u + sigma^2 u^2), without the curvature that was added
    top = np.clip(np.divide(b, 2.0 * plain, out=np.sign(b) * 2.0, where=plain > 0), -1.0, 1.0)
    own = top * (b - plain * top) - (h - plain)
    with np.errstate(divide="ignore"):
        cost = own - sizes - np.log(2.0 * np.abs(a[0]))
    solved = int(np.argmin(cost))
    return Law(ball, forms, b, h, solved, limit + float(own[solved]), float(sizes.sum()) + limit + float(cost[solved]))


def weights(law: Law, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Weights W of `count` rays, (count,), and on each a point of the target, uniform there, in unit coordinates,
    (count, k); where W is 0 any point.
    """
    forms, j = law.forms, law.solved
    u = draw(law.b, law.h, count, rng)
    along = u - law.b / (2.0 * law.h)  # from where the density is largest: rays t -> u + t along, t > -1
    b, h, power = law.b.copy(), law.h.copy(), len(law.b) - 1
    if forms is not None:
        u[:, j] = along[:, j] = b[j] = h[j] = 0.0
        power -= 1
    own = u @ b - (u * u) @ h  # log of the density
    rate = (along * along) @ h
    low, high = _within_box(u, along, np.full(count, -1.0), np.full(count, math.inf))
    whole = log_beyond(power, rate, low, high)
    if forms is not None:
        a = forms.a
        u[:, j] = (forms.s[0] - u @ a[0]) / a[0, j]
        along[:, j] = -(along @ a[0]) / a[0, j]
        low, high = _within_box(u[:, j : j + 1], along[:, j : j + 1], low, high)
        low, high = _positive(u @ a[1:].T - forms.s[1:], along @ a[1:].T, low, high)
    low, high = _within_ball(law.ball, u, along, low, high)
    empty = ~(high > low)
    high = np.where(empty, low, high)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        weight = np.where(empty, 0.0, np.exp(np.minimum(log_power(power, low, high) - whole - own - law.limit, 0.0)))
        share = rng.random(count)
        ratio = np.exp((power + 1.0) * (np.log1p(low) - np.log1p(high)))  # of where a point is, uniform in volume
        at = (1.0 + high) * np.power(ratio + (1.0 - ratio) * share, 1.0 / (power + 1.0)) - 1.0
    at = np.where(empty | ~np.isfinite(at), 0.0, at)
    return weight, np.clip(u + at[:, None] * along, -1.0, 1.0)


def _positive(value: Array, slope: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Where value + t slope > 0 for all columns, within what is left."""
    if not value.shape[1]:
        return low, high
    with np.errstate(divide="ignore", invalid="ignore"):
        at = -value / slope
    low = np.maximum(low, np.where(slope > 0, at, -math.inf).max(axis=1))
    high = np.minimum(high, np.where(slope < 0, at, math.inf).min(axis=1))
    never = ((slope == 0) & (value <= 0)).any(axis=1)
    return low, np.where(never, low, high)


def _within_box(u: Array, along: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Where |u + t along| <= 1 for all columns; no t where one that does not move is on a side, or beyond it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        speed = 1.0 / along
        first, second = (-1.0 - u) * speed, (1.0 - u) * speed
    return np.maximum(low, np.fmin(first, second).max(axis=1)), np.minimum(high, np.fmax(first, second).min(axis=1))


def _within_ball(ball: Ball, u: Array, along: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Where |sigma (u + t along) + mu| < 1."""
    v, turn = u * ball.sigma + ball.mu, along * ball.sigma
    squared, mixed = (turn * turn).sum(axis=1), (v * turn).sum(axis=1)
    rest = (v * v).sum(axis=1) - 1.0
    inside = mixed * mixed - squared * rest
    root = np.sqrt(np.maximum(inside, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        # of the two ends that which is a sum of numbers of one sign, and the other by their product
        big = -(mixed + np.where(mixed >= 0, root, -root))
        first, second = big / squared, rest / big
        one, other = np.fmin(first, second), np.fmax(first, second)
    never = ~(inside > 0)
    return np.where(never, low, np.fmax(low, one)), np.where(never, low, np.fmin(high, other))


def _tilt(ball: Ball, a: Array, s: Array, around: float) -> tuple[float, Array]:
    """lambda and theta near the least of the bound's exponent, by projected Newton steps; theta_0 is free."""
    m = len(s)
    free = np.zeros(m + 1, dtype=bool)
    free[1:2] = m > 0
    floor = np.where(free, -math.inf, 0.0)
    floor[0] = LEAST
    at = np.zeros(m + 1)
    at[0] = max(around, LEAST)
    shift = np.concatenate([[1.0], -s])

    def value_at(point: Array, deep: bool) -> tuple[float, Array, Array]:
        weight, x = point[0], point[1:] @ a
        if not max(weight, np.abs(x).max(initial=0.0)) < STEEP:
            return math.inf, point, a
        h = np.maximum(weight * ball.sigma * ball.sigma, CURVED)
        b = x - 2.0 * weight * ball.sigma * ball.mu
        if not deep:
            return float(log_size(b, h).sum()) - weight * float(ball.mu @ ball.mu) + float(point @ shift), point, a
        found = moments(b, h, ball.sigma, ball.mu)
        slope = shift + np.concatenate([[-found.square.sum()], a @ found.mean])
        curve = np.empty((m + 1, m + 1))
        curve[0, 0] = found.square_spread.sum()
        curve[0, 1:] = curve[1:, 0] = -(a @ found.joint)
        curve[1:, 1:] = (a * found.spread) @ a.T
        return float(found.size.sum()) - weight * float(ball.mu @ ball.mu) + float(point @ shift), slope, curve

    value, slope, curve = value_at(at, True)
    least = value - FAR
    for _ in range(MOST_STEPS):
        moves = ~((at <= floor) & (slope > 0))
        step = np.zeros(m + 1)
        part = curve[np.ix_(moves, moves)]
        scale = np.sqrt(np.maximum(np.diag(part), 1e-300))
        try:
            step[moves] = -np.linalg.solve(part / np.outer(scale, scale) + 1e-10 * np.eye(len(scale)), slope[moves] / scale) / scale
        except np.linalg.LinAlgError:
            return float(at[0]), at[1:]
        size = 1.0
        while True:
            new = np.maximum(at + size * step, floor)
            there, *rest = value_at(new, True)
            if math.isfinite(there) and there < value:
                break
            size *= 0.25
            if size < 1e-5:
                return float(at[0]), at[1:]
        gain, at, value = value - there, new, there
        slope, curve = rest
        if gain < ENOUGH or value < least:
            break
    return float(at[0]), at[1:]
