"""Arrays for the compiled passes over dense chains (`dense`), and these passes as calls over numpy arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polylc.bounds.ball_fused import Round
from polylc.bounds.dense import Best, Dense, Ends, Goal, Plan, Room, Rows, bounded, climbed, refined
from polylc.bounds.fused import Chosen
from polylc.bounds.shorten import shortened
from polylc.bounds.tables import LOST, Sizes, Tables


@dataclass
class Packed:
    """A network, its sizes on a domain, and room to work in.

    Attributes
    ----------
    net : Dense
    room : Room
        For as many goals as were asked for last.
    """

    net: Dense
    room: Room

    def refine(
        self,
        low: np.ndarray,
        high: np.ndarray,
        lows: np.ndarray,
        highs: np.ndarray,
        doubtful: np.ndarray,
        reach: np.ndarray,
        only: np.ndarray | None = None,
        kept: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
    ) -> None:
        """As `hidden.refine` from the first layer on; arrays of cells, and of `hidden.Kept`."""
        lines = Chosen(*(np.zeros(lows.shape) for _ in range(3)))
        some = np.zeros((0, 0), dtype=bool) if only is None else only
        rows = (np.zeros((0, 2, 0, 0)), np.zeros((0, 2, 0)), np.zeros((0, 2, 0))) if kept is None else kept
        refined(self.net, low, high, Ends(lows, highs, doubtful[0], doubtful[1], reach, some, *rows), lines, self.room)

    def bound(
        self, last: np.ndarray, first: np.ndarray, constant: np.ndarray, lines: Chosen, low: np.ndarray, high: np.ndarray
    ) -> tuple[Best, np.ndarray]:
        """Bounds, gradients and least points of rows over the last layer and the input; and bounds on rounding in them.

        Parameters
        ----------
        last, first : ndarray, shapes (rows, width), (rows, inputs)
        constant : ndarray, shape (rows,)
        lines : Chosen
            One row of each array for each row, or one for all.
        low, high : ndarray, shape (rows, inputs)
        """
        best = _best(len(constant), low.shape[1], 0)
        goals = Goal(np.ascontiguousarray(last), np.ascontiguousarray(first), constant, np.zeros(0))
        which, line = (np.arange(len(constant)) if len(a) == len(constant) else np.zeros(len(constant), dtype=np.int64) for a in lines[:2])
        error = np.zeros(len(constant))
        bounded(self.net, low, high, lines, goals, which, line, best, error, self.room)
        return best, error

    def shorten(self, goals: Goal, slopes: np.ndarray, lines: Chosen, low: np.ndarray, high: np.ndarray, grids: np.ndarray) -> None:
        """Slopes that refute rows on the coarsest of these grids, from the first one on, on which they do."""
        shortened(self.net, low, high, lines, goals, slopes, grids, self.room)

    def climb(self, goals: Goal, rows: Rows, lines: Chosen, low: np.ndarray, high: np.ndarray, plan: Plan) -> Best:
        """As `ascent.ascend`; multipliers and slopes of `rows` become the best ones."""
        many = len(goals.constant)
        if len(self.room.share) < many:
            self.room = self.room._replace(share=np.zeros(many), value=np.zeros(many))
        best = _best(len(rows.target), low.shape[1], lines.chord.shape[1])
        climbed(self.net, low, high, lines, goals, rows, best, self.room, plan)
        return best


def _best(rows: int, inputs: int, neurons: int) -> Best:
    return Best(np.zeros(rows), *(np.zeros((rows, inputs)) for _ in range(3)), *(np.zeros((rows, neurons)) for _ in range(2)))


def packed(tables: Tables, sizes: Sizes) -> Packed | None:
    """The arrays, made once for each domain; None where kernels are not wanted yet or the network is no such chain."""
    if not tables.fused or not tables.compact:
        return None
    if tables.packed is None or tables.packed[0] is not sizes:
        tables.packed = sizes, _pack(tables, sizes)
    found: Packed = tables.packed[1]
    return found


def _pack(tables: Tables, sizes: Sizes) -> Packed:
    widths = [tables.inputs, *tables.network.widths]
    most, depth = max(widths), tables.depth
    weight, turned = np.zeros((2, depth, most, most))
    bias, size = np.zeros((2, depth, most))
    for layer, affine in enumerate(tables.affines[:-1]):
        for _, w in affine.terms:
            weight[layer, : w.shape[0], : w.shape[1]] = w
            turned[layer, : w.shape[1], : w.shape[0]] = w.T
        bias[layer, : affine.size], size[layer, : affine.size] = affine.bias, sizes.layers[layer]
    ball = Round(0, 0.0, np.zeros(tables.inputs)) if sizes.ball is None else sizes.ball.round
    first = np.array([*(span.start for span in tables.span), tables.neurons])
    net = Dense(weight, turned, bias, size, np.array(widths), first, tables.gamma, np.array(sizes.loss) + LOST, ball)
    row, inputs = np.zeros(most), np.zeros(tables.inputs)
    room = Room(
        row,
        row.copy(),
        inputs,
        inputs.copy(),
        np.zeros((depth, most)),
        np.zeros((depth, most)),
        np.zeros(1),
        np.zeros(1),
        np.zeros((1, tables.neurons)),
    )
    return Packed(net, room)
