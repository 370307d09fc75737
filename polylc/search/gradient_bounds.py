"""Bounds of norms of gradients on a batch of cells, and the numbers that make them better.

Of every cell the entries of the gradient are enclosed; a chord puts the norm below a derivative in one direction; ties
of the slopes to the signs put that below a row over the pre-activations, which a backward pass bounds
(docs/exactness.md, lemma 18). How the bound moves with slopes and multipliers is told by one forward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from polylc.bounds.ascent import on_grid
from polylc.bounds.backward import Cells, backward, forward
from polylc.bounds.gradients import FEW, Masks, Spread, derivatives, enclosed, spread, tied, ties
from polylc.bounds.relaxation import Lines
from polylc.bounds.restriction import Restriction
from polylc.bounds.tables import Rows, Sizes
from polylc.exact.checkpoint import checkpoint
from polylc.proof.gradients import GRID, ByEnds, BySlopes
from polylc.proof.tree import Event, Node
from polylc.search.gradient_goals import Goal, Target, stacked

Array = np.ndarray


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

    def coarser(self) -> Choice:
        """The nearest numbers that a proof can have."""
        shares, links, slopes = (on_grid(v, GRID) for v in (self.shares, self.links, self.slopes))
        return Choice(shares, links, slopes, self.betas.astype(np.float32).astype(float))

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
    node : Node or None
        Its entry in a proof, where one is kept.
    wait : int
        Of a box: cuts until listing its regions is worth a try.
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
    node: Node | None = None
    wait: int = 0


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
    plain : ndarray, shape (rows,)
        What the ends of all entries bound by themselves.
    direction : ndarray, shape (rows, inputs)
        In which the derivative is bounded.
    trail : list of (ndarray, ndarray)
        Rows, and for each the point where one of the bounds on the way was attained.
    """

    value: Array
    choice: Choice
    point: Array
    gaps: Array
    plain: Array
    direction: Array
    trail: list[tuple[Array, Array]] = field(default_factory=list)

    def closing(self, r: int, cell: Cell, inputs: Array) -> Event:
        """What a proof says of a cell that its bound closes; `inputs` are those that vary."""
        if cell.goal.norm.name == "l1" and cell.goal.entry is None:
            return ByEnds(tuple(range(2 * len(inputs))))
        if self.value[r] == self.plain[r]:
            return ByEnds()
        chosen = self.choice.row(r)
        direction = self.direction[r, inputs] if cell.goal.entry is None else self.direction[r, :0]
        betas = chosen.betas[list(cell.path)].astype(float)
        return BySlopes(direction, chosen.shares, chosen.links, chosen.slopes, betas)


