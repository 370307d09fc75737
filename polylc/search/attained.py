"""Gradients that regions have: found at points in doubles, confirmed in rationals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from polylc.bounds.restriction import Restriction
from polylc.bounds.tables import Rows
from polylc.domains.box import Neighbourhood
from polylc.exact.checkpoint import checkpoint
from polylc.exact.enclose import enclose
from polylc.network.exact import ExactNetwork
from polylc.network.exact_forms import ExactForms
from polylc.network.exact_slopes import gradient_ends
from polylc.network.form import Network
from polylc.network.weights import at_points, before
from polylc.search.gradient_goals import Goal, Norm, Target

Array = np.ndarray
Point = tuple[Fraction, ...]
INSIDE = 2.0**-20  # points of the boundary are moved inward by as much of the way to the middle
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
        self.forms = ExactForms(network, domain.lower, domain.upper)
        self.fixed = np.ones(network.inputs, dtype=bool)
        self.fixed[domain.free] = False
        self._seen: set[tuple[bytes, Target, str]] = set()

    def gradients(self, points: Array, rows: Rows) -> Array:
        """Gradients at points, in doubles, of one row for each; shapes (points, inputs)."""
        slopes, values = [], [points]
        for layer, units in enumerate(self.tables.units):
            affine = self.tables.affines[layer]
            z = affine.bias + sum(at_points(values[s], w) for s, w in affine.terms)
            slopes.append(np.where(z > 0, units.positive, units.negative))
            values.append(slopes[-1] * z)
        pending: Rows = list(rows)
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

    def offer(self, points: Array, goals: Sequence[Goal], rows: Rows) -> None:
        """Take what points have that is larger than what is known; point p is for goal p."""
        gradient = self.gradients(points, rows)
        values = np.zeros(len(points))
        for norm in {g.norm.name: g.norm for g in goals}.values():
            mine = np.array([g.norm is norm for g in goals])
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
        return tuple(found)

    def take(self, goal: Goal, point: Point) -> None:
        """Keep the value at a point if it is inside a region of full dimension, and larger than what is known."""
        checkpoint()
        bits = self.region_of(point)
        if bits is None:
            return
        key = (np.packbits(bits).tobytes(), goal.target, goal.norm.name)
        if key in self._seen:
            return
        self._seen.add(key)
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
