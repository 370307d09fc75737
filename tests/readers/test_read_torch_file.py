"""`.pt` files: what they may hold, and that a hostile one runs nothing."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from polylc.errors import ModelError, UnsafeModelError, UnsupportedLayerError
from polylc.readers import load as readers
from polylc.readers.torch.file import allowed_classes

DATA = Path(__file__).parents[1] / "data"


def saved(tmp_path: Path, content: Any, name: str = "model.pt", **options: Any) -> Path:
    path = tmp_path / name
    torch.save(content, path, **options)
    return path


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def assert_small(path: Path, **options: Any) -> None:
    points = torch.randn(10, 3, dtype=torch.float64)
    network = readers.load(path, **options)
    assert network.source == str(path)
    assert np.abs(network(points.numpy()) - small().double()(points).detach().numpy()).max() < 1e-12


# ---- what is read ----------------------------------------------------------------------------------------------
def test_a_real_file_in_three_formats_is_one_network() -> None:
    networks = [readers.load(DATA / f"moons2d{suffix}") for suffix in (".pt", ".npz", ".onnx")]
    assert len({n.weights_sha256 for n in networks}) == 1
    assert networks[0].widths == (32, 32)
    assert len({n.sha256 for n in networks}) == 3  # hashes of the files
    with np.load(DATA / "moons2d.npz") as arrays:
        assert (networks[0].layers[0].affine.terms[0][1] == arrays["W0"]).all()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda m: m,
        lambda m: nn.Sequential(m[:1], nn.Sequential(m[1:])),
        lambda m: {"model": m, "args": ["a"]},
        lambda m: [m],
    ],
)
def test_modules_of_many_shapes(tmp_path: Path, wrap: Callable[[nn.Sequential], Any]) -> None:
    for ending in (".pt", ".pth", ".ckpt"):
        assert_small(saved(tmp_path, wrap(small()), f"model{ending}"))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda m: m.state_dict(),
        lambda m: [m.state_dict()],
        lambda m: {"state_dict": m.state_dict(), "epoch": 3, "optimizer": {"lr": 0.1, "state": {0: torch.zeros(2)}}},
        lambda m: {"model_state_dict": m.state_dict(), "model": "small"},
        lambda m: {"net": {"weights": m.state_dict()}},
        lambda m: OrderedDict((f"module.{key}", value) for key, value in m.state_dict().items()),
        lambda m: nn.DataParallel(m).state_dict(),
    ],
)
def test_state_dicts_of_many_shapes(tmp_path: Path, wrap: Callable[[nn.Sequential], Any]) -> None:
    path = saved(tmp_path, wrap(small()), "model.pth")
    assert_small(path, activation="relu")
    assert_small(path, arch=small)


def test_the_old_file_format(tmp_path: Path) -> None:
    assert_small(saved(tmp_path, small().state_dict(), _use_new_zipfile_serialization=False), activation="relu")
    path = saved(tmp_path, small(), "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(ModelError, match=r"old\.pt: it holds a whole module in torch's old file format.*save it again with torch 1\.6 or newer"):
        readers.load(path)


def test_file_saved_on_a_gpu(tmp_path: Path) -> None:
    path = saved(tmp_path, small())
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, entry in entries.items():
            archive.writestr(name, entry.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0"))
    assert b"cuda:0" in path.read_bytes()
    assert_small(path)


# ---- hostile files ---------------------------------------------------------------------------------------------
class Hostile:
    """Would create a file when unpickled."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def plant(kind: str, target: Path) -> Hostile:
    return {
        "os": lambda: Hostile(os.system, f"touch {target}"),
        "open": lambda: Hostile(builtins.open, str(target), "w"),
        "exec": lambda: Hostile(builtins.exec, f"open({str(target)!r}, 'w').close()"),
        "numpy": lambda: Hostile(np.save, str(target), np.zeros(1)),
    }[kind]()


@pytest.mark.parametrize(
    ("kind", "name"), [("os", r"posix\.system|nt\.system"), ("open", r"io\.open|_io\.open"), ("exec", "exec"), ("numpy", r"numpy\.save")]
)
@pytest.mark.parametrize("how", ["zip", "legacy", "pickle", "inside"])
def test_hostile_pickle_runs_nothing(tmp_path: Path, kind: str, name: str, how: str) -> None:
    target = tmp_path / "created.npy"
    content: Any = plant(kind, target)
    path = tmp_path / "evil.pt"
    if how == "inside":
        module = small()
        module[1].extra = content
        torch.save(module, path)
    elif how == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "zip")
    with pytest.raises(UnsafeModelError, match=rf"evil\.pt: its pickle names ({name}).* is not on the list of plain torch\.nn layers.*--arch"):
        readers.load(path)
    with pytest.raises(UnsafeModelError, match=rf"its pickle names ({name}).*neither a layer of torch\.nn nor a class of your code"):
        readers.load(path, arch=OwnModule)
    assert not target.exists()


