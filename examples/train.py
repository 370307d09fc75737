"""Train the three example networks: two moons (2-16-16-2) and scikit-learn's 8x8 digits, fully connected (64-16-16-10)
and with a convolution and max pooling.

Run with the extra `examples` installed (`scripts/setup-env.sh examples`):

    .venv/bin/python examples/train.py [moons] [digits] [pooled] [--seed S] [--epochs N] [--out FOLDER]

Writes NAME/NAME.pt (a whole nn.Sequential, float32) and NAME/NAME.npz (test points X as float64, their classes y).
The same seed on the same versions gives the same files.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from sklearn.datasets import load_digits, make_moons
from sklearn.model_selection import train_test_split
from torch import nn


class Task(NamedTuple):
    """A classification problem, its network and how to train it."""

    layers: Callable[[], list[nn.Module]]
    epochs: int
    saved: int  # so many test points go into the data file
    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]


def connected(*widths: int) -> list[nn.Module]:
    """Fully connected layers with ReLU between them."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return layers[:-1]


def pooling() -> list[nn.Module]:
    """Four features of 3x3 pixels, the largest of each 2x2 places, and a linear classifier of these 36."""
    return [nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 10)]


def moons(seed: int) -> Task:
    """Two interleaved half circles with noise: 1000 points to train on, 200 to test."""
    points, labels = make_moons(1200, noise=0.2, random_state=seed)
    return Task(lambda: connected(2, 16, 16, 2), 100, 200, (points[:1000], labels[:1000]), (points[1000:], labels[1000:]))


def digits(seed: int) -> Task:
    """Handwritten digits of 8x8 pixels with values in [0, 1]: 1437 to train on, 360 to test."""
    images, labels = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(images / 16, labels, test_size=0.2, stratify=labels, random_state=seed)
    return Task(lambda: connected(64, 16, 16, 10), 60, 100, (train_x, train_y), (test_x, test_y))


def pooled(seed: int) -> Task:
    """The same digits for a network with max pooling."""
    return digits(seed)._replace(layers=pooling)


def train(task: Task, seed: int, epochs: int) -> nn.Sequential:
    """Minimise the cross entropy with Adam; the seed fixes the initial weights and the order of the data."""
    torch.manual_seed(seed)
    net = nn.Sequential(*task.layers())
    optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
    x, y = torch.tensor(task.train[0], dtype=torch.float32), torch.tensor(task.train[1])
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(50):
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            optimiser.step()
    return net.eval()


def accuracy(net: nn.Module, data: tuple[np.ndarray, np.ndarray]) -> float:
    """Share of the points whose largest output is their class."""
    with torch.no_grad():
        return float(np.mean(net(torch.tensor(data[0], dtype=torch.float32)).argmax(1).numpy() == data[1]))


def main() -> None:
    """Train, save and report the networks asked for."""
    tasks = {"moons": moons, "digits": digits, "pooled": pooled}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="moons, digits, pooled (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="fixes data, initial weights and order (default: 1)")
    parser.add_argument("--epochs", type=int, help="passes over the training data (default: 100 for moons, 60 for the others)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write to (default: the folder of this script)")
    options = parser.parse_args()
    if unknown := set(options.names) - set(tasks):
        parser.error(f"unknown name {sorted(unknown)[0]!r}; choose from {', '.join(tasks)}")

    torch.set_num_threads(1)
    for name in options.names or tasks:
        task = tasks[name](options.seed)
        net = train(task, options.seed, task.epochs if options.epochs is None else options.epochs)
        folder = options.out / name
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(net, folder / f"{name}.pt")
        points, labels = task.test
        np.savez_compressed(folder / f"{name}.npz", X=points[: task.saved].astype(np.float64), y=labels[: task.saved].astype(np.int64))
        shares = f"{accuracy(net, task.train):.4f} on training data, {accuracy(net, task.test):.4f} on test data"
        print(f"{name}: accuracy {shares}; wrote {folder / name}.pt and .npz")


if __name__ == "__main__":
    main()
