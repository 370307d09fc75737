"""Values as bytes, and back: pickles that name nothing but data.

The network stands in a pickle by its name alone. Reading one calls only classes of this package that hold data, and
what numpy, scipy and fractions are made of, so a folder that somebody else wrote can do no more than lie.
"""

from __future__ import annotations

import importlib
import io
import pickle
import zlib
from typing import Any

from polylc.errors import DataError
from polylc.network.form import Network

LEVEL = 1  # of compression: columns of patterns and trees shrink to a third, at the speed of the disk
_OTHERS = {
    "builtins": {"bytearray", "complex", "frozenset", "range", "set", "slice"},
    "collections": {"OrderedDict", "defaultdict", "deque"},
    "fractions": {"Fraction"},
    "numpy": {"dtype", "ndarray"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
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


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, network: Network | None) -> None:
        super().__init__(file, protocol=5)
        self._network = network

    def persistent_id(self, value: Any) -> str | None:
        return "network" if self._network is not None and isinstance(value, Network) and _same(value, self._network) else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, network: Network | None) -> None:
        super().__init__(file)
        self._network = network

    def persistent_load(self, name: Any) -> Network:
        if name != "network" or self._network is None:
            raise DataError("a saved value is damaged: it names what is not there")
        return self._network

    def find_class(self, module: str, name: str) -> Any:
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
    _Pickler(file, network).dump(value)
    return zlib.compress(file.getbuffer(), LEVEL)


def unpack(data: bytes, network: Network | None = None) -> Any:
    """The value again, with `network` in its places.

    Raises
    ------
    DataError
        If it is damaged, or names what is no data.
    """
    try:
        return _Unpickler(io.BytesIO(zlib.decompress(data)), network).load()
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"a saved value is damaged: {' '.join(str(error).split())}") from None
