"""`.npz` models, and what every model file can have wrong before its format matters."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polylc.errors import ModelError
from polylc.readers import load as readers

SOUND = {"W0": np.array([[1.0, -2.0], [0.5, 1.0], [0.0, 3.0]]), "b0": np.array([0.0, -1.0, 2.0]), "W1": np.array([[1.0, 1.0, -1.0]])}


def saved(tmp_path: Path, arrays: dict[str, Any], name: str = "net.npz") -> Path:
    path = tmp_path / name
    np.savez(path, **arrays)
    return path


def test_chain_with_relu(tmp_path: Path) -> None:
    extra = {"lo": np.zeros(2), "centers": np.zeros((3, 2)), "labels": np.zeros(3), "note": np.zeros(1)}
    path = saved(tmp_path, SOUND | extra)
    network = readers.load(str(path))
    x = np.random.default_rng(0).standard_normal((20, 2))
    assert np.abs(network(x) - np.maximum(x @ SOUND["W0"].T + SOUND["b0"], 0) @ SOUND["W1"].T).max() < 1e-14
    assert network.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert network.log == ("arrays that are no part of a model ignored: note",)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8, np.uint64])
def test_numbers_of_any_real_format(tmp_path: Path, dtype: type) -> None:
    weight = np.array([[1, 2]], dtype=dtype)
    assert (readers.load(saved(tmp_path, {"W0": weight})).output.terms[0][1] == [[1.0, 2.0]]).all()


@pytest.mark.parametrize(
    ("change", "wording"),
    [
        ({"W1": np.ones((1, 4))}, "W1 takes 4 inputs but W0 gives 3 outputs"),
        ({"b0": np.ones(2)}, r"b0 has shape \(2,\), but W0 has 3 rows"),
        ({"b0": np.ones((3, 1))}, r"b0 has shape \(3, 1\), but W0 has 3 rows"),
        ({"W0": np.ones(3)}, r"W0 has shape \(3,\); a weight needs shape \(out, in\)"),
        ({"W3": np.ones((1, 1))}, r"there is no array W2 \(found W0, W1, W3, b0\)"),
        ({"b2": np.ones(1)}, "there is no array W2"),
        ({"W1": np.array([[1.0, np.nan, 0.0]])}, "W1 contains NaN; polylc needs finite weights"),
        ({"b0": np.array([0.0, np.inf, 0.0])}, "b0 contains infinity; polylc needs finite weights"),
        ({"W0": np.array([["a", "b"]])}, "W0 holds <U1 values, not real numbers; save weights as floating point"),
        ({"W0": np.ones((3, 2), dtype=complex)}, "W0 holds complex128 values"),
        ({"W0": np.ones((3, 2), dtype=bool)}, "W0 holds bool values"),
        ({"W0": np.full((3, 2), 2**53 + 1)}, "W0 holds int64 values that a double cannot hold exactly"),
        ({"W0": np.full((3, 2), None)}, "W0 holds Python objects, which are not read; save plain numbers"),
        ({"W0": np.full((3, 2), 1, dtype=np.longdouble) + np.finfo(np.longdouble).eps}, "values that a double cannot hold exactly"),
    ],
)
def test_arrays_that_are_refused(tmp_path: Path, change: dict[str, Any], wording: str) -> None:
    with pytest.raises(ModelError, match=rf"net\.npz: {wording}" if not wording.startswith("values") else wording):
        readers.load(saved(tmp_path, SOUND | change))


@pytest.mark.parametrize("index", ["1000000000", "999999999999", "9" * 5000])
def test_numbers_of_arrays_far_beyond_the_others(tmp_path: Path, index: str) -> None:
    with pytest.raises(ModelError, match=r"net\.npz: there is no array W2 \(found W0, W1, W[0-9.]{10,40}, b0\)") as refusal:
        readers.load(saved(tmp_path, SOUND | {f"W{index}": np.ones((1, 1))}))
    assert len(str(refusal.value)) < 300 + len(str(tmp_path))


def test_numbers_that_make_numpy_warn_are_read_in_silence(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    signalling = np.array([[0x7F800001, 0]], dtype=np.uint32).view(np.float32)
    with pytest.raises(ModelError, match="W0 contains NaN"):
        readers.load(saved(tmp_path, {"W0": signalling}))
    assert not recwarn.list


def test_no_model_and_other_input_shapes(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no array W0 \(found centers\); a model is saved as W0, b0, W1, b1"):
        readers.load(saved(tmp_path, {"centers": np.zeros((2, 2))}))
    with pytest.raises(ModelError, match="W0 takes 2 inputs, which an input of shape 1,28,28 does not have"):
        readers.load(saved(tmp_path, SOUND), input_shape=(1, 28, 28))
    assert readers.load(saved(tmp_path, SOUND), input_shape=[1, 2]).inputs == 2


def test_weights_that_overflow_when_folded(tmp_path: Path) -> None:
    assert readers.load(saved(tmp_path, {"W0": np.full((1, 1), 1e308), "W1": np.full((1, 1), 1e308)})).neurons == 1


# ---- any model file --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("suffix", [".npz", ".pt", ".pth", ".onnx"])
def test_missing_empty_and_directories(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    with pytest.raises(ModelError, match=rf"model\{suffix}: there is no such file; check the path"):
        readers.load(path)
    path.touch()
    with pytest.raises(ModelError, match=rf"model\{suffix}: the file is empty"):
        readers.load(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ModelError, match=rf"model\{suffix}: this is a directory; name a file in it"):
        readers.load(path)


@pytest.mark.parametrize(("name", "shown"), [("model.bin", r"\.bin"), ("model", r"\(no suffix\)"), ("model.pt3", r"\.pt3")])
def test_unknown_suffixes(name: str, shown: str) -> None:
    with pytest.raises(
        ModelError, match=rf"{name}: unknown kind of model file {shown}; polylc reads \.pt, \.pth, \.ckpt, \.pt2, \.safetensors, \.onnx"
    ):
        readers.load(name)


def test_truncated_and_other_content(tmp_path: Path) -> None:
    content = saved(tmp_path, SOUND).read_bytes()
    path = tmp_path / "cut.npz"
    for length in range(1, len(content) - 1, 31):
        path.write_bytes(content[:length])
        with pytest.raises(ModelError, match=r"cut\.npz: not an \.npz archive, or truncated; write it with numpy\.savez"):
            readers.load(path)
    damaged = bytearray(content)
    for place in range(0, len(content), 7):
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            readers.load(path)
        except ModelError as refusal:
            assert str(refusal).startswith(f"{path}: ")  # noqa: PT017
        damaged[place] ^= 0xFF


def test_nothing_heavy_is_imported_early() -> None:
    code = "import sys, polylc.readers.npz, polylc.readers.data.points; sys.exit(any(m in sys.modules for m in ('torch', 'onnx', 'numba', 'scipy')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
