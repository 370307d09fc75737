"""Proofs by search: what the checker proves is true, and damaged proofs are refused."""

from __future__ import annotations

import base64
import copy
import gzip
import json
from collections.abc import Callable
from fractions import Fraction as F
from functools import cache
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import eighth_net
from sheets import by_cell

import polylc
from polylc import checker, errors
from polylc.bounds.backward import Cells, backward
from polylc.bounds.hidden import intervals, refine
from polylc.bounds.relaxation import Lines, largest_outputs
from polylc.bounds.tables import tables
from polylc.domains.question import And, Or, Row, row
from polylc.network.exact import ExactNetwork
from polylc.network.form import Affine, Layer, Network, chain
from polylc.proof.refutation import compact_network, is_plain, sheet
from polylc.readers.question import Question
from polylc.search import anew

Lines_ = list[Any]


class Inapplicable(Exception):  # noqa: N818
    """A proof has nothing that could be damaged in this way."""


# ---- proofs to damage ------------------------------------------------------------------------------------------------
def boxed(n: int, parts: list[Any], low: F = F(-1), high: F = F(1)) -> And:
    bounds = [row({i: F(1)}, -low) for i in range(n)] + [row({i: F(-1)}, high) for i in range(n)]
    return And((*bounds, *parts))


def leaky_with_skip() -> Network:
    rng = np.random.default_rng(5)
    first = Affine(((0, rng.integers(-8, 9, (4, 3)) / 8),), rng.integers(-4, 5, 4) / 8)
    second = Affine(((1, rng.integers(-8, 9, (4, 4)) / 8), (0, rng.integers(-8, 9, (4, 3)) / 8)), rng.integers(-4, 5, 4) / 8)
    last = Affine(((2, rng.integers(-8, 9, (2, 4)) / 8), (1, rng.integers(-8, 9, (2, 4)) / 8)), np.zeros(2))
    slopes = np.array([0.25, -1.0, 0.0, 1.5])
    return Network(3, (Layer(first, slopes, np.ones(4)), Layer(second, slopes[::-1].copy(), np.full(4, 0.5))), last)


def least_refuted(network: Network, make: Callable[[F], Any]) -> Question:
    """The question with the least threshold, in steps, that has no solution: its proof needs splits."""
    names = tuple(f"x{i}" for i in range(network.inputs))
    for step in range(200):
        question = Question(network, make(F(step, 16)), names)
        if polylc.verify(question, timeout=60).result == "unsat":
            return question
    raise AssertionError("no threshold is high enough")


def nested(t: F) -> And:
    inner = Or((row({3: F(1), 0: F(1)}, F(0)), row({3: F(-1), 1: F(1)}, F(0))))
    return boxed(3, [Or((row({3: F(1)}, -t), And((row({4: F(1)}, -t), inner))))])


def questions() -> dict[str, Question]:
    deep, wide, skip = eighth_net([2, 5, 5, 2], 1), eighth_net([18, 6, 4, 2], 3), leaky_with_skip()
    either = [{18: F(1)}, {19: F(1), 18: F(-1)}]
    least = [least_refuted(wide, lambda t, terms=terms: boxed(18, [row(terms, -t)])).formula.parts[-1] for terms in either]
    several = Question(wide, boxed(18, [Or(tuple(least))]), tuple(f"x{i}" for i in range(18)))
    absolute = Network(
        1, (Layer(Affine(((0, np.array([[1.0]])),), np.zeros(1)), -np.ones(1), np.ones(1)),), Affine(((1, np.ones((1, 1))),), np.zeros(1))
    )
    larger = eighth_net([3, 10, 10, 10, 2], 4)
    return {
        "found": least_refuted(larger, lambda t: boxed(3, [row({3: F(1)}, -t)])),
        "boxes": least_refuted(deep, lambda t: boxed(2, [row({2: F(1)}, -t)])),
        "neurons": several,
        "alternatives": least_refuted(skip, nested),
        "tie": Question(absolute, boxed(1, [row({1: F(1)}, F(-1), strict=True)]), ("x",)),
        "rows": least_refuted(skip, lambda t: boxed(3, [row({3: F(1), 0: F(1, 3)}, -t), row({4: F(1)}, F(0)), row({1: F(1), 2: F(1)}, F(1, 2))])),
    }


@cache
def proofs() -> dict[str, Lines_]:
    found = {}
    with TemporaryDirectory() as folder:
        for name, question in questions().items():
            path = Path(folder) / name
            assert polylc.verify(question, timeout=60, proof=path).result == "unsat", name
            with gzip.open(path) as file:
                found[name] = by_cell([json.loads(line) for line in file])
    with gzip.open(Path(__file__).parent / "data" / "rows_from_above.proof") as file:  # "found", as it was proved with shifts
        found["little"] = by_cell([json.loads(line) for line in file])
    return found


def in_sheets(lines: Lines_) -> Lines_:
    """The other way round: a sheet for every run of cells, however short."""
    found: Lines_ = []
    layers = len(lines[1]["network"]["layers"])
    for one, run in groupby(lines, lambda line: isinstance(line, list) and len(line) > 5 and is_plain(line, layers)):
        some = list(run)
        found += [sheet(some)] if one else some
    return found


def checked(lines: Lines_ | bytes, folder: Path) -> list[Any]:
    path = folder / "p.proof"
    text = lines if isinstance(lines, bytes) else "".join(json.dumps(line) + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text))
    return checker.check_file(path)


NAMES = ("little", "found", "boxes", "neurons", "alternatives", "tie", "rows")


