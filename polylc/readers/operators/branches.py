"""Choices by a comparison of data, where the two sides meet: x > 0 ? x : a x, as models write units of their own.

Either both sides are what is compared, which makes a maximum or minimum; or all that is compared and chosen from is a
multiple of one value plus constants, entry by entry. Whether both sides then meet where the condition changes is
decided in rationals, from the factors and constants of the model: so no rounding makes a jump, or hides one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from polylc.network.builder import Value
from polylc.readers.operators.call import Call, Condition, show
from polylc.readers.operators.row import Kind, Operator
from polylc.readers.operators.tournament import larger

Side = Value | np.ndarray
Multiple = tuple[np.ndarray, np.ndarray]  # factors and constants, as Fractions

_ABOVE = frozenset(["Greater", "GreaterOrEqual", "gt", "ge"])


def compare(call: Call) -> Condition:
    """Whether the one is larger than the other; where they are equal both sides of a choice meet, so it is the same."""
    left, right = (argument(call, names) for names in (("input", "A"), ("other", "B")))
    return Condition(left, right, call.kind in _ABOVE, call.kind, call.name)


def turned(call: Call) -> Condition:
    """The opposite of a condition."""
    (condition,) = call.arguments
    if not isinstance(condition, Condition):
        raise call.error("has something else than a condition for its argument; the model is damaged")
    return Condition(condition.left, condition.right, not condition.above, condition.kind, condition.name)


def argument(call: Call, names: tuple[str, str]) -> Side:
    """An argument by its names in torch and in ONNX: a value, or a constant as doubles."""
    given = call.setting(*names)
    if isinstance(given, Value):
        return given
    if isinstance(given, int | float):
        return np.array(float(given))
    return call.float64(given, names[0] if call.in_torch else names[1])


def branch(call: Call, condition: Condition, yes: Side, no: Side) -> Value:
    """`yes` where the condition holds, else `no`.

    Raises
    ------
    UnsupportedLayerError
        If both do not meet where the condition changes.
    ModelError
        If that cannot be seen.
    """
    left, right = condition.left, condition.right
    upper, lower = (yes, no) if condition.above else (no, yes)  # where left > right, and elsewhere
    if isinstance(left, Value) and isinstance(right, Value):
        sign = 1.0 if _same(upper, left) and _same(lower, right) else -1.0 if _same(upper, right) and _same(lower, left) else 0.0
        one, two = call.broadcast(left, right)
        if sign and isinstance(one, Value) and isinstance(two, Value):
            call.builder.explain("a neuron for each entry")
            return larger(call.builder, one, two, sign, call.name)
    base, multiple = _base_of(call, condition, upper, lower)
    (factor, constant), (less, less_constant) = multiple(left), multiple(right)
    return _unit(call, condition, base, (factor - less, constant - less_constant), multiple(upper), multiple(lower))


def _base_of(call: Call, condition: Condition, *sides: Side) -> tuple[Value, Callable[[Side], Multiple]]:
    """A value of which all others are multiples plus constants, and how to read them so."""
    values = [s for s in (condition.left, condition.right, *sides) if isinstance(s, Value)]
    lines = [_origins(value) for value in values]
    base = next((b for b in lines[0] if all(any(_same(b, v) for v in line) for line in lines[1:])), None)
    if base is None:
        raise call.error(
            f"chooses by {condition.name} between values of which polylc cannot see that they meet where that changes, and else it "
            "is discontinuous; write it with ReLU units or maxima"
        )

    def multiple(one: Side) -> Multiple:
        try:
            return _multiple(one, base)
        except ValueError:
            shapes = f"{show(one.shape)} and {show(base.shape)}"
            raise call.error(f"combines shapes {shapes} in a choice by the data, which is not supported; write it with ReLU units") from None

    return base, multiple


def _same(one: Side, two: Side) -> bool:
    """Whether two values are one, or the same affine expression to the last bit, as of a step that is written twice."""
    if one is two or not (isinstance(one, Value) and isinstance(two, Value)):
        return one is two
    if one.shape != two.shape or [s for s, _ in one.terms] != [s for s, _ in two.terms] or not np.array_equal(one.bias, two.bias):
        return False
    pairs = ((a, b) for (_, a), (_, b) in zip(one.terms, two.terms, strict=True))
    return all(a is b or (a is not None and b is not None and not (a != b).sum()) for a, b in pairs)


def _origins(value: Value) -> list[Value]:
    """A value, what it is a multiple of, and so on."""
    found = [value]
    while found[-1].of is not None:
        found.append(found[-1].of[0])
    return found


def _multiple(one: Side, base: Value) -> Multiple:
    """factors * base + constants."""
    if isinstance(one, np.ndarray):
        return _fractions(np.zeros(base.size)), _fractions(np.broadcast_to(one, base.shape).ravel())
    factor, constant = _fractions(np.ones(base.size)), _fractions(np.zeros(base.size))
    while not _same(one, base):
        assert one.of is not None
        before, *numbers = one.of
        scale, shift, divisor = (_fractions(np.broadcast_to(a, base.shape).ravel()) for a in numbers)
        factor, constant, one = factor * scale / divisor, constant + factor * shift, before
    return factor, constant


def _fractions(values: np.ndarray) -> np.ndarray:
    result = np.empty(len(values), dtype=object)
    result[:] = [Fraction(v) for v in values.tolist()]
    return result


def _unit(call: Call, condition: Condition, base: Value, compared: Multiple, upper: Multiple, lower: Multiple) -> Value:
    """Units of the base with the slopes of both sides, shifted to where the condition changes."""
    rows: list[tuple[Fraction, Fraction, Fraction, Fraction]] = []
    for slope, constant, *ends in zip(*compared, *upper, *lower, strict=True):
        if not slope:
            raise call.error(f"chooses by {condition.name}, which compares constants in some entries, which is not supported; leave them out")
        at = -constant / slope
        above, below = ((ends[0], ends[1]), (ends[2], ends[3]))
        if above[0] * at + above[1] != below[0] * at + below[1]:
            first, second = (float(s * at + t) for s, t in (below, above))
            raise call.not_continuous(f"jumps from {first:.9g} to {second:.9g} where the outcome of {condition.name} changes")
        before, after = (below[0], above[0]) if slope > 0 else (above[0], below[0])
        rows.append((at, before, after, above[0] * at + above[1]))
    exact = np.array(rows, dtype=object).reshape(-1, 4)
    near = exact.astype(np.float64)
    pairs = zip(near.ravel().tolist(), exact.ravel().tolist(), strict=True)
    change = max((abs(Fraction(rounded) / e - 1) for rounded, e in pairs if e), default=Fraction(0))
    if change:
        call.builder.note_folding(f"{call.name}: slopes and thresholds of a choice", math.nextafter(float(change), 1.0))
    at, before, after, there = (column.reshape(base.shape) for column in near.T)
    builder = call.builder
    builder.explain("a neuron for each entry")
    value = builder.scale_shift(base, None, -at, call.name) if at.any() else base
    value = builder.units(value, before.ravel(), after.ravel(), call.name)
    return builder.scale_shift(value, None, there, call.name) if there.any() else value


_NAMES = {"gt": "Greater", "ge": "GreaterOrEqual", "lt": "Less", "le": "LessOrEqual"}

ROWS = (
    Operator(
        "Comparison",
        Kind.CONDITION,
        "for choices whose two sides meet where it changes, and nothing else",
        onnx=tuple(f"{name}(A, B)" for name in _NAMES.values()),
        torch=tuple(f"{place}.{name}(input, other)" for place in ("operator", "torch", "torch.Tensor") for name in _NAMES),
        lower=compare,
        instead="compare the outputs outside the model, or choose by it between values that meet where it changes",
    ),
    Operator(
        "Opposite of a comparison",
        Kind.CONDITION,
        "as Comparison",
        onnx=("Not(X)",),
        torch=("torch.logical_not(input)", "torch.Tensor.logical_not(input)"),
        lower=turned,
        takes_conditions=True,
        instead="compare the outputs outside the model",
    ),
)
