"""Matrices of integers as a few digits each, which are doubles: their products are products of matrices of doubles that
never round, and so cost what BLAS takes.

In: doubles. Out: integers. An integer is the sum of digit[i] 2^(BITS i), where |digit[i]| <= 2^(BITS - 1). A product of
two digits has at most 2 BITS - 2 bits, and doubles add CHAIN of them in whatever order without rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from polylc.exact.checkpoint import checkpoint

Array = np.ndarray

BITS = 23
CHAIN = 2 ** (53 - 2 * (BITS - 1))
TOGETHER = 2**9  # sums of that many sums, each of at most 2^53, are less than 2^63
MOST = 12  # digits of doubles: some 80 decimal places

Digits = list[Array]  # the lowest first; doubles, all of the same shape


def digits_of(array: Array, shift: int) -> Digits | None:
    """Digits of array * 2^shift, which are integers; None if they are too many.

    Rounding to integers from the top: what is left of a double after its leading bits is a double.

    Examples
    --------
    >>> import numpy as np
    >>> integers(digits_of(np.array([0.75, -1e9]), 2)).tolist()
    [3, -4000000000]
    """
    size = float(np.abs(array).max(initial=0.0))
    if size == 0.0:  # on whatever scale
        return [np.zeros(array.shape)]
    count = max(1, 1 + math.ceil((math.frexp(size)[1] + shift - BITS + 1) / BITS))
    if count > MOST:
        return None
    rest = np.ldexp(array, shift - BITS * (count - 1))
    found = []
    for _ in range(count):
        digit = np.rint(rest)
        found.append(digit)
        rest = np.ldexp(rest - digit, BITS)
    return found[::-1]


def integers(digits: Digits) -> Array:
    """The integers themselves; dtype object."""
    # two digits fit into a machine's integer
    pairs = [digits[i] + digits[i + 1] * 2.0**BITS if i + 1 < len(digits) else digits[i] for i in range(0, len(digits), 2)]
    *lower, top = (pair.astype(np.int64).astype(object) for pair in pairs)
    result: Array = top
    for pair in reversed(lower):
        result = (result << 2 * BITS) + pair
    return result


def times(left: Digits, right: Sequence[Any]) -> Digits:
    """The product of matrices; the digits of the second one are arrays, or scipy's compressed rows."""
    inner = left[0].shape[1]
    sums = _Sums((left[0].shape[0], right[0].shape[1]))
    for begin in range(0, inner, CHAIN):
        checkpoint()
        some = slice(begin, begin + CHAIN)
        for i, a in enumerate(left):
            for j, b in enumerate(right):
                sums.add(i + j, (a if inner <= CHAIN else a[:, some]) @ (b if inner <= CHAIN else b[some]))
    return sums.digits()


def times_each(left: Digits, right: Digits) -> Digits:
    """Products of entries, of arrays that numpy broadcasts."""
    if len(right) == 1 and float(np.abs(right[0]).max(initial=0.0)) <= 1.0:  # nothing to carry
        return [a * right[0] for a in left]
    sums = _Sums(np.broadcast_shapes(left[0].shape, right[0].shape))
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            sums.add(i + j, a * b)
    return sums.digits()


def plus(left: Digits, right: Digits, up: int = 0) -> Digits:
    """left + right * 2^up."""
    whole, part = divmod(up, BITS)
    sums = _Sums(np.broadcast_shapes(left[0].shape, right[0].shape))
    for i, a in enumerate(left):
        sums.add(i, a)
    for i, b in enumerate(right):
        sums.add(i + whole, b * 2.0**part)
    return sums.digits()


class _Sums:
    """Integers of up to 53 bits added up at each place, and carried on."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._places: list[Array] = [np.zeros(shape, dtype=np.int64)]
        self._added = 0

    def add(self, place: int, some: Array) -> None:
        """Add integers times 2^(BITS place)."""
        if self._added == TOGETHER - 1:
            self._carry()
        while len(self._places) <= place:
            self._places.append(np.zeros(self._shape, dtype=np.int64))
        self._places[place] += some.astype(np.int64)
        self._added += 1

    def _carry(self) -> None:
        """Leave a digit at each place; digits count like one sum from now on."""
        place = 0
        while place < len(self._places):
            here = self._places[place]
            over = (here + (1 << BITS - 1)) >> BITS
            if over.any():
                if place + 1 == len(self._places):
                    self._places.append(np.zeros(self._shape, dtype=np.int64))
                self._places[place + 1] += over
                here -= over << BITS
            place += 1
        self._added = 1

    def digits(self) -> Digits:
        """All of it."""
        self._carry()
        while len(self._places) > 1 and not self._places[-1].any():
            self._places.pop()
        return [place.astype(np.float64) for place in self._places]
