"""Estimators against independent second ways: autograd, loops over neurons and paths, the exact engine on lines,
scipy.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from nets import SPECIAL, random_net, tent_net
from scipy import stats

import polylc
from polylc.domains import box as shapes
from polylc.domains.ball import ball
from polylc.errors import UsageError
from polylc.estimators.coarea import coarea_terms, density_factor, published
from polylc.estimators.distinct import chao1
from polylc.estimators.estimate import Moments
from polylc.estimators.goodness import good_at_threshold, good_neurons
from polylc.estimators.gradients import jacobian_norms, rank_of_patterns
from polylc.estimators.humayun import mean_width, sign_changes
from polylc.estimators.lines import chords, cosine_lines, crofton_constant, crossings, uniform_lines
from polylc.estimators.lipschitz import gradient_norms, lipschitz_targets, weibull_location
from polylc.estimators.methods import METHODS, choose, run_methods
from polylc.estimators.relaxation import interval_bounds, lipsdp, region_bound
from polylc.estimators.study import Sampling, Study, to_numpy
from polylc.estimators.tube import tube_terms
from polylc.measures.by_volume import local_complexity as exact_measures
from polylc.network.form import Affine, Layer, Network, chain, pattern_at, preactivations
from polylc.readers.load import load
from polylc.run.plane_slices import on_plane, plane_constant, slice_boundary


def residual_net(seed: int, n: int = 3, slope: float = 0.0) -> Network:
    """Layers that read the input and several earlier layers."""
    rng = np.random.default_rng(seed)
    widths = [n, 5, 4, 4]
    layers = []
    for index in range(1, 4):
        sources = range(index) if index > 1 else [0]
        terms = tuple((s, rng.normal(size=(widths[index], widths[s])) / np.sqrt(widths[s])) for s in sources)
        layers.append(Layer(Affine(terms, 0.3 * rng.normal(size=widths[index])), np.full(widths[index], slope), np.ones(widths[index])))
    output = Affine(((1, rng.normal(size=(2, 5))), (3, rng.normal(size=(2, 4)))), rng.normal(size=2))
    return Network(n, tuple(layers), output)


NETS = {
    "chain": random_net([3, 6, 5, 2], 0),
    "leaky": random_net([3, 6, 5, 2], 1, negative_slope=0.2),
    "wide input": random_net([9, 3, 4, 2], 2),
    "residual": residual_net(3),
    "leaky residual": residual_net(4, slope=-0.5),
}


def study_of(network: Network, half: float = 1.0, label: int | None = None, **sampling: object) -> Study:
    lower = [-half] * network.inputs
    lower[0] = half if network.inputs > 2 else -half  # one coordinate is fixed
    return Study(network, shapes.box(lower, [half] * network.inputs), Sampling(**sampling), label)  # type: ignore[arg-type]


def corners(study: Study) -> tuple[list[float], list[float]]:
    return [float(v) for v in study.domain.lower], [float(v) for v in study.domain.upper]


def pre(network: Network, study: Study, point: torch.Tensor, noise: list[torch.Tensor] | None = None) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Pre-activations and outputs at one point, by a plain loop in all coordinates of the network."""
    domain = study.domain
    x = torch.zeros(domain.inputs, dtype=torch.float64) + torch.as_tensor(domain.middle)
    x = x.index_put((torch.as_tensor(domain.free),), point)
    values, found = [x], []
    for index, layer in enumerate(network.layers):
        z = torch.as_tensor(layer.affine.bias) + sum(torch.as_tensor(w) @ values[s] for s, w in layer.affine.terms)
        if noise is not None:
            z = z + noise[index]
        found.append(z)
        values.append(torch.where(z > 0, torch.as_tensor(layer.positive) * z, torch.as_tensor(layer.negative) * z))
    return found, torch.as_tensor(network.output.bias) + sum(torch.as_tensor(w) @ values[s] for s, w in network.output.terms)


def autograd_jacobian(function, point: torch.Tensor) -> torch.Tensor:
    return torch.autograd.functional.jacobian(function, point)


