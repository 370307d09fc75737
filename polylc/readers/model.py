"""A model with the tensors that a query speaks of: those that go in and come out, and some inside."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polylc.network.form import Network

if TYPE_CHECKING:
    from polylc.readers.onnx.tape import Tape


@dataclass(frozen=True)
class Tensor:
    """A tensor of a model.

    Attributes
    ----------
    name : str
        Empty where the model has no names.
    element : str
        Element type as ONNX calls it, such as float32; empty where it is not known.
    shape : tuple of int
    softmax : str
        Of an output, the operator that was left out after it: "Softmax" or "LogSoftmax", else empty.
    constant : bool
        Whether it does not depend on the input.
    """

    name: str
    element: str
    shape: tuple[int, ...]
    softmax: str = ""
    constant: bool = False

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Model:
    """A network, and how its inputs and outputs are made of a model's tensors.

    Attributes
    ----------
    network : Network
    inputs : tuple of Tensor
        One after the other they are the network's input.
    outputs, hidden : tuple of Tensor
        First the outputs, then the hidden tensors that were asked for, are the network's output.
    operators : tuple of str
        Of the nodes of an ONNX graph, in order; empty for others.
    tape : callable, optional
        Of ONNX files: reads the graph again and gives its nodes one by one.
    """

    network: Network
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    hidden: tuple[Tensor, ...] = ()
    operators: tuple[str, ...] = ()
    tape: Callable[[], Tape] | None = None

    @classmethod
    def plain(cls, network: Network) -> Model:
        """A network with one input and one output, whose element types are not known."""
        shape = network.input_shape or (network.inputs,)
        return cls(network, (Tensor("", "", shape),), (Tensor("", "", (network.outputs,)),))
