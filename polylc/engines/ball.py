"""The regions that meet an open ball in l1 or l2, decided as they are found: no judge has to follow.

A layer-wise decision tree, as that of the `lp` engine, whose cells are cut with the ball: a neuron is split where both
of its sides meet the open ball, and `geometry/open_ball.py` says so, exactly. So every cell has an interior point in
the ball, cells beyond it are never entered, and the tree is complete for the ball. Half-spaces of a path cut a region
out of the ball; beyond the ball they say nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from polylc.domains.ball import open_ball
from polylc.domains.box import Neighbourhood
from polylc.engines.contract import Exploration, Limits, Outcome, Progress
from polylc.engines.layerwise import LayerCell, LayerwiseTree
from polylc.errors import LimitReached
from polylc.exact.checkpoint import unbroken, until
from polylc.network.exact_forms import ExactForms, Row
from polylc.network.form import Network

MOST_POINTS = 48


@dataclass
class _Cell(LayerCell):
    neurons: tuple[int, ...]  # of the path
    sides: tuple[int, ...]
    rows: np.ndarray  # its half-spaces, in unit coordinates
    doubt: np.ndarray  # bounds on their rounding


class BallEngine(LayerwiseTree):
    """Explores an l1 or l2 ball, perhaps cut with a box.

    Parameters
    ----------
    network : Network
    domain : Neighbourhood
        The box around the ball, with its norm, centre and radius; the ball has a point inside the box.
    """

    name = "ball"

    def __init__(self, network: Network, domain: Neighbourhood) -> None:
        super().__init__(network, domain)
        self.ball = open_ball(domain)
        self._exact = ExactForms(network, domain.exact_embedding)

    def explore(self, limits: Limits | None = None, progress: Progress | None = None) -> Exploration:
        """Explore until the tree is complete, a limit is reached or the user interrupts (KeyboardInterrupt)."""
        limits = limits or Limits()
        outcome = Outcome.COMPLETE
        try:
            with until(limits.deadline, limits.stop):
                stack = [self._root()]
                while stack:
                    if limits.regions is not None and len(self._leaf) >= limits.regions:
                        outcome = Outcome.REGION_LIMIT
                        break
                    if limits.over():
                        raise LimitReached("over")
                    with unbroken(False):
                        stack.extend(self._process(stack.pop()))
                    if progress is not None:
                        progress(len(self._leaf), self.done)
        except LimitReached:
            outcome = Outcome.INTERRUPTED if limits.stop is not None and limits.stop() else Outcome.TIME_LIMIT
        except KeyboardInterrupt:
            outcome = Outcome.INTERRUPTED
        return self._found(outcome, {f"cells {how}": many for how, many in self.ball.settled.items()})

    # ---- cells -------------------------------------------------------------------------------------------------------
    def _root(self) -> _Cell:
        k = self.domain.dimension
        whole = self.ball.meets(np.zeros((0, k + 1)), np.zeros(0), lambda: ())
        assert whole.point is not None, "an open ball that misses its box is no neighbourhood"
        cell = _Cell(
            node=0,
            neurons=(),
            sides=(),
            rows=np.zeros((0, k + 1)),
            doubt=np.zeros(0),
            layer=-1,
            bits=np.zeros(self.network.neurons, dtype=bool),
            open=np.zeros(0, dtype=np.int64),
            sources=[self._embedding],
            errors=[self._rounding],
            forms=np.zeros((0, k + 1)),
            noise=np.zeros(0),
            points=whole.point[None] if whole.proved else np.zeros((0, k)),
            inner=whole.point,
            weight=1.0,
        )
        self._enter_next_layer(cell)
        return cell

    def _enter_next_layer(self, cell: _Cell) -> None:
        """Move a cell whose layer is decided on to the next one: compose, bound over the ball."""
        if not self._compose(cell):
            return
        begin = int(self.network.offsets[cell.layer])
        positive, negative = self.ball.signs(cell.forms, cell.noise)
        nothing = (cell.noise == 0) & ~cell.forms.any(axis=1)  # zero, exactly
        leads = self._leads(begin, len(positive))
        decided = (positive ^ negative) | nothing
        for i in np.flatnonzero(decided & leads).tolist():
            self._decide(cell, begin + i, bool(positive[i]), zero=bool(nothing[i]))
        cell.open = np.flatnonzero(~decided & leads)

    def _decide(self, cell: _Cell, neuron: int, above: bool, zero: bool = False) -> None:
        """Set the bits of a neuron and its mates; none is positive where the form is zero."""
        cell.bits[neuron] = above and not zero
        for mate, positive, _ in self._mates(neuron, above):
            cell.bits[mate] = positive and not zero

    def _process(self, cell: _Cell) -> list[_Cell]:
        """Decide the cell's open neurons, then split it, or pass to the next layers, or emit its region."""
        while cell.layer < len(self.network.layers):
            split = self._open_neuron(cell)
            if split is not None:
                return self._split(cell, *split)
            self._enter_next_layer(cell)
        self._add_region(cell)
        return []

    def _open_neuron(self, cell: _Cell) -> tuple[int, list[np.ndarray]] | None:
        """Decide open neurons; the one to split by, and a point on its positive and on its negative side, or None.

        All of the layer are looked at before a cell is split, so that what is decided serves the whole subtree.
        """
        if not len(cell.open):
            return None
        begin = int(self.network.offsets[cell.layer])
        rows, doubt = cell.forms[cell.open], cell.noise[cell.open]
        best, split = -1, None
        keep = np.ones(len(cell.open), dtype=bool)
        by = [self.ball.above(sign * rows, doubt, cell.points) for sign in (1, -1)]
        for at, i in enumerate(cell.open.tolist()):
            sides: list[np.ndarray | None] = []
            shown = []
            for which, sign in enumerate((1, -1)):
                shown.append(int((by[which][at] > 0).sum()))
                if shown[-1]:
                    sides.append(cell.points[int(by[which][at].argmax())])
                    continue
                sides.append(self._side_of(cell, begin + i, sign, rows[at], float(doubt[at])))
                more = cell.points[by[0].shape[1] :]
                if len(more):
                    by = [np.concatenate([old, self.ball.above(s * rows, doubt, more)], axis=1) for old, s in zip(by, (1, -1), strict=True)]
            above, below = sides
            if above is None or below is None:
                self._decide(cell, begin + i, above is not None, zero=above is None and below is None)
                keep[at] = False
            elif min(shown) > best:
                best, split = min(shown), (i, [above, below])
        cell.open = cell.open[keep]
        return split

    def _side_of(self, cell: _Cell, neuron: int, sign: int, form: np.ndarray, doubt: float) -> np.ndarray | None:
        """A point of the cell on one side of a neuron; None if there is none. Verified points are kept."""
        rows, noise = np.concatenate([cell.rows, sign * form[None]]), np.append(cell.doubt, doubt)

        def exact() -> list[Row]:
            found = self._exact.neurons([*cell.neurons, neuron], cell.bits)
            return [row if side == 1 else tuple([-v for v in row]) for row, side in zip(found, (*cell.sides, int(sign > 0)), strict=True)]

        found = self.ball.meets(rows, noise, exact)
        if found.proved and found.point is not None:
            cell.points = np.concatenate([cell.points, found.point[None]])
        return found.point

    def _split(self, cell: _Cell, neuron: int, sides: list[np.ndarray]) -> list[_Cell]:
        form, doubt = cell.forms[neuron : neuron + 1], cell.noise[neuron : neuron + 1]
        index = int(self.network.offsets[cell.layer]) + neuron
        children = []
        for side, sign in ((0, -1), (1, 1)):
            child = replace(
                cell,
                node=self._add_node(cell.node, index, side),
                neurons=(*cell.neurons, index),
                sides=(*cell.sides, side),
                rows=np.concatenate([cell.rows, sign * form]),
                doubt=np.append(cell.doubt, doubt),
                bits=cell.bits.copy(),
                open=cell.open[cell.open != neuron],
                points=cell.points[self.ball.above(sign * form, doubt, cell.points)[0] > 0][-MOST_POINTS:],
                inner=sides[1 - side],
                weight=cell.weight / 2,
            )
            if len(child.points):
                child.inner = child.points.mean(axis=0)
            self._decide(child, index, side == 1)
            children.append(child)
        return children
