"""How a model was read, as rows of text: its operators, and the hidden layers that they became."""

from __future__ import annotations

import numpy as np

from polylc.network.form import Layer, Network
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
        counts = zip(("linear", "constant", "repeated"), idle_units(layer), strict=True)
        idle = ", ".join(f"{many} {what}" for what, many in counts if many)
        rows.append((str(number), str(layer.width), _reads(layer.affine.terms), slopes, _weights(layer.affine.terms, layer.width), idle))
    last = network.output
    rows.append(("output", str(network.outputs), _reads(last.terms), "", _weights(last.terms, network.outputs), ""))
    return rows


def idle_units(layer: Layer) -> tuple[int, int, int]:
    """Units of a layer that split no cell anew whatever the neighbourhood: those with the same slope on both sides,
    those whose weights are all zero, and those whose row, weights and bias, is that of a unit before times a power of
    two.
    """
    linear = int((layer.negative == layer.positive).sum())
    constant, seen, repeated = 0, set(), 0
    for row in _rows(layer):
        if len(row[0]) == 0:
            constant += 1
            continue
        mantissa, exponent = np.frexp(row[1])
        key = (row[0].tobytes(), mantissa.tobytes(), np.where(mantissa != 0, exponent - exponent[0], 0).tobytes())
        repeated += key in seen
        seen.add(key)
    return linear, constant, repeated


def _rows(layer: Layer) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of every unit the places of the weights that are not zero, and these weights with the bias at the end."""
    columns: list[list[np.ndarray]] = [[] for _ in range(layer.width)]
    entries: list[list[np.ndarray]] = [[] for _ in range(layer.width)]
    offset = 0
    for _, weight in layer.affine.terms:
        for i in range(layer.width):
            place, values = _row(weight, i)
            columns[i].append(place + offset)
            entries[i].append(values)
        offset += weight.shape[1]
    none = np.zeros(0)
    return [
        (np.concatenate([none, *c]).astype(np.int64), np.concatenate([none, *e, [b]]))
        for c, e, b in zip(columns, entries, layer.affine.bias.tolist(), strict=True)
    ]


def _row(weight: Weight, i: int) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(weight, np.ndarray):
        place = np.flatnonzero(weight[i])
        return place, weight[i, place]
    part = slice(weight.indptr[i], weight.indptr[i + 1])
    some = weight.data[part] != 0
    return weight.indices[part][some], weight.data[part][some]


def _reads(terms: tuple[tuple[int, Weight], ...]) -> str:
    return ", ".join("input" if s == 0 else f"layer {s}" for s, _ in terms)


def _weights(terms: tuple[tuple[int, Weight], ...], rows: int) -> str:
    return str(sum(w.size for _, w in terms) + rows)
