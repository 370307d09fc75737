"""What a journal costs where neighbourhoods are small: CPU seconds within its calls, and of all.

    python scripts/bench_journal.py [--repeat 5]

200 linf balls of radius 0.05 in the plane of the network tests/data/moons2d.npz, default measures, each run in a folder
of its own. Runs with and without a journal differ by more than it costs, from one run to the next, so its calls are
timed by themselves; a call within another counts once.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import polylc
from polylc.run.code import code_stamp
from polylc.run.journal import Journal

ROOT = Path(__file__).parent.parent
CALLS = ("__init__", "put", "get", "names", "table", "below", "due", "__exit__")


class Clock:
    """CPU seconds that were spent in calls."""

    def __init__(self) -> None:
        self.spent, self._within = 0.0, False

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, whose time counts."""

        def timed(*args: Any, **named: Any) -> Any:
            if self._within:
                return call(*args, **named)
            self._within, begin = True, time.process_time()
            try:
                return call(*args, **named)
            finally:
                self.spent += time.process_time() - begin
                self._within = False

        return timed


def main() -> None:
    """Print a line for each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    repeat, clock = parser.parse_args().repeat, Clock()
    for name in CALLS:
        setattr(Journal, name, clock.timed(getattr(Journal, name)))
    points = np.random.default_rng(0).uniform(-0.8, 0.8, (200, 2)).tolist()
    network = polylc.load(ROOT / "tests" / "data" / "moons2d.npz")
    polylc.certify(network, points, radius="0.05")  # kernels are loaded
    for _ in range(repeat):
        code_stamp.cache_clear()  # as in a process of its own
        clock.spent, begin = 0.0, time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            polylc.certify(network, points, radius="0.05", run=Path(folder) / "run")
        whole = time.process_time() - begin
        print(f"{whole:.2f} s, in the journal {clock.spent:.3f} s, {100 * clock.spent / (whole - clock.spent):.1f} % of the rest", flush=True)


if __name__ == "__main__":
    main()
