"""The judge's loops over columns, compiled: walks in the tree, the float filter, the audit of a whole exploration.

In: the tree (`Tree`), regions and claims as columns, and the forms on each region's cell (`network/replay.py`). Out:
which points are inside and which claims hold. The filter's bounds are those of docs/exactness.md, lemmas 3 and 4;
tests/reference_filter.py has them in plain numpy.

Invariant: a yes is a proof; a no says nothing, and NaN or an overflow is a no. So every comparison is written so that
NaN fails it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from polylc.exact.mapped import zeros
from polylc.jit.decorators import inlined, kernel
from polylc.network.compose import TINY, UNIT
from polylc.network.replay import FlatNet, Replay, move, vanishes, write_map

MULTIPLIER_BITS = 30  # of rounded multipliers; lemma 4 takes any, so this proves nothing
POINT_BITS = 20  # points of regions are rounded to multiples of 2^-20 where they stay inside
NOT_ON_PATH = -1  # mark of a node that is not on the path
BOTH_SIDES = 3  # bits of the sides on which a node has children


class Tree(NamedTuple):
    """Its nodes; parents come before children, the root has parent -1."""

    parent: np.ndarray
    neuron: np.ndarray
    side: np.ndarray


class Regions(NamedTuple):
    """Regions as an engine proposes them."""

    leaf: np.ndarray  # (R,)
    bits: np.ndarray  # (R, words) packed patterns
    point: np.ndarray  # (R, k)


class Room(NamedTuple):
    """Room to work in."""

    mark: np.ndarray  # (nodes,) number of the last region whose path goes through a node, NOT_ON_PATH at first
    first: np.ndarray  # (1,) number of the first of the regions at hand
    total: np.ndarray  # (k + 1,)


class ClaimColumns(NamedTuple):
    """The columns of `engines.contract.Claims`."""

    node: np.ndarray
    neuron: np.ndarray
    sign: np.ndarray
    starts: np.ndarray
    constraint: np.ndarray
    multiplier: np.ndarray


@kernel
def represent(parent: np.ndarray, leaf: np.ndarray, first: int, found: np.ndarray) -> None:
    """For every node above some leaves, `first` plus the index of the first of them below it; all numbers in the column
    `found` are less than `first` before."""
    for region in range(len(leaf)):
        node = leaf[region]
        while node >= 0 and found[node] < first:
            found[node] = first + region
            node = parent[node]


@kernel
def sift(
    net: FlatNet,
    replay: Replay,
    tree: Tree,
    regions: Regions,
    claims: ClaimColumns,
    bounds: np.ndarray,
    points: np.ndarray,
    good: np.ndarray,
    held: np.ndarray,
    zero: np.ndarray,
    plain: np.ndarray,
    maps: np.ndarray,
    map_noise: np.ndarray,
    room: Room,
) -> None:
    """Regions one after the other: which points are certainly inside, which claims certainly hold, and affine maps.

    Parameters
    ----------
    net, replay
        Forms on the region before.
    tree, regions, claims
    bounds : ndarray of int64, shape (R + 1,)
        Claims bounds[r]:bounds[r + 1] are of cells that region r lies in.
    points : ndarray, shape (R, k)
        Receives the points confirmed: those proposed, rounded to POINT_BITS where that keeps them inside.
    good : ndarray of bool, shape (R,)
        Receives whether a point is confirmed.
    held : ndarray of bool, shape (C,)
        Receives whether a claim holds beyond doubt, by multipliers on half-spaces of its node's path: strictly, or
        because its neuron is a twin of one that was split.
    zero : ndarray of bool, shape (C,)
        Receives whether the form of which a claim speaks vanishes beyond doubt, which decides it whatever is claimed.
    plain : ndarray of bool, shape (neurons,)
        Whether a multiplier that is the ratio of a neuron to its leader may be taken as that.
    maps, map_noise : ndarray, shape (R, outputs, k + 1) and (R, outputs)
        Receive the affine maps and bounds on the rounding in them; no rows if they are not wanted.
    room
    """
    offset, first = net.first[1], room.first[0]
    for r in range(len(regions.leaf)):
        move(net, replay, regions.bits[r], len(maps) > 0)
        if len(maps) > 0:
            write_map(net, replay, maps, map_noise, r)
        node = regions.leaf[r]
        while tree.parent[node] >= 0:
            room.mark[node] = first + r
            node = tree.parent[node]
        for exactly in range(2):
            propose(regions.point[r], exactly, points[r])
            if point_inside(replay.form, replay.noise, offset, tree, regions.leaf[r], points[r]):
                good[r] = True
                break
        for c in range(bounds[r], bounds[r + 1]):
            if vanishes(replay.form, replay.noise, offset + claims.neuron[c]):
                zero[c] = True
            else:
                held[c] = claim_holds(replay.form, replay.noise, offset, tree, claims, c, room.mark, first + r, room.total) or _is_twin(
                    net, tree, claims, c, plain, room.mark, first + r
                )


@kernel
def _is_twin(net: FlatNet, tree: Tree, claims: ClaimColumns, c: int, plain: np.ndarray, mark: np.ndarray, region: int) -> bool:
    """Whether a claim speaks of a multiple of a half-space of its path, and has that half-space and ratio alone: then
    what is left of it is zero (docs/exactness.md, lemma 4a)."""
    i, e = claims.neuron[c], claims.starts[c]
    leader = net.leader[i]
    if leader == i or not plain[i] or claims.starts[c + 1] - e != 1:
        return False
    v = claims.constraint[e]
    if not (v > 0 and v <= claims.node[c] and mark[v] == region and tree.neuron[v] == leader):
        return False
    above = (tree.side[v] == 1) == (net.ratio[i] > 0.0)
    return bool((claims.sign[c] > 0) == above and claims.multiplier[e] == abs(net.ratio[i]))


@inlined
def propose(given: np.ndarray, exactly: int, point: np.ndarray) -> None:
    """A point as it is given, or rounded, which keeps proof files short."""
    for j in range(len(given)):
        point[j] = given[j] if exactly else np.rint(given[j] * 2.0**POINT_BITS) / 2.0**POINT_BITS


@kernel
def round_multipliers(claims: ClaimColumns, shift: np.ndarray, whole: np.ndarray, rounded: np.ndarray) -> None:
    """Multipliers of claims as integers m of at most MULTIPLIER_BITS bits over powers of two; what is not positive and
    finite becomes 0.

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
def point_inside(form: np.ndarray, noise: np.ndarray, offset: int, tree: Tree, node: int, point: np.ndarray) -> bool:
    """Whether a point is certainly inside the open box and all half-spaces of the path of a node (lemma 3).

    The form of neuron i is column offset + i of `form`, shape (k + 1, .), with the bound noise[offset + i] on its
    rounding.
    """
    for j in range(len(point)):
        if not abs(point[j]) < 1.0:
            return False
    while tree.parent[node] >= 0:
        column = offset + tree.neuron[node]
        if not beyond(form, noise, column, tree.side[node] == 1, point):
            return False
        node = tree.parent[node]
    return True