# ---- tensors ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NETS)
def test_row_norms_and_jacobians_are_those_of_autograd(name):
    network = NETS[name]
    study = study_of(network)
    points = study.uniform(6, study.stream("test"))
    net, slopes = study.net, study.net.slopes_at(points)
    norms = [n.expand(6, -1) for n in net.row_norms(slopes)]
    output = (net.output_jacobian(slopes).transpose(1, 2) @ net.frame).expand(6, -1, -1)
    values = net.outputs(points)
    for k, point in enumerate(points):
        for layer in range(len(network.layers)):
            jacobian = autograd_jacobian(lambda x, i=layer: pre(network, study, x)[0][i], point)
            np.testing.assert_allclose(norms[layer][k], jacobian.norm(dim=1), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(output[k], autograd_jacobian(lambda x: pre(network, study, x)[1], point), rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(values[k], pre(network, study, point)[1], rtol=1e-12)


def test_inputs_are_reduced_to_what_the_weights_span():
    study = Study(random_net([40, 5, 4, 1], 0), ball(np.zeros(40), 1), Sampling())
    assert study.net.frame.shape == (5, 40)
    np.testing.assert_allclose(study.net.frame @ study.net.frame.T, np.eye(5), atol=1e-12)


def test_single_precision_agrees_with_double():
    network = NETS["chain"]
    double, single = study_of(network), study_of(network, dtype="float32")
    points = double.uniform(50, double.stream("test"))
    for a, b in zip(
        double.net.row_norms(double.net.slopes_at(points)), single.net.row_norms(single.net.slopes_at(points.to(torch.float32))), strict=True
    ):
        np.testing.assert_allclose(to_numpy(a), to_numpy(b), rtol=1e-4)


def test_single_precision_counts_nearly_the_same_crossings(data):
    network = load(data / "deep2d.npz")
    double, single = (Study(network, shapes.box([-1, -1], [1, 1]), Sampling(dtype=d)) for d in ("float64", "float32"))
    start, direction = uniform_lines(double, 50, double.stream("test"))
    entry, length = chords(double, start, direction)
    exact = crossings(double, entry, direction, length).activation
    rounded = crossings(single, *(v.to(torch.float32) for v in (entry, direction, length))).activation
    assert exact.sum() > 3000
    assert (exact - rounded).abs().max() <= 0.02 * exact.max()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", NETS)
def test_cuda_agrees_with_the_cpu(name):
    here, there = study_of(NETS[name]), study_of(NETS[name], device="cuda")
    points = here.uniform(200, here.stream("test"))
    noise = [0.1 * here.normal((200, w), here.stream("noise")) for w in here.net.widths]
    moved = points.cuda(), [v.cuda() for v in noise]
    for goodness in (None, "threshold"):
        one, other = coarea_terms(here, points, noise, 0.1, goodness=goodness), coarea_terms(there, *moved, 0.1, goodness=goodness)
        np.testing.assert_allclose(to_numpy(one), to_numpy(other), rtol=1e-9)
    lines = uniform_lines(here, 50, here.stream("lines"))
    entry, length = chords(here, *lines)
    one = crossings(here, entry, lines[1], length)
    other = crossings(there, entry.cuda(), lines[1].cuda(), length.cuda())
    np.testing.assert_array_equal(to_numpy(one.activation), to_numpy(other.activation))
    np.testing.assert_allclose(to_numpy(one.kink), to_numpy(other.kink), rtol=1e-9)


# ---- co-area formula -------------------------------------------------------------------------------------------------
def path_to_output(network: Network, slopes: list[np.ndarray], layer: int, neuron: int) -> bool:
    """Whether a path of non-zero weights and slopes leads from a neuron's output to the network's, by depth-first
    search.
    """
    for row in network.output.terms:
        if row[0] == layer + 1 and (row[1][:, neuron] != 0).any():
            return True
    for later in range(layer + 1, len(network.layers)):
        for source, weight in network.layers[later].affine.terms:
            if source == layer + 1:
                for i in np.flatnonzero(weight[:, neuron]):
                    if slopes[later][i] != 0 and path_to_output(network, slopes, later, i):
                        return True
    return False


def slopes_with_held(network: Network, x: np.ndarray, noise: list[np.ndarray], held: tuple[int, int] | None) -> list[np.ndarray]:
    values, slopes = [x], []
    for index, layer in enumerate(network.layers):
        z = layer.affine.bias + noise[index] + sum(w @ values[s] for s, w in layer.affine.terms)
        h = np.where(z > 0, layer.positive * z, layer.negative * z)
        if held is not None and held[0] == index:
            h[held[1]] = 0.0
        slopes.append(np.where(z > 0, layer.positive, layer.negative))
        values.append(h)
    return slopes


NARROW = {f"narrow {seed}": random_net([3, 4, 2, 2, 2, 1], seed) for seed in range(4)}


@pytest.mark.parametrize("name", [*NETS, *NARROW])
@pytest.mark.parametrize("goodness", [None, "threshold", "unconditional"])
def test_coarea_terms_are_the_formula(name, goodness):
    network = {**NETS, **NARROW}[name]
    study, sigma = study_of(network), 0.7
    stream = study.stream("test")
    points = study.uniform(5, stream)
    noise = [sigma * study.normal((5, w), stream) for w in network.widths]
    found = to_numpy(coarea_terms(study, points, noise, sigma, goodness=goodness))
    for k, point in enumerate(points):
        own = [v[k] for v in noise]
        z, _ = pre(network, study, point, own)
        total = 0.0
        x = study.domain.lift(to_numpy(point) - study.domain.middle[study.domain.free])
        for layer, width in enumerate(network.widths):
            norms = autograd_jacobian(lambda p, i=layer, e=own: pre(network, study, p, e)[0][i], point).norm(dim=1).numpy()
            density = stats.norm.pdf((z[layer] - own[layer]).numpy(), scale=sigma)
            for i in range(width):
                held = (layer, i) if goodness == "threshold" else None
                counts = goodness is None or path_to_output(network, slopes_with_held(network, x, [e.numpy() for e in own], held), layer, i)
                total += density[i] * norms[i] * counts
        assert found[k] == pytest.approx(total, rel=1e-10, abs=1e-12)


def test_goodness_matters_and_differs_at_the_threshold():
    """Otherwise the comparison above would be of all-true masks."""
    network = NARROW["narrow 0"]
    study = study_of(network)
    points, noise = study.uniform(500, study.stream("a")), [0.7 * study.normal((500, w), study.stream("b")) for w in network.widths]
    every, threshold, loose = (to_numpy(coarea_terms(study, points, noise, 0.7, goodness=g)) for g in (None, "threshold", "unconditional"))
    assert (threshold < every - 1e-9).any()
    assert (np.abs(threshold - loose) > 1e-9).any()


def test_good_neurons_are_those_of_the_exact_measures():
    for network in (*NETS.values(), *NARROW.values(), SPECIAL["pruned"]):
        study = study_of(network)
        points = study.uniform(100, study.stream("test"))
        found = torch.cat(good_neurons(study.net, study.net.slopes_at(points)), dim=1).numpy()
        np.testing.assert_array_equal(found, exact_measures.good_neurons(network, study.net.patterns(points).numpy()))


def test_terms_of_dead_weights_are_not_good_in_the_last_layer():
    study = study_of(chain([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0]]], [[0.0, 0.0], [0.0]]))
    points = study.uniform(4, study.stream("test"))
    _, z = study.net.preactivations(points)
    kept = good_at_threshold(study.net, points, z, [torch.zeros_like(z[0])], 0, torch.ones_like(z[0]))
    np.testing.assert_array_equal(kept.numpy(), [[0.0, 1.0]] * 4)


