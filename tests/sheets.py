"""Sheets of proof files, as the cells that they stand for."""

from __future__ import annotations

from typing import Any

from polylc import checker


def by_cell(lines: list[Any]) -> list[Any]:
    """Sheets written out as lines of cells, which are easier to damage."""
    found: list[Any] = []
    for line in lines:
        found += checker._sheet(line, len(lines[1]["network"]["layers"])) if isinstance(line, dict) and "cells" in line else [line]
    return found
