"""Proofs of small networks, for the tests of the checker that stands alone."""

from __future__ import annotations

import functools
import gzip
import json
import tempfile
from fractions import Fraction as F
from pathlib import Path
from typing import Any

from nets import SPECIAL, l1_net, quarter_net, random_net, tent_net
from prover import Prover, prove

from polylc import checker
from polylc.domains.ball import ball
from polylc.domains.box import Neighbourhood, box
from polylc.network.form import Network

SAMPLES: dict[str, tuple[Network, Neighbourhood, int]] = {
    "random": (random_net([2, 4, 3, 3], 1), box([-1, -1], [1, 1]), 0),
    "ball": (random_net([2, 3, 3, 2], 6), ball([F(1, 8), F(1, 8)], 1), 1),
    "ties": (quarter_net([2, 3, 3, 2], 7), ball([F(1, 8), F(1, 8)], 1), 0),
    "three inputs": (quarter_net([3, 3, 2, 3], 10), ball([F(1, 8)] * 3, 1), 2),
    "robust": (quarter_net([3, 3, 2, 3], 12), ball([F(1, 8)] * 3, 1), 0),
    "wrong label": (random_net([2, 4, 3, 3], 2), ball([F(1, 3), F(1, 5)], 1), 1),
    "fixed coordinate": (random_net([3, 3, 3, 2], 5), ball([0, F(1, 7), 0], [1, 0, 1]), 1),
    "zero biases": (SPECIAL["zero biases"], box([-1, -1], [1, 1]), 0),
    "l1": (l1_net(2), box([-1, -1], [1, 2]), 0),
    "tent": (tent_net(3), box([0], [1]), 0),
}


def write(lines: list[Any], folder: Path, name: str = "x.proof") -> Path:
    """A proof file; lines that are text are written as they are."""
    path = folder / name
    path.write_bytes(gzip.compress("".join((v if isinstance(v, str) else json.dumps(v)) + "\n" for v in lines).encode(), 1))
    return path


def verified(network: Network, *provers: Prover) -> list[checker.Verified]:
    with tempfile.TemporaryDirectory() as folder:
        return checker.check_file(write(prove(network, list(provers)), Path(folder)))


@functools.cache
def sample(name: str, seed: int) -> Prover:
    network, domain, label = SAMPLES[name]
    return Prover(network, domain, label=label, seed=seed)
