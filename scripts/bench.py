"""Speed and memory of the engines on reference networks (tests/data), alone and with everything on top.

    python scripts/bench.py [NAME ...]        names: moons2d deep2d rand3d rand4d rand5d digits64 (default: all)

CPU seconds of one core, kernels compiled before the clock starts. "engine" is the enumeration alone, "claims" with the claims
that the judge needs, "enumerated" and "certified" the whole of `certify --measures counts`, region graph included, without
and with the judge.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from polylc.engines.dictionary import DictionaryEngine
from polylc.engines.lp import LpEngine
from polylc.engines.vertex import VertexEngine
from polylc.enumerate import VERTEX_DIMENSION
from polylc.geometry.neighbourhood import Neighbourhood, ball, box, clip_bounds
from polylc.readers import load
from polylc.run import certify

DATA = Path(__file__).parent.parent / "tests" / "data"
CASES: dict[str, str | None] = {"moons2d": None, "deep2d": None, "rand3d": "0.2", "rand4d": "0.3", "rand5d": "0.3", "digits64": "0.05"}
ENGINES: dict[str, Any] = {"lp": LpEngine, "dictionary": DictionaryEngine, "vertex": VertexEngine}


def neighbourhood(name: str) -> Neighbourhood:
    arrays, radius = np.load(DATA / f"{name}.npz"), CASES[name]
    if radius is None:
        return box(arrays["lo"], arrays["hi"])
    return ball(arrays["centers"][0], radius, clip_bounds([0], [1]) if name == "digits64" else None)  # type: ignore[list-item]


def seconds(work: Any) -> tuple[Any, float]:
    begin = time.process_time()
    result = work()
    return result, time.process_time() - begin


def main(names: list[str]) -> None:
    titles = ("regions", "edges", "engine/s", "claims/s", "enumerated/s", "certified/s", "MB")
    print(f"{'network':10}{'ball':>6} {'engine':11}" + "".join(f"{t:>14}" for t in titles))
    for name in names or CASES:
        network, domain = load(DATA / f"{name}.npz"), neighbourhood(name)
        for engine, kind in ENGINES.items():
            if engine == "vertex" and domain.dimension > VERTEX_DIMENSION:
                continue
            where = {"box": (domain.lower, domain.upper), "engine": engine, "measures": "counts", "keep": False}
            small = [(m - h / 1000, m + h / 1000) for m, h in zip(domain.middle, domain.half, strict=True)]
            certify(network, **where | {"box": tuple(zip(*small, strict=True))})
            found, alone = seconds(lambda kind=kind, n=network, d=domain: kind(n, d).explore())
            _, claims = seconds(lambda kind=kind, n=network, d=domain: kind(n, d, lambda chunk: None).explore())
            _, floats = seconds(lambda n=network, w=where: certify(n, certified=False, **w))
            run, proved = seconds(lambda n=network, w=where: certify(n, **w))
            count = len(found.leaf)
            assert run[0].status == "certified"
            assert run[0].regions == count
            speeds = "".join(f"{count / t:14.0f}" for t in (alone, claims, floats, proved))
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{name:10}{CASES[name] or 'box':>6} {engine:11}{count:14}{run[0].adjacencies:14}{speeds}{memory:14.0f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
