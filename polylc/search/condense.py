"""Proofs made short: of all that a search bounded, what a checker needs to bound again.

A search bounds the open neurons of every cell anew. A proof need not: rows that were found farther up hold on all cells
within, and where a cell is small, their least values there are often good enough. Where they are not, the neurons that
cost a refutation most are bounded anew, or all that are open; and where that does not do, those of the cells above. All
of it is tried, from the top of the tree downward, in the arithmetic of the search, whose roundings are known.

Cells with many cells within are left as the search had them: so what is tried again where a refutation was not found
stays in one small part of the tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from polylc.bounds.ascent import SLOPES, Goals
from polylc.bounds.backward import Cells, backward
from polylc.bounds.hidden import Kept, move, refine
from polylc.bounds.relaxation import Lines
from polylc.bounds.tables import UNKNOWN, Sizes
from polylc.domains.alternatives import Alternative
from polylc.exact.checkpoint import checkpoint
from polylc.proof.tree import BOX, NEURON, STATED, Closing, Exact, Node, stated_ends_of
from polylc.search.problem import Problem

LITTLE = (2, 6)  # tried in turn: 2^-little of the largest loss is what is bounded anew
EVERY = 4  # levels between cells whose neurons are bounded anew at first
APART = 64  # cells of the parts that are made short each by itself: those above are as the search left them
MEMORY = 2**25  # numbers of the rows that are kept of a batch of cells
CLOSE = 2.0**-30  # a loss that is so close to the limit might lie on its other side
ROUNDS, PATIENT = 12, 1  # rounds, and those after which all cells above are bounded anew


@dataclass
class Part:
    """Cells of one depth, with what a checker knows there."""

    nodes: list[Node]
    low: np.ndarray
    high: np.ndarray
    lows: np.ndarray
    highs: np.ndarray
    signs: np.ndarray
    paths: list[tuple[int, ...]]
    open: list[list[Alternative]]
    kept: list[Kept]  # rows of cells whose neurons were bounded anew, by batches
    where: np.ndarray  # of each cell the batch and the place there; shape (cells, 2)
    above: list[tuple[Node, ...]]
    live: np.ndarray  # whether something has changed here or above


@dataclass
class Row:
    """A refutation to be found again: its cell, and the numbers of the bound."""

    cell: int
    event: Closing
    shares: np.ndarray
    pulls: np.ndarray


def condense(problem: Problem, sizes: Sizes, goals: Goals, tree: Node) -> Node | None:
    """A tree that refutes the same with less to bound; None if there is none."""
    work = _Condenser(problem, sizes, goals, tree)
    changed = {id(tree)}
    for round_ in range(ROUNDS):
        failed = work.run(tree, changed)
        if not failed:
            return work.written(tree)
        changed = set()
        for path in failed:
            changed.update(work.more(path, round_))
        if not changed:
            break
    return None


class _Condenser:
    def __init__(self, problem: Problem, sizes: Sizes, goals: Goals, tree: Node) -> None:
        self.problem, self.tables, self.sizes, self.goals = problem, problem.tables, sizes, goals
        self.anew: set[int] = {id(tree)}  # cells whose neurons are bounded anew
        self.plain: set[int] = {id(tree)}  # and without rows from above, as the search did
        self.found: dict[int, Node] = {}  # what became of nodes
        self._choose(tree)

    def more(self, path: Sequence[Node], round_: int) -> list[int]:
        """Have more bounded anew on the way to a cell that failed: first the cells right above, and in the end all of
        them, and as the search did.
        """
        *above, last = map(id, path)
        self.anew.add(last)
        left = [one for one in reversed(above) if one not in self.anew]
        if left and round_ < PATIENT:
            left = left[: 1 + round_]
        else:
            left = [one for one in (*above, last) if one not in self.anew or one not in self.plain]
            self.plain.update(left)
        self.anew.update(left)
        return left

    def run(self, tree: Node, changed: set[int]) -> list[tuple[Node, ...]]:
        """Find all refutations again below cells where something has changed; the paths to those cells where they are
        not found.
        """
        self.changed, self.needed = changed, self._above(tree, changed)
        problem, tables = self.problem, self.tables
        m, n = tables.neurons, tables.inputs
        ends = np.full((1, m), UNKNOWN)
        root = Part(
            [tree], problem.low[None], problem.high[None], -ends, ends, np.zeros((1, m), dtype=np.int8), [()], [list(problem.root.alternatives)],
            [Kept.none(1, m, n)], np.zeros((1, 2), dtype=int), [()], np.array([id(tree) in changed]),
        )  # fmt: skip
        stack, failed = [root], []
        most = max(1, MEMORY // (2 * m * (n + 2)))
        while stack:
            checkpoint()
            part = stack.pop()
            if len(part.nodes) > most:
                half = len(part.nodes) // 2
                stack += [_some(part, np.arange(half, len(part.nodes))), _some(part, np.arange(half))]
                continue
            bad = self._treat(part)
            failed += [(*part.above[b], part.nodes[b]) for b in bad]
            below = self._below(part)
            if below is not None:
                stack.append(below)
        return failed

    @staticmethod
    def _above(tree: Node, changed: set[int]) -> set[int]:
        """Cells that changed, and those above them."""
        found: set[int] = set()
        stack: list[tuple[Node, tuple[int, ...]]] = [(tree, ())]
        while stack:
            node, above = stack.pop()
            path = (*above, id(node))
            if id(node) in changed:
                found.update(path)
            stack += [(child, path) for child in node.children]
        return found

    def _choose(self, tree: Node) -> None:
        sizes = _sizes(tree)
        stack = [(tree, 0)]
        while stack:
            node, depth = stack.pop()
            if sizes[id(node)] > APART:
                self.plain.add(id(node))
                depth = 0
            if node.children and depth % EVERY == 0:
                self.anew.add(id(node))
            if any(isinstance(event, Exact) for event in node.events):
                self.anew.add(id(node))
            stack += [(child, depth + 1) for child in node.children]

    # ---- one batch ------------------------------------------------------------------------------------------------
    def _treat(self, part: Part) -> list[int]:
        """Cells on which refutations were not found."""
        new = [Node(self.tables.depth, kind=node.kind, at=node.at) for node in part.nodes]
        for node, found in zip(part.nodes, new, strict=True):
            self.found[id(node)] = found
        cells = Cells(part.low, part.high)
        work = np.array([b for b, node in enumerate(part.nodes) if node.events or id(node) in self.anew], dtype=int)
        if not len(work):
            return []
        moving = np.array([b for b in work.tolist() if id(part.nodes[b]) not in self.plain], dtype=int)
        if len(moving):
            self._move(part, moving, new)
        rows = {b: self._rows(part, b) for b in work.tolist()}
        full = np.array([b for b in work.tolist() if id(part.nodes[b]) in self.anew], dtype=int)
        rest = np.array([b for b in work.tolist() if id(part.nodes[b]) not in self.anew], dtype=int)
        left = self._refute(part, rest, rows, new, cells, final=False)
        self._bound_anew(part, np.concatenate([full, left]), new, cells)
        bad: list[int] = self._refute(part, np.concatenate([full, left]), rows, new, cells, final=True).tolist()
        return bad

    def _move(self, part: Part, work: np.ndarray, new: list[Node]) -> None:
        for k, kept in enumerate(part.kept):
            some = work[part.where[work, 0] == k]
            if not len(some):
                continue
            lows, highs = part.lows[some], part.highs[some]
            unsure = move(kept, lows, highs, Cells(part.low[some], part.high[some]), part.where[some, 1])
            part.lows[some], part.highs[some] = lows, highs
            for b, moved in zip(some.tolist(), stated_ends_of(unsure), strict=True):
                new[b].moved = moved

    def _bound_anew(self, part: Part, some: np.ndarray, new: list[Node], cells: Cells) -> None:
        if not len(some):
            return
        lows, highs, kept = part.lows[some], part.highs[some], Kept.none(len(some), self.tables.neurons, self.tables.inputs)
        doubtful = np.full((2, *lows.shape), np.nan)
        refine(self.tables, lows, highs, Cells(cells.low[some], cells.high[some]), self.sizes, 0, doubtful, kept=kept)
        part.lows[some], part.highs[some] = lows, highs
        part.where[some, 0], part.where[some, 1] = len(part.kept), np.arange(len(some))
        part.kept = [*part.kept, kept]
        for b, ends in zip(some.tolist(), stated_ends_of(doubtful), strict=True):
            new[b].refined, new[b].ends = 0, ends

    def _rows(self, part: Part, b: int) -> list[Row]:
        """What is to be found again of a cell, in order."""
        found, opened = [], part.open[b]
        path = part.paths[b]
        for event in part.nodes[b].events:
            if isinstance(event, int):
                opened[event : event + 1] = opened[event].chosen()
                continue
            assert isinstance(event, Closing | Exact)
            alternative = opened.pop(event.place)
            if isinstance(event, Closing):
                shares, pulls = np.zeros(len(self.problem.rows)), np.zeros(self.tables.neurons)
                shares[self.problem.goals_of(alternative)] = event.shares
                np.add.at(pulls, list(path), part.signs[b][list(path)] * event.betas)
                found.append(Row(b, event, shares, pulls))
        return found

    def _refute(self, part: Part, some: np.ndarray, rows: dict[int, list[Row]], new: list[Node], cells: Cells, final: bool) -> np.ndarray:
        """Find refutations again, one after the other; the cells where some were not found."""
        good = dict.fromkeys(some.tolist(), True)
        closings: dict[int, list[Closing]] = {b: [] for b in good}
        lows, highs = part.lows.copy(), part.highs.copy()
        for place in range(max((len(rows[b]) for b in good), default=0)):
            left = [rows[b][place] for b, ok in good.items() if ok and place < len(rows[b])]
            for little in (-1, *(() if final else LITTLE)):
                left = self._closed(left, little, lows, highs, cells, closings)
            for row in left:
                good[row.cell] = False
        for b in good:
            if any(isinstance(event, Exact) for event in part.nodes[b].events):
                good[b] &= not ((lows[b] < 0) & (highs[b] > 0)).any()
        for b, ok in good.items():
            if ok:
                part.lows[b], part.highs[b] = lows[b], highs[b]
                new[b].events = _merged(part.nodes[b].events, closings[b])
        return np.array([b for b, ok in good.items() if not ok], dtype=int)

    def _closed(
        self, left: list[Row], little: int, lows: np.ndarray, highs: np.ndarray, cells: Cells, closings: dict[int, list[Closing]]
    ) -> list[Row]:
        """Close rows, and return those that are left."""
        if not left:
            return left
        at = np.array([row.cell for row in left])
        low, high = lows[at], highs[at]
        some, every = Cells(cells.low[at], cells.high[at]), np.stack([row.event.every for row in left])  # type: ignore[misc]
        lines = before = Lines.of(low, high)
        own, stated = every % STATED / SLOPES, every >= STATED
        rest, sure, doubtful = np.arange(len(left)), np.ones(len(left), dtype=bool), None
        if little >= 0:
            only, sure = self._costly(left, little, before, np.where(before.open & stated, own, before.rule), some)
            doubtful = np.full((2, *low.shape), np.nan)
            refine(self.tables, low, high, some, self.sizes, 0, doubtful, only=only)
            lines = Lines.of(low, high)
        ends = None if doubtful is None else stated_ends_of(doubtful)
        for choice in ("rule", "stated", "own") if little < 0 else ("stated",):
            if not len(rest):
                break
            line = lines.of_cells(rest)
            slopes = line.rule
            if choice != "rule":
                said = np.where(stated[rest] if choice == "stated" else True, own[rest], before.rule[rest])  # read before ends move
                slopes = np.where(line.open, said, line.rule)
            bound = self._bound([left[k] for k in rest], line, slopes, Cells(some.low[rest], some.high[rest]))
            closed = sure[rest] & (bound > 0)
            for k in rest[closed].tolist():
                row, free, rule = left[k], before.open[k], before.rule[k]
                shown = rule if choice == "rule" else np.where(lines.open[k] & (stated[k] if choice == "stated" else True), own[k], rule)
                lows[row.cell], highs[row.cell] = low[k], high[k]
                event = replace(row.event, slopes=shown[free], rule=rule[free], every=None, little=little, ends=ends[k] if ends else [])
                closings[row.cell].append(event)
            rest = rest[~closed]
        return [left[k] for k in rest.tolist()]

    def _costly(self, left: Sequence[Row], little: int, lines: Lines, slopes: np.ndarray, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        """Neurons whose lines cost bounds much, and whether that is certain."""
        losses = np.zeros(slopes.shape)
        rows, constant, pulls = self._combined(left)
        bound = backward(self.tables, rows, constant, self.tables.depth, lines, cells, self.sizes, slopes, pulls, keep=True)
        for span, v, units in zip(self.tables.span, bound.coefficients, self.tables.units, strict=True):
            if v is not None:
                losses[:, span] = np.where(lines.open[:, span], np.maximum(-v * units.jump, 0.0) * lines.above[:, span], 0.0)
        least = losses.max(axis=1, keepdims=True) * 2.0**-little
        doubt = np.abs(losses - least) <= CLOSE * least + 8 * bound.error[:, None]
        return losses >= least, (least[:, 0] > 0) & ~doubt.any(axis=1)

    def _combined(self, left: Sequence[Row]):  # type: ignore[no-untyped-def]
        shares = np.stack([row.shares for row in left])
        rows, constant = self.goals.combined(shares)
        return rows, constant, np.stack([row.pulls for row in left]) if any(row.pulls.any() for row in left) else None

    def _bound(self, left: Sequence[Row], lines: Lines, slopes: np.ndarray, cells: Cells) -> np.ndarray:
        rows, constant, pulls = self._combined(left)
        bound = backward(self.tables, rows, constant, self.tables.depth, lines, cells, self.sizes, slopes, pulls)
        found: np.ndarray = bound.value - bound.error - np.stack([row.shares for row in left]) @ self.goals.noise
        return found

    # ---- from cells to their children -----------------------------------------------------------------------------
    def _below(self, part: Part) -> Part | None:
        live = part.live.tolist()
        pairs = [(b, c) for b, node in enumerate(part.nodes) for c, child in enumerate(node.children) if live[b] or id(child) in self.needed]
        if not pairs:
            return None
        at = np.array([b for b, _ in pairs])
        found = _some(part, at)
        found.nodes = [part.nodes[b].children[c] for b, c in pairs]
        found.above = [(*part.above[b], part.nodes[b]) for b, _ in pairs]
        used, found.where[:, 0] = np.unique(found.where[:, 0], return_inverse=True)
        found.kept = [part.kept[k] for k in used.tolist()]  # of others the memory is free again
        found.live |= np.array([id(node) in self.changed for node in found.nodes])
        for k, (b, c) in enumerate(pairs):
            node = part.nodes[b]
            i = node.at
            if node.kind == BOX:
                middle = (part.low[b, i] + part.high[b, i]) / 2
                (found.high if c == 0 else found.low)[k, i] = middle
            elif node.kind == NEURON:
                sign = (-1, 1)[c]
                found.signs[k, i] = sign
                found.paths[k] = (*part.paths[b], i)
                if sign < 0:
                    found.highs[k, i] = min(found.highs[k, i], 0.0)
                else:
                    found.lows[k, i] = max(found.lows[k, i], 0.0)
            else:
                found.open[k] = [part.open[b][c]]
        return found

    def written(self, tree: Node) -> Node:
        """The tree of what became of nodes."""
        stack = [tree]
        while stack:
            node = stack.pop()
            self.found[id(node)].children = [self.found[id(child)] for child in node.children]
            stack += node.children
        return self.found[id(tree)]


def _sizes(tree: Node) -> dict[int, int]:
    """How many cells lie within each cell."""
    order, found = [tree], dict[int, int]()
    for node in order:
        order += node.children
    for node in reversed(order):
        found[id(node)] = 1 + sum(found[id(child)] for child in node.children)
    return found


def _some(part: Part, at: np.ndarray) -> Part:
    which = at.tolist()
    return Part(
        [part.nodes[b] for b in which], part.low[at], part.high[at], part.lows[at], part.highs[at], part.signs[at], [part.paths[b] for b in which],
        [list(part.open[b]) for b in which], part.kept, part.where[at], [part.above[b] for b in which], part.live[at],
    )  # fmt: skip


def _merged(events: Sequence[object], closings: Sequence[Closing]) -> list[object]:
    rest = iter(closings)
    return [next(rest) if isinstance(event, Closing) else event for event in events]
