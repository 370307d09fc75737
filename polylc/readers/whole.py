"""Inputs and outputs of graphs whose shapes are whole (ONNX, exported programs of torch): the batch of one is the first
axis; several inputs, or outputs, stand one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from polylc.errors import ModelError, UnsupportedLayerError
from polylc.network.builder import Builder, Value
from polylc.readers.files import shown
from polylc.readers.operators.call import Condition, Stripped

Declared = Sequence[int | None]
"""A shape as a graph says it; None where it is left open."""


def with_inputs(inputs: Mapping[str, Declared | None], wanted: tuple[int, ...] | None, source: str) -> tuple[Builder, dict[str, Value]]:
    """A builder whose input is that of the graph, or all of them one after the other; the value of each.

    Parameters
    ----------
    inputs : mapping
        The shape of each input by its name; None where the graph does not say it.
    wanted : tuple of int, optional
        What the user says of the shape of one input, without a batch dimension.
    source : str

    Raises
    ------
    ModelError
        If shapes are left open, or do not fit what the user says.
    """
    if len(inputs) == 1:
        ((name, declared),) = inputs.items()
        shape = full_shape(name, declared, wanted, source)
        builder = Builder(source, shape)
        if wanted is None and len(shape) > 1 and shape[0] > 1:
            one = ",".join(map(str, shape[1:]))
            builder.note(f"the input of shape {','.join(map(str, shape))} is taken as one; if it is a batch, give --input-shape {one}")
        return builder, {name: builder.input}
    if wanted is not None:
        raise ModelError(f"{source}: the graph has {len(inputs)} inputs, whose shapes one --input-shape cannot give; export it with fixed shapes")
    shapes = {name: full_shape(name, declared, None, source) for name, declared in inputs.items()}
    builder, values, first = Builder(source, (sum(map(math.prod, shapes.values())),)), {}, 0
    for name, shape in shapes.items():
        size = math.prod(shape)
        values[name] = builder.pick([builder.input], first + np.arange(size).reshape(shape), np.zeros(0), name)
        builder.note(f"input {shown(name)!r} of shape {','.join(map(str, shape))} is entries {first} to {first + size - 1}")
        first += size
    return builder, values


def joined_outputs(builder: Builder, results: Sequence[tuple[str, object]]) -> Value | Stripped:
    """The output, or all of them one after the other, of results with their names.

    Raises
    ------
    ModelError
        If one does not depend on the input, or is a softmax among others.
    """
    found: list[Value | Stripped] = []
    for name, result in results:
        if isinstance(result, Condition):
            raise UnsupportedLayerError(f"{builder.source}: {result.name} is discontinuous, and an output; compare the outputs outside the model")
        if not isinstance(result, Value | Stripped):
            raise ModelError(f"{builder.source}: the output {shown(name)!r} does not depend on the input; the graph is damaged")
        found.append(result)
    if len(found) == 1:
        return found[0]
    values, first = [], 0
    for (name, _), result in zip(results, found, strict=True):
        if isinstance(result, Stripped):
            raise ModelError(f"{builder.source}: the output {shown(name)!r} is a softmax, one of several outputs; leave the softmax out")
        builder.note(f"output {shown(name)!r} of shape {','.join(map(str, result.shape))} is entries {first} to {first + result.size - 1}")
        values.append(result)
        first += result.size
    return builder.pick(values, np.arange(first), np.zeros(0), "outputs")


def full_shape(name: str, declared: Declared | None, wanted: tuple[int, ...] | None, source: str) -> tuple[int, ...]:
    """The shape of an input for a batch of one; a first dimension that is 1 or left open is the batch."""
    ask = "pass the shape of one input (--input-shape C,H,W)"
    if declared is None:
        if wanted is None:
            raise ModelError(f"{source}: the graph does not say the shape of its input {name!r}; {ask}")
        return (1, *wanted)
    open_batch = bool(declared) and declared[0] is None
    concrete = [1 if index == 0 and open_batch else d for index, d in enumerate(declared)]
    if wanted is None:
        if None in concrete:
            raise ModelError(f"{source}: the shape of its input {name!r} is left open; {ask}")
        return tuple(d for d in concrete if d is not None)
    for candidate in (wanted, (1, *wanted)):
        # a fixed batch other than one is read as one where the shape asked for says so
        pairs = list(zip(concrete, candidate, strict=False)) if len(candidate) == len(concrete) else [(1, 0)]
        if all(d in (None, c) or (i == 0 and c == 1) for i, (d, c) in enumerate(pairs)):
            return candidate
    if None not in concrete and math.prod(d for d in concrete if d is not None) == math.prod(wanted):
        return tuple(d for d in concrete if d is not None)
    said = ",".join("?" if d is None else str(d) for d in declared)
    raise ModelError(
        f"{source}: its input has shape {said}, which {','.join(map(str, wanted))} does not fit; give the shape without the batch dimension"
    )
