"""Windows that slide over images with any number of axes, as tables of entry numbers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from polylc.readers.operators.call import Call, Window


def places(call: Call, sizes: Sequence[int], window: Window) -> tuple[tuple[int, ...], np.ndarray]:
    """Which entry of an image lies under which entry of a window.

    Returns
    -------
    counts : tuple of int
        Windows along each axis.
    entry : ndarray, shape (windows, entries of a window)
        Numbers of entries, row by row; -1 in the padding.
    """
    axes: list[np.ndarray] = []
    counts = []
    for size, kernel, stride, before, after, dilation in zip(
        sizes, window.kernel, window.stride, window.before, window.after, window.dilation, strict=True
    ):
        count = (size + before + after - dilation * (kernel - 1) - 1) // stride + 1
        if count < 1:
            raise call.error(f"has a window of {kernel}, which does not fit into {size} entries")
        at = np.arange(count)[:, None] * stride - before + np.arange(kernel) * dilation
        axes.append(np.where((at >= 0) & (at < size), at, -1))
        counts.append(count)
    number = np.zeros((1, 1), dtype=np.int64)
    outside = np.zeros((1, 1), dtype=bool)
    for at, size in zip(axes, sizes, strict=True):
        number = (number[:, None, :, None] * size + np.maximum(at, 0)[None, :, None, :]).reshape(len(number) * len(at), -1)
        outside = (outside[:, None, :, None] | (at < 0)[None, :, None, :]).reshape(number.shape)
    return tuple(counts), np.where(outside, -1, number)


def adaptive(sizes: Sequence[int], wanted: Sequence[int]) -> list[np.ndarray]:
    """Entries of each of `wanted` windows that cover an image, as torch's adaptive poolings cut it."""
    ends = [[(i * size // many, -(-(i + 1) * size // many)) for i in range(many)] for size, many in zip(sizes, wanted, strict=True)]
    numbers = np.arange(int(np.prod(sizes))).reshape(tuple(sizes))
    return [numbers[tuple(slice(a, b) for a, b in corner)].ravel() for corner in itertools.product(*ends)]


def of_channels(entry: np.ndarray, channels: int, pixels: int) -> np.ndarray:
    """The same table for all channels of an image, one after the other; -1 stays."""
    table = entry[None] + (np.arange(channels) * pixels)[:, None, None]
    return np.where(entry[None] < 0, -1, table).reshape(-1, entry.shape[1])
