"""The picture of docs/verify.md: a slice of an ACAS Xu network, and what property 2 says of it.

    python scripts/acas_slice.py --shared ../shared --out docs/images/acas-slice.png

Two inputs vary, the others are those of the counterexample that `polylc.verify` finds. Every linear region of the slice
is enumerated and cut where another output becomes the largest (the advice that the network thinks worst of).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import polylc
from polylc.report.decisions import class_cells
from polylc.report.export import affine_maps

ADVICE = ("clear of conflict", "weak left", "weak right", "strong left", "strong right")
COLOURS = ("#d1495b", "#8ecae6", "#a3d9a5", "#3f7cac", "#5b9f6b")
LOWER, UPPER = (-0.328422877, -0.5), (0.679857769, 0.5)  # all that the two inputs may be
ASKED = ((0.6, -0.5), (0.679857769, 0.5))  # and what property 2 asks about


def main() -> None:
    """Search, enumerate, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    model = given.shared / "acasxu" / "ACASXU_run2a_2_9_batch_2000.onnx"
    verdict = polylc.verify(given.shared / "acasxu" / "prop_2.vnnlib", model)
    assert verdict.assignment is not None
    point = [float(x) for x in verdict.assignment.x]
    corners = [[*ends, *point[2:]] for ends in (LOWER, UPPER)]
    (result,) = polylc.certify(model, box=(corners[0], corners[1]), measures="counts")
    complex_ = result.complex
    assert complex_ is not None
    cells = complex_.polygons()
    parts, worst = class_cells(cells, affine_maps(complex_))

    drawn = Figure(figsize=(7.6, 5.4), layout="constrained")
    FigureCanvasAgg(drawn)
    axes = drawn.add_subplot()
    axes.add_collection(PolyCollection(parts, facecolors=[COLOURS[j] for j in worst], edgecolors="none"))
    axes.add_collection(PolyCollection(cells, facecolors="none", edgecolors="white", linewidths=0.1))
    (a, b), (c, d) = ASKED
    axes.add_patch(Rectangle((a, b), c - a, d - b, fill=False, edgecolor="black", linewidth=2.2, label="inputs of property 2"))
    axes.scatter(point[:1], point[1:2], marker="*", s=110, color="gold", edgecolors="black", zorder=4, label="counterexample")
    for j in sorted(set(worst)):
        axes.scatter([], [], marker="s", color=COLOURS[j], label=f"largest: {ADVICE[j]}")
    axes.set(xlim=(LOWER[0], UPPER[0] + 0.02), ylim=(LOWER[1], UPPER[1]), xlabel="X_0, distance", ylabel="X_1, angle to the intruder")
    fixed = ", ".join(f"X_{k} = {x:.4g}" for k, x in enumerate(point[2:], 2))
    axes.set_title(f"ACAS Xu 2_9, {result.regions} linear regions, {fixed}", fontsize=10)
    axes.legend(loc="upper left", fontsize=8, framealpha=0.95)
    drawn.savefig(given.out, dpi=110, pil_kwargs={"optimize": True})
    total = np.unique(worst, return_counts=True)
    print(f"{result.regions} regions; parts by largest output {dict(zip(*(v.tolist() for v in total), strict=True))}")


if __name__ == "__main__":
    main()
