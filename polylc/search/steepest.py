"""The largest norm of a gradient on a box, without a list of all regions: cells bounded from above, and split.

A cell on which gradients of full-dimensional regions cannot exceed the largest one known is closed. Others are split by
a neuron (in few dimensions boxes are cut first), the one with the largest bound first, so that what is proved comes
down all the time. Where no neuron that matters is open the gradient is known, in integers, and an exact program says
whether the cell has an interior.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from polylc.bounds.backward import Cells, backward, forward
from polylc.bounds.gradients import FEW, Masks, Spread, derivatives, enclosed, spread, tied, ties
from polylc.bounds.hidden import intervals, refine
from polylc.bounds.relaxation import Lines, largest_outputs
from polylc.bounds.restriction import Restriction
from polylc.bounds.sharpen import sharpen
from polylc.bounds.tables import Rows, tables
from polylc.domains.alternatives import outward
from polylc.domains.box import Neighbourhood
from polylc.exact.checkpoint import checkpoint
from polylc.geometry.exact_program import minimise_exactly
from polylc.exact.simplex import Infeasible
from polylc.exact.unit_box import reach
from polylc.network.exact_forms import ExactForms
from polylc.network.form import Network
from polylc.network.restricted import restricted
from polylc.network.twins import twins
from polylc.search.attained import Point, Record
from polylc.search.gradient_goals import Goal, stacked

Array = np.ndarray
Watch = Callable[[dict[str, float]], None]
FEW_INPUTS = 16  # free inputs up to which boxes are cut
FEW_OPEN = 3  # open neurons up to which neurons are split there
BATCH = 64
STEPS, ROOT_STEPS, TRIAL_STEPS = 6, 30, 2
TRIED = 6  # neurons that are tried at a split
NEARLY = 1 + 1e-9  # times the value known: cells that exceed it by no more are looked at in integers
SAMPLES = 2048
UNKNOWN = 2.0**200


@dataclass
class Choice:
    """Numbers that make bounds, by row and neuron: shares and links (`bounds.gradients`), slopes of lower lines,
    multipliers of half-spaces.
    """

    shares: Array
    links: Array
    slopes: Array
    betas: Array

    def rows(self, which: Array) -> Choice:
        """Some rows."""
        return Choice(self.shares[which], self.links[which], self.slopes[which], self.betas[which])

    def put(self, which: Array, other: Choice) -> None:
        """Replace some rows."""
        self.shares[which], self.links[which] = other.shares, other.links
        self.slopes[which], self.betas[which] = other.slopes, other.betas

    @classmethod
    def stacked(cls, parts: Sequence[Choice]) -> Choice:
        """Single rows as a batch."""
        return cls(*(np.stack([getattr(part, name) for part in parts]).astype(float) for name in ("shares", "links", "slopes", "betas")))

    def row(self, r: int) -> Choice:
        """One row, to be kept."""
        return Choice(*(v[r].astype(np.float32) for v in (self.shares, self.links, self.slopes, self.betas)))


@dataclass
class Cell:
    """A part of the box, cut by neurons perhaps.

    Attributes
    ----------
    goal : Goal
    low, high : ndarray, shape (inputs,)
    lows, highs : ndarray, shape (neurons,)
        Ends of pre-activations, proved.
    signs : ndarray of int8, shape (neurons,)
        Sides of neurons that were split.
    path : tuple of int
        Those neurons.
    bound : float
        Values on the cell are at most this.
    choice : Choice or None
    first : int
        Layer from which ends are worth bounding anew.
    """

    goal: Goal
    low: Array
    high: Array
    lows: Array
    highs: Array
    signs: Array
    path: tuple[int, ...]
    bound: float = np.inf
    choice: Choice | None = None
    first: int = 0


@dataclass
class Bounds:
    """What bounds are made of, for a batch of cells.

    Attributes
    ----------
    value : ndarray, shape (rows,)
        Values on the cells are certainly at most this.
    choice : Choice
    point : ndarray, shape (rows, inputs)
        Where the bound is attained in the relaxation.
    gaps : ndarray, shape (rows, neurons)
        By how much the bound suffers from each open neuron, at that point.
    """

    value: Array
    choice: Choice
    point: Array
    gaps: Array


class Steepest:
    """Trees of several goals, in one queue.

    Parameters
    ----------
    network : Network
    domain : Neighbourhood
    goals : sequence of Goal
    answers : int
        How many largest values the goals are of.
    watch : callable, optional
        Told counts now and then.
    """

    def __init__(self, network: Network, domain: Neighbourhood, goals: Sequence[Goal], answers: int, watch: Watch | None = None) -> None:
        self.network, self.domain, self.goals, self.watch = network, domain, goals, watch
        self.low, self.high = outward(domain.lower, domain.upper)
        self.free = np.zeros(network.inputs)
        self.free[domain.free] = 1.0
        self.by_box = domain.dimension <= FEW_INPUTS
        self._set_up()
        self.record = Record(network, self.tables, domain, answers)
        self.counts: dict[str, float] = {"cells": 0, "leaves": 0, "programs": 0, "closed": 0}
        self.queue: list[tuple[float, int, Cell]] = []
        self._put = 0
        self.rng = np.random.default_rng(0)

    # ---- the whole ------------------------------------------------------------------------------------------------
    def _set_up(self) -> None:
        """Ends of all neurons on the whole box, and the network of those whose signs are open there."""
        every, box = tables(self.network), np.maximum(np.abs(self.low), np.abs(self.high))
        sizes = every.magnitudes(largest_outputs(every, *intervals(every, self.low, self.high), box))
        lows, highs = np.full((1, every.neurons), -UNKNOWN), np.full((1, every.neurons), UNKNOWN)
        refine(every, lows, highs, Cells(self.low[None], self.high[None]), sizes)
        if not self.by_box:
            sharpen(every, lows[0], highs[0], self.low, self.high, sizes)
        self.bits = highs[0] > 0
        free = (lows[0] < 0) & self.bits
        self.tables = Restriction(self.network, restricted(self.network, free, self.bits))
        self.numbers = self.tables.numbers
        self.lows, self.highs = lows[0, self.numbers], highs[0, self.numbers]
        self.sizes = self.tables.magnitudes(largest_outputs(self.tables, self.lows, self.highs, box))
        self.rows, self.row_sizes = {}, {}
        for target in {goal.target for goal in self.goals}:
            self.rows[target], self.row_sizes[target] = self.tables.combined(target.outputs)
        place = {int(i): k for k, i in enumerate(self.numbers)}
        groups = twins(self.network)
        self.group: list[list[tuple[int, int]]] = [[] for _ in place]  # neurons that are multiples of one, with the sign of the factor
        for i, k in place.items():
            leader = int(groups.leader[i])
            for j in (leader, *groups.mate[groups.begin[leader] : groups.begin[leader + 1]].tolist()):
                if j in place:
                    self.group[k].append((place[j], 1 if (groups.ratio[i] > 0) == (groups.ratio[j] > 0) else -1))

    def start(self) -> None:
        """Look at points, and begin with the whole box."""
        self._look()
        signs = np.zeros(self.tables.neurons, dtype=np.int8)
        self._push([Cell(goal, self.low, self.high, self.lows, self.highs, signs, (), first=self.tables.depth) for goal in self.goals])

    def run(self) -> None:
        """Go on until all goals are closed.

        Raises
        ------
        LimitReached
            If the time is over; `upper` then says what is proved.
        """
        while self.queue:
            checkpoint()
            batch = self._take()
            if not batch:
                continue
            try:
                self._push(self._treat(batch))
            except BaseException:
                self._push(batch)  # nothing is lost
                raise
            if self.watch is not None:
                self.watch({**self.counts, "open": len(self.queue)})

    def upper(self, answer: int) -> float:
        """No value is larger than this and what is attained."""
        return max((cell.bound for _, _, cell in self.queue if cell.goal.answer == answer), default=0.0)

    def _push(self, cells: Sequence[Cell]) -> None:
        for cell in cells:
            self._put += 1
            over = cell.bound / max(self.record.best[cell.goal.answer].floor, 1e-300)
            heapq.heappush(self.queue, (-over ** (1 / cell.goal.norm.power), self._put, cell))

    def _take(self) -> list[Cell]:
        batch: list[Cell] = []
        while self.queue and len(batch) < BATCH:
            cell = heapq.heappop(self.queue)[2]
            if self._known(cell):
                self.counts["closed"] += 1
            else:
                batch.append(cell)
        return batch

    def _floor(self, cells: Sequence[Cell]) -> Array:
        return np.array([self.record.best[c.goal.answer].floor for c in cells])

    def _known(self, cell: Cell) -> bool:
        return cell.bound <= self.record.best[cell.goal.answer].floor

    # ---- points ----------------------------------------------------------------------------------------------------
    def _look(self) -> None:
        """Gradients at points of all of the box, and near the best of them."""
        n = self.network.inputs
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        many = SAMPLES
        points = middle + half * self.rng.choice([-1.0, 1.0], (many, n)) * self.rng.random((many, 1)) ** 0.2
        points[0] = middle
        points[1::2] = middle + half * self.rng.uniform(-1, 1, (len(points[1::2]), n))
        asked = list({(g.target, g.norm.name, g.answer): g for g in self.goals}.values())
        targets = {g.target for g in asked}
        every: dict[object, list[tuple[float, Goal, Array]]] = {}
        for target in targets:
            checkpoint()
            here, spread_ = points, 1.0
            mine = [g for g in asked if g.target == target]
            rows = self.rows[target]
            for _ in range(6):
                gradient = self.record.gradients(here, [None if r is None else np.repeat(r[None], len(here), axis=0) for r in rows])
                best = []
                for goal in mine:
                    values = goal.norm.of(gradient)
                    order = np.argsort(-values, kind="stable")[:8]
                    every.setdefault(goal.answer, []).append((float(values[order[0]]), goal, here[order[0]]))
                    best.append(here[order])
                spread_ *= 0.5
                seeds = np.concatenate(best)
                moved = np.repeat(seeds, max(1, 256 // len(seeds)), axis=0)
                here = np.clip(moved + spread_ * half * self.rng.uniform(-1, 1, moved.shape), self.low, self.high)
        for found in every.values():
            for value, goal, point in sorted(found, key=lambda f: -f[0])[:3]:
                if value > self.record.best[goal.answer].floor:
                    self.record.take(goal, self.record.inside(point))

    # ---- one batch ---------------------------------------------------------------------------------------------------
    def _treat(self, batch: list[Cell]) -> list[Cell]:
        """What is left of some cells: parts of them."""
        self.counts["cells"] += len(batch)
        self._bring_nearer(batch)
        batch = [cell for cell in batch if not (cell.lows > cell.highs).any()]
        if not batch:
            return []
        root = any(cell.choice is None for cell in batch)
        found = self.bound(batch, [c.choice for c in batch], ROOT_STEPS if root else STEPS)
        goals = [c.goal for c in batch]
        self.record.offer(found.point, goals, stacked([self.rows[g.target] for g in goals]))
        left: list[int] = []
        for r, cell in enumerate(batch):
            cell.bound, cell.choice = min(cell.bound, float(found.value[r])), found.choice.row(r)
            if self._known(cell):
                self.counts["closed"] += 1
            else:
                left.append(r)
        return self._divide(batch, left, found)

    def _bring_nearer(self, batch: list[Cell]) -> None:
        """Ends of neurons of the layers behind what was cut last."""
        for first in sorted({cell.first for cell in batch}):
            if first >= self.tables.depth:
                continue
            some = [cell for cell in batch if cell.first == first]
            lows, highs = np.stack([c.lows for c in some]), np.stack([c.highs for c in some])
            refine(self.tables, lows, highs, Cells(np.stack([c.low for c in some]), np.stack([c.high for c in some])), self.sizes, first)
            for k, cell in enumerate(some):
                cell.lows, cell.highs, cell.first = lows[k], highs[k], self.tables.depth

    def bound(self, cells: Sequence[Cell], starts: Sequence[Choice | None], steps: int) -> Bounds:
        """Bounds of the values on cells, with numbers that become better in so many steps."""
        tables_, many = self.tables, len(cells)
        lows, highs = np.stack([c.lows for c in cells]), np.stack([c.highs for c in cells])
        signs = np.stack([c.signs for c in cells]).astype(float)
        rows, row_sizes = self._rows(cells)
        masks = Masks.of(tables_, lows, highs)
        box = Cells(np.stack([c.low for c in cells]), np.stack([c.high for c in cells]))
        aim = self._floor(cells)
        low, high = enclosed(tables_, rows, row_sizes, masks)
        direction, above, value = np.zeros_like(low), np.zeros(many), np.zeros(many)
        low, high = low * self.free, high * self.free
        for norm in {c.goal.norm.name: c.goal.norm for c in cells}.values():
            mine = np.array([c.goal.norm is norm for c in cells])
            direction[mine], above[mine], value[mine] = norm.chords(low[mine], high[mine])
        for r, cell in enumerate(cells):
            if cell.goal.entry is not None:
                k, s = cell.goal.entry, cell.goal.sign
                direction[r], value[r] = 0.0, max(high[r, k] if s > 0 else -low[r, k], 0.0)
                direction[r, k] = s
        direction *= self.free
        t, largest = spread(tables_, direction, masks)
        lines = Lines.of(lows, highs)
        choice = self._begin(starts, masks, t, lines)
        best = Bounds(np.where(np.isnan(value), np.inf, value), choice.rows(np.arange(many)), (box.low + box.high) / 2, np.zeros_like(lows))
        live = np.flatnonzero(best.value > aim)
        now = choice.rows(live)
        for step in range(steps):
            if not len(live):
                break
            some = _Some(
                [None if v is None else v[live] for v in rows],
                [None if v is None else v[live] for v in row_sizes],
                masks.rows(live),
                t.rows(live),
                [v[live] for v in largest],
                direction[live],
                above[live],
                lines.of_cells(live),
                Cells(box.low[live], box.high[live]),
                lows[live],
                highs[live],
                signs[live],
            )
            last = step == steps - 1
            found, moved = self._pass(some, now, aim[live], not last)
            at = live[found.value < best.value[live]]
            here = found.value < best.value[live]
            best.value[at], best.point[live], best.gaps[live] = found.value[here], found.point, found.gaps
            best.choice.put(at, found.choice.rows(here))
            going = best.value[live] > aim[live]
            live, now = live[going], moved.rows(going)
        return best

    def _rows(self, cells: Sequence[Cell]) -> tuple[Rows, Rows]:
        return stacked([self.rows[c.goal.target] for c in cells]), stacked([self.row_sizes[c.goal.target] for c in cells])

    def _begin(self, starts: Sequence[Choice | None], masks: Masks, t: Spread, lines: Lines) -> Choice:
        width = np.where(t.high > t.low, t.high - t.low, 1.0)
        chord = np.clip(np.where(t.low >= 0, 1.0, np.where(t.high <= 0, 0.0, t.high / width)), 0.0, 1.0)
        fresh = Choice(chord, np.ones_like(chord), lines.rule.copy(), np.zeros_like(chord))
        for r, start in enumerate(starts):
            if start is not None:
                fresh.shares[r], fresh.links[r], fresh.betas[r] = start.shares, start.links, start.betas
                fresh.slopes[r] = np.where(lines.open[r], start.slopes, lines.rule[r])
        return fresh

    def _pass(self, some: _Some, now: Choice, aim: Array, move: bool) -> tuple[Bounds, Choice]:
        """One bound, and better numbers."""
        tables_ = self.tables
        bound = tied(tables_, some.rows, some.row_sizes, some.direction, some.masks, some.t, some.largest, now.shares)
        tie = ties(bound, some.lows, some.highs, now.links)
        pulls = tie + some.signs * now.betas
        nothing: Rows = [None, *(np.zeros((len(aim), w)) for w in tables_.network.widths)]
        values = backward(
            tables_, nothing, np.zeros(len(aim)), tables_.depth, some.lines, some.cells, self.sizes, now.slopes, pulls, keep=True
        )
        parts = [some.above, bound.constant, bound.error, -values.value, values.error]
        value = np.sum(parts, axis=0) + FEW * np.sum(np.abs(parts), axis=0)
        value = np.where(np.isnan(value), np.inf, value)
        z, _ = forward(tables_, values.point, values.coefficients, some.lines, now.slopes)
        q = bound.q
        ends = np.where(q > 0, -some.lows, some.highs)
        ratio = np.where(q != 0, z / np.where(q != 0, ends, 1.0), 0.0)
        decided = np.where(q > 0, 1.0, 0.0) + now.links * ratio
        y = derivatives(tables_, bound, some.direction, some.masks, some.t, now.shares, decided)
        turn = np.where(bound.jumps > 0, 1.0, -1.0)
        low, high = np.where(turn > 0, some.t.low, -some.t.high), np.where(turn > 0, some.t.high, -some.t.low)
        steep, y = np.abs(bound.jumps), turn * y
        gaps = steep * (now.shares * (y - low) + bound.level * decided - np.where(z > 0, y, 0.0))
        gaps = np.where(some.masks.open, np.maximum(gaps, 0.0), 0.0)
        value_gaps, slope_gradient = np.zeros_like(gaps), np.zeros_like(gaps)
        for layer, span in enumerate(tables_.span):
            v = values.coefficients[layer]
            if v is None:
                continue
            jump, here = v * tables_.units[layer].jump, z[:, span]
            unit = np.maximum(here, 0.0)
            upper = some.lines.chord[:, span] * here + some.lines.above[:, span]
            miss = np.where(jump > 0, jump * (unit - now.slopes[:, span] * here), -jump * (upper - unit))
            free = some.lines.open[:, span]
            value_gaps[:, span] = np.where(free, np.maximum(miss, 0.0), 0.0)
            slope_gradient[:, span] = np.where(free & (jump > 0), -jump * here, 0.0)
        found = Bounds(value, now, values.point, gaps + value_gaps)
        if not move:
            return found, now
        gradients = Choice(
            np.where(some.masks.open, steep * (y - low + (low - high) * decided), 0.0),
            q * ratio,
            slope_gradient,
            some.signs * z,
        )
        return found, _step(now, gradients, value, aim, some, steep)

    # ---- what is left -------------------------------------------------------------------------------------------------
    def _divide(self, batch: list[Cell], left: list[int], found: Bounds) -> list[Cell]:
        children: list[Cell] = []
        trials: list[tuple[int, int]] = []
        whole: list[int] = []
        for r in left:
            cell = batch[r]
            if cell.goal.norm.name == "l1" and cell.goal.entry is None:
                children += self._entries(cell)
                continue
            free = np.flatnonzero((cell.lows < 0) & (cell.highs > 0))
            gaps = found.gaps[r, free]
            near = cell.bound <= self.record.best[cell.goal.answer].floor * NEARLY
            if not (gaps > 0).any() or near or not len(free):
                rest = self._leaf(cell, free)
                if rest is None:
                    continue
            order = free[np.argsort(-gaps, kind="stable")]
            trials += [(r, int(i)) for i in order[:TRIED]]
            whole.append(r)
        if trials:
            children += self._split(batch, trials)
        return children

    def _entries(self, cell: Cell) -> list[Cell]:
        """A cell for every entry of the gradient that may be the largest, with either sign."""
        masks = Masks.of(self.tables, cell.lows[None], cell.highs[None])
        low, high = enclosed(self.tables, *self._rows([cell]), masks)
        floor = self.record.best[cell.goal.answer].floor
        found = []
        for k in self.domain.free.tolist():
            for sign, most in ((1, high[0, k]), (-1, -low[0, k])):
                if not most <= floor:
                    found.append(replace(cell, goal=replace(cell.goal, entry=k, sign=sign), bound=float(most), choice=None))
        return found

    def _split(self, batch: list[Cell], trials: list[tuple[int, int]]) -> list[Cell]:
        """Both sides of the neuron, of those tried, whose sides have the best bounds."""
        sides = [self._side(batch[r], i, sign) for r, i in trials for sign in (1, -1)]
        choices = [batch[r].choice for r, _ in trials for _ in (1, -1)]
        single = len(trials) == len({r for r, _ in trials})
        if not single:
            value = np.concatenate([
                self.bound(sides[at : at + 2 * BATCH], choices[at : at + 2 * BATCH], TRIAL_STEPS).value for at in range(0, len(sides), 2 * BATCH)
            ])
            for side, v in zip(sides, value.tolist(), strict=True):
                side.bound = min(side.bound, v)
        chosen: dict[int, tuple[float, int]] = {}
        for k, (r, _) in enumerate(trials):
            floor = self.record.best[batch[r].goal.answer].floor
            gain = [batch[r].bound - max(sides[2 * k + e].bound, floor) for e in (0, 1)]
            score = 0.7 * min(gain) + 0.3 * max(gain)
            if r not in chosen or score > chosen[r][0]:
                chosen[r] = (score, k)
        children = [sides[2 * k + e] for _, k in chosen.values() for e in (0, 1)]
        kept = [c for c in children if not self._known(c)]
        self.counts["closed"] += len(children) - len(kept)
        return kept

    def _side(self, cell: Cell, neuron: int, sign: int) -> Cell:
        lows, highs, signs = cell.lows.copy(), cell.highs.copy(), cell.signs.copy()
        signs[neuron] = sign
        for i, turn in self.group[neuron]:
            if sign * turn > 0:
                lows[i] = max(lows[i], 0.0)
            else:
                highs[i] = min(highs[i], 0.0)
        first = int(self.tables.network.layer_of[neuron]) + 1
        return replace(cell, lows=lows, highs=highs, signs=signs, path=(*cell.path, neuron), first=min(first, cell.first))

    def _leaf(self, cell: Cell, free: Array) -> bool | None:
        """Look at a cell in integers: None if it is closed."""
        self.counts["leaves"] += 1
        best = self.record.best[cell.goal.answer]
        open_, bits = np.zeros(self.network.neurons, dtype=bool), self.bits.copy()
        open_[self.numbers[free]] = True
        bits[self.numbers] = cell.highs > 0
        most = self.record.value(cell.goal.target, cell.goal.norm, bits, open_)
        if most <= best.value:
            return None
        if len(free):
            return True
        self.counts["programs"] += 1
        point = self._interior(cell, bits)
        if point is None:
            return None
        self.record.take(cell.goal, point)
        if most <= self.record.best[cell.goal.answer].value:
            return None
        raise AssertionError("a region inside a cell without open neurons has another gradient than the cell")

    def _interior(self, cell: Cell, bits: Array) -> Point | None:
        """A point strictly inside a cell whose neurons all are decided, if there is one."""
        lower = [max(a, Fraction(f)) for a, f in zip(self.domain.lower, cell.low.tolist(), strict=True)]
        upper = [min(b, Fraction(f)) for b, f in zip(self.domain.upper, cell.high.tolist(), strict=True)]
        same = (cell.low == self.low).all() and (cell.high == self.high).all()
        forms = self.record.forms if same else ExactForms(self.network, lower, upper)
        k = forms.dimension
        half_spaces = forms.neurons(self.numbers[list(cell.path)], bits)
        walls = [tuple(int(cell.signs[i]) * v for v in form) for i, form in zip(cell.path, half_spaces, strict=True)]
        rows = [(*wall[:-1], -(reach(wall) + abs(wall[-1])), wall[-1]) for wall in walls]
        if any(not any(wall) for wall in walls):
            return None
        sides = [(*(sign * (i == j) for i in range(k)), -1, 1) for j in range(k) for sign in (-1, 1)]
        found = minimise_exactly([*[0] * k, -1, 0], rows + sides, [Fraction(-1)] * k + [Fraction(0)], [Fraction(1)] * (k + 1))
        if isinstance(found, Infeasible) or found.value >= 0:
            return None
        rest = iter(found.point[:k])
        return tuple(a if a == b else (a + b) / 2 + next(rest) * (b - a) / 2 for a, b in zip(lower, upper, strict=True))


@dataclass
class _Some:
    """What a pass needs of the cells that are still bounded."""

    rows: Rows
    row_sizes: Rows
    masks: Masks
    t: Spread
    largest: list[Array]
    direction: Array
    above: Array
    lines: Lines
    cells: Cells
    lows: Array
    highs: Array
    signs: Array


def _step(now: Choice, gradients: Choice, value: Array, aim: Array, some: _Some, steep: Array) -> Choice:
    """A step of Polyak's length down the bounds."""
    scale = np.maximum(steep.mean(axis=1, keepdims=True) * np.maximum(np.abs(some.t.high), np.abs(some.t.low)).mean(axis=1, keepdims=True), 1e-12)
    moves = []
    norm = np.zeros(len(value))
    for name, factor, most in (("shares", 1.0, 1.0), ("links", 1.0, 1.0), ("slopes", 1.0, 1.0), ("betas", scale, np.inf)):
        gradient, at = getattr(gradients, name), getattr(now, name)
        gradient = np.where(((gradient < 0) & (at < most)) | ((gradient > 0) & (at > 0)), gradient, 0.0) * factor
        moves.append((name, gradient * factor, most))
        norm += np.einsum("rm,rm->r", gradient, gradient)
    length = (np.maximum(value - aim, 0.02 * np.abs(aim)) / np.maximum(norm, 1e-300))[:, None]
    found = {}
    for name, gradient, most in moves:
        moved = np.clip(getattr(now, name) - length * gradient, 0.0, most)
        found[name] = np.where(some.lines.open, moved, getattr(now, name)) if name != "betas" else np.where(some.signs != 0, moved, 0.0)
    return Choice(**found)
