"""Activation patterns as packed bits: bit i of a row is neuron i, in 64-bit little-endian words."""

from __future__ import annotations

import numpy as np


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


class PatternIndex:
    """Finds patterns in a list by a linear hash, so that flipping bits is adding constants.

    The key of a pattern is the sum of random 64-bit constants over its set bits, modulo 2^64. Keys only propose:
    every hit is compared bit by bit. Should two patterns share a key, other constants are drawn.
    """

    def __init__(self, packed: np.ndarray, neurons: int) -> None:
        self.packed = packed
        self.neurons = neurons
        bits = unpack(packed, neurons)
        for seed in range(16):
            self.constants = np.random.default_rng(seed).integers(0, 2**64, size=neurons, dtype=np.uint64)
            self.keys = self.key(bits)
            self._order = np.argsort(self.keys, kind="stable")
            self._sorted = self.keys[self._order]
            if len(packed) < 2 or (self._sorted[1:] != self._sorted[:-1]).all():
                return
        raise ValueError("the list holds a pattern twice")

    def key(self, bits: np.ndarray) -> np.ndarray:
        """Keys of boolean patterns, shape (R, neurons) -> (R,)."""
        keys = np.zeros(len(bits), dtype=np.uint64)
        for begin in range(0, len(bits), 65536):
            block = bits[begin : begin + 65536]
            keys[begin : begin + len(block)] = np.where(block, self.constants, np.uint64(0)).sum(axis=1, dtype=np.uint64)
        return keys

    def find_keys(self, keys: np.ndarray) -> np.ndarray:
        """Index of the pattern with each key, or -1; the caller compares the bits."""
        if not len(self._sorted):
            return np.full(len(keys), -1, dtype=np.int64)
        place = np.minimum(np.searchsorted(self._sorted, keys), len(self._sorted) - 1)
        return np.where(self._sorted[place] == keys, self._order[place], -1)

    def find(self, bits: np.ndarray) -> np.ndarray:
        """Index of each boolean pattern of shape (R, neurons), or -1."""
        found = self.find_keys(self.key(bits))
        hit = found >= 0
        hit[hit] = (self.packed[found[hit]] == pack(bits[hit])).all(axis=1)
        return np.where(hit, found, -1)

    def find_flipped(self, rows: np.ndarray, neurons: np.ndarray) -> np.ndarray:
        """Index of pattern `rows[k]` with bit `neurons[k]` flipped, or -1; vectorised."""
        word, bit = neurons // 64, np.uint64(1) << (neurons % 64).astype(np.uint64)
        is_set = (self.packed[rows, word] & bit) != 0
        step = self.constants[neurons]
        keys = np.where(is_set, self.keys[rows] - step, self.keys[rows] + step)
        found = self.find_keys(keys)
        hit = np.flatnonzero(found >= 0)
        difference = self.packed[found[hit]] ^ self.packed[rows[hit]]
        difference[np.arange(len(hit)), word[hit]] ^= bit[hit]
        found[hit[difference.any(axis=1)]] = -1
        return found