@pytest.mark.parametrize("name", NAMES)
def test_true_proofs_are_verified(name, tmp_path):
    (found,) = checked(proofs()[name], tmp_path)
    assert isinstance(found, checker.Refuted)
    assert found.leaves >= 1


def test_the_proofs_have_all_there_is_to_damage():
    cells = [line for lines in proofs().values() for line in lines if isinstance(line, list) and len(line) in (6, 7)]
    kinds = {line[4] for line in cells}
    events = {event[0] for line in cells for event in line[3]}
    assert kinds >= {-1, 0, 1, 2}
    assert events == {"bound", "exact", "choose"}
    assert any(line[2] for line in cells), "no claims"
    assert any(event[0] == "bound" and event[4] for line in cells for event in line[3]), "no betas"


# ---- forgeries -------------------------------------------------------------------------------------------------------
def cells(lines: Lines_) -> list[list[Any]]:
    return [line for line in lines if isinstance(line, list) and len(line) in (6, 7)]


def first(found: list[Any]) -> Any:
    if not found:
        raise Inapplicable
    return found[0]


def event(lines: Lines_, kind: str, having: Callable[[list[Any]], bool] = lambda e: True) -> list[Any]:
    return first([e for line in cells(lines) for e in line[3] if e[0] == kind and having(e)])


def goal_row(lines: Lines_) -> list[Any]:
    """A row over outputs."""
    return first(goal_rows(lines))


def goal_rows(lines: Lines_) -> list[list[Any]]:
    inputs = lines[1]["network"]["inputs"]
    return [r for r in all_rows(lines[2]["formula"]) if any(v >= inputs for v, _ in r[1])]


def undivided(lines: Lines_) -> list[Any]:
    """A cell with nothing but a split of its box."""
    return first([line for line in cells(lines) if line[4] == 0 and not line[3]])


def all_rows(formula: list[Any]) -> list[list[Any]]:
    return [formula] if formula[0] == "row" else [r for part in formula[1:] for r in all_rows(part)]


def matrix(lines: Lines_) -> dict[str, Any]:
    return first(list(lines[1]["network"]["layers"]))


def put(at: Any, key: Any, value: Any) -> None:
    at[key] = value


def moved(lines: Lines_) -> list[list[Any]]:
    """Ends by rows from above that are stated."""
    return [line[6] for line in cells(lines) if len(line) == 7]


def neurons(lines: Lines_) -> int:
    return sum(map(neurons_of, lines[1]["network"]["layers"]))


def neurons_of(layer: dict[str, Any]) -> int:
    return len(layer["positive"])


def depth(lines: Lines_) -> int:
    return len(lines[1]["network"]["layers"])


def by_rows(lines: Lines_) -> list[list[Any]]:
    """All cells but the first of proofs that need what is found farther down."""
    little(lines)
    return cells(lines)[1:]


def little(lines: Lines_) -> list[Any]:
    """A refutation before which some neurons are bounded anew."""
    return event(lines, "bound", lambda e: len(e) > 4 + 1)


def single_bias(lines: Lines_) -> dict[str, str]:
    return first([layer["bias"] for layer in lines[1]["network"]["layers"] if isinstance(layer["bias"], dict)])


def split_of(lines: Lines_, kind: int) -> list[Any]:
    return first([line for line in cells(lines) if line[4] == kind])


def root_line(lines: Lines_) -> dict[str, Any]:
    return first([line for line in lines if isinstance(line, dict) and "alternatives" in line])


def drop_subtree(lines: Lines_) -> None:
    leaf = first([line for line in cells(lines) if line[4] == -1])
    lines.remove(leaf)


def claims(lines: Lines_) -> list[list[Any]]:
    return first([line[2] for line in cells(lines) if line[2]])


def tighter(claim: list[Any]) -> None:
    """An end moved inward by one step of the grid, more than what rounding it outward can have given away."""
    sign = 1 - 2 * claim[1]
    _, exponent = np.frexp(claim[2])
    claim[2] += sign * 2.0 ** max(int(exponent) - checker.DIGITS, -checker.FINEST)


def on_every_event(change: Callable[[list[Any]], None], kind: str) -> Callable[[Lines_], None]:
    def forge(lines: Lines_) -> None:
        event(lines, kind)
        for line in cells(lines):
            for e in line[3]:
                if e[0] == kind:
                    change(e)

    return forge


def refined(lines: Lines_) -> list[Any]:
    return first([line for line in cells(lines) if line[0] == 0])


def swapped_sign(r: list[Any]) -> None:
    r[1] = [[v, str(-F(c))] for v, c in r[1]]
    r[2] = str(-F(r[2]) + 100)


