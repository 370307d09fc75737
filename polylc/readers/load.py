"""`load`: a model file or a module in memory to the one internal form, by the reader of its kind."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from polylc.errors import ModelError, UsageError, needs
from polylc.network.form import Network
from polylc.readers.files import read_file, sha256_of, unzipped
from polylc.readers.model import Model

Shape = tuple[int, ...] | None


def load(
    model: Any, *, input_shape: Sequence[int] | None = None, arch: Any = None, activation: str | None = None, trust_pickle: bool = False
) -> Network:
    """Read a network from a file, or from a module in memory.

    Parameters
    ----------
    model : str, Path, torch.nn.Module or torch.export.ExportedProgram
        A `.pt`/`.pth`/`.ckpt`, `.pt2`, `.onnx` or `.npz` file, a module, or an exported program.
    input_shape : sequence of int, optional
        Shape of one input without a batch dimension, such as (1, 28, 28); needed where the model itself leaves it open.
    arch : str, class, function or torch.nn.Module, optional
        The architecture of a state dict, or the class of a pickled module: "net.py:Net", whose file is run, or the
        object itself. A class or a function is called without arguments.
    activation : str, optional
        "relu" or "leaky_relu:0.01": what stands between the layers of a state dict that is a chain of Linear layers.
    trust_pickle : bool
        No longer read; pass `arch`.

    Returns
    -------
    Network
        Its log lists every assumption and rewrite made on the way.

    Raises
    ------
    ModelError
        If the model cannot be read; `UnsupportedLayerError` and `UnsafeModelError` are special cases.
    UsageError
        If `input_shape` makes no sense.
    """
    shape = _checked(input_shape)
    if trust_pickle:
        raise UsageError(
            "--trust-pickle is gone: no code is run that only a file names; for a class of your own pass --arch FILE.py:NAME, "
            "in Python polylc.load(..., arch=...)"
        )
    if arch is not None and activation is not None:
        raise UsageError("--arch and --activation exclude each other: the code of a module has its activations; give one of them")
    if isinstance(model, str | Path):
        return _load_file(model, shape, arch, activation)
    torch = sys.modules.get("torch")  # a module in memory means that torch is imported already
    if torch is not None and isinstance(model, torch.nn.Module):
        from polylc.readers.torch.module import from_module

        if arch is not None or activation is not None:
            raise UsageError(f"{_option(arch)} belongs to files; a module in memory has its code and its activations, leave it out")
        return from_module(model, input_shape=shape)
    if torch is not None and "torch.export" in sys.modules and isinstance(model, torch.export.ExportedProgram):
        from polylc.readers.torch.exported import from_exported

        if arch is not None or activation is not None:
            raise UsageError(f"{_option(arch)} belongs to files of weights; an exported program is a whole model, leave it out")
        return from_exported(model, input_shape=shape)
    raise ModelError(f"cannot load a model from a {type(model).__name__}; give the path of a model file, a torch.nn.Module or an ExportedProgram")


def load_model(model: Any, *, hidden: Sequence[str] = (), shapes: Sequence[tuple[int, ...]] = ()) -> Model:
    """Read a model with the tensors that a query may speak of.

    Parameters
    ----------
    model : str, Path, Network or torch.nn.Module
    hidden : sequence of str
        Names of hidden tensors, which only ONNX files have.
    shapes : sequence of tuple of int
        Shapes of the inputs, for files that leave them open.

    Raises
    ------
    ModelError
        As `load`, and if there is no tensor of a name.
    """
    if isinstance(model, str | Path) and ".onnx" in (s.lower() for s in Path(model).suffixes[-2:]):
        from polylc.readers.onnx.tensors import onnx_model

        content = _content(model)
        return onnx_model(content, source=str(model), sha256=sha256_of(content), hidden=hidden, shapes=shapes)
    if hidden:
        raise ModelError(f"{model}: tensors inside a network have names in .onnx files only; export the model to ONNX")
    return Model.plain(as_network(model))


def as_network(model: Any) -> Network:
    """A network as it is, anything else as `load` reads it."""
    return model if isinstance(model, Network) else load(model)


def _load_file(model: str | Path, shape: Shape, arch: Any, activation: str | None) -> Network:
    source = str(model)
    suffix = Path(model).suffix.lower()
    if suffix == ".gz":
        suffix = Path(model).with_suffix("").suffix.lower()
    if suffix in _ELSEWHERE:
        raise ModelError(f"{source}: {_ELSEWHERE[suffix]}")
    if suffix not in _READERS:
        raise ModelError(f"{source}: unknown kind of model file {suffix or '(no suffix)'}; polylc reads {', '.join(_READERS)}")
    if _READERS[suffix] not in (_read_pickle, _read_torch) and (arch is not None or activation is not None):
        raise UsageError(f"{source}: a file of the kind {suffix} says itself what joins its layers; leave {_option(arch)} out")
    content = _content(model)
    return _READERS[suffix](content, source, sha256_of(content), shape, arch, activation)


def _content(model: str | Path) -> bytes:
    """The bytes of a model file, unpacked."""
    content = read_file(model, ModelError)
    return unzipped(content, str(model), ModelError) if str(model).lower().endswith(".gz") else content


_ELSEWHERE = {
    **dict.fromkeys(
        (".h5", ".keras"), "Keras models are not read; export it to ONNX: model.export('model.onnx', format='onnx'), or python -m tf2onnx.convert"
    ),
    ".pb": "TensorFlow graphs are not read; export it to ONNX: python -m tf2onnx.convert --saved-model FOLDER --output model.onnx",
    ".tflite": "TensorFlow Lite models are not read; export it to ONNX: python -m tf2onnx.convert --tflite FILE --output model.onnx",
}


def _option(arch: Any) -> str:
    return "--activation" if arch is None else "--arch"


def _read_pickle(content: bytes, source: str, sha256: str, shape: Shape, arch: Any, activation: str | None) -> Network:
    if arch is None:
        from polylc.readers.torch.plain import from_plain_file

        plain = from_plain_file(content, source=source, sha256=sha256, input_shape=shape, activation=activation)
        if plain is not None:
            return plain
    return _read_torch(content, source, sha256, shape, arch, activation)


def _read_torch(content: bytes, source: str, sha256: str, shape: Shape, arch: Any, activation: str | None) -> Network:
    needs("torch", "torch", f"{source}: reading {Path(source).suffix} files")
    from polylc.readers.torch.file import from_torch_file

    return from_torch_file(content, source=source, sha256=sha256, input_shape=shape, arch=arch, activation=activation)


def _read_exported(content: bytes, source: str, sha256: str, shape: Shape, *_: Any) -> Network:
    needs("torch", "torch", f"{source}: reading .pt2 files")
    from polylc.readers.torch.archive import from_archive

    return from_archive(content, source=source, sha256=sha256, input_shape=shape)


def _read_npz(content: bytes, source: str, sha256: str, shape: Shape, *_: Any) -> Network:
    from polylc.readers.npz import from_npz

    return from_npz(content, source=source, sha256=sha256, input_shape=shape)


def _read_onnx(content: bytes, source: str, sha256: str, shape: Shape, *_: Any) -> Network:
    from polylc.readers.onnx.file import from_onnx

    return from_onnx(content, source=source, sha256=sha256, input_shape=shape)


def _read_nnet(content: bytes, source: str, sha256: str, shape: Shape, *_: Any) -> Network:
    from polylc.readers.nnet import from_nnet

    return from_nnet(content, source=source, sha256=sha256, input_shape=shape)


_READERS: dict[str, Callable[[bytes, str, str, Shape, Any, str | None], Network]] = {
    ".pt": _read_pickle,
    ".pth": _read_pickle,
    ".ckpt": _read_pickle,
    ".pt2": _read_exported,
    ".safetensors": _read_torch,
    ".onnx": _read_onnx,
    ".npz": _read_npz,
    ".nnet": _read_nnet,
}


def _checked(input_shape: Sequence[int] | None) -> Shape:
    if input_shape is None:
        return None
    try:
        shape = tuple(operator.index(d) for d in input_shape)
    except TypeError:
        raise UsageError(f"input shape {input_shape!r}: give whole numbers without a batch dimension, such as (1, 28, 28)") from None
    if not shape or min(shape) < 1 or math.prod(shape) > 2**31:
        raise UsageError(f"input shape {','.join(map(str, shape)) or '(empty)'}: give positive sizes without a batch dimension, such as 1,28,28")
    return shape
