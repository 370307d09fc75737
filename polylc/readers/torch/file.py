"""`.pt`, `.pth` and `.ckpt` files: pickled modules, state dicts, and checkpoints that hold one of them.

A pickle can name any function and have it called. Files are read with torch's restricted unpickler and an allow-list of
plain torch.nn layers, and of the classes in the user's own code if the user gives it; a file that names anything else
is refused by that name before any of it runs.
"""

from __future__ import annotations

import io
import pickletools
import re
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from polylc.errors import ModelError, UnsafeModelError, needs
from polylc.network.form import Network
from polylc.readers.files import first_line
from polylc.readers.torch.arch import Code, opened
from polylc.readers.torch.names import known_layers

# Containers and layers that no model of one tensor can have, unpickled only so that the refusal can name them and their
# place.
_OTHERS = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.Embedding, nn.EmbeddingBag, nn.modules.linear.NonDynamicallyQuantizableLinear)
_MODEL_KEYS = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params", "parameters")


# What torch lets any file name; only used to find the name to report in files whose format its safe load does not read.
_HARMLESS = re.compile(
    r"torch\._utils\._rebuild\w+|torch\.nn\.modules\.[\w.]+|torch\.nn\.parameter\.Parameter|torch\.(\w+Storage|storage\.\w+|Size|device|Tensor)"
    r"|torch\.(b?float|u?int|bool|complex)\d*|torch\.serialization\._get_layout|collections\.(OrderedDict|Counter)"
    r"|builtins\.(set|bytearray|complex)|_codecs\.encode"
)


def allowed_classes() -> list[type]:
    """The classes that a pickle may name, beside tensors and plain containers, which torch allows itself."""
    return [nn.Sequential, *known_layers(), *_OTHERS]


def from_torch_file(
    content: bytes, *, source: str, sha256: str, input_shape: tuple[int, ...] | None, arch: object = None, activation: object = None
) -> Network:
    """The network in the bytes of a file of torch.

    Raises
    ------
    UnsafeModelError
        If the pickle names code outside the allow-list.
    ModelError
        If the file is damaged, holds no network, or holds a state dict of which the user says nothing.
    UsageError
        If `arch` or `activation` make no sense.
    """
    from polylc.readers.torch.module import from_module
    from polylc.readers.torch.state_dict import from_chain, parse_activation, refusal

    stated = None if activation is None else parse_activation(activation)
    unordered = source.lower().endswith(".safetensors")
    if unordered and stated is not None:  # a chain in any other order may fit as well
        raise ModelError(
            f"{source}: a .safetensors file does not keep the order of its layers, so --activation cannot say how they are joined; "
            "pass the code of its module: --arch FILE.py:NAME"
        )
    _refuse_other_formats(content, source)
    with opened(arch) as code:
        held = _safe_tensors(content, source) if unordered else _unpickle(content, source, code)
        model = _find_model(held, source)
        if isinstance(model, nn.Module):
            if stated is not None:
                raise ModelError(f"{source}: it holds a whole module, whose activations are in it; leave --activation out")
            if code is not None:
                code.require_kind(model, source)
            network = from_module(model, source=source, sha256=sha256, input_shape=input_shape)
        elif code is not None:
            network = from_module(code.with_weights(model, source), source=source, sha256=sha256, input_shape=input_shape)
        elif stated is not None:
            network = from_chain(model, stated, source=source, sha256=sha256, input_shape=input_shape)
        else:
            raise refusal(model, source)
    said = [line.note for line in (code, stated) if line is not None]
    return replace(network, log=(*said, *network.log), stated=tuple(said))


def _refuse_other_formats(content: bytes, source: str) -> None:
    if content[:2] != b"PK":
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name.split("/", 1)[-1] for name in archive.namelist()]
    except (zipfile.BadZipFile, ValueError, OSError):
        raise ModelError(f"{source}: the file is truncated or damaged; copy or save it again") from None
    if "constants.pkl" in names:
        raise ModelError(f"{source}: this is a TorchScript archive, which polylc does not read; save the nn.Module itself, or export it to ONNX")
    if "serialized_exported_program.json" in names or any(name.startswith("models/") for name in names):
        raise ModelError(f"{source}: this is a program of torch.export.save; give the file the suffix .pt2")
    if "data.pkl" not in names:
        raise ModelError(f"{source}: this zip archive was not written by torch.save; save the model with torch.save(model, path)")


def _safe_tensors(content: bytes, source: str) -> dict[str, torch.Tensor]:
    """The tensors of a `.safetensors` file, a state dict."""
    needs("safetensors", "safetensors", f"{source}: reading .safetensors files")
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        found: dict[str, torch.Tensor] = load(content)
    except SafetensorError as failure:
        raise ModelError(f"{source}: the file is truncated, damaged or no .safetensors file ({first_line(failure, 80)}); copy it again") from None
    return found


def _unpickle(content: bytes, source: str, code: Code | None) -> Any:
    own = [] if code is None else code.classes_for(_globals(content))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with torch.serialization.safe_globals([*allowed_classes(), *own]):
                return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except Exception as failure:  # damaged pickles raise nearly anything
            raise _refusal(failure, content, source, code) from None


