"""Local complexity, kink and total variation where volumes are out of reach: sections of the box and shares of cells,
enclosed by tilted lattice sums (docs/exactness.md, lemmas 21 to 27).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from itertools import starmap

import numpy as np

from polylc.complex.complex import Complex
from polylc.complex.graph import RegionGraph
from polylc.complex.pieces import joined
from polylc.exact.quantity import Kind, Quantity
from polylc.geometry.tilted.lattice_sums import joint
from polylc.geometry.tilted.parcels import Effort, Pair, Parcel
from polylc.geometry.tilted.tilting import forms_of
from polylc.measures.by_volume.enclosures import edge_jumps, margin_norm
from polylc.measures.by_volume.local_complexity import weights
from polylc.measures.by_volume.sections import Section, cells, sections
from polylc.measures.by_volume.weighed_parcels import extremes, narrowed
from polylc.measures.gradient.norms import Gradients, frobenius, spectral
from polylc.measures.sums import total

Array = np.ndarray

NARROW = 0.01  # an enclosure whose width is less, relative, is given; else an estimate within it
SECTIONS, SHARES, FACETS = 1500.0, 1000.0, 500.0  # of effort
HOW = "enclosed by sections of the box, from tilted lattice sums"


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
        key = rows[0].tobytes()
        if key not in self._wholes:
            effort.spend(1, forms.a.shape[1])
            self._wholes[key] = joint(forms.rows([0]), True)
        return Parcel(forms, True, self._wholes[key])

    @cached_property
    def local_complexity(self) -> dict[str, Quantity]:
        """LC_0 in its versions, see `local_complexity.weights`."""
        return {name: self._weighed(np.stack([weight, weight], axis=1)) for name, weight in weights(self.complex, self.graph).items()}

    @cached_property
    def kink_variation(self) -> Quantity:
        """Area by volume, times the jump of the Jacobian."""
        bends = ~joined(self.complex, self.graph)
        return self._weighed(edge_jumps(self.complex, self._gradients, self.graph, bends))

    def _weighed(self, weight: Array) -> Quantity:
        """The sum over facets of area times an enclosed weight."""
        parts = []
        for section, area in zip(self.sections, self.areas, strict=True):
            here = weight[section.edges]
            parts.append(extremes(here, np.tile([0.0, area[1]], (len(here), 1)), area))
        return quantity(total(np.array(parts).reshape(-1, 2)))

    # ---- shares ----------------------------------------------------------------------------------------------------
    @cached_property
    def shares(self) -> Array:
        """Shares of the neighbourhood that the regions have, enclosed; (R, 2)."""
        effort = Effort(SHARES)
        parcels = [Parcel(forms, False, (1.0, 1.0)) for forms in starmap(forms_of, cells(self.complex, self.graph))]
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
