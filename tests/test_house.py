"""The house: every floor imports only the floors below it, and nothing heavy is imported before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "polylc"
FLOORS = {  # higher floors may import lower ones
    "checker": 0,  # alone: the standard library and nothing else
    "errors": 0,
    "compiled": 0,
    "prefetch": 0,
    "exact": 1,
    "network": 2,
    "readers": 3,
    "geometry": 3,
    "engines": 4,
    "estimators": 4,
    "complex": 5,
    "judge": 5,
    "measures": 6,
    "enumerate": 6,
    "units": 7,
    "certificate": 7,
    "claim_text": 6,
    "report": 7,
    "measuring": 8,
    "answer": 9,
    "run": 10,
    "pool": 11,
    "prepare": 11,
    "inputs": 11,
    "checking": 11,
    "draws": 11,
    "slices": 11,
    "estimating": 12,
    "comparing": 13,
    "watching": 13,
    "tracking": 14,
    "terminal": 14,
    "cli": 15,
    "__main__": 16,
    "__init__": 16,
}


def floor_of(module: str) -> int:
    return FLOORS[module.split(".")[1]]


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_floors(path):
    relative = path.relative_to(ROOT)
    room = relative.parts[0].removesuffix(".py")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("polylc."):
            other = node.module.split(".")[1]
            assert other != "checker" or room in ("checking", "cli"), "only the check command knows the checker"
            lazy_upward = room == "run" and other in ("pool", "readers")  # certify() accepts paths and spreads over processes
            assert other == room or floor_of(node.module) < FLOORS[room] or lazy_upward, f"{relative} imports {node.module}"


@pytest.mark.parametrize("code", ["import polylc", "import polylc.cli.commands", "from polylc import certify, load"])
def test_torch_is_not_imported_before_it_is_needed(code):
    heavy = "{'sympy', 'torch', 'onnx', 'matplotlib', 'pandas', 'networkx', 'flint'}"
    subprocess.run([sys.executable, "-c", f"{code}; import sys; assert not {heavy} & set(sys.modules)"], check=True)


def test_the_checker_stands_alone():
    """It imports nothing but the standard library, nothing of polylc above all."""
    for node in ast.walk(ast.parse((ROOT / "checker.py").read_text())):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert all(name.split(".")[0] in sys.stdlib_module_names for name in names)
