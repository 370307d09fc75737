"""Networks with the operators that people bring, from the model to the certificate: against brute force over all sign
patterns, and as exporters write them.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from oracles import Form, box_forms, strictly_feasible
from torch import nn

from polylc.api.certify import certify
from polylc.api.check import check
from polylc.domains.box import Neighbourhood, box
from polylc.network.form import Affine, Network
from polylc.readers.load import load


# ---- brute force, for leaky units and layers that read several others
def forms_of(affine: Affine, sources: list[list[Form]]) -> list[Form]:
    """The forms of a layer, or of the outputs, in integers over one denominator or fractions, all exact."""
    size, k = len(affine.bias), len(sources[0][0])
    rows = [[F(0)] * k for _ in range(size)]
    for source, matrix in affine.terms:
        weights = np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix)
        for row, line in zip(rows, weights.tolist(), strict=True):
            for w, form in zip(line, sources[source], strict=True):
                if w:
                    for j, v in enumerate(form):
                        row[j] += F(w) * v
    for row, b in zip(rows, affine.bias.tolist(), strict=True):
        row[-1] += F(b)
    return [tuple(row) for row in rows]


def regions_by_brute_force(network: Network, domain: Neighbourhood) -> list[tuple[tuple[bool, ...], list[Form]]]:
    """Patterns and affine maps of all full-dimensional regions."""
    n, found = domain.inputs, []

    def descend(index: int, bits: tuple[bool, ...], strict: list[Form], sources: list[list[Form]]) -> None:
        if index == len(network.layers):
            found.append((bits, forms_of(network.output, sources)))
            return
        layer = network.layers[index]
        forms = forms_of(layer.affine, sources)

        def choose(own: tuple[bool, ...], here: list[Form]) -> None:
            if len(own) == len(forms):
                slopes = [F(float(p if on else q)) for on, q, p in zip(own, layer.negative, layer.positive, strict=True)]
                after = [tuple(s * v for v in form) for s, form in zip(slopes, forms, strict=True)]
                descend(index + 1, bits + own, here, [*sources, after])
                return
            form = forms[len(own)]
            for on in (False, True):
                if not any(form):
                    if not on:  # identically zero: bit 0
                        choose((*own, on), here)
                    continue
                more = [*here, form if on else tuple(-v for v in form)]
                if strictly_feasible(more):
                    choose((*own, on), more)

        choose((), strict)

    identity = [tuple(F(int(i == j)) for i in range(n + 1)) for j in range(n)]
    descend(0, (), box_forms(domain), [identity])
    return found


class Step(nn.Module):
    """A module of one function, between layers of its own."""

    def __init__(self, inner: Callable[[torch.Tensor], torch.Tensor], middle: int, entries: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first, self.inner, self.last = nn.Linear(2, middle), inner, nn.Linear(entries, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.inner(self.first(x)))


def grouped_sort(h: torch.Tensor) -> torch.Tensor:
    """Pairs in order (GroupSort2)."""
    one, other = h[:, ::2], h[:, 1::2]
    return torch.cat([torch.maximum(one, other), torch.minimum(one, other)], 1)


MODULES = {
    "max pool": lambda seed: Step(lambda h: torch.nn.functional.max_pool1d(h.unsqueeze(1), 3, 1, 1).flatten(1), 4, 4, seed),
    "global max": lambda seed: Step(lambda h: torch.amax(h.view(-1, 2, 3), dim=2), 6, 2, seed),
    "absolute": lambda seed: Step(torch.abs, 4, 4, seed),
    "clamp": lambda seed: Step(lambda h: torch.clamp(h, -0.25, 0.5), 3, 3, seed),
    "maximum": lambda seed: Step(lambda h: torch.maximum(h[:, :2], h[:, 2:]), 4, 2, seed),
    "max-min of pairs": lambda seed: Step(
        lambda h: torch.cat([torch.maximum(h[:, ::2], h[:, 1::2]), torch.minimum(h[:, ::2], h[:, 1::2])], 1), 4, 4, seed
    ),
    "concat skip": lambda seed: Step(lambda h: torch.cat([h[:, :2], torch.relu(h[:, 1:] - h[:, :-1])], 1), 4, 5, seed),
    "shrink": lambda seed: Step(nn.Softshrink(0.25), 3, 3, seed),
    "slopes": lambda seed: Step(nn.RReLU(-0.5, 0.25), 4, 4, seed),
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", MODULES)
def test_regions_and_their_maps_are_those_of_brute_force(name: str, seed: int, tmp_path: Path) -> None:
    network = load(MODULES[name](seed).eval(), input_shape=(2,))
    where = ([F(-3, 2), -1], [1, F(5, 4)])
    run = certify(network, box=where, proof=tmp_path / "net.proof")
    expected = regions_by_brute_force(network, box(*where))
    assert run[0].status == "certified"
    assert run[0].regions == len({bits for bits, _ in expected}) == len(expected)
    assert run[0].affine_functions == len({tuple(forms) for _, forms in expected})
    steepest = max(sum(abs(v) for v in forms[i][:-1]) for _, forms in expected for i in (0, 1))
    known = max(entry.quantity.upper for entry in run[0].lipschitz if entry.norm == "linf" and entry.target in ("f0", "f1"))
    assert known == pytest.approx(float(steepest), rel=1e-12)
    (checked,) = check(tmp_path / "net.proof", model=network)
    assert checked.regions == run[0].regions


@pytest.mark.parametrize("seed", range(3))
def test_pieces_do_not_depend_on_the_order_of_a_tournament(seed: int) -> None:
    """Other orders have other units and other regions, but one function."""
    rng = np.random.default_rng(seed)
    inner = nn.Linear(2, 5)
    found = set()
    for order in ([0, 1, 2, 3, 4], rng.permutation(5).tolist(), [4, 2, 0, 1, 3]):
        module = Step(lambda h, order=order: torch.amax(torch.stack([h[:, i] for i in order], 1), dim=1, keepdim=True), 5, 1, 7)
        module.first = inner
        result = certify(load(module, input_shape=(2,)), box=([-2, -2], [2, 2]))[0]
        found.add((result.affine_functions, result.pieces, result.lipschitz[0].quantity.value, result.total_variation["frobenius"].value))
    assert len({f[:3] for f in found}) == 1
    variations = [f[3] for f in found]
    assert max(variations) - min(variations) <= 1e-8 * max(variations)


# ---- as exporters write them
class Mixer(nn.Module):
    """Patches mixed along either axis, without attention."""

    def __init__(self) -> None:
        super().__init__()
        self.along, self.across, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        patches = x.reshape(-1, 2, 2, 2, 2).permute(0, 1, 3, 2, 4).reshape(-1, 4, 4)
        patches = patches + torch.relu(self.along(patches.transpose(1, 2))).transpose(1, 2)
        return self.head(torch.relu(self.across(patches)).mean(1))


class Dense(nn.Module):
    """A skip by concatenation, and one by a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(4, 3), nn.Linear(7, 4), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        both = torch.cat([x, torch.relu(self.first(x))], dim=1)
        return self.last(torch.nn.functional.leaky_relu(self.second(both)) + x[:, :4])


