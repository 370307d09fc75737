"""The vertex engine: its contract, its regions against the lp engine and exact oracles, its claims before the judge."""

from __future__ import annotations

import numpy as np
import pytest
from nets import SPECIAL, l1_net, quarter_net, random_net, tent_net
from oracles import clip_regions

from polylc.api.certify import certify
from polylc.checker import check_file
from polylc.domains.ball import ball
from polylc.domains.box import Neighbourhood, box
from polylc.engines.choose import choose_engine
from polylc.engines.contract import Exploration, Limits, Outcome, check_contract, join_claims
from polylc.engines.lp import LpEngine
from polylc.engines.vertex import engine as vertex
from polylc.engines.vertex.engine import VertexEngine
from polylc.errors import UsageError
from polylc.judge.by_node import Judge
from polylc.judge.verdict import Verdict
from polylc.network.compose import compose
from polylc.network.form import Affine, Layer, Network, chain
from polylc.network.patterns import unpack
from polylc.readers.load import load


def explore(network: Network, domain: Neighbourhood) -> Exploration:
    found = VertexEngine(network, domain).explore()
    check_contract(network, domain, found)
    assert found.complete
    return found


def judged(network: Network, domain: Neighbourhood, keep: bool = False) -> Verdict:
    judge = Judge(network, domain, keep)
    verdict = judge.verdict(VertexEngine(network, domain, judge).explore())
    check_contract(network, domain, verdict.exploration)
    assert verdict.exploration.complete
    return verdict


def patterns(network: Network, found: Exploration) -> set[tuple[bool, ...]]:
    return {tuple(row) for row in unpack(found.bits, network.neurons).tolist()}


def unit_box(network: Network) -> Neighbourhood:
    return box([-1] * network.inputs, [1] * network.inputs)


def skip_net(n: int, seed: int, slope: float = 0.0) -> Network:
    """Three layers; the second reads the input as well, the third all layers before it."""
    rng = np.random.default_rng(seed)

    def affine(*sources: tuple[int, int], size: int) -> Affine:
        return Affine(tuple((s, rng.normal(size=(size, w)) / np.sqrt(w)) for s, w in sources), 0.5 * rng.normal(size=size))

    affines = [affine((0, n), size=5), affine((1, 5), (0, n), size=4), affine((2, 4), (0, n), (1, 5), size=4)]
    layers = tuple(Layer(a, np.full(a.size, slope), np.ones(a.size)) for a in affines)
    return Network(n, layers, affine((3, 4), (1, 5), size=2))


# ---- regions ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", range(1, 6))
@pytest.mark.parametrize("make", [random_net, quarter_net])
def test_regions_equal_those_of_the_lp_engine(make, n):
    for seed in range(3):
        network = make([n, 6, 5, 4, 1], seed)
        assert patterns(network, explore(network, unit_box(network))) == patterns(network, LpEngine(network, unit_box(network)).explore())


@pytest.mark.parametrize("slope", [0.25, -1.0, 0.1])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_other_slopes(n, slope):
    network = random_net([n, 6, 5, 4, 1], n, negative_slope=slope)
    assert patterns(network, explore(network, unit_box(network))) == patterns(network, LpEngine(network, unit_box(network)).explore())


@pytest.mark.parametrize("slope", [0.0, 0.25])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_skip_connections(n, slope):
    network = skip_net(n, n, slope)
    expected = patterns(network, LpEngine(network, unit_box(network)).explore())
    verdict = judged(network, unit_box(network))
    assert patterns(network, explore(network, unit_box(network))) == expected == patterns(network, verdict.exploration)
    assert verdict.tally.claims_refuted == 0


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_known_counts(n):
    assert len(explore(l1_net(n), unit_box(l1_net(n))).leaf) == 2**n
    assert len(explore(tent_net(7), box([0], [1])).leaf) == 2**7


@pytest.mark.parametrize(
    ("name", "radius", "count"),
    [("moons2d", None, 1966), ("deep2d", None, 12956), ("rand3d", "0.2", 7335), ("rand4d", "0.1", 326), ("rand5d", "0.1", 700)],
)
def test_reference_networks(data, name, radius, count):
    network, arrays = load(data / f"{name}.npz"), np.load(data / f"{name}.npz")
    domain = box(arrays["lo"], arrays["hi"]) if radius is None else ball(arrays["centers"][0], radius)
    assert len(explore(network, domain).leaf) == count


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_all_claims_are_settled_by_the_filter(n):
    """On networks in general position: each claim's multipliers prove it in floating point."""
    for seed in range(3):
        tally = judged(random_net([n, 7, 6, 1], seed), box([-1] * n, [1] * n)).tally.as_dict()
        assert tally.pop("claims_filter") > 0
        assert tally.pop("regions_filter") > 0
        assert set(tally.values()) == {0}


