"""Which regions and rivals interval arithmetic settles: the margin is positive on the whole box, or the region misses
the box.

Both questions are asked in floats with a rigorous error bound (`margin_box`), for all regions at once; where the bound
leaves the answer open, it is given in integers. So what survives is exactly what interval arithmetic does not settle.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from polylc.complex.complex import Complex
from polylc.engines.extras import Maps
from polylc.measures.margin.box import MarginBox
from polylc.network.compose import UNIT, batches
from polylc.network.exact_forms import Row


@dataclass(frozen=True)
class Pairs:
    """Regions and the rivals that are still open there.

    Attributes
    ----------
    region : ndarray of int, shape (r,)
    open : ndarray of bool, shape (r, rivals)
    """

    region: np.ndarray
    open: np.ndarray

    @property
    def count(self) -> int:
        """Number of open pairs."""
        return int(np.count_nonzero(self.open))


@dataclass(frozen=True)
class Survivors:
    """What interval arithmetic leaves open, and how many pairs it settled in floats and in integers."""

    pairs: Pairs
    floats: int
    integers: int


def all_pairs(complex_: Complex, rivals: int) -> Pairs:
    """Every region with every rival."""
    return Pairs(np.arange(len(complex_)), np.ones((len(complex_), rivals), dtype=bool))


def survivors(complex_: Complex, label: int, rivals: list[int], pairs: Pairs, box: MarginBox) -> Survivors:
    """The pairs of `pairs` whose margin is not positive on all of `box`, in regions that no half-space keeps off
    `box`.
    """
    regions, kept, floats, integers = [], [], 0, 0
    each = (complex_.network.neurons + complex_.network.outputs + 1) * (complex_.domain.dimension + 1)
    for rows in batches(len(pairs.region), each):
        region, still = pairs.region[rows], pairs.open[rows].copy()
        before = int(np.count_nonzero(still))
        low, _, error = box.ends(*margins(complex_.maps(region), label, rivals))
        still &= ~(low > error)
        live = still.any(axis=1)
        region, still, unsure = region[live], still[live], ~(low < -error)[live]
        if len(region):
            outside, unsure_rows = _outside(complex_, region, box)
            region, still, unsure, unsure_rows = region[~outside], still[~outside], unsure[~outside], unsure_rows[~outside]
        after = int(np.count_nonzero(still))
        floats += before - after
        for r in np.flatnonzero((still & unsure).any(axis=1) | unsure_rows if len(region) else []):
            still[r] &= ~_settled(complex_, int(region[r]), label, rivals, box, still[r] & unsure[r], bool(unsure_rows[r]))
        integers += after - int(np.count_nonzero(still))
        live = still.any(axis=1)
        regions.append(region[live])
        kept.append(still[live])
    if not regions:
        return Survivors(Pairs(np.zeros(0, dtype=np.int64), np.zeros((0, len(rivals)), dtype=bool)), 0, 0)
    return Survivors(Pairs(np.concatenate(regions), np.concatenate(kept)), floats, integers)


def margins(maps: Maps, label: int, rivals: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Forms f_label - f_j, and bounds on their errors; shapes (r, rivals, k + 1) and (r, rivals)."""
    forms = maps.map[:, [label]] - maps.map[:, rivals]
    noise = (maps.noise[:, [label]] + maps.noise[:, rivals]) * (1 + 8 * UNIT)
    # a difference errs by u times itself at most
    rounded = 2 * (forms.shape[-1] + 1) * UNIT * np.abs(forms).sum(axis=-1)
    return forms, np.where(noise + rounded == 0, 0.0, (noise + rounded) * (1 + 8 * UNIT))


def exact_path(complex_: Complex, region: int) -> list[Row]:
    """The same half-spaces of one region in integers."""
    bits = complex_.patterns(np.array([region]))[0]
    entries = range(int(complex_.starts[region]), int(complex_.starts[region + 1]))
    rows = [(complex_.exact_forms.neuron(int(complex_.neuron[e]), bits), complex_.side[e] == 1) for e in entries]
    return [row if positive else tuple(-v for v in row) for row, positive in rows]


def exact_margin(complex_: Complex, region: int, label: int, rival: int) -> Row:
    """f_label - f_rival on one region in integers."""
    output = complex_.exact_forms.output(complex_.patterns(np.array([region]))[0])
    return tuple(a - b for a, b in zip(output[label], output[rival], strict=True))


def runs(region: np.ndarray) -> Iterator[slice]:
    """Rising numbers of regions as slices of neighbours in the list."""
    cuts = np.flatnonzero(np.diff(region) != 1) + 1
    for begin, end in itertools.pairwise([0, *cuts.tolist(), len(region)]):
        yield slice(int(region[begin]), int(region[end - 1]) + 1)


def _outside(complex_: Complex, region: np.ndarray, box: MarginBox) -> tuple[np.ndarray, np.ndarray]:
    """Regions of which some path half-space is negative on the box, and those of which some half-space may be."""
    parts = [complex_.half_spaces(rows) for rows in runs(region)]
    rows, noise = (np.concatenate([part[q] for part in parts]) for q in (0, 1))
    owner = np.repeat(np.arange(len(region)), complex_.starts[region + 1] - complex_.starts[region])
    outside, unsure = np.zeros(len(region), dtype=bool), np.zeros(len(region), dtype=bool)
    if len(rows):
        _, high, error = box.ends(rows, noise)
        outside[owner[high < -error]] = True
        unsure[owner[~(high > error)]] = True
    return outside, unsure


def _settled(complex_: Complex, region: int, label: int, rivals: list[int], box: MarginBox, which: np.ndarray, path: bool) -> np.ndarray:
    """In integers, for one region: the rivals among `which` with a positive margin, or all if the region misses the
    box.
    """
    if path and any(box.exact_ends(row)[1] < 0 for row in exact_path(complex_, region)):
        return np.ones(len(rivals), dtype=bool)
    result = np.zeros(len(rivals), dtype=bool)
    for j in np.flatnonzero(which):
        result[j] = box.exact_ends(exact_margin(complex_, region, label, rivals[j]))[0] > 0
    return result
