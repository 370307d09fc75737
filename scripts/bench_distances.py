"""Adversarial distances and Lipschitz constants by search on the shared networks, against what is known of them.

    python scripts/bench_distances.py --shared ../shared [--norms linf,l2] [--proofs] moons2d digits64 digits64w mnist
    python scripts/bench_distances.py --shared ../shared --lipschitz [--proofs] moons2d rand3d rand4d rand5d digits64

Distances of the first centres of a network (--centres), as found and clipped to [0, 1] where the inputs are images; of
mnist the first rows of its test images, clipped, up to .05. Lipschitz constants of the reference, or around its first
centre with another radius (digits64:0.05), by --method search or enumeration. One process, CPU seconds; kernels of
searches are loaded before the first that counts. With --proofs all are proved and checked. Exit code 1 where something
is exact and not what is known, to 1e-9 of it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import polylc
from polylc.bounds.dense import refined

NEAR = 1e-9
WARM = np.zeros(2)


def checked(proof: Path, wanted: bool) -> str:
    """How long a proof is, and its check takes."""
    if not wanted or not proof.exists():
        return ""
    begin = time.process_time()
    polylc.check(proof)
    return f"  {proof.stat().st_size:7} bytes, checked in {time.process_time() - begin:.1f} s"


def asked(shared: Path, name: str, centres: int) -> Iterator[tuple[int, np.ndarray, tuple[int, int] | None, object]]:
    """Number, point, clip box and cap."""
    if name == "mnist":
        rows = np.loadtxt(shared / "mnist" / "mnist_test.csv", delimiter=",", max_rows=centres)
        for i, row in enumerate(rows):
            yield i, row[1:] / 255, (0, 1), "0.05"
        return
    with np.load(shared / "networks" / f"{name}.npz") as file:
        points = file["centers"][:centres]
    for clip in (None, (0, 1)) if name.startswith("digits") else (None,):
        for i, point in enumerate(points):
            yield i, point, clip, 4


def known_distances(reference: dict[str, list[dict[str, float]]], name: str) -> dict[tuple[int, bool, str], float]:
    """By centre, whether it is clipped, and norm."""
    listed = [*reference.get(f"adversarial_distance_{name}", []), *reference.get(f"adversarial_distance_{name}_linf", [])]
    return {(int(e["i"]), bool(e.get("clipped_to_0_1")), norm): e[norm] for e in listed for norm in ("linf", "l2", "l1") if norm in e}


def distances(given: argparse.Namespace) -> int:
    """A line for each point and norm; how many are wrong."""
    reference = json.loads((given.shared / "networks" / "reference.json").read_text())
    wrong = 0
    for name in given.names:
        model = given.shared / ("mnist/mnist-net_256x2.onnx" if name == "mnist" else f"networks/{name}.npz")
        network, known = polylc.load(model), known_distances(reference, name)
        for norm in given.norms.split(","):
            total = 0.0
            for i, point, clip, cap in asked(given.shared, name, given.centres):
                proof = Path(given.folder) / f"{name}-{i}-{norm}"
                begin = time.process_time()
                (found,) = polylc.distance(network, [point], cap, norm=norm, clip=clip, timeout=given.timeout, proof=proof if given.proofs else None)
                seconds = time.process_time() - begin
                total += seconds
                low, high = found.ends
                want = known.get((i, clip is not None, norm))
                bad = found.exact and want is not None and abs(low - want) > NEAR * want
                wrong += bad
                said = f"{low:.13f}" if found.exact else "robust" if found.robust else f"in [{low:.8f}, {'?' if high is None else f'{high:.8f}'}]"
                print(f"{name:9} {norm:4} {i:2}{' clipped' * (clip is not None):8} {said:26} {seconds:7.2f} s"
                      f"{checked(proof, given.proofs)}{f'  WRONG: {want}' * bad}", flush=True)  # fmt: skip
            print(f"{name:9} {norm:4} all: {total:.1f} s", flush=True)
    return wrong


def constants(given: argparse.Namespace) -> int:
    """A line for each network and radius of the reference; how many constants are wrong."""
    reference = json.loads((given.shared / "networks" / "reference.json").read_text())["lipschitz_linf_ball_around_center0"]
    wrong = 0
    for named in given.names:
        name, _, radius = named.partition(":")
        network = polylc.load(given.shared / "networks" / f"{name}.npz")
        with np.load(given.shared / "networks" / f"{name}.npz") as file:
            center = file["centers"][0]
        for eps in [float(radius)] if radius else dict.fromkeys(e["eps"] for e in reference if e["net"] == name):
            known = {(e["head"], e["norm"]): e["value"] for e in reference if e["net"] == name and e["eps"] == eps}
            proof = Path(given.folder) / f"{name}-{eps}"
            begin = time.process_time()
            norms = [norm for norm in ("linf", "l2", "l1") if any(n == norm for _, n in known)] or given.norms.split(",")
            (found,) = polylc.lipschitz(
                network, [center], radius=str(eps), norm=norms, method=given.method, timeout=given.timeout, proof=proof if given.proofs else None
            )
            seconds = time.process_time() - begin
            exact = open_ = bad = 0
            for one in found.constants:
                want = known.get((one.target, one.norm), known.get(("-".join(reversed(one.target.split("-"))), one.norm)))
                low, high = one.quantity.lower, one.quantity.upper
                off = want is not None and not low * (1 - NEAR) <= want <= (np.inf if high is None else high) * (1 + NEAR)
                exact, open_, bad = exact + one.exact, open_ + (not one.exact), bad + off
            wrong += bad
            print(f"{name:9} {eps:<5} {exact:2} exact, {open_:2} open of {len(known)} known {seconds:7.2f} s"
                  f"{checked(proof, given.proofs)}{f'  WRONG: {bad}' * (bad > 0)}", flush=True)  # fmt: skip
    return wrong


def main() -> int:
    """Read the arguments; whether something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--norms", default="linf,l2,l1")
    parser.add_argument("--centres", type=int, default=10)
    parser.add_argument("--timeout", type=float, default=60.0)
    parser.add_argument("--proofs", action="store_true")
    parser.add_argument("--lipschitz", action="store_true")
    parser.add_argument("--method", default="search")
    given = parser.parse_args()
    assert callable(refined.compiled)  # searches use kernels from their roots on
    polylc.distance(given.shared / "networks" / "moons2d.npz", [WARM], norm="l2")
    with tempfile.TemporaryDirectory() as folder:
        given.folder = folder
        return int((constants if given.lipschitz else distances)(given) > 0)


if __name__ == "__main__":
    sys.exit(main())
