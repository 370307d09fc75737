"""Operators that pick, repeat, move and join entries, each carried out on their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from polylc.network.builder import Value
from polylc.readers.operators.branches import argument, branch
from polylc.readers.operators.call import Call, Condition, Picks, show
from polylc.readers.operators.row import Kind, Operator, not_yet


def picked(call: Call) -> object:
    """What moves, picks, repeats or joins entries: run on their numbers, by which the entries are taken."""
    found = call.run()
    if not isinstance(found, Picks):
        return found
    results = tuple(call.builder.pick(found.values, index, found.constants, call.name) for index in found.index)
    return results if found.several else results[0]


def choice(call: Call) -> Value:
    """Entries of one or the other by a constant condition, or by a comparison where both meet."""
    condition, sides = call.setting("condition"), (call.setting("input", "X"), call.setting("other", "Y"))
    if isinstance(condition, Condition):
        return branch(call, condition, argument(call, ("input", "X")), argument(call, ("other", "Y")))
    if condition is None or isinstance(condition, Value) or any(side is None for side in sides):
        raise call.error("chooses by a condition that depends on the input, which is not supported; write it with ReLU units or maxima")
    mask = np.asarray(condition) != 0
    mask = mask[0] if call.batched and mask.ndim and len(mask) == 1 else mask  # of the batch
    values: list[Value] = []
    constants, numbers = [np.zeros(0)], []
    for side, name in zip(sides, ("X", "Y"), strict=True):
        if isinstance(side, Value):
            numbers.append(sum(v.size for v in values) + np.arange(side.size).reshape(side.shape))
            values.append(side)
        else:
            array = np.array(float(side)) if isinstance(side, int | float) else call.float64(side, name)
            numbers.append(-1 - sum(c.size for c in constants) - np.arange(array.size).reshape(array.shape))
            constants.append(array.ravel())
    try:
        index = np.where(mask, *numbers)
    except ValueError:
        raise call.error(f"combines shapes {', '.join(show(a.shape) for a in (mask, *numbers))}, which do not fit") from None
    return call.builder.pick(values, index, np.concatenate(constants), call.name)


def pad(call: Call) -> Value:
    """More entries at the ends of axes: a constant, or others of the value; fewer where a width is negative."""
    value = call.value
    widths = _widths_of_torch(call) if call.in_torch else _widths_of_onnx(call)
    kind = call.kind.removesuffix("d").rstrip("123").replace("_pad", "Pad")
    mode = _MODES_OF_LAYERS.get(kind[:1].upper() + kind[1:]) or str(call.setting("mode") or "constant")
    named = next((name for name in ("constant_value", "value") if call.setting(name) is not None), None)
    return padded(call, value, widths, mode, 0.0 if named is None else call.number(named))


def padded(call: Call, value: Value, widths: Sequence[tuple[int, int]], mode: str, fill: float = 0.0) -> Value:
    """A value with more entries before and after each axis, or fewer where a width is negative."""
    if mode not in _MODES:
        raise call.error(f"pads in the mode {mode!r}; polylc reads {', '.join(_MODES)}")
    numbers = np.arange(value.size).reshape(value.shape)
    numbers = numbers[tuple(slice(max(-a, 0), size - max(-b, 0)) for (a, b), size in zip(widths, value.shape, strict=True))]
    more = [(max(a, 0), max(b, 0)) for a, b in widths]
    how: Any = {"constant_values": -1} if mode == "constant" else {}
    try:
        numbers = np.pad(numbers, more, _MODES[mode], **how)
    except ValueError:
        raise call.error(f"cannot pad a value of shape {show(value.shape)} so; the model is damaged") from None
    return call.builder.pick([value], numbers, np.array([fill]), call.name)


_MODES_OF_LAYERS = {
    "ReflectionPad": "reflect",
    "ReplicationPad": "replicate",
    "CircularPad": "circular",
    "ZeroPad": "constant",
    "ConstantPad": "constant",
}
_MODES: dict[str, Any] = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "edge": "edge", "circular": "wrap", "wrap": "wrap"}


def _widths_of_torch(call: Call) -> list[tuple[int, int]]:
    """Before and after, for each axis of the value; torch counts from the last axis."""
    told, axes = call.setting("pad", "padding"), len(call.value.shape)
    widths = [int(w) for w in told] if isinstance(told, tuple | list) else []
    if not widths or len(widths) % 2 or len(widths) > 2 * axes:
        raise call.error(f"has the widths {told} for a value of shape {show(call.value.shape)}, which polylc does not read")
    pairs = list(zip(widths[::2], widths[1::2], strict=True))
    return [(0, 0)] * (axes - len(pairs)) + pairs[::-1]


def _widths_of_onnx(call: Call) -> list[tuple[int, int]]:
    told, count = call.setting("pads"), len(call.value.shape)
    flat = [int(w) for w in (told if isinstance(told, list) else call.weight("pads").ravel())]
    axes = call.axes("axes") or tuple(range(count))
    if len(flat) != 2 * len(axes):
        raise call.error(f"has {len(flat)} widths for {len(axes)} axes; the model is damaged")
    widths = [(0, 0)] * count
    for axis, before, after in zip(axes, flat[: len(axes)], flat[len(axes) :], strict=True):
        widths[axis] = before, after
    return widths


_MOVES = ("narrow", "select", "index_select", "flip", "roll", "movedim", "swapaxes", "diagonal")

ROWS = (
    Operator(
        "Concatenate",
        Kind.SHAPE,
        "values, in ONNX constants too, along any axis but the batch",
        onnx=("Concat(inputs, axis=None)",),
        torch=(
            *(f"torch.{name}" for name in ("cat", "concat", "concatenate", "stack", "hstack", "vstack", "dstack")),
            *(f"torch.ops.aten.{name}" for name in ("slice_scatter", "select_scatter", "copy")),
        ),
        lower=picked,
        family="pieces of values picked and joined",
    ),
    Operator(
        "Split",
        Kind.SHAPE,
        "into pieces along any axis but the batch",
        onnx=("Split",),
        torch=(
            *(f"torch.{name}" for name in ("split", "chunk", "unbind", "tensor_split")),
            *(f"torch.Tensor.{name}" for name in ("split", "chunk", "unbind", "tensor_split")),
            "torch.ops.aten.split_with_sizes",
        ),
        lower=picked,
    ),
    Operator(
        "Slice",
        Kind.SHAPE,
        "with constant bounds and steps",
        onnx=("Slice",),
        torch=(
            "operator.getitem",
            *(f"{place}.{name}" for place in ("torch", "torch.Tensor") for name in _MOVES),
            *(f"torch.ops.aten.{name}" for name in ("slice", "index")),
        ),
        lower=picked,
    ),
    Operator("Gather", Kind.SHAPE, "with constant indices", onnx=("Gather",), lower=picked),
    Operator("Gather by entries", Kind.SHAPE, "with constant indices", onnx=("GatherElements",), lower=picked),
    Operator("Gather by points", Kind.SHAPE, "with constant indices", onnx=("GatherND",), lower=picked),
    Operator(
        "Expand",
        Kind.SHAPE,
        "to a constant shape",
        onnx=("Expand",),
        torch=("torch.Tensor.expand", "torch.broadcast_to", "torch.Tensor.broadcast_to"),
        lower=picked,
    ),
    Operator(
        "Tile",
        Kind.SHAPE,
        "a constant number of times",
        onnx=("Tile",),
        torch=("torch.tile", "torch.Tensor.tile", "torch.Tensor.repeat", "torch.repeat_interleave", "torch.Tensor.repeat_interleave"),
        lower=picked,
    ),
    Operator(
        "Choice by a condition",
        Kind.SHAPE,
        "with a constant condition, or by a comparison if both sides meet where it changes: multiples of one value plus constants, "
        "or the two that are compared; a neuron for each entry",
        onnx=("Where(condition, X, Y)",),
        torch=("torch.where(condition, input, other)", "torch.Tensor.where(input, condition, other)"),
        lower=choice,
        takes_conditions=True,
    ),
    Operator(
        "Padding",
        Kind.SHAPE,
        "with a constant, or by reflection, repetition or around, of any axis but the batch; negative widths crop",
        onnx=("Pad(data, pads, constant_value, axes, mode='constant', value=0.0)",),
        torch=(
            "torch.nn.functional.pad(input, pad, mode='constant', value=None)",
            *(f"torch.nn.ZeroPad{axes}d" for axes in (1, 2, 3)),
            *(f"torch.nn.ConstantPad{axes}d" for axes in (1, 2, 3)),
            *(f"torch.nn.{how}Pad{axes}d" for how in ("Reflection", "Replication", "Circular") for axes in (1, 2, 3)),
            "torch.ops.aten.constant_pad_nd",
            *(f"torch.ops.aten.{how}_pad{axes}d" for how in ("reflection", "replication") for axes in (1, 2, 3)),
        ),
        lower=pad,
        family="padding",
    ),
    Operator(
        "Shuffling of channels",
        Kind.SHAPE,
        "between channels and places",
        onnx=("DepthToSpace", "SpaceToDepth"),
        torch=(
            *(f"torch.nn.{name}" for name in ("PixelShuffle", "PixelUnshuffle", "ChannelShuffle")),
            *(f"torch.nn.functional.{name}" for name in ("pixel_shuffle", "pixel_unshuffle", "channel_shuffle")),
            "torch.ops.aten.native_channel_shuffle",
        ),
        lower=picked,
    ),
    not_yet("Gather by data of the same shape", (), ("torch.gather", "torch.Tensor.gather")),
    not_yet("Folding of windows", (), ("torch.nn.Fold", "torch.nn.Unfold")),
)
