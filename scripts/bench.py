"""Speed and memory of the engine on reference networks (tests/data): regions per second of CPU time, and seconds for everything.

    python scripts/bench.py [NAME ...]        names: moons2d rand3d rand4d rand5d (default: all)

One core; the first run compiles the geometry kernel, which is done before the clock starts.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from polylc.engines.lp import LpEngine
from polylc.geometry.neighbourhood import Neighbourhood, ball, box
from polylc.readers import load
from polylc.run import certify

DATA = Path(__file__).parent.parent / "tests" / "data"
CASES = {"moons2d": None, "rand3d": "0.2", "rand4d": "0.3", "rand5d": "0.3"}


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(names: list[str]) -> None:
    print(f"{'network':10}{'ball':>6}{'regions':>9}{'LPs/region':>12}{'engine/s':>10}{'edges':>9}{'engine s':>10}{'all s':>8}{'MB':>7}")
    for name in names or CASES:
        arrays, network = np.load(DATA / f"{name}.npz"), load(DATA / f"{name}.npz")
        radius = CASES[name]
        domain: Neighbourhood = box([-2, -2], [3, 3]) if radius is None else ball(arrays["centers"][0], radius)
        middle = domain.middle
        certify(network, middle, radius=0.001)
        before, begin = megabytes(), time.process_time()
        found = LpEngine(network, domain).explore()
        engine = time.process_time() - begin
        begin = time.process_time()
        measures = "all" if name == "moons2d" else "counts"
        result = certify(network, box=(domain.lower, domain.upper), measures=measures)[0]
        total = time.process_time() - begin
        count = len(found.leaf)
        per = found.stats["linear_programs"] / count
        speed = f"{count / engine:10.0f}{result.adjacencies:9}{engine:10.2f}{total:8.2f}{megabytes() - before:7.0f}"
        print(f"{name:10}{radius or 'box':>6}{count:9}{per:12.2f}{speed}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
