"""Twenty cases of the public test suite of VNN-LIB 2.0, where it is installed, and its checks of the interface."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from polylc.readers.question import SOUND

pytest.importorskip("vnntest")
pytestmark = pytest.mark.slow

from vnntest.core import compliance  # noqa: E402
from vnntest.core.evaluator import Outcome, evaluate  # noqa: E402
from vnntest.core.generator import generate_all_tests  # noqa: E402
from vnntest.core.runner import run_solver_on_test  # noqa: E402
from vnntest.models.test_case import TestCase  # noqa: E402

CASES = [
    "add/add01", "arithmetic_bnd/arithmetic_bnd01", "arithmetic_lin/arithmetic_lin01", "arithmetic_outc/arithmetic_outc01",
    "batchnormalization/batchnorm01", "concat/concat01", "conv/conv01", "gather/gather01", "gemm/gemm01", "hidden/hidden01",
    "hidden/hidden04", "matmul/matmul01", "maxpool/maxpool01", "multi_io/multi_io01", "multi_io/multi_io04", "network_equal/network_equal01",
    "network_isomorphic/network_isomorphic02", "network_multiple/network_multiple01", "reducemean/reducemean01", "shape/shape02",
]  # fmt: skip


@pytest.fixture(scope="module")
def solver(tmp_path_factory) -> str:
    """The program by one name; over the real numbers as long as no verdicts are proved in what the cases declare."""
    folder = tmp_path_factory.mktemp("solver")
    semantics = "" if "float32" in SOUND else 'if [ "$1" = verify ]; then set -- "$@" --semantics real; fi\n'
    path = folder / "polylc"
    path.write_text(f'#!/bin/sh\n{semantics}exec "{sys.executable}" -m polylc "$@"\n')
    path.chmod(0o755)
    return str(path)


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> dict[str, TestCase]:
    """All cases by name; the suite writes them to the folder that it is in."""
    folder, before = tmp_path_factory.mktemp("suite"), Path.cwd()
    os.chdir(folder)
    try:
        entries = generate_all_tests(suite="full")
        found = [TestCase.from_manifest_entry(e, folder / ".vnnlib-satisfactory" / "tests" / e["category"]) for e in entries]
    finally:
        os.chdir(before)
    return {case.id: case for case in found}


@pytest.mark.parametrize("name", CASES)
def test_cases_of_the_suite(name, cases, solver):
    result = evaluate(run_solver_on_test(solver, cases[name], timeout=60))
    assert result.outcome is Outcome.PASS, (result.run_result.stdout, result.run_result.stderr)


@pytest.mark.parametrize("check", [compliance.check_opset_versions, compliance.check_vnnlib_versions, compliance.check_serialise_assignments])
def test_checks_of_the_interface(check, solver):
    passed, message = check(solver, 60)
    assert passed, message
