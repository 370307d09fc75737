"""Programs of torch.export, in memory and in `.pt2` files, are the module; files run nothing."""

from __future__ import annotations

import io
import json
import pickle
import random
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.export import Dim, ExportedProgram
from torch.nn import functional

from polylc.errors import ModelError, UnsafeModelError, UnsupportedLayerError, UsageError
from polylc.network.form import Network
from polylc.readers.load import load


def exported(module: nn.Module, shape: tuple[int, ...], how: str = "plain") -> ExportedProgram:
    """A module exported for a batch of one, in the operators of training or of the core, or for any batch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if how == "any batch":
            return torch.export.export(module, (torch.zeros(3, *shape),), dynamic_shapes=({0: Dim("batch")},))
        program = torch.export.export(module, (torch.zeros(1, *shape),))
        return program.run_decompositions() if how == "core" else program


def saved(program: ExportedProgram, path: Path) -> Path:
    torch.export.save(program, path)
    return path


def require_equal(network: Network, module: nn.Module, shape: tuple[int, ...]) -> None:
    points = np.random.default_rng(0).normal(size=(30, network.inputs)) * 2
    wanted = module.double()(torch.from_numpy(points.reshape(30, *shape))).detach().numpy().reshape(30, -1)
    assert np.abs(network(points) - wanted).max() <= 1e-10 * max(1.0, np.abs(wanted).max())


class Mixed(nn.Module):
    """Branches that meet in a sum, a concatenation and a maximum, with a constant of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.last = nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Linear(15, 4)
        nn.init.uniform_(self.norm.running_mean)
        self.register_buffer("shift", torch.linspace(-1, 1, 3), persistent=False)
        self.slope = nn.Parameter(torch.tensor([0.25, -0.5, 0.1]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = functional.prelu(self.norm(self.conv(x)), self.slope)
        both = torch.cat([functional.max_pool2d(h, 2).flatten(1), h.mean((2, 3)) + self.shift], 1)
        return torch.maximum(functional.hardtanh(self.last(both)), torch.tensor([0.0, 0.5, -0.5, 0.25]))


MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "mlp": (lambda: nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Dropout(), nn.Linear(5, 3), nn.LogSoftmax(1)), (4,)),
    "mixed": (Mixed, (2, 4, 4)),
    "in place": (
        lambda: nn.Sequential(nn.Conv1d(2, 3, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool1d(2), nn.Flatten(), nn.Hardsigmoid()),
        (2, 6),
    ),
    "decoder": (lambda: nn.Sequential(nn.ConvTranspose2d(2, 2, 2, stride=2), nn.ReLU6(), nn.Upsample(scale_factor=2, mode="bilinear")), (2, 2, 2)),
}


@pytest.mark.parametrize("how", ["plain", "core", "any batch"])
@pytest.mark.parametrize("name", MODULES)
def test_programs_are_their_modules(name: str, how: str, tmp_path: Path) -> None:
    make, shape = MODULES[name]
    torch.manual_seed(1)
    module = make().eval()
    program = exported(module, shape, how)
    in_memory, of_file = load(program), load(saved(program, tmp_path / "net.pt2"))
    logits = nn.Sequential(*list(module)[:-1]) if name == "mlp" else module
    require_equal(in_memory, logits, shape)
    require_equal(of_file, logits, shape)
    assert in_memory.log == of_file.log
    assert of_file.sha256
    assert in_memory.neurons == load(module.float(), input_shape=shape).neurons


SLOPES = torch.tensor([0.5, -2.0, 3.0])
UNITS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "prelu": lambda x: functional.prelu(x, SLOPES.to(x.dtype)),
    "one slope": lambda x: functional.prelu(x, SLOPES[:1].to(x.dtype)),
    "threshold": lambda x: functional.threshold(x, 0.25, 0.25),
    "softshrink": lambda x: functional.softshrink(x, 0.75),
    "by hand": lambda x: torch.where(x >= 0, x, 0.25 * x),
    "by hand, below": lambda x: torch.where(x < 0, x * SLOPES, x),  # along the last axis, where prelu has channels
    "twice": lambda x: functional.threshold(functional.softshrink(x, 0.75), -1, -1) + functional.prelu(x, SLOPES.to(x.dtype)),
}


@pytest.mark.parametrize("name", UNITS)
def test_units_that_torch_takes_apart(name: str, tmp_path: Path) -> None:
    """The core has comparisons in their place."""
    module = Applied(UNITS[name], torch.neg)
    program = exported(module, (3, 3), "core")
    assert any(str(node.target).startswith("aten.where") for node in program.graph.nodes)
    for network in (load(program), load(saved(program, tmp_path / "net.pt2"))):
        require_equal(network, module, (3, 3))
    assert any(str(node.target).startswith("aten.where") for node in program.graph.nodes)  # it is not changed


