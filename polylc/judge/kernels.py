"""The judge's loops over columns, compiled: walks in the tree, the float filter, the audit of a whole exploration.

The filter's bounds are those of docs/exactness.md, lemmas 3 and 4; tests/reference_filter.py has them in plain numpy.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from polylc.network.compose import TINY, UNIT

MULTIPLIER_BITS = 30
POINT_BITS = 20  # points of regions are rounded to multiples of 2^-20 where they stay inside

_compiled: Any = numba.njit(cache=True, nogil=True)


@_compiled
def representatives(parent: np.ndarray, leaf: np.ndarray) -> np.ndarray:
    """For every node, the index of a leaf below it, or -1."""
    found = np.full(len(parent), -1, dtype=np.int64)
    for region in range(len(leaf)):
        node = leaf[region]
        while node >= 0 and found[node] < 0:
            found[node] = region
            node = parent[node]
    return found


@_compiled
def paths(parent: np.ndarray, leaf: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Starts (R + 1,) and nodes of the paths from below the root to each leaf."""
    starts = np.zeros(len(leaf) + 1, dtype=np.int64)
    for region in range(len(leaf)):
        depth, node = 0, leaf[region]
        while parent[node] >= 0:
            depth += 1
            node = parent[node]
        starts[region + 1] = starts[region] + depth
    nodes = np.empty(starts[-1], dtype=np.int64)
    for region in range(len(leaf)):
        place, node = starts[region + 1] - 1, leaf[region]
        while parent[node] >= 0:
            nodes[place] = node
            place -= 1
            node = parent[node]
    return starts, nodes


@_compiled
def points_inside(
    hidden: np.ndarray, noise: np.ndarray, starts: np.ndarray, neuron: np.ndarray, side: np.ndarray, given: np.ndarray, points: np.ndarray
) -> np.ndarray:
    """Which regions' points are certainly inside all half-spaces of their paths and the open box; boolean, shape (R,).

    Parameters
    ----------
    hidden : ndarray, shape (R, neurons, k + 1)
    noise : ndarray, shape (R, neurons)
    starts, neuron, side
        Path entries of the regions.
    given : ndarray, shape (R, k)
        The points proposed.
    points : ndarray, shape (R, k)
        Receives the points confirmed: those proposed, rounded to POINT_BITS where that keeps them inside.
    """
    count, k = given.shape
    good = np.zeros(count, dtype=np.bool_)
    unit = 2.0**POINT_BITS
    slack = 2 * (k + 3) * UNIT
    for r in range(count):
        for attempt in range(2):
            inside = True
            for j in range(k):
                value = given[r, j] if attempt else np.rint(given[r, j] * unit) / unit
                points[r, j] = value
                inside = inside and abs(value) < 1.0
            e = starts[r]
            while inside and e < starts[r + 1]:
                n = neuron[e]
                value, size = hidden[r, n, k], abs(hidden[r, n, k])
                for j in range(k):
                    product = hidden[r, n, j] * points[r, j]
                    value += product
                    size += abs(product)
                if side[e] != 1:
                    value = -value
                inside = value > (noise[r, n] + slack * size) * (1 + 8 * slack) + 16 * (k + 3) * TINY
                e += 1
            if inside:
                good[r] = True
                break
    return good


@_compiled
def claims_hold(
    hidden: np.ndarray,
    noise: np.ndarray,
    region: np.ndarray,
    neuron: np.ndarray,
    sign: np.ndarray,
    starts: np.ndarray,
    at_neuron: np.ndarray,
    at_side: np.ndarray,
    multiplier: np.ndarray,
    whole: np.ndarray,
    shift: np.ndarray,
) -> np.ndarray:
    """Which claims hold beyond doubt, strictly, with their multipliers rounded to integers; boolean, shape (C,).

    Claim c says sign z - sum y g >= 0 on [-1, 1]^k for the form z of `neuron` on `region` and the half-spaces of the path
    nodes in the entries starts[c]:starts[c + 1].

    Parameters
    ----------
    hidden, noise
        Forms of the regions and bounds on their rounding, as for `points_inside`.
    whole : ndarray of int64, shape (entries,)
        Receives the multipliers m; y = m / 2^shift.
    shift : ndarray of int64, shape (C,)
    """
    k = hidden.shape[2] - 1
    held = np.zeros(len(region), dtype=np.bool_)
    total = np.empty(k + 1)
    for c in range(len(region)):
        r, n, begin, end = region[c], neuron[c], starts[c], starts[c + 1]
        largest = 0.0
        for e in range(begin, end):
            if multiplier[e] > largest and multiplier[e] < math.inf:
                largest = multiplier[e]
        q = 0
        if largest > 0:
            _, exponent = math.frexp(largest)
            q = min(max(MULTIPLIER_BITS - exponent, -1000), 900)
        shift[c] = q
        size, doubt = 0.0, noise[r, n]
        for j in range(k + 1):
            total[j] = hidden[r, n, j] * sign[c]
            size += abs(total[j])
        used = 0
        for e in range(begin, end):
            y = multiplier[e]
            if not (y > 0 and y <= largest):
                whole[e] = 0
                continue
            m = int(np.rint(math.ldexp(y, q)))
            whole[e] = m
            if m == 0:
                continue
            y = math.ldexp(float(m), -q)
            used += 1
            g = at_neuron[e]
            toward = y if at_side[e] == 1 else -y
            length = 0.0
            for j in range(k + 1):
                product = toward * hidden[r, g, j]
                total[j] -= product
                length += abs(product)
            size += length
            doubt += y * noise[r, g]
        spread = 0.0
        for j in range(k):
            spread += abs(total[j])
        terms = used + k + 9.0
        doubt = (doubt + 4 * terms * UNIT * (size + spread + abs(total[k]))) * (1 + 16 * terms * UNIT) + 16 * terms * (k + 1) * TINY
        held[c] = total[k] - spread > doubt
    return held


