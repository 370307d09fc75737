"""Low-rank features against local complexity, on two moons in two of four coordinates.

    .venv/bin/python scripts/paper/rank.py          a minute and a half; figure: docs/images/paper-rank.png

4-24-24-2 networks learn 300 points of four coordinates, of which two hold the moons (noise 0.1) and two are noise
(0.5), all rotated. LC is enumerated on linf balls of radius 0.1 around 20 test points.

forced   the first layer is a product of an r x 4 and a 24 x r matrix, r = 1..4. Weights of both are rounded to
multiples of 2^-12, so
         that their product is exact and the exact rank of every layer's Jacobian is at most r.
learned  initial weights times 1/2, 1 and 2, and weight decay 0 or 1e-3. Exact ranks are full as soon as weights are
generic, so the
         features are measured by the effective rank of J_l at the test points, (sum of singular values)^2 / (sum of
         their squares).
"""

from __future__ import annotations

import numpy as np
import torch
from common import COLOURS, Data, accuracy, figure, finish, mlp, moons, spearman, start, train
from torch import nn

import polylc

SEEDS, STEPS, RADIUS, SIGMA, WIDTH, BITS = range(4), 2000, 0.1, 0.1, 24, 12


def rotated(count: int, seed: int) -> Data:
    """Moons in two of four coordinates, turned by the same rotation for all seeds."""
    plane, labels = moons(count, 0.1, seed)
    noise = 0.5 * np.random.default_rng(7000 + seed).standard_normal((count, 2))
    turn, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4)))
    return np.hstack([plane - [0.5, 0.25], noise]) @ turn, labels


def factored(rank: int, seed: int) -> nn.Sequential:
    """A network whose first layer has at most this rank."""
    net = mlp([4, WIDTH, WIDTH, 2], seed)
    down, up = nn.Linear(4, rank, bias=False), nn.Linear(rank, WIDTH)
    with torch.no_grad():  # a projection of the same first layer, scaled so that the weights keep their size
        _, _, right = torch.linalg.svd(torch.randn(4, 4))
        down.weight.copy_(right[:rank])
        up.weight.copy_(net[0].weight @ right[:rank].T * (4 / rank) ** 0.5)
        up.bias.copy_(net[0].bias)
    return nn.Sequential(down, up, *list(net)[1:])


def rounded(net: nn.Sequential) -> nn.Sequential:
    """Weights of the two factors rounded to multiples of 2^-BITS."""
    with torch.no_grad():
        for layer in list(net)[:2]:
            layer.weight.copy_((layer.weight * 2**BITS).round() / 2**BITS)
    return net


def effective_ranks(net: nn.Sequential, points: np.ndarray) -> list[float]:
    """Mean over the points of (sum of singular values)^2 / (sum of squares) of dz_l/dx, for each hidden layer; zero
    Jacobians count as 0.
    """
    x = torch.tensor(points, dtype=torch.float32)
    means = []
    for place, layer in enumerate(net):
        if isinstance(layer, nn.ReLU):
            before = net[:place]
            jacobian = torch.stack([torch.autograd.functional.jacobian(before, one) for one in x])
            values = torch.linalg.svdvals(jacobian.double())
            means.append(float((values.sum(1) ** 2 / (values**2).sum(1).clamp_min(1e-300)).mean()))
    return means


def study(net: nn.Sequential, test: Data, data: Data) -> dict[str, float]:
    """What is compared."""
    found = polylc.track(
        net, test[0], RADIUS, measures="counts,local_complexity,local_rank,total_variation", sigma=SIGMA, certified=False, max_regions=100_000
    ).record()
    names = ("regions", "local_complexity_activation", "local_complexity_function", "local_complexity_sigma", "total_variation_frobenius")
    row = {name: found[name] for name in names} | {"exact rank": found["local_rank_2"], "status": found["status"]}
    return row | {
        "effective rank": np.mean(effective_ranks(net, test[0])),
        "accuracy": accuracy(net, rotated(1000, 99)),
        "train": accuracy(net, data),
    }


def main() -> None:
    """Train both families, measure, draw."""
    begin = start()
    forced, learned = [], []
    for seed in SEEDS:
        data, test = rotated(300, seed), rotated(20, 1000 + seed)
        for rank in (1, 2, 3, 4):
            net = factored(rank, seed)
            train(net, data, STEPS)
            forced.append({"seed": seed, "rank": rank} | study(rounded(net), test, data))
        for scale in (0.5, 1.0, 2.0):
            for decay in (0.0, 1e-3):
                net = mlp([4, WIDTH, WIDTH, 2], seed, scale)
                train(net, data, STEPS, decay=decay)
                learned.append({"seed": seed, "scale": scale, "decay": decay} | study(net, test, data))
    drawn, axes = figure(3)
    for one, name, title in zip(
        axes, ("local_complexity_activation", "local_complexity_sigma"), ("LC, exact", f"LC with bias noise {SIGMA}, estimated"), strict=False
    ):
        for seed in SEEDS:
            chosen = [row for row in forced if row["seed"] == seed]
            one.plot([row["rank"] for row in chosen], [row[name] for row in chosen], ".-", color=COLOURS[seed], lw=1)
        one.set_title(f"forced rank: {title}", fontsize=9)
        one.set_xlabel("rank of the first layer", fontsize=8)
        one.set_xticks([1, 2, 3, 4])
        one.set_ylim(0, None)
    for scale, colour in zip((0.5, 1.0, 2.0), COLOURS, strict=False):
        for decay, mark in ((0.0, "o"), (1e-3, "x")):
            chosen = [row for row in learned if (row["scale"], row["decay"]) == (scale, decay)]
            label = f"scale {scale:g}, decay {decay:g}"
            axes[2].plot(
                [row["effective rank"] for row in chosen],
                [row["local_complexity_activation"] for row in chosen],
                mark,
                ms=4,
                color=colour,
                label=label,
            )
    axes[2].set_title("learned features: LC, exact", fontsize=9)
    axes[2].set_xlabel("effective rank, mean over layers", fontsize=8)
    axes[2].legend(frameon=False, fontsize=6)
    axes[2].set_ylim(0, None)

    def mean(rows: list[dict[str, float]], **where: float) -> dict[str, float]:
        chosen = [row for row in rows if all(row[k] == v for k, v in where.items())]
        return where | {name: np.mean([row[name] for row in chosen]) for name in chosen[0] if name not in (*where, "seed", "status")}

    names = ("local_complexity_activation", "local_complexity_sigma", "total_variation_frobenius")
    summary = {
        "forced": [mean(forced, rank=rank) for rank in (1, 2, 3, 4)],
        "learned": [mean(learned, scale=scale, decay=decay) for scale in (0.5, 1.0, 2.0) for decay in (0.0, 1e-3)],
        "corr with effective rank, learned": {n: spearman((r["effective rank"] for r in learned), (r[n] for r in learned)) for n in names},
        "corr with rank, forced": {n: spearman((r["rank"] for r in forced), (r[n] for r in forced)) for n in names},
        "status": sorted({row["status"] for row in forced + learned}),
    }
    finish("rank", drawn, summary, begin)


if __name__ == "__main__":
    main()
