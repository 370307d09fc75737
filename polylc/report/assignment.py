"""Satisfying assignments as VNN-LIB 2.0 has them: text, or files of ONNX tensors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Context, Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np

from polylc.errors import UsageError
from polylc.exact.numbers import long_numbers
from polylc.readers.question import Place, Question
from polylc.readers.vnnlib.query import REAL
from polylc.report.files import written_beside

Values = tuple[Fraction, ...]
DIGITS = 40
"""Of numbers without a finite decimal."""


def values_at(question: Question, x: Sequence[Fraction], y: Sequence[Fraction]) -> Iterator[tuple[Place, Values]]:
    """All variables of a question with the values of their entries, in the order of declaration; softmax in doubles."""
    everything = (*x, *y)
    for place in question.places:
        values = tuple(everything[c] for c in place.columns)
        yield place, _softmax(values, place.softmax) if place.softmax else values


def _softmax(values: Values, kind: str) -> Values:
    """What a softmax makes of its inputs, rounded to doubles."""
    most = max(values)
    powers = [math.exp(float(v - most)) for v in values]
    total = math.fsum(powers)
    return tuple(Fraction(float(v - most) - math.log(total) if kind == "LogSoftmax" else p / total) for v, p in zip(values, powers, strict=True))


def decimal(value: Fraction, element: str = REAL) -> str:
    """A number without exponent: all its digits if it is real, the shortest that mean it in its element type otherwise.

    Examples
    --------
    >>> decimal(Fraction(-3, 8)), decimal(Fraction(1, 3))[:6], decimal(Fraction(0.1), "float64")
    ('-0.375', '0.3333', '0.1')
    """
    if element in ("float16", "float32", "float64"):
        return np.format_float_positional(np.dtype(element).type(float(value)), unique=True, trim="0")
    if value.denominator == 1:
        with long_numbers():
            return f"{value.numerator}.0" if element == REAL else str(value.numerator)
    two, five = _power(value.denominator, 2), _power(value.denominator, 5)
    with long_numbers():
        if 2**two * 5**five != value.denominator:
            rounded = Context(prec=DIGITS).divide(Decimal(value.numerator), Decimal(value.denominator))
            return f"{rounded:f}"
        places = max(two, five)
        digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    return f"{'-' * (value < 0)}{digits[:-places]}.{digits[-places:]}"


def _power(number: int, prime: int) -> int:
    """How often a prime divides a number."""
    count = 0
    while number % prime == 0:
        number //= prime
        count += 1
    return count


def is_rounded(value: Fraction) -> bool:
    """Whether a real number has no finite decimal."""
    two, five = _power(value.denominator, 2), _power(value.denominator, 5)
    return bool(2**two * 5**five != value.denominator)


def assignment_text(question: Question, x: Sequence[Fraction], y: Sequence[Fraction]) -> str:
    """The assignment as `verify` prints it: name, element type and shape of every variable, then its entries."""
    lines = []
    for place, values in values_at(question, x, y):
        variable = place.variable
        if variable.apart:
            for name, value in zip(variable.entries(), values, strict=True):
                lines += [f"{name} Real []", decimal(value)]
            continue
        lines.append(f"{variable.name} {variable.element} [{','.join(map(str, variable.shape))}]")
        lines += [decimal(value, variable.element) for value in values]
    return "\n".join(lines)


def write_assignment(folder: Path, question: Question, x: Sequence[Fraction], y: Sequence[Fraction]) -> None:
    """Write a file NAME.pb with a serialised TensorProto for each variable; reals become doubles, the nearest.

    Raises
    ------
    UsageError
        If they cannot be written.
    """
    import onnx

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for place, values in values_at(question, x, y):
            variable = place.variable
            kind = np.dtype("float64" if variable.element == REAL else variable.element)
            numbers = [float(v) if kind.kind == "f" else int(v) for v in values]
            tensor = onnx.numpy_helper.from_array(np.array(numbers, dtype=kind).reshape(variable.shape), variable.name)
            with written_beside(folder / f"{variable.name}.pb") as beside:
                beside.write_bytes(tensor.SerializeToString())
    except OSError as failure:
        raise UsageError(f"{folder}: the assignment cannot be written: {failure.strerror}") from None
