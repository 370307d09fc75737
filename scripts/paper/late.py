"""The late drop of local complexity, on two moons.

    .venv/bin/python scripts/paper/late.py          three minutes and a half; figure: docs/images/paper-late.png

2-32-32-2 networks from three seeds are trained long after they fit 200 points (noise 0.15): 40 000 steps of Adam,
without weight decay and with 1e-3. LC is enumerated on linf balls of radius 0.1 around 40 training points, 40 test
points, and 40 points uniform in a box.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from common import COLOURS, accuracy, figure, finish, log_steps, mlp, moons, start, train

import polylc

SEEDS, STEPS, RADIUS = range(3), 40_000, 0.1
DECAYS = (0.0, 1e-3)
GROUPS = ("training points", "test points", "uniform points")
NAME = "local_complexity_activation"


def main() -> None:
    """Train long, track, draw."""
    begin = start()
    drawn, axes = figure(4, 3.0)
    rows: list[dict[str, Any]] = []
    due = log_steps(STEPS, 8)
    for seed in SEEDS:
        data, test = moons(200, 0.15, seed), moons(1000, 0.15, 1000 + seed)
        uniform = np.random.default_rng(seed).uniform([-1.5, -1.0], [2.5, 1.5], (40, 2))
        points = np.concatenate([data[0][:40], test[0][:40], uniform])
        for decay, style in zip(DECAYS, ("-", "--"), strict=True):
            net = mlp([2, 32, 32, 2], seed)
            tracker = polylc.track(net, points, RADIUS, measures="counts,local_complexity,total_variation,kink_variation", certified=False)

            def watch(step: int, loss: float, tracker: Any = tracker, net: Any = net, test: Any = test, data: Any = data) -> None:
                if step in due:
                    tracker.record(step, loss=loss, train_accuracy=accuracy(net, data), test_accuracy=accuracy(net, test))

            train(net, data, STEPS, decay=decay, watch=watch)
            table = {name: np.array([row[name] for row in tracker.rows], dtype=float).reshape(-1, 3, 40) for name in (NAME, "kink_variation", "step")}
            steps, values = table["step"][:, 0, 0], table[NAME].mean(axis=2)
            means = tracker.means()
            found: dict[str, Any] = {"seed": seed, "decay": decay}
            for group, column in zip(GROUPS, values.T, strict=True):
                top = int(column.argmax())
                half = top + int((column[top:] <= (column[top] + column[-1]) / 2).argmax())
                found[group] = {
                    "first": column[0],
                    "largest": column[top],
                    "at step": steps[top],
                    "last": column[-1],
                    "drop": 1 - column[-1] / column[top],
                }
                found[group] |= {"half way down at step": steps[half], "loss there": means[half]["loss"], "loss at largest": means[top]["loss"]}
            found |= {f"{n} at the end": means[-1][n] for n in ("loss", "train_accuracy", "test_accuracy", "total_variation_frobenius")}
            found["fits from step"] = next((m["step"] for m in means if m["train_accuracy"] == 1.0), None)
            rows.append(found)
            for one, column in zip(axes, values.T, strict=False):
                one.plot(np.maximum(steps, 0.7), column, style, color=COLOURS[seed], lw=1)
            axes[3].plot(np.maximum(steps, 0.7), table["kink_variation"][:, 0].mean(axis=1), style, color=COLOURS[seed], lw=1)
    for one, title in zip(axes, (*(f"LC, {group}" for group in GROUPS), "kink variation, training points"), strict=True):
        one.set_xscale("log")
        one.set_title(title, fontsize=9)
        one.set_xlabel("step (dashed: weight decay 1e-3)", fontsize=8)
    axes[3].set_yscale("log")
    finish("late", drawn, rows, begin)


if __name__ == "__main__":
    main()
