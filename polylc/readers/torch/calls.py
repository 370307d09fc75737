"""A layer or a step of a traced module, as lowering functions see it. Shapes leave out the batch axis."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from polylc.network.builder import Builder, Value
from polylc.network.convolutions import Window
from polylc.readers.arrays import tensor_float64
from polylc.readers.operators.call import Call, Picks
from polylc.readers.operators.row import Spelling

# Shape operations run on a batch of this many rows of entry numbers, so that the batch axis is told from the others.
PROBE_ROWS = 3
_OF_FLOATS = ("Upsample", "UpsamplingNearest2d", "interpolate")


@dataclass(frozen=True)
class Step:
    """One call of a traced forward: its kind (``relu``), its name in messages (``step relu_1 (relu)``), what is called
    with what; `target` is the operator itself where `call` is more than that.
    """

    kind: str
    name: str
    call: Callable[..., object]
    args: tuple[object, ...]
    kwargs: Mapping[str, object]
    target: object = None


class TorchCall(Call):
    """What layers and steps have in common."""

    batched = True

    @abstractmethod
    def on(self, values: list[Value], probes: list[torch.Tensor]) -> object:
        """The operation on tensors in place of values."""

    @abstractmethod
    def values(self) -> list[Value]:
        """The values among the arguments, each once."""

    def float64(self, constant: object, name: str) -> np.ndarray:
        if not isinstance(constant, torch.Tensor):
            raise self.error(f"needs a tensor as its {self.label(name)}")
        return tensor_float64(constant, f"{self.builder.source}: the {self.label(name)} of {self.name}")

    def label(self, name: str) -> str:
        return name.replace("_", " ")

    def run(self) -> object:
        values = self.values()
        total = sum(value.size for value in values)
        probes, first = [], 0
        for value in values:
            each = first + torch.arange(value.size).reshape(1, *value.shape)
            probes.append(each + total * torch.arange(PROBE_ROWS).reshape(-1, *([1] * len(value.shape))))
            first += value.size
        if self.kind in _OF_FLOATS:  # torch resizes no whole numbers
            probes = [probe.double() for probe in probes]
        try:
            moved = self.on(values, probes)
        except (RuntimeError, TypeError, IndexError, ValueError) as failure:
            shapes = " and ".join(str(value.shape) for value in values)
            raise self.error(f"fails on a batch of inputs of shape {shapes}: {str(failure).splitlines()[0]}") from None
        if self.kind in _OF_FLOATS and isinstance(moved, torch.Tensor):
            moved = moved.long()
        results = moved if isinstance(moved, tuple | list) else (moved,)
        if not results or not all(isinstance(one, torch.Tensor) for one in results):
            return moved
        if not all(_keeps_batch(one, total) for one in results):
            raise self.error("changes the batch axis, or joins the data with constants; polylc reads only what acts on each input by itself")
        return Picks(values, np.zeros(0), tuple(one[0].numpy() for one in results), isinstance(moved, tuple | list))

    def axes(self, *names: str) -> tuple[int, ...] | None:
        told = self.setting(*names)
        if told is None:
            return None
        numbers = [told] if isinstance(told, int) else list(told) if isinstance(told, tuple | list) else []
        count = len(self.value.shape) + 1
        if not all(isinstance(a, int) and -count <= a < count for a in numbers):
            raise self.error(f"has the axes {told}, which do not fit a batch of values of shape {self.value.shape}")
        if any(a % count == 0 for a in numbers):
            raise self.error("runs over the batch axis; polylc reads only what acts on each input by itself")
        return tuple(a % count - 1 for a in numbers)

    def aligned(self) -> tuple[Value | np.ndarray, Value | np.ndarray]:
        left, right = self.arguments[:2]
        if isinstance(left, Value) and isinstance(right, Value):
            if len(left.shape) != len(right.shape):  # the batch of one would meet another axis of the other
                raise self.error(
                    f"combines values of shapes {left.shape} and {right.shape}, which mixes their batch axes; give them equally many axes"
                )
            return self.broadcast(left, right)
        if isinstance(left, Value):
            return self.broadcast(left, self._constant(right, left))
        assert isinstance(right, Value)
        return self.broadcast(self._constant(left, right), right)

    def _constant(self, constant: object, value: Value) -> np.ndarray:
        """A number or tensor as an array that broadcasts to the value's shape (without the batch axis)."""
        if isinstance(constant, torch.Tensor):
            real = constant if constant.is_complex() else constant.double()
            array = tensor_float64(real, f"{self.builder.source}: the constant of {self.name}")
        elif isinstance(constant, int | float) and np.isfinite(constant):
            array = np.array(float(constant))
        else:
            raise self.error(f"combines a value with {constant!r}, which polylc does not read")
        if array.ndim == len(value.shape) + 1 and array.shape[0] == 1:
            array = array[0]
        if array.ndim > len(value.shape):
            raise self.error(f"combines a value of shape {value.shape} with a constant of shape {array.shape}")
        return array

    def image(self, axes: int | None = None) -> Value:
        return self.value

    def of_image(self, image: Value) -> Value:
        return image

    def window(self, kernel: Sequence[int], sizes: Sequence[int]) -> Window:
        axes = len(kernel)
        stride = self.setting("stride")
        stride = None if stride in ((), []) else stride  # ATen says so that there is none
        dilation = self._each("dilation", axes, 1)
        padding = self.setting("padding")
        if padding == "valid":
            before = after = (0,) * axes
        elif padding == "same":
            # an odd total puts the extra row below and the extra column to the right, as torch does
            total = [dilation[a] * (kernel[a] - 1) for a in range(axes)]
            before = tuple(t // 2 for t in total)
            after = tuple(t - t // 2 for t in total)
        else:
            before = after = self._each("padding", axes, 0)
        return Window(tuple(kernel), tuple(kernel) if stride is None else self._each("stride", axes, 1), before, after, dilation)

    def _each(self, name: str, axes: int, default: int) -> tuple[int, ...]:
        """A setting that torch allows as one number or as one for each axis."""
        setting = self.setting(name)
        if isinstance(setting, tuple | list):
            numbers = tuple(int(s) for s in setting)
            return numbers * axes if len(numbers) == 1 else numbers
        return (default if setting is None else self.whole(name),) * axes

    def entries_along(self, axis: int | None) -> int:
        shape = self.value.shape
        if axis is None:  # torch's old rule: the first axis of a tensor of 1 or 3 axes or none, else the second
            axis = 0 if len(shape) in (0, 2) else 1
        axis = axis + len(shape) + 1 if axis < 0 else axis
        return shape[axis - 1] if 0 < axis <= len(shape) else 0


def _keeps_batch(moved: torch.Tensor, size: int) -> bool:
    """Whether each row of a probe's result is made of that row's entries, and all rows in the same way."""
    if moved.dim() == 0 or moved.shape[0] != PROBE_ROWS:
        return False
    rows = moved.reshape(PROBE_ROWS, -1)
    return (
        not moved.is_floating_point()
        and bool(((rows[0] >= 0) & (rows[0] < size)).all())
        and torch.equal(rows, rows[:1] + size * torch.arange(PROBE_ROWS)[:, None])
    )


class LayerCall(TorchCall):
    """A torch.nn layer applied to a value; its settings are its attributes."""

    def __init__(self, builder: Builder, layer: nn.Module, value: Value, name: str) -> None:
        super().__init__(builder, type(layer).__name__, name)
        self.layer = layer
        self.input = value

    @property
    def arguments(self) -> Sequence[object]:
        return (self.input,)

    def find(self, name: str) -> tuple[bool, object]:
        return (True, getattr(self.layer, name)) if hasattr(self.layer, name) else (False, None)

    def on(self, values: list[Value], probes: list[torch.Tensor]) -> object:
        return self.layer(*probes)

    def values(self) -> list[Value]:
        return [self.input]


class StepCall(TorchCall):
    """A function or method that a module's forward calls, with constants and values for its arguments.

    Raises
    ------
    ModelError
        If it is called with arguments that its spelling does not have.
    """

    def __init__(self, builder: Builder, step: Step, spelling: Spelling) -> None:
        super().__init__(builder, step.kind, step.name)
        self.step = step
        self.settings: dict[str, object] = {}
        if spelling.bare:
            return
        unknown = [name for name in step.kwargs if name not in spelling.arguments]
        if unknown or len(step.args) > len(spelling.arguments):
            extra = ", ".join(unknown) or f"{len(step.args)} arguments"
            raise self.error(f"is called with {extra}, which polylc does not read; write it in its plain form")
        given = {**dict(zip(spelling.arguments, step.args, strict=False)), **step.kwargs}
        self.settings = {name: given[name] if name in given else spelling.defaults.get(name) for name in spelling.arguments}

    @property
    def arguments(self) -> Sequence[object]:
        if self.settings:
            return tuple(self.settings.values())
        # in any order: the value first
        named = sorted(self.step.kwargs.values(), key=lambda argument: not isinstance(argument, Value))
        return (*self.step.args, *named)

    def find(self, name: str) -> tuple[bool, object]:
        return name in self.settings, self.settings.get(name)

    def on(self, values: list[Value], probes: list[torch.Tensor]) -> object:
        def put_in(argument: object) -> object:
            if isinstance(argument, tuple | list):
                return type(argument)(map(put_in, argument)) if type(argument) in (tuple, list) else list(map(put_in, argument))
            return next((p for v, p in zip(values, probes, strict=True) if v is argument), argument)

        return self.step.call(*map(put_in, self.step.args), **{name: put_in(a) for name, a in self.step.kwargs.items()})

    def values(self) -> list[Value]:
        found: list[Value] = []

        def look(argument: object) -> None:
            if isinstance(argument, tuple | list):
                for part in argument:
                    look(part)
            elif isinstance(argument, Value) and not any(argument is v for v in found):
                found.append(argument)

        look([*self.step.args, *self.step.kwargs.values()])
        return found
