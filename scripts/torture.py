"""Runs killed at random moments, and gone on with: what they end with is what one go finds.

    python scripts/torture.py [--kills 50] [--seed 0] [--shared ../shared] [balls box search estimate]

Each case is done in one go first. Then it is begun in a run folder, and meets accidents at random moments: SIGKILL of
the process, or of one of its workers, SIGTERM, Ctrl-C, a disk that is full (files may not grow beyond some size), a
clock that jumps by hours. After each it goes on, with one process or two; after some it is left to end, and its report,
but for seconds, and its proof are compared. Without --shared the cases are small.
"""

from __future__ import annotations

import argparse
import filecmp
import itertools
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).parent.parent
ACCIDENTS = ("kill", "kill a worker", "SIGTERM", "Ctrl-C", "full disk", "clock")
MOST = 4  # accidents of one run, before it is left to end
# put before a run by the name of sitecustomize, so that worker processes have it too
CLOCK = "import random, time\nreal = time.time\ntime.time = lambda: real() + random.Random(int(real() / 3)).uniform(-9e4, 9e4)\n"


class Case(NamedTuple):
    """A command, and whether it writes a proof."""

    name: str
    command: list[str]
    proof: bool
    jobs: bool = True


def cases(shared: Path | None, folder: Path) -> list[Case]:
    """Ten balls, one large tree, one search, and one estimate."""
    net = folder / "small.npz"
    if shared is not None:
        net = shared / "networks" / "rand4d.npz"
    else:
        rng = np.random.default_rng(0)
        widths = [3, 20, 20, 2]
        arrays: dict[str, np.ndarray] = {}
        for k, (a, b) in enumerate(itertools.pairwise(widths)):
            arrays |= {f"W{k}": rng.normal(size=(b, a)) / np.sqrt(a), f"b{k}": rng.normal(size=b) / 4}
        np.savez(net, **arrays)
    with np.load(net) as arrays_:
        inputs = arrays_["W0"].shape[1]
    points = folder / "points.csv"
    np.savetxt(points, np.random.default_rng(1).uniform(-0.5, 0.5, (10, inputs)), delimiter=",", fmt="%.6f")
    rows = ["--data", str(points)]
    tree = net if shared is None else shared / "networks" / "rand5d.npz"
    found = [
        Case("balls", ["certify", str(net), *rows, "--radius", "0.3"], True),
        Case("box", ["certify", str(tree), "--box", "-1", "1", "--measures", "counts"], True),
    ]
    if shared is None:
        found.append(Case("search", ["distance", str(net), *rows, "--radius", "2", "--norm", "l1"], False))
    else:
        acas = shared / "acasxu"
        model = acas / "ACASXU_run2a_3_3_batch_2000.onnx"
        found.append(Case("search", ["verify", str(acas / "prop_2.vnnlib"), "--network", str(model)], True))
    found.append(Case("estimate", ["estimate", str(net), *rows, "--radius", "0.3"], False, jobs=False))
    return found


