"""Images made larger or smaller: copies of the nearest entry, linear interpolation, means over areas."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from polylc.network.builder import Value
from polylc.network.convolutions import adaptive_average, grid, of_channels
from polylc.readers.operators.call import Call, show
from polylc.readers.operators.picks import picked
from polylc.readers.operators.row import Kind, Operator


def resize(call: Call) -> object:
    """Images made larger or smaller."""
    mode = _mode(call)
    if mode in ("nearest", "nearest-exact"):
        return _upsampled(call) if call.kind == "Upsample" and not call.in_torch else picked(call)
    if mode in ("linear", "bilinear", "trilinear"):
        return _interpolated(call)
    if mode == "area":
        image = call.image()
        wanted, _ = _sizes_of_torch(call, image.shape[1:])
        return call.of_image(adaptive_average(call.builder, image, wanted, call.name))
    raise call.error(f"resizes in the mode {mode!r}, which is not supported; polylc reads nearest neighbours and linear interpolation")


def _mode(call: Call) -> str:
    """The mode, which ATen says by the operator's name."""
    if call.kind.startswith("upsample_"):
        return call.kind.removeprefix("upsample_").removesuffix("d").rstrip("123")
    told = call.setting("mode")
    return told.decode() if isinstance(told, bytes) else str(told)


def _upsampled(call: Call) -> Value:
    """ONNX's old operator for whole factors."""
    factors = _floats(call, "scales")
    numbers = np.arange(call.value.size).reshape(call.value.shape)
    if len(factors) != numbers.ndim or any(f < 1 or f != int(f) for f in factors):
        raise call.error(f"has the scales {', '.join(f'{f:g}' for f in factors)}; polylc reads whole numbers")
    for axis, factor in enumerate(factors):
        numbers = np.repeat(numbers, int(factor), axis=axis)
    return call.builder.pick([call.value], numbers, np.zeros(0), call.name)


def _interpolated(call: Call) -> Value:
    """Weighted sums of the two nearest entries along each axis; of the products of their weights along several."""
    image = call.image()
    sizes = image.shape[1:]
    wanted, scales = _sizes_of_torch(call, sizes) if call.in_torch else _sizes_of_onnx(call, sizes)
    how = ("align_corners" if call.flag("align_corners") else "half_pixel") if call.in_torch else _coordinates(call)
    if call.flag("antialias"):
        raise call.error("resizes with antialias, which is not supported; leave it out")
    call.builder.require_room(image.shape[0] * math.prod(wanted) * 2 ** len(wanted), call.name)
    lines, parts = [], []
    for size, many, scale in zip(sizes, wanted, scales, strict=True):
        at = _places(size, many, scale, how)
        low = np.minimum(np.floor(at), size - 1).astype(np.int64)
        share = at - low
        lines.append(np.stack([low, np.where(share > 0, low + 1, -1)], axis=1))
        parts.append(np.stack([1 - share, share], axis=1))
    weights = np.ones((1, 1))
    for part in parts:
        weights = (weights[:, None, :, None] * part[None, :, None, :]).reshape(len(weights) * len(part), -1)
    call.builder.note(f"{call.name}: interpolation unrolled into a matrix, its factors rounded to float64")
    table = of_channels(grid(lines, sizes), image)
    return call.of_image(call.builder.weighted(image, table, np.tile(weights, (image.shape[0], 1)), (image.shape[0], *wanted), None, call.name))


def _places(size: int, many: int, scale: float, how: str) -> np.ndarray:
    """Where on an axis of some size the entries of the new axis lie, brought inside; `scale` is new by old."""
    new = np.arange(many, dtype=np.float64)
    if how == "align_corners":
        at = new * ((size - 1) / (many - 1)) if many > 1 else np.zeros(many)
    elif how == "asymmetric":
        at = new / scale
    elif how == "pytorch_half_pixel" and many == 1:
        at = np.zeros(1)
    else:
        at = (new + 0.5) / scale - 0.5
    return np.clip(at, 0, size - 1)


def _coordinates(call: Call) -> str:
    """How ONNX says where entries lie; before operator set 11 it did not."""
    assert call.opset is not None
    how = str(call.setting("coordinate_transformation_mode")) if call.opset >= 11 else "asymmetric"
    if how not in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"):
        raise call.error(f"resizes with the coordinates {how!r}, which is not supported; polylc reads half_pixel, align_corners and asymmetric")
    return how


