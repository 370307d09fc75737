"""Sign changes on small diamonds (Humayun et al.), raw, and rescaled to a local complexity."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from polylc.estimators.coarea import ACTIVATION
from polylc.estimators.estimate import Estimate, Moments
from polylc.estimators.study import Study, to_numpy

if TYPE_CHECKING:
    from torch import Tensor

GROUP = 8  # centres that share a frame


def humayun(study: Study) -> list[Estimate]:
    """E6 and E6': neurons whose sign differs among the vertices x +- r v_j of a diamond; and that over 2 r m_{n,P}."""
    settings, stream, moments = study.settings, study.stream("humayun"), Moments()
    n = study.dimension
    radius = settings.diamond or 0.01 * math.sqrt(n) * study.narrowest
    directions = min(settings.directions, n)
    groups = max(2, -(-settings.samples // (GROUP * max(1, directions))))  # a sample costs 2 P forward passes
    size = study.net.lower.element_size() * (2 * directions * GROUP * (study.network.neurons + 2 * n) + 3 * n * directions)
    for many in study.chunks(groups, size):
        centres = study.uniform(many * GROUP, stream).reshape(many, GROUP, n)
        counts = sign_changes(study, centres, radius * study.frames(many, directions, stream))
        moments.add(to_numpy(counts.to(study.net.dtype).mean(dim=1)))
    parameters: dict[str, float | int | str] = {"r": radius, "directions": directions, "centres": groups * GROUP}
    assumptions = f"independent groups of {GROUP} centres that share a random frame (t-interval)"
    raw = moments.estimate(
        "humayun",
        "neurons_crossing",
        bias="counts neurons, not regions and not a density; never too many: boundaries that enter and leave between vertices are missed",
        assumptions=assumptions,
        parameters=parameters,
    )
    rescaled = moments.estimate(
        "humayun_rescaled", ACTIVATION, bias="O(r) in the radius r of the diamond, from below", assumptions=assumptions, parameters=parameters
    )
    return [raw, rescaled.scaled(1.0 / (2.0 * radius * mean_width(n, directions)))]


def sign_changes(study: Study, centres: Tensor, vectors: Tensor) -> Tensor:
    """Neurons whose bit differs among the vertices of the diamonds; shape (G, B).

    Parameters
    ----------
    centres : Tensor, shape (G, B, n)
    vectors : Tensor, shape (G, P, n)
        Half diagonals, shared by the centres of a group.
    """
    net, torch = study.net, study.net.torch
    steps = torch.cat([vectors, -vectors], dim=1)
    vertices = centres[:, :, None, :] + steps[:, None, :, :]
    bits = net.patterns(vertices.reshape(-1, net.inputs)).reshape(*vertices.shape[:3], -1)
    return (bits.any(dim=2) & ~bits.all(dim=2)).sum(dim=2)


def mean_width(n: int, directions: int) -> float:
    """m_{n,P} = E max over j <= P of |u_j|, for u uniform on the unit sphere of R^n.

    A Gaussian vector is its direction times its independent length, so m_{n,P} is the mean largest of P half-normal
    numbers over the mean length of a Gaussian vector.

    Examples
    --------
    >>> round(mean_width(2, 2), 4), mean_width(1, 1)
    (0.9003, 1.0)
    """
    from scipy.integrate import quad
    from scipy.special import erf

    if n == 1:
        return 1.0
    largest, _ = quad(lambda t: 1.0 - erf(t / math.sqrt(2.0)) ** directions, 0.0, 40.0, limit=200, points=[1.0, 3.0, 6.0], epsabs=1e-13, epsrel=1e-12)
    length = math.sqrt(2.0) * math.exp(math.lgamma(0.5 * (n + 1)) - math.lgamma(0.5 * n))
    return float(largest / length)
