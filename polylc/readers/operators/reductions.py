"""Sums, means, maxima and minima over axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from polylc.network.builder import Value
from polylc.network.convolutions import note_means
from polylc.readers.operators.call import Call
from polylc.readers.operators.maxima import maximum, minimum
from polylc.readers.operators.row import Kind, Operator
from polylc.readers.operators.tournament import extreme, larger


def _groups(call: Call) -> tuple[np.ndarray, tuple[int, ...]]:
    """The entries of each group, one row each, and the shape of the result."""
    value = call.value
    axes = call.axes("axes", "dim")
    if not axes:
        if call.batched:
            raise call.error("runs over all axes, the batch among them; name the axes")
        axes = () if call.flag("noop_with_empty_axes") else tuple(range(len(value.shape)))
    keep = call.flag("keepdims", "keepdim")
    numbers = np.arange(value.size).reshape(value.shape)
    kept = [a for a in range(len(value.shape)) if a not in axes]
    table = numbers.transpose([*kept, *axes]).reshape(math.prod(value.shape[a] for a in kept), -1)
    shape = tuple(1 if a in axes else d for a, d in enumerate(value.shape)) if keep else tuple(value.shape[a] for a in kept)
    return table, shape


def reduce_sum(call: Call) -> Value:
    """Sums over axes."""
    table, shape = _groups(call)
    return call.builder.weighted(call.value, table, np.array(1.0), shape, None, call.name)


def reduce_mean(call: Call) -> Value:
    """Means over axes."""
    table, shape = _groups(call)
    note_means(call.builder, f"{call.name}: mean over {table.shape[1]} entries", np.array([table.shape[1]]))
    return call.builder.weighted(call.value, table, np.array(1.0 / table.shape[1]), shape, None, call.name)


def reduce_max(call: Call) -> Value:
    """Maxima over axes."""
    table, shape = _groups(call)
    return call.builder.reshape(extreme(call, call.value, [table], 1.0), shape, call.name)


def reduce_min(call: Call) -> Value:
    """Minima over axes."""
    table, shape = _groups(call)
    return call.builder.reshape(extreme(call, call.value, [table], -1.0), shape, call.name)


class Extreme(NamedTuple):
    """What torch's max and min along an axis give: the values, and their places, which jump."""

    values: Value
    indices: None = None


def largest(call: Call) -> object:
    """torch.max: along an axis, with the places, or of two values, or over all axes."""
    return _with_place(call, reduce_max, maximum)


def smallest(call: Call) -> object:
    """torch.min, as `largest`."""
    return _with_place(call, reduce_min, minimum)


def _with_place(call: Call, over_axes: Callable[[Call], Value], of_two: Callable[[Call], Value]) -> object:
    if call.setting("other") is not None or (call.setting("dim") is not None and not isinstance(call.setting("dim"), int)):
        return of_two(call)
    return over_axes(call) if call.setting("dim") is None else Extreme(over_axes(call))


def ordered(call: Call) -> Extreme:
    """Entries along an axis in order, without their places: neighbours change places in rounds."""
    builder, name, none = call.builder, call.name, np.zeros(0)
    value, axes, falling = call.value, call.axes("dim") or (), call.flag("descending")
    if len(axes) != 1:
        raise call.error("runs over all axes, the batch among them; name the axes")
    size = value.shape[axes[0]]
    lines = np.moveaxis(np.arange(value.size).reshape(value.shape), axes[0], -1).reshape(-1, size)
    found = value
    for turn in range(size if size > 2 else size - 1):
        left = np.arange(turn % 2, size - 1, 2)
        one, other = (builder.pick([found], lines[:, side].ravel(), none, name) for side in (left, left + 1))
        high = larger(builder, one, other, 1.0, name)
        low = builder.add(builder.add(one, other, name), high, name, -1.0)
        index = np.arange(value.size)
        first, second = (high, low) if falling else (low, high)
        index[lines[:, left].ravel()] = value.size + np.arange(first.size)
        index[lines[:, left + 1].ravel()] = value.size + first.size + np.arange(first.size)
        found = builder.pick([found, first, second], index.reshape(value.shape), none, name)
    return Extreme(found)


