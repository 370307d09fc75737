"""Local Lipschitz constants: the largest dual norm of the gradient over the regions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polylc.complex.regions import Complex
from polylc.measures.variation import spectral_norms

NORMS = ("linf", "l2", "l1")


@dataclass(frozen=True)
class Lipschitz:
    """sup |g(x) - g(y)| / ||x - y||_norm over the neighbourhood, and a region where it is attained.

    `target` is an output f0, a margin f3-f5, or "jacobian": the operator norm from p to p of the whole map.
    """

    target: str
    norm: str
    value: float
    region: int


def lipschitz(complex_: Complex, label: int | None) -> list[Lipschitz]:
    """Constants for linf, l2 and l1 of every output (of every margin fy-fj, with a label y) and of the Jacobian.

    For norm p they are the largest dual norm of the gradient: l1 for linf, l2 for l2, linf for l1 (docs/words.md).
    """
    network = complex_.network
    targets: list[tuple[str, int, int | None]]
    if label is None or network.outputs == 1:
        targets = [(f"f{i}", i, None) for i in range(network.outputs)]
    else:
        targets = [(f"f{label}-f{j}", label, j) for j in range(network.outputs) if j != label]
    best = {(name, norm): (-1.0, 0) for name in [*(t[0] for t in targets), "jacobian"] for norm in NORMS}

    def see(name: str, norm: str, values: np.ndarray, offset: int) -> None:
        at = int(np.argmax(values))
        if values[at] > best[name, norm][0]:
            best[name, norm] = (float(values[at]), offset + at)

    for rows, jacobian in complex_.jacobians():
        for name, i, j in targets:
            gradient = jacobian[:, i] if j is None else jacobian[:, i] - jacobian[:, j]
            size = np.abs(gradient)
            see(name, "linf", size.sum(axis=1), rows.start)
            see(name, "l2", np.sqrt((gradient**2).sum(axis=1)), rows.start)
            see(name, "l1", size.max(axis=1), rows.start)
        size = np.abs(jacobian)
        see("jacobian", "linf", size.sum(axis=2).max(axis=1), rows.start)
        see("jacobian", "l2", spectral_norms(jacobian), rows.start)
        see("jacobian", "l1", size.sum(axis=1).max(axis=1), rows.start)
    return [Lipschitz(name, norm, *best[name, norm]) for name in [*(t[0] for t in targets), "jacobian"] for norm in NORMS]
