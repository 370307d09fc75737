"""Speed and memory on reference networks (tests/data): every engine alone, judged, and with the region graph on top.

    python scripts/bench.py [NAME ...] [--engine ENGINE] [--json FILE] [--lp-seconds S]
    python scripts/bench.py [NAME ...] --engine ENGINE --beside TREE [--rounds R]

names: moons2d deep2d wide2d rand3d rand4d rand5d rand8d digits64 digits64-clipped digits64w (default: all)

CPU seconds of one core, every line in a process of its own, kernels compiled before the clock starts, stages the best
of two to five runs. "bare" is the enumeration alone: patterns and points; "columns" with paths, region graph and
affine maps as arrays, "sized" with volumes and areas in floats as well (up to dimension 5); "claims" is the enumeration
with the multipliers that the judge of nodes needs, "judged" what certification takes, "graph" the region graph then;
"enumerated" and "certified" are all of `certify --measures counts`, without and with the judge. lp stops after a while;
its rate is that of the regions found by then, and "x lp" compares with it. MB is the most memory beyond the imports and
kernels.

With `--beside`, another checkout is measured by turns with this one, R times each (after one uncounted round, which
compiles); every stage is given as the median of the R ratios, here to there, with their quartiles: a shared machine
drifts more within minutes than a change of code is worth, ratios of neighbours in time do not.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("POLYLC_KERNELS", "first")  # what compiled kernels take, not how a job begins
DATA = Path(__file__).parent.parent / "tests" / "data"
# file, radius around the first centre or None for the whole box, clipped to [0, 1]
CASES: dict[str, tuple[str, str | None, bool]] = {
    "moons2d": ("moons2d", None, False),
    "deep2d": ("deep2d", None, False),
    "wide2d": ("wide2d", None, False),
    "rand3d": ("rand3d", None, False),
    "rand4d": ("rand4d", None, False),
    "rand5d": ("rand5d", None, False),
    "rand8d": ("rand8d", None, False),
    "digits64": ("digits64", "0.05", False),
    "digits64-clipped": ("digits64", "0.1", True),
    "digits64w": ("digits64w", "0.01", False),
}
ENGINES = ("lp", "dictionary", "vertex")
REPEATS = 5
STAGES = ("bare", "columns", "sized", "claims", "judged", "graph", "enumerated", "certified")


def neighbourhood(name: str, scale: str | None = None) -> Any:
    """The neighbourhood of a case, or a small one in its middle."""
    import numpy as np

    from polylc.domains.ball import ball
    from polylc.domains.box import box, clip_bounds

    file, radius, clipped = CASES[name]
    arrays = np.load(DATA / f"{file}.npz")
    if scale is not None:
        middle = (arrays["lo"] + arrays["hi"]) / 2 if radius is None else arrays["centers"][0]
        return ball(middle, scale)
    if radius is None:
        return box(arrays["lo"], arrays["hi"])
    return ball(arrays["centers"][0], radius, clip_bounds([0], [1]) if clipped else None)  # type: ignore[list-item]


def measure(name: str, engine: str, lp_seconds: float) -> dict[str, Any]:
    """One line of the table: seconds by stage, counts, memory."""
    from polylc.api.certify import certify
    from polylc.complex.complex import MAP_BYTES, Complex
    from polylc.complex.graph import build_graph
    from polylc.engines.contract import Limits
    from polylc.engines.extras import Wishes
    from polylc.jit.heap import take_large_steps
    from polylc.readers.load import load
    from polylc.search.enumerate import explore, explore_judged
    from polylc.search.task import Settings, make_task

    take_large_steps()  # as commands do
    network, domain = load(DATA / f"{CASES[name][0]}.npz"), neighbourhood(name)

    def run(where: Any, **more: Any) -> Any:
        return certify(network, box=(where.lower, where.upper), engine=engine, measures="counts", keep=False, **more)[0]

    small = neighbourhood(name, "1/1000")
    run(small)
    run(small, certified=False)
    result: dict[str, Any] = {"case": name, "dimension": domain.dimension, "engine": engine, "neurons": network.neurons, "seconds": {}}
    seconds = result["seconds"]

    def clock(stage: str, work: Any) -> Any:
        spent, best = 0.0, float("inf")
        for run in range(REPEATS):
            begin = time.process_time()
            answer = work()
            took = time.process_time() - begin
            spent, best = spent + took, min(best, took)
            if spent > 1.0 and run:  # the first one's memory is new
                break
        seconds[stage] = best
        return answer

    if engine == "lp":
        found = clock("bare", lambda: explore(network, domain, engine, Limits(deadline=time.monotonic() + lp_seconds)))
        result |= {"regions": len(found.leaf), "complete": found.complete}
        return result
    imports = memory()
    proved = clock("certified", lambda: run(domain))
    result |= {"regions": proved.regions, "edges": proved.adjacencies, "complete": True, "status": proved.status, "megabytes": memory() - imports}
    clock("bare", lambda: explore(network, domain, engine))
    clock("claims", lambda: explore(network, domain, engine, sink=lambda chunk: None))

    def judged() -> Any:
        return explore_judged(network, make_task(network, 0, domain, None, engine), Settings(), Limits())

    def columns(where: Any, sizes: bool) -> None:
        complex_ = Complex.of(network, where, explore(network, where, engine, wishes=Wishes(facets=True, sizes=sizes, maps=MAP_BYTES)))
        build_graph(complex_)
        for rows in complex_.map_batches():
            complex_.maps(rows)
        if sizes:
            assert complex_.geometry.ok.all()

    with_sizes = domain.dimension <= (5 if engine == "vertex" else 4)
    columns(small, with_sizes)
    clock("columns", lambda: columns(domain, False))
    if with_sizes:
        clock("sized", lambda: columns(domain, True))
    found, verdict = clock("judged", judged)
    clock("graph", lambda: build_graph(Complex.of(network, domain, found, verdict.near, proved=True)))
    clock("enumerated", lambda: run(domain, certified=False))
    return result


def memory() -> float:
    """The most memory of this process so far, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def line(found: dict[str, Any], lp: float | None) -> str:
    """A line of the table, in thousands of regions per second."""
    regions = found["regions"]
    rates = [f"{regions / found['seconds'][s] / 1000:12.1f}" if found["seconds"].get(s) else f"{'':12}" for s in STAGES]
    ratio = f"{regions / found['seconds']['bare'] / lp:8.0f}" if lp else f"{'':8}"
    count = f"{regions}" if found["complete"] else f">{regions}"
    return f"{found['case']:17}{found['engine']:11}{count:>9}{found.get('edges', ''):>9}{''.join(rates)}{ratio}{found.get('megabytes', 0):8.0f}"