def _sizes_of_torch(call: Call, sizes: Sequence[int]) -> tuple[tuple[int, ...], list[float]]:
    """New sizes, and by how much an axis is stretched: the factor that was given, unless it is to be computed anew."""
    size, factor = call.setting("size", "output_size"), call.setting("scale_factor", "scale_factors")
    if size is None:
        factors = _each(call, factor, len(sizes))
        wanted = [math.floor(old * f) for old, f in zip(sizes, factors, strict=True)]
        kept = not call.flag("recompute_scale_factor")
    else:
        wanted = [int(one) for one in _each(call, size, len(sizes))]
        told = [call.setting(name) for name in (("scales",), ("scales_h", "scales_w"), ("scales_d", "scales_h", "scales_w"))[len(sizes) - 1]]
        kept = all(isinstance(one, float) for one in told)
        factors = [float(one) for one in told if isinstance(one, float)]
    if min(wanted) < 1:
        raise call.error("makes an image without entries")
    # whatever the factor, an axis that keeps its size is copied
    return tuple(wanted), [f if kept and new != old else new / old for new, old, f in zip(wanted, sizes, factors or wanted, strict=True)]


def _each(call: Call, told: object, axes: int) -> list[float]:
    """A setting that torch allows as one number or as one for each axis."""
    numbers = list(told) if isinstance(told, tuple | list) else [told] * axes
    found = [float(one) for one in numbers if isinstance(one, int | float)]
    if not len(numbers) == len(found) == axes:
        raise call.error(f"has the sizes or factors {told}, which do not fit {axes} axes")
    return found


def _sizes_of_onnx(call: Call, sizes: Sequence[int]) -> tuple[tuple[int, ...], list[float]]:
    count = len(sizes) + 2
    assert call.opset is not None
    old = call.kind == "Resize" and call.opset < 11  # whose second argument were the factors
    axes = call.axes("axes") or tuple(range(count))
    told, factors = (None, np.zeros(0)) if old else (call.array("sizes"), np.zeros(0))
    if told is None or not told.size:
        factors, told = (call.weight("roi").ravel() if old else _floats(call, "scales")), None
    given = factors if told is None else told
    if len(given) != len(axes) or str(call.setting("keep_aspect_ratio_policy") or "stretch") != "stretch":
        raise call.error(f"has {len(given)} sizes or factors for {len(axes)} axes, which polylc does not read")
    scales = np.ones(count)
    wanted = np.array([1, call.value.shape[1], *sizes])
    for axis, one in zip(axes, given, strict=True):
        before = call.value.shape[axis]
        scales[axis] = one if told is None else one / before
        wanted[axis] = math.floor(before * one) if told is None else int(one)
    if wanted[0] != 1 or wanted[1] != call.value.shape[1] or min(wanted) < 1:
        raise call.error(f"resizes {show(call.value.shape)} to {show(wanted.tolist())}; polylc resizes images, not their channels")
    return tuple(int(w) for w in wanted[2:]), [float(s) for s in scales[2:]]


def _floats(call: Call, name: str) -> np.ndarray:
    told = call.setting(name)
    return np.array(told, dtype=np.float64) if isinstance(told, list) else call.weight(name).ravel()


_INTERPOLATE = "(input, size=None, scale_factor=None, mode='nearest', align_corners=None, recompute_scale_factor=None, antialias=False)"

ROWS = (
    Operator(
        "Resizing",
        Kind.AFFINE,
        "to the nearest neighbour, by linear interpolation along one to three axes, or in torch to means over areas",
        onnx=(
            "Resize(X, roi, scales, sizes, mode='nearest', coordinate_transformation_mode='half_pixel', antialias=0, axes=None, "
            "keep_aspect_ratio_policy='stretch')",
            "Upsample(X, scales, mode='nearest')",
        ),
        torch=(
            "torch.nn.Upsample",
            "torch.nn.UpsamplingNearest2d",
            "torch.nn.UpsamplingBilinear2d",
            f"torch.nn.functional.interpolate{_INTERPOLATE}",
            *(f"torch.ops.aten.upsample_nearest{axes}d" for axes in (1, 2, 3)),
            *(f"torch.ops.aten.upsample_{name}" for name in ("linear1d", "bilinear2d", "trilinear3d")),
        ),
        lower=resize,
        family="resizing of images",
    ),
)
