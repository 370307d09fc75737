"""A row of the table of what is supported: an operator, how each format writes it, and what becomes of it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, wraps
from typing import Literal

from polylc.errors import UnsupportedLayerError
from polylc.network.builder import Value
from polylc.readers.operators.call import Call, Condition, Stripped


class Kind(StrEnum):
    """What an operator is to a piecewise linear network."""

    AFFINE = "affine"
    SHAPE = "shape"  # entries are passed on, in whatever shape
    PIECEWISE_LINEAR = "piecewise linear"
    CONDITION = "condition"  # jumps by itself, and is read only for choices that do not
    CONSTANT = "constant"  # known without the input: sizes, and what is computed from them
    STRIPPED = "stripped at the end"
    SMOOTH = "smooth"
    DISCONTINUOUS = "discontinuous"
    NOT_YET = "not yet"  # piecewise linear, and only missing


Format = Literal["onnx", "torch"]

Lowering = Callable[[Call], object]
"""What an operator does: gives a value, a `Stripped` one, or something constant such as a size."""


@dataclass(frozen=True)
class Spelling:
    """A name under which a format knows an operator, with the names of its arguments where they are looked at.

    Attributes
    ----------
    name : str
        An ONNX operator type, or the qualified name of a torch class, function or method.
    arguments : tuple of str
        Names of the arguments (ONNX: inputs, then attributes) in their order.
    defaults : mapping
        Those of arguments that may be left out.
    bare : bool
        Whether no arguments are written down: the operator is taken as it is called.
    """

    name: str
    arguments: tuple[str, ...] = ()
    defaults: Mapping[str, object] = field(default_factory=dict)
    bare: bool = True

    @classmethod
    def parse(cls, text: str) -> Spelling:
        """Read a spelling such as ``torch.clamp(input, min=None, max=None)``, or a name alone.

        Examples
        --------
        >>> Spelling.parse("LeakyRelu(X, alpha=0.01)")
        Spelling(name='LeakyRelu', arguments=('X', 'alpha'), defaults={'alpha': 0.01}, bare=False)
        """
        name, parenthesis, _ = text.partition("(")
        if not parenthesis:
            return cls(name)
        call = ast.parse(text, mode="eval").body
        assert isinstance(call, ast.Call)
        required = tuple(argument.id for argument in call.args if isinstance(argument, ast.Name))
        defaults = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg}
        return cls(name, (*required, *defaults), defaults, bare=False)


@dataclass(frozen=True)
class Operator:
    """One row.

    Attributes
    ----------
    name : str
        As polylc calls the operator.
    kind : Kind
    reads : str
        One line: what is read, and its limits. Empty for operators that are refused.
    onnx : tuple of str
        Spellings of ONNX. Arguments without a default are inputs, the others attributes.
    torch : tuple of str
        Spellings of torch: layers (``torch.nn.X``, their settings are their attributes), functions, methods
        (``torch.Tensor.x``).
    lower : callable, optional
        What the operator does; None if it is refused.
    family : str
        What the list of all that is read calls it; empty if it goes without saying.
    instead : str
        For operators that are refused, what to do; empty for what is said of all of their kind.
    after_softmax : bool
        Whether it may stand between a final softmax and the end of the model, since entries are passed on as they are.
    takes_conditions : bool
        Whether outcomes of comparisons may be among its arguments.
    """

    name: str
    kind: Kind
    reads: str = ""
    onnx: tuple[str, ...] = ()
    torch: tuple[str, ...] = ()
    lower: Lowering | None = None
    family: str = ""
    instead: str = ""
    after_softmax: bool = False
    takes_conditions: bool = False

    def __post_init__(self) -> None:
        if self.lower is not None:
            object.__setattr__(self, "lower", self._listed(self.lower))

    def _listed(self, lower: Lowering) -> Lowering:
        """The same, which puts what it does to values on the builder's list."""

        @wraps(lower)
        def run(call: Call) -> object:
            condition = next((a for a in call.arguments if isinstance(a, Condition)), None)
            if condition is not None and not self.takes_conditions:
                raise UnsupportedLayerError(
                    f"{call.builder.source}: {condition.name} is discontinuous, and {call.name} takes its outcome; "
                    "compare the outputs outside the model, or choose by it between values that meet where it changes"
                )
            begin = len(call.builder.layers)
            result = lower(call)
            value = result.value if isinstance(result, Stripped) else result
            if isinstance(value, Value | tuple):
                call.builder.step(call.name, self.name, value.shape if isinstance(value, Value) else (), begin)
            return result

        return run

    @cached_property
    def _parsed(self) -> dict[Format, tuple[Spelling, ...]]:
        return {"onnx": tuple(map(Spelling.parse, self.onnx)), "torch": tuple(map(Spelling.parse, self.torch))}

    def spellings(self, written: Format) -> tuple[Spelling, ...]:
        """How a format writes it."""
        return self._parsed[written]


def is_layer(name: str) -> bool:
    """Whether a qualified name is that of a torch.nn layer."""
    parts = name.split(".")
    return parts[:2] == ["torch", "nn"] and len(parts) == 3


def not_yet(name: str, onnx: tuple[str, ...] = (), torch: tuple[str, ...] = ()) -> Operator:
    """The row of an operator that is piecewise linear and only missing."""
    return Operator(name, Kind.NOT_YET, onnx=onnx, torch=torch)
