"""`.nnet` files, as ACAS Xu networks were first published: text, with the normalisation of inputs and outputs.

Katz et al. 2017; the format is that of github.com/sisl/NNet. The normalisation is part of the network:
x -> (x - mean) / range before, y -> y * range + mean after. It is folded into the first and the last layer with the
decimals of the file as rationals, so that every weight is the double nearest to what the file says, rounded once. That
inputs are clipped to their bounds is left out: neighbourhoods say where they are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from polylc.errors import ModelError
from polylc.network.builder import Builder
from polylc.network.folded import said
from polylc.network.form import Network

Rows = list[list[Fraction]]
_MOST_DIGITS = 400  # of a decimal's exponent: doubles end near 10^308


def from_nnet(content: bytes, *, source: str, sha256: str, input_shape: tuple[int, ...] | None = None) -> Network:
    """The network in the bytes of a `.nnet` file.

    Raises
    ------
    ModelError
        If the file is damaged.
    """
    lines = _rows(content, source)
    layers, inputs = _integers(next(lines, []), 2, source, "the header")
    sizes = _integers(next(lines, []), layers + 1, source, "the sizes of the layers")
    if layers < 1 or min(sizes) < 1 or sizes[0] != inputs or max(sizes) > 2**20:
        raise ModelError(
            f"{source}: its header says {layers} layers of the sizes {', '.join(map(str, sizes))}, which do not fit; the file is damaged"
        )
    if input_shape is not None and math.prod(input_shape) != inputs:
        raise ModelError(f"{source}: it takes {inputs} inputs, which an input of shape {','.join(map(str, input_shape))} does not have")
    next(lines, None)  # a flag that is no longer used
    lower, upper = (_numbers(next(lines, []), inputs, source, name) for name in ("the least inputs", "the largest inputs"))
    means, ranges = (_numbers(next(lines, []), inputs + 1, source, name) for name in ("the means", "the ranges"))
    if not all(ranges):
        raise ModelError(f"{source}: one of its ranges is zero; the file is damaged")
    builder = Builder(source, (inputs,))
    value, change = builder.input, Fraction(0)
    for layer, (columns, rows) in enumerate(itertools.pairwise(sizes)):
        where = f"layer {layer + 1}"
        weight = [_numbers(next(lines, []), columns, source, f"{where}, row {row + 1}") for row in range(rows)]
        bias = [_numbers(next(lines, []), 1, source, f"{where}, bias {row + 1}")[0] for row in range(rows)]
        if layer == 0:
            weight, bias = _after_inputs(weight, bias, means[:-1], ranges[:-1])
        if layer == layers - 1:
            weight, bias = [[w * ranges[-1] for w in row] for row in weight], [b * ranges[-1] + means[-1] for b in bias]
        nearest = [np.array(_doubles(part, source, where)) for part in ([w for row in weight for w in row], bias)]
        change = max(change, *(_change(exact, found) for exact, found in zip(([w for row in weight for w in row], bias), nearest, strict=True)))
        value = builder.linear(value, nearest[0].reshape(rows, columns), nearest[1], where)
        builder.step(where, "Linear", value.shape, len(builder.layers))
        if layer < layers - 1:
            value = builder.relu(value, where)
            builder.step(f"ReLU after {where}", "ReLU", value.shape, len(builder.layers) - 1)
    if any(means) or any(v != 1 for v in ranges):
        builder.note("normalisation of inputs and outputs: folded into the first and the last layer in rationals, before anything is rounded")
    if change:
        rounded = said(math.nextafter(float(change), 1))
        builder.note(f"decimals, and what is folded of them: each as the nearest double, {rounded}; the network analysed has these")
    bounds = ", ".join(f"[{float(a):g}, {float(b):g}]" for a, b in zip(lower, upper, strict=True))
    builder.note(f"the file says that inputs lie in {bounds}; they are not clipped to that")
    return builder.finish(value, sha256)


def _after_inputs(weight: Rows, bias: list[Fraction], means: list[Fraction], ranges: list[Fraction]) -> tuple[Rows, list[Fraction]]:
    """A layer of inputs that are not normalised yet."""
    scaled = [[w / r for w, r in zip(row, ranges, strict=True)] for row in weight]
    return scaled, [b - sum(w * m for w, m in zip(row, means, strict=True)) for row, b in zip(scaled, bias, strict=True)]


def _doubles(exact: list[Fraction], source: str, where: str) -> list[float]:
    try:
        return [float(v) for v in exact]
    except OverflowError:
        raise ModelError(f"{source}: {where} with its normalisation leaves the range of doubles; polylc needs finite weights") from None


def _change(exact: list[Fraction], found: np.ndarray) -> Fraction:
    """The largest relative change of a number."""
    return max((abs(Fraction(f) / e - 1) for e, f in zip(exact, found.tolist(), strict=True) if e), default=Fraction(0))


def _rows(content: bytes, source: str) -> Iterator[list[str]]:
    """The lines that are no comments, each cut at its commas."""
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        raise ModelError(f"{source}: not a .nnet file, which is plain text; copy it again") from None
    for line in text.splitlines():
        if line.strip() and not line.startswith("//"):
            yield [part.strip() for part in line.split(",") if part.strip()]


def _numbers(row: list[str], count: int, source: str, what: str) -> list[Fraction]:
    try:
        near = np.array([float(part) for part in row[:count]])
    except ValueError:
        raise ModelError(f"{source}: {what} hold something else than numbers; the file is damaged") from None
    if len(near) < count:
        raise ModelError(f"{source}: {what} should be {count} numbers and are {len(near)}; the file is truncated or damaged")
    if not np.isfinite(near).all():
        raise ModelError(f"{source}: {what} are not finite; polylc needs finite weights")
    return [_exact(part) for part in row[:count]]


def _exact(decimal: str) -> Fraction:
    """A decimal that is a finite double; one with an exponent out of all proportion is zero, as its double is."""
    exponent = decimal.lower().partition("e")[2]
    return Fraction(decimal) if not exponent or abs(int(exponent)) <= _MOST_DIGITS else Fraction(float(decimal))


def _integers(row: list[str], count: int, source: str, what: str) -> list[int]:
    found = _numbers(row, count, source, what)
    if any(v.denominator != 1 for v in found):
        raise ModelError(f"{source}: {what} should be whole numbers; the file is damaged")
    return [int(v) for v in found]
