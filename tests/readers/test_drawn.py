"""Networks of random layers, shapes, attributes and weights are what torch computes: exactly, where all numbers are
small integers or powers of two.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from polylc.network.form import Network
from polylc.readers.load import load

Shape = tuple[int, ...]
Drawn = tuple[nn.Module | Callable[[torch.Tensor], torch.Tensor], bool]  # what is applied; whether it is exact


class Chain(nn.Module):
    """Layers and functions one after the other, of which the last may be tied to the first."""

    def __init__(self, steps: list[Any], tied: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(step for step in steps if isinstance(step, nn.Module))
        self.steps, self.tied = steps, tied

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for step in [*self.steps, *self.steps[:1]] if self.tied else self.steps:
            x = step(x)
        return x


def whole(draw: st.DrawFn, *shape: int) -> torch.Tensor:
    """Small integers."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    return torch.from_numpy(rng.integers(-3, 4, shape)).double()


def filled(draw: st.DrawFn, layer: nn.Module) -> nn.Module:
    """A layer with small integers for weights."""
    for parameter in layer.parameters():
        parameter.data = whole(draw, *parameter.shape)
    return layer


def each(draw: st.DrawFn, axes: int, low: int, high: int) -> Shape:
    return tuple(draw(st.integers(low, high)) for _ in range(axes))


# ---- of a value of any shape
def unit(draw: st.DrawFn, shape: Shape) -> Drawn:
    low, high = draw(st.integers(-4, 0)), draw(st.integers(1, 5))
    slope = draw(st.sampled_from([-0.5, 0.25, 2.0]))
    kinds: list[Drawn] = [
        (nn.ReLU(), True),
        (nn.ReLU6(), True),
        (nn.LeakyReLU(slope), True),
        (nn.Hardtanh(low, high), True),
        (nn.Threshold(low, low), True),
        (nn.Hardsigmoid(), False),
        (nn.Softshrink(high), True),
        (lambda x: torch.clamp(x, low, high), True),
        (lambda x: x.clamp(min=low), True),
        (lambda x: functional.relu6(functional.leaky_relu(x, slope)), True),
        (torch.abs, True),
        (lambda x: torch.maximum(x, -x) - torch.minimum(x, x * 0 + high), True),
        (lambda x: x.float().double() + 1, True),
        (lambda x: 2 - x / 4, True),
    ]
    if len(shape) > 1:
        kinds.append((filled(draw, nn.PReLU(shape[0])), True))
    return draw(st.sampled_from(kinds))


def over_axes(draw: st.DrawFn, shape: Shape) -> Drawn:
    axis, keep = draw(st.integers(1, len(shape))), draw(st.booleans()) or len(shape) == 1
    weights = whole(draw, *shape)
    return draw(
        st.sampled_from(
            [
                (lambda x: torch.amax(x, dim=axis, keepdim=keep), True),
                (lambda x: x.amin(axis - len(shape) - 1, keepdim=keep), True),
                (lambda x: torch.max(x, dim=axis, keepdim=keep)[0], True),
                (lambda x: x.min(axis, keep).values, True),
                (lambda x: torch.sum(x * weights, dim=axis, keepdim=keep), True),
                (lambda x: x.mean(axis, keepdim=keep), False),
                (lambda x: torch.cumsum(x, axis), True),
                (lambda x: torch.sort(x, dim=axis)[0], True),
            ]
        )
    )


def moved(draw: st.DrawFn, shape: Shape) -> Drawn:
    order = [0, *(1 + a for a in draw(st.permutations(range(len(shape)))))]
    axis = draw(st.integers(1, len(shape)))
    pieces = draw(st.integers(1, 3))
    return draw(
        st.sampled_from(
            [
                (lambda x: x.permute(order), True),
                (lambda x: x.reshape(-1, math.prod(shape)), True),
                (lambda x: x.view(x.shape[0], *shape[::-1]), True),
                (nn.Flatten(), True),
                (lambda x: torch.cat([x.chunk(pieces, axis)[0], 2 * x], axis), True),
                (lambda x: torch.stack([x, -x], axis), True),
                (lambda x: torch.cat([torch.relu(x), x], axis).split(1, axis)[-1], True),
                (lambda x: x.unsqueeze(axis).transpose(1, axis), True),
            ]
        )
    )


