"""The lowest bit of a word, by one instruction of the processor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polylc.jit.decorators import Kernel


def _lowest_bit(word: Any) -> int:
    """The number of the lowest bit that is set in a word, which is not zero."""
    return (int(word) & -int(word)).bit_length() - 1


def _by_instruction(_: Callable[..., Any]) -> Any:
    import numba
    from numba.cpython.unsafe.numbers import trailing_zeros

    def lowest_bit(word):  # type: ignore[no-untyped-def]
        return trailing_zeros(word)

    return numba.njit(forceinline=True)(lowest_bit)


lowest_bit: Any = Kernel(_lowest_bit, _by_instruction)
