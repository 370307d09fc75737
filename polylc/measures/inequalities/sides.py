"""What the inequalities are made of: means over a complex whose volumes or shares are known, enclosed."""

from __future__ import annotations

import numpy as np

from polylc.complex.graph import RegionGraph
from polylc.exact.mapped import zeros
from polylc.measures.gradient.layers import added, layer_terms
from polylc.measures.gradient.norms import Gradients, frobenius
from polylc.measures.inequalities.means import Means
from polylc.measures.sums import between, product

Array = np.ndarray


class Sides:
    """What the inequalities are made of, for one complex whose volumes or shares are known.

    Attributes
    ----------
    variation : ndarray (2,)
        TV, the mean Frobenius norm of the Jacobian.
    rows : ndarray (2,)
        G = E sum_l S_l, the mean of the sum of all neurons' gradient norms.
    """

    def __init__(self, means: Means, graph: RegionGraph, ranks: Array, gradients: Gradients) -> None:
        self.means, self.graph, self.complex, self.gradients = means, graph, means.complex, gradients
        self.layers = len(self.complex.network.layers)
        jacobian, error = gradients.of(np.arange(len(self.complex)))
        self.jacobian, self.error = jacobian, error
        self.variation = self.mean(frobenius(jacobian, error))
        self._collect(ranks)

    def mean(self, terms: Array) -> Array:
        """Mean over the neighbourhood of what is constant on regions; terms (R, 2)."""
        return self.means.mean(terms)

    def _collect(self, ranks: Array) -> None:
        columns: dict[str, Array] = {}
        self.gain: Array | None = np.zeros(2)
        widths = np.sqrt(np.array(self.complex.network.widths, dtype=np.float64))
        for rows, terms in layer_terms(self.complex, ranks):
            rank = ranks[rows].astype(np.float64)
            roots = between(np.sqrt(rank), np.sqrt(rank))
            wide = np.broadcast_to(between(widths, widths), roots.shape)
            weighed = {
                "rows": terms.rows,
                "least": product(terms.least, np.stack([rank, rank], axis=-1)),
                "nuclear": terms.nuclear,
                "frobenius": product(terms.frobenius, wide),
                "operator": product(product(terms.operator, roots), wide),
            }
            found = {name: added(value, 1) for name, value in weighed.items()}
            if terms.gain is None:
                self.gain = None
            elif self.gain is not None:
                self.gain = np.maximum(self.gain, terms.gain.max(axis=(0, 1)))
                found["gain_rows"] = product(terms.gain, terms.active_rows).min(axis=1)
            for name, value in found.items():
                if name not in columns:
                    columns[name] = zeros((len(self.complex), 2))
                columns[name][rows] = value
        means = {name: self.mean(column) for name, column in columns.items()}
        self.rows = means["rows"]
        self.rank_chain = [means[name] for name in ("least", "nuclear", "rows", "frobenius", "operator")]
        self.gain_rows = means.get("gain_rows")
