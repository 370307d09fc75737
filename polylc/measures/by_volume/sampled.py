"""What is weighed by volume or area, where volumes are out of reach: estimates, with intervals that use what the
enumeration proves.

Local and kink variation from random lines (Crofton, docs/theory.md), total variation and LC^dec from random points. All
from one seed, so the same numbers every time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polylc.complex.complex import Complex
from polylc.domains.box import as_box
from polylc.estimators.estimate import Moments, t_quantile
from polylc.exact.quantity import Kind, Quantity
from polylc.measures.by_volume.crossings import crossings_of_lines
from polylc.measures.by_volume.slicing import sliced
from polylc.measures.by_volume.unstable import UnstableNetwork
from polylc.measures.gradient.norms import Gradients, frobenius, spectral
from polylc.network.compose import batches

LINES, POINTS, SEED = 8192, 8192, 0
FEW = 20  # lines with crossings: with fewer of them Student's interval is not honest
RISK = 0.05


@dataclass(frozen=True)
class Sampled:
    """Estimates for one complex, each of kind ESTIMATE, or EXACT where one region makes the answer trivial.

    Attributes
    ----------
    local_complexity : dict
        "activation", "activation_set", "open"; "function" too where it is 0.
    kink_variation : Quantity
    note : str
        Method, seed, sample size and what the interval rests on.
    """

    local_complexity: dict[str, Quantity]
    kink_variation: Quantity
    note: str


def by_lines(complex_: Complex) -> Sampled:
    """Local complexity and kink variation of a complete complex from lines of the invariant measure: LC_0 = E[N] H(dU)
    / 2|U|.

    Notes
    -----
    A line meets each convex region once, so it crosses at most R - 1 facets; and at most prod (1 + u_l) - 1 if u_l
    neurons of layer l change sign. Intervals are Student's, cut to [0, C8]; where fewer than 20 lines cross anything,
    Clopper and Pearson's bound on the share of such lines times the most crossings takes their place.
    """
    zero = Quantity(0.0, 0.0, Kind.EXACT)
    if len(complex_) == 1:
        return Sampled(dict.fromkeys(("activation", "activation_set", "open", "function"), zero), zero, "one region: there are no facets")
    counts, factor = crossings_of_lines(complex_, LINES, np.random.default_rng([SEED, 0]))
    bits = complex_.patterns()
    active = bits.sum(axis=0)
    unstable: np.ndarray = (active > 0) & (active < len(bits))
    network = complex_.network
    per_layer = [int(unstable[network.offsets[i] : network.offsets[i + 1]].sum()) for i in range(len(network.layers))]
    most = min(len(complex_) - 1, math.prod(1 + u for u in per_layer) - 1)
    limit = float(sliced(complex_)[1])
    flips = int(unstable.sum())  # a facet flips at most these
    steepest = max(float(np.sqrt((jacobian**2).sum(axis=(1, 2))).max()) for _, jacobian in complex_.jacobians())
    jump = 2.0 * steepest
    found = {
        "activation": _interval(counts[:, 0], factor, flips * most, math.inf),
        "activation_set": _interval(counts[:, 1], factor, most, limit),
        "open": _interval(counts[:, 2], factor, most, limit),
    }
    kink = _interval(counts[:, 3], factor, jump * most, jump * limit)
    crossed = int((counts[:, 1] > 0).sum())
    how = "Student's interval" if crossed >= FEW else "an upper bound from the most crossings a line can have"
    note = f"estimates from {len(counts)} random lines of the invariant measure (seed {SEED}), {crossed} of which cross facets; 95 % by {how}"
    return Sampled(found, kink, note)


def _interval(counts: np.ndarray, factor: float, most: float, limit: float) -> Quantity:
    """The mean of counts in [0, most] times a factor, known to be at most `limit`."""
    size = len(counts)
    crossed = int((counts > 0).sum())
    if crossed < FEW:
        high = _upper_share(crossed, size) * most * factor
        return Quantity(0.0, min(high, limit), Kind.ESTIMATE)
    mean, error = float(counts.mean()), float(counts.std(ddof=1)) / math.sqrt(size)
    half = t_quantile(size - 1) * error
    low = max(mean - half, 0.0) * factor
    return Quantity(min(low, limit), min((mean + half) * factor, limit), Kind.ESTIMATE)


def _upper_share(seen: int, size: int) -> float:
    """Clopper and Pearson's upper 95 % bound of a share of which `seen` of `size` were seen."""
    from scipy.special import betaincinv

    return float(betaincinv(seen + 1, size - seen, 1.0 - RISK))


