"""Lists of queries, as competitions write them: rows of a model, a query, and seconds."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from polylc.errors import QueryError
from polylc.readers.files import read_file


@dataclass(frozen=True)
class Instance:
    """A query and its models, as the list names them and as paths."""

    model_name: str
    query_name: str
    models: dict[str, str]
    query: str
    timeout: float | None


def read_instances(path: str) -> list[Instance]:
    """The rows of a list; paths are relative to its folder. Several models are NAME=MODEL with blanks between.

    Raises
    ------
    QueryError
        If it cannot be read; the message names the line.
    """
    content = read_file(path, QueryError)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise QueryError(f"{path}: not a text in UTF-8; a list has rows MODEL,QUERY,TIMEOUT") from None
    rows = csv.reader(text.splitlines())
    found: list[Instance] = []
    for row in rows:
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#"):
            continue
        if len(cells) not in (2, 3) or not cells[0] or not cells[1]:
            raise QueryError(f"{path}, line {rows.line_num}: {len(cells)} cells; a row is MODEL,QUERY or MODEL,QUERY,TIMEOUT")
        timeout = None
        if len(cells) == 3 and cells[2]:
            try:
                timeout = float(cells[2])
            except ValueError:
                if not found:
                    continue  # names of the columns
                raise QueryError(f"{path}, line {rows.line_num}: the timeout {cells[2]!r} is no number of seconds") from None
            if not 0 <= timeout < float("inf"):
                raise QueryError(f"{path}, line {rows.line_num}: the timeout {cells[2]!r} is no number of seconds")
        folder = Path(path).parent
        parts = cells[0].split() if "=" in cells[0] and not (folder / cells[0]).exists() else [f"={cells[0]}"]
        models = {name: str(folder / model) for name, _, model in (part.partition("=") for part in parts)}
        found.append(Instance(cells[0], cells[1], models, str(folder / cells[1]), timeout))
    if not found:
        raise QueryError(f"{path}: there are no rows; write MODEL,QUERY,TIMEOUT, one query a row")
    return found
