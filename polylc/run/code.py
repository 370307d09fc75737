"""Which code this is: a run goes on with the code that began it, and no other."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from polylc._version import __version__

_BLOCK = 2**16  # bytes read at a time: nearly every file is shorter


@functools.cache
def code_stamp() -> str:
    """The version, and a hash of every file of this package, as they are when it is first asked for in a process."""
    root, digest = str(Path(__file__).parent.parent), hashlib.sha256()
    for name in sorted(_sources(root, "")):
        file, content = os.open(os.path.join(root, name), os.O_RDONLY | getattr(os, "O_BINARY", 0)), hashlib.sha256()
        try:
            while block := os.read(file, _BLOCK):
                content.update(block)
        finally:
            os.close(file)
        digest.update(name.encode() + b"\0" + content.digest())
    return f"polylc {__version__}, {digest.hexdigest()[:16]}"


def _sources(folder: str, above: str) -> Iterator[str]:
    """Names of all files with code below a folder; `above` is its own, with a slash at its end."""
    with os.scandir(folder) as entries:  # os.walk takes as long as the reading
        for entry in entries:
            if entry.name.endswith(".py"):
                yield above + entry.name
            elif entry.name != "__pycache__" and entry.is_dir():
                yield from _sources(entry.path, f"{above}{entry.name}/")
