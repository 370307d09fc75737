"""The founding claims on networks of the paper's size: 784-200-200-200-200-10 on images, 784 inputs.

    .venv/bin/python scripts/paper/scale.py IMAGES.csv [ROWS.jsonl]       figure: docs/images/paper-scale.png

IMAGES.csv has one image a line, the label and then 784 numbers 0..255, as MNIST is often given. Of the first hundred,
80 are learned, each in twelve deformations (turned, scaled, shifted), and the others are test points; there are no
more in the file that docs/paper.md used. Every row measured is added to ROWS.jsonl at once, and what is there already
is not measured again.

Around test points, through training, with and without weight decay:

radius      the largest of RADII whose linf ball, cut by [0, 1], has at most MOST regions, enumerated within SECONDS;
LC          is enclosed there, without noise, and
LC dec      each boundary averaged over its own bias noise only, enclosed; so is TV, total variation.
LC sigma    with noise on all biases, estimated by the co-area formula.
LC wide     the same with a tenth of the noise in the ball of radius WIDE, which nobody can enumerate.
distance    linf, to the nearest input of another class: attacks bound it from above, a search that tries to prove half
            of that robust, from below.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import COLOURS, Data, accuracy, figure, finish, log_steps, mlp, spearman, start, train
from torch import nn

import polylc

SEEDS, STEPS, DECAYS, POINTS, SIGMA = range(2), 3_000, (0.0, 1e-3), 4, 0.1
WIDTHS = (784, 200, 200, 200, 200, 10)
LEARNED, DEFORMED, BATCH = 80, 12, 128
RADII, MOST, WIDE = ("0.0005", "0.0002", "0.0001", "0.00002"), 100, 0.05
SAMPLES, SECONDS = 256, 5.0
NAMES = ("LC", "LC dec", "LC sigma", "LC wide", "TV", "below", "above")
ROWS: Path | None = None
IMAGES: Path | None = None


def images() -> Data:
    """The first hundred images, grey values in [0, 1]."""
    if IMAGES is None:
        raise SystemExit("give a CSV file of images, label first: scripts/paper/scale.py IMAGES.csv")
    rows = np.loadtxt(IMAGES, delimiter=",", max_rows=100)
    return rows[:, 1:] / 255, rows[:, 0].astype(int)


def deformed(data: Data, times: int, seed: int) -> Data:
    """Each image so many times: turned by up to 15 degrees, scaled by up to 15 %, shifted by up to two pixels."""
    side, chance = round(data[0].shape[1] ** 0.5), torch.Generator().manual_seed(seed)
    pictures = torch.tensor(data[0], dtype=torch.float32).repeat(times, 1).reshape(-1, 1, side, side)
    turn, scale, right, down = 2 * torch.rand(4, len(pictures), generator=chance) - 1
    angle, size = turn * np.pi / 12, 1 + 0.15 * scale
    rows = [size * torch.cos(angle), -size * torch.sin(angle), 4 * right / side, size * torch.sin(angle), size * torch.cos(angle), 4 * down / side]
    grid = nn.functional.affine_grid(torch.stack(rows, dim=1).reshape(-1, 2, 3), list(pictures.shape), align_corners=False)
    moved = nn.functional.grid_sample(pictures, grid, align_corners=False)
    return moved.reshape(len(pictures), -1).double().numpy(), np.tile(data[1], times)


def enumerated(net: nn.Module, point: Sequence[float]) -> dict[str, Any]:
    """What is enclosed in the largest ball that has few regions."""
    row: dict[str, Any] = {}
    for radius in RADII:
        measures = "counts,local_complexity,total_variation"
        found = polylc.certify(net, [point], radius=radius, clip=(0, 1), measures=measures, sigma=str(SIGMA), max_regions=MOST, time_limit=SECONDS)[0]
        if found.status == "certified" and None not in (found.local_complexity, found.noisy_complexity, found.total_variation):
            noisy = found.noisy_complexity[str(SIGMA)]
            pairs = {"LC": found.local_complexity["activation"], "LC dec": noisy, "TV": found.total_variation["frobenius"]}
            row = {name: q.as_pair() for name, q in pairs.items()} | {"radius": float(radius), "regions": found.regions}
            return row | {"estimates": [name for name, q in pairs.items() if q.kind.name == "ESTIMATE"]}
    return row


def estimated(net: nn.Module, point: Sequence[float], label: int) -> dict[str, Any]:
    """What is sampled, with standard errors, and the distance between bounds."""
    row: dict[str, Any] = {}
    for name, radius, sigma in (("LC sigma", float(RADII[0]), SIGMA), ("LC wide", WIDE, 0.1 * SIGMA)):
        found = polylc.estimate(net, [point], radius=radius, clip=(0, 1), methods="coarea", sigma=sigma, samples=SAMPLES)[0]
        one = next(e for e in found.estimates if e.target == "local_complexity.activation")
        row[name], row[name + " se"] = [one.lower, one.upper], one.standard_error
    attacked = polylc.estimate(net, [point], radius=0.5, clip=(0, 1), methods="deepfool", labels=[label])[0]
    above = [e.value for e in attacked.estimates if e.value is not None]
    if above and min(above) > 0:
        half = polylc.distance(net, [point], 0.5 * min(above), clip=(0, 1), labels=[label], timeout=SECONDS)[0]
        row["above"] = min([min(above), *([] if half.upper is None else [float(half.upper)])])
        row["below"] = float(half.lower)
    elif above:
        row["above"] = row["below"] = 0.0
    return row


class Rows:
    """What was measured, by seed, decay, step and point; kept in a file as it comes."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        known = path.read_text().splitlines() if path is not None and path.exists() else []
        self.all: dict[tuple[Any, ...], dict[str, Any]] = {self._key(row): row for row in map(json.loads, known)}

    @staticmethod
    def _key(row: dict[str, Any]) -> tuple[Any, ...]:
        return row["seed"], row["decay"], row["step"], row["point"]

    def add(self, row: dict[str, Any], net: nn.Module, point: Sequence[float], label: int) -> None:
        """Measure one, unless it is known."""
        if self._key(row) not in self.all:
            begin = time.process_time()
            row |= enumerated(net, point) | estimated(net, point, label)
            row["CPU seconds"] = time.process_time() - begin
            self.all[self._key(row)] = row
            if self._path is not None:
                with self._path.open("a") as file:
                    file.write(json.dumps(row) + "\n")


