"""Local complexity with bias noise from exact draws (THEORY E4): noise drawn, the network enumerated, its facets measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from polylc.answer import Settings, Task, answer
from polylc.errors import UsageError
from polylc.estimators.estimate import Estimate, Moments
from polylc.estimators.study import Study
from polylc.network.form import Network

VERSIONS = ("activation", "open", "function")


def exact_draws(study: Study) -> list[Estimate]:
    """E4: the mean of LC_0 over networks whose hidden biases carry N(0, sigma^2) noise.

    Raises
    ------
    UsageError
        If volumes are out of reach in this dimension.
    """
    settings, moments = study.settings, Moments()
    rng = np.random.default_rng(study.entropy("exact_draws"))
    for _ in range(settings.draws):
        noisy = perturbed(study.network, settings.sigma, rng)
        result = answer(noisy, Task(0, study.domain, study.label), Settings(("local_complexity",), keep=False, certify=False))
        values = result.answers.local_complexity
        if values is None:
            raise UsageError(f"exact_draws: {result.notes.get('local_complexity', 'no local complexity')}")
        moments.add(np.array([[values[name].value for name in VERSIONS]]))
    assumptions = f"{settings.draws} independent draws, each enumerated in floating point (t-interval)"
    return [
        moments.estimate("exact_draws", f"local_complexity.{name}", column, assumptions=assumptions, parameters={"sigma": settings.sigma})
        for column, name in enumerate(VERSIONS)
    ]


def perturbed(network: Network, sigma: float, rng: np.random.Generator) -> Network:
    """The network with independent N(0, sigma^2) noise added to the biases of all hidden neurons."""
    layers = tuple(
        replace(layer, affine=replace(layer.affine, bias=layer.affine.bias + sigma * rng.standard_normal(layer.width))) for layer in network.layers
    )
    return replace(network, layers=layers, sha256="")
