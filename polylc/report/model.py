"""How a model was read, as rows of text: its operators, and the hidden layers that they became."""

from __future__ import annotations

import numpy as np

from polylc.network.form import Network
from polylc.network.twins import twins
from polylc.network.weights import Weight

LAYER_COLUMNS = ("layer", "neurons", "reads", "slopes", "weights", "units that are linear, constant or repeated")
STEP_COLUMNS = ("operator", "as", "shape", "neurons")


def step_rows(network: Network) -> list[tuple[str, ...]]:
    """A row for each operator of the model, in the order in which they were read."""
    rows: list[tuple[str, ...]] = []
    for step in network.steps:
        sizes = [network.widths[number - 1] for number in step.layers]
        made = f"{' + '.join(map(str, sizes))} in layer{'s' * (len(sizes) > 1)} {', '.join(map(str, step.layers))}" if sizes else ""
        rows.append((step.name, step.operator, "x".join(map(str, step.shape)), "; ".join(filter(None, (made, step.how)))))
    return rows


def layer_rows(network: Network) -> list[tuple[str, ...]]:
    """A row for each hidden layer and the output map."""
    rows: list[tuple[str, ...]] = []
    for number, layer in enumerate(network.layers, start=1):
        pairs = sorted({(float(a), float(b)) for a, b in zip(layer.negative, layer.positive, strict=True)})
        slopes = ", ".join(f"{a:g} | {b:g}" for a, b in pairs[:4]) + (", ..." if len(pairs) > 4 else "")
        counts = zip(("linear", "constant", "repeated"), idle_units(network, number - 1), strict=True)
        idle = ", ".join(f"{many} {what}" for what, many in counts if many)
        rows.append((str(number), str(layer.width), _reads(layer.affine.terms), slopes, _weights(layer.affine.terms, layer.width), idle))
    last = network.output
    rows.append(("output", str(network.outputs), _reads(last.terms), "", _weights(last.terms, network.outputs), ""))
    return rows


def idle_units(network: Network, index: int) -> tuple[int, int, int]:
    """Units of a hidden layer, from 0, that split no cell anew whatever the neighbourhood: those with the same slope on
    both sides, those whose weights are all zero, and those whose row, weights and bias, is a multiple of that of a unit
    before.
    """
    layer = network.layers[index]
    linear = int((layer.negative == layer.positive).sum())
    live = np.zeros(layer.width, dtype=bool)
    for _, weight in layer.affine.terms:
        some = weight != 0
        live |= np.asarray(some.sum(axis=1)).ravel() > 0
    begin = int(network.offsets[index])
    leader = twins(network).leader[begin : begin + layer.width]
    return linear, int((~live).sum()), int((leader != begin + np.arange(layer.width)).sum())


def _reads(terms: tuple[tuple[int, Weight], ...]) -> str:
    return ", ".join("input" if s == 0 else f"layer {s}" for s, _ in terms)


def _weights(terms: tuple[tuple[int, Weight], ...], rows: int) -> str:
    return str(sum(w.size for _, w in terms) + rows)
