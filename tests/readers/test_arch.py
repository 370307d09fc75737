"""The user's own code for the weights of a file: run, told, and held to every name and shape."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from polylc.cli.main import app
from polylc.errors import ModelError, UnsafeModelError, UsageError
from polylc.network.form import Network
from polylc.readers.load import load

CODE = """
import torch
from torch import nn

from blocks_of_test import Block

print("the file is run")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.block, self.last = nn.Linear(2, 4), Block(), nn.Linear(4, 2)

    def forward(self, x):
        return self.last(self.block(torch.relu(self.first(x))))


class Wide(nn.Module):
    def __init__(self, width):
        super().__init__()


def make():
    return Net()


def number():
    return 3


def leaves():
    raise SystemExit("bye")


ready, text = Net(), "text"
"""
BLOCK = """
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x):
        return torch.relu(self.inner(x)) + x
"""


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.inner(x)) + x


class Net(nn.Module):
    """The same as in the file, pickled under another module's name."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.block, self.last = nn.Linear(2, 4), Block(), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.block(torch.relu(self.first(x))))


@pytest.fixture
def code(tmp_path: Path) -> str:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "net_of_test.py").write_text(CODE)
    (folder / "blocks_of_test.py").write_text(BLOCK)
    return str(folder / "net_of_test.py")


def trained() -> Net:
    torch.manual_seed(0)
    return Net()


def saved(tmp_path: Path, content: Any, name: str = "net.pt") -> Path:
    torch.save(content, tmp_path / name)
    return tmp_path / name


def assert_is_net(network: Network) -> None:
    points = torch.randn(20, 2, dtype=torch.float64)
    assert np.abs(network(points.numpy()) - trained().double()(points).detach().numpy()).max() < 1e-12


@pytest.mark.parametrize("name", ["Net", "make", "ready"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda net: net,
        lambda net: net.state_dict(),
        lambda net: [net.state_dict()],
        lambda net: {"state_dict": net.state_dict(), "epoch": 3},
        lambda net: {"model_state_dict": net.state_dict(), "optimizer_state_dict": {"state": {}, "param_groups": []}},
        lambda net: {"model": net.state_dict()},
        lambda net: {"model": net},
        lambda net: {f"module.{key}": value for key, value in net.state_dict().items()},
        lambda net: {"state_dict": {f"model.{key}": value for key, value in net.state_dict().items()}},
        lambda net: {"state_dict": {f"net._orig_mod.{key}": value for key, value in net.state_dict().items()}},
    ],
)
def test_weights_meet_their_code(tmp_path: Path, code: str, name: str, wrap: Callable[[nn.Module], Any]) -> None:
    before, paths = set(sys.modules), list(sys.path)
    network = load(saved(tmp_path, wrap(trained()), "net.ckpt"), arch=f"{code}:{name}")
    assert_is_net(network)
    digest = hashlib.sha256(Path(code).read_bytes()).hexdigest()
    assert network.stated == (f"the user's file {code} was run for {name} (SHA-256 {digest})",)
    assert network.log[0] == network.stated[0]
    assert sys.path == paths
    assert not {"net_of_test", "blocks_of_test"} & (set(sys.modules) - before)


def test_a_module_pickled_by_a_script(tmp_path: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    main = sys.modules["__main__"]
    for kind in (Net, Block):
        monkeypatch.setattr(kind, "__module__", "__main__")
        monkeypatch.setattr(main, kind.__name__, kind, raising=False)
    path = saved(tmp_path, trained())
    with pytest.raises(UnsafeModelError, match=r"its pickle names __main__\.\w+, .*nothing was run; if that is your own class.*--arch FILE\.py:NAME"):
        load(path)
    assert_is_net(load(path, arch=f"{code}:Net"))


def test_code_from_python(tmp_path: Path) -> None:
    for content in (trained(), trained().state_dict()):
        path = saved(tmp_path, content)
        ready = Net()
        kept = {key: value.clone() for key, value in ready.state_dict().items()}
        for arch in (Net, trained, lambda: Net(), ready):
            assert_is_net(load(path, arch=arch))
        assert all(torch.equal(value, kept[key]) for key, value in ready.state_dict().items())
    with pytest.raises(UsageError, match=r"arch: an object of type int is no architecture; give FILE\.py:NAME"):
        load(path, arch=3)


def test_weights_in_double_precision_are_not_rounded(tmp_path: Path) -> None:
    net = trained().double()
    with torch.no_grad():
        net.first.weight[0, 0] = 0.1
    network = load(saved(tmp_path, net.state_dict()), arch=Net)
    assert network.layers[0].affine.terms[0][1][0, 0] == 0.1


def test_two_folders_with_files_of_one_name(tmp_path: Path) -> None:
    found = []
    for slope in (0.25, 0.5):
        folder = tmp_path / str(slope)
        folder.mkdir()
        (folder / "parts_of_test.py").write_text(f"slope = {slope}\n")
        (folder / "model_of_test.py").write_text(
            "from torch import nn\nfrom parts_of_test import slope\n"
            "def make():\n    return nn.Sequential(nn.Linear(1, 1), nn.LeakyReLU(slope), nn.Linear(1, 1))\n"
        )
        path = saved(folder, nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1)).state_dict())
        found.append(load(path, arch=f"{folder / 'model_of_test.py'}:make").layers[0].negative[0])
    assert found == [0.25, 0.5]