FORGERIES: dict[str, Callable[[Lines_], Any]] = {
    "another format": lambda p: put(p[0], "format", "polylc-proof/0"),
    "no queries": lambda p: put(p[0], "queries", 0),
    "one query more": lambda p: put(p[0], "queries", 2),
    "queries true": lambda p: put(p[0], "queries", True),
    "a key more": lambda p: put(p[0], "neighbourhoods", 1),
    "no end": lambda p: p.pop(),
    "a line behind the end": lambda p: p.append([0]),
    "a bias": lambda p: put(matrix(p), "bias", [3.5] * neurons_of(matrix(p))),
    "a slope of a unit": lambda p: put(matrix(p)["positive"], 0, 2.0),
    "hash": lambda p: put(p[1]["network"], "weights_sha256", "0" * 64),
    "inputs": lambda p: put(p[1]["network"], "inputs", p[1]["network"]["inputs"] + 1),
    "weights in base64 cut": lambda p: put(matrix(p)["terms"][0][1], "float32", matrix(p)["terms"][0][1]["float32"][:-4]),
    "weights in base64 of another alphabet": lambda p: put(matrix(p)["terms"][0][1], "float32", "!" + matrix(p)["terms"][0][1]["float32"][1:]),
    "weights that are not finite": lambda p: put(matrix(p)["terms"][0][1], "float32", "AACAfw==" * 2),
    "semantics": lambda p: put(p[2], "semantics", "float32"),
    "names": lambda p: p[2]["names"].pop(),
    "a name that is no text": lambda p: put(p[2]["names"], 0, 1),
    "a negative number": lambda p: put(p[2], "query", -1),
    "a root more": lambda p: put(p[2], "roots", p[2]["roots"] + 1),
    "a root less": lambda p: put(p[2], "roots", p[2]["roots"] - 1),
    "no roots at all": lambda p: (put(p[2], "roots", 0), p.__delitem__(slice(3, -1))),
    "a formula of another kind": lambda p: put(p[2]["formula"], 0, "xor"),
    "and made or": lambda p: put(p[2]["formula"], 0, "or"),
    "a row cut": lambda p: goal_row(p).pop(),
    "a variable there is not": lambda p: put(goal_row(p)[1][0], 0, 10**6),
    "a variable twice": lambda p: goal_row(p)[1].append(list(goal_row(p)[1][0])),
    "a coefficient 0": lambda p: put(goal_row(p)[1][0], 1, "0"),
    "a constant that is no number": lambda p: put(goal_row(p), 2, "x"),
    "a constant without a denominator": lambda p: put(goal_row(p), 2, "1/0"),
    "a constant of a million digits": lambda p: put(goal_row(p), 2, "1" * 10**6),
    "strict as a number": lambda p: put(goal_row(p), 3, 1),
    "a row that holds everywhere": lambda p: [put(r, 2, "1000") for r in goal_rows(p)],
    "another sign": lambda p: [swapped_sign(r) for r in goal_rows(p)],
    "a wider box in the query": lambda p: put(first(all_rows(p[2]["formula"])), 2, "50"),
    "a bound of an input left out": lambda p: p[2]["formula"].pop(1),
    "one more disjunct": lambda p: p[2].update(formula=["or", p[2]["formula"], ["row", [[0, "1"]], "100", False]]),
    "a row of the formula left out": lambda p: p[2]["formula"].remove(goal_row(p)) if goal_row(p) in p[2]["formula"] else first([]),
    "lower above upper": lambda p: put(root_line(p)["lower"], 0, 7.0),
    "a box that is narrower from below": lambda p: put(root_line(p)["lower"], 0, root_line(p)["lower"][0] / 2),
    "a box that is narrower from above": lambda p: put(root_line(p)["upper"], 0, root_line(p)["upper"][0] / 2),
    "a box that is a little narrower": lambda p: put(root_line(p)["upper"], 0, float(np.nextafter(1.0, 0.0))),
    "a box of whole numbers": lambda p: put(root_line(p)["upper"], 0, 1),
    "a box without an end": lambda p: put(root_line(p)["upper"], 0, float("inf")),
    "an alternative left out": lambda p: root_line(p)["alternatives"].pop(),
    "an alternative there is not": lambda p: root_line(p)["alternatives"].append([[0, 99]]),
    "an alternative with a negative choice": lambda p: root_line(p)["alternatives"].append([[-1, 0]]),
    "a cell cut": lambda p: first(cells(p)).pop(),
    "a layer before the first": lambda p: put(first(cells(p)), 0, -1),
    "a layer behind the last": lambda p: put(first(cells(p)), 0, 99),
    "nothing bounded anywhere": lambda p: (event(p, "bound"), [put(line, 0, len(p[1]["network"]["layers"])) for line in cells(p)]),
    "a lower end": lambda p: refined(p)[1].append([0, 0, 40.0]),
    "an upper end": lambda p: refined(p)[1].append([0, 1, -40.0]),
    "an end of too many bits": lambda p: refined(p)[1].append([0, 0, -1e-15]),
    "an end that is no number": lambda p: refined(p)[1].append([0, 0, float("nan")]),
    "an end of a neuron there is not": lambda p: refined(p)[1].append([10**6, 0, -1.0]),
    "an end of a third side": lambda p: refined(p)[1].append([0, 2, -1.0]),
    "a claim that is tighter": lambda p: put(claims(p)[0], 2, claims(p)[0][2] + (1 - 2 * claims(p)[0][1]) * 2.0),
    "a claim a step of the grid tighter": lambda p: tighter(claims(p)[0]),
    "a claim with slopes above 1": lambda p: put(claims(p)[0], 3, "~ff" + claims(p)[0][3][1:]),
    "a claim with too many slopes": lambda p: put(claims(p)[0], 3, "1" * 1000),
    "a claim of a neuron there is not": lambda p: put(claims(p)[0], 0, 10**6),
    "an end of a neuron that there is not, by its number": lambda p: refined(p)[1].append(2 * 10**6),
    "an end by a negative number": lambda p: refined(p)[1].append(-1),
    "an end that is true": lambda p: refined(p)[1].append(True),
    "an end of rows from above that is better": lambda p: [little(p), *(one.append([i, 0, 40.0]) for one in moved(p) for i in range(neurons(p)))],
    "an end of rows from above with too many bits": lambda p: first(moved(p)).append([0, 0, -1e-15]),
    "an end of rows from above of a neuron there is not": lambda p: first(moved(p)).append(2 * neurons(p)),
    "rows from above that are no list": lambda p: put(first([line for line in cells(p) if len(line) == 7]), 6, None),
    "one entry more of a cell": lambda p: first([line for line in cells(p) if len(line) == 7]).append([]),
    "no rows from above": lambda p: [line.pop() for line in cells(p) if len(line) == 7] and by_rows(p),
    "nothing bounded anew but at the root": lambda p: [put(line, 0, depth(p)) for line in by_rows(p)],
    "a shift below 0": lambda p: put(little(p), 5, -1),
    "a shift above the largest": lambda p: put(little(p), 5, checker.MOST_SHIFT + 1),
    "a shift that is no integer": lambda p: put(little(p), 5, 1.0),
    "nothing bounded anew that costs much": lambda p: [little(p), *(e.__delitem__(slice(5, None)) for line in cells(p) for e in line[3])],
    "only the costliest bounded anew": lambda p: [little(p), *(put(e, 5, 0) for line in cells(p) for e in line[3] if len(e) > 5)],
    "an end of the costly that is better": lambda p: [little(p)[6].append([i, 1, -40.0]) for i in range(neurons(p))],
    "a costly end by a number that there is not": lambda p: little(p)[6].append(2 * neurons(p)),
    "a shift without ends": lambda p: little(p).pop(),
    "another hash only": lambda p: put(p[1], "network", {"weights_sha256": p[1]["network"]["weights_sha256"]}),
    "biases in base64 of other bytes": lambda p: put(single_bias(p), "float32", "AAAA"),
    "biases that are not finite": lambda p: put(single_bias(p), "float32", base64.b64encode(b"\0\0\xc0\x7f").decode()),
    "an event of another kind": lambda p: put(event(p, "bound"), 0, "guess"),
    "a place there is not": lambda p: put(event(p, "bound"), 1, 7),
    "a negative place": lambda p: put(event(p, "bound"), 1, -1),
    "negative shares": on_every_event(lambda e: put(e, 2, [-s for s in e[2]]), "bound"),
    "no shares": on_every_event(lambda e: put(e, 2, []), "bound"),
    "shares of 0": on_every_event(lambda e: put(e, 2, [0] * len(e[2])), "bound"),
    "one share more": on_every_event(lambda e: e[2].append(1), "bound"),
    "slopes that are no words": on_every_event(lambda e: put(e, 3, "2"), "bound"),
    "too many slopes": on_every_event(lambda e: put(e, 3, "1" * 1000), "bound"),
    "slopes above 1": on_every_event(lambda e: put(e, 3, "~ff"), "bound"),
    "negative betas": lambda p: put(event(p, "bound", lambda e: bool(e[4])), 4, [-1.0 for _ in event(p, "bound", lambda e: bool(e[4]))[4]]),
    "a beta more": on_every_event(lambda e: e[4].append(1.0), "bound"),
    "betas that are no numbers": lambda p: put(event(p, "bound", lambda e: bool(e[4]))[4], 0, float("nan")),
    "an event left out": lambda p: first([line[3] for line in cells(p) if line[3]]).pop(),
    "an event twice": lambda p: first([line[3] for line in cells(p) if line[4] == -1]).append(["bound", 0, [1], "", []]),
    "a leaf too early": lambda p: (put(first([line for line in cells(p) if line[4] >= 0]), 4, -1)),
    "a split of a leaf": lambda p: put(first([line for line in cells(p) if line[4] == -1]), 4, 0),
    "a split of an input there is not": lambda p: put(split_of(p, 0), 5, 99),
    "a split of a neuron there is not": lambda p: put(split_of(p, 1), 5, 10**6),
    "a split of a fourth kind": lambda p: put(first(cells(p)), 4, 3),
    "a child left out": drop_subtree,
    "a cell twice": lambda p: p.insert(len(p) - 1, copy.deepcopy(cells(p)[-1])),
    "negative exact multipliers": on_every_event(lambda e: put(e, 2, [[r, "-" + y] for r, y in e[2]]), "exact"),
    "exact multipliers of 0": on_every_event(lambda e: put(e, 2, [[r, "0"] for r, _ in e[2]]), "exact"),
    "an exact multiplier of a row there is not": on_every_event(lambda e: put(e, 2, [[99, "1"]]), "exact"),
    "an exact multiplier of a neuron that was not split": on_every_event(lambda e: put(e, 3, [[10**6, "1"]]), "exact"),
    "strictness left out": lambda p: (event(p, "exact"), [put(r, 3, False) for r in all_rows(p[2]["formula"])]),
    "an exact combination where neurons are open": lambda p: put(undivided(p), 3, [["exact", 0, [[0, "1"]], []]]),
    "a choice that there is not": lambda p: put(first([line for line in cells(p) if line[3] and line[3][0][0] == "bound"])[3], 0, ["choose", 0]),
    "a key left out": lambda p: p[2].pop("names"),
}  # fmt: skip


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forgeries_are_refused(forgery, tmp_path):
    applied = 0
    for name in NAMES:
        lines = copy.deepcopy(proofs()[name])
        try:
            FORGERIES[forgery](lines)
        except (Inapplicable, IndexError, KeyError):
            continue
        if json.dumps(lines) == json.dumps(proofs()[name]):  # 1 and True are equal, and not the same
            continue
        applied += 1
        with pytest.raises((checker.Refused, checker.Unreadable)):
            checked(lines, tmp_path)
    assert applied


