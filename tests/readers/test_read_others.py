"""Formats beside torch's and ONNX's: .nnet, compressed files, and those that have to be exported."""

from __future__ import annotations

import gzip
import itertools
from fractions import Fraction as F
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from polylc.errors import ModelError
from polylc.readers.load import load

DATA = Path(__file__).parent.parent / "data"
RANDOM = np.random.default_rng(5)
SIZES = (3, 4, 2)
MEANS, RANGES = [0.5, -1.0, 2.0, 7.5], [2.0, 0.5, 3.0, 373.9]


def written(weights: list[np.ndarray], biases: list[np.ndarray], means: list[float], ranges: list[float]) -> str:
    """The text of a .nnet file."""
    sizes = [weights[0].shape[1], *(len(w) for w in weights)]
    head = ["// a network", f"{len(weights)},{sizes[0]},{sizes[-1]},{max(sizes)},", ",".join(map(str, sizes)) + ",", "0,"]
    head += [",".join(["-1.0"] * sizes[0]) + ",", ",".join(["1.0"] * sizes[0]) + ","]
    head += [",".join(map(repr, row)) + "," for row in (means, ranges)]
    body: list[str] = []
    for weight, bias in zip(weights, biases, strict=True):
        body += [",".join(map(repr, row)) + "," for row in weight.tolist()] + [f"{b!r}," for b in bias.tolist()]
    return "\n".join([*head, *body]) + "\n"


WEIGHTS = [RANDOM.normal(size=(b, a)) for a, b in ((3, 4), (4, 2))]
BIASES = [RANDOM.normal(size=n) for n in (4, 2)]


def test_a_nnet_file_with_its_normalisation(tmp_path: Path) -> None:
    path = tmp_path / "net.nnet"
    path.write_text(written(WEIGHTS, BIASES, MEANS, RANGES))
    network = load(path)
    points = RANDOM.normal(size=(20, 3))
    inner = (points - MEANS[:3]) / RANGES[:3]
    wanted = (np.maximum(inner @ WEIGHTS[0].T + BIASES[0], 0) @ WEIGHTS[1].T + BIASES[1]) * RANGES[3] + MEANS[3]
    np.testing.assert_allclose(network(points), wanted, rtol=1e-12)
    assert any("not clipped" in line for line in network.log)


def test_the_normalisation_is_folded_in_rationals_and_rounded_once(tmp_path: Path) -> None:
    """Every weight is the double nearest to what the decimals of the file give; the log says how far it is."""
    path = tmp_path / "net.nnet"
    path.write_text(written(WEIGHTS, BIASES, MEANS, RANGES))
    network = load(path)
    means, ranges = ([F(repr(v)) for v in row] for row in (MEANS, RANGES))
    first = [[F(repr(w)) / r for w, r in zip(row, ranges[:3], strict=True)] for row in WEIGHTS[0].tolist()]
    shift = [F(repr(b)) - sum(w * m for w, m in zip(row, means[:3], strict=True)) for row, b in zip(first, BIASES[0].tolist(), strict=True)]
    last = [[F(repr(w)) * ranges[3] for w in row] for row in WEIGHTS[1].tolist()]
    end = [F(repr(b)) * ranges[3] + means[3] for b in BIASES[1].tolist()]
    affine = network.layers[0].affine
    found = [*affine.terms[0][1].ravel(), *affine.bias, *network.output.terms[0][1].ravel(), *network.output.bias]
    exact = [*itertools.chain(*first), *shift, *itertools.chain(*last), *end]
    assert [float(v) for v in exact] == found
    said = next(float(line.split("at most ")[1].split(";")[0]) for line in network.log if "nearest double" in line)
    assert 0 < max(abs(F(v) / e - 1) for v, e in zip(found, exact, strict=True)) <= F(said) <= F(2) ** -53 * F(11, 10)


@pytest.mark.parametrize("decimal", ["1e-99999999999", "1e-400", "0e999999999", "1_0", "0x1"])
def test_odd_decimals_are_their_doubles_or_refused(decimal: str, tmp_path: Path) -> None:
    path = tmp_path / "net.nnet"
    path.write_text(f"1,1,1,1,\n1,1,\n0,\n-1.0,\n1.0,\n0.0,0.0,\n1.0,1.0,\n{decimal},\n0.0,\n")
    try:
        wanted = float(decimal)
    except ValueError:
        with pytest.raises(ModelError, match="something else than numbers"):
            load(path)
        return
    assert load(path).output.terms[0][1][0, 0] == wanted


def test_without_normalisation_weights_are_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "net.nnet"
    path.write_text(written(WEIGHTS, BIASES, [0.0] * 4, [1.0] * 4))
    network = load(path)
    np.testing.assert_array_equal(network.layers[0].affine.terms[0][1], WEIGHTS[0])
    np.testing.assert_array_equal(network.output.bias, BIASES[1])


def test_damaged_nnet_files_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "net.nnet"
    whole = written(WEIGHTS, BIASES, MEANS, RANGES)
    lines = whole.splitlines()
    for keep in range(1, len(lines)):
        path.write_text("\n".join(lines[:keep]))
        with pytest.raises(ModelError, match=r"net\.nnet: .*(truncated|damaged)"):
            load(path)
    for old, new, wording in (("2,3,2,4", "2,x,2,4", "something else than numbers"), ("3,4,2,", "5,4,2,", "do not fit"), ("373.9", "0.0", "zero")):
        path.write_text(whole.replace(old, new))
        with pytest.raises(ModelError, match=wording):
            load(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="plain text"):
        load(path)
    path.write_text(whole)
    with pytest.raises(ModelError, match="takes 3 inputs"):
        load(path, input_shape=(5,))


def test_compressed_models_are_read(tmp_path: Path) -> None:
    plain = load(DATA / "moons2d.onnx")
    path = tmp_path / "net.onnx.gz"
    path.write_bytes(gzip.compress((DATA / "moons2d.onnx").read_bytes()))
    found = load(path)
    assert found.neurons == plain.neurons
    np.testing.assert_array_equal(found.layers[0].affine.terms[0][1], plain.layers[0].affine.terms[0][1])
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match=r"net\.onnx\.gz: not a gzip file, or truncated"):
        load(path)


@pytest.mark.parametrize("suffix", ["h5", "keras", "pb", "tflite"])
def test_other_programs_formats_say_how_to_export(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"net\.{suffix}: .*are not read; export it to ONNX: .*"):
        load(tmp_path / f"net.{suffix}")


def square() -> nn.Module:
    """Layers that fit in any order."""
    return nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))


def test_safetensors_are_state_dicts_without_an_order(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    module = square()
    path = tmp_path / "net.safetensors"
    save_file(module.state_dict(), path)
    network = load(path, arch=square)
    affines = [*(layer.affine for layer in network.layers), network.output]
    for affine, layer in zip(affines, module[::2], strict=True):
        np.testing.assert_array_equal(affine.terms[0][1], layer.weight.detach().double().numpy())
    with pytest.raises(ModelError, match=r"net\.safetensors: .*--arch"):
        load(path)
    with pytest.raises(ModelError, match=r"net\.safetensors: a \.safetensors file does not keep the order of its layers"):
        load(path, activation="relu")
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ModelError, match=r"net\.safetensors: the file is truncated, damaged or no \.safetensors file"):
        load(path, arch=square)
