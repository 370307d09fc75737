"""Networks and neighbourhoods drawn to be unpleasant: ties, slivers, dead layers, scales, centres outside U."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from polylc.network.form import Network, chain

FACTORS = (1.0, -1.0, 2.0, -0.5)
NUDGES = (0.0, 0.0, 2.0**-20, -(2.0**-35), 2.0**-50)  # the last ones are beyond what floats tell apart


@dataclass(frozen=True)
class Nasty:
    """A network, and where `certify` is to look at it."""

    network: Network
    where: dict[str, Any]
    label: int | None
    sigma: tuple[str, ...]


def nasty_net(rng: np.random.Generator, n: int, *, widest: int = 5, deepest: int = 3, scales: int = 0, slivers: bool = True) -> Network:
    """A chain with inputs in special position; the weights of each layer times 10 to an exponent of up to `scales`."""
    widths = [n, *rng.integers(1, widest + 1, size=int(rng.integers(1, deepest + 1))).tolist(), int(rng.integers(1, 4))]
    kind = rng.integers(6)
    weights, biases = [], []
    for a, b in itertools.pairwise(widths):
        w, c = rng.normal(size=(b, a)), 0.5 * rng.normal(size=b)
        if kind == 0:  # ties
            w, c = rng.integers(-4, 5, size=(b, a)) / 4, rng.integers(-4, 5, size=b) / 4
        elif kind == 1:  # hyperplanes through one point
            c = np.zeros(b)
        elif kind == 2:  # weights of few values, many of them zero
            w, c = rng.integers(-1, 2, size=(b, a)).astype(float), rng.integers(-1, 2, size=b).astype(float)
        elif kind == 3:  # dead or saturated
            c = c + 4 * rng.choice([-1.0, 1.0])
        for i in range(1, b):  # multiples of other neurons, exactly or nearly
            if rng.random() < 0.25:
                j, factor = int(rng.integers(i)), rng.choice(FACTORS)
                w[i], c[i] = factor * w[j], factor * c[j] + rng.choice(NUDGES if slivers else NUDGES[:3])
        weights.append(w)
        biases.append(c)
    size = before = 1.0
    for index in range(len(weights)):  # ReLU is homogeneous: biases grow with what comes in
        size = 10.0 ** int(np.clip(np.log10(size) + rng.integers(-scales, scales + 1), -200, 200))
        weights[index] = weights[index] * (size / before)
        biases[index] = biases[index] * size
        before = size
    return chain(weights, biases, negative_slope=float(rng.choice([0.0, 0.0, 0.0, 0.25, 1e-3])))


def nasty_case(seed: int) -> Nasty:
    """Dimensions 1 to 3, a few fixed coordinates besides; boxes and balls, clipped, thin, tiny, huge, off centre."""
    rng = np.random.default_rng(seed)
    n, fixed = int(rng.integers(1, 4)), int(rng.integers(3)) * int(rng.random() < 0.3)
    network = nasty_net(rng, n + fixed, scales=int(rng.choice([0, 0, 3, 40, 120])))
    size = 10.0 ** int(rng.choice([0, 0, 0, -3, 3, -30, 30]))
    centre = rng.choice([rng.normal(size=n + fixed), np.round(4 * rng.normal(size=n + fixed)) / 4, np.zeros(n + fixed)])
    radius = np.full(n, size * 2.0 ** float(rng.uniform(-3, 2)))
    shape = rng.integers(8)
    if shape == 0:  # a sliver
        radius[0] *= 10.0 ** -int(rng.integers(3, 13))
    radius = np.concatenate([radius, np.zeros(fixed)])[rng.permutation(n + fixed)]
    where: dict[str, Any]
    if shape == 1:
        where = {"box": ((centre - radius).tolist(), (centre + radius).tolist())}
    else:
        where = {"points": [centre.tolist()], "radius": radius.tolist()}
    if shape in (2, 3):  # clipped, at times so that the centre lies outside
        part = rng.uniform(-0.9, 0.9, size=(2, n + fixed))
        where["clip"] = _around(centre, radius, part.min(axis=0), part.max(axis=0))
    elif shape in (4, 5):  # clipped to a slab beside the centre, of which the class is asked: what is steep may lie between
        low = np.where(np.arange(n + fixed) == rng.integers(n + fixed), rng.uniform(0.05, 0.8), -1.0)
        where["clip"] = _around(centre, radius, low, np.where(low > 0, low + rng.uniform(0.01, 0.2), 1.0))
    label = int(rng.integers(network.outputs)) if rng.random() < 0.5 and shape not in (4, 5) else None
    sigma = tuple(str(s) for s in rng.choice(["0.1", "1", "1e-9", "1e9", f"{size:g}"], size=2, replace=False))
    return Nasty(network, where, label, tuple(dict.fromkeys(sigma)))


def _around(centre: np.ndarray, radius: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[list[float], list[float]]:
    """A clip box by shares of the radius; coordinates that are fixed are not cut."""
    free = radius > 0
    return np.where(free, centre + radius * low, centre - 1).tolist(), np.where(free, centre + radius * high, centre + 1).tolist()
