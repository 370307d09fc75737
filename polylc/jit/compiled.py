"""numba kernels whose compiled code is kept on disk for as long as it is right.

numba keeps compiled code until the file of the function changes; it does not see changes in other files whose kernels or constants
went into it. So the code of each module is kept in a folder named after the contents of all files of this package that the module
imports, directly or not.
"""

from __future__ import annotations

import functools
import os
import re
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.types import unliteral  # type: ignore[attr-defined]

ROOT = Path(__file__).parent.parent
IMPORT = re.compile(rb"^\s*from (polylc[\w.]*) import (\([^)]*\)|[^\n]*)|^\s*import (polylc[\w.]*)", re.MULTILINE)


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit` with these options and a cache that follows the sources."""

    def decorate(function: Callable[..., Any]) -> Any:
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(folder() / stamp(Path(sys.modules[function.__module__].__file__ or "")))
        try:
            return _once(numba.njit(cache=True, **{"forceinline": False, "no_cfunc_wrapper": True, **options})(function))
        finally:
            numba.config.CACHE_DIR = before

    return decorate


def _once(dispatcher: Any) -> Any:
    """Have a kernel compiled once for all constants that other kernels call it with, not anew for each of them."""
    template = dispatcher.get_call_template

    def without_constants(args: Any, kws: Any) -> Any:
        return template(tuple(unliteral(a) for a in args), {name: unliteral(a) for name, a in kws.items()})

    dispatcher.get_call_template = without_constants
    return dispatcher


@functools.cache
def folder() -> Path:
    """Where compiled code is kept: NUMBA_CACHE_DIR if it is set, else beside the package if that is writable, else the user's cache."""
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
        if one not in known and one.is_file():
            known.add(one)
            waiting += _imports(one)
    total = 0
    for one in sorted(known):
        total = zlib.crc32(_contents(one), total)
    return f"kernels-{total:08x}"


@functools.cache
def _contents(file: Path) -> bytes:
    return file.read_bytes()


@functools.cache
def _imports(file: Path) -> tuple[Path, ...]:
    """Files of the package that a file imports; names may be modules of a package or not."""
    found: list[Path] = []
    for package, names, module in IMPORT.findall(_contents(file)):
        base = ROOT.joinpath(*(package or module).decode().split(".")[1:])
        found += [base.with_suffix(".py"), base / "__init__.py"]
        found += [(base / name.split(" as ")[0].strip(" ()\n")).with_suffix(".py") for name in names.decode().split(",")]
    return tuple(found)
