"""What lies beyond the hyperplanes of a region's path: the only pattern that can, exactly (DESIGN P3, docs/exactness.md).

Neurons whose forms in the region are zero or proportional to the hyperplane's vanish on it; all others keep their bit
across. Going through the layers with the forms composed along the new bits, the form of a vanishing neuron is a multiple
s g of the hyperplane's form g, which is positive on this side: its new bit is 1 if s < 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polylc.complex.regions import Complex
from polylc.network.compose import Forms, batches
from polylc.network.exact_forms import ExactForms, Row, proportional

CLOSE = 1e-9  # forms whose cosine is below 1 - CLOSE are not proportional, if they are known to FINE relative to their size
FINE = 1e-7


@dataclass(frozen=True)
class Candidates:
    """Pairs of listed regions that one path hyperplane may join, as columns.

    Attributes
    ----------
    region, entry, beyond : ndarray of int
        Region, entry of its path (index into the columns of the complex), and the region with the only pattern that can
        lie beyond that hyperplane. Of entries on the same hyperplane the first stands for all.
    groups : dict of int to ndarray of bool
        For entries on whose hyperplane further neurons vanish: mask of all neurons that do, shape (neurons,).
    """

    region: np.ndarray
    entry: np.ndarray
    beyond: np.ndarray
    groups: dict[int, np.ndarray]


def candidates(complex_: Complex) -> Candidates:
    """Every (region, hyperplane of its path, listed region beyond it)."""
    found = np.full(len(complex_.neuron), -1, dtype=np.int64)
    groups: dict[int, np.ndarray] = {}
    for rows in complex_.batches():
        forms = complex_.forms(rows)
        plain = _plain(complex_, rows, forms)
        begin = int(complex_.starts[rows.start])
        owner = complex_.regions_of_entries(rows) + rows.start
        at = np.flatnonzero(plain)
        found[begin + at] = complex_.index.find_flipped(owner[at], complex_.neuron[begin + at].astype(np.int64))
        at = np.flatnonzero(~plain)
        if not len(at):
            continue
        patterns = np.empty((len(at), complex_.network.neurons), dtype=bool)
        first = np.ones(len(at), dtype=bool)
        for i, (region, entry) in enumerate(zip(owner[at].tolist(), (begin + at).tolist(), strict=True)):
            patterns[i], group, first[i] = _cross_entry(complex_, region, entry)
            if group is not None:
                groups[entry] = group
        found[begin + at] = np.where(first, complex_.index.find(patterns), -1)
    listed: np.ndarray = np.flatnonzero(found >= 0)
    owners: np.ndarray = np.searchsorted(complex_.starts, listed, side="right").astype(np.int64)
    return Candidates(owners - 1, listed, found[listed], groups)


def _plain(complex_: Complex, rows: slice, forms: Forms) -> np.ndarray:
    """Whether doubles show that no neuron but its own vanishes on the hyperplane of a path entry; boolean, per entry.

    If F = F' + d and G = G' + e are proportional, with |d| <= FINE |F'| and |e| <= FINE |G'|, the computed F' and G' enclose
    an angle of at most 2.1 FINE, whose cosine is above 1 - CLOSE by far more than rounding.
    """
    width = complex_.domain.dimension + 1
    length = np.sqrt(np.einsum("rnj,rnj->rn", forms.hidden, forms.hidden))
    fine = forms.noise <= FINE * length  # never for a form that may be zero
    unit = forms.hidden / np.where(length > 0, length, 1.0)[:, :, None]
    owner = complex_.regions_of_entries(rows)
    entries = slice(int(complex_.starts[rows.start]), int(complex_.starts[rows.stop]))
    neuron = complex_.neuron[entries].astype(np.int64)
    result = np.zeros(len(owner), dtype=bool)
    for part in batches(len(owner), 2 * complex_.network.neurons * width, 8_000_000):
        at, own = owner[part], neuron[part]
        cosine = np.abs(np.matmul(unit[at], unit[at, own][:, :, None])[:, :, 0])
        apart = (cosine < 1 - CLOSE) & fine[at]
        apart[np.arange(len(own)), own] = fine[at, own]
        result[part] = apart.all(axis=1)
    return result


def _cross_entry(complex_: Complex, region: int, entry: int) -> tuple[np.ndarray, np.ndarray | None, bool]:
    """Pattern beyond an entry's hyperplane, the neurons that vanish on it if they are several, and whether no earlier entry is on it."""
    bits = complex_.patterns(slice(region, region + 1))[0]
    neuron = int(complex_.neuron[entry])
    hidden = complex_.exact_hidden(region)
    hyperplane = _oriented(hidden[neuron], complex_.side[entry] == 1)
    group = vanishing(hidden, hyperplane)
    first = not group[complex_.neuron[complex_.starts[region] : entry]].any()
    if group.sum() == 1:
        beyond = bits.copy()
        beyond[neuron] ^= True
        return beyond, None, first
    return cross(complex_.exact_forms, bits, group, hyperplane), group, first


def _oriented(row: Row, positive: bool) -> Row:
    return row if positive else tuple(-v for v in row)


def vanishing(hidden: list[Row], hyperplane: Row) -> np.ndarray:
    """Mask of the neurons whose form is zero or proportional to the hyperplane's; shape (neurons,)."""
    return np.array([not any(row) or proportional(row, hyperplane) is not None for row in hidden], dtype=bool)


def cross(forms: ExactForms, bits: np.ndarray, group: np.ndarray, hyperplane: Row) -> np.ndarray:
    """The pattern beyond a hyperplane.

    Parameters
    ----------
    forms : ExactForms
    bits : ndarray of bool, shape (neurons,)
        Pattern on this side.
    group : ndarray of bool, shape (neurons,)
        Neurons that vanish on the hyperplane.
    hyperplane : tuple of int
        Its form, positive on this side.
    """
    beyond = bits.copy()
    offsets = forms.network.offsets.tolist()
    for layer in range(len(forms.network.layers)):
        here = group[offsets[layer] : offsets[layer + 1]]
        if not here.any():
            continue
        rows = forms.layer(layer, beyond)
        for i in np.flatnonzero(here).tolist():
            slope = proportional(rows[i], hyperplane)
            beyond[offsets[layer] + i] = slope is not None and slope < 0
    return beyond
