"""Numbers of regions from the patterns of sampled points: distinct ones, Chao's estimate."""

from __future__ import annotations

import math

import numpy as np

from polylc.estimators.estimate import Estimate
from polylc.estimators.study import Study
from polylc.network.patterns import pack


def patterns(study: Study) -> list[Estimate]:
    """E8 and E14: distinct patterns among N points, and Chao1."""
    stream, parts = study.stream("patterns"), []
    for size in study.chunks(study.settings.samples):
        parts.append(pack(study.net.patterns(study.uniform(size, stream)).cpu().numpy()))
    samples = study.settings.samples
    _, times = np.unique(np.concatenate(parts), axis=0, return_counts=True)
    distinct, once, twice = len(times), int((times == 1).sum()), int((times == 2).sum())
    value, error, lower, upper = chao1(distinct, once, twice)
    points = f"{samples} independent uniform points"
    return [
        Estimate("patterns", "regions", distinct, None, distinct, None, samples, "counts only regions that were hit: from below, strongly", points),
        Estimate(
            "chao1", "regions", value, error, lower, upper, samples, "estimates a lower bound of the number of regions",
            f"{points}; log-normal interval of Chao (1987), which holds if the regions that were missed are like those seen once or twice",
        ),
    ]  # fmt: skip


def chao1(distinct: int, once: int, twice: int) -> tuple[float, float | None, float, float]:
    """Chao's estimate of the number of classes from how many were seen at all, once and twice.

    Returns
    -------
    value, standard_error, lower, upper : float
        The bias-corrected form, its error, and the log-normal interval.

    Notes
    -----
    A. Chao, Biometrics 43 (1987) 783-791; the variance is that of the bias-corrected form in EstimateS.
    """
    missed = once * (once - 1) / (2.0 * (twice + 1))
    if missed == 0:
        return float(distinct), None, float(distinct), float(distinct)
    variance = missed + once * (2 * once - 1) ** 2 / (4.0 * (twice + 1) ** 2) + once**2 * twice * (once - 1) ** 2 / (4.0 * (twice + 1) ** 4)
    spread = math.exp(1.959963984540054 * math.sqrt(math.log1p(variance / missed**2)))
    return distinct + missed, math.sqrt(variance), distinct + missed / spread, distinct + missed * spread
