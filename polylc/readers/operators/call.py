"""One use of an operator in a model, whichever the format: all that a lowering function may ask for."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polylc.errors import ModelError, UnsupportedLayerError
from polylc.network.builder import Builder, Value
from polylc.network.convolutions import Window

_MOST_ENTRIES = 2**25  # of one value


@dataclass(frozen=True)
class Stripped:
    """A value whose softmax was left out; only the end of the model may take it. `kind` and `name` are those of the
    softmax.
    """

    value: Value
    kind: str
    name: str


@dataclass(frozen=True)
class Condition:
    """The outcome of a comparison of data, entry by entry: whether left > right, or if not `above`, left <= right.

    `kind` and `name` are those of the comparison.
    """

    left: Value | np.ndarray
    right: Value | np.ndarray
    above: bool
    kind: str
    name: str


@dataclass(frozen=True)
class Picks:
    """Where each entry of an operator's results comes from, for operators that only pick, repeat, move and join
    entries.

    Attributes
    ----------
    values : list of Value
        Their entries are numbered one value after the other.
    constants : ndarray
        Numbered -1, -2, ...
    index : tuple of ndarray
        The numbers, in the shape of each result.
    several : bool
        Whether the results are a tuple, even of one.
    """

    values: list[Value]
    constants: np.ndarray
    index: tuple[np.ndarray, ...]
    several: bool = False


class Call(ABC):
    """One use of an operator: what is computed so far, the operator's settings, and its place in the model for
    messages.

    Attributes
    ----------
    builder : Builder
        Collects the network.
    kind : str
        The class, function or operator type, such as ``Conv2d`` or ``Gemm``.
    name : str
        Place and kind, as messages and the log name them: ``layer 3 (Conv2d)``.
    opset : int or None
        Version of the ONNX operator set; None for torch.
    batched : bool
        Whether the model's tensors have a batch axis that the shapes of values leave out (modules of torch). Else
        shapes are whole and the batch is one (`OfOne`).
    """

    opset: int | None = None
    batched = False

    def __init__(self, builder: Builder, kind: str, name: str) -> None:
        self.builder = builder
        self.kind = kind
        self.name = name

    # ---- what a format has to answer ---------------------------------------------------------------------------
    @property
    @abstractmethod
    def arguments(self) -> Sequence[object]:
        """The arguments in order: values, constants, None where one is left out."""

    @abstractmethod
    def find(self, name: str) -> tuple[bool, object]:
        """Whether this spelling of the operator has a setting or argument of a name, and what it is here."""

    @abstractmethod
    def float64(self, constant: object, name: str) -> np.ndarray:
        """A constant argument as an array of doubles, without changing a single number."""

    @abstractmethod
    def label(self, name: str) -> str:
        """How messages call an argument, such as ``running mean`` or ``argument 3``."""

    @abstractmethod
    def run(self) -> object:
        """The operator carried out on the numbers of its entries: `Picks`; whatever else the operator gives, such as a
        size, is returned as it is.
        """

    @abstractmethod
    def axes(self, *names: str) -> tuple[int, ...] | None:
        """Axes under a setting or argument, as they are numbered in the value's shape; None if it is left out."""

    @abstractmethod
    def aligned(self) -> tuple[Value | np.ndarray, Value | np.ndarray]:
        """The first two arguments, at least one of them a value, brought to one shape."""

    @abstractmethod
    def image(self, axes: int | None = None) -> Value:
        """The value with channels first, without a batch axis; `axes` is how many must follow, None for any number."""

    @abstractmethod
    def of_image(self, image: Value) -> Value:
        """A result with channels first as the format shapes it."""

    @abstractmethod
    def window(self, kernel: Sequence[int], sizes: Sequence[int]) -> Window:
        """How a window of a certain size slides over an image of a certain size."""

    @abstractmethod
    def entries_along(self, axis: int | None) -> int:
        """Number of entries of the value along an axis, numbered as the model does; 0 for the batch."""

    # ---- what the formats share ----
    @property
    def in_torch(self) -> bool:
        """Whether the operator is one of torch, with torch's rules and defaults."""
        return self.opset is None

    def broadcast(self, left: Value | np.ndarray, right: Value | np.ndarray) -> tuple[Value | np.ndarray, Value | np.ndarray]:
        """Both with the shape that numpy's rules give them; entries of values may be repeated."""
        try:
            shape = np.broadcast_shapes(left.shape, right.shape)
        except ValueError:
            raise self.error(f"combines shapes {show(left.shape)} and {show(right.shape)}, which do not fit") from None
        if math.prod(shape) > _MOST_ENTRIES:
            raise self.error(f"makes a value of {math.prod(shape)} entries, which is too large; polylc is made for small networks")

        def spread(a: Value | np.ndarray) -> Value | np.ndarray:
            if isinstance(a, np.ndarray):
                return np.broadcast_to(a, shape)
            return self.builder.pick([a], np.broadcast_to(np.arange(a.size).reshape(a.shape), shape), np.zeros(0), self.name)

        return spread(left), spread(right)

    # ---- what lowering functions ask ---------------------------------------------------------------------------
    @property
    def value(self) -> Value:
        """The first argument, which has to depend on the input."""
        first = self.arguments[0] if self.arguments else None
        if not isinstance(first, Value):
            raise self.error("has a constant where its input should be; the model is not one that polylc reads")
        return first

    def setting(self, *names: str) -> object:
        """A setting or argument under the first of several names that this spelling of the operator has; None if it has
        none.
        """
        return self.find(self._spelled(names))[1]

    def number(self, *names: str) -> float:
        """A setting that is a number."""
        setting = self.setting(*names)
        if isinstance(setting, np.ndarray) and setting.size == 1:
            setting = setting.item()
        if not isinstance(setting, int | float | np.integer | np.floating):
            raise self.error(f"needs a number as its {names[0].replace('_', ' ')}")
        return float(setting)

    def whole(self, *names: str) -> int:
        """A setting that is a whole number."""
        number = self.number(*names)
        if number != int(number):
            raise self.error(f"needs a whole number as its {names[0].replace('_', ' ')}")
        return int(number)

    def flag(self, *names: str) -> bool:
        """A setting that is on or off; off if it is left out."""
        return self.setting(*names) is not None and bool(self.number(*names))

    def array(self, *names: str) -> np.ndarray | None:
        """A constant argument as doubles, None if it is left out."""
        name = self._spelled(names)
        constant = self.setting(name)
        if constant is None:
            return None
        if isinstance(constant, Value | Stripped):
            raise self.error(f"needs a constant as its {self.label(name)}; weights that depend on the input are not supported")
        return self.float64(constant, name)

    def weight(self, *names: str) -> np.ndarray:
        """A constant argument that must be there, as doubles."""
        array = self.array(*names)
        if array is None:
            raise self.error(f"has no {self.label(self._spelled(names))}; the model is damaged")
        return array

    def _spelled(self, names: Sequence[str]) -> str:
        """The first of several names that this spelling of the operator has."""
        return next((name for name in names if self.find(name)[0]), names[0])

    def error(self, what: str) -> ModelError:
        """An error at this place of the model."""
        return ModelError(f"{self.builder.source}: {self.name} {what}")

    def not_linear(self, what: str) -> UnsupportedLayerError:
        """The error for an operator that acts on the input in a way that is not piecewise linear."""
        return UnsupportedLayerError(f"{self.builder.source}: {self.name} {what}, which is not piecewise linear")

    def not_continuous(self, what: str) -> UnsupportedLayerError:
        """The error for an operator that jumps."""
        return UnsupportedLayerError(f"{self.builder.source}: {self.name} {what}, which is discontinuous")


