"""Verdicts against brute force over all activation cells, in rationals."""

from __future__ import annotations

from fractions import Fraction as F

import pytest
from brute_force import BruteForce
from random_queries import network_of, questions

import polylc


def compare(seed: int, count: int) -> None:
    network = network_of(seed)
    oracle = BruteForce(network, [F(-1)] * network.inputs, [F(1)] * network.inputs)
    for k, question in enumerate(questions(network, seed, count)):
        verdict = polylc.verify(question, timeout=20)
        point = oracle.solve(question.formula)
        assert verdict.result == ("unsat" if point is None else "sat"), (seed, k)
        if verdict.assignment is not None:
            assert question.holds(verdict.assignment.x, verdict.assignment.y)


@pytest.mark.parametrize("seed", range(12))
def test_verdicts_are_those_of_brute_force(seed):
    compare(seed, 10)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 200))
def test_two_thousand_verdicts_are_those_of_brute_force(seed):
    compare(seed, 20)