def timeless(value: Any) -> Any:
    """A report without seconds, the command as it was typed, and the name of the proof."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if "seconds" not in k and k not in ("proof", "setting")}
    return [timeless(v) for v in value] if isinstance(value, list) else value


def begun(case: Case, folder: Path, name: str, run: Path | None, jobs: int = 1, accident: str = "") -> subprocess.Popen[bytes]:
    """A process that does a case."""
    command = [sys.executable, "-m", "polylc", *case.command, "--json", str(folder / f"{name}.json")]
    command += ["--proof", str(folder / f"{name}.proof")] if case.proof else []
    command += ["--run", str(run)] if run is not None else []
    command += ["--jobs", str(jobs)] if case.jobs else []
    paths = [str(ROOT)]
    if accident == "clock":
        (folder / "clock").mkdir(exist_ok=True)
        (folder / "clock" / "sitecustomize.py").write_text(CLOCK)
        paths.insert(0, str(folder / "clock"))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}

    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # which is ignored by what a shell has in the background
        if accident == "full disk":
            resource.setrlimit(resource.RLIMIT_FSIZE, (random.randrange(10**4, 10**6),) * 2)

    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet, start_new_session=True, preexec_fn=prepare)


def workers(process: subprocess.Popen[bytes]) -> list[int]:
    """Processes that it has started."""
    found = []
    for children in Path(f"/proc/{process.pid}/task").glob("*/children"):
        found += [int(pid) for pid in children.read_text().split()]
    return found


def torment(case: Case, folder: Path, run: Path, seconds: float, chance: random.Random) -> str:
    """Begin a run, or go on with it, and have it meet an accident; which, and whether it had ended before."""
    accident = chance.choice(ACCIDENTS)
    process = begun(case, folder, "run", run, chance.choice((1, 2)), accident)
    try:
        process.wait(chance.uniform(0.2, 1.0) * seconds)
        return f"{accident}: had ended"
    except subprocess.TimeoutExpired:
        pass
    if accident == "kill a worker":
        alive = workers(process)
        if alive:
            os.kill(chance.choice(alive), signal.SIGKILL)
            time.sleep(chance.uniform(0.0, 2.0))
    polite = {"SIGTERM": signal.SIGTERM, "Ctrl-C": signal.SIGINT}.get(accident)
    if polite is not None:
        process.send_signal(polite)
        try:
            process.wait(30)
            return accident
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return f"{accident}: did not end within 30 s"
    process.kill()
    process.wait()
    return accident


def compared(case: Case, folder: Path) -> list[str]:
    """What is not as it was in one go; a proof that has the same bytes is as good as that one, which was checked."""
    wrong = []
    one, run = (timeless(json.loads((folder / f"{name}.json").read_text())) for name in ("one", "run"))
    if one != run:
        wrong.append("the report differs")
    if case.proof and not filecmp.cmp(folder / "one.proof", folder / "run.proof", shallow=False):
        wrong += refused(folder / "run.proof")
    return wrong


def refused(proof: Path) -> list[str]:
    """Why the checker that stands alone refuses a proof, if it does."""
    checked = subprocess.run([sys.executable, "-I", str(ROOT / "polylc" / "checker.py"), str(proof)], capture_output=True)
    return [f"the proof is refused: {checked.stderr.decode().strip()}"] if checked.returncode else []


def main() -> int:
    """Torture all cases that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["balls", "box", "search", "estimate"])
    parser.add_argument("--kills", type=int, default=50, help="accidents of each case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shared", type=Path)
    given = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        for case in cases(given.shared, base):
            if case.name not in given.names:
                continue
            chance, folder = random.Random(f"{given.seed} {case.name}"), base / case.name
            folder.mkdir()
            for _ in range(2):  # kernels may have to be compiled in the first
                begin = time.monotonic()
                if begun(case, folder, "one", None).wait():
                    print(f"{case.name}: one go failed")
                    return 1
            seconds = time.monotonic() - begin
            print(f"{case.name}: one go {seconds:.1f} s", flush=True)
            if case.proof and (why := refused(folder / "one.proof")):
                print(f"{case.name}: in one go, {why[0]}")
                return 1
            met, runs = 0, 0
            while met < given.kills:
                run, here = folder / f"run{runs}", []
                for _ in range(chance.randint(1, min(MOST, given.kills - met))):
                    here.append(torment(case, folder, run, seconds, chance))
                met, runs = met + len(here), runs + 1
                code = begun(case, folder, "run", run, chance.choice((1, 2))).wait()
                wrong = [f"exit code {code}"] if code else compared(case, folder)
                bad += bool(wrong)
                print(f"{case.name}, run {runs}: {', '.join(here)}; {'; '.join(wrong) or 'as in one go'}", flush=True)
            print(f"{case.name}: {met} accidents in {runs} runs, {bad} wrong so far", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
