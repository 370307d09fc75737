"""`.nnet` files, as ACAS Xu networks were first published: text, with the normalisation of inputs and outputs.

Katz et al. 2017; the format is that of github.com/sisl/NNet. Numbers are decimals, taken as the doubles nearest to
them. The normalisation is part of the network: x -> (x - mean) / range before, y -> y * range + mean after. That inputs
are clipped to their bounds is left out: neighbourhoods say where they are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from polylc.errors import ModelError
from polylc.network.builder import Builder
from polylc.network.form import Network


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
    if not ranges.all():
        raise ModelError(f"{source}: one of its ranges is zero; the file is damaged")
    builder = Builder(source, (inputs,))
    value = builder.input
    if means[:-1].any() or (ranges[:-1] != 1).any():
        value = builder.scale_shift(value, 1.0 / ranges[:-1], -means[:-1] / ranges[:-1], "normalisation of the inputs")
        builder.note("normalisation of the inputs: (x - mean) / range, its factors rounded to float64")
    for layer, (columns, rows) in enumerate(itertools.pairwise(sizes)):
        where = f"layer {layer + 1}"
        weight = np.stack([_numbers(next(lines, []), columns, source, f"{where}, row {row + 1}") for row in range(rows)])
        bias = np.array([_numbers(next(lines, []), 1, source, f"{where}, bias {row + 1}")[0] for row in range(rows)])
        value = builder.linear(value, weight, bias, where)
        if layer < layers - 1:
            value = builder.relu(value, where)
    if means[-1] != 0 or ranges[-1] != 1:
        value = builder.scale_shift(value, np.array(ranges[-1]), np.array(means[-1]), "normalisation of the outputs")
    bounds = ", ".join(f"[{a:g}, {b:g}]" for a, b in zip(lower, upper, strict=True))
    builder.note(f"the file says that inputs lie in {bounds}; they are not clipped to that")
    return builder.finish(value, sha256)


def _rows(content: bytes, source: str) -> Iterator[list[str]]:
    """The lines that are no comments, each cut at its commas."""
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        raise ModelError(f"{source}: not a .nnet file, which is plain text; copy it again") from None
    for line in text.splitlines():
        if line.strip() and not line.startswith("//"):
            yield [part.strip() for part in line.split(",") if part.strip()]


def _numbers(row: list[str], count: int, source: str, what: str) -> np.ndarray:
    try:
        found = np.array([float(part) for part in row[:count]])
    except ValueError:
        raise ModelError(f"{source}: {what} hold something else than numbers; the file is damaged") from None
    if len(found) < count:
        raise ModelError(f"{source}: {what} should be {count} numbers and are {len(found)}; the file is truncated or damaged")
    if not np.isfinite(found).all():
        raise ModelError(f"{source}: {what} are not finite; polylc needs finite weights")
    return found


def _integers(row: list[str], count: int, source: str, what: str) -> list[int]:
    found = _numbers(row, count, source, what)
    if any(v != int(v) for v in found):
        raise ModelError(f"{source}: {what} should be whole numbers; the file is damaged")
    return [int(v) for v in found]
