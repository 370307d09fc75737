"""Queries of VNN-LIB: what is read is what is written, and what is wrong is said with its line."""

from __future__ import annotations

import gzip
import itertools
from fractions import Fraction as F

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polylc.domains.question import And, Or, rows
from polylc.errors import QueryError
from polylc.readers.vnnlib.file import parse_query, read_query
from polylc.readers.vnnlib.query import Query

DECLARED = "".join(f"(declare-const {name} Real)\n" for name in ("X_0", "X_1", "Y_0", "Y_1"))
SECOND = """(vnnlib-version <2.0>)
(declare-network f
    (declare-input X real [2])
    (declare-output Y real [2])
)
"""


def first(assertions: str) -> Query:
    return parse_query((DECLARED + assertions).encode(), "q.vnnlib")


def second(assertions: str, head: str = SECOND) -> Query:
    pytest.importorskip("vnnlib")
    return parse_query((head + assertions).encode(), "q.vnnlib")


# ---- random formulas, evaluated as they stand ----------------------------------------------------------------------
NAMES = ("X_0", "X_1", "Y_0", "Y_1")
numbers = st.integers(-400, 400).map(lambda n: F(n, 100))


def in_first(number: F) -> str:
    return f"{float(number)!r}"


def terms(linear_only: bool = True, division: bool = True):
    """Trees of terms: a name, a number, or an operator with terms, the linear ones."""
    leaf = st.one_of(st.sampled_from(NAMES), numbers)

    def grown(inner):
        operators = [
            st.tuples(st.just("+"), st.lists(inner, min_size=1, max_size=3)),
            st.tuples(st.just("-"), st.lists(inner, min_size=1, max_size=3)),
            st.tuples(st.just("*"), st.tuples(numbers, inner).map(list)),
            st.tuples(st.just("*"), st.tuples(inner, numbers, numbers).map(list)),
        ]
        if division:
            operators.append(st.tuples(st.just("/"), st.tuples(inner, numbers.filter(bool)).map(list)))
        return st.one_of(operators)

    return st.recursive(leaf, grown, max_leaves=6)


def formulas(first_version: bool):
    comparison = st.tuples(
        st.sampled_from(["<=", ">=", "<", ">", "=", "!="]), st.tuples(terms(division=first_version), terms(division=first_version)).map(list)
    )

    def grown(inner):
        joined = [st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=1, max_size=3))]
        if first_version:
            joined += [
                st.tuples(st.just("not"), st.tuples(inner).map(list)),
                st.tuples(st.just("=>"), st.lists(inner, min_size=2, max_size=3)),
                st.tuples(st.just("ite"), st.lists(inner, min_size=3, max_size=3)),
            ]
        return st.one_of(joined)

    return st.recursive(comparison, grown, max_leaves=6)


def written(tree, first_version: bool) -> str:
    if isinstance(tree, F):
        return in_first(tree)
    if isinstance(tree, str):
        return tree if first_version else f"{tree[0]}[{tree[2:]}]"
    operator = "==" if tree[0] == "=" and not first_version else tree[0]
    return f"({operator} {' '.join(written(part, first_version) for part in tree[1])})"


def value(tree, at):
    """An evaluator of its own."""
    if isinstance(tree, F):
        return tree
    if isinstance(tree, str):
        return at[tree]
    parts = [value(part, at) for part in tree[1]]
    match tree[0]:
        case "+":
            return sum(parts, F(0))
        case "-":
            return -parts[0] if len(parts) == 1 else parts[0] - sum(parts[1:], F(0))
        case "*":
            product = F(1)
            for part in parts:
                product *= part
            return product
        case "/":
            return parts[0] / parts[1]
        case "and":
            return all(parts)
        case "or":
            return any(parts)
        case "not":
            return not parts[0]
        case "=>":
            return not all(parts[:-1]) or parts[-1]
        case "ite":
            return parts[1] if parts[0] else parts[2]
    a, b = parts
    return {"<=": a <= b, ">=": a >= b, "<": a < b, ">": a > b, "=": a == b, "!=": a != b}[tree[0]]


def check_everywhere(query: Query, tree) -> None:
    for point in itertools.product((F(-1), F(0), F(3, 2)), repeat=4):
        assert query.formula.holds(point) == value(tree, dict(zip(NAMES, point, strict=True)))


@given(formulas(True))
def test_formulas_of_the_first_version_mean_what_they_say(tree):
    check_everywhere(first(f"(assert {written(tree, True)})"), tree)


