"""What users run, as they run it: `polylc` commands on reference networks, each in a process of its own.

    python scripts/bench_commands.py [NAME ...] [--shared FOLDER] [--history FILE] [--repeat R] [--first]

CPU and wall seconds of whole commands, the least of R runs (default 3), kernels compiled before. `counts`, `default`
and `all` are values of --measures; `x counts` says how many times the CPU seconds of counts a command takes, both
without those of `start`, the same on a box with a single region. --first adds the first command after installation,
with an empty cache of kernels. Commands on MNIST need the folder with mnist/ (--shared).

Python keeps its bytecode, whatever PYTHONDONTWRITEBYTECODE says here: without it, every command compiles the package.

With --history the figures are appended to a file of JSON lines and compared with the last ones in it; `machine` is the
time of a fixed piece of plain Python, by which both are divided, since machines and their load differ.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
DATA = ROOT / "tests" / "data"
BOXES = {"moons2d": None, "deep2d": None, "wide2d": None, "rand3d": "0.2", "rand4d": "0.1", "rand5d": "0.1", "rand8d": "0.1"}
SMALL = {"moons2d": ("0:20", "0.05"), "digits64": ("0:20", "0.01")}
MEASURES = ("counts", "default", "all")
MNIST = "mnist/mnist-net_256x2.onnx"


def commands(shared: Path | None, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Names and arguments of what is measured."""
    yield "start", ["certify", str(DATA / "moons2d.npz"), "--box", "0,0", "1/64,1/64"]
    for name, radius in BOXES.items():
        file = DATA / f"{name}.npz"
        arrays = np.load(file)
        if radius is None:
            where = ["--box", *(",".join(map(repr, arrays[end].tolist())) for end in ("lo", "hi"))]
        else:
            where = ["--data", str(file), "--rows", "0", "--radius", radius]
        for measures in MEASURES:
            yield f"{name} {measures}", ["certify", str(file), *where, "--measures", measures]
    for name, (rows, radius) in SMALL.items():
        file = str(DATA / f"{name}.npz")
        for measures in MEASURES:
            yield f"{name} {rows} {measures}", ["certify", file, "--data", file, "--rows", rows, "--radius", radius, "--measures", measures]
    moons = str(DATA / "moons2d.npz")
    yield "moons2d estimate", ["estimate", moons, "--data", moons, "--rows", "0", "--radius", "0.1"]
    yield "moons2d .pt", ["certify", str(DATA / "moons2d.pt"), "--box", "0,0", "1/64,1/64"]
    if shared is not None:
        point = folder / "row0.csv"
        with (shared / "mnist" / "mnist_test.csv").open() as lines:
            point.write_text(next(lines))
        given = ["certify", str(shared / MNIST), "--data", str(point), "--label-column", "0", "--scale", "1/255", "--rows", "0"]
        yield "mnist256x2 robustness", [*given, "--clip", "0", "1", "--radius", ".01418659", "--measures", "robustness"]
        yield "mnist256x2 .005 default", [*given, "--clip", "0", "1", "--radius", ".005"]
        yield "mnist256x2 .005 all", [*given, "--clip", "0", "1", "--radius", ".005", "--measures", "all"]


def run(arguments: list[str], cache: str | None = None) -> tuple[float, float]:
    """CPU and wall seconds of a command.

    Raises
    ------
    RuntimeError
        If it fails.
    """
    environment = _environment() if cache is None else {**_environment(), "NUMBA_CACHE_DIR": cache}
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "polylc", *arguments], capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 3):
        raise RuntimeError(f"polylc {' '.join(arguments)}: {done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def _environment() -> dict[str, str]:
    """The environment of a user, who has bytecode kept."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def machine() -> float:
    """Seconds of a fixed piece of plain Python."""

    def once() -> float:
        begin, total = time.process_time(), 0
        for i in range(2_000_000):
            total += i * i % 7
        return time.process_time() - begin

    return min(once() for _ in range(3))


def last_of(history: Path | None) -> dict[str, dict[str, float]]:
    """The figures of the last run, each with the time of the machine then."""
    if history is None or not history.exists():
        return {}
    found: dict[str, dict[str, float]] = {}
    for line in history.read_text().splitlines():
        entry = json.loads(line)
        found |= {name: {**figures, "machine": entry["machine"]} for name, figures in entry["commands"].items()}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only commands whose name begins so")
    parser.add_argument("--shared", type=Path)
    parser.add_argument("--history", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--first", action="store_true")
    given = parser.parse_args()
    before, speed, figures = last_of(given.history), machine(), {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chosen = [(n, c) for n, c in commands(given.shared, folder) if n == "start" or not given.names or n.startswith(tuple(given.names))]
        for command, arguments in chosen:
            _compiled(arguments)
            cpu, wall = (min(column) for column in zip(*(run(arguments) for _ in range(given.repeat)), strict=True))
            figures[command] = {"cpu": round(cpu, 3), "wall": round(wall, 3)}
            start, counts = figures["start"]["cpu"], figures.get(f"{command.rpartition(' ')[0]} counts")
            line = f"{command:28} {cpu:8.2f} s CPU {wall:8.2f} s"
            if counts is not None and not command.endswith(" counts"):
                line += f"  {(cpu - start) / max(counts['cpu'] - start, 0.01):6.1f} x counts"
            if command in before:
                old = before[command]
                line += f"  {cpu / speed / (old['cpu'] / old['machine']):5.2f} of the last"
            print(line, flush=True)
        if given.first:
            first = ["certify", str(DATA / "moons2d.npz"), "--data", str(DATA / "moons2d.npz"), "--rows", "0:5", "--radius", "0.1"]
            walls = [run(first, tempfile.mkdtemp(dir=folder))[1] for _ in range(given.repeat)]
            figures["first command"] = {"wall": round(max(walls), 3), "cpu": 0.0}
            print(f"{'first command':28} {max(walls):8.2f} s, the longest of {len(walls)}", flush=True)
    if given.history is not None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        with given.history.open("a") as file:
            file.write(json.dumps({"date": now, "machine": round(speed, 4), "commands": figures}) + "\n")


def _compiled(arguments: list[str]) -> None:
    """Have the kernels of a command compiled."""
    done = subprocess.run(
        [sys.executable, "-m", "polylc", *arguments],
        capture_output=True,
        cwd=ROOT,
        env={**_environment(), "POLYLC_KERNELS": "first"},
        check=False,
    )
    if done.returncode not in (0, 3):
        raise RuntimeError(f"polylc {' '.join(arguments)}: {done.stderr.decode()}")


if __name__ == "__main__":
    main()
