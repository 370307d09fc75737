"""Compiled engines and the same code as plain Python: the same patterns, the same counts, no index out of range, no
warning.

Compiled kernels check no index and wrap silently around; plain Python raises an error, and here every warning of numpy
is one, too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from nets import quarter_net, random_net

from polylc.domains.ball import ball
from polylc.domains.box import Neighbourhood, box
from polylc.engines.contract import Chunk, Limits, join_claims
from polylc.engines.extras import Wishes
from polylc.network.form import Network
from polylc.readers.load import load
from polylc.search.enumerate import engine_class

DATA = Path(__file__).parent / "data"


class Sink(list[Chunk]):
    """Keeps the chunks."""

    def __init__(self, by_region: bool = False) -> None:
        self.by_region = by_region

    def __call__(self, chunk: Chunk) -> None:
        self.append(chunk)


def reference(name: str, radius: str) -> tuple[Network, Neighbourhood]:
    """A small ball of a reference network."""
    return load(DATA / f"{name}.npz"), ball(np.load(DATA / f"{name}.npz")["centers"][0], radius)


def drawn(n: int, make=random_net) -> tuple[Network, Neighbourhood]:
    """A small network of dimension n on the whole box."""
    return make([n, 5, 4, 1], n), box([-1] * n, [1] * n)


CASES = {
    "moons2d": ("vertex", lambda: reference("moons2d", "0.1")),
    "moons2d, larger": ("vertex", lambda: reference("moons2d", "0.7")),
    "rand3d": ("vertex", lambda: reference("rand3d", "0.03")),
    "line": ("vertex", lambda: drawn(1)),
    "four": ("vertex", lambda: drawn(4)),
    "five": ("vertex", lambda: drawn(5)),
    "ties": ("vertex", lambda: drawn(3, quarter_net)),
    "digits64": ("dictionary", lambda: reference("digits64", "0.01")),
    "moons2d by dictionary": ("dictionary", lambda: reference("moons2d", "0.7")),
    "five by dictionary": ("dictionary", lambda: drawn(5)),
    "ties by dictionary": ("dictionary", lambda: drawn(3, quarter_net)),
}


def result(case: str) -> dict:
    """What an engine finds, with claims at nodes, and also with claims by region and all that it tells besides if it is
    `vertex`.
    """
    name, make = CASES[case]
    (network, domain), kind, sink = make(), engine_class(name), Sink()
    found = kind(network, domain, sink).explore()
    claims = join_claims([chunk.claims for chunk in sink])
    answer = {
        "patterns": sorted(row.tobytes().hex() for row in found.bits),
        "regions": len(found.leaf),
        "inside": bool((np.abs(found.unit) < 1).all()),
        "nodes": len(found.parent),
        "claims": sorted(zip(claims.node.tolist(), claims.neuron.tolist(), claims.sign.tolist(), strict=True)),
    }
    cell = [(int(found.neuron[1]), int(found.side[1]))] if len(found.parent) > 1 else []
    answer["first half"] = len(kind(network, domain, Sink(), cell).explore().leaf)
    answer["partial"] = len(kind(network, domain, Sink()).explore(Limits(regions=3)).leaf)
    if name == "vertex":
        by_region = Sink(True)
        told = kind(network, domain, by_region, wishes=Wishes(facets=True, sizes=True, maps=1 << 20)).explore().seen
        answer["claims by region"] = len(join_claims([chunk.claims for chunk in by_region]))
        answer["facets"] = [row.tobytes().hex() for row in told.facets.neurons]
        answer["volume"] = round(float(told.sizes.volume.sum()), 9)
        answer["maps"] = np.round(told.maps.map.sum(axis=0), 6).tolist()
    return answer


@pytest.fixture(scope="module")
def plain() -> dict[str, dict]:
    """The results of plain Python."""
    command = [sys.executable, "-W", "error", __file__]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent.parent), *sys.path])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answers: dict[str, dict] = json.loads(done.stdout)
    return answers


@pytest.mark.parametrize("case", CASES)
def test_plain_python_finds_what_compiled_kernels_find(plain, case):
    expected = json.loads(json.dumps(result(case)))
    assert expected["regions"] > 1
    if "ties" in case:  # rounding decides how degenerate cells are cut, and compiled products and sums round once
        assert plain[case]["patterns"] == expected["patterns"]
    else:
        assert plain[case] == expected


if __name__ == "__main__":
    print(json.dumps({case: result(case) for case in CASES}))
