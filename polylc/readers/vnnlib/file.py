"""`.vnnlib` files, of either version, zipped or not."""

from __future__ import annotations

import re
from pathlib import Path

from polylc.errors import QueryError
from polylc.readers.files import read_file, sha256_of, unzipped
from polylc.readers.vnnlib.first import parse_first
from polylc.readers.vnnlib.query import Query
from polylc.readers.vnnlib.second import parse_second

_BEFORE = r"(?:\s+|;[^\n]*\n)*"  # blanks and comments
_VERSION = re.compile(_BEFORE + r"\(\s*vnnlib-version\s*<\s*(\d+)\.(\d+)\s*>")
_NETWORK = re.compile(r"^[^;\n]*\(\s*declare-network\b", re.MULTILINE)


def read_query(path: str | Path) -> Query:
    """The query in a file.

    Parameters
    ----------
    path : path
        `.vnnlib`, or `.vnnlib.gz`.

    Raises
    ------
    QueryError
        If it cannot be read; the message names the line where there is one.
    """
    source = str(path)
    content = read_file(path, QueryError)
    if content[:2] == b"\x1f\x8b":
        content = unzipped(content, source, QueryError)
    return parse_query(content, source)


def parse_query(content: bytes, source: str) -> Query:
    """The query in the bytes of a file that is not zipped.

    Raises
    ------
    QueryError
        If it cannot be read.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        line = content.count(b"\n", 0, failure.start) + 1
        raise QueryError(f"{source}, line {line}: not a text in UTF-8; a query is a text file, or one packed with gzip") from None
    said = _VERSION.match(text)
    if said and int(said[1]) > 2:
        raise QueryError(f"{source}: it is of VNN-LIB {said[1]}.{said[2]}; polylc reads 1.0 and 2.0")
    second = int(said[1]) == 2 if said else _NETWORK.search(text) is not None
    return (parse_second if second else parse_first)(text, source, sha256_of(content))