def test_the_published_recipe_is_its_pseudo_code():
    network = NETS["chain"]
    study = study_of(network, samples=12, copies=3, sigma=0.5)
    literal, scaled = published(study)
    stream, total = study.stream("published"), 0.0
    for _ in range(3):
        noise = [0.5 * study.normal((w,), stream) for w in network.widths]
        for point in study.uniform(4, stream):
            z, _ = pre(network, study, point, noise)
            for layer in range(len(network.layers)):
                wh = z[layer] - noise[layer] - torch.as_tensor(network.layers[layer].affine.bias)
                norms = autograd_jacobian(lambda p, i=layer, e=noise: pre(network, study, p, e)[0][i], point).norm(dim=1)
                total += float((torch.exp(-(wh**2) / (2 * 0.5**2)) * norms).sum())
    assert literal.value == pytest.approx(total / 12, rel=1e-12)
    assert scaled.value == pytest.approx(total / 12 / (math.sqrt(2 * math.pi) * 0.5), rel=1e-12)


def test_one_neuron_on_an_interval_in_closed_form():
    """LC_sigma = (Phi(z(1)/s) - Phi(z(-1)/s)) / |U| / |slope| times the slope."""
    network = chain([[[2.0]], [[1.0]]], [[0.5], [0.0]])
    study = study_of(network, samples=40000, sigma=0.8)
    truth = (stats.norm.cdf(2.5 / 0.8) - stats.norm.cdf(-1.5 / 0.8)) / 2
    doubled = (stats.norm.cdf(2.5 / 0.8 / 2**0.5) - stats.norm.cdf(-1.5 / 0.8 / 2**0.5)) / 2
    found, _ = run_methods(study, ["coarea", "coarea_good", "own_noise"], METHODS)
    for estimate, expected in zip(found, (truth, truth, doubled), strict=True):
        assert estimate.standard_error < 0.01
        assert abs(estimate.value - expected) < 4 * estimate.standard_error