def alone(name: str, engine: str, lp_seconds: float, tree: Path = Path(__file__).parent.parent) -> dict[str, Any]:
    """One line of the table, from a process of its own in this checkout or another."""
    command = [sys.executable, str(tree / "scripts" / "bench.py"), "--one", name, "--engine", engine, "--lp-seconds", str(lp_seconds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tree, env=os.environ | {"PYTHONPATH": str(tree)})
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def beside(names: list[str], engine: str, lp_seconds: float, there: Path, rounds: int) -> list[dict[str, Any]]:
    """Ratios of this checkout to another, stage by stage: the quartiles of as many rounds."""
    results = []
    for name in names:
        ratios: dict[str, list[float]] = {}
        for turn in range(rounds + 1):
            trees = (there.resolve(), Path(__file__).resolve().parent.parent)
            pair = {tree: alone(name, engine, lp_seconds, tree) for tree in (trees if turn % 2 else trees[::-1])}
            old, new = (pair[tree] for tree in trees)
            stages = {s: new["seconds"][s] / seconds for s, seconds in old["seconds"].items() if s in new["seconds"]}
            for stage, ratio in (stages | {"MB": new.get("megabytes", 1) / old.get("megabytes", 1)}).items() if turn else ():
                ratios.setdefault(stage, []).append(ratio)
        found = {stage: statistics.quantiles(values, n=4) for stage, values in ratios.items()}
        print(f"{name:17}{engine:11}" + "  ".join(f"{s} {q[1]:.2f} ({q[0]:.2f}-{q[2]:.2f})" for s, q in found.items()), flush=True)
        results.append({"case": name, "engine": engine, "quartiles": found})
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--engine", choices=ENGINES)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--lp-seconds", type=float, default=10.0)
    parser.add_argument("--beside", type=Path, metavar="TREE")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = [n for n in options.names if n not in CASES]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; choose from {', '.join(CASES)}")
    if options.one:
        print(json.dumps(measure(options.names[0], options.engine, options.lp_seconds)))
        return
    if options.beside:
        if not (options.beside / "scripts" / "bench.py").is_file() or options.engine is None or options.rounds < 2:
            parser.error("--beside needs a checkout of polylc, --engine and at least two rounds")
        ratios = beside(options.names or list(CASES), options.engine, options.lp_seconds, options.beside, options.rounds)
        if options.json:
            Path(options.json).write_text(json.dumps({"benchmark": "polylc beside", "cases": ratios}, indent=1))
        return
    titles = "".join(f"{t:>12}" for t in STAGES)
    print(f"thousands of regions per second\n{'case':17}{'engine':11}{'regions':>9}{'edges':>9}{titles}{'x lp':>8}{'MB':>8}")
    results, lp = [], {}
    for name in options.names or CASES:
        for engine in ENGINES if options.engine is None else (options.engine,):
            if engine == "vertex" and neighbourhood(name).dimension > 5:
                continue
            found = alone(name, engine, options.lp_seconds)
            if engine == "lp":
                lp[name] = found["regions"] / found["seconds"]["bare"]
            results.append(found)
            print(line(found, lp.get(name)), flush=True)
    if options.json:
        Path(options.json).write_text(json.dumps({"benchmark": "polylc", "cases": results}, indent=1))


if __name__ == "__main__":
    main()
