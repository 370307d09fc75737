"""Local complexity, kink and total variation where volumes are out of reach: sections of the box and shares of cells,
enclosed by tilted lattice sums (docs/exactness.md, lemmas 21 to 27).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.complex.pieces import joined
from polylc.exact.quantity import Kind, Quantity
from polylc.geometry.tilted.lattice_sums import Effort, joint
from polylc.geometry.tilted.parcels import Pair, Parcel
from polylc.geometry.tilted.tilting import Forms, forms_of
from polylc.measures.by_volume.enclosures import edge_jumps, margin_norm
from polylc.measures.by_volume.local_complexity import weights
from polylc.measures.by_volume.sections import Cell, Section, cells, first_flips, sections
from polylc.measures.by_volume.tilted_sampling import DRAWS, RISK, SEED, Mixture, Weigher, sampled_sum
from polylc.measures.by_volume.weighed_parcels import extremes, narrowed
from polylc.measures.gradient.norms import Gradients, frobenius, spectral
from polylc.measures.sums import product, total

Array = np.ndarray

FEW_FACETS = 4_000  # so many are enclosed one by one
MOST_FACETS = 20_000  # of a complex whose sections and cells are enclosed at all
NEGLIGIBLE = 1e-10  # a share of what weights spread
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
        self._wholes: dict[bytes, Pair] = {}

    @cached_property
    def sections(self) -> list[Section]:
        """The sections that carry the facets."""
        return list(sections(self.complex, self.graph))

    @cached_property
    def areas(self) -> Array:
        """Areas of the sections over |U|, enclosed; (S, 2)."""
        effort = Effort(SECTIONS)
        parcels = [self._parcel(section.rows, section.noise, effort) for section in self.sections]
        return narrowed(parcels, self._lengths, effort)

    @cached_property
    def _lengths(self) -> Array:
        """Lengths of the gradients of the sections' forms, scaled as forms are; (S, 2)."""
        found = np.array([section.gradient for section in self.sections]).reshape(-1, 2)
        largest = np.array([np.abs(section.rows[0, :-1]).max() for section in self.sections])
        result: Array = np.ldexp(found, -np.frexp(np.where(largest > 0, largest, 1.0))[1][:, None])
        return result

    def _parcel(self, rows: Array, noise: Array, effort: Effort) -> Parcel:
        """A part of the section of the first row."""
        forms = forms_of(rows, noise)
        key = rows[0].tobytes() + noise[:1].tobytes()  # what is known of one row may differ from cell to cell
        if key not in self._wholes:
            self._wholes[key] = joint(forms.rows([0]), True, effort=effort)
        return Parcel(forms, True, self._wholes[key])

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
        open_ = sampled_sum(*self._laws(weight, wide))
        low, high = np.sum(known, axis=0).tolist()
        return Quantity(low + open_.lower, high + (open_.upper or 0.0), Kind.ESTIMATE)

    def mixture(self, weight: Array) -> Mixture:
        """The sections of all facets with a weight, to be drawn from; nothing is enclosed for it."""
        return Mixture(*self._laws(weight, range(len(self.sections))))

    def _laws(self, weight: Array, which: Iterable[int]) -> tuple[list[Forms], Array, list[Weigher]]:
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
        cell = self._cells[int(self.graph.first[edge])]
        kept = cell.neurons != flip
        return Cell(cell.neurons[kept], cell.rows[kept], cell.noise[kept])

    @cached_property
    def enclosures(self) -> dict[str, Quantity]:
        """LC_0 in its versions, enclosed however widely."""
        every = weights(self.complex, self.graph)
        return {name: self.enclosed(np.stack([weight, weight], axis=1)) for name, weight in every.items()}

    @cached_property
    def local_complexity(self) -> dict[str, Quantity]:
        """LC_0 in its versions, see `local_complexity.weights`."""
        found, alike = {}, list[tuple[Array, Quantity]]()
        for name, weight in weights(self.complex, self.graph).items():
            same = [value for other, value in alike if (other == weight).all()]
            found[name] = same[0] if same else self._or_sampled(self.enclosed(np.stack([weight, weight], axis=1)), weight)
            alike.append((weight, found[name]))
        return found

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
        return edge_jumps(self.complex, self._gradients, self.graph, ~joined(self.complex, self.graph))

    def enclosed(self, weight: Array) -> Quantity:
        """The sum over facets of area times an enclosed weight, over the volume, enclosed."""
        bounds = np.zeros((len(weight), 2))
        spread = np.zeros(len(self.sections))
        for i, (section, area) in enumerate(zip(self.sections, self.areas, strict=True)):
            here = weight[section.edges]
            bounds[section.edges, 1] = area[1]
            spread[i] = area[1] * (here[:, 1].max() - here[:, 0].min())
        if (spread > 0).any():
            self._facets(spread, weight[:, 1], bounds)
        parts = [extremes(weight[s.edges], bounds[s.edges], area) for s, area in zip(self.sections, self.areas, strict=True)]
        return quantity(total(np.array(parts).reshape(-1, 2)))

    def _facets(self, spread: Array, weight: Array, bounds: Array) -> None:
        """Narrow the bounds of facets in the sections in which weights spread most."""
        effort, flips = Effort(FACETS), first_flips(self.complex, self.graph)
        edges: list[int] = []
        parcels: list[Parcel] = []
        for i in np.argsort(-spread, kind="stable").tolist():
            section = self.sections[i]
            if spread[i] <= NEGLIGIBLE * spread.sum() or len(parcels) + len(section.edges) > FEW_FACETS:
                break
            for edge in section.edges.tolist():
                others = self._others(edge, int(flips[edge]))
                edges.append(edge)
                parcels.append(self._parcel(np.concatenate([section.rows[:1], others.rows]), np.append(section.noise[0], others.noise), effort))
        within = np.empty(len(self.graph), dtype=np.int64)
        for i, section in enumerate(self.sections):
            within[section.edges] = i
        lengths = self._lengths[within[edges]]
        steep = np.maximum(weight[edges], np.finfo(np.float64).tiny)[:, None]
        narrowed(parcels, product(lengths, np.repeat(steep, 2, axis=1)), effort)
        found = product(np.array([(p.low, p.high) for p in parcels]), lengths)
        bounds[edges, 0] = found[:, 0]
        bounds[edges, 1] = np.minimum(bounds[edges, 1], found[:, 1])

    @cached_property
    def _cells(self) -> list[Cell]:
        return list(cells(self.complex, self.graph))

    # ---- shares ----------------------------------------------------------------------------------------------------
    @cached_property
    def shares(self) -> Array:
        """Shares of the neighbourhood that the regions have, enclosed; (R, 2)."""
        effort = Effort(SHARES)
        parcels = [Parcel(forms_of(cell.rows, cell.noise), False, (1.0, 1.0)) for cell in self._cells]
        return narrowed(parcels, np.ones((len(parcels), 2)), effort)

    def total_variation(self, label: int | None) -> dict[str, Quantity]:
        """As `enclosures.total_variation`."""
        gradient, error = self._gradients.of(np.arange(len(self.complex)))
        norms: dict[str, Callable[[Array, Array], Array]] = {"frobenius": frobenius, "operator": spectral}
        if label is not None:
            norms |= {f"f{label}-f{j}": margin_norm(label, j) for j in range(self.complex.network.outputs) if j != label}
        whole = np.ones(2)
        return {name: quantity(extremes(norm(gradient, error), self.shares, whole)) for name, norm in norms.items()}


def quantity(pair: tuple[float, float] | Array) -> Quantity:
    """An enclosure."""
    low, high = float(pair[0]), float(pair[1])
    return Quantity(low, high, Kind.EXACT if low == high else Kind.ENCLOSURE)


def is_narrow(value: Quantity) -> bool:
    """Whether an enclosure says enough by itself."""
    return value.upper is not None and value.upper - value.lower <= NARROW * value.lower


def within(estimate: Quantity, enclosure: Quantity) -> Quantity:
    """An estimate where the enclosure allows it; the enclosure, where it is narrow or they exclude each other."""
    assert enclosure.upper is not None
    low = max(estimate.lower, enclosure.lower)
    high = enclosure.upper if estimate.upper is None else min(estimate.upper, enclosure.upper)
    return enclosure if is_narrow(enclosure) or low > high else Quantity(low, high, Kind.ESTIMATE)


def how(found: Iterable[Quantity]) -> str:
    """How values were found, for a note."""
    return HOW_SAMPLED if any(value.kind is Kind.ESTIMATE for value in found) else HOW