class OwnModule(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = small()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


def test_own_classes_need_their_code(tmp_path: Path) -> None:
    path = saved(tmp_path, OwnModule())
    with pytest.raises(UnsafeModelError, match=rf"its pickle names {__name__}\.OwnModule, which is not on the list"):
        readers.load(path)
    assert_small(path, arch=OwnModule)


def test_the_allow_list_holds_plain_layers_only() -> None:
    for allowed in allowed_classes():
        assert issubclass(allowed, nn.Module)
        assert allowed.__module__.startswith("torch.nn.modules.")
    before = set(torch.serialization.get_safe_globals())
    readers.load(DATA / "moons2d.pt")
    assert set(torch.serialization.get_safe_globals()) == before


@pytest.mark.parametrize(
    ("layer", "wording"),
    [
        (nn.Sigmoid(), r"layer 1 \(Sigmoid\) is not piecewise linear"),
        (nn.LSTM(4, 2), r"layer 1 \(LSTM\) is not piecewise linear"),
        (nn.Embedding(2, 2), r"layer 1 \(Embedding\) is not known"),
    ],
)
def test_allow_listed_layers_are_refused_by_name(tmp_path: Path, layer: nn.Module, wording: str) -> None:
    path = saved(tmp_path, nn.Sequential(nn.Linear(2, 4), layer))
    with pytest.raises(UnsupportedLayerError, match=rf"model\.pt: {wording}"):
        readers.load(path)


# ---- damaged and foreign files ---------------------------------------------------------------------------------
def test_truncated_at_any_place(tmp_path: Path) -> None:
    for legacy in (False, True):
        content = saved(tmp_path, small().state_dict(), _use_new_zipfile_serialization=not legacy).read_bytes()
        cut = tmp_path / "cut.pt"
        for length in range(1, len(content) - 1, len(content) // 23):
            cut.write_bytes(content[:length])
            with pytest.raises(ModelError, match=r"cut\.pt: .*truncated"):
                readers.load(cut)


def test_damaged_at_any_place(tmp_path: Path) -> None:
    """Every flipped byte ends in a network or in one of our errors, never in another exception."""
    content = bytearray(saved(tmp_path, small()).read_bytes())
    path = tmp_path / "damaged.pt"
    for place in range(0, len(content), 29):
        content[place] ^= 0x55
        path.write_bytes(content)
        try:
            readers.load(path)
        except ModelError as refusal:
            assert str(refusal).startswith(f"{path}: ") and "\n" not in str(refusal)  # noqa: PT017, PT018
        content[place] ^= 0x55


@pytest.mark.parametrize("content", [b"hello", b"\x80\x02", b"\x00" * 50, b"PK\x03\x04broken", b"<html>not found</html>"])
def test_files_that_are_no_models(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.pt"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"other\.pt: the file is truncated.*[A-Za-z]{3}\)$|or damaged; copy"):
        readers.load(path)


@pytest.mark.parametrize(
    ("content", "wording"),
    [
        (torch.zeros(3), "it holds a Tensor, not a model; save the module with torch"),
        ([1, 2], "it holds a list, not a model"),
        ({"epoch": 3, "loss": 0.1}, r"no model among its entries \(epoch, loss\); save the module with torch"),
        ({}, r"no model among its entries \(nothing\)"),
        ({"model": small().state_dict(), "net": small()}, r"the checkpoint holds several models \(model, net\)"),
        (nn.ModuleList([nn.Linear(2, 2)]), r"layer 0 \(ModuleList\) is not known to polylc"),
    ],
)
def test_contents_that_are_no_models(tmp_path: Path, content: Any, wording: str) -> None:
    path = saved(tmp_path, content)
    with pytest.raises(ModelError, match=wording):
        readers.load(path)


def test_modules_that_lack_parts(tmp_path: Path) -> None:
    module = small()
    del module[0]._parameters["weight"]
    path = saved(tmp_path, module)
    with pytest.raises(ModelError, match=r"model\.pt: .*weight"):
        readers.load(path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # TorchScript is deprecated
def test_other_archives_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "script.pt"
    torch.jit.save(torch.jit.trace(small(), torch.zeros(1, 3)), path)
    for arch in (None, OwnModule):
        with pytest.raises(ModelError, match=r"script\.pt: this is a TorchScript archive, which polylc does not read"):
            readers.load(path, arch=arch)
    archive = tmp_path / "archive.pt"
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("readme.txt", "hello")
    with pytest.raises(ModelError, match=r"archive\.pt: this zip archive was not written by torch\.save"):
        readers.load(archive)


def test_other_pickle_protocols(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(small(), buffer, pickle_protocol=4)
    path = tmp_path / "protocol.pt"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(ModelError, match=r"protocol\.pt: .*pickle protocol 4.*save it again with torch.save's default"):
        readers.load(path)
