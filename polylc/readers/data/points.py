"""Data files: points as exact rationals, row by row, and labels.

Decimals in text are read as the decimals they are; binary floats as the exact rationals they are. A bad row is kept
with the reason why it is refused, so that the others can be used. Nothing is converted before it is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from polylc.errors import DataError, UsageError
from polylc.exact.numbers import DECIMAL_COMMA, LONG_EXPONENT, MOST_CHARACTERS, parse_number
from polylc.readers.data.arrays import LABELS, chosen, labels_beside, listed, numeric, read_arrays, rows_of, words_beside
from polylc.readers.data.text import text_table
from polylc.readers.files import read_file


@dataclass(frozen=True, eq=False)
class DataTable:
    """Rows of a data file.

    Attributes
    ----------
    source : str
        The file.
    cells : ndarray of shape (rows, columns), or tuple of tuple of str
        Entries as they were read, labels included.
    width : int or None
        Number of entries that a row must have; None accepts what the first row has.
    label_column : int or None
        Column that holds the label.
    scale : Fraction or None
        Factor of every entry.
    labels : tuple of int, or None
        Labels kept beside the points in the file.
    words : str or None
        The array beside the points that would be their labels if it held integers.
    """

    source: str
    cells: np.ndarray | tuple[tuple[str, ...], ...]
    width: int | None = None
    label_column: int | None = None
    scale: Fraction | None = None
    labels: tuple[int, ...] | None = None
    words: str | None = None

    def __len__(self) -> int:
        return len(self.cells)

    def row(self, index: int) -> tuple[Fraction, ...] | str:
        """The exact entries of one row, or the reason why it is refused."""
        cells = list(self.cells[index])
        if self.label_column is not None:
            reason = self._label(index)
            if isinstance(reason, str):
                return reason
        label = self._label_index(cells)
        columns = [c for c in range(len(cells)) if c != label]
        wanted = self._wanted()
        if len(columns) != wanted:
            return f"it has {len(columns)} entries, expected {wanted}{self._hint(len(cells))}"
        row = []
        for column in columns:
            entry = _exact(cells[column])
            if isinstance(entry, str):
                return f"column {column} {entry}"
            entry = entry if self.scale is None else entry * self.scale
            if abs(entry) > _LARGEST:
                return f"column {column} is too large for a double"
            row.append(entry)
        return tuple(row)

    def label(self, index: int) -> int | None:
        """The label of one row; None if there is none or it is refused."""
        if self.label_column is None:
            return None if self.labels is None else self.labels[index]
        label = self._label(index)
        return None if isinstance(label, str) else label

    def _label(self, index: int) -> int | str:
        cells = self.cells[index]
        column = self._label_index(cells)
        if column is None:
            return f"it has {len(cells)} entries, so no label in column {self.label_column}"
        label = _exact(cells[column])
        if isinstance(label, str) or label.denominator != 1:
            return f"column {column} holds {_shown(cells[column])}, which is no integer label{_classes(cells[column])}"
        return int(label)

    def _label_index(self, cells: Sequence[Any] | np.ndarray) -> int | None:
        if self.label_column is None or not -len(cells) <= self.label_column < len(cells):
            return None
        return self.label_column % len(cells)

    def _hint(self, entries: int) -> str:
        """What rows with so many cells may be meant as, in brackets; empty if there is nothing to say."""
        wanted = self._wanted() + (self.label_column is not None)
        if isinstance(self.cells, tuple) and entries == 2 * wanted:
            return "" if wanted == entries else " (if its commas are decimal ones, write points)"
        return self._one_too_many if entries == wanted + 1 else ""

    @cached_property
    def _one_too_many(self) -> str:
        entries = self._wanted() + (self.label_column is not None) + 1
        looked_at = self.cells[:_LOOKED_AT]
        alike = [row for row in looked_at if len(row) == entries]
        if 2 * len(alike) <= len(looked_at):  # a ragged row says nothing of columns
            return ""
        whole = [column for column in range(entries) if _whole([row[column] for row in alike])]
        count = list(range(len(alike) + 1))
        if len(alike) > 1 and _whole([row[0] for row in alike]) in (count[:-1], count[1:]):
            return " (column 0 numbers the rows: leave it out)"
        if self.label_column is not None or not {0, entries - 1} & set(whole):
            return ""
        which = whole[0] if len(whole) == 1 else "I"
        return f" (if {'one of them' if which == 'I' else f'column {which}'} is a label, give --label-column {which})"

    def _wanted(self) -> int:
        return self.width if self.width is not None else len(self.cells[0]) - (self.label_column is not None)


def load_points(
    path: str | Path,
    *,
    array: str | None = None,
    label_column: int | None = None,
    scale: Fraction | None = None,
    width: int | None = None,
) -> DataTable:
    """Read the rows of a `.npy`, `.npz`, `.csv` (`.txt`) or `.pt` file.

    Parameters
    ----------
    path : str or Path
    array : str, optional
        Name of the array in an `.npz` or `.pt` file; by default `centers`, `X`, `x` or the only one with rows and
        columns.
    label_column : int, optional
        Column to split off as an integer label; negative counts from the end.
    scale : Fraction, optional
        Exact factor of every entry, such as 1/255.
    width : int, optional
        Number of entries that a row must have.

    Raises
    ------
    DataError
        If the file as a whole cannot be used.
    """
    source = str(path)
    suffix = Path(path).suffix.lower()
    content = read_file(path, DataError)
    labels: tuple[int, ...] | None = None
    words: str | None = None
    if suffix in _TEXT:
        cells: np.ndarray | tuple[tuple[str, ...], ...] = text_table(content, source)
    elif suffix in _BINARY:
        arrays = read_arrays(content, suffix, source)
        cells = rows_of(chosen(arrays, array, source), source)
        labels, words = labels_beside(arrays, len(cells)), words_beside(arrays, len(cells))
    else:
        raise DataError(f"{source}: unknown kind of data file {suffix or '(no suffix)'}; polylc reads {', '.join((*_BINARY, *_TEXT))}")
    if not len(cells):
        raise DataError(f"{source}: it has no rows; give at least one point")
    columns = len(cells[0])
    if label_column is not None and not -columns <= label_column < columns:
        raise DataError(f"{source}: there is no label column {label_column} among its {columns} columns (0 to {columns - 1})")
    return DataTable(source, cells, width, label_column, scale, labels if label_column is None else None, words)


def load_labels(path: str | Path) -> list[int]:
    """Read integer labels from a `.npy`, `.npz`, `.csv`, `.txt` or `.pt` file.

    Raises
    ------
    DataError
        If the file cannot be used, or an entry is no integer.
    """
    source = str(path)
    suffix = Path(path).suffix.lower()
    content = read_file(path, DataError)
    if suffix in _TEXT:
        entries: Sequence[Any] = [cell for row in text_table(content, source) for cell in row]
    elif suffix in _BINARY:
        arrays = read_arrays(content, suffix, source)
        flat = {name: a for name, a in arrays.items() if isinstance(a, np.ndarray) and a.size == max(a.shape, default=1)}
        found = [a for name, a in flat.items() if name in LABELS] or list(flat.values())
        if len(found) != 1:
            raise DataError(f"{source}: no array of labels among {listed(arrays)}; save one named labels")
        words = found[0].dtype.kind in "US"
        entries = [str(entry) for entry in found[0].ravel()] if words else list(numeric(found[0], source).ravel())
    else:
        raise DataError(f"{source}: unknown kind of label file {suffix or '(no suffix)'}; polylc reads {', '.join((*_BINARY, *_TEXT))}")
    labels = []
    for index, entry in enumerate(entries):
        label = _exact(entry)
        if isinstance(label, str) or label.denominator != 1:
            raise DataError(f"{source}: label {index} is {_shown(entry)}; labels must be integers{_classes(entry)}")
        labels.append(int(label))
    return labels


def parse_rows(spec: str, count: int) -> list[int]:
    """The rows that a selection such as ``0:20``, ``5``, ``3,7,9`` or ``-3:`` names among `count`.

    Raises
    ------
    UsageError
        If it is malformed, names rows that do not exist, or none.
    """
    rows: list[int] = []
    for part in spec.split(","):
        begin, colon, end = (piece.strip() for piece in part.partition(":"))
        try:
            first = int(begin) if begin or not colon else 0
            last = (int(end) if end else count) if colon else first
        except ValueError:
            raise UsageError(f"rows {spec!r}: {part.strip()!r} is not a row or a range; write 5, 0:20, -3: or 3,7,9") from None
        start = first + count if first < 0 else first
        stop = last + count if last < 0 else last
        if not 0 <= start < count or not 0 <= stop <= count or (not colon and stop == count):
            raise UsageError(f"rows {spec!r}: the data has only {count} row{'s' * (count != 1)} (0 to {count - 1}); choose among them")
        if not colon:
            rows.append(start)
            continue
        if start >= stop:
            raise UsageError(f"rows {spec!r}: the range {part.strip()!r} is empty; write first:end with first before end")
        rows += range(start, stop)
    return rows


_TEXT = (".csv", ".txt")
_BINARY = (".npy", ".npz", ".pt", ".pth")
_LARGEST = Fraction(np.finfo(np.float64).max)


def _exact(cell: Any) -> Fraction | str:
    """The exact value of one cell, or what is wrong with it."""
    if isinstance(cell, str):
        if cell.lower().lstrip("+-") in ("nan", "inf", "infinity"):
            return "is NaN" if "nan" in cell.lower() else "is infinite"
        try:
            return parse_number(cell)
        except UsageError:
            if len(cell) > MOST_CHARACTERS or LONG_EXPONENT.fullmatch(cell):
                return f"holds {_shown(cell)}, which has too many digits to be read; round it"
            comma = " (decimals have a point, not a comma)" if DECIMAL_COMMA.fullmatch(cell) else ""
            return f"holds {_shown(cell)}, which is not a number{comma}"
    if isinstance(cell, np.integer | np.bool_):
        return Fraction(int(cell))
    number = float(cell)
    if not math.isfinite(number):
        return "is NaN" if math.isnan(number) else "is infinite"
    return Fraction(number)


def _whole(cells: Sequence[Any]) -> list[int]:
    """The whole numbers in some cells; none if any holds something else."""
    exact = [_exact(cell) for cell in cells]
    numbers = [int(e) for e in exact if not isinstance(e, str) and e.denominator == 1]
    return numbers if len(numbers) == len(cells) else []


def _classes(cell: Any) -> str:
    """What to do about a label that is a word."""
    word = isinstance(cell, str) and cell != "" and isinstance(_exact(cell), str)
    return "; number the classes 0, 1, 2, ... in the order of the network's outputs" if word else ""


_LOOKED_AT = 20  # rows, for a hint


def _shown(cell: Any) -> str:
    text = str(cell)
    return (repr(text) if isinstance(cell, str) else text) if len(text) <= 40 else repr(text[:37] + "...")
