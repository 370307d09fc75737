"""Verdicts against brute force over all activation cells, in rationals; what is unsat has a proof that checks."""

from __future__ import annotations

import math
from fractions import Fraction as F
from pathlib import Path

import numpy as np
import pytest
from brute_force import BruteForce
from nets import eighth_net
from random_queries import network_of, questions

import polylc
from polylc.domains.question import And, Or, Row, row
from polylc.network.exact import ExactNetwork
from polylc.network.form import chain
from polylc.readers.question import Question
from polylc.search import refute


def compare(seed: int, count: int, proof: Path, depth: int = 2) -> None:
    network = network_of(seed)
    oracle = BruteForce(network, [F(-1)] * network.inputs, [F(1)] * network.inputs)
    for k, question in enumerate(questions(network, seed, count, depth)):
        verdict = polylc.verify(question, timeout=20, proof=proof)
        point = oracle.solve(question.formula)
        assert verdict.result == ("unsat" if point is None else "sat"), (seed, k)
        if verdict.assignment is not None:
            assert question.holds(verdict.assignment.x, verdict.assignment.y)
        else:
            polylc.check(proof)


@pytest.mark.parametrize("seed", range(12))
def test_verdicts_are_those_of_brute_force(seed, tmp_path):
    compare(seed, 10, tmp_path / "proof")


@pytest.mark.parametrize("seed", range(300, 312))
def test_choices_within_choices(seed, tmp_path):
    compare(seed, 5, tmp_path / "proof", 3)


@pytest.mark.parametrize("seed", range(400, 408))
def test_where_neurons_are_split_and_no_boxes(seed, tmp_path, monkeypatch):
    monkeypatch.setattr(refute, "FEW", -1)
    compare(seed, 6, tmp_path / "proof", 3)


@pytest.mark.parametrize("seed", [3, 17, 29, 39])
def test_alternatives_with_nothing_but_choices(seed, tmp_path):
    """Of these, no row refutes anything before all is chosen, and neurons are open."""
    rng = np.random.default_rng(seed)
    network = eighth_net([2, 4, 3, 2], seed)
    box = [row({i: F(s)}, F(1)) for i in range(2) for s in (1, -1)]

    def one() -> Row:
        terms = {2 + int(rng.integers(2)): F(int(rng.choice([-1, 1]))), int(rng.integers(2)): F(int(rng.integers(-2, 3)), 2)}
        return row(terms, F(int(rng.integers(-12, 5)), 4), bool(rng.integers(2)))

    formula = And((*box, Or(tuple(And((Or((one(), one())), Or((one(), one())))) for _ in range(2)))))
    question = Question(network, formula, ("a", "b"))
    point = BruteForce(network, [F(-1)] * 2, [F(1)] * 2).solve(formula)
    proof = tmp_path / "proof"
    assert polylc.verify(question, timeout=20, proof=proof).result == ("unsat" if point is None else "sat")
    if point is None:
        polylc.check(proof)


def test_an_alternative_without_outputs_that_strict_bounds_leave_empty(tmp_path):
    network = eighth_net([2, 4, 3, 2], 1)
    box = [row({i: F(s)}, F(1)) for i in range(2) for s in (1, -1)]
    nothing = And((row({0: F(1)}, F(-1)), row({0: F(-1)}, F(1), strict=True)))  # x >= 1 and x < 1
    verdict = polylc.verify(Question(network, And((*box, Or((nothing, row({2: F(1)}, F(-1000)))))), ("a", "b")), proof=tmp_path / "proof")
    assert verdict.result == "unsat"
    polylc.check(tmp_path / "proof")


@pytest.mark.parametrize("weights", [[2.0**300], [2.0**150] * 2, [1e200] * 2, [1e300] * 3])
def test_values_beyond_all_bounds_are_not_refuted(weights):
    """Half of them is exceeded on the line x + y = 1/3, where no double lies."""
    network = chain([np.array([[weights[0], 0.0]]), *(np.array([[w]]) for w in weights[1:]), np.ones((1, 1))], [np.zeros(1)] * (len(weights) + 1))
    box = [row({i: F(s)}, F(2)) for i in range(2) for s in (1, -1)]
    line = [row({0: F(s), 1: F(s)}, F(-s, 3)) for s in (1, -1)]
    large = row({2: F(1)}, -F(3, 2) * math.prod(map(F, weights)))
    question = Question(network, And((*box, *line, large)), ("x", "y"))
    x = (F(2), F(1, 3) - 2)
    assert question.holds(x, tuple(ExactNetwork(network).outputs(x)))
    verdict = polylc.verify(question, timeout=20)
    assert verdict.result in ("sat", "unknown")
    assert verdict.result == "sat" or "2^200" in verdict.note


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 200))
def test_two_thousand_verdicts_are_those_of_brute_force(seed, tmp_path):
    compare(seed, 20, tmp_path / "proof")
