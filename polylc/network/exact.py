"""A network at a rational point, without rounding.

Weights are dyadic rationals, so all values are integers over one common denominator D * 2^k, where D belongs to the
point; only integer products and sums are needed (far quicker than fractions).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from polylc.network.exact_weights import exact_weights
from polylc.network.form import Network


class ExactNetwork:
    """A network with integer weights, ready for exact evaluation at many points."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._weights = exact_weights(network)

    def preactivations(self, point: Sequence[Fraction]) -> list[list[Fraction]]:
        """Pre-activations of the hidden layers, then the outputs, at a rational point."""
        weights = self._weights
        base = math.lcm(1, *(x.denominator for x in point))
        start = np.empty(len(point), dtype=object)
        start[:] = [int(x * base) for x in point]
        values = [start]
        result = []
        for index, affine in enumerate(weights.affines):
            own = weights.own[index]
            z = affine.bias * (base << (own - affine.bias_shift))
            for source, matrix in affine.terms:
                z = z + matrix.after(values[source][:, None])[:, 0] * (1 << weights.up(index, source, matrix.shift))
            result.append([Fraction(int(v), base << own) for v in z])
            if index < len(weights.slopes):
                values.append(z * weights.slopes[index].of(z > 0))
        return result

    def outputs(self, point: Sequence[Fraction]) -> list[Fraction]:
        """Outputs at a rational point."""
        return self.preactivations(point)[-1]
