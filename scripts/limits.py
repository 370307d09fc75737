"""Whether `--time-limit` holds: commands over dimensions 2 to 3072, each with `--time-limit 5`.

    python scripts/limits.py                      networks of tests/data, and some that are built here
    python scripts/limits.py --shared FOLDER      also those of a folder of benchmarks, if it has them
    python scripts/limits.py --all                each alone and with two processes, with and without a proof
    python scripts/limits.py --profile            where those that overrun spent the time beyond the limit

Start-up is what a command takes outside of its neighbourhood: its wall time with `--time-limit 0`, less the seconds
that its report gives for the neighbourhood. None should end later than 7.5 seconds after start-up.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).parent.parent
DATA = ROOT / "tests" / "data"
LIMIT, ALLOWED, HOPELESS = 5.0, 7.5, 180.0

# as polylc, but looks every 20 ms at where the main thread is once the limit is over, and tells the commonest places
SAMPLER = """
import collections, sys, threading, time, traceback
main_thread, seen = threading.get_ident(), collections.Counter()
import polylc.run.neighbourhood as one
answer = one.answer
begun = []
def noted(*a, **k):
    begun.append(time.monotonic())
    return answer(*a, **k)
import polylc.run.serial as serial
serial.answer = noted
def look():
    while True:
        time.sleep(0.02)
        if begun and time.monotonic() - begun[0] > LIMIT:
            stack = traceback.extract_stack(sys._current_frames()[main_thread])
            own = [f"{f.filename.rpartition('/polylc/')[2]}:{f.name}" for f in stack if "/polylc/" in f.filename]
            seen[" > ".join(own[-4:])] += 1
threading.Thread(target=look, daemon=True).start()
from polylc.cli import main
try:
    main()
finally:
    for place, times in seen.most_common(4):
        print(f"    {0.02 * times:.1f} s  {place}", file=sys.stderr)
