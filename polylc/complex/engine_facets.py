"""The region graph as an engine saw it, compiled: regions joined where both have a facet on the hyperplane of one
neuron.

For complexes that nobody judged. In: the facets of cells that doubles cut. Out: pairs of regions. Invariant: a pair is
FACET only if both cells have a facet there; what does not fit together is handed back to be decided exactly.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.complex.facet_search import FACET, OPEN
from polylc.complex.facet_sweep import Columns, Found, entry_of, insert, leads_path, look_up
from polylc.jit.decorators import kernel
from polylc.network.patterns import PatternTable, announced


class Room(NamedTuple):
    """Room to work in, for the longest path."""

    entry: np.ndarray
    key: np.ndarray
    beyond: np.ndarray
    carrier: np.ndarray  # entries of the regions found, in order


def room(longest: int) -> Room:
    """Room for paths of so many entries."""
    entry, beyond, carrier = (np.zeros(longest, dtype=np.int64) for _ in range(3))
    return Room(entry, np.zeros(longest, dtype=np.uint64), beyond, carrier)


@kernel
def link(
    columns: Columns, facets: np.ndarray, sure: np.ndarray, table: PatternTable, begin: int, end: int, room: Room, found: Found
) -> tuple[int, int]:
    """The edges from regions begin..end to later ones.

    Parameters
    ----------
    columns, table
    facets, sure : ndarray of uint64, shape (R, words), and of bool, shape (R,)
        Packed neurons on whose hyperplanes a region has facets as an engine has it; where it is not sure, every path
        entry may carry one.
    begin, end : int
    room : Room
    found : Found

    Returns
    -------
    odd, pairs : int
        How many entries have a facet that leads to no listed region, and how many pairs there are, FACET or OPEN.
    """
    odd = pairs = 0
    one = np.uint64(1)
    for r in range(begin, end):
        asked = 0
        for e in range(columns.starts[r], columns.starts[r + 1]):
            i = columns.neuron[e]
            if sure[r] and not facets[r, i >> 6] >> np.uint64(i & 63) & one:
                continue
            if not leads_path(columns, table, r, i):
                found.odd[odd] = e
                for word in range(facets.shape[1]):
                    found.suspects[odd, word] = ~np.uint64(0)
                odd += 1
                continue
            room.entry[asked] = e
            room.key[asked] = announced(table, r, i)
            asked += 1
        look_up(columns, table, r, asked, room.entry, room.key, room.beyond)
        many = 0
        for q in range(asked):
            w, e = room.beyond[q], room.entry[q]
            if w < 0:
                found.odd[odd] = e
                for word in range(facets.shape[1]):
                    found.suspects[odd, word] = ~np.uint64(0)
                odd += 1
                continue
            i = columns.neuron[e]
            if w < r and sure[w] and facets[w, i >> 6] >> np.uint64(i & 63) & one:  # found at w
                continue
            insert(room.beyond, room.carrier, many, w, e)  # not beyond q
            many += 1
        for q in range(many):
            w, e = room.beyond[q], room.carrier[q]
            i = columns.neuron[e]
            other = entry_of(columns, table, w, i)
            if w < r and other >= 0 and not sure[w]:  # found at w
                continue
            both = other >= 0 and sure[r] and sure[w] and facets[w, i >> 6] >> np.uint64(i & 63) & one
            found.region[pairs], found.entry[pairs], found.beyond[pairs], found.beyond_entry[pairs] = r, e, w, other
            found.state[pairs] = FACET if both else OPEN
            pairs += 1
    return odd, pairs
