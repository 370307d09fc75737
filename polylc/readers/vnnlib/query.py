"""A query as it stands in its file: networks with their variables, and what must hold of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from polylc.domains.question import Formula


class Kind(StrEnum):
    """What a variable stands for."""

    INPUT = "input"
    HIDDEN = "hidden"
    OUTPUT = "output"


REAL = "real"
"""The element type of a variable whose network is taken over the real numbers."""


@dataclass(frozen=True)
class Variable:
    """A tensor that a query speaks of.

    Attributes
    ----------
    name : str
    kind : Kind
    element : str
        Its element type, as ONNX calls it, or `REAL`.
    shape : tuple of int
        Empty for a scalar.
    first : int
        Number of its first entry among all entries of the query, which are counted in the order of declaration and row
        by row.
    node : str
        Of a hidden variable, the name of the tensor in the ONNX graph.
    apart : bool
        Whether its entries are declared one by one, as VNN-LIB 1.0 has them.
    """

    name: str
    kind: Kind
    element: str
    shape: tuple[int, ...]
    first: int
    node: str = ""
    apart: bool = False

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    def entries(self) -> Iterator[str]:
        """Names of the entries, as the query writes them."""
        if self.apart:
            yield from (f"{self.name}_{i}" for i in range(self.size))
        elif not self.shape:
            yield self.name
        else:
            for place in itertools.product(*map(range, self.shape)):
                yield f"{self.name}[{','.join(map(str, place))}]"


@dataclass(frozen=True)
class Declared:
    """A network that a query declares.

    Attributes
    ----------
    name : str
        Empty in VNN-LIB 1.0, which has one network without a name.
    inputs, hidden, outputs : tuple of Variable
    equal_to : str
        Name of the network that it is; empty if it is one of its own.
    isomorphic_to : str
        Name of a network with the same operators, other weights; empty if there is none.
    """

    name: str
    inputs: tuple[Variable, ...]
    hidden: tuple[Variable, ...]
    outputs: tuple[Variable, ...]
    equal_to: str = ""
    isomorphic_to: str = ""

    @property
    def variables(self) -> tuple[Variable, ...]:
        """All of them, in the order of declaration."""
        return (*self.inputs, *self.hidden, *self.outputs)


@dataclass(frozen=True)
class Query:
    """Networks, and a formula over the entries of their variables.

    Attributes
    ----------
    source : str
        The file.
    sha256 : str
    version : str
        Of VNN-LIB: "1.0" or "2.0".
    networks : tuple of Declared
    formula : Formula
        Its variables are entries, numbered as `Variable.first` says.
    """

    source: str
    sha256: str
    version: str
    networks: tuple[Declared, ...]
    formula: Formula

    @property
    def variables(self) -> tuple[Variable, ...]:
        """All of them, in the order of declaration."""
        return tuple(variable for network in self.networks for variable in network.variables)

    @cached_property
    def entries(self) -> tuple[str, ...]:
        """Names of all entries."""
        return tuple(name for variable in self.variables for name in variable.entries())