@pytest.mark.parametrize(("widths", "seed"), [([2, 8, 6, 1], 0), ([3, 6, 6, 2], 1), ([4, 5, 5, 1], 2), ([1, 6, 6, 1], 3), ([5, 5, 4, 1], 4)])
def test_claims_are_complete(widths, seed):
    """Every neuron is split on a region's path, or claimed once on it with the bit's sign, with multipliers on the
    path.
    """
    network = random_net(widths, seed)
    domain = unit_box(network)
    chunks = []
    found = VertexEngine(network, domain, chunks.append).explore()
    claims = join_claims([c.claims for c in chunks])
    assert (claims.multiplier > 0).all()
    bits = unpack(found.bits, network.neurons)
    forms = compose(network, bits, np.column_stack([domain.basis * domain.half, domain.middle]), domain.rounding).hidden
    spread = np.abs(forms[:, :, :-1]).sum(axis=2)
    undecided = np.abs(forms[:, :, -1]) < spread  # by intervals
    for r, leaf in enumerate(found.leaf):
        line, node = [], int(leaf)
        while node >= 0:
            line.append(node)
            node = int(found.parent[node])
        split = [int(found.neuron[node]) for node in line if node]
        here = np.flatnonzero(np.isin(claims.node, line))
        assert sorted(split + claims.neuron[here].tolist()) == list(range(network.neurons))
        assert all((claims.sign[c] > 0) == bits[r, claims.neuron[c]] for c in here)
        for c in here:
            entries = slice(claims.starts[c], claims.starts[c + 1])
            assert set(claims.constraint[entries].tolist()) <= set(line) - {0}
            assert undecided[r, claims.neuron[c]] or not len(claims.multiplier[entries])


@pytest.mark.parametrize("name", ["moons2d", "rand3d", "rand5d"])
def test_proof_files_are_verified(data, name, tmp_path):
    network, arrays = load(data / f"{name}.npz"), np.load(data / f"{name}.npz")
    where = {"box": (arrays["lo"], arrays["hi"])} if name == "moons2d" else {"points": arrays["centers"][0], "radius": "0.05"}
    proof = tmp_path / "proof"
    result = certify(network, measures="counts", engine="vertex", proof=proof, **where)[0]
    assert (result.status, result.engine) == ("certified", "vertex")
    assert result.regions == certify(network, measures="counts", engine="lp", **where)[0].regions
    check_file(proof)


@pytest.mark.parametrize("name", SPECIAL)
def test_proof_files_in_special_position_are_verified(name, tmp_path):
    network = SPECIAL[name]
    proof = tmp_path / "proof"
    assert certify(network, box=([-1, -1], [1, 1]), measures="counts", engine="vertex", proof=proof)[0].status == "certified"
    check_file(proof)


def test_proof_files_of_skip_networks_are_verified(tmp_path):
    for n, slope in ((2, 0.0), (3, 0.25)):
        proof = tmp_path / f"proof{n}"
        certify(skip_net(n, n, slope), box=([-1] * n, [1] * n), measures="counts", engine="vertex", proof=proof)
        check_file(proof)


def parallel_hyperplanes(n: int, shifts: tuple[int, ...]) -> Network:
    """x_i - x_j = s for all i < j and s in shifts: many hyperplanes through each vertex."""
    rows = [(i, j, s) for i in range(n) for j in range(i + 1, n) for s in shifts]
    weight = np.array([np.eye(n)[i] - np.eye(n)[j] for i, j, _ in rows])
    return chain([weight, np.ones((1, len(rows)))], [np.array([-float(s) for *_, s in rows]), np.zeros(1)])


@pytest.mark.parametrize(("n", "shifts", "count"), [(5, (0,), 120), (4, (0, 1), 125), (5, (0, 1), 1296), (4, (-1, 0, 1), 336), (5, (1,), 246)])
def test_ties_are_proved_by_the_multipliers_of_a_vertex(n, shifts, count):
    """Braid, Shi, Catalan and Linial arrangements (Stanley 2007): no claim is left to the exact simplex."""
    network = parallel_hyperplanes(n, shifts)
    domain = box([-50] * n, [50] * n)
    assert len(explore(network, domain).leaf) == count
    verdict = judged(network, domain)
    assert len(verdict.points) == count
    assert verdict.tally.claims_integers > 0
    assert (verdict.tally.claims_simplex, verdict.tally.claims_refuted) == (0, 0)


# ---- chunks, limits, interrupts --------------------------------------------------------------------------------------
def test_chunks_of_large_networks_hold_few_regions(monkeypatch):
    """So that none keeps a judge busy beyond a time limit; regions are the same, in the same order."""
    network = random_net([2, 9, 8, 2], 3)
    whole = explore(network, unit_box(network))
    monkeypatch.setattr(vertex, "CHUNK_BITS", 5 * network.neurons)
    sent = []
    found = VertexEngine(network, unit_box(network), sent.append).explore()
    assert max(len(chunk.leaf) for chunk in sent) <= 5 < len(whole.leaf)
    assert (found.bits == whole.bits).all()
    assert (found.unit == whole.unit).all()


