"""VNN-LIB 1.0, the dialect of VNN-COMP: reals X_0, X_1, ..., Y_0, Y_1, ... for the inputs and outputs of one network.

An SMT-LIB script with declarations and assertions, whose arithmetic is linear once constants are computed.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from fractions import Fraction

from polylc.domains.question import FALSE, TRUE, And, Formula, Or, negated, simplified
from polylc.errors import QueryError, UsageError
from polylc.exact.numbers import parse_number
from polylc.readers.files import shown
from polylc.readers.vnnlib.linear import Linear, NotLinear, combined, compared, constant, product, quotient, scaled, total, variable
from polylc.readers.vnnlib.query import REAL, Declared, Kind, Query, Variable

_TOKEN = re.compile(r'[()]|"(?:[^"]|"")*"|\|[^|]*\||;[^\n]*|[^\s();"|]+|["|]')
_NAME = re.compile(r"[XY]_(0|[1-9][0-9]*)")
_COMPARISONS = frozenset(["<=", ">=", "<", ">", "=", "distinct", "!="])
_SAY_NOTHING = frozenset(["set-logic", "set-info", "set-option", "check-sat", "get-model", "get-value", "exit", "vnnlib-version"])
_MOST = 10_000_000  # of a variable's number: a wrong one must not fill the memory


def parse_first(text: str, source: str, sha256: str) -> Query:
    """The query in a text of VNN-LIB 1.0.

    Raises
    ------
    QueryError
        If it cannot be read, or has arithmetic that is not linear; the message names the line.
    """
    try:
        return _Parser(text, source).query(sha256)
    except RecursionError:
        raise QueryError(f"{source}: expressions are nested too deeply; write the query flatter") from None


class _Parser:
    """A text cut into tokens, and what was read of it."""

    def __init__(self, text: str, source: str) -> None:
        self.text, self.source = text, source
        found = [(m.group(), m.start()) for m in _TOKEN.finditer(text)]
        found = [one for one in found if one[0][0] != ";"]
        self.tokens = [token for token, _ in found]
        self.starts = [start for _, start in found]
        self.at = 0
        self.entries: dict[str, int] = {}
        self.numbers: dict[str, Linear] = {}

    # ---- messages ----------------------------------------------------------------------------------------------
    def error(self, what: str, at: int | None = None) -> QueryError:
        """An error at a token, by default the one that was read last."""
        place = max(self.at - 1, 0) if at is None else at
        start = self.starts[place] if place < len(self.starts) else len(self.text)
        return QueryError(f"{self.source}, line {self.text.count(chr(10), 0, start) + 1}: {what}")

    # ---- tokens ------------------------------------------------------------------------------------------------
    def next(self) -> str:
        """The next token."""
        if self.at >= len(self.tokens):
            raise self.error("the file ends within a parenthesis; it is truncated, or a ) is missing", len(self.tokens))
        self.at += 1
        return self.tokens[self.at - 1]

    def expect(self, wanted: str, where: str) -> None:
        """Go past one token."""
        token = self.next()
        if token != wanted:
            raise self.error(f"{shown(token)} where {where} should have a {wanted}")

    def closed(self) -> bool:
        """Whether a ) comes next; if so, go past it."""
        if self.at < len(self.tokens) and self.tokens[self.at] == ")":
            self.at += 1
            return True
        return False

    def skip(self) -> None:
        """Go past the ) that closes the parenthesis that is open."""
        depth = 1
        while depth:
            token = self.next()
            depth += (token == "(") - (token == ")")

    # ---- commands ----------------------------------------------------------------------------------------------
    def query(self, sha256: str) -> Query:
        """All of it."""
        inputs, outputs = self.declared()
        parts = []
        while self.at < len(self.tokens):
            if self.next() != "(":
                raise self.error(f"{shown(self.tokens[self.at - 1])} outside of parentheses; a query is made of (declare-const ...) and (assert ...)")
            command = self.next()
            if command == "assert":
                parts.append(self.formula())
                self.expect(")", "an assertion")
            elif command in ("declare-const", "declare-fun") or command in _SAY_NOTHING:
                self.skip()
            else:
                raise self.error(f"({shown(command)} ...) is not read; a query of VNN-LIB 1.0 is made of (declare-const ...) and (assert ...)")
        if not parts:
            raise QueryError(f"{self.source}: there is no (assert ...); a query has to say what is asked")
        x = Variable("X", Kind.INPUT, REAL, (inputs,), 0, apart=True)
        y = Variable("Y", Kind.OUTPUT, REAL, (outputs,), inputs, apart=True)
        return Query(self.source, sha256, "1.0", (Declared("", (x,), (), (y,)),), simplified(And(tuple(parts))))

    def declared(self) -> tuple[int, int]:
        """How many inputs and outputs there are, found ahead so that entries can be numbered at once."""
        places: dict[str, int] = {}
        for k, token in enumerate(self.tokens):
            if token in ("declare-const", "declare-fun") and k and self.tokens[k - 1] == "(":
                self.at = k + 1
                name = self.next()
                if token == "declare-fun":
                    self.expect("(", f"the declaration of {shown(name)}")
                    self.expect(")", f"the declaration of {shown(name)}, which has no arguments,")
                sort = self.next()
                if sort != "Real":
                    raise self.error(f"{shown(name)} is declared as {shown(sort)}; variables of VNN-LIB 1.0 are Real")
                self.expect(")", f"the declaration of {shown(name)}")
                if not _NAME.fullmatch(name) or int(name[2:]) > _MOST:
                    raise self.error(f"the variable {shown(name)} is neither an input X_0, X_1, ... nor an output Y_0, Y_1, ...", k + 1)
                if name in places:
                    raise self.error(f"{name} is declared twice", k + 1)
                places[name] = k + 1
        self.at = 0
        counts = []
        for letter, what in (("X", "input"), ("Y", "output")):
            numbers = sorted(int(name[2:]) for name in places if name[0] == letter)
            if not numbers:
                raise QueryError(f"{self.source}: no {what} is declared; write (declare-const {letter}_0 Real)")
            gap = next((i for i, number in enumerate(numbers) if i != number), None)
            if gap is not None:
                raise self.error(f"{letter}_{numbers[gap]} is declared, but {letter}_{gap} is not", places[f"{letter}_{numbers[gap]}"])
            counts.append(len(numbers))
        self.entries = {name: int(name[2:]) + (counts[0] if name[0] == "Y" else 0) for name in places}
        return counts[0], counts[1]

    # ---- formulas ----------------------------------------------------------------------------------------------
    def formula(self) -> Formula:
        """The formula that comes next."""
        token = self.next()
        if token != "(":
            if token in ("true", "false"):
                return TRUE if token == "true" else FALSE
            raise self.error(f"{shown(token)} where a formula should be, such as (<= X_0 0.5)")
        operator, at = self.next(), self.at - 1
        if operator in _COMPARISONS:
            return self.comparison(operator, at)
        if operator not in _CONNECTIVES:
            raise self.error(f"({shown(operator)} ...) is not read as a formula; polylc reads {', '.join(sorted(_COMPARISONS | set(_CONNECTIVES)))}")
        parts = []
        while not self.closed():
            parts.append(self.formula())
        least, most, join = _CONNECTIVES[operator]
        if not least <= len(parts) <= most:
            raise self.error(f"({operator} ...) has {len(parts)} parts", at)
        return join(parts)

    def comparison(self, operator: str, at: int) -> Formula:
        """A comparison whose operator has been read; of several terms, each with the next, or all pairs if they shall
        differ.
        """
        terms = [self.term()]
        while not self.closed():
            terms.append(self.term())
        if len(terms) == 2:
            return compared("!=" if operator == "distinct" else operator, terms[0], terms[1])
        if len(terms) < 2:
            raise self.error(f"({operator} ...) compares {len(terms)} terms; it needs two", at)
        if operator in ("distinct", "!="):
            return And(tuple(compared("!=", a, b) for i, a in enumerate(terms) for b in terms[i + 1 :]))
        return And(tuple(compared(operator, a, b) for a, b in itertools.pairwise(terms)))

    # ---- terms -------------------------------------------------------------------------------------------------
    def term(self) -> Linear:
        """The linear expression that comes next."""
        token = self.next()
        if token == "(":
            return self.operation()
        entry = self.entries.get(token)
        if entry is not None:
            return variable(entry)
        known = self.numbers.get(token)
        if known is None:
            known = self.numbers[token] = constant(self.number(token))
        return known

    def number(self, token: str) -> Fraction:
        """A decimal, exactly."""
        if token == ")":
            raise self.error("a term is missing before )")
        if _NAME.fullmatch(token):
            raise self.error(f"{shown(token)} is not declared")
        if token[0] not in "+-.0123456789" or "/" in token:
            raise self.error(f"{shown(token)} is neither a number nor a declared variable")
        try:
            return parse_number(token)
        except UsageError as failure:
            raise self.error(str(failure).removeprefix("number: ")) from None

    def operation(self) -> Linear:
        """A term in parentheses, the first of which has been read."""
        operator, at = self.next(), self.at - 1
        if operator not in ("+", "-", "*", "/"):
            raise self.error(
                f"({shown(operator)} ...) is not read as a term; polylc reads sums, differences, and products and quotients with numbers"
            )
        parts = [self.term()]
        while not self.closed():
            parts.append(self.term())
        try:
            if operator == "+":
                return total(parts)
            if operator == "*":
                return product(parts)
            if operator == "/":
                found = parts[0]
                for part in parts[1:]:
                    found = quotient(found, part)
                return found
        except NotLinear as failure:
            raise self.error(f"({operator} ...) {failure}; polylc reads linear arithmetic", at) from None
        return combined(parts[0], total(parts[1:]), -1) if len(parts) > 1 else scaled(parts[0], Fraction(-1))


def _implied(parts: list[Formula]) -> Formula:
    """a => (b => ... c)."""
    return Or((*(negated(part) for part in parts[:-1]), parts[-1]))


def _chosen(parts: list[Formula]) -> Formula:
    """if a then b else c."""
    condition, then, other = parts
    return And((Or((negated(condition), then)), Or((condition, other))))


_CONNECTIVES: dict[str, tuple[int, float, Callable[[list[Formula]], Formula]]] = {
    "and": (0, float("inf"), lambda parts: And(tuple(parts))),
    "or": (0, float("inf"), lambda parts: Or(tuple(parts))),
    "not": (1, 1, lambda parts: negated(parts[0])),
    "=>": (2, float("inf"), _implied),
    "ite": (3, 3, _chosen),
}
