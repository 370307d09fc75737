"""`.pt2` files of torch.export.save, read without running anything that only the file names.

torch.export.load unpickles example inputs and constants, lets sympy evaluate sizes and finds operators by any dotted
name, so a file can have it run code. The graph itself is JSON and the weights are plain bytes; only these are read
here, and operators are looked up in ATen alone. Older torch pickles the tensors, for which there is its restricted
unpickler.
"""

from __future__ import annotations

import io
import json
import operator
import zipfile
from collections.abc import Mapping
from typing import Any

import torch
from torch import fx

from polylc.errors import ModelError, UnsafeModelError
from polylc.network.form import Network
from polylc.readers.files import first_line, shown
from polylc.readers.supported import unsupported
from polylc.readers.torch.aten import on_sizes
from polylc.readers.torch.exported import Program, from_program
from polylc.readers.whole import Declared

_SCHEMA = 8  # the major version that torch 2.6 to 2.13 write


def from_archive(content: bytes, *, source: str, sha256: str, input_shape: tuple[int, ...] | None = None) -> Network:
    """The network in the bytes of a `.pt2` file.

    Parameters
    ----------
    content : bytes
    source, sha256 : str
        Name and hash of the file.
    input_shape : tuple of int, optional
        Shape of one input without the batch dimension, where the file leaves it open.

    Raises
    ------
    UnsafeModelError
        If weights are pickled objects other than plain tensors.
    ModelError
        If the file is damaged, or its graph is none that polylc reads.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            program = _program(archive, source)
    except ModelError:
        raise
    except (zipfile.BadZipFile, OSError):
        raise ModelError(f"{source}: not a file of torch.export.save, or truncated; export or copy it again") from None
    except Exception as failure:  # a damaged file can lack anything
        raise ModelError(f"{source}: the exported program is malformed ({type(failure).__name__}: {first_line(failure)}); export it again") from None
    return from_program(program, source=source, sha256=sha256, input_shape=input_shape)


def _program(archive: zipfile.ZipFile, source: str) -> Program:
    # all files lie in one folder, but for those of torch before 2.8
    files = {name if name.startswith("serialized_") else name.partition("/")[2]: name for name in archive.namelist()}
    models = [name for name in files if name.startswith("models/") and name.endswith(".json")]
    if "serialized_exported_program.json" in files:
        text = archive.read(files["serialized_exported_program.json"])
        known = {**_tensors(archive, files["serialized_constants.pt"], source), **_tensors(archive, files["serialized_state_dict.pt"], source)}
    elif len(models) == 1:
        if "byteorder" in files and archive.read(files["byteorder"]) != b"little":
            raise ModelError(f"{source}: its weights are big-endian, which polylc does not read; export it on another machine")
        text, name = archive.read(files[models[0]]), models[0].removeprefix("models/").removesuffix(".json")
        known = {**_payload(archive, files, "constants", name, source), **_payload(archive, files, "weights", name, source)}
    else:
        raise ModelError(f"{source}: the archive holds {len(models)} exported programs; save one with torch.export.save(program, path)")
    said = json.loads(text)
    version = said["schema_version"]["major"]
    if version != _SCHEMA:
        raise ModelError(
            f"{source}: it is written in version {version} of the format, and polylc reads version {_SCHEMA}; export it with torch 2.6 or newer"
        )
    return _Reader(said["graph_module"], known, source).program()


def _payload(archive: zipfile.ZipFile, files: Mapping[str, str], kind: str, name: str, source: str) -> dict[str, object]:
    """Tensors that are kept as plain bytes, each with its shape, strides and place among them."""
    if f"data/{kind}/{name}.pt" in files:  # torch 2.8
        return _tensors(archive, files[f"data/{kind}/{name}.pt"], source)
    found: dict[str, object] = {}
    config = json.loads(archive.read(files[f"data/{kind}/{name}_{kind}_config.json"]))["config"]
    for key, said in config.items():
        meta = said["tensor_meta"]
        if said["use_pickle"] or meta is None:
            raise UnsafeModelError(
                f"{source}: {shown(key)} is a pickled object, which could run code, so it was not read; export the model with plain tensors"
            )
        kept = archive.read(files[f"data/{kind}/{said['path_name']}"])
        dtype = _scalar_type(meta["dtype"])
        entries = torch.frombuffer(bytearray(kept), dtype=dtype) if kept else torch.empty(0, dtype=dtype)
        sizes, strides = ([_fixed(size) for size in meta[part]] for part in ("sizes", "strides"))
        first = _fixed(meta["storage_offset"])
        last = first + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
        if min([first, *sizes, *strides]) < 0 or (min(sizes, default=1) and last >= len(entries)):
            raise ModelError(f"{source}: {shown(key)} has more entries than the file holds of it; the file is damaged, export it again")
        found[key] = entries.as_strided(sizes, strides, first)
    return found


def _tensors(archive: zipfile.ZipFile, name: str, source: str) -> dict[str, object]:
    """A pickled dictionary of tensors, by torch's restricted unpickler."""
    try:
        held = torch.load(io.BytesIO(archive.read(name)), map_location="cpu", weights_only=True)
    except Exception:  # damaged pickles raise nearly anything
        raise UnsafeModelError(
            f"{source}: {name} holds more than tensors, which could run code, so it was not read; export the model again"
        ) from None
    return dict(held)


def _fixed(size: dict[str, Any]) -> int:
    return int(size["as_int"])


def _scalar_type(number: int) -> torch.dtype:
    if number not in _SCALAR_TYPES:
        raise ValueError(f"format {number} of numbers is not known")
    return _SCALAR_TYPES[number]