@given(formulas(False))
def test_formulas_of_the_second_version_mean_what_they_say(tree):
    check_everywhere(second(f"(assert {written(tree, False)})"), tree)


# ---- numbers -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("written_number", "exact"),
    [
        ("0.1", F(1, 10)),
        ("-2.5e-1", F(-1, 4)),
        ("1e3", F(1000)),
        (".5", F(1, 2)),
        ("3.", F(3)),
        ("0.30000000000000000000001", F("0.30000000000000000000001")),
    ],
)
def test_numbers_are_exact(written_number, exact):
    (row,) = rows(first(f"(assert (>= X_0 {written_number}))").formula)
    assert row.constant == -exact


def test_numbers_of_the_second_version_are_exact():
    (row,) = rows(second("(assert (>= X[1] 0.30000000000000000000001))").formula)
    assert (row.constant, row.terms) == (-F("0.30000000000000000000001"), ((1, F(1)),))


# ---- declarations --------------------------------------------------------------------------------------------------
def test_entries_are_numbered_row_by_row():
    head = """; a comment
(vnnlib-version <2.0>)
(declare-network f (declare-input A float32 [2,2]) (declare-input B float32 [])
    (declare-hidden H float32 [1,2] "inside") (declare-output Y float32 [1]))
(declare-network g (equal-to f) (declare-input C float32 [2,2]) (declare-input D float32 [])
    (declare-hidden I float32 [1,2] "inside") (declare-output Z float32 [1]))
"""
    query = second("(assert (<= (+ A[1,0] B) (- C[0,1] I[0,1])))", head)
    entries = ("A[0,0]", "A[0,1]", "A[1,0]", "A[1,1]", "B", "H[0,0]", "H[0,1]", "Y[0]")
    again = ("C[0,0]", "C[0,1]", "C[1,0]", "C[1,1]", "D", "I[0,0]", "I[0,1]", "Z[0]")
    assert query.entries == entries + again
    (row,) = rows(query.formula)
    assert {query.entries[v]: c for v, c in row.terms} == {"A[1,0]": -1, "B": -1, "C[0,1]": 1, "I[0,1]": -1}
    assert [network.equal_to for network in query.networks] == ["", "f"]
    assert query.networks[0].hidden[0].node == "inside"


def test_isomorphic_networks_may_have_other_element_types():
    head = """(vnnlib-version <2.0>)
(declare-network f (declare-input X float32 [2]) (declare-output Y float32 [1]))
(declare-network g
    (isomorphic-to f) ; a comment with (isomorphic-to h)
    (declare-input A float64 [2]) (declare-output B float64 [1]))
"""
    query = second("(assert (<= X[0] 1.0))", head)
    assert [n.isomorphic_to for n in query.networks] == ["", "f"]
    with pytest.raises(QueryError, match="line 6: Undeclared"):
        second("(assert (<= Z[0] 1.0))", head)
    with pytest.raises(QueryError, match=r"g is isomorphic to f, but has other inputs|hape mismatch"):
        second("(assert (<= X[0] 1.0))", head.replace("(declare-input A float64 [2])", "(declare-input A float64 [3])"))


def test_the_order_of_declarations_and_of_numbers_does_not_matter():
    text = "(declare-fun Y_0 () Real)(declare-const X_1 Real)(assert (>= Y_0 X_1))(declare-const X_0 Real)"
    query = parse_query(text.encode(), "q")
    (row,) = rows(query.formula)
    assert query.entries == ("X_0", "X_1", "Y_0")
    assert row.terms == ((1, -1), (2, 1))


def test_comparisons_of_several_terms_and_what_is_decided():
    query = first("(assert (<= -1 X_0 1))(assert (distinct X_0 X_1 Y_0))(assert (or false (< 1 2)))(set-logic QF_LRA)(check-sat)")
    assert isinstance(query.formula, And)
    assert sum(isinstance(part, Or) for part in query.formula.parts) == 3
    assert first("(assert (and))(assert (>= 1 2))").formula == Or(())


def test_zipped_files_are_read(tmp_path):
    text = (DECLARED + "(assert (<= X_0 0.5))").encode()
    (tmp_path / "q.vnnlib").write_bytes(text)
    (tmp_path / "q.vnnlib.gz").write_bytes(gzip.compress(text))
    plain, zipped = read_query(tmp_path / "q.vnnlib"), read_query(tmp_path / "q.vnnlib.gz")
    assert (plain.formula, plain.sha256) == (zipped.formula, zipped.sha256)


