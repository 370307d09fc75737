"""Means over a neighbourhood and sums over its facets, enclosed: by volumes where they are within reach, else by shares
and sections.
"""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.engines.extras import Maps
from polylc.measures.by_volume.many_dimensions import ManyDimensions
from polylc.measures.by_volume.many_margins import ManyMargins, margin_rows
from polylc.measures.by_volume.noise import Integrator
from polylc.measures.by_volume.noise_integrals import BELOW, MEAN
from polylc.measures.by_volume.volumes import Volumes
from polylc.measures.by_volume.weighed_parcels import extremes
from polylc.measures.inequalities.inequality import Array
from polylc.measures.sums import product, total


class Means(Protocol):
    """What weighs regions and facets."""

    complex: Complex

    @property
    def share(self) -> Array:
        """Shares of the neighbourhood that the regions have; (R, 2)."""
        ...

    def mean(self, terms: Array) -> Array:
        """The mean over the neighbourhood of what is constant on regions; terms (R, 2)."""
        ...

    def over_facets(self, weight: Array) -> Array:
        """The sum over facets of their areas times a weight, over the volume; weights (E, 2)."""
        ...

    def mean_margin(self, label: int, other: int) -> Array:
        """The mean over the neighbourhood of f_label - f_other; (2,)."""
        ...

    def behind(self, label: int, other: int, scale: float) -> Array:
        """The share of the neighbourhood on which f_label <= f_other, (2,), to be compared with `scale`."""
        ...


class ByVolumes:
    """In dimensions where all volumes are known."""

    def __init__(self, volumes: Volumes, graph: RegionGraph) -> None:
        self.volumes, self.complex, self._graph = volumes, volumes.complex, graph
        self._margins: dict[tuple[int, int], tuple[Array, Array]] = {}

    @property
    def share(self) -> Array:
        """As `Means.share`."""
        return self.volumes.share

    def mean(self, terms: Array) -> Array:
        """As `Means.mean`."""
        return np.array(total(product(self.share, terms)))

    @cached_property
    def _areas(self) -> Array:
        return self.volumes.facets(self._graph)

    def over_facets(self, weight: Array) -> Array:
        """As `Means.over_facets`."""
        return np.array(total(product(self._areas, weight)))

    def mean_margin(self, label: int, other: int) -> Array:
        """As `Means.mean_margin`."""
        return self._margin(label, other)[1]

    def behind(self, label: int, other: int, scale: float) -> Array:
        """As `Means.behind`."""
        return self._margin(label, other)[0]

    def _margin(self, label: int, other: int) -> tuple[Array, Array]:
        """The share where a margin is not positive, and its mean."""
        if (label, other) not in self._margins:
            integrator, parts = Integrator(self.complex), list[Array]()
            for rows in self.complex.batches():
                forms = self.complex.forms(rows)
                form, noise = margin_rows(Maps(forms.output, forms.output_noise), label, other)
                ones = np.ones((len(form), 1, 2))
                value, wrong = integrator.batch(rows, forms, [(BELOW, 0.0), (MEAN, 0.0)], (form[:, None], noise[:, None]), ones)
                parts.append(np.stack([value - wrong, value + wrong], axis=2))
            found = np.concatenate(parts)
            self._margins[label, other] = np.array(total(found[:, 0])), np.array(total(found[:, 1]))
        return self._margins[label, other]


class ByShares:
    """In many dimensions. Shares sum to one, which narrows what they weigh."""

    def __init__(self, many: ManyDimensions) -> None:
        self.many, self.complex = many, many.complex

    @property
    def share(self) -> Array:
        """As `Means.share`."""
        return self.many.shares

    def mean(self, terms: Array) -> Array:
        """As `Means.mean`."""
        return np.array(extremes(terms, self.many.shares, np.ones(2)))

    def over_facets(self, weight: Array) -> Array:
        """As `Means.over_facets`."""
        found = self.many.enclosed(weight)
        return np.array([found.lower, np.inf if found.upper is None else found.upper])

    @cached_property
    def _of_margins(self) -> ManyMargins:
        return ManyMargins(self.many)

    def mean_margin(self, label: int, other: int) -> Array:
        """As `Means.mean_margin`."""
        return self._of_margins.mean(label, other)

    def behind(self, label: int, other: int, scale: float) -> Array:
        """As `Means.behind`."""
        return self._of_margins.behind(label, other, scale)