@pytest.mark.parametrize(
    ("name", "wording"),
    [
        ("Other", r"there is no Other in it; it has Net, Wide, make, number and 2 more"),
        ("text", "text is of type str; name an nn.Module class"),
        ("Wide", r"Wide of .*net_of_test\.py fails when it is called without arguments \(TypeError: .*width.*name a function that takes none"),
        ("number", "returns an object of type int; it must return a torch.nn.Module"),
        ("leaves", r"fails when it is called without arguments \(SystemExit: bye\)"),
    ],
)
def test_names_that_give_no_module(tmp_path: Path, code: str, name: str, wording: str) -> None:
    with pytest.raises(ModelError, match=wording):
        load(saved(tmp_path, trained().state_dict()), arch=f"{code}:{name}")


@pytest.mark.parametrize(
    ("change", "wording"),
    [
        (lambda w: w.pop("last.bias"), r"do not fit Net: missing last\.bias; name the class that they were saved from"),
        (lambda w: w.update(extra=torch.zeros(1)), r"do not fit Net: unexpected extra; "),
        (lambda w: w.update({"last.bias": torch.zeros(3)}), r"do not fit Net: size mismatch for last\.bias"),
        (lambda w: w.update({"last.bias": torch.zeros(2, dtype=torch.int8)}), r"last\.bias holds int8 values"),
    ],
)
def test_weights_that_do_not_fit(tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], Any], wording: str) -> None:
    weights = trained().state_dict()
    change(weights)
    with pytest.raises(ModelError, match=wording) as refused:
        load(saved(tmp_path, weights), arch=Net)
    assert "\n" not in str(refused.value)


def test_files_that_cannot_be_run(tmp_path: Path, code: str) -> None:
    path = saved(tmp_path, trained().state_dict())
    with pytest.raises(ModelError, match="there is no such file"):
        load(path, arch=f"{tmp_path / 'missing.py'}:Net")
    for arch in ("Net", "net.py", "net.py:", "net.txt:Net", "net.py:1"):
        with pytest.raises(UsageError, match=r"names no code; give FILE\.py:NAME"):
            load(path, arch=arch)
    bad = tmp_path / "bad.py"
    for text, wording in (("import nowhere_at_all", "ModuleNotFoundError: No module"), ("class", "SyntaxError"), ("exit(3)", "SystemExit: 3")):
        bad.write_text(text)
        with pytest.raises(ModelError, match=rf"bad\.py: the file cannot be run \({wording}"):
            load(path, arch=f"{bad}:Net")
        assert "bad" not in sys.modules
    with pytest.raises(UsageError, match="--arch and --activation exclude each other"):
        load(path, arch=Net, activation="relu")


def test_a_whole_module_of_another_class(tmp_path: Path, code: str) -> None:
    path = saved(tmp_path, trained())
    with pytest.raises(ModelError, match="it holds a whole Net, not Block; name the class that was saved"):
        load(path, arch=Block)
    odd = trained()
    odd.extra = np.random.default_rng(0)  # a class of nobody's code
    with pytest.raises(UnsafeModelError, match=r"neither a layer of torch\.nn nor a class of your code .*save the state dict alone"):
        load(saved(tmp_path, odd), arch=f"{code}:Net")


def test_on_the_command_line(tmp_path: Path, code: str) -> None:
    path = str(saved(tmp_path, trained().state_dict()))
    shown = CliRunner().invoke(app, ["info", path, "--arch", f"{code}:Net"])
    assert shown.exit_code == 0
    assert "the file is run" in shown.stderr  # what the user's code prints is no result
    assert "the file is run" not in shown.stdout
    assert f"{code} was run for Net (SHA-256" in shown.stderr
    assert "was run for Net" in " ".join(shown.stdout.split())
    over = CliRunner().invoke(app, ["certify", path, "--arch", f"{code}:Net", "--center", "0", "--radius", "0.1", "--proof", code])
    assert over.exit_code == 2
    assert "--arch" in over.stderr
    assert Path(code).read_text() == CODE


@pytest.mark.parametrize("command", [["info"], ["certify"], ["estimate"], ["compare"], ["plot", "--out", "a.png"]])
def test_trusting_a_pickle_is_no_way_any_more(tmp_path: Path, command: list[str]) -> None:
    where = [] if command == ["info"] else ["--center", "0", "--radius", "1"]
    result = CliRunner().invoke(app, [*command, str(saved(tmp_path, trained())), *where, "--trust-pickle"])
    assert result.exit_code == 2
    assert result.stderr.startswith("polylc: --trust-pickle is gone")
    assert "--arch FILE.py:NAME" in result.stderr
    assert result.stderr.count("\n") == 1