@_compiled
def confirm(held: np.ndarray, node: np.ndarray, neuron: np.ndarray, sign: np.ndarray, known: np.ndarray, ones: np.ndarray) -> None:
    """Enter claims that hold into the masks of their nodes."""
    one = np.uint64(1)
    for c in range(len(held)):
        if held[c]:
            word, bit = neuron[c] >> 6, one << np.uint64(neuron[c] & 63)
            known[node[c], word] |= bit
            if sign[c] > 0:
                ones[node[c], word] |= bit
            else:
                ones[node[c], word] &= ~bit


@_compiled
def audit(
    parent: np.ndarray, neuron: np.ndarray, side: np.ndarray, known: np.ndarray, ones: np.ndarray, leaf: np.ndarray, bits: np.ndarray, neurons: int
) -> bool:
    """Whether a tree is sound and complete by what is confirmed at its nodes.

    Every node but the leaves has two children, on the two sides of one neuron that is not known on the node's cell; on every
    leaf all neurons are known, and the pattern is the one they give.
    """
    count, words = known.shape
    all_known, all_ones = np.empty((count, words), dtype=np.uint64), np.empty((count, words), dtype=np.uint64)
    split, sides, is_leaf = np.full(count, -1, dtype=np.int64), np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.bool_)
    one = np.uint64(1)
    for region in range(len(leaf)):
        if is_leaf[leaf[region]]:
            return False
        is_leaf[leaf[region]] = True
    for node in range(count):
        above = parent[node]
        if (above < 0) != (node == 0) or above >= node:
            return False
        for w in range(words):
            before = np.uint64(0) if above < 0 else all_known[above, w]
            all_known[node, w] = before | known[node, w]
            all_ones[node, w] = (np.uint64(0) if above < 0 else all_ones[above, w]) | ones[node, w]
        if above >= 0:
            n = neuron[node]
            if n < 0 or n >= neurons or (split[above] >= 0 and split[above] != n) or (side[node] != 0 and side[node] != 1):
                return False
            if sides[above] & (1 << side[node]):
                return False
            split[above] = n
            sides[above] |= 1 << side[node]
            word, bit = n >> 6, one << np.uint64(n & 63)
            if all_known[above, word] & bit:
                return False
            all_known[node, word] |= bit
            if side[node] == 1:
                all_ones[node, word] |= bit
    for node in range(count):
        if is_leaf[node] != (sides[node] == 0) or (not is_leaf[node] and sides[node] != 3):
            return False
    for region in range(len(leaf)):
        for w in range(words):
            last = neurons - 64 * w
            full = ~np.uint64(0) if last >= 64 else (one << np.uint64(max(last, 0))) - one
            if all_known[leaf[region], w] != full or (all_ones[leaf[region], w] & full) != bits[region, w]:
                return False
    return True


@_compiled
def preorder(parent: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Nodes in preorder, the child of side 0 before that of side 1; parents come before children in the columns."""
    count = len(parent)
    child = np.full((count, 2), -1, dtype=np.int64)
    for node in range(1, count):
        child[parent[node], side[node]] = node
    order, stack = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    top, done = 1, 0
    stack[0] = 0
    while top:
        top -= 1
        node = stack[top]
        order[done] = node
        done += 1
        for s in (1, 0):
            if child[node, s] >= 0:
                stack[top] = child[node, s]
                top += 1
    return order
