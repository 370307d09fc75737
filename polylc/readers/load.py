"""`load`: a model file or a module in memory to the one internal form, by the reader of its kind."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from polylc.errors import ModelError, UsageError
from polylc.network.form import Network
from polylc.readers.files import read_file, sha256_of

Shape = tuple[int, ...] | None


def load(model: Any, *, input_shape: Sequence[int] | None = None, trust_pickle: bool = False) -> Network:
    """Read a network from a file, or from a module in memory.

    Parameters
    ----------
    model : str, Path or torch.nn.Module
        A `.pt`/`.pth`, `.onnx` or `.npz` file, or a module.
    input_shape : sequence of int, optional
        Shape of one input without a batch dimension, such as (1, 28, 28); needed where the model itself leaves it open.
    trust_pickle : bool
        Allow a `.pt` file to run whatever code its pickle names.

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
    if isinstance(model, str | Path):
        return _load_file(model, shape, trust_pickle)
    torch = sys.modules.get("torch")  # a module in memory means that torch is imported already
    if torch is not None and isinstance(model, torch.nn.Module):
        from polylc.readers.torch.module import from_module

        return from_module(model, input_shape=shape)
    raise ModelError(f"cannot load a model from a {type(model).__name__}; give the path of a model file or a torch.nn.Module")


def as_network(model: Any) -> Network:
    """A network as it is, anything else as `load` reads it."""
    return model if isinstance(model, Network) else load(model)


def _load_file(model: str | Path, shape: Shape, trust_pickle: bool) -> Network:
    source = str(model)
    suffix = Path(model).suffix.lower()
    if suffix not in _READERS:
        raise ModelError(f"{source}: unknown kind of model file {suffix or '(no suffix)'}; polylc reads {', '.join(_READERS)}")
    content = read_file(model, ModelError)
    return _READERS[suffix](content, source, sha256_of(content), shape, trust_pickle)


def _read_torch(content: bytes, source: str, sha256: str, shape: Shape, trust_pickle: bool) -> Network:
    from polylc.readers.torch.file import from_torch_file

    return from_torch_file(content, source=source, sha256=sha256, input_shape=shape, trust_pickle=trust_pickle)


def _read_npz(content: bytes, source: str, sha256: str, shape: Shape, _: bool) -> Network:
    from polylc.readers.npz import from_npz

    return from_npz(content, source=source, sha256=sha256, input_shape=shape)


def _read_onnx(content: bytes, source: str, sha256: str, shape: Shape, _: bool) -> Network:
    from polylc.readers.onnx.file import from_onnx

    return from_onnx(content, source=source, sha256=sha256, input_shape=shape)


_READERS: dict[str, Callable[[bytes, str, str, Shape, bool], Network]] = {
    ".pt": _read_torch,
    ".pth": _read_torch,
    ".onnx": _read_onnx,
    ".npz": _read_npz,
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
