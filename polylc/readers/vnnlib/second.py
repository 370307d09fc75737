"""VNN-LIB 2.0, parsed and checked for types by the package `vnnlib`; numbers are taken as they are written."""

from __future__ import annotations

import json
import math
import re
from fractions import Fraction
from typing import Any

from polylc.domains.question import And, Formula, Or, simplified
from polylc.errors import QueryError, UsageError, needs
from polylc.exact.numbers import parse_number
from polylc.readers.files import first_line, shown
from polylc.readers.vnnlib.linear import Linear, NotLinear, combined, compared, constant, product, scaled, total, variable
from polylc.readers.vnnlib.query import REAL, Declared, Kind, Query, Variable

_SYNTAX = re.compile(r"syntax error at line (\d+), column (\d+): '(.*)'", re.DOTALL)
_COMPARISONS = {"LessEqual": "<=", "GreaterEqual": ">=", "LessThan": "<", "GreaterThan": ">", "Equal": "=", "NotEqual": "!="}
_LARGEST = 2**31  # entries of a variable


def parse_second(text: str, source: str, sha256: str) -> Query:
    """The query in a text of VNN-LIB 2.0.

    Raises
    ------
    QueryError
        If it cannot be read, is not well typed, or has arithmetic that is not linear; the message names the line.
    MissingPackageError
        If the package is not installed.
    """
    needs("vnnlib", "vnnlib", f"{source}: reading VNN-LIB 2.0")
    import vnnlib

    isomorphic: dict[str, str] = {}
    try:
        parsed = vnnlib.parse_query_string(text)
    except vnnlib.VNNLibException as failure:
        try:  # it wants equal element types of isomorphic networks, the standard only equal shapes
            bare, isomorphic = _without_isomorphic(text) if _TYPES in str(failure) else (text, {})
            if not isomorphic:
                raise failure
            parsed = vnnlib.parse_query_string(bare)
        except vnnlib.VNNLibException as failure:
            raise QueryError(f"{source}{_reason(str(failure))}") from None
    try:
        return _Reader(source, isomorphic).query(parsed, sha256)
    except RecursionError:
        raise QueryError(f"{source}: expressions are nested too deeply; write the query flatter") from None


_TYPES = "Type mismatch for variable number"
_ISOMORPHIC = re.compile(r"(\(declare-network\s+)(\w+)(\s+)(\(isomorphic-to\s+(\w+)\s*\))")


def _without_isomorphic(text: str) -> tuple[str, dict[str, str]]:
    """The text with blanks for all that says which networks are isomorphic, and what it said."""
    text = re.sub(r";[^\n]*", lambda comment: " " * len(comment[0]), text)
    found = {match[2]: match[5] for match in _ISOMORPHIC.finditer(text)}
    return _ISOMORPHIC.sub(lambda match: match[1] + match[2] + match[3] + re.sub(r"\S", " ", match[4]), text), found


def _reason(message: str) -> str:
    """What the package says, in one line."""
    found = _SYNTAX.search(message)
    if found:
        line, column, token = found.groups()
        hint = "; VNN-LIB 2.0 has no exponents, write the number out" if re.fullmatch(r"[eE][+-]?\d*", token) else ""
        hint = "; equality is written ==" if token == "=" else hint
        return f", line {line}, column {column}: syntax error at {shown(token) or 'the end'}{hint}"
    try:
        errors = json.loads(message)["errors"]
        one = errors[0]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        said = f"{one['message']}: {shown(one['offendingSymbol'])}; {one['hint'].rstrip('.')}"
        return f", line {one['line']}: {' '.join(said.split())}{more}"
    except (ValueError, KeyError, IndexError, TypeError):
        return f": {first_line(Exception(message))}"


