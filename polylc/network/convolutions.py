"""Convolutions and poolings over images with any number of axes, unrolled into matrices: exactly, every entry is a
weight. An image has its channels first.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from polylc.errors import ModelError
from polylc.network.builder import Builder, Value
from polylc.network.folded import said


@dataclass(frozen=True)
class Window:
    """How a convolution or pooling slides: one entry for each axis of an image."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    dilation: tuple[int, ...]

    def along(self, axis: int) -> Window:
        """The same along one axis alone."""
        return Window(*(part[axis : axis + 1] for part in (self.kernel, self.stride, self.before, self.after, self.dilation)))

    def reach(self) -> tuple[int, ...]:
        """Entries from the first to the last, along each axis."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))


def grid(lines: Sequence[np.ndarray], sizes: Sequence[int]) -> np.ndarray:
    """Of places along each axis, (places, entries of a window) each, the entries of an image row by row; -1 where one
    of them is outside.
    """
    number, outside = np.zeros((1, 1), dtype=np.int64), np.zeros((1, 1), dtype=bool)
    for at, size in zip(lines, sizes, strict=True):
        beyond = (at < 0) | (at >= size)
        number = (number[:, None, :, None] * size + np.where(beyond, 0, at)[None, :, None, :]).reshape(len(number) * len(at), -1)
        outside = (outside[:, None, :, None] | beyond[None, :, None, :]).reshape(number.shape)
    return np.where(outside, -1, number)


def places(sizes: Sequence[int], window: Window, where: str) -> tuple[tuple[int, ...], np.ndarray]:
    """Which entry of one channel lies under which entry of a window.

    Returns
    -------
    counts : tuple of int
        Windows along each axis.
    entry : ndarray, shape (windows, entries of a window)
        Numbers of entries, row by row; -1 in the padding.

    Raises
    ------
    ModelError
        If the window does not fit.
    """
    counts = []
    for size, kernel, reach, stride, before, after in zip(
        sizes, window.kernel, window.reach(), window.stride, window.before, window.after, strict=True
    ):
        counts.append((size + before + after - reach) // stride + 1)
        if counts[-1] < 1:
            raise ModelError(f"{where}: its window of {kernel} does not fit into {size} entries")
    return tuple(counts), grid(_lines(counts, window), sizes)


def _lines(counts: Sequence[int], window: Window) -> list[np.ndarray]:
    """Places along each axis of the entries of so many windows."""
    return [
        np.arange(n)[:, None] * s - b + np.arange(k) * d
        for n, s, b, k, d in zip(counts, window.stride, window.before, window.kernel, window.dilation, strict=True)
    ]


def convolution(builder: Builder, image: Value, weight: np.ndarray, bias: np.ndarray | None, window: Window, groups: int, name: str) -> Value:
    """A convolution with weights of shape (channels out, channels of a group, *kernel).

    Raises
    ------
    ModelError
        If shapes do not fit, or the matrix would be too large.
    """
    outputs, each = weight.shape[:2]
    if image.shape[0] != each * groups or outputs % groups:
        raise ModelError(f"{builder.source}: {name} expects {each * groups} channels but gets {image.shape[0]}")
    sizes, pixels = image.shape[1:], math.prod(image.shape[1:])
    counts, entry = places(sizes, window, f"{builder.source}: {name}")
    builder.require_room(weight.size * len(entry), name)
    first = np.arange(outputs) // (outputs // groups) * each
    channel = (first[:, None, None, None] + np.arange(each)[:, None]) * pixels
    table = np.where(entry[:, None] < 0, -1, channel + entry[:, None])  # (outputs, windows, each, entries)
    values = np.broadcast_to(weight.reshape(outputs, 1, each, -1), table.shape)
    rows = outputs * len(entry)
    builder.note(f"{name}: convolution unrolled into a {rows} x {image.size} matrix")
    full = None if bias is None else np.repeat(bias, len(entry))
    return builder.weighted(image, table.reshape(rows, -1), values.reshape(rows, -1), (outputs, *counts), full, name)


def transposed(
    builder: Builder, image: Value, weight: np.ndarray, bias: np.ndarray | None, window: Window, extra: Sequence[int], groups: int, name: str
) -> Value:
    """A transposed convolution: every entry of the image adds a window, times itself, to the result.

    Weights have the shape (channels in, channels out of a group, *kernel); the result is `extra` longer at its ends.

    Raises
    ------
    ModelError
        If shapes do not fit, or the matrix would be too large.
    """
    inputs, each = weight.shape[:2]
    if image.shape[0] != inputs or inputs % groups:
        raise ModelError(f"{builder.source}: {name} expects {inputs} channels but gets {image.shape[0]}")
    sizes, pixels = image.shape[1:], math.prod(image.shape[1:])
    counts = tuple(
        (size - 1) * stride + reach + more - before - after
        for size, stride, reach, more, before, after in zip(sizes, window.stride, window.reach(), extra, window.before, window.after, strict=True)
    )
    if min(counts) < 1:
        raise ModelError(f"{builder.source}: {name} makes an image without entries; the model is damaged")
    builder.require_room(weight.size * pixels, name)
    place, many = grid(_lines(sizes, window), counts), math.prod(counts)
    target = (np.arange(inputs) // (inputs // groups))[:, None] * each + np.arange(each)
    out = target[:, None, :, None] * many + place[None, :, None, :]  # (inputs, pixels, each, entries)
    source = np.arange(inputs)[:, None, None, None] * pixels + np.arange(pixels)[:, None, None]
    inside = np.broadcast_to(place[None, :, None, :] >= 0, out.shape)
    source, values = (np.broadcast_to(a, out.shape)[inside] for a in (source, weight.reshape(inputs, 1, each, -1)))
    outputs = each * groups
    builder.note(f"{name}: transposed convolution unrolled into a {outputs * many} x {image.size} matrix")
    full = None if bias is None else np.repeat(bias, many)
    return builder.combine(image, out[inside], source, values, (outputs, *counts), full, name)


def average(builder: Builder, image: Value, window: Window, count_include_pad: bool, name: str) -> Value:
    """Means over windows, of the entries inside the image or, with `count_include_pad`, of all."""
    counts, entry = places(image.shape[1:], window, f"{builder.source}: {name}")
    builder.require_room(image.shape[0] * entry.size, name)
    table = of_channels(entry, image)
    inside = (table >= 0).sum(axis=1, keepdims=True)
    share = 1.0 / (np.full_like(inside, entry.shape[1]) if count_include_pad else inside)
    return _means(builder, image, table, share, counts, name)


def cuts(size: int, many: int) -> list[tuple[int, int]]:
    """Begin and end of so many windows that cover an axis, as torch cuts it."""
    return [(i * size // many, -(-(i + 1) * size // many)) for i in range(many)]


def adaptive_average(builder: Builder, image: Value, wanted: Sequence[int], name: str) -> Value:
    """Means over windows that cover the image, of as many as wanted, as torch cuts it."""
    sizes = image.shape[1:]
    ends = [cuts(size, many) for size, many in zip(sizes, wanted, strict=True)]
    numbers = np.arange(math.prod(sizes)).reshape(sizes)
    windows = [numbers[tuple(slice(a, b) for a, b in corner)].ravel() for corner in itertools.product(*ends)]
    entry = np.full((len(windows), max(map(len, windows))), -1)
    for row, window in zip(entry, windows, strict=True):
        row[: len(window)] = window
    table = of_channels(entry, image)
    return _means(builder, image, table, 1.0 / (table >= 0).sum(axis=1, keepdims=True), wanted, name)


def _means(builder: Builder, image: Value, table: np.ndarray, share: np.ndarray, counts: Sequence[int], name: str) -> Value:
    counted = np.unique(np.rint(1.0 / share))
    note_means(builder, f"{name}: average pooling unrolled into a matrix", counted)
    return builder.weighted(image, table, share, (image.shape[0], *counts), None, name)


def note_means(builder: Builder, text: str, counted: np.ndarray) -> None:
    """Log means over so many entries, and how much their factors round."""
    change = max(float(abs(Fraction(1.0 / many) * int(many) - 1)) for many in counted.tolist())
    builder.note(f"{text}, its factors rounded to float64, {said(change)}" if change else text)


def of_channels(entry: np.ndarray, image: Value) -> np.ndarray:
    """A table of one channel's entries for all channels of an image, one after the other; -1 stays."""
    first = np.arange(image.shape[0]) * math.prod(image.shape[1:])
    return np.where(entry < 0, -1, entry + first[:, None, None]).reshape(-1, entry.shape[1])
