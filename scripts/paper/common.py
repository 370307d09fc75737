"""What the scripts of this folder share: data, networks, training with the tracker, figures."""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import polylc

IMAGES = Path(__file__).parent.parent.parent / "docs" / "images"
COLOURS = ("#1b6ca8", "#d1495b", "#3a7d44", "#8f5aa8", "#c77d0a", "#4d4d4d")
Data = tuple[np.ndarray, np.ndarray]


def moons(count: int, noise: float, seed: int) -> Data:
    """Two interleaved half circles of radius 1 with Gaussian noise; shapes (count, 2) and (count,)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    angle = rng.uniform(0, np.pi, count)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.where(labels[:, None] == 0, circle, np.array([1.0, 0.5]) - circle)
    return points + noise * rng.standard_normal((count, 2)), labels


def mlp(widths: Iterable[int], seed: int, scale: float = 1.0) -> nn.Sequential:
    """Linear layers with ReLU between; torch's initial weights times `scale`."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    net = nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= scale
    return net


def train(
    net: nn.Module,
    data: Data,
    steps: int,
    rate: float = 3e-3,
    decay: float = 0.0,
    watch: Callable[[int, float], Any] | None = None,
    final: float = 1.0,
    batch: int | None = None,
) -> float:
    """Adam on the cross entropy plus decay/2 times the squared norm of all weights; the last loss.

    Parameters
    ----------
    watch : callable, optional
        Called with the step and the loss before each update, and once at the end.
    final : float
        The rate goes geometrically to `final` times itself.
    batch : int, optional
        So many rows are drawn for each step; by default all are taken.
    """
    x, y = torch.tensor(data[0], dtype=torch.float32), torch.tensor(data[1])
    weights = list(net.parameters())
    optimiser = torch.optim.Adam(weights, lr=rate, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, final ** (1 / steps))
    chance = torch.Generator().manual_seed(0)
    for step in range(steps + 1):
        optimiser.zero_grad()
        rows = slice(None) if batch is None else torch.randint(len(x), (batch,), generator=chance)
        error = nn.functional.cross_entropy(net(x[rows]), y[rows])
        if watch is not None:
            watch(step, error.item())
        if step < steps:
            loss = error + 0.5 * decay * sum((w**2).sum() for w in weights) if decay else error
            loss.backward()
            optimiser.step()
            schedule.step()
    return error.item()


def accuracy(net: nn.Module, data: Data) -> float:
    """Share of the points whose largest output is their class."""
    with torch.no_grad():
        return float(np.mean(net(torch.tensor(data[0], dtype=torch.float32)).argmax(1).numpy() == data[1]))


def log_steps(most: int, per_decade: int) -> set[int]:
    """0, and steps at about equal ratios up to `most`."""
    return {0, most, *np.unique(np.geomspace(1, most, int(np.log10(most) * per_decade) + 1).astype(int)).tolist()}


def measured(net: nn.Module, points: np.ndarray, labels: np.ndarray, radius: float, **more: Any) -> dict[str, Any]:
    """Means over neighbourhoods of one network."""
    return polylc.track(net, points, radius, labels=labels.tolist(), certified=False, max_regions=None, **more).record()


def spearman(a: Iterable[float], b: Iterable[float]) -> float:
    """Rank correlation; NaN if one side is constant."""
    from scipy.stats import spearmanr

    pair = list(a), list(b)
    return float(spearmanr(*pair).statistic) if all(len(set(side)) > 1 for side in pair) else float("nan")


def fit(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Slope, intercept and R^2 of the least squares line."""
    slope, intercept = np.polyfit(x, y, 1)
    residual = y - slope * x - intercept
    return float(slope), float(intercept), float(1 - (residual**2).sum() / ((y - y.mean()) ** 2).sum())


def figure(columns: int, width: float = 3.5, height: float = 2.8) -> tuple[Any, Any]:
    """A matplotlib figure of one row, and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(width * columns, height), layout="constrained")
    FigureCanvasAgg(drawn)
    axes = drawn.subplots(1, columns, squeeze=False)[0]
    for one in axes:
        one.tick_params(labelsize=7)
        one.grid(lw=0.3, color="0.85")
        one.set_axisbelow(True)
    return drawn, axes


def finish(name: str, drawn: Any, found: Any, begin: float) -> None:
    """Write docs/images/paper-NAME.png, and print what was found as JSON."""
    drawn.savefig(IMAGES / f"paper-{name}.png", dpi=100)
    print(json.dumps(found, indent=1, default=float))
    print(f"{name}: {time.process_time() - begin:.0f} s of CPU time", file=sys.stderr)


def start() -> float:
    """One thread, so that the numbers do not depend on the machine's cores; the clock."""
    torch.set_num_threads(1)
    return time.process_time()
