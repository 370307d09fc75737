"""State dicts: chains are read, with what is assumed in the log; anything with two readings is refused."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from polylc.errors import ModelError
from polylc.network.form import Network
from polylc.readers import load as readers


def load(tmp_path: Path, tensors: dict[str, torch.Tensor], **options: tuple[int, ...]) -> Network:
    path = tmp_path / "weights.pth"
    torch.save(OrderedDict(tensors), path)
    return readers.load(path, **options)


def linear(name: str, inputs: int, outputs: int, bias: bool = True) -> dict[str, torch.Tensor]:
    tensors = {f"{name}.weight": torch.randn(outputs, inputs)}
    return tensors | ({f"{name}.bias": torch.randn(outputs)} if bias else {})


@pytest.mark.parametrize("names", [("1", "3", "5"), ("fc1", "fc2", "fc3"), ("net.0", "net.1", "net.2"), ("_orig_mod.module.a", "module.b", "c")])
def test_chain_with_relu_between(tmp_path: Path, names: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    tensors = linear(names[0], 3, 5) | linear(names[1], 5, 4, bias=False) | linear(names[2], 4, 2)
    network = load(tmp_path, tensors)
    assert "a state dict names no activations: ReLU assumed between all layers and none after the last" in network.log
    weights = [t.double().numpy() for key, t in tensors.items() if key.endswith("weight")]
    x = np.random.default_rng(0).standard_normal((10, 3))
    y = np.maximum(x @ weights[0].T + tensors[f"{names[0]}.bias"].double().numpy(), 0)
    wanted = np.maximum(y @ weights[1].T, 0) @ weights[2].T + tensors[f"{names[2]}.bias"].double().numpy()
    assert np.abs(network(x) - wanted).max() < 1e-12


def test_convolutions_on_images_of_known_shape(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(27, 4), nn.ReLU(), nn.Linear(4, 2))
    network = load(tmp_path, module.state_dict(), input_shape=(1, 6, 6))
    assert "0: stride 1 and no padding assumed, which the shapes after it confirm" in network.log
    points = torch.randn(10, 1, 6, 6, dtype=torch.float64)
    assert np.abs(network(points.reshape(10, -1).numpy()) - module.double()(points).detach().numpy()).max() < 1e-12


def test_convolutions_whose_settings_are_not_recorded(tmp_path: Path) -> None:
    padded = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(72, 2)).state_dict()
    with pytest.raises(ModelError, match=r"does not say how large the images are; pass the shape of one input \(--input-shape C,H,W\)"):
        load(tmp_path, padded)
    with pytest.raises(ModelError, match=r"the layers do not chain: 3 takes 72 inputs but gets a value of shape 2x4x4; save the whole module"):
        load(tmp_path, padded, input_shape=(1, 6, 6))
    with pytest.raises(ModelError, match="ends with a convolution, so nothing confirms its strides and padding"):
        load(tmp_path, nn.Sequential(nn.Conv2d(1, 2, 3)).state_dict(), input_shape=(1, 6, 6))


@pytest.mark.parametrize(
    ("tensors", "wording"),
    [
        (
            linear("a", 3, 4) | linear("b", 5, 2),
            r"the layers do not chain: b takes 5 inputs but gets 4 values; save the whole module with torch\.save",
        ),
        (linear("0", 3, 4) | linear("1", 4, 2), "layers 0 and 1 follow each other without an activation between them"),
        (
            nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1)).state_dict(),
            r"1\.weight has shape \(3,\), probably a normalisation layer",
        ),
        (nn.BatchNorm1d(3, affine=False).state_dict(), "the layer is a batch norm layer, whose place a state dict does not tell"),
        (nn.Conv1d(1, 1, 2).state_dict(), r"weight has shape \(1, 1, 2\), no Linear or Conv2d layer"),
        (nn.LSTM(2, 2).state_dict(), "holds weight_ih_l0, which is no weight or bias of a Linear or Conv2d layer"),
        ({"a.bias": torch.zeros(2)}, "a has a bias but no weight"),
        ({"a.weight": torch.zeros(3, 2), "a.bias": torch.zeros(2)}, r"a has a weight of shape \(3, 2\) and a bias of shape \(2,\)"),
        ({"a.weight": torch.full((1, 1), float("nan"))}, r"a\.weight contains NaN; polylc needs finite weights"),
        ({"a.weight": torch.ones(2, 2, dtype=torch.int8)}, r"a\.weight holds int8 values"),
        ({"a.weight": torch.ones(2, 2, dtype=torch.complex64)}, r"a\.weight is complex"),
    ],
)
def test_ambiguous_state_dicts_are_refused(tmp_path: Path, tensors: dict[str, torch.Tensor], wording: str) -> None:
    with pytest.raises(ModelError, match=r"weights\.pth: " + f".*{wording}"):
        load(tmp_path, tensors)
