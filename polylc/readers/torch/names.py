"""The names of the table of what is supported, as the classes and functions of the torch at hand."""

from __future__ import annotations

import pkgutil
from collections.abc import Hashable

from torch import nn

from polylc.errors import UnsupportedLayerError
from polylc.readers.operators.row import Operator, Spelling, is_layer
from polylc.readers.supported import OPERATORS, unsupported

_METHOD = "torch.Tensor."


def _resolved(name: str) -> Hashable | None:
    """A class or function, a method as its bare name (as torch.fx has it); None where this torch has no such thing."""
    if name.startswith(_METHOD):
        return name.removeprefix(_METHOD)
    try:
        found: Hashable = pkgutil.resolve_name(name)
    except (AttributeError, ImportError):  # older torch lacks a few
        return None
    return found


_BY_TARGET: dict[Hashable, tuple[Operator, Spelling]] = {
    target: (row, spelling)
    for row in OPERATORS
    if row.lower is not None
    for spelling in row.spellings("torch")
    if (target := _resolved(spelling.name)) is not None
}


def look_up(target: object) -> tuple[Operator, Spelling] | None:
    """Row and spelling of a layer's class, a function, or a method by its name; None if it is not read."""
    return _BY_TARGET.get(target) if isinstance(target, Hashable) else None


def known_layers() -> list[type[nn.Module]]:
    """The classes of all layers that the table names, read or refused."""
    names = [spelling.name for row in OPERATORS for spelling in row.spellings("torch") if is_layer(spelling.name)]
    return [found for name in names if isinstance(found := _resolved(name), type) and issubclass(found, nn.Module)]


def require_supported(source: str, layer: nn.Module, place: str) -> None:
    """Refuse an unknown layer before any shape is looked at.

    Raises
    ------
    UnsupportedLayerError
        If polylc does not read the layer, by name and place.
    """
    if _is_quantised(layer):
        raise UnsupportedLayerError(f"{source}: {place} is a quantised {type(layer).__name__}; give the model from before its quantisation")
    if look_up(type(layer)) is None:
        kind = type(layer).__name__
        raise unsupported(source, f"{place} ({kind})", kind, "torch")


def _is_quantised(layer: nn.Module) -> bool:
    return any(f"nn.{kind}" in type(layer).__module__ for kind in ("quantized", "intrinsic.quantized", "quantizable", "qat"))