def test_chunks_join_to_the_whole(monkeypatch):
    network, domain = random_net([3, 12, 12, 1], 0), box([-1] * 3, [1] * 3)
    whole, sent = [], []
    found = VertexEngine(network, domain, whole.append).explore()
    assert len(whole) == 1
    monkeypatch.setattr(vertex, "CHUNK_REGIONS", 7)
    monkeypatch.setattr(vertex, "CHUNK_CLAIMS", 30)
    again = VertexEngine(network, domain, sent.append).explore()
    check_contract(network, domain, again)
    for name in ("parent", "neuron", "side", "bits", "unit", "leaf"):
        joined = np.concatenate([getattr(c, name) for c in sent])
        assert (joined == getattr(found, name)).all()
        assert (joined == getattr(again, name)).all()
    claims, expected = join_claims([c.claims for c in sent]), whole[0].claims
    for name in ("node", "neuron", "sign", "starts", "constraint", "multiplier"):
        assert (getattr(claims, name) == getattr(expected, name)).all()
    for chunk in sent:  # below each node that is spoken of, there is a region of the chunk
        above = set()
        for node in chunk.leaf.tolist():
            while node >= 0:
                above.add(node)
                node = int(found.parent[node])
        assert set(chunk.claims.node.tolist()) <= above
        assert chunk.leaf.max() < chunk.first_node + len(chunk.parent)


@pytest.mark.parametrize("size", [1, 5])
def test_partial_verdicts_hold_only_real_regions(monkeypatch, size):
    network, domain = random_net([2, 8, 6, 1], 1), box([-1, -1], [1, 1])
    truth = {c.bits for c in clip_regions(network, domain)}
    monkeypatch.setattr(vertex, "CHUNK_REGIONS", size)
    for most in (1, 5, 9):
        judge = Judge(network, domain)
        verdict = judge.verdict(VertexEngine(network, domain, judge).explore(Limits(regions=most)))
        assert len(verdict.points) == most
        assert patterns(network, verdict.exploration) <= truth


@pytest.mark.parametrize("place", ["sink", "progress", "begin_chunk", "claims"])
def test_interrupts_leave_a_consistent_prefix(monkeypatch, place):
    network, domain = random_net([2, 8, 6, 1], 1), box([-1, -1], [1, 1])
    whole = explore(network, domain)
    truth = patterns(network, whole)
    monkeypatch.setattr(vertex, "CHUNK_REGIONS", 3)
    for moment in range(1, 12):
        left, judge = [moment], Judge(network, domain)

        def tick(left=left):
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt

        def sink(chunk, tick=tick, judge=judge):
            judge(chunk)
            if place == "sink":
                tick()

        def progress(regions, share, tick=tick):
            if place == "progress":
                tick()

        for module, name in ((vertex.kernel, "begin_chunk"), (vertex, "Claims")):
            if place in (name, name.lower()):
                real = getattr(module, name)
                monkeypatch.setattr(module, name, lambda *a, real=real, tick=tick: (tick(), real(*a))[1])
        found = VertexEngine(network, domain, sink).explore(progress=progress)
        monkeypatch.undo()
        monkeypatch.setattr(vertex, "CHUNK_REGIONS", 3)
        check_contract(network, domain, found)
        for name in ("parent", "bits", "leaf"):
            column = getattr(found, name)
            assert (column == getattr(whole, name)[: len(column)]).all()
        assert (found.outcome is Outcome.INTERRUPTED) == (left[0] <= 0)
        assert patterns(network, judge.verdict(found).exploration) <= truth


def test_cells_that_outgrow_the_arrays(monkeypatch):
    network, domain = random_net([4, 10, 6, 1], 0), box([-1] * 4, [1] * 4)
    expected = explore(network, domain)
    for name in ("CELL_ROOM", "CUT_ROOM"):
        monkeypatch.setattr(vertex, name, 17)
    found = explore(network, domain)
    assert (found.bits == expected.bits).all()
    assert (found.unit == expected.unit).all()


def test_too_many_dimensions_are_refused():
    domain = box([-1] * 6, [1] * 6)
    with pytest.raises(UsageError, match="vertex reaches dimension 5, this neighbourhood has 6"):
        choose_engine("vertex", domain)
    assert choose_engine("auto", domain) == ("vertex" if domain.dimension <= 4 else "dictionary")
    with pytest.raises(ValueError, match="too many vertices"):
        VertexEngine(random_net([6, 3, 1], 0), domain)
