"""Jacobians of a network along many activation patterns at once, in integers on one scale, from the outputs back to the
inputs: the products of weights alone, without a domain.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from polylc.exact.digits import Digits, digits_of, integers, plus, times, times_each
from polylc.exact.numbers import dyadic_shift
from polylc.network.form import Affine, Layer, Network, once
from polylc.network.weights import entries, with_entries

ROWS = 2**19  # entries of rows in memory at once, for each digit


class _Matrix:
    """Weights times 2^shift."""

    def __init__(self, weight: Any) -> None:
        values = entries(weight)
        self.shift = dyadic_shift(values)
        found = digits_of(values, self.shift)
        if found is None:
            raise OverflowError
        self.digits = [with_entries(weight, digit) for digit in found]


class _Map:
    def __init__(self, affine: Affine) -> None:
        self.terms = [(source, _Matrix(weight)) for source, weight in affine.terms]


class _Slopes:
    """Slopes of a layer's units times 2^shift."""

    def __init__(self, layer: Layer) -> None:
        self._below, self._above = layer.negative, layer.positive
        self.shift = max(dyadic_shift(self._below), dyadic_shift(self._above))

    def of(self, bits: np.ndarray) -> Digits:
        """Under activation bits; shape (R, width)."""
        found = digits_of(np.where(bits, self._above, self._below), self.shift)
        if found is None:
            raise OverflowError
        return found


class ExactJacobians:
    """Derivatives of all outputs along all inputs.

    Attributes
    ----------
    shift : int
        True derivative = integer / 2^shift.

    Raises
    ------
    OverflowError
        If weights differ so much in size that they take too many digits.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._maps = [_Map(affine) for affine in (*(layer.affine for layer in network.layers), network.output)]
        self._slopes = [_Slopes(layer) for layer in network.layers]
        for slopes, layer in zip(self._slopes, network.layers, strict=True):
            slopes.of(np.zeros((1, layer.width), dtype=bool)), slopes.of(np.ones((1, layer.width), dtype=bool))
        self.shift = self._back(np.zeros((1, network.neurons), dtype=bool))[1]

    def of(self, patterns: np.ndarray) -> np.ndarray:
        """Along patterns; shape (R, outputs, inputs), dtype object.

        Parameters
        ----------
        patterns : ndarray of bool, shape (R, neurons)
        """
        network = self._network
        found = np.empty((len(patterns), network.outputs, network.inputs), dtype=object)
        step = max(1, ROWS // (network.outputs * max(network.inputs, *network.widths, 1)))
        for begin in range(0, len(patterns), step):
            some = slice(begin, begin + step)
            found[some] = integers(self._back(patterns[some])[0]).reshape(-1, network.outputs, network.inputs)
        return found

    def _back(self, patterns: np.ndarray) -> tuple[Digits, int]:
        """Rows of the outputs for one pattern after the other, and their scale."""
        network, outputs = self._network, self._network.outputs
        pending: dict[int, tuple[Digits, int]] = {}  # what is to be multiplied with what a source gives

        def give(source: int, rows: Digits, shift: int) -> None:
            if source in pending:
                other, scale = pending[source]
                low, high = sorted([(scale, 0, other), (shift, 1, rows)])
                rows, shift = plus(high[2], low[2], high[0] - low[0]), high[0]
            pending[source] = rows, shift

        for source, matrix in self._maps[-1].terms:
            give(source, [np.tile(_dense(digit), (len(patterns), 1)) for digit in matrix.digits], matrix.shift)
        for layer in range(len(network.layers) - 1, -1, -1):
            if layer + 1 not in pending:
                continue
            rows, shift = pending.pop(layer + 1)
            bits = patterns[:, network.offsets[layer] : network.offsets[layer + 1]]
            slopes = self._slopes[layer].of(bits)
            rows = times_each(rows, [np.repeat(digit, outputs, axis=0) for digit in slopes])
            shift += self._slopes[layer].shift
            live = np.flatnonzero(np.any([digit.any(axis=0) for digit in slopes], axis=0))
            rows = [digit[:, live] for digit in rows]
            for source, matrix in self._maps[layer].terms:
                give(source, times(rows, [digit[live] for digit in matrix.digits]), shift + matrix.shift)
        if 0 in pending:
            return pending[0]
        return [np.zeros((len(patterns) * outputs, network.inputs))], 0


def _dense(digit: Any) -> np.ndarray:
    result: np.ndarray = digit if isinstance(digit, np.ndarray) else digit.toarray()
    return result


@once
def exact_jacobians(network: Network) -> ExactJacobians | None:
    """Those of a network, the same object while it lives; None where they would take too many digits."""
    try:
        return ExactJacobians(network)
    except OverflowError:
        return None