def test_there_are_enough_forgeries():
    assert len(FORGERIES) >= 60


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_bytes_are_refused_or_say_the_same(tmp_path_factory, data):
    name = data.draw(st.sampled_from(NAMES))
    text = bytearray("".join(json.dumps(line) + "\n" for line in proofs()[name]).encode())
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.integers(32, 126))
    folder = tmp_path_factory.mktemp("damaged")
    try:
        (found,) = checked(bytes(text), folder)
    except (checker.Refused, checker.Unreadable):
        return
    (true,) = checked(proofs()[name], folder)
    if (found.formula, found.weights_sha256) != (true.formula, true.weights_sha256):  # another theorem: it must be true
        rows = [(dict(r.terms), r.constant) for r in _rows(found.formula)]
        assert rows != [(dict(r.terms), r.constant) for r in _rows(true.formula)] or found.formula != true.formula
        assert _holds_nowhere(questions_by_name()[name], found.formula)


@cache
def questions_by_name() -> dict[str, Question]:
    found = questions()
    return {**found, "little": found["found"]}


def _rows(formula: Any) -> list[Any]:
    return [formula] if isinstance(formula, checker.Condition) else [r for part in formula.parts for r in _rows(part)]


def _holds_nowhere(question: Question, formula: Any) -> bool:
    """By sampling, in rationals, near and far."""
    exact, rng = ExactNetwork(question.network), np.random.default_rng(0)
    for point in rng.integers(-64, 65, (200, question.network.inputs)):
        x = tuple(F(int(v), 32) for v in point)
        if _true(formula, (*x, *exact.outputs(x))):
            return False
    return True


