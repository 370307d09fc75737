"""Files of torch.save as data: what the pickle says, and the numbers beside it. Nothing that it names is imported, made
or called, so that no torch is needed and no harm can come of it.

Only what torch.save writes for modules and state dicts of its own is understood: plain containers, numbers, text,
dense tensors in three floating formats, and objects with a dictionary for their state. All else is `NotPlainError`,
for torch's own restricted unpickler to read or refuse.
"""

from __future__ import annotations

import io
import math
import pickletools
import re
import struct
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided


class NotPlainError(Exception):
    """The file holds something that is not understood here."""


@dataclass(frozen=True)
class _Name:
    """A class or function that the pickle names: ``torch.nn.modules.linear.Linear``."""

    text: str


@dataclass(eq=False)
class Thing:
    """An object of a class that the pickle names, and its attributes."""

    kind: str
    state: dict[str, Any] | None = None


def saved(content: bytes) -> object:
    """What torch.save has written: containers, `Thing` objects, and arrays for tensors.

    Raises
    ------
    NotPlainError
        If anything in the file is not of the few kinds above, or the file is damaged.
    """
    try:
        _require_one_archive(content)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _Pickle(_Archive(archive)).read()
    except NotPlainError:
        raise
    except Exception as failure:  # a damaged file can fail anywhere
        raise NotPlainError from failure


def _require(plain: bool) -> None:
    if not plain:
        raise NotPlainError


_ENTRIES = re.compile(r"data\.pkl|byteorder|version|\.format_version|\.storage_alignment|\.data/serialization_id|data/\d{1,9}")
_FLAGS = 0x808  # sizes behind the numbers as well, names in UTF-8
_VERSION = b"3\n"  # of the format, since torch 1.6


def _require_one_archive(content: bytes) -> None:
    """Refuse what readers of zip archives may take for different archives: the list of entries has to end where its end
    is told, and to begin where that says, with nothing before the first entry or behind the last.
    """
    _require(content[:4] == b"PK\3\4" and len(content) >= 22 and content[-22:-18] == b"PK\5\6" and content[-2:] == b"\0\0")
    size, first = struct.unpack("<2L", content[-10:-2])
    end = len(content) - 22
    if content[end - 20 : end - 16] == b"PK\6\7":  # torch writes the same once more, with places of 64 bits
        end -= 20
        (place,) = struct.unpack("<Q", content[end + 8 : end + 16])
        end -= 56
        _require(place == end and content[end : end + 12] == b"PK\6\6" + struct.pack("<Q", 44))
        long_size, long_first = struct.unpack("<2Q", content[end + 40 : end + 56])
        _require(size in (long_size, 2**32 - 1) and first in (long_first, 2**32 - 1))
        size, first = long_size, long_first
    _require(first + size == end)
    while first < end:
        first = _require_plain_entry(content, first)
    _require(first == end)


def _require_plain_entry(content: bytes, at: int) -> int:
    """Refuse an entry of the list whose sizes or whose place could be read in two ways; where the next one begins.

    A number of 32 bits that is all ones stands for one of 64 bits among the additions, in the same order.
    """
    fields = struct.unpack("<4s6H3L5H2L", content[at : at + 46])
    signature, flags, method, sizes, lengths = fields[0], fields[3], fields[4], fields[8:10], fields[10:13]
    disk, attributes, place = fields[13], fields[15], fields[16]
    _require(signature == b"PK\1\2" and not flags & ~_FLAGS and method == zipfile.ZIP_STORED and disk == 0 and lengths[2] == 0)
    _require(not attributes & 0xFFFF)  # no folder
    more = content[at + 46 + lengths[0] : at + 46 + lengths[0] + lengths[1]]
    long_ones = 0
    while more:
        name, length = struct.unpack("<2H", more[:4])
        if name == 1:
            _require(not long_ones and length > 0)
            long_ones = length
        more = more[4 + length :]
    _require(long_ones == 8 * [*sizes, place].count(2**32 - 1))
    return int(at + 46 + lengths[0] + lengths[1])


