"""The three kinds of kernels: functions that run compiled, or as plain Python where that is wanted or quicker.

`kernel`
    Works on flat arrays that its caller has made: it allocates nothing, counts no references and lets other threads
    run.
`inlined`
    A part of a kernel, laid into every place that calls it.
`allocating`
    May allocate, and so counts references.

Kernels count no references, so one that returns an array is called by kernels alone. Every operation is rounded as it
is written, none is fused with another: bounds may count roundings one by one, and a result is the same to the last bit
whether compiled or not, and on every processor.

Kernels call each other, so all of them run as one setting says (jit/mode.py): compiled by default, as plain Python
under NUMBA_DISABLE_JIT=1 and where a small job does not wait for compiled ones (run/beside.py). numba is imported when
the first kernel is compiled, or loaded.
"""

from __future__ import annotations

import gc
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from threading import RLock
from typing import Any

from polylc.jit.cache import folder, stamp
from polylc.jit.heap import take_large_steps
from polylc.jit.mode import DISABLED, mode

# numba's names beyond its documented interface; tests/test_jit.py says which, pyproject.toml bounds the version
_NO_REFERENCE_COUNTS = {"_nrt": False}
_LEAN: dict[str, Any] = {"nogil": True, "error_model": "numpy", **_NO_REFERENCE_COUNTS}
OFTEN = 10_000  # new objects between two collections: a command makes many that stay
_making = RLock()


class Kernel:
    """A function that runs as `mode` says; compiled kernels see it as the function that numba has made of it.

    Attributes
    ----------
    plain : callable
        The function as it is written.
    """

    def __init__(self, plain: Callable[..., Any], make: Callable[[Callable[..., Any]], Any]) -> None:
        self.plain, self._make, self._made = plain, make, None
        self.__name__, self.__module__, self.__doc__, self.__wrapped__ = plain.__name__, plain.__module__, plain.__doc__, plain

    def __call__(self, *arguments: Any) -> Any:
        if mode.plain:
            return self.plain(*arguments)
        made = self._made
        return (self.compiled if made is None else made)(*arguments)

    def always_compiled(self, *arguments: Any) -> Any:
        """A call that does not run as plain Python where small jobs begin with that: it would take too long."""
        return self.plain(*arguments) if DISABLED else self.compiled(*arguments)

    @property
    def at_hand(self) -> bool:
        """Whether a call runs at once, with nothing to be compiled or loaded first."""
        return mode.plain or self._made is not None

    @property
    def compiled(self) -> Any:
        """What numba makes of the function; it compiles for the types of a first call, or loads what it has kept."""
        with _making:
            if self._made is None:
                if not mode.loaded:
                    _load_numba()
                self._made = self._make(self.plain)
        return self._made

    @property
    def _numba_type_(self) -> Any:
        return self.compiled._numba_type_


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that works on flat arrays and allocates nothing."""
    return _compiled(function, {**_LEAN, "forceinline": False})


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a part of a kernel into every place that calls it."""
    return _compiled(function, {**_LEAN, "forceinline": True})


def allocating(function: Callable[..., Any]) -> Any:
    """Compile a function that may allocate."""
    return _compiled(function, {"forceinline": False, "nogil": True})


def is_kept(kernel: Any, part: str = "") -> bool:
    """Whether compiled code of a kernel is kept, for arguments whose types contain `part`; plain Python needs none."""
    if DISABLED:
        return True
    place = _kept(kernel.plain)
    return any(part.encode() in file.read_bytes() for file in place.glob(f"**/*.{kernel.__name__}-*.nbi"))


def _kept(function: Callable[..., Any]) -> Path:
    return folder() / stamp(Path(sys.modules[function.__module__].__file__ or ""))


