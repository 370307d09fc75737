"""Affine operators on images: convolutions, average pooling, batch normalisation."""

from __future__ import annotations

from dataclasses import replace

from polylc.network.builder import Value
from polylc.network.convolutions import adaptive_average, average, convolution, transposed
from polylc.readers.operators.call import Call, show
from polylc.readers.operators.picks import padded
from polylc.readers.operators.row import Kind, Operator, not_yet
from polylc.readers.operators.windows import adaptive, pooling

# of a torch layer's value; ONNX has one operator for all
_AXES_OF_BATCH_NORM = {"BatchNorm1d": (1, 2), "BatchNorm2d": (3,), "BatchNorm3d": (4,)}


def conv(call: Call) -> Value:
    """Convolution, unrolled."""
    if call.flag("transposed"):  # ATen has one operator for both
        return conv_transpose(call)
    if call.kind == "convolution":
        call.setting("output_padding")  # of transposed ones alone
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
        image = padded(call, image, [(0, 0), *zip(window.before, window.after, strict=True)], str(mode))
        window = replace(window, before=(0,) * axes, after=(0,) * axes)
    return call.of_image(convolution(call.builder, image, weight, bias, window, call.whole("groups", "group"), call.name))


def conv_transpose(call: Call) -> Value:
    """Transposed convolution, unrolled."""
    weight, bias = call.weight("weight", "W"), call.array("bias", "B")
    axes = weight.ndim - 2
    image = call.image(axes)
    if len(image.shape) != axes + 1:
        raise call.error(f"gets a value of shape {show(image.shape)}; it needs channels and {axes} axes")
    if call.setting("output_shape") or call.setting("auto_pad") not in (None, "NOTSET"):
        raise call.error("names its output shape or auto_pad, which is not supported; export it with pads")
    window, told = call.window(weight.shape[2:], image.shape[1:]), call.setting("output_padding")
    extra = tuple(told) if isinstance(told, tuple | list) else (int(told) if isinstance(told, int) else 0,) * axes
    groups = call.whole("groups", "group")
    return call.of_image(transposed(call.builder, image, weight, bias, window, extra, groups, call.name))


def global_mean(call: Call) -> Value:
    """The mean of each channel."""
    image = call.image()
    return call.of_image(adaptive_average(call.builder, image, (1,) * (len(image.shape) - 1), call.name))


def adaptive_mean(call: Call) -> Value:
    """Means over windows that cover the image, of as many as asked for."""
    image, wanted = adaptive(call)
    return call.of_image(adaptive_average(call.builder, image, wanted, call.name))


def average_pool(call: Call) -> Value:
    """Average pooling over full windows."""
    if call.setting("divisor_override") is not None:
        raise call.error("overrides its divisor, which is not supported; use the plain average")
    image, window = pooling(call)
    if max(window.dilation) > 1:
        raise call.error("is dilated, which is not supported")
    return call.of_image(average(call.builder, image, window, call.flag("count_include_pad"), call.name))


def batch_norm(call: Call) -> Value:
    """Batch normalisation in evaluation mode, which is affine."""
    if call.flag("training_mode", "training") or call.setting("spatial") not in (None, 1):
        raise call.error("normalises over the batch (training mode); export the model in evaluation mode")
    image = call.image()
    gamma, beta = call.array("weight", "scale"), call.array("bias", "B")
    if call.in_torch and call.setting("running_mean") is None:
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
            "torch.ops.aten.convolution",
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
            "torch.nn.functional.avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True)",
            *(
                f"torch.nn.functional.avg_pool{d}d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, "
                "divisor_override=None)"
                for d in (2, 3)
            ),
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
            *(f"torch.ops.aten.{name}" for name in ("_native_batch_norm_legit_no_training", "_native_batch_norm_legit", "native_batch_norm")),
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
    Operator("Global average pooling", Kind.AFFINE, "of any number of axes", onnx=("GlobalAveragePool(X)",), lower=global_mean),
    Operator(
        "Adaptive average pooling",
        Kind.AFFINE,
        "to any size; factors are rounded to float64",
        torch=(
            "torch.nn.AdaptiveAvgPool1d",
            "torch.nn.AdaptiveAvgPool2d",
            "torch.nn.AdaptiveAvgPool3d",
            *(f"torch.nn.functional.adaptive_avg_pool{d}d(input, output_size)" for d in (1, 2, 3)),
            *(f"torch.ops.aten._adaptive_avg_pool{d}d" for d in (2, 3)),
        ),
        lower=adaptive_mean,
    ),
    not_yet("Batch normalisation, synchronised", (), ("torch.nn.SyncBatchNorm",)),
)