# ---- what is wrong -------------------------------------------------------------------------------------------------
FIRST_LINE = DECLARED.count("\n") + 1


@pytest.mark.parametrize(
    ("assertions", "message"),
    [
        ("\n(assert (<= X_0 (* X_1 Y_0)))", f"line {FIRST_LINE + 1}: .*multiplies variables"),
        ("(assert (<= X_0 (/ 1 X_1)))", f"line {FIRST_LINE}: .*divides by a variable"),
        ("(assert (<= X_0 (/ X_1 (- 1 1))))", "divides by zero"),
        ("(assert (<= X_7 1))", f"line {FIRST_LINE}: X_7 is not declared"),
        ("(assert (<= X_0 zero))", "zero is neither a number"),
        ("(assert (<= X_0 1e99999))", "exponent"),
        ("(assert (<= X_0 nan))", "neither a number"),
        ("; a comment (\n(assert (<= X_0 1)", f"line {FIRST_LINE + 1}: the file ends"),
        ("(assert (<= X_0 1)))", r"line 5: \) outside"),
        ("(assert (<= X_0))", "compares 1 terms"),
        ("(assert (sin X_0))", r"\(sin ...\) is not read as a formula"),
        ("(assert (<= (max X_0 X_1) 1))", r"\(max ...\) is not read as a term"),
        ("(assert X_0)", "where a formula should be"),
        ("(assert (not (<= X_0 1) (<= X_1 1)))", r"\(not ...\) has 2 parts"),
        ("(define-fun f () Real 1.0)", r"\(define-fun ...\) is not read"),
        ("(declare-const X_0 Real)(assert (<= X_0 1))", "X_0 is declared twice"),
        ("(declare-const X_3 Real)(assert (<= X_0 1))", "X_3 is declared, but X_2 is not"),
        ("(declare-const Z_0 Real)(assert (<= X_0 1))", "Z_0 is neither an input"),
        ("(declare-const Y_2 Bool)(assert (<= X_0 1))", "Y_2 is declared as Bool"),
        ("", r"no \(assert"),
        ("(assert " + "(not " * 5000 + "(<= X_0 1)" + ")" * 5001, "nested too deeply"),
    ],
)
def test_what_is_wrong_in_the_first_version(assertions, message):
    with pytest.raises(QueryError, match=message) as raised:
        first(assertions)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("assertions", "message"),
    [
        ("(assert (<= X[0] 1.5e3))", "line 6, column .*exponents"),
        ("(assert (= X[0] 1.0))", "line 6, .*=="),
        ("\n(assert (<= X[2] 1.0))", r"line 7: Index out of bounds for variable: X\[2\]"),
        ("(assert (<= Z[0] 1.0))(assert (<= W[0] 1.0))", r"Undeclared variable: Z; .* \(and 1 more\)"),
        ("(assert (<= (* X[0] Y[0]) 1.0))", "line 6: .*multiplies variables"),
        ("(assert (<= X[0] 1.0)", "line 6.*syntax error"),
        ("", "syntax error"),
    ],
)
def test_what_is_wrong_in_the_second_version(assertions, message):
    with pytest.raises(QueryError, match=message) as raised:
        second(assertions)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"(declare-const X_0 Real)\n\xff", "line 2: not a text"),
        (b"(vnnlib-version <3.0>)", "VNN-LIB 3.0"),
        (b"hello", "line 1: hello outside of parentheses|no input is declared"),
        (b"(declare-const X_0 Real)(assert (<= X_0 1))", "no output is declared"),
        (SECOND.replace("real", "real5").encode() + b"(assert (<= X[0] 1.0))", "element type real5"),
    ],
)
def test_files_that_are_no_queries(content, message):
    if b"real5" in content:
        pytest.importorskip("vnnlib")
    with pytest.raises(QueryError, match=message):
        parse_query(content, "q.vnnlib")


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(QueryError, match="no such file"):
        read_query(tmp_path / "q.vnnlib")
    (tmp_path / "q.vnnlib.gz").write_bytes(b"\x1f\x8b but no more")
    with pytest.raises(QueryError, match="gzip"):
        read_query(tmp_path / "q.vnnlib.gz")


def test_the_second_version_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr("polylc.errors.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"polylc\[vnnlib\]"):
        parse_query(SECOND.encode(), "q.vnnlib")
