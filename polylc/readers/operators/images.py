"""Affine operators on images: convolutions, average pooling, batch normalisation."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from polylc.network.builder import Value
from polylc.readers.operators.call import Call, Window, show
from polylc.readers.operators.row import Kind, Operator, not_yet
from polylc.readers.operators.windows import adaptive, of_channels, places

# of a torch layer's value; ONNX has one operator for all
_AXES_OF_BATCH_NORM = {"BatchNorm1d": (1, 2), "BatchNorm2d": (3,), "BatchNorm3d": (4,)}


def conv(call: Call) -> Value:
    """Convolution, unrolled."""
    weight, bias = call.weight("weight", "W"), call.array("bias", "B")
    axes = weight.ndim - 2
    if not 1 <= axes <= 3:
        raise call.error(f"has a weight of {weight.ndim} axes; polylc reads 1-D to 3-D convolutions")
    image = call.image(axes)
    if len(image.shape) != axes + 1:
        raise call.error(f"gets a value of shape {show(image.shape)}; it needs channels and {axes} axes")
    window = call.window(weight.shape[2:], image.shape[1:])
    mode = call.setting("padding_mode")
    if mode not in (None, "zeros"):
        image, window = _padded(call, image, window, str(mode))
    if axes != 2:
        return _conv_of_any_axes(call, image, weight, bias, window)
    groups = call.whole("groups", "group")
    dilation = (window.dilation[0], window.dilation[1])
    return call.of_image(call.builder.conv2d(image, weight, bias, _stride(window), _pads(window), dilation, groups, call.name))


def _padded(call: Call, image: Value, window: Window, mode: str) -> tuple[Value, Window]:
    """An image padded beforehand with other entries of itself, as torch's padding modes say."""
    if mode not in _MODES:
        raise call.error(f"has padding mode {mode!r}, which is not known")
    numbers = np.arange(image.size).reshape(image.shape)
    widths = [(0, 0), *zip(window.before, window.after, strict=True)]
    how: Any = _MODES[mode]
    none = (0,) * len(window.before)
    return call.builder.pick([image], np.pad(numbers, widths, how), np.zeros(0), call.name), replace(window, before=none, after=none)


_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _conv_of_any_axes(call: Call, image: Value, weight: np.ndarray, bias: np.ndarray | None, window: Window) -> Value:
    groups = call.whole("groups", "group")
    outputs, each = weight.shape[:2]
    if image.shape[0] != each * groups or outputs % groups:
        raise call.error(f"expects {each * groups} channels but gets {image.shape[0]}")
    sizes, pixels = image.shape[1:], math.prod(image.shape[1:])
    counts, entry = places(call, sizes, window)
    first = np.arange(outputs) // (outputs // groups) * each
    source = (first[:, None, None, None] + np.arange(each)[:, None]) * pixels + entry[None, :, None, :]
    inside = np.broadcast_to((entry >= 0)[None, :, None, :], source.shape)
    out = np.arange(outputs)[:, None, None, None] * len(entry) + np.arange(len(entry))[:, None, None]
    values = np.broadcast_to(weight.reshape(outputs, 1, each, -1), source.shape)
    full = None if bias is None else np.repeat(bias, len(entry))
    where = np.broadcast_to(out, source.shape)[inside]
    call.builder.note(f"{call.name}: convolution unrolled into a {outputs * len(entry)} x {image.size} matrix")
    return call.of_image(call.builder.combine(image, where, source[inside], values[inside], (outputs, *counts), full, call.name))


