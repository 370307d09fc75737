"""The reference engine: a layer-wise decision tree on one persistent HiGHS model, with witness points.

A cell keeps points known to lie in its closure. A side of a hyperplane that a point shows needs no linear program; an
optimum that shows a side becomes a new point; an optimum that does not is a claim, and its row duals are the
multipliers. All neurons of a layer are decided at a cell before it is split, so that a claim serves the whole subtree.
Where many neurons wait, the cell's bounding box is found first (two programs a coordinate, fewer if the extreme points
of the parent survive): interval bounds on it decide most of them, with combinations of its multipliers.

Geometry is in coordinates v in [-1, 1]^k of the neighbourhood, rows have unit length: tolerances are relative to the
neighbourhood's size. They only steer the search; what they decide wrongly is for the exact judge to find.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from polylc.domains.domain import Domain
from polylc.engines.contract import UNIT_DEPTH, Chunk, ChunkSink, Claims, Exploration, Left, Limits, Outcome, Prefix, Progress
from polylc.engines.extras import NOTHING, Wishes
from polylc.engines.layerwise import LayerCell, LayerwiseTree
from polylc.errors import ReplayError
from polylc.exact.checkpoint import unbroken
from polylc.geometry.lp import BoxProgram, Optimum
from polylc.network.form import Network

SLIVER = 1e-9  # sides thinner than this, relative to the neighbourhood, are not looked for
MOST_POINTS = 48
CHUNK_REGIONS, CHUNK_CLAIMS = 512, 20000


@dataclass(frozen=True)
class _Row:
    """The half-space of a path node: a.v >= bound with |a| = 1, and its length before normalising."""

    node: int
    a: np.ndarray
    bound: float
    length: float


@dataclass
class _Bounds:
    """Bounding box of a cell: for direction d (-e_1, e_1, -e_2, ...) an extreme point, its value and the
    multipliers.
    """

    fresh: np.ndarray  # whether a direction's entry is that of this cell
    value: np.ndarray  # max of the direction over the cell, shape (2k,)
    point: np.ndarray  # shape (2k, k)
    multipliers: list[tuple[np.ndarray, np.ndarray]]  # nodes and multipliers per direction

    def matrix(self) -> tuple[np.ndarray, np.ndarray]:
        """The nodes that carry multipliers, and the multipliers of all directions, shape (2k, nodes)."""
        nodes, place = np.unique(np.concatenate([n for n, _ in self.multipliers]), return_inverse=True)
        result = np.zeros((len(self.multipliers), len(nodes)))
        direction = np.repeat(np.arange(len(self.multipliers)), [len(n) for n, _ in self.multipliers])
        result[direction, place] = np.concatenate([y for _, y in self.multipliers])
        return nodes, result

    def cut(self, a: np.ndarray, c: float) -> _Bounds:
        """The part that still holds where a.v + c >= 0: bounds stay valid, extreme points that are cut off go stale."""
        return _Bounds(self.fresh & (self.point @ a + c >= 0), self.value, self.point, self.multipliers)


@dataclass
class _Cell(LayerCell):
    path: tuple[_Row, ...]
    bounds: _Bounds


class LpEngine(LayerwiseTree):
    """Explores one neighbourhood of one network.

    Parameters
    ----------
    network : Network
    domain : Domain
    sink : callable, optional
        Receives chunks of nodes, regions and claims; without it claims are not recorded.
    prefix : sequence of (neuron, side)
        Path of the cell to explore, by default the whole neighbourhood.
    """

    name = "lp"
    unit_depth = UNIT_DEPTH

    def __init__(self, network: Network, domain: Domain, sink: ChunkSink | None = None, prefix: Prefix = (), wishes: Wishes = NOTHING) -> None:
        super().__init__(network, domain)
        self._sink, self._prefix = sink, prefix
        self._program = BoxProgram(domain.dimension, multipliers=sink is not None)
        self._in_model: list[_Row] = []
        self._claims: list[tuple[int, int, int, np.ndarray, np.ndarray]] = []
        self._ready = 0  # claims whose nodes have a region below them
        self._sent = (0, 0)  # nodes and regions that the sink has
        self._left: list[Left] = []

    def explore(self, limits: Limits | None = None, progress: Progress | None = None) -> Exploration:
        """Explore until the tree is complete, a limit is reached or the user interrupts (KeyboardInterrupt)."""
        limits = limits or Limits()
        outcome = Outcome.COMPLETE
        stack: list[_Cell] = []
        share = False
        try:
            stack.append(self._root())
            while stack:
                if limits.regions is not None and len(self._leaf) >= limits.regions:
                    outcome = Outcome.REGION_LIMIT
                    break
                if limits.deadline is not None and time.monotonic() > limits.deadline:
                    outcome = Outcome.TIME_LIMIT
                    break
                if limits.stop is not None and limits.stop():
                    outcome = Outcome.INTERRUPTED
                    break
                share = share or (limits.share is not None and limits.share())
                cell = stack.pop()
                if len(cell.path) <= self.unit_depth:
                    self._program.clear()  # what is found here must not depend on what was solved before
                    self._in_model = []
                if share and len(cell.path) == self.unit_depth:
                    self._left.append(Left(cell.node, len(self._leaf)))
                    del self._claims[self._ready :]  # they are on the path to this cell
                    continue
                with unbroken(False):
                    stack.extend(self._process(cell))
                if progress is not None:
                    progress(len(self._leaf), self.done)
                if self._ready > CHUNK_CLAIMS or len(self._leaf) - self._sent[1] >= CHUNK_REGIONS:
                    self._flush()
        except KeyboardInterrupt:
            outcome = Outcome.INTERRUPTED
        self._flush()
        stats = {"linear_programs": self._program.solves, "failed_linear_programs": self._program.failures}
        return self._found(outcome, stats, tuple(self._left))

    # ---- cells -------------------------------------------------------------------------------------------------
    def _root(self) -> _Cell:
        k = self.domain.dimension
        cell = _Cell(
            node=0,
            path=(),
            layer=-1,
            bits=np.zeros(self.network.neurons, dtype=bool),
            open=np.zeros(0, dtype=np.int64),
            sources=[self._embedding],
            errors=[self._rounding],
            forms=np.zeros((0, k + 1)),
            noise=np.zeros(0),
            points=np.zeros((1, k)),
            inner=np.zeros(k),
            bounds=_box_bounds(k),
            weight=1.0,
        )
        self._enter_next_layer(cell)
        return cell

    def _enter_next_layer(self, cell: _Cell) -> None:
        """Move a cell whose layer is decided on to the next one: compose, bound over the neighbourhood."""
        if not self._compose(cell):
            return
        begin = int(self.network.offsets[cell.layer])
        spread = np.abs(cell.forms[:, :-1]).sum(axis=1)
        high, low = cell.forms[:, -1] + spread, cell.forms[:, -1] - spread
        positive = (low >= -cell.noise) & (high > cell.noise)
        decided = positive | (high <= cell.noise)
        cell.bits[begin : begin + len(decided)] = positive
        leads = self._leads(begin, len(decided))
        cell.open = np.flatnonzero(~decided & leads)
        for i in np.flatnonzero(decided & leads):
            zero = not positive[i] and low[i] >= -cell.noise[i]
            self._claim(cell, begin + int(i), bool(positive[i]), np.zeros(0, dtype=np.int64), np.zeros(0), zero)

    def _claim(self, cell: _Cell, neuron: int, above: bool, nodes: np.ndarray, multipliers: np.ndarray, zero: bool = False) -> None:
        """Decide a neuron and its mates, which have its multipliers in proportion; none is positive where forms are
        zero.
        """
        cell.bits[neuron] = above
        if self._sink is not None:
            self._claims.append((cell.node, neuron, 1 if above else -1, nodes, multipliers))
        for mate, sign, ratio in self._mates(neuron, above):
            cell.bits[mate] = sign and not zero
            if self._sink is not None:
                self._claims.append((cell.node, mate, 1 if cell.bits[mate] else -1, nodes, ratio * multipliers))

    def _process(self, cell: _Cell) -> list[_Cell]:
        """Decide the cell's open neurons, then split it, or pass to the next layers, or emit its region."""
        if cell.path:  # what is left of the claims of mates is zero
            for mate, sign, ratio in self._mates(self._neuron[cell.node], self._side[cell.node] == 1):
                cell.bits[mate] = sign
                if self._sink is not None:
                    self._claims.append((cell.node, mate, 1 if sign else -1, np.array([cell.node]), np.array([ratio])))
        while cell.layer < len(self.network.layers):
            split = self._decide(cell)
            if split is not None:
                return self._split(cell, *split)
            self._enter_next_layer(cell)
        if len(cell.path) < len(self._prefix):
            raise ReplayError(f"the search ends after {len(cell.path)} of {len(self._prefix)} splits")
        self._add_region(cell)
        self._ready = len(self._claims)
        return []

    def _decide(self, cell: _Cell) -> tuple[int, np.ndarray] | None:
        """Decide open neurons; the one to split by (an index into the layer) and its values at the points, or None."""
        if not len(cell.open):
            return None
        forms, length, threshold, high, low = self._spread(cell)
        missing = int((high <= threshold).sum() + (low >= -threshold).sum())
        if missing > (~cell.bounds.fresh).sum():
            self._refresh_bounds(cell)
            self._decide_by_bounds(cell)
            if not len(cell.open):
                return None
            forms, length, threshold, high, low = self._spread(cell)
        begin = int(self.network.offsets[cell.layer])
        found = []
        keep = (high > threshold) & (low < -threshold)
        for i in np.flatnonzero(~keep):
            for sign in (1, -1):
                if high[i] > threshold[i] if sign > 0 else low[i] < -threshold[i]:
                    continue
                optimum = self._maximise(cell, forms[i, :-1], sign / length[i] if length[i] > 0 else 0.0)
                if optimum is None:  # said without a proof; the judge will find one, or refute it
                    self._claim(cell, begin + int(cell.open[i]), sign < 0, np.zeros(0, dtype=np.int64), np.zeros(0))
                    continue
                value = forms[:, :-1] @ optimum.point + forms[:, -1]
                if sign * value[i] > threshold[i]:
                    found.append(optimum.point)
                    np.maximum(high, value, out=high)
                    np.minimum(low, value, out=low)
                else:
                    self._claim(cell, begin + int(cell.open[i]), sign < 0, *self._certificate(optimum, length[i]))
            above, below = high[i] > threshold[i], low[i] < -threshold[i]
            keep[i] = above and below
            cell.bits[begin + cell.open[i]] = above and not below
            for mate, positive, _ in self._mates(begin + int(cell.open[i]), bool(above and not below)):
                cell.bits[mate] = positive
        if found:
            cell.points = np.concatenate([cell.points, np.array(found)])
        cell.open = cell.open[keep]
        if not len(cell.open):
            return None
        values = cell.forms[cell.open, :-1] @ cell.points.T + cell.forms[cell.open, -1:]
        over = (values > 0).sum(axis=1)
        best = int(np.argmax(np.minimum(over, values.shape[1] - over)))
        return int(cell.open[best]), values[best]

    def _spread(self, cell: _Cell) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Open neurons: forms, lengths, the value from which a side counts as shown, largest and smallest value at the
        points.
        """
        forms = cell.forms[cell.open]
        largest = np.abs(forms[:, :-1]).max(axis=1, initial=0.0)
        shares = forms[:, :-1] / np.where(largest > 0, largest, 1.0)[:, None]  # their squares neither overflow nor vanish
        length = largest * np.sqrt(np.einsum("ij,ij->i", shares, shares))
        values = forms[:, :-1] @ cell.points.T + forms[:, -1:]
        return forms, length, np.maximum(SLIVER * length, cell.noise[cell.open]), values.max(axis=1), values.min(axis=1)

    def _refresh_bounds(self, cell: _Cell) -> None:
        bounds = cell.bounds
        fresh, value, point, multipliers = bounds.fresh.copy(), bounds.value.copy(), bounds.point.copy(), list(bounds.multipliers)
        for d in np.flatnonzero(~fresh):
            direction = np.zeros(self.domain.dimension)
            direction[d // 2] = 1.0 if d % 2 else -1.0
            optimum = self._maximise(cell, direction, 1.0)
            if optimum is not None:
                fresh[d], value[d], point[d] = True, optimum.value, optimum.point
                multipliers[d] = self._certificate(optimum, 1.0)
        cell.bounds = _Bounds(fresh, value, point, multipliers)
        cell.points = np.concatenate([cell.points, point[fresh & ~bounds.fresh]])

    def _decide_by_bounds(self, cell: _Cell) -> None:
        """Decide open neurons by interval arithmetic on the cell's bounding box."""
        forms, noise = cell.forms[cell.open], cell.noise[cell.open]
        up, down = np.maximum(forms[:, :-1], 0.0), np.maximum(-forms[:, :-1], 0.0)
        most, least = cell.bounds.value[1::2], cell.bounds.value[0::2]  # v <= most, -v <= least
        high = up @ most + down @ least + forms[:, -1]
        low = -(up @ least + down @ most) + forms[:, -1]
        positive = (low >= -noise) & (high > noise)
        decided = positive | (high <= noise)
        begin = int(self.network.offsets[cell.layer])
        if decided.any():
            rows = np.flatnonzero(decided)
            # of each direction's multipliers: z >= 0 needs v from below where a > 0
            share = np.empty((len(rows), 2 * up.shape[1]))
            share[:, 0::2] = np.where(positive[rows, None], up[rows], down[rows])
            share[:, 1::2] = np.where(positive[rows, None], down[rows], up[rows])
            nodes, multipliers = cell.bounds.matrix()
            total = share @ multipliers
            for row, i in zip(total, rows.tolist(), strict=True):
                used = row.nonzero()[0]
                self._claim(cell, begin + int(cell.open[i]), bool(positive[i]), nodes[used], row[used])
        cell.open = cell.open[~decided]

    def _certificate(self, optimum: Optimum, length: float) -> tuple[np.ndarray, np.ndarray]:
        """Path nodes and multipliers, for the unscaled forms, of an optimum whose objective was scaled by 1 /
        length.
        """
        used = np.flatnonzero(optimum.multipliers)
        nodes = np.array([self._in_model[r].node for r in used], dtype=np.int64)
        return nodes, np.array([optimum.multipliers[r] * length / self._in_model[r].length for r in used])

    def _maximise(self, cell: _Cell, direction: np.ndarray, scale: float) -> Optimum | None:
        rows = self._in_model
        common = 0
        while common < min(len(rows), len(cell.path)) and rows[common] is cell.path[common]:
            common += 1
        self._program.truncate(common)
        del rows[common:]
        for row in cell.path[common:]:
            self._program.push(row.a, row.bound)
            rows.append(row)
        return self._program.maximise(direction * scale)

    def _split(self, cell: _Cell, neuron: int, values: np.ndarray) -> list[_Cell]:
        form = cell.forms[neuron]
        a, c = form[:-1], float(form[-1])
        largest = float(np.abs(a).max())
        length = largest * float(np.sqrt((a / largest) @ (a / largest)))
        index = int(self.network.offsets[cell.layer]) + neuron
        centre = float(a @ cell.inner + c)
        others = cell.open[cell.open != neuron]
        children = []
        depth = len(cell.path)
        sides: tuple[tuple[int, int], ...] = ((0, -1), (1, 1))
        if depth < len(self._prefix):
            if index != self._prefix[depth][0]:
                raise ReplayError(f"the search splits by neuron {index}, not {self._prefix[depth][0]}")
            sides = (sides[self._prefix[depth][1]],)
        for side, sign in sides:
            node = self._add_node(cell.node, index, side)
            bits = cell.bits.copy()
            bits[index] = side == 1
            far = int(np.argmax(sign * values))
            points = cell.points[sign * values >= 0]
            inner = _step_inside(cell.inner, sign * centre, cell.points[far], sign * values[far])
            inner = 0.5 * inner + 0.5 * points.mean(axis=0)
            children.append(
                replace(
                    cell,
                    node=node,
                    path=(*cell.path, _Row(node, sign * a / length, -sign * c / length, length)),
                    bits=bits,
                    open=others,
                    points=_thin(points),
                    inner=inner,
                    bounds=cell.bounds.cut(sign * a, sign * c),
                    weight=cell.weight / 2,
                )
            )
        return children

    def _flush(self) -> None:
        """Hand over what is new; claims below which no region is known yet wait."""
        nodes, regions = len(self._side), len(self._leaf)
        if self._sink is None or regions == self._sent[1]:
            return
        ready, self._claims, self._ready = self._claims[: self._ready], self._claims[self._ready :], 0
        where, what = [c[3] for c in ready], [c[4] for c in ready]
        claims = Claims(
            np.array([c[0] for c in ready], dtype=np.int32),
            np.array([c[1] for c in ready], dtype=np.int32),
            np.array([c[2] for c in ready], dtype=np.int8),
            np.concatenate([[0], np.cumsum([len(w) for w in where])]).astype(np.int64),
            np.concatenate([np.zeros(0), *where]).astype(np.int32),
            np.concatenate([np.zeros(0), *what]).astype(np.float64),
        )
        old, done = self._sent
        self._sent = nodes, regions
        self._sink(
            Chunk(
                old,
                np.array(self._parent[old:nodes], dtype=np.int32),
                np.array(self._neuron[old:nodes], dtype=np.int32),
                np.array(self._side[old:nodes], dtype=np.int8),
                done,
                np.concatenate(self._bits[done:regions]),
                np.array(self._unit[done:regions]).reshape(regions - done, self.domain.dimension),
                np.array(self._leaf[done:regions], dtype=np.int32),
                claims,
            )
        )


def _step_inside(inner: np.ndarray, at_inner: float, witness: np.ndarray, at_witness: float) -> np.ndarray:
    """An interior point of the side where values are positive, by convexity.

    `inner` is interior to the cell and `witness` in its closure with a positive value, so all of the segment but its
    last point is interior; half-way from where the value turns positive to the witness is inside the side.
    """
    if at_inner > 0:
        return inner
    turn = at_inner / (at_inner - at_witness)
    result: np.ndarray = inner + (turn + 0.5 * (1.0 - turn)) * (witness - inner)
    return result


def _box_bounds(dimension: int) -> _Bounds:
    """Bounds of the whole neighbourhood, [-1, 1]^k; the centre of a face is as extreme as any of its points."""
    faces = np.repeat(np.eye(dimension), 2, axis=0)
    faces[0::2] *= -1.0
    none = (np.zeros(0, dtype=np.int64), np.zeros(0))
    return _Bounds(np.ones(2 * dimension, dtype=bool), np.ones(2 * dimension), faces, [none] * (2 * dimension))


def _thin(points: np.ndarray) -> np.ndarray:
    """At most MOST_POINTS of the points, the latest."""
    result: np.ndarray = points[-MOST_POINTS:]
    return result
