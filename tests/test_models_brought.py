"""Networks with the operators that people bring, from the model to the certificate: against brute force over all sign
patterns, and as exporters write them.
"""

from __future__ import annotations

import copy
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
from oracles import regions_of_any_network
from torch import nn

from polylc.api.certify import certify
from polylc.api.check import check
from polylc.domains.box import box
from polylc.engines.lp import LpEngine
from polylc.judge.by_node import Judge
from polylc.network.form import Affine, Layer, Network
from polylc.network.patterns import unpack
from polylc.readers.load import load


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
    expected = regions_of_any_network(network, box(*where))
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


@pytest.mark.parametrize("seed", range(3))
def test_differences_of_inactive_units_take_no_integers(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tournament of ReLUs: where all are inactive every match is between zeros, whatever the bits of the others."""
    rng = np.random.default_rng(seed)
    first = Layer(Affine(((0, rng.standard_normal((4, 2))),), rng.standard_normal(4)), np.zeros(4), np.ones(4))
    pairs, last = np.array([[1.0, -1, 0, 0], [0, 0, 1, -1]]), np.array([[0.0, 1, 0, -1]])
    matches = Layer(Affine(((1, pairs),), np.zeros(2)), np.zeros(2), np.ones(2))
    final = Layer(Affine(((1, last), (2, np.array([[1.0, -1]]))), np.zeros(1)), np.zeros(1), np.ones(1))
    output = Affine(((1, np.array([[0.0, 0, 0, 1]])), (2, np.array([[0.0, 1]])), (3, np.ones((1, 1)))), np.zeros(1))
    network = Network(2, (first, matches, final), output)
    domain = box([-2, -2], [2, 2])
    decided, decide = [], Judge.settle
    monkeypatch.setattr(
        Judge, "settle", lambda self, asked, bits, forms, *rest: decided.append(forms[asked.neuron]) or decide(self, asked, bits, forms, *rest)
    )
    judge = Judge(network, domain)
    verdict = judge.verdict(LpEngine(network, domain, judge).explore())
    bits = unpack(verdict.exploration.bits, 7)
    assert {tuple(row) for row in bits.tolist()} == {own for own, _ in regions_of_any_network(network, domain)}
    assert (~bits[:, :2].any(axis=1)).any()
    assert not bits[~bits[:, :2].any(axis=1), 4].any()
    assert all(any(form) for form in decided)


POOLED = Path(__file__).parent.parent / "examples" / "pooled" / "pooled"


def test_the_example_with_max_pooling_is_certified_around_five_points(tmp_path: Path) -> None:
    """Images on their side, with all weights on their side, have other pairs in the first round of each tournament."""
    model = torch.load(f"{POOLED}.pt", weights_only=False).double()
    points = np.load(f"{POOLED}.npz")["X"][5:10]
    turned = copy.deepcopy(model)
    turned[1].weight.data = model[1].weight.data.transpose(2, 3).contiguous()
    turned[-1].weight.data = model[-1].weight.data.reshape(10, 4, 3, 3).transpose(2, 3).reshape(10, 36)
    aside = points.reshape(-1, 8, 8).transpose(0, 2, 1).reshape(-1, 64)
    one, two = (
        certify(m, x, radius="0.003", clip=(0, 1), measures="counts,robustness", proof=tmp_path / "net.proof")
        for m, x in ((model, points), (turned, aside))
    )
    assert [r.status for r in (*one, *two)] == ["certified"] * 10
    assert [(r.pieces, r.affine_functions, r.label) for r in one] == [(r.pieces, r.affine_functions, r.label) for r in two]
    assert [r.robustness.robust for r in one] == [r.robustness.robust for r in two]
    assert max(r.regions for r in one) > max(r.pieces for r in one) > 1
    assert [c.regions for c in check(tmp_path / "net.proof")] == [r.regions for r in two]


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
