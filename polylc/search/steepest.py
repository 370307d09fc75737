"""The largest norm of a gradient on a box, or in a ball, without a list of all regions: cells bounded from above, and
split.

A cell on which gradients of full-dimensional regions cannot exceed the largest one known is closed. Others are split by
a neuron (in few dimensions boxes are cut first), the one with the largest bound first, so that what is proved comes
down all the time. Where no neuron that matters is open the gradient is known, in integers, and an exact program says
whether the cell has an interior.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from polylc.bounds.backward import Cells
from polylc.bounds.ball import Ball
from polylc.bounds.first import first_ends
from polylc.bounds.gradients import Masks
from polylc.bounds.hidden import intervals, refine
from polylc.bounds.relaxation import largest_outputs
from polylc.bounds.restriction import Restriction
from polylc.bounds.sharpen import sharpen
from polylc.bounds.tables import UNKNOWN, tables
from polylc.domains.alternatives import inside, outward
from polylc.domains.ball import within
from polylc.domains.box import Neighbourhood
from polylc.domains.within import measure
from polylc.errors import SolverError
from polylc.exact.checkpoint import checkpoint
from polylc.exact.embedding import BoxEmbedding
from polylc.exact.unit_box import lifted
from polylc.geometry.interior import strictly_inside
from polylc.geometry.nearest_point import Centred, Near
from polylc.network.exact_forms import ExactForms, Row
from polylc.network.form import Network
from polylc.network.restricted import restricted
from polylc.network.twins import twins
from polylc.proof.gradients import ByEnds, Empty, Thin
from polylc.proof.tree import ALTERNATIVES, BOX, NEURON, Event, Node, Outside
from polylc.search.attained import Attained, Point, Record
from polylc.search.gradient_bounds import Bounds, Cell, GradientBounds
from polylc.search.gradient_goals import Goal
from polylc.search.listed import PARTS, Lister
from polylc.search.refute import note_ends

Array = np.ndarray
Watch = Callable[[dict[str, float]], None]
FEW_INPUTS = 16  # free inputs up to which boxes are cut
FEW_OPEN = 12  # open neurons up to which neurons are split there: more than usually vanish together, where halving would not end
BATCH = 64
STEPS, BOX_STEPS, ROOT_STEPS, TRIAL_STEPS = 10, 2, 30, 3  # where boxes are cut more cells are cheaper than better bounds
TRIED = 16  # neurons that are tried at a split
FEW_POINTS = 1000  # fewer than these are not looked at instead of others
NEARLY = 1 + 1e-9  # times the value known: cells that exceed it by no more are looked at in integers
ANEW = -1  # in place of a layer: the box is a new one
FINE = 2.0**-24


class Steepest:
    """Trees of several goals, in one queue.

    Parameters
    ----------
    network : Network
    domain : Neighbourhood
        A box, or in l2 and l1 the box around a ball, whose inside alone counts.
    goals : sequence of Goal
    answers : int
        How many largest values the goals are of.
    watch : callable, optional
        Told counts now and then.
    aims : sequence of float, optional
        For each answer a value, somewhat above the largest: cells are closed where that is not exceeded, and proofs
        kept (`node` of the cells that are begun with).

    Raises
    ------
    SolverError
        If values may be so large that doubles do not bound them.
    """

    def __init__(
        self,
        network: Network,
        domain: Neighbourhood,
        goals: Sequence[Goal],
        answers: int,
        watch: Watch | None = None,
        aims: Sequence[float] | None = None,
    ) -> None:
        self.network, self.domain, self.goals, self.watch, self.aims = network, domain, goals, watch, aims
        self.low, self.high = outward(domain.lower, domain.upper)
        self.within = within(domain)
        self.ball = None if self.within is None else Ball.of(self.within)
        self.by_box = domain.dimension <= FEW_INPUTS
        self.steps = BOX_STEPS if self.by_box else STEPS
        self._set_up()
        self.record = Record(network, self.tables, domain, answers)
        self.counts: dict[str, float] = {"cells": 0, "leaves": 0, "programs": 0, "closed": 0}
        self.lists = aims is None
        self.lister = Lister(network, domain, goals, self.record)
        self.queue: list[tuple[float, int, Cell]] = []
        self.put = 0

    # ---- the whole ------------------------------------------------------------------------------------------------
    def _set_up(self) -> None:
        """Ends of all neurons on the whole box, and the network of those whose signs are open there."""
        every, box = tables(self.network), np.maximum(np.abs(self.low), np.abs(self.high))
        sizes = every.magnitudes(largest_outputs(every, *intervals(every, self.low, self.high), box), self.ball)
        if not sizes.moderate:
            raise SolverError(
                "values in the network may be larger than 2^200 on the neighbourhood, which doubles do not bound; take method enumeration"
            )
        lows, highs = np.full((1, every.neurons), -UNKNOWN), np.full((1, every.neurons), UNKNOWN)
        doubtful = np.full((2, 1, every.neurons), np.nan) if self.aims is not None else None
        first_ends(every, lows, highs, Cells(self.low[None], self.high[None]), sizes, doubtful)
        claims = [] if self.by_box else sharpen(every, lows[0], highs[0], self.low, self.high, sizes)
        self.node = Node(0, claims=claims)
        note_ends(self.node, 0, doubtful)
        self.every, self.every_ends = every, (lows[0], highs[0])
        self.every_sizes = every.magnitudes(largest_outputs(every, lows[0], highs[0], box), self.ball)
        self.bits = highs[0] > 0
        free = (lows[0] < 0) & self.bits
        self.tables = Restriction(self.network, restricted(self.network, free, self.bits))
        self.numbers = self.tables.numbers
        self.lows, self.highs = lows[0, self.numbers], highs[0, self.numbers]
        self.sizes = self.tables.magnitudes(largest_outputs(self.tables, self.lows, self.highs, box), self.ball)
        free_inputs = np.zeros(self.network.inputs)
        free_inputs[self.domain.free] = 1.0
        self.bounds = GradientBounds(self.tables, self.sizes, free_inputs, self.aims is not None)
        self.reach = self._reach()
        place = {int(i): k for k, i in enumerate(self.numbers)}
        groups = twins(self.network)
        self.group: list[list[tuple[int, int]]] = [[] for _ in place]  # neurons that are multiples of one, with the sign of the factor
        for i, k in place.items():
            if self.aims is not None:  # a proof says of each by itself what it does
                self.group[k].append((k, 1))
                continue
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
        if self.aims is not None:
            for cell in cells:
                cell.node = replace(self.node, events=[], children=[])
            self.begun = cells
            self._push(cells)
            return
        for cell, value in zip(cells, self.bounds.of(cells, [None] * len(cells), np.zeros(len(cells)), 0).value.tolist(), strict=True):
            cell.bound = value
        self._push(cells)
        if points is None or len(points) < FEW_POINTS:
            self.record.look(self.goals, self.low, self.high, np.random.default_rng(0))
        else:
            self.record.learn(self.goals, points)

    def run(self, most: int | None = None, between: Callable[[], bool] | None = None) -> None:
        """Go on until all goals are closed, or so many cells were treated, or what is called `between` two batches says
        no.

        Raises
        ------
        LimitReached
            If the time is over; `upper` then says what is proved.
        """
        while self.queue and (most is None or self.counts["cells"] < most):
            checkpoint()
            if self.lists and self.lister.ends(int(self.counts["cells"])):
                self.counts["closed"] += len(self.queue)
                self.queue.clear()
                break
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
            if between is not None and not between():
                return

    def upper(self, answer: int) -> float:
        """No value is larger than this and what is attained."""
        return max((cell.bound for _, _, cell in self.queue if cell.goal.answer == answer), default=0.0)

    def bracket(self, answer: int) -> tuple[Attained, Fraction | None]:
        """The largest value known, and one that none exceeds, if there is any."""
        best, most = self.record.best[answer], self.upper(answer)
        return best, None if most == math.inf else max(best.value, Fraction(most))

    def _push(self, cells: Sequence[Cell]) -> None:
        for cell in cells:
            self.put += 1
            over = cell.bound / max(self.record.best[cell.goal.answer].floor, 1e-300)
            heapq.heappush(self.queue, (-(over ** (1 / cell.goal.norm.power)), self.put, cell))

    def _take(self) -> list[Cell]:
        batch: list[Cell] = []
        while self.queue and len(batch) < BATCH:
            cell = heapq.heappop(self.queue)[2]
            if self._known(cell):
                self.counts["closed"] += 1
            else:
                batch.append(cell)
        return batch

    def _aim(self, goal: Goal) -> float:
        """What is not to be exceeded."""
        return self.record.best[goal.answer].floor if self.aims is None else self.aims[goal.answer]

    def _floor(self, cells: Sequence[Cell]) -> Array:
        return np.array([self._aim(c.goal) for c in cells])

    def _known(self, cell: Cell) -> bool:
        return cell.bound <= self._aim(cell.goal)

    def _close(self, cell: Cell, event: Event) -> None:
        self.counts["closed"] += 1
        if cell.node is not None:
            cell.node.events.append(event)

    # ---- one batch ---------------------------------------------------------------------------------------------------
    def _treat(self, batch: list[Cell]) -> list[Cell]:
        """What is left of some cells: parts of them."""
        self.counts["cells"] += len(batch)
        self._bring_nearer(batch)
        empty = [(cell.lows > cell.highs).any() for cell in batch]
        for cell, none in zip(batch, empty, strict=True):
            if none:
                self._close(cell, Empty())
        batch = [cell for cell, none in zip(batch, empty, strict=True) if not none]
        if not batch:
            return []
        root = any(cell.choice is None for cell in batch)
        found = self.bounds.of(batch, [c.choice for c in batch], self._floor(batch), ROOT_STEPS if root else self.steps)
        if self.aims is None:
            for rows, points in found.trail:
                self.record.offer(points, [batch[r].goal for r in rows])
        left: list[int] = []
        for r, cell in enumerate(batch):
            cell.bound, cell.choice = min(cell.bound, float(found.value[r])), found.choice.row(r)
            if self._known(cell):
                self._close(cell, found.closing(r, cell, self.domain.free))
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
            many = (self.every if first == ANEW else self.tables).neurons
            doubtful = None if self.aims is None else np.full((2, len(some), many), np.nan)
            if first == ANEW:
                low, high = (np.repeat(end[None], len(some), axis=0) for end in self.every_ends)
                low[:, self.numbers], high[:, self.numbers] = lows, highs
                refine(self.every, low, high, boxes, self.every_sizes, doubtful=doubtful)
                lows, highs = low[:, self.numbers], high[:, self.numbers]
                doubtful = None if doubtful is None else doubtful[:, :, self.numbers]
            else:
                refine(self.tables, lows, highs, boxes, self.sizes, first, doubtful)
            for k, cell in enumerate(some):
                if doubtful is not None:
                    self._note(cell, lows[k], highs[k], doubtful[:, k])
                cell.lows, cell.highs, cell.first = lows[k], highs[k], self.tables.depth

    def _note(self, cell: Cell, lows: Array, highs: Array, doubtful: Array) -> None:
        """Ends that became better, for a proof, and those that might become better in other arithmetic."""
        assert cell.node is not None
        start = 0 if cell.first == ANEW else int(self.numbers[self.tables.span[cell.first].start])
        cell.node.refined = int(self.network.layer_of[start])
        for side, before, now in ((0, cell.lows, lows), (1, cell.highs, highs)):
            moved = before != now
            for k in np.flatnonzero(moved | ~np.isnan(doubtful[side])).tolist():
                number, end = int(self.numbers[k]), float(doubtful[side, k])
                if moved[k]:
                    cell.node.ends.append((number, side, float(now[k])))
                else:  # better ends are no worse, but that the rule takes other slopes with them
                    cell.node.ends.append(2 * number + side if end == math.inf else (number, side, end * (1, -1)[side]))

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
            if self.lists and self.by_box and not cell.path and self._listed(cell):
                continue
            free = np.flatnonzero((cell.lows < 0) & (cell.highs > 0))
            gaps = found.gaps[r, free]
            near = cell.bound <= self._aim(cell.goal) * NEARLY
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
        aim = self._aim(cell.goal)
        found, closed = [], []
        every = [(k, sign, most) for k in self.domain.free.tolist() for sign, most in ((1, high[0, k]), (-1, -low[0, k]))]
        for place, (k, sign, most) in enumerate(every):
            if most <= aim:
                closed.append(place)
                continue
            node = None if cell.node is None else self._child(cell.node)
            found.append(replace(cell, goal=replace(cell.goal, entry=k, sign=sign), bound=float(most), choice=None, node=node))
        if cell.node is not None:
            cell.node.kind = ALTERNATIVES
            cell.node.events.append(ByEnds(tuple(closed)))
        return found

    def _child(self, node: Node) -> Node:
        child = Node(len(self.network.layers))
        node.children.append(child)
        return child

    def _split(self, batch: list[Cell], trials: list[tuple[int, int]]) -> list[Cell]:
        """Both sides of the neuron, of those tried, whose sides have the best bounds."""
        sides = [self.side(batch[r], i, sign) for r, i in trials for sign in (1, -1)]
        choices = [batch[r].choice for r, _ in trials for _ in (1, -1)]
        tried: list[Bounds] = []
        if len(trials) > len({r for r, _ in trials}):
            floors = self._floor(sides)
            parts = [slice(at, at + 2 * BATCH) for at in range(0, len(sides), 2 * BATCH)]
            tried = [self.bounds.of(sides[p], choices[p], floors[p], TRIAL_STEPS) for p in parts]
            for side, v in zip(sides, np.concatenate([t.value for t in tried]).tolist(), strict=True):
                side.bound = min(side.bound, v)
        chosen: dict[int, tuple[float, int]] = {}
        for k, (r, _) in enumerate(trials):
            floor = self._aim(batch[r].goal)
            gain = [batch[r].bound - max(sides[2 * k + e].bound, floor) for e in (0, 1)]
            score = 0.7 * min(gain) + 0.3 * max(gain)
            if r not in chosen or score > chosen[r][0]:
                chosen[r] = (score, k)
        kept = []
        for r, (_, k) in chosen.items():
            node = batch[r].node
            if node is not None:
                node.kind, node.at = NEURON, int(self.numbers[trials[k][1]])
            for at in (2 * k + 1, 2 * k):  # the negative side first
                side = sides[at]
                side.node = None if node is None else self._child(node)
                if self._known(side):
                    part, row = divmod(at, 2 * BATCH)
                    self._close(side, tried[part].closing(row, side, self.domain.free) if tried else ByEnds())
                else:
                    kept.append(side)
        return kept

    def _halves(self, cell: Cell, free: Array, gaps: Array) -> list[Cell]:
        """The cell cut in two along the input that moves the neurons most from which its bound suffers."""
        moved = self.reach[free] * (cell.high - cell.low)
        k = int(np.argmax((gaps / np.maximum(moved.sum(axis=1), 1e-300)) @ moved))
        middle = (cell.low[k] + cell.high[k]) / 2
        if not cell.low[k] < middle < cell.high[k]:
            return []
        low, high = cell.low.copy(), cell.high.copy()
        low[k], high[k] = middle, middle
        halves = [replace(cell, high=high, first=ANEW, wait=cell.wait - 1), replace(cell, low=low, first=ANEW, wait=cell.wait - 1)]
        if cell.node is not None:
            cell.node.kind, cell.node.at = BOX, k
            for half in halves:
                half.node = self._child(cell.node)
        left = []
        for half in halves:
            if self.within is not None and self._outside(half):
                self._close(half, Outside())
            else:
                left.append(half)
        return left

    def _listed(self, cell: Cell) -> bool:
        """Whether a cell that is a box is closed, since it has few regions; where it has not, parts of it wait."""
        if cell.wait > 0:
            return False
        if self.lister.closes(cell.goal, *inside(self.domain.lower, self.domain.upper, cell.low, cell.high)):
            self._close(cell, ByEnds())
            return True
        cell.wait = PARTS
        return False

    def _outside(self, cell: Cell) -> bool:
        """Whether a cell's box has no point inside the ball."""
        assert self.within is not None
        return self.within.misses(*inside(self.domain.lower, self.domain.upper, cell.low, cell.high))

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
        if most <= (best.value if self.aims is None else Fraction(self.aims[cell.goal.answer] / NEARLY)):
            self._close(cell, ByEnds())
            return None
        if len(free):
            return True
        self.counts["programs"] += 1
        point = self._interior(cell, bits)
        if isinstance(point, Thin):
            self._close(cell, point)
            return None
        if self.aims is not None:
            raise AssertionError("a region exceeds what was known to be the largest value")
        self.record.take(cell.goal, point)
        if most <= self.record.best[cell.goal.answer].value:
            return None
        raise AssertionError("a region inside a cell without open neurons has another gradient than the cell")

    def _interior(self, cell: Cell, bits: Array) -> Point | Thin:
        """A point strictly inside a cell whose neurons all are decided, and the ball, or what shows that there is
        none.
        """
        lower, upper = inside(self.domain.lower, self.domain.upper, cell.low, cell.high)
        same = (cell.low == self.low).all() and (cell.high == self.high).all()
        forms = self.record.forms if same else ExactForms(self.network, BoxEmbedding(lower, upper))
        walls = self._walls(cell, bits, forms)
        found = strictly_inside([wall for _, wall in walls], forms.dimension)
        if isinstance(found, dict):
            return Thin(tuple((walls[r][0], y) for r, y in found.items()))
        point = lifted(lower, upper, found)
        return point if self.within is None or self.within.contains(point) else self._interior_in_ball(cell, bits, point)

    def _walls(self, cell: Cell, bits: Array, forms: ExactForms) -> list[tuple[int, Row]]:
        """The half-spaces of a cell, with the numbers of their neurons. A neuron that is zero on all of the cell bounds
        nothing: regions lie on both of its sides.
        """
        numbers = self.numbers[list(cell.path)].tolist()
        half_spaces = zip(numbers, cell.path, forms.neurons(numbers, bits), strict=True)
        return [(number, tuple(int(cell.signs[i]) * v for v in form)) for number, i, form in half_spaces if any(form)]

    def _interior_in_ball(self, cell: Cell, bits: Array, point: Point) -> Point | Thin:
        """A point strictly inside a cell and the ball, from one inside the cell: on the way from the point of the cell
        that is nearest to the centre, which is nearer than the radius if and only if there is one (lemma 18a). If there
        is none, the multipliers of the nearest point show it.
        """
        assert self.within is not None
        lower, upper = inside(self.domain.lower, self.domain.upper, cell.low, cell.high)
        seen = Centred(self.within.center, lower, upper)
        forms = ExactForms(self.network, BoxEmbedding(seen.lower, seen.upper))
        walls = self._walls(cell, bits, forms)
        near = seen.nearest(self.within.norm, [tuple(map(Fraction, wall)) for _, wall in walls], self.within.bound)
        if not isinstance(near, Near) or measure(self.within.norm, near.point, self.within.center) >= self.within.bound:
            return Thin(tuple((walls[r][0], y * forms.scale) for r, y in near.multipliers.items() if y), Fraction(1))
        share = Fraction(1, 2)
        while True:
            moved = tuple(q + share * (p - q) for p, q in zip(point, near.point, strict=True))
            if self.within.contains(moved):
                return moved
            share /= 2
