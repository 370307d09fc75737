"""Lipschitz constants from sampled gradients: the largest one seen, and CLEVER's extrapolation."""

from __future__ import annotations

import numpy as np

from polylc.domains.within import NORMS
from polylc.estimators.estimate import Estimate
from polylc.estimators.study import Study, to_numpy

BATCHES = 64  # whose maxima CLEVER extrapolates


def lipschitz(study: Study) -> list[Estimate]:
    """The largest dual norm of sampled gradients, for every target and norm, and E11: CLEVER for those that are
    scalar.
    """
    stream, net = study.stream("lipschitz"), study.net
    names, rows = lipschitz_targets(study)
    each = max(16, study.settings.samples // BATCHES)
    batch_bytes = net.bytes_per_sample() + 4 * net.lower.element_size() * len(names) * net.inputs
    columns = [(name, norm) for name in (*names, "jacobian") for norm in NORMS]
    maxima = np.zeros((BATCHES, len(columns)))
    for batch in range(BATCHES):
        for size in study.chunks(each, batch_bytes):
            values = gradient_norms(study, study.uniform(size, stream), rows)
            maxima[batch] = np.maximum(maxima[batch], values.max(axis=0))
    found = []
    sampled_bias, clever_bias = "from below: small steep regions are missed", "may fall on either side of the truth; not a bound"
    parameters: dict[str, float | int | str] = {"batches": BATCHES, "batch": each}
    for (name, norm), column in zip(columns, maxima.T, strict=True):
        target, largest = f"lipschitz.{name}.{norm}", float(column.max())
        found.append(Estimate("sampled_lipschitz", target, largest, None, largest, None, BATCHES * each, sampled_bias, "uniform points"))
        if name != "jacobian":
            location, fit = weibull_location(column)
            assumptions = f"maxima of batches of {each} follow a reverse Weibull law (Kolmogorov-Smirnov p = {fit:.2g})"
            found.append(Estimate("clever", target, location, None, largest, None, BATCHES, clever_bias, assumptions, parameters))
    return found + _clever_distance(study, found, rows, parameters)


def _clever_distance(study: Study, found: list[Estimate], rows: np.ndarray, parameters: dict[str, float | int | str]) -> list[Estimate]:
    """CLEVER's score: the least ratio of a margin at the centre and its constant, at most the radius; what it takes for
    a lower bound of the distance to an adversarial point.
    """
    domain, label = study.domain, study.label
    if domain.center is None or domain.radius is None or label is None or study.network.outputs == 1:
        return []
    center = study.net.tensor([[float(domain.center[j]) for j in domain.free.tolist()]])
    margins = rows @ to_numpy(study.net.outputs(center))[0]
    constants = [e.value for e in found if e.method == "clever" and e.target.endswith(f".{domain.norm}")]
    radius = float(max(domain.radius))
    ratios = [max(float(m), 0.0) / c if c > 0 else radius for m, c in zip(margins, constants, strict=True)]
    value = min([radius, *ratios])
    bias = "may fall on either side of the truth; not a bound"
    return [
        Estimate("clever_distance", "distance", value, None, None, None, BATCHES, bias, "CLEVER's constants", {**parameters, "norm": domain.norm})
    ]


def lipschitz_targets(study: Study) -> tuple[list[str], np.ndarray]:
    """Names of the scalar targets and, for each, its row of coefficients of the outputs: margins of the label,
    otherwise the outputs.
    """
    outputs, label = study.network.outputs, study.label
    if label is None or outputs == 1:
        return [f"f{i}" for i in range(outputs)], np.eye(outputs)
    others = [j for j in range(outputs) if j != label]
    return [f"f{label}-f{j}" for j in others], np.eye(outputs)[label] - np.eye(outputs)[others]


def gradient_norms(study: Study, points: object, rows: np.ndarray) -> np.ndarray:
    """Dual norms of the gradients of the targets `rows`, then operator norms of the Jacobian, at points (B, n).

    Returns
    -------
    ndarray, shape (B, 3 (targets + 1))
        For every target the constants in the norms linf, l2, l1.
    """
    net, torch = study.net, study.net.torch
    jacobian = net.output_jacobian(net.slopes_at(points)).transpose(1, 2) @ net.frame  # type: ignore[arg-type]
    gradients = net.tensor(rows) @ jacobian
    norms = [gradients.abs().sum(dim=2), torch.linalg.vector_norm(gradients, dim=2), gradients.abs().amax(dim=2)]
    whole = [jacobian.abs().sum(dim=2).amax(dim=1), torch.linalg.matrix_norm(jacobian, ord=2), jacobian.abs().sum(dim=1).amax(dim=1)]
    every = torch.cat([torch.stack(norms, dim=2), torch.stack(whole, dim=1)[:, None, :]], dim=1)
    return to_numpy(every.reshape(len(every), -1))


def weibull_location(maxima: np.ndarray) -> tuple[float, float]:
    """Location of a reverse Weibull law fitted to batch maxima, and the p-value of the fit.

    Notes
    -----
    T.-W. Weng et al., "Evaluating the robustness of neural networks: an extreme value theory approach", ICLR 2018.
    Profile maximum likelihood over locations within thirty standard deviations above the largest maximum, with shapes
    of at least 1 (below 1 the likelihood has no maximum). Of that and the law that ends at the largest maximum the one
    that fits better counts, as the published code takes the best fit of several starts: gradients of few regions follow
    neither. Maxima that agree, as where every batch meets the steepest region, are their own location.
    """
    largest, spread = float(maxima.max()), float(maxima.std())
    if spread <= 1e-12 * max(largest, 1e-300):
        return largest, 1.0
    gap = np.concatenate([[1e-9], np.geomspace(1e-3, 30.0, 200)])
    below = (largest - maxima)[None, :] / spread + gap[:, None]
    logs = np.log(below)
    shape = _weibull_shape(logs)
    scaled = shape[:, None] * logs
    top = scaled.max(axis=1)
    log_mean = top + np.log(np.mean(np.exp(scaled - top[:, None]), axis=1))  # of below^shape, which is scale^shape
    likelihood = np.log(shape) - log_mean + (shape - 1.0) * logs.mean(axis=1)
    from scipy.stats import kstest

    tried = [int(np.argmax(likelihood)), 0]
    fits = [float(kstest(np.exp(-np.exp(scaled[k] - log_mean[k])), "uniform").pvalue) for k in tried]
    best = tried[int(np.argmax(fits))]
    return largest + float(gap[best]) * spread * (best > 0), max(fits)


def _weibull_shape(logs: np.ndarray) -> np.ndarray:
    """Most likely shapes (at least 1, at most 1000) of Weibull laws given the logarithms of samples, (laws, samples):
    by bisection.
    """

    def slope(shape: np.ndarray) -> np.ndarray:
        weights = shape[:, None] * logs
        weights = np.exp(weights - weights.max(axis=1, keepdims=True))
        result: np.ndarray = 1.0 / shape + logs.mean(axis=1) - (weights * logs).sum(axis=1) / weights.sum(axis=1)
        return result

    low, high = np.full(len(logs), 1.0), np.full(len(logs), 1000.0)
    for _ in range(50):
        middle = np.sqrt(low * high)
        rising = slope(middle) > 0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    result: np.ndarray = np.sqrt(low * high)
    return result
