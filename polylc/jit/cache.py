"""Where compiled code is kept, for as long as it is right.

numba keeps compiled code until the file of the function changes; it does not see changes in other files whose kernels
or constants went into it. So the code of each module is kept in a folder named after the contents of all files of this
package that the module imports, directly or not.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
FIRST_DEFINITION = re.compile(rb"^(?:def|class|@|async def) ?", re.MULTILINE)
# of this package's modules, where no condition is before them; Python's parser would take longer than all else here
IMPORT = re.compile(rb"^(?:from (polylc[.\w]*) import (\([^)]*\)|[^\n]*)|import (polylc[.\w]*))", re.MULTILINE)
NAME = re.compile(rb"\w+")


@functools.cache
def folder() -> Path:
    """Where compiled code is kept: NUMBA_CACHE_DIR if it is set, else beside the package if that is writable, else the
    user's cache.
    """
    given = os.environ.get("NUMBA_CACHE_DIR")
    if given:
        return Path(given)
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    for place in (ROOT / "__pycache__", home / "polylc"):
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(place, os.W_OK):
            return place
    return Path(tempfile.gettempdir()) / f"polylc-{os.getuid() if hasattr(os, 'getuid') else 'cache'}"


@functools.cache
def stamp(file: Path) -> str:
    """A name for the contents of a file and of all files of the package that it imports."""
    known: set[Path] = set()
    waiting = [file]
    while waiting:
        one = waiting.pop()
        if one not in known:
            known.add(one)
            waiting += _imports(one)
    digest = hashlib.sha256()
    for one in sorted(known):
        digest.update(_digest(one))
    return f"kernels-{digest.hexdigest()[:32]}"


@functools.cache
def _contents(file: Path) -> bytes:
    return file.read_bytes()


@functools.cache
def _digest(file: Path) -> bytes:
    """Of the name and the contents, so that two files cannot trade places."""
    return hashlib.sha256(str(file).encode() + b"\0" + hashlib.sha256(_contents(file)).digest()).digest()


@functools.cache
def _imports(file: Path) -> tuple[Path, ...]:
    """Files of the package that a file imports before its first definition: all that its kernels can see."""
    text = _contents(file)
    end = FIRST_DEFINITION.search(text)
    found: list[Path] = []
    for module, names, whole in IMPORT.findall(text, 0, len(text) if end is None else end.start()):
        found += _files((module or whole).decode())
        for name in NAME.findall(names):  # a name may be a module of a package
            found += _files(f"{module.decode()}.{name.decode()}")
    return tuple(found)


@functools.cache
def _files(module: str) -> tuple[Path, ...]:
    """The file of a module or package of ours, if it is one."""
    _, *rest = module.split(".")
    base = ROOT.joinpath(*rest)
    return tuple(file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file())