def product(draw: st.DrawFn, shape: Shape) -> Drawn:
    matrix = whole(draw, shape[-1], draw(st.integers(1, 3)))
    out = "".join("bcdefg"[: len(shape)])
    kinds: list[Drawn] = [
        (filled(draw, nn.Linear(*matrix.shape, bias=draw(st.booleans()))), True),
        (lambda x: x @ matrix, True),
        (lambda x: functional.linear(x, matrix.T), True),
        (lambda x: torch.einsum(f"{out}i,ij->{out}j", x, matrix), True),
        (lambda x: torch.einsum("...i,ij->...j", x, matrix), True),
    ]
    if len(shape) == 1:
        kinds += [(lambda x: torch.addmm(matrix[0], x, matrix, beta=2, alpha=-1), True)]
        kinds += [(nn.utils.parametrizations.weight_norm(nn.Linear(*matrix.shape).double()), False)]
        kinds += [(nn.utils.spectral_norm(nn.Linear(*matrix.shape).double()), False)]
        kinds += [(nn.utils.parametrizations.spectral_norm(nn.Linear(*matrix.shape).double()), False)]
    if shape[-1] % 2 == 0:
        kinds += [(lambda x: pairs_in_order(x, shape), True), (lambda x: torch.sort(x.unflatten(-1, (-1, 2)), -1)[0].flatten(-2), True)]
    return draw(st.sampled_from(kinds))


