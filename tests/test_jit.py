"""Compiled code is kept for as long as its sources are the same."""

from __future__ import annotations

import ast
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from polylc.jit import cache
from polylc.jit.cache import ROOT, stamp


@pytest.mark.parametrize(
    ("kernel", "source"),
    [
        ("judge/node_filter.py", "network/replay.py"),  # a kernel that is called
        ("complex/facet_sweep.py", "network/compose.py"),  # a constant
        ("complex/facet_sweep.py", "complex/facet_lp.py"),
        ("engines/vertex/search.py", "engines/vertex/skeleton.py"),
        ("engines/dictionary/search.py", "engines/dictionary/state.py"),
        ("geometry/proved_sizes.py", "geometry/cuts.py"),
    ],
)
def test_a_change_in_what_a_kernel_imports_gives_it_another_folder(monkeypatch, kernel, source):
    before = stamp(ROOT / kernel)
    old = cache._digest
    monkeypatch.setattr(cache, "_digest", lambda file: old(file) + (b"changed" if file == ROOT / source else b""))
    assert stamp.__wrapped__(ROOT / kernel) != before
    monkeypatch.setattr(cache, "_digest", lambda file: old(file) + (b"changed" if file == ROOT / "cli/commands.py" else b""))
    assert stamp.__wrapped__(ROOT / kernel) == before


def test_imports_are_those_that_python_reads():
    """All of this package's modules that a file imports before its first definition, by Python's own parser."""
    for file in ROOT.rglob("*.py"):
        names = set()
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
                break
            if isinstance(node, ast.ImportFrom):
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
        places = [ROOT.parent.joinpath(*name.split(".")) for name in names if name.split(".")[0] == ROOT.name]
        expected = {f for place in places for f in (place.with_suffix(".py"), place / "__init__.py") if f.is_file()}
        assert expected <= set(cache._imports(file)), file


def test_kernels_use_that_folder_and_leave_the_setting_alone():
    import numba

    from polylc.judge.node_filter import _preorder, preorder

    assert stamp(ROOT / "judge" / "node_filter.py") in _preorder.compiled.stats.cache_path
    assert not numba.config.CACHE_DIR or stamp(ROOT / "judge" / "node_filter.py") not in numba.config.CACHE_DIR
    assert preorder(np.array([-1, 0, 0]), np.array([-1, 1, 0])).tolist() == [0, 2, 1]


# ---- numba's names beyond its documented interface: what a new version of numba may change, and pyproject.toml
# therefore bounds
PRIVATE = {
    "jit/bits.py": {"numba.cpython.unsafe.numbers.trailing_zeros", "option forceinline"},
    "jit/decorators.py": {
        "numba.core.types.unliteral",
        "numba.core.environment.Environment",
        "numba.np.arraymath",
        "option _nrt",
        "option forceinline",
        "option no_cfunc_wrapper",
        "option no_cpython_wrapper",
        "inner.get_call_template",
        "inner.get_overload",
        "door.get_call_template",
        "door.get_overload",
        "door._cache",
        "made._cache",
        "kept._cache_file._data_name",
        "kept._cache_file._data_name_pattern.split",
        "kept._guard_against_spurious_io_errors",
        "kept._load_overload",
        "kept.load_overload",
        "kept._impl.reduce",
        "llvmlite.binding",
    },
}
PUBLIC = {"numba.njit", "numba.config.CACHE_DIR"}
OPTIONS = {"cache", "error_model", "nogil"}
OBJECTS = ("compiled", "context", "door", "inner", "kept", "made", "numba", "signature")  # names of numba's objects in jit/


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def names_of_numba(tree: ast.Module) -> Iterator[str]:
    """All that a file uses of numba and llvmlite: names that it imports, attributes of their objects, options of
    compiled functions.
    """
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("numba", "llvmlite"):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in ("numba", "llvmlite") and alias.name != "numba")
        elif isinstance(node, ast.Attribute) and id(node) not in inner and dotted(node).split(".")[0] in OBJECTS:
            yield dotted(node)
        elif isinstance(node, ast.Call) and dotted(node.func) == "numba.njit":
            yield from (f"option {keyword.arg}" for keyword in node.keywords if keyword.arg is not None)
        elif isinstance(node, ast.Dict):
            yield from (f"option {key.value}" for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


def test_no_more_of_numba_is_used_than_this():
    """Whoever adds a name here looks whether the bound on numba's version in pyproject.toml is right for it."""
    documented = PUBLIC | {f"option {name}" for name in OPTIONS} | {"compiled.__name__"}
    for file in ROOT.rglob("*.py"):
        text = file.read_text()
        name = file.relative_to(ROOT).as_posix()
        if name.startswith("jit/") or "numba" in text or "llvmlite" in text:
            imports = any(isinstance(n, ast.Import | ast.ImportFrom) and "numba" in ast.unparse(n) for n in ast.walk(ast.parse(text)))
            found = set(names_of_numba(ast.parse(text))) if imports else set()
            assert found - documented == PRIVATE.get(name, set()), name


def test_numba_is_bounded():
    text = (ROOT.parent / "pyproject.toml").read_text()
    assert '"numba>=0.60,<0.69"' in text


KEPT_TWICE = """
import sys, pathlib
from polylc.geometry.small_inverse import by_elimination
import numpy as np
folder = pathlib.Path(sys.argv[1])
made, matrix = by_elimination.compiled, np.eye(2)
made(2, matrix, matrix.copy(), matrix.copy())
before = {file: file.read_bytes() for file in folder.rglob("*.nbc")}
for index in folder.rglob("*.nbi"):
    index.unlink()  # what another process reads that began a moment before
made(2, np.eye(2, dtype=int), matrix.copy(), matrix.copy())
after = {file: file.read_bytes() for file in folder.rglob("*.nbc")}
assert before and len(after) > len(before) and before.items() <= after.items()
"""


NAMES_ALONE = """
import sys
import numpy as np
from polylc.geometry.small_inverse import by_elimination
compiled, inverse = by_elimination.compiled, np.empty((2, 2))
assert compiled(2, np.array([[2.0, 0.0], [0.0, 4.0]]), inverse, np.empty((2, 2)))[0] == 8.0
assert (inverse == [[0.5, 0.0], [0.0, 0.25]]).all()
kept = [made.library._shared_module for made in compiled.overloads.values()] if sys.argv[1] == "again" else []
for module in kept:
    bodies = [list(function.blocks) for function in module.functions if not function.is_declaration]
    assert bodies and all(len(blocks) == 1 and len(list(blocks[0].instructions)) == 1 for blocks in bodies)
assert bool(kept) == (sys.argv[1] == "again")
assert bool(compiled.stats.cache_hits) == bool(kept)
"""


def test_kept_code_is_loaded_by_its_names(tmp_path):
    """What Python calls is kept without bitcode that nobody lays in: another process computes the same with it."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_DISABLE_JIT": "0"}
    for turn in ("once", "again"):
        done = subprocess.run([sys.executable, "-c", NAMES_ALONE, turn], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_processes_that_compile_for_different_types_keep_apart(tmp_path):
    """The code of the one is not written over that of the other, which an index may already name."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_DISABLE_JIT": "0"}
    subprocess.run([sys.executable, "-c", KEPT_TWICE, str(tmp_path)], env=environment, check=True)