def total_variation(complex_: Complex) -> tuple[dict[str, Quantity], str]:
    """Mean Frobenius and operator norm of the Jacobian at random points, within the proved extremes over the regions.

    The regions of the points give the norms; a point that rounding puts into none may have any norm between the
    extremes.

    Notes
    -----
    The norms lie in a known interval of width w, so Maurer and Pontil's empirical Bernstein bound (2009) holds for any
    sample size: sqrt(2 V log(4 / d) / N) + 7 w log(4 / d) / (3 (N - 1)).
    """
    gradient, error = Gradients(complex_).of(np.arange(len(complex_)))
    extremes, norms = {}, {}
    for name, norm in (("frobenius", frobenius), ("operator", spectral)):
        values = norm(gradient, error)
        extremes[name] = float(values[:, 0].min()), float(values[:, 1].max())
        norms[name] = 0.5 * (values[:, 0] + values[:, 1])
    if len(complex_) == 1:
        return {k: Quantity(a, b, Kind.EXACT if a == b else Kind.ENCLOSURE) for k, (a, b) in extremes.items()}, "one region"
    network, rng = UnstableNetwork(complex_), np.random.default_rng([SEED, 1])
    k = complex_.domain.dimension
    region = np.concatenate([network.regions(network.linear(rng.uniform(-1.0, 1.0, (part.stop - part.start, k)))) for part in batches(POINTS, k)])
    lost = float((region < 0).mean())
    found = {}
    level = math.log(4.0 / RISK)
    for name, (low, high) in extremes.items():
        values = np.where(region >= 0, norms[name][region], 0.5 * (low + high))
        error_of_mean = float(values.std(ddof=1)) / math.sqrt(POINTS)
        half = math.sqrt(2.0 * level) * error_of_mean + 7.0 * (high - low) * level / (3.0 * (POINTS - 1)) + 0.5 * lost * (high - low)
        mean = float(values.mean())
        found[name] = Quantity(max(mean - half, low), min(mean + half, high), Kind.ESTIMATE)
    return found, f"estimates from {POINTS} random points (seed {SEED}); 95 % by the empirical Bernstein bound within the proved extremes"


def decoupled(complex_: Complex, sigmas: Sequence[float]) -> tuple[list[Quantity], str]:
    """LC^dec at random points: the mean of sum ||grad z|| phi_sigma(z), Student's interval."""
    from polylc.estimators.coarea import coarea_terms  # torch
    from polylc.estimators.study import Sampling, Study, to_numpy

    study = Study(complex_.network, as_box(complex_.domain, "lines"), Sampling(samples=POINTS, seed=SEED))
    found = []
    for sigma in sigmas:
        moments, stream = Moments(), study.stream("decoupled")
        for size in study.chunks(POINTS):
            points = study.uniform(size, stream)
            silent = [study.net.torch.zeros((size, width), dtype=study.net.dtype, device=study.net.device) for width in study.net.widths]
            moments.add(to_numpy(coarea_terms(study, points, silent, sigma)))
        made = moments.estimate("decoupled", "local_complexity.sigma")
        found.append(Quantity(max(made.lower or 0.0, 0.0), made.upper, Kind.ESTIMATE))
    return found, f"estimates from {POINTS} random points (seed {SEED}); 95 % by Student's interval"