def _refusal(failure: Exception, content: bytes, source: str, code: Code | None) -> ModelError:
    """What an unpickler's failure means for the user."""
    foreign = _foreign_name(str(failure), content)
    if foreign and code is not None:
        return UnsafeModelError(
            f"{source}: its pickle names {foreign}, which is neither a layer of torch.nn nor a class of your code ({code.label}), "
            "so nothing of it was run; save the state dict alone with torch.save(model.state_dict(), path) and give that with the same --arch"
        )
    if foreign:
        return UnsafeModelError(
            f"{source}: its pickle names {foreign}, which is not on the list of plain torch.nn layers, so nothing was run; "
            "if that is your own class, pass its code with --arch FILE.py:NAME (in Python polylc.load(..., arch=...)), "
            "export the module with torch.onnx.export, or give it to polylc.load in Python"
        )
    protocol = next((argument for name, argument in _opcodes(content) if name == "PROTO"), 2)
    if protocol > 2:
        return ModelError(f"{source}: it uses pickle protocol {protocol}, too new for a safe load; save it again with torch.save's default protocol")
    if "Only persistent_load of storage is allowed" in str(failure):
        return ModelError(
            f"{source}: it holds a whole module in torch's old file format, too open for a safe load; save it again with torch 1.6 or newer"
        )
    reason = re.sub(r"^Weights only load failed.*", "not a pickle that torch.save writes", first_line(failure))
    if not re.search("[A-Za-z]{3}", reason):  # a KeyError quotes no more than a byte
        reason = "not a pickle that torch.save writes"
    return ModelError(f"{source}: the file is truncated, damaged or not written by torch.save ({reason})")


def _foreign_name(message: str, content: bytes) -> str:
    """The class or function that the unpickler refused, from its message or from the opcodes; nothing is executed."""
    found = re.search(r"(?:GLOBAL|global) ([\w.]+)(?: was not an allowed| whose module)", message)
    names = _globals(content)
    # a file cut in the middle of a name makes the unpickler refuse half a name
    if found and found.group(1).rpartition(".")[2] in (name.rpartition(".")[2] for name in names):
        return found.group(1)
    return next((name.removeprefix("builtins.") for name in names if not _HARMLESS.fullmatch(name)), "")


def _opcodes(content: bytes) -> Iterator[tuple[str, Any]]:
    """Names and arguments of the opcodes of a file's pickles, until they end or are damaged."""
    try:
        if content[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                content = archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))
        stream = io.BytesIO(content)
        while stream.tell() < len(content):  # torch's old file format is several pickles in a row
            for opcode, argument, _ in pickletools.genops(stream):
                yield opcode.name, argument
    except Exception:  # what came before the damage is what would have been run
        return


def _globals(content: bytes) -> list[str]:
    """Every global that a pickle names."""
    names: list[str] = []
    strings, last = ["", ""], ""
    memo: dict[int, str] = {}
    for name, argument in _opcodes(content):
        if name in ("GLOBAL", "INST"):
            names.append(str(argument).replace(" ", ".").replace("__builtin__.", "builtins."))
        elif name == "STACK_GLOBAL":
            names.append(".".join(strings[-2:]))
        elif name == "PROTO":
            memo.clear()
        elif name == "MEMOIZE":
            memo[len(memo)] = last
            continue
        elif name.endswith("GET"):
            last = memo.get(int(argument), "")
            strings.append(last)
            continue
        elif name.endswith("PUT"):
            memo[int(argument)] = last
            continue
        last = argument if isinstance(argument, str) and name.endswith(("UNICODE", "UNICODE8", "STRING")) else ""
        strings += [last] if last else []
    return names


def _find_model(content: Any, source: str) -> Any:
    """The module or state dict in a file's content."""
    found = _models_in(content)
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise ModelError(f"{source}: the checkpoint holds several models ({', '.join(found)}); save the one to analyse by itself")
    if not isinstance(content, dict):
        raise ModelError(f"{source}: it holds a {type(content).__name__}, not a model; save the module with torch.save(model, path)")
    entries = ", ".join(str(key) for key in list(content)[:5]) or "nothing"
    raise ModelError(f"{source}: no model among its entries ({entries}); save the module with torch.save(model, path)")


def _models_in(content: Any, name: str = "", depth: int = 0) -> dict[str, Any]:
    """Every module or state dict in lists and under the usual keys of a checkpoint, by its path."""
    if isinstance(content, nn.Module) or (isinstance(content, dict) and content and all(isinstance(v, torch.Tensor) for v in content.values())):
        return {name: content}
    if depth > 3:
        return {}
    found: dict[str, Any] = {}
    if isinstance(content, list | tuple):
        for index, entry in enumerate(content):
            found |= _models_in(entry, f"{name}[{index}]", depth + 1)
    elif isinstance(content, dict):
        for key in _MODEL_KEYS:
            found |= _models_in(content.get(key), f"{name}.{key}" if name else key, depth + 1)
    return found
