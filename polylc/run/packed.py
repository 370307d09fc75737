"""Values as bytes, and back: pickles that name nothing but data.

The network stands in a pickle by its name alone. Reading one calls only classes of this package that hold data, and
what numpy, scipy and fractions are made of, so a folder that somebody else wrote can do no more than lie.
"""

from __future__ import annotations

import copyreg
import importlib
import io
import pickle
import zlib
from typing import Any

import numpy as np

from polylc.errors import DataError
from polylc.network.form import Network

SMALL = 2**15  # bytes, up to which compressing takes longer than writing
_PLAIN = b"P"  # begins what is not compressed, and has a checksum instead; what zlib makes begins with an x
LEVEL = 1  # of compression: columns of patterns and trees shrink to a third, at the speed of the disk
_OTHERS = {
    "builtins": {"bytearray", "complex", "frozenset", "range", "set", "slice"},
    "collections": {"OrderedDict", "defaultdict", "deque"},
    "fractions": {"Fraction"},
    "numpy": {"dtype"},
    "numpy._core.multiarray": {"scalar"},
    "numpy._core.numeric": {"_frombuffer"},
    "numpy.random._pickle": {"__bit_generator_ctor", "__generator_ctor"},
    "numpy.random._pcg64": {"PCG64"},
    "numpy.random.bit_generator": {"SeedSequence"},
    "pathlib": {"Path", "PosixPath", "WindowsPath"},
    "scipy.sparse._csr": {"csr_array", "csr_matrix"},
}
# floors whose classes only hold data: making one writes nothing, reads nothing and runs nothing
_FLOORS = {"bounds", "complex", "domains", "engines", "estimators", "exact", "geometry", "judge", "measures", "network", "proof", "report", "search"}
_MODULES = {"polylc.run.entries"}


def _the_network() -> Network:
    """What stands for the network in a pickle; `_Unpickler` puts in its place what gives it."""
    raise DataError("a saved value is damaged: it names what is not there")


def _pickler(file: io.BytesIO, network: Network | None) -> pickle.Pickler:
    def reduced(value: Network) -> Any:
        return (_the_network, ()) if network is not None and _same(value, network) else value.__reduce_ex__(5)

    # by its type, as persistent_id would be asked of every number
    pickler = pickle.Pickler(file, protocol=5)
    pickler.dispatch_table = copyreg.dispatch_table | {Network: reduced, np.ndarray: _reduced_array}
    return pickler


def _array(shape: int | tuple[int, ...], name: str | np.dtype, content: bytearray) -> np.ndarray:
    """An array of these bytes, which are not taken for pointers."""
    kind = np.dtype(name)
    if kind.hasobject:
        raise DataError("a saved value is damaged: it has objects as bytes")
    return np.ndarray(shape, kind, content)


def _empty(kind: object, shape: tuple[int, ...], letter: bytes) -> np.ndarray:
    """An array that gets its shape and contents later, as numpy has it where it names no bytes."""
    return np.empty(0)


def _reduced_array(array: np.ndarray) -> Any:
    """A small array by its bytes, in half the time that numpy takes."""
    if array.nbytes > SMALL or array.dtype.kind not in "biufc" or not array.flags.c_contiguous:
        return array.__reduce_ex__(5)
    # numbers and names, as types and tuples are objects of their own in a pickle
    return _array, (len(array) if array.ndim == 1 else array.shape, array.dtype.str, bytearray(array.tobytes()))


# numpy.ndarray itself would take any bytes for pointers; where `_reconstruct` names it nobody calls it
_INSTEAD = {
    (__name__, _array.__name__): _array,
    ("numpy", "ndarray"): "ndarray",
    ("numpy._core.multiarray", "_reconstruct"): _empty,
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, network: Network | None) -> None:
        super().__init__(file)
        self._network = network

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == (__name__, _the_network.__name__):
            return _the_network if self._network is None else lambda: self._network
        if (module, name) in _INSTEAD:
            return _INSTEAD[module, name]
        if name in _OTHERS.get(module, ()):
            return super().find_class(module, name)
        if module in _MODULES or (module.startswith("polylc.") and module.split(".")[1] in _FLOORS):
            found = getattr(importlib.import_module(module), name, None)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise DataError(f"a saved value is damaged: it names {module}.{name}, which is no data")


def _same(one: Network, other: Network) -> bool:
    """Whether one network is the other, or came from it through another process."""
    return one is other or (one.whole is None and one.inputs == other.inputs and one.weights_sha256 == other.weights_sha256)


def pack(value: Any, network: Network | None = None) -> bytes:
    """A value as bytes; `network` is not among them."""
    file = io.BytesIO()
    _pickler(file, network).dump(value)
    if file.tell() > SMALL:
        return zlib.compress(file.getbuffer(), LEVEL)
    return b"".join((_PLAIN, zlib.crc32(file.getbuffer()).to_bytes(4, "little"), file.getbuffer()))


def unpack(data: bytes, network: Network | None = None) -> Any:
    """The value again, with `network` in its places.

    Raises
    ------
    DataError
        If it is damaged, or names what is no data.
    """
    try:
        if data[:1] == _PLAIN:
            content = data[5:]
            if zlib.crc32(content).to_bytes(4, "little") != data[1:5]:
                raise DataError("a saved value is damaged: its checksum is another")
        else:
            content = zlib.decompress(data)
        return _Unpickler(io.BytesIO(content), network).load()
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"a saved value is damaged: {' '.join(str(error).split())}") from None
