"""Margins between two outputs where volumes are out of reach: their mean, and the share of a box on which one is not
ahead (docs/exactness.md, lemma 35).
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from polylc.engines.extras import Maps
from polylc.geometry.tilted.lattice_sums import Effort
from polylc.geometry.tilted.parcels import Parcel
from polylc.geometry.tilted.tilting import forms_of
from polylc.measures.by_volume.many_dimensions import ManyDimensions
from polylc.measures.by_volume.weighed_parcels import extremes, narrowed
from polylc.measures.sums import total
from polylc.network.compose import UNIT

Array = np.ndarray

EFFORT = 30e6  # for the shares of all margins of one complex, in factors of terms
NEAR = 0.01  # of what a share is compared with: narrower it need not be
SLACK = 1 + 2.0**-40


def margin_rows(maps: Maps, label: int, other: int) -> tuple[Array, Array]:
    """The forms of f_label - f_other on regions, (R, k + 1), and bounds on their errors anywhere in the cube, (R,)."""
    form = maps.map[:, label] - maps.map[:, other]
    noise = maps.noise[:, label] + maps.noise[:, other]
    return form, (noise + 2 * UNIT * np.abs(form).sum(axis=1)) * SLACK


class ManyMargins:
    """Margins on one complete complex of any dimension, whose neighbourhood is a box."""

    def __init__(self, many: ManyDimensions) -> None:
        self.many, self.complex = many, many.complex
        self._effort = Effort(EFFORT)
        self._known: dict[tuple[int, int], tuple[Array, Array]] = {}

    def _rows(self, label: int, other: int) -> tuple[Array, Array]:
        """All regions' forms of a margin; those asked for last are kept."""
        if (label, other) not in self._known:
            found = [margin_rows(self.complex.maps(rows), label, other) for rows in self.complex.map_batches()]
            self._known = {(label, other): (np.concatenate([form for form, _ in found]), np.concatenate([noise for _, noise in found]))}
        return self._known[label, other]

    @cached_property
    def _largest(self) -> int:
        """The region with the largest share, by its bounds."""
        return int(np.argmax(self.many.shares[:, 0]))

    def mean(self, label: int, other: int) -> Array:
        """E[f_label - f_other], enclosed; (2,). The form of the largest region has its constant as its mean; what the
        others differ from it by counts by their shares.
        """
        form, noise = self._rows(label, other)
        at = self._largest
        apart = form - form[at]
        size = np.abs(apart[:, :-1]).sum(axis=1)
        slip = (noise + noise[at] + 8 * apart.shape[1] * UNIT * (size + np.abs(apart[:, -1]) + np.abs(form).sum(axis=1))) * SLACK
        slip[at] = 0.0  # it is itself
        least, most = apart[:, -1] - size - slip, apart[:, -1] + size + slip
        shares, whole = self.many.shares, np.ones(2)
        above = extremes(np.stack([np.maximum(least, 0.0), np.maximum(most, 0.0)], axis=1), shares, whole)
        below = extremes(np.stack([np.maximum(-most, 0.0), np.maximum(-least, 0.0)], axis=1), shares, whole)
        middle, error = float(form[at, -1]), float(noise[at])
        low = total(np.array([[middle, middle], [-error, -error], [above[0], above[0]], [-below[1], -below[1]]]))[0]
        high = total(np.array([[middle, middle], [error, error], [above[1], above[1]], [-below[0], -below[0]]]))[1]
        return np.array([low, high])

    def behind(self, label: int, other: int, scale: float) -> Array:
        """The share of the box on which f_label <= f_other, enclosed, to a hundredth of `scale` if that can be had;
        (2,).
        """
        form, noise = self._rows(label, other)
        size = np.abs(form[:, :-1]).sum(axis=1)
        slip = (noise + 8 * form.shape[1] * UNIT * (size + np.abs(form[:, -1]))) * SLACK
        bounds = self.many.shares.copy()
        bounds[form[:, -1] - size - slip > 0] = 0.0
        some = np.flatnonzero((form[:, -1] - size - slip <= 0) & (form[:, -1] + size + slip > 0))
        parcels = [self._parcel(int(region), form[region], float(noise[region])) for region in some.tolist()]
        if parcels:
            found = narrowed(parcels, np.ones((len(parcels), 2)), self._effort, scale if scale > 0 else 1.0, NEAR)
            bounds[some, 0], bounds[some, 1] = found[:, 0], np.minimum(bounds[some, 1], found[:, 1])
        low, high = total(bounds)
        return np.array([max(low, 0.0), min(high, 1.0)])

    def _parcel(self, region: int, form: Array, noise: float) -> Parcel:
        """The part of a region on which a form is not positive."""
        cell = self.many.cells[region]
        rows, errors = np.concatenate([-form[None], cell.rows]), np.append(noise, cell.noise)
        return Parcel(forms_of(rows, errors), False, (1.0, 1.0))