@inlined
def beyond(form: np.ndarray, noise: np.ndarray, column: int, above: bool, point: np.ndarray) -> bool:
    """Whether a form is certainly positive, or negative, at a point of the box (lemma 3)."""
    k = len(point)
    slack = 2 * (k + 3) * UNIT  # lemma 3, in place of gamma_{k+2}
    value = form[k, column]
    size = abs(value)
    for j in range(k):
        product = form[j, column] * point[j]
        value += product
        size += abs(product)
    if not above:
        value = -value
    return bool(value > (noise[column] + slack * size) * (1 + 8 * slack) + 16 * (k + 3) * TINY)


@inlined
def claim_holds(
    form: np.ndarray, noise: np.ndarray, offset: int, tree: Tree, claims: ClaimColumns, c: int, mark: np.ndarray, region: int, total: np.ndarray
) -> bool:
    """Whether a claim holds beyond doubt, strictly (lemma 4)."""
    least: float = least_of_claim(form.shape[0] - 1, form, noise, offset, tree, claims, c, mark, region, total)
    return least > 0.0


@inlined
def least_of_claim(
    k: int,
    form: np.ndarray,
    noise: np.ndarray,
    offset: int,
    tree: Tree,
    claims: ClaimColumns,
    c: int,
    mark: np.ndarray,
    region: int,
    total: np.ndarray,
) -> float:
    """A number that sign z - sum y g certainly exceeds on [-1, 1]^k (lemma 4), for the claim c and the half-spaces g of
    the nodes in its entries.

    Parameters
    ----------
    k : int
        The dimension; where the caller writes it as a constant, loops are spelt out.
    form, noise, offset
        As for `point_inside`. Of a claim on side -1 - neuron of a bounding box, z is that coordinate, and its sign that
        of the side.
    mark : ndarray of int, shape (nodes,)
        `region` at the nodes of the path of a region below the claim's; half-spaces of other nodes prove nothing.
    total : ndarray, shape (k + 1,)
        Room to work in.

    Returns
    -------
    float
        -inf if multipliers are not on the path, NaN where numbers overflow.
    """
    size, doubt = _begin_claim(k, form, noise, offset, claims, c, total)
    used = 0
    sound = True
    for e in range(claims.starts[c], claims.starts[c + 1]):
        v = claims.constraint[e]
        sound = sound and v > 0 and v <= claims.node[c] and mark[v] == region
        y = claims.multiplier[e]
        if sound and y > 0 and y < math.inf:
            used += 1
            g = offset + tree.neuron[v]
            toward = y if tree.side[v] == 1 else -y
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
    terms = used + k + 9.0  # lemma 4, with 4 units each in place of gamma_{p+1} and gamma_{k+2}, and as many underflows
    doubt = (doubt + 4 * terms * UNIT * (size + spread + abs(total[k]))) * (1 + 16 * terms * UNIT) + 16 * terms * (k + 1) * TINY
    return (total[k] - spread) - doubt if sound else -math.inf


