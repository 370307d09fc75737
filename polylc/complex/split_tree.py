"""The regions of a list as the leaves of a tree, and pairs of them that are one flip apart, compiled.

In: regions with their paths. Out: pairs of regions whose patterns differ in the bits of one group alone, a leader and
its mates, which flip together (network/twins.py); each pair once, where the tree parts it.

Invariants: the regions below an inner node agree in the first entries of their paths, and those of its two sides have
different bits of `neuron`. Bits that all regions below a node have, or none has, are known without a look at them, and
nodes that certainly differ in other bits than those of the group are left out with all that is below them. So what
pairs cost is nearly what lists them, and neighbours in memory are looked at one after the other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.exact.mapped import zeros
from polylc.jit.decorators import inlined, kernel
from polylc.network.twins import Twins

Array = np.ndarray


class Groups(NamedTuple):
    """Neurons that flip together."""

    leader: Array  # (neurons,)
    begin: Array  # (neurons + 1,)
    mate: Array
    mask: Array  # (neurons, words) the group of each neuron, packed
    several: Array  # (words,) the neurons whose groups are of several, packed


# columns of inner nodes
CHILD = 0  # of two: on the negative and on the positive side
NEURON, DEPTH = 2, 3  # that parts its regions, and entries of their paths before that
BEGIN, END = 4, 5  # first place below, and the one behind the last
ABOVE = 6  # the inner node above; 0 for none
LATER = 7  # the side on which the places are those from its own on


class SplitTree(NamedTuple):
    """Regions at places 0, 1, ..., and between each two of them the inner node that parts them; that before place m is
    number m.

    A child is a place, or the number of places plus that of an inner node.
    """

    order: Array  # (R,) the region at each place
    node: Array  # (R, 8) int32; what is looked at together lies together
    sign: Array  # (R, 2 words) of inner nodes: bits that all regions below have, and some region has


class Room(NamedTuple):
    """Room for the pairs whose first regions are at some places."""

    stack: Array  # (., 2) pairs of nodes
    first: Array  # place of the first region, counted from where those places begin
    second: Array  # place of the second one
    node: Array  # that parts them
    begins: Array  # where the pairs of each place begin
    sorted_second: Array  # in the order of their first places
    sorted_node: Array


def groups_of(groups: Twins, words: int) -> Groups:
    """For compiled loops; patterns have so many words."""
    neurons = len(groups.leader)
    mask = np.zeros((neurons, words), dtype=np.uint64)
    bit = np.uint64(1) << (np.arange(neurons) & 63).astype(np.uint64)
    np.bitwise_or.at(mask, (groups.leader, np.arange(neurons) >> 6), bit)
    several = np.bitwise_or.reduce(mask[groups.sizes > 1], axis=0)
    return Groups(groups.leader, groups.begin, groups.mate, mask[groups.leader], several)


def split_tree(bits: Array, starts: Array, neuron: Array, side: Array) -> SplitTree:
    """The tree of regions from their packed patterns and paths: entries starts[r]:starts[r + 1] of `neuron` and `side`.

    Raises
    ------
    ValueError
        If the regions are not the leaves of a tree that their paths say: two have one path, or part at different
        neurons, or a path contradicts the pattern.
    """
    count = len(bits)
    longest = int(np.diff(starts).max(initial=0))
    sign = zeros((count, 2 * bits.shape[1]), np.uint64)
    stack = np.zeros(longest + 2, dtype=np.int32)
    tree = SplitTree(np.arange(count, dtype=np.int32), zeros((count, 8), np.int32), sign)
    if _grow(bits, starts, neuron, side, tree, stack):
        return tree
    # as no engine lists them: in the order of their paths
    paths = [(neuron[a:b].astype(np.int64) * 2 + side[a:b]).tolist() for a, b in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)]
    tree = tree._replace(order=np.array(sorted(range(count), key=paths.__getitem__), dtype=np.int32))
    if not _grow(bits, starts, neuron, side, tree, stack):
        raise ValueError("the regions are not the leaves of one tree")
    return tree


def room(longest: int, places: int, pairs: int) -> Room:
    """Room for so many places and pairs, and paths of at most `longest` entries."""
    columns = [np.zeros(pairs, dtype=np.int32) for _ in range(5)]
    return Room(
        np.zeros((2 * longest + 4, 2), dtype=np.int32),
        columns[0],
        columns[1],
        columns[2],
        np.zeros(places + 1, dtype=np.int64),
        columns[3],
        columns[4],
    )


@kernel
def _grow(bits: Array, starts: Array, neuron: Array, side: Array, tree: SplitTree, stack: Array) -> bool:
    """Build the tree from the depths at which neighbours part: above both sides of a node is the deepest of the
    shallower nodes next to them. False if the order is not that of a tree.
    """
    count, top, node = len(bits), 0, tree.node
    for m in range(1, count):
        before, here = tree.order[m - 1], tree.order[m]
        depth = _parting(bits, starts, neuron, side, before, here)
        if depth < 0:
            return False
        last = 0
        while top and node[stack[top - 1], DEPTH] > depth:
            top -= 1
            last = stack[top]
            _close(bits, tree, last, m)
        later = side[starts[here] + depth]
        node[m, DEPTH], node[m, NEURON], node[m, LATER], node[m, ABOVE] = depth, neuron[starts[here] + depth], later, 0
        node[m, CHILD + 1 - later], node[m, CHILD + later], node[m, BEGIN] = m - 1, m, m - 1
        if last:
            node[m, CHILD + 1 - later], node[m, BEGIN], node[last, ABOVE] = count + last, node[last, BEGIN], m
        if top:
            parent = stack[top - 1]
            if node[parent, DEPTH] == depth:
                return False
            node[parent, CHILD + node[parent, LATER]], node[m, ABOVE] = count + m, parent
        stack[top] = m
        top += 1
    while top:
        top -= 1
        _close(bits, tree, stack[top], count)
    return True


@inlined
def _close(bits: Array, tree: SplitTree, m: int, end: int) -> None:
    """Enter what is below an inner node, once that is known."""
    words = bits.shape[1]
    tree.node[m, END] = end
    one, two = tree.node[m, CHILD], tree.node[m, CHILD + 1]
    for w in range(words):
        low, high = _low(bits, tree, one, w), _high(bits, tree, one, w)
        tree.sign[m, w], tree.sign[m, words + w] = low & _low(bits, tree, two, w), high | _high(bits, tree, two, w)


@inlined
def _low(bits: Array, tree: SplitTree, u: int, w: int) -> np.uint64:
    """A word of the bits that all regions below a node have."""
    return bits[tree.order[u], w] if u < len(bits) else tree.sign[u - len(bits), w]  # type: ignore[no-any-return]


@inlined
def _high(bits: Array, tree: SplitTree, u: int, w: int) -> np.uint64:
    """A word of the bits that some region below a node has."""
    return bits[tree.order[u], w] if u < len(bits) else tree.sign[u - len(bits), bits.shape[1] + w]  # type: ignore[no-any-return]


@inlined
def _parting(bits: Array, starts: Array, neuron: Array, side: Array, one: int, two: int) -> int:
    """How many entries the paths of two regions have in common before they are on two sides of one neuron, as their
    patterns are; -1 if that is not how they part.
    """
    depth, a, b = 0, starts[one], starts[two]
    shorter = min(starts[one + 1] - a, starts[two + 1] - b)
    while depth < shorter and side[a + depth] == side[b + depth] and neuron[a + depth] == neuron[b + depth]:
        depth += 1
    if depth == shorter or neuron[a + depth] != neuron[b + depth]:
        return -1
    i = neuron[a + depth]
    word, bit = i >> 6, np.uint64(i & 63)
    right = (bits[one, word] >> bit & np.uint64(1)) == side[a + depth] and (bits[two, word] >> bit & np.uint64(1)) == side[b + depth]
    return depth if right else -1


@kernel
def pairs_from(bits: Array, tree: SplitTree, groups: Groups, begin: int, end: int, room: Room) -> int:
    """Pairs one flip apart whose first regions are at places begin..end, in the order of these and of the second ones;
    how many there are.

    They are parted by the nodes before those places and the one behind them, and by what is above the latter.
    """
    found = 0
    for m in range(begin + 1, min(end, len(bits) - 1) + 1):
        found = _parted_by(bits, tree, groups, m, begin, end, room, found)
    if end < len(bits):
        m = tree.node[end, ABOVE]
        while m:
            if m > end:
                found = _parted_by(bits, tree, groups, m, begin, end, room, found)
            m = tree.node[m, ABOVE]
    _in_order(room, found, end - begin)
    return found


@inlined
def _parted_by(bits: Array, tree: SplitTree, groups: Groups, m: int, begin: int, end: int, room: Room, found: int) -> int:
    """Add the pairs that one inner node parts, and whose first regions are at places begin..end.

    Of two nodes the one is opened that the earlier neuron parts; both, if it is the same.
    """
    count, stack, node = len(bits), room.stack, tree.node
    i, later = node[m, NEURON], node[m, LATER]
    cut = node[m, BEGIN] < begin or m > end
    stack[0, 0], stack[0, 1] = node[m, CHILD + 1 - later], node[m, CHILD + later]
    top = 1 if _may_meet(bits, tree, groups, i, stack[0, 0], stack[0, 1]) else 0
    while top:
        top -= 1
        u, v = stack[top, 0], stack[top, 1]
        if u < count and v < count:
            if _is_flipped(bits, tree, groups, i, u, v):
                room.first[found], room.second[found], room.node[found] = u - begin, v, m
                found += 1
            continue
        one = node[u - count, NEURON] if u >= count else np.int32(2**31 - 1)
        two = node[v - count, NEURON] if v >= count else np.int32(2**31 - 1)
        for s in range(2):
            below = node[u - count, CHILD + s] if one <= two else u
            beyond = node[v - count, CHILD + s] if two <= one else v
            if cut:
                first, behind = (below, below + 1) if below < count else (node[below - count, BEGIN], node[below - count, END])
                if first >= end or behind <= begin:
                    continue
            if _may_meet(bits, tree, groups, i, below, beyond):
                stack[top, 0], stack[top, 1] = below, beyond
                top += 1
    return found


@inlined
def _may_meet(bits: Array, tree: SplitTree, groups: Groups, i: int, u: int, v: int) -> bool:
    """Whether regions below two nodes may differ in the group of a neuron alone."""
    for w in range(bits.shape[1]):
        apart = (_low(bits, tree, u, w) & ~_high(bits, tree, v, w)) | (_low(bits, tree, v, w) & ~_high(bits, tree, u, w))
        if apart & ~groups.mask[i, w]:
            return False
    return True


@inlined
def _is_flipped(bits: Array, tree: SplitTree, groups: Groups, i: int, u: int, v: int) -> bool:
    """Whether the patterns at two places differ in the bits of a neuron's group alone, and in all of them."""
    for w in range(bits.shape[1]):
        if bits[tree.order[u], w] ^ bits[tree.order[v], w] != groups.mask[i, w]:
            return False
    return True