# ---- kernels that can be read
KINDS = ("kernel", "inlined", "allocating")
MOST_LINES, MOST_PARAMETERS = 100, 8


def kernels(file: Path) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef) and any(isinstance(d, ast.Name) and d.id in KINDS for d in node.decorator_list):
            yield node


def test_kernels_are_short_and_take_their_state_as_named_tuples():
    files = list(ROOT.rglob("*.py"))
    classes = itertools.chain(*(ast.walk(ast.parse(file.read_text())) for file in ROOT.rglob("*.py")))
    tuples = {n.name for n in classes if isinstance(n, ast.ClassDef) and any(dotted(b) == "NamedTuple" for b in n.bases)}
    for file in files:
        for node in kernels(file):
            plain = [a.arg for a in node.args.args if a.annotation is None or dotted(a.annotation).split(".")[-1] not in tuples]
            assert len(plain) <= MOST_PARAMETERS, (file.name, node.name, plain)
            assert (node.end_lineno or 0) - node.lineno < MOST_LINES, (file.name, node.name)


def test_kept_code_is_loaded_without_what_compiling_takes(tmp_path):
    """A second process loads what the first has made, and numba's functions of arrays with it only where code counts
    references."""
    text = """
import sys
import numpy as np
from polylc.judge.node_filter import preorder
assert preorder(np.array([-1, 0, 0]), np.array([-1, 1, 0])).tolist() == [0, 2, 1]
print("numba.np.linalg" in sys.modules)
"""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT.parent)}
    said = [subprocess.run([sys.executable, "-c", text], env=environment, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert said == ["True\n", "False\n"]


def test_the_folder_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert cache.folder.__wrapped__() == tmp_path
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.setattr(cache, "ROOT", tmp_path / "package")
    assert cache.folder.__wrapped__() == tmp_path / "package" / "__pycache__"


def test_what_only_kernels_call_has_no_bridge_from_python():
    from polylc.bounds import interval

    box, clear = np.array([[-1.0], [0.5]]), np.zeros(1)
    interval.clearance(np.array([[1.0], [2.0]]), np.zeros(1), np.ones(1), box, 0, 1, clear, np.zeros(1))
    assert clear[0] == pytest.approx(1.0)
    assert not interval._ends.compiled.signatures
    assert interval._ends(box, 0) == pytest.approx((-0.25, 0.75))
    assert len(interval._ends.compiled.signatures) == 1
