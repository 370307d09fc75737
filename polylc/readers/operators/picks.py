"""Operators that pick, repeat, move and join entries, each carried out on their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from polylc.network.builder import Value
from polylc.readers.operators.call import Call, Picks, show
from polylc.readers.operators.row import Kind, Operator, not_yet


def picked(call: Call) -> object:
    """What moves, picks, repeats or joins entries: run on their numbers, by which the entries are taken."""
    found = call.run()
    if not isinstance(found, Picks):
        return found
    results = tuple(call.builder.pick(found.values, index, found.constants, call.name) for index in found.index)
    return results if found.several else results[0]


def pad(call: Call) -> Value:
    """More entries at the ends of axes: a constant, or others of the value; fewer where a width is negative."""
    value = call.value
    widths = _widths_of_torch(call) if call.in_torch else _widths_of_onnx(call)
    kind = call.kind.removesuffix("d").rstrip("123")
    mode = _MODES_OF_LAYERS.get(kind) or str(call.setting("mode") or "constant")
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


def resize(call: Call) -> object:
    """Images made larger or smaller, each entry a copy of the nearest one."""
    mode = call.setting("mode")
    if mode != "nearest":
        raise call.error(f"resizes in the mode {mode!r}, which is not supported; polylc reads nearest neighbours")
    if call.kind == "Upsample" and not call.batched:
        scales = call.setting("scales")
        factors = [float(s) for s in (scales if isinstance(scales, list) else call.weight("scales").ravel())]
        numbers = np.arange(call.value.size).reshape(call.value.shape)
        if len(factors) != numbers.ndim or any(f < 1 or f != int(f) for f in factors):
            raise call.error(f"has the scales {', '.join(f'{f:g}' for f in factors)}; polylc reads whole numbers")
        for axis, factor in enumerate(factors):
            numbers = np.repeat(numbers, int(factor), axis=axis)
        return call.builder.pick([call.value], numbers, np.zeros(0), call.name)
    return picked(call)


ROWS = (
    Operator(
        "Concatenate",
        Kind.SHAPE,
        "values, in ONNX constants too, along any axis but the batch",
        onnx=("Concat(inputs, axis=None)",),
        torch=("torch.cat", "torch.concat", "torch.concatenate", "torch.stack"),
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
            *(f"torch.{name}" for name in ("narrow", "select", "index_select", "flip", "roll", "movedim", "swapaxes")),
            *(f"torch.Tensor.{name}" for name in ("narrow", "select", "index_select", "flip", "roll", "movedim", "swapaxes")),
        ),
        lower=picked,
    ),
    Operator("Gather", Kind.SHAPE, "with constant indices", onnx=("Gather",), lower=picked),
    Operator("Gather by entries", Kind.SHAPE, "with constant indices", onnx=("GatherElements",), lower=picked),
    Operator("Gather by points", Kind.SHAPE, "with constant indices", onnx=("GatherND",), lower=picked),
    Operator("Expand", Kind.SHAPE, "to a constant shape", onnx=("Expand",), torch=("torch.Tensor.expand",), lower=picked),
    Operator(
        "Tile",
        Kind.SHAPE,
        "a constant number of times",
        onnx=("Tile",),
        torch=("torch.tile", "torch.Tensor.tile", "torch.Tensor.repeat", "torch.repeat_interleave", "torch.Tensor.repeat_interleave"),
        lower=picked,
    ),
    Operator("Choice by a condition", Kind.SHAPE, "with a constant condition", onnx=("Where",), lower=picked),
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
        ),
        lower=pad,
        family="padding",
    ),
    Operator(
        "Resizing",
        Kind.SHAPE,
        "to the nearest neighbour",
        onnx=("Resize(X, mode='nearest')", "Upsample(X, scales, mode='nearest')"),
        torch=(
            "torch.nn.Upsample",
            "torch.nn.UpsamplingNearest2d",
            "torch.nn.functional.interpolate(input, size=None, scale_factor=None, mode='nearest', align_corners=None, "
            "recompute_scale_factor=None, antialias=False)",
        ),
        lower=resize,
    ),
    Operator(
        "Shuffling of channels",
        Kind.SHAPE,
        "between channels and places",
        onnx=("DepthToSpace", "SpaceToDepth"),
        torch=("torch.nn.PixelShuffle", "torch.nn.PixelUnshuffle", "torch.nn.ChannelShuffle"),
        lower=picked,
    ),
    not_yet("Resizing, bilinear", (), ("torch.nn.UpsamplingBilinear2d",)),
    not_yet("Gather by data of the same shape", (), ("torch.gather", "torch.Tensor.gather", "torch.where", "torch.Tensor.where")),
    not_yet("Folding of windows", (), ("torch.nn.Fold", "torch.nn.Unfold")),
)