def _true(formula: Any, values: tuple[F, ...]) -> bool:
    if isinstance(formula, checker.Condition):
        return Row(formula.terms, formula.constant, formula.strict).holds(values)
    return (all if formula.every else any)(_true(part, values) for part in formula.parts)


# ---- proofs without weights ------------------------------------------------------------------------------------------
def test_a_proof_may_have_the_hash_of_its_network_only(tmp_path, capsys):
    question = questions_by_name()["boxes"]
    short, long = tmp_path / "short", tmp_path / "long"
    assert polylc.verify(question, proof=short, proof_network="reference").result == "unsat"
    assert polylc.verify(question, proof=long).result == "unsat"
    assert short.stat().st_size < long.stat().st_size
    assert checker.main([str(short)]) == 2
    assert "name a network" in capsys.readouterr().err
    assert checker.main([str(short), "--network", str(long)]) == 0
    assert polylc.check(short, question.network)[0].weights_sha256 == question.network.weights_sha256
    other = questions_by_name()["tie"].network
    with pytest.raises(errors.ProofRefused, match="other weights"):
        polylc.check(short, other)
    with pytest.raises(errors.UsageError, match="embedded or reference"):
        polylc.verify(question, proof=short, proof_network="none")


# ---- several processes -----------------------------------------------------------------------------------------------
def test_every_cell_is_checked_by_some_process(tmp_path, capsys):
    lines = copy.deepcopy(proofs()["little"])
    (whole,) = checked(lines, tmp_path)
    path = tmp_path / "p.proof"
    assert all(checker.check_file(path, None, (k, 3)) == [whole] for k in range(3))
    assert checker.main([str(path), "--jobs", "2"]) == 0
    assert checker.main([str(path), "--jobs", "0"]) == 2
    capsys.readouterr()
    places = [(line, e) for line in cells(lines) for e in line[3] if e[0] == "bound"]
    assert len(places) > 20
    for line, e in places:
        before, e[2] = e[2], [0] * len(e[2])
        path.write_bytes(gzip.compress("".join(json.dumps(one) + "\n" for one in lines).encode()))
        refused = 0
        for k in range(3):
            try:
                checker.check_file(path, None, (k, 3))
            except checker.Refused:
                refused += 1
        assert refused in (1, 3), line
        e[2] = before
    places[-1][1][2] = [0]
    path.write_bytes(gzip.compress("".join(json.dumps(one) + "\n" for one in lines).encode()))
    assert checker.main([str(path), "--jobs", "2"]) == 1
    assert "not refuted" in capsys.readouterr().err


# ---- bounds ----------------------------------------------------------------------------------------------------------
@st.composite
def networks(draw: Any) -> Network:
    n, depth = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    number = st.integers(-8, 8).map(lambda k: k / 4)
    widths = [n, *(draw(st.integers(1, 4)) for _ in range(depth))]

    def some(rows: int, columns: int) -> np.ndarray:
        return np.array(draw(st.lists(number, min_size=rows * columns, max_size=rows * columns))).reshape(rows, columns)

    def affine(size: int, index: int) -> Affine:
        sources = sorted({index - 1, *draw(st.sets(st.integers(0, index - 1), max_size=2))})
        return Affine(tuple((s, some(size, widths[s])) for s in sources), some(size, 1)[:, 0])

    layers = []
    for index in range(1, depth + 1):
        plain = draw(st.booleans())
        low, high = (np.zeros(widths[index]), np.ones(widths[index])) if plain else (some(widths[index], 1)[:, 0], some(widths[index], 1)[:, 0])
        layers.append(Layer(affine(widths[index], index), low, high))
    return Network(n, tuple(layers), affine(2, depth + 1))


