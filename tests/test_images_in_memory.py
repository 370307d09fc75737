"""Points in the shape of the module's inputs: images, one or many, mean what the module makes of them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import polylc
from polylc.api.neighbourhoods import make_tasks
from polylc.errors import UsageError
from polylc.network.form import Network
from polylc.readers.load import load

SHAPE = (2, 2, 3)


def network(*layers: nn.Module) -> Network:
    torch.manual_seed(0)
    return load(nn.Sequential(*layers, nn.Flatten(), nn.Linear(12, 2)), input_shape=SHAPE)


def centres(net: Network, points: Any) -> list[tuple[Fraction, ...]]:
    return [task.domain.center for task in make_tasks(net, points, 0.1, None, None, None)]


IMAGES = np.random.default_rng(0).integers(0, 256, (4, *SHAPE)).astype(np.float32) / 8


@pytest.mark.parametrize("make", [lambda a: a, torch.from_numpy, lambda a: a.tolist(), lambda a: list(a), lambda a: torch.from_numpy(a).double()])
@pytest.mark.parametrize("layers", [(), (nn.Conv2d(2, 2, 1), nn.ReLU())])
def test_images_are_flattened_as_the_module_does(make: Any, layers: tuple[nn.Module, ...]) -> None:
    net = network(*layers)
    flat = IMAGES.reshape(4, -1)
    wanted = [tuple(map(Fraction, map(float, row))) for row in flat]
    assert centres(net, make(flat)) == wanted
    assert centres(net, make(IMAGES)) == wanted
    assert centres(net, make(IMAGES[1])) == wanted[1:2]
    assert centres(net, make(IMAGES[:1])) == wanted[:1]


def test_exact_decimals_in_nested_lists() -> None:
    net = load(nn.Sequential(nn.Conv2d(1, 1, 1), nn.Flatten(), nn.Linear(2, 1)), input_shape=(1, 1, 2))
    assert centres(net, [[["0.1", "1/3"]]]) == [(Fraction(1, 10), Fraction(1, 3))]


def test_networks_on_flat_inputs_take_images_too() -> None:
    net = load(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)))
    assert net.input_shape == (12,)
    assert centres(net, IMAGES) == centres(net, IMAGES.reshape(4, 12))
    assert centres(net, IMAGES[0]) == centres(net, IMAGES[0].reshape(12))


@pytest.mark.parametrize("shape", [(4, 2, 3, 2), (2, 3, 2), (4, 3, 2, 2), (12, 1, 1), (1, 4, 2, 2, 3)])
def test_another_order_of_the_axes_is_refused(shape: tuple[int, ...]) -> None:
    net = network(nn.Conv2d(2, 2, 1), nn.ReLU())
    with pytest.raises(UsageError, match=rf"points: shape {'x'.join(map(str, shape))} does not fit inputs of shape 2x2x3; give one input"):
        centres(net, np.zeros(shape))


def test_through_the_public_functions() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Flatten(), nn.Linear(2, 2))
    net = load(module, input_shape=(1, 1, 2))
    images = np.array([[[[0.5, 0.25]]], [[[1.0, -1.0]]]])
    run = polylc.certify(net, images, radius=0.1, measures="counts", engine="lp")
    same = polylc.certify(net, images.reshape(2, 2), radius=0.1, measures="counts", engine="lp")
    assert [found.regions for found in run] == [found.regions for found in same]
    estimated = polylc.estimate(net, images, 0.1, methods="lines", samples=16)
    assert len(estimated) == 2
    tracker = polylc.track(module, images, 0.1, measures="counts", engine="lp", input_shape=(1, 1, 2), certified=False)
    tracker(0)
    assert [row["regions"] for row in tracker.rows] == [found.regions for found in run]
