"""Tensors in `.pt` data files: one tensor, or a dict or pair of points and labels."""

from __future__ import annotations

import io
import re
import warnings

import numpy as np
import torch

from polylc.errors import DataError, ModelError
from polylc.readers.arrays import check_kind
from polylc.readers.files import first_line


def read_tensors(content: bytes, source: str) -> dict[str, np.ndarray | str]:
    """The tensors of a file by name, read without running anything; one that cannot be read is replaced by the reason.

    Raises
    ------
    DataError
        If the file is damaged, names code, or holds something else than tensors.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            held = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except Exception as failure:  # damaged pickles raise nearly anything
            foreign = re.search(r"(?:GLOBAL|global) ([\w.]+)", str(failure))
            if foreign:
                raise DataError(f"{source}: its pickle names {foreign.group(1)}, and nothing was run; save plain tensors") from None
            raise DataError(f"{source}: the file is truncated, damaged or not written by torch.save ({first_line(failure, 80)})") from None
    if isinstance(held, torch.Tensor):
        held = {"the array": held}
    elif isinstance(held, tuple | list) and len(held) == 2:
        held = dict(zip(("X", "y"), held, strict=True))
    if not isinstance(held, dict):
        raise DataError(f"{source}: it holds a {type(held).__name__}, not tensors; save a tensor or a dict with X and y")
    tensors = {_ALIASES.get(str(key), str(key)): value for key, value in held.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise DataError(f"{source}: no tensor among its entries ({', '.join(map(str, held))}); save a tensor or a dict with X and y")
    return {name: _array(tensor, f"{source}: {name}") for name, tensor in tensors.items()}


_ALIASES = {"data": "X", "targets": "y", "target": "y"}


def _array(tensor: torch.Tensor, where: str) -> np.ndarray | str:
    try:
        check_kind(tensor, where)
    except ModelError as failure:
        raise DataError(str(failure)) from None
    tensor = tensor.detach().cpu()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    # numpy has no bfloat16; float64 holds every value of the smaller formats
    result: np.ndarray = (tensor.double() if tensor.is_floating_point() else tensor).numpy()
    return result
