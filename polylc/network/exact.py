"""A network at a rational point, without rounding.

Weights are dyadic rationals, so all values are integers over one common denominator D * 2^k, where D belongs to the
point; only integer products and sums are needed (far quicker than fractions).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from polylc.exact.numbers import dyadic
from polylc.network.form import Affine, Network


class ExactNetwork:
    """A network with integer weights, ready for exact evaluation at many points."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._affines = [_ExactAffine(layer.affine) for layer in network.layers] + [_ExactAffine(network.output)]
        self._slopes = [(dyadic(layer.negative), dyadic(layer.positive)) for layer in network.layers]

    def preactivations(self, point: Sequence[Fraction]) -> list[list[Fraction]]:
        """Pre-activations of the hidden layers, then the outputs, at a rational point."""
        base = math.lcm(1, *(x.denominator for x in point))
        values = [(np.array([int(x * base) for x in point], dtype=object), 0)]
        result = []
        for index, affine in enumerate(self._affines):
            z, shift = affine.apply(values, base)
            result.append([Fraction(int(v), base << shift) for v in z])
            if index < len(self._slopes):
                values.append(_units(z, shift, *self._slopes[index]))
        return result

    def outputs(self, point: Sequence[Fraction]) -> list[Fraction]:
        """Outputs at a rational point."""
        return self.preactivations(point)[-1]


class _ExactAffine:
    def __init__(self, affine: Affine) -> None:
        self.terms = [(source, *dyadic(weight)) for source, weight in affine.terms]
        self.bias, self.bias_shift = dyadic(affine.bias)

    def apply(self, values: list[tuple[np.ndarray, int]], base: int) -> tuple[np.ndarray, int]:
        parts = [(self.bias * base, self.bias_shift)]
        for source, weight, shift in self.terms:
            h, h_shift = values[source]
            parts.append((weight.dot(h), shift + h_shift))
        top = max(s for _, s in parts)
        total = parts[0][0] * (1 << (top - parts[0][1]))
        for part, shift in parts[1:]:
            total = total + part * (1 << (top - shift))
        return total, top


def _units(z: np.ndarray, shift: int, negative: tuple[np.ndarray, int], positive: tuple[np.ndarray, int]) -> tuple[np.ndarray, int]:
    top = max(negative[1], positive[1])
    below, above = negative[0] * (1 << (top - negative[1])), positive[0] * (1 << (top - positive[1]))
    return np.array([v * (a if v > 0 else b) for v, a, b in zip(z, above, below, strict=True)], dtype=object), shift + top