def cumulative_sum(call: Call) -> Value:
    """Sums of all entries up to each, along one axis."""
    value, axes = call.value, call.axes("axis", "dim")
    if axes is None or len(axes) != 1:
        raise call.error("has no axis; the model is damaged")
    size = value.shape[axes[0]]
    numbers = np.moveaxis(np.arange(value.size).reshape(value.shape), axes[0], -1).reshape(-1, size)
    upto = np.tri(size, k=-int(call.flag("exclusive")), dtype=bool)
    upto = upto[::-1, ::-1] if call.flag("reverse") else upto
    table = np.empty((value.size, size), dtype=np.int64)
    table[numbers.ravel()] = np.where(upto[None], numbers[:, None, :], -1).reshape(-1, size)
    return call.builder.weighted(value, table, np.array(1.0), value.shape, None, call.name)


_DIMS = "(input, dim=None, keepdim=False)"

ROWS = (
    Operator(
        "Sum over axes",
        Kind.AFFINE,
        "any but the batch",
        onnx=("ReduceSum(data, axes, keepdims=1, noop_with_empty_axes=0)",),
        torch=(f"torch.sum{_DIMS}", f"torch.Tensor.sum{_DIMS}"),
        lower=reduce_sum,
        family="sums and means over axes",
    ),
    Operator(
        "Mean over axes",
        Kind.AFFINE,
        "any but the batch; factors are rounded to float64",
        onnx=("ReduceMean(data, axes, keepdims=1, noop_with_empty_axes=0)",),
        torch=(f"torch.mean{_DIMS}", f"torch.Tensor.mean{_DIMS}"),
        lower=reduce_mean,
    ),
    Operator(
        "Cumulative sum",
        Kind.AFFINE,
        "along any axis but the batch",
        onnx=("CumSum(x, axis, exclusive=0, reverse=0)",),
        torch=("torch.cumsum(input, dim)", "torch.Tensor.cumsum(input, dim)"),
        lower=cumulative_sum,
    ),
    Operator(
        "Maximum over axes",
        Kind.PIECEWISE_LINEAR,
        "any but the batch; one neuron fewer than entries",
        onnx=("ReduceMax(data, axes, keepdims=1, noop_with_empty_axes=0)",),
        torch=(f"torch.amax{_DIMS}", f"torch.Tensor.amax{_DIMS}"),
        lower=reduce_max,
        family="maxima and minima over axes",
    ),
    Operator(
        "Minimum over axes",
        Kind.PIECEWISE_LINEAR,
        "as Maximum",
        onnx=("ReduceMin(data, axes, keepdims=1, noop_with_empty_axes=0)",),
        torch=(f"torch.amin{_DIMS}", f"torch.Tensor.amin{_DIMS}"),
        lower=reduce_min,
    ),
    Operator(
        "Maximum with its place",
        Kind.PIECEWISE_LINEAR,
        "as Maximum over axes; of the places only their being left out is read; or the larger of two values",
        torch=("torch.max(input, dim=None, keepdim=False)", "torch.Tensor.max(input, dim=None, keepdim=False)"),
        lower=largest,
    ),
    Operator(
        "Minimum with its place",
        Kind.PIECEWISE_LINEAR,
        "as Maximum with its place",
        torch=("torch.min(input, dim=None, keepdim=False)", "torch.Tensor.min(input, dim=None, keepdim=False)"),
        lower=smallest,
    ),
    Operator(
        "Sorting",
        Kind.PIECEWISE_LINEAR,
        "along any axis but the batch, for few entries: n (n - 1) / 2 neurons; of the places only their being left out is read",
        torch=("torch.sort(input, dim=-1, descending=False)", "torch.Tensor.sort(input, dim=-1, descending=False)"),
        lower=ordered,
        family="sorting",
    ),
)
