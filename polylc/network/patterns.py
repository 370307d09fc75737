"""Activation patterns as packed bits: bit i of a row is neuron i, in 64-bit little-endian words. A table of them,
compiled, finds neighbours.

In: packed rows. Out: indices of rows, or -1. Invariant: keys only propose; what is found by one has been compared bit
by bit, here or by the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from polylc.exact.mapped import zeros
from polylc.jit.decorators import inlined, kernel
from polylc.jit.prefetch import prefetch
from polylc.network.twins import Twins

LOW = np.uint64(2**32 - 1)  # half of a slot that holds the index + 1; the other is the upper half of the key
PART = 2**17  # rows that are compared at a time
MARKS = 4  # bits for each slot, of which at most half are taken
ENTERED, SAME_KEY, TWICE = range(3)


def words(neurons: int) -> int:
    """Number of 64-bit words of a pattern."""
    return max(1, -(-neurons // 64))


def pack(bits: np.ndarray) -> np.ndarray:
    """Pack booleans of shape (R, neurons) into uint64 words of shape (R, words).

    Examples
    --------
    >>> import numpy as np
    >>> pack(np.array([[True, False, True]]))
    array([[5]], dtype=uint64)
    """
    bits = np.asarray(bits, dtype=bool)
    packed = np.packbits(bits, axis=1, bitorder="little")
    padded = np.zeros((len(bits), 8 * words(bits.shape[1])), dtype=np.uint8)
    padded[:, : packed.shape[1]] = packed
    return padded.view("<u8").astype(np.uint64, copy=False)


def unpack(packed: np.ndarray, neurons: int) -> np.ndarray:
    """The booleans, shape (R, neurons), of packed patterns."""
    as_bytes = np.ascontiguousarray(packed, dtype="<u8").view(np.uint8)
    return np.unpackbits(as_bytes, axis=1, count=neurons, bitorder="little").astype(bool)


def distinct(packed: np.ndarray, neurons: int) -> tuple[np.ndarray, np.ndarray]:
    """The first row of each pattern in the first `neurons` bits, in order, and for every row its place among these;
    (G,) and (R,).

    Examples
    --------
    >>> import numpy as np
    >>> distinct(np.array([[7], [3], [2], [3]], dtype=np.uint64), 2)
    (array([0, 2]), array([0, 0, 1, 0]))
    """
    heads, run = runs(packed, neurons)  # neighbours in the order of a search mostly agree
    part = _first_bits(packed, heads, neurons)
    order = np.lexsort(part.T) if part.shape[1] else np.arange(len(heads))  # stable
    begins = _differing(len(order), lambda rows: part[order[rows]])
    leads = zeros(len(order), np.bool_)
    leads[order[begins]] = True  # the first of each, as the order is stable
    leader, number = zeros(len(order), np.int64), zeros(len(order), np.int64)
    leader[order] = order[begins][np.cumsum(begins) - 1]
    np.cumsum(leads, out=number)
    number -= 1
    return heads[leads], number[leader][run]


def runs(packed: np.ndarray, neurons: int) -> tuple[np.ndarray, np.ndarray]:
    """The first of each run of rows with the same first `neurons` bits, and for every row the number of its run; (G,)
    and (R,).

    Examples
    --------
    >>> import numpy as np
    >>> runs(np.array([[7], [3], [2], [3]], dtype=np.uint64), 2)
    (array([0, 2, 3]), array([0, 0, 1, 2]))
    """
    new = _differing(len(packed), lambda rows: _first_bits(packed, rows, neurons))
    run = zeros(len(packed), np.int64)
    np.cumsum(new, out=run)
    run -= 1
    return np.flatnonzero(new), run


def _first_bits(packed: np.ndarray, rows: slice | np.ndarray, neurons: int) -> np.ndarray:
    """The words of the first bits of some rows, nothing behind them."""
    whole, rest = divmod(neurons, 64)
    part = packed[rows, : whole + (rest > 0)]
    if rest:
        part = part.copy() if isinstance(rows, slice) else part
        part[:, whole] &= np.uint64(2**rest - 1)
    return part


def _differing(count: int, at: Callable[[slice], np.ndarray]) -> np.ndarray:
    """Whether a row differs from the one before it, of so many rows that are had some at a time."""
    new = np.ones(count, dtype=bool)
    for begin in range(0, count, PART):
        rows = at(slice(max(0, begin - 1), begin + PART))
        end = min(count, begin + PART)
        new[end - len(rows) + 1 : end] = (rows[1:] != rows[:-1]).any(axis=1)
    return new


class PatternTable(NamedTuple):
    """A table of patterns by a linear hash, so that flipping a bit changes the key by a constant.

    The key of a pattern is the exclusive or of random 64-bit constants over its set bits. Keys only propose: every hit
    is compared bit by bit. What flips beyond a hyperplane are the bits of all neurons that define it, a leader and its
    mates (`network/twins.py`).
    """

    constants: np.ndarray  # (neurons,) uint64
    flip: np.ndarray  # (neurons,) uint64: for a leader, the change of the key beyond its hyperplane
    leader: np.ndarray  # (neurons,)
    begin: np.ndarray  # (neurons + 1,)
    mate: np.ndarray
    keys: np.ndarray  # (R,) uint64
    slots: np.ndarray  # (a power of two,) uint64: high half of the key, index + 1 in the low half; 0 where empty
    marks: np.ndarray  # bits, MARKS for each slot: those of keys that are there; small enough for the processor's caches


@kernel
def key_of(constants: np.ndarray, pattern: np.ndarray) -> np.uint64:
    """Key of a packed pattern."""
    key = np.uint64(0)
    one = np.uint64(1)
    for i in range(len(constants)):
        if (pattern[i >> 6] >> np.uint64(i & 63)) & one:
            key ^= constants[i]
    return key


@kernel
def _same(one: np.ndarray, i: int, two: np.ndarray, j: int) -> bool:
    for w in range(one.shape[1]):
        if one[i, w] != two[j, w]:
            return False
    return True


@kernel
def _fill(packed: np.ndarray, constants: np.ndarray, keys: np.ndarray, slots: np.ndarray, marks: np.ndarray) -> int:
    """Enter all patterns: ENTERED, or SAME_KEY if two have one key, or TWICE if they are the same."""
    mask, last = np.uint64(len(slots) - 1), np.uint64(64 * len(marks) - 1)
    for r in range(len(packed)):
        key = key_of(constants, packed[r])
        keys[r] = key
        slot = key & mask
        while slots[slot] != np.uint64(0):
            other = (slots[slot] & LOW) - np.uint64(1)
            if keys[other] == key:
                return TWICE if _same(packed, other, packed, r) else SAME_KEY
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = (key & ~LOW) | np.uint64(r + 1)
        marks[(key & last) >> np.uint64(6)] |= np.uint64(1) << (key & np.uint64(63))
    return ENTERED


@inlined
def _next(table: PatternTable, key: np.uint64, slot: np.uint64) -> np.uint64:
    """The first slot from there on that is empty or agrees with a key in the upper half."""
    mask = np.uint64(len(table.slots) - 1)
    slot &= mask
    while table.slots[slot] != np.uint64(0) and (table.slots[slot] ^ key) >> np.uint64(32) != np.uint64(0):
        slot = (slot + np.uint64(1)) & mask
    return slot


@inlined
def _entry(table: PatternTable, slot: np.uint64) -> int:
    """The pattern in a slot, or -1 if it is empty."""
    return np.int64(table.slots[slot] & LOW) - 1  # type: ignore[return-value]


@kernel
def find_key(table: PatternTable, key: np.uint64) -> int:
    """The pattern with a key, or -1; the caller compares the bits."""
    slot = _next(table, key, key)
    found = _entry(table, slot)
    while found >= 0 and table.keys[found] != key:
        slot = _next(table, key, slot + np.uint64(1))
        found = _entry(table, slot)
    return found  # type: ignore[no-any-return]


@kernel
def flipped_key(table: PatternTable, row: int, neuron: int) -> np.uint64:
    """Key of pattern `row` with the bits of a leader and its mates flipped."""
    key: np.uint64 = table.keys[row] ^ table.flip[neuron]
    return key


@kernel
def is_flipped(table: PatternTable, packed: np.ndarray, row: int, other: int, neuron: int) -> bool:
    """Whether two patterns differ in the bits of a leader and its mates alone."""
    if table.begin[neuron + 1] > table.begin[neuron]:
        flipped: bool = _all_flipped(table, packed, row, other, neuron)
        return flipped
    word, bit = neuron >> 6, np.uint64(1) << np.uint64(neuron & 63)
    same = True
    for w in range(packed.shape[1]):
        same = same and packed[other, w] ^ packed[row, w] == (bit if w == word else np.uint64(0))
    return same


@kernel
def _all_flipped(table: PatternTable, packed: np.ndarray, row: int, other: int, neuron: int) -> bool:
    """The same for a leader with mates."""
    first, end = table.begin[neuron], table.begin[neuron + 1]
    here = packed[row, neuron >> 6] ^ packed[other, neuron >> 6]
    same = (here >> np.uint64(neuron & 63)) & np.uint64(1) != np.uint64(0)
    for q in range(first, end):
        i = table.mate[q]
        here = packed[row, i >> 6] ^ packed[other, i >> 6]
        same = same and (here >> np.uint64(i & 63)) & np.uint64(1) != np.uint64(0)
    many = 0
    for w in range(packed.shape[1]):
        change = packed[row, w] ^ packed[other, w]
        while change:
            many += 1
            change &= change - np.uint64(1)
    return bool(same and many == 1 + end - first)


@kernel
def first_with(table: PatternTable, key: np.uint64) -> int:
    """The first pattern whose key agrees with a key in the upper half and may be the one that is looked for, or -1 if
    there is none."""
    return _entry(table, _next(table, key, key))  # type: ignore[no-any-return]


@kernel
def find_flipped(table: PatternTable, packed: np.ndarray, row: int, neuron: int) -> int:
    """Index of pattern `row` with the bits of a leader and its mates flipped, or -1."""
    key = flipped_key(table, row, neuron)
    slot = _next(table, key, key)
    found = _entry(table, slot)
    while found >= 0 and not is_flipped(table, packed, row, found, neuron):
        slot = _next(table, key, slot + np.uint64(1))
        found = _entry(table, slot)
    return found  # type: ignore[no-any-return]


@inlined
def may_hold(table: PatternTable, key: np.uint64) -> bool:
    """Whether there may be a pattern with a key: mostly there is none, and then this says so without a look into the
    table."""
    place = key & np.uint64(64 * len(table.marks) - 1)
    return bool(table.marks[place >> np.uint64(6)] >> (key & np.uint64(63)) & np.uint64(1))


@kernel
def announced(table: PatternTable, row: int, neuron: int) -> np.uint64:
    """As `flipped_key`, for a look-up soon: its place in the table is fetched, so that many look-ups wait for memory
    but once."""
    key: np.uint64 = flipped_key(table, row, neuron)
    prefetch(table.slots, np.int64(key & np.uint64(len(table.slots) - 1)))
    return key


@kernel
def _find_all(table: PatternTable, packed: np.ndarray, wanted: np.ndarray, result: np.ndarray) -> None:
    for r in range(len(wanted)):
        result[r] = find_key(table, key_of(table.constants, wanted[r]))
        if result[r] >= 0 and not _same(packed, result[r], wanted, r):
            result[r] = -1


@lru_cache(maxsize=16)
def _constants(seed: int, neurons: int) -> np.ndarray:
    """What the bits of a pattern add to its key."""
    return np.random.default_rng(seed).integers(0, 2**64, size=neurons, dtype=np.uint64)


class PatternIndex:
    """Finds patterns in a list. Should two of them share a key, other constants are drawn.

    Parameters
    ----------
    packed : ndarray of uint64, shape (R, words)
    neurons : int
    groups : Twins, optional
        Neurons that flip together; each by itself if it is left out.

    Raises
    ------
    ValueError
        If the list holds a pattern twice.
    """

    def __init__(self, packed: np.ndarray, neurons: int, groups: Twins | None = None) -> None:
        self.packed = np.ascontiguousarray(packed)
        size = 1 << max(6, int(2 * len(packed)).bit_length())
        for seed in range(16):
            constants = _constants(seed, neurons)
            flip, leader, begin, mate = constants, np.arange(neurons), np.zeros(neurons + 1, dtype=np.int64), np.zeros(0, dtype=np.int64)
            if groups is not None:
                leader, begin, mate = groups.leader, groups.begin, groups.mate
                flip = constants.copy()
                np.bitwise_xor.at(flip, leader[mate], constants[mate])
            keys, slots, marks = (zeros(many, np.uint64) for many in (len(packed), size, size * MARKS // 64))
            self.table = PatternTable(constants, flip, leader, begin, mate, keys, slots, marks)
            same = _fill(self.packed, constants, keys, slots, marks)
            if same == ENTERED:
                return
            if same == TWICE:
                break
        raise ValueError("the list holds a pattern twice")

    def find(self, bits: np.ndarray) -> np.ndarray:
        """Index of each boolean pattern of shape (R, neurons), or -1."""
        result = np.empty(len(bits), dtype=np.int64)
        _find_all(self.table, self.packed, pack(bits), result)
        return result
