"""The judge's loops over columns, compiled: walks in the tree, the float filter, the audit of a whole exploration.

The filter's bounds are those of docs/exactness.md, lemmas 3 and 4; tests/reference_filter.py has them in plain numpy.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from polylc.jit.decorators import inlined, kernel, rounded
from polylc.network.compose import TINY, UNIT
from polylc.network.replay import FlatNet, Replay, move

MULTIPLIER_BITS = 30
POINT_BITS = 20  # points of regions are rounded to multiples of 2^-20 where they stay inside


class ClaimColumns(NamedTuple):
    """The columns of `engines.tree.Claims`."""

    node: np.ndarray
    neuron: np.ndarray
    sign: np.ndarray
    starts: np.ndarray
    constraint: np.ndarray
    multiplier: np.ndarray


@rounded
def representatives(parent: np.ndarray, leaf: np.ndarray) -> np.ndarray:
    """For every node, the index of a leaf below it, or -1."""
    found = np.full(len(parent), -1, dtype=np.int64)
    for region in range(len(leaf)):
        node = leaf[region]
        while node >= 0 and found[node] < 0:
            found[node] = region
            node = parent[node]
    return found


@kernel
def sift(
    net: FlatNet,
    replay: Replay,
    parent: np.ndarray,
    neuron: np.ndarray,
    side: np.ndarray,
    leaf: np.ndarray,
    bits: np.ndarray,
    given: np.ndarray,
    points: np.ndarray,
    good: np.ndarray,
    bounds: np.ndarray,
    claims: ClaimColumns,
    held: np.ndarray,
    mark: np.ndarray,
    total: np.ndarray,
) -> None:
    """Regions one after the other: which points are certainly inside, which claims certainly hold.

    Parameters
    ----------
    net, replay
        Forms on the region before.
    parent, neuron, side
        The tree.
    leaf, bits, given
        The regions: leaves, packed patterns, and the points proposed, shape (R, k).
    points : ndarray, shape (R, k)
        Receives the points confirmed: those proposed, rounded to POINT_BITS where that keeps them inside.
    good : ndarray of bool, shape (R,)
        Receives whether a point is confirmed.
    bounds : ndarray of int64, shape (R + 1,)
        Claims bounds[r]:bounds[r + 1] are of cells that region r lies in.
    claims : ClaimColumns
    held : ndarray of bool, shape (C,)
        Receives whether a claim holds beyond doubt, strictly, by multipliers on half-spaces of its node's path.
    mark, total : ndarray of int64, shape (nodes,), and of float64, shape (k + 1,)
        Room to work in; `mark` is -1 everywhere.
    """
    offset = net.first[1]
    for r in range(len(leaf)):
        move(net, replay, bits[r], False)
        node = leaf[r]
        while parent[node] >= 0:
            mark[node] = r
            node = parent[node]
        for attempt in range(2):
            for j in range(given.shape[1]):
                points[r, j] = given[r, j] if attempt else np.rint(given[r, j] * 2.0**POINT_BITS) / 2.0**POINT_BITS
            if point_inside(replay.form, replay.noise, offset, parent, neuron, side, leaf[r], points[r]):
                good[r] = True
                break
        for c in range(bounds[r], bounds[r + 1]):
            held[c] = claim_holds(replay.form, replay.noise, offset, neuron, side, claims, c, mark, r, total)


@kernel
def round_multipliers(claims: ClaimColumns, shift: np.ndarray, whole: np.ndarray, rounded: np.ndarray) -> None:
    """Multipliers of claims as integers m of at most MULTIPLIER_BITS bits over powers of two; what is not positive and finite becomes 0.

    Parameters
    ----------
    claims : ClaimColumns
    shift : ndarray of int64, shape (C,)
        Receives q of each claim.
    whole, rounded : ndarray of int64 and float64, shape (entries,)
        Receive m and m / 2^q.
    """
    for c in range(len(claims.node)):
        begin, end = claims.starts[c], claims.starts[c + 1]
        largest = 0.0
        for e in range(begin, end):
            if claims.multiplier[e] > largest and claims.multiplier[e] < math.inf:
                largest = claims.multiplier[e]
        q = 0
        if largest > 0:
            _, exponent = math.frexp(largest)
            q = min(max(MULTIPLIER_BITS - exponent, -1000), 900)
        shift[c] = q
        scale, back = math.ldexp(1.0, q), math.ldexp(1.0, -q)
        for e in range(begin, end):
            y = claims.multiplier[e]
            m = int(np.rint(y * scale)) if y > 0 and y <= largest else 0
            whole[e], rounded[e] = m, m * back


@kernel
def point_inside(
    form: np.ndarray, noise: np.ndarray, offset: int, parent: np.ndarray, neuron: np.ndarray, side: np.ndarray, node: int, point: np.ndarray
) -> bool:
    """Whether a point is certainly inside the open box and all half-spaces of the path of a node (lemma 3).

    The form of neuron i is column offset + i of `form`, shape (k + 1, .), with the bound noise[offset + i] on its rounding.
    """
    k = len(point)
    slack = 2 * (k + 3) * UNIT
    for j in range(k):
        if not abs(point[j]) < 1.0:
            return False
    while parent[node] >= 0:
        column = offset + neuron[node]
        value = form[k, column]
        size = abs(value)
        for j in range(k):
            product = form[j, column] * point[j]
            value += product
            size += abs(product)
        if side[node] != 1:
            value = -value
        if not value > (noise[column] + slack * size) * (1 + 8 * slack) + 16 * (k + 3) * TINY:
            return False
        node = parent[node]
    return True


@inlined
def claim_holds(
    form: np.ndarray,
    noise: np.ndarray,
    offset: int,
    neuron: np.ndarray,
    side: np.ndarray,
    claims: ClaimColumns,
    c: int,
    mark: np.ndarray,
    region: int,
    total: np.ndarray,
) -> bool:
    """Whether a claim holds beyond doubt, strictly (lemma 4)."""
    least: float = least_of_claim(form, noise, offset, neuron, side, claims, c, mark, region, total)
    return least > 0.0


@inlined
def least_of_claim(
    form: np.ndarray,
    noise: np.ndarray,
    offset: int,
    neuron: np.ndarray,
    side: np.ndarray,
    claims: ClaimColumns,
    c: int,
    mark: np.ndarray,
    region: int,
    total: np.ndarray,
) -> float:
    """A number that sign z - sum y g certainly exceeds on [-1, 1]^k (lemma 4), for the claim c and the half-spaces g of the nodes in its entries.

    Parameters
    ----------
    form, noise, offset
        As for `point_inside`. Of a claim on side -1 - neuron of a bounding box, z is that coordinate, and its sign that of the side.
    mark : ndarray of int64, shape (nodes,)
        `region` at the nodes of the path of a region below the claim's; half-spaces of other nodes prove nothing.
    total : ndarray, shape (k + 1,)
        Room to work in.

    Returns
    -------
    float
        -inf if multipliers are not on the path, NaN where numbers overflow.
    """
    k = form.shape[0] - 1
    size, doubt = 0.0, 0.0
    if claims.neuron[c] >= 0:
        z = offset + claims.neuron[c]
        positive = claims.sign[c] > 0
        doubt = noise[z]
        for j in range(k + 1):
            total[j] = form[j, z] if positive else -form[j, z]
            size += abs(total[j])
    else:
        wall = -1 - claims.neuron[c]
        for j in range(k + 1):
            total[j] = 0.0
        total[wall >> 1] = -1.0 if wall & 1 else 1.0
        size = 1.0
    used = 0
    sound = True
    for e in range(claims.starts[c], claims.starts[c + 1]):
        v = claims.constraint[e]
        sound = sound and v > 0 and v <= claims.node[c] and mark[v] == region
        y = claims.multiplier[e]
        if sound and y > 0 and y < math.inf:
            used += 1
            g = offset + neuron[v]
            toward = y if side[v] == 1 else -y
            length = 0.0
            for j in range(k + 1):
                product = toward * form[j, g]
                total[j] -= product
                length += abs(product)
            size += length
            doubt += y * noise[g]
    spread = 0.0
    for j in range(k):
        spread += abs(total[j])
    terms = used + k + 9.0
    doubt = (doubt + 4 * terms * UNIT * (size + spread + abs(total[k]))) * (1 + 16 * terms * UNIT) + 16 * terms * (k + 1) * TINY
    return (total[k] - spread) - doubt if sound else -math.inf


@kernel
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


@kernel
def _filled(mask: np.ndarray, count: int) -> bool:
    """Whether the first `count` bits are set."""
    for w in range(count >> 6):
        if mask[w] != ~np.uint64(0):
            return False
    rest = (np.uint64(1) << np.uint64(count & 63)) - np.uint64(1)
    return count & 63 == 0 or mask[count >> 6] & rest == rest


@kernel
def _highest(mask: np.ndarray) -> int:
    """The last bit that is set, or -1."""
    for w in range(len(mask) - 1, -1, -1):
        if mask[w] != np.uint64(0):
            b = 63
            while not (mask[w] >> np.uint64(b)) & np.uint64(1):
                b -= 1
            return 64 * w + b
    return -1


@rounded
def audit(
    parent: np.ndarray,
    neuron: np.ndarray,
    side: np.ndarray,
    known: np.ndarray,
    ones: np.ndarray,
    leaf: np.ndarray,
    bits: np.ndarray,
    begins: np.ndarray,
) -> bool:
    """Whether a tree is sound and complete by what is confirmed at its nodes.

    Every node but the leaves has two children, on the two sides of one neuron that is not known on the node's cell; on every
    leaf all neurons are known, and the pattern is the one they give. Where a neuron is split or known, all earlier layers are
    known: else its form would not be one on the whole cell. `begins` has the first neuron of each neuron's layer.
    """
    count, words = known.shape
    neurons = len(begins)
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
            if all_known[above, word] & bit or not _filled(all_known[above], begins[n]):
                return False
            all_known[node, word] |= bit
            if side[node] == 1:
                all_ones[node, word] |= bit
        last = _highest(known[node])
        if last >= neurons or (last >= 0 and not _filled(all_known[node], begins[last])):
            return False
    for node in range(count):
        if is_leaf[node] != (sides[node] == 0) or (not is_leaf[node] and sides[node] != 3):
            return False
    for region in range(len(leaf)):
        for w in range(words):
            rest = neurons - 64 * w
            full = ~np.uint64(0) if rest >= 64 else (one << np.uint64(max(rest, 0))) - one
            if all_known[leaf[region], w] != full or (all_ones[leaf[region], w] & full) != bits[region, w]:
                return False
    return True


@rounded
def preorder(parent: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Nodes in preorder, the child of side 0 before that of side 1; parents come before children in the columns."""
    count = len(parent)
    child = np.full((count, 2), -1, dtype=np.int64)
    for node in range(1, count):
        child[parent[node], side[node]] = node
    order, stack = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    top, done = min(count, 1), 0
    stack[:1] = 0
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
