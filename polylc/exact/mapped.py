"""Large arrays in temporary files that are mapped into memory, so that a process can give back the room they take.

Pages of such an array that nobody uses are written to the file by the system and read again where they are needed: what
is in the array is the same. Files have no name, so they go with the process, however that ends; their room on the disk
is reserved when they are made, so a disk that fills up later does no harm, and where there is no room for one the array
is an ordinary one.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextvars import ContextVar

import numpy as np

from polylc.jit.heap import trim

LARGE = 2**18  # bytes from which an array is worth a file
HUGE = 2**22  # bytes from which others give back their pages before an array is made: where it is filled nobody looks at limits
_open: ContextVar[weakref.WeakSet[mmap.mmap] | None] = ContextVar("open", default=None)


@contextlib.contextmanager
def mapped(wanted: bool = True) -> Iterator[None]:
    """Have large arrays that are made within the block mapped, if that is wanted and the system can."""
    able = wanted and hasattr(mmap, "MADV_DONTNEED") and hasattr(os, "posix_fallocate")
    token = _open.set(weakref.WeakSet() if able else None)
    try:
        yield
    finally:
        _open.reset(token)


def is_mapping() -> bool:
    """Whether large arrays are mapped now."""
    return _open.get() is not None


def zeros(shape: int | Sequence[int], dtype: np.typing.DTypeLike = np.float64) -> np.ndarray:
    """An array of zeros, mapped if it is large and that is wanted now."""
    maps, kind = _open.get(), np.dtype(dtype)
    shape = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    size = kind.itemsize * math.prod(shape)
    if maps is None or size < LARGE:
        return np.zeros(shape, dtype=kind)
    if size >= HUGE:
        give_back()
        trim()
    try:
        with tempfile.TemporaryFile(prefix="polylc-") as file:
            os.posix_fallocate(file.fileno(), 0, size)
            pages = mmap.mmap(file.fileno(), size)
    except OSError:
        return np.zeros(shape, dtype=kind)
    maps.add(pages)
    return np.frombuffer(pages, dtype=kind).reshape(shape)


def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """As np.concatenate along the first axis."""
    if not is_mapping():
        return np.concatenate(parts)
    kind = np.result_type(*parts)
    result = zeros((sum(len(part) for part in parts), *parts[0].shape[1:]), kind)
    at = 0
    for part in parts:
        put(result, slice(at, at + len(part)), part)
        at += len(part)
    return result


def put(result: np.ndarray, where: slice | np.ndarray, part: np.ndarray) -> None:
    """As result[where] = part, for a slice from `start` on or indices; where arrays are mapped a piece at a time, so
    that never much of them is in memory.
    """
    if not is_mapping() or part.nbytes < HUGE:
        result[where] = part
        return
    step = max(1, HUGE * len(part) // part.nbytes)
    for first in range(0, len(part), step):
        piece = part[first : first + step]
        here = slice(where.start + first, where.start + first + len(piece)) if isinstance(where, slice) else where[first : first + step]
        result[here] = piece
        give_back()


def give_back() -> bool:
    """Give back the room that mapped arrays take, whose contents stay; whether there are any."""
    there = list(_open.get() or ())
    for pages in there:
        # of a shared mapping nothing is lost: the pages are the file's
        pages.madvise(mmap.MADV_DONTNEED)
    return bool(there)
