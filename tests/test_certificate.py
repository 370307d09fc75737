"""Proof files of `certify`: the checker verifies them, with the counts of independent oracles; damaged ones are
refused.
"""

from __future__ import annotations

import gzip
import itertools
import json
from fractions import Fraction as F
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import SPECIAL, l1_net, quarter_net, random_net, sliver_nets, small_nets, tent_net
from oracles import adjacent_pairs, brute_force_adjacent, brute_force_patterns, brute_force_regions, clip_regions
from scipy.optimize import linprog
from test_complex import count_pieces
from test_judge import unit_box
from typer.testing import CliRunner

import polylc
from polylc import checker
from polylc.api.certify import certify
from polylc.cli.main import app
from polylc.domains.ball import ball
from polylc.domains.box import Neighbourhood, box
from polylc.errors import CertificateError, ProofRefused, ProofUnreadable, UsageError
from polylc.network.form import Network, chain


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("proofs") / "one.proof"


def proved(network: Network, path: Path, **options) -> tuple:
    """A result on [-1, 1]^n (or what the options say) and what the checker verified of its proof."""
    if "points" not in options and "box" not in options:
        options["box"] = ([-1] * network.inputs, [1] * network.inputs)
    run = certify(network, proof=path, **options)
    (verified,) = checker.check_file(path)
    result = run[0]
    assert result.status == "certified"
    assert (verified.regions, verified.adjacencies, verified.affine_functions, verified.pieces) == (
        result.regions,
        result.adjacencies,
        result.affine_functions,
        result.pieces,
    )
    return result, verified


# ---- true proofs -----------------------------------------------------------------------------------------------------
@given(small_nets(max_inputs=3))
def test_proofs_of_networks_with_ties(path, network):
    result, _ = proved(network, path)
    assert result.regions == len(brute_force_patterns(network, unit_box(network)))


@given(small_nets(max_inputs=3, max_depth=2))
def test_everything_equals_brute_force(path, network):
    """Regions, adjacencies, pieces, maps, Lipschitz constants and the distance, in 1 to 3 dimensions."""
    domain = ball([F(1, 8)] * network.inputs, 1)
    result, _ = proved(network, path, points=["1/8"] * network.inputs, radius="1")
    regions = brute_force_regions(network, domain)
    pairs = brute_force_adjacent(regions, domain)
    assert (result.regions, result.adjacencies) == (len(regions), len(pairs))
    assert result.affine_functions == len({tuple(r.output) for r in regions})
    assert result.pieces == classes([r.output for r in regions], pairs)
    label = result.label
    targets = {f"f{i}": lambda r, i=i: r.output[i] for i in range(network.outputs)}
    if label is not None:
        targets = {
            f"f{label}-f{j}": lambda r, j=j: [a - b for a, b in zip(r.output[label], r.output[j], strict=True)] for j in range(2) if j != label
        }
    for row in result.lipschitz:
        if row.target != "jacobian":
            gradients = [[abs(v) for v in targets[row.target](r)[:-1]] for r in regions]
            sizes = {"linf": sum, "l1": max, "l2": lambda g: sum(v * v for v in g)}
            assert row.lower == row.upper == max(sizes[row.norm](g) for g in gradients)
    if label is not None:
        nearest = distance(regions, domain, label)
        assert result.robustness.robust == (nearest is None)
        if nearest is not None:
            assert result.robustness.exact_distance == pytest.approx(nearest, abs=1e-8)


def classes(maps: list, pairs: set[tuple[int, int]]) -> int:
    name = list(range(len(maps)))
    for i, j in pairs:
        if maps[i] == maps[j]:
            name = [name[i] if v == name[j] else v for v in name]
    return len(set(name))


def distance(regions: list, domain: Neighbourhood, label: int) -> float | None:
    """The linf distance from the centre to f_j >= f_label, over all closed regions, by floating programs."""
    n, best = domain.inputs, None
    for region in regions:
        margin = [a - b for a, b in zip(region.output[label], region.output[1 - label], strict=True)]
        # row <= 0
        rows = [[-v for v in f] if on else list(f) for f, on in zip(region.hidden, region.bits, strict=True)] + [margin]
        matrix = [[float(v) for v in r[:-1]] + [0.0] for r in rows]
        right = [-float(r[-1]) for r in rows]
        for j, c in enumerate(domain.center):
            for sign in (1.0, -1.0):
                matrix.append([sign * (i == j) for i in range(n)] + [-1.0])
                right.append(sign * float(c))
        bounds = [(float(a), float(b)) for a, b in zip(domain.lower, domain.upper, strict=True)] + [(0.0, None)]
        found = linprog([0.0] * n + [1.0], matrix, right, bounds=bounds)
        if found.status == 0:
            best = found.fun if best is None else min(best, found.fun)
    return best


