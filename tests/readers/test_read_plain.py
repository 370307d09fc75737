"""Files of torch.save read without torch: the same network as torch's own reader makes of them, or none."""

from __future__ import annotations

import dataclasses
import io
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from polylc.errors import ModelError
from polylc.readers.torch.file import from_torch_file
from polylc.readers.torch.pickled import NotPlainError
from polylc.readers.torch.pickled import saved as read_saved
from polylc.readers.torch.plain import from_plain_file

DATA = Path(__file__).parent.parent / "data"


def saved(model: object) -> bytes:
    stream = io.BytesIO()
    torch.save(model, stream)
    return stream.getvalue()


def plain(content: bytes, **options: Any) -> Any:
    return from_plain_file(content, source="n.pt", sha256="0", input_shape=options.pop("input_shape", None), **options)


def by_torch(content: bytes, **options: Any) -> Any:
    return from_torch_file(content, source="n.pt", sha256="0", input_shape=options.pop("input_shape", None), **options)


def same(one: object, two: object) -> bool:
    """To the last bit, the log and the list of steps among it."""
    if isinstance(one, np.ndarray):
        return isinstance(two, np.ndarray) and one.dtype == two.dtype and one.shape == two.shape and one.tobytes() == two.tobytes()
    if dataclasses.is_dataclass(one) and type(one) is type(two):
        return all(same(getattr(one, f.name), getattr(two, f.name)) for f in dataclasses.fields(one))
    if isinstance(one, tuple | list):
        return type(one) is type(two) and len(one) == len(two) and all(map(same, one, two))
    return one == two


def outcome(read: Callable[..., Any], content: bytes, **options: Any) -> Any:
    """The network, or what its refusal says."""
    try:
        return read(content, **options)
    except ModelError as refusal:
        return str(refusal)


@st.composite
def chains(draw: st.DrawFn) -> nn.Sequential:
    """Sequentials of the layers that are read without torch, inner ones among them, in three formats."""
    torch.manual_seed(draw(st.integers(0, 2**20)))
    width, layers = draw(st.integers(1, 4)), []
    for _ in range(draw(st.integers(1, 4))):
        after = draw(st.integers(1, 4))
        layers.append(nn.Linear(width, after, bias=draw(st.booleans())))
        width = after
        more = [
            nn.ReLU(),
            nn.ReLU(inplace=True),
            nn.LeakyReLU(draw(st.sampled_from([0.01, 0.5, 1.0, 0.0]))),
            nn.Identity(),
            nn.Flatten(),
            nn.Dropout(0.3),
        ]
        layers += draw(st.lists(st.sampled_from(more), max_size=2, unique=True))
    cut = draw(st.integers(0, len(layers)))
    model = nn.Sequential(*layers[:cut], nn.Sequential(*layers[cut:])) if draw(st.booleans()) else nn.Sequential(*layers)
    model.train(draw(st.booleans()))
    return model.to(draw(st.sampled_from([torch.float16, torch.float32, torch.float64])))


# ---- the same network ------------------------------------------------------------------------------------------
@settings(max_examples=60, deadline=None)
@given(chains())
def test_chains_of_plain_layers_are_what_torch_reads(model: nn.Sequential) -> None:
    content = saved(model)
    found = plain(content)
    assert found is not None
    assert same(found, by_torch(content))


@settings(max_examples=30, deadline=None)
@given(chains(), st.sampled_from(["relu", "leaky_relu:0.1"]))
def test_state_dicts_are_what_torch_reads(model: nn.Sequential, activation: str) -> None:
    content = saved(model.state_dict())
    assert same(outcome(plain, content, activation=activation), outcome(by_torch, content, activation=activation))
    assert outcome(plain, content) == outcome(by_torch, content)  # a refusal


def test_tensors_may_share_numbers_and_lie_in_any_order() -> None:
    table = torch.randn(4, 6)
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3))
    model[0].weight = nn.Parameter(table[:, 1:4].T)
    model[2].weight = nn.Parameter(table[1:, ::2])
    content = saved(model)
    assert same(plain(content), by_torch(content))


