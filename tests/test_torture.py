"""Processes killed at random moments: `scripts/torture.py`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "torture.py"


def tortured(*arguments: str) -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_few_accidents():
    tortured("--kills", "3", "balls")


@pytest.mark.slow
@pytest.mark.parametrize("case", ["balls", "box", "search", "estimate"])
def test_fifty_accidents(case):
    tortured("--kills", "50", case)