@given(networks(), st.integers(0, 2**32 - 1))
@settings(max_examples=120, deadline=None)
def test_bounds_hold_in_doubles_and_in_the_checker(network, seed):
    rng = np.random.default_rng(seed)
    centre, radius = rng.integers(-8, 9, network.inputs) / 8, rng.integers(1, 9, network.inputs) / 8
    low, high = centre - radius, centre + radius
    found = tables(network)
    lows, highs = intervals(found, low, high)
    sizes = found.magnitudes(largest_outputs(found, lows, highs, np.maximum(np.abs(low), np.abs(high))))
    cells_ = Cells(low[None], high[None])
    ends = lows[None].copy(), highs[None].copy()
    refine(found, *ends, cells_, sizes)
    lines = Lines.of(*ends)
    slopes = np.where(lines.open, rng.integers(0, 129, ends[0].shape) / 128, lines.rule)
    rows = [None] * (found.depth + 1)
    for source, weight in network.output.terms:
        rows[source] = weight[:1].copy()
    bound = backward(found, rows, network.output.bias[:1], found.depth, lines, cells_, sizes, slopes)
    sure = float(bound.value[0] - bound.error[0])

    read = checker._Network(json.loads(json.dumps(compact_network(network))))
    rule = checker._Bounds(read)
    scale = 1 << checker.UNIT
    cell = checker._Searched(low.tolist(), high.tolist(), [int(F(v) * scale) for v in ends[0][0]], [int(F(v) * scale) for v in ends[1][0]], [], [])
    start, constant = rule.over_outputs([1, 0], [0] * network.inputs, 0, cell)
    given_slopes = {int(i): int(slopes[0, i] * 128) for i in np.flatnonzero(lines.open[0])}
    whole = F(rule.bound(start, constant, cell, given_slopes), 1 << checker.UNIT + rule.shift + checker.INPUT)

    exact = ExactNetwork(network)
    for t in rng.integers(0, 9, (12, network.inputs)):
        x = tuple(F(a) + (F(b) - F(a)) * int(k) / 8 for a, b, k in zip(low, high, t, strict=True))
        *hidden, outputs = exact.preactivations(x)
        z = [v for layer in hidden for v in layer]
        assert all(F(a) <= v <= F(b) for a, v, b in zip(ends[0][0], z, ends[1][0], strict=True))
        assert F(sure) <= outputs[0]
        assert whole <= outputs[0]
    assert F(sure) <= whole  # what the search closes, the checker closes


# ---- sheets ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NAMES)
def test_sheets_are_the_cells_that_they_stand_for(name, tmp_path):
    lines = proofs()[name]
    short = json.loads(json.dumps(in_sheets(lines)))
    assert len(short) < len(lines)
    assert by_cell(short) == lines
    assert checked(short, tmp_path) == checked(lines, tmp_path)


def cut(text: str, at: int, new: str = "") -> str:
    return text[:at] + new + text[at + 1 :]


SHEETS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a cell left out": lambda s: s.update(cells=s["cells"][1:]),
    "a cell left out everywhere": lambda s: s.update(cells=s["cells"][:-1], first=s["first"][:-1], places=s["places"].rpartition(",")[0]),
    "a leaf more": lambda s: s.update(cells=s["cells"] + "-", first=s["first"] + ".", places=s["places"] and s["places"] + ","),
    "a leaf in place of a split": lambda s: s.update(cells=cut(s["cells"], 0, "-")),
    "a split in place of a leaf": lambda s: s.update(cells=cut(s["cells"], s["cells"].index("-"), "a")),
    "a side there is not": lambda s: s.update(cells=cut(s["cells"], 0, "z")),
    "a letter there is not": lambda s: s.update(cells=cut(s["cells"], 0, "?")),
    "nothing bounded anew": lambda s: s.update(first="." * len(s["first"])),
    "a state there is not": lambda s: s.update(first=cut(s["first"], 0, "x")),
    "one more bound": lambda s: s.update(shares=s["shares"] + s["shares"][-1:], slopes=s["slopes"] + ",", shifts=s["shifts"] + "."),
    "one bound less": lambda s: s.update(shares=s["shares"][:-1], slopes=s["slopes"].rpartition(",")[0], shifts=s["shifts"][:-1]),
    "shares of less": lambda s: s["shares"].pop(),
    "slopes of more": lambda s: s.update(slopes=s["slopes"] + ","),
    "slopes of too many neurons": lambda s: s.update(slopes="1" * 99 + s["slopes"]),
    "a shift there is not": lambda s: s.update(shifts=cut(s["shifts"], 0, "d")),
    "a place that is no digit": lambda s: s.update(places="," * (len(s["cells"]) - 1) + "x"),
    "a place of a superscript": lambda s: s.update(places="," * (len(s["cells"]) - 1) + "\u00b2"),
    "a place there is not": lambda s: s.update(places="," * (len(s["cells"]) - 1) + "9"),
    "places of too few": lambda s: s.update(places="0,0" if len(s["cells"]) != 2 else "0"),
    "a neuron too many": lambda s: s["neurons"].append(0),
    "no list of neurons": lambda s: s.update(neurons=None),
    "a text of numbers": lambda s: s.update(cells=[-1] * len(s["cells"])),
    "pairs of one": lambda s: s.update(ends=[[0]]),
    "a pair of a truth": lambda s: s.update(ends=[[False, []]]),
    "a key less": lambda s: s.pop("more"),
    "a key more": lambda s: s.update(claims=[]),
    "no cells": lambda s: s.update(cells="", first="", places=""),
}


@pytest.mark.parametrize("name", ["little", "found", "boxes", "tie"])
@pytest.mark.parametrize("change", SHEETS)
def test_damaged_sheets_are_refused(name, change, tmp_path):
    lines = json.loads(json.dumps(in_sheets(proofs()[name])))
    one = next(line for line in lines if isinstance(line, dict) and "cells" in line)
    before = json.dumps(one)
    try:
        SHEETS[change](one)
    except (IndexError, ValueError):
        pytest.skip("nothing to damage")
    if json.dumps(one) == before or (name, change) == ("tie", "nothing bounded anew"):  # its neuron is split in any case
        pytest.skip("nothing to damage")
    with pytest.raises((checker.Refused, checker.Unreadable)):
        checked(lines, tmp_path)


