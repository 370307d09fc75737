"""The largest norm of a gradient on a box, without a list of all regions: cells bounded from above, and split.

A cell on which gradients of full-dimensional regions cannot exceed the largest one known is closed. Others are split by
a neuron (in few dimensions boxes are cut first), the one with the largest bound first, so that what is proved comes
down all the time. Where no neuron that matters is open the gradient is known, in integers, and an exact program says
whether the cell has an interior.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from polylc.bounds.backward import Cells
from polylc.bounds.gradients import Masks
from polylc.bounds.hidden import intervals, refine
from polylc.bounds.relaxation import largest_outputs
from polylc.bounds.restriction import Restriction
from polylc.bounds.sharpen import sharpen
from polylc.bounds.tables import tables
from polylc.domains.alternatives import outward
from polylc.domains.box import Neighbourhood
from polylc.exact.checkpoint import checkpoint
from polylc.exact.embedding import BoxEmbedding
from polylc.geometry.interior import strictly_inside
from polylc.network.exact_forms import ExactForms
from polylc.network.form import Network
from polylc.network.restricted import restricted
from polylc.network.twins import twins
from polylc.search.attained import Point, Record
from polylc.search.gradient_bounds import Bounds, Cell, GradientBounds
from polylc.search.gradient_goals import Goal

Array = np.ndarray
Watch = Callable[[dict[str, float]], None]
FEW_INPUTS = 16  # free inputs up to which boxes are cut
FEW_OPEN = 12  # open neurons up to which neurons are split there
BATCH = 64
STEPS, ROOT_STEPS, TRIAL_STEPS = 10, 30, 3
TRIED = 16  # neurons that are tried at a split
FEW_POINTS = 1000  # fewer than these are not looked at instead of others
NEARLY = 1 + 1e-9  # times the value known: cells that exceed it by no more are looked at in integers
UNKNOWN = 2.0**200
ANEW = -1  # in place of a layer: the box is a new one
FINE = 2.0**-24


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
        self.by_box = domain.dimension <= FEW_INPUTS
        self._set_up()
        self.record = Record(network, self.tables, domain, answers)
        self.counts: dict[str, float] = {"cells": 0, "leaves": 0, "programs": 0, "closed": 0}
        self.queue: list[tuple[float, int, Cell]] = []
        self._put = 0

    # ---- the whole ------------------------------------------------------------------------------------------------
    def _set_up(self) -> None:
        """Ends of all neurons on the whole box, and the network of those whose signs are open there."""
        every, box = tables(self.network), np.maximum(np.abs(self.low), np.abs(self.high))
        sizes = every.magnitudes(largest_outputs(every, *intervals(every, self.low, self.high), box))
        lows, highs = np.full((1, every.neurons), -UNKNOWN), np.full((1, every.neurons), UNKNOWN)
        refine(every, lows, highs, Cells(self.low[None], self.high[None]), sizes)
        if not self.by_box:
            sharpen(every, lows[0], highs[0], self.low, self.high, sizes)
        self.every, self.every_sizes, self.every_ends = every, every.magnitudes(largest_outputs(every, lows[0], highs[0], box)), (lows[0], highs[0])
        self.bits = highs[0] > 0
        free = (lows[0] < 0) & self.bits
        self.tables = Restriction(self.network, restricted(self.network, free, self.bits))
        self.numbers = self.tables.numbers
        self.lows, self.highs = lows[0, self.numbers], highs[0, self.numbers]
        self.sizes = self.tables.magnitudes(largest_outputs(self.tables, self.lows, self.highs, box))
        free_inputs = np.zeros(self.network.inputs)
        free_inputs[self.domain.free] = 1.0
        self.bounds = GradientBounds(self.tables, self.sizes, free_inputs)
        self.reach = self._reach()
        place = {int(i): k for k, i in enumerate(self.numbers)}
        groups = twins(self.network)
        self.group: list[list[tuple[int, int]]] = [[] for _ in place]  # neurons that are multiples of one, with the sign of the factor
        for i, k in place.items():
            leader = int(groups.leader[i])
            for j in (leader, *groups.mate[groups.begin[leader] : groups.begin[leader + 1]].tolist()):
                if j in place:
                    self.group[k].append((place[j], 1 if (groups.ratio[i] > 0) == (groups.ratio[j] > 0) else -1))

    def _reach(self) -> Array:
        """By how much inputs may move neurons, about; shape (neurons, inputs)."""
        found = np.zeros((self.tables.neurons, self.network.inputs))
        for layer, span in enumerate(self.tables.span):
            for source, _, absolute, _ in self.tables.terms[layer]:
                before = np.eye(self.network.inputs) if source == 0 else found[self.tables.span[source - 1]]
                found[span] += absolute @ before
        return found

    def start(self, points: Array | None = None) -> None:
        """Begin with the whole box, and look at points: those given, some of many regions, or others."""
        signs = np.zeros(self.tables.neurons, dtype=np.int8)
        cells = [Cell(goal, self.low, self.high, self.lows, self.highs, signs, (), first=self.tables.depth) for goal in self.goals]
        for cell, value in zip(cells, self.bounds.of(cells, [None] * len(cells), np.zeros(len(cells)), 0).value.tolist(), strict=True):
            cell.bound = value
        self._push(cells)
        if points is None or len(points) < FEW_POINTS:
            self.record.look(self.goals, self.low, self.high, np.random.default_rng(0))
        else:
            self.record.learn(self.goals, points)

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
            heapq.heappush(self.queue, (-(over ** (1 / cell.goal.norm.power)), self._put, cell))

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

    # ---- one batch ---------------------------------------------------------------------------------------------------
    def _treat(self, batch: list[Cell]) -> list[Cell]:
        """What is left of some cells: parts of them."""
        self.counts["cells"] += len(batch)
        self._bring_nearer(batch)
        batch = [cell for cell in batch if not (cell.lows > cell.highs).any()]
        if not batch:
            return []
        root = any(cell.choice is None for cell in batch)
        found = self.bounds.of(batch, [c.choice for c in batch], self._floor(batch), ROOT_STEPS if root else STEPS)
        self.record.offer(found.point, [c.goal for c in batch])
        left: list[int] = []
        for r, cell in enumerate(batch):
            cell.bound, cell.choice = min(cell.bound, float(found.value[r])), found.choice.row(r)
            if self._known(cell):
                self.counts["closed"] += 1
            else:
                left.append(r)
        return self._divide(batch, left, found)

    def _bring_nearer(self, batch: list[Cell]) -> None:
        """Ends of neurons that what was cut last may have moved: of the layers behind a neuron, of all on a new box."""
        for first in sorted({cell.first for cell in batch}):
            if first >= self.tables.depth:
                continue
            some = [cell for cell in batch if cell.first == first]
            lows, highs = np.stack([c.lows for c in some]), np.stack([c.highs for c in some])
            boxes = Cells(np.stack([c.low for c in some]), np.stack([c.high for c in some]))
            if first == ANEW:
                low, high = (np.repeat(end[None], len(some), axis=0) for end in self.every_ends)
                low[:, self.numbers], high[:, self.numbers] = lows, highs
                refine(self.every, low, high, boxes, self.every_sizes)
                lows, highs = low[:, self.numbers], high[:, self.numbers]
            else:
                refine(self.tables, lows, highs, boxes, self.sizes, first)
            for k, cell in enumerate(some):
                cell.lows, cell.highs, cell.first = lows[k], highs[k], self.tables.depth

    # ---- what is left ---------------------------------------------------------------------------------------------
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
            if self.by_box and len(free) > FEW_OPEN and (cell.highs[free] - cell.lows[free]).max() > FINE:
                halves = self._halves(cell, free, gaps)
                if halves:
                    children += halves
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
        low, high = self.bounds.entries([cell.goal], masks)
        floor = self.record.best[cell.goal.answer].floor
        found = []
        for k in self.domain.free.tolist():
            for sign, most in ((1, high[0, k]), (-1, -low[0, k])):
                if not most <= floor:
                    found.append(replace(cell, goal=replace(cell.goal, entry=k, sign=sign), bound=float(most), choice=None))
        return found

    def _split(self, batch: list[Cell], trials: list[tuple[int, int]]) -> list[Cell]:
        """Both sides of the neuron, of those tried, whose sides have the best bounds."""
        sides = [self.side(batch[r], i, sign) for r, i in trials for sign in (1, -1)]
        choices = [batch[r].choice for r, _ in trials for _ in (1, -1)]
        single = len(trials) == len({r for r, _ in trials})
        if not single:
            floors = self._floor(sides)
            parts = [slice(at, at + 2 * BATCH) for at in range(0, len(sides), 2 * BATCH)]
            value = np.concatenate([self.bounds.of(sides[p], choices[p], floors[p], TRIAL_STEPS).value for p in parts])
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

    def _halves(self, cell: Cell, free: Array, gaps: Array) -> list[Cell]:
        """The cell cut in two along the input that moves the neurons most from which its bound suffers."""
        reach = np.zeros(len(cell.low))
        for weight, gap in zip(self.reach[free], gaps, strict=True):
            moved = np.abs(weight) * (cell.high - cell.low)
            reach += gap * moved / max(moved.sum(), 1e-300)
        k = int(np.argmax(reach))
        middle = (cell.low[k] + cell.high[k]) / 2
        if not cell.low[k] < middle < cell.high[k]:
            return []
        low, high = cell.low.copy(), cell.high.copy()
        low[k], high[k] = middle, middle
        return [replace(cell, high=high, first=ANEW), replace(cell, low=low, first=ANEW)]

    def side(self, cell: Cell, neuron: int, sign: int) -> Cell:
        """The part of a cell where a neuron is positive, or negative."""
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
        forms = self.record.forms if same else ExactForms(self.network, BoxEmbedding(lower, upper))
        k = forms.dimension
        half_spaces = forms.neurons(self.numbers[list(cell.path)].tolist(), bits)
        walls = [tuple(int(cell.signs[i]) * v for v in form) for i, form in zip(cell.path, half_spaces, strict=True)]
        if any(not any(wall) for wall in walls):
            return None
        found = strictly_inside(walls, k)
        if found is None:
            return None
        rest = iter(found)
        return tuple(a if a == b else (a + b) / 2 + next(rest) * (b - a) / 2 for a, b in zip(lower, upper, strict=True))
