"""Linear expressions and comparisons of them, which both versions of VNN-LIB are made of."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from polylc.domains.question import And, Formula, Or, Row

Linear = tuple[dict[int, Fraction], Fraction]
"""Coefficients by entry, and a constant."""


class NotLinear(Exception):  # noqa: N818
    """An expression is no linear one; the message says why."""


def variable(entry: int) -> Linear:
    """An entry by itself."""
    return {entry: Fraction(1)}, Fraction(0)


def constant(value: Fraction) -> Linear:
    """A number."""
    return {}, value


def combined(left: Linear, right: Linear, factor: int) -> Linear:
    """left + factor * right."""
    terms = dict(left[0])
    for entry, c in right[0].items():
        terms[entry] = terms.get(entry, Fraction(0)) + factor * c
    return terms, left[1] + factor * right[1]


def total(parts: Sequence[Linear]) -> Linear:
    """Their sum."""
    terms: dict[int, Fraction] = {}
    rest = Fraction(0)
    for part in parts:
        for entry, c in part[0].items():
            terms[entry] = terms.get(entry, Fraction(0)) + c
        rest += part[1]
    return terms, rest


def scaled(expression: Linear, factor: Fraction) -> Linear:
    """factor * expression."""
    return {entry: factor * c for entry, c in expression[0].items()}, factor * expression[1]


def product(parts: Sequence[Linear]) -> Linear:
    """Their product.

    Raises
    ------
    NotLinear
        If two of them depend on variables.
    """
    found: Linear = constant(Fraction(1))
    for part in parts:
        if not _depends(part):
            found = scaled(found, part[1])
        elif not _depends(found):
            found = scaled(part, found[1])
        else:
            raise NotLinear("multiplies variables with one another")
    return found


def quotient(left: Linear, right: Linear) -> Linear:
    """left / right.

    Raises
    ------
    NotLinear
        If `right` depends on variables, or is zero.
    """
    if _depends(right):
        raise NotLinear("divides by a variable")
    if right[1] == 0:
        raise NotLinear("divides by zero")
    return scaled(left, 1 / right[1])


def _depends(expression: Linear) -> bool:
    return any(expression[0].values())


def compared(operator: str, left: Linear, right: Linear) -> Formula:
    """The rows of a comparison: one of <=, >=, <, >, =, !=."""
    if operator in ("<=", "<"):
        return _row(right, left, operator == "<")
    if operator in (">=", ">"):
        return _row(left, right, operator == ">")
    strict = operator == "!="
    return (Or if strict else And)((_row(left, right, strict), _row(right, left, strict)))


def _row(more: Linear, less: Linear, strict: bool) -> Row:
    terms, rest = combined(more, less, -1)
    return Row(tuple(sorted((entry, c) for entry, c in terms.items() if c)), rest, strict)
