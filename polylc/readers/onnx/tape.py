"""What the nodes of a graph do to numbers, one by one: for those who ask how the file's own operators round.

Each node is read twice: in its place, where operators are folded into one another, and by itself, on its arguments as
they come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from polylc.errors import RoundingError
from polylc.network.builder import Builder, Value
from polylc.network.form import Affine, Layer, Network
from polylc.network.weights import Weight, identity
from polylc.readers.onnx.evaluate import rounds
from polylc.readers.onnx.graph import lower_node
from polylc.readers.onnx.node import Node
from polylc.readers.operators.call import Condition


@dataclass(frozen=True)
class Record:
    """A node that depends on the input.

    Attributes
    ----------
    node : Node
        With its settings and constants.
    sources : tuple of str
        Tensors that it reads as data, in order; one that is read twice stands here twice.
    results : tuple of str
        Tensors that it makes; empty for those without a name.
    values : tuple of Value
        These in the network, over layers 1, 2, ... of `Tape.network`.
    folded : bool
        Whether folding the node into those before it rounded.
    """

    node: Node
    sources: tuple[str, ...]
    results: tuple[str, ...]
    values: tuple[Value, ...]
    folded: bool

    @cached_property
    def alone(self) -> tuple[Builder, tuple[Value, ...]]:
        """The node by itself: its layers, and its results over them and over all that it reads, one after the other.

        Raises
        ------
        RoundingError
            If it chooses by data: where rounding turns a comparison round, the sides need not meet.
        """
        if any(isinstance(a, Condition) for a in self.node.arguments):
            raise RoundingError(f"{self.node.name} chooses by a comparison of data, which may come out otherwise where numbers are rounded")
        given = [a for a in self.node.arguments if isinstance(a, Value)]
        total = sum(value.size for value in given)
        builder = Builder(self.node.builder.source, (total,))
        arguments: list[Value | np.ndarray | None] = []
        first = 0
        for argument in self.node.arguments:
            if isinstance(argument, Value):
                arguments.append(Value(argument.shape, ((0, _some(first, argument.size, total)),), np.zeros(argument.size)))
                first += argument.size
            else:
                arguments.append(argument if isinstance(argument, np.ndarray) else None)
        found = lower_node(Node(builder, self.node.proto, self.node.opset, arguments))
        return builder, tuple(one for one in found if isinstance(one, Value))


def _some(first: int, size: int, total: int) -> Weight | None:
    """The matrix that takes so many entries of all."""
    return None if size == total else identity(total)[first : first + size]


@dataclass
class Tape:
    """The nodes of a graph in order, and what was seen on the way.

    Attributes
    ----------
    elements : tuple of str
        Element types of the inputs.
    inputs : list of (str, tuple of int)
        Names and shapes, one after the other the network's inputs.
    wanted : list of str
        Outputs, then hidden tensors; one after the other the network's outputs.
    content : bytes
        The file.
    records : list of Record
    constants : dict
        Those that do not depend on the input.
    doubtful : str
        The first node that computes a constant and may round; empty if there is none.
    """

    elements: tuple[str, ...]
    inputs: list[tuple[str, tuple[int, ...]]]
    wanted: list[str]
    content: bytes = b""
    records: list[Record] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    doubtful: str = ""
    builder: Builder | None = None

    def note(self, node: Node, results: Sequence[object], folded: bool) -> None:
        """Keep what a node did."""
        if not node.depends_on_input:
            arrays = [a if isinstance(a, np.ndarray) else None for a in node.inputs]
            if node.kind in ("DequantizeLinear", "QuantizeLinear") or rounds(node.kind, arrays, results):
                self.doubtful = self.doubtful or node.name
            return
        values = tuple(one for one in results if isinstance(one, Value))
        if len(values) == len(results) and values:
            sources = tuple(name for name, a in zip(node.proto.input, node.inputs, strict=True) if isinstance(a, Value))
            self.records.append(Record(node, sources, tuple(node.proto.output), values, folded))

    @cached_property
    def network(self) -> Network:
        """All layers that were made, those too that the network of the file has no use for."""
        assert self.builder is not None
        layers: tuple[Layer, ...] = tuple(self.builder.layers)
        size = self.builder.inputs
        return Network(size, layers, Affine(((0, identity(size)),), np.zeros(size)), source=self.builder.source)
