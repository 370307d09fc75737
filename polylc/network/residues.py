"""Forms of a network along activation patterns modulo primes: exact like integers, fast like floats.

Weights are dyadic, so they and all forms are defined modulo any odd prime that does not divide the denominators of the
domain. Residues are kept in doubles, where sums of products below 2^50 are exact in whatever order they are added. What
they prove: forms that differ modulo a prime differ; forms of known size that agree modulo enough primes agree (Chinese
remainders); a rank modulo a prime is at most the rank.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from polylc.exact.embedding import Embedding
from polylc.jit.decorators import kernel
from polylc.network.compose import apply_affine, unit_slopes
from polylc.network.form import Affine, Layer, Network, once
from polylc.network.weights import entries, with_entries

EXACT = 2**50  # see `reduce`


def reduce(values: np.ndarray, prime: int) -> np.ndarray:
    """Representatives in [-prime/2, prime/2] of integers of size at most 2^50.

    x / prime is at least 1 / (2 prime) away from every half-integer, as prime is odd, and x * fl(1 / prime) errs by at
    most 2^-52 |x| / prime <= 1 / (4 prime); so the nearest integer is the right one.
    """
    result: np.ndarray = values - prime * np.rint(values * (1.0 / prime))
    return result


class Residues:
    """Forms of `network` on a domain, in unit coordinates, modulo a prime.

    Parameters
    ----------
    network : Network
    embedding : Embedding
        Of the domain.
    prime : int
        One of `primes(network, ...)`.
    """

    def __init__(self, network: Network, embedding: Embedding, prime: int) -> None:
        self.prime = prime
        self._start = reduce(embedding.modulo(prime)[None], prime)
        kept = _kept(network)
        *self._layers, last = kept[prime] if prime in kept else _layers(network, prime)
        if not kept:  # the first prime serves one neighbourhood after the other
            kept[prime] = [*self._layers, last]
        self._output = last.affine
        self._offsets = network.offsets

    def layer(self, index: int, patterns: np.ndarray) -> np.ndarray:
        """Forms of hidden layer `index` (from 0; L stands for the output map) along the bits of the layers before it.

        Parameters
        ----------
        patterns : ndarray of bool, shape (R, neurons)

        Returns
        -------
        ndarray, shape (R, size, k + 1)
        """
        sources = [self._start]
        for number, layer in enumerate(self._layers[:index]):
            here = slice(self._offsets[number], self._offsets[number + 1])
            slopes = unit_slopes(layer, patterns[:, here])
            sources.append(reduce(self._apply(layer.affine, sources) * slopes[:, :, None], self.prime))
        result = self._apply(self._layers[index].affine if index < len(self._layers) else self._output, sources)
        every: np.ndarray = np.broadcast_to(result, (len(patterns), *result.shape[1:]))
        return every

    def derivatives(self, patterns: np.ndarray, directions: np.ndarray) -> Iterator[np.ndarray]:
        """Of hidden layers 1, 2, ..., along patterns (R, neurons): derivatives in some directions, (k, d), integers
        below half the prime; shape (R, width, d) each.
        """
        sources = [reduce(self._start[:, :, :-1] @ directions, self.prime)]
        for number, layer in enumerate(self._layers):
            here = slice(self._offsets[number], self._offsets[number + 1])
            z = self._apply(Affine(layer.affine.terms, np.zeros(layer.width)), sources)
            yield np.broadcast_to(z, (len(patterns), *z.shape[1:]))
            sources.append(reduce(z * unit_slopes(layer, patterns[:, here])[:, :, None], self.prime))

    def output(self, patterns: np.ndarray) -> np.ndarray:
        """Forms of the outputs along patterns; shape (R, outputs, k + 1)."""
        return self.layer(len(self._layers), patterns)

    def _apply(self, affine: Affine, sources: list[np.ndarray]) -> np.ndarray:
        return reduce(apply_affine(affine, sources), self.prime)


@once
def _kept(_: Network) -> dict[int, list[Layer]]:
    """What `_layers` gives, by prime."""
    return {}


def _layers(network: Network, prime: int) -> list[Layer]:
    """The layers of a network and its output map, modulo a prime."""
    none = np.zeros(0)
    every = [*network.layers, Layer(network.output, none, none)]
    return [Layer(_affine(layer.affine, prime), residues_of(layer.negative, prime), residues_of(layer.positive, prime)) for layer in every]


def _affine(affine: Affine, prime: int) -> Affine:
    terms = tuple((source, with_entries(weight, residues_of(entries(weight), prime))) for source, weight in affine.terms)
    return Affine(terms, residues_of(affine.bias, prime))


def residues_of(array: np.ndarray, prime: int) -> np.ndarray:
    """Doubles, which are whole numbers of 53 bits times powers of two, modulo an odd prime below 2^27."""
    mantissa, exponent = np.frexp(array)
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    powers, which = np.unique(exponent, return_inverse=True)
    factors = np.array([pow(2, int(e) - 53, prime) for e in powers], dtype=np.int64)
    return reduce((whole % prime * factors[which.reshape(array.shape)] % prime).astype(np.float64), prime)


def primes(network: Network, embedding: Embedding) -> Iterator[int]:
    """Primes modulo which the network's forms on a domain are defined, small enough for sums of products to stay below
    2^50.
    """
    affines = [*(layer.affine for layer in network.layers), network.output]
    most = 1 + max(sum(weight.shape[1] for _, weight in affine.terms) for affine in affines)
    candidate = math.isqrt(4 * EXACT // max(2, most)) | 1  # residues are at most half a prime
    while candidate > 2**10:
        candidate -= 2
        if embedding.base % candidate and all(candidate % d for d in range(3, math.isqrt(candidate) + 1, 2)):
            yield candidate


def largest_coefficient(network: Network, start: np.ndarray) -> float:
    """An upper bound of |a_1| + ... + |a_k| + |c| over the output forms of the network along any pattern.

    Parameters
    ----------
    start : ndarray, shape (n,)
        Upper bounds of the same for the input's forms.
    """
    slack = 1 + 2.0**-20  # far more than rounding, for widths below 2^30
    sizes = [start]
    for layer in network.layers:
        slope = np.maximum(np.abs(layer.negative), np.abs(layer.positive))
        sizes.append(_row_sizes(layer.affine, sizes) * slope * slack + 2.0**-1000)
    return float(_row_sizes(network.output, sizes).max() * slack)


def _row_sizes(affine: Affine, sizes: list[np.ndarray]) -> np.ndarray:
    total = np.abs(affine.bias) + 2.0**-1000
    for source, weight in affine.terms:
        total = total + abs(weight) @ sizes[source]
    result: np.ndarray = total * (1 + 2.0**-20)
    return result


def ranks(matrices: np.ndarray, prime: int, most: np.ndarray) -> np.ndarray:
    """Rank modulo `prime` of each matrix, or `most` if that is smaller; shape (R,).

    Parameters
    ----------
    matrices : ndarray, shape (R, rows, columns)
        Residues as of `reduce`.
    most : ndarray of int, shape (R,)
        Where this rank is reached, elimination may stop.
    """
    rest = matrices if matrices.shape[1] <= matrices.shape[2] else matrices.swapaxes(1, 2)
    found = np.zeros(len(rest), dtype=np.int64)
    eliminate(np.array(rest, dtype=np.float64, order="C"), float(prime), most.astype(np.int64), found)
    return found


@kernel
def eliminate(matrices: np.ndarray, prime: float, most: np.ndarray, found: np.ndarray) -> None:
    """Ranks of matrices of residues modulo a prime by elimination, which overwrites them.

    A row loses a multiple of the pivot's row, which is divided by the pivot; the products of two residues are below
    2^50 (`reduce`), so that all of it is exact.
    """
    inverse = 1.0 / prime
    rows, columns = matrices.shape[1:]
    for r in range(len(matrices)):
        matrix, rank = matrices[r], 0
        for j in range(columns):
            if rank == rows or rank >= most[r]:
                break
            pivot = rank
            while pivot < rows and matrix[pivot, j] == 0.0:
                pivot += 1
            if pivot == rows:
                continue
            factor = _modular_inverse(matrix[pivot, j], prime)
            for q in range(j, columns):
                value = matrix[pivot, q] * factor
                matrix[pivot, q] = matrix[rank, q]
                matrix[rank, q] = value - prime * np.rint(value * inverse)
            top = matrix[rank]
            for i in range(rank + 1, rows):
                row, times = matrix[i], matrix[i, j]
                if times != 0.0:
                    for q in range(j, columns):
                        value = row[q] - times * top[q]
                        row[q] = value - prime * np.rint(value * inverse)
            rank += 1
        found[r] = rank


@kernel
def _modular_inverse(value: float, prime: float) -> float:
    """The residue in [-prime/2, prime/2] whose product with `value` is 1; by Euclid's algorithm, in whole numbers."""
    a, b = prime, value if value > 0.0 else value + prime
    x, y = 0.0, 1.0
    while b != 0.0:
        quotient = np.floor(a / b)  # exact: both are whole and far below 2^53
        a, b = b, a - quotient * b
        x, y = y, x - quotient * y
    result: float = x - prime * np.rint(x / prime)
    return result
