"""Rows over the inputs bounded from below on boxes cut with a ball, in doubles.

For any lambda >= 0 the least value of g.x + lambda/2 (|x - c|^2 - r^2) on the box, in l1 of g.x + lambda (|x - c| - r),
is not above that of g.x on the part in the ball (docs/exactness.md, lemma 15a). Both fall apart by coordinate. The best
lambda is looked for; what it is does not matter for what is proved.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from polylc.bounds.ball_fused import CLOSE, ROUNDS, Round
from polylc.domains.within import Within
from polylc.exact.enclose import enclose, enclose_sqrt
from polylc.exact.numbers import to_floats

INSIDE = 1 - 2.0**-36  # of the radius: points to be tried exactly lie in the ball for certain


@dataclass(frozen=True)
class Ball:
    """A ball in doubles, which holds the rational one.

    Attributes
    ----------
    norm : str
        "l2" or "l1".
    center : ndarray, shape (inputs,)
    radius : float
    """

    norm: str
    center: np.ndarray
    radius: float

    @classmethod
    def of(cls, within: Within) -> Ball:
        """The least around a rational ball, but for rounding."""
        center = to_floats(within.center)
        lost = sum((abs(Fraction(f) - c) for f, c in zip(center.tolist(), within.center, strict=True)), Fraction(0))
        radius = enclose_sqrt(within.bound)[1] if within.norm == "l2" else enclose(within.bound)[1]
        return cls(within.norm, center, enclose(Fraction(radius) + lost)[1])

    def least(self, gradient: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lower bounds of rows on boxes within the ball.

        Parameters
        ----------
        gradient, low, high : ndarray, shape (rows, inputs)

        Returns
        -------
        point : ndarray, shape (rows, inputs)
            Where each row is least.
        least : ndarray, shape (rows,)
            Rounded.
        size : ndarray, shape (rows,)
            Sizes of what was added up, besides |gradient| times the largest coordinates.
        """
        p, q = low - self.center, high - self.center
        steepest = np.abs(gradient).max(axis=1, initial=0.0)
        steepest = np.where(steepest > 0, steepest, 1.0)  # rows are scaled, so that no square of them underflows
        scaled = gradient / steepest[:, None]
        share, offset = (_l2 if self.norm == "l2" else _l1)(scaled, np.broadcast_to(p, scaled.shape), np.broadcast_to(q, scaled.shape), self.radius)
        share = share * steepest
        ends = np.where(gradient > 0, p, np.where(gradient < 0, q, np.clip(0.0, p, q)))
        offset = np.where((share > 0)[:, None], offset, ends)
        point = np.clip(self.center + offset, low, high)
        if self.norm == "l2":
            far, most, share = np.einsum("rn,rn->r", offset, offset), self.radius**2, share / 2
        else:
            far, most = np.abs(offset).sum(axis=1), self.radius
        tied = share > 0
        sizes = np.abs(gradient)
        least = np.where(
            tied,
            gradient @ self.center + np.einsum("rn,rn->r", gradient, offset) + share * (far - most),
            np.einsum("rn,rn->r", gradient, point),
        )
        size = sizes @ np.abs(self.center) + np.einsum("rn,rn->r", sizes, np.abs(offset)) + 2 * share * (far + most)
        return point, least, size

    @property
    def round(self) -> Round:
        """For kernels."""
        return Round({"l2": 2, "l1": 1}[self.norm], self.radius, self.center)

    def pulled(self, points: np.ndarray) -> np.ndarray:
        """Points moved to the centre until they are in the ball; shape (points, inputs)."""
        apart = points - self.center
        far = self._length(apart)
        most = self.radius * INSIDE
        share = np.divide(most, far, out=np.ones_like(far), where=far > most)
        found: np.ndarray = np.where((far > most)[:, None], self.center + apart * share[:, None], points)
        return found

    def misses(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Which boxes lie outside, as doubles see it; shape (boxes,)."""
        apart = np.clip(0.0, low - self.center, high - self.center)
        found: np.ndarray = self._length(apart) >= self.radius * (1 - 2.0**-40)
        return found

    def _length(self, apart: np.ndarray) -> np.ndarray:
        """Norms of rows."""
        found: np.ndarray = np.sqrt(np.einsum("pn,pn->p", apart, apart)) if self.norm == "l2" else np.abs(apart).sum(axis=1)
        return found


def _l2(g: np.ndarray, p: np.ndarray, q: np.ndarray, r: float) -> tuple[np.ndarray, np.ndarray]:
    """Good multipliers, zero where the box does as well, and where g.v + lambda/2 |v|^2 is least on p <= v <= q."""
    square = r * r
    nearest = np.clip(0.0, p, q)
    v = np.where(g > 0, p, np.where(g < 0, q, nearest))
    share = np.zeros(len(g))
    rest = np.flatnonzero(np.einsum("rn,rn->r", v, v) > square)
    if not len(rest):
        return share, v
    base = np.einsum("rn,rn->r", nearest[rest], nearest[rest])
    empty = base >= square * (1 - CLOSE)
    out = rest[empty]
    if len(out):
        share[out] = 4 * _reach(g[out], p[out], q[out]) / np.maximum(base[empty] - square, CLOSE * square)
        v[out] = np.clip(-g[out] / share[out, None], p[out], q[out])
        rest = rest[~empty]
    a, b, c = g[rest], p[rest], q[rest]
    now = np.sqrt(np.einsum("rn,rn->r", a, a)) / r
    low, high = np.zeros(len(rest)), np.full(len(rest), np.inf)
    for _ in range(ROUNDS):
        if not len(rest):
            break
        free = -a / now[:, None]
        x = np.clip(free, b, c)
        inner = x == free
        squares = x * x
        far = squares.sum(axis=1)
        share[rest], v[rest] = now, x
        small = far > square
        low, high = np.where(small, now, low), np.where(small, high, now)
        room = square - np.where(inner, 0.0, squares).sum(axis=1)
        length = np.where(inner, a * a, 0.0).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            guess = np.sqrt(length / room)
            between = np.where(np.isinf(high), 2 * low, np.where(low > 0, np.sqrt(low) * np.sqrt(high), high / 2))
        guess = np.where((guess > low) & (guess < high), guess, between)
        going = ~(np.abs(far - square) <= CLOSE * square) & (guess > 0) & np.isfinite(guess) & (guess != now)
        now = guess
        if not going.all():
            rest, a, b, c, now, low, high = (one[going] for one in (rest, a, b, c, now, low, high))
    return share, v


def _l1(g: np.ndarray, p: np.ndarray, q: np.ndarray, r: float) -> tuple[np.ndarray, np.ndarray]:
    """The same for g.v + lambda |v|: coordinates move from the value nearest to zero to an end, those with the largest
    slopes first, as long as the radius allows.
    """
    size = np.abs(g)
    nearest = np.clip(0.0, p, q)
    end = np.where(g > 0, p, np.where(g < 0, q, nearest))
    cost = np.abs(end) - np.abs(nearest)
    base = np.abs(nearest).sum(axis=1)
    order = np.argsort(-size, axis=1, kind="stable")
    total = np.cumsum(np.take_along_axis(cost, order, axis=1), axis=1)
    budget = (r - base)[:, None]
    whole = total <= budget
    many = whole.sum(axis=1)
    rows = np.arange(len(g))
    last = np.minimum(many, g.shape[1] - 1)
    marginal = order[rows, last]
    share = np.where(many < g.shape[1], size[rows, marginal], 0.0)
    taken = np.zeros(g.shape, dtype=bool)
    np.put_along_axis(taken, order, whole, axis=1)
    v = np.where(taken, end, nearest)
    left = budget[:, 0] - np.where(many > 0, total[rows, np.maximum(many - 1, 0)], 0.0)
    part = (many < g.shape[1]) & (left > 0)
    v[rows[part], marginal[part]] += np.sign(end - nearest)[rows[part], marginal[part]] * left[part]
    out = base > r
    if out.any():
        share[out] = np.maximum(size[out].max(axis=1), 4 * _reach(g[out], p[out], q[out]) / np.maximum(base[out] - r, CLOSE * r))
        v[out] = nearest[out]
    return share, v


def _reach(g: np.ndarray, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """More than rows reach on boxes."""
    found: np.ndarray = np.einsum("rn,rn->r", np.abs(g), np.maximum(np.abs(p), np.abs(q))) + 1e-300
    return found
