"""Good neurons: those from which a path of active neurons leads to the output, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from polylc.estimators.tensors import TensorAffine, TensorNetwork

if TYPE_CHECKING:
    from torch import Tensor


def good_neurons(net: TensorNetwork, slopes: Sequence[Tensor]) -> list[Tensor]:
    """Which neurons are good, given the slopes of all units; boolean, (B, width) for each layer.

    A path goes along non-zero weights through units whose slope is not zero; the neuron itself need not be active.
    """
    torch = net.torch
    good = [torch.zeros_like(slope, dtype=torch.bool) for slope in slopes]
    for source, weight in net.output.terms:
        if source:
            good[source - 1] |= (weight != 0).any(dim=0)
    for index in range(len(slopes) - 1, -1, -1):
        passing = (good[index] & (slopes[index] != 0)).to(net.dtype)
        for source, weight in net.layers[index].terms:
            if source:
                good[source - 1] |= passing @ (weight != 0).to(net.dtype) > 0
    return good


def good_at_threshold(net: TensorNetwork, points: Tensor, noisy: Sequence[Tensor], noise: Sequence[Tensor], layer: int, terms: Tensor) -> Tensor:
    """`terms` (B, width) of a layer's neurons, set to zero where the neuron is not good with its own output held at zero.

    Only terms that are not zero are looked at: for each the later layers are evaluated anew, without the neuron and with their own noise, and
    the neurons that it reaches through active ones are followed to the output.
    """
    torch = net.torch
    if layer == len(net.layers) - 1:  # nothing in between: any neuron that the output reads is good
        return terms * _reached(net, net.output, {layer + 1: torch.eye(terms.shape[1], dtype=net.dtype, device=net.device)}).any(dim=1)
    where = torch.nonzero(terms, as_tuple=False)
    result = terms.clone()
    step = max(1, 2**22 // max(net.widths))
    known = [points, *(net.unit(i, z) for i, z in enumerate(noisy[: layer + 1]))]
    for begin in range(0, len(where), step):
        rows, neurons = where[begin : begin + step].T
        every = torch.arange(len(rows), device=net.device)
        values = [v[rows] for v in known]
        values[-1][every, neurons] = 0.0
        reach = {layer + 1: torch.zeros_like(values[-1]).index_put_((every, neurons), torch.ones((), dtype=net.dtype, device=net.device))}
        for index in range(layer + 1, len(net.layers)):
            z = net.apply(net.layers[index], values) + noise[index][rows]
            values.append(net.unit(index, z))
            reach[index + 1] = _reached(net, net.layers[index], reach) * (net.slope(index, z) != 0)
        result[rows, neurons] *= _reached(net, net.output, reach).any(dim=1)
    return result


def _reached(net: TensorNetwork, affine: TensorAffine, reach: dict[int, Tensor]) -> Tensor:
    """Which rows of an affine map read a neuron that is reached; 0 or 1, shape (B, size)."""
    some = next(iter(reach.values()))
    total = net.torch.zeros((len(some), len(affine.bias)), dtype=net.dtype, device=net.device)
    for source, weight in affine.terms:
        if source in reach:
            total = total + reach[source] @ (weight != 0).to(net.dtype).T
    reached: Tensor = (total > 0).to(net.dtype)
    return reached
