"""Local complexity against weight decay, on two moons.

    .venv/bin/python scripts/paper/decay.py          three minutes; figure: docs/images/paper-decay.png

2-32-32-2 networks from three seeds learn 200 points with noise 0.1 by cross entropy plus lambda/2 times the squared
norm of all weights, for lambda between 1e-6 and 3e-2. LC is enumerated on linf balls of radius 0.1 around 40 test
points, and fitted by a line in log(1/lambda).
"""

from __future__ import annotations

import numpy as np
from common import COLOURS, accuracy, figure, finish, fit, mlp, moons, spearman, start, train

import polylc

SEEDS, STEPS, RADIUS, SIGMA = range(3), 5000, 0.1, 0.1
DECAYS = np.geomspace(1e-6, 3e-2, 12)
LEARNED = 0.8  # accuracy on 2000 new points that a network needs to count in the fit
COLUMNS = ("local_complexity_activation", "local_complexity_sigma", "total_variation_frobenius", "kink_variation")


def main() -> None:
    """Train for every decay, measure, fit, draw."""
    begin = start()
    rows = []
    for seed in SEEDS:
        data, test = moons(200, 0.1, seed), moons(40, 0.1, 1000 + seed)
        for decay in DECAYS:
            net = mlp([2, 32, 32, 2], seed)
            loss = train(net, data, STEPS, rate=5e-3, decay=decay, final=0.02)
            found = polylc.track(
                net,
                test[0],
                RADIUS,
                labels=test[1].tolist(),
                measures="counts,local_complexity,total_variation,kink_variation,robustness",
                sigma=SIGMA,
                certified=False,
            ).record()
            norm = float(sum((w.detach() ** 2).sum() for w in net.parameters()))
            row = {"seed": seed, "decay": decay, "loss": loss, "norm": norm, "accuracy": accuracy(net, moons(2000, 0.1, 99))}
            rows.append(row | {name: found[name] for name in (*COLUMNS, "regions", "robust")})
    drawn, axes = figure(4, 3.0)
    fits = {}
    learned = [row for row in rows if row["accuracy"] > LEARNED]
    for one, name in zip(axes, COLUMNS, strict=True):
        x, y = np.array([[np.log(1 / row["decay"]), row[name]] for row in learned]).T
        slope, intercept, share = fit(x, y)
        each = [np.array([[np.log(1 / r["decay"]), r[name]] for r in learned if r["seed"] == seed]).T for seed in SEEDS]
        fits[name] = {"slope": slope, "R2": share, "corr": spearman(x, y), "of each seed": [fit(*xy)[::2] for xy in each]}
        for seed in SEEDS:
            one.plot(
                [1 / r["decay"] for r in rows if r["seed"] == seed], [r[name] for r in rows if r["seed"] == seed], ".-", color=COLOURS[seed], lw=0.8
            )
        ends = np.array([x.min(), x.max()])
        one.plot(np.exp(ends), slope * ends + intercept, "--", color="0.4", lw=1)
        one.set_xscale("log")
        one.set_xlabel("1 / lambda", fontsize=8)
        one.set_title(f"{name.replace('_', ' ')}, R² = {share:.2f}", fontsize=8)
    by_decay = [
        {"decay": d} | {n: np.mean([r[n] for r in rows if r["decay"] == d]) for n in (*COLUMNS, "regions", "robust", "norm", "loss", "accuracy")}
        for d in DECAYS
    ]
    finish("decay", drawn, {"fits": fits, "networks that learned": len(learned), "networks": len(rows), "by decay": by_decay}, begin)


if __name__ == "__main__":
    main()