# as the format of the file numbers them
_SCALAR_TYPES = {1: torch.uint8, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64, 12: torch.bool}
_SCALAR_TYPES |= {6: torch.float16, 7: torch.float32, 8: torch.float64, 13: torch.bfloat16}
_SCALAR_TYPES |= {9: torch.complex32, 10: torch.complex64, 11: torch.complex128}


class _Reader:
    """Builds a torch.fx graph out of what a file says."""

    def __init__(self, module: dict[str, Any], known: Mapping[str, object], source: str) -> None:
        self.said, self.signature, self.source = module["graph"], module["signature"], source
        self.tensors = known
        self.graph = fx.Graph()
        self.nodes: dict[str, fx.Node] = {}

    def program(self) -> Program:
        inputs: dict[str, Declared] = {}
        constants: dict[str, object] = {}
        for spec in self.signature["input_specs"]:
            ((kind, said),) = spec.items()
            if kind == "user_input" and "as_tensor" in said["arg"]:
                name = said["arg"]["as_tensor"]["name"]
                inputs[self.placeholder(name)] = [size.get("as_int") for size in self.said["tensor_values"][name]["sizes"]]
            elif kind in _KEPT:
                constants[self.placeholder(said["arg"]["name"])] = self.tensors.get(said[_KEPT[kind]])
            elif kind == "constant_input":
                constants[self.placeholder(said["name"])] = next(iter(said["value"].values()))
            else:
                raise ModelError(f"{self.source}: the program takes {kind.replace('_', ' ')} that is no tensor; export a module of tensors alone")
        for node in self.said["nodes"]:
            self.add(node)
        self.graph.output(tuple(self.argument(one) for one in self.said["outputs"]))
        chosen = [index for index, spec in enumerate(self.signature["output_specs"]) if "user_output" in spec]
        return Program(self.graph, inputs, constants, chosen)

    def placeholder(self, name: str) -> str:
        """A placeholder of a name in the file; its name in the graph, which has its own rules."""
        self.nodes[name] = self.graph.create_node("placeholder", name, name=name)
        return self.nodes[name].name

    def add(self, said: dict[str, Any]) -> None:
        """One operator, and a step for each of its results where it has several."""
        target = self.target(str(said["target"]), said)
        results = [one for output in said["outputs"] for one in _named(output)]
        several = len(results) > 1 or "as_tensors" in (said["outputs"] or [{}])[0]
        # sizes are computed by functions of Python, whose arguments have no names
        of_aten = isinstance(target, torch._ops.OpOverload)
        args = () if of_aten else tuple(self.argument(one["arg"]) for one in said["inputs"])
        kwargs = {one["name"]: self.argument(one["arg"]) for one in said["inputs"]} if of_aten else {}
        name = said.get("name") or (f"{results[0]}_all" if several else results[0] if results else None)
        node = self.graph.create_node("call_function", target, args, kwargs, name=name)
        node.meta["stack_trace"] = str(said["metadata"].get("stack_trace", ""))
        if not several:
            self.nodes |= dict.fromkeys(results, node)
            return
        for index, one in enumerate(results):
            if one:
                self.nodes[one] = self.graph.create_node("call_function", _GET, (node, index), name=one)

    def target(self, name: str, said: dict[str, Any]) -> Any:
        """The operator of a dotted name, of ATen or of those on sizes; no other name is followed."""
        if name.startswith("torch.ops.aten.") and name.count(".") == 4:
            packet, overload = name.split(".")[3:]
            found = getattr(getattr(torch.ops.aten, packet, None), overload, None)
            if isinstance(found, torch._ops.OpOverload):
                return found
        if (found := on_sizes(name)) is not None:
            return found
        raise unsupported(self.source, f"step {shown(str(said.get('name')))} ({shown(name)})", name.removeprefix("torch.ops."), "torch")

    def argument(self, said: dict[str, Any]) -> Any:
        """An argument of an operator."""
        ((kind, what),) = said.items()
        if kind == "as_none":
            return None
        if kind in ("as_tensor", "as_sym_int", "as_sym_bool", "as_sym_float", "as_optional_tensor"):
            return self.reference(what)
        if kind in ("as_tensors", "as_sym_ints", "as_sym_bools", "as_sym_floats", "as_optional_tensors"):
            return [self.reference(one) for one in what]
        if kind == "as_nested_tensors":
            return [[self.reference(one) for one in part] for part in what]
        if kind in ("as_int", "as_ints", "as_bool", "as_bools", "as_string", "as_strings", "as_int_lists"):
            return what
        if kind == "as_float":
            return float(what)
        if kind == "as_floats":
            return [float(one) for one in what]
        if kind == "as_scalar_type":
            return _scalar_type(what)
        if kind in _PLAIN:  # how a tensor lies in memory is no matter
            return _PLAIN[kind]
        raise ModelError(f"{self.source}: an operator of it has an argument of the kind {shown(kind)}, which polylc does not read")

    def reference(self, said: Any) -> Any:
        """What an argument names, or a number in its place."""
        ((kind, what),) = said.items()
        if kind == "as_none":
            return None
        if kind == "as_tensor":
            return self.reference(what)
        return self.nodes[what] if kind in ("name", "as_name") else what


_GET = operator.getitem
_KEPT = {"parameter": "parameter_name", "buffer": "buffer_name", "tensor_constant": "tensor_constant_name"}
_PLAIN = {"as_device": torch.device("cpu"), "as_layout": torch.strided, "as_memory_format": torch.contiguous_format}


def _named(output: dict[str, Any]) -> list[str]:
    """The names of an operator's results; empty for one that is left out."""
    ((kind, what),) = output.items()
    if kind == "as_none":
        return [""]
    parts = what if isinstance(what, list) else [what]
    return [str(part.get("name", part.get("as_name", ""))) for part in parts]
