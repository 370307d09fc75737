"""Activation patterns as packed bits: bit i of a row is neuron i, in 64-bit little-endian words. A table of them,
compiled, finds them again.

In: packed rows. Out: indices of rows, or -1. Invariant: keys only propose; what is found by one has been compared bit
by bit, here or by the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from polylc.exact.mapped import zeros
from polylc.jit.decorators import kernel

LOW = np.uint64(2**32 - 1)  # half of a slot that holds the index + 1; the other is the upper half of the key
PART = 2**17  # rows that are compared at a time
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
    """A table of patterns by a linear hash.

    The key of a pattern is the exclusive or of random 64-bit constants over its set bits. Keys only propose: every hit
    is compared bit by bit.
    """

    constants: np.ndarray  # (neurons,) uint64: what a bit of a pattern adds to its key
    keys: np.ndarray  # (R,) uint64
    slots: np.ndarray  # (a power of two,) uint64: high half of the key, index + 1 in the low half; 0 where empty


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
def _fill(packed: np.ndarray, table: PatternTable) -> int:
    """Enter all patterns: ENTERED, or SAME_KEY if two have one key, or TWICE if they are the same."""
    mask = np.uint64(len(table.slots) - 1)
    for r in range(len(packed)):
        key = key_of(table.constants, packed[r])
        table.keys[r] = key
        slot = key & mask
        while table.slots[slot] != np.uint64(0):
            other = (table.slots[slot] & LOW) - np.uint64(1)
            if table.keys[other] == key:
                return TWICE if _same(packed, other, packed, r) else SAME_KEY
            slot = (slot + np.uint64(1)) & mask
        table.slots[slot] = (key & ~LOW) | np.uint64(r + 1)
    return ENTERED


@kernel
def _find_all(table: PatternTable, packed: np.ndarray, wanted: np.ndarray, result: np.ndarray) -> None:
    """The place of each wanted pattern, or -1."""
    mask = np.uint64(len(table.slots) - 1)
    for r in range(len(wanted)):
        key = key_of(table.constants, wanted[r])
        slot = key & mask
        result[r] = -1
        while result[r] < 0 and table.slots[slot] != np.uint64(0):
            found = np.int64(table.slots[slot] & LOW) - 1
            if table.keys[found] == key and _same(packed, found, wanted, r):
                result[r] = found
            slot = (slot + np.uint64(1)) & mask


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

    Raises
    ------
    ValueError
        If the list holds a pattern twice.
    """

    def __init__(self, packed: np.ndarray, neurons: int) -> None:
        self.packed = np.ascontiguousarray(packed)
        size = 1 << max(6, int(2 * len(packed)).bit_length())
        for seed in range(16):
            self.table = PatternTable(_constants(seed, neurons), zeros(len(packed), np.uint64), zeros(size, np.uint64))
            same = _fill(self.packed, self.table)
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