@inlined
def _begin_claim(k: int, form: np.ndarray, noise: np.ndarray, offset: int, claims: ClaimColumns, c: int, total: np.ndarray) -> tuple[float, float]:
    """Put sign z of a claim into `total`; its size, and the bound on its rounding."""
    width = k + 1
    if claims.neuron[c] < 0:
        wall = -1 - claims.neuron[c]
        for j in range(width):
            total[j] = 0.0
        total[wall >> 1] = -1.0 if wall & 1 else 1.0
        return 1.0, 0.0
    z = offset + claims.neuron[c]
    positive = claims.sign[c] > 0
    size = 0.0
    for j in range(width):
        total[j] = form[j, z] if positive else -form[j, z]
        size += abs(total[j])
    return size, noise[z]


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


def audit(
    tree: Tree,
    known: np.ndarray,
    ones: np.ndarray,
    leaf: np.ndarray,
    bits: np.ndarray,
    begins: np.ndarray,
    held: np.ndarray,
) -> tuple[bool, bool]:
    """Whether a tree is sound by what is confirmed at its nodes, and whether it is complete.

    Sound: the children of a node are on different sides of one neuron that is not known on the node's cell, and where a
    neuron is split or known, all earlier layers are known: else its form would not be one on the whole cell. A region
    is held if all neurons are known on its leaf, and its pattern is the one they give. Complete: every node but the
    leaves has both children, the leaves are those of the regions, and all regions are held. `begins` has the first
    neuron of each neuron's layer; `held`, boolean, shape (R,), receives what is held of a sound tree.
    """
    count = len(known)
    all_known, all_ones = zeros(known.shape, known.dtype), zeros(known.shape, known.dtype)
    split, sides, is_leaf = zeros(count, np.int32), zeros(count, np.int8), zeros(count, np.bool_)
    split[:] = -1
    columns = _Audited(all_known, all_ones, split, sides, is_leaf)
    found: tuple[bool, bool] = _audit(tree, known, ones, leaf, bits, begins, held, columns)
    return found


class _Audited(NamedTuple):
    """Room for what holds at each node."""

    all_known: np.ndarray
    all_ones: np.ndarray
    split: np.ndarray  # the neuron that is split there, -1 at first
    sides: np.ndarray
    is_leaf: np.ndarray


@kernel
def _audit(
    tree: Tree,
    known: np.ndarray,
    ones: np.ndarray,
    leaf: np.ndarray,
    bits: np.ndarray,
    begins: np.ndarray,
    held: np.ndarray,
    columns: _Audited,
) -> tuple[bool, bool]:
    """The same, with room to work in."""
    parent, neuron, side = tree
    count, words = known.shape
    neurons = len(begins)
    all_known, all_ones, split, sides, is_leaf = columns
    one = np.uint64(1)
    for region in range(len(leaf)):
        if is_leaf[leaf[region]]:
            return False, False
        is_leaf[leaf[region]] = True
    for node in range(count):
        above = parent[node]
        if (above < 0) != (node == 0) or above >= node:
            return False, False
        for w in range(words):
            before = np.uint64(0) if above < 0 else all_known[above, w]
            all_known[node, w] = before | known[node, w]
            all_ones[node, w] = (np.uint64(0) if above < 0 else all_ones[above, w]) | ones[node, w]
        if above >= 0:
            n = neuron[node]
            if n < 0 or n >= neurons or (split[above] >= 0 and split[above] != n) or (side[node] != 0 and side[node] != 1):
                return False, False
            if sides[above] & (1 << side[node]):
                return False, False
            split[above] = n
            sides[above] |= 1 << side[node]
            word, bit = n >> 6, one << np.uint64(n & 63)
            if all_known[above, word] & bit or not _filled(all_known[above], begins[n]):
                return False, False
            all_known[node, word] |= bit
            if side[node] == 1:
                all_ones[node, word] |= bit
        last = _highest(known[node])
        if last >= neurons or (last >= 0 and not _filled(all_known[node], begins[last])):
            return False, False
    complete = True
    for node in range(count):
        complete = complete and is_leaf[node] == (sides[node] == 0) and (is_leaf[node] or sides[node] == BOTH_SIDES)
    for region in range(len(leaf)):
        good = True
        for w in range(words):
            rest = neurons - 64 * w
            full = ~np.uint64(0) if rest >= 64 else (one << np.uint64(max(rest, 0))) - one
            good = good and all_known[leaf[region], w] == full and (all_ones[leaf[region], w] & full) == bits[region, w]
        held[region] = good
        complete = complete and good
    return True, complete


def preorder(parent: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Nodes in preorder, the child of side 0 before that of side 1; parents come before children in the columns."""
    count = len(parent)
    child, order, stack = zeros((count, 2), np.int64), zeros(count, np.int64), zeros(count, np.int64)
    child[:] = -1
    _preorder(parent, side, child, order, stack)
    return order


@kernel
def _preorder(parent: np.ndarray, side: np.ndarray, child: np.ndarray, order: np.ndarray, stack: np.ndarray) -> None:
    """The same, into `order`; `child` is filled with -1."""
    count = len(parent)
    for node in range(1, count):
        child[parent[node], side[node]] = node
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
