"""Local complexity with bias noise by the co-area formula: the published recipe, corrected, and with own noise.

With N(0, sigma^2) noise on the hidden biases,

    LC_sigma = sum over neurons of E[ ||grad z|| phi_sigma(z_mean) 1{good at the threshold} ],

where all gradients and values are those of the network with noise in the earlier layers, z_mean leaves out the neuron's
own noise but keeps its bias, and "good at the threshold" is judged with the neuron's output held at zero.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from polylc.errors import UsageError
from polylc.estimators.estimate import Estimate, Moments
from polylc.estimators.goodness import good_at_threshold, good_neurons
from polylc.estimators.study import Study, to_numpy

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ACTIVATION, OPEN = "local_complexity.activation", "local_complexity.open"


def density_factor(sigma: float) -> float:
    """C_sigma, the largest value of the density of N(0, sigma^2)."""
    return 1.0 / (math.sqrt(2.0 * math.pi) * sigma)


def published(study: Study) -> list[Estimate]:
    """E1: the published recipe as it stands, and multiplied by C_sigma.

    For each copy of the noise and each point, the sum over hidden neurons of exp(-(W h)^2 / 2 sigma^2) ||grad z||, with
    one noisy copy of the biases in the earlier layers, and W h without any bias.
    """
    settings, net = study.settings, study.net
    sigma, stream = settings.sigma, study.stream("published")
    moments = Moments()
    for copy in range(settings.copies):
        noise: list[Tensor | None] = [sigma * study.normal((width,), stream) for width in net.widths]
        share = settings.samples // settings.copies + (copy < settings.samples % settings.copies)
        total, seen = 0.0, 0
        for size in study.chunks(max(1, share)):
            points = study.uniform(size, stream)
            means, noisy = net.preactivations(points, noise)
            slopes = [net.slope(i, z) for i, z in enumerate(noisy)]
            for index, norms in enumerate(net.row_norms(slopes)):
                without_bias = means[index] - net.layers[index].own_bias
                total += float((net.torch.exp(-0.5 * (without_bias / sigma) ** 2) * norms).sum())
            seen += size
        moments.add(np.array([total / seen]))
    what = "no factor C_sigma, the neuron's mean bias dropped, no goodness"
    assumptions = f"{settings.copies} independent copies of the noise (t-interval over their means)"
    parameters: dict[str, float | int | str] = {"sigma": sigma, "copies": settings.copies, "points": settings.samples}
    literal = moments.estimate("published", ACTIVATION, bias=what, assumptions=assumptions, parameters=parameters)
    scaled = moments.estimate(
        "published_scaled", ACTIVATION, bias="the neuron's mean bias dropped, no goodness", assumptions=assumptions, parameters=parameters
    )
    return [literal, scaled.scaled(density_factor(sigma))]


def coarea(study: Study) -> list[Estimate]:
    """E2: T1 as it should be, in the activation version (every neuron counts)."""
    return [_coarea(study, "coarea", ACTIVATION, None)]


def coarea_good(study: Study) -> list[Estimate]:
    """E2 with goodness judged at the threshold: the open version."""
    return [_coarea(study, "coarea_good", OPEN, "threshold")]


def coarea_unconditional(study: Study) -> list[Estimate]:
    """E2 with goodness judged with independently drawn noise, as a warning: it does not estimate the open version."""
    return [_coarea(study, "coarea_unconditional", OPEN, "unconditional")]


def own_noise(study: Study) -> list[Estimate]:
    """E3: the density taken at the pre-activation with its own noise, which smooths twice."""
    return [_coarea(study, "own_noise", ACTIVATION, None)]


def _coarea(study: Study, method: str, target: str, goodness: str | None) -> Estimate:
    settings, stream, moments = study.settings, study.stream(method), Moments()
    for size in study.chunks(settings.samples):
        points, noise = study.uniform(size, stream), draw_noise(study, size, settings.sigma, stream)
        moments.add(to_numpy(coarea_terms(study, points, noise, settings.sigma, own=method == "own_noise", goodness=goodness)))
    bias = {
        "own_noise": "own noise counted twice: smoothed over sqrt(2) sigma, O(sigma^2)",
        "coarea_unconditional": "goodness not judged at the threshold",
    }.get(method, "none")
    return moments.estimate(method, target, bias=bias, parameters={"sigma": settings.sigma})


def draw_noise(study: Study, size: int, sigma: float, stream: torch.Generator) -> list[Tensor]:
    """Independent noise for every point and hidden neuron; one tensor (size, width) for each layer."""
    return [sigma * study.normal((size, width), stream) for width in study.net.widths]


def coarea_terms(study: Study, points: Tensor, noise: list[Tensor], sigma: float, *, own: bool = False, goodness: str | None = None) -> Tensor:
    """The co-area integrand at points (B, n) under noise of each layer (B, width); shape (B,).

    Parameters
    ----------
    own : bool
        Whether the density is taken at the pre-activation with its own noise (E3).
    goodness : {None, "threshold", "unconditional"}
        Which neurons count: all; those good with their output held at zero; those good under the noise as drawn.
    """
    net, torch = study.net, study.net.torch
    if goodness not in (None, "threshold", "unconditional"):
        raise UsageError(f"goodness: {goodness!r} is unknown; choose threshold or unconditional")
    means, noisy = net.preactivations(points, noise)
    slopes = [net.slope(i, z) for i, z in enumerate(noisy)]
    good = good_neurons(net, slopes) if goodness == "unconditional" else None
    total: Tensor = torch.zeros(len(points), dtype=net.dtype, device=net.device)
    for index, norms in enumerate(net.row_norms(slopes)):
        at = noisy[index] if own else means[index]
        terms = density_factor(sigma) * torch.exp(-0.5 * (at / sigma) ** 2) * norms
        if good is not None:
            terms = terms * good[index]
        elif goodness == "threshold":
            terms = good_at_threshold(net, points, noisy, noise, index, terms, study.settings.memory * 2**20)
        total = total + terms.sum(dim=1)
    return total
