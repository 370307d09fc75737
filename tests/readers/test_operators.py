"""Every operator that is read, in every format that has it, computes what torch and onnxruntime compute.

To test a new operator, add lines to TORCH and ONNX below; an operator without a line fails.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

import polylc
from polylc.errors import ModelError
from polylc.network.form import Network
from polylc.readers.load import load
from polylc.readers.operators.row import Kind
from polylc.readers.supported import OPERATORS

RANDOM = np.random.default_rng(3)


def floats(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


@dataclass(frozen=True)
class Torch:
    """A layer, or a function of a value, that belongs to a row of the table; `shape` is that of one input."""

    row: str
    apply: nn.Module | Callable[[Any], Any]
    shape: tuple[int, ...] = (4,)


@dataclass(frozen=True)
class Onnx:
    """An operator of ONNX with its constants after the input x (before it where a constant is called `left`); "" is
    one left out.
    """

    row: str
    kind: str
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] = (1, 4)
    opset: int = 17


def normalised(layer: nn.BatchNorm1d | nn.BatchNorm2d) -> nn.Module:
    """A batch norm with statistics other than the initial ones."""
    nn.init.normal_(layer.running_mean)
    nn.init.uniform_(layer.running_var, 0.2, 2.0)
    return layer


def spread(layer: nn.Linear) -> nn.Linear:
    """A layer with weights large enough that a ReLU6 after it meets all of its pieces."""
    nn.init.normal_(layer.weight, std=8.0)
    return layer


def sloped(layer: nn.PReLU) -> nn.PReLU:
    """A PReLU whose channels have slopes of their own."""
    nn.init.normal_(layer.weight)
    return layer


CONV = torch.from_numpy(floats(2, 3, 3)).double()
WEIGHT = torch.from_numpy(floats(3, 4)).double()
SHIFT = torch.from_numpy(floats(4)).double()
SQUARE = torch.from_numpy(floats(4, 4)).double()
TORCH = [
    Torch("Linear", nn.Linear(4, 3)),
    Torch("Linear", lambda x: functional.linear(x, WEIGHT)),
    Torch("Linear", lambda x: functional.linear(x, weight=WEIGHT, bias=SHIFT[:3])),
    Torch("Linear", nn.Linear(4, 3), (2, 5, 4)),
    Torch("Matrix product", lambda x: x @ WEIGHT.T),
    Torch("Matrix product", lambda x: torch.matmul(x, other=WEIGHT.T)),
    Torch("Matrix product", lambda x: torch.matmul(WEIGHT, x.unsqueeze(-1)).squeeze(-1)),
    Torch("Matrix product", lambda x: torch.mm(x, WEIGHT.T) + x.mm(WEIGHT.T) - x.matmul(WEIGHT.T)),
    Torch("Add", lambda x: 1 + (x + SHIFT).add(x) + torch.add(x, SHIFT).add_(2)),
    Torch("Subtract", lambda x: 1 - (x - SHIFT).sub(torch.relu(x)) - torch.sub(x, SHIFT)),
    Torch("Multiply", lambda x: torch.mul(2 * x * SHIFT, 3).mul(torch.ones(1, 4))),
    Torch("Divide", lambda x: torch.div(x / SHIFT, 2).div(0.3)),
    Torch("Add", lambda x: x[:, :1] + x - x.unsqueeze(1)[:, 0] + torch.maximum(x[:, :1], x), (3, 2)),
    Torch("Negate", lambda x: -torch.relu(-x) + torch.neg(x) - x.neg()),
    Torch("Convolution", nn.Conv2d(2, 4, (3, 2), stride=2, padding=1, groups=2), (2, 5, 6)),
    Torch("Convolution", nn.Conv2d(1, 2, 3, padding="same", dilation=2, bias=False), (1, 5, 6)),
    Torch("Average pooling", nn.AvgPool2d((2, 3), stride=1, padding=(0, 1), count_include_pad=False), (2, 5, 6)),
    Torch("Average pooling", lambda x: functional.avg_pool2d(x, 2, padding=1), (2, 4, 6)),
    Torch("Batch normalisation", normalised(nn.BatchNorm1d(4))),
    Torch("Batch normalisation", normalised(nn.BatchNorm2d(2, affine=False)), (2, 3, 3)),
    Torch("ReLU", nn.ReLU()),
    Torch("ReLU", lambda x: torch.relu(x) + functional.relu(x - 1) + (x + 1).relu()),
    Torch("LeakyReLU", nn.LeakyReLU(0.3)),
    Torch("LeakyReLU", lambda x: functional.leaky_relu(x) + functional.leaky_relu(x - 1, 0.2) + functional.leaky_relu(-x, negative_slope=-1.0)),
    Torch("ReLU6", nn.Sequential(spread(nn.Linear(4, 4)), nn.ReLU6())),
    Torch("ReLU6", lambda x: functional.relu6(-3 * x) + functional.relu6(input=5 - x, inplace=True), (2, 2)),
    Torch("Maximum of several", lambda x: torch.maximum(x, SHIFT) - torch.maximum(SHIFT, other=-x) + torch.maximum(x, -x)),
    Torch("Minimum of several", lambda x: torch.minimum(x, SHIFT) - torch.minimum(SHIFT, other=-x) + torch.minimum(x, -x)),
    Torch("Flatten", nn.Flatten(), (2, 2)),
    Torch("Flatten", lambda x: torch.flatten(x, start_dim=1), (2, 2)),
    Torch("Flatten", lambda x: torch.flatten(start_dim=1, input=x), (2, 2)),
    Torch("Reshape", nn.Unflatten(1, (2, 2))),
    Torch("Reshape", lambda x: x.view(-1, 2, 2).reshape(x.size(0), 4).unflatten(1, (4, 1))),
    Torch("Squeeze", lambda x: torch.squeeze(x, 1).squeeze(), (1, 4, 1)),
    Torch("Unsqueeze", lambda x: torch.unsqueeze(x, 1).unsqueeze(-1)),
    Torch("Transpose", lambda x: x.view(-1, 1, 4).transpose(1, 2).permute(0, 2, 1)),
    Torch("Identity", nn.Identity()),
    Torch("Identity", lambda x: torch.clone(x).contiguous().detach()),
    Torch("Dropout", nn.Dropout()),
    Torch("Dropout", lambda x: functional.dropout(x, 0.5, training=False)),
    Torch("Attribute", lambda x: x.view(x.shape[0], -1), (2, 2)),
    Torch("Size", lambda x: x.view(x.size(0), -1).flatten(x.dim() - 2), (2, 2)),
    Torch("Matrix product", lambda x: (x @ WEIGHT.T) @ WEIGHT[:3, :2], (3, 4)),
    Torch("Matrix product", lambda x: torch.matmul(WEIGHT, x), (2, 4, 5)),
    Torch("Matrix product", lambda x: torch.matmul(torch.stack([WEIGHT, -2 * WEIGHT]), x), (2, 4, 5)),
    *(Torch("Convolution", nn.Conv2d(2, 1, 3, padding=(1, 2), padding_mode=m), (2, 4, 5)) for m in ("reflect", "replicate", "circular")),
    Torch("Convolution", nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2), (4, 9)),
    Torch("Convolution", nn.Conv3d(2, 3, (2, 3, 1), padding=(1, 0, 1), stride=(1, 2, 1)), (2, 3, 5, 4)),
    Torch("Convolution", lambda x: functional.conv1d(x, CONV, stride=2, padding=1) + functional.conv1d(x, CONV, SHIFT[:2], 2, 1), (3, 6)),
    Torch("Transposed convolution", nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), (4, 5)),
    Torch("Transposed convolution", nn.ConvTranspose2d(2, 3, (3, 2), stride=(2, 3), dilation=(1, 2), bias=False), (2, 3, 4)),
    Torch("Transposed convolution", nn.ConvTranspose3d(2, 1, 2, stride=2), (2, 2, 3, 2)),
    Torch("Transposed convolution", lambda x: functional.conv_transpose1d(x, CONV.transpose(0, 1), padding=1), (3, 4)),
    Torch("Average pooling", nn.AvgPool1d(3, stride=2, padding=1), (2, 7)),
    Torch("Average pooling", nn.AvgPool3d(2, count_include_pad=False, padding=1), (1, 4, 4, 4)),
    Torch("Adaptive average pooling", nn.AdaptiveAvgPool2d((2, None)), (2, 5, 3)),
    Torch("Adaptive average pooling", nn.AdaptiveAvgPool1d(3), (2, 7)),
    Torch("Adaptive average pooling", nn.AdaptiveAvgPool3d(1), (2, 2, 3, 2)),
    Torch("Adaptive average pooling", lambda x: functional.adaptive_avg_pool2d(x, 1).flatten(1), (2, 4, 3)),
    Torch("Batch normalisation", normalised(nn.BatchNorm3d(2)), (2, 2, 2, 2)),
    Torch("Batch normalisation", lambda x: functional.batch_norm(x, SHIFT, SHIFT.abs() + 0.1, SHIFT - 1, SHIFT + 1)),
    Torch("PReLU", nn.PReLU(init=-0.4)),
    Torch("PReLU", sloped(nn.PReLU(3)), (3, 2, 2)),
    Torch("PReLU", lambda x: functional.prelu(x, SHIFT)),
    Torch("RReLU", nn.RReLU(0.1, 0.5)),
    Torch("HardTanh", nn.Hardtanh(-0.5, 1.5)),
    Torch("HardTanh", lambda x: functional.hardtanh(x) + functional.hardtanh(x, -2, 0.5)),
    Torch("HardSigmoid", nn.Hardsigmoid()),
    Torch("HardSigmoid", lambda x: functional.hardsigmoid(3 * x)),
    Torch("Softshrink", nn.Softshrink(0.7)),
    Torch("Softshrink", lambda x: functional.softshrink(x) - functional.softshrink(x, 0.0)),
    Torch("Threshold", nn.Threshold(0.3, 0.3)),
    Torch("Threshold", lambda x: functional.threshold(x, -0.25, -0.25)),
    Torch("Absolute value", lambda x: torch.abs(x) - (x - 1).abs() + abs(x + 1)),
    Torch("Clamp", lambda x: torch.clamp(x, -0.5, 0.5) + x.clamp(min=0.1) + torch.clamp_max(x, 1) - x.clip(max=0.2)),
    Torch("Max pooling", nn.MaxPool1d(3, stride=2, padding=1), (2, 7)),
    Torch("Max pooling", nn.MaxPool2d((3, 2), stride=(1, 2), padding=(1, 0), dilation=(2, 1)), (2, 6, 5)),
    Torch("Max pooling", nn.MaxPool3d(2), (1, 4, 2, 3)),
    Torch("Max pooling", nn.MaxPool2d(2, stride=2, ceil_mode=True), (2, 5, 4)),
    Torch("Max pooling", nn.MaxPool2d(3, stride=(2, 4), padding=1, ceil_mode=True), (1, 6, 6)),
    Torch("Max pooling", nn.MaxPool1d(2, stride=3, padding=1, ceil_mode=True), (1, 3)),
    Torch("Max pooling", lambda x: functional.max_pool2d(torch.relu(functional.max_pool2d(x, 3, 1, 1)), 2), (1, 4, 4)),
    Torch("Maximum over axes", lambda x: torch.amax(x, dim=(1, 2)) + x.amax(-1).amax(1), (3, 5)),
    Torch("Maximum with its place", lambda x: torch.max(x, 1)[0] + x.max(dim=1).values - torch.max(x, -x)[:, 0], (3, 3)),
    Torch("Minimum with its place", lambda x: torch.min(x, dim=2, keepdim=True)[0] + x.min(1, True).values, (3, 3)),
    Torch("Minimum over axes", lambda x: torch.amin(x, dim=2, keepdim=True) - x.amin(dim=-1, keepdim=True) * 2, (3, 5)),
    Torch("Sum over axes", lambda x: torch.sum(x, dim=1) + x.sum((1,), keepdim=True).squeeze(1), (3, 5)),
    Torch("Mean over axes", lambda x: torch.mean(x, dim=[1, 2]) + x.mean(-1).mean(1), (3, 5)),
    Torch("Cumulative sum", lambda x: torch.cumsum(x, dim=1) - x.cumsum(-1), (3, 5)),
    Torch("Concatenate", lambda x: torch.cat([x, 2 * x, torch.relu(x)], dim=1) + torch.concat((x, x, x), 1)),
    Torch("Concatenate", lambda x: torch.stack([x, torch.relu(x)], dim=-1)),
    Torch("Split", lambda x: torch.split(x, 3, dim=1)[1] * 2 + x.chunk(2, dim=1)[0][:, :1] - x.unbind(1)[0].unsqueeze(1)),
    Torch("Split", lambda x: torch.cat(torch.chunk(x, 2, 1), -1) + torch.cat(x.split([1, 3], 1), 1)),
    Torch("Slice", lambda x: x[:, 1:, ::2] + x[..., 1:, [0, 2]] + x[:, -1, None, :2] + x[:, :2, 1].unsqueeze(2), (3, 4)),
    Torch("Slice", lambda x: torch.narrow(x, 1, 1, 2) + x.select(1, 0).unsqueeze(1) + torch.flip(x, (2,))[:, :2] + x.roll(1, 1)[:, 1:], (3, 4)),
    Torch("Expand", lambda x: x.unsqueeze(2).expand(-1, -1, 3)),
    Torch("Tile", lambda x: x.repeat(1, 2) + torch.tile(x, (1, 2)) + torch.repeat_interleave(x, 2, dim=1)),
    Torch("Transpose", lambda x: x.transpose(1, 2).permute(0, 2, 1) + x.permute(0, 2, 1).reshape(-1, 3, 4), (3, 4)),
    Torch("Padding", nn.ConstantPad1d((2, -1), 0.7), (2, 4)),
    Torch("Padding", nn.ZeroPad2d((1, 0, 2, 1)), (1, 2, 3)),
    Torch("Padding", nn.ReflectionPad2d(1), (1, 3, 4)),
    Torch("Padding", nn.ReplicationPad1d((1, 3)), (2, 3)),
    Torch("Padding", lambda x: functional.pad(x, (1, 2)) + functional.pad(x, (2, 1), mode="circular") + functional.pad(x, (3, 0), value=1.5), (2, 4)),
    Torch("Resizing", nn.Upsample(scale_factor=2), (2, 2, 3)),
    Torch("Resizing", nn.UpsamplingNearest2d(size=(3, 5)), (1, 2, 3)),
    Torch("Resizing", lambda x: functional.interpolate(x, scale_factor=1.5, mode="nearest"), (2, 4)),
    Torch("Shuffling of channels", nn.PixelShuffle(2), (4, 2, 3)),
    Torch("Shuffling of channels", nn.PixelUnshuffle(2), (1, 4, 2)),
    Torch("Identity", lambda x: x.double().cpu()),
    Torch("Add", lambda x: torch.add(x, SHIFT, alpha=-2) + torch.sub(SHIFT, x, alpha=0.5) - x.sub(x, alpha=3)),
    Torch("Difference turned round", lambda x: torch.rsub(x, 1.5) + torch.rsub(x, SHIFT, alpha=2)),
    Torch("Product added to", lambda x: torch.addmm(SHIFT[:3], x, WEIGHT.T, beta=-0.5, alpha=2)),
    Torch("Product added to", lambda x: torch.addmm(x, x, SQUARE) + x.addmm(x, SQUARE, beta=0)),
    Torch("Einsum", lambda x: torch.einsum("bi,ji->bj", x, WEIGHT) + torch.einsum("...i,ji", x, WEIGHT)),
    Torch("Einsum", lambda x: torch.einsum("bcij,jk,c->bkic", x, SQUARE, SHIFT[:2]), (2, 3, 4)),
    Torch("Einsum", lambda x: torch.einsum("bii->bi", x) + torch.einsum("bij->b", x).unsqueeze(1), (4, 4)),
    Torch("Average pooling", lambda x: functional.avg_pool1d(x, 3, 2, 1, count_include_pad=False), (2, 7)),
    Torch("Average pooling", lambda x: functional.avg_pool3d(x, 2), (1, 4, 2, 2)),
    Torch("Adaptive average pooling", lambda x: functional.adaptive_avg_pool3d(x, (1, 2, None)), (2, 2, 3, 2)),
    Torch("Adaptive max pooling", nn.AdaptiveMaxPool1d(3), (2, 7)),
    Torch("Adaptive max pooling", nn.AdaptiveMaxPool2d((2, None)), (2, 5, 3)),
    Torch("Adaptive max pooling", nn.AdaptiveMaxPool3d(2), (1, 3, 4, 2)),
    Torch("Adaptive max pooling", lambda x: functional.adaptive_max_pool2d(x, 1).flatten(1), (2, 3, 4)),
    Torch("Max pooling", lambda x: functional.max_pool3d(x, 2), (1, 4, 2, 3)),
    Torch("RReLU", lambda x: functional.rrelu(x) - functional.rrelu(x, 0.5, 1.5)),
    Torch("Dropout", lambda x: functional.alpha_dropout(functional.dropout2d(x, 0.3, False)), (2, 3, 3)),
    Torch("Sorting", lambda x: torch.sort(x, dim=2)[0] + x.sort(-1, True).values, (3, 2)),
    Torch("Sorting", lambda x: torch.sort(x).values + x.sort(descending=True)[0] * 2, (5,)),
    Torch("Choice by a condition", lambda x: torch.where(SHIFT > 0, x, 2 * x) + torch.where(SHIFT > 0.5, x, 0.25) + x.where(SHIFT < 0, -x)),
    Torch("Choice by a condition", lambda x: torch.where(WEIGHT[None] > 0, WEIGHT, x), (3, 4)),
    Torch("Format", lambda x: x.to(torch.float64).to("cpu") * 2),
    Torch("Expand", lambda x: torch.broadcast_to(x.unsqueeze(1), (-1, 2, 4)) + x.unsqueeze(2).broadcast_to(x.shape[0], 4, 4)[:, :2]),
    Torch("Resizing", nn.UpsamplingBilinear2d(scale_factor=2), (2, 2, 3)),
    Torch("Resizing", nn.Upsample(size=(5, 4), mode="bilinear"), (1, 2, 3)),
    Torch("Resizing", nn.Upsample(scale_factor=1.7, mode="linear", align_corners=False), (2, 4)),
    Torch("Resizing", nn.Upsample(scale_factor=(2, 1.5, 0.7), mode="trilinear", align_corners=True), (1, 2, 3, 3)),
    Torch("Resizing", lambda x: functional.interpolate(x, scale_factor=1.3, mode="bilinear", recompute_scale_factor=True), (1, 4, 5)),
    Torch("Resizing", lambda x: functional.interpolate(x, size=(2, 3), mode="area"), (2, 4, 5)),
    Torch("Shuffling of channels", lambda x: functional.pixel_shuffle(functional.channel_shuffle(x, 2), 2), (4, 2, 1)),
    Torch("Softmax", nn.Softmax(dim=1)),
    Torch("Softmax", lambda x: functional.softmax(x, dim=-1).view(x.size(0), -1)),
    Torch("LogSoftmax", nn.LogSoftmax(dim=1)),
    Torch("LogSoftmax", lambda x: torch.log_softmax(x, 1).contiguous()),
]
STATISTICS = {"s": floats(3), "b": floats(3), "m": floats(3), "v": np.abs(floats(3)) + 0.1}
ONNX = [
    Onnx("Gemm", "Gemm", {"b": floats(3, 4), "c": floats(3)}, {"transB": 1, "alpha": 0.5, "beta": 2.0}),
    Onnx("Gemm", "Gemm", {"b": floats(4, 3)}, {"transA": 1}, shape=(4, 1)),
    Onnx("Matrix product", "MatMul", {"b": floats(4, 3)}),
    Onnx("Matrix product", "MatMul", {"left": floats(3, 4)}, shape=(4, 1)),
    Onnx("Add", "Add", {"b": floats(1, 1, 4)}),
    Onnx("Sum of several", "Sum", {"b": floats(4)}),
    Onnx("Add", "Add", {"b": floats(3, 1)}),
    Onnx("Multiply", "Mul", {"left": floats(2, 1, 4)}),
    Onnx("Maximum of several", "Max", {"b": floats(2, 3, 1)}),
    Onnx("Sum of several", "Sum", {"b": floats(4), "c": floats(1, 4), "d": floats()}),
    Onnx("Sum of several", "Sum", {"left": floats(4)}),
    Onnx("Sum of several", "Sum"),
    Onnx("Subtract", "Sub", {"b": floats(4)}),
    Onnx("Subtract", "Sub", {"left": floats(4)}),
    Onnx("Multiply", "Mul", {"b": np.float32(3.5)}),
    Onnx("Divide", "Div", {"b": np.abs(floats(4)) + 1}),
    Onnx("Negate", "Neg"),
    Onnx("Convolution", "Conv", {"w": floats(4, 1, 2, 3), "b": floats(4)}, {"group": 2, "strides": [2, 1], "auto_pad": "SAME_LOWER"}, (1, 2, 5, 6)),
    Onnx("Convolution", "Conv", {"w": floats(2, 2, 2, 2)}, {"pads": [1, 0, 0, 2], "dilations": [2, 1]}, (1, 2, 5, 6)),
    Onnx("Average pooling", "AveragePool", {}, {"kernel_shape": [2, 3], "pads": [1, 0, 0, 2], "count_include_pad": 1}, (1, 2, 5, 6)),
    Onnx("Batch normalisation", "BatchNormalization", STATISTICS, {"epsilon": 1e-3}, (1, 3, 2, 2)),
    Onnx("ReLU", "Relu"),
    Onnx("LeakyReLU", "LeakyRelu"),
    Onnx("LeakyReLU", "LeakyRelu", {}, {"alpha": -1.5}),
    Onnx("Clip", "Clip", {"low": np.float32(0), "high": np.float32(6)}),
    Onnx("Clip", "Clip", {"low": np.float32(0.3), "high": np.float32(1.7)}, shape=(1, 2, 3), opset=11),
    Onnx("Clip", "Clip", {"low": np.float32(2), "high": np.float32(2)}),
    Onnx("Clip", "Clip", {"low": np.float32(1)}),
    Onnx("Clip", "Clip", {"": np.float32(0), "high": np.float32(1)}),
    Onnx("Clip", "Clip", {"low": np.float32(1), "high": np.float32(np.inf)}),
    Onnx("Clip", "Clip"),
    Onnx("Clip", "Clip", {}, {"min": 0.5, "max": 2.5}, opset=7),
    Onnx("Clip", "Clip", {}, {"min": 1.0, "max": float(np.finfo(np.float32).max)}, opset=10),
    Onnx("Clip", "Clip", {}, {"max": 1.5}, opset=10),
    *(
        Onnx(row, kind, constants)
        for row, kind in (("Maximum of several", "Max"), ("Minimum of several", "Min"))
        for constants in ({"b": np.float32(0)}, {"left": floats(4)}, {"b": floats(4), "c": np.float32(0)}, {})
    ),
    Onnx("Cast", "Cast", {}, {"to": TensorProto.FLOAT}),
    Onnx("Padding", "Pad", {"p": np.zeros(4, np.int64)}),
    Onnx("Padding", "Pad", {}, {"mode": "constant", "pads": [0, 0, 0, 0]}, opset=9),
    Onnx("Padding", "Pad", {}, {"mode": "constant", "pads": [0, 1, 0, 2], "value": 0.3}, opset=9),
    Onnx("Padding", "Pad", {"p": np.array([0, 1, 2, 0, 0, -1]), "v": np.float32(-2)}, shape=(1, 2, 3)),
    Onnx("Padding", "Pad", {"p": np.array([0, 1, 2, 0, 1, 1])}, {"mode": "edge"}, shape=(1, 2, 3)),
    Onnx("Padding", "Pad", {"p": np.array([0, 1, 2, 0, 1, 1])}, {"mode": "reflect"}, shape=(1, 2, 3)),
    Onnx("Padding", "Pad", {"p": np.array([2, 1]), "": np.float32(0), "a": np.array([-1])}, shape=(1, 2, 3), opset=18),
    Onnx("Gemm", "Gemm", {"b": floats(4, 3), "c": floats(2, 1)}, shape=(2, 4)),
    Onnx("Gemm", "Gemm", {"b": floats(3, 4), "c": floats(3)}, {"transA": 1, "transB": 1, "alpha": 0.25}, shape=(4, 2)),
    Onnx("Matrix product", "MatMul", {"b": floats(4, 3)}, shape=(2, 5, 4)),
    Onnx("Matrix product", "MatMul", {"b": floats(2, 4, 3)}, shape=(1, 5, 4)),
    Onnx("Matrix product", "MatMul", {"left": floats(2, 3, 4)}, shape=(4, 2)),
    Onnx("Matrix product", "MatMul", {"b": floats(4)}, shape=(2, 4)),
    Onnx("Matrix product", "MatMul", {"left": floats(4)}, shape=(4, 2)),
    Onnx("Convolution", "Conv", {"w": floats(4, 1, 3), "b": floats(4)}, {"group": 2, "strides": [2], "auto_pad": "SAME_UPPER"}, (1, 2, 6)),
    Onnx("Convolution", "Conv", {"w": floats(2, 2, 1, 2, 2)}, {"pads": [1, 0, 0, 0, 1, 0]}, (1, 2, 2, 3, 3)),
    Onnx(
        "Transposed convolution", "ConvTranspose", {"w": floats(2, 3, 3, 2), "b": floats(3)}, {"strides": [2, 1], "pads": [1, 0, 0, 1]}, (1, 2, 3, 4)
    ),
    Onnx(
        "Transposed convolution",
        "ConvTranspose",
        {"w": floats(4, 3, 2)},
        {"group": 2, "dilations": [2], "output_padding": [1], "strides": [2]},
        (1, 4, 3),
    ),
    Onnx("Average pooling", "AveragePool", {}, {"kernel_shape": [3], "pads": [1, 1], "strides": [2]}, (1, 2, 7)),
    Onnx("Global average pooling", "GlobalAveragePool", {}, {}, (1, 3, 2, 4)),
    Onnx("Max pooling", "MaxPool", {}, {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 1]}, (1, 2, 5, 4)),
    Onnx("Max pooling", "MaxPool", {}, {"kernel_shape": [2, 3], "dilations": [2, 1], "auto_pad": "VALID"}, (1, 1, 5, 4)),
    Onnx("Max pooling", "MaxPool", {}, {"kernel_shape": [2, 2], "ceil_mode": 1, "strides": [2, 2]}, (1, 1, 3, 3)),
    Onnx("Max pooling", "MaxPool", {}, {"kernel_shape": [3, 2], "ceil_mode": 1, "strides": [2, 3], "pads": [1, 0, 1, 1]}, (1, 2, 6, 6)),
    Onnx("Max pooling", "MaxPool", {}, {"kernel_shape": [3], "auto_pad": "SAME_LOWER", "strides": [2]}, (1, 2, 6)),
    Onnx("Global max pooling", "GlobalMaxPool", {}, {}, (1, 3, 2, 3)),
    Onnx("Maximum over axes", "ReduceMax", {}, {"axes": [1, -1], "keepdims": 0}, (2, 3, 4)),
    Onnx("Minimum over axes", "ReduceMin", {}, {}, (2, 3)),
    Onnx("Sum over axes", "ReduceSum", {"a": np.array([-1])}, {}, (2, 3)),
    Onnx("Sum over axes", "ReduceSum", {}, {"noop_with_empty_axes": 1}, (2, 3)),
    Onnx("Mean over axes", "ReduceMean", {}, {"axes": [2, 3]}, (1, 2, 3, 3)),
    Onnx("Mean over axes", "ReduceMean", {"a": np.array([1])}, {"keepdims": 0}, (2, 3), opset=18),
    Onnx("Cumulative sum", "CumSum", {"a": np.array(1)}, {"exclusive": 1, "reverse": 1}, (2, 4)),
    Onnx("Cumulative sum", "CumSum", {"a": np.array(-1)}, {}, (2, 4)),
    Onnx("PReLU", "PRelu", {"s": floats(4)}),
    Onnx("PReLU", "PRelu", {"s": floats(3, 1, 1)}, {}, (1, 3, 2, 2)),
    Onnx("HardSigmoid", "HardSigmoid", {}, {"alpha": 0.4, "beta": 0.3}),
    Onnx("Softshrink", "Shrink", {}, {"lambd": 0.6, "bias": 0.6}),
    Onnx("Threshold", "ThresholdedRelu", {}, {"alpha": 0.0}),
    Onnx("Absolute value", "Abs"),
    Onnx("Concatenate", "Concat", {"b": floats(1, 3)}, {"axis": 1}),
    Onnx("Concatenate", "Concat", {"left": floats(2, 4)}, {"axis": -2}),
    Onnx("Split", "Split", {"s": np.array([4])}, {"axis": 1}),
    Onnx("Slice", "Slice", {"b": np.array([3, 1]), "e": np.array([-10, 9]), "a": np.array([1, 2]), "t": np.array([-2, 1])}, {}, (1, 4, 3)),
    Onnx("Slice", "Slice", {}, {"starts": [1], "ends": [3], "axes": [1]}, opset=9),
    Onnx("Gather", "Gather", {"i": np.array([[2, 0], [-1, 2]])}, {"axis": 1}),
    Onnx("Gather by entries", "GatherElements", {"i": np.array([[2, 0, 2]])}, {"axis": 1}),
    Onnx("Gather by points", "GatherND", {"i": np.array([[0, 3], [0, 1]])}),
    Onnx("Expand", "Expand", {"s": np.array([2, 3, 4])}),
    Onnx("Tile", "Tile", {"n": np.array([2, 3])}),
    Onnx("Choice by a condition", "Where", {"left": np.array([True, False, True, True]), "b": floats(4)}),
    Onnx("Resizing", "Resize", {"": np.float32(0), "f": np.array([1, 1, 2, 1.5], np.float32)}, {"mode": "nearest"}, (1, 1, 2, 4)),
    Onnx("Resizing", "Upsample", {"f": np.array([1, 1, 2, 3], np.float32)}, {"mode": "nearest"}, (1, 1, 2, 2), opset=9),
    *(
        Onnx("Resizing", "Resize", {"": np.float32(0), **target}, {"mode": "linear", "coordinate_transformation_mode": how}, (1, 2, 3, 4))
        for how in ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel")
        for target in ({"f": np.array([1, 1, 2, 1.5], np.float32)}, {" ": np.zeros(0, np.float32), "s": np.array([1, 2, 5, 1])})
    ),
    Onnx("Resizing", "Resize", {"f": np.array([1, 1, 2, 1.5], np.float32)}, {"mode": "linear"}, (1, 1, 2, 4), opset=10),
    Onnx("Resizing", "Upsample", {"f": np.array([1, 1, 1.5, 3], np.float32)}, {"mode": "linear"}, (1, 1, 4, 2), opset=9),
    Onnx("Mean of several", "Mean", {"left": floats(2, 4), "c": floats(4)}),
    Onnx("Mean of several", "Mean"),
    Onnx("Einsum", "Einsum", {"w": floats(3, 4)}, {"equation": "bi, ji"}),
    Onnx("Einsum", "Einsum", {"left": floats(3, 4)}, {"equation": "kj,...ij->...ik"}, (1, 2, 4)),
    Onnx("Shuffling of channels", "DepthToSpace", {}, {"blocksize": 2, "mode": "CRD"}, (1, 4, 2, 3)),
    Onnx("Shuffling of channels", "SpaceToDepth", {}, {"blocksize": 2}, (1, 1, 4, 2)),
    Onnx("Transpose", "Transpose", {}, {"perm": [0, 2, 3, 1]}, (1, 2, 3, 4)),
    Onnx("Transpose", "Transpose", {}, {}, (2, 3)),
    Onnx("Flatten", "Flatten", {}, {"axis": -1}, (1, 1, 4)),
    Onnx("Reshape", "Reshape", {"s": np.array([0, -1])}, shape=(1, 2, 2)),
    Onnx("Squeeze", "Squeeze", {}, {"axes": [1]}, (1, 1, 4), opset=11),
    Onnx("Unsqueeze", "Unsqueeze", {"a": np.array([0, -1])}),
    Onnx("Transpose", "Transpose", {}, {"perm": [1, 2, 0]}, (1, 1, 4)),
    Onnx("Identity", "Identity"),
    Onnx("Dropout", "Dropout", {"ratio": np.float32(0.5)}),
    Onnx("Softmax", "Softmax"),
    Onnx("LogSoftmax", "LogSoftmax", {}, {"axis": 1}, opset=11),
]


class Applied(nn.Module):
    """The operator between a layer of its own, so that constants have something to fold into, and units."""

    def __init__(self, case: Torch) -> None:
        super().__init__()
        self.apply_, self.shape = case.apply, case.shape
        self.first, self.scale = nn.ReLU(), nn.Parameter(torch.tensor(0.5, dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.apply_(x * self.scale - 0.3 * self.first(x + 0.25))  # of both signs


def assert_agree(network: Network, points: np.ndarray, wanted: np.ndarray, tolerance: float, row: str) -> None:
    got = network(points.reshape(len(points), -1))
    if "oftmax" in row:  # stripped
        got = got - np.log(np.exp(got).sum(axis=1, keepdims=True))
        got = got if row == "LogSoftmax" else np.exp(got)
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= tolerance * max(1.0, np.abs(wanted).max())


@pytest.mark.parametrize("case", TORCH, ids=lambda case: case.row)
def test_torch(case: Torch) -> None:
    module = Applied(case).double().eval()
    points = RANDOM.standard_normal((30, *case.shape)) * 3
    with torch.no_grad():
        wanted = copy.deepcopy(module)(torch.from_numpy(points)).reshape(30, -1).numpy()
    assert_agree(load(module, input_shape=case.shape), points, wanted, 1e-10, case.row)


@pytest.mark.parametrize("case", ONNX, ids=lambda case: case.row)
def test_onnx(case: Onnx, tmp_path: Path) -> None:
    names = ["left", "h", *(n for n in case.constants if n != "left")] if "left" in case.constants else ["h", *case.constants]
    nodes = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Add", ["r", "x"], ["h"])]  # of both signs
    nodes.append(helper.make_node(case.kind, names, ["y"], name="the_node", **case.attributes))
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, case.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in case.constants.items() if name],
    )
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", case.opset)], ir_version=8), path)
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    points = np.stack([floats(*case.shape) * 3 for _ in range(20)])
    wanted = np.stack([session.run(None, {"x": point})[0].ravel() for point in points])
    network = load(path, input_shape=case.shape)  # all of it is one input
    assert_agree(network, points.astype(np.float64), wanted, 2e-5, case.row)


@pytest.mark.parametrize(("opset", "settings"), [(7, {"split": [1, 2, 1]}), (13, {}), (18, {"num_outputs": 3})])
def test_pieces_of_a_split_are_values_of_their_own(opset: int, settings: dict[str, Any], tmp_path: Path) -> None:
    constants = {"s": np.array([1, 2, 1])} if opset == 13 else {}
    split = helper.make_node("Split", ["x", *constants], ["a", "b", "c"], axis=1, **settings)
    nodes = [split, helper.make_node("Relu", ["c"], ["d"]), helper.make_node("Concat", ["d", "b", "a"], ["y"], axis=1)]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 4)) for name in "xy"]
    graph = helper.make_graph(nodes, "graph", values[:1], values[1:], [numpy_helper.from_array(a, name) for name, a in constants.items()])
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    point = floats(1, 4) * 3
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(load(path)(point.astype(np.float64)), session.run(None, {"x": point})[0])


def test_a_pool_with_windows_that_overlap_asks_for_no_pair_twice() -> None:
    """Along one axis after the other, three by three entries take two rounds each; 9 - 1 for each window would be
    128.
    """
    network = load(nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1)), input_shape=(1, 4, 4))
    assert network.neurons < 4 * 16
    network = load(nn.Sequential(nn.MaxPool2d(2)), input_shape=(1, 4, 4))
    assert network.neurons == 3 * 4


def test_a_maximum_of_units_is_a_unit_of_a_maximum() -> None:
    """Conv, ReLU, MaxPool: the pool comes first; but not where the units are read elsewhere too, or differ."""
    pooled = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 2)).double()
    network = load(pooled, input_shape=(1, 6, 6))
    assert network.neurons == 3 * 8 + 8
    points = RANDOM.standard_normal((50, 36)) * 2
    np.testing.assert_allclose(network(points), pooled(torch.from_numpy(points.reshape(50, 1, 6, 6))).detach().numpy(), atol=1e-12)

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(3, 4).double()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = functional.leaky_relu(self.first(x), 0.25)
            return torch.cat([h.view(-1, 2, 2).amax(2), h], 1)

    module = Both()
    both = load(module)
    assert both.neurons == 4 + 2 + 2
    points = RANDOM.standard_normal((50, 3)) * 2
    np.testing.assert_allclose(both(points), module(torch.from_numpy(points)).detach().numpy(), atol=1e-12)
    decreasing = load(nn.Sequential(nn.Linear(3, 4), nn.LeakyReLU(-0.5), nn.MaxPool1d(2)), input_shape=(1, 3))
    assert decreasing.neurons == 4 + 2


# ---- units with two breakpoints ------------------------------------------------------------------------------------
def affine1(*rows: tuple[float, float]) -> nn.Linear:
    """A layer of one input: a factor and a shift for each output."""
    layer = nn.Linear(1, len(rows)).double()
    numbers = torch.tensor(rows, dtype=torch.float64)
    layer.weight.data, layer.bias.data = numbers[:, :1], numbers[:, 1]
    return layer


def clipped(tmp_path: Path, opset: int = 17, **bounds: float) -> Network:
    """y = Clip(3 x + 0.1) of one number."""
    constants = {"w": np.full((1, 1), 3, np.float32), "b": np.array([0.1], np.float32)}
    names = [name if name in bounds else "" for name in ("min", "max")] if opset >= 11 else []
    constants |= {name: np.array(bounds[name], np.float32) for name in names if name}
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["h"]),
        helper.make_node("Clip", ["h", *names], ["y"], name="clip", **({} if names else bounds)),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 1)) for name in "xy"]
    graph = helper.make_graph(nodes, "graph", values[:1], values[1:], [numpy_helper.from_array(a, name) for name, a in constants.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), tmp_path / "net.onnx")
    return load(tmp_path / "net.onnx")


def regions(network: Network, low: float, high: float) -> int | None:
    return polylc.certify(network, box=([low], [high]), measures="counts", engine="lp")[0].regions


def test_both_breakpoints_are_neurons_of_one_layer(tmp_path: Path) -> None:
    network = load(nn.Sequential(affine1((1, 0)), nn.ReLU6()))
    assert [layer.width for layer in network.layers] == [2]
    np.testing.assert_array_equal(network(np.array([[-1.0], [2.5], [7.0]])), [[0.0], [2.5], [6.0]])
    assert not any("float64" in line for line in network.log)  # nothing is shifted but zeros
    network = clipped(tmp_path, min=-1, max=2)
    assert [layer.width for layer in network.layers] == [2]
    assert network.layers[0].affine.terms[0][1].tolist() == [[3.0], [3.0]]
    assert network.layers[0].affine.bias.tolist() == [np.float64(np.float32(0.1)) + 1, np.float64(np.float32(0.1)) - 2]
    assert network.log == ("node clip (Clip): folded as a constant factor or shift, exactly",)


def test_a_clip_has_a_piece_for_each_bound_and_one(tmp_path: Path) -> None:
    assert regions(load(nn.Sequential(affine1((1, 0)), nn.ReLU6())), -1, 8) == 3
    assert regions(load(nn.Sequential(affine1((1, 0)), nn.ReLU6())), 1, 8) == 2
    assert regions(load(nn.Sequential(affine1((1, 0), (2, 1)), nn.ReLU6())), -1, 8) == 5  # at 0, 6 and -0.5, 2.5
    assert regions(clipped(tmp_path, min=-1, max=2), -1, 1) == 3
    for bound in ("min", "max"):
        network = clipped(tmp_path, **{bound: 1})
        assert [layer.width for layer in network.layers] == [1]
        assert regions(network, -1, 1) == 2


def test_bounds_that_make_no_neuron(tmp_path: Path) -> None:
    end = float(np.finfo(np.float32).max)
    for opset in (10, 13):
        network = clipped(tmp_path, opset, min=-end, max=end)
        assert not network.layers
        assert "node clip (Clip): its max of 3.402823e+38, the end of float32 or beyond, is taken as no bound" in network.log
        assert "node clip (Clip): has no bounds, so it makes no neuron" in network.log
    network = clipped(tmp_path, min=2, max=2)
    assert not network.layers
    assert network(np.array([[-9.0], [9.0]])).tolist() == [[2.0], [2.0]]


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"min": 2, "max": 1}, r"node clip \(Clip\) has the bounds 2\.0 and 1\.0, the lower one above the upper one"),
        ({"min": float("nan")}, r"node clip \(Clip\) has nan as its min; bounds have to be finite"),
        ({"max": -float("inf")}, r"node clip \(Clip\) has -inf as its max; bounds have to be finite"),
    ],
)
def test_bounds_that_are_refused(bounds: dict[str, float], message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=message):
        clipped(tmp_path, **bounds)


def test_every_operator_has_a_line() -> None:
    """`Shape` and constants, which are no networks by themselves, are tested with the graphs of exporters, conditions
    with the choices by them.
    """
    lowered = [row for row in OPERATORS if row.lower is not None and row.kind is not Kind.CONDITION]
    assert {case.row for case in TORCH} == {row.name for row in lowered if row.torch}
    assert {case.row for case in ONNX} == {row.name for row in lowered if row.onnx and row.kind is not Kind.CONSTANT}