def conv_transpose(call: Call) -> Value:
    """Transposed convolution, unrolled: every entry of the image adds a window, times itself, to the result."""
    weight, bias = call.weight("weight", "W"), call.array("bias", "B")
    axes = weight.ndim - 2
    image, groups = call.image(axes), call.whole("groups", "group")
    inputs, each = weight.shape[:2]
    if len(image.shape) != axes + 1 or image.shape[0] != inputs or inputs % groups:
        raise call.error(f"expects {inputs} channels and {axes} axes but gets a value of shape {show(image.shape)}")
    sizes, kernel = image.shape[1:], weight.shape[2:]
    window = call.window(kernel, sizes)
    if call.setting("output_shape") or call.setting("auto_pad") not in (None, "NOTSET"):
        raise call.error("names its output shape or auto_pad, which is not supported; export it with pads")
    told = call.setting("output_padding")
    extra = tuple(told) if isinstance(told, tuple | list) else (int(told) if isinstance(told, int) else 0,) * axes
    counts = tuple(
        (size - 1) * stride + dilation * (k - 1) + 1 + more - before - after
        for size, stride, dilation, k, more, before, after in zip(
            sizes, window.stride, window.dilation, kernel, extra, window.before, window.after, strict=True
        )
    )
    if min(counts) < 1:
        raise call.error("makes an image without entries; the model is damaged")
    at = [
        np.arange(n)[:, None] * s + np.arange(k) * d - b
        for n, s, k, d, b in zip(sizes, window.stride, kernel, window.dilation, window.before, strict=True)
    ]
    place, inside = np.zeros((1, 1), dtype=np.int64), np.ones((1, 1), dtype=bool)
    for line, count in zip(at, counts, strict=True):
        place = (place[:, None, :, None] * count + line[None, :, None, :]).reshape(len(place) * len(line), -1)
        inside = (inside[:, None, :, None] & ((line >= 0) & (line < count))[None, :, None, :]).reshape(place.shape)
    pixels, many = math.prod(sizes), math.prod(counts)
    source = np.arange(inputs)[:, None, None, None] * pixels + np.arange(pixels)[:, None, None]
    target = (np.arange(inputs) // (inputs // groups))[:, None] * each + np.arange(each)
    out = target[:, None, :, None] * many + place[None, :, None, :]
    values = weight.reshape(inputs, 1, each, -1)
    kept = np.broadcast_to(inside[None, :, None, :], out.shape)
    source, values = np.broadcast_to(source, out.shape)[kept], np.broadcast_to(values, out.shape)[kept]
    outputs = each * groups
    full = None if bias is None else np.repeat(bias, many)
    call.builder.note(f"{call.name}: transposed convolution unrolled into a {outputs * many} x {image.size} matrix")
    return call.of_image(call.builder.combine(image, out[kept], source, values, (outputs, *counts), full, call.name))


def global_average(call: Call) -> Value:
    """The mean of each channel."""
    return _adaptive_average(call, (1,) * (len(call.image().shape) - 1))


def adaptive_average(call: Call) -> Value:
    """Means over windows that cover the image, of as many as asked for."""
    axes = _axes_named(call)
    told = call.setting("output_size")
    wanted = tuple(told) if isinstance(told, tuple | list) else (told,) * axes
    sizes = call.image(axes).shape[1:]
    return _adaptive_average(call, tuple(w if isinstance(w, int) else size for w, size in zip(wanted, sizes, strict=True)))


def _axes_named(call: Call) -> int:
    """The axes of an image, as the name of a layer or function tells them."""
    digit = call.kind.removesuffix("d")[-1]
    return int(digit) if digit.isdigit() else 2


def _adaptive_average(call: Call, wanted: tuple[int, ...]) -> Value:
    image = call.image()
    channels, pixels = image.shape[0], math.prod(image.shape[1:])
    windows = adaptive(image.shape[1:], wanted)
    out = np.repeat(np.arange(len(windows)), [len(w) for w in windows])
    share = np.concatenate([np.full(len(w), 1.0 / len(w)) for w in windows])
    channel = np.arange(channels)[:, None]
    where, source = channel * len(windows) + out, channel * pixels + np.concatenate(windows)
    call.builder.note(f"{call.name}: average pooling unrolled into a matrix, its factors rounded to float64")
    return call.of_image(call.builder.combine(image, where, source, np.tile(share, (channels, 1)), (channels, *wanted), None, call.name))


def average_pool(call: Call) -> Value:
    """Average pooling over full windows."""
    setting = call.setting("kernel_size", "kernel_shape")
    axes = _axes_named(call)
    kernel = tuple(setting) if isinstance(setting, tuple | list) else (call.whole("kernel_size"),) * axes if setting is not None else ()
    kernel = kernel * axes if len(kernel) == 1 and call.batched else kernel
    if len(kernel) != 2:
        return _average_of_any_axes(call, kernel)
    if call.setting("divisor_override") is not None:
        raise call.error("overrides its divisor, which is not supported; use the plain average")
    image = call.image(2)
    window = call.window(kernel, image.shape[1:])
    if window.dilation != (1, 1):
        raise call.error("is dilated, which is not supported")
    if any(max(window.before[a], window.after[a]) >= kernel[a] for a in (0, 1)):
        raise call.error("has more padding than its window is large; the model is damaged")
    if call.flag("ceil_mode") and len(image.shape) == 3:
        rest = [(image.shape[1 + a] + window.before[a] + window.after[a] - kernel[a]) % window.stride[a] for a in (0, 1)]
        if any(rest):
            raise call.error(f"uses ceil_mode on {image.shape[1]} x {image.shape[2]} entries; polylc reads only full windows")
    padded = call.flag("count_include_pad")
    return call.of_image(call.builder.avg_pool2d(image, (kernel[0], kernel[1]), _stride(window), _pads(window), call.name, padded))


def _average_of_any_axes(call: Call, kernel: tuple[int, ...]) -> Value:
    image = call.image(len(kernel))
    sizes, channels, pixels = image.shape[1:], image.shape[0], math.prod(image.shape[1:])
    window = call.window(kernel, sizes)
    rest = [(s + b + a - k) % t for s, b, a, k, t in zip(sizes, window.before, window.after, kernel, window.stride, strict=True)]
    if call.flag("ceil_mode") and any(rest):
        raise call.error(f"uses ceil_mode on {show(sizes)} entries; polylc reads only full windows")
    if call.setting("divisor_override") is not None:
        raise call.error("overrides its divisor, which is not supported; use the plain average")
    counts, entry = places(call, sizes, window)
    table = of_channels(entry, channels, pixels)
    inside = table >= 0
    divisor = np.full(len(table), entry.shape[1]) if call.flag("count_include_pad") else np.maximum(inside.sum(axis=1), 1)
    out = np.broadcast_to(np.arange(len(table))[:, None], table.shape)[inside]
    call.builder.note(f"{call.name}: average pooling unrolled into a matrix, its factors rounded to float64")
    return call.of_image(call.builder.combine(image, out, table[inside], (1.0 / divisor)[out], (channels, *counts), None, call.name))


def _stride(window: Window) -> tuple[int, int]:
    return window.stride[0], window.stride[1]


def _pads(window: Window) -> tuple[int, int, int, int]:
    """Top, left, bottom, right."""
    return window.before[0], window.before[1], window.after[0], window.after[1]


def batch_norm(call: Call) -> Value:
    """Batch normalisation in evaluation mode, which is affine."""
    if call.flag("training_mode") or (call.kind == "batch_norm" and call.flag("training")) or call.setting("spatial") not in (None, 1):
        raise call.error("normalises over the batch (training mode); export the model in evaluation mode")
    image = call.image()
    gamma, beta = call.array("weight", "scale"), call.array("bias", "B")
    if call.batched and call.setting("running_mean") is None:
        raise call.error("has track_running_stats=False, so it depends on the batch; train it with running statistics")
    mean, variance = call.weight("running_mean", "input_mean"), call.weight("running_var", "input_var")
    eps = call.number("eps", "epsilon")
    if (variance + eps <= 0).any():
        raise call.error("has a variance that is not positive; the model is damaged")
    if len(image.shape) not in _AXES_OF_BATCH_NORM.get(call.kind, (len(image.shape),)):
        raise call.error(f"gets a value of shape {show(image.shape)}, which has the wrong number of axes")
    return call.of_image(call.builder.batch_norm(image, mean, variance, eps, gamma, beta, call.name))


ROWS = (
    Operator(
        "Convolution",
        Kind.AFFINE,
        "1-D to 3-D, with stride, dilation, groups and padding, unrolled into a matrix of its weights",
        onnx=("Conv(X, W, B, auto_pad='NOTSET', dilations=None, group=1, kernel_shape=None, pads=None, strides=None)",),
        torch=(
            *(f"torch.nn.Conv{d}d" for d in (1, 2, 3)),
            *(f"torch.conv{d}d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1)" for d in (1, 2, 3)),
        ),
        lower=conv,
        family="convolutions",
    ),
    Operator(
        "Average pooling",
        Kind.AFFINE,
        "1-D to 3-D, over full windows; factors are rounded to float64",
        onnx=("AveragePool(X, auto_pad='NOTSET', ceil_mode=0, count_include_pad=0, dilations=None, kernel_shape=None, pads=None, strides=None)",),
        torch=(
            "torch.nn.AvgPool1d",
            "torch.nn.AvgPool2d",
            "torch.nn.AvgPool3d",
            "torch.nn.functional.avg_pool2d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, "
            "divisor_override=None)",
        ),
        lower=average_pool,
        family="average pooling",
    ),
    Operator(
        "Batch normalisation",
        Kind.AFFINE,
        "in evaluation mode, folded into one factor and one shift for each channel in float64",
        onnx=("BatchNormalization(X, scale, B, input_mean, input_var, epsilon=1e-05, momentum=0.9, training_mode=0, spatial=1)",),
        torch=(
            *(f"torch.nn.BatchNorm{d}d" for d in (1, 2, 3)),
            "torch.nn.functional.batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-05)",
        ),
        lower=batch_norm,
        family="batch norm",
    ),
    Operator(
        "Transposed convolution",
        Kind.AFFINE,
        "1-D to 3-D, with stride, dilation, groups and padding, unrolled into a matrix of its weights",
        onnx=(
            "ConvTranspose(X, W, B, auto_pad='NOTSET', dilations=None, group=1, kernel_shape=None, output_padding=None, output_shape=None, "
            "pads=None, strides=None)",
        ),
        torch=(
            *(f"torch.nn.ConvTranspose{d}d" for d in (1, 2, 3)),
            *(f"torch.conv_transpose{d}d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1)" for d in (1, 2, 3)),
        ),
        lower=conv_transpose,
    ),
    Operator("Global average pooling", Kind.AFFINE, "of any number of axes", onnx=("GlobalAveragePool(X)",), lower=global_average),
    Operator(
        "Adaptive average pooling",
        Kind.AFFINE,
        "to any size; factors are rounded to float64",
        torch=(
            "torch.nn.AdaptiveAvgPool1d",
            "torch.nn.AdaptiveAvgPool2d",
            "torch.nn.AdaptiveAvgPool3d",
            "torch.nn.functional.adaptive_avg_pool1d(input, output_size)",
            "torch.nn.functional.adaptive_avg_pool2d(input, output_size)",
        ),
        lower=adaptive_average,
    ),
    not_yet("Batch normalisation, synchronised", (), ("torch.nn.SyncBatchNorm",)),
)