@pytest.mark.parametrize("shape", [(4,), (2, 2), (1, 4), (5,)])
def test_a_stated_shape_is_taken_as_torch_takes_it(shape: tuple[int, ...]) -> None:
    content = saved(nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))
    assert same(outcome(plain, content, input_shape=shape), outcome(by_torch, content, input_shape=shape))


def test_a_bare_layer_is_a_network() -> None:
    content = saved(nn.Linear(2, 3))
    assert same(plain(content), by_torch(content))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_alike(value: float) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    with torch.no_grad():
        model[2].bias[0] = value
    refusal = outcome(plain, saved(model))
    assert "n.pt: the bias of layer 2 (Linear)" in refusal
    assert refusal == outcome(by_torch, saved(model))


def test_layers_that_do_not_fit_are_refused_alike() -> None:
    content = saved(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(4, 1)))
    refusal = outcome(plain, content)
    assert refusal == outcome(by_torch, content)
    assert "expects 4 inputs but gets 3" in refusal


# ---- what is left to torch -------------------------------------------------------------------------------------
class Scaled(nn.Linear):
    """A class of its own, which computes something else."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(input)


def hooked() -> nn.Module:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model[1].register_forward_hook(torch.neg)
    return model


def with_attribute() -> nn.Module:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model[1].scale = 2
    return model


def used_twice() -> nn.Module:
    unit = nn.ReLU()
    return nn.Sequential(nn.Linear(2, 2), unit, nn.Linear(2, 2), unit)


@pytest.mark.parametrize(
    "content",
    [
        saved(nn.Sequential(Scaled(2, 2))),
        saved(hooked()),
        saved(with_attribute()),
        saved(used_twice()),
        saved(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))),
        saved(nn.Sequential(nn.Linear(2, 2).to(torch.bfloat16))),
        saved(nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))).state_dict() | {"n": 3}),
        saved(nn.Sequential(nn.ReLU())),
        saved([nn.Sequential(nn.Linear(2, 2))]),
        saved(torch.zeros(3)),
        saved({}),
        b"",
        b"PK\x03\x04broken",
    ],
)
def test_all_else_is_left_to_torch(content: bytes) -> None:
    assert plain(content) is None


def test_an_object_with_code_in_its_pickle_is_not_made(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return open, (str(tmp_path / "made"), "w")

    model = nn.Sequential(nn.Linear(2, 2))
    model.extra = Hostile()
    for held in (model, Hostile(), {"w": Hostile()}):
        with pytest.raises(NotPlainError):
            read_saved(saved(held))
    assert not (tmp_path / "made").exists()


def test_entries_that_torch_and_zip_may_read_differently_are_left_to_torch() -> None:
    content = saved(nn.Sequential(nn.Linear(2, 2)))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]

    def written(entries: list[tuple[str, bytes]], how: int = zipfile.ZIP_STORED) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", how) as archive:
            for name, entry in entries:
                archive.writestr(name, entry)
        return stream.getvalue()

    assert plain(written(entries)) is not None
    assert plain(written(entries, zipfile.ZIP_DEFLATED)) is None
    assert plain(written([*entries, ("other/data.pkl", b"")])) is None
    big = [(name, b"big" if name.endswith("byteorder") else entry) for name, entry in entries]
    assert plain(written(big)) is None
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = written([*entries, entries[0]])
    assert plain(twice) is None
    short = [(name, entry[:-4] if name.endswith("data/0") else entry) for name, entry in entries]
    assert plain(written(short)) is None


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_a_damaged_pickle_is_read_as_torch_reads_it_or_not_at_all(data: st.DataObject) -> None:
    torch.manual_seed(1)
    content = saved(nn.Sequential(nn.Linear(3, 2), nn.LeakyReLU(), nn.Linear(2, 2)))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = {name: bytearray(archive.read(name)) for name in archive.namelist()}
    text = next(entry for name, entry in entries.items() if name.endswith("data.pkl"))
    for _ in range(data.draw(st.integers(1, 3))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, entry in entries.items():
            archive.writestr(name, bytes(entry))
    found = outcome(plain, stream.getvalue())
    if found is not None and not isinstance(found, str):
        assert same(found, by_torch(stream.getvalue()))


def test_two_archives_in_one_file_are_left_to_torch() -> None:
    """Programs that read zip archives take one or the other, or count places from another begin."""
    one, two = saved(nn.Sequential(nn.Linear(2, 2))), saved(nn.Sequential(nn.Linear(2, 2)))
    for content in (one + two, b"x" + one, one + b"x", one[:4] + b"x" + one[4:], one[:-2] + b"\1\0x", folder(one)):
        assert plain(content) is None
    assert plain(one) is not None


def folder(content: bytes) -> bytes:
    """The same with the mark of a folder on its first entry, of which torch then reads nothing."""
    place = content.rindex(b"data.pkl", 0, content.rindex(b"data.pkl") + 9) - len("archive/") - 46 + 38
    return content[:place] + b"\x10" + content[place + 1 :]


def crafted(text: bytes, numbers: dict[str, bytes]) -> bytes:
    """A file of torch.save around a pickle."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        entries = {"data.pkl": text, "byteorder": b"little", "version": b"3\n"} | {f"data/{key}": entry for key, entry in numbers.items()}
        for name, entry in entries.items():
            archive.writestr(f"n/{name}", entry)
    return stream.getvalue()


