"""What is measured again and again while a network is trained: one flat row for each step and neighbourhood, as CSV,
JSON or a data frame.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from polylc._version import __version__
from polylc.errors import DataError, UsageError
from polylc.report.files import written_beside

Cell = int | float | str | None
Row = dict[str, Cell]

SCHEMA = "polylc.track/1"
FIRST, WORDS = ("step", "neighbourhood"), ("status", "estimated", "note")
LAST = ("seconds", "note")
ERROR = "_se"  # ends the name of the column with the standard error of another
KINDS = (".csv", ".json")


class History:
    """Rows in the order of steps and neighbourhoods.

    Attributes
    ----------
    rows : list of dict
        Columns as in `columns`; None where a value is not known.
    neighbourhoods : int
        Rows of a whole step.
    """

    def __init__(self, neighbourhoods: int, rows: Iterable[Row] = ()) -> None:
        self.neighbourhoods = neighbourhoods
        self._set(rows)

    def _set(self, rows: Iterable[Row]) -> None:
        self.rows: list[Row] = []
        self._seen: dict[str, None] = {}
        self._lines: list[str] = []  # of the CSV file, as far as they are made, so that long tables stay cheap
        self._header = ""
        for row in rows:
            self.add(row)

    def add(self, row: Row) -> None:
        """Append a row."""
        self.rows.append(row)
        self._seen |= dict.fromkeys(row)

    def drop_from(self, step: int) -> None:
        """Forget all rows at `step` and later."""
        if self.rows and _step(self.rows[-1]) >= step:
            self._set([row for row in self.rows if _step(row) < step])

    def columns(self) -> list[str]:
        """Names of the columns: step and neighbourhood first, seconds and note last, the others as they first
        appear.
        """
        middle = [name for name in self._seen if name not in FIRST + LAST]
        return [*FIRST, *middle, *LAST] if self.rows else [*FIRST, "status", *LAST]

    def steps(self) -> Iterator[tuple[int, list[Row]]]:
        """The rows of every step."""
        groups: dict[int, list[Row]] = {}
        for row in self.rows:
            groups.setdefault(_step(row), []).append(row)
        yield from groups.items()

    def means(self) -> list[Row]:
        """For each step that was not interrupted, the mean of every number over the neighbourhoods that have it.

        `status` counts them ("certified 3, partial 1"), and `estimated` names the columns in which some are estimates.
        """
        return [_mean(step, rows) for step, rows in self.steps() if len(rows) == self.neighbourhoods]

    def last_mean(self) -> Row:
        """The last of `means`, if the last step is whole."""
        return _mean(_step(self.rows[-1]), self.rows[-self.neighbourhoods :])

    def write(self, path: Path, settings: Mapping[str, Any]) -> None:
        """Write the table, whole or not at all; the ending says whether as CSV or JSON.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        text = self._csv() if path.suffix == ".csv" else self._json(settings)
        replace_file(path, text.encode())

    def _csv(self) -> str:
        names = self.columns()
        header = _line(names)
        if header != self._header:
            self._header, self._lines = header, []
        self._lines += [_line([_text(row.get(name)) for name in names]) for row in self.rows[len(self._lines) :]]
        return "".join([header, *self._lines])

    def _json(self, settings: Mapping[str, Any]) -> str:
        names = self.columns()
        rows = [{name: _finite(row.get(name)) for name in names} for row in self.rows]
        content = {"schema": SCHEMA, "version": __version__, "settings": dict(settings), "rows": rows}
        return json.dumps(content, indent=1, allow_nan=False) + "\n"


def read_history(path: Path, neighbourhoods: int) -> History:
    """The table that `History.write` wrote.

    Raises
    ------
    DataError
        If the file is not such a table, or has rows of other neighbourhoods.
    """
    try:
        text = path.read_text(encoding="utf-8")
        rows = _rows_of_json(text) if path.suffix == ".json" else [_parsed(row) for row in csv.DictReader(io.StringIO(text))]
        history = History(neighbourhoods, rows)
        most = max((_integer(row["neighbourhood"]) for row in rows), default=-1)
        steps = [_integer(row["step"]) for row in rows]
    except OSError as error:
        raise DataError(f"{path}: the table cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error):
        raise DataError(f"{path}: this is not a table that polylc.track wrote; give another file, or append=False to replace it") from None
    if steps != sorted(steps):
        raise DataError(f"{path}: its steps are not in order; give another file, or append=False to replace it")
    if most >= neighbourhoods:
        raise DataError(f"{path}: it has rows of neighbourhood {most}, but {neighbourhoods} are given; append to a table of the same neighbourhoods")
    return history


def replace_file(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    with written_beside(path) as beside:
        beside.write_bytes(content)


def check_path(path: Path, kinds: Iterable[str], what: str) -> None:
    """Whether a file of one of these kinds can be written there.

    Raises
    ------
    UsageError
        If it cannot.
    """
    if path.suffix not in kinds:
        raise UsageError(f"{what}: {path} has an ending that is not known; choose {' or '.join(kinds)}")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise UsageError(f"{what}: {path} cannot be written; is its folder there, and open to you?")
    if path.is_dir():
        raise UsageError(f"{what}: {path} is a folder; name a file")


def _step(row: Row) -> int:
    return _integer(row["step"])


def _integer(cell: Cell) -> int:
    if not isinstance(cell, int):
        raise TypeError("a whole number is needed")
    return cell


def _mean(step: int, rows: list[Row]) -> Row:
    states = [str(row["status"]) for row in rows]
    result: Row = {"step": step, "status": ", ".join(f"{name} {states.count(name)}" for name in dict.fromkeys(states))}
    result["estimated"] = " ".join(dict.fromkeys(name for row in rows for name in str(row.get("estimated") or "").split()))
    for name in dict.fromkeys(name for row in rows for name in row):
        if name in FIRST + WORDS:
            continue
        known = [v for row in rows if isinstance(v := row.get(name), int | float)]
        if not known:
            result[name] = None
        elif name.endswith(ERROR):
            # of a mean whose other terms are exact; estimates of different neighbourhoods are independent
            result[name] = math.sqrt(sum(v * v for v in known)) / sum(row.get(name.removesuffix(ERROR)) is not None for row in rows)
        else:
            result[name] = math.fsum(known) / len(known) if all(map(math.isfinite, known)) else sum(known) / len(known)
    return result


def _line(cells: list[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()


def _text(cell: Cell) -> str:
    return "" if cell is None else cell if isinstance(cell, str) else repr(cell)


def _finite(cell: Cell) -> Cell:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


def _parsed(row: Mapping[str, str]) -> Row:
    return {name: text if name in WORDS else _number(text) for name, text in row.items()}


def _number(text: str) -> Cell:
    if text == "":
        return None
    try:
        return int(text)
    except ValueError:
        return float(text)


def _rows_of_json(text: str) -> list[Row]:
    content = json.loads(text)
    if content["schema"] != SCHEMA:
        raise ValueError("another schema")
    rows: list[Row] = [dict(row) for row in content["rows"]]
    return rows
