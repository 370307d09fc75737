"""The judge's door: chunks of real engines, damaged at random, never crash the judge, and never get a wrong answer
past it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from nets import quarter_net

from polylc.domains.ball import ball
from polylc.domains.box import Neighbourhood, box
from polylc.engines.choose import engine_class
from polylc.engines.contract import Chunk, Claims, Exploration, Outcome
from polylc.errors import PolylcError
from polylc.judge.by_node import Judge
from polylc.judge.by_region import RegionJudge, UnsettledError
from polylc.network.form import Affine, Layer, Network
from polylc.network.patterns import pack

COLUMNS = ("parent", "neuron", "side", "bits", "unit", "leaf")
CLAIMS = ("node", "neuron", "sign", "starts", "constraint", "multiplier")
ODD = (-(2**31), -1000, -65, -64, -2, -1, 0, 1, 2, 63, 64, 65, 1000, 2**20, 2**31 - 1)


class Sink(list[Chunk]):
    """Keeps what an engine says."""

    keeps_regions = False

    def __init__(self, by_region: bool) -> None:
        super().__init__()
        self.by_region = by_region

    def __call__(self, chunk: Chunk) -> None:
        copies = {name: np.array(getattr(chunk, name)) for name in COLUMNS}
        claims = Claims(**{name: np.array(getattr(chunk.claims, name)) for name in CLAIMS})
        self.append(replace(chunk, **copies, claims=claims))


def said(network: Network, domain: Neighbourhood, engine: str, by_region: bool) -> tuple[list[Chunk], Exploration]:
    sink = Sink(by_region)
    found = engine_class(engine)(network, domain, sink).explore()
    return list(sink), found


def damaged(chunk: Chunk, rng: np.random.Generator) -> Chunk:
    """The chunk with something wrong in one of its columns."""
    at_claims = rng.random() < 0.55
    owner: Any = chunk.claims if at_claims else chunk
    name = str(rng.choice(CLAIMS if at_claims else COLUMNS))
    column = np.array(getattr(owner, name))
    how = rng.integers(7)
    if how == 0:
        column = column[:-1] if len(column) else np.concatenate([column, np.zeros((1, *column.shape[1:]), column.dtype)])
    elif how == 1:
        column = np.concatenate([column, column[-1:]])
    elif how == 2:
        column = column.astype(rng.choice(["float64", "int64", "uint64", "int8"]))
    elif how == 3 and len(column):
        column = column[rng.permutation(len(column))]
    elif len(column):
        place = tuple(int(rng.integers(n)) for n in column.shape)
        with np.errstate(over="ignore"):
            if column.dtype.kind == "f":
                column[place] = rng.choice([np.nan, np.inf, -np.inf, 0.0, -1.0, 1.0, 1e308, -column[place], column[place] * 2])
            elif column.dtype.kind == "u":
                column[place] ^= np.uint64(1) << np.uint64(rng.integers(64))
            elif rng.random() < 0.5:
                column[place] = np.int64(rng.choice(ODD)).astype(column.dtype)
            else:
                column[place] += rng.integers(-3, 4)
    return replace(chunk, claims=replace(owner, **{name: column})) if at_claims else replace(chunk, **{name: column})


def cases(slow: bool) -> list[Any]:
    kinds = [("lp", False), ("dictionary", False), ("vertex", False), ("vertex", True)]
    seeds = range(400) if slow else range(40)
    marks = [pytest.mark.slow] if slow else []
    return [pytest.param(engine, by_region, seed, marks=marks) for engine, by_region in kinds for seed in seeds[:: 1 if slow else 4]]


@pytest.mark.parametrize(("engine", "by_region", "seed"), [*cases(slow=False), *cases(slow=True)])
def test_damaged_chunks_are_refused_or_made_good(engine, by_region, seed):
    rng = np.random.default_rng(seed)
    network, domain = quarter_net([2, 3, 3, 2], seed % 20), ball([0, 0], 1)
    chunks, found = said(network, domain, engine, by_region)
    exact = Judge(network, domain)
    told, reference = said(network, domain, "lp", False)
    for chunk in told:
        exact(chunk)
    truth = {row.tobytes() for row in exact.verdict(reference).exploration.bits}
    for _ in range(25):
        judge = RegionJudge(network, domain) if by_region else Judge(network, domain, keep=bool(rng.integers(2)))
        which = int(rng.integers(len(chunks)))
        try:
            for i, chunk in enumerate(chunks):
                judge(damaged(chunk, rng) if i == which else chunk)
            verdict = judge.verdict(found)
        except (PolylcError, UnsettledError):
            continue
        if verdict.exploration.outcome is Outcome.COMPLETE:
            assert {row.tobytes() for row in verdict.exploration.bits} == truth
        else:
            assert {row.tobytes() for row in verdict.exploration.bits} <= truth


def test_a_claim_on_a_neuron_that_is_none_is_refused():
    """It wrapped around to the last neuron, and the judge certified two regions of three."""
    weights, biases = np.zeros((64, 1)), np.full(64, 9.0)
    weights[0], biases[0], weights[63], biases[63] = 1, -0.25, 1, -0.5
    network = Network(1, (Layer(Affine(((0, weights),), biases), np.zeros(64), np.ones(64)),), Affine(((1, np.ones((1, 64))),), np.zeros(1)))
    bits = np.ones((2, 64), dtype=bool)
    bits[0, [0, 63]] = False

    def whole(*values: int) -> np.ndarray:
        return np.array(values, dtype=np.int32)

    claims = Claims(whole(1, 2), whole(63, -1), np.array([-1, 1], np.int8), np.array([0, 1, 2]), whole(1, 2), np.array([1.0, 1.0]))
    chunk = Chunk(0, whole(-1, 0, 0), whole(-1, 0, 0), np.array([-1, 0, 1], np.int8), 0, pack(bits), np.array([[-0.5], [0.9]]), whole(1, 2), claims)
    with pytest.raises(PolylcError, match=r"claims\.neuron holds a number out of range\(0, 64\)"):
        Judge(network, box([-1], [1]))(chunk)