@given(sliver_nets(max_inputs=2).filter(lambda net: net.inputs == 2))
def test_proofs_of_networks_with_slivers(path, network):
    result, _ = proved(network, path)
    cells = clip_regions(network, unit_box(network))
    pairs = adjacent_pairs(cells)
    assert (result.regions, result.adjacencies) == (len(cells), len(pairs))
    assert (result.affine_functions, result.pieces) == (len({tuple(c.output) for c in cells}), count_pieces(cells))


@pytest.mark.parametrize("name", SPECIAL)
def test_proofs_in_special_position(path, name):
    network = SPECIAL[name]
    label = [0] if network.outputs > 1 else None
    result, _ = proved(network, path, labels=label)
    assert result.regions == len(brute_force_patterns(network, unit_box(network)))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("weights", [-300, -250, -150, -100, -30, 0, 30, 100, 150])
@pytest.mark.parametrize("n", [1, 2])
def test_proofs_at_every_scale(tmp_path, n, weights):
    """Weights of 1e-300 to 1e150, neighbourhoods of 1e-100 to 1e100: what is written is verified."""
    for radius, depth, outputs in itertools.product((-100, -30, 0, 30, 100), (1, 2), (1, 2)):
        rng, widths = np.random.default_rng([n, depth, outputs]), [n, *[2] * depth, outputs]
        matrices = [rng.integers(-3, 4, size=(b, a)) * 10.0**weights for a, b in itertools.pairwise(widths)]
        network = chain(matrices, [np.zeros(b) for b in widths[1:]])
        centre = ["0"] * n if outputs == 1 else [f"{1 + i}e{radius}" for i in range(n)]
        path = tmp_path / "one.proof"
        run = certify(network, centre, radius=f"1e{radius}", proof=path)
        (found,) = checker.check_file(path)
        assert found.regions == run[0].regions
        assert found.volumes is not None or "volumes" not in run[0].notes["proof"]
        path.unlink()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_numbers_of_thousands_of_digits_are_written_and_reported(tmp_path):
    matrices = [np.array([[1.0, 2.0], [-1.0, 0.5]]) * 1e-300 for _ in range(8)]
    run = certify(chain(matrices, [np.zeros(2)] * 8), ["0", "0"], radius=1, proof=tmp_path / "p")
    (found,) = checker.check_file(tmp_path / "p")
    assert found.lipschitz is not None
    assert min(c.lower for c in found.lipschitz if c.lower) < F(1, 10**4400)
    assert "sqrt(" in run.report().model_dump_json()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_proof_with_longer_numbers_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr("polylc.exact.numbers.MOST_DIGITS", 1000)
    matrices = [np.array([[1.0, 2.0], [-1.0, 0.5]]) * 1e-300 for _ in range(8)]
    network = chain(matrices, [np.zeros(2)] * 8)
    with pytest.raises(CertificateError, match="no proof written, row 0: not written: a number of more than 1000 digits would stand there"):
        certify(network, ["0", "0"], radius=1, proof=tmp_path / "p")
    assert not (tmp_path / "p").exists()


@given(st.integers(0, 10**6), st.integers(1, 5), st.sampled_from(["1/10", "0.7", "2"]))
def test_proofs_of_balls(path, seed, n, radius):
    network = random_net([n, 6, 5, 3], seed, negative_slope=0.1 * (seed % 2))
    center = np.random.default_rng(seed).normal(size=n) * 0.3
    result, verified = proved(network, path, points=center.tolist(), radius=radius)
    assert verified.robustness is not None
    assert (verified.robustness.label, verified.robustness.robust) == (result.label, result.robustness.robust)
    assert verified.robustness.distance == result.robustness.exact_distance
    assert {(c.target, c.norm): (c.lower, c.upper) for c in verified.lipschitz} == {(c.target, c.norm): (c.lower, c.upper) for c in result.lipschitz}


@pytest.mark.parametrize("measures", ["counts", "lipschitz", "robustness", "local_rank", "counts,robustness", "all"])
def test_parts_follow_the_measures(tmp_path, measures):
    certify(random_net([2, 6, 5, 2], 0), [0.0, 0.0], radius=1, measures=measures, exact_volumes=True, proof=tmp_path / "p")
    (verified,) = checker.check_file(tmp_path / "p")
    asked = {"counts": ("graph", "maps"), "lipschitz": ("lipschitz",), "robustness": ("robustness",), "all": checker.PARTS}
    assert verified.parts == tuple(part for name in measures.split(",") for part in asked.get(name, ()))


