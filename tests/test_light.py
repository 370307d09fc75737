"""Without torch, sympy, matplotlib and pandas everything else works, and what needs them says what to install."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"
POOLED = str(DATA.parent.parent / "examples" / "pooled" / "pooled.pt")
HIDDEN = ("torch", "sympy", "matplotlib", "pandas", "cvxpy", "onnxruntime", "mpmath", "vnnlib")
HIDE = textwrap.dedent(f"""
    import sys
    from importlib.abc import MetaPathFinder
    class Hidden(MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in {HIDDEN}:
                raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
    sys.meta_path.insert(0, Hidden())
    import importlib.util
    real = importlib.util.find_spec
    importlib.util.find_spec = lambda name, *rest: None if name.partition(".")[0] in {HIDDEN} else real(name, *rest)
""")


def polylc(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The program, on a machine that has none of those packages."""
    code = HIDE + "from polylc.cli import command\ncommand()"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("file", ["moons2d.npz", "moons2d.onnx", "moons2d.pt"])
def test_networks_that_need_no_torch_are_certified_with_all_measures(file, tmp_path):
    found = polylc("certify", str(DATA / file), "--box", "0,0", ".1,.1", "--measures", "all", "--sigma", "0.1", "--proof", str(tmp_path / "p"))
    assert found.returncode == 0, found.stderr
    assert "certified" in found.stdout
    checked = polylc("check", str(tmp_path / "p"), "--model", str(DATA / file))
    assert checked.returncode == 0, checked.stderr


def test_dimensions_beyond_volumes_need_no_torch():
    found = polylc("certify", str(DATA / "rand8d.npz"), "--center", ",".join(["0.1"] * 8), "--radius", "0.01")
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["certify", POOLED, "--box", "0,0", ".1,.1"], "torch"),
        (["info", POOLED], "torch"),
        (["info", "moons2d.pt", "--arch", "net.py:Net"], "torch"),
        (["estimate", "moons2d.npz", "--box", "0,0", ".1,.1"], "torch"),
        (["compare", "moons2d.npz", "--box", "0,0", ".1,.1"], "torch"),
        (["certify", "moons2d.npz", "--data", "moons2d.pt", "--radius", "1"], "torch"),
        (["plot", "moons2d.npz", "--box", "0,0", ".1,.1", "--out", "OUT.png"], "plot"),
        (["certify", "moons2d.npz", "--box", "0,0", ".1,.1", "--symbolic", "OUT.tex"], "symbolic"),
        (["verify", str(DATA.parent.parent / "examples" / "moons" / "two_inputs.vnnlib"), "--network", "moons2d.onnx"], "vnnlib"),
    ],
)
def test_what_is_missing_is_told_in_one_line(arguments, extra, tmp_path):
    given = [str(DATA / a) if a.startswith("moons2d") else str(tmp_path / a) if a.startswith("OUT") else a for a in arguments]
    found = polylc(*given)
    assert found.returncode == 2, found.stdout
    assert found.stderr.splitlines()[-1].endswith(f"pip install 'polylc[{extra}]'"), found.stderr
    assert "Traceback" not in found.stderr


def test_compiled_kernels_of_a_command_load_no_linear_algebra_of_scipy_and_leave_it_importable():
    code = textwrap.dedent("""
        import os, sys
        from polylc.cli import main
        from polylc.jit.mode import mode
        try:
            main()
        except SystemExit as end:
            assert not end.code, end.code
        assert "numba" in sys.modules and not mode.plain
        assert "scipy.linalg" not in sys.modules
        assert os.environ["TURN"] == "once" or "numba.np.arraymath" not in sys.modules
        import scipy.linalg.cython_blas
    """)
    arguments = ["certify", str(DATA / "moons2d.npz"), "--box", "0,0", ".1,.1", "--measures", "counts"]
    for turn in ("once", "again"):  # what is compiled takes numba's functions of arrays, what is kept does not
        environment = os.environ | {"POLYLC_KERNELS": "first", "TURN": turn}
        found = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, env=environment)
        assert found.returncode == 0, found.stderr


def test_check_needs_nothing_but_what_reads_the_command_line(tmp_path):
    """`polylc check` without a model is the checker, so that no package that computes is imported."""
    proof = tmp_path / "p"
    written = polylc("certify", str(DATA / "moons2d.npz"), "--box", "0,0", ".1,.1", "--measures", "counts", "--proof", str(proof))
    assert written.returncode == 0, written.stderr
    numeric = ("numpy", "scipy", "numba", "flint", "networkx", "highspy", "onnx")
    code = HIDE.replace(str(HIDDEN), str(HIDDEN + numeric)) + "from polylc.cli import command\ncommand()"
    found = subprocess.run([sys.executable, "-c", code, "check", str(proof)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-1] == "verified"