def _compiled(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    return Kernel(function, lambda plain: _compile(plain, options))


def _load_numba() -> None:
    """Import numba, the last large import: a command's process does not look for garbage in what is loaded by then, and
    readies itself for large arrays.
    """
    import numba  # noqa: F401

    mode.loaded = True
    if mode.own_process:
        gc.freeze()
        gc.set_threshold(OFTEN)
        take_large_steps()


def _compile(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    import numba

    counts = not options.items() >= _NO_REFERENCE_COUNTS.items()
    if counts:
        _load_functions_of_arrays()
    kept = _kept(function)
    before = numba.config.CACHE_DIR
    try:
        numba.config.CACHE_DIR = str(kept)
        door = numba.njit(cache=True, no_cfunc_wrapper=True, **options)(function)
        numba.config.CACHE_DIR = str(kept / "inner")
        inner = numba.njit(cache=True, no_cfunc_wrapper=True, no_cpython_wrapper=True, **options)(function)
    finally:
        numba.config.CACHE_DIR = before
    for made in (door, inner):
        _name_apart(made._cache)
        if not counts:
            _load_alone(made._cache)
    _keep_names(door._cache)
    return _joined(door, inner)


def _name_apart(kept: Any) -> None:
    """Give every file of kept code a name of its own.

    numba counts them. Two processes that compile a function for different types at the same time count alike, and an
    index that is right for the one would name the code of the other.
    """
    stem = kept._cache_file._data_name_pattern.split("{")[0]
    kept._cache_file._data_name = lambda number: f"{stem}{uuid.uuid4().hex[:16]}.nbc"


def _load_alone(kept: Any) -> None:
    """Have kept code loaded without all that compiling takes, which takes longer than loading everything else; who then
    finds none, and compiles, sees to it.

    Code that counts references calls what is made there, so this is for code that does not.
    """

    def load(signature: Any, context: Any) -> Any:
        found = None
        with kept._guard_against_spurious_io_errors():
            found = kept._load_overload(signature, context)
        if found is None:  # to be compiled
            _load_functions_of_arrays()
        return found

    kept.load_overload = load


def _keep_names(kept: Any) -> None:
    """Have compiled code kept with the names that it defines alone, not with the bitcode besides from which other
    kernels would lay it in: they take that of `inner`, and reading it would be part of every start. Nor with the
    names of numba's modules that functions called in it are of.
    """
    whole = kept._impl.reduce

    def reduce(compiled: Any) -> Any:
        (name, kind, data), *rest, called = whole(compiled)
        return ((name, kind, (data[0], _names_of(data[1])) if kind == "object" else data), *rest, tuple(map(_without_module, called)))

    kept._impl.reduce = reduce


def _names_of(bitcode: bytes) -> Any:
    """Bitcode that defines the same names, as functions that do nothing."""
    from llvmlite import binding

    module = binding.parse_bitcode(bitcode)
    names = [each.name for each in (*module.functions, *module.global_variables) if not each.is_declaration]
    return binding.parse_assembly("".join(f'define void @"{name}"() {{ ret void }}\n' for name in names)).as_bitcode()


def _without_module(environment: Any) -> Any:
    """The constants of a function of numba's own without the module that it is of, which would be imported with all
    that it imports: compiled code reads no globals.
    """
    import numba
    from numba.core.environment import Environment

    if not environment.globals["__name__"].startswith("numba."):
        return environment
    found = Environment(vars(numba))
    found.consts[:], found.env_name = environment.consts, environment.env_name
    return found


def _load_functions_of_arrays() -> None:
    """Have numba load its functions of arrays without SciPy, where nobody else's code runs.

    It imports scipy.linalg to see whether there is BLAS, which no kernel calls; that takes as long as numba itself.
    """
    blas = "scipy.linalg.cython_blas"
    if not mode.own_process or blas in sys.modules:
        return
    sys.modules[blas] = None  # type: ignore[assignment]  # what cannot be imported
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        del sys.modules[blas]


def _joined(door: Any, inner: Any) -> Any:
    """One function, compiled as `door` for Python and as `inner` for other kernels.

    What Python calls needs a bridge that takes its arguments apart; for named tuples of many arrays the bridge takes
    longer to compile than the function itself, so what only kernels call goes without. It is compiled once for all
    constants that kernels call it with, not anew for each.
    """
    from numba.core.types import unliteral  # type: ignore[attr-defined]

    template = inner.get_call_template

    def without_constants(args: Any, kws: Any) -> Any:
        return template(tuple(unliteral(a) for a in args), {name: unliteral(a) for name, a in kws.items()})

    door.get_call_template, door.get_overload = without_constants, inner.get_overload
    return door