def test_clipped_balls_and_fixed_coordinates(path):
    network = random_net([3, 8, 8, 2], 1)
    proved(network, path, points=["0.1", "0.2", "0.9"], radius="0.5", clip=(0, 1))
    proved(network, path, points=["0.1", "0.2", "0.9"], radius=["0.5", "1/3", 0])


def test_neurons_that_vanish_on_either_side(path):
    identity = np.eye(2)
    network = chain([[[1.0], [-1.0]], identity, [[1.0, 1.0]]], [[0.0, 0.0], [0.0, 0.0], [0.0]])
    result, _ = proved(network, path)
    assert (result.regions, result.adjacencies) == (2, 1)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
@pytest.mark.parametrize("exponent", [-1060, -600, -520, 520, 660, 1000])
def test_proportional_forms_at_any_scale(path, exponent):
    first = 2.0**exponent * np.array([[1.0, 2.0], [2.0, 4.0], [-1.0, 1.0]])
    result, _ = proved(chain([first, np.ones((1, 3))], [np.zeros(3), np.zeros(1)]), path, measures="counts")
    assert (result.regions, result.adjacencies) == (4, 4)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value", "ignore:divide")
def test_gradients_out_of_range(path):
    result, _ = proved(chain([1e200 * np.eye(2), 1e200 * np.eye(2), [[1.0, 1.0]]], [np.zeros(2), np.zeros(2), np.zeros(1)]), path)
    assert (result.regions, result.total_variation) == (4, None)
    assert "range" in result.notes["total_variation"]


@pytest.mark.parametrize("shift", [0.0, 200.0])
def test_a_neuron_that_stays_below_rounding_on_a_cell(path, shift):
    """Doubles see neither sign of the last neuron where 0 < x + y < 0.1; one of the claims that it has neither is
    false, or both are.
    """
    first = [[1.0, 0.0], [1.0, 0.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]]
    network = chain([first, [[2.0**56, -(2.0**56), 4000.0, 0.0, 0.0]], [[1.0]]], [[2.0, 2.0, 3.0, 0.0, -0.1], [-12000.0 - shift], [0.0]])
    result, _ = proved(network, path)
    assert result.regions == len(brute_force_patterns(network, unit_box(network))) == 3 + (shift > 0)


def test_known_graphs(path):
    assert proved(l1_net(3), path)[0].adjacencies == 12
    assert proved(tent_net(5), path, box=([0], [1]))[0].adjacencies == 31
    assert proved(quarter_net([2, 8, 6, 1], 3), path)[0].adjacencies == len(
        adjacent_pairs(clip_regions(quarter_net([2, 8, 6, 1], 3), unit_box(l1_net(2))))
    )


def test_a_trained_network(path, data):
    points = np.load(data / "moons2d.npz")["centers"][:3]
    run = certify(data / "moons2d.npz", points, radius="0.1", proof=path)
    assert [v.regions for v in checker.check_file(path)] == [r.regions for r in run]


@pytest.mark.slow
def test_the_whole_box_of_a_trained_network(path, data):
    run = certify(data / "moons2d.npz", box=([-2, -2], [3, 3]), proof=path)
    (verified,) = checker.check_file(path)
    assert (verified.regions, verified.adjacencies) == (run[0].regions, run[0].adjacencies) == (1966, 3867)


# ---- the file --------------------------------------------------------------------------------------------------------
def test_rows_keep_their_numbers_and_processes_write_the_same(tmp_path):
    network = random_net([2, 6, 5, 2], 0)
    points = [[0.0, 0.0], [np.nan, 0.0], [0.5, -0.5]]
    certify(network, points, radius="0.5", proof=tmp_path / "one")
    certify(network, points, radius="0.5", jobs=2, proof=tmp_path / "two")
    assert [v.index for v in checker.check_file(tmp_path / "one")] == [0, 2]
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "two"]  # no blocks are left behind


def test_nothing_is_proved_without_certification(tmp_path):
    network = random_net([3, 12, 12, 2], 0)
    with pytest.raises(UsageError, match="nothing to prove"):
        certify(network, [0.0] * 3, radius=1, certified=False, proof=tmp_path / "p")
    with pytest.raises(CertificateError, match="no neighbourhood was certified"):
        certify(network, [0.0] * 3, radius=1, max_regions=5, proof=tmp_path / "p")
    assert not list(tmp_path.iterdir())


