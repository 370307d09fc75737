"""Forms along the current path of the vertex engine's search.

The columns of a layer hold its forms on the cell where the search last entered it, which is the right cell for every neuron of the
current path.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.jit.decorators import inlined
from polylc.network.replay import FlatNet, Replay

Array = np.ndarray


class Forms(NamedTuple):
    """The current path: forms, what rounding did to them, and what is decided. Columns are those of the network."""

    replay: Replay
    threshold: Array  # (columns,) values below this do not count as a sign
    node: Array  # (columns,) node of the path whose half-space the neuron is, -1 if it is none


def start_forms(replay: Replay) -> Forms:
    """At the root."""
    columns = len(replay.noise)
    return Forms(replay, np.zeros(columns), np.full(columns, -1, dtype=np.int64))


@inlined
def decide(net: FlatNet, forms: Forms, column: int, above: bool, node: int) -> None:
    """Note the sign of a neuron on the current cell, and the node if the neuron is split there, else -1."""
    neuron = column - net.first[1]
    bit = np.uint64(1) << np.uint64(neuron & 63)
    replay = forms.replay
    forms.node[column] = node
    if above:
        replay.slope[column] = net.positive[column]
        replay.sign[column] = 1.0
        replay.words[neuron >> 6] |= bit
    else:
        replay.slope[column] = net.negative[column]
        replay.sign[column] = -1.0
        replay.words[neuron >> 6] &= ~bit
