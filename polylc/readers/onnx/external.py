"""Weights of an ONNX model that lie in files beside it. A model is somebody else's file: where it points is checked
before anything is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from polylc.errors import ModelError
from polylc.readers.files import read_file, sha256_of, shown

if TYPE_CHECKING:
    import onnx


def load_external(model: onnx.ModelProto, source: str) -> list[str]:
    """Put the weights that a model keeps in files beside it into the model; lines for the log.

    Raises
    ------
    ModelError
        If a location is no regular file inside the model's folder, or does not hold what the model says.
    """
    import onnx

    contents: dict[str, bytes] = {}
    for tensor in _tensors(model.graph):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        where = f"{source}: the weight {shown(tensor.name)!r}"
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        offset, length = (_whole(entries.get(key), f"{where} gives {key}") for key in ("offset", "length"))
        if location not in contents:
            contents[location] = read_file(_inside(location, source, where), ModelError)
        content, needed = contents[location], _bytes_of(tensor, where)
        start = offset or 0
        if length not in (None, needed) or len(content) - start < needed:
            there = max(0, len(content) - start) if length is None else length
            raise ModelError(
                f"{where} takes {needed} bytes, but {shown(location)} has {there} for it; copy both files of the model again, or export it anew"
            )
        tensor.raw_data = content[start : start + needed]
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]
    return [f"weights read from {shown(name)} (sha256 {sha256_of(content)})" for name, content in sorted(contents.items())]


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """The tensors of a graph; those inside If and Loop are not read at all."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _inside(location: str, source: str, where: str) -> Path:
    """The file at a location, which must be a regular one in the model's folder once links are followed."""
    said = f"{where} lies in {shown(location)!r}"
    folder = Path(source).parent.resolve()
    ask = "weights are read only from files in the model's folder; put the file there and export the model anew"
    if not location or Path(location).is_absolute() or "\0" in location:
        raise ModelError(f"{said}, which is no relative path; {ask}")
    try:
        path = (folder / location).resolve()
        if not path.is_relative_to(folder):
            raise ModelError(f"{said}, outside of the model's folder; {ask}")
        if path.exists() and not path.is_file():
            raise ModelError(f"{said}, which is no regular file; {ask}")
    except (OSError, RuntimeError):  # a circle of links, a name too long
        raise ModelError(f"{said}, which is no path of this system; {ask}") from None
    return path if path.exists() else Path(source).parent / location


def _whole(text: str | None, what: str) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ModelError(f"{what} {shown(text)!r}, which is no number of bytes; export the model again")
    return int(text)


def _bytes_of(tensor: onnx.TensorProto, where: str) -> int:
    """How many bytes the entries of a tensor take."""
    import onnx

    known = tensor.data_type in onnx.TensorProto.DataType.values()
    kind = onnx.TensorProto.DataType.Name(tensor.data_type) if known else ""
    if any(d < 0 for d in tensor.dims) or kind in ("", "UNDEFINED", "STRING"):
        raise ModelError(f"{where} has a type or shape that cannot lie in another file; export the model again")
    bits = next((bits for part, bits in _BITS.items() if part in kind), 0) or 8 * onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    entries: int = math.prod(tensor.dims)
    return -(-entries * int(bits) // 8)


# numpy has no type of its own for these
_BITS = {"BFLOAT16": 16, "FLOAT8": 8, "INT4": 4, "FLOAT4": 4, "INT2": 2}
