"""Local complexity with bias noise from draws of it: each drawn network is enumerated, and measured exactly.

Exact draws measure the facets of the drawn network. Rao-Blackwell draws average every neuron's own noise in closed
form, as LC^dec does, and so only sample the noise of the layers before it: the same expectation, a smaller variance.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from polylc.engines.contract import Outcome
from polylc.errors import UsageError
from polylc.estimators.estimate import Estimate, Moments
from polylc.estimators.study import Study
from polylc.exact.quantity import Kind
from polylc.geometry.skeleton import MOST_DIMENSION
from polylc.measures.by_volume.noise import decoupled
from polylc.network.form import Network
from polylc.report.result import Result
from polylc.run.neighbourhood import answer
from polylc.search.task import Settings, make_task

VERSIONS = ("activation", "open", "function")


def exact_draws(study: Study) -> list[Estimate]:
    """E4: the mean of LC_0 over networks whose hidden biases carry N(0, sigma^2) noise; in many dimensions of the
    middles of its enclosures.

    Raises
    ------
    UsageError
        If a drawn network's local complexity is not enclosed narrowly.
    """
    settings, moments = study.settings, Moments()
    rng = np.random.default_rng(study.entropy("exact_draws"))
    for _ in range(settings.draws):
        result = _enumerated(study, "exact_draws", perturbed(study.network, settings.sigma, rng), ("local_complexity",))
        values = result.local_complexity
        if values is None:
            raise UsageError(f"exact_draws: {result.notes.get('local_complexity', 'no local complexity')}")
        if any(values[name].kind is Kind.ESTIMATE for name in VERSIONS):
            raise UsageError(f"exact_draws: in {study.dimension} dimensions a drawn network has {result.regions} regions: its value is an estimate")
        moments.add(np.array([[values[name].value for name in VERSIONS]]))
    assumptions = f"{settings.draws} independent draws, each enumerated in floating point (t-interval)"
    return [
        moments.estimate("exact_draws", f"local_complexity.{name}", column, assumptions=assumptions, parameters={"sigma": settings.sigma})
        for column, name in enumerate(VERSIONS)
    ]


def rao_blackwell(study: Study) -> list[Estimate]:
    """LC_sigma, activation version: the mean over drawn networks of LC^dec with every neuron's own noise taken out
    again.

    On a region of the drawn network a neuron's form without its own noise is z - sigma xi, and E[LC^dec of that] is the
    co-area formula T1, as that noise is independent of the noise before it.

    Raises
    ------
    UsageError
        If volumes are out of reach in this dimension.
    """
    if study.dimension > MOST_DIMENSION:
        raise UsageError(f"rao_blackwell: dimension {study.dimension} > {MOST_DIMENSION}: volumes are out of reach")
    settings, moments = study.settings, Moments()
    rng = np.random.default_rng(study.entropy("rao_blackwell"))
    for _ in range(settings.draws):
        noise = settings.sigma * rng.standard_normal(study.network.neurons)
        complex_ = _enumerated(study, "rao_blackwell", shifted(study.network, noise), ()).complex
        assert complex_ is not None
        moments.add(np.array([decoupled(complex_, [settings.sigma], noise)[0].value]))
    assumptions = f"{settings.draws} independent draws of the noise of earlier layers, own noise integrated (t-interval)"
    return [moments.estimate("rao_blackwell", "local_complexity.activation", assumptions=assumptions, parameters={"sigma": settings.sigma})]


def _enumerated(study: Study, method: str, network: Network, measures: tuple[str, ...]) -> Result:
    domain = study.only_box(method, "coarea needs no regions")
    result = answer(network, make_task(network, 0, domain, study.label), Settings(measures, keep=not measures, certify=False))
    if result.outcome is Outcome.INTERRUPTED:  # the user means the run, not this draw
        raise KeyboardInterrupt
    return result


def perturbed(network: Network, sigma: float, rng: np.random.Generator) -> Network:
    """The network with independent N(0, sigma^2) noise added to the biases of all hidden neurons."""
    return shifted(network, sigma * rng.standard_normal(network.neurons))


def shifted(network: Network, noise: np.ndarray) -> Network:
    """The network with `noise`, shape (neurons,), added to the biases of its hidden neurons."""
    parts = np.split(noise, network.offsets[1:-1])
    layers = tuple(
        replace(layer, affine=replace(layer.affine, bias=layer.affine.bias + part)) for layer, part in zip(network.layers, parts, strict=False)
    )
    return replace(network, layers=layers, sha256="")