# ---- what a proof must not get away with: each was a hole ------------------------------------------------------------
def by_hand(network: dict[str, Any], formula: list[Any], root: dict[str, Any], *cells: list[Any], names: list[str] | None = None) -> Lines_:
    """A proof of one query with one root, by hand."""
    variables = names or ["x", "y"]
    query = {"query": 0, "source": "", "query_sha256": "", "semantics": "real", "names": variables, "formula": formula, "roots": 1}
    return [{"format": checker.FORMAT, "producer": "", "queries": 1}, {"network": network}, query, root, *cells, ["end of file"]]


def plain(network: Network) -> dict[str, Any]:
    return json.loads(json.dumps(compact_network(network)))


def between(low: str, high: str) -> list[list[Any]]:
    return [["row", [[0, "1"]], str(-F(low)), False], ["row", [[0, "-1"]], high, False]]


@pytest.mark.parametrize("refined", [0, 1])
@pytest.mark.parametrize("power", [150, 300, 1000])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_values_may_be_as_large_as_doubles_make_them(refined, power, layers, tmp_path):
    """Max of 2^p x over [-1, 1] is 2^p, more than 3/4 of it; ends are no nearer than what is proved of them."""
    network = chain([np.array([[2.0**power]])] * layers + [np.ones((1, 1))], [np.zeros(1)] * (layers + 1))
    formula = ["and", *between("-1", "1"), ["row", [[1, "1"]], str(-3 * 2 ** (power * layers - 2)), False]]
    root = {"lower": [-1.0], "upper": [1.0], "alternatives": [[]]}
    first_layer = 0 if refined else layers
    with pytest.raises(checker.Refused, match="not refuted"):
        checked(by_hand(plain(network), formula, root, [first_layer, [], [], [["bound", 0, [1], "", []]], -1, 0]), tmp_path)


@pytest.mark.parametrize(("over", "true"), [(F(1, 2**80), True), (F(0), True), (F(-1, 2**80), False)])
def test_a_layer_without_neurons_rounds_nothing(over, true, tmp_path):
    """Of y = x on [0, 1] it is asked whether y > 1 + over, exactly; what is less than a rounding of doubles counts."""
    empty = Layer(Affine(((0, np.zeros((0, 1))),), np.zeros(0)), np.zeros(0), np.ones(0))
    network = Network(1, (empty,), Affine(((0, np.ones((1, 1))),), np.zeros(1)))
    formula = ["and", *between("0", "1"), ["row", [[1, "1"]], str(-1 - over), True]]
    root = {"lower": [0.0], "upper": [1.0], "alternatives": [[]]}
    proof = by_hand(plain(network), formula, root, [1, [], [], [["exact", 0, [[2, "1"]], []]], -1, 0])
    if true:
        assert checked(proof, tmp_path)
    else:
        with pytest.raises(checker.Refused, match="not refuted"):
            checked(proof, tmp_path)


def identity() -> dict[str, Any]:
    return plain(Network(1, (), Affine(((0, np.ones((1, 1))),), np.zeros(1))))


@pytest.mark.parametrize("name", ["x", "y 1", "y\nverified", "1", "-y", "", "x>=2,or,y", "\ud800"])
def test_names_that_would_be_read_as_something_else(name, tmp_path):
    proof = by_hand(
        identity(), ["and", *between("0", "1"), ["row", [[1, "1"]], "-2", False]], {"lower": [0.0], "upper": [1.0], "alternatives": [[]]},
        [0, [], [], [["bound", 0, [1], "", []]], -1, 0], names=["x", name],
    )  # fmt: skip
    with pytest.raises(checker.Unreadable, match="names"):
        checked(proof, tmp_path)


def test_names_are_printed_in_the_order_of_variables(tmp_path, capsys):
    """What is proved of y is not to be read as of x."""
    formula = ["and", *between("0", "1"), ["row", [[1, "1"]], "-2", False]]
    root, cell = {"lower": [0.0], "upper": [1.0], "alternatives": [[]]}, [0, [], [], [["bound", 0, [1], "", []]], -1, 0]
    said = []
    for names in (["x", "y"], ["y", "x"]):
        checked(by_hand(identity(), formula, root, cell, names=names), tmp_path)
        assert checker.main([str(tmp_path / "p.proof")]) == 0
        said.append(capsys.readouterr().out)
    assert "inputs, in order: x\n  outputs, in order: y\n" in said[0]
    assert "inputs, in order: y\n  outputs, in order: x\n" in said[1]


def test_thousands_of_choices_one_within_the_other(tmp_path):
    """All but the last are chosen of in turn, without a root of their own."""
    many = 3000
    goal = ["row", [[1, "1"]], "-2", False]
    formula = ["and", *between("0", "1"), *([["or", goal]] * many)]
    root = {"lower": [0.0], "upper": [1.0], "alternatives": [[[0, 0]] * many]}
    cell = [0, [], [], [["bound", 0, [1], "", []]], -1, 0]
    assert checked(by_hand(identity(), formula, root, cell), tmp_path)
    with pytest.raises(checker.Refused, match="refuted nowhere"):
        checked(by_hand(identity(), formula, {**root, "alternatives": []}, [0, [], [], [], -1, 0]), tmp_path)


@pytest.mark.parametrize(
    ("bounds", "empty"),
    [
        ([["row", [[0, "1"]], "0", True], ["row", [[0, "-1"]], "0", False]], True),  # x > 0 and x <= 0
        ([["row", [[0, "2"]], "-1", False], ["row", [[0, "-3"]], "1", False]], True),  # x >= 1/2 and x <= 1/3
        ([["row", [[0, "1"]], "0", False], ["row", [[0, "-1"]], "0", False]], False),  # x = 0
        ([["row", [[0, "1"]], "1", True], ["row", [[0, "1"]], "0", False], ["row", [[0, "-1"]], "0", False]], False),  # x > -1 and x = 0
    ],
)
def test_which_bounds_leave_nothing(bounds, empty, tmp_path):
    proof = by_hand(
        identity(), ["and", *bounds, ["row", [[1, "1"]], "0", False]], {"lower": [7.0], "upper": [8.0], "alternatives": []}, [0, [], [], [], -1, 0]
    )
    if empty:
        assert checked(proof, tmp_path)
    else:
        with pytest.raises(checker.Refused, match="refuted nowhere"):
            checked(proof, tmp_path)


