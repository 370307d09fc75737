"""Kernels compiled ahead of their first use, side by side in processes of their own: those of an engine, and everything else.

    python -m polylc.api.prepare DIMENSION [DIMENSION ...]

compiles what neighbourhoods of these dimensions need, for an image or a shared installation, say.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

WORKER = "import sys; sys.path.append(sys.argv[1]); from polylc.api.prepare import do_piece; do_piece(*sys.argv[2:])"
SMALL = 7  # kernels beyond that dimension are those of this one


def prepare(needed: Collection[tuple[str, int]], measures: Collection[str], certify: bool) -> None:
    """Compile the kernels of pairs (engine, dimension) where they are not in the cache, if there are several processors; return when all are there.

    With a single processor nothing is done, for processes of their own would only take longer; kernels are compiled on first use then. Nor is
    anything lost if such a process fails.
    """
    if processors() < 2 or not sys.executable:
        return
    run_all(pieces(needed, measures, certify), processors())


def pieces(needed: Collection[tuple[str, int]], measures: Collection[str], certify: bool) -> list[list[str]]:
    """Pieces of work, as arguments of `do_piece`; the longest first."""
    flag = str(int(certify))
    rest = sorted({min(dimension, SMALL) for _, dimension in needed})
    engines = sorted({(name, d if name == "vertex" else min(d, SMALL)) for name, d in needed if name != "lp"})  # vertex: for each dimension
    return [["rest", "lp", str(d), flag, *measures] for d in rest] + [["engine", name, str(d), flag, "counts"] for name, d in engines]


def run_all(work: list[list[str]], most: int) -> None:
    """Do pieces of work in processes, `most` of them at a time, none of which outlives this call."""
    running: list[subprocess.Popen[bytes]] = []
    try:
        for piece in work:
            if len(running) == most:
                running.pop(0).wait()
            command = [sys.executable, "-P", "-c", WORKER, str(Path(__file__).parent.parent.parent), *piece]
            running.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        for process in running:
            process.wait()
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def do_piece(kind: str, engine: str, dimension: str, flag: str, *measures: str) -> None:
    """Have kernels compiled by a small network's neighbourhood: an engine's with what is compiled for it alone, or all others."""
    import numpy as np

    from polylc.api.certify import certify
    from polylc.domains.box import ball
    from polylc.engines.contract import Limits
    from polylc.network.form import chain
    from polylc.run.neighbourhood import Settings, explore_judged

    rng = np.random.default_rng(0)
    sizes = (int(dimension), 4, 3, 2)
    weights = [rng.normal(size=(m, n)) / 2 for n, m in itertools.pairwise(sizes)]
    network = chain(weights, [rng.normal(size=m) / 4 for m in sizes[1:]])
    if kind == "engine" and flag == "1":
        explore_judged(network, ball(np.zeros(sizes[0]), 1), Settings(engine=engine), Limits(), None, None)
    else:
        certify(network, np.zeros(sizes[0]), radius=1, engine=engine, measures=measures, certified=flag == "1")


def main(arguments: list[str]) -> None:
    """As a program."""
    if not arguments or not all(a.isdecimal() and int(a) > 0 for a in arguments):
        sys.exit("polylc.api.prepare: name the dimensions of the neighbourhoods, as in: python -m polylc.api.prepare 2 3")
    from polylc.domains.box import ball
    from polylc.measures.measuring import MEASURES
    from polylc.search.enumerate import choose_engine

    needed = {(choose_engine("auto", ball([0] * int(a), 1)), int(a)) for a in arguments}
    run_all(pieces(needed, MEASURES, True), processors())


if __name__ == "__main__":
    main(sys.argv[1:])
