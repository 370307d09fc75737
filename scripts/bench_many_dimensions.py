"""Local complexity in 64 and 784 dimensions: what is enclosed, how narrowly, and what that costs.

    python scripts/bench_many_dimensions.py --shared FOLDER [--measures counts,local_complexity,default] [NAME ...]

Balls clipped to [0, 1]: enclosure of the local complexity of activation regions, its relative width, whether it is an
enclosure or an estimate within one, and CPU seconds of certify with each of the measures named.
The first line also loads kernels. The folder is the one with networks/ and mnist/.
"""

from __future__ import annotations

import argparse
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

import polylc

ROOT = Path(__file__).parent.parent
CASES = (
    ("digits", "0.02", (0, 1, 3)),
    ("digits64", "0.02", (0, 2)),
    ("digits64", "0.05", (0, 1, 2, 3)),
    ("mnist 256x2", "0.005", (0, 1)),
    ("mnist 256x2", "0.01", (0, 1)),
)


def model_and_points(name: str, shared: Path) -> tuple[Path, list[Any]]:
    """A network and the points around which it is asked, as rationals where they are pixels."""
    if name == "digits":
        example = ROOT / "examples" / "digits"
        points = np.load(example / "digits.npz")
        return example / "digits.pt", list(points[points.files[0]])
    if name == "digits64":
        file = shared / "networks" / "digits64.npz"
        return file, list(np.load(file)["centers"])
    rows = np.loadtxt(shared / "mnist" / "mnist_test.csv", delimiter=",", max_rows=4)[:, 1:]
    return shared / "mnist" / "mnist-net_256x2.onnx", [[Fraction(int(v), 255) for v in row] for row in rows]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only networks whose name begins so")
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--measures", default="counts,local_complexity,default", help="the last of them with local complexity")
    options = parser.parse_args()
    names = options.measures.split(",")
    print(f"| network, radius, row | regions | local complexity | width | kind | {' | '.join(names)} |\n|{(5 + len(names)) * '---|'}")
    for name, radius, rows in CASES:
        if options.names and not name.startswith(tuple(options.names)):
            continue
        file, points = model_and_points(name, options.shared)
        network = polylc.load(file)
        for row in rows:
            seconds = []
            for measures in names:
                begin = time.process_time()
                result = polylc.certify(network, [points[row]], radius=radius, clip=(0, 1), measures=measures)[0]
                seconds.append(f"{time.process_time() - begin:.1f} s")
            value = result.local_complexity["activation"]
            width = (value.upper - value.lower) / value.upper if value.upper else 0.0
            found = f"{value.lower:.10g} to {value.upper:.10g}"
            print(f"| {name} {radius} {row} | {result.regions} | {found} | {width:.0e} | {value.kind.value} | {' | '.join(seconds)} |", flush=True)


if __name__ == "__main__":
    main()
