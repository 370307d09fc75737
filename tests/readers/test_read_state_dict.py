"""State dicts: refused unless the user states what joins the layers; then read with that, which is told."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from polylc.cli.main import app
from polylc.errors import ModelError, UsageError
from polylc.network.form import Network
from polylc.readers import load as readers

RELU = "the user states: ReLU between the linear layers, in the order of the file"


def saved(tmp_path: Path, tensors: dict[str, torch.Tensor], name: str = "weights.pth") -> Path:
    path = tmp_path / name
    torch.save(OrderedDict(tensors), path)
    return path


def load(tmp_path: Path, tensors: dict[str, torch.Tensor], **options: Any) -> Network:
    return readers.load(saved(tmp_path, tensors), **{"activation": "relu", **options})


def linear(name: str, inputs: int, outputs: int, bias: bool = True) -> dict[str, torch.Tensor]:
    tensors = {f"{name}.weight": torch.randn(outputs, inputs)}
    return tensors | ({f"{name}.bias": torch.randn(outputs)} if bias else {})


# ---- nothing stated --------------------------------------------------------------------------------------------
class Tanh(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(2, 8), nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.c(torch.tanh(self.b(torch.tanh(self.a(x)))))


class Skip(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.relu(self.a(x))
        return self.c(torch.relu(self.b(h)) + h)


class Reordered(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.out, self.first = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(torch.relu(self.first(x)))


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(torch.relu(self.a(torch.relu(self.a(x)))))


TRAPS = [Tanh, Skip, Reordered, Twice]
DILATED = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, dilation=2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))


@pytest.mark.parametrize("module", [*(trap() for trap in TRAPS), DILATED], ids=lambda module: type(module).__name__)
def test_weights_alone_are_no_network(tmp_path: Path, module: nn.Module) -> None:
    path = saved(tmp_path, module.state_dict())
    for options in ({}, {"input_shape": (1, 6, 6)}):
        with pytest.raises(ModelError) as refused:
            readers.load(path, **options)
        message = str(refused.value)
        assert "\n" not in message
        for way in ("--arch FILE.py:NAME", "polylc.load(..., arch=...)", "torch.onnx.export", "the module itself to polylc.load"):
            assert way in message
        assert ("--activation relu" in message) == (module is not DILATED)  # only where that can be the whole story


@pytest.mark.parametrize("trap", [Skip, Reordered, Twice])
def test_the_traps_with_their_code_are_what_they_compute(tmp_path: Path, trap: type[nn.Module]) -> None:
    module = trap()
    network = readers.load(saved(tmp_path, module.state_dict()), arch=trap)
    points = torch.randn(20, 8, dtype=torch.float64)
    assert np.abs(network(points.numpy()) - module.double()(points).detach().numpy()).max() < 1e-12
    assert network.stated == (f"the user gives the architecture: {trap.__name__}, from Python",)


def test_a_tanh_is_found_in_the_code(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"tanh.*is not piecewise linear"):
        readers.load(saved(tmp_path, Tanh().state_dict()), arch=Tanh)


def test_a_dilated_convolution_is_read_from_the_code(tmp_path: Path) -> None:
    network = readers.load(saved(tmp_path, DILATED.state_dict()), arch=DILATED, input_shape=(1, 6, 6))
    points = torch.randn(20, 36)
    with torch.no_grad():
        assert np.abs(network(points.double().numpy()) - DILATED(points.reshape(20, 1, 6, 6)).numpy()).max() < 1e-5


# ---- the activation stated -------------------------------------------------------------------------------------
@pytest.mark.parametrize("names", [("1", "3", "5"), ("fc1", "fc2", "fc3"), ("net.0", "net.1", "net.2"), ("_orig_mod.module.a", "module.b", "c")])
def test_chain_with_relu_between(tmp_path: Path, names: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    tensors = linear(names[0], 3, 5) | linear(names[1], 5, 4, bias=False) | linear(names[2], 4, 2)
    network = load(tmp_path, tensors)
    assert network.log == network.stated == (RELU,)
    weights = [t.double().numpy() for key, t in tensors.items() if key.endswith("weight")]
    x = np.random.default_rng(0).standard_normal((10, 3))
    y = np.maximum(x @ weights[0].T + tensors[f"{names[0]}.bias"].double().numpy(), 0)
    wanted = np.maximum(y @ weights[1].T, 0) @ weights[2].T + tensors[f"{names[2]}.bias"].double().numpy()
    assert np.abs(network(x) - wanted).max() < 1e-12


def test_leaky_relu_and_its_slope(tmp_path: Path) -> None:
    tensors = linear("a", 2, 3) | linear("b", 3, 1)
    for slope, said in (("0.25", "0.25 below zero between"), ("0.01", "0.01 below zero (rounded to a double) between")):
        network = load(tmp_path, tensors, activation=f"leaky_relu:{slope}")
        assert (network.layers[0].negative == float(slope)).all()
        assert said in network.stated[0]


@pytest.mark.parametrize("text", ["gelu", "leaky_relu", "leaky_relu:", "leaky_relu:x", "relu:1", "leaky_relu:1e400", ""])
def test_activations_that_are_none(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="--activation"):
        load(tmp_path, linear("a", 2, 3), activation=text)


def test_what_was_stated_is_printed_by_the_commands(tmp_path: Path) -> None:
    path = str(saved(tmp_path, linear("a", 1, 2) | linear("b", 2, 1)))
    where = ["--center", "0", "--radius", "0.1"]
    refused = CliRunner().invoke(app, ["certify", path, *where])
    assert refused.exit_code == 2
    assert refused.stderr.count("\n") == 1
    shown = CliRunner().invoke(app, ["info", path, "--activation", "relu"])
    assert shown.stderr == RELU + "\n"
    assert f"- {RELU}" in shown.stdout
    report = tmp_path / "report.json"
    options = ["--measures", "counts", "--engine", "lp", "--json", str(report), "--activation", "relu"]
    done = CliRunner().invoke(app, ["certify", path, *where, *options])
    assert done.exit_code == 0
    assert RELU + "\n" in done.stderr
    assert RELU in report.read_text()


@pytest.mark.parametrize(
    ("tensors", "wording"),
    [
        (linear("a", 3, 4) | linear("b", 5, 2), r"the layers do not chain: b takes 5 inputs but gets 4 values from a; pass the code.*--arch"),
        (linear("0", 3, 4) | linear("1", 4, 2), "layers 0 and 1 follow each other without an activation between them; .*--arch"),
        (
            nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1)).state_dict(),
            r"for chains of linear layers, and 1\.weight of shape \(3,\) is no weight of one; .*--arch",
        ),
        (nn.BatchNorm1d(3, affine=False).state_dict(), "running_mean is no weight or bias of one; .*--arch"),
        (DILATED.state_dict(), r"0\.weight of shape \(2, 1, 3, 3\) is no weight of one; .*--arch"),
        (nn.LSTM(2, 2).state_dict(), "weight_ih_l0 is no weight or bias of one; .*--arch"),
        ({"a.bias": torch.zeros(2)}, "a has a bias but no weight"),
        ({"a.weight": torch.zeros(3, 2), "a.bias": torch.zeros(2)}, r"a has a weight of shape \(3, 2\) and a bias of shape \(2,\)"),
        ({"a.weight": torch.full((1, 1), float("nan"))}, r"a\.weight contains NaN; polylc needs finite weights"),
        ({"a.weight": torch.ones(2, 2, dtype=torch.int8)}, r"a\.weight holds int8 values"),
        ({"a.weight": torch.ones(2, 2, dtype=torch.complex64)}, r"a\.weight is complex"),
    ],
)
def test_what_is_no_chain_of_linear_layers(tmp_path: Path, tensors: dict[str, torch.Tensor], wording: str) -> None:
    with pytest.raises(ModelError, match=r"weights\.pth: " + f".*{wording}"):
        load(tmp_path, tensors)


def test_a_tensor_that_stands_for_more_than_memory_holds(tmp_path: Path) -> None:
    many = 10**5
    vast = {"0.weight": torch.zeros(1, 1).expand(many, many), "0.bias": torch.zeros(1).expand(many)}
    path = saved(tmp_path, vast)
    assert path.stat().st_size < 10_000
    for options in ([], ["--activation", "relu"]):
        result = CliRunner().invoke(app, ["info", str(path), *options])
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1
    assert "0.weight stands for 10000000000 entries" in result.stderr
    module = nn.Sequential(nn.Linear(1, 1))
    module[0].weight = nn.Parameter(vast["0.weight"])
    torch.save(module, path)
    with pytest.raises(ModelError, match=r"0\.weight stands for 10000000000 entries"):
        readers.load(path)


def test_only_a_state_dict_lacks_an_activation(tmp_path: Path) -> None:
    path = tmp_path / "whole.pt"
    torch.save(nn.Sequential(nn.Linear(2, 2)), path)
    with pytest.raises(ModelError, match=r"whole\.pt: it holds a whole module, whose activations are in it; leave --activation out"):
        readers.load(path, activation="relu")
    for name in ("net.onnx", "net.npz"):
        with pytest.raises(UsageError, match="says itself what joins its layers; leave --activation out"):
            readers.load(tmp_path / name, activation="relu")
        with pytest.raises(UsageError, match="leave --arch out"):
            readers.load(tmp_path / name, arch="net.py:Net")
    with pytest.raises(UsageError, match="a module in memory has its code and its activations"):
        readers.load(nn.Linear(1, 1), activation="relu")
