"""Files as bytes, and what can be wrong with them before their format matters."""

from __future__ import annotations

import gzip
import hashlib
import io
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from polylc.errors import PolylcError


def read_file(path: str | Path, error: type[PolylcError]) -> bytes:
    """The whole content of a file, read once, so that what is hashed is what is parsed.

    Raises
    ------
    `error`
        If the file is missing, a directory, unreadable or empty.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise error(f"{path}: there is no such file; check the path") from None
    except IsADirectoryError:
        raise error(f"{path}: this is a directory; name a file in it") from None
    except (OSError, ValueError) as failure:
        raise error(f"{path}: the file cannot be read ({first_line(failure)}); check its path and permissions") from None
    if not content:
        raise error(f"{path}: the file is empty; write it again")
    return content


MOST_BYTES = 2**32  # of a file that is unpacked


def unzipped(content: bytes, source: str, error: type[PolylcError]) -> bytes:
    """The content of a gzip file.

    Raises
    ------
    `error`
        If it is damaged, or far larger than any model.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            found = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as failure:
        raise error(f"{source}: not a gzip file, or truncated ({first_line(failure)}); copy it again") from None
    if len(found) > MOST_BYTES:
        raise error(f"{source}: it unpacks to more than {MOST_BYTES >> 30} GiB, more than polylc reads")
    return found


def sha256_of(content: bytes) -> str:
    """Hexadecimal SHA-256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def first_line(failure: BaseException, limit: int = 160) -> str:
    """The first sentence or so of an error of another library, to quote in a message of one line."""
    lines = [line.strip() for line in str(failure).splitlines() if line.strip()]
    text = lines[0] if lines else type(failure).__name__
    return text if len(text) <= limit else text[: limit - 3] + "..."


def shown(name: str, limit: int = 40) -> str:
    """A name out of a file, as a message of one line can hold it."""
    text = name if name.isprintable() else repr(name)
    return text if len(text) <= limit else text[: limit - 3] + "..."


@contextmanager
def quiet() -> Iterator[None]:
    """What other libraries warn of while a file is read is checked by the reader itself, and said in its own words."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
