"""Several networks as one: side by side, over one input of which each reads a part."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence

import numpy as np

from polylc.network.form import Affine, Layer, Network
from polylc.network.weights import LARGE, Weight, settled


def joined(networks: Sequence[Network], columns: Sequence[np.ndarray], inputs: int) -> Network:
    """The network whose outputs are those of all the networks, one after the other; exact.

    Hidden layer l consists of the hidden layers l of all.

    Parameters
    ----------
    networks : sequence of Network
    columns : sequence of ndarray of int, shape (inputs of the network,)
        Which input of the result each input of a network is; no two of one network are the same, so no weights are
        added.
    inputs : int
    """
    if len(networks) == 1 and np.array_equal(columns[0], np.arange(inputs)):
        return networks[0]
    depth = max(len(network.layers) for network in networks)
    here = [[n.layers[level].affine if level < len(n.layers) else None for n in networks] for level in range(depth)]
    widths = [[0 if affine is None else affine.size for affine in level] for level in here]
    places = [list(columns)]  # of each source, where the units of each network are
    for level in widths:
        ends = np.cumsum([0, *level])
        places.append([np.arange(a, b) for a, b in itertools.pairwise(ends)])
    sizes = [inputs, *map(sum, widths)]
    layers = []
    for at in range(depth):
        units = [n.layers[at] for n in networks if at < len(n.layers)]
        affine = _stacked(here[at], places, sizes)
        layers.append(Layer(affine, np.concatenate([u.negative for u in units]), np.concatenate([u.positive for u in units])))
    output = _stacked([n.output for n in networks], places, sizes)
    source = " and ".join(dict.fromkeys(n.source for n in networks))
    log = tuple(f"{n.source}: {line}" for n in networks for line in n.log)
    digest = hashlib.sha256("".join(n.sha256 for n in networks).encode()).hexdigest()
    stated = tuple(dict.fromkeys(line for n in networks for line in n.stated))
    return Network(inputs, tuple(layers), output, source=source, sha256=digest, log=tuple(dict.fromkeys(log)), stated=stated)


def _stacked(affines: Sequence[Affine | None], places: Sequence[Sequence[np.ndarray]], sizes: Sequence[int]) -> Affine:
    """Affine maps of the networks one below the other; `places` and `sizes` are those of their sources."""
    rows = [0 if affine is None else affine.size for affine in affines]
    ends = np.cumsum([0, *rows])
    blocks: dict[int, list[tuple[int, np.ndarray, Weight]]] = {}
    for k, affine in enumerate(affines):
        for source, weight in affine.terms if affine is not None else ():
            blocks.setdefault(source, []).append((int(ends[k]), places[source][k], weight))
    terms = tuple((source, _placed(parts, (int(ends[-1]), sizes[source]))) for source, parts in sorted(blocks.items()))
    return Affine(terms, np.concatenate([affine.bias for affine in affines if affine is not None]))


def _placed(parts: Sequence[tuple[int, np.ndarray, Weight]], shape: tuple[int, int]) -> Weight:
    """Matrices at their first rows and their columns, zeros elsewhere."""
    if shape[0] * shape[1] < LARGE and all(isinstance(weight, np.ndarray) for *_, weight in parts):
        full = np.zeros(shape)
        for first, columns, weight in parts:
            full[first : first + weight.shape[0], columns] = weight
        return full
    from scipy import sparse

    rows, cols, data = [], [], []
    for first, columns, weight in parts:
        entries = sparse.coo_array(weight)
        rows.append(entries.row + first)
        cols.append(columns[entries.col])
        data.append(entries.data)
    return settled(sparse.csr_array((np.concatenate(data), (np.concatenate(rows), np.concatenate(cols))), shape=shape))
