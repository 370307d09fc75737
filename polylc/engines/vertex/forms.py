"""Forms along the current path of the vertex engine's search.

Data in: a network and its replay at the root. Data out: forms, signs and thresholds of all neurons on the cell at hand.

Invariant: the columns of a layer hold its forms on the cell where the search last entered it, which is the right cell
for every neuron of the current path. Columns are those of `network.replay`: inputs, then neurons, then outputs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.jit.decorators import inlined
from polylc.network.replay import FlatNet, Replay

Array = np.ndarray


class Forms(NamedTuple):
    """What kernels on cells read of a network and its replay, without all that composing needs besides.

    Only `threshold` and `node` are arrays of its own; the others belong to the replay and the network.
    """

    form: Array  # (k + 1, columns)
    noise: Array  # (columns,) bound on rounding
    sign: Array  # (columns,) 1 where the neuron is positive, -1 elsewhere
    slope: Array  # (columns,) that goes with it
    words: Array  # packed pattern
    negative: Array  # (columns,) slopes to choose from
    positive: Array
    threshold: Array  # (columns,) values below this do not count as a sign
    node: Array  # (columns,) node of the path whose half-space the neuron is, -1 if it is none
    first: int  # column of the first neuron
    leader: Array  # (neurons,) the first neuron with the same hyperplane (`network/twins.py`); only leaders are looked at
    ratio: Array  # (neurons,) multiple of the leader's form
    begin_mate: Array  # (neurons + 1,) where a leader's mates begin
    mate: Array
    several: bool  # whether some leader has mates


def start_forms(net: FlatNet, replay: Replay) -> Forms:
    """At the root."""
    columns = len(replay.noise)
    threshold, node = np.zeros(columns), np.full(columns, -1, dtype=np.int64)
    first = int(net.first[1])
    told = replay.form, replay.noise, replay.sign, replay.slope, replay.words, net.negative, net.positive
    return Forms(*told, threshold, node, first, net.leader, net.ratio, net.begin_mate, net.mate, len(net.mate) > 0)


@inlined
def decide(forms: Forms, column: int, above: bool, node: int) -> None:
    """Note the sign of a neuron on the current cell, and the node if the neuron is split there, else -1."""
    neuron = column - forms.first
    bit = np.uint64(1) << np.uint64(neuron & 63)
    forms.node[column] = node
    if above:
        forms.slope[column] = forms.positive[column]
        forms.sign[column] = 1.0
        forms.words[neuron >> 6] |= bit
    else:
        forms.slope[column] = forms.negative[column]
        forms.sign[column] = -1.0
        forms.words[neuron >> 6] &= ~bit
