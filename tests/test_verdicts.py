"""Verdicts against brute force over all activation cells, in rationals; what is unsat has a proof that checks."""

from __future__ import annotations

from fractions import Fraction as F
from pathlib import Path

import pytest
from brute_force import BruteForce
from random_queries import network_of, questions

import polylc


def compare(seed: int, count: int, proof: Path) -> None:
    network = network_of(seed)
    oracle = BruteForce(network, [F(-1)] * network.inputs, [F(1)] * network.inputs)
    for k, question in enumerate(questions(network, seed, count)):
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


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 200))
def test_two_thousand_verdicts_are_those_of_brute_force(seed, tmp_path):
    compare(seed, 20, tmp_path / "proof")
