"""Local complexity from tubes around the boundaries: no noise, the same for all parametrisations of a function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polylc.estimators.coarea import ACTIVATION
from polylc.estimators.estimate import Estimate, Moments
from polylc.estimators.study import Study, to_numpy

if TYPE_CHECKING:
    from torch import Tensor


def tube(study: Study) -> list[Estimate]:
    """E5: the share of points nearer than t to a neuron's hyperplane, over 2 t, summed over neurons."""
    settings, stream, moments = study.settings, study.stream("tube"), Moments()
    half_width = settings.tube or 0.01 * study.narrowest
    for size in study.chunks(settings.samples):
        moments.add(to_numpy(tube_terms(study, study.uniform(size, stream), half_width)))
    return [moments.estimate("tube", ACTIVATION, bias="O(t) in the half width t of the tube", parameters={"t": half_width})]


def tube_terms(study: Study, points: Tensor, half_width: float) -> Tensor:
    """Number of neurons with |z| < t ||grad z||, over 2 t, at points (B, n); shape (B,). A neuron that vanishes on a
    cell has no tube there.
    """
    net = study.net
    _, z = net.preactivations(points)
    slopes = [net.slope(i, v) for i, v in enumerate(z)]
    total: Tensor = net.torch.zeros(len(points), dtype=net.dtype, device=net.device)
    for value, norms in zip(z, net.row_norms(slopes), strict=True):
        total = total + (value.abs() < half_width * norms).sum(dim=1)
    share: Tensor = total / (2.0 * half_width)
    return share
