"""Full ranks of Jacobians of few columns, from doubles, compiled.

In: forms that are brought up to date from one region to the next (network/replay.py). Out: whether a layer's Jacobian
has as many independent rows as columns, beyond doubt. Invariant: a yes is a proof; a no says nothing, and NaN or an
overflow is a no.

With B the rows that are picked, E what rounding may have changed in them, the sum over each row of |E| at most its
noise, and any matrix R: if every row sum of |1 - (B + E) R| is below 1, B + E is regular (a Neumann series). R is the
inverse of B as it is rounded. A product of B and R errs by at most gamma_(t+1) |B| |R|, t columns, and by t underflows;
the bound below counts twice that, and asks for 1/2, so that its own rounding is covered.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.geometry.inverse import invert_beside
from polylc.jit.decorators import inlined, kernel
from polylc.network.compose import UNIT
from polylc.network.replay import FlatNet, Replay, move

Array = np.ndarray


class Room(NamedTuple):
    """Room to work in, for matrices of so many columns."""

    rest: Array  # (columns, widest layer) rows, less their parts along those that were picked
    pick: Array  # (columns,) rows
    square: Array  # (columns, 2 columns) the rows picked, and the identity beside them, which becomes the inverse


def room(columns: int, widest: int) -> Room:
    """Room for layers of at most that width."""
    return Room(np.empty((columns, widest)), np.empty(columns, dtype=np.int64), np.empty((columns, 2 * columns)))


@kernel
def full_ranks(net: FlatNet, replay: Replay, bits: Array, layer: int, certain: Array, room: Room) -> None:
    """Whether the Jacobian of a hidden layer (from 0) certainly has full column rank on regions one after the other.

    Parameters
    ----------
    net, replay
    bits : ndarray of uint64, shape (R, words)
    layer : int
    certain : ndarray of bool, shape (R,)
        Receives the answers.
    room
    """
    first, end = net.first[layer + 1], net.first[layer + 2]
    for r in range(len(bits)):
        move(net, replay, bits[r], False)
        _pick(replay, first, end, room)
        certain[r] = _invert(replay, first, room) and _is_regular(replay, first, room)


@inlined
def _pick(replay: Replay, first: int, end: int, room: Room) -> None:
    """The longest row, then always that which is farthest from the span of those before."""
    t, m, rest = len(room.pick), end - first, room.rest
    for j in range(t):
        for i in range(m):
            rest[j, i] = replay.form[j, first + i]
    for s in range(t):
        best, longest = 0, -1.0
        for i in range(m):
            square = 0.0
            for j in range(t):
                square += rest[j, i] * rest[j, i]
            if square > longest:
                best, longest = i, square
        room.pick[s] = best
        for i in range(m if s < t - 1 and longest > 0.0 else 0):
            share = 0.0
            for j in range(t):
                share += rest[j, i] * rest[j, best]
            share /= longest
            if i != best:
                for j in range(t):
                    rest[j, i] -= share * rest[j, best]
        for j in range(t):
            rest[j, best] = 0.0


@inlined
def _invert(replay: Replay, first: int, room: Room) -> bool:
    """The inverse of the rows picked, as it is rounded; False where a pivot is zero."""
    t, square = len(room.pick), room.square
    for i in range(t):
        for j in range(t):
            square[i, j] = replay.form[j, first + room.pick[i]]
            square[i, t + j] = 1.0 if i == j else 0.0
    return bool(invert_beside(square, t, 0.0))


@inlined
def _is_regular(replay: Replay, first: int, room: Room) -> bool:
    """Whether the rows picked, as they are without rounding, certainly are independent."""
    t, square = len(room.pick), room.square
    largest = 0.0
    for i in range(t):
        total = 0.0
        for j in range(t):
            total += abs(square[i, t + j])
        largest = max(largest, total)
    regular = largest < np.inf
    for i in range(t):
        column = first + room.pick[i]
        away = size = 0.0
        for j in range(t):
            entry = -1.0 if i == j else 0.0
            for q in range(t):
                entry += replay.form[q, column] * square[q, t + j]
            away += abs(entry)
            size += abs(replay.form[j, column])
        regular = regular and away + (replay.noise[column] + 4.0 * (t + 4) * UNIT * size) * largest + 4.0 * (t + 4) * UNIT < 0.5
    return regular