def test_neurons_that_are_open_matter_only_with_a_coefficient(tmp_path):
    """An exact combination of rows over inputs needs no signs; one of outputs does."""
    network = plain(chain([np.ones((1, 1)), np.ones((1, 1))], [np.zeros(1)] * 2))
    root, rows = {"lower": [-1.0], "upper": [1.0], "alternatives": [[]]}, between("-1", "1")
    split = [0, [], [], [["exact", 0, [[2, "1"]], []]], -1, 0]
    assert checked(by_hand(network, ["and", *rows, ["row", [[0, "1"]], "-2", False]], root, split), tmp_path)
    with pytest.raises(checker.Refused, match="sign is open"):
        checked(by_hand(network, ["and", *rows, ["row", [[1, "1"]], "-2", False]], root, split), tmp_path)


whole = st.one_of(st.integers(-3, 3), st.integers(-(2**70), 2**70), st.sampled_from([2**63 - 1, -(2**63), 2**127 - 1, -(2**127), 2**200]))


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_products_in_lanes_are_products(data):
    """Whatever the numbers, also those that no lane holds; matrices with zeros left out, too."""
    height, width, words = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    entry = st.one_of(st.just(0.0), st.sampled_from([1.0, -1.0, 2.0**-52, 1 - 2.0**-53, 2.0**60, -(2.0**60), 2.0**300]))
    rows = data.draw(st.lists(st.lists(entry, min_size=width, max_size=width), min_size=height, max_size=height))
    k = data.draw(st.lists(whole, min_size=height, max_size=height))
    few: list[dict[int, float]] = [{j: w for j, w in enumerate(row) if w} for row in rows]
    shift = checker.WORD * words
    true = [sum(a * F(row[j]) for a, row in zip(k, rows, strict=True)) for j in range(width)]
    for matrix_ in (checker._Matrix(rows, width, shift), checker._Matrix(few, width, shift)):
        assert [F(v, 2**shift) for v in matrix_.exactly(k)] == true
        assert matrix_.floors(k) == [v.__floor__() for v in true]
        assert [[F(v, 2**shift) for v in matrix_.row(i)] for i in range(height)] == [[F(w) for w in row] for row in rows]


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_the_rule_of_one_unit(data):
    """v h >= K z - e at both ends and at 0, for slopes of any sign and size, and on all of what a known sign leaves."""
    low, high = sorted((data.draw(st.integers(-(2**48), 2**48)), data.draw(st.integers(-(2**48), 2**48))))
    m, p = (data.draw(st.sampled_from([0.0, 1.0, 0.25, -1.0, 1.5, -0.3, 2.0**-60, 3e5])) for _ in range(2))
    v, slope = data.draw(st.integers(-(2**50), 2**50)), data.draw(st.integers(0, 128))
    unit = Layer(Affine(((0, np.ones((1, 1))),), np.zeros(1)), np.array([m]), np.array([p]))
    rule = checker._Bounds(checker._Network(plain(Network(1, (unit,), Affine(((1, np.ones((1, 1))),), np.zeros(1))))))
    cell = checker._Searched([-1.0], [1.0], [low], [high], [], [])
    for slopes in (None, {0: slope}):
        (k,), lost = rule._through(0, [v], cell, slopes)
        assert lost >= 0
        for z in {low, high, *([0] if low <= 0 <= high else [])}:
            h = F(p) * z if z > 0 else F(m) * z
            assert v * h >= k * z - (lost << checker.UNIT)
    scale = 1 << checker.UNIT  # rounding a coefficient of h down costs at most this
    for z in {low, high, *([0] if low <= 0 <= high else [])}:
        h = F(p) * z if z > 0 else F(m) * z
        assert (rule._negative(1, cell) >> rule.shift) * scale >= -h if rule.units[0] is not None else h >= 0


@pytest.mark.parametrize("hope", [-np.inf, 0.5, 2.0, 1e300])
def test_a_search_that_hopes_for_rows_from_above_or_not_proves_what_it_found(tmp_path, monkeypatch, hope):
    """All neurons bounded anew, or only where rows from above do not refute a cell: each of them is a proof, and
    its search is the one that keeps none.
    """
    monkeypatch.setattr(anew, "HOPE", hope)
    verdict = polylc.verify(questions()["found"], timeout=60, proof=tmp_path / "p")
    assert verdict.result == "unsat"
    polylc.check(tmp_path / "p")
    with gzip.open(tmp_path / "p") as file:
        cells = "".join(line["first"] for line in map(json.loads, file) if "first" in line)
    assert bool(set(cells) & {"m", "M"}) == (hope > 0)
    assert polylc.verify(questions()["found"], timeout=60).statistics["cells"] == verdict.statistics["cells"]


def test_cells_with_many_rows_are_bounded_anew_throughout(tmp_path, monkeypatch):
    monkeypatch.setattr(anew, "MOST", 0)
    assert polylc.verify(questions()["found"], timeout=60, proof=tmp_path / "p").result == "unsat"
    polylc.check(tmp_path / "p")
    with gzip.open(tmp_path / "p") as file:
        cells = "".join(line["first"] for line in map(json.loads, file) if "first" in line)
    assert set(cells) == {"0"}
