"""Local complexity against total variation and adversarial accuracy through training, on two moons.

    .venv/bin/python scripts/paper/variation.py          three minutes; figure: docs/images/paper-variation.png

2-32-32-2 networks from five seeds learn 300 points with noise 0.25. On linf balls of radius 0.1 around 60 test points
everything is enumerated through training: LC, TV, kink variation, and robust accuracy, the share of the balls that hold
one class, the right one.

A = L TV c / max_l prod_{k > l} |W_k|, with c = exp(-1/2) / (sqrt(2 pi) sigma), is TV as the literature scales it to set
it under LC.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from common import COLOURS, accuracy, figure, finish, log_steps, mlp, moons, spearman, start, train
from torch import nn

import polylc

SEEDS, STEPS, RADIUS, NOISE, BALLS, SIGMA = range(5), 6000, 0.1, 0.25, 60, 0.1
MEASURES = "counts,local_complexity,total_variation,kink_variation,robustness"
LC, NOISY, TV, ROBUST = "local_complexity_activation", "local_complexity_sigma", "total_variation_frobenius", "robust"


def scale_of(net: nn.Sequential) -> float:
    """L c over the largest product of operator norms of the layers after a hidden one: A = this times TV."""
    norms = [torch.linalg.matrix_norm(layer.weight.detach().double(), 2).item() for layer in net if isinstance(layer, nn.Linear)]
    products = [math.prod(norms[place + 1 :]) for place in range(len(norms) - 1)]
    return (len(norms) - 1) * math.exp(-0.5) / (math.sqrt(2 * math.pi) * SIGMA) / max(products)


def main() -> None:
    """Train, measure, correlate, draw."""
    begin = start()
    drawn, axes = figure(5, 2.7)
    rows: list[dict[str, Any]] = []
    due = log_steps(STEPS, 10)
    for seed in SEEDS:
        data, test = moons(300, NOISE, seed), moons(BALLS, NOISE, 1000 + seed)
        net = mlp([2, 32, 32, 2], seed)
        tracker = polylc.track(net, test[0], RADIUS, labels=test[1].tolist(), measures=MEASURES, sigma=SIGMA, samples=2000, certified=False)

        def watch(step: int, loss: float, tracker: Any = tracker, net: nn.Sequential = net) -> None:
            if step in due:
                tracker.record(step, loss=loss, scale=scale_of(net))

        train(net, data, STEPS, watch=watch)
        means, every = tracker.means(), tracker.rows
        last = [row for row in every if row["step"] == STEPS]
        step, complexity, noisy, variation, robust, scale = (np.array([m[n] for m in means]) for n in ("step", LC, NOISY, TV, ROBUST, "scale"))
        late, scaled = step >= 100, scale * variation
        found: dict[str, Any] = {"seed": seed, "accuracy": accuracy(net, test)}
        for name, values in (("LC", complexity), ("LC sigma", noisy), ("TV", variation), ("robust", robust), ("A", scaled)):
            found[name] = {"first": values[0], "largest": values.max(), "last": values[-1]}
        pairs = {"TV": variation, "A": scaled, "robust": robust, "LC sigma": noisy}
        found["corr(LC, .) over steps"] = {n: spearman(complexity, v) for n, v in pairs.items()}
        found["corr(LC, .) over steps >= 100"] = {n: spearman(complexity[late], v[late]) for n, v in pairs.items()}
        found["corr(TV, robust) over steps >= 100"] = spearman(variation[late], robust[late])
        found["corr(LC, .) over balls at the end"] = {
            n: spearman((r[LC] for r in last), (r[n] for r in last)) for n in (TV, ROBUST, "kink_variation")
        }
        found["corr(TV, robust) over balls at the end"] = spearman((r[TV] for r in last), (r[ROBUST] for r in last))
        found["means with A <= LC sigma"] = f"{(scaled <= noisy).sum()} of {len(means)}"
        found["balls with A <= LC sigma"] = f"{sum(r['scale'] * r[TV] <= r[NOISY] for r in every)} of {len(every)}"
        found["balls with LC = 0 and TV > 0"] = sum(r[LC] == 0 and r[TV] > 0 for r in every)
        rows.append(found)
        style = {"color": COLOURS[seed], "lw": 1.0}
        for one, values in zip(axes, (complexity, variation, robust, noisy), strict=False):
            one.plot(np.maximum(step, 0.7), values, **style)
        axes[3].plot(np.maximum(step, 0.7), scaled, "--", **style)
        axes[4].plot(variation, complexity, "-", marker=".", ms=4, **style)
    titles = ("local complexity", "total variation", "robust accuracy, exact", f"LC with noise {SIGMA}; dashed: A")
    for one, title in zip(axes, titles, strict=False):
        one.set_xscale("log")
        one.set_title(title, fontsize=9)
        one.set_xlabel("step", fontsize=8)
    axes[1].set_yscale("log")
    axes[4].set_xscale("log")
    axes[4].set_xlabel("total variation", fontsize=8)
    axes[4].set_title("local complexity against TV", fontsize=9)
    finish("variation", drawn, rows, begin)


if __name__ == "__main__":
    main()
