"""The loops of the judge of whole regions, compiled: bounding boxes, all neurons beside them, the tree around the
regions.

In: the tree, and regions with claims, each by itself. Out: points, the neurons that may vanish on the closed region,
and what is left to exact arithmetic (docs/exactness.md, lemmas 3, 4, 7 and 7a).

Invariant: whatever `sift_regions` neither clears nor lists as open has been proved; `room` holds the path of the region
before, so that a path costs what it differs in.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.bounds.interval import clearance, not_clear
from polylc.jit.bits import lowest_bit
from polylc.jit.decorators import inlined, kernel
from polylc.judge.node_filter import BOTH_SIDES, NOT_ON_PATH, ClaimColumns, Regions, Tree, beyond, least_of_claim, propose
from polylc.network.replay import FlatNet, Replay, move, vanishes, write_map

DONE, WRONG, CROWDED = range(3)
ON_PATH = 0  # mark of a node of the path
REGION, NEURON, CLAIM = range(3)  # columns of what is left open
OPEN, BY_BOX, BY_CLAIM = range(3)  # places of the counts
NO_NEURON, NO_CLAIM = -1, -1  # in those columns


class Found(NamedTuple):
    """What is found of the regions of a chunk."""

    points: np.ndarray  # (R, k) confirmed points: those proposed, rounded to POINT_BITS where that keeps them inside
    map: np.ndarray  # (R, outputs, k + 1) affine maps, or no row if they are not wanted
    map_noise: np.ndarray  # (R, outputs) bounds on the rounding in them
    near: np.ndarray  # (R, words) neurons that may vanish on the closed cell; all others have the pattern's sign
    open: np.ndarray  # (., 3) what is not settled: region, neuron or NO_NEURON for the point, claim or NO_CLAIM
    counts: np.ndarray  # (3,) how many entries are open, and how many signs the boxes and the claims of neurons settled


class Room(NamedTuple):
    """The path of the region before, and room to work in."""

    mark: np.ndarray  # (nodes,) ON_PATH or NOT_ON_PATH
    line: np.ndarray  # (longest path,) nodes of the path, from below the root
    length: np.ndarray  # (1,) of the path
    path: np.ndarray  # (words,) packed neurons of the path
    above: np.ndarray  # (words,) those of them with side 1
    fresh: np.ndarray  # (longest path,)
    total: np.ndarray  # (k + 1,)
    box: np.ndarray  # (2, k)
    clear: np.ndarray  # (neurons,)
    reach: np.ndarray  # (neurons,)
    beside: np.ndarray  # (neurons,)
    entered: np.ndarray  # (words,)


def room(k: int, neurons: int, words: int) -> Room:
    """Room for a tree without nodes."""
    return Room(
        np.zeros(0, dtype=np.int64),
        np.zeros(neurons, dtype=np.int64),
        np.zeros(1, dtype=np.int64),
        np.zeros(words, dtype=np.uint64),
        np.zeros(words, dtype=np.uint64),
        np.zeros(neurons, dtype=np.int64),
        np.empty(k + 1),
        np.empty((2, k)),
        np.empty(neurons),
        np.empty(neurons),
        np.empty(neurons, dtype=np.int64),
        np.zeros(words, dtype=np.uint64),
    )


@kernel
def sift_regions(net: FlatNet, replay: Replay, tree: Tree, regions: Regions, claims: ClaimColumns, found: Found, room: Room) -> int:
    """Regions one after the other, each by itself: its point, and the signs of all neurons on its cell.

    Parameters
    ----------
    net, replay
        Forms on the region before.
    tree, regions
    claims : ClaimColumns
        In the order of the regions, those of sides of the bounding box before those of neurons.
    found
        Receives the answers; `near` and `counts` are zero before the first chunk.
    room

    Returns
    -------
    int
        DONE; WRONG if the columns contradict each other; CROWDED if `open` is full.
    """
    offset, neurons = net.first[1], net.first[-2] - net.first[1]
    one = np.uint64(1)
    c = 0
    for r in range(len(regions.leaf)):
        move(net, replay, regions.bits[r], len(found.map) > 0)
        if len(found.map) > 0:
            write_map(net, replay, found.map, found.map_noise, r)
        if not _go(tree, regions.leaf[r], room):
            return WRONG
        for w in range(len(room.path)):
            if (regions.bits[r, w] ^ room.above[w]) & room.path[w]:
                return WRONG
            room.entered[w] = room.path[w]
        if found.counts[OPEN] + neurons + 1 > len(found.open):
            return CROWDED
        c = _bound(replay, offset, tree, claims, c, regions.leaf[r], room)
        clearance(replay.form, replay.noise, replay.sign, room.box, offset, offset + neurons, room.clear, room.reach)
        many = not_clear(room.clear, neurons, room.beside)
        for q in range(many):
            i = room.beside[q]
            found.near[r, i >> 6] |= one << np.uint64(i & 63)
        found.counts[BY_BOX] += neurons - many
        good = False
        for exactly in range(2):
            propose(regions.point[r], exactly, found.points[r])
            if _inside(replay, offset, room, many, found.points[r]):
                good = True
                break
        if not good:
            _leave_open(found, r, NO_NEURON, NO_CLAIM)
        while c < len(claims.node) and claims.node[c] == regions.leaf[r]:
            if claims.neuron[c] < 0 or claims.neuron[c] >= neurons:
                return WRONG
            _try_claim(replay, offset, tree, claims, c, r, found, room)
            c += 1
        for w in range(len(room.path)):  # near neurons without a claim that are not on the path
            rest = found.near[r, w] & ~room.entered[w]
            while rest:
                i = 64 * w + np.int64(lowest_bit(rest))
                if not _zero(replay, offset + i) and not _by_leader(net, replay, i, r, found, room):
                    _leave_open(found, r, i, NO_CLAIM)
                rest &= rest - one
    return DONE if c == len(claims.node) else WRONG


@inlined
def _zero(replay: Replay, column: int) -> bool:
    """Whether a form vanishes beyond doubt, so that its bit is 0, and is."""
    return bool(replay.sign[column] < 0.0 and vanishes(replay.form, replay.noise, column))


@inlined
def _by_leader(net: FlatNet, replay: Replay, i: int, r: int, found: Found, room: Room) -> bool:
    """Whether a neuron is the twin of one that is on the path or clear of the region, and has the sign that follows
    (docs/exactness.md, lemma 4a)."""
    leader, offset, one = net.leader[i], net.first[1], np.uint64(1)
    if leader == i:
        return False
    on_path = room.path[leader >> 6] >> np.uint64(leader & 63) & one != np.uint64(0)
    near = found.near[r, leader >> 6] >> np.uint64(leader & 63) & one != np.uint64(0)
    same = (replay.sign[offset + i] > 0.0) == ((replay.sign[offset + leader] > 0.0) == (net.ratio[i] > 0.0))
    if not same or (near and not on_path):
        return False
    if not near:
        found.near[r, i >> 6] &= ~(one << np.uint64(i & 63))
    found.counts[BY_CLAIM] += 1
    return True


@inlined
def _leave_open(found: Found, region: int, neuron: int, claim: int) -> None:
    place = found.counts[OPEN]
    found.open[place, REGION], found.open[place, NEURON], found.open[place, CLAIM] = region, neuron, claim
    found.counts[OPEN] += 1


@inlined
def _bound(replay: Replay, offset: int, tree: Tree, claims: ClaimColumns, c: int, leaf: int, room: Room) -> int:
    """The box that the claims from c on prove around the cell of a leaf; the first claim behind those of its sides."""
    k = room.box.shape[1]
    if k == 2:
        end: int = _bound_in(2, replay, offset, tree, claims, c, leaf, room)
    elif k == 3:
        end = _bound_in(3, replay, offset, tree, claims, c, leaf, room)
    elif k == 4:
        end = _bound_in(4, replay, offset, tree, claims, c, leaf, room)
    elif k == 5:
        end = _bound_in(5, replay, offset, tree, claims, c, leaf, room)
    else:
        end = _bound_in(k, replay, offset, tree, claims, c, leaf, room)
    return end


@inlined
def _bound_in(k: int, replay: Replay, offset: int, tree: Tree, claims: ClaimColumns, c: int, leaf: int, room: Room) -> int:
    """The same in dimension k; where the caller writes it as a constant, loops are spelt out."""
    box = room.box
    for j in range(k):
        box[0, j], box[1, j] = -1.0, 1.0
    while c < len(claims.node) and claims.node[c] == leaf and claims.neuron[c] < 0:
        wall = -1 - claims.neuron[c]
        least = least_of_claim(k, replay.form, replay.noise, offset, tree, claims, c, room.mark, ON_PATH, room.total)
        if wall < 2 * k and least > -1.0:
            box[wall & 1, wall >> 1] = -least if wall & 1 else least
        c += 1
    for j in range(k):
        if not box[0, j] <= box[1, j]:
            box[0, j], box[1, j] = -1.0, 1.0
    return c


@inlined
def _try_claim(replay: Replay, offset: int, tree: Tree, claims: ClaimColumns, c: int, r: int, found: Found, room: Room) -> None:
    """A claim on a neuron of region r: if the box has left it open and it is not on the path, it holds beyond doubt, or
    is left open."""
    i = claims.neuron[c]
    word, bit = i >> 6, np.uint64(1) << np.uint64(i & 63)
    toward = (claims.sign[c] > 0) == (replay.sign[offset + i] > 0.0)
    if not (toward and found.near[r, word] & bit and not room.entered[word] & bit) or _zero(replay, offset + i):
        return
    least = least_of_claim(len(room.total) - 1, replay.form, replay.noise, offset, tree, claims, c, room.mark, ON_PATH, room.total)
    if least > 0.0:
        found.near[r, word] &= ~bit
        found.counts[BY_CLAIM] += 1
    else:
        _leave_open(found, r, i, c)
        room.entered[word] |= bit


@inlined
def _go(tree: Tree, leaf: int, room: Room) -> bool:
    """Bring the path to another leaf; False if a neuron is split twice on it."""
    one = np.uint64(1)
    many = 0
    node = leaf
    while tree.parent[node] >= 0 and room.mark[node] == NOT_ON_PATH:
        if many == len(room.fresh):
            return False
        room.fresh[many] = node
        many += 1
        node = tree.parent[node]
    keep = room.length[0]
    while keep > 0 and room.line[keep - 1] != node:
        keep -= 1
        last = room.line[keep]
        room.mark[last] = NOT_ON_PATH
        bit = one << np.uint64(tree.neuron[last] & 63)
        room.path[tree.neuron[last] >> 6] &= ~bit
        room.above[tree.neuron[last] >> 6] &= ~bit
    while many > 0:
        many -= 1
        node = room.fresh[many]
        word, bit = tree.neuron[node] >> 6, one << np.uint64(tree.neuron[node] & 63)
        if room.path[word] & bit:
            room.length[0] = keep
            return False
        room.mark[node] = ON_PATH
        room.path[word] |= bit
        if tree.side[node] == 1:
            room.above[word] |= bit
        room.line[keep] = node
        keep += 1
    room.length[0] = keep
    return True


@inlined
def _inside(replay: Replay, offset: int, room: Room, many: int, point: np.ndarray) -> bool:
    """Whether a point is certainly inside the cell: in the bounding box, and beyond all path hyperplanes that may meet
    it (lemma 3).

    These are the first `many` of `beside` that are on the path.
    """
    for j in range(len(point)):
        if not (abs(point[j]) < 1.0 and room.box[0, j] <= point[j] <= room.box[1, j]):
            return False
    for q in range(many):
        i = room.beside[q]
        if not room.path[i >> 6] >> np.uint64(i & 63) & np.uint64(1):
            continue
        if not beyond(replay.form, replay.noise, offset + i, replay.sign[offset + i] > 0.0, point):
            return False
    return True


@kernel
def tree_is_whole(
    tree: Tree, leaf: np.ndarray, bits: np.ndarray, begins: np.ndarray, split: np.ndarray, sides: np.ndarray, below: np.ndarray, agree: np.ndarray
) -> bool:
    """Whether the leaves of a tree are the regions, and their cells cover the neighbourhood.

    Every node but the leaves has two children, on the two sides of one neuron, and all regions below it have the same
    bits in the layers before that neuron's: so it is one hyperplane that separates the children.

    Parameters
    ----------
    tree, leaf, bits
    begins : ndarray, shape (neurons,)
        First neuron of each neuron's layer.
    split, sides, below, agree : ndarray of int64, shape (nodes,), filled with -1, 0, -1, 0
        Room to work in.
    """
    neurons = len(begins)
    for region in range(len(leaf)):
        if below[leaf[region]] >= 0:
            return False
        below[leaf[region]] = region
        agree[leaf[region]] = neurons
    for node in range(len(tree.parent) - 1, -1, -1):  # children before their parents
        if sides[node] == 0:
            if below[node] < 0:  # neither a region nor split
                return False
        elif sides[node] != BOTH_SIDES or agree[node] < begins[split[node]]:
            return False
        above = tree.parent[node]
        if (above < 0) != (node == 0) or above >= node:
            return False
        if above < 0:
            continue
        n, side = tree.neuron[node], tree.side[node]
        if n < 0 or n >= neurons or (split[above] >= 0 and split[above] != n) or (side != 0 and side != 1) or sides[above] & (1 << side):
            return False
        if sides[above] == 0:
            if below[above] >= 0:  # a region with children
                return False
            below[above], agree[above] = below[node], agree[node]
        else:
            agree[above] = min(agree[above], agree[node], first_difference(bits[below[above]], bits[below[node]], neurons))
        split[above] = n
        sides[above] |= 1 << side
    return True


@kernel
def first_difference(one: np.ndarray, two: np.ndarray, neurons: int) -> int:
    """The first bit in which two patterns differ, or `neurons`."""
    for w in range(len(one)):
        change = one[w] ^ two[w]
        if change:
            return min(64 * w + np.int64(lowest_bit(change)), neurons)  # type: ignore[return-value]
    return neurons