""".replace("LIMIT", str(LIMIT))


class Case(NamedTuple):
    """A network, and where."""

    name: str
    model: Path
    dimension: int
    where: tuple[str, ...]


class Ran(NamedTuple):
    """How a command ended."""

    seconds: float
    code: int | str
    status: str
    regions: int | None
    row_seconds: float
    said: str


def own_cases(folder: Path) -> Iterator[Case]:
    """Networks of the tests, and drawn ones, the same each time."""
    for name, dimension, radius in (
        ("moons2d.npz", 2, "3"),
        ("deep2d.npz", 2, "100"),
        ("wide2d.npz", 2, "100"),
        ("rand3d.npz", 3, "20"),
        ("rand4d.npz", 4, "10"),
        ("rand5d.npz", 5, "2"),
        ("acasxu_1_1.onnx", 5, "0.3"),
        ("rand8d.npz", 8, "2"),
        ("digits64.npz", 64, "0.2"),
        ("digits64w.npz", 64, "0.1"),
    ):
        yield Case(name, DATA / name, dimension, ("--center", "0", "--radius", radius))
    for widths, radius in (
        ((3, 48, 48, 48, 3), "10"),
        ((16, 64, 64, 4), "1"),
        ((200, 100, 100, 10), "2"),
        ((784, 256, 256, 10), "0.05"),
        ((784, 200, 200, 200, 200, 10), "0.001"),
    ):
        path = folder / f"drawn-{'-'.join(map(str, widths))}.npz"
        rng = np.random.default_rng(0)
        arrays = {}
        for i, (n, m) in enumerate(itertools.pairwise(widths)):
            arrays[f"W{i}"], arrays[f"b{i}"] = rng.normal(size=(m, n)) / np.sqrt(n), 0.1 * rng.normal(size=m)
        np.savez(path, **arrays)
        yield Case(path.stem, path, widths[0], ("--center", "0", "--radius", radius))
    for channels, size in ((1, 12), (3, 32)):
        path = folder / f"convolutional-{channels * size * size}.pt"
        convolutional(path, channels, size)
        shape = ("--input-shape", f"{channels},{size},{size}")
        yield Case(path.stem, path, channels * size * size, ("--center", "0", "--radius", "0.01", *shape))
    yield Case("fixed-3072", folder / "convolutional-3072.pt", 2, ("--center", "0", "--radius", ",".join(["0.5"] * 2 + ["0"] * 3070), *shape))


def convolutional(path: Path, channels: int, size: int) -> None:
    """A small convolutional network."""
    import torch

    torch.manual_seed(0)
    half = size // 2
    layers = [torch.nn.Conv2d(channels, 4, 4, 2, 1), torch.nn.ReLU(), torch.nn.Conv2d(4, 8, 4, 2, 1), torch.nn.ReLU()]
    torch.save(torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(8 * (half // 2) ** 2, 10)), path)


def shared_cases(folder: Path) -> Iterator[Case]:
    """Networks of a folder of benchmarks, those that it has."""
    tll = "cases/timelimit-2d-tll/vnncomp2024_benchmarks@benchmarks@tllverifybench_2023@onnx@tllBench_n=2_N=M=16_m=1_instance_1_0.onnx"
    for name, dimension, radius, *more in (
        (tll, 2, "2"),
        ("cases/time-limit/d3.npz", 3, "1"),
        ("cases/time-limit/d5.npz", 5, "1"),
        ("cases/time-limit/d64.npz", 64, "0.05"),
        ("cases/time-limit/d200.npz", 200, "2"),
        ("acasxu/ACASXU_run2a_2_9_batch_2000.onnx", 5, "0.2"),
        ("vnncomp/safenlp/medical/perturbations_0.onnx", 30, "1"),
        ("vnncomp/collins_rul_cnn/NN_rul_small_window_20.onnx", 400, "0.1"),
        ("mnist/mnist-net_256x2.onnx", 784, "0.03"),
        ("vnncomp/cifar_biasfield/cifar_bias_field_55.onnx", 16, "0.1"),
        ("cases/timelimit-setup/vnncomp2021@benchmarks@cifar10_resnet@onnx@resnet_2b.onnx", 3072, "0.001"),
    ):
        if (folder / name).is_file():
            yield Case(Path(name).name[-32:], folder / name, dimension, ("--center", "0", "--radius", radius, *more))


def command(case: Case, limit: float, jobs: int, folder: Path, proof: bool, profiled: bool = False) -> list[str]:
    """The words of one command."""
    start = ["-c", SAMPLER] if profiled else ["-m", "polylc"]
    files = ["--json", str(folder / "r.json"), *(["--proof", str(folder / "p.proof")] if proof else [])]
    return [sys.executable, *start, "certify", str(case.model), *case.where, "--time-limit", str(limit), "--jobs", str(jobs), *files]


def ran(words: list[str], folder: Path) -> Ran:
    """Run a command, and read its report."""
    (folder / "r.json").unlink(missing_ok=True)
    begin = time.monotonic()
    try:
        done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=HOPELESS)
    except subprocess.TimeoutExpired:
        return Ran(time.monotonic() - begin, "-", "killed", None, 0.0, "")
    seconds = time.monotonic() - begin
    if not (folder / "r.json").is_file():
        return Ran(seconds, done.returncode, "no report", None, 0.0, done.stderr)
    (row,) = json.loads((folder / "r.json").read_text())["neighbourhoods"]
    return Ran(seconds, done.returncode, row["status"], row.get("regions"), row.get("seconds") or 0.0, done.stderr)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, help="a folder of benchmarks")
    parser.add_argument("--all", action="store_true", help="each network in all four ways, instead of one after the other")
    parser.add_argument("--profile", action="store_true", help="run what overran again, and say where")
    parser.add_argument("--only", default="", help="networks whose names have this")
    options = parser.parse_args()
    ways = list(itertools.product((1, 2), (False, True)))
    late = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shared = list(shared_cases(options.shared)) if options.shared else []
        # 20 of them: all of the folder's, and as many of one's own
        own = list(own_cases(folder))
        cases = sorted([*shared, *own[max(len(shared) + len(own) - 20, 0) :]], key=lambda case: case.dimension)
        heads = ("start-up", 8), ("in all", 7), ("after", 6), ("code", 4)
        print(f"{'network':34} {'dim':>5} {'jobs':>4} {'proof':>5}", *(f"{head:>{width}}" for head, width in heads), f"{'status':10} {'regions':>8}")
        for place, case in enumerate(cases):
            if options.only not in case.name:
                continue
            idle = [ran(command(case, 0.0, 1, folder, False), folder) for _ in range(2)]  # the first may compile
            start_up = min(run.seconds - run.row_seconds for run in idle)
            for jobs, proof in ways if options.all else [ways[place % 4]]:
                found = ran(command(case, LIMIT, jobs, folder, proof), folder)
                after = found.seconds - start_up
                mark = "  LATE" if after > ALLOWED else ""
                print(
                    f"{case.name:34} {case.dimension:5} {jobs:4} {'yes' if proof else 'no':>5} {start_up:8.1f} {found.seconds:7.1f} {after:6.1f}"
                    f" {found.code:>4} {found.status:10} {found.regions if found.regions is not None else '-':>8}{mark}",
                    flush=True,
                )
                late += bool(mark)
                if found.status == "no report":
                    print("    " + found.said.strip()[-200:])
                if mark and options.profile:
                    print("\n".join(ran(command(case, LIMIT, jobs, folder, proof, True), folder).said.splitlines()[-4:]), flush=True)
    print(f"{late} of them ended later than {ALLOWED} s after start-up")


if __name__ == "__main__":
    main()