@pytest.mark.parametrize(
    ("function", "wording"),
    [
        (lambda x: functional.threshold(x, 0.25, 0.5), r"jumps from 0\.5 to 0\.25, which is discontinuous \(in forward, file test_exported.py"),
        (lambda x: functional.hardshrink(x, 0.5), "is discontinuous"),
        (lambda x: torch.where(x > 1, x, 2 * x), "jumps from 2 to 1 where the outcome of step gt"),
        (lambda x: torch.where(x > 0, x, x * x), "needs a constant as its"),
    ],
)
def test_choices_that_are_no_units_of_torch(function: Callable[[torch.Tensor], torch.Tensor], wording: str) -> None:
    with pytest.raises(ModelError, match=wording):
        load(exported(Applied(function), (3, 3), "core"))


def test_weights_are_not_changed() -> None:
    module = nn.Sequential(nn.Linear(3, 2))
    network = load(exported(module, (3,)))
    assert (network.output.terms[0][1] == module[0].weight.detach().double().numpy()).all()


class Several(nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor, factor: float) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.relu(x) + y * factor, x[:, :1] - y[:, 1:]


def test_inputs_and_outputs_stand_one_after_the_other(tmp_path: Path) -> None:
    program = torch.export.export(Several(), (torch.zeros(1, 2), torch.zeros(1, 2), 0.5))
    for network in (load(program), load(saved(program, tmp_path / "net.pt2"))):
        np.testing.assert_array_equal(network(np.array([[-1.0, 2.0, 4.0, 8.0]])), [[2.0, 6.0, -9.0]])
        assert any("output" in line for line in network.log)


def test_a_batch_in_the_file_is_asked_about(tmp_path: Path) -> None:
    program = torch.export.export(nn.Sequential(nn.Linear(4, 2)), (torch.zeros(3, 4),))
    assert load(program).inputs == 12
    assert "if it is a batch, give --input-shape 4" in load(program).log[0]
    assert load(program, input_shape=(4,)).inputs == 4
    with pytest.raises(ModelError, match="its input has shape 3,4, which 5 does not fit"):
        load(program, input_shape=(5,))
    fixed = torch.export.export(nn.Sequential(nn.Flatten(0), nn.Unflatten(0, (3, 4))), (torch.zeros(3, 4),))
    with pytest.raises(ModelError, match="give the input shape it was exported for"):
        load(fixed, input_shape=(4,))


class Applied(nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor], first: Callable[[torch.Tensor], torch.Tensor] = torch.relu) -> None:
        super().__init__()
        self.function, self.first = function, first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.first(x)
        return self.function(h)


@pytest.mark.parametrize(
    ("function", "wording"),
    [
        (lambda h: torch.sin(h), r"step sin \(sin\) is not piecewise linear"),
        (lambda h: h * h, r"step mul \(mul\) combines two values that depend on the input, which is not piecewise linear"),
        (lambda h: h.long().float(), "changes to the format torch.int64, which is discontinuous"),
        (lambda h: torch.div(h, 2, rounding_mode="floor"), "rounds the quotient, which is discontinuous"),
        (lambda h: torch.cummax(h, 1)[0], r"step cummax \(cummax\) is not known to polylc"),
        (lambda h: functional.softmax(h, 1) + 1, "is not the last layer"),
        (lambda h: functional.gelu(h, approximate="tanh"), r"step gelu \(gelu\) is not piecewise linear"),
    ],
)
def test_steps_are_refused_with_their_line(function: Any, wording: str, tmp_path: Path) -> None:
    program = exported(Applied(function), (3,))
    for model in (program, saved(program, tmp_path / "net.pt2")):
        with pytest.raises(ModelError, match=wording) as caught:
            load(model)
        assert "\n" not in str(caught.value)
        if "last layer" not in wording:
            assert "file test_exported.py, line " in str(caught.value)


def test_other_settings_are_refused() -> None:
    with pytest.raises(UsageError, match="an exported program is a whole model"):
        load(exported(nn.Sequential(nn.Linear(2, 2)), (2,)), activation="relu")
    random_one = exported(Applied(lambda h: functional.dropout(h, 0.5, training=True)), (2,))
    with pytest.raises(ModelError, match="is random even in evaluation mode"):
        load(random_one)


# ---- files that are no models, or worse
@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    return saved(exported(module, (3,)), tmp_path_factory.mktemp("pt2") / "net.pt2").read_bytes()


