"""The nodes of an ONNX graph in an order in which they can be computed, whichever order the file has."""

from __future__ import annotations

import heapq
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

from polylc.errors import ModelError
from polylc.readers.files import shown

if TYPE_CHECKING:
    import onnx


def in_order(nodes: Sequence[onnx.NodeProto], given: Container[str], source: str) -> list[onnx.NodeProto]:
    """The nodes, each after all that it reads; what is in order already stays as it is.

    Parameters
    ----------
    nodes : sequence of NodeProto
    given : container of str
        Names that are known without any node: the input and the initializers.
    source : str
        The model, for messages.

    Raises
    ------
    ModelError
        If two nodes compute one name, a node reads what nothing computes, or nodes read each other in a circle.
    """
    maker: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for name in filter(None, node.output):
            if name in given or name in maker:
                other = f"so does {called(nodes[maker[name]])}" if name in maker else "an input or initializer has that name"
                raise ModelError(f"{source}: {called(node)} computes {shown(name)!r}, and {other}; the graph is damaged, export it again")
            maker[name] = index
    waits: list[set[int]] = []
    followers: list[list[int]] = [[] for _ in nodes]
    for index, node in enumerate(nodes):
        for name in filter(None, node.input):
            if name not in given and name not in maker:
                raise ModelError(f"{source}: {called(node)} reads {shown(name)!r}, which nothing computes; the graph is damaged, export it again")
        waits.append({maker[name] for name in node.input if name in maker})
        for before in waits[index]:
            followers[before].append(index)
    ready = [index for index, before in enumerate(waits) if not before]
    order = []
    while ready:
        index = heapq.heappop(ready)
        order.append(nodes[index])
        for follower in followers[index]:
            waits[follower].discard(index)
            if not waits[follower]:
                heapq.heappush(ready, follower)
    if len(order) < len(nodes):
        circle = _circle(waits)
        chain = ", ".join(called(nodes[index]) for index in circle[:4]) + (", ..." if len(circle) > 4 else "")
        raise ModelError(f"{source}: nodes read each other in a circle ({chain}); the graph is damaged, export it again")
    return order


def _circle(waits: Sequence[set[int]]) -> list[int]:
    """Nodes of which each waits for the next, and the last for the first."""
    path: list[int] = []
    index = next(i for i, before in enumerate(waits) if before)
    while index not in path:
        path.append(index)
        index = min(waits[index])
    return path[path.index(index) :]


def called(node: onnx.NodeProto) -> str:
    """How messages name a node."""
    name = node.name or next(iter(node.output), "without a name")
    return f"node {shown(name)} ({shown(node.op_type)})"