# ---- tubes, diamonds, lines ------------------------------------------------------------------------------------------
def test_tubes_are_strict_and_scale_free():
    network = random_net([2, 6, 5, 1], 5)
    a = 7.0
    scaled = chain(
        [a * network.layers[0].affine.terms[0][1], network.layers[1].affine.terms[0][1] / a, network.output.terms[0][1]],
        [a * network.layers[0].affine.bias, network.layers[1].affine.bias, network.output.bias],
    )
    one, other = study_of(network), study_of(scaled)
    points = one.uniform(3000, one.stream("test"))
    terms = to_numpy(tube_terms(one, points, 0.05))
    np.testing.assert_array_equal(terms, to_numpy(tube_terms(other, points, 0.05)))
    z, _ = preactivations(network, points.numpy())
    first = np.abs(z[0]) < 0.05 * np.linalg.norm(network.layers[0].affine.terms[0][1], axis=1)
    assert (terms * 0.1 >= first.sum(axis=1) - 1e-9).all()
    assert terms.sum() > 0
    # the second neuron vanishes everywhere
    dead = study_of(chain([[[1.0, 0.0]], [[0.0]], [[1.0]]], [[0.0], [0.0], [0.0]]))
    at = dead.uniform(3000, dead.stream("test"))
    np.testing.assert_array_equal(to_numpy(tube_terms(dead, at, 0.05)) * 0.1, (at[:, 0].abs() < 0.05).numpy() * 1.0)


def test_sign_changes_by_brute_force():
    network = NETS["residual"]
    study = study_of(network)
    centres = study.uniform(6, study.stream("test")).reshape(2, 3, -1)
    vectors = 0.4 * study.frames(2, 2, study.stream("frames"))
    np.testing.assert_allclose(vectors @ vectors.transpose(1, 2), np.broadcast_to(0.16 * np.eye(2), (2, 2, 2)), atol=1e-12)
    counts = sign_changes(study, centres, vectors)
    for g, c in itertools.product(range(2), range(3)):
        corners = [study.domain.lift((centres[g, c] + s * v).numpy() - study.domain.middle[study.domain.free]) for v in vectors[g] for s in (1, -1)]
        bits = pattern_at(network, np.array(corners))
        assert counts[g, c] == (bits.any(axis=0) & ~bits.all(axis=0)).sum()


@pytest.mark.parametrize(("n", "many"), [(2, 1), (2, 2), (3, 2), (8, 8), (64, 25)])
def test_mean_width_against_sampled_directions(n, many):
    u = np.random.default_rng(0).standard_normal((40000, n))
    largest = np.abs(u[:, :many]).max(axis=1) / np.linalg.norm(u, axis=1)
    assert mean_width(n, many) == pytest.approx(largest.mean(), abs=5 * largest.std() / 200)


