"""The judge's door: every column of a chunk is looked at before a kernel sees it.

Kernels index without checks, so a number out of range would be memory, and a wrong bit could pass for an answer. Here
stands everything that they rely on: kinds and shapes of columns, and ranges of nodes, neurons, sides, signs and places.
What the columns then say is for the judge to confirm. A multiplier that is no finite number proves nothing: it is taken
as zero.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from polylc.engines.contract import Chunk
from polylc.errors import JudgeError
from polylc.network.patterns import words


def admit(chunk: Chunk, neurons: int, dimension: int, nodes: int, regions: int, sides: int = 0) -> Chunk:
    """The chunk, if the judge can read it.

    Parameters
    ----------
    chunk : Chunk
    neurons, dimension : int
        Of the network, and of the neighbourhood.
    nodes, regions : int
        How many came before.
    sides : int
        How many numbers below 0 a claim's "neuron" may have: 2 k where claims speak of the sides of a bounding box.

    Raises
    ------
    JudgeError
        If a column has another kind or shape than the contract says, or a number out of range.
    """
    if chunk.first_node != nodes or chunk.first_region != regions:
        raise JudgeError("a chunk of the engine's output was lost")
    count = _length(chunk.leaf, "leaf")
    total = nodes + _length(chunk.parent, "parent")
    for name in ("parent", "neuron", "side"):
        _whole(getattr(chunk, name), name, total - nodes)
    _whole(chunk.leaf, "leaf", count, 0, total)
    _column(chunk.bits, "bits", np.uint64, (count, words(neurons)))
    _column(chunk.unit, "unit", np.float64, (count, dimension))
    if not np.isfinite(chunk.unit).all():
        raise JudgeError("the engine's column unit holds a number that is not finite")
    rest = neurons & 63
    if count and (rest or not neurons) and (chunk.bits[:, -1] >> np.uint64(rest)).any():
        raise JudgeError("the engine's column bits has bits beyond the last neuron")
    claims = chunk.claims
    many, entries = _length(claims.node, "claims.node"), _length(claims.multiplier, "claims.multiplier")
    _whole(claims.node, "claims.node", many, 0, total)
    _whole(claims.neuron, "claims.neuron", many, -sides, neurons)
    _whole(claims.sign, "claims.sign", many, -1, 2)
    _whole(claims.starts, "claims.starts", many + 1, 0, entries + 1)
    if claims.starts[0] != 0 or claims.starts[-1] != entries or (np.diff(claims.starts) < 0).any():
        raise JudgeError("the engine's column claims.starts does not cut its entries into claims")
    _whole(claims.constraint, "claims.constraint", entries, 0, total)
    _column(claims.multiplier, "claims.multiplier", np.float64, (entries,))
    finite = np.isfinite(claims.multiplier)
    if finite.all():
        return chunk
    return replace(chunk, claims=replace(claims, multiplier=np.where(finite, claims.multiplier, 0.0)))


def _length(column: Any, name: str) -> int:
    if not isinstance(column, np.ndarray) or column.ndim != 1:
        raise JudgeError(f"the engine's column {name} is no array with one axis")
    return len(column)


def _column(column: Any, name: str, kind: type, shape: tuple[int, ...]) -> None:
    if not isinstance(column, np.ndarray) or column.dtype != kind or column.shape != shape:
        raise JudgeError(f"the engine's column {name} is not of kind {np.dtype(kind)} and shape {shape}")


def _whole(column: Any, name: str, length: int, low: int | None = None, high: int | None = None) -> None:
    """Signed integers, so many of them, in range(low, high) if that is given."""
    if not isinstance(column, np.ndarray) or column.dtype.kind != "i" or column.shape != (length,):
        raise JudgeError(f"the engine's column {name} does not hold {length} signed integers")
    if low is not None and high is not None and length and not (low <= int(column.min()) and int(column.max()) < high):
        raise JudgeError(f"the engine's column {name} holds a number out of range({low}, {high})")
