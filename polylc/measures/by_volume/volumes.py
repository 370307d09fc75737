"""Proved volumes of regions and areas of facets, relative to the volume of the neighbourhood, and what must hold of
them.

Doubles with proved bounds first (`geometry/cell_bounds.py`); rationals where those prove nothing, where they are asked
for, or where a measure needs them (`refine`). The identities that volumes and areas satisfy are checked whenever they
are computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Self

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.errors import ConsistencyError, SolverError
from polylc.exact.checkpoint import checkpoint
from polylc.exact.enclose import enclose, enclose_sqrt
from polylc.exact.gauge import Gauge
from polylc.exact.linear import sum_of_quotients, sums_to
from polylc.exact.mapped import give_back, joined, zeros
from polylc.geometry.cell_bounds import CellBounds
from polylc.geometry.exact_cell import Row, primitive
from polylc.geometry.exact_volume import RationalCell, drop, rational_cell
from polylc.measures.by_volume.facet_columns import APART, NO_FACET, all_named, meet_areas, note_densities
from polylc.measures.gradient.gradients import in_range
from polylc.measures.sums import outward, total
from polylc.network.compose import TINY, UNIT

Array = np.ndarray
SLACK = 1.0 + 2.0**-40
PART = 2**16  # entries or facets that are looked at together
BATCH = 1_000_000  # doubles that the forms of regions would take which are bounded at a time


class Volumes:
    """Volumes and areas of a complete complex of dimension <= 6.

    Attributes
    ----------
    share : ndarray, shape (R, 2)
        Enclosures of |R| / |U|.
    density : ndarray, shape (E, 2)
        Per path entry, an enclosure of the area of its facet over |U|; 0, 0 where it carries none.
    carrier : ndarray of int, shape (E,)
        The first path entry of the region with the same facet, or -1 where there is none.
    proved : ndarray of bool, shape (R,)
        Where doubles proved which facets a region has, and enclosed their areas.
    exact : dict
        Rational cells, by region, where they were computed; their half-spaces are those of `half_spaces`.
    """

    _walls: Sequence[Row] = ()  # what bounds the neighbourhood beside the box

    def __init__(self, complex_: Complex, exact: bool = False) -> None:
        """Compute and check; `exact` asks for rationals in every region.

        Raises
        ------
        ConsistencyError
            If an identity fails: there is an error in this program, or in the list of regions.
        SolverError
            If a region has too many vertices for rationals, and bounds in doubles prove nothing.
        """
        self._begin(complex_)
        balance = _Balance(complex_.network.outputs, complex_.domain.dimension)
        for rows in complex_.batches(BATCH):
            checkpoint()
            self._bound(rows, exact, balance)
        balance.check()
        self._check_total()

    @classmethod
    def again(cls, complex_: Complex, columns: Sequence[Array], exact: Iterable[int]) -> Self:
        """Volumes whose columns were saved, as `columns` gives them; the cells of regions that were known as rationals
        are computed anew.
        """
        found = cls.__new__(cls)
        found._begin(complex_)
        found.share, found.density, found.carrier, found.proved = columns
        for region in exact:
            checkpoint()
            cell = found._cell(region, found.half_spaces(region))
            found._keep(region, cell, found.entries(region))
        return found

    @property
    def columns(self) -> tuple[Array, ...]:
        """What is known of all regions and path entries."""
        return self.share, self.density, self.carrier, self.proved

    def _begin(self, complex_: Complex) -> None:
        """Room for what will be known."""
        self.complex = complex_
        k = complex_.domain.dimension
        self._gauge = Gauge(complex_.domain.squared_half)
        self._cube = Fraction(2) ** k
        count, entries = len(complex_), len(complex_.neuron)
        self.share, self.density = zeros((count, 2)), zeros((entries, 2))
        self.carrier = zeros(entries, np.int64)
        self.carrier[:] = -1
        self.proved = np.zeros(count, dtype=bool)
        self.exact: dict[int, RationalCell] = {}
        self._places: dict[int, dict[int, int]] = {}  # of their entries among those that may carry facets
        self._facets: tuple[RegionGraph, Array] | None = None  # until a region is computed anew

    @property
    def rational(self) -> bool:
        """Whether all regions are known as rationals."""
        return len(self.exact) == len(self.complex)

    def summary(self) -> str:
        """How the volumes are known, in words."""
        if self.rational:
            return "rational, as are the facets' areas up to a square root; the volumes sum to that of the neighbourhood exactly"
        low, high = total(self.share)
        rest = f", {len(self.exact)} of {len(self.complex)} regions as rationals" if self.exact else ""
        return f"enclosed{rest}; the volumes sum to that of the neighbourhood within the enclosures, {high - low:.1e} relative"

    def _bound(self, rows: slice, exact: bool, balance: _Balance) -> None:
        """One batch of regions."""
        found = self._sizes(rows)
        if not found.closed[found.ok].all():
            raise ConsistencyError("the facets of a region do not close it")
        for region in range(len(found.ok)) if exact else np.flatnonzero(~found.ok).tolist():
            cell = self.refine(rows.start + region)
            found.volume[region], found.box[region] = _ball(cell.volume), [_ball(v) for v in cell.box]
            found.moment[region] = np.array([[_ball(v) for v in face] for face in cell.moment]).swapaxes(1, 2)
        maps = self.complex.maps(rows)
        balance.add(found, maps.map, maps.noise)

    def _sizes(self, rows: slice) -> CellBounds:
        """What doubles prove of one batch."""
        complex_ = self.complex
        entries = slice(int(complex_.starts[rows.start]), int(complex_.starts[rows.stop]))
        starts = complex_.starts[rows.start : rows.stop + 1] - entries.start
        found = self._bounds(starts, *complex_.half_spaces(rows))
        self.proved[rows] = found.ok
        self.share[rows] = outward(found.volume[:, 0], found.volume[:, 1]) / float(self._cube)
        note_densities(starts, found.ok, found.area, float(self._cube), entries.start, self.density[entries], self.carrier[entries])
        return found

    def _bounds(self, starts: Array, rows: Array, noise: Array) -> CellBounds:
        """Bounds on cells; areas in true coordinates, times that of the unit cube's: |a / h| / |a| of those in unit
        ones."""
        inverse = self.complex.domain.inverse_half
        if in_range(inverse):
            return CellBounds(starts, rows, noise, inverse)
        found = CellBounds(starts, rows, noise)
        found.area[found.area[:, 1] > 0] = 0.0, np.inf
        return found

    # ---- rationals -------------------------------------------------------------------------------------------------
    def entries(self, region: int) -> list[int]:
        """Path entries that may carry facets of a region: all, or those that doubles proved to be."""
        begin, end = int(self.complex.starts[region]), int(self.complex.starts[region + 1])
        return (begin + np.flatnonzero(self.carrier[begin:end] >= 0)).tolist() if self.proved[region] else list(range(begin, end))

    def half_spaces(self, region: int) -> list[Row]:
        """Integer half-spaces of a region in unit coordinates, positive inside, one for each of `entries`."""
        return [primitive(row) for row in self.complex.exact_half_spaces(region, self.entries(region))]

    def squared_slant(self, row: Row) -> Fraction:
        """The square of a facet's area over its shadow."""
        return Fraction(self._gauge.squared(row[:-1]), self._gauge.unit * row[drop(row)] ** 2)

    def exact_density(self, entry: int) -> tuple[Fraction, Fraction]:
        """(s, q): the facet of a path entry has area s sqrt(q) |U|, for a region that is known as rationals."""
        complex_ = self.complex
        region = int(np.searchsorted(complex_.starts, entry, side="right")) - 1
        at = self._places[region][entry]
        return self.exact[region].shadow[at] / self._cube, self.squared_slant(self.half_spaces(region)[at])

    def exact_share(self, region: int) -> Fraction:
        """|R| / |U| of a region that is known as rationals."""
        return self.exact[region].volume / self._cube

    def refine(self, region: int) -> RationalCell:
        """The rational cell of a region; its enclosures become the tightest."""
        if region in self.exact:
            return self.exact[region]
        entries, rows = self.entries(region), self.half_spaces(region)
        cell = self._cell(region, rows)
        self._keep(region, cell, entries)
        self.share[region] = enclose(cell.volume / self._cube)
        for entry, row, shadow, first in zip(entries, rows, cell.shadow, cell.carrier, strict=False):
            carries = bool(shadow) and first >= 0
            self.density[entry] = enclose_sqrt((shadow / self._cube) ** 2 * self.squared_slant(row)) if carries else 0.0
            self.carrier[entry] = entries[first] if carries else -1
        return cell

    def _cell(self, region: int, rows: list[Row]) -> RationalCell:
        """The rational cell within some half-spaces, checked."""
        cell = rational_cell([*rows, *self._walls], self.complex.domain.dimension)
        if cell is None:
            raise SolverError(f"region {region} has too many vertices for exact volumes")
        _check_closed_exactly(region, [*rows, *self._walls], cell)
        return cell

    def _keep(self, region: int, cell: RationalCell, entries: list[int]) -> None:
        self.exact[region], self._facets = cell, None
        self._places[region] = {entry: place for place, entry in enumerate(entries)}

    def refine_all(self, regions: Iterable[int]) -> None:
        """`refine` for many."""
        for region in regions:
            self.refine(int(region))

    # ---- checks ----------------------------------------------------------------------------------------------------
    def _check_total(self) -> None:
        """C0: the volumes sum to that of the neighbourhood; exactly, if all are rational."""
        low, high = total(self.share)
        if not low <= 1.0 <= high or (self.rational and not sums_to([c.volume for c in self.exact.values()], self._cube)):
            raise ConsistencyError("the regions' volumes do not sum to that of the neighbourhood")

    def facets(self, graph: RegionGraph) -> Array:
        """Enclosures of the areas of the graph's facets over |U|; shape (len(graph), 2).

        Raises
        ------
        ConsistencyError
            C1: if a region has a facet that is no edge, or an edge no facet, or the two sides of one differ.
        """
        if self._facets is None or self._facets[0] is not graph:
            self._facets = graph, self._areas(graph)
        return joined([self._facets[1]])  # a copy, since some are narrowed by who asks

    def _areas(self, graph: RegionGraph) -> Array:
        """As `facets`, computed and checked."""
        named, result = np.zeros(len(self.carrier), dtype=bool), zeros((len(graph), 2))
        for part in _parts(len(graph)):
            wrong = meet_areas(graph.first_entry[part], graph.second_entry[part], self.density, self.carrier, named, result[part])
            if wrong == NO_FACET:
                raise ConsistencyError("an edge of the region graph has no facet in the geometry of its region")
            if wrong == APART:
                raise ConsistencyError("the two sides of a facet have different areas")
        for part in _parts(len(self.carrier)):
            if not all_named(self.carrier[part], named[part], part.start):
                raise ConsistencyError("a region has a facet that is no edge of the region graph")
        if self.exact:
            self._check_sides_exactly(graph)
        return result

    def _check_sides_exactly(self, graph: RegionGraph) -> None:
        known = np.zeros(len(self.complex), dtype=bool)
        known[list(self.exact)] = True
        both = np.flatnonzero(known[graph.first] & known[graph.second] & (graph.first_entry >= 0) & (graph.second_entry >= 0))
        for e in both.tolist():
            if self._shadow(int(graph.first[e]), int(graph.first_entry[e])) != self._shadow(int(graph.second[e]), int(graph.second_entry[e])):
                raise ConsistencyError(f"regions {graph.first[e]} and {graph.second[e]} see different areas of their common facet")

    def _shadow(self, region: int, entry: int) -> Fraction:
        """The shadow of a path entry's facet, of a region that is known as rationals."""
        return self.exact[region].shadow[self._places[region][entry]]