def test_one_storage_has_one_type() -> None:
    content = saved({"0.weight": torch.ones(2, 2, dtype=torch.float64), "2.weight": torch.ones(2, 2, dtype=torch.float64)})
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        text = next(archive.read(name) for name in archive.namelist() if name.endswith("data.pkl"))
        number = archive.read(next(name for name in archive.namelist() if name.endswith("data/0")))
    shared = text.replace(b"X\x01\x00\x00\x001q", b"X\x01\x00\x00\x000q")  # the key of the second storage
    assert shared != text
    found = plain(crafted(shared, {"0": number}), activation="relu")
    assert same(found, by_torch(crafted(shared, {"0": number}), activation="relu"))
    place = shared.rindex(b"h", 0, shared.rindex(b"0q"))  # the type of the second: what is called up before its key
    other = shared[:place] + b"ctorch\nFloatStorage\n" + shared[place + 2 :]
    assert plain(crafted(other, {"0": number}), activation="relu") is None


def test_an_object_has_the_attributes_that_it_was_built_with() -> None:
    """A dictionary that changes afterwards is the one of the object no more."""
    text = b"\x80\x02ctorch.nn.modules.activation\nReLU\n)\x81q\x01}q\x02(X\x01\x00\x00\x00aK\x01ubh\x02X\x01\x00\x00\x00aK\x02s0."
    text = text.replace(b"0.", b"\x86.")  # both, as a pair
    thing, now = read_saved(crafted(text, {}))  # type: ignore[misc]
    assert (thing.state, now) == ({"a": 1}, {"a": 2})
    again = text.replace(b"ubh\x02", b"ub}bh\x02")
    with pytest.raises(NotPlainError):
        read_saved(crafted(again, {}))


def test_views_of_one_storage_read_it_once() -> None:
    flat = torch.randn(2**18)
    content = saved({f"{2 * i}.weight": flat[4 * i : 4 * i + 4].reshape(2, 2) for i in range(100)})
    held = read_saved(content)
    assert isinstance(held, dict)
    assert len(held) == 100
    assert len({view.__array_interface__["data"][0] // 2**20 for view in held.values()}) <= 2


def test_values_beyond_doubles_are_no_warning() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.LeakyReLU(1e300), nn.Linear(2, 1)).double()
    with torch.no_grad():
        model[0].bias.fill_(-1e12)
    assert same(outcome(plain, saved(model)), outcome(by_torch, saved(model)))


def test_other_protocols_are_left_to_torch() -> None:
    stream = io.BytesIO()
    torch.save(nn.Sequential(nn.Linear(2, 2)), stream, pickle_module=pickle, pickle_protocol=4)
    assert plain(stream.getvalue()) is None


def test_a_plain_file_imports_no_torch() -> None:
    code = f"import sys, polylc; polylc.load({str(DATA / 'moons2d.pt')!r}); assert 'torch' not in sys.modules"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
