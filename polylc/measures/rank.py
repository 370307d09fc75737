"""Local rank: the rank of each hidden layer's pre-activation Jacobian, exactly."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polylc.complex.complex import Complex
from polylc.errors import SolverError
from polylc.exact.checkpoint import checkpoint
from polylc.exact.linear import rank
from polylc.exact.mapped import zeros
from polylc.exact.quantity import Kind, Quantity, floating
from polylc.measures.full_rank import full_ranks, room
from polylc.network.compose import batches, unit_slopes
from polylc.network.patterns import distinct
from polylc.network.residues import Residues, primes, ranks


@dataclass(frozen=True)
class LocalRank:
    """Rank of the Jacobian of layer `layer`'s pre-activations (1 is the first hidden layer) over the regions.

    `least` and `most` are exact; `mean` is weighted by volume, and None where volumes are out of reach. Where regions
    may be missing they are those of the regions found, and `floor` and `cap` are bounds for all.
    """

    layer: int
    least: int
    most: int
    mean: Quantity | None
    floor: int | None = None
    cap: int | None = None

    @property
    def least_between(self) -> tuple[int, int]:
        """Bounds of the smallest rank."""
        return self.least if self.floor is None else self.floor, self.least

    @property
    def most_between(self) -> tuple[int, int]:
        """Bounds of the largest rank."""
        return self.most, self.most if self.cap is None else self.cap


def local_rank(complex_: Complex) -> list[LocalRank]:
    """Rank of dz_l/dx per hidden layer, l = 1..L: smallest, largest, and mean weighted by volumes in floats."""
    each = region_ranks(complex_)
    if not complex_.has_geometry:
        return extremes(each, None)
    share = complex_.geometry.volume / complex_.domain.size
    return extremes(each, [floating(float(share @ column)) for column in each.T])


def extremes(ranks: np.ndarray, means: Sequence[Quantity] | None) -> list[LocalRank]:
    """Smallest and largest of each layer's ranks, shape (R, L), with the means."""
    return [
        LocalRank(index + 1, int(column.min()), int(column.max()), _constant(column) if means is None else means[index])
        for index, column in enumerate(ranks.T)
    ]


def _constant(column: np.ndarray) -> Quantity | None:
    """The mean of a rank that is the same in all regions, which needs no volumes."""
    least, most = float(column.min()), float(column.max())
    return Quantity(least, most, Kind.EXACT) if least == most else None


FEW = 5  # columns of matrices that doubles are asked about
MOST_PRODUCTS = 2**26  # of an exact elimination, which cannot be broken off and takes seconds


def region_ranks(complex_: Complex) -> np.ndarray:
    """Rank of dz_l/dx in every region, exactly; shape (R, L).

    Raises
    ------
    SolverError
        If a matrix of integers is too large to be decided.

    Notes
    -----
    From below: as many rows as columns are independent, which doubles show in low dimension (`full_rank`), and the rank
    modulo a prime is at most the rank, of derivatives in some directions too. From above: the rank of z_l is at most
    its width, the dimension, and the sum over its sources of the smaller of the source's rank and the number of its
    units whose slope is not zero. Where the two differ the matrix of integers decides. A layer's Jacobian depends on
    the bits of earlier layers alone, and in unit coordinates it only has its columns scaled.
    """
    network, domain = complex_.network, complex_.domain
    result = zeros((len(complex_), len(network.layers)), np.int64)
    if not result.size:
        return result
    prime = next(primes(network, domain.exact_embedding))
    residues = Residues(network, domain.exact_embedding, prime)
    for index, layer in enumerate(network.layers):
        before = int(network.offsets[index])
        first, which = distinct(complex_.bits, before)
        most = _upper_bounds(complex_, index, first, result)
        found = np.where(_full(complex_, index, first), most, -1)
        open_ = np.flatnonzero(found < 0)
        # as many random directions as the rank can be have it, but for a negligible chance; who fails there takes all
        for many in sorted({int(most[open_].max(initial=1)) or 1, domain.dimension}):
            directions = _directions(domain.dimension, many, prime)
            for part in batches(len(open_), 2 * (before + layer.width) * (many + 1)):
                some = open_[part]
                matrices = next(itertools.islice(residues.derivatives(complex_.patterns(first[some]), directions), index, None))
                found[some] = ranks(matrices, prime, most[some])
            open_ = open_[found[open_] < most[open_]]
        for at in np.flatnonzero(found < most).tolist():
            m, k = layer.width, domain.dimension
            if m * k * min(m, k) > MOST_PRODUCTS:
                why = f"rank of layer {index + 1}: between {found[at]} and {most[at]} in some region"
                raise SolverError(f"{why}; a {m} x {k} matrix of integers is too large to decide it")
            checkpoint()
            rows = complex_.exact_forms.layer(index, complex_.patterns(first[at : at + 1])[0])
            found[at] = rank([row[:-1] for row in rows])
        result[:, index] = found[which]
    return result


def _directions(dimension: int, many: int, prime: int) -> np.ndarray:
    """So many directions as columns of residues: all, or random ones."""
    if many == dimension:
        return np.eye(dimension)
    half = prime // 2
    return np.random.default_rng(0).integers(-half, half + 1, size=(dimension, many)).astype(np.float64)


def _full(complex_: Complex, index: int, regions: np.ndarray) -> np.ndarray:
    """Whether the Jacobian of layer `index` certainly has full column rank in some regions."""
    certain, k = np.zeros(len(regions), dtype=bool), complex_.domain.dimension
    if index > 0 and k <= min(FEW, complex_.network.layers[index].width):
        replay, space = complex_.replay(), room(k, complex_.network.layers[index].width)
        for part in batches(len(regions), complex_.bits.shape[1], 2**17):
            full_ranks(complex_.flat, replay, complex_.bits[regions[part]], index, certain[part], space)
    return certain


def _upper_bounds(complex_: Complex, index: int, regions: np.ndarray, known: np.ndarray) -> np.ndarray:
    """An upper bound of the rank of layer `index`'s Jacobian in some regions, from the `known` ranks of earlier
    layers.
    """
    network, k = complex_.network, complex_.domain.dimension
    affine = network.layers[index].affine
    total = np.zeros(len(regions), dtype=np.int64)
    for source in {source for source, _ in affine.terms}:
        if source == 0:
            total += k
            continue
        here, layer = slice(network.offsets[source - 1], network.offsets[source]), network.layers[source - 1]
        for part in batches(len(regions), network.neurons + layer.width):
            active = (unit_slopes(layer, complex_.patterns(regions[part])[:, here]) != 0).sum(axis=1)
            total[part] += np.minimum(active, known[regions[part], source - 1])
    return np.minimum(total, min(affine.size, k))