def test_constants_agree_with_each_other():
    assert mean_width(2, 2) == pytest.approx(2 * math.sqrt(2) / math.pi, rel=1e-10)
    for n in range(1, 70):
        assert mean_width(n, 1) == pytest.approx(crofton_constant(n), rel=1e-9)
    for n in range(2, 20):  # a line in a plane: c_n = c_2 c_{n,2}
        assert crofton_constant(n) == pytest.approx(crofton_constant(2) * plane_constant(n), rel=1e-12)


LINE_NETS = {
    **NETS,
    "tent": tent_net(4),
    **{name: SPECIAL[name] for name in ("duplicates and negatives", "pruned", "parallel", "absolute value of relu")},
}


@pytest.mark.parametrize("name", LINE_NETS)
def test_crossings_are_those_of_the_exact_engine_on_the_line(name):
    network = LINE_NETS[name]
    study = study_of(network, half=1.5)
    start, direction = uniform_lines(study, 8, study.stream("test"))
    entry, length = chords(study, start, direction)
    found = crossings(study, entry, direction, length)
    for k in range(8):
        origin = study.domain.lift(entry[k].numpy() - study.domain.middle[study.domain.free])
        line = on_plane(network, origin, (study.domain.basis @ direction[k].numpy())[:, None])
        result = polylc.certify(line, box=([0.0], [float(length[k])]), measures="local_complexity,kink_variation", certified=False)[0]
        size = float(length[k])
        assert found.activation[k] == pytest.approx(result.local_complexity["activation"].value * size, abs=1e-6)
        assert found.open[k] == pytest.approx(result.local_complexity["open"].value * size, abs=1e-6)
        gradient_jump = crossings_kink_of_gradient(network, study, entry[k], direction[k], size)
        assert found.kink[k] == pytest.approx(gradient_jump, rel=1e-6, abs=1e-6)


def crossings_kink_of_gradient(network: Network, study: Study, entry: torch.Tensor, direction: torch.Tensor, size: float) -> float:
    """Sum of the jumps of the Jacobian along a line, from Jacobians by autograd on a fine grid."""
    steps = np.linspace(0, size, 4001)[:-1] + size / 8000
    points = entry + torch.as_tensor(steps)[:, None] * direction
    bits = study.net.patterns(points).numpy()
    change = [0, *(np.flatnonzero((bits[1:] != bits[:-1]).any(axis=1)) + 1)]
    jacobians = [autograd_jacobian(lambda x: pre(network, study, x)[1], points[i]) for i in change]
    return float(sum((b - a).norm() for a, b in itertools.pairwise(jacobians)))


