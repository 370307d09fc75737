"""Convolutions and poolings of random shapes and settings: what torch computes, exactly where all numbers are small
integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

from polylc.errors import ModelError
from polylc.readers.load import load

KINDS = ("conv", "transposed", "max", "mean", "adaptive")


@st.composite
def layers(draw: st.DrawFn) -> tuple[nn.Module, tuple[int, ...]]:
    """A layer with whole weights that slides over images of one to three axes, and the shape of one."""
    axes, kind = draw(st.integers(1, 3)), draw(st.sampled_from(KINDS))

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    groups = draw(st.integers(1, 2))
    channels, sizes, kernel, stride = groups * draw(st.integers(1, 2)), each(2, 5), each(1, 3), each(1, 3)
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    dilation = each(1, 2) if kind in ("conv", "transposed", "max") else (1,) * axes
    settings: dict[str, Any] = {"stride": stride, "padding": padding}
    if kind == "conv":
        out = groups * draw(st.integers(1, 2))
        layer: nn.Module = getattr(nn, f"Conv{axes}d")(channels, out, kernel, dilation=dilation, groups=groups, bias=draw(st.booleans()), **settings)
    elif kind == "transposed":
        out = groups * draw(st.integers(1, 2))
        extra = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
        settings |= {"output_padding": extra, "groups": groups, "dilation": dilation}
        layer = getattr(nn, f"ConvTranspose{axes}d")(channels, out, kernel, **settings)
    elif kind == "max":
        layer = getattr(nn, f"MaxPool{axes}d")(kernel, dilation=dilation, **settings)
    elif kind == "mean":
        layer = getattr(nn, f"AvgPool{axes}d")(kernel, count_include_pad=draw(st.booleans()), **settings)
    else:
        layer = getattr(nn, f"AdaptiveAvgPool{axes}d")(each(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    for parameter in layer.parameters():
        parameter.data = torch.from_numpy(rng.integers(-4, 5, parameter.shape)).float()
    return layer, (channels, *sizes)


@given(layers(), st.integers(0, 2**16))
def test_windows_of_every_kind(drawn: tuple[nn.Module, tuple[int, ...]], seed: int) -> None:
    layer, shape = drawn
    points = torch.from_numpy(np.random.default_rng(seed).integers(-6, 7, (5, *shape))).double()
    try:
        wanted = layer.double()(points).detach().numpy().reshape(5, -1)
    except RuntimeError:  # a window larger than the image, say
        wanted = None
    assume(wanted is not None)
    try:
        network = load(layer, input_shape=shape)
    except ModelError as error:
        if "padding alone" in str(error) and np.isinf(wanted).any():  # where torch gives minus infinity
            return
        raise
    got = network(points.numpy().reshape(5, -1))
    if "Avg" in type(layer).__name__:
        np.testing.assert_allclose(got, wanted, atol=1e-12)
    else:
        np.testing.assert_array_equal(got, wanted)
