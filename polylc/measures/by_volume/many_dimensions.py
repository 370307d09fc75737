"""Local complexity, kink and total variation where volumes are out of reach: sections of the box and shares of cells,
enclosed by tilted lattice sums (docs/exactness.md, lemmas 21 to 27).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.complex.pieces import joined
from polylc.exact.quantity import Kind, Quantity, enclosure
from polylc.geometry.tilted.cumulants import Forms
from polylc.geometry.tilted.known_sums import Sums
from polylc.geometry.tilted.lattice_sums import Effort
from polylc.geometry.tilted.parcels import Parcel
from polylc.geometry.tilted.tilting import exponents, forms_of
from polylc.measures.by_volume.enclosures import variation_norms
from polylc.measures.by_volume.local_complexity import once_each, weights
from polylc.measures.by_volume.sections import Cell, Section, cells, first_flips, sections
from polylc.measures.by_volume.tilted_sampling import DRAWS, RISK, SEED, Mixture, Weigher, sampled_sum
from polylc.measures.by_volume.weighed_parcels import AIM, bounded, bounds_of, extremes, narrowed
from polylc.measures.gradient.norms import Gradients
from polylc.measures.sums import product, total

Array = np.ndarray

FEW_FACETS = 4_000  # so many are enclosed one by one
MOST_FACETS = 20_000  # of a complex whose sections and cells are enclosed at all
NARROW = 0.01  # an enclosure whose width is less, relative, is given; else an estimate within it
SECTIONS, SHARES, FACETS = 80e6, 30e6, 20e6  # of effort, in factors of terms
CLOSED = 1e-3  # a width that need not be sampled, of the mean area of a section
HOW = "enclosed by sections of the box, from tilted lattice sums"
HOW_SAMPLED = f"{HOW}; within that estimated from {DRAWS} tilted samples (seed {SEED}); {1 - RISK:.0%} by a betting interval, valid at every size"


class ManyDimensions:
    """What is weighed by area or by volume in one complete complex, of any dimension.

    Nothing depends on the volume of the neighbourhood: areas are taken over it, volumes as shares of it.
    """

    def __init__(self, complex_: Complex, graph: RegionGraph, gradients: Gradients) -> None:
        self.complex, self.graph, self._gradients = complex_, graph, gradients
        self._sums = Sums()
        self._facet_parcels: dict[int, Parcel] = {}

    @cached_property
    def sections(self) -> list[Section]:
        """The sections that carry the facets."""
        return list(sections(self.complex, self.graph))

    @cached_property
    def areas(self) -> Array:
        """Areas of the sections over |U|, enclosed; (S, 2)."""
        effort = Effort(SECTIONS)
        parcels = [self._parcel(*self._numbered(section.rows, section.noise), effort) for section in self.sections]
        return narrowed(parcels, self._lengths, effort)

    def _numbered(self, rows: Array, noise: Array) -> tuple[Forms, list[int]]:
        """Forms from rows, and their numbers among all of the neighbourhood."""
        forms = forms_of(rows, noise)
        return forms, self._sums.numbers(forms)

    @cached_property
    def _lengths(self) -> Array:
        """Lengths of the gradients of the sections' forms, scaled as forms are; (S, 2)."""
        found = np.array([section.gradient for section in self.sections]).reshape(-1, 2)
        exponent = np.array([exponents(section.rows[:1])[0] for section in self.sections], dtype=np.int64)
        result: Array = np.ldexp(found, -exponent[:, None])
        return result

    def _parcel(self, forms: Forms, numbers: list[int], effort: Effort) -> Parcel:
        """A part of the section of the first form."""
        return Parcel(forms, True, self._sums.joint(forms.rows([0]), numbers[:1], True, 0.0, effort), self._sums, numbers)

    def sampled(self, weight: Array) -> Quantity:
        """The sum over facets of area times weight, (E,), from tilted samples of the sections that are not enclosed
        narrowly, and the enclosures of the others.
        """
        known, wide = [np.zeros(2)], list[int]()
        worth = CLOSED * total(self.areas)[0] / max(len(self.sections), 1)
        for i, (section, area) in enumerate(zip(self.sections, self.areas, strict=True)):
            here = weight[section.edges]
            if (here == here[0]).all() and area[1] - area[0] <= worth:
                known.append(here[0] * area)
            else:
                wide.append(i)
        open_ = sampled_sum(*self.laws(weight, wide))
        low, high = np.sum(known, axis=0).tolist()
        return Quantity(low + open_.lower, high + (open_.upper or 0.0), Kind.ESTIMATE)

    def mixture(self, weight: Array) -> Mixture:
        """The sections of all facets with a weight, to be drawn from; nothing is enclosed for it."""
        return Mixture(*self.laws(weight, range(len(self.sections))))

    def laws(self, weight: Array, which: Iterable[int]) -> tuple[list[Forms], Array, list[Weigher]]:
        """Forms, lengths of gradients and weights of some sections, without those that weigh nothing."""
        flips = first_flips(self.complex, self.graph)
        forms, lengths, weigh = list[Forms](), list[float](), list[Weigher]()
        for i in which:
            section, here = self.sections[i], weight[self.sections[i].edges]
            if not here.any():
                continue
            alike = bool((here == here[0]).all())
            rows = None if alike else [self._others(edge, int(flips[edge])).rows for edge in section.edges.tolist()]
            forms.append(forms_of(section.rows, section.noise))
            lengths.append(float(self._lengths[i, 1]))
            weigh.append(Weigher(here[:1] if alike else here, rows))
        return forms, np.array(lengths), weigh

    def _others(self, edge: int, flip: int) -> Cell:
        """The half-spaces of one region of an edge, without the one that its facet lies on."""
        cell = self.cells[int(self.graph.first[edge])]
        kept = cell.neurons != flip
        return Cell(cell.neurons[kept], cell.rows[kept], cell.noise[kept])

    @cached_property
    def enclosures(self) -> dict[str, Quantity]:
        """LC_0 in its versions, enclosed however widely."""
        return once_each(self.versions, lambda weight: self.enclosed(np.stack([weight, weight], axis=1)))

    @cached_property
    def local_complexity(self) -> dict[str, Quantity]:
        """LC_0 in its versions, see `local_complexity.weights`."""
        wide = once_each(
            {name: weight for name, weight in self.versions.items() if not is_narrow(self.enclosures[name])},
            self.sampled,
        )
        return {name: within(wide[name], found) if name in wide else found for name, found in self.enclosures.items()}

    @cached_property
    def versions(self) -> dict[str, Array]:
        """How often each version counts every facet; (E,) each."""
        return weights(self.complex, self.graph)

    def _or_sampled(self, enclosure: Quantity, weight: Array) -> Quantity:
        """The enclosure, or where it is wide, an estimate within it."""
        return enclosure if is_narrow(enclosure) else within(self.sampled(weight), enclosure)

    @cached_property
    def kink_variation(self) -> Quantity:
        """Area by volume, times the jump of the Jacobian."""
        return self._or_sampled(self.enclosed(self.jumps), self.jumps.mean(axis=1))

    @cached_property
    def jumps(self) -> Array:
        """Of the Jacobian across facets, enclosed; (E, 2)."""
        return self._gradients.across(self.graph, ~joined(self.complex, self.graph))

    def enclosed(self, weight: Array) -> Quantity:
        """The sum over facets of area times an enclosed weight, over the volume, enclosed."""
        bounds, parts = np.zeros((len(weight), 2)), np.zeros((len(self.sections), 2))
        for i, (section, area) in enumerate(zip(self.sections, self.areas, strict=True)):
            bounds[section.edges, 1] = area[1]
            parts[i] = extremes(weight[section.edges], bounds[section.edges], area)
        for i in self._facets(weight, parts, bounds):
            edges = self.sections[i].edges
            parts[i] = extremes(weight[edges], bounds[edges], self.areas[i])
        return enclosure(*total(parts))

    def _facets(self, weight: Array, parts: Array, bounds: Array) -> list[int]:
        """Narrow the bounds of facets in the sections in which weights spread most; which sections those are.

        In each section one facet may be left wide: the others say what it is.
        """
        middle = weight.mean(axis=1)
        spread = np.array([a[1] * (middle[s.edges].max() - middle[s.edges].min()) for s, a in zip(self.sections, self.areas, strict=True)])
        left, value = math.fsum(spread.tolist()), float(parts[:, 0].sum())
        if not left > AIM * value:
            return []
        effort, flips = Effort(FACETS), first_flips(self.complex, self.graph)
        chosen, edges, scale = list[int](), list[int](), list[Array]()
        for i in np.argsort(-spread, kind="stable").tolist():
            here = self.sections[i].edges
            if left <= 0.1 * AIM * value or spread[i] == 0 or len(edges) + len(here) > FEW_FACETS:
                break
            left -= spread[i]
            chosen.append(i)
            edges.extend(here.tolist())
            parcels = [self._facet(i, edge, int(flips[edge]), effort) for edge in here.tolist()]
            bounded(parcels, effort)
            away = np.abs(middle[here] - middle[here[int(np.argmax([p.high for p in parcels]))]])
            scale.append(product(np.repeat(away[:, None], 2, axis=1), self._lengths[i][None]))
        parcels = [self._facet_parcels[edge] for edge in edges]
        narrowed(parcels, np.concatenate(scale or [np.zeros((0, 2))]), effort, value)
        lengths = np.repeat(self._lengths[chosen], [len(self.sections[i].edges) for i in chosen], axis=0)
        found = product(bounds_of(parcels), lengths)
        bounds[edges, 0] = found[:, 0]
        bounds[edges, 1] = np.minimum(bounds[edges, 1], found[:, 1])
        return chosen

    def _facet(self, place: int, edge: int, flip: int, effort: Effort) -> Parcel:
        """The facet of an edge, as a part of its section."""
        if edge not in self._facet_parcels:
            section, region = self.sections[place], int(self.graph.first[edge])
            plane, number = self._numbered(section.rows[:1], section.noise[:1])
            forms, numbers = self._cell_forms[region]
            others = np.flatnonzero(self.cells[region].neurons != flip).tolist()
            self._facet_parcels[edge] = self._parcel(plane.and_then(forms.rows(others)), number + [numbers[j] for j in others], effort)
        return self._facet_parcels[edge]

    @cached_property
    def cells(self) -> list[Cell]:
        """The regions' half-spaces."""
        return list(cells(self.complex, self.graph))

    @cached_property
    def _cell_forms(self) -> list[tuple[Forms, list[int]]]:
        """The same as numbered forms."""
        return [self._numbered(cell.rows, cell.noise) for cell in self.cells]

    # ---- shares ----------------------------------------------------------------------------------------------------
    @cached_property
    def _regions(self) -> tuple[list[Parcel], Effort]:
        """The regions as parts of the cube, bounded by Chernoff, and what may be spent on them."""
        effort = Effort(SHARES)
        parcels = [Parcel(forms, False, (1.0, 1.0), self._sums, numbers) for forms, numbers in self._cell_forms]
        bounded(parcels, effort)
        return parcels, effort

    @cached_property
    def shares(self) -> Array:
        """Shares of the neighbourhood that the regions have, enclosed; (R, 2)."""
        parcels, effort = self._regions
        return narrowed(parcels, np.ones((len(parcels), 2)), effort)

    def total_variation(self, label: int | None) -> dict[str, Quantity]:
        """As `enclosures.total_variation`."""
        gradient, error = self._gradients.of(np.arange(len(self.complex)))
        found = {name: norm(gradient, error) for name, norm in variation_norms(self.complex.network.outputs, label).items()}
        shares, whole = self._shares_for(list(found.values())), np.ones(2)
        return {name: enclosure(*extremes(weight, shares, whole)) for name, weight in found.items()}

    def _shares_for(self, weights: list[Array]) -> Array:
        """Shares, as narrow as sums of them times any of these weights need; (R, 2).

        They sum to one, so that what counts is how far a weight is from that of one region, the largest by its bounds.
        """
        parcels, effort = self._regions
        largest = int(np.argmax([parcel.high for parcel in parcels]))
        scale = np.zeros(len(parcels))
        for weight in weights:
            middle = weight.mean(axis=1)
            low, high = extremes(weight, bounds_of(parcels), np.ones(2))
            least = max(low, 1e-3 * high)
            if 0 < least < math.inf:
                scale = np.maximum(scale, np.abs(middle - middle[largest]) / least)
        scale = np.where(np.isfinite(scale), scale, 0.0)
        narrowed(parcels, np.stack([scale, scale], axis=1), effort, 1.0)
        return bounds_of(parcels)


def is_narrow(value: Quantity) -> bool:
    """Whether an enclosure says enough by itself."""
    return value.upper is not None and value.upper - value.lower <= NARROW * value.lower


def within(estimate: Quantity, known: Quantity) -> Quantity:
    """An estimate where an enclosure allows it; the enclosure, where it is narrow or they exclude each other."""
    low = max(estimate.lower, known.lower)
    high = min((v.upper for v in (estimate, known) if v.upper is not None), default=math.inf)
    return known if is_narrow(known) or low > high else Quantity(low, high if high < math.inf else None, Kind.ESTIMATE)


def how(found: Iterable[Quantity]) -> str:
    """How values were found, for a note."""
    return HOW_SAMPLED if any(value.kind is Kind.ESTIMATE for value in found) else HOW
