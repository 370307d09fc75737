"""The loops of the judge of whole regions, compiled: bounding boxes, all neurons beside them, the tree around the regions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.bounds.interval import clearance, not_clear
from polylc.jit.decorators import inlined, kernel
from polylc.judge.node_filter import POINT_BITS, ClaimColumns, least_of_claim
from polylc.network.compose import TINY, UNIT
from polylc.network.replay import FlatNet, Replay, move

DONE, WRONG, CROWDED = range(3)


class Tree(NamedTuple):
    """Parent, neuron and side of the nodes."""

    parent: np.ndarray
    neuron: np.ndarray
    side: np.ndarray


class Room(NamedTuple):
    """The path of the region before, and room to work in."""

    mark: np.ndarray  # (nodes,) 0 at the nodes of the path, else -1
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
def sift_regions(
    net: FlatNet,
    replay: Replay,
    tree: Tree,
    leaf: np.ndarray,
    bits: np.ndarray,
    given: np.ndarray,
    points: np.ndarray,
    near: np.ndarray,
    claims: ClaimColumns,
    open_: np.ndarray,
    counts: np.ndarray,
    room: Room,
) -> int:
    """Regions one after the other, each by itself: its point, and the signs of all neurons on its cell.

    Parameters
    ----------
    net, replay
        Forms on the region before.
    tree
    leaf, bits, given
        The regions: leaves, packed patterns, and the points proposed, shape (R, k).
    points : ndarray, shape (R, k)
        Receives the points confirmed: those proposed, rounded to POINT_BITS where that keeps them inside.
    near : ndarray of uint64, shape (R, words), all zero
        Receives the neurons that may vanish somewhere on the closed cell; all others certainly do not, and have the sign of the pattern.
    claims : ClaimColumns
        In the order of the regions, those of sides of the bounding box before those of neurons.
    open_ : ndarray of int64, shape (., 3)
        Receives what is not settled: region, neuron, and claim or -1; neuron -1 stands for the point.
    counts : ndarray of int64, shape (3,)
        Receives how many entries are open, and how many signs the boxes and the claims of neurons settled.
    room

    Returns
    -------
    int
        DONE; WRONG if the columns contradict each other; CROWDED if `open_` is full.
    """
    offset, neurons = net.first[1], net.first[-2] - net.first[1]
    k = given.shape[1]
    one = np.uint64(1)
    box = room.box
    c = 0
    for r in range(len(leaf)):
        move(net, replay, bits[r], False)
        if not _go(tree, leaf[r], room):
            return WRONG
        for w in range(len(room.path)):
            if (bits[r, w] ^ room.above[w]) & room.path[w]:
                return WRONG
            room.entered[w] = room.path[w]
        if counts[0] + neurons + 1 > len(open_):
            return CROWDED
        for j in range(k):
            box[0, j], box[1, j] = -1.0, 1.0
        while c < len(claims.node) and claims.node[c] == leaf[r] and claims.neuron[c] < 0:
            wall = -1 - claims.neuron[c]
            least = least_of_claim(replay.form, replay.noise, offset, tree.neuron, tree.side, claims, c, room.mark, 0, room.total)
            if wall < 2 * k and least > -1.0:
                box[wall & 1, wall >> 1] = -least if wall & 1 else least
            c += 1
        for j in range(k):
            if not box[0, j] <= box[1, j]:
                box[0, j], box[1, j] = -1.0, 1.0
        clearance(replay.form, replay.noise, replay.sign, box, offset, offset + neurons, room.clear, room.reach)
        many = not_clear(room.clear, neurons, room.beside)
        for q in range(many):
            i = room.beside[q]
            near[r, i >> 6] |= one << np.uint64(i & 63)
        counts[1] += neurons - many
        good = False
        for attempt in range(2):
            for j in range(k):
                points[r, j] = given[r, j] if attempt else np.rint(given[r, j] * 2.0**POINT_BITS) / 2.0**POINT_BITS
            if _inside(replay.form, replay.noise, replay.sign, offset, room, many, points[r]):
                good = True
                break
        if not good:
            open_[counts[0], 0], open_[counts[0], 1], open_[counts[0], 2] = r, -1, -1
            counts[0] += 1
        while c < len(claims.node) and claims.node[c] == leaf[r]:
            i = claims.neuron[c]
            if i < 0 or i >= neurons:
                return WRONG
            word, bit = i >> 6, one << np.uint64(i & 63)
            toward = (claims.sign[c] > 0) == (replay.sign[offset + i] > 0.0)
            if toward and near[r, word] & bit and not room.entered[word] & bit:
                least = least_of_claim(replay.form, replay.noise, offset, tree.neuron, tree.side, claims, c, room.mark, 0, room.total)
                if least > 0.0:
                    near[r, word] &= ~bit
                    counts[2] += 1
                else:
                    open_[counts[0], 0], open_[counts[0], 1], open_[counts[0], 2] = r, i, c
                    counts[0] += 1
                    room.entered[word] |= bit
            c += 1
        for w in range(len(room.path)):
            if near[r, w] & ~room.entered[w]:
                for b in range(64):
                    if (near[r, w] & ~room.entered[w]) >> np.uint64(b) & one:
                        open_[counts[0], 0], open_[counts[0], 1], open_[counts[0], 2] = r, 64 * w + b, -1
                        counts[0] += 1
    return DONE if c == len(claims.node) else WRONG


@inlined
def _go(tree: Tree, leaf: int, room: Room) -> bool:
    """Bring the path to another leaf; False if a neuron is split twice on it."""
    one = np.uint64(1)
    many = 0
    node = leaf
    while tree.parent[node] >= 0 and room.mark[node] < 0:
        if many == len(room.fresh):
            return False
        room.fresh[many] = node
        many += 1
        node = tree.parent[node]
    keep = room.length[0]
    while keep > 0 and room.line[keep - 1] != node:
        keep -= 1
        last = room.line[keep]
        room.mark[last] = -1
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
        room.mark[node] = 0
        room.path[word] |= bit
        if tree.side[node] == 1:
            room.above[word] |= bit
        room.line[keep] = node
        keep += 1
    room.length[0] = keep
    return True


@inlined
def _inside(form: np.ndarray, noise: np.ndarray, sign: np.ndarray, offset: int, room: Room, many: int, point: np.ndarray) -> bool:
    """Whether a point is certainly inside the cell: in the bounding box, and beyond all path hyperplanes that may meet it (lemma 3)."""
    k = len(point)
    slack = 2 * (k + 3) * UNIT
    for j in range(k):
        if not (abs(point[j]) < 1.0 and room.box[0, j] <= point[j] <= room.box[1, j]):
            return False
    for q in range(many):
        i = room.beside[q]
        if not room.path[i >> 6] >> np.uint64(i & 63) & np.uint64(1):
            continue
        column = offset + i
        value = form[k, column]
        size = abs(value)
        for j in range(k):
            product = form[j, column] * point[j]
            value += product
            size += abs(product)
        if not sign[column] * value > (noise[column] + slack * size) * (1 + 8 * slack) + 16 * (k + 3) * TINY:
            return False
    return True


@kernel
def tree_is_whole(
    tree: Tree, leaf: np.ndarray, bits: np.ndarray, begins: np.ndarray, split: np.ndarray, sides: np.ndarray, below: np.ndarray, agree: np.ndarray
) -> bool:
    """Whether the leaves of a tree are the regions, and their cells cover the neighbourhood.

    Every node but the leaves has two children, on the two sides of one neuron, and all regions below it have the same bits in the layers before that
    neuron's: so it is one hyperplane that separates the children.

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
        elif sides[node] != 3 or agree[node] < begins[split[node]]:
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
            b = 0
            while not change >> np.uint64(b) & np.uint64(1):
                b += 1
            return min(64 * w + b, neurons)
    return neurons
