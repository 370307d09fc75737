"""Neurons of one layer that define one hyperplane: rows, weights and bias, that are multiples of one another.

In: the layers of a network. Out: for every neuron the *leader* of its group, which is its first neuron, and the ratio
z = ratio * z_leader, positive or negative.

Invariant: forms of a group are multiples of one another under every pattern, exactly, so engines need to look at the
leader alone, and a region beyond its hyperplane has other bits of all. Neurons without weights are in no group, nor are
those whose ratio is far from the range of doubles. A row that is a multiple of another only on some cells, or because
its sources are twins, is none of this; whoever decides such things decides them cell by cell.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from polylc.exact.numbers import dyadic
from polylc.network.form import Affine, Network, once
from polylc.network.weights import Weight

MOST_EXPONENT = 400  # of ratios
SHORT = 30  # bits of a ratio that multipliers of claims hold exactly


@dataclass(frozen=True, eq=False)
class Twins:
    """Groups of neurons, numbered through all layers; a neuron by itself leads a group of one.

    Attributes
    ----------
    leader : ndarray of int, shape (neurons,)
    ratio : ndarray, shape (neurons,)
        z / z_leader, to the nearest double.
    short : ndarray of bool, shape (neurons,)
        Whether that is exact, and of few bits.
    begin, mate : ndarray of int, shapes (neurons + 1,) and (M,)
        Leader i has the mates mate[begin[i]:begin[i + 1]], itself left out.
    """

    leader: np.ndarray
    ratio: np.ndarray
    short: np.ndarray
    begin: np.ndarray
    mate: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """How many neurons the group of each leader has; shape (neurons,)."""
        return 1 + np.diff(self.begin)


@once
def twins(network: Network) -> Twins:
    """The groups of a network; the same object while the network lives. Along a plane, those of the whole."""
    if network.whole is not None:
        return twins(network.whole)
    leader, ratio = np.arange(network.neurons), np.ones(network.neurons)
    short = np.ones(network.neurons, dtype=bool)
    for layer, offset in zip(network.layers, network.offsets.tolist(), strict=False):
        for one, two, exact in _multiples(layer.affine):
            leader[offset + two], ratio[offset + two] = offset + one, float(exact)
            short[offset + two] = Fraction(float(exact)) == exact and exact.numerator.bit_length() <= SHORT
    mate = np.flatnonzero(leader != np.arange(network.neurons))
    mate = mate[np.argsort(leader[mate], kind="stable")]
    begin = np.searchsorted(leader[mate], np.arange(network.neurons + 1))
    return Twins(leader, ratio, short, begin.astype(np.int64), mate)


def _multiples(affine: Affine) -> Iterator[tuple[int, int, Fraction]]:
    """Pairs of rows i < j, i the first of its group, and s with row j = s * row i."""
    for some in _alike(affine):
        first: dict[tuple[int, ...], tuple[int, int]] = {}
        whole, _ = dyadic(np.concatenate([*(_rows(weight, some) for _, weight in affine.terms), affine.bias[some, None]], axis=1))
        for j, row in zip(some.tolist(), whole.tolist(), strict=True):
            factor = math.gcd(*row) * (-1 if next(v for v in row if v) < 0 else 1)
            i, other = first.setdefault(tuple([v // factor for v in row]), (j, factor))
            exact = Fraction(factor, other)
            if i != j and 2.0**-MOST_EXPONENT < abs(exact) < 2.0**MOST_EXPONENT:
                yield i, j, exact


def _rows(weight: Weight, some: np.ndarray) -> np.ndarray:
    picked = weight[some]
    return picked if isinstance(picked, np.ndarray) else picked.toarray()


def _alike(affine: Affine) -> list[np.ndarray]:
    """Sets of rows that may be multiples of one another, by a few numbers of each; those without weights left out.

    Quotients of doubles are rounded correctly, so multiples of a row have the same ones.
    """
    if not affine.terms or affine.size < 2:
        return []
    ends = [_ends(weight) for _, weight in affine.terms]
    lead = np.zeros(affine.size)
    for some, first, _, _, _ in ends:
        lead[some] = np.where(lead[some] == 0.0, first, lead[some])
    columns = []
    with np.errstate(all="ignore"):
        for some, first, last, places, many in ends:
            seen = np.zeros((5, affine.size))
            seen[0, some], seen[1, some], seen[2:4, some], seen[4, some] = first / lead[some], last / lead[some], places, many
            columns.append(seen)
        keys = np.concatenate([affine.bias[None] / lead, *columns]) + 0.0  # one zero
    some = np.flatnonzero((lead != 0.0) & np.isfinite(keys).all(axis=0))
    order = some[np.lexsort(keys[:, some])]
    new = (keys[:, order[1:]] != keys[:, order[:-1]]).any(axis=0)
    return [np.sort(part) for part in np.split(order, np.flatnonzero(new) + 1) if len(part) > 1]


def _ends(weight: Weight) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows that are not zero; of each the first and the last entry that is not, their columns, (2, rows), and how many
    there are.
    """
    if isinstance(weight, np.ndarray):
        full = weight != 0.0
        many = full.sum(axis=1)
        some = np.flatnonzero(many)
        first = full.argmax(axis=1)[some]
        last = weight.shape[1] - 1 - full[:, ::-1].argmax(axis=1)[some]
        return some, weight[some, first], weight[some, last], np.stack([first, last]), many[some]
    rows = weight.copy()
    rows.sum_duplicates()
    rows.eliminate_zeros()
    many = np.diff(rows.indptr)
    some = np.flatnonzero(many)
    first, last = rows.indptr[:-1][some], rows.indptr[1:][some] - 1
    return some, rows.data[first], rows.data[last], np.stack([rows.indices[first], rows.indices[last]]), many[some]
