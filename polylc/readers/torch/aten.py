"""Calls of ATen, the operators that torch.export writes, brought to the rows of the table.

An ATen operator belongs to the row that has a function or method of its name. Its schema, which torch keeps, says what
its arguments are called; a row finds them under the names that torch's functions have.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from polylc.network.builder import Builder, Value
from polylc.readers.arrays import tensor_float64
from polylc.readers.operators.call import OfOne, Picks
from polylc.readers.operators.row import Operator, Spelling, is_layer
from polylc.readers.supported import OPERATORS
from polylc.readers.torch.calls import Step, TorchCall

ROWS: dict[str, Operator] = {s.name.rpartition(".")[2].rstrip("_"): row for row in OPERATORS for s in row.spellings("torch") if not is_layer(s.name)}
"""The row of an ATen operator by its plain name, without overload and without the stroke of those in place."""

# schemas say `self` where functions say `input`, and shorten a few names
_SCHEMA_NAMES = {"input": "self", "training": "train"}
# arguments that do not change what is computed in real numbers
_WITHOUT_EFFECT = frozenset(
    [
        *("copy", "cudnn_enabled", "device", "dtype", "generator", "half_to_float", "implicit", "layout"),
        *("memory_format", "momentum", "non_blocking", "path", "pin_memory", "stable"),
    ]
)
_FLOATING = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


def is_aten(target: object) -> bool:
    """Whether something is an operator of ATen, and no other code."""
    return isinstance(target, torch._ops.OpOverload) and target.namespace == "aten"


def plain_name(target: object) -> str:
    """``conv2d`` of ``aten.conv2d.padding``; whatever else is called by its own name."""
    if isinstance(target, torch._ops.OpOverload):
        return str(target._schema.name).rpartition("::")[2].rstrip("_")
    return str(getattr(target, "__name__", target))


def may_run(target: object) -> bool:
    """Whether an operation may be carried out on constants: one of the table, of the core of ATen, or one that makes
    tensors, copies or reparametrises them; ATen has others, which read files. Arithmetic on sizes may, too.
    """
    if not isinstance(target, torch._ops.OpOverload):
        return target in _ON_SIZES
    return is_aten(target) and (plain_name(target) in ROWS or plain_name(target) in _MAKERS or torch.Tag.core in target.tags)


_MAKERS = frozenset(
    [
        *("zeros", "ones", "eye", "linspace", "new_zeros", "new_ones", "new_full", "zeros_like", "ones_like", "full_like"),
        *("lift", "tril", "triu"),
        *("_weight_norm", "_weight_norm_interface", "linalg_vector_norm", "mv", "dot", "vdot"),  # reparametrised weights
    ]
)
_ON_SIZES: frozenset[Any] = frozenset(
    [
        *(operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod, operator.neg, operator.getitem),
        *(operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge),
        *(torch.sym_int, torch.sym_max, torch.sym_min, torch.sym_not),
    ]
)


def on_sizes(name: str) -> Callable[..., object] | None:
    """A function of Python that is allowed on sizes, by its dotted name."""
    return next((function for function in _ON_SIZES if f"{function.__module__}.{function.__name__}" == name), None)


def in_doubles(target: Callable[..., object]) -> Callable[..., object]:
    """An operation that makes doubles where it would make other floating numbers, and on this machine's processor."""

    def run(*args: object, **kwargs: object) -> object:
        def widened(argument: object) -> object:
            return torch.float64 if isinstance(argument, torch.dtype) and argument in _FLOATING else argument

        kept = {name: "cpu" if name == "device" else widened(argument) for name, argument in kwargs.items() if name != "pin_memory"}
        result = target(*map(widened, args), **kept)
        if isinstance(result, torch.Tensor) and result.is_floating_point():
            return torch.zeros_like(result, dtype=torch.float64) if "empty" in plain_name(target) else result.double()
        return result

    return run


