"""`.npz` files: W0, b0, W1, b1, ... with ReLU between the affine maps."""

from __future__ import annotations

import io
import re
import zipfile

import numpy as np

from polylc.errors import ModelError
from polylc.network.builder import Builder
from polylc.network.form import Network
from polylc.readers.arrays import exact_float64
from polylc.readers.files import first_line, quiet, shown

_DATA = frozenset(["lo", "hi", "centers", "X", "x", "y", "labels"])


def from_npz(content: bytes, *, source: str, sha256: str, input_shape: tuple[int, ...] | None = None) -> Network:
    """The network in the bytes of an `.npz` file; W of shape (out, in), a missing b is zero.

    Raises
    ------
    ModelError
        If arrays are missing, misshapen, not numeric or not finite.
    """
    arrays = open_npz(content, source)
    numbered = [re.fullmatch(r"([Wb])(0|[1-9][0-9]*)", name) for name in arrays]
    parts = {(m[1], m[2]) for m in numbered if m}
    count = len({index for _, index in parts})  # as many as these, so a gap leaves out one below; indices stay text
    missing = [index for index in range(count) if ("W", str(index)) not in parts]
    if not count or missing:
        have = ", ".join(map(shown, sorted(arrays)[:8])) or "no arrays"
        raise ModelError(f"{source}: there is no array W{missing[0] if missing else 0} (found {have}); a model is saved as W0, b0, W1, b1, ...")
    ignored = sorted(name for name, m in zip(arrays, numbered, strict=True) if not m and name not in _DATA)
    weights = [_array(arrays, f"W{index}", source) for index in range(count)]
    for index, weight in enumerate(weights):
        if weight.ndim != 2:
            raise ModelError(f"{source}: W{index} has shape {weight.shape}; a weight needs shape (out, in)")
        if index and weight.shape[1] != weights[index - 1].shape[0]:
            raise ModelError(f"{source}: W{index} takes {weight.shape[1]} inputs but W{index - 1} gives {weights[index - 1].shape[0]} outputs")
    inputs = weights[0].shape[1]
    if input_shape is not None and int(np.prod(input_shape)) != inputs:
        raise ModelError(f"{source}: W0 takes {inputs} inputs, which an input of shape {','.join(map(str, input_shape))} does not have")
    builder = Builder(source, (inputs,))
    value = builder.input
    for index, weight in enumerate(weights):
        bias = _array(arrays, f"b{index}", source) if ("b", str(index)) in parts else np.zeros(len(weight))
        if bias.shape != (len(weight),):
            raise ModelError(f"{source}: b{index} has shape {bias.shape}, but W{index} has {len(weight)} rows")
        value = builder.linear(value, weight, bias, f"W{index}")
        builder.step(f"W{index}, b{index}", "Linear", value.shape, len(builder.layers))
        if index < count - 1:
            value = builder.relu(value, f"ReLU {index}")
            builder.step(f"ReLU {index}", "ReLU", value.shape, len(builder.layers) - 1)
    if ignored:
        builder.note(f"arrays that are no part of a model ignored: {', '.join(map(shown, ignored))}")
    return builder.finish(value, sha256)


def open_npz(content: bytes, source: str, error: type[Exception] = ModelError) -> dict[str, np.ndarray | str]:
    """All arrays of an `.npz` file; one that cannot be read is replaced by the reason why.

    Raises
    ------
    `error`
        If the file is no zip archive.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
        opened = np.load(io.BytesIO(content), allow_pickle=False)
    except (zipfile.BadZipFile, ValueError, OSError, EOFError):
        raise error(f"{source}: not an .npz archive, or truncated; write it with numpy.savez") from None
    arrays: dict[str, np.ndarray | str] = {}
    for name in names:
        try:
            with quiet():
                array = opened[name]
            arrays[name] = array if isinstance(array, np.ndarray) else "is no array"
        except ValueError as failure:
            pickled = "pickle" in str(failure).lower()
            arrays[name] = "holds Python objects, which are not read" if pickled else f"cannot be read ({first_line(failure)})"
        except (zipfile.BadZipFile, zipfile.error, KeyError, OSError, EOFError, SyntaxError, TypeError) as failure:
            arrays[name] = f"is damaged ({first_line(failure)})"
        except Exception as failure:  # zlib.error and whatever a mutilated header leads to
            arrays[name] = f"is damaged ({type(failure).__name__})"
    return arrays


def _array(arrays: dict[str, np.ndarray | str], name: str, source: str) -> np.ndarray:
    array = arrays[name]
    if isinstance(array, str):
        raise ModelError(f"{source}: {name} {array}; save plain numbers with numpy.savez")
    return exact_float64(array, f"{source}: {name}")