def _parts(count: int) -> Iterator[slice]:
    """Slices that take little room."""
    for at in range(0, count, PART):
        checkpoint()
        give_back()  # entries are looked up all over the columns, faster than limits are looked at
        yield slice(at, min(at + PART, count))


def _ball(value: Fraction) -> tuple[float, float]:
    """A rational as a double and a bound on the error."""
    near = float(value)
    return near, abs(near) * 2.0**-52 + TINY if value else 0.0


def _check_closed_exactly(region: int, rows: list[Row], cell: RationalCell) -> None:
    """C0, per region, in rationals."""
    own = [(row, s) for e, (row, s) in enumerate(zip(rows, cell.shadow, strict=True)) if s and cell.carrier[e] == e]
    for j in range(len(cell.box) // 2):
        low, high = cell.box[2 * j], cell.box[2 * j + 1]
        numerators = [low.numerator, -high.numerator, *(s.numerator * row[j] for row, s in own)]
        denominators = [low.denominator, high.denominator, *(s.denominator * abs(row[drop(row)]) for row, s in own)]
        if sum_of_quotients(numerators, denominators):
            raise ConsistencyError(f"the facets of region {region} do not close it")


class _Balance:
    """C0 for the gradients: the integral of the Jacobian is that of f times the outward normal over the boundary of
    U.
    """

    def __init__(self, outputs: int, k: int) -> None:
        self.gap, self.bound = np.zeros((outputs, k)), np.zeros((outputs, k))

    def add(self, found: CellBounds, maps: Array, noise: Array) -> None:
        """A batch of regions with their affine maps (r, outputs, k + 1) in unit coordinates, and the rounding in
        those.
        """
        count, k = len(maps), maps.shape[2] - 1
        volume, error = found.volume[:, 0], found.volume[:, 1]
        a = maps[:, :, :-1]
        sizes = (np.abs(maps) * volume[:, None, None]).sum(axis=0)[:, :-1]
        self.gap += np.einsum("r,rmj->mj", volume, a)
        self.bound += np.einsum("r,rmj->mj", error, np.abs(a)) + ((volume + error) @ noise)[:, None]
        for j in range(k):
            for side, sign in ((0, 1.0), (1, -1.0)):
                some = np.flatnonzero(found.box[:, 2 * j + side, 1])  # few regions reach the boundary
                a, c, rounding = maps[some, :, :-1], maps[some, :, -1], noise[some]
                area, slip = found.box[some, 2 * j + side].T
                at, off = found.moment[some, 2 * j + side].swapaxes(0, 1)
                self.gap[:, j] += sign * (np.einsum("rmi,ri->m", a, at) + area @ c)
                self.bound[:, j] += np.einsum("rmi,ri->m", np.abs(a), off) + slip @ np.abs(c) + (area + slip) @ rounding
                sizes[:, j] += np.einsum("rmi,ri->m", np.abs(a), np.abs(at)) + area @ np.abs(c)
        self.bound += 8 * (count + k + 8) * UNIT * sizes + TINY

    def check(self) -> None:
        """Raise ConsistencyError if it does not hold."""
        if (np.abs(self.gap) > self.bound * SLACK).any():
            raise ConsistencyError("the gradients weighted by volume do not sum to the integral over the boundary")