class _Reader:
    """The package's tree to ours."""

    def __init__(self, source: str, isomorphic: dict[str, str]) -> None:
        self.source, self.isomorphic = source, isomorphic
        self.variables: dict[str, Variable] = {}
        self.count = 0

    def query(self, parsed: Any, sha256: str) -> Query:
        """All of it."""
        networks = tuple(self.network(one) for one in parsed.networks)
        self.check_isomorphic(networks)
        parts = tuple(self.formula(one.expr) for one in parsed.assertions)
        return Query(self.source, sha256, "2.0", networks, simplified(And(parts)))

    def check_isomorphic(self, networks: tuple[Declared, ...]) -> None:
        """Isomorphic networks have variables of the same kinds and shapes."""
        before: dict[str, list[tuple[Kind, tuple[int, ...]]]] = {}
        for network in networks:
            before[network.name] = [(v.kind, v.shape) for v in network.variables if v.kind is not Kind.HIDDEN]
            other = network.isomorphic_to
            if other and other not in before:
                raise QueryError(f"{self.source}: network {network.name} is isomorphic to {other}, which is not declared before it")
            if other and before[other] != before[network.name]:
                raise QueryError(f"{self.source}: network {network.name} is isomorphic to {other}, but has other inputs or outputs")

    def network(self, declared: Any) -> Declared:
        """A declaration with its variables."""
        inputs, hidden, outputs = (
            tuple(self.variable(one, kind) for one in group)
            for group, kind in ((declared.inputs, Kind.INPUT), (declared.hidden, Kind.HIDDEN), (declared.outputs, Kind.OUTPUT))
        )
        isomorphic = declared.isometric_to or self.isomorphic.get(declared.name, "")
        return Declared(declared.name, inputs, hidden, outputs, declared.equal_to, isomorphic)

    def variable(self, declared: Any, kind: Kind) -> Variable:
        """A tensor; its entries get the next numbers."""
        shape = tuple(int(size) for size in declared.shape)
        written = str(declared).strip("() ").split()[2]  # the package's own kinds leave `Real` out
        element = REAL if written.lower() == REAL else written
        if element not in ELEMENT_TYPES:
            raise QueryError(
                f"{self.source}: {declared.name} has the element type {shown(written)}; VNN-LIB has real and those of ONNX, such as float32"
            )
        if 0 in shape or math.prod(shape) > _LARGEST:
            raise QueryError(f"{self.source}: {declared.name} has the shape {shape}, of {math.prod(shape)} entries")
        node = (declared.onnx_name or "").strip('"')
        found = Variable(declared.name, kind, element, shape, self.count, node)
        self.count += found.size
        self.variables[found.name] = found
        return found

    def formula(self, expression: Any) -> Formula:
        """A formula."""
        kind = type(expression).__name__
        if kind in _COMPARISONS:
            return compared(_COMPARISONS[kind], self.term(expression.lhs), self.term(expression.rhs))
        if kind in ("And", "Or"):
            parts = tuple(self.formula(one) for one in expression.args)
            return And(parts) if kind == "And" else Or(parts)
        raise QueryError(f"{self.source}: {shown(str(expression))} is not read as a formula")

    def term(self, expression: Any) -> Linear:
        """A linear expression."""
        kind = type(expression).__name__
        if kind == "Var":
            return variable(self.entry(expression))
        if kind in ("Float", "Int", "IntExpr", "Literal"):
            return constant(self.number(expression))
        if kind == "Negate":
            return scaled(self.term(expression.expr), Fraction(-1))
        if kind == "Plus":
            return total([self.term(one) for one in expression.args])
        if kind == "Minus":
            return combined(self.term(expression.head), total([self.term(one) for one in expression.rest]), -1)
        if kind == "Multiply":
            try:
                return product([self.term(one) for one in expression.args])
            except NotLinear as failure:
                raise QueryError(f"{self.source}, line {_line(expression)}: (* ...) {failure}; polylc reads linear arithmetic") from None
        raise QueryError(f"{self.source}: {shown(str(expression))} is not read as a term")

    def entry(self, used: Any) -> int:
        """The number of the entry that is used, row by row within its variable."""
        found = self.variables[used.name]
        number = 0
        for size, index in zip(found.shape, used.indices, strict=True):
            number = number * size + int(index)
        return found.first + number

    def number(self, literal: Any) -> Fraction:
        """A decimal, exactly."""
        try:
            return parse_number(literal.lexeme)
        except UsageError as failure:
            raise QueryError(f"{self.source}, line {literal.line}: {str(failure).removeprefix('number: ')}") from None


def _line(expression: Any) -> int | str:
    """The line of the first variable or number of an expression."""
    while not hasattr(expression, "line"):
        children = expression.children()
        if not children:
            return "?"
        expression = children[0]
    return int(expression.line)


# fmt: off
ELEMENT_TYPES = frozenset([
    REAL, "float16", "float32", "float64", "bfloat16", "float8e4m3fn", "float8e5m2", "float8e4m3fnuz", "float8e5m2fnuz", "float4e2m1",
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "complex64", "complex128", "bool", "string",
])
# fmt: on
