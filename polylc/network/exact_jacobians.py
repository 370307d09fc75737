"""Jacobians of a network along many activation patterns at once, in integers on one scale, from the outputs back to the
inputs: the products of weights alone, without a domain.
"""

from __future__ import annotations

import numpy as np

from polylc.exact.digits import Digits, digits_of, integers, plus, times, times_each
from polylc.network.exact_weights import exact_weights
from polylc.network.form import Affine, Network, once
from polylc.network.weights import Weight, dense, entries, with_entries

ROWS = 2**19  # entries of rows in memory at once, for each digit


class ExactJacobians:
    """Derivatives of all outputs.

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
        self._network, self._scales = network, exact_weights(network)
        affines = [*(layer.affine for layer in network.layers), network.output]
        self._terms = [self._in_digits(index, affine) for index, affine in enumerate(affines)]
        for layer, slopes in zip(network.layers, self._scales.slopes, strict=True):
            _digits(np.concatenate([layer.negative, layer.positive]), slopes.shift)  # those of any pattern are no more
        self.shift = self._scales.own[-1]

    def _in_digits(self, index: int, affine: Affine) -> list[tuple[int, list[Weight], int]]:
        """Of each term its source, the digits of its matrix, and how far these are from its layer's scale, in bits."""
        shifts = [matrix.shift for _, matrix in self._scales.affines[index].terms]
        return [
            (source, [with_entries(weight, digit) for digit in _digits(entries(weight), shift)], self._scales.up(index, source, shift))
            for (source, weight), shift in zip(affine.terms, shifts, strict=True)
        ]

    def of(self, patterns: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        """Along patterns, by some inputs; shape (R, outputs, len(inputs)), dtype object.

        Parameters
        ----------
        patterns : ndarray of bool, shape (R, neurons)
        inputs : ndarray of int
        """
        network = self._network
        found = np.empty((len(patterns), network.outputs, len(inputs)), dtype=object)
        step = max(1, ROWS // (network.outputs * max(network.inputs, *network.widths, 1)))
        for begin in range(0, len(patterns), step):
            some = slice(begin, begin + step)
            rows = self._back(patterns[some])
            found[some] = integers([digit[:, inputs] for digit in rows]).reshape(found[some].shape)
        return found

    def _back(self, patterns: np.ndarray) -> Digits:
        """Rows of the outputs by all inputs, for one pattern after the other; as `ExactForms`, in digits."""
        network, outputs = self._network, self._network.outputs
        nothing = [np.zeros((len(patterns) * outputs, 1))]
        pending: dict[int, Digits] = {}  # what is to be multiplied with what a source gives

        def give(source: int, rows: Digits, up: int) -> None:
            if source in pending or up:
                rows = plus(pending.get(source, nothing), rows, up)
            pending[source] = rows

        for source, digits, up in self._terms[-1]:
            give(source, [np.tile(dense(digit), (len(patterns), 1)) for digit in digits], up)
        for index in range(len(network.layers) - 1, -1, -1):
            if index + 1 not in pending:
                continue
            layer, bits = network.layers[index], patterns[:, network.offsets[index] : network.offsets[index + 1]]
            slopes = _digits(np.where(bits, layer.positive, layer.negative), self._scales.slopes[index].shift)
            rows = times_each(pending.pop(index + 1), [np.repeat(digit, outputs, axis=0) for digit in slopes])
            live = np.flatnonzero(np.any([digit.any(axis=0) for digit in slopes], axis=0))
            rows = [digit[:, live] for digit in rows]
            for source, digits, up in self._terms[index]:
                give(source, times(rows, [digit[live] for digit in digits]), up)
        return pending.get(0, [np.zeros((len(patterns) * outputs, network.inputs))])


def _digits(array: np.ndarray, shift: int) -> Digits:
    found = digits_of(array, shift)
    if found is None:
        raise OverflowError("too many digits")
    return found


@once
def exact_jacobians(network: Network) -> ExactJacobians | None:
    """Those of a network, the same object while it lives; None where they would take too many digits."""
    try:
        return ExactJacobians(network)
    except OverflowError:
        return None
