"""What lies beyond the hyperplanes of a region's path: the only pattern that can, exactly (DESIGN P3, docs/exactness.md).

Neurons whose forms in the region are zero or proportional to the hyperplane's vanish on it; all others keep their bit
across. Going through the layers with the forms composed along the new bits, the form of a vanishing neuron is a multiple
s g of the hyperplane's form g, which is positive on this side: its new bit is 1 if s < 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polylc.complex.kernels import not_apart
from polylc.complex.regions import Complex
from polylc.network.compose import Forms
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
        at, suspects = _suspects(complex_, rows, forms)
        begin = int(complex_.starts[rows.start])
        owner = complex_.regions_of_entries(rows) + rows.start
        plain = np.ones(len(owner), dtype=bool)
        plain[at] = False
        simple = np.flatnonzero(plain)
        found[begin + simple] = complex_.index.find_flipped(owner[simple], complex_.neuron[begin + simple].astype(np.int64))
        if not len(at):
            continue
        patterns = np.empty((len(at), complex_.network.neurons), dtype=bool)
        first = np.ones(len(at), dtype=bool)
        for i, (region, entry) in enumerate(zip(owner[at].tolist(), (begin + at).tolist(), strict=True)):
            patterns[i], group, first[i] = _cross_entry(complex_, region, entry, np.flatnonzero(suspects[i]))
            if group is not None:
                groups[entry] = group
        found[begin + at] = np.where(first, complex_.index.find(patterns), -1)
    listed: np.ndarray = np.flatnonzero(found >= 0)
    owners: np.ndarray = np.searchsorted(complex_.starts, listed, side="right").astype(np.int64)
    return Candidates(owners - 1, listed, found[listed], groups)


def _suspects(complex_: Complex, rows: slice, forms: Forms) -> tuple[np.ndarray, np.ndarray]:
    """Path entries on whose hyperplane doubles cannot exclude that further neurons vanish, and those neurons.

    If F = F' + d and G = G' + e are proportional, with |d| <= FINE |F'| and |e| <= FINE |G'|, the computed F' and G' enclose
    an angle of at most 2.1 FINE, whose cosine is above 1 - CLOSE by far more than rounding.

    Returns
    -------
    at : ndarray of int, shape (S,)
        Entries, counted from the first of `rows`.
    suspects : ndarray of bool, shape (S, neurons)
        The entry's own neuron among them.
    """
    owner = complex_.regions_of_entries(rows)
    neuron = complex_.neuron[int(complex_.starts[rows.start]) : int(complex_.starts[rows.stop])].astype(np.int64)
    suspects = np.empty((len(owner), complex_.network.neurons), dtype=bool)
    at = np.flatnonzero(not_apart(forms.hidden, forms.noise, owner, neuron, CLOSE, FINE, suspects))
    return at, suspects[at]


def _cross_entry(complex_: Complex, region: int, entry: int, suspects: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, bool]:
    """Pattern beyond an entry's hyperplane, the neurons that vanish on it if they are several, and whether no earlier entry is on it."""
    bits = complex_.patterns(slice(region, region + 1))[0]
    neuron = int(complex_.neuron[entry])
    forms = complex_.exact_forms
    hyperplane = _oriented(forms.neuron(neuron, bits), complex_.side[entry] == 1)
    group = np.zeros(len(bits), dtype=bool)
    for i in suspects.tolist():
        row = forms.neuron(i, bits)
        group[i] = not any(row) or proportional(row, hyperplane) is not None
    first = not group[complex_.neuron[complex_.starts[region] : entry]].any()
    if group.sum() == 1:
        beyond = bits.copy()
        beyond[neuron] ^= True
        return beyond, None, first
    return cross(forms, bits, group, hyperplane), group, first


def _oriented(row: Row, positive: bool) -> Row:
    return row if positive else tuple(-v for v in row)


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
