"""Volumes and areas of the regions that were found, where others may be missing, and how much is left.

The cell of each region is known exactly (its path), so its volume and its facets are enclosed as those of a complete
list are; what sums over all regions must satisfy is not asked. Where time is short, regions are measured in their order
as long as half of it lasts: the rest counts as not found.
"""

from __future__ import annotations

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.errors import LimitReached, SolverError
from polylc.exact.checkpoint import checkpoint, half_of_the_time
from polylc.exact.mapped import zeros
from polylc.geometry.exact_cell import primitive
from polylc.geometry.exact_volume import rational_cell
from polylc.measures.by_volume.volumes import SLACK, Volumes
from polylc.measures.sums import outward, total, widest
from polylc.network.compose import apply_affine, rounding

Array = np.ndarray
BATCH = 200_000  # doubles that the forms of regions would take which are measured between two looks at the clock
WIDTH = 2.0**-41  # of all volumes and areas together that doubles may leave, relative: it moves from one stop to another
WORTH = 4.0  # where more would have to be, what so many leave of the width times this is enough
MOST_ANEW = (64, 64, 64, 64, 16, 4, 1)  # regions that are measured in rationals for it, by dimension, as these cost


class FoundPart(Volumes):
    """Volumes and areas of the regions of a complex that need not be complete, of dimension <= 6.

    Attributes
    ----------
    measured : ndarray of bool, shape (R,)
        Regions whose volume and facets are enclosed; the others have none.
    rest : tuple of float
        The share of the neighbourhood that is not covered by these, enclosed.
    """

    def __init__(self, complex_: Complex) -> None:
        self._begin(complex_)
        self.measured = np.zeros(len(complex_), dtype=bool)
        with half_of_the_time():
            try:
                for rows in complex_.batches(BATCH):
                    checkpoint()
                    self._measure(rows)
                self._narrow()
            except LimitReached:
                pass  # what was measured until then stands
        low, high = total(self.share)
        self.rest = max(0.0, np.nextafter(1.0 - high, -np.inf)), max(0.0, np.nextafter(1.0 - low, np.inf))

    def note(self) -> str:
        """What enclosures of sums rest on, in words."""
        some = "" if self.measured.all() else f"; {int(self.measured.sum())} of {len(self.measured)} regions are measured"
        return f"the regions found cover at least {max(0.0, 1.0 - self.rest[1]):.6g} of the volume; the rest adds at most what bounds allow{some}"

    def _measure(self, rows: slice) -> None:
        found = self._sizes(rows)
        self.measured[rows] = found.ok
        self.share[rows][~found.ok] = 0.0
        for region in (rows.start + np.flatnonzero(~found.ok)).tolist():
            checkpoint()
            try:
                self.refine(region)
            except SolverError:  # too many vertices
                continue
            self.measured[region] = True

    def _narrow(self) -> None:
        """Measure in rationals where doubles leave most: how much they leave depends on the path to a region, which is
        another where the enumeration was stopped later, and an enclosure must not become wider for that.
        """
        with np.errstate(invalid="ignore"):
            width = self.share[:, 1] - self.share[:, 0]
            owner = self.complex.regions_of_entries(slice(0, len(width)))
            width += np.bincount(owner, self.density[:, 1] - self.density[:, 0], minlength=len(width))
        width[~self.measured] = 0.0
        aim = WIDTH * (1.0 + total(self.density)[0])
        for region in widest(width, aim, MOST_ANEW[self.complex.domain.dimension], WORTH).tolist():
            checkpoint()
            try:
                self.refine(region)
            except SolverError:
                continue

    def facets(self, graph: RegionGraph) -> Array:
        """Enclosures of the areas of the graph's facets over |U|, and 0 where neither of its regions is measured."""
        result = zeros((len(graph), 2))
        result[:, 1] = np.inf
        for region, entry in ((graph.first, graph.first_entry), (graph.second, graph.second_entry)):
            seen = (entry >= 0) & self.measured[region]
            seen[seen] = self.carrier[entry[seen]] >= 0
            result[seen, 0] = np.maximum(result[seen, 0], self.density[entry[seen], 0])
            result[seen, 1] = np.minimum(result[seen, 1], self.density[entry[seen], 1])
        result[np.isinf(result[:, 1])] = 0.0
        return result

    def sections(self, neurons: Array) -> Array:
        """No less than the areas over |U| in which the hyperplanes of neurons that read the inputs alone meet U."""
        complex_, start = self.complex, self.complex.start
        network, k = start.network, complex_.domain.dimension
        forms, noise = np.zeros((network.neurons, k + 1)), np.zeros(network.neurons)
        for index, layer in enumerate(network.layers):
            here = slice(int(network.offsets[index]), int(network.offsets[index + 1]))
            if all(source == 0 for source, _ in layer.affine.terms):
                forms[here] = apply_affine(layer.affine, [start.embedding])
                noise[here] = rounding(layer.affine, [start.embedding], [start.rounding])
        found = self._bounds(np.arange(len(neurons) + 1), forms[neurons], noise[neurons])
        area: Array = outward(*found.area.T)[:, 1] / 2.0**k * SLACK
        for at in np.flatnonzero(~found.ok | ~np.isfinite(area)).tolist():
            area[at] = self._section(int(neurons[at]))
        return area

    def _section(self, neuron: int) -> float:
        """The same of one, from integers."""
        row = primitive(self.complex.exact_forms.neuron(neuron, np.zeros(self.complex.network.neurons, dtype=bool)))
        if abs(row[-1]) >= sum(map(abs, row[:-1])):
            return 0.0
        cell = rational_cell([row], self.complex.domain.dimension)
        shadow = 2.0 ** (self.complex.domain.dimension - 1) if cell is None else float(cell.shadow[0])
        return float(shadow / 2.0**self.complex.domain.dimension * np.sqrt(float(self.squared_slant(row))) * SLACK)
