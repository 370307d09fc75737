"""The user's own code: a Python file with the class of a module (or that class itself), which weights are loaded into.

The file is run. Its folder is on sys.path meanwhile; afterwards sys.path and sys.modules are as they were before, so
that files of one name in two folders stay apart.
"""

from __future__ import annotations

import copy
import importlib.abc
import importlib.util
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from polylc.errors import ModelError, UsageError
from polylc.readers.arrays import check_kind
from polylc.readers.files import first_line, read_file, sha256_of

_FORM = "give FILE.py:NAME, a Python file and the name of a class, a function or a module in it"
_NOT_OWN = ("torch.", "collections.", "builtins.")  # what a pickle means by these is never a class of the user
_WRAPPERS = ("module.", "_orig_mod.")  # left by DataParallel and torch.compile


@dataclass(frozen=True)
class Code:
    """What the user gave for the architecture.

    Attributes
    ----------
    target : object
        An nn.Module, a class of them, or a function that returns one.
    label : str
        What it is called in messages: ``Net of net.py``.
    note : str
        The line for the log: what was run.
    modules : tuple of modules
        Where a pickle may find classes of the user: the file first, then what it imported from its folder.
    """

    target: object
    label: str
    note: str
    modules: tuple[types.ModuleType, ...]

    def classes_for(self, names: Iterable[str]) -> list[tuple[type, str]]:
        """For each name in a pickle that means a class of the user, whatever module it was pickled under, that
        class.
        """
        found = []
        for name in names:
            place, _, plain = name.rpartition(".")
            if name.startswith(_NOT_OWN):
                continue
            holders = sorted(self.modules, key=lambda module: module.__name__ != place)  # stable: the file comes first
            candidates = [_own_class(module, plain) for module in holders]
            if isinstance(self.target, type) and self.target.__name__ == plain:  # a class made inside a function, say
                candidates.append(self.target)
            found += [(candidate, name) for candidate in candidates if candidate is not None][:1]
        return found

    def require_kind(self, module: nn.Module, source: str) -> None:
        """Refuse a whole module that is not of the user's class."""
        kind = self.target if isinstance(self.target, type) else type(self.target) if isinstance(self.target, nn.Module) else nn.Module
        if not isinstance(module, kind):
            raise ModelError(
                f"{source}: it holds a whole {type(module).__name__}, not {self.label}; "
                f"name the class that was saved, or leave --arch out if all its layers are torch's own"
            )

    def with_weights(self, tensors: Mapping[str, torch.Tensor], source: str) -> nn.Module:
        """The module with the weights of a state dict, every one of them and no other.

        Raises
        ------
        ModelError
            If the module cannot be made, or names or shapes differ.
        """
        module = self._module()
        own = module.state_dict()
        tensors = _without_prefix(tensors, own)
        for key, tensor in tensors.items():
            check_kind(tensor, f"{source}: {key}")
            if key in own and own[key].is_floating_point() and not tensor.is_floating_point():
                raise ModelError(f"{source}: {key} holds {str(tensor.dtype).removeprefix('torch.')} values; save weights as floating point")
        try:
            # assigned, not copied: a copy into a module in single precision would round
            missing, unexpected = module.load_state_dict(dict(tensors), strict=False, assign=True)
        except Exception as failure:
            lines = [line.strip() for line in str(failure).splitlines() if "size mismatch" in line]
            raise _unfit(source, self.label, lines[0].rstrip(".") if lines else first_line(failure)) from None
        if missing or unexpected:
            parts = [f"{what} {_listed(keys)}" for what, keys in (("missing", missing), ("unexpected", unexpected)) if keys]
            raise _unfit(source, self.label, "; ".join(parts))
        return module

    def _module(self) -> nn.Module:
        if isinstance(self.target, nn.Module):
            try:
                return copy.deepcopy(self.target)
            except Exception as failure:
                raise ModelError(f"{self.label} cannot be copied ({first_line(failure)}); give its class") from None
        assert callable(self.target)
        try:
            made = self.target()
        except (Exception, SystemExit) as failure:
            raise ModelError(
                f"{self.label} fails when it is called without arguments ({_quoted(failure)}); name a function that takes none and returns the module"
            ) from None
        if not isinstance(made, nn.Module):
            raise ModelError(f"{self.label} returns an object of type {type(made).__name__}; it must return a torch.nn.Module")
        return made


def _own_class(module: types.ModuleType, name: str) -> type | None:
    found = vars(module).get(name)
    return found if isinstance(found, type) and found.__module__ == module.__name__ else None


