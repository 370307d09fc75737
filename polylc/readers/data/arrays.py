"""The arrays of binary data files, and which of them holds the points and the labels."""

from __future__ import annotations

import io
import math

import numpy as np

from polylc.errors import DataError, needs
from polylc.readers.files import first_line, quiet

_POINTS = ("centers", "X", "x")
LABELS = ("labels", "y")


def read_arrays(content: bytes, suffix: str, source: str) -> dict[str, np.ndarray | str]:
    """The arrays of a binary data file by name; an unnamed one is called ``the array``. One that cannot be read is a
    reason.
    """
    if suffix == ".npz":
        from polylc.readers.npz import open_npz

        return open_npz(content, source, DataError)
    if suffix == ".npy":
        try:
            with quiet():
                return {"the array": np.load(io.BytesIO(content), allow_pickle=False)}
        except Exception as failure:  # ValueError for objects, nearly anything for mutilated headers
            if "allow_pickle" in str(failure) and content[:6] == b"\x93NUMPY":
                raise DataError(f"{source}: it holds pickled Python objects, which are not read; save plain numbers with numpy.save") from None
            raise DataError(f"{source}: not an .npy file, or truncated ({first_line(failure, 80)}); write it with numpy.save") from None
    needs("torch", "torch", f"{source}: reading {suffix} files")
    from polylc.readers.data.torch_arrays import read_tensors

    return read_tensors(content, source)


def chosen(arrays: dict[str, np.ndarray | str], name: str | None, source: str) -> np.ndarray:
    """The array of points among those of a file."""
    if name is None:
        tables = [key for key, a in arrays.items() if isinstance(a, np.ndarray) and a.ndim >= 2]
        candidates = [key for key in _POINTS if key in arrays] or (list(arrays) if len(arrays) == 1 else tables)
        if not candidates or (len(candidates) > 1 and candidates[0] not in _POINTS):
            raise DataError(f"{source}: which array holds the points? It has {listed(arrays)}; name it centers, X or x")
        name = candidates[0]
    if name not in arrays:
        raise DataError(f"{source}: there is no array {name!r}; it has {listed(arrays)}")
    points = arrays[name]
    if isinstance(points, str):
        raise DataError(f"{source}: {name} {points}; save plain numbers")
    return points


def listed(arrays: dict[str, np.ndarray | str]) -> str:
    return ", ".join(f"{k} {a.shape}" if isinstance(a, np.ndarray) else k for k, a in list(arrays.items())[:8]) or "no arrays"


def numeric(array: np.ndarray, source: str) -> np.ndarray:
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise DataError(f"{source}: the array holds {array.dtype} values, not numbers of at most 64 bits; save it as float64")
    return array


def rows_of(array: np.ndarray, source: str) -> np.ndarray:
    """One row per point: a vector is one row, images are flattened."""
    array = numeric(array, source)
    if array.ndim == 0:
        raise DataError(f"{source}: it holds a single number, not rows of points; save an array of shape (rows, entries)")
    return array.reshape(1, -1) if array.ndim == 1 else array.reshape(len(array), math.prod(array.shape[1:]))


def words_beside(arrays: dict[str, np.ndarray | str], rows: int) -> str | None:
    """The name of an array of the right length that holds words for labels, if there is one."""
    for name in LABELS:
        array = arrays.get(name)
        if isinstance(array, np.ndarray) and array.shape in ((rows,), (rows, 1)) and array.dtype.kind in "USO":
            return name
        if isinstance(array, str):  # words that were saved as Python objects, and why they are not read
            return name
    return None


def labels_beside(arrays: dict[str, np.ndarray | str], rows: int) -> tuple[int, ...] | None:
    """Integer labels in an array of the right length; targets of another kind are no labels."""
    for name in LABELS:
        array = arrays.get(name)
        if isinstance(array, np.ndarray) and array.shape in ((rows,), (rows, 1)) and array.dtype.kind in "biuf":
            flat = array.ravel()
            if np.isfinite(flat).all() and (flat == np.floor(flat)).all():
                return tuple(int(v) for v in flat)
    return None