class GradientBounds:
    """Bounds for one network on one set.

    Parameters
    ----------
    tables : Restriction
    sizes : Sizes
        For all cells.
    free : ndarray, shape (inputs,)
        1 for inputs that vary, 0 for others, whose entries do not count.
    coarse : bool
        Whether shares, links and slopes are those that a proof can have.
    """

    def __init__(self, tables: Restriction, sizes: Sizes, free: Array, coarse: bool = False) -> None:
        self.tables, self.sizes, self.free, self.coarse = tables, sizes, free, coarse
        self._rows: dict[Target, tuple[list[Array | None], list[Array | None]]] = {}

    def of(self, cells: Sequence[Cell], starts: Sequence[Choice | None], aim: Array, steps: int) -> Bounds:
        """Bounds of the values on cells, with numbers that become better in so many steps, until bounds are not above
        what is aimed at.

        Parameters
        ----------
        cells : sequence of Cell
        starts : sequence of Choice or None
            What to begin with.
        aim : ndarray, shape (cells,)
        steps : int
        """
        tables_, many = self.tables, len(cells)
        lows, highs = np.stack([c.lows for c in cells]), np.stack([c.highs for c in cells])
        signs = np.stack([c.signs for c in cells]).astype(float)
        goals = [c.goal for c in cells]
        rows, row_sizes = self.rows(goals)
        masks = Masks.of(tables_, lows, highs)
        box = Cells(np.stack([c.low for c in cells]), np.stack([c.high for c in cells]))
        direction, above, value = self._chords(goals, *self.entries(goals, masks))
        t, largest = spread(tables_, direction, masks)
        lines = Lines.of(lows, highs)
        choice = self._begin(starts, masks, t, lines)
        best = Bounds(value.copy(), choice.rows(np.arange(many)), (box.low + box.high) / 2, np.zeros_like(lows), value, direction)
        single = np.array([g.norm.name != "l1" or g.entry is not None for g in goals])  # else the direction is of one entry alone
        live = np.flatnonzero((best.value > aim) & single)
        now = choice.rows(live)
        for step in range(steps if tables_.neurons else 0):
            if not len(live):
                break
            checkpoint()
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
            best.trail.append((live, found.point))
            at = live[found.value < best.value[live]]
            here = found.value < best.value[live]
            best.value[at], best.point[live], best.gaps[live] = found.value[here], found.point, found.gaps
            best.choice.put(at, found.choice.rows(here))
            going = best.value[live] > aim[live]
            live, now = live[going], moved.rows(going)
        return best

    def rows(self, goals: Sequence[Goal]) -> tuple[Rows, Rows]:
        """Rows over the values for each goal, by source, with their sizes."""
        for target in {g.target for g in goals} - self._rows.keys():
            self._rows[target] = self.tables.combined(target.outputs)
        return stacked([self._rows[g.target][0] for g in goals]), stacked([self._rows[g.target][1] for g in goals])

    def entries(self, goals: Sequence[Goal], masks: Masks) -> tuple[Array, Array]:
        """Ends of the entries of gradients on cells; two arrays of shape (cells, inputs)."""
        low, high = enclosed(self.tables, *self.rows(goals), masks)
        return low * self.free, high * self.free

    def _chords(self, goals: Sequence[Goal], low: Array, high: Array) -> tuple[Array, Array, Array]:
        """Directions and constants so that values are at most the derivative plus the constant; and what they are at
        most whatever the direction.
        """
        direction, above, value = np.zeros_like(low), np.zeros(len(low)), np.zeros(len(low))
        for norm in {g.norm.name: g.norm for g in goals}.values():
            mine = np.array([g.norm == norm for g in goals])
            direction[mine], above[mine], value[mine] = norm.chords(low[mine], high[mine])
        for r, goal in enumerate(goals):
            if goal.entry is not None:
                k = goal.entry
                direction[r], value[r] = 0.0, max(high[r, k] if goal.sign > 0 else -low[r, k], 0.0)
                direction[r, k] = goal.sign
        return direction, above, np.where(np.isnan(value), np.inf, value)

    def _begin(self, starts: Sequence[Choice | None], masks: Masks, t: Spread, lines: Lines) -> Choice:
        width = np.where(t.high > t.low, t.high - t.low, 1.0)
        chord = np.clip(np.where(t.low >= 0, 1.0, np.where(t.high <= 0, 0.0, t.high / width)), 0.0, 1.0)
        fresh = Choice(chord, np.ones_like(chord), lines.rule.copy(), np.zeros_like(chord))
        for r, start in enumerate(starts):
            if start is not None:
                fresh.shares[r], fresh.links[r], fresh.betas[r] = start.shares, start.links, start.betas
                fresh.slopes[r] = np.where(lines.open[r], start.slopes, lines.rule[r])
        return fresh.coarser() if self.coarse else fresh

    def _pass(self, some: _Some, now: Choice, aim: Array, move: bool) -> tuple[Bounds, Choice]:
        """One bound, and better numbers."""
        tables_ = self.tables
        bound = tied(tables_, some.rows, some.row_sizes, some.direction, some.masks, some.t, some.largest, now.shares)
        tie = ties(bound, some.lows, some.highs, now.links)
        pulls = tie + some.signs * now.betas
        nothing: Rows = [None, *(np.zeros((len(aim), w)) for w in tables_.network.widths)]
        values = backward(tables_, nothing, np.zeros(len(aim)), tables_.depth, some.lines, some.cells, self.sizes, now.slopes, pulls, keep=True)
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
        found = Bounds(value, now, values.point, gaps + value_gaps, value, some.direction)
        if not move:
            return found, now
        gradients = Choice(
            np.where(some.masks.open, steep * (y - low + (low - high) * decided), 0.0),
            q * ratio,
            slope_gradient,
            some.signs * z,
        )
        moved = _step(now, gradients, value, aim, some, steep)
        return found, moved.coarser() if self.coarse else moved


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
