"""The region graph as an engine saw it, compiled: regions joined where both have a facet on the hyperplane of one
neuron.

For complexes that nobody judged. In: the facets of cells that doubles cut. Out: pairs of regions. Invariant: a pair is
joined only if both cells have a facet there; what does not fit together is handed back to be decided exactly.
"""

from __future__ import annotations

import numpy as np

from polylc.complex.columns import Columns
from polylc.complex.facet_sweep import Found, put_pair
from polylc.complex.split_tree import DEPTH, NEURON, Groups, Room, SplitTree, has, pairs_from, settle_pairs
from polylc.jit.decorators import inlined, kernel


@kernel
def link(
    columns: Columns,
    facets: np.ndarray,
    sure: np.ndarray,
    tree: SplitTree,
    groups: Groups,
    begin: int,
    end: int,
    settled: np.ndarray,
    room: Room,
    found: Found,
) -> tuple[int, int, int]:
    """The edges whose first regions are at places begin..end, and facets of these regions that lead to no listed one.

    Parameters
    ----------
    columns
    facets, sure : ndarray of uint64, shape (R, words), and of bool, shape (R,)
        Packed neurons on whose hyperplanes a region has facets as an engine has it; where it is not sure, every path
        entry may carry one.
    tree, groups, begin, end, settled, room, found
        As for `sweep` of regions that are proved.

    Returns
    -------
    odd, edges, open : int
        How many entries lead to no listed region, and how many pairs have a facet on both sides, or are left open.
    """
    odd = edges = open_ = 0
    pairs_from(columns.bits, tree, groups, begin, end, room)
    for place in range(begin, end):
        r = tree.order[place]
        first, pair, behind = columns.starts[r], room.begins[place - begin], room.begins[place - begin + 1]
        settle_pairs(columns.bits, columns.neuron, columns.starts, tree, groups, place, pair, behind, settled, room)
        for e in range(first, columns.starts[r + 1]):
            if not has(settled, r, columns.neuron[e]) and _may_have(facets, sure, r, columns.neuron[e]):
                found.odd[odd] = e
                for w in range(facets.shape[1]):  # anything may vanish there
                    found.suspects[odd, w] = ~np.uint64(0)
                odd += 1
        for q in range(pair, behind):
            node = room.sorted_node[q]
            w, e, i = tree.order[room.sorted_second[q]], first + tree.node[node, DEPTH], tree.node[node, NEURON]
            if not has(settled, r, i):
                continue
            here, beyond = _may_have(facets, sure, r, i), _may_have(facets, sure, w, i)
            other = columns.starts[w] + tree.node[node, DEPTH]
            if here and beyond and sure[r] and sure[w]:
                put_pair(found.edges, edges, r, e, w, other)
                edges += 1
            elif here or beyond:
                put_pair(found.open, open_, r, e, w, other)
                open_ += 1
    return odd, edges, open_


@inlined
def _may_have(facets: np.ndarray, sure: np.ndarray, r: int, i: int) -> bool:
    """Whether a region may have a facet on the hyperplane of a neuron of its path."""
    return bool(not sure[r] or has(facets, r, i))
