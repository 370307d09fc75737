"""The dictionary engine: its contract, its regions against the reference engine and exact oracles, its claims, its
limits.
"""

from __future__ import annotations

import itertools
from fractions import Fraction as F

import numpy as np
import pytest
from nets import SPECIAL, l1_net, quarter_net, random_net, tent_net
from numba import njit
from test_network import residual_net

from polylc import checker
from polylc.api.certify import certify
from polylc.domains.ball import ball
from polylc.domains.box import Neighbourhood, box
from polylc.engines.contract import Chunk, Exploration, Limits, Outcome, check_contract
from polylc.engines.dictionary import engine as dictionary
from polylc.engines.dictionary.engine import DictionaryEngine
from polylc.engines.dictionary.levels import renew
from polylc.engines.dictionary.search import _follow
from polylc.engines.dictionary.simplex import REBUILDS
from polylc.engines.dictionary.state import TOP, Search
from polylc.engines.lp import LpEngine
from polylc.judge.by_node import Judge
from polylc.judge.verdict import Verdict
from polylc.network.form import Network, chain
from polylc.network.patterns import unpack
from polylc.readers.load import load

Patterns = set[tuple[bool, ...]]


def explore(network: Network, domain: Neighbourhood) -> Exploration:
    found = DictionaryEngine(network, domain).explore()
    check_contract(network, domain, found)
    assert found.complete
    return found


def patterns(network: Network, found: Exploration) -> Patterns:
    return {tuple(row) for row in unpack(found.bits, network.neurons).tolist()}


def judged(network: Network, domain: Neighbourhood) -> Verdict:
    judge = Judge(network, domain)
    verdict = judge.verdict(DictionaryEngine(network, domain, judge).explore())
    check_contract(network, domain, verdict.exploration)
    assert verdict.exploration.complete
    return verdict


def settled_by_the_filter(verdict: Verdict) -> bool:
    """Whether doubles confirmed every claim and every region."""
    return not any(many for name, many in verdict.tally.as_dict().items() if not name.endswith("filter"))


def unit_box(network: Network) -> Neighbourhood:
    return box([-1] * network.inputs, [1] * network.inputs)


# ---- the same regions as the reference engine, and as exact oracles --------------------------------------------------
@pytest.mark.parametrize("n", range(1, 7))
@pytest.mark.parametrize("make", [random_net, quarter_net])
def test_regions_equal_those_of_the_reference_engine(make, n):
    for seed in range(3):
        network = make([n, 7, 6, 1], seed)
        found = explore(network, unit_box(network))
        assert patterns(network, found) == patterns(network, LpEngine(network, unit_box(network)).explore())


@pytest.mark.parametrize(("network", "regions"), [(l1_net(6), 64), (tent_net(8), 256)])
def test_known_counts(network, regions):
    domain = box([-1] * 6, [1] * 6) if network.inputs == 6 else box([0], [1])
    assert len(explore(network, domain).leaf) == regions


@pytest.mark.parametrize("exponent", [-300, -30, 30, 300])
def test_the_scale_of_weights_does_not_matter(exponent):
    network = random_net([2, 6, 5, 1], 4)
    affines = [*(layer.affine for layer in network.layers), network.output]
    factor = 2.0**exponent
    scaled = chain(
        [affines[0].terms[0][1] * factor, affines[1].terms[0][1] / factor, affines[2].terms[0][1]],
        [affines[0].bias * factor, affines[1].bias, affines[2].bias],
    )
    assert patterns(scaled, explore(scaled, unit_box(network))) == patterns(network, explore(network, unit_box(network)))


def test_weights_at_the_end_of_the_range_end_neither_in_a_loop_nor_in_an_error():
    huge = chain([[[1e200, -1e200], [1e200, 1.0]], [[1e200, -1e200], [1e-300, 1.0]], [[1.0, 1.0]]], [[1e200, 0.0], [1e200, -1.0], [0.0]])
    with np.errstate(all="ignore"):
        found = DictionaryEngine(huge, unit_box(huge)).explore()
    assert found.complete


def test_chunks_join_to_the_whole_and_hold_a_region_below_every_claim(monkeypatch):
    monkeypatch.setattr(dictionary, "CHUNK_REGIONS", 8)
    network = random_net([3, 8, 8, 1], 1)
    chunks: list[Chunk] = []
    found = DictionaryEngine(network, unit_box(network), chunks.append).explore()
    assert len(chunks) > 2
    for column in ("parent", "neuron", "side", "bits", "unit", "leaf"):
        np.testing.assert_array_equal(np.concatenate([getattr(c, column) for c in chunks]), getattr(found, column))
    nodes = regions = 0
    for chunk in chunks:
        assert (chunk.first_node, chunk.first_region) == (nodes, regions)
        nodes, regions = nodes + len(chunk.parent), regions + len(chunk.leaf)
        above = set()
        for node in chunk.leaf.tolist():
            while node >= 0 and node not in above:
                above.add(node)
                node = int(found.parent[node])
        assert set(chunk.claims.node.tolist()) <= above