class _Archive:
    """The entries of the file: those that torch.save writes, in one folder, nothing twice, nothing compressed."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        folder = names[0].partition("/")[0] + "/"
        _require(len(set(names)) == len(names) and all(name.startswith(folder) for name in names))
        _require(all(_ENTRIES.fullmatch(name.removeprefix(folder)) for name in names))
        _require(all(entry.compress_size == entry.file_size and entry.orig_filename == entry.filename for entry in entries))
        self.archive, self.folder, self.names = archive, folder, set(names)
        _require(self.bytes("version") == _VERSION)
        _require(sys.byteorder == "little" and (not self.has("byteorder") or self.bytes("byteorder") == b"little"))

    def has(self, name: str) -> bool:
        return self.folder + name in self.names

    def bytes(self, name: str) -> bytes:
        return self.archive.read(self.folder + name)


@dataclass(frozen=True)
class _Storage:
    """The numbers behind one or more tensors."""

    numbers: np.ndarray


_FORMATS = {"torch.HalfStorage": np.float16, "torch.FloatStorage": np.float32, "torch.DoubleStorage": np.float64}


class _Pickle:
    """A machine with the opcodes that torch.save uses, on data alone."""

    def __init__(self, archive: _Archive) -> None:
        self.archive = archive
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # stacks under the marks
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, tuple[str, np.ndarray]] = {}  # with the names of their types

    def read(self) -> object:
        for opcode, argument, _ in pickletools.genops(self.archive.bytes("data.pkl")):
            if opcode.name == "STOP":
                break
            if opcode.name in _CONSTANTS:
                self.stack.append(_CONSTANTS[opcode.name]())
            elif opcode.name in _LITERALS:
                self.stack.append(argument)
            elif (step := _STEPS.get(opcode.name)) is not None:
                step(self, argument)
            else:
                raise NotPlainError
        _require(len(self.stack) == 1 and not self.below)
        return self.stack[0]

    def protocol(self, number: int) -> None:
        _require(number == 2)

    def named(self, text: str) -> None:
        module, name = text.split(" ")
        self.stack.append(_Name(f"{module}.{name}"))

    def keep(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def fetch(self, place: int) -> None:
        self.stack.append(self.memo[place])

    def mark(self, _: None) -> None:
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        above, self.stack = self.stack, self.below.pop()
        return above

    def tuple_of(self, count: int) -> None:
        _require(len(self.stack) >= count)
        self.stack[len(self.stack) - count :] = [tuple(self.stack[len(self.stack) - count :])]

    def tuple_since_mark(self, _: None) -> None:
        above = self.since_mark()
        self.stack.append(tuple(above))

    def append(self, _: None) -> None:
        self.extend_by([self.stack.pop()])

    def append_since_mark(self, _: None) -> None:
        self.extend_by(self.since_mark())

    def extend_by(self, more: list[Any]) -> None:
        _require(type(self.stack[-1]) is list)
        self.stack[-1].extend(more)

    def set_item(self, _: None) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.update_by([key, value])

    def set_since_mark(self, _: None) -> None:
        self.update_by(self.since_mark())

    def update_by(self, more: list[Any]) -> None:
        _require(type(self.stack[-1]) in (dict, OrderedDict) and all(type(key) in (str, int) for key in more[::2]))
        self.stack[-1].update(zip(more[::2], more[1::2], strict=True))

    def new_object(self, _: None) -> None:
        arguments, kind = self.stack.pop(), self.stack.pop()
        _require(arguments == () and isinstance(kind, _Name))
        self.stack.append(Thing(kind.text))

    def build(self, _: None) -> None:
        state, last = self.stack.pop(), self.stack[-1]
        _require(type(state) is dict)
        if type(last) is OrderedDict:  # of a state dict: the versions of its layers
            _require(set(state) <= {"_metadata"})
            return
        _require(isinstance(last, Thing) and last.state is None)
        last.state = dict(state)  # as it is now

    def storage(self, _: None) -> None:
        what, kind, key, place, count = self.stack.pop()
        _require(what == "storage" and isinstance(kind, _Name) and kind.text in _FORMATS and isinstance(place, str))
        if key not in self.storages:
            self.storages[key] = kind.text, np.frombuffer(self.archive.bytes(f"data/{key}"), _FORMATS[kind.text])
        first_kind, numbers = self.storages[key]
        _require(first_kind == kind.text and type(count) is int and len(numbers) == count)
        self.stack.append(_Storage(numbers))

    def call(self, _: None) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        _require(isinstance(function, _Name) and type(arguments) is tuple)
        if function.text == "collections.OrderedDict" and not arguments:
            self.stack.append(OrderedDict())
        elif function.text == "__builtin__.set" and arguments == ([],):
            self.stack.append(frozenset())
        elif function.text == "torch._utils._rebuild_tensor_v2":
            self.stack.append(_tensor(*arguments))
        elif function.text == "torch._utils._rebuild_parameter":
            tensor, trained, hooks = arguments
            _require(isinstance(tensor, np.ndarray) and type(trained) is bool and hooks == {})
            self.stack.append(tensor)
        else:
            raise NotPlainError


def _tensor(storage: object, first: int, sizes: tuple[int, ...], strides: tuple[int, ...], trained: object, hooks: object) -> np.ndarray:
    """A view of a storage, which has every entry of it."""
    _require(isinstance(storage, _Storage) and type(trained) is bool and hooks == {})
    _require(type(sizes) is tuple and type(strides) is tuple and len(sizes) == len(strides))
    assert isinstance(storage, _Storage)
    numbers = storage.numbers
    _require(all(type(number) is int and number >= 0 for number in (first, *sizes, *strides)) and math.prod(sizes) <= len(numbers))
    last = first + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    _require(min(sizes, default=1) > 0 and last < len(numbers))
    return as_strided(numbers[first:], sizes, [stride * numbers.itemsize for stride in strides], writeable=False)


_CONSTANTS: dict[str, Callable[[], object]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}
_LITERALS = frozenset(["BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"])
_STEPS: dict[str, Callable[[_Pickle, Any], None]] = {
    "PROTO": _Pickle.protocol,
    "GLOBAL": _Pickle.named,
    "BINPUT": _Pickle.keep,
    "LONG_BINPUT": _Pickle.keep,
    "BINGET": _Pickle.fetch,
    "LONG_BINGET": _Pickle.fetch,
    "MARK": _Pickle.mark,
    "TUPLE": _Pickle.tuple_since_mark,
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "APPEND": _Pickle.append,
    "APPENDS": _Pickle.append_since_mark,
    "SETITEM": _Pickle.set_item,
    "SETITEMS": _Pickle.set_since_mark,
    "NEWOBJ": _Pickle.new_object,
    "BUILD": _Pickle.build,
    "BINPERSID": _Pickle.storage,
    "REDUCE": _Pickle.call,
}
