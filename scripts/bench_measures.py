"""What measures cost beside counts: proved volumes, the region graph, default measures; CPU seconds, in one process.

    python scripts/bench_measures.py [NAME ...] [--repeat 3]

Whole boxes of the networks in tests/data (default: moons2d deep2d wide2d rand3d rand4d), "NAME:R": the ball of radius R
around the first centre, or the middle of the box, and "balls": twenty balls of radius 0.05 in the plane of moons2d.
Kernels are loaded before; each figure is the least of some runs. "graph" is the sweep over regions, then the same where
nothing says that the regions are proved (docs/exactness.md, lemma 6b), by turns; "volumes" in floats and with proved
bounds, microseconds a region, up to six dimensions; "default" against "counts".
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("POLYLC_KERNELS", "first")  # what compiled kernels take, not how a job begins

import numpy as np

import polylc
from polylc.complex.complex import Complex
from polylc.complex.sweep_threads import sweep_all
from polylc.domains.box import box
from polylc.engines.choose import choose_engine
from polylc.engines.contract import Limits
from polylc.measures.by_volume.volumes import Volumes
from polylc.search.enumerate import explore_judged
from polylc.search.task import Settings, make_task

DATA = Path(__file__).parent.parent / "tests" / "data"
NAMES = ("moons2d", "deep2d", "wide2d", "rand3d", "rand4d", "balls")


def least(repeat: int, *works: Callable[[], Any]) -> list[float]:
    """The least CPU seconds of each, by turns, after one run that does not count."""
    found = [float("inf")] * len(works)
    for turn in range(repeat + 1):
        for k, work in enumerate(works):
            begin = time.process_time()
            work()
            if turn:
                found[k] = min(found[k], time.process_time() - begin)
    return found


def stages(name: str, repeat: int) -> str:
    """Graph and volumes of a box."""
    arrays, network = np.load(DATA / f"{name}.npz"), polylc.load(DATA / f"{name}.npz")
    domain = box(arrays["lo"], arrays["hi"])
    found, verdict = explore_judged(network, make_task(network, 0, domain, None, choose_engine("auto", domain)), Settings(), Limits())
    assert verdict is not None

    def fresh() -> Complex:
        return Complex.of(network, domain, found, verdict.near, proved=True)

    complex_, count = fresh(), len(found.leaf)
    plain = replace(complex_, proved=False)
    graph = least(repeat, lambda: sweep_all(complex_, True, False), lambda: sweep_all(plain, True, False))
    told = f"{count} regions, graph {graph[0]:.3f} and {graph[1]:.3f} s"
    if not complex_.has_geometry:
        return told
    floats, proved = least(repeat, lambda: fresh().cut_geometry, lambda: Volumes(fresh()))
    return f"{told}, volumes {1e6 * floats / count:.1f} and {1e6 * proved / count:.1f} us a region"


def main() -> None:
    """Print a line for each name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", default=NAMES)
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    for name in given.names:
        stem, _, radius = name.partition(":")
        file = DATA / ("moons2d.npz" if name == "balls" else f"{stem}.npz")
        if not file.is_file():
            parser.error(f"unknown: {name}; give names of networks in {DATA} that have a box, or balls")
        network, arrays = polylc.load(file), np.load(file)
        points = np.random.default_rng(0).uniform(-0.8, 0.8, (20, 2)).tolist()
        asked: dict[str, Any] = {"points": points, "radius": "0.05"}
        if radius:
            middle = arrays["centers"][0] if "centers" in arrays else (arrays["lo"] + arrays["hi"]) / 2
            asked = {"points": [middle.tolist()], "radius": radius}
        elif name != "balls":
            asked = {"box": (arrays["lo"], arrays["hi"])}

        def run(measures: str, network: Any = network, asked: dict[str, Any] = asked) -> None:
            polylc.certify(network, measures=measures, keep=False, **asked)

        said = "" if "points" in asked else f"{stages(name, given.repeat)}, "
        counts, default = least(given.repeat, lambda run=run: run("counts"), lambda run=run: run("default"))  # type: ignore[misc]
        print(f"{name:8} {said}counts {counts:.3f} s, default {default:.3f} s, {default / counts:.1f} times", flush=True)


if __name__ == "__main__":
    main()