@inlined
def _in_order(room: Room, found: int, places: int) -> None:
    """Sort pairs by their places: counted, and entered one by one."""
    begins = room.begins
    for p in range(places + 1):
        begins[p] = 0
    for q in range(found):
        begins[room.first[q] + 1] += 1
    for p in range(places):
        begins[p + 1] += begins[p]
    for q in range(found - 1, -1, -1):  # begins[p + 1] goes down to where the pairs of p begin
        p = room.first[q] + 1
        begins[p] -= 1
        room.sorted_second[begins[p]], room.sorted_node[begins[p]] = room.second[q], room.node[q]
    for p in range(places):
        begins[p] = begins[p + 1]
    begins[places] = found
    for p in range(places):
        for q in range(begins[p] + 1, begins[p + 1]):
            second, node, at = room.sorted_second[q], room.sorted_node[q], q
            while at > begins[p] and room.sorted_second[at - 1] > second:
                room.sorted_second[at], room.sorted_node[at] = room.sorted_second[at - 1], room.sorted_node[at - 1]
                at -= 1
            room.sorted_second[at], room.sorted_node[at] = second, node


@inlined
def is_leading(groups: Groups, neurons: Array, begin: int, end: int, neuron: int) -> bool:
    """Whether a neuron of the path in entries begin..end is a leader, and none of its mates is on the path."""
    if groups.leader[neuron] != neuron:
        return False
    if groups.begin[neuron] == groups.begin[neuron + 1]:
        return True
    named = 0
    for q in range(begin, end):
        named += groups.leader[neurons[q]] == neuron
    return named == 1


