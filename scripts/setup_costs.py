"""What reading a model costs, and how many neurons it has: docs/setup-costs.md.

    python scripts/setup_costs.py FOLDER            write the page, for every model below the folder
    python scripts/setup_costs.py FOLDER --show     print it

Every model is read in a process of its own, twice, and the second time counts, since the first also imports libraries.
Memory is the peak of that process less what it had after importing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "setup-costs.md"
SUFFIXES = (".onnx", ".onnx.gz", ".pt", ".pth", ".npz", ".nnet")
HEAD = """\
# What reading a model costs

{count} model files of public benchmarks (VNN-COMP 2021 to 2024, ACAS Xu, mnist) and of the networks that
polylc is measured on: seconds to read it and to set up the forms of its neurons on a box, megabytes that this takes at
most beside the libraries. The same network may be there in several formats. State dicts are read with
`--activation relu`. Made by `python scripts/setup_costs.py FOLDER`.

| model | kind | inputs | neurons in each layer | outputs | non-zero weights | read, s | set up, s | MB |
|---|---|---|---|---|---|---|---|---|
"""
CHILD = """
import json, resource, sys, time
import numpy as np
import onnx, scipy.sparse, polylc.readers.onnx.file
from polylc.domains.ball import ball
from polylc.network.replay import begin, flatten
from polylc.network.weights import entries
from polylc.errors import ModelError
import polylc
if sys.argv[1].endswith((".pt", ".pth")):
    import torch
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
before = peak()
activation = None
try:
    network = polylc.load(sys.argv[1])
except ModelError as error:
    if "--activation relu" not in str(error):
        raise
    activation = "relu"  # a state dict: as the user may state it
network = polylc.load(sys.argv[1], activation=activation)
clock = time.perf_counter()
network = polylc.load(sys.argv[1], activation=activation)
read = time.perf_counter() - clock
clock = time.perf_counter()
domain = ball([0] * network.inputs, "1/100")
begin(network, flatten(network), domain.embedding, domain.rounding)
setup = time.perf_counter() - clock
affines = [*(layer.affine for layer in network.layers), network.output]
weights = sum(int(np.count_nonzero(entries(w))) for a in affines for _, w in a.terms)
widths = [layer.width for layer in network.layers]
print(json.dumps([network.inputs, widths, network.outputs, weights, read, setup, peak() - before]))
"""


def row(model: Path, folder: Path) -> str:
    """One line of the table."""
    done = subprocess.run([sys.executable, "-c", CHILD, str(model)], capture_output=True, text=True, check=False, cwd=ROOT)
    name = f"| {model.relative_to(folder).as_posix()} | {''.join(model.suffixes[-1:])}"
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "killed"
        return f"{name} | {last.partition(': ')[2].replace(str(model), model.name).partition(';')[0]} | | | | | | |"
    inputs, widths, outputs, weights, read, setup, memory = json.loads(done.stdout)
    layers = "-".join(map(str, widths)) if len(widths) <= 8 else f"{sum(widths)} in {len(widths)} layers"
    return f"{name} | {inputs} | {layers} | {outputs} | {weights} | {read:.2f} | {setup:.2f} | {memory:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="+")
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    models = [(m, folder.parent) for folder in options.folder for m in sorted(folder.rglob("*")) if m.name.endswith(SUFFIXES)]
    page = HEAD.format(count=len(models)) + "\n".join(row(m, f) for m, f in models) + "\n"
    if options.show:
        print(page)
    else:
        PAGE.write_text(page)


if __name__ == "__main__":
    main()
