"""What proves the regions of an l1 or l2 ball, for a certificate: of a tree that is complete for the ball, in which
nothing is claimed yet.

In: an exploration whose regions are those that meet the open ball (`engines/ball.py`, `search/cut_with_ball.py`). Out:
the same regions, of a tree whose nodes all have one, with a claim of every neuron at the first node on which it has one
sign, and an exact point of every region. A claim's multipliers are those of half-spaces of the path and of the ball
itself, which takes part as the half-space of the root, which has none. Doubles propose them; they are rounded to few
bits, and taken where integers say that they do; else a program in rationals has them (docs/exactness.md, lemma 19a).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from polylc.domains.ball import open_ball
from polylc.domains.domain import Domain
from polylc.engines.contract import Exploration
from polylc.engines.extras import Maps, Seen
from polylc.exact.checkpoint import checkpoint
from polylc.geometry.ball_multipliers import combination, value
from polylc.judge.columns import Points
from polylc.judge.node_filter import preorder
from polylc.judge.proofs import Kept, KeptClaim
from polylc.judge.verdict import Tally, Verdict
from polylc.network.exact_forms import ExactForms, Row
from polylc.network.form import Network
from polylc.network.patterns import unpack

BALL = 0  # the root, whose half-space in a claim is the ball
COARSE = (10, 20, 30)  # bits of points that are tried


@dataclass
class _Cell:
    """A node of the new tree: its path, and the neurons known there."""

    node: int  # of the tree given
    parent: int  # of the new one
    split: tuple[int, int]  # neuron and side
    path: list[int]  # new nodes
    rows: list[Row]
    bits: np.ndarray
    layer: int
    forms: list[Row]  # of the layer composed last
    open: list[int]  # its neurons that are not known


def ball_verdict(network: Network, domain: Domain, found: Exploration) -> Verdict:
    """The verdict of a complete exploration of a ball, with claims and points.

    Parameters
    ----------
    network : Network
    domain : Neighbourhood
        The box around the ball, with its norm, centre and radius.
    found : Exploration

    Raises
    ------
    LimitReached
        If the time is over.
    """
    return _BallJudge(network, domain, found).verdict()


class _BallJudge:
    def __init__(self, network: Network, domain: Domain, found: Exploration) -> None:
        self.network, self.found = network, found
        self.ball, self.forms = open_ball(domain), ExactForms(network, domain.exact_embedding)
        order = preorder(found.parent, found.side).tolist()
        self.region = dict(zip(found.leaf.tolist(), range(len(found.leaf)), strict=True))
        self.children: list[list[int]] = [[] for _ in order]  # of those that have regions, the negative side first
        patterns = unpack(found.bits, network.neurons)
        self.every: dict[int, np.ndarray] = {}  # neurons that are positive on all regions below a node
        self.some: dict[int, np.ndarray] = {}  # and on some
        for node in reversed(order):
            if node in self.region:
                self.every[node] = self.some[node] = patterns[self.region[node]]
            if node in self.every and found.parent[node] >= 0:
                above = int(found.parent[node])
                self.children[above].insert(0, node)
                if above in self.every:
                    self.every[above], self.some[above] = self.every[above] & self.every[node], self.some[above] | self.some[node]
                else:
                    self.every[above], self.some[above] = self.every[node], self.some[node]
        self.nodes: list[tuple[int, int, int]] = []  # parent, neuron, side
        self.leaves: list[int] = []
        self.regions: list[int] = []
        self.points: list[tuple[Fraction, ...]] = []
        self.claims: dict[int, list[KeptClaim]] = {}

    def verdict(self) -> Verdict:
        """Go through the tree from the root down."""
        stack = [_Cell(0, -1, (-1, -1), [], [], np.zeros(self.network.neurons, dtype=bool), -1, [], [])]
        while stack:
            stack += reversed(self._enter(stack.pop()))
        parent, neuron, side = (np.array(column) for column in zip(*self.nodes, strict=True))
        found, order = self.found, np.array(self.regions, dtype=np.int64)
        maps = found.seen.maps
        seen = Seen(maps=None if maps is None else Maps(maps.map[order], maps.noise[order]))
        stats = found.stats | {"nodes": len(self.nodes)}
        exploration = Exploration(
            parent.astype(np.int32), neuron.astype(np.int32), side.astype(np.int8), found.bits[order], found.unit[order],
            np.array(self.leaves, dtype=np.int32), found.outcome, stats, seen=seen,
        )  # fmt: skip
        return Verdict(exploration, Points(exploration.unit, dict(enumerate(self.points))), Kept(exact=self.claims), Tally())

    def _enter(self, cell: _Cell) -> list[_Cell]:
        """Add a node with what is claimed there; its children."""
        checkpoint()
        node = cell.node
        while len(self.children[node]) == 1:  # the other side has no region: its neuron is claimed
            (node,) = self.children[node]
        number = len(self.nodes)
        self.nodes.append((cell.parent, *cell.split))
        if number:
            cell.path = [*cell.path, number]
        offsets = self.network.offsets.tolist()
        alike = self.every[node] == self.some[node]
        while True:
            for neuron in [i for i in cell.open if alike[i]]:
                above = bool(self.every[node][neuron])
                claim = self._claim(cell, neuron, cell.forms[neuron - offsets[cell.layer]], above)
                self.claims.setdefault(number, []).append(claim)
                cell.bits[neuron] = above
            cell.open = [i for i in cell.open if not alike[i]]
            if cell.open or cell.layer + 1 == len(self.network.layers):
                break
            self._compose(cell)
        if not self.children[node]:
            self._leaf(cell, number, self.region[node])
            return []
        below = []
        for child in self.children[node]:
            neuron, side = int(self.found.neuron[child]), int(self.found.side[child])
            row = cell.forms[neuron - offsets[cell.layer]]
            bits, rows = cell.bits.copy(), [*cell.rows, row if side else negative(row)]
            bits[neuron] = side == 1
            rest = [i for i in cell.open if i != neuron]
            below.append(replace(cell, node=child, parent=number, split=(neuron, side), rows=rows, bits=bits, open=rest))
        return below

    def _compose(self, cell: _Cell) -> None:
        """The forms of the next layer; what intervals decide there needs no claim."""
        cell.layer += 1
        cell.forms = self.forms.layer(cell.layer, cell.bits)
        begin = int(self.network.offsets[cell.layer])
        for i, row in enumerate(cell.forms, begin):
            reach = sum(map(abs, row[:-1]))
            if row[-1] >= reach:
                cell.bits[i] = row[-1] > 0
            elif row[-1] > -reach:
                cell.open.append(i)

    def _claim(self, cell: _Cell, neuron: int, form: Row, above: bool) -> KeptClaim:
        """That a neuron has a sign: a combination of the half-spaces, the one on its other side and the ball is nowhere
        positive on the box.
        """
        rows = [*cell.rows, negative(form) if above else form]
        proved = combination(self.ball, rows, self.forms.scale)
        pairs = [(cell.path[r], y) for r, y in proved.multipliers.items() if r < len(cell.path) and y]
        factor = proved.multipliers[len(cell.path)]
        return KeptClaim(neuron, factor if above else -factor, [*([(BALL, proved.ball)] if proved.ball else []), *pairs])

    def _leaf(self, cell: _Cell, number: int, region: int) -> None:
        self.leaves.append(number)
        self.regions.append(region)
        unit = self.found.unit[region].tolist()
        for bits in COARSE:
            point = tuple(Fraction(round(v * 2**bits), 2**bits) for v in unit)
            if self.ball.contains(point) and all(value(row, point) > 0 for row in cell.rows):
                break
        else:
            exact = self.ball.exactly(cell.rows).point
            assert exact is not None, "a region that meets the ball has a point in it"
            point = exact
        self.points.append(point)


def negative(row: Row) -> Row:
    """The half-space on the other side."""
    return tuple([-v for v in row])
