"""Units that torch has taken apart into comparisons, put together again.

`ExportedProgram.run_decompositions` writes PReLU, Threshold and Softshrink as a choice between two branches by a
comparison; by themselves these jump.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from polylc.readers.torch.aten import is_aten, plain_name

_aten = torch.ops.aten
Unit = tuple[Any, tuple[Any, ...]]  # an operator and its arguments


def recomposed(graph: fx.Graph) -> fx.Graph:
    """The graph with one step for each such unit, or itself if there is none."""
    units = {node: unit for node in graph.nodes if (unit := _unit(node)) is not None}
    if not units:
        return graph
    result = fx.Graph()
    made: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        if node in units:
            target, args = units[node]
            made[node] = result.create_node("call_function", target, fx.node.map_arg(args, made.__getitem__))
            made[node].meta = dict(node.meta)
        else:
            made[node] = result.node_copy(node, made.__getitem__)
        made[node].name = node.name  # a graph has its own rules for new names
    result.eliminate_dead_code()
    return result


def _unit(node: fx.Node) -> Unit | None:
    """The unit that a choice between two branches is, if it is one."""
    parts = _arguments(node, "where")
    if parts is None or (compared := _compared(parts["condition"])) is None:
        return None
    value, at, is_above = compared
    above, below = (parts["self"], parts["other"]) if is_above else (parts["other"], parts["self"])
    if above is value and at == 0 and (slope := _factor(below, value)) is not None:
        return (_aten._prelu_kernel if isinstance(slope, fx.Node) else _aten.leaky_relu).default, (value, slope)
    if above is value and (constant := _number(below)) is not None:
        return _aten.threshold.default, (value, at, constant)
    inner = _arguments(value, "abs")
    if inner is not None and _is_nearer(above, inner["self"], at) and _factor(below, inner["self"]) == 0:
        return _aten.softshrink.default, (inner["self"], at)
    return None


def _compared(node: object) -> tuple[fx.Node, float, bool] | None:
    """What is compared with which number, and whether the condition holds above it. Where both are equal it does not
    matter, since a unit that jumps there is refused.
    """
    for name in ("gt", "ge", "lt", "le"):
        parts = _arguments(node, name)
        if parts is not None and isinstance(parts["self"], fx.Node) and isinstance(parts["other"], int | float):
            return parts["self"], float(parts["other"]), name.startswith("g")
    return None


def _factor(node: object, value: object) -> object:
    """What the value is multiplied by; None if the node is no product of it."""
    parts = _arguments(node, "mul")
    if parts is None or value not in parts.values():
        return None
    return parts["other"] if parts["self"] is value else parts["self"]


def _is_nearer(node: object, value: object, by: float) -> bool:
    """Whether a node is value - by * sign(value)."""
    parts = _arguments(node, "sub")
    if parts is None or parts["self"] is not value or parts.get("alpha", 1) != 1:
        return False
    signs = [user for user in (value.users if isinstance(value, fx.Node) else ()) if plain_name(user.target) == "sign"]
    return any(_factor(parts["other"], sign) == by for sign in signs)


def _number(node: object) -> float | None:
    parts = _arguments(node, "scalar_tensor")
    return float(parts["s"]) if parts is not None and isinstance(parts["s"], int | float) else None


def _arguments(node: object, name: str) -> dict[str, Any] | None:
    """The arguments of an ATen operator of a certain name, as its schema calls them."""
    if not isinstance(node, fx.Node) or not is_aten(node.target) or plain_name(node.target) != name:
        return None
    target: Any = node.target
    return {**{a.name: given for a, given in zip(target._schema.arguments, node.args, strict=False)}, **node.kwargs}