def changed(content: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """An archive with each file as `change` makes it of its name and content; None leaves it out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            kept = change(name.partition("/")[2], old.read(name))
            if kept is not None:
                new.writestr(name, kept)
    return out.getvalue()


def test_a_program_under_another_suffix(archive: bytes, tmp_path: Path) -> None:
    (tmp_path / "net.pt").write_bytes(archive)
    with pytest.raises(ModelError, match=r"this is a program of torch\.export\.save; give the file the suffix \.pt2"):
        load(tmp_path / "net.pt")


class Bomb:
    """Unpickled, it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_nothing_of_a_file_is_run(archive: bytes, tmp_path: Path) -> None:
    trace, path = tmp_path / "trace", tmp_path / "net.pt2"
    bomb = pickle.dumps(Bomb(trace))
    code = f"__import__('pathlib').Path({str(trace)!r}).touch()"

    def in_model(change: Callable[[dict[str, Any]], None]) -> bytes:
        def one(name: str, content: bytes) -> bytes:
            if name != "models/model.json":
                return content
            said = json.loads(content)
            change(said)
            return json.dumps(said).encode()

        return changed(archive, one)

    def pickled(name: str, content: bytes) -> bytes:
        if name == "data/weights/weight_0":
            return bomb
        return content.replace(b'"use_pickle": false', b'"use_pickle": true') if name.endswith("weights_config.json") else content

    # example inputs are not looked at
    path.write_bytes(changed(archive, lambda name, content: bomb if "sample_inputs" in name else content))
    assert load(path).neurons == 4
    path.write_bytes(changed(archive, pickled))
    with pytest.raises(UnsafeModelError, match=r"0\.weight is a pickled object, which could run code, so it was not read"):
        load(path)
    nodes = (
        "torch.ops.aten.from_file.default",
        "os.system",
        "torch.os.system",
        "builtins.eval",
        "torch.ops.aten._x.default",
        "torch.ops.prim.Print.default",
    )
    for target in nodes:
        call = {"target": target, "inputs": [{"name": "filename", "arg": {"as_string": str(trace)}, "kind": 1}], "outputs": [], "metadata": {}}
        path.write_bytes(in_model(lambda said, call=call: said["graph_module"]["graph"]["nodes"].insert(0, call)))
        with pytest.raises(UnsupportedLayerError, match="is not known to polylc"):
            load(path)
    path.write_bytes(in_model(lambda said: said.update(guards_code=[code], range_constraints={code: {"min_val": 1, "max_val": 2}})))
    assert load(path).neurons == 4

    def open_size(said: dict[str, Any]) -> None:
        graph = said["graph_module"]["graph"]
        graph["tensor_values"][graph["inputs"][-1]["as_tensor"]["name"]]["sizes"][0] = {"as_expr": {"expr_str": code, "hint": None}}

    path.write_bytes(in_model(open_size))
    assert load(path).inputs == 3
    assert not trace.exists()


def test_archives_of_older_torch(archive: bytes, tmp_path: Path) -> None:
    """torch 2.6 and 2.7 put pickled state dicts beside the graph; torch's restricted unpickler reads them."""
    with zipfile.ZipFile(io.BytesIO(archive)) as old:
        files = {name.partition("/")[2]: old.read(name) for name in old.namelist()}
    weights = json.loads(files["data/weights/model_weights_config.json"])["config"]
    tensors = {
        key: torch.frombuffer(bytearray(files[f"data/weights/{said['path_name']}"]), dtype=torch.float32).reshape(
            [size["as_int"] for size in said["tensor_meta"]["sizes"]]
        )
        for key, said in weights.items()
    }
    path, trace = tmp_path / "old.pt2", tmp_path / "trace"
    (tmp_path / "new.pt2").write_bytes(archive)

    def pickled(what: Any) -> bytes:
        buffer = io.BytesIO()
        torch.save(what, buffer)
        return buffer.getvalue()

    for constants in ({}, Bomb(trace)):
        with zipfile.ZipFile(path, "w") as new:
            new.writestr("serialized_exported_program.json", files["models/model.json"])
            new.writestr("serialized_state_dict.pt", pickled(tensors))
            new.writestr("serialized_constants.pt", pickled(constants))
            new.writestr("version", "8.0")
        if isinstance(constants, dict):
            points = np.random.default_rng(0).normal(size=(5, 3))
            np.testing.assert_array_equal(load(path)(points), load(tmp_path / "new.pt2")(points))
        else:
            with pytest.raises(UnsafeModelError, match=r"serialized_constants\.pt holds more than tensors"):
                load(path)
    assert not trace.exists()


def test_damaged_at_any_place(archive: bytes, tmp_path: Path) -> None:
    path, draw = tmp_path / "net.pt2", random.Random(0)
    for _ in range(60):
        path.write_bytes(archive[: draw.randrange(1, len(archive))])
        with pytest.raises(ModelError):
            load(path)

    def damage(name: str, content: bytes) -> bytes | None:
        if draw.random() < 0.1:
            return None
        if name.endswith(".json") and draw.random() < 0.7:
            place = draw.randrange(len(content))
            return content[:place] + bytes([draw.randrange(32, 127)]) + content[place + 1 :]
        return content

    refused = []
    for _ in range(60):
        path.write_bytes(changed(archive, damage))
        try:
            load(path)
        except ModelError as error:
            refused.append(str(error))
    assert refused
    assert not any("\n" in message for message in refused)


@pytest.mark.parametrize(
    ("entries", "wording"),
    [
        ({}, "the archive holds 0 exported programs"),
        ({"net/models/a.json": "{}", "net/models/b.json": "{}"}, "the archive holds 2 exported programs"),
        ({"net/models/a.json": "{}", "net/byteorder": "big"}, "its weights are big-endian"),
        ({"net/models/a.json": "{}"}, r"the exported program is malformed \(KeyError"),
    ],
)
def test_other_archives(entries: dict[str, str], wording: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.pt2", "w") as new:
        for name, content in entries.items():
            new.writestr(name, content)
    with pytest.raises(ModelError, match=wording):
        load(tmp_path / "net.pt2")
