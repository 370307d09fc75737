"""`polylc.compare` and `polylc.estimate`: the truth beside estimates, the two commands, their reports and figures."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from nets import random_net
from scipy import stats
from typer.testing import CliRunner

import polylc
from polylc.cli.main import app
from polylc.errors import UsageError
from polylc.estimators.estimate import Estimate
from polylc.estimators.methods import METHODS
from polylc.estimators.tube import tube
from polylc.exact.quantity import Kind, Quantity
from polylc.network.form import Network, chain
from polylc.report.estimates.comparison import Pairing, Truth, correlation
from polylc.run.estimates import EVERY
from polylc.run.exact_draws import perturbed

NETWORK = random_net([2, 8, 6, 2], 0)
POINTS = [[0.1, 0.2], [-0.4, 0.3], [0.5, -0.5], [0.0, 0.9]]


def run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def net(tmp_path):
    return save(NETWORK, tmp_path / "net.npz")


@pytest.fixture
def points(tmp_path):
    np.savez(tmp_path / "points.npz", X=np.array(POINTS))
    return tmp_path / "points.npz"


def save(network: Network, path) -> str:
    arrays = {}
    for i, affine in enumerate([*(layer.affine for layer in network.layers), network.output]):
        arrays |= {f"W{i}": affine.terms[0][1], f"b{i}": affine.bias}
    np.savez(path, **arrays)
    return str(path)


@pytest.fixture(scope="module")
def compared():
    return polylc.compare(NETWORK, POINTS, radius=0.5, samples=4000, draws=40, sigma=0.05)


# ---- statistics ------------------------------------------------------------------------------------------------------
def test_the_truth_is_what_certify_says(compared):
    for entry, point in zip(compared, POINTS, strict=True):
        exact = polylc.certify(NETWORK, [point], radius=0.5)[0]
        found = {(p.estimate.method, p.estimate.target): p for p in entry.pairings}
        assert found["tube", "local_complexity.activation"].known == exact.local_complexity["activation"].value
        assert found["lines", "kink_variation"].known == exact.kink_variation.value
        assert found["patterns", "regions"].known == exact.regions
        assert found["patterns", "regions"].truth.quantity.kind is Kind.EXACT
        assert found["jacobian_norm", "total_variation.operator"].known == exact.total_variation["operator"].value
        assert found["local_rank", "local_rank.2"].known == exact.local_rank[1].mean.value
        assert found["humayun", "neurons_crossing"].truth is None
        constants = {f"lipschitz.{c.target}.{c.norm}": c.quantity for c in exact.lipschitz}
        assert {t for m, t in found if m == "sampled_lipschitz"} == set(constants)
        for target, quantity in constants.items():
            assert found["sampled_lipschitz", target].truth.quantity == quantity


def test_unbiased_estimates_are_near_the_truth(compared):
    unbiased = [p for entry in compared for p in entry.pairings if p.estimate.unbiased and p.in_standard_errors is not None]
    assert len(unbiased) >= 40
    assert max(abs(p.in_standard_errors) for p in unbiased) < 4.5
    assert {"coarea", "coarea_good", "lines", "boundary_lines", "jacobian_norm"} <= {p.estimate.method for p in unbiased}


def test_noise_is_held_against_exact_draws(compared):
    (coarea,) = [p for p in compared[0].pairings if p.estimate.method == "coarea"]
    assert "mean over 40 exact draws" in coarea.truth.meaning
    assert coarea.truth.quantity.kind is Kind.ESTIMATE
    assert coarea.truth.standard_error > 0
    assert coarea.covered is None
    without = polylc.compare(NETWORK, POINTS[:1], radius=0.5, methods="coarea,exact_draws", draws=0, sigma=0.05, samples=100)
    first, second = without[0].pairings[:2]
    assert "mean over" in first.truth.meaning  # the draws that were asked for as a method
    assert "limit sigma -> 0" in second.truth.meaning
    plain = polylc.compare(NETWORK, POINTS[:1], radius=0.5, methods="coarea", draws=0, samples=100)
    assert "limit sigma -> 0" in plain[0].pairings[0].truth.meaning
    assert plain[0].draw_seconds == 0


def test_summaries_by_hand(compared):
    rows = {(r.method, r.target): r for r in compared.summary()}
    row = rows["lines", "local_complexity.activation"]
    pairs = [p for e in compared for p in e.pairings if (p.estimate.method, p.estimate.target) == ("lines", "local_complexity.activation")]
    errors = [p.estimate.value - p.known for p in pairs]
    assert row.numbers == 4
    assert row.bias == pytest.approx(np.mean(errors))
    assert row.relative_bias == pytest.approx(np.mean(errors) / np.mean([p.known for p in pairs]))
    z = [e / p.estimate.standard_error for e, p in zip(errors, pairs, strict=True)]
    assert row.rms_standard_errors == pytest.approx(np.sqrt(np.mean(np.square(z))))
    assert row.coverage == np.mean([p.estimate.lower <= p.known <= p.estimate.upper for p in pairs])
    assert row.correlation == pytest.approx(stats.pearsonr([p.estimate.value for p in pairs], [p.known for p in pairs]).statistic)
    assert ("clever", "lipschitz.margins.l2") in rows
    assert rows["humayun", "neurons_crossing"].bias is None
    assert rows["local_rank", "local_rank.1"].correlation is None  # constant


def test_correlation_of_constants_and_pairs():
    assert correlation([1, 2], [3, 4]) is None
    assert correlation([1, 2, 3], [5, 5, 5]) is None
    assert correlation([1, 2, 4], [-2, -4, -8]) == pytest.approx(-1)


def test_pairings_know_what_they_do_not_know():
    estimate = Estimate("m", "regions", 5.0, None, 5.0, None, 10)
    bound = Pairing(estimate, Truth(Quantity(7.0, None, Kind.EXACT), "partial"))
    assert (bound.known, bound.error, bound.in_standard_errors, bound.covered) == (None, None, None, None)
    wide = Pairing(estimate, Truth(Quantity(4.0, 7.0, Kind.ENCLOSURE), "partial"))
    assert (wide.known, wide.error, wide.covered) == (None, None, None)
    assert Pairing(estimate, Truth(Quantity(4.0, 4.01, Kind.ENCLOSURE), "certified")).known == pytest.approx(4.005)
    sure = Pairing(estimate, Truth(Quantity(4.0, 4.0, Kind.EXACT), "certified"))
    assert (sure.error, sure.in_standard_errors, sure.covered) == (1.0, None, False)
    both = Pairing(Estimate("m", "t", 5.0, 3.0, 0.0, 10.0, 10), Truth(Quantity(4.0, 6.0, Kind.ESTIMATE), "draws", 4.0))
    assert (both.error, both.in_standard_errors, both.covered) == (0.0, 0.0, None)
    assert Pairing(Estimate("m", "t", 8.0, 3.0, 0.0, 10.0, 10), both.truth).in_standard_errors == pytest.approx(3 / 5)


def test_exact_draws_of_one_neuron_in_closed_form():
    network = chain([[[1.0]], [[1.0]]], [[0.2], [0.0]])
    truth = (stats.norm.cdf(1.2 / 0.6) - stats.norm.cdf(-0.8 / 0.6)) / 2
    found = polylc.estimate(network, box=([-1], [1]), methods="exact_draws", draws=60, sigma=0.6)[0]["exact_draws"]
    assert abs(found.value - truth) < 4 * found.standard_error
    assert found.standard_error < 0.1


def test_draws_leave_the_output_and_the_weights_alone():
    noisy = perturbed(NETWORK, 0.5, np.random.default_rng(0))
    assert noisy.output is NETWORK.output
    assert noisy.layers[0].affine.terms is NETWORK.layers[0].affine.terms
    changes = np.concatenate([a.affine.bias - b.affine.bias for a, b in zip(noisy.layers, NETWORK.layers, strict=True)])
    assert len(set(changes.tolist())) == NETWORK.neurons
    assert noisy.weights_sha256 != NETWORK.weights_sha256
    assert noisy.sha256 == noisy.weights_sha256


def test_planes_and_draws_estimate_the_local_complexity_in_space():
    network = random_net([3, 6, 5, 1], 2)
    box = [-1.0] * 3, [1.0] * 3
    truth = polylc.certify(network, box=box, measures="local_complexity", certified=False)[0].local_complexity["activation"].value
    found = polylc.estimate(network, box=box, methods="slices,exact_draws,lines", planes=30, draws=5, sigma=1e-9, samples=8000)[0]
    for name in ("slices", "lines"):
        assert abs(found[name].value - truth) < 4 * found[name].standard_error
        assert found[name].standard_error < 0.1 * truth
    assert found["exact_draws"].value == pytest.approx(truth, rel=1e-6)


def test_methods_that_do_not_apply_are_skipped_with_a_reason():
    found = polylc.estimate(NETWORK, POINTS[0], radius=1, methods="slices,tube")[0]
    assert [s.method for s in found.skipped] == ["slices"]
    assert "a plane in dimension 2 is no slice" in found.skipped[0].reason
    high = polylc.estimate(random_net([9, 3, 1], 0), np.zeros(9), radius=1, methods="rao_blackwell", draws=2)[0]
    assert "volumes are out of reach" in high.skipped[0].reason


def test_exact_draws_in_many_dimensions():
    """With one layer their mean is LC^dec, which is enclosed; they are the truth for what has noise."""
    network, at = random_net([9, 4, 1], 1), np.zeros(9)
    (exact,) = polylc.certify(network, [at], radius=1, measures="local_complexity", sigma=["0.4"])
    known = exact.noisy_complexity["0.4"]
    assert known.kind is Kind.ENCLOSURE
    (found,) = polylc.compare(network, [at], radius=1, methods="coarea,exact_draws", draws=60, sigma=0.4, samples=20_000)
    coarea, draws = found.pairings[0], next(p.estimate for p in found.pairings if p.estimate.method == "exact_draws")
    assert draws.standard_error < 0.2 * known.value
    assert abs(draws.value - known.value) < 4 * draws.standard_error
    assert coarea.known == draws.value
    assert abs(coarea.in_standard_errors) < 4


def test_draws_that_are_not_enclosed_narrowly_are_no_truth(monkeypatch):
    monkeypatch.setattr("polylc.measures.by_volume.many_dimensions.NARROW", 0.0)
    found = polylc.estimate(random_net([9, 4, 3, 1], 0), np.zeros(9), radius=1, methods="exact_draws", draws=2)[0]
    assert "is an estimate" in found.skipped[0].reason


def test_each_neighbourhood_has_random_numbers_of_its_own():
    found = polylc.estimate(NETWORK, [POINTS[0], POINTS[0]], radius=0.5, methods="lines", samples=400)
    again = polylc.estimate(NETWORK, [POINTS[0]], radius=0.5, methods="lines", samples=400)
    assert found[0]["lines"].value == again[0]["lines"].value != found[1]["lines"].value
    with pytest.raises(KeyError):
        found[0]["tube"]
    assert found[0]["lines/kink_variation"].target == "kink_variation"


@pytest.mark.parametrize("draws", [-1, 1])
def test_one_draw_has_no_error(draws):
    with pytest.raises(UsageError, match="give 0 for none, or at least 2"):
        polylc.compare(NETWORK, POINTS, radius=0.5, draws=draws)


# ---- commands --------------------------------------------------------------------------------------------------------
def test_estimate_writes_its_report(net, points, tmp_path):
    result = run("estimate", net, "--data", points, "--radius", "0.3", "--samples", 200, "--json", tmp_path / "out.json")
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["schema"] == "polylc.estimate/1"
    assert set(report) == {"schema", "version", "setting", "network", "sampling", "neighbourhoods", "summary", "seconds"}
    assert report["sampling"]["samples"] == 200
    assert len(report["neighbourhoods"]) == 4
    entry = report["neighbourhoods"][1]
    assert (entry["index"], entry["status"], entry["place"]["center"]) == (1, "estimated", POINTS[1])
    assert {r["method"] for r in entry["estimates"]} >= set(METHODS) - {"lipschitz"}
    row = entry["estimates"][0]
    assert set(row) == {"method", "target", "value", "standard_error", "interval", "samples", "bias", "assumptions", "parameters", "seconds"}
    same = polylc.estimate(NETWORK, POINTS, radius="0.3", samples=200)
    assert row["value"] == same[1].estimates[0].value
    (mean,) = [r for r in report["summary"] if (r["method"], r["target"]) == ("coarea", "local_complexity.activation")]
    assert mean["mean"] == pytest.approx(np.mean([e["coarea"].value for e in same]))


def test_reports_on_standard_output(net):
    for command, schema in (("estimate", "polylc.estimate/1"), ("compare", "polylc.compare/1")):
        result = run(command, net, "--center", "0,0", "--radius", "0.3", "--methods", "tube,lines", "--samples", 50, "--json", "-")
        assert result.exit_code == 0
        assert json.loads(result.stdout)["schema"] == schema


def test_compare_writes_report_and_figure(net, points, tmp_path):
    out, picture = tmp_path / "out.json", tmp_path / "out.svg"
    result = run("compare", net, "--data", points, "--radius", "0.5", "--samples", 200, "--draws", 3, "--json", out, "--out", picture)
    assert result.exit_code == 0, result.output
    assert "coarea" in result.stdout
    report = json.loads(out.read_text())
    assert report["schema"] == "polylc.compare/1"
    entry = report["neighbourhoods"][0]
    assert (entry["status"], entry["regions"]) == ("certified", polylc.certify(NETWORK, [POINTS[0]], radius="0.5", measures="counts")[0].regions)
    assert set(entry["comparisons"][0]) == {"estimate", "truth", "error", "in_standard_errors", "covered"}
    (lines,) = [r for r in report["summary"] if (r["method"], r["target"]) == ("lines", "local_complexity.activation")]
    assert set(lines) == {
        "method", "target", "numbers", "mean", "mean_truth", "bias", "relative_bias", "rms_standard_errors", "coverage", "correlation", "seconds",
    }  # fmt: skip
    text = picture.read_text()
    assert "coarea" in text or "<path" in text
    one = run("compare", net, "--center", "0,0", "--radius", "0.5", "--samples", 200, "--methods", "lines")
    assert one.exit_code == 0
    assert "in s.e." in one.stdout


def test_the_figure_shows_every_method_that_has_a_truth(compared):
    figure = compared.plot()
    labels = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert len(labels) == len(set(labels)) >= 15
    assert any(label.startswith("lines · kink variation") for label in labels)
    assert not any("neurons" in label for label in labels)
    scattered = {t.get_text() for t in figure.axes[1].get_legend().get_texts()}
    assert {"coarea", "lines", "published scaled"} <= scattered
    ratios = figure.axes[0].lines[2 * labels.index("coarea · LC activation")].get_xdata()
    truth = [p.estimate.value / p.known for e in compared for p in e.pairings if p.estimate.method == "coarea"]
    np.testing.assert_allclose(ratios, truth)


def test_a_partial_truth_is_a_bound(net):
    result = run("compare", net, "--box", "-1,-1", "1,1", "--max-regions", 3, "--methods", "patterns,lines,coarea", "--json", "-", "--samples", 100)
    assert result.exit_code == 3
    entry = json.loads(result.stdout)["neighbourhoods"][0]
    assert entry["status"] == "partial"
    (patterns,) = [c for c in entry["comparisons"] if c["estimate"]["method"] == "patterns"]
    assert patterns["truth"]["value"][1] is None
    assert patterns["error"] is None
    whole = polylc.certify(polylc.load(net), box=([-1, -1], [1, 1]))[0]
    lines = {c["estimate"]["target"]: c for c in entry["comparisons"] if c["estimate"]["method"] == "lines"}
    for target, exact in (("local_complexity.activation", whole.local_complexity["activation"]), ("kink_variation", whole.kink_variation)):
        low, high = lines[target]["truth"]["value"]
        assert low <= exact.lower <= exact.upper <= high
        assert lines[target]["error"] is None  # nothing to measure against


def test_bad_rows_are_refused_and_the_others_done(net, tmp_path):
    np.savetxt(tmp_path / "points.csv", [[0.1, 0.2], [math.nan, 0.0]], delimiter=",")
    for command in ("estimate", "compare"):
        result = run(command, net, "--data", tmp_path / "points.csv", "--radius", "0.2", "--methods", "tube", "--samples", 20, "--json", "-")
        assert result.exit_code == 2
        assert "row 1 refused" in result.stderr
        assert [n["status"] == "refused" for n in json.loads(result.stdout)["neighbourhoods"]] == [False, True]


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ("estimate", ["--methods", "sphere"], "methods: 'sphere' is unknown"),
        ("estimate", ["--device", "abacus"], "device: 'abacus' is unknown; give cpu, cuda or cuda:0"),
        ("estimate", ["--dtype", "int8"], "dtype: 'int8' is unknown; choose float64 or float32"),
        ("estimate", ["--sigma", "-1"], "sigma: -1.0 is not a positive number"),
        ("compare", ["--draws", "1"], "draws: 1 is not possible; give 0 for none, or at least 2"),
        ("compare", ["--out", "picture.txt"], "its name must end in .png or .pdf or .svg"),
        ("compare", ["--methods", "humayun", "--out", "{tmp}/picture.png", "--max-regions", "1"], "there is nothing to draw"),
    ],
)
def test_mistakes_are_told_in_one_line(net, tmp_path, command, options, message):
    options = [o.format(tmp=tmp_path) for o in options]
    result = run(command, net, "--box", "-1,-1", "1,1", *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith("polylc:")]) == 1


@pytest.mark.parametrize("command", ["estimate", "compare"])
def test_an_interrupt_keeps_what_was_done(command, net, points, monkeypatch):
    def stop_at_the_third(study):
        if study.index == 2:
            raise KeyboardInterrupt
        return tube(study)

    monkeypatch.setitem(EVERY, "tube", stop_at_the_third)
    result = run(command, net, "--data", points, "--radius", "0.2", "--methods", "tube", "--samples", 20, "--json", "-")
    assert result.exit_code == 130
    assert "interrupted: 2 of 4 neighbourhoods were not done" in result.stderr
    assert [n["index"] for n in json.loads(result.stdout)["neighbourhoods"]] == [0, 1]


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_device_that_is_not_there_is_told(net):
    result = run("estimate", net, "--center", "0,0", "--radius", 1, "--device", "cuda")
    assert result.exit_code == 2
    assert "device: cuda is not there: torch finds 0 CUDA devices" in result.stderr
