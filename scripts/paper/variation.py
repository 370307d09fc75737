"""Local complexity against total variation and adversarial accuracy through training, on two moons.

    .venv/bin/python scripts/paper/variation.py          two minutes; figure: docs/images/paper-variation.png

2-32-32-2 networks from five seeds learn 300 points with noise 0.15. On linf balls of radius 0.1 around 40 test points everything is
enumerated through training: LC, TV, kink variation, and robust accuracy, the share of the balls that hold one class, the right one.
"""

from __future__ import annotations

import numpy as np
from common import COLOURS, accuracy, figure, finish, log_steps, mlp, moons, spearman, start, train

import polylc

SEEDS, STEPS, RADIUS = range(5), 6000, 0.1


def main() -> None:
    """Train, measure, correlate, draw."""
    begin = start()
    drawn, axes = figure(4, 3.0)
    rows = []
    for seed in SEEDS:
        data, test = moons(300, 0.15, seed), moons(40, 0.15, 1000 + seed)
        net = mlp([2, 32, 32, 2], seed)
        tracker = polylc.track(
            net,
            test[0],
            RADIUS,
            labels=test[1].tolist(),
            measures="counts,local_complexity,total_variation,kink_variation,robustness",
            certified=False,
        )
        due = log_steps(STEPS, 10)
        train(net, data, STEPS, watch=lambda step, loss, due=due, tracker=tracker: tracker.record(step, loss=loss) if step in due else None)
        means, last = tracker.means(), [row for row in tracker.rows if row["step"] == STEPS]
        step, complexity, variation, robust = (
            np.array([m[name] for m in means]) for name in ("step", "local_complexity_activation", "total_variation_frobenius", "robust")
        )
        late = step >= 100
        across = {name: [row[name] for row in last] for name in ("local_complexity_activation", "total_variation_frobenius", "robust")}
        rows.append(
            {
                "seed": seed,
                "accuracy": accuracy(net, test),
                "LC": {s: complexity[step == s][0] for s in (0, STEPS)} | {"largest": complexity.max()},
                "TV": {s: variation[step == s][0] for s in (0, STEPS)},
                "robust": {s: robust[step == s][0] for s in (0, STEPS)} | {"largest": robust.max()},
                "corr(LC, TV) over steps": spearman(complexity, variation),
                "corr(LC, TV) over steps >= 100": spearman(complexity[late], variation[late]),
                "corr(LC, robust) over steps": spearman(complexity, robust),
                "corr(LC, robust) over steps >= 100": spearman(complexity[late], robust[late]),
                "corr(TV, robust) over steps >= 100": spearman(variation[late], robust[late]),
                "corr(LC, TV) over balls at the end": spearman(*(across[n] for n in ("local_complexity_activation", "total_variation_frobenius"))),
                "corr(LC, robust) over balls at the end": spearman(across["local_complexity_activation"], across["robust"]),
                "LC = 0 but TV > 0": sum(row["local_complexity_activation"] == 0 and row["total_variation_frobenius"] > 0 for row in tracker.rows),
                "balls": len(tracker.rows),
            }
        )
        style = {"color": COLOURS[seed], "lw": 1.0}
        for one, values in zip(axes, (complexity, variation, robust), strict=False):
            one.plot(np.maximum(step, 0.7), values, **style)
        axes[3].plot(variation, complexity, "-", marker=".", ms=4, **style)
    for one, title in zip(axes, ("local complexity", "total variation", "robust accuracy, exact"), strict=False):
        one.set_xscale("log")
        one.set_title(title, fontsize=9)
        one.set_xlabel("step", fontsize=8)
    axes[3].set(xscale="log")
    axes[3].set_xlabel("total variation", fontsize=8)
    axes[3].set_title("local complexity against TV", fontsize=9)
    finish("variation", drawn, rows, begin)


if __name__ == "__main__":
    main()
