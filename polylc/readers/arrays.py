"""Weights as they come, in any floating format, turned into float64 without changing a single value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from polylc.errors import ModelError

if TYPE_CHECKING:
    import torch

_MOST_ENTRIES = 2**28  # of one tensor that is expanded or sparse in its file: 2 GB


def exact_float64(array: np.ndarray, where: str) -> np.ndarray:
    """The same numbers as float64.

    Raises
    ------
    ModelError
        If they are not real numbers, not finite, or do not fit; `where` names them, as in ``net.npz: W0``.
    """
    if array.dtype.kind not in "fiu":
        raise ModelError(f"{where} holds {array.dtype} values, not real numbers; save weights as floating point")
    with np.errstate(over="ignore", invalid="ignore"):
        result = array.astype(np.float64)
    if np.isnan(result).any():
        raise ModelError(f"{where} contains NaN; polylc needs finite weights")
    if not np.isfinite(result).all():
        raise ModelError(f"{where} contains infinity; polylc needs finite weights")
    if array.dtype.kind == "f":
        exact = bool((result == array).all())
    else:  # comparing integers with doubles would round them first
        exact = not array.size or max(-int(array.min()), int(array.max())) <= 2**53
    if not exact:
        raise ModelError(f"{where} holds {array.dtype} values that a double cannot hold exactly; save them as float64")
    return result


def tensor_float64(tensor: torch.Tensor | np.ndarray, where: str) -> np.ndarray:
    """The values of a real, dense or sparse, floating tensor as float64; float16, bfloat16 and float32 widen
    exactly.
    """
    if isinstance(tensor, np.ndarray):
        return exact_float64(tensor, where)
    import torch

    check_kind(tensor, where)
    if not tensor.is_floating_point():
        raise ModelError(f"{where} holds {str(tensor.dtype).removeprefix('torch.')} values; save weights as floating point")
    dense = tensor.detach().to_dense() if tensor.layout != torch.strided else tensor.detach()
    return exact_float64(dense.cpu().to(torch.float64).numpy(), where)


def check_kind(tensor: torch.Tensor, where: str) -> None:
    """Refuse tensors whose values are missing or no real numbers: quantised, complex, on the meta device,
    uninitialised; and small ones that stand for more entries than memory holds.
    """
    import torch

    if isinstance(tensor, torch.nn.UninitializedParameter | torch.nn.UninitializedBuffer):
        raise ModelError(f"{where} is not initialised (a lazy layer); run the model once before saving it")
    if tensor.is_quantized:
        raise ModelError(f"{where} is quantised ({tensor.dtype}); save the dequantised model")
    if tensor.is_complex():
        raise ModelError(f"{where} is complex ({tensor.dtype}); polylc needs real weights")
    if tensor.is_meta:
        raise ModelError(f"{where} has no values (meta device); load the weights before saving the model")
    entries, strided = tensor.numel(), tensor.layout == torch.strided
    if entries > _MOST_ENTRIES and not (strided and tensor.untyped_storage().nbytes() >= entries * tensor.element_size()):
        raise ModelError(f"{where} stands for {entries} entries, more than are in the file; polylc keeps every weight, give it a smaller model")
