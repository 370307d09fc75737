"""Ends, in doubles rounded outward, of what the network analysed computes on a box: of all that its nodes give."""

from __future__ import annotations

import numpy as np

from polylc.bounds.backward import Cells
from polylc.bounds.floats import DOUBLE, LOST, UP
from polylc.bounds.hidden import intervals, kinked, refine
from polylc.bounds.relaxation import largest_outputs
from polylc.bounds.tables import magnitude, tables
from polylc.errors import RoundingError
from polylc.network.builder import Value
from polylc.network.form import Network
from polylc.network.weights import at_points

Ends = tuple[np.ndarray, np.ndarray]


class Analysed:
    """The layers of a network on a box.

    Attributes
    ----------
    layers : list of Ends
        Of the inputs, then of what each layer gives.
    largest : list of ndarray
        No less than the sizes of these.
    summed : float
        No less than the sum of the sizes of all that the network adds up.
    """

    def __init__(self, network: Network, low: np.ndarray, high: np.ndarray) -> None:
        table = tables(network)
        box = np.maximum(np.abs(low), np.abs(high))
        refined = None
        if (low < high).any():
            lows, highs = intervals(table, low, high)
            sizes = table.magnitudes(largest_outputs(table, lows, highs, box))
            lows, highs = lows[None].copy(), highs[None].copy()
            refine(table, lows, highs, Cells(low[None], high[None]), sizes)
            refined = lows[0], highs[0]
        self.largest, self.layers = [box], [(low, high)]
        self.summed = 1.0 + float(box.sum())
        for layer, span in zip(network.layers, table.span, strict=True):
            value = Value((layer.width,), layer.affine.terms, layer.affine.bias)
            a, b = self.ends(value)
            if refined is not None:
                a, b = np.maximum(a, refined[0][span]), np.minimum(b, refined[1][span])
            a, b = kinked(a, b, layer.negative, layer.positive)
            self.summed += float(self.majorant(value).sum())
            self.layers.append((a - np.abs(a) * 4 * DOUBLE, b + np.abs(b) * 4 * DOUBLE))
            self.largest.append(np.maximum(np.abs(a), np.abs(b)) * UP)
        if not np.isfinite(self.summed):
            raise RoundingError("values of the network may overflow doubles")

    def ends(self, value: Value) -> Ends:
        """Ends of a value of the network analysed."""
        low, high, size = value.bias, value.bias, np.abs(value.bias)
        terms = 2
        for source, matrix in value.terms:
            a, b = self.layers[source]
            if matrix is None:
                low, high, size = low + a, high + b, size + self.largest[source]
                terms += 1
                continue
            sizes = magnitude(matrix)
            middle, half = (a + b) / 2, (b - a) / 2 * UP
            centre, reach = at_points(middle, matrix), at_points(half, sizes) * UP
            low, high, size = low + centre - reach, high + centre + reach, size + at_points(self.largest[source], sizes)
            terms += matrix.shape[1]
        wide = size * (terms + 4) * 4 * DOUBLE + LOST
        return low - wide, high + wide

    def majorant(self, value: Value) -> np.ndarray:
        """No less than the sum of the sizes of all that a value of the network analysed is the sum of."""
        size = np.abs(value.bias)
        for source, matrix in value.terms:
            size = size + (self.largest[source] if matrix is None else at_points(self.largest[source], magnitude(matrix)))
        found: np.ndarray = size * UP
        return found
