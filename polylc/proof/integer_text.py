"""Integers as JSON text, compiled: what `json.dumps` writes of them, without an object for each.

In: integers of 64 bits. Out: bytes. Invariant: nobody writes more than MOST bytes for one, with a comma or bracket.
"""

from __future__ import annotations

import json

import numpy as np

from polylc.jit.decorators import kernel

OPEN, CLOSE, COMMA, MINUS, ZERO = b"[],-0"
MOST = 21

as_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode  # the same of any value, and slower


@kernel
def write_integer(value: int, text: np.ndarray, at: int) -> int:
    """Write an integer above -2^63; the place behind it."""
    if value < 0:
        text[at] = MINUS
        at += 1
        value = -value
    end = at + 1
    rest = value // 10
    while rest:
        rest //= 10
        end += 1
    for place in range(end - 1, at - 1, -1):
        text[place] = ZERO + value % 10
        value //= 10
    return end


def lists(numbers: np.ndarray) -> tuple[str, list[int]]:
    """Rows of integers above -2^63, each as a list with a comma behind it; shape (R, w).

    Returns
    -------
    text : str
    place : list of int
        Where each row begins in the text, and the end.
    """
    rows, width = numbers.shape
    text, place = np.empty(rows * (width * MOST + 3), dtype=np.uint8), np.empty(rows + 1, dtype=np.int64)
    _lists(np.ascontiguousarray(numbers), text, place)
    return text[: place[-1]].tobytes().decode("ascii"), place.tolist()


@kernel
def _lists(numbers: np.ndarray, text: np.ndarray, place: np.ndarray) -> None:
    at = 0
    for r in range(len(numbers)):
        place[r] = at
        text[at] = OPEN
        at += 1
        for j in range(numbers.shape[1]):
            if j > 0:
                text[at] = COMMA
                at += 1
            at = write_integer(numbers[r, j], text, at)
        text[at], text[at + 1] = CLOSE, COMMA
        at += 2
    place[len(numbers)] = at