def middle(row: dict[str, Any], name: str) -> float:
    """Of an enclosure or interval; NaN where there is none."""
    value = row.get(name)
    return float("nan") if value is None else float(np.mean(value))


def learn(seed: int, decay: float, data: Data, test: Data, rows: Rows) -> None:
    """One network through training, unless all of it is known."""
    net, due = mlp(WIDTHS, seed), log_steps(STEPS, 2)
    if all((seed, decay, step, place) in rows.all for step in due for place in range(POINTS)):
        return

    def watch(step: int, loss: float) -> None:
        if step in due:
            learned = {"train": accuracy(net, data), "test": accuracy(net, test), "loss": loss}
            for place in range(POINTS):
                row = {"seed": seed, "decay": decay, "step": step, "point": place} | learned
                rows.add(row, net, test[0][place].tolist(), int(test[1][place]))

    train(net, data, STEPS, rate=1e-3, decay=decay, watch=watch, batch=BATCH)


def summary(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Means over the points of one run, by step, and how they go together."""
    rows = list(rows)
    steps = sorted({row["step"] for row in rows})
    found: dict[str, Any] = {"step": steps}
    for name in (*NAMES, "train", "test", "regions"):
        values = [[middle(row, name) for row in rows if row["step"] == step] for step in steps]
        found[name] = [float(np.nanmean(v)) if not np.isnan(v).all() else float("nan") for v in values]
    for name in ("LC", "LC dec"):
        ends = [row[name] for row in rows if row.get(name) is not None]
        found[f"{name}, widest relative"] = max(((high - low) / high for low, high in ends if high > 0), default=0.0)
    found["balls without an enumeration"] = sum("regions" not in row for row in rows)
    found["balls with LC < 1e-3"] = sum(row["LC"][1] < 1e-3 for row in rows if "LC" in row)
    both = [(middle(row, "LC dec"), middle(row, "LC sigma")) for row in rows if "LC dec" in row]
    found["LC dec / LC sigma"] = [min(a / b for a, b in both), max(a / b for a, b in both)] if both else []
    later = [row for row in rows if row["step"] >= 100 and "TV" in row and "above" in row]
    for name in ("LC dec", "LC sigma", "TV"):
        pairs = [(middle(row, name), middle(row, "above")) for row in later]
        found[f"corr({name}, above) over balls, steps >= 100"] = spearman((a for a, _ in pairs), (b for _, b in pairs))
    found["CPU seconds"] = sum(row["CPU seconds"] for row in rows)
    return found


def main() -> None:
    """Train, measure, draw."""
    begin, rows = start(), Rows(ROWS)
    points, labels = images()
    test = points[LEARNED:], labels[LEARNED:]
    for seed in SEEDS:
        data = deformed((points[:LEARNED], labels[:LEARNED]), DEFORMED, seed)
        for decay in DECAYS:
            learn(seed, decay, data, test, rows)
    drawn, axes = figure(4, 3.2)
    runs = []
    for seed in SEEDS:
        for colour, decay in zip(COLOURS, DECAYS, strict=False):
            found = summary(row for row in rows.all.values() if (row["seed"], row["decay"]) == (seed, decay))
            runs.append({"seed": seed, "decay": decay} | found)
            style = {"color": colour, "lw": 1.0, "alpha": 1.0 if seed == SEEDS[0] else 0.6}
            steps, label = np.maximum(found["step"], 0.7), f"decay {decay:g}" if seed == SEEDS[0] else None
            axes[0].plot(steps, found["LC dec"], label=label, **style)
            axes[0].plot(steps, found["LC sigma"], "--", **style)
            axes[1].plot(steps, found["LC wide"], **style)
            axes[2].plot(steps, found["TV"], **style)
            axes[3].fill_between(steps, found["below"], found["above"], color=colour, alpha=0.2)
            axes[3].plot(steps, found["above"], **style)
    titles = (f"LC with own noise {SIGMA}, enclosed; dashed: all noise", f"LC with all noise {0.1 * SIGMA:g}, balls of radius {WIDE:g}")
    for one, title in zip(axes, (*titles, "total variation, enclosed", "adversarial distance, linf"), strict=True):
        one.set_xscale("log")
        one.set_title(title, fontsize=8)
        one.set_xlabel("step", fontsize=8)
    axes[0].legend(frameon=False, fontsize=7)
    axes[2].set_yscale("log")
    finish("scale", drawn, runs, begin)


if __name__ == "__main__":
    IMAGES, ROWS = ([Path(name) for name in sys.argv[1:3]] + [None, None])[:2]
    main()
