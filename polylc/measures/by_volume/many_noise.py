"""LC^dec where volumes are out of reach: on the regions that agree in all layers before its own a neuron is one affine
form, and the mean of the density of its noise there is a tilted lattice sum with one more factor (docs/exactness.md,
lemma 28).

In: a complete complex with its graph. Out: enclosures, or where too many parts stay wide, estimates within them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from polylc.complex.complex import Complex, forms_along
from polylc.complex.graph import RegionGraph
from polylc.exact.quantity import Kind, Quantity, enclosure
from polylc.geometry.tilted.cumulants import Forms
from polylc.geometry.tilted.lattice_sums import Effort, joint
from polylc.geometry.tilted.parcels import Parcel
from polylc.geometry.tilted.tilting import exponents, forms_of
from polylc.measures.by_volume.many_dimensions import NARROW, is_narrow, within
from polylc.measures.by_volume.noise import peak, row_norms
from polylc.measures.by_volume.sections import first_flips, sides_of
from polylc.measures.by_volume.tilted_sampling import DRAWS, RISK, SEED, Weigher, sampled_sum
from polylc.measures.by_volume.weighed_parcels import narrowed
from polylc.measures.sums import product, total
from polylc.network.compose import UNIT, batches
from polylc.network.patterns import distinct

Array = np.ndarray

SHARES, PARTS = 10e6, 40e6  # of effort, in factors of terms
MOST_PARTS = 20_000  # parts that matter: of more nothing is enclosed
LEFT = 1e-4  # of the sum, relative: what parts may add to its width, those that are left as they are and the others
REACH = 9.0  # standard deviations: farther off a neuron's density is bounded, not computed
SLACK = 1 + 2.0**-40
HOW = "enclosed by tilted lattice sums, one for each neuron and each pattern before its layer"
HOW_SAMPLED = f"{HOW}; within that estimated from {DRAWS} tilted samples (seed {SEED}); {1 - RISK:.0%} by a betting interval, valid at every size"


@dataclass(frozen=True)
class Layer:
    """The regions of one pattern before a layer, and the layer's forms there.

    Attributes
    ----------
    near, far : ndarray, shape (w,)
        The least and the largest size that each form can have on the cube, rounded outward.
    length : ndarray, shape (w, 2)
        Of their gradients, enclosed.
    kept : ndarray, shape (w,)
        The place in `rows` of each form that is near enough, or -1.
    rows, noise : ndarray, shape (v, k + 1), (v,)
        Of these the forms, and bounds on their errors anywhere in the cube.
    sides, doubt : ndarray, shape (m, k + 1), (m,)
        The half-spaces, positive inside, and their errors.
    """

    near: Array
    far: Array
    length: Array
    kept: Array
    rows: Array
    noise: Array
    sides: Array
    doubt: Array


def layers(complex_: Complex, graph: RegionGraph, reach: float) -> Iterator[Layer]:
    """All layers of a complete complex, each as often as there are patterns before it; forms are kept that come as near
    to 0 as `reach`.
    """
    network, flips = complex_.network, first_flips(complex_, graph)
    for index in range(len(network.layers)):
        begin, end = int(network.offsets[index]), int(network.offsets[index + 1])
        first, which = distinct(complex_.bits, begin)
        sides = sides_of(graph, flips, which) if index else {}
        for part in batches(len(first), (network.neurons + network.outputs) * (complex_.domain.dimension + 1)):
            regions = first[part]
            forms, bits = forms_along(complex_.start, complex_.bits[regions]), complex_.patterns(regions)
            for at in range(len(regions)):
                names = sides.get(part.start + at, [])
                sign = np.where(bits[at, names], 1.0, -1.0)
                rows, noise = forms.hidden[at, begin:end], forms.noise[at, begin:end]
                near, far = _range(rows, noise)
                length = row_norms(complex_, rows, noise)
                some = np.flatnonzero((near <= reach) & (length[:, 1] > 0))
                kept = np.full(len(rows), -1)
                kept[some] = np.arange(len(some))
                half_spaces = forms.hidden[at, names] * sign[:, None]
                yield Layer(near, far, length, kept, rows[some], noise[some], half_spaces, forms.noise[at, names])


def _range(rows: Array, noise: Array) -> tuple[Array, Array]:
    """The least and the largest size of forms on the cube, rounded outward."""
    size, middle = np.abs(rows[:, :-1]).sum(axis=1), np.abs(rows[:, -1])
    slip = (noise + 8 * rows.shape[1] * UNIT * (size + middle)) * SLACK
    return np.maximum(middle - size - slip, 0.0) / SLACK, (middle + size + slip) * SLACK


@dataclass(frozen=True)
class _Parts:
    """Neurons on cells, as columns, with bounds of what they add."""

    layer: Array  # (N,) places of layers
    neuron: Array  # (N,)
    bounds: Array  # (N, 2)


class ManyNoise:
    """LC^dec of one complete complex of any dimension."""

    def __init__(self, complex_: Complex, graph: RegionGraph, sigmas: Sequence[float]) -> None:
        self._layers = list(layers(complex_, graph, REACH * max(sigmas)))
        self._known: dict[float, _Parts] = {}

    @cached_property
    def shares(self) -> Array:
        """Shares of the cube that the cells of the layers have, enclosed; (layers, 2)."""
        effort = Effort(SHARES)
        parcels = [Parcel(forms_of(layer.sides, layer.doubt), False, (1.0, 1.0)) for layer in self._layers]
        return narrowed(parcels, np.ones((len(parcels), 2)), effort)

    def _crude(self, sigma: float) -> _Parts:
        """The share of the cell times the extremes of the density over the cube, for every neuron."""
        top = peak(sigma)
        columns: list[tuple[Array, Array, Array]] = []
        for place, (layer, share) in enumerate(zip(self._layers, self.shares, strict=True)):
            near, far = layer.near / sigma, layer.far / sigma
            with np.errstate(under="ignore"):
                value = np.stack([np.exp(-0.5 * (far * far)) * (1 - 1e-11), np.exp(-0.5 * (near * near)) * (1 + 1e-11) + 1e-300], axis=1)
            value[:, 0][far > 37.0] = 0.0  # where roundings of the exponent count for more
            value[:, 1] = np.where(near > 37.0, 1e-290, value[:, 1])
            bounds = product(product(np.where(layer.length == 0, 0.0, value), layer.length), product(top[None], share[None]))
            columns.append((np.full(len(near), place), np.arange(len(near)), bounds))
        return _Parts(*(np.concatenate(column) for column in zip(*columns, strict=True)))

    def complexity(self, sigma: float) -> Quantity:
        """LC^dec for N(0, sigma^2) noise on the bias of every hidden neuron: the enclosure, or where it is wide, an
        estimate within it.
        """
        parts = self._narrowed(sigma)
        found = enclosure(*total(parts.bounds))
        known = found.upper is None or is_narrow(found)
        return found if known or len(self._wide(parts, LEFT)) > MOST_PARTS else self._sampled(parts, sigma, found)

    def enclosure(self, sigma: float) -> Array:
        """The enclosure by itself; shape (2,)."""
        return np.array(total(self._narrowed(sigma).bounds))

    def _narrowed(self, sigma: float) -> _Parts:
        """All parts, the widest enclosed by sums."""
        if sigma in self._known:
            return self._known[sigma]
        parts = self._crude(sigma)
        bounds, chosen = parts.bounds, self._wide(parts, LEFT)
        self._known[sigma] = parts
        if len(chosen) > MOST_PARTS:
            return parts
        effort = Effort(PARTS)
        parcels = [self._parcel(int(parts.layer[i]), int(parts.neuron[i]), sigma, effort) for i in chosen.tolist()]
        scale = np.array([self._scale(int(parts.layer[i]), int(parts.neuron[i]), sigma) for i in chosen.tolist()]).reshape(-1, 2)
        found = narrowed(parcels, scale, effort, aim=LEFT)
        bounds[chosen] = np.stack([np.maximum(bounds[chosen, 0], found[:, 0]), np.minimum(bounds[chosen, 1], found[:, 1])], axis=1)
        return parts

    def _wide(self, parts: _Parts, share: float) -> Array:
        """The fewest parts but for which the sum would be as narrow as that; only what is near can be narrowed."""
        width = parts.bounds[:, 1] - parts.bounds[:, 0]
        order = np.argsort(-width, kind="stable")
        left = np.append(np.cumsum(width[order][::-1])[::-1], 0.0)  # what stays if the first i are narrow
        low, high = total(parts.bounds)
        chosen = order[: int(np.argmax(left <= share * max(low, LEFT * high)))]
        named = zip(parts.layer[chosen].tolist(), parts.neuron[chosen].tolist(), strict=True)
        near = np.array([self._layers[layer].kept[neuron] >= 0 for layer, neuron in named], dtype=bool)
        result: Array = chosen[near]
        return result

    def _forms(self, place: int, neuron: int, sigma: float) -> Forms:
        """A neuron's form with noise, and the half-spaces of a cell."""
        layer = self._layers[place]
        at = layer.kept[neuron]
        return forms_of(np.concatenate([layer.rows[at : at + 1], layer.sides]), np.append(layer.noise[at], layer.doubt), sigma)

    def _parcel(self, place: int, neuron: int, sigma: float, effort: Effort) -> Parcel:
        """The mean of the density of one neuron's noise on one cell."""
        forms = self._forms(place, neuron, sigma)
        return Parcel(forms, True, joint(forms.rows([0]), True, effort=effort))

    def _scale(self, place: int, neuron: int, sigma: float) -> Array:
        """The length of a gradient, of the form scaled as forms are."""
        layer = self._layers[place]
        at = layer.kept[neuron]
        result: Array = np.ldexp(layer.length[neuron], -exponents(layer.rows[at : at + 1], sigma))
        return result

    def _sampled(self, parts: _Parts, sigma: float, known: Quantity) -> Quantity:
        """An estimate within an enclosure: what is wide is sampled."""
        some = self._wide(parts, 0.1 * NARROW)
        named = [(int(parts.layer[i]), int(parts.neuron[i])) for i in some.tolist()]
        forms, lengths = [self._forms(*name, sigma) for name in named], [float(self._scale(*name, sigma)[1]) for name in named]
        rest = total(np.delete(parts.bounds, some, axis=0))
        found = sampled_sum(forms, np.array(lengths), [Weigher(np.ones(1), None)] * len(forms))
        return within(Quantity(rest[0] + found.lower, rest[1] + (found.upper or 0.0), Kind.ESTIMATE), known)

    def strip(self, sigma: float) -> Array:
        """E sum ||grad z|| 1{|z| <= sigma}, enclosed; shape (2,)."""
        bounds = np.zeros((sum(len(layer.near) for layer in self._layers), 2))
        at, wide, parcels, scale = 0, list[int](), list[Parcel](), list[Array]()
        for layer, share in zip(self._layers, self.shares, strict=True):
            never, always = layer.near > sigma, layer.far < sigma
            whole = product(layer.length, share[None])
            bounds[at : at + len(never)] = np.where(always[:, None], whole, np.where(never[:, None], 0.0, whole * [0.0, 1.0]))
            for neuron in np.flatnonzero(~never & ~always & (layer.kept >= 0)).tolist():
                row = layer.kept[neuron]
                sides = np.stack([layer.rows[row], -layer.rows[row]])
                sides[:, -1] += sigma
                rounded = layer.noise[row] + 2 * UNIT * (np.abs(sides[:, -1]) + sigma)
                wide.append(at + neuron)
                parcels.append(Parcel(forms_of(np.concatenate([sides, layer.sides]), np.append(rounded, layer.doubt)), False, (1.0, 1.0)))
                scale.append(layer.length[neuron])
            at += len(never)
        if parcels and len(parcels) <= MOST_PARTS:
            found = narrowed(parcels, np.array(scale), Effort(PARTS))
            bounds[wide] = np.stack([np.maximum(bounds[wide, 0], found[:, 0]), np.minimum(bounds[wide, 1], found[:, 1])], axis=1)
        return np.array(total(bounds))


def needs_points(found: Quantity) -> bool:
    """Whether an enclosure is wide, since there are more parts than are enclosed."""
    return found.kind is Kind.ENCLOSURE and not is_narrow(found)


def how(found: Iterable[Quantity]) -> str:
    """How values were found, for a note."""
    return HOW_SAMPLED if any(value.kind is Kind.ESTIMATE for value in found) else HOW
