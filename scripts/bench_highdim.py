"""Balls in many dimensions: how many regions, and what finding and judging them costs, as the radius grows.

    python scripts/bench_highdim.py                                     digits64 (tests/data), 64 inputs
    python scripts/bench_highdim.py MODEL DATA.csv [--rows I] [--scale 1/255] [--seconds S]
                                                                        any model; the first column of the data is a
                                                                        label

CPU seconds of one core, kernels compiled before the clock starts. "engine" enumerates, "judge" is the time in the judge
besides. With a model of one's own the radius grows by a factor of 1.5, from .001, until a run takes longer than S
seconds. Balls of a model of one's own are cut with [0, 1].
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("POLYLC_KERNELS", "first")  # what compiled kernels take, not how a job begins

import numpy as np

from polylc.domains.ball import ball
from polylc.domains.box import Neighbourhood, clip_bounds
from polylc.engines.contract import Chunk, Limits
from polylc.engines.dictionary.engine import DictionaryEngine
from polylc.judge.by_node import Judge
from polylc.network.form import Network
from polylc.readers.load import load

DIGITS = Path(__file__).parent.parent / "tests" / "data" / "digits64.npz"
UNIT = clip_bounds([Fraction(0)], [Fraction(1)])


def digits() -> Iterator[tuple[str, Network, Neighbourhood]]:
    network, center = load(DIGITS), np.load(DIGITS)["centers"][0]
    for radius in ("0.02", "0.05", "0.1"):
        yield f"{radius} in [0, 1]", network, ball(center, radius, UNIT)
    for radius in ("0.02", "0.05", "0.1"):
        yield radius, network, ball(center, radius)


def growing(model: str, data: str, row: int, scale: Fraction) -> Iterator[tuple[str, Network, Neighbourhood]]:
    network = load(model)
    center = [Fraction(v) * scale for v in np.loadtxt(data, delimiter=",", ndmin=2)[row, 1:].tolist()]
    radius = Fraction(1, 1000)
    while True:
        yield f"{float(radius):.5f}", network, ball(center, radius, UNIT)
        radius = Fraction(round(radius * 150000), 100000)


def measure(network: Network, domain: Neighbourhood, most: float) -> tuple[int, bool, float, float]:
    """Regions, whether all are confirmed, seconds of the engine and of the judge."""
    judge = Judge(network, domain)
    judging = 0.0

    def sink(chunk: Chunk) -> None:
        nonlocal judging
        begin = time.process_time()
        judge(chunk)
        judging += time.process_time() - begin

    start = time.process_time()
    limits = Limits(stop=lambda: time.process_time() - start > most)
    sink.keeps_regions = True  # type: ignore[attr-defined]  # as the judge says of itself
    found = DictionaryEngine(network, domain, sink).explore(limits)
    engine = time.process_time() - start - judging
    begin = time.process_time()
    whole = found.complete and judge.verdict(found).exploration.complete
    return len(found.leaf), whole, engine, judging + time.process_time() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("data", nargs="?")
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--scale", type=Fraction, default=Fraction(1, 255))
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    if options.model and not options.data:
        parser.error("a model needs a data file")
    small = load(DIGITS)
    measure(small, ball(np.load(DIGITS)["centers"][0], "0.001"), 60.0)
    print(f"{'radius':>16}{'regions':>10}{'engine s':>10}{'judge s':>10}{'regions/s':>11}{'peak MB':>9}")
    cases = growing(options.model, options.data, options.rows, options.scale) if options.model else digits()
    for name, network, domain in cases:
        most = options.seconds if options.model else 600.0
        count, whole, engine, judge = measure(network, domain, most)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        note = "" if whole else "  unfinished"
        print(f"{name:>16}{count:10}{engine:10.2f}{judge:10.2f}{count / (engine + judge):11.0f}{memory:9.0f}{note}", flush=True)
        if options.model and (not whole or engine + judge > most):
            break


if __name__ == "__main__":
    main()