class OfOne(Call):
    """An operator of a graph whose shapes are whole: the batch of one is the first axis."""

    def axes(self, *names: str) -> tuple[int, ...] | None:
        told = self.setting(*names)
        if told is None:
            return None
        count = len(self.value.shape)
        numbers = [int(a) for a in np.atleast_1d(np.asarray(told))]
        if any(not -count <= a < count for a in numbers):
            raise self.error(f"has the axes {', '.join(map(str, numbers))} on a value of shape {show(self.value.shape)}; the model is damaged")
        return tuple(a % count for a in numbers)

    def image(self, axes: int | None = None) -> Value:
        shape = self.value.shape
        if len(shape) < 2 or shape[0] != 1 or (axes is not None and len(shape) != axes + 2):
            needed = f"it needs one image (1, channels, {_AXES[axes]})" if axes else "its second axis must be the channels"
            raise self.error(f"gets a value of shape {show(shape)}; {needed}")
        return self.builder.reshape(self.value, shape[1:], self.name)

    def of_image(self, image: Value) -> Value:
        return self.builder.reshape(image, (1, *image.shape), self.name)


_AXES = {1: "length", 2: "height, width", 3: "depth, height, width"}


def show(shape: Sequence[int]) -> str:
    """A shape in messages."""
    return "x".join(map(str, shape)) or "()"


def flat(call: Call, value: Value) -> Value:
    """A value as one row of entries."""
    return call.builder.reshape(value, (math.prod(value.shape),), call.name)