def test_chords_end_on_the_boundary():
    study = study_of(NETS["chain"])
    start, direction = uniform_lines(study, 200, study.stream("test"))
    entry, length = chords(study, start, direction)
    for at in (entry, entry + length[:, None] * direction):
        np.testing.assert_allclose(at.abs().amax(dim=1), 1.0, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_both_laws_of_lines_find_the_density_of_a_hyperplane(n):
    """Also on a box with unequal sides, where a wrong law of boundary points or directions would show."""
    half = np.array([0.5, 1.0, 2.0])[:n]
    normal = np.array([1.0, 0.7, -0.4])[:n]
    network = chain([normal[None], [[1.0]]], [[0.1], [0.0]])
    domain = shapes.box((-half).tolist(), half.tolist())
    truth = polylc.certify(network, box=((-half).tolist(), half.tolist()), measures="local_complexity")[0].local_complexity["activation"].value
    found, _ = run_methods(Study(network, domain, Sampling(samples=80000)), ["lines", "boundary_lines"], METHODS)
    for estimate in (e for e in found if e.target == "local_complexity.activation"):
        assert abs(estimate.value - truth) <= 4 * estimate.standard_error + 1e-9
        assert estimate.standard_error < 0.05 * truth


def test_small_balls_in_high_dimension_stay_in_range():
    """The volume of this ball is 0 in doubles; only a coordinate hyperplane crosses it, with density 1 / side."""
    network = chain([np.eye(1, 400), [[1.0]]], [[0.0], [0.0]])
    study = Study(network, ball(np.zeros(400), "0.001"), Sampling(samples=80_000, directions=400))
    found, _ = run_methods(study, ["lines", "boundary_lines", "tube"], METHODS)
    for estimate in (e for e in found if e.target == "local_complexity.activation"):
        assert abs(estimate.value - 500.0) < 4 * estimate.standard_error
        assert estimate.standard_error < 100.0


def test_boundary_directions_follow_the_cosine_law():
    study = Study(random_net([3, 2, 1], 0), shapes.box([-1, -1, -1], [1, 1, 1]), Sampling())
    start, direction = cosine_lines(study, 4000, np.full(3, 1 / 3), study.stream("test"))
    face = start.abs().argmax(dim=1)
    cosine = -(direction * start)[torch.arange(4000), face].numpy()  # inward
    assert (cosine > 0).all()
    np.testing.assert_allclose(direction.norm(dim=1), 1.0, atol=1e-12)
    assert stats.kstest(cosine**2, "uniform").pvalue > 1e-3  # density 2c of the cosine c


def test_slices_in_the_coordinate_planes_are_boxes():
    network = random_net([3, 6, 5, 1], 3)
    domain = shapes.box([-1, -0.5, -2], [1, 0.5, 2])
    length, area = slice_boundary(network, domain, np.array([0.0, 0.0, 0.25]), np.eye(3)[:, :2])
    assert area == pytest.approx(2.0)
    flat = polylc.certify(network, box=([-1, -0.5, 0.25], [1, 0.5, 0.25]), measures="local_complexity")[0]
    assert length / area == pytest.approx(flat.local_complexity["activation"].value, rel=1e-9)
    turned = np.array([[1.0, -1.0], [1.0, 1.0], [0.0, 0.0]]) / math.sqrt(2)  # the same plane in other coordinates
    np.testing.assert_allclose(slice_boundary(network, domain, np.array([0.0, 0.0, 0.25]), turned), (length, area), rtol=1e-9)


# ---- counts ----------------------------------------------------------------------------------------------------------
def test_patterns_that_are_all_seen_often_leave_nothing_to_guess():
    study = study_of(tent_net(3), samples=2000)
    distinct, guessed = run_methods(study, ["patterns"], METHODS)[0]
    exact = polylc.certify(study.network, box=([-1], [1]), measures="counts")[0].regions
    assert distinct.value == guessed.value == exact
    assert (distinct.lower, distinct.upper) == (exact, None)


def test_chao1_by_its_formula_and_on_equal_classes():
    assert chao1(10, 4, 2)[0] == 10 + 4 * 3 / (2 * 3)
    assert chao1(7, 0, 0) == (7.0, None, 7.0, 7.0)
    draws = np.random.default_rng(0).integers(0, 1000, 1500)  # equal chances: Chao1 is close to the truth
    times = np.unique(draws, return_counts=True)[1]
    value, _, lower, upper = chao1(len(times), int((times == 1).sum()), int((times == 2).sum()))
    assert lower < 1000 < upper
    assert len(times) < 0.8 * 1000 < value


def test_the_upper_bound_on_regions_is_one():
    for network in NETS.values():
        study = study_of(network, half=0.7)
        _, values = study.net.preactivations(study.uniform(500, study.stream("test")))
        for (low, high), z in zip(interval_bounds(network, study.domain), values, strict=True):
            assert (z.numpy() >= low).all()
            assert (z.numpy() <= high).all()
        assert region_bound(study)[0].value >= polylc.certify(network, box=corners(study), measures="counts", certified=False)[0].regions
    one_layer = study_of(random_net([2, 5, 1], 0), half=100.0)  # all lines meet pairwise in the box
    assert region_bound(one_layer)[0].value == 1 + 5 + 10


# ---- gradients -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NETS)
def test_jacobian_norms_by_autograd(name):
    network = NETS[name]
    study = study_of(network)
    points = study.uniform(4, study.stream("test"))
    frobenius, operator, soft = jacobian_norms(study, points)
    for k, point in enumerate(points):
        jacobian = autograd_jacobian(lambda x: pre(network, study, x)[1], point).numpy()
        after = autograd_jacobian(lambda x: torch.softmax(pre(network, study, x)[1], dim=0), point)
        assert float(frobenius[k]) == pytest.approx(np.linalg.norm(jacobian), rel=1e-11)
        assert float(operator[k]) == pytest.approx(np.linalg.norm(jacobian, 2), rel=1e-11)
        assert float(soft[k]) == pytest.approx(float(after.norm()), rel=1e-10, abs=1e-14)


@pytest.mark.parametrize("name", NETS)
def test_ranks_are_those_of_the_matrices(name):
    network = NETS[name]
    study = study_of(network)
    points = study.uniform(40, study.stream("test"))
    found = rank_of_patterns(study, study.net.patterns(points).numpy())
    for layer, jacobian in enumerate(itertools.islice(study.net.jacobians(study.net.slopes_at(points)), len(network.layers))):
        np.testing.assert_array_equal(found[:, layer], np.linalg.matrix_rank(jacobian.expand(40, -1, -1).numpy()))


def test_the_published_rank_depends_on_scale_and_the_rank_does_not():
    network = random_net([3, 6, 5, 1], 1)
    weights = [0.01 * affine.terms[0][1] for affine in (*(layer.affine for layer in network.layers), network.output)]
    small = chain(weights, [np.full(size, 0.001) for size in (6, 5, 1)])
    found = {e.method + e.target: e.value for e in run_methods(study_of(small), ["local_rank"], METHODS)[0]}
    assert found["local_ranklocal_rank.1"] == 2  # two free coordinates
    assert found["local_rank_atollocal_rank.2"] < found["local_ranklocal_rank.2"]


@pytest.mark.parametrize("name", ["chain", "leaky residual", "wide input"])
def test_sampled_gradients_stay_below_the_exact_constants(name):
    network = NETS[name]
    study = study_of(network, half=0.5, label=1, samples=1000)
    names, rows = lipschitz_targets(study)
    assert names == ["f1-f0"]
    points = study.uniform(3, study.stream("test"))
    values = gradient_norms(study, points, rows).reshape(3, 2, 3)
    for k, point in enumerate(points):
        jacobian = autograd_jacobian(lambda x: pre(network, study, x)[1], point).numpy()
        margin = jacobian[1] - jacobian[0]
        np.testing.assert_allclose(values[k, 0], [np.linalg.norm(margin, p) for p in (1, 2, np.inf)], rtol=1e-11)
        np.testing.assert_allclose(values[k, 1], [np.linalg.norm(jacobian, p) for p in (np.inf, 2, 1)], rtol=1e-11)
    constants = polylc.certify(network, box=corners(study), labels=[1], measures="lipschitz")[0].lipschitz
    exact = {f"lipschitz.{c.target}.{c.norm}": c.quantity for c in constants}
    found = {e.target: e for e in run_methods(study, ["lipschitz"], METHODS)[0] if e.method == "sampled_lipschitz"}
    assert set(found) == set(exact)
    for target, estimate in found.items():
        assert 0.5 * exact[target].value < estimate.value <= exact[target].upper * (1 + 1e-12)


def test_clever_finds_the_end_of_a_reverse_weibull_law():
    maxima = stats.weibull_max.rvs(3.0, loc=5.0, scale=0.5, size=4000, random_state=0)
    location, fit = weibull_location(maxima)
    assert location == pytest.approx(5.0, abs=0.05)
    assert fit > 0.01
    assert weibull_location(np.full(20, 2.5)) == (2.5, 1.0)
    shifted, _ = weibull_location(10 * maxima)
    assert shifted == pytest.approx(10 * location, rel=1e-9)


@pytest.mark.parametrize("network", [random_net([3, 6, 4, 2], 1), random_net([3, 6, 4, 2], 2, negative_slope=0.3), residual_net(4)])
@pytest.mark.parametrize("half", [0.05, 1.0])
def test_the_convex_bound_lies_between_the_constant_and_the_product_of_norms(network, half):
    pytest.importorskip("cvxpy")
    study = study_of(network, half=half)
    (bound,) = lipsdp(study)
    constants = polylc.certify(network, box=corners(study), measures="lipschitz")[0].lipschitz
    (exact,) = [c.quantity for c in constants if (c.target, c.norm) == ("jacobian", "l2")]
    assert bound.value >= exact.value * (1 - 1e-9)
    if network.is_chain:
        affines = [*(layer.affine for layer in network.layers), network.output]
        assert bound.value <= math.prod(np.linalg.norm(a.terms[0][1], 2) for a in affines) * (1 + 1e-6)
    if bound.parameters["unstable"] == 0:
        assert bound.value == pytest.approx(exact.value, rel=1e-9)


# ---- how they are run ------------------------------------------------------------------------------------------------
def test_estimates_depend_on_the_seed_alone():
    network = NETS["chain"]
    every = run_methods(study_of(network, samples=256), METHODS, METHODS)[0]
    for name in METHODS:
        alone = run_methods(study_of(network, samples=256), [name], METHODS)[0]
        same = [e for e in every if (e.method, e.target) in {(a.method, a.target) for a in alone}]
        assert [a.value for a in alone] == [e.value for e in same]
    other = {(e.method, e.target): e.value for e in run_methods(study_of(network, samples=256, seed=1), METHODS, METHODS)[0]}
    assert other["coarea", "local_complexity.activation"] != next(e.value for e in every if e.method == "coarea")


def test_small_chunks_sample_the_same_thing():
    network = random_net([2, 40, 40, 2], 0)
    for name in ("coarea", "lines", "humayun", "tube", "jacobian_norm"):
        one, many = (run_methods(study_of(network, samples=2000, memory=m), [name], METHODS)[0][-1] for m in (256, 1))
        assert many.samples == one.samples
        assert abs(one.value - many.value) < 4 * math.hypot(one.standard_error, many.standard_error)
    assert len(list(study_of(network, memory=1).chunks(2000))) > 1


def test_moments_merge_like_one_sample():
    values = 1e6 + np.random.default_rng(0).normal(size=(1000, 2))
    moments = Moments()
    for part in np.array_split(values, [1, 17, 400]):
        moments.add(part)
    moments.add(values[:0])
    estimate = moments.estimate("m", "t", 1)
    low, high = stats.t.interval(0.95, 999, loc=values[:, 1].mean(), scale=stats.sem(values[:, 1]))
    np.testing.assert_allclose([estimate.value, estimate.lower, estimate.upper], [values[:, 1].mean(), low, high], rtol=1e-12)
    assert estimate.standard_error == pytest.approx(stats.sem(values[:, 1]), rel=1e-9)


def test_names_of_methods():
    assert choose("all", METHODS) == tuple(METHODS)
    assert choose("lines, coarea", METHODS) == ("coarea", "lines")
    assert choose("all,lipsdp", METHODS, ["lipsdp", "slices"])[-1] == "lipsdp"
    with pytest.raises(UsageError, match="methods: 'sphere' is unknown; choose all, or some of published, coarea"):
        choose("sphere", METHODS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": 1}, "samples: 1 is too few"),
        ({"sigma": 0.0}, "sigma: 0.0 is not a positive number"),
        ({"tube": math.nan}, "tube: nan is not a positive number"),
        ({"device": "gpu"}, "device: 'gpu' is unknown"),
        ({"device": "cuda:77"}, "device: cuda:77 is not there"),
        ({"dtype": "float16"}, "dtype: 'float16' is unknown"),
        ({"seed": -1}, "seed: -1 is negative"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(UsageError, match=message):
        Sampling(**settings)


def test_networks_without_neurons_have_no_boundary():
    study = study_of(SPECIAL["no hidden layer"])
    found, skipped = run_methods(study, METHODS, METHODS)
    assert {s.method for s in skipped} == {"pgd", "deepfool"}  # a box without a class
    values = {(e.method, e.target): e.value for e in found}
    assert all(v == 0 for (_, target), v in values.items() if target.startswith("local_complexity") or target == "kink_variation")
    assert values["patterns", "regions"] == 1
    assert values["jacobian_norm", "total_variation.operator"] == pytest.approx(np.linalg.norm([[1, -1], [0, 2]], 2))
    assert density_factor(1.0) == pytest.approx(stats.norm.pdf(0))
