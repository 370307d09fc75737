"""Rational numbers in and out: decimals as they are written, floats as they are stored."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction

import numpy as np

from polylc.errors import DigitsError, UsageError
from polylc.exact.checkpoint import checkpoint

MOST_CHARACTERS = 2000
MOST_DIGITS = 100_000  # of an integer that is written: the checker reads no longer ones
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?(/[+-]?[0-9]+)?")
LONG_EXPONENT = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)[eE][+-]?[0-9]+")
DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")


def parse_number(text: str, what: str = "number") -> Fraction:
    """Read a decimal or a fraction exactly: ``0.1`` is 1/10, ``1/255`` is 1/255.

    Parameters
    ----------
    text : str
        One number; blanks around it are ignored.
    what : str
        What the number is, for the error message.

    Raises
    ------
    UsageError
        If `text` is not a finite number.

    Examples
    --------
    >>> parse_number("0.1"), parse_number("-2.5e-1"), parse_number("1/255")
    (Fraction(1, 10), Fraction(-1, 4), Fraction(1, 255))
    """
    stripped = text.strip()
    if len(stripped) > MOST_CHARACTERS:
        raise UsageError(f"{what}: a number of {len(stripped)} characters; at most {MOST_CHARACTERS} are read, round it")
    if not _NUMBER.fullmatch(stripped):
        if LONG_EXPONENT.fullmatch(stripped):
            raise UsageError(f"{what}: {_short(stripped)} has an exponent of more than 4 digits, far from every double; round it")
        hint = f" (decimals have a point: {stripped.replace(',', '.')})" if DECIMAL_COMMA.fullmatch(stripped) else ""
        raise UsageError(f"{what}: {_short(stripped)} is not a finite number; write a decimal such as 0.1 or a fraction such as 1/255{hint}")
    head, _, tail = stripped.partition("/")
    denominator = int(tail) if tail else 1
    if denominator == 0:
        raise UsageError(f"{what}: {stripped!r} divides by zero")
    return Fraction(head) / denominator


def parse_vector(text: str, what: str = "vector") -> tuple[Fraction, ...]:
    """Read numbers separated by commas (or blanks) exactly.

    Raises
    ------
    UsageError
        If an entry is no number or left out.
    """
    parts = re.split(r"\s*,\s*|\s+", text.strip())
    if not any(parts):
        raise UsageError(f"{what}: no numbers in {_short(text)}; write them with commas between, such as 0.1,0.2")
    if not all(parts):
        raise UsageError(f"{what}: entry {parts.index('')} of {_short(text)} is empty; write a number there, or take a comma out")
    return tuple(parse_number(p, f"{what}, entry {i}") for i, p in enumerate(parts))


def _short(text: str) -> str:
    """What was written, as a message of one line can hold it."""
    return repr(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}...")


_MOST_SHOWN = 60


def as_fraction(value: object, what: str = "number") -> Fraction:
    """The exact value of an int, float, numpy scalar, Fraction or decimal string."""
    if isinstance(value, str):
        return parse_number(value, what)
    if isinstance(value, Fraction):
        return value
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return Fraction(int(value))
    try:
        as_float = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise UsageError(f"{what}: {value!r} is not a number") from None
    if not math.isfinite(as_float):
        raise UsageError(f"{what}: {as_float} is not finite")
    return Fraction(as_float)


def as_fractions(values: Iterable[object], what: str = "vector") -> tuple[Fraction, ...]:
    """The exact values of a sequence of numbers."""
    return tuple(as_fraction(v, f"{what}, entry {i}") for i, v in enumerate(values))


@contextmanager
def long_numbers() -> Iterator[None]:
    """Within, Python writes integers of up to MOST_DIGITS digits (4300 otherwise).

    Raises
    ------
    DigitsError
        If there is a longer one to write.
    """
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(MOST_DIGITS)
    try:
        yield
    except ValueError as error:
        if "integer string conversion" not in str(error):
            raise
        raise DigitsError(f"a number of more than {MOST_DIGITS} digits would stand there") from None
    finally:
        sys.set_int_max_str_digits(before)


def to_floats(values: Iterable[Fraction]) -> np.ndarray:
    """The nearest doubles of rationals, as a float64 array."""
    return np.array([float(v) for v in values], dtype=np.float64)


def dyadic(array: np.ndarray) -> tuple[np.ndarray, int]:
    """Integers m (dtype object) and a shift s >= 0 with array == m / 2**s, exactly.

    Examples
    --------
    >>> import numpy as np
    >>> dyadic(np.array([0.75, -2.0]))
    (array([3, -8], dtype=object), 2)
    """
    checkpoint()
    whole, exponent, zeros = _mantissas(array)
    shift = _shift(whole, exponent, zeros)
    up = exponent - 53 + shift
    integers = np.empty(np.shape(array), dtype=object)
    integers.ravel()[:] = [w << e if e >= 0 else w >> -e for w, e in zip(whole.tolist(), up.tolist(), strict=True)]
    return integers, shift


def dyadic_shift(array: np.ndarray) -> int:
    """The shift of `dyadic`, without the integers."""
    return _shift(*_mantissas(array))


def _mantissas(array: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Doubles as whole * 2^(exponent - 53), and how many zeros there are at the end of `whole`, in binary."""
    mantissa, exponent = np.frexp(np.asarray(array, dtype=np.float64).ravel())
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    return whole, exponent, np.frexp((whole & -whole).astype(np.float64))[1] - 1


def _shift(whole: np.ndarray, exponent: np.ndarray, zeros: np.ndarray) -> int:
    return max(0, int((53 - zeros - exponent)[whole != 0].max(initial=0)))
