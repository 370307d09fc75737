"""Gradients that regions have: found at points in doubles, confirmed in rationals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from polylc.bounds.ball import Ball
from polylc.bounds.restriction import Restriction
from polylc.domains.ball import within
from polylc.domains.box import Neighbourhood
from polylc.exact.checkpoint import checkpoint
from polylc.exact.embedding import BoxEmbedding
from polylc.exact.enclose import enclose
from polylc.network.exact import ExactNetwork
from polylc.network.exact_forms import ExactForms
from polylc.network.exact_slopes import gradient_ends
from polylc.network.form import Network
from polylc.network.weights import at_points, before
from polylc.search.gradient_goals import Goal, Norm, Target, stacked

Array = np.ndarray
Point = tuple[Fraction, ...]
INWARD = (1 - Fraction(1, 2**20), 1 - Fraction(1, 2**10), Fraction(3, 4), Fraction(1, 4))  # shares by which points are drawn into a ball
INSIDE = 2.0**-20  # points of the boundary are moved inward by as much of the way to the middle
SAMPLES, ROUNDS, SEEDS, NEAR_BY = 2048, 4, 8, 512  # points; rounds near the best so many, with so many points each
NARROWER = 0.5  # how much nearer they are in each round
TAKEN = 3  # points of each answer that are confirmed
CLEARLY = 1 + 1e-13  # times a value known, from which another one is worth confirming


@dataclass
class Attained:
    """The largest value known, and a point of a region that has it.

    Attributes
    ----------
    value : Fraction
        The norm of the gradient, or its square; 0 at first.
    floor : float
        The largest double that is not larger.
    point : tuple of Fraction or None
        Strictly inside a region of full dimension, and inside the neighbourhood.
    target : Target or None
    """

    value: Fraction = Fraction(0)
    floor: float = 0.0
    point: Point | None = None
    target: Target | None = None


class Record:
    """The largest values known of several answers.

    Parameters
    ----------
    network : Network
    tables : Restriction
    domain : Neighbourhood
    answers : int
    """

    def __init__(self, network: Network, tables: Restriction, domain: Neighbourhood, answers: int) -> None:
        self.network, self.tables, self.domain = network, tables, domain
        self.best = [Attained() for _ in range(answers)]
        self.exact = ExactNetwork(network)
        self.forms = ExactForms(network, BoxEmbedding(domain.lower, domain.upper))
        self.within = within(domain)
        self.ball = None if self.within is None else Ball.of(self.within)
        self.fixed = np.ones(network.inputs, dtype=bool)
        self.fixed[domain.free] = False
        self._rows: dict[Target, list[Array | None]] = {}
        self.seen: set[tuple[bytes, Target, str]] = set()

    def gradients(self, points: Array, targets: Sequence[Target]) -> Array:
        """Gradients at points, in doubles, of one target for each; shapes (points, inputs)."""
        slopes, values = [], [points]
        for layer, units in enumerate(self.tables.units):
            affine = self.tables.affines[layer]
            z = affine.bias + sum(at_points(values[s], w) for s, w in affine.terms)
            slopes.append(np.where(z > 0, units.positive, units.negative))
            values.append(slopes[-1] * z)
        for target in set(targets) - self._rows.keys():
            self._rows[target] = self.tables.combined(target.outputs)[0]
        pending = stacked([self._rows[target] for target in targets])
        for layer in range(self.tables.depth - 1, -1, -1):
            v = pending[layer + 1]
            if v is None:
                continue
            for source, weight in self.tables.affines[layer].terms:
                part = before(v * slopes[layer], weight)
                there = pending[source]
                pending[source] = part if there is None else there + part
        found = pending[0]
        gradient: Array = np.zeros(points.shape) if found is None else found.copy()
        gradient[:, self.fixed] = 0.0
        return gradient

    def look(self, goals: Sequence[Goal], low: Array, high: Array, rng: np.random.Generator) -> None:
        """Take what points of a box have: spread over all of it, and then near the best of them."""
        middle, half = (low + high) / 2, (high - low) / 2
        spread = middle + half * rng.uniform(-1.0, 1.0, (SAMPLES, len(low)))
        spread[::2] = middle + half * rng.choice([-1.0, 1.0], (SAMPLES // 2, len(low))) * rng.random((SAMPLES // 2, 1)) ** 0.2
        spread[0] = middle
        if self.ball is not None:
            spread = self.ball.pulled(spread)
        found: dict[int, list[tuple[float, Goal, Array]]] = {}
        for target in {g.target: None for g in goals}:
            mine = [g for g in goals if g.target == target]
            points, step = spread, 1.0
            for _ in range(ROUNDS):
                checkpoint()
                gradient = self.gradients(points, [target] * len(points))
                best = []
                for goal in mine:
                    values = goal.norm.of(gradient)
                    order = np.argsort(-values, kind="stable")[:SEEDS]
                    found.setdefault(goal.answer, []).append((float(values[order[0]]), goal, points[order[0]]))
                    best.append(points[order])
                step *= NARROWER
                seeds = np.concatenate(best)
                moved = np.repeat(seeds, max(1, NEAR_BY // len(seeds)), axis=0)
                near = np.clip(moved + step * half * rng.uniform(-1.0, 1.0, moved.shape), low, high)
                points = np.concatenate([seeds, near if self.ball is None else self.ball.pulled(near)])
        for some in found.values():
            for value, goal, point in sorted(some, key=lambda one: -one[0])[:TAKEN]:
                if self.best[goal.answer].point is None or value > self.best[goal.answer].floor:
                    self.take(goal, self.inside(point))

    def learn(self, goals: Sequence[Goal], points: Array) -> None:
        """Take the best of some points for every goal."""
        for goal in goals:
            checkpoint()
            values = goal.norm.of(self.gradients(points, [goal.target] * len(points)))
            at = int(np.argmax(values))
            if values[at] > self.best[goal.answer].floor:
                self.take(goal, self.inside(points[at]))

    def offer(self, points: Array, goals: Sequence[Goal]) -> None:
        """Take what points have that is larger than what is known; point p is for goal p."""
        gradient = self.gradients(points, [g.target for g in goals])
        values = np.zeros(len(points))
        for norm in {g.norm.name: g.norm for g in goals}.values():
            mine = np.array([g.norm == norm for g in goals])
            values[mine] = norm.of(gradient[mine])
        for at in np.argsort(-values, kind="stable").tolist():
            goal = goals[at]
            if values[at] > self.best[goal.answer].floor * CLEARLY:
                self.take(goal, self.inside(points[at]))

    def inside(self, point: Array) -> Point:
        """A point moved into the open neighbourhood."""
        found = []
        for x, a, b in zip(point.tolist(), self.domain.lower, self.domain.upper, strict=True):
            near = min(max(Fraction(x), a), b)
            found.append(near if a < near < b or a == b else near + ((a + b) / 2 - near) * Fraction(INSIDE))
        if self.within is None or self.within.contains(found):
            return tuple(found)
        for share in INWARD:
            moved = tuple(h + share * (x - h) for x, h in zip(found, self._heart, strict=True))
            if self.within.contains(moved):
                return moved
        return self._heart

    @cached_property
    def _heart(self) -> Point:
        """A point inside the box and the ball."""
        assert self.within is not None
        ends = list(zip(self.within.center, self.domain.lower, self.domain.upper, strict=True))
        near, share = [min(max(c, a), b) for c, a, b in ends], Fraction(INSIDE)
        while True:
            found = tuple(q + share * ((a + b) / 2 - q) for q, (_, a, b) in zip(near, ends, strict=True))
            if self.within.contains(found):
                return found
            share /= 2

    def take(self, goal: Goal, point: Point) -> None:
        """Keep the value at a point if it is inside a region of full dimension, and larger than what is known."""
        checkpoint()
        bits = self.region_of(point)
        if bits is None:
            return
        key = (np.packbits(bits).tobytes(), goal.target, goal.norm.name)
        if key in self.seen:
            return
        self.seen.add(key)
        value = self.value(goal.target, goal.norm, bits)
        best = self.best[goal.answer]
        if best.point is None or value > best.value:
            self.best[goal.answer] = Attained(value, max(enclose(value)[0], 0.0), point, goal.target)

    def region_of(self, point: Point) -> Array | None:
        """The pattern of the region around a point, exactly; None if it is on the boundary of several."""
        values = [v for layer in self.exact.preactivations(point)[:-1] for v in layer]
        bits = np.array([v > 0 for v in values], dtype=bool)
        on = [i for i, v in enumerate(values) if v == 0]
        if on and any(any(form) for form in self.forms.neurons(on, bits)):
            return None
        return bits

    def value(self, target: Target, norm: Norm, bits: Array, free: Array | None = None) -> Fraction:
        """The value on a region, exactly; the largest possible one if some neurons may have either slope."""
        ends = gradient_ends(self.network, target.outputs, bits, np.zeros(len(bits), dtype=bool) if free is None else free)
        ends.low[self.fixed] = ends.high[self.fixed] = 0
        return norm.most(ends)