@inlined
def has(packed: Array, r: int, i: int) -> bool:
    """Whether a bit of a row is set."""
    return bool(packed[r, i >> 6] >> np.uint64(i & 63) & np.uint64(1))


@inlined
def is_in(packed: Array, i: int) -> bool:
    """The same for one row."""
    return bool(packed[i >> 6] >> np.uint64(i & 63) & np.uint64(1))


@inlined
def settle_pairs(
    bits: Array, neuron: Array, starts: Array, tree: SplitTree, groups: Groups, place: int, pair: int, behind: int, settled: Array, room: Room
) -> None:
    """Enter the neurons that part the regions of pairs at both of them, if the first one's path names their hyperplane
    once.
    """
    r = tree.order[place]
    for q in range(pair, behind):
        i = tree.node[room.sorted_node[q], NEURON]
        if is_leading(groups, neuron, starts[r], starts[r + 1], i):
            word, bit = i >> 6, np.uint64(1) << np.uint64(i & 63)
            settled[r, word] |= bit
            settled[tree.order[room.sorted_second[q]], word] |= bit


@kernel
def settle(bits: Array, neuron: Array, starts: Array, tree: SplitTree, groups: Groups, begin: int, end: int, settled: Array, room: Room) -> None:
    """The same for all pairs whose first regions are at places begin..end."""
    pairs_from(bits, tree, groups, begin, end, room)
    for place in range(begin, end):
        p = place - begin
        settle_pairs(bits, neuron, starts, tree, groups, place, room.begins[p], room.begins[p + 1], settled, room)
