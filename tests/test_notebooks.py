"""The example notebooks: run from top to bottom, as they are stored, and again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
EXAMPLES = Path(__file__).parent.parent / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def test_there_are_two():
    assert [path.stem for path in NOTEBOOKS] == ["digits", "moons"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_they_are_stored_as_they_ran(path):
    """All cells, in order, without errors, warnings or paths of a machine."""
    found = nbformat.read(path, as_version=4)
    nbformat.validate(found)
    code = [cell for cell in found.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    kinds = {kind for cell in code for one in cell.outputs for kind in one.get("data", {})}
    assert {"image/png", "text/html"} <= kinds
    assert not [one for cell in code for one in cell.outputs if one.output_type == "error" or one.get("name") == "stderr"]
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(tmp|home|root|work|Users)/", text)
    assert len(text) < 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_they_run_from_top_to_bottom(path):
    """And what is written in words comes out again: counts, answers, distances."""
    client = pytest.importorskip("nbclient")
    stored = nbformat.read(path, as_version=4)
    fresh = nbformat.read(path, as_version=4)
    client.NotebookClient(fresh, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(EXAMPLES)}}).execute()
    for before, after in zip(stored.cells, fresh.cells, strict=True):
        assert said(before) == said(after)


def said(cell) -> list[str]:
    """What a cell prints."""
    return [one.text for one in cell.get("outputs", []) if one.get("name") == "stdout"]
