"""The four kinds of compiled functions.

`kernel`
    Works on flat arrays that its caller has made: it allocates nothing, counts no references and lets other threads
    run. A product and a sum may be contracted into one fused operation, which rounds once instead of twice.
`inlined`
    A part of a kernel, laid into every place that calls it.
`unfused`
    A kernel that rounds every single operation as it is written, for bounds that count roundings one by one.
`rounded`
    May allocate, and so counts references; it rounds every single operation as it is written, too.

Kernels count no references, so one that returns an array is called by kernels alone.

All four are plain Python functions under NUMBA_DISABLE_JIT=1.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.types import unliteral  # type: ignore[attr-defined]

from polylc.jit.cache import folder, stamp

# numba's names beyond its documented interface; tests/test_jit.py says which, pyproject.toml bounds the version
_NO_REFERENCE_COUNTS = {"_nrt": False}
_LEAN: dict[str, Any] = {"nogil": True, "error_model": "numpy", **_NO_REFERENCE_COUNTS}
_FUSED: dict[str, Any] = {**_LEAN, "fastmath": {"contract"}}


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that works on flat arrays and allocates nothing."""
    return _compile(function, {**_FUSED, "forceinline": False})


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a part of a kernel into every place that calls it."""
    return _compile(function, {**_FUSED, "forceinline": True})


def unfused(function: Callable[..., Any]) -> Any:
    """Compile a function that works on flat arrays and allocates nothing, with every operation rounded as it is
    written.
    """
    return _compile(function, {**_LEAN, "forceinline": False})


def rounded(function: Callable[..., Any]) -> Any:
    """Compile a function that may allocate, with every operation rounded as it is written."""
    return _compile(function, {"forceinline": False, "nogil": True})


def is_kept(compiled: Any, part: str = "") -> bool:
    """Whether compiled code of a kernel is kept, for arguments whose types contain `part`; plain Python needs none."""
    if numba.config.DISABLE_JIT:
        return True
    files = Path(compiled.stats.cache_path).glob(f"*{compiled.__name__}-*.nbi")
    return any(part.encode() in file.read_bytes() for file in files)


def _compile(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    if numba.config.DISABLE_JIT:
        return function
    kept = folder() / stamp(Path(sys.modules[function.__module__].__file__ or ""))
    before = numba.config.CACHE_DIR
    try:
        numba.config.CACHE_DIR = str(kept)
        door = numba.njit(cache=True, no_cfunc_wrapper=True, **options)(function)
        numba.config.CACHE_DIR = str(kept / "inner")
        inner = numba.njit(cache=True, no_cfunc_wrapper=True, no_cpython_wrapper=True, **options)(function)
    finally:
        numba.config.CACHE_DIR = before
    return _joined(door, inner)


def _joined(door: Any, inner: Any) -> Any:
    """One function, compiled as `door` for Python and as `inner` for other kernels.

    What Python calls needs a bridge that takes its arguments apart; for named tuples of many arrays the bridge takes
    longer to compile than the function itself, so what only kernels call goes without. It is compiled once for all
    constants that kernels call it with, not anew for each.
    """
    template = inner.get_call_template

    def without_constants(args: Any, kws: Any) -> Any:
        return template(tuple(unliteral(a) for a in args), {name: unliteral(a) for name, a in kws.items()})

    door.get_call_template, door.get_overload = without_constants, inner.get_overload
    return door
