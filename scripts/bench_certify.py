"""What certification costs: slow-down over --no-certify, how claims are settled, proof files and the time to check
them.

    python scripts/bench_certify.py [NAME ...]        names: moons2d deep2d rand3d rand5d digits64 quarters central
    (default: all)

quarters is moons2d with weights and biases rounded to multiples of 1/4, central with weights rounded to multiples of
1/128 and all biases zero: networks in special position.

CPU seconds of one core, `--measures counts`; the checker runs on the proof of regions, graph, maps and, for digits64,
Lipschitz constants and robustness.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("POLYLC_KERNELS", "first")  # what compiled kernels take, not how a job begins

import numpy as np

from polylc import checker
from polylc.api.certify import certify
from polylc.network.form import Network, chain
from polylc.readers.load import load

ROUNDED = {"quarters": (4, 1), "central": (128, 0)}  # parts of a unit, factor of the biases
DATA = Path(__file__).parent.parent / "tests" / "data"
CASES: dict[str, dict[str, Any]] = {
    "moons2d": {"measures": "counts"},
    "deep2d": {"measures": "counts"},
    "rand3d": {"radius": "0.3", "measures": "counts"},
    "rand5d": {"radius": "0.1", "measures": "counts"},
    "quarters": {"measures": "counts"},
    "central": {"measures": "counts"},
    "digits64": {"radius": "0.05", "clip": (0, 1), "measures": "counts,lipschitz,robustness"},
}


def seconds(work: Any) -> tuple[Any, float]:
    begin = time.process_time()
    result = work()
    return result, time.process_time() - begin


def read(name: str) -> tuple[Any, Network]:
    """Arrays and network of a case."""
    file = DATA / f"{'moons2d' if name in ROUNDED else name}.npz"
    arrays, network = np.load(file), load(file)
    if name in ROUNDED:
        parts, bias = ROUNDED[name]
        affines = [*(layer.affine for layer in network.layers), network.output]
        weights = [np.round(a.terms[0][1] * parts) / parts for a in affines]
        network = chain(weights, [np.round(a.bias * parts) / parts * bias for a in affines])
    return arrays, network


def main(names: list[str]) -> None:
    titles = (
        "regions",
        "claims",
        "filter",
        "integers",
        "simplex",
        "refuted",
        "float s",
        "certified s",
        "with proof s",
        "ratio",
        "MB",
        "check s",
        "ms/region",
    )
    print(f"{'network':9}" + "".join(f"{t:>13}" for t in titles))
    for name in names or CASES:
        options = dict(CASES[name])
        arrays, network = read(name)
        where = {"points": arrays["centers"][0]} if "radius" in options else {"box": (arrays["lo"], arrays["hi"])}
        # everything imported and compiled
        certify(network, network_middle(arrays), radius="1/1000", measures="counts", keep=False)

        def run(where: Any = where, options: Any = options, network: Any = network, **more: Any) -> Any:
            return certify(network, keep=False, **where, **options, **more)[0]

        floats, bare = seconds(lambda run=run: run(certified=False))
        exact, plain = seconds(run)
        if floats.regions != exact.regions:
            print(f"{name}: floating point alone counts {floats.regions} regions")
        with tempfile.TemporaryDirectory() as folder:
            proof = Path(folder) / "proof"
            _, proved = seconds(lambda run=run, proof=proof: run(proof=proof))
            size = proof.stat().st_size / 1e6
            _, checked = seconds(lambda proof=proof: checker.check_file(proof))
        tally = {k.removeprefix("judge "): v for k, v in exact.stats.items()}
        claims = [tally[f"claims_{how}"] for how in ("filter", "integers", "simplex", "refuted")]
        share = [f"{c / max(1, sum(claims)):13.4%}" for c in claims]
        numbers = f"{bare:13.2f}{plain:13.2f}{proved:13.2f}{plain / bare:13.2f}{size:13.3f}{checked:13.2f}{1000 * checked / exact.regions:13.3f}"
        print(f"{name:9}{exact.regions:13}{sum(claims):13}" + "".join(share) + numbers, flush=True)


def network_middle(arrays: Any) -> Any:
    return (arrays["lo"] + arrays["hi"]) / 2


if __name__ == "__main__":
    main(sys.argv[1:])
