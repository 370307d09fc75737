"""Whether half-spaces have a common interior in an open ball, or a facet there: doubles propose, exact arithmetic
decides.

A convex set with an interior meets an open ball in more than its boundary exactly where it is nearer to the centre than
the radius (docs/exactness.md, lemma 19). So one nearest point decides. In doubles its multipliers combine the
half-spaces to a form that is negative on the ball, or a point a little farther inside is a witness; both are verified
with bounds on all rounding. What they leave open goes to `strictly_inside` and `nearest_point`, in rationals.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from polylc.exact.checkpoint import checkpoint
from polylc.exact.numbers import to_floats
from polylc.exact.simplex import ExactMinimum
from polylc.geometry.interior import strictly_inside
from polylc.geometry.least_distance import nearest_l1, nearest_l2
from polylc.geometry.nearest_point import nearest_point
from polylc.network.compose import TINY, UNIT
from polylc.network.exact_forms import Row

FEWER, TRIES = 8.0, 14  # a witness is looked for so many times nearer to the walls, so many times
WIDEST = 0.125  # how far from the walls it is looked for at first, in radii


class Meeting(NamedTuple):
    """Whether a set meets the open ball; a witness in unit coordinates, and whether it was verified to be one."""

    inside: bool
    point: np.ndarray | None = None
    proved: bool = False


OUTSIDE = Meeting(False)


class Settled(NamedTuple):
    """A point of a set in unit coordinates; or, if there is none, multipliers of rows, and of what is positive in the
    ball (r - |x - c| in l1, half of r^2 - |x - c|^2 in l2), that combine to what is nowhere positive on the box.
    """

    point: tuple[Fraction, ...] | None
    multipliers: dict[int, Fraction]
    ball: Fraction


class OpenBall:
    """The points of an open box that are nearer to a centre than a radius, in unit coordinates u of the box.

    Parameters
    ----------
    norm : str
        "l2" or "l1".
    center, lower, upper : sequences of n rationals
        Coordinates with lower = upper are those of the centre, and left out of u.
    radius : Fraction
        No side of the box is farther from the centre than that, and some point of it is nearer.

    Attributes
    ----------
    settled : dict
        How many sets were decided in doubles and in rationals.
    """

    def __init__(self, norm: str, center: Sequence[Fraction], lower: Sequence[Fraction], upper: Sequence[Fraction], radius: Fraction) -> None:
        free = [(c, a, b) for c, a, b in zip(center, lower, upper, strict=True) if a < b]
        self.norm, self.dimension, self.radius = norm, len(free), radius
        self.least, self.most = [a - c for c, a, _ in free], [b - c for c, _, b in free]
        self._half = [(b - a) / 2 for a, b in zip(self.least, self.most, strict=True)]
        self._shift = [(a + b) / 2 for a, b in zip(self.least, self.most, strict=True)]
        # x - centre = radius w, w = stretch u + shift
        self._stretch = to_floats(h / radius for h in self._half)
        self._moved = to_floats(o / radius for o in self._shift)
        walls = [(j, 1.0) for j, a in enumerate(self.least) if a > -radius] + [(j, -1.0) for j, b in enumerate(self.most) if b < radius]
        self._walls = np.zeros((len(walls), self.dimension + 1))  # sides of the box that cut the ball
        for r, (j, sign) in enumerate(walls):
            self._walls[r, j], self._walls[r, -1] = sign, 1.0
        self._lost = 16.0 * (self.dimension + 8) * UNIT
        self._nearest = nearest_l1 if norm == "l1" else nearest_l2
        self.settled = {"in doubles": 0, "in rationals": 0}

    def facets(self) -> list[Row]:
        """The half-spaces of the l1 ball, 2^k of them, as integer forms in u."""
        assert self.norm == "l1"
        found = []
        for signs in itertools.product((1, -1), repeat=self.dimension):
            constant = self.radius - sum((s * o for s, o in zip(signs, self._shift, strict=True)), Fraction(0))
            form = [*(-s * h for s, h in zip(signs, self._half, strict=True)), constant]
            scale = math.lcm(*(v.denominator for v in form))
            found.append(tuple([int(v * scale) for v in form]))
        return found

    # ---- doubles -----------------------------------------------------------------------------------------------------
    def seen(self, rows: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Forms in u as forms in w, and bounds on their rounding where |w| <= 1; shapes (m, k + 1) and (m,)."""
        with np.errstate(all="ignore"):
            turned = rows[:, :-1] / self._stretch
            found = np.concatenate([turned, (rows[:, -1] - turned @ self._moved)[:, None]], axis=1)
            size = np.abs(turned) @ (1.0 + np.abs(self._moved)) + np.abs(rows[:, -1])
            return found, noise * (1.0 + self._lost) + self._lost * size + TINY

    def reach(self, forms: np.ndarray) -> np.ndarray:
        """How far forms in w move from their values at the centre on the closed ball, at most; shape (m,)."""
        gradient = np.abs(forms[:, :-1])
        with np.errstate(all="ignore"):
            if self.norm == "l1":
                found: np.ndarray = gradient.max(axis=1, initial=0.0)
                return found
            top = gradient.max(axis=1, initial=0.0)
            scale = np.where((top > 0) & np.isfinite(top), top, 1.0)
            longest: np.ndarray = scale * np.sqrt(((gradient / scale[:, None]) ** 2).sum(axis=1)) * (1.0 + self._lost) + TINY
        return longest

    def signs(self, rows: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which forms in u are >= 0 on the whole ball, and which are <= 0, as far as their gradients alone tell."""
        forms, doubt = self.seen(rows, noise)
        far = (self.reach(forms) + doubt) * (1.0 + self._lost)
        return forms[:, -1] >= far, -forms[:, -1] >= far

    def holds(self, point: np.ndarray) -> bool:
        """Whether a point, given in u, certainly lies in the open ball and the open box."""
        return bool(self.hold(point[None])[0])

    def hold(self, points: np.ndarray) -> np.ndarray:
        """The same for each of many points, and for whatever they were rounded from; shape (p,)."""
        w = self._stretch * points + self._moved
        far = np.abs(w).sum(axis=1) if self.norm == "l1" else np.sqrt((w * w).sum(axis=1))
        result: np.ndarray = (far < 1.0 - 2.0 * self._lost) & (np.abs(points) < 1.0).all(axis=1)
        return result

    def above(self, rows: np.ndarray, noise: np.ndarray, points: np.ndarray) -> np.ndarray:
        """By how much forms in u are certainly positive at points, negative where that is not sure; shape (m, p)."""
        with np.errstate(all="ignore"):
            value = rows[:, :-1] @ points.T + rows[:, -1:]
            doubt = np.abs(rows[:, :-1]) @ np.abs(points.T) + np.abs(rows[:, -1:])
            found: np.ndarray = value - (noise[:, None] + self._lost * doubt + TINY) * (1.0 + self._lost)
            return found

    def hold_on(self, rows: np.ndarray, noise: np.ndarray, owner: np.ndarray, points: np.ndarray, on: np.ndarray) -> np.ndarray:
        """Which points certainly show that `meets` holds for their rows and hyperplanes: the point of the hyperplane
        nearest to each does.

        Parameters
        ----------
        rows, noise : ndarray, shapes (m, k + 1) and (m,)
            Of all points, one behind the other.
        owner : ndarray of int, shape (m,)
            The point of each row.
        points : ndarray, shape (p, k)
        on : ndarray of int, shape (p,)
            Of each point, its hyperplane's row.

        Returns
        -------
        ndarray of bool, shape (p,)
        """
        with np.errstate(all="ignore"):
            at = points[owner]
            value = (rows[:, :-1] * at).sum(axis=1) + rows[:, -1]
            doubt = noise + self._lost * ((np.abs(rows[:, :-1]) * np.abs(at)).sum(axis=1) + np.abs(rows[:, -1])) + TINY
            steep = np.sqrt((rows[:, :-1] ** 2).sum(axis=1))
            length = steep[on] * (1.0 - self._lost) - noise[on]
            aside = (np.abs(value[on]) + doubt[on]) / length * (1.0 + self._lost) + TINY
            clear = value > (doubt + (steep * (1.0 + self._lost) + noise) * aside[owner]) * (1.0 + self._lost)
            clear[on] = True
            w = self._stretch * points + self._moved
            far = np.abs(w).sum(axis=1) if self.norm == "l1" else np.sqrt((w * w).sum(axis=1))
            # the box is no wider than the ball, so that w moves no farther than u
            inside = far + aside * math.sqrt(self.dimension) < 1.0 - 2.0 * self._lost
            inside &= (np.abs(points) + aside[:, None] < 1.0 - self._lost).all(axis=1) & (length > 0.0)
        result: np.ndarray = inside & (np.bincount(owner, ~clear, len(points)) == 0)
        return result

    def meets(self, rows: np.ndarray, noise: np.ndarray, exact: Callable[[], Sequence[Row]], on: int | None = None) -> Meeting:
        """Whether some point of the open ball has all rows > 0; with `on`, the row `on` = 0 and the others > 0.

        Parameters
        ----------
        rows : ndarray, shape (m, k + 1)
            Forms in u.
        noise : ndarray, shape (m,)
            By how much they may be wrong anywhere in the box.
        exact : callable
            The same rows in integers, up to a positive factor of each.
        """
        checkpoint()
        found = self._in_doubles(rows, noise, on)
        if found is not None:
            self.settled["in doubles"] += 1
            return found
        self.settled["in rationals"] += 1
        return self._in_rationals(exact(), on)

    def _in_doubles(self, rows: np.ndarray, noise: np.ndarray, on: int | None) -> Meeting | None:
        forms, doubt = self.seen(np.concatenate([rows, self._walls]), np.concatenate([noise, np.zeros(len(self._walls))]))
        length = np.sqrt((forms[:, :-1] ** 2).sum(axis=1))
        if not (np.isfinite(forms).all() and (length > TINY**0.5).all()):
            return None
        plain, margin = forms / length[:, None], np.ones(len(forms))
        if on is not None:  # the row holds with equality: its negative, too
            forms, plain = (np.concatenate([one, -other]) for one, other in ((forms, forms[on : on + 1]), (plain, plain[on : on + 1])))
            doubt = np.append(doubt, doubt[on])
            length, margin = np.append(length, length[on]), np.append(margin, 0.0)
            margin[on] = 0.0
        proposal = self._nearest(plain)
        if proposal is None:
            return None
        w, multipliers = proposal
        if w is None or self._size(w) > 1.0 - 1e-9:
            return OUTSIDE if self._negative(forms, doubt, multipliers / length) else None
        # how much the distance grows with a margin is what the multipliers say
        room = (1.0 - self._size(w) ** 2) / (4.0 * max(float(multipliers @ margin), 1e-3))
        step = min(WIDEST, room)
        for _ in range(TRIES):
            shifted = plain.copy()
            shifted[:, -1] -= step * margin
            inner = self._nearest(shifted)
            if inner is not None and inner.point is not None:
                point = (inner.point - self._moved) / self._stretch
                if self._witness(rows, noise, point, on):
                    return Meeting(True, point, True)
            step /= FEWER
        return None

    def _size(self, w: np.ndarray) -> float:
        return float(np.abs(w).sum() if self.norm == "l1" else np.linalg.norm(w))

    def _negative(self, forms: np.ndarray, doubt: np.ndarray, multipliers: np.ndarray) -> bool:
        """Whether rows in w, with multipliers >= 0, certainly add up to a form that is negative on the ball."""
        y = np.maximum(multipliers, 0.0)
        with np.errstate(all="ignore"):
            total = y @ forms
            lost = 8.0 * (len(forms) + 8) * UNIT * float(y @ np.abs(forms).sum(axis=1)) + float(y @ doubt)
            reach = float(self.reach(total[None])[0])
            return bool(total[-1] + (reach + lost + TINY) * (1.0 + self._lost) < 0.0)

    def _witness(self, rows: np.ndarray, noise: np.ndarray, point: np.ndarray, on: int | None) -> bool:
        """Whether a point certainly is what is looked for; with `on`, the point of that hyperplane nearest to it."""
        if on is not None:
            return bool(self.hold_on(rows, noise, np.zeros(len(rows), dtype=np.int64), point[None], np.array([on]))[0])
        return self.holds(point) and bool((self.above(rows, noise, point[None]) > 0.0).all())

    def combination(self, rows: np.ndarray, on: int | None = None) -> tuple[np.ndarray, float] | None:
        """Multipliers of rows, and of what is positive in the ball, that may combine to what is nowhere positive on the
        box; None if there seem to be none. With `on`, that row's may be negative.
        """
        forms, _ = self.seen(np.concatenate([rows, self._walls]), np.zeros(len(rows) + len(self._walls)))
        if on is not None:
            forms = np.concatenate([forms, -forms[on : on + 1]])
        length = np.sqrt((forms[:, :-1] ** 2).sum(axis=1))
        if not (np.isfinite(forms).all() and (length > TINY**0.5).all()):
            return None
        proposal = self._nearest(forms / length[:, None])
        if proposal is None or (proposal.point is not None and self._size(proposal.point) <= 1.0):
            return None
        y = np.maximum(proposal.multipliers, 0.0) / length
        reach = float(self.reach((y @ forms)[None])[0])
        found = y[: len(rows)].copy()
        if on is not None:
            found[on] -= y[-1]
        return found, reach / float(self.radius) ** (2 if self.norm == "l2" else 1)

    # ---- rationals ---------------------------------------------------------------------------------------------------
    def worst(self, row: Sequence[int], scale: int, share: int) -> Fraction:
        """The least value on the box of a form, given times a scale, less `share` times what is positive in the ball:
        where that is >= 0, so is the form in the ball.
        """
        total = Fraction(row[-1], scale) - (share * self.radius**2 / 2 if self.norm == "l2" else share * self.radius)
        for a, h, o, p, q in zip(row, self._half, self._shift, self.least, self.most, strict=False):
            slope = a / (h * scale)
            nearest = Fraction(0) if not share else -slope / share if self.norm == "l2" else Fraction(0)
            ends = [min(max(nearest, p), q)] if share and self.norm == "l2" else [p, q, min(max(nearest, p), q)]
            total += min(slope * (v - o) + share * (v * v / 2 if self.norm == "l2" else abs(v)) for v in ends)
        return total

    def contains(self, point: Sequence[Fraction]) -> bool:
        """Whether a rational point, given in u, lies in the open ball and the open box."""
        far = self.radius**2 / 2 if self.norm == "l2" else self.radius
        return all(-1 < v < 1 for v in point) and self._far([h * t + o for h, t, o in zip(self._half, point, self._shift, strict=True)]) < far

    def exactly(self, rows: Sequence[Row], on: int | None = None) -> Settled:
        """As `meets`, in rationals, with what shows it: of integer rows. With `on`, a set that is empty without the
        ball has no multipliers.
        """
        inner = self._interior(rows, on)
        if not isinstance(inner, tuple):
            return Settled(None, inner, Fraction(0))
        forms = [self._from_center(row) for row in rows]
        if on is not None:
            forms.append([-v for v in forms[on]])
        far = self.radius**2 / 2 if self.norm == "l2" else self.radius
        near = nearest_point(self.norm, forms, self.least, self.most, far if self.norm == "l2" else None)
        if not isinstance(near, ExactMinimum) or near.value >= far:
            found = dict(near.multipliers)
            back = found.pop(len(rows), Fraction(0))
            if on is not None:
                found[on] = found.get(on, Fraction(0)) - back
            return Settled(None, found, Fraction(1))
        goal, share = [h * t + o for h, t, o in zip(self._half, inner, self._shift, strict=True)], Fraction(1)
        while True:  # of the segment from an inner point to the nearest one all but the end is inside
            point = [p + share * (q - p) for p, q in zip(near.point, goal, strict=True)]
            if self._far(point) < far:
                break
            share /= 2
        return Settled(tuple((v - o) / h for v, o, h in zip(point, self._shift, self._half, strict=True)), {}, Fraction(0))

    def _in_rationals(self, rows: Sequence[Row], on: int | None) -> Meeting:
        unit = self.exactly(rows, on).point
        if unit is None:
            return OUTSIDE
        rounded = to_floats(unit)
        back = [Fraction(v) for v in rounded.tolist()]
        proved = on is None and self.contains(back) and all(_value(row, back) > 0 for row in rows)
        return Meeting(True, rounded, proved)

    def _interior(self, rows: Sequence[Row], on: int | None) -> tuple[Fraction, ...] | dict[int, Fraction]:
        """A point of the open box, in u, with all rows > 0, or on the hyperplane of one and all others > 0; or, if
        there is none, multipliers of rows that show it, or nothing on a hyperplane.
        """
        if any(not any(row) for row in rows):
            return {}
        if on is None:
            return strictly_inside(rows, self.dimension)
        plane = rows[on]
        pivot = max(range(self.dimension), key=lambda j: abs(plane[j]))
        if not plane[pivot]:
            return {}
        size, sign = abs(plane[pivot]), 1 if plane[pivot] > 0 else -1
        walls = [(*(s * (j == pivot) for j in range(self.dimension)), 1) for s in (1, -1)]
        left = []
        for row in [*(row for r, row in enumerate(rows) if r != on), *walls]:
            reduced = tuple([v * size - sign * row[pivot] * p for j, (v, p) in enumerate(zip(row, plane, strict=True)) if j != pivot])
            if not any(reduced):
                return {}  # it vanishes on the hyperplane
            left.append(reduced)
        if self.dimension == 1:
            rest: tuple[Fraction, ...] = ()
            if any(row[-1] <= 0 for row in left):
                return {}
        else:
            found = strictly_inside(left, self.dimension - 1)
            if not isinstance(found, tuple):
                return {}
            rest = found
        value = _value([v for j, v in enumerate(plane) if j != pivot], rest)
        return (*rest[:pivot], -value / plane[pivot], *rest[pivot:])

    def _from_center(self, row: Row) -> list[Fraction]:
        """An integer form in u as one in x - centre."""
        turned = [a / h for a, h in zip(row, self._half, strict=False)]
        return [*turned, row[-1] - sum((a * o for a, o in zip(turned, self._shift, strict=True)), Fraction(0))]

    def _far(self, point: Sequence[Fraction]) -> Fraction:
        return sum((v * v for v in point), Fraction(0)) / 2 if self.norm == "l2" else sum(map(abs, point), Fraction(0))


def _value(row: Sequence[int], point: Sequence[Fraction]) -> Fraction:
    return sum((a * x for a, x in zip(row, point, strict=False) if a), Fraction(row[-1]))
