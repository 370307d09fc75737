"""The region graph: which regions share a facet.

A facet of a region lies on a hyperplane of its path. Beyond it only one pattern is possible: the neurons whose forms
are proportional to the hyperplane's flip together, deeper neurons that vanish on it take the sign of their new form's
derivative across, all others keep their bit. If the list holds that pattern, the two regions touch in the hyperplane,
and share a facet if some point of it is strictly inside every other constraint of the first region (forms of both
regions agree there). Points at hand settle most pairs, a linear program the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polylc.complex.regions import Complex
from polylc.errors import SolverError
from polylc.geometry.lp import infinity, minimise
from polylc.network.compose import Forms, apply_affine, batches, rounding, scaled_error, unit_slopes
from polylc.network.patterns import unpack

PARALLEL = 1e-9  # relative distance below which two forms count as proportional (floating point proposes only)
CHEAP_GEOMETRY = 4  # up to this dimension a skeleton costs less than a linear program
THIN = 1e-9  # facets thinner than this, relative to the neighbourhood, are not edges


@dataclass(frozen=True)
class RegionGraph:
    """Edges as columns; the regions of an edge are first < second.

    Attributes
    ----------
    first, second : ndarray of int, shape (E,)
        Regions.
    first_entry, second_entry : ndarray of int, shape (E,)
        The path entry of each region whose hyperplane carries the facet; -1 where only the other region names it.
    flips : ndarray of int, shape (E,)
        Number of bits that differ.
    tested : dict
        How candidates were settled: edges shown by a point or a linear program, pairs without a common facet, and
        pairs on which the solver gave up (left out).
    """

    first: np.ndarray
    second: np.ndarray
    first_entry: np.ndarray
    second_entry: np.ndarray
    flips: np.ndarray
    tested: dict[str, int]

    def __len__(self) -> int:
        return len(self.first)

    def entry(self) -> np.ndarray:
        """A path entry that carries each edge's facet."""
        return np.where(self.first_entry >= 0, self.first_entry, self.second_entry)

    def neurons(self, complex_: Complex) -> np.ndarray:
        """A neuron that flips across each edge, the one on the path."""
        result: np.ndarray = complex_.neuron[self.entry()]
        return result