def rewrite(path: Path, change) -> None:
    with gzip.open(path, "rt") as file:
        lines = [json.loads(line) for line in file]
    change(lines)
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def test_check_from_python(tmp_path):
    network = random_net([2, 5, 4, 2], 0)
    proof = tmp_path / "p"
    certify(network, [0.0, 0.0], radius=1, proof=proof)
    (verified,) = polylc.check(proof, model=network)
    assert verified.weights_sha256 == network.weights_sha256
    with pytest.raises(ProofRefused, match="other weights"):
        polylc.check(proof, model=random_net([2, 5, 4, 2], 1))
    rewrite(proof, lambda lines: lines[2]["counts"].update(regions=1))
    with pytest.raises(ProofRefused, match="1 regions claimed"):
        polylc.check(proof)
    proof.write_bytes(proof.read_bytes()[:100])
    with pytest.raises(ProofUnreadable):
        polylc.check(proof)


def test_check_from_the_command_line(tmp_path):
    save = {f"{k}{i}": v for i in (0, 1) for k, v in (("W", np.eye(2)), ("b", np.full(2, 0.25)))}
    np.savez(tmp_path / "net.npz", **save)
    np.savez(tmp_path / "other.npz", **(save | {"b0": np.zeros(2)}))
    proof = str(tmp_path / "p")

    def run(*arguments: object):
        return CliRunner().invoke(app, [str(a) for a in arguments])

    certified = run("certify", tmp_path / "net.npz", "--center", "0,0.1", "--radius", "1", "--proof", proof)
    assert certified.exit_code == 0, certified.output
    assert "certified" in certified.output
    assert "polylc check" in certified.output
    good = run("check", proof, "--model", tmp_path / "net.npz")
    assert (good.exit_code, good.output.splitlines()[-1]) == (0, "verified")
    bad = run("check", proof, "--model", tmp_path / "other.npz")
    assert (bad.exit_code, "other weights" in bad.output) == (1, True)
    rewrite(Path(proof), lambda lines: lines[-2][2].__setitem__(1, 10**9))
    assert run("check", proof).exit_code == 1
    assert run("check", tmp_path / "net.npz").exit_code == 2
    assert run("check", tmp_path / "missing").exit_code == 2
    assert run("certify", tmp_path / "net.npz", "--center", "0,0", "--radius", "1", "--proof", proof, "--no-certify").exit_code == 2
    assert run("certify", tmp_path / "net.npz", "--center", "0,0", "--radius", "1", "--proof", tmp_path).exit_code == 2
    assert run("certify", tmp_path / "net.npz", "--center", "0,0", "--radius", "1", "--proof", "-").exit_code == 2


# ---- what must not depend on the weights' form -----------------------------------------------------------------------
def test_equal_functions_have_equal_answers(path):
    """Neurons permuted, layers rescaled by powers of two, a duplicate merged: one function, one set of answers."""
    rng = np.random.default_rng(0)
    network = quarter_net([2, 5, 4, 2], 7)
    (w0, b0), (w1, b1) = ((layer.affine.terms[0][1], layer.affine.bias) for layer in network.layers)
    out, last = network.output.terms[0][1], network.output.bias
    order = rng.permutation(5)
    factor = 2.0 ** rng.integers(-6, 7, 5)
    permuted = chain([(w0 * factor[:, None])[order], (w1 / factor)[:, order], out], [(b0 * factor)[order], b1, last])
    doubled = chain([np.vstack([w0, w0[:1]]), np.hstack([w1[:, :1] / 2, w1[:, 1:], w1[:, :1] / 2]), out], [np.append(b0, b0[0]), b1, last])
    answers = []
    for net in (network, permuted, doubled):
        result, _ = proved(net, path, points=["0", "1/8"], radius="1")
        constants = {(c.target, c.norm): c.lower for c in result.lipschitz if (c.target, c.norm) != ("jacobian", "l2")}
        answers.append((result.regions, result.pieces, result.affine_functions, result.adjacencies, constants, result.robustness.exact_distance))
    assert answers[0] == answers[1] == answers[2]


def test_boxes_are_part_of_the_proof(path):
    network = random_net([2, 6, 5, 1], 0)
    certify(network, box=([-1, -1], ["1/3", 1]), proof=path)
    (verified,) = checker.check_file(path)
    assert [str(v) for v in (*verified.lower, *verified.upper)] == ["-1", "-1", "1/3", "1"]
    domain = box(verified.lower, verified.upper)
    assert verified.regions == len({c.bits for c in clip_regions(network, domain)})
