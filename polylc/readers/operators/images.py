"""Affine operators on images: convolutions, average pooling, batch normalisation."""

from __future__ import annotations

from polylc.network.builder import Value
from polylc.readers.operators.call import Call, Window, show
from polylc.readers.operators.row import Kind, Operator, not_yet

# of a torch layer's value; ONNX has one operator for all
_AXES_OF_BATCH_NORM = {"BatchNorm1d": (1, 2), "BatchNorm2d": (3,)}


def conv(call: Call) -> Value:
    """2-D convolution, unrolled."""
    if call.setting("padding_mode") not in (None, "zeros"):
        raise call.error(f"has padding mode {call.setting('padding_mode')!r}; polylc reads only zero padding")
    weight, bias = call.weight("weight", "W"), call.array("bias", "B")
    if weight.ndim != 4:
        raise call.error(f"has a weight of {weight.ndim} axes; polylc reads 2-D convolutions")
    image = call.image(2)
    window = call.window(weight.shape[2:], image.shape[1:])
    groups = call.whole("groups", "group")
    dilation = (window.dilation[0], window.dilation[1])
    return call.of_image(call.builder.conv2d(image, weight, bias, _stride(window), _pads(window), dilation, groups, call.name))


def average_pool(call: Call) -> Value:
    """2-D average pooling over full windows."""
    setting = call.setting("kernel_size", "kernel_shape")
    kernel = tuple(setting) if isinstance(setting, tuple | list) else (call.whole("kernel_size"),) * 2 if setting is not None else ()
    if len(kernel) != 2:
        raise call.error(f"has a window of {len(kernel)} axes; polylc reads 2-D pooling")
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


def _stride(window: Window) -> tuple[int, int]:
    return window.stride[0], window.stride[1]


def _pads(window: Window) -> tuple[int, int, int, int]:
    """Top, left, bottom, right."""
    return window.before[0], window.before[1], window.after[0], window.after[1]


def batch_norm(call: Call) -> Value:
    """Batch normalisation in evaluation mode, which is affine."""
    if call.flag("training_mode") or call.setting("spatial") not in (None, 1):
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
        "2-D, with stride, dilation, groups and zero padding, unrolled into a matrix of its weights",
        onnx=("Conv(X, W, B, auto_pad='NOTSET', dilations=None, group=1, kernel_shape=None, pads=None, strides=None)",),
        torch=("torch.nn.Conv2d",),
        lower=conv,
        family="convolutions",
    ),
    Operator(
        "Average pooling",
        Kind.AFFINE,
        "2-D, over full windows; factors are rounded to float64",
        onnx=("AveragePool(X, auto_pad='NOTSET', ceil_mode=0, count_include_pad=0, dilations=None, kernel_shape=None, pads=None, strides=None)",),
        torch=(
            "torch.nn.AvgPool2d",
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
        torch=("torch.nn.BatchNorm1d", "torch.nn.BatchNorm2d"),
        lower=batch_norm,
        family="batch norm",
    ),
    not_yet("Convolution, 1-D and 3-D", (), ("torch.nn.Conv1d", "torch.nn.Conv3d")),
    not_yet("Transposed convolution", ("ConvTranspose",), ("torch.nn.ConvTranspose1d", "torch.nn.ConvTranspose2d", "torch.nn.ConvTranspose3d")),
    not_yet("Average pooling, 1-D and 3-D", (), ("torch.nn.AvgPool1d", "torch.nn.AvgPool3d")),
    not_yet(
        "Global average pooling",
        ("GlobalAveragePool",),
        ("torch.nn.AdaptiveAvgPool1d", "torch.nn.AdaptiveAvgPool2d", "torch.nn.AdaptiveAvgPool3d"),
    ),
    not_yet("Batch normalisation, 3-D and synchronised", (), ("torch.nn.BatchNorm3d", "torch.nn.SyncBatchNorm")),
)
