"""The columns of a complex for compiled loops, and the forms along them, region after region.

In: packed patterns and paths, and forms that are brought up to date from one region to the next (network/replay.py).
Out: half-spaces, affine maps, or all forms.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.jit.decorators import kernel
from polylc.network.replay import FlatNet, Replay, move, write_map


class Columns(NamedTuple):
    """The columns of a complex."""

    bits: np.ndarray
    unit: np.ndarray
    starts: np.ndarray
    neuron: np.ndarray
    side: np.ndarray
    near: np.ndarray  # (R, words) neurons that may vanish on the closed region, or (0, words) if that is not known


@kernel
def half_spaces_of(net: FlatNet, replay: Replay, columns: Columns, begin: int, end: int, rows: np.ndarray, noise: np.ndarray) -> None:
    """Path half-spaces of regions begin..end, positive inside, and bounds on their rounding; shape (entries, k + 1) and
    (entries,)."""
    first = columns.starts[begin]
    for r in range(begin, end):
        move(net, replay, columns.bits[r], False)
        for e in range(columns.starts[r], columns.starts[r + 1]):
            column = net.first[1] + columns.neuron[e]
            sign = 1.0 if columns.side[e] == 1 else -1.0
            for j in range(rows.shape[1]):
                rows[e - first, j] = sign * replay.form[j, column]
            noise[e - first] = replay.noise[column]


@kernel
def maps_of(net: FlatNet, replay: Replay, bits: np.ndarray, maps: np.ndarray, noise: np.ndarray) -> None:
    """Affine maps of regions one after the other; maps has shape (R, outputs, k + 1), noise (R, outputs)."""
    for r in range(len(bits)):
        move(net, replay, bits[r], True)
        write_map(net, replay, maps, noise, r)


@kernel
def forms_of(net: FlatNet, replay: Replay, bits: np.ndarray, hidden: np.ndarray, noise: np.ndarray, maps: np.ndarray, doubt: np.ndarray) -> None:
    """All forms of regions one after the other: those of hidden neurons, (R, neurons, k + 1) and (R, neurons), and the
    maps."""
    first, last = net.first[1], net.first[-2]
    for r in range(len(bits)):
        move(net, replay, bits[r], True)
        for j in range(hidden.shape[2]):
            for i in range(hidden.shape[1]):
                hidden[r, i, j] = replay.form[j, first + i]
            for i in range(maps.shape[1]):
                maps[r, i, j] = replay.form[j, last + i]
        for i in range(hidden.shape[1]):
            noise[r, i] = replay.noise[first + i]
        for i in range(maps.shape[1]):
            doubt[r, i] = replay.noise[last + i]