def _without_prefix(tensors: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """Without what Lightning, DataParallel and torch.compile put before all keys, where the keys fit only so."""
    current = dict(tensors)
    while current and not own.keys() & current.keys():
        first = next(iter(current)).partition(".")[0] + "."
        if not all(key.startswith(first) and len(key) > len(first) for key in current):
            break
        current = {key.removeprefix(first): tensor for key, tensor in current.items()}
    if own.keys() & current.keys():
        return current
    # torch.compile and DataParallel inside: a wrapped part of the module
    plain = {_unwrapped_key(key): tensor for key, tensor in tensors.items()}
    return plain if own.keys() & plain.keys() and len(plain) == len(tensors) else tensors


def _unwrapped_key(key: str) -> str:
    for wrapper in _WRAPPERS:
        key = key.replace(f".{wrapper}", ".").removeprefix(wrapper)
    return key


def _listed(keys: list[str]) -> str:
    return ", ".join(keys[:4]) + (f" and {len(keys) - 4} more" if len(keys) > 4 else "")


def _unfit(source: str, label: str, what: str) -> ModelError:
    return ModelError(f"{source}: its weights do not fit {label}: {what}; name the class that they were saved from")


def _quoted(failure: BaseException) -> str:
    return f"{type(failure).__name__}: {first_line(failure)}"


# ---- where the code comes from -------------------------------------------------------------------------------------
@contextmanager
def opened(arch: object) -> Iterator[Code | None]:
    """The user's code; None if there is none.

    Parameters
    ----------
    arch : str, class, function, nn.Module or None
        ``FILE.py:NAME``, or the object itself.

    Raises
    ------
    UsageError
        If it is none of these.
    ModelError
        If the file cannot be run, or has no such name.
    """
    if arch is None:
        yield None
    elif isinstance(arch, str):
        with _run(arch) as code:
            yield code
    else:
        yield _given(arch)


def _given(arch: object) -> Code:
    if not (isinstance(arch, nn.Module) or callable(arch)):
        raise UsageError(f"arch: an object of type {type(arch).__name__} is no architecture; {_FORM}, or the class, function or module itself")
    kind = type(arch) if isinstance(arch, nn.Module) else arch
    name = getattr(kind, "__qualname__", type(arch).__name__)
    home = sys.modules.get(str(getattr(kind, "__module__", "")))
    return Code(arch, name, f"the user gives the architecture: {name}, from Python", () if home is None else (home,))


@contextmanager
def _run(arch: str) -> Iterator[Code]:
    """Run the user's file, and undo what that does to sys.path and sys.modules."""
    path, _, name = arch.rpartition(":")
    if not path.endswith(".py") or not name.isidentifier():
        raise UsageError(f"--arch: {arch!r} names no code; {_FORM}")
    content = read_file(path, ModelError)
    folder = Path(path).resolve().parent
    paths, before = list(sys.path), set(sys.modules)
    stem = Path(path).stem
    module_name = stem if stem.isidentifier() and stem not in before else f"arch_{stem}".replace(".", "_")
    sys.path.insert(0, str(folder))
    try:
        module = _imported(path, content, module_name)
        target = _named(module, path, name)
        helpers = [sys.modules[other] for other in sorted(set(sys.modules) - before) if _lies_in(folder, other, before)]
        note = f"the user's file {path} was run for {name} (SHA-256 {sha256_of(content)})"
        yield Code(target, f"{name} of {path}", note, (module, *(helper for helper in helpers if helper is not module)))
    finally:
        sys.path[:] = paths
        for other in sorted(set(sys.modules) - before):
            if other == module_name or _lies_in(folder, other, before):
                del sys.modules[other]


def _imported(path: str, content: bytes, name: str) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, path, loader=_Loader(path, content))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as failure:
        raise ModelError(f"{path}: the file cannot be run ({_quoted(failure)}); see that python {path} runs") from None
    return module


class _Loader(importlib.abc.ExecutionLoader):
    """Runs the bytes that were hashed, not whatever the file holds by then; leaves no compiled file behind."""

    def __init__(self, path: str, content: bytes) -> None:
        self.path, self.content = path, content

    def is_package(self, fullname: str) -> bool:
        return False

    def get_filename(self, fullname: str) -> str:
        return self.path

    def get_source(self, fullname: str) -> str:
        return importlib.util.decode_source(self.content)

    def get_code(self, fullname: str) -> types.CodeType:
        return self.source_to_code(self.content, self.path)


def _named(module: types.ModuleType, path: str, name: str) -> object:
    held: dict[str, Any] = vars(module)
    if name not in held:
        own = [key for key, value in held.items() if getattr(value, "__module__", None) == module.__name__ and callable(value)]
        raise ModelError(f"{path}: there is no {name} in it; it has {_listed(own) or 'no class and no function'}")
    target = held[name]
    if not (isinstance(target, nn.Module) or callable(target)):
        raise ModelError(f"{path}: {name} is of type {type(target).__name__}; name an nn.Module class, a function that returns a module, or a module")
    return target


def _lies_in(folder: Path, name: str, before: set[str]) -> bool:
    """Whether a module was imported from the folder of the user's file."""
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None or name.partition(".")[0] in before:
        return False
    whole = folder.joinpath(*name.split("."))
    return Path(file).resolve() in (whole.with_suffix(".py"), whole / "__init__.py")
