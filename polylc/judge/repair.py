"""Surgery on the decision tree: regions that the engine missed are added, cells that turn out to be empty are removed.

A claim "s z >= 0" that is false on the cell of node v means that the part with s z < 0 was never explored. So v gets
two children: one takes over all that was below v, with s z > 0 as one more half-space; the other is explored exactly.
Claims below stay true in a smaller cell. Regions whose point does not satisfy the new half-space get another point, or,
if their cell has no interior now, are removed; a node that has lost a child so keeps the other, and the claim that its
neuron has that side's sign is then true and proved.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from polylc.engines.contract import Exploration, Outcome
from polylc.errors import JudgeError
from polylc.judge.columns import Points
from polylc.judge.decision_tree import Table
from polylc.judge.exact_decision import Point, inner_point, inside
from polylc.judge.exact_search import explore_exactly
from polylc.judge.node_sink import Doubt, NodeSink
from polylc.judge.proofs import Kept, KeptClaim
from polylc.judge.verdict import Verdict
from polylc.network.patterns import pack

LAST_WORDS = 0.5  # seconds to complete what was found when a limit was reached


def repair(judge: NodeSink, found: Exploration, go_on: Callable[[], bool] | None = None) -> Verdict:
    """The verdict on an exploration whose chunks the judge has taken.

    Raises
    ------
    JudgeError
        If the engine's columns contradict each other.
    """
    if found.outcome is not Outcome.COMPLETE:
        judge.kept = None  # of a part there is no certificate, and to lay its claims out takes long
    surgeon = _Surgeon(judge, go_on)
    outcome = found.outcome
    try:
        done = surgeon.complete_claims(found.outcome is Outcome.COMPLETE)
        if outcome is Outcome.COMPLETE:
            outcome = surgeon.operate() if done else Outcome.TIME_LIMIT
        else:
            surgeon.cut_off()
    except KeyboardInterrupt:
        outcome = Outcome.INTERRUPTED
    return surgeon.verdict(found, outcome)


class _Surgeon:
    def __init__(self, judge: NodeSink, go_on: Callable[[], bool] | None) -> None:
        self.judge, self.tree = judge, Table(judge)
        judge.book = self.tree
        self.go_on = go_on
        self.children: list[list[int]] = []
        self.below: dict[int, int] = {}  # node: a region below it, for its forms
        self.touched: set[int] = set()  # nodes that got a new half-space
        self.complete = 0  # regions of whose neurons all are decided
        self._link()

    def _link(self) -> None:
        tree = self.tree
        self.children = [[] for _ in tree.parent]
        for node, parent in enumerate(tree.parent):
            if parent >= 0:
                self.children[parent].append(node)
        self.below = {}
        for region, leaf in enumerate(self.tree.leaf):
            node = leaf
            while node >= 0 and node not in self.below:
                self.below[node] = region
                node = tree.parent[node]

    # ---- what is known ---------------------------------------------------------------------------------------------
    def complete_claims(self, whole: bool = True) -> bool:
        """Decide what the engine left out, and take over the bits of neurons that vanish identically; `whole` if it
        came to its end. Whether there was time for all regions.
        """
        last = time.monotonic() + LAST_WORDS
        tree, judge = self.tree, self.judge
        begins, ends = (judge.network.offsets[judge.network.layer_of + one].tolist() for one in (0, 1))
        everything = (1 << judge.network.neurons) - 1
        doubted: dict[int, int] = {}
        for doubt in judge.doubts:
            doubted[doubt.node] = doubted.get(doubt.node, 0) | 1 << doubt.neuron
        known, ones = [0] * len(tree.parent), [0] * len(tree.parent)
        for node, parent in enumerate(tree.parent):
            split = 0 if parent < 0 else 1 << tree.neuron[node]
            before = 0 if parent < 0 else known[parent]
            if split & before:
                raise JudgeError("the engine split a cell by a neuron that does not change sign there")
            known[node] = before | split | tree.known[node] | doubted.get(node, 0)
            new = known[node] & ~before & ~split
            later = (split and ((1 << begins[tree.neuron[node]]) - 1) & ~before) or (new and ((1 << begins[new.bit_length() - 1]) - 1) & ~known[node])
            if later:
                if whole:
                    raise JudgeError("the engine speaks of a neuron where an earlier layer is not decided")
                # an interrupt fell between the two: what was said with the bits of one region is decided anew for each
                undecided = (later & -later).bit_length() - 1
                known[node] &= before | split | ((1 << ends[undecided]) - 1)
            ones[node] = (0 if parent < 0 else ones[parent]) | (split if tree.side[node] == 1 else 0) | tree.ones[node]
        for region, leaf in enumerate(tree.leaf):
            missing, ours = everything & ~known[leaf], ones[leaf]
            if missing and self.go_on is not None and not self.go_on() and time.monotonic() > last:
                return False
            pattern = tree.pattern[region]
            settled = known[leaf] & ~self._doubted_on_path(leaf, doubted)
            wrong = (ours ^ _mask(pattern)) & settled
            for neuron in _members(wrong):
                if not pattern[neuron] or any(judge.forms.neuron(neuron, pattern)):
                    raise JudgeError(f"the engine gives neuron {neuron} another sign in a region than on the cell around it")
                pattern[neuron] = False  # it vanishes identically
            for neuron in _members(missing):
                if judge.decide(leaf, neuron, 1 if pattern[neuron] else -1, pattern):
                    pattern[neuron] = bool(tree.ones[leaf] >> neuron & 1)
            self.complete = region + 1
        return True

    def _doubted_on_path(self, node: int, doubted: dict[int, int]) -> int:
        mask = 0
        while node >= 0 and doubted:
            mask |= doubted.get(node, 0)
            node = self.tree.parent[node]
        return mask

    # ---- surgery ---------------------------------------------------------------------------------------------------
    def operate(self) -> Outcome:
        """Split what was missed, remove what is empty."""
        judge, tree = self.judge, self.tree
        for children in self.children:
            if len(children) not in (0, 2):
                raise JudgeError("a node of the engine's tree has lost a side")
            # the two sides of one neuron make up the cell; those of two neurons do not
            if children and (len({tree.neuron[child] for child in children}) > 1 or {tree.side[child] for child in children} != {0, 1}):
                raise JudgeError("the children of a node of the engine's tree are not the two sides of one neuron")
        if sorted(tree.leaf) != [node for node, c in enumerate(self.children) if not c]:
            raise JudgeError("the engine's regions are not the leaves of its tree")
        moved: dict[int, int] = {}
        for doubt in self._doubts():
            if self.go_on is not None and not self.go_on():
                return Outcome.TIME_LIMIT
            if not self._insert(_down(doubt, moved), moved):
                return Outcome.TIME_LIMIT
        judge.doubts.clear()
        return self._prune()

    def cut_off(self) -> None:
        """Of a part: where a claim is false, split, so that what was found below has cells that are proved; the other
        side stays missing.
        """
        last = time.monotonic() + LAST_WORDS
        judge, tree = self.judge, self.tree
        moved: dict[int, int] = {}
        for doubt in self._doubts():
            if doubt.node not in self.below:
                continue
            if self.go_on is not None and not self.go_on() and time.monotonic() > last:
                return
            self._cut(_down(doubt, moved), moved)
        for region, leaf in enumerate(tree.leaf[: self.complete]):
            point, pattern = tree.point[region], tree.pattern[region]
            cut = self.touched.intersection(tree.path(leaf))
            if not cut:
                continue
            if self.go_on is not None and not self.go_on() and time.monotonic() > last:
                return
            rows = judge.rows(leaf, pattern)
            if any(pattern[tree.neuron[node]] != (tree.side[node] == 1) for node in cut):
                tree.point[region] = None  # its claim was doubted, and it is not on the side that was kept
            elif point is None or not inside(rows, _exact(point)):
                tree.point[region] = inner_point(rows, judge.forms.dimension)
        self.touched.clear()
        judge.doubts.clear()

    def _doubts(self) -> list[Doubt]:
        """From the root downward; of a neuron with both signs one, since one split takes care: that side stays which
        the pattern has.
        """
        tree = self.tree
        doubts: dict[tuple[int, int], Doubt] = {}
        for doubt in self.judge.doubts:
            key = doubt.node, doubt.neuron
            if key not in doubts or (doubt.node in self.below and tree.pattern[self.below[doubt.node]][doubt.neuron] == (doubt.sign > 0)):
                doubts[key] = doubt
        return sorted(doubts.values(), key=lambda d: (len(tree.path(d.node)), d.node, d.neuron))

    def _insert(self, doubt: Doubt, moved: dict[int, int]) -> bool:
        """Split a node by a neuron whose claim is false there; whether the missing side was explored completely."""
        pattern = self.tree.pattern[self.below[doubt.node]]
        other = self._cut(doubt, moved)
        return other is None or self._explore(other, pattern)

    def _cut(self, doubt: Doubt, moved: dict[int, int]) -> int | None:
        """Split a node by a neuron whose claim is false there; the missing side, or None if the claim is true now."""
        judge, tree = self.judge, self.tree
        pattern = tree.pattern[self.below[doubt.node]]
        before = len(judge.doubts)
        if judge.decide(doubt.node, doubt.neuron, doubt.sign, pattern):
            return None  # an inserted half-space above has made it true
        del judge.doubts[before:]
        judge.tally.claims_refuted -= 1
        node, neuron = doubt.node, doubt.neuron
        own = tree.add(node, neuron, int(doubt.sign > 0))
        other = tree.add(node, neuron, int(doubt.sign < 0))
        self.touched.add(own)
        self.children += [self.children[node], []]
        for child in self.children[own]:
            tree.parent[child] = own
        self.children[node] = [own, other]
        self.below[own] = self.below[node]
        for region, leaf in enumerate(tree.leaf):
            if leaf == node:
                tree.leaf[region] = own
        moved[node] = own
        offsets = judge.network.offsets.tolist()
        end = offsets[int(judge.network.layer_of[neuron]) + 1]
        here = (1 << end) - 1  # claims of later layers depend on the new bit: they move down
        tree.known[own], tree.known[node] = tree.known[node] & ~here, tree.known[node] & here
        tree.ones[own], tree.ones[node] = tree.ones[node] & ~here, tree.ones[node] & here
        if node in tree.kept:
            claims = tree.kept[node]
            tree.kept[own] = [c for c in claims if c.neuron >= end]
            tree.kept[node] = [c for c in claims if c.neuron < end]
        return other

    def _explore(self, other: int, pattern: np.ndarray) -> bool:
        """Explore a side that was missed, exactly; whether there was time for all of it."""
        judge, tree = self.judge, self.tree
        known, bits = self._state(other, pattern)
        nodes, regions = len(tree.parent), len(tree.leaf)
        done = explore_exactly(judge, tree, other, bits, known, self.go_on)
        self.children += [[] for _ in range(len(tree.parent) - nodes)]
        for new in range(nodes, len(tree.parent)):
            self.children[tree.parent[new]].append(new)
        for region in range(regions, len(tree.leaf)):
            v = tree.leaf[region]
            while v >= 0 and v not in self.below:
                self.below[v] = region
                v = tree.parent[v]
        return done

    def _state(self, node: int, pattern: np.ndarray) -> tuple[int, np.ndarray]:
        """Mask of the neurons known on a node's cell, and their bits."""
        tree = self.tree
        known = ones = 0
        v = node
        while v >= 0:
            known |= tree.known[v]
            ones |= tree.ones[v]
            if tree.parent[v] >= 0:
                known |= 1 << tree.neuron[v]
                ones |= (1 << tree.neuron[v]) if tree.side[v] == 1 else 0
            v = tree.parent[v]
        bits = np.array([bool(ones >> i & 1) for i in range(len(pattern))])
        return known, bits

    def _prune(self) -> Outcome:
        """Give regions that lost their point another one; remove leaves without interior."""
        judge, tree = self.judge, self.tree
        dead = set()
        for region, leaf in enumerate(tree.leaf):
            point = tree.point[region]
            if point is not None and not (self.touched and self.touched.intersection(tree.path(leaf))):
                continue
            rows = judge.rows(leaf, tree.pattern[region])
            if point is not None and inside(rows, _exact(point)):
                continue
            if self.go_on is not None and not self.go_on():
                return Outcome.TIME_LIMIT
            tree.point[region] = inner_point(rows, judge.forms.dimension)
            if tree.point[region] is None:
                dead.add(leaf)
                judge.tally.regions_refuted += 1
            else:
                judge.tally.regions_simplex += 1
        if dead:
            self._remove(dead)
        return Outcome.COMPLETE

    def _remove(self, dead: set[int]) -> None:
        """Cut dead leaves off; a node that keeps one child gets the claim that says so."""
        judge, tree = self.judge, self.tree
        alive = [True] * len(tree.parent)
        order = self._preorder()
        for node in reversed(order):
            alive[node] = any(alive[c] for c in self.children[node]) if self.children[node] else node not in dead
        if not alive[0]:
            raise JudgeError("no region is left")
        keep = [r for r, leaf in enumerate(tree.leaf) if leaf not in dead]
        leaves, patterns, points = [tree.leaf[r] for r in keep], [tree.pattern[r] for r in keep], [tree.point[r] for r in keep]
        # at once: an interrupt may come between statements
        tree.leaf, tree.pattern, tree.point = leaves, patterns, points
        for node in order:
            if not alive[node] or not self.children[node]:
                continue
            left = [c for c in self.children[node] if alive[c]]
            self.children[node] = left
        self.below = {}
        for region, leaf in enumerate(tree.leaf):
            node = leaf
            while node >= 0 and node not in self.below:
                self.below[node] = region
                node = tree.parent[node]
        for node in self._preorder():
            if len(self.children[node]) == 1:
                (child,) = self.children[node]
                if any(tree.known[v] >> tree.neuron[child] & 1 for v in (0, *tree.path(node))):
                    continue  # the claim of the other sign, at the same node say, was true
                sign = 1 if tree.side[child] == 1 else -1
                if not judge.decide(node, tree.neuron[child], sign, tree.pattern[self.below[node]]):
                    raise JudgeError("a side of a split has no region, and yet an interior")

    def _preorder(self) -> list[int]:
        order, stack = [], [0]
        while stack:
            node = stack.pop()
            order.append(node)
            stack += sorted(self.children[node], key=lambda c: self.tree.side[c], reverse=True)
        return order

    # ---- the result --------------------------------------------------------------------------------------------------
    def verdict(self, found: Exploration, outcome: Outcome) -> Verdict:
        """The confirmed columns, nodes in preorder."""
        self.tree.trim()
        judge, tree = self.judge, self.tree
        doubtful = {d.node for d in judge.doubts}
        good = [
            r
            for r, leaf in enumerate(tree.leaf)
            if tree.point[r] is not None
            and (outcome is Outcome.COMPLETE or (r < self.complete and not {0, *tree.path(leaf)} & (doubtful | self.touched)))
        ]
        order = self._preorder()
        place = {node: i for i, node in enumerate(order)}
        good.sort(key=lambda r: place[tree.leaf[r]])
        points = [tree.point[r] for r in good]
        k = judge.domain.dimension
        unit = np.array([p if isinstance(p, np.ndarray) else [float(v) for v in p or ()] for p in points], dtype=np.float64).reshape(-1, k)
        unit = np.clip(unit, np.nextafter(-1, 0), np.nextafter(1, 0))
        confirmed = Points(unit, {r: p for r, p in enumerate(points) if isinstance(p, tuple)})
        patterns = np.array([tree.pattern[r] for r in good], dtype=bool).reshape(len(good), judge.network.neurons)
        exploration = Exploration(
            np.array([-1 if tree.parent[v] < 0 else place[tree.parent[v]] for v in order], dtype=np.int32),
            np.array([tree.neuron[v] for v in order], dtype=np.int32),
            np.array([tree.side[v] for v in order], dtype=np.int8),
            pack(patterns),
            unit,
            np.array([place[tree.leaf[r]] for r in good], dtype=np.int32),
            outcome,
            found.stats,
        )
        kept = {
            place[v]: [KeptClaim(c.neuron, c.factor, [(place[u], m) for u, m in c.multipliers]) for c in sorted(claims, key=lambda c: c.neuron)]
            for v, claims in tree.kept.items()
            if v in place
        }
        return Verdict(exploration, confirmed, Kept(exact=kept), judge.tally)


def _down(doubt: Doubt, moved: dict[int, int]) -> Doubt:
    """The same doubt where what was below its node is now."""
    node = doubt.node
    while node in moved:
        node = moved[node]
    return Doubt(node, doubt.neuron, doubt.sign)


def _exact(point: np.ndarray | Point) -> Point:
    return tuple(Fraction(v) for v in point.tolist()) if isinstance(point, np.ndarray) else point


def _mask(pattern: np.ndarray) -> int:
    return int.from_bytes(np.packbits(pattern, bitorder="little").tobytes(), "little")


def _members(mask: int) -> list[int]:
    return [i for i in range(mask.bit_length()) if mask >> i & 1]
