"""Renew the tables of docs/models.md, which are made of the table of what is supported."""

from __future__ import annotations

from pathlib import Path

from polylc.readers.supported import renewed

PAGE = Path(__file__).parent.parent / "docs" / "models.md"

if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
