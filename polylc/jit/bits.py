"""The lowest bit of a word, by one instruction of the processor."""

from __future__ import annotations

from typing import Any

import numba
from numba.cpython.unsafe.numbers import trailing_zeros


def _lowest_bit(word: Any) -> int:
    """The number of the lowest bit that is set in a word, which is not zero."""
    return (int(word) & -int(word)).bit_length() - 1


lowest_bit: Any = _lowest_bit if numba.config.DISABLE_JIT else trailing_zeros
