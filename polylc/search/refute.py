"""Proof by search: alternatives refuted on cells by bounds; what a bound leaves is cut smaller, or has a solution.

A batch of cells is treated at once. In few dimensions boxes are cut, and the open neurons of every cell bounded anew;
in many, neurons are split, below bounds found at the root (PROOFSEARCH measured both). Where no neuron is open an exact
program decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from polylc.bounds.ascent import SHARES, SLOPES, Ascent, Choice, Goals, ascend, on_grid
from polylc.bounds.backward import Cells, backward
from polylc.bounds.game import combine, combine_compiled
from polylc.bounds.hidden import refine
from polylc.bounds.relaxation import Lines
from polylc.bounds.tables import Sizes
from polylc.domains.alternatives import Alternative
from polylc.exact.checkpoint import checkpoint
from polylc.proof.tree import ALTERNATIVES, BOX, NEURON, STATED, Closing, Combination, Exact, Node, Outside, stated_ends
from polylc.search.attack import attack
from polylc.search.cells import Cell, Open, Queue
from polylc.search.decide import decide
from polylc.search.problem import Problem
from polylc.search.split import Branching, best_neurons, box_scores

FEW, FEW_IN_BALL = 16, 6  # free inputs up to which boxes are cut; small boxes at a round border are many
FEW_OPEN, DEEP = 3, 60  # open neurons, and depth, from which neurons are split all the same: that comes to an end
LATE, SLOWLY = 24, 6  # from this depth on one open neuron more for every so many levels: boxes creep along a tie
FINE = 2.0**-24  # so are they where none of them varies by more, as ends are multiples of 2^-30
STEPS, NEURON_STEPS, ROOT_STEPS = 8, 14, 24  # passes for a box, for a cell cut by neurons (more of them cost less than cells), and at first
BATCH = 64
COARSER = (0.0, 1.0, 2.0, 8.0, SLOPES)  # 0: the slopes of the rule  # grids on which slopes of refutations are tried
COMPILED = 256  # cells from which passes use compiled kernels: loading them takes longer than so many cells
NEAR = 2.0**20  # bounds on the rounding of goals, by which points that are tried exactly may miss them
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
        tables = self.tables
        self.counts["cells"] += len(batch)
        batch = self._in_ball(batch)
        if not batch:
            return None, []
        cells = Cells(np.stack([c.low for c in batch]), np.stack([c.high for c in batch]))
        found = self._candidate((cells.low + cells.high) / 2)
        if found is not None:
            return found, []
        lows, highs = np.stack([c.lows for c in batch]), np.stack([c.highs for c in batch])
        reach = None
        if self.by_box:
            anew = [b for b, c in enumerate(batch) if c.first < tables.depth]
            reach = np.zeros((len(batch), tables.neurons, tables.inputs))
            if anew:
                self._refine(batch, anew, cells, lows, highs, reach)
        lines = Lines.of(lows, highs)
        pairs = [(b, one) for b, cell in enumerate(batch) for one in cell.open]
        if pairs:
            result = self._bound(batch, pairs, lines, cells)
            found = self._candidate(np.concatenate([result.point, result.mean]))
            if found is not None:
                return found, []
            if self.keep:
                self._shorten(batch, pairs, result, lines, cells)
            self._close(batch, pairs, result)
        return self._divide(batch, pairs, result if pairs else None, lines, lows, highs, cells, reach)

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

    def _refine(self, batch: list[Cell], anew: list[int], cells: Cells, lows: np.ndarray, highs: np.ndarray, reach: np.ndarray) -> None:
        some = np.array(anew)
        part = Cells(cells.low[some], cells.high[some])
        low, high, spread = lows[some], highs[some], reach[some]
        doubtful = np.full((2, len(some), self.tables.neurons), np.nan) if self.keep else None
        refine(self.tables, low, high, part, self.sizes, 0, doubtful, spread)
        lows[some], highs[some], reach[some] = low, high, spread
        for k, b in enumerate(anew):
            batch[b].lows, batch[b].highs = low[k], high[k]
            batch[b].node.refined = 0
            note_ends(batch[b].node, k, doubtful)

    def _bound(self, batch: list[Cell], pairs: list[tuple[int, Open]], lines: Lines, cells: Cells) -> Ascent:
        at = np.array([b for b, _ in pairs])
        member = np.zeros((len(pairs), len(self.problem.rows)), dtype=bool)
        shares = np.zeros(member.shape)
        line = lines.of_cells(at)
        slopes = line.rule.copy()
        cut = any(c.signs is not None for c in batch)
        betas = np.zeros(slopes.shape) if cut else None
        signs = np.zeros(slopes.shape) if cut else None
        for r, (b, one) in enumerate(pairs):
            member[r, one.goals] = True
            if one.shares is not None and one.slopes is not None:
                shares[r, one.goals] = one.shares
                slopes[r] = np.where(line.open[r], one.slopes, line.rule[r])
            else:
                shares[r, one.goals[:1]] = 1.0
            if betas is not None and signs is not None and batch[b].signs is not None:
                signs[r] = batch[b].signs
                if one.betas is not None:
                    betas[r] = one.betas
        steps = (STEPS if self.by_box else NEURON_STEPS) if all(c.depth for c in batch) else ROOT_STEPS
        several = [r for r, (_, one) in enumerate(pairs) if len(one.goals) > 1]
        if several:
            self._combine(several, pairs, Choice(shares, slopes, None), line, cells, at)
        aim = np.array([max(1e-4, 0.02 * abs(one.bound)) if np.isfinite(one.bound) else 1e-4 for _, one in pairs])
        some = Cells(cells.low[at], cells.high[at])
        start, patient = Choice(shares, slopes, betas), not self.by_box
        return ascend(self.tables, self.goals, member, start, line, signs, some, self.sizes, steps, aim, patient)

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

    def _shorten(self, batch: list[Cell], pairs: list[tuple[int, Open]], result: Ascent, lines: Lines, cells: Cells) -> None:
        """Slopes of refutations on the coarsest grid on which they still refute: what is kept of them is short."""
        rows = np.flatnonzero(result.sure > 0)
        if not len(rows):
            return
        at = np.array([pairs[r][0] for r in rows])
        line, some = lines.of_cells(at), Cells(cells.low[at], cells.high[at])
        choice = result.choice.rows(rows)
        shares, betas = choice.shares, choice.betas
        pulls = None
        if betas is not None:
            pulls = betas * np.stack([np.zeros(self.tables.neurons) if (s := batch[b].signs) is None else s for b in at])
        matters = np.zeros(choice.slopes.shape, dtype=bool)
        left = np.ones(len(rows), dtype=bool)
        for grid in (None, *COARSER):
            combined, constant = self.goals.combined(shares)
            slopes = choice.slopes
            if grid is not None:
                slopes = np.where(line.open & matters, on_grid(slopes, grid), line.rule) if grid else line.rule
            bound = backward(self.tables, combined, constant, self.tables.depth, line, some, self.sizes, slopes, pulls, keep=grid is None)
            if grid is None:
                for span, v, units in zip(self.tables.span, bound.coefficients, self.tables.units, strict=True):
                    if v is not None:
                        matters[:, span] = v * units.jump > 0
                continue
            good = left & (bound.value - bound.error - shares @ self.goals.noise > 0)
            result.choice.slopes[rows[good]] = slopes[good]
            left &= ~good
            if not left.any():
                break

    def _close(self, batch: list[Cell], pairs: list[tuple[int, Open]], result: Ascent) -> None:
        """Keep what was found of every alternative; take out those that are refuted."""
        for r, (_, one) in enumerate(pairs):
            one.bound = float(result.sure[r])
            one.shares, one.slopes = result.choice.shares[r, one.goals], result.choice.slopes[r]
            one.betas = None if result.choice.betas is None else result.choice.betas[r]
        for cell in batch:
            left: list[Open] = []
            for one in cell.open:
                if one.bound > 0:
                    self.counts["leaves"] += 1
                    if self.keep:
                        cell.node.events.append(self._closing(cell, len(left), one))
                else:
                    left.append(one)
            cell.open = left

    def _closing(self, cell: Cell, place: int, one: Open) -> Closing:
        assert one.shares is not None
        assert one.slopes is not None
        betas = np.zeros(len(cell.path)) if one.betas is None else one.betas[list(cell.path)]
        low, high = cell.lows[cell.free], cell.highs[cell.free]
        every = None
        if self.by_box:
            every = np.rint(one.slopes * SLOPES).astype(np.int16)
            every[cell.free] += np.where(one.slopes[cell.free] != (high > -low), STATED, 0).astype(np.int16)
        return Closing(place, one.shares, one.slopes[cell.free], (high > -low).astype(float), betas, every)

    # ---- what is left ---------------------------------------------------------------------------------------------
    def _divide(
        self,
        batch: list[Cell],
        pairs: list[tuple[int, Open]],
        result: Ascent | None,
        lines: Lines,
        lows: np.ndarray,
        highs: np.ndarray,
        cells: Cells,
        reach: np.ndarray | None,
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


def by_box(problem: Problem) -> bool:
    """Whether boxes are cut, rather than neurons."""
    return bool((problem.high > problem.low).sum() <= (FEW if problem.ball is None else FEW_IN_BALL))


def note_ends(node: Node, k: int, doubtful: np.ndarray | None) -> None:
    """Keep the ends of cell k that other arithmetic might round otherwise."""
    if doubtful is not None:
        node.ends += stated_ends(doubtful[:, k])