def build_graph(complex_: Complex, programs: bool = True) -> RegionGraph:
    """The region graph of a complex.

    Parameters
    ----------
    complex_ : Complex
    programs : bool
        Whether pairs that no point settles go to a linear program; without it they are left out.

    Returns
    -------
    RegionGraph
    """
    region, entry, other = _candidates(complex_)
    low, high = np.minimum(region, other), np.maximum(region, other)
    order = np.lexsort((region, high, low))
    low, high, region, entry = low[order], high[order], region[order], entry[order]
    new = np.ones(len(low), dtype=bool)
    new[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    pair = np.cumsum(new) - 1
    first, second = low[new], high[new]
    entries = np.full((2, len(first)), -1, dtype=np.int64)
    entries[(region == high).astype(int), pair] = entry
    seen_from = np.where(entries[0] >= 0, first, second)
    carried = np.where(entries[0] >= 0, entries[0], entries[1])
    beyond = first + second - seen_from
    is_edge, tested = _facet_test(complex_, seen_from, beyond, carried, programs)
    first, second, entries = first[is_edge], second[is_edge], entries[:, is_edge]
    flips = np.zeros(len(first), dtype=np.int64)
    for rows in batches(len(first), complex_.network.neurons + 1, 16_000_000):
        flips[rows] = np.bitwise_count(complex_.bits[first[rows]] ^ complex_.bits[second[rows]]).sum(axis=1)
    return RegionGraph(first, second, entries[0], entries[1], flips, tested)


def _unit(rows: np.ndarray) -> np.ndarray:
    length = np.sqrt(np.einsum("...j,...j->...", rows, rows))
    return rows / np.where(length > 0, length, 1.0)[..., None]


@dataclass(frozen=True)
class _Cells:
    """Forms of a batch of regions, their unit rows, and which of them are zero."""

    forms: Forms
    unit: np.ndarray
    zero: np.ndarray

    @classmethod
    def of(cls, forms: Forms) -> _Cells:
        return cls(forms, _unit(forms.hidden), np.abs(forms.hidden).sum(axis=-1) <= forms.noise)

    def proportional(self, owner: np.ndarray, neuron: np.ndarray) -> np.ndarray:
        """Per path entry (region `owner` of the batch, its neuron): the neurons on the same hyperplane; (E, neurons)."""
        unit, hyperplane = self.unit[owner], self.unit[owner, neuron]
        cosine = np.matmul(unit, hyperplane[:, :, None])[:, :, 0]
        close = (np.abs(cosine) > 1 - 1e-12) & ~self.zero[owner]
        close[np.arange(len(neuron)), neuron] = False
        row, j = np.nonzero(close)
        if len(row):
            rest = unit[row, j] - cosine[row, j][:, None] * hyperplane[row]
            size = np.abs(self.forms.hidden[owner[row], j]).sum(axis=-1)
            close[row, j] = np.abs(rest).sum(axis=-1) <= PARALLEL + self.forms.noise[owner[row], j] / size
        close[np.arange(len(neuron)), neuron] = True
        result: np.ndarray = close
        return result


def _candidates(complex_: Complex) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every (region, path entry, region listed beyond it)."""
    network, k = complex_.network, complex_.domain.dimension
    found = np.full(len(complex_.neuron), -1, dtype=np.int64)
    for rows in complex_.batches():
        cells = _Cells.of(complex_.forms(rows))
        owner = complex_.regions_of_entries(rows)
        begin = int(complex_.starts[rows.start])
        for part in batches(len(owner), 3 * network.neurons * (k + 1), 8_000_000):
            entries = slice(begin + part.start, begin + part.stop)
            neuron = complex_.neuron[entries].astype(np.int64)
            near, zero = cells.proportional(owner[part], neuron), cells.zero[owner[part]]
            deeper = network.layer_of[None, :] > network.layer_of[neuron][:, None]
            plain = (near.sum(axis=1) == 1) & ~(zero & deeper).any(axis=1)
            at = np.flatnonzero(plain)
            found[entries.start + at] = complex_.index.find_flipped(owner[part][at] + rows.start, neuron[at])
            at = np.flatnonzero(~plain)
            for some in batches(len(at), network.neurons * (k + 1)):
                pick = at[some]
                sign = np.where(complex_.side[entries][pick] == 1, 1.0, -1.0)
                hyperplane = cells.unit[owner[part][pick], neuron[pick]] * sign[:, None]
                pattern = complex_.patterns(owner[part][pick] + rows.start)
                beyond = cross(complex_, pattern, near[pick] | zero[pick], hyperplane)
                found[entries.start + pick] = complex_.index.find(beyond)
    entry = np.flatnonzero(found >= 0)
    region = np.searchsorted(complex_.starts, entry, side="right") - 1
    return region, entry, found[entry]


def cross(complex_: Complex, patterns: np.ndarray, vanishing: np.ndarray, hyperplane: np.ndarray) -> np.ndarray:
    """Patterns beyond a hyperplane, layer by layer (DESIGN, P3).

    Parameters
    ----------
    patterns : ndarray of bool, shape (E, neurons)
        Patterns on this side.
    vanishing : ndarray of bool, shape (E, neurons)
        Neurons whose form on this side vanishes on the hyperplane.
    hyperplane : ndarray, shape (E, k + 1)
        Unit form that vanishes on the hyperplane and is positive on this side.

    Returns
    -------
    ndarray of bool, shape (E, neurons)
    """
    network = complex_.network
    result = patterns.copy()
    count = len(patterns)
    sources = [np.broadcast_to(complex_.start, (count, *complex_.start.shape))]
    errors = [np.broadcast_to(complex_.domain.rounding, (count, network.inputs))]
    for index, layer in enumerate(network.layers):
        here = slice(network.offsets[index], network.offsets[index + 1])
        forms = apply_affine(layer.affine, sources)
        noise = rounding(layer.affine, sources, errors)
        slope = np.matmul(forms, hyperplane[:, :, None])[:, :, 0]  # forms that vanish on it are slope * hyperplane
        result[:, here] = np.where(vanishing[:, here], slope < -noise, patterns[:, here])
        slopes = unit_slopes(layer, result[:, here])
        sources.append(forms * slopes[:, :, None])
        errors.append(scaled_error(forms, noise, slopes))
    return result


def _facet_test(complex_: Complex, region: np.ndarray, beyond: np.ndarray, entry: np.ndarray, programs: bool) -> tuple[np.ndarray, dict[str, int]]:
    """Which candidate pairs share a facet, seen from `region` across the hyperplane of path entry `entry`."""
    order = np.argsort(region, kind="stable")
    result = np.zeros(len(region), dtype=bool)
    tested = {"by point": 0, "by linear program": 0, "no facet": 0, "not settled": 0}
    bounds = np.searchsorted(region[order], np.arange(len(complex_) + 1))
    for rows in complex_.batches():
        pick = order[bounds[rows.start] : bounds[rows.stop]]
        if not len(pick):
            continue
        cells = _Cells.of(complex_.forms(rows))
        for part in batches(len(pick), 4 * complex_.network.neurons * (complex_.domain.dimension + 1), 8_000_000):
            some = pick[part]
            local = region[some] - rows.start
            neuron = complex_.neuron[entry[some]].astype(np.int64)
            shown = _shown_by_points(complex_, cells, local, region[some], beyond[some], entry[some], neuron)
            tested["by point"] += int(shown.sum())
            if programs:
                for i in np.flatnonzero(~shown):
                    try:
                        shown[i] = _facet_program(complex_, cells, int(local[i]), int(region[some[i]]), int(entry[some[i]]))
                        tested["by linear program" if shown[i] else "no facet"] += 1
                    except SolverError:
                        tested["not settled"] += 1
            result[some] = shown
    return result, tested


def _shown_by_points(
    complex_: Complex, cells: _Cells, local: np.ndarray, region: np.ndarray, beyond: np.ndarray, entry: np.ndarray, neuron: np.ndarray
) -> np.ndarray:
    """Whether one of a few points on the hyperplane is strictly inside all other constraints of the region."""
    forms = cells.forms
    ignore = cells.proportional(local, neuron) | cells.zero[local]
    sign = np.where(complex_.patterns(region), 1.0, -1.0)
    half = complex_.domain.half
    hyperplane = forms.hidden[local, neuron]
    a, c = hyperplane[:, :-1], hyperplane[:, -1]
    u, w = complex_.unit[region], complex_.unit[beyond]
    at_u, at_w = np.einsum("ij,ij->i", a, u) + c, np.einsum("ij,ij->i", a, w) + c
    square = np.einsum("ij,ij->i", a, a)
    gap = np.where(at_u != at_w, at_u - at_w, 1.0)
    points = [
        u + (at_u / gap)[:, None] * (w - u),
        u - (at_u / square)[:, None] * a,
        w - (at_w / square)[:, None] * a,
    ]
    if complex_.domain.dimension <= CHEAP_GEOMETRY or "geometry" in vars(complex_):
        points.append(complex_.geometry.point[entry] / half)
    shown = np.zeros(len(local), dtype=bool)
    for point in points:
        left = np.flatnonzero(~shown)
        if not len(left):
            break
        q = point[left]
        z = np.matmul(forms.hidden[local[left], :, :-1], q[:, :, None])[:, :, 0] + forms.hidden[local[left], :, -1]
        inside = (sign[left] * z > forms.noise[local[left]]) | ignore[left]
        shown[left] = inside.all(axis=1) & (np.abs(q) < 1).all(axis=1)
    return shown


def _facet_program(complex_: Complex, cells: _Cells, local: int, region: int, entry: int) -> bool:
    """Whether the region has a facet on the hyperplane: the widest point of it by a linear program."""
    entries = np.arange(complex_.starts[region], complex_.starts[region + 1])
    neuron = complex_.neuron[entries].astype(np.int64)
    keep = ~cells.proportional(np.array([local]), complex_.neuron[[entry]].astype(np.int64))[0, neuron]
    sign = np.where(complex_.side[entries[keep]] == 1, 1.0, -1.0)
    rows = cells.forms.hidden[local, neuron[keep]] * sign[:, None]
    hyperplane = cells.forms.hidden[local, complex_.neuron[entry]]
    k = complex_.domain.dimension
    length = np.sqrt((rows[:, :-1] ** 2).sum(axis=1))
    inside = np.column_stack([rows[:, :-1] / length[:, None], -np.ones(len(rows))])
    eye = np.eye(k)
    box = np.vstack([np.column_stack([eye, np.ones(k)]), np.column_stack([-eye, np.ones(k)])])  # |u_j| + t <= 1
    size = np.sqrt((hyperplane[:-1] ** 2).sum())
    matrix = np.vstack([inside, box, np.append(hyperplane[:-1] / size, 0.0)])
    inf = infinity()
    row_lower = np.concatenate([-rows[:, -1] / length, np.full(2 * k, -inf), [-hyperplane[-1] / size]])
    row_upper = np.concatenate([np.full(len(rows), inf), np.ones(2 * k), [-hyperplane[-1] / size]])
    cost = np.append(np.zeros(k), -1.0)
    best = minimise(cost, matrix, row_lower, row_upper, np.append(np.full(k, -1.0), 0.0), np.append(np.ones(k), 1.0))
    return best is not None and -best.value > THIN


def edge_patterns(complex_: Complex, graph: RegionGraph, rows: slice) -> tuple[np.ndarray, np.ndarray]:
    """Bits of the two regions of some edges; boolean, shape (len(rows), neurons) each."""
    neurons = complex_.network.neurons
    return unpack(complex_.bits[graph.first[rows]], neurons), unpack(complex_.bits[graph.second[rows]], neurons)
