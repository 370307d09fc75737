"""A network on a set on which most neurons keep their sign: the others alone, with the affine maps between them.

What the neurons of known sign do is composed into the maps, in doubles, so that the rest may be a small network even
where the whole is large. Beside every coefficient stands the sum of the sizes of all that was added up for it: by no
more than some roundings of that is it wrong (docs/exactness.md, lemma 18).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polylc.exact.checkpoint import checkpoint
from polylc.network.form import Affine, Layer, Network
from polylc.network.weights import Weight, entries, times, with_entries

Array = np.ndarray
LARGEST = 2**25  # coefficients that may be composed


@dataclass(frozen=True, eq=False)
class Restricted:
    """The neurons of unknown sign.

    Attributes
    ----------
    network : Network
        Of these neurons, and with the same outputs, up to rounding.
    neurons : ndarray of int, shape (its neurons,)
        Which neurons of the whole network they are.
    sizes : list of list of Weight
        For every hidden layer, and the output map last, and every term: sizes of all that was added up.
    constants : list of ndarray
        The same of the biases.
    """

    network: Network
    neurons: Array
    sizes: list[list[Weight]]
    constants: list[Array]


@dataclass
class _Forms:
    """Rows over the input and the open units, by source of the smaller network, with constants, and their sizes."""

    rows: dict[int, Array]
    sizes: dict[int, Array]
    constant: Array
    size: Array


def restricted(network: Network, free: Array, bits: Array) -> Restricted:
    """The network of the neurons that are free; the others have the sign that their bit says.

    Parameters
    ----------
    free, bits : ndarray of bool, shape (neurons,)
    """
    widths = [network.inputs, *network.widths]
    some = int(free.sum())
    if free.all() or sum(widths) * (network.inputs + some) > LARGEST:
        return whole(network)
    n = network.inputs
    sources = [_Forms({0: np.eye(n)}, {0: np.eye(n)}, np.zeros(n), np.zeros(n))]
    layers: list[Layer] = []
    sizes: list[list[Weight]] = []
    constants: list[Array] = []
    for index, layer in enumerate(network.layers):
        checkpoint()
        here = slice(int(network.offsets[index]), int(network.offsets[index + 1]))
        forms = _composed(layer.affine, sources)
        own = np.flatnonzero(free[here])
        slope = np.where(bits[here], layer.positive, layer.negative)
        slope[own] = 0.0
        handed = _Forms(
            {s: v * slope[:, None] for s, v in forms.rows.items()},
            {s: v * np.abs(slope)[:, None] for s, v in forms.sizes.items()},
            forms.constant * slope,
            forms.size * np.abs(slope),
        )
        if len(own):
            affine = Affine(tuple((s, np.ascontiguousarray(v[own])) for s, v in sorted(forms.rows.items())), forms.constant[own])
            layers.append(Layer(affine, layer.negative[own], layer.positive[own]))
            sizes.append([np.ascontiguousarray(forms.sizes[s][own]) for s, _ in affine.terms])
            constants.append(forms.size[own])
            unit = np.zeros((layer.width, len(own)))
            unit[own, np.arange(len(own))] = 1.0
            handed.rows[len(layers)] = handed.sizes[len(layers)] = unit
        sources.append(handed)
    forms = _composed(network.output, sources)
    output = Affine(tuple(sorted(forms.rows.items())), forms.constant)
    sizes.append([forms.sizes[s] for s, _ in output.terms])
    constants.append(forms.size)
    smaller = Network(n, tuple(layers), output, source=network.source, sha256=network.sha256)
    return Restricted(smaller, np.flatnonzero(free), sizes, constants)


def whole(network: Network) -> Restricted:
    """The network as it is."""
    affines = [*(layer.affine for layer in network.layers), network.output]
    sizes: list[list[Weight]] = [[with_entries(w, np.abs(entries(w))) for _, w in affine.terms] for affine in affines]
    return Restricted(network, np.arange(network.neurons), sizes, [np.abs(affine.bias) for affine in affines])


def _composed(affine: Affine, sources: list[_Forms]) -> _Forms:
    found = _Forms({}, {}, affine.bias.copy(), np.abs(affine.bias))
    for source, weight in affine.terms:
        forms, size = sources[source], with_entries(weight, np.abs(entries(weight)))
        found.constant = found.constant + times(weight, forms.constant[:, None])[:, 0]
        found.size = found.size + times(size, forms.size[:, None])[:, 0]
        for s, rows in forms.rows.items():
            part, more = times(weight, rows), times(size, forms.sizes[s])
            found.rows[s] = found.rows[s] + part if s in found.rows else part
            found.sizes[s] = found.sizes[s] + more if s in found.sizes else more
    return found
