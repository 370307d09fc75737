"""Searches on the shared instances: verdicts, cells, CPU seconds, proofs and their checks.

    python scripts/bench_verify.py --shared ../shared [--proofs] [FAMILY ...]         acasxu, mnist, or of vnncomp

One process, CPU seconds; kernels are loaded before the first instance that counts. With --proofs, every unsat is proved
and checked. --table prints rows of Markdown, those of docs/performance.md. Exit code 1 where a verdict is wrong.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import polylc
from polylc.bounds.dense import refined


def instances(shared: Path) -> Iterator[tuple[str, Path, Path, str]]:
    """Family, model, query and known verdict."""
    with (shared / "acasxu" / "expected.csv").open() as file:
        for row in csv.DictReader(file):
            model = f"ACASXU_run2a_{row['net_i']}_{row['net_j']}_batch_2000.onnx"
            yield "acasxu", shared / "acasxu" / model, shared / "acasxu" / f"prop_{row['prop']}.vnnlib", row["result"]
    for prop in ("prop_0_0.03", "prop_1_0.03"):
        yield "mnist", shared / "mnist" / "mnist-net_256x2.onnx", shared / "mnist" / f"{prop}.vnnlib", "unsat"
    with (shared / "vnncomp" / "expected.csv").open() as file:
        for row in csv.DictReader(file):
            folder = shared / "vnncomp" / row["family"]
            yield row["family"], folder / row["model"], folder / row["property"], row["verdict"]


def verdicts(shared: Path, families: list[str], timeout: float, proofs: bool, table: bool = False) -> int:
    """A line for each instance; how many are wrong."""
    wrong, seconds = 0, []
    with tempfile.TemporaryDirectory() as folder:
        proof = Path(folder) / "proof"
        for family, model, query, known in instances(shared):
            if families and family not in families:
                continue
            begin = time.process_time()
            verdict = polylc.verify(query, model, timeout=timeout, proof=proof if proofs else None)
            seconds.append(time.process_time() - begin)
            bad = verdict.result in ("sat", "unsat") and verdict.result != known
            wrong += bad
            checked, columns = "", ["", ""]
            if verdict.proof is not None:
                begin = time.process_time()
                polylc.check(proof)
                columns = [f"{proof.stat().st_size / 1000:.1f}", f"{time.process_time() - begin:.1f}"]
                checked = f"  {proof.stat().st_size:8} bytes, checked in {columns[1]} s"
            cells = int(verdict.statistics.get("cells", 0))
            if table:
                print("|", " | ".join([family, model.stem, query.stem, verdict.result, str(cells), f"{seconds[-1]:.2f}", *columns]), "|")
                continue
            print(f"{family:20} {model.stem:36} {query.stem:24} {verdict.result:9} {cells:6} cells {seconds[-1]:7.2f} s{checked}{'  WRONG' * bad}")
    if seconds:
        print(f"{len(seconds)} instances, {wrong} wrong, {sum(seconds):.1f} s in all, median {statistics.median(seconds):.2f} s")
    return wrong


def main() -> int:
    """Read the arguments; whether something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--timeout", type=float, default=100.0)
    parser.add_argument("--proofs", action="store_true")
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    assert callable(refined.compiled)  # searches use kernels from their roots on
    _, model, query, _ = next(instances(given.shared))
    polylc.verify(query, model, timeout=30.0)
    return int(verdicts(given.shared, given.names, given.timeout, given.proofs, given.table) > 0)


if __name__ == "__main__":
    sys.exit(main())
