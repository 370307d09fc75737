"""Room for large arrays of which only a part may be written."""

from __future__ import annotations

import mmap

import numpy as np

_LARGE = 2**25  # bytes; below, pages are no matter


def zeros(shape: tuple[int, ...]) -> np.ndarray:
    """Zeros that take memory page by page, where they are written.

    numpy asks the system for huge pages, of which one byte takes two megabytes.
    """
    size = 8 * int(np.prod(shape, dtype=np.int64))
    if size < _LARGE:
        return np.zeros(shape)
    return np.frombuffer(mmap.mmap(-1, size), dtype=np.float64).reshape(shape)