class AtenCall(OfOne, TorchCall):
    """An operator of ATen applied to values and constants."""

    batched = False

    def __init__(self, builder: Builder, step: Step, target: torch._ops.OpOverload) -> None:
        super().__init__(builder, step.kind, step.name)
        self.step = step
        schema = target._schema.arguments
        given = {**{a.name: argument for a, argument in zip(schema, step.args, strict=False)}, **step.kwargs}
        self.settings: Mapping[str, object] = {a.name: given.get(a.name, a.default_value if a.has_default_value() else None) for a in schema}
        self.changed = {
            a.name for a in schema if a.name in given and (not a.has_default_value() or given[a.name] != a.default_value or _is_tensor(given[a.name]))
        }
        self.asked: set[str] = set()
        self.returns = len(target._schema.returns)

    @property
    def arguments(self) -> Sequence[object]:
        self.asked |= {name for name, argument in self.settings.items() if _is_tensor(argument) or name in ("self", "other")}
        return tuple(self.settings.values())

    def find(self, name: str) -> tuple[bool, object]:
        name = name if name in self.settings else _SCHEMA_NAMES.get(name, name)
        self.asked.add(name)
        return name in self.settings, self.settings.get(name)

    def lowered(self, row: Operator) -> object:
        """What its row makes of it.

        Raises
        ------
        ModelError
            If it has arguments that the row does not look at.
        """
        assert row.lower is not None
        result = row.lower(self)
        if isinstance(wanted := self.settings.get("dtype"), torch.dtype) and wanted not in _FLOATING:
            raise self.not_continuous(f"changes to the format {wanted}")
        for name in sorted(self.changed - self.asked - _WITHOUT_EFFECT):
            raise self.error(f"is called with {name}, which polylc does not read; write it in its plain form")
        return (result, *[None] * (self.returns - 1)) if self.returns > 1 and isinstance(result, Value) else result

    def on(self, values: list[Value], probes: list[torch.Tensor]) -> object:
        raise NotImplementedError  # probes are not of several rows: `run` does it

    def values(self) -> list[Value]:
        return [argument for argument in _flat(list(self.settings.values())) if isinstance(argument, Value)]

    def run(self) -> object:
        self.asked |= set(self.settings)
        values: list[Value] = []
        constants: list[np.ndarray] = []
        resized = self.kind.startswith("upsample")  # torch resizes no whole numbers

        def numbered(argument: object) -> object:
            if isinstance(argument, tuple | list):
                return [numbered(part) for part in argument]
            if isinstance(argument, Value):
                numbers = np.arange(argument.size) + sum(v.size for v in values)
                values.append(argument)
                shape = argument.shape
            elif isinstance(argument, torch.Tensor) and argument.is_floating_point():
                exact = self.float64(argument, "constant")
                numbers = -1 - np.arange(exact.size) - sum(c.size for c in constants)
                constants.append(exact.ravel())
                shape = exact.shape
            else:
                return argument
            tensor = torch.from_numpy(numbers.reshape(shape))
            return tensor.double() if resized else tensor

        args, kwargs = [numbered(a) for a in self.step.args], {name: numbered(a) for name, a in self.step.kwargs.items()}
        try:
            moved: Any = self.step.call(*args, **kwargs)
        except (RuntimeError, TypeError, IndexError, ValueError) as failure:
            shapes = " and ".join(str(value.shape) for value in values)
            raise self.error(
                f"fails on a value of shape {shapes}: {str(failure).splitlines()[0]}; give the input shape it was exported for"
            ) from None
        several = isinstance(moved, tuple | list)
        results = [one for one in (moved if several else (moved,)) if isinstance(one, torch.Tensor)]
        if not results:
            return moved
        if any(one.dtype is not (torch.float64 if resized else torch.int64) for one in results):
            raise self.error("changes the format of numbers, or chooses by the data, which polylc does not read")
        index = tuple(one.numpy().astype(np.int64) for one in results)
        return Picks(values, np.concatenate([np.zeros(0), *constants]), index, several)

    def aligned(self) -> tuple[Value | np.ndarray, Value | np.ndarray]:
        left, right = self.arguments[:2]
        return self.broadcast(self._side(left), self._side(right))

    def _side(self, argument: object) -> Value | np.ndarray:
        if isinstance(argument, Value):
            return argument
        if isinstance(argument, torch.Tensor):
            real = argument if argument.is_complex() else argument.double()
            return tensor_float64(real, f"{self.builder.source}: the constant of {self.name}")
        if isinstance(argument, int | float) and np.isfinite(argument):
            return np.array(float(argument))
        raise self.error(f"combines a value with {argument!r}, which polylc does not read")

    def entries_along(self, axis: int | None) -> int:
        shape = self.value.shape
        if axis is None:  # torch's old rule
            axis = 0 if len(shape) in (0, 1, 3) else 1
        return shape[axis]


def _is_tensor(argument: object) -> bool:
    return any(isinstance(part, Value | torch.Tensor) for part in _flat(argument))


def _flat(argument: Any) -> list[object]:
    if not isinstance(argument, tuple | list):
        return [argument]
    return [leaf for part in argument for leaf in _flat(part)]


SPELLING = Spelling("aten")
"""Stands for the spelling of an ATen operator, which its schema says."""