@pytest.mark.parametrize("widths", [[2, 16, 16, 1], [3, 10, 8, 8, 1], [5, 8, 8, 1], [12, 6, 6, 1]])
def test_in_general_position_doubles_confirm_everything(widths):
    network = random_net(widths, 5)
    assert settled_by_the_filter(judged(network, unit_box(network)))


# ---- numerical hygiene -----------------------------------------------------------------------------------------------
@njit(_nrt=False)
def _renew_the_top(search: Search) -> None:
    _follow(search, search.at[TOP])
    renew(search, search.at[TOP])


@pytest.mark.parametrize("widths", [[2, 12, 12, 1], [5, 8, 8, 1], [20, 8, 8, 1]])
def test_a_dictionary_computed_anew_is_the_one_that_was_pivoted(widths):
    network = random_net(widths, 7)
    for regions in (5, 40):
        engine = DictionaryEngine(network, unit_box(network))
        assert not engine.explore(Limits(regions=regions)).complete
        search = engine._search
        top = search.at[TOP]
        rows = search.lev.rows[top]
        assert search.lev.fixed[top] > 2
        before = [column[top].copy() for column in search.arena]
        _renew_the_top(search)
        assert search.stats[REBUILDS] == 1
        np.testing.assert_allclose(search.arena.T[top, :, :rows], before[0][:, :rows], atol=1e-9)
        np.testing.assert_allclose(search.arena.value[top, :rows], before[1][:rows], atol=1e-10)


@pytest.mark.parametrize("calls", [1, 2, 5])
@pytest.mark.parametrize("where", ["progress", "sink"])
def test_an_interrupt_leaves_a_prefix_that_the_judge_confirms(monkeypatch, calls, where):
    monkeypatch.setattr(dictionary, "CHUNK_REGIONS", 16)
    network, domain = random_net([3, 12, 12, 1], 0), box([-1] * 3, [1] * 3)
    whole = explore(network, domain)
    judge = Judge(network, domain)
    count = itertools.count(1)

    def interrupt() -> None:
        if next(count) == calls:
            raise KeyboardInterrupt

    def sink(chunk: Chunk) -> None:
        judge(chunk)
        if where == "sink":
            interrupt()

    found = DictionaryEngine(network, domain, sink).explore(progress=lambda *_: interrupt() if where == "progress" else None)
    assert found.outcome is Outcome.INTERRUPTED
    np.testing.assert_array_equal(found.bits, whole.bits[: len(found.leaf)])
    verdict = judge.verdict(found)
    assert verdict.exploration.outcome is Outcome.INTERRUPTED
    assert patterns(network, verdict.exploration) == patterns(network, found) < patterns(network, whole)


# ---- known networks, proofs ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "radius", "clip", "regions"),
    [("moons2d", None, None, 1966), ("rand3d", "0.2", None, 7335), ("rand5d", "0.1", None, 700), ("digits64", "0.05", (0, 1), 1161)],
)
def test_known_networks(request, name, radius, clip, regions):
    path = request.config.rootpath / "tests" / "data" / f"{name}.npz"
    network = load(path)
    bounds = None if clip is None else ((F(clip[0]),), (F(clip[1]),))
    domain = box([-2, -2], [3, 3]) if radius is None else ball(np.load(path)["centers"][0], radius, bounds)
    verdict = judged(network, domain)
    assert len(verdict.exploration.leaf) == regions
    assert settled_by_the_filter(verdict)


@pytest.mark.parametrize("network", [random_net([3, 7, 6, 1], 2), residual_net(1), SPECIAL["duplicates and negatives"], l1_net(3)])
def test_proof_files_are_verified(tmp_path, network):
    proof = tmp_path / "net.proof"
    middle = [0] * network.inputs
    run = certify(network, middle, radius=1, engine="dictionary", proof=proof)
    other = certify(network, middle, radius=1)
    assert (run[0].status, run[0].engine) == ("certified", "dictionary")
    for name in ("regions", "adjacencies", "pieces", "affine_functions"):
        assert getattr(run[0], name) == getattr(other[0], name)
    checker.check_file(str(proof))
