"""What lies beyond the hyperplanes of a region's path: the only pattern that can, exactly (docs/exactness.md, "The
region graph").

Neurons whose forms in the region are zero or proportional to the hyperplane's vanish on it; all others keep their bit
across. Going through the layers with the forms composed along the new bits, the form of a vanishing neuron is a
multiple s g of the hyperplane's form g, which is positive on this side: its new bit is 1 if s < 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polylc.complex.complex import Complex
from polylc.jit.decorators import kernel
from polylc.network.compose import batches
from polylc.network.exact_forms import ExactForms, Row, proportional
from polylc.network.patterns import unpack

COMPARED = 10_000_000  # patterns between two looks at limits and signals


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


def candidates(complex_: Complex, entries: np.ndarray, suspects: np.ndarray, first: bool = False) -> Candidates:
    """The listed region beyond the hyperplanes of path entries, where there is one, decided exactly.

    Parameters
    ----------
    complex_ : Complex
    entries : ndarray of int, shape (E,)
    suspects : ndarray of uint64, shape (E, words)
        Packed bits of the neurons that may vanish on the entry's hyperplane; all others certainly do not.
    first : bool
        Whether pairs may be left out in which the region beyond comes before the other.
    """
    if not len(entries):  # as nearly everywhere: no table of all patterns is needed
        return Candidates(entries, entries, entries, {})
    begins = np.searchsorted(complex_.starts, entries, side="right") - 1
    possible = np.zeros(len(entries), dtype=np.bool_)
    for part in batches(len(entries), len(complex_), COMPARED):
        _some_agree(complex_.bits, begins[part], suspects[part], first, possible[part])
    entries, suspects = entries[possible], suspects[possible]
    regions = np.searchsorted(complex_.starts, entries, side="right") - 1
    found = np.full(len(entries), -1, dtype=np.int64)
    groups: dict[int, np.ndarray] = {}
    patterns = np.zeros((len(entries), complex_.network.neurons), dtype=bool)
    leads = np.zeros(len(entries), dtype=bool)
    for i, (region, entry) in enumerate(zip(regions.tolist(), entries.tolist(), strict=True)):
        some = np.flatnonzero(unpack(suspects[i : i + 1], complex_.network.neurons)[0])
        patterns[i], group, leads[i] = _cross_entry(complex_, region, entry, some)
        if group is not None:
            groups[entry] = group
    found = np.where(leads, complex_.index.find(patterns), -1)
    listed = np.flatnonzero(found >= 0)
    return Candidates(regions[listed], entries[listed], found[listed], groups)


@kernel
def _some_agree(bits: np.ndarray, region: np.ndarray, suspects: np.ndarray, first: bool, possible: np.ndarray) -> None:
    """Whether some other listed region has the bits of an entry's region in all neurons that do not vanish on the
    hyperplane, as the pattern beyond has.

    Words are compared for all regions: to find the pattern beyond takes as long as for a million of them.
    """
    for i in range(len(region)):
        r = region[i]
        for w in range(r + 1 if first else 0, len(bits)):
            same = w != r
            for j in range(bits.shape[1]):
                same = same and not (bits[w, j] ^ bits[r, j]) & ~suspects[i, j]
                if not same:
                    break
            if same:
                possible[i] = True
                break


def _cross_entry(complex_: Complex, region: int, entry: int, suspects: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, bool]:
    """Pattern beyond an entry's hyperplane, the neurons that vanish on it if they are several, and whether no earlier
    entry is on it.
    """
    bits = complex_.patterns(slice(region, region + 1))[0]
    neuron = int(complex_.neuron[entry])
    forms = complex_.exact_forms
    own, *rows = forms.neurons([neuron, *suspects.tolist()], bits)
    hyperplane = _oriented(own, complex_.side[entry] == 1)
    group = np.zeros(len(bits), dtype=bool)
    for i, row in zip(suspects.tolist(), rows, strict=True):
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
        some = (offsets[layer] + np.flatnonzero(here)).tolist()
        for i, row in zip(some, forms.neurons(some, beyond), strict=True):
            slope = proportional(row, hyperplane)
            beyond[i] = slope is not None and slope < 0
    return beyond
