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


def good_at_threshold(
    net: TensorNetwork, points: Tensor, noisy: Sequence[Tensor], noise: Sequence[Tensor], layer: int, terms: Tensor, memory: int = 2**28
) -> Tensor:
    """`terms` (B, width) of a layer's neurons, set to zero where the neuron is not good with its own output held at
    zero.

    For each term the later layers are evaluated anew, without the neuron and with their own noise, and the neurons that
    it reaches through active ones are followed to the output. Terms that rounding loses in the sum of their row are
    left as they are.

    Parameters
    ----------
    noisy, noise : sequence of Tensor, shape (B, width)
        Pre-activations with noise, and the noise, of all layers.
    memory : int
        Bytes for one chunk of terms, roughly.
    """
    torch = net.torch
    if layer == len(net.layers) - 1:  # nothing in between: any neuron that the output reads is good
        return terms * _reached(net, net.output, {layer + 1: torch.eye(terms.shape[1], dtype=net.dtype, device=net.device)}).any(dim=1)
    lost = 1e-3 * torch.finfo(net.dtype).eps * terms.sum(dim=1, keepdim=True)
    where = torch.nonzero(terms > lost, as_tuple=False)
    result = terms.clone()
    later = [*net.layers[layer + 1 :], net.output]
    read = {source for affine in later for source, _ in affine.terms}
    known = {source: points if source == 0 else net.unit(source - 1, noisy[source - 1]) for source in read if source <= layer}
    held = net.unit(layer, noisy[layer])
    each = sum(v.shape[1] for v in known.values()) + 6 * sum(net.widths[layer:])
    step = max(1, memory // (each * terms.element_size()))
    for begin in range(0, len(where), step):
        rows, neurons = where[begin : begin + step].T
        every = torch.arange(len(rows), device=net.device)
        values = {source: v[rows] for source, v in known.items()}
        values[layer + 1] = held[rows]
        values[layer + 1][every, neurons] = 0.0
        reach = {layer + 1: torch.zeros_like(values[layer + 1])}
        reach[layer + 1][every, neurons] = 1.0
        for index in range(layer + 1, len(net.layers)):
            z = net.apply(net.layers[index], values, len(rows)) + noise[index][rows]
            values[index + 1] = net.unit(index, z)
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