ARCHITECTURES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "mlp": (lambda: nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)), (4,)),
    "conv": (lambda: nn.Sequential(nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8, 3)), (1, 8, 8)),
    "max pool": (lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)), (1, 6, 6)),
    "batch norm": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), (2, 5, 5)),
    "mixer": (Mixer, (1, 4, 4)),
    "skips": (Dense, (4,)),
    "1-D": (lambda: nn.Sequential(nn.Conv1d(2, 3, 3, padding=1), nn.PReLU(3), nn.MaxPool1d(3, 2), nn.Flatten(), nn.Linear(9, 2)), (2, 8)),
    "decoder": (lambda: nn.Sequential(nn.ConvTranspose2d(2, 2, 2, stride=2), nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(2, 1, 3)), (2, 2, 2)),
    "hinges": (lambda: nn.Sequential(nn.Linear(4, 6), nn.Hardtanh(), nn.Linear(6, 4), nn.ReLU6(), nn.Linear(4, 4), nn.Hardsigmoid()), (4,)),
    "padded": (lambda: nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(1, 2, 3), nn.LeakyReLU(), nn.PixelShuffle(1), nn.Flatten()), (1, 3, 3)),
}
EXPORTS = [(name, opset) for name in ARCHITECTURES for opset in (11, 13, 17, 20)]
FEW = {("mlp", 20), ("max pool", 11), ("mixer", 17), ("skips", 13), ("decoder", 13), ("1-D", 17)}


def cases(exports: list[tuple[str, int]], few: set[tuple[str, int]]) -> Any:
    return pytest.mark.parametrize(
        ("name", "opset"), [pytest.param(*e, marks=[] if e in few else pytest.mark.slow, id=f"{e[0]}, {e[1]}") for e in exports]
    )


@cases(EXPORTS, FEW)
def test_what_torch_exports_is_the_module(name: str, opset: int, tmp_path: Path) -> None:
    module, shape = made(name, opset)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (torch.zeros(1, *shape),), buffer, opset_version=opset, dynamo=False)
    (tmp_path / "net.onnx").write_bytes(buffer.getvalue())
    require_agreement(module, shape, tmp_path / "net.onnx")


@cases([(name, opset) for name in ARCHITECTURES for opset in (18, 20, 21, 23)], {("mlp", 20), ("skips", 18), ("1-D", 23)})
def test_what_dynamo_exports_is_the_module(name: str, opset: int, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="torch's exporter by dynamo needs onnxscript (pip install onnxscript)")
    module, shape = made(name, opset)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(module, (torch.zeros(1, *shape),), dynamo=True, opset_version=opset, verbose=False)
        program.save(tmp_path / "net.onnx")
    versions = {entry.domain: entry.version for entry in onnx.load(tmp_path / "net.onnx").opset_import}
    assert versions[""] == opset
    require_agreement(module, shape, tmp_path / "net.onnx")


@pytest.mark.parametrize("name", [name if name in ("mixer", "padded") else pytest.param(name, marks=pytest.mark.slow) for name in ARCHITECTURES])
def test_what_torch_export_saves_is_the_module(name: str, tmp_path: Path) -> None:
    module, shape = made(name, 3)
    torch.export.save(torch.export.export(module, (torch.zeros(1, *shape),)), tmp_path / "net.pt2")
    require_agreement(module, shape, tmp_path / "net.pt2")


def made(name: str, seed: int) -> tuple[nn.Module, tuple[int, ...]]:
    make, shape = ARCHITECTURES[name]
    torch.manual_seed(seed)
    return make().eval(), shape


def require_agreement(module: nn.Module, shape: tuple[int, ...], path: Path) -> None:
    """A file and the module in memory are one network, and that of torch."""
    one, two = load(path), load(module, input_shape=shape)
    points = np.random.default_rng(0).normal(size=(50, one.inputs)) * 2
    wanted = module.double()(torch.from_numpy(points.reshape(50, *shape))).detach().numpy().reshape(50, -1)
    scale = max(1.0, float(np.abs(wanted).max()))
    assert np.abs(one(points) - wanted).max() <= 1e-6 * scale
    assert np.abs(two(points) - wanted).max() <= 1e-9 * scale
    assert one.neurons == two.neurons
