"""Tables in text files: cells as they are written, split by commas, semicolons or blanks."""

from __future__ import annotations

import re

from polylc.errors import DataError

_NUMBER_LIKE = re.compile(r"[+-]?(\d|\.\d|nan$|inf(inity)?$)", re.IGNORECASE)


def text_table(content: bytes, source: str) -> tuple[tuple[str, ...], ...]:
    """The cells of every line; a first line without any number is a header and left out, as are empty lines and
    comments.

    Raises
    ------
    DataError
        If the content is no text or has no rows.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{source}: not a text file in UTF-8; write numbers separated by commas") from None
    if "\0" in text:
        raise DataError(f"{source}: not a text file; write numbers separated by commas")
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise DataError(f"{source}: it has no rows; give at least one point")
    separator = next((s for s in ";," if any(s in line for line in lines[:2])), None)
    rows = tuple(_cells(line, separator) for line in lines)
    if not any(_NUMBER_LIKE.match(cell) for cell in rows[0]):
        rows = rows[1:]
    if not rows:
        raise DataError(f"{source}: it has no rows of numbers, only {lines[0][:40]!r}; give at least one point")
    return rows


def _cells(line: str, separator: str | None) -> tuple[str, ...]:
    cells = [cell.strip().strip("\"'").strip() for cell in line.split(separator)]
    # a separator at the end of the line opens no cell
    return tuple(cells[:-1] if len(cells) > 1 and not cells[-1] else cells)