def pairs_in_order(x: torch.Tensor, shape: Shape) -> torch.Tensor:
    """GroupSort2."""
    paired = x.view(-1, *shape[:-1], shape[-1] // 2, 2)
    return torch.stack([paired.amax(-1), paired.amin(-1)], -1).view(-1, *shape)


# ---- of an image
def on_images(draw: st.DrawFn, shape: Shape) -> Drawn:
    axes, channels = len(shape) - 1, shape[0]
    kernel, stride, sizes = each(draw, axes, 1, 3), each(draw, axes, 1, 2), each(draw, axes, 1, 4)
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    out, groups = draw(st.integers(1, 2)), draw(st.sampled_from([1, channels]))
    widths = each(draw, 2 * axes, 0, 2)
    mode = draw(st.sampled_from(["constant", "reflect", "replicate", "circular"]))
    linear = {1: "linear", 2: "bilinear", 3: "trilinear"}[axes]
    corners, factor = draw(st.booleans()), draw(st.sampled_from([0.5, 1.3, 2.0, 2.5]))
    settings: dict[str, Any] = {"stride": stride, "padding": padding}
    norm = getattr(nn, f"BatchNorm{axes}d")(channels).double()
    nn.init.uniform_(norm.running_mean, -1, 1)
    nn.init.uniform_(norm.running_var, 0.5, 2)
    adaptive_max = getattr(functional, f"adaptive_max_pool{axes}d")
    kinds: list[Drawn] = [
        (
            filled(draw, getattr(nn, f"Conv{axes}d")(channels, out * groups, kernel, groups=groups, dilation=draw(st.integers(1, 2)), **settings)),
            True,
        ),
        (filled(draw, getattr(nn, f"Conv{axes}d")(channels, out, 3, padding=1, padding_mode="replicate")), True),
        (norm, False),
        (getattr(nn, f"MaxPool{axes}d")(kernel, **settings), True),
        (getattr(nn, f"AvgPool{axes}d")(kernel, count_include_pad=draw(st.booleans()), **settings), False),
        (getattr(nn, f"AdaptiveAvgPool{axes}d")(sizes), False),
        (getattr(nn, f"AdaptiveMaxPool{axes}d")(sizes), True),
        (lambda x: adaptive_max(x, sizes), True),
        (lambda x: functional.pad(x, widths, mode=mode), True),
        (nn.Upsample(scale_factor=max(factor, 1.3)), True),
        (lambda x: functional.interpolate(x, size=sizes), True),
        (nn.Upsample(scale_factor=factor, mode=linear, align_corners=corners), False),
        (lambda x: functional.interpolate(x, size=sizes, mode=linear, align_corners=corners), False),
        (lambda x: functional.interpolate(x, scale_factor=factor, mode=linear, recompute_scale_factor=True), False),
    ]
    if axes < 3:
        transposed = getattr(nn, f"ConvTranspose{axes}d")(channels, out * groups, kernel, groups=groups, **settings)
        kinds.append((filled(draw, transposed), True))
    if axes == 2 and channels % 4 == 0:
        kinds.append((nn.PixelShuffle(2), True))
    return draw(st.sampled_from(kinds))


@st.composite
def networks(draw: st.DrawFn) -> tuple[Chain, Shape, bool]:
    """A few steps that fit one another, the shape of one input, and whether all of them are exact."""
    torch.manual_seed(draw(st.integers(0, 2**16)))
    axes = draw(st.integers(0, 3))
    shape = (draw(st.sampled_from([1, 2, 3, 4])), *each(draw, axes, 1, 4 if axes < 3 else 3)) if axes else (draw(st.integers(1, 5)),)
    current, steps, exact = shape, [], True
    for _ in range(draw(st.integers(1, 3))):
        kinds = [unit, over_axes, moved, product] + [on_images] * (3 if 1 < len(current) < 5 else 0)
        step, is_exact = draw(st.sampled_from(kinds))(draw, current)
        step = step.double().eval() if isinstance(step, nn.Module) else step
        try:
            with torch.no_grad():
                result = step(torch.zeros(2, *current, dtype=torch.float64))
        except (RuntimeError, ValueError):  # padding wider than the image, say
            result = None
        assume(result is not None and 0 < result[0].numel() <= 60)
        steps.append(step)
        current, exact = tuple(result.shape[1:]), exact and is_exact
    tied = current == shape and isinstance(steps[0], nn.Module) and draw(st.booleans())
    return Chain(steps, tied).double().eval(), shape, exact


def require_agreement(network: Network, points: np.ndarray, wanted: np.ndarray, exact: bool) -> None:
    got = network(points.reshape(len(points), -1))
    if exact and np.abs(wanted).max() < 2**20:
        np.testing.assert_array_equal(got, wanted)
    else:
        assert np.abs(got - wanted).max() <= 1e-6 * max(1.0, np.abs(wanted).max())


def computed(module: nn.Module, shape: Shape, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points, and what torch makes of them."""
    points = np.random.default_rng(seed).integers(-4, 5, (8, *shape)).astype(np.float64)
    with torch.no_grad():
        wanted = module(torch.from_numpy(points)).reshape(8, -1).numpy()
    assume(np.isfinite(wanted).all())
    return points, wanted


@settings(derandomize=True)
@given(networks(), st.integers(0, 2**16))
def test_networks_of_all_layers(drawn: tuple[Chain, Shape, bool], seed: int) -> None:
    module, shape, exact = drawn
    points, wanted = computed(module, shape, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = load(module, input_shape=shape)
    require_agreement(network, points, wanted, exact)


@settings(max_examples=15, derandomize=True)
@given(networks(), st.integers(0, 2**16), st.booleans())
def test_programs_of_all_layers(drawn: tuple[Chain, Shape, bool], seed: int, core: bool) -> None:
    """The same exported, in the operators of training or of the core."""
    module, shape, exact = drawn
    points, wanted = computed(module, shape, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(module, (torch.zeros(1, *shape, dtype=torch.float64),))
        if core:  # which torch does not always make to compute what its kernels do
            program = program.run_decompositions()
            run = program.module()
            wanted = np.stack([run(torch.from_numpy(p.reshape(1, *shape))).detach().numpy().ravel() for p in points])
        network = load(program)
    require_agreement(network, points, wanted, exact and not core)
