"""Proof by search: alternatives refuted on cells by bounds; what a bound leaves is cut smaller, or has a solution.

A batch of cells is treated at once. In few dimensions boxes are cut, and the open neurons of every cell bounded anew;
in many, neurons are split, below bounds found at the root (PROOFSEARCH measured both). Where no neuron is open an exact
program decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from polylc.bounds.ascent import SHARES, Ascent, Choice, Goals, ascend, on_grid
from polylc.bounds.backward import Cells, backward
from polylc.bounds.game import combine, combine_compiled
from polylc.bounds.relaxation import Lines
from polylc.bounds.tables import Sizes
from polylc.domains.alternatives import Alternative
from polylc.exact.checkpoint import checkpoint
from polylc.proof.tree import ALTERNATIVES, BOX, NEURON, Closing, Combination, Exact, Node, Outside, stated_ends
from polylc.search.anew import Anew
from polylc.search.attack import attack
from polylc.search.cells import Cell, Open, Queue
from polylc.search.decide import decide
from polylc.search.problem import Problem
from polylc.search.shorten import shorten
from polylc.search.split import Branching, best_neurons, box_scores

FEW, FEW_IN_BALL = 16, 6  # free inputs up to which boxes are cut; small boxes at a round border are many
FEW_OPEN, DEEP = 3, 60  # open neurons, and depth, from which neurons are split all the same: that comes to an end
LATE, SLOWLY = 24, 6  # from this depth on one open neuron more for every so many levels: boxes creep along a tie
FINE = 2.0**-24  # so are they where none of them varies by more, as ends are multiples of 2^-30
STEPS, NEURON_STEPS, ROOT_STEPS = 8, 14, 24  # passes for a box, for a cell cut by neurons (more of them cost less than cells), and at first
FIRST_STEPS = 4  # for a box whose neurons may yet be bounded anew
BATCH = 64
COMPILED = 256  # cells from which passes use compiled kernels: loading them takes longer than so many cells
NEAR = 2.0**20  # bounds on the rounding of goals, by which points that are tried exactly may miss them
NOTHING = np.zeros(0)
RARE = 64  # rounds between attacks from the worst cells


Point = tuple[Fraction, ...]
Watch = Callable[[dict[str, float]], None]


class Search:
    """Cells of one root, refuted or cut.

    Attributes
    ----------
    unit : bool
        Whether the cells are some of a search that has lasted a while.
    counts : dict
        Cells that were treated, refutations, exact programs and attacks; and `share`, of the root, that is refuted.
    """

    def __init__(self, problem: Problem, sizes: Sizes, keep: bool = False, watch: Watch | None = None, seed: int = 0) -> None:
        self.problem, self.tables, self.keep, self.watch = problem, problem.tables, keep, watch
        self.unit = seed > 0
        self.sizes = sizes
        self.goals: Goals = problem.make_goals(np.maximum(np.abs(problem.low), np.abs(problem.high)), sizes)
        self.counts: dict[str, float] = {"cells": 0, "leaves": 0, "programs": 0, "attacks": 0, "share": 0.0}
        self.near = NEAR * float(self.goals.noise.max(initial=0.0))
        self.by_box = by_box(problem)
        self.rng = np.random.default_rng(seed)

    def explore(
        self, cells: Sequence[Cell] | Queue, budget: int, rounds: int = 0, between: Callable[[Queue, int], None] | None = None
    ) -> tuple[Point | None, list[Cell]]:
        """Treat cells until none is left, a solution is found, or so many were treated.

        Parameters
        ----------
        cells : sequence of Cell, or a Queue
            A queue, and `rounds`, of an exploration that goes on.
        between : callable, optional
            Given the queue and the number of rounds after each of them.

        Returns
        -------
        point : tuple of Fraction or None
            A solution.
        left : list of Cell
        """
        queue = cells if isinstance(cells, Queue) else Queue(cells)
        while len(queue) and self.counts["cells"] < budget:
            checkpoint()
            rounds += 1
            self.tables.fused = self.tables.fused or self.unit or self.counts["cells"] >= COMPILED
            batch = queue.take(BATCH)
            if rounds % RARE == 0:
                found = self.attack(min(batch, key=lambda cell: cell.bound), 8)
                if found is not None:
                    return found, []
            point, children = self._treat(batch)
            if point is not None:
                return point, []
            queue.put(children)
            if self.watch is not None:
                self.watch({**self.counts, "open": len(queue), "bound": queue.lowest()})
            if between is not None:
                between(queue, rounds)
        return None, queue.waiting()

    def root(self, lows: np.ndarray, highs: np.ndarray, node: Node) -> Cell:
        """The cell that is all of the root."""
        opened = [self._open(a) for a in self.problem.root.alternatives]
        return Cell(self.problem.low, self.problem.high, lows, highs, None, (), opened, 0, self.tables.depth, node)

    def _open(self, alternative: Alternative) -> Open:
        return Open(alternative, self.problem.goals_of(alternative))

    def attack(self, cell: Cell, starts: int) -> Point | None:
        """A solution near which gradients lead, from so many points of a cell."""
        self.counts["attacks"] += 1
        lines = Lines.of(cell.lows[None], cell.highs[None])
        alternatives = [one.goals for one in cell.open if not one.alternative.pending and one.goals]
        for point in attack(self.problem, self.goals, alternatives, lines, cell.low, cell.high, starts, self.rng):
            if self.problem.misses(point[None])[0] <= self.near:
                found = self.problem.solution(point)
                if found is not None:
                    return found
        return None

    # ---- one batch ------------------------------------------------------------------------------------------------
    def _treat(self, batch: list[Cell]) -> tuple[Point | None, list[Cell]]:
        """A solution, if there is one, or the cells that are left."""
        self.counts["cells"] += len(batch)
        batch = self._in_ball(batch)
        if not batch:
            return None, []
        cells = Cells(np.stack([c.low for c in batch]), np.stack([c.high for c in batch]))
        found = self._candidate((cells.low + cells.high) / 2)
        if found is not None:
            return found, []
        ends = Anew(self.problem, self.sizes, self.keep, batch, cells) if self.by_box else None
        lows, highs = (np.stack([c.lows for c in batch]), np.stack([c.highs for c in batch])) if ends is None else (ends.lows, ends.highs)
        lines = Lines.of(lows, highs)
        pairs = [(b, one) for b, cell in enumerate(batch) for one in cell.open]
        result = None
        if pairs:
            result = self._bound(batch, pairs, lines, cells, ends is not None and len(ends.moved) == len(batch))
        if ends is not None and ends.moved:
            lines = self._settle(batch, ends, pairs, result, lines, cells)
        if result is not None:
            found = self._candidate(np.concatenate([result.point, result.mean]))
            if found is not None:
                return found, []
            self._close(batch, pairs, result, lines, cells)
        return self._divide(batch, pairs, result, None if ends is None else ends.reach)

    def _settle(self, batch: list[Cell], ends: Anew, pairs: list[tuple[int, Open]], result: Ascent | None, lines: Lines, cells: Cells) -> Lines:
        """Have neurons bounded anew where rows from above do not refute a cell, and bound alternatives there; the lines
        that come of it.
        """
        rows = np.array([r for r, (b, _) in enumerate(pairs) if b in ends.moved], dtype=int)
        if result is None or not len(rows):
            ends.settle([])
            return lines
        at = np.array([b for b, _ in pairs])
        again = {*at[rows][result.sure[rows] <= 0].tolist()}
        ends.settle(again)
        if not again:
            return lines
        lines = Lines.of(ends.lows, ends.highs)
        rows = np.array([r for r, (b, _) in enumerate(pairs) if b in again])
        at, start = at[rows], result.choice.rows(rows)
        line, member = lines.of_cells(at), np.zeros(start.shares.shape, dtype=bool)
        member[_flat([pairs[r] for r in rows.tolist()])] = True
        start.slopes = np.where(line.open, start.slopes, line.rule)
        some = Cells(cells.low[at], cells.high[at])
        result.put(rows, self._ascend(member, start, line, self._signs(batch, at), some, STEPS, result.sure[rows]))
        return lines

    def _signs(self, batch: list[Cell], at: np.ndarray) -> np.ndarray | None:
        """Sides of neurons that were split, of the cells numbered; None where no cell of the batch has any."""
        if all(c.signs is None for c in batch):
            return None
        nothing = np.zeros(self.tables.neurons)
        return np.stack([nothing if (signs := batch[b].signs) is None else signs.astype(float) for b in at.tolist()])

    def _in_ball(self, batch: list[Cell]) -> list[Cell]:
        """Those that are not outside the ball."""
        ball, within = self.problem.ball, self.problem.root.within
        if ball is None or within is None or not self.by_box:
            return batch
        left: list[Cell] = []
        far = ball.misses(np.stack([c.low for c in batch]), np.stack([c.high for c in batch]))
        for cell, one in zip(batch, far.tolist(), strict=True):
            if one and within.misses([Fraction(v) for v in cell.low.tolist()], [Fraction(v) for v in cell.high.tolist()]):
                self.counts["share"] += cell.share
                cell.node.events.append(Outside())
                cell.open = []
            else:
                left.append(cell)
        return left

    def _bound(self, batch: list[Cell], pairs: list[tuple[int, Open]], lines: Lines, cells: Cells, moved: bool) -> Ascent:
        """Alternatives bounded, from what bounded them best before; `moved`: all ends are by rows from above."""
        at = np.array([b for b, _ in pairs])
        shares, member = np.zeros((len(pairs), len(self.problem.rows))), np.zeros((len(pairs), len(self.problem.rows)), dtype=bool)
        line, signs = lines.of_cells(at), self._signs(batch, at)
        slopes = line.rule.copy()
        member[_flat(pairs)] = True
        for r, (_, one) in enumerate(pairs):
            if one.shares is None:
                shares[r, one.goals[:1]] = 1.0
        known = [(r, one.shares, one.slopes) for r, (_, one) in enumerate(pairs) if one.shares is not None and one.slopes is not None]
        if known:
            some = [r for r, _, _ in known]
            shares[_flat(pairs, some)] = np.concatenate([one for _, one, _ in known])
            slopes[some] = np.where(line.open[some], np.stack([one for _, _, one in known]), line.rule[some])
        betas = None if signs is None else np.zeros(slopes.shape)
        if betas is not None:
            for r, (b, one) in enumerate(pairs):
                if batch[b].signs is not None and one.betas is not None:
                    betas[r] = one.betas
        several = [r for r, (_, one) in enumerate(pairs) if len(one.goals) > 1]
        if several:
            self._combine(several, pairs, Choice(shares, slopes, None), line, cells, at)
        steps = (FIRST_STEPS if moved else STEPS) if self.by_box else NEURON_STEPS
        if not all(c.depth for c in batch):
            steps = ROOT_STEPS
        bound = np.array([one.bound for _, one in pairs])
        return self._ascend(member, Choice(shares, slopes, betas), line, signs, Cells(cells.low[at], cells.high[at]), steps, bound)

    def _ascend(
        self, member: np.ndarray, start: Choice, line: Lines, signs: np.ndarray | None, cells: Cells, steps: int, bound: np.ndarray
    ) -> Ascent:
        aim = np.where(np.isfinite(bound), np.maximum(1e-4, 0.02 * np.abs(bound)), 1e-4)
        return ascend(self.tables, self.goals, member, start, line, signs, cells, self.sizes, steps, aim, not self.by_box)

    def _combine(self, several: list[int], pairs: list[tuple[int, Open]], start: Choice, line: Lines, cells: Cells, at: np.ndarray) -> None:
        """Multipliers of the goals, from bounds on each of them."""
        most = max(len(pairs[r][1].goals) for r in several)
        game = np.array([g for g, r in enumerate(several) for _ in pairs[r][1].goals])
        place = np.array([k for r in several for k in range(len(pairs[r][1].goals))])
        goal = np.array([g for r in several for g in pairs[r][1].goals])
        which = np.array(several)[game]
        single = np.zeros((len(which), start.shares.shape[1]))
        single[np.arange(len(which)), goal] = 1.0
        rows, constant = self.goals.combined(single)
        low, high = cells.low[at[several]], cells.high[at[several]]
        some = Cells(low[game], high[game])
        bound = backward(self.tables, rows, constant, self.tables.depth, line.of_cells(which), some, self.sizes, start.slopes[which])
        gradient, offset = np.zeros((len(several), most, self.tables.inputs)), np.zeros((len(several), most))
        gradient[game, place] = bound.gradient
        offset[game, place] = bound.value - np.einsum("rn,rn->r", bound.gradient, bound.point)
        there = np.zeros(offset.shape, dtype=bool)
        there[game, place] = True
        found = on_grid((combine_compiled if self.tables.fused else combine)(gradient, offset, there, low, high), SHARES)
        for g, r in enumerate(several):
            goals = pairs[r][1].goals
            start.shares[r, goals] = found[g, : len(goals)]

    def _candidate(self, points: np.ndarray) -> Point | None:
        if self.problem.ball is not None:
            points = self.problem.ball.pulled(points)
        miss = self.problem.misses(points)
        for i in np.flatnonzero(miss <= 0)[:3]:
            found = self.problem.solution(points[i])
            if found is not None:
                return found
        return None

    def _close(self, batch: list[Cell], pairs: list[tuple[int, Open]], result: Ascent, lines: Lines, cells: Cells) -> None:
        """Keep what was found of every alternative; take out those that are refuted."""
        slopes = self._own(batch, pairs, result, lines, cells) if self.keep else {}
        before = [cell.bound for cell in batch]
        shares, begin = result.choice.shares[_flat(pairs)], 0
        for r, ((_, one), bound) in enumerate(zip(pairs, result.sure.tolist(), strict=True)):
            one.bound, one.shares, one.slopes = bound, shares[begin : begin + len(one.goals)], result.choice.slopes[r]
            one.betas = None if result.choice.betas is None else result.choice.betas[r]
            begin += len(one.goals)
        for cell, bound in zip(batch, before, strict=True):
            left: list[Open] = []
            for one in cell.open:
                if one.bound <= 0:
                    left.append(one)
                    continue
                self.counts["leaves"] += 1
                if self.keep and one.shares is not None:
                    betas = np.zeros(len(cell.path)) if one.betas is None else one.betas[list(cell.path)]
                    cell.node.events.append(Closing(len(left), one.shares, *slopes.get(id(one), (NOTHING, NOTHING)), betas))
            cell.open = left
            cell.rise = cell.bound - bound if bound > -np.inf else np.inf

    def _own(
        self, batch: list[Cell], pairs: list[tuple[int, Open]], result: Ascent, lines: Lines, cells: Cells
    ) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """Slopes of open neurons, and the rule's, of alternatives that are refuted with others than these; as short as
        may be.
        """
        rows = np.flatnonzero(result.sure > 0)
        if not len(rows):
            return {}
        at = np.array([pairs[r][0] for r in rows.tolist()])
        line, choice = lines.of_cells(at), result.choice.rows(rows)
        shorten(self.tables, self.sizes, self.goals, choice, self._signs(batch, at), line, Cells(cells.low[at], cells.high[at]))
        result.choice.slopes[rows] = choice.slopes
        differ = (line.open & (choice.slopes != line.rule)).any(axis=1)
        return {id(pairs[rows[k]][1]): (choice.slopes[k][line.open[k]], line.rule[k][line.open[k]]) for k in np.flatnonzero(differ).tolist()}

    # ---- what is left ---------------------------------------------------------------------------------------------
    def _divide(
        self, batch: list[Cell], pairs: list[tuple[int, Open]], result: Ascent | None, reach: np.ndarray | None
    ) -> tuple[Point | None, list[Cell]]:
        children: list[Cell] = []
        row_of = {id(one): r for r, (_, one) in enumerate(pairs)}
        branching: list[Branching] = []
        for b, cell in enumerate(batch):
            if not cell.open:
                self.counts["share"] += cell.share
                continue
            free = cell.free
            grown = self._choose(cell) if len(free) else None
            if grown is not None:
                children.append(grown)
                continue
            point = self._decide(cell)
            if point is not None:
                return point, []
            if not cell.open:
                self.counts["share"] += cell.share
                continue
            if len(cell.open) > 1 and not self.by_box:
                children += self._apart(cell)
                continue
            assert result is not None
            mine = [row_of[id(one)] for one in cell.open]
            varies = (cell.highs[free] - cell.lows[free]).max() > FINE
            few = FEW_OPEN + max(0, cell.depth - LATE) // SLOWLY
            if self.by_box and reach is not None and len(free) > few and cell.depth < DEEP and varies:
                scores = box_scores(result, mine, reach[b], cell.low, cell.high)
                k = int(np.argmax(scores))
                middle = (cell.low[k] + cell.high[k]) / 2
                if scores[k] > 0 and cell.low[k] < middle < cell.high[k]:
                    children += self._halves(cell, k, middle)
                    continue
            branching.append(Branching(cell, mine[0]))
        if result is not None:
            for cell, neuron in best_neurons(self.tables, self.goals, self.sizes, branching, result):
                children += self._sides(cell, neuron)
        return None, children

    def _choose(self, cell: Cell) -> Cell | None:
        """The same cell with the first open alternative that has one more choice replaced by its choices."""
        for place, one in enumerate(cell.open):
            if one.alternative.pending:
                cell.node.events.append(place)
                cell.open[place : place + 1] = [self._open(a) for a in one.alternative.chosen()]
                cell.first = self.tables.depth
                return cell
        return None

    def _child(self, cell: Cell, **changes: object) -> Cell:
        node = Node(self.tables.depth)
        cell.node.children.append(node)
        opened = [Open(o.alternative, o.goals, o.shares, o.slopes, o.betas, o.bound) for o in cell.open]
        values: dict[str, object] = {
            "low": cell.low,
            "high": cell.high,
            "lows": cell.lows,
            "highs": cell.highs,
            "signs": cell.signs,
            "path": cell.path,
            "open": opened,
            "depth": cell.depth + 1,
            "share": cell.share / 2,
            "first": 0,
            "node": node,
            "held": cell.held,
            "rise": cell.rise,
            **changes,
        }
        return Cell(**values)  # type: ignore[arg-type]

    def _apart(self, cell: Cell) -> list[Cell]:
        """One cell for each open alternative, which are split by different neurons."""
        cell.node.kind = ALTERNATIVES
        share = cell.share / len(cell.open)
        return [self._child(cell, open=[one], first=self.tables.depth, share=share) for one in cell.open]

    def _halves(self, cell: Cell, k: int, middle: float) -> list[Cell]:
        cell.node.kind, cell.node.at = BOX, k
        low, high = cell.low.copy(), cell.high.copy()
        low[k], high[k] = middle, middle
        return [self._child(cell, high=high), self._child(cell, low=low)]

    def _sides(self, cell: Cell, neuron: int) -> list[Cell]:
        cell.node.kind, cell.node.at = NEURON, neuron
        found = []
        for sign in (-1, 1):
            lows, highs = cell.lows.copy(), cell.highs.copy()
            signs = np.zeros(self.tables.neurons, dtype=np.int8) if cell.signs is None else cell.signs.copy()
            signs[neuron] = sign
            (highs if sign < 0 else lows)[neuron] = 0.0
            found.append(self._child(cell, lows=lows, highs=highs, signs=signs, path=(*cell.path, neuron)))
        return found

    def _decide(self, cell: Cell) -> Point | None:
        """Settle alternatives by exact programs: a solution, or they are refuted.

        All of them where no neuron is open; otherwise those that say nothing of outputs, where nothing is to be chosen.
        """
        known, place = not len(cell.free), 0
        while place < len(cell.open):
            checkpoint()
            one = cell.open[place]
            if one.goals and not known:
                place += 1
                continue
            if one.alternative.pending:
                cell.node.events.append(place)
                cell.open[place : place + 1] = [self._open(a) for a in one.alternative.chosen()]
                continue
            self.counts["programs"] += 1
            found = decide(self.problem, cell, one)
            if not isinstance(found, Combination):
                return found
            cell.node.events.append(Exact(place, found))
            cell.open.pop(place)
        return None


def _flat(pairs: list[tuple[int, Open]], among: Sequence[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of pairs, all or some, and goals of their alternatives, one for each goal."""
    some = range(len(pairs)) if among is None else among
    goals = [pairs[r][1].goals for r in some]
    return np.repeat(np.array(some, dtype=int), [len(one) for one in goals]), np.array([goal for one in goals for goal in one], dtype=int)


def by_box(problem: Problem) -> bool:
    """Whether boxes are cut, rather than neurons."""
    return bool((problem.high > problem.low).sum() <= (FEW if problem.ball is None else FEW_IN_BALL))


def note_ends(node: Node, k: int, doubtful: np.ndarray | None) -> None:
    """Keep the ends of cell k that other arithmetic might round otherwise."""
    if doubtful is not None:
        node.ends += stated_ends(doubtful[:, k])
