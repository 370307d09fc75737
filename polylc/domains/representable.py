"""Formulas over inputs that are numbers of a floating-point format, and rows that are to hold by a margin."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from polylc.domains.alternatives import is_bound
from polylc.domains.question import FALSE, And, Formula, Or, Row, row
from polylc.exact.enclose import enclose


def number_above(value: Fraction, element: str, strict: bool = False) -> Fraction | None:
    """The least number of a format that is not below a rational, or that is above it; None if it is infinite.

    Parameters
    ----------
    value : Fraction
    element : str
        "float32" or "float64".
    strict : bool
        Whether it is to be above.

    Examples
    --------
    >>> number_above(Fraction(1, 10), "float32") == Fraction(13421773, 2**27)
    True
    >>> number_above(Fraction(1), "float32", strict=True) - 1
    Fraction(1, 8388608)
    """
    kind = np.dtype(element).type
    with np.errstate(over="ignore", under="ignore"):
        near = kind(enclose(value)[0])
        if near == -math.inf:
            near = np.finfo(kind).min
        while math.isfinite(near) and (Fraction(float(near)) < value or (strict and Fraction(float(near)) == value)):
            near = np.nextafter(near, kind(math.inf))
        below = np.nextafter(near, kind(-math.inf))
    if not math.isfinite(near):
        return None
    if math.isfinite(below) and (Fraction(float(below)) > value or (not strict and Fraction(float(below)) == value)):
        near = below
    return Fraction(float(near))


def nearest(value: Fraction, low: Fraction, high: Fraction, element: str) -> Fraction:
    """The number of a format nearest to a rational, between two numbers of it."""
    kind = np.dtype(element).type
    return min(max(Fraction(float(kind(enclose(value)[0]))), low), high)


def representable(formula: Formula, inputs: int, element: str) -> Formula:
    """The same formula for inputs that are numbers of a format: bounds of single inputs are such numbers."""
    if isinstance(formula, Row):
        if not is_bound(formula, inputs):
            return formula
        ((v, c),) = formula.terms
        sign = 1 if c > 0 else -1
        end = number_above(-sign * formula.constant / c, element, formula.strict)
        return FALSE if end is None else row({v: Fraction(sign)}, -end)
    kind = And if isinstance(formula, And) else Or
    return kind(tuple(representable(part, inputs, element) for part in formula.parts))


def weakened(formula: Formula, inputs: int, slack: Callable[[Row], Fraction]) -> Formula:
    """A formula that holds wherever this one holds for outputs that are somewhat different.

    Parameters
    ----------
    formula : Formula
    inputs : int
    slack : callable
        By how much the left-hand side of a row may be different; rows of inputs alone are not asked. Where it is
        negative, the row is strengthened.
    """
    if isinstance(formula, Row):
        if formula.terms[-1][0] < inputs:
            return formula
        return Row(formula.terms, formula.constant + slack(formula), formula.strict)
    kind = And if isinstance(formula, And) else Or
    return kind(tuple(weakened(part, inputs, slack) for part in formula.parts))


def surely(formula: Formula, low: Sequence[Fraction], high: Sequence[Fraction]) -> bool:
    """Whether a formula holds for all values of its variables between these, as far as its rows tell one by one."""
    if isinstance(formula, Row):
        least = sum((c * (low if c > 0 else high)[v] for v, c in formula.terms), formula.constant)
        return least > 0 if formula.strict else least >= 0
    check = all if isinstance(formula, And) else any
    return check(surely(part, low, high) for part in formula.parts)


def between(low: Sequence[Fraction], high: Sequence[Fraction]) -> And:
    """Rows that say that inputs are in a box."""
    found = []
    for i, (a, b) in enumerate(zip(low, high, strict=True)):
        found += [row({i: Fraction(1)}, -a), row({i: Fraction(-1)}, b)]
    return And(tuple(found))
