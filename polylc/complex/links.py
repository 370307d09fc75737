"""The region graph as an engine saw it, compiled: regions joined where both have a facet on the hyperplane of one neuron.

For complexes that nobody judged. Facets come from cells that doubles cut; what does not fit together is handed back to be decided exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from polylc.compiled import compiled
from polylc.complex.kernels import FACET, OPEN, Columns, Found
from polylc.network.patterns import PatternTable, find_flipped

_compiled: Any = compiled(nogil=True, error_model="numpy", _nrt=False)


@_compiled
def link(
    columns: Columns,
    facets: np.ndarray,
    sure: np.ndarray,
    table: PatternTable,
    begin: int,
    end: int,
    neighbour: np.ndarray,
    entry: np.ndarray,
    found: Found,
) -> tuple[int, int]:
    """The edges from regions begin..end to later ones.

    Parameters
    ----------
    columns, table
    facets, sure : ndarray of uint64, shape (R, words), and of bool, shape (R,)
        Packed neurons on whose hyperplanes a region has facets as an engine has it; where it is not sure, every path entry may carry one.
    begin, end : int
    neighbour, entry : ndarray of int64
        Room for the longest path.
    found : Found

    Returns
    -------
    odd, pairs : int
        How many entries have a facet that leads to no listed region, and how many pairs there are, FACET or OPEN.
    """
    odd = pairs = 0
    one = np.uint64(1)
    for r in range(begin, end):
        many = 0
        for e in range(columns.starts[r], columns.starts[r + 1]):
            i = columns.neuron[e]
            if sure[r] and not facets[r, i >> 6] >> np.uint64(i & 63) & one:
                continue
            w = find_flipped(table, columns.bits, r, i)
            if w < 0:
                found.odd[odd] = e
                for word in range(facets.shape[1]):
                    found.suspects[odd, word] = ~np.uint64(0)
                odd += 1
                continue
            if w < r and sure[w] and facets[w, i >> 6] >> np.uint64(i & 63) & one:  # found at w
                continue
            place = many
            while place > 0 and neighbour[place - 1] > w:
                neighbour[place], entry[place] = neighbour[place - 1], entry[place - 1]
                place -= 1
            neighbour[place], entry[place] = w, e
            many += 1
        for q in range(many):
            w, e = neighbour[q], entry[q]
            i = columns.neuron[e]
            other = -1
            for p in range(columns.starts[w], columns.starts[w + 1]):
                if columns.neuron[p] == i:
                    other = p
            if w < r and other >= 0 and not sure[w]:  # found at w
                continue
            both = other >= 0 and sure[r] and sure[w] and facets[w, i >> 6] >> np.uint64(i & 63) & one
            found.region[pairs], found.entry[pairs], found.beyond[pairs], found.beyond_entry[pairs] = r, e, w, other
            found.state[pairs] = FACET if both else OPEN
            pairs += 1
    return odd, pairs
