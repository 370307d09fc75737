"""The C library's heap, where it can be asked: what is freed is given back, or kept for what comes."""

from __future__ import annotations

import functools
from typing import Any

STEP = 2**26  # bytes
_TOP_PAD = -2  # mallopt's name for the bytes by which the heap grows beyond what is asked for, and that it keeps


def trim() -> bool:
    """Give back what was freed, which the C library keeps for later; whether it can."""
    library = _library()
    if library is None:
        return False
    library.malloc_trim(0)
    return True


def take_large_steps() -> None:
    """Have the heap grow and shrink by `STEP` bytes: a process that makes and frees large arrays over and over then has
    few pages taken from it and given to it anew, which costs more than filling them.
    """
    library = _library()
    if library is not None:
        library.mallopt(_TOP_PAD, STEP)


@functools.cache
def _library() -> Any:
    """The GNU C library; others do not have these functions, or need none."""
    try:
        import ctypes

        found = ctypes.CDLL(None)
        _ = found.malloc_trim, found.mallopt
    except (ImportError, OSError, AttributeError, TypeError):
        return None
    return found
