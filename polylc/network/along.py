"""A network along an affine map of its inputs, as doubles evaluate it: maps of the input are composed in integers, and
rounded once.

It reads (u, 1), so that constants are coefficients like others, and has the same neurons. A coefficient that is rounded
loses at most a share of 2^-53 of itself, which is what a rounding of its input would make of it; so lemma 2 of
docs/exactness.md bounds the rounding in forms as it does for any network, with few terms where the inputs were many.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from polylc.exact.embedding import Embedding
from polylc.exact.numbers import dyadic
from polylc.network.compose import UNIT
from polylc.network.exact_weights import ExactAffine, exact_weights
from polylc.network.form import Affine, Network

LEAST, LARGEST = 2.0**-900, 2.0**900  # in between a number is rounded by a share of itself


class Start(NamedTuple):
    """What doubles evaluate: a network, the embedding of unit coordinates into its inputs, and a bound on what that
    lost in rounding, by input.
    """

    network: Network
    embedding: np.ndarray
    rounding: np.ndarray


def along_embedding(network: Network, embedding: Embedding) -> Start | None:
    """The network along an embedding; None where a coefficient is out of range."""
    wide = embedding.dimension + 1
    lost = np.zeros(wide)
    made = []
    for affine, exact in zip([*(layer.affine for layer in network.layers), network.output], exact_weights(network).affines, strict=True):
        if all(source for source, _ in affine.terms):
            made.append(affine)
            continue
        found = _rounded(exact, embedding)
        if found is None:
            return None
        rows, errors = found
        lost = np.maximum(lost, errors)
        rest = tuple((source, weight) for source, weight in affine.terms if source)
        made.append(Affine(((0, rows), *rest), np.zeros(affine.size)))
    layers = tuple(replace(layer, affine=affine) for layer, affine in zip(network.layers, made[:-1], strict=True))
    narrow = replace(network, inputs=wide, layers=layers, output=made[-1], input_shape=(), steps=(), whole=network)
    return Start(narrow, np.eye(wide), lost)


def _rounded(affine: ExactAffine, embedding: Embedding) -> tuple[np.ndarray, np.ndarray] | None:
    """Coefficients of (u, 1) in what an affine map takes of the input and its bias, and of each column whether it was
    rounded: shares (k + 1,) of the coefficients.
    """
    parts = [(matrix.after(embedding.start), matrix.shift) for source, matrix in affine.terms if not source]
    top = max([affine.bias_shift, *(shift for _, shift in parts)])
    total = np.zeros((affine.size, embedding.dimension + 1), dtype=object)
    for part, shift in parts:
        total += part * (1 << (top - shift))
    total[:, -1] += affine.bias * (embedding.base << (top - affine.bias_shift))
    scale = embedding.base << top
    try:
        rows = np.array([[v / scale for v in row] for row in total.tolist()])
    except OverflowError:
        return None
    size = np.abs(rows)
    if not ((size == 0) & (total == 0) | (size > LEAST) & (size < LARGEST)).all():
        return None
    doubles, shift = dyadic(rows)
    exact = (doubles * scale == total * (1 << shift)).all(axis=0)
    return rows, np.where(exact, 0.0, UNIT)
